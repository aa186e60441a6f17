/* SPDX-License-Identifier: MIT */
/*
 * stack/firewall_calls.c: the firewall's public calls, and the one place where a first contact
 * meets it: turned to the view of the host that is guarded, judged, counted, and noted if refused.
 *
 * 1. contacts.count <= contacts.limit; the noted ones stand in items from first on, round the end.
 * 2. Every refused contact is counted as denied, and is either noted or counted as lost; one that
 *    its owner decides on is counted as asked, and not noted.
 *
 *   guard        arriving                           not arriving
 *   STACK        in:  peer remote, port local's     out: peer remote, port remote's
 *   LINK_PEER    out: peer local,  port local's     in:  peer local,  port remote's
 *
 * Guarding the far end of the link, what arrives from it is what it sends out, and the stack's own
 * end of a conversation stands for whom it talks with.
 */
#include "stack/stack.h"

#include "base/check.h"

/* ---- First contacts ------------------------------------------------------------------------- */

static struct berth_contact describe(const struct berth *berth, const struct stack_contact *contact)
{
    bool guards_peer = berth->config.guard == BERTH_GUARD_LINK_PEER;

    return (struct berth_contact){
        .now_ns = berth->now_ns,
        .direction = contact->arriving == guards_peer ? BERTH_OUT : BERTH_IN,
        .protocol = contact->protocol,
        .guarded = guards_peer ? contact->remote : contact->local,
        .peer = guards_peer ? contact->local : contact->remote,
    };
}

static struct berth_contact_query query_of(const struct berth_contact *contact)
{
    const struct berth_endpoint *served =
        contact->direction == BERTH_OUT ? &contact->peer : &contact->guarded;

    return (struct berth_contact_query){
        .direction = contact->direction,
        .protocol = contact->protocol,
        .peer = contact->peer.address,
        .port = contact->protocol == BERTH_ICMP ? 0 : served->port,
    };
}

struct berth_contact_query stack_query(const struct berth *berth,
                                       const struct stack_contact *contact)
{
    struct berth_contact described = describe(berth, contact);

    return query_of(&described);
}

static void note(struct berth *berth, const struct berth_contact *contact)
{
    struct stack_contacts *contacts = &berth->contacts;

    if (contacts->count == contacts->limit) {
        berth->stats.contacts_lost++;
        return;
    }
    contacts->items[(contacts->first + (uint64_t)contacts->count) % contacts->limit] = *contact;
    contacts->count++;
}

/* A scanner is shut out before any rule is asked, or the owner has decided. What is allowed counts
 * against its rule's limit; what is asked about does when its owner has judged it. */
static struct berth_verdict verdict_on(struct berth *berth, const struct stack_contact *contact,
                                       const struct berth_contact_query *query)
{
    enum berth_action action = stack_scan_verdict(berth, contact);
    struct berth_verdict verdict;

    if (action == BERTH_ALLOW) {
        if (berth->is_decided && !contact->arriving) {
            return berth->decided;
        }
        verdict = firewall_judge(&berth->firewall, query);
        if (verdict.action == BERTH_ALLOW) {
            (void)firewall_take(&berth->firewall, query, &verdict); /* which says it all */
        }
        return verdict;
    }
    return (struct berth_verdict){.action = action, .reason = BERTH_REASON_BY_SCAN, .rule = -1};
}

struct berth_verdict stack_judge(struct berth *berth, const struct stack_contact *contact)
{
    struct berth_contact described = describe(berth, contact);
    struct berth_contact_query query = query_of(&described);

    described.verdict = verdict_on(berth, contact, &query);
    if (described.verdict.action == BERTH_ALLOW) {
        berth->stats.contacts_allowed++;
    } else if (contact->may_hold && stack_is_asked(&described.verdict)) {
        berth->stats.contacts_asked++;
    } else {
        if (described.verdict.action == BERTH_ASK) { /* and nobody to ask */
            described.verdict.action = BERTH_DENY;
        }
        /* What a limit refuses is no port that is not there. */
        if (described.verdict.reason != BERTH_REASON_BY_SCAN &&
            described.verdict.reason != BERTH_REASON_BY_LIMIT) {
            stack_scan_failed(berth, contact);
        }
        berth->stats.contacts_denied++;
        note(berth, &described);
    }
    return described.verdict;
}

struct berth_verdict berth_contact_judge(struct berth *berth, const struct berth_contact *contact)
{
    bool guards_peer = berth->config.guard == BERTH_GUARD_LINK_PEER;
    struct stack_contact turned = {
        .protocol = contact->protocol,
        .local = guards_peer ? contact->peer : contact->guarded,
        .remote = guards_peer ? contact->guarded : contact->peer,
        .arriving = (contact->direction == BERTH_OUT) == guards_peer,
        .may_hold = true,
    };

    return stack_judge(berth, &turned);
}

void berth_decide(struct berth *berth, const struct berth_verdict *verdict)
{
    berth->is_decided = verdict != NULL;
    if (verdict != NULL) {
        berth->decided = *verdict;
    }
}

bool berth_next_contact(struct berth *berth, struct berth_contact *out)
{
    struct stack_contacts *contacts = &berth->contacts;

    if (contacts->count == 0) {
        return false;
    }
    BERTH_CHECK(contacts->first < contacts->limit);
    *out = contacts->items[contacts->first];
    contacts->first = contacts->first + 1 == contacts->limit ? 0 : contacts->first + 1;
    contacts->count--;
    return true;
}

/* ---- Rules ---------------------------------------------------------------------------------- */

int berth_rules_load(struct berth *berth, const char *text, size_t bytes,
                     struct berth_rules_error *error)
{
    return firewall_load(&berth->firewall, text, bytes, error);
}

uint32_t berth_rules_count(const struct berth *berth)
{
    return firewall_rule_count(&berth->firewall);
}

const char *berth_rules_text(const struct berth *berth, uint32_t index)
{
    return firewall_rule_text(&berth->firewall, index);
}

uint32_t berth_rules_line(const struct berth *berth, uint32_t index)
{
    return firewall_rule_line(&berth->firewall, index);
}

struct berth_verdict berth_rules_judge(const struct berth *berth,
                                       const struct berth_contact_query *query)
{
    return firewall_judge(&berth->firewall, query);
}

enum berth_miss berth_rules_explain(const struct berth *berth, uint32_t index,
                                    const struct berth_contact_query *query)
{
    return index < firewall_rule_count(&berth->firewall)
               ? firewall_explain(&berth->firewall, index, query)
               : BERTH_MISS_PROTOCOL;
}

int berth_rules_take(struct berth *berth, const struct berth_contact_query *query,
                     struct berth_verdict *verdict)
{
    return firewall_take(&berth->firewall, query, verdict);
}

struct berth_verdict berth_rules_judge_name(const struct berth *berth,
                                            const struct berth_contact_query *query,
                                            const char *name)
{
    return firewall_judge_name(&berth->firewall, query, name);
}

bool berth_rules_may_reach_network(const struct berth *berth)
{
    return firewall_may_reach_network(&berth->firewall);
}

int berth_host_addresses_set(struct berth *berth, const struct berth_address *addresses,
                             size_t count)
{
    return firewall_set_host(&berth->firewall, addresses, count);
}

int berth_host_prefixes_set(struct berth *berth, const struct berth_prefix *prefixes, size_t count)
{
    return firewall_set_host_prefixes(&berth->firewall, prefixes, count);
}

bool berth_rules_may_reach_name(const struct berth *berth, const char *name)
{
    return firewall_may_reach_name(&berth->firewall, name);
}

bool berth_rules_name_is_named(const struct berth *berth, const char *name)
{
    return firewall_name_is_named(&berth->firewall, name);
}

bool berth_rules_may_reach_address(const struct berth *berth, const struct berth_address *address)
{
    return firewall_may_reach_address(&berth->firewall, address);
}

bool berth_rules_name_matches(const struct berth *berth, uint32_t index, const char *name)
{
    return firewall_name_matches_rule(&berth->firewall, index, name);
}

/* ---- Names ---------------------------------------------------------------------------------- */

int berth_name_learn(struct berth *berth, const char *name, const struct berth_address *address,
                     uint64_t until_ns, bool may_be_special)
{
    return firewall_learn(&berth->firewall, name, address, until_ns, may_be_special);
}

int berth_name_hold(struct berth *berth, const struct berth_address *address)
{
    return firewall_bindings_hold(&berth->firewall.bindings, address);
}

void berth_name_release(struct berth *berth, const struct berth_address *address)
{
    firewall_bindings_release(&berth->firewall.bindings, address);
}
