/* SPDX-License-Identifier: MIT */
/*
 * run/launch_step.c: see run/launch_step.h. Where a system forbids user namespaces it does so by
 * one of five settings, each with its own errno and its own file under /proc/sys; the order in
 * which they are asked is from the most specific to the least.
 */
#include "run/launch_step.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <berth/error.h>

struct text {
    char *at;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list args;
    int length = 0;

    va_start(args, format);
    length = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    if (length > 0) {
        size_t used = (size_t)length < text->left ? (size_t)length : text->left - 1;

        text->at += used;
        text->left -= used;
    }
}

int launch_error_set(struct launch_error *error, enum launch_step step, const char *detail)
{
    int saved = errno;

    memset(error, 0, sizeof(*error));
    error->step = step;
    error->error = saved;
    snprintf(error->detail, sizeof(error->detail), "%s", detail);
    return BERTH_E_DENIED;
}

/* The number in a file of one number; -1 when there is no such file. */
static long setting_read(const char *root, const char *path)
{
    char full[PATH_MAX];
    char line[32] = "";
    FILE *file = NULL;
    char *got = NULL;

    snprintf(full, sizeof(full), "%s%s", root, path);
    file = fopen(full, "re");
    if (file == NULL) {
        return -1;
    }
    got = fgets(line, sizeof(line), file);
    fclose(file);
    return got == NULL ? -1 : strtol(line, NULL, 10);
}

static bool has_file(const char *root, const char *path)
{
    char full[PATH_MAX];

    snprintf(full, sizeof(full), "%s%s", root, path);
    return access(full, F_OK) == 0;
}

/* Whether this process is already under a system-call filter, as in most containers. */
static bool is_filtered(const char *root)
{
    char full[PATH_MAX];
    char line[256];
    bool found = false;
    FILE *file = NULL;

    snprintf(full, sizeof(full), "%s/proc/self/status", root);
    file = fopen(full, "re");
    if (file == NULL) {
        return false;
    }
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        found = strncmp(line, "Seccomp:\t2", strlen("Seccomp:\t2")) == 0;
    }
    fclose(file);
    return found;
}

static bool is_container(const char *root)
{
    return has_file(root, "/.dockerenv") || has_file(root, "/run/.containerenv") ||
           has_file(root, "/run/systemd/container");
}

/* Ubuntu since 23.10: only programs whose profile says so may make one. */
static void explain_apparmor(struct text *text)
{
    char self[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    say(text, ": AppArmor forbids them (kernel.apparmor_restrict_unprivileged_userns is 1); "
              "to allow them to berth: ");
    say(text,
        "echo 'abi <abi/4.0>, profile berth %s flags=(unconfined) { userns, }' | "
        "sudo tee /etc/apparmor.d/berth && sudo apparmor_parser -r /etc/apparmor.d/berth",
        length > 0 ? self : "/usr/bin/berth");
    say(text, "; or to every program: "
              "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0");
}

/* Why a user namespace, or something that needs its privileges, was refused. */
static void explain_namespaces(struct text *text, const char *root, int error)
{
    if (setting_read(root, "/proc/sys/user/max_user_namespaces") == 0) {
        say(text, ": user.max_user_namespaces is 0; "
                  "to allow them: sudo sysctl user.max_user_namespaces=15000");
    } else if (setting_read(root, "/proc/sys/user/max_net_namespaces") == 0) {
        say(text, ": user.max_net_namespaces is 0; "
                  "to allow them: sudo sysctl user.max_net_namespaces=15000");
    } else if (setting_read(root, "/proc/sys/user/max_mnt_namespaces") == 0) {
        say(text, ": user.max_mnt_namespaces is 0; "
                  "to allow them: sudo sysctl user.max_mnt_namespaces=15000");
    } else if (error == ENOSPC || error == EUSERS) {
        say(text, ": too many namespaces, or too many inside one another; "
                  "see the limits in /proc/sys/user/");
    } else if (error == EINVAL || error == ENOSYS) {
        say(text, ": this kernel was built without them (CONFIG_USER_NS, CONFIG_NET_NS)");
    } else if (setting_read(root, "/proc/sys/kernel/unprivileged_userns_clone") == 0) {
        say(text, ": kernel.unprivileged_userns_clone is 0; "
                  "to allow them: sudo sysctl kernel.unprivileged_userns_clone=1");
    } else if (setting_read(root, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1) {
        explain_apparmor(text);
    } else if (is_filtered(root) || is_container(root)) {
        say(text, ": this looks like a container whose system-call filter forbids them; start it "
                  "with --security-opt seccomp=unconfined --device /dev/net/tun "
                  "(docker, podman)");
    } else {
        say(text, ": not permitted here; berth must not be started in a chroot, and a security "
                  "module (SELinux, AppArmor) must not forbid user namespaces");
    }
}

static void explain_tun_open(struct text *text, const struct launch_error *error, const char *root)
{
    char full[PATH_MAX];
    struct stat st;

    if (error->error == ENOENT || error->error == ENODEV || error->error == ENXIO) {
        say(text, "there is no /dev/net/tun: ");
        if (is_container(root)) {
            say(text, "start the container with --device /dev/net/tun");
        } else {
            say(text, "load the driver with: sudo modprobe tun");
        }
        return;
    }
    if (error->error != EACCES && error->error != EPERM) {
        say(text, "cannot open /dev/net/tun: %s", strerror(error->error));
        return;
    }
    snprintf(full, sizeof(full), "%s/dev/net/tun", root);
    if (stat(full, &st) == 0 && (st.st_mode & 0006) != 0006) {
        say(text,
            "no permission to open /dev/net/tun (mode %04o, uid %u, gid %u): "
            "to allow it: sudo chmod 0666 /dev/net/tun",
            (unsigned)st.st_mode & 07777, (unsigned)st.st_uid, (unsigned)st.st_gid);
        return;
    }
    say(text, "no permission to open /dev/net/tun: the device cgroup or a security module of this "
              "container or service forbids it; in a container: --device /dev/net/tun");
}

static void explain_exec(struct text *text, const struct launch_error *error)
{
    char *name = text->at + strlen("cannot run ");

    say(text, "cannot run %s", error->detail);
    for (; name < text->at; name++) {
        if ((unsigned char)*name < ' ' || *name == 0x7f) {
            *name = '?'; /* one line, and nothing that a terminal obeys */
        }
    }
    say(text, ": %s", strerror(error->error));
}

static const char *step_text(enum launch_step step)
{
    switch (step) {
    case LAUNCH_STEP_PROCESS:
        return "cannot make a process";
    case LAUNCH_STEP_NAMESPACES:
        return "cannot make a user, network and mount namespace";
    case LAUNCH_STEP_IDS:
        return "cannot map the user into the new user namespace";
    case LAUNCH_STEP_TUN_OPEN:
        return "cannot open /dev/net/tun";
    case LAUNCH_STEP_TUN_MAKE:
        return "cannot make the TUN device";
    case LAUNCH_STEP_ADDRESS:
        return "cannot configure the program's network";
    case LAUNCH_STEP_SETTING:
        return "cannot set";
    case LAUNCH_STEP_DIAG:
        return "cannot ask the program's kernel for its sockets";
    case LAUNCH_STEP_MOUNT:
        return "cannot mount in the program's mount namespace";
    case LAUNCH_STEP_ETC:
        return "/etc/resolv.conf or /etc/hosts is missing here; it is there for the program, but "
               "/etc is read-only for it";
    case LAUNCH_STEP_INNER:
        return "cannot make the program's user namespace";
    case LAUNCH_STEP_FILTER:
        return "cannot set the program's system-call filter";
    case LAUNCH_STEP_EXEC:
        return "cannot run the program";
    }
    return "cannot start";
}

static bool is_refusal(int error)
{
    return error == EPERM || error == EACCES;
}

void launch_explain(const struct launch_error *error, const char *root, char *out, size_t out_bytes)
{
    struct text text = {out, out_bytes};

    if (out_bytes == 0) {
        return;
    }
    out[0] = '\0';
    if (error->step == LAUNCH_STEP_TUN_OPEN) {
        explain_tun_open(&text, error, root);
        return;
    }
    if (error->step == LAUNCH_STEP_EXEC) {
        explain_exec(&text, error);
        return;
    }
    say(&text, "%s", step_text(error->step));
    if (error->step == LAUNCH_STEP_ETC) {
        return;
    }
    if (error->step == LAUNCH_STEP_SETTING) {
        say(&text, " %s: %s", error->detail, strerror(error->error));
        return;
    }
    if (error->detail[0] != '\0') {
        say(&text, " (%s)", error->detail);
    }
    if (error->step == LAUNCH_STEP_NAMESPACES || error->step == LAUNCH_STEP_INNER ||
        (is_refusal(error->error) && error->step != LAUNCH_STEP_PROCESS)) {
        explain_namespaces(&text, root, error->error);
        return;
    }
    say(&text, ": %s", strerror(error->error));
}
