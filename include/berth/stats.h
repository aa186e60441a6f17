/* SPDX-License-Identifier: MIT */
/*
 * What a stack counts. Every packet that is not delivered is counted under exactly one drop reason.
 */
#ifndef BERTH_STATS_H
#define BERTH_STATS_H

#include <berth/error.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct berth;

/* Why a packet went no further. The order is part of the ABI: append only. */
enum berth_drop {
    BERTH_DROP_NONE = 0,
    /* wire: the packet contradicts itself */
    BERTH_DROP_TRUNCATED,         /* shorter than its headers say */
    BERTH_DROP_BAD_VERSION,       /* neither IPv4 nor IPv6 */
    BERTH_DROP_BAD_HEADER_LENGTH, /* a header length below its minimum or past the packet */
    BERTH_DROP_BAD_LENGTH,        /* total or payload length against the bytes that came */
    BERTH_DROP_BAD_CHECKSUM,      /* IPv4 header, TCP, UDP, ICMP */
    BERTH_DROP_BAD_OPTION,        /* an IP option or extension header out of shape */
    BERTH_DROP_SOURCE_ROUTE,      /* loose, strict or type 0 routing (RFC 5095, RFC 7126) */
    BERTH_DROP_MARTIAN_SOURCE, /* a source that no packet may have: multicast, loopback, mapped, any
                                */
    BERTH_DROP_MARTIAN_DESTINATION,
    BERTH_DROP_BAD_FRAGMENT, /* overlap, tiny, past 65535, not a multiple of 8 (RFC 1858, 5722,
                                8200) */
    BERTH_DROP_BAD_PORT,     /* port 0 */
    BERTH_DROP_BAD_TCP_OPTION,
    BERTH_DROP_BAD_TCP_FLAGS, /* no SYN, RST or ACK where none of the states allows it */
    BERTH_DROP_BAD_ICMP,
    BERTH_DROP_BAD_OFFLOAD, /* the link's offload facts contradict the packet */
    /* ip */
    BERTH_DROP_NOT_OURS,       /* another host's address */
    BERTH_DROP_SPOOFED_SOURCE, /* not an address of the guarded peer */
    BERTH_DROP_UNKNOWN_PROTOCOL,
    BERTH_DROP_MULTICAST, /* multicast and broadcast that nobody here takes */
    BERTH_DROP_REASSEMBLY_TIMEOUT,
    BERTH_DROP_REASSEMBLY_LIMIT,
    BERTH_DROP_HOP_LIMIT,
    /* firewall */
    BERTH_DROP_DENIED, /* a rule, or the default, said deny: answered */
    BERTH_DROP_SILENT, /* a rule said drop: not answered */
    /* no one there */
    BERTH_DROP_NO_LISTENER,   /* answered with RST or ICMP */
    BERTH_DROP_NO_CONNECTION, /* a segment of no connection */
    BERTH_DROP_NO_ECHO,       /* an ICMP message that asks or tells nothing here */
    /* tcp */
    BERTH_DROP_TCP_OUT_OF_WINDOW, /* RFC 9293 3.10.7.4, first check */
    BERTH_DROP_TCP_OLD_TIMESTAMP, /* PAWS (RFC 7323 5) */
    BERTH_DROP_TCP_BLIND,         /* RFC 5961: a RST, SYN or ACK that was challenged */
    BERTH_DROP_TCP_BAD_ACK,
    BERTH_DROP_TCP_STATE,       /* what this state ignores */
    BERTH_DROP_TCP_DUPLICATE,   /* nothing new in it */
    BERTH_DROP_TCP_AFTER_CLOSE, /* data after the reader closed: answered with RST */
    /* limits */
    BERTH_DROP_NO_BUFFER,
    BERTH_DROP_CONNECTION_LIMIT,
    BERTH_DROP_BACKLOG_FULL,
    BERTH_DROP_HELD_LIMIT,
    BERTH_DROP_REORDER_LIMIT,
    BERTH_DROP_QUEUE_FULL,     /* a datagram socket's queue */
    BERTH_DROP_REPLY_LIMIT,    /* a reply was not made: rate or queue */
    BERTH_DROP_RECEIVE_BUDGET, /* the pool is too empty to keep this payload */
    BERTH_DROP_NO_ROUTE,       /* outwards: no way to the destination */
    BERTH_DROP_TOO_BIG,        /* outwards: it waited, and berth_set_mtu made the link too small */
    BERTH_DROP_COUNT
};

/* "bad_checksum" and so on: stable names; "unknown" for what is none. */
BERTH_API const char *berth_drop_name(enum berth_drop drop);

struct berth_stats {
    uint64_t packets_in; /* as handed over by the link: a super-segment is one */
    uint64_t bytes_in;
    uint64_t packets_out;
    uint64_t bytes_out;
    uint64_t drops[BERTH_DROP_COUNT];
    uint64_t tcp_opened; /* reached ESTABLISHED */
    uint64_t tcp_closed; /* left it */
    uint64_t tcp_retransmissions;
    uint64_t tcp_resets_out;
    uint64_t tcp_cookies_out; /* SYNs answered with a SYN cookie */
    uint64_t tcp_cookies_in;  /* connections that came of one */
    uint64_t tcp_fast_opens;  /* passive connections that a Fast Open cookie opened early */
    uint64_t contacts_allowed;
    uint64_t contacts_denied;      /* deny and drop */
    uint64_t contacts_asked;       /* held for their owner's decision (berth_intercept) */
    uint64_t scans_found;          /* verdicts "scanner" (<berth/scan.h>) */
    uint64_t scans_lost;           /* of them, those that berth_next_scan could not keep */
    uint64_t scan_records_evicted; /* remotes forgotten for want of records */
    uint64_t contacts_lost;        /* refused contacts that berth_next_contact could not keep */
    uint32_t buffers_free;         /* now */
    uint32_t buffers_low;          /* least there ever were */
    uint32_t
        tcp_connections;    /* now, held ones included, half-open passive ones and TIME-WAIT not */
    uint32_t tcp_half_open; /* SYNs to listeners, answered; SYN cookies not */
    uint32_t tcp_time_wait;
    uint32_t tcp_held;
    uint32_t udp_sockets;
    uint32_t reassemblies;
};

BERTH_API void berth_stats(const struct berth *berth, struct berth_stats *out);

#ifdef __cplusplus
}
#endif
#endif
