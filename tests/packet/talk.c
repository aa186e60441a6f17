/* SPDX-License-Identifier: MIT */
/* Conversations with one stack, segment by segment: talk.h. */
#include "talk.h"

#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

uint8_t talk_byte(uint64_t offset)
{
    return (uint8_t)((offset * 2654435761U) >> 13);
}

struct berth_address talk_address(const char *text)
{
    struct berth_address address;
    assert_int_equal(berth_address_parse(text, &address), 0);
    return address;
}

void talk_collect(struct talk *talk)
{
    struct berth_frame frames[4];
    uint32_t count = berth_transmit(talk->berth, frames, 4, talk->now_ns);
    while (count > 0) {
        for (uint32_t i = 0; i < count; i++) {
            assert_true(talk->out_count < TALK_OUT_MAX);
            struct talk_packet *packet =
                &talk->out[(talk->out_first + talk->out_count++) % TALK_OUT_MAX];
            packet->bytes = 0;
            packet->offload = frames[i].offload;
            for (uint32_t v = 0; v < frames[i].view_count; v++) {
                assert_true(packet->bytes + frames[i].views[v].bytes <= sizeof packet->data);
                memcpy(packet->data + packet->bytes, frames[i].views[v].data,
                       frames[i].views[v].bytes);
                packet->bytes += (uint32_t)frames[i].views[v].bytes;
            }
        }
        count = berth_transmit(talk->berth, frames, 4, talk->now_ns);
    }
    stack_check(talk->berth);
    struct berth_event event;
    while (berth_next_event(talk->berth, &event)) {
        if (event.kind == BERTH_KIND_TCP) {
            talk->events |= event.bits;
            if ((event.bits & BERTH_EVENT_CLOSED) != 0) {
                talk->error = event.error;
            } else if ((event.bits & BERTH_EVENT_SOFT_ERROR) != 0) {
                talk->soft_error = event.error;
            }
        }
    }
}

void talk_begin(struct talk *talk, void (*change)(struct berth_config *config))
{
    memset(talk, 0, sizeof *talk);
    talk->now_ns = 5000 * NS_PER_S;
    talk->peer_iss = 0x7ffffff0; /* so that the sign bit and then zero are crossed early */
    talk->peer_port = TALK_PEER_PORT;
    talk->port = TALK_PORT;
    berth_config_init(&talk->config);
    talk->config.tcp.timestamps = false;
    if (change != NULL) {
        change(&talk->config);
    }
    talk->memory_bytes = berth_memory_bytes(&talk->config);
    assert_true(talk->memory_bytes > 0);
    talk->memory = mmap(NULL, talk->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(talk->memory != MAP_FAILED);
    assert_int_equal(
        berth_init(&talk->berth, &talk->config, talk->memory, talk->memory_bytes, talk->now_ns), 0);
    struct berth_prefix v4 = {.address = talk_address(TALK_STACK), .bits = 96 + 24};
    struct berth_prefix v6 = {.address = talk_address(TALK_STACK6), .bits = 64};
    assert_int_equal(berth_address_add(talk->berth, &v4), 0);
    assert_int_equal(berth_address_add(talk->berth, &v6), 0);
    static const char rules[] = "allow in any\nallow out any\n";
    struct berth_rules_error error;
    assert_int_equal(berth_rules_load(talk->berth, rules, sizeof rules - 1, &error), 0);
}

void talk_without_sack(struct berth_config *config)
{
    config->tcp.sack = false;
}

void talk_end(struct talk *talk)
{
    stack_check(talk->berth);
    berth_done(talk->berth);
    munmap(talk->memory, talk->memory_bytes);
}

struct berth_address talk_stack(const struct talk *talk)
{
    return talk_address(talk->v6 ? TALK_STACK6 : TALK_STACK);
}

struct berth_address talk_peer(const struct talk *talk)
{
    return talk_address(talk->v6 ? TALK_PEER6 : TALK_PEER);
}

void talk_listen(struct talk *talk)
{
    struct berth_endpoint at = {.address = talk_stack(talk), .port = TALK_PORT};
    assert_int_equal(berth_tcp_listen(talk->berth, &at, 4, NULL, &talk->listener), 0);
}

void talk_connect(struct talk *talk)
{
    struct berth_endpoint from = {.address = talk_stack(talk), .port = TALK_PORT};
    struct berth_endpoint to = {.address = talk_peer(talk), .port = talk->peer_port};
    assert_int_equal(berth_tcp_connect(talk->berth, &from, &to, NULL, &talk->id), 0);
    talk_collect(talk);
}

void talk_accept(struct talk *talk)
{
    assert_int_equal(berth_tcp_accept(talk->berth, talk->listener, NULL, &talk->id), 0);
    talk_collect(talk);
}

void talk_open(struct talk *talk, const char *syn, const char *answer, const char *ack)
{
    talk_listen(talk);
    talk_in(talk, syn);
    talk_out(talk, answer);
    talk_in(talk, ack);
    talk_accept(talk);
}

void talk_established(struct talk *talk)
{
    talk_listen(talk);
    talk_in(talk, "S 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(talk, talk->v6 ? "S. 0 ack 1 mss 1440" : "S. 0 ack 1 mss 1460");
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ". 1 ack 1");
    talk_accept(talk);
    talk_silent(talk);
}

/* ---- Time ----------------------------------------------------------------------------------- */

static uint64_t run_until(struct talk *talk, uint64_t until_ns, bool stop_on_out)
{
    uint64_t from = talk->now_ns;
    uint32_t closed = talk->events & BERTH_EVENT_CLOSED;
    while (!stop_on_out ||
           (talk->out_count == 0 && (talk->events & BERTH_EVENT_CLOSED) == closed)) {
        uint64_t next = berth_deadline(talk->berth);
        if (next > until_ns) {
            talk->now_ns = until_ns;
            break;
        }
        talk->now_ns = max_u64(talk->now_ns, next);
        berth_advance(talk->berth, talk->now_ns);
        talk_collect(talk);
    }
    return (talk->now_ns - from) / NS_PER_MS;
}

void talk_wait_ms(struct talk *talk, uint64_t ms)
{
    run_until(talk, talk->now_ns + ms * NS_PER_MS, false);
    berth_advance(talk->berth, talk->now_ns);
    talk_collect(talk);
}

uint64_t talk_wait_out_ms(struct talk *talk, uint64_t ms)
{
    return run_until(talk, talk->now_ns + ms * NS_PER_MS, true);
}

/* ---- The owner ------------------------------------------------------------------------------ */

void talk_connect_with(struct talk *talk, uint32_t bytes)
{
    struct berth_endpoint to = {.address = talk_peer(talk), .port = talk->peer_port};
    struct berth_endpoint from = {.address = talk_stack(talk), .port = talk->port};
    assert_int_equal(berth_tcp_connect(talk->berth, &from, &to, NULL, &talk->id), 0);
    if (bytes > 0) {
        talk_write(talk, bytes); /* sends */
    } else {
        talk_collect(talk);
    }
}

void talk_write(struct talk *talk, uint32_t bytes)
{
    struct berth_tcp_info info = talk_info(talk);
    uint64_t at = info.bytes_acked + info.send_queue_bytes;
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    for (uint32_t i = 0; i < bytes; i++) {
        data[i] = talk_byte(at + i);
    }
    size_t taken = 0;
    for (uint32_t done = 0; done < bytes; done += (uint32_t)taken) {
        assert_int_equal(berth_tcp_write(talk->berth, talk->id, data + done, bytes - done, &taken),
                         0);
    }
    free(data);
    talk_collect(talk);
}

void talk_read(struct talk *talk, uint64_t at, uint32_t bytes)
{
    uint8_t byte;
    size_t got = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        assert_int_equal(berth_tcp_read(talk->berth, talk->id, &byte, 1, &got), 0);
        assert_int_equal(got, 1);
        assert_int_equal(byte, talk_byte(at + i));
    }
    talk_collect(talk);
}

struct berth_tcp_info talk_info(struct talk *talk)
{
    struct berth_tcp_info info;
    assert_int_equal(berth_tcp_info(talk->berth, talk->id, &info), 0);
    return info;
}

enum berth_tcp_state talk_state(struct talk *talk)
{
    return talk_info(talk).state;
}

uint32_t talk_connections(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_connections;
}

uint32_t talk_time_waits(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_time_wait;
}

uint32_t talk_half_open(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_half_open;
}

uint64_t talk_drops(struct talk *talk, enum berth_drop drop)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.drops[drop];
}

/* ---- Two stacks ----------------------------------------------------------------------------- */

void talk_share_peer(struct talk *to, const struct talk *from)
{
    to->now_ns = from->now_ns;
    to->peer_iss = from->peer_iss;
    to->peer_port = from->peer_port;
    to->port = from->port;
    to->iss = from->iss;
    to->iss_known = from->iss_known;
}

void talk_move(struct talk *from, struct talk *to)
{
    struct berth_tcp_exported exported;
    struct berth_tcp_exported copy;
    talk_share_peer(to, from);
    assert_int_equal(berth_tcp_export(from->berth, from->id, &exported), 0);
    talk_silent(from);
    memcpy(&copy, &exported, sizeof copy);
    memset(&exported, 0xff, sizeof exported);
    assert_int_equal(berth_tcp_import(to->berth, &copy, to, &to->id), 0);
    talk_collect(to);
}
