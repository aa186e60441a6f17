# SPDX-License-Identifier: MIT
"""All rows of docs/escape-matrix.md, every way out that test_escape.py tries. See escape_row.py."""

from escape_local import *  # noqa: F403
from escape_network import *  # noqa: F403

GROUPS = [
    ("Another port, another protocol of the three", NO_RULES, basic),
    ("Beside an open port", NARROW, narrow),
    ("TCP segments without a connection, packets out of shape", NARROW, strays),
    ("Fragments", NARROW, fragments),
    ("Source routes, options, extension headers", NARROW, routed),
    ("The host's addresses, loopback, link-local", NETWORK, neighbours),
    ("Broadcast and multicast", ALL, many),
    ("Other protocols", ALL, protocols_rows),
    ("Another's address as source", ALL, spoofed),
    ("IPv6 where there is IPv4 only", ONLY4, only4),
    ("IPv4 where there is IPv6 only", ONLY6, only6),
    ("IPv6 where rules name IPv4 only", RULES4, rules4),
    ("IPv4 where rules name IPv6 only", RULES6, rules6),
    ("Names", NO_RULES, names),
    ("Beside an allowed name", ONE_NAME, one_name),
    ("The link, routes, addresses", ALL, link_device),
    ("Namespaces and other processes", ALL, spaces),
    ("System calls", ALL, calls),
    ("What was left open", ALL, descriptors),
    ("berth itself", ALL, killed),
]


def groups():
    """[(title, rules, rows)]"""
    result = []
    for title, rules, make in GROUPS:
        rows = make()
        for row in rows:
            row.rules = rules
        result.append((title, rules, rows))
    return result
