/* SPDX-License-Identifier: MIT */
/*
 * The virtio-net header: each fact to its bit (virtio 1.2, 5.1.6.1) and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link/vnet.h"

static void plain_packet_is_zero(void **state)
{
    static const uint8_t zeros[LINK_VNET_BYTES];
    struct berth_offload plain = {0};
    struct link_vnet header = link_vnet_from_offload(&plain);

    (void)state;
    assert_memory_equal(&header, zeros, sizeof zeros);
}

/* The bytes as the kernel has them for a TSO4 super-segment behind 20 + 32 header bytes. */
static void super_segment_in_bytes(void **state)
{
    static const uint8_t expected[LINK_VNET_BYTES] = {1, 1, 52, 0, 0xa8, 0x05, 20, 0, 16, 0};
    struct berth_offload offload = {.checksum_partial = 1,
                                    .segment_kind = BERTH_SEGMENT_TCP4,
                                    .segment_bytes = 1448,
                                    .header_bytes = 52,
                                    .checksum_start = 20,
                                    .checksum_offset = 16};
    struct link_vnet header = link_vnet_from_offload(&offload);

    (void)state;
    assert_memory_equal(&header, expected, sizeof expected);
}

static void there_and_back(void **state)
{
    static const struct berth_offload cases[] = {
        {0},
        {.checksum_good = 1},
        {.checksum_partial = 1, .checksum_start = 40, .checksum_offset = 6},
        {.checksum_partial = 1,
         .segment_kind = BERTH_SEGMENT_TCP6,
         .ecn = 1,
         .segment_bytes = 1220,
         .header_bytes = 72,
         .checksum_start = 40,
         .checksum_offset = 16},
        {.checksum_partial = 1,
         .segment_kind = BERTH_SEGMENT_UDP,
         .segment_bytes = 1200,
         .header_bytes = 28,
         .checksum_start = 20,
         .checksum_offset = 6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct link_vnet header = link_vnet_from_offload(&cases[i]);
        struct berth_offload back;

        memset(&back, 0xff, sizeof back);
        assert_true(link_vnet_to_offload(&header, &back));
        assert_memory_equal(&back, &cases[i], sizeof back);
    }
}

static void unknown_kinds_are_refused(void **state)
{
    struct berth_offload out;

    (void)state;
    for (unsigned kind = 0; kind < 256; kind++) {
        struct link_vnet header = {.segment_kind = (uint8_t)kind};
        unsigned base = kind & 0x7f;
        int known = base == 0 || base == 1 || base == 4 || base == 5;

        assert_int_equal(link_vnet_to_offload(&header, &out), known);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_packet_is_zero),
        cmocka_unit_test(super_segment_in_bytes),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(unknown_kinds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
