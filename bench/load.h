/* SPDX-License-Identifier: MIT */
/*
 * The load of the benchmarks: both ends of plain kernel TCP sockets, nothing of berth's.
 *
 * One server answers four kinds of conversation, told apart by the client's first byte (the enum
 * below). What a receiver got is counted in a file that both it and the reader map
 * (struct load_counter), so that throughput is read at the receiver, at the very moments at which
 * the proxies' CPU time is read.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum load_kind {
    LOAD_SINK = 's',   /* the client sends, the server throws away */
    LOAD_SOURCE = 'o', /* the server sends, the client throws away */
    LOAD_ECHO = 'e',   /* every byte comes back */
    LOAD_ONCE = 'c'    /* one byte comes back, then the server closes first */
};

#define LOAD_CHUNK_BYTES (128U * 1024)
#define LOAD_STREAMS_MAX 64
#define LOAD_SILENCE_S   5 /* what takes longer has failed */

/* Mapped from --counter FILE: written by the receiver alone, read at any time. */
struct load_counter {
    uint64_t bytes;
};

struct load_options {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    const char *congestion_control; /* NULL: the system's default */
    struct load_counter *counter;   /* never NULL */
    double seconds;
    double warmup_seconds; /* of seconds: exchanges in it are not in the percentiles */
    unsigned streams;
};

/* Each prints its result as one line of JSON (the server: "ready") and returns the exit status. */
int load_server(const struct load_options *options);
int load_bulk(const struct load_options *options, enum load_kind kind);
int load_exchange(const struct load_options *options, enum load_kind kind);

/* load.c, for both */
uint64_t load_now_ns(void);
uint64_t load_after_ns(double seconds);
/* A socket with the options' congestion control and no delay; ends the program on failure. */
int load_socket(const struct load_options *options);
/* The same, connected, and blocking for LOAD_SILENCE_S at most; -1: it is not. */
int load_connect(const struct load_options *options);
/* Closing FD will be abortive: RST, nothing sent on behind our back, no TIME-WAIT. */
void load_abortive(int fd);
_Noreturn void load_die(const char *what);

#endif
