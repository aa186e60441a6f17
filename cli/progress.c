/* SPDX-License-Identifier: MIT */
/*
 * cli/progress.c: see cli/progress.h.
 */
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

#define FIRST_NS   (2 * NS_PER_S)
#define BETWEEN_NS (NS_PER_S / 4)

static uint64_t now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct cli_progress cli_progress_begin(void)
{
    bool is_terminal = isatty(STDERR_FILENO) != 0;

    return (struct cli_progress){.next_ns = is_terminal ? now_ns() + FIRST_NS : UINT64_MAX};
}

bool cli_progress_is_due(const struct cli_progress *progress)
{
    return progress->next_ns != UINT64_MAX && now_ns() >= progress->next_ns;
}

void cli_progress_show(struct cli_progress *progress, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    (void)fputc('\r', stderr);
    (void)vfprintf(stderr, format, values);
    (void)fputs("\033[K", stderr);
    (void)fflush(stderr);
    va_end(values);
    progress->is_shown = true;
    progress->next_ns = now_ns() + BETWEEN_NS;
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->is_shown) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        progress->is_shown = false;
    }
}
