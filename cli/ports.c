/* SPDX-License-Identifier: MIT */
/*
 * cli/ports.c: `berth ports`: the registry (berth/registry.h) for people and scripts, and the
 * command line of --free and --ephemeral (ports_host.h).
 *
 * Each operand becomes one question to the registry, and all are understood before the first is
 * asked. A question without an answer is said on standard error, and the exit status is 1.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/registry.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/port_words.h"
#include "cli/ports_host.h"
#include "cli/table.h"

struct settings {
    const char *word;
    int protocol; /* index in protocols; -1: any */
    bool is_free;
    bool is_ephemeral;
    bool is_json;
};

static const char *const protocols[] = {"tcp", "udp", "sctp", "dccp", "none", NULL};
static const unsigned protocol_bits[] = {BERTH_TRANSPORT_TCP, BERTH_TRANSPORT_UDP,
                                         BERTH_TRANSPORT_SCTP, BERTH_TRANSPORT_DCCP,
                                         BERTH_TRANSPORT_NONE};

static const struct cli_option option_list[] = {
    {.name = "search",
     .kind = CLI_TEXT,
     .value = "WORD",
     .offset = offsetof(struct settings, word),
     .help = "only what has WORD in its name or description, whatever its case"},
    {.name = "proto",
     .kind = CLI_CHOICE,
     .value = "tcp|udp|sctp|dccp|none",
     .choices = protocols,
     .offset = offsetof(struct settings, protocol),
     .help = "only this protocol; none: what IANA lists without one"},
    {.name = "free",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_free),
     .help = "print a port that nothing on this host uses, TCP and UDP unless --proto says else; "
             "with operands, one of each"},
    {.name = "ephemeral",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_ephemeral),
     .help = "show the range that this host gives to outgoing connections against IANA's, and how "
             "much of it is taken towards its busiest peers"},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_json),
     .help = "one JSON document: an array of objects with port, port_last, protocol, name, "
             "category, description, reference; null for what is not given (of --free and "
             "--ephemeral: berth-ports(1))"},
};

static const struct cli_options options = {
    .command = "berth ports",
    .usage = "[OPTION]... [PORT|PORT-PORT|NAME|CATEGORY]...\n"
             "--free [--proto PROTOCOL] [--json] [PORT|PORT-PORT|NAME|CATEGORY]...\n"
             "--ephemeral [--json]",
    .about = "Shows what IANA's registry says of ports and service names, offline. Of several "
             "names of a port the familiar one comes first. Without an operand or --search the "
             "whole registry is shown.\nA free port is never a registered one, unless the operand "
             "names the ports themselves (8080, 8000-8010, http-alt) and no other of them is free; "
             "and one of the host's ephemeral range only where there is no other.",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
    .notes =
        "Operands:\n"
        "  PORT, PORT-PORT  0 to 65535; with /tcp, /udp, /sctp or /dccp only that protocol\n"
        "  NAME             a service name, whatever its case\n"
        "  CATEGORY         system (0-1023), user (1024-49151) or ephemeral (49152-65535)\n"
        "\n"
        "Exit status: 0 found; 1 for one of the operands nothing is registered, or none is free;\n"
        "2 a mistake.\n"
        "\n"
        "Examples:\n"
        "  berth ports 443\n"
        "  berth ports postgresql\n"
        "  berth ports 8000-8010 --json\n"
        "  berth ports system --proto tcp\n"
        "  berth ports --search kerberos\n"
        "  berth ports --free\n"
        "  berth ports --free 8000-8100 --proto tcp\n"
        "  berth ports --ephemeral\n",
};

/* OPERAND into *QUESTION, which holds what the options ask. -1, or the exit status. */
static int parse_operand(const char *operand, struct port_words *question)
{
    const char *expected = port_words_parse(operand, question);

    return expected == NULL ? -1 : cli_options_refuse(&options, operand, expected);
}

static void format_port(const struct berth_service *service, char *out, size_t bytes)
{
    if (!service->has_port) {
        out[0] = '\0';
    } else if (service->port_first == service->port_last) {
        snprintf(out, bytes, "%u", (unsigned)service->port_first);
    } else {
        snprintf(out, bytes, "%u-%u", (unsigned)service->port_first, (unsigned)service->port_last);
    }
}

static const char *category_of(const struct berth_service *service)
{
    return service->has_port ? berth_category_name(berth_port_category(service->port_first)) : "";
}

static void add_row(struct cli_table *table, const struct berth_service *service)
{
    enum cli_style style = *service->name == '\0' ? CLI_DIM : CLI_PLAIN;
    char port[16];

    format_port(service, port, sizeof port);
    cli_table_add(table, style, port);
    cli_table_add(table, style, berth_transport_name(service->transport));
    cli_table_add(table, style == CLI_DIM ? CLI_DIM : CLI_BOLD, service->name);
    cli_table_add(table, style, category_of(service));
    cli_table_add(table, style, service->description);
    cli_table_add(table, style, service->reference);
}

static void add_object(json_t *array, const struct berth_service *service)
{
    json_t *object = cli_json_object();

    if (service->has_port) {
        cli_json_put_number(object, "port", service->port_first);
        cli_json_put_number(object, "port_last", service->port_last);
    } else {
        cli_json_put(object, "port", json_null());
        cli_json_put(object, "port_last", json_null());
    }
    cli_json_put(object, "protocol", cli_json_text(berth_transport_name(service->transport)));
    cli_json_put(object, "name", cli_json_text(service->name));
    cli_json_put(object, "category", cli_json_text(category_of(service)));
    cli_json_put(object, "description", cli_json_text(service->description));
    cli_json_put(object, "reference", cli_json_text(service->reference));
    cli_json_append(array, object);
}

/* What is said of a question that has no answer. */
static void say_nothing_found(const struct port_words *question, const struct settings *settings)
{
    const struct berth_registry_query *query = &question->query;
    const char *operand = question->operand;

    if (settings->word != NULL) {
        cli_message("ports: nothing matches '%s'%s%s", settings->word,
                    operand == NULL ? "" : " in ", operand == NULL ? "" : operand);
    } else if (operand == NULL) {
        cli_message("ports: nothing is registered");
    } else if (query->name != NULL) {
        cli_message("ports: no service has the name '%s'; look for it with --search", operand);
    } else if (berth_port_category(query->port_first) == BERTH_CATEGORY_EPHEMERAL) {
        cli_message("ports: %s: ephemeral: not registered; IANA registers no port from 49152 on",
                    operand);
    } else {
        cli_message("ports: %s: %s: not registered%s%s", operand,
                    berth_category_name(berth_port_category(query->port_first)),
                    settings->protocol < 0 ? "" : " for protocol ",
                    settings->protocol < 0 ? "" : protocols[settings->protocol]);
    }
}

/* Asks QUESTION and adds the answers to whichever of TABLE and ARRAY is there. */
static bool answer(const struct port_words *question, struct cli_table *table, json_t *array)
{
    struct berth_registry_cursor cursor;
    struct berth_service service;
    bool is_found = false;

    berth_registry_start(&cursor, &question->query);
    while (berth_registry_next(&cursor, &service)) {
        is_found = true;
        if (table != NULL) {
            add_row(table, &service);
        } else {
            add_object(array, &service);
        }
    }
    return is_found;
}

static int answer_all(const struct port_words *questions, size_t count,
                      const struct settings *settings)
{
    static const struct cli_column columns[] = {
        {"PORT", CLI_RIGHT, false},      {"PROTO", CLI_LEFT, false},
        {"NAME", CLI_LEFT, false},       {"CATEGORY", CLI_LEFT, false},
        {"DESCRIPTION", CLI_LEFT, true}, {"REFERENCE", CLI_LEFT, true},
    };
    struct cli_table *table =
        settings->is_json ? NULL : cli_table_new(columns, sizeof columns / sizeof columns[0]);
    json_t *array = settings->is_json ? cli_json_array() : NULL;
    int status = CLI_OK;

    for (size_t i = 0; i < count; i++) {
        if (!answer(&questions[i], table, array)) {
            say_nothing_found(&questions[i], settings);
            status = CLI_NOTHING;
        }
    }
    if (table != NULL) {
        cli_table_print(table, stdout);
        cli_table_free(table);
    } else {
        cli_json_print(array, stdout);
    }
    return status;
}

/* The questions as wishes for a port. */
static int find_free(const struct port_words *questions, size_t count,
                     const struct settings *settings)
{
    struct ports_wanted *wanted = cli_memory(NULL, count * sizeof *wanted);
    int status = -1;

    for (size_t i = 0; i < count && status < 0; i++) {
        const struct berth_registry_query *query = &questions[i].query;
        struct berth_registry_cursor cursor;
        struct berth_service service;
        enum berth_category category;

        wanted[i] = (struct ports_wanted){
            .operand = questions[i].operand,
            .query = *query,
            .transports = query->has_transports ? query->transports
                                                : BERTH_TRANSPORT_TCP | BERTH_TRANSPORT_UDP,
            .may_be_registered = questions[i].operand != NULL &&
                                 berth_category_parse(questions[i].name, &category) != BERTH_OK};
        wanted[i].query.has_transports = false;
        berth_registry_start(&cursor, &wanted[i].query);
        if (query->name != NULL && !berth_registry_next(&cursor, &service)) {
            say_nothing_found(&questions[i], settings);
            status = CLI_NOTHING;
        }
    }
    if (status < 0) {
        status = ports_free(wanted, count, settings->is_json);
    }
    free(wanted);
    return status;
}

/* Do the options go together? -1, or the exit status. */
static int check_settings(const struct settings *settings, const struct cli_words *operands)
{
    static const int none = sizeof protocols / sizeof protocols[0] - 2;

    if (settings->is_free && settings->is_ephemeral) {
        return cli_options_refuse(&options, "--ephemeral", "it or --free, not both");
    }
    if (settings->word != NULL && (settings->is_free || settings->is_ephemeral)) {
        return cli_options_refuse(&options, "--search", "none with --free or --ephemeral");
    }
    if (settings->is_free && settings->protocol == none) {
        return cli_options_refuse(&options, "none", "tcp, udp, sctp or dccp with --free");
    }
    if (settings->is_ephemeral && (settings->protocol >= 0 || operands->count > 0)) {
        return cli_options_refuse(&options, operands->count > 0 ? operands->words[0] : "--proto",
                                  "no option but --json and no operand with --ephemeral");
    }
    return -1;
}

int cli_ports_main(int argc, char **argv)
{
    struct settings settings = {.protocol = -1};
    struct cli_words operands;
    struct port_words *questions;
    size_t count;
    int status = cli_options_parse(&options, argc, argv, &settings, &operands);

    if (status < 0) {
        status = check_settings(&settings, &operands);
    }
    if (status < 0 && settings.is_ephemeral) {
        status = ports_ephemeral(settings.is_json);
    }
    if (status >= 0) {
        return status;
    }
    count = operands.count == 0 ? 1 : (size_t)operands.count;
    questions = cli_memory(NULL, count * sizeof *questions);
    for (size_t i = 0; i < count && status < 0; i++) {
        questions[i] = (struct port_words){.query = {.word = settings.word}};
        if (settings.protocol >= 0) {
            questions[i].query.has_transports = true;
            questions[i].query.transports = protocol_bits[settings.protocol];
        }
        if (operands.count > 0) {
            status = parse_operand(operands.words[i], &questions[i]);
        }
    }
    if (status < 0) {
        status = settings.is_free ? find_free(questions, count, &settings)
                                  : answer_all(questions, count, &settings);
    }
    free(questions);
    return status;
}
