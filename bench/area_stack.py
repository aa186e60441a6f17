# SPDX-License-Identifier: MIT
#
# The area "stack": a TCP stack as a server behind a TUN device, the kernel at the device's other
# end, both on this machine. Bulk both ways, and one byte back and forth.
#
#     bench-load (kernel TCP) 10.79.N.1 ---- TUN stackN ---- 10.79.N.2 stack
#
# All stacks are up at once, each with a device of its own, and take turns. Throughput is read at
# the receiver; the processor time is that of the stack's process, kernel's included: what the kernel
# does with a packet that a stack writes is done in its write().

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import lab as laboratory
import peers
from lab import Counter, Shell, Trouble
from report import table

ABOUT = "a TCP stack as a server behind a TUN device, the kernel at its other end"
LOAD = "bench/bench-load"
PORT = 5301
WARMUP_S = 0.5
TESTS = {"receive": "stack receives", "send": "stack sends", "rr": "one byte back and forth"}
MODES = {"receive": "source", "send": "sink", "rr": "rr"}  # the client's


class Stack:
    """One stack with its device, made for one MTU."""

    name = program = ""
    made = None  # how it is built where ./dev build does not

    @classmethod
    def missing(cls):
        return laboratory.missing(cls.program)

    def __init__(self, number, mtu, folder, log):
        self.device, self.host = f"stack{number}", f"10.79.{number}.1"
        self.address, self.mtu = f"10.79.{number}.2", mtu
        self.received = Counter(os.path.join(folder, f"{self.name}{mtu}"))
        self.process = subprocess.Popen(
            [laboratory.built(self.program), self.device, self.address, str(PORT), str(mtu),
             self.received.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        if self.process.stdout.readline() != b"ready\n":
            self.down()
            raise Trouble("it did not start")
        laboratory.run("ip", "addr", "add", f"{self.host}/24", "dev", self.device)
        laboratory.run("ip", "link", "set", self.device, "mtu", str(mtu), "up")
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def down(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(3)


class Berth(Stack):
    name, program = "berth", "bench/bench-tun-berth"
    note = "super-segments and checksums left to the device"

    @staticmethod
    def version():
        return peers.Berth.version()


class Lwip(Stack):
    name, program = "lwip", "bench/bench-tun-lwip"
    note = "Debian's build: windows and send queues of 64 KiB, MSS 1460 at every MTU"

    @staticmethod
    def version():
        return f"lwIP {peers.debian_version('liblwip0')}"

    @classmethod
    def missing(cls):
        why = laboratory.missing(cls.program)
        return why and f"{why} (it needs Debian's liblwip-dev)"


class Gvisor(Stack):
    name, program = "gvisor", "bench/bench-tun-gvisor"
    note = "windows up to 4 MiB, SACK, CUBIC; a TUN has no super-segments there"
    sources = "/usr/share/gocode"

    @staticmethod
    def version():
        return f"gVisor {peers.debian_version('golang-gvisor-gvisor-dev')}"

    @classmethod
    def missing(cls):
        """Builds it, out of Debian's sources alone, into the build folder."""
        if not os.path.isdir(f"{cls.sources}/src/gvisor.dev/gvisor/pkg/tcpip"):
            return "Debian's golang-gvisor-gvisor-dev is not installed"
        environment = dict(os.environ, GOPATH=cls.sources, GO111MODULE="off", GOPROXY="off",
                           GOTOOLCHAIN="local", GOFLAGS="",
                           GOCACHE=laboratory.built("bench/go-cache"))
        try:
            done = subprocess.run(["go", "build", "-o", laboratory.built(cls.program),
                                   "bench/gvisor/main.go"], env=environment, timeout=300,
                                  capture_output=True, text=True)
        except FileNotFoundError:
            return "Debian's golang-go is not installed"
        return None if done.returncode == 0 else f"go build: {done.stderr.strip()[-200:]}"


ALL = {stack.name: stack for stack in (Berth, Lwip, Gvisor)}


def user_seconds(pid):
    """What of the processor time was not the kernel's."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        words = file.read().rsplit(b")", 1)[1].split()
    return int(words[11]) / os.sysconf("SC_CLK_TCK")


def client_command(stack, test, seconds, counter):
    words = ["timeout", "-k", "1", str(int(seconds) + 15), laboratory.built(LOAD), MODES[test],
             stack.address, str(PORT), "-t", str(seconds), "-C", "cubic"]
    if test == "rr":
        words += ["-w", str(WARMUP_S)]
    return " ".join([*words, *(["-c", counter.path] if test == "send" else [])])


def measure_bulk(stack, test, seconds, shell, counter):
    counter = counter if test == "send" else stack.received
    shell.start(client_command(stack, test, seconds + WARMUP_S + 0.3, counter))
    time.sleep(WARMUP_S)
    pids = [stack.process.pid]
    user = user_seconds(stack.process.pid)
    begin = (time.monotonic(), counter.read(), laboratory.cpu_seconds(pids))
    time.sleep(seconds)
    end = (time.monotonic(), counter.read(), laboratory.cpu_seconds(pids))
    user = user_seconds(stack.process.pid) - user
    status, text = shell.finish(seconds + 20)
    duration, moved, cpu = (b - a for a, b in zip(begin, end))
    if status != 0 or moved == 0:
        raise Trouble(f"{moved} bytes moved; the load ended with {status} {text}".strip())
    return {"gbps": moved * 8 / duration / 1e9, "cpu_s_per_gb": cpu / (moved / 1e9),
            "user_share": min(user / cpu, 1) if cpu > 0 else 0}


def measure_rr(stack, seconds, shell):
    pids = [stack.process.pid]
    before = laboratory.cpu_seconds(pids)
    shell.start(client_command(stack, "rr", seconds + WARMUP_S, None))
    status, text = shell.finish(seconds + 20)
    if status != 0 or not text:
        raise Trouble(f"the load ended with {status} {text}".strip())
    got = json.loads(text)
    return {"per_second": got["per_second"], "p50_us": got["p50_ns"] / 1e3,
            "p99_us": got["p99_ns"] / 1e3,
            "cpu_us_each": (laboratory.cpu_seconds(pids) - before) * 1e6 / max(got["total"], 1)}


def measure(stack, test, seconds, shell, counter):
    if test == "rr":
        return measure_rr(stack, seconds, shell)
    return measure_bulk(stack, test, seconds, shell, counter)


def measure_mtu(mtu, classes, options, folder, log):
    """All cells of one MTU: (mtu, test) -> name -> the runs' figures."""
    alive, cells, reasons = {}, {}, {}
    shell = Shell(log=log)
    counter = Counter(os.path.join(folder, f"client{mtu}"))
    try:
        for number, stack_class in enumerate(classes):
            alive[stack_class.name] = stack_class(number, mtu, folder, log)
        time.sleep(0.5)
        for test in TESTS if mtu == options.mtu[0] else ("receive", "send"):
            cell = cells[test] = {name: [] for name in alive}
            for _ in range(options.runs):
                for name, stack in alive.items():
                    try:
                        cell[name].append(measure(stack, test, options.seconds, shell, counter))
                    except (Trouble, ValueError) as trouble:
                        reasons[f"{name}, MTU {mtu}, {TESTS[test]}"] = str(trouble)
            tell(mtu, test, cell)
    finally:
        for stack in alive.values():
            stack.down()
        shell.close()
    return cells, reasons


def tell(mtu, test, cell):
    key = "per_second" if test == "rr" else "gbps"
    words = [f"{name} {statistics.median(run[key] for run in runs):.2f}"
             for name, runs in cell.items() if runs]
    print(f"bench: stack MTU {mtu} {test}: {', '.join(words)}", file=sys.stderr, flush=True)


def run(options):
    classes, missing = [], {}
    for name, stack_class in ALL.items():
        why = stack_class.missing()
        if why:
            missing[name] = why
        else:
            classes.append(stack_class)
    document = {"rows": [], "missing": missing, "trouble": {}, "runs": options.runs,
                "seconds": options.seconds, "notes": {c.name: c.note for c in classes},
                "versions": {c.name: c.version() for c in classes}}
    laboratory.run("ip", "link", "set", "lo", "up")
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder, \
            open(os.path.join(folder, "log"), "ab") as log:
        for mtu in options.mtu:
            cells, reasons = measure_mtu(mtu, classes, options, folder, log)
            document["trouble"].update(reasons)
            for test, cell in cells.items():
                document["rows"].append({"mtu": mtu, "test": test, "stacks": cell})
    return document


def middle(row, name, key):
    runs = [run[key] for run in row["stacks"].get(name, []) if key in run]
    return statistics.median(runs) if runs else None


def spread(row, name, key):
    runs = [run[key] for run in row["stacks"][name]]
    return (max(runs) - min(runs)) / statistics.median(runs) * 50


def figure(row, name, key, form):
    value = middle(row, name, key)
    return "-" if value is None else form.format(value)


def ratio(row, name, key):
    ours, theirs = middle(row, "berth", key), middle(row, name, key)
    return f"{ours / theirs:.2f}" if ours and theirs else "-"


def bulk_tables(document, names):
    rows = [row for row in document["rows"] if row["test"] != "rr"]
    others = [name for name in names if name != "berth"]
    speed = table(["direction", "MTU", *names, *(f"berth/{name}" for name in others)], [
        [TESTS[row["test"]], row["mtu"],
         *(figure(row, name, "gbps", "{:.2f}")
           + (f" ±{spread(row, name, 'gbps'):.0f}%" if len(row["stacks"].get(name, [])) > 1
              else "")
           for name in names),
         *(ratio(row, name, "gbps") for name in others)] for row in rows])
    cpu = table(["direction", "MTU", *names, *(f"berth/{name}" for name in others)], [
        [TESTS[row["test"]], row["mtu"],
         *(figure(row, name, "cpu_s_per_gb", "{:.2f}") for name in names),
         *(ratio(row, name, "cpu_s_per_gb") for name in others)] for row in rows])
    own = table(["direction", "MTU", *names], [
        [TESTS[row["test"]], row["mtu"],
         *(figure(row, name, "user_share", "{:.0%}") for name in names)] for row in rows])
    return ["TCP throughput, Gb/s:", speed, "Processor seconds of the stack per GB:", cpu,
            "What of them is the stack's own, the rest being the kernel's, in read() and write():",
            own]


def small_table(document, names):
    forms = {"per_second": "{:.0f}", "p50_us": "{:.0f}", "p99_us": "{:.0f}",
             "cpu_us_each": "{:.1f}"}
    lines = [[name, *(figure(row, name, key, form) for key, form in forms.items()),
              ratio(row, name, "per_second")]
             for row in document["rows"] if row["test"] == "rr" for name in names]
    head = ["stack", "per second", "p50 µs", "p99 µs", "stack's CPU µs each", "berth/this"]
    return ["One byte back and forth:", table(head, lines)] if lines else []


def text(document):
    names = list(document["versions"])
    several = document["runs"] > 1
    what = (f"{'Medians of ' if several else ''}{document['runs']} run{'s' * several} of "
            f"{document['seconds']:g} s{' each, by turns' * several}. The kernel's end: CUBIC.")
    lines = [f"- {name}: {document['versions'][name]}; {document['notes'][name]}."
             for name in names]
    lines += [f"- {name}: not measured: {why}." for name, why in document["missing"].items()]
    lines += [f"- {where}: {why}." for where, why in document["trouble"].items()]
    return "\n\n".join([what, "\n".join(lines), *bulk_tables(document, names),
                        *small_table(document, names)])


def missing():
    return laboratory.missing(LOAD) or Berth.missing()
