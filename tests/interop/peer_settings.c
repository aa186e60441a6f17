/* SPDX-License-Identifier: MIT */
/*
 * A stack's settings by name: the members of struct berth_config, times in milliseconds.
 */
#include "tests/interop/peer.h"

#include "base/bytes.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
    const char *name;
    size_t offset;
    size_t bytes;
    uint64_t unit; /* one of the setting's in the member's */
};

#define SETTING(name, member, unit)                                                              \
    {                                                                                            \
        name, offsetof(struct berth_config, member), sizeof(((struct berth_config *)0)->member), \
            (unit)                                                                               \
    }
#define TCP_SETTING(member)    SETTING(#member, tcp.member, 1)
#define TCP_TIME(name, member) SETTING(name, tcp.member, NS_PER_MS)
#define LIMIT(member)          SETTING(#member, limits.member, 1)

static const struct setting settings[] = {
    SETTING("mtu", mtu, 1),
    SETTING("offloads", offloads, 1),
    SETTING("segment_bytes_max", segment_bytes_max, 1),
    LIMIT(buffers),
    LIMIT(buffer_bytes),
    LIMIT(tcp_sent_records),
    LIMIT(tcp_reorder_records),
    LIMIT(tcp_reorder_per_connection),
    TCP_SETTING(receive_bytes_max),
    TCP_SETTING(send_bytes_max),
    TCP_SETTING(receive_bytes_initial),
    TCP_SETTING(keepalive),
    TCP_SETTING(keepalive_probes),
    TCP_SETTING(no_delay),
    TCP_SETTING(quick_ack),
    TCP_SETTING(sack),
    TCP_SETTING(timestamps),
    TCP_SETTING(window_scale),
    TCP_SETTING(blind_attack_checks),
    TCP_SETTING(syn_retries),
    TCP_SETTING(initial_window),
    TCP_SETTING(dscp),
    TCP_SETTING(hop_limit),
    TCP_TIME("rto_initial_ms", rto_initial_ns),
    TCP_TIME("rto_min_ms", rto_min_ns),
    TCP_TIME("rto_max_ms", rto_max_ns),
    TCP_TIME("delayed_ack_ms", delayed_ack_ns),
    TCP_TIME("time_wait_ms", time_wait_ns),
    TCP_TIME("fin_wait2_ms", fin_wait2_ns),
    TCP_TIME("keepalive_idle_ms", keepalive_idle_ns),
    TCP_TIME("keepalive_interval_ms", keepalive_interval_ns),
    TCP_TIME("user_timeout_ms", user_timeout_ns),
};

static const struct setting *find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (strlen(settings[i].name) == bytes && memcmp(settings[i].name, name, bytes) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

bool peer_setting(struct berth_config *config, const char *text)
{
    const char *equals = strchr(text, '=');
    const struct setting *setting;
    uint64_t value;
    char *end;

    if (equals == NULL) {
        return false;
    }
    if (strncmp(text, "cc=", 3) == 0) {
        (void)snprintf(config->tcp.congestion_control, sizeof config->tcp.congestion_control, "%s",
                       equals + 1);
        return true;
    }
    setting = find(text, (size_t)(equals - text));
    value = strtoull(equals + 1, &end, 0);
    if (setting == NULL || end == equals + 1 || *end != '\0') {
        return false;
    }
    value *= setting->unit;
    /* Little-endian: the first bytes of VALUE are the member's. */
    memcpy((uint8_t *)config + setting->offset, &value, setting->bytes);
    return setting->bytes == sizeof value || value >> 8 * setting->bytes == 0;
}

void peer_settings_list(void)
{
    printf("cc");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        printf(" %s", settings[i].name);
    }
    printf("\n");
}
