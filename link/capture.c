/* SPDX-License-Identifier: MIT */
/*
 * link/capture.c: a link that wraps a link and writes what crosses it to a pcap file, which several
 * links may share, each of a thread of its own.
 *
 * Invariants:
 * 1. The packets reach the stack and the inner link unchanged, whatever becomes of the file.
 * 2. `dumper` is NULL once the file could not be written; that has then been said, once.
 * 3. A link that has written and not yet flushed has a flush_ns.
 * 4. The file is used with its mutex; nothing is said while it is held.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "link/pieces.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_NS        (100 * NS_PER_MS)
#define FILE_BYTES      (256U << 10) /* of buffer */
#define ERROR_BYTES_MAX 512

struct capture_file {
    pthread_mutex_t mutex;
    uint32_t users; /* links */
    struct link_capture_config config;
    char *name;
    pcap_t *pcap;
    pcap_dumper_t *dumper; /* NULL: ended */
};

struct capture_link {
    struct link link;
    struct link *inner;
    struct capture_file *file;
    bool has_ended;    /* the file is known to have */
    uint64_t flush_ns; /* BERTH_NEVER: nothing waits */
};

static struct capture_link *capture_of(struct link *link)
{
    return (struct capture_link *)link;
}

static void lock(struct capture_file *file)
{
    BERTH_CHECK(pthread_mutex_lock(&file->mutex) == 0);
}

static void unlock(struct capture_file *file)
{
    BERTH_CHECK(pthread_mutex_unlock(&file->mutex) == 0);
}

/* Ends the file because of ERROR (errno). */
static int give_up(struct capture_file *file, int error)
{
    pcap_dump_close(file->dumper);
    file->dumper = NULL;
    return error;
}

/* What came of it for CAPTURE's file: nothing (0), or it has ended because of ERROR. */
static void note(struct capture_link *capture, int error)
{
    const struct link_capture_config *config = &capture->file->config;
    char text[ERROR_BYTES_MAX];

    if (error == 0) {
        return;
    }
    (void)snprintf(text, sizeof text, "capture ended: cannot write %s: %s", capture->file->name,
                   strerror(error));
    if (config->on_error != NULL) {
        errno = error;
        config->on_error(config->user, text);
    }
}

static void flush(struct capture_link *capture)
{
    struct capture_file *file = capture->file;
    int error = 0;

    lock(file);
    if (file->dumper != NULL && pcap_dump_flush(file->dumper) != 0) {
        error = give_up(file, errno);
    }
    unlock(file);
    capture->flush_ns = BERTH_NEVER;
    note(capture, error);
}

static void flush_if_due(struct capture_link *capture, uint64_t now_ns)
{
    if (capture->flush_ns <= now_ns) {
        flush(capture);
    }
}

/* 0, or errno: the file has ended. */
static int write_piece(struct capture_file *file, const struct link_packet *piece, uint64_t now_ns)
{
    uint64_t wall_ns = now_ns + file->config.wall_offset_ns;
    struct pcap_pkthdr header = {.len = piece->bytes, .caplen = piece->bytes};

    if (file->config.packet_bytes_max > 0) {
        header.caplen = min_u32(piece->bytes, file->config.packet_bytes_max);
    }
    header.ts.tv_sec = (time_t)(wall_ns / NS_PER_S);
    header.ts.tv_usec = (suseconds_t)(wall_ns % NS_PER_S); /* nanoseconds, as opened */
    pcap_dump((u_char *)file->dumper, &header, piece->data);
    return ferror(pcap_dump_file(file->dumper)) != 0 ? give_up(file, errno) : 0;
}

/* As write_piece; PIECES are emptied. */
static int write_pieces(struct capture_file *file, struct link_packets *pieces, uint64_t now_ns)
{
    struct link_packet *piece;
    int error = 0;

    while ((piece = link_packets_take(pieces)) != NULL) {
        if (file->dumper != NULL) {
            error = write_piece(file, piece, now_ns);
        }
        link_packet_free(piece);
    }
    return error;
}

/* Takes PACKET, NULL where there was no memory for it: the file would no longer tell the truth. */
static void write_packet(struct capture_link *capture, struct link_packet *packet, uint64_t now_ns)
{
    struct link_packets pieces = {0};
    bool is_whole = packet != NULL && link_pieces(packet, &pieces);
    struct capture_file *file = capture->file;
    int error = 0;
    int written;

    lock(file);
    if (!is_whole && file->dumper != NULL) {
        error = give_up(file, ENOMEM);
    }
    written = write_pieces(file, &pieces, now_ns);
    capture->has_ended = file->dumper == NULL;
    unlock(file);
    if (capture->has_ended) {
        capture->flush_ns = BERTH_NEVER;
    } else if (capture->flush_ns == BERTH_NEVER) {
        capture->flush_ns = add_sat_u64(now_ns, FLUSH_NS);
    }
    note(capture, error != 0 ? error : written);
}

static int capture_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                        unsigned max, uint64_t now_ns)
{
    struct capture_link *capture = capture_of(link);
    int count = capture->inner->table->read(capture->inner, berth, buffers, max, now_ns);

    link->starved = capture->inner->starved;
    for (int i = 0; i < count; i++) {
        link->counters.received++;
        if (!capture->has_ended) {
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
        if (!capture->has_ended) {
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

/* Of the last link that used it. */
static void free_file(struct capture_file *file)
{
    if (file->dumper != NULL) {
        pcap_dump_close(file->dumper);
    }
    if (file->pcap != NULL) {
        pcap_close(file->pcap);
    }
    (void)pthread_mutex_destroy(&file->mutex);
    free(file->name);
    free(file);
}

static void capture_free(struct link *link)
{
    struct capture_link *capture = capture_of(link);
    struct capture_file *file = capture->file;
    bool is_last;

    flush(capture);
    lock(file);
    is_last = --file->users == 0;
    unlock(file);
    if (is_last) {
        free_file(file);
    }
    link_free(capture->inner);
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

/* 0 or -errno. */
static int open_file(struct capture_file *file)
{
    uint32_t snap = file->config.packet_bytes_max;
    FILE *stream = fopen(file->name, "wbe");

    if (stream == NULL) {
        return -errno;
    }
    (void)setvbuf(stream, NULL, _IOFBF, FILE_BYTES);
    file->pcap = pcap_open_dead_with_tstamp_precision(
        DLT_RAW, snap > 0 && snap < BERTH_PACKET_BYTES_MAX ? (int)snap : BERTH_PACKET_BYTES_MAX,
        PCAP_TSTAMP_PRECISION_NANO);
    if (file->pcap != NULL) {
        file->dumper = pcap_dump_fopen(file->pcap, stream);
    }
    if (file->dumper == NULL) {
        (void)fclose(stream);
        return -ENOMEM;
    }
    return 0;
}

/* 0 or -errno. */
static int new_file(const struct link_capture_config *config, struct capture_file **out)
{
    struct capture_file *file = calloc(1, sizeof *file);
    int result = -ENOMEM;

    if (file == NULL) {
        return result;
    }
    if (pthread_mutex_init(&file->mutex, NULL) != 0) {
        free(file);
        return result;
    }
    file->config = *config;
    file->name = strdup(config->file);
    if (file->name != NULL) {
        result = open_file(file);
    }
    if (result < 0) {
        free_file(file);
        return result;
    }
    *out = file;
    return 0;
}

/* NULL: no memory. */
static struct link *wrap(struct link *inner, struct capture_file *file)
{
    struct capture_link *capture = calloc(1, sizeof *capture);

    if (capture == NULL) {
        return NULL;
    }
    capture->link.table = &capture_table;
    capture->inner = inner;
    capture->file = file;
    capture->flush_ns = BERTH_NEVER;
    lock(file);
    file->users++;
    unlock(file);
    return &capture->link;
}

int link_capture_new(struct link *inner, const struct link_capture_config *config,
                     struct link **out)
{
    struct capture_file *file;
    struct link *link;
    int result = new_file(config, &file);

    if (result < 0) {
        return result;
    }
    link = wrap(inner, file);
    if (link == NULL) {
        free_file(file);
        return -ENOMEM;
    }
    *out = link;
    return 0;
}

int link_capture_join(struct link *inner, const struct link *with, struct link **out)
{
    struct link *link;

    BERTH_CHECK(with->table == &capture_table);
    link = wrap(inner, ((const struct capture_link *)with)->file);
    if (link == NULL) {
        return -ENOMEM;
    }
    *out = link;
    return 0;
}
