/* SPDX-License-Identifier: MIT */
/*
 * firewall/name.c: see firewall/name.h. Pure.
 */
#include "firewall/name.h"

#include <string.h>

#define LABEL_BYTES_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_in_label(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

bool firewall_name_check(const char *text, size_t *bytes)
{
    size_t end = *bytes > 0 && text[*bytes - 1] == '.' ? *bytes - 1 : *bytes;
    size_t label = 0; /* bytes of the one under way */
    bool is_number = true;

    if (end == 0 || end >= BERTH_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < end; i++) {
        if (text[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
            is_number = true;
        } else {
            label++;
            is_number = is_number && is_digit(text[i]);
            if (!is_in_label(text[i]) || label > LABEL_BYTES_MAX) {
                return false;
            }
        }
    }
    *bytes = end;
    return label > 0 && !is_number;
}

uint8_t firewall_name_copy(const char *text, size_t bytes, char out[BERTH_NAME_BYTES])
{
    if (!firewall_name_check(text, &bytes)) {
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        bool is_upper = text[i] >= 'A' && text[i] <= 'Z';

        out[i] = is_upper ? (char)(text[i] - 'A' + 'a') : text[i];
    }
    out[bytes] = '\0';
    return (uint8_t)bytes;
}

uint8_t firewall_name_write(const char *text, char out[BERTH_NAME_BYTES])
{
    uint8_t bytes = firewall_name_copy(text, strlen(text), out);

    if (bytes > 0 && memchr(out, '.', bytes) == NULL) { /* of one label: there is room */
        out[bytes++] = '.';
        out[bytes] = '\0';
    }
    return bytes;
}

/* Is NAME below PATTERN's, with at least a label in front of it? */
static bool is_below(const struct firewall_pattern *pattern, const char *name, size_t bytes)
{
    size_t front = bytes - pattern->bytes;

    return bytes > pattern->bytes && name[front - 1] == '.' &&
           memcmp(name + front, pattern->text, pattern->bytes) == 0;
}

bool firewall_name_matches(const struct firewall_pattern *pattern, const char *name, size_t bytes)
{
    if (pattern->has_star) {
        return is_below(pattern, name, bytes);
    }
    return bytes == pattern->bytes && memcmp(name, pattern->text, bytes) == 0;
}

bool firewall_name_covers(const struct firewall_pattern *pattern,
                          const struct firewall_pattern *other)
{
    bool is_same =
        pattern->bytes == other->bytes && memcmp(pattern->text, other->text, other->bytes) == 0;

    if (is_same) {
        return pattern->has_star == other->has_star;
    }
    return pattern->has_star && is_below(pattern, other->text, other->bytes);
}
