#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth rules explain: connections to a host name, and by a process."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

POLICY = """deny out to blocked.registry.example
allow out https to *.registry.example by npm
ask out 22 to git.example
allow out 8443 to 192.0.2.0/24
allow out 8444 to 0.0.0.0/0
drop in 80 by nginx
"""

# (question, exit status, verdict, rule's line, process needed)
QUESTIONS = [
    ("out tcp a.registry.example:443 by npm", 0, "allow", 2, False),
    ("out tcp A.Registry.Example.:443 by npm", 0, "allow", 2, False),
    ("out https/tcp to a.registry.example by npm", 0, "allow", 2, False),
    ("out tcp a.registry.example:443 by curl", 1, "deny", None, False),
    ("out tcp a.registry.example:443", 1, "deny", None, True),
    ("out tcp registry.example:443 by npm", 1, "deny", None, False),
    ("out tcp blocked.registry.example:443 by npm", 1, "deny", 1, False),
    ("out tcp git.example:22", 1, "ask", 3, False),
    ("out tcp git.example:8443", 1, "deny", None, False),
    ("out tcp 192.0.2.9:8443", 0, "allow", 4, False),
    ("out tcp git.example:8444", 0, "allow", 5, False),
    ("out tcp 192.0.2.9:443 by npm", 1, "deny", None, False),
    ("in tcp 192.0.2.9:80 by nginx", 1, "drop", 6, False),
    ("in tcp 192.0.2.9:80", 1, "drop", 6, True),
    ("out icmp to git.example", 1, "deny", None, False),
]

REFUSED = [
    ("out tcp git..example:22", "'git..example'"),
    ("out tcp *.example:22", "one address, host name or host"),
    ("out https to git.example,other.example", "one address, host name or host"),
    ("out tcp git.example", "NAME:PORT"),
    ("out tcp git.example:x", "NAME:PORT"),
    ("out tcp git.example:22 by", "a process name"),
    ("out tcp git.example:22 by a,b", "at most one process"),
    ("out tcp git.example:22 log", "by and a process, or nothing"),
    ("out 22/tcp to git.example limit 1/hour", "no limit"),
    ("out tcp fd00::1:22", "[ADDRESS]:PORT for IPv6"),
]


def explain(path, question):
    done = tap.berth("rules", "explain", "--json", "--policy", path, question)
    return done.returncode, json.loads(done.stdout)[0] if done.stdout else {}


def check_questions(path):
    for question, status, verdict, line, needs_process in QUESTIONS:
        got, answer = explain(path, question)
        rule = answer["rule"]
        tap.is_equal(question, (got, answer["verdict"], rule and rule["line"],
                                answer["needs_process"]),
                     (status, verdict, line, needs_process))
    answer = explain(path, "out tcp a.registry.example:443 by npm")[1]
    tap.is_equal("what was asked", [answer[key] for key in
                                    ("peer", "host_name", "port", "process", "special", "reason")],
                 [None, "a.registry.example", 443, "npm", None, "rule"])
    answer = explain(path, "out tcp a.registry.example:443 by curl")[1]
    tap.is_equal("each rule that was tried, and why it is not it",
                 [(rule["line"], rule["result"]) for rule in answer["tried"]],
                 [(1, "peer"), (2, "process"), (3, "port"), (4, "port"), (5, "port")])
    tap.is_equal("and the reason", answer["reason"], "no_rule")


def check_text(path):
    done = tap.berth("rules", "explain", "--policy", path, "out tcp a.registry.example:443")
    lines = done.stdout.splitlines()
    tap.is_equal("without a process: that one is needed", lines[:3], [
        "out 443/tcp to a.registry.example: denied: no rule matches",
        "a.registry.example: as at an address that was given for it, and that no rule names",
        "a rule goes by the process: say which one asks (by NAME)"])
    tap.is_equal("the words to allow it", lines[-1],
                 "to allow it: --allow 'out 443/tcp to a.registry.example'")
    done = tap.berth("rules", "explain", "--policy", path, "out tcp git.example:22 by \"a b\"")
    tap.is_equal("a process with a blank", done.stdout.splitlines()[0],
                 f"out 22/tcp to git.example by \"a b\": asked about by {path}:3: "
                 "ask out 22/tcp to git.example")


def check_limited():
    done = tap.berth("rules", "explain", "-a", "out 80 limit 3/minute", "out tcp 192.0.2.9:80")
    tap.is_equal("a rule with a limit", done.stdout.splitlines()[:2], [
        "out 80/tcp to 192.0.2.9: allowed by --allow 'out 80 limit 3/minute': "
        "allow out 80/tcp limit 3/minute",
        "as long as no more of them begin than the rule's limit lets through"])
    done = tap.berth("rules", "explain", "--json", "-a", "out 80", "-a", "out 81 limit 3/hour",
                     "out 80,81 to 192.0.2.9")
    tap.is_equal("as JSON", [answer["limited"] for answer in json.loads(done.stdout)],
                 [False, True])


def check_refused(path):
    for question, word in REFUSED:
        done = tap.berth("rules", "explain", "--policy", path, question)
        tap.check(f"refused: {question}", done.returncode == 2 and done.stdout == ""
                  and word in done.stderr, done.stderr)


def main():
    with tap.temp_dir() as folder:
        path = os.path.join(folder, "policy")
        with open(path, "w", encoding="utf-8") as file:
            file.write(POLICY)
        check_questions(path)
        check_text(path)
        check_refused(path)
    check_limited()
    tap.done()


main()
