/* SPDX-License-Identifier: MIT */
/*
 * run/launch_signals.h: berth between its caller and COMMAND as far as signals and the terminal go.
 * Owns the signal descriptor, and what the caller's mask and dispositions were. run/launch.c alone
 * calls it.
 *
 * COMMAND stays in berth's process group and session, as under env(1) or time(1), so that the
 * terminal, a shell's job control and pipelines treat both as one job:
 *   who sends                        whom the kernel gives it to      berth
 *   the terminal (Ctrl-C, Ctrl-\)    the foreground group, both       does nothing
 *   the terminal, gone for good      its session's leader; if that    passes it on where it leads
 *                                    ends, the foreground group
 *   a process, to berth              berth                            passes it on
 *   berth's own write (SIGXFSZ)      berth                            does nothing
 *   SIGHUP, to berth, of COMMAND's   berth                            passes it on
 *   of another network's process     berth                            keeps it (keeps_hangup)
 *   COMMAND stops                    -                                stops by the same signal
 *   a shell continues the job        the group                        wakes COMMAND, which may have
 *                                                                     a group of its own
 */
#ifndef RUN_LAUNCH_SIGNALS_H
#define RUN_LAUNCH_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include <berth/error.h>

/* A SIGHUP that is kept, by who has sent it. COMMAND may send signals, as the same user: whoever
 * has ended before it was looked at may have been of COMMAND's. */
enum launch_hangup { LAUNCH_HANGUP_NONE, LAUNCH_HANGUP_OUTSIDE, LAUNCH_HANGUP_ENDED };

struct launch_signals {
    bool keeps_hangup;
    enum launch_hangup hangup;
    int fd;              /* a signalfd, non-blocking */
    bool is_interrupted; /* by the terminal, since launch_take_interrupt */
    int terminal_fd; /* 0, 1 or 2: the terminal, had by us in the foreground at the start; or -1 */
    sigset_t caller_mask;
    struct sigaction caller_chld;
    struct sigaction caller_pipe;
};

/* Blocks what is passed on, before the fork; SIGCHLD comes to be noticed. -1 with errno. */
int launch_signals_init(struct launch_signals *signals);
/* After the fork, in berth: SIGPIPE no longer ends it. */
void launch_signals_guard(struct launch_signals *signals);
void launch_signals_done(struct launch_signals *signals);

/* Reads every pending signal and passes on to `pid` what is for it. pid 0: to nobody. */
void launch_signals_pass(struct launch_signals *signals, pid_t pid);
/* Stops this process as COMMAND was stopped, until somebody continues it. */
void launch_signals_stop(int signal_number);
/* COMMAND is gone: the terminal goes back to our group if COMMAND's had it. */
void launch_signals_reclaim(struct launch_signals *signals, pid_t pid);

#endif
