/* SPDX-License-Identifier: MIT */
/*
 * cli/message.c: berth's own words on standard error, and lines of its answers.
 *
 * Invariant 1: a message is one line and one write.
 */
#include "cli/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/text.h"

/* The line, clean; the caller frees it. NULL: there is no memory for it, which is said. */
static char *make_line(const char *format, va_list values)
{
    char *raw = NULL;
    char *clean;

    if (vasprintf(&raw, format, values) < 0) {
        fputs("berth: out of memory\n", stderr);
        return NULL;
    }
    clean = cli_text_clean(raw);
    free(raw);
    return clean;
}

void cli_message(const char *format, ...)
{
    va_list values;
    char *line;

    va_start(values, format);
    line = make_line(format, values);
    va_end(values);
    if (line != NULL) {
        fprintf(stderr, "berth: %s\n", line);
        free(line);
    }
}

void cli_print_line(const char *format, ...)
{
    va_list values;
    char *line;

    va_start(values, format);
    line = make_line(format, values);
    va_end(values);
    if (line == NULL) {
        exit(CLI_ERROR);
    }
    printf("%s\n", line);
    free(line);
}

void *cli_memory(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes == 0 ? 1 : bytes);

    if (memory == NULL) {
        fputs("berth: out of memory\n", stderr);
        exit(CLI_ERROR);
    }
    return memory;
}
