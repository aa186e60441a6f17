/* SPDX-License-Identifier: MIT */
/*
 * Scans found by how first contacts end: Threshold Random Walk (Jung, Paxson, Berger,
 * Balakrishnan, "Fast Portscan Detection Using Sequential Hypothesis Testing", 2004). stack/ tells
 * what it sees, and asks for the verdict on who makes a first contact.
 *
 * H0: benign, H1: a scanner. Of a benign one's first contacts theta0 = 0.8 succeed, of a scanner's
 * theta1 = 0.2. Each moves the logarithm (base 2) of the likelihood ratio P(seen|H1) / P(seen|H0):
 *
 *   success    log2(theta1 / theta0)             = -2
 *   failure    log2((1 - theta1) / (1 - theta0)) = +2
 *
 * H1 is accepted at eta1 = beta / alpha: beta = 0.99 of scanners are to be found, alpha = 0.0003 of
 * walks may be called one wrongly. log2(0.99 / 0.0003) = 11.688: six failures more than successes.
 * Where the paper accepts H0 at a small eta0 and stops, the walk here begins anew as soon as it is
 * back at 1 (E. S. Page's form, 1954): nobody earns credit by connections to a few open ports, with
 * which a scan begins, for scanners try the well-known ports first.
 *
 * 1. A record is made by a failure only, and never by what succeeds: ordinary peers cost nothing.
 * 2. What a record has counted lately (SCAN_RECENT contacts) it does not count again.
 * 3. Who asks for a name first is no prober: of a named host SCAN_NAMED contacts may fail and move
 *    nothing, and all its addresses are one. A program that tries what a policy refuses one name
 *    after the other, at 443 and then at 80, is a browser.
 * 4. There are `records` of them. The oldest with but one failure gives way first, then the oldest
 *    without a verdict, then the oldest: a flood from many sources only pushes out what it made.
 * 5. Fixed point; nothing here depends on anything but the contacts, their times and the key.
 */
#ifndef FIREWALL_SCAN_H
#define FIREWALL_SCAN_H

#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/table.h"

#include <berth/scan.h>

#define SCAN_ONE       65536 /* fixed point: 1.0 */
#define SCAN_FAILURE   (2 * SCAN_ONE)
#define SCAN_SUCCESS   (-2 * SCAN_ONE)
#define SCAN_THRESHOLD 766001                   /* log2(0.99 / 0.0003) */
#define SCAN_RECENT    64                       /* contacts that a record remembers */
#define SCAN_NAMED     2                        /* contacts of one named host that may fail */
#define SCAN_HOSTS     16                       /* distinct hosts, the same */
#define SCAN_PORTS     32                       /* distinct ports, the same */
#define SCAN_EVENTS    64                       /* verdicts that wait for berth_next_scan */
#define SCAN_IDLE_NS   (3600 * NS_PER_S)        /* after this without a contact a walk is over */
#define SCAN_LOG_NS    (600 * NS_PER_S)         /* how long a verdict stands that is only logged */
#define SCAN_NS_MAX    (8784 * 3600 * NS_PER_S) /* how long one may stand: a year */

struct firewall_scan_policy { /* of one direction: parse_scan.c */
    enum berth_action action; /* ALLOW: only logged */
    uint64_t ns;              /* how long a verdict stands */
};

/* A first contact: whose (by direction), and what was tried. */
struct scan_contact {
    enum berth_direction direction;
    uint8_t protocol; /* of IP */
    uint16_t oddity;  /* TCP flags that no stack sends, so that each of them counts; else 0 */
    const char *name; /* out: one that was given for the peer's address; NULL: none was */
    struct berth_endpoint guarded; /* ports as in berth_contact; of ICMP they do not count */
    struct berth_endpoint peer;
};

struct firewall_scan {
    struct hash_key key;
    struct pool pool; /* struct scan_record: scan.c */
    struct table table;
    struct list orders[3];     /* enum scan_class in scan.c; oldest first */
    uint32_t denying;          /* records with a verdict that is more than logged */
    struct berth_scan *events; /* a ring */
    uint32_t event_first;
    uint32_t event_count;
    uint64_t *evicted; /* counters of the stack's, borrowed */
    uint64_t *found;
    uint64_t *lost;
};

void firewall_scan_init(struct firewall_scan *scan, struct arena *arena, uint32_t records);
/* CONTACT has ended. POLICY: what a verdict of its direction comes with. */
void firewall_scan_note(struct firewall_scan *scan, const struct scan_contact *contact,
                        enum berth_outcome outcome, const struct firewall_scan_policy *policy,
                        uint64_t now_ns);
/* Would a success of PEER's (in), of the guarded host's (out), change anything? */
bool firewall_scan_is_walking(const struct firewall_scan *scan, enum berth_direction direction,
                              const struct berth_address *peer);
/* What becomes of first contacts of PEER (in), of the guarded host (out): ALLOW, unless a verdict
 * stands against them. */
enum berth_action firewall_scan_verdict(const struct firewall_scan *scan,
                                        enum berth_direction direction,
                                        const struct berth_address *peer, uint64_t now_ns);
bool firewall_scan_next(struct firewall_scan *scan, struct berth_scan *out);
/* The invariants; costly, changes nothing. */
void firewall_scan_check(const struct firewall_scan *scan);

#endif
