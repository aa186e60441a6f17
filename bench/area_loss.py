# SPDX-License-Identifier: MIT
#
# The area "loss": goodput over a bad path, Linux to Linux and berth to Linux, with the same
# congestion control, the same impairment (berth's own) and the same seeds of it.
#
#     Linux:  namespace A ---- TUN ---- bench-path, impairment ---- TUN ---- namespace B
#     berth:  berth_peer, impairment ---- TUN ---- namespace B
#
# One flow over a path that loses packets says little: how much it gets hangs on when it lost them.
# So each run of a cell is many flows at once, each over a path of its own, as many as the machine
# can carry; both kinds side by side, or by turns where few flows fill the machine. A run's figure
# is the mean of its flows, a cell's the median of its runs.

import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

import lab as laboratory
from lab import Counter, Trouble
from report import table

ABOUT = "goodput over a path with losses, berth beside Linux"
LOAD, PATH, PEER = "bench/bench-load", "bench/bench-path", "tests/interop/berth_peer"
KINDS = ("linux", "berth")
LOSS = [0, 0.1, 1, 3]  # per cent, each way
DELAY = [1, 20, 100]  # milliseconds, each way
RATE_MBIT = 100
QUEUE_BYTES = 16 << 20  # socket buffers: more than any path here holds
PORTS = {"linux": 5301, "berth": 5302}
FLOWS_MAX = 24
MACHINE_MBIT = 320  # of one run's flows together: what two processors carry with time to spare
DIRECTIONS = {"out": "berth, or Linux in its place, sends", "in": "it receives"}


def impairment(loss, delay):
    words = [f"delay {delay}ms rate {RATE_MBIT}mbit"]
    return " ".join(words + ([f"loss {loss}%"] if loss else []))


def expected_mbit(loss, delay):
    """What one flow gets, roughly (RFC 5681's model; CUBIC's where its window is larger)."""
    if loss == 0:
        return RATE_MBIT
    p, rtt = loss / 100, delay / 500 + 0.002
    window = max(1.22 / math.sqrt(p), 1.054 * (rtt / p) ** 0.75)
    return min(RATE_MBIT, window * 1448 * 8e-6 / rtt)


class Bed:
    """Two namespaces; what is started here ends with `clear`."""

    def __init__(self, folder, congestion_control):
        self.folder, self.cc = folder, congestion_control
        self.log = open(os.path.join(folder, "log"), "ab")
        self.holders, self.processes = [], []
        self.numbers = itertools.count(1)
        self.a, self.b = self.namespace(), self.namespace()
        self.served = {}
        for kind, port in PORTS.items():
            self.served[kind] = self.counter(f"served-{kind}")
            server = self.start(self.b, laboratory.built(LOAD), "server", "0.0.0.0", port, "-C",
                                self.cc, "-c", self.served[kind].path, piped=True)
            self.wait_ready(server)
            self.processes.remove(server)
            self.holders.append(server)

    def namespace(self):
        pid = laboratory.hold_namespace(self.holders)
        settings = {"tcp_no_metrics_save": 1, "tcp_rmem": f"4096 131072 {2 * QUEUE_BYTES}",
                    "tcp_wmem": f"4096 16384 {2 * QUEUE_BYTES}"}
        words = "; ".join(f"echo {value} >/proc/sys/net/ipv4/{name}"
                          for name, value in settings.items())
        laboratory.run(*laboratory.Lab.enter(pid), "sh", "-c", f"set -e; {words}")
        return pid

    def counter(self, name):
        return Counter(os.path.join(self.folder, name))

    def start(self, where, *words, piped=False):
        enter = laboratory.Lab.enter(where) if where else ()
        process = subprocess.Popen(
            [*enter, *map(str, words)], stderr=self.log,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def wait_ready(self, process):
        if process.stdout.readline() != b"ready\n":
            raise Trouble(f"{process.args[-1]}: it did not start; see {self.log.name}")
        process.stdout.close()

    def ip(self, where, *lines):
        done = subprocess.run([*laboratory.Lab.enter(where), "ip", "-batch", "-"],
                              input="\n".join(lines), text=True, capture_output=True, timeout=30)
        if done.returncode != 0:
            raise Trouble(f"ip: {done.stderr.strip()}")

    def clear(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(5)
        self.processes = []

    def done(self):
        self.clear()
        for process in self.holders:
            process.kill()
            process.wait(5)


class Flow:
    """One flow over a path of its own: what must be there first, then the command that sends."""

    def __init__(self, bed, kind, direction, path, seed):
        self.bed, self.kind, self.direction = bed, kind, direction
        self.path, self.seed = path, seed
        self.number = next(bed.numbers)
        self.net = f"10.{64 + self.number // 256}.{self.number % 256}"
        self.counter = bed.counter(f"flow{self.number}") if direction == "in" else None
        getattr(self, f"prepare_{kind}")()

    def prepare_linux(self):
        a, b = f"a{self.number}", f"b{self.number}"
        process = self.bed.start(None, laboratory.built(PATH), a, b, self.seed, self.path,
                                 piped=True)
        self.bed.wait_ready(process)
        for device, where, address in ((a, self.bed.a, 1), (b, self.bed.b, 2)):
            laboratory.run("ip", "link", "set", device, "netns", str(where))
            self.bed.ip(where, f"addr add {self.net}.{address}/24 dev {device}",
                        f"link set {device} up")

    def prepare_berth(self):
        device = f"b{self.number}"
        work = ["--preface", "s", "--send", "forever"] if self.direction == "out" else [
            "--preface", "o", "--counter", self.counter.path]
        buffers = [word for name in ("send", "receive")
                   for word in ("--set", f"{name}_bytes_max={QUEUE_BYTES}")]
        self.process = self.bed.start(
            self.bed.b, laboratory.built(PEER), "--tun", device, "--address", f"{self.net}.1/24",
            "--connect", f"{self.net}.2:{PORTS['berth']}", "--set",
            f"cc={'newreno' if self.bed.cc == 'reno' else self.bed.cc}", *buffers, "--impair",
            self.path, "--seed", self.seed, *work, "--limit", 3600, piped=True)
        self.bed.wait_ready(self.process)
        self.bed.ip(self.bed.b, f"addr add {self.net}.2/24 dev {device}", f"link set {device} up")

    def go(self, seconds):
        if self.kind == "berth":
            self.process.stdin.close()
            return
        mode = "source" if self.direction == "out" else "sink"
        count = ["-c", self.counter.path] if self.counter else []
        self.bed.start(self.bed.a, laboratory.built(LOAD), mode, f"{self.net}.2", PORTS["linux"],
                       "-C", self.bed.cc, "-t", seconds + 30, *count)


def received(bed, kind, flows, direction):
    if direction == "out":
        return bed.served[kind].read()
    return sum(flow.counter.read() for flow in flows if flow.kind == kind)


def measure(bed, kinds, direction, path, flows, seconds, seed):
    """Mean goodput of a flow, in Mbit/s, of each kind; all at once."""
    all_flows = [Flow(bed, kind, direction, path, seed * 1000 + i)
                 for i in range(flows) for kind in kinds]
    begin = {kind: received(bed, kind, all_flows, direction) for kind in kinds}
    start = time.monotonic()
    for flow in all_flows:
        flow.go(seconds)
    time.sleep(max(0, start + seconds - time.monotonic()))
    got = {}
    for kind in kinds:
        moved = received(bed, kind, all_flows, direction) - begin[kind]
        got[kind] = moved * 8e-6 / flows / (time.monotonic() - start)
    bed.clear()
    return got


def plan(loss, delay):
    """How a cell is measured: flows of each kind at once, and whether both kinds together."""
    each = expected_mbit(loss, delay)
    flows = max(1, min(FLOWS_MAX, int(MACHINE_MBIT / 2 / each)))
    return flows, flows > 1


def length(options, loss, delay):
    return options.seconds * (2 if loss == 0 and delay < 100 else 4)


def measure_cell(bed, direction, loss, delay, options):
    flows, together = plan(loss, delay)
    seconds = length(options, loss, delay)
    turns = [KINDS] if together else [("linux",), ("berth",)]
    runs = {kind: [] for kind in KINDS}
    for run in range(options.runs):
        for kinds in turns if run % 2 == 0 else reversed(turns):
            got = measure(bed, kinds, direction, impairment(loss, delay), flows, seconds, run + 1)
            for kind, mbit in got.items():
                runs[kind].append(mbit)
    row = {"direction": direction, "loss": loss, "delay_ms": delay, "flows": flows,
           "seconds": seconds, "runs": runs}
    for kind in KINDS:
        row[kind] = statistics.median(runs[kind])
    row["ratio"] = row["berth"] / row["linux"] if row["linux"] else 0
    return row


def cells(options):
    return [(direction, loss, delay) for direction in options.directions
            for loss in options.loss for delay in options.delay]


def run(options):
    todo = cells(options)
    estimate = sum(options.runs * (length(options, loss, delay) + 1) *
                   (1 if plan(loss, delay)[1] else 2) for _, loss, delay in todo)
    print(f"bench: {len(todo)} cells of {options.runs} runs: about {estimate / 60:.0f} minutes",
          file=sys.stderr, flush=True)
    document = {"rows": [], "congestion_control": options.loss_cc, "runs": options.runs}
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder:
        bed = Bed(folder, options.loss_cc)
        try:
            for direction, loss, delay in todo:
                row = measure_cell(bed, direction, loss, delay, options)
                document["rows"].append(row)
                print(f"bench: {direction} loss {loss} % delay {delay} ms: Linux "
                      f"{row['linux']:.2f}, berth {row['berth']:.2f} Mb/s, ratio "
                      f"{row['ratio']:.3f}", file=sys.stderr, flush=True)
        finally:
            bed.done()
    ratios = [row["ratio"] for row in document["rows"]]
    document["ratio_median"] = statistics.median(ratios)
    document["ratio_min"] = min(ratios)
    return document


def spread(values):
    middle = statistics.median(values)
    return f" ±{(max(values) - min(values)) / middle * 50:.0f}%" if middle else ""


def text(document):
    parts = [f"{RATE_MBIT} Mb/s, {document['congestion_control']} on both sides; loss and delay each "
             f"way; goodput of one flow, Mb/s: the median of {document['runs']} runs, ± half the "
             "distance between the best and the worst."]
    for direction, words in DIRECTIONS.items():
        rows = [row for row in document["rows"] if row["direction"] == direction]
        if not rows:
            continue
        ratios = [row["ratio"] for row in rows]
        parts += [f"{words[0].upper()}{words[1:]}:", table(
            ["loss", "delay", "flows at once", "seconds", "Linux", "berth", "berth/Linux"],
            [[f"{row['loss']:g} %", f"{row['delay_ms']:g} ms", row["flows"], f"{row['seconds']:g}",
              f"{row['linux']:.2f}{spread(row['runs']['linux'])}",
              f"{row['berth']:.2f}{spread(row['runs']['berth'])}", f"{row['ratio']:.3f}"]
             for row in rows]),
            f"Ratio: median {statistics.median(ratios):.3f}, least {min(ratios):.3f}."]
    return "\n\n".join(parts)


def missing():
    return laboratory.missing(LOAD) or laboratory.missing(PATH) or laboratory.missing(PEER)
