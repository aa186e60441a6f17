/* SPDX-License-Identifier: MIT */
/*
 * The buffer pool: owners, the reserve, what an empty buffer looks like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffers.h"

#include <stdio.h>

#define COUNT    10
#define CAPACITY 700
#define RESERVED 3

static _Alignas(64) uint8_t memory[64 * 1024];

static struct buffers make(void)
{
    const struct buffers_limits limits = {
        .count = COUNT, .capacity = CAPACITY, .reserved = RESERVED};
    struct buffers buffers;
    struct arena arena;

    memset(memory, 0, sizeof memory);
    arena_init(&arena, memory, sizeof memory);
    buffers_init(&buffers, &arena, &limits);
    return buffers;
}

static void an_empty_buffer(void **state)
{
    struct buffers buffers = make();
    struct berth_buffer *buffer = buffers_get(&buffers);

    (void)state;
    buffer->begin = 100;
    buffer->bytes = 50;
    buffer->offload.segment_kind = BERTH_SEGMENT_TCP6;
    buffer->offload.checksum_good = 1;
    buffers_put(&buffers, buffer);
    assert_ptr_equal(buffers_get(&buffers), buffer);
    assert_int_equal(buffer->begin, BUFFERS_HEADROOM);
    assert_int_equal(buffer->bytes, 0);
    assert_int_equal(buffer->capacity, CAPACITY);
    assert_int_equal(buffer->offload.segment_kind, BERTH_SEGMENT_NONE);
    assert_int_equal(buffer->offload.checksum_good, 0);
    assert_null(buffer->next);
    assert_int_equal(buffer_room(buffer), CAPACITY - BUFFERS_HEADROOM);
    assert_ptr_equal(buffer_end(buffer), buffer->data + BUFFERS_HEADROOM);
}

/* All there are, each with memory of its own. */
static void all_can_be_had_once(void **state)
{
    struct buffers buffers = make();
    struct berth_buffer *got[COUNT];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            got[i] = buffers_get(&buffers);
            assert_non_null(got[i]);
            memset(got[i]->data, i, got[i]->capacity);
        }
        assert_null(buffers_get(&buffers));
        assert_int_equal(buffers.free, 0);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(got[i]->data[0], i);
            assert_int_equal(got[i]->data[CAPACITY - 1], i);
            assert_int_equal((uintptr_t)got[i]->data % 64, 0);
            buffers_put(&buffers, got[i]);
        }
        assert_int_equal(buffers.free, COUNT);
        assert_int_equal(buffers.low, 0);
    }
}

static void the_reserve_is_the_links(void **state)
{
    struct buffers buffers = make();

    (void)state;
    for (int i = 0; i < COUNT - RESERVED; i++) {
        assert_true(buffers_may_keep(&buffers));
        assert_non_null(buffers_get_for_queue(&buffers));
    }
    assert_null(buffers_get_for_queue(&buffers));
    assert_int_equal(buffers.free, RESERVED);
    struct berth_buffer *buffer = buffers_get(&buffers);
    assert_non_null(buffer);
    assert_false(buffers_may_keep(&buffers));
    buffers_put(&buffers, buffer);
    assert_true(buffers_may_keep(&buffers));
}

static void the_working_set_stays_small(void **state)
{
    struct buffers buffers = make();

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct berth_buffer *a = buffers_get(&buffers);
        struct berth_buffer *b = buffers_get(&buffers);

        buffers_put(&buffers, a);
        buffers_put(&buffers, b);
    }
    assert_int_equal(buffers.fresh, 2);
    assert_int_equal(buffers.low, COUNT - 2);
}

/* Spare: those that were used and hold nothing, told of with the free ones beside them, once. */
static void what_is_spare_is_told_once(void **state)
{
    struct buffers buffers = make();
    struct berth_buffer *got[8];
    struct berth_view view;
    uint32_t at = 0;

    (void)state;
    assert_int_equal(buffers_spare(&buffers), 0); /* nothing was used */
    assert_false(buffers_tell_spare(&buffers, &at, &view));
    for (int i = 0; i < 8; i++) {
        got[i] = buffers_get(&buffers);
    }
    assert_int_equal(buffers_spare(&buffers), 0);
    buffers_put(&buffers, got[1]);
    buffers_put(&buffers, got[2]);
    buffers_put(&buffers, got[7]);
    assert_int_equal(buffers_spare(&buffers), 3);
    at = 0;
    assert_true(buffers_tell_spare(&buffers, &at, &view));
    assert_ptr_equal(view.data, got[1]->data);
    assert_int_equal(view.bytes, 2 * buffers.stride);
    assert_true(buffers_tell_spare(&buffers, &at, &view));
    assert_ptr_equal(view.data, got[7]->data);
    assert_int_equal(view.bytes, buffers.stride);
    assert_false(buffers_tell_spare(&buffers, &at, &view));
    assert_int_equal(buffers_spare(&buffers), 0);
    at = 0;
    assert_false(buffers_tell_spare(&buffers, &at, &view));
    buffers_put(&buffers, got[3]); /* its neighbours, told of, are told of with it */
    at = 0;
    assert_true(buffers_tell_spare(&buffers, &at, &view));
    assert_ptr_equal(view.data, got[1]->data);
    assert_int_equal(view.bytes, 3 * buffers.stride);
    assert_ptr_equal(buffers_get(&buffers), got[3]); /* used again: spare again */
    assert_int_equal(buffers_spare(&buffers), 0);
    buffers_put(&buffers, got[3]);
    assert_int_equal(buffers_spare(&buffers), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer),
        cmocka_unit_test(all_can_be_had_once),
        cmocka_unit_test(the_reserve_is_the_links),
        cmocka_unit_test(the_working_set_stays_small),
        cmocka_unit_test(what_is_spare_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
