# SPDX-License-Identifier: MIT
"""What a row of docs/escape-matrix.md is, and the words that rows share.

    Way(text, stop, sees, logged, *call)     the program itself does call[0](*call[1:]), a way of
                                             escape_inside.py's
    Link(text, stop, sees, logged, packets)  packets put on the program's link from its namespace
                                             with all powers, as if its kernel were the program's

`sees` has every outcome that counts as refused; `logged` what the row adds to the log of --log:
"refused PROTOCOL ADDRESS PORT", "name NAME", or "REASON N" for N packets in the closing count."""

PUBLIC4, PUBLIC6 = "203.0.113.9", "2001:db8:2::9"
HOST4, HOST6 = "203.0.113.1", "2001:db8:2::1"
GATE4, GATE6 = "10.0.2.2", "fd00::2"
NAMES4, NAMES6 = "10.0.2.3", "fd00::3"

NO_RULES = "no rules"
NARROW = "one port"
NETWORK = "the network"
ALL = "everything"
ONLY4 = "IPv4 only"
ONLY6 = "IPv6 only"
RULES4 = "rules for IPv4"
RULES6 = "rules for IPv6"
ONE_NAME = "one name"
NAMED = "registry.example.test"

POLICIES = {
    NO_RULES: [],
    NARROW: ["--allow", "out 7000/tcp to host", "--allow", "out 7001/udp to host",
             "--allow", f"out 7000/tcp to {PUBLIC4}, {PUBLIC6}"],
    NETWORK: ["--allow", "out any"],
    ALL: ["--allow", "out any", "--allow", "out any to host"],
    ONLY4: ["--ipv4-only", "--allow", "out any", "--allow", "out any to host"],
    ONLY6: ["--ipv6-only", "--allow", "out any", "--allow", "out any to host"],
    RULES4: ["--allow", "out any to 0.0.0.0/0, 10.0.2.2"],
    RULES6: ["--allow", "out any to ::/0, fd00::2"],
    ONE_NAME: ["--allow", f"out https to {NAMED}"],
}


class Row:
    is_link = False

    def __init__(self, way, stop, sees, logged, *call):
        self.way = way
        self.stop = stop
        self.sees = (sees,) if isinstance(sees, str) else sees
        self.logged = (logged,) if isinstance(logged, str) else logged
        self.call = call
        self.rules = NO_RULES


class Way(Row):
    pass


class Link(Row):
    is_link = True


# What refuses.
KERNEL = "the program's own kernel"
POWER = "no power over its network"
FILTER = "the system call filter"
RULE = "no rule allows it"
NEIGHBOUR = "a rule without a peer is not for neighbours"
RELAY = "only TCP, UDP and echo are relayed"
SHAPE = "the parser"
WHOLE = "reassembly"
GUARD = "the guard on sources"
STACK = "the stack"
SPACE = "namespaces"

NOTHING = ()
NO_ANSWER = "no answer"
TCP_REFUSED = "ECONNREFUSED"
# An administratively prohibited destination, as Linux tells IPv4 and IPv6 programs.
UDP4_REFUSED, UDP6_REFUSED = "EHOSTUNREACH", "EACCES"
NO_POWER = "EPERM"


def reach(address, tcp_port=80, udp_port=80, stop=RULE, name=None):
    """TCP, UDP and echo to an address: refused by the firewall, and logged."""
    told = UDP6_REFUSED if ":" in address else UDP4_REFUSED
    name = name or address
    return [Way(f"TCP to {name}", stop, TCP_REFUSED, f"refused tcp {address} {tcp_port}", "tcp",
                address, tcp_port),
            Way(f"UDP to {name}", stop, told, f"refused udp {address} {udp_port}", "udp", address,
                udp_port),
            Way(f"echo to {name}", stop, told, f"refused icmp {address}", "ping", address)]
