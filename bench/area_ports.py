# SPDX-License-Identifier: MIT
#
# The area "ports": what choosing an ephemeral port towards one destination costs, by how much of
# the range is taken, beside what Linux's connect() costs over the same range. Each fills up by its
# own way of choosing. The kernel's SYNs go to a veth whose other end drops them.

import json
import statistics
import subprocess
import sys

import lab
from lab import Trouble
from report import table

ABOUT = "choosing an ephemeral port, by the share of 49152 to 65535 that is taken"
PROGRAM = "bench/bench-ports"
WAYS = {"pick": "berth: the choice alone", "berth": "berth: berth_tcp_connect and its SYN",
        "linux": "Linux: connect() and its SYN"}

NAMESPACE = """
set -e
ip link set lo up
ip link add ports0 type veth peer name ports1
ip addr add 10.9.0.1/24 dev ports0
ip link set ports0 up
ip link set ports1 up
ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 nud permanent dev ports0
echo 49152 65535 >/proc/sys/net/ipv4/ip_local_port_range
echo 60 >/proc/sys/net/ipv4/tcp_syn_retries
exec "$0" linux 10.9.0.2
"""


def once(way):
    command = [lab.built(PROGRAM), way]
    if way == "linux":
        command = ["unshare", "--net", "sh", "-c", NAMESPACE, lab.built(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Trouble(f"bench-ports {way}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(options):
    rows = {}
    for turn in range(options.runs):
        for way in WAYS:
            for got in once(way):
                cell = rows.setdefault(way, {}).setdefault(str(got["share"]),
                                                           {"p50_ns": [], "p99_ns": []})
                for key in ("p50_ns", "p99_ns"):
                    cell[key].append(got[key])
            print(f"bench: ports {way}: run {turn + 1}", file=sys.stderr, flush=True)
    return {"rows": rows, "runs": options.runs}


def text(document):
    shares = list(next(iter(document["rows"].values())))
    rows = [[WAYS[way], *(f"{statistics.median(cells[share]['p50_ns']) / 1e3:.2f} / "
                          f"{statistics.median(cells[share]['p99_ns']) / 1e3:.2f}"
                          for share in shares)]
            for way, cells in document["rows"].items()]
    head = ["µs, p50 / p99", *(f"{float(share) * 100:g} % taken" for share in shares)]
    return "\n\n".join([
        f"Medians of {document['runs']} run{'s' * (document['runs'] > 1)}. A sample is the mean of "
        "8 choices in a row; the kernel's time includes socket().", table(head, rows)])


def missing():
    return lab.missing(PROGRAM)
