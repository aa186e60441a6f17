/* SPDX-License-Identifier: MIT */
/* Path MTU: what routers say (RFC 1191, RFC 8201, RFC 5927 7.2), and what a stack finds out where
 * they say nothing (RFC 4821, RFC 8899). */
#include "talk.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ICMP4_UNREACHABLE 3
#define ICMP4_TOO_BIG     4
#define ICMP6_TOO_BIG     2
#define AGE_MS            600000
#define STREAM_MAX        2000000
#define PART              5000 /* bytes written at once */

static void told(struct talk *talk, uint32_t seq, uint32_t mtu)
{
    struct talk_icmp icmp = {ICMP4_UNREACHABLE, ICMP4_TOO_BIG, seq, mtu};

    if (talk->v6) {
        icmp = (struct talk_icmp){ICMP6_TOO_BIG, 0, seq, mtu};
    }
    talk_icmp(talk, &icmp);
}

/* Two segments of 1460 are out. */
static void two_out(struct talk *talk, void (*change)(struct berth_config *config))
{
    talk_begin(talk, change);
    talk_established(talk);
    talk_write(talk, 2920);
    talk_out(talk, ". 1+1460");
    talk_out(talk, "P. 1461+1460");
}

static void a_router_is_believed(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    uint32_t cwnd = talk_info(&talk).cwnd_bytes;
    told(&talk, 1, 1400);
    talk_out(&talk, ". 1+1360"); /* at once, and no larger than it said */
    talk_out(&talk, ". 1361+1360");
    talk_out(&talk, "P. 2721+200");
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 1360);
    assert_int_equal(talk_info(&talk).cwnd_bytes, cwnd); /* no sign of congestion */
    told(&talk, 1461, 1400);
    talk_silent(&talk); /* the second message is of the same drop: RFC 1191 6.4 */
    talk_wait_ms(&talk, TALK_RTT_MS);
    talk_in(&talk, ". 1 ack 2921");
    assert_true(talk_info(&talk).cwnd_bytes >= cwnd);
    assert_int_equal(talk_info(&talk).fast_recoveries, 0);
    talk_end(&talk);
}

static void only_what_was_too_large_goes_again(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 300);
    talk_out(&talk, "P. 1+300");
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 301+1460");
    told(&talk, 301, 1000);
    talk_out(&talk, ". 301+960");
    talk_out(&talk, "P. 1261+500");
    talk_silent(&talk);
    talk_end(&talk);
}

static void not_about_other_data(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    told(&talk, 2921, 1000); /* not sent yet */
    told(&talk, 0, 1000);    /* acknowledged */
    told(&talk, 1, 1500);    /* no less than what was sent */
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 1460);
    talk_end(&talk);
}

static void never_below_a_floor(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    told(&talk, 1, 68);
    assert_int_equal(talk_info(&talk).mss_send, 552 - 40);
    talk_end(&talk);
}

static void never_below_what_ipv6_links_take(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk.v6 = true;
    talk_established(&talk);
    talk_write(&talk, 1440);
    talk_out(&talk, "P. 1+1440");
    told(&talk, 1, 1279);
    talk_silent(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 1440);
    told(&talk, 1, 1280);
    talk_out(&talk, ". 1+1220");
    talk_end(&talk);
}

static void a_router_that_names_no_size(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    told(&talk, 1, 0);
    assert_int_equal(talk_info(&talk).mss_send, 1492 - 40); /* the next plateau */
    told(&talk, 1, 0);
    assert_int_equal(talk_info(&talk).mss_send, 1006 - 40);
    talk_end(&talk);
}

static void the_next_connection_knows(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    told(&talk, 1, 1400);
    talk_forget(&talk);
    talk_in(&talk, "R. 1 ack 2921");
    talk.peer_port++;
    talk.iss_known = false;
    talk_in(&talk, "S 0 win 65535 mss 1460 sackok");
    talk_out(&talk, "S. 0 ack 1 mss 1460"); /* what comes to us may be as large as ever */
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 1360);
    talk_end(&talk);
}

static void a_message_makes_no_path_larger(void **state)
{
    (void)state;
    struct talk talk;
    talk_begin(&talk, NULL);
    talk_established(&talk);
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 1+1460");
    berth_id first = talk.id;
    uint32_t first_iss = talk.iss;
    talk.peer_port++;
    talk.iss_known = false;
    talk_in(&talk, "S 0 win 65535 mss 1460 sackok");
    talk_out(&talk, "S. 0 ack 1 mss 1460");
    talk_in(&talk, ". 1 ack 1");
    talk_accept(&talk);
    talk_write(&talk, 1460);
    talk_out(&talk, "P. 1+1460");
    told(&talk, 1, 1000);
    talk_forget(&talk);
    assert_int_equal(talk_info(&talk).mss_send, 960);
    talk.peer_port--;
    talk.iss = first_iss;
    told(&talk, 1, 1400); /* of a segment that left before */
    talk_out(&talk, ". 1+960");
    talk_out(&talk, "P. 961+500");
    talk_in(&talk, ". 1 ack 1461");
    berth_id second = talk.id;
    talk.id = first;
    assert_int_equal(talk_info(&talk).mss_send, 960);
    talk.id = second;
    talk_end(&talk);
}

static void what_was_told_grows_old(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    told(&talk, 1, 1400);
    talk_forget(&talk);
    talk_in(&talk, ". 1 ack 2921");
    talk_wait_ms(&talk, AGE_MS - 1000);
    talk_write(&talk, 100);
    talk_in(&talk, ". 1 ack 3021");
    assert_int_equal(talk_info(&talk).mss_send, 1360);
    talk_wait_ms(&talk, 2000);
    talk_write(&talk, 100);
    talk_in(&talk, ". 1 ack 3121");
    assert_int_equal(talk_info(&talk).mss_send, 1460);
    talk_end(&talk);
}

static void the_link_changes(void **state)
{
    (void)state;
    struct talk talk;
    two_out(&talk, NULL);
    assert_int_equal(berth_set_mtu(talk.berth, 575), BERTH_E_INVALID);
    assert_int_equal(berth_set_mtu(talk.berth, 9000), BERTH_E_INVALID); /* no buffer holds it */
    assert_int_equal(berth_set_mtu(talk.berth, 1000), 0);
    talk_collect(&talk);
    talk_out(&talk, ". 1+960");
    talk_out(&talk, ". 961+960");
    talk_forget(&talk);
    assert_int_equal(berth_set_mtu(talk.berth, 1500), 0);
    assert_int_equal(talk_info(&talk).mss_send, 1460);
    talk_end(&talk);
}

/* ---- A path that drops what is larger than LIMIT, and says nothing -------------------------- */

struct hole {
    struct talk talk;
    uint32_t limit;
    bool there[STREAM_MAX]; /* what has come, by stream offset */
    uint32_t acked;         /* the first that has not */
    uint32_t largest;       /* packet that came through */
    unsigned dropped;
};

static uint32_t u32_at(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* One packet at the far end: its ACK, with a SACK block of the newest arrival's. */
static void take_packet(struct hole *hole, const struct talk_packet *packet)
{
    const uint8_t *tcp = packet->data + 20;
    uint32_t offset = u32_at(tcp + 4) - (hole->talk.iss + 1);
    uint32_t bytes = packet->bytes - 20 - (uint32_t)(tcp[12] >> 4) * 4;
    char text[96];

    if (packet->bytes > hole->limit) {
        hole->dropped++;
        return;
    }
    if (bytes == 0) {
        return;
    }
    hole->largest = packet->bytes > hole->largest ? packet->bytes : hole->largest;
    assert_true(offset + bytes < STREAM_MAX);
    memset(&hole->there[offset], true, bytes);
    while (hole->there[hole->acked]) {
        hole->acked++;
    }
    uint32_t left = offset;
    uint32_t right = offset;
    while (left > hole->acked && hole->there[left - 1]) {
        left--;
    }
    while (hole->there[right]) {
        right++;
    }
    if (left > hole->acked) {
        snprintf(text, sizeof text, ". 1 ack %u sack %u-%u", hole->acked + 1, left + 1, right + 1);
    } else {
        snprintf(text, sizeof text, ". 1 ack %u", hole->acked + 1);
    }
    talk_post(&hole->talk, text);
}

/* What is out crosses, and the ACKs come back; else time goes on. */
static void turn(struct hole *hole)
{
    static struct talk_packet flight[TALK_OUT_MAX];
    unsigned count = hole->talk.out_count;

    for (unsigned i = 0; i < count; i++) {
        flight[i] = hole->talk.out[(hole->talk.out_first + i) % TALK_OUT_MAX];
    }
    talk_forget(&hole->talk);
    if (count == 0) {
        talk_wait_out_ms(&hole->talk, 70000);
        return;
    }
    talk_wait_ms(&hole->talk, TALK_RTT_MS);
    for (unsigned i = 0; i < count; i++) {
        take_packet(hole, &flight[i]);
    }
    talk_collect(&hole->talk);
}

/* A writer keeps more in the queue than the window takes. */
static bool wants_more(struct hole *hole)
{
    struct berth_tcp_info info = talk_info(&hole->talk);

    return info.send_queue_bytes < info.cwnd_bytes / 2 * 3 + PART;
}

/* BYTES more of the stream go through. Returns the turns that it took. */
static unsigned transfer(struct hole *hole, uint32_t bytes)
{
    uint32_t left = bytes;
    uint32_t until = hole->acked + bytes;
    unsigned turns = 0;

    for (; hole->acked < until; turns++) {
        assert_true(turns < 4000);
        while (left > 0 && wants_more(hole)) {
            uint32_t part = min_u32(left, PART);
            talk_write(&hole->talk, part);
            left -= part;
        }
        turn(hole);
    }
    return turns;
}

static void hole_begin(struct hole *hole, void (*change)(struct berth_config *), uint32_t limit)
{
    memset(hole, 0, sizeof *hole);
    hole->limit = limit;
    talk_begin(&hole->talk, change);
    talk_established(&hole->talk);
}

static void a_black_hole_is_passed(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, NULL, 1400);
    transfer(&hole, 500000);
    assert_int_equal(talk_info(&hole.talk).timeouts, 3); /* three say that it is one */
    assert_in_range(hole.largest, 1400 - 16, 1400);      /* and what passes was found */
    assert_in_range(talk_info(&hole.talk).mss_send + 40, 1400 - 16, 1400);
    unsigned dropped = hole.dropped;
    transfer(&hole, 400000); /* no more is tried */
    assert_int_equal(hole.dropped, dropped);
    talk_end(&hole.talk);
}

static void a_lost_probe_is_no_congestion(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, NULL, 1400);
    transfer(&hole, 20000); /* over the timeouts */
    struct berth_tcp_info before = talk_info(&hole.talk);
    unsigned dropped = hole.dropped;
    while (hole.dropped == dropped) {
        transfer(&hole, 50000);
    }
    transfer(&hole, 50000);
    struct berth_tcp_info after = talk_info(&hole.talk);
    assert_int_equal(after.fast_recoveries, before.fast_recoveries);
    assert_int_equal(after.timeouts, before.timeouts);
    assert_true(after.cwnd_bytes >= before.cwnd_bytes);
    assert_true(after.retransmissions > before.retransmissions);
    talk_end(&hole.talk);
}

static void a_very_black_hole(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, NULL, 600);
    transfer(&hole, 1200000);
    assert_int_equal(talk_info(&hole.talk).timeouts, 4); /* 1200 bytes did not pass either */
    assert_in_range(hole.largest, 600 - 16, 600);
    talk_end(&hole.talk);
}

/* What is sent is no larger than BASE, so nothing larger vanished before it. */
static void a_small_black_hole(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, NULL, 600);
    transfer(&hole, 900);
    assert_int_equal(talk_info(&hole.talk).timeouts, 5);
    transfer(&hole, 1200000);
    assert_int_equal(talk_info(&hole.talk).timeouts, 5);
    assert_in_range(hole.largest, 600 - 16, 600);
    talk_end(&hole.talk);
}

/* 900 bytes meet an outage of five timeouts, of which the fifth says black hole, and arrive. */
static void lose_small_segments(struct hole *hole)
{
    hole->limit = 100; /* nothing passes */
    talk_write(&hole->talk, 900);
    while (talk_info(&hole->talk).timeouts < 5) {
        assert_int_equal(talk_info(&hole->talk).mss_send, 1460);
        talk_forget(&hole->talk);
        talk_wait_out_ms(&hole->talk, 70000);
    }
    hole->limit = 1500;
    for (unsigned turns = 0; hole->acked < 900; turns++) {
        assert_true(turns < 20);
        turn(hole);
    }
}

static void slow(struct berth_config *config)
{
    config->tcp.rto_initial_ns = 30 * NS_PER_S;
    config->tcp.rto_min_ns = 30 * NS_PER_S;
}

static void a_small_black_hole_slowly(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, slow, 600);
    transfer(&hole, 900);
    assert_int_equal(talk_info(&hole.talk).timeouts, 3);
    talk_end(&hole.talk);
}

/* No probe would tell that it was an outage: age does. */
static void without_probes_a_path_is_forgotten(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, talk_without_sack, 1500);
    lose_small_segments(&hole);
    assert_int_equal(talk_info(&hole.talk).mss_send, 552 - 40);
    talk_wait_ms(&hole.talk, AGE_MS - 10000);
    transfer(&hole, 900);
    assert_int_equal(talk_info(&hole.talk).mss_send, 552 - 40);
    talk_wait_ms(&hole.talk, 20000);
    transfer(&hole, 900);
    assert_int_equal(talk_info(&hole.talk).mss_send, 1460);
    talk_end(&hole.talk);
}

static void one_record(struct berth_config *config)
{
    config->limits.tcp_sent_records = 1;
}

static void one_record_without_sack(struct berth_config *config)
{
    talk_without_sack(config);
    one_record(config);
}

/* There is no record to cut what was sent: its first bytes go alone. */
static void a_black_hole_without_records(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, one_record, 1400);
    transfer(&hole, 20000);
    assert_in_range(hole.largest, 1160, 1400);
    talk_end(&hole.talk);
    hole_begin(&hole, one_record_without_sack, 1400);
    transfer(&hole, 20000);
    assert_int_equal(hole.largest, 1200);
    talk_end(&hole.talk);
}

static void an_outage_is_no_black_hole(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, NULL, 100); /* nothing passes */
    talk_write(&hole.talk, 40000);
    while (talk_info(&hole.talk).timeouts < 3) {
        turn(&hole);
    }
    hole.limit = 1500;
    transfer(&hole, 200000);
    assert_int_equal(talk_info(&hole.talk).mss_send,
                     1460); /* the first probe was the link's size */
    talk_end(&hole.talk);
}

static void the_path_takes_more_later(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, NULL, 1400);
    transfer(&hole, 500000);
    hole.limit = 1500;
    transfer(&hole, 200000);
    assert_true(talk_info(&hole.talk).mss_send <= 1360); /* not asked again yet */
    talk_wait_ms(&hole.talk, AGE_MS);
    transfer(&hole, 200000);
    assert_int_equal(talk_info(&hole.talk).mss_send, 1460);
    talk_end(&hole.talk);
}

static void probing_off(struct berth_config *config)
{
    config->tcp.mtu_probing = BERTH_MTU_PROBING_OFF;
}

static void it_can_be_turned_off(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, probing_off, 1400);
    talk_write(&hole.talk, 40000);
    while (talk_info(&hole.talk).timeouts < 8) {
        turn(&hole);
    }
    assert_int_equal(talk_info(&hole.talk).mss_send, 1460);
    talk_end(&hole.talk);
}

static void probing_always(struct berth_config *config)
{
    config->tcp.mtu_probing = BERTH_MTU_PROBING_ALWAYS;
}

static void every_path_is_probed(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, probing_always, 1400);
    assert_int_equal(talk_info(&hole.talk).mss_send, 1200 - 40);
    transfer(&hole, 500000);
    assert_int_equal(talk_info(&hole.talk).timeouts, 0);
    assert_in_range(hole.largest, 1400 - 16, 1400);
    talk_end(&hole.talk);
}

static void a_router_answers_the_probe(void **state)
{
    (void)state;
    static struct hole hole;
    hole_begin(&hole, probing_always, 1500);
    struct talk *talk = &hole.talk;
    talk_write(talk, 14600);
    talk_out(talk, ". 1+1460"); /* the probe, before the others */
    talk_out(talk, ". 1461+1160");
    told(talk, 1, 1350);
    talk_forget(talk);
    talk_wait_ms(talk, TALK_RTT_MS);
    talk_in(talk, ". 1 ack 1 sack 1461-9581");
    talk_out(talk, ". 1+1160"); /* its data as others are */
    assert_int_equal(talk_info(talk).fast_recoveries, 0);
    talk_forget(talk);
    talk_in(talk, ". 1 ack 14601");
    talk_write(talk, 40000);
    talk_out(talk, ". 14601+1310"); /* and then what the router named */
    talk_end(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"RFC 1191 6.4: a router is believed", a_router_is_believed, NULL, NULL, NULL},
        {"RFC 1191 6.4: only what was too large goes again", only_what_was_too_large_goes_again,
         NULL, NULL, NULL},
        {"RFC 5927 7.2: not about other data", not_about_other_data, NULL, NULL, NULL},
        {"RFC 1191 3: never below a floor", never_below_a_floor, NULL, NULL, NULL},
        {"RFC 8201 4: never below what IPv6 links take", never_below_what_ipv6_links_take, NULL,
         NULL, NULL},
        {"RFC 1191 5: a router that names no size", a_router_that_names_no_size, NULL, NULL, NULL},
        {"RFC 1191 3: a message makes no path larger that another connection knows better",
         a_message_makes_no_path_larger, NULL, NULL, NULL},
        {"RFC 1191 6.2; RFC 8201 5.2: the next connection knows", the_next_connection_knows, NULL,
         NULL, NULL},
        {"RFC 1191 6.3; RFC 8201 4: what was told grows old", what_was_told_grows_old, NULL, NULL,
         NULL},
        {"RFC 9293 MUST-16: the link changes", the_link_changes, NULL, NULL, NULL},
        {"RFC 8899 4.3, 5.2: a black hole is passed", a_black_hole_is_passed, NULL, NULL, NULL},
        {"RFC 8899 3: a lost probe is no congestion", a_lost_probe_is_no_congestion, NULL, NULL,
         NULL},
        {"RFC 8899 4.3: a very black hole", a_very_black_hole, NULL, NULL, NULL},
        {"RFC 8899 4.3: a small black hole", a_small_black_hole, NULL, NULL, NULL},
        {"RFC 8899 4.3: a small black hole where timeouts are long", a_small_black_hole_slowly,
         NULL, NULL, NULL},
        {"RFC 8201 4: without probes a path is forgotten", without_probes_a_path_is_forgotten, NULL,
         NULL, NULL},
        {"RFC 8899 4.3: a black hole without records", a_black_hole_without_records, NULL, NULL,
         NULL},
        {"RFC 8899 5.2: an outage is no black hole", an_outage_is_no_black_hole, NULL, NULL, NULL},
        {"RFC 8899 5.1.1: the path takes more later", the_path_takes_more_later, NULL, NULL, NULL},
        {"RFC 8899 4.3: it can be turned off", it_can_be_turned_off, NULL, NULL, NULL},
        {"RFC 8899 5.2: every path is probed", every_path_is_probed, NULL, NULL, NULL},
        {"RFC 8899 4.6.2: a router answers the probe", a_router_answers_the_probe, NULL, NULL,
         NULL},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
