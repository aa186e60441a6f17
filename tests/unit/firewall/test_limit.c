/* SPDX-License-Identifier: MIT */
/*
 * Limits: spelling, how many pass in what time, for which source, over reloads, and without room.
 */
#include "fixture.h"

#include "firewall/rule.h"

static void spellings(void **state)
{
    static const struct fixture_spelling table[] = {
        {"allow in 80 limit 20/second", "allow in 80/tcp limit 20/second"},
        {"allow out log Limit 1/Hour by curl", "allow out any by curl limit 1/hour log"},
        {"ask in ssh/tcp from 10.0.0.0/8 limit 1000000/minute",
         "ask in ssh/tcp from 10.0.0.0/8 limit 1000000/minute"},
    };

    fixture_spellings(*state, table, sizeof table / sizeof table[0]);
}

static void mistakes(void **state)
{
    static const struct fixture_mistake table[] = {
        {"allow in limit", 1, 15, "end of line", "a number from 1 to 1000000 and a time"},
        {"allow in limit 0/second", 1, 16, "0/second", "a number from 1 to 1000000 and a time"},
        {"allow in limit 01/second", 1, 16, "01/second", "a number from 1 to 1000000 and a time"},
        {"allow in limit 1000001/hour", 1, 16, "1000001/hour", "a number from 1 to 1000000"},
        {"allow in limit 99999999999/hour", 1, 16, "99999999999/hour",
         "a number from 1 to 1000000"},
        {"allow in limit /second", 1, 16, "/second", "a number from 1 to 1000000 and a time"},
        {"allow in limit 20", 1, 16, "20", "a number from 1 to 1000000 and a time"},
        {"allow in limit 20/", 1, 16, "20/", "20/second, 20/minute or 20/hour"},
        {"allow in limit 20/day", 1, 16, "20/day", "20/second, 20/minute or 20/hour"},
        {"allow in limit 20/seconds", 1, 16, "20/seconds", "20/second, 20/minute or 20/hour"},
        {"allow in limit 2/hour limit 2/hour", 1, 23, "limit", "by, log or the end of the rule"},
        {"deny in limit 2/hour", 1, 9, "limit",
         "from, by, log or the end of the rule (limit goes with allow and ask)"},
        {"drop in log limit 2/hour", 1, 13, "limit", "by or the end of the rule (limit goes with"},
    };

    fixture_mistakes(*state, table, sizeof table / sizeof table[0]);
}

/* How many of COUNT first contacts like TEXT pass now. */
static int passing(struct fixture *fixture, const char *text, int count)
{
    struct berth_contact_query query = fixture_query(text);
    int passed = 0;

    for (int i = 0; i < count; i++) {
        struct berth_verdict verdict = firewall_judge(&fixture->firewall, &query);
        int status = firewall_take(&fixture->firewall, &query, &verdict);

        if (status == BERTH_OK) {
            passed += verdict.action == BERTH_ALLOW;
        } else {
            assert_int_equal(status, BERTH_E_LIMIT);
            assert_int_equal(verdict.action, BERTH_DENY);
            assert_int_equal(verdict.reason, BERTH_REASON_BY_LIMIT);
            assert_true(verdict.rule >= 0);
        }
    }
    return passed;
}

static void so_many_at_once_then_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    const char *client = "in tcp 198.51.100.7 80";

    fixture_load(fixture, "allow in 80 limit 4/second\nallow in 80");
    assert_int_equal(passing(fixture, client, 10), 4);
    fixture->firewall.now_ns = NS_PER_S / 4 - 1;
    assert_int_equal(passing(fixture, client, 10), 0);
    fixture->firewall.now_ns = NS_PER_S / 4;
    assert_int_equal(passing(fixture, client, 10), 1);
    fixture->firewall.now_ns = NS_PER_S;
    assert_int_equal(passing(fixture, client, 10), 3);
    fixture->firewall.now_ns = 100 * NS_PER_S; /* no more is saved up than the bucket holds */
    assert_int_equal(passing(fixture, client, 10), 4);
}

static void every_period(void **state)
{
    static const struct {
        const char *rule;
        uint64_t each_ns;
    } table[] = {
        {"allow in limit 1/second", NS_PER_S},      {"allow in limit 1/minute", 60 * NS_PER_S},
        {"allow in limit 1/hour", 3600 * NS_PER_S}, {"allow in limit 7/second", NS_PER_S / 7 + 1},
        {"allow in limit 1000000/second", 1000},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fixture_load(fixture, table[i].rule);
        assert_int_not_equal(passing(fixture, "in udp 198.51.100.7 80", 1000001), 1000001);
        fixture->firewall.now_ns += table[i].each_ns - 1;
        assert_int_equal(passing(fixture, "in udp 198.51.100.7 80", 2), 0);
        fixture->firewall.now_ns += 1;
        assert_int_equal(passing(fixture, "in udp 198.51.100.7 80", 2), 1);
    }
}

/* In: each peer, of IPv6 each /64; out: the program. Each rule for itself. */
static void sources(void **state)
{
    struct fixture *fixture = *state;

    fixture_load(fixture, "allow in 80 limit 2/hour\nallow in 81 limit 2/hour\n"
                          "allow out limit 3/hour");
    assert_int_equal(passing(fixture, "in tcp 198.51.100.7 80", 3), 2);
    assert_int_equal(passing(fixture, "in tcp 198.51.100.8 80", 3), 2);
    assert_int_equal(passing(fixture, "in tcp 198.51.100.7 81", 3), 2);
    assert_int_equal(passing(fixture, "in tcp 2001:db8::1 80", 3), 2);
    assert_int_equal(passing(fixture, "in tcp 2001:db8::2 80", 3), 0);
    assert_int_equal(passing(fixture, "in tcp 2001:db8:0:1::1 80", 3), 2);
    assert_int_equal(passing(fixture, "out tcp 198.51.100.7 80", 2), 2);
    assert_int_equal(passing(fixture, "out udp 198.51.100.8 81", 2), 1);
}

/* A rule that is spelled the same keeps its count; judging counts nothing. */
static void reloading_keeps_the_count(void **state)
{
    struct fixture *fixture = *state;
    struct berth_contact_query query = fixture_query("in tcp 198.51.100.7 80");

    fixture_load(fixture, "allow in 80 limit 2/hour");
    assert_int_equal(passing(fixture, "in tcp 198.51.100.7 80", 3), 2);
    assert_int_equal(fixture_ask(fixture, "in tcp 198.51.100.7 80"), 0);
    assert_true(firewall_judge(&fixture->firewall, &query).limited);
    fixture_load(fixture, "deny in 81\nallow in 80/tcp Limit 2/hour # again");
    assert_int_equal(passing(fixture, "in tcp 198.51.100.7 80", 3), 0);
    fixture_load(fixture, "allow in 80 limit 3/hour");
    assert_int_equal(passing(fixture, "in tcp 198.51.100.7 80", 4), 3);
}

/* Records are used anew when they are full again; without one nothing passes. */
static void without_room_it_is_shut(void **state)
{
    struct fixture *fixture = *state;
    char text[40];

    fixture_load(fixture, "allow in 80 limit 1/minute\nallow in 81 limit 1/hour");
    for (int i = 0; i < FIXTURE_SOURCES; i++) {
        (void)snprintf(text, sizeof text, "in tcp 11.0.0.%d %d", i, i < 40 ? 81 : 80);
        assert_int_equal(passing(fixture, text, 1), 1);
    }
    assert_int_equal(passing(fixture, "in tcp 12.0.0.1 80", 1), 0);
    assert_int_equal(passing(fixture, "in tcp 11.0.0.50 80", 1), 0);
    fixture->firewall.now_ns = 60 * NS_PER_S;
    /* 40 that are not full stand in front: each look moves on by 16. */
    assert_int_equal(passing(fixture, "in tcp 12.0.0.1 80", 3), 1);
    assert_int_equal(passing(fixture, "in tcp 12.0.0.2 80", 2), 1);
    assert_int_equal(passing(fixture, "in tcp 11.0.0.1 81", 1), 0); /* it was not forgotten */
    assert_int_equal(fixture->firewall.limiter.pool.used, FIXTURE_SOURCES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spellings),
        TEST(mistakes),
        TEST(so_many_at_once_then_one_by_one),
        TEST(every_period),
        TEST(sources),
        TEST(reloading_keeps_the_count),
        TEST(without_room_it_is_shut),
    };
    return cmocka_run_group_tests_name("firewall/limit", tests, NULL, NULL);
}
