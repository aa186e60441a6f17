#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: names. Which resolve, what of an answer passes, how long a rule by name matches the
addresses given for it, and that a connection asks the server that it was let through for.
names_world.py has the network."""

import host
import os
import socket
import subprocess
import time

import tap
import terminal
from names_world import (FAR, FAR2, FAR3, FAR6, INWARD, Far, FarServer, NameServer, TlsServer,
                         serve_echo, serve_greeting, serve_http)

RECORDS = {
    ("allowed.example", "A"): (300, [FAR]),
    ("allowed.example", "AAAA"): (300, [FAR6]),
    ("allowed.example", "TXT"): (300, ["words"]),
    ("allowed.example", "HTTPS"): (300, ["svc.example 10.0.0.1"]),
    ("other.example", "A"): (300, [FAR]),
    ("third.example", "A"): (300, [FAR3]),
    ("www.allowed.example", "CNAME"): (300, ["edge.cdn.example"]),
    ("edge.cdn.example", "CNAME"): (300, ["pop.cdn.example"]),
    ("pop.cdn.example", "A"): (300, [FAR2]),
    ("loop.example", "CNAME"): (300, ["pool.example"]),
    ("pool.example", "CNAME"): (300, ["loop.example"]),
    ("a.wild.example", "A"): (300, [FAR2]),
    ("b.a.wild.example", "A"): (300, [FAR2]),
    ("wild.example", "A"): (300, [FAR2]),
    ("short.example", "A"): (1, [FAR3]),
    ("inward.example", "A"): (300, [INWARD]),
    ("loopback.example", "A"): (300, ["127.0.0.1"]),
    ("metadata.example", "A"): (300, ["169.254.169.254"]),
    ("gateway.example", "A"): (300, ["10.0.2.2"]),
    ("thishost.example", "A"): (300, ["203.0.113.1"]),
    ("ownnet.example", "A"): (300, ["192.0.2.77"]),
    ("mapped.example", "AAAA"): (300, ["::ffff:10.9.8.7"]),
    ("nat64.example", "AAAA"): (300, ["64:ff9b::7f00:1"]),
    ("mixed.example", "A"): (300, [INWARD, FAR2]),
    ("_http._tcp.allowed.example", "SRV"): (300, ["srv.elsewhere.example:80"]),
    ("srv.elsewhere.example", "A"): (300, [FAR3]),
    ("10.113.0.203.in-addr.arpa", "PTR"): (300, ["allowed.example"]),
}


class World:
    def __init__(self, directory):
        self.directory = directory
        self.far = Far()
        self.names = NameServer(RECORDS)
        self.http = FarServer(self.far, 80, serve_http)
        self.tls = TlsServer(self.far, 443, directory)
        self.echo = FarServer(self.far, 7, serve_echo)
        self.greeting = FarServer(self.far, 25, serve_greeting)

    def run(self, rules, *command, options=("--quiet",)):
        words = [word for rule in rules for word in ("--allow", rule)]
        self.names.asked.clear()
        self.names.wires.clear()
        return host.run("--dns", self.names.word, *options, *words, "--", *command)

    def dig(self, rules, *words, options=("--quiet",)):
        return self.run(rules, "dig", "+tries=1", "+time=5", *words, options=options)

    def log(self, rules, *command):
        """What berth's log says of the run, beside what the run did."""
        path = os.path.join(self.directory, f"log{time.monotonic_ns()}")
        done = self.run(rules, *command, options=("--log", path))
        return done, host.read_log(path)


ALLOWED = ["out http, https, 7, 25 to allowed.example"]


# ---- Questions ------------------------------------------------------------------------------


def check_own_names(world):
    """The program's own place needs no rule, and no server hears of it."""
    own = socket.gethostname()
    done = world.dig([], "+short", own, own.upper(), "localhost", "a.localhost", options=())
    tap.is_equal("this host's name and localhost", done.stdout,
                 "10.0.2.100\n10.0.2.100\n127.0.0.1\n127.0.0.1\n")
    done = world.dig([], "+short", "AAAA", own, "localhost")
    tap.is_equal("by IPv6 too", done.stdout, "fd00::100\n::1\n")
    done = world.dig([], "MX", own, options=())
    tap.check("there is nothing else of them, and it is no refusal",
              "status: NOERROR" in done.stdout and "refused" not in done.stderr, done)
    done = world.dig([], f"{own}.example", "alocalhost")
    tap.is_equal("what only looks like them is refused", done.stdout.count("status: REFUSED"), 2)
    tap.is_equal("and none of it was asked of a server", world.names.asked, [])


def check_questions(world):
    done = world.dig(ALLOWED, "+short", "allowed.example")
    tap.is_equal("a name that a rule names resolves", done.stdout, f"{FAR}\n")
    done = world.dig(ALLOWED, "other.example", options=())
    tap.check("another is refused at once, and nobody is asked",
              "status: REFUSED" in done.stdout and world.names.asked == [], done.stdout)
    tap.is_equal("the table has the words that allow it", host.hints(done.stderr),
                 ["out https to other.example"])
    done = world.dig(host.hints(done.stderr), "+short", "other.example")
    tap.is_equal("with those words it resolves", done.stdout, f"{FAR}\n")

    done = world.dig(ALLOWED, "+noedns", "ALLOWED.eXample.")
    tap.check("letters of either case, a dot at the end: the answer has the question as it was put",
              "ALLOWED.eXample.\t" in done.stdout and FAR in done.stdout, done.stdout)
    tap.is_equal("and goes out in lower case", world.names.asked, [("allowed.example", "A")])
    plain = world.names.wires
    world.dig(ALLOWED, "+noedns", "allowed.example")
    tap.is_equal("as the same bytes", plain, world.names.wires)
    world.dig(ALLOWED, "+cookie=736563726574212a", "+ednsopt=65001:73656372", "allowed.example")
    tap.check("without what EDNS options would carry", len(world.names.wires) == 1
              and b"secr" not in world.names.wires[0], world.names.wires)

    for word, name in (("an odd byte", r"a\007b.allowed.example"), ("a dot in a label",
                                                                    r"allowed\.example")):
        done = world.dig(["out https"], name)
        tap.check(f"{word} in a name: refused", "status: REFUSED" in done.stdout
                  and world.names.asked == [], done.stdout)
    done = world.dig(["out https"], "-c", "CH", "version.bind", "TXT")
    tap.check("another class: refused", "status: REFUSED" in done.stdout, done.stdout)
    done = world.dig(["out https"], "third.example")
    tap.check("a rule without a peer lets any name resolve", FAR3 in done.stdout, done.stdout)
    done = world.dig([f"out https to {FAR3}"], "third.example")
    tap.check("so does one by address", FAR3 in done.stdout, done.stdout)


def check_types(world):
    tunnel = "c2VjcmV0.tunnel.example"
    for kind in ("TXT", "NULL", "MX", "ANY", "CAA", "SOA", "NS", "DNSKEY", "TYPE65280"):
        done = world.dig(["out https"], "-t", kind, tunnel)
        tap.check(f"{kind} of a name that no rule names: refused, nobody is asked",
                  "status: REFUSED" in done.stdout and world.names.asked == [], done.stdout)
    for kind, passes in (("TXT", True), ("MX", True), ("SSHFP", True), ("CAA", True),
                         ("NULL", False), ("ANY", False), ("NS", False)):
        done = world.dig(ALLOWED, "-t", kind, "allowed.example")
        tap.check(f"{kind} of one that a rule names: {'asked' if passes else 'refused'}",
                  ("status: REFUSED" not in done.stdout) == passes
                  and bool(world.names.asked) == passes, done.stdout)
    done, log = world.log(["out https"], "dig", "+tries=1", "TXT", tunnel)
    lines = [line for line in log if line["event"] == "name_refused"]
    wanted = {"host_name": tunnel.lower(), "type": "TXT", "reason": "not named by a rule",
              "allow": f"out https to {tunnel.lower()}"}
    tap.is_equal("logged with the words that would allow it",
                 [{key: line[key] for key in wanted} for line in lines], [wanted])
    tap.check("and said at the end", f"{tunnel.lower()} (TXT)" in done.stderr, done.stderr)
    done = world.dig(ALLOWED, "HTTPS", "allowed.example")
    tap.check("HTTPS: passed on without the address hint", "svc.example" in done.stdout
              and "10.0.0.1" not in done.stdout, done.stdout)
    done = world.dig(ALLOWED, "+tcp", "+short", "allowed.example")
    tap.is_equal("over TCP", done.stdout, f"{FAR}\n")
    done = world.dig(ALLOWED, "+tcp", "other.example")
    tap.check("over TCP, refused", "status: REFUSED" in done.stdout and world.names.asked == [],
              done.stdout)


def check_reverse(world):
    done = world.dig(ALLOWED, "-x", FAR)
    tap.check("PTR of an address that nobody was given: refused",
              "status: REFUSED" in done.stdout and world.names.asked == [], done.stdout)
    done = world.run(ALLOWED, "sh", "-c", f"dig +short allowed.example; dig +short -x {FAR}")
    tap.is_equal("of one that was given", done.stdout, f"{FAR}\nallowed.example.\n")
    done = world.dig([f"out https to {FAR}"], "+short", "-x", FAR)
    tap.is_equal("of one that a rule names", done.stdout, "allowed.example.\n")


def check_wildcard(world):
    rule = ["out http to *.wild.example"]
    for name, passes in (("a.wild.example", True), ("b.a.wild.example", True),
                         ("wild.example", False), ("awild.example", False)):
        done = world.dig(rule, name)
        tap.check(f"*.wild.example and {name}", ("status: REFUSED" not in done.stdout) == passes,
                  done.stdout)
    done = world.run(rule, "curl", "-s", "-4", "http://b.a.wild.example/")
    tap.is_equal("a connection by a wildcard", done.stdout, "served")


# ---- Answers --------------------------------------------------------------------------------


def check_aliases(world):
    rules = ["out http to www.allowed.example, loop.example"]
    done = world.run(rules, "curl", "-s", "-4", "http://www.allowed.example/")
    tap.is_equal("a chain of aliases leads to the address", done.stdout, "served")
    done = world.dig(rules, "edge.cdn.example")
    tap.check("a name on the way is not allowed by it", "status: REFUSED" in done.stdout,
              done.stdout)
    done = world.dig(rules, "loop.example")
    tap.check("a loop of aliases: no answer", "status: SERVFAIL" in done.stdout, done.stdout)

    done = world.dig(ALLOWED, "srv.elsewhere.example")
    tap.check("where a service record points to, before it was asked for: refused",
              "status: REFUSED" in done.stdout, done.stdout)
    done = world.run(ALLOWED, "sh", "-c", "dig +short _http._tcp.allowed.example SRV; "
                     "dig +short srv.elsewhere.example; "
                     "curl -s -H 'Host: allowed.example' http://srv.elsewhere.example/")
    tap.is_equal("and after it: it counts as the name", done.stdout,
                 f"0 0 80 srv.elsewhere.example.\n{FAR3}\nserved")


def check_own_network(world):
    """What the host's kernel takes for its own without an address of a device's."""
    host.ip("route", "add", "local", "192.0.2.0/24", "dev", "lo")
    own = host.Server(lambda connection: connection.sendall(b"own"), ("0.0.0.0",))
    call = host.python("import socket, sys\n"
                       "try: c = socket.create_connection(('192.0.2.77', int(sys.argv[1])), 10)\n"
                       "except OSError as error: print(error.strerror)\n"
                       "else: print(c.recv(3).decode())\n", own.port)
    for words, came in (("", "Connection refused"), (" to 192.0.2.0/24", "Connection refused"),
                        (" to 192.0.2.77", "own"), (" to host", "own")):
        done = world.run([f"out {own.port}{words}"], *call)
        tap.is_equal(f"an address of a local route, 'out PORT{words}'", done.stdout, came + "\n")


def check_too_many(world):
    """More local networks than can be kept: what is the network's is not known any more."""
    routes = [f"198.18.{i}.0/24" for i in range(65)]
    for route in routes:
        host.ip("route", "add", "local", route, "dev", "lo")
    call = [*CURL, "--max-time", "10", f"http://{FAR}/"]
    for words, status in (("", 7), (f" to {FAR}", 0)):
        done = world.run([f"out http{words}"], *call, options=())
        tap.check(f"too many local networks, 'out http{words}': {'refused' if status else 'open'}",
                  done.returncode == status and "only rules that name an address match" in done.stderr,
                  done.stderr)
    for route in routes:
        host.ip("route", "del", "local", route, "dev", "lo")
    done = world.run(["out http"], *call)
    tap.is_equal("and once there are fewer", done.returncode, 0)


def check_inward(world):
    for name, kind, address in (("inward", "A", INWARD), ("loopback", "A", "127.0.0.1"),
                                ("metadata", "A", "169.254.169.254"), ("gateway", "A", "10.0.2.2"),
                                ("thishost", "A", "203.0.113.1"), ("mapped", "AAAA", INWARD),
                                ("ownnet", "A", "192.0.2.77"), ("nat64", "AAAA", "64:ff9b::7f00:1")):
        done = world.dig([f"out https to {name}.example"], kind, f"{name}.example", options=())
        tap.check(f"an answer that leads inwards, {name}: refused",
                  "status: REFUSED" in done.stdout and "ANSWER: 0" in done.stdout, done.stdout)
        tap.is_equal(f"with the words that would allow it, {name}", host.hints(done.stderr),
                     [f"out https to {address}"])
    done = world.dig(["out https to mixed.example"], "+short", "mixed.example")
    tap.is_equal("one of two leads inwards: the other is passed on", done.stdout, f"{FAR2}\n")
    done = world.run(["out http to inward.example", f"out http to {INWARD}"], "curl", "-s",
                     "http://inward.example/")
    tap.is_equal("unless a rule goes by the address", done.stdout, "served")
    for rule in (f"out smtp to {INWARD}", "out smtp"):
        done = world.run(["out http to inward.example", rule], *CURL, "http://inward.example/")
        tap.check(f"'{rule}': the name opens no other port of it", done.returncode == 7, done)


TTL = """
import socket, sys, time
def call():
    try: return socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
    except OSError: return None
def echo(c):
    c.sendall(b'x')
    return c.recv(1) == b'x'
address = socket.gethostbyname('short.example')
sys.argv[1] = address
first = call()
print('first', echo(first), flush=True)
time.sleep(8)
print('first lives', echo(first), flush=True)
second = call()
print('while it lives, another', second is not None and echo(second), flush=True)
first.close(); second.close()
deadline = time.monotonic() + 10
while time.monotonic() < deadline:
    c = call()
    if c is None: break
    c.close()
    time.sleep(0.3)
print('then none', c is None, flush=True)
socket.gethostbyname('short.example')
print('asked again', call() is not None, flush=True)
"""


def check_time(world):
    done = world.run(["out 7 to short.example"], *host.python(TTL, "short.example", 7), options=())
    tap.is_equal("a rule by name matches as long as the record lives or is in use",
                 done.stdout.splitlines(),
                 ["first True", "first lives True", "while it lives, another True",
                  "then none True", "asked again True"])
    tap.is_equal("what was refused then is named by its address", host.hints(done.stderr),
                 [f"out 7/tcp to {FAR3}"])


# ---- The server's name ----------------------------------------------------------------------


CURL = ["curl", "-s", "-k", "-4", "--max-time", "20"]


def check_servers(world):
    done = world.run(ALLOWED, *CURL, "https://allowed.example/", "http://allowed.example/")
    tap.is_equal("the server that was allowed, TLS and HTTP", done.stdout, "servedserved")
    tap.is_equal("its name reached it", world.tls.take_got(), ["allowed.example"])
    world.http.take_got()
    done = world.run(ALLOWED, *CURL, f"https://{FAR}/")
    tap.check("an address that was not given for the name: refused", done.returncode == 7, done)

    world.tls.raw.clear()
    for way, words in (
            ("curl --connect-to", ["--connect-to", "other.example:443:allowed.example:443",
                                   "https://other.example/"]),
            ("curl --resolve", ["--resolve", f"other.example:443:{FAR}",
                                "https://other.example/"])):
        done, log = world.log(ALLOWED, "sh", "-c", 'dig +short allowed.example >/dev/null; '
                              'exec "$@"', "sh", *CURL, *words)
        tap.check(f"{way}: another server name ends the connection",
                  done.returncode in (35, 56) and world.tls.take_got() == []
                  and world.tls.raw == [], (done, world.tls.raw))
        tap.is_equal(f"{way}: the words that would allow it", host.hints(done.stderr),
                     ["out https to other.example"])
        ends = [(line["host_name"], line.get("server_name"), line["end"]) for line in log
                if line["event"] == "close"]
        tap.is_equal(f"{way}: logged with both names", ends,
                     [("allowed.example", "other.example", "other server name")])
    for way, words in (
            ("a Host header", ["-H", "Host: other.example", "http://allowed.example/"]),
            ("an absolute target", ["--request-target", "http://other.example/",
                                    "http://allowed.example/"]),
            ("an absolute target of any scheme", ["--request-target", "x" * 30 + "://other.example/",
                                                  "http://allowed.example/"]),
            ("a request through it as a proxy", ["-x", "http://allowed.example:80",
                                                 "http://other.example/"])):
        done = world.run(ALLOWED, *CURL, *words, options=())
        tap.check(f"{way}: ends the connection before it is sent",
                  done.returncode in (52, 56) and world.http.take_got() == [], done)
        tap.is_equal(f"{way}: the words that would allow it", host.hints(done.stderr),
                     ["out http to other.example"])
    both = [*ALLOWED, "out https to other.example"]
    done = world.run(both, *CURL, "https://other.example/", "https://allowed.example/")
    tap.is_equal("two names of one address, both allowed", done.stdout, "servedserved")
    done = world.run(["out https to allowed.example", f"out https to {FAR}"], *CURL, "--resolve",
                     f"other.example:443:{FAR}", "https://other.example/")
    tap.is_equal("a connection that a rule by address lets through is not looked into",
                 done.stdout, "served")
    done = world.run(ALLOWED, "sh", "-c", f"dig +short allowed.example; {' '.join(CURL)} "
                     f"https://{FAR}/ http://{FAR}/")
    tap.is_equal("no server name, and the address as Host: nothing contradicts", done.stdout,
                 f"{FAR}\nservedserved")
    world.http.take_got()
    world.tls.take_got()
    by_curl = ["out https to allowed.example by curl"]
    done = world.run(by_curl, *CURL, "https://allowed.example/")
    tap.is_equal("a rule by name and process", done.stdout, "served")
    done = world.run(by_curl, *CURL, "--resolve", f"other.example:443:{FAR}",
                     "https://allowed.example/", "https://other.example/")
    tap.is_equal("and another name by that process", done.stdout, "served")


PIECES = """
import socket, ssl, sys, time
name = sys.argv[1]
def pieces(port, data):
    c = socket.create_connection(('allowed.example', port), timeout=20)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for i in range(0, len(data), 7):
            c.send(data[i:i + 7])
            time.sleep(0.002)
        return c.recv(100)
    except OSError as error:
        return type(error).__name__.encode()
into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
context = ssl.create_default_context()
try: context.wrap_bio(into, out, server_hostname=name).do_handshake()
except ssl.SSLWantReadError: pass
print(pieces(443, out.read())[:1].hex(), flush=True)
print(pieces(80, f'GET / HTTP/1.1\\r\\nX: y\\r\\nHost: {name}\\r\\n\\r\\n'.encode())[:15], flush=True)
"""

OTHERS = """
import socket
def talk(port, data, greeting=b''):
    c = socket.create_connection(('allowed.example', port), timeout=20)
    if greeting: assert c.recv(100) == greeting
    c.sendall(data)
    print(c.recv(100) == data, flush=True)
talk(7, b'SSH-2.0-test program\\r\\n')
talk(7, b'\\0\\0\\0\\x08\\x04\\xd2\\x16\\x2f')
talk(7, b'*1\\r\\n')
talk(7, b'{')
talk(7, b'x')
talk(7, b'word and another')
talk(25, b'EHLO mail.example\\r\\n', b'220 ready\\r\\n')
c = socket.create_connection(('allowed.example', 7), timeout=20)
c.sendall(b'GET half a line')
c.shutdown(socket.SHUT_WR)
print(c.recv(100) == b'GET half a line', flush=True)
"""


def check_pieces(world):
    done = world.run(ALLOWED, *host.python(PIECES, "allowed.example"))
    tap.is_equal("first bytes in small pieces pass", done.stdout.splitlines(),
                 ["16", "b'HTTP/1.0 200 OK'"])
    world.tls.raw.clear()
    world.http.take_got()
    done = world.run(ALLOWED, *host.python(PIECES, "other.example"))
    tap.check("and no ClientHello, no request line goes out where they ask for another",
              "ConnectionReset" in done.stdout and "200" not in done.stdout
              and world.tls.raw == [] and b"\n" not in b"".join(world.http.take_got()),
              (done.stdout, done.stderr))
    done = world.run(ALLOWED, *host.python(OTHERS))
    tap.is_equal("other protocols are not kept waiting", done.stdout.split(), ["True"] * 8)
    huge = ("import socket\n"
            "c = socket.create_connection(('allowed.example', 80), timeout=20)\n"
            "try:\n"
            "    c.sendall(b'GET / HTTP/1.1\\r\\nX: ' + b'y' * 20000)\n"
            "    print(c.recv(10))\n"
            "except OSError as error: print(type(error).__name__)\n")
    done = world.run(ALLOWED, *host.python(huge), options=())
    tap.check("a header that hides the name: ended, and said",
              "ConnectionReset" in done.stdout and "server's name could not be told" in done.stderr,
              (done.stdout, done.stderr))


RENAMED = """
import select, socket
s = socket.socket()
address = socket.gethostbyname('allowed.example')
s.setblocking(False)
s.connect_ex((address, 7))
input()
print('now', socket.gethostbyname('other.example'), flush=True)
select.select([], [s], [], 20)
"""


def check_asked(world):
    """Where a person is asked by no rule with names, what was shown is what is let through."""
    def run(*command, **streams):
        return terminal.run("--dns", world.names.word, "--default", "ask", "--quiet", "--", *command, **streams)

    for what, words, count in (("another", ["-H", "Host: other.example"], 0), ("the", [], 1)):
        world.http.take_got()
        screen = run("sh", "-c", '"$@"; echo; echo ended $?', "sh", *CURL, *words, "http://allowed.example/")
        tap.check("the name is shown", "to allowed.example (" in (screen.answer("o") or ""), screen.text)
        screen.end()
        tap.is_equal(f"once, and {what} server's name: so many requests", len(world.http.take_got()), count)
    fifo = os.path.join(world.directory, "renamed")
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    screen = run(*host.python(RENAMED), stdin=fifo)
    screen.wait_for("never (n)?")
    os.write(holder, b"\n")
    tap.check("meanwhile another name leads to the address", screen.wait_for(f"now {FAR}"), screen.text)
    screen.type("a\n")
    tap.check("the rule has the name that was shown",
              screen.wait_for("for this run: allow out 7/tcp to allowed.example\n"), screen.text)
    screen.end()
    os.close(holder)


# ---- Names of the user's own ----------------------------------------------------------------


class Liar:
    """A name server that says BEFORE before its first answer."""

    def __init__(self, world, before):
        self.world, self.before, self.queries = world, before, 0
        self.server = host.UdpServer(self.answer, ("127.0.0.1",))
        self.word = f"127.0.0.1:{self.server.port}"

    def answer(self, data, client):
        self.queries += 1
        for wire in self.before(data) if self.queries == 1 else ():
            self.server.sockets[0].sendto(wire, client)
        return self.world.names.answer(data)


def check_liars(world):
    def other_ids(data):
        reply = world.names.answer(data)
        return [bytes([data[0], data[1] ^ (1 + i % 255)]) + reply[2:] for i in range(200)]

    def other_name(data):
        return [data[:2] + world.names.answer(data)[2:].replace(b"allowed", b"a110wed")]

    def look(liar):
        return host.run("--quiet", "--dns", liar.word, "--allow", ALLOWED[0], "--", "dig", "+short",
                        "+tries=1", "+time=20", "allowed.example").stdout
    liar = Liar(world, other_ids)
    tap.is_equal("many replies to something else before the answer", look(liar), FAR + "\n")
    tap.is_equal("and it is asked once", liar.queries, 1)
    liar = Liar(world, other_name)
    tap.is_equal("an answer to another question is not passed on", look(liar), FAR + "\n")
    tap.is_equal("and ends the try, whatever follows it", liar.queries, 2)


def check_hosts(world):
    local = host.Server(lambda connection: serve_http(world.http, connection))
    rules = [f"out {local.port} to own.example"]
    done = world.run(rules, *CURL, f"http://own.example:{local.port}/",
                     options=("--quiet", "--hosts", "own.example=10.0.2.2"))
    tap.is_equal("--hosts: the rule matches the address at once, also the gateway's", done.stdout,
                 "served")
    done = world.run(rules, *CURL, f"http://10.0.2.2:{local.port}/",
                     options=("--quiet", "--hosts", "other.example=10.0.2.2"))
    tap.check("but not by another's name", done.returncode == 7, done)


def check_dnsmasq(world):
    """A name server that people run."""
    port = 5353
    server = subprocess.Popen(
        ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--port", str(port),
         "--listen-address=127.0.0.1", "--bind-interfaces", "--conf-file=/dev/null", "--user=",
         f"--host-record=real.example,{FAR}", f"--host-record=inside.example,{INWARD}",
         "--cname=www.real.example,real.example", "--local-ttl=60", "--pid-file"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        host.wait_for_port(port)
        rules = ["--allow", "out http to www.real.example, inside.example"]
        done = host.run("--dns", f"127.0.0.1:{port}", *rules, "--quiet", "--", *CURL,
                        "http://www.real.example/")
        tap.is_equal("dnsmasq: an alias, and the connection", done.stdout, "served")
        done = host.run("--dns", f"127.0.0.1:{port}", *rules, "--quiet", "--", "dig", "+tries=1",
                        "inside.example")
        tap.check("dnsmasq: an answer that leads inwards", "status: REFUSED" in done.stdout,
                  done.stdout)
    finally:
        server.kill()
        server.communicate()


def main():
    host.need("dig", "curl", "openssl", "dnsmasq")
    with tap.temp_dir() as directory:
        world = World(directory)
        try:
            check_own_names(world)
            check_questions(world)
            check_types(world)
            check_reverse(world)
            check_wildcard(world)
            check_aliases(world)
            check_own_network(world)
            check_too_many(world)
            check_inward(world)
            check_servers(world)
            check_pieces(world)
            check_asked(world)
            check_liars(world)
            check_hosts(world)
            check_dnsmasq(world)
            check_time(world)
        finally:
            world.far.close()
    tap.done()


main()
