/* SPDX-License-Identifier: MIT */
/*
 * TIME-WAIT records: of both IP versions in one order, under one limit, each found again by its
 * ends and by no others; and what one takes.
 */
#include "fixture.h"
#include "tcp/timewait.h"

#define LIMIT 50
#define LIVES 2000

static struct tcp_pair pair_of(struct fixture *f, uint32_t i)
{
    struct berth_endpoint local = {berth_address_v4(0x0a000001), (uint16_t)(80 + i % 3)};
    struct berth_endpoint remote = {berth_address_v4(0x0a000002 + i % 7), (uint16_t)(4000 + i)};

    if (i % 2 != 0) {
        local.address.bytes[0] = 0xfd; /* no mapped address any more */
        remote.address.bytes[0] = 0xfd;
    }
    return tcp_pair(&f->tcp, &local, &remote);
}

static void enter(struct fixture *f, uint32_t i)
{
    struct tcp_pair pair = pair_of(f, i);
    struct tcp_conn *conn = tcp_conn_new(&f->tcp, &pair);

    assert_non_null(conn);
    conn->state = BERTH_TCP_CLOSING;
    conn->snd_nxt = 1000 + i;
    conn->rcv_nxt = 2000 + i;
    conn->ts_recent = 3000 + i;
    conn_set(conn, CONN_ORPHAN | CONN_TIMESTAMPS);
    tcp_time_wait_enter(&f->tcp, conn);
    tcp_time_wait_check(&f->tcp);
}

static const struct tcp_time_wait *find(struct fixture *f, uint32_t i)
{
    struct tcp_pair pair = pair_of(f, i);

    return tcp_find_time_wait(&f->tcp, &pair);
}

static struct fixture *begin(void)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 64, .records = 8});

    assert_int_equal(f->tcp.time_wait_max, f->config.limits.tcp_time_wait);
    f->tcp.time_wait_max = LIMIT;
    f->tcp.settings.time_wait_ns = 60 * NS_PER_S;
    return f;
}

static void end(struct fixture *f)
{
    f->tcp.now_ns += 3600 * NS_PER_S;
    tcp_time_wait_timeout(&f->tcp);
    assert_int_equal(f->stats.tcp_time_wait, 0);
    assert_int_equal(f->tcp.time_waits[0].used + f->tcp.time_waits[1].used, 0);
    fixture_free(f);
}

static void a_record_takes_48_bytes(void **state)
{
    struct fixture *f = begin();
    uint32_t chains = f->tcp.time_wait_table.mask + 1;
    double share = 4.0 * chains / f->config.limits.tcp_time_wait;

    (void)state;
    assert_true(f->tcp.time_waits[0].item_bytes + share <= 48);
    assert_true(f->tcp.time_waits[1].item_bytes + share <= 72);
    end(f);
}

static void at_the_limit_the_oldest_goes(void **state)
{
    struct fixture *f = begin();

    (void)state;
    for (uint32_t i = 0; i < LIVES; i++) {
        enter(f, i);
        f->tcp.now_ns += NS_PER_MS;
        assert_non_null(find(f, i));
        assert_int_equal(find(f, i)->snd_nxt, 1000 + i);
        assert_int_equal(find(f, i)->rcv_nxt, 2000 + i);
        assert_int_equal(find(f, i)->ts_recent, 3000 + i);
        if (i >= LIMIT) {
            assert_non_null(find(f, i - LIMIT + 1));
            assert_null(find(f, i - LIMIT));
        }
    }
    assert_int_equal(f->stats.tcp_time_wait, LIMIT);
    end(f);
}

static void each_waits_equally_long(void **state)
{
    struct fixture *f = begin();

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        enter(f, i);
        f->tcp.now_ns += NS_PER_S;
    }
    f->tcp.now_ns += 50 * NS_PER_S - 1; /* the first's time is up in a nanosecond */
    for (uint32_t i = 0; i < 10; i++) {
        tcp_time_wait_timeout(&f->tcp);
        assert_non_null(find(f, i));
        f->tcp.now_ns += 2 * NS_PER_MS;
        tcp_time_wait_timeout(&f->tcp);
        assert_null(find(f, i));
        tcp_time_wait_check(&f->tcp);
        f->tcp.now_ns += NS_PER_S - 2 * NS_PER_MS;
    }
    end(f);
}

/* The peer has filled the window, and its FIN stands behind: nothing is offered any more. */
static void a_full_window_stays_shut(void **state)
{
    struct fixture *f = begin();
    struct tcp_pair pair = pair_of(f, 0);
    struct tcp_conn *conn = tcp_conn_new(&f->tcp, &pair);

    (void)state;
    assert_non_null(conn);
    conn->state = BERTH_TCP_CLOSING;
    conn->rcv_adv = 5000;
    conn->rcv_nxt = 5001;
    conn_set(conn, CONN_ORPHAN);
    tcp_time_wait_enter(&f->tcp, conn);
    assert_int_equal(find(f, 0)->window, 0);
    end(f);
}

/* Two days and nobody looked (the process was stopped): all are over, as after an hour. */
static void a_long_stop_ends_them(void **state)
{
    struct fixture *f = begin();

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        enter(f, i);
    }
    f->tcp.now_ns += 2 * 86400 * NS_PER_S;
    tcp_time_wait_timeout(&f->tcp);
    assert_int_equal(f->stats.tcp_time_wait, 0);
    end(f);
}

/* From the middle, the front and the back, in any order. */
static void they_end_in_any_order(void **state)
{
    struct fixture *f = begin();
    struct random random;
    static const uint8_t seed[RANDOM_SEED_BYTES] = {9};
    bool there[LIMIT] = {0};

    (void)state;
    random_init(&random, seed, "test");
    for (uint32_t n = 0; n < LIVES; n++) {
        uint32_t i = random_below(&random, LIMIT);
        assert_int_equal(find(f, i) != NULL, there[i]);
        if (there[i]) {
            struct tcp_pair pair = pair_of(f, i);
            tcp_time_wait_end(&f->tcp, tcp_find_time_wait(&f->tcp, &pair));
        } else {
            enter(f, i);
        }
        there[i] = !there[i];
        tcp_time_wait_check(&f->tcp);
    }
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_takes_48_bytes), cmocka_unit_test(at_the_limit_the_oldest_goes),
        cmocka_unit_test(each_waits_equally_long), cmocka_unit_test(a_full_window_stays_shut),
        cmocka_unit_test(a_long_stop_ends_them),   cmocka_unit_test(they_end_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
