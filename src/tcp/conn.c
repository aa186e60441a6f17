/* SPDX-License-Identifier: MIT */
/*
 * Connections as records: the four-tuple table, birth, end, and the invariants. Whoever changes a
 * connection's state to CLOSED does it here.
 */
#include "base/address.h"
#include "tcp/fast_open.h"

struct tcp_pair tcp_pair(struct tcp *tcp, const struct berth_endpoint *local,
                         const struct berth_endpoint *remote)
{
    struct tcp_pair *pair = &tcp->pair_last;
    _Static_assert(offsetof(struct tcp_pair, remote) == 18 && sizeof *remote == 18,
                   "no padding in what is hashed");
    if (!endpoint_is_same(&pair->remote, remote) || !endpoint_is_same(&pair->local, local)) {
        pair->local = *local;
        pair->remote = *remote;
        pair->hash = hash_keyed(&tcp->table_key, pair, 2 * sizeof *local);
    }
    return *pair;
}

/* Who is found moves to the front of its chain: those that say nothing are not in the way of those
 * that do, and their records are not touched, however many they are. */
struct tcp_conn *tcp_find(struct tcp *tcp, const struct tcp_pair *pair)
{
    uint32_t hash = (uint32_t)pair->hash;
    uint32_t *head = table_head(&tcp->table, hash);
    uint32_t *link = head;
    while (*link != 0) {
        uint32_t self = *link;
        struct tcp_conn *conn = pool_at(&tcp->conns, self - 1);
        if (conn->hash == hash && endpoint_is_same(&conn->remote, &pair->remote) &&
            endpoint_is_same(&conn->local, &pair->local)) {
            if (link != head) {
                *link = conn->hash_next;
                conn->hash_next = *head;
                *head = self;
            }
            return conn;
        }
        link = &conn->hash_next;
    }
    return NULL;
}

/* Where a connection with PACKET's ends stands in `recent`. Anybody can aim at a place there, and
 * gains nothing but a keyed hash more for each segment. */
static uint32_t *recent_place(struct tcp *tcp, const struct wire_packet *packet)
{
    uint32_t mix = (uint32_t)packet->source_port << 16 | packet->destination_port;
    mix ^= load_be32(packet->source.bytes + 12) ^ load_be32(packet->destination.bytes + 12) << 7;
    return &tcp->recent[(mix * 2654435761U >> 16) % TCP_RECENT];
}

static bool is_conn_of(const struct tcp_conn *conn, const struct wire_packet *packet)
{
    return conn->state != BERTH_TCP_CLOSED && conn->remote.port == packet->source_port &&
           conn->local.port == packet->destination_port &&
           address_is_same(&conn->remote.address, &packet->source) &&
           address_is_same(&conn->local.address, &packet->destination);
}

/* A record that was freed since is CLOSED, and one that was taken again is another's: a place in
 * `recent` is a hint, which the record itself confirms (invariant 7). */
struct tcp_conn *tcp_find_for(struct tcp *tcp, const struct wire_packet *packet)
{
    uint32_t *place = recent_place(tcp, packet);
    struct tcp_conn *conn = *place != 0 ? pool_at(&tcp->conns, *place - 1) : NULL;
    if (conn != NULL && is_conn_of(conn, packet)) {
        return conn;
    }
    struct berth_endpoint local = {packet->destination, packet->destination_port};
    struct berth_endpoint remote = {packet->source, packet->source_port};
    struct tcp_pair pair = tcp_pair(tcp, &local, &remote);
    conn = tcp_find(tcp, &pair);
    if (conn != NULL) {
        *place = pool_index(&tcp->conns, conn) + 1;
    }
    return conn;
}

static void table_add(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t *head = table_head(&tcp->table, conn->hash);
    conn->hash_next = *head;
    *head = pool_index(&tcp->conns, conn) + 1;
}

static void table_remove(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t *link = table_head(&tcp->table, conn->hash);
    uint32_t self = pool_index(&tcp->conns, conn) + 1;
    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &((struct tcp_conn *)pool_at(&tcp->conns, *link - 1))->hash_next;
    }
    *link = conn->hash_next;
}

/* A connection in state CLOSED that nobody knows yet, in memory of the caller's. */
void tcp_conn_init(struct tcp *tcp, struct tcp_conn *conn, struct tcp_back *back,
                   const struct tcp_pair *pair, struct tcp_work *work)
{
    memset(conn, 0, tcp->conns.item_bytes); /* by the library: in place it is a word a step */
    memset(back, 0, tcp->backs.item_bytes);
    conn->back = back;
    conn->local = pair->local;
    conn->remote = pair->remote;
    conn->work = work;
    back->ledger = (struct tcp_ledger *)&tcp_no_ledger;
    conn->hash = (uint32_t)pair->hash;
    conn->ts_offset = (uint32_t)(pair->hash >> 32);
    back->timer.kind = TCP_TIMER_CONN;
    conn->event.kind = BERTH_KIND_TCP;
    conn->heard_tick = conn_tick(tcp->now_ns);
    conn_quicken(conn);
    tcp_options_inherit(tcp, conn, &tcp->defaults);
}

/* A connection in the table, in state CLOSED: the caller sets the state at once. NULL: the
 * limit. */
struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_pair *pair)
{
    struct tcp_conn *conn = pool_take(&tcp->conns);
    if (conn == NULL) {
        return NULL;
    }
    struct tcp_back *back = pool_at(&tcp->backs, pool_index(&tcp->conns, conn));
    uint32_t generation = back->generation;
    tcp_work_begin(tcp, conn);
    tcp_conn_init(tcp, conn, back, pair, conn->work);
    back->generation = generation + 1;
    table_add(tcp, conn);
    tcp->stats->tcp_connections++;
    return conn;
}

void tcp_conn_free(struct tcp *tcp, struct tcp_conn *conn)
{
    BERTH_CHECK(conn->state == BERTH_TCP_CLOSED);
    tcp_work_end(tcp, conn);
    tcp_ledger_end(tcp, conn);
    tcp_receive_clear(tcp, conn);
    timer_clear(tcp->timers, &conn->back->timer);
    event_forget(&conn->event);
    tcp_conn_unready(tcp, conn);
    tcp_options_release(tcp, &conn->back->options);
    conn->back->generation++;
    pool_give(&tcp->conns, conn);
}

static void give_port(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_has(conn, CONN_OWNS_PORT)) {
        struct ports_use use = {
            .local = conn->local.address, .remote = conn->remote, .protocol = BERTH_TCP};
        ports_give(tcp->ports, &use, conn->local.port);
        conn_clear(conn, CONN_OWNS_PORT);
    }
}

/* Takes CONN out of its listener's count and queue. */
static void leave_listener(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->back->listener != 0) {
        struct tcp_listener *listener = pool_at(&tcp->listeners, conn->back->listener - 1);
        list_remove(&conn->event.node);
        listener->pending--;
        conn->back->listener = 0;
    }
}

/* CONN is not to be found any more. */
static void forget(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp->stats->tcp_connections--;
    table_remove(tcp, conn);
    give_port(tcp, conn);
    conn->state = BERTH_TCP_CLOSED;
}

void tcp_conn_leave(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp_outcome_left(tcp, conn);
    forget(tcp, conn);
    tcp_conn_free(tcp, conn);
}

void tcp_conn_end(struct tcp *tcp, struct tcp_conn *conn, int error)
{
    if (conn->state == BERTH_TCP_CLOSED) {
        return;
    }
    tcp_outcome_ended(tcp, conn, error);
    if (conn_is_synchronised(conn)) {
        tcp->stats->tcp_closed++;
    }
    if (conn->back->fast_early || conn->back->fast_asked) {
        tcp_fast_end(tcp, conn, error);
    }
    if (conn_has(conn, CONN_HELD)) {
        conn_clear(conn, CONN_HELD);
        tcp->held--;
    }
    forget(tcp, conn);
    conn->back->error = (int8_t)error;
    timer_clear(tcp->timers, &conn->back->timer);
    tcp_work_end(tcp, conn);
    tcp_conn_unready(tcp, conn);
    bool unaccepted = conn->back->listener != 0;
    leave_listener(tcp, conn);
    if (unaccepted || conn_has(conn, CONN_ORPHAN)) {
        tcp_conn_free(tcp, conn);
        return;
    }
    conn_clear(conn, CONN_UNOWNED);
    event_note(tcp->events, &conn->event,
               BERTH_EVENT_CLOSED | BERTH_EVENT_READABLE | BERTH_EVENT_WRITABLE);
}

/* Bits for a connection that nobody has accepted yet wait in it until somebody does. */
void tcp_conn_note(struct tcp *tcp, struct tcp_conn *conn, uint32_t bits)
{
    if (conn_has(conn, CONN_ORPHAN)) {
        return;
    }
    if (conn_has(conn, CONN_UNOWNED)) {
        conn->event.bits |= bits;
        return;
    }
    event_note(tcp->events, &conn->event, bits);
}

void tcp_conn_soft_error(struct tcp *tcp, struct tcp_conn *conn, int error)
{
    conn->back->soft_error = (int8_t)error;
    tcp_work_need(tcp, conn)->soft_error_ns = tcp->now_ns;
    tcp_conn_note(tcp, conn, BERTH_EVENT_SOFT_ERROR);
}

struct tcp_conn *tcp_conn_of(const struct tcp *tcp, uint32_t index, uint32_t generation)
{
    if (!pool_has(&tcp->conns, index)) {
        return NULL;
    }
    struct tcp_conn *conn = pool_at(&tcp->conns, index);
    bool same = ((conn->back->generation ^ generation) & TCP_GENERATION_MASK) == 0;
    return same && (generation & 1U) != 0 ? conn : NULL; /* odd: alive */
}

uint32_t tcp_conn_index(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return pool_index(&tcp->conns, conn);
}

static void check_head(const struct tcp_sent *sent)
{
    uint8_t whole = SENT_SACKED | SENT_LOST | SENT_PROBE;
    bool resent = (sent->flags & SENT_RESENT) != 0 && (sent->flags & whole) == 0;
    BERTH_CHECK(sent->head > 0 || (sent->flags & SENT_REST_LOST) == 0);
    BERTH_CHECK(sent->head == 0 || (resent && sent_head_bytes(sent) < sent_bytes(sent)));
}

static void check_sent(const struct tcp_conn *conn)
{
    uint32_t at = conn->snd_una;
    uint32_t sacked = 0;
    uint32_t lost = 0;
    uint32_t resent = 0;
    uint8_t before = 0;
    tree_check(&conn->work->sent);
    for (const struct tree_node *node = tree_first(&conn->work->sent); node != NULL;
         node = tree_next(&conn->work->sent, node)) {
        const struct tcp_sent *sent = CONTAINER_OF(node, struct tcp_sent, node);
        BERTH_CHECK(sent->seq == at && seq_gt(sent->end, sent->seq));
        BERTH_CHECK((sent->flags & SENT_LOST) == 0 || (sent->flags & SENT_SACKED) == 0);
        BERTH_CHECK(((sent->flags & SENT_LOST) != 0) == node->marked);
        BERTH_CHECK(list_has(&sent->by_time) == ((sent->flags & (SENT_SACKED | SENT_LOST)) == 0));
        BERTH_CHECK((before & sent->flags & SENT_SACKED) == 0); /* they would be one */
        before = sent->flags;
        check_head(sent);
        sacked += (sent->flags & SENT_SACKED) != 0 ? sent_bytes(sent) : 0;
        lost += sent_lost_bytes(sent);
        resent += (sent->flags & SENT_RESENT) != 0 ? sent_head_bytes(sent) : 0;
        at = sent->end;
    }
    BERTH_CHECK(at == conn->snd_nxt);
    BERTH_CHECK(sacked == conn->work->sacked_bytes && lost == conn->work->lost_bytes);
    BERTH_CHECK(resent == conn->work->resent_bytes);
}

static void check_queues(const struct tcp_conn *conn)
{
    uint32_t queued = 0;
    for (const struct berth_buffer *at = conn->work->send_first; at != NULL; at = at->next) {
        queued += at->bytes;
    }
    uint32_t una = conn_queue_seq(conn);
    if (conn_has(conn, CONN_FIN_QUEUED) && una == conn->snd_end + 1) {
        una = conn->snd_end;
    }
    BERTH_CHECK(queued == conn->snd_end - una);
    uint32_t waiting = 0;
    for (const struct berth_buffer *at = conn->receive_last; at != NULL;
         at = at->next == conn->receive_last ? NULL : at->next) {
        waiting += at->bytes;
    }
    BERTH_CHECK(waiting == conn->receive_bytes);
}

static void check_reorder(const struct tcp_conn *conn)
{
    uint32_t edge = conn->rcv_nxt;
    uint32_t count = 0;
    uint32_t bytes = 0;
    tree_check(&conn->work->reorder);
    for (const struct tree_node *node = tree_first(&conn->work->reorder); node != NULL;
         node = tree_next(&conn->work->reorder, node)) {
        const struct tcp_reorder *range = CONTAINER_OF(node, struct tcp_reorder, node);
        bool head = count == 0 || range->seq != edge;
        BERTH_CHECK(seq_geq(range->seq, edge) && seq_gt(range->end, range->seq));
        BERTH_CHECK(range->at + (range->end - range->seq) <= range->buffer->capacity);
        BERTH_CHECK(range->buffer->bytes > 0); /* ranges in it */
        BERTH_CHECK(node->marked == head && list_has(&range->recent) == head);
        edge = range->end;
        bytes += range->end - range->seq;
        count++;
    }
    BERTH_CHECK(count == conn->work->reorder_count && bytes == conn->work->reorder_bytes);
}

void tcp_conn_check(const struct tcp_conn *conn)
{
    tcp_work_check(conn);
    BERTH_CHECK(seq_leq(conn->snd_una, conn->snd_nxt));
    BERTH_CHECK(seq_leq(conn->snd_nxt, conn->snd_end + 1));
    BERTH_CHECK(conn->back->listener == 0 || conn_has(conn, CONN_UNOWNED));
    if (conn->state >= BERTH_TCP_ESTABLISHED) {
        BERTH_CHECK(seq_leq(conn->rcv_nxt, conn->rcv_adv + 1));
        BERTH_CHECK(!conn_has(conn, CONN_URGENT_IN) || (int32_t)tcp_urgent_left(conn) > 0);
        bool delayed = conn_has(conn, CONN_ACK_DELAYED | CONN_ACK_TIMED);
        BERTH_CHECK(!delayed || timer_is_set(&conn->back->timer));
        check_sent(conn);
        check_queues(conn);
        check_reorder(conn);
    }
}

void tcp_check(const struct tcp *tcp)
{
    uint32_t works = 0;
    uint32_t ledgers = 0;
    tcp_time_wait_check(tcp);
    for (uint32_t i = 0; i < tcp->conns.fresh; i++) {
        const struct tcp_conn *conn = pool_at(&tcp->conns, i);
        if ((conn->back->generation & 1U) != 0) {
            works += conn_is_at_rest(conn) ? 0 : 1;
            ledgers += conn->back->ledger != &tcp_no_ledger ? 1 : 0;
            tcp_conn_check(conn);
        }
    }
    BERTH_CHECK(works == tcp->works.used && ledgers == tcp->ledgers.used);
}
