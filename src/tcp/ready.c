/* SPDX-License-Identifier: MIT */
/*
 * Connections that may have something to send, in the order of their turns: a ring threaded through
 * their records by numbers, which take half of what pointers would.
 */
#include "tcp/parts.h"

static uint32_t number_of(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct tcp_conn *conns = (const void *)tcp->conns.items;
    return (uint32_t)(conn - conns) + 2;
}

static struct tcp_conn *conn_at(const struct tcp *tcp, uint32_t number)
{
    struct tcp_conn *conns = (void *)tcp->conns.items;
    return conns + (number - 2);
}

static struct tcp_turn *turn_at(struct tcp *tcp, uint32_t number)
{
    return number == TCP_TURN_HEAD ? &tcp->ready : &conn_at(tcp, number)->ready;
}

void tcp_ready_init(struct tcp *tcp)
{
    tcp->ready = (struct tcp_turn){.next = TCP_TURN_HEAD, .prev = TCP_TURN_HEAD};
}

void tcp_ready_add(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t self = number_of(tcp, conn);
    uint32_t last = tcp->ready.prev;
    conn->ready = (struct tcp_turn){.next = TCP_TURN_HEAD, .prev = last};
    turn_at(tcp, last)->next = self;
    tcp->ready.prev = self;
}

void tcp_ready_remove(struct tcp *tcp, struct tcp_conn *conn)
{
    turn_at(tcp, conn->ready.next)->prev = conn->ready.prev;
    turn_at(tcp, conn->ready.prev)->next = conn->ready.next;
    conn->ready = (struct tcp_turn){0};
}

struct tcp_conn *tcp_ready(const struct tcp *tcp)
{
    return tcp->ready.next == TCP_TURN_HEAD ? NULL : conn_at(tcp, tcp->ready.next);
}
