/* SPDX-License-Identifier: MIT */
/*
 * Links: where packets come from and go to. A link is a table of functions and its state; links
 * that wrap a link (capture, impairment) have the same face. Below this line are system calls, but
 * no clock: the time comes in with each call.
 *
 * The owner's loop, for any link:
 *   - readable (link_fd), or link_next_ns reached: link_receive until it returns 0,
 *   - then berth_transmit and link_send until berth_transmit returns 0.
 * A super-segment is one packet here; its offload facts travel with it.
 *
 * 1. A packet that is sent is copied or written before link_send returns: no view outlives it.
 * 2. A link keeps no buffer of the stack's pool between two calls.
 * 3. While the stack has no free buffer, what arrives stays where it is (a device's queue, or the
 *    link's own) and nothing is lost for it; link_is_starved says so. The owner then does not wait
 *    for readability, which would return at once, but lets the stack work (berth_transmit,
 *    berth_advance, reading) and calls link_receive again.
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
     * Reads up to MAX packets, each into a buffer of BERTH's pool, which are the caller's then.
     * Returns how many; 0: none now, or no buffer free (then link->starved is set,
     * else cleared); BERTH_E_CLOSED: the link is gone.
     */
    int (*read)(struct link *link, struct berth *berth, struct berth_buffer **buffers, unsigned max,
                uint64_t now_ns);
    /*
     * Sends COUNT frames. What the far side does not take is lost and counted: a link never keeps
     * the caller waiting. Returns COUNT, or BERTH_E_CLOSED.
     */
    int (*send)(struct link *link, const struct berth_frame *frames, unsigned count,
                uint64_t now_ns);
    /* When the link itself has something to deliver or to send on; 0: now; BERTH_NEVER. */
    uint64_t (*next_ns)(const struct link *link);
    /* A file descriptor to poll for reading, -1: none (memory). */
    int (*fd)(const struct link *link);
    /* enum berth_link_offload that berth may use towards it. */
    uint32_t (*offloads)(const struct link *link);
    void (*free)(struct link *link);
};

struct link_counters {
    uint64_t received; /* packets read for the stack */
    uint64_t sent;
    uint64_t
        lost_unfit;     /* longer than the stack's buffers or the link allow, or of no known kind */
    uint64_t lost_send; /* the far side took no more */
    uint64_t lost_impaired; /* on purpose */
    uint64_t marked;        /* CE, on purpose */
};

struct link {
    const struct link_table *table;
    struct link_counters counters;
    bool starved; /* the last read ended because the stack had no buffer */
};

/*
 * Reads up to MAX packets and hands them over (berth_receive at NOW_NS). Returns how many; 0: none
 * now; BERTH_E_CLOSED: the link is gone.
 */
BERTH_API int link_receive(struct link *link, struct berth *berth, unsigned max, uint64_t now_ns);

/* Reads only: as link_table.read. For an owner who hands packets over himself. */
static inline int link_read(struct link *link, struct berth *berth, struct berth_buffer **buffers,
                            unsigned max, uint64_t now_ns)
{
    return link->table->read(link, berth, buffers, max, now_ns);
}
static inline int link_send(struct link *link, const struct berth_frame *frames, unsigned count,
                            uint64_t now_ns)
{
    return link->table->send(link, frames, count, now_ns);
}
static inline bool link_is_starved(const struct link *link)
{
    return link->starved;
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
/* Frees LINK and, if it wraps one, that too. */
static inline void link_free(struct link *link)
{
    if (link != NULL) {
        link->table->free(link);
    }
}

/* ---- memory.c: two ends in one process ------------------------------------------------------ */

/*
 * A pair; what one end sends the other receives at once, offload facts as they are. QUEUE_PACKETS
 * per direction, then lost. OFFLOADS: what both ends claim. Freed one by one; the end that is left
 * gets BERTH_E_CLOSED. BERTH_E_LIMIT: no memory. BERTH_E_INVALID: a limit of 0.
 */
struct link_memory_config {
    uint32_t queue_packets;
    uint32_t packet_bytes_max; /* 65535 with super-segments */
    uint32_t offloads;
};
BERTH_API BERTH_MUST_CHECK int link_memory_new(const struct link_memory_config *config,
                                               struct link **a, struct link **b);

/* ---- tun.c: a Linux TUN device --------------------------------------------------------------- */

/*
 * FD: an open TUN with IFF_NO_PI and IFF_VNET_HDR (a header of 10 bytes, the kernel's default),
 * non-blocking; closed by link_free. OFFLOADS: what TUNSETOFFLOAD was given, as enum
 * berth_link_offload. With any of them the kernel hands over super-segments of up to 65,535 bytes
 * and the stack's buffers must be that large (buffer_bytes 65,599 with their headroom); without,
 * as large as the device's MTU. An interface that is down loses what is sent; one that is gone is
 * BERTH_E_CLOSED. BERTH_E_LIMIT: no memory (FD stays the caller's).
 */
BERTH_API BERTH_MUST_CHECK int link_tun_new(int fd, uint32_t offloads, struct link **out);
/*
 * Opens /dev/net/tun as NAME (empty: the kernel picks one) with every offload that the kernel has,
 * or with none. The interface is still down and without an address. -errno on failure.
 */
BERTH_API BERTH_MUST_CHECK int link_tun_open(const char *name, int *fd, uint32_t *offloads);
/*
 * The same with COUNT queues (1 and more), a descriptor for each in FDS. The kernel keeps a flow to
 * one queue: that on which its other direction was written last, for some seconds, else the one
 * that a hash of its addresses and ports says.
 */
BERTH_API BERTH_MUST_CHECK int link_tun_open_queues(const char *name, unsigned count, int *fds,
                                                    uint32_t *offloads);
/* A queue of several that is detached gets no packet and takes none; the device goes on with the
 * others, and with one left over as if it had no more. FD: the queue's. -errno. */
BERTH_API BERTH_MUST_CHECK int link_tun_attach(int fd, bool is_attached);
/* Only USER (as the caller's user namespace has it) and who may configure the device can open
 * another queue of FD's. Without it anyone in its network namespace can. -errno. */
BERTH_API BERTH_MUST_CHECK int link_tun_set_owner(int fd, uint32_t user);
/* Sets which offloads (enum berth_link_offload) the kernel may use towards FD. -errno. */
BERTH_API BERTH_MUST_CHECK int link_tun_set_offloads(int fd, uint32_t offloads);

/* ---- capture.c: wraps a link, writes what crosses it ---------------------------------------- */

/*
 * To FILE (pcap, LINKTYPE_RAW, nanoseconds). The packets are written as a wire would carry them:
 * super-segments in their pieces, checksums complete. Takes INNER, but not on failure. A full disk
 * is said once through ON_ERROR (may be NULL; errno has the reason, too) and ends the capture, not
 * the link. What was captured
 * is in the file 100 ms later, if the owner keeps to link_next_ns. -errno when FILE cannot be
 * opened; BERTH_E_LIMIT has no errno of its own and comes as -ENOMEM.
 */
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
/*
 * The same to the file of WITH, which is a capture too; each of them may be another thread's, and
 * the file is closed with the last. What ends the capture ends it for all, and is said once, by the
 * thread that met it. -ENOMEM: no memory.
 */
BERTH_API BERTH_MUST_CHECK int link_capture_join(struct link *inner, const struct link *with,
                                                 struct link **out);

/* ---- impair.c: wraps a link, makes it bad on purpose ----------------------------------------- */

#define LINK_IMPAIR_BYTES_MAX (64U << 20) /* under way in one direction; beyond it: lost */

/*
 * Probabilities in millionths. Each direction has its own streams of SEED. Delay applies each way.
 * A packet meets, in this order: cutting to pieces with complete checksums; the rate and its queue;
 * loss; ECN marking; duplication; corruption; delay, jitter, reordering.
 */
struct link_impairment {
    uint64_t seed;
    uint64_t delay_ns;
    uint64_t jitter_ns; /* uniform 0..jitter added, order kept unless reordered */
    uint32_t loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm; /* such a packet is held back by reorder_delay_ns more */
    uint32_t corrupt_ppm; /* one bit is flipped */
    uint32_t ecn_ppm;     /* of the packets whose transport hears it (ECT): marked CE (RFC 3168) */
    uint64_t reorder_delay_ns; /* 0: a quarter of the delay, at least 1 ms */
    uint64_t rate_bps;         /* 0: no limit */
    uint32_t queue_bytes; /* of the rate limit; what comes while so many wait is lost. 0: 100 ms at
                             the rate, at least 64 KiB */
};
/* "delay 40ms jitter 5ms loss 1% duplicate 0.1% reorder 2% reorder-delay 10ms corrupt 0.01% ecn 1%
   rate 10mbit queue 64kb seed 7", each at most once; on failure BERTH_E_SYNTAX and *ERROR tells:
   the bad word (borrowed from TEXT) and what was expected (static). */
struct link_text_error {
    const char *word;
    size_t word_bytes;
    const char *expected;
};
BERTH_API BERTH_MUST_CHECK int link_impairment_parse(const char *text, struct link_impairment *out,
                                                     struct link_text_error *error);
/*
 * FROM_BERTH is applied to what is sent, TO_BERTH to what is received. Takes INNER, but not on
 * failure. BERTH_E_LIMIT: no memory. It claims every offload, since it cuts in software.
 */
BERTH_API BERTH_MUST_CHECK int link_impair_new(struct link *inner,
                                               const struct link_impairment *from_berth,
                                               const struct link_impairment *to_berth,
                                               struct link **out);

#ifdef __cplusplus
}
#endif
#endif
