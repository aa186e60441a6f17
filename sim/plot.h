/* SPDX-License-Identifier: MIT */
/*
 * The plot of one flow, seen from host A: what it sent, again what was lost, what was acknowledged,
 * how far the peer's window reached; and under it the congestion window. As an SVG of our own.
 *
 * 1. Only segments of the plotted connection are kept, and only the direction from A.
 * 2. Points are kept up to a limit; then every second one goes, and from then on every second one
 *    comes: the picture stays whole however long the run.
 */
#ifndef SIM_PLOT_H
#define SIM_PLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/packet.h"

#include <berth/tcp.h>

#define PLOT_POINTS_MAX 16384

struct plot_point {
    uint64_t now_ns;
    uint64_t low; /* bytes of the stream; windows: bytes */
    uint64_t high;
};

struct plot_series {
    struct plot_point *points;
    uint32_t count;
    uint32_t stride; /* every stride-th point is kept */
    uint32_t skipped;
};

enum plot_kind {
    PLOT_SENT,   /* low..high: a segment */
    PLOT_RESENT, /* again */
    PLOT_ACKED,  /* low */
    PLOT_LIMIT,  /* low: the right edge of the peer's window */
    PLOT_CWND,   /* low */
    PLOT_SSTHRESH,
    PLOT_FLIGHT,
    PLOT_KINDS
};

struct plot {
    struct plot_series series[PLOT_KINDS];
    uint16_t local_port; /* 0: not known yet; then nothing is kept */
    uint16_t remote_port;
    uint32_t isn;
    bool has_isn;
    uint32_t highest_seq; /* sent so far */
    uint64_t highest;     /* the same as a place of the stream */
    uint32_t last_ack;
    uint64_t acked;
    uint8_t peer_wscale;
};

void plot_init(struct plot *plot);
void plot_done(struct plot *plot);
/* A segment at host A, its own (IS_OUT) or the peer's. */
void plot_on_packet(struct plot *plot, const struct wire_packet *packet, bool is_out,
                    uint64_t now_ns);
/* The connection's figures as they are now. */
void plot_on_info(struct plot *plot, const struct berth_tcp_info *info, uint64_t now_ns);
/* Writes the picture to FILE with TITLE (plain text) over it. 0 or -errno. */
int plot_write(const struct plot *plot, const char *file, const char *title);

#endif
