/* SPDX-License-Identifier: MIT */
/*
 * link/capture.c: a link that wraps a link and writes what crosses it to a pcap file.
 *
 * Invariants:
 * 1. The packets reach the stack and the inner link unchanged, whatever becomes of the file.
 * 2. `dumper` is NULL once the file could not be written; that has then been said, once.
 * 3. Something written and not yet flushed has a flush_ns.
 */
#include "base/bytes.h"
#include "link/pieces.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_NS        (100 * NS_PER_MS)
#define FILE_BYTES      (256U << 10) /* of buffer */
#define ERROR_BYTES_MAX 512

struct capture_link {
    struct link link;
    struct link *inner;
    struct link_capture_config config;
    char *file_name;
    pcap_t *pcap;
    pcap_dumper_t *dumper; /* NULL: ended */
    uint64_t flush_ns;     /* BERTH_NEVER: nothing waits */
};

static struct capture_link *capture_of(struct link *link)
{
    return (struct capture_link *)link;
}

/* Ends the capture because of ERROR (errno) and says so. */
static void give_up(struct capture_link *capture, int error)
{
    char text[ERROR_BYTES_MAX];

    pcap_dump_close(capture->dumper);
    capture->dumper = NULL;
    capture->flush_ns = BERTH_NEVER;
    (void)snprintf(text, sizeof text, "capture ended: cannot write %s: %s", capture->file_name,
                   strerror(error));
    if (capture->config.on_error != NULL) {
        capture->config.on_error(capture->config.user, text);
    }
}

static void flush(struct capture_link *capture)
{
    capture->flush_ns = BERTH_NEVER;
    if (capture->dumper != NULL && pcap_dump_flush(capture->dumper) != 0) {
        give_up(capture, errno);
    }
}

static void flush_if_due(struct capture_link *capture, uint64_t now_ns)
{
    if (capture->flush_ns <= now_ns) {
        flush(capture);
    }
}

static void write_piece(struct capture_link *capture, const struct link_packet *piece,
                        uint64_t now_ns)
{
    uint64_t wall_ns = now_ns + capture->config.wall_offset_ns;
    struct pcap_pkthdr header = {.len = piece->bytes, .caplen = piece->bytes};

    if (capture->config.packet_bytes_max > 0) {
        header.caplen = min_u32(piece->bytes, capture->config.packet_bytes_max);
    }
    header.ts.tv_sec = (time_t)(wall_ns / NS_PER_S);
    header.ts.tv_usec = (suseconds_t)(wall_ns % NS_PER_S); /* nanoseconds, as opened */
    pcap_dump((u_char *)capture->dumper, &header, piece->data);
    if (ferror(pcap_dump_file(capture->dumper)) != 0) {
        give_up(capture, errno);
    } else if (capture->flush_ns == BERTH_NEVER) {
        capture->flush_ns = add_sat_u64(now_ns, FLUSH_NS);
    }
}

/* Takes PACKET, NULL where there was no memory for it. */
static void write_packet(struct capture_link *capture, struct link_packet *packet, uint64_t now_ns)
{
    struct link_packets pieces = {0};

    if (packet == NULL || !link_pieces(packet, &pieces)) {
        give_up(capture, ENOMEM); /* the file would no longer tell the truth */
    }
    for (packet = link_packets_take(&pieces); packet != NULL; packet = link_packets_take(&pieces)) {
        if (capture->dumper != NULL) {
            write_piece(capture, packet, now_ns);
        }
        link_packet_free(packet);
    }
}

static int capture_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                        unsigned max, uint64_t now_ns)
{
    struct capture_link *capture = capture_of(link);
    int count = capture->inner->table->read(capture->inner, berth, buffers, max, now_ns);

    link->starved = capture->inner->starved;
    for (int i = 0; i < count; i++) {
        link->counters.received++;
        if (capture->dumper != NULL) {
            write_packet(capture, link_packet_from_buffer(buffers[i]), now_ns);
        }
    }
    flush_if_due(capture, now_ns);
    return count;
}

static int capture_send(struct link *link, const struct berth_frame *frames, unsigned count,
                        uint64_t now_ns)
{
    struct capture_link *capture = capture_of(link);

    for (unsigned i = 0; i < count; i++) {
        link->counters.sent++;
        if (capture->dumper != NULL) {
            write_packet(capture, link_packet_from_frame(&frames[i]), now_ns);
        }
    }
    flush_if_due(capture, now_ns);
    return link_send(capture->inner, frames, count, now_ns);
}

static uint64_t capture_next_ns(const struct link *link)
{
    const struct capture_link *capture = (const struct capture_link *)link;

    return min_u64(capture->flush_ns, link_next_ns(capture->inner));
}

static int capture_fd(const struct link *link)
{
    return link_fd(((const struct capture_link *)link)->inner);
}

static uint32_t capture_offloads(const struct link *link)
{
    return link_offloads(((const struct capture_link *)link)->inner);
}

static void close_file(struct capture_link *capture)
{
    flush(capture);
    if (capture->dumper != NULL) {
        pcap_dump_close(capture->dumper);
        capture->dumper = NULL;
    }
}

static void capture_free(struct link *link)
{
    struct capture_link *capture = capture_of(link);

    close_file(capture);
    pcap_close(capture->pcap);
    link_free(capture->inner);
    free(capture->file_name);
    free(capture);
}

static const struct link_table capture_table = {
    .name = "capture",
    .read = capture_read,
    .send = capture_send,
    .next_ns = capture_next_ns,
    .fd = capture_fd,
    .offloads = capture_offloads,
    .free = capture_free,
};

/* Opens the file of CAPTURE: 0 or -errno. */
static int open_file(struct capture_link *capture)
{
    uint32_t snap = capture->config.packet_bytes_max;
    FILE *file = fopen(capture->file_name, "wbe");

    if (file == NULL) {
        return -errno;
    }
    (void)setvbuf(file, NULL, _IOFBF, FILE_BYTES);
    capture->pcap = pcap_open_dead_with_tstamp_precision(
        DLT_RAW, snap > 0 && snap < BERTH_PACKET_BYTES_MAX ? (int)snap : BERTH_PACKET_BYTES_MAX,
        PCAP_TSTAMP_PRECISION_NANO);
    if (capture->pcap != NULL) {
        capture->dumper = pcap_dump_fopen(capture->pcap, file);
    }
    if (capture->dumper == NULL) {
        (void)fclose(file);
        if (capture->pcap != NULL) {
            pcap_close(capture->pcap);
        }
        return -ENOMEM;
    }
    return 0;
}

int link_capture_new(struct link *inner, const struct link_capture_config *config,
                     struct link **out)
{
    struct capture_link *capture = calloc(1, sizeof *capture);
    int result = -ENOMEM;

    if (capture == NULL) {
        return result;
    }
    capture->link.table = &capture_table;
    capture->inner = inner;
    capture->config = *config;
    capture->flush_ns = BERTH_NEVER;
    capture->file_name = strdup(config->file);
    if (capture->file_name != NULL) {
        result = open_file(capture);
    }
    if (result < 0) {
        free(capture->file_name);
        free(capture);
        return result;
    }
    *out = &capture->link;
    return 0;
}
