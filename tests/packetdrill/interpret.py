#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs packetdrill scripts against libberth_packetdrill.so, in virtual time.

    interpret.py LIBRARY SCRIPT...

What it drives is the table that packetdrill drives, in packetdrill's way: a main thread with the
packets and the clock, and a thread for calls that block. A script that passes here is meant to pass
there: the same language, tolerances and checks (and TCP's payload and checksum on top).
"""

import ctypes
import errno
import os
import socket
import sys
from dataclasses import dataclass

import packets
import script
import stack
from syscalls import Mismatch, Syscalls

TOLERANCE_US = 4000
TOLERANCE_SHARE = 0.125
LOCAL = {4: "192.168.0.1", 6: "fd3d:a0b:17d6::1"}
REMOTE = {4: "192.0.2.1", 6: "fd3d:fa7b:d17d::1"}
PORT = 8080             # that is bound to, and connected to
PEER_PORT = 35551       # of the other end, where the stack did not choose
PEER_START = 0xffffff00  # so that sequence numbers wrap early
STAMP_TICK = 10         # timestamps may be this much off


@dataclass
class World:
    family: int
    bind: tuple
    connect: tuple
    peer_port: int


class Runner:
    def __init__(self, library, text):
        options, self.events = script.parse(text)
        version = options.get("ip_version", "ipv4")
        self.version = 6 if version == "ipv6" else 4
        local, remote = LOCAL[self.version], REMOTE[self.version]
        family = socket.AF_INET if version == "ipv4" else socket.AF_INET6
        flags = [options.get("so_flags", "")]
        if "mtu" in options:
            flags.append("mtu=" + options["mtu"])
        self.tolerance_us = int(options.get("tolerance_usecs", TOLERANCE_US))
        self.world = World(family, (local, PORT), (remote, PORT), PEER_PORT)
        self.local, self.remote = local, remote
        self.begin_flow(None, None)
        self.next_peer_port = PEER_PORT
        self.stack = stack.Stack(library, ",".join(filter(None, flags)))
        self.calls = Syscalls(self.stack, self.world)
        self.blocking = stack.Blocking()
        self.pending = None      # (event, end of the call in us) that is under way
        self.start_us = self.stack.now_us()
        self.last_us = 0         # script time of the event before
        self.cookie = b""

    def begin_flow(self, local_port, remote_port):
        """One connection after the other: what is known of the one before is forgotten."""
        self.local_port, self.remote_port = local_port, remote_port
        self.iss = None          # the stack's, on the wire
        self.script_iss = 0
        self.peer_iss = PEER_START
        self.script_peer_iss = 0
        self.listens_anew = False  # listen() since: a SYN is another connection's
        self.is_answered = False # the peer's SYN has had its ACK: the next SYN begins a new one
        self.stamps = {}         # the script's timestamps of the stack's to those on the wire

    # ---- time ---------------------------------------------------------------------------------

    def tolerance(self, since_us):
        return max(self.tolerance_us, TOLERANCE_SHARE * max(since_us, 0))

    def bounds(self, when):
        """Script times between which the event may happen."""
        base = self.last_us if when.kind.startswith("relative") else 0
        begin = base + round(when.begin * 1e6)
        if when.kind == "any":
            return 0, None
        if when.kind.endswith("range"):
            return begin, base + round(when.end * 1e6)
        return begin, begin

    def check_time(self, what, when, live_us):
        begin, end = self.bounds(when)
        if end is None:
            return
        slack = self.tolerance(begin - self.last_us)
        if not begin - slack <= live_us <= end + slack:
            raise Mismatch(f"{what} at {live_us / 1e6:.6f}, expected at {begin / 1e6:.6f}"
                           + (f" to {end / 1e6:.6f}" if end != begin else ""))

    def live_us(self):
        return self.stack.now_us() - self.start_us

    def wait_for(self, when):
        begin, _ = self.bounds(when)
        left = begin - self.live_us()
        if left > 20:
            self.stack.usleep(left - 20)
        while self.live_us() < begin:
            pass

    # ---- events -------------------------------------------------------------------------------

    def run(self):
        for event in self.events:
            try:
                self.event(event)
            except Mismatch as mismatch:
                raise Mismatch(f"line {event.line}: {mismatch}") from None
        self.finish_blocking()
        self.end()

    def event(self, event):
        what, when = event.what, event.when
        if isinstance(what, str):
            return              # commands would change the host
        if isinstance(what, script.Call):
            self.wait_for(when)
            now_us = self.call(what, when)
        elif what.inbound:
            self.wait_for(when)
            now_us = self.inbound(what)
        else:
            now_us = self.outbound(what, when)
        begin, end = self.bounds(when)
        self.last_us = now_us if end is None or begin != end else begin

    def call(self, call, when):
        self.finish_blocking()
        self.listens_anew = self.listens_anew or call.name == "listen"
        make, check = self.calls.prepare(call)
        started_us = self.live_us()
        if when.until is None:
            ctypes.set_errno(0)
            result = make()
            self.judge(call, check, result, ctypes.get_errno())
            return started_us
        base = self.last_us if when.kind.startswith("relative") else 0

        def job():
            ctypes.set_errno(0)
            try:
                result = make()
            except Mismatch as mismatch:
                return mismatch
            return result, ctypes.get_errno(), self.live_us()
        self.pending = (call, check, base + round(when.until * 1e6), started_us)
        self.blocking.start(job)
        return started_us

    def finish_blocking(self):
        if self.pending is None:
            return
        call, check, until_us, started_us = self.pending
        self.pending = None
        outcome = self.blocking.finish()
        if outcome is None:
            raise Mismatch(f"{call.name} still waits")
        if isinstance(outcome, Mismatch):
            raise outcome
        result, number, ended_us = outcome
        self.judge(call, check, result, number)
        slack = self.tolerance(until_us - started_us)
        if abs(ended_us - until_us) > slack:
            raise Mismatch(f"{call.name} returned at {ended_us / 1e6:.6f}, "
                           f"expected at {until_us / 1e6:.6f}")

    def judge(self, call, check, result, number):
        name = errno.errorcode.get(number, number) if result == -1 else None
        same = call.error is None or getattr(errno, call.error, None) == (number if name else None)
        fd_made = call.name in ("socket", "accept", "epoll_create") and result >= 0
        expected = call.result
        if expected == "..." or (fd_made and isinstance(expected, int) and expected >= 0):
            self.calls.name_fd(call, result)
        elif result != expected or not same:
            raise Mismatch(f"{call.name} returned {result} {name or ''}, expected {expected} "
                           f"{call.error or ''}")
        if check is not None and result >= 0:
            check()

    # ---- packets ------------------------------------------------------------------------------

    # On a SYN a script's numbers are what the script says; on what follows they count from there.

    def own(self, number, syn=False):
        """The script's NUMBER of the stack's, on the wire."""
        return (number - (self.script_iss if syn else 0) + (self.iss or 0)) % 2**32

    def peer(self, number, syn=False):
        """The script's NUMBER of the peer's, on the wire."""
        return (number - (self.script_peer_iss if syn else 0) + self.peer_iss) % 2**32

    def inbound(self, segment):
        packet = packets.Packet(source=self.remote, destination=self.local, ttl=255)
        packet.tos = (segment.tos or 0) | packets.ECN.get(segment.ecn, 0)
        if segment.ttl is not None:
            packet.ttl = segment.ttl
        is_new = segment.kind == "tcp" and "S" in segment.flags and "." not in segment.flags
        if is_new and (self.local_port is None or self.is_other_syn(segment)):
            self.begin_flow(PORT, self.next_peer_port)
            self.world.peer_port = self.remote_port
            self.next_peer_port += 1
        packet.source_port = self.remote_port or PEER_PORT
        packet.destination_port = self.local_port or PORT
        if segment.kind == "icmp":
            data = packets.emit_icmp(packet, segment, self.quote(segment))
        elif segment.kind == "udp":
            packet.protocol, packet.payload = packets.UDP, bytes(segment.bytes)
            data = packets.emit(packet)
        else:
            self.fill_inbound(packet, segment)
            data = packets.emit(packet)
        now_us = self.live_us()
        if self.stack.netdev_send(data, len(data)) != 0:
            raise Mismatch("the stack takes no such packet")
        return now_us

    def is_other_syn(self, segment):
        """A connection's SYN may come again, or one in the midst of it: that one has other numbers."""
        return self.is_answered and (self.listens_anew or segment.seq == self.script_peer_iss)

    def fill_inbound(self, packet, segment):
        for flag in segment.flags:
            packet.flags |= packets.FLAG_BITS.get(flag, 0)
        if "S" in segment.flags and not self.is_answered:
            self.script_peer_iss = segment.seq
        self.is_answered = self.is_answered or "." in segment.flags
        syn = "S" in segment.flags
        packet.seq = self.peer(segment.seq, syn)
        if segment.ack is not None or "." in segment.flags:
            packet.ack = self.own(segment.ack or 0, syn)
        packet.window = segment.window if segment.window is not None else 0
        if segment.urgent is not None:
            packet.urgent = segment.urgent
            packet.flags |= packets.FLAG_BITS["U"]
        packet.payload = bytes(segment.bytes)
        packet.options = [self.inbound_option(option) for option in segment.options or []]

    def inbound_option(self, option):
        name, values = option.name, option.values
        if name in ("mss", "wscale"):
            return name, [int(values[0])]
        if name == "TS":        # TS val N ecr N: what it echoes is the stack's
            echoed = int(values[3])
            return name, [int(values[1]), self.stamps.get(echoed, echoed)]
        if name == "sack":
            return name, [(self.own(int(left)), self.own(int(right)))
                          for left, right in self.blocks(values)]
        if name in ("FO", "FOEXP"):
            word = "".join(values)
            return name, [self.cookie if word == "TFO_COOKIE"
                          else bytes.fromhex(word.replace("nil", ""))]
        return name, []

    @staticmethod
    def blocks(values):
        return list(zip(values[0::3], values[2::3]))

    def quote(self, segment):
        """The packet of the stack's that an ICMP message complains about."""
        seq, size = (segment.quoted[0], segment.quoted[2]) if segment.quoted else (0, 0)
        packet = packets.Packet(source=self.local, destination=self.remote,
                                source_port=self.local_port or PORT,
                                destination_port=self.remote_port or PEER_PORT,
                                seq=self.own(seq), flags=0x10,
                                payload=bytes(size))
        return packets.emit(packet)

    def matches(self, packet, segment):
        kind = {packets.TCP: "tcp", packets.UDP: "udp"}.get(packet.protocol, "icmp")
        if kind == "icmp" or kind != segment.kind:
            return kind == segment.kind
        is_new = "S" in segment.flags and "." not in segment.flags
        other = packet.source_port != self.local_port
        if self.local_port is None or (is_new and (self.is_answered or other)):
            return not is_new or "S" in packet.flag_text
        return (packet.source_port, packet.destination_port) == (self.local_port,
                                                                 self.remote_port)

    def receive(self, segment):
        data, sent_us = self.stack.next_packet()
        packet = packets.parse(data)
        while not self.matches(packet, segment):
            data, sent_us = self.stack.next_packet()
            packet = packets.parse(data)
        return packet, sent_us - self.start_us

    def outbound(self, segment, when):
        packet, sent_us = self.receive(segment)
        is_new = packet.flags & 0x12 == 0x02 and (self.is_answered
                                                  or packet.source_port != self.local_port)
        if self.local_port is None or is_new:
            self.begin_flow(packet.source_port, packet.destination_port)
        while segment.kind == "tcp" and 0 < len(packet.payload) < segment.bytes:
            more, _ = self.receive(segment)     # a longer one on paper than on the wire
            if (more.seq - packet.seq - len(packet.payload)) % 2**32 != 0:
                raise Mismatch(f"sent {self.told(packet)}, and then not what follows it: "
                               f"{self.told(more)}")
            packet.payload += more.payload
            packet.flags = more.flags
        if segment.kind == "udp" and len(packet.payload) != segment.bytes:
            raise Mismatch(f"sent {packet}")
        if segment.kind == "tcp":
            self.check_segment(packet, segment)
        self.check_ip(packet, segment)
        self.check_time(f"sent {self.told(packet)}", when, sent_us)
        return sent_us

    def told(self, packet):
        """PACKET in the script's numbers."""
        syn = packet.flags & packets.FLAG_BITS["S"]
        seq = (packet.seq - (self.iss or packet.seq) + (self.script_iss if syn else 0)) % 2**32
        ack = (packet.ack - self.peer_iss + (self.script_peer_iss if syn else 0)) % 2**32
        options = ",".join(" ".join([name, *map(str, values)]) for name, values in packet.options)
        return (f"{packet.flag_text} {seq}:{seq + len(packet.payload)}({len(packet.payload)}) "
                + (f"ack {ack} " if packet.flags & 0x10 else "") + f"win {packet.window}"
                + (f" urg {packet.urgent}" if packet.urgent else "") + f" <{options}>")

    def check_segment(self, packet, segment):
        if "S" in segment.flags and self.iss is None:
            self.iss, self.script_iss = packet.seq, segment.seq
        said = self.told(packet)
        flags = 0
        for flag in segment.flags:
            flags |= packets.FLAG_BITS.get(flag, 0)
        if segment.urgent is not None:
            flags |= packets.FLAG_BITS["U"]
        syn = "S" in segment.flags
        seq = self.own(segment.seq, syn) if self.iss is not None else packet.seq
        ack = self.peer(segment.ack, syn) if segment.ack is not None else 0
        wrong = [
            ("flags", packet.flags, flags),
            ("sequence number", packet.seq, seq),
            ("length", len(packet.payload), segment.bytes),
            ("acknowledgement", packet.ack if packet.flags & 0x10 else 0, ack),
            ("reserved bits", packet.reserved, 0),
            ("urgent pointer", packet.urgent, segment.urgent or 0),
            ("payload", packet.payload.strip(b"\0"), b""),
        ]
        if segment.window is not None:
            wrong.append(("window", packet.window, segment.window))
        for name, got, expected in wrong:
            if got != expected:
                raise Mismatch(f"{name}: sent {said}, expected {self.expected(segment)}")
        if segment.options is not None:
            self.check_options(packet, segment, said)

    @staticmethod
    def expected(segment):
        options = "..." if segment.options is None else ",".join(
            " ".join([option.name, *option.values]) for option in segment.options)
        return (f"{segment.flags} {segment.seq}:{segment.seq + segment.bytes}({segment.bytes}) "
                f"ack {segment.ack} <{options}>")

    def check_options(self, packet, segment, said):
        names = [option.name for option in segment.options]
        if names != [name for name, _ in packet.options]:
            raise Mismatch(f"options: sent {said}, expected {self.expected(segment)}")
        for option, (name, values) in zip(segment.options, packet.options):
            if not self.same_option(option, name, values):
                raise Mismatch(f"{name}: sent {said}, expected {self.expected(segment)}")

    def same_option(self, option, name, values):
        if name in ("mss", "wscale"):
            return int(option.values[0]) == values[0]
        if name == "sack":
            mine = [tuple(self.peer(int(end)) for end in block)
                    for block in self.blocks(option.values)]
            return mine == values
        if name == "TS":
            stamp, echoed = int(option.values[1]), int(option.values[3])
            near = (values[0] - self.stamps.setdefault(stamp, values[0]) + STAMP_TICK) % 2**32
            return near <= 2 * STAMP_TICK and values[1] == echoed
        if name in ("FO", "FOEXP"):
            word = "".join(option.values)
            if word == "TFO_COOKIE":
                self.cookie = values[0]
            return word == "TFO_COOKIE" or bytes.fromhex(word.replace("nil", "")) == values[0]
        return True

    @staticmethod
    def check_ip(packet, segment):
        if segment.tos is not None and packet.tos != segment.tos:
            raise Mismatch(f"tos: sent 0x{packet.tos:02x}, expected 0x{segment.tos:02x}")
        if segment.ttl is not None and packet.ttl != segment.ttl:
            raise Mismatch(f"ttl: sent {packet.ttl}, expected {segment.ttl}")
        if segment.ecn == "ect01" and packet.tos & 3 not in (1, 2):
            raise Mismatch(f"ECN: sent {packet.tos & 3}, expected ect0 or ect1")
        if segment.ecn in packets.ECN and packet.tos & 3 != packets.ECN[segment.ecn]:
            raise Mismatch(f"ECN: sent {packet.tos & 3}, expected {segment.ecn}")

    def end(self):
        """As packetdrill does it: the descriptors are closed behind the stack's back, then a RST."""
        for fd in set(self.calls.fds.values()):
            try:
                os.close(fd)
            except OSError:
                pass            # closed by the script
        if self.local_port is not None:
            packet = packets.Packet(source=self.remote, destination=self.local,
                                    source_port=self.remote_port,
                                    destination_port=self.local_port, flags=0x04)
            data = packets.emit(packet)
            if self.stack.netdev_send(data, len(data)) != 0:
                raise Mismatch("the stack takes no RST after the end")
        self.stack.free()


def run_apart(library, path):
    """Runs a script in a process of its own, for a process has one stack: (status, what it said)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        status = 1
        try:
            with open(path, encoding="utf-8") as file:
                Runner(library, file.read()).run()
            status = 0
        except (Mismatch, script.ScriptError, RuntimeError) as error:
            os.write(1, f"{path}: {error}\n".encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def main():
    failed = 0
    for path in sys.argv[2:]:
        status, said = run_apart(sys.argv[1], path)
        print(said, end="", flush=True)
        failed += status != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
