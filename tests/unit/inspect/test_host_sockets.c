/* SPDX-License-Identifier: MIT */
/*
 * Lines of /proc/net as kernels write them, and messages of sock_diag.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "inspect/host_sockets.h"

#define REST " 00000000:00000000 00:00000000 00000000     0        0 621 1\n"

static void assert_endpoint(const struct berth_endpoint *endpoint, const char *expected)
{
    char text[BERTH_ENDPOINT_TEXT_BYTES];

    assert_string_equal(berth_endpoint_format(endpoint, text), expected);
}

static void lines_are_read(void **state)
{
    struct host_socket row;

    (void)state;
    assert_true(
        host_sockets_parse("   0: 0100007F:0035 00000000:0000 0A" REST, BERTH_TRANSPORT_TCP, &row));
    assert_endpoint(&row.local, "127.0.0.1:53");
    assert_true(row.is_listening);
    assert_false(row.is_whole);
    assert_int_equal(row.uid, 0);
    assert_int_equal(row.inode, 621);
    assert_string_equal(host_socket_state_name(&row), "listen");
    assert_true(
        host_sockets_parse("  12: 07CB0071:8000 0A000001:01BB 06" REST, BERTH_TRANSPORT_TCP, &row));
    assert_endpoint(&row.local, "113.0.203.7:32768");
    assert_endpoint(&row.remote, "1.0.0.10:443");
    assert_false(row.is_listening);
    assert_true(host_sockets_parse("   1: 000000FD000000000000000007000000:0044 "
                                   "00000000000000000000000000000000:0000 07" REST,
                                   BERTH_TRANSPORT_UDP, &row));
    assert_endpoint(&row.local, "[fd00::7]:68");
    assert_true(row.is_listening);
    assert_true(host_sockets_parse("   1: 0000000000000000FFFF00000100007F:0044 "
                                   "0000000000000000FFFF00000100007F:0045 01" REST,
                                   BERTH_TRANSPORT_UDP, &row));
    assert_endpoint(&row.remote, "127.0.0.1:69");
    assert_false(row.is_listening);
}

static void what_is_no_line_is_passed_over(void **state)
{
    static const char *const wrong[] = {"",
                                        "  sl  local_address rem_address   st tx_queue\n",
                                        "0: 0100007F 00000000:0000 0A" REST,
                                        "0: 0100007:0035 00000000:0000 0A" REST,
                                        "0: 0100007F:0035 00000000:10000 0A" REST,
                                        "0: 0100007F:0035 00000000:0000 100" REST,
                                        "0: 0100007F:0035 00000000:0000 0A 0:0 00:0 0 7 0\n",
                                        "0: 0100007F:0035 0000000G:0000 0A" REST};
    struct host_socket row;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(host_sockets_parse(wrong[i], BERTH_TRANSPORT_TCP, &row));
    }
}

/* A message as the kernel's inet_sk_diag_fill makes it: ::1, port 443, listens, for IPv6 alone. */
static size_t make_message(uint8_t out[128])
{
    struct inet_diag_msg message = {.idiag_family = AF_INET6,
                                    .idiag_state = HOST_STATE_LISTEN,
                                    .idiag_uid = 1000,
                                    .idiag_inode = 4711};
    const struct nlattr attribute = {.nla_len = sizeof attribute + 1,
                                     .nla_type = INET_DIAG_SKV6ONLY};
    uint8_t *at = out;

    message.id.idiag_sport = htons(443);
    message.id.idiag_src[3] = htonl(1);
    message.id.idiag_if = 7;
    memcpy(at, &message, sizeof message);
    at += sizeof message;
    memcpy(at, &attribute, sizeof attribute);
    at += sizeof attribute;
    *at++ = 1;
    return (size_t)(at - out);
}

static void messages_are_read(void **state)
{
    uint8_t bytes[128] __attribute__((aligned(4)));
    size_t length = make_message(bytes);
    struct host_socket row;

    (void)state;
    assert_true(host_sockets_parse_diag(bytes, length, BERTH_TRANSPORT_TCP, &row));
    assert_endpoint(&row.local, "[::1]:443");
    assert_int_equal(row.remote.port, 0);
    assert_true(row.is_listening && row.is_whole && row.is_v6 && row.is_v6_only);
    assert_int_equal(row.device, 7);
    assert_int_equal(row.uid, 1000);
    assert_int_equal(row.inode, 4711);
}

static void a_message_that_is_cut_off_is_none(void **state)
{
    uint8_t bytes[128] __attribute__((aligned(4)));
    size_t length = make_message(bytes);
    struct host_socket row = {.inode = 5};

    (void)state;
    for (size_t cut = 0; cut < sizeof(struct inet_diag_msg); cut++) {
        assert_false(host_sockets_parse_diag(bytes, cut, BERTH_TRANSPORT_TCP, &row));
        assert_int_equal(row.inode, 5);
    }
    /* An attribute that is cut off is not there. */
    for (size_t cut = sizeof(struct inet_diag_msg); cut < length; cut++) {
        assert_true(host_sockets_parse_diag(bytes, cut, BERTH_TRANSPORT_TCP, &row));
        assert_false(row.is_v6_only);
    }
    bytes[0] = AF_UNIX;
    assert_false(host_sockets_parse_diag(bytes, length, BERTH_TRANSPORT_TCP, &row));
}

static void states_have_names(void **state)
{
    struct host_socket row = {.transport = BERTH_TRANSPORT_TCP, .state = HOST_STATE_BOUND};

    (void)state;
    assert_string_equal(host_socket_state_name(&row), "bound");
    row.state = 0;
    assert_string_equal(host_socket_state_name(&row), "unknown");
    row.state = UINT8_MAX;
    assert_string_equal(host_socket_state_name(&row), "unknown");
    row.transport = BERTH_TRANSPORT_UDP;
    assert_string_equal(host_socket_state_name(&row), "connected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read), cmocka_unit_test(what_is_no_line_is_passed_over),
        cmocka_unit_test(messages_are_read), cmocka_unit_test(a_message_that_is_cut_off_is_none),
        cmocka_unit_test(states_have_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
