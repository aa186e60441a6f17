/* SPDX-License-Identifier: MIT */
/*
 * run/rule_file.c: see run/rule_file.h.
 */
#include "run/rule_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUFFIX_BYTES = 8 };

/* 0, or an errno. */
static int write_whole(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? errno : EIO;
        }
        data += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* Takes back what a failed write has left, where the file lets itself be cut. */
static int append(int fd, const char *text, size_t bytes, off_t size)
{
    ssize_t written = write(fd, text, bytes);
    int error = written < 0 ? errno : ENOSPC;

    if (written == (ssize_t)bytes) {
        return fsync(fd) < 0 && errno != EINVAL ? errno : 0;
    }
    return written > 0 && ftruncate(fd, size) < 0 ? errno : error;
}

int rule_file_append(const char *path, const char *line)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY);
    char last = '\n';
    char *text = NULL;
    struct stat st;
    int error = 0;
    int bytes = -1;

    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &st) == 0 && (st.st_size == 0 || pread(fd, &last, 1, st.st_size - 1) == 1)) {
        bytes = asprintf(&text, "%s%s\n", last == '\n' ? "" : "\n", line);
    }
    error = bytes < 0 ? EIO : append(fd, text, (size_t)bytes, st.st_size);
    free(text);
    close(fd);
    return error;
}

/* The whole of FD, allocated, with a zero behind it. NULL: errno. */
static char *read_whole(int fd, size_t size)
{
    char *text = NULL;
    size_t used = 0;
    ssize_t length = 1;

    if (size > RULE_FILE_BYTES_MAX) {
        errno = EFBIG;
        return NULL;
    }
    text = malloc(size + 1);
    while (text != NULL && used < size && length > 0) {
        length = read(fd, text + used, size - used);
        used += length > 0 ? (size_t)length : 0;
    }
    if (text != NULL && used < size) {
        free(text);
        errno = length < 0 ? errno : ESTALE; /* it is being written */
        return NULL;
    }
    if (text != NULL) {
        text[size] = '\0';
    }
    return text;
}

/* Where line NUMBER begins; NULL: it is none that asks. */
static const char *find_line(const char *text, uint32_t number)
{
    const char *line = text;
    const char *word;

    for (uint32_t i = 1; i < number && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    if (line == NULL) {
        return NULL;
    }
    word = line + strspn(line, " \t");
    return strncasecmp(word, "ask", 3) == 0 && (word[3] == ' ' || word[3] == '\t') ? line : NULL;
}

/* Writes TEXT with LINE before AT to FD. */
static int write_with(int fd, const char *text, const char *at, const char *line)
{
    int error = write_whole(fd, text, (size_t)(at - text));

    error = error != 0 ? error : write_whole(fd, line, strlen(line));
    error = error != 0 ? error : write_whole(fd, "\n", 1);
    error = error != 0 ? error : write_whole(fd, at, strlen(at));
    return error == 0 && fsync(fd) < 0 ? errno : error;
}

/* A new file beside PATH, as readable as OLD. It takes PATH's place. */
static int replace(const char *path, const struct stat *old, const char *text, const char *at,
                   const char *line)
{
    char name[PATH_MAX + SUFFIX_BYTES];
    struct stat made;
    int error = 0;
    int fd;

    snprintf(name, sizeof name, "%s.XXXXXX", path);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    if (fchmod(fd, old->st_mode & 07777) < 0 || fstat(fd, &made) < 0 ||
        ((made.st_uid != old->st_uid || made.st_gid != old->st_gid) &&
         fchown(fd, old->st_uid, old->st_gid) < 0)) {
        error = errno;
    }
    error = error != 0 ? error : write_with(fd, text, at, line);
    if (error == 0 && rename(name, path) < 0) {
        error = errno;
    }
    if (error != 0) {
        (void)unlink(name);
    }
    close(fd);
    return error;
}

int rule_file_insert(const char *path, uint32_t number, const char *line)
{
    char real[PATH_MAX];
    struct stat st;
    const char *at;
    char *text;
    int error = ESTALE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &st) < 0 || realpath(path, real) == NULL ||
        (text = read_whole(fd, (size_t)st.st_size)) == NULL) {
        error = errno;
        close(fd);
        return error;
    }
    at = find_line(text, number);
    if (at != NULL) {
        error = replace(real, &st, text, at, line);
    }
    free(text);
    close(fd);
    return error;
}
