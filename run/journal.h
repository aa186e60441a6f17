/* SPDX-License-Identifier: MIT */
/*
 * run/journal.h: the file of --log, one JSON object a line (docs/man/berth-run.1 has the fields).
 * Owns the descriptor. Conversations write it.
 *
 * Invariants
 *  1. A line is written by one write(2), so that what is read while the run goes on is whole.
 *  2. The first line that cannot be written whole ends the journal; that is told once.
 */
#ifndef RUN_JOURNAL_H
#define RUN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <berth/error.h>

struct journal {
    int fd; /* -1: there is none, or it has ended */
    const char *path;
};

/* Opens PATH (borrowed) for appending; it is made if it is not there. NULL: no journal is wanted.
 * Returns 0 or BERTH_E_DENIED (errno says why). */
BERTH_MUST_CHECK int journal_open(struct journal *journal, const char *path);
void journal_done(struct journal *journal);
static inline bool journal_is_on(const struct journal *journal)
{
    return journal->fd >= 0;
}

/* Takes LINE. Returns 0, or the errno with which the journal has just ended. */
int journal_write(struct journal *journal, json_t *line);

/* The time of day, and AHEAD_NS more, in UTC: "2026-03-01T12:00:00.000000Z". */
json_t *journal_time(uint64_t ahead_ns);
/* Takes VALUE. Without memory LINE lacks the field, and the next write says why. */
void journal_put(json_t *line, const char *key, json_t *value);
/* TEXT as a JSON string, bytes that are no UTF-8 as "?"; null for NULL and "". */
json_t *journal_text(const char *text);

#endif
