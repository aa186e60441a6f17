/* SPDX-License-Identifier: MIT */
/*
 * run/processes.c: see run/processes.h.
 *
 * Ids are given in turn, beginning anew after the highest; so those made since the last look are
 * between the one given last then and the one given last now.
 *
 * A position in the directory /proc is a pid and a constant of the kernel's: the constant is found
 * out by looking at the positions that a whole listing tells (d_off is the next entry's). Where
 * they do not bear that out, every look is one at all.
 */
#include "run/processes.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CAPACITY_FIRST = 256 };

/* What one look has found out. */
struct look {
    struct process *items;
    size_t count;
    size_t capacity;
    long offset; /* -1: the positions make no sense */
    bool has_offset;
};

int processes_init(struct processes *processes, uint64_t network_inode)
{
    *processes = (struct processes){.network_inode = network_inode, .seek_offset = -1};
    processes->proc = opendir("/proc");
    return processes->proc == NULL ? BERTH_E_STATE : 0;
}

void processes_done(struct processes *processes)
{
    if (processes->proc != NULL) {
        closedir(processes->proc);
    }
    free(processes->items);
    free(processes->fresh);
    *processes = (struct processes){0};
}

/* Where the process stands, or would stand. */
static size_t find_place(const struct processes *processes, pid_t pid)
{
    size_t low = 0;
    size_t high = processes->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (processes->items[middle].pid < pid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct process *processes_find(struct processes *processes, pid_t pid)
{
    size_t at = find_place(processes, pid);

    return at < processes->count && processes->items[at].pid == pid ? &processes->items[at] : NULL;
}

static bool is_inside(const struct processes *processes, pid_t pid)
{
    char path[PROCESSES_PATH_BYTES];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    return stat(path, &st) == 0 && st.st_ino == processes->network_inode;
}

/* Room for one more. */
static bool grow(struct process **items, size_t *capacity, size_t count)
{
    size_t more = *capacity == 0 ? CAPACITY_FIRST : *capacity * 2;
    struct process *moved = NULL;

    if (count < *capacity) {
        return true;
    }
    if (count >= PROCESSES_MAX) {
        return false;
    }
    moved = realloc(*items, more * sizeof(*moved));
    if (moved == NULL) {
        return false;
    }
    *items = moved;
    *capacity = more;
    return true;
}

static void add_fresh(struct processes *processes, pid_t pid)
{
    size_t more = processes->fresh_capacity == 0 ? CAPACITY_FIRST : processes->fresh_capacity * 2;
    pid_t *moved = NULL;

    if (processes->fresh_count == processes->fresh_capacity) {
        moved = realloc(processes->fresh, more * sizeof(*moved));
        if (moved == NULL) {
            return; /* it is found with all others */
        }
        processes->fresh = moved;
        processes->fresh_capacity = more;
    }
    processes->fresh[processes->fresh_count++] = pid;
}

/* The id that the kernel gave last: the fifth word. 0: it does not tell. */
static pid_t last_pid(void)
{
    FILE *file = fopen("/proc/loadavg", "re");
    int last = 0;

    if (file != NULL) {
        if (fscanf(file, "%*s %*s %*s %*s %d", &last) != 1 || last < 0) {
            last = 0;
        }
        fclose(file);
    }
    return (pid_t)last;
}

static struct process describe(struct processes *processes, pid_t pid, uint64_t identity)
{
    add_fresh(processes, pid);
    return (struct process){
        .pid = pid, .identity = identity, .is_inside = is_inside(processes, pid)};
}

/* The next process in the directory; 0: there is none. */
static pid_t next_pid(DIR *proc, const struct dirent **entry)
{
    while ((*entry = readdir(proc)) != NULL) {
        long pid = strtol((*entry)->d_name, NULL, 10);

        if (pid > 0) {
            return (pid_t)pid;
        }
    }
    return 0;
}

static void note_offset(struct look *look, long position, pid_t next)
{
    long offset = position - next;

    if (position < 0) {
        return;
    }
    if (look->has_offset && look->offset != offset) {
        offset = -1;
    }
    look->offset = offset;
    look->has_offset = true;
}

static void look_at(struct processes *processes, struct look *look, pid_t pid, uint64_t identity)
{
    const struct process *known = processes_find(processes, pid);
    struct process *process = NULL;

    if (!grow(&look->items, &look->capacity, look->count)) {
        return;
    }
    process = &look->items[look->count++];
    if (known != NULL && known->identity == identity) {
        *process = *known;
        return;
    }
    *process = describe(processes, pid, identity);
}

void processes_look(struct processes *processes)
{
    struct look look = {.offset = -1};
    const struct dirent *entry = NULL;
    long position = -1; /* of the next entry, as the last one told */
    pid_t pid = 0;

    processes->fresh_count = 0;
    processes->last = last_pid(); /* before the look: what is made meanwhile is new the next time */
    rewinddir(processes->proc);
    while ((pid = next_pid(processes->proc, &entry)) > 0) {
        note_offset(&look, position, pid);
        position = entry->d_off;
        if (look.count == 0 || look.items[look.count - 1].pid < pid) {
            look_at(processes, &look, pid, entry->d_ino);
        }
    }
    free(processes->items);
    processes->items = look.items;
    processes->count = look.count;
    processes->capacity = look.capacity;
    processes->seek_offset = look.offset;
}

/* Takes in PID, which may be another one's by now. False: no room. */
static bool take_in(struct processes *processes, pid_t pid, uint64_t identity)
{
    size_t at = find_place(processes, pid);

    if (at < processes->count && processes->items[at].pid == pid) {
        if (processes->items[at].identity != identity) {
            processes->items[at] = describe(processes, pid, identity);
        }
        return true;
    }
    if (!grow(&processes->items, &processes->capacity, processes->count)) {
        return false;
    }
    memmove(&processes->items[at + 1], &processes->items[at],
            (processes->count - at) * sizeof(processes->items[0]));
    processes->count++;
    processes->items[at] = describe(processes, pid, identity);
    return true;
}

/* Those from FIRST to LAST. */
static void look_between(struct processes *processes, pid_t first, pid_t last)
{
    const struct dirent *entry = NULL;
    pid_t pid = 0;

    seekdir(processes->proc, first + processes->seek_offset);
    while ((pid = next_pid(processes->proc, &entry)) > 0 && pid <= last) {
        if (!take_in(processes, pid, entry->d_ino)) {
            return;
        }
    }
}

void processes_look_for_new(struct processes *processes)
{
    pid_t before = processes->last;
    pid_t last = last_pid();

    if (processes->seek_offset < 0 || before == 0 || last == 0 ||
        processes->count >= PROCESSES_MAX) {
        processes_look(processes);
        return;
    }
    processes->fresh_count = 0;
    processes->last = last;
    if (last >= before) {
        look_between(processes, before + 1, last);
        return;
    }
    look_between(processes, before + 1, INT_MAX); /* ids begin anew */
    look_between(processes, 1, last);
}
