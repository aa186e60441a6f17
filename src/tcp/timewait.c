/* SPDX-License-Identifier: MIT */
/*
 * TIME-WAIT as a small record (RFC 9293 3.4.2, 3.10.7.4): it answers what is late, and gives way to
 * a SYN that is provably new (RFC 6191, RFC 1122 4.2.2.13). RSTs do not end it (RFC 1337).
 *
 * All wait equally long, so the records stand in a list by age, with one timer for the oldest. At
 * the limit the oldest goes.
 */
#include "tcp/parts.h"

static struct tcp_time_wait *find(const struct tcp *tcp, uint32_t hash,
                                  const struct berth_endpoint *local,
                                  const struct berth_endpoint *remote)
{
    uint32_t at = *table_head(&tcp->time_wait_table, hash);
    while (at != 0) {
        struct tcp_time_wait *wait = pool_at(&tcp->time_waits, at - 1);
        if (wait->hash == hash && berth_endpoint_is_equal(&wait->remote, remote) &&
            berth_endpoint_is_equal(&wait->local, local)) {
            return wait;
        }
        at = wait->hash_next;
    }
    return NULL;
}

struct tcp_time_wait *tcp_find_time_wait(const struct tcp *tcp, const struct tcp_pair *pair)
{
    return find(tcp, (uint32_t)pair->hash, &pair->local, &pair->remote);
}

/* CONN stands: what its four-tuple was before is over. A SYN that only turned out to be old has
 * left it alone (RFC 9293 3.6.1, MAY-2). */
void tcp_time_wait_overcome(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_time_wait *wait = find(tcp, conn->hash, &conn->local, &conn->remote);
    if (wait != NULL) {
        tcp_time_wait_end(tcp, wait);
    }
}

void tcp_time_wait_end(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint32_t *link = table_head(&tcp->time_wait_table, wait->hash);
    uint32_t self = pool_index(&tcp->time_waits, wait) + 1;
    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &((struct tcp_time_wait *)pool_at(&tcp->time_waits, *link - 1))->hash_next;
    }
    *link = wait->hash_next;
    if (wait->owns_port) {
        struct ports_use use = {
            .local = wait->local.address, .remote = wait->remote, .protocol = BERTH_TCP};
        ports_give(tcp->ports, &use, wait->local.port);
    }
    list_remove(&wait->order);
    pool_give(&tcp->time_waits, wait);
    tcp->stats->tcp_time_wait--;
}

/* The next connection of this four-tuple begins past every number the old one used (RFC 9293 3.6.1,
 * MAY-2). */
void tcp_time_wait_reopen(struct tcp *tcp, const struct tcp_time_wait *wait)
{
    tcp->reopening = true;
    tcp->reopen_iss = wait->snd_nxt + 65537;
}

static void start_clock(struct tcp *tcp, struct tcp_time_wait *wait)
{
    wait->ends_ns = add_sat_u64(tcp->now_ns, tcp->settings.time_wait_ns);
    list_remove(&wait->order);
    list_add_last(&tcp->time_wait_order, &wait->order);
    if (!timer_is_set(&tcp->time_wait_timer)) {
        timer_set(tcp->timers, &tcp->time_wait_timer, wait->ends_ns);
    }
}

static void send_ack(struct tcp *tcp, const struct tcp_time_wait *wait)
{
    struct wire_packet out = {.source = wait->local.address,
                              .destination = wait->remote.address,
                              .source_port = wait->local.port,
                              .destination_port = wait->remote.port,
                              .version = berth_address_is_v4(&wait->remote.address) ? 4 : 6,
                              .protocol = WIRE_TCP,
                              .hop_limit = wait->hop_limit,
                              .traffic_class = (uint8_t)(wait->dscp << 2),
                              .dont_fragment = true};
    out.tcp.flags = (uint16_t)(WIRE_ACK | wait->ace_flags);
    out.tcp.seq = wait->snd_nxt;
    out.tcp.ack = wait->rcv_nxt;
    out.tcp.window = wait->window;
    if (wait->timestamps) {
        out.tcp.options = WIRE_OPTION_TIMESTAMPS;
        out.tcp.tsval = (uint32_t)(tcp->now_ns / NS_PER_MS) + wait->ts_offset;
        out.tcp.tsecr = wait->ts_recent;
    }
    (void)tcp_reply(tcp,
                    &out); /* not sent is lost, as it might be on the way: the peer asks again */
}

static struct tcp_time_wait *record_new(struct tcp *tcp)
{
    struct tcp_time_wait *wait = pool_take(&tcp->time_waits);
    if (wait == NULL) {
        struct list_node *oldest = list_first(&tcp->time_wait_order);
        tcp_time_wait_end(tcp, CONTAINER_OF(oldest, struct tcp_time_wait, order));
        wait = pool_take(&tcp->time_waits);
    }
    return wait;
}

/* CONN has seen and sent everything: a record takes its place, and an ACK that it still owed goes
 * out. */
void tcp_time_wait_enter(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_time_wait *wait = record_new(tcp);
    *wait = (struct tcp_time_wait){
        .hash = conn->hash,
        .snd_nxt = conn->snd_nxt,
        .rcv_nxt = conn->rcv_nxt,
        .ts_recent = conn->ts_recent,
        .ts_offset = conn->ts_offset,
        .window = (uint16_t)min_u32((conn->rcv_adv - conn->rcv_nxt) >> conn->rcv_wscale, 65535),
        .dscp = conn->dscp,
        .ace_flags = tcp_accecn_flags(conn),
        .hop_limit = conn->hop_limit,
        .timestamps = conn_has(conn, CONN_TIMESTAMPS),
        .owns_port = conn_has(conn, CONN_OWNS_PORT),
        .local = conn->local,
        .remote = conn->remote};
    uint32_t *head = table_head(&tcp->time_wait_table, wait->hash);
    wait->hash_next = *head;
    *head = pool_index(&tcp->time_waits, wait) + 1;
    tcp->stats->tcp_time_wait++;
    start_clock(tcp, wait);
    if (conn_has(conn, CONN_ACK_NOW | CONN_ACK_DELAYED)) {
        send_ack(tcp, wait);
    }
    conn_clear(conn, CONN_OWNS_PORT); /* the record has it now */
    tcp_conn_end(tcp, conn, 0);
}

/* RFC 6191 2, RFC 1122 4.2.2.13: newer by its timestamp, or by its sequence number. */
static bool is_new_syn(const struct tcp *tcp, const struct tcp_time_wait *wait,
                       const struct wire_tcp *segment)
{
    if ((segment->flags & (WIRE_SYN | WIRE_ACK)) != WIRE_SYN) {
        return false;
    }
    bool stamped = (segment->options & WIRE_OPTION_TIMESTAMPS) != 0 && tcp->settings.timestamps;
    if (stamped && !wait->timestamps) {
        return true;
    }
    if (stamped && segment->tsval != wait->ts_recent) {
        return seq_gt(segment->tsval, wait->ts_recent);
    }
    return seq_gt(segment->seq, wait->rcv_nxt);
}

enum berth_drop tcp_on_time_wait(struct tcp *tcp, struct tcp_time_wait *wait,
                                 const struct wire_packet *packet, bool *reopen)
{
    const struct wire_tcp *segment = &packet->tcp;
    *reopen = is_new_syn(tcp, wait, segment);
    if (*reopen) {
        return BERTH_DROP_NONE;
    }
    if ((segment->flags & WIRE_RST) != 0) {
        return BERTH_DROP_TCP_STATE; /* RFC 1337 3: not ended by a RST */
    }
    uint32_t end = segment->seq + packet->payload_bytes + 1;
    if ((segment->flags & WIRE_FIN) != 0 && end == wait->rcv_nxt) {
        start_clock(tcp, wait); /* RFC 9293 3.10.7.4: the FIN came again, 2 MSL from now */
    }
    if ((segment->flags & (WIRE_FIN | WIRE_SYN)) != 0 || packet->payload_bytes > 0 ||
        segment->seq != wait->rcv_nxt) {
        send_ack(tcp, wait);
    }
    return BERTH_DROP_TCP_STATE;
}
