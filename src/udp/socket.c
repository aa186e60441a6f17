/* SPDX-License-Identifier: MIT */
/*
 * udp/socket.c: the sockets and the table of the connected ones. States and invariants: udp/udp.h.
 */
#include "udp/udp.h"

#define GENERATION_MASK 0x3fffffffU /* what an id holds of a generation */

/* What is hashed: both ends and the protocol, without holes. */
struct flow_key {
    struct berth_address local;
    struct berth_address remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint32_t protocol;
};
_Static_assert(sizeof(struct flow_key) == 40, "hashed as bytes: no holes");

void udp_init(struct udp *udp, struct arena *arena, const struct udp_limits *limits,
              const struct udp_parts *parts)
{
    *udp = (struct udp){
        .key = parts->key,
        .buffers = parts->buffers,
        .events = parts->events,
        .timers = parts->timers,
        .stats = parts->stats,
        .queue_bytes_max = limits->queue_bytes,
        .held_ns = limits->held_ns,
    };
    pool_init(&udp->sockets, arena, limits->sockets, sizeof(struct udp_socket));
    table_init(&udp->table, arena, limits->sockets);
    pool_init(&udp->peers, arena, limits->peers, sizeof(struct udp_peer));
    table_init(&udp->peer_table, arena, limits->peers);
    list_init(&udp->peer_order);
    list_init(&udp->waiting);
}

static uint32_t hash_flow(const struct udp *udp, const struct udp_flow *flow)
{
    struct flow_key key = {
        .local = flow->local.address,
        .remote = flow->remote.address,
        .local_port = flow->local.port,
        .remote_port = flow->remote.port,
        .protocol = flow->protocol,
    };

    return (uint32_t)hash_keyed(&udp->key, &key, sizeof key);
}

static bool is_of(const struct udp_socket *socket, const struct udp_flow *flow)
{
    return socket->protocol == flow->protocol &&
           berth_endpoint_is_equal(&socket->remote, &flow->remote) &&
           berth_endpoint_is_equal(&socket->local, &flow->local);
}

struct udp_socket *udp_find(const struct udp *udp, const struct udp_flow *flow)
{
    uint32_t hash = hash_flow(udp, flow);
    uint32_t link = *table_head(&udp->table, hash);

    while (link != 0) {
        struct udp_socket *socket = pool_at(&udp->sockets, link - 1);

        if (socket->hash == hash && is_of(socket, flow)) {
            return socket;
        }
        link = socket->hash_next;
    }
    return NULL;
}

struct udp_socket *udp_at(const struct udp *udp, uint32_t index, uint32_t generation)
{
    struct udp_socket *socket;

    if (!pool_has(&udp->sockets, index)) {
        return NULL;
    }
    socket = pool_at(&udp->sockets, index);
    return socket->in_use && ((socket->generation ^ generation) & GENERATION_MASK) == 0 ? socket
                                                                                        : NULL;
}

static void link_socket(struct udp *udp, struct udp_socket *socket)
{
    uint32_t *head = table_head(&udp->table, socket->hash);

    socket->hash_next = *head;
    *head = pool_index(&udp->sockets, socket) + 1;
}

static void unlink_socket(struct udp *udp, const struct udp_socket *socket)
{
    uint32_t index = pool_index(&udp->sockets, socket);
    uint32_t *link = table_head(&udp->table, socket->hash);

    while (*link != index + 1) {
        link = &((struct udp_socket *)pool_at(&udp->sockets, *link - 1))->hash_next;
    }
    *link = socket->hash_next;
}

int udp_open(struct udp *udp, const struct udp_flow *flow, void *user, struct udp_socket **out)
{
    struct udp_socket *socket;

    if (flow->connected && udp_find(udp, flow) != NULL) {
        return BERTH_E_IN_USE;
    }
    socket = pool_take(&udp->sockets);
    if (socket == NULL) {
        return BERTH_E_LIMIT;
    }
    *socket = (struct udp_socket){
        .generation = socket->generation,
        .local = flow->local,
        .remote = flow->remote,
        .user = user,
        .event = {.kind = BERTH_KIND_DATAGRAM},
        .timer = {.kind = UDP_TIMER_HELD},
        .verdict = {.action = BERTH_ALLOW, .rule = -1},
        .protocol = flow->protocol,
        .in_use = true,
        .connected = flow->connected,
    };
    if (socket->connected) {
        socket->hash = hash_flow(udp, flow);
        link_socket(udp, socket);
    }
    udp->stats->udp_sockets = udp->sockets.used;
    *out = socket;
    return BERTH_OK;
}

struct udp_socket *udp_hold(struct udp *udp, const struct udp_flow *flow,
                            const struct berth_verdict *verdict, uint64_t now_ns)
{
    struct udp_socket *socket;

    if (udp_open(udp, flow, NULL, &socket) != BERTH_OK) {
        return NULL;
    }
    socket->held = true;
    socket->verdict = *verdict;
    timer_set(udp->timers, &socket->timer, add_sat_u64(now_ns, udp->held_ns));
    event_note(udp->events, &socket->event, BERTH_EVENT_HELD);
    return socket;
}

void udp_accept(struct udp *udp, struct udp_socket *socket, void *user)
{
    BERTH_CHECK(socket->held);
    socket->held = false;
    socket->user = user;
    timer_clear(udp->timers, &socket->timer);
    event_forget(&socket->event);
    if (socket->first != NULL || socket->error != BERTH_OK) {
        event_note(udp->events, &socket->event, BERTH_EVENT_READABLE);
    }
}

static void put_queue(struct udp *udp, struct udp_socket *socket)
{
    while (socket->first != NULL) {
        struct berth_buffer *buffer = socket->first;

        socket->first = buffer->next;
        buffers_put(udp->buffers, buffer);
    }
    if (socket->reserved != NULL) {
        buffers_put(udp->buffers, socket->reserved);
    }
}

void udp_close(struct udp *udp, struct udp_socket *socket)
{
    BERTH_CHECK(socket->in_use);
    timer_clear(udp->timers, &socket->timer);
    event_forget(&socket->event);
    list_remove(&socket->waiting);
    if (socket->connected) {
        unlink_socket(udp, socket);
    }
    put_queue(udp, socket);
    socket->in_use = false;
    socket->generation++;
    pool_give(&udp->sockets, socket);
    udp->stats->udp_sockets = udp->sockets.used;
}

void udp_on_timer(struct udp *udp, struct timer *timer)
{
    struct udp_socket *socket = CONTAINER_OF(timer, struct udp_socket, timer);

    BERTH_CHECK(socket->held && !socket->owns_port);
    udp->stats->drops[BERTH_DROP_HELD_LIMIT] += socket->queue_count;
    udp_close(udp, socket);
}

void udp_on_error(struct udp *udp, struct udp_socket *socket, int error)
{
    socket->error = error;
    if (!socket->held) {
        event_note(udp->events, &socket->event, BERTH_EVENT_READABLE);
    }
}

void udp_wait_for_room(struct udp *udp, struct udp_socket *socket, uint32_t packets)
{
    socket->waiting_packets = packets;
    if (!list_has(&socket->waiting)) {
        list_add_last(&udp->waiting, &socket->waiting);
    }
}

void udp_on_room(struct udp *udp)
{
    struct list_node *node = list_first(&udp->waiting);

    while (node != NULL) {
        struct udp_socket *socket = CONTAINER_OF(node, struct udp_socket, waiting);

        node = list_next(&udp->waiting, node);
        if (udp->buffers->free >= (uint64_t)udp->buffers->reserved + socket->waiting_packets) {
            list_remove(&socket->waiting);
            event_note(udp->events, &socket->event, BERTH_EVENT_WRITABLE);
        }
    }
}
