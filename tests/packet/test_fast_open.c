/* SPDX-License-Identifier: MIT */
/* TCP Fast Open (RFC 7413), both sides, segment by segment. */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COOKIE  "0102030405060708"
#define HOUR_MS (3600 * 1000)

static void fast(struct berth_config *config)
{
    config->tcp.timestamps = false;
    config->tcp.fast_open = true;
    config->tcp.fast_open_pending = 2;
}

static uint64_t fast_opens(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_fast_opens;
}

/* ---- The server ------------------------------------------------------------------------------ */

/* A first connection, which only gets the cookie; the next one is to come from another port. */
static void get_cookie(struct talk *talk)
{
    talk_listen(talk);
    talk_in(talk, "S 0 win 5000 mss 1460 fo ask");
    talk_out(talk, "S. 0 ack 1 fo any");
    talk_in(talk, "R 1");
    assert_int_equal(talk->last_cookie_bytes, 8);
    talk->peer_port++;
}

static void it_is_off_by_default(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    talk_in(&talk, "S 0+20 win 5000 fo " COOKIE);
    talk_out(&talk, "S. 0 ack 1 fo no");
    talk_in(&talk, "R 1");
    talk.peer_port++;
    talk_in(&talk, "S 0 win 5000 fo ask");
    talk_out(&talk, "S. 0 ack 1 fo no");
    talk.peer_port++;
    talk_connect(&talk);
    talk_out(&talk, "S 0 fo no");
    talk_end(&talk);
}

static void text_on_a_syn_is_taken(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0+0 ack 21 fo no");
    talk_accept(&talk); /* before the handshake is complete */
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_RECEIVED);
    assert_int_equal(fast_opens(&talk), 1);
    talk_read(&talk, 0, 20);
    talk_write(&talk, 100); /* the answer, a round trip earlier */
    talk_out(&talk, "P. 1+100 ack 21");
    talk_in(&talk, ". 21 ack 101 win 5000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    assert_int_equal(talk_info(&talk).bytes_acked, 100);
    talk_in(&talk, "P. 21+10 ack 101");
    talk_out(&talk, ". 101 ack 31");
    talk_read(&talk, 20, 10);
    talk_end(&talk);
}

static void the_ack_may_take_the_syn_alone(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 sackok fo last");
    talk_out(&talk, "S. 0 ack 21");
    talk_accept(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 ack 21");
    talk_in(&talk, ". 21 ack 1 win 5000"); /* of the SYN,ACK; the text was lost */
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_wait_out_ms(&talk, 3000);
    talk_out(&talk, "P. 1+100 ack 21");
    talk_in(&talk, ". 21 ack 101");
    talk_wait_ms(&talk, 5000);
    talk_silent(&talk);
    talk_end(&talk);
}

static void closing_waits_for_the_handshake(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0 ack 21");
    talk_accept(&talk);
    talk_read(&talk, 0, 20);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 ack 21");
    assert_int_equal(berth_tcp_close(talk.berth, talk.id), 0);
    talk_wait_ms(&talk, 0);
    talk_silent(&talk); /* RFC 9293 3.10.4: queued until it is established */
    talk_in(&talk, ". 21 ack 101 win 5000");
    talk_out(&talk, "F. 101 ack 21");
    talk_end(&talk);
}

static void the_syn_ack_goes_again_without(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0+0 ack 21");
    talk_accept(&talk);
    talk_write(&talk, 100);
    talk_out(&talk, "P. 1+100 ack 21");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S. 0+0 ack 21 fo no");
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last"); /* and for the SYN that comes again */
    talk_out(&talk, "S. 0+0 ack 21 fo no");
    talk_in(&talk, ". 21 ack 101 win 5000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    assert_int_equal(talk_connections(&talk), 1);
    talk_end(&talk);
    talk_begin(&talk, fast);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 5000 fo ask"); /* nor does a cookie that was asked for */
    talk_out(&talk, "S. 0 ack 1 fo any");
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S. 0 ack 1 fo no");
    talk_end(&talk);
}

static void a_wrong_cookie_is_replaced(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 fo " COOKIE);
    talk_out(&talk, "S. 0 ack 1 fo any"); /* the text is not taken: the handshake is needed */
    assert_int_equal(talk_connections(&talk), 0);
    talk_in(&talk, "P. 1+20 ack 1 win 5000");
    talk_out(&talk, ". 1 ack 21");
    talk_accept(&talk);
    talk_read(&talk, 0, 20);
    talk.peer_port++;
    talk_in(&talk, "S 0+20 win 5000 from 10.9.0.3 fo last"); /* another client's is none */
    assert_int_equal(fast_opens(&talk), 0);
    talk_end(&talk);
}

static void cookies_of_strange_lengths_are_ignored(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    talk_listen(&talk);
    talk_in(&talk, "S 0 win 5000 opts 220501020301010101010101"); /* odd */
    talk_out(&talk, "S. 0 ack 1 fo no");
    talk.peer_port++;
    talk_in(&talk, "S 0 win 5000 opts 22040102"); /* shorter than 4 */
    talk_out(&talk, "S. 0 ack 1 fo no");
    talk.peer_port++;
    talk_in(&talk, "S 0 win 5000 opts 2206010203040101"); /* one, but none of ours */
    talk_out(&talk, "S. 0 ack 1 fo any");
    talk_end(&talk);
}

static void cookies_grow_old(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_wait_ms(&talk, 12 * HOUR_MS);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last"); /* good, and a new one comes */
    talk_out(&talk, "S. 0+0 ack 21 fo any");
    talk_in(&talk, "R 21");
    talk.peer_port++;
    talk_wait_ms(&talk, 25 * HOUR_MS);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last"); /* too old */
    talk_out(&talk, "S. 0 ack 1 fo any");
    assert_int_equal(fast_opens(&talk), 1);
    talk_end(&talk);
}

static void pending_ones_are_bounded(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast); /* two */
    get_cookie(&talk);
    for (unsigned i = 0; i < 2; i++) {
        talk.peer_port++;
        talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
        talk_out(&talk, "S. 0 ack 21");
    }
    talk.peer_port++;
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0 ack 1"); /* the third takes the whole handshake */
    talk.peer_port--;
    talk_in(&talk, "R 21"); /* a RST makes no room for a while */
    assert_int_equal(talk_connections(&talk), 1);
    talk.peer_port += 2;
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0 ack 1");
    talk_wait_ms(&talk, 60001);
    talk_forget(&talk);
    talk.peer_port++;
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0 ack 21");
    assert_int_equal(fast_opens(&talk), 3);
    talk_end(&talk);
}

static void the_listener_may_go_first(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0 ack 21");
    talk_accept(&talk);
    uint32_t iss = talk.iss;
    talk.peer_port++;
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0 ack 21");
    assert_int_equal(berth_tcp_close(talk.berth, talk.listener), 0);
    talk_wait_ms(&talk, 0);
    talk_out(&talk, "R. 1 ack 21"); /* nobody had accepted that one */
    talk.peer_port--;
    talk.iss = iss;
    talk_in(&talk, ". 21 ack 1 win 5000");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_read(&talk, 0, 20);
    talk_end(&talk);
}

static void a_syn_is_challenged_already(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    get_cookie(&talk);
    talk_in(&talk, "S 0+20 win 5000 mss 1460 fo last");
    talk_out(&talk, "S. 0+0 ack 21");
    talk_accept(&talk);
    talk_in(&talk, "S 1000 win 5000"); /* in the window: anyone may guess that */
    talk_out(&talk, ". 1 ack 21");
    assert_int_equal(talk_state(&talk), BERTH_TCP_SYN_RECEIVED);
    talk_read(&talk, 0, 20);
    talk_in(&talk, "R 21"); /* of a client that has begun anew */
    assert_int_equal(talk_state(&talk), BERTH_TCP_CLOSED);
    talk_end(&talk);
}

/* ---- The client ------------------------------------------------------------------------------ */

/* A first connection, in which the peer gives COOKIE; the next goes to the same port. */
static void learn_cookie(struct talk *talk)
{
    talk_connect_with(talk, 0);
    talk_out(talk, "S 0+0 fo ask");
    talk_in(talk, "S. 0 ack 1 win 5000 mss 1000 fo " COOKIE);
    talk_out(talk, ". 1 ack 1");
    assert_int_equal(berth_tcp_abort(talk->berth, talk->id), 0);
    talk_wait_ms(talk, 0);
    talk_forget(talk);
    talk->port++;
}

static void a_cookie_is_asked_for_first(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+0 fo ask"); /* no text without a cookie */
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1460 fo " COOKIE);
    talk_out(&talk, "P. 1+50 ack 1");
    talk_end(&talk);
}

static void text_goes_with_the_syn(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_in(&talk, "S. 0 ack 51 win 5000 mss 1000");
    talk_out(&talk, ". 51 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    struct berth_tcp_info info = talk_info(&talk);
    assert_int_equal(info.bytes_acked, 50);
    assert_int_equal(info.bytes_sent, 50);
    assert_int_equal(info.send_queue_bytes, 0);
    talk_in(&talk, "P. 1+10 ack 51");
    talk_out(&talk, ". 51 ack 11");
    talk_read(&talk, 0, 10);
    talk_write(&talk, 20);
    talk_out(&talk, "P. 51+20 ack 11");
    talk_end(&talk);
}

static void a_syn_without_text_tells_nothing(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 0);
    talk_out(&talk, "S 0+0 fo " COOKIE);
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1000"); /* no text to take, no cookie asked */
    talk_out(&talk, ". 1 ack 1");
    talk.port++;
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_end(&talk);
}

/* A SYN does not point to the mark. */
static void urgent_text_waits(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    struct berth_endpoint to = {.address = talk_peer(&talk), .port = talk.peer_port};
    struct berth_endpoint from = {.address = talk_stack(&talk), .port = talk.port};
    uint8_t text[50] = {0};
    size_t taken;
    assert_int_equal(berth_tcp_connect(talk.berth, &from, &to, NULL, &talk.id), 0);
    assert_int_equal(berth_tcp_write(talk.berth, talk.id, text, sizeof text, &taken), 0);
    assert_int_equal(berth_tcp_urgent(talk.berth, talk.id), 0);
    talk_collect(&talk);
    talk_out(&talk, "S 0+0 fo " COOKIE);
    talk.port++;
    talk_end(&talk);
}

static void no_more_than_the_servers_mss(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk); /* MSS 1000 */
    talk_connect_with(&talk, 3000);
    talk_out(&talk, "S 0+976 fo " COOKIE); /* 24 bytes of options */
    talk_in(&talk, "S. 0 ack 977 win 5000 mss 1000");
    talk_out(&talk, ". 977+1000 ack 1");
    talk_out(&talk, ". 1977+1000 ack 1");
    talk_out(&talk, "P. 2977+24 ack 1");
    talk_end(&talk);
}

static void text_that_is_not_taken_goes_again(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1000 fo 1112131415161718"); /* a new cookie */
    talk_out(&talk, "P. 1+50 ack 1");
    talk_in(&talk, ". 1 ack 51 win 5000");
    assert_int_equal(talk_info(&talk).bytes_sent, 50);
    assert_int_equal(talk_info(&talk).retransmissions, 0);
    talk.port++;
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo 1112131415161718");
    talk_in(&talk, "S. 0 ack 31 win 5000 mss 1000"); /* and some of it */
    talk_out(&talk, "P. 31+20 ack 1");
    talk_in(&talk, ". 1 ack 51 win 5000");
    talk_wait_ms(&talk, 10000);
    talk_silent(&talk);
    talk_end(&talk);
}

static void a_lost_syn_goes_again_plain(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S 0+0 fo no");
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1000");
    talk_out(&talk, "P. 1+50 ack 1");
    talk.port++;
    talk_connect_with(&talk, 50); /* what is dropped on the way is not tried again so soon */
    talk_out(&talk, "S 0+0 fo no");
    talk.port++;
    talk_wait_ms(&talk, HOUR_MS);
    talk_forget(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_wait_out_ms(&talk, 2000);
    talk_out(&talk, "S 0+0 fo no");
    talk_in(&talk, "S. 0 ack 51 win 5000 mss 1000"); /* the first one was only late */
    talk_out(&talk, ". 51 ack 1");
    assert_int_equal(talk_info(&talk).bytes_acked, 50);
    talk_end(&talk);
}

/* The path drops what is as large as the SYN with its text: without waiting for the timeout it goes
 * again plain, nothing is taken for congestion, and what follows fits. */
static void a_syn_too_large_for_the_path_goes_again_at_once(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 900);
    talk_out(&talk, "S 0+900 fo " COOKIE);
    struct talk_icmp other = {3, 4, 1, 600};
    talk_icmp(&talk, &other); /* of no SYN */
    talk_silent(&talk);
    struct talk_icmp icmp = {3, 4, 0, 600}; /* too big */
    talk_icmp(&talk, &icmp);
    talk_out(&talk, "S 0+0 fo no");
    talk_icmp(&talk, &icmp); /* the plain one is no larger than any path takes */
    talk_silent(&talk);
    assert_in_range(talk_wait_out_ms(&talk, 2000), 990, 1010);
    talk_out(&talk, "S 0+0 fo no");
    talk_end(&talk);

    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 900);
    talk_out(&talk, "S 0+900 fo " COOKIE);
    talk_icmp(&talk, &icmp);
    talk_out(&talk, "S 0+0 fo no");
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1000");
    talk_out(&talk, ". 1+560 ack 1");
    talk_out(&talk, "P. 561+340 ack 1");
    assert_int_equal(talk_info(&talk).path_mtu, 600);
    assert_int_equal(talk_info(&talk).cwnd_bytes, 5600); /* of ten segments, not one */
    talk_end(&talk);
}

static void who_gives_no_cookie_is_not_asked_again(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    talk_connect_with(&talk, 0);
    talk_out(&talk, "S 0 fo ask");
    talk_in(&talk, "S. 0 ack 1 win 5000");
    talk_out(&talk, ". 1 ack 1");
    talk.port++;
    talk_connect_with(&talk, 0);
    talk_out(&talk, "S 0 fo no");
    talk_in(&talk, "R. 0 ack 1");
    talk.peer_port++; /* another service may */
    talk.port++;
    talk_connect_with(&talk, 0);
    talk_out(&talk, "S 0 fo ask");
    talk_end(&talk);
}

static void text_of_a_syn_ack_is_taken(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_in(&talk, "S. 0+30 ack 51 win 5000 mss 1000");
    talk_out(&talk, ". 51 ack 31");
    talk_read(&talk, 0, 30);
    talk_end(&talk);
}

static void simultaneous_open_with_text(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, fast);
    learn_cookie(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk_in(&talk, "S 0+10 win 5000 mss 1000 fo " COOKIE);
    talk_out(&talk, "S. 0+0 ack 1 fo no");
    talk_in(&talk, "S. 0 ack 1 win 5000 mss 1000");
    talk_out(&talk, "P. 1+50 ack 1");
    assert_int_equal(talk_state(&talk), BERTH_TCP_ESTABLISHED);
    talk_in(&talk, "P. 1+10 ack 51");
    talk_out(&talk, ". 51 ack 11");
    talk_end(&talk);
}

static void one_server(struct berth_config *config)
{
    fast(config);
    config->limits.tcp_fast_open_servers = 1;
}

static void the_cache_is_bounded(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, one_server);
    learn_cookie(&talk);
    talk.peer_port++;
    learn_cookie(&talk);
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+50 fo " COOKIE);
    talk.peer_port--; /* forgotten */
    talk.port++;
    talk_connect_with(&talk, 50);
    talk_out(&talk, "S 0+0 fo ask");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 7413 1, 4.2: it is off by default, and cookies are ignored", it_is_off_by_default,
         NULL, NULL, NULL},
        {"RFC 7413 4.2.2: text on a SYN is taken", text_on_a_syn_is_taken, NULL, NULL, NULL},
        {"RFC 7413 4.2.2: the ACK may take the SYN,ACK alone", the_ack_may_take_the_syn_alone, NULL,
         NULL, NULL},
        {"RFC 7413 4.2.2: closing waits for the handshake", closing_waits_for_the_handshake, NULL,
         NULL, NULL},
        {"RFC 7413 4.2.1, 4.2.2: the SYN,ACK goes again without", the_syn_ack_goes_again_without,
         NULL, NULL, NULL},
        {"RFC 7413 4.1.2: a wrong cookie is replaced", a_wrong_cookie_is_replaced, NULL, NULL,
         NULL},
        {"RFC 7413 4.1.1: cookies of strange lengths are ignored",
         cookies_of_strange_lengths_are_ignored, NULL, NULL, NULL},
        {"RFC 7413 4.1.2: cookies grow old", cookies_grow_old, NULL, NULL, NULL},
        {"RFC 7413 4.2, 5.1: pending ones are bounded", pending_ones_are_bounded, NULL, NULL, NULL},
        {"RFC 7413 4.2: the listener may go first", the_listener_may_go_first, NULL, NULL, NULL},
        {"RFC 7413 4.2.1: a cookie is asked for first", a_cookie_is_asked_for_first, NULL, NULL,
         NULL},
        {"RFC 7413 4.1.3, 4.2.2: text goes with the SYN", text_goes_with_the_syn, NULL, NULL, NULL},
        {"RFC 5961 4.2: what a cookie has opened challenges a SYN", a_syn_is_challenged_already,
         NULL, NULL, NULL},
        {"RFC 7413 4.2.2: a SYN without text tells nothing of the server",
         a_syn_without_text_tells_nothing, NULL, NULL, NULL},
        {"RFC 9293 MUST-31; RFC 7413 4.2.2: urgent text waits for the handshake", urgent_text_waits,
         NULL, NULL, NULL},
        {"RFC 7413 4.2.2: no more than the server's MSS", no_more_than_the_servers_mss, NULL, NULL,
         NULL},
        {"RFC 7413 4.2.2: text that is not taken goes again", text_that_is_not_taken_goes_again,
         NULL, NULL, NULL},
        {"RFC 7413 4.1.3.1, 4.2.2: a lost SYN goes again plain", a_lost_syn_goes_again_plain, NULL,
         NULL, NULL},
        {"RFC 7413 4.2.2; RFC 1191 3: a SYN too large for the path goes again at once",
         a_syn_too_large_for_the_path_goes_again_at_once, NULL, NULL, NULL},
        {"RFC 7413 4.1.3.1: who gives no cookie is not asked again",
         who_gives_no_cookie_is_not_asked_again, NULL, NULL, NULL},
        {"RFC 7413 4.2.2: text of a SYN,ACK is taken", text_of_a_syn_ack_is_taken, NULL, NULL,
         NULL},
        {"RFC 7413 4.2.2; RFC 9293 MUST-10: simultaneous open with text",
         simultaneous_open_with_text, NULL, NULL, NULL},
        {"RFC 7413 4.1.3: the cache is bounded", the_cache_is_bounded, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
