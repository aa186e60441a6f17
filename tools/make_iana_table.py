#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes data/iana/services.tsv, the table of facts in this repository, from IANA's CSV.

    tools/make_iana_table.py service-names-port-numbers.csv > data/iana/services.tsv

The CSV is https://www.iana.org/assignments/service-names-port-numbers/service-names-port-numbers.csv;
IANA's registries are CC0 1.0 (https://www.iana.org/help/licensing-terms). The table's columns and
order are described in data/iana/README.md. Run it again when IANA's file has changed.

What the reader must survive: line breaks, commas and quotes inside quoted fields; CRLF or LF; rows
without a name (Reserved, Unassigned), without a port, without a transport; several names of a port.
Whatever else turns up is an error that names the record, never a guess.
"""

import csv
import os
import re
import sys

COLUMNS = ["Service Name", "Port Number", "Transport Protocol", "Description", "Assignee",
           "Contact", "Registration Date", "Modification Date", "Reference", "Service Code"]
TRANSPORTS = ["tcp", "udp", "sctp", "dccp", ""]  # in the table's order
NAME = re.compile(r"[!-~]{1,15}\Z")  # old names hold _ . / + * besides RFC 6335's letters, digits, -
PORT = re.compile(r"(0|[1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?\Z")
FAMILIAR = os.path.join(os.path.dirname(__file__), "..", "data", "iana", "familiar.tsv")

# Names that give way to others of the same port, by what IANA's notes say of them; the higher the
# later. An ordinary name with a reference (an RFC, mostly) comes before one without.
RANKS = [("This entry is an alias to", 5),
         ("This is a duplicate of", 4),
         ("This entry records an unassigned but widespread use", 3)]
RANK_PREFERRED, RANK_REFERENCE, RANK_PLAIN = 0, 1, 2


class Bad(Exception):
    """The input is not what this program understands."""


def read_familiar(path):
    """{(port, name): False}, where the value becomes True when the CSV has such a row."""
    familiar = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            if len(fields) != 3 or not fields[0].isdigit() or not all(fields):
                raise Bad(f"{path}:{number}: expected port, name, reason")
            familiar[int(fields[0]), fields[1]] = False
    return familiar


def fold(text):
    """One line: blanks and line breaks in a row become one blank."""
    return " ".join(text.split())


def parse_ports(text, where):
    if text == "":
        return None
    match = PORT.match(text)
    if not match:
        raise Bad(f"{where}: port {text!r}: expected a port or a range")
    first = int(match.group(1))
    last = int(match.group(2) or first)
    if last < first or last > 65535:
        raise Bad(f"{where}: port {text!r}: expected a range up to 65535")
    return first, last


def rank(ports, name, reference, notes, familiar):
    if ports and (ports[0], name) in familiar:
        familiar[ports[0], name] = True
        return RANK_PREFERRED
    for words, value in RANKS:
        if words in notes:
            return value
    return RANK_REFERENCE if reference else RANK_PLAIN


def parse_record(record, number, familiar):
    """One record of the CSV -> (sort key, line of the table)."""
    where = f"record {number}"
    if len(record) < 12:
        raise Bad(f"{where}: {len(record)} fields: expected 12")
    name, ports_text, transport = (record[0], record[1], record[2])
    where += f" ({name or 'no name'} {ports_text})"
    if name and not NAME.match(name):
        raise Bad(f"{where}: name {name!r}: expected up to 15 visible ASCII characters")
    if transport not in TRANSPORTS:
        raise Bad(f"{where}: transport {transport!r}: expected one of {TRANSPORTS}")
    ports = parse_ports(ports_text, where)
    if not ports and not name:
        raise Bad(f"{where}: neither a name nor a port")
    description, reference, notes = fold(record[3]), fold(record[8]), fold(record[11])
    line = "\t".join([ports_text, transport, name, description, reference])
    order = TRANSPORTS.index(transport)
    if ports:
        key = (0, *ports, order, rank(ports, name, reference, notes, familiar), number)
    else:
        key = (1, name.lower(), name, order, 0, number)
    return key, line


def make(path):
    familiar = read_familiar(FAMILIAR)
    with open(path, newline="", encoding="utf-8") as source:
        records = csv.reader(source, strict=True)
        header = next(records)
        if header[:len(COLUMNS)] != COLUMNS:
            raise Bad(f"{path}: not IANA's service-names-port-numbers.csv: columns {header}")
        rows = [parse_record(record, number, familiar)
                for number, record in enumerate(records, 2)]
    stale = [f"{port} {name}" for (port, name), is_seen in familiar.items() if not is_seen]
    if stale:
        raise Bad(f"{FAMILIAR}: not in the registry: {', '.join(stale)}")
    rows.sort(key=lambda row: row[0])
    return [line for _, line in rows]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_iana_table.py service-names-port-numbers.csv > services.tsv")
    try:
        lines = make(sys.argv[1])
    except (Bad, OSError, UnicodeDecodeError, csv.Error) as error:
        sys.exit(f"make_iana_table.py: {error}")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write("# ports\ttransport\tname\tdescription\treference\n")
    for line in lines:
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
