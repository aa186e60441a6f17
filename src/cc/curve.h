/* SPDX-License-Identifier: MIT */
/*
 * CUBIC's curve (RFC 9438 4.2) in integers: C * t^3 and its inverse. Pure; for cubic.c.
 *
 * Time is in ticks of 2^-20 s, so that a square and a cube lose nothing but shifted-out bits.
 * Windows are in bytes; C is 0.4 segments per s^3 (RFC 9438 5.1), a segment has MSS bytes.
 */
#ifndef CC_CURVE_H
#define CC_CURVE_H

#include "cc/cc.h"

#define CC_CURVE_TICKS_MAX ((uint32_t)1 << 31) /* 2048 s: there the curve has left every window */

/* NS in ticks, rounded down; at most CC_CURVE_TICKS_MAX. */
uint32_t cc_curve_ticks(uint64_t ns);

/* The largest r with r^3 <= VALUE. */
uint32_t cc_curve_cube_root(uint64_t value);

/* 0.4 * t^3 segments of MSS bytes (1 to 65535), in bytes, at most CC_WINDOW_MAX. Less than the
 * true value by no more than 2 + mss * 0.4 * t / 1024 bytes (t in seconds). TICKS <=
 * CC_CURVE_TICKS_MAX. */
uint32_t cc_curve_bytes(uint32_t ticks, uint32_t mss);

/* The time at which the curve reaches BYTES (at most CC_WINDOW_MAX): K of RFC 9438 4.2. Less
 * than the true value by no more than 2^-14 of it and a tick. */
uint32_t cc_curve_time(uint32_t bytes, uint32_t mss);

#endif
