/* SPDX-License-Identifier: MIT */
/*
 * cli/options.c: options from their table. Called by the commands' mains.
 *
 * Invariants:
 * 1. Every message that an option can cause is made here, from the table.
 * 2. The operands that have been met stand at argv[1] on, in their order; what has not been read
 *    yet stands behind the reader's place.
 */
#include "cli/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/text.h"

#define OPTIONS_MAX 64 /* options of one command, for "did you mean" */

struct reader {
    const struct cli_options *options;
    void *settings;
    char **argv;
    int argc;
    int at; /* the word being read */
};

/* "ports" of "berth ports": what messages begin with. */
static const char *short_name(const struct cli_options *options)
{
    const char *blank = strrchr(options->command, ' ');

    return blank == NULL ? options->command : blank + 1;
}

int cli_options_refuse(const struct cli_options *options, const char *word, const char *expected)
{
    cli_message("%s: '%s': expected %s", short_name(options), word, expected);
    return CLI_ERROR;
}

bool cli_options_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*text - '0');
    }
    if (value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}

static const struct cli_option *find_name(const struct cli_options *options, const char *name,
                                          size_t bytes)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct cli_option *option = &options->options[i];

        if (option->kind != CLI_HEADING && strlen(option->name) == bytes &&
            strncmp(option->name, name, bytes) == 0) {
            return option;
        }
    }
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_options *options, char letter)
{
    for (size_t i = 0; i < options->count; i++) {
        if (options->options[i].kind != CLI_HEADING && options->options[i].letter == letter) {
            return &options->options[i];
        }
    }
    return NULL;
}

/* "a, b or c" of a choice's words, cut to what fits. */
static void list_choices(const char *const *choices, char *out, size_t bytes)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; choices[i] != NULL && used < bytes; i++) {
        const char *joint = i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ";
        int length = snprintf(out + used, bytes - used, "%s%s", joint, choices[i]);

        used += length < 0 ? 0 : (size_t)length;
    }
}

static bool set_choice(const struct cli_option *option, int *field, const char *value,
                       struct cli_complaint *complaint)
{
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], value) == 0) {
            *field = i;
            return true;
        }
    }
    list_choices(option->choices, complaint->expected, sizeof complaint->expected);
    return false;
}

static bool set_number(const struct cli_option *option, uint64_t *field, const char *value,
                       struct cli_complaint *complaint)
{
    if (cli_options_number(value, option->min, option->max, field)) {
        return true;
    }
    snprintf(complaint->expected, sizeof complaint->expected,
             "a number from %" PRIu64 " to %" PRIu64, option->min, option->max);
    return false;
}

static bool set(const struct reader *reader, const struct cli_option *option, const char *value,
                struct cli_complaint *complaint)
{
    void *field = (char *)reader->settings + option->offset;
    bool may_lack_value = option->kind == CLI_FLAG || option->kind == CLI_CALL;

    if (value == NULL && !may_lack_value) { /* the table lacks the name of its value */
        return false;
    }
    switch (option->kind) {
    case CLI_HEADING:
        break;
    case CLI_FLAG:
        *(bool *)field = true;
        break;
    case CLI_TEXT:
        snprintf(complaint->expected, sizeof complaint->expected, "a value: %s", option->value);
        *(const char **)field = value;
        return *value != '\0';
    case CLI_NUMBER:
        return set_number(option, field, value, complaint);
    case CLI_CHOICE:
        return set_choice(option, field, value, complaint);
    case CLI_CALL:
        return option->call(reader->settings, value, complaint);
    }
    return true;
}

/* Stores VALUE; -1, or CLI_ERROR once the complaint is printed. SHOWN is the option as written. */
static int apply(const struct reader *reader, const struct cli_option *option, const char *shown,
                 const char *value)
{
    struct cli_complaint complaint = {.expected = ""};
    const char *command = short_name(reader->options);

    if (set(reader, option, value, &complaint)) {
        return -1;
    }
    if (value == NULL) {
        cli_message("%s: %s: expected %s", command, shown, complaint.expected);
    } else if (complaint.word[0] != '\0' && strcmp(complaint.word, value) != 0) {
        cli_message("%s: %s '%s': bad word '%s': expected %s", command, shown, value,
                    complaint.word, complaint.expected);
    } else {
        cli_message("%s: %s '%s': expected %s", command, shown, value, complaint.expected);
    }
    return CLI_ERROR;
}

/* The value that follows in the next word. NULL, and said, where there is none. */
static const char *next_value(struct reader *reader, const struct cli_option *option,
                              const char *shown)
{
    if (reader->at + 1 >= reader->argc) {
        cli_message("%s: %s: expected a value after it: %s", short_name(reader->options), shown,
                    option->value);
        return NULL;
    }
    return reader->argv[++reader->at];
}

static int refuse_unknown(const struct reader *reader, const char *name)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    const char *nearest;

    for (size_t i = 0; i < reader->options->count && count < OPTIONS_MAX - 1; i++) {
        if (reader->options->options[i].kind != CLI_HEADING) {
            names[count++] = reader->options->options[i].name;
        }
    }
    names[count++] = "help";
    nearest = cli_text_nearest(name, names, count);
    if (nearest != NULL) {
        cli_message("%s: unknown option '--%s': expected '--%s'? see %s --help",
                    short_name(reader->options), name, nearest, reader->options->command);
    } else {
        cli_message("%s: unknown option '--%s': expected an option of %s --help",
                    short_name(reader->options), name, reader->options->command);
    }
    return CLI_ERROR;
}

static int read_long(struct reader *reader)
{
    const char *name = reader->argv[reader->at] + 2;
    const char *equals = strchr(name, '=');
    size_t bytes = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct cli_option *option = find_name(reader->options, name, bytes);
    const char *value = equals == NULL ? NULL : equals + 1;
    char shown[64];
    bool is_help;

    snprintf(shown, sizeof shown, "--%.*s", (int)bytes, name);
    is_help = option == NULL && strcmp(shown, "--help") == 0;
    if (is_help && value == NULL) {
        cli_options_help(reader->options);
        return CLI_OK;
    }
    if (option == NULL && !is_help) {
        return refuse_unknown(reader, shown + 2);
    }
    if (value != NULL && (is_help || option->value == NULL)) {
        cli_message("%s: %s '%s': expected no value", short_name(reader->options), shown, value);
        return CLI_ERROR;
    }
    if (option->value != NULL && value == NULL) {
        value = next_value(reader, option, shown);
        if (value == NULL) {
            return CLI_ERROR;
        }
    }
    return apply(reader, option, shown, value);
}

static int read_short(struct reader *reader)
{
    const char *letters = reader->argv[reader->at] + 1;

    for (; *letters != '\0'; letters++) {
        const struct cli_option *option = find_letter(reader->options, *letters);
        const char shown[] = {'-', *letters, '\0'};
        const char *value = NULL;
        int status;

        if (option == NULL && *letters == 'h') {
            cli_options_help(reader->options);
            return CLI_OK;
        }
        if (option == NULL) {
            cli_message("%s: unknown option '%s' in '%s': expected an option of %s --help",
                        short_name(reader->options), shown, reader->argv[reader->at],
                        reader->options->command);
            return CLI_ERROR;
        }
        if (option->value != NULL) {
            value = letters[1] != '\0' ? letters + 1 : next_value(reader, option, shown);
            if (value == NULL) {
                return CLI_ERROR;
            }
        }
        status = apply(reader, option, shown, value);
        if (status >= 0 || value != NULL) {
            return status;
        }
    }
    return -1;
}

int cli_options_parse(const struct cli_options *options, int argc, char **argv, void *settings,
                      struct cli_words *operands)
{
    struct reader reader = {options, settings, argv, argc, 1};
    int kept = 1; /* argv[1] to argv[kept - 1] are operands */

    for (; reader.at < argc; reader.at++) {
        char *word = argv[reader.at];
        int status = -1;

        if (strcmp(word, "--") == 0) {
            reader.at++;
            break;
        }
        if (word[0] == '-' && word[1] == '-') {
            status = read_long(&reader);
        } else if (word[0] == '-' && word[1] != '\0') {
            status = read_short(&reader);
        } else if (options->stop_at_operand) {
            break;
        } else {
            argv[kept++] = word;
        }
        if (status >= 0) {
            return status;
        }
    }
    while (reader.at < argc) {
        argv[kept++] = argv[reader.at++];
    }
    argv[kept] = NULL;
    operands->count = kept - 1;
    operands->words = argv + 1;
    return -1;
}
