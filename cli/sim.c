/* SPDX-License-Identifier: MIT */
/*
 * cli/sim.c: `berth sim`: runs of the simulator (sim/sim.h), what each flow got, and the seed of
 * what went wrong.
 *
 * Invariants:
 * 1. Whatever ends a run wrongly, also a check of ours inside the stack that aborts, the command
 *    that repeats it has been printed.
 * 2. What is not given on the command line is at its default in a single run, and drawn from the
 *    seed with --vary and in every scenario but transfer.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cc/cc.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sim_jobs.h"
#include "cli/sim_repeat.h"
#include "cli/sim_report.h"
#include "link/units.h"
#include "sim/sim.h"

#define SEED_MAX        INT64_MAX /* what JSON's numbers hold everywhere */
#define RUNS_MAX        1000000000U
#define SCENARIO_UNSAID (-1)
#define FAILURES_MAX    10 /* then enough is known */

struct settings {
    struct sim_config config; /* first: what the options' calls fill */
    uint64_t seed;
    uint64_t runs;
    uint64_t jobs;
    int scenario;
    int discipline;
    bool is_json;
    bool is_verbose;
    bool is_vary;
    bool is_plain;
    bool is_ipv4;
    bool is_ipv6;
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool expect(struct cli_complaint *complaint, const char *expected)
{
    (void)snprintf(complaint->expected, sizeof complaint->expected, "%s", expected);
    return false;
}

static bool read_time(uint64_t *out, const char *value, struct cli_complaint *complaint)
{
    return link_parse_time_ns(value, strlen(value), out) || expect(complaint, LINK_EXPECT_TIME);
}

static bool read_portion(uint32_t *out, const char *value, struct cli_complaint *complaint)
{
    return link_parse_ppm(value, strlen(value), out) || expect(complaint, LINK_EXPECT_PORTION);
}

static struct sim_config *config_of(void *settings, enum sim_given given)
{
    struct sim_config *config = &((struct settings *)settings)->config;

    config->given |= given;
    return config;
}

static bool set_flows(void *settings, const char *value, struct cli_complaint *complaint)
{
    uint64_t flows;

    if (!cli_options_number(value, 1, SIM_FLOWS_MAX, &flows)) {
        return expect(complaint, "a number from 1 to 4096");
    }
    config_of(settings, SIM_GIVEN_FLOWS)->flows = (uint32_t)flows;
    return true;
}

static bool set_bytes(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct sim_config *config = config_of(settings, SIM_GIVEN_BYTES);
    uint32_t bytes;

    if (cli_options_number(value, 1, SIM_BYTES_MAX, &config->bytes)) {
        return true;
    }
    if (!link_parse_bytes(value, strlen(value), &bytes) || bytes == 0) {
        return expect(complaint, "a number of bytes, or a size such as 64kb, 1mb (at most 1gb)");
    }
    config->bytes = bytes;
    return true;
}

static bool set_delay(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_time(&config_of(settings, SIM_GIVEN_DELAY)->path.delay_ns, value, complaint);
}

static bool set_jitter(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_time(&config_of(settings, SIM_GIVEN_JITTER)->path.jitter_ns, value, complaint);
}

static bool set_loss(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_portion(&config_of(settings, SIM_GIVEN_LOSS)->path.loss_ppm, value, complaint);
}

static bool set_duplicate(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_portion(&config_of(settings, SIM_GIVEN_DUPLICATE)->path.duplicate_ppm, value,
                        complaint);
}

static bool set_reorder(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_portion(&config_of(settings, SIM_GIVEN_REORDER)->path.reorder_ppm, value,
                        complaint);
}

static bool set_corrupt(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_portion(&config_of(settings, SIM_GIVEN_CORRUPT)->path.corrupt_ppm, value,
                        complaint);
}

static bool set_rate(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct link_impairment *path = &config_of(settings, SIM_GIVEN_RATE)->path;

    if (strcmp(value, "0") == 0) {
        path->rate_bps = 0;
        return true;
    }
    return link_parse_rate_bps(value, strlen(value), &path->rate_bps) ||
           expect(complaint, LINK_EXPECT_RATE ", or 0 for no limit");
}

static bool set_mtu(void *settings, const char *value, struct cli_complaint *complaint)
{
    uint64_t mtu;

    if (!cli_options_number(value, 576, BERTH_PACKET_BYTES_MAX, &mtu)) {
        return expect(complaint, "a number from 576 to 65535");
    }
    config_of(settings, SIM_GIVEN_MTU)->mtu = (uint32_t)mtu;
    return true;
}

/* "cubic, newreno or bbr": what there is. */
static bool expect_controllers(struct cli_complaint *complaint)
{
    size_t at = 0;

    for (uint32_t i = 0; cc_at(i) != NULL; i++) {
        const char *between = i == 0 ? "" : cc_at(i + 1) == NULL ? " or " : ", ";

        at += (size_t)snprintf(complaint->expected + at, sizeof complaint->expected - at, "%s%s",
                               between, cc_at(i)->name);
        at = min_size(at, sizeof complaint->expected - 1);
    }
    return false;
}

static bool set_cc(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct sim_config *config = config_of(settings, SIM_GIVEN_CC);
    const char *at = value;

    for (;;) {
        size_t bytes = strcspn(at, ",");
        char name[16];

        (void)snprintf(name, sizeof name, "%.*s", (int)min_size(bytes, sizeof name), at);
        if (bytes >= sizeof name || cc_find(name) == NULL) {
            return expect_controllers(complaint);
        }
        if (at[bytes] == '\0') {
            break;
        }
        at += bytes + 1;
    }
    if (strlen(value) >= sizeof config->congestion_control) {
        return expect(complaint, "fewer names");
    }
    (void)snprintf(config->congestion_control, sizeof config->congestion_control, "%s", value);
    return true;
}

static bool set_ecn(void *settings, const char *value, struct cli_complaint *complaint)
{
    static const struct {
        const char *name;
        uint8_t ecn;
    } levels[] = {{"off", BERTH_TCP_ECN_OFF},
                  {"accept", BERTH_TCP_ECN_ACCEPT},
                  {"on", BERTH_TCP_ECN},
                  {"accecn", BERTH_TCP_ACCECN}};

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(value, levels[i].name) == 0) {
            config_of(settings, SIM_GIVEN_ECN)->ecn = levels[i].ecn;
            return true;
        }
    }
    return expect(complaint, "off, accept, on or accecn");
}

static bool set_marks(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_portion(&config_of(settings, SIM_GIVEN_MARKS)->path.ecn_ppm, value, complaint);
}

static bool set_time(void *settings, const char *value, struct cli_complaint *complaint)
{
    struct sim_config *config = config_of(settings, 0);

    return read_time(&config->time_ns, value, complaint) &&
           (config->time_ns > 0 || expect(complaint, LINK_EXPECT_TIME));
}

static bool set_from(void *settings, const char *value, struct cli_complaint *complaint)
{
    return read_time(&config_of(settings, 0)->from_ns, value, complaint);
}

static bool set_hosts(void *settings, const char *value, struct cli_complaint *complaint)
{
    uint64_t pairs;

    if (!cli_options_number(value, 1, SIM_PAIRS_MAX, &pairs)) {
        return expect(complaint, "a number from 1 to 128");
    }
    config_of(settings, SIM_GIVEN_PAIRS)->pairs = (uint32_t)pairs;
    return true;
}

/* "64kb", or "100p": bytes, or packets. */
static bool set_queue_size(struct sim_config *config, const char *value)
{
    size_t bytes = strlen(value);
    char digits[16];
    uint64_t packets;

    if (bytes > 1 && bytes < sizeof digits && value[bytes - 1] == 'p') {
        (void)snprintf(digits, sizeof digits, "%.*s", (int)bytes - 1, value);
        if (!cli_options_number(digits, 1, UINT32_MAX, &packets)) {
            return false;
        }
        config->queue_packets = (uint32_t)packets;
        config->path.queue_bytes = UINT32_MAX;
        return true;
    }
    return link_parse_bytes(value, bytes, &config->path.queue_bytes) &&
           config->path.queue_bytes > 0;
}

static bool set_queue(void *settings, const char *value, struct cli_complaint *complaint)
{
    return set_queue_size(config_of(settings, SIM_GIVEN_QUEUE), value) ||
           expect(complaint, LINK_EXPECT_BYTES ", or packets, such as 100p");
}

static const char *const scenarios[] = {"transfer", "mixed", "idle", "many", "flood", NULL};
static const char *const disciplines[] = {"tail-drop", "codel", "codel-ecn", NULL};

#define CALL(option, what, function, text)                                                      \
    {                                                                                           \
        .name = (option), .kind = CLI_CALL, .value = (what), .call = (function), .help = (text) \
    }

static const struct cli_option option_list[] = {
    {.kind = CLI_HEADING, .help = "Runs"},
    {.name = "seed",
     .kind = CLI_NUMBER,
     .value = "N",
     .max = SEED_MAX,
     .offset = offsetof(struct settings, seed),
     .help = "where all chance comes from; 1 unless said"},
    {.name = "runs",
     .kind = CLI_NUMBER,
     .value = "N",
     .min = 1,
     .max = RUNS_MAX,
     .offset = offsetof(struct settings, runs),
     .help = "so many runs with seeds one after the other; implies --vary"},
    {.name = "jobs",
     .kind = CLI_NUMBER,
     .value = "N",
     .min = 1,
     .max = SIM_JOBS_MAX,
     .offset = offsetof(struct settings, jobs),
     .help = "runs at once; as many as there are processors unless said"},
    {.name = "vary",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_vary),
     .help = "draw from the seed what is not given: flows, bytes, path, stacks, manners"},
    {.name = "plain",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_plain),
     .help = "draw no shared queues, middleboxes, changes in flight and small limits"},
    {.name = "twins",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, config.has_twins),
     .help = "hosts are two stacks each, and connections move from one to the other"},
    {.name = "scenario",
     .kind = CLI_CHOICE,
     .value = "transfer|mixed|idle|many|flood",
     .choices = scenarios,
     .offset = offsetof(struct settings, scenario),
     .help = "what the flows do; unless said transfer, and mixed with --runs"},
    {.kind = CLI_HEADING, .help = "Flows"},
    CALL("flows", "N", set_flows, "connections at once; 1 unless said"),
    CALL("bytes", "N", set_bytes, "per flow, from host A to host B; 1mb unless said"),
    CALL("time", "TIME", set_time, "flows send for so long instead, and are then compared"),
    CALL("from", "TIME", set_from, "goodput counts what arrives from then on; 0s unless said"),
    CALL("hosts", "N", set_hosts, "pairs of hosts that the flows are spread over; 1 unless said"),
    CALL("cc", "NAME[,NAME]...", set_cc,
         "congestion control (cubic, newreno...), of flows in turn; cubic unless said"),
    CALL("ecn", "off|accept|on|accecn", set_ecn,
         "ECN of the stacks (RFC 3168, 9768); accept unless said, on if the queue marks"),
    {.name = "ipv4",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_ipv4),
     .help = "over IPv4; so it is unless said"},
    {.name = "ipv6",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_ipv6),
     .help = "over IPv6; with --ipv4 either, as the seed says"},
    {.kind = CLI_HEADING, .help = "The path that all share, each way"},
    CALL("delay", "TIME", set_delay, "20ms unless said"),
    CALL("jitter", "TIME", set_jitter, "up to so much more, order kept"),
    CALL("rate", "RATE", set_rate, "20mbit unless said; 0: no limit"),
    CALL("queue", "BYTES", set_queue,
         "of the rate limit, or in packets, as in 100p; 100 ms unless said"),
    {.name = "discipline",
     .kind = CLI_CHOICE,
     .value = "tail-drop|codel|codel-ecn",
     .choices = disciplines,
     .offset = offsetof(struct settings, discipline),
     .help = "which packets the queue drops, or marks (RFC 8289); tail-drop unless said"},
    CALL("loss", "PERCENT", set_loss, "packets lost"),
    CALL("duplicate", "PERCENT", set_duplicate, "packets doubled"),
    CALL("reorder", "PERCENT", set_reorder, "packets held back, so that later ones overtake"),
    CALL("corrupt", "PERCENT", set_corrupt, "packets with one bit turned"),
    CALL("marks", "PERCENT", set_marks, "packets marked (CE), of those that can be"),
    CALL("mtu", "N", set_mtu, "1500 unless said"),
    {.kind = CLI_HEADING, .help = "What is shown"},
    {.name = "plot",
     .kind = CLI_TEXT,
     .value = "FILE.svg",
     .offset = offsetof(struct settings, config.plot_file),
     .help = "draw the first flow: time and sequence, and the windows"},
    {.name = "pcap",
     .kind = CLI_TEXT,
     .value = "FILE",
     .offset = offsetof(struct settings, config.pcap_file),
     .help = "what crossed host A's link, for Wireshark"},
    {.name = "verbose",
     .letter = 'v',
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_verbose),
     .help = "a line for every packet at every host"},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_json),
     .help = "one JSON document"},
};

static const struct cli_options usage = {
    .command = "berth sim",
    .usage = "[OPTION]...",
    .about = "Runs stacks on a simulated network in virtual time, and checks that every byte "
             "arrived, once and in order, that nothing stood still and that nothing was left "
             "behind.\n"
             "All chance comes from the seed: the same command gives the same packets at the same "
             "nanoseconds. The trace is a hash over all of them.",
    .notes = "Exit status: 0 every byte arrived; 1 something was not right, and the command that "
             "repeats it\nwas printed, or flows gave up on a path that loses 10 % or more; 2 a bad "
             "option, or a file\nthat cannot be written.\n"
             "\n"
             "Examples:\n"
             "  berth sim --loss 1% --plot loss.svg\n"
             "  berth sim --flows 8 --hosts 8 --rate 100mbit --time 60s --cc cubic,newreno\n"
             "  berth sim --runs 2000 --loss 3% --reorder 3% --duplicate 1% --corrupt 1%\n",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
};

/* ---- Runs ------------------------------------------------------------------------------------ */

/* Of a single run. */
static void on_progress(void *user, uint64_t now_ns)
{
    struct cli_progress *progress = user;

    if (cli_progress_is_due(progress)) {
        cli_progress_show(progress, "%.3f s of virtual time", (double)now_ns / NS_PER_S);
    }
}

static void tell(const struct sim_config *config, const struct sim_result *result)
{
    cli_message("seed %" PRIu64 " (%s): %s", config->seed, sim_scenario_name(config->scenario),
                result->failure);
    sim_repeat_name(config);
    (void)fputs(sim_repeat_text(), stderr);
}

/* One run after the other into REPORT, until FAILURES_MAX were not right. */
static int run_each(struct sim_jobs *jobs, struct sim_report *report, struct cli_progress *progress)
{
    for (uint64_t i = 0; i < jobs->runs && report->wrong < FAILURES_MAX; i++) {
        struct sim_config config;
        struct sim_result result;
        int error = sim_jobs_next(jobs, &config, &result);

        if (error < 0 || !result.is_right) {
            cli_progress_end(progress);
        }
        if (error == -ECHILD) { /* the process that made it has said how to repeat it */
            cli_message("seed %" PRIu64 " (%s): the run ended its process", config.seed,
                        sim_scenario_name(config.scenario));
            report->wrong++;
            break;
        }
        if (error < 0) {
            cli_message("sim: %s%s%s", result.failure, result.failure[0] != '\0' ? ": " : "",
                        strerror(-error));
            return CLI_ERROR;
        }
        sim_report_add(report, &config, &result);
        if (!result.is_right) {
            tell(&config, &result);
        }
        if (jobs->runs > 1 && cli_progress_is_due(progress)) {
            cli_progress_show(progress, "%" PRIu64 " of %" PRIu64 " runs", i + 1, jobs->runs);
        }
        sim_result_done(&result);
    }
    /* Of many paths, drawn at random, some are so bad that it is no fault to give up. */
    return report->wrong > 0 || (report->gave_up > 0 && jobs->runs == 1) ? CLI_NOTHING : CLI_OK;
}

static int run_all(struct sim_jobs *jobs, struct sim_config *config, struct sim_report *report)
{
    struct cli_progress progress = cli_progress_begin();
    int status;

    if (jobs->runs == 1 && config->packets == NULL) {
        config->on_progress = on_progress;
        config->user = &progress;
    }
    status = run_each(jobs, report, &progress);
    cli_progress_end(&progress);
    config->on_progress = NULL;
    config->user = NULL;
    return status;
}

/* Processes at once: as many as asked for, or as there are processors. */
static unsigned job_count(const struct settings *settings)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->is_verbose || settings->config.plot_file != NULL ||
        settings->config.pcap_file != NULL) {
        return 1;
    }
    return settings->jobs > 0 ? (unsigned)settings->jobs
           : processors > 0   ? (unsigned)processors
                              : 1;
}

static void settle(struct settings *settings)
{
    struct sim_config *config = &settings->config;

    if (settings->scenario == SCENARIO_UNSAID) {
        settings->scenario = settings->runs > 1 ? SIM_MIXED : SIM_TRANSFER;
        if (settings->scenario == SIM_MIXED) {
            sim_repeat_add(" --scenario mixed");
        }
    }
    config->scenario = (enum sim_scenario)settings->scenario;
    config->discipline = (enum sim_discipline)settings->discipline;
    config->vary = settings->is_vary || settings->runs > 1 || settings->scenario != SIM_TRANSFER;
    if (settings->is_ipv4 || settings->is_ipv6) {
        config->given |= SIM_GIVEN_VERSIONS;
        config->versions = (settings->is_ipv4 ? (unsigned)SIM_IPV4 : 0U) |
                           (settings->is_ipv6 ? (unsigned)SIM_IPV6 : 0U);
    }
    config->is_plain = settings->is_plain;
    if (settings->is_verbose) {
        config->packets = stdout;
    }
}

/* Options that are good alone and not together; said. */
static bool contradicts_itself(const struct settings *settings)
{
    const struct sim_config *config = &settings->config;
    bool has_file = config->plot_file != NULL || config->pcap_file != NULL;
    const char *word = NULL;
    const char *expected = NULL;

    if (config->versions != SIM_IPV4 && config->mtu < 1280) {
        word = "--mtu";
        expected = "at least 1280 for IPv6 (RFC 8200, section 5)";
    } else if (settings->seed > SEED_MAX - (settings->runs - 1)) {
        word = "--seed";
        expected = "one that the seeds of all --runs can follow, up to 9223372036854775807";
    } else if (settings->is_verbose && settings->is_json) {
        word = "--verbose";
        expected = "it or --json, not both";
    } else if (config->scenario == SIM_FLOOD && (has_file || settings->is_verbose)) {
        word = settings->is_verbose ? "--verbose" : config->plot_file ? "--plot" : "--pcap";
        expected = "another scenario: of a flood no packets are shown";
    } else if (config->time_ns > 0 && config->from_ns >= config->time_ns) {
        word = "--from";
        expected = "a time before that of --time, when all is over";
    } else if (cli_files_are_one(config->plot_file, config->pcap_file)) {
        word = "--pcap";
        expected = "another file than that of --plot";
    }
    if (word != NULL) {
        (void)cli_options_refuse(&usage, word, expected);
    }
    return word != NULL;
}

int cli_sim_main(int argc, char **argv)
{
    struct settings settings = {.seed = 1, .runs = 1, .scenario = SCENARIO_UNSAID};
    struct sim_jobs jobs;
    struct sim_report report;
    struct cli_words operands;
    int status;

    sim_config_init(&settings.config);
    sim_repeat_keep(argc, argv);
    status = cli_options_parse(&usage, argc, argv, &settings, &operands);
    if (status >= 0) {
        return status;
    }
    if (operands.count > 0) {
        return cli_options_refuse(&usage, operands.words[0], "options only");
    }
    settle(&settings);
    if (contradicts_itself(&settings)) {
        return CLI_ERROR;
    }
    sim_repeat_watch();
    sim_report_init(&report, settings.is_json);
    jobs = (struct sim_jobs){.config = &settings.config,
                             .seed = settings.seed,
                             .runs = settings.runs,
                             .name_run = sim_repeat_name};
    status = sim_jobs_start(&jobs, job_count(&settings));
    if (status < 0) {
        cli_message("sim: %s", strerror(-status));
        return CLI_ERROR;
    }
    status = run_all(&jobs, &settings.config, &report);
    sim_jobs_end(&jobs);
    if (status != CLI_ERROR) {
        sim_report_print(&report, settings.runs);
    }
    sim_report_done(&report);
    return status;
}
