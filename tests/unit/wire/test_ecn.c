/* SPDX-License-Identifier: MIT */
/*
 * Marking a packet (RFC 3168 5): CE where the transport hears it, nothing else touched, checksums
 * right.
 */
#include "make.h"

#include <string.h>

static uint8_t packet[ROOM_BYTES];
static uint8_t before[ROOM_BYTES];

static uint32_t make(uint8_t version, uint8_t traffic_class)
{
    static const uint8_t payload[100] = {1, 2, 3};
    struct wire_packet described = describe(version, WIRE_TCP);
    uint32_t bytes;

    described.traffic_class = traffic_class;
    described.payload_bytes = sizeof payload;
    bytes = write_packet(packet, &described, payload, true);
    memcpy(before, packet, bytes);
    return bytes;
}

static void what_hears_it_is_marked(void **state)
{
    (void)state;
    for (unsigned version = 4; version <= 6; version += 2) {
        for (unsigned class = 0; class < 256; class ++) {
            struct wire_packet parsed;
            uint32_t bytes = make((uint8_t)version, (uint8_t) class);
            bool is_ect = (class & 3) != WIRE_NOT_ECT;

            assert_int_equal(wire_ecn_get(packet, bytes), class & 3);
            assert_int_equal(wire_ecn_mark(packet, bytes), is_ect);
            assert_int_equal(parse_copy(&parsed, packet, bytes, &plain), BERTH_DROP_NONE);
            assert_int_equal(parsed.traffic_class, is_ect ? class | 3 : class);
            if (!is_ect) {
                assert_memory_equal(packet, before, bytes);
            }
        }
    }
}

/* A checksum that was wrong stays wrong: marking hides no damage. */
static void damage_is_not_hidden(void **state)
{
    struct wire_packet parsed;
    uint32_t bytes = make(4, WIRE_ECT0);

    (void)state;
    packet[8] ^= 0x10;
    assert_true(wire_ecn_mark(packet, bytes));
    assert_int_equal(parse_copy(&parsed, packet, bytes, &plain), BERTH_DROP_BAD_CHECKSUM);
}

static void what_is_no_packet_is_left_alone(void **state)
{
    uint8_t *copy;

    (void)state;
    for (unsigned version = 4; version <= 6; version += 2) {
        (void)make((uint8_t)version, WIRE_ECT0);
        for (uint32_t bytes = 0; bytes < (version == 4 ? 20 : 40); bytes++) {
            copy = exact_copy(packet, bytes);
            assert_int_equal(wire_ecn_get(copy, bytes), WIRE_NOT_ECT);
            assert_false(wire_ecn_mark(copy, bytes));
            assert_memory_equal(copy, packet, bytes);
            free(copy);
        }
    }
    packet[0] = 0x52;
    assert_false(wire_ecn_mark(packet, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_hears_it_is_marked),
        cmocka_unit_test(damage_is_not_hidden),
        cmocka_unit_test(what_is_no_packet_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
