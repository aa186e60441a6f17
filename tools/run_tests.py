#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the tests of a build folder and counts their TAP cases.

    tools/run_tests.py BUILD [--suite NAME]... [--timeout-scale N] [--reports PREFIX] [PATTERN]...

The tests are those that meson knows. They run side by side, one per processor, but for those
declared is_parallel: false, which run one at a time after the others. A PATTERN is a part of a
test's name. What counts as a failure besides `not ok`: a program that dies or ends with a
status though no case failed, that prints no case, that prints fewer cases than it planned, or
that runs past its timeout (its whole process group is killed). Each file BUILD/PREFIX* that they
have left, a sanitizer's report, is one as well.

Failures are printed in full, skips with their reasons, and last exactly one line:
N passed, N failed[, N skipped]. Exit status: 0 if nothing failed, 1 if something did, 2 usage.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

CASE = re.compile(r"^(not ok|ok)\b(?:\s+(\d+))?(?:\s*-)?\s*(.*)$")
SKIP = re.compile(r"^(.*?)\s*#\s*skip\S*\s*(.*)$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$", re.IGNORECASE)
GRACE_S = 5


class Result:
    """What one test program did."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failures = []  # names of the failed cases, or what was wrong with the program
        self.skips = []  # (case, reason)
        self.output = ""
        self.duration_s = 0.0


def read_tap(result):
    """Counts the cases in the output; returns the planned number, or None.

    cmocka writes a skipped case as `not ok N # SKIP NAME`, with no reason: that is what the test
    said last before it.
    """
    planned = None
    said = ""
    for line in result.output.splitlines():
        plan = PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0 and plan.group(2) is not None:
                result.skips.append((result.name, plan.group(2) or "no reason given"))
            continue
        if line.startswith("Bail out!"):
            result.failures.append(line)
            continue
        case = CASE.match(line)
        if not case:
            said = line.lstrip("# ") or said
            continue
        skip = SKIP.match(case.group(3))
        if skip and case.group(1) == "not ok":
            result.skips.append((skip.group(2), said or "no reason given"))
        elif skip:
            result.skips.append((skip.group(1) or result.name, skip.group(2) or "no reason given"))
        elif case.group(1) == "not ok":
            result.failures.append(case.group(3))
        else:
            result.passed += 1
        said = ""
    return planned


def judge(result, status, timed_out, timeout_s):
    """Turns output and exit status into counts."""
    planned = read_tap(result)
    seen = result.passed + len(result.failures) + len(result.skips)
    if timed_out:
        result.failures.append(f"ran past its timeout of {timeout_s:g} s and was killed")
    elif status < 0:
        result.failures.append(f"died of {signal.Signals(-status).name}")
    elif seen == 0:
        result.failures.append(f"printed no test case (exit status {status})")
    elif status != 0 and not result.failures:
        result.failures.append(f"exit status {status} though no case failed")
    elif planned is not None and planned > seen:
        result.failures.append(f"planned {planned} cases, printed {seen}")


def kill_group(pid, signal_number):
    try:
        os.killpg(pid, signal_number)
    except (ProcessLookupError, PermissionError):
        pass


def wait_or_kill(process, timeout_s):
    """Waits; on timeout asks the process group to end (so that it cleans up), then kills it."""
    timed_out = False
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        timed_out = True
        kill_group(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
    kill_group(process.pid, signal.SIGKILL)
    return process.wait(), timed_out


# A shell starts what runs in the background with these ignored; tests of Ctrl-C need them.
PLAIN_SIGNALS = ["env", "--default-signal=HUP,INT,QUIT"]


def run_one(test, timeout_scale):
    result = Result(test["name"])
    timeout_s = test["timeout"] * timeout_scale
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                PLAIN_SIGNALS + test["cmd"], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, cwd=test["workdir"] or None, env={**os.environ, **test["env"]},
                start_new_session=True)
        except OSError as error:
            result.failures.append(f"cannot be started: {error}")
            return result
        status, timed_out = wait_or_kill(process, timeout_s)
        output.seek(0)
        result.output = output.read().decode("utf-8", "replace")
    result.duration_s = time.monotonic() - begin
    judge(result, status, timed_out, timeout_s)
    return result


def report(result):
    word = "FAIL" if result.failures else "skip" if not result.passed else "ok"
    counts = f"{result.passed} passed"
    if result.failures:
        counts += f", {len(result.failures)} failed"
    if result.skips:
        counts += f", {len(result.skips)} skipped"
    print(f"{word:4} {result.name}: {counts} ({result.duration_s:.1f} s)", flush=True)


def run_all(tests, jobs, timeout_scale):
    results = []
    parallel = [t for t in tests if t["is_parallel"]]
    serial = [t for t in tests if not t["is_parallel"]]
    # Long ones first, so that the last to end is not the last to begin.
    parallel.sort(key=lambda t: -t["timeout"])
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(run_one, t, timeout_scale) for t in parallel]
        for future in concurrent.futures.as_completed(futures):
            results.append(future.result())
            report(results[-1])
    for test in serial:
        results.append(run_one(test, timeout_scale))
        report(results[-1])
    return results


def find_reports(build, prefix):
    return sorted(glob.glob(os.path.join(glob.escape(build), prefix + "*"))) if prefix else []


def read_reports(paths):
    """What sanitizers have left, as the result of a test."""
    result = Result("reports")
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            result.output += file.read()
        result.failures.append(f"a report in {path}")
    return result


def find_tests(build, suites, patterns):
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", build], check=True,
                                      stdout=subprocess.PIPE).stdout)
    if suites:
        tests = [t for t in tests if any(s.split(":")[-1] in suites for s in t["suite"])]
    if patterns:
        tests = [t for t in tests if any(p in t["name"] for p in patterns)]
    return tests


def summarise(results):
    for result in sorted((r for r in results if r.failures), key=lambda r: r.name):
        print(f"\n==== {result.name}: output ====\n{result.output.rstrip()}")
        for failure in result.failures:
            print(f"==== {result.name}: FAILED: {failure}")
    skips = [(r.name, case, reason) for r in results for case, reason in r.skips]
    if skips:
        print("\nskipped:")
        for name, case, reason in sorted(skips):
            print(f"  {name}: {case}: {reason}")
    passed = sum(r.passed for r in results)
    failed = sum(len(r.failures) for r in results)
    line = f"{passed} passed, {failed} failed"
    if skips:
        line += f", {len(skips)} skipped"
    print(line, flush=True)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description="runs the tests of a build folder")
    parser.add_argument("build")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout-scale", type=float, default=1)
    parser.add_argument("--reports", metavar="PREFIX")
    args = parser.parse_args()
    tests = find_tests(args.build, args.suite, args.patterns)
    if not tests:
        print("no test matches", " ".join(args.patterns + args.suite), file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    for path in find_reports(args.build, args.reports):
        os.unlink(path)
    results = run_all(tests, args.jobs, args.timeout_scale)
    results.append(read_reports(find_reports(args.build, args.reports)))
    return summarise(results)


if __name__ == "__main__":
    sys.exit(main())
