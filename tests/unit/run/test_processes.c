/* SPDX-License-Identifier: MIT */
/*
 * The list of processes inside, with this process's own network as "inside": children are found as
 * they come, each once, and go; and whose a socket is, among them.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/holder.h"

enum { CHILDREN = 40 };

struct children {
    pid_t pids[CHILDREN];
    size_t count;
    int hold[2]; /* they end when it is closed */
};

static uint64_t own_network(void)
{
    struct stat st;

    assert_int_equal(stat("/proc/self/ns/net", &st), 0);
    return st.st_ino;
}

static void begin(struct children *children)
{
    children->count = 0;
    assert_int_equal(pipe(children->hold), 0);
}

/* One more; with a socket of its own, if INODE is asked for. */
static pid_t add(struct children *children, uint64_t *inode)
{
    int tell[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(tell), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct stat st = {0};
        int fd = inode == NULL ? -1 : socket(AF_UNIX, SOCK_STREAM, 0);

        close(children->hold[1]);
        if (fd >= 0 && fstat(fd, &st) < 0) {
            _exit(1);
        }
        if (write(tell[1], &st.st_ino, sizeof st.st_ino) < 0 ||
            read(children->hold[0], &byte, 1) != 0) {
            _exit(1);
        }
        _exit(0);
    }
    if (inode != NULL) {
        assert_int_equal(read(tell[0], inode, sizeof *inode), sizeof *inode);
    }
    close(tell[0]);
    close(tell[1]);
    children->pids[children->count++] = pid;
    return pid;
}

static void end(struct children *children)
{
    close(children->hold[1]);
    close(children->hold[0]);
    for (size_t i = 0; i < children->count; i++) {
        assert_int_equal(waitpid(children->pids[i], NULL, 0), children->pids[i]);
    }
}

static bool is_fresh(const struct processes *processes, pid_t pid)
{
    size_t found = 0;

    for (size_t i = 0; i < processes->fresh_count; i++) {
        found += processes->fresh[i] == pid;
    }
    assert_true(found <= 1);
    return found == 1;
}

static void expect_order(const struct processes *processes)
{
    for (size_t i = 1; i < processes->count; i++) {
        assert_true(processes->items[i - 1].pid < processes->items[i].pid);
    }
}

static void test_new_ones(void **state)
{
    struct processes processes;
    struct children children;

    (void)state;
    assert_int_equal(processes_init(&processes, own_network()), 0);
    processes_look(&processes);
    assert_true(processes_find(&processes, getpid())->is_inside);
    begin(&children);
    for (size_t i = 0; i < CHILDREN; i++) {
        pid_t pid = add(&children, NULL);

        assert_null(processes_find(&processes, pid));
        processes_look_for_new(&processes);
        assert_true(is_fresh(&processes, pid));
        assert_true(processes_find(&processes, pid)->is_inside);
        expect_order(&processes);
        processes_look_for_new(&processes);
        assert_false(is_fresh(&processes, pid)); /* only once */
    }
    end(&children);
    processes_look(&processes);
    for (size_t i = 0; i < CHILDREN; i++) {
        assert_null(processes_find(&processes, children.pids[i]));
    }
    processes_done(&processes);
}

static void test_outside(void **state)
{
    struct processes processes;

    (void)state;
    assert_int_equal(processes_init(&processes, own_network() + 1), 0);
    processes_look(&processes);
    assert_false(processes_find(&processes, getpid())->is_inside);
    processes_done(&processes);
}

/* Ids that begin anew: the last one given is below the one before. */
static void test_ids_begin_anew(void **state)
{
    struct processes processes;
    struct children children;
    pid_t pid;

    (void)state;
    assert_int_equal(processes_init(&processes, own_network()), 0);
    processes_look(&processes);
    begin(&children);
    pid = add(&children, NULL);
    processes.last = INT32_MAX - 1;
    processes_look_for_new(&processes);
    assert_true(is_fresh(&processes, pid));
    expect_order(&processes);
    end(&children);
    processes_done(&processes);
}

static void test_holders(void **state)
{
    struct holder holder;
    struct children children;
    uint64_t inodes[CHILDREN];

    (void)state;
    assert_int_equal(holder_init(&holder, own_network(), getpid()), 0);
    begin(&children);
    for (size_t i = 0; i < CHILDREN; i++) {
        (void)add(&children, &inodes[i]);
        assert_int_equal(holder_find_near(&holder, inodes[i]), children.pids[i]);
    }
    for (size_t i = 0; i < CHILDREN; i++) { /* seen before, or by a look at all */
        pid_t pid = holder_find_near(&holder, inodes[i]);

        pid = pid > 0 ? pid : holder_find_far(&holder, inodes[i]);
        assert_int_equal(pid, children.pids[i]);
    }
    end(&children);
    for (size_t i = 0; i < CHILDREN; i++) {
        assert_int_equal(holder_find_near(&holder, inodes[i]), 0);
        assert_int_equal(holder_find_far(&holder, inodes[i]), 0);
    }
    holder_done(&holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_ones),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_ids_begin_anew),
        cmocka_unit_test(test_holders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
