/* SPDX-License-Identifier: MIT */
/*
 * run/scans.c: see run/scans.h.
 */
#include "run/scans.h"

#include <stdio.h>
#include <string.h>

/* Tells the stack's verdicts. CONVERSATION (may be NULL) has just been told of. */
static void look(struct run *run, const struct conversation *conversation);

/* ---- Outcomes -------------------------------------------------------------------------------- */

static void tell(struct run *run, const struct conversation *conversation,
                 enum berth_outcome outcome)
{
    struct berth_contact contact = {.direction = conversation->direction,
                                    .protocol = conversation->protocol,
                                    .guarded = conversation->program,
                                    .peer = conversation->peer};

    berth_contact_outcome(run->guard->berth, &contact, outcome);
    look(run, conversation);
}

/* Does END say something of the far end? Not that berth or the program gave up, nor that this host
 * has no network. */
static bool is_failure(enum run_end end)
{
    return end == RUN_END_REFUSED || end == RUN_END_HOST_UNREACHABLE || end == RUN_END_PROHIBITED ||
           end == RUN_END_TIMED_OUT;
}

static bool is_unanswered(const struct conversation *conversation)
{
    return conversation->protocol != BERTH_TCP &&
           (conversation->direction == BERTH_OUT ? conversation->bytes_in
                                                 : conversation->bytes_out) == 0;
}

/* Of TCP between a queue's stack and the program the guard's stack knows no more than what it has
 * judged, where they are not the same. */
static bool is_used_unseen(const struct run *run, const struct conversation *conversation)
{
    uint64_t said =
        conversation->direction == BERTH_OUT ? conversation->bytes_out : conversation->bytes_in;

    return run->queue_count > 1 && conversation->protocol == BERTH_TCP && conversation->is_open &&
           said > 0;
}

void scans_on_end(struct run *run, const struct conversation *conversation, enum run_end end)
{
    bool failed = conversation->is_open ? end == RUN_END_IDLE && is_unanswered(conversation)
                                        : is_failure(end);

    if (failed) {
        tell(run, conversation, BERTH_OUTCOME_FAILURE);
    } else if (is_used_unseen(run, conversation)) {
        tell(run, conversation, BERTH_OUTCOME_SUCCESS);
    }
}

void scans_on_error(struct run *run, const struct conversation *conversation, enum run_end end)
{
    if (is_failure(end)) {
        tell(run, conversation, BERTH_OUTCOME_FAILURE);
    }
}

void scans_on_answer(struct run *run, const struct conversation *conversation)
{
    tell(run, conversation, BERTH_OUTCOME_SUCCESS);
}

void scans_on_refused(struct run *run, const struct berth_contact *contact)
{
    berth_contact_outcome(run->guard->berth, contact, BERTH_OUTCOME_FAILURE);
}

/* ---- Verdicts -------------------------------------------------------------------------------- */

/* Whose last contact it was: CONVERSATION's, whose socket may be gone, or that of who has it. */
static bool find_process(struct run *run, const struct berth_scan *scan,
                         const struct conversation *conversation, struct attribute_process *out)
{
    if (scan->direction == BERTH_IN) {
        return false;
    }
    if (conversation != NULL && conversation->process != NULL &&
        berth_endpoint_is_equal(&conversation->program, &scan->guarded)) {
        *out = *conversation->process;
        return true;
    }
    return conversation_process(run, (enum berth_protocol)scan->protocol, &scan->guarded,
                                &scan->peer, out);
}

static char *source_text(const struct berth_scan *scan, char out[BERTH_ADDRESS_TEXT_BYTES + 4])
{
    (void)berth_address_format(&scan->source.address, out);
    if (scan->source.bits != 128) {
        size_t used = strlen(out);

        (void)snprintf(out + used, BERTH_ADDRESS_TEXT_BYTES + 4 - used, "/%u", scan->source.bits);
    }
    return out;
}

/* "12 minutes", for a time that a rule has said. */
static void put_duration(char *out, size_t bytes, uint64_t ns)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"hour", 3600}, {"minute", 60}, {"second", 1}};
    uint64_t seconds = ns / NS_PER_S;
    size_t i = 0;

    while (i < 2 && seconds % units[i].seconds != 0) {
        i++;
    }
    seconds /= units[i].seconds;
    (void)snprintf(out, bytes, "%llu %s%s", (unsigned long long)seconds, units[i].name,
                   seconds == 1 ? "" : "s");
}

/* "; its first contacts are refused for 10 minutes" */
static void put_consequence(char *out, size_t bytes, const struct berth_scan *scan)
{
    char duration[48];

    out[0] = '\0';
    if (scan->action != BERTH_ALLOW) {
        put_duration(duration, sizeof duration, scan->expires_ns - scan->last_ns);
        (void)snprintf(out, bytes, "; its first contacts are %s for %s",
                       scan->action == BERTH_DROP ? "dropped" : "refused", duration);
    }
}

/* "6 ports (21, 22, 23, 25, 80, 443)" */
static void put_ports(char *out, size_t bytes, const struct berth_scan *scan)
{
    int used = snprintf(out, bytes, "%u port%s", scan->ports, scan->ports == 1 ? "" : "s");

    for (uint32_t i = 0; i < scan->sample_count && used > 0 && (size_t)used < bytes; i++) {
        used += snprintf(out + used, bytes - (size_t)used, "%s%u", i == 0 ? " (" : ", ",
                         scan->samples[i]);
    }
    if (scan->sample_count > 0 && used > 0 && (size_t)used < bytes) {
        (void)snprintf(out + used, bytes - (size_t)used, "%s",
                       scan->ports > scan->sample_count ? ", ...)" : ")");
    }
}

static void put_text(struct run_scan *out, const struct berth_scan *scan)
{
    char source[BERTH_ADDRESS_TEXT_BYTES + 4];
    char who[128];
    char ports[160];
    char consequence[96];
    bool is_out = scan->direction == BERTH_OUT;

    if (is_out) {
        (void)snprintf(who, sizeof who, "scan out by the program (process %s)", out->process);
    } else {
        (void)snprintf(who, sizeof who, "scan in by %s", source_text(scan, source));
    }
    put_ports(ports, sizeof ports, scan);
    put_consequence(consequence, sizeof consequence, scan);
    (void)snprintf(out->text, sizeof out->text,
                   "%s: %u of %u first contacts failed in %.1f s, %u host%s, %s%s", who,
                   scan->failures, scan->contacts,
                   (double)(scan->last_ns - scan->first_ns) / (double)NS_PER_S, scan->hosts,
                   scan->hosts == 1 ? "" : "s", ports, consequence);
}

static json_t *process_of(const struct attribute_process *process)
{
    json_t *value;

    if (process == NULL) {
        return json_null();
    }
    value = json_object();
    journal_put(value, "pid", json_integer(process->pid));
    journal_put(value, "name", journal_text(process->name));
    return value;
}

static json_t *samples_of(const struct berth_scan *scan)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < scan->sample_count; i++) {
        if (json_array_append_new(list, json_integer(scan->samples[i])) < 0) {
            break; /* no memory, as above */
        }
    }
    return list;
}

static void write_line(struct run *run, const struct berth_scan *scan,
                       const struct attribute_process *process)
{
    static const char *const actions[] = {"log", "deny", "drop"};
    char source[BERTH_ADDRESS_TEXT_BYTES + 4];
    uint64_t duration_us = (scan->last_ns - scan->first_ns) / NS_PER_US;
    uint64_t left_ns = scan->expires_ns - min_u64(run->now_ns, scan->expires_ns);
    json_t *line = json_object();

    journal_put(line, "time", journal_time(0));
    journal_put(line, "event", json_string("scan"));
    journal_put(line, "direction", json_string(scan->direction == BERTH_OUT ? "out" : "in"));
    journal_put(line, "source", json_string(source_text(scan, source)));
    journal_put(line, "process", process_of(process));
    journal_put(line, "contacts", json_integer(scan->contacts));
    journal_put(line, "failures", json_integer(scan->failures));
    journal_put(line, "hosts", json_integer(scan->hosts));
    journal_put(line, "ports", json_integer(scan->ports));
    journal_put(line, "sample_ports", samples_of(scan));
    journal_put(line, "duration_ms", json_real((double)duration_us / 1000.0));
    journal_put(line, "verdict", json_string(actions[scan->action]));
    journal_put(line, "expires", journal_time(left_ns));
    run_journal(run, line);
}

static void look(struct run *run, const struct conversation *conversation)
{
    struct berth_scan scan;

    while (berth_next_scan(run->guard->berth, &scan)) {
        struct attribute_process process;
        bool has_process = find_process(run, &scan, conversation, &process);
        struct run_scan *kept = &run->scans[run->scan_count % RUN_SCANS_MAX];

        (void)snprintf(kept->process, sizeof kept->process, "%s",
                       has_process ? process.name : "unknown");
        put_text(kept, &scan);
        run->scan_count++;
        run_say(run, "%s", kept->text);
        if (journal_is_on(&run->journal)) {
            write_line(run, &scan, has_process ? &process : NULL);
        }
    }
}

void scans_look(struct run *run)
{
    look(run, NULL);
}
