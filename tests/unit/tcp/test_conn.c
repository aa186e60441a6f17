/* SPDX-License-Identifier: MIT */
/*
 * The four-tuple table: each connection is found, also behind others in its chain, and those that
 * are asked for stand in front of those that are not.
 */
#include "fixture.h"

#define COUNT 64

static struct tcp_pair pair_of(struct fixture *f, uint32_t i)
{
    struct berth_endpoint local = {berth_address_v4(0x0a000001), 80};
    struct berth_endpoint remote = {berth_address_v4(0x0a000100 + i % 5), (uint16_t)(5000 + i)};

    return tcp_pair(&f->tcp, &local, &remote);
}

static struct tcp_conn *find(struct fixture *f, uint32_t i)
{
    struct tcp_pair pair = pair_of(f, i);

    return tcp_find(&f->tcp, &pair);
}

static void who_is_asked_for_stands_in_front(void **state)
{
    struct fixture *f =
        fixture_of(&(struct fixture_limits){.buffers = 64, .records = 8}, COUNT + 1);
    struct tcp_conn *conns[COUNT];
    struct random random;
    static const uint8_t seed[RANDOM_SEED_BYTES] = {11};

    (void)state;
    random_init(&random, seed, "test");
    f->tcp.table.mask = 3; /* long chains */
    for (uint32_t i = 0; i < COUNT; i++) {
        struct tcp_pair pair = pair_of(f, i);
        conns[i] = tcp_conn_new(&f->tcp, &pair);
        conns[i]->state = BERTH_TCP_SYN_SENT;
        conn_set(conns[i], CONN_ORPHAN);
    }
    for (uint32_t n = 0; n < 1000; n++) {
        uint32_t i = random_below(&random, COUNT);
        assert_ptr_equal(find(f, i), conns[i]);
        assert_int_equal(*table_head(&f->tcp.table, conns[i]->hash),
                         tcp_conn_index(&f->tcp, conns[i]) + 1);
        assert_null(find(f, COUNT + i));
    }
    for (uint32_t i = 0; i < COUNT; i += 2) {
        tcp_conn_end(&f->tcp, conns[i], 0);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(find(f, i), i % 2 == 0 ? NULL : conns[i]);
    }
    for (uint32_t i = 1; i < COUNT; i += 2) {
        tcp_conn_end(&f->tcp, conns[i], 0);
    }
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_asked_for_stands_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
