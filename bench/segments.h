/* SPDX-License-Identifier: MIT */
/*
 * bench-segments: what one stack does for one segment, the other end being made up by the program,
 * so that what is counted is that stack's alone and that each stack gets the same packets.
 *
 *     made-up host 10.9.0.2 port 4000 ---- subject 10.9.0.1 port 8080
 *
 * 1. Only functions whose names begin with counted_ are the subject's work: callgrind counts these
 *    (--toggle-collect=counted_*), and stands still in those that begin with paused_ (a stack that
 *    calls the program back). None of the first calls another of them.
 * 2. Carrying bytes to and from the subject's buffers is the link's work: not counted, for nobody.
 */
#ifndef BENCH_SEGMENTS_H
#define BENCH_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENTS_PORT            8080
#define SEGMENTS_PEER_PORT       4000
#define SEGMENTS_ADDRESS         "10.9.0.1"
#define SEGMENTS_PEER            "10.9.0.2"
#define SEGMENTS_BYTES_MAX       65535U
#define SEGMENTS_CONNECTIONS_MAX 1000U

#ifdef __clang__
#define COUNTED __attribute__((noinline))
#else
#define COUNTED __attribute__((noinline, noclone))
#endif

struct segments_options {
    bool is_sending;    /* the subject sends; else it receives */
    bool is_conversing; /* many connections: it answers a byte with a byte, closes after the peer */
    bool timestamps;    /* RFC 7323 */
    bool super;         /* super-segments of 64 KiB, checksums left to the link (berth alone) */
    bool checksums;     /* by the link (berth alone) */
    bool in_place;      /* the sender's bytes are in its queue already (berth alone) */
    uint32_t mss;
    uint32_t connections; /* that receive by turns, 1 to SEGMENTS_CONNECTIONS_MAX */
    uint64_t number;      /* of data segments */
};

/* A packet of the subject's, given to the program. */
void segments_take(const uint8_t *packet, uint32_t bytes);

/* ---- The subject: segments_berth.c, segments_lwip.c ----------------------------------------- */

/* Made once, with a listener; false: it cannot do what OPTIONS ask. */
bool subject_init(const struct segments_options *options);
/* Room for a packet of BYTES. */
uint8_t *counted_room(uint32_t bytes);
/* The packet that was written there arrives; the application reads what it brings. */
void counted_receive(void);
/* The application writes what there is room for (is_sending). */
void counted_write(void);
/* What is to be sent goes to segments_take, but by way of a function that is not counted. true:
   there may be more. */
bool counted_transmit(void);
/* The clock. */
void counted_tick(uint64_t now_ns);
/* Whatever is left over from counted_transmit is taken. */
void subject_taken(void);
uint64_t subject_received_bytes(void);

#endif
