/* SPDX-License-Identifier: MIT */
/*
 * Connections whose peers do not read may fill their share of the pool, and no more: the others go
 * on.
 */
#include "seeds.h"

#include <stdlib.h>

#include "sim/world.h"

#define FLOWS 9

static void stalled_readers_do_not_stop_the_others(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct sim_config config;

    (void)state;
    assert_non_null(world);
    sim_config_init(&config);
    config.flows = FLOWS;
    config.bytes = 6U << 20; /* more than a send queue and a receive queue together */
    config.path.rate_bps = 1000000000;
    assert_int_equal(world_init(world, &config), 0);
    for (unsigned i = 0; i + 1 < FLOWS; i++) {
        world->flows[i].ends[1].read_resume_ns = UINT64_MAX;
    }
    world_run(world); /* ends as a failure: the stalled ones never get on */
    assert_true(world_has_failed(world));
    assert_false(flow_is_done(&world->flows[0]));
    assert_true(flow_is_done(&world->flows[FLOWS - 1]));
    world_done(world);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stalled_readers_do_not_stop_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
