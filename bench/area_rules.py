# SPDX-License-Identifier: MIT
#
# The area "rules": what a policy's size costs. First a verdict alone, by the index and by a walk
# along the rules. Then connections per second of a program that the policy lets through by its last
# rule: behind berth run, and behind nftables with a set of as many elements, both in a namespace of
# their own, with the server on the namespace's loopback.

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

import lab
from lab import Trouble
from report import table

ABOUT = "a verdict, and connections, by the number of rules"
PROGRAM, LOAD, BERTH = "bench/bench-rules", "bench/bench-load", "berth"
COUNTS = (10, 1000, 100000)
WALKED = (10, 1000)
SERVER, PORT = "10.78.0.1", 5301

NAMESPACE = f"""
set -e
ip link set lo up
ip addr add {SERVER}/32 dev lo
if [ -n "$1" ]; then nft -f "$1"; fi
"$2" server {SERVER} {PORT} &
sleep 0.3
shift 2
timeout 60 "$@"
"""


def judge(way, count):
    done = subprocess.run([lab.built(PROGRAM), way, str(count)], capture_output=True, text=True,
                          timeout=300)
    if done.returncode != 0:
        raise Trouble(f"bench-rules {way} {count}: {done.stderr.strip()}")
    return json.loads(done.stdout)["ns"]


def policy(count):
    """COUNT rules, the last of which lets the program through."""
    done = subprocess.run([lab.built(PROGRAM), "policy", str(count)], capture_output=True,
                          text=True, timeout=60, check=True)
    return done.stdout.splitlines()[:count - 1] + [f"allow out {PORT} to {SERVER}"]


def nft_set(count):
    """A set of COUNT addresses with a port each; whatever else is sent is refused."""
    elements = [f"11.{i >> 16}.{i >> 8 & 255}.{i & 255} . 443" for i in range(count - 1)]
    elements.append(f"{SERVER} . {PORT}")
    return ("table ip bench {\n set open { type ipv4_addr . inet_service; elements = { "
            f"{', '.join(elements)} }} }}\n"
            " chain out { type filter hook output priority 0; policy drop;\n"
            "  ct state established accept\n"
            "  ip daddr . tcp dport @open accept\n  reject\n }\n}\n")


def connections(way, path, options):
    load = lab.built(LOAD)
    client = [load, "crr", SERVER, str(PORT), "-t", str(options.seconds + 0.3), "-w", "0.3"]
    if way == "berth":
        client = [lab.built(BERTH), "run", "--quiet", "--policy", path, "--", *client]
    done = subprocess.run(["unshare", "--net", "--pid", "--fork", "--kill-child",
                           "--mount-proc", "sh", "-c",
                           NAMESPACE, "sh", path if way == "nftables" else "", load, *client],
                          capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise Trouble(f"{way}, {shlex.quote(path)}: {done.stderr.strip() or 'no figure'}")
    return json.loads(lines[-1])["per_second"]


def run(options):
    document = {"runs": options.runs, "judge": {}, "walk": {}, "berth": {}, "nftables": {},
                "missing": {}}
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder:
        for count in COUNTS:
            with open(os.path.join(folder, f"berth{count}"), "w") as file:
                file.write("\n".join(policy(count)) + "\n")
            with open(os.path.join(folder, f"nftables{count}"), "w") as file:
                file.write(nft_set(count))
        for turn in range(options.runs):
            for count in COUNTS:
                for way in ("judge", "walk"):
                    if way == "judge" or count in WALKED:
                        document[way].setdefault(str(count), []).append(judge(way, count))
                for way in ("berth", "nftables"):
                    if way in document["missing"]:
                        continue
                    try:
                        rate = connections(way, os.path.join(folder, f"{way}{count}"), options)
                        document[way].setdefault(str(count), []).append(rate)
                    except Trouble as trouble:
                        document["missing"][way] = str(trouble)
            print(f"bench: rules: run {turn + 1}", file=sys.stderr, flush=True)
    return document


def row(document, way, name, text):
    medians = {count: statistics.median(values) for count, values in document[way].items()}
    if not medians:
        return [name, *["" for _ in COUNTS], document["missing"].get(way, "")]
    ratio = f"{medians[str(COUNTS[-1])] / medians[str(COUNTS[0])]:.2f}" \
        if str(COUNTS[-1]) in medians else ""
    return [name, *(text.format(medians[str(count)]) if str(count) in medians else ""
                    for count in COUNTS), ratio]


def text(document):
    head = ["", *(f"{count:,} rules" for count in COUNTS), "last / first"]
    rows = [row(document, "judge", "a verdict, ns", "{:.0f}"),
            row(document, "walk", "the same by a walk, ns", "{:,.0f}"),
            row(document, "berth", "berth run: connections a second", "{:,.0f}"),
            row(document, "nftables", "nftables set: connections a second", "{:,.0f}")]
    return "\n\n".join([
        f"Medians of {document['runs']} run{'s' * (document['runs'] > 1)}. The rules have the same "
        "shapes whatever their number (`bench-rules policy N`); half of the first contacts judged "
        "are such as a rule names, in random order. nftables runs on the kernel's own loopback, "
        "without a second stack: its figure is there for how it changes with the size.",
        table(head, rows)])


def missing():
    return lab.missing(PROGRAM) or lab.missing(LOAD) or lab.missing(BERTH)
