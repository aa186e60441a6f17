/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_address.c: any text as an address, an endpoint and a prefix.
 *
 * Held against: libc takes and refuses the same addresses and reads the same bytes; what parses is
 * written and read back the same, within the space that the header promises; a failure leaves the
 * output alone; nothing past the text's NUL is read (the copy ends there, for ASan).
 */
#include <berth/address.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)    \
    do {                    \
        if (!(condition)) { \
            abort();        \
        }                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *text)
{
    struct berth_address address;
    struct berth_address before;
    uint8_t theirs[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool good =
        inet_pton(AF_INET, text, theirs + 12) == 1 || inet_pton(AF_INET6, text, theirs) == 1;

    memset(&address, 0x5a, sizeof address);
    before = address;
    CHECK((berth_address_parse(text, &address) == 0) == good);
    if (!good) {
        CHECK(memcmp(&address, &before, sizeof address) == 0);
        return;
    }
    char written[BERTH_ADDRESS_TEXT_BYTES];
    CHECK(memcmp(address.bytes, theirs, sizeof theirs) == 0);
    CHECK(berth_address_format(&address, written) == written);
    CHECK(strlen(written) < sizeof written);
    CHECK(berth_address_parse(written, &before) == 0);
    CHECK(berth_address_is_equal(&address, &before));
}

static void check_endpoint(const char *text)
{
    struct berth_endpoint endpoint;
    struct berth_endpoint back;
    char written[BERTH_ENDPOINT_TEXT_BYTES];

    if (berth_endpoint_parse(text, &endpoint) != 0) {
        return;
    }
    CHECK(berth_endpoint_format(&endpoint, written) == written);
    CHECK(strlen(written) < sizeof written);
    CHECK(berth_endpoint_parse(written, &back) == 0);
    CHECK(berth_endpoint_is_equal(&endpoint, &back));
}

static void check_prefix(const char *text)
{
    struct berth_prefix prefix;

    if (berth_prefix_parse(text, &prefix) != 0) {
        return;
    }
    CHECK(prefix.bits <= 128);
    CHECK(berth_prefix_contains(&prefix, &prefix.address));
    if (prefix.bits > 0) {
        struct berth_address outside = prefix.address;
        uint32_t last = prefix.bits - 1U;

        outside.bytes[last / 8] ^= (uint8_t)(0x80 >> last % 8);
        CHECK(!berth_prefix_contains(&prefix, &outside));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    check_address(text);
    check_endpoint(text);
    check_prefix(text);
    free(text);
    return 0;
}
