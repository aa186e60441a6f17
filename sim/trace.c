/* SPDX-License-Identifier: MIT */
/*
 * sim/trace.c: the hash, the lines, the tap. The hash is our own, made for speed and for telling
 * runs apart, not against an enemy.
 */
#include "sim/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define LANES 4

struct tap {
    struct link link;
    struct link *inner;
    struct trace *trace;
    char host;
};

/* One crossing: of host HOST, out (its own) or in. */
struct crossing {
    uint64_t now_ns;
    const struct berth_view *views;
    uint32_t view_count;
    struct berth_offload offload;
    char host;
    bool is_out;
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static uint64_t mix_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t lanes[LANES] = {hash, hash + 1, hash + 2, hash + 3};

    /* Side by side, for the processor: one multiplication waits for the one before it. */
    for (; bytes >= LANES * 8; bytes -= LANES * 8, at += LANES * 8) {
        for (size_t i = 0; i < LANES; i++) {
            lanes[i] = mix(lanes[i], load_u64(at + 8 * i));
        }
    }
    for (size_t i = 1; i < LANES; i++) {
        lanes[0] = mix(lanes[0], lanes[i]);
    }
    hash = lanes[0];
    for (; bytes >= 8; bytes -= 8, at += 8) {
        hash = mix(hash, load_u64(at));
    }
    for (; bytes > 0; bytes--, at++) {
        hash = mix(hash, *at);
    }
    return hash;
}

void trace_init(struct trace *trace)
{
    trace->hash = UINT64_C(0x62657274682d7369);
    trace->packets = 0;
    trace->lines = NULL;
    trace->plot = NULL;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void write_flags(const struct wire_tcp *tcp, char out[10])
{
    static const char letters[] = "FSRPAUEC";
    size_t count = 0;

    for (size_t i = 0; i < 8; i++) {
        if ((tcp->flags & 1U << i) != 0) {
            out[count++] = letters[i];
        }
    }
    out[count] = '\0';
}

static void write_tcp(FILE *out, const struct wire_packet *packet)
{
    const struct wire_tcp *tcp = &packet->tcp;
    char flags[10];

    write_flags(tcp, flags);
    (void)fprintf(out, " %s seq %" PRIu32 ":%" PRIu32 " ack %" PRIu32 " win %u", flags, tcp->seq,
                  tcp->seq + packet->payload_bytes, tcp->ack, tcp->window);
    for (uint8_t i = 0; (tcp->options & WIRE_OPTION_SACK) != 0 && i < tcp->sack_count; i++) {
        (void)fprintf(out, " sack %" PRIu32 ":%" PRIu32, tcp->sack[i].left, tcp->sack[i].right);
    }
}

static void write_line(FILE *out, const struct crossing *crossing, const struct wire_packet *packet,
                       enum berth_drop drop)
{
    struct berth_endpoint source = {packet->source, packet->source_port};
    struct berth_endpoint destination = {packet->destination, packet->destination_port};
    char from[BERTH_ENDPOINT_TEXT_BYTES];
    char to[BERTH_ENDPOINT_TEXT_BYTES];

    (void)fprintf(out, "%" PRIu64 ".%09" PRIu64 " %c %s ", crossing->now_ns / NS_PER_S,
                  crossing->now_ns % NS_PER_S, crossing->host, crossing->is_out ? "out" : "in ");
    if (drop != BERTH_DROP_NONE) {
        (void)fprintf(out, "no good: %s\n", berth_drop_name(drop));
        return;
    }
    (void)fprintf(out, "%s > %s", berth_endpoint_format(&source, from),
                  berth_endpoint_format(&destination, to));
    if (packet->is_fragment) {
        (void)fprintf(out, " fragment %u", packet->fragment_offset);
    } else if (packet->protocol == WIRE_TCP) {
        write_tcp(out, packet);
    } else {
        (void)fprintf(out, " protocol %u", packet->protocol);
    }
    (void)fprintf(out, " bytes %" PRIu32 "\n", packet->payload_bytes);
}

static void look_closer(struct trace *trace, const struct crossing *crossing)
{
    struct wire_packet packet = {0};
    enum berth_drop drop;
    size_t bytes = 0;

    for (uint32_t i = 0; i < crossing->view_count; i++) {
        const struct berth_view *view = &crossing->views[i];
        size_t part = min_size(view->bytes, sizeof trace->scratch - bytes);

        memcpy(trace->scratch + bytes, view->data, part);
        bytes += part;
    }
    drop = wire_parse(&packet, trace->scratch, bytes, &crossing->offload);
    if (trace->lines != NULL) {
        write_line(trace->lines, crossing, &packet, drop);
    }
    if (trace->plot != NULL && drop == BERTH_DROP_NONE && crossing->host == 'A' &&
        packet.protocol == WIRE_TCP && !packet.is_fragment) {
        plot_on_packet(trace->plot, &packet, crossing->is_out, crossing->now_ns);
    }
}

/* ---- The tap --------------------------------------------------------------------------------- */

static void on_crossing(struct trace *trace, const struct crossing *crossing)
{
    uint64_t hash = mix(trace->hash, crossing->now_ns);

    hash = mix(hash, (uint64_t)crossing->host << 8 | crossing->is_out);
    for (uint32_t i = 0; i < crossing->view_count; i++) {
        hash = mix_bytes(hash, crossing->views[i].data, crossing->views[i].bytes);
    }
    trace->hash = hash;
    trace->packets++;
    if (trace->lines != NULL || trace->plot != NULL) {
        look_closer(trace, crossing);
    }
}

static int tap_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                    unsigned max, uint64_t now_ns)
{
    struct tap *tap = (struct tap *)link;
    int count = tap->inner->table->read(tap->inner, berth, buffers, max, now_ns);

    link->starved = tap->inner->starved;
    for (int i = 0; i < count; i++) {
        struct berth_view view = {buffers[i]->data + buffers[i]->begin, buffers[i]->bytes};
        struct crossing crossing = {.now_ns = now_ns,
                                    .views = &view,
                                    .view_count = 1,
                                    .offload = buffers[i]->offload,
                                    .host = tap->host};

        on_crossing(tap->trace, &crossing);
    }
    return count;
}

static int tap_send(struct link *link, const struct berth_frame *frames, unsigned count,
                    uint64_t now_ns)
{
    struct tap *tap = (struct tap *)link;

    for (unsigned i = 0; i < count; i++) {
        struct crossing crossing = {.now_ns = now_ns,
                                    .views = frames[i].views,
                                    .view_count = frames[i].view_count,
                                    .offload = frames[i].offload,
                                    .host = tap->host,
                                    .is_out = true};

        on_crossing(tap->trace, &crossing);
    }
    return link_send(tap->inner, frames, count, now_ns);
}

static uint64_t tap_next_ns(const struct link *link)
{
    return link_next_ns(((const struct tap *)link)->inner);
}

static int tap_fd(const struct link *link)
{
    return link_fd(((const struct tap *)link)->inner);
}

static uint32_t tap_offloads(const struct link *link)
{
    return link_offloads(((const struct tap *)link)->inner);
}

static void tap_free(struct link *link)
{
    link_free(((struct tap *)link)->inner);
    free(link);
}

static const struct link_table tap_table = {
    .name = "tap",
    .read = tap_read,
    .send = tap_send,
    .next_ns = tap_next_ns,
    .fd = tap_fd,
    .offloads = tap_offloads,
    .free = tap_free,
};

struct link *tap_new(struct link *inner, struct trace *trace, char host)
{
    struct tap *tap = calloc(1, sizeof *tap);

    if (tap == NULL) {
        return NULL;
    }
    *tap =
        (struct tap){.link = {.table = &tap_table}, .inner = inner, .trace = trace, .host = host};
    return &tap->link;
}
