# SPDX-License-Identifier: MIT
#
# The area "device": what a packet costs that is read from a TUN device or written to it, by one
# call a packet (in one part or in two) and by several packets a call (io_uring: plain, with
# registered buffers and device, with its work deferred). The kernel is at the other end, in a
# namespace of the run's own without IPv6, so that no packet comes but those that are measured.

import json
import statistics
import subprocess
import sys

import lab
from lab import Trouble
from report import table

ABOUT = "a packet to and from a TUN device: a call each, or several a call by io_uring"
PROGRAM = "bench/bench-device"
DIRECTIONS = {"read": "reading", "write": "writing"}
SIZES = (64, 1400, 60000)
WAYS = {"whole": "a call each, the virtio-net header in front",
        "parts": "a call each, the header in a part of its own",
        "ring": "io_uring, 8 a call",
        "registered": "the same, buffers and device registered",
        "deferred": "the same, work deferred to the caller"}
BASE = "whole"

NAMESPACE = """
set -e
ip link set lo up
for file in all default; do
  file=/proc/sys/net/ipv6/conf/$file/disable_ipv6
  if [ -e $file ]; then echo 1 >$file; fi
done
ip tuntap add dev device0 mode tun vnet_hdr
ip addr add 10.9.0.1/24 dev device0
ip link set device0 mtu 65520 txqueuelen 500
exec "$0" "$1" device0 "$2" "$3"
"""


def once(direction, size, seconds):
    """A line for each way."""
    done = subprocess.run(["unshare", "--net", "sh", "-c", NAMESPACE, lab.built(PROGRAM), direction,
                           str(size), str(seconds)], capture_output=True, text=True,
                          timeout=seconds + 60)
    if done.returncode != 0:
        raise Trouble(f"bench-device {direction} {size}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(options):
    rows = {direction: {way: {} for way in WAYS} for direction in DIRECTIONS}
    refused = {}
    for turn in range(options.runs):
        for direction in DIRECTIONS:
            for size in SIZES:
                for got in once(direction, size, options.seconds / 4):
                    if "refused" in got:
                        refused[got["way"]] = got["refused"]
                    else:
                        rows[direction][got["way"]].setdefault(str(size), []).append(got["ns"])
        print(f"bench: device: run {turn + 1}", file=sys.stderr, flush=True)
    return {"rows": rows, "refused": refused, "runs": options.runs, "seconds": options.seconds}


def cells(base, way):
    """Of one way: its figure and its ratio to the first way's, size by size."""
    for size, values in way.items():
        middle = statistics.median(values)
        spread = (max(values) - min(values)) / middle * 50
        yield f"{middle:,.0f}" + (f" ±{spread:.0f}%" if len(values) > 1 else "")
        yield f"{middle / statistics.median(base[size]):.2f}"


def text(document):
    several = document["runs"] > 1
    parts = [f"Medians of {document['runs']} run{'s' * several}"
             f"{', ± half the distance between the best and the worst' * several}: nanoseconds of "
             "processor time a packet, the kernel's included. The ways take turns, a burst each "
             "(400 packets, of the largest 16), in one process on one processor. What is read waits in "
             "the device; what is written ends at a UDP socket that is full. io_uring's requests are "
             "made once, which favours it. System calls go through a filter, as in `berth run`."]
    for direction, words in DIRECTIONS.items():
        ways = document["rows"][direction]
        head = [words, *(column for size in SIZES for column in (f"{size:,} bytes", "/first"))]
        parts.append(table(head, [[WAYS[way], *cells(ways[BASE], got)]
                                  for way, got in ways.items() if got]))
    parts += [f"Not measured: {WAYS[way]} ({why})." for way, why in document["refused"].items()]
    return "\n\n".join(parts)


def missing():
    return lab.missing(PROGRAM)
