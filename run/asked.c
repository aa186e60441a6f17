/* SPDX-License-Identifier: MIT */
/*
 * run/asked.c: see run/asked.h.
 */
#include "run/asked.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "run/resolver.h"
#include "run/rule_file.h"

struct ask_facts asked_facts(const struct run *run, const struct decide_contact *contact)
{
    const struct berth_endpoint *served =
        contact->direction == BERTH_OUT ? &contact->peer : &contact->program;
    const char *name = contact->decided.name;

    return (struct ask_facts){
        .direction = contact->direction,
        .protocol = contact->protocol,
        .port = contact->protocol == BERTH_ICMP ? 0 : served->port,
        .peer = contact->peer.address,
        .is_host = run_is_gateway(run, &contact->peer.address),
        .name = *name == '\0' ? NULL : name,
        .process = contact->decided.has_process ? &contact->decided.process : NULL,
    };
}

struct ask_key asked_key(const struct run *run, const struct decide_contact *contact)
{
    struct ask_facts facts = asked_facts(run, contact);
    struct ask_key key = {
        .direction = facts.direction, .protocol = facts.protocol, .port = facts.port};
    char address[BERTH_ADDRESS_TEXT_BYTES];
    const char *peer = facts.is_host ? "host" : facts.name;

    /* One name may have been given for an address outside and one inside, by whoever answers for
     * it: what was said of the one is no answer about the other. */
    if (!facts.is_host && resolver_inward(run, &facts.peer) != NULL) {
        peer = NULL;
    }
    if (facts.process != NULL) {
        snprintf(key.process, sizeof key.process, "%s", facts.process->name);
    }
    snprintf(key.peer, sizeof key.peer, "%s",
             peer != NULL ? peer : berth_address_format(&facts.peer, address));
    return key;
}

/* Adds the rule to the run's; false, and nothing added, where it does not decide on the contact. */
static bool add(struct run *run, const struct decide_contact *contact, const char *words,
                enum berth_action wanted)
{
    int32_t asking = contact->decided.rule;

    if (added_add(run, words, asking) < 0) {
        return false;
    }
    if (decide_judge(run, contact).action == wanted) {
        return true;
    }
    added_take_back(run, asking);
    return false;
}

/* Writes the rule to the file in which the rule that asked stands, before it; where that is the
 * default, to the end of the last policy. *PATH: the file; NULL: there is none. 0, or an errno. */
static int write_rule(struct run *run, const struct decide_contact *contact, const char *words,
                      const char **path)
{
    const struct run_config *config = run->config;
    int32_t asking = contact->decided.rule;
    uint32_t line = 0;
    char text[ADDED_BYTES + 64];
    char day[16] = "";
    time_t now = time(NULL);
    struct tm parts;
    int error;

    if (localtime_r(&now, &parts) != NULL) {
        (void)strftime(day, sizeof day, "%Y-%m-%d", &parts);
    }
    snprintf(text, sizeof text, "%s  # %s, asked %s", words,
             contact->decided.has_process ? contact->decided.process.name : "not known", day);
    *path =
        config->rules_owner.file(config->rules_owner.context, added_line_of(run, asking), &line);
    if (*path != NULL) {
        error = rule_file_insert(*path, line + added_lines(run, *path, line), text);
    } else {
        *path = config->policy_file;
        error = *path == NULL ? 0 : rule_file_append(*path, text);
        line = 0;
    }
    if (*path != NULL && error == 0) {
        added_keep(run, asking, *path, line);
    }
    return error;
}

void asked_keep(struct run *run, struct decide_contact *contact, enum ask_answer answer,
                char text[ASK_TEXT_BYTES])
{
    bool allows = ask_answer_allows(answer);
    enum berth_action wanted = allows ? BERTH_ALLOW : BERTH_DENY;
    struct ask_facts facts = asked_facts(run, contact);
    char words[ADDED_BYTES];
    const char *path = NULL;
    bool is_added =
        facts.name != NULL && add(run, contact, ask_text_rule(&facts, allows, true, words), wanted);
    int error;

    is_added = is_added || add(run, contact, ask_text_rule(&facts, allows, false, words), wanted);
    if (!is_added) {
        snprintf(text, ASK_TEXT_BYTES, "  there is no room for another rule: it holds this once\n");
        return;
    }
    error = write_rule(run, contact, words, &path);
    if (path == NULL) {
        snprintf(text, ASK_TEXT_BYTES, "  for this run: %s\n", words);
    } else if (error != 0) {
        snprintf(text, ASK_TEXT_BYTES, "  for this run only: %s\n  %.512s: %s\n", words, path,
                 error == ESTALE ? "it has changed since it was read" : strerror(error));
    } else {
        snprintf(text, ASK_TEXT_BYTES, "  added to %.512s: %s\n", path, words);
    }
}
