#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run reads its files of rules again: on SIGHUP, and by berth rules reload. All or nothing;
conversations stay; nothing that the program does brings it about."""

import host
import json
import os
import queue
import signal
import subprocess
import threading

import tap

# Does what its lines of input say, and answers each with a line.
PROGRAM = """
import ctypes, os, signal, socket, struct, subprocess, sys
RT_SIGQUEUEINFO = {"x86_64": 129, "aarch64": 138}
SI_QUEUE, CLONE_NEWUSER, CLONE_NEWPID = -1, 0x10000000, 0x20000000
libc = ctypes.CDLL(None)
hangups = 0
kept = {}
def on_hangup(*_):
    global hangups
    hangups += 1
signal.signal(signal.SIGHUP, on_hangup)
def connect(port):
    try:
        return socket.create_connection(("10.0.2.2", int(port)), timeout=10)
    except ConnectionRefusedError:
        return None
for line in sys.stdin:
    verb, *words = line.split()
    if verb == "keep":
        kept[words[0]] = connect(words[0])
        print("kept" if kept[words[0]] else "refused", flush=True)
    elif verb == "try":
        print("let" if connect(words[0]) else "refused", flush=True)
    elif verb == "talk":
        kept[words[0]].sendall(b"x")
        print(kept[words[0]].recv(1).decode(), flush=True)
    elif verb == "signal":
        os.kill(os.getppid(), signal.SIGHUP)
        print("sent", flush=True)
    elif verb == "signal-and-end":
        if os.fork() == 0:
            os.kill(int(words[0]), signal.SIGHUP)
            os._exit(0)
        os.wait()
        print("sent", flush=True)
    elif verb == "queue":
        forged = struct.pack("iiiiiI", signal.SIGHUP, 0, SI_QUEUE, 0, int(words[0]), os.getuid())
        libc.syscall(RT_SIGQUEUEINFO[os.uname().machine], os.getppid(), signal.SIGHUP,
                     forged + bytes(128 - len(forged)))
        print("sent", flush=True)
    elif verb == "nested":
        if os.fork() == 0:
            if libc.unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0:
                os._exit(2)
            if os.fork() == 0: # number 1 in its own namespace, and the host's first outside
                try:
                    os.kill(0, signal.SIGHUP)
                except PermissionError:
                    os._exit(1)
                os._exit(0)
            os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
        print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
    elif verb == "hangups":
        print(hangups, flush=True)
    elif verb == "reach":
        s = socket.socket(socket.AF_UNIX)
        print(s.connect_ex("\\0berth/reload/%d/%s" % (os.getuid(), words[0])), flush=True)
"""


def echo(connection):
    while True:
        data = connection.recv(100)
        if not data:
            return
        connection.sendall(data)


class Run:
    """berth run with PROGRAM; lines of both outputs come in queues."""

    def __init__(self, *words):
        self.process = host.start(*words, "--", *host.python(PROGRAM), stdin=subprocess.PIPE,
                                  start_new_session=True) # a process group without this test
        self.said = self._follow(self.process.stderr)
        self.out = self._follow(self.process.stdout)
        self.pid = self.process.pid

    @staticmethod
    def _follow(stream):
        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line.rstrip("\n")) for line in stream],
                         daemon=True).start()
        return lines

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.out.get(timeout=20)

    def hear(self):
        return self.said.get(timeout=20)

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        rest = []
        while True:
            try:
                rest.append(self.said.get(timeout=1))
            except queue.Empty:
                return rest


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def reload(*words):
    return tap.berth("rules", "reload", *words)


def check_hangup(folder, one, other):
    top = write(f"{folder}/top.rules", "include more.rules\ndeny out log\n")
    more = write(f"{folder}/more.rules", f"allow out {one.port} to host\n")
    log = f"{folder}/log"
    run = Run("--policy", top, "--log", log)
    tap.is_equal("what the first rules say", [run.ask(f"keep {one.port}"),
                                              run.ask(f"try {other.port}")], ["kept", "refused"])

    write(more, f"\nallow out {other.port} to host\ndeny out {one.port} to host\n")
    run.process.send_signal(signal.SIGHUP)
    tap.is_equal("SIGHUP: it is said", run.hear(), "berth: rules are read again: 4 in all")
    tap.is_equal("what the new ones say", [run.ask(f"try {one.port}"), run.ask(f"try {other.port}")],
                 ["refused", "let"])
    tap.is_equal("a conversation stays", run.ask(f"talk {one.port}"), "x")

    write(more, "allow out\n  alow out\n")
    run.process.send_signal(signal.SIGHUP)
    said = run.hear()
    tap.check("a mistake is said with its place",
              said.startswith(f"berth: {more}:2:3: 'alow': expected allow, deny"), said)
    tap.is_equal("and that the rules stay", run.hear(), "berth: the rules stay as they were")
    tap.is_equal("which they do", [run.ask(f"try {one.port}"), run.ask(f"try {other.port}")],
                 ["refused", "let"])

    os.unlink(more)
    run.process.send_signal(signal.SIGHUP)
    said = run.hear()
    tap.is_equal("a file that is gone", said, f"berth: {top}:1:9: 'more.rules': expected a file "
                 "that can be read (No such file or directory)")
    run.hear()
    os.unlink(top)
    run.process.send_signal(signal.SIGHUP)
    tap.is_equal("the first file is gone", run.hear(),
                 f"berth: {top}: cannot be read: No such file or directory")
    tap.is_equal("a conversation stays still", run.ask(f"talk {one.port}"), "x")

    rest = "\n".join(run.end())
    tap.check("the closing table has a rule with the place it had",
              f"by the rule 'deny out {one.port}/tcp to host' ({more}:3)" in rest, rest)
    kept = [line for line in host.read_log(log)
            if line["event"] == "close" and line["remote_port"] == one.port]
    tap.is_equal("the log has the old rule of a conversation that it was allowed by",
                 [(line["rule"], line["rule_origin"]) for line in kept],
                 [(f"allow out {one.port}/tcp to host", f"{more}:1")])


def check_command(folder, one, other):
    policy = write(f"{folder}/policy", f"allow out {one.port} to host\n")
    run = Run("--policy", policy, "-d", f"out {other.port} to host", "-a", "out to host")
    tap.is_equal("before", [run.ask(f"try {one.port}"), run.ask(f"try {other.port}")],
                 ["let", "refused"])
    write(policy, f"deny out {one.port} to host\nallow out 9 to host\n")
    done = reload(run.pid)
    tap.is_equal("berth rules reload PID", (done.returncode, done.stdout, done.stderr),
                 (0, f"{run.pid}: rules are read again: 5 in all\n", ""))
    tap.is_equal("after: rules of the command line stay, behind those of files",
                 [run.ask(f"try {one.port}"), run.ask(f"try {other.port}")],
                 ["refused", "refused"])
    write(policy, "allow out htps\n")
    done = reload()
    tap.is_equal("a mistake, told to whom asked",
                 (done.returncode, done.stdout, done.stderr.splitlines()),
                 (2, "", [f"berth: {run.pid}: {policy}:1:11: 'htps': expected a port, a range, a "
                          "service name or a category (did you mean https?)",
                          f"berth: {run.pid}: the rules stay as they were"]))
    told = json.loads(reload("--json").stdout)
    tap.is_equal("as JSON", [(one["pid"], one["ok"], len(one["messages"])) for one in told],
                 [(run.pid, False, 2)])
    many = "".join(f"allow out {port} to 192.0.2.{port % 250}\n" for port in range(1, 9000))
    write(policy, many)
    done = reload(run.pid)
    tap.check("more rules than there is room for", done.returncode == 2 and
              "too many rules for a run that began with fewer" in done.stderr, done.stderr)
    tap.is_equal("the old ones stay", run.ask(f"try {one.port}"), "refused")
    run.end()
    done = reload(run.pid)
    tap.is_equal("a run that is over", (done.returncode, done.stderr), (
        2, f"berth: rules: process {run.pid} is no berth run with a file of rules (--policy)\n"))
    tap.is_equal("nobody there", reload().returncode, 2)


def check_inside(folder, one):
    """The program may write the file, and signal berth: as the same user. It gets nothing by it."""
    policy = write(f"{folder}/mine", "deny out\n")
    run = Run("--policy", policy)
    tap.is_equal("refused", run.ask(f"try {one.port}"), "refused")
    write(policy, "allow out to host\n")
    tap.is_equal("SIGHUP from inside", run.ask("signal"), "sent")
    tap.check("is the program's", host.wait_until(lambda: run.ask("hangups") == "1"))
    run.ask(f"signal-and-end {run.pid}")
    # The sender is seen, and the signal handed on; or it has ended, and that is said.
    tap.check("and so is that of one that ends at once, or it is not heeded",
              host.wait_until(lambda: run.ask("hangups") == "2" or not run.said.empty()))
    said = "" if run.said.empty() else run.hear()
    tap.check("nothing is read again", said == "" or "the rules are not read again" in said, said)
    before = int(run.ask("hangups"))
    run.ask(f"queue {os.getpid()}")
    tap.check("one that is queued in another's name is the program's",
              host.wait_until(lambda: int(run.ask("hangups")) > before or not run.said.empty()))
    tap.check("and nothing is read again", run.said.empty(), list(run.said.queue))
    tap.check("from a PID namespace of the program's own, by its process group: not sent",
              run.ask("nested") in "12")
    tap.is_equal("refused as before", run.ask(f"try {one.port}"), "refused")
    tap.check("nor is anything read again", run.said.empty(), list(run.said.queue))
    tap.check("the socket is not there inside", run.ask(f"reach {run.pid}") != "0")
    tap.is_equal("refused still", run.ask(f"try {one.port}"), "refused")
    run.end()


def check_pipe(one):
    read, write_end = os.pipe()
    os.write(write_end, f"allow out {one.port} to host\n".encode())
    os.close(write_end)
    process = host.start("--policy", "-", "--", "sleep", "20", stdin=read)
    os.close(read)
    tap.is_equal("standard input is not read again: no run to reload",
                 (reload(process.pid).returncode, host.stop(process) is not None), (2, True))


def main():
    one = host.Server(echo)
    other = host.Server(echo)
    with tap.temp_dir() as folder:
        check_hangup(folder, one, other)
        check_command(folder, one, other)
        check_inside(folder, one)
        check_pipe(one)
    tap.done()


main()
