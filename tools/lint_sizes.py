#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks sizes: a file at most 600 lines, a line at most 100 columns; a function at most 60 lines (its braces included),
5 parameters, and a nesting of 3 (function body 0, a block in it 1, ...).

The scanner knows just enough C: comments, literals and preprocessor lines are blanked; at file
scope a `{` that follows a `)` opens a function; inside, a `{` that does not follow `=`, `,`, `(`,
`{`, `return` or the `)` of a compound literal opens a block.
"""

import os
import re
import subprocess
import sys

FILE_LINES_MAX = 600
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 5
NESTING_MAX = 3

# (file, function or "" for the file): reason. An exception is a line here, never a silent one.
EXCEPTIONS = {
    ("src/stack/tcp_calls.c", "berth_tcp_reserve"):
        "stack, connection and amount, and an array, its size and its count: as readv's users know it",
    ("tests/packetdrill/calls.c", "call_recvfrom"): "packetdrill's table says so: libc's, and userdata",
    ("tests/packetdrill/calls.c", "call_sendto"): "packetdrill's table says so: libc's, and userdata",
    ("tests/packetdrill/calls.c", "call_getsockopt"): "packetdrill's table says so: libc's, and userdata",
    ("tests/packetdrill/calls.c", "call_setsockopt"): "packetdrill's table says so: libc's, and userdata",
    ("tests/packetdrill/calls.c", "call_splice"): "packetdrill's table says so: libc's, and userdata",
}

BLANK = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.DOTALL | re.MULTILINE)
BLOCK_WORDS = re.compile(r"\b(if|for|while|switch|else|do)\b")
NAME_BEFORE_PARAMETERS = re.compile(r"(\w+)\s*$")


def blanked(text):
    """The text without comments, literals and preprocessor lines; newlines stay in place."""
    def keep_newlines(match):
        piece = match.group(0)
        filler = "\n" * piece.count("\n")
        return ('""' + filler) if piece[0] in "\"'" else (" " + filler)
    return BLANK.sub(keep_newlines, text)


def matching_paren(text, close):
    """Index of the parenthesis that the one at `close` closes, or -1."""
    depth = 0
    for i in range(close, -1, -1):
        if text[i] == ")":
            depth += 1
        elif text[i] == "(":
            depth -= 1
            if depth == 0:
                return i
    return -1


def parameters_of(text):
    if text.strip() in ("", "void"):
        return 0
    depth, count = 0, 1
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        count += character == "," and depth == 0
    return count


def is_block(text, brace):
    """Whether the brace inside a function opens a block, rather than an initialiser or a type."""
    before = text[:brace].rstrip()
    if before.endswith((";", "}", ":")) or re.search(r"\b(else|do)$", before):
        return True
    if not before.endswith(")"):
        return False
    paren = matching_paren(before, len(before) - 1)
    # A word or a container-loop macro before the parenthesis: a statement; else a cast.
    return paren > 0 and bool(NAME_BEFORE_PARAMETERS.search(before[:paren]))


class Scanner:
    def __init__(self, path, text):
        self.path = path
        self.text = blanked(text)
        self.problems = []

    def problem(self, name, index, what):
        if (self.path, name) not in EXCEPTIONS:
            line = self.text.count("\n", 0, index) + 1
            self.problems.append(f"{self.path}:{line}: {name}: {what}")

    def body(self, name, start):
        """Walks a function's body from its `{`; returns the index after its `}`."""
        stack, nesting, deepest, i = [], -1, 0, start
        while i < len(self.text):
            if self.text[i] == "{":
                block = not stack or is_block(self.text, i)
                stack.append(block)
                nesting += block
                deepest = max(deepest, nesting)
            elif self.text[i] == "}":
                nesting -= stack.pop()
                if not stack:
                    break
            i += 1
        lines = self.text.count("\n", start, i) + 1
        if lines > FUNCTION_LINES_MAX:
            self.problem(name, start, f"{lines} lines, at most {FUNCTION_LINES_MAX}")
        if deepest > NESTING_MAX:
            self.problem(name, start, f"nesting {deepest}, at most {NESTING_MAX}")
        return i + 1

    def skip_braces(self, start):
        depth, i = 0, start
        while i < len(self.text):
            depth += (self.text[i] == "{") - (self.text[i] == "}")
            i += 1
            if depth == 0:
                break
        return i

    def scan(self):
        i = 0
        while True:
            i = self.text.find("{", i)
            if i < 0:
                return
            before = self.text[:i].rstrip()
            paren = matching_paren(before, len(before) - 1) if before.endswith(")") else -1
            word = NAME_BEFORE_PARAMETERS.search(before[:paren]) if paren > 0 else None
            if word and word.group(1) not in ("__attribute__",):
                count = parameters_of(before[paren + 1:-1])
                if count > PARAMETERS_MAX:
                    self.problem(word.group(1), i,
                                 f"{count} parameters, at most {PARAMETERS_MAX}")
                i = self.body(word.group(1), i)
            elif re.search(r'extern\s*""$', before):
                i += 1
            else:
                i = self.skip_braces(i)


def check_file(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    scanner = Scanner(path, text)
    lines = text.count("\n")
    if lines > FILE_LINES_MAX and (path, "") not in EXCEPTIONS:
        scanner.problems.append(f"{path}: {lines} lines, at most {FILE_LINES_MAX}")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > COLUMNS_MAX:
            scanner.problems.append(f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
    scanner.scan()
    return scanner.problems


def main():
    files = sys.argv[1:] or subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
        check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    problems = [p for path in files if os.path.exists(path) for p in check_file(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
