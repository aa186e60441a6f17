/* SPDX-License-Identifier: MIT */
/*
 * berth_peer: one TCP conversation of a berth stack behind a TUN device, for tests and measurements
 * against the kernel at the device's other end. What it sends and expects are files, repeated from
 * their beginning as often as needed; every byte that comes is compared.
 *
 * 1. The program ends by itself: after the conversation, or after options.seconds.
 * 2. Standard output carries "ready", when the device is there, and at the end one JSON document.
 *    Between the two a line is awaited from standard input (or its end): the device is set up.
 */
#ifndef INTEROP_PEER_H
#define INTEROP_PEER_H

#include "link/link.h"

#include <jansson.h>

#define PEER_ADDRESSES_MAX 2
#define PEER_NEVER         UINT64_MAX

/* Which direction comes first. */
enum peer_order {
    PEER_TOGETHER,     /* both at once; FIN after the last byte */
    PEER_SEND_FIRST,   /* nothing is read before all is sent and the FIN queued */
    PEER_RECEIVE_FIRST /* nothing is sent before the peer's FIN is here */
};

/* A file's bytes; 0 bytes: zeros, or whatever comes. */
struct peer_pattern {
    const uint8_t *data;
    size_t bytes;
};

struct peer_options {
    const char *tun;
    struct berth_prefix addresses[PEER_ADDRESSES_MAX];
    unsigned address_count;
    bool is_listening;
    struct berth_endpoint where; /* to listen at, or to connect to */
    const char *preface;         /* sent before the pattern, not counted */
    uint64_t send_bytes;         /* PEER_NEVER: until the conversation ends */
    struct peer_pattern send;
    struct peer_pattern expect;
    enum peer_order order;
    bool early;           /* writes before the connection is there (Fast Open) */
    bool abort;           /* a RST after the last byte, not a FIN */
    uint64_t pause_at;    /* having read so many bytes it reads none for pause_ns */
    uint64_t pause_ns;    /* */
    uint64_t idle_ns;     /* after connecting, before the first byte */
    uint64_t urgent_at;   /* this many bytes end with an urgent one; 0: none */
    uint64_t for_ns;      /* the conversation is aborted this long after connecting; 0: no */
    uint64_t linger_ns;   /* what still answers after the conversation's end */
    uint64_t limit_ns;    /* the whole program */
    uint32_t turns;       /* conversations, one after another */
    uint64_t *counter;    /* bytes read, shared with whoever looks; NULL: none */
    const char *capture;  /* a pcap file, or NULL */
    const char *impair;   /* link_impairment_parse's text, or NULL */
    uint64_t impair_seed; /* */
    struct berth_config config;
};

struct peer {
    struct peer_options options;
    struct berth *berth;
    struct link *link;
    void *memory;
    size_t memory_bytes;
    uint64_t now_ns;
    berth_id listener;
    berth_id id; /* 0: none now */
    uint32_t turn;
    bool is_over; /* all turns are done */
    /* this turn */
    bool is_connected;
    bool has_shut_down;
    bool has_ended; /* the peer's FIN was read */
    bool is_mismatched;
    int error;     /* how it ended */
    uint32_t bits; /* all events so far */
    uint64_t connected_ns;
    uint64_t finished_ns; /* the last byte read or acknowledged */
    uint64_t paused_until_ns;
    bool has_paused;
    uint64_t prefaced; /* bytes of the preface that are written */
    uint64_t sent;
    uint64_t received;
    uint64_t mismatch_at;
    uint64_t urgent_seen; /* bytes up to the peer's last urgent mark, counted from the first */
    json_t *results;      /* an array: one object a turn */
};

/* peer_options.c: ends the program (status 2) for words that it does not understand. */
void peer_options_parse(int argc, char **argv, struct peer_options *out);
_Noreturn void peer_die(const char *what, const char *why);

/* peer_settings.c: "NAME=VALUE"; false: no such name or no such value. */
bool peer_setting(struct berth_config *config, const char *text);
void peer_settings_list(void);

/* peer_flow.c */
void peer_flow_start(struct peer *peer);
void peer_flow_on_event(struct peer *peer, const struct berth_event *event);
/* What time alone brings. */
void peer_flow_work(struct peer *peer);
/* When peer_flow_work is next needed. */
uint64_t peer_flow_deadline(const struct peer *peer);

/* peer_report.c */
void peer_report_turn(struct peer *peer);
/* Prints the document. Returns the program's exit status. */
int peer_report(struct peer *peer);

#endif
