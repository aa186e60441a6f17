# SPDX-License-Identifier: MIT
#
# The area "registry": finding a service by its port and by its name, in berth's table and by the C
# library's getservbyport and getservbyname. Processor time, each in a process of its own.

import json
import statistics
import subprocess
import sys

import lab
from lab import Trouble
from report import table

ABOUT = "finding a service by port and by name, beside getservbyport and getservbyname"
PROGRAM = "bench/bench-registry"
WAYS = ("berth", "libc")
LOOKUPS = {"port": "a port that is known", "port_unknown": "one that is not",
           "name": "a name that is known", "name_unknown": "one that is not"}


def once(way, seconds):
    done = subprocess.run([lab.built(PROGRAM), way, "-t", str(seconds)], capture_output=True,
                          text=True, timeout=300)
    if done.returncode != 0:
        raise Trouble(f"bench-registry {way}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def run(options):
    runs = {way: [] for way in WAYS}
    for turn in range(options.runs):
        for way in WAYS:
            runs[way].append(once(way, options.seconds / 4))
        print(f"bench: registry: run {turn + 1}", file=sys.stderr, flush=True)
    return {"runs": runs, "seconds": options.seconds}


def text(document):
    runs = document["runs"]
    rows = []
    for key, words in LOOKUPS.items():
        ours, theirs = (statistics.median(got[key] for got in runs[way]) for way in WAYS)
        rows.append([words, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.4f}"])
    count = len(runs["berth"])
    return "\n\n".join([
        f"Medians of {count} run{'s' * (count > 1)}; the {runs['libc'][0]['services']} TCP "
        "services of /etc/services that both know, in random order. berth's table has all of IANA's; the C "
        "library opens and reads /etc/services each time.",
        table(["ns each", "berth", "the C library", "berth/it"], rows)])


def missing():
    return lab.missing(PROGRAM)
