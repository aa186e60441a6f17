#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run --queues: threads, each with a queue of the device and a stack, and one guard. What holds
of one holds of all: bytes, counts, rules, limits, questions, names, scans, and the end of a run."""

import collections
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import uuid

import host
import tap
import terminal
from talk import QUEUES, TALK, counted, echo, exchange, inside, queued, together

CLIENTS = 30   # of each kind, at once
SILENCE_S = 5  # longer than the kernel remembers where a flow's answers came from
MARK = "BERTH_TEST_MARK"
FULL_SPEED = os.environ.get("BERTH_SANITIZE", "none") == "none"

# A server on port 80 of both families that echoes. Each line of input: says for how many, for
# whom, how many had text with their SYN, and how many are half-open.
ECHO_INSIDE = TALK + """
seen = []
def serve(family, address):
    listener = socket.create_server((address, 80), family=family, backlog=512)
    while True:
        connection, client = listener.accept()
        seen.append(client[:2])
        threading.Thread(target=echo, args=(connection,), daemon=True).start()
threading.Thread(target=serve, args=(socket.AF_INET6, '::'), daemon=True).start()
threading.Thread(target=serve, args=(socket.AF_INET, '0.0.0.0'), daemon=True).start()
time.sleep(0.3)
tell('ready')
for line in sys.stdin:
    with open('/proc/net/netstat') as file:
        names, values = [row.split() for row in file if row.startswith('TcpExt')][:2]
    early = dict(zip(names, values))['TCPFastOpenPassive']
    with open('/proc/net/tcp') as file:
        half_open = sum(row.split()[3] == '03' for row in file)
    tell(len(set(seen)), *sorted({client[0] for client in seen}), early, half_open)
"""


def ask(process, line):
    """The program's answer to a line of input."""
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def end(process):
    """Closes the program's input, which ends it; standard error."""
    process.stdin.close()
    process.stdin = None
    return process.communicate(timeout=60)[1]


def counts(error, port, verdict):
    """The connections in the closing table's rows of PORT."""
    found = re.findall(rf" {port}/tcp .*?(\d+)(?: +[\d.]+(?: .iB)?){{2}} +{verdict}$", error,
                       re.MULTILINE)
    return [int(count) for count in found]


def sizes():
    return [random.randrange(1, 200_000) for _ in range(CLIENTS)]


# ---- Threads ---------------------------------------------------------------------------------


def threads_of(pid):
    """{thread: (how it is confined, its nanoseconds of a processor)}."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            found[task] = (status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16),
                           int(status["CapPrm"], 16)), int(file.read().split()[0])
    return found


def check_confined(count, threads):
    name = f"--queues {count}: so many threads, all of them confined and without capabilities"
    if FULL_SPEED:
        tap.is_equal(name, [how for how, _ in threads.values()], [("2", "1", 0, 0)] * count)
    else:
        tap.skip(name, "a build with a sanitizer has threads of its own, and is not confined")


def check_threads(count, log):
    """And many connections at once, outwards."""
    server = host.Server(echo)
    process = host.start(*queued("--summary", "--log", log, "--allow", f"out {server.port} to host",
                                 queues=count),
                         *inside("""
tell('ready')
for line in sys.stdin:
    address, *sizes = line.split()
    def one(i):
        c = socket.create_connection((address, int(sys.argv[1])), 30)
        return exchange(c, os.urandom(int(sizes[i])))
    tell(counted(together(len(sizes), one)))
""", server.port), stdin=subprocess.PIPE)
    process.stdout.readline()
    before = threads_of(process.pid)
    check_confined(count, before)
    sent = {"10.0.2.2": sizes(), "fd00::2": sizes()}
    for address, wanted in sent.items():
        tap.is_equal(f"--queues {count}, {address}: {CLIENTS} at once, every byte, both ways",
                     ask(process, " ".join(map(str, [address, *wanted]))), f"True:{CLIENTS}")
    after = threads_of(process.pid)
    worked = [after[task][1] - before[task][1] for task in before]
    tap.check(f"--queues {count}: {'more than one' if count > 1 else 'it'} has moved bytes",
              sum(worked_ns > 1_000_000 for worked_ns in worked) >= min(count, 2), worked)
    error = end(process)
    check_sums(f"--queues {count}, outwards", host.read_log(log), sent)
    tap.is_equal(f"--queues {count}: the table counts them", counts(error, server.port, "allowed"),
                 [CLIENTS] * 2)


def check_sums(name, lines, sent):
    """One conversation each: opened once, closed once; SENT {peer: sizes} are the bytes of each."""
    for peer, wanted in sent.items():
        mine = [line for line in lines if line.get("remote_address") == peer]
        ends = {event: collections.Counter((line["local_port"], line["remote_port"])
                                           for line in mine if line["event"] == event)
                for event in ("open", "close")}
        tap.check(f"{name}, {peer}: opened and closed once each",
                  ends["open"] == ends["close"] and set(ends["open"].values()) == {1}
                  and len(ends["open"]) == len(wanted) and len(mine) == 2 * len(wanted),
                  (len(mine), ends))
        closed = [line for line in mine if line["event"] == "close"]
        tap.is_equal(f"{name}, {peer}: the bytes of each, both ways",
                     sorted((line["bytes_out"], line["bytes_in"]) for line in closed),
                     sorted((size, size) for size in wanted))


# ---- Published ports -------------------------------------------------------------------------


def check_published(log):
    process = host.start(*queued("--log", log, "-p", "8080:80"), "--",
                         *host.python(ECHO_INSIDE), stdin=subprocess.PIPE)
    process.stdout.readline()
    sent = {}
    for address, gateway in (("127.0.0.1", "10.0.2.2"), ("::1", "fd00::2")):
        sent[gateway] = sizes()
        tap.is_equal(f"published, {address}: {CLIENTS} at once, every byte, both ways", counted(
            together(CLIENTS, lambda i, to=(address, 8080), of=sent[gateway]: exchange(
                socket.create_connection(to, 10), os.urandom(of[i])))), f"True:{CLIENTS}")
    end(process)
    check_sums("published", host.read_log(log), sent)


def check_same_port():
    """Clients whose address and port are the same as the program sees them."""
    process = host.start(*queued("--quiet", "-p", "0.0.0.0:8080:80"), "--",
                         *host.python(ECHO_INSIDE), stdin=subprocess.PIPE)
    process.stdout.readline()
    sources = [(address, port) for port in range(21000, 21000 + CLIENTS)
               for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3")]
    all_stand = threading.Barrier(len(sources), timeout=15)

    def one(i):
        client = socket.create_connection(("127.0.0.1", 8080), 10, sources[i])
        client.sendall(b"x")
        if client.recv(1) != b"x":
            return "closed"
        all_stand.wait()
        return exchange(client, os.urandom(3000))
    tap.is_equal("clients with one port: all served", counted(together(len(sources), one)),
                 f"True:{len(sources)}")
    tap.is_equal("as the gateway, apart; no text with a SYN, whose answer could be there first",
                 ask(process, "who"), f"{len(sources)} 10.0.2.2 0 0")
    end(process)


def check_hasty():
    """Clients that reset before the program has answered: it hears of that."""
    process = host.start(*queued("-p", "8080:80"), "--", *host.python(ECHO_INSIDE),
                         stdin=subprocess.PIPE)
    process.stdout.readline()
    together(16, lambda i: [host.reset(socket.create_connection(("127.0.0.1", 8080), 10))
                            for _ in range(40)])
    tap.check("clients that reset at once: nothing is left half-open",
              host.wait_until(lambda: ask(process, "who").endswith(" 0")), ask(process, "who"))
    end(process)


class Silent:
    """Connections that nobody says anything on for SILENCE_S; then the side that was called speaks
    first. Begun early, looked at late."""

    INSIDE = """
count, silence, port = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
listener = socket.create_server(('0.0.0.0', 80), backlog=512)
tell('ready')
clients = [listener.accept()[0] for _ in range(count)]
calls = [socket.create_connection(('10.0.2.2', port), 30) for _ in range(count)]
time.sleep(silence)
speaking = threading.Thread(target=lambda: [together(count, lambda i: echo(calls[i]))])
speaking.start()
tell(counted(together(count, lambda i: exchange(clients[i], os.urandom(100_000)))))
speaking.join()
"""

    def __init__(self):
        self.answers = []

        def speak(connection):
            time.sleep(SILENCE_S)
            connection.settimeout(30)
            self.answers.append(exchange(connection, os.urandom(100_000)))
        self.server = host.Server(speak)
        self.process = host.start(
            *queued("--quiet", "-p", "8070:80", "--allow", f"out {self.server.port} to host"),
            *inside(self.INSIDE, CLIENTS, SILENCE_S, self.server.port))
        self.process.stdout.readline()
        self.clients = [socket.create_connection(("127.0.0.1", 8070), 60) for _ in range(CLIENTS)]
        self.echoes = threading.Thread(target=together, args=(
            CLIENTS, lambda i: echo(self.clients[i])))
        self.echoes.start()

    def check(self):
        try:
            out = self.process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            out = self.process.communicate()[0]
        tap.is_equal(f"published, silent for {SILENCE_S} s, then the program speaks", out.strip(),
                     f"True:{CLIENTS}")
        host.wait_until(lambda: len(self.answers) == CLIENTS)
        tap.is_equal("called, silent, then the far end speaks", counted(self.answers),
                     f"True:{CLIENTS}")


# ---- Rules -----------------------------------------------------------------------------------


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def check_rules(folder):
    """TRIES at each port at once, and what became of them."""
    server, limited, mine, others = (host.Server(lambda connection: connection.sendall(b"x"))
                                     for _ in range(4))
    log = f"{folder}/refused"
    path = write(f"{folder}/rules", f"allow out {server.port} to host\n"
                 f"allow out {limited.port} to host limit 5/hour\n"
                 f"allow out {mine.port} to host by python3\n"
                 f"allow out {others.port} to host by curl\ndrop out 4001 to host\n")
    done = host.run(*queued("--log", log, "--policy", path), *inside("""
def one(address, port, seconds):
    c = socket.create_connection((address, port), seconds)
    return c.recv(1)
for word in sys.argv[1:]:
    for address in ('10.0.2.2', 'fd00::2'):
        tell(word, counted(together(15, lambda i: one(address, int(word), 1.5 if word == '4001' else 30))))
""", server.port, 4000, 4001, limited.port, mine.port, others.port))
    got = done.stdout.splitlines()
    served, refused = "b'x':15", "ECONNREFUSED:15"
    tap.is_equal("allowed, refused at once, dropped in silence; by this process, by another one",
                 got[:6] + got[8:],
                 [f"{port} {what}" for port, what in (
                     (server.port, served), (4000, refused), (4001, "TimeoutError:15"),
                     (mine.port, served), (others.port, refused)) for _ in range(2)])
    lines = host.read_log(log)
    passed = [line for line in lines if line["event"] == "close"
              and line["remote_port"] == limited.port]
    tap.is_equal("a limit is the run's, whatever the queue",
                 (got[6:8], len(passed)),
                 ([f"{limited.port} ECONNREFUSED:10 b'x':5", f"{limited.port} {refused}"], 5))
    tap.is_equal("the table names what was refused, with its words", sorted(host.hints(done.stderr)),
                 sorted(["out 4000/tcp to host", f"out {others.port}/tcp to host"]))
    for verdict in ("refused", "dropped"):
        port = 4000 if verdict == "refused" else 4001
        # The kernel sends a SYN that is dropped again, after a second.
        tap.check(f"and counts it, {verdict}", len(counts(done.stderr, port, verdict)) == 2 and all(
            count == 15 or verdict == "dropped" and 15 < count <= 30
            for count in counts(done.stderr, port, verdict)), done.stderr)
        names = {(line["process"] or {}).get("name") for line in lines
                 if line["event"] == "refused" and line["remote_port"] == port}
        tap.is_equal(f"attributed, {verdict}", names, {"python3"})


def check_reload(folder):
    server, other = host.Server(echo), host.Server(echo)
    path = write(f"{folder}/rules", f"allow out {server.port} to host\n")
    process = host.start(*queued("--quiet", "--policy", path), *inside("""
kept = []
for line in sys.stdin:
    verb, port = line.split()
    call = lambda: socket.create_connection(('10.0.2.2', int(port)), 30)
    if verb == 'keep':
        kept = [call() for _ in range(12)]
        tell(len(kept))
    elif verb == 'try':
        tell(counted(together(12, lambda i: call() and 'let')))
    elif verb == 'talk':
        tell(counted(together(12, lambda i: exchange(kept[i], os.urandom(50_000)))))
"""), stdin=subprocess.PIPE)
    tap.is_equal("before: by the first rules", [ask(process, f"keep {server.port}"),
                                                ask(process, f"try {other.port}")],
                 ["12", "ECONNREFUSED:12"])
    write(path, f"allow out {other.port} to host\n")
    done = tap.berth("rules", "reload", process.pid)
    tap.is_equal("rules read again", (done.returncode, done.stderr), (0, ""))
    tap.is_equal("after: by the new ones, and what is open goes on",
                 [ask(process, f"try {server.port}"), ask(process, f"try {other.port}"),
                  ask(process, "talk 0")], ["ECONNREFUSED:12", "let:12", "True:12"])
    end(process)


def check_scan(folder):
    log = f"{folder}/scan"
    path = write(f"{folder}/rules", "on scan out deny 2 hours\nallow out any to host\n")
    server = host.Server(lambda connection: connection.sendall(b"x"))
    done = host.run(*queued("--policy", path, "--log", log), *inside("""
probe = lambda port: socket.create_connection(('10.0.2.2', port), 30).recv(1)
for port in range(20, 60):
    together(1, lambda i: probe(port))
tell(counted(together(12, lambda i: probe(int(sys.argv[1])))))
""", server.port))
    lines = host.read_log(log)
    scans = [line for line in lines if line["event"] == "scan"]
    tap.check("a scanner is found once", len(scans) == 1 and scans[0]["verdict"] == "deny"
              and scans[0]["contacts"] <= 12, scans)
    tap.is_equal("and shut out, on all queues", done.stdout.strip(), "ECONNREFUSED:12")
    refused = [line for line in lines if line["event"] == "refused"]
    tap.check("each time", len(refused) > 30, len(refused))


def check_datagrams():
    server = host.UdpServer(lambda data, client: data[::-1])
    done = host.run(*queued("--quiet", "--allow", f"out {server.port}/udp to host", "--allow",
                            "out icmp to host"), *inside("""
def one(i):
    address = ('10.0.2.2', 'fd00::2')[i % 2]
    s = socket.socket(socket.AF_INET6 if i % 2 else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect((address, int(sys.argv[1])))
    data = os.urandom(1000)
    for attempt in range(5):
        s.send(data)
        if s.recv(2000) != data[::-1]: return False
    return True
tell(counted(together(20, one)))
sys.stdout.flush()
os.system('ping -q -c 3 -i 0.02 -W 5 10.0.2.2; ping -q -c 3 -i 0.02 -W 5 fd00::2')
""", server.port))
    tap.check("UDP, both families", done.stdout.startswith("True:20\n"), done.stdout + done.stderr)
    tap.is_equal("ping, both families", done.stdout.count("3 received"), 2)


# ---- Questions -------------------------------------------------------------------------------


def check_asked():
    """Answers; then contacts that are given up while a person reads, and begun anew from the same
    ports, by which berth knows; then the end of the run."""
    server = host.Server(lambda connection: connection.sendall(b"x"))
    screen = terminal.run(*queued("--default", "ask", "--quiet"), *inside("""
port = int(sys.argv[1])
def one(port, seconds=30, own=0):
    return socket.create_connection(('10.0.2.2', port), seconds, ('', own)).recv(1)
tell('once', counted(together(8, lambda i: one(port))))
tell('denied', counted(together(8, lambda i: one(9))))
tell('gone', counted(together(8, lambda i: one(port, 1, 30000 + i))))
tell('again', counted(together(8, lambda i: one(port, 30, 30000 + i))))
if os.fork() == 0:
    os.setsid()
    one(10)
    os._exit(0)
time.sleep(1)
""", server.port), stdin="/dev/null")
    for word, wanted in (("o", "once b'x':8"), ("d", "denied ECONNREFUSED:8")):
        screen.answer(word)
        tap.check(f"asked, {wanted}", screen.wait_for(wanted), screen.text)
    tap.check("contacts that do not wait for the answer", screen.wait_for("gone TimeoutError:8"),
              screen.text)
    tap.check("whose question goes", screen.wait_for("it has given up"), screen.text)
    screen.answer("o")
    tap.check("berth lives on", screen.wait_for("again b'x':8"), screen.text)
    tap.check("one more question", screen.wait_for("port 10/tcp"), screen.text)
    tap.is_equal("which ends with the run", screen.end(), 0)


# ---- Names -----------------------------------------------------------------------------------


def check_names(log):
    from names_world import FAR, FAR2, Far, FarServer, NameServer, serve_http
    far = Far()
    names = NameServer({(f"{name}.example", "A"): (300, [address]) for name, address in (
        ("one", FAR), ("two", FAR2), ("other", FAR))})
    web = FarServer(far, 80, serve_http)
    done = host.run(*queued("--dns", names.word, "--log", log, "--allow",
                            "out http to one.example, two.example"), *inside("""
def get(name, said):
    c = socket.create_connection((name, 80), 30)
    c.sendall(f'GET / HTTP/1.1\\r\\nHost: {said}\\r\\n\\r\\n'.encode())
    got = b''
    while piece := c.recv(4096): got += piece
    return got[-6:].decode()
os.system('dig +short one.example; dig +tcp +short two.example; dig other.example | grep -o REFUSED')
for name, said in ('one', 'one'), ('two', 'two'), ('one', 'other'), ('two', 'other'):
    tell(counted(together(12, lambda i: get(name + '.example', said + '.example'))))
"""))
    tap.is_equal("the resolver, over UDP and TCP; a rule by name; another server's name",
                 done.stdout.splitlines(),
                 [FAR, FAR2, "REFUSED", "served:12", "served:12", "ECONNRESET:12",
                  "ECONNRESET:12"])
    tap.is_equal("what is refused has not got there", len(web.take_got()), 24)
    tap.is_equal("the words", host.hints(done.stderr), ["out https to other.example",
                                                        "out http to other.example"])
    ends = collections.Counter(line["end"] for line in host.read_log(log)
                               if line["event"] == "close")
    tap.is_equal("the log", ends, {"closed": 24, "other server name": 24})
    far.close()


# ---- The end ---------------------------------------------------------------------------------


def check_last_bytes():
    """The program ends right after its last write; the far ends read late."""
    got = []

    def late(connection):
        time.sleep(0.5)
        data = bytearray()
        while piece := connection.recv(1 << 16):
            data += piece
        got.append(len(data) == 400_001 and data.count(data[0]) == len(data) - 1
                   and data[-1:] == b"\n")
    server = host.Server(late, receive_bytes=8192)
    done = host.run(*queued("--quiet", "--allow", f"out {server.port} to host"), *inside("""
calls = [socket.create_connection(('10.0.2.2', int(sys.argv[1])), 30) for _ in range(20)]
together(20, lambda i: calls[i].sendall(bytes([65 + i]) * 400_000 + b'\\n'))
os._exit(7)
""", server.port))
    host.wait_until(lambda: len(got) == 20)
    tap.is_equal("what was written last arrives, on all queues", counted(got), "True:20")
    tap.is_equal("and the program's status is berth's", done.returncode, 7)


def check_signals():
    server = host.Server(echo)
    for number, handled in ((signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)):
        process = host.start(*queued("--quiet", "--allow", f"out {server.port} to host"), *inside("""
import signal
if sys.argv[2] == 'True':
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os._exit(40 + number))
calls = [socket.create_connection(('10.0.2.2', int(sys.argv[1])), 30) for _ in range(12)]
tell('ready')
while True: time.sleep(1)
""", server.port, handled), start_new_session=True)
        process.stdout.readline()
        error = host.stop(process, number)
        tap.is_equal(f"signal {number}{', handled' if handled else ''}: the status",
                     (process.returncode, error), (number + (40 if handled else 128), ""))


def marked(mark):
    """Processes, but this one, that have MARK in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark.encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def check_short(count):
    """So many runs, two at a time."""
    mark = str(uuid.uuid4())
    with tap.temp_dir() as folder:
        environment = {**os.environ, MARK: mark, "TMPDIR": folder, "HOME": folder}

        def some(_):
            bad = []
            for _ in range(count // 2):
                done = host.run(*queued(queues=4), "--", "true", env=environment)
                if (done.returncode, done.stdout, done.stderr) != (0, "", ""):
                    bad.append((done.returncode, done.stderr))
            return bad
        tap.is_equal(f"{count} short runs", together(2, some), [[], []])
        tap.is_equal("leave no file", os.listdir(folder), [])
    tap.check("and no process", host.wait_until(lambda: not marked(mark)), marked(mark))


def check_usage():
    wanted = "run: --queues '%s': expected 1 to 16, or auto"
    for words, said in ((["--queues", "0"], wanted % 0), (["--queues", "17"], wanted % 17),
                        (["--queues", "2", "--impair", "rate 1gbit"],
                         "run: '--impair': expected no rate, which takes one queue (--queues)")):
        done = host.run(*words, "--", "true")
        tap.is_equal(" ".join(words[:3:2]) + f" {words[1]}", (done.returncode, done.stderr),
                     (2, f"berth: {said}\n"))


def main():
    host.need("ip", "ping", "dig")
    with tap.temp_dir() as folder:
        silent = Silent()
        for count in (1, QUEUES):
            check_threads(count, f"{folder}/threads{count}")
        check_published(f"{folder}/published")
        check_same_port()
        check_hasty()
        check_rules(folder)
        check_reload(folder)
        check_scan(folder)
        check_datagrams()
        check_asked()
        check_names(f"{folder}/names")
        check_last_bytes()
        check_signals()
        silent.check()
        check_short(200 if FULL_SPEED else 20)
        check_usage()
    tap.done()


main()
