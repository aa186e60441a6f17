/* SPDX-License-Identifier: MIT */
/*
 * link/impair_text.c: an impairment from its text (link_impairment_parse): words and values, in any
 * order, between spaces. Pure; what it says of a mistake points into the text.
 */
#include "link/link.h"
#include "link/units.h"

#include <string.h>

enum value_kind { TIME, PORTION, RATE, BYTES, NUMBER };

struct word {
    const char *name;
    enum value_kind kind;
    size_t offset; /* of the member in struct link_impairment */
};

static const struct word words[] = {
    {"delay", TIME, offsetof(struct link_impairment, delay_ns)},
    {"jitter", TIME, offsetof(struct link_impairment, jitter_ns)},
    {"loss", PORTION, offsetof(struct link_impairment, loss_ppm)},
    {"duplicate", PORTION, offsetof(struct link_impairment, duplicate_ppm)},
    {"reorder", PORTION, offsetof(struct link_impairment, reorder_ppm)},
    {"reorder-delay", TIME, offsetof(struct link_impairment, reorder_delay_ns)},
    {"corrupt", PORTION, offsetof(struct link_impairment, corrupt_ppm)},
    {"ecn", PORTION, offsetof(struct link_impairment, ecn_ppm)},
    {"rate", RATE, offsetof(struct link_impairment, rate_bps)},
    {"queue", BYTES, offsetof(struct link_impairment, queue_bytes)},
    {"seed", NUMBER, offsetof(struct link_impairment, seed)},
};

#define WORD_COUNT (sizeof words / sizeof words[0])

struct token {
    const char *text;
    size_t bytes; /* 0: the end */
};

static bool is_space(char character)
{
    return character == ' ' || character == '\t' || character == '\n';
}

/* The next token from *AT on, which moves behind it. */
static struct token next_token(const char **at)
{
    struct token token;

    while (is_space(**at)) {
        (*at)++;
    }
    token.text = *at;
    while (**at != '\0' && !is_space(**at)) {
        (*at)++;
    }
    token.bytes = (size_t)(*at - token.text);
    return token;
}

static size_t find_word(const struct token *token)
{
    size_t i = 0;

    while (i < WORD_COUNT && (strlen(words[i].name) != token->bytes ||
                              memcmp(words[i].name, token->text, token->bytes) != 0)) {
        i++;
    }
    return i;
}

/* Stores the value of WORD; NULL, or what was expected. */
static const char *store(const struct word *word, const struct token *value,
                         struct link_impairment *out)
{
    void *member = (char *)out + word->offset;

    switch (word->kind) {
    case TIME:
        return link_parse_time_ns(value->text, value->bytes, member) ? NULL : LINK_EXPECT_TIME;
    case PORTION:
        return link_parse_ppm(value->text, value->bytes, member) ? NULL : LINK_EXPECT_PORTION;
    case RATE:
        return link_parse_rate_bps(value->text, value->bytes, member) ? NULL : LINK_EXPECT_RATE;
    case BYTES: /* 0 would stand for what is taken unless said */
        return link_parse_bytes(value->text, value->bytes, member) && *(uint32_t *)member > 0
                   ? NULL
                   : LINK_EXPECT_BYTES;
    case NUMBER:
        return link_parse_number(value->text, value->bytes, member) ? NULL : LINK_EXPECT_NUMBER;
    }
    return LINK_EXPECT_NUMBER;
}

static int refuse(const struct token *token, const char *expected, struct link_text_error *error)
{
    *error = (struct link_text_error){
        .word = token->text, .word_bytes = token->bytes, .expected = expected};
    return BERTH_E_SYNTAX;
}

int link_impairment_parse(const char *text, struct link_impairment *out,
                          struct link_text_error *error)
{
    struct link_impairment impairment = {0};
    struct token token = next_token(&text);
    unsigned seen = 0;

    while (token.bytes > 0) {
        size_t i = find_word(&token);
        struct token value;
        const char *expected;

        if (i == WORD_COUNT) {
            return refuse(&token,
                          "delay, jitter, loss, duplicate, reorder, reorder-delay, corrupt, ecn, "
                          "rate, queue or seed",
                          error);
        }
        if ((seen & 1U << i) != 0) {
            return refuse(&token, "each word once", error);
        }
        seen |= 1U << i;
        value = next_token(&text);
        if (value.bytes == 0) {
            return refuse(&token, "a value after it", error);
        }
        expected = store(&words[i], &value, &impairment);
        if (expected != NULL) {
            return refuse(&value, expected, error);
        }
        token = next_token(&text);
    }
    *out = impairment;
    return 0;
}
