/* SPDX-License-Identifier: MIT */
/* The words that would allow what was refused of a name: by the service that was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run/dns_message.h"
#include "run/name_refusal.h"

static char hint[NAME_HINT_BYTES];
static char detail[NAME_DETAIL_BYTES];

static void read(const struct name_refused *refused)
{
    (void)name_refusal_hint(refused, hint);
    (void)name_refusal_detail(refused, detail);
}

static void test_questions(void **state)
{
    static const char srv[] = "_http._tcp.a.test";
    static const char odd_srv[] = "_no-such-service._tcp.a.test";
    struct name_refused refused = {.why = NAME_REFUSED_RULES, .type = DNS_TYPE_A};

    (void)state;
    refused.name = refused.host = "a.test";
    read(&refused);
    assert_string_equal(hint, "out https to a.test");
    assert_string_equal(detail, "a.test");
    refused.name = srv;
    refused.host = srv + strlen("_http._tcp.");
    refused.type = DNS_TYPE_SRV;
    read(&refused);
    assert_string_equal(hint, "out http to a.test");
    assert_string_equal(detail, "_http._tcp.a.test (SRV)");
    refused.name = odd_srv;
    refused.host = odd_srv + strlen("_no-such-service._tcp.");
    read(&refused);
    assert_string_equal(hint, "out https to a.test");
    refused.why = NAME_REFUSED_UNNAMED;
    refused.type = DNS_TYPE_TXT;
    read(&refused);
    assert_string_equal(hint, "out https to a.test");
    refused.why = NAME_REFUSED_TYPE; /* no rule helps */
    read(&refused);
    assert_string_equal(hint, "");
    refused.why = NAME_REFUSED_RULES;
    refused.host = NULL; /* nothing that a rule names */
    read(&refused);
    assert_string_equal(hint, "");
}

/* The program chose the words: they open what they name, and say nothing to a shell. */
static void test_names_that_are_words(void **state)
{
    static const char *const none[] = {"*.com",   "a.test,any", "a.test log", "x';id;'",
                                       "$(id).t", "a?b.test",   "a.1",        ""};
    struct name_refused refused = {.why = NAME_REFUSED_RULES, .type = DNS_TYPE_A, .port = 80};

    (void)state;
    refused.name = refused.host = "any";
    read(&refused);
    assert_string_equal(hint, "out https to any.");
    refused.why = NAME_REFUSED_SERVER;
    refused.name = refused.host = "host";
    read(&refused);
    assert_string_equal(hint, "out http to host.");
    refused.name = refused.host = "192.0.2.7";
    read(&refused);
    assert_string_equal(hint, "out http to 192.0.2.7");
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        refused.name = refused.host = none[i];
        refused.why = NAME_REFUSED_SERVER;
        read(&refused);
        assert_string_equal(hint, "");
        refused.why = NAME_REFUSED_RULES;
        read(&refused);
        assert_string_equal(hint, "");
    }
}

static void test_connections(void **state)
{
    struct berth_address address = berth_address_v4(0x0a000001);
    struct name_refused refused = {.why = NAME_REFUSED_ADDRESS,
                                   .name = "a.test",
                                   .host = "a.test",
                                   .type = DNS_TYPE_A,
                                   .address = &address,
                                   .kind = "private"};

    (void)state;
    read(&refused);
    assert_string_equal(hint, "out https to 10.0.0.1");
    assert_string_equal(detail, "a.test (10.0.0.1, private)");
    refused = (struct name_refused){.why = NAME_REFUSED_SERVER, .name = "b.test", .port = 443};
    refused.host = refused.name;
    read(&refused);
    assert_string_equal(hint, "out https to b.test");
    refused.port = 8443;
    read(&refused);
    assert_string_equal(hint, "out pcsync-https to b.test");
    refused.port = 50001;
    read(&refused);
    assert_string_equal(hint, "out 50001/tcp to b.test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_names_that_are_words),
        cmocka_unit_test(test_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
