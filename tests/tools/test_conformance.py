# SPDX-License-Identifier: MIT
"""Every MUST and SHOULD of RFC 9293 has a test or a reason, and docs/conformance.md says so."""

import os
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tools"))
sys.dont_write_bytecode = True
import gen_conformance
import tap

text, errors = gen_conformance.make()
tap.check("every MUST and SHOULD has a test or a reason", errors == [], "\n".join(errors))
with open(os.path.join(tap.BERTH_SOURCE, gen_conformance.OUT), encoding="utf-8") as file:
    tap.check("docs/conformance.md is up to date", file.read() == text, "run tools/gen_conformance.py")

requirements = gen_conformance.read_requirements()
tap.is_equal("all 119 requirements of RFC 9293 are there",
             sum(1 for one in requirements if not one.startswith("RFC ")), 119)
tap.is_equal("69 of them MUST", sum(1 for one in requirements if one.startswith("MUST-")), 69)


def errors_of(tests):
    """What is wrong if these are all the tests."""
    some, wrong = gen_conformance.read_requirements(), []
    gen_conformance.connect(some, tests, wrong)
    return some, wrong


some, wrong = errors_of([("tests/packet/test_a.c", "RFC 9293 MUST-13, MAY-2; RFC 6298 2.2: all")])
tap.check("a test may show several", some["MUST-13"].tests == some["MAY-2"].tests and wrong == []
          and some["MUST-13"].tests == some["RFC 6298 2.2"].tests == [("tests/packet/test_a.c", "all")])
some, wrong = errors_of([("tests/packet/test_a.c", "RFC 9293 MUST-70: what is not")])
tap.check("an id that does not exist is found", len(wrong) == 1 and "no MUST-70" in wrong[0], wrong)
some, wrong = errors_of([("tests/packet/test_a.c", "RFC 9293 MUST-1 and MUST-2: badly said")])
tap.check("a name that is no list of ids is found", len(wrong) == 1, wrong)
tap.done()
