/* SPDX-License-Identifier: MIT */
/*
 * The words of a question, whatever a process or a host is called; answers; and the rules that they
 * stand for, in the rule language's own spelling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run/ask_text.h"

static const struct attribute_process curl = {.pid = 1234,
                                              .name = "curl",
                                              .command = "curl -sS https://registry.example/",
                                              .parent = 1200,
                                              .parent_name = "sh",
                                              .uid = 1000,
                                              .user = "dave"};

static struct ask_facts facts_of(const char *peer)
{
    struct ask_facts facts = {
        .direction = BERTH_OUT, .protocol = BERTH_TCP, .port = 443, .process = &curl};

    assert_int_equal(berth_address_parse(peer, &facts.peer), 0);
    return facts;
}

static void test_question(void **state)
{
    struct ask_facts facts = facts_of("203.0.113.7");
    char text[ASK_TEXT_BYTES];

    (void)state;
    facts.name = "registry.example";
    assert_string_equal(ask_text_question(&facts, text),
                        "berth: curl (pid 1234) wants to connect out to registry.example "
                        "(203.0.113.7), port 443/tcp (https, system)\n"
                        "  curl -sS https://registry.example/, started by sh (pid 1200), "
                        "user dave\n");
    facts.direction = BERTH_IN;
    facts.name = NULL;
    facts.protocol = BERTH_UDP;
    facts.port = 60000;
    assert_non_null(strstr(ask_text_question(&facts, text),
                           "berth: 203.0.113.7 wants to send in to curl (pid 1234), "
                           "port 60000/udp (ephemeral)\n"));
    facts.protocol = BERTH_ICMP;
    facts.direction = BERTH_OUT;
    facts.is_host = true;
    facts.process = NULL;
    assert_string_equal(ask_text_question(&facts, text),
                        "berth: a process that is not known wants to send a ping out to host "
                        "(203.0.113.7), icmp echo\n");
}

/* Whatever is in a name or a command: two lines, and nothing that a terminal would obey. */
static void test_nothing_moves_the_cursor(void **state)
{
    struct attribute_process odd = {.pid = 1};
    struct ask_facts facts = facts_of("2001:db8::1");
    char name[300];
    char text[ASK_TEXT_BYTES];

    (void)state;
    memset(odd.name, '\x1b', sizeof odd.name - 1);
    memset(odd.command, '\n', sizeof odd.command - 1);
    memset(odd.parent_name, '\x9b', sizeof odd.parent_name - 1);
    memset(odd.user, '\r', sizeof odd.user - 1);
    odd.parent = 2;
    memset(name, '\x07', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    facts.name = name;
    facts.process = &odd;
    (void)ask_text_question(&facts, text);
    for (const char *at = text; *at != '\0'; at++) {
        assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
    }
    assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n') + 1, text + strlen(text));
}

static void test_answers(void **state)
{
    static const struct {
        const char *line;
        enum ask_answer answer;
    } table[] = {
        {"o", ASK_ONCE},        {"y", ASK_ONCE},        {"once", ASK_ONCE},  {" O \r\n", ASK_ONCE},
        {"a", ASK_ALWAYS},      {"Always", ASK_ALWAYS}, {"d", ASK_DENY},     {"deny", ASK_DENY},
        {"n", ASK_NEVER},       {"never\n", ASK_NEVER}, {"", ASK_NOTHING},   {"yes", ASK_NOTHING},
        {"no", ASK_NOTHING},    {"o o", ASK_NOTHING},   {"al", ASK_NOTHING}, {"ya", ASK_NOTHING},
        {"onces", ASK_NOTHING}, {"\x1bo", ASK_NOTHING}, {"o;", ASK_NOTHING}, {"   ", ASK_NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(ask_text_answer(table[i].line), table[i].answer);
    }
}

static void test_rules(void **state)
{
    struct ask_facts facts = facts_of("203.0.113.7");
    char text[ADDED_BYTES];

    (void)state;
    facts.name = "registry.example";
    assert_string_equal(ask_text_rule(&facts, true, true, text),
                        "allow out 443/tcp to registry.example");
    assert_string_equal(ask_text_rule(&facts, false, false, text),
                        "deny out 443/tcp to 203.0.113.7");
    facts.name = "any"; /* it is a host's name */
    assert_string_equal(ask_text_rule(&facts, true, true, text), "allow out 443/tcp to any.");
    facts.name = "7"; /* no rule has it */
    assert_string_equal(ask_text_rule(&facts, true, true, text),
                        "allow out 443/tcp to 203.0.113.7");
    facts.is_host = true;
    facts.direction = BERTH_IN;
    facts.protocol = BERTH_UDP;
    assert_string_equal(ask_text_rule(&facts, true, false, text), "allow in 443/udp from host");
    facts.protocol = BERTH_ICMP;
    facts.port = 0;
    assert_string_equal(ask_text_rule(&facts, false, false, text), "deny in icmp from host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_nothing_moves_the_cursor),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
