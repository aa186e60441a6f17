/* SPDX-License-Identifier: MIT */
/*
 * Listeners: who accepts on a port, and the connections that wait to be accepted. How many may wait
 * is the backlog; half-open ones are counted apart (half.c).
 *
 * When the backlog is full, new SYNs are dropped, not refused, so that a client that tries again
 * gets in (as RFC 9293 3.10.7.2 leaves open). Handshakes that were under way stay half-open: the
 * ACK that would complete one is dropped and the SYN,ACK goes again in its time; or, with
 * `abort_on_overflow`, the client is told by RST.
 */
#include "tcp/parts.h"

struct tcp_listener *tcp_listener_new(struct tcp *tcp, const struct berth_endpoint *local,
                                      uint32_t backlog, void *user)
{
    struct tcp_listener *listener = pool_take(&tcp->listeners);
    if (listener == NULL) {
        return NULL;
    }
    uint32_t generation = listener->generation;
    *listener = (struct tcp_listener){.generation = generation + 1,
                                      .local = *local,
                                      .backlog = backlog,
                                      .options = &tcp->defaults,
                                      .user = user,
                                      .in_use = true};
    listener->event.kind = BERTH_KIND_TCP_LISTENER;
    list_init(&listener->queue);
    return listener;
}

/* Those that wait get a RST; so will the half-open ones, when they go on. */
void tcp_listener_free(struct tcp *tcp, struct tcp_listener *listener)
{
    uint32_t self = pool_index(&tcp->listeners, listener) + 1;
    for (uint32_t i = 0; i < tcp->conns.fresh && listener->pending + listener->fast_pending > 0;
         i++) {
        struct tcp_conn *conn = pool_at(&tcp->conns, i);
        bool alive = (conn->back->generation & 1U) != 0;
        if (alive && conn->back->fast_early && conn->back->fast_listener == self) {
            conn->back->fast_listener = 0;
            listener->fast_pending--;
        }
        if (alive && conn->back->listener == self) {
            list_remove(&conn->event.node);
            conn->back->listener = 0;
            listener->pending--;
            tcp_abort(tcp, conn);
        }
    }
    BERTH_CHECK(listener->pending == 0);
    tcp_half_leave(tcp, listener);
    event_forget(&listener->event);
    tcp_options_release(tcp, &listener->options);
    listener->in_use = false;
    listener->generation++;
    pool_give(&tcp->listeners, listener);
}

struct tcp_conn *tcp_accept(struct tcp *tcp, struct tcp_listener *listener, void *user)
{
    struct list_node *node = list_take_first(&listener->queue);
    if (node == NULL) {
        return NULL;
    }
    struct event_node *event = CONTAINER_OF(node, struct event_node, node);
    struct tcp_conn *conn = CONTAINER_OF(event, struct tcp_conn, event);
    conn->back->listener = 0;
    listener->pending--;
    conn->back->user = user;
    conn_clear(conn, CONN_UNOWNED);
    if (!list_is_empty(&listener->queue)) {
        event_note(tcp->events, &listener->event, BERTH_EVENT_ACCEPTABLE);
    }
    event_note(tcp->events, &conn->event, conn->event.bits);
    return conn;
}

struct tcp_listener *tcp_listener_of(const struct tcp *tcp, uint32_t index, uint32_t generation)
{
    if (!pool_has(&tcp->listeners, index)) {
        return NULL;
    }
    struct tcp_listener *listener = pool_at(&tcp->listeners, index);
    bool same = ((listener->generation ^ generation) & TCP_GENERATION_MASK) == 0;
    return same && listener->in_use ? listener : NULL;
}

uint32_t tcp_listener_index(const struct tcp *tcp, const struct tcp_listener *listener)
{
    return pool_index(&tcp->listeners, listener);
}
