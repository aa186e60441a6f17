/* SPDX-License-Identifier: MIT */
/*
 * udp/check.c: the invariants of udp/udp.h, for tests and the simulator: costly, changes nothing.
 */
#include "udp/udp.h"

static void check_queue(const struct udp *udp, const struct udp_socket *socket)
{
    uint32_t buffers = 0;

    for (const struct berth_buffer *buffer = socket->first; buffer != NULL; buffer = buffer->next) {
        buffers++;
        BERTH_CHECK(buffer->begin + buffer->bytes <= buffer->capacity);
        BERTH_CHECK(buffer->next != NULL || buffer == socket->last);
    }
    BERTH_CHECK((buffers == 0) == (socket->queue_count == 0));
    BERTH_CHECK((buffers == 0) == (socket->queue_bytes == 0));
    BERTH_CHECK((socket->last == NULL) == (buffers == 0));
    BERTH_CHECK(buffers <= socket->queue_count);
    BERTH_CHECK(socket->queue_bytes <= udp->queue_bytes_max || socket->queue_count == 1);
}

static void check_socket(const struct udp *udp, const struct udp_socket *socket)
{
    struct udp_flow flow = {.protocol = socket->protocol,
                            .connected = true,
                            .local = socket->local,
                            .remote = socket->remote};

    check_queue(udp, socket);
    BERTH_CHECK(socket->held == timer_is_set(&socket->timer));
    BERTH_CHECK(!socket->held || (socket->connected && socket->reserved == NULL));
    BERTH_CHECK(!socket->connected || udp_find(udp, &flow) == socket);
    BERTH_CHECK((socket->event.bits != 0) == list_has(&socket->event.node));
}

void udp_check(const struct udp *udp)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < udp->sockets.fresh; i++) {
        const struct udp_socket *socket = pool_at(&udp->sockets, i);

        if (socket->in_use) {
            used++;
            check_socket(udp, socket);
        }
    }
    BERTH_CHECK(used == udp->sockets.used && used == udp->stats->udp_sockets);
}
