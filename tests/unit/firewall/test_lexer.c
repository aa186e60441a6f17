/* SPDX-License-Identifier: MIT */
/* Words, commas, comments and line ends, and where each stands. */
#include "fixture.h"

#include "firewall/lexer.h"

static void expect(struct firewall_lexer *lexer, const char *text, uint32_t line, uint32_t column)
{
    struct firewall_token token = firewall_lexer_next(lexer);

    assert_int_equal(token.bytes, strlen(text));
    assert_memory_equal(token.text, text, token.bytes);
    assert_int_equal(token.line, line);
    assert_int_equal(token.column, column);
    assert_int_equal(token.kind, token.bytes == 0 ? FIREWALL_TOKEN_END
                                 : *text == ','   ? FIREWALL_TOKEN_COMMA
                                                  : FIREWALL_TOKEN_WORD);
}

static void words_and_lines(void **state)
{
    static const char text[] =
        "# a comment\n\n \tallow  out\thttp,https/tcp#note\r\n,x\n   \ny \"a, #b\"c \"d\n";
    struct firewall_lexer lexer;

    (void)state;
    firewall_lexer_init(&lexer, text, sizeof text - 1);
    assert_true(firewall_lexer_next_rule(&lexer));
    expect(&lexer, "allow", 3, 3);
    expect(&lexer, "out", 3, 10);
    expect(&lexer, "http", 3, 14);
    expect(&lexer, ",", 3, 18);
    expect(&lexer, "https/tcp", 3, 19);
    expect(&lexer, "", 3, 34);
    expect(&lexer, "", 3, 34);
    assert_true(firewall_lexer_next_rule(&lexer));
    expect(&lexer, ",", 4, 1);
    expect(&lexer, "x", 4, 2);
    expect(&lexer, "", 4, 3);
    assert_true(firewall_lexer_next_rule(&lexer));
    expect(&lexer, "y", 6, 1);
    expect(&lexer, "\"a, #b\"c", 6, 3); /* a word goes on behind its quotation marks */
    expect(&lexer, "\"d", 6, 12);
    expect(&lexer, "", 6, 14);
    assert_false(firewall_lexer_next_rule(&lexer));
    assert_false(firewall_lexer_next_rule(&lexer));
}

static void nothing_to_read(void **state)
{
    static const char *const texts[] = {"", "\n", "# only\n#comments", " \t\r\n\n  ", "#"};
    struct firewall_lexer lexer;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        firewall_lexer_init(&lexer, texts[i], strlen(texts[i]));
        assert_false(firewall_lexer_next_rule(&lexer));
    }
}

static void comparing_and_copying(void **state)
{
    char longest[FIREWALL_WORD_BYTES + 1];
    char word[FIREWALL_WORD_BYTES];
    struct firewall_lexer lexer;
    struct firewall_token token;

    (void)state;
    firewall_lexer_init(&lexer, "AlLow a\0b", 9);
    token = firewall_lexer_next(&lexer);
    assert_true(firewall_token_is(&token, "allow"));
    assert_false(firewall_token_is(&token, "allo"));
    assert_false(firewall_token_is(&token, "allows"));
    assert_true(firewall_token_copy(&token, word));
    assert_string_equal(word, "AlLow");
    token = firewall_lexer_next(&lexer);
    assert_int_equal(token.bytes, 3);
    assert_false(firewall_token_copy(&token, word));
    assert_string_equal(word, "");

    memset(longest, 'x', sizeof longest);
    firewall_lexer_init(&lexer, longest, FIREWALL_WORD_BYTES - 1);
    token = firewall_lexer_next(&lexer);
    assert_true(firewall_token_copy(&token, word));
    assert_int_equal(strlen(word), FIREWALL_WORD_BYTES - 1);
    firewall_lexer_init(&lexer, longest, FIREWALL_WORD_BYTES);
    token = firewall_lexer_next(&lexer);
    assert_false(firewall_token_copy(&token, word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_lines),
        cmocka_unit_test(nothing_to_read),
        cmocka_unit_test(comparing_and_copying),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
