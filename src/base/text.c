/* SPDX-License-Identifier: MIT */
/*
 * base/text.c: errors and drop reasons in words. Drop names are stable: scripts read them.
 */
#include <berth/error.h>
#include <berth/stats.h>

const char *berth_error_text(int error)
{
    switch ((enum berth_error)error) {
    case BERTH_OK:
        return "success";
    case BERTH_E_INVALID:
        return "invalid argument";
    case BERTH_E_STALE:
        return "no longer there";
    case BERTH_E_STATE:
        return "not allowed in this state";
    case BERTH_E_AGAIN:
        return "try again later";
    case BERTH_E_LIMIT:
        return "a configured limit is reached";
    case BERTH_E_IN_USE:
        return "address or port in use";
    case BERTH_E_NO_PORT:
        return "no free port";
    case BERTH_E_DENIED:
        return "denied by the rules";
    case BERTH_E_NO_ROUTE:
        return "no route";
    case BERTH_E_CLOSED:
        return "closed";
    case BERTH_E_TOO_LONG:
        return "too long";
    case BERTH_E_REFUSED:
        return "connection refused";
    case BERTH_E_RESET:
        return "connection reset by peer";
    case BERTH_E_TIMED_OUT:
        return "timed out";
    case BERTH_E_NET_UNREACHABLE:
        return "network unreachable";
    case BERTH_E_HOST_UNREACHABLE:
        return "host unreachable";
    case BERTH_E_PROHIBITED:
        return "administratively prohibited";
    case BERTH_E_ABORTED:
        return "aborted";
    case BERTH_E_SYNTAX:
        return "syntax error";
    }
    return "unknown error";
}

static const char *const drop_names[BERTH_DROP_COUNT] = {
    [BERTH_DROP_NONE] = "none",
    [BERTH_DROP_TRUNCATED] = "truncated",
    [BERTH_DROP_BAD_VERSION] = "bad_version",
    [BERTH_DROP_BAD_HEADER_LENGTH] = "bad_header_length",
    [BERTH_DROP_BAD_LENGTH] = "bad_length",
    [BERTH_DROP_BAD_CHECKSUM] = "bad_checksum",
    [BERTH_DROP_BAD_OPTION] = "bad_option",
    [BERTH_DROP_SOURCE_ROUTE] = "source_route",
    [BERTH_DROP_MARTIAN_SOURCE] = "martian_source",
    [BERTH_DROP_MARTIAN_DESTINATION] = "martian_destination",
    [BERTH_DROP_BAD_FRAGMENT] = "bad_fragment",
    [BERTH_DROP_BAD_PORT] = "bad_port",
    [BERTH_DROP_BAD_TCP_OPTION] = "bad_tcp_option",
    [BERTH_DROP_BAD_TCP_FLAGS] = "bad_tcp_flags",
    [BERTH_DROP_BAD_ICMP] = "bad_icmp",
    [BERTH_DROP_BAD_OFFLOAD] = "bad_offload",
    [BERTH_DROP_NOT_OURS] = "not_ours",
    [BERTH_DROP_SPOOFED_SOURCE] = "spoofed_source",
    [BERTH_DROP_UNKNOWN_PROTOCOL] = "unknown_protocol",
    [BERTH_DROP_MULTICAST] = "multicast",
    [BERTH_DROP_REASSEMBLY_TIMEOUT] = "reassembly_timeout",
    [BERTH_DROP_REASSEMBLY_LIMIT] = "reassembly_limit",
    [BERTH_DROP_HOP_LIMIT] = "hop_limit",
    [BERTH_DROP_DENIED] = "denied",
    [BERTH_DROP_SILENT] = "silent",
    [BERTH_DROP_NO_LISTENER] = "no_listener",
    [BERTH_DROP_NO_CONNECTION] = "no_connection",
    [BERTH_DROP_NO_ECHO] = "no_echo",
    [BERTH_DROP_TCP_OUT_OF_WINDOW] = "tcp_out_of_window",
    [BERTH_DROP_TCP_OLD_TIMESTAMP] = "tcp_old_timestamp",
    [BERTH_DROP_TCP_BLIND] = "tcp_blind",
    [BERTH_DROP_TCP_BAD_ACK] = "tcp_bad_ack",
    [BERTH_DROP_TCP_STATE] = "tcp_state",
    [BERTH_DROP_TCP_DUPLICATE] = "tcp_duplicate",
    [BERTH_DROP_TCP_AFTER_CLOSE] = "tcp_after_close",
    [BERTH_DROP_NO_BUFFER] = "no_buffer",
    [BERTH_DROP_CONNECTION_LIMIT] = "connection_limit",
    [BERTH_DROP_BACKLOG_FULL] = "backlog_full",
    [BERTH_DROP_HELD_LIMIT] = "held_limit",
    [BERTH_DROP_REORDER_LIMIT] = "reorder_limit",
    [BERTH_DROP_QUEUE_FULL] = "queue_full",
    [BERTH_DROP_REPLY_LIMIT] = "reply_limit",
    [BERTH_DROP_RECEIVE_BUDGET] = "receive_budget",
    [BERTH_DROP_NO_ROUTE] = "no_route",
    [BERTH_DROP_TOO_BIG] = "too_big",
};

const char *berth_drop_name(enum berth_drop drop)
{
    /* The cast: a negative value is out of range too. */
    return (unsigned)drop < BERTH_DROP_COUNT ? drop_names[drop] : "unknown";
}
