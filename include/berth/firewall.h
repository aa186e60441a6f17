/* SPDX-License-Identifier: MIT */
/*
 * The firewall: rules, verdicts, first contacts.
 *
 * The first rule that matches wins; what no rule matches is denied; while no rules are loaded
 * everything is denied. A verdict is taken once, on a connection's or flow's first packet.
 *
 * The language (one rule a line, '#' begins a comment; words in any case):
 *
 *   line      = rule | group | scan       (scan: <berth/scan.h>)
 *   rule      = action direction [what] [peer] {condition}
 *   action    = "allow" | "deny" | "drop" | "ask"
 *   direction = "in" | "out"
 *   what      = item {"," item} | "icmp" | "tcp" | "udp" | "any"      (without: any)
 *   item      = (port | port "-" port | service | category) ["/" protocol]
 *   category  = "system" | "user" | "ephemeral"
 *   protocol  = "tcp" | "udp"
 *   peer      = ("to" | "from") name {"," name}       "to" in rules for out, "from" for in
 *   name      = "any" | "host" | address | prefix | hostname | "*." hostname
 *   condition = "by" process {"," process} | "limit" NUMBER "/" period | "log"
 *               each at most once
 *   period    = "second" | "minute" | "hour"
 *   process   = a process's name as the kernel has it (comm: at most 15 bytes, in this very case),
 *               in quotes where it has blanks, commas or '#' in it, or is a word of the language
 *
 *   group     = "let" NAME "=" "{" item {"," item} "}" | "let" NAME "=" "{" name {"," name} "}"
 *
 * A group stands for its items or names wherever a rule or a later group has NAME in the place of
 * one; its line goes on in the next one until the brace is closed. At most 128 groups, 16 deep in
 * each other, each of at most 1024 items; a rule has as many items, as many names, and at most 64
 * processes. NAME is a letter, then letters, digits, '-' and '_', and neither a word of the
 * language nor a service. A form feed begins another text: groups named before it are not known
 * behind it. A rule's canonical spelling has a group's contents.
 *
 * A protocol goes for its item and for those before it, back to the item before that has one. Where
 * none is said, a port or range is TCP's, a service (IANA's name) whatever IANA has registered of
 * TCP and UDP, a category both.
 *
 * A rule without a peer, or with "any", means the network: it never matches the addresses of the
 * host ("host": the stack's own and those of berth_host_..._set), loopback, link-local,
 * multicast, broadcast or unspecified addresses, nor IPv6 that carries such an IPv4 address (NAT64,
 * 6to4). Those are matched by a rule that names them only: the host's by "host" or as exactly that
 * address, the others as exactly that address or by a prefix that lies wholly inside their block
 * (127.0.0.0/8, 169.254.0.0/16, fe80::/10, ...). 0.0.0.0/0 and 10.0.0.0/8 name none of them.
 *
 * A host name matches the addresses that were given for it (berth_name_learn), "*." all names with
 * labels in front of it: *.example.com is a.example.com and a.b.example.com, not example.com. Names
 * have letters, digits, '-' and '_'; others are written as A-labels (xn--...); what is a word of
 * the language, or a group's name, is a host's with a dot at its end ("any."). A name never matches
 * an address that a rule without a peer does not match, whoever answered with it, but for bindings
 * that were made so.
 *
 * "limit" goes with allow and ask: from one source (in: the peer, of IPv6 its /64; out: all that
 * goes out) NUMBER first contacts, 1 to 1,000,000, pass at once, and then one each NUMBERth of the
 * time; what is beyond that is denied, and no later rule is tried.
 *
 * A rule with "by" goes by the process at the guarded host's end. Where that is not known it fails
 * closed: an allow by a process does not match, a deny, drop or ask by one does (needs_process).
 */
#ifndef BERTH_FIREWALL_H
#define BERTH_FIREWALL_H

#include <berth/address.h>

#ifdef __cplusplus
extern "C" {
#endif

struct berth;

enum berth_direction { BERTH_OUT = 0, BERTH_IN = 1 };

/* Numbers are those of IP (protocol-numbers): an echo conversation is ICMP's or ICMPv6's. */
enum berth_protocol { BERTH_TCP = 6, BERTH_UDP = 17, BERTH_ICMP = 1 };

/* "tcp", "udp" or "icmp"; "" for what is none. */
BERTH_API const char *berth_protocol_name(enum berth_protocol protocol);

enum berth_action {
    BERTH_ALLOW = 0,
    BERTH_DENY = 1, /* answered at once: RST, or ICMP administratively prohibited */
    BERTH_DROP = 2, /* silence */
    BERTH_ASK = 3   /* the owner decides on what it holds (berth_intercept); elsewhere it is deny */
};

/* What a verdict comes of. The order is part of the ABI: append only. */
enum berth_reason {
    BERTH_REASON_NO_RULE = 0, /* none matched, or none is loaded */
    BERTH_REASON_BY_RULE = 1,
    BERTH_REASON_BY_LIMIT = 2, /* a rule's, which else allows or asks */
    BERTH_REASON_BY_SCAN = 3   /* a scanner's (<berth/scan.h>) */
};

#define BERTH_NAME_BYTES         254 /* of a host name, with its NUL (RFC 1035 2.3.4) */
#define BERTH_PROCESS_NAME_BYTES 16  /* with its NUL: the kernel's comm */

/* What a verdict is asked about: the first packet of a conversation, as the guarded host sees it.
 */
struct berth_contact_query {
    enum berth_direction direction;
    enum berth_protocol protocol;
    struct berth_address peer; /* out: destination; in: source */
    uint16_t port;             /* out: the peer's port; in: the guarded host's; 0 for ICMP */
    const char *process;       /* name of the guarded host's process, borrowed; NULL: not known */
};

struct berth_verdict {
    enum berth_action action;
    bool log; /* the rule says "log" */
    /* The query named no process, and a rule with "by" stands at or before what decided: with the
     * process the verdict may be another. Until then this one fails closed. */
    bool needs_process;
    bool limited;   /* the rule has a limit (berth_rules_take) */
    bool by_name;   /* the rule matched by a host name; its addresses alone do not match */
    uint8_t reason; /* enum berth_reason */
    int32_t rule;   /* index of the deciding rule from 0, -1: no rule matched (or none loaded) */
};

/* Where a text went wrong. Lines and columns (in bytes) count from 1. It reads well as
 * "LINE:COLUMN: 'WORD': expected EXPECTED". */
struct berth_rules_error {
    uint32_t line;
    uint32_t column;
    char word[64];      /* the bad word, cut if longer; "end of line" */
    char expected[128]; /* what was expected instead, and perhaps what was meant */
};

/* A first contact that was refused, noted for whoever reports (berth_next_contact). */
struct berth_contact {
    uint64_t now_ns;
    enum berth_direction direction;
    enum berth_protocol protocol;
    struct berth_endpoint
        guarded; /* the guarded host's end; for ICMP echo port is the identifier */
    struct berth_endpoint peer;
    struct berth_verdict verdict;
};

/*
 * Replaces all rules by those of TEXT (not kept). Established conversations stay. On failure the
 * old rules stay and *ERROR (may be NULL) says why: BERTH_E_SYNTAX, BERTH_E_LIMIT (limits.rules;
 * limits.rule_bytes, which is of the canonical spellings).
 */
BERTH_API BERTH_MUST_CHECK int berth_rules_load(struct berth *berth, const char *text, size_t bytes,
                                                struct berth_rules_error *error);

BERTH_API uint32_t berth_rules_count(const struct berth *berth);
/* Rule INDEX in its canonical spelling, borrowed until rules are loaded; NULL past the end. */
BERTH_API const char *berth_rules_text(const struct berth *berth, uint32_t index);
/* The line of the text that rule INDEX was loaded from; 0 past the end. */
BERTH_API uint32_t berth_rules_line(const struct berth *berth, uint32_t index);

/* What the rules say of QUERY; changes nothing, and does not look at what is left of limits. */
BERTH_API struct berth_verdict berth_rules_judge(const struct berth *berth,
                                                 const struct berth_contact_query *query);

/* Why a rule does not decide on a query. The order is part of the ABI: append only. */
enum berth_miss {
    BERTH_MATCH = 0, /* it does, unless an earlier one has */
    BERTH_MISS_DIRECTION,
    BERTH_MISS_PROTOCOL,
    BERTH_MISS_PORT,
    BERTH_MISS_PEER,
    BERTH_MISS_UNNAMED, /* its peers take the address in, but such a one must be named */
    BERTH_MISS_PROCESS  /* all the rest matches; an allow, where the process is not known */
};
/* What berth_rules_judge finds of rule INDEX alone, for whoever shows what was tried: rules are
 * tried in their order, up to the first that gives BERTH_MATCH. Past the end, or for a query that
 * no rule can be about: BERTH_MISS_PROTOCOL. */
BERTH_API enum berth_miss berth_rules_explain(const struct berth *berth, uint32_t index,
                                              const struct berth_contact_query *query);

/*
 * Counts QUERY against the limit of the rule of *VERDICT, if that has one (`limited`) and allows or
 * asks. BERTH_E_LIMIT: it is beyond it; *VERDICT is a denial then, by the same rule. The stack does
 * so itself with what it lets through or holds as allowed: this is for the owner that has judged
 * what it holds for its own decision.
 */
BERTH_API BERTH_MUST_CHECK int berth_rules_take(struct berth *berth,
                                                const struct berth_contact_query *query,
                                                struct berth_verdict *verdict);

/* As berth_rules_judge, if NAME and no other had been given for the query's peer: what the rules
 * say of a conversation whose own words (a TLS server name) tell its name. The peer may be special
 * where the name was learnt so. NAME "": as if it had no name. */
BERTH_API struct berth_verdict berth_rules_judge_name(const struct berth *berth,
                                                      const struct berth_contact_query *query,
                                                      const char *name);

/*
 * The verdict on CONTACT (direction, protocol, guarded and peer are read) as if its first packet
 * had come, or berth_tcp_connect had been called: a scanner's, the owner's (berth_decide), or the
 * rules'; with what follows from it: limits, counters, the walks of scans; what is refused is noted
 * for berth_next_contact. BERTH_ASK and needs_process are the owner's to settle. For an owner of
 * several stacks that has one of them judge for all. The time is that of the last call.
 */
BERTH_API struct berth_verdict berth_contact_judge(struct berth *berth,
                                                   const struct berth_contact *contact);

/*
 * The owner's own verdict on the contacts that berth_tcp_connect and berth_udp_open begin from now
 * on, instead of the rules', until it is NULL again. For an owner who has judged one by its
 * process, or has asked about it.
 */
BERTH_API void berth_decide(struct berth *berth, const struct berth_verdict *verdict);

/* Is there any address of the network (not of the host) that some rule lets a connection out to? */
BERTH_API bool berth_rules_may_reach_network(const struct berth *berth);

/* Could some rule let a connection out to NAME, wherever it is: by its name, or since it goes to
 * addresses of the network and NAME's may be such? false too where NAME is none. */
BERTH_API bool berth_rules_may_reach_name(const struct berth *berth, const char *name);
/* The same by a rule that names it (in full, or by "*.") alone. */
BERTH_API bool berth_rules_name_is_named(const struct berth *berth, const char *name);
/* Could some rule that goes by no name let a connection out to a TCP or UDP port of ADDRESS? */
BERTH_API bool berth_rules_may_reach_address(const struct berth *berth,
                                             const struct berth_address *address);
/* Does rule INDEX name NAME? */
BERTH_API bool berth_rules_name_matches(const struct berth *berth, uint32_t index,
                                        const char *name);

/* ---- Names ---------------------------------------------------------------------------------- */

/*
 * NAME was given for ADDRESS: rules that name NAME match ADDRESS until UNTIL_NS. Learnt again, the
 * later end holds. Special addresses (loopback, the host's own, ...) match only if MAY_BE_SPECIAL,
 * which is for what the user has said himself; whether a name may point into private space is the
 * owner's to say before. At limits.names the oldest that is not held goes; of an address past 64
 * names that whose time ends first. Loading rules changes nothing here.
 * BERTH_E_INVALID: NAME is no host name. BERTH_E_LIMIT: all are held.
 */
BERTH_API BERTH_MUST_CHECK int berth_name_learn(struct berth *berth, const char *name,
                                                const struct berth_address *address,
                                                uint64_t until_ns, bool may_be_special);
/* ADDRESS is in use: until berth_name_release its names stay, whatever their time. Nests.
 * BERTH_E_STALE: it has none, and is not held. */
BERTH_API BERTH_MUST_CHECK int berth_name_hold(struct berth *berth,
                                               const struct berth_address *address);
/* Once for each berth_name_hold that gave BERTH_OK. */
BERTH_API void berth_name_release(struct berth *berth, const struct berth_address *address);

/*
 * The addresses that the word "host" stands for besides the stack's own addresses, and that a rule
 * without a peer never matches: every address that the host holds, and its networks' broadcasts.
 * Replaces the earlier set. BERTH_E_LIMIT past 8192 (SIZE_MAX: too many to tell; none is read): the
 * earlier set stays, and until a call takes them all a rule without a peer matches nothing, for any
 * address may be the host's.
 */
BERTH_API BERTH_MUST_CHECK int berth_host_addresses_set(struct berth *berth,
                                                        const struct berth_address *addresses,
                                                        size_t count);
/*
 * Networks of which the host takes every address for its own (a route of type "local"): likewise,
 * each address by itself. Not those of loopback, which a rule may name by their prefix.
 * BERTH_E_LIMIT past 64, with what follows from it.
 */
BERTH_API BERTH_MUST_CHECK int berth_host_prefixes_set(struct berth *berth,
                                                       const struct berth_prefix *prefixes,
                                                       size_t count);

/* The oldest refused first contact not yet read. false: none. */
BERTH_API bool berth_next_contact(struct berth *berth, struct berth_contact *out);

#ifdef __cplusplus
}
#endif
#endif
