#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth rules: groups of ports and of addresses (let), as scripts and people meet them."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

GROUPS = """let web = {http, https, 8080}
let office = {
    192.0.2.0/24,      # the first floor
    2001:db8:1::/48
}
allow in web,ssh from office
deny in web log
"""

WRONG = """let web = {http, 8080
deny in web
"""


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def check_groups(folder):
    path = write(folder, "groups", GROUPS)
    done = tap.berth("rules", "check", path)
    tap.is_equal("a file with groups", (done.returncode, done.stdout, done.stderr),
                 (0, f"{path}: 2 rules\n", ""))
    done = tap.berth("rules", "explain", "--policy", path, "in tcp 192.0.2.7:8080")
    tap.is_equal("a rule is shown with its group's contents", done.stdout.splitlines()[0],
                 f"in 8080/tcp from 192.0.2.7: allowed by {path}:6: "
                 "allow in 8080/tcp,http,https,ssh from 192.0.2.0/24,2001:db8:1::/48")
    done = tap.berth("rules", "explain", "--policy", path, "in tcp 198.51.100.7:8080")
    tap.is_equal("and so is the next one", (done.returncode, done.stdout.splitlines()[0]),
                 (1, f"in 8080/tcp from 198.51.100.7: denied by {path}:7: "
                  "deny in 8080/tcp,http,https log"))


def check_scope(folder):
    one = write(folder, "one", "let port = {8001}\nallow out port\n")
    other = write(folder, "other", "let port = {8002}\nallow out port\n")
    done = tap.berth("rules", "explain", "--policy", one, "--policy", other,
                     "out tcp 192.0.2.7:8002")
    tap.is_equal("groups of two files do not meet", (done.returncode, done.stdout.splitlines()[0]),
                 (0, f"out 8002/tcp to 192.0.2.7: allowed by {other}:2: allow out 8002/tcp"))
    third = write(folder, "third", "allow out port\n")
    done = tap.berth("rules", "explain", "--policy", one, "--policy", third,
                     "out tcp 192.0.2.7:8002")
    tap.is_equal("a group is unknown in another file",
                 (done.returncode, f"{third}:1:11: 'port': expected" in done.stderr), (2, True))
    done = tap.berth("rules", "explain", "--policy", one, "-a", "out port",
                     "out tcp 192.0.2.7:8002")
    tap.is_equal("and on the command line",
                 (done.returncode, "-a 'out port'" in done.stderr), (2, True))


def check_wrong(folder):
    path = write(folder, "wrong", WRONG)
    done = tap.berth("rules", "check", path)
    tap.is_equal("a brace that is not closed", (done.returncode, done.stderr.splitlines()[0]),
                 (2, f"berth: {path}:2:1: 'deny': expected a comma, or }} at the group's end"))
    tap.is_equal("is the one mistake that is told", len(done.stderr.splitlines()), 1)
    for name, text, line in [("at the end of the file", "allow out 80\nlet x = {\n  80,\n# x\n", 5),
                             ("without a last line end", "let x = {\n  80", 3)]:
        path = write(folder, "open", text)
        told = json.loads(tap.berth("rules", "check", "--json", path).stdout)[0]["mistakes"]
        tap.is_equal(f"a brace that is open {name}", [
            (one["line"], one["column"], one["word"]) for one in told], [(line, 1, "end of line")])


def main():
    with tap.temp_dir() as folder:
        check_groups(folder)
        check_scope(folder)
        check_wrong(folder)
    tap.done()


main()
