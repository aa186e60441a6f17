# SPDX-License-Identifier: MIT
#
# The area "scale": connections that are there and say nothing, and connections in TIME-WAIT: what
# memory each takes, how fast they are opened, and what a million of them cost a thousand that talk.
# One stack in one process, with a peer that keeps nothing.

import json
import statistics
import subprocess
import sys
import tempfile

import lab
from lab import Trouble
from report import table

ABOUT = "many connections: memory of each, and what idle ones cost the others"
PROGRAM = "bench/bench-scale"
NUMBERS = (10_000, 100_000, 1_000_000)


def once(what, number):
    done = subprocess.run([lab.built(PROGRAM), what, "-n", str(number)], capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        raise Trouble(f"bench-scale {what}: {done.stderr.strip()}")
    return json.loads(done.stdout)


STEPS = ("a data segment in order arrives, its ACK is delayed", "the next one, its ACK is due",
         "the ACK leaves", "a data segment leaves", "its ACK arrives")
AREAS = ("front", "back", "work")  # of a connection's memory: src/tcp/conn.h, work.h


def lines():
    """Of each step, and of each connection that took it: the cache lines touched of each record."""
    with tempfile.NamedTemporaryFile("r", suffix=".trace") as trace:
        done = subprocess.run(["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-file={trace.name}",
                               lab.built(PROGRAM), "lines"], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise Trouble(f"bench-scale lines: {done.stderr.strip()}")
        at = json.loads(done.stdout)
        return read_trace(trace, at)


def read_trace(trace, at):
    marks = {at["marks"] + 64 * step: step for step in range(len(STEPS) + 1)}
    step, touched, counts = 0, {}, {}
    for line in trace:
        if not line.startswith((" L ", " S ", " M ")):
            continue
        place, size = line[3:].split(",")
        place = int(place, 16)
        if place in marks and line[1] == "S":
            if step:
                for name in AREAS:
                    counts.setdefault((step, name), []).append(len(touched.get(name, ())))
            step, touched = marks[place], {}
            continue
        for name in AREAS:
            begin, length = at[name]
            if step and begin <= place < begin + length:
                touched.setdefault(name, set()).update(
                    range(place // 64, (place + int(size) - 1) // 64 + 1))
    return [{"step": STEPS[step - 1], **{name: counts[step, name] for name in AREAS}}
            for step in range(1, len(STEPS) + 1)]


def run(options):
    rows = {}
    for turn in range(options.runs):
        for number in NUMBERS:
            for what in ("idle", "wait"):
                rows.setdefault(what, {}).setdefault(str(number), []).append(once(what, number))
        print(f"bench: scale: run {turn + 1}", file=sys.stderr, flush=True)
    return {"rows": rows, "runs": options.runs, "lines": lines() if options.instructions else None}


def text(document):
    rows = document["rows"]

    def median(what, number, key):
        return statistics.median(got[key] for got in rows[what][number])

    def fall(number):
        return statistics.median(1 - got["beside_per_s"] / got["alone_per_s"]
                                 for got in rows["idle"][number])

    numbers = list(rows["idle"])
    cells = [
        ["an idle connection, bytes: the core's records and tables",
         *(f"{median('idle', n, 'record_each'):.0f}" for n in numbers)],
        ["the same: what the process grew by", *(f"{median('idle', n, 'resident_each'):.0f}" for n in numbers)],
        ["the process, resident, MiB", *(f"{median('idle', n, 'resident_mib'):.1f}" for n in numbers)],
        ["connections opened a second", *(f"{median('idle', n, 'opened_per_s'):,.0f}" for n in numbers)],
        ["exchanges a second on 1,000 others", *(f"{median('idle', n, 'beside_per_s'):,.0f}" for n in numbers)],
        ["the same before there were idle ones",
         *(f"{median('idle', n, 'alone_per_s'):,.0f}" for n in numbers)],
        ["what the idle ones cost", *(f"{fall(n) * 100:.1f} %" for n in numbers)],
        ["a connection in TIME-WAIT, bytes: record and table",
         *(f"{median('wait', n, 'record_each'):.0f}" for n in numbers)],
        ["the same: what the process grew by", *(f"{median('wait', n, 'resident_each'):.0f}" for n in numbers)],
    ]
    head = ["connections", *(f"{int(n):,}" for n in numbers)]
    runs = document["runs"]
    parts = [
        f"Medians of {runs} run{'s' * (runs > 1)}. IPv4, timestamps, SACK, keep-alive's timer running; a rate is "
        "of processor time, the peer's segments and 1,000,000 exchanges of a byte each way included.",
        table(head, cells)]
    if document["lines"]:
        parts += ["Cache lines of a connection's memory that a segment touches (valgrind's lackey; the mean of 8 "
                  "connections in a row, since not all records begin with a line):",
                  table(["", "of its record: the front", "the back", "its record of work"],
                        [[got["step"], *(f"{statistics.mean(got[name]):.1f}" for name in AREAS)]
                         for got in document["lines"]])]
    return "\n\n".join(parts)


def missing():
    return lab.missing(PROGRAM)
