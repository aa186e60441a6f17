/* SPDX-License-Identifier: MIT */
/*
 * tcp/outcome.c: see tcp/outcome.h.
 */
#include "tcp/parts.h"

#define GONE_ALIGNMENT 4096 /* a page's: so it is in no more than it takes */

void tcp_outcome_init(struct tcp *tcp, struct arena *arena)
{
    struct tcp_outcomes *outcomes = &tcp->outcomes;

    outcomes->ring =
        arena_take(arena, TCP_OUTCOMES, sizeof *outcomes->ring, _Alignof(struct tcp_outcome));
    outcomes->gone = arena_take(arena, TCP_GONE, sizeof *outcomes->gone, GONE_ALIGNMENT);
}

static void note(struct tcp *tcp, const struct tcp_conn *conn, enum tcp_outcome_kind kind)
{
    struct tcp_outcomes *outcomes = &tcp->outcomes;

    if (outcomes->count == TCP_OUTCOMES) {
        outcomes->first = (outcomes->first + 1) % TCP_OUTCOMES;
        outcomes->count--;
    }
    uint32_t index = tcp_conn_index(tcp, conn);
    uint32_t generation = conn->back->generation;
    outcomes->ring[(outcomes->first + outcomes->count) % TCP_OUTCOMES] =
        (struct tcp_outcome){.local = conn->local,
                             .remote = conn->remote,
                             .kind = kind,
                             .active = conn_has(conn, CONN_ACTIVE),
                             .index = index,
                             .generation = generation};
    outcomes->count++;
}

void tcp_outcome_opened(struct tcp *tcp, const struct tcp_conn *conn)
{
    note(tcp, conn, TCP_OUTCOME_OPENED);
}

/* Who opened it has said something. */
static bool is_used(const struct tcp_conn *conn)
{
    if (conn_has(conn, CONN_ACTIVE)) {
        return conn->snd_end != conn->back->iss + 1;
    }
    return conn->rcv_nxt - conn->back->irs != (conn_has(conn, CONN_FIN_RECEIVED) ? 2U : 1U);
}

/* Does ERROR say something of whom we called? Not that we gave up ourselves, nor that there is no
 * network at all. */
static bool is_answer(int error)
{
    return error == BERTH_E_REFUSED || error == BERTH_E_TIMED_OUT || error == BERTH_E_RESET ||
           error == BERTH_E_HOST_UNREACHABLE || error == BERTH_E_PROHIBITED;
}

/* Answered, and reset by who called: as a half-open scan does. (What has a listener is a record of
 * half.c until it is established.) */
static bool is_walked_away(const struct tcp_conn *conn, int error)
{
    return conn->state == BERTH_TCP_SYN_RECEIVED && error == BERTH_E_RESET;
}

/* Never 0: that is an entry without a four-tuple. */
static uint32_t seconds_now(const struct tcp *tcp)
{
    return (uint32_t)(tcp->now_ns / NS_PER_S) + 1;
}

void tcp_outcome_left(struct tcp *tcp, const struct tcp_conn *conn)
{
    tcp->outcomes.gone[conn->hash % TCP_GONE] =
        (struct tcp_gone){.hash = conn->hash, .iss = conn->back->iss, .at_s = seconds_now(tcp)};
    if (conn_is_synchronised(conn) && is_used(conn)) {
        note(tcp, conn, TCP_OUTCOME_USED);
    }
}

void tcp_outcome_joined(struct tcp *tcp, const struct tcp_conn *conn)
{
    if (!is_used(conn)) {
        note(tcp, conn, TCP_OUTCOME_OPENED);
    }
}

void tcp_outcome_ended(struct tcp *tcp, const struct tcp_conn *conn, int error)
{
    bool failed = conn_has(conn, CONN_ACTIVE) ? is_answer(error) : is_walked_away(conn, error);
    tcp_outcome_left(tcp, conn);
    if (!conn_is_synchronised(conn) && failed) {
        note(tcp, conn, TCP_OUTCOME_FAILED);
    }
}

bool tcp_outcome_next(struct tcp *tcp, struct tcp_outcome *out)
{
    struct tcp_outcomes *outcomes = &tcp->outcomes;

    if (outcomes->count == 0) {
        return false;
    }
    *out = outcomes->ring[outcomes->first];
    outcomes->first = (outcomes->first + 1) % TCP_OUTCOMES;
    outcomes->count--;
    return true;
}

bool tcp_outcome_is_used(const struct tcp *tcp, const struct tcp_outcome *outcome, bool *is_over)
{
    const struct tcp_conn *conn = tcp_conn_of(tcp, outcome->index, outcome->generation);

    *is_over = conn == NULL || conn->state == BERTH_TCP_CLOSED;
    return !*is_over && is_used(conn);
}

bool tcp_is_gone(const struct tcp *tcp, const struct tcp_pair *pair)
{
    const struct tcp_gone *gone = &tcp->outcomes.gone[(uint32_t)pair->hash % TCP_GONE];

    return gone->at_s != 0 && gone->hash == (uint32_t)pair->hash &&
           seconds_now(tcp) - gone->at_s < TCP_GONE_NS / NS_PER_S;
}

bool tcp_is_gone_from(const struct tcp *tcp, const struct tcp_pair *pair, uint32_t iss)
{
    return tcp_is_gone(tcp, pair) && tcp->outcomes.gone[(uint32_t)pair->hash % TCP_GONE].iss == iss;
}
