/* SPDX-License-Identifier: MIT */
/*
 * run/answers.c: see run/answers.h.
 */
#include "run/answers.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

void answers_done(struct answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        free(answers->all[i].name);
    }
    free(answers->all);
    *answers = (struct answers){0};
}

static size_t chain_of(const struct berth_address *address)
{
    uint64_t mixed = (load_u64(address->bytes) ^ load_u64(address->bytes + 8) * 31) *
                     UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(mixed >> 40) % ANSWERS_CHAINS;
}

/* Room for one more; NULL: there is none. */
static struct answer *make_room(struct answers *answers)
{
    if (answers->count == answers->capacity) {
        size_t capacity = answers->capacity == 0 ? 64 : answers->capacity * 2;
        struct answer *all =
            capacity > ANSWERS_MAX ? NULL : realloc(answers->all, capacity * sizeof *all);

        if (all == NULL) {
            return NULL;
        }
        answers->all = all;
        answers->capacity = capacity;
    }
    return &answers->all[answers->count];
}

void answers_add(struct answers *answers, const struct berth_address *address, const char *name,
                 bool is_inward)
{
    uint32_t *head = &answers->chains[chain_of(address)];
    const struct answer *known = NULL;
    struct answer *answer;
    char *copy;

    if (!answers->is_on) {
        return;
    }
    while ((known = answers_next(answers, address, known)) != NULL) {
        if (strcasecmp(known->name, name) == 0) {
            return;
        }
    }
    answer = make_room(answers);
    copy = answer == NULL ? NULL : strdup(name);
    if (copy == NULL) {
        answers->uncounted++;
        return;
    }
    *answer = (struct answer){*address, copy, is_inward, *head};
    *head = (uint32_t)++answers->count;
}

const struct answer *answers_next(const struct answers *answers,
                                  const struct berth_address *address, const struct answer *at)
{
    uint32_t next = at == NULL ? answers->chains[chain_of(address)] : at->next;

    while (next != 0 && !berth_address_is_equal(&answers->all[next - 1].address, address)) {
        next = answers->all[next - 1].next;
    }
    return next == 0 ? NULL : &answers->all[next - 1];
}
