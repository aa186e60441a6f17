/* SPDX-License-Identifier: MIT */
/*
 * The TCP side of the berth_held_... calls: SYNs that wait for their owner's answer.
 */
#include "stack/stack.h"
#include "tcp/parts.h"

/* A held SYN, or one that ended while it was held and was not yet given back. */
static struct tcp_conn *held_of(const struct berth *berth, berth_id id)
{
    struct tcp_conn *conn = tcp_conn_of(&berth->tcp, stack_id_index(id), stack_id_generation(id));
    bool held = conn != NULL && !conn_has(conn, CONN_ORPHAN) && conn->back->listener == 0 &&
                (conn_has(conn, CONN_HELD) || conn->state == BERTH_TCP_CLOSED);
    return held ? conn : NULL;
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
    const struct tcp_conn *conn = held_of(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
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
    struct tcp_conn *conn = held_of(berth, id);
    return conn == NULL ? BERTH_E_STALE : tcp_held_accept(&berth->tcp, conn, user);
}

int stack_held_tcp_end(struct berth *berth, berth_id id, int reason)
{
    struct tcp_conn *conn = held_of(berth, id);
    if (conn == NULL) {
        return BERTH_E_STALE;
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
