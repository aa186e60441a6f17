/* SPDX-License-Identifier: MIT */
/*
 * run/name_refusal.h: why something about a name was refused, and the words that would allow it.
 * Owns nothing. The resolver and the relays make them; journal and tally keep them.
 */
#ifndef RUN_NAME_REFUSAL_H
#define RUN_NAME_REFUSAL_H

#include <stdint.h>

#include <berth/firewall.h>

enum name_refusal {
    NAME_NOT_REFUSED,
    NAME_REFUSED_RULES,   /* no rule could let a connection to it through */
    NAME_REFUSED_UNNAMED, /* a question of this type takes a rule that names the name */
    NAME_REFUSED_TYPE,    /* a question of this type, or with such bytes, never goes out */
    NAME_REFUSED_ADDRESS, /* an answer that leads inwards */
    NAME_REFUSED_SERVER,  /* a connection that was let through for another name */
    NAME_REFUSED_HIDDEN,  /* a connection whose server's name cannot be told */
};
enum { NAME_REFUSALS = 7 };

/* All is borrowed. */
struct name_refused {
    enum name_refusal why;
    const char *name;                    /* as it was asked for; HIDDEN: NULL */
    const char *host;                    /* of it, what a rule would name; NULL: nothing */
    uint16_t type;                       /* of a question */
    const struct berth_address *address; /* ADDRESS */
    const char *kind;                    /* of it: "private" */
    const char *let_through_for;         /* SERVER, HIDDEN: the peer's name, or its address */
    uint16_t port;                       /* likewise */
};

enum { NAME_HINT_BYTES = 336, NAME_DETAIL_BYTES = 576 };

/* "no rule", "address"...: stable words. */
const char *name_refusal_text(enum name_refusal why);
/* The words after "--allow" that would allow it; "" where no rule would. Of a question the port is
 * not known: the service that it asks for counts, else https. Returns OUT. */
char *name_refusal_hint(const struct name_refused *refused, char out[NAME_HINT_BYTES]);
/* "NAME", with what a person must know beside it. Returns OUT. */
char *name_refusal_detail(const struct name_refused *refused, char out[NAME_DETAIL_BYTES]);

/* "https" where IANA has a service for PORT, else "8443/tcp": a rule's word for it. Returns OUT. */
enum { NAME_SERVICE_BYTES = 32 };
char *name_refusal_service(uint16_t port, enum berth_protocol protocol,
                           char out[NAME_SERVICE_BYTES]);

#endif
