/* SPDX-License-Identifier: MIT */
/*
 * Opening: active (RFC 9293 3.10.1), held for the owner, simultaneous (3.10.7.3), the options that
 * both sides agree on, and initial sequence numbers (3.4.1). Passive: half.c.
 */
#include "base/address.h"
#include "tcp/fast_open.h"
#include "tcp/timewait.h"

#define TIMESTAMP_BYTES 12U /* the option with its padding */

/* RFC 9293 3.4.1 (RFC 6528): a 4 us clock plus a keyed hash of the four-tuple. */
uint32_t tcp_initial_sequence(const struct tcp *tcp, const struct tcp_pair *pair)
{
    if (tcp->reopening) {
        return tcp->reopen_iss;
    }
    return (uint32_t)(tcp->now_ns / (4 * NS_PER_US)) +
           (uint32_t)hash_keyed(&tcp->isn_key, pair, 2 * sizeof pair->local);
}

/* RFC 7323 2.3: what the largest window takes, at most 14. */
static uint8_t own_wscale(const struct tcp_options *options)
{
    uint32_t most = options->receive_bytes;
    most = options->window_bytes != 0 ? min_u32(most, options->window_bytes) : most;
    uint32_t windows = most / 65535 + (most % 65535 != 0 ? 1 : 0); /* rounded up: to a power of 2 */
    return windows <= 1 ? 0 : (uint8_t)min_u32(32U - (uint32_t)__builtin_clz(windows - 1), 14);
}

/* The peer's SYN is here: what both sides take. */
static void agree_on_limits(struct tcp_conn *conn)
{
    uint32_t options = conn_has(conn, CONN_TIMESTAMPS) ? TIMESTAMP_BYTES : 0;
    conn->mss = (uint16_t)(min_u32(conn->back->mss_peer, conn->mss_own) - options);
    conn->rcv_mss = (uint16_t)min_u32(MSS_DEFAULT_V4, conn->mss_own);
    conn->rcv_wscale = conn_has(conn, CONN_WSCALE) ? conn->rcv_wscale : 0;
}

void tcp_open_limits(const struct tcp *tcp, struct tcp_conn *conn)
{
    bool v4 = address_is_v4(&conn->remote.address);
    uint32_t headers =
        (v4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES) + WIRE_TCP_HEADER_BYTES;
    uint32_t asked =
        conn->back->options->mss_bytes != 0 ? conn->back->options->mss_bytes : UINT16_MAX;
    conn->mss_own = (uint16_t)min_u32(tcp->mtu - headers, asked); /* RFC 9293 3.7.1 */
    conn->rcv_wscale = own_wscale(conn->back->options);
    if (conn->state != BERTH_TCP_CLOSED && conn->state != BERTH_TCP_SYN_SENT) {
        agree_on_limits(conn);
    }
}

void tcp_open_begin(struct tcp *tcp, struct tcp_conn *conn, uint32_t iss)
{
    bool v4 = address_is_v4(&conn->remote.address);
    tcp_open_limits(tcp, conn);
    conn->back->mss_peer = (uint16_t)(v4 ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6);
    conn->mss = conn->back->mss_peer;
    conn->back->iss = iss;
    conn->work->snd_small = conn->back->iss;
    conn->snd_una = conn->back->iss;
    conn->work->rack_end =
        conn->back->iss; /* nothing has arrived yet: seen from 0, half of all are behind */
    conn->work->rack_fack = conn->back->iss;
    conn->snd_nxt = conn->back->iss;
    conn->snd_end = conn->back->iss + 1;
    tcp_ecn_begin(tcp, conn);
    tcp_rtt_init(tcp, conn);
}

/* What we offer (SYN) or agree to (SYN,ACK). */
void tcp_syn_options(const struct tcp *tcp, const struct tcp_conn *conn, struct wire_tcp *out)
{
    bool first = conn->state == BERTH_TCP_SYN_SENT;
    out->options = WIRE_OPTION_MSS;
    out->mss = conn->mss_own;
    if (first ? tcp->settings.sack : conn_has(conn, CONN_SACK)) {
        out->options |= WIRE_OPTION_SACK_PERMITTED;
    }
    if (first ? tcp->settings.window_scale : conn_has(conn, CONN_WSCALE)) {
        out->options |= WIRE_OPTION_WSCALE;
        out->wscale = conn->rcv_wscale;
    }
    if (first ? tcp->settings.timestamps : conn_has(conn, CONN_TIMESTAMPS)) {
        out->options |= WIRE_OPTION_TIMESTAMPS;
        out->tsval = tcp_ts_now(tcp, conn);
        out->tsecr = first ? 0 : conn->ts_recent;
    }
    tcp_accecn_syn_option(conn, out);
}

/* The SYN or SYN,ACK, and the window that it offers. CONN need not be one that is known. */
void tcp_fill_syn(const struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet)
{
    tcp_describe(tcp, conn, conn->back->iss, packet);
    tcp_syn_options(tcp, conn, &packet->tcp);
    packet->tcp.flags = (uint16_t)(WIRE_SYN | tcp_ecn_syn_flags(conn));
    uint32_t window = tcp_first_window(tcp, conn);
    packet->tcp.window = (uint16_t)window;
    if (conn->state == BERTH_TCP_SYN_RECEIVED) {
        packet->tcp.flags |= WIRE_ACK;
        packet->tcp.ack = conn->rcv_nxt;
        conn->rcv_acked = conn->rcv_nxt;
        conn->rcv_adv = seq_max(conn->rcv_adv, conn->rcv_nxt + window);
    } else {
        conn->rcv_adv =
            max_u32(conn->rcv_adv, window); /* from 0 on, until the peer's SYN is here */
    }
    tcp_timeout_option(tcp, conn, packet);
}

/* The peer's SYN: its sequence number and what it offers, of which we take what our settings
 * allow. */
void tcp_take_syn(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet)
{
    const struct wire_tcp *syn = &packet->tcp;
    conn->back->irs = syn->seq;
    conn->rcv_nxt = syn->seq + 1;
    conn->back->tune.round_total = conn->rcv_nxt;
    conn->rcv_acked = conn->rcv_nxt;
    conn->rcv_adv = conn->rcv_nxt + max_u32(conn->rcv_adv, tcp_first_window(tcp, conn));
    conn->snd_wnd = syn->window; /* never scaled in a SYN (RFC 7323 2.2) */
    conn->snd_wnd_max = syn->window;
    conn->snd_wl1 = syn->seq;
    conn->snd_wl2 = conn->back->iss;
    if ((syn->options & WIRE_OPTION_MSS) != 0) {
        conn->back->mss_peer = (uint16_t)max_u32(syn->mss, 64);
    }
    if ((syn->options & WIRE_OPTION_SACK_PERMITTED) != 0 && tcp->settings.sack) {
        conn_set(conn, CONN_SACK);
    }
    if ((syn->options & WIRE_OPTION_WSCALE) != 0 && tcp->settings.window_scale) {
        conn_set(conn, CONN_WSCALE);
        conn->snd_wscale = syn->wscale;
    }
    if ((syn->options & WIRE_OPTION_TIMESTAMPS) != 0 && tcp->settings.timestamps) {
        conn_set(conn, CONN_TIMESTAMPS);
        conn->ts_recent = syn->tsval;
        conn->ts_recent_at = tcp_coarse(tcp->now_ns);
    }
    agree_on_limits(conn);
    tcp_on_timeout_option(tcp, conn, syn);
}

static void remember_times(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->work->progress_ns = tcp->now_ns;
    conn->heard_tick = conn_tick(tcp->now_ns);
}

void tcp_open_tell(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->back->listener != 0) {
        struct tcp_listener *listener = pool_at(&tcp->listeners, conn->back->listener - 1);
        list_add_last(&listener->queue, &conn->event.node);
        event_note(tcp->events, &listener->event, BERTH_EVENT_ACCEPTABLE);
    }
    tcp_conn_note(tcp, conn, BERTH_EVENT_CONNECTED | BERTH_EVENT_WRITABLE);
}

/* Both SYNs are acknowledged. */
void tcp_establish(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->state = BERTH_TCP_ESTABLISHED;
    if (conn_has(conn,
                 CONN_SYN_NOW)) { /* both SYNs crossed: a SYN,ACK is owed no more, an ACK is */
        conn_clear(conn, CONN_SYN_NOW);
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
    bool early = conn->back->fast_early;
    if (conn->probes == 1 &&
        !(early &&
          conn->snd_nxt != conn->back->iss + 1)) { /* the SYN was sent once: Karn (RFC 6298 3) */
        tcp_rtt_min(tcp, conn, tcp->now_ns - conn->work->sent_ns);
        tcp_rtt_sample(tcp, conn, max_u64(tcp->now_ns - conn->work->sent_ns, 1));
    }
    tcp_pmtu_begin(tcp, conn);
    uint32_t window = tcp->settings.initial_window;
    if (conn->work->backoff > 0) {
        window = 1; /* the SYN was lost: RFC 5681 3.1, RFC 6298 (5.7) */
        conn->back->syn_lost = true;
        conn->work->rto_ns_base = tcp_rtt_base(tcp, conn);
    }
    bool controlled = early && conn->work->backoff == 0; /* since it was opened */
    conn->work->rto_ns = BERTH_NEVER;
    conn->work->backoff = 0;
    conn->probes = 0;
    conn->work->unanswered = 0;
    conn->back->timeout_now = true;
    remember_times(tcp, conn);
    if (!controlled) {
        tcp_control(tcp, conn, conn->work->cc.table, window);
        conn->work->round_end = conn->snd_nxt;
    }
    tcp_ecn_established(tcp, conn);
    tcp->stats->tcp_opened++;
    tcp_outcome_opened(tcp, conn);
    if (!conn_has(conn, CONN_ACTIVE)) {
        tcp_time_wait_overcome(tcp, conn);
    }
    tcp_work_settle(tcp, conn);
    if (conn_has_unsent(conn)) {
        tcp_conn_ready(tcp, conn);
    }
    if (early) {
        tcp_fast_complete(tcp, conn);
    } else {
        tcp_open_tell(tcp, conn);
    }
}

/* RFC 9293 3.10.1, OPEN, active. */
int tcp_connect(struct tcp *tcp, const struct berth_endpoint *local,
                const struct berth_endpoint *remote, bool owns_port, struct tcp_conn **out)
{
    struct tcp_pair pair = tcp_pair(tcp, local, remote);
    struct tcp_time_wait *wait = tcp_find_time_wait(tcp, &pair);
    bool taken = tcp_find(tcp, &pair) != NULL || tcp_find_syn(tcp, &pair) != NULL ||
                 (wait != NULL && !wait->timestamps);
    struct tcp_conn *conn = taken ? NULL : tcp_conn_new(tcp, &pair);
    if (conn == NULL) {
        if (owns_port && (wait == NULL || !wait_has_port(wait))) {
            struct ports_use use = {
                .local = local->address, .remote = *remote, .protocol = BERTH_TCP};
            ports_give(tcp->ports, &use, local->port);
        }
        return taken ? BERTH_E_IN_USE : BERTH_E_LIMIT;
    }
    if (wait != NULL) { /* RFC 6191 2: a newer timestamp tells old from new */
        tcp_time_wait_reopen(tcp, wait);
        if (owns_port) { /* its port is the new connection's now */
            wait_set_number(wait, WAIT_PORT, 0);
        }
        tcp_time_wait_end(tcp, wait);
    }
    conn->state = BERTH_TCP_SYN_SENT;
    conn_set(conn, CONN_ACTIVE | CONN_SYN_NOW | (owns_port ? (uint32_t)CONN_OWNS_PORT : 0));
    tcp_open_begin(tcp, conn, tcp_initial_sequence(tcp, &pair));
    tcp_conn_ready(tcp, conn);
    *out = conn;
    return 0;
}

/* At the limit the newest goes: a SYN cookie is no way out, for it would say that the port is open
 * before the owner has decided; and whoever is held longest is nearest to an answer. */
enum berth_drop tcp_hold(struct tcp *tcp, const struct tcp_pair *pair,
                         const struct wire_packet *packet, const struct berth_verdict *verdict)
{
    if (tcp->held >= tcp->held_max) {
        return BERTH_DROP_HELD_LIMIT;
    }
    struct tcp_conn *conn = tcp_conn_new(tcp, pair);
    if (conn == NULL) {
        return BERTH_DROP_CONNECTION_LIMIT;
    }
    tcp_open_begin(tcp, conn, tcp_initial_sequence(tcp, pair));
    tcp_take_syn(tcp, conn, packet);
    tcp_ecn_on_syn(tcp, conn, packet);
    conn->state = BERTH_TCP_LISTEN;
    conn->back->rule = verdict->rule;
    conn->back->rule_log = verdict->log;
    conn->back->rule_by_name = verdict->by_name;
    conn->back->rule_needs_process = verdict->needs_process;
    conn->back->rule_limited = verdict->limited;
    conn->back->rule_action = verdict->action & 3U;
    conn_set(conn, CONN_HELD | CONN_UNOWNED);
    tcp->held++;
    tcp_timer_idle(tcp, conn);
    event_note(tcp->events, &conn->event, BERTH_EVENT_HELD);
    return BERTH_DROP_NONE;
}

int tcp_held_accept(struct tcp *tcp, struct tcp_conn *conn, void *user)
{
    if (!conn_has(conn, CONN_HELD)) {
        return conn->state == BERTH_TCP_CLOSED && conn->back->error != 0 ? conn->back->error
                                                                         : BERTH_E_STATE;
    }
    conn_clear(conn, CONN_HELD | CONN_UNOWNED);
    conn_set(conn, CONN_SYN_NOW);
    tcp->held--;
    conn->back->user = user;
    conn->state = BERTH_TCP_SYN_RECEIVED;
    tcp_timer_idle(tcp, conn);
    tcp_conn_ready(tcp, conn);
    return 0;
}

void tcp_held_end(struct tcp *tcp, struct tcp_conn *conn, bool reset)
{
    conn_set(conn, CONN_ORPHAN);
    if (conn->state == BERTH_TCP_CLOSED) {
        tcp_conn_free(tcp, conn);
        return;
    }
    if (reset) {
        conn_clear(conn, CONN_HELD);
        tcp->held--;
        event_forget(&conn->event);
        conn->work->idle_ns = BERTH_NEVER;
        conn->snd_una = 0; /* RFC 9293 3.10.7.1: a RST for a SYN has sequence number 0 */
        conn->snd_nxt = 0;
        conn->snd_end = 0;
        conn_set(conn, CONN_RST_NOW);
        tcp_conn_ready(tcp, conn);
        return;
    }
    tcp_conn_end(tcp, conn, BERTH_E_ABORTED);
}

static bool is_ack_of_syn(const struct tcp_conn *conn, const struct wire_tcp *segment)
{
    return seq_gt(segment->ack, conn->back->iss) && seq_leq(segment->ack, conn->snd_nxt);
}

/* The SYN is there: with an ACK of ours the connection stands, without one it is simultaneous. */
static void on_syn(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet,
                   bool acknowledged)
{
    const struct wire_tcp *segment = &packet->tcp;
    tcp_take_syn(tcp, conn, packet);
    if (!acknowledged) {
        tcp_ecn_on_syn(tcp, conn, packet);
        conn->state = BERTH_TCP_SYN_RECEIVED; /* RFC 9293 3.5, figure 7 */
        conn_set(conn, CONN_SYN_NOW);
        tcp_conn_ready(tcp, conn);
        return;
    }
    tcp_ecn_on_syn_ack(tcp, conn, packet);
    tcp_fast_answered(tcp, conn, segment);
    conn->snd_una = conn->back->iss + 1;
    conn->snd_wl2 = segment->ack;
    tcp_establish(tcp, conn);
    tcp_fast_settle(tcp, conn, segment->ack);
    bool apart = conn->back->ledger->ecn.answer; /* no data says what the ACK does: RFC 9768 */
    if (segment->ack != conn->back->iss + 1 && !apart) {
        tcp_ack_soon(tcp, conn); /* it has text of ours already: its answer may be near */
    } else {
        conn_set(conn, CONN_ACK_NOW);
        tcp_conn_ready(tcp, conn);
    }
}

/* RFC 9293 3.10.7.3. */
enum berth_drop tcp_on_syn_sent(struct tcp *tcp, struct tcp_conn *conn,
                                const struct wire_packet *packet)
{
    const struct wire_tcp *segment = &packet->tcp;
    bool has_ack = (segment->flags & WIRE_ACK) != 0;
    if (has_ack && !is_ack_of_syn(conn, segment)) {
        if ((segment->flags & WIRE_RST) == 0) {
            tcp_reset_for(tcp, packet);
        }
        return BERTH_DROP_TCP_BAD_ACK;
    }
    if ((segment->flags & WIRE_RST) != 0) {
        if (!has_ack) {
            return BERTH_DROP_TCP_STATE;
        }
        if (tcp_ecn_may_retry(conn)) {
            tcp_ecn_on_reset(tcp, conn);
            return BERTH_DROP_NONE;
        }
        tcp_conn_end(tcp, conn, BERTH_E_REFUSED);
        return BERTH_DROP_NONE;
    }
    if ((segment->flags & WIRE_SYN) == 0) {
        return BERTH_DROP_TCP_STATE;
    }
    on_syn(tcp, conn, packet, has_ack);
    return BERTH_DROP_NONE;
}
