#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth ports against IANA's CSV, read here with Python's csv and by no code of berth's.

IANA's file is not in the repository; where a folder shared/iana stands beside the source (or
beside a folder above it) it is compared with, row by row. The table in data/iana always is.
"""

import collections
import csv
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

TABLE = os.path.join(tap.BERTH_SOURCE, "data", "iana", "services.tsv")
MAKE = os.path.join(tap.BERTH_SOURCE, "tools", "make_iana_table.py")
GENERATE = os.path.join(tap.BERTH_SOURCE, "tools", "gen_registry.py")
FIELDS = ["port", "port_last", "protocol", "name", "category", "description", "reference"]

Row = collections.namedtuple("Row", FIELDS)


def find_iana(name):
    folder = tap.BERTH_SOURCE
    for _ in range(3):
        folder = os.path.dirname(folder)
        path = os.path.join(folder, "shared", "iana", name)
        if os.path.exists(path):
            return path
    return None


def category(port):
    if port is None:
        return None
    return "system" if port < 1024 else "user" if port < 49152 else "ephemeral"


def make_row(ports, transport, name, description, reference):
    first, last = None, None
    if ports:
        first, _, last = ports.partition("-")
        first, last = int(first), int(last or first)
    return Row(first, last, transport or None, name or None, category(first),
               " ".join(description.split()) or None, " ".join(reference.split()) or None)


def read_iana(path):
    with open(path, newline="", encoding="utf-8") as source:
        return [make_row(r["Port Number"], r["Transport Protocol"], r["Service Name"],
                         r["Description"], r["Reference"]) for r in csv.DictReader(source)]


def read_table():
    with open(TABLE, encoding="utf-8") as lines:
        return [make_row(*line.rstrip("\n").split("\t")) for line in lines
                if not line.startswith("#")]


def run(*args):
    return tap.berth("ports", *args, encoding="utf-8")


def ask(*args):
    """The rows that berth prints as JSON."""
    done = run("--json", *args)
    objects = json.loads(done.stdout)
    assert all(list(o) == FIELDS for o in objects), "a field is missing or has another name"
    return [Row(**o) for o in objects]


def is_same(name, got, expected):
    """Lists of rows in their order; what differs is shown, not thousands of rows."""
    for i, (a, b) in enumerate(zip(got, expected)):
        if a != b:
            return tap.check(name, False, f"answer {i}: {a}\nexpected: {b}")
    return tap.is_equal(name, len(got), len(expected))


def is_same_set(name, got, expected):
    got, expected = collections.Counter(got), collections.Counter(expected)
    return tap.check(name, got == expected,
                     f"too many: {list((got - expected).elements())[:5]}\n"
                     f"missing: {list((expected - got).elements())[:5]}")


def covers(row, first, last):
    return row.port is not None and row.port <= last and row.port_last >= first


def has_word(row, word):
    return word in (row.name or "").lower() or word in (row.description or "").lower()


def check_rows(title, rows):
    """Everything that can be asked, against ROWS, in whatever order these are."""
    is_same_set(f"{title}: the whole registry", ask(), rows)
    is_same_set(f"{title}: 443", ask("443"), [r for r in rows if covers(r, 443, 443)])
    is_same_set(f"{title}: postgresql", ask("postgresql"),
                [r for r in rows if r.name == "postgresql"])
    is_same_set(f"{title}: 8000-8010", ask("8000-8010"),
                [r for r in rows if covers(r, 8000, 8010)])
    is_same_set(f"{title}: system --proto tcp", ask("system", "--proto", "tcp"),
                [r for r in rows if covers(r, 0, 1023) and r.protocol == "tcp"])
    is_same_set(f"{title}: user --proto none", ask("user", "--proto", "none"),
                [r for r in rows if covers(r, 1024, 49151) and r.protocol is None])
    is_same_set(f"{title}: --search kerberos", ask("--search", "kerberos"),
                [r for r in rows if has_word(r, "kerberos")])
    is_same_set(f"{title}: user --search ORACLE --proto udp",
                ask("user", "--search", "ORACLE", "--proto", "udp"),
                [r for r in rows if covers(r, 1024, 49151) and r.protocol == "udp"
                 and has_word(r, "oracle")])


def check_every_lookup(rows):
    """Every port and every name, asked for one by one, in few processes. ROWS are in the order
    of the table, which is the order of the answers."""
    by_port = {}
    by_name = {}
    for row in rows:
        if row.port is not None:
            for port in range(row.port, row.port_last + 1):
                by_port.setdefault(port, []).append(row)
        if row.name is not None:
            by_name.setdefault(row.name.lower(), []).append(row)
    tap.is_equal("the rows cover every port below 49152 and none above",
                 sorted(by_port), list(range(49152)))
    ports = [p for p in sorted(by_port) if p % 16 == 0 or any(r.name for r in by_port[p])]
    is_same("every port with a name, and some without, by itself",
            [row for at in range(0, len(ports), 2000) for row in ask(*ports[at:at + 2000])],
            [row for port in ports for row in by_port[port]])
    names = sorted(by_name)
    is_same("every name by itself, in capitals",
            [row for at in range(0, len(names), 2000)
             for row in ask(*(name.upper() for name in names[at:at + 2000]))],
            [row for name in names for row in by_name[name]])


def check_first_names():
    for port, name in [("80/tcp", "http"), ("465/tcp", "submissions"), ("2049/udp", "nfs"),
                       ("53/udp", "domain"), ("631/tcp", "ipp"), ("63/tcp", "whoispp"),
                       ("512/udp", "biff"), ("3478/udp", "stun"), ("888/tcp", "accessbuilder")]:
        tap.is_equal(f"{port} is {name} before all", ask(port)[0].name, name)


def check_table_for_people():
    shown = run("443", "postgresql", "6000-6063")
    lines = [line.split(None, 4) for line in shown.stdout.splitlines()]
    tap.is_equal("the columns", shown.stdout.splitlines()[0].split(),
                 ["PORT", "PROTO", "NAME", "CATEGORY", "DESCRIPTION", "REFERENCE"])
    tap.is_equal("what people see of 443, postgresql and 6000-6063",
                 [tuple(line[:4]) for line in lines[1:]],
                 [("443", "tcp", "https", "system"), ("443", "udp", "https", "system"),
                  ("443", "sctp", "https", "system"), ("5432", "tcp", "postgresql", "user"),
                  ("5432", "udp", "postgresql", "user"), ("6000-6063", "tcp", "x11", "user"),
                  ("6000-6063", "udp", "x11", "user")])
    tap.check("columns stand under their titles",
              len({line.index("tcp") for line in shown.stdout.splitlines() if " tcp " in line} |
                  {shown.stdout.index("PROTO")}) == 1, shown.stdout)
    unassigned = run("4").stdout
    tap.check("an unassigned port says so", "Unassigned" in unassigned and "system" in unassigned,
              unassigned)
    tap.check("a reserved port says so", "Reserved" in run("1023").stdout)


def check_statuses():
    for args, status, words in [
            (["443"], 0, []),
            (["443", "postgresql"], 0, []),
            (["49152"], 1, ["49152", "ephemeral", "not registered"]),
            (["ephemeral"], 1, ["ephemeral", "not registered"]),
            (["443", "60000-60001"], 1, ["60000-60001", "not registered"]),
            (["80/dccp"], 1, ["80/dccp", "not registered"]),
            (["no-such-service"], 1, ["no-such-service", "--search"]),
            (["--search", "qqqqqqq"], 1, ["qqqqqqq"]),
            (["70000"], 2, ["'70000'", "65535"]),
            (["443", "90-80"], 2, ["'90-80'"]),
            (["80-"], 2, ["'80-'"]),
            (["80-70000"], 2, ["'80-70000'"]),
            (["1-2-3"], 2, ["'1-2-3'"]),
            (["99999999999999999999999"], 2, ["'99999999999999999999999'"]),
            (["tab\there"], 2, ["tab\\x09here"]),
            (["much-too-long-for-a-name"], 2, ["much-too-long-for-a-name"]),
            (["x" * 5000], 2, ["x" * 100]),
            (["\xe9t\xe9"], 2, ["\xe9t\xe9"]),
            ([""], 2, ["''", "expected"]),
            (["80/"], 2, ["'80/'"]),
            (["80/icmp"], 2, ["'80/icmp'", "tcp, udp, sctp or dccp"]),
            (["8000-8010/tpc"], 2, ["'8000-8010/tpc'", "tcp, udp, sctp or dccp"]),
            (["system/icmp"], 2, ["'system/icmp'", "tcp, udp, sctp or dccp"]),
            (["https/quic"], 2, ["'https/quic'", "tcp, udp, sctp or dccp"]),
            (["cl/1"], 0, []),
            (["cl/1/tcp"], 0, []),
            (["no/such"], 1, ["no/such", "--search"]),
            (["80,443"], 2, ["'80,443'"]),
            (["80/tcp", "--proto", "udp"], 2, ["80/tcp", "--proto"]),
            (["--proto", "icmp"], 2, ["'icmp'", "tcp, udp, sctp, dccp or none"]),
            (["--proto"], 2, ["--proto", "expected a value"]),
            (["--search", ""], 2, ["--search", "expected"]),
            (["--json=yes"], 2, ["--json", "'yes'"]),
            (["--jsom"], 2, ["--jsom", "--json"]),
            (["-z"], 2, ["'-z'"])]:
        done = run(*args)
        name = " ".join(args)[:40].encode("ascii", "replace").decode().replace("\t", " ")
        tap.is_equal(f"status of '{name}'", done.returncode, status)
        lines = done.stderr.splitlines()
        if status == 0:
            tap.is_equal(f"'{name}' is silent on standard error", lines, [])
            continue
        tap.check(f"'{name}' is answered in one line that names it",
                  len(lines) == 1 and lines[0].startswith("berth: ")
                  and all(word in lines[0] for word in words), done.stderr)
        if status == 2:
            tap.is_equal(f"'{name}' prints nothing else", done.stdout, "")
    tap.is_equal("--json without an answer is an empty document",
                 json.loads(run("--json", "49152").stdout), [])


def tool(*args, **options):
    return subprocess.run([sys.executable, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, check=False, **options)


def check_generator(folder):
    """The same input gives the same bytes; what is not understood is refused by its line."""
    made = []
    for seed in ("1", "2"):
        path = os.path.join(folder, f"table{seed}.c")
        tool(GENERATE, TABLE, path, env={**os.environ, "PYTHONHASHSEED": seed})
        with open(path, "rb") as file:
            made.append(file.read())
    tap.check("gen_registry.py is deterministic", made[0] == made[1] and len(made[0]) > 500000)
    for name, text, word in [("a transport that is none", "80\ticmp\thttp\t\t\n", b"icmp"),
                             ("a port too high", "65536\ttcp\tx\t\t\n", b"65536"),
                             ("a range the wrong way round", "9-8\ttcp\tx\t\t\n", b"9-8"),
                             ("a missing field", "80\ttcp\thttp\t\n", b":2"),
                             ("rows out of order", "80\ttcp\ta\t\t\n79\ttcp\tb\t\t\n", b"order"),
                             ("a range in a range", "1-9\ttcp\ta\t\t\n2-3\ttcp\tb\t\t\n",
                              b"inside")]:
        path = os.path.join(folder, "bad.tsv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# ports\n" + text)
        done = tool(GENERATE, path, os.path.join(folder, "bad.c"))
        tap.check(f"gen_registry.py refuses {name}", done.returncode == 1 and word in done.stderr,
                  done.stderr)


def check_iana(folder):
    path = find_iana("service-names-port-numbers.csv")
    if path is None:
        tap.skip("IANA's CSV, row by row", "no shared/iana beside the source")
        return
    rows = read_iana(path)
    tap.check("IANA's CSV is whole", len(rows) > 14000, f"{len(rows)} rows")
    check_rows("IANA's CSV", rows)
    made = tool(MAKE, path)
    with open(TABLE, "rb") as file:
        tap.check("make_iana_table.py makes data/iana/services.tsv of it, byte for byte",
                  made.returncode == 0 and made.stdout == file.read(), made.stderr)
    check_crlf(made.stdout)
    check_reader(path, folder)


def check_crlf(newest):
    """IANA's own line ends, two records older: one service is not there yet, one reference was
    another draft's number."""
    path = find_iana("with-crlf.csv")
    if path is None:
        tap.skip("the CSV with CRLF", "no shared/iana/with-crlf.csv beside the source")
        return
    old = tool(MAKE, path).stdout.splitlines()
    new = newest.splitlines()
    tap.is_equal("the CSV with CRLF gives the same table but for what is newer",
                 (sorted(set(new) - set(old)), sorted(set(old) - set(new))),
                 ([b"\tudp\twchr\tPowered wheelchair command protocol\t",
                   b"5318\ttcp\tpkix-cmc\tPKIX Certificate Management using CMS (CMC)"
                   b"\t[RFC-ietf-lamps-rfc5273bis-11]"],
                  [b"5318\ttcp\tpkix-cmc\tPKIX Certificate Management using CMS (CMC)"
                   b"\t[RFC-ietf-lamps-rfc5273bis-10]"]))


def check_reader(path, folder):
    """Files that are not IANA's, or broken, are refused, by record."""
    with open(path, newline="", encoding="utf-8") as source:
        whole = source.read()
    at = whole.index("tcpmux,1,tcp")
    for name, text, word in [
            ("another file", "a,b,c\n1,2,3\n", b"columns"),
            ("an unknown transport", whole[:at] + whole[at:].replace(",1,tcp", ",1,icmp", 1),
             b"icmp"),
            ("a port too high", whole[:at] + whole[at:].replace(",1,tcp", ",65536,tcp", 1),
             b"65536"),
            ("a name too long", whole[:at] + "tcpmuxtcpmuxtcpmux" + whole[at + 6:],
             b"tcpmuxtcpmuxtcpmux"),
            ("a file cut inside quotes", whole[:whole.index("De-assigned on 2025") + 5], b"record"),
            ("a familiar name that is gone", whole.replace("\nnfs,2049", "\nmfs,2049"),
             b"2049 nfs")]:
        bad = os.path.join(folder, "bad.csv")
        with open(bad, "w", newline="", encoding="utf-8") as file:
            file.write(text)
        done = tool(MAKE, bad)
        tap.check(f"make_iana_table.py refuses {name}",
                  done.returncode == 1 and (word in done.stderr or b"unexpected end" in done.stderr)
                  and done.stdout == b"", done.stderr)


def main():
    rows = read_table()
    tap.check("the table is whole", len(rows) > 14000, f"{len(rows)} rows")
    is_same("the whole registry, in the table's order", ask(), rows)
    check_rows("the table", rows)
    check_every_lookup(rows)
    check_first_names()
    check_table_for_people()
    check_statuses()
    with tap.temp_dir() as folder:
        check_generator(folder)
        check_iana(folder)
    tap.done()


main()
