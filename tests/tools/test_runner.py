# SPDX-License-Identifier: MIT
"""tools/run_tests.py counts what programs print, and takes silence and death for failure."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap

RUNNER = os.path.join(tap.BERTH_SOURCE, "tools", "run_tests.py")


def run(script, timeout_s=10, arguments=(), prefix=()):
    """Runs one test, a shell script, under the runner, with a meson that knows only it."""
    test = {"name": "the/test", "cmd": ["sh", "-c", script], "env": {}, "is_parallel": True,
            "timeout": timeout_s, "suite": ["berth:unit"], "workdir": None}
    with tap.temp_dir() as path:
        meson = os.path.join(path, "meson")
        with open(meson, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\ncat <<'END'\n" + json.dumps([test]) + "\nEND\n")
        os.chmod(meson, 0o755)
        result = subprocess.run([*prefix, "/usr/bin/python3", RUNNER, path, *arguments], timeout=30,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "PATH": path + ":" + os.environ["PATH"]})
    lines = result.stdout.splitlines()
    return lines[-1] if lines else "", result.returncode, result.stdout


def expect(name, script, last_line, status, says="", **options):
    got, got_status, text = run(script, **options)
    tap.check(name, got == last_line and got_status == status and says in text,
              f"expected {last_line!r}, status {status}, {says!r}\ngot status {got_status}:\n{text}")


expect("cases are counted", "echo 1..2; echo ok 1 - a; echo ok 2 - b", "2 passed, 0 failed", 0)
expect("a failed case is named, its output shown",
       "echo ok 1 - a; echo not ok 2 - bad one; echo '# why'; exit 1",
       "1 passed, 1 failed", 1, says="# why\n==== the/test: FAILED: bad one")
expect("a failed case counts also when the status is 0", "echo not ok 1 - a",
       "0 passed, 1 failed", 1)
expect("a skip is named with its reason", "echo ok 1 - a; echo 'ok 2 - b # SKIP no tun here'",
       "1 passed, 0 failed, 1 skipped", 0, says="the/test: b: no tun here")
expect("so is one of cmocka's, which prints it as not ok",
       "echo ok 1 - a; echo no captures here; echo 'not ok 2 # SKIP b'",
       "1 passed, 0 failed, 1 skipped", 0, says="the/test: b: no captures here")
expect("a program that dies has failed", "echo ok 1 - a; kill -SEGV $$",
       "1 passed, 1 failed", 1, says="SIGSEGV")
expect("a program that prints no case has failed", "true", "0 passed, 1 failed", 1,
       says="no test case")
expect("a program that ends with a status has failed", "echo ok 1 - a; exit 3",
       "1 passed, 1 failed", 1, says="exit status 3")
expect("a program that stops short of its plan has failed", "echo 1..2; echo ok 1 - a",
       "1 passed, 1 failed", 1, says="planned 2")
expect("a program that overstays is killed, its children too",
       "echo ok 1 - a; sleep 60 & sleep 60", "1 passed, 1 failed", 1, says="timeout",
       timeout_s=0.5)
expect("a runner in the background, where Ctrl-C is ignored, starts tests with it",
       "kill -INT $$; echo ok 1 - a", "0 passed, 1 failed", 1, says="SIGINT",
       prefix=["env", "--ignore-signal=INT,QUIT,HUP"])
expect("a pattern that matches no test is a failure", "echo ok 1 - a", "0 passed, 1 failed", 1,
       arguments=["elsewhere"])
expect("a sanitizer's report is a failure, and printed",
       'echo ok 1 - a; echo "two threads" > "${PATH%%:*}/race.1"', "1 passed, 1 failed", 1,
       says="two threads\n==== reports: FAILED: a report in", arguments=["--reports", "race"])
expect("unless there is none", "echo ok 1 - a", "1 passed, 0 failed", 0,
       arguments=["--reports", "race"])
tap.done()
