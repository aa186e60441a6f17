/* SPDX-License-Identifier: MIT */
/*
 * run/ask_text.c: see run/ask_text.h.
 */
#include "run/ask_text.h"

#include <berth/registry.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "firewall/name.h"

/* Appends to OUT, which has room for ASK_TEXT_BYTES; what is no plain ASCII becomes '?'. */
static void add(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char *out, const char *format, ...)
{
    size_t used = strlen(out);
    va_list values;

    va_start(values, format);
    (void)vsnprintf(out + used, ASK_TEXT_BYTES - used, format, values);
    va_end(values);
    for (char *at = out + used; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~') {
            *at = '?';
        }
    }
}

/* An end of line, which add() would not write. */
static void end_line(char *out)
{
    size_t used = strlen(out);

    if (used + 2 <= ASK_TEXT_BYTES) {
        memcpy(out + used, "\n", 2);
    }
}

static void add_port(char *out, const struct ask_facts *facts)
{
    const char *service;

    if (facts->protocol == BERTH_ICMP) {
        add(out, ", icmp echo");
        return;
    }
    service = berth_service_name(facts->port, facts->protocol == BERTH_UDP ? BERTH_TRANSPORT_UDP
                                                                           : BERTH_TRANSPORT_TCP);
    add(out, ", port %u/%s (%s%s%s)", (unsigned)facts->port, berth_protocol_name(facts->protocol),
        service == NULL ? "" : service, service == NULL ? "" : ", ",
        berth_category_name(berth_port_category(facts->port)));
}

static void add_peer(char *out, const struct ask_facts *facts)
{
    char address[BERTH_ADDRESS_TEXT_BYTES];
    const char *name = facts->is_host ? "host" : facts->name;

    (void)berth_address_format(&facts->peer, address);
    if (name == NULL) {
        add(out, "%s", address);
    } else {
        add(out, "%s (%s)", name, address);
    }
}

static void add_process(char *out, const struct ask_facts *facts)
{
    if (facts->process == NULL) {
        add(out, "a process that is not known");
    } else {
        add(out, "%s (pid %d)", facts->process->name, (int)facts->process->pid);
    }
}

static const char *verb_of(enum berth_protocol protocol)
{
    switch (protocol) {
    case BERTH_TCP:
        return "connect";
    case BERTH_UDP:
        return "send";
    case BERTH_ICMP:
        return "send a ping";
    }
    return "";
}

/* The second line: how the process was called, and by whom. */
static void add_command(char *out, const struct attribute_process *process)
{
    add(out, "  %s", process->command[0] != '\0' ? process->command : process->name);
    if (process->parent > 0) {
        add(out, ", started by %s (pid %d)",
            process->parent_name[0] != '\0' ? process->parent_name : "?", (int)process->parent);
    }
    if (process->user[0] != '\0') {
        add(out, ", user %s", process->user);
    } else {
        add(out, ", user %u", (unsigned)process->uid);
    }
    end_line(out);
}

char *ask_text_question(const struct ask_facts *facts, char out[ASK_TEXT_BYTES])
{
    out[0] = '\0';
    add(out, "berth: ");
    if (facts->direction == BERTH_OUT) {
        add_process(out, facts);
        add(out, " wants to %s out to ", verb_of(facts->protocol));
        add_peer(out, facts);
        add_port(out, facts);
    } else {
        add_peer(out, facts);
        add(out, " wants to %s in to ", verb_of(facts->protocol));
        add_process(out, facts);
        add_port(out, facts);
    }
    end_line(out);
    if (facts->process != NULL) {
        add_command(out, facts->process);
    }
    return out;
}

char *ask_text_prompt(uint64_t seconds, char out[ASK_TEXT_BYTES])
{
    out[0] = '\0';
    add(out, "  once (o), always (a), deny (d), never (n)? [denied in %llu s] ",
        (unsigned long long)seconds);
    return out;
}

enum ask_answer ask_text_answer(const char *line)
{
    static const struct {
        const char *word;
        enum ask_answer answer;
    } words[] = {
        {"o", ASK_ONCE},    {"once", ASK_ONCE},     {"y", ASK_ONCE},
        {"a", ASK_ALWAYS},  {"always", ASK_ALWAYS}, {"d", ASK_DENY},
        {"deny", ASK_DENY}, {"n", ASK_NEVER},       {"never", ASK_NEVER},
    };
    size_t length;

    line += strspn(line, " \t");
    length = strcspn(line, " \t\r\n");
    if (line[length + strspn(line + length, " \t\r\n")] != '\0') {
        return ASK_NOTHING;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == length && strncasecmp(words[i].word, line, length) == 0) {
            return words[i].answer;
        }
    }
    return ASK_NOTHING;
}

char *ask_text_rule(const struct ask_facts *facts, bool allows, bool by_name, char out[ADDED_BYTES])
{
    bool is_out = facts->direction == BERTH_OUT;
    char address[BERTH_ADDRESS_TEXT_BYTES];
    char name[BERTH_NAME_BYTES];
    const char *peer = berth_address_format(&facts->peer, address);
    char what[16] = "icmp";

    if (facts->is_host) {
        peer = "host";
    } else if (by_name && firewall_name_write(facts->name, name) > 0) {
        peer = name;
    }
    if (facts->protocol != BERTH_ICMP) {
        snprintf(what, sizeof what, "%u/%s", (unsigned)facts->port,
                 berth_protocol_name(facts->protocol));
    }
    snprintf(out, ADDED_BYTES, "%s %s %s %s %s", allows ? "allow" : "deny", is_out ? "out" : "in",
             what, is_out ? "to" : "from", peer);
    return out;
}
