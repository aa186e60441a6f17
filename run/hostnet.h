/* SPDX-License-Identifier: MIT */
/*
 * run/hostnet.h: the host's own place in the network, as far as rules and the resolver need it: its
 * addresses, what else its kernel takes for its own, and broadcast addresses (rtnetlink, kept
 * current), and the name servers of its /etc/resolv.conf. The relay calls it.
 *
 * Invariants
 *  1. Addresses are sorted and each stands once; loopback addresses are among them.
 *  2. When the kernel says that news was lost, everything is read again.
 *  3. A list that would overflow its limit is cut and says so (is_cut): then callers tell the
 *     firewall that there are too many, which shuts what might be among them.
 */
#ifndef RUN_HOSTNET_H
#define RUN_HOSTNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/address.h>

enum {
    HOSTNET_ADDRESSES_MAX = 4096,
    HOSTNET_PREFIXES_MAX = 64,
    HOSTNET_NAMESERVERS_MAX = 8,
    HOSTNET_SERVER_PORT = 53,
};

struct hostnet_nameserver {
    struct berth_endpoint endpoint;
    uint32_t scope_id; /* interface of a link-local address (fe80::1%eth0), else 0 */
};

struct hostnet_list {
    const struct berth_address *addresses; /* sorted by their 16 bytes */
    size_t count;
    bool is_cut;
};

struct hostnet_prefixes {
    const struct berth_prefix *prefixes;
    size_t count;
    bool is_cut;
};

struct hostnet;

/* Returns 0 or BERTH_E_STATE (no netlink, no memory; errno says which). */
BERTH_MUST_CHECK int hostnet_new(struct hostnet **out);
void hostnet_free(struct hostnet *hostnet);

/* Readable when hostnet_update has something to do. Borrowed. */
int hostnet_fd(const struct hostnet *hostnet);
/* Reads the news. Returns whether one of the lists changed; lists borrowed before are then stale.
 */
bool hostnet_update(struct hostnet *hostnet);

/* Borrowed until the next hostnet_update. */
struct hostnet_list hostnet_addresses(const struct hostnet *hostnet);
/* Networks of which every address is the host's own, but for loopback's. */
struct hostnet_prefixes hostnet_prefixes(const struct hostnet *hostnet);
struct hostnet_list hostnet_broadcasts(const struct hostnet *hostnet);

/* The name servers of /etc/resolv.conf in its order, read anew when the file has changed since the
 * last call. Borrowed until the next call. *count is 0 when the file has none or is not there. */
const struct hostnet_nameserver *hostnet_nameservers(struct hostnet *hostnet, size_t *count);

/* ---- hostnet_resolv.c: the file's format --------------------------------------------------- */

/* Reads a file, or a text, in the format of resolv.conf(5): at most `max` name servers, in their
 * order. Returns how many; what is no address is passed over, as a libc does. */
size_t hostnet_read_resolv(const char *path, struct hostnet_nameserver *out, size_t max);
size_t hostnet_parse_resolv(const char *text, struct hostnet_nameserver *out, size_t max);
/* One word, also for --dns: ADDR, ADDR%IF, IPV4:PORT, [ADDR]:PORT, [ADDR%IF]:PORT. Returns 0 or
 * BERTH_E_SYNTAX (also for an interface that is not there, and port 0). */
BERTH_MUST_CHECK int hostnet_parse_nameserver(const char *word, struct hostnet_nameserver *out);

#endif
