/* SPDX-License-Identifier: MIT */
/*
 * ip/reassembly.c: whole packets from fragments (RFC 791 3.2, RFC 815's aim, RFC 8200 4.5).
 *
 *   state        event                                  next         by
 *   -            a fragment of no record                gathering    begin
 *   gathering    all bytes from 0 to the last there     -            complete
 *   gathering    overlap, contradiction, too large      refused      refuse
 *   gathering    time, or room needed for another       -            forget (counted)
 *   refused      another fragment of it                 refused      dropped (RFC 5722: those not
 *                                                                    yet received too)
 *   refused      time, or room needed for another       -            forget
 *
 * 1. The bytes gathered stand in one buffer where the whole packet will have them; `covered` has a
 *    bit for each block of 8 of them, and no byte is ever written twice.
 * 2. An exact duplicate (same place, length and bytes) changes nothing (RFC 8200 4.5 allows it);
 *    every other fragment that meets a covered block refuses the packet. `starts` tells the two
 *    apart.
 * 3. A record lives for reassembly_ns from its first fragment, however many follow.
 * 4. The parser has seen to each fragment by itself: not empty, a multiple of 8 but for the last,
 *    not past 65535, ports and flags in the first.
 * Extension headers in front of the fragment header and IPv4 options are not kept: nothing here
 * acts on them, and the parser has refused those that must not be passed over.
 */
#include "ip/icmp.h"
#include "ip/internal.h"

#define BLOCK_BYTES 8
#define BLOCKS_MAX  8192
#define WORD_BITS   64
#define WORDS       (BLOCKS_MAX / WORD_BITS)
#define ECN_MASK    3
#define ECN_NOT_ECT 0
#define ECN_CE      3

struct key {
    struct berth_address source;
    struct berth_address destination;
    uint32_t id;
    uint8_t version;
    uint8_t protocol; /* IPv4 only: IPv6's id is the whole host's (RFC 8200 4.5) */
    uint8_t zero[2];
};
_Static_assert(sizeof(struct key) == 40, "hashed as bytes: no holes");

struct ip_reassembly {
    uint32_t pool_link;
    uint32_t hash;
    uint32_t hash_next; /* index + 1 */
    uint32_t fragment_count;
    struct key key;
    struct list_node order;
    struct timer timer;
    struct berth_buffer *buffer; /* NULL: refused */
    uint32_t total_bytes;        /* 0: the last fragment has not come */
    uint32_t covered_bytes;
    uint32_t end_bytes;   /* of the furthest fragment */
    uint32_t first_bytes; /* of the fragment at 0; 0: it has not come */
    enum berth_drop refused;
    uint8_t ecn_seen; /* bit per codepoint */
    uint8_t protocol; /* the rest: of the fragment at 0 */
    uint8_t hop_limit;
    uint8_t traffic_class;
    uint64_t covered[WORDS];
    uint64_t starts[WORDS]; /* blocks at which a fragment began */
};

void ip_init_reassembly(struct ip *ip, struct arena *arena)
{
    pool_init(&ip->reassemblies, arena, ip->limits.reassemblies, sizeof(struct ip_reassembly));
    table_init(&ip->reassembly_table, arena, ip->limits.reassemblies);
    list_init(&ip->reassembly_order);
}

/* ---- Bits ------------------------------------------------------------------------------------ */

/* The bits of word WORD that lie in FROM .. TO-1. */
static uint64_t bits_in_word(uint32_t word, uint32_t from, uint32_t to)
{
    uint32_t base = word * WORD_BITS;
    uint64_t mask = UINT64_MAX;

    if (from > base) {
        mask &= UINT64_MAX << (from - base);
    }
    if (to < base + WORD_BITS) {
        mask &= UINT64_MAX >> (base + WORD_BITS - to);
    }
    return mask;
}

static uint32_t count_bits(const uint64_t *bits, uint32_t from, uint32_t to)
{
    uint32_t count = 0;

    for (uint32_t word = from / WORD_BITS; word * WORD_BITS < to; word++) {
        count += (uint32_t)__builtin_popcountll(bits[word] & bits_in_word(word, from, to));
    }
    return count;
}

static void set_bits(uint64_t *bits, uint32_t from, uint32_t to)
{
    for (uint32_t word = from / WORD_BITS; word * WORD_BITS < to; word++) {
        bits[word] |= bits_in_word(word, from, to);
    }
}

static bool has_bit(const uint64_t *bits, uint32_t bit)
{
    return bit < BLOCKS_MAX && (bits[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

/* ---- Records --------------------------------------------------------------------------------- */

static struct key key_of(const struct wire_packet *packet)
{
    return (struct key){
        .source = packet->source,
        .destination = packet->destination,
        .id = packet->fragment_id,
        .version = packet->version,
        .protocol = packet->version == 4 ? packet->protocol : 0,
    };
}

static uint32_t hash_of(const struct ip *ip, const struct key *key)
{
    return (uint32_t)hash_keyed(&ip->key, key, sizeof *key);
}

static struct ip_reassembly *find(const struct ip *ip, const struct key *key, uint32_t hash)
{
    uint32_t link = *table_head(&ip->reassembly_table, hash);

    while (link != 0) {
        struct ip_reassembly *record = pool_at(&ip->reassemblies, link - 1);

        if (record->hash == hash && memcmp(&record->key, key, sizeof *key) == 0) {
            return record;
        }
        link = record->hash_next;
    }
    return NULL;
}

static void unlink_record(struct ip *ip, const struct ip_reassembly *record)
{
    uint32_t index = pool_index(&ip->reassemblies, record);
    uint32_t *link = table_head(&ip->reassembly_table, record->hash);

    while (*link != index + 1) {
        link = &((struct ip_reassembly *)pool_at(&ip->reassemblies, *link - 1))->hash_next;
    }
    *link = record->hash_next;
}

static void forget(struct ip *ip, struct ip_reassembly *record)
{
    unlink_record(ip, record);
    list_remove(&record->order);
    timer_clear(ip->timers, &record->timer);
    if (record->buffer != NULL) {
        buffers_put(ip->buffers, record->buffer);
    }
    pool_give(&ip->reassemblies, record);
    ip->stats->reassemblies = ip->reassemblies.used;
}

/* No more of this packet: what came and what comes is dropped for REASON. */
static void refuse(struct ip *ip, struct ip_reassembly *record, enum berth_drop reason)
{
    ip->stats->drops[reason] += record->fragment_count;
    record->fragment_count = 0;
    record->refused = reason;
    buffers_put(ip->buffers, record->buffer);
    record->buffer = NULL;
}

/* A free record; the oldest goes where there is none. NULL: the configuration has none at all. */
static struct ip_reassembly *take_record(struct ip *ip)
{
    struct ip_reassembly *record = pool_take(&ip->reassemblies);
    struct list_node *oldest = list_first(&ip->reassembly_order);

    if (record != NULL || oldest == NULL) {
        return record;
    }
    record = CONTAINER_OF(oldest, struct ip_reassembly, order);
    ip->stats->drops[BERTH_DROP_REASSEMBLY_LIMIT] += record->fragment_count;
    forget(ip, record);
    return pool_take(&ip->reassemblies);
}

/* A new record of KEY; NULL: counted, no buffer or no record. */
static struct ip_reassembly *begin(struct ip *ip, const struct key *key, uint32_t hash,
                                   uint64_t now_ns)
{
    struct berth_buffer *buffer = buffers_get_for_queue(ip->buffers);
    struct ip_reassembly *record;
    uint32_t *head;

    if (buffer == NULL) {
        ip->stats->drops[BERTH_DROP_RECEIVE_BUDGET]++;
        return NULL;
    }
    record = take_record(ip);
    if (record == NULL) {
        ip->stats->drops[BERTH_DROP_REASSEMBLY_LIMIT]++;
        buffers_put(ip->buffers, buffer);
        return NULL;
    }
    head = table_head(&ip->reassembly_table, hash);
    *record = (struct ip_reassembly){
        .hash = hash,
        .hash_next = *head,
        .key = *key,
        .buffer = buffer,
        .timer = {.kind = IP_TIMER_REASSEMBLY},
    };
    *head = pool_index(&ip->reassemblies, record) + 1;
    list_add_last(&ip->reassembly_order, &record->order);
    timer_set(ip->timers, &record->timer, add_sat_u64(now_ns, ip->limits.reassembly_ns));
    ip->stats->reassemblies = ip->reassemblies.used;
    return record;
}

/* ---- Fragments ------------------------------------------------------------------------------- */

static uint8_t *payload_of(const struct ip_reassembly *record)
{
    return record->buffer->data + record->buffer->begin + ip_header_bytes(record->key.version);
}

/* Is PACKET one that came before, byte for byte? Its first block is covered. */
static bool is_duplicate(const struct ip_reassembly *record, const struct wire_packet *packet)
{
    uint32_t end_bytes = packet->fragment_offset + packet->payload_bytes;
    uint32_t from = packet->fragment_offset / BLOCK_BYTES;
    uint32_t to = (end_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;

    /* One fragment, and this one, has covered FROM .. TO-1 ... */
    if (!has_bit(record->starts, from) || count_bits(record->starts, from, to) != 1 ||
        count_bits(record->covered, from, to) != to - from) {
        return false;
    }
    /* ... and ends where this one does: it was the last, or another or nothing follows. */
    if (packet->more_fragments) {
        if ((record->total_bytes != 0 && end_bytes >= record->total_bytes) ||
            (has_bit(record->covered, to) && !has_bit(record->starts, to))) {
            return false;
        }
    } else if (end_bytes != record->total_bytes) {
        return false;
    }
    return memcmp(payload_of(record) + packet->fragment_offset, packet->payload,
                  packet->payload_bytes) == 0;
}

/* Does PACKET contradict what came before it: where the packet ends, or whose a block is? */
static bool is_contradiction(const struct ip_reassembly *record, const struct wire_packet *packet)
{
    uint32_t end_bytes = packet->fragment_offset + packet->payload_bytes;
    uint32_t from = packet->fragment_offset / BLOCK_BYTES;
    uint32_t to = (end_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;

    if (record->total_bytes != 0 && (!packet->more_fragments || end_bytes > record->total_bytes)) {
        return true;
    }
    if (!packet->more_fragments && end_bytes < record->end_bytes) {
        return true;
    }
    return count_bits(record->covered, from, to) != 0;
}

static void keep(struct ip_reassembly *record, const struct wire_packet *packet)
{
    uint32_t end_bytes = packet->fragment_offset + packet->payload_bytes;
    uint32_t from = packet->fragment_offset / BLOCK_BYTES;
    uint32_t to = (end_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;

    memcpy(payload_of(record) + packet->fragment_offset, packet->payload, packet->payload_bytes);
    set_bits(record->covered, from, to);
    set_bits(record->starts, from, from + 1);
    record->covered_bytes += packet->payload_bytes;
    record->end_bytes = max_u32(record->end_bytes, end_bytes);
    record->ecn_seen |= (uint8_t)(1 << (packet->traffic_class & ECN_MASK));
    if (!packet->more_fragments) {
        record->total_bytes = end_bytes;
    }
    if (packet->fragment_offset == 0) {
        record->first_bytes = packet->payload_bytes;
        record->protocol = packet->protocol;
        record->hop_limit = packet->hop_limit;
        record->traffic_class = packet->traffic_class;
    }
}

/* The packet as gathered, described as far as an IP header says it. */
static struct wire_packet describe(const struct ip_reassembly *record)
{
    return (struct wire_packet){
        .source = record->key.source,
        .destination = record->key.destination,
        .version = record->key.version,
        .protocol = record->protocol,
        .hop_limit = record->hop_limit,
        .traffic_class = record->traffic_class,
        .fragment_id = record->key.id,
    };
}

/* The whole packet; NULL: its fragments' ECN marks contradict one another (RFC 3168 5.3). */
static struct berth_buffer *complete(struct ip *ip, struct ip_reassembly *record)
{
    struct wire_packet whole = describe(record);
    struct berth_buffer *buffer = record->buffer;

    if ((record->ecn_seen & 1 << ECN_CE) != 0) {
        if ((record->ecn_seen & 1 << ECN_NOT_ECT) != 0) {
            refuse(ip, record, BERTH_DROP_BAD_FRAGMENT);
            return NULL;
        }
        whole.traffic_class |= ECN_CE;
    }
    whole.payload_bytes = record->total_bytes;
    buffer->bytes =
        wire_emit_network(buffer->data + buffer->begin, &whole) + (uint32_t)record->total_bytes;
    record->buffer = NULL;
    forget(ip, record);
    return buffer;
}

/* PACKET is of RECORD. The whole packet, or NULL. */
static struct berth_buffer *on_fragment(struct ip *ip, struct ip_reassembly *record,
                                        const struct wire_packet *packet)
{
    uint32_t end_bytes = packet->fragment_offset + packet->payload_bytes;
    uint32_t header_bytes = ip_header_bytes(packet->version);

    record->fragment_count++;
    if (record->buffer == NULL) {
        ip->stats->drops[record->refused]++;
        record->fragment_count = 0;
        return NULL;
    }
    if (end_bytes > buffer_room(record->buffer) - header_bytes) {
        refuse(ip, record, BERTH_DROP_REASSEMBLY_LIMIT);
        return NULL;
    }
    if (is_duplicate(record, packet)) {
        return NULL;
    }
    if (is_contradiction(record, packet)) {
        refuse(ip, record, BERTH_DROP_BAD_FRAGMENT);
        return NULL;
    }
    keep(record, packet);
    return record->covered_bytes == record->total_bytes ? complete(ip, record) : NULL;
}

struct berth_buffer *ip_reassemble(struct ip *ip, const struct wire_packet *packet,
                                   struct berth_buffer *buffer, uint64_t now_ns)
{
    struct key key = key_of(packet);
    uint32_t hash = hash_of(ip, &key);
    struct ip_reassembly *record = find(ip, &key, hash);
    struct berth_buffer *whole = NULL;

    if (record == NULL) {
        record = begin(ip, &key, hash, now_ns);
    }
    if (record != NULL) {
        whole = on_fragment(ip, record, packet);
    }
    buffers_put(ip->buffers, buffer);
    return whole;
}

bool ip_timed_out(const struct timer *timer, struct wire_packet *out)
{
    const struct ip_reassembly *record = CONTAINER_OF(timer, const struct ip_reassembly, timer);

    if (record->buffer == NULL || record->first_bytes == 0) {
        return false;
    }
    *out = describe(record);
    out->is_fragment = true;
    out->more_fragments = true;
    out->payload = payload_of(record);
    out->payload_bytes = record->first_bytes;
    out->icmp.type = *out->payload; /* of meaning only where it is ICMP */
    if (record->protocol == WIRE_TCP || record->protocol == WIRE_UDP) { /* invariant 4 */
        out->source_port = load_be16(out->payload);
        out->destination_port = load_be16(out->payload + 2);
    }
    return true;
}

void ip_on_timer(struct ip *ip, struct timer *timer, bool is_told, uint64_t now_ns)
{
    struct ip_reassembly *record = CONTAINER_OF(timer, struct ip_reassembly, timer);
    struct wire_packet first;

    ip->stats->drops[BERTH_DROP_REASSEMBLY_TIMEOUT] += record->fragment_count;
    if (is_told && ip_timed_out(timer, &first)) {
        ip_send_reassembly_timeout(ip, &first, now_ns);
    }
    forget(ip, record);
}

void ip_check(const struct ip *ip)
{
    uint32_t count = 0;

    for (struct list_node *node = list_first(&ip->reassembly_order); node != NULL;
         node = list_next(&ip->reassembly_order, node)) {
        const struct ip_reassembly *record = CONTAINER_OF(node, struct ip_reassembly, order);
        uint32_t covered = count_bits(record->covered, 0, BLOCKS_MAX);

        count++;
        BERTH_CHECK(find(ip, &record->key, record->hash) == record);
        BERTH_CHECK(timer_is_set(&record->timer));
        BERTH_CHECK((record->buffer == NULL) == (record->refused != BERTH_DROP_NONE));
        BERTH_CHECK((record->covered_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES == covered);
        BERTH_CHECK(count_bits(record->starts, 0, BLOCKS_MAX) <= covered);
        BERTH_CHECK(record->buffer == NULL || record->covered_bytes != record->total_bytes);
    }
    BERTH_CHECK(count == ip->reassemblies.used && count == ip->stats->reassemblies);
}
