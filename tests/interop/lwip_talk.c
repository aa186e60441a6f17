/* SPDX-License-Identifier: MIT */
/*
 * berth and lwIP, joined in memory and in virtual time, over good and bad paths: both roles, both
 * IP versions, every byte compared on both sides. Prints TAP.
 *
 *     lwIP 10.1.0.2 ---- impairment ---- 10.1.0.1 berth
 */
#include "tests/interop/lwip_host.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PORT          7000
#define PATTERN_BYTES 100003
#define LIMIT_NS      (600 * NS_PER_S) /* of virtual time */
#define LINGER_NS     (5 * NS_PER_S)

struct talk_case {
    const char *impair;
    uint64_t bytes; /* each way */
    const char *setting;
};

static const struct talk_case cases[] = {
    {"delay 1ms", 2000000, "sack=1"},
    {"delay 5ms rate 20mbit queue 32kb", 2000000, "sack=1"},
    {"delay 2ms loss 1%", 1000000, "sack=1"},
    {"delay 2ms loss 1% reorder 2% duplicate 1%", 1000000, "cc=newreno"},
    {"delay 2ms corrupt 1%", 500000, "timestamps=0"},
    {"delay 30ms jitter 10ms loss 5%", 200000, "window_scale=0"},
    {"delay 1ms", 100001, "mtu=576"},
    {"delay 1ms", 0, "sack=1"},
};

static uint8_t patterns[2][PATTERN_BYTES];

static void make_patterns(void)
{
    uint64_t state = 1;

    for (size_t i = 0; i < sizeof patterns; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        patterns[i / PATTERN_BYTES][i % PATTERN_BYTES] = (uint8_t)(state >> 56);
    }
}

static struct link *impaired(struct link *inner, const char *text, uint64_t seed)
{
    struct link_impairment impairment;
    struct link_text_error error;
    struct link *link;

    if (link_impairment_parse(text, &impairment, &error) != 0) {
        peer_die(text, error.expected);
    }
    impairment.seed = seed;
    if (link_impair_new(inner, &impairment, &impairment, &link) != 0) {
        peer_die("impairment", "no memory");
    }
    return link;
}

static void add_address(struct berth *berth, const char *text, uint8_t bits)
{
    struct berth_prefix prefix = {.bits = bits};

    if (berth_address_parse(text, &prefix.address) != 0 || berth_address_add(berth, &prefix) != 0) {
        peer_die(text, "refused");
    }
}

static void make_stack(struct peer *peer)
{
    static const char rules[] = "allow in\nallow out\n";
    const struct berth_config *config = &peer->options.config;
    const char *what = "configuration";

    if (berth_config_check(config, &what) != 0) {
        peer_die(what, "out of range");
    }
    peer->memory_bytes = berth_memory_bytes(config);
    peer->memory = mmap(NULL, peer->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (peer->memory == MAP_FAILED ||
        berth_init(&peer->berth, config, peer->memory, peer->memory_bytes, peer->now_ns) != 0) {
        peer_die("stack", "no memory");
    }
    add_address(peer->berth, "10.1.0.1", 96 + 24);
    add_address(peer->berth, "fd01::1", 64);
    if (berth_rules_load(peer->berth, rules, sizeof rules - 1, NULL) != 0) {
        peer_die("rules", "refused");
    }
}

static void set_up(struct peer *peer, const struct talk_case *talk, uint64_t seed)
{
    struct peer_options *options = &peer->options;

    *options = (struct peer_options){
        .preface = "",
        .send_bytes = talk->bytes,
        .send = {patterns[0], PATTERN_BYTES},
        .expect = {patterns[1], PATTERN_BYTES},
        .pause_at = PEER_NEVER,
        .turns = 1,
    };
    berth_config_init(&options->config);
    options->config.seed[0] = (uint8_t)seed;
    options->config.offloads = link_offloads(peer->link);
    if (!peer_setting(&options->config, talk->setting)) {
        peer_die(talk->setting, "no such setting");
    }
    peer->results = json_array();
    make_stack(peer);
}

/* All that can happen now, on both sides. Returns whether anything did. */
static bool step(struct peer *peer)
{
    struct berth_frame frames[16];
    struct berth_event event;
    bool moved = link_receive(peer->link, peer->berth, 16, peer->now_ns) > 0;
    uint32_t count;

    if (berth_deadline(peer->berth) <= peer->now_ns) {
        berth_advance(peer->berth, peer->now_ns);
    }
    while (berth_next_event(peer->berth, &event)) {
        peer_flow_on_event(peer, &event);
    }
    peer_flow_work(peer);
    while ((count = berth_transmit(peer->berth, frames, 16, peer->now_ns)) > 0) {
        (void)link_send(peer->link, frames, count, peer->now_ns);
        moved = true;
    }
    lwip_host_work(peer->now_ns);
    return moved;
}

static void run(struct peer *peer, const struct lwip_app *app)
{
    uint64_t end_ns = peer->now_ns + LIMIT_NS;
    bool was_over = false;

    while (peer->now_ns < end_ns) {
        uint64_t next_ns;

        while (step(peer)) {
        }
        if (!was_over && peer->is_over && app->is_closed) {
            was_over = true;
            end_ns = peer->now_ns + LINGER_NS;
        }
        next_ns = min_u64(berth_deadline(peer->berth), link_next_ns(peer->link));
        next_ns = min_u64(next_ns, lwip_host_deadline(peer->now_ns));
        peer->now_ns = max_u64(peer->now_ns + 1, min_u64(next_ns, end_ns));
    }
}

static bool is_good(const struct peer *peer, const struct lwip_app *app, uint64_t bytes)
{
    return peer->is_over && peer->error == 0 && !peer->is_mismatched && peer->received == bytes &&
           app->is_closed && app->error == 0 && !app->is_mismatched && app->has_ended &&
           app->received == bytes;
}

static void tell(unsigned number, const struct peer *peer, const struct lwip_app *app,
                 const char *name)
{
    bool good = is_good(peer, app, peer->options.send_bytes);

    printf("%s %u - %s\n", good ? "ok" : "not ok", number, name);
    if (!good) {
        char *text = json_dumps(peer->results, JSON_COMPACT);

        printf("# berth: over %d, error %d, %llu bytes read, mismatch %d: %s\n", peer->is_over,
               peer->error, (unsigned long long)peer->received, peer->is_mismatched, text);
        printf("# lwIP: closed %d, error %d, %llu bytes read, mismatch %d, end %d\n",
               app->is_closed, app->error, (unsigned long long)app->received, app->is_mismatched,
               app->has_ended);
        free(text);
    }
}

static struct berth_endpoint endpoint(const char *address, uint16_t port)
{
    struct berth_endpoint out = {.port = port};

    if (berth_address_parse(address, &out.address) != 0) {
        peer_die(address, "no address");
    }
    return out;
}

/* Both sides begin, berth in the role of the client or not. false: lwIP refused. */
static bool begin(struct peer *peer, struct lwip_app *app, bool is_client, bool is_v4,
                  uint16_t port)
{
    struct berth_endpoint ours = endpoint(is_v4 ? "10.1.0.1" : "fd01::1", port);

    peer->options.is_listening = !is_client;
    if (is_client) {
        bool good = lwip_host_listen(app, is_v4 ? 4 : 6, port);

        peer->options.where = endpoint(is_v4 ? LWIP_HOST_4 : LWIP_HOST_6, port);
        peer_flow_start(peer);
        return good;
    }
    peer->options.where = (struct berth_endpoint){.port = port};
    peer_flow_start(peer);
    return lwip_host_connect(app, &ours);
}

static void clear(struct peer *peer, struct lwip_app *app)
{
    lwip_host_drop(app);
    link_free(peer->link);
    berth_done(peer->berth);
    (void)munmap(peer->memory, peer->memory_bytes);
    json_decref(peer->results);
}

/* One conversation. Returns whether it was good. */
static bool converse(const struct talk_case *talk, struct link *host, unsigned number)
{
    static uint64_t now_ns = NS_PER_S;
    static struct lwip_app app; /* lwIP may keep a pointer for a while */
    bool is_client = number % 2 == 1;
    bool is_v4 = number / 2 % 2 == 0;
    struct peer peer = {.now_ns = now_ns, .link = impaired(host, talk->impair, number)};
    char name[160];
    bool good;

    app = (struct lwip_app){.send = {patterns[1], PATTERN_BYTES},
                            .expect = {patterns[0], PATTERN_BYTES},
                            .send_bytes = talk->bytes};
    set_up(&peer, talk, number);
    lwip_host_work(peer.now_ns);
    if (begin(&peer, &app, is_client, is_v4, (uint16_t)(PORT + number))) {
        run(&peer, &app);
    }
    (void)snprintf(name, sizeof name, "%s, IPv%c: %s, %s, %llu bytes",
                   is_client ? "client" : "server", is_v4 ? '4' : '6', talk->impair, talk->setting,
                   (unsigned long long)talk->bytes);
    tell(number, &peer, &app, name);
    good = is_good(&peer, &app, talk->bytes);
    now_ns = peer.now_ns;
    clear(&peer, &app);
    return good;
}

int main(void)
{
    unsigned count = sizeof cases / sizeof cases[0] * 4;
    struct link *host;
    bool good = true;

    make_patterns();
    host = lwip_host_new();
    printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++) {
        good = converse(&cases[i / 4], host, i + 1) && good;
    }
    return good ? 0 : 1;
}
