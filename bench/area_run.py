# SPDX-License-Identifier: MIT
#
# The area "run": a program behind berth, behind its peers, and with nothing between.
#
# Both ends are in namespaces of their own and meet over a non-loopback address, so that no peer can
# splice two sockets together instead of forwarding packets. All peers are up at once and take turns
# (A B C, A B C, ...), so that what the machine does meanwhile meets all alike.

import json
import os
import shlex
import statistics
import sys
import tempfile
import time

import lab as laboratory
import peers
from lab import Lab, Trouble
from report_run import BULK, SMALL, text  # text: the area's report

ABOUT = "a program behind berth run, pasta, slirp4netns, and a plain veth pair"
LOAD = "bench/bench-load"
WARMUP_S = 0.5


def cells(options):
    """What is measured, in order: (mtu, family, test, streams, cores)."""
    for mtu in options.mtu:
        for family in (4, 6) if options.ipv6 else (4,):
            for test in options.tests:
                if test in BULK:
                    for streams in options.streams:
                        yield mtu, family, test, streams, "all"
    for cores in options.cores:
        for family in (4, 6) if options.ipv6 else (4,):
            for test in options.tests:
                if test in SMALL:
                    for at_once in options.at_once:
                        yield options.mtu[0], family, test, at_once, cores


def start_client(lab, peer, test, family, options):
    """The command line's shell and text, and the counter at the receiver."""
    server = laboratory.SERVER4 if family == 4 else laboratory.SERVER6
    if test in ("published", "crr-in"):
        address, port = peer.published(family)
        mode = "source" if test == "published" else "crr"
        return lab.server, lab.command(mode, address, port, **options), peer.received[family]
    if test == "in":
        counter = peer.client_counter
        return (peer.shell, lab.command("sink", server, laboratory.SERVER_PORT, counter=counter,
                                        **options), counter)
    mode = "source" if test == "out" else test
    return (peer.shell, lab.command(mode, server, laboratory.SERVER_PORT, **options),
            lab.served[family])


def measure_bulk(lab, peer, cell, seconds):
    _, family, test, streams, _ = cell
    shell, command, counter = start_client(
        lab, peer, test, family, {"t": seconds + WARMUP_S + 0.3, "P": streams})
    pids = peer.pids()
    shell.start(command)
    time.sleep(WARMUP_S)
    begin = (time.monotonic(), counter.read(), laboratory.cpu_seconds(pids))
    time.sleep(seconds)
    end = (time.monotonic(), counter.read(), laboratory.cpu_seconds(pids))
    status, text = shell.finish(seconds + 20)
    if status != 0:
        raise Trouble(f"the load ended with {status} {text} {lab.log_tail()}".strip())
    duration, moved, cpu = (b - a for a, b in zip(begin, end))
    result = {"gbps": moved * 8 / duration / 1e9, "cpu_cores": cpu / duration}
    if peer.is_proxy and moved > 0:
        result["cpu_s_per_gb"] = cpu / (moved / 1e9)
    return result


def measure_small(lab, peer, cell, seconds):
    _, family, test, at_once, _ = cell
    shell, command, _ = start_client(lab, peer, test, family,
                                     {"t": seconds + WARMUP_S, "w": WARMUP_S, "P": at_once})
    pids = peer.pids()
    before = laboratory.cpu_seconds(pids)
    shell.start(command)
    status, text = shell.finish(seconds + 30)
    if status != 0 or not text:
        raise Trouble(f"the load ended with {status} {text} {lab.log_tail()}".strip())
    got = json.loads(text)
    if got["per_second"] == 0:
        raise Trouble(f"no exchange succeeded, {got['failed']} failed")
    result = {"per_second": got["per_second"], "p50_us": got["p50_ns"] / 1e3,
              "p99_us": got["p99_ns"] / 1e3, "failed": got["failed"]}
    if peer.is_proxy:
        result["cpu_us_each"] = (laboratory.cpu_seconds(pids) - before) * 1e6 / got["total"]
    return result


def measure(lab, peer, cell, options):
    if cell[1] == 6 and cell[2] in ("published", "crr-in") and not peer.publishes_ipv6:
        raise Trouble("publishes no IPv6 ports")
    if cell[4] == "one":
        laboratory.pin({options.first_cpu})
    lab.set_send_buffer(peer.send_buffer)
    try:
        return (measure_small if cell[2] in SMALL else measure_bulk)(lab, peer, cell, options.seconds)
    finally:
        if cell[4] == "one":
            laboratory.pin(options.cpus)


def start_peers(lab, classes, mtu, troubles):
    """Those that came up, by name."""
    alive = {}
    for number, peer_class in enumerate(classes):
        peer = peer_class(lab, 5100 + number)
        try:
            peer.up(mtu)
            alive[peer.name] = peer
        except (Trouble, OSError) as trouble:
            troubles[peer.name] = f"did not start at MTU {mtu}: {trouble} {lab.log_tail()}".strip()
            peer.down()
    time.sleep(1)  # addresses and neighbours settle
    return alive


def summarize(results):
    """Medians of each figure over the runs, and how far the runs lay apart."""
    summary = {}
    for key in sorted({key for result in results for key in result}):
        values = [result[key] for result in results if key in result]
        middle = statistics.median(values)
        summary[key] = middle
        if key in ("gbps", "per_second"):
            summary["spread"] = (max(values) - min(values)) / middle if middle else 0
    summary["runs"] = results
    return summary


def measure_cell(lab, alive, cell, options):
    results, reasons = {name: [] for name in alive}, {}
    for _ in range(options.runs):
        for name, peer in alive.items():
            if name in reasons:
                continue
            try:
                results[name].append(measure(lab, peer, cell, options))
            except (Trouble, OSError, ValueError) as trouble:
                reasons[name] = str(trouble)
    row = {"mtu": cell[0], "ip": cell[1], "test": cell[2], "streams": cell[3], "cores": cell[4],
           "peers": {}}
    for name in alive:
        if results[name]:
            row["peers"][name] = summarize(results[name])
        if name in reasons:
            row["peers"].setdefault(name, {})["trouble"] = reasons[name]
    return row


def tell(row):
    words = []
    for name, got in row["peers"].items():
        if "gbps" in got:
            words.append(f"{name} {got['gbps']:.2f}")
        elif "per_second" in got:
            words.append(f"{name} {got['per_second']:.0f}")
        if "trouble" in got:
            words.append(f"{name}: {got['trouble']}")
    unit = "Gb/s" if row["test"] in BULK else "per second"
    print(f"bench: MTU {row['mtu']} IPv{row['ip']} {row['test']} x{row['streams']}: "
          f"{', '.join(words)} {unit}", file=sys.stderr, flush=True)


def measure_mtu(lab, classes, mtu, todo, options):
    troubles, rows, memory = {}, [], {}
    lab.set_mtu(mtu)
    alive = start_peers(lab, classes, mtu, troubles)
    try:
        for name, peer in alive.items():
            memory[name] = {"rest": laboratory.memory_bytes(peer.pids())}
        for cell in todo:
            rows.append(measure_cell(lab, alive, cell, options))
            tell(rows[-1])
        for name, peer in alive.items():
            memory[name]["end"] = laboratory.memory_bytes(peer.pids())
    finally:
        for peer in alive.values():
            peer.down()
    memory = {name: sizes for name, sizes in memory.items() if alive[name].is_proxy}
    return rows, memory, troubles


def run(options):
    """Everything; the result as one document."""
    classes, missing = [], {}
    for name in options.peers:
        why = peers.ALL[name].missing()
        if why:
            missing[name] = why
        else:
            classes.append(peers.ALL[name])
    options.cpus = os.sched_getaffinity(0)
    options.first_cpu = min(options.cpus)
    todo = list(cells(options))
    estimate = len(todo) * len(classes) * options.runs * (options.seconds + WARMUP_S + 0.4)
    print(f"bench: {len(todo)} measurements of {options.runs} runs with "
          f"{', '.join(c.name for c in classes)}: about {estimate / 60:.0f} minutes",
          file=sys.stderr, flush=True)
    document = {"rows": [], "memory": {}, "missing": missing,
                "versions": {c.name: c.version() for c in classes},
                "congestion_control": options.cc, "seconds": options.seconds,
                "runs": options.runs}
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder:
        lab = Lab(shlex.quote(laboratory.built(LOAD)), folder, options.cc,
                  options.ipv6)
        for mtu in options.mtu:
            rows, memory, troubles = measure_mtu(
                lab, classes, mtu, [cell for cell in todo if cell[0] == mtu], options)
            document["rows"] += rows
            document["memory"][str(mtu)] = memory
            for name, why in troubles.items():
                missing.setdefault(name, why)
    return document


def missing():
    return laboratory.missing(LOAD)
