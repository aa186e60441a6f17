#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What holds for every command of berth: help, mistakes, manual, completions, terminals.

Commands are those that `berth --help` lists, so that a new one is tested from its first day.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

DOCS = os.path.join(tap.BERTH_SOURCE, "docs")
OPTION = re.compile(r"^  (?:-(.), |    )--([a-z0-9-]+)(?: (\S+))?(?: .*)?$", re.MULTILINE)


def read(*path):
    with open(os.path.join(DOCS, *path), encoding="utf-8") as file:
        return file.read()


def find_commands():
    done = tap.berth("--help")
    tap.is_equal("berth --help succeeds", (done.returncode, done.stderr), (0, ""))
    commands = re.findall(r"^  ([a-z]+)  +\S", done.stdout, re.MULTILINE)
    tap.check("berth --help lists commands", "ports" in commands, done.stdout)
    tap.is_equal("berth -h is the same", tap.berth("-h").stdout, done.stdout)
    return commands


def check_version():
    done = tap.berth("--version")
    tap.check("berth --version", done.returncode == 0
              and re.fullmatch(r"berth \d+\.\d+\.\d+\n", done.stdout), done.stdout)
    tap.is_equal("berth -V is the same", tap.berth("-V").stdout, done.stdout)


def is_one_line(name, done, *words):
    lines = done.stderr.splitlines()
    tap.is_equal(f"{name}: status 2", done.returncode, 2)
    tap.check(f"{name}: one line that names the word",
              len(lines) == 1 and lines[0].startswith("berth: ")
              and all(word in lines[0] for word in words), done.stderr)
    tap.is_equal(f"{name}: nothing else is printed", done.stdout, "")


def check_values(command):
    """A flag that is given a value, and an option whose value is empty, are mistakes."""
    for _, name, value in OPTION.findall(tap.berth(command, "--help").stdout):
        if value:
            is_one_line(f"{command} --{name}=", tap.berth(command, f"--{name}="),
                        f"berth: {command}: --{name} '': expected ")
        else:
            is_one_line(f"{command} --{name}=1", tap.berth(command, f"--{name}=1"),
                        f"berth: {command}: --{name} '1': expected no value")


def check_help(command):
    """The help of one command. Returns the names of its options."""
    done = tap.berth(command, "--help")
    tap.is_equal(f"{command} --help succeeds", (done.returncode, done.stderr), (0, ""))
    tap.check(f"{command} --help begins with its usage",
              done.stdout.startswith(f"usage: berth {command}"), done.stdout)
    tap.is_equal(f"{command} -h is the same", tap.berth(command, "-h").stdout, done.stdout)
    wide = [line for line in done.stdout.splitlines() if len(line) > 100]
    tap.is_equal(f"{command} --help fits a terminal", wide, [])
    names = [name for _, name, _ in OPTION.findall(done.stdout)]
    tap.check(f"{command} --help lists each option once",
              "help" in names and len(set(names)) == len(names), names)
    return names


def check_manual(command, names):
    path = os.path.join(DOCS, "man", f"berth-{command}.1")
    if not tap.check(f"{command} has a manual page", os.path.exists(path), f"no {path}"):
        return
    text = read("man", f"berth-{command}.1").replace("\\-", "-")
    missing = [name for name in names if not re.search(rf"(?<![a-z0-9])-{name}(?![a-z0-9-])", text)]
    tap.is_equal(f"berth-{command}(1) has every option of --help", missing, [])
    told = set(re.findall(r"^\.It Fl (?:\S+ , )?-([a-z0-9][a-z0-9-]+)", text, re.MULTILINE))
    tap.is_equal(f"berth-{command}(1) has no option that --help has not",
                 sorted(told - set(names)), [])


def complete(*words):
    """What bash offers for the last of WORDS."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _berth; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    path = os.path.dirname(tap.BERTH) + ":" + os.environ["PATH"]
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "-", os.path.join(DOCS, "completions", "berth.bash"),
         *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
        check=False, env={**os.environ, "PATH": path})
    tap.is_equal(f"completing '{' '.join(words)}' says nothing", done.stderr, "")
    return done.stdout.split()


def check_completions(commands, options):
    tap.is_equal("bash completes the commands", complete("berth", ""),
                 commands + ["--help", "--version"])
    for command in commands:
        tap.is_equal(f"bash completes the options of {command}",
                     sorted(complete("berth", command, "--")),
                     sorted("--" + name for name in options[command]))
    tap.is_equal("bash completes choices", complete("berth", "ports", "--proto", "t"), ["tcp"])
    tap.is_equal("bash completes choices after =",
                 complete("berth", "ports", "--proto", "=", "s"), ["sctp"])
    tap.is_equal("bash completes choices with a hyphen",
                 complete("berth", "sim", "--discipline", "co"), ["codel", "codel-ecn"])
    tap.is_equal("bash completes service names", complete("berth", "ports", "postg"),
                 ["postgresql"])
    tap.is_equal("bash completes them as an option's value",
                 complete("berth", "sockets", "--port", "postg"), ["postgresql"])


def on_terminal(columns, *args, **environment):
    """What berth writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    child = subprocess.Popen([tap.BERTH, *args], stdin=subprocess.DEVNULL, stdout=theirs,
                             env={**env, "TERM": "xterm", **environment})
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux: EIO when the other end is closed
            piece = b""
        if not piece:
            break
        text += piece
    os.close(ours)
    child.wait(timeout=10)
    return text.decode().replace("\r\n", "\n")


def check_terminal():
    plain = tap.berth("ports", "443").stdout
    tap.check("no colour in a pipe", "\033" not in plain, plain)
    coloured = on_terminal(120, "ports", "443")
    tap.check("colour on a terminal", "\033[1m" in coloured, coloured)
    tap.is_equal("the same words with colour", re.sub(r"\033\[\d*m", "", coloured), plain)
    tap.is_equal("no colour with NO_COLOR", on_terminal(120, "ports", "443", NO_COLOR="1"), plain)
    tap.check("colour with NO_COLOR empty", "\033[1m" in on_terminal(120, "ports", "443",
                                                                     NO_COLOR=""))
    tap.is_equal("no colour on a dumb terminal", on_terminal(120, "ports", "443", TERM="dumb"),
                 plain)
    narrow = on_terminal(60, "ports", "443", NO_COLOR="1")
    tap.check("a table is cut to a narrow terminal", "\u2026" in narrow
              and max(map(len, narrow.splitlines())) <= 60, narrow)
    for columns in (40, 13, 6, 5, 1):
        lines = on_terminal(columns, "ports", "443", NO_COLOR="1").splitlines()
        tap.check(f"and to one of {columns} columns", len(lines) == 4
                  and max(map(len, lines)) <= columns and lines[0] == lines[0].rstrip(),
                  lines)
    tap.check("a JSON document is never cut or coloured",
              on_terminal(60, "ports", "443", "--json") == tap.berth("ports", "443",
                                                                     "--json").stdout)


def check_full_disk():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([tap.BERTH, "ports", "443"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=30, check=False)
    tap.is_equal("a full disk is said, with status 2",
                 (done.returncode, done.stderr),
                 (2, "berth: cannot write to standard output: No space left on device\n"))
    # What would have been 1 is no answer when the answer is lost.
    for args in (["ports", "443", "no-such-name"], ["rules", "explain", "out tcp 192.0.2.7:80"],
                 ["rules", "export", "--to", "cilium", "-"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([tap.BERTH, *args], stdout=full, stderr=subprocess.PIPE,
                                  input="allow out log\n", text=True, timeout=30, check=False)
        tap.is_equal(f"a full disk: {' '.join(args[:2])}",
                     (done.returncode, done.stderr.splitlines()[-1]),
                     (2, "berth: cannot write to standard output: No space left on device"))


def main():
    check_version()
    commands = find_commands()
    options = {}
    manual = read("man", "berth.1")
    for command in commands:
        options[command] = check_help(command)
        check_values(command)
        check_manual(command, options[command])
        tap.check(f"berth(1) names {command}", f".It Cm {command}\n" in manual)
        is_one_line(f"{command} --no-such-thing", tap.berth(command, "--no-such-thing"),
                    f"berth: {command}: ", "'--no-such-thing'")
    is_one_line("no command", tap.berth(), "--help")
    is_one_line("an unknown command", tap.berth("frobnicate"), "'frobnicate'")
    is_one_line("a misspelt command", tap.berth("prots"), "'prots'", "'ports'")
    is_one_line("an unknown option", tap.berth("--frobnicate"), "'--frobnicate'")
    for word in ("help", "version"):
        is_one_line(f"--{word} with a value", tap.berth(f"--{word}=1"),
                    f"--{word} '1': expected no value")
    is_one_line("a command that drives the terminal", tap.berth("\033[2J"), "\\x1b[2J")
    check_completions(commands, options)
    check_terminal()
    check_full_disk()
    tap.done()


main()
