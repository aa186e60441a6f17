/* SPDX-License-Identifier: MIT */
/*
 * A program under the launcher and nothing else: packets that it sends are read and thrown away.
 * For tests/interop/test_launch.py, which finds it by the variable LAUNCH_PROBE.
 *
 *   launch_probe [-4|-6] [-m MTU] [-r RESOLVER]... [-H NAME=ADDR]... [-c] [-o FILE] COMMAND...
 *
 * -c: berth's own privileges are dropped as in a real run. -o FILE: a line "ready ..." for what was
 * made, and one for each packet: protocol, both ends, pid and name of the process that sent it.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <berth/address.h>

#include "run/attribute.h"
#include "run/confine.h"
#include "run/launch.h"

enum { HEADER_BYTES = 10, PACKET_BYTES = 65536 + HEADER_BYTES, RESOLVERS_MAX = 3, HOSTS_MAX = 8 };

struct probe {
    struct launch_config config;
    struct berth_address resolvers[RESOLVERS_MAX];
    struct launch_host hosts[HOSTS_MAX];
    bool is_confined;
    const char *output;
    FILE *out;
    struct launch *launch;
    struct attribute *attribute;
};

static struct berth_address address_or_die(const char *text)
{
    struct berth_address address;

    if (berth_address_parse(text, &address) < 0) {
        fprintf(stderr, "launch_probe: not an address: %s\n", text);
        exit(2);
    }
    return address;
}

static void host_add(struct probe *probe, char *word)
{
    char *equals = strchr(word, '=');

    if (equals == NULL || probe->config.host_count == HOSTS_MAX) {
        fprintf(stderr, "launch_probe: not NAME=ADDR, or too many: %s\n", word);
        exit(2);
    }
    *equals = '\0';
    probe->hosts[probe->config.host_count].name = word;
    probe->hosts[probe->config.host_count].address = address_or_die(equals + 1);
    probe->config.host_count++;
}

static void options_read(struct probe *probe, int argc, char **argv)
{
    int option = 0;

    while ((option = getopt(argc, argv, "+46m:r:H:co:")) != -1) {
        switch (option) {
        case '4':
            probe->config.network6.is_on = false;
            break;
        case '6':
            probe->config.network.is_on = false;
            break;
        case 'm':
            probe->config.mtu = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            probe->resolvers[probe->config.resolver_count++ % RESOLVERS_MAX] =
                address_or_die(optarg);
            break;
        case 'H':
            host_add(probe, optarg);
            break;
        case 'c':
            probe->is_confined = true;
            break;
        case 'o':
            probe->output = optarg;
            break;
        default:
            exit(2);
        }
    }
    probe->config.argv = argv + optind;
    probe->config.resolvers = probe->resolvers;
    probe->config.hosts = probe->hosts;
}

static uint16_t port_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The ends of a packet that begins with its IP header; false when it is not one of interest. */
static bool packet_read(const uint8_t *packet, size_t length, struct attribute_query *query)
{
    bool is_v4 = packet[0] >> 4 == 4;
    size_t header = is_v4 ? (size_t)(packet[0] & 15) * 4 : 40;
    const uint8_t *transport = packet + header;
    uint8_t source[16] = {[10] = 255, [11] = 255};
    uint8_t target[16] = {[10] = 255, [11] = 255};

    if (length < header + 8) {
        return false;
    }
    memcpy(source + (is_v4 ? 12 : 0), packet + (is_v4 ? 12 : 8), is_v4 ? 4 : 16);
    memcpy(target + (is_v4 ? 12 : 0), packet + (is_v4 ? 16 : 24), is_v4 ? 4 : 16);
    memcpy(query->local.address.bytes, source, 16);
    memcpy(query->remote.address.bytes, target, 16);
    query->protocol = packet[is_v4 ? 9 : 6];
    query->remote.port = 0;
    switch (query->protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
        query->local.port = port_at(transport);
        query->remote.port = port_at(transport + 2);
        return true;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        query->local.port = port_at(transport + 4);
        return true;
    default:
        query->local.port = 0;
        return true;
    }
}

static void packet_show(struct probe *probe, const uint8_t *packet, size_t length)
{
    struct attribute_query query;
    struct attribute_process process;
    char local[BERTH_ADDRESS_TEXT_BYTES];
    char remote[BERTH_ADDRESS_TEXT_BYTES];

    if (probe->out == NULL || !packet_read(packet, length, &query)) {
        return;
    }
    fprintf(probe->out, "packet %u %s %u %s %u", (unsigned)query.protocol,
            berth_address_format(&query.local.address, local), (unsigned)query.local.port,
            berth_address_format(&query.remote.address, remote), (unsigned)query.remote.port);
    if (attribute_find(probe->attribute, &query, &process)) {
        fprintf(probe->out, " %d %s | %s", (int)process.pid, process.name, process.command);
    }
    fprintf(probe->out, "\n");
    fflush(probe->out);
}

static int relay_nothing(struct probe *probe, int tun_fd)
{
    static uint8_t packet[PACKET_BYTES];
    struct pollfd waiting[] = {{.fd = tun_fd, .events = POLLIN},
                               {.fd = launch_event_fd(probe->launch), .events = POLLIN}};

    for (;;) {
        ssize_t length = 0;

        if (launch_on_event(probe->launch) == LAUNCH_ENDED) {
            return launch_exit_status(probe->launch);
        }
        while ((length = read(tun_fd, packet, sizeof(packet))) > HEADER_BYTES) {
            packet_show(probe, packet + HEADER_BYTES, (size_t)length - HEADER_BYTES);
        }
        (void)poll(waiting, 2, -1);
    }
}

static int run(struct probe *probe)
{
    struct launch_failure failure;
    char message[256];
    int tun_fd = -1;
    int status = 0;

    if (launch_start(&probe->launch, &probe->config, &failure) < 0) {
        fprintf(stderr, "berth: %s\n", failure.message);
        return failure.exit_status;
    }
    for (size_t i = 0; launch_warning(probe->launch, i) != NULL; i++) {
        fprintf(stderr, "berth: %s\n", launch_warning(probe->launch, i));
    }
    if (attribute_new(&probe->attribute, probe->launch) < 0) {
        return LAUNCH_EXIT_BERTH_FAILED;
    }
    if (probe->is_confined && (confine_privileges(message, sizeof(message)) < 0 ||
                               confine_calls(false, message, sizeof(message)) < 0)) {
        fprintf(stderr, "berth: %s\n", message);
        return LAUNCH_EXIT_BERTH_FAILED;
    }
    tun_fd = launch_take_tun(probe->launch, 0);
    if (probe->out != NULL) {
        fprintf(probe->out, "ready offloads=%u ipv6=%d pid=%d\n", launch_offloads(probe->launch),
                (int)launch_has_ipv6(probe->launch), (int)launch_pid(probe->launch));
        fflush(probe->out);
    }
    if (launch_go(probe->launch, &failure) < 0) {
        fprintf(stderr, "berth: %s\n", failure.message);
        status = failure.exit_status;
    } else {
        status = relay_nothing(probe, tun_fd);
    }
    close(tun_fd);
    attribute_free(probe->attribute);
    launch_free(probe->launch);
    return status;
}

int main(int argc, char **argv)
{
    struct probe probe = {
        .config = {.mtu = LAUNCH_MTU_MAX,
                   .network = {true, 24, address_or_die("10.0.2.100"), address_or_die("10.0.2.2")},
                   .network6 = {true, 64, address_or_die("fd00::100"), address_or_die("fd00::2")}}};
    int status = 0;

    options_read(&probe, argc, argv);
    if (probe.output != NULL) {
        probe.out = fopen(probe.output, "we");
        if (probe.out == NULL) {
            perror(probe.output);
            return 2;
        }
    }
    status = run(&probe);
    if (probe.out != NULL) {
        fclose(probe.out);
    }
    return status;
}
