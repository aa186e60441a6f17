/* SPDX-License-Identifier: MIT */
/*
 * Rules by process: spelling, verdicts with the process known and not, and what many of them cost.
 */
#include "fixture.h"

#include "firewall/rule.h"

static void spellings(void **state)
{
    static const struct fixture_spelling table[] = {
        {"allow out https by curl", "allow out https by curl"},
        {"Allow Out Https Log By curl , git", "allow out https by curl,git log"},
        {"ask out by Curl", "ask out any by Curl"},
        {"deny in 80 from any by nginx", "deny in 80/tcp by nginx"},
        {"allow out by \"Web Content\",\"a#b\"", "allow out any by \"Web Content\",\"a#b\""},
        {"allow out by \"curl\"", "allow out any by curl"},
        {"allow out by \"log\",\"TO\"", "allow out any by \"log\",\"TO\""},
        {"allow out by a\"b,exactly15bytes.", "allow out any by a\"b,exactly15bytes."},
        {"allow out to host by \"x,y\" # z", "allow out any to host by \"x,y\""},
    };

    fixture_spellings(*state, table, sizeof table / sizeof table[0]);
}

static void mistakes(void **state)
{
    static const struct fixture_mistake table[] = {
        {"allow out by", 1, 13, "end of line", "a process name (at most 15"},
        {"allow out by curl,", 1, 19, "end of line", "a process name (at most 15"},
        {"allow out by ,curl", 1, 14, ",", "a process name (at most 15"},
        {"allow out by exactly16bytes..", 1, 14, "exactly16bytes..", "a process name (at most 15"},
        {"allow out by \"\"", 1, 14, "\"\"", "a process name (at most 15"},
        {"allow out by \"open", 1, 14, "\"open", "a process name (at most 15"},
        {"allow out by \"a\"b", 1, 14, "\"a\"b", "a process name (at most 15"},
        {"allow out by a\x01", 1, 14, "a\x01", "a process name (at most 15"},
        {"allow out by log", 1, 14, "log", "a process name (in quotes if it is a word"},
        {"allow out by curl by git", 1, 19, "by", "limit, log or the end of the rule"},
        {"allow out by curl to host", 1, 19, "to", "limit, log or the end of the rule"},
    };

    fixture_mistakes(*state, table, sizeof table / sizeof table[0]);
}

/* What is said of 10.9.9.9's port 80. */
static void verdicts(void **state)
{
    static const struct {
        const char *rules;
        const char *process;
        enum berth_action action;
        int rule;
        bool needs_process;
    } table[] = {
        {"allow out 80 by curl", "curl", BERTH_ALLOW, 0, false},
        {"allow out 80 by curl", "Curl", BERTH_DENY, -1, false},
        {"allow out 80 by curl", "git", BERTH_DENY, -1, false},
        {"allow out 80 by curl", "", BERTH_DENY, -1, false},
        {"allow out 80 by curl", "curl-and-a-long-tail", BERTH_DENY, -1, false},
        {"allow out 80 by curl", NULL, BERTH_DENY, -1, true},
        {"allow out 81 by curl", NULL, BERTH_DENY, -1, false},
        {"allow in 80 by curl", NULL, BERTH_DENY, -1, false},
        {"deny out 80 by curl\nallow out 80", "curl", BERTH_DENY, 0, false},
        {"deny out 80 by curl\nallow out 80", "git", BERTH_ALLOW, 1, false},
        {"deny out 80 by curl\nallow out 80", NULL, BERTH_DENY, 0, true},
        {"drop out by curl\nallow out 80", NULL, BERTH_DROP, 0, true},
        {"ask out by curl\nallow out 80", NULL, BERTH_ASK, 0, true},
        {"ask out by curl\nallow out 80", "git", BERTH_ALLOW, 1, false},
        {"allow out 80\ndeny out 80 by curl", NULL, BERTH_ALLOW, 0, false},
        {"allow out 80 by curl\nallow out 80", NULL, BERTH_ALLOW, 1, true},
        {"allow out 80 by curl\nallow out 80", "git", BERTH_ALLOW, 1, false},
        {"allow out 80 by curl\ndeny out by git\nallow out", NULL, BERTH_DENY, 1, true},
        {"allow out 80 by git,curl", "curl", BERTH_ALLOW, 0, false},
        /* The first that matches but for the process leads on to the next of the same shape. */
        {"allow out 80 by git\nallow out 80 by curl", "curl", BERTH_ALLOW, 1, false},
        {"deny out 80 by git\nallow out 80 by curl", "curl", BERTH_ALLOW, 1, false},
        {"ask out 80", NULL, BERTH_ASK, 0, false},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct berth_contact_query query = fixture_query("out tcp 10.9.9.9 80");
        struct berth_verdict verdict;

        fixture_load(fixture, table[i].rules);
        query.process = table[i].process;
        verdict = firewall_judge(&fixture->firewall, &query);
        if (verdict.action != table[i].action || verdict.rule != table[i].rule ||
            verdict.needs_process != table[i].needs_process ||
            verdict.reason != (verdict.rule < 0 ? BERTH_REASON_NO_RULE : BERTH_REASON_BY_RULE)) {
            fail_msg("%s by %s: action %d by rule %d, needs process %d", table[i].rules,
                     table[i].process == NULL ? "?" : table[i].process, (int)verdict.action,
                     (int)verdict.rule, verdict.needs_process);
        }
    }
}

static void a_rule_tells_that_the_process_is_another(void **state)
{
    struct fixture *fixture = *state;
    struct berth_contact_query query = fixture_query("out tcp 10.9.9.9 80");

    fixture_load(fixture, "allow out 80 by curl\ndeny out 80 by curl");
    assert_int_equal(firewall_explain(&fixture->firewall, 0, &query), BERTH_MISS_PROCESS);
    assert_int_equal(firewall_explain(&fixture->firewall, 1, &query), BERTH_MATCH);
    query.process = "git";
    assert_int_equal(firewall_explain(&fixture->firewall, 1, &query), BERTH_MISS_PROCESS);
    query.port = 81;
    assert_int_equal(firewall_explain(&fixture->firewall, 1, &query), BERTH_MISS_PORT);
}

/* More processes than have numbers in the index: the others' rules are walked, and as right. */
static void very_many_processes(void **state)
{
    enum { MANY = 5000 };
    static char text[MANY * 32];
    struct fixture many = {0};
    struct berth_contact_query query = fixture_query("out tcp 10.9.9.9 80");
    const struct firewall_index *index;
    size_t used = 0;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "allow out 80 by p%d\n", i);
    }
    fixture_make(&many, MANY, sizeof text);
    fixture_load(&many, text);
    index = &many.firewall.sets[many.firewall.active].index;
    assert_in_range(index->rest_begin[FIREWALL_LISTS], 900, 1000);
    assert_int_equal(index->tuples_begin[FIREWALL_RANGES], 2);
    for (int i = 0; i < MANY; i += 7) {
        char name[16];

        (void)snprintf(name, sizeof name, "p%d", i);
        query.process = name;
        assert_int_equal(firewall_judge(&many.firewall, &query).rule, i);
    }
    query.process = "q";
    assert_int_equal(firewall_judge(&many.firewall, &query).rule, -1);
    query.process = NULL;
    assert_true(firewall_judge(&many.firewall, &query).needs_process);
    free(many.memory);
}

static void the_network_is_reached_by_whom_it_may(void **state)
{
    static const struct {
        const char *rules;
        bool reaches;
    } table[] = {
        {"allow out 80 by curl", true},
        {"ask out 80", true},
        {"deny out by curl\nallow out 80", true},
        {"deny out\nask out 80", false},
        {"deny out by curl", false},
        {"ask out to host", false},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fixture_load(fixture, table[i].rules);
        assert_int_equal(firewall_may_reach_network(&fixture->firewall), table[i].reaches);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spellings),
        TEST(mistakes),
        TEST(verdicts),
        TEST(a_rule_tells_that_the_process_is_another),
        TEST(the_network_is_reached_by_whom_it_may),
        cmocka_unit_test(very_many_processes),
    };
    return cmocka_run_group_tests_name("firewall/by", tests, NULL, NULL);
}
