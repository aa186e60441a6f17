/* SPDX-License-Identifier: MIT */
/* run/loop.h: what is ready is found whether the loop looks for it or sleeps; a deadline is kept
 * either way; an idle loop comes to sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/loop.h"

enum {
    MANY = 8, /* waits that decide */
    TRIES = 100000,
};

struct world {
    struct loop loop;
    struct loop_source source;
    int pipe[2];
    unsigned worked;
};

static struct world world;

static void on_pipe(struct loop_source *source)
{
    char byte;

    source->ready = 0;
    assert_int_equal(read(world.pipe[0], &byte, 1), 1);
    world.worked++;
}

static int set_up(void **state)
{
    (void)state;
    world = (struct world){.source = {.work = on_pipe, .fd = -1}};
    assert_int_equal(pipe(world.pipe), 0);
    assert_int_equal(loop_init(&world.loop), BERTH_OK);
    assert_int_equal(loop_watch(&world.loop, &world.source, world.pipe[0], EPOLLIN), BERTH_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_forget(&world.loop, &world.source);
    loop_done(&world.loop);
    close(world.pipe[0]);
    close(world.pipe[1]);
    return 0;
}

/* Eight waits in a row for what is there already; a busy machine may need some more for them. */
static void wait_shortly(void)
{
    for (unsigned i = 0; world.loop.short_waits != UINT8_MAX; i++) {
        unsigned before = world.worked;

        assert_int_equal(write(world.pipe[1], "x", 1), 1);
        loop_wait(&world.loop, LOOP_NEVER);
        loop_work(&world.loop);
        assert_int_equal(world.worked, before + 1);
        assert_true(i < TRIES);
    }
}

static void wait_long(void)
{
    uint64_t deadline = loop_clock_ns() + 2 * LOOP_LOOK_NS;

    loop_wait(&world.loop, deadline);
    loop_work(&world.loop);
    assert_true(world.loop.now_ns >= deadline);
}

static void it_looks_after_short_waits_and_sleeps_after_long_ones(void **state)
{
    (void)state;
    assert_int_equal(world.loop.short_waits, 0);
    wait_shortly();
    for (unsigned i = 0; i < MANY; i++) {
        wait_long();
    }
    assert_int_equal(world.loop.short_waits, 0);
    wait_shortly();
}

/* Did the thread sleep while it waited for less than LOOP_LOOK_NS? (To yield is not to sleep.) */
static bool sleeps(void)
{
    struct rusage before;
    struct rusage after;

    assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
    loop_wait(&world.loop, loop_clock_ns() + LOOP_LOOK_NS / 2);
    assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
    return after.ru_nvcsw != before.ru_nvcsw;
}

static void to_look_is_not_to_sleep(void **state)
{
    enum { WAITS = 100 };
    unsigned slept = 0;

    (void)state;
    for (unsigned i = 0; i < WAITS; i++) {
        wait_shortly();
        slept += sleeps();
    }
    assert_in_range(slept, 0, WAITS / 2);
    for (unsigned i = 0; i < WAITS; i++) {
        world.loop.short_waits = 0;
        slept += sleeps();
    }
    assert_in_range(slept, WAITS / 2 + 1, 2 * WAITS);
}

/* What becomes ready while the loop looks, and what only later. */
static void what_becomes_ready_is_found(void **state)
{
    (void)state;
    wait_shortly();
    for (useconds_t delay_us = 10; delay_us < 2000; delay_us *= 5) {
        unsigned before = world.worked;
        pid_t child = fork();

        if (child == 0) {
            (void)usleep(delay_us);
            _exit(write(world.pipe[1], "x", 1) == 1 ? 0 : 1);
        }
        loop_wait(&world.loop, LOOP_NEVER);
        loop_work(&world.loop);
        assert_int_equal(world.worked, before + 1);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
}

/* With work queued nothing is waited for, and that is no wait. */
static void with_work_it_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(write(world.pipe[1], "x", 1), 1);
    loop_queue(&world.loop, &world.source);
    loop_wait(&world.loop, LOOP_NEVER);
    assert_int_equal(world.loop.short_waits, 0);
    loop_work(&world.loop);
    assert_int_equal(world.worked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_looks_after_short_waits_and_sleeps_after_long_ones,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(to_look_is_not_to_sleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_becomes_ready_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(with_work_it_does_not_wait, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
