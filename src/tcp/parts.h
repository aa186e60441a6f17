/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder offer each other, file by file; conn.h has what they work on. What
 * the stack may call is in tcp.h.
 */
#ifndef TCP_PARTS_H
#define TCP_PARTS_H

#include "tcp/conn.h"

/* conn.c */
void tcp_conn_init(struct tcp *tcp, struct tcp_conn *conn, struct tcp_back *back,
                   const struct tcp_pair *pair, struct tcp_work *work);
struct tcp_conn *tcp_conn_new(struct tcp *tcp, const struct tcp_pair *pair);
void tcp_conn_end(struct tcp *tcp, struct tcp_conn *conn,
                  int error); /* state CLOSED, event or freed */
void tcp_conn_free(struct tcp *tcp, struct tcp_conn *conn);
void tcp_conn_leave(struct tcp *tcp, struct tcp_conn *conn); /* to go on in another stack: freed */
void tcp_conn_note(struct tcp *tcp, struct tcp_conn *conn, uint32_t bits);
void tcp_conn_soft_error(struct tcp *tcp, struct tcp_conn *conn, int error); /* told, no more */
void tcp_conn_check(const struct tcp_conn *conn); /* the invariants above */

/* ready.c */
void tcp_ready_init(struct tcp *tcp);
void tcp_ready_add(struct tcp *tcp, struct tcp_conn *conn);
void tcp_ready_remove(struct tcp *tcp, struct tcp_conn *conn);
/* CONN may have something to send. */
static inline void tcp_conn_ready(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->ready.next == 0) {
        tcp_ready_add(tcp, conn);
    }
}
static inline void tcp_conn_unready(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->ready.next != 0) {
        tcp_ready_remove(tcp, conn);
    }
}
/* CONN, which is ready, has had its turn: to the end. */
static inline void tcp_conn_requeue(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->ready.next != TCP_TURN_HEAD) {
        tcp_ready_remove(tcp, conn);
        tcp_ready_add(tcp, conn);
    }
}

/* work.c */
void tcp_work_init(struct tcp *tcp, struct arena *arena, uint32_t connections);
void tcp_work_clear(const struct tcp *tcp, struct tcp_work *work);
void tcp_work_begin(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_attach(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_resume(struct tcp *tcp, struct tcp_conn *conn);
bool tcp_work_lay_down(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_end(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_timeout(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_settle(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_recall(struct tcp *tcp, struct tcp_conn *conn);
void tcp_work_check(const struct tcp_conn *conn);
struct tcp_ledger *tcp_ledger_need(struct tcp *tcp, struct tcp_conn *conn);
void tcp_ledger_end(struct tcp *tcp, struct tcp_conn *conn);
/* Something is over: if it took long, the record was not to be asked for soon. */
static inline void tcp_work_done(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->work->rest_ns > add_sat_u64(tcp->now_ns, tcp->settings.rto_max_ns)) {
        tcp_work_recall(tcp, conn);
    }
}
/* The record that CONN may write. */
static inline struct tcp_work *tcp_work_need(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_is_at_rest(conn)) {
        tcp_work_attach(tcp, conn);
    }
    return conn->work;
}

/* options.c */
void tcp_options_inherit(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_options *options);
struct tcp_options *tcp_options_own(struct tcp *tcp, const struct tcp_options **options);
void tcp_options_release(struct tcp *tcp, const struct tcp_options **options);

/* open.c */
void tcp_open_limits(const struct tcp *tcp, struct tcp_conn *conn); /* that our SYN announces */
uint32_t tcp_initial_sequence(const struct tcp *tcp, const struct tcp_pair *pair);
void tcp_open_begin(struct tcp *tcp, struct tcp_conn *conn, uint32_t iss);
void tcp_take_syn(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_establish(struct tcp *tcp, struct tcp_conn *conn);
void tcp_open_tell(struct tcp *tcp, struct tcp_conn *conn); /* its owner, or who accepts */
enum berth_drop tcp_on_syn_sent(struct tcp *tcp, struct tcp_conn *conn,
                                const struct wire_packet *packet);
void tcp_syn_options(const struct tcp *tcp, const struct tcp_conn *conn, struct wire_tcp *out);

/* ecn.c */
void tcp_ecn_begin(struct tcp *tcp, struct tcp_conn *conn);
uint16_t tcp_ecn_syn_flags(struct tcp_conn *conn); /* of the SYN or SYN,ACK that leaves now */
/* What a SYN asks of whoever serves the port, as far as we have it. */
enum tcp_ecn_mode tcp_ecn_mode_of(const struct tcp *tcp, const struct wire_packet *syn);
void tcp_ecn_on_syn(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *syn);
/* The SYN again, before the handshake is complete; false: it contradicts the first. */
bool tcp_ecn_on_syn_again(const struct tcp *tcp, struct tcp_conn *conn,
                          const struct wire_packet *syn);
void tcp_ecn_on_syn_ack(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
/* Another, in SYN-RECEIVED or later: its flags say nothing of an ACK. */
void tcp_ecn_on_syn_ack_again(struct tcp_conn *conn, struct wire_packet *packet);
bool tcp_ecn_may_retry(const struct tcp_conn *conn);
void tcp_ecn_on_reset(struct tcp *tcp, struct tcp_conn *conn); /* the SYN goes again, without */
void tcp_ecn_on_handshake_ack(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_ecn_established(struct tcp *tcp, struct tcp_conn *conn);
void tcp_ecn_on_segment(struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_ecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet); /* on its way out */
void tcp_ecn_send_new(struct tcp_conn *conn, struct wire_packet *packet);    /* likewise */

struct tcp_acked;
/* Does an ACK, already taken in, tell of marks? */
bool tcp_ecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                     const struct tcp_acked *acked);
void tcp_ecn_react(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked,
                   bool is_told);
void tcp_ecn_on_loss(struct tcp_conn *conn); /* the window was reduced for another reason */
void tcp_ecn_rest(struct tcp *tcp, struct tcp_conn *conn);

/* accecn.c */
void tcp_accecn_begin(const struct tcp *tcp, struct tcp_conn *conn);
uint16_t tcp_accecn_handshake_flags(const struct tcp_conn *conn);
void tcp_accecn_on_syn_ack(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_accecn_take_reply(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_accecn_on_handshake_ack(struct tcp_conn *conn, const struct wire_packet *packet);
bool tcp_accecn_on_segment(struct tcp_conn *conn, const struct wire_packet *packet);
uint16_t tcp_accecn_flags(const struct tcp_conn *conn); /* the ACE field, 0 in other modes */
void tcp_accecn_acknowledge(struct tcp_conn *conn, struct wire_packet *packet);
void tcp_accecn_option(const struct tcp_conn *conn, struct wire_tcp *out);
void tcp_accecn_syn_option(const struct tcp_conn *conn, struct wire_tcp *out);
void tcp_accecn_on_loss(struct tcp_conn *conn);
bool tcp_accecn_is_told(struct tcp_conn *conn, const struct wire_packet *packet,
                        const struct tcp_acked *acked);
static inline bool tcp_accecn_is_due(const struct tcp_conn *conn)
{
    const struct tcp_ecn *ecn = &conn->back->ledger->ecn;
    return conn_has(conn, CONN_ECN) && (ecn->news || ecn->untested || ecn->answer) &&
           !ecn->no_option;
}
/* Links that cut super-segments clear CWR behind the first piece, but here it is a counter's. */
static inline bool tcp_accecn_is_whole(const struct tcp_conn *conn)
{
    return conn->back->ledger->ecn.mode == TCP_ECN_ACCURATE &&
           (conn->back->ledger->ecn.cep_in & 2) != 0;
}

/* ack.c */
enum berth_drop tcp_on_ack(struct tcp *tcp, struct tcp_conn *conn,
                           const struct wire_packet *packet);
void tcp_on_fin_acked(struct tcp *tcp, struct tcp_conn *conn);

/* receive.c */
enum berth_drop tcp_on_payload(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival);
void tcp_on_fin(struct tcp *tcp, struct tcp_conn *conn);
void tcp_owe_dsack(struct tcp *tcp, struct tcp_conn *conn, uint32_t left, uint32_t right);
uint32_t tcp_receive_window(const struct tcp *tcp,
                            const struct tcp_conn *conn); /* that could be offered now */
uint32_t tcp_first_window(const struct tcp *tcp, const struct tcp_conn *conn); /* of a SYN */
void tcp_ack_schedule(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
void tcp_ack_soon(struct tcp *tcp, struct tcp_conn *conn); /* within quick_ack_ns */
void tcp_receive_append(struct tcp *tcp, struct tcp_conn *conn, struct tcp_arrival *arrival);
void tcp_offer_window(struct tcp *tcp, struct tcp_conn *conn); /* if that is worth a segment */
void tcp_receive_clear(struct tcp *tcp, struct tcp_conn *conn);

/* reorder.c */
enum berth_drop tcp_reorder_add(struct tcp *tcp, struct tcp_conn *conn,
                                struct tcp_arrival *arrival);
void tcp_reorder_drain(struct tcp *tcp, struct tcp_conn *conn); /* what has become in order */
/* [rcv_nxt, end) has come at once: what of it was here already is owed a D-SACK. */
void tcp_reorder_passed(struct tcp *tcp, struct tcp_conn *conn, uint32_t end);
void tcp_reorder_clear(struct tcp *tcp, struct tcp_conn *conn);
uint8_t tcp_reorder_sack(const struct tcp_conn *conn, struct wire_sack *out, uint8_t max);

void tcp_starve(struct tcp *tcp, struct tcp_conn *conn);
void tcp_starve_writer(struct tcp *tcp, struct tcp_conn *conn);

/* timeout.c */
void tcp_timeout_option(const struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet);
void tcp_on_timeout_option(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment);
uint64_t tcp_keepalive_idle_ns(const struct tcp_conn *conn);

/* tune.c */
void tcp_tune_arrived(const struct tcp *tcp, struct tcp_conn *conn,
                      const struct wire_packet *packet);
void tcp_tune_taken(struct tcp *tcp, struct tcp_conn *conn);
void tcp_tune_sent(struct tcp_conn *conn);
uint32_t tcp_tune_rtt_us(const struct tcp_conn *conn);
/* Of the queue: what it is tuned to, and what it may have now, where many share (tune.c). */
static inline uint32_t tcp_receive_tuned(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t most = conn->back->options->receive_bytes;
    uint32_t tuned = max_u32(conn->back->tune.receive_bytes, tcp->settings.receive_bytes_initial);
    return conn->back->options->receive_fixed ? most : min_u32(most, tuned);
}
static inline uint32_t tcp_receive_limit(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t tuned = tcp_receive_tuned(tcp, conn);
    return conn->back->options->receive_fixed ? tuned : min_u32(tuned, tcp->share.bytes);
}
/* Where the owner bounds the window, maybe below a segment: is half of that gained with EDGE? */
static inline bool tcp_is_half_of_bound(const struct tcp_conn *conn, uint32_t edge)
{
    uint32_t most = conn->back->options->window_bytes;
    return most != 0 && seq_geq(edge, conn->rcv_adv + most / 2);
}
/* With a smaller window a reader waits for more of the pool. */
static inline uint32_t tcp_window_wanted(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t most = conn->back->options->window_bytes;
    uint32_t limit = min_u32(tcp_receive_limit(tcp, conn), conn->mss_own);
    return most != 0 ? min_u32(most, limit) : limit;
}
uint32_t tcp_send_limit(const struct tcp *tcp, const struct tcp_conn *conn);

/* count.c */
void tcp_count_in(const struct tcp *tcp, struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_count_out(struct tcp_conn *conn, const struct wire_packet *packet);
void tcp_count_stop(const struct tcp *tcp, struct tcp_conn *conn);
void tcp_count_change(const struct tcp *tcp, struct tcp_conn *conn);
/* Something was sent, written or acknowledged: what holds the sender up may be something else. */
static inline void tcp_count_busy(const struct tcp *tcp, struct tcp_conn *conn)
{
    bool idle = conn->snd_una == conn->snd_nxt && conn->snd_nxt == conn->snd_end;
    if (!idle || conn->work->busy != TCP_IDLE) {
        tcp_count_change(tcp, conn);
    }
}
void tcp_count_tell(const struct tcp *tcp, const struct tcp_conn *conn, struct berth_tcp_info *out);

/* sendq.c */
bool tcp_sendq_has_room(const struct tcp *tcp, const struct tcp_conn *conn); /* for a writer */
void tcp_sendq_wake(struct tcp *tcp, struct tcp_conn *conn); /* there may be room again */
void tcp_sendq_trim(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
void tcp_sendq_clear(struct tcp *tcp, struct tcp_conn *conn);
/* 0 where the owner may write; else why not: BERTH_E_CLOSED, BERTH_E_STATE, how the connection
 * ended.
 */
int tcp_may_write(const struct tcp_conn *conn);
void tcp_sendq_release(struct tcp *tcp,
                       struct tcp_conn *conn); /* what was reserved and not committed */
/* Views of [seq, seq + bytes); returns how many bytes the views cover. */
uint32_t tcp_sendq_views(struct tcp_conn *conn, uint32_t seq, uint32_t bytes,
                         struct berth_frame *frame);

/* input.c */
bool tcp_is_acceptable(const struct wire_packet *packet, uint32_t rcv_nxt, uint32_t window);

/* transmit.c */
void tcp_describe(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq,
                  struct wire_packet *packet);
void tcp_fill_syn(const struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet);
uint32_t tcp_mss_beside_options(const struct tcp_conn *conn);
/* Payload of a full segment, if sent now. */
static inline uint32_t tcp_mss_now(const struct tcp_conn *conn)
{
    bool options =
        conn->work->reorder_count > 0 || conn->work->dsack_owed || tcp_accecn_is_due(conn);
    uint32_t mss = options ? tcp_mss_beside_options(conn) : conn->mss;
    BERTH_CHECK(mss > 0); /* it divides */
    return mss;
}
uint32_t tcp_burst_bytes(const struct tcp *tcp,
                         const struct tcp_conn *conn); /* that the link is given at once */

struct tcp_acked {
    uint32_t bytes;     /* newly acknowledged, cumulatively */
    uint32_t sacked;    /* newly SACKed */
    uint32_t delivered; /* newly known to have arrived, either way (RFC 9937 6.2) */
    uint32_t flight;    /* pipe before */
    uint64_t rtt_ns;    /* 0: no sample */
    uint64_t resent_ns; /* when the last of it left that had gone again */
    uint32_t tsecr;     /* echoed: the timestamp that came back */
    bool echoed;
    bool duplicate; /* RFC 5681 2: a duplicate ACK */
    bool dsack;     /* it tells of data that arrived twice (RFC 2883) */
    bool lost_more; /* it showed a loss */
    bool limited;   /* cwnd was what kept the sender from sending more */
};

/* scoreboard.c */
struct tcp_sent *tcp_score_first(const struct tcp_conn *conn);
void tcp_score_mark(struct tcp_conn *conn, struct tcp_sent *sent, uint8_t flags);
bool tcp_score_split(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent, uint32_t at);
bool tcp_score_has_room(const struct tcp *tcp, const struct tcp_conn *conn);
bool tcp_score_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes); /* new: snd_nxt on */
void tcp_score_acked(struct tcp *tcp, struct tcp_conn *conn, uint32_t ack, struct tcp_acked *acked);
void tcp_score_sacked(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment,
                      struct tcp_acked *acked);
/* Is something to go again? Not what waits for the ACK of what went before it. */
static inline bool tcp_score_has_lost(const struct tcp_conn *conn)
{
    return conn->work->lost_bytes > 0 && conn->work->sent.root->any;
}
/* The next piece to send again, [*seq, *end), at most MAX bytes, which is whole segments; false:
 * none. It is marked as sent. */
bool tcp_score_resend(struct tcp *tcp, struct tcp_conn *conn, uint32_t max, uint32_t *seq,
                      uint32_t *end);
void tcp_score_again(struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent);
struct tcp_sent *tcp_score_tail(struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
void tcp_score_all_lost(struct tcp_conn *conn, bool reneged);
void tcp_score_large_lost(struct tcp_conn *conn, uint32_t segment);
bool tcp_score_is_sacked_beyond(const struct tcp_conn *conn, uint32_t seq);
void tcp_score_none_lost(struct tcp_conn *conn);
void tcp_score_clear(struct tcp *tcp, struct tcp_conn *conn);

/* rack.c */
void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent,
                        const struct tcp_acked *acked);
void tcp_rack_detect(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_acked *acked);
void tcp_rack_mark_timeout(struct tcp *tcp, struct tcp_conn *conn);
void tcp_rack_recovered(struct tcp_conn *conn);
void tcp_rack_arm_probe(struct tcp *tcp, struct tcp_conn *conn);
void tcp_rack_timeout(struct tcp *tcp, struct tcp_conn *conn);
void tcp_rack_probed(struct tcp *tcp, struct tcp_conn *conn, bool again);
bool tcp_rack_probe_acked(struct tcp_conn *conn, const struct tcp_acked *acked);
void tcp_rack_stop_probe(struct tcp_conn *conn);
void tcp_rack_rest(struct tcp_conn *conn);
void tcp_rack_stop(struct tcp_conn *conn);

/* rate.c: only for connections with a rate. */
/* Before anything is written, taken in, or done by a timer: is the writer what limits CONN? */
void tcp_rate_check(const struct tcp *tcp, struct tcp_conn *conn);
/* SENT leaves now; BEFORE bytes were in flight without it. */
void tcp_rate_sent(const struct tcp *tcp, struct tcp_conn *conn, struct tcp_sent *sent,
                   uint32_t before);
void tcp_rate_delivered(const struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent);
/* BYTES of SENT were in flight, and are lost. */
void tcp_rate_lost(struct tcp_conn *conn, const struct tcp_sent *sent, uint32_t bytes);
void tcp_rate_sample(struct tcp_conn *conn, const struct tcp_acked *acked); /* of this ACK */

/* pace.c */
/* CONN's controller from now on is TABLE, and begins: with WINDOW segments, or with WINDOW 0 it
 * goes on with what there is. */
void tcp_control(struct tcp *tcp, struct tcp_conn *conn, const struct cc_table *table,
                 uint32_t window);
void tcp_pace_end(struct tcp *tcp, struct tcp_conn *conn); /* gives conn->work->rate back */
void tcp_pace_set(struct tcp_conn *conn); /* after an ACK: the pace of those that do not pace */
bool tcp_pace_is_due(const struct tcp *tcp, struct tcp_conn *conn); /* may data leave now? */
void tcp_pace_sent(const struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
static inline uint64_t conn_pace_ns(const struct tcp_conn *conn)
{
    return conn->work->rate != NULL && conn->work->rate->is_waiting ? conn->work->rate->pace_ns
                                                                    : BERTH_NEVER;
}

/* validate.c */
/* Only where there is a conn->work->rate. BYTES were acknowledged, outside of a recovery. */
void tcp_validate_acked(const struct tcp *tcp, struct tcp_conn *conn, uint32_t bytes);
/* Likewise. Data leaves after an idle time of an RTO. False: CONN's window is not kept. */
bool tcp_validate_idle(const struct tcp *tcp, struct tcp_conn *conn);
/* The window is about to be reduced, with FLIGHT bytes in flight: what the controller is to take
 * for in use. And it has been; and the recovery, or the reduction, is over. */
uint32_t tcp_validate_flight(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t flight);
void tcp_validate_reduced(const struct tcp *tcp, const struct tcp_conn *conn);
void tcp_validate_recovered(const struct tcp *tcp, const struct tcp_conn *conn);
/* What was measured says nothing any more: after a timeout, or a loss that was none. */
void tcp_validate_forget(const struct tcp_conn *conn);

/* frto.c */
void tcp_frto_begin(const struct tcp *tcp, struct tcp_conn *conn, bool recovering);
void tcp_frto_end(struct tcp_conn *conn);
bool tcp_frto_judge(struct tcp_conn *conn, const struct tcp_acked *acked);
bool tcp_frto_holds_old(const struct tcp_conn *conn);
bool tcp_frto_holds_new(const struct tcp_conn *conn);
bool tcp_frto_unstick(struct tcp_conn *conn);

/* recovery.c */
void tcp_recovery_begin_reduction(struct tcp_conn *conn, uint32_t flight);
void tcp_recovery_reduce(struct tcp_conn *conn, const struct tcp_acked *acked);
void tcp_recovery_judge(struct tcp *tcp, struct tcp_conn *conn);
void tcp_recovery_react(struct tcp *tcp, struct tcp_conn *conn, struct tcp_acked *acked);
void tcp_recovery_timeout(struct tcp *tcp, struct tcp_conn *conn);

/* path.c */
struct tcp_path *tcp_path_of(struct tcp *tcp, struct tcp_conn *conn);
struct tcp_path *tcp_path_make(struct tcp *tcp, struct tcp_conn *conn);
void tcp_path_told(const struct tcp *tcp, struct tcp_path *path, uint32_t mtu);
void tcp_path_search(const struct tcp *tcp, struct tcp_path *path);
void tcp_path_forget_later(const struct tcp *tcp, struct tcp_path *path);
void tcp_path_found(const struct tcp *tcp, struct tcp_path *path);

/* pmtu.c */
void tcp_pmtu_begin(struct tcp *tcp, struct tcp_conn *conn);
void tcp_pmtu_sync(struct tcp *tcp, struct tcp_conn *conn);
void tcp_pmtu_on_timeout(struct tcp *tcp, struct tcp_conn *conn);
uint32_t tcp_pmtu_probe_bytes(struct tcp *tcp, struct tcp_conn *conn);
void tcp_pmtu_probe_sent(struct tcp_conn *conn, struct tcp_sent *sent);
void tcp_pmtu_probe_arrived(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent);
void tcp_pmtu_probe_lost(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent);
bool tcp_pmtu_is_probe_only(const struct tcp_conn *conn);

/* rtt.c */
void tcp_rtt_init(const struct tcp *tcp, struct tcp_conn *conn);
uint64_t tcp_rtt_base(const struct tcp *tcp, const struct tcp_conn *conn);
void tcp_rtt_min(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns);
void tcp_rtt_sample(const struct tcp *tcp, struct tcp_conn *conn, uint64_t rtt_ns);
uint64_t tcp_rto(const struct tcp *tcp, const struct tcp_conn *conn); /* with backoff */
uint32_t tcp_ts_now(const struct tcp *tcp, const struct tcp_conn *conn);
uint32_t tcp_ts_at(const struct tcp_conn *conn, uint64_t at_ns);

/* timer.c */
void tcp_timer_arm(struct tcp *tcp, struct tcp_conn *conn); /* for the first of all deadlines */
/* DEADLINE_NS is one of CONN's from now on; it is for all others already. */
static inline void tcp_timer_by(struct tcp *tcp, struct tcp_conn *conn, uint64_t deadline_ns)
{
    struct timer *timer = &conn->back->timer;
    if (!timer_is_set(timer) || timer_is_later(timer, deadline_ns)) {
        timer_set(tcp->timers, timer, deadline_ns);
    }
}
/* An ACK is delayed from now on. Once the wheel has an entry for one, none that is delayed later by
 * the full time needs one before it has fired. So a segment does not look at it. */
static inline void tcp_timer_ack(struct tcp *tcp, struct tcp_conn *conn, uint64_t wait_ns)
{
    uint64_t due_ns = tcp->now_ns + wait_ns;
    conn->ack_tick = (uint32_t)timers_tick_of(due_ns);
    conn_set(conn, CONN_ACK_DELAYED);
    if (!conn_has(conn, CONN_ACK_TIMED) || wait_ns < tcp->settings.delayed_ack_ns) {
        conn_set(conn, CONN_ACK_TIMED);
        tcp_timer_by(tcp, conn, due_ns);
    }
}
void tcp_timer_retransmit(struct tcp *tcp, struct tcp_conn *conn); /* (re)start or stop rto_ns */
void tcp_timer_idle(struct tcp *tcp, struct tcp_conn *conn);       /* (re)start or stop idle_ns */
void tcp_timer_stop(struct tcp_conn *conn);                        /* nothing falls due any more */

/* urgent.c */
void tcp_urgent_point(const struct tcp_conn *conn, struct wire_tcp *out); /* on its way out */
void tcp_on_urgent(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment);
void tcp_urgent_read(struct tcp_conn *conn); /* the reader has gone on */
uint32_t tcp_urgent_left(const struct tcp_conn *conn);

/* half.c */
void tcp_half_init(struct tcp *tcp, struct arena *arena, uint32_t count);
void tcp_half_timeout(struct tcp *tcp);
void tcp_half_leave(struct tcp *tcp, struct tcp_listener *listener); /* all of LISTENER's end */

/* keys.c: those of this period of PERIOD_NS and of the one before; older ones are forgotten */
void tcp_keys_seed(struct tcp *tcp, struct tcp_keys *keys);
void tcp_keys_renew(struct tcp *tcp, struct tcp_keys *keys, uint64_t period_ns);

/* fast_open.c */
void tcp_fast_init(struct tcp *tcp, struct arena *arena, uint32_t peers);

/* timewait.c */
void tcp_time_wait_init(struct tcp *tcp, struct arena *arena, uint32_t count);
void tcp_time_wait_timeout(struct tcp *tcp);
void tcp_time_wait_check(const struct tcp *tcp);
void tcp_time_wait_overcome(struct tcp *tcp, const struct tcp_conn *conn);
void tcp_time_wait_enter(struct tcp *tcp, struct tcp_conn *conn);

/* reset.c */
void tcp_reset_for(struct tcp *tcp, const struct wire_packet *packet); /* RFC 9293 3.10.7.1 */
void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn);            /* RFC 5961, throttled */
bool tcp_may_challenge(struct tcp *tcp); /* one of this second's is taken */
bool tcp_reply(struct tcp *tcp,
               const struct wire_packet *packet); /* a segment with no connection behind it */

#endif
