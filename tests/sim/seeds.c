/* SPDX-License-Identifier: MIT */
/*
 * tests/sim/seeds.c: what the simulator's tests share.
 */
#include "seeds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void seeds_run_for(const struct sim_config *config, struct sim_result *out)
{
    assert_int_equal(sim_run(config, out), 0);
    if (!out->is_right) {
        print_error("%s\nrepeat with: berth sim --seed %" PRIu64 " --vary --scenario %s%s\n",
                    out->failure, config->seed, sim_scenario_name(config->scenario),
                    config->has_twins ? " --twins" : "");
    }
    assert_true(out->is_right);
}

uint64_t seeds_run(const struct sim_config *config)
{
    struct sim_result result;
    uint64_t trace;

    seeds_run_for(config, &result);
    trace = result.trace;
    sim_result_done(&result);
    return trace;
}

void seeds_run_many(enum sim_scenario scenario, uint64_t first, unsigned count)
{
    struct sim_config config;

    sim_config_init(&config);
    config.scenario = scenario;
    config.vary = true;
    for (unsigned i = 0; i < count; i++) {
        config.seed = first + i;
        (void)seeds_run(&config);
    }
}

static enum sim_scenario scenario_of(const char *name, size_t bytes)
{
    for (unsigned i = SIM_TRANSFER; i <= SIM_MANY; i++) {
        const char *known = sim_scenario_name((enum sim_scenario)i);

        if (strlen(known) == bytes && memcmp(known, name, bytes) == 0) {
            return (enum sim_scenario)i;
        }
    }
    fail_msg("no such scenario: %.*s", (int)bytes, name);
    return SIM_TRANSFER;
}

/* Which members the text of an impairment names. */
static uint32_t given_by(const char *text)
{
    static const struct {
        const char *word;
        uint32_t given;
    } words[] = {
        {"delay", SIM_GIVEN_DELAY},     {"jitter", SIM_GIVEN_JITTER},
        {"loss", SIM_GIVEN_LOSS},       {"duplicate", SIM_GIVEN_DUPLICATE},
        {"reorder", SIM_GIVEN_REORDER}, {"corrupt", SIM_GIVEN_CORRUPT},
        {"rate", SIM_GIVEN_RATE},       {"queue", SIM_GIVEN_QUEUE},
        {"ecn", SIM_GIVEN_MARKS},
    };
    uint32_t given = 0;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        given |= strstr(text, words[i].word) != NULL ? words[i].given : 0;
    }
    return given;
}

/* "mixed 34 plain", "mixed 2440 twins", or "transfer 1662 loss 3% reorder 3%": as berth run
 * --impair has it. */
bool seeds_parse(const char *line, struct sim_config *config)
{
    size_t name_bytes = strcspn(line, " \n");
    struct link_text_error error;
    char *rest;

    if (line[0] == '#' || name_bytes == 0) {
        return false;
    }
    sim_config_init(config);
    config->vary = true;
    config->scenario = scenario_of(line, name_bytes);
    config->seed = strtoull(line + name_bytes, &rest, 10);
    assert_true(rest > line + name_bytes);
    if (strncmp(rest, " plain", 6) == 0) {
        config->is_plain = true;
        rest += 6;
    }
    if (strncmp(rest, " twins", 6) == 0) {
        config->has_twins = true;
        rest += 6;
    }
    assert_int_equal(link_impairment_parse(rest, &config->path, &error), 0);
    config->given = given_by(rest);
    return true;
}
