/* SPDX-License-Identifier: MIT */
/*
 * cli/files.h: whether options that write name one file twice. `berth run` and `berth sim` ask
 * before they open anything.
 */
#ifndef BERTH_CLI_FILES_H
#define BERTH_CLI_FILES_H

#include <stdbool.h>

/*
 * Would ONE and OTHER write into each other's file: one regular file by whatever names, or one that
 * is not there yet? What is no regular file (/dev/null, a pipe, a terminal) takes several writers.
 * NULL: none. A symbolic link to what is not there yet is taken for a file of its own.
 */
bool cli_files_are_one(const char *one, const char *other);

#endif
