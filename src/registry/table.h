/* SPDX-License-Identifier: MIT */
/*
 * registry/table.h: the registry as it lies in the library: constants that tools/gen_registry.py
 * makes from data/iana/services.tsv at build time. For src/registry/ alone.
 *
 * Invariants, which the generator checks:
 * 1. Rows with a port come first, sorted by first port, last port, transport (tcp, udp, sctp,
 *    dccp, none), familiar name first; then the rows without a port, by name.
 * 2. Among the rows that are ranges, last ports never decrease.
 * 3. registry_named_rows has every row with a name once, sorted by the name in small letters,
 *    then by row.
 *
 * There are no pointers in it, so that nothing is relocated when a program starts and all
 * processes share its pages.
 */
#ifndef BERTH_REGISTRY_TABLE_H
#define BERTH_REGISTRY_TABLE_H

#include <stdint.h>

struct registry_row {
    uint32_t name; /* places in registry_text */
    uint32_t description;
    uint16_t reference;
    uint16_t port_first;
    uint16_t port_last;
    uint8_t transport; /* enum berth_transport */
    uint8_t has_port;
};

_Static_assert(sizeof(struct registry_row) == 16, "14,500 rows: each byte counts");

extern const uint32_t registry_row_count;
extern const uint32_t registry_port_row_count; /* rows with a port */
extern const struct registry_row registry_rows[];

extern const uint32_t registry_named_count;
extern const uint16_t registry_named_rows[];

extern const uint32_t registry_range_count;
extern const uint16_t registry_range_rows[]; /* rows of more than one port, ascending */

extern const char registry_text[]; /* strings, each with its NUL */

#endif
