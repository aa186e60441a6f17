/* SPDX-License-Identifier: MIT */
/*
 * base/random.c: streams of random numbers, each from the seed and a name of its own.
 *
 * 1. The key of a stream is BLAKE2b of its name, keyed with the seed; the numbers are ChaCha20's
 *    key stream under it. Neither needs sodium_init.
 * 2. A number handed out is gone from `bytes`.
 * One stream belongs to one part of one stack.
 */
#include "base/random.h"

#include "base/bytes.h"
#include "base/check.h"

#include <sodium.h>

#define NAME_BYTES_MAX     32
#define CHACHA_BLOCK_BYTES 64

_Static_assert(sizeof(((struct random *)0)->key) == crypto_stream_chacha20_KEYBYTES,
               "the key of ChaCha20");
_Static_assert(sizeof(((struct random *)0)->bytes) % CHACHA_BLOCK_BYTES == 0,
               "a refill is of whole blocks");

void random_init(struct random *random, const uint8_t seed[RANDOM_SEED_BYTES], const char *name)
{
    size_t bytes = strlen(name);

    BERTH_CHECK(bytes > 0 && bytes <= NAME_BYTES_MAX);
    *random = (struct random){.left = 0};
    (void)crypto_generichash(random->key, sizeof random->key, (const uint8_t *)name, bytes, seed,
                             RANDOM_SEED_BYTES);
}

void random_done(struct random *random)
{
    sodium_memzero(random, sizeof *random);
}

static void refill(struct random *random)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

    memset(random->bytes, 0, sizeof random->bytes);
    (void)crypto_stream_chacha20_xor_ic(random->bytes, random->bytes, sizeof random->bytes, nonce,
                                        random->block, random->key);
    random->block += sizeof random->bytes / CHACHA_BLOCK_BYTES;
    random->left = sizeof random->bytes;
}

void random_fill(struct random *random, void *out, size_t bytes)
{
    uint8_t *to = out;

    while (bytes > 0) {
        if (random->left == 0) {
            refill(random);
        }
        uint8_t *from = random->bytes + (sizeof random->bytes - random->left);
        size_t piece = min_size(bytes, random->left);

        memcpy(to, from, piece);
        memset(from, 0, piece);
        random->left -= (uint32_t)piece;
        to += piece;
        bytes -= piece;
    }
}

/* random_fill for few bytes, a number known when compiled: no call where they are there. */
static inline void draw(struct random *random, void *out, size_t bytes)
{
    if (random->left < bytes) {
        random_fill(random, out, bytes);
        return;
    }
    uint8_t *from = random->bytes + (sizeof random->bytes - random->left);

    memcpy(out, from, bytes);
    memset(from, 0, bytes);
    random->left -= (uint32_t)bytes;
}

uint32_t random_u32(struct random *random)
{
    uint32_t value;

    draw(random, &value, sizeof value);
    return value;
}

uint64_t random_u64(struct random *random)
{
    uint64_t value;

    draw(random, &value, sizeof value);
    return value;
}

/*
 * The upper half of a 32-bit number times LIMIT lies in 0 .. LIMIT-1; numbers whose lower half
 * falls in the first 2^32 mod LIMIT are drawn again, so that each result has as many numbers.
 */
uint32_t random_below(struct random *random, uint32_t limit)
{
    BERTH_CHECK(limit > 0);

    uint64_t product = (uint64_t)random_u32(random) * limit;
    if ((uint32_t)product < limit) {
        uint32_t uneven = (0U - limit) % limit;

        while ((uint32_t)product < uneven) {
            product = (uint64_t)random_u32(random) * limit;
        }
    }
    return (uint32_t)(product >> 32);
}
