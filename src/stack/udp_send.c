/* SPDX-License-Identifier: MIT */
/*
 * stack/udp_send.c: the public calls of <berth/udp.h> that send.
 *
 * 1. A reservation is the socket's until a commit succeeds or the socket ends: what could not be
 *    sent now may be committed again.
 * 2. A datagram goes out whole or BERTH_E_AGAIN is returned: never in part.
 */
#include "ip/icmp.h"
#include "stack/datagram.h"

#define UDP_CHECKSUM_OFFSET  6     /* from the transport header (RFC 768) */
#define ICMP_CHECKSUM_OFFSET 2     /* RFC 792 */
#define PIECES_MAX           128   /* of one super-datagram, as kernels allow */
#define PAYLOAD_MAX_V4       65507 /* 65535 - 20 - 8 */
#define PAYLOAD_MAX_V6       65527 /* 65535 - 8 */

/* The network header, with a fragment header, and the transport's go in front of the payload. */
_Static_assert(BUFFERS_HEADROOM >= WIRE_IPV6_HEADER_BYTES + 8 + WIRE_UDP_HEADER_BYTES,
               "headers fit the headroom");
_Static_assert(WIRE_UDP_HEADER_BYTES == WIRE_ICMP_HEADER_BYTES, "one layout serves both");

static uint32_t payload_max(const struct berth_address *to)
{
    return berth_address_is_v4(to) ? PAYLOAD_MAX_V4 : PAYLOAD_MAX_V6;
}

/* ---- Reserve --------------------------------------------------------------------------------- */

static int again(struct berth *berth, struct udp_socket *socket, uint32_t packets)
{
    udp_wait_for_room(&berth->udp, socket, packets);
    return BERTH_E_AGAIN;
}

int berth_udp_reserve(struct berth *berth, berth_id id, size_t want, struct berth_view *out)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);
    uint32_t bytes_max;

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    if (socket->held) {
        return BERTH_E_STATE;
    }
    bytes_max = socket->connected ? payload_max(&socket->remote.address) : PAYLOAD_MAX_V6;
    if (want > min_u32(bytes_max, berth->buffers.capacity - BUFFERS_HEADROOM)) {
        return BERTH_E_TOO_LONG;
    }
    if (socket->reserved == NULL) {
        if (!ip_may_send(&berth->ip, 1)) {
            return again(berth, socket, 1);
        }
        socket->reserved = buffers_get_for_queue(&berth->buffers);
    }
    if (socket->reserved == NULL) {
        return again(berth, socket, 1);
    }
    socket->reserved->bytes = (uint32_t)want;
    *out = (struct berth_view){socket->reserved->data + socket->reserved->begin, want};
    return BERTH_OK;
}

/* ---- Commit ---------------------------------------------------------------------------------- */

/* To whom SEND goes. */
static int find_remote(const struct udp_socket *socket, const struct berth_udp_send *send,
                       struct berth_endpoint *out)
{
    if (!socket->connected && send->to == NULL) {
        return BERTH_E_STATE;
    }
    if (socket->connected && send->to != NULL &&
        !berth_endpoint_is_equal(send->to, &socket->remote)) {
        return BERTH_E_INVALID;
    }
    *out = send->to == NULL ? socket->remote : *send->to;
    return BERTH_OK;
}

static int check_size(const struct berth *berth, const struct udp_socket *socket,
                      const struct berth_udp_send *send, const struct berth_endpoint *to)
{
    uint32_t header_bytes =
        WIRE_UDP_HEADER_BYTES +
        (berth_address_is_v4(&to->address) ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES);

    if (send->bytes > socket->reserved->bytes) {
        return BERTH_E_INVALID;
    }
    if (send->bytes > payload_max(&to->address)) {
        return BERTH_E_TOO_LONG;
    }
    if (send->segment_bytes != 0 && send->segment_bytes < send->bytes &&
        (socket->protocol != BERTH_UDP || header_bytes + send->segment_bytes > berth->config.mtu ||
         send->bytes > (size_t)send->segment_bytes * PIECES_MAX)) {
        return BERTH_E_INVALID;
    }
    return BERTH_OK;
}

/* Our end of what an unconnected SOCKET says to REMOTE, whom PEER, if not NULL, knows. */
static int find_local(const struct berth *berth, const struct udp_socket *socket,
                      const struct udp_peer *peer, const struct berth_endpoint *remote,
                      struct berth_endpoint *out)
{
    bool is_any = berth_address_is_any(&socket->local.address);

    if (peer != NULL) { /* from where they know us */
        *out = peer->local;
        return BERTH_OK;
    }
    if (socket->local.port == 0) {
        return BERTH_E_STATE; /* of every port: it can only answer */
    }
    out->port = socket->local.port;
    if (is_any) {
        return ip_source_for(&berth->ip, &remote->address, &out->address);
    }
    out->address = socket->local.address;
    return berth_address_is_v4(&out->address) == berth_address_is_v4(&remote->address)
               ? BERTH_OK
               : BERTH_E_INVALID;
}

/* The ends of a datagram of an unconnected SOCKET to FLOW's remote; judged once per peer. */
static int admit_unconnected(struct berth *berth, const struct udp_socket *socket,
                             struct udp_flow *flow)
{
    const struct berth_endpoint *remote = &flow->remote;
    const struct udp_peer *peer = udp_find_peer(&berth->udp, socket, remote, berth->now_ns);
    struct stack_contact contact = {.protocol = BERTH_UDP, .remote = *remote};
    int result;

    if (remote->port == 0 || !stack_is_unicast(berth, &remote->address)) {
        return BERTH_E_INVALID;
    }
    result = find_local(berth, socket, peer, remote, &flow->local);
    if (result != BERTH_OK || peer != NULL) {
        return result;
    }
    if (!ip_has_route(&berth->ip, &remote->address)) {
        return BERTH_E_NO_ROUTE;
    }
    contact.local = flow->local;
    return stack_judge(berth, &contact).action == BERTH_ALLOW ? BERTH_OK : BERTH_E_DENIED;
}

/* Room for all packets that it takes? */
static int check_room(struct berth *berth, struct udp_socket *socket,
                      const struct berth_udp_send *send, const struct berth_endpoint *to)
{
    uint32_t transport_bytes = (uint32_t)send->bytes + WIRE_UDP_HEADER_BYTES;
    uint32_t segment_bytes = send->segment_bytes < send->bytes ? send->segment_bytes : 0;
    uint32_t packets = ip_packet_count(&berth->ip, &to->address, transport_bytes, segment_bytes);

    packets += segment_bytes != 0 && packets > 1 ? 1 : 0; /* as ip_send counts */
    if (packets > (uint64_t)berth->outbox.limit * 2 ||
        packets + (uint64_t)berth->buffers.reserved > berth->buffers.count) {
        return BERTH_E_TOO_LONG;
    }
    return ip_may_send(&berth->ip, packets) ? BERTH_OK : again(berth, socket, packets);
}

/* Puts the transport header in front of the payload and hands it to the IP layer. */
static void send_datagram(struct berth *berth, const struct udp_flow *flow,
                          struct berth_buffer *buffer, const struct berth_udp_send *send)
{
    bool is_v4 = berth_address_is_v4(&flow->remote.address);
    bool is_udp = flow->protocol == BERTH_UDP;
    uint8_t header[BERTH_FRAME_HEADER_BYTES];
    uint32_t header_bytes;
    struct wire_packet packet = {
        .source = flow->local.address,
        .destination = flow->remote.address,
        .source_port = flow->local.port,
        .destination_port = flow->remote.port,
        .version = is_v4 ? 4 : 6,
        .protocol = is_udp  ? WIRE_UDP
                    : is_v4 ? WIRE_ICMP
                            : WIRE_ICMP6,
        .hop_limit = IP_HOP_LIMIT,
        .transport_bytes = WIRE_UDP_HEADER_BYTES,
        .payload_bytes = (uint32_t)send->bytes,
    };

    if (!is_udp) {
        packet.icmp.type = is_v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
        packet.icmp.identifier = flow->remote.port;
        packet.icmp.sequence = send->echo_sequence;
    }
    header_bytes = is_udp ? wire_emit_udp(header, &packet) : wire_emit_icmp(header, &packet);
    buffer->begin -= WIRE_UDP_HEADER_BYTES;
    buffer->bytes = WIRE_UDP_HEADER_BYTES + (uint32_t)send->bytes;
    memcpy(buffer->data + buffer->begin, header + header_bytes - WIRE_UDP_HEADER_BYTES,
           WIRE_UDP_HEADER_BYTES);
    buffer->offload.checksum_partial = 1;
    buffer->offload.checksum_offset = is_udp ? UDP_CHECKSUM_OFFSET : ICMP_CHECKSUM_OFFSET;
    if (send->segment_bytes != 0 && send->segment_bytes < send->bytes) {
        buffer->offload.segment_kind = BERTH_SEGMENT_UDP;
        buffer->offload.segment_bytes = send->segment_bytes;
    }
    ip_send(&berth->ip, &packet, buffer);
}

int berth_udp_commit(struct berth *berth, berth_id id, const struct berth_udp_send *send)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);
    struct berth_buffer *buffer;
    struct udp_flow flow;
    int result;

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    if (socket->reserved == NULL) {
        return BERTH_E_STATE;
    }
    flow = (struct udp_flow){.protocol = socket->protocol, .local = socket->local};
    result = find_remote(socket, send, &flow.remote);
    if (result == BERTH_OK) {
        result = check_size(berth, socket, send, &flow.remote);
    }
    if (result == BERTH_OK && !socket->connected) {
        result = admit_unconnected(berth, socket, &flow);
    }
    if (result == BERTH_OK) {
        result = check_room(berth, socket, send, &flow.remote);
    }
    if (result != BERTH_OK) {
        return result;
    }
    if (!socket->connected) {
        udp_note_peer(&berth->udp, socket, &flow, berth->now_ns);
    }
    buffer = socket->reserved;
    socket->reserved = NULL;
    send_datagram(berth, &flow, buffer, send);
    return BERTH_OK;
}

int berth_udp_write(struct berth *berth, berth_id id, const struct berth_endpoint *to,
                    const void *data, size_t bytes)
{
    struct berth_udp_send send = {.to = to, .bytes = bytes};
    struct berth_view room;
    struct udp_socket *socket;
    int result = berth_udp_reserve(berth, id, bytes, &room);

    if (result != BERTH_OK) {
        return result;
    }
    if (bytes > 0) {
        memcpy(room.data, data, bytes);
    }
    result = berth_udp_commit(berth, id, &send);
    if (result != BERTH_OK) {
        socket = stack_datagram_find(berth, id);
        buffers_put(&berth->buffers, socket->reserved);
        socket->reserved = NULL;
    }
    return result;
}
