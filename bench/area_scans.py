# SPDX-License-Identifier: MIT
#
# The area "scans": after how many first contacts a scanner is found, and who is called one wrongly.
# Captures of nmap's scans and of ordinary traffic are replayed into a stack; nmap scans a stack at a
# TUN device, and the host from inside berth run; an hour of ordinary traffic passes in virtual time;
# real programs run under berth. Writes a document of its own.

import glob
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading

import lab
from lab import Trouble
from report import table

ABOUT = "scans: first contacts until they are found, and false alarms"
DOCUMENT = "docs/scan-detection.md"
PROGRAM, ORDINARY, BERTH = "bench/bench-scans", "tests/sim_test_scans", "berth"
CAPTURES = ["tests/data/pcap"]
DEVICE, STACK, KERNEL = "scan0", "10.79.0.2", "10.79.0.1/24"
OPEN = ["22", "80", "443", "8080"]
UDP = ["--top-ports", "50"]
SLOW = ["-T2", "-p", "1-20"]
SLOWER = ["--scan-delay", "1500ms", "-p", "1-10"]
# Words of nmap for each kind; the capture of the same kind.
KINDS = [("SYN", ["-sS"], "scan-syn"), ("SYN, IPv6", None, "scan-syn-v6"),
         ("connect", ["-sT"], "scan-sT"), ("UDP", ["-sU", *UDP], "scan-udp"),
         ("NULL", ["-sN", "-F"], "scan-sN"), ("FIN", ["-sF"], "scan-sF"), ("Xmas", ["-sX"], "scan-sX"),
         ("Maimon", ["-sM"], "scan-sM"), ("ACK", ["-sA"], "scan-sA"),
         ("window", ["-sW"], "scan-sW"), ("all flags", None, "scan-allflags"),
         ("IP protocols", ["-sO"], "scan-ipproto"), ("OS detection", None, "scan-osdetect"),
         ("tiny fragments, source routes (1)", None, "scan-frag-badsum-ipopt"),
         ("ARP sweep (2)", None, "scan-arp-ping"),
         ("SYN, -T2", ["-sS", *SLOW], None), ("connect, -T2", ["-sT", *SLOW], None),
         ("UDP, -T2", ["-sU", *SLOW], None), ("FIN, -T2", ["-sF", *SLOW], None),
         ("SYN, 1.5 s between probes", ["-sS", *SLOWER], None)]
NOTES = """1. Three ports are tried, which is too few; the fragments and source routes are dropped.
2. A stack at a TUN device, or behind one, sees no ARP."""
HEAD = f"""# Scan detection

What the scan detection of `src/firewall/scan.h` finds, and what it does not take for a scan. Written by
`./dev bench scans --write`, with captures of other folders by `--captures DIR,...`; nothing here is edited by hand.
The figures are of {{program}} and Linux {{kernel}}.

A first contact is an address, port and protocol that someone has not tried before. The figures are how many a scanner
has made when it is found: those under way at that moment too, for nmap makes ten and more at once, those of open ports
too.

## Scans

Captured scans are replayed into a stack that stands for the scanned host, and into one that guards the scanning host
as `berth run` does a program. The last column is nmap at its default timing, where nothing else is said, against a
stack with {len(OPEN)} ports open ({", ".join(OPEN)}).

{{scans}}

{NOTES}

From inside `berth run`, where nmap has no raw sockets:

{{inside}}

## False alarms

{{alarms}}
"""


def missing():
    for program in (PROGRAM, ORDINARY, BERTH):
        if not os.path.exists(lab.built(program)):
            return f"{lab.built(program)} is missing"
    return None


# ---- Captures ---------------------------------------------------------------------------------


def replay(folders):
    paths = sorted(path for folder in folders for path in glob.glob(os.path.join(folder, "*.pcap*")))
    seen, lines = set(), []
    for path in paths:
        if os.path.basename(path) in seen:
            continue
        seen.add(os.path.basename(path))
        done = subprocess.run([lab.built(PROGRAM), "replay", path], capture_output=True, text=True,
                              timeout=300)
        if done.returncode != 0:
            raise Trouble(f"bench-scans replay {path}: {done.stderr.strip()}")
        lines += [json.loads(line) for line in done.stdout.splitlines()]
    return lines


def after(lines, capture, guard, direction):
    """First contacts until the verdict, in the capture's replays under GUARD; None: never."""
    found = [scan["after"] for line in lines for scan in line["scans"]
             if line["file"].startswith(capture + ".") and line["guard"] == guard and
             scan["direction"] == direction]
    return min(found) if found else None


# ---- Live -------------------------------------------------------------------------------------


def live(words):
    """nmap against a stack of its own. The verdict, or None."""
    stack = subprocess.Popen([lab.built(PROGRAM), "live", DEVICE, STACK, *OPEN],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if stack.stdout.readline() != "ready\n":
            raise Trouble("bench-scans live does not start")
        for ip in (["addr", "add", KERNEL, "dev", DEVICE], ["link", "set", DEVICE, "up"]):
            subprocess.run(["ip", *ip], check=True)
        subprocess.run(["nmap", "-n", "-Pn", *words, STACK], check=True, timeout=300,
                       stdout=subprocess.DEVNULL)
        stack.stdin.close()
        lines = stack.stdout.read().splitlines()
    finally:
        stack.kill()
        stack.wait()
    return json.loads(lines[0]) if lines else None


def under_berth(rules, words):
    """berth run's own verdicts on WORDS; the lines of its log that say so."""
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder:
        log = os.path.join(folder, "log")
        subprocess.run([lab.built(BERTH), "run", "--quiet", *rules, "--log", log, "--", *words],
                       timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(log) as file:
            lines = [json.loads(line) for line in file]
    contacts = len({(line["protocol"], line["remote_address"], line["remote_port"])
                    for line in lines if "remote_port" in line})
    return [line for line in lines if line["event"] == "scan"], contacts


TO_HOST = ["--allow", "out any to host"]
INSIDE = [("connect, closed ports", TO_HOST, ["-sT"]),
          ("connect, every port refused by the rules", [], ["-sT"]),
          ("connect, -T2", TO_HOST, ["-sT", *SLOW])]


def inside():
    result = []
    for name, rules, words in INSIDE:
        scans, _ = under_berth(rules, ["nmap", "-n", "-Pn", *words, "10.0.2.2"])
        result.append([name, scans[0]["contacts"] if scans else None])
    return result


# ---- Ordinary traffic --------------------------------------------------------------------------


PROGRAMS = """
for turn in 1 2 3 4 5; do
  for port in {ports}; do curl -s -o /dev/null http://10.0.2.2:$port/; done
  for port in 5432 6379 3306 27017 9200; do curl -s http://10.0.2.2:$port/; done
  ping -c 1 10.0.2.2
done
true
"""


def programs():
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
               for _ in range(8)]
    for server in servers:
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
    script = PROGRAMS.format(ports=" ".join(str(server.server_port) for server in servers))
    scans, contacts = under_berth(TO_HOST, ["sh", "-c", script])
    for server in servers:
        server.shutdown()
    return {"contacts": contacts, "alarms": len(scans)}


def hour():
    done = subprocess.run([lab.built(ORDINARY)], capture_output=True, text=True, timeout=300)
    found = re.search(r"an hour: (\d+) conversations begun, (\d+) connections, (\d+) refusals, "
                      r"(\d+) late segments, (\d+) alarms", done.stdout + done.stderr)
    if not found:
        raise Trouble("sim_test_scans says nothing of its hour")
    return [int(number) for number in found.groups()]


# ---- The area ----------------------------------------------------------------------------------


def run(options):
    lines = replay(options.captures)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    scans = []
    for name, words, capture in KINDS:
        row = {"name": name, "live": live(words) if words else None, "has_live": bool(words)}
        if capture:
            row["in"] = after(lines, capture, "stack", "in")
            row["out"] = after(lines, capture, "link peer", "out")
            row["has_capture"] = any(line["file"].startswith(capture + ".") for line in lines)
        scans.append(row)
    plain = [line for line in lines if not line["file"].startswith("scan-")]
    version = subprocess.run(["nmap", "--version"], capture_output=True, text=True, check=True)
    return {"scans": scans, "inside": inside(),
            "program": version.stdout.split(" (")[0].replace(" version", "").strip().lower(),
            "ordinary": {"captures": len({line["file"] for line in plain}), "replays": len(plain),
                         "contacts": sum(line["tried"] for line in plain
                                         if line["guard"] == "stack"),
                         "alarms": sum(len(line["scans"]) for line in plain)},
            "hour": hour(), "programs": programs()}


def figure(is_tried, value):
    return "" if not is_tried else "not found" if value is None else value


def scan_row(row):
    has = row.get("has_capture")
    return [row["name"], figure(has, row.get("in")), figure(has, row.get("out")),
            figure(row["has_live"], row["live"] and row["live"]["scan"]["after"])]


def text(document):
    ordinary, hour_of, ran = document["ordinary"], document["hour"], document["programs"]
    scans = table(["scan", "captured, by the scanned", "captured, by who guards the scanner",
                   "nmap, live"], [scan_row(row) for row in document["scans"]])
    inside_of = table(["nmap inside berth run", "first contacts"],
                      [[name, figure(True, value)] for name, value in document["inside"]])
    alarms = table(["ordinary traffic", "of what size", "alarms"], [
        ["captures, each host of each guarded in both ways",
         f"{ordinary['captures']} captures, {ordinary['replays']} replays, "
         f"{ordinary['contacts']} first contacts", ordinary["alarms"]],
        ["an hour of a host and its network, simulated (`tests/sim/ordinary.h`)",
         f"{hour_of[0]} conversations, {hour_of[1]} connections, {hour_of[2]} refusals, "
         f"{hour_of[3]} late segments", hour_of[4]],
        ["curl and ping inside berth run, eight servers, five more that are down",
         f"{ran['contacts']} first contacts", ran["alarms"]]])
    return HEAD.format(program=document["program"], kernel=os.uname().release, scans=scans,
                       inside=inside_of, alarms=alarms)


def write(text_of_it):
    with open(DOCUMENT, "w") as file:
        file.write(text_of_it)
