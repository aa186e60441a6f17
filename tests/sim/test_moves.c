/* SPDX-License-Identifier: MIT */
/*
 * Hosts that are two stacks each, between which established connections move all the time
 * (berth_tcp_export): on any path, whatever the ends do, their peers notice nothing, every byte
 * arrives once and in order, and nothing is left in either stack.
 */
#include "seeds.h"

/* Everything that CONFIG does not give is drawn. */
static struct sim_config moving(enum sim_scenario scenario)
{
    struct sim_config config;

    sim_config_init(&config);
    config.scenario = scenario;
    config.vary = true;
    config.has_twins = true;
    return config;
}

/* COUNT seeds from FIRST on of CONFIG; the moves in them. */
static uint64_t run_many(struct sim_config *config, uint64_t first, unsigned count)
{
    uint64_t moves = 0;

    for (unsigned i = 0; i < count; i++) {
        struct sim_result result;

        config->seed = first + i;
        seeds_run_for(config, &result);
        moves += result.moves;
        sim_result_done(&result);
    }
    print_message("%.1f moves a run\n", (double)moves / count);
    return moves;
}

static void transfers_move(void **state)
{
    struct sim_config config = moving(SIM_TRANSFER);

    (void)state;
    assert_true(run_many(&config, 1100000, 400) > 400);
}

static void long_transfers_move(void **state)
{
    struct sim_config config = moving(SIM_TRANSFER);

    (void)state;
    config.given = SIM_GIVEN_BYTES;
    config.bytes = 100000;
    assert_true(run_many(&config, 1150000, 300) > 300);
}

static void transfers_move_over_a_bad_path(void **state)
{
    struct sim_config config = moving(SIM_TRANSFER);

    (void)state;
    config.given = SIM_GIVEN_LOSS | SIM_GIVEN_REORDER | SIM_GIVEN_DUPLICATE | SIM_GIVEN_CORRUPT;
    config.path.loss_ppm = 30000;
    config.path.reorder_ppm = 30000;
    config.path.duplicate_ppm = 30000;
    config.path.corrupt_ppm = 30000;
    assert_true(run_many(&config, 1160000, 300) > 300);
}

static void mixtures_move(void **state)
{
    struct sim_config config = moving(SIM_MIXED);

    (void)state;
    assert_true(run_many(&config, 1200000, 600) > 600);
}

static void idle_connections_move(void **state)
{
    struct sim_config config = moving(SIM_IDLE);

    (void)state;
    assert_true(run_many(&config, 1300000, 200) > 200);
}

/* Where and when they move follows from the seed, too. */
static void the_same_seed_is_the_same_run(void **state)
{
    struct sim_config config = moving(SIM_MIXED);

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        config.seed = 1400000 + i;
        uint64_t trace = seeds_run(&config);
        assert_true(seeds_run(&config) == trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_move),
        cmocka_unit_test(long_transfers_move),
        cmocka_unit_test(transfers_move_over_a_bad_path),
        cmocka_unit_test(mixtures_move),
        cmocka_unit_test(idle_connections_move),
        cmocka_unit_test(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
