#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: the program sees what it would see without berth: refused, unreachable, timed out,
reset, half-closed; senders are held back by slow readers; what a program leaves is delivered.

    host namespace: lo, and
      hole0   203.0.113.1/24, 2001:db8:2::1/64: a black hole
      routes  unreachable 198.51.100.0/24; nothing towards 192.0.2.0/24: no route
"""

import host
import os
import socket
import subprocess
import threading
import time

import tap

CONNECT = ("import socket, sys, errno\n"
           "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)\n"
           "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)\n"
           "try:\n"
           "    s.connect((sys.argv[1], int(sys.argv[2])))\n"
           "    print('connected')\n"
           "except OSError as e: print(errno.errorcode[e.errno])\n")


def make_network():
    host.black_hole("hole0", "203.0.113.1/24", "2001:db8:2::1/64")
    host.ip("route", "add", "unreachable", "198.51.100.0/24")
    host.ip("route", "add", "unreachable", "2001:db8:3::/64")


def check_connecting():
    """The same word with berth and without."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    listener = socket.create_server(("203.0.113.1", 0))
    cases = [
        ("a closed port", ("127.0.0.1", port), ("10.0.2.2", port)),
        ("a closed port, IPv6", ("::1", port), ("fd00::2", port)),
        ("a network that is not reached", ("192.0.2.1", 80), ("192.0.2.1", 80)),
        ("a network that is not reached, IPv6", ("2001:db8:1::1", 80), ("2001:db8:1::1", 80)),
        ("a host that is not reached", ("198.51.100.1", 80), ("198.51.100.1", 80)),
        ("a host that is not reached, IPv6", ("2001:db8:3::1", 80), ("2001:db8:3::1", 80)),
        ("a black hole", ("203.0.113.9", 80), ("203.0.113.9", 80)),
        ("a black hole, IPv6", ("2001:db8:2::9", 80), ("2001:db8:2::9", 80)),
        ("an address of the host's, named", listener.getsockname(), listener.getsockname()),
    ]
    started = [
        (name, subprocess.Popen(host.python(CONNECT, *outside), stdout=subprocess.PIPE, text=True),
         host.start("--quiet", "--allow", "out any", "--allow", "out any to host", "--",
                    *host.python(CONNECT, *inside)))
        for name, outside, inside in cases]
    for name, outside, inside in started:
        plain = outside.communicate(timeout=30)[0]
        tap.is_equal(f"{name}: {plain.strip()} as without berth",
                     inside.communicate(timeout=30)[0], plain)
    listener.close()
    closed.close()


def inside(server, script, *options):
    """Runs SCRIPT inside with `c` connected to SERVER."""
    return host.run(*options, "--quiet", "--allow", f"out {server.port}/tcp to host", "--",
                    *host.python("import socket, sys, time, errno, os\n"
                                 f"c = socket.create_connection(('10.0.2.2', {server.port}))\n"
                                 "c.settimeout(20)\n" + script))


def read_all(connection):
    data = b""
    while True:
        piece = connection.recv(1 << 20)
        if not piece:
            return data
        data += piece


def check_half_close():
    server = host.Server(lambda c: c.sendall(b"%d" % len(read_all(c))))
    done = inside(server, "c.sendall(b'x' * 100000); c.shutdown(socket.SHUT_WR)\n"
                          "print(c.recv(100).decode(), c.recv(1))\n")
    tap.is_equal("the program ends first, the answer still comes", done.stdout, "100000 b''\n")

    got = []

    def ends_first(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        got.append(len(read_all(connection)))
    server = host.Server(ends_first)
    done = inside(server, "print(c.recv(100), c.recv(1))\n"
                          "for i in range(10): c.sendall(b'y' * 10000); time.sleep(0.01)\n"
                          "c.close()\n")
    tap.is_equal("the server ends first", done.stdout, "b'bye' b''\n")
    tap.check("and still gets all that the program sends",
              host.wait_until(lambda: got == [100000]), got)


def check_reset():
    def resets(connection):
        connection.recv(1)
        host.reset(connection)
    done = inside(host.Server(resets), "c.sendall(b'x')\n"
                                       "try: print(c.recv(1))\n"
                                       "except OSError as e: print(errno.errorcode[e.errno])\n")
    tap.is_equal("the server's reset is a reset", done.stdout, "ECONNRESET\n")

    seen = []

    def is_reset(connection):
        connection.sendall(b"x")
        try:
            seen.append(read_all(connection))
        except OSError as error:
            seen.append(error.errno)
    server = host.Server(is_reset)
    inside(server, "c.recv(1)\n"
                   "c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\x01\\0\\0\\0\\0\\0\\0\\0')\n"
                   "c.close(); time.sleep(0.2)\n")
    tap.check("the program's reset is a reset", host.wait_until(lambda: seen == [104]), seen)

    def speaks_and_resets(connection):
        connection.sendall(b"z" * 50000)
        time.sleep(0.3)
        host.reset(connection)
    done = inside(host.Server(speaks_and_resets),
                  "n = 0\n"
                  "try:\n"
                  "    while True:\n"
                  "        d = c.recv(5000)\n"
                  "        if not d: break\n"
                  "        n += len(d)\n"
                  "except OSError as e: print(n, errno.errorcode[e.errno])\n")
    tap.is_equal("what came before a reset is read before it", done.stdout, "50000 ECONNRESET\n")


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def check_back_pressure():
    """A sender whose reader sleeps is held back, and berth does not grow with it."""
    slow = threading.Event()

    def reads_late(connection):
        slow.wait(30)
        connection.sendall(b"%d" % len(read_all(connection)))
    server = host.Server(reads_late, receive_bytes=65536)
    process = host.start("--quiet", "--allow", f"out {server.port}/tcp to host", "--",
                         *host.python(
                             "import socket, sys, threading\n"
                             f"c = socket.create_connection(('10.0.2.2', {server.port}))\n"
                             "c.settimeout(3)\n"
                             "n = 0\n"
                             "try:\n"
                             "    while n < 1 << 30: n += c.send(b'x' * 65536)\n"
                             "except OSError: pass\n"
                             "print(n, flush=True)\n"
                             "sys.stdin.readline()\n"
                             "c.settimeout(30); c.shutdown(socket.SHUT_WR)\n"
                             "print(c.recv(100).decode())\n"), stdin=subprocess.PIPE)
    sent = int(process.stdout.readline())
    kib = resident_kib(process.pid)
    tap.check("the program is held back by a server that does not read",
              0 < sent < 64 << 20, f"{sent} bytes were taken")
    tap.check("berth stays small meanwhile", kib < 64 * 1024, f"{kib} KiB")
    slow.set()
    process.stdin.write("\n")
    process.stdin.flush()
    tap.is_equal("and all of it arrives", int(process.communicate(timeout=60)[0]), sent)

    taken = []

    def sends_much(connection):
        total = 0
        connection.settimeout(3)
        try:
            while total < 1 << 30:
                total += connection.send(b"y" * 65536)
        except OSError:
            pass
        taken.append(total)
        connection.settimeout(30)
    server = host.Server(sends_much)
    process = host.start("--quiet", "--allow", f"out {server.port}/tcp to host", "--",
                         *host.python(
                             "import socket, sys\n"
                             "c = socket.create_connection(('10.0.2.2', " + str(server.port) +
                             "))\n"
                             "sys.stdin.readline()\n"
                             "n = 0\n"
                             "while True:\n"
                             "    d = c.recv(1 << 20)\n"
                             "    if not d: break\n"
                             "    n += len(d)\n"
                             "print(n)\n"), stdin=subprocess.PIPE)
    host.wait_until(lambda: taken, 20)
    kib = resident_kib(process.pid)
    tap.check("a server is held back by a program that does not read",
              taken and 0 < taken[0] < 64 << 20, taken)
    tap.check("berth stays small meanwhile, too", kib < 64 * 1024, f"{kib} KiB")
    process.stdin.write("\n")
    process.stdin.flush()
    tap.is_equal("and all of that arrives", int(process.communicate(timeout=60)[0]), taken[0])


def check_end():
    """What a program wrote and closed before it ended is delivered."""
    got = []

    def reads_slowly(connection):
        time.sleep(0.5)
        total = 0
        while True:
            data = connection.recv(65536)
            if not data:
                break
            total += len(data)
            time.sleep(0.001)
        got.append(total)
    server = host.Server(reads_slowly, receive_bytes=65536)
    done = inside(server, "n = 0\n"
                          "c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)\n"
                          "c.setblocking(False)\n"
                          "try:\n"
                          "    while n < 4 << 20: n += c.send(b'x' * 65536)\n"
                          "except BlockingIOError: pass\n"
                          "print(n)\n")
    tap.check("a program that ends at once: all that it wrote arrives",
              host.wait_until(lambda: got == [int(done.stdout)], 15), (got, done.stdout))
    begin = time.monotonic()
    done = host.run("--", "sh", "-c", "sleep 20 >/dev/null 2>&1 & exit 3")
    tap.check("what it left behind does not keep berth",
              done.returncode == 3 and time.monotonic() - begin < 10, done)
    server = host.Server(read_all)
    begin = time.monotonic()
    done = host.run("--quiet", "--allow", f"out {server.port}/tcp to host", "--", "sh", "-c",
                    f"nc 10.0.2.2 {server.port} </dev/zero >/dev/null 2>&1 & sleep 0.3; exit 4")
    tap.check("nor does one that goes on sending", done.returncode == 4
              and time.monotonic() - begin < 20, (done, time.monotonic() - begin))


def main():
    host.need("ip", "nc")
    make_network()
    check_connecting()
    check_half_close()
    check_reset()
    check_back_pressure()
    check_end()
    tap.done()


main()
