/* SPDX-License-Identifier: MIT */
/*
 * cli/policy_file.h: a file of rules, with the files that it includes in their places, as one text
 * that knows where each of its lines stands. cli/policy.c calls it.
 *
 *   include PATH      a line of its own; to the end of the line or a '#' behind a blank; from the
 *                     folder of the file that it stands in
 *
 * 1. A file is read once: where it is included again, its rules stand already, and of two rules
 *    that match the first decides. A file that would include itself is a mistake.
 * 2. At most POLICY_FILES_MAX files, POLICY_DEPTH_MAX in each other, POLICY_BYTES_MAX together.
 *    Every one but the first is a regular file: a pipe would be read only once, or never end.
 * 3. The text is one of lines: no control characters but tabs and line ends.
 */
#ifndef BERTH_CLI_POLICY_FILE_H
#define BERTH_CLI_POLICY_FILE_H

#include "cli/policy.h"

#define POLICY_FILES_MAX 256
#define POLICY_DEPTH_MAX 16
#define POLICY_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct policy_file;

/*
 * Reads PATH ("-": standard input). Mistakes with its includes and characters are given to EAR, the
 * first CLI_POLICY_MISTAKES_MAX. How many; -1: PATH cannot be read, *WHY says why. *OUT: filled
 * where 0 is returned. IS_AGAIN: it must be a regular file now.
 */
int policy_file_read(struct policy_file **out, const char *path, bool is_again,
                     const struct cli_policy_ear *ear, const char **why);
/* Another user of FILE. Returns it. */
struct policy_file *policy_file_share(struct policy_file *file);
/* The last user frees it. NULL is allowed. */
void policy_file_free(struct policy_file *file);

/* Its text; it ends with a form feed and a line end, so that its groups are its own. */
const char *policy_file_text(const struct policy_file *file, size_t *bytes);
/* The path of the file that LINE (from 1) of the text stands in, and its line there. */
const char *policy_file_find(const struct policy_file *file, uint32_t line, uint32_t *inside);
/* As it was given; may it be read again? Not standard input, nor a pipe. */
const char *policy_file_path(const struct policy_file *file);
bool policy_file_may_change(const struct policy_file *file);

#endif
