/* SPDX-License-Identifier: MIT */
/*
 * The whole stack under a peer that sends anything and an owner that does anything: no sequence of
 * packets, calls and times may trip a check, leak a buffer, or read past a packet.
 *
 * The input is a script: records of one byte (what), one byte (how long), and that many bytes.
 *   0  a raw packet, checksums taken as good
 *   1  a TCP segment to the listener or to an open connection: header fields from the bytes,
 *      sequence numbers relative to what the stack expects, or to its last SYN,ACK, whose Fast Open
 *      cookie comes back too; or an ICMP error about such a segment
 *   2  time goes on, and once nothing is due and nothing wants to leave the deadline lies ahead
 *   3  the owner acts: accept, read, write, shut down, close, abort, decide on what is held
 *   from 240: other rules, names of addresses and their use, limits
 * The first and the last byte choose the settings besides.
 */
#include "stack/stack.h"
#include "tcp/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define IDS          32
#define FRAME_VIEWED 128 /* bytes of a frame that are looked at: the headers */
#define IDLE_TURNS   1000
#define ADDRESSES    4 /* that have names */
#define OPTIONS      (BERTH_TCP_SYN_QUEUE + 1)

struct world {
    struct berth *berth;
    uint64_t now_ns;
    berth_id ids[IDS];
    unsigned next;
    struct wire_packet syn_ack; /* the last; version 0: none yet */
    uint8_t cookie[WIRE_COOKIE_BYTES_MAX];
    uint8_t cookie_bytes;
    unsigned holds[ADDRESSES]; /* of names, that were not released yet */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct berth_address address(uint32_t value)
{
    return berth_address_v4(value);
}

static const char *const controllers[] = {"cubic", "newreno", "bbr", "bbr"};

static void settings(struct berth_config *config, uint8_t choice, uint8_t more)
{
    berth_config_init(config);
    memcpy(config->tcp.congestion_control, controllers[more & 3],
           strlen(controllers[more & 3]) + 1);
    config->tcp.pacing = (more & 4) != 0;
    config->tcp.ecn = (uint8_t)((more >> 3 & 7) % (BERTH_TCP_ACCECN_ACCEPT + 1));
    config->tcp.mtu_probing = (enum berth_mtu_probing)((more >> 6) % 3);
    config->limits.tcp_paced = 2;
    config->limits.tcp_paths = 2;
    config->limits.buffers = 64;
    config->limits.buffers_reserved = 8;
    config->limits.buffer_bytes = (choice & 1) != 0 ? 69632 : 2048;
    config->limits.tcp_connections = 16;
    config->limits.tcp_time_wait = 4;
    config->limits.tcp_held = 4;
    config->limits.tcp_sent_records = 32;
    config->limits.tcp_reorder_records = 16;
    config->limits.tcp_reorder_per_connection = 8;
    config->limits.udp_sockets = 8;
    config->limits.reassemblies = 4;
    config->limits.names = 4;
    config->limits.limit_sources = 2;
    config->limits.scan_records = 2;
    config->offloads = (choice & 2) != 0 ? BERTH_LINK_CHECKSUM | BERTH_LINK_TSO4 : 0;
    config->tcp.sack = (choice & 4) != 0;
    config->tcp.timestamps = (choice & 8) != 0;
    config->tcp.receive_bytes_max = (choice & 16) != 0 ? 4096 : 1U << 20;
    config->tcp.receive_bytes_initial = (choice & 16) != 0 ? 4096 : 65535;
    config->tcp.receive_bytes_shared = (choice & 16) != 0 ? 16384 : 0;
    config->forward_any = (choice & 32) != 0;
    config->limits.tcp_half_open = 4;
    config->tcp.syn_cookies =
        (choice & 64) != 0 ? BERTH_SYN_COOKIES_ALWAYS : BERTH_SYN_COOKIES_WHEN_FULL;
    config->tcp.fast_open = (choice & 128) != 0;
    config->tcp.fast_open_no_cookie = (choice & 192) == 192;
    config->tcp.quick_ack_ns = (choice & 16) != 0 ? NS_PER_MS : 0;
    config->tcp.fast_open_pending = (choice & 128) != 0 ? 4 : 0;
    config->tcp.idle_window_ns = (choice & 16) != 0 ? NS_PER_S : 300 * NS_PER_S;
}

/* A SYN,ACK tells the peer what it needs to go on. */
static void look_at(struct world *world, const struct berth_frame *frame)
{
    uint8_t data[FRAME_VIEWED];
    struct berth_offload good = {.checksum_good = 1};
    struct wire_packet packet;
    if (frame->bytes > sizeof data || frame->view_count != 1) {
        return;
    }
    memcpy(data, frame->views[0].data, frame->bytes);
    if (wire_parse(&packet, data, frame->bytes, &good) != BERTH_DROP_NONE ||
        packet.protocol != WIRE_TCP ||
        (packet.tcp.flags & (WIRE_SYN | WIRE_ACK)) != (WIRE_SYN | WIRE_ACK)) {
        return;
    }
    world->syn_ack = packet;
    if (packet.tcp.cookie_bytes > 0) {
        memcpy(world->cookie, packet.tcp.cookie, packet.tcp.cookie_bytes);
        world->cookie_bytes = packet.tcp.cookie_bytes;
    }
}

static bool transmit(struct world *world)
{
    struct berth_frame frames[4];
    uint32_t count = berth_transmit(world->berth, frames, 4, world->now_ns);
    bool any = count > 0;
    for (unsigned turns = 0; count > 0 && turns < 10000; turns++) {
        for (uint32_t i = 0; i < count; i++) {
            uint64_t sum = 0; /* touches every byte that a link would */
            for (uint32_t v = 0; v < frames[i].view_count; v++) {
                sum = wire_sum(sum, frames[i].views[v].data, frames[i].views[v].bytes);
            }
            BERTH_CHECK(frames[i].bytes <= BERTH_PACKET_BYTES_MAX && sum != UINT64_MAX);
            look_at(world, &frames[i]);
        }
        count = berth_transmit(world->berth, frames, 4, world->now_ns);
    }
    return any;
}

/* Time goes on; what is due is done, and then no more is due: a caller that sleeps until the
 * deadline does not turn in a circle. */
static void go_on(struct world *world, uint64_t ns)
{
    world->now_ns += ns;
    unsigned turns = 0;
    bool busy = true;
    while (busy) {
        BERTH_CHECK(turns++ < IDLE_TURNS);
        berth_advance(world->berth, world->now_ns);
        busy = transmit(world) || berth_deadline(world->berth) <= world->now_ns;
    }
}

static void drain_events(struct world *world)
{
    struct berth_event event;
    struct berth_contact contact;
    for (unsigned i = 0; i < 1000 && berth_next_event(world->berth, &event); i++) {
        world->ids[world->next++ % IDS] = event.id;
    }
    while (berth_next_contact(world->berth, &contact)) {
    }
    struct berth_scan scan;
    while (berth_next_scan(world->berth, &scan)) {
        BERTH_CHECK(scan.failures >= 1 && scan.failures <= scan.contacts);
    }
}

static void receive(struct world *world, const uint8_t *data, size_t bytes)
{
    struct berth_buffer *buffer = berth_buffer_get(world->berth);
    if (buffer == NULL) {
        return;
    }
    size_t room = buffer->capacity - buffer->begin;
    buffer->bytes = (uint32_t)(bytes < room ? bytes : room);
    memcpy(buffer->data + buffer->begin, data, buffer->bytes);
    buffer->offload.checksum_good = 1;
    berth_receive(world->berth, buffer, world->now_ns);
}

/* The connection that a number picks, for its expectations; NULL: none is alive. */
static const struct tcp_conn *some_conn(const struct world *world, uint8_t pick)
{
    const struct pool *conns = &world->berth->tcp.conns;
    if (conns->fresh == 0) {
        return NULL;
    }
    const struct tcp_conn *conn = pool_at(conns, pick % conns->fresh);
    return (conn->back->generation & 1U) != 0 && conn->state != BERTH_TCP_CLOSED ? conn : NULL;
}

/* What a router says of PACKET, which CONN sent, or may have sent. */
static void send_icmp(struct world *world, const struct wire_packet *packet, const uint8_t *field)
{
    bool v6 = packet->version == 6;
    struct wire_packet icmp = {.source = packet->source,
                               .destination = packet->destination,
                               .version = packet->version,
                               .protocol = v6 ? WIRE_ICMP6 : WIRE_ICMP,
                               .hop_limit = 64};
    icmp.icmp.type = v6 ? 1 + field[8] % 2 : 3;
    icmp.icmp.code = v6 ? 0 : field[8] % 16;
    icmp.icmp.mtu = (uint32_t)field[9] << 3;
    struct wire_packet quoted = *packet;
    quoted.source = packet->destination;
    quoted.destination = packet->source;
    quoted.source_port = packet->destination_port;
    quoted.destination_port = packet->source_port;
    quoted.tcp.seq = packet->tcp.ack;
    uint8_t quote[256] = {0};
    uint32_t quote_bytes = wire_emit_tcp(quote, &quoted);
    uint8_t out[512] = {0};
    icmp.payload_bytes = quote_bytes;
    uint32_t header = wire_emit_icmp(out, &icmp);
    memcpy(out + header, quote, quote_bytes);
    receive(world, out, header + quote_bytes);
}

/* PACKET goes on from the stack's last SYN,ACK. */
static void answer_syn_ack(const struct world *world, struct wire_packet *packet,
                           const uint8_t *field)
{
    const struct wire_packet *answered = &world->syn_ack;
    if (answered->version == 0) {
        return;
    }
    packet->version = answered->version;
    packet->source = answered->destination;
    packet->destination = answered->source;
    packet->source_port = answered->destination_port;
    packet->destination_port = answered->source_port;
    packet->tcp.seq = answered->tcp.ack + field[3] % 4;
    packet->tcp.ack = answered->tcp.seq + 1;
    packet->tcp.tsecr = answered->tcp.tsval;
}

static void send_segment(struct world *world, const uint8_t *script, size_t bytes)
{
    uint8_t field[16] = {0};
    memcpy(field, script, bytes < sizeof field ? bytes : sizeof field);
    bool answers = (field[0] & 0x40) != 0;
    struct wire_packet packet = {.version = 4, .protocol = WIRE_TCP, .hop_limit = 64};
    packet.source = address(0x0a090002);
    packet.destination = address(0x0a090001);
    packet.source_port = (uint16_t)(1000 + field[0] % 8);
    packet.destination_port = (field[0] & 0x80) != 0 ? 81 : 80;
    packet.tcp.flags = field[1];
    packet.tcp.seq = 1000U + field[3];
    packet.tcp.window = (uint16_t)(field[4] << 8 | field[5]);
    const struct tcp_conn *conn = answers ? NULL : some_conn(world, field[2]);
    if (answers) {
        answer_syn_ack(world, &packet, field);
    }
    if (conn != NULL) {
        packet.source = conn->remote.address;
        packet.destination = conn->local.address;
        packet.version = berth_address_is_v4(&packet.source) ? 4 : 6;
        packet.source_port = conn->remote.port;
        packet.destination_port = conn->local.port;
        packet.tcp.seq = conn->rcv_nxt + (uint32_t)(int32_t)(int8_t)field[3] * (field[6] + 1U);
        packet.tcp.ack = conn->snd_nxt - (uint32_t)field[7] * 97U;
    }
    packet.tcp.options = field[8] & (31 | WIRE_OPTION_FAST_OPEN);
    if ((field[10] & 16) != 0) {
        packet.tcp.cookie_bytes = world->cookie_bytes != 0 ? world->cookie_bytes : 8;
        memcpy(packet.tcp.cookie, world->cookie, sizeof world->cookie);
    }
    packet.tcp.mss = (uint16_t)(field[9] << 3);
    packet.tcp.wscale = field[10] % 15;
    packet.tcp.tsval = field[11];
    packet.tcp.sack_count = (uint8_t)(field[12] % 4);
    for (unsigned i = 0; i < packet.tcp.sack_count; i++) {
        packet.tcp.sack[i].left = packet.tcp.ack + field[13] * 50U * (i + 1);
        packet.tcp.sack[i].right = packet.tcp.sack[i].left + field[14] * 30U;
    }
    if ((field[0] & 0x20) != 0) {
        send_icmp(world, &packet, field);
        return;
    }
    packet.traffic_class = field[8] >> 6;
    uint8_t out[2048] = {0};
    packet.payload_bytes = field[15] * 5U;
    uint32_t header = wire_emit_tcp(out, &packet);
    receive(world, out, header + packet.payload_bytes);
}

/* What is done more seldom. */
static int act_seldom(struct world *world, berth_id id, uint8_t what)
{
    struct berth *berth = world->berth;
    struct berth_endpoint any = {.port = 80};
    struct berth_tcp_info info;
    int result = 0;
    switch (what % 8) {
    case 0:
        result = berth_tcp_urgent(berth, id);
        break;
    case 1:
    case 2:
        result = berth_tcp_set_congestion_control(berth, id, controllers[what / 8 % 3]);
        break;
    case 3:
        result = berth_tcp_more(berth, id);
        break;
    case 4:
        result = berth_tcp_info(berth, id, &info);
        break;
    case 5:
        result = berth_set_mtu(berth, 576 + what / 8 * 30U);
        break;
    case 6: /* another listener takes the place of the one there was */
        (void)berth_tcp_close(berth, world->ids[0]);
        result = berth_tcp_listen(berth, &any, 1 + what / 8U, NULL, &world->ids[0]);
        break;
    default:
        break;
    }
    return result;
}

/* As berth_tcp_write, but that less may be committed than was reserved, and something done between.
 */
static int write_in_place(struct world *world, berth_id id, uint8_t what, uint8_t amount)
{
    struct berth_view views[4];
    uint32_t count = 0;
    uint64_t room = 0;
    int result =
        berth_tcp_reserve(world->berth, id, 1 + amount * 64U, views, 1 + what / 8 % 4, &count);

    for (uint32_t i = 0; result == 0 && i < count; i++) {
        memset(views[i].data, 0, views[i].bytes);
        room += views[i].bytes;
    }
    if ((what & 0x20) != 0) {
        (void)transmit(world);
    }
    return result == 0 ? berth_tcp_commit(world->berth, id, (amount & 1) != 0 ? room / 2 : room)
                       : result;
}

static int set_option(struct world *world, berth_id id, uint8_t what, uint8_t amount)
{
    static const uint64_t values[] = {0, 1, 64, 2048, 65536, NS_PER_MS, 3 * NS_PER_S, BERTH_NEVER};

    return berth_tcp_set(world->berth, id, (enum berth_tcp_option)(amount % OPTIONS),
                         values[what / 8 % 8]);
}

static void act_on_stream(struct world *world, berth_id id, uint8_t what, uint8_t amount)
{
    struct berth *berth = world->berth;
    static const uint8_t zeros[8192];
    uint8_t into[4096];
    size_t count;
    berth_id fresh = 0;
    int result = 0;
    switch (what % 8) {
    case 0:
        result = berth_tcp_accept(berth, id, NULL, &fresh);
        if (result == 0) {
            world->ids[world->next++ % IDS] = fresh;
        }
        break;
    case 1:
        result = berth_tcp_read(berth, id, into, 1 + amount * 16U, &count);
        break;
    case 2:
        result = (what & 0x38) != 0 ? write_in_place(world, id, what, amount)
                                    : berth_tcp_write(berth, id, zeros, 1 + amount * 32U, &count);
        break;
    case 3:
        result = berth_tcp_shutdown(berth, id);
        break;
    case 4:
        result = stack_id_kind(id) == BERTH_KIND_TCP ? berth_tcp_close(berth, id) : 0;
        break;
    case 5:
        result = stack_id_kind(id) == BERTH_KIND_TCP ? berth_tcp_abort(berth, id) : 0;
        break;
    case 6:
        result = set_option(world, id, what, amount);
        break;
    default:
        result = act_seldom(world, id, amount);
        break;
    }
    (void)result;
}

static void act_on_held(struct world *world, berth_id id, uint8_t what)
{
    struct berth *berth = world->berth;
    struct berth_held held;
    struct berth_datagram datagram;
    int result = berth_held(berth, id, &held);
    switch (what % 6) {
    case 0:
    case 1:
        result = berth_held_accept(berth, id, NULL);
        break;
    case 2:
        result = berth_held_refuse(berth, id);
        break;
    case 3:
        result = berth_held_reject(berth, id, (enum berth_unreachable)(what % 4));
        break;
    case 4:
        result = berth_held_drop(berth, id);
        break;
    default:
        if (berth_udp_peek(berth, id, &datagram) == 0) {
            result = berth_udp_write(berth, id, NULL, datagram.payload.data, 10);
            result = berth_udp_consume(berth, id);
        }
        break;
    }
    (void)result;
}

static void act(struct world *world, const uint8_t *script, size_t bytes)
{
    if (bytes < 3) {
        return;
    }
    berth_id id = world->ids[script[0] % IDS];
    if ((script[1] & 0x40) != 0) {
        act_on_held(world, id, script[1] & 0x3f);
    } else {
        act_on_stream(world, id, script[1], script[2]);
    }
    if ((script[1] & 0x80) != 0) {
        struct berth_endpoint remote = {address(0x0a090002), (uint16_t)(2000 + script[2] % 4)};
        berth_id fresh;
        if (berth_tcp_connect(world->berth, NULL, &remote, NULL, &fresh) == 0) {
            world->ids[world->next++ % IDS] = fresh;
        }
    }
}

static const char *const policies[] = {
    "allow in any from 0.0.0.0/0\nallow in any\nallow out any\n",
    "ask in any log\nask out any\n",
    "allow in 80 by httpd limit 1/hour\nallow in any by any limit 2/second\ndeny out by curl\n",
    "deny in 81 from *.example\nallow in 80-90 from b.example,10.9.0.2 limit 3/minute\nask in\n",
    "drop in 81 by curl log\nallow in any from *.b.example limit 1000000/second\n",
    "on scan in drop 1 second\non scan out deny 1 second\nallow in any\n",
};

static void act_on_rules(struct world *world, const uint8_t *script, size_t bytes)
{
    static const char *const names[] = {"a.example", "b.example", "c.b.example", "other"};
    uint8_t field[4] = {0};
    memcpy(field, script, bytes < sizeof field ? bytes : sizeof field);
    struct berth *berth = world->berth;
    const char *rules = policies[field[1] % (sizeof policies / sizeof policies[0])];
    unsigned at = field[2] % ADDRESSES;
    struct berth_address peer = address(0x0a090002 + at);
    struct berth_contact_query query = {
        .direction = BERTH_IN, .protocol = BERTH_TCP, .peer = peer, .port = 81};
    struct berth_verdict verdict;
    uint64_t until_ns = world->now_ns + ((uint64_t)1 << field[3] % 48);
    int result = 0;
    switch (field[0] % 5) {
    case 0:
        BERTH_CHECK(berth_rules_load(berth, rules, strlen(rules), NULL) == 0);
        break;
    case 1:
        result = berth_name_learn(berth, names[field[1] % 4], &peer, until_ns, field[1] >= 128);
        break;
    case 2:
        world->holds[at] += berth_name_hold(berth, &peer) == 0;
        break;
    case 3:
        if (world->holds[at] > 0) {
            world->holds[at]--;
            berth_name_release(berth, &peer);
        }
        break;
    default:
        query.process = field[1] % 2 == 0 ? NULL : "curl";
        verdict = berth_rules_judge(berth, &query);
        result = berth_rules_take(berth, &query, &verdict);
        BERTH_CHECK(verdict.action != BERTH_ALLOW || verdict.rule >= 0);
        break;
    }
    (void)result;
}

static void step(struct world *world, uint8_t what, const uint8_t *script, size_t bytes)
{
    switch (what >= 240 ? 4 : what % 4) {
    case 4:
        act_on_rules(world, script, bytes);
        break;
    case 0:
        receive(world, script, bytes);
        break;
    case 1:
        send_segment(world, script, bytes);
        break;
    case 2:
        go_on(world, bytes > 0 ? (uint64_t)1 << (script[0] % 48) : 1);
        break;
    default:
        act(world, script, bytes);
        break;
    }
    stack_check(world->berth);
    (void)transmit(world);
    stack_check(world->berth);
    drain_events(world);
}

static void open_world(struct world *world, uint8_t choice, void *memory, size_t bytes,
                       const struct berth_config *config)
{
    BERTH_CHECK(berth_init(&world->berth, config, memory, bytes, world->now_ns) == 0);
    struct berth_prefix prefix = {.address = address(0x0a090001), .bits = 96 + 24};
    BERTH_CHECK(berth_address_add(world->berth, &prefix) == 0);
    BERTH_CHECK(berth_rules_load(world->berth, policies[0], strlen(policies[0]), NULL) == 0);
    struct berth_endpoint any = {.port = 80};
    BERTH_CHECK(berth_tcp_listen(world->berth, &any, 4, NULL, &world->ids[0]) == 0);
    world->next = 1;
    berth_intercept(world->berth, (choice & 64) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1) {
        return 0;
    }
    struct world world = {.now_ns = 1000 * NS_PER_S};
    struct berth_config config;
    settings(&config, data[0], data[bytes - 1]);
    config.system_ports_bindable = true;
    const char *what = "";
    if (berth_config_check(&config, &what) != 0) {
        fprintf(stderr, "fuzz_stack: %s is out of range\n", what);
        abort();
    }
    size_t need = berth_memory_bytes(&config);
    BERTH_CHECK(need > 0);
    void *memory = mmap(NULL, need, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    BERTH_CHECK(memory != MAP_FAILED);
    open_world(&world, data[0], memory, need, &config);
    size_t at = 1;
    while (at + 2 <= bytes) {
        size_t length = data[at + 1];
        length = length < bytes - at - 2 ? length : bytes - at - 2;
        step(&world, data[at], data + at + 2, length);
        at += 2 + length;
    }
    berth_done(world.berth);
    munmap(memory, need);
    return 0;
}
