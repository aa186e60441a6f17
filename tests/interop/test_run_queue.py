#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: many connections that send at once do not overrun the device's queue: with 500 packets
in it a fifth to a third of them were lost. A machine that is busy otherwise may lose a few."""

import host
import tap

STREAMS, BYTES, PIECE = 64, 10 << 20, 1 << 20

# Sends BYTES by each of STREAMS connections at once, then tells what its device has lost.
SEND = """
import socket, sys, threading
port, streams, size, piece = map(int, sys.argv[1:])

def send():
    with socket.create_connection(('10.0.2.2', port)) as c:
        data = bytes(piece)
        for _ in range(size // piece):
            c.sendall(data)
        c.shutdown(socket.SHUT_WR)
        arrived.append(int(c.recv(100)))

arrived = []
threads = [threading.Thread(target=send) for _ in range(streams)]
for thread in threads: thread.start()
for thread in threads: thread.join()
with open('/proc/net/dev') as file:
    fields = next(line for line in file if 'berth0:' in line).split(':')[1].split()
print(sum(arrived), int(fields[11]) * 10 < int(fields[9]) or fields[9:12])
"""


def count(connection):
    total = 0
    while piece := connection.recv(1 << 20):
        total += len(piece)
    connection.sendall(b"%d" % total)


host.enter()
server = host.Server(count)
for mtu in (1500, 65520):
    done = host.run("--quiet", "--mtu", mtu, "--allow", f"out {server.port}/tcp to host", "--",
                    *host.python(SEND, server.port, STREAMS, BYTES, PIECE), timeout_s=120)
    tap.is_equal(f"{STREAMS} connections that send, MTU {mtu}: all arrives, little was lost before",
                 done.stdout, f"{STREAMS * BYTES} True\n")
tap.done()
