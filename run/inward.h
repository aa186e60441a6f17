/* SPDX-License-Identifier: MIT */
/*
 * run/inward.h: addresses that do not lie out in the internet: those that a name server's answer
 * must not lead a program to (DNS rebinding), unless a rule goes by the address. Owns nothing.
 */
#ifndef RUN_INWARD_H
#define RUN_INWARD_H

#include <berth/address.h>

/* "loopback", "link-local", "private" and so on; NULL: a public address. An IPv6 address that
 * carries an IPv4 one (NAT64, 6to4, ISATAP, IPv4-compatible) is what that one is. */
const char *inward_kind(const struct berth_address *address);

#endif
