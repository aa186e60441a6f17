#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: signals that nobody sends to COMMAND: a terminal that is gone for good, and files of
berth's own that meet the limit on files."""

import os
import pty
import resource
import signal
import time

import host
import tap

LIMIT = 8192  # bytes of a file

# Notes in argv[1] which signal ended it.
NOTE = ("import os, signal, sys, time\n"
        "def on(number, frame):\n"
        "    with open(sys.argv[1], 'w') as file: file.write(signal.Signals(number).name)\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGHUP, on)\n"
        "print('ready', flush=True)\n"
        "for i in range(1200): time.sleep(0.05)  # a signal may come just before one\n")

# Many connections: what is written of them is more than LIMIT.
TALK = ("import socket, sys\n"
        "for i in range(40):\n"
        "    c = socket.create_connection(('10.0.2.2', int(sys.argv[1])), timeout=10)\n"
        "    while c.recv(100): pass\n"
        "    c.close()\n"
        "print('done')\n")

def check_hangup(directory, leads):
    """A terminal whose window is closed. LEADS: berth is its session's leader, as under `ssh -t HOST
    berth run ...`: the kernel tells nobody else."""
    note = os.path.join(directory, f"note-{leads}")
    words = host.argv("--", *host.python(NOTE, note))
    if not leads:
        words = ["sh", "-c", '"$@"; true', "sh", *words]
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(words[0], words)
    shown = b""
    while b"\n" not in shown:
        shown += os.read(fd, 4096)
    time.sleep(0.2)  # its own write has come back: that would fail now
    os.close(fd)
    who = "berth leads its session" if leads else "a shell leads its session"
    has_ended = host.wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)
    tap.check(f"a terminal is closed, {who}: the run ends", has_ended)
    if not has_ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    tap.check("and the program has heard of it",
              host.wait_until(lambda: os.path.exists(note) and os.path.getsize(note) > 0))


def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def check_limits(directory, server):
    """A limit on files stops the file, not the program: SIGXFSZ is not for it. (A shell, for Python
    ignores that signal.)"""
    rule = ["--quiet", "--allow", f"out {server.port}/tcp to host"]
    talk = ["sh", "-c", '"$@"; exit $?', "sh", *host.python(TALK, server.port)]
    for what, option in (("log", "--log"), ("capture", "--pcap")):
        path = os.path.join(directory, what)
        done = host.run(*rule, option, path, "--", *talk, preexec_fn=limit)
        tap.is_equal(f"a {what} that meets the limit on files: said, the program goes on",
                     (done.returncode, done.stdout, done.stderr),
                     (0, "done\n", f"berth: cannot write to the {what} '{path}': File too large; "
                      "it ends here, the program goes on\n"))
        tap.check("what fits is there", 0 < os.path.getsize(path) <= LIMIT)
    path = os.path.join(directory, "rules")
    with open(path, "w", encoding="utf-8") as file:
        file.write("# mine\n" * (LIMIT // 7))
    done = host.run("--quiet", "--learn", path, "--", *talk, preexec_fn=limit)
    tap.check("rules that meet it: said and shown, 125",
              done.returncode == 125 and done.stdout == "done\n" and done.stderr.startswith(
                  f"berth: cannot write to '{path}': File too large; what was learned is:\n")
              and "allow out" in done.stderr, (done.returncode, done.stdout, done.stderr))


def main():
    server = host.Server(lambda connection: connection.sendall(b"hello"))
    with tap.temp_dir() as directory:
        check_hangup(directory, leads=True)
        check_hangup(directory, leads=False)
        check_limits(directory, server)
    tap.done()


main()
