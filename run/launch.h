/* SPDX-License-Identifier: MIT */
/*
 * run/launch.h: one program in a network of its own. Owns the program's process from fork to exit
 * status, and what berth holds of the program's namespaces: the TUN device and a socket for asking
 * which process owns a port. The relay (run/) and the run command (cli/) call it.
 *
 *   process   where it stands                        what it may do
 *   berth     the host's namespaces, all of them     open sockets on the host; own the TUN device
 *   helper    user+network+mount namespace A         ends before COMMAND starts
 *   keeper    user+mount namespace A                 put the files of run/mounts.c back in place
 *   COMMAND   network and mount namespace A,         use A; reconfigure nothing of it, not even as
 *             user namespace B below A               root: its capabilities are B's, A is not
 *
 * Invariants
 *  1. Nothing is made on the host: no device, mount, file, rule. When the last process of A and
 *     berth's descriptors are gone, everything is gone, also after SIGKILL.
 *  2. COMMAND keeps user, group, directory, umask, limits, environment, process group, session,
 *     terminal, signal mask and signal dispositions of berth's caller.
 *  3. No descriptor of berth's own reaches COMMAND. What the caller had open does, but for sockets
 *     that lie in the host's network (any family but AF_UNIX) beyond descriptors 0, 1 and 2.
 *  4. COMMAND is not executed before launch_go().
 *  5. A signal, but for a SIGHUP that is kept (launch_config.keeps_hangup), reaches COMMAND once:
 *  what the terminal sends, the kernel gives to the whole process
 *     group; only what was sent to berth by a process is passed on. (A process that sends to the
 *     whole group cannot be told from one that sends to berth: then it is twice.)
 *
 * States of struct launch
 *   state     event                             next      function
 *   -         everything is made                held      launch_start
 *   held      execve succeeded                  running   launch_go
 *   held      execve failed                     ended     launch_go (status 126 or 127)
 *   running   COMMAND stopped: berth stops too  running   launch_on_event
 *   running   COMMAND exited or was killed      ended     launch_on_event
 *   any       -                                 -         launch_free
 *
 * launch_start() forks: call it while the process has one thread, before it opens what it need not
 * share. It blocks the signals that it passes on and ignores SIGPIPE; launch_free() undoes both.
 * One launch per process at a time.
 */
#ifndef RUN_LAUNCH_H
#define RUN_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <berth/address.h>

enum {
    LAUNCH_EXIT_BERTH_FAILED = 125,
    LAUNCH_EXIT_CANNOT_EXECUTE = 126,
    LAUNCH_EXIT_NOT_FOUND = 127,
    LAUNCH_EXIT_SIGNAL = 128, /* plus the number of the signal */

    LAUNCH_MTU_MIN = 576, /* 1280 and more with IPv6 (RFC 8200 §5) */
    LAUNCH_MTU_MAX = 65520,
    LAUNCH_RESOLVERS_MAX = 3, /* as many as a libc reads */
    LAUNCH_HOSTS_MAX = 256,
    LAUNCH_MESSAGE_BYTES = 1024,
    LAUNCH_QUEUES_MAX = 16,
};

/* One address family inside. */
struct launch_network {
    bool is_on;
    uint8_t prefix_bits;          /* 1..30 for IPv4, 1..126 for IPv6 */
    struct berth_address program; /* the program's own address */
    struct berth_address gateway; /* the default route; also what `host` means in rules */
};

struct launch_host {
    const char *name;
    struct berth_address address;
};

/* Everything is borrowed until launch_start returns, argv until launch_go returns. */
struct launch_config {
    char *const
        *argv;       /* NULL at its end, at least one word; argv[0] is looked for as execvp does */
    uint32_t mtu;    /* bytes of an IP packet, LAUNCH_MTU_MIN..LAUNCH_MTU_MAX */
    uint32_t queues; /* of the device, 1..LAUNCH_QUEUES_MAX; 0: one */
    struct launch_network network;
    struct launch_network network6;        /* at least one of the two is on */
    const struct berth_address *resolvers; /* in the program's resolv.conf; none: it names none */
    size_t resolver_count;                 /* 0..LAUNCH_RESOLVERS_MAX */
    const struct launch_host *hosts;       /* before the lines of the program's /etc/hosts */
    size_t host_count;                     /* 0..LAUNCH_HOSTS_MAX */
    bool keeps_hangup; /* a SIGHUP that a process outside sends to berth is for berth */
    bool is_impaired;  /* between COMMAND and berth is to be as on a network: loss, delay */
};

/* Why it failed: the exit status for berth, and one line without "berth: " and without newline
 * that names what is missing and what to do. */
struct launch_failure {
    int exit_status;
    char message[LAUNCH_MESSAGE_BYTES];
};

enum launch_state { LAUNCH_HELD, LAUNCH_RUNNING, LAUNCH_ENDED };

struct launch;

/* Forks, makes the namespaces, the device, its addresses and routes, the mounts. Blocks for the few
 * milliseconds that takes. On failure *out is untouched, *failure is filled, nothing is left.
 * Returns 0, BERTH_E_INVALID (the configuration), BERTH_E_DENIED (this system does not let us) or
 * BERTH_E_STATE (anything else). */
BERTH_MUST_CHECK int launch_start(struct launch **out, const struct launch_config *config,
                                  struct launch_failure *failure);

/* Lets COMMAND be executed; blocks until execve has succeeded or failed (failure filled: status 126
 * or 127). Returns 0, BERTH_E_STATE (not held) or BERTH_E_DENIED (could not be executed). */
BERTH_MUST_CHECK int launch_go(struct launch *launch, struct launch_failure *failure);

/* Closes what is left of berth's descriptors and restores the caller's signal mask. COMMAND is not
 * killed: if it is still held it ends, if it runs it runs on, cut off. NULL is allowed. */
void launch_free(struct launch *launch);

/* The TUN device's QUEUE, from 0: IFF_TUN, IFF_NO_PI, IFF_VNET_HDR (10 bytes, host order),
 * non-blocking. The first call hands the descriptor over: the caller closes it, and with the last
 * of them the device is gone. Later calls return -1. */
int launch_take_tun(struct launch *launch, uint32_t queue);
/* What the device was given by TUNSETOFFLOAD: enum berth_link_offload, for link_tun_new. */
uint32_t launch_offloads(const struct launch *launch);
/* Whether the device has IPv6: asked for and known to this kernel. */
bool launch_has_ipv6(const struct launch *launch);
/* What did not work but is no reason to stop, one line each without "berth: "; NULL past the last.
 */
const char *launch_warning(const struct launch *launch, size_t index);

/* Readable when launch_on_event has something to do: a signal for berth, or news of COMMAND.
 * Borrowed; stays the same until launch_free. */
int launch_event_fd(const struct launch *launch);
/* Passes signals on, notices COMMAND stopping (stops this process too, until it is continued) and
 * ending. Never blocks otherwise. Returns the state afterwards. */
enum launch_state launch_on_event(struct launch *launch);

/* A SIGHUP that was kept since the last call, and whether its sender was found outside; else it had
 * ended, and may have been one of COMMAND's. False: none. */
bool launch_take_hangup(struct launch *launch, bool *is_from_outside);
/* While it is on, COMMAND's stopping does not stop this process: berth itself stops it. */
void launch_hold(struct launch *launch, bool is_on);
/* Has the terminal sent an interrupt, a quit or a hang-up since this was asked last? */
bool launch_take_interrupt(struct launch *launch);

/* COMMAND's exit status as berth's: its own, or 128+N. Only in LAUNCH_ENDED. */
int launch_exit_status(const struct launch *launch);

/* For run/attribute.c. The socket (NETLINK_SOCK_DIAG of the program's network) is borrowed. */
int launch_diag_fd(const struct launch *launch);
pid_t launch_pid(const struct launch *launch);
uint64_t launch_network_inode(const struct launch *launch); /* of /proc/PID/ns/net */

#endif
