# SPDX-License-Identifier: MIT
"""TAP for test programs written in Python (standard library only).

    import os, sys
    sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
    import tap

    tap.is_equal("its status", run.returncode, 0)
    tap.check("every row is there", missing == [], f"missing: {missing}")
    tap.skip("name", "reason")
    with tap.temp_dir() as path: ...
    tap.done()          # prints the plan and exits: status 1 if a case failed

An uncaught exception ends the program with a status that the runner counts as a failure.
"""

import os
import subprocess
import sys
import tempfile

BERTH = os.environ["BERTH"]
BERTH_SOURCE = os.environ["BERTH_SOURCE"]

_count = 0
_failed = 0


def _line(text):
    print(text, flush=True)


def diag(text):
    for line in str(text).splitlines():
        _line("# " + line)


def check(name, passed, why=""):
    """One case; `why` is printed when it failed. Returns whether it passed."""
    global _count, _failed
    _count += 1
    _line(f"{'ok' if passed else 'not ok'} {_count} - {name}")
    if not passed:
        _failed += 1
        diag(why)
    return bool(passed)


def is_equal(name, got, expected):
    return check(name, got == expected, f"got:      {got!r}\nexpected: {expected!r}")


def skip(name, reason):
    global _count
    _count += 1
    _line(f"ok {_count} - {name} # SKIP {reason}")


def berth(*args, timeout_s=30, **options):
    """Runs the berth command with no input; returns a CompletedProcess with text output."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([BERTH, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout_s, **options)


def temp_dir():
    return tempfile.TemporaryDirectory(prefix="berth-test.")


def done():
    _line(f"1..{_count}")
    sys.exit(0 if _failed == 0 and _count > 0 else 1)
