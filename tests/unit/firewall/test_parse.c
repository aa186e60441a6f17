/* SPDX-License-Identifier: MIT */
/*
 * The language: what parses, with its canonical spelling (which must parse to itself), and what
 * does not, with the word, the place and what was expected.
 */
#include "fixture.h"

static const struct fixture_spelling spellings[] = {
    {"allow out", "allow out any"},
    {"allow in any", "allow in any"},
    {"ALLOW OUT HTTPS TO HOST LOG", "allow out https to host log"},
    {"allow out 8080", "allow out 8080/tcp"},
    {"allow out 8080/tcp", "allow out 8080/tcp"},
    {"allow out 53/udp to host", "allow out 53/udp to host"},
    {"allow out 1-65535", "allow out 1-65535/tcp"},
    {"allow out 7-7", "allow out 7/tcp"},
    {"allow out http,https,8080-8090/tcp", "allow out http,https,8080-8090/tcp"},
    {"allow out http , https ,8080", "allow out 8080/tcp,http,https"},
    {"allow out https,443", "allow out 443/tcp,https"},
    {"allow out 80/tcp,53/udp,443/tcp", "allow out 80,443/tcp,53/udp"},
    {"allow out 53,80/tcp,443/udp", "allow out 53,80/tcp,443/udp"},
    {"allow out domain/udp,system", "allow out domain/udp,system"},
    {"allow in ephemeral/udp,User/tcp", "allow in user/tcp,ephemeral/udp"},
    {"allow out tcp", "allow out tcp"},
    {"allow out udp to any", "allow out udp"},
    {"drop in icmp from any,any", "drop in icmp"},
    {"deny out system log", "deny out system log"},
    {"allow out to 10.0.0.0/8", "allow out any to 10.0.0.0/8"},
    {"allow out log", "allow out any log"},
    {"allow in 22 from 192.168.0.0/16, FD00::/64,host,any",
     "allow in 22/tcp from 192.168.0.0/16,fd00::/64,host,any"},
    {"allow out to 10.0.0.7/32", "allow out any to 10.0.0.7"},
    {"allow out to 2001:DB8:0:0::1/128", "allow out any to 2001:db8::1"},
    {"allow out to 0.0.0.0/0,::/0", "allow out any to 0.0.0.0/0,::/0"},
    {"allow out to ::ffff:10.0.0.7", "allow out any to 10.0.0.7"},
    {"allow out cl/1,914c/g", "allow out cl/1,914c/g"},
    {"allow out cl/1/tcp", "allow out cl/1/tcp"},
    {"allow out ssh,ssh", "allow out ssh,ssh"},
    {"allow out x11/tcp", "allow out x11/tcp"},
    {"allow out https # to anywhere", "allow out https"},
    {"allow\tout\thttps\r", "allow out https"},
};

static void canonical_spellings(void **state)
{
    fixture_spellings(*state, spellings, sizeof spellings / sizeof spellings[0]);
}

static const struct fixture_mistake mistakes[] = {
    /* the frame of a rule */
    {"alow out", 1, 1, "alow", "allow, deny, drop or ask (did you mean allow?)"},
    {"permit out", 1, 1, "permit", "allow, deny, drop or ask"},
    {"out https", 1, 1, "out", "allow, deny, drop or ask before it"},
    {"allow", 1, 6, "end of line", "in or out"},
    {"allow allow out", 1, 7, "allow", "in or out (the action is said already)"},
    {"allow ouut https", 1, 7, "ouut", "in or out (did you mean out?)"},
    {"allow https", 1, 7, "https", "in or out"},
    {"\n# note\n  allow out https now", 3, 19, "now", "to, by, limit, log or the end of the rule"},
    {"allow in https now", 1, 16, "now", "from, by, limit, log or the end of the rule"},
    {"allow out https to host now", 1, 25, "now", "by, limit, log or the end of the rule"},
    {"allow out https log to host", 1, 21, "to", "by, limit or the end of the rule"},
    {"allow out https to host to any", 1, 25, "to",
     "by, limit, log or the end of the rule (it is said already)"},
    {"allow in LOG log", 1, 14, "log", "by, limit or the end of the rule (it is said already)"},
    {"allow in by a by b", 1, 15, "by", "limit, log or the end of the rule (it is said already)"},
    {"allow in limit 1/hour limit 2/hour", 1, 23, "limit",
     "by, log or the end of the rule (it is said already)"},
    {"allow out https lgo", 1, 17, "lgo",
     "to, by, limit, log or the end of the rule (did you mean log?)"},
    {"allow out https from host", 1, 17, "from", "to (a rule for out"},
    {"allow in https to host", 1, 16, "to", "from (a rule for in"},
    {"allow out https,", 1, 17, "end of line", "a port, a range, a service name or a category"},
    {"allow out https,,http", 1, 17, ",", "a port, a range, a service name or a category"},
    {"allow out https to", 1, 19, "end of line", "an address, a prefix, a host name, host or any"},
    {"allow out https to host,", 1, 25, "end of line",
     "an address, a prefix, a host name, host or any"},
    {"allow out tcp,udp", 1, 14, ",", "no list after tcp"},
    /* what comes later */
    {"include other", 1, 1, "include", "allow, deny, drop or ask (include is for files of rules)"},
    {"allow out https ask", 1, 17, "ask",
     "to, by, limit, log or the end of the rule (ask is an action: ask out ...)"},
    {"allow out https log by npm log", 1, 28, "log", "limit or the end of the rule"},
    /* names */
    {"allow out https to localhost", 1, 20, "localhost", "host, or 127.0.0.1: no name is"},
    {"allow out https to *", 1, 20, "*", "* for whole labels in front of a name"},
    {"allow out https to *.", 1, 20, "*.", "* for whole labels in front of a name"},
    {"allow out https to a.*.example", 1, 20, "a.*.example", "* for whole labels in front"},
    {"allow out https to *a.example", 1, 20, "*a.example", "* for whole labels in front"},
    {"allow out https to a..example", 1, 20, "a..example", "an address, a prefix, a host name"},
    {"allow out https to .example", 1, 20, ".example", "an address, a prefix, a host name"},
    {"allow out https to a.example..", 1, 20, "a.example..", "an address, a prefix, a host name"},
    {"allow out https to b\xc3\xbc.example", 1, 20, "b\xc3\xbc.example", "an address, a prefix, a"},
    {"allow out https to a.1", 1, 20, "a.1", "an address, a prefix, a host name"},
    {"allow out https to anny", 1, 20, "anny",
     "an address, a prefix, a host name, host or any (did"},
    {"allow out https to log", 1, 20, "log", "an address, a prefix, a host name"},
    {"allow out https to tcp", 1, 20, "tcp", "an address, a prefix, a host name"},
    /* ports */
    {"allow out 0", 1, 11, "0", "a port from 1 to 65535"},
    {"allow out 65536", 1, 11, "65536", "a port from 1 to 65535"},
    {"allow out 99999999999999999999", 1, 11, "99999999999999999999", "a port from 1 to 65535"},
    {"allow out 80-70", 1, 11, "80-70", "the lower port first: 70-80"},
    {"allow out 0-70", 1, 11, "0-70", "a range of ports from 1 to 65535"},
    {"allow out 80-70000", 1, 11, "80-70000", "a range of ports from 1 to 65535"},
    {"allow out 80-", 1, 11, "80-", "a port, a range"},
    {"allow out -80", 1, 11, "-80", "a port, a range"},
    {"allow out 80:90", 1, 11, "80:90", "a port, a range"},
    {"allow out 443/tpc", 1, 11, "443/tpc", "443/tcp or 443/udp"},
    {"allow out 443/sctp", 1, 11, "443/sctp", "443/tcp or 443/udp"},
    {"allow out https/", 1, 11, "https/", "https/tcp or https/udp"},
    {"allow out /tcp", 1, 11, "/tcp", "a port, a range, a service name or a category"},
    {"allow out htps", 1, 11, "htps",
     "a port, a range, a service name or a category (did you mean https?)"},
    {"allow out htps/tcp", 1, 11, "htps/tcp",
     "a port, a range, a service name or a category (did you mean https?)"},
    {"allow out sytem", 1, 11, "sytem",
     "a port, a range, a service name or a category (did you mean system?)"},
    {"allow out host", 1, 11, "host",
     "a port, a range, a service name or a category (did you mean to host?)"},
    {"allow out icmpv6", 1, 11, "icmpv6", "icmp (which is ICMPv6's too)"},
    {"allow out sctp", 1, 11, "sctp", "tcp, udp, icmp or any: no other protocol passes"},
    {"allow out any/tcp", 1, 11, "any/tcp",
     "a port, a range, a service name or a category: any has a rule of its own"},
    {"allow out tcp/udp", 1, 11, "tcp/udp",
     "a port, a range, a service name or a category: tcp has a rule of its own"},
    {"allow out 10.0.0.7", 1, 11, "10.0.0.7", "a port, a range"},
    {"allow out 080", 1, 11, "080", "a number without leading zeros"},
    {"allow out 8-010", 1, 11, "8-010", "a number without leading zeros"},
    /* peers */
    {"allow out to 10.0.0.300", 1, 14, "10.0.0.300",
     "an address, a prefix, a host name, host or any (as"},
    {"allow out to 10.0.0.0/33", 1, 14, "10.0.0.0/33",
     "an address, a prefix, a host name, host or any (as"},
    {"allow out to 10.0.0.1/8", 1, 14, "10.0.0.1/8",
     "10.0.0.0/8: no bits are set beyond the length"},
    {"allow out to fd00::1/64", 1, 14, "fd00::1/64",
     "fd00::/64: no bits are set beyond the length"},
    {"allow out to 10.0.0.0/08", 1, 14, "10.0.0.0/08",
     "an address, a prefix, a host name, host or any (as"},
    {"allow out to 10.0.0.7:443", 1, 14, "10.0.0.7:443", "an address alone: the port stands"},
    {"allow out to [fd00::7]:443", 1, 14, "[fd00::7]:443", "an address alone: the port stands"},
    {"allow out to fe80::1%eth0", 1, 14, "fe80::1%eth0", "an address without a zone"},
    {"allow out to fd00:::7", 1, 14, "fd00:::7",
     "an address, a prefix, a host name, host or any (as"},
    {"allow out to hots", 1, 14, "hots",
     "an address, a prefix, a host name, host or any (did you mean host?)"},
};

static void mistakes_are_named(void **state)
{
    fixture_mistakes(*state, mistakes, sizeof mistakes / sizeof mistakes[0]);
}

/* "to" is not what somebody meant who wrote it: it stands in the wrong place. */
static void no_word_is_suggested_for_itself(void **state)
{
    static const char *const lines[] = {"allow out log to host", "allow out https,to host",
                                        "allow out 80,LOG", "allow in https to a from b",
                                        "on scan log log"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(
            firewall_load(&fixture->firewall, lines[i], strlen(lines[i]), &fixture->error),
            BERTH_E_SYNTAX);
        assert_null(strstr(fixture->error.expected, "did you mean"));
    }
}

/* Names that IANA registers for one of TCP and UDP, without a port, or for another protocol. */
static void services_against_the_registry(void **state)
{
    static const struct fixture_mistake table[] = {
        {"allow out 80,imaps/udp", 1, 14, "imaps", "tcp: IANA registers the name for TCP alone"},
        {"allow out syslog/tcp", 1, 11, "syslog", "udp: IANA registers the name for UDP alone"},
        {"allow out 22,asap-sctp", 1, 14, "asap-sctp", "a port: IANA registers none of TCP or UDP"},
    };

    fixture_mistakes(*state, table, sizeof table / sizeof table[0]);
}

/* Bytes that are no text: an error with a place, never a read past the word. */
static void words_of_any_bytes(void **state)
{
    struct fixture *fixture = *state;
    char text[300];

    memset(text, 'x', sizeof text);
    memcpy(text, "allow out ", 10);
    assert_int_equal(firewall_load(&fixture->firewall, text, sizeof text, &fixture->error),
                     BERTH_E_SYNTAX);
    assert_int_equal(strlen(fixture->error.word), sizeof fixture->error.word - 1);
    assert_int_equal(firewall_load(&fixture->firewall, "allow\0 out", 10, &fixture->error),
                     BERTH_E_SYNTAX);
    assert_string_equal(fixture->error.word, "allow?");
    /* A character that would be cut in two is left out. */
    for (size_t i = 10; i < sizeof text; i++) {
        text[i] = i % 2 == 0 ? '\xc3' : '\xa4';
    }
    assert_int_equal(firewall_load(&fixture->firewall, text, sizeof text, &fixture->error),
                     BERTH_E_SYNTAX);
    assert_int_equal(strlen(fixture->error.word), sizeof fixture->error.word - 2);
}

static void lists_have_a_limit(void **state)
{
    static const char *const heads[] = {"allow out 1", "allow out to ::1"};
    static const char *const more[] = {",1", ",::1"};
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, 1, 16384);
    for (int i = 0; i < 2; i++) {
        char text[8192];
        size_t used = (size_t)snprintf(text, sizeof text, "%s", heads[i]);

        for (int items = 1; items < 1024; items++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", more[i]);
        }
        fixture_load(&fixture, text);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", more[i]);
        assert_int_equal(firewall_load(&fixture.firewall, text, used, &fixture.error),
                         BERTH_E_SYNTAX);
        assert_memory_equal(fixture.error.expected, "at most 1024", 12);
    }
    free(fixture.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(canonical_spellings, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_named, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(no_word_is_suggested_for_itself, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(services_against_the_registry, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(words_of_any_bytes, fixture_setup, fixture_teardown),
        cmocka_unit_test(lists_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
