/* SPDX-License-Identifier: MIT */
/*
 * run/journal.c: see run/journal.h.
 */
#include "run/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 512 };

int journal_open(struct journal *journal, const char *path)
{
    *journal = (struct journal){.fd = -1, .path = path};
    if (path == NULL) {
        return BERTH_OK;
    }
    journal->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    return journal->fd < 0 ? BERTH_E_DENIED : BERTH_OK;
}

void journal_done(struct journal *journal)
{
    if (journal->fd >= 0) {
        close(journal->fd);
        journal->fd = -1;
    }
}

json_t *journal_time(uint64_t ahead_ns)
{
    struct timespec now;
    struct tm parts;
    char day[32];
    char text[48];
    uint64_t ns;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    ns = (uint64_t)now.tv_nsec + ahead_ns;
    now.tv_sec += (time_t)(ns / 1000000000);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text, sizeof text, "%s.%06uZ", day, (unsigned)(ns % 1000000000 / 1000));
    return json_string(text);
}

void journal_put(json_t *line, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(line, key, value) < 0) {
        return; /* no memory */
    }
}

json_t *journal_text(const char *text)
{
    char clean[TEXT_BYTES_MAX];
    json_t *value;

    if (text == NULL || *text == '\0') {
        return json_null();
    }
    value = json_string(text);
    if (value != NULL) {
        return value;
    }
    for (size_t i = 0; i < sizeof clean; i++) {
        clean[i] = (text[i] & 0x80) != 0 ? '?' : text[i];
        if (text[i] == '\0') {
            break;
        }
    }
    clean[sizeof clean - 1] = '\0';
    return json_string(clean);
}

/* A part of a line is no line: it is taken off again, where the file lets itself be cut. */
static void cut_back(int fd, size_t written)
{
    off_t end = lseek(fd, 0, SEEK_END);

    if (written > 0 && end >= (off_t)written && ftruncate(fd, end - (off_t)written) < 0) {
        return; /* a pipe or a terminal: nothing to mend */
    }
}

static int write_line(int fd, const char *text, size_t bytes)
{
    size_t written = 0;

    while (written < bytes) {
        ssize_t result = write(fd, text + written, bytes - written);

        if (result < 0 && errno != EINTR) {
            int error = errno;

            cut_back(fd, written);
            return error;
        }
        written += result > 0 ? (size_t)result : 0;
    }
    return 0;
}

int journal_write(struct journal *journal, json_t *line)
{
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    int error = ENOMEM;

    json_decref(line);
    if (journal->fd < 0) {
        free(text);
        return 0;
    }
    if (text != NULL) {
        size_t bytes = strlen(text);

        text[bytes] = '\n'; /* in the place of its zero: the length is known */
        error = write_line(journal->fd, text, bytes + 1);
        free(text);
    }
    if (error != 0) {
        journal_done(journal);
    }
    return error;
}
