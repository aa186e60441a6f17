/* SPDX-License-Identifier: MIT */
/*
 * stack/scan_calls.c: what the stack sees of first contacts, told to the walks of firewall/scan.h,
 * and the public calls of <berth/scan.h>.
 *
 *   refused by a rule                   stack_judge                        failure
 *   nobody serves the port              stack_scan_failed                  failure
 *   a transport that nobody speaks      stack_scan_unknown                 failure
 *   RST in answer to a SYN,ACK          stack_scan_failed (half open)      failure
 *   flags that no stack sends           stack_scan_odd                     failure, each kind
 *   a segment of no connection          stack_scan_stray                   failure, unless late
 *   a socket takes the datagram         stack_scan_served                  success
 *   a connection is established, ends   tcp/outcome.h, read by settle      all three
 *   what the owner knows                berth_contact_outcome              all three
 */
#include "stack/stack.h"

#include "tcp/outcome.h"

#define FLAGS_KNOWN (WIRE_FIN | WIRE_SYN | WIRE_RST | WIRE_PSH | WIRE_ACK | WIRE_URG)

static void note(struct berth *berth, const struct scan_contact *contact,
                 enum berth_outcome outcome)
{
    firewall_scan_note(&berth->scan, contact, outcome,
                       firewall_scan_policy(&berth->firewall, contact->direction), berth->now_ns);
}

static struct scan_contact contact_of(const struct berth *berth,
                                      const struct stack_contact *contact)
{
    bool guards_peer = berth->config.guard == BERTH_GUARD_LINK_PEER;

    return (struct scan_contact){
        .direction = contact->arriving == guards_peer ? BERTH_OUT : BERTH_IN,
        .protocol = (uint8_t)contact->protocol,
        .guarded = guards_peer ? contact->remote : contact->local,
        .peer = guards_peer ? contact->local : contact->remote,
    };
}

/* Takes in how connections have begun and ended since it was called last. */
static void settle(struct berth *berth)
{
    static const enum berth_outcome outcomes[] = {[TCP_OUTCOME_OPENED] = BERTH_OUTCOME_SUCCESS,
                                                  [TCP_OUTCOME_FAILED] = BERTH_OUTCOME_FAILURE,
                                                  [TCP_OUTCOME_UNUSED] = BERTH_OUTCOME_UNUSED};
    struct tcp_outcome outcome;

    while (tcp_outcome_next(&berth->tcp, &outcome)) {
        struct stack_contact contact = {.protocol = BERTH_TCP,
                                        .local = outcome.local,
                                        .remote = outcome.remote,
                                        .arriving = !outcome.active};
        struct scan_contact scan = contact_of(berth, &contact);

        note(berth, &scan, outcomes[outcome.kind]);
    }
}

void stack_scan_failed(struct berth *berth, const struct stack_contact *contact)
{
    struct scan_contact scan = contact_of(berth, contact);

    settle(berth);
    note(berth, &scan, BERTH_OUTCOME_FAILURE);
}

void stack_scan_served(struct berth *berth, const struct stack_contact *contact)
{
    struct scan_contact scan = contact_of(berth, contact);

    note(berth, &scan, BERTH_OUTCOME_SUCCESS);
}

/* The contact that PACKET would have made. */
static struct stack_contact contact_by(const struct wire_packet *packet)
{
    return (struct stack_contact){
        .protocol = (enum berth_protocol)packet->protocol,
        .local = {packet->destination, packet->destination_port},
        .remote = {packet->source, packet->source_port},
        .arriving = true,
    };
}

void stack_scan_unknown(struct berth *berth, const struct wire_packet *packet)
{
    struct stack_contact contact = contact_by(packet);

    stack_scan_failed(berth, &contact);
}

void stack_scan_odd(struct berth *berth, const struct wire_packet *packet)
{
    struct stack_contact contact = contact_by(packet);
    struct scan_contact scan = contact_of(berth, &contact);

    /* 0 would be none: a mark beside the flags stands for NULL scans too. */
    scan.oddity = (uint16_t)((packet->tcp.flags & FLAGS_KNOWN) | 0x8000);
    settle(berth);
    note(berth, &scan, BERTH_OUTCOME_FAILURE);
}

void stack_scan_stray(struct berth *berth, const struct wire_packet *packet,
                      const struct tcp_pair *pair)
{
    uint32_t flags = packet->tcp.flags & FLAGS_KNOWN;

    if ((flags & (WIRE_RST | WIRE_SYN)) != 0) {
        return; /* somebody's answer to what was sent in our name, or a late one */
    }
    if ((flags & WIRE_ACK) == 0) { /* RFC 9293 3.10.7.4, fifth: nothing of a connection's */
        stack_scan_odd(berth, packet);
    } else if (!tcp_is_gone(&berth->tcp, pair)) {
        stack_scan_unknown(berth, packet);
    }
}

enum berth_action stack_scan_verdict(struct berth *berth, const struct stack_contact *contact)
{
    struct scan_contact scan = contact_of(berth, contact);

    settle(berth);
    return firewall_scan_verdict(&berth->scan, scan.direction, &scan.peer.address, berth->now_ns);
}

void berth_contact_outcome(struct berth *berth, const struct berth_contact *contact,
                           enum berth_outcome outcome)
{
    struct scan_contact scan = {.direction = contact->direction,
                                .protocol = (uint8_t)contact->protocol,
                                .guarded = contact->guarded,
                                .peer = contact->peer};

    settle(berth);
    note(berth, &scan, outcome);
}

bool berth_next_scan(struct berth *berth, struct berth_scan *out)
{
    settle(berth);
    return firewall_scan_next(&berth->scan, out);
}
