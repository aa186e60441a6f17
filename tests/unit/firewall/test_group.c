/* SPDX-License-Identifier: MIT */
/*
 * Groups (let): what they stand for, in rules' canonical spellings; what is wrong with one, and
 * where; their limits; how far their names reach.
 */
#include "fixture.h"

static const struct fixture_spelling meanings[] = {
    {"let web = {http, https, 8080}\nallow out web", "allow out 8080/tcp,http,https"},
    {"let web={80}\nallow out WEB to host log", "allow out 80/tcp to host log"},
    {"LET Web = { 80 }\nallow out web", "allow out 80/tcp"},
    {"let a = {80}\nlet b = {a, 443}\nallow in b from host", "allow in 80,443/tcp from host"},
    {"let a = {80}\nlet b = {a, a}\nallow in b,a", "allow in 80,80,80/tcp"},
    {"let office = {10.0.0.0/8, fd00::/64}\nallow out ssh to office",
     "allow out ssh to 10.0.0.0/8,fd00::/64"},
    {"let a = {host}\nlet b = {a,any}\ndeny in from b,a,192.0.2.1",
     "deny in any from host,any,host,192.0.2.1"},
    {"let many = { # one a line\n  80,   # http\n\n  443,\n  8000-8010/udp\n}\nallow out many",
     "allow out 80,443,8000-8010/udp"},
    /* Protocols end at a group's edge, on either side and inside. */
    {"let web = {80, 443}\nallow out web,53/udp", "allow out 80,443/tcp,53/udp"},
    {"let web = {80, 443}\nallow out 7,web,53/udp", "allow out 7,80,443/tcp,53/udp"},
    {"let q = {443/udp}\nlet w = {80,q,443}\nallow out w", "allow out 80,443/tcp,443/udp"},
    {"let dns = {domain/udp}\nallow out dns,system", "allow out domain/udp,system"},
    {"let a-b_3 = {user}\nallow out a-b_3", "allow out user"},
    /* A service with a dot is no host name; a sign in a rule's own line is part of a word. */
    {"let z = {z39.50}\nallow out z", "allow out z39.50"},
    {"let unused = {80}\nallow out", "allow out any"},
    {"\flet x = {80}\n\fallow out 1\f\n\flet x = {81}\nallow out x", "allow out 81/tcp"},
};

static void groups_stand_for_their_contents(void **state)
{
    fixture_spellings(*state, meanings, sizeof meanings / sizeof meanings[0]);
}

static void rules_keep_their_lines(void **state)
{
    struct fixture *fixture = *state;

    fixture_load(fixture, "let web = {80,\n443}\n\nallow out web\nlet x = {1}\nallow in x\n");
    assert_int_equal(firewall_rule_count(&fixture->firewall), 2);
    assert_int_equal(firewall_rule_line(&fixture->firewall, 0), 4);
    assert_int_equal(firewall_rule_line(&fixture->firewall, 1), 6);
    assert_int_equal(fixture_ask(fixture, "out tcp 192.0.2.1 443"), 0);
    assert_int_equal(fixture_ask(fixture, "out tcp 192.0.2.1 444"), -1);
}

static const struct fixture_mistake mistakes[] = {
    {"let", 1, 4, "end of line", "a name for a group: a letter, then"},
    {"let 8web = {80}", 1, 5, "8web", "a name for a group: a letter, then"},
    {"let w.b = {80}", 1, 5, "w.b", "a name for a group: a letter, then"},
    {"let = {80}", 1, 5, "=", "a name for a group: a letter, then"},
    {"let Host = {80}", 1, 5, "Host", "another name: Host is a word of the language"},
    {"let ssh = {22}", 1, 5, "ssh", "another name: ssh is a service"},
    {"let w = {80}\nlet W = {81}", 2, 5, "W", "another name: there is a group of that name"},
    {"let w {80}", 1, 7, "{", "= (as in: let web = {http, https, 8080})"},
    {"let w = 80", 1, 9, "80", "{ (as in: let web = {http, https, 8080})"},
    {"let w", 1, 6, "end of line", "= (as in"},
    {"let w =\n{80}", 1, 8, "end of line", "{ (as in"},
    {"let w = {}", 1, 10, "}", "ports or services, or addresses"},
    {"let w = {80,}", 1, 13, "}", "a port, a range, a service name or a category"},
    {"let w = {80 81}", 1, 13, "81", "a comma, or } at the group's end"},
    {"let w = {80,\n81\n", 3, 1, "end of line", "a comma, or } at the group's end"},
    {"let w = {80,\n\n htpps}", 3, 2, "htpps", "a port, a range, a service name or a category"},
    {"let w = {80,\n  syslog/tcp}", 2, 3, "syslog", "udp: IANA registers the name for UDP alone"},
    {"let w = {80} log", 1, 14, "log", "the end of the line after }"},
    {"let w = {80}}", 1, 13, "}", "the end of the line after }"},
    {"let w = {htpps}", 1, 10, "htpps", "ports or services, or addresses (did you mean https?)"},
    {"let w = {tcp}", 1, 10, "tcp",
     "a port, a range, a service name or a category: tcp has a rule of its own"},
    {"let w = {80, tcp}", 1, 14, "tcp",
     "a port, a range, a service name or a category: tcp has a rule of its own"},
    {"let w = {80, 10.0.0.1}", 1, 14, "10.0.0.1", "a port, a range"},
    {"let w = {10.0.0.1, 80}", 1, 20, "80", "an address"},
    {"let w = {w}", 1, 10, "w", "ports or services, or addresses"},
    {"let registry = {80}\nlet w = {registri}", 2, 10, "registri",
     "ports or services, or addresses (did you mean registry?)"},
    {"let w = {80}\nlet v = {10.0.0.1, w}", 2, 20, "w", "a group of addresses (w is one of ports)"},
    {"let w = {10.0.0.1}\nlet v = {80, w}", 2, 14, "w", "a group of ports (w is one of addresses)"},
    {"let w = {10.0.0.1}\nallow out w", 2, 11, "w", "a group of ports (w is one of addresses)"},
    {"let w = {80}\nallow out to w", 2, 14, "w", "a group of addresses (w is one of ports)"},
    {"let w = {80}\nallow out w/udp", 2, 11, "w/udp", "w alone: a group says its protocols itself"},
    {"let registry = {80}\nallow out registri", 2, 11, "registri",
     "a port, a range, a service name or a category (did you mean registry?)"},
    {"let registry = {host}\nallow out to registri", 2, 14, "registri",
     "an address, a prefix, a host name, host or any (did you mean registry?)"},
    {"allow out web\nlet web = {80}", 1, 11, "web",
     "a port, a range, a service name or a category"},
    {"let w = {80}\n\f\nallow out w", 3, 11, "w", "a port, a range, a service name or a category"},
    {"allow out {80}", 1, 11, "{80}", "a port, a range, a service name or a category"},
};

static void mistakes_are_named(void **state)
{
    fixture_mistakes(*state, mistakes, sizeof mistakes / sizeof mistakes[0]);
}

/* Groups that double each other, as deep as they may: the list's limit stops them, in no time. */
static void what_doubles_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    char text[2000] = "let g0 = {1}\n";
    size_t used = strlen(text);

    for (int i = 1; i < 11; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "let g%d = {g%d, g%d}\n", i,
                                 i - 1, i - 1);
    }
    fixture_load(fixture, text);
    (void)snprintf(text + used, sizeof text - used, "let g11 = {g10, g10}\n");
    assert_int_equal(firewall_load(&fixture->firewall, text, strlen(text), &fixture->error),
                     BERTH_E_SYNTAX);
    assert_int_equal(fixture->error.line, 12);
    assert_int_equal(fixture->error.column, 17);
    assert_string_equal(fixture->error.expected, "at most 1024 in a list: go on in another rule");
    (void)snprintf(text + used, sizeof text - used, "allow out g9,g9,7\n");
    assert_int_equal(firewall_load(&fixture->firewall, text, strlen(text), &fixture->error),
                     BERTH_E_SYNTAX);
    assert_int_equal(fixture->error.column, 17);
}

static void depth_and_number_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char text[8000] = "let g1 = {1}\n";
    size_t used = strlen(text);

    for (int i = 2; i <= 17; i++) {
        fixture_load(fixture, text);
        used += (size_t)snprintf(text + used, sizeof text - used, "let g%d = {g%d}\n", i, i - 1);
    }
    assert_int_equal(firewall_load(&fixture->firewall, text, strlen(text), &fixture->error),
                     BERTH_E_SYNTAX);
    assert_int_equal(fixture->error.line, 17);
    assert_string_equal(fixture->error.expected, "groups that stand in each other 16 deep at most");
    used = 0;
    for (int i = 1; i <= 129; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "let g%d = {1}\n", i);
    }
    assert_int_equal(firewall_load(&fixture->firewall, text, strlen(text), &fixture->error),
                     BERTH_E_SYNTAX);
    assert_int_equal(fixture->error.line, 129);
    assert_string_equal(fixture->error.expected, "at most 128 groups");
}

/* A text loads into a firewall of exactly the size that it is measured for, and none smaller. */
static void texts_are_measured(void **state)
{
    static const char text[] = "let web = {http, https, 8080}\n"
                               "let nets = {10.0.0.0/8, 192.168.0.0/16, 2001:db8::/32}\n"
                               "alow out\n"
                               "allow out web to nets log\nallow in web\n";
    const char *right = strstr(text, "let nets");
    struct firewall_limits limits;
    struct fixture own = {0};
    char whole[sizeof text];

    (void)state;
    firewall_measure(text, sizeof text - 1, &limits);
    assert_int_equal(limits.rules, 2);
    assert_int_equal(limits.rule_bytes, strlen("allow out 8080/tcp,http,https to "
                                               "10.0.0.0/8,192.168.0.0/16,2001:db8::/32 log") +
                                            strlen("allow in 8080/tcp,http,https"));
    (void)snprintf(whole, sizeof whole, "%.*s%s", (int)(right - text), text, right);
    memset(strstr(whole, "alow out"), ' ', 8);
    fixture_make(&own, limits.rules, limits.rule_bytes);
    fixture_load(&own, whole);
    free(own.memory);
    fixture_make(&own, limits.rules, limits.rule_bytes - 1);
    assert_int_equal(firewall_load(&own.firewall, whole, strlen(whole), &own.error), BERTH_E_LIMIT);
    free(own.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_stand_for_their_contents, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(rules_keep_their_lines, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_named, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_doubles_is_bounded, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(depth_and_number_are_bounded, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test(texts_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
