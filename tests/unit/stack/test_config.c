/* SPDX-License-Identifier: MIT */
/*
 * A configuration: the defaults pass; each member is refused just outside its range, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/config.h>

#include <stdio.h>

static struct berth_config config;

static void refused(const char *member)
{
    const char *what = NULL;

    assert_int_equal(berth_config_check(&config, &what), BERTH_E_INVALID);
    assert_non_null(what);
    assert_string_equal(what, member);
    assert_int_equal(berth_config_check(&config, NULL), BERTH_E_INVALID);
    berth_config_init(&config);
}

static void passes(void)
{
    const char *what = "untouched";

    assert_int_equal(berth_config_check(&config, &what), 0);
    assert_string_equal(what, "untouched");
}

#define REFUSED(member, value)   \
    do {                         \
        config.member = (value); \
        refused(#member);        \
    } while (0)
#define PASSES(member, value)       \
    do {                            \
        config.member = (value);    \
        passes();                   \
        berth_config_init(&config); \
    } while (0)
#define RANGE(member, least, most)      \
    do {                                \
        PASSES(member, (least));        \
        PASSES(member, (most));         \
        REFUSED(member, (most) + 1);    \
        if ((least) > 0) {              \
            REFUSED(member, (least)-1); \
        }                               \
    } while (0)

static const uint64_t ms = 1000000;
static const uint64_t second = 1000000000;

static void the_defaults_pass(void **state)
{
    uint8_t zeros[BERTH_SEED_BYTES] = {0};

    (void)state;
    memset(&config, 0xff, sizeof config);
    berth_config_init(&config);
    passes();
    assert_memory_equal(config.seed, zeros, sizeof zeros);
    assert_int_equal(config.mtu, 1500);
    assert_int_equal(config.offloads, 0);
    assert_int_equal(config.ephemeral_first, 49152);
    assert_int_equal(config.ephemeral_last, 65535);
    assert_false(config.forward_any);
    assert_false(config.system_ports_bindable);
    assert_false(config.tcp.keepalive);                             /* RFC 9293 MUST-25 */
    assert_true(config.tcp.keepalive_idle_ns >= 2 * 3600 * second); /* MUST-28 */
    assert_true(config.tcp.delayed_ack_ns < 500 * ms);              /* MUST-40 */
    assert_true(config.tcp.user_timeout_ns >= 100 * second);        /* SHLD-11 */
    assert_int_equal(config.tcp.rto_initial_ns, second);            /* RFC 6298 2.1 */
    assert_true(config.tcp.rto_max_ns >= 60 * second);              /* RFC 6298 2.5 */
    assert_int_equal(config.tcp.initial_window, 10);                /* RFC 6928 2 */
    assert_true(config.tcp.receive_bytes_initial >= 10U * 1460);
    assert_true(config.tcp.sack && config.tcp.timestamps && config.tcp.window_scale);
    assert_true(config.tcp.blind_attack_checks);
}

/* RFC 9293 MUST-23: a SYN is tried for three minutes at least. */
static void a_syn_is_tried_for_three_minutes(void **state)
{
    uint64_t rto_ns;
    uint64_t sum_ns = 0;

    (void)state;
    berth_config_init(&config);
    rto_ns = config.tcp.rto_initial_ns;
    for (uint32_t i = 0; i <= config.tcp.syn_retries; i++) {
        sum_ns += rto_ns;
        rto_ns = rto_ns * 2 < config.tcp.rto_max_ns ? rto_ns * 2 : config.tcp.rto_max_ns;
    }
    assert_true(sum_ns >= 180 * second);
}

static void ranges_of_the_stack(void **state)
{
    (void)state;
    berth_config_init(&config);
    config.limits.buffer_bytes = 65535 + 64;
    config.mtu = 65535;
    passes();
    berth_config_init(&config);
    PASSES(mtu, 576);
    REFUSED(mtu, 575);
    REFUSED(mtu, 65536);
    PASSES(offloads, BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 | BERTH_LINK_TSO6 | BERTH_LINK_USO);
    REFUSED(offloads, 16);
    REFUSED(offloads, BERTH_LINK_TSO4); /* needs checksums */
    REFUSED(offloads, BERTH_LINK_USO);
    RANGE(segment_bytes_max, 1, 65535U - 120);
    PASSES(guard, BERTH_GUARD_LINK_PEER);
    REFUSED(guard, (enum berth_guard)2);
    RANGE(reassembly_ns, ms, 3600 * second);
    RANGE(udp_held_ns, ms, 24 * 3600 * second);
    PASSES(ephemeral_first, 1024);
    PASSES(ephemeral_first, 65535);
    REFUSED(ephemeral_first, 1023); /* system ports are never chosen */
    REFUSED(ephemeral_last, 1023);
    config.ephemeral_last = 49151;
    refused("ephemeral_first");
}

static void ranges_of_limits(void **state)
{
    (void)state;
    berth_config_init(&config);
    REFUSED(limits.buffers, 15);
    REFUSED(limits.buffers, 1000001);
    PASSES(limits.buffers, 1000000);
    config.limits.buffers = 16;
    config.limits.buffers_reserved = 15;
    passes();
    config.limits.buffers_reserved = 16;
    refused("limits.buffers_reserved");
    PASSES(limits.buffer_bytes, 1500 + 64);
    REFUSED(limits.buffer_bytes, 1500 + 63); /* a packet of the MTU, and headroom */
    PASSES(limits.buffer_bytes, 131072);
    REFUSED(limits.buffer_bytes, 131073);
    RANGE(limits.tcp_connections, 0U, 1U << 24);
    RANGE(limits.tcp_time_wait, 1U, (1U << 24) - 1);
    RANGE(limits.tcp_listeners, 0U, 1U << 24);
    RANGE(limits.tcp_held, 0U, 1U << 24);
    RANGE(limits.tcp_sent_records, 0U, 1U << 24);
    RANGE(limits.tcp_reorder_records, 0U, 1U << 24);
    RANGE(limits.tcp_reorder_per_connection, 0U, 1U << 24);
    RANGE(limits.udp_sockets, 0U, 1U << 24);
    RANGE(limits.udp_queue_bytes, 0U, UINT32_MAX / 2);
    RANGE(limits.reassemblies, 0U, 1U << 24);
    RANGE(limits.replies, 0U, 1000000U);
    RANGE(limits.icmp_per_second, 0U, 1000000U);
    RANGE(limits.addresses, 1U, 65536U);
    RANGE(limits.routes, 0U, 65536U);
    RANGE(limits.binds, 0U, 1U << 24);
    RANGE(limits.port_endpoints, 0U, (1U << 24) - 1);
    RANGE(limits.rules, 0U, 1000000U);
    RANGE(limits.rule_bytes, 0U, 1U << 30);
    RANGE(limits.contacts, 0U, 1U << 24);
}

static void ranges_of_tcp(void **state)
{
    (void)state;
    berth_config_init(&config);
    PASSES(tcp.receive_bytes_max, 1U << 30);
    REFUSED(tcp.receive_bytes_max, (1U << 30) + 1);
    REFUSED(tcp.receive_bytes_max, 2047);
    config.tcp.receive_bytes_max = 65535;
    refused("tcp.receive_bytes_initial"); /* 65536 by default */
    PASSES(tcp.send_bytes_max, 1U << 30);
    REFUSED(tcp.send_bytes_max, (1U << 30) + 1);
    REFUSED(tcp.send_bytes_max, 2047);
    config.tcp.send_bytes_max = 65536;
    refused("tcp.send_bytes_initial"); /* 256 KiB by default */
    config.tcp.send_bytes_initial = 2048;
    PASSES(tcp.send_bytes_max, 2048);
    REFUSED(tcp.send_bytes_initial, 2047);
    REFUSED(tcp.receive_bytes_initial, 2047);
    PASSES(tcp.receive_bytes_shared, 1U << 30);
    REFUSED(tcp.receive_bytes_shared, (1U << 30) + 1);
    PASSES(tcp.receive_bytes_shared, 0);
    REFUSED(tcp.rto_min_ns, ms - 1);
    REFUSED(tcp.rto_initial_ns, config.tcp.rto_min_ns - 1);
    REFUSED(tcp.rto_initial_ns, config.tcp.rto_max_ns + 1);
    RANGE(tcp.rto_max_ns, 60 * second, 3600 * second);
    PASSES(tcp.user_timeout_max_ns, 30 * 24 * 3600 * second);
    REFUSED(tcp.user_timeout_max_ns, 30 * 24 * 3600 * second + 1);
    REFUSED(tcp.user_timeout_min_ns, second - 1);
    REFUSED(tcp.user_timeout_min_ns, config.tcp.user_timeout_max_ns + 1);
    RANGE(tcp.delayed_ack_ns, (uint64_t)0, 500 * ms - 1);
    RANGE(tcp.quick_ack_ns, (uint64_t)0, 500 * ms - 1);
    RANGE(tcp.idle_window_ns, (uint64_t)0, 300 * second);
    RANGE(tcp.time_wait_ns, (uint64_t)0, 3600 * second);
    RANGE(tcp.fin_wait2_ns, (uint64_t)0, 24 * 3600 * second);
    RANGE(tcp.keepalive_idle_ns, second, 30 * 24 * 3600 * second);
    RANGE(tcp.keepalive_interval_ns, ms, 24 * 3600 * second);
    RANGE(tcp.keepalive_probes, 1U, 255U);
    RANGE(tcp.challenge_acks_per_second, 0U, 1000000U);
    RANGE(tcp.syn_retries, 0U, 30U);
    RANGE(tcp.user_timeout_ns, second, 30 * 24 * 3600 * second);
    RANGE(tcp.initial_window, 1U, 1000U);
    RANGE(tcp.held_ns, ms, 24 * 3600 * second);
    PASSES(tcp.dscp, 63);
    REFUSED(tcp.dscp, 64);
    PASSES(tcp.hop_limit, 1);
    PASSES(tcp.hop_limit, 255);
    REFUSED(tcp.hop_limit, 0);
}

static void the_controller_has_a_name_that_exists(void **state)
{
    static const char *const bad[] = {"", "newren", "newreno2", "NEWRENO"};

    (void)state;
    berth_config_init(&config);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(config.tcp.congestion_control, bad[i], strlen(bad[i]) + 1);
        refused("tcp.congestion_control");
    }
    memset(config.tcp.congestion_control, 'n', sizeof config.tcp.congestion_control);
    refused("tcp.congestion_control"); /* no end */
}

/* Of several that are wrong, the first in the order of the header's text is named. */
static void the_first_is_named(void **state)
{
    (void)state;
    memset(&config, 0xff, sizeof config);
    refused("mtu");
    config.limits.rules = UINT32_MAX;
    config.tcp.initial_window = 0;
    refused("limits.rules");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_pass),
        cmocka_unit_test(a_syn_is_tried_for_three_minutes),
        cmocka_unit_test(ranges_of_the_stack),
        cmocka_unit_test(ranges_of_limits),
        cmocka_unit_test(ranges_of_tcp),
        cmocka_unit_test(the_controller_has_a_name_that_exists),
        cmocka_unit_test(the_first_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
