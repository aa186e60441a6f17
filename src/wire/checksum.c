/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071): sums of any length and alignment, and completing a partial one
 * over a packet in several views. Sums are taken in memory order, which one's complement allows.
 */
#include "wire/internal.h"

/*
 * Two lanes of 64 bits, each adding words of 32: none can overflow for 2^34 bytes. Every compiler
 * of ours makes the vectors that the machine has of it (SSE2, NEON). Measured with AVX2 chosen at
 * run time: a third faster at most, and only while the bytes are in the first cache.
 */
typedef uint64_t lanes __attribute__((vector_size(16)));

#define STRIDE_BYTES 32

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

/* The last bytes, fewer than a stride. */
static inline uint64_t sum_rest(uint64_t sum, const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; bytes -= 8, at += 8) {
        sum += wire_halves(load_u64(at));
    }
    if ((bytes & 4) != 0) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
        at += 4;
    }
    if ((bytes & 2) != 0) {
        uint16_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
        at += 2;
    }
    return (bytes & 1) != 0 ? sum + *at : sum;
}

uint64_t wire_sum(uint64_t sum, const void *data, size_t bytes)
{
    const lanes low = {0xffffffff, 0xffffffff};
    const uint8_t *at = data;
    lanes even = {0};
    lanes odd = {0};

    for (; bytes >= STRIDE_BYTES; bytes -= STRIDE_BYTES, at += STRIDE_BYTES) {
        lanes a = lanes_load(at);
        lanes b = lanes_load(at + 16);
        even += (a & low) + (a >> 32);
        odd += (b & low) + (b >> 32);
    }
    even += odd;
    return sum_rest(sum + even[0] + even[1], at, bytes);
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
