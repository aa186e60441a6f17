#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: what is refused and what is let through, the words that allow it, statuses, signals,
mistakes. As whoever runs the test; as root also as an ordinary user."""

import host
import os
import signal
import socket
import subprocess
import sys
import time

import tap

HELLO = b"hello from the host\n"


def hello(connection):
    connection.sendall(HELLO)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


READ = ("import socket, sys\n"
        "c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)\n"
        "data = b''\n"
        "while True:\n"
        "    piece = c.recv(65536)\n"
        "    if not piece: break\n"
        "    data += piece\n"
        "print(data.decode(), end='')\n")


class Kind:
    def __init__(self, name, prefix):
        self.name = name
        self.prefix = prefix

    def run(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", "/")
        return subprocess.run([*self.prefix, *host.argv(*words)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, **options)


def check_refused(kind, server):
    """With no rules: refused at once; the words printed then let it through."""
    for gateway in ("10.0.2.2", "fd00::2"):
        begin = time.monotonic()
        done = kind.run("--", "curl", "-sS", "--max-time", "10",
                        f"http://{'[' + gateway + ']' if ':' in gateway else gateway}"
                        f":{server.port}/")
        seconds = time.monotonic() - begin
        name = f"{kind.name}: {gateway}"
        tap.is_equal(f"{name}: curl's own status, could not connect", done.returncode, 7)
        tap.check(f"{name}: refused, not waited for", seconds < 5, f"{seconds} s")
        tap.diag(f"refused after {seconds:.3f} s, start to end")
        tap.check(f"{name}: counted", "berth: refused 1 connection; to allow it next time:\n"
                  in done.stderr, done.stderr)
        tap.is_equal(f"{name}: the very words", host.hints(done.stderr),
                     [f"out {server.port}/tcp to host"])
        done = kind.run("--allow", host.hints(done.stderr)[0], "--",
                        *host.python(READ, gateway, server.port))
        tap.is_equal(f"{name}: let through with those words",
                     (done.returncode, done.stdout, done.stderr), (0, HELLO.decode(), ""))


def check_errors_inside(kind, server):
    done = kind.run("--quiet", "--", *host.python(
        "import socket, errno\n"
        "def outcome(family, kind, address):\n"
        "    s = socket.socket(family, kind); s.settimeout(10)\n"
        "    try:\n"
        "        s.connect(address)\n"
        "        s.send(b'x'); s.recv(1)\n"
        "        return 'ok'\n"
        "    except OSError as e: return errno.errorcode.get(e.errno, str(e))\n"
        f"print(outcome(socket.AF_INET, socket.SOCK_STREAM, ('10.0.2.2', {server.port})))\n"
        f"print(outcome(socket.AF_INET, socket.SOCK_STREAM, ('192.0.2.1', 80)))\n"
        f"print(outcome(socket.AF_INET6, socket.SOCK_STREAM, ('2001:db8::1', 80)))\n"
        f"print(outcome(socket.AF_INET, socket.SOCK_DGRAM, ('192.0.2.1', 53)))\n"))
    tap.is_equal(f"{kind.name}: a refusal is ECONNREFUSED; of a datagram, EHOSTUNREACH",
                 done.stdout.split(),
                 ["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", "EHOSTUNREACH"])
    tap.is_equal(f"{kind.name}: --quiet prints no table", done.stderr, "")


def check_status(kind):
    tap.is_equal(f"{kind.name}: exit status", kind.run("--", "sh", "-c", "exit 7").returncode, 7)
    tap.is_equal(f"{kind.name}: killed by a signal",
                 kind.run("--", "sh", "-c", "kill -TERM $$").returncode, 143)
    tap.is_equal(f"{kind.name}: not found", kind.run("--", "no-such-program").returncode, 127)
    tap.is_equal(f"{kind.name}: cannot execute", kind.run("--", "/etc/passwd").returncode, 126)
    done = kind.run("--", "sh", "-c", "pwd; id -u; echo out; echo err >&2; cat", input="in\n",
                    stdin=None)
    inside = subprocess.run([*kind.prefix, "sh", "-c", "pwd; id -u"], stdout=subprocess.PIPE,
                            text=True, cwd="/", check=True).stdout
    tap.is_equal(f"{kind.name}: directory, user and streams kept",
                 (done.stdout, done.stderr), (inside + "out\nin\n", "err\n"))


def check_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        process = host.start("--", "sh", "-c", "trap 'echo got; exit 5' INT TERM HUP USR1; "
                             "echo ready; while :; do sleep 0.05; done")
        process.stdout.readline()
        process.send_signal(number)
        text = process.communicate(timeout=20)[0]
        tap.is_equal(f"{number.name} reaches the program", (process.returncode, text), (5, "got\n"))


def check_options(server):
    """A mistake: one line that names the word, status 2, nothing run."""
    cases = [
        (["--allow", "out htps"], "'htps'"),
        (["--allow", "out 80000"], "'80000'"),
        (["--deny", "in to host"], "'to'"),
        (["-p", "0:80"], "'0'"),
        (["-p", "8080-8090:80-85"], "80-85"),
        (["-p", "1.2.3:80:80"], "'1.2.3'"),
        (["-p", "8080/sctp"], "'sctp'"),
        (["-p", "[fe80::1]:80"], "'fe80::1': expected an address of this host without a zone"),
        (["-p", "[fe80::1%lo]:80"], "'fe80::1%lo': expected an address of this host without a"),
        (["--hosts", "name"], "NAME=ADDRESS"),
        (["--hosts", "name=1.2.3"], "'1.2.3'"),
        (["--dns", "nonsense"], "'nonsense'"),
        (["--network", "10.0.0.1/8"], "10.0.0.1/8"),
        (["--network6", "fd00::/120"], "/112"),
        (["--mtu", "1000"], "--mtu"),
        (["--impair", "loss 200%"], "'200%'"),
        (["--impair", "rate 1mbit queue 0"], "bad word '0': expected a size from 1b"),
        (["--impair", " "], "run: --impair ' ': expected a value"),
        (["--default", "maybe"], "'maybe'"),
        (["--ask-timeout", "0"], "'0'"),
        (["--ask-timeout", "111"], "'111'"),
        (["--ipv4-only", "--ipv6-only"], "--ipv4-only"),
        (["--network", "10.9.0.0/24", "--ipv6-only"], "--ipv6-only"),
        (["--network6", "fd09::/64", "--ipv4-only"], "--ipv4-only"),
        (["-p", "8000-8010", "-p", "8005:80"], "'8005:80'"),
        (["-p", "[::1]:8000:80/udp", "-p", "[::1]:8000:81/udp"], "'[::1]:8000:81/udp'"),
        (["--log", "/no/such/directory/log"], "/no/such/directory/log"),
        (["--pcap", "/no/such/directory/pcap"], "/no/such/directory/pcap"),
        (["--policy", "/no/such/policy"], "/no/such/policy"),
    ]
    for words, named in cases:
        done = host.run(*words, "--", "echo", "it ran")
        lines = done.stderr.splitlines()
        tap.check(f"{' '.join(words)}: named, status 2, nothing run",
                  done.returncode == 2 and done.stdout == "" and len(lines) == 1
                  and lines[0].startswith("berth: ") and named in lines[0],
                  (done.returncode, done.stdout, done.stderr))
    done = host.run()
    tap.check("no command: status 2", done.returncode == 2
              and done.stderr.startswith("berth: run: expected a command"), done.stderr)
    done = host.run("-p", f"{server.port}:80", "--", "echo", "it ran")
    tap.check("a published port that is taken: named, status 125, nothing run",
              done.returncode == 125 and done.stdout == "" and len(done.stderr.splitlines()) == 1
              and f"127.0.0.1:{server.port}" in done.stderr, done.stderr)
    done = host.run("-p", "192.0.2.77:8080:80", "--", "echo", "it ran")
    tap.check("a published address that the host has not: named, status 125",
              done.returncode == 125 and "192.0.2.77:8080" in done.stderr, done.stderr)


def check_files():
    """Two of --log, --pcap and --learn that name one file: both named, and nothing touched."""
    with tap.temp_dir() as directory:
        there, new = os.path.join(directory, "there"), os.path.join(directory, "new")
        with open(there, "w", encoding="utf-8") as file:
            file.write("allow out https\n")
        os.link(there, os.path.join(directory, "link"))
        os.symlink("there", os.path.join(directory, "symlink"))
        for one, first, other, second in (
                ("--log", there, "--pcap", there), ("--log", there, "--pcap", "link"),
                ("--pcap", "symlink", "--learn", there), ("--log", new, "--learn", "./new"),
                ("--log", "new", "--pcap", new)):
            done = host.run(one, first, other, second, "--", "echo", "it ran", cwd=directory)
            name = f"{one} {os.path.basename(first)} {other} {os.path.basename(second)}"
            tap.is_equal(f"{name}: both named, status 2, nothing run",
                         (done.returncode, done.stdout, done.stderr),
                         (2, "", f"berth: run: '{other}': expected another file than that of "
                                 f"{one}\n"))
            with open(there, encoding="utf-8") as file:
                tap.is_equal(f"{name}: the file is as it was", file.read(), "allow out https\n")
            tap.is_equal(f"{name}: no new one", sorted(os.listdir(directory)),
                         ["link", "symlink", "there"])
    done = host.run("--log", "/dev/null", "--pcap", "/dev/null", "--", "echo", "it ran")
    tap.is_equal("what is no file takes both", (done.returncode, done.stdout, done.stderr),
                 (0, "it ran\n", ""))


def check_words():
    """The words that would allow it are printed once: the host by either address, a name's
    addresses, and others between them."""
    done = host.run("--hosts", "a.test=192.0.2.2", "--hosts", "b.test.=192.0.2.3", "--hosts",
                    "a.test=192.0.2.4", "--", *host.python(
                        "import socket\n"
                        "for name in ('a.test', 'b.test'):\n"
                        "    for place in socket.getaddrinfo(name, 81, type=socket.SOCK_STREAM):\n"
                        "        socket.socket(place[0]).connect_ex(place[4])\n"
                        "for family, to in ((2, '10.0.2.2'), (2, '192.0.2.9'), (10, 'fd00::2')):\n"
                        "    socket.socket(family).connect_ex((to, 82))\n"))
    tap.is_equal("words that several would take are printed once", host.hints(done.stderr),
                 ["out 81/tcp to a.test", "out 81/tcp to b.test", "out 82/tcp to host",
                  "out 82/tcp to 192.0.2.9"])


def check_policy(server):
    with tap.temp_dir() as directory:
        path = os.path.join(directory, "policy")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"# a policy\ndeny out {server.port}/tcp to host\n")
        rule = f"out {server.port}/tcp to host"
        done = host.run("--policy", path, "--allow", rule, "--",
                        *host.python(READ, "10.0.2.2", server.port))
        tap.check("the policy's rules come before the command line's", done.returncode != 0
                  and f"by the rule 'deny {rule}' ({path}:2)" in done.stderr, done.stderr)
        tap.is_equal("no words are offered that would not help", host.hints(done.stderr), [])
        with open(path, "w", encoding="utf-8") as file:
            file.write("allow out https\nallow out to 1.2.3\n")
        done = host.run("--policy", path, "--", "echo", "it ran")
        tap.check("a bad policy: file, line and column, status 2, nothing run",
                  done.returncode == 2 and done.stdout == ""
                  and done.stderr.startswith(f"berth: {path}:2:"), done.stderr)
    done = host.run("--deny", rule, "--allow", rule, "--summary", "--",
                    *host.python(READ, "10.0.2.2", server.port))
    tap.check("the first rule that matches wins", done.returncode != 0
              and f"--deny '{rule}'" in done.stderr, done.stderr)
    done = host.run("--default", "allow", "--", *host.python(READ, "10.0.2.2", server.port))
    tap.is_equal("--default allow leaves the host shut", host.hints(done.stderr), [rule])
    done = host.run("--default", "allow", "--allow", rule, "--",
                    *host.python(READ, "10.0.2.2", server.port))
    tap.is_equal("--default allow, and a rule that names the host", done.stdout, HELLO.decode())
    done = host.run("--allow", f"out {server.port}/tcp to host log", "--",
                    *host.python(READ, "10.0.2.2", server.port))
    tap.check("a rule with log says so", done.stderr.startswith("berth: allowed out tcp from ")
              and f"to 10.0.2.2:{server.port}" in done.stderr, done.stderr)


def check_table(server):
    done = host.run("--summary", "--allow", f"out {server.port}/tcp to host", "--",
                    *host.python(READ, "10.0.2.2", server.port))
    row = done.stderr.splitlines()[-1].split()
    tap.check("--summary: what was used: direction, port, peer, process, connections, verdict",
              row[0] == "out" and row[1] == f"{server.port}/tcp" and "host (10.0.2.2)" in
              done.stderr and "1" in row and row[-1] == "allowed" and str(len(HELLO)) in row,
              done.stderr)
    done = host.run("--summary", "--", "true")
    tap.is_equal("--summary without anything used", (done.returncode, done.stderr), (0, ""))


def check_networks(server):
    rule = f"out {server.port}/tcp to host"
    done = host.run("--network", "10.99.0.0/29", "--network6", "fd42::/64", "--allow", rule, "--",
                    *host.python(READ, "10.99.0.2", server.port))
    tap.is_equal("--network: the gateway there", done.stdout, HELLO.decode())
    done = host.run("--network6", "fd42::/64", "--allow", rule, "--",
                    *host.python(READ, "fd42::2", server.port))
    tap.is_equal("--network6: the gateway there", done.stdout, HELLO.decode())
    done = host.run("--ipv4-only", "--mtu", "576", "--allow", rule, "--",
                    *host.python(READ, "10.0.2.2", server.port))
    tap.is_equal("--ipv4-only, a small MTU", done.stdout, HELLO.decode())
    done = host.run("--ipv6-only", "--allow", rule, "--",
                    *host.python(READ, "fd00::2", server.port))
    tap.is_equal("--ipv6-only", done.stdout, HELLO.decode())
    done = host.run("--ipv4-only", "--", "ip", "-6", "addr", "show", "scope", "global")
    tap.is_equal("--ipv4-only: no IPv6 inside", (done.returncode, done.stdout), (0, ""))


def main():
    host.need("curl", "ip")
    server = host.Server(hello)
    kinds = [Kind("root" if host.IS_ROOT_OUTSIDE else "user", [])]
    with tap.temp_dir() as directory:
        prefix = host.as_user(directory)
        if prefix is not None:
            kinds.append(Kind("user", prefix))
        for kind in kinds:
            check_refused(kind, server)
            check_errors_inside(kind, server)
            check_status(kind)
    check_signals()
    check_options(server)
    check_files()
    check_words()
    check_policy(server)
    check_table(server)
    check_networks(server)
    tap.done()


main()
