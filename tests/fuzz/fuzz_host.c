/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_host.c: any bytes as what the kernel tells of its sockets: a line of /proc/net, a
 * message of sock_diag, a link of /proc/PID/fd, a list of ports.
 *
 * Held against: what is refused leaves the output alone; what is taken has an address of its
 * version, a name for its state, an exposure exactly where it listens, and is equal to itself in
 * the order of sockets; nothing past the input is read (the copies end there, for ASan).
 */
#include <stdlib.h>
#include <string.h>

#include "inspect/host_exposure.h"
#include "inspect/host_holders.h"
#include "inspect/host_picture.h"
#include "inspect/host_ports.h"
#include "inspect/host_sockets.h"

#define CHECK(condition)    \
    do {                    \
        if (!(condition)) { \
            abort();        \
        }                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct host_socket *row)
{
    static const struct host_reach reach = {HOST_EXPOSURE_ANYONE, HOST_EXPOSURE_NETWORK, 0};
    const char *state = host_socket_state_name(row);
    enum host_exposure exposure = host_exposure_of(row, &reach);

    CHECK(state != NULL && *state != '\0');
    CHECK(row->is_v6 || berth_address_is_v4(&row->local.address));
    CHECK((exposure != HOST_EXPOSURE_NONE) == row->is_listening);
    CHECK((host_exposure_name(exposure)[0] != '\0') == row->is_listening);
    CHECK(host_socket_compare(row, row) == 0);
}

static void check_line(const char *text, enum berth_transport transport)
{
    struct host_socket row;
    struct host_socket before;

    memset(&row, 0x5a, sizeof row);
    before = row;
    if (host_sockets_parse(text, transport, &row)) {
        CHECK(!row.is_whole);
        check_row(&row);
    } else {
        CHECK(memcmp(&row, &before, sizeof row) == 0);
    }
}

static void check_message(const uint8_t *data, size_t size, enum berth_transport transport)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size); /* as aligned as a netlink message */
    struct host_socket row;
    struct host_socket before;

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    memset(&row, 0x5a, sizeof row);
    before = row;
    if (host_sockets_parse_diag(copy, size, transport, &row)) {
        CHECK(row.is_whole);
        check_row(&row);
    } else {
        CHECK(memcmp(&row, &before, sizeof row) == 0);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum berth_transport transports[] = {BERTH_TRANSPORT_TCP, BERTH_TRANSPORT_UDP};
    char *text = malloc(size + 1);
    struct host_port_set set;

    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < 2; i++) {
        check_line(text, transports[i]);
        check_message(data, size, transports[i]);
    }
    (void)host_holders_parse_link(text);
    (void)host_port_set_parse(text, &set);
    free(text);
    return 0;
}
