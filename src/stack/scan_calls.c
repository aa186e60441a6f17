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
 *   a connection is used, or fails      tcp/outcome.h, read by settle      both
 *   what the owner knows                berth_contact_outcome              both
 */
#include "stack/stack.h"

#include "tcp/outcome.h"

#define FLAGS_KNOWN (WIRE_FIN | WIRE_SYN | WIRE_RST | WIRE_PSH | WIRE_ACK | WIRE_URG)

/* A name that was given for ADDRESS; NULL: none was. */
static const char *name_of(const struct berth *berth, const struct berth_address *address)
{
    const struct firewall_named *named = firewall_bindings_find(&berth->firewall.bindings, address);

    return named == NULL ? NULL : firewall_binding_next(named, NULL)->name;
}

static void note(struct berth *berth, struct scan_contact *contact, enum berth_outcome outcome)
{
    if (contact->direction == BERTH_OUT) {
        contact->name = name_of(berth, &contact->peer.address);
    }
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

static void note_tcp(struct berth *berth, const struct tcp_outcome *tcp, enum berth_outcome outcome)
{
    struct stack_contact contact = {.protocol = BERTH_TCP,
                                    .local = tcp->local,
                                    .remote = tcp->remote,
                                    .arriving = !tcp->active};
    struct scan_contact scan = contact_of(berth, &contact);

    note(berth, &scan, outcome);
}

/* A connection that is established counts once its opener says something: it is looked at again
 * where that would matter. With more of them than places the oldest counts when it is over. */
static void wait_for_use(struct berth *berth, const struct tcp_outcome *tcp)
{
    struct stack_contact contact = {.local = tcp->local, .remote = tcp->remote};
    struct scan_contact scan;

    contact.arriving = !tcp->active;
    scan = contact_of(berth, &contact);
    if (firewall_scan_is_walking(&berth->scan, scan.direction, &scan.peer.address)) {
        berth->scan_waiting[berth->scan_waiting_next++ % STACK_SCAN_WAITING] = *tcp;
    }
}

static void look_at_waiting(struct berth *berth)
{
    for (uint32_t i = 0; i < STACK_SCAN_WAITING && berth->scan_waiting_next > 0; i++) {
        struct tcp_outcome *tcp = &berth->scan_waiting[i];
        bool is_over = true;

        if (tcp->generation != 0 && tcp_outcome_is_used(&berth->tcp, tcp, &is_over)) {
            note_tcp(berth, tcp, BERTH_OUTCOME_SUCCESS);
            is_over = true;
        }
        tcp->generation = is_over ? 0 : tcp->generation; /* which is odd while it is one's */
    }
}

/* Takes in how connections have begun and ended since it was called last. */
static void settle(struct berth *berth)
{
    struct tcp_outcome outcome;

    while (tcp_outcome_next(&berth->tcp, &outcome)) {
        switch (outcome.kind) {
        case TCP_OUTCOME_OPENED:
            wait_for_use(berth, &outcome);
            break;
        case TCP_OUTCOME_USED:
            note_tcp(berth, &outcome, BERTH_OUTCOME_SUCCESS);
            break;
        case TCP_OUTCOME_FAILED:
            note_tcp(berth, &outcome, BERTH_OUTCOME_FAILURE);
            break;
        }
    }
    look_at_waiting(berth);
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

bool stack_scan_is_dropped(struct berth *berth, const struct wire_packet *packet)
{
    struct stack_contact contact = contact_by(packet);

    return stack_scan_verdict(berth, &contact) == BERTH_DROP;
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
    bool is_one = contact->direction == BERTH_OUT || contact->direction == BERTH_IN;
    bool has_ended = outcome == BERTH_OUTCOME_SUCCESS || outcome == BERTH_OUTCOME_FAILURE;

    settle(berth);
    if (is_one && has_ended) {
        note(berth, &scan, outcome);
    }
}

bool berth_next_scan(struct berth *berth, struct berth_scan *out)
{
    settle(berth);
    return firewall_scan_next(&berth->scan, out);
}
