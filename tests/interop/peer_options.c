/* SPDX-License-Identifier: MIT */
/*
 * The command line of berth_peer.
 */
#include "tests/interop/peer.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_S_DEFAULT 30

static const char help[] =
    "usage: berth_peer --tun NAME --address ADDRESS/BITS... (--listen PORT | --connect ADDR:PORT)\n"
    "  --set NAME=VALUE      a setting of the stack (--settings lists the names)\n"
    "  --send N|forever      bytes to send (0)\n"
    "  --send-file FILE      which bytes; --expect-file FILE: which are to come\n"
    "  --preface TEXT        sent before them\n"
    "  --order together|send-first|receive-first\n"
    "  --early               write before the connection is there (Fast Open)\n"
    "  --abort               end with a RST after the last byte\n"
    "  --pause-at N --pause-ms M   having read N bytes, read none for M ms\n"
    "  --idle-ms M           wait before the first byte\n"
    "  --urgent-at N         byte N is the last urgent one\n"
    "  --for S               abort S seconds after connecting\n"
    "  --linger-ms M         answer on after the end\n"
    "  --turns N             conversations, one after another\n"
    "  --counter FILE        bytes read, as a mapped 64-bit number\n"
    "  --impair TEXT         a bad path, both ways; --seed N: which\n"
    "  --capture FILE        pcap\n"
    "  --limit S             give up (30)\n";

enum option_code {
    OPTION_TUN = 256,
    OPTION_ADDRESS,
    OPTION_LISTEN,
    OPTION_CONNECT,
    OPTION_SET,
    OPTION_SETTINGS,
    OPTION_SEND,
    OPTION_SEND_FILE,
    OPTION_EXPECT_FILE,
    OPTION_PREFACE,
    OPTION_ORDER,
    OPTION_EARLY,
    OPTION_ABORT,
    OPTION_PAUSE_AT,
    OPTION_PAUSE_MS,
    OPTION_IDLE_MS,
    OPTION_URGENT_AT,
    OPTION_FOR,
    OPTION_LINGER_MS,
    OPTION_TURNS,
    OPTION_COUNTER,
    OPTION_IMPAIR,
    OPTION_SEED,
    OPTION_CAPTURE,
    OPTION_LIMIT,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"tun", required_argument, NULL, OPTION_TUN},
    {"address", required_argument, NULL, OPTION_ADDRESS},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"connect", required_argument, NULL, OPTION_CONNECT},
    {"set", required_argument, NULL, OPTION_SET},
    {"settings", no_argument, NULL, OPTION_SETTINGS},
    {"send", required_argument, NULL, OPTION_SEND},
    {"send-file", required_argument, NULL, OPTION_SEND_FILE},
    {"expect-file", required_argument, NULL, OPTION_EXPECT_FILE},
    {"preface", required_argument, NULL, OPTION_PREFACE},
    {"order", required_argument, NULL, OPTION_ORDER},
    {"early", no_argument, NULL, OPTION_EARLY},
    {"abort", no_argument, NULL, OPTION_ABORT},
    {"pause-at", required_argument, NULL, OPTION_PAUSE_AT},
    {"pause-ms", required_argument, NULL, OPTION_PAUSE_MS},
    {"idle-ms", required_argument, NULL, OPTION_IDLE_MS},
    {"urgent-at", required_argument, NULL, OPTION_URGENT_AT},
    {"for", required_argument, NULL, OPTION_FOR},
    {"linger-ms", required_argument, NULL, OPTION_LINGER_MS},
    {"turns", required_argument, NULL, OPTION_TURNS},
    {"counter", required_argument, NULL, OPTION_COUNTER},
    {"impair", required_argument, NULL, OPTION_IMPAIR},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"capture", required_argument, NULL, OPTION_CAPTURE},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

void peer_die(const char *what, const char *why)
{
    fprintf(stderr, "berth_peer: %s: %s\n", what, why);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (end == text || *end != '\0') {
        peer_die(text, "expected a number");
    }
    return value;
}

static uint64_t milliseconds(const char *text)
{
    return number(text) * NS_PER_MS;
}

static uint64_t seconds(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value < 0) {
        peer_die(text, "expected seconds");
    }
    return (uint64_t)(value * 1e9);
}

static void *map_file(const char *path, bool shared, size_t *bytes)
{
    int fd = open(path, shared ? O_RDWR | O_CLOEXEC : O_RDONLY | O_CLOEXEC);
    struct stat about;
    void *map;

    if (fd < 0 || fstat(fd, &about) != 0) {
        peer_die(path, strerror(errno));
    }
    *bytes = (size_t)about.st_size;
    map = mmap(NULL, *bytes, shared ? PROT_READ | PROT_WRITE : PROT_READ,
               shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        peer_die(path, strerror(errno));
    }
    (void)close(fd);
    return map;
}

static struct peer_pattern pattern(const char *path)
{
    struct peer_pattern got;

    got.data = map_file(path, false, &got.bytes);
    return got;
}

static uint64_t *counter(const char *path)
{
    size_t bytes;
    uint64_t *map = map_file(path, true, &bytes);

    if (bytes < sizeof *map) {
        peer_die(path, "expected a file of 8 bytes");
    }
    return map;
}

static void add_address(struct peer_options *options, const char *text)
{
    struct berth_prefix *prefix = &options->addresses[options->address_count];
    char address[BERTH_ADDRESS_TEXT_BYTES];
    const char *slash = strchr(text, '/');
    uint64_t bits;

    if (slash == NULL || (size_t)(slash - text) >= sizeof address ||
        options->address_count == PEER_ADDRESSES_MAX) {
        peer_die(text, "expected ADDRESS/BITS, twice at most");
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (berth_address_parse(address, &prefix->address) != 0) {
        peer_die(text, "expected an address");
    }
    bits = number(slash + 1) + (berth_address_is_v4(&prefix->address) ? 96 : 0);
    if (bits > 128) {
        peer_die(text, "expected a prefix length");
    }
    prefix->bits = (uint8_t)bits;
    options->address_count++;
}

static enum peer_order order(const char *text)
{
    static const char *const names[] = {"together", "send-first", "receive-first"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum peer_order)i;
        }
    }
    peer_die(text, "expected together, send-first or receive-first");
}

/* Options of the stack and its link; false: another's. */
static bool on_stack_option(struct peer_options *options, int code, const char *value)
{
    switch (code) {
    case OPTION_TUN:
        options->tun = value;
        return true;
    case OPTION_ADDRESS:
        add_address(options, value);
        return true;
    case OPTION_SET:
        if (!peer_setting(&options->config, value)) {
            peer_die(value, "expected a setting: see --settings");
        }
        return true;
    case OPTION_IMPAIR:
        options->impair = value;
        return true;
    case OPTION_SEED:
        options->impair_seed = number(value);
        return true;
    case OPTION_CAPTURE:
        options->capture = value;
        return true;
    case OPTION_COUNTER:
        options->counter = counter(value);
        return true;
    default:
        return false;
    }
}

/* When the conversation does something; false: another's. */
static bool on_time_option(struct peer_options *options, int code, const char *value)
{
    switch (code) {
    case OPTION_PAUSE_AT:
        options->pause_at = number(value);
        return true;
    case OPTION_PAUSE_MS:
        options->pause_ns = milliseconds(value);
        return true;
    case OPTION_IDLE_MS:
        options->idle_ns = milliseconds(value);
        return true;
    case OPTION_FOR:
        options->for_ns = seconds(value);
        return true;
    case OPTION_LINGER_MS:
        options->linger_ns = milliseconds(value);
        return true;
    case OPTION_LIMIT:
        options->limit_ns = seconds(value);
        return true;
    default:
        return false;
    }
}

static void on_flow_option(struct peer_options *options, int code, const char *value)
{
    switch (code) {
    case OPTION_LISTEN:
        options->is_listening = true;
        options->where = (struct berth_endpoint){.port = (uint16_t)number(value)};
        break;
    case OPTION_CONNECT:
        if (berth_endpoint_parse(value, &options->where) != 0) {
            peer_die(value, "expected ADDRESS:PORT");
        }
        break;
    case OPTION_SEND:
        options->send_bytes = strcmp(value, "forever") == 0 ? PEER_NEVER : number(value);
        break;
    case OPTION_SEND_FILE:
        options->send = pattern(value);
        break;
    case OPTION_EXPECT_FILE:
        options->expect = pattern(value);
        break;
    case OPTION_PREFACE:
        options->preface = value;
        break;
    case OPTION_ORDER:
        options->order = order(value);
        break;
    case OPTION_EARLY:
        options->early = true;
        break;
    case OPTION_ABORT:
        options->abort = true;
        break;
    case OPTION_URGENT_AT:
        options->urgent_at = number(value);
        break;
    case OPTION_TURNS:
        options->turns = (uint32_t)number(value);
        break;
    case OPTION_SETTINGS:
        peer_settings_list();
        exit(0);
    case OPTION_HELP:
        (void)fputs(help, stdout);
        exit(0);
    default:
        (void)fputs(help, stderr);
        exit(2);
    }
}

void peer_options_parse(int argc, char **argv, struct peer_options *out)
{
    int code;

    *out = (struct peer_options){.preface = "",
                                 .pause_at = PEER_NEVER,
                                 .turns = 1,
                                 .impair_seed = 1,
                                 .limit_ns = LIMIT_S_DEFAULT * NS_PER_S};
    berth_config_init(&out->config);
    out->config.offloads = UINT32_MAX; /* the device's, unless set */
    out->config.limits.buffer_bytes = 0;
    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (!on_stack_option(out, code, optarg) && !on_time_option(out, code, optarg)) {
            on_flow_option(out, code, optarg);
        }
    }
    if (out->tun == NULL || out->where.port == 0 || optind != argc) {
        (void)fputs(help, stderr);
        exit(2);
    }
}
