/* SPDX-License-Identifier: MIT */
/*
 * What a connection takes at rest, and how it goes there and back: records of work and ledgers are
 * given back, and figures survive.
 */
#include "fixture.h"

#define IDLE_BYTES 376 /* of an idle connection, with its timer and its share of the table */
#define BUSY_BYTES 528 /* more, of one that is in use: limits.tcp_connections in <berth/config.h> */

static void an_idle_connection_takes_376_bytes(void **state)
{
    static const uint32_t counts[] = {3, 4096, 5000, 65537, 1000000, 1U << 20, (1U << 20) + 1};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct arena arena;
        struct table table;
        arena_init(&arena, NULL, 0);
        table_init(&table, &arena, counts[i]);
        double share = (double)arena.used / counts[i];
        assert_true(sizeof(struct tcp_conn) + sizeof(struct tcp_back) + share <= IDLE_BYTES);
    }
    assert_true(sizeof(struct tcp_work) + sizeof(struct tcp_ledger) <= BUSY_BYTES);
}

static void nothing_says_nothing(void **state)
{
    (void)state;
    tree_check(&tcp_no_work.sent);
    tree_check(&tcp_no_work.reorder);
    assert_true(tree_is_empty(&tcp_no_work.sent) && tree_is_empty(&tcp_no_work.reorder));
    assert_true(list_is_empty(&tcp_no_work.in_flight));
    assert_true(list_is_empty(&tcp_no_work.reorder_recent));
}

/* The fixture's connection, as if nothing had happened yet. */
static struct tcp_conn *quiet(struct fixture *f)
{
    struct tcp_conn *conn = f->conn;

    conn->work->send_first = NULL; /* the fixture's stands for a queue */
    cc_init(&conn->work->cc, cc_find("cubic"), FIXTURE_MSS, 10, &(struct cc_start){0});
    return conn;
}

static void the_timer_takes_the_record(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 64, .records = 8});
    struct tcp_conn *conn = quiet(f);

    (void)state;
    assert_int_equal(f->tcp.works.used, 1);
    conn->back->srtt = 1000000 >> RTT_UNIT_SHIFT;
    conn->work->cc.ssthresh = 7 * FIXTURE_MSS;
    conn->work->cc.cubic.w_max = 50 * FIXTURE_MSS;
    conn->snd_una = conn->snd_nxt = conn->snd_end = conn->snd_end + 5000;
    f->tcp.now_ns += 10 * NS_PER_S;
    tcp_work_timeout(&f->tcp, conn);
    assert_true(conn_is_at_rest(conn));
    assert_int_equal(f->tcp.works.used, 0);
    tcp_conn_check(conn);
    struct tcp_work *work = tcp_work_need(&f->tcp, conn);
    assert_int_equal(f->tcp.works.used, 1);
    assert_ptr_equal(pool_at(&f->tcp.conns, work->owner), conn);
    assert_int_equal(work->cc.cwnd, 10 * FIXTURE_MSS);
    assert_int_equal(work->cc.ssthresh, 10 * FIXTURE_MSS / 4 * 3); /* RFC 7661 4.4.3 */
    assert_int_equal(work->cc.cubic.w_max, 50 * FIXTURE_MSS);
    assert_int_equal(work->snd_small, conn->snd_una);
    assert_int_equal(work->rack_fack, conn->snd_una);
    assert_true(work->rest_ns != BERTH_NEVER && timer_is_set(&conn->back->timer));
    tcp_conn_check(conn);
    fixture_free(f);
    /* (fixture_free has seen that no record of what is in flight or out of order is left.) */
}

static void every_controller_that_rests_comes_back(void **state)
{
    (void)state;
    for (uint32_t i = 0; cc_at(i) != NULL; i++) {
        struct cc cc;
        struct cc again;
        struct cc_rest rest;
        struct cc_rest twice;
        memset(&rest, 0, sizeof rest); /* what is between the members is compared too */
        memset(&twice, 0, sizeof twice);
        if (cc_at(i)->rest == NULL) {
            continue;
        }
        cc_init(&cc, cc_at(i), 1000, 10, &(struct cc_start){0});
        cc.table->on_loss(&cc, 100000, NS_PER_S);
        cc.table->on_recovered(&cc, NS_PER_S);
        cc.table->on_timeout(&cc, 1000, NS_PER_S);
        cc.table->on_idle(&cc, 2 * NS_PER_S);
        cc_lay_down(&cc, &rest);
        cc_take_up(&again, &rest, 1000, 10);
        assert_ptr_equal(again.table, cc.table);
        assert_int_equal(again.cwnd, cc.cwnd);
        assert_int_equal(again.ssthresh, cc.ssthresh);
        assert_int_equal(again.prior_cwnd, cc.prior_cwnd);
        assert_int_equal(again.initial_window, cc.initial_window);
        cc_lay_down(&again, &twice);
        assert_memory_equal(&twice, &rest, sizeof rest);
        /* And both do the same from there: slow start after a timeout, byte for byte. */
        struct cc_ack ack = {.now_ns = 3 * NS_PER_S, .acked = 1000, .burst = 1000, .limited = true};
        for (unsigned n = 0; n < 200; n++) {
            cc.table->on_ack(&cc, &ack);
            again.table->on_ack(&again, &ack);
            ack.now_ns += NS_PER_MS;
            assert_int_equal(again.cwnd, cc.cwnd);
        }
    }
}

/* Both ways 12 GiB and a bit: sequence numbers have been round three times. */
static void bytes_are_counted_past_the_wrap(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 64, .records = 8});
    struct tcp_conn *conn = quiet(f);
    uint64_t total = 0;
    struct berth_tcp_info info;

    (void)state;
    for (unsigned i = 0; i < 220; i++) {
        uint32_t bytes = 61234567U + i;
        conn->snd_nxt += bytes;
        conn->snd_end += bytes;
        tcp_info(&f->tcp, conn, &info);
        assert_true(info.bytes_sent == total + bytes);
        assert_true(info.bytes_acked == total);
        conn_acked(conn, conn->snd_una + bytes);
        conn_received(conn, bytes);
        total += bytes;
        tcp_info(&f->tcp, conn, &info);
        assert_true(info.bytes_sent == total);
        assert_true(info.bytes_acked == total);
        assert_true(info.bytes_received == total);
    }
    assert_true(total > 12ULL << 30);
    conn_set(conn, CONN_FIN_QUEUED); /* FINs are no bytes */
    conn->snd_nxt++;
    conn_received(conn, 1);
    conn_set(conn, CONN_FIN_RECEIVED);
    tcp_info(&f->tcp, conn, &info);
    assert_true(info.bytes_sent == total && info.bytes_received == total);
    conn_acked(conn, conn->snd_nxt);
    tcp_info(&f->tcp, conn, &info);
    assert_true(info.bytes_sent == total && info.bytes_acked == total);
    fixture_free(f);
}

static void a_tick_tells_the_last_52_days(void **state)
{
    uint64_t now = 365 * 86400 * NS_PER_S + 12345; /* ticks have been round */
    uint64_t tick_ns = (uint64_t)1 << TCP_TICK_SHIFT;
    uint64_t most_ns = 52 * 86400 * NS_PER_S;

    (void)state;
    for (uint64_t ago = 0; ago < most_ns; ago = 2 * ago + 999983) {
        uint64_t told = conn_tick_ns(conn_tick(now - ago), now);
        assert_true(told >= now - ago && told < now - ago + tick_ns);
    }
    assert_true(conn_tick_ns(conn_tick(now - most_ns), now) < now - most_ns + tick_ns);
    assert_true(conn_tick_ns(conn_tick(now), now) < now + tick_ns);
}

static void a_ledger_stays(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 64, .records = 8});
    struct tcp_conn *conn = quiet(f);

    (void)state;
    assert_ptr_equal(conn->back->ledger, &tcp_no_ledger);
    tcp_ledger_need(&f->tcp, conn)->retransmissions = 3;
    tcp_ledger_need(&f->tcp, conn)->timeouts++;
    assert_int_equal(f->tcp.ledgers.used, 1);
    tcp_work_end(&f->tcp, conn);
    assert_int_equal(conn->back->ledger->retransmissions, 3);
    assert_int_equal(conn->back->ledger->timeouts, 1);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_takes_376_bytes),
        cmocka_unit_test(nothing_says_nothing),
        cmocka_unit_test(the_timer_takes_the_record),
        cmocka_unit_test(every_controller_that_rests_comes_back),
        cmocka_unit_test(bytes_are_counted_past_the_wrap),
        cmocka_unit_test(a_tick_tells_the_last_52_days),
        cmocka_unit_test(a_ledger_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
