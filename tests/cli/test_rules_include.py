#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth rules: files that include files, and files that are no policies."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

TOP = """# a policy
let web = {http, https}
include shared/common.rules   # what everyone may
deny out log
include shared/common.rules
include shared/unused.rules
allow in late
"""

COMMON = """allow out web to 192.0.2.7
  INCLUDE\tdeeper.rules
let late = {8001}
"""

DEEPER = "\nallow out ssh to 192.0.2.8"


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path


def explain(path, question, *options):
    done = tap.berth("rules", "explain", "--policy", path, question, *options)
    return done.returncode, done.stdout.splitlines()[0] if done.stdout else done.stderr


def check_places(folder):
    top = write(folder, "top.rules", TOP)
    common = write(folder, "shared/common.rules", COMMON)
    deeper = write(folder, "shared/deeper.rules", DEEPER)
    write(folder, "shared/unused.rules", "")
    done = tap.berth("rules", "check", top)
    tap.is_equal("included rules count, once", (done.returncode, done.stdout, done.stderr),
                 (0, f"{top}: 4 rules\n", ""))
    tap.is_equal("a group reaches into an included file, whose rules have their own lines",
                 explain(top, "out tcp 192.0.2.7:80"),
                 (0, "out 80/tcp to 192.0.2.7: allowed by "
                  f"{common}:1: allow out http,https to 192.0.2.7"))
    tap.is_equal("paths go from the file that they stand in", explain(top, "out tcp 192.0.2.8:22"),
                 (0, f"out 22/tcp to 192.0.2.8: allowed by {deeper}:2: allow out ssh to 192.0.2.8"))
    tap.is_equal("lines after an include are those of the file",
                 explain(top, "out tcp 192.0.2.9:22"),
                 (1, f"out 22/tcp to 192.0.2.9: denied by {top}:4: deny out any log"))
    tap.is_equal("a group of an included file is known behind it",
                 explain(top, "in tcp 192.0.2.9:8001"),
                 (0, f"in 8001/tcp from 192.0.2.9: allowed by {top}:7: allow in 8001/tcp"))
    done = tap.berth("rules", "explain", "--policy", top, "--json", "out tcp 192.0.2.8:22")
    rule = json.loads(done.stdout)[0]["rule"]
    tap.is_equal("file and line as JSON", (rule["file"], rule["line"]), (deeper, 2))


def check_input(folder):
    with open(write(folder, "input", "include input2\n"), "rb") as file:
        done = tap.berth("rules", "check", "-", stdin=file, cwd=folder)
    tap.is_equal("standard input includes from the working folder",
                 (done.returncode, "standard input:1:9: 'input2'" in done.stderr), (2, True))
    absolute = write(folder, "deep/absolute", f"include {folder}/with blank.rules\n")
    write(folder, "with blank.rules", "allow out\n")
    tap.is_equal("an absolute path, with a blank in it",
                 explain(absolute, "out tcp 192.0.2.8:22")[0], 0)


def check_warnings(folder):
    top = write(folder, "w/top", "allow out\ninclude more\nallow in\n")
    more = write(folder, "w/more", "\nallow out 80\n")
    done = tap.berth("rules", "check", top)
    tap.is_equal("a warning names both files", done.stderr,
                 f"berth: {more}:2: warning: 'allow out 80/tcp' never decides: 'allow out any' of "
                 f"{top}:1 matches before it\n")
    told = json.loads(tap.berth("rules", "check", "--json", top).stdout)[0]["warnings"][0]
    tap.is_equal("as JSON, too", [told[key] for key in ("file", "line", "other_file", "other_line")],
                 [more, 2, top, 1])


def check_export(folder):
    """Lines are those of the file that a rule stands in, in comments and in what the kernel logs."""
    top = write(folder, "x/top", "include one\nallow out 443 log\n")
    one = write(folder, "x/one", "\n\nallow out 80 log\n")
    ruleset = tap.berth("rules", "export", "--to", "nftables", top).stdout
    for path, line, port in ((top, 2, 443), (one, 3, 80)):
        tap.check(f"a rule of {os.path.basename(path)} has its place in a comment",
                  f"        # {path}:{line}: allow out {port}/tcp log\n" in ruleset, ruleset)
        tap.check("and in what is logged", f"tcp dport {{ {port} }} log prefix "
                  f"\"berth allow out line {line}: \" accept\n" in ruleset, ruleset)


def check_mistakes(folder):
    """(name, files, what is said of them; the first is checked)"""
    chain = {f"f{i}": f"include f{i + 1}\n" for i in range(16)}
    many = "".join(f"include n{i}\n" for i in range(256))
    cases = [
        ("a mistake in an included file", {"a": "\ninclude b\n", "b": "allow out\nalow out\n"},
         "b:2:1: 'alow': expected allow, deny"),
        ("an include without a path", {"a": "include   # nothing\n"},
         "a:1:11: 'end of line': expected the path of a file"),
        ("a file that is not there", {"a": "allow out\n  include  b.rules # x\n"},
         "a:2:12: 'b.rules': expected a file that can be read (No such file or directory)"),
        ("a folder", {"a": "include .\n"},
         "a:1:9: '.': expected a file that can be read (Is a directory)"),
        ("a device", {"a": "include /dev/null\n"},
         "a:1:9: '/dev/null': expected a file that can be read (not a regular file)"),
        ("itself", {"a": "include a\n"},
         "a:1:9: 'a': expected a file outside of this circle: a > a"),
        ("a circle", {"a": "include b\n", "b": "\ninclude ./c\n", "c": "include b\n"},
         "c:1:9: 'b': expected a file outside of this circle: b > c > b"),
        ("too deep", chain, "f15:1:9: 'f16': expected at most 16 files in each other"),
        ("too many", {"a": many, **{f"n{i}": "" for i in range(256)}},
         "a:256:9: 'n255': expected at most 256 files"),
        ("a path of any length", {"a": f"include {'x' * 5000}\n"},
         f"a:1:9: '{'x' * 63}': expected a file that can be read (File name too long)"),
        ("a line of a megabyte", {"a": "allow out " + "80," * 340000 + "80\n"},
         "a:1:3083: '80': expected at most 1024 in a list"),
        ("a word of a megabyte", {"a": "allow out " + "x" * 1000000}, "a:1:11: 'xxxxx"),
        ("bytes that are no text", {"a": b"allow out\nallow \0out\n"},
         "a:2:7: '\\x00': expected text: a policy has no such character"),
        ("an included file that is no text", {"a": "include b", "b": b"\x7fELF\x02\x01"},
         "b:1:1: '\\x7f': expected text"),
        ("a group that an included file leaves open", {"a": "\n\ninclude b\n81}\nallow out x\n",
                                                       "b": "allow out\nlet x = {80,\n"},
         "b:3:1: 'end of line': expected } at the end of the group that begins in line 2"),
        ("a second 'on scan', behind an include", {"a": "include b\non scan log\non scan out log\n",
                                                   "b": "\n\n\n"},
         "a:3:1: 'on': expected no second 'on scan' for out: an earlier line has one"),
        ("an include among a group", {"a": "let x = {80,\ninclude b\n}\n", "b": "81"},
         "a:2:1: 'include': expected a port"),
    ]

    for number, (name, files, said) in enumerate(cases):
        place = os.path.join(folder, f"case{number}")
        first = None
        for file, text in files.items():
            path = write(place, file, text)
            first = first or path
        done = tap.berth("rules", "check", first)
        lines = done.stderr.replace("./", "").splitlines()
        tap.check(name, done.returncode == 2 and len(lines) == 1
                  and lines[0].startswith(f"berth: {place}/{said}"), (done.returncode, lines[:3]))


def check_twenty(folder):
    """Whatever is wrong with a file, and with those in it, twenty mistakes are said."""
    write(folder, "t/inner", "include none\n" * 15)
    cases = [("rules", "alow out\n" * 30), ("includes", "include none\n" * 300),
             ("includes of includes", "include inner\n" + "include none\n" * 15)]
    for name, text in cases:
        done = tap.berth("rules", "check", write(folder, "t/top", text))
        tap.is_equal(f"twenty mistakes are said: {name}",
                     (done.returncode, len(done.stderr.splitlines())), (2, 20))


def check_unreadable(folder):
    top = write(folder, "u/top", "include secret\n")
    secret = write(folder, "u/secret", "allow out\n")
    os.chmod(secret, 0)
    if os.access(secret, os.R_OK):
        tap.skip("a file without permission", "this user may read everything")
        return
    done = tap.berth("rules", "check", top)
    tap.check("a file without permission", done.returncode == 2 and
              f"{top}:1:9: 'secret': expected a file that can be read (Permission denied)"
              in done.stderr, done.stderr)


def check_large(folder):
    top = write(folder, "l/top", "include big\ninclude big2\n")
    for name in ("l/big", "l/big2"):
        with open(write(folder, name, ""), "wb") as file:
            file.write(b"#" * 1023 + b"\n")
            file.truncate(40 * 1024 * 1024)
    done = tap.berth("rules", "check", top)
    tap.check("more than 64 MiB", done.returncode == 2 and
              "top:2:9: 'big2': expected a file that can be read (more than 64 MiB together)"
              in done.stderr, done.stderr)


def main():
    with tap.temp_dir() as folder:
        check_places(folder)
        check_input(folder)
        check_warnings(folder)
        check_export(folder)
        check_mistakes(folder)
        check_twenty(folder)
        check_unreadable(folder)
        check_large(folder)
    tap.done()


main()
