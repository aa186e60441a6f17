/* SPDX-License-Identifier: MIT */
/*
 * What a person is told when a system does not let berth work: each message names the setting.
 * The systems are made up: files in a directory that stands for /.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/launch.h"
#include "run/launch_step.h"

struct fake {
    char root[64];
    char message[LAUNCH_MESSAGE_BYTES];
};

static int setup(void **state)
{
    static const char *const directories[] = {
        "",           "/proc", "/proc/sys", "/proc/sys/user", "/proc/sys/kernel",
        "/proc/self", "/dev",  "/dev/net"};
    struct fake *fake = calloc(1, sizeof(*fake));
    char path[128];

    assert_non_null(fake);
    strcpy(fake->root, "/tmp/berth-step.XXXXXX");
    assert_non_null(mkdtemp(fake->root));
    for (size_t i = 1; i < sizeof(directories) / sizeof(directories[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", fake->root, directories[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    struct fake *fake = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", fake->root);
    assert_int_equal(system(command), 0);
    free(fake);
    return 0;
}

static void put(const struct fake *fake, const char *path, const char *text)
{
    char full[128];
    FILE *file = NULL;

    snprintf(full, sizeof(full), "%s%s", fake->root, path);
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *explain(struct fake *fake, enum launch_step step, int number)
{
    struct launch_error error;

    errno = number;
    assert_int_equal(launch_error_set(&error, step, ""), BERTH_E_DENIED);
    launch_explain(&error, fake->root, fake->message, sizeof(fake->message));
    assert_null(strchr(fake->message, '\n'));
    return fake->message;
}

static void max_user_namespaces_is_named(void **state)
{
    put(*state, "/proc/sys/user/max_user_namespaces", "0\n");
    assert_non_null(strstr(explain(*state, LAUNCH_STEP_NAMESPACES, ENOSPC),
                           "sudo sysctl user.max_user_namespaces=15000"));
}

static void unprivileged_clone_is_named(void **state)
{
    put(*state, "/proc/sys/user/max_user_namespaces", "60000\n");
    put(*state, "/proc/sys/kernel/unprivileged_userns_clone", "0\n");
    assert_non_null(strstr(explain(*state, LAUNCH_STEP_NAMESPACES, EPERM),
                           "sudo sysctl kernel.unprivileged_userns_clone=1"));
}

/* Ubuntu lets the namespace be made and refuses what comes next. */
static void apparmor_is_named_at_any_step(void **state)
{
    static const enum launch_step steps[] = {LAUNCH_STEP_NAMESPACES, LAUNCH_STEP_IDS,
                                             LAUNCH_STEP_TUN_MAKE, LAUNCH_STEP_ADDRESS,
                                             LAUNCH_STEP_MOUNT};

    put(*state, "/proc/sys/kernel/unprivileged_userns_clone", "1\n");
    put(*state, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const char *text = explain(*state, steps[i], i % 2 == 0 ? EPERM : EACCES);

        assert_non_null(strstr(text, "/etc/apparmor.d"));
        assert_non_null(strstr(text, "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"));
    }
}

static void container_is_named(void **state)
{
    put(*state, "/proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    assert_non_null(strstr(explain(*state, LAUNCH_STEP_NAMESPACES, EPERM),
                           "--security-opt seccomp=unconfined"));
}

static void missing_device_is_named(void **state)
{
    assert_non_null(strstr(explain(*state, LAUNCH_STEP_TUN_OPEN, ENOENT), "sudo modprobe tun"));
    put(*state, "/.dockerenv", "");
    assert_non_null(strstr(explain(*state, LAUNCH_STEP_TUN_OPEN, ENOENT), "--device /dev/net/tun"));
}

static void closed_device_is_named_with_its_mode(void **state)
{
    struct fake *fake = *state;
    char path[128];

    put(fake, "/dev/net/tun", "");
    snprintf(path, sizeof(path), "%s/dev/net/tun", fake->root);
    assert_int_equal(chmod(path, 0600), 0);
    assert_non_null(strstr(explain(fake, LAUNCH_STEP_TUN_OPEN, EACCES), "mode 0600"));
    assert_non_null(strstr(fake->message, "sudo chmod 0666 /dev/net/tun"));
    assert_int_equal(chmod(path, 0666), 0);
    assert_non_null(strstr(explain(fake, LAUNCH_STEP_TUN_OPEN, EPERM), "device cgroup"));
}

static void command_is_named_on_one_line(void **state)
{
    struct fake *fake = *state;
    struct launch_error error;

    errno = ENOENT;
    (void)launch_error_set(&error, LAUNCH_STEP_EXEC, "no\nsuch\033");
    launch_explain(&error, fake->root, fake->message, sizeof(fake->message));
    assert_string_equal(fake->message, "cannot run no?such?: No such file or directory");
}

static void small_buffer_is_kept_to(void **state)
{
    struct launch_error error = {.step = LAUNCH_STEP_NAMESPACES, .error = EPERM};
    char out[24];

    (void)state;
    memset(out, 'x', sizeof(out));
    launch_explain(&error, "/nowhere", out, 16);
    assert_int_equal(strlen(out), 15);
    assert_int_equal(out[16], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(max_user_namespaces_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(unprivileged_clone_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(apparmor_is_named_at_any_step, setup, teardown),
        cmocka_unit_test_setup_teardown(container_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_device_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(closed_device_is_named_with_its_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(command_is_named_on_one_line, setup, teardown),
        cmocka_unit_test(small_buffer_is_kept_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
