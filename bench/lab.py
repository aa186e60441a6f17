# SPDX-License-Identifier: MIT
#
# The laboratory: namespaces, shells in them, counters, processor time.
#
#     program ---[ what is measured ]--- host 10.77.0.1 ====veth==== 10.77.0.2 server
#
# All of it lives in a PID namespace of its own (bench re-executes itself through unshare), so that
# nothing is left however the bench ends: with its first process everything in it goes.
#
# 1. No wait is unbounded: each command runs under timeout(1), each reply is waited for that long.
# 2. Nothing leaves the machine: the namespaces have no link to the outside.

import mmap
import os
import select
import struct
import subprocess
import time

HOST4, SERVER4 = "10.77.0.1", "10.77.0.2"
HOST6, SERVER6 = "fd77::1", "fd77::2"
# The server's machine too; the proxies take their host's gateway to mean something of their own.
GATEWAY4, GATEWAY6 = "10.77.0.254", "fd77::254"
SERVER_PORT = 5301

BUILD = "build"  # --build

# Processes that are the load's or ours, wherever they stand in a process tree.
LOAD_NAMES = {"sh", "bench-load", "sleep", "nsenter", "timeout", "unshare"}


def built(name):
    return os.path.abspath(os.path.join(BUILD, name))


def missing(name):
    """Why it cannot be run, or None."""
    return None if os.access(built(name), os.X_OK) else f"{built(name)} is not built"


class Trouble(Exception):
    """What went wrong with one measurement or one peer; the others go on."""


def run(*argv, check=True):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise Trouble(f"{' '.join(argv)}: {words[-1]}")
    return done.stdout.strip()


class Shell:
    """A sh whose commands come from us, one after another, reached through any prefix."""

    def __init__(self, *prefix, log):
        self.process = subprocess.Popen(
            [*prefix, "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0)
        self.pending = b""

    def start(self, command):
        try:
            self.process.stdin.write(f"{command}\necho @end $?\n".encode())
        except BrokenPipeError:
            raise Trouble("it has ended")

    def line(self, deadline):
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise Trouble("no answer in time")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise Trouble("it has ended")
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace")

    def finish(self, seconds=20):
        deadline = time.monotonic() + seconds
        lines = []
        while True:
            line = self.line(deadline)
            if line.startswith("@end "):
                return int(line.split()[1]), "\n".join(lines)
            lines.append(line)

    def run(self, command, seconds=20):
        self.start(command)
        status, text = self.finish(seconds)
        if status != 0:
            raise Trouble(f"{command}: status {status} {text}".strip())
        return text

    def serve(self, command):
        """Starts a server in the background; it says "ready"."""
        self.process.stdin.write(f"{command} &\n".encode())
        deadline = time.monotonic() + 10
        while self.line(deadline) != "ready":
            pass

    def close(self):
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(3)


class Counter:
    """Bytes that a receiver has got so far (struct load_counter)."""

    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as file:
            file.truncate(8)
            self.map = mmap.mmap(file.fileno(), 8)

    def read(self):
        return struct.unpack("=Q", self.map[:8])[0]


def hold_namespace(holders):
    """A network namespace, kept by a sleeping process, which joins HOLDERS; its id."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "86400"], stdin=subprocess.DEVNULL)
    holders.append(holder)
    own = os.readlink("/proc/self/ns/net")
    deadline = time.monotonic() + 5
    while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
        if time.monotonic() > deadline:
            raise Trouble("unshare --net did not come up")
        time.sleep(0.01)
    run("nsenter", "-t", str(holder.pid), "-n", "--", "ip", "link", "set", "lo", "up")
    return holder.pid


class Lab:
    def __init__(self, load, folder, congestion_control, ipv6):
        self.load, self.folder, self.cc, self.ipv6 = load, folder, congestion_control, ipv6
        self.holders = []
        self.log = open(os.path.join(folder, "log"), "ab")
        self.counters = 0
        run("ip", "link", "set", "lo", "up")
        self.tune()
        self.server_pid = self.namespace()
        self.join("host0", None, f"{HOST4}/24", f"{HOST6}/64",
                  "server0", self.server_pid, f"{SERVER4}/24", f"{SERVER6}/64")
        for gateway, width in ((GATEWAY4, 24), (GATEWAY6, 64)):
            run(*self.enter(self.server_pid), "ip", "addr", "add", f"{gateway}/{width}",
                "dev", "server0", *(["nodad"] if ":" in gateway else []))
            run("ip", "route", "add", "default", "via", gateway)
        self.server = self.shell(self.server_pid)
        self.served = {4: self.counter()}
        self.server.serve(self.command("server", "0.0.0.0", SERVER_PORT, counter=self.served[4]))
        if ipv6:
            self.served[6] = self.counter()
            self.server.serve(self.command("server", "::", SERVER_PORT, counter=self.served[6]))

    def counter(self):
        self.counters += 1
        return Counter(os.path.join(self.folder, f"counter{self.counters}"))

    def command(self, mode, address, port, counter=None, **options):
        words = [self.load, mode, address, str(port), "-C", self.cc]
        if counter is not None:
            words += ["-c", counter.path]
        for letter, value in options.items():
            words += [f"-{letter}", str(value)]
        if mode != "server":
            words = ["timeout", "-k", "1", str(int(options["t"]) + 15)] + words
        return " ".join(words)

    # ---- namespaces -----------------------------------------------------------------------

    def tune(self, *prefix):
        run(*prefix, "sh", "-c",
            f"echo {self.cc} >/proc/sys/net/ipv4/tcp_congestion_control")

    def namespace(self):
        """A network namespace with our settings; the id of the process that keeps it."""
        pid = hold_namespace(self.holders)
        self.tune(*self.enter(pid))
        return pid

    @staticmethod
    def enter(pid):
        return ("nsenter", "-t", str(pid), "-n", "--")

    def shell(self, pid):
        return Shell(*self.enter(pid), log=self.log)

    def join(self, *ends):
        """veth between two (name, pid or None for the host's, IPv4, IPv6)."""
        (name, pid, *addresses), (name2, pid2, *addresses2) = ends[:4], ends[4:]
        run("ip", "link", "add", name, "type", "veth", "peer", "name", name2, "netns", str(pid2))
        if pid is not None:
            run("ip", "link", "set", name, "netns", str(pid))
        for link, where, (v4, v6) in ((name, pid, addresses), (name2, pid2, addresses2)):
            enter = self.enter(where) if where is not None else ()
            run(*enter, "ip", "addr", "add", v4, "dev", link)
            run(*enter, "ip", "-6", "addr", "add", v6, "dev", link, "nodad")
            run(*enter, "ip", "link", "set", link, "up")

    def set_mtu(self, mtu):
        run("ip", "link", "set", "host0", "mtu", str(mtu))
        run(*self.enter(self.server_pid), "ip", "link", "set", "server0", "mtu", str(mtu))

    def set_send_buffer(self, bytes_max):
        """The host's tcp_wmem, its third figure; None: what it was."""
        path = "/proc/sys/net/ipv4/tcp_wmem"
        with open(path) as file:
            low, middle, high = file.read().split()
        self.wmem = getattr(self, "wmem", high)
        with open(path, "w") as file:
            file.write(f"{low} {middle} {bytes_max or self.wmem}")

    def log_tail(self):
        self.log.flush()
        with open(self.log.name, "rb") as file:
            lines = file.read()[-2000:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


# ---- processes -----------------------------------------------------------------------------


def processes():
    """pid -> (parent, name), of everything in this PID namespace."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                text = file.read().decode(errors="replace")
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        found[int(entry)] = (int(text[text.rindex(")") + 2:].split()[1]), name)
    return found


def tree(root):
    """ROOT and what descends from it, but for the load's processes."""
    table = processes()
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        if pid in table and table[pid][1] not in LOAD_NAMES:
            found.append(pid)
    return found


def cpu_seconds(pids):
    """Processor time, kernel's included, that the threads of these processes have used."""
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
        except OSError:
            continue
    return total / 1e9


def memory_bytes(pids):
    """Resident memory of these processes; pages shared between them are counted in each."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * mmap.PAGESIZE
        except OSError:
            continue
    return total


def pin(cpus):
    """Every thread in this PID namespace on CPUS."""
    for pid in processes():
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), cpus)
        except OSError:
            continue
