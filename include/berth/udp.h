/* SPDX-License-Identifier: MIT */
/*
 * Datagram sockets: UDP (RFC 768), and ICMP echo conversations, whose port is the identifier.
 */
#ifndef BERTH_UDP_H
#define BERTH_UDP_H

#include <berth/firewall.h>
#include <berth/tcp.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A UDP socket. LOCAL: as for berth_tcp_connect when REMOTE is given (connected: takes only
 * REMOTE's datagrams), as for berth_tcp_listen when it is NULL (unconnected: takes everybody's that
 * the firewall allows); both NULL: any address and a free ephemeral port. Held flows become sockets
 * by berth_held_accept. Errors as for those two; BERTH_E_LIMIT is limits.udp_sockets, limits.binds
 * or limits.port_endpoints.
 *
 * The firewall is asked once per conversation: here for a connected socket; for an unconnected one
 * on the first datagram to or from each peer, who is then known until five minutes pass without a
 * datagram (or until more peers are known than there is room for).
 */
BERTH_API BERTH_MUST_CHECK int berth_udp_open(struct berth *berth,
                                              const struct berth_endpoint *local,
                                              const struct berth_endpoint *remote, void *user,
                                              berth_id *out);

struct berth_datagram {
    struct berth_endpoint local;  /* the address it was sent to */
    struct berth_endpoint remote; /* who sent it */
    struct berth_view payload;    /* borrowed until berth_udp_consume */
    uint16_t segment_bytes; /* not 0: several datagrams of this size, the last may be shorter */
    uint16_t echo_sequence; /* ICMP echo only; payload is what follows the sequence number */
    uint8_t hop_limit;
    uint8_t traffic_class; /* TOS */
};

/*
 * The oldest datagram queued. BERTH_E_AGAIN: none. BERTH_E_STALE. BERTH_E_STATE: still held.
 * What ICMP said of a datagram sent from a connected socket comes here, once, before the datagrams:
 * BERTH_E_REFUSED, BERTH_E_NET_UNREACHABLE, BERTH_E_HOST_UNREACHABLE, BERTH_E_PROHIBITED,
 * BERTH_E_TOO_LONG. The socket stays open.
 */
BERTH_API BERTH_MUST_CHECK int berth_udp_peek(struct berth *berth, berth_id id,
                                              struct berth_datagram *out);
/* Gives back the oldest datagram. BERTH_E_AGAIN: none queued. BERTH_E_STALE. BERTH_E_STATE:
 * held. */
BERTH_API BERTH_MUST_CHECK int berth_udp_consume(struct berth *berth, berth_id id);

/*
 * Room for one payload of up to WANT bytes (at most 65,507 over IPv4, 65,527 over IPv6, and what a
 * buffer holds), then berth_udp_commit sends it. TO NULL: the connected remote. SEGMENT_BYTES not
 * 0: several datagrams of that size, at most 128, none larger than the MTU. For an echo
 * conversation: an echo reply with ECHO_SEQUENCE. What is larger than the MTU goes in fragments. An
 * unconnected socket speaks to a peer that it knows from the address and port that the peer spoke
 * to; one of every port (port 0) can only answer.
 *
 * BERTH_E_AGAIN: no room now, BERTH_EVENT_WRITABLE follows. BERTH_E_TOO_LONG, BERTH_E_STALE,
 * BERTH_E_STATE (held; nothing reserved; no TO), BERTH_E_DENIED, BERTH_E_NO_ROUTE, BERTH_E_INVALID
 * (more bytes than reserved; segments out of range; a TO that is not the connected remote, or no
 * unicast endpoint). A commit that fails leaves the reservation as it is.
 */
BERTH_API BERTH_MUST_CHECK int berth_udp_reserve(struct berth *berth, berth_id id, size_t want,
                                                 struct berth_view *out);
struct berth_udp_send {
    const struct berth_endpoint *to; /* NULL: the connected remote */
    size_t bytes;
    uint16_t segment_bytes;
    uint16_t echo_sequence;
};
BERTH_API BERTH_MUST_CHECK int berth_udp_commit(struct berth *berth, berth_id id,
                                                const struct berth_udp_send *send);
/* Both in one, with a copy, and without a reservation left over. TO NULL: the connected remote.
 * Errors as above. */
BERTH_API BERTH_MUST_CHECK int berth_udp_write(struct berth *berth, berth_id id,
                                               const struct berth_endpoint *to, const void *data,
                                               size_t bytes);

/* Tells the remote of a connected flow by ICMP that REASON (enum berth_unreachable) stopped its
 * datagram; of an echo conversation, the request last peeked. BERTH_E_STALE, BERTH_E_INVALID,
 * BERTH_E_STATE: not connected. */
BERTH_API BERTH_MUST_CHECK int berth_udp_unreachable(struct berth *berth, berth_id id, int reason);

/* Ends it; what is queued is gone. BERTH_E_STALE. */
BERTH_API int berth_udp_close(struct berth *berth, berth_id id);

#ifdef __cplusplus
}
#endif
#endif
