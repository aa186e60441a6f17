/* SPDX-License-Identifier: MIT */
/*
 * libberth: one TCP/IP stack behind one firewall.
 *
 * A stack does no input or output itself and never looks at a clock. Its owner
 *   - hands packets in            (berth_buffer_get, berth_receive),
 *   - pulls packets out           (berth_transmit, while it returns any),
 *   - tells it the time           (berth_deadline, berth_advance),
 *   - asks what has happened      (berth_next_event), and reads and writes (tcp.h, udp.h).
 * Nothing calls back. Stacks share nothing; one stack is used by one thread at a time.
 *
 * Times are nanoseconds of any clock that does not go back. A call without a time works at the time
 * of the last call that had one.
 */
#ifndef BERTH_BERTH_H
#define BERTH_BERTH_H

#include <berth/address.h>
#include <berth/buffer.h>
#include <berth/config.h>
#include <berth/error.h>
#include <berth/firewall.h>
#include <berth/scan.h>
#include <berth/stats.h>
#include <berth/tcp.h>
#include <berth/udp.h>
#include <berth/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_NEVER            UINT64_MAX
#define BERTH_MEMORY_ALIGNMENT 4096

struct berth;

/* ---- Making and ending ---------------------------------------------------------------------- */

/* Bytes that a stack of this configuration needs; 0 when the configuration is not valid. */
BERTH_API size_t berth_memory_bytes(const struct berth_config *config);

/*
 * Makes a stack in MEMORY: zeroed (as mmap gives it), aligned to BERTH_MEMORY_ALIGNMENT, the
 * caller's, and the stack's to use until berth_done. Nothing is allocated elsewhere, then or later.
 * BERTH_E_INVALID: the configuration, the alignment, or fewer BYTES than berth_memory_bytes.
 */
BERTH_API BERTH_MUST_CHECK int berth_init(struct berth **out, const struct berth_config *config,
                                          void *memory, size_t bytes, uint64_t now_ns);

/* Ends it at once: no packet is sent. Wipes its keys. The memory is the caller's again. */
BERTH_API void berth_done(struct berth *berth);

/* An address of the stack's own; PREFIX gives its network too (directly reachable). One that it has
 * is BERTH_OK. BERTH_E_INVALID: BITS, or no unicast address. BERTH_E_LIMIT: limits.addresses. */
BERTH_API BERTH_MUST_CHECK int berth_address_add(struct berth *berth,
                                                 const struct berth_prefix *prefix);
/* A network that is reached over the link: 0.0.0.0/0 and ::/0 for everything. BERTH_E_INVALID: BITS
 * (of an IPv4 prefix 96 and more). BERTH_E_LIMIT: limits.routes. */
BERTH_API BERTH_MUST_CHECK int berth_route_add(struct berth *berth,
                                               const struct berth_prefix *prefix);
/* With BERTH_GUARD_LINK_PEER: an address of the guarded host; packets from others are dropped.
 * BERTH_E_INVALID: BITS, or multicast. BERTH_E_LIMIT: as many as limits.routes. */
BERTH_API BERTH_MUST_CHECK int berth_peer_add(struct berth *berth,
                                              const struct berth_prefix *prefix);

/* The link takes packets of MTU bytes from now on: 576 (1280 for IPv6) to 65535, and a buffer holds
 * them; MSS options and segments follow, also of connections that are open, and datagrams that wait
 * to leave (in fragments, or BERTH_DROP_TOO_BIG). BERTH_E_INVALID. */
BERTH_API BERTH_MUST_CHECK int berth_set_mtu(struct berth *berth, uint32_t mtu);

/* ---- Memory that nobody needs ---------------------------------------------------------------- */

/* The stack touches a buffer when it first needs one more than it has, and then uses it again;
 * after a busy time many hold nothing. What is in them nobody needs: an owner may give the memory
 * back to the system as long as it can be used again. How many bytes these are, of what was used
 * since berth_spare_memory told of it: */
BERTH_API size_t berth_spare_bytes(const struct berth *berth);
/* Where they are: at most MAX views, whole pages of PAGE_BYTES (a power of two), to be overwritten
 * or unmapped and mapped again (madvise) before the next call on the stack. Returns how many; 0:
 * there are none left. BERTH_E_INVALID: PAGE_BYTES, or MAX is 0. */
BERTH_API BERTH_MUST_CHECK int berth_spare_memory(struct berth *berth, size_t page_bytes,
                                                  struct berth_view *views, uint32_t max);

/* ---- Input, output, time -------------------------------------------------------------------- */

/* An empty buffer for a link to read into, borrowed until handed over or put back; NULL: none free
 * now. */
BERTH_API struct berth_buffer *berth_buffer_get(struct berth *berth);
BERTH_API void berth_buffer_put(struct berth *berth, struct berth_buffer *buffer);

/* Hands over BUFFER (taken, always), which holds one IP packet. */
BERTH_API void berth_receive(struct berth *berth, struct berth_buffer *buffer, uint64_t now_ns);

/*
 * Fills up to FRAMES_MAX frames with what wants to go out and may. Returns how many; 0: nothing
 * now. The frames' views are borrowed until the next call on this stack.
 */
BERTH_API uint32_t berth_transmit(struct berth *berth, struct berth_frame *frames,
                                  uint32_t frames_max, uint64_t now_ns);

/* When berth_advance is next needed: at once where berth_transmit left events to be read (sending
 * gives buffers back, for which others wait), and where writers wait for the buffers that those who
 * were told of them may leave; BERTH_NEVER: not before something else happens. */
BERTH_API uint64_t berth_deadline(const struct berth *berth);

/* The time is NOW_NS: marks what is due. Sends nothing: call berth_transmit after it. */
BERTH_API void berth_advance(struct berth *berth, uint64_t now_ns);

/* ---- Events --------------------------------------------------------------------------------- */

enum berth_event_bit {
    BERTH_EVENT_CONNECTED = 1, /* berth_tcp_connect or an accepted SYN: the handshake is complete */
    BERTH_EVENT_READABLE = 2,  /* bytes or a datagram wait, or the end of the stream */
    BERTH_EVENT_WRITABLE =
        4, /* there is room again after BERTH_E_AGAIN; all acknowledged, if asked */
    BERTH_EVENT_PEER_CLOSED = 8, /* the peer sent FIN: no more comes after what is queued */
    BERTH_EVENT_CLOSED = 16, /* the connection is over, EVENT.error says how; give the id back */
    BERTH_EVENT_ACCEPTABLE = 32, /* a listener has a connection to accept */
    BERTH_EVENT_HELD = 64,       /* intercept: a first packet is held; ask berth_held, decide */
    /* A connection lives on, but EVENT.error is in its way: what ICMP told, or BERTH_E_TIMED_OUT
     * for three copies of a segment without an answer (RFC 9293 3.9.1.8). May be ignored. */
    BERTH_EVENT_SOFT_ERROR = 128,
    /* The peer has marked the end of urgent data, or moved the mark on: urgent_bytes of
     * berth_tcp_info (RFC 9293 3.8.5). */
    BERTH_EVENT_URGENT = 256
};

enum berth_kind { BERTH_KIND_TCP = 1, BERTH_KIND_TCP_LISTENER = 2, BERTH_KIND_DATAGRAM = 3 };

struct berth_event {
    berth_id id;
    void *user;    /* as given when the id was made or accepted */
    uint32_t bits; /* enum berth_event_bit, or-ed */
    int error;     /* with BERTH_EVENT_CLOSED: 0 in order, else enum berth_error; with
                      BERTH_EVENT_SOFT_ERROR alone: that */
    enum berth_kind kind;
};

/*
 * The next object to which something happened. Events of one object are merged until read: after
 * one, read or write until BERTH_E_AGAIN. false: none.
 */
BERTH_API bool berth_next_event(struct berth *berth, struct berth_event *out);

/* ---- Intercepting --------------------------------------------------------------------------- */

/*
 * From now on a first packet that the firewall allows and that no listener or socket takes is held
 * for the owner: TCP SYNs, UDP datagrams, ICMP echo requests; to any address if forward_any.
 * Its retransmissions are absorbed while it is held.
 *
 * So is one on which the firewall leaves the decision to the owner: its verdict is BERTH_ASK, or
 * needs_process and not BERTH_ALLOW. It is counted as asked (contacts_asked), neither as allowed
 * nor as denied, and berth_next_contact does not tell of it: the owner finds out about the process,
 * judges again (berth_rules_judge), asks whom it has to ask, and accepts or ends it.
 */
BERTH_API void berth_intercept(struct berth *berth, bool on);

struct berth_held {
    enum berth_protocol protocol;
    struct berth_endpoint local;  /* whom it was sent to; ICMP: the port is the echo identifier */
    struct berth_endpoint remote; /* who sent it */
    struct berth_verdict verdict; /* that of its first packet */
};

enum berth_unreachable {
    BERTH_UNREACHABLE_NETWORK,
    BERTH_UNREACHABLE_HOST,
    BERTH_UNREACHABLE_PORT,
    BERTH_UNREACHABLE_PROHIBITED
};

/*
 * ID is that of a BERTH_EVENT_HELD. BERTH_E_STALE: it names nothing any more, or a listener;
 * BERTH_E_STATE: a connection or socket that is not held, or not any more. A SYN that its peer's
 * RST or its time (tcp.held_ns) ends while it is held is told of by BERTH_EVENT_CLOSED; it can be
 * asked about still, berth_held_accept says how it ended, and the others give its id back.
 */

/* Who is held under ID. */
BERTH_API BERTH_MUST_CHECK int berth_held(const struct berth *berth, berth_id id,
                                          struct berth_held *out);
/* Accept: TCP answers with SYN-ACK (BERTH_EVENT_CONNECTED follows); a datagram becomes readable. ID
 * stays. */
BERTH_API BERTH_MUST_CHECK int berth_held_accept(struct berth *berth, berth_id id, void *user);
/* Refuse as a closed port does: RST (RFC 9293 3.10.7.1), or ICMP port unreachable. ID is gone. */
BERTH_API BERTH_MUST_CHECK int berth_held_refuse(struct berth *berth, berth_id id);
/* Answer with ICMP (RFC 792, RFC 4443 3.1). ID is gone. BERTH_E_INVALID: REASON is none of the
 * four; it is held on. */
BERTH_API BERTH_MUST_CHECK int berth_held_reject(struct berth *berth, berth_id id,
                                                 enum berth_unreachable reason);
/* No answer. ID is gone. */
BERTH_API int berth_held_drop(struct berth *berth, berth_id id);

#ifdef __cplusplus
}
#endif
#endif
