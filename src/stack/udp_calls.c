/* SPDX-License-Identifier: MIT */
/*
 * stack/udp_calls.c: the public calls of <berth/udp.h> but for sending: opening, reading, closing.
 */
#include "stack/datagram.h"

#define EVERY_PORT 0

/* ---- Opening --------------------------------------------------------------------------------- */

/* The local address of a flow to REMOTE: LOCAL's, or the stack's own choice where that is any. */
static int choose_local(const struct berth *berth, const struct berth_endpoint *local,
                        const struct berth_endpoint *remote, struct berth_address *out)
{
    if (local == NULL || berth_address_is_any(&local->address)) {
        return ip_source_for(&berth->ip, &remote->address, out);
    }
    if (!stack_is_unicast(berth, &local->address) ||
        berth_address_is_v4(&local->address) != berth_address_is_v4(&remote->address)) {
        return BERTH_E_INVALID;
    }
    *out = local->address;
    return BERTH_OK;
}

static struct ports_use use_of(const struct udp_flow *flow)
{
    return (struct ports_use){
        .local = flow->local.address, .remote = flow->remote, .protocol = flow->protocol};
}

/* Takes FLOW's local port, or picks one where it is 0. */
static int take_port(struct berth *berth, struct udp_flow *flow)
{
    struct ports_use use = use_of(flow);

    if (flow->local.port == 0) {
        return ports_pick(&berth->ports, &use, &flow->local.port);
    }
    return ports_take(&berth->ports, &use, flow->local.port) ? BERTH_OK : BERTH_E_IN_USE;
}

static int open_connected(struct berth *berth, struct udp_flow *flow, void *user,
                          struct udp_socket **out)
{
    struct stack_contact contact = {
        .protocol = BERTH_UDP, .local = flow->local, .remote = flow->remote};
    struct ports_use use;
    int result;

    if (!ip_has_route(&berth->ip, &flow->remote.address)) {
        return BERTH_E_NO_ROUTE;
    }
    if (stack_judge(berth, &contact).action != BERTH_ALLOW) {
        return BERTH_E_DENIED;
    }
    result = take_port(berth, flow);
    if (result != BERTH_OK) {
        return result;
    }
    result = udp_open(&berth->udp, flow, user, out);
    if (result != BERTH_OK) {
        use = use_of(flow);
        ports_give(&berth->ports, &use, flow->local.port);
        return result;
    }
    (*out)->owns_port = true;
    return BERTH_OK;
}

static int open_bound(struct berth *berth, struct udp_flow *flow, void *user,
                      struct udp_socket **out)
{
    struct ports_bind bind = {.local = flow->local, .protocol = BERTH_UDP};
    int result = udp_open(&berth->udp, flow, user, out);

    if (result != BERTH_OK) {
        return result;
    }
    bind.owner = stack_datagram_id(berth, *out);
    result = ports_bind(&berth->ports, &bind);
    if (result != BERTH_OK) {
        udp_close(&berth->udp, *out);
        return result;
    }
    (*out)->owns_port = true;
    return BERTH_OK;
}

/* The local end of an unconnected socket. */
static int choose_bind(struct berth *berth, const struct berth_endpoint *local,
                       struct berth_endpoint *out)
{
    if (local == NULL) {
        out->address = berth_address_any();
        return ports_pick_bind(&berth->ports, BERTH_UDP, &out->address, &out->port);
    }
    if (!berth_address_is_any(&local->address) && !ip_is_own(&berth->ip, &local->address)) {
        return BERTH_E_INVALID;
    }
    *out = *local;
    return BERTH_OK;
}

int berth_udp_open(struct berth *berth, const struct berth_endpoint *local,
                   const struct berth_endpoint *remote, void *user, berth_id *out)
{
    struct udp_flow flow = {.protocol = BERTH_UDP, .connected = remote != NULL};
    struct udp_socket *socket;
    int result;

    if (remote == NULL) {
        result = choose_bind(berth, local, &flow.local);
    } else if (remote->port == 0 || !stack_is_unicast(berth, &remote->address)) {
        result = BERTH_E_INVALID;
    } else {
        flow.remote = *remote;
        flow.local.port = local == NULL ? 0 : local->port;
        result = choose_local(berth, local, remote, &flow.local.address);
    }
    if (result == BERTH_OK) {
        result = remote == NULL ? open_bound(berth, &flow, user, &socket)
                                : open_connected(berth, &flow, user, &socket);
    }
    if (result == BERTH_OK) {
        *out = stack_datagram_id(berth, socket);
    }
    return result;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void describe(struct berth_datagram *out, const struct wire_packet *packet)
{
    bool is_udp = packet->protocol == WIRE_UDP;

    *out = (struct berth_datagram){
        .local = {packet->destination, is_udp ? packet->destination_port : packet->icmp.identifier},
        .remote = {packet->source, is_udp ? packet->source_port : packet->icmp.identifier},
        .payload = {packet->payload, packet->payload_bytes},
        .segment_bytes = packet->segment_bytes,
        .echo_sequence = is_udp ? 0 : packet->icmp.sequence,
        .hop_limit = packet->hop_limit,
        .traffic_class = packet->traffic_class,
    };
}

int berth_udp_peek(struct berth *berth, berth_id id, struct berth_datagram *out)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);
    struct wire_packet packet;

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    if (socket->held) {
        return BERTH_E_STATE;
    }
    if (socket->error != BERTH_OK) {
        int error = socket->error;

        socket->error = BERTH_OK;
        return error;
    }
    if (!udp_peek(socket, &packet)) {
        return BERTH_E_AGAIN;
    }
    describe(out, &packet);
    socket->echo_sequence = out->echo_sequence;
    return BERTH_OK;
}

int berth_udp_consume(struct berth *berth, berth_id id)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    if (socket->held) {
        return BERTH_E_STATE;
    }
    return udp_consume(&berth->udp, socket) ? BERTH_OK : BERTH_E_AGAIN;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

int berth_udp_unreachable(struct berth *berth, berth_id id, int reason)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);
    struct wire_quote quote;

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    if (!stack_is_reason(reason)) {
        return BERTH_E_INVALID;
    }
    if (!socket->connected) {
        return BERTH_E_STATE;
    }
    quote = (struct wire_quote){
        .source = socket->remote.address,
        .destination = socket->local.address,
        .source_port = socket->remote.port,
        .destination_port = socket->local.port,
        .protocol = WIRE_UDP,
        .echo_sequence = socket->echo_sequence,
    };
    if (socket->protocol == BERTH_ICMP) {
        quote.protocol = berth_address_is_v4(&quote.source) ? WIRE_ICMP : WIRE_ICMP6;
    }
    ip_send_unreachable_quote(&berth->ip, &quote, (enum berth_unreachable)reason, berth->now_ns);
    return BERTH_OK;
}

void stack_datagram_close(struct berth *berth, struct udp_socket *socket)
{
    if (socket->owns_port && socket->connected) {
        struct ports_use use = {
            .local = socket->local.address, .remote = socket->remote, .protocol = socket->protocol};

        ports_give(&berth->ports, &use, socket->local.port);
    } else if (socket->owns_port) {
        struct ports_bind bind = {.local = socket->local,
                                  .owner = stack_datagram_id(berth, socket),
                                  .protocol = socket->protocol};

        ports_unbind(&berth->ports, &bind);
    }
    udp_close(&berth->udp, socket);
}

int berth_udp_close(struct berth *berth, berth_id id)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    stack_datagram_close(berth, socket);
    return BERTH_OK;
}
