/* SPDX-License-Identifier: MIT */
/*
 * run/tally.c: see run/tally.h.
 */
#include "run/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "firewall/name.h"

void tally_done(struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++) {
        free(tally->rows[i].name);
    }
    for (size_t i = 0; i < tally->name_count; i++) {
        free(tally->names[i].detail);
        free(tally->names[i].hint);
    }
    free(tally->rows);
    *tally = (struct tally){0};
}

static size_t chain_of(const struct tally_key *key)
{
    uint64_t mixed = load_u64(key->peer.bytes) ^ load_u64(key->peer.bytes + 8) * 31;

    mixed = (mixed ^ key->port ^ (uint64_t)key->direction << 16 ^ (uint64_t)key->protocol << 20 ^
             (uint64_t)key->action << 28) *
            UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 40) % TALLY_CHAINS;
}

static bool is_same(const struct tally_key *a, const struct tally_key *b)
{
    return berth_address_is_equal(&a->peer, &b->peer) && a->port == b->port &&
           a->direction == b->direction && a->protocol == b->protocol && a->action == b->action;
}

/* A new row, zeroed but for its key; NULL: no room. */
static struct tally_row *row_new(struct tally *tally, const struct tally_key *key)
{
    uint32_t *head = &tally->chains[chain_of(key)];
    struct tally_row *row;

    if (tally->count == tally->capacity) {
        size_t capacity = tally->capacity == 0 ? 64 : tally->capacity * 2;
        struct tally_row *rows;

        if (capacity > TALLY_ROWS_MAX) {
            return NULL;
        }
        rows = realloc(tally->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return NULL;
        }
        tally->rows = rows;
        tally->capacity = capacity;
    }
    row = &tally->rows[tally->count++];
    *row = (struct tally_row){.key = *key, .next = *head};
    *head = (uint32_t)tally->count;
    return row;
}

/* Its index + 1; 0: there is none. */
static uint32_t find(const struct tally *tally, const struct tally_key *key)
{
    uint32_t at = tally->chains[chain_of(key)];

    while (at != 0 && !is_same(&tally->rows[at - 1].key, key)) {
        at = tally->rows[at - 1].next;
    }
    return at;
}

const struct tally_row *tally_find(const struct tally *tally, const struct tally_key *key)
{
    uint32_t at = find(tally, key);

    return at == 0 ? NULL : &tally->rows[at - 1];
}

static struct tally_row *row_of(struct tally *tally, const struct tally_key *key)
{
    uint32_t at = find(tally, key);

    return at == 0 ? row_new(tally, key) : &tally->rows[at - 1];
}

static void note_process(struct tally_row *row, const struct attribute_process *process)
{
    if (process == NULL) {
        return;
    }
    if (row->pid == 0) {
        row->pid = process->pid;
        memcpy(row->process, process->name, sizeof row->process);
    } else if (strncmp(row->process, process->name, sizeof row->process) != 0) {
        row->has_more_processes = true;
    }
}

void tally_add(struct tally *tally, const struct tally_entry *entry)
{
    struct tally_row *row = row_of(tally, &entry->key);

    tally->refused += entry->key.action != BERTH_ALLOW;
    if (row == NULL) {
        tally->uncounted++;
        return;
    }
    row->is_told = entry->is_told && (row->is_told || row->connections == 0);
    row->rule = entry->rule;
    row->by_scan = entry->by_scan;
    row->connections++;
    row->bytes_out += entry->bytes_out;
    row->bytes_in += entry->bytes_in;
    note_process(row, entry->process);
    if (row->name == NULL && entry->name != NULL) {
        row->name = strdup(entry->name);
        row->name_is_stale = entry->name_is_stale;
    }
}

void tally_add_name(struct tally *tally, const struct name_refused *refused)
{
    struct tally_name *name = &tally->names[tally->name_count];
    char detail[NAME_DETAIL_BYTES];
    char hint[NAME_HINT_BYTES];

    (void)name_refusal_detail(refused, detail);
    tally->names_refused[refused->why]++;
    for (size_t i = 0; i < tally->name_count; i++) {
        if (tally->names[i].why == refused->why && strcmp(tally->names[i].detail, detail) == 0) {
            return;
        }
    }
    if (tally->name_count == TALLY_NAMES_MAX) {
        return;
    }
    *name = (struct tally_name){.why = refused->why,
                                .detail = strdup(detail),
                                .hint = strdup(name_refusal_hint(refused, hint))};
    if (name->detail == NULL || name->hint == NULL) {
        free(name->detail);
        free(name->hint);
        return;
    }
    tally->name_count++;
}

uint64_t tally_names_refused(const struct tally *tally)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < NAME_REFUSALS; i++) {
        sum += tally->names_refused[i];
    }
    return sum;
}

/* Whom the words name. OUT has room for an address. */
static const char *hint_peer(const struct tally_row *row, const struct berth_address *gateways,
                             size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        if (berth_address_is_equal(&row->key.peer, &gateways[i])) {
            return "host";
        }
    }
    return berth_address_format(&row->key.peer, out);
}

char *tally_hint(const struct tally_row *row, const struct berth_address *gateways, size_t count,
                 char out[TALLY_HINT_BYTES])
{
    const struct tally_key *key = &row->key;
    bool is_out = key->direction == BERTH_OUT;
    char address[BERTH_ADDRESS_TEXT_BYTES];
    char name[BERTH_NAME_BYTES];
    char what[NAME_SERVICE_BYTES] = "icmp";
    const char *peer = hint_peer(row, gateways, count, address);
    bool is_name = is_out && peer == address && row->name != NULL && !row->name_is_stale &&
                   firewall_name_write(row->name, name) > 0;

    if (key->protocol != BERTH_ICMP && is_name) {
        (void)name_refusal_service(key->port, (enum berth_protocol)key->protocol, what);
    } else if (key->protocol != BERTH_ICMP) {
        snprintf(what, sizeof what, "%u/%s", (unsigned)key->port,
                 berth_protocol_name((enum berth_protocol)key->protocol));
    }
    snprintf(out, TALLY_HINT_BYTES, "%s %s %s %s", is_out ? "out" : "in", what,
             is_out ? "to" : "from", is_name ? name : peer);
    return out;
}
