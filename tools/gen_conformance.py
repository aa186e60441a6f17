#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes docs/conformance.md: which test shows which requirement of RFC 9293.

    tools/gen_conformance.py            writes docs/conformance.md
    tools/gen_conformance.py --check    says what is wrong, or that the file is out of date

It reads
  data/rfc9293-requirements.csv   the requirements: the table of RFC 9293 Appendix B, a line each
  data/rfc9293-reasons.csv        id, kind, text. Kinds: `not applicable` and `not yet` stand in
                                  place of a test; a `note` stands beside one
  tests/packet, tests/unit/stack  the names of the tests. One that begins with
                                  `RFC 9293 MUST-1, SHLD-2: ...` shows those two; one that begins
                                  with `RFC 6298 5.3: ...` is listed under that clause
Wrong are: a MUST or SHOULD (MUST-n, SHLD-n, REC-n) with neither test nor reason, one that has a
test and is said to be missing, and an id that does not exist.
"""

import csv
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = "docs/conformance.md"
KINDS = ("not applicable", "not yet", "note")
# {"a test's name" "which may go on", its_function
CASE = re.compile(r'\{\s*((?:"(?:[^"\\]|\\.)*"\s*)+),\s*\w+')
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')
SHOWS = re.compile(r"RFC 9293 ((?:MUST|SHLD|MAY|REC)-\d+(?:, (?:MUST|SHLD|MAY|REC)-\d+)*): (.+)")
CLAUSE = re.compile(r"RFC (\d+) ([\d.]+)(?:[^:]*): (.+)")


class Requirement:
    def __init__(self, row):
        self.id = row["id"]
        self.level = row["level"]
        self.sections = row["section"].split(";")
        self.texts = [self.text_of(row)]
        self.tests = []   # (file, name)
        self.reason = None  # (kind, text)

    @staticmethod
    def text_of(row):
        text = row["feature"]
        return re.sub(r"\s*\[table column disagrees with id prefix\]", "", text).replace("(sub) ", "")

    def is_needed(self):
        return not self.id.startswith("MAY-")


def read_csv(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_requirements():
    """By id, in the order of the table; its several lines on one id together."""
    requirements = {}
    for row in read_csv("data/rfc9293-requirements.csv"):
        known = requirements.get(row["id"])
        if known is None:
            requirements[row["id"]] = Requirement(row)
        else:
            known.texts.append(Requirement.text_of(row))
            known.sections += [s for s in row["section"].split(";") if s not in known.sections]
    return requirements


def read_tests():
    """(file, name) of every test, in order."""
    tests = []
    for folder in ("tests/packet", "tests/unit/stack"):
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "test_*.c"))):
            with open(path, encoding="utf-8") as file:
                source = file.read()
            for match in CASE.finditer(source):
                name = "".join(PIECE.findall(match.group(1)))
                tests.append((os.path.relpath(path, ROOT), name))
    return tests


def connect(requirements, tests, errors):
    """Gives the requirements their tests; returns the others by clause: [(rfc, clause, file, text)]."""
    clauses = []
    for path, name in tests:
        shows = SHOWS.fullmatch(name)
        clause = CLAUSE.fullmatch(name)
        if shows:
            for one in shows.group(1).split(", "):
                if one in requirements:
                    requirements[one].tests.append((path, shows.group(2)))
                else:
                    errors.append(f"{path}: {name!r}: RFC 9293 has no {one}")
        elif clause:
            clauses.append((int(clause.group(1)), clause.group(2), path, clause.group(3)))
        elif re.match(r"RFC 9293 [A-Z]", name):
            errors.append(f"{path}: {name!r}: expected `RFC 9293 MUST-1, MUST-2: text`")
    return clauses


def read_reasons(requirements, errors):
    for row in read_csv("data/rfc9293-reasons.csv"):
        where = f"data/rfc9293-reasons.csv: {row['id']}"
        requirement = requirements.get(row["id"])
        if requirement is None:
            errors.append(f"{where}: RFC 9293 has no such requirement")
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
    lines = ["| | in all | shown by a test | not applicable | not yet |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for word, prefix in (("MUST, MUST NOT", "MUST-"), ("SHOULD, SHOULD NOT", ("SHLD-", "REC-")),
                         ("MAY", "MAY-")):
        some = [r for r in requirements.values() if r.id.startswith(prefix)]
        kinds = [r.reason[0] if r.reason else "" for r in some if not r.tests]
        lines.append(f"| {word} | {len(some)} | {sum(1 for r in some if r.tests)} | "
                     f"{kinds.count('not applicable')} | {kinds.count('not yet')} |")
    return lines


def document(requirements, clauses):
    lines = ["# TCP: requirement, test", "",
             "Made by `tools/gen_conformance.py` from the names of the tests; not edited by hand. Each test is a",
             "conversation with one stack, segment by segment in virtual time (`tests/packet/talk.h`).", "",
             "## RFC 9293", ""]
    lines += summary(requirements)
    lines += ["", "| id | level | section | requirement | tests, or why there is none |",
              "| --- | --- | --- | --- | --- |"]
    for r in requirements.values():
        lines.append(f"| {r.id} | {r.level} | {', '.join(r.sections)} | {'; '.join(r.texts)} | {shown_by(r)} |")
    lines += ["", "## Tests by clause", "", "What is not about one numbered requirement.", "",
              "| RFC | clause | test |", "| --- | --- | --- |"]
    def order(entry):
        rfc, clause, path, text = entry
        return (rfc != 9293, rfc, [int(n) for n in clause.split(".") if n], path, text)
    for rfc, clause, path, text in sorted(clauses, key=order):
        lines.append(f"| {rfc} | {clause.rstrip('.')} | {text} ({os.path.basename(path)[:-2]}) |".replace("\\|", "|"))
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
