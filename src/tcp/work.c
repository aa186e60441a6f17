/* SPDX-License-Identifier: MIT */
/*
 * What connections have beside themselves: a record of work while something is under way, a ledger
 * where there is something to keep in it. There are as many of each as connections, and their
 * memory is touched only when they are used: a million connections at rest have none.
 *
 *   without     anything is written, sent, or comes out of order   with       tcp_work_need
 *   with        established, and nothing was sent for FRESH_NS     without    tcp_work_timeout
 *   with        an RTO has passed since the last segment           without    tcp_work_timeout
 *   with        the connection ends                                without    tcp_work_end
 */
#include "tcp/parts.h"

#define FRESH_NS (2 * NS_PER_MS) /* who speaks first has mostly spoken by then */

#define NO_HEAD(list)                                                      \
    {                                                                      \
        (struct list_node *)&(list).head, (struct list_node *)&(list).head \
    }

const struct tcp_work tcp_no_work = {
    .rto_ns = BERTH_NEVER,
    .rack_ns = BERTH_NEVER,
    .idle_ns = BERTH_NEVER,
    .rest_ns = BERTH_NEVER,
    .sent.order.head = NO_HEAD(tcp_no_work.sent.order),
    .in_flight.head = NO_HEAD(tcp_no_work.in_flight),
    .reorder.order.head = NO_HEAD(tcp_no_work.reorder.order),
    .reorder_recent.head = NO_HEAD(tcp_no_work.reorder_recent),
};

const struct tcp_ledger tcp_no_ledger = {0};

void tcp_work_init(struct tcp *tcp, struct arena *arena, uint32_t connections)
{
    pool_init(&tcp->works, arena, connections, sizeof(struct tcp_work));
    pool_init(&tcp->ledgers, arena, connections + 1, sizeof(struct tcp_ledger)); /* 1: half.c's */
}

/* WORK as that of a connection with nothing under way. */
void tcp_work_clear(const struct tcp *tcp, struct tcp_work *work)
{
    memset(work, 0, tcp->works.item_bytes); /* by the library: in place it is a word a step */
    work->rto_ns = BERTH_NEVER;
    work->rack_ns = BERTH_NEVER;
    work->idle_ns = BERTH_NEVER;
    work->rest_ns = BERTH_NEVER;
    work->progress_ns = tcp->now_ns;
    work->sent_ns = tcp->now_ns;
    tree_init(&work->sent);
    list_init(&work->in_flight);
    tree_init(&work->reorder);
    list_init(&work->reorder_recent);
}

/* CONN, at its birth, which nobody knows yet. */
void tcp_work_begin(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = pool_take(&tcp->works);
    BERTH_CHECK(work != NULL); /* there is one for each */
    tcp_work_clear(tcp, work);
    work->owner = pool_index(&tcp->conns, conn);
    conn->work = work;
}

/* Its new record says what CONN knew when it went to rest. */
void tcp_work_resume(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = conn->work;
    /* rounded up: without a rest before (move.c) it may be just now */
    work->sent_ns = min_u64(conn_tick_ns(conn->back->sent_tick, tcp->now_ns), tcp->now_ns);
    work->snd_small = conn->snd_una;
    work->rack_end = conn->snd_una; /* all that leaves from now on is behind */
    work->rack_fack = conn->snd_una;
    work->rack_rtt_ns = conn_srtt_ns(conn);
    work->round_end = conn->snd_nxt;
    work->rto_ns_base = tcp_rtt_base(tcp, conn);
    cc_take_up(&work->cc, &conn->back->cc_rest, conn->mss, tcp->settings.initial_window);
    work->rest_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn));
    tcp_timer_by(tcp, conn, work->rest_ns);
}

/* CONN at rest wakes: what it is about to write, it writes into a record. */
void tcp_work_attach(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp_work_begin(tcp, conn);
    tcp_work_resume(tcp, conn);
}

/* What its owner may still ask of it, and what it begins with when it wakes. */
static void remember(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = conn->work;
    tcp_count_stop(tcp, conn);
    conn->back->sent_tick = conn_tick(work->sent_ns);
    cc_lay_down(&work->cc, &conn->back->cc_rest);
}

/* Its record goes, with all that is in it. */
void tcp_work_end(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_work *work = conn->work;
    if (conn_is_at_rest(conn)) {
        return;
    }
    if (!conn_has(conn, CONN_ORPHAN)) {
        remember(tcp, conn);
    }
    if (work->send_first != NULL || work->reserved != NULL) {
        tcp_sendq_clear(tcp, conn);
    }
    if (!tree_is_empty(&work->sent)) {
        tcp_score_clear(tcp, conn);
    }
    if (work->reorder_count > 0) {
        tcp_reorder_clear(tcp, conn);
    }
    tcp_pace_end(tcp, conn);
    list_remove(&work->starved);
    conn->work = (struct tcp_work *)&tcp_no_work;
    pool_give(&tcp->works, work);
}

/* Is nothing under way? */
static bool is_quiet(const struct tcp_conn *conn)
{
    const struct tcp_work *work = conn->work;
    bool sent = conn->snd_una == conn->snd_nxt && !conn_has_unsent(conn) &&
                work->send_first == NULL && work->reserved == NULL;
    bool received = work->reorder_count == 0 && !work->dsack_owed && !conn_has(conn, CONN_FIN_SEEN);
    return sent && received && conn_is_synchronised(conn) && work->idle_ns == BERTH_NEVER &&
           !list_has(&work->starved) &&
           !conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT | CONN_PERSIST | CONN_URGENT_OUT |
                               CONN_FORCE_NOW | CONN_SYN_NOW);
}

/* Is it still to be found out what the last timeout or probe meant? The backed-off timeout stays
 * until a round trip has been measured (RFC 6298 5, Karn: RFC 1122 4.2.3.1), and without one there
 * is no second probe (RFC 8985 7.2): else a path that has become slow would have every segment sent
 * twice, and none measured. Whether a probe has mended a loss the next ACK tells (7.4). */
static bool is_unsettled(const struct tcp_work *work)
{
    return work->backoff > 0 || work->tlp_no_rtt || work->tlp_out;
}

/* Puts down what CONN knows, as for a rest, but its congestion control keeps its window: it goes on
 * at once. False: something is under way. */
bool tcp_work_lay_down(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn_is_at_rest(conn)) {
        return true;
    }
    if (!is_quiet(conn) || is_unsettled(conn->work) || conn->back->ledger->ecn.paused) {
        return false;
    }
    tcp_ecn_rest(tcp, conn);
    tcp_work_end(tcp, conn);
    return true;
}

/* Does its congestion control know nothing that a rest would take from it? A controller that
 * measures goes on knowing what it has measured. */
static bool may_forget(const struct tcp *tcp, const struct tcp_conn *conn)
{
    const struct tcp_work *work = conn->work;
    bool never_sent = conn->snd_nxt == conn->back->iss + 1;
    bool idle = tcp->now_ns - work->sent_ns > tcp_rto(tcp, conn);
    return work->rate == NULL && work->cc.table->rest != NULL && !conn->back->ledger->ecn.paused &&
           !is_unsettled(work) && (never_sent || idle);
}

/* CONN gives its record back if it has no use for it. */
static bool rest(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!is_quiet(conn) || !may_forget(tcp, conn)) {
        return false;
    }
    tcp_ecn_rest(tcp, conn);
    if (conn->snd_nxt != conn->back->iss + 1) {
        conn->work->cc.table->on_idle(&conn->work->cc, tcp->now_ns); /* RFC 5681 4.1 */
    }
    tcp_work_end(tcp, conn);
    return true;
}

/* rest_ns has come. What is held up for long is asked ever more seldom: when it goes on and is
 * done, tcp_work_done says so. */
void tcp_work_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    if (rest(tcp, conn)) {
        return;
    }
    struct tcp_work *work = conn->work;
    uint64_t rto_ns = tcp_rto(tcp, conn);
    uint64_t idle_ns = tcp->now_ns - work->sent_ns;
    bool is_due = idle_ns > rto_ns;
    work->rest_ns = is_due ? add_sat_u64(tcp->now_ns, max_u64(idle_ns, NS_PER_S))
                           : add_sat_u64(work->sent_ns, rto_ns + 1);
}

void tcp_work_recall(struct tcp *tcp, struct tcp_conn *conn)
{
    uint64_t soon_ns = add_sat_u64(tcp->now_ns, tcp_rto(tcp, conn) + 1);
    if (conn_is_synchronised(conn) && conn->work->rest_ns > soon_ns) {
        conn->work->rest_ns = soon_ns;
        tcp_timer_by(tcp, conn, soon_ns);
    }
}

/* CONN has become synchronised: its record goes soon, if nothing is said; most say something. */
void tcp_work_settle(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->work->rest_ns = add_sat_u64(tcp->now_ns, FRESH_NS);
    tcp_timer_arm(tcp, conn);
}

/* Where CONN keeps what few connections have. */
struct tcp_ledger *tcp_ledger_need(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->back->ledger == &tcp_no_ledger) {
        struct tcp_ledger *ledger = pool_take(&tcp->ledgers);
        BERTH_CHECK(ledger != NULL); /* there is one for each */
        *ledger = (struct tcp_ledger){0};
        conn->back->ledger = ledger;
    }
    return conn->back->ledger;
}

void tcp_ledger_end(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->back->ledger != &tcp_no_ledger) {
        pool_give(&tcp->ledgers, conn->back->ledger);
        conn->back->ledger = (struct tcp_ledger *)&tcp_no_ledger;
    }
}

/* The invariants of work.h. */
void tcp_work_check(const struct tcp_conn *conn)
{
    if (conn_is_at_rest(conn)) {
        BERTH_CHECK(conn->state == BERTH_TCP_CLOSED || is_quiet(conn));
    } else {
        BERTH_CHECK(conn->state != BERTH_TCP_CLOSED);
        BERTH_CHECK(!conn_is_synchronised(conn) || conn->work->rest_ns != BERTH_NEVER);
        BERTH_CHECK(conn->work->rest_ns == BERTH_NEVER || timer_is_set(&conn->back->timer));
    }
}
