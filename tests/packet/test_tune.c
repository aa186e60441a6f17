/* SPDX-License-Identifier: MIT */
/* How far the queues are let grow: by what the path has shown it can use, and what the pool has. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define INITIAL (64 * 1024)
#define RTT_MS  40

/* A talk with a peer that sends, RTT_MS away. */
struct path {
    struct talk talk;
    bool timestamps;
    uint32_t at;    /* the peer's next byte in the stream */
    uint32_t stamp; /* the stack's timestamp clock, as it stood at stamp_ns */
    uint64_t stamp_ns;
};

static uint64_t size_of(struct talk *talk, enum berth_tcp_option option)
{
    uint64_t value = 0;
    assert_int_equal(berth_tcp_get(talk->berth, talk->id, option, &value), 0);
    return value;
}

static uint64_t receive_size(struct path *path)
{
    return size_of(&path->talk, BERTH_TCP_RECEIVE_BYTES);
}

static void with_timestamps(struct berth_config *config)
{
    config->tcp.timestamps = true;
}

static void few_buffers(struct berth_config *config)
{
    config->tcp.timestamps = true;
    config->limits.buffers = 512; /* 1 MiB */
    config->limits.buffers_reserved = 16;
}

static void begin(struct path *path, void (*change)(struct berth_config *config))
{
    struct talk *talk = &path->talk;
    talk_begin(talk, change);
    path->timestamps = talk->config.tcp.timestamps;
    path->at = 0;
    talk_listen(talk);
    talk_in(talk, path->timestamps ? "S 0 win 65535 mss 1460 wscale 7 ts 1000 0"
                                   : "S 0 win 65535 mss 1460 wscale 7");
    talk_out(talk, "S. 0 ack 1");
    path->stamp = talk->last_tsval;
    path->stamp_ns = talk->now_ns;
}

static void open_path(struct path *path, void (*change)(struct berth_config *config))
{
    begin(path, change);
    struct talk *talk = &path->talk;
    talk_wait_ms(talk, RTT_MS);
    char text[80];
    (void)snprintf(text, sizeof text, ". 1 ack 1 ts 1001 %u", path->stamp);
    talk_in(talk, path->timestamps ? text : ". 1 ack 1");
    talk_accept(talk);
}

/* SEGMENTS full segments come, caused by what the stack sent DELAY_MS ago. */
static void arrive(struct path *path, uint32_t segments, uint32_t delay_ms)
{
    struct talk *talk = &path->talk;
    uint32_t bytes = path->timestamps ? 1448 : 1460;
    uint32_t now = path->stamp + (uint32_t)((talk->now_ns - path->stamp_ns) / NS_PER_MS);
    for (uint32_t i = 0; i < segments; i++) {
        char text[80];
        int length = snprintf(text, sizeof text, ". %u+%u ack 1", 1 + path->at, bytes);
        if (path->timestamps) {
            (void)snprintf(text + length, sizeof text - (size_t)length, " ts 2000 %u",
                           now - delay_ms);
        }
        talk_in(talk, text);
        talk_forget(talk);
        path->at += bytes;
    }
}

static void take(struct path *path)
{
    uint32_t bytes = talk_info(&path->talk).receive_queue_bytes;
    talk_read(&path->talk, path->at - bytes, bytes);
    talk_forget(&path->talk);
}

/* SEGMENTS come in a round trip, and the reader takes them. */
static void round_trip(struct path *path, uint32_t segments)
{
    talk_wait_ms(&path->talk, RTT_MS);
    arrive(path, segments, RTT_MS);
    take(path);
}

/* RFC 5681's sender doubles: the window is always ahead of it, and ends at a few times what the
 * path delivers, not at what it has delivered in all. */
static void grows_with_the_path(void (*change)(struct berth_config *config))
{
    struct path path;
    open_path(&path, change);
    assert_int_equal(receive_size(&path), INITIAL);
    for (uint32_t segments = 10; segments <= 160; segments *= 2) {
        round_trip(&path, segments);
        assert_true(talk_info(&path.talk).rcv_wnd >= 4 * segments * 1448);
    }
    for (unsigned i = 0; i < 40; i++) {
        round_trip(&path, 160);
    }
    assert_in_range(receive_size(&path), 2 * 160 * 1448, 5 * 160 * 1460);
    assert_in_range(talk_info(&path.talk).rcv_wnd, 2 * 160 * 1448, 5 * 160 * 1460);
    talk_end(&path.talk);
}

static void grows_with_timestamps(void **state)
{
    (void)state;
    grows_with_the_path(with_timestamps);
}

static void grows_without_timestamps(void **state)
{
    (void)state;
    grows_with_the_path(NULL);
}

static void slow_path(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, with_timestamps);
    for (unsigned i = 0; i < 200; i++) { /* 580 KB in all, but little at a time */
        round_trip(&path, 2);
    }
    assert_int_equal(receive_size(&path), INITIAL);
    talk_end(&path.talk);
}

static void reader_that_takes_nothing(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, with_timestamps);
    for (unsigned i = 0; i < 6; i++) {
        talk_wait_ms(&path.talk, RTT_MS);
        arrive(&path, 7, RTT_MS);
    }
    assert_int_equal(receive_size(&path), INITIAL);
    struct berth_tcp_info info = talk_info(&path.talk);
    assert_in_range(info.rcv_wnd + info.receive_queue_bytes, INITIAL, INITIAL + 43 * 128);
    talk_end(&path.talk);
}

/* Windows are told in units of 128 bytes, rounded up: a byte at a time does not move the edge for
 * ever. */
static void rounding_is_no_way_past_the_limit(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, NULL);
    struct talk *talk = &path.talk;
    arrive(&path, 44, RTT_MS);
    for (unsigned i = 0; i < 10000; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, ". %u+1 ack 1", 1 + path.at);
        talk_in(talk, text);
        talk_forget(talk);
        path.at++;
    }
    struct berth_tcp_info info = talk_info(talk);
    assert_in_range(info.receive_queue_bytes + info.rcv_wnd, INITIAL, INITIAL + INITIAL / 16 + 128);
    assert_int_equal(info.rcv_wnd, 0);
    talk_end(talk);
}

static void think_time_is_no_round_trip(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, with_timestamps);
    round_trip(&path, 1);
    talk_wait_ms(&path.talk, 5000); /* the peer thinks, then sends in answer to what it had */
    arrive(&path, 1, 5000 + RTT_MS);
    take(&path);
    for (uint32_t segments = 10; segments <= 160; segments *= 2) {
        round_trip(&path, segments);
        assert_true(talk_info(&path.talk).rcv_wnd >= 4 * segments * 1448);
    }
    talk_end(&path.talk);
}

/* The SYN,ACK went twice, so the handshake has measured nothing, and there are no timestamps: the
 * time to fill a window is all there is. */
static void turnover(void **state)
{
    (void)state;
    struct path path;
    begin(&path, NULL);
    struct talk *talk = &path.talk;
    talk_wait_ms(talk, 1010);
    talk_out(talk, "S. 0 ack 1");
    talk_in(talk, ". 1 ack 1");
    talk_accept(talk);
    for (unsigned i = 0; i < 8; i++) {
        round_trip(&path, 40); /* nearly a window each */
    }
    uint64_t settled = receive_size(&path);
    assert_in_range(settled, 4 * 40 * 1460, 8 * 40 * 1460);
    for (unsigned i = 0; i < 40; i++) {
        round_trip(&path, 40);
    }
    assert_int_equal(receive_size(&path), settled);
    talk_end(talk);
}

/* The pool runs low: windows get smaller as data comes in, and the edge stays where it was. */
static void pressure(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, few_buffers);
    struct talk *talk = &path.talk;
    round_trip(&path, 40);
    uint32_t window = talk_info(talk).rcv_wnd;
    assert_true(window > INITIAL);
    struct berth_buffer *taken[460];
    for (unsigned i = 0; i < 460; i++) { /* others have them now */
        taken[i] = berth_buffer_get(talk->berth);
        assert_non_null(taken[i]);
    }
    uint32_t edge = window + path.at;
    while (talk_info(talk).rcv_wnd > 20000) {
        arrive(&path, 1, RTT_MS);
        take(&path);
        assert_in_range(talk_info(talk).rcv_wnd + path.at, edge, edge + 127);
        edge = talk_info(talk).rcv_wnd + path.at;
    }
    for (unsigned i = 0; i < 460; i++) {
        berth_buffer_put(talk->berth, taken[i]);
    }
    arrive(&path, 2, RTT_MS);
    assert_true(talk_info(talk).rcv_wnd > INITIAL);
    talk_end(talk);
}

static void shared(struct berth_config *config)
{
    config->tcp.timestamps = true;
    config->tcp.receive_bytes_shared = 256 * 1024;
}

/* Another connection of the stack that PATH talks with, from PEER_PORT. */
static void open_beside(struct path *beside, const struct path *path, uint16_t peer_port)
{
    *beside = *path;
    struct talk *talk = &beside->talk;
    talk->peer_port = peer_port;
    talk->iss_known = false;
    beside->at = 0;
    talk_in(talk, "S 0 win 65535 mss 1460 wscale 7 ts 1000 0");
    talk_out(talk, "S. 0 ack 1");
    beside->stamp = talk->last_tsval;
    beside->stamp_ns = talk->now_ns;
    char text[80];
    (void)snprintf(text, sizeof text, ". 1 ack 1 ts 1001 %u", beside->stamp);
    talk_in(talk, text);
    talk_accept(talk);
}

/* FIRST and SECOND are sent much in the same round trips. */
static void round_trips_of_both(struct path *first, struct path *second, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        round_trip(first, 40);
        second->talk.now_ns = first->talk.now_ns;
        arrive(second, 40, RTT_MS);
        take(second);
    }
}

/* What may be under way is shared among those that fill their windows, and by no others. */
static void windows_are_shared(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, shared);
    for (uint32_t segments = 10; segments <= 160; segments *= 2) {
        round_trip(&path, segments);
    }
    assert_int_equal(receive_size(&path), 256 * 1024);
    struct path beside;
    open_beside(&beside, &path, TALK_PEER_PORT + 1);
    round_trip(&path, 160); /* one that sends nothing takes nothing */
    round_trip(&path, 160);
    assert_int_equal(receive_size(&path), 256 * 1024);
    uint32_t edge = talk_info(&path.talk).rcv_wnd + path.at;
    beside.talk.now_ns = path.talk.now_ns;
    round_trips_of_both(&path, &beside, 8);
    assert_int_equal(receive_size(&path), 128 * 1024);
    assert_int_equal(receive_size(&beside), 128 * 1024);
    assert_in_range(talk_info(&path.talk).rcv_wnd, 128 * 1024 - 3000, 128 * 1024);
    assert_true(talk_info(&path.talk).rcv_wnd + path.at >= edge);
    for (unsigned i = 0; i < 4; i++) {
        round_trip(&path, 80);
    }
    assert_int_equal(receive_size(&path), 256 * 1024);
    talk_end(&path.talk);
}

/* How far the peer may send by what it was told last: it sends a few bytes more. */
static uint32_t edge_told(struct path *path)
{
    char text[80];
    (void)snprintf(text, sizeof text, ". %u+10 ack 1 ts 2000 %u", 1 + path->at, path->stamp);
    talk_in(&path->talk, text);
    path->at += 10;
    talk_wait_ms(&path->talk, 200);
    (void)snprintf(text, sizeof text, ". 1 ack %u", 1 + path->at);
    talk_out(&path->talk, text);
    return path->at + (path->talk.last_window << talk_info(&path->talk).rcv_wscale);
}

/* Others take their parts while nothing comes: what was offered before stays. */
static void a_part_takes_nothing_back(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, shared);
    for (uint32_t segments = 10; segments <= 160; segments *= 2) {
        round_trip(&path, segments);
    }
    uint32_t edge = edge_told(&path);
    struct path beside[2];
    open_beside(&beside[0], &path, TALK_PEER_PORT + 1);
    open_beside(&beside[1], &beside[0], TALK_PEER_PORT + 2);
    round_trips_of_both(&beside[0], &beside[1], 8);
    path.talk.now_ns = beside[1].talk.now_ns;
    assert_int_equal(receive_size(&path), 128 * 1024);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(edge_told(&path) >= edge);
    }
    talk_end(&path.talk);
}

static void shared_by_too_many(struct berth_config *config)
{
    shared(config);
    config->tcp.receive_bytes_shared = 100 * 1024;
}

static void a_share_is_what_they_begin_with_at_least(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, shared_by_too_many);
    struct path beside;
    open_beside(&beside, &path, TALK_PEER_PORT + 1);
    beside.talk.now_ns = path.talk.now_ns;
    for (unsigned i = 0; i < 8; i++) {
        round_trips_of_both(&path, &beside, 1);
        assert_in_range(receive_size(&path), INITIAL, 100 * 1024);
    }
    assert_int_equal(receive_size(&beside), INITIAL);
    talk_end(&path.talk);
}

static void small_send_queue(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.send_bytes_initial = 32 * 1024;
}

static void send_queue_follows_cwnd(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, small_send_queue);
    talk_established(&talk);
    assert_int_equal(size_of(&talk, BERTH_TCP_SEND_BYTES), 32 * 1024);
    size_t taken;
    uint32_t written = 0;
    uint8_t data[4096] = {0};
    while (berth_tcp_write(talk.berth, talk.id, data, sizeof data, &taken) == 0) {
        written += (uint32_t)taken;
    }
    assert_int_equal(written, 32 * 1024);
    talk_collect(&talk);
    talk_forget(&talk);
    uint32_t acked = 0;
    while (talk_info(&talk).cwnd_bytes < 40000 && acked + 2920 < written) {
        acked += 2920;
        char text[64];
        (void)snprintf(text, sizeof text, ". 1 ack %u", 1 + acked);
        talk_in(&talk, text);
        talk_forget(&talk);
        while (berth_tcp_write(talk.berth, talk.id, data, sizeof data, &taken) == 0) {
            written += (uint32_t)taken;
        }
        talk_collect(&talk);
        talk_forget(&talk);
    }
    uint32_t cwnd = talk_info(&talk).cwnd_bytes;
    assert_true(cwnd >= 40000);
    assert_int_equal(size_of(&talk, BERTH_TCP_SEND_BYTES), 2 * cwnd);
    talk_end(&talk);
}

static void not_tuned(struct berth_config *config)
{
    config->tcp.timestamps = true;
    config->tcp.receive_bytes_initial = 1U << 20;
    config->tcp.receive_bytes_max = 1U << 20;
    config->tcp.send_bytes_initial = 1U << 20;
    config->tcp.send_bytes_max = 1U << 20;
}

static void tuning_can_be_turned_off(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, not_tuned);
    assert_int_equal(receive_size(&path), 1U << 20);
    assert_int_equal(size_of(&path.talk, BERTH_TCP_SEND_BYTES), 1U << 20);
    assert_true(talk_info(&path.talk).rcv_wnd >= 65535); /* all that the SYN could say */
    round_trip(&path, 1);
    assert_in_range(talk_info(&path.talk).rcv_wnd, (1U << 20) - 2000, 1U << 20);
    talk_end(&path.talk);
}

static void idle_pins_nothing(void **state)
{
    (void)state;
    struct path path;
    open_path(&path, with_timestamps);
    struct talk *talk = &path.talk;
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    uint32_t free = stats.buffers_free;
    round_trip(&path, 40);
    talk_write(talk, 20000);
    talk_forget(talk);
    talk_in(talk, ". 57921 ack 14481 ts 2000 0");
    talk_forget(talk);
    talk_in(talk, ". 57921 ack 20001 ts 2000 0");
    talk_forget(talk);
    assert_int_equal(talk_info(talk).send_queue_bytes, 0);
    berth_stats(talk->berth, &stats);
    assert_int_equal(stats.buffers_free, free);
    talk_end(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 3.8.6: the window grows with the path", grows_with_timestamps, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: the window grows with the path, without timestamps",
         grows_without_timestamps, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: a slow path wants no large window", slow_path, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: who does not read is offered no more", reader_that_takes_nothing, NULL,
         NULL, NULL},
        {"RFC 7323 2.3: rounding is no way past the limit", rounding_is_no_way_past_the_limit, NULL,
         NULL, NULL},
        {"RFC 7323 4.1: think time is no round trip", think_time_is_no_round_trip, NULL, NULL,
         NULL},
        {"RFC 9293 3.8.6: the time to fill a window", turnover, NULL, NULL, NULL},
        {"RFC 9293 SHLD-14: windows shrink with the pool, the edge stays", pressure, NULL, NULL,
         NULL},
        {"RFC 9293 3.8.6: windows are shared by those that fill them", windows_are_shared, NULL,
         NULL, NULL},
        {"RFC 9293 SHLD-14: a part of what many share takes nothing back",
         a_part_takes_nothing_back, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: a share is what a connection begins with at least",
         a_share_is_what_they_begin_with_at_least, NULL, NULL, NULL},
        {"RFC 9293 3.9.1.2: the send queue follows cwnd", send_queue_follows_cwnd, NULL, NULL,
         NULL},
        {"RFC 9293 3.8.6: tuning can be turned off", tuning_can_be_turned_off, NULL, NULL, NULL},
        {"RFC 9293 3.9.1: who is idle pins no buffer", idle_pins_nothing, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
