# SPDX-License-Identifier: MIT
#
# The area "core": two stacks in one process, joined by the memory link; no system call in between.
# Figures are over processor time of both stacks and the link together (its copies included).

import json
import re
import statistics
import subprocess
import sys

import lab
from lab import Trouble
from report import table

ABOUT = "two stacks in one process over the memory link, one processor for both"
PROGRAM = "bench/bench-core"

BULK = (
    ("MTU 1500, checksums by berth", ["-m", "1500"], 30),
    ("MTU 1500, checksums by the link", ["-m", "1500", "-k"], 30),
    ("MTU 1500, super-segments of 64 KiB", ["-m", "1500", "-g"], 200),
    ("MTU 65520, checksums by the link", ["-m", "65520", "-k"], 200),
)
CONNECT_NUMBER = 2000  # under callgrind


def once(words, prefix=()):
    done = subprocess.run([*prefix, lab.built(PROGRAM), *words], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Trouble(f"bench-core {' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout), done.stderr


def instructions(words):
    """Of one run under callgrind, and the run's own figures."""
    got, told = once(words, ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"))
    collected = re.search(r"Collected : (\d+)", told)
    if not collected:
        raise Trouble("callgrind told no count")
    return int(collected.group(1)), got


def slope(words, number, key):
    """Instructions per KEY: between runs of two lengths, so that set-up is not in it."""
    (few, got_few), (many, got_many) = (
        instructions([*words, "-n", str(count)]) for count in (number, 3 * number))
    return (many - few) / (got_many[key] - got_few[key])


def median_of(rates):
    middle = statistics.median(rates)
    return {"median": middle, "spread": (max(rates) - min(rates)) / middle, "runs": rates}


def run(options):
    seconds = ["-t", str(options.seconds)]
    cases = [("bulk", name, words) for name, words, _ in BULK] + [("connect", "connections", [])]
    rates = {name: [] for _, name, _ in cases}
    packets, counts = {}, {}
    for _ in range(options.runs):
        for mode, name, words in cases:
            got, _ = once([mode, *words, *seconds])
            if mode == "bulk":
                rates[name].append(got["bytes"] * 8 / got["seconds"] / 1e9)
                packets[name] = got["seconds"] * 1e9 / got["packets"]
            else:
                rates[name].append(got["connections"] / got["seconds"])
            print(f"bench: core {name}: {rates[name][-1]:.1f}", file=sys.stderr, flush=True)
    if options.instructions:
        for name, words, number in BULK:
            counts[name] = slope(["bulk", *words], number, "packets")
        counts["connections"] = slope(["connect"], CONNECT_NUMBER, "connections")
    return {"rates": {name: median_of(runs) for name, runs in rates.items()},
            "ns_per_packet": packets, "instructions": counts, "seconds": options.seconds,
            "runs": options.runs}


def text(document):
    rows = []
    for name, got in document["rates"].items():
        bulk = name in document["ns_per_packet"]
        rows.append([
            name if bulk else "connect, one byte each way, close",
            f"{got['median']:.1f} Gb/s" if bulk else f"{got['median']:.0f} per second",
            f"±{got['spread'] * 50:.0f}%",
            f"{document['ns_per_packet'][name]:.0f}" if bulk else f"{1e9 / got['median']:.0f}",
            f"{document['instructions'][name]:.0f}" if name in document["instructions"] else "-"])
    return "\n\n".join([
        f"Median of {document['runs']}, {document['seconds']:g} s of processor time each, both "
        "stacks and the link (two copies) together. A packet is what crosses the link, ACKs too; "
        "the last row counts connections.",
        table(["one stream", "rate", "spread", "ns each", "instructions each"], rows)])


def missing():
    return lab.missing(PROGRAM)
