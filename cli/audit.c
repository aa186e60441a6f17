/* SPDX-License-Identifier: MIT */
/*
 * cli/audit.c: `berth audit`: findings on this host's ports (inspect/audit.h), for people and as
 * JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/sockets.h"
#include "cli/table.h"
#include "cli/text.h"
#include "inspect/audit.h"

#define IGNORED_MAX  256 /* --ignore */
#define SHOWN_MAX    8   /* sockets of one finding that are shown to people */
#define TEXT_COLUMNS 88

struct settings {
    const char *ignored[IGNORED_MAX];
    size_t ignored_count;
    bool is_json;
};

/* What is shown of an audit. */
struct report {
    const struct audit *audit;
    const struct audit_finding **findings;
    size_t count;
    size_t ignored;
};

/* ---- The command line ----------------------------------------------------------------------- */

/* "5432/tcp" */
static bool is_port_word(const char *text)
{
    const char *slash = strchr(text, '/');
    char port[8];
    uint64_t number;

    if (slash == NULL || (size_t)(slash - text) >= sizeof port ||
        (strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0)) {
        return false;
    }
    snprintf(port, sizeof port, "%.*s", (int)(slash - text), text);
    return cli_options_number(port, 0, UINT16_MAX, &number);
}

static bool is_id(const char *text)
{
    for (int kind = 0; kind < AUDIT_KINDS; kind++) {
        const char *name = audit_kind_name((enum audit_kind)kind);
        size_t bytes = strlen(name);

        if (strncmp(text, name, bytes) == 0) {
            return text[bytes] == '\0' ||
                   (kind != AUDIT_RANGE && text[bytes] == ':' && is_port_word(text + bytes + 1));
        }
    }
    return false;
}

static bool set_ignored(void *context, const char *value, struct cli_complaint *complaint)
{
    struct settings *settings = context;

    if (!is_id(value)) {
        snprintf(complaint->expected, sizeof complaint->expected,
                 "the name of a finding (exposed-service:5432/tcp) or of a kind (exposed-service, "
                 "wrong-service, cleartext-service, ephemeral-listener, ephemeral-range)");
        return false;
    }
    if (settings->ignored_count == IGNORED_MAX) {
        snprintf(complaint->expected, sizeof complaint->expected, "at most %d of them",
                 IGNORED_MAX);
        return false;
    }
    settings->ignored[settings->ignored_count++] = value;
    return true;
}

static const struct cli_option option_list[] = {
    {.name = "ignore",
     .kind = CLI_CALL,
     .value = "ID",
     .call = set_ignored,
     .help = "leave out this finding, by its name (cleartext-service:80/tcp), or a kind of them "
             "(cleartext-service); may be given again"},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = offsetof(struct settings, is_json),
     .help = "one JSON document, an object with findings (berth-audit(1) has the fields)"},
};

static const struct cli_options options = {
    .command = "berth audit",
    .usage = "[OPTION]...",
    .about =
        "Looks at what listens in this network namespace, and tells what should not be so, worst "
        "first: what it is, what it means, and the command that mends it. It changes nothing.\n"
        "Exposure is judged by what a socket is bound to, as berth sockets does. No firewall is "
        "looked at, this host's or another's: what it stops is found all the same, and --ignore "
        "leaves it out.\n"
        "What a program is, is known by its name where it can be seen (root sees all), else by the "
        "port.",
    .options = option_list,
    .count = sizeof option_list / sizeof option_list[0],
    .notes = "Kinds of findings:\n"
             "  exposed-service     a service that only its own host, or its own network, has to\n"
             "                      reach (databases, caches, debuggers, ...) and others can\n"
             "  wrong-service       a known program at the port of another service\n"
             "  cleartext-service   a service in the clear that has an encrypted twin\n"
             "  ephemeral-listener  TCP that listens in the range that the kernel gives to\n"
             "                      outgoing connections, which may take the port meanwhile\n"
             "  ephemeral-range     that range has registered ports that are served here\n"
             "\n"
             "Commands of nft and sysctl hold until the next boot.\n"
             "\n"
             "Exit status: 0 nothing found; 1 findings; 2 a mistake, or no look.\n"
             "\n"
             "Examples:\n"
             "  berth audit\n"
             "  berth audit --ignore cleartext-service:80/tcp\n"
             "  berth audit --json\n",
};

/* ---- For people ----------------------------------------------------------------------------- */

/* Memory that was had, or the end. */
static char *had(char *text)
{
    if (text == NULL) {
        cli_message("out of memory");
        exit(CLI_ERROR);
    }
    return text;
}

/* "     means  TEXT", broken at blanks. */
static void print_wrapped(const char *title, const char *text)
{
    char *clean = cli_text_clean(text);
    const char *at = clean;
    size_t column = 0;

    printf("  %-6s ", title);
    while (*at != '\0') {
        size_t bytes = strcspn(at, " ");

        if (column > 0 && column + 1 + bytes > TEXT_COLUMNS - 9) {
            printf("\n%9s", "");
            column = 0;
        } else if (column > 0) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)bytes, at);
        column += bytes;
        at += bytes;
        at += strspn(at, " ");
    }
    putchar('\n');
    free(clean);
}

static void print_sockets(const struct audit *audit, const struct audit_finding *finding)
{
    const struct host_socket *socket = NULL;
    char text[BERTH_ENDPOINT_TEXT_BYTES];
    size_t count = 0;

    printf("  %-6s ", "where");
    while ((socket = audit_next_socket(audit, finding, socket)) != NULL) {
        if (count < SHOWN_MAX) {
            printf("%s%s/%s", count == 0 ? "" : ", ", berth_endpoint_format(&socket->local, text),
                   berth_transport_name(socket->transport));
        }
        count++;
    }
    if (count > SHOWN_MAX) {
        printf(" and %zu more", count - SHOWN_MAX);
    }
    if (finding->process != NULL) {
        char *name = cli_text_clean(finding->process->name);

        printf("; %s (%d)", name, (int)finding->process->pid);
        free(name);
    }
    putchar('\n');
}

static const char *style_of(enum audit_severity severity)
{
    switch (severity) {
    case AUDIT_LOW:
        return "\033[2m";
    case AUDIT_MEDIUM:
        return "\033[33m";
    case AUDIT_HIGH:
        return "\033[31m";
    }
    return "";
}

static void print_finding(const struct audit *audit, const struct audit_finding *finding)
{
    bool has_colour = cli_table_may_colour(stdout);
    char id[AUDIT_ID_BYTES];
    char *title = had(audit_title(audit, finding));
    char *clean = cli_text_clean(title);
    char *meaning = had(audit_meaning(audit, finding));
    char *command = had(audit_command(audit, finding));
    char *shut = audit_shut_command(audit, finding);

    printf("%s%-6s%s %s%s%s  (%s)\n", has_colour ? style_of(finding->severity) : "",
           audit_severity_name(finding->severity), has_colour ? "\033[0m" : "",
           has_colour ? "\033[1m" : "", clean, has_colour ? "\033[0m" : "", audit_id(finding, id));
    print_sockets(audit, finding);
    print_wrapped("means", meaning);
    printf("  %-6s %s\n", "mend", command);
    if (shut != NULL) {
        printf("  %-6s %s\n", "or", shut);
    }
    printf("\n");
    free(title);
    free(clean);
    free(meaning);
    free(command);
    free(shut);
}

static void print_summary(const struct report *report)
{
    size_t counts[AUDIT_HIGH + 1] = {0};
    bool is_exposed = false;

    for (size_t i = 0; i < report->count; i++) {
        counts[report->findings[i]->severity]++;
        is_exposed = is_exposed || report->findings[i]->kind == AUDIT_EXPOSED ||
                     report->findings[i]->kind == AUDIT_CLEARTEXT;
    }
    if (report->count == 0) {
        printf("nothing found");
    } else {
        printf("%zu finding%s: %zu high, %zu medium, %zu low", report->count,
               report->count == 1 ? "" : "s", counts[AUDIT_HIGH], counts[AUDIT_MEDIUM],
               counts[AUDIT_LOW]);
    }
    if (report->ignored > 0) {
        printf("; %zu ignored", report->ignored);
    }
    printf("\n%s", is_exposed
                       ? "No firewall was looked at: what one stops, leave out with --ignore "
                         "and its name.\n"
                       : "");
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *make_sockets(const struct audit *audit, const struct audit_finding *finding)
{
    json_t *array = cli_json_array();
    const struct host_socket *socket = NULL;

    while ((socket = audit_next_socket(audit, finding, socket)) != NULL) {
        cli_json_append(array, sockets_make_object(audit->picture, socket));
    }
    return array;
}

static json_t *make_commands(const struct audit *audit, const struct audit_finding *finding)
{
    json_t *array = cli_json_array();
    char *command = had(audit_command(audit, finding));
    char *shut = audit_shut_command(audit, finding);

    cli_json_append(array, cli_json_text(command));
    if (shut != NULL) {
        cli_json_append(array, cli_json_text(shut));
    }
    free(command);
    free(shut);
    return array;
}

static json_t *make_finding(const struct audit *audit, const struct audit_finding *finding)
{
    bool is_range = finding->kind == AUDIT_RANGE;
    char id[AUDIT_ID_BYTES];
    char *title = had(audit_title(audit, finding));
    char *meaning = had(audit_meaning(audit, finding));
    json_t *object = cli_json_object();

    cli_json_put(object, "id", cli_json_text(audit_id(finding, id)));
    cli_json_put(object, "kind", cli_json_text(audit_kind_name(finding->kind)));
    cli_json_put(object, "severity", cli_json_text(audit_severity_name(finding->severity)));
    cli_json_put(object, "title", cli_json_text(title));
    cli_json_put(object, "meaning", cli_json_text(meaning));
    cli_json_put(object, "commands", make_commands(audit, finding));
    cli_json_put(object, "protocol",
                 is_range ? json_null() : cli_json_text(berth_transport_name(finding->transport)));
    cli_json_put(object, "port", is_range ? json_null() : json_integer(finding->port));
    cli_json_put(object, "exposure", cli_json_text(host_exposure_name(finding->exposure)));
    cli_json_put(object, "sockets", make_sockets(audit, finding));
    free(title);
    free(meaning);
    return object;
}

static void print_json(const struct report *report)
{
    json_t *object = cli_json_object();
    json_t *array = cli_json_array();

    for (size_t i = 0; i < report->count; i++) {
        cli_json_append(array, make_finding(report->audit, report->findings[i]));
    }
    cli_json_put(object, "findings", array);
    cli_json_put_number(object, "ignored", (json_int_t)report->ignored);
    cli_json_put_number(object, "unseen", (json_int_t)report->audit->unseen);
    cli_json_print(object, stdout);
}

/* ---- The command ---------------------------------------------------------------------------- */

static bool is_ignored(const struct settings *settings, const struct audit_finding *finding)
{
    char id[AUDIT_ID_BYTES];

    (void)audit_id(finding, id);
    for (size_t i = 0; i < settings->ignored_count; i++) {
        if (strcmp(settings->ignored[i], id) == 0 ||
            strcmp(settings->ignored[i], audit_kind_name(finding->kind)) == 0) {
            return true;
        }
    }
    return false;
}

static void say_unseen(const struct audit *audit)
{
    sockets_say_refused(audit->picture, "audit", cli_message);
    if (audit->unseen > 0) {
        cli_message("audit: the process of %zu listener%s cannot be seen%s; judged by the port "
                    "alone",
                    audit->unseen, audit->unseen == 1 ? "" : "s",
                    audit->picture->holders.hidden > 0 ? " by this user (root sees all)" : "");
    }
}

static int show(const struct audit *audit, const struct settings *settings)
{
    struct report report = {.audit = audit,
                            .findings = cli_memory(NULL, audit->count * sizeof(void *))};

    for (size_t i = 0; i < audit->count; i++) {
        if (is_ignored(settings, &audit->findings[i])) {
            report.ignored++;
        } else {
            report.findings[report.count++] = &audit->findings[i];
        }
    }
    if (settings->is_json) {
        print_json(&report);
    } else {
        for (size_t i = 0; i < report.count; i++) {
            print_finding(audit, report.findings[i]);
        }
        print_summary(&report);
    }
    (void)fflush(stdout);
    say_unseen(audit);
    free(report.findings);
    return report.count == 0 ? CLI_OK : CLI_NOTHING;
}

static int audit_host(const struct settings *settings)
{
    struct host_ephemeral *ephemeral = cli_memory(NULL, sizeof *ephemeral);
    struct host_picture picture = {0};
    struct audit audit = {0};
    int status = CLI_ERROR;

    if (host_ephemeral_read(ephemeral) != BERTH_OK) {
        cli_message("audit: this host's ephemeral range cannot be read: %s", strerror(errno));
    } else if (host_picture_read(&picture) != BERTH_OK) {
        cli_message("audit: this host's sockets cannot be read: %s", strerror(errno));
    } else if (audit_find(&audit, &picture, ephemeral) != BERTH_OK) {
        cli_message("out of memory");
    } else {
        status = show(&audit, settings);
    }
    audit_free(&audit);
    host_picture_free(&picture);
    free(ephemeral);
    return status;
}

int cli_audit_main(int argc, char **argv)
{
    struct settings settings = {0};
    struct cli_words operands;
    int status = cli_options_parse(&options, argc, argv, &settings, &operands);

    if (status < 0 && operands.count > 0) {
        status = cli_options_refuse(&options, operands.words[0], "no operand");
    }
    return status < 0 ? audit_host(&settings) : status;
}
