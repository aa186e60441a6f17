/* SPDX-License-Identifier: MIT */
/*
 * sim/twins.c: hosts that are two stacks of one seed behind one address, between which established
 * connections move (berth_tcp_export), as between the threads of a program that has a stack for
 * each.
 *
 *   network ── port ── steer ─┬─ host A      a segment goes to the stack that has its connection,
 *                             └─ host a      half-open one or TIME-WAIT; what nobody has goes by
 *                                            its four-tuple, datagrams to the first
 *
 * 1. Which end is to move, and when, is drawn; it moves as soon as its stack lets it, at any place
 *    of that stack's turn; mostly it writes nothing until then, or for a time. What came before
 *    events of it were told is for it to find out.
 * 2. Soon after a move some of its segments come late, and behind others.
 * 3. Whoever moves is in the new stack as it was in the old: its figures and options are compared.
 * 4. The twins have halves of the ephemeral ports: two may not choose the same one.
 */
#include "sim/world.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "ip/icmp.h"
#include "sim/draw.h"
#include "stack/stack.h"
#include "tcp/parts.h"
#include "wire/wire.h"

#define WANTED_MAX     400               /* moves of a run */
#define PAUSE_NS_MAX   (3600 * NS_PER_S) /* between them: so that they reach over a day, too */
#define LATE_NS_MAX    (20 * NS_PER_MS)
#define SETTLES_NS_MAX (100 * NS_PER_MS) /* so long after a move segments may be late */
#define HOLD_NS_MAX    (2 * NS_PER_S)    /* that a writer waits for it */
#define OPTIONS        (BERTH_TCP_SYN_QUEUE + 1)

/* ---- Whose a packet is ----------------------------------------------------------------------- */

/* The two ends, as HOST sees them, of the connection that PACKET is of, or is about. */
static bool ends_of(struct link_packet *packet, struct berth_endpoint *local,
                    struct berth_endpoint *remote)
{
    struct wire_packet parsed = {0};
    struct wire_quote quote;
    enum berth_drop drop = wire_parse(&parsed, packet->data, packet->bytes, &packet->offload);

    if (drop != BERTH_DROP_NONE || parsed.is_fragment) {
        return false;
    }
    if (parsed.protocol == WIRE_TCP) {
        *local = (struct berth_endpoint){parsed.destination, parsed.destination_port};
        *remote = (struct berth_endpoint){parsed.source, parsed.source_port};
        return true;
    }
    bool is_icmp = parsed.protocol == WIRE_ICMP || parsed.protocol == WIRE_ICMP6;
    if (!is_icmp || !icmp_is_error(parsed.version, parsed.icmp.type) ||
        wire_parse_quote(&quote, parsed.payload, parsed.payload_bytes) != BERTH_DROP_NONE ||
        quote.protocol != WIRE_TCP) {
        return false;
    }
    *local = (struct berth_endpoint){quote.source, quote.source_port};
    *remote = (struct berth_endpoint){quote.destination, quote.destination_port};
    return true;
}

static bool has_any(struct host *host, const struct berth_endpoint *local,
                    const struct berth_endpoint *remote)
{
    struct tcp *tcp = &host->berth->tcp;
    struct tcp_pair pair = tcp_pair(tcp, local, remote);

    return tcp_find(tcp, &pair) != NULL || tcp_find_syn(tcp, &pair) != NULL ||
           tcp_find_time_wait(tcp, &pair) != NULL;
}

bool twins_clash(const struct host *host, const struct berth_endpoint *local,
                 const struct berth_endpoint *remote)
{
    return host->twin != NULL && has_any(host->twin, local, remote);
}

/* Which of FIRST and its twin has the connection between LOCAL and REMOTE, or would have it. */
static struct host *owner_of(struct host *first, const struct berth_endpoint *local,
                             const struct berth_endpoint *remote)
{
    struct host *both[2] = {first, first->twin};
    struct tcp_pair pair = tcp_pair(&first->berth->tcp, local, remote);

    for (unsigned i = 0; i < 2; i++) {
        struct tcp *tcp = &both[i]->berth->tcp;
        if (tcp_find(tcp, &pair) != NULL || tcp_find_syn(tcp, &pair) != NULL) {
            return both[i];
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (tcp_find_time_wait(&both[i]->berth->tcp, &pair) != NULL) {
            return both[i];
        }
    }
    return both[pair.hash >> 16 & 1];
}

/* Has one of FIRST's connections moved so lately that this packet of it may come late? */
static bool has_just_moved(const struct world *world, const struct host *first,
                           const struct berth_endpoint *local, const struct berth_endpoint *remote)
{
    for (uint32_t i = 0; world->settled_ns > world->now_ns && i < 2 * world->plan.flow_count; i++) {
        const struct end *end = &world->flows[i / 2].ends[i % 2];
        bool is_of = end->host == first || end->host == first->twin;

        if (is_of && end->settled_ns > world->now_ns &&
            berth_endpoint_is_equal(&end->moved_local, local) &&
            berth_endpoint_is_equal(&end->moved_remote, remote)) {
            return true;
        }
    }
    return false;
}

static struct network_port *steer(void *user, struct network_port *port, struct link_packet *packet)
{
    struct world *world = user;
    struct host *first = &world->hosts[port - world->network.ports];
    struct berth_endpoint local;
    struct berth_endpoint remote;

    if (first->twin == NULL || !ends_of(packet, &local, &remote)) {
        return port;
    }
    if (has_just_moved(world, first, &local, &remote) &&
        random_below(&world->twins, 1000000) < world->plan.late_ppm) {
        packet->due_ns = world->now_ns + draw_log(&world->twins, NS_PER_US, LATE_NS_MAX);
        link_packets_add(&world->late, packet);
        return NULL;
    }
    return owner_of(first, &local, &remote)->port;
}

/* PACKET, which came for FIRST, goes to whoever has its connection now. */
static void hand_over(struct host *first, struct link_packet *packet)
{
    struct berth_endpoint local;
    struct berth_endpoint remote;
    bool is_steered = ends_of(packet, &local, &remote);

    link_packets_add(&(is_steered ? owner_of(first, &local, &remote) : first)->port->waiting,
                     packet);
}

uint64_t twins_next_ns(const struct world *world)
{
    uint64_t next = BERTH_NEVER;

    for (const struct link_packet *at = world->late.first; at != NULL; at = at->next) {
        next = min_u64(next, at->due_ns);
    }
    return next;
}

/* What was late is there. */
void twins_advance(struct world *world)
{
    for (uint32_t left = world->late.count; left > 0; left--) {
        struct link_packet *packet = link_packets_take(&world->late);
        struct network_port *port = network_port_of(&world->network, packet);

        if (packet->due_ns > world->now_ns) {
            link_packets_add(&world->late, packet);
        } else {
            hand_over(&world->hosts[port - world->network.ports], packet);
        }
    }
}

/* ---- Moving ---------------------------------------------------------------------------------- */

struct looks {
    struct berth_tcp_info info;
    uint64_t options[OPTIONS];
};

static void look(const struct end *end, struct looks *out)
{
    int result = berth_tcp_info(end->host->berth, end->id, &out->info);

    for (unsigned i = 0; i < OPTIONS; i++) {
        result |=
            berth_tcp_get(end->host->berth, end->id, (enum berth_tcp_option)i, &out->options[i]);
    }
    BERTH_CHECK(result == 0);
}

/* What a move leaves as it is. */
static const struct {
    const char *name;
    size_t at;
    size_t bytes;
} members[] = {
#define MEMBER(member)                                    \
    {                                                     \
#member, offsetof(struct berth_tcp_info, member), \
            sizeof((struct berth_tcp_info){0}.member)     \
    }
    MEMBER(state),
    MEMBER(local),
    MEMBER(remote),
    MEMBER(error),
    MEMBER(ecn),
    MEMBER(timestamps),
    MEMBER(sack),
    MEMBER(window_scale),
    MEMBER(probes),
    MEMBER(srtt_ns),
    MEMBER(rttvar_ns),
    MEMBER(min_rtt_ns),
    MEMBER(receive_rtt_ns),
    MEMBER(user_timeout_ns),
    MEMBER(delayed_ack_ns),
    MEMBER(ssthresh_bytes),
    MEMBER(snd_wnd),
    MEMBER(rcv_wnd),
    MEMBER(mss_receive),
    MEMBER(mss_seen),
    MEMBER(snd_wscale),
    MEMBER(rcv_wscale),
    MEMBER(marks_received),
    MEMBER(marks_told),
    MEMBER(bytes_acked),
    MEMBER(bytes_sent),
    MEMBER(bytes_received),
    MEMBER(retransmissions),
    MEMBER(bytes_retransmitted),
    MEMBER(timeouts),
    MEMBER(fast_recoveries),
    MEMBER(segments_sent),
    MEMBER(segments_received),
    MEMBER(duplicates_reported),
    MEMBER(busy_ns),
    MEMBER(congestion_control),
    MEMBER(dscp),
    MEMBER(dscp_received)
#undef MEMBER
};

/* The first thing that is not as it was; NULL: all is. */
static const char *difference(const struct looks *was, const struct looks *is)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (memcmp((const char *)&was->info + members[i].at,
                   (const char *)&is->info + members[i].at, members[i].bytes) != 0) {
            return members[i].name;
        }
    }
    if (is->info.mss_send > was->info.mss_send) { /* less is what it knows of the path */
        return "mss_send";
    }
    /* A reduction for marks that was under way is complete. */
    if (is->info.cwnd_bytes != was->info.cwnd_bytes &&
        is->info.cwnd_bytes != was->info.ssthresh_bytes) {
        return "cwnd_bytes";
    }
    for (unsigned i = 0; i < OPTIONS; i++) {
        if (was->options[i] != is->options[i] && i != BERTH_TCP_RECEIVE_BYTES) {
            return "an option";
        }
    }
    return NULL;
}

/* EXPORTED goes on in TO, or in FROM where it was: there it must find its place again. */
static struct host *import(struct world *world, struct end *end, struct host *from,
                           const struct berth_tcp_exported *exported)
{
    struct host *to = from->twin;
    int result = berth_tcp_import(to->berth, exported, end, &end->id);

    if (result == BERTH_E_LIMIT && world->plan.is_scarce) {
        to = from;
        result = berth_tcp_import(to->berth, exported, end, &end->id);
    }
    if (result < 0) {
        end_fail(world, end, "cannot go on in the other stack", result);
        end->id = 0;
    }
    world_check(world, to);
    to->has_work = true;
    return to;
}

static void note_move(struct world *world, struct end *end, const struct looks *was)
{
    struct looks is;
    look(end, &is);
    const char *what = difference(was, &is);

    if (what != NULL) {
        world_fail(world, "flow %" PRIu32 " at host %c: %s is not what it was before the move",
                   end->flow->index, end->host->name, what);
    }
    end->moved_local = is.info.local;
    end->moved_remote = is.info.remote;
    end->settled_ns = world->now_ns + draw_log(&world->twins, NS_PER_US, SETTLES_NS_MAX);
    world->settled_ns = max_u64(world->settled_ns, end->settled_ns);
}

static void move(struct world *world, struct end *end)
{
    struct host *from = end->host;
    struct berth_tcp_exported exported;
    struct looks was;
    look(end, &was);
    int result = berth_tcp_export(from->berth, end->id, &exported);

    world_check(world, from);
    end->wants_move = result == BERTH_E_AGAIN;
    if (result != 0) {
        if (result != BERTH_E_AGAIN && result != BERTH_E_STATE) {
            end_fail(world, end, "cannot leave its stack", result);
        }
        return;
    }
    end->host = import(world, end, from, &exported);
    if (world_has_failed(world)) {
        return;
    }
    world->moves += end->host != from;
    note_move(world, end, &was);
    for (uint32_t left = from->port->waiting.count; left > 0; left--) {
        hand_over(from->first, link_packets_take(&from->port->waiting));
    }
    end->write_resume_ns = 0;
    end_moved(world, end);
}

void twins_turn(struct world *world, struct host *host)
{
    if (host->twin == NULL || !world->wants_move) {
        return;
    }
    world->wants_move = false;
    for (uint32_t i = 0; i < 2 * world->plan.flow_count && !world_has_failed(world); i++) {
        struct end *end = &world->flows[i / 2].ends[i % 2];

        if (end->wants_move && end->id != 0 && end->host == host &&
            draw_chance(&world->twins, 50)) {
            move(world, end);
        }
        world->wants_move |= end->wants_move && end->id != 0;
    }
}

static void want_move(struct world *world, struct end *end)
{
    end->wants_move = true;
    world->wants_move = true;
    if (end->is_open && draw_chance(&world->twins, 70)) {
        end_hold(world, end, draw_log(&world->twins, NS_PER_MS, HOLD_NS_MAX));
    }
}

static void set_timer(struct world *world)
{
    if (world->wanted < WANTED_MAX && !world->is_closing) {
        timer_set(&world->timers, &world->twins_timer,
                  world->now_ns + draw_between(&world->twins, 1, 2 * world->moves_ns));
    }
}

void twins_begin(struct world *world, struct end *end)
{
    struct host *first = end->host->first;

    if (first->twin == NULL) {
        return;
    }
    if (end->id == 0 && draw_chance(&world->twins, 50)) {
        end->host = first->twin;
    }
    if (draw_chance(&world->twins, 50)) {
        want_move(world, end);
    }
    world->moves_ns = world->plan.moves_ns;
    set_timer(world);
}

/* Options that few have: what an owner has set goes with a connection. */
int twins_set_options(struct world *world, const struct end *end)
{
    const struct {
        enum berth_tcp_option option;
        unsigned percent;
        uint64_t least;
        uint64_t most;
    } drawn[] = {
        {BERTH_TCP_DSCP, 50, 0, 63},
        {BERTH_TCP_HOP_LIMIT, 50, 32, 255},
        {BERTH_TCP_CORK, 15, 1, 1},
        {BERTH_TCP_UNSENT_BYTES, 30, 1, 32768},
        {BERTH_TCP_WINDOW_BYTES, 20, 2048, 65536},
        {BERTH_TCP_SEND_BYTES, 20, 2048, 65536},
        {BERTH_TCP_KEEPALIVE_INTERVAL_NS, 30, 10 * NS_PER_S, 60 * NS_PER_S},
    };
    int result = 0;

    for (size_t i = 0; end->host->first->twin != NULL && i < sizeof drawn / sizeof drawn[0]; i++) {
        if (draw_chance(&world->twins, drawn[i].percent)) {
            uint64_t value = draw_between(&world->twins, drawn[i].least, drawn[i].most);
            result |= berth_tcp_set(end->host->berth, end->id, drawn[i].option, value);
        }
    }
    return result;
}

void twins_on_timer(struct world *world)
{
    uint32_t count = 2 * world->plan.flow_count;
    uint32_t first = random_below(&world->twins, count);

    world->wanted++;
    for (uint32_t i = first; i < first + count; i++) {
        struct end *end = &world->flows[i % count / 2].ends[i % 2];

        if (end->is_open && end->host->twin != NULL) {
            want_move(world, end);
            break;
        }
    }
    world->moves_ns = min_u64(world->moves_ns + world->moves_ns / 16, PAUSE_NS_MAX);
    set_timer(world);
}

void twins_close(struct world *world)
{
    if (timer_is_set(&world->twins_timer)) {
        timer_clear(&world->timers, &world->twins_timer);
    }
}

void twins_init(struct world *world)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {0};

    if (!world->config->has_twins) {
        return;
    }
    memcpy(seed, &world->config->seed, sizeof world->config->seed);
    random_init(&world->twins, seed, "sim-moves");
    world->twins_timer.kind = TIMER_TWINS;
    world->network.steer = steer;
    world->network.user = world;
}
