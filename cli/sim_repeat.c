/* SPDX-License-Identifier: MIT */
/*
 * cli/sim_repeat.c: see cli/sim_repeat.h.
 */
#include "cli/sim_repeat.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

#define REPEAT_BYTES 1024

/* Static, for the signal handler: what to print if the process dies; and " --loss 3% ...": the
 * words that make a run what it is. */
static char repeat[REPEAT_BYTES + 128];
static char kept_words[REPEAT_BYTES];

/* Options that say which run, or how it is shown; the others make it what it is. */
static bool is_left_out(const char *word, bool *takes_next)
{
    static const char *const with_value[] = {"--seed", "--runs", "--jobs",
                                             "--plot", "--pcap", NULL};
    static const char *const flags[] = {"--json", "--verbose", "-v", "--vary", NULL};

    *takes_next = false;
    for (size_t i = 0; with_value[i] != NULL; i++) {
        size_t bytes = strlen(with_value[i]);

        if (strncmp(word, with_value[i], bytes) == 0 &&
            (word[bytes] == '\0' || word[bytes] == '=')) {
            *takes_next = word[bytes] == '\0';
            return true;
        }
    }
    for (size_t i = 0; flags[i] != NULL; i++) {
        if (strcmp(word, flags[i]) == 0) {
            return true;
        }
    }
    return false;
}

void sim_repeat_keep(int argc, char **argv)
{
    size_t at = 0;

    kept_words[0] = '\0';
    for (int i = 1; i < argc && at < sizeof kept_words; i++) {
        bool takes_next;

        if (is_left_out(argv[i], &takes_next)) {
            i += takes_next;
            continue;
        }
        at += (size_t)snprintf(kept_words + at, sizeof kept_words - at, " %s", argv[i]);
    }
}

static void on_fatal(int number)
{
    /* write(2) is all that a handler may do; the signal then ends the process as it would have. */
    if (write(STDERR_FILENO, repeat, strlen(repeat)) < 0) {
        _exit(CLI_ERROR);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void sim_repeat_add(const char *words)
{
    (void)strncat(kept_words, words, sizeof kept_words - strlen(kept_words) - 1);
}

void sim_repeat_name(const struct sim_config *config)
{
    (void)snprintf(repeat, sizeof repeat, "berth: repeat with: berth sim --seed %" PRIu64 "%s%s\n",
                   config->seed, config->vary ? " --vary" : "", kept_words);
}

const char *sim_repeat_text(void)
{
    return repeat;
}

void sim_repeat_watch(void)
{
    (void)signal(SIGABRT, on_fatal);
    (void)signal(SIGSEGV, on_fatal);
}
