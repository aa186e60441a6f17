/* SPDX-License-Identifier: MIT */
/*
 * The TCP side of the berth_held_... calls: SYNs that wait for their owner's answer.
 */
#include "stack/stack.h"
#include "tcp/parts.h"

/* Did it end while it was held, no SYN,ACK having left? */
static bool has_ended_held(const struct tcp_conn *conn)
{
    return conn->state == BERTH_TCP_CLOSED && !conn_has(conn, CONN_ACTIVE) &&
           conn_is_syn_unsent(conn);
}

/* The held SYN of ID, in *OUT, or one that ended while it was held and was not yet given back.
 * BERTH_E_STALE; BERTH_E_STATE: a connection that is not held, or not any more. */
static int find_held(const struct berth *berth, berth_id id, struct tcp_conn **out)
{
    struct tcp_conn *conn = tcp_conn_of(&berth->tcp, stack_id_index(id), stack_id_generation(id));
    if (conn == NULL || conn_has(conn, CONN_ORPHAN) || conn->back->listener != 0) {
        return BERTH_E_STALE;
    }
    if (!conn_has(conn, CONN_HELD) && !has_ended_held(conn)) {
        return BERTH_E_STATE;
    }
    *out = conn;
    return BERTH_OK;
}

/* A rule with a limit allows or asks: where it denies, the limit does. */
static enum berth_reason reason_of(const struct tcp_conn *conn)
{
    if (conn->back->rule < 0) {
        return BERTH_REASON_NO_RULE;
    }
    return conn->back->rule_limited && conn->back->rule_action == BERTH_DENY ? BERTH_REASON_BY_LIMIT
                                                                             : BERTH_REASON_BY_RULE;
}

int stack_held_tcp(const struct berth *berth, berth_id id, struct berth_held *out)
{
    struct tcp_conn *conn;
    int error = find_held(berth, id, &conn);
    if (error != 0) {
        return error;
    }
    *out = (struct berth_held){.protocol = BERTH_TCP,
                               .local = conn->local,
                               .remote = conn->remote,
                               .verdict = {.action = (enum berth_action)conn->back->rule_action,
                                           .log = conn->back->rule_log,
                                           .needs_process = conn->back->rule_needs_process,
                                           .by_name = conn->back->rule_by_name,
                                           .limited = conn->back->rule_limited,
                                           .reason = (uint8_t)reason_of(conn),
                                           .rule = conn->back->rule}};
    return 0;
}

int stack_held_tcp_accept(struct berth *berth, berth_id id, void *user)
{
    struct tcp_conn *conn;
    int error = find_held(berth, id, &conn);
    return error != 0 ? error : tcp_held_accept(&berth->tcp, conn, user);
}

int stack_held_tcp_end(struct berth *berth, berth_id id, int reason)
{
    struct tcp_conn *conn;
    int error = find_held(berth, id, &conn);
    if (error != 0) {
        return error;
    }
    if (reason >= 0 && conn->state != BERTH_TCP_CLOSED) {
        struct wire_quote quote = {.source = conn->remote.address,
                                   .destination = conn->local.address,
                                   .source_port = conn->remote.port,
                                   .destination_port = conn->local.port,
                                   .protocol = WIRE_TCP,
                                   .tcp_seq = conn->back->irs,
                                   .has_tcp_seq = true};
        ip_send_unreachable_quote(&berth->ip, &quote, (enum berth_unreachable)reason,
                                  berth->now_ns);
    }
    tcp_held_end(&berth->tcp, conn, reason == STACK_HELD_RESET);
    return 0;
}
