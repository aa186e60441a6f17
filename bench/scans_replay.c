/* SPDX-License-Identifier: MIT */
/*
 * bench-scans replay: what was captured between hosts happens to a stack that stands for one of
 * them (guarding itself), or for all the others (guarding that one, as berth run does a program).
 *
 * The stack does what the captured hosts did: a port that was open is one that it listens on, or
 * accepts on when a SYN is held; what was refused or not answered is so here; a SYN of its side is
 * a call of its own. Its sequence numbers are others, so the acknowledgements that are replayed are
 * moved by the difference. Packets cut off by the snap length are filled with zeros.
 */
#include "scans.h"
#include "stacks.h"

#include "base/bytes.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX      64
#define FLOWS_MAX      8192
#define ETHERNET_BYTES 14
#define FRAMES         16
#define SCANS_MAX      64
#define START_NS       (3600 * NS_PER_S)

struct packet {
    uint64_t at_ns;
    uint8_t *data;
    uint32_t bytes;
    bool was_cut;
    struct wire_packet parsed; /* addresses also where DROP says that it is out of shape */
    enum berth_drop drop;
};

/* One TCP conversation as it was captured, seen from who sent the SYN. */
struct flow {
    struct berth_endpoint client;
    struct berth_endpoint server;
    uint32_t client_iss;
    uint32_t server_iss;
    bool is_accepted;
    bool is_refused;
    bool client_speaks;
    uint32_t delta; /* our initial sequence number less the captured one */
    bool has_delta;
    bool is_called; /* by the stack */
};

struct replay {
    const char *path;
    struct packet *packets;
    uint32_t count;
    struct berth_address hosts[HOSTS_MAX];
    uint32_t host_count;
    struct flow *flows;
    uint32_t flow_count;
    struct berth *berth;
    const struct berth_address *host; /* that is guarded */
    bool plays_host;                  /* the stack is it; else it is everybody else */
    struct scans_count tried;
    uint32_t scans;
    uint64_t now_ns;
};

/* ---- The capture ---------------------------------------------------------------------------- */

static uint32_t packet_begin(int link, const uint8_t *data, uint32_t bytes)
{
    if (link == DLT_RAW || link == 228 || link == 229) {
        return 0;
    }
    if (link == DLT_EN10MB && bytes > ETHERNET_BYTES) {
        uint16_t type = load_be16(data + 12);

        return type == 0x0800 || type == 0x86dd ? ETHERNET_BYTES : UINT32_MAX;
    }
    return link == 113 && bytes > 16 ? 16 : UINT32_MAX; /* Linux cooked */
}

static void add_host(struct replay *replay, const struct berth_address *address)
{
    for (uint32_t i = 0; i < replay->host_count; i++) {
        if (berth_address_is_equal(&replay->hosts[i], address)) {
            return;
        }
    }
    if (replay->host_count < HOSTS_MAX && !berth_address_is_any(address) &&
        !berth_address_is_multicast(address) && !berth_address_is_loopback(address) &&
        berth_address_v4_value(address) != UINT32_MAX) {
        replay->hosts[replay->host_count++] = *address;
    }
}

static void add_packet(struct replay *replay, const struct pcap_pkthdr *header, const uint8_t *data,
                       uint32_t begin)
{
    static const struct berth_offload good = {.checksum_good = 1};
    static const struct berth_offload plain = {0};
    struct packet *packet = &replay->packets[replay->count];
    uint32_t bytes = min_u32(header->len - begin, BERTH_PACKET_BYTES_MAX);
    uint32_t caught = min_u32(header->caplen - begin, bytes);

    *packet = (struct packet){.bytes = bytes, .was_cut = caught < bytes};
    packet->data = calloc(1, bytes + 1);
    must(packet->data != NULL ? 0 : BERTH_E_LIMIT, "memory");
    memcpy(packet->data, data + begin, caught);
    packet->at_ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec * 1000;
    packet->drop =
        wire_parse(&packet->parsed, packet->data, bytes, packet->was_cut ? &good : &plain);
    if (packet->drop == BERTH_DROP_NONE || packet->drop == BERTH_DROP_BAD_TCP_FLAGS) {
        add_host(replay, &packet->parsed.source);
        add_host(replay, &packet->parsed.destination);
    }
    replay->count++;
}

static bool load(struct replay *replay)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(replay->path, error);
    struct pcap_pkthdr *header;
    const u_char *data;
    uint32_t room = 0;

    if (pcap == NULL) {
        return false;
    }
    while (pcap_next_ex(pcap, &header, &data) == 1) {
        uint32_t begin = packet_begin(pcap_datalink(pcap), data, header->caplen);

        if (replay->count == room) {
            room = room * 2 + 64;
            replay->packets = realloc(replay->packets, room * sizeof *replay->packets);
            must(replay->packets != NULL ? 0 : BERTH_E_LIMIT, "memory");
        }
        if (begin < header->caplen) {
            add_packet(replay, header, data, begin);
        }
    }
    pcap_close(pcap);
    return true;
}

/* ---- What it tells of conversations --------------------------------------------------------- */

/* The last flow of PACKET's ends; FROM_CLIENT: the client sent it. NULL: none. */
static struct flow *flow_of(struct replay *replay, const struct wire_packet *packet,
                            bool *from_client)
{
    struct berth_endpoint source = {packet->source, packet->source_port};
    struct berth_endpoint destination = {packet->destination, packet->destination_port};

    for (uint32_t i = replay->flow_count; i > 0; i--) {
        struct flow *flow = &replay->flows[i - 1];

        *from_client = berth_endpoint_is_equal(&flow->client, &source) &&
                       berth_endpoint_is_equal(&flow->server, &destination);
        if (*from_client || (berth_endpoint_is_equal(&flow->client, &destination) &&
                             berth_endpoint_is_equal(&flow->server, &source))) {
            return flow;
        }
    }
    return NULL;
}

static void learn_segment(struct replay *replay, const struct wire_packet *packet)
{
    uint32_t flags = packet->tcp.flags & (WIRE_SYN | WIRE_ACK | WIRE_RST | WIRE_FIN);
    bool from_client = false;
    struct flow *flow = flow_of(replay, packet, &from_client);

    if (flags == WIRE_SYN) {
        if (flow != NULL && from_client && flow->client_iss == packet->tcp.seq) {
            return; /* sent again */
        }
        if (replay->flow_count < FLOWS_MAX) {
            replay->flows[replay->flow_count++] =
                (struct flow){.client = {packet->source, packet->source_port},
                              .server = {packet->destination, packet->destination_port},
                              .client_iss = packet->tcp.seq};
        }
        return;
    }
    if (flow == NULL) {
        return;
    }
    if (!from_client && flags == (WIRE_SYN | WIRE_ACK)) {
        flow->is_accepted = true;
        flow->server_iss = packet->tcp.seq;
    }
    flow->is_refused = flow->is_refused || (!from_client && (flags & WIRE_RST) != 0);
    flow->client_speaks = flow->client_speaks || (from_client && packet->payload_bytes > 0);
}

/* Did HOST answer from this UDP port? */
static bool has_answered(const struct replay *replay, const struct wire_packet *packet)
{
    for (uint32_t i = 0; i < replay->count; i++) {
        const struct wire_packet *other = &replay->packets[i].parsed;

        if (replay->packets[i].drop == BERTH_DROP_NONE && other->protocol == WIRE_UDP &&
            other->source_port == packet->destination_port &&
            berth_address_is_equal(&other->source, &packet->destination)) {
            return true;
        }
    }
    return false;
}

/* ---- The stack's side ----------------------------------------------------------------------- */

static bool is_from_stack(const struct replay *replay, const struct wire_packet *packet)
{
    return berth_address_is_equal(&packet->source, replay->host) == replay->plays_host;
}

/* What the stack sends is not sent anywhere; its SYNs tell its sequence numbers. */
static void look_at(struct replay *replay, const struct berth_frame *frame)
{
    uint8_t data[BERTH_PACKET_BYTES_MAX];
    struct wire_packet packet = {0};
    bool from_client = false;
    struct flow *flow;
    size_t at = 0;

    for (uint32_t i = 0; i < frame->view_count; i++) {
        memcpy(data + at, frame->views[i].data, frame->views[i].bytes);
        at += frame->views[i].bytes;
    }
    if (wire_parse(&packet, data, at, &frame->offload) != BERTH_DROP_NONE ||
        packet.protocol != WIRE_TCP || (packet.tcp.flags & WIRE_SYN) == 0) {
        return;
    }
    flow = flow_of(replay, &packet, &from_client);
    if (flow != NULL) {
        flow->delta = packet.tcp.seq - (from_client ? flow->client_iss : flow->server_iss);
        flow->has_delta = true;
    }
}

static void tell_outcome(struct replay *replay, const struct berth_held *held,
                         enum berth_outcome outcome)
{
    struct berth_contact contact = {.direction = BERTH_OUT,
                                    .protocol = held->protocol,
                                    .guarded = held->remote,
                                    .peer = held->local};

    berth_contact_outcome(replay->berth, &contact, outcome);
}

/* A first packet of the guarded host's: its fate is that which was captured. */
static void decide(struct replay *replay, berth_id id)
{
    struct berth_held held;
    struct wire_packet like = {0};
    bool from_client = false;
    const struct flow *flow;

    if (berth_held(replay->berth, id, &held) < 0) {
        return;
    }
    like.source = held.remote.address;
    like.source_port = held.remote.port;
    like.destination = held.local.address;
    like.destination_port = held.local.port;
    flow = held.protocol == BERTH_TCP ? flow_of(replay, &like, &from_client) : NULL;
    if (flow != NULL ? flow->is_accepted : has_answered(replay, &like)) {
        must(berth_held_accept(replay->berth, id, NULL), "berth_held_accept");
        if (held.protocol != BERTH_TCP) { /* of TCP the stack knows */
            tell_outcome(replay, &held, BERTH_OUTCOME_SUCCESS);
        }
        return;
    }
    must(flow != NULL && flow->is_refused ? berth_held_refuse(replay->berth, id)
                                          : berth_held_drop(replay->berth, id),
         "berth_held_drop");
    tell_outcome(replay, &held, BERTH_OUTCOME_FAILURE);
}

static void on_event(struct replay *replay, const struct berth_event *event)
{
    struct berth *berth = replay->berth;
    struct berth_view view;
    uint32_t count = 0;
    size_t taken;
    berth_id id;

    if ((event->bits & BERTH_EVENT_HELD) != 0) {
        decide(replay, event->id);
    } else if (event->kind == BERTH_KIND_TCP_LISTENER) {
        while (berth_tcp_accept(berth, event->id, NULL, &id) == 0) {
        }
    } else if (event->kind == BERTH_KIND_DATAGRAM) {
        struct berth_datagram datagram;

        while (berth_udp_peek(berth, event->id, &datagram) == 0) {
            must(berth_udp_consume(berth, event->id), "berth_udp_consume");
        }
    } else {
        const struct flow *flow = event->user;

        if (flow != NULL && (event->bits & BERTH_EVENT_CONNECTED) != 0 && flow->client_speaks) {
            (void)!berth_tcp_write(berth, event->id, "x", 1, &taken);
        }
        while (berth_tcp_peek(berth, event->id, &view, 1, &count) == 0 && count > 0) {
            must(berth_tcp_consume(berth, event->id, view.bytes), "berth_tcp_consume");
        }
        if ((event->bits & (BERTH_EVENT_PEER_CLOSED | BERTH_EVENT_CLOSED)) != 0) {
            (void)!berth_tcp_close(berth, event->id);
        }
    }
}

static void settle(struct replay *replay)
{
    struct berth_frame frames[FRAMES];
    struct berth_event event;
    struct berth_scan scan;
    uint32_t count;

    while (berth_next_event(replay->berth, &event)) {
        on_event(replay, &event);
    }
    while (berth_next_scan(replay->berth, &scan)) {
        const struct berth_address *who =
            scan.direction == BERTH_IN ? &scan.peer.address : &scan.guarded.address;

        scans_print(&scan, scans_count_of(&replay->tried, who), replay->scans++ == 0);
    }
    while ((count = berth_transmit(replay->berth, frames, FRAMES, replay->now_ns)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            look_at(replay, &frames[i]);
        }
    }
}

static void go_on(struct replay *replay, uint64_t until_ns)
{
    uint64_t due_ns = berth_deadline(replay->berth);

    while (due_ns <= until_ns) {
        replay->now_ns = max_u64(replay->now_ns, due_ns);
        berth_advance(replay->berth, replay->now_ns);
        settle(replay);
        due_ns = max_u64(berth_deadline(replay->berth), replay->now_ns + 1);
    }
    replay->now_ns = until_ns;
}

/* ---- Packets -------------------------------------------------------------------------------- */

/* A SYN of the stack's side: it calls. */
static void call(struct replay *replay, const struct wire_packet *packet)
{
    bool from_client = false;
    struct flow *flow = flow_of(replay, packet, &from_client);
    berth_id id;

    if (flow == NULL || flow->is_called) {
        return;
    }
    flow->is_called = true;
    (void)!berth_tcp_connect(replay->berth, &flow->client, &flow->server, flow, &id);
    settle(replay);
}

/* PACKET's acknowledgement is of the stack's numbers. True: it was moved. */
static bool move_ack(struct replay *replay, const struct packet *packet, uint8_t *data)
{
    bool from_client = false;
    const struct flow *flow;
    uint8_t *ack;

    if (packet->drop != BERTH_DROP_NONE || packet->parsed.protocol != WIRE_TCP ||
        packet->parsed.is_fragment || (packet->parsed.tcp.flags & WIRE_ACK) == 0) {
        return false;
    }
    flow = flow_of(replay, &packet->parsed, &from_client);
    if (flow == NULL || !flow->has_delta || from_client == flow->is_called) {
        return false;
    }
    ack = data + (packet->parsed.transport - packet->data) + 8;
    store_be32(ack, packet->parsed.tcp.ack + flow->delta);
    return true;
}

static void arrive(struct replay *replay, const struct packet *packet)
{
    struct berth_buffer *buffer = berth_buffer_get(replay->berth);
    uint8_t *data;

    must(buffer != NULL ? 0 : BERTH_E_LIMIT, "buffer");
    data = buffer->data + buffer->begin;
    memcpy(data, packet->data, packet->bytes);
    buffer->bytes = packet->bytes;
    buffer->offload.checksum_good = move_ack(replay, packet, data) || packet->was_cut;
    berth_receive(replay->berth, buffer, replay->now_ns);
    settle(replay);
}

static void listen_where_it_was_open(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->flow_count; i++) {
        const struct flow *flow = &replay->flows[i];
        berth_id id;

        if (flow->is_accepted && berth_address_is_equal(&flow->server.address, replay->host)) {
            (void)!berth_tcp_listen(replay->berth, &flow->server, 1000, NULL, &id); /* once */
        }
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        const struct packet *packet = &replay->packets[i];
        struct berth_endpoint local = {packet->parsed.source, packet->parsed.source_port};
        berth_id id;

        if (packet->drop == BERTH_DROP_NONE && packet->parsed.protocol == WIRE_UDP &&
            berth_address_is_equal(&packet->parsed.source, replay->host)) {
            (void)!berth_udp_open(replay->berth, &local, NULL, NULL, &id); /* once */
        }
    }
}

static void replay_one(struct replay *replay)
{
    char host[BERTH_ADDRESS_TEXT_BYTES];
    const char *name = strrchr(replay->path, '/');

    replay->now_ns = START_NS;
    replay->berth = scans_stack(replay->plays_host ? BERTH_GUARD_STACK : BERTH_GUARD_LINK_PEER,
                                replay->host, replay->now_ns);
    replay->tried.count = 0;
    replay->scans = 0;
    printf("{\"file\": \"%s\", \"host\": \"%s\", \"guard\": \"%s\", \"scans\": [",
           name == NULL ? replay->path : name + 1, berth_address_format(replay->host, host),
           replay->plays_host ? "stack" : "link peer");
    for (uint32_t i = 0; i < replay->flow_count; i++) {
        replay->flows[i].has_delta = false;
        replay->flows[i].is_called = false;
    }
    if (replay->plays_host) {
        listen_where_it_was_open(replay);
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        const struct packet *packet = &replay->packets[i];
        uint64_t since_ns = packet->at_ns - min_u64(packet->at_ns, replay->packets[0].at_ns);

        go_on(replay, max_u64(replay->now_ns, START_NS + since_ns));
        if (packet->drop == BERTH_DROP_NONE || packet->drop == BERTH_DROP_BAD_TCP_FLAGS) {
            scans_count_packet(&replay->tried, &packet->parsed);
        }
        if (!is_from_stack(replay, &packet->parsed)) {
            arrive(replay, packet);
        } else if (packet->drop == BERTH_DROP_NONE && packet->parsed.protocol == WIRE_TCP &&
                   (packet->parsed.tcp.flags & (WIRE_SYN | WIRE_ACK)) == WIRE_SYN) {
            call(replay, &packet->parsed);
        }
    }
    go_on(replay, replay->now_ns + 600 * NS_PER_S);
    printf("], \"tried\": %u}\n", replay->tried.count);
    scans_stack_free(replay->berth);
}

void scans_replay(const char *path)
{
    struct replay *replay = calloc(1, sizeof *replay);

    must(replay != NULL ? 0 : BERTH_E_LIMIT, "memory");
    replay->path = path;
    replay->flows = calloc(FLOWS_MAX, sizeof *replay->flows);
    must(replay->flows != NULL && load(replay) ? 0 : BERTH_E_INVALID, path);
    for (uint32_t i = 0; i < replay->count; i++) {
        if (replay->packets[i].drop == BERTH_DROP_NONE &&
            replay->packets[i].parsed.protocol == WIRE_TCP &&
            !replay->packets[i].parsed.is_fragment) {
            learn_segment(replay, &replay->packets[i].parsed);
        }
    }
    for (uint32_t i = 0; i < 2 * replay->host_count; i++) {
        replay->host = &replay->hosts[i / 2];
        replay->plays_host = i % 2 == 0;
        replay_one(replay);
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        free(replay->packets[i].data);
    }
    free(replay->packets);
    free(replay->flows);
    free(replay);
}
