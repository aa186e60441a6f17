/* SPDX-License-Identifier: MIT */
/*
 * run/relay_server.c: see run/relay_tcp.h: the server that a program's first bytes ask for. A rule
 * by name lets through to an address, and behind one address there may be many servers: the name in
 * the first bytes (server_name.h) must be one that the rules let through on this port too; where a
 * person did, asked by a rule without names, the name that was shown.
 *
 *   what the first bytes say               then
 *   nothing yet, and may be anything       they go out, and what comes next is looked at too
 *   part of a ClientHello or a request     they wait in the stack, unsent
 *   no name, another protocol              they go out
 *   names, all let through by the rules    they go out
 *   one that is not                        they do not; the connection ends, with a RST both ways
 *   a name may hide in them                likewise
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "run/relay_tcp.h"

bool relay_server_begin(struct relay_tcp *relay, const struct decided *decided)
{
    bool by_name = relay->conversation.verdict.by_name;
    bool is_once = decided != NULL && decided->answer == ASK_ONCE;
    const char *asked = is_once && !by_name ? decided->name : "";

    if (!by_name && *asked == '\0') {
        return true;
    }
    relay->server = malloc(sizeof *relay->server);
    if (relay->server == NULL) {
        return false;
    }
    server_name_init(&relay->server->name);
    relay->server->at = 0;
    snprintf(relay->server->asked, sizeof relay->server->asked, "%s", asked);
    return true;
}

void relay_server_end(struct relay_tcp *relay)
{
    free(relay->server);
    relay->server = NULL;
}

/* What the rules say of the connection if NAME were its peer's only name, NULL: by its address. */
static struct berth_verdict judge(struct relay_tcp *relay, const char *name)
{
    struct conversation *conversation = &relay->conversation;
    struct berth_contact_query query = {.direction = BERTH_OUT,
                                        .protocol = BERTH_TCP,
                                        .peer = conversation->peer.address,
                                        .port = conversation->peer.port};
    struct berth_address address;
    struct berth_verdict verdict;

    if (name != NULL && berth_address_parse(name, &address) == BERTH_OK) {
        query.peer = address;
        name = NULL;
    }
    do {
        verdict = name == NULL
                      ? berth_rules_judge(relay->queue->run->guard->berth, &query)
                      : berth_rules_judge_name(relay->queue->run->guard->berth, &query, name);
        if (!verdict.needs_process) {
            return verdict;
        }
        query.process = conversation_process_name(relay->queue->run, conversation);
    } while (query.process != NULL);
    return verdict;
}

/* What was asked about and let through stays so: for the names of the rule that asked, where it has
 * any; else for the name that was shown. */
static bool may_ask_for(struct relay_tcp *relay, const char *name)
{
    struct berth_verdict verdict = judge(relay, name);
    struct berth_address address;

    if (berth_address_parse(name, &address) == BERTH_OK &&
        berth_address_is_equal(&address, &relay->conversation.peer.address)) {
        return true;
    }
    if (verdict.action == BERTH_ASK && *relay->server->asked != '\0') {
        return strcasecmp(name, relay->server->asked) == 0;
    }
    if (verdict.action == BERTH_ASK) {
        struct berth_verdict own = judge(relay, NULL);

        return own.action == BERTH_ASK && own.rule >= 0 && own.rule == verdict.rule;
    }
    return verdict.action == BERTH_ALLOW;
}

static enum relay_tcp_pumped refuse(struct relay_tcp *relay, enum name_refusal why,
                                    const char *name)
{
    relay->end = why == NAME_REFUSED_SERVER ? RUN_END_OTHER_SERVER : RUN_END_HIDDEN_SERVER;
    conversation_server_refused(relay->queue->run, &relay->conversation, why, name);
    return RELAY_TCP_WRONG;
}

static enum relay_tcp_pumped decide(struct relay_tcp *relay, enum server_name_verdict verdict)
{
    const struct server_name *found = &relay->server->name;

    switch (verdict) {
    case SERVER_NAME_MORE:
        return RELAY_TCP_PUMPED;
    case SERVER_NAME_BAD:
        return refuse(relay, NAME_REFUSED_HIDDEN, NULL);
    case SERVER_NAME_NONE:
    case SERVER_NAME_FOUND:
        break;
    }
    for (size_t i = 0; i < found->count; i++) {
        if (!may_ask_for(relay, found->names[i])) {
            return refuse(relay, NAME_REFUSED_SERVER, found->names[i]);
        }
    }
    relay_server_end(relay);
    return RELAY_TCP_PUMPED;
}

enum relay_tcp_pumped relay_server_look(struct relay_tcp *relay, const struct berth_view *views,
                                        uint32_t count, bool *may_go)
{
    struct relay_server *server = relay->server;
    enum relay_tcp_pumped result;
    enum server_name_verdict verdict = SERVER_NAME_MORE;
    size_t skip = server->at;

    for (uint32_t i = 0; i < count; i++) {
        size_t seen = skip < views[i].bytes ? skip : views[i].bytes;
        const uint8_t *data = views[i].data;

        skip -= seen;
        verdict = server_name_take(&server->name, data + seen, views[i].bytes - seen);
        server->at += views[i].bytes - seen;
    }
    if (verdict == SERVER_NAME_MORE && relay->stack_fin) {
        verdict = server_name_end(&server->name);
    }
    queue_lock(relay->queue); /* the rules, the names and the report are the run's */
    result = decide(relay, verdict);
    queue_unlock(relay->queue);
    *may_go = result == RELAY_TCP_PUMPED &&
              (relay->server == NULL || server_name_may_pass(&relay->server->name));
    return result;
}

void relay_server_sent(struct relay_tcp *relay, size_t bytes)
{
    if (relay->server != NULL) {
        relay->server->at -= bytes;
    }
}
