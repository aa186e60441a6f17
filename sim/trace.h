/* SPDX-License-Identifier: MIT */
/*
 * What is written down of a run while it goes: a hash over every packet at every host with its
 * time; on request a line for each; and the points of the plot. A tap is a link that wraps a host's
 * link and tells the trace what crosses it, as the host sees it (super-segments whole).
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdio.h>

#include "link/link.h"
#include "sim/plot.h"

struct trace {
    uint64_t hash;
    uint64_t packets;
    FILE *lines;       /* NULL: none */
    struct plot *plot; /* NULL: none */
    uint8_t scratch[BERTH_PACKET_BYTES_MAX];
};

void trace_init(struct trace *trace);

/* A tap of host HOST ('A' or 'B') around INNER (taken); TRACE outlives it. NULL: no memory. */
struct link *tap_new(struct link *inner, struct trace *trace, char host);

#endif
