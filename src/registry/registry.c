/* SPDX-License-Identifier: MIT */
/*
 * registry/registry.c: lookups in the table of table.h. Anyone may call it.
 *
 * A row answers a question about ports if it begins among them, or is a range that begins before
 * and reaches in. The former lie together in the rows; the latter together in the index of ranges,
 * since there both ends ascend (table.h, invariant 2). So every question about ports is two slices.
 *
 * Invariants:
 * 1. A cursor's slices hold every row that answers its query's name and ports, in the order of the
 *    rows; what else the query asks is looked at row by row.
 * 2. range_at <= range_end and at <= end.
 */
#include <berth/registry.h>

#include <stddef.h>

#include "registry/fold.h"
#include "registry/table.h"

static const char *text_at(uint32_t place)
{
    return registry_text + place;
}

/* The first row, of those with a port, that begins at PORT or later. */
static uint32_t find_port(uint32_t port)
{
    uint32_t low = 0;
    uint32_t high = registry_port_row_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (registry_rows[middle].port_first < port) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first range that ends at PORT or later. */
static uint32_t find_range(uint16_t port)
{
    uint32_t low = 0;
    uint32_t high = registry_range_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (registry_rows[registry_range_rows[middle]].port_last < port) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first of the named rows whose name is NAME or later; with IS_PAST, later than NAME. */
static uint32_t find_name(const char *name, bool is_past)
{
    uint32_t low = 0;
    uint32_t high = registry_named_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct registry_row *row = &registry_rows[registry_named_rows[middle]];
        int order = registry_compare(text_at(row->name), name);

        if (order < 0 || (is_past && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool has_piece(const char *text, const char *piece)
{
    for (; *text != '\0'; text++) {
        if (registry_begins(text, piece)) {
            return true;
        }
    }
    return *piece == '\0';
}

static bool is_answer(const struct registry_row *row, const struct berth_registry_query *query)
{
    if (query->has_transports &&
        (query->transports == 0 ? row->transport != 0
                                : (row->transport & query->transports) == 0)) {
        return false;
    }
    if (query->has_ports && (row->has_port == 0 || row->port_first > query->port_last ||
                             row->port_last < query->port_first)) {
        return false;
    }
    return query->word == NULL || has_piece(text_at(row->name), query->word) ||
           has_piece(text_at(row->description), query->word);
}

void berth_registry_start(struct berth_registry_cursor *cursor,
                          const struct berth_registry_query *query)
{
    *cursor = (struct berth_registry_cursor){.query = *query};
    if (query->name != NULL) {
        cursor->at = find_name(query->name, false);
        cursor->end = find_name(query->name, true);
        return;
    }
    if (!query->has_ports) {
        cursor->end = registry_row_count;
        return;
    }
    if (query->port_first > query->port_last) {
        return;
    }
    cursor->at = find_port(query->port_first);
    cursor->end = find_port((uint32_t)query->port_last + 1);
    cursor->range_at = find_range(query->port_first);
    cursor->range_end = cursor->range_at;
    while (cursor->range_end < registry_range_count &&
           registry_range_rows[cursor->range_end] < cursor->at) {
        cursor->range_end++;
    }
}

static const struct registry_row *next_row(struct berth_registry_cursor *cursor)
{
    if (cursor->range_at < cursor->range_end) {
        return &registry_rows[registry_range_rows[cursor->range_at++]];
    }
    if (cursor->at == cursor->end) {
        return NULL;
    }
    cursor->at++;
    return cursor->query.name != NULL ? &registry_rows[registry_named_rows[cursor->at - 1]]
                                      : &registry_rows[cursor->at - 1];
}

bool berth_registry_next(struct berth_registry_cursor *cursor, struct berth_service *out)
{
    const struct registry_row *row = next_row(cursor);

    while (row != NULL && !is_answer(row, &cursor->query)) {
        row = next_row(cursor);
    }
    if (row == NULL) {
        return false;
    }
    *out = (struct berth_service){
        .name = text_at(row->name),
        .description = text_at(row->description),
        .reference = text_at(row->reference),
        .port_first = row->port_first,
        .port_last = row->port_last,
        .has_port = row->has_port != 0,
        .transport = (enum berth_transport)row->transport,
    };
    return true;
}

const char *berth_service_name(uint16_t port, enum berth_transport transport)
{
    const struct berth_registry_query query = {
        .has_ports = true, .port_first = port, .port_last = port};
    const struct registry_row *row;
    const char *without_transport = NULL;
    struct berth_registry_cursor cursor;

    berth_registry_start(&cursor, &query);
    while ((row = next_row(&cursor)) != NULL) {
        const char *name = text_at(row->name);

        if (*name == '\0') {
            continue;
        }
        if (row->transport == (unsigned)transport) {
            return name;
        }
        if (row->transport == BERTH_TRANSPORT_NONE && without_transport == NULL) {
            without_transport = name;
        }
    }
    return without_transport;
}
