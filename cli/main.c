/* SPDX-License-Identifier: MIT */
/*
 * cli/main.c: where the berth command begins: the one table of commands, `berth --help`,
 * `berth --version`, and the end of standard output. Called by the system.
 */
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <berth/version.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/text.h"

/* Ends with a command without a name. */
static const struct cli_command commands[] = {
    {"run", "run a program on a stack of its own, behind a firewall", cli_run_main},
    {"ports", "what a port is: the registry of services and ports, offline", cli_ports_main},
    {"sockets", "every TCP and UDP socket of this host, and who can reach it", cli_sockets_main},
    {"audit", "what should not listen on this host as it does, and what mends it", cli_audit_main},
    {"rules", "check rules, explain what they decide, export and reload them", cli_rules_main},
    {"sim", "two stacks on a simulated network, in virtual time, and an oracle", cli_sim_main},
    {NULL, NULL, NULL},
};

#define COMMANDS_MAX (sizeof commands / sizeof commands[0])

static int print_help(void)
{
    printf("usage: berth COMMAND [OPTION]... [ARG]...\n"
           "       berth COMMAND --help\n"
           "       berth --help | --version\n"
           "\n"
           "berth gives one program its own place in the network: a TCP/IP stack, 65,535\n"
           "ports, and a gate that keeps every port shut until it is asked to open.\n"
           "\n"
           "Commands:\n");
    for (size_t i = 0; commands[i].name != NULL; i++) {
        printf("  %-8s  %s\n", commands[i].name, commands[i].summary);
    }
    printf("\nOptions:\n"
           "  -h, --help     this text\n"
           "  -V, --version  the version\n");
    return CLI_OK;
}

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; commands[i].name != NULL; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* "--help=1" */
static bool has_needless_value(const char *word)
{
    const char *equals = strchr(word, '=');
    size_t bytes = equals == NULL ? 0 : (size_t)(equals - word);

    return (bytes == strlen("--help") && strncmp(word, "--help", bytes) == 0) ||
           (bytes == strlen("--version") && strncmp(word, "--version", bytes) == 0);
}

static int refuse(const char *word)
{
    const char *names[COMMANDS_MAX];
    const char *nearest;
    size_t count = 0;

    if (has_needless_value(word)) {
        cli_message("%.*s '%s': expected no value", (int)(strchr(word, '=') - word), word,
                    strchr(word, '=') + 1);
        return CLI_ERROR;
    }
    if (word[0] == '-') {
        cli_message("unknown option '%s': expected a command; see berth --help", word);
        return CLI_ERROR;
    }
    for (; commands[count].name != NULL; count++) {
        names[count] = commands[count].name;
    }
    nearest = cli_text_nearest(word, names, count);
    if (nearest != NULL) {
        cli_message("unknown command '%s': expected '%s'? see berth --help", word, nearest);
    } else {
        cli_message("unknown command '%s': expected a command; see berth --help", word);
    }
    return CLI_ERROR;
}

static bool is_either(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int dispatch(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc < 2) {
        cli_message("expected a command; see berth --help");
        return CLI_ERROR;
    }
    if (is_either(argv[1], "--help", "-h")) {
        return print_help();
    }
    if (is_either(argv[1], "--version", "-V")) {
        printf("berth %s\n", berth_version());
        return CLI_OK;
    }
    command = find(argv[1]);
    return command == NULL ? refuse(argv[1]) : command->main(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    int status;

    /* Characters alone, for their widths (text.c); the C locale otherwise, as without this call. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    status = dispatch(argc, argv);
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_message("cannot write to standard output: %s",
                    errno == 0 ? "not everything was written" : strerror(errno));
        /* Half an answer is none, also where it was no. */
        return status <= CLI_NOTHING ? CLI_ERROR : status;
    }
    return status;
}
