/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071): sums of any length and alignment, and completing a partial one
 * over a packet in several views. Sums are taken in memory order, which one's complement allows.
 */
#include "wire/internal.h"

typedef uint32_t lanes __attribute__((vector_size(16)));

#define STRIDE_BYTES 64
/* A stride adds at most 4 * 0xffff to a lane of 32 bits: this many cannot carry out of it. */
#define STRIDES_MAX 8192

static inline lanes lanes_load(const uint8_t *at)
{
    lanes value;
    memcpy(&value, at, sizeof value);
    return value;
}

uint64_t wire_sum_scalar(uint64_t sum, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    for (; bytes >= 2; bytes -= 2, at += 2) {
        uint16_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
    }
    if (bytes > 0) {
        sum += *at;
    }
    return sum;
}

/* STRIDES of 64 bytes, at most STRIDES_MAX: even and odd words in lanes of their own. */
static uint64_t sum_strides(const uint8_t *at, size_t strides)
{
    const lanes low_mask = {0xffff, 0xffff, 0xffff, 0xffff};
    lanes low = {0};
    lanes high = {0};
    lanes all;
    uint64_t sum = 0;

    for (; strides > 0; strides--, at += STRIDE_BYTES) {
        lanes a = lanes_load(at);
        lanes b = lanes_load(at + 16);
        lanes c = lanes_load(at + 32);
        lanes d = lanes_load(at + 48);
        low += ((a & low_mask) + (b & low_mask)) + ((c & low_mask) + (d & low_mask));
        high += ((a >> 16) + (b >> 16)) + ((c >> 16) + (d >> 16));
    }
    for (int i = 0; i < 4; i++) {
        all = low;
        sum += all[i];
        all = high;
        sum += all[i];
    }
    return sum;
}

uint64_t wire_sum(uint64_t sum, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t word;

    while (bytes >= STRIDE_BYTES) {
        size_t strides = min_size(bytes / STRIDE_BYTES, STRIDES_MAX);
        sum += sum_strides(at, strides);
        at += strides * STRIDE_BYTES;
        bytes -= strides * STRIDE_BYTES;
    }
    for (; bytes >= 8; bytes -= 8, at += 8) {
        word = load_u64(at);
        sum += (word & 0xffffffff) + (word >> 32);
    }
    if (bytes > 0) {
        word = 0;
        memcpy(&word, at, bytes);
        sum += (word & 0xffffffff) + (word >> 32);
    }
    return sum;
}

void wire_finish(struct berth_view *views, uint32_t count, const struct wire_sum_place *place)
{
    uint8_t *field = (uint8_t *)views[0].data + place->start + place->offset;
    uint64_t sum =
        wire_sum(0, (const uint8_t *)views[0].data + place->start, views[0].bytes - place->start);
    bool is_odd = ((views[0].bytes - place->start) & 1) != 0;

    for (uint32_t i = 1; i < count; i++) {
        uint64_t part = wire_sum(0, views[i].data, views[i].bytes);
        if (is_odd) {
            /* From an odd place on, every byte stands in the other half of its word. */
            part = __builtin_bswap16(wire_sum_fold(part));
        }
        sum += part;
        is_odd ^= (views[i].bytes & 1) != 0;
    }
    wire_store_sum(field, sum);
    if (place->offset == WIRE_UDP_CHECKSUM_OFFSET && load_be16(field) == 0) {
        store_be16(field, 0xffff); /* RFC 768: 0 means that there is no checksum */
    }
}
