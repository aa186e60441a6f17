#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every script of tests/packetdrill/scripts passes; each of scripts/wrong fails, as it says itself:
its first line is "// fails: WORDS", and WORDS are in what the interpreter says."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import interpret  # noqa: E402
import tap  # noqa: E402

LIBRARY = os.environ["BERTH_PACKETDRILL"]


def run(path):
    return interpret.run_apart(LIBRARY, path)


def scripts(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".pkt"))


def main():
    folder = os.path.join(HERE, "scripts")
    for name in scripts(folder):
        status, said = run(os.path.join(folder, name))
        tap.check(name[:-4], status == 0, said)
    wrong = os.path.join(folder, "wrong")
    for name in scripts(wrong):
        path = os.path.join(wrong, name)
        with open(path, encoding="utf-8") as file:
            words = file.readline().split("fails:")[1].strip()
        status, said = run(path)
        tap.check(f"{name[:-4]} is told from right", status != 0 and words in said, said)
    tap.done()


main()
