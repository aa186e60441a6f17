/* SPDX-License-Identifier: MIT */
/*
 * inspect/host_sockets.c: see inspect/host_sockets.h.
 */
#include "inspect/host_sockets.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES   512
#define STATE_LISTEN 10 /* TCP_LISTEN of the kernel's include/net/tcp_states.h */
#define WORD_DIGITS  8

/* The 8 or 32 digits at TEXT up to the colon: each 8 are a word as this machine holds it. */
static bool parse_address(const char *text, size_t digits, struct berth_address *out)
{
    struct berth_address address = {{[10] = 0xff, [11] = 0xff}};
    size_t words = digits / WORD_DIGITS;
    uint8_t *at = address.bytes + (sizeof address.bytes - words * sizeof(uint32_t));

    for (size_t i = 0; i < words; i++) {
        char word[WORD_DIGITS + 1] = "";
        uint32_t value;

        memcpy(word, text + i * WORD_DIGITS, WORD_DIGITS);
        if (strspn(word, "0123456789abcdefABCDEF") != WORD_DIGITS) {
            return false;
        }
        value = (uint32_t)strtoul(word, NULL, 16);
        memcpy(at + i * sizeof value, &value, sizeof value);
    }
    *out = address;
    return true;
}

/* "0100007F:0035" */
static bool parse_endpoint(const char *text, struct berth_endpoint *out)
{
    const char *colon = strchr(text, ':');
    size_t digits = colon == NULL ? 0 : (size_t)(colon - text);
    char *end;
    unsigned long port;

    if (digits != WORD_DIGITS && digits != (size_t)4 * WORD_DIGITS) {
        return false;
    }
    port = strtoul(colon + 1, &end, 16);
    if (end == colon + 1 || *end != '\0' || port > UINT16_MAX) {
        return false;
    }
    out->port = (uint16_t)port;
    return parse_address(text, digits, &out->address);
}

bool host_sockets_parse(const char *line, enum berth_transport transport, struct host_socket *out)
{
    struct host_socket row = {.transport = transport};
    char local[64];
    char remote[64];
    unsigned state;

    if (sscanf(line, " %*u: %63s %63s %x", local, remote, &state) != 3 ||
        !parse_endpoint(local, &row.local) || !parse_endpoint(remote, &row.remote)) {
        return false;
    }
    row.is_listening =
        transport == BERTH_TRANSPORT_TCP ? state == STATE_LISTEN : row.remote.port == 0;
    *out = row;
    return true;
}

static bool add(struct host_sockets *sockets, const struct host_socket *row)
{
    if (sockets->count == sockets->max) {
        size_t max = sockets->max == 0 ? 256 : 2 * sockets->max;
        struct host_socket *rows = realloc(sockets->rows, max * sizeof *rows);

        if (rows == NULL) {
            return false;
        }
        sockets->rows = rows;
        sockets->max = max;
    }
    sockets->rows[sockets->count++] = *row;
    return true;
}

static int read_file(const char *path, enum berth_transport transport, struct host_sockets *out)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];
    struct host_socket row;
    int status = BERTH_OK;

    if (file == NULL) {
        return BERTH_E_STATE;
    }
    while (status == BERTH_OK && fgets(line, sizeof line, file) != NULL) {
        if (host_sockets_parse(line, transport, &row) && !add(out, &row)) {
            status = BERTH_E_STATE;
        }
    }
    if (ferror(file)) {
        status = BERTH_E_STATE;
    }
    (void)fclose(file);
    return status;
}

int host_sockets_read(struct host_sockets *out)
{
    static const struct {
        const char *path;
        enum berth_transport transport;
        bool may_miss; /* a kernel without IPv6 has none */
    } files[] = {{"/proc/net/tcp", BERTH_TRANSPORT_TCP, false},
                 {"/proc/net/tcp6", BERTH_TRANSPORT_TCP, true},
                 {"/proc/net/udp", BERTH_TRANSPORT_UDP, false},
                 {"/proc/net/udp6", BERTH_TRANSPORT_UDP, true}};

    *out = (struct host_sockets){0};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int status = read_file(files[i].path, files[i].transport, out);

        if (status != BERTH_OK && !(files[i].may_miss && errno == ENOENT)) {
            return status;
        }
    }
    return BERTH_OK;
}

void host_sockets_free(struct host_sockets *sockets)
{
    free(sockets->rows);
    *sockets = (struct host_sockets){0};
}
