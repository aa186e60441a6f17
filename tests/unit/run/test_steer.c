/* SPDX-License-Identifier: MIT */
/* run/steer.c: what of a packet says whose it is: plain TCP, behind options and extension headers
 * too; all else, and what is cut off, is the guard's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run/inside.h"

enum { TCP = 6, UDP = 17, HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

static struct run run;
static struct queue guard;
static struct queue second;
static struct run_config config;
static uint8_t packet[256];

/* Of several queues: what a queue may keep comes back as it, all else as the guard. */
static int set_up(void **state)
{
    (void)state;
    run = (struct run){.config = &config, .guard = &guard, .queue_count = 2, .thread_count = 2};
    second = (struct queue){.run = &run};
    memset(packet, 0, sizeof packet);
    return 0;
}

static void expect(uint32_t bytes, const struct queue *owner)
{
    assert_ptr_equal(steer_packet(&second, packet, bytes), owner);
}

static void ipv4(void **state)
{
    (void)state;
    packet[0] = 0x45;
    packet[9] = TCP;
    expect(40, &second);
    expect(33, &guard); /* its flags are not there */
    packet[0] = 0x4f;   /* options */
    expect(80, &second);
    expect(73, &guard);
    packet[0] = 0x44; /* no header is so short */
    expect(80, &guard);
    packet[0] = 0x45;
    packet[6] = 0x20; /* more fragments */
    expect(40, &guard);
    packet[6] = 0x40; /* not to be fragmented */
    expect(40, &second);
    packet[9] = UDP;
    expect(40, &guard);
    expect(0, &guard);
    packet[0] = 0x75;
    expect(40, &guard);
}

static void ipv6(void **state)
{
    (void)state;
    packet[0] = 0x60;
    packet[6] = TCP;
    expect(60, &second);
    expect(53, &guard);
    expect(39, &guard);
    packet[6] = UDP;
    expect(60, &guard);
}

static void extension_headers(void **state)
{
    static const uint8_t chain[] = {HOP_BY_HOP, ROUTING, DESTINATION};

    (void)state;
    packet[0] = 0x60;
    for (size_t i = 0; i < sizeof chain; i++) {
        packet[6] = chain[i];
        packet[40] = TCP;
        packet[41] = 1; /* 16 bytes */
        expect(40 + 16 + 14, &second);
        expect(40 + 16 + 13, &guard);
    }
    packet[40] = DESTINATION;
    packet[56] = TCP;
    packet[57] = 0;
    expect(40 + 16 + 8 + 14, &second);
    expect(40 + 16 + 7, &guard);
    packet[56] = FRAGMENT; /* not whole */
    expect(200, &guard);
    packet[40] = packet[56] = DESTINATION; /* no end of them */
    for (size_t at = 40; at < sizeof packet; at += 8) {
        packet[at] = DESTINATION;
        packet[at + 1] = 0;
    }
    expect(sizeof packet, &guard);
    packet[41] = 255; /* longer than the packet */
    packet[40] = TCP;
    expect(sizeof packet, &guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ipv4, set_up),
        cmocka_unit_test_setup(ipv6, set_up),
        cmocka_unit_test_setup(extension_headers, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
