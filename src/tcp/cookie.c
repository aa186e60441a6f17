/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies (RFC 4987 3.6): when there is no room for a record, what it would hold goes out as
 * our initial sequence number, and comes back with the ACK.
 *
 *   sequence number   31      30 29   28 ... 21   20 ...                         0
 *   with timestamps   period  MSS     tag         MAC, 21 bits
 *   without           period  MSS     tag         scale (2), SACK (1), MAC, 18 bits
 *
 *   timestamp         31 ... 6                  5     4      3 ... 0
 *                     the clock, 64 ms a step   ECN   SACK   window scale, 15: none
 *
 * The MAC (SipHash) is over both ends, the peer's sequence number and all of these bits, so none of
 * them can be changed, and over which listener it was, whose options the SYN,ACK told. A period is
 * 64 s and has a key of its own; a cookie is good in its period and in the next one, so for one to
 * two minutes, and afterwards its key is gone. The scale without timestamps is rounded down to one
 * of three, so that windows are believed smaller, never larger.
 * The tag is the four-tuple's, by a keyed hash as well, so that 29 or 26 bits have to be guessed. A
 * segment that shows it, but does not stand where the peer's text begins, is of a connection whose
 * first segments are lost: it gets no RST, for they come again.
 * A cookie counts only for a listener that has sent one in the last two periods, and not for what
 * it has opened already, as long as that is known (outcome.h): a segment that comes twice, the
 * second time when the connection is over, would else bring its text once more.
 */
#include "base/address.h"
#include "tcp/half.h"

#define PERIOD_NS     (64 * NS_PER_S)
#define TAG_SHIFT     21
#define TAG_MASK      255U
#define SCALE_SHIFT   19
#define SACK_SHIFT    18
#define MAC_BITS      21
#define MAC_BITS_BARE 18
#define STAMP_MASK    63U
#define SCALE_NONE    15U
#define STAMP_SACK    (1U << 4)
#define STAMP_ECN     (1U << 5)
#define ECN_SETUP     ((unsigned)WIRE_ECE | (unsigned)WIRE_CWR) /* RFC 3168 6.1.1 */

static const uint16_t mss_v4[4] = {536, 1300, 1440, 1460};
static const uint16_t mss_v6[4] = {536, 1220, 1360, 1440};
static const uint8_t scales[4] = {SCALE_NONE, 4, 7, 8};

struct bits {
    uint32_t mss;   /* index */
    uint32_t scale; /* as in the timestamp */
    bool sack;
    bool ecn;
    bool stamped;
};

static const uint16_t *mss_table(const struct tcp_syn *syn)
{
    return address_is_v4(&syn->remote.address) ? mss_v4 : mss_v6;
}

static uint32_t mac(const struct tcp *tcp, const struct tcp_syn *syn, const struct bits *bits,
                    uint64_t period)
{
    struct {
        uint64_t pair; /* a keyed hash itself, of which nobody knows the other half */
        uint32_t irs;
        uint32_t bits;
    } input = {.pair = syn->hash, .irs = syn->irs};
    _Static_assert(sizeof input == 16, "no padding in what is hashed");
    const struct tcp_listener *listener = pool_at(&tcp->listeners, syn->listener - 1);
    input.bits = listener->generation << 9 | bits->mss | bits->scale << 2 |
                 (bits->sack ? 1U << 6 : 0) | (bits->ecn ? 1U << 7 : 0) |
                 (bits->stamped ? 1U << 8 : 0);
    uint64_t hash = hash_keyed(&tcp->cookies.keys[period % 2], &input, sizeof input);
    return (uint32_t)hash & ((1U << (bits->stamped ? MAC_BITS : MAC_BITS_BARE)) - 1);
}

/* Of the half of the hash that finds the record, bits that no table is large enough to use. */
static uint32_t tag(const struct tcp_syn *syn)
{
    return (uint32_t)(syn->hash >> 24) & TAG_MASK;
}

static uint32_t sequence(const struct tcp *tcp, const struct tcp_syn *syn, const struct bits *bits,
                         uint64_t period)
{
    uint32_t number = (uint32_t)(period % 2) << 31 | bits->mss << 29 | tag(syn) << TAG_SHIFT;
    if (!bits->stamped) {
        uint32_t scale = 0;
        while (scales[scale] != bits->scale) {
            scale++;
        }
        number |= scale << SCALE_SHIFT | (bits->sack ? 1U << SACK_SHIFT : 0);
    }
    return number | mac(tcp, syn, bits, period);
}

/* The largest scale that a cookie without timestamps can say, and not more than SCALE. */
static uint32_t round_scale(uint32_t scale)
{
    uint32_t at = 3;
    while (at > 0 && scales[at] > scale) {
        at--;
    }
    return scales[at];
}

/* What BITS say, as the options of a SYN. */
static void put_bits(struct tcp_syn *syn, const struct bits *bits)
{
    bool scaled = bits->scale != SCALE_NONE;
    syn->mss = mss_table(syn)[bits->mss];
    syn->options = (uint8_t)((syn->options & WIRE_OPTION_FAST_OPEN) | WIRE_OPTION_MSS |
                             (scaled ? (unsigned)WIRE_OPTION_WSCALE : 0) |
                             (bits->sack ? (unsigned)WIRE_OPTION_SACK_PERMITTED : 0) |
                             (bits->stamped ? (unsigned)WIRE_OPTION_TIMESTAMPS : 0));
    syn->wscale = (uint8_t)(scaled ? bits->scale : 0);
    syn->traffic_class = 0;
    syn->flags = (uint16_t)(WIRE_SYN | (bits->ecn ? ECN_SETUP : 0));
}

bool tcp_cookie_make(struct tcp *tcp, struct tcp_syn *syn)
{
    const uint16_t *table = mss_table(syn);
    bool v4 = address_is_v4(&syn->remote.address);
    bool has_mss = (syn->options & WIRE_OPTION_MSS) != 0;
    uint32_t mss = has_mss ? syn->mss : v4 ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
    struct bits bits = {.mss = 3, .scale = SCALE_NONE};
    while (bits.mss > 0 && table[bits.mss] > mss) {
        bits.mss--;
    }
    if (table[bits.mss] > mss) {
        return false; /* smaller than any path needs, and than a cookie can say */
    }
    bits.stamped = (syn->options & WIRE_OPTION_TIMESTAMPS) != 0 && tcp->settings.timestamps;
    bits.sack = (syn->options & WIRE_OPTION_SACK_PERMITTED) != 0 && tcp->settings.sack;
    bits.ecn = bits.stamped && (syn->flags & ECN_SETUP) == ECN_SETUP &&
               (syn->traffic_class & WIRE_CE) == WIRE_NOT_ECT;
    if ((syn->options & WIRE_OPTION_WSCALE) != 0 && tcp->settings.window_scale) {
        bits.scale = bits.stamped ? syn->wscale : round_scale(syn->wscale);
    }
    tcp_keys_renew(tcp, &tcp->cookies, PERIOD_NS);
    put_bits(syn, &bits);
    syn->iss = sequence(tcp, syn, &bits, tcp->cookies.period);
    return true;
}

uint32_t tcp_cookie_stamp(const struct tcp_syn *syn, uint32_t now)
{
    bool scaled = (syn->options & WIRE_OPTION_WSCALE) != 0;
    uint32_t bits = (scaled ? syn->wscale : SCALE_NONE) |
                    ((syn->options & WIRE_OPTION_SACK_PERMITTED) != 0 ? STAMP_SACK : 0) |
                    ((syn->flags & ECN_SETUP) == ECN_SETUP ? STAMP_ECN : 0);
    uint32_t stamp = (now & ~STAMP_MASK) | bits;
    return stamp > now ? stamp - (STAMP_MASK + 1) : stamp; /* never ahead of the clock */
}

bool tcp_has_cookies(const struct tcp *tcp, const struct tcp_listener *listener)
{
    return listener->cookies_ns != 0 && tcp->now_ns - listener->cookies_ns < 2 * PERIOD_NS;
}

/* What SEGMENT, an ACK, says of itself; is it what we said? */
static bool is_ours(const struct tcp *tcp, struct tcp_syn *syn, const struct wire_tcp *segment)
{
    uint32_t number = segment->ack - 1;
    uint64_t period = tcp->cookies.period;
    period -= (period % 2) != number >> 31 ? 1 : 0;
    struct bits bits = {.mss = number >> 29 & 3};
    bits.stamped = (segment->options & WIRE_OPTION_TIMESTAMPS) != 0 && tcp->settings.timestamps;
    if (bits.stamped) {
        bits.scale = segment->tsecr & SCALE_NONE;
        bits.sack = (segment->tsecr & STAMP_SACK) != 0;
        bits.ecn = (segment->tsecr & STAMP_ECN) != 0;
    } else {
        bits.scale = scales[number >> SCALE_SHIFT & 3];
        bits.sack = (number & 1U << SACK_SHIFT) != 0;
    }
    put_bits(syn, &bits);
    syn->iss = number;
    return sequence(tcp, syn, &bits, period) == number;
}

/* Every ACK brings the cookie that stands where the peer's text begins: one that is dropped because
 * the backlog is full comes again with that text. */
enum berth_drop tcp_on_cookie(struct tcp *tcp, struct tcp_listener *listener,
                              const struct tcp_pair *pair, const struct wire_packet *packet,
                              struct tcp_conn **out)
{
    struct tcp_syn syn;
    enum berth_drop why = BERTH_DROP_NONE;
    tcp_half_take(&syn, pair, packet);
    syn.irs = packet->tcp.seq - 1;
    syn.listener = pool_index(&tcp->listeners, listener) + 1;
    tcp_keys_renew(tcp, &tcp->cookies, PERIOD_NS);
    if (!is_ours(tcp, &syn, &packet->tcp)) {
        bool tagged = ((packet->tcp.ack - 1) >> TAG_SHIFT & TAG_MASK) == tag(&syn);
        return tagged ? BERTH_DROP_TCP_OUT_OF_WINDOW : BERTH_DROP_NO_CONNECTION;
    }
    if (tcp_is_gone_from(tcp, pair, syn.iss)) {
        return BERTH_DROP_NO_CONNECTION;
    }
    syn.resent = true; /* when it was sent nobody knows: no RTT from it */
    syn.sent_ns = tcp->now_ns;
    *out = tcp_half_become(tcp, &syn, &why);
    if (*out == NULL) {
        return tcp->settings.abort_on_overflow ? BERTH_DROP_NO_CONNECTION : why;
    }
    tcp->stats->tcp_cookies_in++;
    return BERTH_DROP_NONE;
}
