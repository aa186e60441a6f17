/* SPDX-License-Identifier: MIT */
/*
 * sim/plot.c: the points of a plot, kept while the run goes. The picture is plot_svg.c's.
 */
#include "sim/plot.h"

#include <stdlib.h>
#include <string.h>

void plot_init(struct plot *plot)
{
    *plot = (struct plot){0};
    for (unsigned i = 0; i < PLOT_KINDS; i++) {
        plot->series[i].stride = 1;
    }
}

void plot_done(struct plot *plot)
{
    for (unsigned i = 0; i < PLOT_KINDS; i++) {
        free(plot->series[i].points);
    }
}

static void thin_out(struct plot_series *series)
{
    for (uint32_t i = 0; i < series->count / 2; i++) {
        series->points[i] = series->points[2 * i];
    }
    series->count /= 2;
    series->stride *= 2;
}

static void add(struct plot *plot, enum plot_kind kind, const struct plot_point *point)
{
    struct plot_series *series = &plot->series[kind];

    if (series->points == NULL) {
        series->points = malloc(PLOT_POINTS_MAX * sizeof *series->points);
    }
    if (series->points == NULL || ++series->skipped < series->stride) {
        return;
    }
    series->skipped = 0;
    if (series->count == PLOT_POINTS_MAX) {
        thin_out(series);
    }
    series->points[series->count++] = *point;
}

/* The place of SEQ in A's stream: 0 is the first byte after the SYN. */
static uint64_t place_of(const struct plot *plot, uint32_t seq)
{
    int64_t place = (int64_t)plot->highest + (int32_t)(seq - plot->highest_seq);

    return place < 0 ? 0 : (uint64_t)place;
}

static void on_sent(struct plot *plot, const struct wire_packet *packet, uint64_t now_ns)
{
    uint32_t end = packet->tcp.seq + packet->payload_bytes;
    struct plot_point point = {.now_ns = now_ns};
    bool again;

    if ((packet->tcp.flags & WIRE_SYN) != 0) {
        plot->has_isn = true;
        plot->highest_seq = packet->tcp.seq + 1;
        plot->highest = 0;
        plot->last_ack = plot->highest_seq;
        return;
    }
    if (!plot->has_isn || packet->payload_bytes == 0) {
        return;
    }
    point.low = place_of(plot, packet->tcp.seq);
    point.high = place_of(plot, end);
    again = seq_lt(packet->tcp.seq, plot->highest_seq);
    add(plot, again ? PLOT_RESENT : PLOT_SENT, &point);
    if (seq_gt(end, plot->highest_seq)) {
        plot->highest = point.high;
        plot->highest_seq = end;
    }
}

static void on_received(struct plot *plot, const struct wire_packet *packet, uint64_t now_ns)
{
    const struct wire_tcp *tcp = &packet->tcp;
    bool is_syn = (tcp->flags & WIRE_SYN) != 0;
    struct plot_point point = {.now_ns = now_ns};

    if (is_syn) {
        plot->peer_wscale = (tcp->options & WIRE_OPTION_WSCALE) != 0 ? tcp->wscale : 0;
    }
    if (!plot->has_isn || (tcp->flags & WIRE_ACK) == 0 || seq_lt(tcp->ack, plot->last_ack)) {
        return;
    }
    plot->last_ack = tcp->ack;
    point.low = place_of(plot, tcp->ack);
    add(plot, PLOT_ACKED, &point);
    point.low += (uint64_t)tcp->window << (is_syn ? 0 : plot->peer_wscale);
    add(plot, PLOT_LIMIT, &point);
}

void plot_on_packet(struct plot *plot, const struct wire_packet *packet, bool is_out,
                    uint64_t now_ns)
{
    uint16_t local = is_out ? packet->source_port : packet->destination_port;
    uint16_t remote = is_out ? packet->destination_port : packet->source_port;

    if (local != plot->local_port || remote != plot->remote_port) {
        return;
    }
    if (is_out) {
        on_sent(plot, packet, now_ns);
    } else {
        on_received(plot, packet, now_ns);
    }
}

void plot_on_info(struct plot *plot, const struct berth_tcp_info *info, uint64_t now_ns)
{
    const uint64_t values[PLOT_KINDS] = {[PLOT_CWND] = info->cwnd_bytes,
                                         [PLOT_SSTHRESH] = info->ssthresh_bytes,
                                         [PLOT_FLIGHT] = info->flight_bytes};

    for (unsigned kind = PLOT_CWND; kind < PLOT_KINDS; kind++) {
        const struct plot_series *series = &plot->series[kind];
        struct plot_point point = {.now_ns = now_ns, .low = values[kind]};

        if (series->count == 0 || series->points[series->count - 1].low != point.low) {
            add(plot, (enum plot_kind)kind, &point);
        }
    }
}
