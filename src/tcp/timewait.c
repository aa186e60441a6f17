/* SPDX-License-Identifier: MIT */
/*
 * TIME-WAIT as a small record (RFC 9293 3.4.2, 3.10.7.4): it answers what is late, and gives way to
 * a SYN that is provably new (RFC 6191, RFC 1122 4.2.2.13). RSTs do not end it (RFC 1337).
 *
 * All wait equally long, so the records stand in a list by age, with one timer for the oldest. At
 * the limit the oldest goes.
 */
#include "tcp/timewait.h"
#include "base/address.h"
#include "tcp/parts.h"

#define TICK_SHIFT 20 /* ends_tick: of nanoseconds, about a millisecond */
#define TICK_BITS  28
#define ACE_SHIFT  6 /* of the flags AE, CWR, ECE as a number */

/* ---- Records -------------------------------------------------------------------------------- */

void tcp_time_wait_init(struct tcp *tcp, struct arena *arena, uint32_t count)
{
    BERTH_CHECK(count <= WAIT_NUMBER_MAX);
    tcp->time_wait_timer.kind = TCP_TIMER_TIME_WAIT;
    pool_init(&tcp->time_waits, arena, count, sizeof(struct tcp_time_wait));
    table_init(&tcp->time_wait_table, arena, (count + 1) / 2); /* two a chain: 4 bytes each */
}

static struct tcp_time_wait *wait_at(const struct tcp *tcp, uint32_t number)
{
    return pool_at(&tcp->time_waits, number - 1);
}

static uint32_t number_of(const struct tcp *tcp, const struct tcp_time_wait *wait)
{
    return pool_index(&tcp->time_waits, wait) + 1;
}

static bool is_between(const struct tcp *tcp, const struct tcp_time_wait *wait,
                       const struct tcp_pair *pair)
{
    if (wait->hash != (uint32_t)pair->hash || wait->ts_offset != (uint32_t)(pair->hash >> 32) ||
        wait->remote_port != pair->remote.port || wait->local_port != pair->local.port) {
        return false;
    }
    struct ports_use use = {
        .local = pair->local.address, .remote = pair->remote, .protocol = BERTH_TCP};
    return !wait_has_port(wait) ||
           ports_is_number_of(tcp->ports, wait_number(wait, WAIT_PORT), &use);
}

struct tcp_time_wait *tcp_find_time_wait(const struct tcp *tcp, const struct tcp_pair *pair)
{
    uint32_t at = *table_head(&tcp->time_wait_table, (uint32_t)pair->hash);
    while (at != 0) {
        struct tcp_time_wait *wait = wait_at(tcp, at);
        if (is_between(tcp, wait, pair)) {
            return wait;
        }
        at = wait_number(wait, WAIT_HASH_NEXT);
    }
    return NULL;
}

static void table_add(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint32_t *head = table_head(&tcp->time_wait_table, wait->hash);
    wait_set_number(wait, WAIT_HASH_NEXT, *head);
    *head = number_of(tcp, wait);
}

static void table_remove(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint32_t *head = table_head(&tcp->time_wait_table, wait->hash);
    uint32_t next = wait_number(wait, WAIT_HASH_NEXT);
    uint32_t self = number_of(tcp, wait);
    if (*head == self) {
        *head = next;
        return;
    }
    struct tcp_time_wait *before = wait_at(tcp, *head);
    while (wait_number(before, WAIT_HASH_NEXT) != self) {
        BERTH_CHECK(wait_number(before, WAIT_HASH_NEXT) != 0);
        before = wait_at(tcp, wait_number(before, WAIT_HASH_NEXT));
    }
    wait_set_number(before, WAIT_HASH_NEXT, next);
}

/* CONN stands: what its four-tuple was before is over. A SYN that only turned out to be old has
 * left it alone (RFC 9293 3.6.1, MAY-2). */
void tcp_time_wait_overcome(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_pair pair = {.local = conn->local,
                            .remote = conn->remote,
                            .hash = (uint64_t)conn->ts_offset << 32 | conn->hash};
    struct tcp_time_wait *wait = tcp_find_time_wait(tcp, &pair);
    if (wait != NULL) {
        tcp_time_wait_end(tcp, wait);
    }
}

/* ---- Their order ---------------------------------------------------------------------------- */

/* OLDER and NEWER are neighbours; 0: there is none on that side. */
static void order_link(struct tcp *tcp, uint32_t older, uint32_t newer)
{
    if (older != 0) {
        wait_set_number(wait_at(tcp, older), WAIT_NEWER, newer);
    } else {
        tcp->time_wait_oldest = newer;
    }
    if (newer != 0) {
        wait_set_number(wait_at(tcp, newer), WAIT_OLDER, older);
    } else {
        tcp->time_wait_newest = older;
    }
}

static void order_remove(struct tcp *tcp, struct tcp_time_wait *wait)
{
    order_link(tcp, wait_number(wait, WAIT_OLDER), wait_number(wait, WAIT_NEWER));
}

static void order_add(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint32_t self = number_of(tcp, wait);
    order_link(tcp, tcp->time_wait_newest, self);
    order_link(tcp, self, 0);
}

/* The first tick that begins at or after NS. */
static uint64_t tick_of(uint64_t ns)
{
    return (add_sat_u64(ns, ((uint64_t)1 << TICK_SHIFT) - 1)) >> TICK_SHIFT;
}

/* When WAIT ends, in ns; it is less than half of what ends_tick can tell away. */
static uint64_t ends_ns(const struct tcp *tcp, const struct tcp_time_wait *wait)
{
    uint64_t now = tick_of(tcp->now_ns);
    uint32_t ahead = (wait->ends_tick - (uint32_t)now) << (32 - TICK_BITS);
    int64_t ticks = (int32_t)ahead >> (32 - TICK_BITS);
    return ((uint64_t)((int64_t)now + ticks)) << TICK_SHIFT;
}

/* WAIT, in no order, waits from now on. */
static void start_clock(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint64_t ends = tick_of(add_sat_u64(tcp->now_ns, tcp->settings.time_wait_ns));
    wait->ends_tick = (uint32_t)ends & ((1U << TICK_BITS) - 1);
    order_add(tcp, wait);
    if (!timer_is_set(&tcp->time_wait_timer)) {
        timer_set(tcp->timers, &tcp->time_wait_timer, ends << TICK_SHIFT);
    }
}

/* Nobody may have looked for days, and ends_tick has turned: none waits longer than all do. */
void tcp_time_wait_timeout(struct tcp *tcp)
{
    uint64_t most_ns = add_sat_u64(tcp->settings.time_wait_ns, (uint64_t)1 << TICK_SHIFT);
    uint64_t latest = add_sat_u64(tcp->now_ns, most_ns);
    while (tcp->time_wait_oldest != 0) {
        struct tcp_time_wait *wait = wait_at(tcp, tcp->time_wait_oldest);
        uint64_t ends = ends_ns(tcp, wait);
        if (ends > tcp->now_ns && ends <= latest) {
            timer_set(tcp->timers, &tcp->time_wait_timer, ends);
            return;
        }
        tcp_time_wait_end(tcp, wait);
    }
}

/* ---- Their life ----------------------------------------------------------------------------- */

void tcp_time_wait_end(struct tcp *tcp, struct tcp_time_wait *wait)
{
    table_remove(tcp, wait);
    if (wait_has_port(wait)) {
        ports_give_by_number(tcp->ports, wait_number(wait, WAIT_PORT), wait->local_port);
    }
    order_remove(tcp, wait);
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

/* WAIT stands between the ends LOCAL and REMOTE. */
static void send_ack(struct tcp *tcp, const struct tcp_time_wait *wait,
                     const struct berth_address *local, const struct berth_address *remote)
{
    struct wire_packet out = {.source = *local,
                              .destination = *remote,
                              .source_port = wait->local_port,
                              .destination_port = wait->remote_port,
                              .version = address_is_v4(remote) ? 4 : 6,
                              .protocol = WIRE_TCP,
                              .hop_limit = wait->hop_limit,
                              .traffic_class = (uint8_t)(wait->dscp << 2),
                              .dont_fragment = true};
    out.tcp.flags = (uint16_t)(WIRE_ACK | wait->ace << ACE_SHIFT);
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
    if (tcp->stats->tcp_time_wait >= tcp->time_waits.count) {
        tcp_time_wait_end(tcp, wait_at(tcp, tcp->time_wait_oldest));
    }
    struct tcp_time_wait *wait = pool_take(&tcp->time_waits);
    BERTH_CHECK(wait != NULL);
    return wait;
}

/* The number of CONN's local port, which the record has from now on. */
static uint32_t take_port(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!conn_has(conn, CONN_OWNS_PORT)) {
        return 0;
    }
    struct ports_use use = {
        .local = conn->local.address, .remote = conn->remote, .protocol = BERTH_TCP};
    conn_clear(conn, CONN_OWNS_PORT);
    return ports_number(tcp->ports, &use, conn->local.port);
}

/* CONN has seen and sent everything: a record takes its place, and an ACK that it still owed goes
 * out. */
void tcp_time_wait_enter(struct tcp *tcp, struct tcp_conn *conn)
{
    /* The FIN may stand just behind a window that is full. */
    uint32_t offered = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
    uint32_t window = offered >> conn->rcv_wscale;
    struct tcp_time_wait *wait = record_new(tcp);
    *wait = (struct tcp_time_wait){.window = (uint16_t)min_u32(window, 65535),
                                   .hop_limit = conn->back->hop_limit,
                                   .dscp = conn->back->dscp & 0x3fU,
                                   .timestamps = conn_has(conn, CONN_TIMESTAMPS),
                                   .snd_nxt = conn->snd_nxt,
                                   .rcv_nxt = conn->rcv_nxt,
                                   .ts_recent = conn->ts_recent,
                                   .ace = (uint32_t)tcp_accecn_flags(conn) >> ACE_SHIFT & 7U,
                                   .hash = conn->hash,
                                   .ts_offset = conn->ts_offset,
                                   .local_port = conn->local.port,
                                   .remote_port = conn->remote.port};
    wait_set_number(wait, WAIT_PORT, take_port(tcp, conn));
    table_add(tcp, wait);
    tcp->stats->tcp_time_wait++;
    start_clock(tcp, wait);
    if (conn_has(conn, CONN_ACK_NOW | CONN_ACK_DELAYED)) {
        send_ack(tcp, wait, &conn->local.address, &conn->remote.address);
    }
    tcp_conn_end(tcp, conn, 0);
}

void tcp_time_wait_check(const struct tcp *tcp)
{
    uint32_t before = 0;
    uint32_t count = 0;
    for (uint32_t at = tcp->time_wait_oldest; at != 0; count++) {
        const struct tcp_time_wait *wait = wait_at(tcp, at);
        BERTH_CHECK(wait_number(wait, WAIT_OLDER) == before);
        before = at;
        at = wait_number(wait, WAIT_NEWER);
    }
    BERTH_CHECK(before == tcp->time_wait_newest && count == tcp->stats->tcp_time_wait);
    BERTH_CHECK(tcp->time_waits.used == count);
}

/* ---- Segments ------------------------------------------------------------------------------- */

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
        order_remove(tcp, wait);
        start_clock(tcp, wait); /* RFC 9293 3.10.7.4: the FIN came again, 2 MSL from now */
    }
    if ((segment->flags & (WIRE_FIN | WIRE_SYN)) != 0 || packet->payload_bytes > 0 ||
        segment->seq != wait->rcv_nxt) {
        send_ack(tcp, wait, &packet->destination, &packet->source);
    }
    return BERTH_DROP_TCP_STATE;
}
