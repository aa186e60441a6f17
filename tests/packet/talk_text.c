/* SPDX-License-Identifier: MIT */
/* The notation of talk.h: from text to a packet that the stack receives, and from what it sent back
 * to a comparison with text. */
#include "talk.h"

#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OPTIONS_MAX 40

struct raw_options {
    uint8_t data[OPTIONS_MAX];
    uint32_t bytes;
};

struct parsed {
    struct wire_tcp tcp;
    uint32_t bytes;
    bool has_bytes;
    bool has_ack;
    bool has_win;
    bool has_urg;
    bool has_tos;
    bool has_ttl;
    bool bad_sum;
    bool no_accecn;
    bool no_cookie;
    bool any_cookie;
    bool last_cookie;
    uint8_t tos;
    uint8_t ttl;
    const char *from; /* NULL: as usual */
    const char *to;
    struct raw_options options; /* of TCP */
    struct raw_options ip_options;
    char copy[256]; /* of the text, which from and to point into */
};

static const struct {
    char letter;
    uint16_t flag;
} flag_letters[] = {{'S', WIRE_SYN}, {'F', WIRE_FIN}, {'R', WIRE_RST},
                    {'P', WIRE_PSH}, {'.', WIRE_ACK}, {'U', WIRE_URG},
                    {'E', WIRE_ECE}, {'C', WIRE_CWR}, {'A', WIRE_AE}};

static uint16_t parse_flags(const char *word)
{
    uint16_t flags = 0;
    for (; *word != '\0' && *word != '-'; word++) {
        size_t i = 0;
        while (i < sizeof flag_letters / sizeof *flag_letters && flag_letters[i].letter != *word) {
            i++;
        }
        assert_true(i < sizeof flag_letters / sizeof *flag_letters);
        flags |= flag_letters[i].flag;
    }
    return flags;
}

static uint32_t parse_number(const char *word)
{
    char *end;
    assert_non_null(word);
    long long value = strtoll(word, &end, 0);
    assert_true(*end == '\0');
    return (uint32_t)value;
}

static void parse_sack(const char *word, struct wire_tcp *tcp)
{
    assert_non_null(word);
    while (*word != '\0') {
        char *end;
        assert_true(tcp->sack_count < WIRE_SACK_BLOCKS_MAX);
        struct wire_sack *block = &tcp->sack[tcp->sack_count++];
        block->left = (uint32_t)strtoul(word, &end, 0);
        assert_int_equal(*end, '-');
        block->right = (uint32_t)strtoul(end + 1, &end, 0);
        word = *end == ',' ? end + 1 : end;
    }
    tcp->options |= WIRE_OPTION_SACK;
}

static void parse_accecn(const char *word, struct wire_tcp *tcp)
{
    assert_non_null(word);
    while (*word != '\0' && *word != '-') {
        char *end;
        assert_true(tcp->accecn_count < WIRE_ACCECN_FIELDS_MAX);
        tcp->accecn[tcp->accecn_count++] = (uint32_t)strtoul(word, &end, 0);
        word = *end == ',' ? end + 1 : end;
    }
    tcp->options |= WIRE_OPTION_ACCECN;
}

static void parse_hex(const char *word, struct raw_options *out)
{
    assert_non_null(word);
    for (; word[0] != '\0'; word += 2) {
        char digits[3] = {word[0], word[1], '\0'};
        assert_true(out->bytes < OPTIONS_MAX);
        out->data[out->bytes++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    assert_int_equal(out->bytes % 4, 0);
}

/* A TCP option. false: WORD names none. */
static bool parse_option(const char *word, char **rest, struct wire_tcp *tcp)
{
    if (strcmp(word, "mss") == 0) {
        tcp->mss = (uint16_t)parse_number(strtok_r(NULL, " ", rest));
        tcp->options |= WIRE_OPTION_MSS;
    } else if (strcmp(word, "wscale") == 0) {
        tcp->wscale = (uint8_t)parse_number(strtok_r(NULL, " ", rest));
        tcp->options |= WIRE_OPTION_WSCALE;
    } else if (strcmp(word, "sackok") == 0) {
        tcp->options |= WIRE_OPTION_SACK_PERMITTED;
    } else if (strcmp(word, "ts") == 0) {
        tcp->tsval = parse_number(strtok_r(NULL, " ", rest));
        tcp->tsecr = parse_number(strtok_r(NULL, " ", rest));
        tcp->options |= WIRE_OPTION_TIMESTAMPS;
    } else if (strcmp(word, "accecn0") == 0 || strcmp(word, "accecn1") == 0) {
        tcp->accecn_reversed = word[6] == '1';
        parse_accecn(strtok_r(NULL, " ", rest), tcp);
    } else if (strcmp(word, "uto") == 0) {
        tcp->user_timeout = (uint16_t)parse_number(strtok_r(NULL, " ", rest));
        tcp->options |= WIRE_OPTION_USER_TIMEOUT;
    } else if (strcmp(word, "sack") == 0) {
        parse_sack(strtok_r(NULL, " ", rest), tcp);
    } else {
        return false;
    }
    return true;
}

static void parse_cookie(const char *word, struct parsed *out)
{
    assert_non_null(word);
    out->no_cookie = strcmp(word, "no") == 0;
    out->any_cookie = strcmp(word, "any") == 0;
    out->last_cookie = strcmp(word, "last") == 0;
    if (out->no_cookie || out->any_cookie || out->last_cookie) {
        return;
    }
    out->tcp.options |= WIRE_OPTION_FAST_OPEN;
    for (; strcmp(word, "ask") != 0 && word[0] != '\0'; word += 2) {
        char digits[3] = {word[0], word[1], '\0'};
        assert_true(out->tcp.cookie_bytes < WIRE_COOKIE_BYTES_MAX);
        out->tcp.cookie[out->tcp.cookie_bytes++] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

/* What is not TCP's: addresses, bytes as they are. false: WORD names none. */
static bool parse_packet_field(const char *word, char **rest, struct parsed *out)
{
    if (strcmp(word, "tos") == 0) {
        out->tos = (uint8_t)parse_number(strtok_r(NULL, " ", rest));
        out->has_tos = true;
    } else if (strcmp(word, "ttl") == 0) {
        out->ttl = (uint8_t)parse_number(strtok_r(NULL, " ", rest));
        out->has_ttl = true;
    } else if (strcmp(word, "from") == 0) {
        out->from = strtok_r(NULL, " ", rest);
    } else if (strcmp(word, "to") == 0) {
        out->to = strtok_r(NULL, " ", rest);
    } else if (strcmp(word, "opts") == 0) {
        parse_hex(strtok_r(NULL, " ", rest), &out->options);
    } else if (strcmp(word, "ipopts") == 0) {
        parse_hex(strtok_r(NULL, " ", rest), &out->ip_options);
    } else if (strcmp(word, "badsum") == 0) {
        out->bad_sum = true;
    } else if (strcmp(word, "noaccecn") == 0) {
        out->no_accecn = true;
    } else {
        return false;
    }
    return true;
}

static void parse_field(const char *word, char **rest, struct parsed *out)
{
    struct wire_tcp *tcp = &out->tcp;
    if (strcmp(word, "ack") == 0) {
        tcp->ack = parse_number(strtok_r(NULL, " ", rest));
        out->has_ack = true;
    } else if (strcmp(word, "win") == 0) {
        tcp->window = (uint16_t)parse_number(strtok_r(NULL, " ", rest));
        out->has_win = true;
    } else if (strcmp(word, "urg") == 0) {
        tcp->urgent = (uint16_t)parse_number(strtok_r(NULL, " ", rest));
        out->has_urg = true;
    } else if (strcmp(word, "fo") == 0) {
        parse_cookie(strtok_r(NULL, " ", rest), out);
    } else if (!parse_option(word, rest, tcp) && !parse_packet_field(word, rest, out)) {
        fail_msg("talk: unknown word '%s'", word);
    }
}

static void parse_segment(const char *text, struct parsed *out)
{
    char *rest = NULL;
    memset(out, 0, sizeof *out);
    assert_true(strlen(text) < sizeof out->copy);
    strcpy(out->copy, text);
    out->tcp.flags = parse_flags(strtok_r(out->copy, " ", &rest));
    char *place = strtok_r(NULL, " ", &rest);
    assert_non_null(place);
    char *plus = strchr(place, '+');
    if (plus != NULL) {
        *plus = '\0';
        out->bytes = parse_number(plus + 1);
        out->has_bytes = true;
    }
    out->tcp.seq = parse_number(place);
    for (char *word = strtok_r(NULL, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        parse_field(word, &rest, out);
    }
}

/* ---- In ------------------------------------------------------------------------------------- */

static void describe(const struct talk *talk, const struct parsed *parsed,
                     struct wire_packet *packet)
{
    *packet = (struct wire_packet){.protocol = WIRE_TCP, .dont_fragment = true};
    packet->version = talk->v6 ? 6 : 4;
    packet->hop_limit = parsed->has_ttl ? parsed->ttl : 64;
    packet->traffic_class = parsed->tos;
    packet->source = parsed->from != NULL ? talk_address(parsed->from) : talk_peer(talk);
    packet->destination = parsed->to != NULL ? talk_address(parsed->to) : talk_stack(talk);
    packet->source_port = talk->peer_port;
    packet->destination_port = talk->port;
    packet->payload_bytes = parsed->options.bytes + parsed->bytes;
    packet->tcp = parsed->tcp;
    packet->tcp.window = parsed->has_win ? parsed->tcp.window : 65535;
    packet->tcp.seq += talk->peer_iss;
    packet->tcp.ack = (parsed->tcp.flags & WIRE_ACK) != 0 ? parsed->tcp.ack + talk->iss : 0;
    if (parsed->last_cookie) {
        packet->tcp.options |= WIRE_OPTION_FAST_OPEN;
        packet->tcp.cookie_bytes = talk->last_cookie_bytes;
        memcpy(packet->tcp.cookie, talk->last_cookie, sizeof talk->last_cookie);
    }
    for (uint8_t i = 0; i < packet->tcp.sack_count; i++) {
        packet->tcp.sack[i].left += talk->iss;
        packet->tcp.sack[i].right += talk->iss;
    }
}

/* Puts IP options behind the IPv4 header of the packet in BUFFER. */
static void add_ip_options(struct berth_buffer *buffer, const struct raw_options *options)
{
    uint8_t *at = buffer->data + buffer->begin;
    uint8_t *end = at + WIRE_IPV4_HEADER_BYTES;
    memmove(end + options->bytes, end, buffer->bytes - WIRE_IPV4_HEADER_BYTES);
    memcpy(end, options->data, options->bytes);
    buffer->bytes += options->bytes;
    at[0] = (uint8_t)(0x45 + options->bytes / 4);
    store_be16(at + 2, (uint16_t)buffer->bytes);
    store_be16(at + 10, 0);
    uint16_t sum =
        (uint16_t)~wire_sum_fold(wire_sum(0, at, WIRE_IPV4_HEADER_BYTES + options->bytes));
    memcpy(at + 10, &sum, sizeof sum);
}

void talk_post(struct talk *talk, const char *segment)
{
    struct parsed parsed;
    struct wire_packet packet;
    parse_segment(segment, &parsed);
    describe(talk, &parsed, &packet);
    struct berth_buffer *buffer = berth_buffer_get(talk->berth);
    assert_non_null(buffer);
    uint8_t *at = buffer->data + buffer->begin;
    uint32_t header = wire_emit_tcp(at, &packet);
    struct wire_sum_place place = wire_sum_place(&packet, header);
    memcpy(at + header, parsed.options.data, parsed.options.bytes);
    at[place.start + 12] = (uint8_t)(at[place.start + 12] + (parsed.options.bytes / 4 << 4));
    header += parsed.options.bytes;
    uint32_t first = parsed.tcp.seq + ((parsed.tcp.flags & WIRE_SYN) != 0 ? 1 : 0);
    for (uint32_t i = 0; i < parsed.bytes; i++) {
        at[header + i] = talk_byte((uint64_t)first - 1 + i);
    }
    buffer->bytes = header + parsed.bytes;
    struct berth_view view = {.data = at, .bytes = buffer->bytes};
    wire_finish(&view, 1, &place);
    at[place.start + place.offset] ^= parsed.bad_sum ? 1 : 0;
    if (parsed.ip_options.bytes > 0) {
        add_ip_options(buffer, &parsed.ip_options);
    }
    berth_receive(talk->berth, buffer, talk->now_ns);
    stack_check(talk->berth);
}

void talk_in(struct talk *talk, const char *segment)
{
    talk_post(talk, segment);
    talk_collect(talk);
}

void talk_icmp(struct talk *talk, const struct talk_icmp *icmp)
{
    bool v6 = talk->v6;
    struct wire_packet packet = {
        .source = talk_peer(talk),
        .destination = talk_stack(talk),
        .version = v6 ? 6 : 4,
        .protocol = v6 ? WIRE_ICMP6 : WIRE_ICMP,
        .hop_limit = 64,
        .icmp = {.type = icmp->type, .code = icmp->code, .mtu = icmp->mtu}};
    struct wire_packet quoted = {.source = talk_stack(talk),
                                 .destination = talk_peer(talk),
                                 .version = v6 ? 6 : 4,
                                 .protocol = WIRE_TCP,
                                 .hop_limit = 64,
                                 .payload_bytes = WIRE_TCP_HEADER_BYTES};
    uint8_t quote[WIRE_IPV6_HEADER_BYTES + 8];
    uint32_t network = wire_emit_network(quote, &quoted);
    store_be16(quote + network, talk->port);
    store_be16(quote + network + 2, talk->peer_port);
    store_be32(quote + network + 4, icmp->seq + talk->iss);
    struct berth_buffer *buffer = berth_buffer_get(talk->berth);
    assert_non_null(buffer);
    uint8_t *at = buffer->data + buffer->begin;
    packet.payload_bytes = network + 8;
    uint32_t header = wire_emit_icmp(at, &packet);
    memcpy(at + header, quote, network + 8);
    buffer->bytes = header + network + 8;
    struct berth_view view = {.data = at, .bytes = buffer->bytes};
    struct wire_sum_place place = wire_sum_place(&packet, header);
    wire_finish(&view, 1, &place);
    berth_receive(talk->berth, buffer, talk->now_ns);
    stack_check(talk->berth);
    talk_collect(talk);
}

/* ---- Out ------------------------------------------------------------------------------------ */

static void check_payload(const struct wire_packet *packet, uint32_t seq)
{
    for (uint32_t i = 0; i < packet->payload_bytes; i++) {
        assert_int_equal(packet->payload[i], talk_byte((uint64_t)seq - 1 + i));
    }
}

static void check_options(const struct talk *talk, const struct parsed *want,
                          const struct wire_tcp *got)
{
    if ((want->tcp.options & WIRE_OPTION_MSS) != 0) {
        assert_true((got->options & WIRE_OPTION_MSS) != 0);
        assert_int_equal(got->mss, want->tcp.mss);
    }
    if ((want->tcp.options & WIRE_OPTION_WSCALE) != 0) {
        assert_true((got->options & WIRE_OPTION_WSCALE) != 0);
        assert_int_equal(got->wscale, want->tcp.wscale);
    }
    if ((want->tcp.options & WIRE_OPTION_USER_TIMEOUT) != 0) {
        assert_int_equal(got->options & WIRE_OPTION_USER_TIMEOUT,
                         want->tcp.user_timeout != 0 ? WIRE_OPTION_USER_TIMEOUT : 0);
        assert_int_equal(got->user_timeout, want->tcp.user_timeout);
    }
    if ((want->tcp.options & WIRE_OPTION_SACK_PERMITTED) != 0) {
        assert_true((got->options & WIRE_OPTION_SACK_PERMITTED) != 0);
    }
    if ((want->tcp.options & WIRE_OPTION_ACCECN) != 0) {
        assert_true((got->options & WIRE_OPTION_ACCECN) != 0);
        assert_int_equal(got->accecn_reversed, want->tcp.accecn_reversed);
        assert_int_equal(got->accecn_count, want->tcp.accecn_count);
        for (uint8_t i = 0; i < got->accecn_count; i++) {
            assert_int_equal(got->accecn[i], want->tcp.accecn[i]);
        }
    }
    assert_false(want->no_accecn && (got->options & WIRE_OPTION_ACCECN) != 0);
    if ((want->tcp.options & WIRE_OPTION_FAST_OPEN) != 0) {
        assert_true((got->options & WIRE_OPTION_FAST_OPEN) != 0);
        assert_int_equal(got->cookie_bytes, want->tcp.cookie_bytes);
        assert_memory_equal(got->cookie, want->tcp.cookie, got->cookie_bytes);
    }
    assert_true(!want->no_cookie || (got->options & WIRE_OPTION_FAST_OPEN) == 0);
    assert_true(!want->any_cookie || got->cookie_bytes > 0);
    if ((want->tcp.options & WIRE_OPTION_SACK) != 0) {
        assert_int_equal(got->sack_count, want->tcp.sack_count);
        for (uint8_t i = 0; i < got->sack_count; i++) {
            assert_int_equal(got->sack[i].left - talk->peer_iss, want->tcp.sack[i].left);
            assert_int_equal(got->sack[i].right - talk->peer_iss, want->tcp.sack[i].right);
        }
    }
}

static void show(const struct talk *talk, const struct wire_packet *packet, const char *wanted)
{
    const struct wire_tcp *tcp = &packet->tcp;
    char flags[12] = ""; /* room for each of flag_letters */
    size_t length = 0;
    for (size_t i = 0; i < sizeof flag_letters / sizeof *flag_letters; i++) {
        if ((tcp->flags & flag_letters[i].flag) != 0) {
            flags[length++] = flag_letters[i].letter;
        }
    }
    flags[length] = '\0';
    print_message("# sent: %s %u+%u ack %u win %u; wanted: %s\n", flags, tcp->seq - talk->iss,
                  packet->payload_bytes, tcp->ack - talk->peer_iss, tcp->window, wanted);
}

static void learn(struct talk *talk, const struct wire_packet *packet)
{
    if ((packet->tcp.flags & WIRE_SYN) != 0) {
        talk->iss = packet->tcp.seq;
        talk->iss_known = true;
    }
    if (packet->tcp.cookie_bytes > 0) {
        talk->last_cookie_bytes = packet->tcp.cookie_bytes;
        memcpy(talk->last_cookie, packet->tcp.cookie, sizeof talk->last_cookie);
    }
    talk->last_window = packet->tcp.window;
    talk->last_tsval = packet->tcp.tsval;
    talk->last_tsecr = packet->tcp.tsecr;
}

/* From which address a segment goes, and to which, is asked where there are several; but it never
 * goes to the stack itself. */
static void check_ends(const struct talk *talk, const struct wire_packet *packet)
{
    struct berth_address stack = talk_stack(talk);
    assert_false(berth_address_is_equal(&packet->destination, &stack));
    assert_int_equal(packet->source_port, talk->port);
    assert_int_equal(packet->destination_port, talk->peer_port);
}

static bool is_match(const struct talk *talk, const struct parsed *want,
                     const struct wire_packet *packet)
{
    const struct wire_tcp *got = &packet->tcp;
    uint16_t care = (uint16_t) ~((want->tcp.flags & WIRE_PSH) != 0 ? 0U : (unsigned)WIRE_PSH);
    bool absolute = (got->flags & WIRE_RST) != 0 && (!talk->iss_known || got->seq == 0);
    uint32_t seq = absolute ? got->seq : got->seq - talk->iss;
    return (got->flags & care) == (want->tcp.flags & care) && seq == want->tcp.seq &&
           (!want->has_bytes || packet->payload_bytes == want->bytes) &&
           (!want->has_ack || got->ack - talk->peer_iss == want->tcp.ack) &&
           (!want->has_win || got->window == want->tcp.window) &&
           (!want->has_urg || got->urgent == want->tcp.urgent) &&
           (!want->has_tos || packet->traffic_class == want->tos) &&
           (!want->has_ttl || packet->hop_limit == want->ttl);
}

void talk_out(struct talk *talk, const char *segment)
{
    struct parsed want;
    struct wire_packet packet;
    parse_segment(segment, &want);
    if (talk->out_count == 0) {
        fail_msg("the stack sent nothing; wanted: %s", segment);
    }
    struct talk_packet *raw = &talk->out[talk->out_first];
    talk->out_first = (talk->out_first + 1) % TALK_OUT_MAX;
    talk->out_count--;
    assert_int_equal(wire_parse(&packet, raw->data, raw->bytes, &raw->offload), BERTH_DROP_NONE);
    learn(talk, &packet);
    talk->last = *raw;
    if (!is_match(talk, &want, &packet)) {
        show(talk, &packet, segment);
        fail_msg("another segment than expected: %s", segment);
    }
    check_ends(talk, &packet);
    check_options(talk, &want, &packet.tcp);
    uint32_t syn = (packet.tcp.flags & WIRE_SYN) != 0 ? 1 : 0;
    check_payload(&packet, packet.tcp.seq + syn - talk->iss);
}

void talk_silent(struct talk *talk)
{
    if (talk->out_count > 0) {
        struct wire_packet packet;
        struct talk_packet *raw = &talk->out[talk->out_first];
        assert_int_equal(wire_parse(&packet, raw->data, raw->bytes, &raw->offload),
                         BERTH_DROP_NONE);
        show(talk, &packet, "nothing");
        fail_msg("the stack sent what nobody expected");
    }
}

void talk_forget(struct talk *talk)
{
    talk->out_first = 0;
    talk->out_count = 0;
}
