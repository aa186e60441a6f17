/* SPDX-License-Identifier: MIT */
/*
 * run/resolver_policy.c: see run/resolver.h: which questions go out, what of an answer passes, and
 * what is learnt from it.
 *
 *   type                             goes out if
 *   A, AAAA, CNAME, SRV, SVCB,       some rule could let a connection to the name through
 *   HTTPS
 *   MX, TXT, NAPTR, SSHFP, TLSA,     some rule names the name
 *   CAA, URI
 *   PTR                              some rule could let a connection to the address through, or
 *                                    it was given in an answer
 *   any other                        never: nothing that opens connections needs it
 *
 * The name of a service, _service._proto.NAME (RFC 2782, 6698, 9460), is NAME. A name that a record
 * of an allowed name points to counts as that name.
 */
#include "run/resolver.h"

#include <string.h>

#include "run/conversation.h"
#include "run/inward.h"

/* The program has so long to use an address whose record is at its end: a libc that asks for both
 * families waits as long for the other (resolv.conf(5)). */
#define USE_NS (5 * NS_PER_S)

enum { SERVICE_LABELS_MAX = 2, SERVICE_LABEL_BYTES_MAX = 16 /* RFC 6335 5.1, and the mark */ };

enum need { NEED_ANY_RULE, NEED_NAME, NEED_ADDRESS, NEED_NEVER };

static enum need need_of(uint16_t type)
{
    switch ((enum dns_type)type) {
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA:
    case DNS_TYPE_CNAME:
    case DNS_TYPE_SRV:
    case DNS_TYPE_SVCB:
    case DNS_TYPE_HTTPS:
        return NEED_ANY_RULE;
    case DNS_TYPE_MX:
    case DNS_TYPE_TXT:
    case DNS_TYPE_NAPTR:
    case DNS_TYPE_SSHFP:
    case DNS_TYPE_TLSA:
    case DNS_TYPE_CAA:
    case DNS_TYPE_URI:
        return NEED_NAME;
    case DNS_TYPE_PTR:
        return NEED_ADDRESS;
    case DNS_TYPE_SOA:
    case DNS_TYPE_DNAME:
    case DNS_TYPE_RRSIG:
    case DNS_TYPE_NSEC:
    case DNS_TYPE_NSEC3:
        break;
    }
    return NEED_NEVER;
}

static bool has_service(uint16_t type)
{
    return type == DNS_TYPE_SRV || type == DNS_TYPE_SVCB || type == DNS_TYPE_HTTPS ||
           type == DNS_TYPE_TLSA || type == DNS_TYPE_URI;
}

const char *resolver_host_name(const struct dns_question *question)
{
    const char *name = question->name;

    for (int i = 0; i < SERVICE_LABELS_MAX && has_service(question->type) && *name == '_'; i++) {
        const char *dot = strchr(name, '.');

        if (dot == NULL || dot - name > SERVICE_LABEL_BYTES_MAX) {
            return question->name;
        }
        name = dot + 1;
    }
    return name;
}

/* ---- Questions ------------------------------------------------------------------------------- */

static bool is_alias(const struct run *run, const char *name)
{
    size_t cursor = 0;

    return aliases_next(&run->resolver->aliases, name, run->guard->loop->now_ns, &cursor) != NULL;
}

static bool may_reverse(const struct run *run, const char *name)
{
    struct berth_address address;

    return dns_reverse_address(name, &address) &&
           (berth_rules_may_reach_address(run->guard->berth, &address) ||
            naming_find(&run->naming, &address) != NULL);
}

enum name_refusal resolver_judge(const struct run *run, const struct dns_question *question)
{
    const char *name = resolver_host_name(question);

    if (question->is_odd || question->class != DNS_CLASS_IN) {
        return NAME_REFUSED_TYPE;
    }
    switch (need_of(question->type)) {
    case NEED_ANY_RULE:
        return berth_rules_may_reach_name(run->guard->berth, name) || is_alias(run, name)
                   ? NAME_NOT_REFUSED
                   : NAME_REFUSED_RULES;
    case NEED_NAME:
        return berth_rules_name_is_named(run->guard->berth, name) || is_alias(run, name)
                   ? NAME_NOT_REFUSED
                   : NAME_REFUSED_UNNAMED;
    case NEED_ADDRESS:
        return may_reverse(run, name) ? NAME_NOT_REFUSED : NAME_REFUSED_RULES;
    case NEED_NEVER:
        break;
    }
    return NAME_REFUSED_TYPE;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static bool is_among(const struct hostnet_list *list, const struct berth_address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (berth_address_is_equal(&list->addresses[i], address)) {
            return true;
        }
    }
    return false;
}

static bool is_own(const struct run *run, const struct berth_address *address)
{
    struct hostnet_list own = hostnet_addresses(run->hostnet);
    struct hostnet_list broadcasts = hostnet_broadcasts(run->hostnet);
    struct hostnet_prefixes prefixes = hostnet_prefixes(run->hostnet);

    for (size_t i = 0; i < prefixes.count; i++) {
        if (berth_prefix_contains(&prefixes.prefixes[i], address)) {
            return true;
        }
    }
    return is_among(&own, address) || is_among(&broadcasts, address);
}

const char *resolver_inward(const struct run *run, const struct berth_address *address)
{
    const struct launch_network *network = run_network(run, address);
    struct berth_prefix inside = {
        network->gateway,
        (uint8_t)(network->prefix_bits + (berth_address_is_v4(address) ? 96 : 0))};

    if (network->is_on && berth_prefix_contains(&inside, address)) {
        return "the program's own network";
    }
    if (is_own(run, address)) {
        return "this host";
    }
    return inward_kind(address);
}

/* What a learned policy names: what points to NAME, since NAME then counts as that; else NAME. */
static void note_answer(struct run *run, const char *name, const struct berth_address *address,
                        bool is_inward)
{
    const struct aliases *aliases = &run->resolver->aliases;
    size_t cursor = 0;
    const char *origin = aliases_next(aliases, name, run->guard->loop->now_ns, &cursor);

    do {
        answers_add(&run->answers, address, origin == NULL ? name : origin, is_inward);
        origin =
            origin == NULL ? NULL : aliases_next(aliases, name, run->guard->loop->now_ns, &cursor);
    } while (origin != NULL);
}

/* ADDRESS was given for NAME, and for whatever points to NAME. */
static void bind_address(struct run *run, const char *name, const struct berth_address *address,
                         uint64_t until_ns)
{
    const struct aliases *aliases = &run->resolver->aliases;
    size_t cursor = 0;

    for (const char *origin = name; origin != NULL;
         origin = aliases_next(aliases, name, run->guard->loop->now_ns, &cursor)) {
        if (berth_name_learn(run->guard->berth, origin, address, until_ns, false) < 0) {
            continue; /* no rule can have such a name */
        }
    }
}

static void note_target(struct run *run, const char *name, const char *target, uint64_t until_ns)
{
    struct aliases *aliases = &run->resolver->aliases;
    size_t cursor = 0;

    for (const char *origin = name; origin != NULL;
         origin = aliases_next(aliases, name, run->guard->loop->now_ns, &cursor)) {
        if (strcmp(target, origin) != 0) {
            aliases_add(aliases, target, origin, until_ns);
        }
    }
}

bool resolver_learn(struct run *run, const struct dns_question *question, struct dns_answer *answer)
{
    const char *name = resolver_host_name(question);
    uint64_t until_ns = run->guard->loop->now_ns + answer->ttl_s * NS_PER_S + USE_NS;
    size_t refused = 0;

    for (size_t i = 0; i < answer->count; i++) {
        const struct berth_address *address = &answer->addresses[i];
        const char *kind = resolver_inward(run, address);

        if (kind != NULL && !berth_rules_may_reach_address(run->guard->berth, address)) {
            struct name_refused told = {.name = name,
                                        .type = question->type,
                                        .why = NAME_REFUSED_ADDRESS,
                                        .address = address,
                                        .kind = kind};

            answer->is_refused[i] = true;
            refused++;
            conversation_name_refused(run, &told);
            continue;
        }
        naming_learn(&run->naming, address, name);
        note_answer(run, name, address, kind != NULL);
        bind_address(run, name, address, until_ns);
    }
    for (size_t i = 0; i < answer->target_count; i++) {
        note_target(run, name, answer->targets[i], until_ns);
    }
    return refused == 0 || refused < answer->count;
}
