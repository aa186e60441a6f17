/* SPDX-License-Identifier: MIT */
/*
 * run/hostnet_resolv.c: the name servers in a resolv.conf. See run/hostnet.h.
 */
#include "run/hostnet.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESOLV_BYTES = 65536, WORD_BYTES = 128, PORT_MAX = 65535, DECIMAL = 10 };

static const char blanks[] = " \t\r\n\f\v";

/* Digits of a number from 1 to max; 0 when it is none. */
static uint32_t number_of(const char *text, uint32_t max)
{
    uint64_t value = 0;

    if (*text == '\0') {
        return 0;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return 0;
        }
        value = value * DECIMAL + (uint64_t)(*text - '0');
        if (value > max) {
            return 0;
        }
    }
    return (uint32_t)value;
}

/* Takes the port off a word ("1.2.3.4:53", "[::1]:53"). Returns false when it is none. */
static bool take_port(char **word, uint16_t *port)
{
    char *text = *word;
    char *end = NULL;

    if (*text == '[') {
        end = strchr(text, ']');
        if (end == NULL) {
            return false;
        }
        *end = '\0';
        *word = text + 1;
        if (end[1] == '\0') {
            return true;
        }
        if (end[1] != ':') {
            return false;
        }
        end++;
    } else {
        end = strchr(text, ':');
        if (end == NULL || strchr(end + 1, ':') != NULL) {
            return true; /* no port, or an IPv6 address */
        }
        *end = '\0';
    }
    *port = (uint16_t)number_of(end + 1, PORT_MAX);
    return *port != 0;
}

/* Takes the interface off a word ("fe80::1%eth0", "fe80::1%2"). */
static bool take_scope(char *word, uint32_t *scope_id)
{
    char *mark = strchr(word, '%');

    if (mark == NULL) {
        return true;
    }
    *mark = '\0';
    *scope_id = if_nametoindex(mark + 1);
    if (*scope_id == 0) {
        *scope_id = number_of(mark + 1, INT32_MAX);
    }
    return *scope_id != 0;
}

int hostnet_parse_nameserver(const char *word, struct hostnet_nameserver *out)
{
    struct hostnet_nameserver server = {.endpoint.port = HOSTNET_SERVER_PORT};
    char copy[WORD_BYTES];
    char *text = copy;
    int length = snprintf(copy, sizeof(copy), "%s", word);

    if (length < 0 || (size_t)length >= sizeof(copy) || !take_port(&text, &server.endpoint.port) ||
        !take_scope(text, &server.scope_id) ||
        berth_address_parse(text, &server.endpoint.address) < 0) {
        return BERTH_E_SYNTAX;
    }
    if (server.scope_id != 0 && !berth_address_is_link_local(&server.endpoint.address)) {
        server.scope_id = 0;
    }
    *out = server;
    return 0;
}

size_t hostnet_parse_resolv(const char *text, struct hostnet_nameserver *out, size_t max)
{
    static const char keyword[] = "nameserver";
    size_t count = 0;

    while (*text != '\0' && count < max) {
        size_t line_length = strcspn(text, "\n");
        const char *word = text + sizeof(keyword) - 1;
        char copy[WORD_BYTES];
        size_t length = 0;

        if (strncmp(text, keyword, sizeof(keyword) - 1) == 0 && (*word == ' ' || *word == '\t')) {
            word += strspn(word, " \t");
            length = strcspn(word, blanks);
            snprintf(copy, sizeof(copy), "%.*s", (int)length, word);
            if (length < sizeof(copy) && hostnet_parse_nameserver(copy, &out[count]) == 0) {
                count++;
            }
        }
        text += line_length + (text[line_length] == '\n');
    }
    return count;
}

size_t hostnet_read_resolv(const char *path, struct hostnet_nameserver *out, size_t max)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t length = 0;
    size_t count = 0;

    if (file == NULL) {
        return 0;
    }
    text = malloc(RESOLV_BYTES);
    if (text != NULL) {
        length = fread(text, 1, RESOLV_BYTES - 1, file);
        text[length] = '\0';
        count = hostnet_parse_resolv(text, out, max);
    }
    free(text);
    fclose(file);
    return count;
}
