#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run with nothing to do: what it holds in memory, and that it sleeps."""

import resource
import socket
import threading
import time

import host
import tap

FEW, MANY = 200, 4000
RESIDENT_MAX = 16 << 20
# Of berth's own: the stack's connection, the relay, what both are found by. Buffers are not in it.
CONNECTION_MAX = 1024

# Opens as many connections as each line of its input says, and says so.
HOLD = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for line in sys.stdin:
    if line.startswith("talk"):
        for _ in range(2000):
            held[0].sendall(b"x")
            held[0].recv(1)
        line = "0"
    held += [socket.create_connection(('10.0.2.2', int(sys.argv[1]))) for _ in range(int(line))]
    print(len(held), flush=True)
"""


def start_listener():
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    held = []

    def answer(connection):
        while byte := connection.recv(1):
            connection.sendall(byte)

    def accept():
        while True:
            held.append(listener.accept()[0])
            if len(held) == 1:
                threading.Thread(target=answer, args=held, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def wakeups(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return [line for line in file if line.startswith("voluntary_ctxt_switches")]


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[11:13]


def hold(process, what):
    process.stdin.write(f"{what}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 8192:
        host.skip_all(f"only {hard} files may be opened here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port = start_listener()
    process = host.start("--quiet", "--allow", f"out {port}/tcp to host", "--",
                         *host.python(HOLD, port), stdin=-1)
    hold(process, 0)
    at_rest = resident(process.pid)
    tap.check("resident after start", at_rest <= RESIDENT_MAX, f"{at_rest >> 10} KiB")
    count = hold(process, FEW)
    time.sleep(3)  # timers of the handshakes run out
    before = wakeups(process.pid)
    time.sleep(2)
    tap.is_equal(f"{count} idle connections wake nobody", wakeups(process.pid), before)
    hold(process, "talk")
    time.sleep(1)
    before, used = wakeups(process.pid), ticks(process.pid)
    time.sleep(2)
    tap.is_equal("nor does what was busy a second ago", wakeups(process.pid), before)
    tap.is_equal("it takes no processor time", ticks(process.pid), used)
    with_few = resident(process.pid)
    count = hold(process, MANY) - FEW
    each = (resident(process.pid) - with_few) / count
    tap.check(f"what each of {count} more takes", each <= CONNECTION_MAX, f"{each:.0f} bytes")
    process.communicate(timeout=30)
    tap.is_equal("and it ends as it should", process.returncode, 0)
    tap.done()


host.enter()
main()
