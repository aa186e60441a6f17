/* SPDX-License-Identifier: MIT */
/*
 * cli/sockets_watch.c: `berth sockets --watch`: a look every second.
 *
 * On a terminal the table is drawn anew, as much of it as there is room for. Elsewhere, and as JSON
 * lines, all that is there comes first, then what each look finds changed.
 *
 * 1. Signals are not caught: Ctrl-C ends it as it ends any program, and nothing on the terminal has
 *    to be put back.
 * 2. It ends too when nobody reads any more, also while nothing changes.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/sockets.h"
#include "run/journal.h"

#define BETWEEN_MS   1000
#define LINES_AROUND 7 /* time, titles, what is not shown, what was not seen (3), the cursor */
#define SCREEN_BYTES 65536
#define TIME_BYTES   16

/* A picture, and those of its sockets that are wanted. */
struct look {
    struct host_picture picture;
    struct sockets_rows rows;
};

/* Some of ROWS, each with what happened to it. */
struct changes {
    struct sockets_rows rows;
    const char **words;
};

static void look_free(struct look *look)
{
    free(look->rows.rows);
    host_picture_free(&look->picture);
}

/* CLI_OK, or what went wrong, which is said. */
static int look_make(struct look *look, const struct sockets_wanted *wanted)
{
    memset(look, 0, sizeof *look);
    if (host_picture_read(&look->picture) != BERTH_OK) {
        cli_message("sockets: this host's sockets cannot be read: %s", strerror(errno));
        host_picture_free(&look->picture);
        return CLI_ERROR;
    }
    look->rows = sockets_select(&look->picture, wanted);
    return CLI_OK;
}

/* False: nobody reads. */
static bool wait_for_next(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    int ready;

    if (fflush(stdout) != 0 || ferror(stdout)) {
        return false;
    }
    do {
        ready = poll(&out, 1, BETWEEN_MS);
    } while (ready < 0 && errno == EINTR);
    return ready == 0;
}

static void format_time(char out[TIME_BYTES])
{
    time_t now = time(NULL);
    struct tm parts;

    (void)localtime_r(&now, &parts);
    (void)strftime(out, TIME_BYTES, "%H:%M:%S", &parts);
}

/* ---- On a terminal -------------------------------------------------------------------------- */

static bool is_screen(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

static size_t screen_lines(void)
{
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

static int draw(const struct look *look)
{
    struct sockets_rows shown = look->rows;
    size_t room = screen_lines();
    char time[TIME_BYTES];

    room = room > LINES_AROUND ? room - LINES_AROUND : 1;
    shown.count = shown.count < room ? shown.count : room;
    format_time(time);
    printf("\033[H\033[J%s  %zu socket%s\n", time, look->rows.count,
           look->rows.count == 1 ? "" : "s");
    sockets_print(&shown, NULL, NULL);
    if (shown.count < look->rows.count) {
        printf("and %zu more\n", look->rows.count - shown.count);
    }
    sockets_say_unseen(&look->rows, cli_print_line);
    return CLI_OK;
}

static int watch_screen(const struct sockets_wanted *wanted)
{
    struct look look;
    int status;

    (void)setvbuf(stdout, NULL, _IOFBF, SCREEN_BYTES); /* a picture at once, not line by line */
    do {
        status = look_make(&look, wanted);
        if (status != CLI_OK) {
            return status;
        }
        status = draw(&look);
        look_free(&look);
    } while (wait_for_next());
    return status;
}

/* ---- What has changed ----------------------------------------------------------------------- */

static int compare_rows(const void *left, const void *right)
{
    return host_socket_compare(*(const struct host_socket *const *)left,
                               *(const struct host_socket *const *)right);
}

static bool is_same_process(const struct host_picture *before, const struct host_picture *now,
                            uint64_t inode)
{
    size_t count_before;
    size_t count;
    const struct host_holding *a = host_holders_find(&before->holders, inode, &count_before);
    const struct host_holding *b = host_holders_find(&now->holders, inode, &count);

    for (size_t i = 0; count_before == count && i < count; i++) {
        const struct host_process *one = &before->holders.processes[a[i].process];
        const struct host_process *other = &now->holders.processes[b[i].process];

        if (one->pid != other->pid || strcmp(one->name, other->name) != 0) {
            return false;
        }
    }
    return count_before == count;
}

static bool is_same(const struct look *before, const struct host_socket *a, const struct look *now,
                    const struct host_socket *b)
{
    return a->state == b->state && a->inode == b->inode && a->uid == b->uid &&
           host_exposure_of(a, &before->picture.reach) ==
               host_exposure_of(b, &now->picture.reach) &&
           is_same_process(&before->picture, &now->picture, a->inode);
}

static void print_changes(const struct changes *changes, bool is_json)
{
    char time[TIME_BYTES];

    format_time(time);
    if (!is_json) {
        sockets_print(&changes->rows, changes->words, time);
        return;
    }
    for (size_t i = 0; i < changes->rows.count; i++) {
        json_t *object = cli_json_object();
        json_t *socket = sockets_make_object(changes->rows.picture, changes->rows.rows[i]);

        cli_json_put(object, "time", journal_time(0));
        cli_json_put(object, "change", cli_json_text(changes->words[i]));
        (void)json_object_update(object, socket);
        json_decref(socket);
        json_dumpf(object, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(object);
    }
}

static void add(struct changes *changes, const struct host_socket *row, const char *word)
{
    changes->words[changes->rows.count] = word;
    changes->rows.rows[changes->rows.count++] = row;
}

/* Prints what is in one of BEFORE and NOW, or in both and not the same. Both are sorted. */
static void compare_looks(const struct look *before, const struct look *now, bool is_json)
{
    size_t most = before->rows.count + now->rows.count;
    struct changes gone = {.rows = {.picture = &before->picture}};
    struct changes come = {.rows = {.picture = &now->picture}};
    size_t i = 0;
    size_t j = 0;

    gone.rows.rows = cli_memory(NULL, most * sizeof(void *));
    gone.words = cli_memory(NULL, most * sizeof(void *));
    come.rows.rows = cli_memory(NULL, most * sizeof(void *));
    come.words = cli_memory(NULL, most * sizeof(void *));
    while (i < before->rows.count || j < now->rows.count) {
        const struct host_socket *a = i < before->rows.count ? before->rows.rows[i] : NULL;
        const struct host_socket *b = j < now->rows.count ? now->rows.rows[j] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : host_socket_compare(a, b);

        if (order < 0) {
            add(&gone, a, "closed");
        } else if (order > 0) {
            add(&come, b, "opened");
        } else if (!is_same(before, a, now, b)) {
            add(&come, b, "changed");
        }
        i += order <= 0;
        j += order >= 0;
    }
    print_changes(&gone, is_json);
    print_changes(&come, is_json);
    free(gone.rows.rows);
    free(gone.words);
    free(come.rows.rows);
    free(come.words);
}

static void print_first(const struct look *look, bool is_json)
{
    struct changes all = {.rows = look->rows};

    all.words = cli_memory(NULL, all.rows.count * sizeof(void *));
    for (size_t i = 0; i < all.rows.count; i++) {
        all.words[i] = "there";
    }
    print_changes(&all, is_json);
    free(all.words);
}

static void sort(struct look *look)
{
    if (look->rows.count > 0) {
        qsort(look->rows.rows, look->rows.count, sizeof(void *), compare_rows);
    }
}

static int watch_changes(const struct sockets_wanted *wanted, bool is_json)
{
    struct look before;
    struct look now;
    int status = look_make(&before, wanted);

    if (status != CLI_OK) {
        return status;
    }
    print_first(&before, is_json);
    sockets_say_unseen(&before.rows, cli_message);
    sort(&before);
    while (wait_for_next()) {
        status = look_make(&now, wanted);
        if (status != CLI_OK) {
            break;
        }
        sort(&now);
        compare_looks(&before, &now, is_json);
        look_free(&before);
        before = now;
        before.rows.picture = &before.picture;
    }
    look_free(&before);
    return status;
}

int sockets_watch(const struct sockets_wanted *wanted, bool is_json)
{
    int status = !is_json && is_screen() ? watch_screen(wanted) : watch_changes(wanted, is_json);

    if (status == CLI_OK && !ferror(stdout)) {
        (void)raise(SIGPIPE); /* as if it had written */
    }
    return status;
}
