/* SPDX-License-Identifier: MIT */
/*
 * cli/json.c: a thin layer over jansson (json.h).
 *
 * Invariant 1: no call fails for a reason that its caller could mend: what fails is memory.
 */
#include "cli/json.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/text.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static json_t *never_null(json_t *value)
{
    if (value == NULL) {
        cli_message("out of memory");
        exit(CLI_ERROR);
    }
    return value;
}

static json_t *replaced(const char *text)
{
    char *copy = cli_memory(NULL, strlen(text) * strlen(REPLACEMENT) + 1);
    char *out = copy;
    json_t *value;

    while (*text != '\0') {
        unsigned point;
        size_t length = cli_text_decode(text, &point);

        if (length == 0) {
            memcpy(out, REPLACEMENT, strlen(REPLACEMENT));
            out += strlen(REPLACEMENT);
            text++;
        } else {
            memcpy(out, text, length);
            out += length;
            text += length;
        }
    }
    *out = '\0';
    value = json_string(copy);
    free(copy);
    return value;
}

json_t *cli_json_text(const char *text)
{
    json_t *value;

    if (text == NULL || *text == '\0') {
        return json_null();
    }
    value = json_string(text);
    return never_null(value != NULL ? value : replaced(text));
}

json_t *cli_json_object(void)
{
    return never_null(json_object());
}

json_t *cli_json_array(void)
{
    return never_null(json_array());
}

void cli_json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        never_null(NULL);
    }
}

void cli_json_put_number(json_t *object, const char *key, int64_t value)
{
    cli_json_put(object, key, never_null(json_integer(value)));
}

void cli_json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) {
        never_null(NULL);
    }
}

void cli_json_print(json_t *document, FILE *out)
{
    json_dumpf(document, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(document);
}
