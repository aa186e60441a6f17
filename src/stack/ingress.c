/* SPDX-License-Identifier: MIT */
/*
 * The way in: parse once, admit, reassemble, hand to the transport; time; the one exit at which
 * every packet that went no further is counted.
 */
#include "stack/stack.h"

/* The time of the call under way; a clock that went back stands still. */
void stack_set_now(struct berth *berth, uint64_t now_ns)
{
    berth->now_ns = max_u64(berth->now_ns, now_ns);
    berth->tcp.now_ns = berth->now_ns;
    berth->firewall.now_ns = berth->now_ns;
}

struct berth_buffer *berth_buffer_get(struct berth *berth)
{
    return buffers_get(&berth->buffers);
}

void berth_buffer_put(struct berth *berth, struct berth_buffer *buffer)
{
    buffers_put(&berth->buffers, buffer);
}

/* A transport that nobody here speaks (RFC 1122 3.2.2.1). BUFFER is taken. */
static enum berth_drop on_unknown(struct berth *berth, const struct wire_packet *packet,
                                  struct berth_buffer *buffer)
{
    bool is_shut_out = stack_scan_is_dropped(berth, packet);
    stack_scan_unknown(berth, packet);
    if (!is_shut_out) {
        ip_send_protocol_unreachable(&berth->ip, packet, berth->now_ns);
    }
    buffers_put(&berth->buffers, buffer);
    return BERTH_DROP_UNKNOWN_PROTOCOL;
}

static enum berth_drop dispatch(struct berth *berth, struct wire_packet *packet,
                                struct berth_buffer *buffer)
{
    switch (packet->protocol) {
    case WIRE_TCP:
        return stack_on_tcp(berth, packet, buffer);
    case WIRE_UDP:
        return stack_on_udp(berth, packet, buffer);
    case WIRE_ICMP:
    case WIRE_ICMP6:
        return stack_on_icmp(berth, packet, buffer);
    default:
        return on_unknown(berth, packet, buffer);
    }
}

static enum berth_drop parse(struct berth *berth, struct berth_buffer *buffer,
                             struct wire_packet *packet)
{
    uint64_t end = (uint64_t)buffer->begin + buffer->bytes;
    if (end > buffer->capacity) {
        return BERTH_DROP_TRUNCATED;
    }
    enum berth_drop drop =
        wire_parse(packet, buffer->data + buffer->begin, buffer->bytes, &buffer->offload);
    return drop != BERTH_DROP_NONE ? drop : ip_admit(&berth->ip, packet);
}

/* BUFFER is taken. */
static enum berth_drop receive(struct berth *berth, struct berth_buffer *buffer)
{
    struct wire_packet packet;
    enum berth_drop drop = parse(berth, buffer, &packet);
    if (drop == BERTH_DROP_NONE && packet.is_fragment) {
        buffer = ip_reassemble(&berth->ip, &packet, buffer, berth->now_ns);
        if (buffer == NULL) {
            return BERTH_DROP_NONE;
        }
        drop = parse(berth, buffer, &packet);
        drop = drop == BERTH_DROP_NONE && packet.is_fragment ? BERTH_DROP_BAD_FRAGMENT : drop;
    }
    if (drop != BERTH_DROP_NONE) {
        /* The parser has read all but the options, and the checksum is right. */
        if (drop == BERTH_DROP_BAD_TCP_FLAGS && ip_admit(&berth->ip, &packet) == BERTH_DROP_NONE) {
            stack_scan_odd(berth, &packet);
        }
        buffers_put(&berth->buffers, buffer);
        return drop;
    }
    return dispatch(berth, &packet, buffer);
}

void berth_receive(struct berth *berth, struct berth_buffer *buffer, uint64_t now_ns)
{
    stack_set_now(berth, now_ns);
    berth->stats.packets_in++;
    berth->stats.bytes_in += buffer->bytes;
    enum berth_drop drop = receive(berth, buffer);
    if (drop != BERTH_DROP_NONE) {
        berth->stats.drops[drop]++;
    }
}

uint64_t berth_deadline(const struct berth *berth)
{
    return berth->has_news || berth->tcp.has_untold ? berth->now_ns : timers_next(&berth->timers);
}

/* Would the firewall meet PACKET, a fragment that nobody has judged, with silence? */
static bool is_met_with_silence(struct berth *berth, const struct wire_packet *packet)
{
    bool is_icmp = packet->protocol == WIRE_ICMP || packet->protocol == WIRE_ICMP6;
    struct stack_contact contact = {
        .protocol = is_icmp ? BERTH_ICMP : (enum berth_protocol)packet->protocol,
        .local = {packet->destination, packet->destination_port},
        .remote = {packet->source, packet->source_port},
        .arriving = true,
    };
    struct berth_contact_query query = stack_query(berth, &contact);

    return stack_scan_verdict(berth, &contact) == BERTH_DROP ||
           firewall_judge(&berth->firewall, &query).action == BERTH_DROP;
}

static void on_reassembly_timer(struct berth *berth, struct timer *timer)
{
    struct wire_packet first;
    bool is_told = ip_timed_out(timer, &first) && !is_met_with_silence(berth, &first);

    ip_on_timer(&berth->ip, timer, is_told, berth->now_ns);
}

static void on_timer(struct berth *berth, struct timer *timer)
{
    switch (timer->kind) {
    case TCP_TIMER_CONN:
    case TCP_TIMER_TIME_WAIT:
    case TCP_TIMER_SYN:
        tcp_on_timer(&berth->tcp, timer);
        break;
    case UDP_TIMER_HELD:
        udp_on_timer(&berth->udp, timer);
        break;
    default:
        BERTH_CHECK(timer->kind == IP_TIMER_REASSEMBLY);
        on_reassembly_timer(berth, timer);
        break;
    }
}

void berth_advance(struct berth *berth, uint64_t now_ns)
{
    stack_set_now(berth, now_ns);
    berth->has_news = false;
    struct timer *timer = timers_expire(&berth->timers, berth->now_ns);
    while (timer != NULL) {
        on_timer(berth, timer);
        timer = timers_expire(&berth->timers, berth->now_ns);
    }
    tcp_feed(&berth->tcp);
    udp_on_room(&berth->udp);
}
