#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth against the Linux kernel: both roles, both IP versions, each TCP option on and off on either
side, packets of 576 to 65535 bytes, over good and bad paths, with berth's stack set this way and
that. Every byte is compared on both sides,
every conversation must end in order, and both sides must agree on what was negotiated.

BERTH_TEST_FULL=1 does all of it five times, and each pair of choices of options on good and bad paths.
"""

import itertools

import host
import kernel
import tap
from kernel import Case

FEATURES = ("window_scale", "timestamps", "sack")
ROLES = ("client", "server")
FAMILIES = (4, 6)
MTUS = (576, 1280, 1500, 9000, 65535)
BAD = "delay 1ms jitter 1ms loss 1% reorder 2% duplicate 0.5%"
IMPAIRMENTS = (
    "delay 3ms loss 3%",
    "delay 5ms jitter 2ms reorder 10%",
    "delay 2ms duplicate 5% reorder 3%",
    "delay 1ms corrupt 0.5%",
    "delay 2ms rate 40mbit queue 64kb",
    "delay 20ms jitter 10ms loss 0.5% reorder 1% duplicate 1%",
)


def word(choice):
    """"window_scale, no timestamps, ..." """
    return ", ".join(name if on else f"no {name}" for name, on in zip(FEATURES, choice))


def judge_options(choice_kernel, choice_berth):
    """What was negotiated is what both sides wanted, and both say so."""
    def judge(case, outcome):
        faults = outcome.good(case)
        for name, on_kernel, on_berth in zip(FEATURES, choice_kernel, choice_berth):
            expected = on_kernel and on_berth
            told = outcome.berth.get("info", {}).get(name)
            if told != expected or outcome.info.get(name) != expected:
                faults.append(f"{name}: expected {expected}, berth says {told}, the kernel "
                              f"{outcome.info.get(name)}")
        return faults
    return judge


def feature_cases(index_kernel, choice_berth, index_berth):
    """The conversations of one pair of choices: all roles and families, good and bad paths by turns."""
    settings = {name: int(on) for name, on in zip(FEATURES, choice_berth)}
    for index, (role, family) in enumerate(itertools.product(ROLES, FAMILIES)):
        for impair in (None, BAD):
            if not host.FULL and bool(impair) != bool((index_kernel ^ index_berth ^ index) & 1):
                continue
            yield Case(f"berth with {word(choice_berth)}; {role}, IPv{family}"
                       f"{', bad path' if impair else ''}", role=role, family=family,
                       settings=settings, impair=impair, cc="reno")


def test_features():
    choices = list(itertools.product((1, 0), repeat=len(FEATURES)))
    for index_kernel, choice_kernel in enumerate(choices):
        for name, on in zip(FEATURES, choice_kernel):
            if kernel.sysctl(kernel.SYSCTLS[name], on) is None:
                tap.skip(f"kernel with {word(choice_kernel)}", f"no sysctl for {name} here")
                return
        pairs = [(case, judge_options(choice_kernel, choice_berth))
                 for index_berth, choice_berth in enumerate(choices)
                 for case in feature_cases(index_kernel, choice_berth, index_berth)]
        for case, _ in pairs:
            case.name = f"kernel with {word(choice_kernel)}; {case.name}"
        judges = {case: judge for case, judge in pairs}
        kernel.run_all([case for case, _ in pairs],
                       lambda case, outcome, judges=judges: judges[case](case, outcome))
    for name in FEATURES:
        kernel.sysctl(kernel.SYSCTLS[name], 1)


NONE, CLASSIC, ACCURATE = 0, 1, 2  # enum berth_tcp_ecn_mode
ASKS = (NONE, CLASSIC, NONE, ACCURATE, CLASSIC, NONE)  # by setting, which both sides number alike
AGREES = (NONE, CLASSIC, CLASSIC, ACCURATE, ACCURATE, ACCURATE)


def judge_ecn(kernel_ecn, berth_ecn, role):
    """The client asks, the server agrees as far as it can; then marks are seen and told."""
    client, server = (berth_ecn, kernel_ecn) if role == "client" else (kernel_ecn, berth_ecn)
    expected = min(ASKS[client], AGREES[server])

    def judge(case, outcome):
        faults = outcome.good(case)
        berth = outcome.berth.get("info", {})
        if berth.get("ecn") != expected or outcome.info.get("ecn") != (expected != NONE):
            faults.append(f"ECN: expected {expected}, berth says {berth.get('ecn')}, the kernel "
                          f"{outcome.info.get('ecn')}")
        if (berth.get("marks_received", 0) > 0) != (expected != NONE):
            faults.append(f"berth got {berth.get('marks_received')} marks")
        if (berth.get("marks_told", 0) > 0) != (expected == ACCURATE):
            faults.append(f"berth was told of {berth.get('marks_told')} marks")
        if (outcome.info.get("delivered_ce", 0) > 0) != (expected != NONE):
            faults.append(f"the kernel was told of {outcome.info.get('delivered_ce')} marks")
        return faults
    return judge


def test_ecn():
    """ECN (RFC 3168) and AccECN (RFC 9768). The path marks what may be marked and loses nothing."""
    found = kernel.sysctl("tcp_ecn")
    for kernel_ecn in range(6):
        if kernel.sysctl("tcp_ecn", kernel_ecn) is None:
            tap.skip(f"ECN: kernel {kernel_ecn}", "this kernel has no such setting (tcp_ecn)")
            continue
        judges = {}
        for berth_ecn, role in itertools.product(range(6), ROLES):
            family = FAMILIES[(kernel_ecn + berth_ecn) % 2]
            case = Case(f"ECN: kernel {kernel_ecn}, berth {berth_ecn}; {role}, IPv{family}",
                        role=role, family=family, settings={"ecn": berth_ecn}, cc="reno",
                        impair="delay 1ms ecn 5%", kernel_sends=400_000, berth_sends=400_000)
            judges[case] = judge_ecn(kernel_ecn, berth_ecn, role)
        kernel.run_all(list(judges), lambda case, outcome, judges=judges:
                       judges[case](case, outcome), at_once=8)
    if found is not None:
        kernel.sysctl("tcp_ecn", found)


def judge_mss(case, outcome):
    """Neither side's segments are larger than the link takes, and none is smaller for no reason."""
    faults = outcome.good(case)
    most = case.mtu - (40 if case.family == 4 else 60) - 12
    told = outcome.berth.get("info", {}).get("mss_send", 0)
    ours = outcome.info.get("snd_mss", 0)
    if told != most:
        faults.append(f"berth's segments: {told} bytes, expected {most}")
    # The kernel does not send more than half of the largest window in one segment.
    if ours > most or (case.mtu <= 9000 and ours != most):
        faults.append(f"the kernel's segments: {ours} bytes, expected {most}")
    return faults


def test_mtu():
    cases = []
    for mtu, family, role, offloads in itertools.product(MTUS, FAMILIES, ROLES, ("", "0")):
        if family == 6 and mtu < 1280:
            continue
        settings = {"offloads": 0} if offloads else {}
        cases.append(Case(
            f"MTU {mtu}, IPv{family}, {role}{', no offloads' if offloads else ''}", mtu=mtu,
            family=family, role=role, settings=settings, kernel_sends=3 << 20, berth_sends=3 << 20))
    kernel.run_all(cases, judge_mss, at_once=3)


def test_impaired():
    cases = []
    for impair in IMPAIRMENTS:
        for family, role, mtu in itertools.product(FAMILIES, ROLES, (1500, 65535)):
            cases.append(Case(f"{impair}; MTU {mtu}, IPv{family}, {role}", impair=impair, mtu=mtu,
                              family=family, role=role, cc="reno", kernel_sends=700_001,
                              berth_sends=700_003))
    kernel.run_all(cases, lambda case, outcome: outcome.good(case), at_once=8)


SETTINGS = (
    {"cc": "newreno"},
    {"cc": "bbr"},
    {"pacing": 1},
    {"no_delay": 1, "quick_ack": 1},
    {"receive_bytes_max": 4096, "receive_bytes_initial": 4096},
    {"send_bytes_max": 4096, "send_bytes_initial": 4096},
    {"delayed_ack_ms": 400},
    {"initial_window": 1},
    {"tcp_sent_records": 8},
    {"tcp_reorder_per_connection": 2},
    {"segment_bytes_max": 1000},
    {"buffers": 64, "buffers_reserved": 8},
)


def test_settings():
    """A stack set otherwise is none the less understood, over a bad path too."""
    cases = []
    for index, settings in enumerate(SETTINGS):
        for role, impair in itertools.product(ROLES, (None, BAD)):
            words = ", ".join(f"{name} {value}" for name, value in settings.items())
            cases.append(Case(f"berth with {words}; {role}{', bad path' if impair else ''}",
                              role=role, family=4 if index % 2 else 6, settings=settings,
                              impair=impair, kernel_sends=150_000, berth_sends=150_000))
    kernel.run_all(cases, lambda case, outcome: outcome.good(case), at_once=8)


kernel.need()
test_features()
test_ecn()
test_mtu()
test_impaired()
test_settings()
tap.done()
