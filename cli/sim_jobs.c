/* SPDX-License-Identifier: MIT */
/*
 * cli/sim_jobs.c: a process and a pipe for each job. Called by cli/sim.c.
 */
#include "cli/sim_jobs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

struct message { /* and then the flows */
    int error;
    struct sim_result result;
};

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;

    while (bytes > 0) {
        ssize_t done = write(fd, at, bytes);

        if (done < 0 && errno != EINTR) {
            return false;
        }
        if (done > 0) {
            at += done;
            bytes -= (size_t)done;
        }
    }
    return true;
}

static bool read_all(int fd, void *data, size_t bytes)
{
    char *at = data;

    while (bytes > 0) {
        ssize_t done = read(fd, at, bytes);

        if (done == 0 || (done < 0 && errno != EINTR)) {
            return false;
        }
        if (done > 0) {
            at += done;
            bytes -= (size_t)done;
        }
    }
    return true;
}

static struct sim_config config_at(const struct sim_jobs *jobs, uint64_t place)
{
    struct sim_config config = *jobs->config;

    config.seed = jobs->seed + place;
    return config;
}

/* The life of job J. */
static void work(const struct sim_jobs *jobs, unsigned j, int fd)
{
    bool goes_on = true;

    for (uint64_t place = j; place < jobs->runs && goes_on; place += jobs->count) {
        struct sim_config config = config_at(jobs, place);
        struct message message = {0};

        jobs->name_run(&config);
        message.error = sim_run(&config, &message.result);
        goes_on = write_all(fd, &message, sizeof message) &&
                  write_all(fd, message.result.flows,
                            message.result.flow_count * sizeof *message.result.flows);
        sim_result_done(&message.result);
    }
}

static int start_one(struct sim_jobs *jobs, unsigned j)
{
    int ends[2];
    pid_t pid;

    if (pipe(ends) < 0) {
        return -errno;
    }
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        work(jobs, j, ends[1]);
        _exit(0);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return -errno;
    }
    jobs->pipes[j] = ends[0];
    jobs->pids[j] = (int)pid;
    return 0;
}

int sim_jobs_start(struct sim_jobs *jobs, unsigned count)
{
    unsigned started = 0;

    count = (unsigned)min_u64(min_u32(count, SIM_JOBS_MAX), jobs->runs);
    jobs->next = 0;
    jobs->count = count;
    while (count > 1 && started < count) {
        int result = start_one(jobs, started);

        if (result < 0) {
            jobs->count = started;
            sim_jobs_end(jobs);
            return result;
        }
        started++;
    }
    return 0;
}

/* From the pipe of the job whose turn it is. */
static int receive(int fd, struct sim_result *out)
{
    struct message message;
    size_t bytes;

    if (!read_all(fd, &message, sizeof message)) {
        return -ECHILD;
    }
    *out = message.result;
    bytes = out->flow_count * sizeof *out->flows;
    out->flows = bytes > 0 ? malloc(bytes) : NULL;
    if (bytes > 0 && (out->flows == NULL || !read_all(fd, out->flows, bytes))) {
        sim_result_done(out);
        return -ECHILD;
    }
    return message.error;
}

int sim_jobs_next(struct sim_jobs *jobs, struct sim_config *config, struct sim_result *out)
{
    uint64_t place = jobs->next++;

    *out = (struct sim_result){0};
    *config = config_at(jobs, place);
    if (jobs->count <= 1) {
        jobs->name_run(config);
        return sim_run(config, out);
    }
    return receive(jobs->pipes[place % jobs->count], out);
}

void sim_jobs_end(struct sim_jobs *jobs)
{
    for (unsigned j = 0; jobs->count > 1 && j < jobs->count; j++) {
        (void)close(jobs->pipes[j]);
        (void)kill(jobs->pids[j], SIGTERM);
        (void)waitpid(jobs->pids[j], NULL, 0);
    }
    jobs->count = 0;
}
