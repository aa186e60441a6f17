/* SPDX-License-Identifier: MIT */
/*
 * Many streams at once, as fast as they go, each byte looked at: for tests of what carries them.
 *
 *   streams serve ADDRESS PORT COUNT
 *   streams call ADDRESS PORT COUNT BYTES MODE [PAUSE_MS] [FIRST_PORT]
 *
 * MODE: "out", BYTES from the caller; "in", to it; "both". Half-way each side that sends waits for
 * PAUSE_MS. With FIRST_PORT the callers have the ports from there on, and end with a RST. Who was
 * served COUNT times ends. Prints "ready" (serve), and how many streams were right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PATTERN = 65521, /* bytes, a prime: what is shifted or swapped looks different */
    CHUNK = 256 * 1024,
    STREAMS_MAX = 256,
};

struct order { /* what the caller says first */
    uint64_t bytes;
    uint32_t number;
    uint32_t pause_ms;
    uint32_t out; /* the caller sends */
    uint32_t in;
};

struct stream {
    int fd;
    struct order order;
    bool sends;
    bool receives;
    bool is_served;
    bool is_right;
};

static uint8_t pattern[PATTERN + CHUNK];

static void make_pattern(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof pattern; i++) {
        x = i % PATTERN == 0 ? 1 : x * 1664525U + 1013904223U;
        pattern[i] = (uint8_t)(x >> 24);
    }
}

static const uint8_t *piece_at(const struct order *order, uint64_t at)
{
    return pattern + (at + (uint64_t)order->number * 7919) % PATTERN;
}

static void pause_for(uint32_t ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
                    NULL);
}

static bool send_all(const struct stream *stream)
{
    const struct order *order = &stream->order;
    uint64_t at = 0;
    bool has_paused = false;

    while (at < order->bytes) {
        uint64_t rest = order->bytes - at;
        ssize_t sent =
            send(stream->fd, piece_at(order, at), rest < CHUNK ? rest : CHUNK, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        at += (uint64_t)sent;
        if (!has_paused && at >= order->bytes / 2) {
            pause_for(order->pause_ms);
            has_paused = true;
        }
    }
    return true;
}

static bool receive_all(const struct stream *stream)
{
    const struct order *order = &stream->order;
    uint8_t *data = malloc(CHUNK);
    uint64_t at = 0;
    bool is_right = data != NULL;

    while (is_right && at < order->bytes) {
        uint64_t rest = order->bytes - at;
        ssize_t got = recv(stream->fd, data, rest < CHUNK ? rest : CHUNK, 0);

        is_right = got > 0 && memcmp(data, piece_at(order, at), (size_t)got) == 0;
        at += got > 0 ? (uint64_t)got : 0;
    }
    free(data);
    return is_right;
}

static void *run_sender(void *context)
{
    struct stream *stream = context;

    return send_all(stream) ? stream : NULL;
}

/* All was right: the caller says so, then the other side. */
static bool agree(const struct stream *stream)
{
    char word = 'k';

    return (stream->is_served || send(stream->fd, &word, 1, MSG_NOSIGNAL) == 1) &&
           recv(stream->fd, &word, 1, MSG_WAITALL) == 1 && word == 'k' &&
           (!stream->is_served || send(stream->fd, &word, 1, MSG_NOSIGNAL) == 1);
}

static bool talk(struct stream *stream)
{
    pthread_t sender;
    bool is_right = true;
    void *sent = stream;

    if (stream->sends && pthread_create(&sender, NULL, run_sender, stream) != 0) {
        return false;
    }
    if (stream->receives) {
        is_right = receive_all(stream);
    }
    if (stream->sends) {
        (void)pthread_join(sender, &sent);
    }
    return is_right && sent != NULL && agree(stream);
}

static void *run_served(void *context)
{
    struct stream *stream = context;
    struct order *order = &stream->order;

    if (recv(stream->fd, order, sizeof *order, MSG_WAITALL) == (ssize_t)sizeof *order) {
        stream->sends = order->in != 0;
        stream->receives = order->out != 0;
        stream->is_right = talk(stream);
    }
    (void)close(stream->fd);
    return NULL;
}

static int look_up(const char *address, const char *port, bool passive, struct addrinfo **out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags =
                                 AI_NUMERICHOST | AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};

    return getaddrinfo(address, port, &hints, out);
}

static int fail(const char *what)
{
    fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
    return 1;
}

static int tell(const struct stream *streams, unsigned count)
{
    unsigned right = 0;

    for (unsigned i = 0; i < count; i++) {
        right += streams[i].is_right;
    }
    printf("%u\n", right);
    return right == count ? 0 : 1;
}

static int serve(const char *address, const char *port, unsigned count)
{
    static struct stream streams[STREAMS_MAX];
    static pthread_t threads[STREAMS_MAX];
    struct addrinfo *at = NULL;
    int one = 1;
    int listener;

    if (look_up(address, port, true, &at) != 0) {
        return fail("getaddrinfo");
    }
    listener = socket(at->ai_family, SOCK_STREAM, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(listener, at->ai_addr, at->ai_addrlen) < 0 || listen(listener, STREAMS_MAX) < 0) {
        return fail("listen");
    }
    freeaddrinfo(at);
    printf("ready\n");
    (void)fflush(stdout);
    for (unsigned i = 0; i < count; i++) {
        struct stream *stream = &streams[i % STREAMS_MAX];

        if (i >= STREAMS_MAX) {
            (void)pthread_join(threads[i % STREAMS_MAX], NULL);
        }
        *stream = (struct stream){.fd = accept(listener, NULL, NULL), .is_served = true};
        if (stream->fd < 0 ||
            pthread_create(&threads[i % STREAMS_MAX], NULL, run_served, stream) != 0) {
            return fail("accept");
        }
    }
    for (unsigned i = 0; i < count && i < STREAMS_MAX; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return tell(streams, count < STREAMS_MAX ? count : STREAMS_MAX);
}

struct call {
    struct stream stream;
    const struct addrinfo *to;
    uint16_t port; /* 0: any */
};

static bool use_port(int fd, int family, uint16_t port)
{
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct linger at_once = {.l_onoff = 1};
    int one = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 &&
           (family == AF_INET6 ? bind(fd, (struct sockaddr *)&any6, sizeof any6)
                               : bind(fd, (struct sockaddr *)&any4, sizeof any4)) == 0;
}

static void *run_call(void *context)
{
    struct call *call = context;
    struct stream *stream = &call->stream;

    stream->fd = socket(call->to->ai_family, SOCK_STREAM, 0);
    if (stream->fd < 0 ||
        (call->port != 0 && !use_port(stream->fd, call->to->ai_family, call->port)) ||
        connect(stream->fd, call->to->ai_addr, call->to->ai_addrlen) < 0) {
        (void)fail("connect");
        return NULL;
    }
    stream->sends = stream->order.out != 0;
    stream->receives = stream->order.in != 0;
    stream->is_right = send(stream->fd, &stream->order, sizeof stream->order, MSG_NOSIGNAL) ==
                           (ssize_t)sizeof stream->order &&
                       talk(stream);
    (void)close(stream->fd);
    return NULL;
}

static int call_all(char **words, unsigned count, const struct order *order, uint16_t port)
{
    static struct call calls[STREAMS_MAX];
    static struct stream streams[STREAMS_MAX];
    static pthread_t threads[STREAMS_MAX];
    struct addrinfo *to = NULL;

    if (look_up(words[0], words[1], false, &to) != 0) {
        return fail("getaddrinfo");
    }
    for (unsigned i = 0; i < count; i++) {
        calls[i] = (struct call){
            .stream.order = *order, .to = to, .port = port != 0 ? (uint16_t)(port + i) : 0};
        calls[i].stream.order.number = i;
        if (pthread_create(&threads[i], NULL, run_call, &calls[i]) != 0) {
            return fail("a thread");
        }
    }
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
        streams[i] = calls[i].stream;
    }
    freeaddrinfo(to);
    return tell(streams, count);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    struct order order = {0};

    make_pattern();
    if (argc == 5 && strcmp(argv[1], "serve") == 0 && count > 0) {
        return serve(argv[2], argv[3], count);
    }
    if (argc < 7 || strcmp(argv[1], "call") != 0 || count == 0 || count > STREAMS_MAX) {
        fprintf(stderr, "streams: see the head of streams.c\n");
        return 2;
    }
    order.bytes = strtoull(argv[5], NULL, 10);
    order.out = strcmp(argv[6], "in") != 0;
    order.in = strcmp(argv[6], "out") != 0;
    order.pause_ms = argc > 7 ? (uint32_t)strtoul(argv[7], NULL, 10) : 0;
    return call_all(argv + 2, count, &order, argc > 8 ? (uint16_t)strtoul(argv[8], NULL, 10) : 0);
}
