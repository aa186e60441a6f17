/* SPDX-License-Identifier: MIT */
/*
 * A rule added to a file: at its end, and before the line that asked; what is not to be changed is
 * not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/rule_file.h"

static char directory[] = "/tmp/berth-test.XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/rules", directory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *text)
{
    char got[1024] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    got[fread(got, 1, sizeof got - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(got, text);
}

static void test_append(void **state)
{
    (void)state;
    write_file("");
    assert_int_equal(rule_file_append(path, "allow out 1"), 0);
    expect_file("allow out 1\n");
    assert_int_equal(rule_file_append(path, "allow out 2"), 0);
    expect_file("allow out 1\nallow out 2\n");
    write_file("deny out # no end");
    assert_int_equal(rule_file_append(path, "allow out 3"), 0);
    expect_file("deny out # no end\nallow out 3\n");
    assert_int_equal(rule_file_append("/no/such/file", "allow out 3"), ENOENT);
}

static void test_insert(void **state)
{
    struct stat before;
    struct stat after;

    (void)state;
    write_file("# one\n\tASK out\nask in\nask\tout 1");
    assert_int_equal(chmod(path, 0604), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(rule_file_insert(path, 2, "allow out 1"), 0);
    assert_int_equal(rule_file_insert(path, 5, "allow out 2"), 0);
    expect_file("# one\nallow out 1\n\tASK out\nask in\nallow out 2\nask\tout 1");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
}

/* The line has to be one that asks. */
static void test_not_inserted(void **state)
{
    static const uint32_t lines[] = {1, 2, 4, 5, 100, UINT32_MAX};

    (void)state;
    write_file("asking out\nallow out\nask out\n");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(rule_file_insert(path, lines[i], "allow out 1"), ESTALE);
    }
    assert_int_equal(rule_file_insert("/no/such/file", 1, "allow out 1"), ENOENT);
    expect_file("asking out\nallow out\nask out\n");
}

/* A link stays one: what it leads to is changed. */
static void test_link(void **state)
{
    char link[80];
    struct stat st;

    (void)state;
    snprintf(link, sizeof link, "%s/link", directory);
    write_file("ask out\n");
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(rule_file_insert(link, 1, "allow out 1"), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    expect_file("allow out 1\nask out\n");
    assert_int_equal(unlink(link), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_insert),
        cmocka_unit_test(test_not_inserted),
        cmocka_unit_test(test_link),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
