/* SPDX-License-Identifier: MIT */
/*
 * What bench-scans does: captures replayed into a stack, and a stack that nmap scans. Both tell
 * after how many first contacts a scanner is found, and of alarms where there was no scan.
 */
#ifndef BENCH_SCANS_H
#define BENCH_SCANS_H

#include <berth/berth.h>

#include "wire/wire.h"

/* Distinct things that were tried: who, the protocol, the end that was tried. */
#define SCANS_TRIED_MAX 4096

struct scans_tried {
    struct berth_address who;
    struct berth_endpoint what;
    uint8_t protocol;
};

struct scans_count {
    struct scans_tried list[SCANS_TRIED_MAX];
    uint32_t count;
};

/* PACKET was sent by who tries: counts its end, once. Answers do not try anything. */
void scans_count_packet(struct scans_count *tried, const struct wire_packet *packet);
/* How many ends WHO has tried so far. */
uint32_t scans_count_of(const struct scans_count *tried, const struct berth_address *who);

/* A stack that guards as GUARD says, at ADDRESS, with every contact allowed. */
struct berth *scans_stack(enum berth_guard guard, const struct berth_address *address,
                          uint64_t now_ns);
void scans_stack_free(struct berth *berth);
/* Prints EVENT as JSON, AFTER so many first contacts. */
void scans_print(const struct berth_scan *event, uint32_t after, bool is_first);

/* scans_replay.c: replays the capture PATH once for each host in it and each way to guard it; a
 * line of JSON each. */
void scans_replay(const char *path);
/* scans_live.c: a stack at the TUN device, ADDRESS, that listens on the TCP ports WORDS, until
 * standard input ends; a line of JSON for each verdict. */
void scans_live(const char *device, const char *address, int count, char **words);

#endif
