/* SPDX-License-Identifier: MIT */
/*
 * Tables as a script sees them: printed into memory, which is no terminal. Terminals are tested
 * in tests/cli/test_general.py.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/table.h"

static const struct cli_column columns[] = {
    {"PORT", CLI_RIGHT, false},
    {"NAME", CLI_LEFT, true},
    {"NOTE", CLI_LEFT, false},
};

static struct cli_table *new_table(void)
{
    return cli_table_new(columns, sizeof columns / sizeof columns[0]);
}

/* Prints and frees TABLE. */
static void assert_prints(struct cli_table *table, const char *expected)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    cli_table_print(table, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
    cli_table_free(table);
}

static void columns_are_aligned(void **state)
{
    struct cli_table *table = new_table();

    (void)state;
    cli_table_addf(table, CLI_PLAIN, "%d", 7);
    cli_table_add(table, CLI_BAD, "\xc3\xa9t\xc3\xa9");
    cli_table_add(table, CLI_PLAIN, "x");
    cli_table_addf(table, CLI_PLAIN, "%d", 65535);
    cli_table_add(table, CLI_BOLD, "longer name");
    cli_table_add(table, CLI_PLAIN, NULL);
    assert_int_equal(cli_table_rows(table), 2);
    assert_prints(table, " PORT  NAME         NOTE\n"
                         "    7  \xc3\xa9t\xc3\xa9          x\n"
                         "65535  longer name  -\n");
}

static void a_table_without_rows_prints_nothing(void **state)
{
    (void)state;
    assert_prints(new_table(), "");
}

static void cells_are_cleaned(void **state)
{
    struct cli_table *table = new_table();

    (void)state;
    cli_table_add(table, CLI_PLAIN, "1");
    cli_table_add(table, CLI_PLAIN, "a\033[2Jb\n");
    cli_table_add(table, CLI_PLAIN, "");
    assert_prints(table, "PORT  NAME           NOTE\n"
                         "   1  a\\x1b[2Jb\\x0a  -\n");
}

static void many_rows_are_kept(void **state)
{
    struct cli_table *table = new_table();

    (void)state;
    for (int i = 0; i < 3000; i++) {
        cli_table_addf(table, CLI_PLAIN, "%d", i);
    }
    assert_int_equal(cli_table_rows(table), 1000);
    cli_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(a_table_without_rows_prints_nothing),
        cmocka_unit_test(cells_are_cleaned),
        cmocka_unit_test(many_rows_are_kept),
    };

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
