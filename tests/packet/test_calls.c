/* SPDX-License-Identifier: MIT */
/*
 * Every call that an owner may make on a connection, in every state that it may be in: under way,
 * at rest, over with and without something to read. What each says is in the table; none harms the
 * stack, whatever call comes next, and in the end nothing is left.
 */
#include "talk.h"

#include "base/bytes.h"
#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define REST_MS 1000
#define LONG_MS (7200 * 1000)

/* ---- The states ------------------------------------------------------------------------------ */

static void held(struct talk *talk)
{
    struct berth_event event = {0};
    berth_intercept(talk->berth, true);
    talk_post(talk, "S 0 win 65535 mss 1460");
    assert_true(berth_next_event(talk->berth, &event));
    assert_int_equal(event.bits, BERTH_EVENT_HELD);
    talk->id = event.id;
}

static void syn_sent(struct talk *talk)
{
    talk_connect(talk);
}

static void syn_received(struct talk *talk)
{
    talk_connect(talk);
    talk_in(talk, "S 0 win 65535 mss 1460");
}

static void in_flight(struct talk *talk)
{
    talk_established(talk);
    talk_write(talk, 10);
}

static void ahead(struct talk *talk)
{
    talk_established(talk);
    talk_in(talk, "P. 11+10 ack 1");
}

static void measured(struct talk *talk)
{
    talk_established(talk);
    assert_int_equal(berth_tcp_set_congestion_control(talk->berth, talk->id, "bbr"), 0);
    talk_write(talk, 10);
}

static void reserved(struct talk *talk)
{
    struct berth_view view;
    uint32_t count;
    talk_established(talk);
    assert_int_equal(berth_tcp_reserve(talk->berth, talk->id, 10, &view, 1, &count), 0);
}

static void told_to_wait(struct talk *talk)
{
    static const uint8_t bytes[65536];
    size_t taken = 0;
    talk_established(talk);
    while (berth_tcp_write(talk->berth, talk->id, bytes, sizeof bytes, &taken) == 0) {
    }
}

static void at_rest(struct talk *talk)
{
    talk_established(talk);
    talk_wait_ms(talk, REST_MS);
}

static void unread_at_rest(struct talk *talk)
{
    at_rest(talk);
    talk_in(talk, "PU. 1+10 ack 1 urg 4");
}

static void shut(struct talk *talk)
{
    talk_established(talk);
    assert_int_equal(berth_tcp_shutdown(talk->berth, talk->id), 0);
    talk_collect(talk);
}

static void closing(struct talk *talk)
{
    shut(talk);
    talk_in(talk, "F. 1 ack 1");
}

static void shut_and_acked(struct talk *talk)
{
    shut(talk);
    talk_in(talk, ". 1 ack 2");
}

static void shut_at_rest(struct talk *talk)
{
    shut_and_acked(talk);
    talk_wait_ms(talk, REST_MS);
}

static void half_closed(struct talk *talk)
{
    talk_established(talk);
    talk_in(talk, "F. 1 ack 1");
}

static void half_closed_at_rest(struct talk *talk)
{
    unread_at_rest(talk);
    talk_in(talk, "F. 11 ack 1");
    talk_wait_ms(talk, REST_MS);
}

static void last_ack(struct talk *talk)
{
    half_closed(talk);
    assert_int_equal(berth_tcp_shutdown(talk->berth, talk->id), 0);
    talk_collect(talk);
}

static void over(struct talk *talk)
{
    last_ack(talk);
    talk_in(talk, ". 2 ack 2");
}

static void over_unread(struct talk *talk)
{
    shut_and_acked(talk);
    talk_in(talk, "FPU. 1+10 ack 2 urg 4");
}

static void reset_unread(struct talk *talk)
{
    unread_at_rest(talk);
    talk_in(talk, "R 11");
}

static void reset_ahead(struct talk *talk)
{
    ahead(talk);
    talk_in(talk, "R 1");
}

static void reset_measured(struct talk *talk)
{
    measured(talk);
    talk_in(talk, "R 1");
}

static void reset_reserved(struct talk *talk)
{
    reserved(talk);
    talk_in(talk, "R 1");
}

static void reset_waiting(struct talk *talk)
{
    told_to_wait(talk);
    talk_in(talk, "R 1");
}

static void refused(struct talk *talk)
{
    talk_connect(talk);
    talk_out(talk, "S 0");
    talk_in(talk, "R. 0 ack 1");
}

static void unanswered(struct talk *talk)
{
    talk_connect(talk);
    talk_wait_ms(talk, LONG_MS);
}

/* What reading and writing say there; nothing is read or written but what the call itself does. */
static const struct place {
    void (*reach)(struct talk *talk);
    const char *name;
    enum berth_tcp_state state;
    bool rests;
    bool has_bytes;
    int read;
    int write;
} places[] = {
#define PLACE(reach, ...)          \
    {                              \
        reach, #reach, __VA_ARGS__ \
    }
    PLACE(held, BERTH_TCP_LISTEN, false, false, BERTH_E_AGAIN, BERTH_E_STATE),
    PLACE(syn_sent, BERTH_TCP_SYN_SENT, false, false, BERTH_E_AGAIN, 0),
    PLACE(syn_received, BERTH_TCP_SYN_RECEIVED, false, false, BERTH_E_AGAIN, 0),
    PLACE(in_flight, BERTH_TCP_ESTABLISHED, false, false, BERTH_E_AGAIN, 0),
    PLACE(ahead, BERTH_TCP_ESTABLISHED, false, false, BERTH_E_AGAIN, 0),
    PLACE(measured, BERTH_TCP_ESTABLISHED, false, false, BERTH_E_AGAIN, 0),
    PLACE(reserved, BERTH_TCP_ESTABLISHED, false, false, BERTH_E_AGAIN, 0),
    PLACE(at_rest, BERTH_TCP_ESTABLISHED, true, false, BERTH_E_AGAIN, 0),
    PLACE(unread_at_rest, BERTH_TCP_ESTABLISHED, true, true, 0, 0),
    PLACE(shut, BERTH_TCP_FIN_WAIT_1, false, false, BERTH_E_AGAIN, BERTH_E_CLOSED),
    PLACE(closing, BERTH_TCP_CLOSING, false, false, 0, BERTH_E_CLOSED),
    PLACE(shut_and_acked, BERTH_TCP_FIN_WAIT_2, false, false, BERTH_E_AGAIN, BERTH_E_CLOSED),
    PLACE(shut_at_rest, BERTH_TCP_FIN_WAIT_2, true, false, BERTH_E_AGAIN, BERTH_E_CLOSED),
    PLACE(half_closed, BERTH_TCP_CLOSE_WAIT, false, false, 0, 0),
    PLACE(half_closed_at_rest, BERTH_TCP_CLOSE_WAIT, true, true, 0, 0),
    PLACE(last_ack, BERTH_TCP_LAST_ACK, false, false, 0, BERTH_E_CLOSED),
    PLACE(over, BERTH_TCP_CLOSED, true, false, 0, BERTH_E_CLOSED),
    PLACE(over_unread, BERTH_TCP_CLOSED, true, true, 0, BERTH_E_CLOSED),
    PLACE(reset_unread, BERTH_TCP_CLOSED, true, true, 0, BERTH_E_RESET),
    PLACE(reset_ahead, BERTH_TCP_CLOSED, true, false, BERTH_E_RESET, BERTH_E_RESET),
    PLACE(reset_measured, BERTH_TCP_CLOSED, true, false, BERTH_E_RESET, BERTH_E_RESET),
    PLACE(reset_reserved, BERTH_TCP_CLOSED, true, false, BERTH_E_RESET, BERTH_E_RESET),
    PLACE(reset_waiting, BERTH_TCP_CLOSED, true, false, BERTH_E_RESET, BERTH_E_RESET),
    PLACE(refused, BERTH_TCP_CLOSED, true, false, BERTH_E_REFUSED, BERTH_E_REFUSED),
    PLACE(unanswered, BERTH_TCP_CLOSED, true, false, BERTH_E_TIMED_OUT, BERTH_E_TIMED_OUT),
#undef PLACE
};

/* ---- The calls ------------------------------------------------------------------------------- */

static int peek(struct talk *talk)
{
    struct berth_view views[4];
    uint32_t count;
    return berth_tcp_peek(talk->berth, talk->id, views, 4, &count);
}

static int consume(struct talk *talk)
{
    return berth_tcp_consume(talk->berth, talk->id, 1);
}

static int consume_nothing(struct talk *talk)
{
    return berth_tcp_consume(talk->berth, talk->id, 0);
}

static int read_some(struct talk *talk)
{
    uint8_t bytes[20];
    size_t got;
    return berth_tcp_read(talk->berth, talk->id, bytes, sizeof bytes, &got);
}

static int reserve(struct talk *talk)
{
    struct berth_view view;
    uint32_t count;
    return berth_tcp_reserve(talk->berth, talk->id, 10, &view, 1, &count);
}

static int commit_nothing(struct talk *talk)
{
    return berth_tcp_commit(talk->berth, talk->id, 0);
}

static int write_some(struct talk *talk)
{
    size_t taken;
    return berth_tcp_write(talk->berth, talk->id, "0123456789", 10, &taken);
}

static int more(struct talk *talk)
{
    return berth_tcp_more(talk->berth, talk->id);
}

static int urgent(struct talk *talk)
{
    return berth_tcp_urgent(talk->berth, talk->id);
}

static int shut_down(struct talk *talk)
{
    return berth_tcp_shutdown(talk->berth, talk->id);
}

static bool is_announced(enum berth_tcp_option option)
{
    return option == BERTH_TCP_MSS_BYTES || option == BERTH_TCP_FAST_OPEN ||
           option == BERTH_TCP_FAST_OPEN_NO_COOKIE;
}

static bool is_switch(enum berth_tcp_option option)
{
    return option == BERTH_TCP_NO_DELAY || option == BERTH_TCP_QUICK_ACK ||
           option == BERTH_TCP_KEEPALIVE || option == BERTH_TCP_CORK ||
           option == BERTH_TCP_TIMEOUT_OPTION || option == BERTH_TCP_TIMEOUT_CHANGEABLE;
}

/* Each to what it is; switches to the other side first. */
static int set_options(struct talk *talk)
{
    int result = 0;
    for (unsigned i = 0; i <= BERTH_TCP_FAST_OPEN_NO_COOKIE && result == 0; i++) {
        enum berth_tcp_option option = (enum berth_tcp_option)i;
        uint64_t value = 0;
        result = berth_tcp_get(talk->berth, talk->id, option, &value);
        if (result == 0 && is_switch(option)) {
            result = berth_tcp_set(talk->berth, talk->id, option, 1 - value);
        }
        if (result == 0 && !is_announced(option)) {
            result = berth_tcp_set(talk->berth, talk->id, option, value);
        }
    }
    return result;
}

static int keep_alive(struct talk *talk)
{
    int result = berth_tcp_set(talk->berth, talk->id, BERTH_TCP_KEEPALIVE, 1);
    return result != 0
               ? result
               : berth_tcp_set(talk->berth, talk->id, BERTH_TCP_KEEPALIVE_IDLE_NS, NS_PER_S);
}

static int linger(struct talk *talk)
{
    return berth_tcp_set(talk->berth, talk->id, BERTH_TCP_LINGER_NS, NS_PER_S);
}

static int set_announced(struct talk *talk)
{
    return berth_tcp_set(talk->berth, talk->id, BERTH_TCP_MSS_BYTES, 1000);
}

static int control(struct talk *talk)
{
    static const char *const names[] = {"bbr", "newreno", "cubic"};
    int result = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && result == 0; i++) {
        result = berth_tcp_set_congestion_control(talk->berth, talk->id, names[i]);
    }
    return result;
}

static int ask(struct talk *talk)
{
    struct berth_tcp_info info;
    return berth_tcp_info(talk->berth, talk->id, &info);
}

static int abort_it(struct talk *talk)
{
    return berth_tcp_abort(talk->berth, talk->id);
}

static int close_it(struct talk *talk)
{
    return berth_tcp_close(talk->berth, talk->id);
}

/* ---- What they say --------------------------------------------------------------------------- */

static int fine(const struct place *place)
{
    (void)place;
    return 0;
}

static int as_reading(const struct place *place)
{
    return place->read;
}

static int as_writing(const struct place *place)
{
    return place->write;
}

static int as_bytes(const struct place *place)
{
    return place->has_bytes ? 0 : BERTH_E_INVALID;
}

static int nothing_waits(const struct place *place)
{
    return place->write != 0 ? place->write : BERTH_E_STATE;
}

static int as_open(const struct place *place)
{
    bool is_open = place->state != BERTH_TCP_CLOSED && place->state != BERTH_TCP_LISTEN;
    return is_open ? 0 : place->write;
}

static int as_unannounced(const struct place *place)
{
    return place->state == BERTH_TCP_LISTEN ? 0 : BERTH_E_STATE;
}

static const struct call {
    int (*make)(struct talk *talk);
    const char *name;
    int (*expected)(const struct place *place);
} calls[] = {
#define CALL(make, expected)  \
    {                         \
        make, #make, expected \
    }
    CALL(ask, fine),
    CALL(peek, as_reading),
    CALL(consume_nothing, fine),
    CALL(consume, as_bytes),
    CALL(read_some, as_reading),
    CALL(urgent, nothing_waits),
    CALL(reserve, as_writing),
    CALL(commit_nothing, as_writing),
    CALL(write_some, as_writing),
    CALL(more, as_writing),
    CALL(set_options, fine),
    CALL(keep_alive, fine),
    CALL(linger, fine),
    CALL(set_announced, as_unannounced),
    CALL(control, fine),
    CALL(shut_down, as_open),
    CALL(close_it, fine),
    CALL(abort_it, fine),
#undef CALL
};

#define CALLS (sizeof calls / sizeof *calls)

static void small(struct berth_config *config)
{
    config->limits.tcp_connections = 4;
    config->limits.tcp_paced = 1;
    config->limits.buffers = 64;
    config->limits.buffers_reserved = 16;
}

static void assert_nothing_is_left(struct talk *talk)
{
    const struct tcp *tcp = &talk->berth->tcp;
    assert_int_equal(talk_connections(talk), 0);
    assert_int_equal(tcp->conns.used, 0);
    assert_int_equal(tcp->works.used, 0);
    assert_int_equal(tcp->ledgers.used, 0);
    assert_int_equal(tcp->rates.used, 0);
    assert_int_equal(tcp->options.used, 0);
    assert_int_equal(talk->berth->buffers.free, talk->berth->buffers.count);
}

/* FIRST, and then all others: in one go, or each after what the one before has caused and
 * PAUSE_MS. */
static void in_turn(const struct place *place, size_t first, uint64_t pause_ms)
{
    struct talk talk;
    talk_begin(&talk, small);
    place->reach(&talk);
    talk_forget(&talk);
    int said = calls[first].make(&talk);
    if (said != calls[first].expected(place)) {
        fail_msg("%s of %s says %s, not %s", calls[first].name, place->name, berth_error_text(said),
                 berth_error_text(calls[first].expected(place)));
    }
    for (size_t i = 0; i < CALLS; i++) {
        if (pause_ms > 0) {
            talk_wait_ms(&talk, pause_ms);
            talk_forget(&talk);
        }
        (void)calls[i].make(&talk);
        stack_check(talk.berth);
    }
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(calls[i].make(&talk), BERTH_E_STALE);
    }
    talk_wait_ms(&talk, 1);
    talk_forget(&talk);
    talk_wait_ms(&talk, LONG_MS);
    assert_nothing_is_left(&talk);
    talk_end(&talk);
}

static void every_call_in_every_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct talk talk;
        talk_begin(&talk, small);
        places[i].reach(&talk);
        if (talk_state(&talk) != places[i].state ||
            (talk.berth->tcp.works.used == 0) != places[i].rests) {
            fail_msg("%s is in state %s, %u records of work", places[i].name,
                     berth_tcp_state_name(talk_state(&talk)), talk.berth->tcp.works.used);
        }
        talk_end(&talk);
        for (size_t first = 0; first < CALLS; first++) {
            in_turn(&places[i], first, 0);
            in_turn(&places[i], first, 500);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
