/* SPDX-License-Identifier: MIT */
/*
 * cli/port_words.c: see cli/port_words.h.
 */
#include "cli/port_words.h"

#include <stdio.h>
#include <string.h>

#include "cli/options.h"

#define NAME_BYTES_MAX 15 /* RFC 6335 section 5.1 */

static const char expected[] =
    "a port (0 to 65535), a range (8000-8010), a service name or a category";

/* Takes a "/tcp" from the end of the words' name. False: it contradicts --proto. */
static bool take_protocol(struct port_words *words)
{
    char *slash = strrchr(words->name, '/');
    struct berth_registry_query *query = &words->query;
    enum berth_transport transport;

    /* "cl/1" is a service name, so that what is no protocol stays. */
    if (slash == NULL || berth_transport_parse(slash + 1, &transport) != BERTH_OK) {
        return true;
    }
    if (query->has_transports && query->transports != (unsigned)transport) {
        return false;
    }
    *slash = '\0';
    query->has_transports = true;
    query->transports = transport;
    return true;
}

/* A port, a range, a category or a service, with what is no protocol behind a slash. */
static bool has_wrong_protocol(const struct port_words *words)
{
    struct berth_registry_query query = {.name = words->name};
    const char *slash = strrchr(words->name, '/');
    struct berth_registry_cursor cursor;
    struct berth_service service;
    enum berth_category category;
    char before[PORT_WORDS_BYTES];

    berth_registry_start(&cursor, &query);
    if (slash == NULL || slash[1] == '\0' || berth_registry_next(&cursor, &service)) {
        return false;
    }
    (void)snprintf(before, sizeof before, "%.*s", (int)(slash - words->name), words->name);
    query.name = before;
    berth_registry_start(&cursor, &query);
    return before[0] != '\0' && (strspn(before, "0123456789-") == strlen(before) ||
                                 berth_category_parse(before, &category) == BERTH_OK ||
                                 berth_registry_next(&cursor, &service));
}

/* "443" or "8000-8010". */
static bool parse_ports(char *text, struct berth_registry_query *query)
{
    char *dash = strchr(text, '-');
    uint64_t first = 0;
    uint64_t last = 0;
    bool is_good;

    if (dash != NULL) {
        *dash = '\0';
    }
    is_good = cli_options_number(text, 0, UINT16_MAX, &first) &&
              cli_options_number(dash == NULL ? text : dash + 1, first, UINT16_MAX, &last);
    query->has_ports = true;
    query->port_first = (uint16_t)first;
    query->port_last = (uint16_t)last;
    return is_good;
}

/* Whether TEXT can be a service name: visible ASCII, with a letter in it. */
static bool may_be_name(const char *text)
{
    bool has_letter = false;

    if (strlen(text) > NAME_BYTES_MAX) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '!' || *text > '~') {
            return false;
        }
        has_letter = has_letter || (*text | 0x20) >= 'a';
    }
    return has_letter;
}

const char *port_words_parse(const char *operand, struct port_words *words)
{
    struct berth_registry_query *query = &words->query;
    enum berth_category category;
    char ports[PORT_WORDS_BYTES];

    words->operand = operand;
    if (strlen(operand) >= PORT_WORDS_BYTES) {
        return expected;
    }
    memcpy(words->name, operand, strlen(operand) + 1);
    if (!take_protocol(words)) {
        return "the protocol that --proto names, or none";
    }
    if (berth_category_parse(words->name, &category) == BERTH_OK) {
        query->has_ports = true;
        return berth_category_ports(category, &query->port_first, &query->port_last) == BERTH_OK
                   ? NULL
                   : expected;
    }
    memcpy(ports, words->name, sizeof ports);
    if (strspn(ports, "0123456789-") == strlen(ports)) {
        return parse_ports(ports, query) ? NULL : expected;
    }
    if (has_wrong_protocol(words)) {
        return "tcp, udp, sctp or dccp after the slash";
    }
    if (!may_be_name(words->name)) {
        return expected;
    }
    query->name = words->name;
    return NULL;
}
