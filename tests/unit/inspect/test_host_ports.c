/* SPDX-License-Identifier: MIT */
/*
 * The kernel's lists of ports, and what a probe says of a port that this test holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inspect/host_ports.h"

static uint32_t count(const struct host_port_set *set)
{
    uint32_t count = 0;

    for (uint32_t port = 0; port <= UINT16_MAX; port++) {
        count += host_port_set_has(set, (uint16_t)port);
    }
    return count;
}

static void lists_are_read(void **state)
{
    struct host_port_set set;

    (void)state;
    assert_true(host_port_set_parse("\n", &set));
    assert_int_equal(count(&set), 0);
    assert_true(host_port_set_parse("8080,9000-9010,65535\n", &set));
    assert_int_equal(count(&set), 13);
    assert_true(host_port_set_has(&set, 8080));
    assert_true(host_port_set_has(&set, 9010));
    assert_false(host_port_set_has(&set, 9011));
    assert_true(host_port_set_has(&set, 65535));
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const wrong[] = {"x", "80-", "90-80", "65536", "80 81", "-80", ",80"};
    struct host_port_set set;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(host_port_set_parse(wrong[i], &set));
    }
}

static void a_bound_port_is_taken(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint16_t port;

    (void)state;
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    port = ntohs(address.sin_port);
    /* Bound alone, to one address: no table of the kernel's shows it. */
    assert_int_equal(host_port_probe(port, BERTH_TRANSPORT_TCP), HOST_PORT_TAKEN);
    assert_int_equal(host_port_probe(port, BERTH_TRANSPORT_TCP | BERTH_TRANSPORT_UDP),
                     HOST_PORT_TAKEN);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_are_read),
                                       cmocka_unit_test(what_is_no_list_is_refused),
                                       cmocka_unit_test(a_bound_port_is_taken)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
