/* SPDX-License-Identifier: MIT */
/* TCP between two stacks: opening, transfer under loss, closing, refusal, idle, limits. */
#include "pair.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct ends {
    berth_id listener;
    berth_id a; /* the connecting side's */
    berth_id b; /* the accepting side's */
};

static uint32_t drain_events(struct berth *berth, berth_id id, int *error)
{
    struct berth_event event;
    uint32_t bits = 0;
    while (berth_next_event(berth, &event)) {
        if (event.id == id || id == 0) {
            bits |= event.bits;
            if (error != NULL && (event.bits & BERTH_EVENT_CLOSED) != 0) {
                *error = event.error;
            }
        }
    }
    return bits;
}

static void open_pair(struct pair *pair, bool v6, struct ends *ends)
{
    struct berth_endpoint at = pair_endpoint(1, v6, 8080);
    assert_int_equal(berth_tcp_listen(pair->side[1], &at, 16, NULL, &ends->listener), 0);
    assert_int_equal(berth_tcp_connect(pair->side[0], NULL, &at, NULL, &ends->a), 0);
    pair_run(pair, pair->now_ns + 10 * NS_PER_S);
    assert_true((drain_events(pair->side[0], ends->a, NULL) & BERTH_EVENT_CONNECTED) != 0);
    assert_true((drain_events(pair->side[1], ends->listener, NULL) & BERTH_EVENT_ACCEPTABLE) != 0);
    assert_int_equal(berth_tcp_accept(pair->side[1], ends->listener, NULL, &ends->b), 0);
}

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)((at * 2654435761U) >> 11);
}

static size_t feed(struct berth *berth, berth_id id, uint64_t *at, uint64_t end)
{
    uint8_t chunk[5000];
    size_t total = 0;
    while (*at < end) {
        size_t want = min_size(sizeof chunk, (size_t)(end - *at));
        for (size_t i = 0; i < want; i++) {
            chunk[i] = pattern(*at + i);
        }
        size_t taken = 0;
        int error = berth_tcp_write(berth, id, chunk, want, &taken);
        if (error == BERTH_E_AGAIN) {
            break;
        }
        assert_int_equal(error, 0);
        *at += taken;
        total += taken;
    }
    return total;
}

static bool swallow(struct berth *berth, berth_id id, uint64_t *at)
{
    uint8_t chunk[7000];
    size_t got = 0;
    int error = berth_tcp_read(berth, id, chunk, sizeof chunk, &got);
    while (error == 0 && got > 0) {
        for (size_t i = 0; i < got; i++) {
            assert_int_equal(chunk[i], pattern(*at + i));
        }
        *at += got;
        error = berth_tcp_read(berth, id, chunk, sizeof chunk, &got);
    }
    return error == 0; /* the end of the stream */
}

static size_t overwritten; /* bytes, in this test */

/* What BERTH says that nobody needs. */
static void overwrite_spare(struct berth *berth)
{
    struct berth_view views[3];
    int count;

    while ((count = berth_spare_memory(berth, 4096, views, 3)) > 0) {
        for (int i = 0; i < count; i++) {
            assert_int_equal((uintptr_t)views[i].data % 4096, 0);
            assert_true(views[i].bytes > 0 && views[i].bytes % 4096 == 0);
            memset(views[i].data, 0xdd, views[i].bytes);
            overwritten += views[i].bytes;
        }
    }
    assert_int_equal(count, 0);
    assert_int_equal(berth_spare_bytes(berth), 0);
}

/* BYTES from a to b, then FIN; returns when b has seen the end, or the test fails. */
static void transfer(struct pair *pair, const struct ends *ends, uint64_t bytes)
{
    uint64_t fed = 0;
    uint64_t got = 0;
    bool shut = false;
    bool ended = false;
    uint64_t limit = pair->now_ns + 3600 * NS_PER_S;
    for (unsigned turn = 0; turn < 2000000 && !ended; turn++) {
        feed(pair->side[0], ends->a, &fed, bytes);
        if (fed == bytes && !shut) {
            assert_int_equal(berth_tcp_shutdown(pair->side[0], ends->a), 0);
            shut = true;
        }
        overwrite_spare(pair->side[turn % 2]);
        assert_true(pair_step(pair, limit));
        ended = swallow(pair->side[1], ends->b, &got);
    }
    assert_true(ended);
    assert_int_equal(got, bytes);
}

static void assert_clean(struct pair *pair)
{
    pair_run(pair, pair->now_ns + 600 * NS_PER_S);
    for (int side = 0; side < 2; side++) {
        struct berth_stats stats;
        drain_events(pair->side[side], 0, NULL);
        berth_stats(pair->side[side], &stats);
        assert_int_equal(stats.tcp_connections, 0);
        assert_int_equal(stats.tcp_time_wait, 0);
        struct berth_config config;
        berth_config_init(&config);
        assert_int_equal(stats.buffers_free, config.limits.buffers);
    }
}

static void close_both(struct pair *pair, const struct ends *ends)
{
    assert_int_equal(berth_tcp_close(pair->side[0], ends->a), 0);
    assert_int_equal(berth_tcp_close(pair->side[1], ends->b), 0);
    assert_clean(pair);
}

static void carries_bytes(bool v6)
{
    struct pair pair;
    struct ends ends;
    pair_init(&pair, NULL);
    open_pair(&pair, v6, &ends);
    transfer(&pair, &ends, 3000000);
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void carries_bytes_v4(void **state)
{
    (void)state;
    carries_bytes(false);
}

static void carries_bytes_v6(void **state)
{
    (void)state;
    carries_bytes(true);
}

static bool drop_some(struct pair *pair, unsigned number, const struct pair_packet *packet)
{
    (void)packet;
    unsigned *modulus = pair->user;
    uint64_t mixed = (number + 1) * 0x9e3779b97f4a7c15U;
    return (mixed >> 40) % *modulus == 0;
}

static void survives_loss(void **state)
{
    (void)state;
    unsigned moduli[] = {100, 30, 10, 4};
    for (size_t i = 0; i < 4; i++) {
        struct pair pair;
        struct ends ends;
        pair_init(&pair, NULL);
        open_pair(&pair, i % 2 == 1, &ends);
        pair.drop = drop_some;
        pair.user = &moduli[i];
        transfer(&pair, &ends, moduli[i] < 10 ? 100000 : 1000000);
        struct berth_tcp_info info;
        assert_int_equal(berth_tcp_info(pair.side[0], ends.a, &info), 0);
        assert_true(info.retransmissions > 0);
        pair.drop = NULL;
        close_both(&pair, &ends);
        pair_done(&pair);
    }
}

static void survives_loss_without_sack(void **state)
{
    (void)state;
    struct berth_config config;
    berth_config_init(&config);
    config.tcp.sack = false;
    config.tcp.timestamps = false;
    unsigned modulus = 25;
    struct pair pair;
    struct ends ends;
    pair_init(&pair, &config);
    open_pair(&pair, false, &ends);
    pair.drop = drop_some;
    pair.user = &modulus;
    transfer(&pair, &ends, 500000);
    struct berth_tcp_info info;
    assert_int_equal(berth_tcp_info(pair.side[0], ends.a, &info), 0);
    assert_false(info.sack);
    assert_true(info.fast_recoveries > 0);
    pair.drop = NULL;
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void assert_controller(struct berth *berth, berth_id id, const char *name)
{
    struct berth_tcp_info info;
    assert_int_equal(berth_tcp_info(berth, id, &info), 0);
    assert_string_equal(info.congestion_control, name);
}

/* Of the stack by its configuration, of one connection by a call, before and after it is open. */
static void congestion_control_is_chosen(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    struct berth_config config;
    berth_config_init(&config);
    strcpy(config.tcp.congestion_control, "cubic");
    pair_init(&pair, &config);
    open_pair(&pair, false, &ends);
    unsigned modulus = 50;
    pair.drop = drop_some;
    pair.user = &modulus;
    struct berth *berth = pair.side[0];
    assert_controller(berth, ends.a, "cubic");
    assert_int_equal(berth_tcp_set_congestion_control(berth, ends.a, "newreno"), 0);
    assert_controller(berth, ends.a, "newreno");
    assert_controller(pair.side[1], ends.b, "cubic");
    assert_int_equal(berth_tcp_set_congestion_control(berth, ends.a, "vegas"), BERTH_E_INVALID);
    assert_int_equal(berth_tcp_set_congestion_control(berth, ends.a, ""), BERTH_E_INVALID);
    assert_controller(berth, ends.a, "newreno");
    assert_int_equal(berth_tcp_set_congestion_control(berth, ends.a, "cubic"), 0);
    transfer(&pair, &ends, 300000);
    pair.drop = NULL;
    close_both(&pair, &ends);
    assert_int_equal(berth_tcp_set_congestion_control(berth, ends.a, "cubic"), BERTH_E_STALE);

    struct berth_endpoint nobody = pair_endpoint(1, false, 9);
    berth_id id;
    assert_int_equal(berth_tcp_connect(berth, NULL, &nobody, NULL, &id), 0);
    assert_controller(berth, id, "cubic");
    assert_int_equal(berth_tcp_set_congestion_control(berth, id, "newreno"), 0);
    assert_controller(berth, id, "newreno");
    assert_int_equal(berth_tcp_abort(berth, id), 0);
    pair_done(&pair);
}

static void carries_super_segments(void **state)
{
    (void)state;
    struct berth_config config;
    berth_config_init(&config);
    config.offloads = BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6;
    config.segment_bytes_max = 65000;
    config.limits.buffer_bytes = 69632;
    struct pair pair;
    struct ends ends;
    pair_init(&pair, &config);
    open_pair(&pair, false, &ends);
    unsigned before = pair.sent;
    transfer(&pair, &ends, 20000000);
    assert_true(pair.sent - before < 4000); /* far fewer packets than segments of 1,448 */
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void refuses_closed_port(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct berth_endpoint at = pair_endpoint(1, false, 81);
    berth_id id;
    int error = 0;
    assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &id), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_true((drain_events(pair.side[0], id, &error) & BERTH_EVENT_CLOSED) != 0);
    assert_int_equal(error, BERTH_E_REFUSED);
    assert_int_equal(berth_tcp_close(pair.side[0], id), 0);
    assert_int_equal(berth_tcp_close(pair.side[0], id), BERTH_E_STALE);
    assert_clean(&pair);
    pair_done(&pair);
}

static void times_out_in_black_hole(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    pair.cut = true;
    struct berth_endpoint at = pair_endpoint(1, false, 81);
    berth_id id;
    int error = 0;
    assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &id), 0);
    pair_run(&pair, pair.now_ns + 600 * NS_PER_S);
    assert_true((drain_events(pair.side[0], id, &error) & BERTH_EVENT_CLOSED) != 0);
    assert_int_equal(error, BERTH_E_TIMED_OUT);
    assert_true(pair.sent >= 4); /* RFC 9293 MUST-23: at least three minutes of SYNs */
    assert_int_equal(berth_tcp_abort(pair.side[0], id), 0);
    assert_clean(&pair);
    pair_done(&pair);
}

static void abort_resets(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    int error = 0;
    pair_init(&pair, NULL);
    open_pair(&pair, false, &ends);
    assert_int_equal(berth_tcp_abort(pair.side[0], ends.a), 0);
    pair_run(&pair, pair.now_ns + NS_PER_S);
    assert_true((drain_events(pair.side[1], ends.b, &error) & BERTH_EVENT_CLOSED) != 0);
    assert_int_equal(error, BERTH_E_RESET);
    size_t got;
    char byte;
    assert_int_equal(berth_tcp_read(pair.side[1], ends.b, &byte, 1, &got), BERTH_E_RESET);
    assert_int_equal(berth_tcp_close(pair.side[1], ends.b), 0);
    assert_clean(&pair);
    pair_done(&pair);
}

static void half_close_lets_the_other_way_go_on(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    pair_init(&pair, NULL);
    open_pair(&pair, false, &ends);
    transfer(&pair, &ends, 10000);
    struct ends back = {.a = ends.b, .b = ends.a};
    uint64_t fed = 0;
    uint64_t got = 0;
    feed(pair.side[1], back.a, &fed, 50000);
    assert_int_equal(berth_tcp_shutdown(pair.side[1], back.a), 0);
    bool ended = false;
    for (unsigned turn = 0; turn < 10000 && !ended; turn++) {
        pair_step(&pair, pair.now_ns + 60 * NS_PER_S);
        ended = swallow(pair.side[0], back.b, &got);
    }
    assert_true(ended);
    assert_int_equal(got, 50000);
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void zero_window_opens_again(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    pair_init(&pair, NULL);
    open_pair(&pair, false, &ends);
    uint64_t fed = 0;
    uint64_t got = 0;
    for (unsigned i = 0; i < 200; i++) {
        feed(pair.side[0], ends.a, &fed, 64000000);
        pair_run(&pair, pair.now_ns + 30 * NS_PER_S);
    }
    struct berth_tcp_info info;
    assert_int_equal(berth_tcp_info(pair.side[0], ends.a, &info), 0);
    assert_true(info.snd_wnd < 1460);
    assert_true(fed < 64000000);
    for (unsigned turn = 0; turn < 100000 && got < fed; turn++) {
        swallow(pair.side[1], ends.b, &got);
        pair_step(&pair, pair.now_ns + 120 * NS_PER_S);
    }
    assert_int_equal(got, fed);
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void idle_for_a_day_still_answers(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    pair_init(&pair, NULL);
    open_pair(&pair, true, &ends);
    pair_run(&pair, pair.now_ns + 86400 * NS_PER_S);
    transfer(&pair, &ends, 100000);
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void simultaneous_open(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct berth_endpoint at[2] = {pair_endpoint(0, false, 5000), pair_endpoint(1, false, 6000)};
    struct ends ends;
    assert_int_equal(berth_tcp_connect(pair.side[0], &at[0], &at[1], NULL, &ends.a), 0);
    assert_int_equal(berth_tcp_connect(pair.side[1], &at[1], &at[0], NULL, &ends.b), 0);
    pair_run(&pair, pair.now_ns + 5 * NS_PER_S);
    assert_true((drain_events(pair.side[0], ends.a, NULL) & BERTH_EVENT_CONNECTED) != 0);
    assert_true((drain_events(pair.side[1], ends.b, NULL) & BERTH_EVENT_CONNECTED) != 0);
    transfer(&pair, &ends, 100000);
    close_both(&pair, &ends);
    pair_done(&pair);
}

static void time_wait_reopens(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct berth_endpoint from = pair_endpoint(0, false, 5000);
    struct berth_endpoint at = pair_endpoint(1, false, 8080);
    berth_id listener;
    assert_int_equal(berth_tcp_listen(pair.side[1], &at, 16, NULL, &listener), 0);
    for (int round = 0; round < 20; round++) {
        struct ends ends;
        assert_int_equal(berth_tcp_connect(pair.side[0], &from, &at, NULL, &ends.a), 0);
        pair_run(&pair, pair.now_ns + NS_PER_S);
        assert_int_equal(berth_tcp_accept(pair.side[1], listener, NULL, &ends.b), 0);
        transfer(&pair, &ends, 5000);
        assert_int_equal(berth_tcp_close(pair.side[1], ends.b), 0);
        assert_int_equal(berth_tcp_close(pair.side[0], ends.a), 0);
        pair_run(&pair, pair.now_ns + NS_PER_S);
    }
    assert_int_equal(berth_tcp_close(pair.side[1], listener), 0);
    assert_clean(&pair);
    pair_done(&pair);
}

/* Speed, memory: what the owner is told that nobody needs, nobody needs; nor in the middle of a
 * transfer, as all of them here show. Once it is over all that was used is told of, but for parts
 * of pages. */
static void spare_memory_is_not_needed(void **state)
{
    (void)state;
    struct pair pair;
    struct ends ends;
    struct berth_view view;

    pair_init(&pair, NULL);
    open_pair(&pair, false, &ends);
    assert_int_equal(berth_spare_memory(pair.side[0], 4095, &view, 1), BERTH_E_INVALID);
    assert_int_equal(berth_spare_memory(pair.side[0], 0, &view, 1), BERTH_E_INVALID);
    assert_int_equal(berth_spare_memory(pair.side[0], 4096, &view, 0), BERTH_E_INVALID);
    overwritten = 0;
    transfer(&pair, &ends, 1000000);
    assert_true(overwritten > 0);
    close_both(&pair, &ends);
    for (int side = 0; side < 2; side++) {
        size_t spare = berth_spare_bytes(pair.side[side]);
        overwritten = 0;
        overwrite_spare(pair.side[side]);
        assert_true(spare > 0 && overwritten + 2 * 4096U > spare);
    }
    pair_done(&pair);
}

static void open_and_close(struct pair *pair, berth_id listener, const struct berth_endpoint *from,
                           const struct berth_endpoint *at)
{
    struct ends ends;

    assert_int_equal(berth_tcp_connect(pair->side[0], from, at, NULL, &ends.a), 0);
    pair_run(pair, pair->now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_accept(pair->side[1], listener, NULL, &ends.b), 0);
    assert_int_equal(berth_tcp_close(pair->side[0], ends.a), 0);
    pair_run(pair, pair->now_ns + NS_PER_S);
    assert_int_equal(berth_tcp_close(pair->side[1], ends.b), 0);
    pair_run(pair, pair->now_ns + NS_PER_S);
}

/* Every port of the range is a TIME-WAIT's: none is left towards that end, until they are over. Two
 * of them are reopened first, by name: their ports stay taken. */
static void time_wait_holds_its_port(bool v6)
{
    struct berth_config config;
    struct pair pair;
    berth_id listener;
    berth_id none;

    berth_config_init(&config);
    config.ephemeral_first = 50000;
    config.ephemeral_last = 50003;
    config.tcp.time_wait_ns = 60 * NS_PER_S;
    pair_init(&pair, &config);
    struct berth_endpoint at = pair_endpoint(1, v6, 8080);
    assert_int_equal(berth_tcp_listen(pair.side[1], &at, 16, NULL, &listener), 0);
    for (int life = 0; life < 2; life++) {
        for (int i = 0; i < 4; i++) {
            open_and_close(&pair, listener, NULL, &at);
        }
        for (uint16_t port = 50001; port < 50003; port++) {
            struct berth_endpoint from = pair_endpoint(0, v6, port);
            open_and_close(&pair, listener, &from, &at);
        }
        assert_int_equal(berth_tcp_connect(pair.side[0], NULL, &at, NULL, &none), BERTH_E_NO_PORT);
        pair_run(&pair, pair.now_ns + 70 * NS_PER_S);
    }
    assert_int_equal(berth_tcp_close(pair.side[1], listener), 0);
    assert_clean(&pair);
    pair_done(&pair);
}

static void time_wait_holds_its_port_v4(void **state)
{
    (void)state;
    time_wait_holds_its_port(false);
}

static void time_wait_holds_its_port_v6(void **state)
{
    (void)state;
    time_wait_holds_its_port(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_v4),
        cmocka_unit_test(carries_bytes_v6),
        {"RFC 9293 MAY-18: congestion control is chosen", congestion_control_is_chosen, NULL, NULL,
         NULL},
        cmocka_unit_test(carries_super_segments),
        cmocka_unit_test(survives_loss),
        cmocka_unit_test(survives_loss_without_sack),
        cmocka_unit_test(refuses_closed_port),
        cmocka_unit_test(times_out_in_black_hole),
        cmocka_unit_test(abort_resets),
        cmocka_unit_test(half_close_lets_the_other_way_go_on),
        cmocka_unit_test(zero_window_opens_again),
        cmocka_unit_test(idle_for_a_day_still_answers),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(time_wait_reopens),
        cmocka_unit_test(spare_memory_is_not_needed),
        cmocka_unit_test(time_wait_holds_its_port_v4),
        cmocka_unit_test(time_wait_holds_its_port_v6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
