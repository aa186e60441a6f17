/* SPDX-License-Identifier: MIT */
/*
 * run/dns_service.h: records that point to other names: SRV (RFC 2782), MX, SVCB and HTTPS (RFC
 * 9460). Only dns_answer.c includes it.
 */
#ifndef RUN_DNS_SERVICE_H
#define RUN_DNS_SERVICE_H

#include "run/dns_packet.h"

/* The name that RECORD points to, if it is a host's. */
bool dns_service_target(const ldns_rr *record, char out[NAMING_BYTES]);
/*
 * SVCB or HTTPS without address hints, which would be addresses that nobody has looked at, and
 * without ECH, which would hide the server's name; both are only offers (RFC 9460 7.3, RFC 9849).
 * *CHANGED: something was there. NULL: no memory, out of shape, or of no use without them.
 */
ldns_rr *dns_service_strip(const ldns_rr *record, bool *changed);

#endif
