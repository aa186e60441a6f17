/* SPDX-License-Identifier: MIT */
/*
 * sim/middlebox.c: a byte changed carries its checksum along (RFC 1624); what is cut or joined is
 * summed anew.
 */
#include "sim/middlebox.h"

#include <string.h>

#include "base/bytes.h"
#include "link/pieces.h"
#include "sim/craft.h"
#include "sim/stream.h"
#include "wire/wire.h"

#define PPM        1000000U
#define SUM_OFFSET 16 /* of the checksum in a TCP header */

enum option_kind { /* IANA tcp-parameters */
                   OPTION_END = 0,
                   OPTION_NOP = 1,
                   OPTION_MSS = 2,
                   OPTION_WSCALE = 3,
                   OPTION_SACK_PERMITTED = 4,
                   OPTION_SACK = 5,
                   OPTION_TIMESTAMPS = 8
};

void middlebox_init(struct middlebox *box, const struct middlebox_config *config, uint64_t seed)
{
    uint8_t bytes[RANDOM_SEED_BYTES] = {0};

    *box = (struct middlebox){.config = *config};
    memcpy(bytes, &seed, sizeof seed);
    random_init(&box->random, bytes, "middlebox");
}

static bool happens(struct middlebox *box, uint32_t ppm)
{
    return ppm > 0 && random_below(&box->random, PPM) < ppm;
}

/* ---- Changes in place ------------------------------------------------------------------------ */

/* Byte AT of the TCP header at TCP becomes VALUE (RFC 1624 3, equation 3). */
static void set_byte(uint8_t *tcp, size_t at, uint8_t value)
{
    size_t word = at & ~(size_t)1;
    uint32_t old = (uint32_t)(tcp[word] << 8 | tcp[word + 1]);
    uint32_t sum = (uint16_t) ~(tcp[SUM_OFFSET] << 8 | tcp[SUM_OFFSET + 1]);

    tcp[at] = value;
    sum += (uint16_t)~old + (uint32_t)(tcp[word] << 8 | tcp[word + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
    tcp[SUM_OFFSET] = (uint8_t)(sum >> 8);
    tcp[SUM_OFFSET + 1] = (uint8_t)sum;
}

static void add_to_number(uint8_t *tcp, size_t at, uint32_t offset)
{
    uint32_t number = (uint32_t)tcp[at] << 24 | (uint32_t)tcp[at + 1] << 16 |
                      (uint32_t)tcp[at + 2] << 8 | tcp[at + 3];

    number += offset;
    for (size_t i = 0; i < 4; i++) {
        set_byte(tcp, at + i, (uint8_t)(number >> (24 - 8 * i)));
    }
}

static bool is_stripped(const struct middlebox_config *config, uint8_t kind, bool is_syn)
{
    switch (kind) {
    case OPTION_MSS:
        return is_syn && (config->strips & MIDDLEBOX_MSS) != 0;
    case OPTION_WSCALE:
        return is_syn && (config->strips & MIDDLEBOX_WINDOW_SCALE) != 0;
    case OPTION_SACK_PERMITTED:
        return is_syn && (config->strips & MIDDLEBOX_SACK) != 0;
    case OPTION_TIMESTAMPS:
        return is_syn && (config->strips & MIDDLEBOX_TIMESTAMPS) != 0;
    case OPTION_SACK:
        return false;
    default:
        return (config->strips & MIDDLEBOX_UNKNOWN) != 0;
    }
}

static void change_option(const struct middlebox *box, uint8_t *tcp, size_t at, uint32_t sack_by)
{
    uint8_t kind = tcp[at];
    uint8_t bytes = tcp[at + 1];
    uint16_t most = box->config.mss_most;

    if (kind == OPTION_MSS && bytes == 4 && most > 0 && (tcp[at + 2] << 8 | tcp[at + 3]) > most) {
        set_byte(tcp, at + 2, (uint8_t)(most >> 8));
        set_byte(tcp, at + 3, (uint8_t)most);
    }
    if (kind == OPTION_SACK && !box->config.forgets_sack) {
        for (size_t i = 2; i + 4 <= bytes; i += 4) {
            add_to_number(tcp, at + i, sack_by);
        }
    }
}

/* Walks the options of the TCP header at TCP, HEADER_BYTES long. SACK_BY: for its SACK blocks. */
static void change_options(const struct middlebox *box, uint8_t *tcp, size_t header_bytes,
                           uint32_t sack_by)
{
    bool is_syn = (tcp[13] & WIRE_SYN) != 0;
    size_t at = WIRE_TCP_HEADER_BYTES;

    while (at < header_bytes && tcp[at] != OPTION_END) {
        size_t bytes = tcp[at] == OPTION_NOP || at + 1 == header_bytes ? 1 : tcp[at + 1];

        if (bytes == 0 || at + bytes > header_bytes) {
            return;
        }
        if (bytes > 1 && is_stripped(&box->config, tcp[at], is_syn)) {
            for (size_t i = 0; i < bytes; i++) {
                set_byte(tcp, at + i, OPTION_NOP);
            }
        } else if (bytes > 1) {
            change_option(box, tcp, at, sack_by);
        }
        at += bytes;
    }
}

/* The constant that sequence numbers of the stream from SOURCE to DESTINATION are moved by. */
static uint32_t offset_of(const struct middlebox *box, const struct berth_endpoint *source,
                          const struct berth_endpoint *destination)
{
    uint64_t mixed = stream_mix(box->config.key, source->port);

    mixed = stream_mix(mixed, destination->port);
    mixed = stream_mix(mixed, source->address.bytes[14]);
    mixed = stream_mix(mixed, source->address.bytes[15]);
    return (uint32_t)(mixed >> 16);
}

static void change_segment(const struct middlebox *box, struct wire_packet *packet)
{
    struct berth_endpoint source = {packet->source, packet->source_port};
    struct berth_endpoint destination = {packet->destination, packet->destination_port};
    uint8_t *tcp = packet->transport;
    uint32_t back = 0;

    if (box->config.moves_numbers) {
        back = 0U - offset_of(box, &destination, &source);
        add_to_number(tcp, 4, offset_of(box, &source, &destination));
        if ((packet->tcp.flags & WIRE_ACK) != 0) {
            add_to_number(tcp, 8, back);
        }
    }
    if (box->config.clears_ecn_flags && (packet->tcp.flags & WIRE_SYN) != 0) {
        set_byte(tcp, 13, tcp[13] & (uint8_t) ~(WIRE_ECE | WIRE_CWR));
        set_byte(tcp, 12, tcp[12] & 0xfe);
    }
    change_options(box, tcp, packet->transport_bytes, back);
}

static void clear_ect(uint8_t *data)
{
    if (data[0] >> 4 == 6) {
        data[1] &= 0xcf;
    } else {
        data[1] &= 0xfc;
        craft_sum_header(data, (data[0] & 15U) * 4U);
    }
}

/* ---- Cutting and joining --------------------------------------------------------------------- */

/* PACKET as a super-segment of two pieces, for link_pieces to cut. */
static void split(struct middlebox *box, struct link_packet *packet,
                  const struct wire_packet *parsed)
{
    bool is_v4 = parsed->version == 4;

    packet->offload = (struct berth_offload){
        .checksum_partial = 1,
        .segment_kind = is_v4 ? BERTH_SEGMENT_TCP4 : BERTH_SEGMENT_TCP6,
        .segment_bytes = (uint16_t)(parsed->payload_bytes / 2 +
                                    random_below(&box->random, (parsed->payload_bytes + 1) / 2)),
        .header_bytes = (uint16_t)(parsed->network_bytes + parsed->transport_bytes),
        .checksum_start = (uint16_t)parsed->network_bytes,
        .checksum_offset = SUM_OFFSET,
    };
}

void middlebox_pass(struct middlebox *box, struct link_packet *packet, struct link_packets *out)
{
    struct wire_packet parsed = {0};
    bool is_good =
        wire_parse(&parsed, packet->data, packet->bytes, &packet->offload) == BERTH_DROP_NONE &&
        !parsed.is_fragment;

    if (is_good && box->config.drops_icmp &&
        (parsed.protocol == WIRE_ICMP || parsed.protocol == WIRE_ICMP6)) {
        link_packet_free(packet);
        return;
    }
    if (is_good && box->config.clears_ect) {
        clear_ect(packet->data);
    }
    if (is_good && parsed.protocol == WIRE_TCP) {
        change_segment(box, &parsed);
        if (parsed.payload_bytes > 1 && (parsed.tcp.flags & (WIRE_SYN | WIRE_URG)) == 0 &&
            happens(box, box->config.split_ppm)) {
            split(box, packet, &parsed);
            (void)link_pieces(packet, out);
            return;
        }
    }
    link_packets_add(out, packet);
}

/* May the two be one segment: the second goes on where the first ends, and says the same? */
static bool are_neighbours(const struct wire_packet *a, const struct wire_packet *b)
{
    return a->protocol == WIRE_TCP && b->protocol == WIRE_TCP && a->version == b->version &&
           a->network_bytes == b->network_bytes && a->transport_bytes == b->transport_bytes &&
           a->source_port == b->source_port && a->destination_port == b->destination_port &&
           berth_address_is_equal(&a->source, &b->source) &&
           berth_address_is_equal(&a->destination, &b->destination) &&
           a->traffic_class == b->traffic_class && a->tcp.flags == WIRE_ACK &&
           (b->tcp.flags & ~(unsigned)WIRE_PSH) == WIRE_ACK && a->payload_bytes > 0 &&
           b->payload_bytes > 0 && a->tcp.seq + a->payload_bytes == b->tcp.seq &&
           a->tcp.ack == b->tcp.ack && a->tcp.window == b->tcp.window &&
           memcmp(a->transport + WIRE_TCP_HEADER_BYTES, b->transport + WIRE_TCP_HEADER_BYTES,
                  a->transport_bytes - WIRE_TCP_HEADER_BYTES) == 0;
}

static bool parse_both(struct link_packet *a, struct link_packet *b, struct wire_packet out[2])
{
    return wire_parse(&out[0], a->data, a->bytes, &a->offload) == BERTH_DROP_NONE &&
           !out[0].is_fragment &&
           wire_parse(&out[1], b->data, b->bytes, &b->offload) == BERTH_DROP_NONE &&
           !out[1].is_fragment && a->bytes == out[0].packet_bytes &&
           b->bytes == out[1].packet_bytes;
}

/* The lengths in the header of PACKET are its own, its checksums too. */
static void sum_anew(struct link_packet *packet, const struct wire_packet *parsed)
{
    struct wire_packet header = *parsed;
    uint8_t emitted[BERTH_FRAME_HEADER_BYTES];
    struct berth_view view = {.data = packet->data, .bytes = packet->bytes};
    struct wire_sum_place place = {.start = (uint16_t)parsed->network_bytes, .offset = SUM_OFFSET};
    uint32_t bytes;

    header.payload_bytes = packet->bytes - parsed->network_bytes - parsed->transport_bytes;
    header.tcp.options = 0;
    header.payload_bytes += parsed->transport_bytes - WIRE_TCP_HEADER_BYTES;
    bytes = wire_emit_tcp(emitted, &header); /* for its pseudo-header sum: of all that follows */
    memcpy(packet->data + parsed->network_bytes + SUM_OFFSET,
           emitted + (bytes - WIRE_TCP_HEADER_BYTES) + SUM_OFFSET, 2);
    if (parsed->version == 4) {
        packet->data[2] = (uint8_t)(packet->bytes >> 8);
        packet->data[3] = (uint8_t)packet->bytes;
        craft_sum_header(packet->data, (packet->data[0] & 15U) * 4U);
    } else {
        packet->data[4] = (uint8_t)((packet->bytes - WIRE_IPV6_HEADER_BYTES) >> 8);
        packet->data[5] = (uint8_t)(packet->bytes - WIRE_IPV6_HEADER_BYTES);
    }
    wire_finish(&view, 1, &place);
}

struct link_packet *middlebox_join(struct middlebox *box, struct link_packet *a,
                                   struct link_packet *b, uint32_t mtu)
{
    struct wire_packet parsed[2] = {0};
    struct link_packet *joined;

    if (!happens(box, box->config.join_ppm) || !parse_both(a, b, parsed) ||
        !are_neighbours(&parsed[0], &parsed[1]) || a->bytes + parsed[1].payload_bytes > mtu) {
        return NULL;
    }
    joined = link_packet_new(a->bytes + parsed[1].payload_bytes);
    if (joined == NULL) {
        return NULL;
    }
    memcpy(joined->data, a->data, a->bytes);
    memcpy(joined->data + a->bytes, parsed[1].payload, parsed[1].payload_bytes);
    joined->data[parsed[0].network_bytes + 13] |= (uint8_t)(parsed[1].tcp.flags & WIRE_PSH);
    sum_anew(joined, &parsed[0]);
    link_packet_free(a);
    link_packet_free(b);
    return joined;
}
