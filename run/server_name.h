/* SPDX-License-Identifier: MIT */
/*
 * run/server_name.h: the name of the server that a program's first bytes ask for: of a TLS
 * ClientHello its server name (RFC 8446 4.1.2, RFC 6066 3), of an HTTP/1 request its Host and the
 * authority of its target (RFC 9112 3.2). Owns nothing but its own bytes; pure: bytes in, a verdict
 * out, whatever pieces they come in. relay_tcp asks it of connections that a rule let through by
 * name.
 *
 *   the first bytes are         it says
 *   a ClientHello               its names, when it is whole; NONE if it has none
 *   an HTTP/1 request           its names, at the end of its header; NONE if it has none
 *   an HTTP/2 preface           NONE: the authority is in frames that are not read
 *   a line such as "GET /path"  its Host, if there is one; NONE at the first line that is no field
 *   anything else               NONE, at the first byte that tells
 *   a ClientHello or a header   BAD: a name may hide in it
 *   that is out of shape, or longer than SERVER_NAME_BYTES_MAX
 *
 * Invariants
 *  1. Once a verdict other than MORE is given, it stays.
 *  2. At most SERVER_NAME_BYTES_MAX bytes are looked at.
 *  3. What servers are known to read although it is out of shape is read: empty lines and blanks
 *     before a request, any blanks between its words (RFC 9112 3), lines that end in LF alone, or
 *     in CR, blanks before a colon, folded lines, spaces in a target, fields behind a request line
 *     without a version, alerts before a ClientHello, a ClientHello in many records.
 */
#ifndef RUN_SERVER_NAME_H
#define RUN_SERVER_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SERVER_NAME_BYTES_MAX = 16 * 1024,
    SERVER_NAMES_MAX = 4,
    SERVER_NAME_TEXT_BYTES = 256, /* a name with its zero; longer ones are BAD */
};

enum server_name_verdict {
    SERVER_NAME_MORE,  /* bytes are needed */
    SERVER_NAME_NONE,  /* there is none to be seen */
    SERVER_NAME_FOUND, /* `names`, `count` of them, at least one */
    SERVER_NAME_BAD,   /* it cannot be told */
};

/* Between the files of server_name. */
struct server_name_tls {
    uint8_t record_type;
    uint8_t record_header; /* bytes of it that have come */
    uint32_t record_left;
    uint8_t step; /* enum step of server_name_tls.c: what the next bytes of the message are */
    uint8_t need; /* bytes of a number that are still to come */
    uint32_t value;
    uint32_t at;          /* bytes of the message so far */
    uint32_t skip_to;     /* bytes before here say nothing */
    uint32_t message_end; /* each ends inside the one before */
    uint32_t extensions_end;
    uint32_t extension_end;
    uint32_t list_end;
    uint32_t name_end;
};

struct server_name_http {
    uint8_t step;      /* enum step of server_name_http.c */
    bool is_connect;   /* so far it is CONNECT */
    bool is_begin;     /* of the target */
    bool has_form;     /* the target is one of a request: "/path", "*", "scheme://server" */
    bool has_version;  /* the last word of the request line begins as HTTP/ */
    bool is_old;       /* the request line has none */
    bool was_blank;    /* in the request line: the last byte; in a field's name: one before it */
    bool was_cr;       /* in a field line: the last byte */
    bool is_first;     /* no field line has begun */
    bool is_behind_cr; /* the line is: it is another one for some only */
    bool has_cr;       /* a line begins with it */
    bool is_host;      /* the header line is Host's */
    uint8_t match;     /* bytes that the word or field name has in common with what is looked for */
};

struct server_name {
    uint8_t kind;    /* enum kind of server_name.c */
    uint8_t verdict; /* enum server_name_verdict */
    uint32_t bytes;  /* looked at */
    size_t count;
    char names[SERVER_NAMES_MAX][SERVER_NAME_TEXT_BYTES]; /* lower case, no port, no last dot */
    size_t text_bytes;
    char text[SERVER_NAME_TEXT_BYTES + 64]; /* being read: a name, a host and port, a target */
    union {
        struct server_name_tls tls;
        struct server_name_http http;
    };
};

void server_name_init(struct server_name *name);
/* The next BYTES of what the program sends. */
enum server_name_verdict server_name_take(struct server_name *name, const uint8_t *data,
                                          size_t bytes);
/* It sends no more. */
enum server_name_verdict server_name_end(struct server_name *name);
/* MORE was said: may what was looked at go out meanwhile? Yes as long as it may be any protocol's,
 * and no server could answer it as HTTP: so no other protocol is kept waiting for a line's end. */
bool server_name_may_pass(const struct server_name *name);

/* ---- Between the files of server_name ------------------------------------------------------- */

/* One byte more. */
enum server_name_verdict server_name_tls_take(struct server_name *name, uint8_t byte);
void server_name_tls_begin(struct server_name *name);
bool server_name_tls_is_first(uint8_t byte); /* may a TLS record begin with it? */
enum server_name_verdict server_name_http_take(struct server_name *name, uint8_t byte);
enum server_name_verdict server_name_http_end(struct server_name *name);
bool server_name_http_may_pass(const struct server_name *name);

/* One byte more of `text`. False: too long. */
bool server_name_text_add(struct server_name *name, uint8_t byte);
/* `text` is whole, a host and perhaps a port: one of the names. False: too long, or too many. */
bool server_name_text_is_host(struct server_name *name);
/* FOUND if there are names, else NONE. */
enum server_name_verdict server_name_decide(const struct server_name *name);

#endif
