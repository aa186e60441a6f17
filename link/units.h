/* SPDX-License-Identifier: MIT */
/*
 * Numbers with a unit, as people write them: "40ms", "1.5mbit", "64kb", "0.1%". Pure; whole numbers
 * all the way, so that the same text is the same value everywhere. Used by the impairment's parser
 * and by berth sim's options.
 */
#ifndef LINK_UNITS_H
#define LINK_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A * B / C, rounded down, through 128 bits; the quotient must fit 64. */
static inline uint64_t link_mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    __extension__ unsigned __int128 product = a;

    product *= b;
    return (uint64_t)(product / c);
}

/* What each expects, for messages. */
#define LINK_EXPECT_TIME    "a time such as 40ms (ns, us, ms, s), at most 3600s"
#define LINK_EXPECT_PORTION "a percentage from 0% to 100%, such as 0.5%"
#define LINK_EXPECT_RATE    "a rate such as 10mbit (bit, kbit, mbit, gbit), from 1kbit to 1000gbit"
#define LINK_EXPECT_BYTES   "a size from 1b to 1gb, such as 64kb (b, kb, mb, gb, of 1024 each)"
#define LINK_EXPECT_NUMBER  "a whole number"

/* Each reads the whole of TEXT (BYTES long); false, and *OUT untouched, for anything else. */
bool link_parse_time_ns(const char *text, size_t bytes, uint64_t *out);
bool link_parse_ppm(const char *text, size_t bytes, uint32_t *out);
bool link_parse_rate_bps(const char *text, size_t bytes, uint64_t *out);
bool link_parse_bytes(const char *text, size_t bytes, uint32_t *out);
bool link_parse_number(const char *text, size_t bytes, uint64_t *out);

#endif
