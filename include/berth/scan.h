/* SPDX-License-Identifier: MIT */
/*
 * Scans: who tries one port or host after the other, found by how first contacts end.
 *
 * Sequential hypothesis testing (Threshold Random Walk; Jung, Paxson, Berger, Balakrishnan 2004).
 * Each first contact of a remote (in: one record per IPv4 address or IPv6 /64) or of the guarded
 * host (out: one record) is a success or a failure. A success is four times as likely of a benign
 * one, a failure four times as likely of a scanner; once the failures outweigh the successes by
 * six, the verdict is "scanner". What is tried again at the same address, port and protocol counts
 * once. src/firewall/scan.h has the numbers and where they come from.
 *
 *   success   who opened a connection says something in it; a service takes the datagram
 *   failure   refused by a rule, by a closed port or by ICMP, not answered in time, given up half
 *             open, an unknown protocol; a segment that belongs to no connection, now or lately
 *   neither   a connection in which its opener said nothing; RST and SYN,ACK of no connection
 *             (answers to what somebody else sent in our name); out, the first two failures at a
 *             host that a name was given for (berth_name_learn), whichever of its addresses they
 *             are at: who asks for a name first is no prober
 *
 * The UDP ports of traceroute (33434 to 33534) count as one.
 *
 * In the rules a line says what follows (without: log in both directions):
 *
 *   scan      = "on" "scan" ["in" | "out"] what
 *   what      = ("deny" | "drop") NUMBER ("second" | "minute" | "hour")["s"] | "log" ["only"]
 *
 * While a scanner is denied or dropped, each first contact of its gets that verdict with the
 * reason BERTH_REASON_BY_SCAN before any rule is asked; established conversations stay. Who can
 * send in another's name can have that one called a scanner: "deny" and "drop" for "in" turn that
 * into a means to shut it out.
 */
#ifndef BERTH_SCAN_H
#define BERTH_SCAN_H

#include <berth/firewall.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a first contact has ended. */
enum berth_outcome { BERTH_OUTCOME_SUCCESS = 0, BERTH_OUTCOME_FAILURE = 1 };

#define BERTH_SCAN_SAMPLES 8

/* A verdict. What it counts is what it knew: of the walk that led to it, each contact once. */
struct berth_scan {
    uint64_t first_ns; /* when the first of the contacts was */
    uint64_t last_ns;
    uint64_t expires_ns; /* until then it stands, and is not found again */
    enum berth_direction direction;
    enum berth_action action;   /* ALLOW: only told; DENY, DROP: its first contacts meanwhile */
    struct berth_prefix source; /* in: the remote, an IPv6 one as /64; out: the guarded address */
    uint32_t contacts;          /* successes too */
    uint32_t failures;
    uint32_t hosts; /* that were tried */
    uint32_t ports;
    uint32_t sample_count;
    uint16_t samples[BERTH_SCAN_SAMPLES]; /* ports, as they came */
    uint8_t protocol; /* of the last contact: enum berth_protocol, or another of IP's numbers */
    struct berth_endpoint guarded; /* its ends */
    struct berth_endpoint peer;
};

/*
 * Tells how CONTACT (direction, protocol, guarded and peer are read) has ended. For owners of what
 * the stack cannot know: held connections and flows (berth_held_...), datagram sockets. Of what it
 * refuses itself, of connections to its listeners and of its own (berth_tcp_connect) the stack
 * knows. The same contact told twice counts once.
 */
BERTH_API void berth_contact_outcome(struct berth *berth, const struct berth_contact *contact,
                                     enum berth_outcome outcome);

/* The oldest verdict not yet read. false: none. 64 are kept; then stats.scans_lost counts. */
BERTH_API bool berth_next_scan(struct berth *berth, struct berth_scan *out);

#ifdef __cplusplus
}
#endif
#endif
