/* SPDX-License-Identifier: MIT */
/*
 * run/mounts.c: see run/mounts.h. The files are written to a tmpfs that is mounted over a directory
 * only while they are bound to their places: afterwards they are reachable there alone.
 */
#include "run/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <berth/address.h>

enum {
    RESOLV_BYTES = 16384,
    HOSTS_BYTES = LAUNCH_HOSTS_MAX * 320,
    COPY_BYTES = 65536,
    BIND_TRIES = 16
};

/* Directories in which a name service of the host listens. */
static const char *const hidden_directories[] = {
    "/run/systemd/resolve",
    "/run/nscd",
    "/var/run/nscd",
    "/run/avahi-daemon",
};

/* Any directory that every system has: it is covered for a moment, in this namespace only. */
static const char *const scratch_directories[] = {"/tmp", "/run", "/var", "/dev"};

/* One file that the program sees otherwise than the host. */
struct view {
    const char *path;
    const char *name; /* of the file on the scratch tmpfs, and in /etc */
    int target;       /* O_PATH of what is there; -1 when nothing is */
    char *text;
    size_t length;
    bool is_host_appended; /* the host's own file comes after the text */
};

/* --- text --- */

/* Whether the line at `line` begins with the word. */
static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);

    return strncmp(line, word, length) == 0 && (line[length] == ' ' || line[length] == '\t');
}

size_t mounts_format_resolv(const struct launch_config *config, const char *host_text, char *out,
                            size_t out_bytes)
{
    const char *line = host_text;
    char text[BERTH_ADDRESS_TEXT_BYTES];
    size_t used = 0;

#define SAY(...)                                                    \
    (used += (size_t)snprintf(used < out_bytes ? out + used : NULL, \
                              used < out_bytes ? out_bytes - used : 0, __VA_ARGS__))
    SAY("# made by berth for this program\n");
    for (size_t i = 0; i < config->resolver_count; i++) {
        SAY("nameserver %s\n", berth_address_format(&config->resolvers[i], text));
    }
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");

        if (has_word(line, "search") || has_word(line, "domain") || has_word(line, "options")) {
            SAY("%.*s\n", (int)length, line);
        }
        line += length + (line[length] == '\n');
    }
    return used;
}

size_t mounts_format_hosts(const struct launch_config *config, char *out, size_t out_bytes)
{
    char text[BERTH_ADDRESS_TEXT_BYTES];
    size_t used = 0;

    for (size_t i = 0; i < config->host_count; i++) {
        SAY("%s\t%s\n", berth_address_format(&config->hosts[i].address, text),
            config->hosts[i].name);
    }
    return used;
#undef SAY
}

/* --- files --- */

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);

        if (written < 0) {
            return -1;
        }
        text += written;
        length -= (size_t)written;
    }
    return 0;
}

static int append_file(int fd, const char *path)
{
    char buffer[COPY_BYTES];
    int from = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0;

    if (from < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    while ((length = read(from, buffer, sizeof(buffer))) > 0) {
        if (write_all(fd, buffer, (size_t)length) < 0) {
            length = -1;
            break;
        }
    }
    close(from);
    return length < 0 ? -1 : 0;
}

/* Makes DIRECTORY/name; directory is the descriptor of one. */
static int file_make(int directory, const char *name, const struct view *view)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int result = 0;

    if (fd < 0) {
        return -1;
    }
    /* The caller's umask must not matter, and must not be changed. */
    result = fchmod(fd, 0644);
    if (result == 0) {
        result = write_all(fd, view->text, view->length);
    }
    if (result == 0 && view->is_host_appended) {
        result = append_file(fd, view->path);
    }
    close(fd);
    return result;
}

static void text_read(const char *path, char *out, size_t out_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0;

    if (fd >= 0) {
        length = read(fd, out, out_bytes - 1);
        close(fd);
    }
    out[length > 0 ? length : 0] = '\0';
}

/* --- mounts --- */

static int cover(const char *directory)
{
    return mount("berth", directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755");
}

/* Covers the directories of the host's name services. The file that /etc/resolv.conf may be a link
 * to stays in its place. */
static int hide_services(const struct view *resolv, struct launch_error *error)
{
    static const char *const kept[] = {"resolv.conf", "stub-resolv.conf"};
    size_t count = sizeof(hidden_directories) / sizeof(hidden_directories[0]);

    for (size_t i = 0; i < count; i++) {
        struct stat st;
        int fd = -1;
        int result = 0;

        if (stat(hidden_directories[i], &st) < 0 || !S_ISDIR(st.st_mode)) {
            continue;
        }
        if (cover(hidden_directories[i]) < 0) {
            return launch_error_set(error, LAUNCH_STEP_MOUNT, hidden_directories[i]);
        }
        if (i > 0) {
            continue;
        }
        fd = open(hidden_directories[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = fd < 0 ? -1 : file_make(fd, kept[0], resolv) + file_make(fd, kept[1], resolv);
        if (fd >= 0) {
            close(fd);
        }
        if (result < 0) {
            return launch_error_set(error, LAUNCH_STEP_MOUNT, hidden_directories[i]);
        }
    }
    return 0;
}

/* Shows one view: bound over the file that is there. When the host replaces that file just now, it
 * is no place for a mount any more (ENOENT), but its successor is. */
static int view_bind(const struct view *view, int scratch, struct launch_error *error)
{
    char source[64];
    char target[64];
    int result = file_make(scratch, view->name, view);

    snprintf(source, sizeof(source), "/proc/self/fd/%d/%s", scratch, view->name);
    snprintf(target, sizeof(target), "/proc/self/fd/%d", view->target);
    if (result == 0) {
        result = mount(source, target, NULL, MS_BIND, NULL);
    }
    for (int i = 0; i < BIND_TRIES && result < 0 && errno == ENOENT; i++) {
        result = mount(source, view->path, NULL, MS_BIND, NULL);
    }
    return result < 0 ? launch_error_set(error, LAUNCH_STEP_MOUNT, view->path) : 0;
}

/* Shows the views where a file is not there: /etc gets a layer above it that has them, all of them,
 * for the layer covers what was bound in /etc. */
static int views_overlay(const struct view *views, size_t count, int scratch,
                         struct launch_error *error)
{
    char options[128];
    int fd = -1;
    int result = 0;

    if (mkdirat(scratch, "etc", 0755) < 0 || fchmodat(scratch, "etc", 0755, 0) < 0) {
        return launch_error_set(error, LAUNCH_STEP_MOUNT, "/etc");
    }
    fd = openat(scratch, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < count && fd >= 0 && result == 0; i++) {
        result = file_make(fd, views[i].name, &views[i]);
    }
    snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d:/etc", fd);
    if (fd < 0 || result < 0 || mount("berth", "/etc", "overlay", MS_RDONLY, options) < 0) {
        result = launch_error_set(error, LAUNCH_STEP_MOUNT, "/etc");
    }
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

static int views_show(const struct view *views, size_t count, int scratch,
                      struct launch_error *error)
{
    bool is_missing = false;
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++) {
        if (views[i].target < 0) {
            is_missing = true;
        } else {
            result = view_bind(&views[i], scratch, error);
        }
    }
    if (result == 0 && is_missing) {
        result = views_overlay(views, count, scratch, error);
    }
    return result;
}

static const char *scratch_cover(void)
{
    for (size_t i = 0; i < sizeof(scratch_directories) / sizeof(scratch_directories[0]); i++) {
        if (cover(scratch_directories[i]) == 0) {
            return scratch_directories[i];
        }
    }
    return NULL;
}

static int views_show_on_scratch(const struct view *views, size_t count, struct launch_error *error)
{
    const char *path = scratch_cover();
    int fd = -1;
    int result = 0;

    if (path == NULL) {
        return launch_error_set(error, LAUNCH_STEP_MOUNT, "tmpfs");
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        result = launch_error_set(error, LAUNCH_STEP_MOUNT, path);
    } else {
        result = views_show(views, count, fd, error);
        close(fd);
    }
    if (umount2(path, MNT_DETACH) < 0 && result == 0) {
        result = launch_error_set(error, LAUNCH_STEP_MOUNT, path);
    }
    return result;
}

/* Fills in the texts of the two views. */
static int views_write(const struct launch_config *config, struct view views[2],
                       struct launch_error *error)
{
    char host_text[RESOLV_BYTES];

    text_read("/etc/resolv.conf", host_text, sizeof(host_text));
    views[0].length = mounts_format_resolv(config, host_text, views[0].text, RESOLV_BYTES);
    views[1].length = mounts_format_hosts(config, views[1].text, HOSTS_BYTES);
    if (views[0].length >= RESOLV_BYTES || views[1].length >= HOSTS_BYTES) {
        errno = ENAMETOOLONG;
        return launch_error_set(error, LAUNCH_STEP_MOUNT, "/etc/resolv.conf, /etc/hosts");
    }
    return 0;
}

static int views_mount(struct view *views, size_t count, bool *is_etc_sealed,
                       struct launch_error *error)
{
    int result = 0;

    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        return launch_error_set(error, LAUNCH_STEP_MOUNT, "/");
    }
    result = hide_services(&views[0], error);
    *is_etc_sealed = false;
    for (size_t i = 0; i < count; i++) {
        views[i].target = open(views[i].path, O_PATH | O_CLOEXEC);
        *is_etc_sealed = *is_etc_sealed || views[i].target < 0;
    }
    if (result == 0) {
        result = views_show_on_scratch(views, count, error);
    }
    for (size_t i = 0; i < count; i++) {
        if (views[i].target >= 0) {
            close(views[i].target);
        }
    }
    return result;
}

int mounts_make(const struct launch_config *config, bool *is_etc_sealed, struct launch_error *error)
{
    struct view views[2] = {
        {.path = "/etc/resolv.conf", .name = "resolv.conf", .text = malloc(RESOLV_BYTES)},
        {.path = "/etc/hosts", .name = "hosts", .text = malloc(HOSTS_BYTES)},
    };
    int result = 0;

    views[1].is_host_appended = true;
    if (views[0].text == NULL || views[1].text == NULL) {
        result = launch_error_set(error, LAUNCH_STEP_PROCESS, "memory");
    } else {
        result = views_write(config, views, error);
    }
    if (result == 0) {
        result = views_mount(views, config->host_count > 0 ? 2 : 1, is_etc_sealed, error);
    }
    free(views[0].text);
    free(views[1].text);
    return result;
}
