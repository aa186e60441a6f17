/* SPDX-License-Identifier: MIT */
/* The word that was meant. */
#include "fixture.h"

#include "firewall/suggest.h"

static void words(void **state)
{
    static const char *const list[] = {"allow", "deny", "drop", NULL};

    (void)state;
    assert_string_equal(firewall_suggest_word("alow", list), "allow");
    assert_string_equal(firewall_suggest_word("allwo", list), "allow");
    assert_string_equal(firewall_suggest_word("dney", list), "deny");
    assert_string_equal(firewall_suggest_word("DORP", list), "drop");
    assert_null(firewall_suggest_word("permit", list));
    assert_null(firewall_suggest_word("", list));
    assert_null(firewall_suggest_word("d", list));
    assert_null(firewall_suggest_word("allowallowallowallowallowallow", list));
}

static void services(void **state)
{
    (void)state;
    assert_string_equal(firewall_suggest_service("htps"), "https");
    assert_string_equal(firewall_suggest_service("htttps"), "https");
    assert_string_equal(firewall_suggest_service("postgresq"), "postgresql");
    assert_string_equal(firewall_suggest_service("POSTGRSEQL"), "postgresql");
    assert_null(firewall_suggest_service("qqqqqqqqqq"));
    assert_null(firewall_suggest_service(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(services),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
