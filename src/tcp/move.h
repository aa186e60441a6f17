/* SPDX-License-Identifier: MIT */
/*
 * Connections that change their stack (<berth/tcp.h>, berth_tcp_export), for the stack's calls.
 */
#ifndef TCP_MOVE_H
#define TCP_MOVE_H

#include "tcp/tcp.h"

/* Errors as the public calls'. CONN is gone after 0. */
int tcp_export(struct tcp *tcp, struct tcp_conn *conn, struct berth_tcp_exported *out);
/* Is EXPORTED from a stack of this one's seed? *NOW_NS: when it left that. */
bool tcp_may_import(struct tcp *tcp, const struct berth_tcp_exported *exported, uint64_t *now_ns);
int tcp_import(struct tcp *tcp, const struct berth_tcp_exported *exported, struct tcp_conn **out);

#endif
