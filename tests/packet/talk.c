/* SPDX-License-Identifier: MIT */
/* Conversations with one stack, segment by segment: talk.h. */
#include "talk.h"

#include "stack/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define STACK_V4 "10.9.0.1"
#define PEER_V4  "10.9.0.2"

uint8_t talk_byte(uint64_t offset)
{
    return (uint8_t)((offset * 2654435761U) >> 13);
}

static struct berth_address parse_address(const char *text)
{
    struct berth_address address;
    assert_int_equal(berth_address_parse(text, &address), 0);
    return address;
}

static void collect(struct talk *talk)
{
    struct berth_frame frames[4];
    uint32_t count = berth_transmit(talk->berth, frames, 4, talk->now_ns);
    while (count > 0) {
        for (uint32_t i = 0; i < count; i++) {
            assert_true(talk->out_count < TALK_OUT_MAX);
            struct talk_packet *packet =
                &talk->out[(talk->out_first + talk->out_count++) % TALK_OUT_MAX];
            packet->bytes = 0;
            for (uint32_t v = 0; v < frames[i].view_count; v++) {
                assert_true(packet->bytes + frames[i].views[v].bytes <= sizeof packet->data);
                memcpy(packet->data + packet->bytes, frames[i].views[v].data,
                       frames[i].views[v].bytes);
                packet->bytes += (uint32_t)frames[i].views[v].bytes;
            }
        }
        count = berth_transmit(talk->berth, frames, 4, talk->now_ns);
    }
    stack_check(talk->berth);
    struct berth_event event;
    while (berth_next_event(talk->berth, &event)) {
        if (event.kind == BERTH_KIND_TCP) {
            talk->events |= event.bits;
            talk->error = event.error;
        }
    }
}

void talk_begin(struct talk *talk, void (*change)(struct berth_config *config))
{
    memset(talk, 0, sizeof *talk);
    talk->now_ns = 5000 * NS_PER_S;
    talk->peer_iss = 0x7ffffff0; /* so that the sign bit and then zero are crossed early */
    talk->peer_port = TALK_PEER_PORT;
    talk->port = TALK_PORT;
    berth_config_init(&talk->config);
    talk->config.tcp.timestamps = false;
    if (change != NULL) {
        change(&talk->config);
    }
    talk->memory_bytes = berth_memory_bytes(&talk->config);
    assert_true(talk->memory_bytes > 0);
    talk->memory = mmap(NULL, talk->memory_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(talk->memory != MAP_FAILED);
    assert_int_equal(
        berth_init(&talk->berth, &talk->config, talk->memory, talk->memory_bytes, talk->now_ns), 0);
    struct berth_prefix prefix = {.address = parse_address(STACK_V4), .bits = 96 + 24};
    assert_int_equal(berth_address_add(talk->berth, &prefix), 0);
    static const char rules[] = "allow in any\nallow out any\n";
    struct berth_rules_error error;
    assert_int_equal(berth_rules_load(talk->berth, rules, sizeof rules - 1, &error), 0);
}

void talk_end(struct talk *talk)
{
    stack_check(talk->berth);
    berth_done(talk->berth);
    munmap(talk->memory, talk->memory_bytes);
}

void talk_listen(struct talk *talk)
{
    struct berth_endpoint at = {.address = parse_address(STACK_V4), .port = TALK_PORT};
    assert_int_equal(berth_tcp_listen(talk->berth, &at, 4, NULL, &talk->listener), 0);
}

void talk_connect(struct talk *talk)
{
    struct berth_endpoint from = {.address = parse_address(STACK_V4), .port = TALK_PORT};
    struct berth_endpoint to = {.address = parse_address(PEER_V4), .port = talk->peer_port};
    assert_int_equal(berth_tcp_connect(talk->berth, &from, &to, NULL, &talk->id), 0);
    collect(talk);
}

void talk_accept(struct talk *talk)
{
    assert_int_equal(berth_tcp_accept(talk->berth, talk->listener, NULL, &talk->id), 0);
    collect(talk);
}

void talk_established(struct talk *talk)
{
    talk_listen(talk);
    talk_in(talk, "S 0 win 65535 mss 1460 sackok wscale 0");
    talk_out(talk, "S. 0 ack 1 mss 1460");
    talk_in(talk, ". 1 ack 1");
    talk_accept(talk);
    talk_silent(talk);
}

/* ---- The notation --------------------------------------------------------------------------- */

struct parsed {
    struct wire_tcp tcp;
    uint32_t bytes;
    bool has_bytes;
    bool has_ack;
    bool has_win;
    bool has_urg;
};

static const struct {
    char letter;
    uint16_t flag;
} flag_letters[] = {{'S', WIRE_SYN}, {'F', WIRE_FIN}, {'R', WIRE_RST}, {'P', WIRE_PSH},
                    {'.', WIRE_ACK}, {'U', WIRE_URG}, {'E', WIRE_ECE}, {'C', WIRE_CWR}};

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
    } else if (strcmp(word, "mss") == 0) {
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
    } else if (strcmp(word, "sack") == 0) {
        parse_sack(strtok_r(NULL, " ", rest), tcp);
    } else {
        fail_msg("talk: unknown word '%s'", word);
    }
}

static void parse_segment(const char *text, struct parsed *out)
{
    char copy[256];
    char *rest = NULL;
    memset(out, 0, sizeof *out);
    assert_true(strlen(text) < sizeof copy);
    strcpy(copy, text);
    out->tcp.flags = parse_flags(strtok_r(copy, " ", &rest));
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
    *packet = (struct wire_packet){.version = 4, .protocol = WIRE_TCP, .hop_limit = 64};
    packet->source = parse_address(PEER_V4);
    packet->destination = parse_address(STACK_V4);
    packet->source_port = talk->peer_port;
    packet->destination_port = talk->port;
    packet->dont_fragment = true;
    packet->payload_bytes = parsed->bytes;
    packet->tcp = parsed->tcp;
    packet->tcp.window = parsed->has_win ? parsed->tcp.window : 65535;
    packet->tcp.seq += talk->peer_iss;
    packet->tcp.ack = (parsed->tcp.flags & WIRE_ACK) != 0 ? parsed->tcp.ack + talk->iss : 0;
    for (uint8_t i = 0; i < packet->tcp.sack_count; i++) {
        packet->tcp.sack[i].left += talk->iss;
        packet->tcp.sack[i].right += talk->iss;
    }
}

void talk_in(struct talk *talk, const char *segment)
{
    struct parsed parsed;
    struct wire_packet packet;
    parse_segment(segment, &parsed);
    describe(talk, &parsed, &packet);
    struct berth_buffer *buffer = berth_buffer_get(talk->berth);
    assert_non_null(buffer);
    uint8_t *at = buffer->data + buffer->begin;
    uint32_t header = wire_emit_tcp(at, &packet);
    for (uint32_t i = 0; i < parsed.bytes; i++) {
        at[header + i] = talk_byte((uint64_t)parsed.tcp.seq - 1 + i);
    }
    buffer->bytes = header + parsed.bytes;
    struct berth_view view = {.data = at, .bytes = buffer->bytes};
    struct wire_sum_place place = wire_sum_place(&packet, header);
    wire_finish(&view, 1, &place);
    berth_receive(talk->berth, buffer, talk->now_ns);
    stack_check(talk->berth);
    collect(talk);
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
    if ((want->tcp.options & WIRE_OPTION_SACK_PERMITTED) != 0) {
        assert_true((got->options & WIRE_OPTION_SACK_PERMITTED) != 0);
    }
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
    char flags[12] = "";
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
    talk->last_window = packet->tcp.window;
    talk->last_tsval = packet->tcp.tsval;
    talk->last_tsecr = packet->tcp.tsecr;
}

static bool is_match(const struct talk *talk, const struct parsed *want,
                     const struct wire_packet *packet)
{
    const struct wire_tcp *got = &packet->tcp;
    uint16_t care = (uint16_t) ~((want->tcp.flags & WIRE_PSH) != 0 ? 0U : (unsigned)WIRE_PSH);
    bool absolute = (got->flags & WIRE_RST) != 0 && !talk->iss_known;
    uint32_t seq = absolute ? got->seq : got->seq - talk->iss;
    return (got->flags & care) == (want->tcp.flags & care) && seq == want->tcp.seq &&
           (!want->has_bytes || packet->payload_bytes == want->bytes) &&
           (!want->has_ack || got->ack - talk->peer_iss == want->tcp.ack) &&
           (!want->has_win || got->window == want->tcp.window) &&
           (!want->has_urg || got->urgent == want->tcp.urgent);
}

void talk_out(struct talk *talk, const char *segment)
{
    struct parsed want;
    struct wire_packet packet;
    struct berth_offload none = {0};
    parse_segment(segment, &want);
    if (talk->out_count == 0) {
        fail_msg("the stack sent nothing; wanted: %s", segment);
    }
    struct talk_packet *raw = &talk->out[talk->out_first];
    talk->out_first = (talk->out_first + 1) % TALK_OUT_MAX;
    talk->out_count--;
    assert_int_equal(wire_parse(&packet, raw->data, raw->bytes, &none), BERTH_DROP_NONE);
    learn(talk, &packet);
    if (!is_match(talk, &want, &packet)) {
        show(talk, &packet, segment);
        fail_msg("another segment than expected: %s", segment);
    }
    check_options(talk, &want, &packet.tcp);
    check_payload(&packet, packet.tcp.seq - talk->iss);
}

void talk_silent(struct talk *talk)
{
    if (talk->out_count > 0) {
        struct wire_packet packet;
        struct berth_offload none = {0};
        struct talk_packet *raw = &talk->out[talk->out_first];
        assert_int_equal(wire_parse(&packet, raw->data, raw->bytes, &none), BERTH_DROP_NONE);
        show(talk, &packet, "nothing");
        fail_msg("the stack sent what nobody expected");
    }
}

void talk_forget(struct talk *talk)
{
    talk->out_first = 0;
    talk->out_count = 0;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static uint64_t run_until(struct talk *talk, uint64_t until_ns, bool stop_on_out)
{
    uint64_t from = talk->now_ns;
    while (!(stop_on_out && talk->out_count > 0)) {
        uint64_t next = berth_deadline(talk->berth);
        if (next > until_ns) {
            talk->now_ns = until_ns;
            break;
        }
        talk->now_ns = max_u64(talk->now_ns, next);
        berth_advance(talk->berth, talk->now_ns);
        collect(talk);
    }
    return (talk->now_ns - from) / NS_PER_MS;
}

void talk_wait_ms(struct talk *talk, uint64_t ms)
{
    run_until(talk, talk->now_ns + ms * NS_PER_MS, false);
    berth_advance(talk->berth, talk->now_ns);
    collect(talk);
}

uint64_t talk_wait_out_ms(struct talk *talk, uint64_t ms)
{
    return run_until(talk, talk->now_ns + ms * NS_PER_MS, true);
}

/* ---- The owner ------------------------------------------------------------------------------ */

void talk_write(struct talk *talk, uint32_t bytes)
{
    struct berth_tcp_info info = talk_info(talk);
    uint64_t at = info.bytes_acked + info.send_queue_bytes;
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    for (uint32_t i = 0; i < bytes; i++) {
        data[i] = talk_byte(at + i);
    }
    size_t taken = 0;
    assert_int_equal(berth_tcp_write(talk->berth, talk->id, data, bytes, &taken), 0);
    assert_int_equal(taken, bytes);
    free(data);
    collect(talk);
}

void talk_read(struct talk *talk, uint64_t at, uint32_t bytes)
{
    uint8_t byte;
    size_t got = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        assert_int_equal(berth_tcp_read(talk->berth, talk->id, &byte, 1, &got), 0);
        assert_int_equal(got, 1);
        assert_int_equal(byte, talk_byte(at + i));
    }
    collect(talk);
}

struct berth_tcp_info talk_info(struct talk *talk)
{
    struct berth_tcp_info info;
    assert_int_equal(berth_tcp_info(talk->berth, talk->id, &info), 0);
    return info;
}

enum berth_tcp_state talk_state(struct talk *talk)
{
    return talk_info(talk).state;
}

uint32_t talk_connections(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_connections;
}

uint32_t talk_time_waits(struct talk *talk)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.tcp_time_wait;
}

uint64_t talk_drops(struct talk *talk, enum berth_drop drop)
{
    struct berth_stats stats;
    berth_stats(talk->berth, &stats);
    return stats.drops[drop];
}
