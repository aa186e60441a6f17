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
    uint32_t bytes = sizeof(struct tcp_time_wait);
    tcp->time_wait_timer.kind = TCP_TIMER_TIME_WAIT;
    tcp->time_wait_max = count;
    pool_init(&tcp->time_waits[0], arena, count, bytes + 2 * TIME_WAIT_V4_BYTES);
    pool_init(&tcp->time_waits[1], arena, count, bytes + 2 * TIME_WAIT_V6_BYTES);
    table_init(&tcp->time_wait_table, arena, (count + 1) / 2); /* two a chain: 4 bytes each */
}

static struct tcp_time_wait *wait_at(const struct tcp *tcp, uint32_t number)
{
    return pool_at(&tcp->time_waits[(number - 1) & 1U], (number - 1) >> 1);
}

static uint32_t number_of(const struct tcp *tcp, const struct tcp_time_wait *wait)
{
    return (pool_index(&tcp->time_waits[wait->is_v6], wait) << 1 | wait->is_v6) + 1;
}

/* Addresses as the record has them: the last bytes of the 16, which of IPv4 are all there is. */
static uint32_t address_bytes(bool is_v6)
{
    return is_v6 ? TIME_WAIT_V6_BYTES : TIME_WAIT_V4_BYTES;
}

static const uint8_t *tail_of(const struct berth_address *address, bool is_v6)
{
    return address->bytes + sizeof address->bytes - address_bytes(is_v6);
}

static struct berth_endpoint end_of(const struct tcp_time_wait *wait, bool remote)
{
    uint32_t bytes = address_bytes(wait->is_v6);
    struct berth_endpoint end = {.address = berth_address_v4(0),
                                 .port = remote ? wait->remote_port : wait->local_port};
    memcpy(end.address.bytes + sizeof end.address.bytes - bytes,
           wait->addresses + (remote ? bytes : 0), bytes);
    return end;
}

static struct tcp_pair pair_of(struct tcp *tcp, const struct tcp_time_wait *wait)
{
    struct berth_endpoint local = end_of(wait, false);
    struct berth_endpoint remote = end_of(wait, true);
    return tcp_pair(tcp, &local, &remote);
}

static bool is_between(const struct tcp_time_wait *wait, const struct tcp_pair *pair, bool is_v6)
{
    uint32_t bytes = address_bytes(is_v6);
    return wait->is_v6 == is_v6 && wait->remote_port == pair->remote.port &&
           wait->local_port == pair->local.port &&
           memcmp(wait->addresses, tail_of(&pair->local.address, is_v6), bytes) == 0 &&
           memcmp(wait->addresses + bytes, tail_of(&pair->remote.address, is_v6), bytes) == 0;
}

struct tcp_time_wait *tcp_find_time_wait(const struct tcp *tcp, const struct tcp_pair *pair)
{
    bool is_v6 = !address_is_v4(&pair->remote.address);
    uint32_t at = *table_head(&tcp->time_wait_table, (uint32_t)pair->hash);
    while (at != 0) {
        struct tcp_time_wait *wait = wait_at(tcp, at);
        if (is_between(wait, pair, is_v6)) {
            return wait;
        }
        at = wait->hash_next;
    }
    return NULL;
}

/* CONN stands: what its four-tuple was before is over. A SYN that only turned out to be old has
 * left it alone (RFC 9293 3.6.1, MAY-2). */
void tcp_time_wait_overcome(struct tcp *tcp, const struct tcp_conn *conn)
{
    struct tcp_pair pair = {.local = conn->local, .remote = conn->remote, .hash = conn->hash};
    struct tcp_time_wait *wait = tcp_find_time_wait(tcp, &pair);
    if (wait != NULL) {
        tcp_time_wait_end(tcp, wait);
    }
}

/* ---- Their order ---------------------------------------------------------------------------- */

static void order_remove(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint32_t *before =
        wait->older != 0 ? &wait_at(tcp, wait->older)->newer : &tcp->time_wait_oldest;
    uint32_t *behind =
        wait->newer != 0 ? &wait_at(tcp, wait->newer)->older : &tcp->time_wait_newest;
    *before = wait->newer;
    *behind = wait->older;
}

static void order_add(struct tcp *tcp, struct tcp_time_wait *wait)
{
    uint32_t self = number_of(tcp, wait);
    uint32_t last = tcp->time_wait_newest;
    wait->older = last;
    wait->newer = 0;
    *(last != 0 ? &wait_at(tcp, last)->newer : &tcp->time_wait_oldest) = self;
    tcp->time_wait_newest = self;
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
    struct tcp_pair pair = pair_of(tcp, wait);
    uint32_t *link = table_head(&tcp->time_wait_table, (uint32_t)pair.hash);
    uint32_t self = number_of(tcp, wait);
    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &wait_at(tcp, *link)->hash_next;
    }
    *link = wait->hash_next;
    if (wait->owns_port) {
        struct ports_use use = {
            .local = pair.local.address, .remote = pair.remote, .protocol = BERTH_TCP};
        ports_give(tcp->ports, &use, pair.local.port);
    }
    order_remove(tcp, wait);
    pool_give(&tcp->time_waits[wait->is_v6], wait);
    tcp->stats->tcp_time_wait--;
}

/* The next connection of this four-tuple begins past every number the old one used (RFC 9293 3.6.1,
 * MAY-2). */
void tcp_time_wait_reopen(struct tcp *tcp, const struct tcp_time_wait *wait)
{
    tcp->reopening = true;
    tcp->reopen_iss = wait->snd_nxt + 65537;
}

static void send_ack(struct tcp *tcp, const struct tcp_time_wait *wait)
{
    struct tcp_pair pair = pair_of(tcp, wait);
    struct wire_packet out = {.source = pair.local.address,
                              .destination = pair.remote.address,
                              .source_port = pair.local.port,
                              .destination_port = pair.remote.port,
                              .version = wait->is_v6 ? 6 : 4,
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
        out.tcp.tsval = (uint32_t)(tcp->now_ns / NS_PER_MS) + (uint32_t)(pair.hash >> 32);
        out.tcp.tsecr = wait->ts_recent;
    }
    (void)tcp_reply(tcp,
                    &out); /* not sent is lost, as it might be on the way: the peer asks again */
}

static struct tcp_time_wait *record_new(struct tcp *tcp, bool is_v6)
{
    if (tcp->stats->tcp_time_wait >= tcp->time_wait_max) {
        tcp_time_wait_end(tcp, wait_at(tcp, tcp->time_wait_oldest));
    }
    struct tcp_time_wait *wait = pool_take(&tcp->time_waits[is_v6 ? 1 : 0]);
    BERTH_CHECK(wait != NULL); /* each pool has as many as there may be */
    return wait;
}

/* CONN has seen and sent everything: a record takes its place, and an ACK that it still owed goes
 * out. */
void tcp_time_wait_enter(struct tcp *tcp, struct tcp_conn *conn)
{
    bool is_v6 = !address_is_v4(&conn->remote.address);
    uint32_t bytes = address_bytes(is_v6);
    /* The FIN may stand just behind a window that is full. */
    uint32_t offered = seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
    uint32_t window = offered >> conn->rcv_wscale;
    struct tcp_time_wait *wait = record_new(tcp, is_v6);
    *wait = (struct tcp_time_wait){.snd_nxt = conn->snd_nxt,
                                   .rcv_nxt = conn->rcv_nxt,
                                   .ts_recent = conn->ts_recent,
                                   .ace = (uint32_t)tcp_accecn_flags(conn) >> ACE_SHIFT & 7U,
                                   .is_v6 = is_v6,
                                   .window = (uint16_t)min_u32(window, 65535),
                                   .hop_limit = conn->hop_limit,
                                   .dscp = conn->dscp & 0x3fU,
                                   .timestamps = conn_has(conn, CONN_TIMESTAMPS),
                                   .owns_port = conn_has(conn, CONN_OWNS_PORT),
                                   .local_port = conn->local.port,
                                   .remote_port = conn->remote.port};
    memcpy(wait->addresses, tail_of(&conn->local.address, is_v6), bytes);
    memcpy(wait->addresses + bytes, tail_of(&conn->remote.address, is_v6), bytes);
    uint32_t *head = table_head(&tcp->time_wait_table, conn->hash);
    wait->hash_next = *head;
    *head = number_of(tcp, wait);
    tcp->stats->tcp_time_wait++;
    start_clock(tcp, wait);
    if (conn_has(conn, CONN_ACK_NOW | CONN_ACK_DELAYED)) {
        send_ack(tcp, wait);
    }
    conn_clear(conn, CONN_OWNS_PORT); /* the record has it now */
    tcp_conn_end(tcp, conn, 0);
}

void tcp_time_wait_check(const struct tcp *tcp)
{
    uint32_t before = 0;
    uint32_t count = 0;
    for (uint32_t at = tcp->time_wait_oldest; at != 0; at = wait_at(tcp, at)->newer) {
        const struct tcp_time_wait *wait = wait_at(tcp, at);
        BERTH_CHECK(wait->older == before && number_of(tcp, wait) == at);
        before = at;
        count++;
    }
    BERTH_CHECK(before == tcp->time_wait_newest && count == tcp->stats->tcp_time_wait);
    BERTH_CHECK(tcp->time_waits[0].used + tcp->time_waits[1].used == count);
    BERTH_CHECK(count <= tcp->time_wait_max);
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
        send_ack(tcp, wait);
    }
    return BERTH_DROP_TCP_STATE;
}
