/* SPDX-License-Identifier: MIT */
/*
 * sim/opening.c: how flows begin: connecting, and accepting, and whose connection it was.
 */
#include "sim/world.h"

#include <inttypes.h>

#include "sim/draw.h"
#include "stack/stack.h"
#include "tcp/parts.h"

#define RETRY_NS       (2 * NS_PER_S)
#define PORT_TRIES     64
#define ROUND_BYTES    (256U << 10)
#define ROUND_PORT     25000 /* connections whose numbers come round soon have ports from here */
#define ROUND_PORT_END 45000

static uint16_t listening_port(const struct flow *flow)
{
    return (uint16_t)(PLAN_PORT + flow->index % PLAN_LISTENERS);
}

static void set_options(struct world *world, struct end *end)
{
    const struct plan_end *plan = end->plan;
    /* Where a peer may be gone without a word, who waits asks. */
    bool asks = plan->keepalive || world->plan.may_time_out;
    int result = 0;

    result |= berth_tcp_set(end->host->berth, end->id, BERTH_TCP_NO_DELAY, plan->no_delay);
    result |= berth_tcp_set(end->host->berth, end->id, BERTH_TCP_QUICK_ACK, plan->quick_ack);
    result |= berth_tcp_set(end->host->berth, end->id, BERTH_TCP_KEEPALIVE, asks);
    if (asks && (end->flow->plan->may_break || world->plan.is_scarce || world->plan.may_time_out)) {
        result |=
            berth_tcp_set(end->host->berth, end->id, BERTH_TCP_KEEPALIVE_IDLE_NS, 20 * NS_PER_S);
    }
    if (end->flow->plan->controller != NULL) {
        result |= berth_tcp_set_congestion_control(end->host->berth, end->id,
                                                   end->flow->plan->controller);
    }
    result |= twins_set_options(world, end);
    if (result != 0) {
        end_fail(world, end, "an option is refused", 0);
    }
}

/* Where limits are small, what cannot be opened now can be later: others end. */
static bool may_try_again(struct world *world, struct end *end, int error)
{
    bool is_full = error == BERTH_E_LIMIT || error == BERTH_E_NO_PORT || error == BERTH_E_IN_USE;

    if (!world->plan.is_scarce || !is_full) {
        return false;
    }
    end->flow->waits = true;
    timer_set(&world->timers, &end->flow->timer,
              world->now_ns + draw_between(&end->random, NS_PER_MS, RETRY_NS));
    return true;
}

/* Will numbers that begin at ISS soon be past 2^31 or 2^32? */
static bool comes_round(uint32_t iss)
{
    return (uint32_t)(0 - iss) % (1U << 31) < ROUND_BYTES;
}

/* With which number a connection of PAIR would begin at HOST now. */
static uint32_t first_number(const struct world *world, const struct host *host,
                             const struct tcp_pair *pair)
{
    const struct tcp *tcp = &host->berth->tcp;
    uint64_t since_ns = world->now_ns - tcp->now_ns; /* its last call */

    return tcp_initial_sequence(tcp, pair) + (uint32_t)(since_ns / (4 * NS_PER_US));
}

/* A port from which a connection of FLOW to REMOTE begins, on either side, with numbers that soon
 * come round; 0: there is none among those that are tried. Each flow has ports of its own. */
static uint16_t find_round_port(const struct world *world, struct end *end,
                                struct berth_endpoint local, const struct berth_endpoint *remote)
{
    const struct host *other = end_peer(end)->host;

    for (uint32_t port = ROUND_PORT + end->flow->index; port < ROUND_PORT_END;
         port += world->plan.flow_count) {
        local.port = (uint16_t)port;
        struct tcp_pair to = tcp_pair(&end->host->berth->tcp, &local, remote);
        struct tcp_pair back = tcp_pair(&other->berth->tcp, remote, &local);

        if (comes_round(first_number(world, end->host, &to)) ||
            comes_round(first_number(world, other, &back))) {
            return (uint16_t)port;
        }
    }
    return 0;
}

/* Connects from LOCAL, or from where the stack chooses; *INFO: of what has begun. What went to the
 * twin has a port that is free where it was: chosen again it would be two connections of one
 * four-tuple. */
static int connect_from(struct end *end, const struct berth_endpoint *local,
                        const struct berth_endpoint *remote, struct berth_tcp_info *info)
{
    int result = 0;

    for (unsigned i = 0; i < PORT_TRIES && result == 0; i++) {
        result = berth_tcp_connect(end->host->berth, local, remote, end, &end->id);
        if (result == 0) {
            result = berth_tcp_info(end->host->berth, end->id, info);
        }
        if (result < 0 || !twins_clash(end->host, &info->local, remote)) {
            return result;
        }
        result = berth_tcp_abort(end->host->berth, end->id);
        end->id = 0;
    }
    return result < 0 ? result : BERTH_E_NO_PORT;
}

static void open_end(struct world *world, struct end *end)
{
    struct flow *flow = end->flow;
    struct end *peer = end_peer(end);
    unsigned which = flow->plan->version == 4 ? 0 : 1;
    bool both = flow->plan->opener == PLAN_OPENER_BOTH;
    twins_begin(world, end);
    struct berth_endpoint local = {.address = end->host->addresses[which]};
    struct berth_endpoint remote = {.address = peer->host->addresses[which]};
    struct berth_tcp_info info = {0};
    int result;

    local.port = both ? (uint16_t)(PLAN_OWN_PORT + flow->index) : 0;
    remote.port = both ? local.port : listening_port(flow);
    if (flow->plan->comes_round && !both && !world->plan.is_scarce) {
        local.port = find_round_port(world, end, local, &remote);
    }
    result =
        connect_from(end, flow->index % 2 == 0 || local.port != 0 ? &local : NULL, &remote, &info);
    if (result < 0 && may_try_again(world, end, result)) {
        return;
    }
    if (result < 0) {
        end_fail(world, end, "cannot connect", result);
        return;
    }
    flow->opener = info.local;
    flow->opened = ++world->opened;
    flow->opened_ns = world->now_ns;
    if (flow->index == 0) {
        bool is_a = end == &flow->ends[0];

        world->plot.local_port = is_a ? info.local.port : info.remote.port;
        world->plot.remote_port = is_a ? info.remote.port : info.local.port;
    }
    set_options(world, end);
    if (world->plan.stacks[end->host->index % 2].tcp.fast_open) {
        end_write_early(world, end);
    }
}

void flow_start(struct world *world, struct flow *flow)
{
    enum plan_opener opener = flow->plan->opener;

    if (!flow->has_started) {
        world_progress(world);
    }
    flow->has_started = true;
    flow->waits = false;
    if (opener == PLAN_OPENER_BOTH) {
        open_end(world, &flow->ends[1]);
    }
    open_end(world, &flow->ends[opener == PLAN_OPENER_B ? 1 : 0]);
}

/* Was FLOW opened before the SYN,ACK of the connection left that INFO is of? */
static bool is_before(const struct world *world, const struct flow *flow,
                      const struct berth_tcp_info *info)
{
    uint64_t answered_ns = world->now_ns - min_u64(world->now_ns, info->data_sent_ago_ns);

    return flow->opened_ns <= answered_ns + 2 * NS_PER_MS; /* the unit that it is told in */
}

/* Is A rather than B whose connection was accepted? */
static bool is_likelier(const struct world *world, const struct flow *a, const struct flow *b,
                        const struct berth_tcp_info *info)
{
    bool before = is_before(world, a, info);

    return before == is_before(world, b, info) ? a->opened > b->opened : before;
}

/* Whose connection was accepted. A port of the opener may be in use towards several listeners, and
   be used again after a connection that broke before it was accepted: the last one counts, of those
   that there were when it was answered. */
static struct end *find_accepting(struct world *world, const struct host *host,
                                  const struct berth_tcp_info *info)
{
    struct end *found = NULL;

    for (uint32_t i = 0; i < world->plan.flow_count; i++) {
        struct flow *flow = &world->flows[i];
        struct end *end = &flow->ends[host->index % 2];
        bool matches = flow->has_started && end->host->first == host->first && end->id == 0 &&
                       !end->is_done && info->local.port == listening_port(flow) &&
                       berth_endpoint_is_equal(&flow->opener, &info->remote);

        if (matches && (found == NULL || is_likelier(world, flow, found->flow, info))) {
            found = end;
        }
    }
    return found;
}

static void accept_one(struct world *world, struct accepted *accepted, struct host *host,
                       berth_id id)
{
    struct berth_tcp_info info;
    struct end *end = NULL;

    if (berth_tcp_info(host->berth, id, &info) == 0) {
        end = find_accepting(world, host, &info);
    }
    if (end == NULL) {
        world_fail(world, "host %c: a connection was accepted that nobody opened", host->name);
        return;
    }
    accepted->end = end;
    end->host = host;
    end->id = id;
    twins_begin(world, end);
    set_options(world, end);
    end_begin(world, end);
}

void flow_accept_all(struct world *world, struct host *host, berth_id listener)
{
    int result = 0;

    while (result == 0 && !world_has_failed(world)) {
        struct accepted *accepted = &world->accepted[world->accepted_count];
        berth_id id;

        /* One more than there are flows, for the call that finds nothing waiting. */
        accepted->object.kind = OBJECT_ACCEPTED;
        result = berth_tcp_accept(host->berth, listener, accepted, &id);
        if (result == 0 && world->accepted_count == world->plan.flow_count) {
            world_fail(world, "host %c: more connections were accepted than opened", host->name);
        } else if (result == 0) {
            world->accepted_count++;
            accept_one(world, accepted, host, id);
        }
    }
    if (result != 0 && result != BERTH_E_AGAIN) {
        world_fail(world, "host %c: cannot accept: %s", host->name, berth_error_text(result));
    }
}
