/* SPDX-License-Identifier: MIT */
/*
 * run/ask_terminal.c: see run/ask_terminal.h.
 */
#include "run/ask_terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
    STAT_BYTES = 512,
    TTY_MAJOR = 5, /* /dev/tty is 5:0 */
    INTERRUPT = 3, /* Ctrl-C */
    STOP_LOOKS = 100,
    STOP_LOOK_NS = 200 * 1000,
};

/* ---- What /proc tells ----------------------------------------------------------------------- */

struct status {
    char state;
    int parent;
    int terminal;
};

/* The words of /proc/PID/stat behind the name: state, parent, group, session, terminal, ... */
static bool read_status(const char *pid, struct status *out)
{
    char path[PROCESSES_PATH_BYTES];
    char text[STAT_BYTES];
    const char *words;
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    words = strrchr(text, ')');
    return words != NULL &&
           sscanf(words + 1, " %c %d %*d %*d %d", &out->state, &out->parent, &out->terminal) == 3;
}

/* Whether the process runs, or waits: it is not stopped, nor gone. */
static bool is_running(pid_t pid, struct status *out)
{
    char text[16];

    snprintf(text, sizeof text, "%d", (int)pid);
    return read_status(text, out) && strchr("TtZX", out->state) == NULL;
}

/* The kernel's number of the terminal is packed: minor's low 8 bits, major's 12, minor's others. */
static dev_t device_of(int terminal)
{
    unsigned packed = (unsigned)terminal;

    return makedev((packed >> 8) & 0xfff, (packed & 0xff) | ((packed >> 12) & 0xfff00));
}

/* Is this descriptor of the process, in its DIRECTORY, the terminal? Of a file what is known of it
 * will do: whoever serves its file system, which may be the program (FUSE), is not waited for. */
static bool is_terminal(int directory, const char *name, dev_t device)
{
    struct statx st;
    dev_t its;

    if (statx(directory, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0 || !S_ISCHR(st.stx_mode)) {
        return false;
    }
    its = makedev(st.stx_rdev_major, st.stx_rdev_minor);
    return its == device || its == makedev(TTY_MAJOR, 0);
}

/* Only what could be read from: standard output and error are the terminal of most programs. */
static bool reads_terminal(pid_t pid, dev_t device)
{
    char path[PROCESSES_PATH_BYTES];
    const struct dirent *entry;
    bool reads = false;
    DIR *directory;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    directory = opendir(path);
    if (directory == NULL) {
        return errno == EACCES; /* it does not show them: taken for one that does */
    }
    while (!reads && (entry = readdir(directory)) != NULL) {
        long fd = strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] != '.' && fd != STDOUT_FILENO && fd != STDERR_FILENO) {
            reads = is_terminal(dirfd(directory), entry->d_name, device);
        }
    }
    closedir(directory);
    return reads;
}

/* ---- Opening -------------------------------------------------------------------------------- */

void ask_terminal_open(struct ask_terminal *terminal)
{
    struct status status;

    *terminal = (struct ask_terminal){.fd = -1};
    if (!read_status("self", &status) || status.terminal == 0) {
        return;
    }
    terminal->device = device_of(status.terminal);
    terminal->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (terminal->fd >= 0) {
        terminal->stopped = calloc(ASK_STOPPED_MAX, sizeof terminal->stopped[0]);
    }
    if (terminal->stopped == NULL) {
        ask_terminal_close(terminal);
    }
}

void ask_terminal_close(struct ask_terminal *terminal)
{
    if (terminal->is_taken) {
        ask_terminal_give(terminal);
    }
    if (terminal->fd >= 0) {
        close(terminal->fd);
        terminal->fd = -1;
    }
    free(terminal->stopped);
    terminal->stopped = NULL;
}

static bool is_group_inside(struct processes *processes, pid_t group)
{
    processes_look(processes);
    for (size_t i = 0; i < processes->count; i++) {
        if (processes->items[i].is_inside && getpgid(processes->items[i].pid) == group) {
            return true;
        }
    }
    return false;
}

enum ask_terminal_place ask_terminal_look(const struct ask_terminal *terminal,
                                          struct processes *processes)
{
    pid_t group = terminal->fd < 0 ? -1 : tcgetpgrp(terminal->fd);

    if (group < 0) {
        return ASK_TERMINAL_NONE;
    }
    return group == getpgrp() || is_group_inside(processes, group) ? ASK_TERMINAL_OURS
                                                                   : ASK_TERMINAL_OTHERS;
}

/* ---- Stopping and going on ------------------------------------------------------------------ */

/* One that is to be stopped. */
struct reader {
    pid_t pid;
    pid_t parent;
    bool is_stopped;
};

static int compare_readers(const void *a, const void *b)
{
    const struct reader *one = a;
    const struct reader *other = b;

    return (one->pid > other->pid) - (one->pid < other->pid);
}

/* Those that run and could read from the terminal, by pid; allocated. NULL: no memory. */
static struct reader *find_readers(const struct ask_terminal *terminal, struct processes *processes,
                                   size_t *count)
{
    struct reader *readers;

    processes_look(processes);
    readers = calloc(processes->count + 1, sizeof *readers);
    *count = 0;
    for (size_t i = 0; i < processes->count && readers != NULL; i++) {
        pid_t pid = processes->items[i].pid;
        struct status status;

        if (processes->items[i].is_inside && reads_terminal(pid, terminal->device) &&
            is_running(pid, &status)) {
            readers[(*count)++] = (struct reader){pid, status.parent, false};
        }
    }
    return readers;
}

/* A signal stops a process only when it gets to run; until then it could still see that its child
 * has stopped. */
static void stop(struct ask_terminal *terminal, pid_t pid)
{
    const struct timespec moment = {.tv_nsec = STOP_LOOK_NS};
    struct status status;

    if (terminal->stopped_count == ASK_STOPPED_MAX || kill(pid, SIGSTOP) < 0) {
        return;
    }
    terminal->stopped[terminal->stopped_count++] = pid;
    for (int i = 0; i < STOP_LOOKS && is_running(pid, &status); i++) {
        (void)nanosleep(&moment, NULL);
    }
}

void ask_terminal_stop_readers(struct ask_terminal *terminal, struct processes *processes)
{
    size_t count = 0;
    size_t stopped = 0;
    size_t before;
    struct reader *readers = find_readers(terminal, processes, &count);

    /* Parents first: mostly they have lower ids, and one pass does. */
    do {
        before = stopped;
        for (size_t i = 0; i < count; i++) {
            struct reader key = {.pid = readers[i].parent};
            const struct reader *parent =
                bsearch(&key, readers, count, sizeof *readers, compare_readers);

            if (!readers[i].is_stopped && (parent == NULL || parent->is_stopped)) {
                stop(terminal, readers[i].pid);
                readers[i].is_stopped = true;
                stopped++;
            }
        }
    } while (stopped > before);
    free(readers);
}

static void go_on(struct ask_terminal *terminal)
{
    while (terminal->stopped_count > 0) {
        (void)kill(terminal->stopped[--terminal->stopped_count], SIGCONT);
    }
}

/* ---- Taking and giving back ----------------------------------------------------------------- */

/* A letter that erases others, or ends a line, would make another answer of the one that is typed:
 * "no" with an n that erases is "o". Only control characters do such things. */
static void keep_letters(struct termios *settings)
{
    static const int editing[] = {VERASE,   VKILL,    VWERASE, VEOF,   VEOL2,
                                  VREPRINT, VDISCARD, VLNEXT,  VSTART, VSTOP};

    for (size_t i = 0; i < sizeof editing / sizeof editing[0]; i++) {
        cc_t *key = &settings->c_cc[editing[i]];

        if ((*key >= ' ' && *key != 0x7f) || *key == '\n' || *key == '\r') {
            *key = _POSIX_VDISABLE;
        }
    }
}

/* Lines, echoed, whatever the program wanted; but for Ctrl-C, which does what it did, and Ctrl-Z,
 * which would stop who is stopped already. */
static struct termios settings_for(struct ask_terminal *terminal)
{
    struct termios settings = terminal->saved;

    terminal->has_own_keys = (settings.c_lflag & ISIG) == 0;
    settings.c_iflag = (settings.c_iflag | ICRNL) & ~(tcflag_t)(IGNCR | INLCR | ISTRIP | IUCLC);
    settings.c_oflag |= OPOST | ONLCR;
    settings.c_lflag |= ICANON | ECHO | ECHOE | ECHOK;
    settings.c_lflag &= ~(tcflag_t)(TOSTOP | NOFLSH | EXTPROC);
    keep_letters(&settings);
    settings.c_cc[VSUSP] = _POSIX_VDISABLE;
    settings.c_cc[VEOL] = terminal->has_own_keys ? INTERRUPT : _POSIX_VDISABLE;
    return settings;
}

int ask_terminal_take(struct ask_terminal *terminal, struct processes *processes)
{
    terminal->group = tcgetpgrp(terminal->fd);
    if (terminal->group < 0) {
        return BERTH_E_STATE;
    }
    terminal->is_taken = true;
    ask_terminal_stop_readers(terminal, processes);
    /* SIGTTOU, which this would bring from the background, is blocked (launch_signals.h). */
    if (terminal->group != getpgrp()) {
        (void)tcsetpgrp(terminal->fd, getpgrp());
    }
    if (tcgetattr(terminal->fd, &terminal->saved) < 0) {
        go_on(terminal);
        terminal->is_taken = false;
        return BERTH_E_STATE;
    }
    terminal->own = settings_for(terminal);
    (void)tcsetattr(terminal->fd, TCSANOW, &terminal->own);
    return BERTH_OK;
}

void ask_terminal_give(struct ask_terminal *terminal)
{
    (void)tcsetattr(terminal->fd, TCSANOW, &terminal->saved);
    if (terminal->group != getpgrp()) {
        (void)tcsetpgrp(terminal->fd, terminal->group);
    }
    terminal->is_taken = false;
    go_on(terminal);
}

/* ---- Words ---------------------------------------------------------------------------------- */

/* A process that only writes to the terminal goes on, and may set it too. */
static bool is_own(const struct ask_terminal *terminal)
{
    struct termios now;

    return tcgetattr(terminal->fd, &now) == 0 && now.c_iflag == terminal->own.c_iflag &&
           now.c_lflag == terminal->own.c_lflag &&
           memcmp(now.c_cc, terminal->own.c_cc, sizeof now.c_cc) == 0;
}

void ask_terminal_flush(struct ask_terminal *terminal)
{
    (void)tcsetattr(terminal->fd, TCSANOW, &terminal->own);
    (void)tcflush(terminal->fd, TCIFLUSH);
}

void ask_terminal_say(struct ask_terminal *terminal, const char *text)
{
    if (terminal->fd >= 0 && write(terminal->fd, text, strlen(text)) < 0) {
        return; /* nobody sees it: then nobody answers */
    }
}

enum ask_terminal_input ask_terminal_read(struct ask_terminal *terminal, char line[ASK_LINE_BYTES])
{
    ssize_t length = read(terminal->fd, line, ASK_LINE_BYTES - 1);

    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return ASK_INPUT_NONE;
    }
    if (length <= 0) {
        return length == 0 ? ASK_INPUT_END : ASK_INPUT_GONE;
    }
    line[length] = '\0';
    if (terminal->has_own_keys && line[length - 1] == INTERRUPT) {
        return ASK_INPUT_INTERRUPT;
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (!is_own(terminal)) {
        ask_terminal_flush(terminal);
        line[0] = '\0';
    }
    return ASK_INPUT_LINE;
}
