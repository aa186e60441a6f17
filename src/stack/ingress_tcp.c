/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing TCP (RFC 9293 3.10.7): an existing connection, TIME-WAIT, or a first contact, on
 * which the firewall rules before anybody is asked.
 */
#include "stack/stack.h"

/* Who listens at LOCAL; NULL: nobody. */
static struct tcp_listener *listener_at(struct berth *berth, const struct berth_endpoint *local)
{
    berth_id id = 0;
    if (ip_is_own(&berth->ip, &local->address)) {
        id = ports_find(&berth->ports, BERTH_TCP, local);
    }
    if (id == 0) {
        return NULL;
    }
    struct tcp_listener *listener =
        tcp_listener_of(&berth->tcp, stack_id_index(id), stack_id_generation(id));
    BERTH_CHECK(listener != NULL);
    return listener;
}

/* Nobody's segment: a RST tells the sender, unless the rules want silence towards it. Where there
 * is a listener that it may reach, one with neither ACK nor RST is passed over (RFC 9293
 * 3.10.7.2). */
static enum berth_drop on_stray(struct berth *berth, const struct wire_packet *packet,
                                const struct tcp_pair *pair)
{
    struct stack_contact contact = {
        .protocol = BERTH_TCP, .local = pair->local, .remote = pair->remote, .arriving = true};
    struct berth_contact_query query = stack_query(berth, &contact);
    enum berth_action scanner = stack_scan_verdict(berth, &contact);
    enum berth_action action = firewall_judge(&berth->firewall, &query).action;
    bool may_reach = scanner == BERTH_ALLOW && action == BERTH_ALLOW;
    bool is_bare = (packet->tcp.flags & (WIRE_SYN | WIRE_ACK | WIRE_RST)) == 0;
    stack_scan_stray(berth, packet, pair);
    if (is_bare && may_reach && listener_at(berth, &pair->local) != NULL) {
        return BERTH_DROP_TCP_STATE;
    }
    if (scanner != BERTH_DROP && action != BERTH_DROP) {
        tcp_refuse(&berth->tcp, packet);
    }
    return BERTH_DROP_NO_CONNECTION;
}

/* A SYN that was refused, with nobody to ask. */
static enum berth_drop on_denied(struct berth *berth, const struct wire_packet *packet,
                                 const struct berth_verdict *verdict)
{
    if (verdict->action == BERTH_DROP) {
        return BERTH_DROP_SILENT;
    }
    tcp_refuse(&berth->tcp, packet);
    return BERTH_DROP_DENIED;
}

/* A SYN that the rules allow goes to whoever serves the port, else to the owner, else it is
 * refused. One that is the owner's to decide on goes to the owner. */
static enum berth_drop on_first_contact(struct berth *berth, const struct wire_packet *packet,
                                        const struct tcp_pair *pair, struct tcp_conn **out)
{
    struct tcp_listener *listener = listener_at(berth, &pair->local);
    struct stack_contact contact = {.protocol = BERTH_TCP,
                                    .local = pair->local,
                                    .remote = pair->remote,
                                    .arriving = true,
                                    .may_hold = berth->intercept && listener == NULL};
    struct berth_verdict verdict = stack_judge(berth, &contact);
    if (verdict.action != BERTH_ALLOW && !(contact.may_hold && stack_is_asked(&verdict))) {
        return on_denied(berth, packet, &verdict);
    }
    if (listener != NULL) {
        return tcp_on_listen(&berth->tcp, listener, pair, packet, out);
    }
    if (berth->intercept) {
        return tcp_hold(&berth->tcp, pair, packet, &verdict);
    }
    stack_scan_failed(berth, &contact);
    tcp_refuse(&berth->tcp, packet);
    return BERTH_DROP_NO_LISTENER;
}

/* A SYN that may open anew is a first contact. TIME-WAIT goes on beside what comes of it, until
 * that is established (RFC 9293 MUST-13, MAY-2). */
static enum berth_drop on_time_wait(struct berth *berth, const struct wire_packet *packet,
                                    const struct tcp_pair *pair, struct tcp_time_wait *wait,
                                    struct tcp_conn **out)
{
    bool reopen = false;
    enum berth_drop drop = tcp_on_time_wait(&berth->tcp, wait, packet, &reopen);
    if (!reopen) {
        return drop;
    }
    tcp_time_wait_reopen(&berth->tcp, wait);
    drop = on_first_contact(berth, packet, pair, out);
    berth->tcp.reopening = false;
    return drop;
}

/* A segment of nothing that is known: a SYN cookie may have come back with it. The rules were asked
 * when the cookie went out. */
static enum berth_drop on_unknown(struct berth *berth, const struct wire_packet *packet,
                                  const struct tcp_pair *pair, struct tcp_conn **out)
{
    uint32_t flags = packet->tcp.flags & (WIRE_SYN | WIRE_ACK | WIRE_RST);
    if (flags == WIRE_SYN) {
        return on_first_contact(berth, packet, pair, out);
    }
    struct tcp_listener *listener = flags == WIRE_ACK ? listener_at(berth, &pair->local) : NULL;
    enum berth_drop drop = BERTH_DROP_NO_CONNECTION;
    if (listener != NULL && tcp_has_cookies(&berth->tcp, listener)) {
        drop = tcp_on_cookie(&berth->tcp, listener, pair, packet, out);
    }
    return drop == BERTH_DROP_NO_CONNECTION ? on_stray(berth, packet, pair) : drop;
}

/* A SYN that came twice was answered with a cookie first, for want of a place, and then with a
 * record of its own: the ACK of the first answer is as good as that of the second. *OUT, unless
 * NULL: the connection that came of it; the record is gone then. */
static void take_first_answer(struct berth *berth, const struct wire_packet *packet,
                              const struct tcp_pair *pair, struct tcp_syn *syn,
                              struct tcp_conn **out)
{
    const struct wire_tcp *segment = &packet->tcp;
    bool is_ack = (segment->flags & (WIRE_SYN | WIRE_ACK | WIRE_RST)) == WIRE_ACK;

    if (!is_ack || !tcp_half_is_other_answer(syn, segment)) {
        return;
    }
    struct tcp_listener *listener = listener_at(berth, &pair->local);
    if (listener != NULL && tcp_has_cookies(&berth->tcp, listener) &&
        tcp_on_cookie(&berth->tcp, listener, pair, packet, out) == BERTH_DROP_NONE) {
        tcp_half_forget(&berth->tcp, syn);
    }
}

/* A RST that ends it says: asked, answered, and walked away. That is what a half-open scan does. */
static enum berth_drop on_half_open(struct berth *berth, const struct wire_packet *packet,
                                    const struct tcp_pair *pair, struct tcp_syn *syn,
                                    struct tcp_conn **out)
{
    enum berth_drop drop = tcp_on_half_open(&berth->tcp, syn, packet, out);
    if (drop == BERTH_DROP_NONE && (packet->tcp.flags & WIRE_RST) != 0) {
        struct stack_contact contact = {
            .protocol = BERTH_TCP, .local = pair->local, .remote = pair->remote, .arriving = true};
        stack_scan_failed(berth, &contact);
    }
    return drop;
}

/* *OUT, unless NULL: the connection that came of the segment, and that has still to take it. */
static enum berth_drop on_no_connection(struct berth *berth, const struct wire_packet *packet,
                                        const struct tcp_pair *pair, struct tcp_conn **out)
{
    struct tcp_syn *syn = tcp_find_syn(&berth->tcp, pair);
    if (syn != NULL) {
        take_first_answer(berth, packet, pair, syn, out);
        return *out != NULL ? BERTH_DROP_NONE : on_half_open(berth, packet, pair, syn, out);
    }
    struct tcp_time_wait *wait = tcp_find_time_wait(&berth->tcp, pair);
    return wait != NULL ? on_time_wait(berth, packet, pair, wait, out)
                        : on_unknown(berth, packet, pair, out);
}

/* A segment of no connection: one may come of it. */
static enum berth_drop on_other(struct berth *berth, struct wire_packet *packet,
                                struct berth_buffer *buffer)
{
    struct berth_endpoint local = {packet->destination, packet->destination_port};
    struct berth_endpoint remote = {packet->source, packet->source_port};
    struct tcp_pair pair = tcp_pair(&berth->tcp, &local, &remote);
    struct tcp_conn *conn = NULL;
    enum berth_drop drop = on_no_connection(berth, packet, &pair, &conn);
    if (conn != NULL && (packet->tcp.flags & WIRE_SYN) != 0) {
        return tcp_fast_text(&berth->tcp, conn, packet, buffer);
    }
    if (conn != NULL) {
        return tcp_on_segment(&berth->tcp, conn, packet, buffer);
    }
    buffers_put(&berth->buffers, buffer);
    return drop;
}

enum berth_drop stack_on_tcp(struct berth *berth, struct wire_packet *packet,
                             struct berth_buffer *buffer)
{
    struct tcp_conn *conn = tcp_find_for(&berth->tcp, packet);
    return conn != NULL ? tcp_on_segment(&berth->tcp, conn, packet, buffer)
                        : on_other(berth, packet, buffer);
}

/* The connection of a segment that was QUOTEd; NULL: none of ours. */
static struct tcp_conn *conn_quoted(struct berth *berth, const struct wire_quote *quote)
{
    struct berth_endpoint local = {quote->source, quote->source_port};
    struct berth_endpoint remote = {quote->destination, quote->destination_port};
    struct tcp_pair pair = tcp_pair(&berth->tcp, &local, &remote);
    return quote->has_tcp_seq ? tcp_find(&berth->tcp, &pair) : NULL;
}

enum berth_drop stack_on_tcp_unreachable(struct berth *berth, const struct wire_quote *quote,
                                         int error)
{
    struct tcp_conn *conn = conn_quoted(berth, quote);
    if (conn == NULL) {
        return BERTH_DROP_NO_CONNECTION;
    }
    tcp_on_unreachable(&berth->tcp, conn, quote->tcp_seq, error);
    return BERTH_DROP_NONE;
}

enum berth_drop stack_on_tcp_too_big(struct berth *berth, const struct wire_quote *quote,
                                     uint32_t mtu)
{
    struct tcp_conn *conn = conn_quoted(berth, quote);
    if (conn == NULL) {
        return BERTH_DROP_NO_CONNECTION;
    }
    tcp_on_too_big(&berth->tcp, conn, quote->tcp_seq, mtu);
    return BERTH_DROP_NONE;
}
