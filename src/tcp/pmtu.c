/* SPDX-License-Identifier: MIT */
/*
 * How large segments may be: what the link, the peer's MSS and the path take.
 *
 * Routers tell (RFC 1191, RFC 8201): a message is believed only about data in flight (RFC 5927
 * 7.2), only downwards, and never below a floor. Where they are silent, a black hole, timeouts tell
 * and probes find out what passes (RFC 4821, RFC 8899): a probe is a segment of new data that is
 * larger than the others; that it is lost says nothing of congestion.
 *
 *   path        event                                                   next
 *   none        "too big"                                               told, until mtu_age
 *   any         three timeouts in a row of one segment larger than BASE mtu BASE, searching
 *   searching   three and more, of one larger than the floor            mtu floor, searching
 *   any         five, or three and a minute, of one over the floor      mtu floor, searching
 *   searching   mtu_age, if who had the timeouts cannot probe           none
 *   searching   the probe arrives                                       mtu is its size
 *   searching   three probes of a size are lost                         high is less than it
 *   searching   high is no more than a little larger than mtu           found, until mtu_age
 *   told        mtu_age                                                 none
 *   found       mtu_age                                                 searching
 */
#include "base/address.h"
#include "tcp/parts.h"

#define MTU_FLOOR_V6 1280U /* RFC 8200 5 */
#define BASE_V4      1200U /* RFC 8899 5.1.2: BASE_PLPMTU */
#define TIMESTAMPS   12U
#define FLOOR_NS     (60 * NS_PER_S) /* without an answer, and three timeouts do for five */

static const uint32_t probes_max = 3;     /* RFC 8899 5.1.2: MAX_PROBES */
static const uint32_t hole_timeouts = 3;  /* the same, for what is in use */
static const uint32_t floor_timeouts = 5; /* of what is no larger than BASE: mostly an outage */
static const uint32_t search_step = 16;   /* bytes: closer than this is found */
static const uint32_t behind_probe = 4;   /* segments that follow a probe: their SACKs tell */

static bool is_v4(const struct tcp_conn *conn)
{
    return address_is_v4(&conn->remote.address);
}

/* Of a data segment, without SACK blocks. */
static uint32_t header_bytes(const struct tcp_conn *conn)
{
    uint32_t ip = is_v4(conn) ? WIRE_IPV4_HEADER_BYTES : WIRE_IPV6_HEADER_BYTES;
    return ip + WIRE_TCP_HEADER_BYTES + (conn_has(conn, CONN_TIMESTAMPS) ? TIMESTAMPS : 0);
}

static uint32_t floor_of(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return is_v4(conn) ? tcp->settings.mtu_floor : MTU_FLOOR_V6;
}

static uint32_t base_of(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return max_u32(is_v4(conn) ? BASE_V4 : MTU_FLOOR_V6, floor_of(tcp, conn));
}

/* The largest packet that CONN might send, whatever the path. */
static uint32_t most_of(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t fixed = header_bytes(conn) - (conn_has(conn, CONN_TIMESTAMPS) ? TIMESTAMPS : 0);
    uint32_t asked =
        conn->back->options->mss_bytes != 0 ? conn->back->options->mss_bytes : UINT16_MAX;
    return min_u32(tcp->mtu, fixed + min_u32(conn->back->mss_peer, asked));
}

/* CONN's segments are as large as PATH takes. */
static void fit(const struct tcp *tcp, struct tcp_conn *conn, const struct tcp_path *path)
{
    uint32_t most = most_of(tcp, conn);
    uint32_t mtu = path != NULL ? min_u32(path->mtu, most) : most;
    conn->mss = (uint16_t)(mtu - header_bytes(conn));
    if (!conn_is_at_rest(conn)) {
        conn->work->cc.mss = conn->mss;
    }
}

/* CONN's path; if there was one and it has grown old, the segments grow again. */
static struct tcp_path *path_of(struct tcp *tcp, struct tcp_conn *conn)
{
    bool had = conn->back->path != 0;
    struct tcp_path *path = tcp_path_of(tcp, conn);
    if (had && path == NULL) {
        fit(tcp, conn, NULL);
    }
    return path;
}

/* What others have found out of CONN's path meanwhile. */
void tcp_pmtu_sync(struct tcp *tcp, struct tcp_conn *conn)
{
    fit(tcp, conn, tcp_path_of(tcp, conn));
}

/* CONN is being established: what is known of its path? */
void tcp_pmtu_begin(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t base = base_of(tcp, conn);
    if (tcp->settings.mtu_probing == BERTH_MTU_PROBING_ALWAYS && tcp->mtu > base) {
        struct tcp_path *path = tcp_path_make(tcp, conn);
        if (path != NULL && path->until_ns == BERTH_NEVER && !path->searching) {
            path->mtu = (uint16_t)base;
            tcp_path_search(tcp, path);
        }
    }
    tcp_pmtu_sync(tcp, conn);
}

/* ---- What routers say ----------------------------------------------------------------------- */

/* RFC 1191 7.1: what an old router means that names no size: the next of those that links have. */
static uint32_t plateau_below(uint32_t bytes)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
    uint32_t i = 0;
    while (i < sizeof plateaus / sizeof plateaus[0] && plateaus[i] >= bytes) {
        i++;
    }
    return i < sizeof plateaus / sizeof plateaus[0] ? plateaus[i] : 68;
}

/* Segments in flight that are too large now have been dropped for that, not for congestion: they go
 * again without a word to `cc` (RFC 1191 6.4). */
static void repair(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp_score_large_lost(conn, conn->mss);
    if (conn->work->lost_bytes > 0 && !conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT)) {
        conn_set(conn, CONN_TIMEOUT);
        conn->work->recover = conn->snd_nxt;
        conn->work->mtu_repair = true;
        tcp_rack_stop(conn);
    }
    tcp_conn_ready(tcp, conn);
}

/* A SYN with text (RFC 7413) was too large for the path. It was lost for that, not for congestion:
 * it goes again at once, and without text (4.2.2). What the path takes is known to what follows. */
static void on_syn_too_big(struct tcp *tcp, struct tcp_conn *conn, uint32_t mtu)
{
    bool is_first = conn->back->fast_text && conn->probes == 1;
    mtu = mtu == 0 ? plateau_below(tcp->mtu) : mtu;
    if (!is_first || mtu >= tcp->mtu || (!is_v4(conn) && mtu < MTU_FLOOR_V6)) {
        return;
    }
    struct tcp_path *path = tcp_path_make(tcp, conn);
    if (path != NULL && max_u32(mtu, floor_of(tcp, conn)) < path->mtu) {
        tcp_path_told(tcp, path, max_u32(mtu, floor_of(tcp, conn)));
    }
    conn->work->rto_ns = BERTH_NEVER; /* counts from the SYN that goes now */
    conn_set(conn, CONN_SYN_NOW);
    tcp_conn_ready(tcp, conn);
}

void tcp_on_too_big(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, uint32_t mtu)
{
    if (conn->state == BERTH_TCP_SYN_SENT && seq == conn->back->iss) {
        on_syn_too_big(tcp, conn, mtu);
        return;
    }
    bool ours = seq_geq(seq, conn->snd_una) && seq_lt(seq, conn->snd_nxt);
    if (!ours || !conn_is_synchronised(conn) || (!is_v4(conn) && mtu < MTU_FLOOR_V6)) {
        return; /* RFC 8201 4: less than every IPv6 link takes is no news */
    }
    uint32_t size = conn->mss + header_bytes(conn);
    mtu = mtu == 0 ? plateau_below(size) : mtu;
    mtu = max_u32(mtu, floor_of(tcp, conn));
    if (mtu >= size) {
        struct tcp_path *path = conn->work->mtu_probe_out ? path_of(tcp, conn) : NULL;
        if (path != NULL && mtu >= path->mtu && mtu < path->high) {
            path->high = (uint16_t)mtu; /* of the probe (RFC 8899 4.6.2): that is tried next */
            path->narrowed = false;
            path->failures = 0;
        }
        return;
    }
    struct tcp_path *path = tcp_path_make(tcp, conn);
    if (path != NULL) {
        if (mtu < path->mtu) { /* else another connection of the path knows more than CONN did */
            tcp_path_told(tcp, path, mtu);
        }
        tcp_pmtu_sync(tcp, conn);
        repair(tcp, conn);
    }
}

/* The link takes another size from now on. */
void tcp_set_mtu(struct tcp *tcp, uint32_t mtu)
{
    tcp->mtu = mtu;
    for (uint32_t i = 0; i < tcp->conns.fresh; i++) {
        struct tcp_conn *conn = pool_at(&tcp->conns, i);
        if ((conn->back->generation & 1U) == 0 || !conn_is_synchronised(conn)) {
            continue;
        }
        uint32_t before = conn->mss;
        tcp_pmtu_sync(tcp, conn);
        if (conn->mss < before) {
            repair(tcp, conn);
        }
    }
}

/* ---- What nobody says ----------------------------------------------------------------------- */

/* SIZE has vanished so often: what should pass then, or SIZE if that says nothing. */
static uint32_t size_after_timeouts(struct tcp *tcp, struct tcp_conn *conn, uint32_t size)
{
    uint32_t base = base_of(tcp, conn);
    if (size > base) {
        return base;
    }
    const struct tcp_path *path = path_of(tcp, conn);
    bool suspect = path != NULL && path->searching;
    bool long_since =
        tcp->now_ns - conn->work->progress_ns >= FLOOR_NS; /* where timeouts are long */
    bool lower = suspect || conn->work->unanswered >= floor_timeouts || long_since;
    return lower ? min_u32(size, floor_of(tcp, conn)) : size;
}

/* The timer has expired again. Is it that large packets vanish? */
void tcp_pmtu_on_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    const struct tcp_sent *first = tcp_score_first(conn);
    if (conn->back->path != 0) {
        tcp_pmtu_sync(tcp, conn); /* another connection may have found out */
    }
    bool off = tcp->settings.mtu_probing == BERTH_MTU_PROBING_OFF;
    if (off || first == NULL || conn->work->unanswered < hole_timeouts) {
        return;
    }
    uint32_t bytes = min_u32(first->end - first->seq, conn->mss);
    uint32_t size = bytes + header_bytes(conn);
    uint32_t next = size_after_timeouts(tcp, conn, size);
    struct tcp_path *path = next < size ? tcp_path_make(tcp, conn) : NULL;
    if (path != NULL) {
        path->mtu = (uint16_t)min_u32(path->mtu, next);
        tcp_path_search(tcp, path);
        if (!conn_has(conn, CONN_SACK)) {
            tcp_path_forget_later(tcp, path);
        }
        tcp_pmtu_sync(tcp, conn);
    }
}

/* The size to try, between what passes and what may; 0: none that CONN could send. */
static uint32_t next_size(struct tcp *tcp, const struct tcp_conn *conn, struct tcp_path *path)
{
    if (path->high < path->mtu + search_step) {
        tcp_path_found(tcp, path);
        return 0;
    }
    uint32_t high = min_u32(path->high, most_of(tcp, conn));
    if (high < path->mtu + search_step && high != path->high) {
        return 0; /* more than this peer takes in a segment */
    }
    return path->narrowed ? (path->mtu + high + 1) / 2 : high;
}

/* Is nothing going on that a probe would disturb, or that would hide its fate? */
static bool is_calm(const struct tcp_conn *conn)
{
    return conn_has(conn, CONN_SACK) && !conn->work->mtu_probe_out &&
           !conn_has(conn, CONN_RECOVERY | CONN_TIMEOUT | CONN_URGENT_OUT | CONN_PERSIST) &&
           conn->work->lost_bytes == 0 && conn->work->sacked_bytes == 0 &&
           tcp_mss_now(conn) == conn->mss;
}

/* Payload of the probe that should be the next new segment; 0: none. */
uint32_t tcp_pmtu_probe_bytes(struct tcp *tcp, struct tcp_conn *conn)
{
    bool off = tcp->settings.mtu_probing == BERTH_MTU_PROBING_OFF;
    struct tcp_path *path = path_of(tcp, conn); /* it grows old also where nobody probes */
    bool may = path != NULL && path->searching && !off && is_calm(conn);
    uint32_t size = may ? next_size(tcp, conn, path) : 0;
    if (size <= conn->mss + header_bytes(conn)) {
        return 0;
    }
    uint32_t bytes = size - header_bytes(conn);
    uint32_t used = conn->snd_nxt - conn->snd_una;
    uint32_t window = conn->snd_wnd > used ? conn->snd_wnd - used : 0;
    uint32_t wanted = bytes + behind_probe * conn->mss;
    uint64_t views = (uint64_t)tcp->buffers->capacity * (BERTH_FRAME_VIEWS_MAX - 3);
    bool enough = conn->snd_end - conn->snd_nxt >= wanted && window >= wanted &&
                  conn->work->cc.cwnd >= wanted && bytes <= views;
    return enough ? bytes : 0;
}

/* The newest piece is a probe. */
void tcp_pmtu_probe_sent(struct tcp_conn *conn, struct tcp_sent *sent)
{
    sent->flags |= SENT_PROBE;
    sent->segment = (uint16_t)(sent->end - sent->seq);
    conn->work->mtu_probe_out = true;
}

void tcp_pmtu_probe_arrived(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent)
{
    struct tcp_path *path = path_of(tcp, conn);
    uint32_t bytes = sent->end - sent->seq;
    conn->work->mtu_probe_out = false;
    if (path == NULL || bytes != sent->segment) {
        return;
    }
    path->mtu = (uint16_t)max_u32(path->mtu, bytes + header_bytes(conn));
    path->high = (uint16_t)max_u32(path->high, path->mtu);
    path->failures = 0;
    tcp_pmtu_sync(tcp, conn);
}

void tcp_pmtu_probe_lost(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_sent *sent)
{
    struct tcp_path *path = path_of(tcp, conn);
    uint32_t size = sent->end - sent->seq + header_bytes(conn);
    conn->work->mtu_probe_out = false;
    if (path == NULL || !path->searching || size <= path->mtu || size > path->high) {
        return;
    }
    path->failures++;
    if (path->failures >= probes_max) {
        path->high = (uint16_t)(size - 1);
        path->narrowed = true;
        path->failures = 0;
    }
}

/* Is all that is lost a probe? Then there is no sign of congestion (RFC 4821 7.6.2, RFC 8899 3). */
bool tcp_pmtu_is_probe_only(const struct tcp_conn *conn)
{
    const struct tree_node *node = tree_first_marked(&conn->work->sent);
    if (node == NULL) {
        return false;
    }
    const struct tcp_sent *sent = CONTAINER_OF(node, struct tcp_sent, node);
    return (sent->flags & SENT_PROBE) != 0 && sent->end - sent->seq == conn->work->lost_bytes;
}
