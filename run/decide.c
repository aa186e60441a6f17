/* SPDX-License-Identifier: MIT */
/*
 * run/decide.c: see run/decide.h.
 */
#include "run/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/questions.h"
#include "run/relay_echo.h"
#include "run/relay_tcp.h"
#include "run/relay_udp.h"
#include "run/resolver.h"
#include "run/sockets.h"

/* ---- What is asked of the rules ------------------------------------------------------------- */

static struct berth_contact_query query_of(const struct decide_contact *contact)
{
    const struct berth_endpoint *served =
        contact->direction == BERTH_OUT ? &contact->peer : &contact->program;

    return (struct berth_contact_query){
        .direction = contact->direction,
        .protocol = contact->protocol,
        .peer = contact->peer.address,
        .port = contact->protocol == BERTH_ICMP ? 0 : served->port,
        .process = contact->decided.has_process ? contact->decided.process.name : NULL,
    };
}

static bool is_of_hosts(const struct run *run, const struct berth_address *address)
{
    for (size_t i = 0; i < run->config->host_count; i++) {
        if (berth_address_is_equal(&run->config->hosts[i].address, address)) {
            return true;
        }
    }
    return false;
}

/* Does VERDICT open, by a name, an address that leads inwards? A name server gave it for the name,
 * and the answer passed since some rule goes by the address, for some port: that opens no other. */
static bool is_pointed_inwards(const struct run *run, const struct berth_verdict *verdict,
                               const struct berth_address *address)
{
    return verdict->by_name && (verdict->action == BERTH_ALLOW || verdict->action == BERTH_ASK) &&
           !is_of_hosts(run, address) && resolver_inward(run, address) != NULL;
}

/* Nobody's address: RFC 7600's, and one of the discard prefix (RFC 6666). */
static struct berth_address stranger_like(const struct berth_address *address)
{
    const struct berth_address six = {.bytes = {0x01, [15] = 1}};

    return berth_address_is_v4(address) ? berth_address_v4(UINT32_C(0xc0000008)) : six;
}

struct berth_verdict decide_judge(struct run *run, const struct decide_contact *contact)
{
    struct berth_contact_query query = query_of(contact);
    struct berth_verdict verdict = berth_rules_judge(run->guard->berth, &query);

    if (contact->is_disguised) {
        struct berth_verdict other;

        query.peer = stranger_like(&query.peer);
        other = berth_rules_judge(run->guard->berth, &query);
        return other.action == BERTH_ALLOW ? verdict : other;
    }
    if (contact->direction == BERTH_OUT &&
        is_pointed_inwards(run, &verdict, &contact->peer.address)) {
        return berth_rules_judge_name(run->guard->berth, &query, ""); /* as if it had no name */
    }
    return verdict;
}

void decide_take(struct run *run, struct decide_contact *contact,
                 const struct berth_verdict *verdict)
{
    struct berth_contact_query query = query_of(contact);

    contact->decided.verdict = *verdict;
    contact->decided.rule = rules_note(run, verdict->rule);
    if (verdict->limited &&
        berth_rules_take(run->guard->berth, &query, &contact->decided.verdict) < 0) {
        contact->decided.verdict.action = BERTH_DENY; /* as the verdict says now */
    }
}

static bool is_plain(const struct berth_verdict *verdict)
{
    return !verdict->needs_process && verdict->action != BERTH_ASK;
}

/* Does the stack, which judges whom it is shown, come to VERDICT by itself? */
static bool is_left_to_stack(const struct decide_contact *contact,
                             const struct berth_verdict *verdict)
{
    return is_plain(verdict) && (!contact->is_disguised || verdict->action == BERTH_ALLOW);
}

/* ---- Where a contact goes ------------------------------------------------------------------- */

static struct berth_contact record_of(const struct decide_contact *contact)
{
    return (struct berth_contact){
        .now_ns = contact->begun_ns,
        .direction = contact->direction,
        .protocol = contact->protocol,
        .guarded = contact->program,
        .peer = contact->peer,
        .verdict = contact->decided.verdict,
    };
}

static void call_relay(struct queue *queue, berth_id id, const struct berth_held *held,
                       const struct decided *decided)
{
    BERTH_CHECK(held->protocol == BERTH_TCP || queue == queue->run->guard);
    switch (held->protocol) {
    case BERTH_TCP:
        relay_tcp_call(queue, id, held, decided);
        break;
    case BERTH_UDP:
        relay_udp_call(queue->run, id, held, decided);
        break;
    case BERTH_ICMP:
        relay_echo_call(queue->run, id, held, decided);
        break;
    }
}

/* A client of a published port on its way to its queue. */
struct client_parcel {
    struct parcel parcel;
    int fd;
    struct berth_endpoint client;
    struct berth_endpoint program;
    bool is_decided;
    struct decided decided;
};

static void deliver_client(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct client_parcel *client = CONTAINER_OF(parcel, struct client_parcel, parcel);

    if (is_over) {
        sockets_reset(client->fd);
    } else {
        relay_tcp_answer(to, client->fd, &client->client, &client->program,
                         client->is_decided ? &client->decided : NULL);
    }
    free(client);
}

/* FD (taken): a client that is let through, if the guard has nothing against it. */
static void answer_client(struct run *run, int fd, const struct berth_endpoint *client,
                          const struct berth_endpoint *program, const struct decided *decided)
{
    struct queue *to = steer_client(run, client);
    struct client_parcel *parcel;

    if (queue_is_with(to, run->guard)) {
        relay_tcp_answer(to, fd, client, program, decided);
        return;
    }
    parcel = malloc(sizeof *parcel);
    if (parcel == NULL) {
        sockets_reset(fd);
        return;
    }
    *parcel = (struct client_parcel){.parcel = {.deliver = deliver_client},
                                     .fd = fd,
                                     .client = *client,
                                     .program = *program,
                                     .is_decided = decided != NULL};
    if (decided != NULL) {
        parcel->decided = *decided;
    }
    queue_post(to, &parcel->parcel);
}

/* It came to nothing, without a verdict. */
static void give_up(struct run *run, const struct decide_contact *contact, enum run_end end)
{
    struct conversation conversation = {.direction = contact->direction,
                                        .protocol = contact->protocol,
                                        .program = contact->program,
                                        .peer = contact->peer};

    conversation_begin(run, &conversation, &contact->decided);
    conversation.begun_ns = contact->begun_ns;
    conversation.verdict.action = BERTH_DENY; /* it has not got through */
    conversation_end(run, &conversation, end);
}

static void allow(struct run *run, struct decide_contact *contact)
{
    struct berth_held held;

    if (contact->fd >= 0) {
        answer_client(run, contact->fd, &contact->peer, &contact->program, &contact->decided);
    } else if (contact->arrival.data != NULL) {
        relay_udp_answer(run, &contact->arrival, &contact->decided);
    } else if (berth_held(contact->queue->berth, contact->id, &held) == BERTH_OK) {
        call_relay(contact->queue, contact->id, &held, &contact->decided);
    } else {
        give_up(run, contact, RUN_END_GIVEN_UP);
    }
}

/* Answered as the stack answers what the rules refuse: a RST, or ICMP's "prohibited". */
static void refuse_held(const struct decide_contact *contact)
{
    struct berth *berth = contact->queue->berth;
    int result;

    if (contact->decided.verdict.action == BERTH_DROP) {
        result = berth_held_drop(berth, contact->id);
    } else if (contact->protocol == BERTH_TCP) {
        result = berth_held_refuse(berth, contact->id);
    } else {
        result = berth_held_reject(berth, contact->id, BERTH_UNREACHABLE_PROHIBITED);
    }
    BERTH_CHECK(result == BERTH_OK || result == BERTH_E_STALE); /* stale: it has been given up */
}

static void refuse(struct run *run, const struct decide_contact *contact)
{
    struct berth_contact record = record_of(contact);

    conversation_refused(run, &record, &contact->decided);
    if (contact->id != 0) {
        refuse_held(contact);
    }
    if (contact->fd >= 0) {
        sockets_reset(contact->fd);
    }
}

static void free_contact(struct decide_contact *contact)
{
    list_remove(&contact->all);
    list_remove(&contact->parcel.node);
    free(contact);
}

/* On its queue's thread. */
static void go(struct decide_contact *contact)
{
    struct run *run = contact->queue->run;

    if (contact->is_given_up) {
        give_up(run, contact, RUN_END_GIVEN_UP);
    } else if (contact->decided.verdict.action == BERTH_ALLOW) {
        allow(run, contact);
    } else {
        refuse(run, contact);
    }
    free_contact(contact);
}

/* At the end all contacts have gone before (decide_end_all). */
static void deliver_decided(struct queue *to, struct parcel *parcel, bool is_over)
{
    (void)to;
    BERTH_CHECK(!is_over);
    go(CONTAINER_OF(parcel, struct decide_contact, parcel));
}

void decide_go(struct run *run, struct decide_contact *contact, enum ask_answer answer)
{
    struct decided *decided = &contact->decided;

    decided->answer = answer;
    if (answer == ASK_ALWAYS || answer == ASK_NEVER) {
        decided->verdict = decide_judge(run, contact); /* by the rule that was just added */
        decided->rule = rules_note(run, decided->verdict.rule);
    }
    if (answer != ASK_NOTHING) {
        decided->verdict.action = ask_answer_allows(answer) ? BERTH_ALLOW : BERTH_DENY;
    }
    if (queue_is_with(contact->queue, run->guard)) {
        go(contact);
    } else if (!contact->is_given_up) { /* else it is on its way here to be told so */
        contact->parcel.deliver = deliver_decided;
        queue_post(contact->queue, &contact->parcel);
    }
}

/* ---- How it comes --------------------------------------------------------------------------- */

static void find_process(struct run *run, struct decide_contact *contact)
{
    struct decided *decided = &contact->decided;

    decided->has_process = conversation_process(run, contact->protocol, &contact->program,
                                                &contact->peer, &decided->process);
}

/* The program may ask for other names of the address while a person reads this one. */
static void note_name(struct run *run, struct decide_contact *contact)
{
    const struct berth_address *peer = &contact->peer.address;
    const char *name = run_is_gateway(run, peer) ? NULL : naming_find(&run->naming, peer);

    snprintf(contact->decided.name, sizeof contact->decided.name, "%s", name == NULL ? "" : name);
}

/* A contact as LIKE says, with BYTES of a datagram. NULL: no memory. */
static struct decide_contact *contact_new(struct run *run, const struct decide_contact *like,
                                          const void *data, size_t bytes)
{
    struct decide_contact *contact = malloc(sizeof *contact + bytes);

    if (contact == NULL) {
        return NULL;
    }
    *contact = *like;
    contact->begun_ns = run->now_ns;
    if (data != NULL) {
        contact->arrival.data = memcpy(contact + 1, data, bytes);
    }
    list_add_last(&run->deciding, &contact->all);
    return contact;
}

/* Takes CONTACT to its process, the rules, and a person. */
static void decide(struct run *run, struct decide_contact *contact)
{
    struct berth_verdict verdict;

    find_process(run, contact);
    verdict = decide_judge(run, contact);
    verdict.limited =
        verdict.limited && !(contact->is_held && contact->held.action == BERTH_ALLOW &&
                             contact->held.rule == verdict.rule);
    decide_take(run, contact, &verdict);
    if (contact->decided.verdict.action != BERTH_ASK) {
        decide_go(run, contact, ASK_NOTHING);
        return;
    }
    note_name(run, contact);
    if (!questions_put(run, contact)) {
        decide_go(run, contact, ASK_NO_ANSWER);
    }
}

static void deliver_undecided(struct queue *to, struct parcel *parcel, bool is_over)
{
    struct decide_contact *contact = CONTAINER_OF(parcel, struct decide_contact, parcel);

    BERTH_CHECK(!is_over);
    if (!contact->is_given_up) {
        decide(to->run, contact);
        return;
    }
    questions_withdraw(to->run, contact);
    give_up(to->run, contact, RUN_END_GIVEN_UP);
    free_contact(contact);
}

/* To whom decides. */
static void bring(struct run *run, struct decide_contact *contact)
{
    contact->parcel.deliver = deliver_undecided;
    if (queue_is_with(contact->queue, run->guard)) {
        deliver_undecided(run->guard, &contact->parcel, false);
    } else {
        queue_post(run->guard, &contact->parcel);
    }
}

void decide_held(struct queue *queue, berth_id id, const struct berth_held *held)
{
    struct run *run = queue->run;
    struct decide_contact like = {.queue = queue,
                                  .direction = BERTH_OUT,
                                  .protocol = held->protocol,
                                  .program = held->remote,
                                  .peer = held->local,
                                  .held = held->verdict,
                                  .is_held = true,
                                  .id = id,
                                  .fd = -1};
    struct decide_contact *contact;

    if (is_plain(&held->verdict) &&
        !is_pointed_inwards(run, &held->verdict, &held->local.address)) {
        call_relay(queue, id, held, NULL);
        return;
    }
    contact = contact_new(run, &like, NULL, 0);
    if (contact == NULL) {
        (void)berth_held_drop(queue->berth, id);
        return;
    }
    bring(run, contact);
}

void decide_client(struct run *run, int fd, const struct berth_endpoint *client,
                   const struct berth_endpoint *program, bool is_disguised)
{
    struct decide_contact like = {.queue = run->guard,
                                  .direction = BERTH_IN,
                                  .protocol = BERTH_TCP,
                                  .program = *program,
                                  .peer = *client,
                                  .is_disguised = is_disguised,
                                  .fd = fd};
    struct berth_verdict verdict = decide_judge(run, &like);
    struct decide_contact *contact;

    if (is_left_to_stack(&like, &verdict)) {
        answer_client(run, fd, client, program, NULL);
        return;
    }
    contact = contact_new(run, &like, NULL, 0);
    if (contact == NULL) {
        sockets_reset(fd);
        return;
    }
    bring(run, contact);
}

/* Does a datagram of this client wait already? */
static bool has_waiting(struct run *run, const struct relay_udp_arrival *arrival)
{
    for (struct list_node *at = list_first(&run->deciding); at != NULL;
         at = list_next(&run->deciding, at)) {
        const struct decide_contact *contact = CONTAINER_OF(at, struct decide_contact, all);

        if (contact->arrival.data != NULL && contact->arrival.listener == arrival->listener &&
            berth_endpoint_is_equal(&contact->arrival.client, &arrival->client)) {
            return true;
        }
    }
    return false;
}

void decide_datagram(struct run *run, const struct relay_udp_arrival *arrival)
{
    struct decide_contact like = {.queue = run->guard,
                                  .direction = BERTH_IN,
                                  .protocol = BERTH_UDP,
                                  .program = arrival->program,
                                  .peer = arrival->seen,
                                  .is_disguised = arrival->is_disguised,
                                  .fd = -1,
                                  .arrival = *arrival};
    struct berth_verdict verdict = decide_judge(run, &like);

    if (is_left_to_stack(&like, &verdict)) {
        relay_udp_answer(run, arrival, NULL);
    } else if (!has_waiting(run, arrival)) {
        struct decide_contact *contact = contact_new(run, &like, arrival->data, arrival->bytes);

        if (contact != NULL) { /* else the datagram is lost, as one may be */
            bring(run, contact);
        }
    }
}

/* ---- Those that wait ------------------------------------------------------------------------ */

void decide_on_held_closed(struct queue *queue, const struct berth_event *event)
{
    struct run *run = queue->run;

    for (struct list_node *at = list_first(&run->deciding); at != NULL;
         at = list_next(&run->deciding, at)) {
        struct decide_contact *contact = CONTAINER_OF(at, struct decide_contact, all);

        if (contact->id == event->id && contact->queue == queue) {
            contact->is_given_up = true;
            if (!list_has(&contact->parcel.node)) {
                bring(run, contact);
            }
            return;
        }
    }
}

void decide_end_all(struct run *run)
{
    struct list_node *at;

    while ((at = list_first(&run->deciding)) != NULL) {
        struct decide_contact *contact = CONTAINER_OF(at, struct decide_contact, all);

        questions_withdraw(run, contact);
        if (contact->id != 0) {
            (void)berth_held_drop(contact->queue->berth, contact->id);
        }
        if (contact->fd >= 0) {
            sockets_reset(contact->fd);
        }
        give_up(run, contact, RUN_END_RUN_ENDED);
        free_contact(contact);
    }
}
