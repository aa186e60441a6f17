/* SPDX-License-Identifier: MIT */
/*
 * cli/json.h: what berth adds to jansson: text that may be missing or no UTF-8, memory that does
 * not run out quietly, and the two ways of printing. Every command may use it.
 *
 * Field names are stable: once in a man page, a name keeps its meaning.
 */
#ifndef BERTH_CLI_JSON_H
#define BERTH_CLI_JSON_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* TEXT as a JSON string, null for NULL or ""; bytes that are no UTF-8 become U+FFFD. */
json_t *cli_json_text(const char *text);

/* New values that are never NULL: without memory berth says so and ends. */
json_t *cli_json_object(void);
json_t *cli_json_array(void);

/* Takes VALUE. KEY stays where it was first put; objects print in that order. */
void cli_json_put(json_t *object, const char *key, json_t *value);
void cli_json_put_number(json_t *object, const char *key, int64_t value);
/* Takes VALUE. */
void cli_json_append(json_t *array, json_t *value);

/* Takes DOCUMENT. Indented, with a newline at its end. */
void cli_json_print(json_t *document, FILE *out);

#endif
