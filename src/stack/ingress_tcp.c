/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing TCP (RFC 9293 3.10.7): an existing connection, TIME-WAIT, or a first contact, on
 * which the firewall rules before anybody is asked.
 */
#include "stack/stack.h"

struct pair {
    struct berth_endpoint local;
    struct berth_endpoint remote;
};

/* Nobody's segment: a RST tells the sender, unless the rules want silence towards it. */
static enum berth_drop on_stray(struct berth *berth, const struct wire_packet *packet,
                                const struct pair *pair)
{
    struct stack_contact contact = {
        .protocol = BERTH_TCP, .local = pair->local, .remote = pair->remote, .arriving = true};
    struct berth_contact_query query = stack_query(berth, &contact);
    if (firewall_judge(&berth->firewall, &query).action != BERTH_DROP) {
        tcp_refuse(&berth->tcp, packet);
    }
    return BERTH_DROP_NO_CONNECTION;
}

/* A SYN that the rules allow goes to whoever serves the port, else to the owner, else it is
 * refused. */
static enum berth_drop on_allowed(struct berth *berth, const struct wire_packet *packet,
                                  const struct pair *pair, const struct berth_verdict *verdict)
{
    berth_id id = 0;
    if (ip_is_own(&berth->ip, &pair->local.address)) {
        id = ports_find(&berth->ports, BERTH_TCP, &pair->local);
    }
    if (id != 0) {
        struct tcp_listener *listener =
            tcp_listener_of(&berth->tcp, stack_id_index(id), stack_id_generation(id));
        BERTH_CHECK(listener != NULL);
        return tcp_on_listen(&berth->tcp, listener, packet);
    }
    if (berth->intercept) {
        return tcp_hold(&berth->tcp, packet, verdict);
    }
    tcp_refuse(&berth->tcp, packet);
    return BERTH_DROP_NO_LISTENER;
}

static enum berth_drop on_first_contact(struct berth *berth, const struct wire_packet *packet,
                                        const struct pair *pair)
{
    struct stack_contact contact = {
        .protocol = BERTH_TCP, .local = pair->local, .remote = pair->remote, .arriving = true};
    struct berth_verdict verdict = stack_judge(berth, &contact);
    switch (verdict.action) {
    case BERTH_ALLOW:
        return on_allowed(berth, packet, pair, &verdict);
    case BERTH_DENY:
        tcp_refuse(&berth->tcp, packet);
        return BERTH_DROP_DENIED;
    case BERTH_DROP:
        return BERTH_DROP_SILENT;
    }
    return BERTH_DROP_SILENT;
}

/* Only a SYN of which a connection came ends TIME-WAIT: one that is refused leaves it (RFC 9293
 * MUST-13). */
static enum berth_drop on_time_wait(struct berth *berth, const struct wire_packet *packet,
                                    const struct pair *pair, struct tcp_time_wait *wait)
{
    bool reopen = false;
    enum berth_drop drop = tcp_on_time_wait(&berth->tcp, wait, packet, &reopen);
    if (!reopen) {
        return drop;
    }
    tcp_time_wait_reopen(&berth->tcp, wait);
    drop = on_first_contact(berth, packet, pair);
    berth->tcp.reopening = false;
    if (drop == BERTH_DROP_NONE) {
        tcp_time_wait_end(&berth->tcp, wait);
    }
    return drop;
}

static enum berth_drop on_no_connection(struct berth *berth, const struct wire_packet *packet,
                                        const struct pair *pair)
{
    struct tcp_time_wait *wait = tcp_find_time_wait(&berth->tcp, &pair->local, &pair->remote);
    if (wait != NULL) {
        return on_time_wait(berth, packet, pair, wait);
    }
    uint32_t opening = packet->tcp.flags & (WIRE_SYN | WIRE_ACK | WIRE_RST);
    return opening == WIRE_SYN ? on_first_contact(berth, packet, pair)
                               : on_stray(berth, packet, pair);
}

enum berth_drop stack_on_tcp(struct berth *berth, struct wire_packet *packet,
                             struct berth_buffer *buffer)
{
    struct pair pair = {.local = {packet->destination, packet->destination_port},
                        .remote = {packet->source, packet->source_port}};
    struct tcp_conn *conn = tcp_find(&berth->tcp, &pair.local, &pair.remote);
    if (conn != NULL) {
        return tcp_on_segment(&berth->tcp, conn, packet, buffer);
    }
    enum berth_drop drop = on_no_connection(berth, packet, &pair);
    buffers_put(&berth->buffers, buffer);
    return drop;
}

void stack_on_tcp_unreachable(struct berth *berth, const struct wire_quote *quote, int error)
{
    struct berth_endpoint local = {quote->source, quote->source_port};
    struct berth_endpoint remote = {quote->destination, quote->destination_port};
    struct tcp_conn *conn = tcp_find(&berth->tcp, &local, &remote);
    if (conn != NULL && quote->has_tcp_seq) {
        tcp_on_unreachable(&berth->tcp, conn, quote->tcp_seq, error);
    }
}

void stack_on_tcp_too_big(struct berth *berth, const struct wire_quote *quote, uint32_t mtu)
{
    struct berth_endpoint local = {quote->source, quote->source_port};
    struct berth_endpoint remote = {quote->destination, quote->destination_port};
    struct tcp_conn *conn = tcp_find(&berth->tcp, &local, &remote);
    if (conn != NULL && quote->has_tcp_seq) {
        tcp_on_too_big(&berth->tcp, conn, quote->tcp_seq, mtu);
    }
}
