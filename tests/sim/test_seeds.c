/* SPDX-License-Identifier: MIT */
/*
 * Every seed that failed once (seeds.txt) is right now, and stays so.
 */
#include "seeds.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES 512

static void seeds_that_failed_once(void **state)
{
    const char *source = getenv("BERTH_SOURCE");
    char line[LINE_BYTES];
    unsigned count = 0;
    FILE *file;

    (void)state;
    assert_non_null(source);
    (void)snprintf(line, sizeof line, "%s/tests/sim/seeds.txt", source);
    file = fopen(line, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct sim_config config;

        if (seeds_parse(line, &config)) {
            (void)seeds_run(&config);
            count++;
        }
    }
    (void)fclose(file);
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_that_failed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
