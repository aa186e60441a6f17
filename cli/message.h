/* SPDX-License-Identifier: MIT */
/*
 * cli/message.h: what berth says of itself. Every command may call it, from one thread at a time.
 */
#ifndef BERTH_CLI_MESSAGE_H
#define BERTH_CLI_MESSAGE_H

#include <stddef.h>

/*
 * One line on standard error, "berth: " before it and a newline after it, written at once so that
 * it is not torn by a program that writes to the same terminal. Control characters in it are made
 * visible (text.h), since names from the network end up here.
 */
void cli_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line of an answer on standard output, the same made visible in it, and a newline after it. */
void cli_print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory for the command line's own tables; never NULL: without memory berth says so and ends. */
void *cli_memory(void *old, size_t bytes);

#endif
