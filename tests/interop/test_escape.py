#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The escape matrix: a program inside `berth run` tries to get out in every way a program might.

    tests/interop/test_escape.py            tries every row of escape_rows.py
    tests/interop/test_escape.py --write    writes docs/escape-matrix.md from them

Of each row is shown: what the program saw; that nothing arrived, by a socket that sees every packet
on every device of the host's namespace, and servers there that would take it; what --log has of it.
Packets that no program can make are put on its link, with all powers, from its own namespace.

    host namespace: lo, and                          inside: berth0, the program's link
      world0  203.0.113.1/24, 2001:db8:2::1/64: the network, a device that answers nothing;
              both default routes
"""

import collections
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import escape_document  # noqa: E402
import escape_rows as rows  # noqa: E402

if sys.argv[1:] == ["--write"]:
    escape_document.write()
    sys.exit(0)

import host  # noqa: E402  moves into the namespace
import ctypes  # noqa: E402
import fcntl  # noqa: E402
import ipaddress  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402

import tap  # noqa: E402

QUIET4, QUIET6 = "169.254.9.9", "64:ff9b::a9fe:909"  # never allowed: its refusal ends a row
OUTGOING = 4  # PACKET_OUTGOING
SILENCE_S = 0.15  # for rows that may get no answer
LAST = ("kill_berth", "left_behind")  # ways that end the run, each in one of its own
CONTROLS = {  # what a policy does allow must arrive, or nothing that does not is a proof
    rows.NARROW: [("tcp", rows.GATE4, 7000), ("udp", rows.GATE6, 7001)],
    rows.NETWORK: [("udp", rows.PUBLIC4, 80), ("udp", rows.PUBLIC6, 80)],
    rows.ALL: [("udp", rows.PUBLIC4, 80), ("tcp", rows.GATE4, 80), ("tcp", rows.GATE6, 80)],
    rows.ONLY4: [("udp", rows.PUBLIC4, 80)],
    rows.ONLY6: [("udp", rows.PUBLIC6, 80)],
    rows.RULES4: [("udp", rows.PUBLIC4, 80), ("tcp", rows.GATE4, 80)],
    rows.RULES6: [("udp", rows.PUBLIC6, 80), ("tcp", rows.GATE6, 80)],
}
UNSENT = ("EPERM", "EACCES", "EINVAL", "EROFS", "EPROTONOSUPPORT", "ENETUNREACH")  # no packet left


# ---- Packets seen -----------------------------------------------------------------------------


def read_packet(data):
    """(protocol, source, destination, transport bytes)"""
    if data[0] >> 4 == 4:
        return (data[9], *[str(ipaddress.ip_address(data[at:at + 4])) for at in (12, 16)],
                data[(data[0] & 15) * 4:])
    return (data[6], *[str(ipaddress.ip_address(data[at:at + 16])) for at in (8, 24)], data[40:])


class Sniffer:
    """Every packet on every device of the namespace that it was made in, or on one."""

    def __init__(self, device=None):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if device is not None:
            self.socket.bind((device, 3))
        self.socket.setblocking(False)

    def packets(self, is_incoming=False):
        got = []
        while True:
            try:
                data, where = self.socket.recvfrom(70000)
            except BlockingIOError:
                return got
            if data and data[0] >> 4 in (4, 6) and not (is_incoming and where[2] == OUTGOING):
                got.append(read_packet(data))

    def arrived(self):
        """Words for each packet but the host kernel's own talk with its neighbours."""
        words = []
        for protocol, _, to, data in self.packets():
            if protocol == 58 and data[0] in (133, 135, 136, 143) or to.startswith("ff02::16"):
                continue
            port = f" {int.from_bytes(data[2:4], 'big')}" if protocol in (6, 17) else ""
            words.append(f"{ {6: 'tcp', 17: 'udp'}.get(protocol, protocol)} {to}{port}")
        return words


def answer_words(packets):
    """What came back to packets on the link, the row's end left out."""
    words = []
    for protocol, source, _, data in packets:
        if source in (QUIET4, QUIET6):
            continue
        if protocol == 6:
            words.append({4: "RST", 20: "RST", 18: "SYN,ACK"}.get(data[13], f"TCP {data[13]}"))
        elif protocol in (1, 58):
            words.append(f"ICMP{'v6' if protocol == 58 else ''} {data[0]}/{data[1]}")
        else:
            words.append(f"protocol {protocol}")
    return ", ".join(sorted(set(words))) or rows.NO_ANSWER


# ---- The host ---------------------------------------------------------------------------------


class World:
    """The host's namespace: its network, what would take what got out, what sees it."""

    def __init__(self):
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH22x", b"world0", 0x1001))
        host.ip("link", "set", "world0", "addrgenmode", "none")
        host.ip("address", "add", f"{rows.HOST4}/24", "dev", "world0")
        host.ip("address", "add", f"{rows.HOST6}/64", "dev", "world0", "nodad")
        host.ip("link", "set", "world0", "up")
        host.ip("route", "add", "default", "dev", "world0")
        host.ip("-6", "route", "add", "default", "dev", "world0")
        self.takers = [self.taker(socket.SOCK_STREAM, port) for port in (80, 7000, 7001)]
        self.takers += [self.taker(socket.SOCK_DGRAM, port) for port in (53, 80, 7000, 7001, 7005)]
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0berth-escape")
        self.abstract.listen(8)
        self.abstract.setblocking(False)
        self.sniffer = Sniffer()

    @staticmethod
    def taker(kind, port):
        sock = socket.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
        sock.setblocking(False)
        return sock

    def taken(self):
        """What the servers have got since they were asked last."""
        got = []
        for sock in (*self.takers, self.abstract):
            try:
                while True:
                    if sock.type == socket.SOCK_DGRAM:
                        got.append(("udp", sock.getsockname()[1], sock.recv(2000)))
                    else:
                        connection, _ = sock.accept()
                        connection.close()
                        got.append(("stream", sock.getsockname()))
            except BlockingIOError:
                pass
        return got

    def left_open(self):
        """Descriptors that berth is started with: {word: number}."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.connect(("127.0.0.1", 7005))
        tcp = socket.create_connection(("127.0.0.1", 80))
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
        self.kept = [udp, tcp, packet, netlink]
        numbers = {"udp": udp.fileno(), "tcp": tcp.fileno(), "packet": packet.fileno(),
                   "netlink": netlink.fileno(), "tun": os.dup(self.tun),
                   "namespace": os.open("/proc/self/ns/net", os.O_RDONLY)}
        # High numbers: none that berth or the program would open themselves.
        return {word: fcntl.fcntl(number, fcntl.F_DUPFD, 100 + at)
                for at, (word, number) in enumerate(numbers.items())}


class Prisoner:
    """escape_inside.py under `berth run`, and its link seen from its namespace."""

    def __init__(self, world, directory, prefix, policy):
        self.log_path = os.path.join(directory, f"log{time.monotonic_ns()}")
        self.quiet = QUIET6 if "--ipv6-only" in rows.POLICIES[policy] else QUIET4
        self.left = world.left
        words = host.argv("--quiet", "--log", self.log_path, "--dns", "127.0.0.1",
                          *rows.POLICIES[policy], "--", host.PYTHON, "-I",
                          os.path.join(directory, "escape_inside.py"))
        self.process = subprocess.Popen([*prefix, *words], stdin=subprocess.PIPE, cwd="/",
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        pass_fds=list(world.left.values()))
        first = self.process.stdout.readline()
        if not first:
            raise RuntimeError(self.process.communicate()[1])
        self.pid = int(first)
        self.log = open(self.log_path, encoding="utf-8")
        self.port = 1000
        self.link = self.enter()

    def enter(self):
        """A socket on berth0, made in the program's network namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        inner = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        if libc.setns(inner, host.CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return Sniffer("berth0")
        finally:
            libc.setns(own, host.CLONE_NEWNET)
            os.close(own)
            os.close(inner)

    def ask(self, *call, silence_s=5.0):
        """What the program says of a way. SILENCE_S: so long it waits for an answer."""
        words = [self.left[word[1:]] if isinstance(word, str) and word.startswith("$") else word
                 for word in call]
        self.process.stdin.write(json.dumps([silence_s, *words]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else "the program has ended"

    def put(self, packets):
        for packet in packets:
            kind = 0x86dd if packet[0] >> 4 == 6 else 0x0800
            self.link.socket.sendto(packet, ("berth0", kind))

    def settle(self):
        """berth has seen everything that came before, when it refuses what comes last."""
        self.port += 1
        self.ask("tcp", self.quiet, self.port)
        events = []
        last = f"refused tcp {self.quiet} {self.port}"
        deadline = time.monotonic() + 5
        while last not in events and time.monotonic() < deadline:
            events += self.read_log()
        return [event for event in events if event != last]

    def read_log(self):
        lines = [json.loads(line) for line in self.log]
        return [log_words(line) for line in lines if line["event"] != "scan"]  # which this is

    def end(self):
        """Ends it; the packets that berth counted: {reason: packets}."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        dropped = collections.Counter()
        rest = [json.loads(line) for line in self.log]
        for line in rest:
            if line["event"] == "dropped":
                dropped[line["reason"]] += line["packets"]
        self.log.close()
        self.link.socket.close()
        self.process.stdout.close()
        self.process.stderr.close()
        return dropped


def log_words(line):
    if line["event"] == "name_refused":
        return f"name {line['host_name']}"
    port = "" if line.get("remote_port") is None else f" {line['remote_port']}"
    return f"{line['event']} {line.get('protocol')} {line.get('remote_address')}{port}"


# ---- The rows ---------------------------------------------------------------------------------


def is_count(entry):
    """"source_route 1" is counted, "refused tcp ..." and "name ..." are lines of their own."""
    return entry.split()[0] not in ("refused", "failed", "name")


def check_row(world, prisoner, kind, row, settles=True):
    prisoner.link.packets()
    if row.is_link:
        prisoner.put(row.call[0])
        events = prisoner.settle()
        saw = answer_words(prisoner.link.packets(is_incoming=True))
        if saw not in row.sees:  # written after what ended the row
            time.sleep(0.3)
            saw = answer_words(prisoner.link.packets(is_incoming=True))
    else:
        saw = prisoner.ask(*row.call, silence_s=SILENCE_S if rows.NO_ANSWER in row.sees else 5)
        events = prisoner.settle() if settles else []
    arrived = [each for each in world.sniffer.arrived() if not is_allowed(row, each)]
    expected = [entry for entry in row.logged if not is_count(entry)]
    events = [each for each in events if not is_allowed(row, each)]
    tap.check(f"{kind}, {row.rules}: {'link: ' if row.is_link else ''}{row.way}",
              saw in row.sees and arrived == [] and events == expected,
              f"saw {saw!r}, of {row.sees}\narrived {arrived}\nlogged {events}, of {expected}")
    return saw


def is_allowed(row, words):
    """The allowed half of a row that does both."""
    return row.call[0] == "udp_after" and words.split()[-1] == str(row.call[2])


def check_controls(world, prisoner, kind, policy):
    """What is allowed does arrive: by the program, and by packets on its link."""
    world.sniffer.arrived()
    for way, address, port in CONTROLS.get(policy, []):
        prisoner.ask(way, address, port, silence_s=SILENCE_S if way == "udp" else 5)
        prisoner.settle()
        seen = world.sniffer.arrived()
        real = {rows.GATE4: "127.0.0.1", rows.GATE6: "::1"}.get(address, address)
        tap.check(f"{kind}, {policy}: what is allowed arrives: {way} {address} {port}",
                  f"{way} {real} {port}" in seen, seen)
    if policy in (rows.NARROW, rows.ALL):
        prisoner.link.packets()
        port = 7000 if policy == rows.NARROW else 80
        prisoner.put(rows.syn(rows.GATE4, port, source_port=50000))
        seen = []

        def has_arrived():
            seen.extend(world.sniffer.arrived())
            seen.append(answer_words(prisoner.link.packets(is_incoming=True)))
            return (f"tcp 127.0.0.1 {port}" in seen
                    and any("SYN,ACK" in each for each in seen))
        tap.check(f"{kind}, {policy}: and so does a packet on the link",
                  host.wait_until(has_arrived, 5), seen)
    world.taken()  # which ends those connections
    quiet = 0
    for _ in range(100):
        time.sleep(0.05)
        quiet = 0 if prisoner.settle() or world.sniffer.arrived() else quiet + 1
        if quiet == 2:
            break


def check_policy(world, directory, kind, prefix, policy, groups):
    """All rows of one policy in one run; what it counted, beside what its rows say."""
    prisoner = Prisoner(world, directory, prefix, policy)
    expected = collections.Counter()
    check_controls(world, prisoner, kind, policy)
    with_link = kind == KINDS[0][0]  # the link is the same whoever the program is
    for _, _, group in groups:
        for row in group:
            if (row.is_link and not with_link) or row.call[0] in LAST:
                continue
            saw = check_row(world, prisoner, kind, row)
            for entry in row.logged:
                if is_count(entry) and saw not in UNSENT:
                    expected[entry.split()[0]] += int(entry.split()[1])
    taken = [each for each in world.taken() if each[:2] != ("udp", 7001)]
    tap.is_equal(f"{kind}, {policy}: no server of the host's got anything", taken, [])
    dropped = prisoner.end()
    tap.is_equal(f"{kind}, {policy}: and every packet that was dropped is counted in the log",
                 dict(dropped), dict(expected))
    arrived = [each for each in world.sniffer.arrived() if not each.startswith("udp ::1 7001")]
    tap.is_equal(f"{kind}, {policy}: nothing came later", arrived, [])


def check_killed(world, directory, kind, prefix, groups):
    for _, _, group in groups:
        for row in group:
            if row.call[0] in LAST:
                prisoner = Prisoner(world, directory, prefix, row.rules)
                check_row(world, prisoner, kind, row, settles=False)
                prisoner.end()


KINDS = [("root" if host.IS_ROOT_OUTSIDE else "user", [])]


def main():
    host.need("ip", "unshare", "setpriv")
    everything = rows.groups()
    tap.is_equal("docs/escape-matrix.md says what the rows say (else: test_escape.py --write)",
                 escape_document.current(), escape_document.text())
    world = World()
    world.left = world.left_open()
    world.taken()
    with tap.temp_dir() as directory:
        shutil.copy(os.path.join(HERE, "escape_inside.py"), directory)
        prefix = host.as_user(directory)
        os.chmod(directory, 0o777)
        if prefix is not None:
            KINDS.append(("user", prefix))
        only = os.environ.get("BERTH_ESCAPE_ONLY")
        for kind, words in KINDS:
            for policy in rows.POLICIES:
                if only is None or only == policy:
                    groups = [group for group in everything if group[1] == policy]
                    check_policy(world, directory, kind, words, policy, groups)
            check_killed(world, directory, kind, words, everything)
    tap.done()


main()
