# SPDX-License-Identifier: MIT
"""Conversations between berth and the Linux kernel, for test_kernel_*.py.

    namespace of the test:  kernel socket 10.N.M.2 ---- TUN ---- berth_peer 10.N.M.1

Each conversation has a TUN device of its own, so that many go on at once; they end with the
namespace. What each side sends is a file of random bytes of a seed, repeated; both sides compare
every byte that comes.
"""

import concurrent.futures
import errno
import fcntl
import itertools
import json
import os
import random
import socket
import struct
import subprocess
import tempfile
import threading
import time

import host  # moves into the namespace
import tap

PEER = os.path.join(os.environ["BERTH_BUILD"], "tests", "interop", "berth_peer")
PORT = 7000
LIMIT_S = 30  # of one conversation
PERIOD = (1 << 20) + 7  # of the patterns: no power of two
TCP_INFO, TCP_CONGESTION = 11, 13
FIONREAD, SIOCATMARK = 0x541B, 0x8905
STATE_SYN_SENT = 2  # of TCP_INFO
E_RESET, E_ABORTED, E_REFUSED = -13, -18, -12  # enum berth_error
OPTIONS = {"timestamps": 1, "sack": 2, "window_scale": 4, "ecn": 8, "ecn_seen": 16, "syn_data": 32}
SYSCTLS = {"timestamps": "tcp_timestamps", "sack": "tcp_sack", "window_scale": "tcp_window_scaling",
           "ecn": "tcp_ecn"}

numbers = itertools.count(1)
folder = tempfile.TemporaryDirectory(prefix="berth-test.")


class Pattern:
    def __init__(self, name, seed):
        self.bytes = random.Random(seed).randbytes(PERIOD)
        self.doubled = memoryview(self.bytes * 2)
        self.path = os.path.join(folder.name, name)
        with open(self.path, "wb") as file:
            file.write(self.bytes)

    def at(self, place, count):
        """COUNT bytes, at most PERIOD, from PLACE of the stream."""
        begin = place % PERIOD
        return self.doubled[begin:begin + count]


def need():
    """Ends the test, skipped, where there is no TUN or no berth_peer."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        host.skip_all("no /dev/net/tun here")
    if not os.access(PEER, os.X_OK):
        host.skip_all(f"{PEER} is not built")
    probe = subprocess.run(["ip", "tuntap", "add", "dev", "probe", "mode", "tun", "vnet_hdr"],
                           stderr=subprocess.PIPE, text=True)
    if probe.returncode != 0:
        host.skip_all(f"no TUN devices here: {probe.stderr.strip()}")


def sysctl(name, value=None):
    """A setting of the namespace, written if VALUE is given; None: this kernel has it not, or not
    for us."""
    try:
        with open(f"/proc/sys/net/ipv4/{name}", "r+" if value is not None else "r",
                  encoding="ascii") as file:
            if value is not None:
                file.write(str(value))
                return str(value)
            return file.read().strip()
    except OSError:
        return None


def tcp_info(connection):
    """The figures of TCP_INFO that the tests look at; what an old kernel does not tell is 0."""
    raw = connection.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256).ljust(256, b"\0")
    info = {name: bool(raw[5] & bit) for name, bit in OPTIONS.items()}
    info.update(state=raw[0], snd_wscale=raw[6] & 15, rcv_wscale=raw[6] >> 4)
    for name, place in (("snd_mss", 16), ("rcv_mss", 20), ("total_retrans", 100),
                        ("delivered_ce", 196), ("snd_wnd", 228)):
        info[name] = struct.unpack_from("=I", raw, place)[0]
    info["rwnd_limited_us"] = struct.unpack_from("=Q", raw, 176)[0]
    return info


class Case:
    """One conversation: what each side does and is set to."""

    def __init__(self, name, **options):
        self.name = name
        self.role = "client"  # berth's
        self.family = 4
        self.mtu = 1500
        self.settings = {}  # of berth's stack
        self.peer_words = []  # further options of berth_peer
        self.impair = None
        self.cc = None  # of the kernel's end
        self.berth_sends = self.kernel_sends = 256 << 10
        self.berth_order = self.kernel_order = "together"
        self.berth_aborts = self.kernel_aborts = False
        self.socket_options = []  # (level, option, value), set before the connection
        self.kernel_stalls_s = 0  # before it reads
        self.kernel_idle_s = 0  # before it sends
        self.kernel_urgent_at = 0
        self.turns = 1  # conversations, one after another
        self.kernel_listens = True
        self.berth_listens_at = PORT
        self.berth_urgent_at = 0
        for option, value in options.items():
            assert hasattr(self, option), option
            setattr(self, option, value)


class Outcome:
    def __init__(self):
        self.error = None  # the kernel's side: an OSError's errno
        self.received = 0
        self.mismatch_at = None
        self.ended = False  # the end of the stream was read
        self.waiting = None  # bytes in the kernel's queue after its stall
        self.mark_at = None  # where SIOCATMARK said yes
        self.info = {}
        self.document = {}  # of berth_peer
        self.berth = {}  # of its one conversation
        self.text = ""
        self.earlier = []  # Outcomes of the turns before

    def good(self, case):
        """Why it is not as it must be; empty: all bytes right, ended in order on both sides."""
        faults = [fault for outcome in self.earlier for fault in outcome.good(case)]
        if self.error is not None:
            faults.append(f"kernel: {os.strerror(self.error)}")
        if self.mismatch_at is not None:
            faults.append(f"kernel: wrong byte at {self.mismatch_at}")
        if (self.received, self.ended) != (case.berth_sends, True):
            faults.append(f"kernel: {self.received} of {case.berth_sends} bytes, end {self.ended}")
        berth = self.berth
        if berth.get("mismatch_at", 0) is not None:
            faults.append(f"berth: wrong byte at {berth.get('mismatch_at')}")
        if (berth.get("received"), berth.get("peer_closed")) != (case.kernel_sends, True):
            faults.append(f"berth: {berth.get('received')} of {case.kernel_sends} bytes, "
                          f"end {berth.get('peer_closed')}")
        if berth.get("error") != 0 or not self.document.get("over"):
            faults.append(f"berth: ended with {berth.get('ended')}")
        if self.document.get("connections_left") != 0:
            faults.append("berth: a connection is left")
        return faults


patterns = {"kernel": Pattern("kernel", 1), "berth": Pattern("berth", 2)}


def addresses(number, family):
    if family == 4:
        net = f"10.{20 + number // 250}.{number % 250}"
        return f"{net}.2", f"{net}.1", 24
    return f"fd20:{number:x}::2", f"fd20:{number:x}::1", 64


def set_up_device(number, case):
    ours, _, width = addresses(number, case.family)
    lines = [f"link set t{number} mtu {case.mtu} up",
             f"addr add {ours}/{width} dev t{number}" + (" nodad" if case.family == 6 else "")]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True, timeout=20)
    if case.family == 6 and not host.wait_until(lambda: has_local_route(ours), 5):
        raise OSError(errno.EADDRNOTAVAIL, ours)


def has_local_route(address):
    """The kernel takes packets to an IPv6 address some time after the address was added."""
    digits = socket.inet_pton(socket.AF_INET6, address).hex()
    with open("/proc/net/ipv6_route", encoding="ascii") as file:
        return any(line.startswith(f"{digits} 80 ") for line in file)


def start_peer(number, case):
    ours, theirs, width = addresses(number, case.family)
    there = f"[{ours}]" if case.family == 6 else ours
    settings = {"mtu": case.mtu, **case.settings}
    words = [PEER, "--tun", f"t{number}", "--address", f"{theirs}/{width}",
             "--send", case.berth_sends, "--send-file", patterns["berth"].path,
             "--expect-file", patterns["kernel"].path, "--order", case.berth_order,
             "--limit", LIMIT_S, "--seed", number, "--turns", case.turns]
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words += ["--impair", case.impair, "--linger-ms", 300] if case.impair else []
    words += ["--abort"] if case.berth_aborts else []
    words += ["--urgent-at", case.berth_urgent_at] if case.berth_urgent_at else []
    words += (["--connect", f"{there}:{PORT}"] if case.role == "client"
              else ["--listen", case.berth_listens_at])
    return subprocess.Popen([*map(str, words), *map(str, case.peer_words)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


# ---- The kernel's side ----------------------------------------------------------------------


def prepare(connection, case):
    connection.settimeout(LIMIT_S)
    if case.cc:
        connection.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, case.cc.encode())
    for level, option, value in case.socket_options:
        connection.setsockopt(level, option, value)


def send_all(connection, case):
    time.sleep(case.kernel_idle_s)
    place = 0
    while place < case.kernel_sends:
        count = min(1 << 18, case.kernel_sends - place)
        if place < case.kernel_urgent_at:
            count = min(count, case.kernel_urgent_at - place)
        flags = socket.MSG_OOB if place + count == case.kernel_urgent_at else 0
        piece = patterns["kernel"].at(place, count)
        while piece:
            piece = piece[connection.send(piece, flags):]
        place += count
    # With Fast Open the first bytes go with the SYN, and the kernel forgets the whole connection at
    # a shutdown before the answer.
    host.wait_until(lambda: tcp_info(connection)["state"] != STATE_SYN_SENT, LIMIT_S)
    if case.kernel_aborts:
        host.reset(connection)
    else:
        connection.shutdown(socket.SHUT_WR)


def is_at_mark(connection):
    return struct.unpack("i", fcntl.ioctl(connection, SIOCATMARK, b"\0\0\0\0"))[0] == 1


def receive_all(connection, case, outcome):
    if case.kernel_stalls_s:
        time.sleep(case.kernel_stalls_s)
        outcome.waiting = struct.unpack("i", fcntl.ioctl(connection, FIONREAD, b"\0\0\0\0"))[0]
    buffer = bytearray(1 << 18)
    view = memoryview(buffer)
    looks_for_mark = any(option == socket.SO_OOBINLINE for _, option, _ in case.socket_options)
    while True:
        count = connection.recv_into(buffer)
        if count == 0:
            outcome.ended = True
            return
        if (outcome.mismatch_at is None and
                view[:count] != patterns["berth"].at(outcome.received, count)):
            outcome.mismatch_at = outcome.received
        outcome.received += count
        if looks_for_mark and is_at_mark(connection):
            outcome.mark_at = outcome.received


def guarded(work, outcome, *words):
    try:
        work(*words)
    except OSError as error:
        outcome.error = outcome.error or error.errno or errno.ETIMEDOUT  # the first one counts


def talk(connection, case, outcome):
    def send():
        guarded(send_all, outcome, connection, case)

    def receive():
        guarded(receive_all, outcome, connection, case, outcome)

    if case.kernel_order == "together":
        sender = threading.Thread(target=send)
        sender.start()
        receive()
        sender.join()
    else:
        for work in (send, receive) if case.kernel_order == "send-first" else (receive, send):
            work()
    if connection.fileno() >= 0:
        outcome.info = tcp_info(connection)
        connection.close()


def listen(number, case):
    listener = socket.socket(socket.AF_INET if case.family == 4 else socket.AF_INET6)
    prepare(listener, case)
    listener.bind((addresses(number, case.family)[0], PORT))
    listener.listen(8)
    return listener


def kernel_side(listener, number, case, outcomes):
    """To be called when berth_peer is ready. An Outcome a turn."""
    if case.role == "client" and listener is None:
        return
    for outcome in outcomes:
        if listener is not None:
            connection, _ = listener.accept()
            connection.settimeout(LIMIT_S)
        else:
            connection = socket.socket(socket.AF_INET if case.family == 4 else socket.AF_INET6)
            prepare(connection, case)
            connection.connect((addresses(number, case.family)[1], PORT))
        talk(connection, case, outcome)
    if listener is not None:
        listener.close()


def converse(case):
    """Runs CASE; its Outcome."""
    number = next(numbers)
    outcomes = [Outcome() for _ in range(case.turns)]
    outcome = outcomes[-1]
    process = start_peer(number, case)
    try:
        if process.stdout.readline() == "ready\n":
            set_up_device(number, case)
            listener = None
            if case.role == "client" and case.kernel_listens:
                listener = listen(number, case)
            process.stdin.write("\n")
            process.stdin.flush()
            guarded(kernel_side, outcome, listener, number, case, outcomes)
        out, err = process.communicate(timeout=LIMIT_S + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    outcome.text = f"{out}{err}".strip()
    document = json.loads(out) if out.strip() else {}
    for turn, berth in zip(outcomes, document.get("turns", [])):
        turn.document, turn.berth = document, berth
    outcome.document, outcome.earlier = document, outcomes[:-1]
    return outcome


def run_all(cases, judge, at_once=6):
    """Every case, AT_ONCE side by side, each five times with BERTH_TEST_FULL=1 (a bad path's luck is
    another each time); JUDGE(case, outcome) returns faults. One line of TAP each, in order."""
    times = 5 if host.FULL else 1
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        outcomes = list(pool.map(converse, [case for case in cases for _ in range(times)]))
    for index, case in enumerate(cases):
        told = []
        for outcome in outcomes[index * times:(index + 1) * times]:
            faults = judge(case, outcome)
            if faults:
                told += [*faults, f"kernel: {outcome.info}", f"berth: {outcome.text}"]
        tap.check(case.name, not told, "\n".join(told))
