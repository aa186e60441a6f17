/* SPDX-License-Identifier: MIT */
/*
 * run/server_name_http.c: see run/server_name.h: the names of an HTTP/1 request (RFC 9112 2, 3, 5),
 * byte by byte: the authority of its target, and each Host. Lines may end in LF alone (2.2).
 */
#include "run/server_name.h"

#include <string.h>

#include "registry/fold.h"

enum step {
    STEP_BEGIN, /* empty lines and blanks before the request */
    STEP_METHOD,
    STEP_GAP,       /* before the target */
    STEP_TARGET,    /* of unknown form as yet */
    STEP_AUTHORITY, /* of an absolute target, or CONNECT's */
    STEP_REST,      /* of the request line */
    STEP_LINE,      /* the begin of a field line */
    STEP_FIELD,     /* its name */
    STEP_VALUE,
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* What may stand between the words of the request line (RFC 9112 3: some take that where others
 * take one space). Above ASCII's it is what Python's split() takes for blank. */
static bool is_gap(uint8_t byte)
{
    return is_blank(byte) || byte == '\v' || byte == '\f' || byte == '\r' ||
           (byte >= 0x1c && byte <= 0x1f) || byte == 0x85 || byte == 0xa0;
}

static bool is_alphanumeric(uint8_t byte)
{
    return (registry_fold((char)byte) >= 'a' && registry_fold((char)byte) <= 'z') ||
           (byte >= '0' && byte <= '9');
}

/* RFC 9110 5.6.2: a method is a token. */
static bool is_token(uint8_t byte)
{
    return is_alphanumeric(byte) || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* Goes along with WORD (lower case) byte by byte. MATCH: bytes so far; WORD's length: all of it;
 * more: another word. */
static uint8_t match(uint8_t so_far, const char *word, uint8_t byte)
{
    size_t bytes = strlen(word);

    return so_far < bytes && registry_fold((char)byte) == (uint8_t)word[so_far]
               ? (uint8_t)(so_far + 1)
               : (uint8_t)(bytes + 1);
}

static enum server_name_verdict go(struct server_name *name, enum step step)
{
    name->http.step = (uint8_t)step;
    name->http.match = 0;
    return SERVER_NAME_MORE;
}

/* ---- The request line ------------------------------------------------------------------------ */

static enum server_name_verdict take_method(struct server_name *name, uint8_t byte)
{
    struct server_name_http *http = &name->http;

    if (is_token(byte)) {
        http->match = match(http->match, "connect", byte);
        return SERVER_NAME_MORE; /* of any length: RFC 9110 9.1 has no limit, nor have servers */
    }
    http->is_connect = http->match == strlen("connect");
    return is_gap(byte) ? go(name, STEP_GAP) : SERVER_NAME_NONE;
}

/* The line ends. Without a version it is HTTP/0.9's, or no HTTP. Some servers go by a Host all the
 * same: behind a path, or a server's name, what looks like fields is looked at. */
static enum server_name_verdict end_line(struct server_name *name)
{
    struct server_name_http *http = &name->http;

    http->is_old = !http->has_version;
    http->is_first = true;
    if (http->has_version || (!http->is_connect && http->has_form)) {
        return go(name, STEP_LINE);
    }
    return SERVER_NAME_NONE;
}

/* Behind the target: the last word counts, for some servers take a target with blanks in it. */
static enum server_name_verdict take_rest(struct server_name *name, uint8_t byte)
{
    struct server_name_http *http = &name->http;

    if (byte == '\n') {
        return end_line(name);
    }
    if (is_gap(byte)) {
        http->was_blank = true;
        return SERVER_NAME_MORE;
    }
    if (http->was_blank) {
        http->was_blank = false;
        http->has_version = false;
        http->match = 0;
    }
    if (http->match < strlen("http/")) {
        http->match = match(http->match, "http/", byte);
        http->has_version = http->match == strlen("http/");
    }
    return SERVER_NAME_MORE;
}

static enum server_name_verdict begin_rest(struct server_name *name, uint8_t byte)
{
    (void)go(name, STEP_REST);
    name->http.has_version = false;
    name->http.was_blank = false;
    name->http.match = (uint8_t)(strlen("http/") + 1); /* in the target: no version */
    return take_rest(name, byte);
}

/* Which form has it? "/path" and "*" name no server; "scheme://" does (RFC 9112 3.2.2). Of another
 * form it names none either, and some servers go by the Host then. */
static enum server_name_verdict take_target(struct server_name *name, uint8_t byte)
{
    static const char mark[] = "://";
    struct server_name_http *http = &name->http;

    if (http->is_begin && (byte == '/' || byte == '*')) {
        http->has_form = true;
        return begin_rest(name, byte);
    }
    http->is_begin = false;
    if (http->match > 0 || byte == ':') {
        http->match = match(http->match, mark, byte);
        if (http->match == strlen(mark)) {
            http->has_form = true;
            return go(name, STEP_AUTHORITY);
        }
        return http->match < strlen(mark) ? SERVER_NAME_MORE : begin_rest(name, byte);
    }
    /* A scheme, of any length: servers take any, and go by what is behind it. */
    return is_alphanumeric(byte) || byte == '+' || byte == '-' || byte == '.'
               ? SERVER_NAME_MORE
               : begin_rest(name, byte);
}

static enum server_name_verdict take_gap(struct server_name *name, uint8_t byte)
{
    if (is_gap(byte)) {
        return SERVER_NAME_MORE;
    }
    name->text_bytes = 0;
    if (!name->http.is_connect) {
        name->http.is_begin = true;
        (void)go(name, STEP_TARGET);
        return take_target(name, byte);
    }
    if (!is_alphanumeric(byte) && byte != '[') {
        return begin_rest(name, byte); /* CONNECT is a word of other protocols too */
    }
    (void)go(name, STEP_AUTHORITY);
    return server_name_text_add(name, byte) ? SERVER_NAME_MORE : SERVER_NAME_BAD;
}

static enum server_name_verdict take_authority(struct server_name *name, uint8_t byte)
{
    if (byte == '@') {
        name->text_bytes = 0; /* what was before it is a user's name */
        return SERVER_NAME_MORE;
    }
    if (strchr("/?#\\ \t\v\f\r\n", byte) == NULL || byte == 0) {
        return server_name_text_add(name, byte) ? SERVER_NAME_MORE : SERVER_NAME_BAD;
    }
    return server_name_text_is_host(name) ? begin_rest(name, byte) : SERVER_NAME_BAD;
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* A field line has ended and is not folded. */
static bool end_field(struct server_name *name)
{
    bool is_host = name->http.is_host;

    name->http.is_host = false;
    return !is_host || server_name_text_is_host(name);
}

/* A byte in the name or value of a field: is it the line's end? */
static bool is_line_end(struct server_name *name, uint8_t byte)
{
    name->http.was_cr = byte == '\r';
    if (byte != '\n') {
        return false;
    }
    name->http.is_behind_cr = false;
    (void)go(name, STEP_LINE);
    return true;
}

/* A CR ends a line for some (Python's http.server), and says nothing to others: so it ends the
 * line, but never the header. */
static void look_behind_cr(struct server_name *name, uint8_t byte)
{
    if (name->http.was_cr && byte != '\n') {
        name->http.is_behind_cr = true;
        (void)go(name, STEP_LINE);
    }
    name->http.was_cr = false;
}

static enum server_name_verdict take_field(struct server_name *name, uint8_t byte)
{
    struct server_name_http *http = &name->http;

    if (is_line_end(name, byte)) { /* no field at all */
        return http->is_old ? server_name_decide(name) : SERVER_NAME_MORE;
    }
    if (byte == ':') {
        http->is_host = http->match == strlen("host");
        name->text_bytes = 0;
        return go(name, STEP_VALUE);
    }
    if (is_blank(byte) || byte == '\r') {
        http->was_blank = http->was_blank || is_blank(byte);
        return SERVER_NAME_MORE;
    }
    if (http->is_old && http->was_blank) {
        return server_name_decide(name); /* words: another protocol's line */
    }
    http->match = match(http->match, "host", byte);
    return SERVER_NAME_MORE;
}

/* At the begin of a line: an empty one is the end; one that begins with a blank goes on with the
 * last (RFC 9112 5.2), or is the first. */
static enum server_name_verdict take_line(struct server_name *name, uint8_t byte)
{
    struct server_name_http *http = &name->http;
    bool is_first = http->is_first;

    if (byte == '\r' && !http->has_cr) {
        http->has_cr = true;
        return SERVER_NAME_MORE;
    }
    if (byte == '\n' && http->is_behind_cr) {
        http->is_behind_cr = http->has_cr = false;
        return SERVER_NAME_MORE;
    }
    http->is_first = false;
    http->was_blank = false;
    if (is_blank(byte) && !http->has_cr) {
        return go(name, is_first ? STEP_FIELD : STEP_VALUE);
    }
    http->has_cr = false;
    if (!end_field(name)) {
        return SERVER_NAME_BAD;
    }
    if (byte == '\n') {
        return server_name_decide(name);
    }
    (void)go(name, STEP_FIELD);
    return take_field(name, byte);
}

static enum server_name_verdict take_value(struct server_name *name, uint8_t byte)
{
    if (is_line_end(name, byte) || !name->http.is_host || is_blank(byte) || byte == '\r') {
        return SERVER_NAME_MORE;
    }
    return server_name_text_add(name, byte) ? SERVER_NAME_MORE : SERVER_NAME_BAD;
}

/* ---- Together -------------------------------------------------------------------------------- */

static enum server_name_verdict take_begin(struct server_name *name, uint8_t byte)
{
    if (is_gap(byte) || byte == '\n') {
        return SERVER_NAME_MORE;
    }
    (void)go(name, STEP_METHOD);
    return is_token(byte) ? take_method(name, byte) : SERVER_NAME_NONE;
}

enum server_name_verdict server_name_http_take(struct server_name *name, uint8_t byte)
{
    look_behind_cr(name, byte);
    switch ((enum step)name->http.step) {
    case STEP_BEGIN:
        return take_begin(name, byte);
    case STEP_METHOD:
        return take_method(name, byte);
    case STEP_GAP:
        return take_gap(name, byte);
    case STEP_TARGET:
        return take_target(name, byte);
    case STEP_AUTHORITY:
        return take_authority(name, byte);
    case STEP_REST:
        return take_rest(name, byte);
    case STEP_LINE:
        return take_line(name, byte);
    case STEP_FIELD:
        return take_field(name, byte);
    case STEP_VALUE:
        return take_value(name, byte);
    }
    return SERVER_NAME_BAD;
}

/* Some servers answer a request that ends early: what is there of a Host counts. */
enum server_name_verdict server_name_http_end(struct server_name *name)
{
    if (name->http.step == STEP_AUTHORITY && !server_name_text_is_host(name)) {
        return SERVER_NAME_BAD;
    }
    if (name->http.step >= STEP_LINE && !end_field(name)) {
        return SERVER_NAME_BAD;
    }
    return server_name_decide(name);
}

/* No request is whole before its first line is, and no name has been seen. One without a version
 * may be another protocol's. */
bool server_name_http_may_pass(const struct server_name *name)
{
    const struct server_name_http *http = &name->http;

    return http->step <= STEP_TARGET ||
           ((http->step == STEP_REST || (http->step > STEP_REST && http->is_old)) &&
            name->count == 0);
}
