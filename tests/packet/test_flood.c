/* SPDX-License-Identifier: MIT */
/* More SYNs than there is room for: the SYN queue, the backlog, SYN cookies (RFC 4987). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define PERIOD_MS 64000 /* of a cookie's key */

/* COUNT SYNs from as many ports; what is sent back does not matter. */
static void flood(struct talk *talk, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        talk->peer_port = (uint16_t)(20000 + i);
        talk_in(talk, "S 0 win 1000 mss 1460");
        talk_forget(talk);
    }
    talk->peer_port = TALK_PEER_PORT;
}

static uint64_t cookies_out(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_cookies_out;
}

static uint64_t cookies_in(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_cookies_in;
}

static void small_queue(struct berth_config *config)
{
    config->tcp.syn_queue = 3;
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_OFF;
}

static void the_syn_queue_is_bounded(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, small_queue);
    talk_listen(&talk);
    flood(&talk, 5);
    assert_int_equal(talk_half_open(&talk), 3);
    assert_int_equal(talk_connections(&talk), 0); /* records only */
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BACKLOG_FULL), 2);
    assert_int_equal(cookies_out(&talk), 0);
    talk_end(&talk);
}

static void small_queue_with_cookies(struct berth_config *config)
{
    config->tcp.syn_queue = 3;
}

/* A SYN is answered with a cookie, late; the client asks again, and now there is room. It takes the
 * first answer. */
static void a_cookie_counts_beside_a_record(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, small_queue_with_cookies);
    talk_listen(&talk);
    flood(&talk, 3);
    talk.iss_known = false;
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(cookies_out(&talk), 1);
    talk.peer_port = 20000;
    talk_in(&talk, "R 1");
    assert_int_equal(talk_half_open(&talk), 2);
    talk.peer_port = TALK_PEER_PORT;
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_forget(&talk); /* another SYN,ACK, of a record */
    assert_int_equal(talk_half_open(&talk), 3);
    talk_in(&talk, ". 1 ack 400000000 win 1000"); /* of neither */
    talk_out(&talk, "R 400000000");
    assert_int_equal(talk_half_open(&talk), 3);
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_silent(&talk);
    assert_int_equal(talk_half_open(&talk), 2);
    assert_int_equal(cookies_in(&talk), 1);
    talk_accept(&talk);
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_end(&talk);
}

static void always_cookies(struct berth_config *config)
{
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_ALWAYS;
}

/* The next listener of the port may have said other things in its SYN,ACKs. */
static void a_cookie_is_its_listeners(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always_cookies);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(berth_tcp_close(talk.berth, talk.listener), 0);
    talk_listen(&talk);
    flood(&talk, 1); /* this one has cookies out, too */
    assert_int_equal(cookies_out(&talk), 2);
    talk_in(&talk, ". 1 ack 1 win 1000");
    assert_int_equal(cookies_in(&talk), 0);
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void few_records(struct berth_config *config)
{
    config->limits.tcp_half_open = 2;
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_OFF;
}

static void the_stacks_records_are_bounded(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, few_records);
    talk_listen(&talk);
    flood(&talk, 5);
    assert_int_equal(talk_half_open(&talk), 2);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BACKLOG_FULL), 3);
    talk_end(&talk);
}

static void half_open_is_given_up(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    uint64_t expected_ms = 1000;
    for (unsigned i = 0; i < talk.config.tcp.syn_retries; i++) {
        uint64_t waited = talk_wait_out_ms(&talk, 100000);
        assert_in_range(waited, expected_ms - 1, expected_ms + 2);
        talk_out(&talk, "S. 0 ack 1");
        expected_ms = min_u64(expected_ms * 2, talk.config.tcp.rto_max_ns / NS_PER_MS);
    }
    assert_int_equal(talk_half_open(&talk), 1);
    talk_wait_ms(&talk, 61000);
    assert_int_equal(talk_half_open(&talk), 0);
    talk_silent(&talk);
    talk_end(&talk);
}

/* Fills the backlog of 4 with connections that nobody accepts. */
static void fill_backlog(struct talk *talk)
{
    for (uint16_t i = 0; i < 4; i++) {
        talk->peer_port = (uint16_t)(20000 + i);
        talk_in(talk, "S 0 win 1000");
        talk_out(talk, "S. 0 ack 1");
        talk_in(talk, ". 1 ack 1 win 1000");
    }
    talk->peer_port = TALK_PEER_PORT;
    assert_int_equal(talk_connections(talk), 4);
}

static void a_full_backlog_drops_the_last_ack(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    uint32_t iss = talk.iss;
    fill_backlog(&talk);
    talk.iss = iss;
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BACKLOG_FULL), 1);
    assert_int_equal(talk_half_open(&talk), 1);
    talk.peer_port = 30000;
    talk_in(&talk, "S 0 win 1000"); /* and new SYNs */
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BACKLOG_FULL), 2);
    talk.peer_port = TALK_PEER_PORT;
    talk_accept(&talk); /* there is room again */
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 1 ack 1 win 1000");
    assert_int_equal(talk_half_open(&talk), 0);
    assert_int_equal(talk_connections(&talk), 5);
    talk_end(&talk);
}

static void few_connections(struct berth_config *config)
{
    config->limits.tcp_connections = 2;
}

static void without_a_connection_no_handshake(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, few_connections);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    uint32_t iss = talk.iss;
    for (uint16_t i = 1; i < 3; i++) {
        talk.peer_port = (uint16_t)(TALK_PEER_PORT + i);
        talk_in(&talk, "S 0 win 1000");
        talk_out(&talk, "S. 0 ack 1");
        talk_in(&talk, ". 1 ack 1 win 1000");
    }
    talk.peer_port++;
    talk_in(&talk, "S 0 win 1000");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_CONNECTION_LIMIT), 1);
    talk.peer_port = TALK_PEER_PORT; /* and what was under way waits */
    talk.iss = iss;
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_CONNECTION_LIMIT), 2);
    assert_int_equal(talk_half_open(&talk), 1);
    talk_end(&talk);
}

static void abort_on_overflow(struct berth_config *config)
{
    config->tcp.abort_on_overflow = true;
}

static void a_full_backlog_may_abort(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, abort_on_overflow);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    uint32_t iss = talk.iss;
    fill_backlog(&talk);
    talk.iss = iss;
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_out(&talk, "R 1");
    assert_int_equal(talk_half_open(&talk), 0);
    talk_end(&talk);
}

/* ---- Cookies --------------------------------------------------------------------------------- */

static void full(struct berth_config *config)
{
    config->limits.tcp_half_open = 2;
    config->tcp.timestamps = true;
}

static void always(struct berth_config *config)
{
    config->tcp.timestamps = true;
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_ALWAYS;
}

static void a_cookie_opens_when_the_queue_is_full(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, full);
    talk_listen(&talk);
    flood(&talk, 10);
    assert_int_equal(talk_half_open(&talk), 2);
    assert_int_equal(cookies_out(&talk), 8);
    talk_in(&talk, "S 0 win 1000 mss 1460 sackok wscale 9 ts 700 0");
    talk_out(&talk, "S. 0 ack 1 mss 1460 sackok");
    char ack[64];
    (void)snprintf(ack, sizeof ack, ". 1 ack 1 win 1000 ts 701 %u", talk.last_tsval);
    talk_in(&talk, ack);
    talk_accept(&talk);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.state, BERTH_TCP_ESTABLISHED);
    assert_int_equal(info.mss_send, 1460 - 12);
    assert_true(info.sack && info.timestamps && info.window_scale);
    assert_int_equal(info.snd_wnd, 1000U << 9);
    assert_int_equal(info.srtt_ns, 0); /* nobody knows when the SYN,ACK left */
    assert_int_equal(cookies_in(&talk), 1);
    uint32_t tsval = talk.last_tsval;
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 ack 1");
    assert_true((int32_t)(talk.last_tsval - tsval) >= 0); /* our clock does not go back */
    talk_end(&talk);
}

static void a_cookie_without_timestamps(void **state)
{
    (void)state;
    static const struct {
        const char *syn;
        uint16_t mss;
        uint8_t shift;
        bool scaled;
        bool sack;
    } cases[] = {{"S 0 win 1000 mss 1460 sackok wscale 8", 1460, 8, true, true},
                 {"S 0 win 1000 mss 1452 wscale 7", 1440, 7, true, false},
                 {"S 0 win 1000 mss 1340 sackok wscale 14", 1300, 8, true, true},
                 {"S 0 win 1000 mss 600 sackok wscale 5", 536, 4, true, true},
                 {"S 0 win 1000 mss 1460 sackok wscale 3", 1460, 0, false, true},
                 {"S 0 win 1000", 536, 0, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk talk;
        talk_begin(&talk, always);
        talk_listen(&talk);
        talk_in(&talk, cases[i].syn);
        talk_out(&talk, "S. 0 ack 1");
        assert_int_equal(talk_half_open(&talk), 0);
        talk_in(&talk, "P. 1+10 ack 1 win 1000"); /* the first ACK was lost */
        talk_accept(&talk);
        talk_read(&talk, 0, 10);
        struct berth_tcp_info info = talk_info(&talk);
        assert_int_equal(info.mss_send, cases[i].mss);
        assert_int_equal(info.window_scale, cases[i].scaled);
        assert_int_equal(info.sack, cases[i].sack);
        assert_int_equal(info.snd_wnd, 1000U << cases[i].shift);
        talk_end(&talk);
    }
}

static void in_stamped(struct talk *talk, uint32_t ack, uint32_t tsecr)
{
    char text[64];
    (void)snprintf(text, sizeof text, ". 1 ack %u ts 701 %u", ack, tsecr);
    talk_in(talk, text);
}

static void a_forged_cookie_is_refused(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 1460 sackok wscale 7 ts 700 0");
    talk_out(&talk, "S. 0 ack 1");
    uint32_t tsval = talk.last_tsval;
    char reset[32];
    for (unsigned bit = 0; bit < 32; bit++) { /* of the sequence number */
        uint32_t ack = 1 ^ 1U << bit;
        in_stamped(&talk, ack, tsval);
        if ((((talk.iss + ack - 1) ^ talk.iss) >> 21 & 255) == 0) {
            talk_silent(&talk); /* the four-tuple's tag is right: it might be our connection's */
            continue;
        }
        (void)snprintf(reset, sizeof reset, "R %u", ack);
        talk_out(&talk, reset);
    }
    for (unsigned bit = 0; bit < 6; bit++) { /* of what the timestamp says: scale, SACK, ECN */
        in_stamped(&talk, 1, tsval ^ 1U << bit);
        talk_silent(&talk);
    }
    talk_in(&talk, ". 2 ack 1 ts 701 0"); /* of the peer's own number */
    talk_silent(&talk);
    talk.peer_port++; /* of the four-tuple */
    in_stamped(&talk, 1, tsval);
    talk_out(&talk, "R 1");
    talk.peer_port--;
    assert_int_equal(talk_connections(&talk), 0);
    in_stamped(&talk, 1, tsval); /* and so it is right */
    assert_int_equal(talk_connections(&talk), 1);
    talk_end(&talk);
}

/* The ACK and the first text are lost, what follows is not: no RST may answer that. */
static void a_cookie_waits_for_the_first_text(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 1460");
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, "P. 101+100 ack 1");
    talk_silent(&talk);
    assert_int_equal(talk_connections(&talk), 0);
    talk_in(&talk, ". 1+100 ack 1");
    talk_out(&talk, ". 1 ack 101");
    talk_in(&talk, "P. 101+100 ack 1");
    talk_out(&talk, ". 1 ack 201");
    talk_accept(&talk);
    talk_read(&talk, 0, 200);
    talk_end(&talk);
}

static void ecn_setup(struct berth_config *config)
{
    always(config);
    config->tcp.ecn = BERTH_TCP_ECN;
}

static void a_cookie_keeps_ecn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, ecn_setup);
    talk_listen(&talk);
    talk_in(&talk, "SEC 0 win 1000 mss 1460 ts 700 0");
    talk_out(&talk, "SE. 0 ack 1");
    in_stamped(&talk, 1, talk.last_tsval);
    talk_accept(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 tos 2"); /* ECT(0) */
    talk.peer_port++;
    talk_in(&talk, "S 0 win 1000 mss 1460 ts 700 0");
    talk_out(&talk, "S. 0 ack 1");
    in_stamped(&talk, 1, talk.last_tsval);
    talk_accept(&talk);
    talk_write(&talk, 10);
    talk_out(&talk, "P. 1+10 tos 0");
    talk_end(&talk);
}

static void a_cookie_grows_old(void **state)
{
    (void)state;
    static const struct {
        uint32_t after_ms;
        uint32_t connections;
    } cases[] = {{PERIOD_MS - 1, 1}, {2 * PERIOD_MS, 0}, {4 * PERIOD_MS, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk talk;
        talk_begin(&talk, always);
        talk_listen(&talk);
        talk_in(&talk, "S 0 win 1000");
        talk_out(&talk, "S. 0 ack 1");
        uint32_t iss = talk.iss;
        talk_wait_ms(&talk, cases[i].after_ms - 10);
        talk.peer_port++;
        talk_in(&talk, "S 0 win 1000"); /* there are newer ones: the listener still looks */
        talk_forget(&talk);
        talk.peer_port--;
        talk_wait_ms(&talk, 10);
        talk.iss = iss;
        talk_in(&talk, ". 1 ack 1");
        assert_int_equal(talk_connections(&talk), cases[i].connections);
        talk_end(&talk);
    }
}

static void cookies_count_only_where_they_were_sent(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(berth_tcp_close(talk.berth, talk.listener), 0);
    talk_in(&talk, ". 1 ack 1");
    talk_out(&talk, "R 1");
    talk_listen(&talk); /* another one, which has sent none */
    talk_in(&talk, ". 1 ack 1");
    talk_out(&talk, "R 1");
    assert_int_equal(talk_connections(&talk), 0);
    talk_end(&talk);
}

static void a_cookie_waits_for_the_backlog(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000");
    talk_out(&talk, "S. 0 ack 1");
    uint32_t iss = talk.iss;
    fill_backlog(&talk);
    talk.iss = iss;
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BACKLOG_FULL), 1);
    talk_accept(&talk);
    talk_in(&talk, "P. 1+10 ack 1 win 1000"); /* the peer thinks that it is connected */
    talk_out(&talk, ". 1 ack 11");
    talk_end(&talk);
}

static void a_reopening_syn_gets_no_cookie(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, full);
    talk_established(&talk);
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "F. 1 ack 1");
    talk_in(&talk, "F. 1 ack 2");
    talk_out(&talk, ". 2 ack 2");
    flood(&talk, 3); /* the queue is full */
    talk_in(&talk, "S 100 win 1000");
    talk_silent(&talk); /* a cookie would be no number past the old connection's */
    assert_int_equal(talk_time_waits(&talk), 1);
    talk_end(&talk);
}

static void an_mss_too_small_for_a_cookie(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, full);
    talk_listen(&talk);
    flood(&talk, 2);
    talk_in(&talk, "S 0 win 1000 mss 200");
    talk_silent(&talk);
    assert_int_equal(talk_drops(&talk, BERTH_DROP_BACKLOG_FULL), 1);
    talk_end(&talk);
    talk_begin(&talk, always);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 1000 mss 200"); /* in the queue, as long as there is room */
    talk_out(&talk, "S. 0 ack 1");
    assert_int_equal(talk_half_open(&talk), 1);
    talk_end(&talk);
}

static void cookies_over_ipv6(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, always);
    talk.v6 = true;
    talk_open(&talk, "S 0 win 1000 mss 1440 sackok wscale 7", "S. 0 ack 1 mss 1440 sackok",
              ". 1 ack 1 win 1000");
    assert_int_equal(talk_info(&talk).mss_send, 1440);
    talk.peer_port++;
    talk_in(&talk, "S 0 win 1000"); /* RFC 9293 MUST-15 */
    talk_out(&talk, "S. 0 ack 1");
    talk_in(&talk, ". 1 ack 1 win 1000");
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 1220);
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 4987 3.5: the SYN queue is bounded", the_syn_queue_is_bounded, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie counts also where a later SYN has a record",
         a_cookie_counts_beside_a_record, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie is its listener's alone", a_cookie_is_its_listeners, NULL, NULL,
         NULL},
        {"RFC 4987 3.5: so are the stack's records", the_stacks_records_are_bounded, NULL, NULL,
         NULL},
        {"RFC 4987 3.3, 3.5: a half-open connection is given up", half_open_is_given_up, NULL, NULL,
         NULL},
        {"a full backlog drops the last ACK, and the SYN,ACK goes again",
         a_full_backlog_drops_the_last_ack, NULL, NULL, NULL},
        {"without a connection no handshake", without_a_connection_no_handshake, NULL, NULL, NULL},
        {"a full backlog may abort", a_full_backlog_may_abort, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie opens when the queue is full",
         a_cookie_opens_when_the_queue_is_full, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie without timestamps keeps scale and SACK",
         a_cookie_without_timestamps, NULL, NULL, NULL},
        {"RFC 4987 3.6: a forged cookie is refused", a_forged_cookie_is_refused, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie waits for the first text", a_cookie_waits_for_the_first_text, NULL,
         NULL, NULL},
        {"RFC 4987 3.6; RFC 3168 6.1.1: a cookie keeps ECN", a_cookie_keeps_ecn, NULL, NULL, NULL},
        {"RFC 4987 3.6: a cookie grows old", a_cookie_grows_old, NULL, NULL, NULL},
        {"RFC 4987 3.6: cookies count only where they were sent",
         cookies_count_only_where_they_were_sent, NULL, NULL, NULL},
        {"a cookie waits for the backlog", a_cookie_waits_for_the_backlog, NULL, NULL, NULL},
        {"RFC 9293 MAY-2: a SYN that reopens gets no cookie", a_reopening_syn_gets_no_cookie, NULL,
         NULL, NULL},
        {"an MSS too small for a cookie", an_mss_too_small_for_a_cookie, NULL, NULL, NULL},
        {"RFC 4987 3.6: cookies over IPv6", cookies_over_ipv6, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
