/* SPDX-License-Identifier: MIT */
/*
 * The table of controllers, and the initial window of RFC 6928.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cc/cc.h"

static void controllers_are_found_by_name(void **state)
{
    const struct cc_table *table;

    (void)state;
    for (uint32_t i = 0; (table = cc_at(i)) != NULL; i++) {
        assert_ptr_equal(cc_find(table->name), table);
        assert_in_range(strlen(table->name), 1, 15); /* fits the configuration */
        assert_non_null(table->init);
        assert_true((table->on_ack != NULL) != (table->on_sample != NULL));
        assert_true((table->on_lost != NULL) == (table->on_sample != NULL));
        assert_in_range(table->state_bytes, 0, cc_state_bytes_max());
        assert_non_null(table->on_loss);
        assert_non_null(table->on_recovered);
        assert_non_null(table->on_timeout);
        assert_non_null(table->on_idle);
        assert_non_null(table->on_spurious);
    }
    assert_non_null(cc_find("newreno"));
    assert_null(cc_find("NewReno"));
    assert_null(cc_find(""));
    assert_null(cc_at(1000));
}

static void initial_windows(void **state)
{
    static const struct {
        uint32_t mss;
        uint32_t segments;
        uint32_t window;
    } cases[] = {
        {1460, 10, 14600},      {536, 10, 5360},     {1448, 10, 14480}, {2920, 10, 14600},
        {8960, 10, 17920},      {65480, 10, 130960}, {1460, 1, 1460},   {1460, 100, 146000},
        {65535, 1000, 1460000}, {1, 10, 10},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cc cc;

        cc_init(&cc, cc_find("newreno"), cases[i].mss, cases[i].segments, &(struct cc_start){0});
        assert_int_equal(cc.cwnd, cases[i].window);
        assert_int_equal(cc.initial_window, cases[i].window);
        assert_int_equal(cc.mss, cases[i].mss);
        assert_int_equal(cc.ssthresh, UINT32_MAX);
        assert_int_equal(cc.pacing_bps, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controllers_are_found_by_name),
        {"RFC 6928 2: ten segments, fewer of large ones", initial_windows, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
