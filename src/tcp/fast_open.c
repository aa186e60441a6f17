/* SPDX-License-Identifier: MIT */
/*
 * TCP Fast Open, both sides (RFC 7413 4): fast_open.h.
 *
 * The server's cookie is a keyed hash of both addresses. Its key is of a period of 12 hours; a
 * cookie is good in its period and in the next, in which a new one comes with the SYN,ACK. What is
 * open before its handshake is complete is counted by its listener, up to a limit, and for a minute
 * longer if a RST ended it (RFC 7413 5.1: else who spoofs sources gets their RSTs to make room).
 *
 * A client's text counts as sent with the SYN. What the SYN,ACK does not take is unsent again: it
 * goes with the ACK, as any text after a handshake.
 */
#include "tcp/fast_open.h"

#define PERIOD_NS        (12 * 3600 * NS_PER_S)
#define COOKIE_BYTES     8U
#define RESET_COUNTED_NS (60 * NS_PER_S)
#define MSS_UNKNOWN      536U /* RFC 7413 4.2.2 */

void tcp_fast_init(struct tcp *tcp, struct arena *arena, uint32_t peers)
{
    list_init(&tcp->fast.order);
    pool_init(&tcp->fast.peers, arena, peers, sizeof(struct tcp_fast_peer));
    table_init(&tcp->fast.table, arena, peers);
}

/* ---- The server's cookies -------------------------------------------------------------------- */

static uint64_t cookie_of(const struct tcp *tcp, const struct wire_packet *packet, bool from_client,
                          uint64_t period)
{
    struct {
        struct berth_address client;
        struct berth_address server;
    } ends = {.client = from_client ? packet->source : packet->destination,
              .server = from_client ? packet->destination : packet->source};
    return hash_keyed(&tcp->fast.keys.keys[period % 2], &ends, sizeof ends);
}

/* RFC 7413 4.1.2, IsCookieValid. *OLD: it is of the period before. */
static bool is_valid(struct tcp *tcp, const struct wire_packet *syn, bool *old)
{
    tcp_keys_renew(tcp, &tcp->fast.keys, PERIOD_NS);
    uint64_t period = tcp->fast.keys.period;
    if (syn->tcp.cookie_bytes != COOKIE_BYTES) {
        return false;
    }
    uint64_t cookie = load_u64(syn->tcp.cookie);
    *old = cookie == cookie_of(tcp, syn, true, period - 1);
    return *old || cookie == cookie_of(tcp, syn, true, period);
}

void tcp_fast_give(struct tcp *tcp, struct wire_packet *syn_ack)
{
    struct wire_tcp *out = &syn_ack->tcp;
    if (wire_tcp_option_bytes(out) + 4 + COOKIE_BYTES > WIRE_TCP_OPTION_BYTES_MAX) {
        return;
    }
    tcp_keys_renew(tcp, &tcp->fast.keys, PERIOD_NS);
    uint64_t cookie = cookie_of(tcp, syn_ack, false, tcp->fast.keys.period);
    memcpy(out->cookie, &cookie, sizeof cookie);
    out->cookie_bytes = COOKIE_BYTES;
    out->options |= WIRE_OPTION_FAST_OPEN;
}

/* ---- The server's connections ---------------------------------------------------------------- */

static bool has_room(const struct tcp *tcp, struct tcp_listener *listener)
{
    if (tcp->now_ns - listener->fast_reset_ns >= RESET_COUNTED_NS) {
        listener->fast_reset = 0;
    }
    return listener->fast_pending + listener->fast_reset < listener->options->fast_open_pending;
}

/* RFC 7413 4.2.2, "Server: Receiving SYN", steps 2 to 4. A four-tuple in TIME-WAIT takes the whole
 * handshake: its SYN may be an old one. */
struct tcp_conn *tcp_fast_accept(struct tcp *tcp, struct tcp_listener *listener,
                                 const struct tcp_pair *pair, const struct wire_packet *packet)
{
    bool old = false;
    enum berth_drop why;
    if (tcp->reopening || !has_room(tcp, listener) || !is_valid(tcp, packet, &old)) {
        return NULL;
    }
    struct tcp_syn syn;
    tcp_half_take(&syn, pair, packet);
    syn.listener = pool_index(&tcp->listeners, listener) + 1;
    syn.iss = tcp_initial_sequence(tcp, pair);
    struct tcp_conn *conn = tcp_half_become(tcp, &syn, &why);
    if (conn == NULL) {
        return NULL;
    }
    conn->back->fast_early = true;
    conn->back->fast_renew = old;
    conn->back->fast_listener = syn.listener;
    conn->probes = 0;
    conn->snd_una =
        conn->back->iss + 1; /* as if it were: text may go, the SYN,ACK does not count */
    conn_set(conn, CONN_SYN_NOW);
    listener->announced = true;
    listener->fast_pending++;
    tcp->stats->tcp_fast_opens++;
    tcp_control(tcp, conn, conn->work->cc.table, tcp->settings.initial_window);
    conn->work->round_end = conn->snd_nxt;
    tcp_open_tell(tcp, conn);
    tcp_conn_ready(tcp, conn);
    return conn;
}

/* Its text, as far as there is a buffer for it: the SYN,ACK says how much was taken. */
enum berth_drop tcp_fast_text(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                              struct berth_buffer *buffer)
{
    struct tcp_arrival arrival = {.packet = packet,
                                  .buffer = buffer,
                                  .payload = packet->payload,
                                  .seq = packet->tcp.seq + 1,
                                  .bytes = min_u32(packet->payload_bytes, conn->mss_own)};
    if (arrival.bytes > 0 && buffers_may_keep(tcp->buffers)) {
        tcp_receive_append(tcp, conn, &arrival);
        conn->rcv_adv = seq_max(conn->rcv_adv, conn->rcv_nxt);
        tcp_conn_note(tcp, conn, BERTH_EVENT_READABLE);
    }
    if (arrival.buffer != NULL) {
        buffers_put(tcp->buffers, arrival.buffer);
    }
    return BERTH_DROP_NONE;
}

/* CONN is no longer one of its listener's that are open early. */
static struct tcp_listener *leave(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->back->fast_early = false;
    if (conn->back->fast_listener == 0) {
        return NULL; /* it has gone */
    }
    struct tcp_listener *listener = pool_at(&tcp->listeners, conn->back->fast_listener - 1);
    conn->back->fast_listener = 0;
    listener->fast_pending--;
    return listener;
}

void tcp_fast_complete(struct tcp *tcp, struct tcp_conn *conn)
{
    (void)leave(tcp, conn);
    if (conn->snd_una != conn->snd_nxt) {
        tcp_timer_retransmit(tcp, conn); /* for the text that went before */
    }
}

void tcp_fast_end(struct tcp *tcp, struct tcp_conn *conn, int error)
{
    if (conn->back->fast_early) {
        struct tcp_listener *listener = leave(tcp, conn);
        if (listener != NULL && error == BERTH_E_RESET) {
            listener->fast_reset++;
            listener->fast_reset_ns = tcp->now_ns;
        }
    } else if (conn->back->fast_asked && conn->state == BERTH_TCP_SYN_SENT &&
               error != BERTH_E_ABORTED) {
        tcp_fast_shun(tcp, conn);
    }
}

/* ---- The client ------------------------------------------------------------------------------ */

/* Text goes with the SYN: what fits a segment of MSS beside the options. */
static void put_text(struct tcp *tcp, struct tcp_conn *conn, uint32_t mss,
                     struct wire_packet *packet, struct berth_frame *frame)
{
    uint32_t options = wire_tcp_option_bytes(&packet->tcp);
    uint32_t room = mss > options ? mss - options : 0;
    bool urgent = conn_has(conn, CONN_URGENT_OUT); /* a SYN does not point to the mark */
    uint32_t bytes = urgent ? 0 : min_u32(conn->snd_end - conn->snd_nxt, room);
    if (bytes == 0 || !tcp_score_sent(tcp, conn, bytes)) {
        return;
    }
    conn->back->fast_text = true;
    packet->payload_bytes = tcp_sendq_views(conn, conn->snd_nxt, bytes, frame);
    BERTH_CHECK(packet->payload_bytes == bytes);
    conn->snd_nxt += bytes;
}

/* RFC 7413 4.2.1 and 4.2.2, "Client: Sending SYN". */
static void offer_with_cookie(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                              struct berth_frame *frame)
{
    const struct tcp_fast_peer *peer = tcp_fast_find(tcp, conn);
    struct wire_tcp *syn = &packet->tcp;
    uint32_t cookie_bytes = peer != NULL ? peer->cookie_bytes : 0;
    bool shunned = peer != NULL && peer->retry_ns > tcp->now_ns;
    if (shunned || wire_tcp_option_bytes(syn) + ((cookie_bytes + 5) & ~3U) > 40) {
        return;
    }
    syn->options |= WIRE_OPTION_FAST_OPEN;
    syn->cookie_bytes = (uint8_t)cookie_bytes;
    conn->back->fast_asked = true;
    if (cookie_bytes == 0) {
        return;
    }
    memcpy(syn->cookie, peer->cookie, cookie_bytes);
    put_text(tcp, conn, min_u32(peer->mss != 0 ? peer->mss : MSS_UNKNOWN, conn->mss_own), packet,
             frame);
}

void tcp_fast_offer(struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet,
                    struct berth_frame *frame)
{
    if (conn->back->options->fast_open_no_cookie) {
        put_text(tcp, conn, conn->mss_own, packet, frame);
    } else if (conn->back->options->fast_open) {
        offer_with_cookie(tcp, conn, packet, frame);
    }
}

/* RFC 7413 4.2.2, "Client: Receiving SYN-ACK", and 4.1.3.1: what it says of the server. */
void tcp_fast_answered(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *syn_ack)
{
    if (!conn->back->fast_asked) {
        return;
    }
    const struct tcp_fast_peer *peer = tcp_fast_find(tcp, conn);
    bool asked = conn->probes == 1 && (peer == NULL || peer->cookie_bytes == 0);
    if ((syn_ack->options & WIRE_OPTION_FAST_OPEN) != 0 && syn_ack->cookie_bytes > 0) {
        tcp_fast_learn(tcp, conn, syn_ack);
    } else if (syn_ack->ack != conn->back->iss + 1) {
        tcp_fast_trust(tcp, conn);
    } else if (conn->back->fast_text || asked) {
        tcp_fast_shun(tcp, conn); /* text not taken, no cookie for who asked */
    }
}

void tcp_fast_settle(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack)
{
    if (!conn->back->fast_text) {
        return;
    }
    conn->back->fast_text = false;
    uint32_t taken = ack - conn->snd_una;
    if (taken > 0) {
        struct tcp_acked acked = {0};
        tcp_score_acked(tcp, conn, ack, &acked);
        conn_acked(conn, ack);
        tcp_sendq_trim(tcp, conn, taken);
    }
    tcp_score_clear(tcp, conn);
    conn->snd_nxt = conn->snd_una;
    conn->work->snd_small = conn->snd_una;
    conn->work->round_end = conn->snd_nxt;
    tcp_timer_retransmit(tcp, conn); /* nothing is out */
    tcp_conn_ready(tcp, conn);
}
