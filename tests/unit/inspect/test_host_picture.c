/* SPDX-License-Identifier: MIT */
/*
 * What a picture answers: whose a socket is, which port names its service; and the order of
 * sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inspect/host_picture.h"

static void links_are_read(void **state)
{
    static const char *const none[] = {
        "",          "socket:",      "socket:[]",    "socket:[4711",
        "pipe:[47]", "socket:[4x]",  "socket:[4]]",  " socket:[4]",
        "/a/file",   "socket:[47] ", "socket:[-47]", "anon_inode:[4]"};

    (void)state;
    assert_int_equal(host_holders_parse_link("socket:[4711]"), 4711);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(host_holders_parse_link(none[i]), 0);
    }
    /* More than an inode is. */
    assert_int_equal(host_holders_parse_link("socket:[99999999999999999999999]"), 0);
}

static void holders_are_found(void **state)
{
    struct host_holding holdings[] = {{3, 0}, {5, 0}, {5, 2}, {5, 7}, {9, 1}};
    const struct host_holders holders = {.holdings = holdings, .count = 5};
    size_t count = 99;

    (void)state;
    assert_ptr_equal(host_holders_find(&holders, 5, &count), &holdings[1]);
    assert_int_equal(count, 3);
    assert_ptr_equal(host_holders_find(&holders, 9, &count), &holdings[4]);
    assert_int_equal(count, 1);
    assert_null(host_holders_find(&holders, 4, &count));
    assert_int_equal(count, 0);
    assert_null(host_holders_find(&holders, 10, &count));
    assert_null(host_holders_find(&holders, 0, &count));
    assert_null(host_holders_find(&(struct host_holders){0}, 5, &count));
}

static void users_are_found(void **state)
{
    struct host_user rows[] = {{0, "root"}, {1000, "anna"}, {65534, "nobody"}};
    const struct host_users users = {.rows = rows, .count = 3};

    (void)state;
    assert_string_equal(host_users_find(&users, 1000), "anna");
    assert_null(host_users_find(&users, 1001));
    assert_null(host_users_find(&(struct host_users){0}, 0));
}

static void the_served_end_names_the_service(void **state)
{
    struct host_picture picture = {0};
    struct host_socket socket = {
        .transport = BERTH_TRANSPORT_TCP, .local = {.port = 50000}, .remote = {.port = 443}};

    (void)state;
    host_port_set_add(&picture.listening[0], 8443);
    assert_int_equal(host_picture_service_port(&picture, &socket), 443);
    socket.local.port = 8443; /* accepted: the listener is there */
    assert_int_equal(host_picture_service_port(&picture, &socket), 8443);
    socket.transport = BERTH_TRANSPORT_UDP; /* which is TCP's */
    assert_int_equal(host_picture_service_port(&picture, &socket), 443);
    socket.local.port = 443; /* its listener is gone */
    socket.remote.port = 50000;
    assert_int_equal(host_picture_service_port(&picture, &socket), 443);
    socket.remote.port = 0;
    socket.local.port = 50000;
    assert_int_equal(host_picture_service_port(&picture, &socket), 50000);
}

static void one_socket_is_one(void **state)
{
    struct host_socket a = {.transport = BERTH_TRANSPORT_TCP,
                            .local = {.port = 80},
                            .remote = {.port = 50000},
                            .inode = 7,
                            .state = HOST_STATE_ESTABLISHED};
    struct host_socket b = a;

    (void)state;
    b.state = HOST_STATE_TIME_WAIT;
    b.inode = 0;
    assert_int_equal(host_socket_compare(&a, &b), 0);
    /* Two that share a port to listen on are two. */
    a.remote.port = b.remote.port = 0;
    assert_int_not_equal(host_socket_compare(&a, &b), 0);
    assert_true(host_socket_compare(&a, &b) > 0 && host_socket_compare(&b, &a) < 0);
    b = a;
    b.device = 3;
    assert_true(host_socket_compare(&a, &b) < 0);
    b.local.port = 79;
    assert_true(host_socket_compare(&a, &b) > 0);
}

static void what_has_no_process_is_not_unseen(void **state)
{
    struct host_holding holding = {5, 0};
    const struct host_picture picture = {.holders = {.holdings = &holding, .count = 1}};

    (void)state;
    assert_false(host_picture_is_unseen(&picture, &(struct host_socket){.inode = 5}));
    assert_true(host_picture_is_unseen(&picture, &(struct host_socket){.inode = 6}));
    assert_false(host_picture_is_unseen(&picture, &(struct host_socket){.inode = 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_read),    cmocka_unit_test(holders_are_found),
        cmocka_unit_test(users_are_found),   cmocka_unit_test(the_served_end_names_the_service),
        cmocka_unit_test(one_socket_is_one), cmocka_unit_test(what_has_no_process_is_not_unseen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
