/* SPDX-License-Identifier: MIT */
/*
 * link/units.c: numbers with a unit. A value is its whole part times the unit plus its digits after
 * the point times the unit, divided: no floating point.
 */
#include "link/units.h"

#include <string.h>

#define FRACTION_DIGITS_MAX 9
#define TIME_NS_MAX         UINT64_C(3600000000000)
#define RATE_BPS_MIN        UINT64_C(1000)
#define RATE_BPS_MAX        UINT64_C(1000000000000)
#define BYTES_MAX           (UINT64_C(1) << 30)
#define PPM_MAX             1000000

struct unit {
    const char *name;
    uint64_t scale;
};

/* A number as written: WHOLE and FRACTION / 10^digits. */
struct decimal {
    uint64_t whole;
    uint64_t fraction;
    uint64_t fraction_scale; /* 10^digits */
    size_t bytes;            /* of the text that it took; 0: no number */
};

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* Digits at TEXT; false: too large. */
static bool read_digits(const char *text, size_t bytes, size_t *at, uint64_t *out)
{
    while (*at < bytes && is_digit(text[*at])) {
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(text[*at] - '0'), out)) {
            return false;
        }
        (*at)++;
    }
    return true;
}

static struct decimal read_decimal(const char *text, size_t bytes)
{
    const struct decimal none = {0};
    struct decimal decimal = {.fraction_scale = 1};
    size_t at = 0;
    size_t point;

    if (bytes == 0 || !is_digit(text[0]) || !read_digits(text, bytes, &at, &decimal.whole)) {
        return none;
    }
    if (at < bytes && text[at] == '.') {
        point = at++;
        if (!read_digits(text, bytes, &at, &decimal.fraction)) {
            return none;
        }
        if (at == point + 1 || at - point - 1 > FRACTION_DIGITS_MAX) {
            return none;
        }
        for (size_t i = point + 1; i < at; i++) {
            decimal.fraction_scale *= 10;
        }
    }
    decimal.bytes = at;
    return decimal;
}

/* DECIMAL times SCALE, rounded down; false: more than MAX. */
static bool scale_decimal(const struct decimal *decimal, uint64_t scale, uint64_t max,
                          uint64_t *out)
{
    uint64_t value;
    uint64_t part;

    if (__builtin_mul_overflow(decimal->whole, scale, &value)) {
        return false;
    }
    part = link_mul_div(decimal->fraction, scale, decimal->fraction_scale);
    if (__builtin_add_overflow(value, part, &value) || value > max) {
        return false;
    }
    *out = value;
    return true;
}

static bool is_word(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

/* Reads TEXT by UNITS (ended by a NULL name). "0" needs no unit. */
static bool parse(const char *text, size_t bytes, const struct unit *units, uint64_t max,
                  uint64_t *out)
{
    struct decimal decimal = read_decimal(text, bytes);

    if (decimal.bytes == 0) {
        return false;
    }
    if (decimal.bytes == bytes) {
        if (decimal.whole != 0 || decimal.fraction != 0) {
            return false;
        }
        *out = 0;
        return true;
    }
    for (; units->name != NULL; units++) {
        if (is_word(text + decimal.bytes, bytes - decimal.bytes, units->name)) {
            return scale_decimal(&decimal, units->scale, max, out);
        }
    }
    return false;
}

bool link_parse_time_ns(const char *text, size_t bytes, uint64_t *out)
{
    static const struct unit units[] = {
        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000U}, {NULL, 0},
    };

    return parse(text, bytes, units, TIME_NS_MAX, out);
}

bool link_parse_ppm(const char *text, size_t bytes, uint32_t *out)
{
    static const struct unit units[] = {{"%", 10000}, {"ppm", 1}, {NULL, 0}};
    uint64_t value;

    if (!parse(text, bytes, units, PPM_MAX, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool link_parse_rate_bps(const char *text, size_t bytes, uint64_t *out)
{
    static const struct unit units[] = {
        {"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}, {NULL, 0},
    };
    uint64_t value;

    if (!parse(text, bytes, units, RATE_BPS_MAX, &value) || value < RATE_BPS_MIN) {
        return false;
    }
    *out = value;
    return true;
}

bool link_parse_bytes(const char *text, size_t bytes, uint32_t *out)
{
    static const struct unit units[] = {
        {"b", 1},         {"k", 1U << 10},   {"kb", 1U << 10},  {"kib", 1U << 10},
        {"m", 1U << 20},  {"mb", 1U << 20},  {"mib", 1U << 20}, {"g", 1U << 30},
        {"gb", 1U << 30}, {"gib", 1U << 30}, {NULL, 0},
    };
    uint64_t value;

    if (!parse(text, bytes, units, BYTES_MAX, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

bool link_parse_number(const char *text, size_t bytes, uint64_t *out)
{
    uint64_t value = 0;
    size_t at = 0;

    if (bytes == 0 || !read_digits(text, bytes, &at, &value) || at != bytes) {
        return false;
    }
    *out = value;
    return true;
}
