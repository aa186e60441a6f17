/* SPDX-License-Identifier: MIT */
/*
 * run/launch_filter.c: see run/launch_filter.h. The filter holds for programs of every architecture
 * that the kernel runs. 32-bit x86 programs that make sockets by socketcall(2) get none: a filter
 * cannot see which family they ask for.
 */
#include "run/launch_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { FAMILIES = 64 }; /* AF_MAX is 46 in Linux 6.x */

#define INT_BITS 0xffffffffU /* the kernel takes an int from a 64-bit register */

/* Families that are local, or belong to the network namespace and obey its capabilities. */
static bool is_family_allowed(int family)
{
    switch (family) {
    case AF_UNSPEC:
    case AF_UNIX:
    case AF_INET:
    case AF_INET6:
    case AF_NETLINK:
    case AF_PACKET:
    case AF_ALG:
        return true;
    default:
        return false;
    }
}

static int add_architectures(scmp_filter_ctx filter)
{
    int result = 0;

    if (seccomp_arch_native() == SCMP_ARCH_X86_64) {
        result = seccomp_arch_add(filter, SCMP_ARCH_X86);
        if (result == 0) {
            result = seccomp_arch_add(filter, SCMP_ARCH_X32);
        }
    } else if (seccomp_arch_native() == SCMP_ARCH_AARCH64) {
        result = seccomp_arch_add(filter, SCMP_ARCH_ARM);
    }
    return result;
}

static int add_rules(scmp_filter_ctx filter)
{
    static const unsigned requests[] = {TIOCSTI, TIOCLINUX};
    static const int rings[] = {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
                                SCMP_SYS(io_uring_register)};
    int result = 0;

    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]) && result == 0; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), rings[i], 0);
    }
    /* Without words for the helper request_key finds keys that are there, and calls none. */
    if (result == 0) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(request_key), 1,
                                  SCMP_A2(SCMP_CMP_NE, 0, 0));
    }
    for (int family = 0; family < FAMILIES && result == 0; family++) {
        if (!is_family_allowed(family)) {
            result = seccomp_rule_add(
                filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)(unsigned)family));
        }
    }
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]) && result == 0; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, requests[i]));
    }
    return result;
}

/* COMMAND's own signals to berth are told by their sender's number, which is another one in a PID
 * namespace that COMMAND makes. From in there only the process group leads to berth. */
static int shut_hangup(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 2,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, 0),
                            SCMP_A1(SCMP_CMP_MASKED_EQ, INT_BITS, SIGHUP));
}

int launch_filter_load(bool keeps_hangup, struct launch_error *error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int result = 0;

    if (filter == NULL) {
        errno = ENOMEM;
        return launch_error_set(error, LAUNCH_STEP_FILTER, "");
    }
    result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    /* Before Linux 5.16 a filter turns on a slow mitigation, meant for code that a program runs for
     * others; a kernel that does not know the flag has none. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (result == 0) {
        result = add_architectures(filter);
    }
    if (result == 0) {
        result = add_rules(filter);
    }
    if (result == 0 && keeps_hangup) {
        result = shut_hangup(filter);
    }
    if (result == 0) {
        result = seccomp_load(filter);
    }
    seccomp_release(filter);
    if (result < 0) {
        errno = -result;
        return launch_error_set(error, LAUNCH_STEP_FILTER, "");
    }
    return 0;
}
