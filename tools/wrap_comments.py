#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Brings lines of comments within 100 columns: tools/wrap_comments.py FILE...

Only a line that is too wide is touched: the words that stick out go to the front of the next line
of the same paragraph, or to a new one. clang-format's own reflow would refill tables too, so it is
off. Lines with code, and lines of tables (two spaces between words), are left to people.
"""

import re
import sys

COLUMNS_MAX = 100
# A line within a comment, or a whole line that begins one: what stands before its words.
LINE = re.compile(r"^(\s*(?:/\*|\*(?!/)|//)? *)(\S.*)$")
NEW_PARAGRAPH = re.compile(r"^([-*]|\d+\.|[A-Z_]+:)\s")


def split(line):
    """(prefix, words) of a line of prose in a comment; None for anything else."""
    match = LINE.match(line)
    if not match:
        return None
    prefix, words = match.groups()
    if re.search(r"\S {2,}\S", words.removesuffix("*/")):
        return None
    return prefix, words


def overflow(prefix, words):
    """Splits the words where the line is full."""
    room = COLUMNS_MAX - len(prefix)
    cut = words.rfind(" ", 0, room + 1)
    if words[cut + 1:] == "*/":  # never alone on a line
        cut = words.rfind(" ", 0, cut)
    return (words[:cut].rstrip(), words[cut + 1:]) if cut > 0 else (words, "")


def wrap(lines):
    wrapped, inside = [], False
    i = 0
    while i < len(lines):
        line = lines[i]
        begins = line.lstrip().startswith("/*")
        is_comment = inside or begins
        ends = "*/" in line
        inside = is_comment and not ends
        parts = split(line) if is_comment and len(line) > COLUMNS_MAX else None
        if parts is None or (ends and not line.rstrip().endswith("*/")):
            wrapped.append(line)
            i += 1
            continue
        prefix, words = parts
        kept, rest = overflow(prefix, words)
        wrapped.append(prefix + kept)
        if rest:
            following = prefix.replace("/*", " *") if "*" in prefix else prefix
            after = split(lines[i + 1]) if inside and i + 1 < len(lines) else None
            joins = (after and after[0].lstrip() == following.lstrip() and after[1] != "*/"
                     and len(after[0]) == len(following) and not NEW_PARAGRAPH.match(after[1]))
            if joins:
                lines[i + 1] = following + rest + " " + after[1]
            else:
                lines.insert(i + 1, following + rest)
            inside = True
        i += 1
    return wrapped


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        result = "\n".join(wrap(text.split("\n")))
        if result != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
