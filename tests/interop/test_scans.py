#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Scans, with nmap and without: a program that probes the network from inside berth run, a client
that probes published ports; and programs that are no scanners."""

import os
import socket
import tempfile

import host
import tap

host.need("nmap")
host.enter()

folder = tempfile.mkdtemp(prefix="berth-scans-")
log = os.path.join(folder, "log")


def policy(text):
    path = os.path.join(folder, "rules")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def events():
    lines = host.read_log(log)
    os.unlink(log)
    return [line for line in lines if line["event"] == "scan"], lines


def nmap(*words):
    return ["nmap", "-n", "-Pn", *map(str, words)]


# ---- Out -------------------------------------------------------------------------------------

server = host.Server(lambda connection: connection.sendall(b"hello"))

done = host.run("--allow", "out any to host", "--log", log, "--", *nmap("-sT", "10.0.2.2"))
scans, lines = events()
tap.is_equal("a connect scan of the host is found, once", len(scans), 1)
scan = scans[0] if scans else {}
tap.is_equal("what the log says of it",
             (scan.get("direction"), scan.get("source"), scan.get("verdict"), scan.get("hosts")),
             ("out", "10.0.2.100", "log", 1))
tap.is_equal("by whom", (scan.get("process") or {}).get("name"), "nmap")
tap.is_equal("its ports", scan.get("ports"), len(scan.get("sample_ports", [])))
tap.check(f"within 10 first contacts ({scan.get('contacts')})", scan.get("contacts", 99) <= 10)
said = [line for line in done.stderr.splitlines()
        if line.startswith("berth: scan out by the program (process nmap): ")]
tap.check("a line on standard error", len(said) >= 1)

done = host.run("--log", log, "--", *nmap("-sT", "203.0.113.7"))
scans, lines = events()
tap.is_equal("where every port is refused by the rules, too", len(scans), 1)
tap.check("within 10 first contacts", scans and scans[0]["contacts"] <= 10)
said = [line for line in done.stderr.splitlines() if "scan out by the program" in line]
tap.is_equal("told at once, and under the closing table", len(said), 2)

done = host.run("--allow", "out any to host", "--log", log, "--",
                *nmap("-sT", "-T2", "-p", "60-66", "10.0.2.2"), timeout_s=120)
scans, lines = events()
tap.is_equal("a slow one is found (-T2: 0.4 s between probes)", len(scans), 1)

HOSTS = """
import socket
for i in range(1, 9):
    s = socket.socket()
    s.settimeout(5)
    try: s.connect((f'203.0.113.{i}', 22))
    except OSError: pass
"""
done = host.run("--log", log, "--", *host.python(HOSTS))
scans, lines = events()
tap.is_equal("one port of one host after the other", [scan["hosts"] for scan in scans], [6])
tap.is_equal("is a scan of hosts", [scan["ports"] for scan in scans], [1])

UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.2)
for port in range(20000, 20010):
    s.sendto(b'x', ('10.0.2.2', port))
    try: s.recv(10)
    except OSError: pass
"""
done = host.run("--allow", "out any to host", "--log", log, "--", *host.python(UDP))
scans, lines = events()
tap.is_equal("closed UDP ports", len(scans), 1)

rules = policy("on scan out deny 2 hours\nallow out any to host\n")
done = host.run("--policy", rules, "--log", log, "--",
                *nmap("-sT", "-p", f"20-60,{server.port}", "10.0.2.2"))
scans, lines = events()
tap.is_equal("on scan out deny", [scan["verdict"] for scan in scans], ["deny"])
refused = [line for line in lines if line["event"] == "refused"]
tap.check(f"what comes after it is refused ({len(refused)})", len(refused) > 20)
tap.check("and said so", "refused for 2 hours" in done.stderr)
tap.is_equal("no words would have allowed that", host.hints(done.stderr), [])

# ---- No scans ---------------------------------------------------------------------------------

RETRY = """
import socket, time
for turn in range(20):
    for port in (5432, 6379, 3306, 27017, 9200):
        s = socket.socket()
        s.settimeout(5)
        try: s.connect(('10.0.2.2', port))
        except OSError: pass
        s.close()
"""
done = host.run("--allow", "out any to host", "--log", log, "--", *host.python(RETRY))
scans, lines = events()
tap.is_equal("a hundred refusals", len([line for line in lines if line["event"] == "failed"]), 100)
tap.is_equal("of five services that are down are no scan", scans, [])

done = host.run("--log", log, "--", *host.python(RETRY))
scans, lines = events()
tap.is_equal("nor where the rules refuse them", scans, [])

# ---- In --------------------------------------------------------------------------------------

# A program with one of ten published ports open, and a client that tries them all.
INSIDE = """
import socket, sys, time
s = socket.create_server(('0.0.0.0', 8003), backlog=50)
print('ready', flush=True)
sys.stdin.read()
"""


def published(rules, tries):
    program = host.start("--policy", policy(rules), "--publish", "18000-18009:8000-8009",
                         "--log", log, "--", *host.python(INSIDE), stdin=-1)
    tap.is_equal("the program listens", program.stdout.readline(), "ready\n")
    outcomes = []
    for port in tries:
        client = socket.socket()
        client.settimeout(5)
        try:
            client.connect(("127.0.0.1", port))
            client.settimeout(0.3)
            outcomes.append(client.recv(1) == b"x")
        except socket.timeout:
            outcomes.append(True)  # connected, and nobody says anything
        except OSError:
            outcomes.append(False)
        client.close()
    program.stdin.close()
    program.wait(30)
    program.stdout.close()
    program.stderr.close()
    return outcomes, *events()


outcomes, scans, lines = published("allow in from host\n", [*range(18000, 18010), 18003])
tap.is_equal("a client that tries published ports is found",
             [(scan["direction"], scan["source"], scan["process"]) for scan in scans],
             [("in", "10.0.2.2", None)])
tap.check("and still served: it is only logged", outcomes[-1])

outcomes, scans, lines = published("on scan in drop 1 minute\nallow in from host\n",
                                   [*range(18000, 18010), 18003])
tap.is_equal("on scan in drop", [scan["verdict"] for scan in scans], ["drop"])
tap.check("shuts it out", not outcomes[-1])

outcomes, scans, lines = published("allow in from host\n",
                                   [18000] * 20 + [18001] * 20 + [18003] * 5)
tap.is_equal("a client whose servers are down is no scanner", scans, [])

os.unlink(os.path.join(folder, "rules"))
os.rmdir(folder)
tap.done()
