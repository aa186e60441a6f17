/* SPDX-License-Identifier: MIT */
/*
 * firewall/scan.c: the walks and their verdicts (scan.h).
 *
 *   class   event                                   next    function
 *   -       a first failure                         fresh   take_record
 *   fresh   a second one                            known   walk
 *   known   back at 1, or an hour without contacts  fresh   settle, renew
 *   fresh,
 *   known   at eta1: an event                       found   accept
 *   found   its time is over, and a contact         fresh   renew
 *   any     its place is needed                     -       take_record
 */
#include "firewall/scan.h"

#include "base/check.h"
#include "firewall/source.h"

/* UDP to these ports is traceroute on its way (IANA: 33434): one contact, however many it tries. */
#define TRACEROUTE_FIRST 33434
#define TRACEROUTE_LAST  33534

enum scan_class { SCAN_FRESH, SCAN_KNOWN, SCAN_FOUND };

struct scan_record {
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    struct list_node order;
    struct berth_address who; /* in: the remote; out: zeros */
    uint8_t direction;
    uint8_t class;
    uint8_t action;       /* of a verdict */
    uint8_t recent_count; /* of recent, up to SCAN_RECENT */
    uint8_t recent_at;    /* the oldest of them */
    int32_t ratio;        /* log2 of the likelihood ratio, in 1 / SCAN_ONE; from 0 */
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t expires_ns;
    uint32_t contacts; /* of this walk */
    uint32_t failures;
    uint32_t host_count;
    uint32_t port_count;
    uint32_t recent[SCAN_RECENT]; /* hashes of contacts */
    uint32_t hosts[SCAN_HOSTS];   /* hashes; host_count of them, the last ones */
    uint16_t ports[SCAN_PORTS];
    uint16_t samples[BERTH_SCAN_SAMPLES];
};

_Static_assert(SCAN_RECENT <= UINT8_MAX, "recent_count and recent_at hold it");

void firewall_scan_init(struct firewall_scan *scan, struct arena *arena, uint32_t records)
{
    *scan = (struct firewall_scan){0};
    pool_init(&scan->pool, arena, records, sizeof(struct scan_record));
    table_init(&scan->table, arena, records);
    scan->events = arena_take(arena, SCAN_EVENTS, sizeof *scan->events, 8);
    for (int i = 0; i < 3; i++) {
        list_init(&scan->orders[i]);
    }
}

/* ---- Whose, and what ------------------------------------------------------------------------ */

static uint32_t hash_who(const struct firewall_scan *scan, enum berth_direction direction,
                         const struct berth_address *who)
{
    uint8_t bytes[17];

    memcpy(bytes, who->bytes, sizeof who->bytes);
    bytes[16] = (uint8_t)direction;
    return (uint32_t)hash_keyed(&scan->key, bytes, sizeof bytes);
}

static bool has_ports(const struct scan_contact *contact)
{
    return contact->protocol == BERTH_TCP || contact->protocol == BERTH_UDP;
}

/* What stands for the host NAME: no address that a packet can have. */
static struct berth_address address_of_name(const struct firewall_scan *scan, const char *name)
{
    struct berth_address address = {{0xff}};
    uint64_t hash = hash_keyed(&scan->key, name, strlen(name));

    memcpy(address.bytes + 8, &hash, sizeof hash);
    return address;
}

/* The end that was tried; its port is 0 where the protocol has none. */
static struct berth_endpoint tried(const struct firewall_scan *scan,
                                   const struct scan_contact *contact)
{
    struct berth_endpoint end = contact->direction == BERTH_IN ? contact->guarded : contact->peer;

    if (contact->name != NULL) {
        end.address = address_of_name(scan, contact->name);
    }
    if (!has_ports(contact)) {
        end.port = 0;
    } else if (contact->protocol == BERTH_UDP && end.port >= TRACEROUTE_FIRST &&
               end.port <= TRACEROUTE_LAST) {
        end.port = TRACEROUTE_FIRST;
    }
    return end;
}

/* What stands for a contact in a record. */
static uint32_t tag_of(const struct firewall_scan *scan, const struct scan_contact *contact,
                       const struct berth_endpoint *end)
{
    uint8_t bytes[21];

    memcpy(bytes, end->address.bytes, sizeof end->address.bytes);
    store_be16(bytes + 16, end->port);
    store_be16(bytes + 18, contact->oddity);
    bytes[20] = contact->protocol;
    return (uint32_t)hash_keyed(&scan->key, bytes, sizeof bytes);
}

static struct scan_record *find_record(const struct firewall_scan *scan, uint32_t hash,
                                       enum berth_direction direction,
                                       const struct berth_address *who)
{
    uint32_t at = *table_head(&scan->table, hash);

    while (at != 0) {
        struct scan_record *record = pool_at(&scan->pool, at - 1);

        if (record->hash == hash && record->direction == (uint8_t)direction &&
            berth_address_is_equal(&record->who, who)) {
            return record;
        }
        at = record->hash_next;
    }
    return NULL;
}

/* ---- Records -------------------------------------------------------------------------------- */

static void set_class(struct firewall_scan *scan, struct scan_record *record, enum scan_class class)
{
    list_remove(&record->order);
    list_add_last(&scan->orders[class], &record->order);
    record->class = (uint8_t) class;
}

/* What counts from here on is the evidence of a new walk. */
static void settle(struct scan_record *record)
{
    record->ratio = 0;
    record->contacts = 0;
    record->failures = 0;
    record->host_count = 0;
    record->port_count = 0;
}

static void leave_found(struct firewall_scan *scan, const struct scan_record *record)
{
    if (record->class == SCAN_FOUND && record->action != BERTH_ALLOW) {
        BERTH_CHECK(scan->denying > 0);
        scan->denying--;
    }
}

static void remove_record(struct firewall_scan *scan, struct scan_record *record)
{
    uint32_t *link = table_head(&scan->table, record->hash);
    uint32_t self = pool_index(&scan->pool, record) + 1;

    while (*link != self) {
        BERTH_CHECK(*link != 0);
        link = &((struct scan_record *)pool_at(&scan->pool, *link - 1))->hash_next;
    }
    *link = record->hash_next;
    leave_found(scan, record);
    list_remove(&record->order);
    pool_give(&scan->pool, record);
}

/* Frees the record that is worth least. */
static void evict(struct firewall_scan *scan)
{
    struct list_node *node = NULL;

    for (int i = 0; i < 3 && node == NULL; i++) {
        node = list_first(&scan->orders[i]);
    }
    if (node != NULL) {
        remove_record(scan, CONTAINER_OF(node, struct scan_record, order));
        (*scan->evicted)++;
    }
}

/* NULL: the limit is 0. */
static struct scan_record *take_record(struct firewall_scan *scan, uint32_t hash,
                                       enum berth_direction direction,
                                       const struct berth_address *who)
{
    struct scan_record *record = pool_take(&scan->pool);
    uint32_t *head;

    if (record == NULL) {
        evict(scan);
        record = pool_take(&scan->pool);
    }
    if (record == NULL) {
        return NULL;
    }
    record->hash = hash;
    record->order = (struct list_node){0};
    record->who = *who;
    record->direction = (uint8_t)direction;
    record->recent_count = 0;
    record->recent_at = 0;
    head = table_head(&scan->table, hash);
    record->hash_next = *head;
    *head = pool_index(&scan->pool, record) + 1;
    settle(record);
    set_class(scan, record, SCAN_FRESH);
    return record;
}

/* Ends what time has ended: a verdict, or a walk that nobody went on with. */
static void renew(struct firewall_scan *scan, struct scan_record *record, uint64_t now_ns)
{
    bool is_over = record->class == SCAN_FOUND ? now_ns >= record->expires_ns
                                               : now_ns - record->last_ns >= SCAN_IDLE_NS;

    if (is_over) {
        leave_found(scan, record);
        settle(record);
        record->recent_count = 0;
        record->recent_at = 0;
        set_class(scan, record, SCAN_FRESH);
    }
}

/* ---- Evidence ------------------------------------------------------------------------------- */

static bool has_recent(const struct scan_record *record, uint32_t tag)
{
    for (uint32_t i = 0; i < record->recent_count; i++) {
        if (record->recent[i] == tag) {
            return true;
        }
    }
    return false;
}

/* In the place of the oldest where all are taken. */
static void add_recent(struct scan_record *record, uint32_t tag)
{
    record->recent[record->recent_at] = tag;
    record->recent_at = (uint8_t)((record->recent_at + 1U) % SCAN_RECENT);
    if (record->recent_count < SCAN_RECENT) {
        record->recent_count++;
    }
}

static void count_host(const struct firewall_scan *scan, struct scan_record *record,
                       const struct berth_address *address)
{
    uint32_t host = (uint32_t)hash_keyed(&scan->key, address->bytes, sizeof address->bytes);

    for (uint32_t i = 0; i < min_u32(record->host_count, SCAN_HOSTS); i++) {
        if (record->hosts[i] == host) {
            return;
        }
    }
    record->hosts[record->host_count++ % SCAN_HOSTS] = host;
}

static void count_port(struct scan_record *record, uint16_t port)
{
    for (uint32_t i = 0; i < min_u32(record->port_count, SCAN_PORTS); i++) {
        if (record->ports[i] == port) {
            return;
        }
    }
    record->ports[record->port_count % SCAN_PORTS] = port;
    if (record->port_count < BERTH_SCAN_SAMPLES) {
        record->samples[record->port_count] = port;
    }
    record->port_count++;
}

static void count(const struct firewall_scan *scan, struct scan_record *record,
                  const struct berth_endpoint *end, uint64_t now_ns)
{
    record->first_ns = record->contacts == 0 ? now_ns : record->first_ns;
    record->contacts++;
    count_host(scan, record, &end->address);
    if (end->port != 0) {
        count_port(record, end->port);
    }
}

/* ---- Verdicts ------------------------------------------------------------------------------- */

static struct berth_prefix source_of(const struct scan_record *record,
                                     const struct scan_contact *contact)
{
    struct berth_prefix source = {.address = contact->guarded.address, .bits = 128};

    if (record->direction == BERTH_IN) {
        source.address = record->who;
        source.bits = berth_address_is_v4(&record->who) ? 128 : FIREWALL_SOURCE_BITS6;
    }
    return source;
}

static void tell(struct firewall_scan *scan, const struct scan_record *record,
                 const struct scan_contact *contact)
{
    struct berth_scan *event;

    if (scan->event_count == SCAN_EVENTS) {
        (*scan->lost)++;
        return;
    }
    event = &scan->events[(scan->event_first + scan->event_count) % SCAN_EVENTS];
    scan->event_count++;
    *event = (struct berth_scan){.first_ns = record->first_ns,
                                 .last_ns = record->last_ns,
                                 .expires_ns = record->expires_ns,
                                 .direction = (enum berth_direction)record->direction,
                                 .action = (enum berth_action)record->action,
                                 .source = source_of(record, contact),
                                 .contacts = record->contacts,
                                 .failures = record->failures,
                                 .hosts = record->host_count,
                                 .ports = record->port_count,
                                 .protocol = contact->protocol,
                                 .guarded = contact->guarded,
                                 .peer = contact->peer};
    event->sample_count = min_u32(record->port_count, BERTH_SCAN_SAMPLES);
    memcpy(event->samples, record->samples, event->sample_count * sizeof event->samples[0]);
}

static void accept(struct firewall_scan *scan, struct scan_record *record,
                   const struct scan_contact *contact, const struct firewall_scan_policy *policy)
{
    set_class(scan, record, SCAN_FOUND);
    record->action = (uint8_t)policy->action;
    record->expires_ns = add_sat_u64(record->last_ns, policy->ns);
    scan->denying += policy->action != BERTH_ALLOW;
    (*scan->found)++;
    tell(scan, record, contact);
}

/* One step of the walk, by a contact that RECORD had not seen. */
static void walk(struct firewall_scan *scan, struct scan_record *record, enum berth_outcome outcome)
{
    if (outcome == BERTH_OUTCOME_FAILURE) {
        record->failures++;
        record->ratio += SCAN_FAILURE;
        set_class(scan, record, record->failures > 1 ? SCAN_KNOWN : SCAN_FRESH);
        return;
    }
    record->ratio += SCAN_SUCCESS;
    if (record->ratio <= 0) {
        settle(record);
        set_class(scan, record, SCAN_FRESH);
    }
}

/* May this contact of a named host fail? So many may; each leaves a mark beside its tag. */
static bool is_forgiven(const struct firewall_scan *scan, struct scan_record *record,
                        const struct scan_contact *contact, const struct berth_endpoint *end)
{
    struct berth_endpoint host = {.address = end->address};
    struct scan_contact mark = {.oddity = 0};

    for (uint16_t i = 1; contact->name != NULL && i <= SCAN_NAMED; i++) {
        mark.oddity = i;
        uint32_t tag = tag_of(scan, &mark, &host);

        if (!has_recent(record, tag)) {
            add_recent(record, tag);
            return true;
        }
    }
    return false;
}

void firewall_scan_note(struct firewall_scan *scan, const struct scan_contact *contact,
                        enum berth_outcome outcome, const struct firewall_scan_policy *policy,
                        uint64_t now_ns)
{
    struct berth_address who = firewall_source(contact->direction, &contact->peer.address);
    struct scan_record *record;
    struct berth_endpoint end;
    uint32_t hash;
    uint32_t tag;

    if (outcome == BERTH_OUTCOME_SUCCESS && scan->pool.used == 0) {
        return; /* where nobody fails, nothing is hashed */
    }
    hash = hash_who(scan, contact->direction, &who);
    record = find_record(scan, hash, contact->direction, &who);
    if (record != NULL) {
        renew(scan, record, now_ns);
    } else if (outcome == BERTH_OUTCOME_FAILURE) {
        record = take_record(scan, hash, contact->direction, &who);
    }
    if (record == NULL || record->class == SCAN_FOUND) {
        return;
    }
    end = tried(scan, contact);
    tag = tag_of(scan, contact, &end);
    if (has_recent(record, tag)) {
        return;
    }
    record->last_ns = now_ns;
    if (outcome == BERTH_OUTCOME_SUCCESS || !is_forgiven(scan, record, contact, &end)) {
        count(scan, record, &end, now_ns);
        walk(scan, record, outcome);
    }
    add_recent(record, tag);
    if (record->ratio >= SCAN_THRESHOLD) {
        accept(scan, record, contact, policy);
    }
}

bool firewall_scan_is_walking(const struct firewall_scan *scan, enum berth_direction direction,
                              const struct berth_address *peer)
{
    struct berth_address who = firewall_source(direction, peer);
    const struct scan_record *record =
        scan->pool.used == 0 ? NULL
                             : find_record(scan, hash_who(scan, direction, &who), direction, &who);

    return record != NULL && record->ratio > 0;
}

enum berth_action firewall_scan_verdict(const struct firewall_scan *scan,
                                        enum berth_direction direction,
                                        const struct berth_address *peer, uint64_t now_ns)
{
    struct berth_address who = firewall_source(direction, peer);
    const struct scan_record *record;

    if (scan->denying == 0) {
        return BERTH_ALLOW;
    }
    record = find_record(scan, hash_who(scan, direction, &who), direction, &who);
    if (record == NULL || record->class != SCAN_FOUND || now_ns >= record->expires_ns) {
        return BERTH_ALLOW;
    }
    return (enum berth_action)record->action;
}

bool firewall_scan_next(struct firewall_scan *scan, struct berth_scan *out)
{
    if (scan->event_count == 0) {
        return false;
    }
    *out = scan->events[scan->event_first];
    scan->event_first = (scan->event_first + 1) % SCAN_EVENTS;
    scan->event_count--;
    return true;
}

/* Those of one class; how many there are. */
static uint32_t check_class(const struct firewall_scan *scan, enum scan_class class,
                            uint32_t *denying)
{
    const struct list *order = &scan->orders[class];
    uint32_t count = 0;

    for (const struct list_node *at = list_first(order); at != NULL; at = list_next(order, at)) {
        const struct scan_record *record = CONTAINER_OF(at, const struct scan_record, order);

        BERTH_CHECK(record->class == class && record->recent_count <= SCAN_RECENT);
        BERTH_CHECK(record->ratio >= 0 && record->failures <= record->contacts);
        BERTH_CHECK(record->ratio <= (int64_t)record->failures * SCAN_FAILURE);
        BERTH_CHECK((record->ratio >= SCAN_THRESHOLD) == (class == SCAN_FOUND));
        *denying += class == SCAN_FOUND && record->action != BERTH_ALLOW;
        count++;
    }
    return count;
}

void firewall_scan_check(const struct firewall_scan *scan)
{
    uint32_t denying = 0;
    uint32_t count = 0;

    for (int i = SCAN_FRESH; i <= SCAN_FOUND; i++) {
        count += check_class(scan, (enum scan_class)i, &denying);
    }
    BERTH_CHECK(count == scan->pool.used && denying == scan->denying);
    BERTH_CHECK(scan->event_count <= SCAN_EVENTS && scan->event_first < SCAN_EVENTS);
}
