/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071): sums of any length and alignment, and completing a partial one
 * over a packet in several views. Sums are taken in memory order, which one's complement allows.
 */
#include "wire/internal.h"

/*
 * Two lanes of 64 bits. The words of 32 bits are added without taking them apart: `whole` adds the
 * lanes as they are, modulo 2^64, and `upper` their upper halves; the sum of the lower halves is
 * then whole - 2^32 upper, which is exact as neither half's sum reaches 2^64 for 2^34 bytes. Every
 * compiler of ours makes the vectors that the machine has of it (SSE2, NEON). Measured with AVX2
 * chosen at run time: a third faster at most, and only while the bytes are in the first cache.
 */
typedef uint64_t lanes __attribute__((vector_size(16)));

#define LANES_BYTES  16
#define STRIDE_BYTES 64

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

/* A few bytes: the last ones, or a header's. */
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

static inline uint64_t lanes_sum(lanes whole, lanes upper)
{
    lanes lower = whole - (upper << 32);
    return lower[0] + lower[1] + upper[0] + upper[1];
}

uint64_t wire_sum(uint64_t sum, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    lanes whole = {0};
    lanes upper = {0};

    for (; bytes >= STRIDE_BYTES; bytes -= STRIDE_BYTES, at += STRIDE_BYTES) {
        lanes a = lanes_load(at);
        lanes b = lanes_load(at + LANES_BYTES);
        lanes c = lanes_load(at + 2 * LANES_BYTES);
        lanes d = lanes_load(at + 3 * LANES_BYTES);
        whole += (a + b) + (c + d);
        upper += ((a >> 32) + (b >> 32)) + ((c >> 32) + (d >> 32));
    }
    for (; bytes >= LANES_BYTES; bytes -= LANES_BYTES, at += LANES_BYTES) {
        lanes a = lanes_load(at);
        whole += a;
        upper += a >> 32;
    }
    return sum_rest(sum + lanes_sum(whole, upper), at, bytes);
}

/* Of what VIEW has from START on, which is mostly the transport header alone: short. */
static inline uint64_t sum_first(const struct berth_view *view, uint32_t start)
{
    const uint8_t *at = (const uint8_t *)view->data + start;
    size_t bytes = view->bytes - start;
    return bytes < STRIDE_BYTES ? sum_rest(0, at, bytes) : wire_sum(0, at, bytes);
}

void wire_finish(struct berth_view *views, uint32_t count, const struct wire_sum_place *place)
{
    uint8_t *field = (uint8_t *)views[0].data + place->start + place->offset;
    uint64_t sum = sum_first(&views[0], place->start);
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
