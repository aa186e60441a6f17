/* SPDX-License-Identifier: MIT */
/*
 * The user timeout option (RFC 5482): each side may say for how long it would wait, and each may
 * wait as long as the other asks for, within limits. Off unless the owner wants it.
 *
 *   RFC 5482 3      here
 *   ENABLED         options->timeout_option
 *   ADV_UTO         options->advertised_ns, else the user timeout that was set
 *   CHANGEABLE      options->timeout_changeable, false once the owner has set a user timeout
 *   USER_TIMEOUT    options->user_timeout_ns
 *   REMOTE_UTO      options->told_ns
 *   L_, U_LIMIT     settings.user_timeout_min_ns, user_timeout_max_ns
 */
#include "tcp/parts.h"

#define FIELD_MINUTES 0x8000U /* G */
#define FIELD_MAX     0x7fffU
#define OPTION_BYTES  4

static uint64_t advertised_ns(const struct tcp *tcp, const struct tcp_options *options)
{
    if (options->advertised_ns != 0) {
        return options->advertised_ns;
    }
    return options->timeout_changeable ? tcp->settings.user_timeout_ns : options->user_timeout_ns;
}

/* RFC 5482 3.3: seconds while they fit, else minutes; never 0 (3.4). */
static uint16_t field_of(uint64_t ns)
{
    uint64_t seconds = max_u64(ns / NS_PER_S + (ns % NS_PER_S != 0 ? 1 : 0), 1);
    if (seconds <= FIELD_MAX) {
        return (uint16_t)seconds;
    }
    return (uint16_t)(FIELD_MINUTES | min_u64((seconds + 59) / 60, FIELD_MAX));
}

static uint64_t ns_of(uint16_t field)
{
    uint64_t unit_ns = (field & FIELD_MINUTES) != 0 ? 60 * NS_PER_S : NS_PER_S;
    return (field & FIELD_MAX) * unit_ns;
}

/* On its way out: on every SYN, and when there is something new to tell on the next segment that
 * has room for it, behind its other options. */
void tcp_timeout_option(const struct tcp *tcp, struct tcp_conn *conn, struct wire_packet *packet)
{
    struct wire_tcp *out = &packet->tcp;
    bool syn = (out->flags & WIRE_SYN) != 0;
    if (!conn->back->options->timeout_option || !(syn || conn->back->timeout_now)) {
        return;
    }
    bool room = wire_tcp_option_bytes(out) + OPTION_BYTES <= WIRE_TCP_OPTION_BYTES_MAX &&
                packet->segment_bytes == 0 &&
                packet->payload_bytes + OPTION_BYTES <= tcp_mss_now(conn);
    if (room) {
        out->options |= WIRE_OPTION_USER_TIMEOUT;
        out->user_timeout = field_of(advertised_ns(tcp, conn->back->options));
        conn->back->timeout_now = conn->back->timeout_now && syn;
    }
}

/* RFC 5482 3.1. What was told stays told: a copy of it costs no record. */
void tcp_on_timeout_option(struct tcp *tcp, struct tcp_conn *conn, const struct wire_tcp *segment)
{
    uint64_t told_ns = ns_of(segment->user_timeout);
    bool there = (segment->options & WIRE_OPTION_USER_TIMEOUT) != 0 && told_ns != 0;
    if (!there || !conn->back->options->timeout_option || told_ns == conn->back->options->told_ns) {
        return;
    }
    struct tcp_options *options = tcp_options_own(tcp, &conn->back->options);
    options->told_ns = told_ns;
    if (options->timeout_changeable) {
        const struct berth_tcp_settings *set = &tcp->settings;
        /* Longer than any retransmission timeout (3.1). */
        uint64_t least_ns = max_u64(set->user_timeout_min_ns, set->rto_max_ns + NS_PER_S);
        uint64_t asked_ns = max_u64(advertised_ns(tcp, options), told_ns);
        options->user_timeout_ns =
            min_u64(max_u64(set->user_timeout_max_ns, least_ns), max_u64(asked_ns, least_ns));
    }
}

/* RFC 5482 4.2: keep-alive does not give up what the user timeout would keep. */
uint64_t tcp_keepalive_idle_ns(const struct tcp_conn *conn)
{
    const struct tcp_options *options = conn->back->options;
    uint64_t least_ns =
        options->timeout_option ? add_sat_u64(options->user_timeout_ns, NS_PER_S) : 0;
    return max_u64(options->keepalive_idle_ns, least_ns);
}
