#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run as it comes (--queues auto): one thread, and when it has too much to do large transfers
go to another. Every byte is looked at, on its way and across the move; the records stay those of
one run."""

import collections
import os
import resource
import select
import signal
import subprocess
import time

import host
import tap

host.enter()
STREAMS = os.path.join(os.environ["BERTH_BUILD"], "tests", "interop", "streams")
SLOW = os.environ.get("BERTH_SANITIZE", "none") != "none"
COUNT = 8
BYTES = 200_000_000 if SLOW else 600_000_000
WORKED_NS = 20_000_000
CLIENT = "203.0.113.5"
PROCESSORS = len(os.sched_getaffinity(0))


def streams(*words):
    return [STREAMS, *map(str, words)]


class Serving:
    """`streams serve` outside."""

    def __init__(self, port, count=COUNT, address="127.0.0.1"):
        self.process = subprocess.Popen(streams("serve", address, port, count), text=True,
                                        stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def right(self):
        return self.process.communicate(timeout=120)[0].strip()


def worked(pid):
    """{thread: nanoseconds that it has worked}; threads end while one looks."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                found[task] = int(file.read().split()[0])
        except OSError:
            pass
    return found


class Watched:
    """berth run WORDS, looked at until it ends: how much each of its threads works."""

    def __init__(self, *words, **options):
        self.process = host.start(*words, **options)
        self.worked = {}

    def wait(self, seconds=120):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            self.worked.update(worked(self.process.pid))
            time.sleep(0.02)
        if self.process.poll() is None:
            self.process.kill()
        self.out, self.error = self.process.communicate()
        return self

    def helpers(self):
        return sum(ns > WORKED_NS for task, ns in self.worked.items()
                   if task != str(self.process.pid))


SPREAD = {}  # {name: has another thread taken a part?}


def check_spread(name, run):
    SPREAD[name] = run.helpers() >= 1


def check_all_spread():
    """Whether the first thread has too much to do is the machine's to say too: so not each."""
    name = "another thread has taken a part, in half of the transfers at least"
    if PROCESSORS < 2:
        tap.skip(name, "one processor")
    else:
        tap.check(name, sum(SPREAD.values()) * 2 >= len(SPREAD), SPREAD)


def check_log(name, path, direction, sent, received):
    """COUNT conversations, opened and closed once each, with their bytes, which are the stream's,
    an order of 24 bytes, and a byte each way."""
    lines = [line for line in host.read_log(path) if line["event"] in ("open", "close", "failed")]
    events = collections.Counter(line["event"] for line in lines)
    closed = [line for line in lines if line["event"] == "close"]
    out, into = (sent, received) if direction == "out" else (received, sent)
    tap.is_equal(f"{name}: each opened once, closed once", events,
                 collections.Counter(open=COUNT, close=COUNT))
    tap.is_equal(f"{name}: with all its bytes, and its process",
                 {(line["direction"], line["bytes_out"], line["bytes_in"],
                   (line["process"] or {}).get("name")) for line in closed},
                 {(direction, out, into, "streams")})
    if direction == "out":  # a program that serves may end before its clients have closed
        tap.is_equal(f"{name}: in order", {line["end"] for line in closed}, {"closed"})


def check_called(folder):
    """The program calls: sends, is sent to, both; IPv4 and IPv6."""
    for number, (mode, address) in enumerate((("out", "10.0.2.2"), ("in", "fd00::2"),
                                              ("both", "10.0.2.2"))):
        port = 5000 + number
        log = f"{folder}/{mode}"
        serving = Serving(port, address="::1" if ":" in address else "127.0.0.1")
        run = Watched("--quiet", "--log", log, "--allow", f"out {port} to host", "--",
                      *streams("call", address, port, COUNT, BYTES, mode)).wait()
        tap.is_equal(f"called, {mode}: every byte of {COUNT} streams, at both ends",
                     (run.out.strip(), serving.right(), run.process.returncode),
                     (str(COUNT), str(COUNT), 0))
        check_spread(f"called, {mode}", run)
        check_log(f"called, {mode}", log, "out", 25 + (mode != "in") * BYTES,
                  1 + (mode != "out") * BYTES)


def check_published(folder):
    log = f"{folder}/published"
    run = Watched("--quiet", "--log", log, "-p", "5010:80", "--",
                  *streams("serve", "0.0.0.0", 80, COUNT))
    assert run.process.stdout.readline() == "ready\n"
    caller = subprocess.Popen(streams("call", "127.0.0.1", 5010, COUNT, BYTES, "both"), text=True,
                              stdout=subprocess.PIPE)
    run.wait()
    tap.is_equal("published, both: every byte, at both ends",
                 (run.out.strip(), caller.communicate(timeout=60)[0].strip()),
                 (str(COUNT), str(COUNT)))
    check_spread("published, both", run)
    check_log("published", log, "in", 25 + BYTES, 1 + BYTES)


def check_clients_of_one_port():
    """Clients of the host's loopback whose ports are the same as the program sees them: half of them
    get others, and those are what is known of them when they move."""
    run = Watched("--quiet", "-p", "0.0.0.0:5015:80", "--", *streams("serve", "0.0.0.0", 80, COUNT))
    assert run.process.stdout.readline() == "ready\n"
    callers = [subprocess.Popen(streams("call", address, 5015, COUNT // 2, BYTES, "both", 0, 30100),
                                text=True, stdout=subprocess.PIPE)
               for address in ("127.0.0.1", "127.0.0.2")]
    run.wait()
    tap.is_equal("clients of one port: every byte, at both ends",
                 (run.out.strip(), [one.communicate(timeout=60)[0].strip() for one in callers]),
                 (str(COUNT), [str(COUNT // 2)] * 2))
    check_spread("clients of one port", run)


def check_clients_again():
    """Clients that the program sees as they are, with the ports of clients before them, whose
    connections had gone to another thread, and were reset."""
    waves = 4
    host.ip("addr", "add", f"{CLIENT}/32", "dev", "lo")
    run = Watched("--quiet", "-p", "0.0.0.0:5016:80", "--",
                  *streams("serve", "0.0.0.0", 80, COUNT * waves))
    assert run.process.stdout.readline() == "ready\n"
    called = [subprocess.run(streams("call", CLIENT, 5016, COUNT, BYTES // waves, "both", 0, 30200),
                             text=True, stdout=subprocess.PIPE, timeout=60, check=False).stdout
              for _ in range(waves)]
    run.process.terminate()
    run.wait()
    tap.is_equal("clients with the ports of earlier ones: every byte", called,
                 [f"{COUNT}\n"] * waves)
    check_spread("clients with the ports of earlier ones", run)


def check_same_ports():
    """Calls with the ports of calls that were moved, and reset: each is a new connection, the first
    thread's, whatever was known of its four-tuple."""
    waves = 4
    serving = Serving(5020, COUNT * waves)
    script = " && ".join(" ".join(streams("call", "10.0.2.2", 5020, COUNT, BYTES // waves, "out",
                                          0, 30000)) for _ in range(waves))
    run = Watched("--quiet", "--allow", "out 5020 to host", "--", "sh", "-c", script).wait()
    tap.is_equal("the same ports again, after a RST: every byte",
                 (run.out.split(), serving.right(), run.error),
                 ([str(COUNT)] * waves, str(COUNT * waves), ""))
    check_spread("the same ports again", run)


def check_forgotten():
    """A connection that the program closed, and its kernel forgot since the far end went on: who has
    the same port next ends it, wherever it is."""
    ended = []

    def serve(connection):
        while connection.recv(1 << 20) not in (b"", b"again"):
            pass
        poll = select.poll()
        poll.register(connection, 0)  # a RST
        ended.append(bool(poll.poll(20_000)))

    server = host.Server(serve)
    script = """
import socket, sys, threading, time
def make(i):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    s.bind(("", 31000 + i))
    s.connect(("10.0.2.2", int(sys.argv[1])))
    return s
def send(i):
    s, data, end = make(i), bytes(1 << 20), time.monotonic() + 3
    while time.monotonic() < end:
        s.sendall(data)
    s.close()
threads = [threading.Thread(target=send, args=(i,)) for i in range(int(sys.argv[2]))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
time.sleep(2.5)
again = [make(i) for i in range(int(sys.argv[2]))]
[s.sendall(b"again") for s in again]
print(len(again), flush=True)
sys.stdin.readline()
"""
    run = Watched("--quiet", "--allow", f"out {server.port} to host", "--",
                  *host.python(script, server.port, COUNT), stdin=subprocess.PIPE)
    tap.is_equal("forgotten by the program's kernel: the same ports again",
                 run.process.stdout.readline(), f"{COUNT}\n")
    tap.check("and their servers hear of it", host.wait_until(lambda: len(ended) == COUNT, 10),
              ended)
    run.worked.update(worked(run.process.pid))
    run.process.stdin.close()
    run.process.stdin = None
    run.wait()
    check_spread("forgotten", run)


def check_pause():
    """Longer than the kernel remembers where a flow's answers came from: then its packets may come
    in on any queue."""
    serving = Serving(5030)
    run = Watched("--quiet", "--allow", "out 5030 to host", "--",
                  *streams("call", "10.0.2.2", 5030, COUNT, BYTES, "out", 4500)).wait()
    tap.is_equal("a pause half-way: every byte", (run.out.strip(), serving.right()),
                 (str(COUNT), str(COUNT)))
    check_spread("a pause half-way", run)


def check_left_behind():
    """The program is killed: what it has sent arrives, and the run ends."""
    serving = Serving(5040)
    run = Watched("--quiet", "--allow", "out 5040 to host", "--",
                  *streams("call", "10.0.2.2", 5040, COUNT, 1 << 40, "out"))
    moved = host.wait_until(lambda: sum(ns > WORKED_NS for ns in worked(run.process.pid).values()) >= 2, 20)
    run.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    run.wait()
    tap.check("killed in the middle: its status, at once, and nothing is said",
              (run.process.returncode, run.error) == (128 + signal.SIGTERM, "")
              and time.monotonic() - begun < 30, (run.process.returncode, run.error))
    tap.is_equal("and its servers hear of it", serving.right(), "0")
    SPREAD["killed"] = moved


def check_goes_on():
    """Small conversations while large ones are carried by several threads; and after them, when
    what the helpers had is over."""
    serving = Serving(5050)
    server = host.Server(lambda connection: connection.sendall(connection.recv(100)))
    script = f"""
import socket, subprocess, sys
def ask():
    with socket.create_connection(("10.0.2.2", {server.port}), 20) as connection:
        connection.sendall(b"hello")
        return connection.recv(100) == b"hello"
large = subprocess.Popen(sys.argv[1:])
during = [ask() for _ in range(200)]
status = large.wait()
after = [ask() for _ in range(200)]
print(all(during), all(after), status)
"""
    run = Watched("--quiet", "--allow", "out 5050 to host", "--allow",
                  f"out {server.port} to host", "--", *host.python(script, *streams(
                      "call", "10.0.2.2", 5050, COUNT, BYTES, "both"))).wait()
    tap.is_equal("small ones meanwhile and after", (run.out.split("\n")[:2], serving.right()),
                 ([str(COUNT), "True True 0"], str(COUNT)))


def check_one():
    """--queues 1, and one processor: one thread, whatever there is to do."""
    pinned = {"preexec_fn": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})}
    for name, words, options in (("--queues 1", ["--queues", "1"], {}),
                                 ("on one processor", [], pinned)):
        process = host.start("--quiet", *words, "--", "cat", stdin=subprocess.PIPE, **options)
        count = len(worked(process.pid))
        process.communicate()
        if SLOW:
            tap.skip(f"{name}: one thread", "a build with a sanitizer has threads of its own")
        else:
            tap.is_equal(f"{name}: one thread", count, 1)


def check_little_memory():
    """Room for one stack, not for another: one thread then, and no failure."""
    if SLOW:
        tap.skip("little memory", "a build with a sanitizer wants more")
        return
    least = 300 << 20
    done = host.run("--quiet", "--", "true", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_AS, (least, least)))
    tap.is_equal("little memory: one thread", (done.returncode, done.stderr), (0, ""))


def check_device():
    """The program cannot take the device's packets by another queue of it."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        tap.skip("another queue of the device", "no /dev/net/tun for this user")
        return
    script = """
import errno, fcntl, os, struct, sys
def attempt(fd, flags, user):
    try:
        if user is not None:
            os.setresuid(user, user, user)
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"berth0", flags))
        print("taken by", user)
    except OSError as error:
        print(errno.errorcode[error.errno])
for user in [None, *map(int, sys.argv[1:])]:
    for flags in (0x1101, 0x5101, 0x1001, 0x5001):  # TUN, no PI; several queues, virtio-net header
        fd = os.open("/dev/net/tun", os.O_RDWR)
        if os.fork() == 0:
            attempt(fd, flags, user)
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        os.close(fd)
"""
    with open("/proc/self/uid_map", encoding="ascii") as file:  # whoever may be its owner
        users = [int(line.split()[0]) + int(line.split()[2]) - 1 for line in file]
    for words in ([], ["--queues", "2"]):
        done = host.run("--quiet", *words, "--", *host.python(script, *users))
        tap.check(f"another queue of the device, {words or 'as it comes'}: refused",
                  set(done.stdout.splitlines()) <= {"EPERM", "EINVAL", "EBUSY"}
                  and "EPERM" in done.stdout, (done.stdout, done.stderr))


def check_idle():
    """When all is over the helpers sleep."""
    serving = Serving(5060)
    script = " ".join(streams("call", "10.0.2.2", 5060, COUNT, BYTES // 2, "out")) + "; sleep 4"
    process = host.start("--quiet", "--allow", "out 5060 to host", "--", "sh", "-c", script)
    tap.is_equal("then idle: served", serving.right(), str(COUNT))
    time.sleep(1.5)
    before = sum(worked(process.pid).values())
    time.sleep(1)
    spent_ms = (sum(worked(process.pid).values()) - before) / 1e6
    process.communicate(timeout=60)
    tap.check("then idle: no time is spent", spent_ms < (200 if SLOW else 20), spent_ms)


def main():
    with tap.temp_dir() as folder:
        check_called(folder)
        check_published(folder)
    check_clients_of_one_port()
    check_clients_again()
    check_same_ports()
    check_forgotten()
    check_pause()
    check_left_behind()
    check_goes_on()
    check_all_spread()
    check_one()
    check_little_memory()
    check_device()
    check_idle()
    tap.done()


main()
