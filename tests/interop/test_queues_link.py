#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run --queues with what wraps the device's link: one capture of all queues, and an impairment
of each."""

import collections
import os
import re
import struct

import host
import tap
from talk import counted, echo, inside, queued

FLOWS = 40
BYTES = 60_000
RECORD_BYTES = 16
EXCHANGES = """
def one(i):
    connection = socket.create_connection(('10.0.2.2', int(sys.argv[1])), 30)
    begun = time.monotonic()
    same = exchange(connection, os.urandom(int(sys.argv[2])))
    return same, time.monotonic() - begun >= float(sys.argv[3])
tell(counted(together(int(sys.argv[4]), one)))
"""


def packets_of(path):
    """The packets of a capture, IPv4 only."""
    with open(path, "rb") as file:
        data = file.read()
    magic, link_type = struct.unpack_from("<I16xI", data)
    tap.is_equal("a capture in nanoseconds, of IP packets", (hex(magic), link_type),
                 ("0xa1b23c4d", 101))
    at = 24
    while at < len(data):
        size, whole = struct.unpack_from("<8xII", data, at)
        packet = data[at + RECORD_BYTES:at + RECORD_BYTES + size]
        if len(packet) != whole:
            raise AssertionError(f"a packet of {whole} bytes is cut to {len(packet)}")
        if packet[0] >> 4 == 4:
            yield packet
        at += RECORD_BYTES + size


def flows_of(path, port):
    """By the program's port: which bytes went out to PORT, which came back, how often SYN, FIN."""
    flows = collections.defaultdict(lambda: {"out": {}, "in": {}, "syn": 0, "fin": 0})
    for packet in packets_of(path):
        head = (packet[0] & 15) * 4
        if packet[9] != 6:
            continue
        source, target, seq, _, offset, flags = struct.unpack_from(">HHIIBB", packet, head)
        if port not in (source, target):
            continue
        flow = flows[source if target == port else target]
        size = len(packet) - head - (offset >> 4) * 4
        flow["syn"] += flags >> 1 & 1
        flow["fin"] += flags & 1
        if size > 0:
            way = flow["out" if target == port else "in"]
            way[seq] = max(way.get(seq, 0), size)
    return flows


def covered(pieces):
    """How many bytes the pieces (sequence number: size) are in a row, without what is twice."""
    total = 0
    past = None
    for seq, size in sorted(pieces.items()):
        if past is not None and seq > past:
            return -1  # a gap
        total += seq + size - (seq if past is None else min(past, seq + size))
        past = seq + size if past is None else max(past, seq + size)
    return total


def is_whole(flow):
    wraps = any(seq + size >= 1 << 32 or seq < BYTES for way in ("out", "in")
                for seq, size in flow[way].items())
    return flow["syn"] >= 2 and flow["fin"] >= 2 and \
        (wraps or (covered(flow["out"]), covered(flow["in"])) == (BYTES, BYTES))


def check_capture(path):
    server = host.Server(echo)
    done = host.run(*queued("--quiet", "--pcap", path, "--allow", f"out {server.port} to host"),
                    *inside(EXCHANGES, server.port, BYTES, 0, FLOWS))
    tap.is_equal("with --pcap all bytes come back", (done.returncode, done.stdout, done.stderr),
                 (0, f"(True, True):{FLOWS}\n", ""))
    flows = flows_of(path, server.port)
    tap.is_equal("the capture has every flow, of all queues", len(flows), FLOWS)
    tap.is_equal("and of each all that went, both ways",
                 counted([is_whole(flow) for flow in flows.values()]), f"True:{FLOWS}")


def check_full_disk():
    server = host.Server(echo)
    done = host.run(*queued("--quiet", "--pcap", "/dev/full", "--allow",
                            f"out {server.port} to host"),
                    *inside(EXCHANGES, server.port, BYTES, 0, FLOWS))
    tap.check("a full disk is said once, by one thread; the program goes on",
              done.stdout == f"(True, True):{FLOWS}\n"
              and re.fullmatch("berth: cannot write to the capture '/dev/full': .*\n", done.stderr),
              (done.stdout, done.stderr))


def check_impaired(folder):
    """A delay each way of 20 ms, on whichever queues the two ways are."""
    server = host.Server(echo)
    path = os.path.join(folder, "impaired")
    done = host.run(*queued("--quiet", "--pcap", path, "--impair", "delay 20ms loss 1% reorder 1%",
                            "--allow", f"out {server.port} to host"),
                    *inside(EXCHANGES, server.port, BYTES, 0.04, FLOWS))
    tap.is_equal("with --impair all bytes come back, none sooner than the path is long",
                 (done.returncode, done.stdout, done.stderr), (0, f"(True, True):{FLOWS}\n", ""))
    tap.is_equal("with a capture too: every flow", len(flows_of(path, server.port)), FLOWS)


def main():
    with tap.temp_dir() as folder:
        check_capture(os.path.join(folder, "capture"))
        check_full_disk()
        check_impaired(folder)
    tap.done()


main()
