/* SPDX-License-Identifier: MIT */
/*
 * A segment finds its connection, whatever was found before: places of recent ones are hints, and
 * many connections share one.
 */
#include "fixture.h"

#define PORTS 4000 /* more than there are places */

static struct wire_packet packet_from(uint16_t port)
{
    return (struct wire_packet){.source = berth_address_v4(0x0a000002),
                                .destination = berth_address_v4(0x0a000001),
                                .source_port = port,
                                .destination_port = 80};
}

static struct tcp_conn *find(struct fixture *f, uint16_t port)
{
    struct wire_packet packet = packet_from(port);
    return tcp_find_for(&f->tcp, &packet);
}

static struct tcp_conn *open_one(struct fixture *f, uint16_t port)
{
    struct berth_endpoint local = {berth_address_v4(0x0a000001), 80};
    struct berth_endpoint remote = {berth_address_v4(0x0a000002), port};
    struct tcp_pair pair = tcp_pair(&f->tcp, &local, &remote);
    struct tcp_conn *conn = tcp_conn_new(&f->tcp, &pair);
    assert_non_null(conn);
    conn->state = BERTH_TCP_ESTABLISHED;
    return conn;
}

static void end_one(struct fixture *f, struct tcp_conn *conn)
{
    tcp_conn_end(&f->tcp, conn, 0);
    tcp_conn_free(&f->tcp, conn);
}

/* The fixture's connection (port 4000) stays; beside it others come and go in one record. */
static void each_finds_its_own(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 8});

    (void)state;
    for (unsigned i = 0; i < PORTS; i++) {
        uint16_t port = (uint16_t)(10000 + i);
        assert_null(find(f, port));
        struct tcp_conn *conn = open_one(f, port);
        assert_ptr_equal(find(f, port), conn);
        assert_ptr_equal(find(f, 4000), f->conn);
        assert_ptr_equal(find(f, port), conn);
        end_one(f, conn);
        assert_null(find(f, port));
        conn = open_one(f, (uint16_t)(port + PORTS)); /* the record is another's now */
        assert_null(find(f, port));
        end_one(f, conn);
    }
    fixture_free(f);
}

/* One that is over, and not yet freed, gets no segments. */
static void the_closed_are_not_found(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 8});
    struct tcp_conn *conn = open_one(f, 5000);

    (void)state;
    assert_ptr_equal(find(f, 5000), conn);
    tcp_conn_end(&f->tcp, conn, 0);
    assert_null(find(f, 5000));
    tcp_conn_free(&f->tcp, conn);
    assert_null(find(f, 5000));
    fixture_free(f);
}

/* All of the four: an address, or the other port, makes another pair. */
static void every_part_of_a_pair_counts(void **state)
{
    struct fixture *f = fixture_new(&(struct fixture_limits){.buffers = 16, .records = 8});
    struct wire_packet packet = packet_from(4000);

    (void)state;
    assert_ptr_equal(tcp_find_for(&f->tcp, &packet), f->conn);
    packet.destination_port = 81;
    assert_null(tcp_find_for(&f->tcp, &packet));
    packet = packet_from(4000);
    packet.source.bytes[0] = 0x20;
    assert_null(tcp_find_for(&f->tcp, &packet));
    packet = packet_from(4000);
    packet.destination.bytes[1] = 1;
    assert_null(tcp_find_for(&f->tcp, &packet));
    assert_ptr_equal(find(f, 4000), f->conn);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_finds_its_own),
        cmocka_unit_test(the_closed_are_not_found),
        cmocka_unit_test(every_part_of_a_pair_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
