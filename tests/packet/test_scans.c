/* SPDX-License-Identifier: MIT */
/* What a stack sees of first contacts, segment by segment: what counts for a scan, and what not. */
#include "talk.h"

#include "base/bytes.h"
#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* TEXT comes to each port from FIRST to LAST; what is sent back does not matter. */
static void to_ports(struct talk *talk, const char *text, uint16_t first, uint16_t last)
{
    for (uint32_t port = first; port <= last; port++) {
        talk->port = (uint16_t)port;
        talk_in(talk, text);
        talk_forget(talk);
    }
    talk->port = TALK_PORT;
}

static unsigned found(struct talk *talk)
{
    struct berth_scan scan;
    unsigned count = 0;

    while (berth_next_scan(talk->berth, &scan)) {
        count++;
    }
    return count;
}

/* SYN, FIN, NULL, Xmas, Maimon, ACK and window scans, and all flags at once. */
static void every_kind_of_scan_is_found(void **state)
{
    static const char *const kinds[] = {"S 0",        "F 0",       "- 0",           "FPU 0",
                                        "F. 0 ack 7", ". 0 ack 7", "SFRPU. 0 ack 7"};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct talk talk;

        talk_begin(&talk, NULL);
        to_ports(&talk, kinds[i], 1, 5);
        assert_int_equal(found(&talk), 0);
        to_ports(&talk, kinds[i], 6, 6);
        assert_int_equal(found(&talk), 1);
        talk_end(&talk);
    }
}

/* RSTs and SYN,ACKs of nothing are answers to what somebody else has sent in our name. */
static void backscatter_is_no_scan(void **state)
{
    static const char *const kinds[] = {"R 0", "R. 0 ack 7", "S. 0 ack 7"};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct talk talk;

        talk_begin(&talk, NULL);
        to_ports(&talk, kinds[i], 1, 100);
        assert_int_equal(found(&talk), 0);
        talk_end(&talk);
    }
}

static void no_cookies(struct berth_config *config)
{
    config->tcp.syn_cookies = BERTH_SYN_COOKIES_OFF;
}

/* A port that is open, asked and then reset before it is established, six of them. */
static void half_open_scans_are_found(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, no_cookies);
    for (uint16_t i = 0; i < 6; i++) {
        struct berth_endpoint local = {.port = (uint16_t)(2000 + i)};
        berth_id id;

        assert_int_equal(berth_tcp_listen(talk.berth, &local, 10, NULL, &id), 0);
        assert_int_equal(found(&talk), 0);
        to_ports(&talk, "S 0", local.port, local.port);
        to_ports(&talk, "R 1", local.port, local.port);
    }
    assert_int_equal(found(&talk), 1);
    talk_end(&talk);
}

/* The handshake with PORT, where somebody listens; TEXT after it, unless NULL; and a RST. */
static void visit(struct talk *talk, uint16_t port, const char *text)
{
    struct berth_endpoint local = {.port = port};
    berth_id id;

    assert_int_equal(berth_tcp_listen(talk->berth, &local, 10, NULL, &id), 0);
    talk->port = port;
    talk->iss_known = false;
    talk_in(talk, "S 0");
    talk_out(talk, "S. 0 ack 1");
    talk_in(talk, ". 1 ack 1");
    if (text != NULL) {
        talk_in(talk, text);
    }
    talk_forget(talk);
    talk->port = TALK_PORT;
}

/* A connect scan: open ports between the closed ones change nothing, though they stay open. */
static void connections_without_a_word_do_not_count(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, no_cookies);
    for (uint16_t i = 0; i < 5; i++) {
        to_ports(&talk, "S 0", (uint16_t)(i + 1), (uint16_t)(i + 1));
        visit(&talk, (uint16_t)(2000 + i), i % 2 == 0 ? NULL : "R. 1 ack 1");
    }
    assert_int_equal(found(&talk), 0);
    to_ports(&talk, "S 0", 6, 6);
    assert_int_equal(found(&talk), 1);
    talk_end(&talk);
}

/* One that is used counts at once, and not only when it is over. */
static void connections_in_use_count(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, no_cookies);
    to_ports(&talk, "S 0", 1, 3);
    visit(&talk, 2000, "P. 1+10 ack 1");
    visit(&talk, 2001, "P. 1+10 ack 1");
    to_ports(&talk, "S 0", 4, 7);
    assert_int_equal(found(&talk), 0);
    to_ports(&talk, "S 0", 8, 8);
    assert_int_equal(found(&talk), 1);
    talk_end(&talk);
}

/* A hundred SYNs with sources that never answer are no reason to call anyone a scanner. */
static void unanswered_handshakes_are_no_scan(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, NULL);
    talk_listen(&talk);
    for (uint16_t i = 0; i < 100; i++) {
        talk.peer_port = (uint16_t)(20000 + i);
        talk_in(&talk, "S 0");
        talk_forget(&talk);
    }
    assert_int_equal(found(&talk), 0);
    talk.peer_port = TALK_PEER_PORT;
    talk_end(&talk);
}

#define CALLS_FIRST 50000
#define CALLS_LAST  50007

/* We call a server from each of these ports, and reset; it has more to say. */
static void call_and_reset(struct talk *talk)
{
    for (uint16_t port = CALLS_FIRST; port <= CALLS_LAST; port++) {
        struct berth_endpoint remote = {.address = talk_peer(talk), .port = TALK_PEER_PORT};
        struct berth_endpoint local = {.address = talk_stack(talk), .port = port};
        berth_id id;

        talk->port = port;
        talk->iss_known = false;
        assert_int_equal(berth_tcp_connect(talk->berth, &local, &remote, NULL, &id), 0);
        talk_collect(talk);
        talk_out(talk, "S 0");
        talk_in(talk, "S. 0 ack 1");
        talk_forget(talk);
        assert_int_equal(berth_tcp_abort(talk->berth, id), 0);
        talk_collect(talk);
        talk_forget(talk);
        talk_in(talk, ". 1+100 ack 1");
        talk_in(talk, "F. 101 ack 1");
        talk_forget(talk);
    }
}

/* Its segments come to ports that nobody serves, and are late, no probes. */
static void late_segments_are_no_scan(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, NULL);
    call_and_reset(&talk);
    assert_int_equal(found(&talk), 0);
    to_ports(&talk, ". 1+100 ack 1", 50100, 50104);
    assert_int_equal(found(&talk), 0);
    to_ports(&talk, ". 1+100 ack 1", 50105, 50105); /* these were never any connection's */
    assert_int_equal(found(&talk), 1);
    talk_end(&talk);
}

/* For 1000 s, and never again: also half an hour and half a day later they are probes. */
static void late_is_not_for_ever(void **state)
{
    static const uint32_t seconds[] = {990, 1010, 2100, 2900, 66000};

    (void)state;
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        struct talk talk;

        talk_begin(&talk, NULL);
        call_and_reset(&talk);
        talk_wait_ms(&talk, seconds[i] * 1000ULL);
        to_ports(&talk, ". 1+100 ack 1", CALLS_FIRST, CALLS_LAST);
        assert_int_equal(found(&talk), seconds[i] < 1000 ? 0 : 1);
        talk_end(&talk);
    }
}

static void load(struct talk *talk, const char *text)
{
    assert_int_equal(berth_rules_load(talk->berth, text, strlen(text), NULL), 0);
}

/* A packet of a protocol that nobody speaks. */
static void in_unknown(struct talk *talk)
{
    struct wire_packet packet = {.version = 4,
                                 .protocol = 132,
                                 .source = talk_peer(talk),
                                 .destination = talk_stack(talk),
                                 .hop_limit = 64,
                                 .payload_bytes = 8};
    struct berth_buffer *buffer = berth_buffer_get(talk->berth);

    assert_non_null(buffer);
    buffer->bytes = wire_emit_network(buffer->data + buffer->begin, &packet) + 8;
    memset(buffer->data + buffer->begin + buffer->bytes - 8, 0, 8);
    berth_receive(talk->berth, buffer, talk->now_ns);
    talk_collect(talk);
}

/* What is established goes on; what is new is dropped, until the time is over. */
static void a_scanner_is_shut_out_for_its_time(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, NULL);
    load(&talk, "on scan in drop 10 seconds\nallow in any\n");
    talk_established(&talk);
    to_ports(&talk, "S 0", 1, 6);
    assert_int_equal(found(&talk), 1);
    talk_in(&talk, ". 1+10 ack 1");
    talk_wait_ms(&talk, 100);
    talk_out(&talk, ". 1 ack 11");
    talk_silent(&talk);
    talk.port = 7;
    talk_in(&talk, "S 0");
    talk_in(&talk, ". 0 ack 7"); /* not even a RST */
    in_unknown(&talk);           /* nor an ICMP message */
    talk_silent(&talk);
    talk.port = TALK_PORT;
    talk_wait_ms(&talk, 10001);
    talk_forget(&talk);
    talk.port = 7;
    talk.peer_port = 40000;
    talk_in(&talk, "S 0");
    talk_out(&talk, "R. 0 ack 1");
    in_unknown(&talk);
    assert_int_equal(talk.out_count, 1);
    talk_forget(&talk);
    talk.port = TALK_PORT;
    talk.peer_port = TALK_PEER_PORT;
    talk_end(&talk);
}

/* The first fragment of a datagram to 9/udp, whose others never come. */
static void in_first_fragment(struct talk *talk)
{
    struct wire_packet packet = {.version = talk->v6 ? 6 : 4,
                                 .protocol = WIRE_UDP,
                                 .source = talk_peer(talk),
                                 .destination = talk_stack(talk),
                                 .hop_limit = 64,
                                 .is_fragment = true,
                                 .more_fragments = true,
                                 .fragment_id = 7,
                                 .payload_bytes = 24};
    struct berth_buffer *buffer = berth_buffer_get(talk->berth);
    uint8_t *payload;

    assert_non_null(buffer);
    buffer->bytes = wire_emit_network(buffer->data + buffer->begin, &packet);
    payload = buffer->data + buffer->begin + buffer->bytes;
    memset(payload, 0, 24);
    store_be16(payload, 40000);
    store_be16(payload + 2, 9);
    store_be16(payload + 4, 100);
    buffer->bytes += 24;
    berth_receive(talk->berth, buffer, talk->now_ns);
    talk_collect(talk);
    talk_forget(talk);
}

/* Time exceeded (RFC 792, RFC 4443 3.3) would tell that somebody is here. */
static void silence_is_kept_about_fragments(void **state)
{
    static const struct {
        const char *rules;
        unsigned messages;
    } table[] = {{"allow in any\n", 1},
                 {"deny in any\n", 1},
                 {"on scan in deny 10 minutes\nallow in any\n", 1},
                 {"on scan in drop 10 minutes\nallow in any\n", 0},
                 {"drop in 9/udp\nallow in any\n", 0},
                 {"drop in 9/tcp, 40000/udp\nallow in any\n", 1}};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof table / sizeof *table; i++) {
        struct talk talk;

        talk_begin(&talk, NULL);
        talk.v6 = i % 2 != 0;
        load(&talk, table[i / 2].rules);
        to_ports(&talk, "S 0", 1, 6);
        assert_int_equal(found(&talk), 1);
        in_first_fragment(&talk);
        talk_wait_ms(&talk, 120000);
        assert_int_equal(talk_drops(&talk, BERTH_DROP_REASSEMBLY_TIMEOUT), 1);
        assert_int_equal(talk.out_count, table[i / 2].messages);
        talk_end(&talk);
    }
}

/* An open port looks closed to a scanner: to a FIN too, which a listener passes over else. */
static void a_scanner_sees_no_listener(void **state)
{
    struct talk talk;

    (void)state;
    talk_begin(&talk, NULL);
    load(&talk, "on scan in deny 10 seconds\nallow in any\n");
    talk_listen(&talk);
    talk_in(&talk, "F 0");
    talk_silent(&talk);
    to_ports(&talk, "S 0", 1, 6);
    assert_int_equal(found(&talk), 1);
    talk_forget(&talk);
    talk.port = TALK_PORT;
    talk_in(&talk, "F 0");
    talk_out(&talk, "R. 0 ack 1");
    talk_end(&talk);
}

/* What a limit refuses is no port that is not there: who calls often is no scanner. */
static void what_a_limit_refuses_is_no_scan(void **state)
{
    static const struct {
        const char *rules;
        unsigned found;
    } table[] = {{"allow in limit 5/hour\n", 0}, {"allow in 1-5\n", 1}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct talk talk;

        talk_begin(&talk, NULL);
        load(&talk, table[i].rules);
        to_ports(&talk, "S 0", 1,
                 100); /* nobody serves the first five, none of the others passes */
        assert_int_equal(found(&talk), table[i].found);
        talk_end(&talk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_scan_is_found),
        cmocka_unit_test(backscatter_is_no_scan),
        cmocka_unit_test(half_open_scans_are_found),
        cmocka_unit_test(connections_without_a_word_do_not_count),
        cmocka_unit_test(connections_in_use_count),
        cmocka_unit_test(unanswered_handshakes_are_no_scan),
        cmocka_unit_test(late_segments_are_no_scan),
        cmocka_unit_test(late_is_not_for_ever),
        cmocka_unit_test(a_scanner_is_shut_out_for_its_time),
        cmocka_unit_test(silence_is_kept_about_fragments),
        cmocka_unit_test(a_scanner_sees_no_listener),
        cmocka_unit_test(what_a_limit_refuses_is_no_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
