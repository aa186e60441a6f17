/* SPDX-License-Identifier: MIT */
/*
 * Reassembly: right whatever the order; whole or not at all; against a model that knows no bitmaps.
 */
#include "tests/unit/ip/fixture.h"

#define FRAGMENTS_MAX 512
#define UDP_PAYLOAD   4000

struct datagram { /* what is cut: a UDP header and payload */
    uint8_t bytes[65535];
    uint32_t count;
    uint8_t version;
    uint32_t id;
};

struct piece {
    uint32_t offset;
    uint32_t bytes;
    bool more;
};

static int setup(void **state)
{
    struct ip_limits limits = fixture_limits();

    *state = fixture_new(&limits);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    fixture_advance(f, BERTH_NEVER - 1);
    assert_int_equal(f->stats.reassemblies, 0);
    fixture_free(f);
    return 0;
}

static const struct fixture_ends ends4 = {"192.0.2.1", "10.0.2.2", 1000, 2000};
static const struct fixture_ends ends6 = {"2001:db8::1", "fd00::2", 1000, 2000};

static void make(struct fixture *f, struct datagram *out, uint8_t version, uint32_t payload_bytes)
{
    struct wire_packet packet;
    struct berth_buffer *buffer =
        fixture_udp(f, version == 4 ? &ends4 : &ends6, payload_bytes, &packet);

    memcpy(out->bytes, packet.transport, 8 + payload_bytes);
    out->count = 8 + payload_bytes;
    out->version = version;
    out->id = 77;
    buffers_put(&f->buffers, buffer);
}

/* PIECE of DATAGRAM as it comes in; the whole packet's buffer or NULL. */
static struct berth_buffer *feed_marked(struct fixture *f, const struct datagram *datagram,
                                        const struct piece *piece, uint8_t traffic_class,
                                        uint64_t now_ns)
{
    const struct fixture_ends *ends = datagram->version == 4 ? &ends4 : &ends6;
    struct berth_buffer *buffer = buffers_get(&f->buffers);
    struct wire_packet packet = {
        .source = address_of(ends->from),
        .destination = address_of(ends->to),
        .version = datagram->version,
        .protocol = WIRE_UDP,
        .hop_limit = 9,
        .traffic_class = traffic_class,
        .is_fragment = true,
        .more_fragments = piece->more,
        .fragment_offset = (uint16_t)piece->offset,
        .fragment_id = datagram->id,
        .payload_bytes = piece->bytes,
    };
    uint32_t header_bytes = wire_emit_network(buffer->data + buffer->begin, &packet);

    memcpy(buffer->data + buffer->begin + header_bytes, datagram->bytes + piece->offset,
           piece->bytes);
    buffer->bytes = header_bytes + piece->bytes;
    fixture_parse(&packet, buffer);
    assert_true(packet.is_fragment);
    return ip_reassemble(&f->ip, &packet, buffer, now_ns);
}

static struct berth_buffer *feed(struct fixture *f, const struct datagram *datagram,
                                 const struct piece *piece)
{
    return feed_marked(f, datagram, piece, 0, 0);
}

static struct berth_buffer *feed_at(struct fixture *f, const struct datagram *datagram,
                                    uint32_t offset, uint32_t bytes)
{
    struct piece piece = {offset, bytes, offset + bytes < datagram->count};

    return feed(f, datagram, &piece);
}

static void expect_whole(struct fixture *f, struct berth_buffer *buffer,
                         const struct datagram *datagram)
{
    struct wire_packet packet;

    assert_non_null(buffer);
    fixture_parse(&packet, buffer); /* the checksum, too */
    assert_false(packet.is_fragment);
    assert_int_equal(packet.protocol, WIRE_UDP);
    assert_int_equal(packet.hop_limit, 9);
    assert_int_equal(packet.source_port, 1000);
    assert_int_equal(packet.destination_port, 2000);
    assert_int_equal(packet.payload_bytes + 8, datagram->count);
    assert_memory_equal(packet.transport, datagram->bytes, datagram->count);
    buffers_put(&f->buffers, buffer);
    assert_int_equal(f->stats.reassemblies, 0);
}

/* Cuts a datagram of COUNT bytes at random places that are multiples of 8. */
static uint32_t cut(struct random *random, uint32_t count, struct piece *out)
{
    uint32_t pieces = 0;
    uint32_t offset = 0;

    while (offset < count) {
        uint32_t bytes = 8 * (1 + random_below(random, 1 + count / 40));

        bytes = offset + bytes >= count ? count - offset : bytes;
        if (pieces == 0 && bytes == count) { /* at least two, or it is no fragment */
            bytes = count > 8 ? 8 : count;
        }
        assert_true(pieces < FRAGMENTS_MAX);
        out[pieces++] = (struct piece){offset, bytes, offset + bytes < count};
        offset += bytes;
    }
    return pieces;
}

static void shuffle(struct random *random, struct piece *pieces, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = random_below(random, i);
        struct piece piece = pieces[i - 1];

        pieces[i - 1] = pieces[k];
        pieces[k] = piece;
    }
}

static void any_order_gives_the_packet(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;
    struct piece pieces[FRAGMENTS_MAX];

    for (uint32_t round = 0; round < 300; round++) {
        uint32_t bytes = 8 + random_below(&f->random, round % 10 == 0 ? 65500 : 5000);
        uint32_t count;

        make(f, &datagram, round % 2 == 0 ? 4 : 6, bytes);
        datagram.id = round;
        count = cut(&f->random, datagram.count, pieces);
        shuffle(&f->random, pieces, count);
        for (uint32_t i = 0; i + 1 < count; i++) {
            assert_null(feed(f, &datagram, &pieces[i]));
            if (i % 3 == 0) { /* the network has doubled one */
                assert_null(feed(f, &datagram, &pieces[random_below(&f->random, i + 1)]));
            }
        }
        expect_whole(f, feed(f, &datagram, &pieces[count - 1]), &datagram);
    }
}

/* ---- The model: what came, piece by piece, and no other state -------------------------------- */

struct model {
    struct piece pieces[FRAGMENTS_MAX];
    uint32_t count;
    bool refused;
};

static uint32_t round_up(uint32_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static bool is_same_piece(const struct piece *a, const struct piece *b)
{
    return a->offset == b->offset && a->bytes == b->bytes && a->more == b->more;
}

/* Do A and B contradict one another? */
static bool do_clash(const struct piece *a, const struct piece *b)
{
    uint32_t a_end = a->offset + a->bytes;
    uint32_t b_end = b->offset + b->bytes;

    if (a->offset < round_up(b_end) && b->offset < round_up(a_end)) {
        return true;
    }
    return (!a->more && (!b->more || b_end > a_end)) || (!b->more && a_end > b_end);
}

/* Takes PIECE; true: the packet is whole now. */
static bool model_feed(struct model *model, const struct piece *piece)
{
    uint32_t bytes = 0;
    uint32_t total = 0;

    for (uint32_t i = 0; i < model->count; i++) {
        if (is_same_piece(&model->pieces[i], piece)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < model->count; i++) {
        model->refused = model->refused || do_clash(&model->pieces[i], piece);
    }
    model->pieces[model->count++] = *piece;
    for (uint32_t i = 0; i < model->count; i++) {
        bytes += model->pieces[i].bytes;
        total = model->pieces[i].more ? total : model->pieces[i].offset + model->pieces[i].bytes;
    }
    return !model->refused && bytes == total;
}

static struct piece random_piece(struct random *random, uint32_t count)
{
    uint32_t blocks = (count + 7) / 8;
    uint32_t from = random_below(random, blocks);
    uint32_t bytes = 8 * (1 + random_below(random, 4));

    if (from * 8 + bytes >= count) {
        bytes = count - from * 8;
        if (from == 0) {
            return (struct piece){0, 8, true};
        }
        /* Sometimes a last one that ends too early. */
        return (struct piece){from * 8, random_below(random, 8) == 0 ? 1 : bytes, false};
    }
    return (struct piece){from * 8, bytes, true};
}

/* Random pieces of a datagram so short that they meet; after a whole one everything begins anew. */
static void overlaps_are_seen_as_the_model_sees_them(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;
    uint32_t wholes = 0;
    uint32_t refusals = 0;

    for (uint32_t round = 0; round < 4000; round++) {
        uint32_t bytes = 9 + random_below(&f->random, 60);
        struct model model = {.count = 0};

        make(f, &datagram, round % 2 == 0 ? 4 : 6, bytes);
        datagram.id = round;
        for (uint32_t i = 0; i < 24; i++) {
            struct piece piece = random_piece(&f->random, datagram.count);
            bool is_whole = model_feed(&model, &piece);
            struct berth_buffer *buffer = feed(f, &datagram, &piece);

            assert_true(is_whole == (buffer != NULL));
            ip_check(&f->ip);
            if (buffer != NULL) {
                uint32_t header_bytes = round % 2 == 0 ? 20 : 40;

                /* A last piece cut short makes a UDP length that lies: only bytes are compared. */
                assert_memory_equal(buffer->data + buffer->begin + header_bytes, datagram.bytes,
                                    buffer->bytes - header_bytes);
                buffers_put(&f->buffers, buffer);
                wholes++;
                break;
            }
        }
        refusals += model.refused;
        fixture_advance(f, (round + 1) * 61 * NS_PER_S); /* gone, whatever became of it */
    }
    assert_true(wholes > 10);
    assert_true(refusals > 1000);
}

/* ---- One by one ------------------------------------------------------------------------------ */

static void duplicate_with_other_bytes_refuses(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;

    make(f, &datagram, 4, UDP_PAYLOAD);
    assert_null(feed_at(f, &datagram, 0, 1480));
    datagram.bytes[100] ^= 1;
    assert_null(feed_at(f, &datagram, 0, 1480));
    datagram.bytes[100] ^= 1;
    assert_int_equal(f->stats.drops[BERTH_DROP_BAD_FRAGMENT], 2);
    /* RFC 5722: those not yet received, too. */
    assert_null(feed_at(f, &datagram, 0, 1480));
    assert_null(feed_at(f, &datagram, 1480, 1480));
    assert_null(feed_at(f, &datagram, 2960, datagram.count - 2960));
    assert_int_equal(f->stats.drops[BERTH_DROP_BAD_FRAGMENT], 5);
    assert_int_equal(f->buffers.free, FIXTURE_BUFFERS);
}

static void keys_keep_packets_apart(void **state)
{
    struct fixture *f = *state;
    struct datagram a;
    struct datagram b;

    make(f, &a, 4, UDP_PAYLOAD);
    make(f, &b, 6, UDP_PAYLOAD);
    assert_null(feed_at(f, &a, 0, 2000));
    assert_null(feed_at(f, &b, 0, 2000));
    a.id++;
    assert_null(feed_at(f, &a, 2000, a.count - 2000));
    a.id--;
    assert_int_equal(f->stats.reassemblies, 3);
    struct berth_buffer *whole = feed_at(f, &a, 2000, a.count - 2000);
    assert_non_null(whole);
    buffers_put(&f->buffers, whole);
    whole = feed_at(f, &b, 2000, b.count - 2000);
    assert_non_null(whole);
    buffers_put(&f->buffers, whole);
    assert_int_equal(f->stats.reassemblies, 1);
}

static void oldest_gives_way(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;

    make(f, &datagram, 4, UDP_PAYLOAD);
    for (uint32_t id = 0; id < 5; id++) { /* one more than the limit */
        datagram.id = id;
        assert_null(feed_at(f, &datagram, 0, 2000));
    }
    assert_int_equal(f->stats.reassemblies, 4);
    assert_int_equal(f->stats.drops[BERTH_DROP_REASSEMBLY_LIMIT], 1);
    datagram.id = 0; /* begins anew, and the next oldest goes */
    assert_null(feed_at(f, &datagram, 2000, datagram.count - 2000));
    assert_int_equal(f->stats.drops[BERTH_DROP_REASSEMBLY_LIMIT], 2);
    datagram.id = 4;
    struct berth_buffer *whole = feed_at(f, &datagram, 2000, datagram.count - 2000);
    assert_non_null(whole);
    buffers_put(&f->buffers, whole);
}

static void empty_pool_keeps_nothing(void **state)
{
    struct fixture *f = *state;
    struct berth_buffer *taken[FIXTURE_BUFFERS];
    struct datagram datagram;
    uint32_t count = 0;

    make(f, &datagram, 4, UDP_PAYLOAD);
    while (f->buffers.free > f->buffers.reserved) {
        taken[count++] = buffers_get(&f->buffers);
    }
    assert_null(feed_at(f, &datagram, 0, 2000));
    assert_int_equal(f->stats.drops[BERTH_DROP_RECEIVE_BUDGET], 1);
    assert_int_equal(f->stats.reassemblies, 0);
    while (count > 0) {
        buffers_put(&f->buffers, taken[--count]);
    }
}

static void time_exceeded_tells_of_the_first_fragment(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;
    struct wire_packet packet;
    struct wire_quote quote;

    for (uint8_t version = 4; version <= 6; version += 2) {
        uint64_t start_ns = version * 1000 * NS_PER_S;
        struct piece first = {0, 2000, true};
        struct piece second = {2000, 8, true};
        struct berth_buffer *buffer;

        make(f, &datagram, version, UDP_PAYLOAD);
        assert_null(feed_marked(f, &datagram, &first, 0, start_ns));
        assert_null(feed_marked(f, &datagram, &second, 0, start_ns + 50 * NS_PER_S));
        fixture_advance(f, start_ns + 59 * NS_PER_S);
        assert_int_equal(f->stats.reassemblies, 1);
        fixture_advance(f, start_ns + 61 * NS_PER_S);
        assert_int_equal(f->stats.reassemblies, 0);
        buffer = outbox_next(&f->outbox);
        assert_non_null(buffer);
        fixture_parse(&packet, buffer);
        assert_int_equal(packet.icmp.type,
                         version == 4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED);
        assert_int_equal(packet.icmp.code, 1);
        assert_int_equal(wire_parse_quote(&quote, packet.payload, packet.payload_bytes),
                         BERTH_DROP_NONE);
        assert_int_equal(quote.source_port, 1000);
        assert_int_equal(quote.protocol, WIRE_UDP);
        buffers_put(&f->buffers, buffer);
    }
    assert_int_equal(f->stats.drops[BERTH_DROP_REASSEMBLY_TIMEOUT], 4);
}

static void time_is_silent_without_the_first_fragment(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;

    make(f, &datagram, 4, UDP_PAYLOAD);
    assert_null(feed_at(f, &datagram, 2000, 1000));
    datagram.id++;
    assert_null(feed_at(f, &datagram, 0, 1000));
    assert_null(feed_at(f, &datagram, 8, 1000)); /* refused */
    fixture_advance(f, 61 * NS_PER_S);
    assert_int_equal(f->stats.reassemblies, 0);
    assert_int_equal(f->outbox.count, 0);
    assert_int_equal(f->stats.drops[BERTH_DROP_REASSEMBLY_TIMEOUT], 1);
}

static void marks_are_kept_or_contradict(void **state)
{
    static const struct {
        uint8_t first;
        uint8_t second;
        int result; /* -1: dropped */
    } cases[] = {{0, 0, 0}, {2, 3, 3}, {3, 2, 3}, {1, 1, 1}, {0, 3, -1}, {3, 0, -1}};
    struct fixture *f = *state;
    struct datagram datagram;

    make(f, &datagram, 6, UDP_PAYLOAD);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct piece first = {0, 2000, true};
        struct piece second = {2000, datagram.count - 2000, false};
        struct berth_buffer *buffer;
        struct wire_packet packet;

        datagram.id = i;
        assert_null(feed_marked(f, &datagram, &first, cases[i].first, 0));
        buffer = feed_marked(f, &datagram, &second, cases[i].second, 0);
        assert_true((buffer == NULL) == (cases[i].result < 0));
        if (buffer != NULL) {
            fixture_parse(&packet, buffer);
            assert_int_equal(packet.traffic_class, cases[i].result);
            buffers_put(&f->buffers, buffer);
        }
    }
}

static void largest_packets_pass_and_larger_do_not_fit(void **state)
{
    struct fixture *f = *state;
    struct datagram datagram;
    struct berth_buffer *whole;

    make(f, &datagram, 4, 65507);
    assert_null(feed_at(f, &datagram, 32768, datagram.count - 32768));
    expect_whole(f, feed_at(f, &datagram, 0, 32768), &datagram);
    make(f, &datagram, 6, 65527);
    assert_null(feed_at(f, &datagram, 0, 32768));
    whole = feed_at(f, &datagram, 32768, datagram.count - 32768);
    expect_whole(f, whole, &datagram);
    assert_int_equal(f->stats.drops[BERTH_DROP_BAD_FRAGMENT], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_order_gives_the_packet),
        TEST(overlaps_are_seen_as_the_model_sees_them),
        TEST(duplicate_with_other_bytes_refuses),
        TEST(keys_keep_packets_apart),
        TEST(oldest_gives_way),
        TEST(empty_pool_keeps_nothing),
        TEST(time_exceeded_tells_of_the_first_fragment),
        TEST(time_is_silent_without_the_first_fragment),
        {"RFC 3168 5.3: marks are kept or contradict", marks_are_kept_or_contradict, setup,
         teardown, NULL},
        TEST(largest_packets_pass_and_larger_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
