/* SPDX-License-Identifier: MIT */
/*
 * TCP options: maximum segment size (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK
 * (RFC 2018), Fast Open (RFC 7413 4.1.1), AccECN (RFC 9768 3.2.3), the user timeout (RFC 5482 3.3).
 *
 * 1. An option that is not known is passed over by its length (RFC 9293 MUST-6).
 * 2. An option that is there twice counts as its last one says.
 * 3. Those that belong on a SYN alone are not noted on another segment (RFC 7323 2.2, RFC 9293
 * 3.7.1); their lengths are looked at all the same. AccECN's is not noted on a SYN without ACK (RFC
 * 9768 3.2.3.2.1).
 */
#include "wire/internal.h"

#define KIND_END            0
#define KIND_NOP            1
#define KIND_MSS            2
#define KIND_WSCALE         3
#define KIND_SACK_PERMITTED 4
#define KIND_SACK           5
#define KIND_TIMESTAMPS     8
#define KIND_USER_TIMEOUT   28
#define KIND_FAST_OPEN      34
#define KIND_ACCECN0        172
#define KIND_ACCECN1        174

#define MSS_BYTES            4
#define WSCALE_BYTES         3
#define SACK_PERMITTED_BYTES 2
#define TIMESTAMPS_BYTES     10
#define USER_TIMEOUT_BYTES   4
#define SACK_BLOCK_BYTES     8
#define ACCECN_FIELD_BYTES   3U

#define WSCALE_MAX 14 /* RFC 7323 2.3: a larger one is taken as 14 */

/* Two NOPs before KIND and LENGTH: how every stack aligns what it sends all the time. */
#define NOP_NOP(kind, length) (0x01010000U | (uint32_t)(kind) << 8 | (uint32_t)(length))

#define TIMESTAMPS_ALIGNED_BYTES 12

static bool parse_sack(struct wire_tcp *tcp, const uint8_t *at, uint32_t bytes)
{
    uint32_t count = bytes / SACK_BLOCK_BYTES;

    if (bytes % SACK_BLOCK_BYTES != 2 || count == 0 || count > WIRE_SACK_BLOCKS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        tcp->sack[i].left = load_be32(at + 2 + i * SACK_BLOCK_BYTES);
        tcp->sack[i].right = load_be32(at + 6 + i * SACK_BLOCK_BYTES);
    }
    tcp->sack_count = (uint8_t)count;
    tcp->options |= WIRE_OPTION_SACK;
    return true;
}

/* Any length will do: whole fields count, the rest is padding (RFC 9768 3.2.3). */
static void parse_accecn(struct wire_tcp *tcp, const uint8_t *at, uint32_t bytes)
{
    tcp->accecn_count = (uint8_t)min_u32((bytes - 2) / ACCECN_FIELD_BYTES, WIRE_ACCECN_FIELDS_MAX);
    tcp->accecn_reversed = at[0] == KIND_ACCECN1;
    for (uint32_t i = 0; i < tcp->accecn_count; i++) {
        const uint8_t *field = at + 2 + i * ACCECN_FIELD_BYTES;
        tcp->accecn[i] = (uint32_t)field[0] << 16 | load_be16(field + 1);
    }
    tcp->options |= WIRE_OPTION_ACCECN;
}

/* A cookie, or a request for one; of another length it counts as not there (RFC 7413 4.1.1). */
static void parse_cookie(struct wire_tcp *tcp, const uint8_t *at, uint32_t bytes)
{
    uint32_t length = bytes - 2;

    if (length != 0 &&
        (length < WIRE_COOKIE_BYTES_MIN || length > WIRE_COOKIE_BYTES_MAX || length % 2 != 0)) {
        return;
    }
    memcpy(tcp->cookie, at + 2, length);
    tcp->cookie_bytes = (uint8_t)length;
    tcp->options |= WIRE_OPTION_FAST_OPEN;
}

/* One option of BYTES, at least 2, at AT. False: its length is not one that its kind has. */
static bool parse_option(struct wire_tcp *tcp, const uint8_t *at, uint32_t bytes)
{
    switch (at[0]) {
    case KIND_MSS:
        tcp->mss = bytes == MSS_BYTES ? load_be16(at + 2) : 0;
        tcp->options |= WIRE_OPTION_MSS;
        return bytes == MSS_BYTES;
    case KIND_WSCALE:
        tcp->wscale = bytes != WSCALE_BYTES ? 0 : at[2] > WSCALE_MAX ? WSCALE_MAX : at[2];
        tcp->options |= WIRE_OPTION_WSCALE;
        return bytes == WSCALE_BYTES;
    case KIND_SACK_PERMITTED:
        tcp->options |= WIRE_OPTION_SACK_PERMITTED;
        return bytes == SACK_PERMITTED_BYTES;
    case KIND_SACK:
        return parse_sack(tcp, at, bytes);
    case KIND_TIMESTAMPS:
        if (bytes != TIMESTAMPS_BYTES) {
            return false;
        }
        tcp->tsval = load_be32(at + 2);
        tcp->tsecr = load_be32(at + 6);
        tcp->options |= WIRE_OPTION_TIMESTAMPS;
        return true;
    case KIND_ACCECN0:
    case KIND_ACCECN1:
        parse_accecn(tcp, at, bytes);
        return true;
    case KIND_FAST_OPEN:
        parse_cookie(tcp, at, bytes);
        return true;
    case KIND_USER_TIMEOUT: /* advice: one out of shape is no reason to drop the rest */
        if (bytes == USER_TIMEOUT_BYTES) {
            tcp->user_timeout = load_be16(at + 2);
            tcp->options |= WIRE_OPTION_USER_TIMEOUT;
        }
        return true;
    default:
        return true;
    }
}

enum berth_drop wire_parse_tcp_options(struct wire_tcp *tcp, const uint8_t *at, uint32_t bytes)
{
    const uint8_t *end = at + bytes;

    tcp->options = 0;
    tcp->sack_count = 0;
    tcp->cookie_bytes = 0;
    tcp->mss = 0;
    tcp->wscale = 0;
    tcp->tsval = 0;
    tcp->tsecr = 0;
    tcp->user_timeout = 0;
    if (bytes == TIMESTAMPS_ALIGNED_BYTES &&
        load_be32(at) == NOP_NOP(KIND_TIMESTAMPS, TIMESTAMPS_BYTES)) {
        tcp->tsval = load_be32(at + 4);
        tcp->tsecr = load_be32(at + 8);
        tcp->options = WIRE_OPTION_TIMESTAMPS;
        return BERTH_DROP_NONE;
    }
    while (at < end && *at != KIND_END) {
        if (*at == KIND_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || at[1] < 2 || at[1] > end - at || !parse_option(tcp, at, at[1])) {
            return BERTH_DROP_BAD_TCP_OPTION;
        }
        at += at[1];
    }
    if ((tcp->flags & WIRE_SYN) == 0) {
        tcp->options &= WIRE_OPTION_TIMESTAMPS | WIRE_OPTION_SACK | WIRE_OPTION_ACCECN |
                        WIRE_OPTION_USER_TIMEOUT;
    } else if ((tcp->flags & WIRE_ACK) == 0) {
        tcp->options &= (uint8_t)~WIRE_OPTION_ACCECN;
    }
    return BERTH_DROP_NONE;
}

/* How many of TCP's SACK blocks go out beside its timestamps. */
static uint32_t sack_blocks(const struct wire_tcp *tcp)
{
    uint32_t most = (tcp->options & WIRE_OPTION_TIMESTAMPS) != 0 ? 3 : WIRE_SACK_BLOCKS_MAX;
    return (tcp->options & WIRE_OPTION_SACK) != 0 ? min_u32(tcp->sack_count, most) : 0;
}

uint32_t wire_accecn_bytes(uint32_t count)
{
    return (2 + count * ACCECN_FIELD_BYTES + 3) & ~3U;
}

/* The Fast Open option with its padding. */
static uint32_t cookie_option_bytes(const struct wire_tcp *tcp)
{
    bool any = (tcp->options & WIRE_OPTION_FAST_OPEN) != 0;
    return any ? (2U + tcp->cookie_bytes + 3U) & ~3U : 0;
}

uint32_t wire_tcp_option_bytes(const struct wire_tcp *tcp)
{
    uint32_t bytes = (tcp->options & WIRE_OPTION_TIMESTAMPS) != 0 ? TIMESTAMPS_ALIGNED_BYTES : 0;

    if ((tcp->options & ~(uint32_t)WIRE_OPTION_TIMESTAMPS) == 0) {
        return bytes; /* as nearly always */
    }
    bytes += (tcp->options & WIRE_OPTION_USER_TIMEOUT) != 0 ? USER_TIMEOUT_BYTES : 0;
    bytes += (tcp->options & WIRE_OPTION_ACCECN) != 0 ? wire_accecn_bytes(tcp->accecn_count) : 0;

    if ((tcp->flags & WIRE_SYN) == 0) {
        uint32_t blocks = sack_blocks(tcp);
        return bytes + (blocks > 0 ? 4 + blocks * SACK_BLOCK_BYTES : 0);
    }
    if ((tcp->options & WIRE_OPTION_MSS) != 0) {
        bytes += MSS_BYTES;
    }
    if ((tcp->options & WIRE_OPTION_SACK_PERMITTED) != 0 &&
        (tcp->options & WIRE_OPTION_TIMESTAMPS) == 0) {
        bytes += 4; /* with timestamps it takes the place of their two NOPs */
    }
    if ((tcp->options & WIRE_OPTION_WSCALE) != 0) {
        bytes += 4;
    }
    return bytes + cookie_option_bytes(tcp);
}

static uint8_t *put32(uint8_t *out, uint32_t value)
{
    store_be32(out, value);
    return out + 4;
}

static uint8_t *put_timestamps(uint8_t *out, const struct wire_tcp *tcp)
{
    return put32(put32(out, tcp->tsval), tcp->tsecr);
}

static uint8_t *emit_cookie(uint8_t *out, const struct wire_tcp *tcp)
{
    uint32_t bytes = 2U + tcp->cookie_bytes;
    uint32_t padding = cookie_option_bytes(tcp) - bytes;

    out[0] = KIND_FAST_OPEN;
    out[1] = (uint8_t)bytes;
    memcpy(out + 2, tcp->cookie, tcp->cookie_bytes);
    memset(out + bytes, KIND_NOP, padding); /* behind it, where Linux has it */
    return out + padding + bytes;
}

static uint8_t *emit_syn_options(uint8_t *out, const struct wire_tcp *tcp)
{
    bool has_sack = (tcp->options & WIRE_OPTION_SACK_PERMITTED) != 0;

    if ((tcp->options & WIRE_OPTION_MSS) != 0) {
        out = put32(out, (uint32_t)KIND_MSS << 24 | (uint32_t)MSS_BYTES << 16 | tcp->mss);
    }
    if ((tcp->options & WIRE_OPTION_TIMESTAMPS) != 0) {
        uint32_t aligned = NOP_NOP(KIND_TIMESTAMPS, TIMESTAMPS_BYTES);
        uint32_t sack = (uint32_t)KIND_SACK_PERMITTED << 24 | (uint32_t)SACK_PERMITTED_BYTES << 16;
        out = put32(out, has_sack ? sack | (aligned & 0xffff) : aligned);
        out = put_timestamps(out, tcp);
    } else if (has_sack) {
        out = put32(out, NOP_NOP(KIND_SACK_PERMITTED, SACK_PERMITTED_BYTES));
    }
    if ((tcp->options & WIRE_OPTION_WSCALE) != 0) {
        out = put32(out, (uint32_t)KIND_NOP << 24 | (uint32_t)KIND_WSCALE << 16 |
                             (uint32_t)WSCALE_BYTES << 8 | tcp->wscale);
    }
    return (tcp->options & WIRE_OPTION_FAST_OPEN) != 0 ? emit_cookie(out, tcp) : out;
}

static uint8_t *emit_segment_options(uint8_t *out, const struct wire_tcp *tcp)
{
    uint32_t blocks = sack_blocks(tcp);

    if ((tcp->options & WIRE_OPTION_TIMESTAMPS) != 0) {
        out = put_timestamps(put32(out, NOP_NOP(KIND_TIMESTAMPS, TIMESTAMPS_BYTES)), tcp);
    }
    if (blocks > 0) {
        out = put32(out, NOP_NOP(KIND_SACK, 2 + blocks * SACK_BLOCK_BYTES));
    }
    for (uint32_t i = 0; i < blocks; i++) {
        out = put32(put32(out, tcp->sack[i].left), tcp->sack[i].right);
    }
    return out;
}

static void emit_accecn(uint8_t *out, const struct wire_tcp *tcp)
{
    uint32_t bytes = 2U + tcp->accecn_count * ACCECN_FIELD_BYTES;
    uint32_t padding = wire_accecn_bytes(tcp->accecn_count) - bytes;

    memset(out, KIND_NOP, padding);
    out += padding;
    out[0] = tcp->accecn_reversed ? KIND_ACCECN1 : KIND_ACCECN0;
    out[1] = (uint8_t)bytes;
    for (uint32_t i = 0; i < tcp->accecn_count; i++) {
        uint8_t *field = out + 2 + i * ACCECN_FIELD_BYTES;
        field[0] = (uint8_t)(tcp->accecn[i] >> 16);
        store_be16(field + 1, (uint16_t)tcp->accecn[i]);
    }
}

void wire_emit_tcp_options(uint8_t *out, const struct wire_tcp *tcp)
{
    bool syn = (tcp->flags & WIRE_SYN) != 0;

    if (tcp->options == WIRE_OPTION_TIMESTAMPS && !syn) {
        (void)put_timestamps(put32(out, NOP_NOP(KIND_TIMESTAMPS, TIMESTAMPS_BYTES)), tcp);
        return;
    }
    out = syn ? emit_syn_options(out, tcp) : emit_segment_options(out, tcp);
    if ((tcp->options & WIRE_OPTION_USER_TIMEOUT) != 0) {
        out = put32(out, (uint32_t)KIND_USER_TIMEOUT << 24 | (uint32_t)USER_TIMEOUT_BYTES << 16 |
                             tcp->user_timeout);
    }
    if ((tcp->options & WIRE_OPTION_ACCECN) != 0) {
        emit_accecn(out, tcp);
    }
}
