#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes docs/conformance.md: which test shows which requirement of TCP's standards.

    tools/gen_conformance.py            writes docs/conformance.md
    tools/gen_conformance.py --check    says what is wrong, or that the file is out of date

It reads
  data/rfc9293-requirements.csv   the requirements: the table of RFC 9293 Appendix B, a line each
  data/tcp-requirements.csv       those of the RFCs around it, by clause, in our words
  data/tcp-reasons.csv            id, kind, text. Kinds: `not applicable`, `not yet` and `otherwise`
                                  (done in another way, on purpose) stand in place of a test; a
                                  `note` stands beside one. The id of a clause is `RFC 6298 2.4`
  tests/packet, tests/unit/stack, tests/unit/cc, tests/unit/ip
                                  the names of the tests. One that begins with
                                  `RFC 9293 MUST-1, SHLD-2; RFC 6298 5.3: ...` shows those three;
                                  a clause that is in no table is listed by itself
Wrong are: a requirement with neither test nor reason (a MAY needs none), one that has a test and is
said to be missing, and an id that does not exist.
"""

import csv
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = "docs/conformance.md"
KINDS = ("not applicable", "not yet", "otherwise", "note")
# {"a test's name" "which may go on", its_function
CASE = re.compile(r'\{\s*((?:"(?:[^"\\]|\\.)*"\s*)+),\s*\w+')
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')
NAME = re.compile(r"(RFC \d[^:]*): (.+)")
PART = re.compile(r"RFC (\d+) (\S+(?:, \S+)*)")
ID = re.compile(r"(?:MUST|SHLD|MAY|REC)-\d+")
CLAUSE = re.compile(r"\d+(?:\.\d+)*")


class Requirement:
    def __init__(self, one, level, section, text):
        self.id = one
        self.level = level
        self.sections = section.split(";")
        self.texts = [self.text_of(text)]
        self.tests = []   # (file, name)
        self.reason = None  # (kind, text)

    @staticmethod
    def text_of(text):
        text = re.sub(r"\s*\[table column disagrees with id prefix\]", "", text)
        return text.replace("(sub) ", "")

    def add(self, section, text):
        self.texts.append(self.text_of(text))
        self.sections += [s for s in section.split(";") if s not in self.sections]

    def is_needed(self):
        return not self.id.startswith("MAY-") and self.level != "MAY"


def read_csv(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_requirements():
    """By id, in the order of the tables; several lines on one id together."""
    requirements = {}
    for row in read_csv("data/rfc9293-requirements.csv"):
        known = requirements.get(row["id"])
        if known is None:
            requirements[row["id"]] = Requirement(row["id"], row["level"], row["section"], row["feature"])
        else:
            known.add(row["section"], row["feature"])
    for row in read_csv("data/tcp-requirements.csv"):
        one = f"RFC {row['rfc']} {row['clause']}"
        requirements[one] = Requirement(one, row["level"], row["clause"], row["text"])
    return requirements


def read_tests():
    """(file, name) of every test, in order."""
    tests = []
    for folder in ("tests/packet", "tests/unit/stack", "tests/unit/cc", "tests/unit/ip"):
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "test_*.c"))):
            with open(path, encoding="utf-8") as file:
                source = file.read()
            for match in CASE.finditer(source):
                name = "".join(PIECE.findall(match.group(1)))
                tests.append((os.path.relpath(path, ROOT), name))
    return tests


def ids_of(prefix):
    """The ids that a name's prefix gives; None where it is out of shape."""
    ids = []
    for piece in prefix.split("; "):
        part = PART.fullmatch(piece)
        if not part:
            return None
        for one in part.group(2).split(", "):
            if ID.fullmatch(one) and part.group(1) == "9293":
                ids.append(one)
            elif CLAUSE.fullmatch(one):
                ids.append(f"RFC {part.group(1)} {one}")
            else:
                return None
    return ids


def connect(requirements, tests, errors):
    """Gives the requirements their tests; returns the others by clause: [(id, file, text)]."""
    clauses = []
    for path, name in tests:
        match = NAME.fullmatch(name)
        ids = ids_of(match.group(1)) if match else []
        if ids is None:
            errors.append(f"{path}: {name!r}: expected `RFC 9293 MUST-1, MUST-2; RFC 6298 5.3: text`")
            continue
        for one in ids:
            if one in requirements:
                requirements[one].tests.append((path, match.group(2)))
            elif one.startswith("RFC "):
                clauses.append((one, path, match.group(2)))
            else:
                errors.append(f"{path}: {name!r}: RFC 9293 has no {one}")
    return clauses


def read_reasons(requirements, errors):
    for row in read_csv("data/tcp-reasons.csv"):
        where = f"data/tcp-reasons.csv: {row['id']}"
        requirement = requirements.get(row["id"])
        if requirement is None:
            errors.append(f"{where}: there is no such requirement")
        elif row["kind"] not in KINDS:
            errors.append(f"{where}: kind {row['kind']!r}: expected one of {KINDS}")
        elif requirement.reason is not None:
            errors.append(f"{where}: said twice")
        else:
            requirement.reason = (row["kind"], row["text"])
            if requirement.tests and row["kind"] == "not yet":
                errors.append(f"{where}: 'not yet', but {requirement.tests[0][1]!r} shows it")
            if not requirement.tests and row["kind"] == "note":
                errors.append(f"{where}: a note is no reason to have no test")


def shown_by(requirement):
    lines = [f"{text} ({os.path.basename(path)[:-2]})" for path, text in requirement.tests]
    if requirement.reason is not None:
        kind, text = requirement.reason
        lines.append(f"*{kind}:* {text}" if kind != "note" else f"*{text}*")
    return "<br>".join(lines).replace("|", "\\|")


def summary(requirements):
    lines = ["| | in all | shown by a test | not applicable | otherwise | not yet |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for word, prefix in (("RFC 9293, MUST and MUST NOT", "MUST-"),
                         ("RFC 9293, SHOULD and SHOULD NOT", ("SHLD-", "REC-")),
                         ("RFC 9293, MAY", "MAY-"), ("the RFCs around it, clauses", "RFC ")):
        some = [r for r in requirements.values() if r.id.startswith(prefix)]
        kinds = [r.reason[0] if r.reason else "" for r in some if not r.tests]
        lines.append(f"| {word} | {len(some)} | {sum(1 for r in some if r.tests)} | "
                     f"{kinds.count('not applicable')} | {kinds.count('otherwise')} | {kinds.count('not yet')} |")
    return lines


def number_of(one):
    """What to sort a clause by."""
    _, rfc, clause = one.split(" ")
    return rfc != "9293", int(rfc), [int(n) for n in clause.split(".")]


def document(requirements, clauses):
    lines = ["# TCP: requirement, test", "",
             "Made by `tools/gen_conformance.py` from the names of the tests; not edited by hand. Nearly every test is",
             "a conversation with one stack, segment by segment in virtual time (`tests/packet/talk.h`), in the file of",
             "`tests/packet/` in brackets; `test_cubic`, `test_hystart` and so on are in `tests/unit/cc/`, few in",
             "`tests/unit/stack/` and `tests/unit/ip/`.", ""]
    lines += summary(requirements)
    lines += ["", "## RFC 9293", "", "| id | level | section | requirement | tests, or why there is none |",
              "| --- | --- | --- | --- | --- |"]
    for r in requirements.values():
        if not r.id.startswith("RFC "):
            lines.append(f"| {r.id} | {r.level} | {', '.join(r.sections)} | {'; '.join(r.texts)} | {shown_by(r)} |")
    lines += ["", "## The RFCs around it", "", "| clause | level | requirement | tests, or why there is none |",
              "| --- | --- | --- | --- |"]
    for r in sorted((r for r in requirements.values() if r.id.startswith("RFC ")), key=lambda r: number_of(r.id)):
        lines.append(f"| {r.id} | {r.level} | {'; '.join(r.texts)} | {shown_by(r)} |")
    lines += ["", "## More tests, by clause", "", "| clause | test |", "| --- | --- |"]
    for one, path, text in sorted(clauses, key=lambda c: (number_of(c[0]), c[1], c[2])):
        lines.append(f"| {one} | {text} ({os.path.basename(path)[:-2]}) |")
    return "\n".join(lines) + "\n"


def make():
    """The document and what is wrong."""
    errors = []
    requirements = read_requirements()
    clauses = connect(requirements, read_tests(), errors)
    read_reasons(requirements, errors)
    for r in requirements.values():
        if r.is_needed() and not r.tests and r.reason is None:
            errors.append(f"{r.id} ({'; '.join(r.texts)}): neither a test nor a reason")
    return document(requirements, clauses), errors


def main():
    text, errors = make()
    path = os.path.join(ROOT, OUT)
    if sys.argv[1:] == ["--check"]:
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                errors.append(f"{OUT} is out of date: run tools/gen_conformance.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
