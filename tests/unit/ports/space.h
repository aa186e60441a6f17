/* SPDX-License-Identifier: MIT */
/*
 * A port space to test with: made as a stack makes it, in memory of its own, seeded.
 */
#ifndef TESTS_UNIT_PORTS_SPACE_H
#define TESTS_UNIT_PORTS_SPACE_H

#include "ports/ports.h"

struct space {
    struct ports ports;
    struct random random;
    void *memory;
};

static inline void space_init(struct space *space, const struct ports_limits *limits)
{
    static const uint8_t seed[RANDOM_SEED_BYTES] = {21};
    static const struct hash_key key = {{22}};
    struct arena arena;

    arena_init(&arena, NULL, 0);
    ports_init(&space->ports, &arena, limits);
    size_t bytes = arena.used;
    space->memory = calloc(1, bytes);
    assert_non_null(space->memory);
    arena_init(&arena, space->memory, bytes);
    memset(&space->ports, 0, sizeof space->ports);
    ports_init(&space->ports, &arena, limits);
    assert_int_equal(arena.used, bytes);
    random_init(&space->random, seed, "ports");
    ports_seed(&space->ports, &key, &space->random);
}

static inline void space_done(struct space *space)
{
    free(space->memory);
}

static inline struct berth_address space_address(const char *text)
{
    struct berth_address address;

    assert_int_equal(berth_address_parse(text, &address), 0);
    return address;
}

#endif
