#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed, memory: what berth run takes while much waits in its buffers it gives back once that is
over, with the connections still open; what comes then is right, and nothing to do is nothing to do.
"""

import hashlib
import os
import resource
import socket
import time

import host
import tap

MIB = 1 << 20
CONNECTIONS, EACH = 64, 2 * MIB
TAKEN_MIN = 12 * MIB  # while the program does not read
KEPT_MAX = 6 * MIB    # afterwards, above what it was after start

# Opens connections, and reads all there is of each when told to.
READ = """
import hashlib, socket, sys
port, number, each = map(int, sys.argv[1:])
held = [socket.create_connection(('10.0.2.2', port)) for _ in range(number)]
for line in sys.stdin:
    for connection in held:
        digest, left = hashlib.sha256(), each
        connection.sendall(b'more')
    print('asked', flush=True)
    sys.stdin.readline()
    for connection in held:
        digest, left = hashlib.sha256(), each
        while left > 0:
            data = connection.recv(min(left, 1 << 20))
            digest.update(data)
            left -= len(data) if data else left
        print(digest.hexdigest(), flush=True)
"""


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def switches(pid):
    """Of all threads: how often each has slept."""
    found = []
    for thread in sorted(os.listdir(f"/proc/{pid}/task")):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            found += [line for line in file if line.startswith("voluntary_ctxt_switches")]
    return found


def say(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def transfer(name, process, wanted, before):
    say(process, "ask")
    process.stdout.readline()
    taken = host.wait_until(lambda: resident(process.pid) - before >= TAKEN_MIN, 30)
    tap.check(f"{name}: it fills buffers", taken, f"{(resident(process.pid) - before) >> 20} MiB")
    say(process, "read")
    got = {process.stdout.readline().strip() for _ in range(CONNECTIONS)}
    tap.is_equal(f"{name}: every byte", got, {wanted})
    kept = host.wait_until(lambda: resident(process.pid) - before <= KEPT_MAX, 30)
    tap.check(f"{name}: and gives them back", kept, f"{(resident(process.pid) - before) >> 20} MiB")


def check(queues, data):
    def serve(connection):
        while connection.recv(4, socket.MSG_WAITALL):
            connection.sendall(data)

    server = host.Server(serve)
    process = host.start("--quiet", "--queues", queues, "--allow", f"out {server.port}/tcp to host",
                         "--", *host.python(READ, server.port, CONNECTIONS, EACH), stdin=-1)
    wanted = hashlib.sha256(data).hexdigest()
    host.wait_until(lambda: resident(process.pid) > 4 * MIB)
    time.sleep(1)
    before = resident(process.pid)
    for turn in ("once", "again"):
        transfer(f"--queues {queues}, {turn}", process, wanted, before)
    time.sleep(5)
    slept = switches(process.pid)
    time.sleep(3)
    tap.is_equal(f"--queues {queues}: afterwards it sleeps", switches(process.pid), slept)
    process.communicate(timeout=30)
    tap.is_equal(f"--queues {queues}: and ends as it should", process.returncode, 0)


host.enter()
for queues in (1, 2):
    check(queues, os.urandom(MIB) * (EACH // MIB))
tap.done()
