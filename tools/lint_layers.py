#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks the ranks of the folders (ARCHITECTURE.md) by their include lines.

A folder includes itself and folders of lower rank, never one of the same rank or above. An
include in quotes names its folder ("tcp/conn.h"), so that this check can be so simple. A unit
test includes its own folder and lower ranks only. Above rank 4 runs the I/O line: folders of the
core include no header of the system but those listed here.
"""

import os
import re
import subprocess
import sys

RANKS = {
    "base": 0,
    "wire": 1, "registry": 1,
    "ports": 2, "cc": 2,
    "firewall": 3, "ip": 3, "udp": 3, "tcp": 3,
    "stack": 4,
    "link": 5,
    "run": 6, "inspect": 6, "sim": 6,
    "cli": 7,
}
CORE_RANK_MAX = 4

# What the core may include in angle brackets, besides <berth/...>.
CORE_SYSTEM_HEADERS = {
    "errno.h": False, "limits.h": True, "stdalign.h": True, "stdarg.h": True, "stdbool.h": True,
    "stddef.h": True, "stdint.h": True, "stdio.h": True, "stdlib.h": True, "string.h": True,
    "inttypes.h": True, "sodium.h": True, "immintrin.h": True, "emmintrin.h": True,
    "smmintrin.h": True, "arm_neon.h": True, "ctype.h": False,
}

# (file, included path): reason. An exception is a line here, never a silent one.
EXCEPTIONS = {}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\s+(["<])([^">]+)[">]', re.MULTILINE)


def folder_of(path):
    """The ranked folder that a file belongs to, and whether it is a unit test of it."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1], False
    if parts[:2] == ["tests", "unit"] and len(parts) > 3:
        return parts[2], True
    if parts[0] in RANKS and len(parts) > 1:
        return parts[0], False
    return None, False


def check_quoted(path, folder, is_test, included):
    """What is wrong with #include "included" in path, or None."""
    target = included.split("/")[0]
    if "/" not in included:
        return None if is_test else "an include in quotes names its folder"
    if target in ("tests", "examples", "bench"):
        return None if is_test else f"{target}/ is not for the program"
    if target not in RANKS:
        return f"no such folder: {target}/"
    where = f"src/{included}" if RANKS[target] <= CORE_RANK_MAX else included
    if not os.path.exists(where) and not included.endswith(".inc") and "generated" not in included:
        return f"no such file: {where}"
    if target != folder and RANKS[target] >= RANKS[folder]:
        return (f"{folder}/ has rank {RANKS[folder]} and may not include {target}/, "
                f"of rank {RANKS[target]}")
    return None


def check_file(path):
    folder, is_test = folder_of(path)
    if folder is None:
        return []
    if folder not in RANKS:
        return [f"{path}: folder {folder}/ has no rank"]
    problems = []
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for match in INCLUDE.finditer(text):
        quoted, included = match.group(1) == '"', match.group(2)
        line = text.count("\n", 0, match.start()) + 1
        problem = None
        if quoted:
            problem = check_quoted(path, folder, is_test, included)
        elif RANKS[folder] <= CORE_RANK_MAX and not is_test and not included.startswith("berth/"):
            if not CORE_SYSTEM_HEADERS.get(included, False):
                problem = f"<{included}> is not for the core"
        if problem and (path, included) not in EXCEPTIONS:
            problems.append(f"{path}:{line}: {problem}")
    return problems


def main():
    files = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
        check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    problems = [p for path in files if os.path.exists(path) for p in check_file(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
