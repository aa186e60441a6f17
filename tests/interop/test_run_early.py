#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run --publish: what a client has sent before berth looks at it goes to the program with the
first segment; the program and the client see what they would see otherwise. berth is stopped
meanwhile, so that it finds all of it."""

import contextlib
import os
import re
import signal
import socket
import subprocess

import host
import tap

# Ports of the program: what it does with a client.
ECHO, GREET, RESET, REFUSED, PUBLISHED = 80, 81, 82, 83, 8000
LARGE = 400_000

SERVER = """
import socket, threading
def echo(c):
    while piece := c.recv(65536):
        c.sendall(piece)
    c.close()
def greet(c):
    c.sendall(b'who?')
    echo(c)
def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')
    c.close()
def serve(s, what):
    while True:
        threading.Thread(target=what, args=(s.accept()[0],)).start()
for port, what in ((%d, echo), (%d, greet), (%d, reset)):
    s = socket.create_server(('0.0.0.0', port))
    threading.Thread(target=serve, args=(s, what)).start()
print(open('/proc/sys/net/ipv4/tcp_fastopen').read().strip(), flush=True)
""" % (ECHO, GREET, RESET)


class Run:
    """A program that listens, with its log and its packets."""

    def __init__(self, directory):
        self.log = os.path.join(directory, "log")
        self.pcap = os.path.join(directory, "pcap")
        last = PUBLISHED + REFUSED - ECHO
        self.process = host.start("--quiet", "--log", self.log, "--pcap", self.pcap,
                                  "-p", f"{PUBLISHED}-{last}:{ECHO}-{REFUSED}/tcp",
                                  "--", *host.python(SERVER))
        self.takes_early = self.process.stdout.readline().strip() == str(0x603)

    @contextlib.contextmanager
    def client_of_stopped(self, port):
        """A client, connected; after the block berth goes on."""
        self.process.send_signal(signal.SIGSTOP)
        client = socket.create_connection(("127.0.0.1", PUBLISHED + port - ECHO), 20)
        try:
            yield client
        finally:
            self.process.send_signal(signal.SIGCONT)

    def lines(self):
        """The log's lines of connections, by port: the event, how it ended, bytes in."""
        lines = {port: [] for port in (ECHO, GREET, RESET, REFUSED)}
        for line in host.read_log(self.log):
            if line["event"] in ("open", "close", "failed"):
                lines[line["local_port"]].append(
                    (line["event"], line.get("end"), line.get("bytes_in")))
        return lines


def outcome(client):
    """What comes until the end, and how it ends."""
    got = b""
    try:
        while piece := client.recv(65536):
            got += piece
    except ConnectionResetError:
        return got, "reset"
    finally:
        client.close()
    return got, "end"


def check_talk(run):
    with run.client_of_stopped(ECHO) as client:
        client.sendall(b"hello")
    first = client.recv(100)
    client.sendall(b"again")
    client.shutdown(socket.SHUT_WR)
    tap.is_equal("bytes that are early, and later ones", (first, outcome(client)),
                 (b"hello", (b"again", "end")))
    with run.client_of_stopped(ECHO) as client:
        client.sendall(b"all")
        client.shutdown(socket.SHUT_WR)
    tap.is_equal("the end is early too", outcome(client), (b"all", "end"))
    with run.client_of_stopped(ECHO) as client:
        client.shutdown(socket.SHUT_WR)
    tap.is_equal("nothing but the end", outcome(client), (b"", "end"))
    data = os.urandom(LARGE)
    with run.client_of_stopped(ECHO) as client:
        client.setblocking(False)
        sent = client.send(data)
        client.settimeout(20)
    client.sendall(data[sent:])
    client.shutdown(socket.SHUT_WR)
    tap.is_equal("more than a segment takes", outcome(client), (data, "end"))
    with run.client_of_stopped(GREET) as client:
        pass
    greeting = client.recv(100)
    client.sendall(b"me")
    client.shutdown(socket.SHUT_WR)
    tap.is_equal("a program that speaks first", (greeting, outcome(client)),
                 (b"who?", (b"me", "end")))


def check_failures(run):
    with run.client_of_stopped(RESET) as client:
        client.sendall(b"unread")
    tap.is_equal("a program that resets", outcome(client), (b"", "reset"))
    with run.client_of_stopped(REFUSED) as client:
        client.sendall(b"nobody")
    tap.is_equal("a port where nobody listens", outcome(client), (b"", "reset"))
    with run.client_of_stopped(GREET) as client:
        client.sendall(b"gone")
        host.reset(client)
    host.wait_until(lambda: len([line for line in run.lines()[GREET] if line[1] is not None]) == 2)


def check_log(lines):
    closed = [line for line in lines[ECHO] if line[0] == "close"]
    tap.is_equal("each is in the log, with its bytes",
                 closed, [("close", "closed", n) for n in (10, 3, 0, LARGE)])
    tap.is_equal("that one was open", lines[RESET],
                 [("open", None, None), ("close", "reset by program", 6)])
    tap.is_equal("that one was not, and has had nothing", lines[REFUSED],
                 [("failed", "refused", 0)])
    tap.check("a client that had gone before has ended, too",
              lines[GREET][-1] in (("failed", "given up", 0), ("close", "reset by peer", 4)),
              lines[GREET])


def check_packets(run):
    if not run.takes_early:
        tap.skip("text with the SYN", "the program's network cannot be told to take it")
        return
    done = subprocess.run(["tcpdump", "-n", "-r", run.pcap, "tcp"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    syns = [line for line in done.stdout.splitlines() if "Flags [S]" in line]
    answers = [line for line in done.stdout.splitlines() if "Flags [S.]" in line]
    seq = re.search(r"seq (\d+):(\d+),", syns[0])
    tap.check("text goes with the SYN", seq is not None and "length 5" in syns[0], syns[0])
    tap.check("and is taken", seq is not None
              and f"ack {(int(seq.group(2)) + 1) % 2**32}," in answers[0], answers[0])


host.enter()
host.need("tcpdump")
with tap.temp_dir() as folder:
    the_run = Run(folder)
    check_talk(the_run)
    check_failures(the_run)
    host.stop(the_run.process)
    check_log(the_run.lines())
    check_packets(the_run)
tap.done()
