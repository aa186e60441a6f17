/* SPDX-License-Identifier: MIT */
/*
 * cli/message.c: berth's own words on standard error.
 *
 * Invariant 1: a message is one line and one write.
 */
#include "cli/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/text.h"

void cli_message(const char *format, ...)
{
    va_list values;
    char *raw = NULL;
    char *clean;
    int length;

    va_start(values, format);
    length = vasprintf(&raw, format, values);
    va_end(values);
    if (length < 0) {
        fputs("berth: out of memory\n", stderr);
        return;
    }
    clean = cli_text_clean(raw);
    fprintf(stderr, "berth: %s\n", clean);
    free(clean);
    free(raw);
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
