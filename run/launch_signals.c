/* SPDX-License-Identifier: MIT */
/*
 * run/launch_signals.c: see run/launch_signals.h.
 */
#include "run/launch_signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* These tell a process of its own faults, or cannot be caught. SIGPIPE is ignored. */
static const int kept_signals[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                   SIGTRAP, SIGABRT, SIGSYS,  SIGPIPE, SIGPROF};

static void handled_set(sigset_t *set)
{
    sigfillset(set);
    for (size_t i = 0; i < sizeof(kept_signals) / sizeof(kept_signals[0]); i++) {
        sigdelset(set, kept_signals[i]);
    }
}

/* The first standard stream that is a terminal whose foreground is our group; -1 if none. */
static int find_terminal(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (tcgetpgrp(fd) == getpgrp()) {
            return fd;
        }
    }
    return -1;
}

int launch_signals_init(struct launch_signals *signals)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t set;

    handled_set(&set);
    if (sigprocmask(SIG_BLOCK, &set, &signals->caller_mask) < 0) {
        return -1;
    }
    /* A caller that ignores SIGCHLD would have the kernel throw COMMAND's status away. */
    (void)sigaction(SIGCHLD, &plain, &signals->caller_chld);
    (void)sigaction(SIGPIPE, NULL, &signals->caller_pipe);
    signals->terminal_fd = find_terminal();
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0) {
        int saved = errno;

        launch_signals_done(signals);
        errno = saved;
        return -1;
    }
    return 0;
}

void launch_signals_guard(struct launch_signals *signals)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGPIPE, &ignore, &signals->caller_pipe);
}

void launch_signals_done(struct launch_signals *signals)
{
    if (signals->fd >= 0) {
        close(signals->fd);
        signals->fd = -1;
    }
    (void)sigaction(SIGPIPE, &signals->caller_pipe, NULL);
    (void)sigaction(SIGCHLD, &signals->caller_chld, NULL);
    (void)sigprocmask(SIG_SETMASK, &signals->caller_mask, NULL);
}

/* Whether process PID is in the network that berth is in. What shows a network's own files has a
 * number for each network, and asking for it needs no power over the process. Where the sender has
 * ended and its number is another process's by now, that one is taken for it: a signal has neither
 * a descriptor nor a time of its sender's. What that can bring about is that the owner's files are
 * read again. */
static enum launch_hangup find_sender(pid_t pid, bool *is_inside)
{
    char path[64];
    struct stat own;
    struct stat other;

    *is_inside = false;
    if (pid == 0) {
        return LAUNCH_HANGUP_OUTSIDE; /* it is in a PID namespace above ours, and COMMAND is not */
    }
    (void)snprintf(path, sizeof path, "/proc/%d/net/dev", (int)pid);
    if (stat("/proc/self/net/dev", &own) < 0 || stat(path, &other) < 0) {
        return LAUNCH_HANGUP_ENDED;
    }
    *is_inside = own.st_dev != other.st_dev || own.st_ino != other.st_ino;
    return *is_inside ? LAUNCH_HANGUP_NONE : LAUNCH_HANGUP_OUTSIDE;
}

/* Who sends by rt_sigqueueinfo(2) writes the sender's number himself, and who has a timer or a file
 * send writes none: only of these two the kernel writes it. */
static bool has_sender(const struct signalfd_siginfo *info)
{
    return info->ssi_code == SI_USER || info->ssi_code == SI_TKILL;
}

/* Notes a SIGHUP of a process. False: it is COMMAND's affair. */
static bool keep_hangup(struct launch_signals *signals, const struct signalfd_siginfo *info)
{
    bool is_inside;
    enum launch_hangup hangup;

    if (!signals->keeps_hangup || !has_sender(info)) {
        return false;
    }
    hangup = find_sender((pid_t)info->ssi_pid, &is_inside);
    if (!is_inside && signals->hangup != LAUNCH_HANGUP_OUTSIDE) {
        signals->hangup = hangup;
    }
    return !is_inside;
}

/* The file of a log or a capture has met the limit on files (RLIMIT_FSIZE): the write fails, and
 * that is said; it is no signal for COMMAND. */
static bool is_own(const struct signalfd_siginfo *info)
{
    return info->ssi_signo == SIGXFSZ && (pid_t)info->ssi_pid == getpid();
}

/* Whether a hang-up that has come to berth has not come to COMMAND, process PID. */
static bool hears_alone(pid_t pid)
{
    return getsid(0) == getpid() || getpgid(pid) != getpgrp();
}

static void pass(struct launch_signals *signals, const struct signalfd_siginfo *info, pid_t pid)
{
    int number = (int)info->ssi_signo;

    if (number == SIGCHLD || is_own(info) || (number == SIGHUP && keep_hangup(signals, info))) {
        return;
    }
    if (number == SIGCONT) {
        pid_t group = getpgid(pid);

        (void)kill(group == pid && group != getpgrp() ? -pid : pid, SIGCONT);
        return;
    }
    /* From the kernel (a positive code): the terminal has sent it to COMMAND as well, unless it is
     * gone for good: then to its session's leader alone, or to a group that COMMAND has left. */
    if (info->ssi_code > 0 && !(number == SIGHUP && hears_alone(pid))) {
        return;
    }
    (void)kill(pid, number);
}

void launch_signals_pass(struct launch_signals *signals, pid_t pid)
{
    struct signalfd_siginfo info;

    while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        int number = (int)info.ssi_signo;

        if (info.ssi_code > 0 && (number == SIGINT || number == SIGQUIT || number == SIGHUP)) {
            signals->is_interrupted = true;
        }
        if (pid > 0) {
            pass(signals, &info, pid);
        }
    }
}

void launch_signals_stop(int signal_number)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    struct sigaction before;
    sigset_t set;

    if (signal_number == SIGSTOP || sigaction(signal_number, NULL, &before) < 0 ||
        before.sa_handler == SIG_IGN) {
        (void)kill(getpid(), SIGSTOP);
        return;
    }
    (void)sigaction(signal_number, &plain, NULL);
    (void)raise(signal_number);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops */
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(signal_number, &before, NULL);
}

void launch_signals_reclaim(struct launch_signals *signals, pid_t pid)
{
    /* From the background tcsetpgrp() would stop us by SIGTTOU, were that not blocked. */
    if (signals->terminal_fd >= 0 && tcgetpgrp(signals->terminal_fd) == pid) {
        (void)tcsetpgrp(signals->terminal_fd, getpgrp());
    }
}
