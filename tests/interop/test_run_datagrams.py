#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: UDP, ICMP echo and names: refused with the words that allow it, relayed both ways with
the errors of the real network, resolved by the host's name servers.

    host namespace: lo; 203.0.113.1 on hole0; name servers of the test's on 127.0.0.1 and ::1
"""

import os
import socket
import struct
import time

import host
import tap

# ---- A name server ---------------------------------------------------------------------------

RECORDS = {("example.test", 1): [socket.inet_aton("192.0.2.10"), socket.inet_aton("192.0.2.11")],
           ("example.test", 28): [socket.inet_pton(socket.AF_INET6, "2001:db8::10")],
           ("big.test", 1): [socket.inet_aton(f"192.0.2.{i}") for i in range(1, 101)]}


def read_question(data):
    at, labels = 12, []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    kind = struct.unpack(">H", data[at + 1:at + 3])[0]
    return ".".join(labels).lower(), kind, data[12:at + 5]


def answer_dns(data, limit):
    name, kind, question = read_question(data)
    known = [key for key in RECORDS if key[0] == name]
    records = RECORDS.get((name, kind), [])
    rcode = 0 if known else 3
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(r)) + r for r in records)
    flags = 0x8180 | rcode
    if 12 + len(question) + len(body) > limit:
        flags, body, records = flags | 0x0200, b"", []
    return data[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question + body


class NameServer:
    """Answers over UDP and TCP on one port; `asked` has what came."""

    def __init__(self, answer=answer_dns):
        self.asked = []
        self.answer = answer
        self.udp = host.UdpServer(self.on_datagram)
        self.port = self.udp.port
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        host.threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def on_datagram(self, data, client):
        self.asked.append(("udp", read_question(data)[0], data[:2], client[1]))
        return self.answer(data, 512)

    def accept(self, listener):
        while True:
            connection, _ = listener.accept()
            length = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
            data = connection.recv(length, socket.MSG_WAITALL)
            self.asked.append(("tcp", read_question(data)[0], data[:2], 0))
            reply = self.answer(data, 65535)
            connection.sendall(struct.pack(">H", len(reply)) + reply)
            connection.close()


def check_names():
    server = NameServer()
    dns = f"127.0.0.1:{server.port}"
    lookup = ["--dns", dns, "--allow", "out https", "--quiet", "--", "dig", "+tries=1", "+time=5"]
    for resolver in ("10.0.2.3", "fd00::3"):
        done = host.run(*lookup, "+short", f"@{resolver}", "example.test")
        tap.is_equal(f"a name, asked at {resolver}", sorted(done.stdout.split()),
                     ["192.0.2.10", "192.0.2.11"])
    done = host.run(*lookup, "+short", "AAAA", "example.test")
    tap.is_equal("its IPv6 address", done.stdout, "2001:db8::10\n")
    done = host.run(*lookup, "+tcp", "+short", "example.test")
    tap.check("over TCP", "192.0.2.10" in done.stdout and server.asked[-1][0] == "tcp", done.stdout)
    done = host.run(*lookup, "+noedns", "+short", "big.test")
    tap.check("a truncated answer: the program asks again over TCP",
              len(done.stdout.split()) == 100, (done.stdout, done.stderr))
    done = host.run(*lookup, "nowhere.test")
    tap.check("a name that is not there: NXDOMAIN", "status: NXDOMAIN" in done.stdout, done.stdout)
    done = host.run("--dns", dns, "--allow", "out https", "--quiet", "--", *host.python(
        "import socket\nprint(sorted({a[4][0] for a in socket.getaddrinfo('example.test', 80)}))"))
    tap.is_equal("by the program's libc", done.stdout,
                 "['192.0.2.10', '192.0.2.11', '2001:db8::10']\n")
    ids = [asked[2] for asked in server.asked if asked[0] == "udp"]
    ports = [asked[3] for asked in server.asked if asked[0] == "udp"]
    tap.check("each question has an id and a port of its own",
              len(set(ids)) > len(ids) * 3 // 4 and len(set(ports)) > len(ports) * 3 // 4,
              (ids, ports))

    server.asked.clear()
    done = host.run("--dns", dns, "--", "dig", "+tries=1", "+time=5", "example.test")
    tap.check("no rule reaches the network: REFUSED at once, and nobody is asked",
              "status: REFUSED" in done.stdout and server.asked == [], (done.stdout, server.asked))
    tap.check("and said at the end", "berth: did not resolve example.test: " in done.stderr,
              done.stderr)
    done = host.run("--dns", dns, "--allow", "out 80 to host", "--quiet", "--", "dig", "+tries=1",
                    "+time=5", "example.test")
    tap.check("a rule for the host alone reaches no network", "status: REFUSED" in done.stdout,
              done.stdout)
    done = host.run("--no-dns", "--quiet", "--", "dig", "+tries=1", "+time=1", "@10.0.2.3", "a.test")
    tap.check("--no-dns: no name server inside", "status:" not in done.stdout, done.stdout)
    done = host.run("--hosts", "own.test=10.9.8.7", "--hosts", "own.test=fd00::99", "--quiet", "--",
                    "sh", "-c", "dig +short own.test; dig +short AAAA OWN.test; dig own.test TXT; "
                    "getent ahostsv4 own.test")
    lines = done.stdout.splitlines()
    tap.check("--hosts: both addresses, other types empty, and in the program's /etc/hosts",
              lines[:2] == ["10.9.8.7", "fd00::99"] and "status: NOERROR" in done.stdout
              and "ANSWER: 0" in done.stdout and lines[-1].startswith("10.9.8.7"), done.stdout)

    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # takes questions, answers none
    dead.bind(("127.0.0.1", 0))
    done = host.run("--dns", f"127.0.0.1:{dead.getsockname()[1]}", "--dns", dns, "--allow",
                    "out https", "--quiet", "--", "dig", "+short", "+tries=1", "+time=8",
                    "example.test")
    tap.check("a name server that is silent: the next is asked", "192.0.2.10" in done.stdout,
              done.stdout)
    closed = host.UdpServer(lambda data, client: None)
    for listener in closed.sockets:
        listener.close()
    done = host.run("--dns", "127.0.0.1:1", "--allow", "out https", "--quiet", "--", "dig",
                    "+tries=1", "+time=8", "example.test")
    tap.check("a name server that is not there: SERVFAIL at once",
              "status: SERVFAIL" in done.stdout, done.stdout)

    def lies(data, _limit):
        return b"\0\0" + answer_dns(data, 65535)[2:] if data[:2] != b"\0\0" else b""
    done = host.run("--dns", f"127.0.0.1:{NameServer(lies).port}", "--allow", "out https",
                    "--quiet", "--", "dig", "+tries=1", "+time=3", "example.test")
    tap.check("an answer with another id is none", "192.0.2.10" not in done.stdout, done.stdout)


def check_own_resolv_conf():
    """Without --dns the host's /etc/resolv.conf counts, as it is now."""
    with tap.temp_dir() as directory:
        path = os.path.join(directory, "resolv.conf")
        server = host.UdpServer(lambda data, client: answer_dns(data, 512), ("127.0.0.53",), 53)
        with open(path, "w", encoding="utf-8") as file:
            file.write("nameserver 127.0.0.53\n")
        words = ["--allow", "out https", "--quiet", "--", "dig", "+short", "+tries=1", "+time=5",
                 "example.test"]
        real = os.path.realpath("/etc/resolv.conf")
        if host.subprocess.run(["mount", "--bind", path, real], check=False).returncode != 0:
            tap.skip("the host's name servers", "cannot bind over /etc/resolv.conf")
            return
        done = host.run(*words)
        tap.check("the host's name servers are asked", "192.0.2.10" in done.stdout,
                  (done.stdout, done.stderr))
        with open(path, "w", encoding="utf-8") as file:
            file.write("# none\n")
        done = host.run(*words)
        tap.check("none there: said", "berth: names cannot be resolved: " in done.stderr,
                  done.stderr)
        host.subprocess.run(["umount", real], check=True)
        del server


# ---- UDP -------------------------------------------------------------------------------------

def check_udp_refused():
    server = NameServer()
    for gateway in ("10.0.2.2", "fd00::2"):
        dig = ["dig", "+short", "+tries=1", "+time=5", "-p", server.port, f"@{gateway}",
               "example.test"]
        begin = time.monotonic()
        done = host.run("--", *dig)
        tap.check(f"dig {gateway}: refused, not waited for",
                  "192.0.2" not in done.stdout and time.monotonic() - begin < 4, done.stdout)
        tap.is_equal(f"dig {gateway}: the very words", host.hints(done.stderr),
                     [f"out {server.port}/udp to host"])
        done = host.run("--allow", f"out {server.port}/udp to host", "--", *dig)
        tap.check(f"dig {gateway}: let through with those words",
                  "192.0.2.10" in done.stdout and done.stderr == "", (done.stdout, done.stderr))


UDP = ("import socket, sys, errno, struct\n"
       "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, "
       "socket.SOCK_DGRAM)\n"
       "s.settimeout(10)\n"
       "s.connect((sys.argv[1], int(sys.argv[2])))\n")


def udp_inside(port, script, gateway="10.0.2.2", options=()):
    return host.run(*options, "--quiet", "--allow", "out any to host", "--allow", "out any", "--",
                    *host.python(UDP + script, gateway, port))


def check_udp():
    echo = host.UdpServer(lambda data, client: data)
    for gateway in ("10.0.2.2", "fd00::2"):
        for size in (0, 1, 1472, 9000, 65000):
            done = udp_inside(echo.port, f"s.send(b'x' * {size}); print(len(s.recv(70000)))",
                              gateway)
            tap.is_equal(f"UDP, {gateway}: {size} bytes and back", done.stdout, f"{size}\n")
    done = udp_inside(echo.port, "for i in range(2000):\n"
                                 "    s.send(struct.pack('>I', i) * 50)\n"
                                 "    assert s.recv(1000) == struct.pack('>I', i) * 50\n"
                                 "print('done')")
    tap.is_equal("2000 datagrams, one after the other", done.stdout, "done\n")

    got = []

    def count(data, _client):
        got.append(len(data))
        return b"done" if data[:3] == b"end" else None
    sink = host.UdpServer(count)
    done = udp_inside(sink.port, "s.setsockopt(socket.IPPROTO_UDP, 103, 1200)\n"  # UDP_SEGMENT
                                 "for i in range(5): s.send(b'y' * 12000)\n"
                                 "s.setsockopt(socket.IPPROTO_UDP, 103, 0)\n"
                                 "s.send(b'end'); print(s.recv(10))\n")
    tap.check("a program's super-datagrams arrive as datagrams",
              done.stdout == "b'done'\n" and got[:50] == [1200] * 50, (done.stdout, got[:60]))

    def burst(_data, client):
        bursts.sockets[0].setsockopt(socket.IPPROTO_UDP, 103, 1000)
        bursts.sockets[0].sendto(b"".join(bytes([i]) * 1000 for i in range(20)) + b"tail", client)
        return None
    bursts = host.UdpServer(burst, ("127.0.0.1",))
    done = udp_inside(bursts.port, "s.send(b'x')\n"
                                   "for i in range(20): assert s.recv(2000) == bytes([i]) * 1000\n"
                                   "print(s.recv(2000))\n")
    tap.is_equal("a server's super-datagram arrives as datagrams", done.stdout, "b'tail'\n")

    closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    told = ("s.send(b'x')\n"
            "try: s.recv(1)\n"
            "except OSError as e: print(errno.errorcode[e.errno])\n")
    tap.is_equal("a closed UDP port: ECONNREFUSED", udp_inside(port, told).stdout,
                 "ECONNREFUSED\n")
    told = "s.setsockopt(socket.IPPROTO_IP, 11, 1)\n" + told  # IP_RECVERR: soft errors too
    tap.is_equal("a network that is not reached: ENETUNREACH",
                 udp_inside(9, told, "198.51.100.1").stdout, "ENETUNREACH\n")
    tap.is_equal("a host that is not reached: EHOSTUNREACH",
                 udp_inside(9, told, "192.0.2.1").stdout, "EHOSTUNREACH\n")


# ---- ICMP ------------------------------------------------------------------------------------

def check_ping():
    for gateway in ("10.0.2.2", "fd00::2"):
        done = host.run("--", "ping", "-c", "1", "-W", "5", gateway)
        tap.check(f"ping {gateway}: refused, and answered at once",
                  done.returncode == 1 and "0 received" in done.stdout
                  and ("filtered" in done.stdout or "prohibited" in done.stdout), done.stdout)
        tap.is_equal(f"ping {gateway}: the very words", host.hints(done.stderr),
                     ["out icmp to host"])
        for size in (0, 56, 1472, 8000):
            done = host.run("--allow", "out icmp to host", "--", "ping", "-c", "3", "-i", "0.05",
                            "-s", size, "-W", "5", gateway)
            tap.check(f"ping {gateway}: {size} bytes, relayed with those words",
                      "3 received" in done.stdout and done.stderr == "",
                      (done.stdout, done.stderr))
    done = host.run("--quiet", "--allow", "out icmp", "--", "ping", "-c", "1", "-W", "1",
                    "203.0.113.9")
    tap.check("nobody there: no reply is made up", "0 received" in done.stdout, done.stdout)
    done = host.run("--quiet", "--allow", "out icmp", "--", "ping", "-c", "1", "-W", "3",
                    "192.0.2.1")
    tap.check("a host that is not reached", "Unreachable" in done.stdout, done.stdout)


def check_ping_forbidden():
    """Without ping sockets, as an ordinary user: the setting is named."""
    with tap.temp_dir() as directory:
        prefix = host.as_user(directory)
        if prefix is None:
            tap.skip("ping where it is forbidden", "needs root to become another user")
            return
        with open("/proc/sys/net/ipv4/ping_group_range", "w", encoding="ascii") as file:
            file.write("1 0")
        words = ["--allow", "out icmp to host", "--quiet", "--", "ping", "-c", "2", "-i", "0.2",
                 "-W", "3", "10.0.2.2"]
        done = host.subprocess.run([*prefix, *host.argv(*words)], stdout=-1, stderr=-1, text=True,
                                   timeout=30, check=False, cwd="/")
        tap.check("ping where it is forbidden: the setting is named, once",
                  done.stderr.count("net.ipv4.ping_group_range") == 1, done.stderr)
        tap.check("and the program is told", "0 received, +2 errors" in done.stdout, done.stdout)
        done = host.run(*words)
        tap.check("root needs no ping sockets", "2 received" in done.stdout,
                  (done.stdout, done.stderr))
        done = host.run(*words[:-1], "fd00::2")
        tap.check("nor with IPv6", "2 received" in done.stdout, (done.stdout, done.stderr))


def main():
    host.need("dig", "ping", "ip")
    host.black_hole("hole0", "203.0.113.1/24")
    host.ip("route", "add", "unreachable", "192.0.2.0/24")
    check_names()
    check_own_resolv_conf()
    check_udp_refused()
    check_udp()
    check_ping()
    check_ping_forbidden()
    tap.done()


main()
