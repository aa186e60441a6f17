/* SPDX-License-Identifier: MIT */
/*
 * cli/files.c: see cli/files.h.
 */
#include "cli/files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_same(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* The folder that PATH stands in. False: there is none. */
static bool find_folder(const char *path, struct stat *out)
{
    size_t bytes = (size_t)(last_part(path) - path);
    char folder[PATH_MAX];

    if (bytes >= sizeof folder) {
        return false;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", (int)bytes, path);
    return stat(bytes == 0 ? "." : folder, out) == 0;
}

bool cli_files_are_one(const char *one, const char *other)
{
    struct stat a;
    struct stat b;
    bool is_there;

    if (one == NULL || other == NULL) {
        return false;
    }
    is_there = stat(one, &a) == 0;
    if (is_there != (stat(other, &b) == 0)) {
        return false;
    }
    if (is_there) {
        return S_ISREG(a.st_mode) && is_same(&a, &b);
    }
    return strcmp(last_part(one), last_part(other)) == 0 && find_folder(one, &a) &&
           find_folder(other, &b) && is_same(&a, &b);
}
