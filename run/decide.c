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

struct berth_verdict decide_judge(struct run *run, const struct decide_contact *contact)
{
    struct berth_contact_query query = query_of(contact);
    struct berth_verdict verdict = berth_rules_judge(run->berth, &query);

    if (contact->direction == BERTH_OUT &&
        is_pointed_inwards(run, &verdict, &contact->peer.address)) {
        return berth_rules_judge_name(run->berth, &query, ""); /* as if it had no name */
    }
    return verdict;
}

void decide_take(struct run *run, struct decide_contact *contact,
                 const struct berth_verdict *verdict)
{
    struct berth_contact_query query = query_of(contact);

    contact->decided.verdict = *verdict;
    contact->decided.rule = rules_note(run, verdict->rule);
    if (verdict->limited && berth_rules_take(run->berth, &query, &contact->decided.verdict) < 0) {
        contact->decided.verdict.action = BERTH_DENY; /* as the verdict says now */
    }
}

static bool is_plain(const struct berth_verdict *verdict)
{
    return !verdict->needs_process && verdict->action != BERTH_ASK;
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

static void call_relay(struct run *run, berth_id id, const struct berth_held *held,
                       const struct decided *decided)
{
    switch (held->protocol) {
    case BERTH_TCP:
        relay_tcp_call(run, id, held, decided);
        break;
    case BERTH_UDP:
        relay_udp_call(run, id, held, decided);
        break;
    case BERTH_ICMP:
        relay_echo_call(run, id, held, decided);
        break;
    }
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
        relay_tcp_answer(run, contact->fd, &contact->peer, &contact->program, &contact->decided);
    } else if (contact->arrival.data != NULL) {
        relay_udp_answer(run, &contact->arrival, &contact->decided);
    } else if (berth_held(run->berth, contact->id, &held) == BERTH_OK) {
        call_relay(run, contact->id, &held, &contact->decided);
    } else {
        give_up(run, contact, RUN_END_GIVEN_UP);
    }
}

/* Answered as the stack answers what the rules refuse: a RST, or ICMP's "prohibited". */
static void refuse_held(struct run *run, const struct decide_contact *contact)
{
    int result;

    if (contact->decided.verdict.action == BERTH_DROP) {
        result = berth_held_drop(run->berth, contact->id);
    } else if (contact->protocol == BERTH_TCP) {
        result = berth_held_refuse(run->berth, contact->id);
    } else {
        result = berth_held_reject(run->berth, contact->id, BERTH_UNREACHABLE_PROHIBITED);
    }
    BERTH_CHECK(result == BERTH_OK || result == BERTH_E_STALE); /* stale: it has been given up */
}

static void refuse(struct run *run, const struct decide_contact *contact)
{
    struct berth_contact record = record_of(contact);

    conversation_refused(run, &record, &contact->decided);
    if (contact->id != 0) {
        refuse_held(run, contact);
    }
    if (contact->fd >= 0) {
        sockets_reset(contact->fd);
    }
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
    if (decided->verdict.action == BERTH_ALLOW) {
        allow(run, contact);
    } else {
        refuse(run, contact);
    }
    list_remove(&contact->all);
    free(contact);
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
    contact->begun_ns = run->loop.now_ns;
    if (data != NULL) {
        contact->arrival.data = memcpy(contact + 1, data, bytes);
    }
    list_add_last(&run->deciding, &contact->all);
    return contact;
}

/* Takes CONTACT (NULL: no memory, false) to its process, the rules, and a person. HELD: the verdict
 * by which the stack holds it; what that has allowed it has counted against the rule's limit. */
static bool decide(struct run *run, struct decide_contact *contact,
                   const struct berth_verdict *held)
{
    struct berth_verdict verdict;

    if (contact == NULL) {
        return false;
    }
    find_process(run, contact);
    verdict = decide_judge(run, contact);
    verdict.limited = verdict.limited &&
                      !(held != NULL && held->action == BERTH_ALLOW && held->rule == verdict.rule);
    decide_take(run, contact, &verdict);
    if (contact->decided.verdict.action != BERTH_ASK) {
        decide_go(run, contact, ASK_NOTHING);
        return true;
    }
    note_name(run, contact);
    if (!questions_put(run, contact)) {
        decide_go(run, contact, ASK_NO_ANSWER);
    }
    return true;
}

void decide_held(struct run *run, berth_id id, const struct berth_held *held)
{
    struct decide_contact like = {.direction = BERTH_OUT,
                                  .protocol = held->protocol,
                                  .program = held->remote,
                                  .peer = held->local,
                                  .id = id,
                                  .fd = -1};

    if (is_plain(&held->verdict) &&
        !is_pointed_inwards(run, &held->verdict, &held->local.address)) {
        call_relay(run, id, held, NULL);
    } else if (!decide(run, contact_new(run, &like, NULL, 0), &held->verdict)) {
        (void)berth_held_drop(run->berth, id);
    }
}

void decide_client(struct run *run, int fd, const struct berth_endpoint *client,
                   const struct berth_endpoint *program)
{
    struct decide_contact like = {.direction = BERTH_IN,
                                  .protocol = BERTH_TCP,
                                  .program = *program,
                                  .peer = *client,
                                  .fd = fd};
    struct berth_verdict verdict = decide_judge(run, &like);

    if (is_plain(&verdict)) {
        relay_tcp_answer(run, fd, client, program, NULL);
    } else if (!decide(run, contact_new(run, &like, NULL, 0), NULL)) {
        sockets_reset(fd);
    }
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
    struct decide_contact like = {.direction = BERTH_IN,
                                  .protocol = BERTH_UDP,
                                  .program = arrival->program,
                                  .peer = arrival->seen,
                                  .fd = -1,
                                  .arrival = *arrival};
    struct berth_verdict verdict = decide_judge(run, &like);

    if (is_plain(&verdict)) {
        relay_udp_answer(run, arrival, NULL);
    } else if (!has_waiting(run, arrival)) {
        /* Without memory the datagram is lost, as one may be. */
        (void)decide(run, contact_new(run, &like, arrival->data, arrival->bytes), NULL);
    }
}

/* ---- Those that wait ------------------------------------------------------------------------ */

void decide_on_held_closed(struct run *run, const struct berth_event *event)
{
    for (struct list_node *at = list_first(&run->deciding); at != NULL;
         at = list_next(&run->deciding, at)) {
        struct decide_contact *contact = CONTAINER_OF(at, struct decide_contact, all);

        if (contact->id == event->id) {
            questions_withdraw(run, contact);
            give_up(run, contact, RUN_END_GIVEN_UP);
            list_remove(&contact->all);
            free(contact);
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
            (void)berth_held_drop(run->berth, contact->id);
        }
        if (contact->fd >= 0) {
            sockets_reset(contact->fd);
        }
        give_up(run, contact, RUN_END_RUN_ENDED);
        list_remove(&contact->all);
        free(contact);
    }
}
