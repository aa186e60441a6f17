/* SPDX-License-Identifier: MIT */
/*
 * run/launch.c: see run/launch.h. Berth's side: it forks, writes the maps, takes over the
 * descriptors, and follows the program's process to its end.
 */
#include "run/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "run/keeper.h"
#include "run/launch_child.h"
#include "run/launch_signals.h"

enum { WARNINGS_MAX = 4, PREFIX_V4_MAX = 30, PREFIX_V6_MAX = 126, MTU_V6_MIN = 1280 };

struct launch {
    enum launch_state state;
    pid_t pid;
    int fd; /* the pair's end; -1 after launch_go */
    int tun_fds[LAUNCH_QUEUES_MAX];
    uint32_t queues;
    int diag_fd;
    int exit_status;
    bool has_ipv6;
    bool is_on_hold; /* launch_hold */
    uint32_t offloads;
    uint64_t network_inode;
    struct launch_signals signals;
    struct keeper_namespaces namespaces; /* of A, until the keeper has them */
    struct keeper keeper;
    size_t warning_count;
    char warnings[WARNINGS_MAX][LAUNCH_MESSAGE_BYTES];
};

/* --- starting --- */

static void close_if_open(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static const char *network_problem(const struct launch_network *network, bool is_v4)
{
    if (!network->is_on) {
        return NULL;
    }
    if (berth_address_is_v4(&network->program) != is_v4 ||
        berth_address_is_v4(&network->gateway) != is_v4) {
        return "an address of the program's network is of the wrong family";
    }
    if (network->prefix_bits == 0 ||
        network->prefix_bits > (is_v4 ? PREFIX_V4_MAX : PREFIX_V6_MAX)) {
        return "the program's network is too small or too large";
    }
    return NULL;
}

/* What is wrong with a configuration, or NULL. */
static const char *config_problem(const struct launch_config *config)
{
    const char *problem = network_problem(&config->network, true);

    if (problem == NULL) {
        problem = network_problem(&config->network6, false);
    }
    if (problem != NULL) {
        return problem;
    }
    if (config->argv == NULL || config->argv[0] == NULL) {
        return "there is no command to run";
    }
    if (!config->network.is_on && !config->network6.is_on) {
        return "neither IPv4 nor IPv6 is on";
    }
    if (config->mtu < LAUNCH_MTU_MIN || config->mtu > LAUNCH_MTU_MAX) {
        return "the MTU is out of range (576 to 65520)";
    }
    if (config->network6.is_on && config->mtu < MTU_V6_MIN) {
        return "IPv6 needs an MTU of at least 1280 (RFC 8200); add --ipv4-only";
    }
    if (config->resolver_count > LAUNCH_RESOLVERS_MAX) {
        return "too many resolvers";
    }
    return config->host_count > LAUNCH_HOSTS_MAX ? "too many names given by --hosts" : NULL;
}

static int fail(struct launch_failure *failure, const struct launch_error *error)
{
    failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
    launch_explain(error, "", failure->message, sizeof(failure->message));
    return error->step == LAUNCH_STEP_PROCESS ? BERTH_E_STATE : BERTH_E_DENIED;
}

static void warn(struct launch *launch, const struct launch_error *error)
{
    if (launch->warning_count < WARNINGS_MAX) {
        launch_explain(error, "", launch->warnings[launch->warning_count], LAUNCH_MESSAGE_BYTES);
        launch->warning_count++;
    }
}

static int answer_maps(struct launch *launch, const struct namespace_maps *maps,
                       struct launch_error *error)
{
    struct launch_message message = {.said = LAUNCH_SAID_MAPS};
    int result = namespace_maps_write(launch->pid, maps, error);

    keeper_namespaces_open(&launch->namespaces, launch->pid);
    if (result == 0 && launch_message_send(launch->fd, &message, NULL, 0) < 0) {
        result = launch_error_set(error, LAUNCH_STEP_PROCESS, "");
    }
    return result;
}

/* One message of the conversation. Returns 1 when the program is ready, 0 to go on, or an error. */
static int on_message(struct launch *launch, const struct launch_message *message, const int *fds,
                      const struct namespace_maps *maps, struct launch_error *error)
{
    switch (message->said) {
    case LAUNCH_SAID_MAPS:
        return answer_maps(launch, maps, error);
    case LAUNCH_SAID_WARNING:
        warn(launch, &message->error);
        return 0;
    case LAUNCH_SAID_READY:
        memcpy(launch->tun_fds, fds + LAUNCH_FD_TUN, sizeof launch->tun_fds);
        launch->diag_fd = fds[LAUNCH_FD_DIAG];
        launch->offloads = message->offloads;
        launch->has_ipv6 = message->has_ipv6;
        launch->network_inode = message->network_inode;
        if (launch->tun_fds[launch->queues - 1] >= 0 && launch->diag_fd >= 0) {
            return 1;
        }
        errno = EMFILE; /* no room for the descriptors: the kernel drops them */
        return launch_error_set(error, LAUNCH_STEP_PROCESS, "");
    case LAUNCH_SAID_FAILED:
        *error = message->error;
        return BERTH_E_DENIED;
    case LAUNCH_SAID_GO:
        break;
    }
    errno = EPROTO;
    return launch_error_set(error, LAUNCH_STEP_PROCESS, "");
}

/* The conversation up to "ready". */
static int converse(struct launch *launch, const struct namespace_maps *maps,
                    struct launch_error *error)
{
    struct launch_message message;
    int fds[LAUNCH_FD_MAX];
    int result = 0;

    while (result == 0) {
        int got = launch_message_receive(launch->fd, &message, fds);

        if (got != 1) {
            errno = got == 0 ? ECHILD : errno;
            return launch_error_set(error, LAUNCH_STEP_PROCESS, "it ended before it was set up");
        }
        result = on_message(launch, &message, fds, maps, error);
    }
    return result > 0 ? 0 : result;
}

static int fork_child(struct launch *launch, const struct launch_config *config,
                      const struct namespace_maps *maps, struct launch_error *error)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        return launch_error_set(error, LAUNCH_STEP_PROCESS, "socketpair");
    }
    launch->pid = fork();
    if (launch->pid < 0) {
        int result = launch_error_set(error, LAUNCH_STEP_PROCESS, "fork");

        close(fds[0]);
        close(fds[1]);
        return result;
    }
    if (launch->pid == 0) {
        const struct launch_child child = {.config = config,
                                           .maps = maps,
                                           .fd = fds[1],
                                           .signal_mask = launch->signals.caller_mask,
                                           .chld = launch->signals.caller_chld};

        close(fds[0]);
        launch_child_run(&child);
    }
    close(fds[1]);
    launch->fd = fds[0];
    return 0;
}

static void reap(struct launch *launch)
{
    while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    launch->state = LAUNCH_ENDED;
}

static int start(struct launch *launch, const struct launch_config *config,
                 struct launch_error *error)
{
    struct namespace_maps *maps = malloc(sizeof(*maps));
    int result = 0;

    if (maps == NULL) {
        return launch_error_set(error, LAUNCH_STEP_PROCESS, "memory");
    }
    result = namespace_maps_init(maps, error);
    if (result == 0) {
        result = fork_child(launch, config, maps, error);
    }
    if (result == 0) {
        launch_signals_guard(&launch->signals);
        result = converse(launch, maps, error);
    }
    if (result == 0) {
        keeper_start(&launch->keeper, &launch->namespaces);
    }
    keeper_namespaces_close(&launch->namespaces);
    free(maps);
    return result;
}

/* A descriptor of ours must not become somebody's standard stream because the caller had closed it;
 * to COMMAND they stay closed. */
static void fill_standard_streams(void)
{
    int fd = -1;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    close_if_open(&fd);
}

int launch_start(struct launch **out, const struct launch_config *config,
                 struct launch_failure *failure)
{
    const char *problem = config_problem(config);
    struct launch *launch = NULL;
    struct launch_error error = {0};

    if (problem != NULL) {
        failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
        snprintf(failure->message, sizeof(failure->message), "%s", problem);
        return BERTH_E_INVALID;
    }
    fill_standard_streams();
    launch = calloc(1, sizeof(*launch));
    if (launch == NULL || launch_signals_init(&launch->signals) < 0) {
        (void)launch_error_set(&error, LAUNCH_STEP_PROCESS, "signals");
        free(launch);
        return fail(failure, &error);
    }
    launch->state = LAUNCH_HELD;
    launch->signals.keeps_hangup = config->keeps_hangup;
    launch->fd = -1;
    launch->queues = config->queues == 0 ? 1 : config->queues;
    for (uint32_t i = 0; i < LAUNCH_QUEUES_MAX; i++) {
        launch->tun_fds[i] = -1;
    }
    launch->diag_fd = -1;
    launch->namespaces = (struct keeper_namespaces){-1, -1};
    if (start(launch, config, &error) < 0) {
        launch_free(launch);
        return fail(failure, &error);
    }
    *out = launch;
    return 0;
}

int launch_go(struct launch *launch, struct launch_failure *failure)
{
    struct launch_message message = {.said = LAUNCH_SAID_GO};

    if (launch->state != LAUNCH_HELD) {
        failure->exit_status = LAUNCH_EXIT_BERTH_FAILED;
        snprintf(failure->message, sizeof(failure->message), "the program was already started");
        return BERTH_E_STATE;
    }
    (void)launch_message_send(launch->fd, &message, NULL, 0);
    if (launch_message_receive(launch->fd, &message, NULL) == 1) {
        (void)fail(failure, &message.error);
        failure->exit_status =
            message.error.error == ENOENT ? LAUNCH_EXIT_NOT_FOUND : LAUNCH_EXIT_CANNOT_EXECUTE;
        launch->exit_status = failure->exit_status;
        reap(launch);
        return BERTH_E_DENIED;
    }
    close(launch->fd);
    launch->fd = -1;
    launch->state = LAUNCH_RUNNING;
    return 0;
}

void launch_free(struct launch *launch)
{
    if (launch == NULL) {
        return;
    }
    close_if_open(&launch->fd);
    for (uint32_t i = 0; i < LAUNCH_QUEUES_MAX; i++) {
        close_if_open(&launch->tun_fds[i]);
    }
    close_if_open(&launch->diag_fd);
    if (launch->state == LAUNCH_HELD && launch->pid > 0) {
        reap(launch); /* it ends: the pair is closed */
    }
    keeper_stop(&launch->keeper);
    /* What the terminal sent to both and only COMMAND has seen must not end berth now. */
    launch_signals_pass(&launch->signals, 0);
    launch_signals_done(&launch->signals);
    free(launch);
}

/* --- running --- */

static void on_ended(struct launch *launch, const siginfo_t *info)
{
    launch->state = LAUNCH_ENDED;
    launch->exit_status =
        info->si_code == CLD_EXITED ? info->si_status : LAUNCH_EXIT_SIGNAL + info->si_status;
    launch_signals_reclaim(&launch->signals, launch->pid);
}

/* News of COMMAND, if there is any. Returns whether there was. */
static bool notice(struct launch *launch)
{
    siginfo_t info = {0};

    if (launch->state != LAUNCH_RUNNING ||
        waitid(P_PID, (id_t)launch->pid, &info, WEXITED | WSTOPPED | WNOHANG) < 0 ||
        info.si_pid == 0) {
        return false;
    }
    if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED) {
        if (!launch->is_on_hold) {
            launch_signals_stop(info.si_status);
        }
    } else {
        on_ended(launch, &info);
    }
    return true;
}

enum launch_state launch_on_event(struct launch *launch)
{
    /* While COMMAND is held, signals wait for it. */
    if (launch->state != LAUNCH_HELD) {
        do {
            launch_signals_pass(&launch->signals,
                                launch->state == LAUNCH_RUNNING ? launch->pid : 0);
        } while (notice(launch));
    }
    return launch->state;
}

bool launch_take_hangup(struct launch *launch, bool *is_from_outside)
{
    enum launch_hangup hangup = launch->signals.hangup;

    launch->signals.hangup = LAUNCH_HANGUP_NONE;
    *is_from_outside = hangup == LAUNCH_HANGUP_OUTSIDE;
    return hangup != LAUNCH_HANGUP_NONE;
}

void launch_hold(struct launch *launch, bool is_on)
{
    launch->is_on_hold = is_on;
}

bool launch_take_interrupt(struct launch *launch)
{
    bool was = launch->signals.is_interrupted;

    launch->signals.is_interrupted = false;
    return was;
}

/* --- what it knows --- */

int launch_exit_status(const struct launch *launch)
{
    BERTH_CHECK(launch->state == LAUNCH_ENDED);
    return launch->exit_status;
}

int launch_take_tun(struct launch *launch, uint32_t queue)
{
    int fd = launch->tun_fds[queue];

    launch->tun_fds[queue] = -1;
    return fd;
}

uint32_t launch_offloads(const struct launch *launch)
{
    return launch->offloads;
}

bool launch_has_ipv6(const struct launch *launch)
{
    return launch->has_ipv6;
}

const char *launch_warning(const struct launch *launch, size_t index)
{
    return index < launch->warning_count ? launch->warnings[index] : NULL;
}

int launch_event_fd(const struct launch *launch)
{
    return launch->signals.fd;
}

int launch_diag_fd(const struct launch *launch)
{
    return launch->diag_fd;
}

pid_t launch_pid(const struct launch *launch)
{
    return launch->pid;
}

uint64_t launch_network_inode(const struct launch *launch)
{
    return launch->network_inode;
}
