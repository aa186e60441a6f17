# SPDX-License-Identifier: MIT
#
# Speed, the core: a data segment in order touches three cache lines of its connection's record at
# most, whichever record it is; what it touches is told by valgrind, as ./dev bench scale
# --instructions reports it.

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "bench"))

import area_scale
import lab
import tap

CONNECTIONS = 8  # bench/scale_lines.c


def test_lines():
    if not shutil.which("valgrind"):
        tap.skip("cache lines of a segment", "valgrind is not installed")
        return
    lab.BUILD = os.environ["BERTH_BUILD"]
    with open(lab.built(area_scale.PROGRAM), "rb") as program:
        if b"__asan_init" in program.read():
            tap.skip("cache lines of a segment", "sanitized programs do not run under valgrind")
            return
    for got in area_scale.lines():
        step = got["step"]
        tap.is_equal(f"{step}: on each connection", len(got["front"]), CONNECTIONS)
        tap.check(f"{step}: three lines of the front at most", 1 <= min(got["front"])
                  and max(got["front"]) <= 3, got)
        if "data segment in order" in step or "next one" in step:
            tap.check(f"{step}: none of the back", max(got["back"]) == 0, got)


test_lines()
tap.done()
