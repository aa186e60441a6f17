#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the table of every setting in include/berth/config.h, for so_flags.

    make_settings.py CONFIG_H OUT

A row a member, in the order of the header: SETTING(path) for a number or a switch, TEXT(path) for a
text. So a setting that is added to the header can be set without a word here.
"""

import re
import sys

STRUCT = re.compile(r"struct (berth_\w+) \{(.*?)\n\};", re.DOTALL)
MEMBER = re.compile(r"^(?:struct |enum )?(\w+)\s+(\w+)(?:\[(\w+)\])?;$")
NESTED = {"berth_limits": "limits.", "berth_tcp_settings": "tcp."}


def members(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    for statement in text.split(";"):
        match = MEMBER.match(" ".join(statement.split()) + ";")
        if match:
            yield match.groups()


def main():
    source = open(sys.argv[1], encoding="utf-8").read()
    structs = dict(STRUCT.findall(source))
    rows = []
    for name, prefix in {"berth_config": "", **NESTED}.items():
        for kind, member, count in members(structs[name]):
            if kind in NESTED or count == "BERTH_SEED_BYTES":
                continue
            rows.append(f"{'TEXT' if count else 'SETTING'}({prefix}{member}),")
    if len(rows) < 50:
        sys.exit("config.h does not look as expected")
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write("\n".join(rows) + "\n")


main()
