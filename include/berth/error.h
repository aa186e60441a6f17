/* SPDX-License-Identifier: MIT */
/*
 * The caller's mistakes, and how a connection ended.
 *
 * A call that can fail returns 0 or one of these, negative; its outputs come last and are untouched
 * on failure. What a peer does wrong is never an error of a call: it is counted (stats.h).
 */
#ifndef BERTH_ERROR_H
#define BERTH_ERROR_H

#include <berth/visibility.h>

#ifdef __cplusplus
extern "C" {
#endif

enum berth_error {
    BERTH_OK = 0,
    BERTH_E_INVALID = -1,    /* an argument is out of its range */
    BERTH_E_STALE = -2,      /* the id names something that is gone, or something of another kind */
    BERTH_E_STATE = -3,      /* the call is not allowed in this state */
    BERTH_E_AGAIN = -4,      /* nothing there, or no room, now: wait for the event */
    BERTH_E_LIMIT = -5,      /* a limit of the configuration is reached */
    BERTH_E_IN_USE = -6,     /* the port, or the four-tuple, is taken */
    BERTH_E_NO_PORT = -7,    /* no ephemeral port is free towards that remote endpoint */
    BERTH_E_DENIED = -8,     /* the firewall's rules do not allow it */
    BERTH_E_NO_ROUTE = -9,   /* no route to the address, or no local address to use */
    BERTH_E_CLOSED = -10,    /* this direction has been closed */
    BERTH_E_TOO_LONG = -11,  /* more than a datagram, a name or a rule can hold */
    BERTH_E_REFUSED = -12,   /* the peer answered the SYN with a RST; ICMP: port unreachable */
    BERTH_E_RESET = -13,     /* the peer sent a RST */
    BERTH_E_TIMED_OUT = -14, /* no answer in time (RFC 9293 3.8.3: R2; keep-alive; user timeout) */
    BERTH_E_NET_UNREACHABLE = -15,  /* ICMP: no route to the network */
    BERTH_E_HOST_UNREACHABLE = -16, /* ICMP: no route to the host */
    BERTH_E_PROHIBITED = -17,       /* ICMP: administratively prohibited */
    BERTH_E_ABORTED = -18,          /* this side aborted it */
    BERTH_E_SYNTAX = -19            /* a text (rule, address) does not parse */
};

/* A short English text for ERROR, "unknown error" for what is none. Static; never NULL. */
BERTH_API const char *berth_error_text(int error);

#ifdef __cplusplus
}
#endif
#endif
