/* SPDX-License-Identifier: MIT */
/*
 * Lines of /proc/net as kernels write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
                                        "0: 0100007F:0035 0000000G:0000 0A" REST};
    struct host_socket row;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(host_sockets_parse(wrong[i], BERTH_TRANSPORT_TCP, &row));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_read),
                                       cmocka_unit_test(what_is_no_line_is_passed_over)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
