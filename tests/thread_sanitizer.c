/* SPDX-License-Identifier: MIT */
/*
 * tests/thread_sanitizer.c: part of a berth that is built with ThreadSanitizer (./dev sanitize
 * thread), and of no other: an idle thread, there before main.
 *
 * ThreadSanitizer gives a forked child a thread of its own, and unshare(CLONE_NEWUSER) is for
 * processes with one: the program's namespaces could not be made. To the child of a process that
 * has other threads it gives none (and with die_after_fork=0 lets it live).
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static void *idle(void *context)
{
    for (;;) {
        (void)pause();
    }
    return context;
}

static void __attribute__((constructor)) start(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, idle, NULL) == 0) {
        (void)pthread_setname_np(thread, "idle"); /* tests count threads */
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}
