/* SPDX-License-Identifier: MIT */
/*
 * Links: where packets come from and go to. A link is a table of functions and its state; links
 * that wrap a link (capture, impairment) have the same face. Below this line are system calls.
 *
 * The owner's loop, for any link:
 *   - readable (or link_next_ns reached): link_receive until it returns 0,
 *   - then berth_transmit and link_send until berth_transmit returns 0.
 * A super-segment is one packet here; its offload facts travel with it.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <berth/berth.h>

#ifdef __cplusplus
extern "C" {
#endif

struct link;

struct link_table {
    const char *name;
    /*
     * Reads up to MAX packets, each into a buffer of BERTH's pool, and hands them over
     * (berth_receive at NOW_NS). Returns how many; 0: none now; BERTH_E_CLOSED: the link is gone.
     */
    int (*receive)(struct link *link, struct berth *berth, unsigned max, uint64_t now_ns);
    /*
     * Sends COUNT frames, all or the first few. Returns how many were taken (the rest were lost and
     * counted: a link never keeps the caller waiting); BERTH_E_CLOSED.
     */
    int (*send)(struct link *link, const struct berth_frame *frames, unsigned count,
                uint64_t now_ns);
    /* When the link itself has something to deliver or to send later; BERTH_NEVER. */
    uint64_t (*next_ns)(const struct link *link);
    /* A file descriptor to poll for reading, -1: none (memory). */
    int (*fd)(const struct link *link);
    /* enum berth_link_offload that berth may use towards it. */
    uint32_t (*offloads)(const struct link *link);
    void (*free)(struct link *link);
};

struct link_counters {
    uint64_t received; /* packets handed to the stack */
    uint64_t sent;
    uint64_t lost_no_buffer; /* the stack had no buffer */
    uint64_t lost_send;      /* the far side took no more */
    uint64_t lost_impaired;  /* on purpose */
};

struct link {
    const struct link_table *table;
    struct link_counters counters;
};

static inline int link_receive(struct link *link, struct berth *berth, unsigned max,
                               uint64_t now_ns)
{
    return link->table->receive(link, berth, max, now_ns);
}
static inline int link_send(struct link *link, const struct berth_frame *frames, unsigned count,
                            uint64_t now_ns)
{
    return link->table->send(link, frames, count, now_ns);
}
static inline uint64_t link_next_ns(const struct link *link)
{
    return link->table->next_ns(link);
}
static inline int link_fd(const struct link *link)
{
    return link->table->fd(link);
}
static inline uint32_t link_offloads(const struct link *link)
{
    return link->table->offloads(link);
}
static inline void link_free(struct link *link)
{
    if (link != NULL) {
        link->table->free(link);
    }
}

/* ---- memory.c: two ends in one process ------------------------------------------------------ */

/* A pair; what one end sends the other receives at once. QUEUE_PACKETS per direction, then lost.
   OFFLOADS: what both ends claim. BERTH_E_LIMIT: no memory. */
struct link_memory_config {
    uint32_t queue_packets;
    uint32_t packet_bytes_max; /* 65535 with super-segments */
    uint32_t offloads;
};
BERTH_API BERTH_MUST_CHECK int link_memory_new(const struct link_memory_config *config,
                                               struct link **a, struct link **b);

/* ---- tun.c: a Linux TUN device --------------------------------------------------------------- */

/* FD: an open TUN with IFF_NO_PI and IFF_VNET_HDR, non-blocking; closed by link_free. OFFLOADS:
   what TUNSETOFFLOAD was given, as enum berth_link_offload. */
BERTH_API BERTH_MUST_CHECK int link_tun_new(int fd, uint32_t offloads, struct link **out);
/* Opens /dev/net/tun as NAME (empty: the kernel picks) with every offload that the kernel has.
 * -errno on failure. */
BERTH_API BERTH_MUST_CHECK int link_tun_open(const char *name, int *fd, uint32_t *offloads);

/* ---- capture.c: wraps a link, writes what crosses it ------------------------------------------
 */

/* To FILE (pcap, LINKTYPE_RAW, nanoseconds). Takes INNER. A full disk is said once through ON_ERROR
   and ends the capture, not the link. -errno when FILE cannot be opened. */
struct link_capture_config {
    const char *file;
    uint32_t packet_bytes_max; /* snap length; 0: whole */
    uint64_t wall_offset_ns;   /* added to now_ns to give wall-clock time */
    void (*on_error)(void *user, const char *text);
    void *user;
};
BERTH_API BERTH_MUST_CHECK int link_capture_new(struct link *inner,
                                                const struct link_capture_config *config,
                                                struct link **out);

/* ---- impair.c: wraps a link, makes it bad on purpose -------------------------------------------
 */

/* Probabilities in millionths. Each direction has its own streams of SEED. Delay applies each way.
 */
struct link_impairment {
    uint64_t seed;
    uint64_t delay_ns;
    uint64_t jitter_ns; /* uniform 0..jitter added, order kept unless reordered */
    uint32_t loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm; /* such a packet is held back by reorder_delay_ns more */
    uint32_t corrupt_ppm; /* one bit is flipped; its checksum facts are made complete first */
    uint64_t reorder_delay_ns;
    uint64_t rate_bps;    /* 0: no limit */
    uint32_t queue_bytes; /* of the rate limit; beyond it: lost. 0: 100 ms at the rate, at least 64
                             KiB */
    uint32_t packet_bytes_max; /* super-segments are cut to this (the MTU) before any of it */
};
/* "delay 40ms jitter 5ms loss 1% duplicate 0.1% reorder 2% corrupt 0.01% rate 10mbit queue 64kb
   seed 7"; on failure BERTH_E_SYNTAX and *WORD (borrowed from TEXT) and *EXPECTED (static) tell. */
struct link_text_error {
    const char *word;
    size_t word_bytes;
    const char *expected;
};
BERTH_API BERTH_MUST_CHECK int link_impairment_parse(const char *text, struct link_impairment *out,
                                                     struct link_text_error *error);
/* Takes INNER. FROM_BERTH is applied to what is sent, TO_BERTH to what is received. */
BERTH_API BERTH_MUST_CHECK int link_impair_new(struct link *inner,
                                               const struct link_impairment *from_berth,
                                               const struct link_impairment *to_berth,
                                               struct link **out);

#ifdef __cplusplus
}
#endif
#endif
