/* SPDX-License-Identifier: MIT */
/*
 * Making a stack's TCP: its pools and tables, and its secrets.
 */
#include "tcp/parts.h"

/* A rate, and behind it what the neediest controller asks for. */
static uint32_t rate_bytes(void)
{
    return (uint32_t)sizeof(struct tcp_rate) + (cc_state_bytes_max() + 7) / 8 * 8;
}

void tcp_init(struct tcp *tcp, struct arena *arena, const struct berth_config *config,
              const struct tcp_parts *parts)
{
    const struct berth_limits *limits = &config->limits;
    uint32_t shared = max_u32(config->tcp.receive_bytes_shared, config->tcp.receive_bytes_initial);
    bool is_shared = config->tcp.receive_bytes_shared != 0;

    *tcp = (struct tcp){.settings = config->tcp,
                        .share.bytes = is_shared ? shared : UINT32_MAX,
                        .mtu = config->mtu,
                        .offloads = config->offloads,
                        .segment_bytes_max = config->segment_bytes_max,
                        .reorder_per_connection = limits->tcp_reorder_per_connection,
                        .random = parts->random,
                        .buffers = parts->buffers,
                        .outbox = parts->outbox,
                        .events = parts->events,
                        .timers = parts->timers,
                        .stats = parts->stats,
                        .ports = parts->ports,
                        .held_max = limits->tcp_held};
    tcp_options_init(&tcp->defaults, &config->tcp);
    tcp_ready_init(tcp);
    list_init(&tcp->starved);
    list_init(&tcp->writers);
    list_init(&tcp->path_order);
    tcp_half_init(tcp, arena, limits->tcp_half_open);
    tcp_outcome_init(tcp, arena);
    tcp_fast_init(tcp, arena, limits->tcp_fast_open_servers);
    tcp_work_init(tcp, arena, limits->tcp_connections);
    pool_init(&tcp->conns, arena, limits->tcp_connections, sizeof(struct tcp_conn));
    pool_init(&tcp->backs, arena, limits->tcp_connections, sizeof(struct tcp_back));
    tcp_time_wait_init(tcp, arena, limits->tcp_time_wait);
    pool_init(&tcp->listeners, arena, limits->tcp_listeners, sizeof(struct tcp_listener));
    pool_init(&tcp->options, arena, limits->tcp_connections + limits->tcp_listeners,
              sizeof(struct tcp_options));
    pool_init(&tcp->sent_records, arena, limits->tcp_sent_records, sizeof(struct tcp_sent));
    pool_init(&tcp->reorder_records, arena, limits->tcp_reorder_records,
              sizeof(struct tcp_reorder));
    pool_init(&tcp->rates, arena, limits->tcp_paced, rate_bytes());
    pool_init(&tcp->paths, arena, limits->tcp_paths, sizeof(struct tcp_path));
    table_init(&tcp->path_table, arena, limits->tcp_paths);
    table_init(&tcp->table, arena, limits->tcp_connections);
}

void tcp_seed(struct tcp *tcp, uint64_t now_ns)
{
    random_fill(tcp->random, &tcp->table_key, sizeof tcp->table_key);
    random_fill(tcp->random, &tcp->isn_key, sizeof tcp->isn_key);
    tcp->pair_last = (struct tcp_pair){0};
    tcp->pair_last.hash =
        hash_keyed(&tcp->table_key, &tcp->pair_last, 2 * sizeof tcp->pair_last.local);
    static const char dice[] = "tree";
    tree_dice_init(&tcp->dice, hash_keyed(&tcp->table_key, dice, sizeof dice));
    tcp->now_ns = now_ns;
    tcp_keys_seed(tcp, &tcp->cookies);
    tcp_keys_seed(tcp, &tcp->fast.keys);
    tcp->challenge_window_ns = now_ns;
    tcp->challenge_left = tcp->settings.challenge_acks_per_second;
}
