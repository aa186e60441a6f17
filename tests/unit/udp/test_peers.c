/* SPDX-License-Identifier: MIT */
/*
 * The memory of an unconnected socket's peers: bounded, aging, nobody else's.
 */
#include "tests/unit/udp/fixture.h"

struct sockets {
    struct fixture *f;
    struct udp_socket *a;
    struct udp_socket *b;
};

static int setup(void **state)
{
    static struct sockets sockets;
    struct udp_flow bound = fixture_flow(0);

    bound.connected = false;
    sockets.f = fixture_new();
    assert_int_equal(udp_open(&sockets.f->udp, &bound, NULL, &sockets.a), BERTH_OK);
    assert_int_equal(udp_open(&sockets.f->udp, &bound, NULL, &sockets.b), BERTH_OK);
    *state = &sockets;
    return 0;
}

static int teardown(void **state)
{
    struct sockets *s = *state;

    udp_close(&s->f->udp, s->a);
    udp_close(&s->f->udp, s->b);
    fixture_free(s->f);
    return 0;
}

static void note(struct sockets *s, const struct udp_socket *socket, uint16_t port, uint64_t now_ns)
{
    struct udp_flow flow = fixture_flow(port);

    udp_note_peer(&s->f->udp, socket, &flow, now_ns);
}

static bool knows(struct sockets *s, const struct udp_socket *socket, uint16_t port,
                  uint64_t now_ns)
{
    struct udp_flow flow = fixture_flow(port);

    return udp_find_peer(&s->f->udp, socket, &flow.remote, now_ns) != NULL;
}

static void peer_is_its_sockets_alone(void **state)
{
    struct sockets *s = *state;
    struct udp_flow flow = fixture_flow(1);
    struct udp_peer *peer;

    assert_false(knows(s, s->a, 1, 0));
    note(s, s->a, 1, 0);
    assert_true(knows(s, s->a, 1, 0));
    assert_false(knows(s, s->b, 1, 0));
    assert_false(knows(s, s->a, 2, 0));
    peer = udp_find_peer(&s->f->udp, s->a, &flow.remote, 0);
    assert_true(berth_endpoint_is_equal(&peer->local, &flow.local));
}

static void silence_makes_strangers(void **state)
{
    struct sockets *s = *state;

    note(s, s->a, 1, 0);
    assert_true(knows(s, s->a, 1, UDP_PEER_NS));
    assert_false(knows(s, s->a, 1, UDP_PEER_NS + 1));
    note(s, s->a, 1, UDP_PEER_NS + 1);
    assert_true(knows(s, s->a, 1, 2 * UDP_PEER_NS));
}

static void quietest_gives_way(void **state)
{
    struct sockets *s = *state;

    note(s, s->a, 1, 1);
    note(s, s->a, 2, 2);
    note(s, s->b, 3, 3);
    note(s, s->a, 1, 4); /* speaks again */
    note(s, s->a, 4, 5); /* one more than there is room for */
    assert_true(knows(s, s->a, 1, 5));
    assert_false(knows(s, s->a, 2, 5));
    assert_true(knows(s, s->b, 3, 5));
    assert_true(knows(s, s->a, 4, 5));
    for (uint16_t port = 10; port < 1000; port++) {
        note(s, s->a, port, port);
        assert_true(knows(s, s->a, port, port));
    }
    assert_false(knows(s, s->b, 3, 1000));
}

static void next_socket_at_the_place_knows_nobody(void **state)
{
    struct sockets *s = *state;
    struct udp_flow bound = fixture_flow(0);
    struct udp_socket *before = s->a;

    bound.connected = false;
    note(s, s->a, 1, 0);
    udp_close(&s->f->udp, s->a);
    assert_int_equal(udp_open(&s->f->udp, &bound, NULL, &s->a), BERTH_OK);
    assert_ptr_equal(s->a, before);
    assert_false(knows(s, s->a, 1, 0));
    note(s, s->a, 1, 0);
    assert_true(knows(s, s->a, 1, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(peer_is_its_sockets_alone),
        TEST(silence_makes_strangers),
        TEST(quietest_gives_way),
        TEST(next_socket_at_the_place_knows_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
