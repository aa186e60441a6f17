/* SPDX-License-Identifier: MIT */
/*
 * Path MTU from routers' messages (RFC 1191, RFC 8201): a message is believed only about data in
 * flight (RFC 5927 7.2), only downwards, and never below a floor.
 */
#include "tcp/conn.h"

#define MTU_FLOOR_V4 552U  /* RFC 1191 says 68; what Linux takes as least (min_pmtu) */
#define MTU_FLOOR_V6 1280U /* RFC 8200 5 */

void tcp_on_too_big(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, uint32_t mtu)
{
    bool ours = seq_geq(seq, conn->snd_una) && seq_lt(seq, conn->snd_nxt);
    if (!ours || !conn_is_synchronised(conn)) {
        return;
    }
    bool v4 = berth_address_is_v4(&conn->remote.address);
    uint32_t headers = v4 ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
    uint32_t options = conn_has(conn, CONN_TIMESTAMPS) ? 12 : 0;
    mtu = max_u32(mtu, v4 ? MTU_FLOOR_V4 : MTU_FLOOR_V6);
    uint32_t mss = mtu - headers - WIRE_TCP_HEADER_BYTES - options;
    if (mss >= conn->mss) {
        return;
    }
    conn->mss = (uint16_t)mss;
    conn->cc.mss = mss;
    /* Dropped for their size, not for congestion: sent again without a word to `cc` (RFC 1191
     * 6.5). */
    tcp_score_all_lost(conn, false);
    tcp_conn_ready(tcp, conn);
}
