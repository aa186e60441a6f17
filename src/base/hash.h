/* SPDX-License-Identifier: MIT */
/*
 * Keyed hashing (SipHash-2-4, libsodium's crypto_shorthash): table positions that no peer can aim
 * at, and the F() of initial sequence numbers (RFC 9293 3.4.1). The key is secret per stack and
 * use.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint8_t bytes[16];
};

uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t bytes);

#endif
