/* SPDX-License-Identifier: MIT */
/*
 * What berth can no longer do once it is confined, and what it still can. Each case runs in a
 * process of its own, whose exit status is what it found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/confine.h"

enum { YES = 10, NO = 11, FAILED = 12 };

/* Confines a child, asks it, and returns the answer. */
static int ask(bool (*question)(void), bool has_calls)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        char message[128];

        if (confine_privileges(message, sizeof(message)) < 0 ||
            (!has_calls && confine_calls(false, message, sizeof(message)) < 0)) {
            _exit(FAILED);
        }
        _exit(question() ? YES : NO);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool has_capabilities(void)
{
    char line[256];
    unsigned long long set = 0;
    unsigned long long all = 0;
    FILE *file = fopen("/proc/self/status", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "CapPrm: %llx", &set) == 1 || sscanf(line, "CapEff: %llx", &set) == 1 ||
            sscanf(line, "CapInh: %llx", &set) == 1) {
            all |= set;
        }
    }
    return file == NULL || all != 0;
}

static bool may_gain(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static bool is_filtered(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}

static bool may_execute(void)
{
    char *const argv[] = {(char *)"true", NULL};

    execv("/bin/true", argv); /* its status would be 0 */
    return errno != ENOSYS;
}

static bool may_fork(void)
{
    return fork() >= 0;
}

static bool may_unshare(void)
{
    return unshare(CLONE_NEWUSER) == 0;
}

static bool may_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL) == 0 || errno != ENOSYS;
}

static bool may_relay(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char byte = 0;
    char *memory = malloc(1 << 20);

    return fd >= 0 && listen(fd, 1) == 0 && file >= 0 && read(file, &byte, 1) == 1 &&
           memory != NULL && kill(getpid(), 0) == 0;
}

static void no_capabilities_are_left(void **state)
{
    (void)state;
    assert_int_equal(ask(has_capabilities, true), NO);
    assert_int_equal(ask(may_gain, true), NO);
}

static void only_listed_calls_are_left(void **state)
{
    (void)state;
    if (ask(is_filtered, false) == NO) {
        print_message("a sanitizer's build: its own calls would be refused\n");
        skip();
    }
    assert_int_equal(ask(may_execute, false), NO);
    assert_int_equal(ask(may_fork, false), NO);
    assert_int_equal(ask(may_unshare, false), NO);
    assert_int_equal(ask(may_mount, false), NO);
    assert_int_equal(ask(may_relay, false), YES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_capabilities_are_left),
        cmocka_unit_test(only_listed_calls_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
