/* SPDX-License-Identifier: MIT */
/*
 * A stack's settings by name: any member of struct berth_config, its "tcp." or "limits." before it
 * or not; one that ends in _ns also as _ms; "cc" for the congestion control.
 */
#include "tests/interop/peer.h"

#include "base/bytes.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
    const char *name;
    size_t offset;
    size_t bytes;
    bool is_text;
};

#define ROW(path, text)                                                                       \
    {                                                                                         \
#path, offsetof(struct berth_config, path), sizeof(((struct berth_config *)0)->path), \
            (text)                                                                            \
    }
#define SETTING(path) ROW(path, false)
#define TEXT(path)    ROW(path, true)

static const struct setting settings[] = {
#include "packetdrill_settings.inc"
};

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const char *dot = strchr(settings[i].name, '.');

        if (strcmp(settings[i].name, name) == 0 || (dot != NULL && strcmp(dot + 1, name) == 0)) {
            return &settings[i];
        }
    }
    return NULL;
}

/* As find; *UNIT: what a number is to be multiplied with. */
static const struct setting *find_unit(const char *name, uint64_t *unit)
{
    size_t bytes = strlen(name);
    char as_ns[64];

    *unit = 1;
    if (strcmp(name, "cc") == 0) {
        return find("congestion_control");
    }
    if (bytes > 3 && bytes < sizeof as_ns && strcmp(name + bytes - 3, "_ms") == 0) {
        *unit = NS_PER_MS;
        (void)snprintf(as_ns, sizeof as_ns, "%.*s_ns", (int)(bytes - 3), name);
        return find(as_ns);
    }
    return find(name);
}

/* PLACE: where SETTING is. */
static bool store(const struct setting *setting, uint64_t unit, const char *text, uint8_t *place)
{
    uint64_t value;
    char *end;

    if (setting->is_text) {
        return (size_t)snprintf((char *)place, setting->bytes, "%s", text) < setting->bytes;
    }
    value = strtoull(text, &end, 0) * unit;
    if (end == text || *end != '\0' ||
        (setting->bytes < sizeof value && value >> 8 * setting->bytes != 0)) {
        return false;
    }
    memcpy(place, &value, setting->bytes); /* little-endian, as all that berth runs on */
    return true;
}

bool peer_setting(struct berth_config *config, const char *text)
{
    const char *equals = strchr(text, '=');
    const struct setting *setting;
    uint64_t unit;
    char name[64];

    if (equals == NULL || (size_t)(equals - text) >= sizeof name) {
        return false;
    }
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    setting = find_unit(name, &unit);
    return setting != NULL && store(setting, unit, equals + 1, (uint8_t *)config + setting->offset);
}

void peer_settings_list(void)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        printf("%s\n", settings[i].name);
    }
}
