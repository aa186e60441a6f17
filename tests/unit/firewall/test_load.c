/* SPDX-License-Identifier: MIT */
/* Loading: all or nothing, limits, many rules, and texts by number. */
#include "fixture.h"

static void texts_and_lines(void **state)
{
    struct fixture *fixture = *state;

    fixture_load(fixture, "# policy\nallow out https\n\n  deny in 22 # ssh\n");
    assert_int_equal(firewall_rule_count(&fixture->firewall), 2);
    assert_string_equal(firewall_rule_text(&fixture->firewall, 0), "allow out https");
    assert_string_equal(firewall_rule_text(&fixture->firewall, 1), "deny in 22/tcp");
    assert_null(firewall_rule_text(&fixture->firewall, 2));
    assert_int_equal(firewall_rule_line(&fixture->firewall, 0), 2);
    assert_int_equal(firewall_rule_line(&fixture->firewall, 1), 4);
    assert_int_equal(firewall_rule_line(&fixture->firewall, 2), 0);
}

static void a_mistake_keeps_the_old_rules(void **state)
{
    struct fixture *fixture = *state;
    static const char wrong[] = "allow out 1-65535\nallow out to host\nallow oout";

    fixture_load(fixture, "allow out 80");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(firewall_load(&fixture->firewall, wrong, sizeof wrong - 1, NULL),
                         BERTH_E_SYNTAX);
        assert_int_equal(firewall_rule_count(&fixture->firewall), 1);
        assert_string_equal(firewall_rule_text(&fixture->firewall, 0), "allow out 80/tcp");
        assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 80"), 0);
        assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 81"), -1);
    }
    fixture_load(fixture, "allow out 81");
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 80"), -1);
    fixture_load(fixture, "");
    assert_int_equal(fixture_ask(fixture, "out tcp 10.9.9.9 81"), -1);
    assert_int_equal(firewall_rule_count(&fixture->firewall), 0);
}

static void limits_are_said(void **state)
{
    static const char three[] = "allow out 1\nallow out 2\n\nallow out 3";
    static const char many_bytes[] = "allow out 1\nallow out 10000,20000,30000,40000,50000";
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, 2, 40);
    fixture_load(&fixture, "allow out 1\nallow out 2");
    assert_int_equal(firewall_load(&fixture.firewall, three, sizeof three - 1, &fixture.error),
                     BERTH_E_LIMIT);
    assert_int_equal(fixture.error.line, 4);
    assert_memory_equal(fixture.error.expected, "at most 2 rules, of 40 bytes", 28);
    assert_int_equal(
        firewall_load(&fixture.firewall, many_bytes, sizeof many_bytes - 1, &fixture.error),
        BERTH_E_LIMIT);
    assert_int_equal(fixture.error.line, 2);
    assert_int_equal(firewall_rule_count(&fixture.firewall), 2);
    free(fixture.memory);
    fixture_make(&fixture, 0, 0);
    fixture_load(&fixture, "# none\n");
    assert_int_equal(firewall_load(&fixture.firewall, three, sizeof three - 1, &fixture.error),
                     BERTH_E_LIMIT);
    free(fixture.memory);
}

/* Whatever the room, a text that does not fit is refused and one that does is right. */
static void every_size_of_room(void **state)
{
    static const char text[] = "allow out rap,msp,http-alt,x11 to ::,::1,host\n"
                               "deny in 1,3,5,7,9/udp from ::,::,::,::,::,::,::\n"
                               "allow out any to 10.0.0.0/8,fd00::/64 log\n";
    int loaded = 0;

    (void)state;
    for (uint32_t bytes = 0; bytes < 200; bytes++) {
        struct fixture fixture;
        int status;

        fixture_make(&fixture, 3, bytes);
        status = firewall_load(&fixture.firewall, text, sizeof text - 1, &fixture.error);
        assert_true(status == BERTH_OK || status == BERTH_E_LIMIT);
        loaded += status == BERTH_OK;
        assert_int_equal(fixture_ask(&fixture, "out udp 10.9.9.9 1"), status == BERTH_OK ? 2 : -1);
        free(fixture.memory);
    }
    assert_true(loaded > 50 && loaded < 150);
}

static void a_hundred_thousand_rules(void **state)
{
    const uint32_t count = 100000;
    char *text = malloc((size_t)count * 40);
    struct fixture fixture;
    size_t used = 0;

    (void)state;
    assert_non_null(text);
    for (uint32_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, 40, "allow out %u to 11.%u.%u.0/24\n", i % 60000 + 1,
                                 i >> 8 & 255, i & 255);
    }
    text[used] = '\0';
    fixture_make(&fixture, count, (uint32_t)used + count * 4);
    fixture_load(&fixture, text);
    assert_int_equal(firewall_rule_count(&fixture.firewall), count);
    assert_int_equal(fixture_ask(&fixture, "out tcp 11.0.0.9 1"), 0);
    assert_int_equal(fixture_ask(&fixture, "out tcp 11.134.159.9 40000"), 99999);
    assert_int_equal(fixture_ask(&fixture, "out tcp 11.134.160.9 40000"), -1);
    assert_string_equal(firewall_rule_text(&fixture.firewall, 99999),
                        "allow out 40000/tcp to 11.134.159.0/24");
    free(fixture.memory);
    free(text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(texts_and_lines),
        CASE(a_mistake_keeps_the_old_rules),
        cmocka_unit_test(limits_are_said),
        cmocka_unit_test(every_size_of_room),
        cmocka_unit_test(a_hundred_thousand_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
