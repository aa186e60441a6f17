/* SPDX-License-Identifier: MIT */
/*
 * The types and codes of ICMP (RFC 792, 1122, 1812) and ICMPv6 (RFC 4443) that are sent or
 * understood here.
 */
#ifndef IP_ICMP_H
#define IP_ICMP_H

#include "wire/packet.h"

enum icmp4_type {
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACHABLE = 3,
    ICMP4_SOURCE_QUENCH = 4,
    ICMP4_REDIRECT = 5,
    ICMP4_ECHO_REQUEST = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAMETER_PROBLEM = 12
};

enum icmp4_unreachable { /* codes of ICMP4_UNREACHABLE */
                         ICMP4_NETWORK = 0,
                         ICMP4_HOST = 1,
                         ICMP4_PROTOCOL = 2,
                         ICMP4_PORT = 3,
                         ICMP4_TOO_BIG = 4,
                         ICMP4_SOURCE_ROUTE = 5,
                         ICMP4_NETWORK_UNKNOWN = 6,
                         ICMP4_NETWORK_PROHIBITED = 9,
                         ICMP4_HOST_PROHIBITED = 10,
                         ICMP4_NETWORK_TOS = 11,
                         ICMP4_PROHIBITED = 13
};

enum icmp6_type {
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAMETER_PROBLEM = 4,
    ICMP6_ERROR_LAST = 127, /* RFC 4443 2.1: up to here they are errors */
    ICMP6_ECHO_REQUEST = 128,
    ICMP6_ECHO_REPLY = 129
};

enum icmp6_unreachable { /* codes of ICMP6_UNREACHABLE */
                         ICMP6_NETWORK = 0,
                         ICMP6_PROHIBITED = 1,
                         ICMP6_SCOPE = 2,
                         ICMP6_HOST = 3,
                         ICMP6_PORT = 4,
                         ICMP6_SOURCE_POLICY = 5,
                         ICMP6_REJECT_ROUTE = 6
};

#define ICMP_REASSEMBLY_TIME 1 /* code of both versions' time exceeded */
#define ICMP6_NEXT_HEADER    1 /* code of ICMP6_PARAMETER_PROBLEM */

/* Does a message of TYPE tell of an error (and so is never answered with one)? */
static inline bool icmp_is_error(uint8_t version, uint8_t type)
{
    if (version == 6) {
        return type <= ICMP6_ERROR_LAST;
    }
    return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
           type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
}

static inline bool icmp_is_echo_request(uint8_t version, uint8_t type)
{
    return type == (version == 4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
}

#endif
