/* SPDX-License-Identifier: MIT */
/*
 * Passive opens until they are complete (RFC 9293 3.10.7.2, and 3.10.7.4 in SYN-RECEIVED): half.h.
 *
 * Two limits: a listener's SYN queue, and the stack's records. Beyond them a SYN is answered with a
 * cookie (RFC 4987 3.6, cookie.c) or dropped, so a flood uses the memory there is and no more. All
 * SYN,ACKs that were sent equally often wait equally long, so the records stand in lists by that,
 * with one timer for the oldest.
 */
#include "base/address.h"
#include "tcp/fast_open.h"

#define CROWDED_NS NS_PER_MS /* the outbox is full: SYN,ACKs wait this long for a place */

struct tcp_syn *tcp_find_syn(const struct tcp *tcp, const struct tcp_pair *pair)
{
    uint32_t at = *table_head(&tcp->syn_table, (uint32_t)pair->hash);
    while (at != 0) {
        struct tcp_syn *syn = pool_at(&tcp->syns, at - 1);
        if (syn->hash == pair->hash && endpoint_is_same(&syn->remote, &pair->remote) &&
            endpoint_is_same(&syn->local, &pair->local)) {
            return syn;
        }
        at = syn->hash_next;
    }
    return NULL;
}

static struct tcp_listener *listener_of(const struct tcp *tcp, const struct tcp_syn *syn)
{
    return pool_at(&tcp->listeners, syn->listener - 1);
}

/* How long a SYN,ACK waits that was sent again ATTEMPTS times (RFC 6298 5.5). */
static uint64_t wait_ns(const struct tcp *tcp, uint32_t attempts)
{
    return min_u64(tcp->settings.rto_initial_ns << min_u32(attempts, 16), tcp->settings.rto_max_ns);
}

/* The SYN,ACK is on its way: SYN stands last among those that were sent as often. */
static void enter_order(struct tcp *tcp, struct tcp_syn *syn)
{
    uint64_t due = tcp->now_ns + wait_ns(tcp, syn->attempts);
    syn->sent_ns = tcp->now_ns;
    list_add_last(&tcp->syn_order[syn->attempts], &syn->order);
    if (!timer_is_set(&tcp->syn_timer) || timer_is_later(&tcp->syn_timer, due)) {
        timer_set(tcp->timers, &tcp->syn_timer, due);
    }
}

static void remove_record(struct tcp *tcp, struct tcp_syn *syn)
{
    uint32_t *link = table_head(&tcp->syn_table, (uint32_t)syn->hash);
    uint32_t self = pool_index(&tcp->syns, syn) + 1;
    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &((struct tcp_syn *)pool_at(&tcp->syns, *link - 1))->hash_next;
    }
    *link = syn->hash_next;
    list_remove(&syn->order);
    listener_of(tcp, syn)->half_open--;
    tcp->stats->tcp_half_open--;
    syn->listener = 0;
    pool_give(&tcp->syns, syn);
}

void tcp_half_leave(struct tcp *tcp, struct tcp_listener *listener)
{
    uint32_t self = pool_index(&tcp->listeners, listener) + 1;
    for (uint32_t i = 0; i < tcp->syns.fresh && listener->half_open > 0; i++) {
        struct tcp_syn *syn = pool_at(&tcp->syns, i);
        if (syn->listener == self) {
            remove_record(tcp, syn);
        }
    }
    BERTH_CHECK(listener->half_open == 0);
}

void tcp_half_init(struct tcp *tcp, struct arena *arena, uint32_t count)
{
    tcp->syn_timer.kind = TCP_TIMER_SYN;
    for (uint32_t i = 0; i < TCP_SYN_ATTEMPTS; i++) {
        list_init(&tcp->syn_order[i]);
    }
    pool_init(&tcp->syns, arena, count, sizeof(struct tcp_syn));
    table_init(&tcp->syn_table, arena, count);
}

void tcp_half_take(struct tcp_syn *syn, const struct tcp_pair *pair,
                   const struct wire_packet *packet)
{
    const struct wire_tcp *segment = &packet->tcp;
    *syn = (struct tcp_syn){.hash = pair->hash,
                            .local = pair->local,
                            .remote = pair->remote,
                            .irs = segment->seq,
                            .tsval = segment->tsval,
                            .flags = segment->flags,
                            .window = segment->window,
                            .mss = segment->mss,
                            .options = segment->options,
                            .wscale = segment->wscale,
                            .traffic_class = packet->traffic_class};
}

void tcp_half_recall(struct tcp *tcp, const struct tcp_syn *syn, struct tcp_conn *conn)
{
    struct wire_packet packet = {.traffic_class = syn->traffic_class};
    packet.tcp = (struct wire_tcp){.seq = syn->irs,
                                   .tsval = syn->tsval,
                                   .flags = syn->flags,
                                   .window = syn->window,
                                   .mss = syn->mss,
                                   .options = syn->options,
                                   .wscale = syn->wscale};
    tcp_options_inherit(tcp, conn, listener_of(tcp, syn)->options);
    tcp_open_begin(tcp, conn, syn->iss);
    tcp_take_syn(tcp, conn, &packet);
    tcp_ecn_on_syn(tcp, conn, &packet);
    if (syn->came_again) {
        packet.traffic_class = syn->traffic_class_again;
        packet.tcp.flags = syn->plain_again ? WIRE_SYN : syn->flags;
        (void)tcp_ecn_on_syn_again(tcp, conn, &packet);
    }
    conn->rcv_adv = seq_max(conn->rcv_adv, conn->rcv_nxt + syn->offered);
    conn->state = BERTH_TCP_SYN_RECEIVED;
    conn->snd_nxt = syn->iss + 1;
    conn->work->backoff = syn->attempts;
    conn->probes = syn->resent ? 2 : 1;
    conn->work->sent_ns = syn->sent_ns;
}

/* SYN's SYN,ACK. A connection of the moment says what is in it, so that it is the same as that of
 * one that is kept. IS_COOKIE: nothing of it is. */
static bool send_syn_ack(struct tcp *tcp, struct tcp_syn *syn, bool is_cookie)
{
    struct tcp_pair pair = {.local = syn->local, .remote = syn->remote, .hash = syn->hash};
    struct tcp_conn conn;
    struct tcp_back back;
    struct tcp_work work;
    struct wire_packet packet;
    tcp_work_clear(tcp, &work);
    tcp_conn_init(tcp, &conn, &back, &pair, &work);
    tcp_half_recall(tcp, syn, &conn);
    tcp_fill_syn(tcp, &conn, &packet);
    syn->offered = packet.tcp.window;
    struct tcp_listener *listener = listener_of(tcp, syn);
    listener->announced = true;
    bool asked = (syn->options & WIRE_OPTION_FAST_OPEN) != 0 && !syn->resent;
    if (asked && listener->options->fast_open_pending > 0) {
        tcp_fast_give(tcp, &packet); /* sent again it goes without (RFC 7413 4.2.1) */
    }
    if (is_cookie && (packet.tcp.options & WIRE_OPTION_TIMESTAMPS) != 0) {
        packet.tcp.tsval = tcp_cookie_stamp(syn, packet.tcp.tsval);
    }
    tcp_options_release(tcp, &back.options);
    tcp_ledger_end(tcp, &conn);
    return tcp_reply(tcp, &packet);
}

static void send_ack(struct tcp *tcp, const struct tcp_syn *syn)
{
    struct tcp_pair pair = {.local = syn->local, .remote = syn->remote, .hash = syn->hash};
    struct tcp_conn conn;
    struct tcp_back back;
    struct tcp_work work;
    struct wire_packet packet;
    tcp_work_clear(tcp, &work);
    tcp_conn_init(tcp, &conn, &back, &pair, &work);
    tcp_half_recall(tcp, syn, &conn);
    tcp_describe(tcp, &conn, conn.snd_nxt, &packet);
    packet.tcp.flags = (uint16_t)(WIRE_ACK | tcp_accecn_flags(&conn));
    packet.tcp.ack = conn.rcv_nxt;
    packet.tcp.window = (uint16_t)(syn->offered >> conn.rcv_wscale);
    tcp_options_release(tcp, &back.options);
    tcp_ledger_end(tcp, &conn);
    (void)tcp_reply(tcp, &packet); /* not sent is lost, as it might be on the way */
}

static bool has_room(const struct tcp_listener *listener)
{
    return listener->pending < listener->backlog;
}

static bool has_connection(const struct tcp *tcp)
{
    return tcp->conns.used < tcp->conns.count;
}

/* The SYN is answered and forgotten; false: it cannot be. A four-tuple that reopens needs a number
 * past those it used, which no cookie can be. */
static bool answer_with_cookie(struct tcp *tcp, struct tcp_listener *listener, struct tcp_syn *syn)
{
    bool may = tcp->settings.syn_cookies != BERTH_SYN_COOKIES_OFF && !tcp->reopening;
    if (!may || !tcp_cookie_make(tcp, syn)) {
        return false;
    }
    listener->cookies_ns = max_u64(tcp->now_ns, 1);
    if (send_syn_ack(tcp, syn, true)) {
        tcp->stats->tcp_cookies_out++;
    }
    return true;
}

/* RFC 9293 3.10.7.2, third: a SYN for a listener. Data on it is left to its retransmission, unless
 * it has a Fast Open cookie. */
enum berth_drop tcp_on_listen(struct tcp *tcp, struct tcp_listener *listener,
                              const struct tcp_pair *pair, const struct wire_packet *packet,
                              struct tcp_conn **out)
{
    if (!has_room(listener)) {
        return BERTH_DROP_BACKLOG_FULL;
    }
    if (!has_connection(tcp)) { /* so that nobody believes to be connected and waits for a place */
        return BERTH_DROP_CONNECTION_LIMIT;
    }
    bool fast = (packet->tcp.options & WIRE_OPTION_FAST_OPEN) != 0;
    *out = fast ? tcp_fast_accept(tcp, listener, pair, packet) : NULL;
    if (*out != NULL) {
        return BERTH_DROP_NONE;
    }
    struct tcp_syn passing;
    tcp_half_take(&passing, pair, packet);
    passing.listener = pool_index(&tcp->listeners, listener) + 1;
    bool always = tcp->settings.syn_cookies == BERTH_SYN_COOKIES_ALWAYS;
    if (always && answer_with_cookie(tcp, listener, &passing)) {
        return BERTH_DROP_NONE;
    }
    bool full = listener->half_open >= listener->options->syn_queue;
    struct tcp_syn *syn = full ? NULL : pool_take(&tcp->syns);
    if (syn == NULL) {
        return answer_with_cookie(tcp, listener, &passing) ? BERTH_DROP_NONE
                                                           : BERTH_DROP_BACKLOG_FULL;
    }
    *syn = passing;
    syn->iss = tcp_initial_sequence(tcp, pair);
    uint32_t *head = table_head(&tcp->syn_table, (uint32_t)syn->hash);
    syn->hash_next = *head;
    *head = pool_index(&tcp->syns, syn) + 1;
    listener->half_open++;
    tcp->stats->tcp_half_open++;
    enter_order(tcp, syn);
    (void)send_syn_ack(tcp, syn, false); /* not sent is lost: it goes again */
    return BERTH_DROP_NONE;
}

struct tcp_conn *tcp_half_become(struct tcp *tcp, const struct tcp_syn *syn, enum berth_drop *why)
{
    struct tcp_pair pair = {.local = syn->local, .remote = syn->remote, .hash = syn->hash};
    struct tcp_listener *listener = listener_of(tcp, syn);
    if (!has_room(listener)) {
        *why = BERTH_DROP_BACKLOG_FULL;
        return NULL;
    }
    struct tcp_conn *conn = tcp_conn_new(tcp, &pair);
    if (conn == NULL) {
        *why = BERTH_DROP_CONNECTION_LIMIT;
        return NULL;
    }
    tcp_half_recall(tcp, syn, conn);
    conn_set(conn, CONN_UNOWNED);
    conn->back->listener = syn->listener;
    listener->pending++;
    return conn;
}

/* ---- Segments (RFC 9293 3.10.7.4, SYN-RECEIVED) ---------------------------------------------- */

/* First check: RFC 7323 5.3 R1, and the sequence number. */
static enum berth_drop check_sequence(struct tcp *tcp, const struct tcp_syn *syn,
                                      const struct wire_packet *packet)
{
    const struct wire_tcp *segment = &packet->tcp;
    bool reset = (segment->flags & WIRE_RST) != 0;
    bool stamped =
        tcp->settings.timestamps && (segment->options & syn->options & WIRE_OPTION_TIMESTAMPS) != 0;
    if (stamped && !reset && seq_lt(segment->tsval, syn->tsval)) {
        send_ack(tcp, syn);
        return BERTH_DROP_TCP_OLD_TIMESTAMP;
    }
    if (tcp_is_acceptable(packet, syn->irs + 1, syn->offered)) {
        return BERTH_DROP_NONE;
    }
    if (!reset && tcp_may_challenge(tcp)) {
        send_ack(tcp, syn);
    }
    return BERTH_DROP_TCP_OUT_OF_WINDOW;
}

/* Second and fourth check: RST and SYN. An end of the record is a return to LISTEN. */
static enum berth_drop on_reset_or_syn(struct tcp *tcp, struct tcp_syn *syn,
                                       const struct wire_tcp *segment)
{
    bool reset = (segment->flags & WIRE_RST) != 0;
    if (reset && segment->seq != syn->irs + 1 && tcp->settings.blind_attack_checks) {
        if (tcp_may_challenge(tcp)) { /* RFC 5961 3.2 */
            send_ack(tcp, syn);
        }
        return BERTH_DROP_TCP_BLIND;
    }
    remove_record(tcp, syn);
    return reset ? BERTH_DROP_NONE : BERTH_DROP_TCP_STATE;
}

/* The ACK that completes the handshake, if there is a place for what comes of it. Else it stays
 * half-open: the SYN,ACK goes again and its answer asks anew. */
static enum berth_drop on_acked(struct tcp *tcp, struct tcp_syn *syn,
                                const struct wire_packet *packet, struct tcp_conn **out)
{
    enum berth_drop why = BERTH_DROP_NONE;
    struct tcp_conn *conn = tcp_half_become(tcp, syn, &why);
    if (conn == NULL) {
        if (tcp->settings.abort_on_overflow) {
            tcp_reset_for(tcp, packet);
            remove_record(tcp, syn);
        }
        return why;
    }
    remove_record(tcp, syn);
    *out = conn;
    return BERTH_DROP_NONE;
}

/* Not of our SYN,ACK. It may bring a cookie: an earlier SYN came when there was no room for a
 * record, and its answer was late. */
static enum berth_drop on_other_ack(struct tcp *tcp, struct tcp_syn *syn,
                                    const struct wire_packet *packet, struct tcp_conn **out)
{
    struct tcp_pair pair = {.local = syn->local, .remote = syn->remote, .hash = syn->hash};
    struct tcp_listener *listener = listener_of(tcp, syn);
    enum berth_drop drop = BERTH_DROP_NO_CONNECTION;
    if (tcp_has_cookies(tcp, listener)) {
        drop = tcp_on_cookie(tcp, listener, &pair, packet, out);
    }
    if (drop == BERTH_DROP_NO_CONNECTION) {
        tcp_reset_for(tcp, packet);
        return BERTH_DROP_TCP_BAD_ACK;
    }
    if (*out != NULL) {
        remove_record(tcp, syn);
    }
    return drop;
}

/* Our SYN,ACK was lost, or is late; but a RST where the SYNs contradict each other (RFC 9768
 * 3.1.5). */
static enum berth_drop on_syn_again(struct tcp *tcp, struct tcp_syn *syn,
                                    const struct wire_packet *packet)
{
    struct wire_packet first = {.traffic_class = syn->traffic_class};
    first.tcp.flags = syn->flags;
    enum tcp_ecn_mode before = tcp_ecn_mode_of(tcp, &first);
    enum tcp_ecn_mode mode = tcp_ecn_mode_of(tcp, packet);
    if (before != mode && before != TCP_ECN_NONE && mode != TCP_ECN_NONE) {
        tcp_reset_for(tcp, packet);
        remove_record(tcp, syn);
        return BERTH_DROP_TCP_STATE;
    }
    syn->resent = true;
    syn->came_again = true;
    syn->traffic_class_again = packet->traffic_class;
    syn->plain_again = syn->plain_again || mode == TCP_ECN_NONE;
    (void)send_syn_ack(tcp, syn, false);
    return BERTH_DROP_TCP_DUPLICATE;
}

enum berth_drop tcp_on_half_open(struct tcp *tcp, struct tcp_syn *syn,
                                 const struct wire_packet *packet, struct tcp_conn **out)
{
    const struct wire_tcp *segment = &packet->tcp;
    uint32_t flags = segment->flags & (WIRE_SYN | WIRE_ACK | WIRE_RST);
    if (flags == WIRE_SYN && segment->seq == syn->irs) {
        return on_syn_again(tcp, syn, packet);
    }
    enum berth_drop drop = check_sequence(tcp, syn, packet);
    if (drop != BERTH_DROP_NONE) {
        return drop;
    }
    if ((flags & (WIRE_RST | WIRE_SYN)) != 0) {
        return on_reset_or_syn(tcp, syn, segment);
    }
    if (flags != WIRE_ACK) {
        return BERTH_DROP_TCP_BAD_ACK;
    }
    return segment->ack == syn->iss + 1 ? on_acked(tcp, syn, packet, out)
                                        : on_other_ack(tcp, syn, packet, out);
}

bool tcp_half_is_other_answer(const struct tcp_syn *syn, const struct wire_tcp *segment)
{
    return segment->seq == syn->irs + 1 && segment->ack != syn->iss + 1;
}

void tcp_half_forget(struct tcp *tcp, struct tcp_syn *syn)
{
    remove_record(tcp, syn);
}

/* ---- Time ------------------------------------------------------------------------------------ */

/* No answer: once more, or given up. */
static void on_no_answer(struct tcp *tcp, struct tcp_syn *syn)
{
    if (syn->attempts >= listener_of(tcp, syn)->options->syn_retries) {
        remove_record(tcp, syn);
        return;
    }
    list_remove(&syn->order);
    syn->attempts++;
    syn->resent = true;
    (void)send_syn_ack(tcp, syn, false);
    enter_order(tcp, syn);
}

/* Those of list AT whose time has come, as long as there is a place for their SYN,ACKs. Returns
 * when the next of them is due. */
static uint64_t serve(struct tcp *tcp, uint32_t at)
{
    struct list_node *node = list_first(&tcp->syn_order[at]);
    while (node != NULL) {
        struct tcp_syn *syn = CONTAINER_OF(node, struct tcp_syn, order);
        uint64_t due = syn->sent_ns + wait_ns(tcp, at);
        if (due > tcp->now_ns) {
            return due;
        }
        if (outbox_is_full(tcp->outbox)) {
            return tcp->now_ns + CROWDED_NS;
        }
        on_no_answer(tcp, syn);
        node = list_first(&tcp->syn_order[at]);
    }
    return BERTH_NEVER;
}

/* From the highest list down, so that what moves up is not looked at twice. */
void tcp_half_timeout(struct tcp *tcp)
{
    uint64_t next = BERTH_NEVER;
    for (uint32_t at = TCP_SYN_ATTEMPTS; at > 0; at--) {
        next = min_u64(next, serve(tcp, at - 1));
    }
    for (uint32_t at = 0; at < TCP_SYN_ATTEMPTS; at++) {
        struct list_node *node = list_first(&tcp->syn_order[at]);
        if (node != NULL) {
            const struct tcp_syn *syn = CONTAINER_OF(node, struct tcp_syn, order);
            next = min_u64(next, max_u64(syn->sent_ns + wait_ns(tcp, at), tcp->now_ns + 1));
        }
    }
    if (next != BERTH_NEVER) {
        timer_set(tcp->timers, &tcp->syn_timer, next);
    }
}
