/* SPDX-License-Identifier: MIT */
/*
 * --so_flags: WORD=VALUE, with commas or spaces between.
 *
 *   ip=ADDRESS       an address of the stack's (up to 8 times); prefix=BITS its network
 *   gw=, remote=     told for completeness; the link is point to point, everything goes over it
 *   seed=NUMBER      another set of random numbers
 *   wait_s=NUMBER    how long netdev_receive lets virtual time pass without a packet
 *   NAME=VALUE       any member of struct berth_config, its "tcp." or "limits." before it or not;
 *                    one that ends in _ns also as _us, _ms, _s; a switch is 0, 1, off, on
 *
 * and a few names that people know from elsewhere: the table `aliases`.
 */
#include "adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
    const char *name;
    size_t offset;
    size_t bytes;
    bool is_text;
};

#define ROW(path, text)                                                                       \
    {                                                                                         \
#path, offsetof(struct berth_config, path), sizeof(((struct berth_config *)0)->path), \
            (text)                                                                            \
    }
#define SETTING(path) ROW(path, false)
#define TEXT(path)    ROW(path, true)

static const struct setting settings_table[] = {
#include "packetdrill_settings.inc"
};

static const struct {
    const char *alias;
    const char *name;
} aliases[] = {
    {"rcvbuf", "receive_bytes_max"},
    {"sndbuf", "send_bytes_max"},
    {"rcvwnd", "receive_bytes_initial"},
    {"cc", "congestion_control"},
    {"rfc5961", "blind_attack_checks"},
    {"wscale", "window_scale"},
    {"ttl", "hop_limit"},
    {"nodelay", "no_delay"},
};

static const struct {
    const char *suffix;
    uint64_t factor;
} units[] = {{"_ns", 1}, {"_us", NS_PER_US}, {"_ms", NS_PER_MS}, {"_s", NS_PER_S}};

/* What differs from berth's own defaults, so that a connection looks as Linux's does under the
 * settings that packetdrill's scripts begin with. */
static void begin(struct berth_config *config)
{
    berth_config_init(config);
    config->system_ports_bindable = true;
    config->limits.buffers = 1024;
    config->limits.buffer_bytes = BERTH_PACKET_BYTES_MAX + 128; /* packetdrill may send 64 KiB */
    config->limits.buffers_reserved = 32;
    config->limits.tcp_connections = 256;
    config->limits.tcp_time_wait = 256;
    config->limits.tcp_listeners = 32;
    config->limits.tcp_held = 16;
    config->limits.udp_sockets = 64;
    config->tcp.receive_bytes_max = 15728640; /* a window scale of 8 */
    config->tcp.send_bytes_max = 4194304;
    config->tcp.syn_retries = 5;
    config->tcp.ecn = BERTH_TCP_ECN_OFF;
    config->tcp.user_timeout_ns = 924600 * NS_PER_MS; /* 15 timeouts, from 200 ms to 120 s */
    config->tcp.rto_max_ns = 120 * NS_PER_S;
    memset(config->seed, 0x5a, sizeof config->seed);
}

static const struct setting *named(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof settings_table / sizeof *settings_table; i++) {
        const char *full = settings_table[i].name;
        const char *dot = strchr(full, '.');
        const char *last = dot != NULL ? dot + 1 : full;
        bool same = (strlen(full) == bytes && memcmp(full, name, bytes) == 0) ||
                    (strlen(last) == bytes && memcmp(last, name, bytes) == 0);
        if (same) {
            return &settings_table[i];
        }
    }
    return NULL;
}

/* The row that NAME means; *FACTOR: what a value is to be multiplied with. */
static const struct setting *find(const char *name, uint64_t *factor)
{
    *factor = 1;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i].alias, name) == 0) {
            name = aliases[i].name;
        }
    }
    const struct setting *found = named(name, strlen(name));
    for (size_t i = 0; i < sizeof units / sizeof *units && found == NULL; i++) {
        size_t suffix = strlen(units[i].suffix);
        size_t bytes = strlen(name);
        char as_ns[64];
        if (bytes <= suffix || strcmp(name + bytes - suffix, units[i].suffix) != 0) {
            continue;
        }
        int length = snprintf(as_ns, sizeof as_ns, "%.*s_ns", (int)(bytes - suffix), name);
        found = length > 0 && (size_t)length < sizeof as_ns ? named(as_ns, (size_t)length) : NULL;
        *factor = found != NULL ? units[i].factor : 1;
    }
    return found;
}

static uint64_t number(const char *name, const char *text)
{
    static const char *const words[] = {"off", "on", "no", "yes", "false", "true"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i % 2;
        }
    }
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        adapter_fail("so_flags: %s=%s: expected a number", name, text);
    }
    return value;
}

static void store(struct berth_config *config, const char *name, const char *text)
{
    uint64_t factor;
    const struct setting *setting = find(name, &factor);
    if (setting == NULL) {
        adapter_fail("so_flags: no such setting: %s", name);
    }
    unsigned char *place = (unsigned char *)config + setting->offset;
    if (setting->is_text) {
        if (strlen(text) >= setting->bytes) {
            adapter_fail("so_flags: %s=%s: too long", name, text);
        }
        memset(place, 0, setting->bytes);
        memcpy(place, text, strlen(text) + 1);
        return;
    }
    uint64_t value = number(name, text);
    uint64_t most = setting->bytes == 8 ? UINT64_MAX : (1ULL << setting->bytes * 8) - 1;
    if (value > most / factor) {
        adapter_fail("so_flags: %s=%s: too large", name, text);
    }
    value *= factor;
    memcpy(place, &value, setting->bytes); /* little-endian, as all that berth runs on */
}

static void add_address(struct adapter_settings *settings, const char *text)
{
    unsigned most = sizeof settings->local / sizeof *settings->local;
    if (settings->local_count == most ||
        berth_address_parse(text, &settings->local[settings->local_count]) != 0) {
        adapter_fail("so_flags: ip=%s: expected an address, and not more than %u", text, most);
    }
    settings->local_count++;
}

static void check_address(const char *name, const char *text)
{
    struct berth_address address;
    if (berth_address_parse(text, &address) != 0) {
        adapter_fail("so_flags: %s=%s: expected an address", name, text);
    }
}

static void take(struct adapter_settings *settings, const char *name, const char *value)
{
    if (strcmp(name, "ip") == 0) {
        add_address(settings, value);
    } else if (strcmp(name, "gw") == 0 || strcmp(name, "remote") == 0) {
        check_address(name, value);
    } else if (strcmp(name, "prefix") == 0) {
        settings->prefix = (unsigned)number(name, value);
    } else if (strcmp(name, "seed") == 0) {
        uint64_t seed = number(name, value);
        memcpy(settings->config.seed, &seed, sizeof seed);
    } else if (strcmp(name, "wait_s") == 0) {
        settings->wait_max_ns = number(name, value) * NS_PER_S;
    } else {
        store(&settings->config, name, value);
    }
}

void settings_parse(struct adapter_settings *settings, const char *flags)
{
    char *copy = strdup(flags != NULL ? flags : "");
    char *rest = NULL;
    if (copy == NULL) {
        adapter_fail("no memory");
    }
    *settings = (struct adapter_settings){.wait_max_ns = 24 * 3600 * NS_PER_S};
    begin(&settings->config);
    for (char *word = strtok_r(copy, ", \t\n", &rest); word != NULL;
         word = strtok_r(NULL, ", \t\n", &rest)) {
        char *value = strchr(word, '=');
        if (value == NULL) {
            adapter_fail("so_flags: %s: expected NAME=VALUE", word);
        }
        *value = '\0';
        take(settings, word, value + 1);
    }
    free(copy);
    struct berth_tcp_settings *tcp = &settings->config.tcp;
    if (tcp->receive_bytes_initial > tcp->receive_bytes_max) {
        tcp->receive_bytes_initial = tcp->receive_bytes_max;
    }
    if (settings->local_count == 0) { /* what the example command lines use */
        add_address(settings, "192.168.0.1");
        add_address(settings, "fd3d:a0b:17d6::1");
    }
}
