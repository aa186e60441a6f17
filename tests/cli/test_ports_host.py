#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth ports --free and --ephemeral, in a network namespace whose sockets are all this test's."""

import json
import os
import resource
import socket
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests", "interop"))
import tap  # noqa: E402
import host  # noqa: E402, F401: moves into the namespace

FIRST, LAST = 40000, 40099  # the ephemeral range in here
TAKEN = 30
TOWARDS = ("127.0.0.1", 9090)


def set_range(first, last, reserved=""):
    for name, value in (("ip_local_port_range", f"{first} {last}"),
                        ("ip_local_reserved_ports", reserved)):
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(value + "\n")


def hold(port, kind=socket.SOCK_STREAM, address="127.0.0.1", listen=False):
    held = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((address, port))
    if listen:
        held.listen(256)
    return held


def free(*arguments):
    """The ports that it prints, and its status."""
    done = tap.berth("ports", "--free", *arguments)
    return [int(line) for line in done.stdout.split()], done.returncode, done.stderr


def registered():
    """Every port that the registry says belongs to somebody."""
    rows = json.loads(tap.berth("ports", "--json").stdout)
    return {port for row in rows if row["port"] is not None
            and (row["name"] or row["description"] != "Unassigned")
            for port in range(row["port"], row["port_last"] + 1)}


def check_free_anywhere(known):
    ports = [free()[0][0] for _ in range(20)]
    tap.check("a free port is IANA's own ephemeral, outside of the host's range",
              all(port >= 49152 and not FIRST <= port <= LAST for port in ports), ports)
    tap.check("not always the same", len(set(ports)) > 10, ports)
    set_range(1024, 65535)
    ports = [free()[0][0] for _ in range(20)]
    tap.check("a host that takes all ports for its range gets one of it",
              all(port >= 49152 for port in ports), ports)
    set_range(49152, 65535)
    ports = [free()[0][0] for _ in range(20)]
    tap.check("a user port where the host's range is IANA's, never a registered one",
              all(1024 <= port < 49152 and port not in known for port in ports), ports)
    set_range(FIRST, LAST)
    ports, status, _ = free("ephemeral", "user", "ephemeral")
    tap.check("one for each operand, no two the same", status == 0 and len(set(ports)) == 3
              and ports[1] < 49152 and ports[1] not in known, ports)


def check_free_range(known):
    choices = set(range(8000, 8100)) - known
    ports = {free("8000-8099")[0][0] for _ in range(30)}
    tap.check("of a range an unregistered port", ports <= choices and len(ports) > 3,
              (ports, choices))
    held = [hold(port, listen=True) for port in choices]
    ports, status, _ = free("8000-8099")
    tap.check("a registered port of a range that has no other", status == 0
              and ports[0] in known and 8000 <= ports[0] < 8100, ports)
    for one in held:
        one.close()
    tap.is_equal("a port by number", free("8080"), ([8080], 0, ""))
    tap.is_equal("a port by its service", free("postgresql"), ([5432], 0, ""))
    set_range(FIRST, LAST, "60000-60009,60011-60019")
    tap.is_equal("what the administrator reserves comes last", free("60000-60019")[0], [60010])
    set_range(FIRST, LAST)


def check_taken():
    ways = [("listening", socket.SOCK_STREAM, "127.0.0.1", True),
            ("listening on IPv6", socket.SOCK_STREAM, "::1", True),
            ("bound without listening", socket.SOCK_STREAM, "127.0.0.2", False),
            ("bound by UDP", socket.SOCK_DGRAM, "0.0.0.0", False),
            ("bound by UDP on IPv6", socket.SOCK_DGRAM, "::1", False)]
    for name, kind, address, listen in ways:
        held = hold(60001, kind, address, listen)
        ports, status, said = free("60001")
        tap.check(f"a port is not free: {name}", status == 1 and ports == []
                  and said == "berth: ports: --free 60001: no port is free\n", (ports, said))
        other = "tcp" if kind == socket.SOCK_DGRAM else "udp"
        tap.is_equal(f"{name}: free for {other} alone", free("60001", "--proto", other)[0],
                     [60001])
        tap.is_equal(f"{name}: the same by operand", free(f"60001/{other}")[0], [60001])
        held.close()
    tap.is_equal("and then it is free again", free("60001")[0], [60001])


def check_free_json():
    rows = json.loads(tap.berth("ports", "--free", "--json", "8080", "60002/udp").stdout)
    tap.is_equal("free ports as JSON", rows,
                 [{"operand": "8080", "port": 8080, "protocols": ["tcp", "udp"],
                   "category": "user", "name": "http-alt", "in_ephemeral_range": False},
                  {"operand": "60002/udp", "port": 60002, "protocols": ["udp"],
                   "category": "ephemeral", "name": None, "in_ephemeral_range": False}])


def ephemeral():
    return json.loads(tap.berth("ports", "--ephemeral", "--json").stdout)


def check_collisions(inside):
    """Registered ports of the range: one that is served, one that an outgoing flow has."""
    tap.is_equal("no collision yet", ephemeral()["collisions"], [])
    server = hold(40000, listen=True)
    client = hold(40023, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", 9092))
    told = ephemeral()["collisions"]
    tap.is_equal("collisions are told", [(row["port"], row["protocol"], row["use"])
                                         for row in told],
                 [(40000, "tcp", "served"), (40023, "udp", "taken")])
    tap.check("of registered ports, with their names", {row["port"] for row in told} <= inside
              and told[1]["name"] == "k-patentssensor", told)
    shown = tap.berth("ports", "--ephemeral").stdout
    tap.check("for people, too", "registered, in this host's range, and in use:" in shown
              and "taken by a connection: cannot be served" in shown, shown)
    client.close()
    server.close()


def check_ephemeral(known):
    set_range(FIRST, LAST, "40090-40099")
    told = ephemeral()
    inside = {port for port in known if FIRST <= port <= LAST}
    tap.is_equal("the ranges", (told["host"], told["iana"]),
                 ({"first": FIRST, "last": LAST}, {"first": 49152, "last": 65535}))
    tap.is_equal("what is reserved in it", told["reserved"], list(range(40090, 40100)))
    tap.is_equal("what is left", told["available"], 90)
    tap.is_equal("what is registered in it", told["registered_ports"], len(inside))
    tap.check("and its services", inside and {row["port"] for row in told["registered"]} <= inside,
              told["registered"])
    tap.is_equal("nobody is called yet", told["peers"], [])
    check_collisions(inside)
    listener = hold(TOWARDS[1], address=TOWARDS[0], listen=True)
    other = hold(9091, address="127.0.0.1", listen=True)
    inbound = hold(40050, address="127.0.0.1", listen=True)
    calls = [socket.create_connection(TOWARDS) for _ in range(TAKEN)]
    calls += [socket.create_connection(("127.0.0.1", 9091)) for _ in range(3)]
    answer = socket.socket()
    answer.bind(("127.0.0.1", 50001))
    answer.connect(("127.0.0.1", 40050))
    peers = ephemeral()["peers"]
    tap.is_equal("the busiest peers first; accepted connections take nothing",
                 [(row["peer"], row["port"], row["protocol"], row["local_address"], row["taken"])
                  for row in peers],
                 [(*TOWARDS, "tcp", "127.0.0.1", TAKEN), ("127.0.0.1", 9091, "tcp", "127.0.0.1", 3)])
    tap.is_equal("its share", peers[0]["share"], TAKEN / 90)
    shown = tap.berth("ports", "--ephemeral").stdout
    tap.check("the same for people", f"{FIRST}-{LAST}" in shown and "49152-65535" in shown
              and "127.0.0.1:9090" in shown and "33.3%" in shown, shown)
    for one in [*calls, answer, listener, other, inbound]:
        one.close()
    set_range(61000, 62000)
    shown = tap.berth("ports", "--ephemeral").stdout
    tap.check("a range without collisions", "61000-62000" in shown and "REGISTERED" not in shown,
              shown)


def check_refusals():
    for arguments, words in [(["--free", "--ephemeral"], ["--ephemeral"]),
                             (["--free", "--search", "x"], ["--search"]),
                             (["--free", "--proto", "none"], ["'none'", "tcp, udp"]),
                             (["--free", "70000"], ["'70000'"]),
                             (["--ephemeral", "80"], ["'80'"]),
                             (["--ephemeral", "--proto", "tcp"], ["--proto"])]:
        done = tap.berth("ports", *arguments)
        tap.check(f"refused: {' '.join(arguments)}", done.returncode == 2 and done.stdout == ""
                  and len(done.stderr.splitlines()) == 1
                  and all(word in done.stderr for word in words), done.stderr)
    tap.is_equal("a service that is none", free("nosuchservice")[:2], ([], 1))
    tap.is_equal("port 0 is never free", free("0")[:2], ([], 1))


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    set_range(FIRST, LAST)
    known = registered()
    check_free_anywhere(known)
    check_free_range(known)
    check_taken()
    check_free_json()
    check_ephemeral(known)
    check_refusals()
    tap.done()


main()
