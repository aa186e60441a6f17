/* SPDX-License-Identifier: MIT */
/*
 * The oracle can fail: each kind of wrong, made on purpose, is seen and named.
 */
#include "seeds.h"

#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#include "base/bytes.h"

static struct sim_config config;

static struct world *world_of(enum sim_scenario scenario, uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    sim_config_init(&config);
    config.scenario = scenario;
    config.seed = seed;
    config.bytes = 50000;
    assert_int_equal(world_init(world, &config), 0);
    assert_string_equal(world->failure, "");
    return world;
}

/* Runs WORLD and expects a failure with PART in its words. */
static void expect_failure(struct world *world, const char *part)
{
    world_run(world);
    if (strstr(world->failure, part) == NULL) {
        print_error("expected '%s', got '%s'\n", part, world->failure);
    }
    assert_non_null(strstr(world->failure, part));
    world_done(world);
    free(world);
}

static void nothing_wrong_is_no_failure(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    world_run(world);
    assert_string_equal(world->failure, "");
    world_done(world);
    free(world);
}

static void a_wrong_byte_is_seen(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    world->flows[0].ends[1].key_in ^= 1;
    expect_failure(world, "not the one that was sent");
}

static void a_byte_too_many_is_seen(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    world->flows[0].ends[1].to_receive--;
    expect_failure(world, "more bytes than were sent");
}

static void an_early_end_is_seen(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    world->flows[0].ends[1].to_receive++;
    expect_failure(world, "ends early");
}

static void a_leaked_buffer_is_seen(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    assert_non_null(berth_buffer_get(world->hosts[1].berth));
    expect_failure(world, "host B: 1 buffers leaked");
}

static void a_path_that_is_cut_is_seen(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    world->network.down_from_ns = 100 * NS_PER_MS;
    world->network.down_until_ns = UINT64_MAX;
    expect_failure(world, "timed out");
}

/* An end that is never told that it may go on: what a forgotten event looks like. */
static void an_event_that_is_forgotten_is_seen(void **state)
{
    struct world *world = world_of(SIM_TRANSFER, 1);

    (void)state;
    world->flows[0].ends[1].read_resume_ns = UINT64_MAX;
    config.bytes = 1;
    expect_failure(world, "nothing");
}

/* With rules that let the intruder in, its datagrams reach the socket. */
static void a_denied_datagram_at_a_socket_is_seen(void **state)
{
    static const char rules[] = "allow in any from any\nallow in any from 10.1.0.0/24\n"
                                "allow out any to 10.1.0.0/24\nallow out any to fd01::/64\n";
    bool seen = false;

    (void)state;
    for (uint64_t seed = 1; seed < 20 && !seen; seed++) {
        struct world *world = world_of(SIM_MIXED, seed);
        struct berth_rules_error error;

        assert_int_equal(berth_rules_load(world->hosts[1].berth, rules, sizeof rules - 1, &error),
                         0);
        world_run(world);
        seen = strstr(world->failure, "a datagram that was not sent to it") != NULL;
        world_done(world);
        free(world);
    }
    assert_true(seen);
}

/* A segment that goes to the stack that its connection has left is answered with a RST. */
static void a_segment_for_the_wrong_stack_is_seen(void **state)
{
    bool seen = false;

    (void)state;
    for (uint64_t seed = 1; seed < 20 && !seen; seed++) {
        struct world *world = calloc(1, sizeof *world);

        assert_non_null(world);
        sim_config_init(&config);
        config.seed = seed;
        config.bytes = 50000;
        config.has_twins = true;
        assert_int_equal(world_init(world, &config), 0);
        world->network.steer = NULL;
        world_run(world);
        seen = strstr(world->failure, "reset") != NULL;
        world_done(world);
        free(world);
    }
    assert_true(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_wrong_is_no_failure),
        cmocka_unit_test(a_wrong_byte_is_seen),
        cmocka_unit_test(a_byte_too_many_is_seen),
        cmocka_unit_test(an_early_end_is_seen),
        cmocka_unit_test(a_leaked_buffer_is_seen),
        cmocka_unit_test(a_path_that_is_cut_is_seen),
        cmocka_unit_test(an_event_that_is_forgotten_is_seen),
        cmocka_unit_test(a_denied_datagram_at_a_socket_is_seen),
        cmocka_unit_test(a_segment_for_the_wrong_stack_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
