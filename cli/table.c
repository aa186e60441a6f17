/* SPDX-License-Identifier: MIT */
/*
 * cli/table.c: cells are gathered, then printed when every width is known.
 *
 * Invariants:
 * 1. Only whole rows are printed.
 * 2. Lines have no blanks at their ends: the last column is not padded.
 * 3. No line is wider than the terminal: what does not fit when all has shrunk is cut off.
 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/message.h"
#include "cli/text.h"

#define GAP          2 /* blanks between columns */
#define SHRUNK_WIDTH 8 /* a column is never cut to less */
#define ELLIPSIS     "\xe2\x80\xa6"

struct cell {
    char *text;
    size_t width;
    enum cli_style style;
};

struct cli_table {
    const struct cli_column *columns;
    size_t column_count;
    struct cell *cells;
    size_t count;
    size_t capacity;
};

/* How one print looks. */
struct layout {
    FILE *out;
    bool has_colour;
    size_t *widths; /* of each column */
    size_t room;    /* columns of the terminal; SIZE_MAX: it is none */
};

struct cli_table *cli_table_new(const struct cli_column *columns, size_t count)
{
    struct cli_table *table = cli_memory(NULL, sizeof *table);

    *table = (struct cli_table){.columns = columns, .column_count = count};
    return table;
}

void cli_table_free(struct cli_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i].text);
    }
    free(table->cells);
    free(table);
}

void cli_table_add(struct cli_table *table, enum cli_style style, const char *text)
{
    struct cell *cell;

    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->cells = cli_memory(table->cells, table->capacity * sizeof *table->cells);
    }
    cell = &table->cells[table->count++];
    cell->text = cli_text_clean(text == NULL || *text == '\0' ? "-" : text);
    cell->width = cli_text_width(cell->text);
    cell->style = style;
}

void cli_table_addf(struct cli_table *table, enum cli_style style, const char *format, ...)
{
    va_list values;
    char *text = NULL;
    int length;

    va_start(values, format);
    length = vasprintf(&text, format, values);
    va_end(values);
    cli_table_add(table, style, length < 0 ? NULL : text);
    if (length >= 0) {
        free(text);
    }
}

size_t cli_table_rows(const struct cli_table *table)
{
    return table->count / table->column_count;
}

bool cli_table_may_colour(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0 &&
           isatty(fileno(out));
}

/* The columns of the terminal behind OUT; SIZE_MAX where it is none, or does not tell. */
static size_t terminal_width(FILE *out)
{
    struct winsize size = {0};

    if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0) {
        return SIZE_MAX;
    }
    return size.ws_col == 0 ? SIZE_MAX : size.ws_col;
}

static void measure(const struct cli_table *table, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = cli_text_width(table->columns[c].title);
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t *width = &widths[i % table->column_count];

        *width = table->cells[i].width > *width ? table->cells[i].width : *width;
    }
}

/* Takes from the widest column that may shrink until the table fits into ROOM columns. */
static void shrink(const struct cli_table *table, size_t *widths, size_t room)
{
    for (;;) {
        size_t total = GAP * (table->column_count - 1);
        size_t widest = table->column_count;

        for (size_t c = 0; c < table->column_count; c++) {
            total += widths[c];
            if (table->columns[c].may_shrink && widths[c] > SHRUNK_WIDTH &&
                (widest == table->column_count || widths[c] > widths[widest])) {
                widest = c;
            }
        }
        if (total <= room || widest == table->column_count) {
            return;
        }
        widths[widest]--;
    }
}

static const char *style_code(enum cli_style style)
{
    switch (style) {
    case CLI_PLAIN:
        return "";
    case CLI_BOLD:
        return "\033[1m";
    case CLI_DIM:
        return "\033[2m";
    case CLI_GOOD:
        return "\033[32m";
    case CLI_WARN:
        return "\033[33m";
    case CLI_BAD:
        return "\033[31m";
    }
    return "";
}

static void print_cell(const struct layout *layout, const struct cell *cell, size_t width,
                       enum cli_align align)
{
    bool is_cut = cell->width > width;
    size_t bytes = cli_text_fit(cell->text, is_cut ? width - 1 : width);
    int blanks = is_cut ? 0 : (int)(width - cell->width);
    bool has_style = layout->has_colour && cell->style != CLI_PLAIN;

    if (align == CLI_RIGHT) {
        fprintf(layout->out, "%*s", blanks, "");
    }
    fprintf(layout->out, "%s%.*s%s%s", has_style ? style_code(cell->style) : "", (int)bytes,
            cell->text, is_cut ? ELLIPSIS : "", has_style ? "\033[0m" : "");
    if (align == CLI_LEFT) {
        fprintf(layout->out, "%*s", blanks, "");
    }
}

static void print_row(const struct cli_table *table, const struct layout *layout,
                      const struct cell *cells)
{
    size_t room = layout->room;

    for (size_t c = 0; c < table->column_count; c++) {
        enum cli_align align = table->columns[c].align;
        size_t width = min_size(layout->widths[c], room);
        /* The last one is it also where the next would have no room for a letter. */
        bool is_last = c + 1 == table->column_count || room - width <= GAP;

        if (is_last && align == CLI_LEFT && cells[c].width < width) {
            width = cells[c].width;
        }
        print_cell(layout, &cells[c], width, align);
        if (is_last) {
            break;
        }
        fprintf(layout->out, "%*s", GAP, "");
        room -= width + GAP;
    }
    fputc('\n', layout->out);
}

static void print_titles(const struct cli_table *table, const struct layout *layout)
{
    struct cell *titles = cli_memory(NULL, table->column_count * sizeof *titles);

    for (size_t c = 0; c < table->column_count; c++) {
        titles[c].text = cli_text_clean(table->columns[c].title);
        titles[c].width = cli_text_width(titles[c].text);
        titles[c].style = CLI_BOLD;
    }
    print_row(table, layout, titles);
    for (size_t c = 0; c < table->column_count; c++) {
        free(titles[c].text);
    }
    free(titles);
}

void cli_table_print(const struct cli_table *table, FILE *out)
{
    struct layout layout = {
        .out = out, .has_colour = cli_table_may_colour(out), .room = terminal_width(out)};

    if (cli_table_rows(table) == 0) {
        return;
    }
    layout.widths = cli_memory(NULL, table->column_count * sizeof *layout.widths);
    measure(table, layout.widths);
    shrink(table, layout.widths, layout.room);
    print_titles(table, &layout);
    for (size_t i = 0; i < cli_table_rows(table); i++) {
        print_row(table, &layout, &table->cells[i * table->column_count]);
    }
    free(layout.widths);
}
