#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which process asked: in the log, in the closing table, in a rule's `by`, outwards and inwards; processes that live
for a moment, many at once, names that change."""

import os
import re
import socket

import host
import tap

# Forks IDLE children that wait for the end; then COUNT one after the other, AHEAD of them at a time, each of which does
# ONE(i) and exits.
FORKS = """
import os, socket, sys
port, count, ahead, kind = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
def name(text):
    with open('/proc/self/comm', 'w') as file: file.write(text)
def one(i):
    name(f'child{i}')
    if kind == 'udp':
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.sendto(b'x', ('10.0.2.2', port))
    else:
        s = socket.socket()
        s.setblocking(kind == 'tcp')
        s.connect_ex(('10.0.2.2', port))
    s.close()
alive = 0
wait, end = os.pipe()
for i in range(int(sys.argv[5])):
    if os.fork() == 0:
        os.close(end)
        os.read(wait, 1)
        os._exit(0)
print(os.getpid(), flush=True)
for i in range(count):
    if os.fork() == 0:
        one(i)
        os._exit(0)
    alive += 1
    if alive == ahead:
        os.wait()
        alive -= 1
while alive:
    os.wait()
    alive -= 1
print('over', flush=True)
sys.stdin.readline()
"""


CLOSED = 9  # nobody listens there, and no rule opens it
COUNT = 1000


def lines_of(directory, *words, **options):
    log = os.path.join(directory, "log")
    if os.path.exists(log):
        os.remove(log)
    done = host.run("--quiet", "--log", log, *words, **options)
    return done, host.read_log(log)


def processes_of(lines, event="refused"):
    return [line["process"] for line in lines if line["event"] == event]


def check_fields(directory):
    done, lines = lines_of(directory, "--", "sh", "-c",
                           f"curl -s --max-time 10 http://10.0.2.2:{CLOSED}/one; exit 3")
    process = processes_of(lines)[0]
    tap.is_equal("the program's own status", done.returncode, 3)
    tap.is_equal("a refusal names the process", process and process["name"], "curl")
    tap.check("its command line", process and process["command"] ==
              f"curl -s --max-time 10 http://10.0.2.2:{CLOSED}/one", process)
    tap.check("its parent", process and process["parent"]["name"] == "sh"
              and process["parent"]["pid"] < process["pid"], process)
    tap.check("its user", process and process["uid"] == (0 if host.IS_ROOT_OUTSIDE else os.getuid())
              and process["user"], process)
    done = host.run("--", "curl", "-s", "--max-time", "10", f"http://10.0.2.2:{CLOSED}/")
    tap.check("the table names it", re.search(r"\bcurl\b", done.stderr), done.stderr)


def check_allowed(directory, port):
    _, lines = lines_of(directory, "--allow", f"out {port}/tcp to host", "--",
                        "sh", "-c", f"for i in 1 2 3; do curl -s http://10.0.2.2:{port}/; done; "
                        f"exec nc -w 5 10.0.2.2 {port} </dev/null")
    names = [process and process["name"] for process in processes_of(lines, "close")]
    tap.is_equal("several programs inside, each by its own name", names,
                 ["curl", "curl", "curl", "nc"])


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def check_short(directory, kind, at_a_time=1, idle=0, must=True):
    """COUNT processes that connect, or send, and are gone; beside IDLE others. MUST: all have to be named."""
    name = f"{COUNT} short-lived processes ({kind}, {at_a_time} at once, beside {idle} others)"
    log = os.path.join(directory, f"{kind}.{at_a_time}.{idle}")
    process = host.start("--quiet", "--log", log, "--",
                         *host.python(FORKS, CLOSED, COUNT, at_a_time, kind, idle), stdin=-1)
    parent = int(process.stdout.readline())
    spent = -cpu_ns(process.pid)
    process.stdout.readline()
    spent += cpu_ns(process.pid)
    process.communicate("\n", timeout=60)
    processes = processes_of(host.read_log(log))
    known = [process for process in processes if process is not None]
    names = {process["name"] for process in known}
    wrong = [process for process in known
             if not process["name"].startswith("child") or process["parent"]["pid"] != parent]
    tap.diag(f"{name}: {len(known)} of {len(processes)} named, "
             f"{spent / COUNT / 1000:.0f} us of berth's time each")
    # On a busy machine a SYN may be sent again before it is refused: one contact more.
    tap.check(f"{name}: every refusal is in the log", len(processes) >= COUNT, len(processes))
    tap.is_equal(f"{name}: whom it names, it names rightly", wrong, [])
    if must:
        tap.is_equal(f"{name}: all are named", (len(names), len(known)), (COUNT, len(processes)))


def check_by(directory, port):
    """Rules by a process: let curl through and nobody else; or all but it."""
    both = ["--", "sh", "-c", f"curl -s -o /dev/null http://10.0.2.2:{port}/; echo $?; "
            f"nc -w 5 10.0.2.2 {port} </dev/null >/dev/null; echo $?"]
    done = host.run("--allow", f"out {port}/tcp to host by curl", *both)
    tap.is_equal("by curl: curl is let through and nc is not", done.stdout, "0\n1\n")
    tap.is_equal("and the words that allow nc", host.hints(done.stderr), [f"out {port}/tcp to host"])
    done = host.run("--quiet", "--deny", f"out {port}/tcp to host by curl", "--allow",
                    f"out {port}/tcp to host", *both)
    tap.is_equal("deny by curl: the other way round", done.stdout, "7\n0\n")
    _, lines = lines_of(directory, "--deny", f"out {port}/tcp to host by curl", "--allow",
                        f"out {port}/tcp to host", *both)
    tap.is_equal("the log has each rule", sorted((line["event"], line["process"]["name"], line["rule"])
                                                 for line in lines if line["event"] in ("close", "refused")),
                 [("close", "nc", f"allow out {port}/tcp to host"),
                  ("refused", "curl", f"deny out {port}/tcp to host by curl")])
    done = host.run("--quiet", "--allow", f"out {port}/tcp to host by \"sleepy head\",mine", "--",
                    *host.python("import socket\n"
                                 "for name in ('mine', 'sleepy head', 'other'):\n"
                                 "    open('/proc/self/comm', 'w').write(name)\n"
                                 f"    print(socket.socket().connect_ex(('10.0.2.2', {port})))\n"))
    tap.is_equal("it is what a process calls itself, now", done.stdout.split(), ["0", "0", "111"])


def check_by_gone(directory):
    """Who is not known is let through by no process's rule, and refused by every one's."""
    server = host.UdpServer(lambda data, client: data)
    for words, wrong in ((["--allow", f"out {server.port}/udp to host by nobody"], "close"),
                         (["--deny", f"out {server.port}/udp to host by nobody", "--allow",
                           f"out {server.port}/udp to host"], "none")):
        log = os.path.join(directory, f"gone.{wrong}")
        process = host.start("--quiet", "--log", log, *words, "--",
                             *host.python(FORKS, server.port, 200, 1, "udp", 0), stdin=-1)
        process.communicate("\n", timeout=60)
        lines = [line for line in host.read_log(log) if line["event"] in ("close", "refused")]
        unknown = [line["event"] for line in lines if line["process"] is None]
        tap.diag(f"{len(unknown)} of {len(lines)} not known")
        tap.is_equal("none that is not known gets through", "close" in unknown, False)
        if wrong == "none":
            tap.check("and the others do", all(line["event"] == "close" for line in lines if line["process"]),
                      lines[:2])


def connected(port):
    """A client; or the error, where a RST came before connect() had looked."""
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError as error:
        return error


def heard(client):
    """What it hears, or the name of its error."""
    if isinstance(client, OSError):
        return type(client).__name__
    with client:
        try:
            return client.recv(100)
        except OSError as error:
            return type(error).__name__


def check_by_inwards(directory):
    """A published port is open to who listens there by that name."""
    program = ("import socket\n"
               "l = socket.create_server(('10.0.2.100', 7000))\n"
               "print('serving', flush=True)\n"
               "for name in ('yes', 'no'):\n"
               "    open('/proc/self/comm', 'w').write(name)\n"
               "    print(name, flush=True)\n"
               "    input()\n"
               "    l.settimeout(0.5)\n"
               "    try: l.accept()[0].sendall(b'hello')\n"
               "    except OSError: print('nobody', flush=True)\n")
    log = os.path.join(directory, "inwards")
    process = host.start("--quiet", "--log", log, "--deny", "in 7000 from host by no", "-p", "7001:7000", "--",
                         *host.python(program), stdin=-1)
    got = []
    for _ in range(2):
        while process.stdout.readline() not in ("yes\n", "no\n"):
            pass
        client = connected(7001)
        process.stdin.write("\n")
        process.stdin.flush()
        got.append(heard(client))
    process.communicate(timeout=20)
    tap.is_equal("inwards, by who listens", got, [b"hello", "ConnectionResetError"])
    tap.is_equal("and the log names it", [(line["event"], line["process"]["name"]) for line in host.read_log(log)
                                          if line["event"] in ("open", "refused")],
                 [("open", "yes"), ("refused", "no")])


MANY = """
import os, random, socket, sys
port, count, contacts = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
go, done = [], os.pipe()
for i in range(count):
    r, w = os.pipe()
    if os.fork() == 0:
        for fd in go: os.close(fd)
        os.close(w); os.close(done[0])
        while os.read(r, 1):
            s = socket.socket()
            s.connect_ex(('10.0.2.2', port))
            s.close()
            os.write(done[1], b'.')
        os._exit(0)
    os.close(r)
    go.append(w)
random.seed(7)
print(flush=True)
for i in range(contacts):
    os.write(random.choice(go), b'.')
    os.read(done[0], 1)
print('over', flush=True)
sys.stdin.readline()
"""


def check_many(directory, count, contacts):
    """Old processes, any of which may be the next to connect."""
    log = os.path.join(directory, "many")
    process = host.start("--quiet", "--log", log, "--",
                         *host.python(MANY, CLOSED, count, contacts), stdin=-1)
    process.stdout.readline()
    spent = -cpu_ns(process.pid)
    process.stdout.readline()
    spent += cpu_ns(process.pid)
    process.communicate("\n", timeout=60)
    found = processes_of(host.read_log(log))
    tap.is_equal(f"{contacts} contacts of {count} processes: all are named",
                 len([one for one in found if one is not None]), contacts)
    tap.diag(f"{count} processes, {contacts} contacts: {spent / contacts / 1000:.0f} us of berth's time each")


PINGS = """
import socket, time
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) for _ in range(900)]
for each in sockets:
    each.setblocking(False)
    each.sendto(b'\\x08\\0\\0\\0\\0\\0\\0\\x01', ('10.0.2.2', 0))
    time.sleep(0.001)
"""


def check_pings(directory):
    """The kernel tells of ping sockets by listing all: so many are listed for one contact, and no more."""
    _, lines = lines_of(directory, "--", *host.python(PINGS))
    found = processes_of(lines)
    named = len([one for one in found if one is not None])
    tap.check("of 900 ping sockets some are found", 64 <= named < 600, (named, len(found)))


def main():
    host.need("curl", "nc")
    server = host.Server(lambda connection: (connection.recv(1000), connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")))
    with tap.temp_dir() as directory:
        check_fields(directory)
        check_allowed(directory, server.port)
        check_by(directory, server.port)
        check_by_gone(directory)
        check_by_inwards(directory)
        check_short(directory, "tcp")
        check_short(directory, "tcp", at_a_time=20)
        check_short(directory, "tcp", idle=2000 if host.FULL else 300)
        check_short(directory, "gone", must=False)
        check_short(directory, "udp", must=False)
        check_many(directory, 500, 500)
        check_pings(directory)
    tap.done()


main()
