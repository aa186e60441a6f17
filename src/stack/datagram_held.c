/* SPDX-License-Identifier: MIT */
/*
 * stack/datagram_held.c: the owner's decisions on held datagram flows. Called by the berth_held_...
 * calls alone.
 */
#include "stack/datagram.h"

/* The held socket of ID, in *OUT; BERTH_E_STALE, BERTH_E_STATE: accepted before. */
static int find_held(const struct berth *berth, berth_id id, struct udp_socket **out)
{
    struct udp_socket *socket = stack_datagram_find(berth, id);

    if (socket == NULL) {
        return BERTH_E_STALE;
    }
    if (!socket->held) {
        return BERTH_E_STATE;
    }
    *out = socket;
    return BERTH_OK;
}

int stack_held_datagram(const struct berth *berth, berth_id id, struct berth_held *out)
{
    struct udp_socket *socket;
    int result = find_held(berth, id, &socket);

    if (result == BERTH_OK) {
        *out = (struct berth_held){
            .protocol = (enum berth_protocol)socket->protocol,
            .local = socket->local,
            .remote = socket->remote,
            .verdict = socket->verdict,
        };
    }
    return result;
}

int stack_held_datagram_accept(struct berth *berth, berth_id id, void *user)
{
    struct udp_socket *socket;
    int result = find_held(berth, id, &socket);

    if (result == BERTH_OK) {
        udp_accept(&berth->udp, socket, user);
    }
    return result;
}

int stack_held_datagram_end(struct berth *berth, berth_id id, int reason)
{
    struct udp_socket *socket;
    struct wire_packet packet;
    int result = find_held(berth, id, &socket);

    if (result != BERTH_OK) {
        return result;
    }
    /* Each is told of by itself: a ping waits for an answer to every request. */
    while (udp_peek(socket, &packet)) {
        if (reason >= 0) {
            ip_send_unreachable(&berth->ip, &packet, (enum berth_unreachable)reason, berth->now_ns);
        }
        berth->stats.drops[reason >= 0 ? BERTH_DROP_NO_LISTENER : BERTH_DROP_SILENT]++;
        (void)udp_consume(&berth->udp, socket);
    }
    stack_datagram_close(berth, socket);
    return BERTH_OK;
}
