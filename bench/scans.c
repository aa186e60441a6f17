/* SPDX-License-Identifier: MIT */
/*
 * bench-scans: after how many first contacts are scanners found, and are others left alone?
 *
 *   bench-scans replay FILE...              captures, each host of each guarded in two ways
 *   bench-scans live DEVICE ADDRESS PORT... a stack at a TUN device, for nmap
 */
#include "scans.h"
#include "stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RULES                                                           \
    "allow in any from any,169.254.0.0/16,fe80::/10\nallow out any to " \
    "any,169.254.0.0/16,fe80::/10\n"

/* ---- First contacts ------------------------------------------------------------------------- */

static bool is_answer(const struct wire_packet *packet)
{
    uint32_t flags = packet->tcp.flags & (WIRE_SYN | WIRE_ACK | WIRE_RST);

    switch (packet->protocol) {
    case WIRE_TCP:
        return flags == (WIRE_SYN | WIRE_ACK) || flags == WIRE_RST ||
               flags == (WIRE_RST | WIRE_ACK);
    case WIRE_ICMP:
        return packet->icmp.type != 8;
    case WIRE_ICMP6:
        return packet->icmp.type != 128;
    default:
        return false;
    }
}

void scans_count_packet(struct scans_count *tried, const struct wire_packet *packet)
{
    struct scans_tried one = {.who = packet->source,
                              .what = {packet->destination, packet->destination_port},
                              .protocol = packet->protocol};

    if (is_answer(packet) || tried->count == SCANS_TRIED_MAX) {
        return;
    }
    for (uint32_t i = 0; i < tried->count; i++) {
        const struct scans_tried *other = &tried->list[i];

        if (other->protocol == one.protocol && berth_address_is_equal(&other->who, &one.who) &&
            berth_endpoint_is_equal(&other->what, &one.what)) {
            return;
        }
    }
    tried->list[tried->count++] = one;
}

uint32_t scans_count_of(const struct scans_count *tried, const struct berth_address *who)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < tried->count; i++) {
        count += berth_address_is_equal(&tried->list[i].who, who);
    }
    return count;
}

/* ---- Stacks --------------------------------------------------------------------------------- */

struct owned {
    void *memory;
    size_t bytes;
};

static struct owned owned; /* one at a time */

struct berth *scans_stack(enum berth_guard guard, const struct berth_address *address,
                          uint64_t now_ns)
{
    struct berth_prefix own = {.address = *address, .bits = 128};
    struct berth_prefix all = {.address = berth_address_any(), .bits = 0};
    struct berth_prefix all4 = {.address = berth_address_v4(0), .bits = 96};
    struct berth_prefix gateway;
    struct berth_config config;
    struct berth *berth;

    berth_config_init(&config);
    config.guard = guard;
    config.forward_any = guard == BERTH_GUARD_LINK_PEER;
    config.system_ports_bindable = true;
    config.limits.buffer_bytes = BERTH_PACKET_BYTES_MAX + 64U;
    config.limits.buffers = 1024;
    owned.bytes = berth_memory_bytes(&config);
    owned.memory = mmap(NULL, owned.bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(owned.memory != MAP_FAILED ? 0 : BERTH_E_LIMIT, "memory");
    must(berth_init(&berth, &config, owned.memory, owned.bytes, now_ns), "berth_init");
    if (guard == BERTH_GUARD_LINK_PEER) {
        must(berth_prefix_parse("198.18.0.1", &gateway), "gateway");
        must(berth_address_add(berth, &gateway), "berth_address_add");
        must(berth_peer_add(berth, &own), "berth_peer_add");
        berth_intercept(berth, true);
    } else {
        must(berth_address_add(berth, &own), "berth_address_add");
    }
    must(berth_route_add(berth, &all), "berth_route_add");
    must(berth_route_add(berth, &all4), "berth_route_add");
    must(berth_rules_load(berth, RULES, strlen(RULES), NULL), "berth_rules_load");
    return berth;
}

void scans_stack_free(struct berth *berth)
{
    berth_done(berth);
    munmap(owned.memory, owned.bytes);
}

void scans_print(const struct berth_scan *event, uint32_t after, bool is_first)
{
    char source[BERTH_ADDRESS_TEXT_BYTES];

    printf("%s{\"direction\": \"%s\", \"source\": \"%s\", \"after\": %u, \"contacts\": %u, "
           "\"failures\": %u, \"hosts\": %u, \"ports\": %u}",
           is_first ? "" : ", ", event->direction == BERTH_IN ? "in" : "out",
           berth_address_format(&event->source.address, source), after, event->contacts,
           event->failures, event->hosts, event->ports);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "replay") == 0) {
        for (int i = 2; i < argc; i++) {
            scans_replay(argv[i]);
        }
        return 0;
    }
    if (argc > 3 && strcmp(argv[1], "live") == 0) {
        scans_live(argv[2], argv[3], argc - 4, argv + 4);
        return 0;
    }
    fprintf(stderr, "usage: bench-scans replay FILE... | live DEVICE ADDRESS [PORT]...\n");
    return 2;
}
