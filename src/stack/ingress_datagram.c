/* SPDX-License-Identifier: MIT */
/*
 * stack/ingress_datagram.c: a UDP or ICMP packet that has come in whole, and who gets it.
 *
 *   UDP           a connected socket of both ends   -> its queue: the conversation exists
 *                 a bound socket that knows the peer -> its queue: the verdict was given
 *                 else the firewall: denied          -> answered or silent, as the rule says
 *                 a bound socket                     -> its queue; the peer is known from now on
 *                 intercepting                       -> held: a socket for the owner to accept,
 *                 also where the firewall leaves it to the owner to decide
 *                 nobody                             -> port unreachable
 *   echo request  as UDP, without bound sockets; what nobody takes is answered for own addresses
 *   ICMP error    to the socket or connection whose packet it quotes
 *   all else      nothing here asks for it
 *
 * 1. Nobody is asked, and nothing is told apart in an answer, before the firewall has allowed it.
 * Called by the stack's ingress alone.
 */
#include "ip/icmp.h"
#include "stack/datagram.h"

/* The conversation that PACKET belongs to, seen from here. An echo's port is its identifier. */
static struct udp_flow flow_of(const struct wire_packet *packet)
{
    bool is_udp = packet->protocol == WIRE_UDP;
    uint16_t identifier = is_udp ? 0 : packet->icmp.identifier;

    return (struct udp_flow){
        .protocol = is_udp ? BERTH_UDP : BERTH_ICMP,
        .connected = true,
        .local = {packet->destination, is_udp ? packet->destination_port : identifier},
        .remote = {packet->source, is_udp ? packet->source_port : identifier},
    };
}

/* The unconnected socket that serves FLOW's local end; NULL: none. */
static struct udp_socket *find_bound(const struct berth *berth, const struct udp_flow *flow)
{
    berth_id owner = ports_find(&berth->ports, flow->protocol, &flow->local);

    return owner == 0 ? NULL : stack_datagram_find(berth, owner);
}

/* The first datagram of FLOW goes to a new held socket. */
static enum berth_drop hold(struct berth *berth, const struct udp_flow *flow,
                            const struct berth_verdict *verdict, const struct wire_packet *packet,
                            struct berth_buffer *buffer)
{
    struct udp_socket *socket = udp_hold(&berth->udp, flow, verdict, berth->now_ns);
    enum berth_drop drop;

    if (socket == NULL) {
        buffers_put(&berth->buffers, buffer);
        return BERTH_DROP_HELD_LIMIT;
    }
    drop = udp_deliver(&berth->udp, socket, packet, buffer);
    if (drop != BERTH_DROP_NONE) {
        udp_close(&berth->udp, socket); /* there is nothing to hold */
    }
    return drop;
}

static enum berth_drop end(struct berth *berth, struct berth_buffer *buffer, enum berth_drop drop)
{
    buffers_put(&berth->buffers, buffer);
    return drop;
}

static struct stack_contact contact_of(const struct udp_flow *flow)
{
    return (struct stack_contact){
        .protocol = (enum berth_protocol)flow->protocol,
        .local = flow->local,
        .remote = flow->remote,
        .arriving = true,
    };
}

static void note_served(struct berth *berth, const struct udp_flow *flow)
{
    struct stack_contact contact = contact_of(flow);

    stack_scan_served(berth, &contact);
}

/* What the firewall says of FLOW's first packet. True: it goes on, to whoever serves it or, if it
 * MAY_HOLD, to the owner. */
static bool judge(struct berth *berth, const struct udp_flow *flow, bool may_hold,
                  struct berth_verdict *verdict)
{
    struct stack_contact contact = contact_of(flow);

    contact.may_hold = may_hold;
    *verdict = stack_judge(berth, &contact);
    return verdict->action == BERTH_ALLOW || (may_hold && stack_is_asked(verdict));
}

/* What the firewall refused. */
static enum berth_drop refuse(struct berth *berth, enum berth_action action,
                              const struct wire_packet *packet, struct berth_buffer *buffer)
{
    if (action == BERTH_DROP) {
        return end(berth, buffer, BERTH_DROP_SILENT);
    }
    ip_send_unreachable(&berth->ip, packet, BERTH_UNREACHABLE_PROHIBITED, berth->now_ns);
    return end(berth, buffer, BERTH_DROP_DENIED);
}

enum berth_drop stack_on_udp(struct berth *berth, struct wire_packet *packet,
                             struct berth_buffer *buffer)
{
    struct udp_flow flow = flow_of(packet);
    struct udp_socket *socket = udp_find(&berth->udp, &flow);
    struct berth_verdict verdict = {.action = BERTH_ALLOW, .rule = -1};
    bool is_known;

    if (socket != NULL) {
        return udp_deliver(&berth->udp, socket, packet, buffer);
    }
    socket = find_bound(berth, &flow);
    is_known =
        socket != NULL && udp_find_peer(&berth->udp, socket, &flow.remote, berth->now_ns) != NULL;
    if (!is_known && !judge(berth, &flow, socket == NULL && berth->intercept, &verdict)) {
        return refuse(berth, verdict.action, packet, buffer);
    }
    if (socket != NULL) {
        if (!is_known) {
            note_served(berth, &flow);
        }
        udp_note_peer(&berth->udp, socket, &flow, berth->now_ns);
        return udp_deliver(&berth->udp, socket, packet, buffer);
    }
    if (berth->intercept) {
        return hold(berth, &flow, &verdict, packet, buffer);
    }
    struct stack_contact contact = contact_of(&flow);
    stack_scan_failed(berth, &contact);
    ip_send_unreachable(&berth->ip, packet, BERTH_UNREACHABLE_PORT, berth->now_ns);
    return end(berth, buffer, BERTH_DROP_NO_LISTENER);
}

static enum berth_drop on_echo_request(struct berth *berth, const struct wire_packet *packet,
                                       struct berth_buffer *buffer)
{
    struct udp_flow flow = flow_of(packet);
    struct udp_socket *socket = udp_find(&berth->udp, &flow);
    struct berth_verdict verdict;

    if (socket != NULL) {
        return udp_deliver(&berth->udp, socket, packet, buffer);
    }
    if (!judge(berth, &flow, berth->intercept, &verdict)) {
        return refuse(berth, verdict.action, packet, buffer);
    }
    /* Own addresses too: the owner may stand for a host behind them. */
    if (berth->intercept) {
        return hold(berth, &flow, &verdict, packet, buffer);
    }
    if (!ip_is_own(&berth->ip, &packet->destination)) {
        return end(berth, buffer, BERTH_DROP_NOT_OURS);
    }
    ip_echo_reply(&berth->ip, packet, buffer, berth->now_ns);
    return BERTH_DROP_NONE;
}

/* ---- ICMP errors ----------------------------------------------------------------------------- */

/* RFC 1122 3.2.2.1, RFC 1812 5.2.7.1; the errors are those that Linux gives. */
static int unreachable4_error(uint8_t code)
{
    switch (code) {
    case ICMP4_NETWORK:
    case ICMP4_NETWORK_UNKNOWN:
    case ICMP4_NETWORK_TOS:
        return BERTH_E_NET_UNREACHABLE;
    case ICMP4_PROTOCOL:
    case ICMP4_PORT:
        return BERTH_E_REFUSED;
    case ICMP4_NETWORK_PROHIBITED:
    case ICMP4_HOST_PROHIBITED:
    case ICMP4_PROHIBITED:
        return BERTH_E_PROHIBITED;
    default:
        return BERTH_E_HOST_UNREACHABLE;
    }
}

/* RFC 4443 3.1. */
static int unreachable6_error(uint8_t code)
{
    switch (code) {
    case ICMP6_NETWORK:
        return BERTH_E_NET_UNREACHABLE;
    case ICMP6_PORT:
        return BERTH_E_REFUSED;
    case ICMP6_PROHIBITED:
    case ICMP6_SOURCE_POLICY:
    case ICMP6_REJECT_ROUTE:
        return BERTH_E_PROHIBITED;
    default:
        return BERTH_E_HOST_UNREACHABLE;
    }
}

static bool is_too_big(const struct wire_packet *packet)
{
    if (packet->version == 6) {
        return packet->icmp.type == ICMP6_TOO_BIG;
    }
    return packet->icmp.type == ICMP4_UNREACHABLE && packet->icmp.code == ICMP4_TOO_BIG;
}

/* What the error PACKET stands for; BERTH_OK: nothing that concerns a conversation (redirects,
 * source quench: RFC 6633). */
static int error_of(const struct wire_packet *packet)
{
    uint8_t type = packet->icmp.type;
    uint8_t code = packet->icmp.code;

    if (is_too_big(packet)) {
        return BERTH_E_TOO_LONG;
    }
    if (packet->version == 6) {
        if (type == ICMP6_UNREACHABLE) {
            return unreachable6_error(code);
        }
        if (type == ICMP6_PARAMETER_PROBLEM && code == ICMP6_NEXT_HEADER) {
            return BERTH_E_REFUSED; /* RFC 4443 3.4: what IPv4 calls protocol unreachable */
        }
        return type == ICMP6_TIME_EXCEEDED || type == ICMP6_PARAMETER_PROBLEM
                   ? BERTH_E_HOST_UNREACHABLE
                   : BERTH_OK;
    }
    if (type == ICMP4_UNREACHABLE) {
        return unreachable4_error(code);
    }
    return type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM ? BERTH_E_HOST_UNREACHABLE
                                                                          : BERTH_OK;
}

static enum berth_drop on_datagram_error(struct berth *berth, const struct wire_quote *quote,
                                         int error)
{
    struct udp_flow flow = {
        .protocol = BERTH_UDP,
        .connected = true,
        .local = {quote->source, quote->source_port},
        .remote = {quote->destination, quote->destination_port},
    };
    struct udp_socket *socket = udp_find(&berth->udp, &flow);

    if (socket == NULL || socket->held) { /* a held one has sent nothing yet */
        return BERTH_DROP_NO_CONNECTION;
    }
    udp_on_error(&berth->udp, socket, error);
    return BERTH_DROP_NONE;
}

static enum berth_drop on_error(struct berth *berth, const struct wire_packet *packet)
{
    struct wire_quote quote;
    int error = error_of(packet);
    enum berth_drop drop = wire_parse_quote(&quote, packet->payload, packet->payload_bytes);

    if (drop != BERTH_DROP_NONE) {
        return drop;
    }
    if (error == BERTH_OK) {
        return BERTH_DROP_NO_ECHO;
    }
    /* RFC 5927 4.1's least check: it comes to the address from which the packet went. */
    if (!berth_address_is_equal(&quote.source, &packet->destination)) {
        return BERTH_DROP_BAD_ICMP;
    }
    switch (quote.protocol) {
    case WIRE_TCP:
        return is_too_big(packet) ? stack_on_tcp_too_big(berth, &quote, packet->icmp.mtu)
                                  : stack_on_tcp_unreachable(berth, &quote, error);
    case WIRE_UDP:
        return on_datagram_error(berth, &quote, error);
    default:
        return BERTH_DROP_NO_CONNECTION; /* echo replies too: nobody waits for their fate */
    }
}

enum berth_drop stack_on_icmp(struct berth *berth, struct wire_packet *packet,
                              struct berth_buffer *buffer)
{
    enum berth_drop drop = BERTH_DROP_NO_ECHO; /* echo replies, NDP, MLD: nobody here has asked */

    if (icmp_is_echo_request(packet->version, packet->icmp.type)) {
        return on_echo_request(berth, packet, buffer);
    }
    if (icmp_is_error(packet->version, packet->icmp.type)) {
        drop = on_error(berth, packet);
    }
    return end(berth, buffer, drop);
}
