#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth against the Linux kernel, what is no plain transfer: half-closes both ways, resets and
refusals, urgent data, keep-alive, stalled readers, Fast Open, large windows. All of them at once: most of their
time is waiting.
"""

import errno
import itertools
import socket

import kernel
import tap
from kernel import Case

ROLES = ("client", "server")
FAMILIES = (4, 6)
TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT = 4, 5, 6
TCP_FASTOPEN, TCP_FASTOPEN_CONNECT = 23, 30
MIB = 1 << 20

cases = []  # (Case, judge)


def add(judge, name, **options):
    cases.append((Case(name, **options), judge))


def good(case, outcome):
    return outcome.good(case)


# ---- Closing --------------------------------------------------------------------------------


def add_half_closes():
    for role, family, (berth, theirs) in itertools.product(
            ROLES, FAMILIES, (("send-first", "receive-first"), ("receive-first", "send-first"),
                              ("send-first", "together"), ("together", "receive-first"))):
        add(good, f"half-close: berth {berth}, the kernel {theirs}; {role}, IPv{family}",
            role=role, family=family, berth_order=berth, kernel_order=theirs,
            impair="delay 1ms loss 1%" if family == 6 else None)
    for role in ROLES:
        add(good, f"nothing is sent either way; {role}", role=role, berth_sends=0, kernel_sends=0)
        add(good, f"one byte each way; {role}", role=role, berth_sends=1, kernel_sends=1)


def judge_berth_aborts(case, outcome):
    faults = [] if outcome.error == errno.ECONNRESET else [f"the kernel's error: {outcome.error}"]
    if (outcome.received, outcome.mismatch_at) != (case.berth_sends, None):
        faults.append(f"{outcome.received} bytes, wrong at {outcome.mismatch_at}")
    return faults


def judge_kernel_aborts(case, outcome):
    got = outcome.berth.get("error")
    faults = [] if got == kernel.E_RESET else [f"berth's error: {got}"]
    return faults if outcome.berth.get("mismatch_at") is None else faults + ["wrong bytes"]


def judge_kernel_refuses(case, outcome):
    got = outcome.berth.get("error")
    return [] if got == kernel.E_REFUSED else [f"berth's error: {got}"]


def judge_berth_refuses(case, outcome):
    return [] if outcome.error == errno.ECONNREFUSED else [f"the kernel's error: {outcome.error}"]


def add_resets():
    for role, family in itertools.product(ROLES, FAMILIES):
        add(judge_berth_aborts, f"berth aborts; {role}, IPv{family}", role=role, family=family,
            berth_aborts=True, kernel_sends=0, kernel_order="receive-first")
        add(judge_kernel_aborts, f"the kernel aborts; {role}, IPv{family}", role=role,
            family=family, kernel_aborts=True, kernel_order="send-first", berth_sends=0,
            berth_order="receive-first")
    for family in FAMILIES:
        add(judge_kernel_refuses, f"the kernel refuses; IPv{family}", family=family,
            kernel_listens=False)
        add(judge_berth_refuses, f"berth refuses; IPv{family}", family=family, role="server",
            berth_listens_at=kernel.PORT + 1, peer_words=["--limit", "4"])


# ---- Urgent data ----------------------------------------------------------------------------


def judge_urgent_in(case, outcome):
    faults = outcome.good(case)
    if outcome.berth.get("urgent_seen") != case.kernel_urgent_at:
        faults.append(f"urgent mark at {outcome.berth.get('urgent_seen')}, "
                      f"expected {case.kernel_urgent_at}")
    return faults


def judge_urgent_out(case, outcome):
    """In line the reader stops before the urgent byte, which is the last one."""
    faults = outcome.good(case)
    if outcome.mark_at != case.berth_urgent_at - 1:
        faults.append(f"urgent mark at {outcome.mark_at}, expected {case.berth_urgent_at - 1}")
    return faults


def add_urgent():
    for role, family in itertools.product(ROLES, FAMILIES):
        add(judge_urgent_in, f"the kernel sends urgent data; {role}, IPv{family}", role=role,
            family=family, kernel_urgent_at=5000, kernel_sends=9000)
        add(judge_urgent_out, f"berth sends urgent data; {role}, IPv{family}", role=role,
            family=family, berth_urgent_at=5000, berth_sends=9000,
            socket_options=[(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)])


# ---- Waiting --------------------------------------------------------------------------------


def add_keepalive():
    """Four seconds of silence; who is not answered gives up before they are over."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
        (socket.IPPROTO_TCP, option, value)
        for option, value in ((TCP_KEEPIDLE, 1), (TCP_KEEPINTVL, 1), (TCP_KEEPCNT, 2))]
    settings = {"keepalive": 1, "keepalive_idle_ms": 1000, "keepalive_interval_ms": 1000,
                "keepalive_probes": 2}
    for role, family in itertools.product(ROLES, FAMILIES):
        add(good, f"berth answers keep-alive; {role}, IPv{family}", role=role, family=family,
            socket_options=options, kernel_idle_s=4, peer_words=["--idle-ms", "4000"])
        add(good, f"the kernel answers keep-alive; {role}, IPv{family}", role=role, family=family,
            settings=settings, kernel_idle_s=4, peer_words=["--idle-ms", "4000"])


def judge_stalled_kernel(case, outcome):
    """While nobody read, the queue was full and the rest waited at berth's."""
    faults = outcome.good(case)
    if not 0 < outcome.waiting < case.berth_sends:
        faults.append(f"the kernel's queue had {outcome.waiting} bytes")
    return faults


def judge_stalled_berth(case, outcome):
    faults = outcome.good(case)
    if outcome.info.get("rwnd_limited_us", 0) < 500_000:
        faults.append(f"the kernel waited {outcome.info.get('rwnd_limited_us')} us for the window")
    return faults


def add_stalls():
    for role, family in itertools.product(ROLES, FAMILIES):
        add(judge_stalled_kernel, f"the kernel's reader stalls; {role}, IPv{family}", role=role,
            family=family, kernel_stalls_s=1.5, berth_sends=MIB, kernel_sends=0,
            socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)])
        add(judge_stalled_berth, f"berth's reader stalls; {role}, IPv{family}", role=role,
            family=family, settings={"receive_bytes_max": 65536}, kernel_sends=MIB, berth_sends=0,
            peer_words=["--pause-at", "1000", "--pause-ms", "1500"])


# ---- Fast Open ------------------------------------------------------------------------------


def judge_fast_open(expected):
    """The first conversation brings the cookie; the second one's text goes with the SYN."""
    def judge(case, outcome):
        faults = outcome.good(case)
        told = [turn.info.get("syn_data") for turn in [*outcome.earlier, outcome]]
        if told != [False, expected]:
            faults.append(f"text with the SYN, as the kernel says: {told}, expected {expected} "
                          "in the second")
        if case.role == "server" and outcome.document.get("fast_opens") != int(expected):
            faults.append(f"berth counts {outcome.document.get('fast_opens')}")
        return faults
    return judge


def add_fast_open():
    """On and off on either side; berth's text is small, so that it fits the SYN."""
    if kernel.sysctl("tcp_fastopen", 3) is None:
        tap.skip("Fast Open", "no sysctl tcp_fastopen here")
        return
    for role, family, berth, theirs in itertools.product(ROLES, FAMILIES, (0, 1), (0, 1)):
        options = [(socket.IPPROTO_TCP, TCP_FASTOPEN if role == "client" else
                    TCP_FASTOPEN_CONNECT, 8 if role == "client" else 1)]
        settings = {"fast_open": berth} if role == "client" else {"fast_open_pending": 8 * berth}
        add(judge_fast_open(bool(berth and theirs)),
            f"Fast Open: berth {berth}, the kernel {theirs}; {role}, IPv{family}", role=role,
            family=family, turns=2, settings=settings, socket_options=options if theirs else [],
            berth_sends=1000, kernel_sends=1000, peer_words=["--early"])


# ---- Large windows --------------------------------------------------------------------------


def judge_large_window(case, outcome):
    faults = outcome.good(case)
    for who, window in (("berth", outcome.info.get("snd_wnd", 0)),
                        ("the kernel", outcome.berth.get("info", {}).get("snd_wnd", 0))):
        if 0 < window < MIB // 4:
            faults.append(f"{who} offers {window} bytes at the end")
    return faults


def add_large_windows():
    settings = {"receive_bytes_max": 16 * MIB, "send_bytes_max": 16 * MIB}
    for role, family in zip(ROLES, FAMILIES):
        add(judge_large_window, f"large windows; {role}, IPv{family}", role=role,
            family=family, settings=settings, impair="delay 10ms", kernel_sends=24 * MIB,
            berth_sends=24 * MIB)


kernel.need()
kernel.sysctl("tcp_rmem", f"4096 131072 {32 * MIB}")
kernel.sysctl("tcp_wmem", f"4096 16384 {32 * MIB}")
add_half_closes()
add_resets()
add_urgent()
add_keepalive()
add_stalls()
add_fast_open()
add_large_windows()
judges = dict(cases)
kernel.run_all(list(judges), lambda case, outcome: judges[case](case, outcome), at_once=12)
tap.done()
