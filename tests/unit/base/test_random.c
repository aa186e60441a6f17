/* SPDX-License-Identifier: MIT */
/*
 * Streams: repeatable, apart from each other, uniform below any limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static const uint8_t seed[RANDOM_SEED_BYTES] = {1, 2, 3};

static void a_stream_repeats_itself(void **state)
{
    struct random a;
    struct random b;

    (void)state;
    random_init(&a, seed, "one");
    random_init(&b, seed, "one");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(random_u64(&a), random_u64(&b));
    }
}

/* One bit of seed or name, and the numbers have nothing in common. */
static void streams_are_apart(void **state)
{
    uint8_t other_seed[RANDOM_SEED_BYTES];
    struct random streams[3];
    int same = 0;

    (void)state;
    memcpy(other_seed, seed, sizeof seed);
    other_seed[31] = 1;
    random_init(&streams[0], seed, "one");
    random_init(&streams[1], seed, "onf");
    random_init(&streams[2], other_seed, "one");
    for (int i = 0; i < 1000; i++) {
        uint32_t a = random_u32(&streams[0]);
        uint32_t b = random_u32(&streams[1]);
        uint32_t c = random_u32(&streams[2]);

        same += (a == b) + (b == c) + (a == c);
    }
    assert_true(same <= 2);
}

/* Pieces of any size are the same stream as one piece; blocks are not repeated. */
static void pieces_make_the_whole(void **state)
{
    uint8_t whole[2000];
    uint8_t pieces[2000];
    struct random a;
    struct random b;
    size_t at = 0;

    (void)state;
    random_init(&a, seed, "pieces");
    random_init(&b, seed, "pieces");
    random_fill(&a, whole, sizeof whole);
    for (size_t size = 1; at < sizeof pieces; size = size * 3 % 301) {
        size_t piece = size < sizeof pieces - at ? size : sizeof pieces - at;

        random_fill(&b, pieces + at, piece);
        at += piece;
    }
    assert_memory_equal(whole, pieces, sizeof whole);
    for (size_t i = 64; i + 64 <= sizeof whole; i += 64) {
        assert_memory_not_equal(whole, whole + i, 64);
    }
}

/* Numbers are the same stream too, also where one begins in a block and ends in the next. */
static void numbers_are_the_stream(void **state)
{
    uint8_t whole[2000];
    struct random a;
    struct random b;
    uint8_t byte;
    size_t at = 0;

    (void)state;
    random_init(&a, seed, "numbers");
    random_init(&b, seed, "numbers");
    random_fill(&a, whole, sizeof whole);
    while (at + 13 <= sizeof whole) {
        random_fill(&b, &byte, 1);
        assert_int_equal(byte, whole[at]);
        uint32_t four = random_u32(&b);
        assert_memory_equal(&four, whole + at + 1, 4);
        uint64_t eight = random_u64(&b);
        assert_memory_equal(&eight, whole + at + 5, 8);
        at += 13;
    }
}

static void limit_one_is_zero(void **state)
{
    struct random random;

    (void)state;
    random_init(&random, seed, "one");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(random_below(&random, 1), 0);
    }
}

/* Chi-square over LIMIT classes; the bound is the mean plus six standard deviations. */
static void assert_uniform(uint32_t limit, uint32_t draws)
{
    static uint32_t seen[4096];
    struct random random;
    double expected = (double)draws / limit;
    double sum = 0;

    memset(seen, 0, sizeof seen);
    random_init(&random, seed, "uniform");
    for (uint32_t i = 0; i < draws; i++) {
        uint32_t value = random_below(&random, limit);

        assert_true(value < limit);
        seen[value]++;
    }
    for (uint32_t i = 0; i < limit; i++) {
        sum += (seen[i] - expected) * (seen[i] - expected) / expected;
    }
    double mean = limit - 1.0;
    double distance = sum - mean;
    assert_true(distance * distance < 36 * 2 * mean);
}

static void below_is_uniform(void **state)
{
    (void)state;
    assert_uniform(2, 100000);
    assert_uniform(3, 100000);
    assert_uniform(10, 100000);
    assert_uniform(1000, 200000);
    assert_uniform(4096, 400000);
}

/*
 * At 3 * 2^30 a third of what is drawn lies in 0 .. 2^30-1. Taking a 32-bit number modulo the limit
 * would make it a half.
 */
static void below_has_no_bias_where_modulo_has(void **state)
{
    const uint32_t quarter = 1U << 30;
    struct random random;
    int low = 0;

    (void)state;
    random_init(&random, seed, "bias");
    for (int i = 0; i < 30000; i++) {
        low += random_below(&random, 3 * quarter) < quarter;
    }
    assert_in_range(low, 9500, 10500);
}

static void done_wipes(void **state)
{
    struct random random;
    struct random zero;

    (void)state;
    memset(&zero, 0, sizeof zero);
    random_init(&random, seed, "wipe");
    (void)random_u32(&random);
    random_done(&random);
    assert_memory_equal(&random, &zero, sizeof zero);
}

/* What was handed out cannot be read back from the stream's memory. */
static void numbers_given_are_gone(void **state)
{
    struct random random;
    uint8_t given[16];
    uint8_t bytes[sizeof random.bytes];

    (void)state;
    random_init(&random, seed, "gone");
    random_fill(&random, given, sizeof given);
    memcpy(bytes, random.bytes, sizeof bytes);
    assert_null(memmem(bytes, sizeof bytes, given, sizeof given));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_repeats_itself),
        cmocka_unit_test(streams_are_apart),
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(numbers_are_the_stream),
        cmocka_unit_test(limit_one_is_zero),
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(below_has_no_bias_where_modulo_has),
        cmocka_unit_test(done_wipes),
        cmocka_unit_test(numbers_given_are_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
