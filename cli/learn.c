/* SPDX-License-Identifier: MIT */
/*
 * cli/learn.c: see cli/learn.h: the file, and which conversations are learned from.
 */
#include "cli/learn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/text.h"
#include "firewall/firewall.h"
#include "firewall/name.h"

#define COMMAND_BYTES 120 /* of the program's words, in the file's comment */

const char learn_everything[] = "allow out to " RUN_EVERYWHERE "allow in from " RUN_EVERYWHERE;

struct learn {
    const char *path; /* borrowed */
    int fd;           /* open for adding */
    off_t bytes;      /* that it had before */
    bool is_new;
};

/* ---- The file -------------------------------------------------------------------------------- */

static struct learn *refuse(struct learn *learn, const char *why)
{
    cli_message("--learn '%s': %s", learn->path, why);
    learn_free(learn);
    return NULL;
}

struct learn *learn_open(const char *path)
{
    struct learn *learn = cli_memory(NULL, sizeof *learn);
    struct stat status;

    *learn = (struct learn){.path = path};
    learn->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
    learn->is_new = learn->fd >= 0;
    if (learn->fd < 0 && errno == EEXIST) {
        learn->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    if (learn->fd < 0 || fstat(learn->fd, &status) < 0) {
        return refuse(learn, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(learn, "expected a file, to which rules can be added");
    }
    if (flock(learn->fd, LOCK_EX | LOCK_NB) < 0) {
        return refuse(learn, "another berth is learning into it");
    }
    learn->bytes = status.st_size;
    return learn;
}

void learn_free(struct learn *learn)
{
    if (learn == NULL) {
        return;
    }
    if (learn->is_new) {
        (void)unlink(learn->path); /* berth may no longer be allowed to: then it stays, empty */
    }
    if (learn->fd >= 0) {
        close(learn->fd);
    }
    free(learn);
}

static bool write_all(int fd, const char *text, size_t bytes)
{
    size_t at = 0;

    while (at < bytes) {
        ssize_t count = write(fd, text + at, bytes - at);

        if (count < 0 && errno != EINTR) {
            return false;
        }
        at += count > 0 ? (size_t)count : 0;
    }
    return true;
}

/* Adds TEXT, all of it or nothing. */
static bool add(const struct learn *learn, const char *text, size_t bytes)
{
    struct stat status;
    int error;

    if (fstat(learn->fd, &status) < 0) {
        return false;
    }
    if (write_all(learn->fd, text, bytes) && fsync(learn->fd) == 0) {
        return true;
    }
    error = errno;
    if (ftruncate(learn->fd, status.st_size) < 0) {
        cli_message("'%s' may end in half a rule", learn->path);
    }
    errno = error;
    return false;
}

/* Does what is in the file end in the middle of a line? */
static bool has_open_line(const struct learn *learn)
{
    char last = '\n';

    return learn->bytes > 0 && pread(learn->fd, &last, 1, learn->bytes - 1) == 1 && last != '\n';
}

/* ---- What was used --------------------------------------------------------------------------- */

struct found {
    struct firewall *others; /* the rules that count beside what is learned */
    struct learn_use *uses;
    size_t count;
    size_t capacity;
};

/* Was ROW let through by learning, and by nothing else? */
static bool is_learned(const struct run *run, const struct tally_row *row)
{
    return row->key.action == BERTH_ALLOW && row->rule >= 0 &&
           strcmp(run_rule_origin(run, row->rule), LEARN_ORIGIN) == 0;
}

/* One more use, as ROW says. Returns where its peer is to be written, of BERTH_NAME_BYTES. */
static char *add_use(struct found *found, const struct tally_row *row)
{
    char *peer = cli_memory(NULL, BERTH_NAME_BYTES);

    if (found->count == found->capacity) {
        found->capacity = found->capacity == 0 ? 64 : found->capacity * 2;
        found->uses = cli_memory(found->uses, found->capacity * sizeof *found->uses);
    }
    found->uses[found->count++] = (struct learn_use){
        .direction = (enum berth_direction)row->key.direction,
        .protocol = (enum berth_protocol)row->key.protocol,
        .port = row->key.port,
        .peer = peer,
        .process = row->pid == 0 ? NULL : row->process,
        .has_more = row->has_more_processes,
    };
    return peer;
}

/* The names that led to ROW's address, which were given for it, are its peers. True: a rule needs
 * the address too. */
static bool add_names(struct found *found, const struct run *run, const struct tally_row *row,
                      bool is_learned_row)
{
    const struct answer *answer = NULL;
    bool needs_address = true;

    while ((answer = answers_next(run_answers(run), &row->key.peer, answer)) != NULL) {
        char name[BERTH_NAME_BYTES];

        if (firewall_name_write(answer->name, name) == 0 ||
            (!is_learned_row && firewall_may_reach_name(found->others, answer->name))) {
            continue;
        }
        memcpy(add_use(found, row), name, sizeof name);
        needs_address = answer->is_inward;
    }
    return needs_address;
}

static void add_row(struct found *found, const struct run *run, const struct run_config *config,
                    const struct tally_row *row)
{
    bool is_learned_row = is_learned(run, row);
    size_t first = found->count;
    bool needs_address = true;

    if (row->key.direction == BERTH_OUT && row->key.action == BERTH_ALLOW &&
        !run_is_host(config, &row->key.peer)) {
        needs_address = add_names(found, run, row, is_learned_row);
    }
    if (is_learned_row && needs_address) {
        char *peer = add_use(found, row);

        if (run_is_host(config, &row->key.peer)) {
            (void)snprintf(peer, BERTH_NAME_BYTES, "host");
        } else {
            (void)berth_address_format(&row->key.peer, peer);
        }
    }
    if (found->count > first) {
        found->uses[first].connections = row->connections; /* once, whatever its peers */
    }
}

/* Is there a row towards ADDRESS? */
static bool is_used(const struct tally *tally, const struct berth_address *address)
{
    for (size_t i = 0; i < tally->count; i++) {
        if (tally->rows[i].key.direction == BERTH_OUT &&
            berth_address_is_equal(&tally->rows[i].key.peer, address)) {
            return true;
        }
    }
    return false;
}

/* A name is what the program made of it: it cannot end the comment. */
static void write_name(const char *name, FILE *out)
{
    char *clean = cli_text_clean(name);

    fprintf(out, "# resolved, and not connected to: %s\n", clean);
    free(clean);
}

/* A name that led to nothing that was used gets no rule: there is no port to open. */
static void write_unused(const struct found *found, const struct run *run, FILE *out)
{
    const struct answers *answers = run_answers(run);

    for (size_t i = 0; i < answers->count; i++) {
        const struct answer *answer = &answers->all[i];
        bool is_first = true;
        bool was_used = false;

        for (size_t j = 0; j < answers->count; j++) {
            if (strcasecmp(answers->all[j].name, answer->name) == 0) {
                is_first = is_first && j >= i;
                was_used = was_used || is_used(run_tally(run), &answers->all[j].address);
            }
        }
        if (is_first && !was_used && !firewall_may_reach_name(found->others, answer->name)) {
            write_name(answer->name, out);
        }
    }
}

static void gather(struct found *found, const struct run *run, const struct run_config *config)
{
    const struct tally *tally = run_tally(run);

    for (size_t i = 0; i < tally->count; i++) {
        add_row(found, run, config, &tally->rows[i]);
    }
}

static void forget(struct found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        free((char *)(uintptr_t)found->uses[i].peer);
    }
    free(found->uses);
    cli_policy_firewall_free(found->others);
}

/* ---- What is written ------------------------------------------------------------------------- */

/* "# learned on 2026-01-31 from: curl http://..." */
static void write_title(FILE *out, char *const *argv)
{
    char day[16] = "";
    char words[COMMAND_BYTES] = "";
    size_t used = 0;
    time_t now = time(NULL);
    struct tm parts;
    char *clean;

    if (localtime_r(&now, &parts) != NULL) {
        (void)strftime(day, sizeof day, "%Y-%m-%d", &parts);
    }
    for (size_t i = 0; argv[i] != NULL && used + 1 < sizeof words; i++) {
        used += (size_t)snprintf(words + used, sizeof words - used, " %s", argv[i]);
        used = used < sizeof words ? used : sizeof words - 1;
    }
    clean = cli_text_clean(words); /* a newline in it would end the comment */
    fprintf(out, "# learned on %s from:%s\n", day, clean);
    free(clean);
}

/* The text to add, its length in *BYTES, 0 where there is nothing to say. */
static char *make_text(const struct learn *learn, const struct run *run, char *const *argv,
                       const struct found *found, size_t *bytes)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    bool is_empty;
    long title;

    if (out == NULL) {
        return NULL;
    }
    fputs(has_open_line(learn) ? "\n" : "", out);
    write_title(out, argv);
    title = ftell(out);
    (void)learn_write_rules(found->uses, found->count, out);
    write_unused(found, run, out);
    is_empty = ftell(out) == title && !learn->is_new; /* a title alone */
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    *bytes = is_empty ? 0 : *bytes;
    return text;
}

static bool tell(struct learn *learn, const char *text, size_t bytes)
{
    if (text == NULL) {
        cli_message("cannot learn: no memory");
        return false;
    }
    if (bytes > 0 && !add(learn, text, bytes)) {
        cli_message("cannot write to '%s': %s; what was learned is:", learn->path, strerror(errno));
        fputs(text, stderr);
        return false;
    }
    learn->is_new = false;
    return true;
}

bool learn_finish(struct learn *learn, const struct run *run, const struct run_config *config,
                  struct cli_policy *policy)
{
    uint64_t uncounted = run_tally(run)->uncounted + run_answers(run)->uncounted;
    struct found found = {.others = cli_policy_firewall(policy)};
    size_t bytes = 0;
    bool is_written;
    char *text;

    gather(&found, run, config);
    text = make_text(learn, run, config->argv, &found, &bytes);
    is_written = tell(learn, text, bytes);
    free(text);
    if (uncounted > 0) {
        cli_message("%llu connections and names are not in '%s': there were too many",
                    (unsigned long long)uncounted, learn->path);
    }
    forget(&found);
    return is_written;
}
