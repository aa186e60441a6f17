/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the first that a program sends: a verdict, the same whatever pieces they come in,
 * and names that are names.
 */
#include <string.h>

#include "base/check.h"
#include "run/server_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(const struct server_name *name)
{
    BERTH_CHECK((name->verdict == SERVER_NAME_FOUND) == (name->count > 0) ||
                name->verdict == SERVER_NAME_BAD || name->verdict == SERVER_NAME_MORE);
    for (size_t i = 0; i < name->count; i++) {
        const char *end = memchr(name->names[i], '\0', sizeof name->names[i]);

        BERTH_CHECK(end != NULL && end != name->names[i]);
        for (const char *at = name->names[i]; at < end; at++) {
            BERTH_CHECK(*at > ' ' && *at <= '~' && !(*at >= 'A' && *at <= 'Z'));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server_name whole;
    struct server_name pieces;

    server_name_init(&whole);
    server_name_init(&pieces);
    (void)server_name_take(&whole, data, size);
    for (size_t i = 0; i < size; i++) {
        (void)server_name_take(&pieces, data + i, 1);
    }
    BERTH_CHECK(whole.verdict == pieces.verdict && whole.count == pieces.count);
    BERTH_CHECK(whole.bytes <= SERVER_NAME_BYTES_MAX + 1);
    check_names(&whole);
    (void)server_name_end(&whole);
    BERTH_CHECK(whole.verdict != SERVER_NAME_MORE);
    check_names(&whole);
    return 0;
}
