/* SPDX-License-Identifier: MIT */
/*
 * run/added.c: see run/added.h.
 */
#include "run/added.h"

#include <stdlib.h>
#include <string.h>

#include "run/conversation.h"
#include "run/inside.h"
#include "run/rules.h"

/* ---- Lines ---------------------------------------------------------------------------------- */

uint32_t added_loaded_line(const struct run *run, uint32_t line)
{
    const struct added *added = &run->added;
    uint32_t before = 0;

    for (size_t i = 0; i < added->count && added->rules[i].line <= line; i++) {
        if (added->rules[i].line == line) {
            return 0;
        }
        before++;
    }
    return line - before;
}

/* The place of LINE (from 1) in the text. */
static size_t place_of(const struct added *added, uint32_t line)
{
    size_t at = 0;

    for (uint32_t i = 1; i < line && at < added->bytes; at++) {
        i += added->text[at] == '\n';
    }
    return at;
}

/* The line of the first rule of these words; 0: there is none. */
static uint32_t line_of_words(const struct run *run, const char *words)
{
    const char *text;

    for (uint32_t i = 0; (text = berth_rules_text(run->guard->berth, i)) != NULL; i++) {
        if (strcmp(text, words) == 0) {
            return berth_rules_line(run->guard->berth, i);
        }
    }
    return 0;
}

/* The line of the text that the rule NUMBER has now. Where rules were read again, it may be at
 * another line, which makes it another number: its words tell. */
static uint32_t line_now(struct run *run, int32_t number)
{
    const char *words = run_rule_text(run, number);
    const char *text;

    for (uint32_t i = 0; words != NULL && (text = berth_rules_text(run->guard->berth, i)) != NULL;
         i++) {
        if (strcmp(text, words) == 0 && rules_note(run, (int32_t)i) == number) {
            return berth_rules_line(run->guard->berth, i);
        }
    }
    return words == NULL ? 0 : line_of_words(run, words);
}

uint32_t added_line_of(struct run *run, int32_t number)
{
    uint32_t line = line_now(run, number);

    return line == 0 ? 0 : added_loaded_line(run, line);
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* Loads TEXT, which is taken, also where that fails. */
static int load(struct run *run, char *text, size_t bytes, struct berth_rules_error *error)
{
    int result = text == NULL ? BERTH_E_STATE : rules_load_text(run, text, bytes, error);

    if (result < 0) {
        free(text);
        return result;
    }
    free(run->added.text);
    run->added.text = text;
    run->added.bytes = bytes;
    return BERTH_OK;
}

/* The text with MORE bytes of WORDS in the place of LESS bytes at AT. NULL: no memory. */
static char *edited(const struct added *added, size_t at, size_t less, const char *words,
                    size_t more)
{
    char *text = malloc(added->bytes - less + more + 1);

    if (text != NULL) {
        memcpy(text, added->text, at);
        memcpy(text + at, words, more);
        memcpy(text + at + more, added->text + at + less, added->bytes - at - less);
        text[added->bytes - less + more] = '\0';
    }
    return text;
}

static void note(struct added *added, struct added_rule rule)
{
    size_t at = added->count++;

    while (at > 0 && added->rules[at - 1].line >= rule.line) {
        added->rules[at] = added->rules[at - 1];
        added->rules[at].line++;
        at--;
    }
    added->rules[at] = rule;
}

/* Adds WORDS before LINE, which is of a rule BEFORE. */
static int add_before(struct run *run, const char *words, const char *before, uint32_t line)
{
    struct added *added = &run->added;
    struct added_rule rule = {.before = before, .line = line};
    size_t bytes = strlen(words) + 1;
    int result;

    if (added->count == ADDED_MAX) {
        return BERTH_E_LIMIT;
    }
    rule.words = line == 0 ? NULL : malloc(bytes);
    if (rule.words == NULL) {
        return BERTH_E_STATE;
    }
    memcpy(rule.words, words, bytes - 1);
    rule.words[bytes - 1] = '\n';
    result = load(run, edited(added, place_of(added, line), 0, rule.words, bytes),
                  added->bytes + bytes, NULL);
    rule.words[bytes - 1] = '\0';
    if (result < 0) {
        free(rule.words);
        return result;
    }
    note(added, rule);
    return BERTH_OK;
}

static void add_again(struct run *run, struct added_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!rules[i].is_kept && add_before(run, rules[i].words, rules[i].before,
                                            line_of_words(run, rules[i].before)) < 0) {
            run_say(run, "the answer '%s' is forgotten: the rule that asked is no more",
                    rules[i].words);
        }
        free(rules[i].words);
    }
}

int added_load(struct run *run, const char *text, size_t bytes, struct berth_rules_error *error)
{
    struct added *added = &run->added;
    struct added_rule rules[ADDED_MAX];
    size_t count = added->count;
    char *copy = malloc(bytes + 1);
    int result;

    if (copy != NULL) {
        memcpy(copy, text, bytes);
        copy[bytes] = '\0';
    }
    result = load(run, copy, bytes, error);
    if (result == BERTH_OK) {
        memcpy(rules, added->rules, count * sizeof rules[0]);
        added->count = 0;
        add_again(run, rules, count);
    }
    return result;
}

void added_done(struct run *run)
{
    for (size_t i = 0; i < run->added.count; i++) {
        free(run->added.rules[i].words);
    }
    free(run->added.text);
    run->added = (struct added){0};
}

/* ---- Adding --------------------------------------------------------------------------------- */

int added_add(struct run *run, const char *words, int32_t number)
{
    struct berth_contact contact;

    /* What was refused by the rules as they are is noted while their indexes mean them. */
    while (berth_next_contact(run->guard->berth, &contact)) {
        conversation_refused(run, &contact, NULL);
    }
    return add_before(run, words, run_rule_text(run, number), line_now(run, number));
}

/* The place among those added of the one right before the rule NUMBER. */
static size_t find(struct run *run, int32_t number)
{
    const struct added *added = &run->added;
    uint32_t line = line_now(run, number);

    for (size_t i = 0; i < added->count; i++) {
        if (added->rules[i].line + 1 == line) {
            return i;
        }
    }
    return added->count;
}

void added_take_back(struct run *run, int32_t number)
{
    struct added *added = &run->added;
    size_t at = find(run, number);
    size_t bytes;

    if (at == added->count) {
        return;
    }
    bytes = strlen(added->rules[at].words) + 1;
    if (load(run, edited(added, place_of(added, added->rules[at].line), bytes, "", 0),
             added->bytes - bytes, NULL) < 0) {
        return; /* no memory: it stays */
    }
    free(added->rules[at].words);
    added->count--;
    for (size_t i = at; i < added->count; i++) {
        added->rules[i] = added->rules[i + 1];
        added->rules[i].line--;
    }
}

void added_keep(struct run *run, int32_t number, const char *path, uint32_t line)
{
    size_t at = find(run, number);

    if (at < run->added.count) {
        run->added.rules[at].is_kept = true;
        run->added.rules[at].path = path;
        run->added.rules[at].file_line = line;
    }
}

uint32_t added_lines(const struct run *run, const char *path, uint32_t line)
{
    uint32_t count = 0;

    for (size_t i = 0; i < run->added.count; i++) {
        const struct added_rule *rule = &run->added.rules[i];

        count += rule->is_kept && strcmp(rule->path, path) == 0 && rule->file_line != 0 &&
                 rule->file_line <= line;
    }
    return count;
}
