/* SPDX-License-Identifier: MIT */
/*
 * run/rules.c: see run/rules.h.
 */
#include "run/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/added.h"
#include "run/inside.h"

void rules_answer_add(struct rules_answer *answer, const char *format, ...)
{
    size_t room = sizeof answer->text - answer->used;
    va_list values;
    int bytes;

    va_start(values, format);
    bytes = vsnprintf(answer->text + answer->used, room, format, values);
    va_end(values);
    if (bytes >= 0 && (size_t)bytes + 2 <= room) {
        answer->used += (size_t)bytes;
        answer->text[answer->used++] = '\n';
    }
    answer->text[answer->used] = '\0';
}

void rules_answer_say(const struct run *run, const struct rules_answer *answer)
{
    const char *at = answer->text;

    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        run_say(run, "%.*s", (int)(end - at), at);
    }
}

/* ---- Rules that have decided ----------------------------------------------------------------- */

static uint32_t chain_of(const char *text, const char *origin)
{
    uint32_t mixed = 2166136261U;

    for (; *text != '\0'; text++) {
        mixed = (mixed ^ (uint8_t)*text) * 16777619U;
    }
    for (; *origin != '\0'; origin++) {
        mixed = (mixed ^ (uint8_t)*origin) * 16777619U;
    }
    return mixed % RULES_CHAINS;
}

static int32_t note_find(const struct rules *rules, const char *text, const char *origin)
{
    for (uint32_t at = rules->chains[chain_of(text, origin)]; at != 0;
         at = rules->notes[at - 1].next) {
        if (strcmp(rules->notes[at - 1].text, text) == 0 &&
            strcmp(rules->notes[at - 1].origin, origin) == 0) {
            return (int32_t)(at - 1);
        }
    }
    return -1;
}

static int32_t note_add(struct rules *rules, const char *text, const char *origin)
{
    uint32_t *chain = &rules->chains[chain_of(text, origin)];
    struct rules_note note = {.next = *chain};

    if (rules->count == rules->capacity) {
        size_t capacity = rules->capacity == 0 ? 64 : rules->capacity * 2;
        struct rules_note *notes = realloc(rules->notes, capacity * sizeof *notes);

        if (notes == NULL) {
            return -1;
        }
        rules->notes = notes;
        rules->capacity = capacity;
    }
    note.text = strdup(text);
    note.origin = strdup(origin);
    if (note.text == NULL || note.origin == NULL) {
        free(note.text);
        free(note.origin);
        return -1;
    }
    rules->notes[rules->count++] = note;
    *chain = (uint32_t)rules->count;
    return (int32_t)rules->count - 1;
}

int32_t rules_note(struct run *run, int32_t index)
{
    struct rules *rules = &run->rules;
    int32_t number;

    if (index < 0 || (uint32_t)index >= rules->loaded) {
        return -1;
    }
    number = rules->numbers[index];
    if (number < 0) {
        const struct run_rules_owner *owner = &run->config->rules_owner;
        const char *text = berth_rules_text(run->guard->berth, (uint32_t)index);
        uint32_t line =
            added_loaded_line(run, berth_rules_line(run->guard->berth, (uint32_t)index));
        const char *origin = line == 0 ? ADDED_ORIGIN : owner->origin(owner->context, line);

        number = note_find(rules, text, origin);
        number = number < 0 ? note_add(rules, text, origin) : number;
        rules->numbers[index] = number;
    }
    return number;
}

const char *run_rule_text(const struct run *run, int32_t number)
{
    return number < 0 ? NULL : run->rules.notes[number].text;
}

const char *run_rule_origin(const struct run *run, int32_t number)
{
    return number < 0 ? NULL : run->rules.notes[number].origin;
}

/* ---- Loading --------------------------------------------------------------------------------- */

int rules_load_text(struct run *run, const char *text, size_t bytes,
                    struct berth_rules_error *error)
{
    struct rules *rules = &run->rules;
    int result = berth_rules_load(run->guard->berth, text, bytes, error);
    uint32_t count = berth_rules_count(run->guard->berth);
    int32_t *numbers;

    if (result < 0) {
        return result;
    }
    numbers = realloc(rules->numbers, ((size_t)count + 1) * sizeof *numbers);
    rules->loaded = numbers == NULL ? 0 : count; /* without memory: as if no rule had decided */
    rules->numbers = numbers == NULL ? rules->numbers : numbers;
    for (uint32_t i = 0; i < rules->loaded; i++) {
        rules->numbers[i] = -1;
    }
    return BERTH_OK;
}

int rules_load_first(struct run *run, struct berth_rules_error *error)
{
    return added_load(run, run->config->rules, run->config->rules_bytes, error);
}

void rules_done(struct run *run)
{
    for (size_t i = 0; i < run->rules.count; i++) {
        free(run->rules.notes[i].text);
        free(run->rules.notes[i].origin);
    }
    free(run->rules.notes);
    free(run->rules.numbers);
    run->rules = (struct rules){0};
}

static bool reload(struct run *run, struct rules_answer *answer)
{
    const struct run_rules_owner *owner = &run->config->rules_owner;
    struct berth_rules_error error;
    const char *text;
    size_t bytes;
    int result;

    if (owner->again == NULL) {
        rules_answer_add(answer, "this run has no file of rules (--policy)");
        return false;
    }
    if (!owner->again(owner->context, answer, &text, &bytes)) {
        return false;
    }
    /* What was refused by the old rules is noted while their numbers mean them. */
    gate_look(run->guard);
    result = added_load(run, text, bytes, &error);
    owner->taken(owner->context, result == BERTH_OK);
    if (result < 0) {
        rules_answer_add(answer, "too many rules for a run that began with fewer: expected %s",
                         error.expected);
        return false;
    }
    return true;
}

bool rules_reload(struct run *run, struct rules_answer *answer)
{
    bool is_loaded = reload(run, answer);
    uint32_t count = berth_rules_count(run->guard->berth);

    if (!is_loaded) {
        rules_answer_add(answer, "the rules stay as they were");
        return false;
    }
    rules_answer_add(answer, "rules are read again: %u in all", count);
    return true;
}

void rules_on_hangup(struct run *run, bool is_from_outside)
{
    struct rules_answer *answer = calloc(1, sizeof *answer);

    if (answer == NULL) {
        return;
    }
    if (is_from_outside) {
        (void)rules_reload(run, answer);
    } else {
        rules_answer_add(answer, "SIGHUP came from a process that has ended, which might be one of "
                                 "COMMAND's: the rules are not read again (berth rules reload "
                                 "does it)");
    }
    rules_answer_say(run, answer);
    free(answer);
}
