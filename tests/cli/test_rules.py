#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth rules check and explain, as scripts and people meet them."""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

GOOD = """# what the build may do
allow out https to 203.0.113.0/24, host
allow out 8443
deny  out system log

allow in 8080 from 192.0.2.0/24
"""

WRONG = """alow out
allow out htps
allow in 80 limit 20/day
allow out https to *registry.example
allow out 443 to 203.0.113.7/24

   allow out 80 to"""

# (the file's line, column, the bad word, a piece of what was expected)
MISTAKES = [
    (1, 1, "alow", "did you mean allow?"),
    (2, 11, "htps", "did you mean https?"),
    (3, 19, "20/day", "20/second, 20/minute or 20/hour"),
    (4, 20, "*registry.example", "* for whole labels in front of a name"),
    (5, 18, "203.0.113.7/24", "203.0.113.0/24"),
    (7, 19, "end of line", "an address, a prefix, a host name, host or any"),
]

# (policy options, question, exit status, verdicts of the first line of each answer)
QUESTIONS = [
    ([], "out tcp 203.0.113.7:443", 1, ["denied: there are no rules"]),
    (["-a", "out https"], "out tcp 203.0.113.7:443", 0,
     ["allowed by --allow 'out https': allow out https"]),
    (["-a", "out https"], "out https to 203.0.113.7", 0, ["allowed by", "allowed by"]),
    (["-a", "out https/tcp"], "out https to 203.0.113.7", 1,
     ["allowed by", "denied: no rule matches"]),
    (["-a", "out https"], "in tcp 203.0.113.7:443", 1, ["denied: no rule matches"]),
    (["-a", "in 8080"], "in tcp 203.0.113.7:8080", 0, ["allowed by"]),
    (["-a", "in 8080"], "in 8080 from 203.0.113.7", 0, ["allowed by"]),
    (["-a", "out"], "out tcp [2001:db8::7]:80", 0, ["allowed by"]),
    (["-a", "out"], "out icmp 203.0.113.7", 0, ["allowed by"]),
    (["-a", "out"], "out icmp to host", 1, ["denied: no rule matches"]),
    (["-a", "out to host"], "out tcp host:8000", 0, ["allowed by"]),
    (["-a", "out to host"], "out udp 10.0.2.3:53", 0, ["allowed by"]),
    (["-a", "out"], "out tcp 10.0.2.2:8000", 1, ["denied: no rule matches"]),
    (["-a", "out to 10.0.0.0/8"], "out tcp 10.0.2.2:8000", 1, ["denied: no rule matches"]),
    (["-a", "out to 10.0.2.2"], "out tcp 10.0.2.2:8000", 0, ["allowed by"]),
    (["-a", "out"], "out tcp 127.0.0.1:80", 1, ["denied: no rule matches"]),
    (["-a", "out"], "out tcp 169.254.169.254:80", 1, ["denied: no rule matches"]),
    (["-a", "out to 169.254.0.0/16"], "out tcp 169.254.169.254:80", 0, ["allowed by"]),
    (["-a", "out", "--host", "203.0.113.7"], "out tcp 203.0.113.7:80", 1,
     ["denied: no rule matches"]),
    (["-a", "out to host", "--host", "203.0.113.7"], "out tcp 203.0.113.7:80", 0, ["allowed by"]),
    (["-d", "out 80", "-a", "out"], "out tcp 203.0.113.7:80", 1,
     ["denied by --deny 'out 80': deny out 80/tcp"]),
    (["-a", "out", "-d", "out 80"], "out tcp 203.0.113.7:80", 0, ["allowed by"]),
]

# (arguments, words that the one line has)
REFUSED = [
    ([], ["check, explain, export or reload"]),
    (["chek"], ["'chek'", "did you mean check?"]),
    (["frobnicate"], ["'frobnicate'", "check, explain, export or reload"]),
    (["check"], ["a file after it"]),
    (["check", "-a", "out", "FILE"], ["no option but --json"]),
    (["check", "/no/such/file"], ["/no/such/file", "No such file"]),
    (["check", "/"], ["/: cannot be read"]),
    (["check", ""], ["'': cannot be read"]),
    (["explain"], ["a connection after it"]),
    (["explain", "out", "tcp", "203.0.113.7:80"], ["'tcp'", "one connection, in quotes"]),
    (["explain", ""], ["''"]),
    (["explain", "out tcp 203.0.113.7"], ["'203.0.113.7'", "ADDRESS:PORT"]),
    (["explain", "out tcp 203.0.113.7:0"], ["'203.0.113.7:0'", "ADDRESS:PORT"]),
    (["explain", "out icmp 203.0.113.7:80"], ["'203.0.113.7:80'", "an address alone"]),
    (["explain", "oot tcp 203.0.113.7:80"], ["'oot'", "in or out"]),
    (["explain", "out tcp 203.0.113.7:80 log"], ["'log'", "or nothing, after"]),
    (["explain", "out https"], ["expected 'to' (in: 'from') and one address"]),
    (["explain", "out https to 203.0.113.0/24"], ["one address"]),
    (["explain", "out https to any"], ["one address"]),
    (["explain", "out https to 203.0.113.7 log"], ["no log"]),
    (["explain", "out 80-90 to 203.0.113.7"], ["single ports"]),
    (["explain", "out to 203.0.113.7"], ["single ports"]),
    (["explain", "out htps to 203.0.113.7"], ["'htps'", "did you mean https?"]),
    (["explain", "-a", "out htps", "out tcp 203.0.113.7:80"],
     ["-a 'out htps'", "bad word 'htps'", "did you mean https?"]),
    (["explain", "--allow", "out 80 to", "out tcp 203.0.113.7:80"],
     ["--allow 'out 80 to'", "at its end"]),
    (["explain", "-a", "allow out 80", "out tcp 203.0.113.7:80"],
     ["'allow'", "the action is said already"]),
    (["explain", "-a", "out 80\nallow out", "out tcp 203.0.113.7:80"], ["without a line break"]),
    (["explain", "--host", "host", "out tcp 203.0.113.7:80"], ["--host 'host'", "an address"]),
    (["reload", "x"], ["'x'", "the number of a process"]),
    (["reload", "0"], ["'0'", "the number of a process"]),
    (["reload", "1", "2"], ["'2'", "one process"]),
    (["reload", "--host", "192.0.2.1"], ["no option but --json"]),
    (["reload", "1"], ["process 1 is no berth run with a file of rules"]),
    (["explain", "--policy", "/no/such/file", "out tcp 203.0.113.7:80"], ["/no/such/file"]),
]


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def check_good(folder):
    path = write(folder, "good", GOOD)
    done = tap.berth("rules", "check", path)
    tap.is_equal("a good file", (done.returncode, done.stdout, done.stderr),
                 (0, f"{path}: 4 rules\n", ""))
    done = tap.berth("rules", "check", "--json", path)
    tap.is_equal("a good file as JSON", json.loads(done.stdout),
                 [{"file": path, "ok": True, "rules": 4, "mistakes": [], "warnings": []}])
    one = write(folder, "one", "allow out https")
    tap.is_equal("one rule", tap.berth("rules", "check", one).stdout, f"{one}: 1 rule\n")
    none = write(folder, "none", "# nothing\n")
    tap.is_equal("no rule", tap.berth("rules", "check", none).stdout, f"{none}: 0 rules\n")
    both = tap.berth("rules", "check", one, none)
    tap.is_equal("two files", (both.returncode, both.stdout),
                 (0, f"{one}: 1 rule\n{none}: 0 rules\n"))


def check_wrong(folder):
    path = write(folder, "wrong", WRONG)
    done = tap.berth("rules", "check", path)
    tap.is_equal("a wrong file: status and output", (done.returncode, done.stdout), (2, ""))
    lines = done.stderr.splitlines()
    tap.is_equal("every mistake is said", len(lines), len(MISTAKES))
    for said, (line, column, word, expected) in zip(lines, MISTAKES):
        tap.check(f"the mistake in line {line}",
                  said.startswith(f"berth: {path}:{line}:{column}: '{word}': expected ")
                  and expected in said, said)
    told = json.loads(tap.berth("rules", "check", "--json", path).stdout)[0]
    tap.is_equal("mistakes as JSON",
                 [(m["line"], m["column"], m["word"]) for m in told["mistakes"]],
                 [mistake[:3] for mistake in MISTAKES])
    tap.is_equal("a wrong file is not ok", (told["ok"], told["rules"]), (False, 0))
    many = write(folder, "many", "wrong\n" * 1000)
    done = tap.berth("rules", "check", many)
    tap.is_equal("mistakes are not said for ever", len(done.stderr.splitlines()), 20)
    done = tap.berth("rules", "explain", "--policy", path, "out tcp 203.0.113.7:80")
    tap.is_equal("explain with a wrong file", (done.returncode, done.stdout), (2, ""))


def check_warnings(folder):
    path = write(folder, "warnings", "deny out system\nallow out https to 203.0.113.0/24\n"
                 "allow out 22 to host\nallow out 80 to 203.0.113.7\n")
    done = tap.berth("rules", "check", path)
    lines = done.stderr.splitlines()
    tap.is_equal("warnings do not change the status", (done.returncode, done.stdout),
                 (0, f"{path}: 4 rules\n"))
    tap.is_equal("three warnings", len(lines), 3)
    tap.check("a rule that never decides",
              lines[0].startswith(f"berth: {path}:2: warning: ") and "never decides" in lines[0]
              and "line 1" in lines[0], lines[0])
    tap.check("a denial that is slipped past",
              lines[1].startswith(f"berth: {path}:3: warning: ") and "not stopped" in lines[1],
              lines[1])
    tap.check("an address may be the host's own", "unless" in lines[2], lines[2])
    told = json.loads(tap.berth("rules", "check", "--json", path).stdout)[0]["warnings"]
    tap.is_equal("warnings as JSON",
                 [(w["kind"], w["line"], w["other_line"], w["rule"]) for w in told],
                 [("never_decides", 2, 1, "allow out https to 203.0.113.0/24"),
                  ("not_stopped", 3, 1, "allow out 22/tcp to host"),
                  ("never_decides", 4, 1, "allow out 80/tcp to 203.0.113.7")])


def check_questions():
    for options, question, status, verdicts in QUESTIONS:
        name = f"{' '.join(options)} explain '{question}'"
        done = tap.berth("rules", "explain", *options, question)
        tap.is_equal(f"{name}: status", (done.returncode, done.stderr), (status, ""))
        firsts = [block.splitlines()[0].partition(": ")[2]
                  for block in done.stdout.split("\n\n") if block]
        tap.check(f"{name}: verdict", len(firsts) == len(verdicts) and all(
            first.startswith(verdict) for first, verdict in zip(firsts, verdicts)), done.stdout)


def check_words_to_allow():
    """What explain says would allow a connection allows it."""
    for question in ["out tcp 203.0.113.7:443", "in udp 203.0.113.7:53", "out icmp 203.0.113.7",
                     "out tcp host:8000", "out udp 169.254.169.254:53", "in tcp [::1]:80"]:
        done = tap.berth("rules", "explain", question)
        words = done.stdout.splitlines()[-1].partition("--allow '")[2].rstrip("'")
        tap.is_equal(f"--allow '{words}' allows {question}",
                     tap.berth("rules", "explain", "--allow", words, question).returncode, 0)


def check_tried(folder):
    path = write(folder, "tried", "allow in 80\nallow out 80/udp\nallow out 81\n"
                 "allow out 80 to 198.51.100.0/24\ndeny out 80 log\nallow out\n")
    done = tap.berth("rules", "explain", "--json", "--policy", path, "out tcp 203.0.113.7:80")
    answer = json.loads(done.stdout)[0]
    tap.is_equal("the deciding rule", answer["rule"],
                 {"origin": f"{path}:5", "file": path, "line": 5, "text": "deny out 80/tcp log"})
    tap.is_equal("the verdict", (answer["verdict"], answer["log"], done.returncode),
                 ("deny", True, 1))
    tap.is_equal("the question", [answer[key] for key in ("direction", "protocol", "peer", "port",
                                                          "special")],
                 ["out", "tcp", "203.0.113.7", 80, None])
    tap.is_equal("rules of the direction up to the deciding one were tried",
                 [(rule["line"], rule["result"]) for rule in answer["tried"]],
                 [(2, "protocol"), (3, "port"), (4, "peer"), (5, "match")])
    done = tap.berth("rules", "explain", "--json", "-a", "in", "--policy", path,
                     "out tcp 127.9.9.9:80")
    answer = json.loads(done.stdout)[0]
    tap.is_equal("a special peer", (answer["special"], answer["rule"]), ("loopback", None))
    tap.is_equal("files come before the command line, and a rule that names nobody says so",
                 [(rule["line"], rule["result"]) for rule in answer["tried"]],
                 [(2, "protocol"), (3, "port"), (4, "peer"), (5, "unnamed"), (6, "unnamed")])
    long = write(folder, "long", "".join(f"allow out {port}\n" for port in range(1, 1001)))
    done = tap.berth("rules", "explain", "--policy", long, "out tcp 203.0.113.7:900")
    tap.check("a long list is cut, the deciding rule never",
              "and 799 more" in done.stdout and "allow out 900/tcp  matches" in done.stdout,
              done.stdout[-500:])


def check_input():
    done = subprocess.run([tap.BERTH, "rules", "check", "-"], input="allow out https\nwrong\n",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
                          check=False)
    tap.check("a policy from standard input",
              done.returncode == 2 and "standard input:2:1: 'wrong'" in done.stderr, done.stderr)
    done = tap.berth("rules", "explain", "--policy", "/dev/null", "out tcp 203.0.113.7:80")
    tap.check("an empty policy denies", done.returncode == 1 and "there are no rules" in done.stdout,
              done.stdout)


def check_refusals():
    for arguments, words in REFUSED:
        done = tap.berth("rules", *arguments)
        lines = done.stderr.splitlines()
        tap.check(f"refused: rules {' '.join(arguments)!r}",
                  done.returncode == 2 and done.stdout == "" and len(lines) == 1
                  and lines[0].startswith("berth: ") and all(word in lines[0] for word in words),
                  f"{done.returncode} {done.stdout} {done.stderr}")


def check_terminal(folder):
    """Nothing that could drive a terminal gets through, whoever named the file or the process."""
    path = os.path.join(folder, "a\033[31mb\u009b2J.rules")
    with open(path, "w", encoding="utf-8") as file:
        file.write('allow out 22 by "x\u009b1my"\ndeny out log by "\u202ey"\n')
    shown = path.replace("\033", "\\x1b").replace("\u009b", "\\xc2\\x9b")
    done = tap.berth("rules", "check", path)
    tap.is_equal("check: a file's name", (done.returncode, done.stdout), (0, f"{shown}: 2 rules\n"))
    done = tap.berth("rules", "explain", "--policy", path, "out tcp 192.0.2.7:22 by x\u009b1my")
    tap.is_equal("explain: file and process", (done.returncode, done.stdout.splitlines()[0]),
                 (0, f"out 22/tcp to 192.0.2.7 by x\\xc2\\x9b1my: allowed by {shown}:1: "
                  "allow out 22/tcp by x\\xc2\\x9b1my"))
    told = tap.berth("rules", "explain", "--policy", path, "out tcp 192.0.2.7:22 by z\u009b")
    ruleset = tap.berth("rules", "export", "--to", "nftables", path)
    for name, text in (("explain", done.stdout + told.stdout), ("export", ruleset.stdout)):
        tap.check(f"{name}: nothing else", not re.search("[\033\u009b\u202e]", text), text)
    for bad in ("\ufeffallow out 80", "allow out 80\u00a0to host"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(bad + "\n")
        told = tap.berth("rules", "check", path).stderr.split(": ")[-2]
        tap.check(f"{bad.encode()}: what is wrong can be seen",
                  told.isascii() and re.search(r"\\xef\\xbb\\xbf|\\xc2\\xa0", told), told)


def main():
    with tap.temp_dir() as folder:
        check_terminal(folder)
        check_good(folder)
        check_wrong(folder)
        check_warnings(folder)
        check_tried(folder)
    check_questions()
    check_words_to_allow()
    check_input()
    check_refusals()
    tap.done()


main()
