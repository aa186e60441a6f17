/* SPDX-License-Identifier: MIT */
/*
 * What the tests of link/ share: a stack that serves as a pool of buffers, and packets that carry a
 * number.
 */
#ifndef TESTS_UNIT_LINK_STACK_H
#define TESTS_UNIT_LINK_STACK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "link/link.h"

#define PACKET_BYTES 100

struct test_stack {
    struct berth *berth;
    void *memory;
};

static inline struct test_stack stack_new(uint32_t buffers, uint32_t buffer_bytes)
{
    struct test_stack stack = {0};
    struct berth_config config;
    size_t bytes;

    berth_config_init(&config);
    config.mtu = 576;
    config.limits.buffers = buffers;
    config.limits.buffers_reserved = buffers / 4;
    config.limits.buffer_bytes = buffer_bytes;
    bytes = berth_memory_bytes(&config);
    assert_int_not_equal(bytes, 0);
    stack.memory = aligned_alloc(BERTH_MEMORY_ALIGNMENT, (bytes + 4095) / 4096 * 4096);
    assert_non_null(stack.memory);
    memset(stack.memory, 0, bytes);
    assert_int_equal(berth_init(&stack.berth, &config, stack.memory, bytes, 0), 0);
    return stack;
}

static inline void stack_free(struct test_stack *stack)
{
    berth_done(stack->berth);
    free(stack->memory);
}

static inline uint32_t stack_buffers_free(const struct test_stack *stack)
{
    struct berth_stats stats;

    berth_stats(stack->berth, &stats);
    return stats.buffers_free;
}

/* A frame of BYTES (4 at least) that begins with NUMBER; in DATA, which the frame borrows. */
static inline struct berth_frame frame_of(uint8_t *data, uint32_t bytes, uint32_t number)
{
    struct berth_frame frame = {.view_count = 1, .bytes = bytes};

    memset(data, 0x55, bytes);
    memcpy(data, &number, sizeof number);
    frame.views[0] = (struct berth_view){.data = data, .bytes = bytes};
    return frame;
}

static inline void send_number(struct link *link, uint32_t bytes, uint32_t number, uint64_t now_ns)
{
    static uint8_t data[BERTH_PACKET_BYTES_MAX];
    struct berth_frame frame = frame_of(data, bytes, number);

    assert_int_equal(link_send(link, &frame, 1, now_ns), 1);
}

/* Reads one packet: its number, or -1. */
static inline int64_t read_number(struct link *link, struct test_stack *stack, uint64_t now_ns)
{
    struct berth_buffer *buffer;
    int count = link->table->read(link, stack->berth, &buffer, 1, now_ns);
    uint32_t number;

    if (count <= 0) {
        return -1;
    }
    memcpy(&number, buffer->data + buffer->begin, sizeof number);
    berth_buffer_put(stack->berth, buffer);
    return number;
}

#endif
