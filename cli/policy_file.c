/* SPDX-License-Identifier: MIT */
/*
 * cli/policy_file.c: see cli/policy_file.h.
 */
#include "cli/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/message.h"
#include "firewall/lexer.h"

#define PART_END "\f\n" /* firewall/lexer.h: groups go no further */

/* Lines of the text that stand together in one file. */
struct piece {
    uint32_t first; /* in the text, from 1 */
    uint32_t inside;
    const char *path; /* one of paths */
};

struct policy_file {
    unsigned users;
    char *text;
    size_t bytes;
    size_t room;
    uint32_t lines;
    struct piece *pieces;
    size_t piece_count;
    char *paths[POLICY_FILES_MAX]; /* as they are shown; the first is the file's own */
    size_t path_count;
    bool may_change;
};

/* One file while it is read. */
struct reading {
    const struct reading *outer; /* what includes it */
    const char *path;
    bool is_input; /* standard input */
    char *text;
    size_t bytes;
    dev_t device;
    ino_t inode;
};

struct reader {
    struct policy_file *file;
    struct {
        dev_t device;
        ino_t inode;
    } seen[POLICY_FILES_MAX];
    size_t seen_count;
    size_t read_bytes; /* of all files */
    int mistakes;
    const struct cli_policy_ear *ear;
};

/* An include's path, or another word that is a mistake. */
struct word {
    const char *text;
    size_t bytes;
    uint32_t line;
    uint32_t column;
};

/* ---- Mistakes -------------------------------------------------------------------------------- */

static void complain(struct reader *reader, const char *path, const struct word *word,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void complain(struct reader *reader, const char *path, const struct word *word,
                     const char *format, ...)
{
    struct berth_rules_error error = {.line = word->line, .column = word->column};
    va_list values;

    if (word->bytes == 0) {
        (void)snprintf(error.word, sizeof error.word, "end of line");
    } else {
        (void)snprintf(error.word, sizeof error.word, "%.*s",
                       (int)min_size(word->bytes, sizeof error.word), word->text);
    }
    va_start(values, format);
    (void)vsnprintf(error.expected, sizeof error.expected, format, values);
    va_end(values);
    reader->mistakes++;
    reader->ear->on_mistake(reader->ear->context, path, &error);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* "a.rules > b.rules > a.rules": from the file that is included again. */
static void name_circle(const struct reading *at, const struct reading *end, char *out,
                        size_t bytes)
{
    size_t used;

    if (at != end) {
        name_circle(at->outer, end, out, bytes);
    }
    used = strlen(out);
    (void)snprintf(out + used, bytes - used, "%s > ", base_name(at->path));
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* 0, or the errno. */
static int read_all(int fd, struct reading *reading, size_t bytes_max)
{
    size_t room = 0;
    ssize_t got;

    do {
        if (reading->bytes + 2 > room) {
            room = room == 0 ? 16384 : room * 2;
            reading->text = cli_memory(reading->text, room);
        }
        got = read(fd, reading->text + reading->bytes, room - 1 - reading->bytes);
        reading->bytes += got > 0 ? (size_t)got : 0;
        if (reading->bytes > bytes_max) {
            return EFBIG;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (reading->bytes > 0 && reading->text[reading->bytes - 1] != '\n') {
        reading->text[reading->bytes++] = '\n';
    }
    return got < 0 ? errno : 0;
}

/* Opens and reads what READING names; 0, or the errno. *MODE: what it is. */
static int read_path(struct reading *reading, bool must_be_regular, size_t bytes_max, mode_t *mode)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (must_be_regular ? O_NONBLOCK : 0);
    int fd = reading->is_input ? STDIN_FILENO : open(reading->path, flags);
    struct stat st;
    int error = 0;

    if (fd < 0 || fstat(fd, &st) < 0) {
        error = errno;
        error = error != 0 ? error : EIO; /* never success, as the analyzer has to be told */
    } else if (S_ISDIR(st.st_mode)) {
        error = EISDIR;
    } else if (must_be_regular && !S_ISREG(st.st_mode)) {
        error = ENOTSUP;
    } else {
        reading->device = st.st_dev;
        reading->inode = st.st_ino;
        *mode = st.st_mode;
        error = read_all(fd, reading, bytes_max);
    }
    if (fd >= 0 && !reading->is_input) {
        (void)close(fd);
    }
    return error;
}

static const char *error_text(int error)
{
    switch (error) {
    case EFBIG:
        return "more than 64 MiB together";
    case ENOTSUP:
        return "not a regular file";
    default:
        return strerror(error);
    }
}

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
}

/* Is READING's text one? The first byte that belongs to none is said. */
static bool is_text(struct reader *reader, const struct reading *reading)
{
    uint32_t line = 1;
    size_t begin = 0;

    for (size_t i = 0; i < reading->bytes; i++) {
        unsigned char byte = (unsigned char)reading->text[i];

        if (is_control(byte)) {
            char shown[16];
            int bytes = snprintf(shown, sizeof shown, "\\x%02x", (unsigned)byte);
            struct word word = {shown, (size_t)bytes, line, (uint32_t)(i - begin) + 1};

            complain(reader, reading->path, &word, "text: a policy has no such character");
            return false;
        }
        if (byte == '\n') {
            line++;
            begin = i + 1;
        }
    }
    return true;
}

/* ---- The text -------------------------------------------------------------------------------- */

static uint32_t count_lines(const char *text, size_t bytes)
{
    uint32_t lines = 0;

    for (size_t i = 0; i < bytes; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

/* Adds BYTES of READING, which are whole lines and begin with its line INSIDE. */
static void add_lines(struct reader *reader, const struct reading *reading, size_t from,
                      size_t bytes, uint32_t inside)
{
    struct policy_file *file = reader->file;

    if (bytes == 0) {
        return;
    }
    if (file->bytes + bytes > file->room) {
        file->room = 2 * (file->bytes + bytes);
        file->text = cli_memory(file->text, file->room);
    }
    memcpy(file->text + file->bytes, reading->text + from, bytes);
    file->bytes += bytes;
    file->pieces = cli_memory(file->pieces, (file->piece_count + 1) * sizeof *file->pieces);
    file->pieces[file->piece_count++] =
        (struct piece){.first = file->lines + 1, .inside = inside, .path = reading->path};
    file->lines += count_lines(reading->text + from, bytes);
}

static void add_file(struct reader *reader, struct reading *reading);

static const char *add_path(struct policy_file *file, char *path)
{
    file->paths[file->path_count++] = path;
    return path;
}

/* PATH from the folder of the file OUTER. The caller's to free. */
static char *make_path(const char *outer, const struct word *word)
{
    const char *slash = strrchr(outer, '/');
    int folder = word->text[0] == '/' || slash == NULL ? 0 : (int)(slash - outer) + 1;
    size_t room = (size_t)folder + word->bytes + 1;
    char *path = cli_memory(NULL, room);

    (void)snprintf(path, room, "%.*s%.*s", folder, outer, (int)word->bytes, word->text);
    return path;
}

/* Is it a file that is read already, or is being read? The latter is said. */
static bool is_seen(struct reader *reader, const struct reading *reading, const struct word *word)
{
    char circle[100] = "";

    for (const struct reading *at = reading->outer; at != NULL; at = at->outer) {
        if (at->device == reading->device && at->inode == reading->inode) {
            name_circle(reading->outer, at, circle, sizeof circle);
            complain(reader, reading->outer->path, word, "a file outside of this circle: %s%s",
                     circle, base_name(at->path));
            return true;
        }
    }
    for (size_t i = 0; i < reader->seen_count; i++) {
        if (reader->seen[i].device == reading->device && reader->seen[i].inode == reading->inode) {
            return true;
        }
    }
    return false;
}

static uint32_t depth_of(const struct reading *reading)
{
    uint32_t depth = 1;

    for (; reading->outer != NULL; reading = reading->outer) {
        depth++;
    }
    return depth;
}

static void include(struct reader *reader, const struct reading *outer, const struct word *word)
{
    struct policy_file *file = reader->file;
    struct reading reading = {.outer = outer};
    mode_t mode;
    int error;

    if (word->bytes == 0) {
        complain(reader, outer->path, word, "the path of a file");
        return;
    }
    if (depth_of(outer) == POLICY_DEPTH_MAX) {
        complain(reader, outer->path, word, "at most %d files in each other", POLICY_DEPTH_MAX);
        return;
    }
    if (file->path_count == POLICY_FILES_MAX) {
        complain(reader, outer->path, word, "at most %d files", POLICY_FILES_MAX);
        return;
    }
    reading.path = add_path(file, make_path(outer->path, word));
    error = read_path(&reading, true, POLICY_BYTES_MAX - reader->read_bytes, &mode);
    if (error != 0) {
        complain(reader, outer->path, word, "a file that can be read (%s)", error_text(error));
    } else if (!is_seen(reader, &reading, word)) {
        add_file(reader, &reading);
    }
    free(reading.text);
}

/* What follows the word "include", which LEXER has just given out, on its line. */
static struct word read_include(const struct firewall_lexer *lexer)
{
    const char *text = lexer->text;
    size_t begin = lexer->at;
    size_t end;

    while (text[begin] == ' ' || text[begin] == '\t') {
        begin++;
    }
    end = begin;
    while (text[end] != '\n' &&
           !(text[end] == '#' && (end == begin || strchr(" \t", text[end - 1]) != NULL))) {
        end++;
    }
    while (end > begin && strchr(" \t\r", text[end - 1]) != NULL) {
        end--;
    }
    return (struct word){.text = text + begin,
                         .bytes = end - begin,
                         .line = lexer->line,
                         .column = (uint32_t)(begin - lexer->line_begin) + 1};
}

/* A group's brace that is open where the file READING ends: what includes it does not close it.
 * LINE: where the group begins. */
static void say_open(struct reader *reader, const struct reading *reading,
                     const struct firewall_lexer *lexer, uint32_t line)
{
    struct word end = {.line = lexer->line,
                       .column = (uint32_t)(lexer->at - lexer->line_begin) + 1};

    complain(reader, reading->path, &end, "} at the end of the group that begins in line %u",
             (unsigned)line);
}

/* Adds READING's lines, those of the files that it includes behind the line that says so. */
static void add_file(struct reader *reader, struct reading *reading)
{
    struct firewall_lexer lexer;
    size_t added = 0;
    uint32_t line = 1;

    reader->seen[reader->seen_count].device = reading->device;
    reader->seen[reader->seen_count++].inode = reading->inode;
    reader->read_bytes += reading->bytes;
    if (!is_text(reader, reading)) {
        return;
    }
    firewall_lexer_init(&lexer, reading->text, reading->bytes);
    while (reader->mistakes < CLI_POLICY_MISTAKES_MAX && firewall_lexer_next_rule(&lexer)) {
        struct firewall_token token = firewall_lexer_next(&lexer);
        size_t begin = lexer.line_begin;
        struct word word;

        if (!firewall_token_is(&token, "include")) {
            firewall_lexer_skip(&lexer);
            if (lexer.is_braced && reading->outer != NULL) {
                say_open(reader, reading, &lexer, token.line);
            }
            continue;
        }
        word = read_include(&lexer);
        while (lexer.text[lexer.at] != '\n') {
            lexer.at++;
        }
        add_lines(reader, reading, added, begin - added, line);
        /* The line itself is an empty one, so that the lines behind it are found. */
        add_lines(reader, reading, lexer.at, 1, lexer.line);
        include(reader, reading, &word);
        added = lexer.at + 1;
        line = lexer.line + 1;
    }
    add_lines(reader, reading, added, reading->bytes - added, line);
}

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(cli_memory(NULL, bytes), text, bytes);
}

/* ---- One file, and those in it --------------------------------------------------------------- */

int policy_file_read(struct policy_file **out, const char *path, bool is_again,
                     const struct cli_policy_ear *ear, const char **why)
{
    struct policy_file *file = cli_memory(NULL, sizeof *file);
    struct reader *reader = cli_memory(NULL, sizeof *reader);
    struct reading reading = {.is_input = strcmp(path, "-") == 0};
    struct reading end = {.text = (char[]){PART_END}};
    mode_t mode = 0;
    int error;
    int mistakes = -1;

    *file = (struct policy_file){.users = 1};
    *reader = (struct reader){.file = file, .ear = ear};
    reading.path = add_path(file, copy_text(reading.is_input ? CLI_POLICY_INPUT : path));
    end.path = reading.path;
    error = read_path(&reading, is_again, POLICY_BYTES_MAX, &mode);
    if (error != 0) {
        *why = error_text(error);
    } else {
        file->may_change = !reading.is_input && S_ISREG(mode);
        add_file(reader, &reading);
        /* What ends too early does so behind the last line of the file itself. */
        add_lines(reader, &end, 0, sizeof PART_END - 1, count_lines(reading.text, reading.bytes));
        mistakes = reader->mistakes;
    }
    free(reading.text);
    free(reader);
    if (mistakes != 0) {
        policy_file_free(file);
    } else {
        *out = file;
    }
    return mistakes;
}

struct policy_file *policy_file_share(struct policy_file *file)
{
    file->users++;
    return file;
}

void policy_file_free(struct policy_file *file)
{
    if (file == NULL || --file->users > 0) {
        return;
    }
    for (size_t i = 0; i < file->path_count; i++) {
        free(file->paths[i]);
    }
    free(file->pieces);
    free(file->text);
    free(file);
}

const char *policy_file_text(const struct policy_file *file, size_t *bytes)
{
    *bytes = file->bytes;
    return file->text;
}

const char *policy_file_find(const struct policy_file *file, uint32_t line, uint32_t *inside)
{
    size_t low = 0;
    size_t high = file->piece_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (file->pieces[middle].first <= line) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *inside = file->pieces[low].inside + line - file->pieces[low].first;
    return file->pieces[low].path;
}

const char *policy_file_path(const struct policy_file *file)
{
    return file->paths[0];
}

bool policy_file_may_change(const struct policy_file *file)
{
    return file->may_change;
}
