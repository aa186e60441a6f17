/* SPDX-License-Identifier: MIT */
/*
 * cli/sim_report.c: results of the simulator for people and for scripts. Called by cli/sim.c.
 */
#include "cli/sim_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"

#include <berth/error.h>

#define TEXT_BYTES  64
#define FLOWS_SHOWN 50 /* of one run; the rest is a line */
#define SECOND_NS   1e9

static const struct cli_column columns[] = {
    {.title = "FLOW", .align = CLI_RIGHT},     {.title = "IP", .align = CLI_RIGHT},
    {.title = "DIRECTION", .align = CLI_LEFT}, {.title = "BYTES", .align = CLI_RIGHT},
    {.title = "DURATION", .align = CLI_RIGHT}, {.title = "GOODPUT", .align = CLI_RIGHT},
    {.title = "RESENT", .align = CLI_RIGHT},   {.title = "RECOVERIES", .align = CLI_RIGHT},
    {.title = "TIMEOUTS", .align = CLI_RIGHT}, {.title = "END", .align = CLI_LEFT},
};

static const char *rate_text(double bits_per_second, char out[TEXT_BYTES])
{
    if (bits_per_second >= 1e9) {
        (void)snprintf(out, TEXT_BYTES, "%.2f Gbit/s", bits_per_second / 1e9);
    } else if (bits_per_second >= 1e6) {
        (void)snprintf(out, TEXT_BYTES, "%.2f Mbit/s", bits_per_second / 1e6);
    } else {
        (void)snprintf(out, TEXT_BYTES, "%.2f kbit/s", bits_per_second / 1e3);
    }
    return out;
}

static double seconds_of(const struct sim_flow_result *flow)
{
    return flow->end_ns > flow->begin_ns ? (double)(flow->end_ns - flow->begin_ns) / SECOND_NS : 0;
}

static const char *end_text(const struct sim_end_result *end)
{
    return end->error == 0 ? "in order" : berth_error_text(end->error);
}

/* The direction from end FROM of FLOW; one that carried nothing is left out. */
static void add_row(struct cli_table *table, uint32_t index, const struct sim_flow_result *flow,
                    unsigned from)
{
    const struct sim_end_result *sender = &flow->ends[from];
    uint64_t bytes = flow->ends[1 - from].counted;
    char text[TEXT_BYTES];

    if (sender->sent == 0) {
        return;
    }
    cli_table_addf(table, CLI_PLAIN, "%" PRIu32, index);
    cli_table_addf(table, CLI_PLAIN, "%u", flow->version);
    cli_table_add(table, CLI_PLAIN, from == 0 ? "A to B" : "B to A");
    cli_table_addf(table, CLI_PLAIN, "%" PRIu64, bytes);
    cli_table_addf(table, CLI_PLAIN, "%.3f s", seconds_of(flow));
    cli_table_add(table, CLI_BOLD, rate_text(sim_goodput_bps(flow, from), text));
    cli_table_addf(table, CLI_PLAIN, "%" PRIu32, sender->retransmissions);
    cli_table_addf(table, CLI_PLAIN, "%" PRIu32, sender->fast_recoveries);
    cli_table_addf(table, CLI_PLAIN, "%" PRIu32, sender->timeouts);
    cli_table_add(table, sender->error == 0 ? CLI_PLAIN : CLI_WARN, end_text(sender));
}

void sim_report_init(struct sim_report *report, bool is_json)
{
    *report = (struct sim_report){0};
    if (is_json) {
        report->runs = cli_json_array();
    } else {
        report->flows = cli_table_new(columns, sizeof columns / sizeof columns[0]);
    }
}

void sim_report_done(struct sim_report *report)
{
    json_decref(report->runs);
    cli_table_free(report->flows);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *end_object(const struct sim_flow_result *flow, unsigned from)
{
    const struct sim_end_result *end = &flow->ends[from];
    uint64_t bytes = flow->ends[1 - from].received;
    json_t *object = cli_json_object();

    cli_json_put(object, "host", cli_json_text(from == 0 ? "A" : "B"));
    cli_json_put_number(object, "bytes_sent", (int64_t)end->sent);
    cli_json_put_number(object, "bytes_arrived", (int64_t)bytes);
    cli_json_put_number(object, "goodput_bps", (int64_t)sim_goodput_bps(flow, from));
    cli_json_put_number(object, "retransmissions", end->retransmissions);
    cli_json_put_number(object, "bytes_retransmitted", (int64_t)end->bytes_retransmitted);
    cli_json_put_number(object, "fast_recoveries", end->fast_recoveries);
    cli_json_put_number(object, "timeouts", end->timeouts);
    cli_json_put(object, "end", cli_json_text(end_text(end)));
    return object;
}

static json_t *flow_object(const struct sim_flow_result *flow)
{
    json_t *object = cli_json_object();
    json_t *ends = cli_json_array();

    cli_json_put_number(object, "ip", flow->version);
    cli_json_put_number(object, "begin_ns", (int64_t)flow->begin_ns);
    cli_json_put_number(object, "end_ns", (int64_t)flow->end_ns);
    for (unsigned from = 0; from < 2; from++) {
        cli_json_append(ends, end_object(flow, from));
    }
    cli_json_put(object, "ends", ends);
    return object;
}

static void put_trace(json_t *object, uint64_t trace)
{
    char text[TEXT_BYTES];

    (void)snprintf(text, sizeof text, "%016" PRIx64, trace);
    cli_json_put(object, "trace", cli_json_text(text));
}

static void put_flood(json_t *object, const struct sim_flood *flood)
{
    json_t *told = cli_json_object();

    cli_json_put_number(told, "syns", (int64_t)flood->syns);
    cli_json_put_number(told, "cookies_out", (int64_t)flood->cookies_out);
    cli_json_put_number(told, "cookies_in", (int64_t)flood->cookies_in);
    cli_json_put_number(told, "connect_ns_max", (int64_t)flood->connect_ns_max);
    cli_json_put_number(told, "half_open_max", flood->half_open_max);
    cli_json_put_number(told, "connections_max", flood->connections_max);
    cli_json_put_number(told, "buffers_used_max", flood->buffers_used_max);
    cli_json_put_number(told, "pages", (int64_t)flood->pages);
    cli_json_put_number(told, "pages_grown", (int64_t)flood->pages_grown);
    cli_json_put(object, "flood", told);
}

static json_t *run_object(const struct sim_config *config, const struct sim_result *result)
{
    json_t *object = cli_json_object();
    json_t *flows = cli_json_array();

    cli_json_put_number(object, "seed", (int64_t)config->seed);
    cli_json_put(object, "scenario", cli_json_text(sim_scenario_name(config->scenario)));
    cli_json_put(object, "right", json_boolean(result->is_right));
    cli_json_put(object, "failure", cli_json_text(result->failure));
    put_trace(object, result->trace);
    cli_json_put_number(object, "packets", (int64_t)result->packets);
    cli_json_put_number(object, "lost", (int64_t)result->lost);
    cli_json_put_number(object, "dropped", (int64_t)result->dropped);
    cli_json_put_number(object, "marked", (int64_t)result->marked);
    cli_json_put_number(object, "queue_bytes_max", (int64_t)result->queue_bytes_max);
    cli_json_put(object, "jain", json_real(sim_jain(result)));
    cli_json_put_number(object, "gave_up", result->gave_up);
    cli_json_put_number(object, "retransmissions", (int64_t)result->retransmissions);
    cli_json_put_number(object, "bytes", (int64_t)result->bytes);
    cli_json_put_number(object, "virtual_ns", (int64_t)result->virtual_ns);
    for (uint32_t i = 0; i < result->flow_count; i++) {
        cli_json_append(flows, flow_object(&result->flows[i]));
    }
    cli_json_put(object, "flows", flows);
    if (config->scenario == SIM_FLOOD) {
        put_flood(object, &result->flood);
    }
    return object;
}

/* ---- Adding and printing --------------------------------------------------------------------- */

static uint64_t count_broken(const struct sim_result *result)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < result->flow_count; i++) {
        const struct sim_end_result *ends = result->flows[i].ends;

        count += ends[0].error != 0 || ends[1].error != 0 ? 1 : 0;
    }
    return count;
}

void sim_report_add(struct sim_report *report, const struct sim_config *config,
                    const struct sim_result *result)
{
    if (report->runs != NULL) {
        cli_json_append(report->runs, run_object(config, result));
    } else if (report->count == 0) {
        for (uint32_t i = 0; i < result->flow_count && i < FLOWS_SHOWN; i++) {
            add_row(report->flows, i + 1, &result->flows[i], 0);
            add_row(report->flows, i + 1, &result->flows[i], 1);
        }
    }
    if (report->count == 0) {
        report->jain = sim_jain(result);
        report->queue_bytes_max = result->queue_bytes_max;
        report->flood = result->flood;
        report->seed = config->seed;
        report->trace = result->trace;
    } else {
        report->trace = report->trace * UINT64_C(0x9e3779b97f4a7c15) ^ result->trace;
    }
    report->count++;
    report->wrong += !result->is_right;
    report->gave_up += result->gave_up;
    report->broken += count_broken(result);
    report->flow_count += result->flow_count;
    report->bytes += result->bytes;
    report->packets += result->packets;
    report->lost += result->lost;
    report->retransmissions += result->retransmissions;
    report->virtual_ns += result->virtual_ns;
}

static void print_json(struct sim_report *report)
{
    json_t *document = cli_json_object();

    cli_json_put_number(document, "runs", (int64_t)report->count);
    cli_json_put_number(document, "wrong", (int64_t)report->wrong);
    put_trace(document, report->trace);
    cli_json_put(document, "results", json_incref(report->runs));
    cli_json_print(document, stdout);
}

static void print_flood(const struct sim_flood *flood)
{
    printf("%" PRIu64 " SYNs of random sources: %" PRIu64 " answered with a cookie, %" PRIu64
           " connections came of one;\n",
           flood->syns, flood->cookies_out, flood->cookies_in);
    printf("at most %" PRIu32 " half-open, %" PRIu32 " connections, %" PRIu32 " of %" PRIu32
           " buffers; %" PRIu64 " pages of memory touched, %" PRIu64 " more at the end;\n",
           flood->half_open_max, flood->connections_max, flood->buffers_used_max, flood->buffers,
           flood->pages, flood->pages_grown);
    printf("a client waited at most %.3f ms for its connection\n\n",
           (double)flood->connect_ns_max / 1e6);
}

void sim_report_print(struct sim_report *report, uint64_t wanted)
{
    if (report->runs != NULL) {
        print_json(report);
        return;
    }
    if (wanted == 1) {
        cli_table_print(report->flows, stdout);
        if (report->flow_count > FLOWS_SHOWN) {
            printf("... and %" PRIu64 " more flows\n", report->flow_count - FLOWS_SHOWN);
        }
        if (report->flow_count > 1) {
            printf("fairness (Jain's index): %.3f\n", report->jain);
        }
        if (report->flood.syns > 0) {
            print_flood(&report->flood);
        } else {
            printf("longest queue: %" PRIu64 " bytes\n\n", report->queue_bytes_max);
        }
    } else {
        printf("%" PRIu64 " of %" PRIu64 " runs, seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64
               " flows\n",
               report->count, wanted, report->seed, report->seed + report->count - 1,
               report->flow_count);
    }
    printf("%" PRIu64 " bytes read, %" PRIu64 " packets, %" PRIu64 " lost on the way, %" PRIu64
           " retransmissions, %.3f s of virtual time\n",
           report->bytes, report->packets, report->lost, report->retransmissions,
           (double)report->virtual_ns / SECOND_NS);
    printf("trace %016" PRIx64 "\n", report->trace);
    if (report->wrong > 0) {
        printf("NOT RIGHT: see above\n");
    } else if (report->gave_up > 0) {
        printf("%" PRIu64 " %s gave up, as %s may on such a path; what arrived was right, and "
               "nothing was left\n",
               report->gave_up, report->gave_up == 1 ? "flow" : "flows",
               report->gave_up == 1 ? "it" : "they");
    } else if (report->broken > 0) {
        printf("every byte arrived, once and in order, but for %" PRIu64 " %s broken off; nothing "
               "was left\n",
               report->broken, report->broken == 1 ? "flow that was" : "flows that were");
    } else {
        printf("every byte arrived, once and in order; nothing was left\n");
    }
}
