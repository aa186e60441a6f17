/* SPDX-License-Identifier: MIT */
/*
 * run/conversation.c: see run/conversation.h.
 */
#include "run/conversation.h"

#include <berth/registry.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "run/dns_message.h"
#include "run/scans.h"

enum {
    ASKS_PER_S = 50,
    ASKS_AT_ONCE = 100,
};

/* The port that says what is talked about; 0 for ICMP. */
static uint16_t served_port(const struct conversation *conversation)
{
    if (conversation->protocol == BERTH_ICMP) {
        return 0;
    }
    return conversation->direction == BERTH_OUT ? conversation->peer.port
                                                : conversation->program.port;
}

/* ---- The process and the verdict ------------------------------------------------------------ */

static uint8_t attribute_protocol(enum berth_protocol protocol, bool is_v4)
{
    switch (protocol) {
    case BERTH_TCP:
        return IPPROTO_TCP;
    case BERTH_UDP:
        return IPPROTO_UDP;
    case BERTH_ICMP:
        break;
    }
    return is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

bool conversation_process(const struct run *run, enum berth_protocol protocol,
                          const struct berth_endpoint *program, const struct berth_endpoint *peer,
                          struct attribute_process *out)
{
    struct attribute_query query = {
        .protocol = attribute_protocol(protocol, berth_address_is_v4(&peer->address)),
        .local = *program,
        .remote = *peer};

    return attribute_find(run->attribute, &query, out);
}

static bool find_process(const struct run *run, const struct conversation *conversation,
                         struct attribute_process *out)
{
    return conversation_process(run, conversation->protocol, &conversation->program,
                                &conversation->peer, out);
}

const char *conversation_process_name(struct run *run, struct conversation *conversation)
{
    struct attribute_process process;

    if (conversation->process == NULL && find_process(run, conversation, &process)) {
        conversation->process = owners_take(&run->owners, &process);
    }
    return conversation->process == NULL ? NULL : conversation->process->name;
}

static struct tally_key key_of(const struct conversation *conversation)
{
    return (struct tally_key){
        .peer = conversation->peer.address,
        .port = served_port(conversation),
        .direction = (uint8_t)conversation->direction,
        .protocol = (uint8_t)conversation->protocol,
        .action = (uint8_t)conversation->verdict.action,
    };
}

/* May a question be asked that nobody depends on? ASKS_PER_S of them may, ASKS_AT_ONCE in a row. */
static bool may_ask(struct run *run)
{
    uint64_t now = run->now_ns;
    uint64_t step = NS_PER_S / ASKS_PER_S;

    if (run->asks_paid_ns > now + ASKS_AT_ONCE * step) {
        return false;
    }
    run->asks_paid_ns = max_u64(run->asks_paid_ns, now) + step;
    return true;
}

/* Is anyone to be told whose CONVERSATION is? To find out costs as much as half of what relaying a
 * short connection does. A line that names the process needs it; the closing table names the first
 * of a row and whether there were others, for which a part of many connections a second will do. */
static bool needs_process(struct run *run, const struct conversation *conversation)
{
    struct tally_key key = key_of(conversation);

    return journal_is_on(&run->journal) || conversation->verdict.log ||
           tally_find(&run->tally, &key) == NULL || may_ask(run);
}

static void take_decided(struct conversation *conversation, const struct decided *decided)
{
    conversation->verdict = decided->verdict;
    conversation->rule = decided->rule;
    conversation->answer = (uint8_t)decided->answer;
}

/* What the rules are asked of CONVERSATION, whosever it is. */
static struct berth_contact_query query_of(const struct conversation *conversation)
{
    return (struct berth_contact_query){.direction = conversation->direction,
                                        .protocol = conversation->protocol,
                                        .peer = conversation->peer.address,
                                        .port = served_port(conversation)};
}

/* By the rules alone. */
static void judge(struct run *run, struct conversation *conversation)
{
    if (conversation->direction == BERTH_IN) {
        struct berth_contact_query query = query_of(conversation);

        conversation->verdict = berth_rules_judge(run->guard->berth, &query);
    }
    conversation->rule = rules_note(run, conversation->verdict.rule);
    if (needs_process(run, conversation)) {
        (void)conversation_process_name(run, conversation);
    }
}

void conversation_begin(struct run *run, struct conversation *conversation,
                        const struct decided *decided)
{
    conversation->begun_ns = run->now_ns;
    conversation->is_open = false;
    conversation->bytes_out = 0;
    conversation->bytes_in = 0;
    conversation->process = NULL;
    if (decided != NULL) {
        take_decided(conversation, decided);
        conversation->process =
            decided->has_process ? owners_take(&run->owners, &decided->process) : NULL;
    } else {
        judge(run, conversation);
    }
    conversation->holds_name =
        conversation->verdict.by_name &&
        berth_name_hold(run->guard->berth, &conversation->peer.address) == BERTH_OK;
}

/* ---- The journal ---------------------------------------------------------------------------- */

static void put_end(json_t *line, const char *address_key, const char *port_key,
                    const struct berth_endpoint *endpoint, bool has_port)
{
    char text[BERTH_ADDRESS_TEXT_BYTES];

    journal_put(line, address_key, json_string(berth_address_format(&endpoint->address, text)));
    journal_put(line, port_key, has_port ? json_integer(endpoint->port) : json_null());
}

static void put_service(json_t *line, const struct conversation *conversation)
{
    uint16_t port = served_port(conversation);
    bool has_port = conversation->protocol != BERTH_ICMP;
    const char *service = NULL;
    const char *category = NULL;

    if (has_port) {
        service = berth_service_name(
            port, conversation->protocol == BERTH_UDP ? BERTH_TRANSPORT_UDP : BERTH_TRANSPORT_TCP);
        category = berth_category_name(berth_port_category(port));
    }
    journal_put(line, "service", journal_text(service));
    journal_put(line, "category", journal_text(category));
}

static json_t *parent_of(const struct attribute_process *process)
{
    json_t *parent;

    if (process->parent == 0) {
        return json_null();
    }
    parent = json_object();
    journal_put(parent, "pid", json_integer(process->parent));
    journal_put(parent, "name", journal_text(process->parent_name));
    return parent;
}

static void put_process(json_t *line, const struct conversation *conversation)
{
    const struct attribute_process *known = conversation->process;
    json_t *process;

    if (known == NULL) {
        journal_put(line, "process", json_null());
        return;
    }
    process = json_object();
    journal_put(process, "pid", json_integer(known->pid));
    journal_put(process, "name", journal_text(known->name));
    journal_put(process, "command", journal_text(known->command));
    journal_put(process, "parent", parent_of(known));
    journal_put(process, "uid", json_integer(known->uid));
    journal_put(process, "user", journal_text(known->user));
    journal_put(line, "process", process);
}

static json_t *line_new(const char *event)
{
    json_t *line = json_object();

    journal_put(line, "time", journal_time(0));
    journal_put(line, "event", json_string(event));
    return line;
}

static json_t *describe(const struct run *run, const char *event,
                        const struct conversation *conversation)
{
    bool has_port = conversation->protocol != BERTH_ICMP;
    json_t *line = line_new(event);

    journal_put(line, "direction",
                json_string(conversation->direction == BERTH_OUT ? "out" : "in"));
    journal_put(line, "protocol", json_string(berth_protocol_name(conversation->protocol)));
    put_end(line, "local_address", "local_port", &conversation->program, has_port);
    put_end(line, "remote_address", "remote_port", &conversation->peer, has_port);
    journal_put(line, "host_name",
                journal_text(naming_find(&run->naming, &conversation->peer.address)));
    put_service(line, conversation);
    put_process(line, conversation);
    journal_put(line, "rule", journal_text(run_rule_text(run, conversation->rule)));
    journal_put(line, "answer",
                journal_text(ask_answer_text((enum ask_answer)conversation->answer)));
    journal_put(line, "rule_origin", journal_text(run_rule_origin(run, conversation->rule)));
    return line;
}

static void write_end(struct run *run, const char *event, const struct conversation *conversation,
                      enum run_end end)
{
    uint64_t duration_us = (run->now_ns - conversation->begun_ns) / NS_PER_US;
    double duration_ms = (double)duration_us / 1000.0;
    json_t *line;

    if (!journal_is_on(&run->journal)) {
        return;
    }
    line = describe(run, event, conversation);
    journal_put(line, "bytes_out", json_integer((json_int_t)conversation->bytes_out));
    journal_put(line, "bytes_in", json_integer((json_int_t)conversation->bytes_in));
    journal_put(line, "duration_ms", json_real(duration_ms));
    journal_put(line, "end", json_string(run_end_text(end)));
    if (conversation->server_name != NULL) {
        journal_put(line, "server_name", journal_text(conversation->server_name));
    }
    run_journal(run, line);
}

/* What a rule with "log" asks for: a line on standard error. */
static void tell(struct run *run, const struct conversation *conversation, const char *verdict)
{
    char program[BERTH_ENDPOINT_TEXT_BYTES];
    char peer[BERTH_ENDPOINT_TEXT_BYTES];
    bool is_out = conversation->direction == BERTH_OUT;
    bool is_known = conversation->rule >= 0; /* but for a lack of memory */
    const char *from = berth_endpoint_format(is_out ? &conversation->program : &conversation->peer,
                                             is_out ? program : peer);
    const char *to = berth_endpoint_format(is_out ? &conversation->peer : &conversation->program,
                                           is_out ? peer : program);

    run_say(run, "%s %s %s from %s to %s, process %s, by the rule '%s' (%s)", verdict,
            is_out ? "out" : "in", berth_protocol_name(conversation->protocol), from, to,
            conversation->process != NULL ? conversation->process->name : "unknown",
            is_known ? run_rule_text(run, conversation->rule) : "unknown",
            is_known ? run_rule_origin(run, conversation->rule) : "unknown");
}

/* ---- Its life ------------------------------------------------------------------------------- */

/* Do the rules let NAME through, so that the refusal is of this address alone? */
static bool is_stale(const struct run *run, const struct conversation *conversation,
                     const char *name)
{
    struct berth_contact_query query = query_of(conversation);

    return name != NULL && conversation->direction == BERTH_OUT &&
           berth_rules_judge_name(run->guard->berth, &query, name).action == BERTH_ALLOW;
}

static void count(struct run *run, const struct conversation *conversation)
{
    const char *name = naming_find(&run->naming, &conversation->peer.address);
    bool is_refused = conversation->verdict.action != BERTH_ALLOW;
    struct tally_entry entry = {
        .key = key_of(conversation),
        .rule = conversation->is_told ? -1 : conversation->rule,
        .by_scan = conversation->verdict.reason == BERTH_REASON_BY_SCAN,
        .bytes_out = conversation->bytes_out,
        .bytes_in = conversation->bytes_in,
        .process = conversation->process,
        .name = name,
        .name_is_stale = is_refused && is_stale(run, conversation, name),
        .is_told = conversation->is_told,
    };

    tally_add(&run->tally, &entry);
}

void conversation_open(struct run *run, struct conversation *conversation)
{
    conversation->is_open = true;
    if (journal_is_on(&run->journal)) {
        run_journal(run, describe(run, "open", conversation));
    }
    if (conversation->verdict.log) {
        tell(run, conversation, "allowed");
    }
}

void conversation_end(struct run *run, struct conversation *conversation, enum run_end end)
{
    scans_on_end(run, conversation, end);
    write_end(run, conversation->is_open ? "close" : "failed", conversation, end);
    count(run, conversation);
    conversation_forget(run, conversation);
}

void conversation_forget(struct run *run, struct conversation *conversation)
{
    owners_give(&run->owners, conversation->process);
    conversation->process = NULL;
    if (conversation->holds_name) {
        conversation->holds_name = false;
        berth_name_release(run->guard->berth, &conversation->peer.address);
    }
}

void conversation_server_refused(struct run *run, struct conversation *conversation,
                                 enum name_refusal why, const char *name)
{
    const char *peer = naming_find(&run->naming, &conversation->peer.address);
    char address[BERTH_ADDRESS_TEXT_BYTES];
    struct name_refused refused = {
        .why = why,
        .name = name,
        .host = name,
        .let_through_for =
            peer != NULL ? peer : berth_address_format(&conversation->peer.address, address),
        .port = conversation->peer.port,
    };

    conversation->server_name = name;
    conversation->verdict.action = BERTH_DENY;
    conversation->is_told = true;
    tally_add_name(&run->tally, &refused);
}

void conversation_refused(struct run *run, const struct berth_contact *contact,
                          const struct decided *decided)
{
    struct attribute_process process;
    struct conversation conversation = {
        .direction = contact->direction,
        .protocol = contact->protocol,
        .program = contact->guarded,
        .peer = contact->peer,
        .verdict = contact->verdict,
        .begun_ns = run->now_ns,
    };
    bool is_drop;

    scans_on_refused(run, contact);
    if (decided != NULL) {
        take_decided(&conversation, decided);
        conversation.process = decided->has_process ? &decided->process : NULL;
    } else {
        conversation.rule = rules_note(run, contact->verdict.rule);
        conversation.process =
            needs_process(run, &conversation) && find_process(run, &conversation, &process)
                ? &process
                : NULL;
    }
    is_drop = conversation.verdict.action == BERTH_DROP;
    write_end(run, "refused", &conversation, is_drop ? RUN_END_DROPPED : RUN_END_DENIED);
    count(run, &conversation);
    if (conversation.verdict.log) {
        tell(run, &conversation, is_drop ? "dropped" : "refused");
    }
}

void conversation_name_refused(struct run *run, const struct name_refused *refused)
{
    char address[BERTH_ADDRESS_TEXT_BYTES];
    char type[DNS_TYPE_TEXT_BYTES];
    char hint[NAME_HINT_BYTES];
    json_t *line;

    tally_add_name(&run->tally, refused);
    if (!journal_is_on(&run->journal)) {
        return;
    }
    line = line_new("name_refused");
    journal_put(line, "host_name", journal_text(refused->name));
    journal_put(line, "type", json_string(dns_type_text(refused->type, type)));
    journal_put(line, "reason", json_string(name_refusal_text(refused->why)));
    journal_put(line, "address",
                journal_text(refused->address == NULL
                                 ? NULL
                                 : berth_address_format(refused->address, address)));
    journal_put(line, "allow", journal_text(name_refusal_hint(refused, hint)));
    run_journal(run, line);
}

/* ---- What was never a conversation ---------------------------------------------------------- */

/* Of refused first contacts there are lines already; the rest is TCP's everyday, and limits. */
static bool is_told(enum berth_drop reason)
{
    return (reason > BERTH_DROP_NONE && reason < BERTH_DROP_DENIED) ||
           reason == BERTH_DROP_NO_CONNECTION || reason == BERTH_DROP_NO_ECHO ||
           reason == BERTH_DROP_NO_BUFFER;
}

static void sum_drops(const struct run *run, struct berth_stats *sum)
{
    berth_stats(run->guard->berth, sum);
    sum->drops[BERTH_DROP_NO_BUFFER] += run->guard->lost_packets;
    for (uint32_t i = run->queue_count > 1 ? 0 : 1; i < run->thread_count; i++) {
        struct berth_stats stats;

        berth_stats(run->queues[i]->berth, &stats);
        stats.drops[BERTH_DROP_NO_BUFFER] += run->queues[i]->lost_packets;
        for (int reason = 0; reason < BERTH_DROP_COUNT; reason++) {
            sum->drops[reason] += stats.drops[reason];
        }
    }
}

void conversation_tell_drops(struct run *run)
{
    struct berth_stats stats;

    sum_drops(run, &stats);
    for (int i = 0; i < BERTH_DROP_COUNT && journal_is_on(&run->journal); i++) {
        enum berth_drop reason = (enum berth_drop)i;

        if (is_told(reason) && stats.drops[i] > 0) {
            json_t *line = line_new("dropped");

            journal_put(line, "reason", json_string(berth_drop_name(reason)));
            journal_put(line, "packets", json_integer((json_int_t)stats.drops[i]));
            run_journal(run, line);
        }
    }
}
