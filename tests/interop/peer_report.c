/* SPDX-License-Identifier: MIT */
/*
 * What berth_peer tells: one JSON document.
 */
#include "tests/interop/peer.h"

#include "base/bytes.h"

#include <stdio.h>

#define INFO_NUMBER(member) json_object_set_new(out, #member, json_integer((json_int_t)info.member))
#define INFO_BOOL(member)   json_object_set_new(out, #member, json_boolean(info.member))

static json_t *info_of(const struct peer *peer)
{
    json_t *out = json_object();
    struct berth_tcp_info info;

    if (berth_tcp_info(peer->berth, peer->id, &info) != 0) {
        return out;
    }
    json_object_set_new(out, "state", json_string(berth_tcp_state_name(info.state)));
    json_object_set_new(out, "congestion_control", json_string(info.congestion_control));
    INFO_NUMBER(srtt_ns);
    INFO_NUMBER(rttvar_ns);
    INFO_NUMBER(rto_ns);
    INFO_NUMBER(bytes_sent);
    INFO_NUMBER(bytes_acked);
    INFO_NUMBER(bytes_received);
    INFO_NUMBER(bytes_retransmitted);
    INFO_NUMBER(retransmissions);
    INFO_NUMBER(timeouts);
    INFO_NUMBER(fast_recoveries);
    INFO_NUMBER(cwnd_bytes);
    INFO_NUMBER(ssthresh_bytes);
    INFO_NUMBER(flight_bytes);
    INFO_NUMBER(snd_wnd);
    INFO_NUMBER(rcv_wnd);
    INFO_NUMBER(mss_send);
    INFO_NUMBER(mss_receive);
    INFO_NUMBER(snd_wscale);
    INFO_NUMBER(rcv_wscale);
    INFO_NUMBER(dscp_received);
    INFO_NUMBER(ecn);
    INFO_NUMBER(marks_told);
    INFO_NUMBER(marks_received);
    INFO_BOOL(timestamps);
    INFO_BOOL(sack);
    INFO_BOOL(window_scale);
    return out;
}

void peer_report_turn(struct peer *peer)
{
    uint64_t ns = peer->finished_ns > peer->connected_ns ? peer->finished_ns - peer->connected_ns
                                                         : peer->now_ns - peer->connected_ns;
    json_t *info = info_of(peer);
    json_int_t acked = json_integer_value(json_object_get(info, "bytes_acked"));
    double seconds = (double)ns / 1e9;
    json_t *out = json_object();

    json_object_set_new(out, "error", json_integer(peer->error));
    json_object_set_new(out, "ended",
                        json_string(peer->error == 0 ? "" : berth_error_text(peer->error)));
    json_object_set_new(out, "connected", json_boolean(peer->is_connected));
    json_object_set_new(out, "peer_closed", json_boolean(peer->has_ended));
    json_object_set_new(out, "sent", json_integer((json_int_t)peer->sent));
    json_object_set_new(out, "received", json_integer((json_int_t)peer->received));
    json_object_set_new(out, "mismatch_at",
                        peer->is_mismatched ? json_integer((json_int_t)peer->mismatch_at)
                                            : json_null());
    json_object_set_new(out, "urgent_seen", json_integer((json_int_t)peer->urgent_seen));
    json_object_set_new(out, "events", json_integer(peer->bits));
    json_object_set_new(out, "seconds", json_real(seconds));
    json_object_set_new(out, "mbps_in",
                        json_real(seconds > 0 ? (double)peer->received * 8e-6 / seconds : 0));
    json_object_set_new(out, "mbps_out",
                        json_real(seconds > 0 ? (double)acked * 8e-6 / seconds : 0));
    json_object_set_new(out, "info", info);
    json_array_append_new(peer->results, out);
}

static json_t *drops_of(const struct berth_stats *stats)
{
    json_t *out = json_object();

    for (int i = BERTH_DROP_NONE + 1; i < BERTH_DROP_COUNT; i++) {
        if (stats->drops[i] > 0) {
            json_object_set_new(out, berth_drop_name((enum berth_drop)i),
                                json_integer((json_int_t)stats->drops[i]));
        }
    }
    return out;
}

int peer_report(struct peer *peer)
{
    const struct link_counters *counters = &peer->link->counters;
    json_t *out = json_object();
    struct berth_stats stats;
    char *text;

    if (!peer->is_over && peer->id != 0) {
        peer_report_turn(peer);
    }
    berth_stats(peer->berth, &stats);
    json_object_set_new(out, "over", json_boolean(peer->is_over));
    json_object_set_new(out, "turns", peer->results);
    json_object_set_new(out, "drops", drops_of(&stats));
    json_object_set_new(out, "resets_out", json_integer((json_int_t)stats.tcp_resets_out));
    json_object_set_new(out, "packets_in", json_integer((json_int_t)stats.packets_in));
    json_object_set_new(out, "packets_out", json_integer((json_int_t)stats.packets_out));
    json_object_set_new(out, "connections_left", json_integer(stats.tcp_connections));
    json_object_set_new(out, "fast_opens", json_integer((json_int_t)stats.tcp_fast_opens));
    json_object_set_new(out, "time_wait", json_integer(stats.tcp_time_wait));
    json_object_set_new(out, "lost_impaired", json_integer((json_int_t)counters->lost_impaired));
    json_object_set_new(out, "lost_send", json_integer((json_int_t)counters->lost_send));
    json_object_set_new(out, "lost_unfit", json_integer((json_int_t)counters->lost_unfit));
    text = json_dumps(out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text == NULL || puts(text) < 0) {
        peer_die("report", "no memory");
    }
    free(text);
    json_decref(out);
    return peer->is_over ? 0 : 3;
}
