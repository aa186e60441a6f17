/* SPDX-License-Identifier: MIT */
#include "test_peer.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HEADERS 40

static uint32_t add(uint32_t sum, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    }
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void send_in(const struct segment *segment)
{
    uint8_t packet[2048] = {0x45};
    size_t total = HEADERS + segment->bytes;
    put16(packet + 2, (uint32_t)total);
    packet[8] = 64;
    packet[9] = IPPROTO_TCP;
    put32(packet + 12, 0xc0000201); /* 192.0.2.1 to 192.168.0.1 */
    put32(packet + 16, 0xc0a80001);
    put16(packet + 10, fold(add(0, packet, 20)));
    uint8_t *tcp = packet + 20;
    put16(tcp, PEER_PORT);
    put16(tcp + 2, PORT);
    put32(tcp + 4, segment->seq);
    put32(tcp + 8, segment->ack);
    tcp[12] = 0x50;
    tcp[13] = segment->flags;
    put16(tcp + 14, segment->window);
    uint32_t sum = add(0, packet + 12, 8) + IPPROTO_TCP + (uint32_t)total - 20;
    put16(tcp + 16, fold(add(sum, tcp, total - 20)));
    assert_int_equal(table.netdev_send(table.userdata, packet, total), 0);
}

struct segment take_out(long long *sent_us)
{
    uint8_t packet[65536];
    size_t bytes = sizeof packet;
    assert_int_equal(table.netdev_receive(table.userdata, packet, &bytes, sent_us), 0);
    assert_true(bytes >= HEADERS);
    const uint8_t *tcp = packet + 20;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    return (struct segment){.flags = tcp[13],
                            .seq = get32(tcp + 4),
                            .ack = get32(tcp + 8),
                            .window = (uint16_t)(tcp[14] << 8 | tcp[15]),
                            .bytes = (uint16_t)(bytes - 20 - header)};
}

uint32_t shake_hands(void)
{
    long long sent_us;
    send_in(&(struct segment){.flags = 0x02, .seq = ISS, .window = 65535});
    struct segment answer = take_out(&sent_us);
    assert_int_equal(answer.flags, 0x12);
    assert_int_equal(answer.ack, ISS + 1);
    send_in(
        &(struct segment){.flags = 0x10, .seq = ISS + 1, .ack = answer.seq + 1, .window = 65535});
    return answer.seq;
}
