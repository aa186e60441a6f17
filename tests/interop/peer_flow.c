/* SPDX-License-Identifier: MIT */
/*
 * The conversation: what is written and read, when, and how it ends. A turn is over when the
 * connection's id is given back.
 */
#include "tests/interop/peer.h"

#include "base/bytes.h"

#include <string.h>

#define VIEWS_MAX 16
#define CHUNK_MAX (1U << 20)
#define READS_MAX 64 /* of one call, so that the link gets its turn */

static void begin_turn(struct peer *peer)
{
    peer->is_connected = false;
    peer->has_shut_down = false;
    peer->has_ended = false;
    peer->is_mismatched = false;
    peer->has_paused = false;
    peer->error = 0;
    peer->bits = 0;
    peer->connected_ns = 0;
    peer->finished_ns = 0;
    peer->paused_until_ns = 0;
    peer->prefaced = 0;
    peer->sent = 0;
    peer->received = 0;
    peer->mismatch_at = 0;
    peer->urgent_seen = 0;
}

/* The turn is over with ERROR; the id is given back. */
static void end_turn(struct peer *peer, int error)
{
    peer->error = error;
    peer_report_turn(peer);
    (void)(error == BERTH_E_ABORTED ? berth_tcp_abort(peer->berth, peer->id)
                                    : berth_tcp_close(peer->berth, peer->id));
    peer->id = 0;
    peer->turn++;
    if (peer->turn >= peer->options.turns) {
        peer->is_over = true;
    } else {
        peer_flow_start(peer);
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void fill(const struct peer_pattern *pattern, uint64_t at, uint8_t *out, size_t bytes)
{
    if (pattern->bytes == 0) {
        memset(out, 0, bytes);
        return;
    }
    while (bytes > 0) {
        size_t from = (size_t)(at % pattern->bytes);
        size_t count = min_size(bytes, pattern->bytes - from);

        memcpy(out, pattern->data + from, count);
        out += count;
        at += count;
        bytes -= count;
    }
}

/* How many bytes may be written now, up to the next place where something else happens. */
static uint64_t to_write(const struct peer *peer)
{
    const struct peer_options *options = &peer->options;
    uint64_t left = options->send_bytes - peer->sent;

    if (options->urgent_at > peer->sent) {
        left = min_u64(left, options->urgent_at - peer->sent);
    }
    return min_u64(left, CHUNK_MAX);
}

/* false: no room. */
static bool write_preface(struct peer *peer)
{
    const char *rest = peer->options.preface + peer->prefaced;
    size_t taken = 0;

    if (*rest == '\0') {
        return true;
    }
    if (berth_tcp_write(peer->berth, peer->id, rest, strlen(rest), &taken) != 0) {
        return false;
    }
    peer->prefaced += taken;
    return taken == strlen(rest);
}

/* Fills as much of the send queue as there is room for; false: no room now. */
static bool write_once(struct peer *peer)
{
    struct berth_view views[VIEWS_MAX];
    uint64_t want = to_write(peer);
    uint32_t count;
    size_t filled = 0;

    if (want == 0 ||
        berth_tcp_reserve(peer->berth, peer->id, (size_t)want, views, VIEWS_MAX, &count) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        fill(&peer->options.send, peer->sent + filled, views[i].data, views[i].bytes);
        filled += views[i].bytes;
    }
    if (berth_tcp_commit(peer->berth, peer->id, filled) != 0) {
        return false;
    }
    peer->sent += filled;
    if (peer->sent == peer->options.urgent_at && berth_tcp_urgent(peer->berth, peer->id) != 0) {
        peer_die("urgent", "refused");
    }
    return true;
}

static bool may_write(const struct peer *peer)
{
    return (peer->is_connected || peer->options.early) && !peer->has_shut_down &&
           peer->now_ns >= peer->connected_ns + peer->options.idle_ns &&
           (peer->options.order != PEER_RECEIVE_FIRST || peer->has_ended);
}

/* The RST comes when all is acknowledged: it would overtake what is queued. */
static bool is_all_acknowledged(const struct peer *peer)
{
    struct berth_tcp_info info;

    return berth_tcp_info(peer->berth, peer->id, &info) == 0 && info.send_queue_bytes == 0;
}

static void do_write(struct peer *peer)
{
    if (!may_write(peer) || !write_preface(peer)) {
        return;
    }
    while (write_once(peer)) {
    }
    if (peer->sent < peer->options.send_bytes) {
        return;
    }
    if (peer->options.abort) {
        if (is_all_acknowledged(peer)) {
            end_turn(peer, BERTH_E_ABORTED);
        }
        return;
    }
    peer->has_shut_down = true;
    if (berth_tcp_shutdown(peer->berth, peer->id) != 0) {
        peer_die("shutdown", "refused");
    }
}

void peer_flow_start(struct peer *peer)
{
    const struct peer_options *options = &peer->options;
    int error = 0;

    begin_turn(peer);
    if (!options->is_listening) {
        error = berth_tcp_connect(peer->berth, NULL, &options->where, NULL, &peer->id);
    } else if (peer->listener == 0) {
        error = berth_tcp_listen(peer->berth, &options->where, 8, NULL, &peer->listener);
    }
    if (error != 0) {
        peer_die(options->is_listening ? "listen" : "connect", berth_error_text(error));
    }
    if (peer->id != 0) {
        do_write(peer);
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void compare(struct peer *peer, const uint8_t *data, size_t bytes)
{
    const struct peer_pattern *pattern = &peer->options.expect;
    uint64_t at = peer->received;

    while (bytes > 0 && pattern->bytes > 0 && !peer->is_mismatched) {
        size_t from = (size_t)(at % pattern->bytes);
        size_t count = min_size(bytes, pattern->bytes - from);

        if (memcmp(data, pattern->data + from, count) != 0) {
            peer->is_mismatched = true;
            peer->mismatch_at = at;
        }
        data += count;
        at += count;
        bytes -= count;
    }
}

static bool may_read(const struct peer *peer)
{
    return peer->is_connected && !peer->has_ended && peer->now_ns >= peer->paused_until_ns &&
           (peer->options.order != PEER_SEND_FIRST || peer->has_shut_down);
}

static void take(struct peer *peer, const struct berth_view *views, uint32_t count)
{
    size_t total = 0;

    for (uint32_t i = 0; i < count; i++) {
        compare(peer, views[i].data, views[i].bytes);
        peer->received += views[i].bytes;
        total += views[i].bytes;
    }
    if (peer->options.counter != NULL) {
        __atomic_fetch_add(peer->options.counter, total, __ATOMIC_RELAXED);
    }
    if (berth_tcp_consume(peer->berth, peer->id, total) != 0) {
        peer_die("consume", "refused");
    }
    peer->finished_ns = peer->now_ns;
    if (peer->received >= peer->options.pause_at && !peer->has_paused) {
        peer->has_paused = true;
        peer->paused_until_ns = peer->now_ns + peer->options.pause_ns;
    }
}

static void do_read(struct peer *peer)
{
    struct berth_view views[VIEWS_MAX];
    uint32_t count = 0;

    for (int i = 0; i < READS_MAX && may_read(peer); i++) {
        if (berth_tcp_peek(peer->berth, peer->id, views, VIEWS_MAX, &count) != 0) {
            return;
        }
        if (count == 0) {
            peer->has_ended = true;
            return;
        }
        take(peer, views, count);
    }
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void on_connected(struct peer *peer)
{
    if (!peer->is_connected) {
        peer->is_connected = true;
        peer->connected_ns = peer->now_ns;
    }
}

static void note_urgent(struct peer *peer)
{
    struct berth_tcp_info info;

    if (berth_tcp_info(peer->berth, peer->id, &info) == 0) {
        peer->urgent_seen = peer->received + info.urgent_bytes;
    }
}

void peer_flow_on_event(struct peer *peer, const struct berth_event *event)
{
    if (event->kind == BERTH_KIND_TCP_LISTENER) {
        if (peer->id == 0 && !peer->is_over &&
            berth_tcp_accept(peer->berth, peer->listener, NULL, &peer->id) == 0) {
            on_connected(peer);
        }
        return;
    }
    if (event->id != peer->id) {
        return;
    }
    peer->bits |= event->bits;
    if ((event->bits & BERTH_EVENT_CONNECTED) != 0) {
        on_connected(peer);
    }
    if ((event->bits & BERTH_EVENT_URGENT) != 0) {
        note_urgent(peer);
    }
    peer_flow_work(peer);
    if ((event->bits & BERTH_EVENT_CLOSED) != 0 && peer->id == event->id) {
        peer->paused_until_ns = 0; /* what is still queued can be read */
        do_read(peer);
        end_turn(peer, event->error);
    }
}

void peer_flow_work(struct peer *peer)
{
    berth_id id = peer->id;

    if (id == 0) {
        return;
    }
    if (peer->options.for_ns != 0 && peer->is_connected &&
        peer->now_ns >= peer->connected_ns + peer->options.for_ns) {
        end_turn(peer, BERTH_E_ABORTED);
        return;
    }
    do_read(peer);
    do_write(peer);
    if (peer->id == id) {
        do_read(peer); /* with PEER_SEND_FIRST it may begin now */
    }
}

uint64_t peer_flow_deadline(const struct peer *peer)
{
    const struct peer_options *options = &peer->options;
    uint64_t deadline = BERTH_NEVER;

    if (peer->id == 0 || !peer->is_connected) {
        return BERTH_NEVER;
    }
    if (options->for_ns != 0) {
        deadline = peer->connected_ns + options->for_ns;
    }
    if (peer->now_ns < peer->paused_until_ns) {
        deadline = min_u64(deadline, peer->paused_until_ns);
    }
    if (peer->now_ns < peer->connected_ns + options->idle_ns) {
        deadline = min_u64(deadline, peer->connected_ns + options->idle_ns);
    }
    return deadline;
}
