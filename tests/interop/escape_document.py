# SPDX-License-Identifier: MIT
"""docs/escape-matrix.md from the rows of escape_rows.py."""

import os

import escape_rows as rows

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs",
                    "escape-matrix.md")

HEAD = """# The escape matrix

Made by `tests/interop/test_escape.py --write`; do not edit. The same test tries each row, in namespaces of its own, and
fails when one is not refused, or when this file is not what the rows say.

A program inside `berth run` tries to get out, in {total} ways: {program} by itself, as root and as an ordinary user, and
{link} by packets on its link that no program can make (marked *link*): the test puts them there from the program's
namespace with all powers, as if its kernel were the program's.

Of each row is shown that nothing arrived: a socket that sees every packet on every device of the host's namespace saw
none, and servers there, on the ports that are tried, got nothing. What a row's rules do allow does arrive in the same
run, so the socket is no blind one.

- **refused by**: what stands in the way first. The firewall is not all: most ways end before it.
- **sees**: the error that the program gets, or what is answered to packets on the link (`RST`; ICMP with type and code).
  More than one where kernels, or root and others, differ. "no answer" is silence.
- **logged**: what `--log` has of it: the line of the first contact that was refused, or the reason under which the
  closing lines (event "dropped") count the packet. Nothing, where a call fails and no packet comes to be.
"""

RULES = {
    rows.NO_RULES: "No rules at all",
    rows.NARROW: "One port for TCP and one for UDP is open on `host`",
    rows.NETWORK: "`allow out any`: the whole network",
    rows.ALL: "`allow out any` and `allow out any to host`: all that rules can open",
    rows.ONE_NAME: f"HTTPS to {rows.NAMED} is allowed, by its name",
    rows.ONLY4: "`--ipv4-only`, and all that rules can open",
    rows.ONLY6: "`--ipv6-only`, and all that rules can open",
    rows.RULES4: "`allow out any to 0.0.0.0/0, 10.0.2.2`",
    rows.RULES6: "`allow out any to ::/0, fd00::2`",
}

TAIL = """
## Not covered

Ways out that berth does not shut, or not yet. CAVEATS.md has them too.

- **Names carry data where rules let any label through.** With a rule by name what goes out is that name, those of
  services under it (two labels at most, of 16 bytes each, as `_http._tcp.NAME`: a few characters a question, to the
  name's own servers) and the reverse names of addresses that were given. Under `*.example.test` a label can carry data
  to the name servers of example.test, with a rule without a peer, or by a prefix, to those of any name; what is asked
  is then A, AAAA, CNAME, SRV, SVCB, HTTPS or, of addresses that the rules reach, PTR.
- **Where a rule by name leads** is an address, and the server name that a connection asks for first. What names none
  (QUIC, STARTTLS, an encrypted server name) goes to the address alone.
- **What an allowed port carries** is not looked at: whoever serves it can pass anything on.
- **Files.** A Unix socket in the file system (system and user bus, docker, an agent's) leads to a process outside that may
  act for the program, or hand it a socket; so does any file that a process outside reads and obeys. Abstract Unix sockets
  are shut (above).
- **Root.** The program's root is the files' and devices' root: a kernel's settings outside its network namespace, a disk,
  a kernel module's device. Code that is not trusted should not be run as root.
- **Signals.** A program may stop or kill a berth of the same user. Its link goes, and nothing takes its place (above).
- **Left open by whoever called berth**: standard streams that are sockets are kept, for they are the program's; so are
  Unix sockets, pipes, files and devices other than TUN and TAP.
- **Timing** of what is refused can be seen by nobody outside; that of what is allowed can.
- **The kernel's own defects**: its system calls are the program's, but for those of the filter.
"""


def logged_words(row):
    words = []
    for entry in row.logged:
        parts = entry.split()
        if parts[0] in ("refused", "failed"):
            port = f" port {parts[3]}" if len(parts) > 3 else ""
            words.append(f"{parts[0]}: {parts[1]} {parts[2]}{port}")
        elif parts[0] == "name":
            words.append(f"name_refused: {parts[1]}")
        else:
            words.append(f"dropped: {parts[0]}" + (f", {parts[1]}" if parts[1] != "1" else ""))
    return "; ".join(words) or "–"


def table(group):
    lines = ["| way tried | refused by | sees | logged |", "| --- | --- | --- | --- |"]
    for row in group:
        mark = "*link*: " if row.is_link else ""
        lines.append(f"| {mark}{row.way} | {row.stop} | {' or '.join(row.sees)} "
                     f"| {logged_words(row)} |")
    return "\n".join(lines) + "\n"


def text():
    groups = rows.groups()
    every = [row for _, _, group in groups for row in group]
    links = sum(row.is_link for row in every)
    parts = [HEAD.format(total=len(every), program=len(every) - links, link=links)]
    for title, rules, group in groups:
        parts.append(f"\n## {title}\n\n{RULES[rules]}.\n\n{table(group)}")
    return "".join(parts) + TAIL


def current():
    try:
        with open(PATH, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def write():
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(text())
