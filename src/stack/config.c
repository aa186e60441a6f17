/* SPDX-License-Identifier: MIT */
/*
 * stack/config.c: the defaults of a configuration, and what values a stack can be made with.
 * The defaults are told in berth/config.h.
 * Pure; anyone may call it. berth_memory_bytes and berth_init refuse what does not pass here.
 */
#include <berth/config.h>

#include "base/buffers.h"
#include "cc/cc.h"

#include <berth/buffer.h>

#define MTU_MIN           576 /* RFC 791: what every host takes */
#define HEADERS_BYTES_MAX 120 /* of a super-segment: IPv6 40 and TCP 60, and room */
#define SYSTEM_PORT_LAST  1023
#define RECORDS_MAX       16777216 /* of one kind: far beyond use, and no sum of sizes wraps */
#define NUMBERS_MAX       16777215 /* of those that TIME-WAIT has in three bytes, 0 being none */

static void init_limits(struct berth_limits *limits)
{
    *limits = (struct berth_limits){
        .buffers = 8192,
        .buffer_bytes = 2048,
        .buffers_reserved = 256,
        .tcp_connections = 4096,
        .tcp_half_open = 4096,
        .tcp_time_wait = 16384,
        .tcp_listeners = 256,
        .tcp_held = 1024,
        .tcp_fast_open_servers = 256,
        .tcp_sent_records = 16384,
        .tcp_reorder_records = 16384,
        .tcp_reorder_per_connection = 4096,
        .tcp_paced = 4096,
        .tcp_paths = 256,
        .udp_sockets = 4096,
        .udp_queue_bytes = 256 * 1024,
        .reassemblies = 64,
        .replies = 256,
        .icmp_per_second = 1000,
        .addresses = 16,
        .routes = 64,
        .binds = 1024,
        .port_endpoints = 4096,
        .rules = 4096,
        .rule_bytes = 512 * 1024,
        .names = 4096,
        .limit_sources = 4096,
        .contacts = 1024,
        .scan_records = 1024,
    };
}

static void init_tcp(struct berth_tcp_settings *tcp)
{
    *tcp = (struct berth_tcp_settings){
        .receive_bytes_max = 4 * 1024 * 1024,
        .send_bytes_max = 4 * 1024 * 1024,
        .receive_bytes_initial = 64 * 1024,
        .send_bytes_initial = 256 * 1024,
        .rto_initial_ns = NS_PER_S,
        .rto_min_ns = 200 * NS_PER_MS,
        .rto_max_ns = 60 * NS_PER_S,
        .delayed_ack_ns = 40 * NS_PER_MS,
        .time_wait_ns = 60 * NS_PER_S,
        .fin_wait2_ns = 60 * NS_PER_S,
        .keepalive_idle_ns = 7200 * NS_PER_S,
        .keepalive_interval_ns = 75 * NS_PER_S,
        .keepalive_probes = 9,
        .sack = true,
        .frto = true,
        .timestamps = true,
        .window_scale = true,
        .blind_attack_checks = true,
        .ecn = BERTH_TCP_ECN_ACCEPT,
        .accecn_option = true,
        .challenge_acks_per_second = 1000,
        .syn_queue = 1024,
        .syn_cookies = BERTH_SYN_COOKIES_WHEN_FULL,
        /* 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 s: 3 minutes (RFC 9293 3.8.3, R2 of a SYN). */
        .syn_retries = 7,
        .user_timeout_ns = 300 * NS_PER_S,
        .user_timeout_min_ns = 100 * NS_PER_S, /* RFC 5482 3.1 */
        .user_timeout_max_ns = 3600 * NS_PER_S,
        .initial_window = 10,
        .idle_window_ns = 300 * NS_PER_S, /* RFC 7661 4.4 */
        /* Longer than hosts go on sending SYNs, so that it is the peer who gives up. */
        .held_ns = 180 * NS_PER_S,
        .hop_limit = 64, /* IANA's recommendation */
        .mtu_probing = BERTH_MTU_PROBING_BLACK_HOLE,
        .mtu_floor = 552,
        .mtu_age_ns = 600 * NS_PER_S, /* RFC 1191 6.3, RFC 8899 5.1.1 */
        .congestion_control = "cubic",
    };
}

void berth_config_init(struct berth_config *config)
{
    *config = (struct berth_config){
        .mtu = 1500,
        .segment_bytes_max = BERTH_PACKET_BYTES_MAX - HEADERS_BYTES_MAX,
        .guard = BERTH_GUARD_STACK,
        .reassembly_ns = 60 * NS_PER_S,
        .udp_held_ns = 30 * NS_PER_S,
        .ephemeral_first = 49152,
        .ephemeral_last = UINT16_MAX,
    };
    init_limits(&config->limits);
    init_tcp(&config->tcp);
}

/* A member of the configuration, as it is named in berth/config.h, and its range. */
struct member {
    const char *name;
    size_t offset;
    size_t bytes;
    uint64_t min;
    uint64_t max;
};

#define MEMBER(path, least, most)                                                             \
    {                                                                                         \
#path, offsetof(struct berth_config, path), sizeof(((struct berth_config *)0)->path), \
            (least), (most)                                                                   \
    }

static const struct member members[] = {
    MEMBER(mtu, MTU_MIN, BERTH_PACKET_BYTES_MAX),
    MEMBER(offloads, 0, BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6 | BERTH_LINK_USO),
    MEMBER(segment_bytes_max, 1, BERTH_PACKET_BYTES_MAX - HEADERS_BYTES_MAX),
    MEMBER(guard, BERTH_GUARD_STACK, BERTH_GUARD_LINK_PEER),
    MEMBER(limits.buffers, 16, 1000000),
    MEMBER(limits.buffer_bytes, 512, 131072),
    MEMBER(limits.buffers_reserved, 0, 1000000),
    MEMBER(limits.tcp_connections, 0, RECORDS_MAX),
    MEMBER(limits.tcp_half_open, 0, RECORDS_MAX),
    MEMBER(limits.tcp_time_wait, 1, NUMBERS_MAX),
    MEMBER(limits.tcp_listeners, 0, RECORDS_MAX),
    MEMBER(limits.tcp_held, 0, RECORDS_MAX),
    MEMBER(limits.tcp_fast_open_servers, 0, RECORDS_MAX),
    MEMBER(limits.tcp_sent_records, 0, RECORDS_MAX),
    MEMBER(limits.tcp_reorder_records, 0, RECORDS_MAX),
    MEMBER(limits.tcp_reorder_per_connection, 0, RECORDS_MAX),
    MEMBER(limits.tcp_paced, 0, RECORDS_MAX),
    MEMBER(limits.tcp_paths, 0, UINT16_MAX),
    MEMBER(limits.udp_sockets, 0, RECORDS_MAX),
    MEMBER(limits.udp_queue_bytes, 0, UINT32_MAX / 2),
    MEMBER(limits.reassemblies, 0, RECORDS_MAX),
    MEMBER(limits.replies, 0, 1000000),
    MEMBER(limits.icmp_per_second, 0, 1000000),
    MEMBER(limits.addresses, 1, 65536),
    MEMBER(limits.routes, 0, 65536),
    MEMBER(limits.binds, 0, RECORDS_MAX),
    MEMBER(limits.port_endpoints, 0, NUMBERS_MAX),
    MEMBER(limits.rules, 0, 1000000),
    MEMBER(limits.rule_bytes, 0, (uint32_t)1 << 30),
    MEMBER(limits.names, 0, RECORDS_MAX),
    MEMBER(limits.limit_sources, 0, RECORDS_MAX),
    MEMBER(limits.contacts, 0, RECORDS_MAX),
    MEMBER(limits.scan_records, 0, RECORDS_MAX),
    MEMBER(tcp.receive_bytes_max, 2048, (uint32_t)1 << 30),
    MEMBER(tcp.send_bytes_max, 2048, (uint32_t)1 << 30),
    MEMBER(tcp.receive_bytes_initial, 2048, (uint32_t)1 << 30),
    MEMBER(tcp.receive_bytes_shared, 0, (uint32_t)1 << 30),
    MEMBER(tcp.send_bytes_initial, 2048, (uint32_t)1 << 30),
    MEMBER(tcp.rto_initial_ns, NS_PER_MS, 3600 * NS_PER_S),
    MEMBER(tcp.rto_min_ns, NS_PER_MS, 60 * NS_PER_S),
    MEMBER(tcp.rto_max_ns, 60 * NS_PER_S, 3600 * NS_PER_S), /* RFC 6298 2.5 */
    MEMBER(tcp.delayed_ack_ns, 0, 500 * NS_PER_MS - 1),     /* RFC 9293 MUST-40 */
    MEMBER(tcp.quick_ack_ns, 0, 500 * NS_PER_MS - 1),
    MEMBER(tcp.time_wait_ns, 0, 3600 * NS_PER_S),
    MEMBER(tcp.fin_wait2_ns, 0, 24 * 3600 * NS_PER_S),
    MEMBER(tcp.keepalive_idle_ns, NS_PER_S, 30 * 24 * 3600 * NS_PER_S),
    MEMBER(tcp.keepalive_interval_ns, NS_PER_MS, 24 * 3600 * NS_PER_S),
    MEMBER(tcp.keepalive_probes, 1, 255),
    MEMBER(tcp.ecn, BERTH_TCP_ECN_OFF, BERTH_TCP_ACCECN_ACCEPT),
    MEMBER(tcp.challenge_acks_per_second, 0, 1000000),
    MEMBER(tcp.fast_open_pending, 0, UINT16_MAX),
    MEMBER(tcp.syn_queue, 0, RECORDS_MAX),
    MEMBER(tcp.syn_cookies, BERTH_SYN_COOKIES_OFF, BERTH_SYN_COOKIES_ALWAYS),
    MEMBER(tcp.syn_retries, 0, 30),
    MEMBER(tcp.user_timeout_ns, NS_PER_S, 30 * 24 * 3600 * NS_PER_S),
    MEMBER(tcp.user_timeout_min_ns, NS_PER_S, 30 * 24 * 3600 * NS_PER_S),
    MEMBER(tcp.user_timeout_max_ns, NS_PER_S, 30 * 24 * 3600 * NS_PER_S),
    MEMBER(tcp.initial_window, 1, 1000),
    MEMBER(tcp.idle_window_ns, 0, 300 * NS_PER_S), /* RFC 7661 4.4 */
    MEMBER(tcp.held_ns, NS_PER_MS, 24 * 3600 * NS_PER_S),
    MEMBER(tcp.dscp, 0, 63),
    MEMBER(tcp.hop_limit, 1, UINT8_MAX),
    MEMBER(tcp.mtu_probing, BERTH_MTU_PROBING_OFF, BERTH_MTU_PROBING_ALWAYS),
    MEMBER(tcp.mtu_floor, 296, 1280),
    MEMBER(tcp.mtu_age_ns, NS_PER_S, 24 * 3600 * NS_PER_S),
    MEMBER(reassembly_ns, NS_PER_MS, 3600 * NS_PER_S),
    MEMBER(udp_held_ns, NS_PER_MS, 24 * 3600 * NS_PER_S),
    MEMBER(ephemeral_first, SYSTEM_PORT_LAST + 1, UINT16_MAX),
    MEMBER(ephemeral_last, SYSTEM_PORT_LAST + 1, UINT16_MAX),
};

static uint64_t value_of(const struct berth_config *config, const struct member *member)
{
    uint64_t value = 0;

    memcpy(&value, (const uint8_t *)config + member->offset, member->bytes);
    return value;
}

/* The first member that is out of its own range. */
static const char *find_out_of_range(const struct berth_config *config)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        uint64_t value = value_of(config, &members[i]);

        if (value < members[i].min || value > members[i].max) {
            return members[i].name;
        }
    }
    return NULL;
}

/* The first member that does not go with another; each is in its own range. */
static const char *find_contradiction(const struct berth_config *config)
{
    const struct berth_limits *limits = &config->limits;
    const struct berth_tcp_settings *tcp = &config->tcp;

    if (config->offloads != 0 && (config->offloads & BERTH_LINK_CHECKSUM) == 0) {
        return "offloads";
    }
    if (limits->buffer_bytes < config->mtu + BUFFERS_HEADROOM) {
        return "limits.buffer_bytes";
    }
    if (limits->buffers_reserved >= limits->buffers) {
        return "limits.buffers_reserved";
    }
    if (tcp->receive_bytes_initial > tcp->receive_bytes_max) {
        return "tcp.receive_bytes_initial";
    }
    if (tcp->send_bytes_initial > tcp->send_bytes_max) {
        return "tcp.send_bytes_initial";
    }
    if (tcp->user_timeout_min_ns > tcp->user_timeout_max_ns) {
        return "tcp.user_timeout_min_ns";
    }
    if (tcp->rto_initial_ns < tcp->rto_min_ns || tcp->rto_initial_ns > tcp->rto_max_ns) {
        return "tcp.rto_initial_ns";
    }
    if (memchr(tcp->congestion_control, '\0', sizeof tcp->congestion_control) == NULL ||
        cc_find(tcp->congestion_control) == NULL) {
        return "tcp.congestion_control";
    }
    return config->ephemeral_first > config->ephemeral_last ? "ephemeral_first" : NULL;
}

int berth_config_check(const struct berth_config *config, const char **what)
{
    const char *wrong = find_out_of_range(config);

    if (wrong == NULL) {
        wrong = find_contradiction(config);
    }
    if (wrong == NULL) {
        return BERTH_OK;
    }
    if (what != NULL) {
        *what = wrong;
    }
    return BERTH_E_INVALID;
}
