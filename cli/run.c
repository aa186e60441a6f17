/* SPDX-License-Identifier: MIT */
/*
 * cli/run.c: `berth run`: the command line, the run (run/run.h), the closing table. Called by
 * cli/main.c.
 */
#include "cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/learn.h"
#include "cli/message.h"

#define DEFAULT_NETWORK  "10.0.2.0/24"
#define DEFAULT_NETWORK6 "fd00::/64"
#define MTU_V6_MIN       1280 /* RFC 8200 section 5 */

struct settings {
    struct cli_policy *policy;
    bool is_policy_bad;
    struct run_publish publishes[RUN_PUBLISHES_MAX];
    size_t publish_count;
    int default_action; /* index in defaults */
    uint64_t ask_seconds;
    const char *policy_file; /* the last one; NULL: none that can be added to */
    const char *learn_file;
    struct learn *learn;
    const char *log_file;
    const char *pcap_file;
    struct link_impairment impairment;
    bool is_impaired;
    struct hostnet_nameserver nameservers[RUN_NAMESERVERS_MAX];
    size_t nameserver_count;
    bool has_no_dns;
    struct launch_host hosts[LAUNCH_HOSTS_MAX];
    size_t host_count;
    struct launch_network network;
    struct launch_network network6;
    struct berth_address resolver;
    struct berth_address resolver6;
    uint64_t mtu;
    uint64_t queues; /* 0: auto */
    bool has_network;
    bool has_network6;
    bool is_v4_only;
    bool is_v6_only;
    bool has_summary;
    bool is_quiet;
};

enum { DEFAULT_DENY, DEFAULT_ALLOW, DEFAULT_ASK };
static const char *const defaults[] = {"deny", "allow", "ask", NULL};

/* ---- Options --------------------------------------------------------------------------------- */

static bool refuse_more(struct cli_complaint *complaint, int most)
{
    (void)snprintf(complaint->expected, sizeof complaint->expected, "at most %d of them", most);
    return false;
}

static bool expect_value(struct cli_complaint *complaint, const char *value)
{
    (void)snprintf(complaint->expected, sizeof complaint->expected, "a value: %s", value);
    return false;
}

static bool add_publish(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    if (settings->publish_count == RUN_PUBLISHES_MAX) {
        return refuse_more(complaint, RUN_PUBLISHES_MAX);
    }
    if (!run_parse_publish(value, &settings->publishes[settings->publish_count], complaint)) {
        return false;
    }
    settings->publish_count++;
    return true;
}

static bool add_allow(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    return cli_policy_add_rule(settings->policy, "--allow", "allow", value, complaint);
}

static bool add_deny(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    return cli_policy_add_rule(settings->policy, "--deny", "deny", value, complaint);
}

static bool add_policy(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    if (*value == '\0') {
        return expect_value(complaint, "FILE");
    }
    if (cli_policy_add_file(settings->policy, value, NULL) != 0) {
        settings->is_policy_bad = true; /* it has been said */
    }
    if (strcmp(value, "-") != 0) {
        settings->policy_file = value;
    }
    return true;
}

static bool set_impairment(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;
    struct link_text_error error;

    if (value[strspn(value, " \t\n")] == '\0') { /* which the library takes for no impairment */
        return expect_value(complaint, "'delay 40ms loss 1%' or the like");
    }
    if (link_impairment_parse(value, &settings->impairment, &error) < 0) {
        (void)snprintf(complaint->word, sizeof complaint->word, "%.*s", (int)error.word_bytes,
                       error.word);
        (void)snprintf(complaint->expected, sizeof complaint->expected, "%s", error.expected);
        return false;
    }
    settings->is_impaired = true;
    return true;
}

static bool set_queues(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    settings->queues = 0;
    if (strcmp(value, "auto") == 0 ||
        cli_options_number(value, 1, LAUNCH_QUEUES_MAX, &settings->queues)) {
        return true;
    }
    (void)snprintf(complaint->expected, sizeof complaint->expected, "1 to %d, or auto",
                   LAUNCH_QUEUES_MAX);
    return false;
}

static bool add_nameserver(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    if (settings->nameserver_count == RUN_NAMESERVERS_MAX) {
        return refuse_more(complaint, RUN_NAMESERVERS_MAX);
    }
    if (hostnet_parse_nameserver(value, &settings->nameservers[settings->nameserver_count]) < 0) {
        (void)snprintf(complaint->expected, sizeof complaint->expected,
                       "the address of a name server");
        return false;
    }
    settings->nameserver_count++;
    return true;
}

static bool add_host(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    if (settings->host_count == LAUNCH_HOSTS_MAX) {
        return refuse_more(complaint, LAUNCH_HOSTS_MAX);
    }
    if (!run_parse_host(value, &settings->hosts[settings->host_count], complaint)) {
        return false;
    }
    settings->host_count++;
    return true;
}

static bool set_network(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    settings->has_network = true;
    return run_parse_network(value, &settings->network, &settings->resolver, complaint);
}

static bool set_network6(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    settings->has_network6 = true;
    return run_parse_network6(value, &settings->network6, &settings->resolver6, complaint);
}

static const struct cli_option option_list[] = {
    {.kind = CLI_HEADING, .help = "What may pass"},
    {.name = "allow",
     .letter = 'a',
     .kind = CLI_CALL,
     .value = "RULE",
     .call = add_allow,
     .help = "a rule without its first word: 'out https to 10.0.0.7'; repeatable, in order"},
    {.name = "deny",
     .letter = 'd',
     .kind = CLI_CALL,
     .value = "RULE",
     .call = add_deny,
     .help = "the same, to deny"},
    {.name = "policy",
     .kind = CLI_CALL,
     .value = "FILE",
     .call = add_policy,
     .help = "rules from a file, before those of the command line; repeatable; - is standard "
             "input"},
    {.name = "default",
     .kind = CLI_CHOICE,
     .value = "deny|allow|ask",
     .choices = defaults,
     .offset = offsetof(struct settings, default_action),
     .help =
         "what becomes of what no rule decides; deny unless said. With allow, the host's own "
         "addresses and other special ones stay shut until a rule names them. With ask, you are "
         "asked on the terminal while the connection waits"},
    {.name = "ask-timeout",
     .kind = CLI_NUMBER,
     .value = "SECONDS",
     .min = 1,
     .max = RUN_ASK_SECONDS_MAX,
     .offset = offsetof(struct settings, ask_seconds),
     .help =
         "how long an answer is waited for, 1 to 110 s; 30 unless said; without one it is deny"},
    {.name = "learn",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct settings, learn_file),
     .help = "let everything through, and add to FILE the rules that would have allowed it. What "
             "FILE denies stays denied"},
    {.name = "publish",
     .letter = 'p',
     .kind = CLI_CALL,
     .value = "PORT",
     .call = add_publish,
     .help = "accept on the host, deliver to the program: "
             "[ADDR:]PORT[-PORT][:PORT[-PORT]][/tcp|/udp]; ADDR is 127.0.0.1 and ::1 unless said; "
             "implies the matching 'allow in'; repeatable"},
    {.kind = CLI_HEADING, .help = "What is shown and kept"},
    {.name = "log",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct settings, log_file),
     .help = "a JSON line for every connection and refusal, added to FILE"},
    {.name = "pcap",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct settings, pcap_file),
     .help = "what crosses the program's link, for Wireshark"},
    {.name = "summary",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, has_summary),
     .help = "always print the closing table; without it only when something was refused"},
    {.name = "quiet",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_quiet),
     .help = "never print the closing table"},
    {.kind = CLI_HEADING, .help = "Names"},
    {.name = "dns",
     .kind = CLI_CALL,
     .value = "ADDR",
     .call = add_nameserver,
     .help = "ask this name server instead of those of the host's /etc/resolv.conf; repeatable"},
    {.name = "no-dns",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, has_no_dns),
     .help = "no name server inside"},
    {.name = "hosts",
     .kind = CLI_CALL,
     .value = "NAME=ADDR",
     .call = add_host,
     .help = "a name of your own; repeatable"},
    {.kind = CLI_HEADING, .help = "The link"},
    {.name = "network",
     .kind = CLI_CALL,
     .value = "CIDR",
     .call = set_network,
     .help = "the program's IPv4 network; " DEFAULT_NETWORK " unless said"},
    {.name = "network6",
     .kind = CLI_CALL,
     .value = "CIDR",
     .call = set_network6,
     .help = "its IPv6 network; " DEFAULT_NETWORK6 " unless said"},
    {.name = "ipv4-only",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_v4_only),
     .help = "no IPv6 inside"},
    {.name = "ipv6-only",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_v6_only),
     .help = "no IPv4 inside"},
    {.name = "mtu",
     .kind = CLI_NUMBER,
     .value = "N",
     .min = LAUNCH_MTU_MIN,
     .max = LAUNCH_MTU_MAX,
     .offset = offsetof(struct settings, mtu),
     .help = "bytes of a packet, 576 to 65520; 1500 unless said"},
    {.name = "queues",
     .kind = CLI_CALL,
     .value = "N",
     .call = set_queues,
     .help = "of the device, each with a stack and a thread for its TCP connections: 1 to 16; or "
             "auto, as unless said: one, and while that does not suffice large transfers go to up "
             "to three more, where there are processors for them; with --pcap or --impair one"},
    {.name = "impair",
     .kind = CLI_CALL,
     .value = "TEXT",
     .call = set_impairment,
     .help = "a bad network, on purpose: 'delay 40ms jitter 5ms loss 1% duplicate 0.1% reorder 2% "
             "corrupt 0.01% ecn 1% rate 10mbit queue 64kb seed 7', each at most once"},
};

static const struct cli_options options = {
    .command = "berth run",
    .usage = "[OPTION]... [--] COMMAND [ARG]...",
    .about = "Runs COMMAND on a network stack of its own, behind a firewall that keeps every port "
             "shut, in both directions, until a rule opens it. What is refused is refused at once, "
             "and named at the end with the words that would allow it. Needs no root.\n"
             "Inside, the program is 10.0.2.100 and fd00::100. The gateway, 10.0.2.2 and fd00::2, "
             "is 'host' in rules: it stands for this host's own loopback.",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
    .stop_at_operand = true,
    .notes = "Rules are in berth-policy(5).\n"
             "\n"
             "Exit status: the program's; 128+N when signal N ended it; 125 berth failed, 126 the\n"
             "program cannot be executed, 127 it is not there; 2 a mistake, and nothing was run.\n"
             "\n"
             "Examples:\n"
             "  berth run -- curl https://192.0.2.7/\n"
             "  berth run --allow 'out https' -- npm ci\n"
             "  berth run --learn npm.rules -- npm ci\n"
             "  berth run --allow 'out 5432/tcp to host' -- psql -h 10.0.2.2\n"
             "  berth run -p 8080:80 -- python3 -m http.server 80\n",
};

static int refuse(const char *word, const char *expected)
{
    return cli_options_refuse(&options, word, expected);
}

/* Whether two of --publish would listen at one place: on ports in common, of one address (those
 * without one are on the loopback's two). Others that clash the host's kernel tells. */
static bool is_clash(const struct run_publish *one, const struct run_publish *other)
{
    return one->protocol == other->protocol && one->host_first <= other->host_last &&
           other->host_first <= one->host_last && one->has_address == other->has_address &&
           (!one->has_address || berth_address_is_equal(&one->address, &other->address));
}

static int check_publishes(const struct settings *settings)
{
    for (size_t i = 0; i < settings->publish_count; i++) {
        const struct run_publish *publish = &settings->publishes[i];

        if (publish->has_address &&
            (berth_address_is_v4(&publish->address) ? settings->is_v6_only
                                                    : settings->is_v4_only)) {
            return refuse(publish->word, "an address of the family that the program has");
        }
        for (size_t j = 0; j < i; j++) {
            if (is_clash(&settings->publishes[j], publish)) {
                return refuse(publish->word, "ports that no --publish before it has taken");
            }
        }
    }
    return -1;
}

/* Files that are written: each its own. -1, or the exit status. */
static int check_files(const struct settings *settings)
{
    const struct {
        const char *option;
        const char *path;
    } files[] = {
        {"--log", settings->log_file},
        {"--pcap", settings->pcap_file},
        {"--learn", settings->learn_file},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (size_t j = 0; j < i; j++) {
            if (cli_files_are_one(files[j].path, files[i].path)) {
                char expected[64];

                (void)snprintf(expected, sizeof expected, "another file than that of %s",
                               files[j].option);
                return refuse(files[i].option, expected);
            }
        }
    }
    return -1;
}

/* What the options contradict. -1, or the exit status. */
static int check(const struct settings *settings, const struct cli_words *operands)
{
    if (settings->is_policy_bad) {
        return CLI_ERROR;
    }
    if (operands->count == 0) {
        cli_message("run: expected a command to run; see berth run --help");
        return CLI_ERROR;
    }
    if (settings->is_v4_only && settings->is_v6_only) {
        return refuse("--ipv6-only", "not both it and --ipv4-only");
    }
    if (settings->is_v6_only && settings->has_network) {
        return refuse("--network", "not both it and --ipv6-only");
    }
    if (settings->is_v4_only && settings->has_network6) {
        return refuse("--network6", "not both it and --ipv4-only");
    }
    if (settings->has_summary && settings->is_quiet) {
        return refuse("--quiet", "not both it and --summary");
    }
    if (settings->learn_file != NULL && settings->default_action != DEFAULT_DENY) {
        return refuse("--default", "not both it and --learn, which lets everything through");
    }
    if (settings->has_no_dns && settings->nameserver_count > 0) {
        return refuse("--no-dns", "not both it and --dns");
    }
    if (settings->mtu < MTU_V6_MIN && !settings->is_v4_only) {
        return refuse("--mtu", "1280 or more, as IPv6 needs; or --ipv4-only");
    }
    if (settings->queues > 1 && settings->impairment.rate_bps > 0) {
        return refuse("--impair", "no rate, which takes one queue (--queues)");
    }
    return check_files(settings) == CLI_ERROR ? CLI_ERROR : check_publishes(settings);
}

/* ---- The run --------------------------------------------------------------------------------- */

static void say(const char *line)
{
    cli_message("%s", line);
}

static int run_it(const struct settings *settings, const struct run_config *config)
{
    struct launch_failure failure = {.exit_status = LAUNCH_EXIT_BERTH_FAILED};
    struct run *run = NULL;
    int status = LAUNCH_EXIT_BERTH_FAILED;

    if (run_new(&run, config, &failure) < 0 || run_go(run, &failure) < 0) {
        cli_message("%s", failure.message);
        run_free(run);
        return failure.exit_status;
    }
    status = run_exit_status(run);
    if (settings->has_summary ||
        (!settings->is_quiet &&
         (run_tally(run)->refused > 0 || tally_names_refused(run_tally(run)) > 0))) {
        run_print_table(run, config);
    }
    if (settings->learn != NULL && !learn_finish(settings->learn, run, config, settings->policy) &&
        status == 0) {
        status = LAUNCH_EXIT_BERTH_FAILED; /* the program's own failure would say as much */
    }
    run_free(run);
    return status;
}

/* The file to learn into is a policy itself, and counts before what is let through. */
static bool open_learn(struct settings *settings)
{
    if (settings->learn_file == NULL) {
        return true;
    }
    settings->learn = learn_open(settings->learn_file);
    return settings->learn != NULL &&
           cli_policy_add_file(settings->policy, settings->learn_file, NULL) == 0;
}

/* What becomes of what no other rule decides. */
static void set_rest(struct run_rules *rules, const struct settings *settings)
{
    rules->rest = "";
    if (settings->learn != NULL) {
        rules->rest = learn_everything;
        rules->rest_origin = LEARN_ORIGIN;
    } else if (settings->default_action == DEFAULT_ALLOW) {
        rules->rest = "allow out any\nallow in any\n";
        rules->rest_origin = "--default allow";
    } else if (settings->default_action == DEFAULT_ASK) {
        rules->rest = "ask out to " RUN_EVERYWHERE "ask in from " RUN_EVERYWHERE;
        rules->rest_origin = RUN_ASK_ORIGIN;
    }
}

static int start(struct settings *settings, const struct cli_words *operands)
{
    struct run_rules rules = {
        .policy = &settings->policy,
        .resolver = settings->resolver,
        .resolver6 = settings->resolver6,
        .has_resolver = !settings->has_no_dns,
        .publishes = settings->publishes,
        .publish_count = settings->publish_count,
    };
    struct run_config config = {
        .argv = operands->words,
        .network = settings->network,
        .network6 = settings->network6,
        .resolver = settings->resolver,
        .resolver6 = settings->resolver6,
        .has_resolver = !settings->has_no_dns,
        .mtu = (uint32_t)settings->mtu,
        .queues = (uint32_t)settings->queues,
        .publishes = settings->publishes,
        .publish_count = settings->publish_count,
        .nameservers = settings->nameservers,
        .nameserver_count = settings->nameserver_count,
        .hosts = settings->hosts,
        .host_count = settings->host_count,
        .learns = settings->learn != NULL,
        .log_file = settings->log_file,
        .pcap_file = settings->pcap_file,
        .impairment = settings->is_impaired ? &settings->impairment : NULL,
        .ask_timeout_ns = settings->ask_seconds * UINT64_C(1000000000),
        .policy_file = settings->policy_file,
        .say = say,
    };
    int status;

    set_rest(&rules, settings);
    run_rules_make(&rules, &config);
    config.network.is_on = !settings->is_v6_only;
    config.network6.is_on = !settings->is_v4_only;
    status = run_it(settings, &config);
    run_rules_done(&rules);
    return status;
}

static void free_settings(struct settings *settings)
{
    for (size_t i = 0; i < settings->host_count; i++) {
        free((char *)(uintptr_t)settings->hosts[i].name);
    }
    learn_free(settings->learn);
    cli_policy_free(settings->policy);
    free(settings);
}

int cli_run_main(int argc, char **argv)
{
    struct settings *settings = cli_memory(NULL, sizeof *settings);
    struct cli_complaint complaint;
    struct cli_words operands;
    int status;

    *settings =
        (struct settings){.policy = cli_policy_new(), .mtu = 1500, .ask_seconds = RUN_ASK_SECONDS};
    (void)run_parse_network(DEFAULT_NETWORK, &settings->network, &settings->resolver, &complaint);
    (void)run_parse_network6(DEFAULT_NETWORK6, &settings->network6, &settings->resolver6,
                             &complaint);
    status = cli_options_parse(&options, argc, argv, settings, &operands);
    if (status < 0) {
        status = check(settings, &operands);
    }
    if (status < 0 && !open_learn(settings)) {
        status = CLI_ERROR;
    }
    if (status < 0) {
        status = start(settings, &operands);
    }
    free_settings(settings);
    return status;
}
