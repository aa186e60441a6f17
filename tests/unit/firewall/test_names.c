/* SPDX-License-Identifier: MIT */
/*
 * Rules by host name: spelling, what matches which address and until when, what is left open at
 * all.
 */
#include "fixture.h"

#include "firewall/rule.h"

static void spellings(void **state)
{
    static const struct fixture_spelling table[] = {
        {"allow out 443/tcp to Registry.Example.", "allow out 443/tcp to registry.example"},
        {"allow out to *.Example.com,10.0.0.0/8,host",
         "allow out any to *.example.com,10.0.0.0/8,host"},
        {"allow in 80 from xn--bcher-kva.example", "allow in 80/tcp from xn--bcher-kva.example"},
        {"deny out to db,_ldap._tcp.example log", "deny out any to db,_ldap._tcp.example log"},
        {"let w = {a.example, *.b.example}\nallow out to w",
         "allow out any to a.example,*.b.example"},
        /* a dot at the end: a name, whatever it means else */
        {"allow out to any., HOST.,tcp.,hots.,db.,*.any.",
         "allow out any to any.,host.,tcp.,hots.,db,*.any"},
        {"let w = {a.example}\nallow out to w,w.", "allow out any to a.example,w"},
    };

    fixture_spellings(*state, table, sizeof table / sizeof table[0]);
}

static void write(const char *name, const char *expected)
{
    char text[BERTH_NAME_BYTES] = "";

    assert_int_equal(firewall_name_write(name, text), strlen(expected));
    assert_string_equal(text, expected);
}

/* As a rule has them that is made here, of what a program asked for. */
static void writing(void **state)
{
    char label[BERTH_NAME_BYTES + 1];

    (void)state;
    write("A.example", "a.example");
    write("a.example.", "a.example");
    write("any", "any.");
    write("host.", "host.");
    memset(label, 'a', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    write(label, "");
    label[64] = '\0';
    write(label, "");
    label[63] = '\0';
    label[62] = '.';
    write(label, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.");
    write("*.com", "");
    write("a.example,any", "");
    write("x';id;'", "");
    write("10.0.0.1", "");
    write("", "");
}

/* Names as long as they may be, and longer. */
static void lengths(void **state)
{
    struct fixture *fixture = *state;
    char label[64];
    char text[400];

    memset(label, 'a', 63);
    label[63] = '\0';
    (void)snprintf(text, sizeof text, "allow out to *.%s.%s.%s.%.61s", label, label, label, label);
    fixture_load(fixture, text);
    (void)snprintf(text, sizeof text, "allow out to %s.%s.%s.%.62s", label, label, label, label);
    assert_int_equal(firewall_load(&fixture->firewall, text, strlen(text), &fixture->error),
                     BERTH_E_SYNTAX);
    (void)snprintf(text, sizeof text, "allow out to a%s.example", label);
    assert_int_equal(firewall_load(&fixture->firewall, text, strlen(text), &fixture->error),
                     BERTH_E_SYNTAX);
}

static void which_names_a_pattern_names(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } table[] = {
        {"a.example", "a.example", true},           {"a.example", "A.EXAMPLE.", true},
        {"a.example", "b.a.example", false},        {"a.example", "xa.example", false},
        {"a.example", "a.example.com", false},      {"*.example.com", "a.example.com", true},
        {"*.example.com", "a.b.example.com", true}, {"*.example.com", "example.com", false},
        {"*.example.com", "xexample.com", false},   {"*.example.com", "a.example.org", false},
        {"*.com", "a.example.com", true},           {"a.example", "not a name", false},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[80];

        (void)snprintf(text, sizeof text, "allow out to %s", table[i].pattern);
        fixture_load(fixture, text);
        if (firewall_name_matches_rule(&fixture->firewall, 0, table[i].name) != table[i].matches) {
            fail_msg("%s, %s", table[i].pattern, table[i].name);
        }
        assert_int_equal(firewall_name_is_named(&fixture->firewall, table[i].name),
                         table[i].matches);
    }
    assert_false(firewall_name_matches_rule(&fixture->firewall, 1, "a.example"));
}

static void a_name_matches_while_its_binding_lives(void **state)
{
    struct fixture *fixture = *state;
    struct berth_contact_query query = fixture_query("out tcp 198.51.100.7 443");

    fixture_load(fixture, "allow out 443 to a.example");
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), -1);
    fixture_learn(fixture, "A.Example.", "198.51.100.7", 100, false);
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), 0);
    assert_true(firewall_judge(&fixture->firewall, &query).by_name);
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 444"), -1);
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.8 443"), -1);
    fixture->firewall.now_ns = 99;
    fixture_learn(fixture, "a.example", "198.51.100.7", 50, false); /* the later end holds */
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), 0);
    /* Other rules: the binding is what it was. */
    fixture_load(fixture, "deny out to b.example\nallow out 443 to *.example");
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), 1);
    fixture->firewall.now_ns = 100;
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), -1);
    fixture_learn(fixture, "a.example", "198.51.100.7", 101, false);
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), 1);
}

static void an_address_in_use_keeps_its_names(void **state)
{
    struct fixture *fixture = *state;
    struct berth_address address = fixture_query("out tcp 198.51.100.7 443").peer;
    struct firewall_bindings *bindings = &fixture->firewall.bindings;

    fixture_load(fixture, "allow out 443 to a.example");
    assert_int_equal(firewall_bindings_hold(bindings, &address), BERTH_E_STALE);
    firewall_bindings_release(bindings, &address); /* nothing to give back */
    fixture_learn(fixture, "a.example", "198.51.100.7", 100, false);
    assert_int_equal(firewall_bindings_hold(bindings, &address), BERTH_OK);
    assert_int_equal(firewall_bindings_hold(bindings, &address), BERTH_OK);
    fixture->firewall.now_ns = 1000;
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), 0);
    firewall_bindings_release(bindings, &address);
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), 0);
    firewall_bindings_release(bindings, &address);
    assert_int_equal(fixture_ask(fixture, "out tcp 198.51.100.7 443"), -1);
}

/* At the limit the oldest goes that is not in use. */
static void bindings_are_limited(void **state)
{
    struct fixture *fixture = *state;
    struct berth_address held = fixture_query("out tcp 11.0.0.0 443").peer;
    struct firewall_bindings *bindings = &fixture->firewall.bindings;
    struct berth_address address;
    char text[32];

    fixture_load(fixture, "allow out 443 to *.example");
    for (int i = 0; i < FIXTURE_NAMES + 2; i++) {
        (void)snprintf(text, sizeof text, "11.0.0.%d", i);
        fixture_learn(fixture, "a.example", text, 100, false);
        if (i == 0) {
            assert_int_equal(firewall_bindings_hold(bindings, &held), BERTH_OK);
        }
    }
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.0 443"), 0);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.1 443"), -1);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.2 443"), -1);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.3 443"), 0);
    for (int i = 3; i < FIXTURE_NAMES + 2; i++) {
        (void)snprintf(text, sizeof text, "11.0.0.%d", i);
        assert_int_equal(berth_address_parse(text, &address), BERTH_OK);
        assert_int_equal(firewall_bindings_hold(bindings, &address), BERTH_OK);
    }
    assert_int_equal(berth_address_parse("12.0.0.1", &address), BERTH_OK);
    assert_int_equal(firewall_learn(&fixture->firewall, "b.example", &address, 100, false),
                     BERTH_E_LIMIT);
    assert_int_equal(firewall_learn(&fixture->firewall, "a.example", &held, 200, false), BERTH_OK);
    firewall_bindings_release(bindings, &held);
    assert_int_equal(firewall_learn(&fixture->firewall, "b.example", &address, 100, false),
                     BERTH_OK);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.0 443"), -1);
    assert_int_equal(fixture_ask(fixture, "out tcp 12.0.0.1 443"), 0);
}

/* Past 64 names of an address the one goes whose time is over first, in use or not. */
static void names_of_an_address_are_limited(void **state)
{
    struct fixture *fixture = *state;
    struct berth_address address = fixture_query("out tcp 11.0.0.1 443").peer;
    char text[32];

    fixture_load(fixture, "allow out 443 to n3.example,n64.example");
    for (uint64_t i = 0; i < FIREWALL_NAMES_PER_ADDRESS; i++) {
        (void)snprintf(text, sizeof text, "n%d.example", (int)i);
        fixture_learn(fixture, text, "11.0.0.1", i == 3 ? 100 : 200 + i, false);
    }
    assert_int_equal(firewall_bindings_hold(&fixture->firewall.bindings, &address), BERTH_OK);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.1 443"), 0);
    fixture_learn(fixture, "n65.example", "11.0.0.1", 300, false);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.1 443"), -1);
    fixture_learn(fixture, "n64.example", "11.0.0.1", 300, false);
    assert_int_equal(fixture_ask(fixture, "out tcp 11.0.0.1 443"), 0);
    assert_int_equal(fixture->firewall.bindings.pool.used, FIREWALL_NAMES_PER_ADDRESS);
    firewall_bindings_release(&fixture->firewall.bindings, &address);
}

/* Whatever a name server answers: special addresses are matched by what names them. */
static void special_addresses_are_no_names(void **state)
{
    static const char *const special[] = {"127.0.0.1", "::1",       "169.254.169.254",
                                          "fe80::1",   "10.0.2.2",  "192.168.0.5",
                                          "0.0.0.0",   "224.0.0.1", "64:ff9b::7f00:1"};
    struct fixture *fixture = *state;
    struct berth_address address;

    fixture_load(fixture, "allow out to a.example\nallow out to h.example");
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        char text[80];
        struct berth_contact_query query;

        (void)snprintf(text, sizeof text, "out tcp %s 80", special[i]);
        query = fixture_query(text);
        fixture_learn(fixture, "a.example", special[i], 100, false);
        assert_int_equal(fixture_ask(fixture, text), -1);
        assert_int_equal(firewall_explain(&fixture->firewall, 0, &query), BERTH_MISS_UNNAMED);
        fixture_learn(fixture, "h.example", special[i], 100, true); /* the user's own word */
        assert_int_equal(fixture_ask(fixture, text), 1);
        assert_int_equal(firewall_judge_name(&fixture->firewall, &query, "a.example").rule, -1);
        assert_int_equal(firewall_judge_name(&fixture->firewall, &query, "h.example").rule, 1);
    }
    /* Private space is an address of the network. */
    fixture_learn(fixture, "a.example", "192.168.7.7", 100, false);
    assert_int_equal(fixture_ask(fixture, "out tcp 192.168.7.7 80"), 0);
    /* An address that the host gets later is its own then. */
    address = fixture_query("out tcp 192.168.7.7 80").peer;
    assert_int_equal(firewall_set_host(&fixture->firewall, &address, 1), BERTH_OK);
    assert_int_equal(fixture_ask(fixture, "out tcp 192.168.7.7 80"), -1);
}

/* Several names share an address: what counts is the one that the conversation tells. */
static void judging_by_a_name(void **state)
{
    static const struct {
        const char *name;
        int rule;
    } table[] = {{"a.example", 1},   {"A.example.", 1}, {"b.example", 0}, {"c.example", -1},
                 {"x.d.example", 2}, {"d.example", -1}, {"no name", -1},  {"", -1}};
    struct fixture *fixture = *state;
    struct berth_contact_query query = fixture_query("out tcp 198.51.100.7 443");

    fixture_load(fixture, "deny out to b.example\nallow out 443 to a.example\n"
                          "allow out 443 to *.d.example");
    fixture_learn(fixture, "a.example", "198.51.100.7", 100, false);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(firewall_judge_name(&fixture->firewall, &query, table[i].name).rule,
                         table[i].rule);
    }
    fixture_load(fixture, "allow out 443 to 198.51.100.0/24,a.example");
    assert_false(firewall_judge(&fixture->firewall, &query).by_name); /* the address is enough */
    assert_int_equal(firewall_judge_name(&fixture->firewall, &query, "z.example").rule, 0);
}

static void what_a_resolver_may_ask_for(void **state)
{
    static const struct {
        const char *rules;
        bool name; /* a.example */
        bool named;
        bool address; /* 10.9.9.9 */
    } table[] = {
        {"", false, false, false},
        {"allow out https", true, false, true},
        {"ask out https", true, false, true},
        {"allow in https", false, false, false},
        {"allow out to a.example", true, true, false},
        {"allow out to *.example", true, true, false},
        {"allow out icmp to a.example", true, true, false},
        {"allow out icmp", false, false, false},
        {"allow out to b.example", false, false, false},
        {"allow out to 10.0.0.0/8", true, false, true},
        {"allow out to 11.0.0.0/8", true, false, false},
        {"allow out to host", false, false, false},
        {"deny out to a.example\nallow out", false, false, true},
        {"deny out to *.example\nallow out", false, false, true},
        {"deny out https to a.example\nallow out", true, false, true},
        {"deny out tcp to a.example\nallow out https to a.example", true, true, false},
        {"deny out tcp to a.example\nallow out https/tcp to a.example", false, false, false},
        {"deny out to a.example by curl\nallow out to a.example", true, true, false},
        {"deny out to 10.9.9.9\nallow out", true, false, false},
        {"deny out\nallow out", false, false, false},
    };
    struct fixture *fixture = *state;
    struct berth_address address = fixture_query("out tcp 10.9.9.9 80").peer;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fixture_load(fixture, table[i].rules);
        if (firewall_may_reach_name(&fixture->firewall, "A.example.") != table[i].name ||
            firewall_name_is_named(&fixture->firewall, "a.example") != table[i].named ||
            firewall_may_reach_address(&fixture->firewall, &address) != table[i].address) {
            fail_msg("%s", table[i].rules);
        }
    }
    fixture_load(fixture, "allow out");
    assert_false(firewall_may_reach_name(&fixture->firewall, "no name"));
    address = fixture_query("out tcp 127.0.0.1 80").peer;
    assert_false(firewall_may_reach_address(&fixture->firewall, &address));
    fixture_load(fixture, "allow out to 127.0.0.0/8");
    assert_true(firewall_may_reach_address(&fixture->firewall, &address));
}

static void wrong_names_are_not_learnt(void **state)
{
    static const char *const names[] = {"", ".", "a..b", "a b", "b\xc3\xbc.example", "1.2.3.4"};
    struct fixture *fixture = *state;
    struct berth_address address = fixture_query("out tcp 10.9.9.9 80").peer;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(firewall_learn(&fixture->firewall, names[i], &address, 100, false),
                         BERTH_E_INVALID);
    }
}

/* A name found by a table of many, and its rules as cheap as one. */
static void many_names(void **state)
{
    enum { MANY = 20000 };
    static char text[MANY * 40];
    struct fixture many = {0};
    size_t used = 0;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "allow out 443 to %sn%d.example\n", i % 2 == 0 ? "" : "*.", i);
    }
    fixture_make(&many, MANY, sizeof text);
    fixture_load(&many, text);
    assert_int_equal(many.firewall.sets[many.firewall.active].index.tuples_begin[FIREWALL_RANGES],
                     1);
    fixture_learn(&many, "n19998.example", "11.0.0.1", 100, false);
    fixture_learn(&many, "x.n19999.example", "11.0.0.2", 100, false);
    fixture_learn(&many, "x.n19998.example", "11.0.0.3", 100, false);
    assert_int_equal(fixture_ask(&many, "out tcp 11.0.0.1 443"), 19998);
    assert_int_equal(fixture_ask(&many, "out tcp 11.0.0.2 443"), 19999);
    assert_int_equal(fixture_ask(&many, "out tcp 11.0.0.3 443"), -1);
    free(many.memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spellings),
        TEST(writing),
        TEST(lengths),
        TEST(which_names_a_pattern_names),
        TEST(a_name_matches_while_its_binding_lives),
        TEST(an_address_in_use_keeps_its_names),
        TEST(bindings_are_limited),
        TEST(names_of_an_address_are_limited),
        TEST(special_addresses_are_no_names),
        TEST(judging_by_a_name),
        TEST(what_a_resolver_may_ask_for),
        TEST(wrong_names_are_not_learnt),
        cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests_name("firewall/names", tests, NULL, NULL);
}
