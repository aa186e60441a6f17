/* SPDX-License-Identifier: MIT */
/*
 * The bytes that flows carry: the same by any pieces, unlike any other stream, matched to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/stream.h"

#define BYTES 3000

static void pieces_make_the_whole(void **state)
{
    uint8_t whole[BYTES];
    uint8_t pieces[BYTES];

    (void)state;
    stream_fill(7, 100, whole, sizeof whole);
    for (size_t at = 0, size = 1; at < sizeof pieces; at += size, size = size % 13 + 1) {
        size = size < sizeof pieces - at ? size : sizeof pieces - at;
        stream_fill(7, 100 + at, pieces + at, size);
    }
    assert_memory_equal(whole, pieces, sizeof whole);
}

static void matching_stops_at_the_first_wrong_byte(void **state)
{
    uint8_t bytes[BYTES];

    (void)state;
    stream_fill(7, 33, bytes, sizeof bytes);
    assert_int_equal(stream_match(7, 33, bytes, sizeof bytes), BYTES);
    for (size_t i = 0; i < sizeof bytes; i += 97) {
        bytes[i] ^= 0x10;
        assert_int_equal(stream_match(7, 33, bytes, sizeof bytes), i);
        bytes[i] ^= 0x10;
    }
    assert_int_equal(stream_match(7, 33, bytes, 0), 0);
}

static void another_place_or_key_does_not_match(void **state)
{
    uint8_t bytes[BYTES];

    (void)state;
    stream_fill(7, 1000, bytes, sizeof bytes);
    assert_true(stream_match(7, 1001, bytes, sizeof bytes) < 8);
    assert_true(stream_match(7, 999, bytes, sizeof bytes) < 8);
    assert_true(stream_match(7, 0, bytes, sizeof bytes) < 8);
    assert_true(stream_match(8, 1000, bytes, sizeof bytes) < 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(matching_stops_at_the_first_wrong_byte),
        cmocka_unit_test(another_place_or_key_does_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
