/* SPDX-License-Identifier: MIT */
/*
 * JSON is well-formed whatever the text, and keeps its order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/json.h"

static void assert_json(json_t *value, const char *expected)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static void json_text_may_be_missing_or_no_utf8(void **state)
{
    (void)state;
    assert_json(cli_json_text(NULL), "null");
    assert_json(cli_json_text(""), "null");
    assert_json(cli_json_text("\xc3\xa9\n"), "\"\xc3\xa9\\n\"");
    assert_json(cli_json_text("a\xff"
                              "b"),
                "\"a\xef\xbf\xbd"
                "b\"");
    assert_json(cli_json_text("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void json_prints_in_the_order_of_putting(void **state)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    json_t *object = cli_json_object();
    json_t *array = cli_json_array();

    (void)state;
    cli_json_put_number(object, "z", -1);
    cli_json_put(object, "a", json_true());
    cli_json_append(array, json_incref(object));
    cli_json_print(array, out);
    cli_json_print(object, out);
    fclose(out);
    assert_string_equal(text, "[\n  {\n    \"z\": -1,\n    \"a\": true\n  }\n]\n"
                              "{\n  \"z\": -1,\n  \"a\": true\n}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_text_may_be_missing_or_no_utf8),
        cmocka_unit_test(json_prints_in_the_order_of_putting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
