/* SPDX-License-Identifier: MIT */
/*
 * base/hash.c: SipHash-2-4 of libsodium, as one 64-bit value. Works without sodium_init.
 */
#include "base/hash.h"

#include "base/bytes.h"

#include <sodium.h>

_Static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES, "the key of crypto_shorthash");
_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "the result of crypto_shorthash");

uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t bytes)
{
    uint8_t out[crypto_shorthash_BYTES];

    (void)crypto_shorthash(out, data, bytes, key->bytes);
    return load_u64(out);
}
