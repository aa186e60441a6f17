/* SPDX-License-Identifier: MIT */
/*
 * cli/progress.h: how far something is that takes long: a line on standard error that is written
 * over again and again, where that is a terminal. Commands call it.
 *
 * 1. Nothing is shown of what is over within two seconds.
 * 2. cli_progress_end leaves no trace on the terminal; it stands before any other output.
 */
#ifndef BERTH_CLI_PROGRESS_H
#define BERTH_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cli_progress {
    uint64_t next_ns; /* UINT64_MAX: never */
    bool is_shown;
};

/* What takes long begins. */
struct cli_progress cli_progress_begin(void);
/* Is it time to show it (again)? Cheap enough for every thousandth of what is done. */
bool cli_progress_is_due(const struct cli_progress *progress);
void cli_progress_show(struct cli_progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cli_progress_end(struct cli_progress *progress);

#endif
