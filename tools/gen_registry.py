#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes registry_table.c from data/iana/services.tsv, at build time.

    tools/gen_registry.py data/iana/services.tsv build/.../registry_table.c

The layout is that of src/registry/table.h. The same input gives the same bytes.
"""

import sys

TRANSPORTS = {"": 0, "tcp": 1, "udp": 2, "sctp": 4, "dccp": 8}  # enum berth_transport
ROWS_MAX = 0xffff        # rows are numbered in 16 bits
REFERENCES_BYTES_MAX = 0x10000  # and so is the place of a reference in the text


class Bad(Exception):
    """The table is not what this program understands."""


class Row:
    def __init__(self, line, where):
        fields = line.split("\t")
        if len(fields) != 5:
            raise Bad(f"{where}: {len(fields)} fields: expected 5")
        ports, transport, self.name, self.description, self.reference = fields
        if transport not in TRANSPORTS:
            raise Bad(f"{where}: transport {transport!r}: expected one of {list(TRANSPORTS)}")
        if not self.name.isascii() or "\0" in line:
            raise Bad(f"{where}: name {self.name!r}: expected ASCII")
        self.transport = TRANSPORTS[transport]
        self.has_port = ports != ""
        first, _, last = ports.partition("-")
        try:
            self.first = int(first or 0)
            self.last = int(last or self.first)
        except ValueError:
            raise Bad(f"{where}: ports {ports!r}: expected a port or a range") from None
        if not 0 <= self.first <= self.last <= 65535:
            raise Bad(f"{where}: ports {ports!r}: expected a port or a range up to 65535")


def read_rows(path):
    rows = []
    with open(path, encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if not line.startswith("#"):
                rows.append(Row(line.rstrip("\n"), f"{path}:{number}"))
    return rows


def check_order(rows):
    """What the searches in src/registry/ rest on."""
    if len(rows) > ROWS_MAX:
        raise Bad(f"{len(rows)} rows: expected {ROWS_MAX} at most")
    keys = [(not row.has_port, row.first, row.last) for row in rows]
    if keys != sorted(keys):
        raise Bad("rows: expected those with a port first, in port order")
    ranges = [row for row in rows if row.first != row.last]
    if any(a.last > b.last for a, b in zip(ranges, ranges[1:])):
        raise Bad("ranges: expected none inside another one")


class Text:
    """All strings end to end, each once, each with its NUL; a string that ends another shares its
    bytes. References come first, so that 16 bits find them."""

    def __init__(self, references, others):
        self.places = {}
        self.strings = []
        self.bytes = 0
        self._add(references)
        if self.bytes > REFERENCES_BYTES_MAX:
            raise Bad(f"references: {self.bytes} bytes: expected {REFERENCES_BYTES_MAX} at most")
        self._add(others)

    def _add(self, strings):
        # Read backwards, a string that ends another comes just before it.
        wanted = sorted({s.encode()[::-1] for s in strings} - set(self.places))
        for index in range(len(wanted) - 1, -1, -1):
            backwards = wanted[index]
            if index + 1 < len(wanted) and wanted[index + 1].startswith(backwards):
                longer = wanted[index + 1]
                self.places[backwards] = self.places[longer] + len(longer) - len(backwards)
                continue
            self.places[backwards] = self.bytes
            self.strings.append(backwards[::-1])
            self.bytes += len(backwards) + 1

    def place(self, string):
        return self.places[string.encode()[::-1]]


def literal(string):
    """Bytes as a C string with its NUL. "?" is escaped: C17 still has trigraphs."""
    out = []
    for byte in string:
        char = chr(byte)
        if char in '"\\?':
            out.append("\\" + char)
        elif 0x20 <= byte < 0x7f:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '\\0"'


def write_numbers(out, kind, name, numbers):
    out.write(f"\nconst {kind} {name}[] = {{\n")
    for at in range(0, len(numbers), 12):
        out.write("    " + ", ".join(str(n) for n in numbers[at:at + 12]) + ",\n")
    out.write("};\n")


def write(out, rows):
    text = Text([row.reference for row in rows],
                [s for row in rows for s in (row.name, row.description)])
    named = sorted((n for n, row in enumerate(rows) if row.name),
                   key=lambda n: (rows[n].name.lower(), n))
    ranges = [n for n, row in enumerate(rows) if row.first != row.last]
    with_port = sum(row.has_port for row in rows)

    out.write("/* Made by tools/gen_registry.py from data/iana/services.tsv. */\n"
              "#include \"registry/table.h\"\n\n"
              "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\n"
              f"const uint32_t registry_row_count = {len(rows)};\n"
              f"const uint32_t registry_port_row_count = {with_port};\n"
              f"const uint32_t registry_named_count = {len(named)};\n"
              f"const uint32_t registry_range_count = {len(ranges)};\n"
              "\nconst struct registry_row registry_rows[] = {\n")
    for row in rows:
        out.write(f"    {{{text.place(row.name)}, {text.place(row.description)}, "
                  f"{text.place(row.reference)}, {row.first}, {row.last}, "
                  f"{row.transport}, {int(row.has_port)}}},\n")
    out.write("};\n")
    write_numbers(out, "uint16_t", "registry_named_rows", named)
    write_numbers(out, "uint16_t", "registry_range_rows", ranges)
    out.write("\nconst char registry_text[] =\n")
    for string in text.strings:
        out.write("    " + literal(string) + "\n")
    out.write("    \"\";\n")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: gen_registry.py services.tsv registry_table.c")
    try:
        rows = read_rows(sys.argv[1])
        check_order(rows)
        with open(sys.argv[2], "w", encoding="ascii", newline="\n") as out:
            write(out, rows)
    except (Bad, OSError, UnicodeDecodeError) as error:
        sys.exit(f"gen_registry.py: {error}")


if __name__ == "__main__":
    main()
