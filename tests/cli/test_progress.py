#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What takes long shows how far it is, on a terminal, and nowhere else. Only that it does is looked
at, not when: what is asked for takes far longer than it is waited for."""

import os
import pty
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

WAIT_S = 60


def watch(args, word):
    """What ARGS write to a terminal on standard error until WORD is in it."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([tap.BERTH, *args], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    text, end = "", time.monotonic() + WAIT_S
    while word not in text and select.select([ours], [], [], max(0, end - time.monotonic()))[0]:
        try:
            text += os.read(ours, 4096).decode()
        except OSError:  # it is over
            break
    child.kill()
    child.wait()
    os.close(ours)
    return text


def main():
    with tap.temp_dir() as folder:
        path = os.path.join(folder, "ranges.rules")
        with open(path, "w", encoding="ascii") as file:
            for i in range(4000):
                file.write(f"{('allow', 'deny')[i % 2]} out {i + 1}-{60000 - 7 * i} "
                           f"to 10.{i // 250}.{i % 250}.0/24\n")
        for name, args, word in [
                ("a long run", ["sim", "--flows", "256", "--time", "3600s"], " s of virtual time"),
                ("a flood", ["sim", "--scenario", "flood", "--time", "3600s"],
                 " s of virtual time"),
                ("many runs", ["sim", "--runs", "1000000"], " of 1000000 runs"),
                ("an export", ["rules", "export", "--to", "kubernetes", path], " of 65535")]:
            text = watch(args, word)
            tap.check(f"{name} shows how far it is", word in text, text)
            tap.check(f"{name}: on one line", "\n" not in text, text)
    done = tap.berth("sim", "--runs", "40", "--bytes", "1000")
    tap.is_equal("without a terminal nothing is shown", (done.returncode, done.stderr), (0, ""))
    tap.done()


main()
