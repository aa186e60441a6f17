#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: short connections, where several steps go with one segment or system call: nothing is
lost, nobody waits for ever, and whoever is named is named rightly."""

import signal
import socket
import threading

import host
import tap

MANY = 400  # more than are asked about at once where nobody needs it (run/conversation.c)

# Connects COUNT times, says a line and reads the answer to its end. COUNT, then how many were right.
ASK = """
import socket, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
right = 0
for i in range(count):
    with socket.create_connection((address, port), 20) as c:
        c.sendall(b'%d\\n' % i)
        got = b''
        while piece := c.recv(100):
            got += piece
        right += got == b'<%d>' % i
print(count, right)
"""

# Sends in two pieces and ends its side; then reads. (Nagle's algorithm is on.)
TWO_PIECES = """
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
for piece in sys.argv[3:]:
    c.sendall(piece.encode())
c.shutdown(socket.SHUT_WR)
got = b''
while piece := c.recv(100):
    got += piece
print(got.decode())
"""

LISTEN = """
import socket, sys
s = socket.create_server(('0.0.0.0', 80))
print('ready', flush=True)
while True:
    c, who = s.accept()
    line = c.recv(100)
    c.sendall(b'<' + line.strip() + b'>')
    c.close()
"""


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        piece = connection.recv(100)
        if not piece:
            break
        line += piece
    return line


def read_all(connection):
    got = b""
    while piece := connection.recv(100):
        got += piece
    return got


def answer(connection):
    connection.sendall(b"<" + read_line(connection).strip() + b">")


def greet(connection):
    connection.settimeout(20)
    connection.sendall(b"who?")
    connection.sendall(b"<" + read_all(connection) + b">")


def check_many():
    server = host.Server(answer)
    rule = f"out {server.port}/tcp to host"
    done = host.run("--summary", "--allow", rule, "--",
                    *host.python(ASK, "10.0.2.2", server.port, MANY))
    row = done.stderr.splitlines()[-1].split()
    tap.is_equal("connect, ask, read, close, many times", done.stdout, f"{MANY} {MANY}\n")
    tap.check("the table counts each, and names the process",
              str(MANY) in row and any(word.startswith("python") for word in row), done.stderr)
    with tap.temp_dir() as directory:
        path = f"{directory}/log"
        done = host.run("--log", path, "--allow", rule, "--",
                        *host.python(ASK, "10.0.2.2", server.port, MANY))
        lines = [line for line in host.read_log(path) if line["event"] in ("open", "close")]
        unknown = [line for line in lines if not line["process"]]
    tap.check("the log names the process in every line", len(lines) == 2 * MANY and not unknown,
              f"{len(lines)} lines, {len(unknown)} without: {unknown[:1]}")
    tap.check("the rest of a line is as it was", all(
        line["bytes_in"] > 2 and line["end"] == "closed" for line in lines
        if line["event"] == "close"), lines[-1:])


def check_two_programs():
    server = host.Server(answer)
    script = f'"$0" -c "$1" 10.0.2.2 {server.port} 2; printf "x\\n" | nc -w 5 10.0.2.2 {server.port}'
    done = host.run("--summary", "--allow", f"out {server.port}/tcp to host", "--", "sh", "-c",
                    script, host.PYTHON, ASK)
    tap.check("a second program at the same port: the table says that there were others",
              done.stdout == "2 2\n<x>" and "and others" in done.stderr,
              done.stdout + done.stderr)


def check_order():
    server = host.Server(greet)
    rule = f"out {server.port}/tcp to host"
    for words in ([], ["a"], ["a", "b"], ["a", "b", "c"]):
        done = host.run("--allow", rule, "--",
                        *host.python(TWO_PIECES, "10.0.2.2", server.port, *words))
        tap.is_equal(f"a server that speaks first, a program that sends {len(words)} pieces",
                     done.stdout, f"who?<{''.join(words)}>\n")


def check_urgent():
    """All of it waits in the host's socket, end included, before berth reads: it is stopped."""
    asked, may_send, has_sent = (threading.Event() for _ in range(3))

    def serve(connection):
        read_line(connection)
        asked.set()
        may_send.wait(20)
        connection.sendall(b"ab")
        connection.send(b"!", socket.MSG_OOB)
        connection.sendall(b"cd")
        connection.shutdown(socket.SHUT_WR)
        has_sent.set()
        read_all(connection)

    server = host.Server(serve)
    process = host.start("--quiet", "--allow", f"out {server.port}/tcp to host", "--",
                         *host.python(TWO_PIECES, "10.0.2.2", server.port, "\n"))
    asked.wait(20)
    process.send_signal(signal.SIGSTOP)
    may_send.set()
    has_sent.wait(20)
    process.send_signal(signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=30)
    tap.check("what stands behind urgent data arrives", stdout.replace("!", "") == "abcd\n",
              stdout + stderr)


def check_published():
    process = host.start("-p", "8080:80/tcp", "--quiet", "--", *host.python(LISTEN))
    process.stdout.readline()
    right, failures = [], []

    def clients(first):
        for i in range(first, first + MANY // 4):
            try:
                with socket.create_connection(("127.0.0.1", 8080), 20) as c:
                    c.sendall(b"%d\n" % i)
                    right.append(read_all(c) == b"<%d>" % i)
            except OSError as error:
                failures.append(error)

    threads = [threading.Thread(target=clients, args=(n * MANY,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    host.stop(process)
    tap.is_equal("the same at a published port, four clients at once", (sum(right), failures[:1]),
                 (MANY // 4 * 4, []))


host.enter()
host.need("nc")
check_many()
check_two_programs()
check_order()
check_urgent()
check_published()
tap.done()
