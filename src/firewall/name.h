/* SPDX-License-Identifier: MIT */
/*
 * Host names, as rules and answers of name servers have them: letters, digits, '-' and '_' in
 * labels of 1 to 63 between dots, 253 in all (RFC 1035 2.3.4; the '_' is for SRV's labels), ASCII:
 * what is no ASCII is written as A-labels, "xn--..." (RFC 5890). The last label is not a number,
 * which would be an address (RFC 1123 2.1). Compared without case (RFC 1035 2.3.3); a dot at the
 * end means nothing.
 */
#ifndef FIREWALL_NAME_H
#define FIREWALL_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/firewall.h>

/* What a rule names: one host, or with a star in front all those below a name. */
struct firewall_pattern {
    const char *text; /* without "*."; in lower case once it is compiled */
    uint32_t number;  /* in the index; 0: it is not there */
    uint8_t bytes;    /* of text */
    bool has_star;    /* every name that has labels in front of this one */
};

/* Is TEXT a host name? *BYTES: how long it is without a dot at its end. */
bool firewall_name_check(const char *text, size_t *bytes);
/* Writes TEXT, a host name of any case, to OUT in lower case without a dot at its end, and a NUL.
 * Returns its length; 0: it is no host name. */
uint8_t firewall_name_copy(const char *text, size_t bytes, char out[BERTH_NAME_BYTES]);
/* Writes TEXT to OUT as a rule has it that means this name and nothing else, whatever words and
 * groups there are: "any." is a host's name. Returns its length; 0: it is no host name. */
uint8_t firewall_name_write(const char *text, char out[BERTH_NAME_BYTES]);

/* Does PATTERN name NAME, of BYTES? Both are in lower case. */
bool firewall_name_matches(const struct firewall_pattern *pattern, const char *name, size_t bytes);
/* Does PATTERN name all that OTHER names? */
bool firewall_name_covers(const struct firewall_pattern *pattern,
                          const struct firewall_pattern *other);

#endif
