/* SPDX-License-Identifier: MIT */
/* berth as the subject: segments.h. */
#include "segments.h"
#include "stacks.h"

#include <string.h>

#define FRAMES_MAX 16U

static struct segments_options options;
static struct berth *berth;
static berth_id listener;
static berth_id id;
static struct berth_buffer *arriving;
static struct berth_frame frames[FRAMES_MAX];
static uint32_t frame_count;
static uint64_t now;
static uint64_t received;
static bool is_writable = true; /* not told to wait since */
static uint8_t chunk[65536];

bool subject_init(const struct segments_options *wanted)
{
    struct berth_endpoint at = stacks_endpoint(0, SEGMENTS_PORT);
    struct berth_config config;

    options = *wanted;
    berth_config_init(&config);
    config.mtu = 40 + options.mss + (options.timestamps ? 12 : 0);
    config.tcp.timestamps = options.timestamps;
    config.limits.buffers = 4096;
    if (options.checksums) {
        config.offloads = BERTH_LINK_CHECKSUM;
    }
    if (options.super) {
        config.offloads |= BERTH_LINK_TSO4;
        config.segment_bytes_max = BERTH_PACKET_BYTES_MAX - 120;
        config.limits.buffer_bytes = BERTH_PACKET_BYTES_MAX + 64;
        config.limits.buffers = 1024;
    }
    berth = stacks_new(&config, 0);
    must(berth_tcp_listen(berth, &at, 8, NULL, &listener), "berth_tcp_listen");
    return true;
}

COUNTED uint8_t *counted_room(uint32_t bytes)
{
    arriving = berth_buffer_get(berth);
    if (arriving == NULL) {
        must(BERTH_E_LIMIT, "berth_buffer_get");
        return NULL;
    }
    arriving->bytes = bytes;
    if (options.checksums) {
        arriving->offload.checksum_partial = 1;
        arriving->offload.checksum_start = 20;
        arriving->offload.checksum_offset = 16;
    }
    if (options.super && bytes > 100) {
        arriving->offload.segment_kind = BERTH_SEGMENT_TCP4;
        arriving->offload.segment_bytes = (uint16_t)options.mss;
    }
    return arriving->data + arriving->begin;
}

static void read_all(berth_id from)
{
    struct berth_view views[16];
    uint32_t count;

    while (berth_tcp_peek(berth, from, views, 16, &count) == 0 && count > 0) {
        size_t bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            bytes += views[i].bytes;
        }
        must(berth_tcp_consume(berth, from, bytes), "berth_tcp_consume");
        received += bytes;
    }
}

/* One byte is answered with one, an end with an end. */
static void answer(uint32_t bits)
{
    uint8_t byte;
    size_t moved;

    while (berth_tcp_read(berth, id, &byte, 1, &moved) == 0 && moved > 0) {
        received++;
        must(berth_tcp_write(berth, id, &byte, 1, &moved), "berth_tcp_write");
    }
    if ((bits & BERTH_EVENT_PEER_CLOSED) != 0) {
        must(berth_tcp_close(berth, id), "berth_tcp_close");
    }
}

COUNTED void counted_receive(void)
{
    struct berth_event event;

    berth_receive(berth, arriving, now);
    while (berth_next_event(berth, &event)) {
        if ((event.bits & BERTH_EVENT_ACCEPTABLE) != 0) {
            must(berth_tcp_accept(berth, listener, NULL, &id), "berth_tcp_accept");
        }
        if ((event.bits & BERTH_EVENT_READABLE) != 0 && options.is_conversing) {
            answer(event.bits);
        } else if ((event.bits & BERTH_EVENT_READABLE) != 0) {
            read_all(event.id);
        }
        is_writable = is_writable || (event.bits & BERTH_EVENT_WRITABLE) != 0;
    }
}

COUNTED void counted_write(void)
{
    struct berth_view views[2];
    uint32_t count;
    size_t bytes;

    if (!is_writable) {
        return;
    }
    while (!options.in_place && berth_tcp_write(berth, id, chunk, sizeof chunk, &bytes) == 0) {
    }
    while (options.in_place && berth_tcp_reserve(berth, id, 1U << 17, views, 2, &count) == 0) {
        bytes = views[0].bytes + (count > 1 ? views[1].bytes : 0);
        must(berth_tcp_commit(berth, id, bytes), "berth_tcp_commit");
    }
    is_writable = false;
}

COUNTED bool counted_transmit(void)
{
    frame_count = berth_transmit(berth, frames, FRAMES_MAX, now);
    return frame_count == FRAMES_MAX;
}

void subject_taken(void)
{
    for (uint32_t i = 0; i < frame_count; i++) {
        segments_take(frames[i].views[0].data, frames[i].bytes);
    }
}

COUNTED void counted_tick(uint64_t now_ns)
{
    now = now_ns;
    if (berth_deadline(berth) <= now) {
        berth_advance(berth, now);
    }
}

uint64_t subject_received_bytes(void)
{
    return received;
}
