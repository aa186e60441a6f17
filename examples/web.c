/* SPDX-License-Identifier: MIT */
/*
 * A web server on a TUN device, with a TCP of its own. Usage: web [INTERFACE]
 *
 *     curl, on the kernel's TCP ---- TUN device ---- 192.0.2.2 port 80, berth's TCP, this program
 *
 * It opens the device (which needs CAP_NET_ADMIN in the network namespace: root, or `unshare -rn`)
 * and tells how to bring it up. Shown here: the loop over a file descriptor, many connections,
 * writing in place (berth_tcp_reserve and berth_tcp_commit) with back-pressure.
 *
 *     GET /          a greeting
 *     GET /N         N bytes of 'x' (N up to 10,000,000,000)
 *
 * It ends on SIGTERM or SIGINT.
 */
#include <berth/berth.h>

#include "link/link.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#define BODY_BYTES_MAX 10000000000ULL
#define REQUEST_BYTES  2048

struct visitor { /* one connection */
    berth_id id;
    char request[REQUEST_BYTES];
    size_t request_bytes;
    bool answering;
    uint64_t body_left;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "web: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static struct berth *make_stack(const struct link *link)
{
    static const char rules[] = "allow in http\n";
    struct berth_config config;
    berth_config_init(&config);
    config.offloads = link_offloads(link);
    config.system_ports_bindable = true; /* ports below 1024 may be listened on */
    config.segment_bytes_max = 65000;
    config.limits.buffers = 1024;
    config.limits.buffer_bytes = 69632; /* room for a super-segment of 64 KiB */
    if (getrandom(config.seed, sizeof config.seed, 0) != (ssize_t)sizeof config.seed) {
        die("seed", "no randomness");
    }
    size_t bytes = berth_memory_bytes(&config);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct berth *berth = NULL;
    if (memory == MAP_FAILED || berth_init(&berth, &config, memory, bytes, now_ns()) != 0) {
        die("stack", "no memory");
    }
    const char *addresses[] = {"192.0.2.2", "2001:db8::2"};
    for (int i = 0; i < 2; i++) {
        struct berth_prefix prefix = {.bits = i == 0 ? 96 + 24 : 64};
        if (berth_address_parse(addresses[i], &prefix.address) != 0 ||
            berth_address_add(berth, &prefix) != 0) {
            die(addresses[i], "not an address");
        }
    }
    struct berth_rules_error error;
    if (berth_rules_load(berth, rules, sizeof rules - 1, &error) != 0) {
        die(error.word, error.expected);
    }
    struct berth_endpoint any = {.port = 80};
    berth_id listener;
    int failed = berth_tcp_listen(berth, &any, 1024, NULL, &listener);
    if (failed != 0) {
        die("listen", berth_error_text(failed));
    }
    return berth;
}

/* ---- Answering ------------------------------------------------------------------------------ */

static void leave(struct berth *berth, struct visitor *visitor)
{
    (void)berth_tcp_close(berth, visitor->id); /* it may be gone already */
    free(visitor);
}

/* As much of the body as the send queue takes now. true: all of it is queued. */
static bool write_body(struct berth *berth, struct visitor *visitor)
{
    while (visitor->body_left > 0) {
        struct berth_view views[8];
        uint32_t count = 0;
        size_t want = visitor->body_left < 1048576 ? (size_t)visitor->body_left : 1048576;
        if (berth_tcp_reserve(berth, visitor->id, want, views, 8, &count) != 0) {
            return false; /* BERTH_EVENT_WRITABLE will come, or the end */
        }
        size_t filled = 0;
        for (uint32_t i = 0; i < count; i++) {
            memset(views[i].data, 'x', views[i].bytes);
            filled += views[i].bytes;
        }
        if (berth_tcp_commit(berth, visitor->id, filled) != 0) {
            return false;
        }
        visitor->body_left -= filled;
    }
    return true;
}

static void answer(struct berth *berth, struct visitor *visitor)
{
    static const char greeting[] = "Hello from berth.\n";
    char head[256];
    unsigned long long asked = 0;
    bool sized = sscanf(visitor->request, "GET /%llu ", &asked) == 1 && asked <= BODY_BYTES_MAX;
    uint64_t bytes = sized ? asked : sizeof greeting - 1;
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                          "Content-Length: %llu\r\nConnection: close\r\n\r\n%s",
                          (unsigned long long)bytes, sized ? "" : greeting);
    size_t taken = 0;
    if (berth_tcp_write(berth, visitor->id, head, (size_t)length, &taken) == 0) {
        visitor->answering = true;
        visitor->body_left = sized ? bytes : 0;
    }
}

/* true: the visitor is done with, one way or the other. */
static bool read_request(struct berth *berth, struct visitor *visitor)
{
    size_t got = 0;
    int error = 0;
    do {
        size_t room = sizeof visitor->request - 1 - visitor->request_bytes;
        if (room == 0) {
            return true; /* too long to be a request */
        }
        error = berth_tcp_read(berth, visitor->id, visitor->request + visitor->request_bytes, room,
                               &got);
        visitor->request_bytes += error == 0 ? got : 0;
    } while (error == 0 && got > 0);
    visitor->request[visitor->request_bytes] = '\0';
    if (strstr(visitor->request, "\r\n\r\n") != NULL) {
        answer(berth, visitor);
        return !visitor->answering;
    }
    return error != BERTH_E_AGAIN;
}

static void accept_all(struct berth *berth, berth_id listener)
{
    struct visitor *visitor = calloc(1, sizeof *visitor);
    while (visitor != NULL && berth_tcp_accept(berth, listener, visitor, &visitor->id) == 0) {
        visitor = calloc(1, sizeof *visitor);
    }
    free(visitor);
}

static void on_event(struct berth *berth, const struct berth_event *event)
{
    if (event->kind == BERTH_KIND_TCP_LISTENER) {
        accept_all(berth, event->id);
        return;
    }
    struct visitor *visitor = event->user;
    bool over = (event->bits & BERTH_EVENT_CLOSED) != 0;
    if (!over && !visitor->answering) {
        over = read_request(berth, visitor);
    }
    if (!over && visitor->answering) {
        over = write_body(berth, visitor);
    }
    if (over) {
        leave(berth, visitor);
    }
}

/* ---- The loop ------------------------------------------------------------------------------- */

static int wait_ms(const struct berth *berth)
{
    uint64_t deadline = berth_deadline(berth);
    uint64_t now = now_ns();
    if (deadline <= now) {
        return 0;
    }
    uint64_t left_ms = (deadline - now) / 1000000 + 1;
    return deadline == BERTH_NEVER || left_ms > 1000 ? 1000 : (int)left_ms;
}

static void turn(struct berth *berth, struct link *link)
{
    struct berth_frame frames[32];
    struct berth_event event;
    if (link_receive(link, berth, 64, now_ns()) < 0) {
        die("device", "gone");
    }
    berth_advance(berth, now_ns());
    while (berth_next_event(berth, &event)) {
        on_event(berth, &event);
    }
    uint32_t count = berth_transmit(berth, frames, 32, now_ns());
    while (count > 0) {
        link_send(link, frames, count, now_ns());
        count = berth_transmit(berth, frames, 32, now_ns());
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "berth0";
    int fd = -1;
    uint32_t offloads = 0;
    struct link *link;
    int error = link_tun_open(name, &fd, &offloads);
    if (error != 0) {
        die("/dev/net/tun", strerror(-error));
    }
    if (link_tun_new(fd, offloads, &link) != 0) {
        die(name, "no memory");
    }
    struct berth *berth = make_stack(link);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    printf("web: bring it up with\n"
           "  ip address add 192.0.2.1/24 dev %s\n"
           "  ip address add 2001:db8::1/64 dev %s nodad\n"
           "  ip link set %s up\n"
           "then: curl http://192.0.2.2/  curl http://[2001:db8::2]/1000000\n",
           name, name, name);
    fflush(stdout);
    struct pollfd poll_fd = {.fd = link_fd(link), .events = POLLIN};
    while (!stop) {
        poll(&poll_fd, 1, wait_ms(berth));
        turn(berth, link);
    }
    link_free(link);
    berth_done(berth);
    return 0;
}
