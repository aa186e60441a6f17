/* SPDX-License-Identifier: MIT */
/*
 * TIME-WAIT records: of both IP versions in one order, under one limit, each found again by its
 * ends and by no others, whatever else is in its chain of the table; and what one takes.
 */
#include "fixture.h"
#include "tcp/timewait.h"

#include "tests/unit/ports/space.h"

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

static void enter_as(struct fixture *f, uint32_t i, const struct tcp_pair *pair, uint32_t flags)
{
    struct tcp_conn *conn = tcp_conn_new(&f->tcp, pair);

    assert_non_null(conn);
    conn->state = BERTH_TCP_CLOSING;
    conn->snd_nxt = 1000 + i;
    conn->rcv_nxt = 2000 + i;
    conn->ts_recent = 3000 + i;
    conn_set(conn, CONN_ORPHAN | CONN_TIMESTAMPS | flags);
    tcp_time_wait_enter(&f->tcp, conn);
    tcp_time_wait_check(&f->tcp);
}

static void enter(struct fixture *f, uint32_t i)
{
    struct tcp_pair pair = pair_of(f, i);

    enter_as(f, i, &pair, 0);
}

static const struct tcp_time_wait *find(struct fixture *f, uint32_t i)
{
    struct tcp_pair pair = pair_of(f, i);

    return tcp_find_time_wait(&f->tcp, &pair);
}

static struct fixture *begin(void)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 64, .records = 8});

    assert_int_equal(f->tcp.time_waits.count, f->config.limits.tcp_time_wait);
    f->tcp.time_waits.count = LIMIT;
    f->tcp.settings.time_wait_ns = 60 * NS_PER_S;
    return f;
}

static void end(struct fixture *f)
{
    f->tcp.now_ns += 3600 * NS_PER_S;
    tcp_time_wait_timeout(&f->tcp);
    assert_int_equal(f->stats.tcp_time_wait, 0);
    assert_int_equal(f->tcp.time_waits.used, 0);
    fixture_free(f);
}

static void a_record_takes_48_bytes(void **state)
{
    struct fixture *f = begin();
    uint32_t chains = f->tcp.time_wait_table.mask + 1;
    double share = 4.0 * chains / f->config.limits.tcp_time_wait;

    (void)state;
    assert_true(f->tcp.time_waits.item_bytes + share <= 48);
    end(f);
}

static void live_at_the_limit(struct fixture *f)
{
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
}

static void at_the_limit_the_oldest_goes(void **state)
{
    struct fixture *f = begin();

    (void)state;
    live_at_the_limit(f);
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
static void live_in_any_order(struct fixture *f)
{
    struct random random;
    static const uint8_t seed[RANDOM_SEED_BYTES] = {9};
    bool there[LIMIT] = {0};

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
}

static void they_end_in_any_order(void **state)
{
    struct fixture *f = begin();

    (void)state;
    live_in_any_order(f);
    end(f);
}

/* All hashes fall into one chain: nothing is different but the time that it takes. */
static void one_chain_has_them_all(void **state)
{
    struct fixture *f = begin();

    (void)state;
    f->tcp.time_wait_table.mask = 0;
    live_in_any_order(f);
    f->tcp.now_ns += 3600 * NS_PER_S;
    tcp_time_wait_timeout(&f->tcp);
    live_at_the_limit(f);
    assert_int_equal(f->tcp.time_wait_table.mask, 0);
    end(f);
}

/* What the ends of a connection that waits are told by: of the hash each half, and either port. */
static void every_part_of_its_ends_tells(void **state)
{
    struct fixture *f = begin();
    struct tcp_pair pair = pair_of(f, 1);
    struct tcp_pair others[] = {pair, pair, pair, pair};

    (void)state;
    f->tcp.time_wait_table.mask = 0;
    enter(f, 1);
    others[0].hash ^= 1;
    others[1].hash ^= (uint64_t)1 << 63;
    others[2].local.port ^= 1;
    others[3].remote.port ^= 1;
    assert_non_null(tcp_find_time_wait(&f->tcp, &pair));
    for (uint32_t i = 0; i < 4; i++) {
        assert_null(tcp_find_time_wait(&f->tcp, &others[i]));
    }
    end(f);
}

static struct fixture *begin_with_ports(struct space *space)
{
    const struct ports_limits limits = {
        .binds = 1, .endpoints = 8, .ephemeral_first = 50000, .ephemeral_last = 50009};
    struct fixture *f = begin();

    space_init(space, &limits);
    f->tcp.ports = &space->ports;
    return f;
}

/* A port that the record has is taken until its end, and nobody else's is given back with it. */
static void its_port_is_taken_until_its_end(void **state)
{
    struct space space;
    struct fixture *f = begin_with_ports(&space);

    (void)state;
    for (uint32_t version = 0; version < 2; version++) { /* IPv4, IPv6 */
        struct tcp_pair pair = pair_of(f, version);
        struct ports_use use = {
            .local = pair.local.address, .remote = pair.remote, .protocol = BERTH_TCP};
        uint16_t other = 0;
        pair.local.port = 50003;
        pair = tcp_pair(&f->tcp, &pair.local, &pair.remote);
        assert_true(ports_take(&space.ports, &use, 50003));
        assert_int_equal(ports_pick(&space.ports, &use, &other), 0);
        enter_as(f, version, &pair, CONN_OWNS_PORT);
        assert_false(ports_take(&space.ports, &use, 50003));
        assert_int_equal(ports_taken(&space.ports, &use), 2);
        struct tcp_time_wait *wait = tcp_find_time_wait(&f->tcp, &pair);
        assert_true(wait_has_port(wait));
        tcp_time_wait_end(&f->tcp, wait);
        assert_int_equal(ports_taken(&space.ports, &use), 1);
        assert_int_equal(ports_number(&space.ports, &use, 50003), 0);
        ports_give(&space.ports, &use, other);
    }
    assert_int_equal(space.ports.endpoints.used, 0);
    end(f);
    space_done(&space);
}

/* One chance in 2^64, made here: two four-tuples with one hash and the same ports. A record that
 * has a port is not taken for the other's; of those without one the newest answers for both, and
 * each ends by itself. */
static void a_hash_of_two_loses_no_port(void **state)
{
    struct space space;
    struct fixture *f = begin_with_ports(&space);
    struct tcp_pair one = pair_of(f, 1);
    struct tcp_pair two = one;
    struct ports_use use = {.remote = one.remote, .protocol = BERTH_TCP};

    (void)state;
    use.local = one.local.address;
    one.local.port = 50003;
    two.local.port = 50003;
    two.remote.address.bytes[7] ^= 1;
    assert_true(ports_take(&space.ports, &use, 50003));
    enter_as(f, 1, &one, CONN_OWNS_PORT);
    assert_null(tcp_find_time_wait(&f->tcp, &two));
    enter_as(f, 2, &two, 0);
    assert_int_equal(tcp_find_time_wait(&f->tcp, &two)->snd_nxt, 1002);
    tcp_time_wait_end(&f->tcp, tcp_find_time_wait(&f->tcp, &two));
    assert_int_equal(tcp_find_time_wait(&f->tcp, &one)->snd_nxt, 1001);
    tcp_time_wait_end(&f->tcp, tcp_find_time_wait(&f->tcp, &one));
    assert_int_equal(space.ports.endpoints.used, 0);
    enter_as(f, 3, &one, 0);
    enter_as(f, 4, &two, 0);
    assert_int_equal(tcp_find_time_wait(&f->tcp, &one)->snd_nxt, 1004);
    assert_int_equal(f->stats.tcp_time_wait, 2);
    end(f);
    space_done(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_takes_48_bytes),
        cmocka_unit_test(at_the_limit_the_oldest_goes),
        cmocka_unit_test(each_waits_equally_long),
        cmocka_unit_test(a_full_window_stays_shut),
        cmocka_unit_test(a_long_stop_ends_them),
        cmocka_unit_test(they_end_in_any_order),
        cmocka_unit_test(one_chain_has_them_all),
        cmocka_unit_test(every_part_of_its_ends_tells),
        cmocka_unit_test(its_port_is_taken_until_its_end),
        cmocka_unit_test(a_hash_of_two_loses_no_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
