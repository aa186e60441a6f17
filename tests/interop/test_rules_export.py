#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth rules export --to nftables: the kernel, under the exported ruleset, accepts and refuses the
same first contacts as berth does.

    guarded namespace (the ruleset)  --- veth ---  the world: every address is local to it
    192.0.2.1, 2001:db8:1::1                       192.0.2.2, 2001:db8:1::2

Random policies over few ports and prefixes, so that rules overlap; random contacts by TCP, UDP and
echo, in and out, to addresses of the network, link-local ones, the machine's own, loopback, and
IPv6 that carries such. What happens is compared with what berth rules explain says: allowed (it
arrives), denied (answered at once), dropped (silence). BERTH_TEST_SEED repeats a run.
"""

import ctypes
import errno
import json
import os
import random
import resource
import select
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests", "interop"))
import tap  # noqa: E402
import host  # noqa: E402: moves into the guarded namespace

POLICIES = 4
CONTACTS = 250  # of each policy
PORTS = [22, 53, 80, 443, 1023, 1024, 5432, 8080, 8081, 49151, 49152, 65535]
OWN4, OWN6 = "192.0.2.1", "2001:db8:1::1"
THEIRS4, THEIRS6 = "192.0.2.2", "2001:db8:1::2"
SECONDS = 1.0  # without an answer: dropped

IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75
IP_RECVERR, IPV6_RECVERR = 11, 25
CLONE_NEWNET = 0x40000000

WHATS = ["", "any", "tcp", "udp", "icmp", "system", "user/tcp", "ephemeral", "80,443", "https",
         "53/udp", "8080-8081", "22,53,8000-50000/tcp,53/udp", "80-90,85-100,100-443", "domain"]
NETWORK = ["198.51.100.7", "198.51.100.99", "203.0.113.5", "10.1.2.3", "10.9.9.9", "8.8.8.8",
           "172.16.5.5", "2001:db8:5::7", "2001:db8:5:1::9", "2a00::1", "fd12::5"]
SPECIAL = ["169.254.169.254", "169.254.1.1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
           "64:ff9b::808:808", "2002:a9fe:a9fe::1", "2002:808:808::1", "::8.8.8.8"]
LOCAL = ["127.0.0.1", "127.0.0.5", OWN4, OWN6, "::1"]
PEERS = ["any", "host", "0.0.0.0/0", "::/0", "198.51.100.0/24", "198.51.100.0/26", "10.0.0.0/8",
         "10.1.0.0/16", "2001:db8:5::/48", "2001:db8:5:1::/64", "fd00::/8", "169.254.0.0/16",
         "127.0.0.0/8", "127.0.0.0/30", "64:ff9b::/96", "64:ff9b::a9fe:0/112", "2002::/16",
         "2002:a9fe::/32", "128.0.0.0/1", "::/96", *NETWORK, *SPECIAL, *LOCAL]


# ---- Namespaces ---------------------------------------------------------------------------------

LIBC = ctypes.CDLL(None, use_errno=True)


def run(*words, **options):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=30, **options)


class Namespace:
    """A network namespace to be in: `with guarded: ...`."""

    def __init__(self):
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.before = None

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        assert LIBC.setns(self.fd, CLONE_NEWNET) == 0

    def __exit__(self, *_):
        assert LIBC.setns(self.before, CLONE_NEWNET) == 0
        os.close(self.before)


def set_up():
    """Two namespaces joined by a link; this process stays in the guarded one."""
    guarded = Namespace()
    assert LIBC.unshare(CLONE_NEWNET) == 0
    world = Namespace()
    run("ip", "link", "set", "lo", "up")
    with guarded:
        run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1",
            "netns", f"/proc/self/fd/{world.fd}", pass_fds=(world.fd,))
    for own4, own6, name, space in ((OWN4, OWN6, "veth0", guarded),
                                    (THEIRS4, THEIRS6, "veth1", world)):
        with space:
            for path, value in (("ipv4/icmp_ratemask", "0"), ("ipv6/icmp/ratelimit", "0"),
                                ("ipv4/ping_group_range", "0 0"),
                                ("ipv4/conf/all/rp_filter", "0"),
                                ("ipv4/ip_unprivileged_port_start", "0")):
                with open(f"/proc/sys/net/{path}", "w", encoding="ascii") as file:
                    file.write(value)
            run("ip", "address", "add", f"{own4}/24", "dev", name)
            run("ip", "address", "add", f"{own6}/64", "dev", name, "nodad")
            run("ip", "link", "set", name, "up")
    with guarded:
        run("ip", "route", "add", "default", "via", THEIRS4)
        run("ip", "-6", "route", "add", "default", "via", THEIRS6)
    with world:
        run("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "main")
        run("ip", "-6", "route", "add", "local", "::/0", "dev", "lo", "table", "main")
    assert LIBC.setns(guarded.fd, CLONE_NEWNET) == 0
    for address in (THEIRS4, THEIRS6):  # the neighbours know each other before it counts
        run("ping", "-c", "1", "-w", "10", address)
    with world:
        for address in (OWN4, OWN6):
            run("ping", "-c", "1", "-w", "10", address)
    return guarded, world


# ---- Sockets ------------------------------------------------------------------------------------

def is_v6(address):
    return ":" in address


def make(kind, protocol, address, source, port):
    """A socket that will call ADDRESS, from SOURCE where it is said, and hear of ICMP errors."""
    family = socket.AF_INET6 if is_v6(address) else socket.AF_INET
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    if is_v6(address):
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    if source is not None:
        level, option = ((socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if is_v6(address)
                         else (socket.IPPROTO_IP, IP_TRANSPARENT))
        made.setsockopt(level, option, 1)
    made.bind((source or "", port))
    return made


def listen():
    """Every port of PORTS, TCP and UDP, both versions. Returns the UDP sockets."""
    held, udp = [], []
    for port in PORTS:
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                one = socket.socket(family, kind | socket.SOCK_NONBLOCK)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("", port))
                if kind == socket.SOCK_STREAM:
                    one.listen(1024)
                    held.append(one)
                else:
                    udp.append(one)
    return held, udp


class Contact:
    """One first contact and what became of it."""

    from_port = 10000  # never the same twice: the kernel remembers conversations

    def __init__(self, direction, protocol, peer, port):
        Contact.from_port += 1
        self.from_port = Contact.from_port
        self.direction, self.protocol, self.peer, self.port = direction, protocol, peer, port
        own = OWN6 if is_v6(peer) else OWN4
        self.to = peer if direction == "out" else own
        self.source = peer if direction == "in" or peer in LOCAL else None
        self.socket = None
        self.became = None

    def __str__(self):
        return f"{self.direction} {self.protocol} {self.peer} {self.port}"

    def begin(self):
        if self.protocol == "tcp":
            self.socket = make(socket.SOCK_STREAM, 0, self.to, self.source, self.from_port)
            self.socket.connect_ex((self.to, self.port))
            return
        if self.protocol == "udp":
            self.socket = make(socket.SOCK_DGRAM, 0, self.to, self.source, self.from_port)
            payload, port = struct.pack("!I", self.from_port), self.port
        else:
            v6 = is_v6(self.to)
            self.socket = make(socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if v6
                               else socket.IPPROTO_ICMP, self.to, self.source, self.from_port)
            payload, port = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, 0, 1), 0
        try:
            self.socket.connect((self.to, port))
            self.socket.send(payload)
        except OSError as error:  # EPERM: this host's own ruleset; why, the error queue knows
            if error.errno not in (errno.EPERM, errno.EHOSTUNREACH, errno.EACCES):
                raise

    def look(self):
        """What has become of it so far."""
        if self.protocol == "tcp":
            ready = select.select([], [self.socket], [], 0)[1]
            if ready:
                error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self.became = {0: "allow", errno.ECONNREFUSED: "deny"}.get(error, str(error))
            return
        try:
            self.socket.recv(2048, socket.MSG_ERRQUEUE)
            self.became = "deny"
        except BlockingIOError:
            pass
        if self.protocol == "icmp" and self.became is None:
            try:
                self.socket.recv(2048)
                self.became = "allow"
            except BlockingIOError:
                pass
            except OSError:
                self.became = "deny"


def select_many():
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)


def take_datagrams(sockets, contacts):
    for one in sockets:
        while True:
            try:
                number = struct.unpack("!I", one.recv(64)[:4])[0]
            except BlockingIOError:
                break
            for contact in contacts:
                if contact.from_port == number:
                    contact.became = "allow"


def meet(contacts, guarded, world, servers):
    """Begins all CONTACTS and waits for what becomes of each."""
    for contact in contacts:
        with guarded if contact.direction == "out" else world:
            contact.begin()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.1)
        take_datagrams(servers, contacts)
        for contact in contacts:
            if contact.became is None:
                contact.look()
        if all(contact.became for contact in contacts):
            break
    for contact in contacts:
        contact.socket.close()
        contact.became = contact.became or "drop"


# ---- Berth's word -------------------------------------------------------------------------------

class Oracle:
    """What berth says, asked once per address and direction."""

    def __init__(self, path):
        self.path = path
        self.known = {}

    def ask(self, direction, protocol, peer, port):
        if (direction, peer) not in self.known:
            word = "to" if direction == "out" else "from"
            answers = {}
            # Neighbours would be a range, which is no question.
            questions = [f"{direction} {ports}/tcp,{ports}/udp {word} {peer}" for ports in
                         (",".join(map(str, half)) for half in (PORTS[::2], PORTS[1::2]))]
            for question in (*questions, f"{direction} icmp {word} {peer}"):
                done = tap.berth("rules", "explain", "--json", "--policy", self.path, question)
                for row in json.loads(done.stdout):
                    answers[row["protocol"], row["port"]] = row["verdict"]
            self.known[direction, peer] = answers
        return self.known[direction, peer][protocol, port if protocol != "icmp" else None]

    def expect(self, contact):
        """A contact with the machine itself leaves it and comes in: both must be allowed."""
        verdict = self.ask(contact.direction, contact.protocol, contact.peer, contact.port)
        if verdict == "allow" and contact.peer in LOCAL:
            verdict = self.ask("in", contact.protocol, contact.peer, contact.port)
        return verdict


# ---- The test -----------------------------------------------------------------------------------

def make_policy(chance):
    lines = []
    for _ in range(chance.randint(15, 40)):
        direction = chance.choice(["out", "out", "in"])
        peers = sorted(set(chance.choices(PEERS, k=chance.choice([0, 1, 1, 2, 4]))))
        word = "to" if direction == "out" else "from"
        lines.append(" ".join([chance.choice(["allow", "allow", "deny", "drop"]), direction,
                               chance.choice(WHATS)] + ([word, ",".join(peers)] if peers else [])
                              + chance.choice([[], [], ["log"]])))
    return "\n".join(lines) + "\n"


def make_contacts(chance):
    chosen = set()
    while len(chosen) < CONTACTS:
        direction = chance.choice(["out", "out", "in"])
        peer = chance.choice(NETWORK + SPECIAL + (LOCAL if direction == "out" else []))
        if peer == "::8.8.8.8" and direction == "in":
            continue
        protocol = chance.choice(["tcp", "tcp", "tcp", "udp", "udp", "icmp"])
        chosen.add((direction, protocol, peer, chance.choice(PORTS) if protocol != "icmp" else 0))
    return [Contact(*one) for one in sorted(chosen)]


# ---- Limits -------------------------------------------------------------------------------------

LIMITED = """let few = {443, 8080}
allow in few from any limit 3/hour
allow out 443/tcp,443/udp limit 4/hour
allow in 22 from any,host
"""


def load(folder, name, text):
    """Exports the policy TEXT and loads that: the policy's path."""
    policy = os.path.join(folder, name)
    with open(policy, "w", encoding="ascii") as file:
        file.write(text)
    done = tap.berth("rules", "export", "--to", "nftables", policy)
    ruleset = policy + ".nft"
    with open(ruleset, "w", encoding="ascii") as file:
        file.write(done.stdout)
    tap.is_equal(f"{name}: nothing is lost", (done.returncode, done.stderr), (0, ""))
    for words in (("nft", "-c", "-f", ruleset), ("nft", "-f", ruleset)):
        loaded = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
        if "Operation not supported" in loaded.stderr:
            host.skip_all("no nftables in this kernel")
        tap.is_equal(" ".join(words[:-1]), (loaded.returncode, loaded.stderr), (0, ""))
    return policy


def check_limits(folder, guarded, world, servers):
    """So many at once, and the next is refused: of each source for in (of IPv6 each /64), of all
    together for out; on all ports and protocols of the rule."""
    load(folder, "limits", LIMITED)
    groups = [
        ("one source, two ports", 3, [("in", "tcp", "198.51.100.7", port)
                                      for port in (443, 8080, 443, 8080, 443)]),
        ("another source", 3, [("in", "tcp", "198.51.100.8", 443)] * 4),
        ("a network of IPv6", 3, [("in", "tcp", f"2001:db8:9::{i}", 443) for i in range(1, 6)]),
        ("another network", 2, [("in", "tcp", "2001:db8:9:1::1", 443)] * 2),
        ("out, to anyone", 4, [("out", protocol, peer, 443) for protocol in ("tcp", "udp")
                               for peer in ("198.51.100.7", "2001:db8:5::7", "203.0.113.5")]),
        ("without a limit", 6, [("in", "tcp", "198.51.100.7", 22)] * 6),
    ]
    for name, allowed, tries in groups:
        contacts = [Contact(*words) for words in tries]
        meet(contacts, guarded, world, servers)
        tap.is_equal(f"limit: {name}", [contact.became for contact in contacts],
                     ["allow"] * allowed + ["deny"] * (len(contacts) - allowed))


def main():
    if shutil.which("nft") is None:
        host.skip_all("no nft here")
    select_many()
    seed = int(os.environ.get("BERTH_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    tap.diag(f"BERTH_TEST_SEED={seed}")
    chance = random.Random(seed)
    guarded, world = set_up()
    with guarded:
        servers = listen()
    with world:
        others = listen()
    totals = {"allow": 0, "deny": 0, "drop": 0}
    with tap.temp_dir() as folder:
        for round_number in range(POLICIES):
            policy = load(folder, f"policy{round_number}", make_policy(chance))
            contacts = make_contacts(chance)
            meet(contacts, guarded, world, servers[1] + others[1])
            oracle = Oracle(policy)
            wrong = [f"{contact}: {contact.became}, berth: {oracle.expect(contact)}"
                     for contact in contacts if contact.became != oracle.expect(contact)]
            for contact in contacts:
                totals[contact.became] = totals.get(contact.became, 0) + 1
            with open(policy, encoding="ascii") as file:
                tap.check(f"policy {round_number}: {len(contacts)} contacts as berth judges them",
                          not wrong, "\n".join(wrong[:20]) + "\n" + file.read())
        check_limits(folder, guarded, world, servers[1] + others[1])
    tap.diag(f"{totals}")
    tap.check("all kinds of verdicts were met", min(totals.values()) >= 20, totals)
    tap.done()


main()
