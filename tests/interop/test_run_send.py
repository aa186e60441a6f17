#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that send much: the settings that they send by, and many connections at once."""

import hashlib
import socket
import threading

import host
import tap

STREAMS = 8
BYTES = 8 << 20  # of each
SETTINGS = ("tcp_notsent_lowat", "tcp_congestion_control")

READ_SETTINGS = """
import sys
for name in sys.argv[1:]:
    print(open('/proc/sys/net/ipv4/' + name).read().strip())
"""

# Sends on all connections at once, each its own bytes, and says their digests in order.
SEND = """
import hashlib, random, selectors, socket, sys
streams, bytes_each, port = map(int, sys.argv[1:])
watched = selectors.DefaultSelector()
for i in range(streams):
    connection = socket.create_connection(('10.0.2.2', port))
    connection.sendall(bytes([i]))
    connection.setblocking(False)
    data = random.Random(i).randbytes(bytes_each)
    print(hashlib.sha256(data).hexdigest())
    watched.register(connection, selectors.EVENT_WRITE, [memoryview(data)])
while watched.get_map():
    for key, _ in watched.select(60):
        left = key.data[0]
        key.data[0] = left[key.fileobj.send(left[:100000]):]
        if not key.data[0]:
            watched.unregister(key.fileobj)
            key.fileobj.close()
"""


# Sends until the window that is offered is larger than asked for, or enough; says the largest.
SEND_FOR_WINDOW = """
import socket, struct, sys
wanted, port = map(int, sys.argv[1:])
connection = socket.create_connection(('10.0.2.2', port))
most = 0
for _ in range(160):
    connection.sendall(bytes(1 << 18))
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    most = max(most, struct.unpack_from('I', info, 228)[0] if len(info) == 232 else wanted + 1)
    if most > wanted:
        break
print(most)
"""


class Receiver:
    """Reads nothing until all connections are there; then all of them to their ends."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=STREAMS)
        self.port = self.listener.getsockname()[1]
        self.digests = [None] * STREAMS
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def receive(self):
        connections = [self.listener.accept()[0] for _ in range(STREAMS)]
        readers = [threading.Thread(target=self.read, args=(c,)) for c in connections]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

    def read(self, connection):
        connection.settimeout(60)
        number = connection.recv(1)[0]
        digest = hashlib.sha256()
        while piece := connection.recv(1 << 18):
            digest.update(piece)
        self.digests[number] = digest.hexdigest()


def check_settings():
    done = host.run("--quiet", "--", *host.python(READ_SETTINGS, *SETTINGS))
    tap.is_equal("what cannot be sent waits with the program; it is not paced",
                 done.stdout.split(), ["16384", "reno"])
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
        default = file.read().strip()
    name = "an impaired network gets the congestion control that networks get"
    if default == "reno":
        tap.skip(name, "it is reno here")
        return
    done = host.run("--quiet", "--impair", "delay 1ms", "--",
                    *host.python(READ_SETTINGS, *SETTINGS))
    tap.is_equal(name, done.stdout.split(), ["16384", default])


def check_window():
    """What connections share is for a link without a delay; a longer path would wait for it."""
    def read_all(connection):
        while connection.recv(1 << 20):
            pass
    port = host.Server(read_all).port
    shared = 1 << 20
    done = host.run("--quiet", "--impair", "delay 30ms", "--allow", f"out {port}/tcp to host", "--",
                    *host.python(SEND_FOR_WINDOW, shared, port))
    tap.check("over an impaired network a window is as large as the path wants",
              int(done.stdout or 0) > shared, (done.stdout, done.stderr))


def check_streams(mtu):
    receiver = Receiver()
    done = host.run("--quiet", "--mtu", mtu, "--allow", f"out {receiver.port}/tcp to host", "--",
                    *host.python(SEND, STREAMS, BYTES, receiver.port))
    receiver.thread.join(60)
    tap.is_equal(f"{STREAMS} connections that send at once, MTU {mtu}", receiver.digests,
                 done.stdout.split())


host.enter()
check_settings()
check_window()
for size in (1500, 65520):
    check_streams(size)
tap.done()
