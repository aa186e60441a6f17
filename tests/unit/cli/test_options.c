/* SPDX-License-Identifier: MIT */
/*
 * Options are read as their table says, operands keep their order, and a mistake is one line that
 * names the word. What is said on standard error is caught in a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/options.h"

#define WORDS_MAX 16

struct settings {
    const char *text;
    uint64_t number;
    int choice;
    bool is_quiet;
    bool is_small;
    char calls[64]; /* the values of --add and --take, in order, "+a-b" */
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static bool add(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct settings *s = settings;

    if (strncmp(value, "bad ", 4) == 0) {
        snprintf(complaint->word, sizeof complaint->word, "%s", value + 4);
        snprintf(complaint->expected, sizeof complaint->expected, "something good");
        return false;
    }
    strcat(strcat(s->calls, "+"), value);
    return true;
}

static bool take(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct settings *s = settings;

    (void)complaint;
    strcat(strcat(s->calls, "-"), value);
    return true;
}

static bool reset(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct settings *s = settings;

    (void)complaint;
    assert_null(value);
    strcat(s->calls, "0");
    return true;
}

static const struct cli_option option_list[] = {
    {.kind = CLI_HEADING, .help = "Some"},
    {.name = "text",
     .letter = 't',
     .kind = CLI_TEXT,
     .value = "WORD",
     .help = "a word",
     .offset = offsetof(struct settings, text)},
    {.name = "number",
     .letter = 'n',
     .kind = CLI_NUMBER,
     .value = "N",
     .help = "a number",
     .min = 2,
     .max = 100,
     .offset = offsetof(struct settings, number)},
    {.kind = CLI_HEADING, .help = "Others"},
    {.name = "colour",
     .kind = CLI_CHOICE,
     .value = "COLOUR",
     .help = "a colour",
     .choices = colours,
     .offset = offsetof(struct settings, choice)},
    {.name = "quiet",
     .letter = 'q',
     .kind = CLI_FLAG,
     .help = "no word",
     .offset = offsetof(struct settings, is_quiet)},
    {.name = "small",
     .letter = 's',
     .kind = CLI_FLAG,
     .help = "little",
     .offset = offsetof(struct settings, is_small)},
    {.name = "add", .letter = 'a', .kind = CLI_CALL, .value = "X", .help = "one more", .call = add},
    {.name = "take", .kind = CLI_CALL, .value = "X", .help = "one less", .call = take},
    {.name = "reset", .kind = CLI_CALL, .help = "none", .call = reset},
};

static struct cli_options options = {
    .command = "berth try",
    .usage = "[OPTION]... [WORD]...",
    .about = "Tries.",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
};

struct outcome {
    int status;
    struct settings settings;
    struct cli_words operands;
    char said[512];
};

/* The words of one run; argv must outlive the outcome that points into it. */
static char *argv_words[WORDS_MAX];

/* Standard output or error goes to a file while `options` reads the words up to NULL. */
static struct outcome parse(FILE *stream, const char *const *words)
{
    struct outcome outcome = {.settings = {.choice = -1}};
    int kept = dup(fileno(stream));
    int file = memfd_create("said", 0);
    int argc = 0;
    ssize_t bytes;

    argv_words[argc++] = (char *)(uintptr_t) "try";
    for (; *words != NULL; words++) {
        argv_words[argc++] = (char *)(uintptr_t)*words;
    }
    argv_words[argc] = NULL;
    fflush(stream);
    assert_true(kept >= 0 && file >= 0 && dup2(file, fileno(stream)) >= 0);
    outcome.status =
        cli_options_parse(&options, argc, argv_words, &outcome.settings, &outcome.operands);
    fflush(stream);
    assert_true(dup2(kept, fileno(stream)) >= 0);
    bytes = pread(file, outcome.said, sizeof outcome.said - 1, 0);
    assert_true(bytes >= 0);
    outcome.said[bytes] = '\0';
    close(kept);
    close(file);
    return outcome;
}

#define PARSE(...) parse(stderr, (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const struct outcome *outcome, const char *said)
{
    assert_string_equal(outcome->said, said);
    assert_int_equal(outcome->status, 2);
}

static void values_are_stored_in_every_spelling(void **state)
{
    struct outcome o = PARSE("--text", "a b", "--number=42", "--colour", "blue", "-qs");

    (void)state;
    assert_int_equal(o.status, -1);
    assert_string_equal(o.said, "");
    assert_string_equal(o.settings.text, "a b");
    assert_int_equal(o.settings.number, 42);
    assert_int_equal(o.settings.choice, 2);
    assert_true(o.settings.is_quiet);
    assert_true(o.settings.is_small);
    o = PARSE("-tx", "-n", "7", "-qn8");
    assert_int_equal(o.status, -1);
    assert_string_equal(o.settings.text, "x");
    assert_int_equal(o.settings.number, 8);
    assert_true(o.settings.is_quiet);
    assert_false(o.settings.is_small);
}

static void a_value_may_begin_with_a_dash(void **state)
{
    struct outcome o = PARSE("--text", "--quiet", "-n", "2");

    (void)state;
    assert_int_equal(o.status, -1);
    assert_string_equal(o.settings.text, "--quiet");
    assert_false(o.settings.is_quiet);
}

static void operands_keep_their_order(void **state)
{
    struct outcome o = PARSE("one", "-q", "two", "--", "--text", "-");

    (void)state;
    assert_int_equal(o.status, -1);
    assert_int_equal(o.operands.count, 4);
    assert_string_equal(o.operands.words[0], "one");
    assert_string_equal(o.operands.words[1], "two");
    assert_string_equal(o.operands.words[2], "--text");
    assert_string_equal(o.operands.words[3], "-");
    assert_null(o.operands.words[4]);
    assert_null(o.settings.text);
}

static void a_command_line_of_its_own_is_left_alone(void **state)
{
    struct outcome o;

    (void)state;
    options.stop_at_operand = true;
    o = PARSE("-q", "ls", "-s", "--", "--nonsense");
    options.stop_at_operand = false;
    assert_int_equal(o.status, -1);
    assert_true(o.settings.is_quiet);
    assert_false(o.settings.is_small);
    assert_int_equal(o.operands.count, 4);
    assert_string_equal(o.operands.words[0], "ls");
    assert_string_equal(o.operands.words[1], "-s");
    assert_string_equal(o.operands.words[2], "--");
    assert_string_equal(o.operands.words[3], "--nonsense");
}

static void calls_see_options_in_their_order(void **state)
{
    struct outcome o = PARSE("--add", "a", "--take=b", "-ac", "--reset", "--take", "d");

    (void)state;
    assert_int_equal(o.status, -1);
    assert_string_equal(o.settings.calls, "+a-b+c0-d");
}

static void bad_values_are_named(void **state)
{
    struct outcome o = PARSE("--number", "1");

    (void)state;
    assert_refused(&o, "berth: try: --number '1': expected a number from 2 to 100\n");
    o = PARSE("-n101");
    assert_refused(&o, "berth: try: -n '101': expected a number from 2 to 100\n");
    o = PARSE("--number=99999999999999999999");
    assert_int_equal(o.status, 2);
    o = PARSE("--number", "0x10");
    assert_int_equal(o.status, 2);
    o = PARSE("--number=");
    assert_int_equal(o.status, 2);
    assert_int_equal(o.settings.number, 0);
    o = PARSE("--colour", "reb");
    assert_refused(&o, "berth: try: --colour 'reb': expected red, green or blue\n");
    o = PARSE("--text=", "-q");
    assert_refused(&o, "berth: try: --text '': expected a value: WORD\n");
    o = PARSE("-t", "");
    assert_refused(&o, "berth: try: -t '': expected a value: WORD\n");
    o = PARSE("--add", "bad apple");
    assert_refused(&o,
                   "berth: try: --add 'bad apple': bad word 'apple': expected something good\n");
}

static void bad_options_are_named(void **state)
{
    struct outcome o = PARSE("--quite");

    (void)state;
    assert_refused(&o, "berth: try: unknown option '--quite': expected '--quiet'? "
                       "see berth try --help\n");
    o = PARSE("--nonsense", "-q");
    assert_refused(&o, "berth: try: unknown option '--nonsense': expected an option of "
                       "berth try --help\n");
    o = PARSE("-qx");
    assert_refused(&o, "berth: try: unknown option '-x' in '-qx': expected an option of "
                       "berth try --help\n");
    o = PARSE("--text");
    assert_refused(&o, "berth: try: --text: expected a value after it: WORD\n");
    o = PARSE("-qt");
    assert_refused(&o, "berth: try: -t: expected a value after it: WORD\n");
    o = PARSE("--quiet=yes");
    assert_refused(&o, "berth: try: --quiet 'yes': expected no value\n");
    o = PARSE("--help=yes");
    assert_refused(&o, "berth: try: --help 'yes': expected no value\n");
    o = PARSE("--col", "red"); /* not abbreviated, but meant */
    assert_refused(&o, "berth: try: unknown option '--col': expected '--colour'? "
                       "see berth try --help\n");
}

static void what_is_said_cannot_drive_the_terminal(void **state)
{
    struct outcome o = PARSE("--\033[2Jx\n");

    (void)state;
    assert_refused(&o, "berth: try: unknown option '--\\x1b[2Jx\\x0a': expected an option of "
                       "berth try --help\n");
}

static void help_is_made_of_the_table(void **state)
{
    static const char *const words[] = {"-q", "--help", "--nonsense", NULL};
    struct outcome o = parse(stdout, words);

    (void)state;
    assert_int_equal(o.status, 0);
    assert_string_equal(o.said, "usage: berth try [OPTION]... [WORD]...\n"
                                "\n"
                                "Tries.\n"
                                "\n"
                                "Some:\n"
                                "  -t, --text WORD      a word\n"
                                "  -n, --number N       a number\n"
                                "\n"
                                "Others:\n"
                                "      --colour COLOUR  a colour\n"
                                "  -q, --quiet          no word\n"
                                "  -s, --small          little\n"
                                "  -a, --add X          one more\n"
                                "      --take X         one less\n"
                                "      --reset          none\n"
                                "  -h, --help           this text, and nothing else is done\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_stored_in_every_spelling),
        cmocka_unit_test(a_value_may_begin_with_a_dash),
        cmocka_unit_test(operands_keep_their_order),
        cmocka_unit_test(a_command_line_of_its_own_is_left_alone),
        cmocka_unit_test(calls_see_options_in_their_order),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(what_is_said_cannot_drive_the_terminal),
        cmocka_unit_test(help_is_made_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
