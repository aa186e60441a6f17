/* SPDX-License-Identifier: MIT */
/*
 * Every error has a text and every drop reason a name, no two the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/error.h>
#include <berth/stats.h>

#include <ctype.h>

static void every_error_has_a_text(void **state)
{
    (void)state;
    for (int error = 0; error >= BERTH_E_SYNTAX; error--) {
        const char *text = berth_error_text(error);

        assert_non_null(text);
        assert_string_not_equal(text, "unknown error");
        for (int other = 0; other > error; other--) {
            assert_string_not_equal(text, berth_error_text(other));
        }
    }
    assert_string_equal(berth_error_text(BERTH_E_REFUSED), "connection refused");
    assert_string_equal(berth_error_text(1), "unknown error");
    assert_string_equal(berth_error_text(BERTH_E_SYNTAX - 1), "unknown error");
    assert_string_equal(berth_error_text(-2147483647 - 1), "unknown error");
}

static void every_drop_has_a_name(void **state)
{
    (void)state;
    for (int drop = 0; drop < BERTH_DROP_COUNT; drop++) {
        const char *name = berth_drop_name((enum berth_drop)drop);

        assert_non_null(name);
        assert_string_not_equal(name, "unknown");
        for (const char *at = name; *at != '\0'; at++) {
            assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
        }
        for (int other = 0; other < drop; other++) {
            assert_string_not_equal(name, berth_drop_name((enum berth_drop)other));
        }
    }
    assert_string_equal(berth_drop_name(BERTH_DROP_BAD_CHECKSUM), "bad_checksum");
    assert_string_equal(berth_drop_name(BERTH_DROP_COUNT), "unknown");
    assert_string_equal(berth_drop_name((enum berth_drop) - 1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_text),
        cmocka_unit_test(every_drop_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
