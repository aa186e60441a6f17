/* SPDX-License-Identifier: MIT */
/* Windows, the peer's and our own (RFC 9293 3.1, 3.8.6, 3.10.7.4 first), segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void wide(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.initial_window = 100;
}

static void unsigned_window(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, wide);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 60000"); /* with its highest bit set */
    assert_int_equal(talk_info(&talk).snd_wnd, 60000);
    talk_write(&talk, 70000);
    assert_int_equal(talk.out_count, 60000 / 1460);
    talk_end(&talk);
}

static void wide_window(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, wide);
    talk_open(&talk, "S 0 win 65535 mss 1460 wscale 14", "S. 0 ack 1", ". 1 ack 1 win 65535");
    assert_int_equal(talk_info(&talk).snd_wnd, 65535U << 14);
    talk_write(&talk, 100000);
    assert_int_equal(talk.out_count, 100000 / 1460 + 1);
    talk_end(&talk);
}

static void an_old_segment_says_nothing_of_the_window(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "P. 1+10 ack 1 win 5000");
    talk_in(&talk, "P. 11+10 ack 1 win 4000");
    talk_in(&talk, "P. 1+25 ack 1 win 60000"); /* of a lower number, though new in part: WL1 */
    assert_int_equal(talk_info(&talk).snd_wnd, 4000);
    talk_write(&talk, 1460);
    talk_write(&talk, 1460);
    talk_forget(&talk);
    talk_in(&talk, ". 26 ack 2921 win 3000");
    talk_in(&talk, ". 26 ack 1461 win 9000"); /* overtaken: WL2 */
    assert_int_equal(talk_info(&talk).snd_wnd, 3000);
    talk_in(&talk, ". 26 ack 2921 win 2000"); /* the same numbers: the newest counts */
    assert_int_equal(talk_info(&talk).snd_wnd, 2000);
    talk_end(&talk);
}

/* Acknowledged plus offered: the right edge of the segment that talk_out took last. */
static uint32_t right_edge(const struct talk *talk, uint32_t ack)
{
    return ack + talk->last_window;
}

static void unscaled(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.window_scale = false;
    config->tcp.quick_ack = true;
    config->tcp.receive_bytes_max = 20000;
    config->tcp.receive_bytes_initial = 20000;
}

static void the_edge_never_goes_back(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    uint32_t edge = 0;
    for (uint32_t i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %u+1000 ack 1", 1 + i * 1000);
        talk_in(&talk, text);
        snprintf(text, sizeof text, ". 1 ack %u", 1 + (i + 1) * 1000);
        talk_out(&talk, text);
        assert_true(right_edge(&talk, 1 + (i + 1) * 1000) >= edge);
        edge = right_edge(&talk, 1 + (i + 1) * 1000);
        if (i == 4) { /* the owner wants a smaller queue now: what was offered stays offered */
            assert_int_equal(berth_tcp_set(talk.berth, talk.id, BERTH_TCP_RECEIVE_BYTES, 2048), 0);
        }
    }
    assert_int_equal(edge, 20001);
    talk_read(&talk, 0, 20000);
    talk_end(&talk);
}

static void window_updates_are_worth_it(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    for (uint32_t i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %u+1000 ack 1", 1 + i * 1000);
        talk_in(&talk, text);
    }
    talk_forget(&talk);
    talk_in(&talk, ". 20000 ack 1"); /* a probe: the window is shut */
    talk_out(&talk, ". 1 ack 20001 win 0");
    for (uint32_t read = 0; read < 1400; read += 100) {
        talk_read(&talk, read, 100); /* not a segment's worth: neither told nor offered */
    }
    talk_silent(&talk);
    talk_in(&talk, ". 20000 ack 1");
    talk_out(&talk, ". 1 ack 20001 win 0");
    talk_read(&talk, 1400, 100);
    talk_out(&talk, ". 1 ack 20001 win 1500");
    talk_end(&talk);
}

static void fill(struct talk *talk)
{
    for (uint32_t i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, ". %u+1000 ack 1", 1 + i * 1000);
        talk_in(talk, text);
    }
    talk_forget(talk);
    assert_int_equal(talk_info(talk).rcv_wnd, 0);
}

static void a_shut_window_takes_rst(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    fill(&talk);
    talk_in(&talk, "R 20002"); /* not next: no */
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, "R 20001");
    assert_int_equal(talk.error, BERTH_E_RESET);
    talk_end(&talk);
}

static void rst_with_text(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, "R 1+30"); /* the text says why, and is no data */
    assert_int_equal(talk.error, BERTH_E_RESET);
    talk_silent(&talk);
    talk_end(&talk);
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    fill(&talk);
    talk_in(&talk, "R 20001+30"); /* also where there is no room for any */
    assert_int_equal(talk.error, BERTH_E_RESET);
    talk_end(&talk);
}

static void ack_at_the_edge(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10");
    for (uint32_t i = 1; i < 20; i++) { /* all of the window but its first segment, lost */
        char text[64];
        snprintf(text, sizeof text, ". %u+1000 ack 1", 1 + i * 1000);
        talk_in(&talk, text);
    }
    talk_forget(&talk);
    talk_in(&talk, ". 20001 ack 11"); /* it can say nothing with a lower number */
    assert_int_equal(talk_info(&talk).bytes_acked, 10);
    talk_silent(&talk);
    talk_in(&talk, ". 20002 ack 11");
    talk_out(&talk, ". 11 ack 1");
    talk_end(&talk);
}

static void fin_past_the_edge(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    fill(&talk);
    talk_in(&talk, "FP. 20001+500 ack 1"); /* a probe with all that is left */
    talk_out(&talk, ". 1 ack 20001 win 0");
    talk_read(&talk, 0, 10000);
    talk_out(&talk, ". 1 ack 20001"); /* the window opens: the FIN was not taken */
    assert_true(talk.last_window > 1460);
    talk_forget(&talk);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, "FP. 20001+500 ack 1");
    talk_out(&talk, ". 1 ack 20502");
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSE_WAIT);
    talk_end(&talk);
    talk_begin(&talk, unscaled);
    talk_established(&talk);
    fill(&talk);
    talk_in(&talk, "F. 20001 ack 1"); /* one that needs no room */
    talk_out(&talk, ". 1 ack 20002");
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSE_WAIT);
    talk_end(&talk);
}

static void shrunk_to_nothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, talk_without_sack);
    talk_established(&talk);
    talk_write(&talk, 2920);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1 win 0"); /* and what is under way was thrown away */
    uint64_t total = 0;
    uint64_t last = 0;
    while (total < 4 * talk.config.tcp.user_timeout_ns / NS_PER_MS) {
        uint64_t waited = talk_wait_out_ms(&talk, 200000);
        assert_int_equal(talk.out_count, 1); /* probed with what stands first */
        talk_out(&talk, ". 1+1460");
        assert_true(waited >= last || waited >= 59000);
        last = waited;
        total += waited;
        talk_in(&talk, ". 1 ack 1 win 0"); /* it lives */
    }
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, ". 1 ack 1 win 8000");
    talk_wait_out_ms(&talk, 70000);
    talk_out(&talk, ". 1+1460");
    talk_in(&talk, ". 1 ack 1461 win 8000");
    talk_out(&talk, "P. 1461+1460");
    talk_in(&talk, ". 1 ack 2921 win 8000");
    talk_end(&talk);
}

static void shrunk_in_part(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 4380);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 1 win 3000"); /* room for two of the three, but none is taken */
    for (unsigned i = 0; i < 100 && (talk.events & BERTH_EVENT_CLOSED) == 0; i++) {
        talk_wait_out_ms(&talk, 200000);
        talk_forget(&talk);
        talk_in(&talk, ". 1 ack 1 win 3000");
        talk_forget(&talk);
    }
    assert_int_equal(talk.error, BERTH_E_TIMED_OUT); /* that is no reason to wait for ever */
    talk_end(&talk);
}

static void a_short_user_timeout(void **state)
{
    (void)state;
    for (unsigned in_flight = 0; in_flight < 2; in_flight++) {
        struct talk talk;
        talk_begin(&talk, NULL);
        talk_established(&talk);
        assert_int_equal(
            berth_tcp_set(talk.berth, talk.id, BERTH_TCP_USER_TIMEOUT_NS, 5 * NS_PER_S), 0);
        talk_in(&talk, in_flight == 0 ? ". 1 ack 1 win 0" : ". 1 ack 1");
        talk_write(&talk, 1460);
        talk_forget(&talk);
        talk_in(&talk, ". 1 ack 1 win 0");
        for (unsigned i = 0; i < 12; i++) { /* further apart than that, but each is answered */
            talk_wait_out_ms(&talk, 200000);
            assert_int_equal(talk.out_count, 1);
            talk_forget(&talk);
            talk_in(&talk, ". 1 ack 1 win 0");
        }
        assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
        talk_wait_out_ms(&talk, 200000);
        talk_forget(&talk);
        talk_wait_ms(&talk, 6000); /* no answer: it has gone */
        assert_int_equal(talk.error, BERTH_E_TIMED_OUT);
        talk_end(&talk);
    }
}

static void an_orphan_has_its_time(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 0");
    talk_write(&talk, 100);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    uint64_t until = talk.now_ns + 2 * talk.config.tcp.user_timeout_ns;
    while (talk.now_ns < until) {
        talk_wait_out_ms(&talk, 100000);
        talk_forget(&talk);
        talk_in(&talk, ". 1 ack 1 win 0");
        talk_forget(&talk);
    }
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void first_probe(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 0");
    uint64_t rto_ms = talk_info(&talk).rto_ns / NS_PER_MS;
    talk_write(&talk, 100);
    uint64_t waited = talk_wait_out_ms(&talk, 200000);
    assert_in_range(waited, rto_ms, rto_ms + 2);
    talk_out(&talk, ". 0+0 ack 1");
    talk_end(&talk);
}

static void an_open_window_starts_no_timer_anew(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_in(&talk, ". 1 ack 1 win 10000");
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100");
    uint64_t rto_ms = talk_info(&talk).rto_ns / NS_PER_MS;
    for (unsigned i = 0; i < 8; i++) { /* RFC 6298 (5.3): new data acknowledged, nothing else */
        char text[64];
        talk_wait_ms(&talk, rto_ms / 10);
        snprintf(text, sizeof text, ". 1 ack 1 win %u", 11000 + i * 1000);
        talk_in(&talk, text);
    }
    talk_silent(&talk);
    uint64_t waited = talk_wait_out_ms(&talk, 200000);
    assert_true(waited <= rto_ms / 4);
    talk_out(&talk, "P. 1+100");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 9293 MUST-1: the window is unsigned", unsigned_window, NULL, NULL, NULL},
        {"RFC 9293 REC-1: the window has 32 bits", wide_window, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: an old segment says nothing of the window",
         an_old_segment_says_nothing_of_the_window, NULL, NULL, NULL},
        {"RFC 9293 SHLD-14: the right edge never goes back", the_edge_never_goes_back, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-39: no silly window is offered", window_updates_are_worth_it, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-66, MAY-8: a shut window takes a RST", a_shut_window_takes_rst, NULL, NULL,
         NULL},
        {"RFC 9293 SHLD-2: a RST with text", rst_with_text, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: an ACK at the window's edge", ack_at_the_edge, NULL, NULL, NULL},
        {"RFC 9293 3.10.7.4: a FIN past the window's edge", fin_past_the_edge, NULL, NULL, NULL},
        {"RFC 9293 MUST-35, MUST-37, SHLD-17, MAY-7: a window that shrinks to nothing",
         shrunk_to_nothing, NULL, NULL, NULL},
        {"RFC 9293 MUST-37, SHLD-17: a shut window and a short user timeout", a_short_user_timeout,
         NULL, NULL, NULL},
        {"RFC 6429 4: an orphan has its time", an_orphan_has_its_time, NULL, NULL, NULL},
        {"RFC 9293 3.8.6: a window that shrinks, and takes nothing", shrunk_in_part, NULL, NULL,
         NULL},
        {"RFC 9293 SHLD-29: the first probe", first_probe, NULL, NULL, NULL},
        {"RFC 6298 5.3: a window that opens starts no timer anew",
         an_open_window_starts_no_timer_anew, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
