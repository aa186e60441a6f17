/* SPDX-License-Identifier: MIT */
/*
 * The impairment's text: every word, and mistakes that name the bad word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link/link.h"

static void every_word(void **state)
{
    struct link_impairment out;
    struct link_text_error error;

    (void)state;
    assert_int_equal(link_impairment_parse("delay 40ms jitter 5ms loss 1% duplicate 0.1% reorder "
                                           "2% reorder-delay 10ms corrupt 0.01% ecn 1.5% "
                                           "rate 10mbit queue 64kb seed 7",
                                           &out, &error),
                     0);
    assert_int_equal(out.delay_ns, 40000000);
    assert_int_equal(out.jitter_ns, 5000000);
    assert_int_equal(out.loss_ppm, 10000);
    assert_int_equal(out.duplicate_ppm, 1000);
    assert_int_equal(out.reorder_ppm, 20000);
    assert_int_equal(out.reorder_delay_ns, 10000000);
    assert_int_equal(out.corrupt_ppm, 100);
    assert_int_equal(out.ecn_ppm, 15000);
    assert_int_equal(out.rate_bps, 10000000);
    assert_int_equal(out.queue_bytes, 65536);
    assert_int_equal(out.seed, 7);
}

static void nothing_is_no_impairment(void **state)
{
    struct link_impairment none = {0};
    struct link_impairment out;
    struct link_text_error error;

    (void)state;
    memset(&out, 0xff, sizeof out);
    assert_int_equal(link_impairment_parse(" \t\n", &out, &error), 0);
    assert_memory_equal(&out, &none, sizeof none);
}

static void expect_error(const char *text, const char *word, const char *part)
{
    struct link_impairment out = {.seed = 99};
    struct link_text_error error = {0};

    assert_int_equal(link_impairment_parse(text, &out, &error), BERTH_E_SYNTAX);
    assert_int_equal(out.seed, 99);
    assert_int_equal(error.word_bytes, strlen(word));
    assert_memory_equal(error.word, word, strlen(word));
    assert_true(error.word >= text && error.word + error.word_bytes <= text + strlen(text));
    assert_non_null(strstr(error.expected, part));
}

static void mistakes_are_named(void **state)
{
    (void)state;
    expect_error("delay 40ms los 1%", "los", "loss");
    expect_error("delay forty", "forty", "40ms");
    expect_error("loss 1% rate", "rate", "a value");
    expect_error("loss 101%", "101%", "100%");
    expect_error("rate 1mbit queue 0", "0", "1b to 1gb");
    expect_error("rate 10mb", "10mb", "10mbit");
    expect_error("queue 64", "64", "64kb");
    expect_error("seed -1", "-1", "number");
    expect_error("loss 1% loss 2%", "loss", "once");
    expect_error("delay=40ms", "delay=40ms", "delay");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word),
        cmocka_unit_test(nothing_is_no_impairment),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
