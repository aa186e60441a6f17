#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run --default ask, and rules that ask: the question on the terminal, each answer to it, what becomes of
several, and of the program that reads from the same terminal."""

import os
import signal
import socket
import threading
import time

import host
import tap
import terminal

HELLO = b"hello from the host\n"

# Connects to each port in turn; prints what came of it.
CONNECT = """
import socket, sys, errno
for port in sys.argv[2:]:
    s = socket.socket()
    error = s.connect_ex((sys.argv[1], int(port)))
    print('port', port, errno.errorcode.get(error, 'open'), flush=True)
"""

# The same, all at once.
TOGETHER = """
import os, socket, sys, errno, threading
def one(port):
    s = socket.socket()
    error = s.connect_ex(('10.0.2.2', port))
    os.write(1, b'port %d %s\\n' % (port, errno.errorcode.get(error, 'open').encode()))
threads = [threading.Thread(target=one, args=(int(port),)) for port in sys.argv[1:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


# Connects to port 9 of each address, all at once.
ADDRESSES = """
import socket, sys, threading
def one(address):
    try: socket.create_connection((address, 9), timeout=20)
    except OSError: pass
threads = [threading.Thread(target=one, args=(word,)) for word in sys.argv[1:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def connect(*ports):
    return ["--", *host.python(CONNECT, "10.0.2.2", *ports)]


def outcomes(screen):
    return [line.split()[2] for line in screen.text.splitlines() if line.startswith("port ")]


def check_once(port):
    screen = terminal.run("--default", "ask", "--quiet", *connect(port, port))
    shown = screen.answer("o")
    tap.check("the question names who, whither, port, service, category and direction",
              shown and all(word in shown for word in (
                  "python3", "(pid ", "wants to connect out to host (10.0.2.2)",
                  f"port {port}/tcp (", "ephemeral)" if port >= 49152 else "user)", "-c",
                  "started by berth", "user ")), shown)
    second = screen.answer("d")
    tap.check("once is once: it is asked again", second, screen.text)
    tap.is_equal("the program's status", screen.end(), 0)
    tap.is_equal("once lets through, deny refuses as a closed port does", outcomes(screen),
                 ["open", "ECONNREFUSED"])


def check_for_this_run(port, closed):
    screen = terminal.run("--default", "ask", "--summary", *connect(port, port, closed, closed))
    screen.answer("always")
    tap.check("without a policy, always is for this run", screen.wait_for(
        f"for this run: allow out {port}/tcp to host\n"), screen.text)
    screen.answer("never")
    tap.check("and never too", screen.wait_for(f"for this run: deny out {closed}/tcp to host\n"),
              screen.text)
    screen.end()
    tap.is_equal("asked once each", (screen.text.count(terminal.PROMPT), outcomes(screen)),
                 (2, ["open", "open", "ECONNREFUSED", "ECONNREFUSED"]))
    tap.check("the table says that an answer has refused", f"by the rule 'deny out {closed}/tcp to host' "
              "(an answer at the terminal)" in screen.text, screen.text)


def check_kept(directory, port, closed):
    """Answers that are added to the policy hold in the next run, which asks nothing."""
    path = os.path.join(directory, "kept.rules")
    with open(path, "w", encoding="ascii") as file:
        file.write("allow out 1/udp to host")  # and no end of line
    words = ["--default", "ask", "--summary", "--policy", path, *connect(port, closed, port)]
    screen = terminal.run(*words)
    screen.answer("a")
    tap.check("it is said where the rule went", screen.wait_for(
        f"added to {path}: allow out {port}/tcp to host\n"), screen.text)
    screen.answer("n")
    screen.end()
    tap.is_equal("always and never", outcomes(screen), ["open", "ECONNREFUSED", "open"])
    with open(path, encoding="ascii") as file:
        lines = [line.split("  #")[0] for line in file.read().splitlines()]
    tap.is_equal("added at the end of the file", lines,
                 ["allow out 1/udp to host", f"allow out {port}/tcp to host", f"deny out {closed}/tcp to host"])
    screen = terminal.run(*words)
    screen.end()
    tap.is_equal("the next run asks nothing", (terminal.PROMPT in screen.text, outcomes(screen)),
                 (False, ["open", "ECONNREFUSED", "open"]))
    tap.check("and names the rule that refuses by file and line", f"({path}:3)" in screen.text, screen.text)


def check_before_rule(directory, port, closed):
    """A rule that asks comes first: what it becomes stands before it."""
    path = os.path.join(directory, "asking.rules")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"# mine\nask out {port}/tcp to host\n  ask out to host\ndeny out\n")
    os.chmod(path, 0o640)
    words = ["--quiet", "--policy", path, *connect(port, closed, port)]
    screen = terminal.run(*words)
    screen.answer("a")
    screen.answer("n")
    screen.end()
    tap.is_equal("rules that ask", outcomes(screen), ["open", "ECONNREFUSED", "open"])
    with open(path, encoding="ascii") as file:
        lines = [line.split("  #")[0] for line in file.read().splitlines()]
    tap.is_equal("the answers stand before them", lines, [
        "# mine", f"allow out {port}/tcp to host", f"ask out {port}/tcp to host",
        f"deny out {closed}/tcp to host", "  ask out to host", "deny out"])
    tap.is_equal("the file is as readable as it was, and alone",
                 (os.stat(path).st_mode & 0o777, [name for name in os.listdir(directory) if name.startswith("asking.")]),
                 (0o640, ["asking.rules"]))
    screen = terminal.run(*words)
    screen.end()
    tap.is_equal("the next run asks nothing here either", (terminal.PROMPT in screen.text, outcomes(screen)),
                 (False, ["open", "ECONNREFUSED", "open"]))


def check_changed(directory, port):
    """A file that has changed meanwhile is left alone."""
    path = os.path.join(directory, "changed.rules")
    with open(path, "w", encoding="ascii") as file:
        file.write("ask out to host\n")
    screen = terminal.run("--quiet", "--policy", path, *connect(port, port))
    screen.wait_for(terminal.PROMPT)
    with open(path, "w", encoding="ascii") as file:
        file.write("# nothing asks here\n")
    screen.type("a\n")
    tap.check("that is said", screen.wait_for("it has changed since it was read"), screen.text)
    screen.end()
    tap.is_equal("and the answer is for this run", outcomes(screen), ["open", "open"])
    with open(path, encoding="ascii") as file:
        tap.is_equal("and the file as it was", file.read(), "# nothing asks here\n")


def check_timeout(port):
    begin = time.monotonic()
    screen = terminal.run("--default", "ask", "--ask-timeout", 1, *connect(port))
    tap.check("no answer is deny, and that is said", screen.wait_for("no answer: denied"), screen.text)
    screen.end()
    tap.is_equal("refused", outcomes(screen), ["ECONNREFUSED"])
    tap.check("not before its time", time.monotonic() - begin >= 1)
    tap.check("the table tells what would allow it", f"--allow 'out {port}/tcp to host'" in screen.text, screen.text)


def check_several(port, closed):
    """Questions queue; equal ones are one."""
    screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(TOGETHER, port, port, port, closed),
                          stdin="/dev/null")
    questions = [screen.answer("o"), screen.answer("o")]
    screen.end()
    tap.is_equal("three connections to one port and one to another: two questions",
                 (sum(question is not None for question in questions), screen.text.count(terminal.PROMPT)), (2, 2))
    tap.is_equal("each of which all have the answer to", sorted(outcomes(screen)),
                 ["ECONNREFUSED", "open", "open", "open"])


def check_inward():
    """A name of an address outside and of one inside."""
    inside = "10.9.8.7"
    screen = terminal.run("--default", "ask", "--quiet", "--hosts", "two.example=198.51.100.7", "--hosts",
                          f"two.example={inside}", "--", *host.python(ADDRESSES, "198.51.100.7", inside),
                          stdin="/dev/null")
    shown = [screen.answer("d") or "", screen.answer("d") or ""]
    screen.end()
    tap.is_equal("an answer about one is none about the other", [inside in text for text in shown].count(True), 1)
    tap.is_equal("two questions", screen.text.count(terminal.PROMPT), 2)


def check_many(first):
    """More questions than may queue."""
    ports = range(first, first + 80)
    screen = terminal.run("--default", "ask", "--quiet", "--ask-timeout", 2, "--", *host.python(TOGETHER, *ports),
                          stdin="/dev/null")
    screen.end(40)
    tap.is_equal("more questions than may wait: denied", outcomes(screen), ["ECONNREFUSED"] * 80)


def check_rejudged(directory, port, closed):
    """An answer that decides another question too: that is not asked."""
    path = os.path.join(directory, "again.rules")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"ask out {port}/tcp to host\n")
    screen = terminal.run("--default", "ask", "--policy", path, "--quiet", "--",
                          "sh", "-c", f"{host.PYTHON} -c \"$1\" {port} & curl -s http://10.0.2.2:{port}/ ; wait",
                          "sh", TOGETHER)
    screen.answer("a")
    screen.end()
    tap.is_equal("the same port, of two programs: the second is not asked about any more",
                 screen.text.count(terminal.PROMPT), 1)
    del closed


# Connects to port 9 of LAST. Once FILE is there, a process "second" does, and to FIRST's, in one breath.
SECOND = """
import os, select, socket, sys, time
file, first, last = sys.argv[1:]
def begin(address):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((address, 9))
    return s
sockets = [begin(last)]
is_second = os.fork() == 0
if is_second:
    while not os.path.exists(file): time.sleep(0.02)
    with open('/proc/self/comm', 'w') as comm: comm.write('second')
    sockets = [begin(last), begin(first)]
    open(file + '.done', 'w').close()
for s in sockets:
    select.select([], [s], [], 20)
if not is_second: os.wait()
"""


def check_rejudged_apart(directory):
    """An answer that decides about one address of a name, and not about the other that waits beside it."""
    path = os.path.join(directory, "apart.rules")
    begin = os.path.join(directory, "begin")
    first, last = "198.51.100.7", "198.51.100.8"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"ask out 9 to {first}\nask out 9 to {last}\n")
    screen = terminal.run("--policy", path, "--quiet", "--hosts", f"two.example={first}", "--hosts",
                          f"two.example={last}", "--", *host.python(SECOND, begin, first, last), stdin="/dev/null")
    tap.check("the first asks", screen.wait_for(f"({last})"), screen.text)
    with open(begin, "w", encoding="ascii"):
        pass
    deadline = time.monotonic() + terminal.SECONDS
    while not os.path.exists(begin + ".done") and time.monotonic() < deadline:
        time.sleep(0.02)
    screen.answer("n")
    shown = screen.answer("d") or ""
    screen.end()
    tap.check("the address that the rule does not decide about is still asked about, alone",
              f"({first})" in shown and screen.text.count(terminal.PROMPT) == 2, screen.text)


def check_reader(port):
    """The program reads from the terminal at the same time: each gets its own."""
    program = """
import socket, sys, threading, time
def ask():
    time.sleep(0.3)
    print('port', sys.argv[1], 'open' if socket.socket().connect_ex(('10.0.2.2', int(sys.argv[1]))) == 0
          else 'shut', flush=True)
threading.Thread(target=ask).start()
print('ready', flush=True)
while True:
    line = sys.stdin.readline()
    print('the program read', repr(line), flush=True)
    if line == 'end\\n': break
"""
    screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(program, port))
    screen.wait_for("ready")
    screen.type("before\n")
    tap.check("before the question it reads", screen.wait_for("the program read 'before\\n'"), screen.text)
    screen.wait_for("wants to connect")
    screen.type("y\nas if to the program\n")  # typed as the question came up
    tap.check("what is typed as it comes up is no answer", screen.wait_for(terminal.PROMPT), screen.text)
    screen.type("o\n")
    tap.check("the answer is", screen.wait_for(f"port {port} open"), screen.text)
    screen.type("end\n")
    tap.is_equal("afterwards it reads on", screen.end(), 0)
    read = [line.split("read ")[1] for line in screen.text.splitlines() if line.startswith("the program read")]
    tap.is_equal("and has read nothing of the answer", read, ["'before\\n'", "'end\\n'"])


def check_raw(port):
    """The program has the terminal in character mode: it gets it back so."""
    program = """
import os, socket, sys, termios, tty
tty.setraw(0)
before = termios.tcgetattr(0)
result = socket.socket().connect_ex(('10.0.2.2', int(sys.argv[1])))
print('port', sys.argv[1], 'open' if result == 0 else 'shut', end='\\r\\n')
print('same' if termios.tcgetattr(0) == before else 'changed', end='\\r\\n', flush=True)
print('one', repr(os.read(0, 1)), end='\\r\\n', flush=True)
"""
    for keys, expected in (("o\n", "open"), ("\x03", "shut")):
        screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(program, port))
        screen.wait_for(terminal.PROMPT)
        screen.wait_for("] ")
        screen.type(keys)
        tap.check(f"in character mode, {keys!r}: the connection is {expected}",
                  screen.wait_for(f"port {port} {expected}"), screen.text)
        tap.check("and the terminal is as it was", screen.wait_for("same"), screen.text)
        screen.type("x")
        tap.check("a single key gets to the program", screen.wait_for("one b'x'"), screen.text)
        tap.is_equal("which ends in order", screen.end(), 0)


# Makes an n erase what is before it: before it connects, or ("later") in a process that only writes to the terminal.
ERASES = """
import os, socket, sys, termios, time
def erase(fd):
    settings = termios.tcgetattr(fd)
    for key in (termios.VERASE, termios.VKILL, termios.VWERASE): settings[6][key] = b'n'
    termios.tcsetattr(fd, termios.TCSANOW, settings)
if sys.argv[2] == 'before': erase(1)
elif os.fork() == 0:
    os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
    time.sleep(2)
    erase(1)
    os.write(1, b'changed')
    os._exit(0)
result = socket.socket().connect_ex(('10.0.2.2', int(sys.argv[1])))
print('port', sys.argv[1], 'open' if result == 0 else 'shut')
"""


def check_letters(port):
    for when in ("before", "later"):
        screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(ERASES, port, when))
        screen.wait_for(terminal.PROMPT)
        screen.wait_for("] " if when == "before" else "changed")
        screen.type("no\n")
        tap.check(f"letters that erase, set {when}: what was typed is no answer",
                  screen.wait_for("one of o, a, d and n") and screen.wait_for("] "), screen.text)
        screen.type("n\n")
        tap.check(f"letters that erase, set {when}: the next one is", screen.wait_for(f"port {port} shut"), screen.text)
        screen.end()


def check_interrupt(port):
    screen = terminal.run("--default", "ask", "--quiet", "--", "sh", "-c",
                          "trap 'echo interrupted' INT; $0 -c \"$1\" 10.0.2.2 $2; exit 6",
                          host.PYTHON, CONNECT, port)
    screen.wait_for(terminal.PROMPT)
    screen.wait_for("] ")
    screen.type("\x03")
    tap.check("Ctrl-C gets to the program", screen.wait_for("interrupted"), screen.text)
    tap.is_equal("which ends by itself", screen.end(), 6)
    tap.is_equal("and nothing was let through", "open" in outcomes(screen), False)


def check_streams(directory, port):
    """The program's streams are no terminal: the question is still on it, and nothing of it in them."""
    out = os.path.join(directory, "out")
    errors = os.path.join(directory, "errors")
    screen = terminal.run("--default", "ask", "--quiet", *connect(port), stdin="/dev/null", stdout=out, stderr=errors)
    asked = screen.answer("o")
    screen.end()
    with open(out, encoding="ascii") as file:
        got = file.read()
    with open(errors, encoding="ascii") as file:
        said = file.read()
    tap.check("asked on the terminal, with all streams elsewhere", asked, screen.text)
    tap.is_equal("and nothing of it in the streams", (got, said), (f"port {port} open\n", ""))


def check_no_terminal(port):
    done = host.run("--default", "ask", "--quiet", *connect(port, port), start_new_session=True)
    tap.is_equal("no terminal: denied, said once", (done.stdout, done.stderr), (
        f"port {port} ECONNREFUSED\n" * 2,
        "berth: there is no terminal to ask on: what would be asked is denied\n"))


BACKGROUND = """
import os, sys, signal
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
os.setpgid(pid, pid)
assert sys.stdin.readline() == 'fg\\n'
os.tcsetpgrp(0, pid)
status = os.waitpid(pid, 0)[1]
os.tcsetpgrp(0, os.getpgrp())
print('the job ended', os.waitstatus_to_exitcode(status), flush=True)
"""


def check_background(port):
    """In the background nothing is asked, nor read, until the job is in the foreground."""
    screen = terminal.Terminal(*host.python(BACKGROUND, *host.argv("--default", "ask", "--quiet", *connect(port))))
    tap.check("in the background it is said that a question waits",
              screen.wait_for("a question waits until this job is in the foreground"), screen.text)
    tap.check("and not asked", terminal.PROMPT not in screen.text, screen.text)
    screen.type("fg\n")
    tap.check("in the foreground it is asked", screen.answer("o"), screen.text)
    tap.check("and the connection made", screen.wait_for("the job ended 0"), screen.text)
    screen.end()
    tap.is_equal("as it was answered", outcomes(screen), ["open"])


def check_own_group(port):
    """An interactive shell inside has the foreground for its jobs; it gets it back."""
    screen = terminal.run("--default", "ask", "--quiet", "--", "bash", "--norc", "-i")
    screen.type(f"curl -s -o /dev/null -w 'curl %{{exitcode}}\\n' http://10.0.2.2:{port}/\n")
    tap.check("a shell's job is asked about", screen.answer("o"), screen.text)
    tap.check("and goes on", screen.wait_for("\ncurl "), screen.text)
    tap.check("not stopped, as the shell sees it", "Stopped" not in screen.text, screen.text)
    screen.type("echo still $((40 + 2))\n")
    tap.check("the shell reads on", screen.wait_for("still 42"), screen.text)
    screen.type("exit 4\n")
    tap.is_equal("to its end", screen.end(), 4)


def check_datagrams():
    server = host.UdpServer(lambda data, client: data[::-1])
    program = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(('10.0.2.2', int(sys.argv[1])))
s.send(b'abc')
try: print('udp', s.recv(100), flush=True)
except OSError as error: print('udp', type(error).__name__, flush=True)
"""
    for word, expected in (("o", "udp b'cba'"), ("d", "udp OSError")):
        screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(program, server.port))
        asked = screen.answer(word)
        tap.check(f"a datagram waits for its answer, {word}", asked and "wants to send out to" in asked
                  and screen.wait_for(expected), screen.text)
        screen.end()
    screen = terminal.run("--default", "ask", "--quiet", "--", "ping", "-c1", "-W10", "10.0.2.2")
    asked = screen.answer("o")
    tap.check("a ping too", asked and "icmp" in asked and screen.wait_for("1 received"), screen.text)
    screen.end()


SERVE = """
import socket, sys
l = socket.create_server(('10.0.2.100', 7000))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('10.0.2.100', 7000))
print('serving', flush=True)
for i in range(int(sys.argv[1])):
    c, who = l.accept()
    c.sendall(b'hello from inside')
    c.close()
data, who = u.recvfrom(100)
u.sendto(data[::-1], who)
"""


def client(port, results):
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    try:
        results.append(connection.recv(100))
    except OSError as error:
        results.append(type(error).__name__)


def check_inwards(directory):
    path = os.path.join(directory, "inwards.rules")
    with open(path, "w", encoding="ascii") as file:
        file.write("ask in 7000 from host\nask in 7000/udp from host\n")
    screen = terminal.run("--quiet", "--policy", path, "-p", "7001:7000", "-p", "7001:7000/udp", "--",
                          *host.python(SERVE, 1))
    screen.wait_for("serving")
    results = []
    for word in ("d", "o"):
        thread = threading.Thread(target=client, args=(7001, results))
        thread.start()
        asked = screen.answer(word)
        tap.check(f"a client of a published port waits for its answer, {word}",
                  asked and "wants to connect in to python3" in asked and "port 7000/tcp" in asked, screen.text)
        thread.join(20)
    tap.is_equal("and is reset, or served", results, ["ConnectionResetError", b"hello from inside"])
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagram.settimeout(20)
    datagram.sendto(b"abc", ("127.0.0.1", 7001))
    asked = screen.answer("o")
    tap.is_equal("a datagram to one as well", (asked is not None and "wants to send in to" in asked,
                                              datagram.recv(100)), (True, b"cba"))
    tap.is_equal("and it ends", screen.end(), 0)


def check_given_up(port):
    """Who asked has gone before the answer: the question goes too."""
    screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(
        "import os, socket, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    socket.socket().connect_ex(('10.0.2.2', int(sys.argv[1])))\n"
        "    os._exit(0)\n"
        "time.sleep(1.5)\n", port), stdin="/dev/null")
    tap.check("asked about", screen.wait_for(terminal.PROMPT), screen.text)
    tap.is_equal("the program ends, and the run, with its question", screen.end(), 0)


# Has a directory open of a file system that it serves itself, and does not answer for; connects.
SERVES_FILES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
uid, gid = os.getuid(), os.getgid()
assert libc.unshare(0x10000000 | 0x20000) == 0  # CLONE_NEWUSER | CLONE_NEWNS
for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
    with open(f"/proc/self/{name}", "w") as file: file.write(text)
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fuse},rootmode=40000,user_id={uid},group_id={gid}"
if libc.mount(b"test", sys.argv[1].encode(), b"fuse", 0, options.encode()) != 0: sys.exit(77)
for number in (fuse, os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY)): os.set_inheritable(number, True)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], "10.0.2.2", sys.argv[3]])
"""


def check_own_files(directory, port):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        tap.skip("a program that serves files", "/dev/fuse may not be opened here")
        return
    mount = os.path.join(directory, "mount")
    os.mkdir(mount)
    screen = terminal.run("--default", "ask", "--quiet", "--", *host.python(SERVES_FILES, mount, CONNECT, port),
                          stdin="/dev/null")
    shown = screen.answer("o")
    status = screen.end()
    if status == 77:
        tap.skip("a program that serves files", "no FUSE here")
        return
    tap.check("a program that serves files and does not answer keeps nobody waiting", shown, screen.text)
    tap.is_equal("and gets its answer", (status, outcomes(screen)), (0, ["open"]))


def check_log(directory, port):
    log = os.path.join(directory, "log")
    screen = terminal.run("--default", "ask", "--quiet", "--log", log, *connect(port, port, port))
    for word in ("o", "d", "a"):
        screen.answer(word)
    screen.end()
    lines = [line for line in host.read_log(log) if line["event"] in ("close", "refused")]
    tap.is_equal("the log tells what was answered", sorted(line["answer"] for line in lines), ["always", "denied", "once"])
    tap.check("and by which rule", {line["answer"]: line["rule"] for line in lines}["always"] ==
              f"allow out {port}/tcp to host", lines)


def main():
    host.need("curl", "bash", "ping")
    signal.alarm(280)
    server = host.Server(lambda connection: connection.sendall(HELLO))
    closed = 9
    with tap.temp_dir() as directory:
        check_once(server.port)
        check_for_this_run(server.port, closed)
        check_kept(directory, server.port, closed)
        check_before_rule(directory, server.port, closed)
        check_changed(directory, server.port)
        check_timeout(server.port)
        check_several(server.port, closed)
        check_inward()
        check_many(100)
        check_rejudged(directory, server.port, closed)
        check_rejudged_apart(directory)
        check_reader(server.port)
        check_raw(server.port)
        check_letters(server.port)
        check_interrupt(server.port)
        check_streams(directory, server.port)
        check_no_terminal(server.port)
        check_background(server.port)
        check_own_group(server.port)
        check_datagrams()
        check_inwards(directory)
        check_given_up(server.port)
        check_own_files(directory, server.port)
        check_log(directory, server.port)
    tap.done()


main()
