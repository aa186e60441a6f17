/* SPDX-License-Identifier: MIT */
/*
 * run/server_name.c: see run/server_name.h: which protocol it is, and the names found.
 */
#include "run/server_name.h"

#include <string.h>

#include "registry/fold.h"

enum kind { KIND_UNKNOWN, KIND_TLS, KIND_HTTP };

void server_name_init(struct server_name *name)
{
    memset(name, 0, sizeof *name);
    name->kind = KIND_UNKNOWN;
    name->verdict = SERVER_NAME_MORE;
}

bool server_name_text_add(struct server_name *name, uint8_t byte)
{
    if (name->text_bytes >= sizeof name->text) {
        return false;
    }
    name->text[name->text_bytes++] = (char)byte;
    return true;
}

/* Where the host of TEXT ends, its port and brackets taken off; *TEXT moves to its begin. */
static size_t host_bytes(const char **text, size_t bytes)
{
    const char *colon;

    if (bytes > 0 && **text == '[') {
        const char *close = memchr(*text, ']', bytes);

        ++*text;
        return close == NULL ? bytes - 1 : (size_t)(close - *text);
    }
    colon = memchr(*text, ':', bytes);
    return colon == NULL ? bytes : (size_t)(colon - *text);
}

bool server_name_text_is_host(struct server_name *name)
{
    const char *text = name->text;
    size_t bytes = host_bytes(&text, name->text_bytes);
    char *out;

    name->text_bytes = 0;
    if (bytes > 0 && text[bytes - 1] == '.') {
        bytes--;
    }
    if (bytes == 0) {
        return true; /* RFC 9112 3.2: a Host may be empty */
    }
    if (bytes >= SERVER_NAME_TEXT_BYTES || name->count == SERVER_NAMES_MAX) {
        return false;
    }
    out = name->names[name->count];
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false; /* no name has it, and a person may read this on a terminal */
        }
        out[i] = (char)registry_fold(text[i]);
    }
    out[bytes] = '\0';
    for (size_t i = 0; i < name->count; i++) {
        if (strcmp(name->names[i], out) == 0) {
            return true;
        }
    }
    name->count++;
    return true;
}

enum server_name_verdict server_name_decide(const struct server_name *name)
{
    return name->count > 0 ? SERVER_NAME_FOUND : SERVER_NAME_NONE;
}

static enum server_name_verdict take_byte(struct server_name *name, uint8_t byte)
{
    switch ((enum kind)name->kind) {
    case KIND_UNKNOWN:
        if (server_name_tls_is_first(byte)) {
            name->kind = KIND_TLS;
            server_name_tls_begin(name);
            return server_name_tls_take(name, byte);
        }
        name->kind = KIND_HTTP;
        return server_name_http_take(name, byte);
    case KIND_TLS:
        return server_name_tls_take(name, byte);
    case KIND_HTTP:
        return server_name_http_take(name, byte);
    }
    return SERVER_NAME_BAD;
}

/* VERDICT stays. Of what turned out to be another protocol's no name counts. */
static enum server_name_verdict settle(struct server_name *name, enum server_name_verdict verdict)
{
    name->verdict = (uint8_t)verdict;
    if (verdict == SERVER_NAME_NONE) {
        name->count = 0;
    }
    return verdict;
}

enum server_name_verdict server_name_take(struct server_name *name, const uint8_t *data,
                                          size_t bytes)
{
    enum server_name_verdict verdict = (enum server_name_verdict)name->verdict;

    for (size_t i = 0; i < bytes && verdict == SERVER_NAME_MORE; i++) {
        verdict = name->bytes == SERVER_NAME_BYTES_MAX ? SERVER_NAME_BAD : take_byte(name, data[i]);
        name->bytes++;
    }
    return settle(name, verdict);
}

enum server_name_verdict server_name_end(struct server_name *name)
{
    if (name->verdict != SERVER_NAME_MORE) {
        return (enum server_name_verdict)name->verdict;
    }
    /* No server answers part of a ClientHello. */
    return settle(name, name->kind == KIND_HTTP ? server_name_http_end(name) : SERVER_NAME_NONE);
}

bool server_name_may_pass(const struct server_name *name)
{
    return name->verdict == SERVER_NAME_MORE &&
           (name->kind == KIND_UNKNOWN ||
            (name->kind == KIND_HTTP && server_name_http_may_pass(name)));
}
