/* SPDX-License-Identifier: MIT */
/*
 * What has happened, told when asked; and the calls on what is held, whichever its protocol.
 */
#include "stack/stack.h"
#include "tcp/parts.h"

static void of_conn(struct berth *berth, struct event_node *node, struct berth_event *out)
{
    struct tcp_conn *conn = CONTAINER_OF(node, struct tcp_conn, event);
    out->id = stack_id(BERTH_KIND_TCP, conn->back->generation, tcp_conn_index(&berth->tcp, conn));
    out->user = conn->back->user;
    bool soft =
        (out->bits & (BERTH_EVENT_CLOSED | BERTH_EVENT_SOFT_ERROR)) == BERTH_EVENT_SOFT_ERROR;
    out->error = soft ? conn->back->soft_error : conn->back->error;
}

static void of_listener(struct berth *berth, struct event_node *node, struct berth_event *out)
{
    struct tcp_listener *listener = CONTAINER_OF(node, struct tcp_listener, event);
    out->id = stack_id(BERTH_KIND_TCP_LISTENER, listener->generation,
                       tcp_listener_index(&berth->tcp, listener));
    out->user = listener->user;
}

static void of_socket(struct berth *berth, struct event_node *node, struct berth_event *out)
{
    struct udp_socket *socket = CONTAINER_OF(node, struct udp_socket, event);
    out->id =
        stack_id(BERTH_KIND_DATAGRAM, socket->generation, pool_index(&berth->udp.sockets, socket));
    out->user = socket->user;
}

bool berth_next_event(struct berth *berth, struct berth_event *out)
{
    struct event_node *node = events_next(&berth->events);
    if (node == NULL) {
        berth->has_news = false;
        return false;
    }
    *out = (struct berth_event){.bits = node->bits, .kind = (enum berth_kind)node->kind};
    node->bits = 0;
    switch (out->kind) {
    case BERTH_KIND_TCP:
        of_conn(berth, node, out);
        break;
    case BERTH_KIND_TCP_LISTENER:
        of_listener(berth, node, out);
        break;
    case BERTH_KIND_DATAGRAM:
        of_socket(berth, node, out);
        break;
    }
    return true;
}

int berth_held(const struct berth *berth, berth_id id, struct berth_held *out)
{
    return stack_id_kind(id) == BERTH_KIND_TCP ? stack_held_tcp(berth, id, out)
                                               : stack_held_datagram(berth, id, out);
}

int berth_held_accept(struct berth *berth, berth_id id, void *user)
{
    return stack_id_kind(id) == BERTH_KIND_TCP ? stack_held_tcp_accept(berth, id, user)
                                               : stack_held_datagram_accept(berth, id, user);
}

int berth_held_refuse(struct berth *berth, berth_id id)
{
    return stack_id_kind(id) == BERTH_KIND_TCP
               ? stack_held_tcp_end(berth, id, STACK_HELD_RESET)
               : stack_held_datagram_end(berth, id, BERTH_UNREACHABLE_PORT);
}

int berth_held_reject(struct berth *berth, berth_id id, enum berth_unreachable reason)
{
    if (!stack_is_reason((int)reason)) {
        return BERTH_E_INVALID;
    }
    return stack_id_kind(id) == BERTH_KIND_TCP ? stack_held_tcp_end(berth, id, (int)reason)
                                               : stack_held_datagram_end(berth, id, (int)reason);
}

int berth_held_drop(struct berth *berth, berth_id id)
{
    return stack_id_kind(id) == BERTH_KIND_TCP
               ? stack_held_tcp_end(berth, id, STACK_HELD_SILENCE)
               : stack_held_datagram_end(berth, id, STACK_HELD_SILENCE);
}
