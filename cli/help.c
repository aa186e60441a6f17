/* SPDX-License-Identifier: MIT */
/*
 * cli/help.c: the --help of a command, from its table of options (options.h).
 *
 * Invariant 1: no line that is made here is wider than 80 columns, whatever the terminal, so that
 * the text is the same everywhere.
 */
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/text.h"

#define HELP_COLUMNS  80
#define HELP_LEFT_MAX 30 /* an option that needs more has its help on the next line */

/* Writes TEXT from column INDENT on (where the cursor is), broken at blanks. "\n" breaks too. */
static void wrap(const char *text, size_t indent)
{
    size_t column = indent;

    while (*text != '\0') {
        size_t bytes = strcspn(text, " \n");
        size_t width = cli_text_width(text) - cli_text_width(text + bytes);

        if (column > indent && column + 1 + width > HELP_COLUMNS) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)bytes, text);
        column += width;
        text += bytes;
        if (*text == '\n') {
            printf("\n%s%*s", text[1] == '\0' ? "" : "\n", (int)indent, "");
            column = indent;
        }
        text += *text == '\0' ? 0 : 1;
    }
    putchar('\n');
}

/* "  -p, --publish VALUE" into OUT; its width. */
static size_t format_left(const struct cli_option *option, char *out, size_t bytes)
{
    char letter[8] = "    ";

    if (option->letter != '\0') {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    snprintf(out, bytes, "  %s--%s%s%s", letter, option->name, option->value == NULL ? "" : " ",
             option->value == NULL ? "" : option->value);
    return cli_text_width(out);
}

static void print_option(const struct cli_option *option, size_t left)
{
    char text[160];
    size_t width = format_left(option, text, sizeof text);

    if (width + 2 > left) {
        printf("%s\n%*s", text, (int)left, "");
    } else {
        printf("%s%*s", text, (int)(left - width), "");
    }
    wrap(option->help, left);
}

void cli_options_help(const struct cli_options *options)
{
    static const struct cli_option help = {
        .name = "help", .letter = 'h', .help = "this text, and nothing else is done"};
    const char *form = options->usage;
    size_t left = 0;

    for (const char *before = "usage:"; form != NULL; before = "      ") {
        size_t bytes = strcspn(form, "\n");

        printf("%s %s %.*s\n", before, options->command, (int)bytes, form);
        form = form[bytes] == '\0' ? NULL : form + bytes + 1;
    }
    putchar('\n');
    wrap(options->about, 0);
    for (size_t i = 0; i < options->count; i++) {
        char text[160];
        size_t width = options->options[i].kind == CLI_HEADING
                           ? 0
                           : format_left(&options->options[i], text, sizeof text) + 2;

        left = width > left && width <= HELP_LEFT_MAX ? width : left;
    }
    left = left < 14 ? 14 : left;
    if (options->count == 0 || options->options[0].kind != CLI_HEADING) {
        printf("\nOptions:\n");
    }
    for (size_t i = 0; i < options->count; i++) {
        if (options->options[i].kind == CLI_HEADING) {
            printf("\n%s:\n", options->options[i].help);
        } else {
            print_option(&options->options[i], left);
        }
    }
    print_option(&help, left);
    if (options->notes != NULL) {
        printf("\n%s", options->notes);
    }
}
