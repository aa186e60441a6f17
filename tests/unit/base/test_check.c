/* SPDX-License-Identifier: MIT */
/*
 * A check that fails says what and where, and ends the process; one that holds does nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs BERTH_CHECK(value) in a process of its own; what it wrote on standard error goes to TEXT. */
static int check_in_child(int value, char *text, size_t text_bytes)
{
    int ends[2];
    int status;
    size_t got = 0;
    ssize_t piece;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        BERTH_CHECK(value == 7);
        _exit(0);
    }
    (void)close(ends[1]);
    while ((piece = read(ends[0], text + got, text_bytes - 1 - got)) > 0) {
        got += (size_t)piece;
    }
    text[got] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void what_is_true_passes(void **state)
{
    char text[512];
    int status;

    (void)state;
    status = check_in_child(7, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_string_equal(text, "");
}

static void what_is_false_aborts_and_is_named(void **state)
{
    char text[512];
    int status;

    (void)state;
    status = check_in_child(8, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "value == 7"));
    assert_non_null(strstr(text, "test_check.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_true_passes),
        cmocka_unit_test(what_is_false_aborts_and_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
