/* SPDX-License-Identifier: MIT */
/*
 * run/rule_file.h: adds a rule to a policy's file: at its end, or before the rule that asked, since
 * the first rule that matches counts. Owns nothing. run/questions.c calls it.
 *
 * Invariants
 *  1. Whoever reads the file meanwhile, or after a crash, finds it with the whole new line or
 *     without: at the end it is one write; elsewhere a new file takes the old one's place.
 *  2. Nothing that stood in the file is changed.
 */
#ifndef RUN_RULE_FILE_H
#define RUN_RULE_FILE_H

#include <stdint.h>

enum { RULE_FILE_BYTES_MAX = 64 * 1024 * 1024 };

/* Adds LINE (without its end) to the end of PATH. 0, or an errno. */
int rule_file_append(const char *path, const char *line);
/* Adds LINE before line NUMBER (from 1) of PATH, which must begin with the word "ask": ESTALE: it
 * does not, the file has changed. 0, or an errno. */
int rule_file_insert(const char *path, uint32_t number, const char *line);

#endif
