/* SPDX-License-Identifier: MIT */
/*
 * cli/rules.c: `berth rules`: the command line of check, explain, export and reload. Called by
 * cli/main.c.
 */
#include "cli/rules.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/text.h"

static bool add_policy(void *context, const char *value, struct cli_complaint *complaint)
{
    struct rules_settings *settings = context;

    if (*value == '\0') {
        (void)snprintf(complaint->expected, sizeof complaint->expected, "a value: FILE");
        return false;
    }
    settings->has_policy = true;
    if (cli_policy_add_file(settings->policy, value, NULL) != 0) {
        settings->is_policy_bad = true;
    }
    return true;
}

static bool add_allow(void *context, const char *value, struct cli_complaint *complaint)
{
    struct rules_settings *settings = context;

    settings->has_policy = true;
    return cli_policy_add_rule(settings->policy, "--allow", "allow", value, complaint);
}

static bool add_deny(void *context, const char *value, struct cli_complaint *complaint)
{
    struct rules_settings *settings = context;

    settings->has_policy = true;
    return cli_policy_add_rule(settings->policy, "--deny", "deny", value, complaint);
}

static bool add_host(void *context, const char *value, struct cli_complaint *complaint)
{
    struct rules_settings *settings = context;
    struct berth_address address;

    if (settings->host_count == RULES_HOST_MAX) {
        (void)snprintf(complaint->expected, sizeof complaint->expected, "at most %d of them",
                       RULES_HOST_MAX);
        return false;
    }
    if (berth_address_parse(value, &address) != BERTH_OK) {
        (void)snprintf(complaint->expected, sizeof complaint->expected, "an address");
        return false;
    }
    settings->host[settings->host_count++] = address;
    return true;
}

static const char *const targets[] = {"nftables", "kubernetes", "cilium", NULL};

static const struct cli_option option_list[] = {
    {.name = "policy",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_policy,
     .help = "explain: rules from a file, before those of the command line; repeatable; - "
             "is " CLI_POLICY_INPUT},
    {.name = "allow",
     .letter = 'a',
     .kind = CLI_CALL,
     .value = "RULE",
     .call = add_allow,
     .help =
         "explain: a rule without its first word: 'out https to 10.0.0.7'; repeatable, in order"},
    {.name = "deny",
     .letter = 'd',
     .kind = CLI_CALL,
     .value = "RULE",
     .call = add_deny,
     .help = "explain: the same, to deny"},
    {.name = "host",
     .kind = CLI_CALL,
     .value = "ADDRESS",
     .call = add_host,
     .help = "explain, export: an address that counts as the host's own, besides those that it "
             "holds; repeatable"},
    {.name = "to",
     .kind = CLI_CHOICE,
     .value = "nftables|kubernetes|cilium",
     .choices = targets,
     .offset = offsetof(struct rules_settings, target),
     .help = "export: in whose words"},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = offsetof(struct rules_settings, is_json),
     .help = "one JSON document: an array with an object for each file, connection or process"},
};

static const struct cli_options options = {
    .command = "berth rules",
    .usage = "check [--json] FILE...\nexplain [OPTION]... CONNECTION\n"
             "export --to nftables|kubernetes|cilium [--host ADDRESS]... FILE\n"
             "reload [--json] [PID]",
    .about =
        "check reads files of rules, names every mistake in them, and warns of rules that "
        "never decide.\nexplain prints what rules decide on a connection, which of them "
        "decides, and why those before it do not.\nexport prints the rules of FILE as a ruleset of "
        "nftables, a NetworkPolicy of Kubernetes or a CiliumNetworkPolicy; what those cannot "
        "say is listed on standard error and in its comments.\nreload asks berth run, as process "
        "PID or every one of this user, to read its files of rules again: all of the new rules "
        "count from then on or, where there is a mistake in them, the old ones still do. The "
        "language is in berth-policy(5).",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
    .notes =
        "CONNECTION is one word for the shell, in either of two forms:\n"
        "  'out tcp 10.0.0.7:8443'      direction, protocol, address:port (icmp: no port)\n"
        "  'out https to 10.0.0.7'      a rule without its first word, for one peer\n"
        "The port is the peer's for out, the program's for in. A host name may stand for\n"
        "the address, as an answer for it would; and the word host: it is the gateway,\n"
        "10.0.2.2. 'by curl' behind it says which process asks.\n"
        "\n"
        "Exit status: 0 good, allowed, or all of it exported; 1 denied or dropped, or the target\n"
        "cannot say all of the policy; 2 a mistake, or nobody there to read rules again.\n"
        "\n"
        "Examples:\n"
        "  berth rules check policy.txt\n"
        "  berth rules explain --policy policy.txt 'out tcp 10.0.0.7:8443'\n"
        "  berth rules explain -a 'out https' 'out 443/tcp to 169.254.169.254'\n"
        "  berth rules explain --policy npm.rules 'out tcp registry.example:443 by npm'\n"
        "  berth rules export --to nftables policy.txt | nft -c -f -\n",
};

static int refuse(const char *word, const char *expected)
{
    return cli_options_refuse(&options, word, expected);
}

static int explain(const struct rules_settings *settings, const struct cli_words *operands)
{
    struct rules_query queries[RULES_QUERIES_MAX];
    struct berth_address gateway = berth_address_v4(0x0a000202);
    struct cli_complaint complaint = {.expected = ""};
    const char *text;
    size_t count;

    if (operands->count != 2) {
        return operands->count < 2
                   ? refuse("explain", "a connection after it: 'out tcp 10.0.0.7:8443'")
                   : refuse(operands->words[2], "one connection, in quotes");
    }
    text = operands->words[1];
    count = rules_query_parse(text, &gateway, queries, &complaint);
    if (count == 0 && complaint.word[0] != '\0') {
        cli_message("rules: '%s': bad word '%s': expected %s", text, complaint.word,
                    complaint.expected);
        return CLI_ERROR;
    }
    return count == 0 ? refuse(text, complaint.expected) : rules_explain(settings, queries, count);
}

static int check(const struct rules_settings *settings, const struct cli_words *operands)
{
    if (operands->count < 2) {
        return refuse("check", "a file after it");
    }
    if (settings->has_policy || settings->host_count > 0 || settings->target >= 0) {
        return refuse("check", "no option but --json with it");
    }
    return rules_check(operands->words + 1, operands->count - 1, settings->is_json);
}

static int export(struct rules_settings *settings, const struct cli_words *operands)
{
    if (settings->target < 0) {
        return refuse("export", "--to nftables, kubernetes or cilium with it");
    }
    if (operands->count != 2) {
        return operands->count < 2 ? refuse("export", "a file after it")
                                   : refuse(operands->words[2], "one file");
    }
    if (settings->has_policy || settings->is_json) {
        return refuse("export", "no option but --to and --host with it");
    }
    return rules_export(settings, operands->words[1]);
}

static int reload(const struct rules_settings *settings, const struct cli_words *operands)
{
    uint64_t pid = 0;

    if (operands->count > 2) {
        return refuse(operands->words[2], "one process");
    }
    if (operands->count == 2 && !cli_options_number(operands->words[1], 1, INT32_MAX, &pid)) {
        return refuse(operands->words[1], "the number of a process");
    }
    if (settings->has_policy || settings->host_count > 0 || settings->target >= 0) {
        return refuse("reload", "no option but --json with it");
    }
    return rules_reload_runs((int)pid, settings->is_json);
}

static int dispatch(struct rules_settings *settings, const struct cli_words *operands)
{
    static const char *const verbs[] = {"check", "explain", "export", "reload"};
    const char *verb = operands->count == 0 ? "" : operands->words[0];
    const char *nearest;

    if (strcmp(verb, "explain") == 0) {
        return settings->target >= 0 ? refuse("--to", "it with export only")
                                     : explain(settings, operands);
    }
    if (strcmp(verb, "check") == 0) {
        return check(settings, operands);
    }
    if (strcmp(verb, "export") == 0) {
        return export(settings, operands);
    }
    if (strcmp(verb, "reload") == 0) {
        return reload(settings, operands);
    }
    if (operands->count == 0) {
        cli_message("rules: expected check, explain, export or reload; see berth rules --help");
        return CLI_ERROR;
    }
    nearest = cli_text_nearest(verb, verbs, sizeof verbs / sizeof verbs[0]);
    if (nearest != NULL) {
        cli_message("rules: '%s': expected check, explain, export or reload (did you mean %s?)",
                    verb, nearest);
        return CLI_ERROR;
    }
    return refuse(verb, "check, explain, export or reload");
}

int cli_rules_main(int argc, char **argv)
{
    struct rules_settings settings = {.policy = cli_policy_new(), .target = -1};
    struct cli_words operands;
    int status = cli_options_parse(&options, argc, argv, &settings, &operands);

    if (status < 0) {
        status = settings.is_policy_bad ? CLI_ERROR : dispatch(&settings, &operands);
    }
    cli_policy_free(settings.policy);
    return status;
}
