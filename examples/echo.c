/* SPDX-License-Identifier: MIT */
/*
 * An echo service and its client, each on a stack of its own, joined by the memory link.
 *
 *     client 192.0.2.1 ---- memory link ---- 192.0.2.2 port 7, service
 *
 * Shown here: making a stack, letting one port in, the loop that any link needs, reading and
 * writing in place, closing. Nothing outside this process is touched: no device, no privilege.
 */
#include <berth/berth.h>

#include "link/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#define ECHO_PORT 7
#define TURNS_MAX 100000 /* the example ends, whatever happens */

struct host {
    struct berth *berth;
    struct link *link;
    void *memory;
    size_t memory_bytes;
};

static void die(const char *what, int error)
{
    fprintf(stderr, "echo: %s: %s\n", what, berth_error_text(error));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* A stack with ADDRESS on LINK that lets in and out what RULES say. */
static void host_init(struct host *host, struct link *link, const char *address, const char *rules)
{
    struct berth_config config;
    berth_config_init(&config);
    config.offloads = link_offloads(link);
    config.system_ports_bindable = true; /* ports below 1024 may be listened on */
    if (getrandom(config.seed, sizeof config.seed, 0) != (ssize_t)sizeof config.seed) {
        die("no randomness", BERTH_E_LIMIT);
    }
    host->link = link;
    host->memory_bytes = berth_memory_bytes(&config);
    host->memory = mmap(NULL, host->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (host->memory == MAP_FAILED) {
        die("no memory", BERTH_E_LIMIT);
    }
    int error = berth_init(&host->berth, &config, host->memory, host->memory_bytes, now_ns());
    if (error != 0) {
        die("berth_init", error);
    }
    struct berth_prefix prefix = {.bits = 96 + 24};
    error = berth_address_parse(address, &prefix.address);
    error = error != 0 ? error : berth_address_add(host->berth, &prefix);
    if (error != 0) {
        die(address, error);
    }
    struct berth_rules_error where;
    error = berth_rules_load(host->berth, rules, strlen(rules), &where);
    if (error != 0) {
        die(where.word, error);
    }
}

static void host_done(struct host *host)
{
    link_free(host->link);
    berth_done(host->berth);
    munmap(host->memory, host->memory_bytes);
}

/* One turn of the loop that every owner of a stack runs: packets in, time, packets out. */
static void host_turn(struct host *host)
{
    struct berth_frame frames[16];
    link_receive(host->link, host->berth, 64, now_ns());
    if (berth_deadline(host->berth) <= now_ns()) {
        berth_advance(host->berth, now_ns());
    }
    uint32_t count = berth_transmit(host->berth, frames, 16, now_ns());
    while (count > 0) {
        link_send(host->link, frames, count, now_ns());
        count = berth_transmit(host->berth, frames, 16, now_ns());
    }
}

/* ---- The service ---------------------------------------------------------------------------- */

/* What has come in goes out again, from the receive queue to the send queue. */
static void echo_back(struct berth *berth, berth_id id)
{
    char bytes[4096];
    size_t got = 0;
    int error = berth_tcp_read(berth, id, bytes, sizeof bytes, &got);
    while (error == 0 && got > 0) {
        size_t taken = 0;
        if (berth_tcp_write(berth, id, bytes, got, &taken) != 0 || taken < got) {
            die("the echo does not fit its queue", BERTH_E_AGAIN);
        }
        error = berth_tcp_read(berth, id, bytes, sizeof bytes, &got);
    }
    if (error == 0) { /* the end of the stream: the client is done, so are we */
        error = berth_tcp_close(berth, id);
    }
    if (error != 0 && error != BERTH_E_AGAIN) {
        die("service", error);
    }
}

static void serve(struct berth *berth)
{
    struct berth_event event;
    while (berth_next_event(berth, &event)) {
        berth_id id = event.id;
        if ((event.bits & BERTH_EVENT_ACCEPTABLE) != 0 &&
            berth_tcp_accept(berth, event.id, NULL, &id) == 0) {
            printf("service: a client\n");
        }
        if ((event.bits & BERTH_EVENT_READABLE) != 0) {
            echo_back(berth, id);
        }
    }
}

/* ---- The client ----------------------------------------------------------------------------- */

struct client {
    berth_id id;
    const char *text;
    char answer[256];
    size_t answer_bytes;
    bool over;
};

static void on_client_event(struct berth *berth, struct client *client, uint32_t bits)
{
    size_t count = 0;
    if ((bits & BERTH_EVENT_CONNECTED) != 0) {
        int error = berth_tcp_write(berth, client->id, client->text, strlen(client->text), &count);
        error = error != 0 ? error : berth_tcp_shutdown(berth, client->id);
        if (error != 0) {
            die("client", error);
        }
    }
    if ((bits & BERTH_EVENT_READABLE) != 0) {
        int error = 0;
        do {
            size_t room = sizeof client->answer - 1 - client->answer_bytes;
            error = berth_tcp_read(berth, client->id, client->answer + client->answer_bytes, room,
                                   &count);
            client->answer_bytes += error == 0 ? count : 0;
        } while (error == 0 && count > 0);
        client->over = error == 0;
    }
    if ((bits & BERTH_EVENT_CLOSED) != 0) {
        client->over = true;
    }
}

int main(void)
{
    struct link_memory_config wire = {.queue_packets = 256, .packet_bytes_max = 65535};
    struct link *near_end;
    struct link *far_end;
    int error = link_memory_new(&wire, &near_end, &far_end);
    if (error != 0) {
        die("memory link", error);
    }
    struct host here;
    struct host there;
    host_init(&here, near_end, "192.0.2.1", "allow out echo to 192.0.2.2\n");
    host_init(&there, far_end, "192.0.2.2", "allow in echo from 192.0.2.0/24\n");

    struct berth_endpoint service = {.port = ECHO_PORT};
    berth_id listener;
    error = berth_tcp_listen(there.berth, &service, 16, NULL, &listener);
    if (error != 0) {
        die("listen", error);
    }
    struct client client = {.text = "What is your port?"};
    error = berth_endpoint_parse("192.0.2.2:7", &service);
    error = error != 0 ? error : berth_tcp_connect(here.berth, NULL, &service, &client, &client.id);
    if (error != 0) {
        die("connect", error);
    }
    for (unsigned turn = 0; turn < TURNS_MAX && !client.over; turn++) {
        struct berth_event event;
        host_turn(&here);
        host_turn(&there);
        serve(there.berth);
        while (berth_next_event(here.berth, &event)) {
            on_client_event(here.berth, event.user, event.bits);
        }
    }
    printf("client: sent \"%s\", got \"%s\"\n", client.text, client.answer);
    error = berth_tcp_close(here.berth, client.id);
    host_done(&here);
    host_done(&there);
    return error == 0 && strcmp(client.text, client.answer) == 0 ? 0 : 1;
}
