/* SPDX-License-Identifier: MIT */
/*
 * cli/table.h: aligned columns for people. Every command may use it.
 *
 * Colour and the cutting of long cells happen on a terminal only, so that what a script reads is
 * whole and plain. Cells are cleaned (text.h) when they are added.
 */
#ifndef BERTH_CLI_TABLE_H
#define BERTH_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum cli_align { CLI_LEFT, CLI_RIGHT };

enum cli_style {
    CLI_PLAIN,
    CLI_BOLD, /* what the row is about */
    CLI_DIM,  /* what matters least */
    CLI_GOOD,
    CLI_WARN,
    CLI_BAD,
};

struct cli_column {
    const char *title;
    enum cli_align align;
    bool may_shrink; /* on a narrow terminal its cells are cut, with an ellipsis */
};

struct cli_table;

/* A table of COUNT columns; COLUMNS is borrowed as long as the table lives. */
struct cli_table *cli_table_new(const struct cli_column *columns, size_t count);
void cli_table_free(struct cli_table *table);

/* The next cell, row by row. TEXT is copied; NULL or "" is printed as "-". */
void cli_table_add(struct cli_table *table, enum cli_style style, const char *text);
void cli_table_addf(struct cli_table *table, enum cli_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How many whole rows it holds. */
size_t cli_table_rows(const struct cli_table *table);

/* Prints titles and rows to OUT; nothing for a table without rows. */
void cli_table_print(const struct cli_table *table, FILE *out);

/* Whether colour may be used on OUT: a terminal, and no NO_COLOR (https://no-color.org). */
bool cli_table_may_colour(FILE *out);

#endif
