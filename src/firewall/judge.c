/* SPDX-License-Identifier: MIT */
/*
 * firewall/judge.c: verdicts. Reads the compiled tables; changes nothing but what is left of a
 * limit (firewall_take).
 *
 * 1. firewall_judge gives the first rule that firewall_explain says matches (by the index; what has
 *    no place there is tested as firewall_explain tests it).
 * 2. What is not TCP, UDP or ICMP, in or out, matches no rule and is denied.
 */
#include "firewall/rule.h"
#include "firewall/source.h"
#include "firewall/special.h"

/* A query with what is asked of every rule about it. */
struct subject {
    const struct berth_contact_query *query;
    const struct firewall_named *named; /* the peer's names; NULL: none, or no rule has any */
    uint64_t now_ns;
    struct firewall_special special;
    uint8_t protocol; /* its bit */
};

static bool has_port(const struct firewall_set *set, const struct firewall_rule *rule,
                     const struct subject *subject)
{
    const struct firewall_ports *ports = &set->ports[rule->ports_at];
    uint16_t port = subject->query->port;

    if (port < rule->ports_first || port > rule->ports_last) {
        return false;
    }
    for (uint32_t i = 0; i < rule->ports_count && ports[i].first <= port; i++) {
        if (port <= ports[i].last && (ports[i].protocols & subject->protocol) != 0) {
            return true;
        }
    }
    return rule->ports_count == 0;
}

/* Is a name of the subject's one of PATTERN's? */
static enum berth_miss test_name(const struct firewall_pattern *pattern,
                                 const struct subject *subject)
{
    const struct firewall_binding *binding = NULL;
    enum berth_miss miss = BERTH_MISS_PEER;

    while (subject->named != NULL && miss != BERTH_MATCH &&
           (binding = firewall_binding_next(subject->named, binding)) != NULL) {
        if (firewall_binding_is_live(binding, subject->now_ns) &&
            firewall_name_matches(pattern, binding->name, binding->bytes)) {
            bool may_match = subject->special.bits == 0 || binding->may_be_special;

            miss = may_match ? BERTH_MATCH : BERTH_MISS_UNNAMED;
        }
    }
    return miss;
}

/* What the rule's peer says: BERTH_MATCH, BERTH_MISS_PEER or BERTH_MISS_UNNAMED. */
static enum berth_miss test_peer(const struct firewall_peer *peer, const struct subject *subject)
{
    uint8_t bits = 0;

    switch ((enum firewall_peer_kind)peer->kind) {
    case FIREWALL_PEER_HOST:
        return subject->special.is_host ? BERTH_MATCH : BERTH_MISS_PEER;
    case FIREWALL_PEER_PREFIX:
        if (!berth_prefix_contains(&peer->prefix, &subject->query->peer)) {
            return BERTH_MISS_PEER;
        }
        bits = peer->prefix.bits;
        break;
    case FIREWALL_PEER_NAME:
        return test_name(&peer->name, subject);
    case FIREWALL_PEER_ANY:
        break;
    }
    /* A special address is named by a prefix inside its block only (special.h). */
    return bits >= subject->special.bits ? BERTH_MATCH : BERTH_MISS_UNNAMED;
}

static enum berth_miss test_peers(const struct firewall_set *set, const struct firewall_rule *rule,
                                  const struct subject *subject)
{
    static const struct firewall_peer any = {.kind = FIREWALL_PEER_ANY};
    enum berth_miss miss = BERTH_MISS_PEER;

    if (rule->peers_count == 0) {
        return test_peer(&any, subject);
    }
    for (uint32_t i = 0; i < rule->peers_count && miss != BERTH_MATCH; i++) {
        enum berth_miss one = test_peer(&set->peers[rule->peers_at + i], subject);

        miss = one == BERTH_MISS_PEER ? miss : one;
    }
    return miss;
}

/* Where the process is not known, an allow by one does not match, and all else by one does. */
static enum berth_miss test_process(const struct firewall_set *set,
                                    const struct firewall_rule *rule, const char *process)
{
    if (rule->processes_count == 0) {
        return BERTH_MATCH;
    }
    if (process == NULL) {
        return rule->action == BERTH_ALLOW ? BERTH_MISS_PROCESS : BERTH_MATCH;
    }
    for (uint32_t i = 0; i < rule->processes_count; i++) {
        if (strcmp(set->processes[rule->processes_at + i].name, process) == 0) {
            return BERTH_MATCH;
        }
    }
    return BERTH_MISS_PROCESS;
}

static enum berth_miss test_rule(const struct firewall_set *set, const struct firewall_rule *rule,
                                 const struct subject *subject)
{
    enum berth_miss miss;

    if (rule->direction != (uint8_t)subject->query->direction) {
        return BERTH_MISS_DIRECTION;
    }
    if ((rule->protocols & subject->protocol) == 0) {
        return BERTH_MISS_PROTOCOL;
    }
    if (!has_port(set, rule, subject)) {
        return BERTH_MISS_PORT;
    }
    miss = test_peers(set, rule, subject);
    return miss == BERTH_MATCH ? test_process(set, rule, subject->query->process) : miss;
}

static struct subject make_subject(const struct firewall *firewall,
                                   const struct berth_contact_query *query)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];

    return (struct subject){
        .query = query,
        .named = set->has_names ? firewall_bindings_find(&firewall->bindings, &query->peer) : NULL,
        .now_ns = firewall->now_ns,
        .special = firewall_special(firewall, &query->peer),
        .protocol = firewall_protocol_bit(query->protocol)};
}

/* Where a verdict comes from. */
struct finding {
    const struct firewall_entry *entry; /* of the first rule in the index's table; NULL: none */
    uint32_t rule;                      /* that decides; NONE: none does */
    bool by_name;                       /* without an entry: it matches by a name alone */
    uint32_t unsure; /* the first rule that the process, not known, decides on; NONE: none */
};
#define NONE UINT32_MAX

/* Rules with "by" in the index's table. */
static void find_by(const struct firewall_set *set, struct firewall_key *key, const char *process,
                    struct finding *finding)
{
    const struct firewall_index *index = &set->index;
    const struct firewall_entry *entry;

    if (process != NULL) {
        key->process = firewall_index_process(index, process);
        if (key->process != 0) {
            finding->entry = firewall_index_find(index, key, FIREWALL_BY_PROCESS, finding->entry);
        }
        return;
    }
    key->process = FIREWALL_PROCESS_REFUSING;
    entry = firewall_index_find(index, key, FIREWALL_BY_REFUSING, finding->entry);
    if (entry != finding->entry) {
        finding->entry = entry;
        finding->unsure = (uint32_t)entry->rule;
    }
    key->process = FIREWALL_PROCESS_ALLOWING;
    entry = firewall_index_find(index, key, FIREWALL_BY_ALLOWING, finding->entry);
    if (entry != finding->entry) {
        finding->unsure = (uint32_t)entry->rule;
    }
}

/* Does RULE, which matches, not match by the address? */
static bool is_by_name(const struct firewall_set *set, const struct firewall_rule *rule,
                       const struct subject *subject)
{
    struct subject unnamed = *subject;

    unnamed.named = NULL;
    return test_peers(set, rule, &unnamed) != BERTH_MATCH;
}

/* The rules that are not in the index's table, up to the one that it has found. */
static void walk_rest(const struct firewall_set *set, uint32_t list, const struct subject *subject,
                      struct finding *finding)
{
    const struct firewall_index *index = &set->index;

    for (uint32_t i = index->rest_begin[list]; i < index->rest_begin[list + 1]; i++) {
        uint32_t number = index->rest[i];
        enum berth_miss miss;

        if (number >= finding->rule) {
            return;
        }
        miss = test_rule(set, &set->rules[number], subject);
        if (subject->query->process == NULL && set->rules[number].processes_count > 0 &&
            (miss == BERTH_MATCH || miss == BERTH_MISS_PROCESS)) {
            finding->unsure = min_u32(finding->unsure, number);
        }
        if (miss == BERTH_MATCH) {
            finding->rule = number;
            finding->entry = NULL;
            finding->by_name = is_by_name(set, &set->rules[number], subject);
            return;
        }
    }
}

static struct berth_verdict verdict_of(const struct firewall_set *set,
                                       const struct finding *finding)
{
    const struct firewall_entry *entry = finding->entry;
    struct berth_verdict verdict = {.action = BERTH_DENY, .rule = -1};

    if (entry != NULL) { /* the rule itself need not be looked at */
        verdict = (struct berth_verdict){.action = (enum berth_action)entry->action,
                                         .log = entry->log != 0,
                                         .limited = entry->limited != 0,
                                         .by_name = firewall_index_is_by_name(entry),
                                         .reason = BERTH_REASON_BY_RULE,
                                         .rule = (int32_t)entry->rule};
    } else if (finding->rule != NONE) {
        const struct firewall_rule *rule = &set->rules[finding->rule];

        verdict = (struct berth_verdict){.action = (enum berth_action)rule->action,
                                         .log = rule->log,
                                         .limited = rule->limit.count > 0,
                                         .by_name = finding->by_name,
                                         .reason = BERTH_REASON_BY_RULE,
                                         .rule = (int32_t)finding->rule};
    }
    verdict.needs_process = finding->unsure != NONE && finding->unsure <= finding->rule;
    return verdict;
}

static struct berth_verdict judge(const struct firewall *firewall, struct subject *subject,
                                  struct firewall_key *key)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    struct finding finding = {.rule = NONE, .unsure = NONE};

    key->special = &subject->special;
    key->named = subject->named;
    key->now_ns = subject->now_ns;
    finding.entry = firewall_index_find(&set->index, key, FIREWALL_BY_NONE, NULL);
    if (firewall_index_has_by(&set->index)) {
        find_by(set, key, subject->query->process, &finding);
    }
    finding.rule = finding.entry == NULL ? NONE : (uint32_t)finding.entry->rule;
    walk_rest(set, key->list, subject, &finding);
    return verdict_of(set, &finding);
}

/* Is QUERY one that rules can be about, and are there any? *KEY: all but what the peer is. */
static bool is_judged(const struct firewall *firewall, const struct berth_contact_query *query,
                      struct firewall_key *key)
{
    uint8_t protocol = firewall_protocol_bit(query->protocol);

    *key = (struct firewall_key){.peer = &query->peer, .port = query->port};
    if (!firewall->loaded || protocol == 0 ||
        (query->direction != BERTH_OUT && query->direction != BERTH_IN)) {
        return false;
    }
    key->list = firewall_list_of(query->direction, protocol);
    return true;
}

static const struct berth_verdict unjudged = {.action = BERTH_DENY, .rule = -1};

struct berth_verdict firewall_judge(const struct firewall *firewall,
                                    const struct berth_contact_query *query)
{
    struct firewall_key key;
    struct subject subject;

    if (!is_judged(firewall, query, &key)) {
        return unjudged;
    }
    firewall_index_expect(&firewall->sets[firewall->active].index, &key);
    subject = make_subject(firewall, query);
    return judge(firewall, &subject, &key);
}

int firewall_take(struct firewall *firewall, const struct berth_contact_query *query,
                  struct berth_verdict *verdict)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    bool is_open = verdict->action == BERTH_ALLOW || verdict->action == BERTH_ASK;
    struct berth_address source;

    if (!verdict->limited || !is_open || verdict->rule < 0 ||
        (uint32_t)verdict->rule >= firewall_rule_count(firewall)) {
        return BERTH_OK;
    }
    source = firewall_source(query->direction, &query->peer);
    if (set->rules[verdict->rule].limit.count == 0 ||
        firewall_limit_take(&firewall->limiter, &set->rules[verdict->rule].limit, &source,
                            firewall->now_ns)) {
        return BERTH_OK;
    }
    verdict->action = BERTH_DENY;
    verdict->reason = BERTH_REASON_BY_LIMIT;
    return BERTH_E_LIMIT;
}

/* Was NAME given for an address with leave to match it though it is special? */
static bool may_be_special(const struct firewall_named *named, const struct firewall_binding *name,
                           uint64_t now_ns)
{
    const struct firewall_binding *binding = NULL;

    while (named != NULL && (binding = firewall_binding_next(named, binding)) != NULL) {
        if (firewall_binding_is_live(binding, now_ns) && binding->bytes == name->bytes &&
            memcmp(binding->name, name->name, name->bytes) == 0) {
            return binding->may_be_special;
        }
    }
    return false;
}

struct berth_verdict firewall_judge_name(const struct firewall *firewall,
                                         const struct berth_contact_query *query, const char *name)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    struct firewall_named named = {.count = 1, .holds = 1};
    struct firewall_binding binding = {.named = &named};
    struct firewall_key key;
    struct subject subject;

    if (!is_judged(firewall, query, &key)) {
        return unjudged;
    }
    subject = make_subject(firewall, query);
    binding.bytes = firewall_name_copy(name, strnlen(name, BERTH_NAME_BYTES + 1), binding.name);
    binding.pattern = firewall_index_pattern(&set->index, binding.name, binding.bytes);
    binding.may_be_special = may_be_special(subject.named, &binding, subject.now_ns);
    list_init(&named.bindings);
    list_add_last(&named.bindings, &binding.of_address);
    subject.named = binding.bytes == 0 ? NULL : &named;
    return judge(firewall, &subject, &key);
}

enum berth_miss firewall_explain(const struct firewall *firewall, uint32_t index,
                                 const struct berth_contact_query *query)
{
    const struct firewall_set *set = &firewall->sets[firewall->active];
    struct subject subject = make_subject(firewall, query);

    return test_rule(set, &set->rules[index], &subject);
}
