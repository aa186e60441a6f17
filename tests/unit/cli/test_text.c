/* SPDX-License-Identifier: MIT */
/*
 * Text is cleaned, measured and cut by characters, and the nearest word is found.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/text.h"

static void assert_clean(const char *text, const char *expected)
{
    char *clean = cli_text_clean(text);

    assert_string_equal(clean, expected);
    free(clean);
}

static void good_text_stays(void **state)
{
    (void)state;
    assert_clean("", "");
    assert_clean("plain", "plain");
    assert_clean("\xc3\x89t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2",
                 "\xc3\x89t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2");
}

static void what_drives_a_terminal_is_shown_instead(void **state)
{
    (void)state;
    assert_clean("a\033[31mb", "a\\x1b[31mb");
    assert_clean("a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f");
    assert_clean("\xc2\x9b", "\\xc2\\x9b");              /* C1: CSI */
    assert_clean("x\xe2\x80\xaey", "x\\xe2\\x80\\xaey"); /* right-to-left override */
    assert_clean("x\xe2\x81\xa6y", "x\\xe2\\x81\\xa6y"); /* isolate */
    assert_clean("x\xe2\x80\xa8y", "x\\xe2\\x80\\xa8y"); /* line separator */
    assert_clean("\xef\xbb\xbfx", "\\xef\\xbb\\xbfx");   /* byte order mark */
    assert_clean("x\xc2\xa0y", "x\\xc2\\xa0y");          /* no-break space */
    assert_clean("x\xe2\x80\x8by", "x\\xe2\\x80\\x8by"); /* zero-width space */
    assert_clean("x\xe2\x80\x8dy", "x\xe2\x80\x8dy");    /* zero-width joiner */
}

static void what_is_no_utf8_is_shown_instead(void **state)
{
    (void)state;
    assert_clean("\xff", "\\xff");
    assert_clean("\x80", "\\x80");
    assert_clean("\xc3", "\\xc3");
    assert_clean("\xc3(", "\\xc3(");
    assert_clean("\xc0\xaf", "\\xc0\\xaf");                   /* overlong */
    assert_clean("\xe0\x80\xaf", "\\xe0\\x80\\xaf");          /* overlong */
    assert_clean("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
    assert_clean("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* past U+10FFFF */
    assert_clean("\xe2\x82", "\\xe2\\x82");
}

static void widths_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(cli_text_width(""), 0);
    assert_int_equal(cli_text_width("abc"), 3);
    assert_int_equal(cli_text_width("\xc3\xa9t\xc3\xa9"), 3);
    assert_int_equal(cli_text_width("e\xcc\x81"), 1);    /* combining */
    assert_int_equal(cli_text_width("\xe6\xb8\xaf"), 2); /* wide */
}

static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    assert_int_equal(cli_text_fit("abc", 2), 2);
    assert_int_equal(cli_text_fit("abc", 5), 3);
    assert_int_equal(cli_text_fit("\xc3\xa9t\xc3\xa9", 1), 2);
    assert_int_equal(cli_text_fit("\xe6\xb8\xaf\xe6\xb8\xaf", 3), 3);
    assert_int_equal(cli_text_fit("\xe6\xb8\xaf", 1), 0);
}

static void the_nearest_word_is_found(void **state)
{
    static const char *const words[] = {"allow", "deny", "default", "dns", "a"};

    (void)state;
    assert_string_equal(cli_text_nearest("alow", words, 5), "allow");
    assert_string_equal(cli_text_nearest("denny", words, 5), "deny");
    assert_string_equal(cli_text_nearest("def", words, 5), "default");
    assert_null(cli_text_nearest("publish", words, 5));
    assert_null(cli_text_nearest("x", words, 5)); /* a word of one letter is near to none */
    assert_null(cli_text_nearest("", words, 5));
    assert_null(cli_text_nearest("averylongwordthatismorethanthirtytwobytes", words, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_stays),
        cmocka_unit_test(what_drives_a_terminal_is_shown_instead),
        cmocka_unit_test(what_is_no_utf8_is_shown_instead),
        cmocka_unit_test(widths_are_those_of_a_terminal),
        cmocka_unit_test(texts_are_cut_between_characters),
        cmocka_unit_test(the_nearest_word_is_found),
    };

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
