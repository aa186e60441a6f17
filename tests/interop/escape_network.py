# SPDX-License-Identifier: MIT
"""Rows of the escape matrix: by packets and by sockets. See escape_row.py."""

from escape_packets import *  # noqa: F403
from escape_row import *  # noqa: F403


def basic():
    rows = []
    for address in (GATE4, GATE6, PUBLIC4, PUBLIC6):
        rows += reach(address)
    return rows + [
        Way("MPTCP", RULE, TCP_REFUSED,
            f"refused tcp {GATE4} 81", "tcp", GATE4, 81, 262),
        Way("payload on the SYN (Fast Open)", RULE, TCP_REFUSED, f"refused tcp {GATE4} 82",
            "fast_open", GATE4, 82),
        Way("payload on the SYN (Fast Open), IPv6", RULE, TCP_REFUSED, f"refused tcp {GATE6} 82",
            "fast_open", GATE6, 82),
        Way("TCP to a mapped address", RULE, TCP_REFUSED,
            f"refused tcp {GATE4} 83", "tcp", f"::ffff:{GATE4}", 83),
        Way("UDP to a mapped address", RULE, UDP4_REFUSED, f"refused udp {PUBLIC4} 83", "udp",
            f"::ffff:{PUBLIC4}", 83),
        Way("echo with 1400 bytes of payload", RULE, UDP4_REFUSED, f"refused icmp {PUBLIC4}",
            "ping", PUBLIC4, "x" * 1400),
        Link("payload on the SYN", RULE, "RST", f"refused tcp {GATE4} 84",
             syn(GATE4, 84, payload=b"escape")),
    ]


def narrow():
    return [
        Way("the gateway's port beside the allowed one", RULE, TCP_REFUSED,
            f"refused tcp {GATE4} 7002", "tcp", GATE4, 7002),
        Way("the same, IPv6", RULE, TCP_REFUSED, f"refused tcp {GATE6} 7002", "tcp", GATE6, 7002),
        Way("the same, mapped", RULE, TCP_REFUSED, f"refused tcp {GATE4} 7003", "tcp",
            f"::ffff:{GATE4}", 7003),
        Way("UDP to a port allowed for TCP", RULE, UDP4_REFUSED, f"refused udp {GATE4} 7000", "udp",
            GATE4, 7000),
        Way("TCP to a port allowed for UDP", RULE, TCP_REFUSED, f"refused tcp {GATE6} 7001", "tcp",
            GATE6, 7001),
        Way("echo to a host with allowed ports", RULE, UDP4_REFUSED, f"refused icmp {GATE4}",
            "ping", GATE4),
        Way("a socket with an allowed conversation, to another port", RULE,
            (UDP4_REFUSED, "ECONNREFUSED"), f"refused udp {GATE4} 7004", "udp_after", GATE4, 7001,
            7004),
        Way("UDP-Lite to an allowed port", RELAY,
            ("ECONNREFUSED", "ENOPROTOOPT", "EPROTONOSUPPORT"), "unknown_protocol 1", "udp",
            GATE4, 7001, 136),
        Link("UDP-Lite to an allowed port", RELAY, "ICMP 3/2", "unknown_protocol 1",
             whole(GATE4, 136, udp(GATE4, 7001))),
    ]


def strays():
    flags = [("ACK", ACK), ("FIN", FIN), ("FIN+ACK", FIN | ACK),
             ("PSH+ACK with payload", PSH | ACK), ("SYN+ACK", SYN | ACK),
             ("FIN+PSH+URG", FIN | PSH | URG)]
    rows = [Link(f"{name}, no connection, to an allowed port", STACK, "RST", "no_connection 1",
                 whole(GATE4, TCP, tcp(GATE4, 7000, each, b"x" if each & PSH else b"")))
            for name, each in flags]
    rows += [Link(f"{name}, to an allowed port", SHAPE, NO_ANSWER, f"{reason} 1",
                  whole(GATE4, TCP, tcp(GATE4, 7000, each)))
             for name, each, reason in (
                 ("RST", RST, "no_connection"), ("SYN+FIN", SYN | FIN, "bad_tcp_flags"),
                 ("SYN+RST", SYN | RST, "bad_tcp_flags"), ("no flags", 0, "bad_tcp_flags"),
                 ("all flags", 63, "bad_tcp_flags"))]
    return rows + [
        Link("ACK, no connection, to a port not allowed", STACK, "RST", "no_connection 1",
             whole(GATE4, TCP, tcp(GATE4, 80, ACK))),
        Link("ACK, no connection, IPv6, to the network", STACK, "RST", "no_connection 1",
             whole(PUBLIC6, TCP, tcp(PUBLIC6, 80, ACK))),
        Link("TCP to port 0", SHAPE, NO_ANSWER, "bad_port 1", syn(GATE4, 0)),
        Link("UDP to port 0", SHAPE, NO_ANSWER, "bad_port 1", datagram(GATE4, 0)),
        Link("a TCP checksum that is wrong, to an allowed port", SHAPE, NO_ANSWER, "bad_checksum 1",
             [syn(GATE4, 7000)[0][:-4] + b"\1\2\3\4"]),
        Link("an IP version that is none", SHAPE, NO_ANSWER, "bad_version 1",
             [b"\x75" + syn(GATE4, 7000)[0][1:]]),
        Link("an IPv4 header that says more than there is", SHAPE, NO_ANSWER, "truncated 1",
             [ip4(GATE4, TCP, tcp(GATE4, 7000))[:-2]]),
    ]


def fragments():
    allowed, other = udp(GATE4, 7001, b"x" * 24), udp(GATE4, 7005, b"x" * 24)
    first = tcp(GATE4, 7006)
    allowed6, other6 = udp(GATE6, 7001, b"x" * 24), udp(GATE6, 7005, b"x" * 24)
    return [
        Link("fragments, the ports in the last to come", RULE, "ICMP 3/13",
             f"refused udp {GATE4} 7005", in_pieces(GATE4, UDP, other)),
        Link("the same, IPv6", RULE, "ICMPv6 1/1", f"refused udp {GATE6} 7005",
             in_pieces(GATE6, UDP, other6, 16)),
        Link("TCP fragments, the last first", RULE, "RST", f"refused tcp {GATE4} 7006",
             fragments4(GATE4, TCP, (16, first[16:], False), (0, first[:16], True))),
        Link("a first fragment too small for TCP's flags (RFC 1858)", SHAPE, NO_ANSWER,
             "bad_fragment 1", fragments4(GATE4, TCP, (0, first[:8], True), ident=8)),
        Link("a second fragment over TCP's flags (RFC 1858)", SHAPE, NO_ANSWER, "bad_fragment 1",
             fragments4(GATE4, TCP, (8, first[8:], False), ident=9)),
        Link("an overlap that exchanges the port", WHOLE, NO_ANSWER, "bad_fragment 3",
             fragments4(GATE4, UDP, (0, allowed[:16], True), (0, other[:16], True),
                        (16, other[16:], False), ident=10)),
        Link("the same, IPv6 (RFC 5722)", WHOLE, NO_ANSWER, "bad_fragment 3",
             fragments6(GATE6, (UDP, 0, allowed6[:16], True), (UDP, 0, other6[:16], True),
                        (UDP, 16, other6[16:], False), ident=10)),
        Link("a fragment inside another (teardrop)", WHOLE, NO_ANSWER, "bad_fragment 3",
             fragments4(GATE4, UDP, (0, allowed[:24], True), (8, allowed[8:16], True),
                        (24, allowed[24:], False), ident=11)),
        Link("fragments past 65,535 bytes (ping of death)", SHAPE, NO_ANSWER, "bad_fragment 1",
             fragments4(GATE4, ICMP, (65528, b"x" * 24, False), ident=12)),
        Link("a last fragment alone", WHOLE, NO_ANSWER, NOTHING,
             fragments4(GATE4, UDP, (24, b"x" * 16, False), ident=13)),
        Link("a middle fragment of another protocol than the first", WHOLE, NO_ANSWER, NOTHING,
             fragments4(GATE4, UDP, (0, allowed[:16], True), ident=14)
             + fragments4(GATE4, TCP, (16, other[16:], False), ident=14)),
        Link("IPv6: the transport header in the second fragment (RFC 7112)", SHAPE, NO_ANSWER,
             "bad_fragment 1", fragments6(GATE6, (DESTINATION, 0, header6(UDP), True), ident=15)),
        Link("IPv6: a fragment in a fragment", SHAPE, NO_ANSWER, "bad_fragment 1",
             fragments6(GATE6, (FRAGMENT, 0, fragment6(UDP, 0, True, other6[:16]), True),
                        ident=16)),
        Link("IPv6: an atomic fragment (RFC 6946)", RULE, "ICMPv6 1/1", f"refused udp {GATE6} 7007",
             fragments6(GATE6, (UDP, 0, udp(GATE6, 7007), False), ident=17)),
        Link("IPv6: an atomic fragment in another", SHAPE, NO_ANSWER, "bad_fragment 1",
             fragments6(GATE6, (FRAGMENT, 0, fragment6(UDP, 0, False, other6), False), ident=18)),
    ]


def routed():
    rthdr = 57  # IPV6_RTHDR
    moved = "0002020100000000" + number(PUBLIC6).hex()
    segments = "0002040100000000" + number(PUBLIC6).hex()
    pad = (DESTINATION, b"\1\4\0\0\0\0")
    return [
        Way("a loose source route (IP_OPTIONS)", SHAPE, (NO_POWER, NO_ANSWER),
            "source_route 1", "option", GATE4, 80, 0, 4, "830704" + number(PUBLIC4).hex() + "00"),
        Way("a strict source route (IP_OPTIONS)", SHAPE, (NO_POWER, NO_ANSWER),
            "source_route 1", "option", GATE4, 80, 0, 4, "890704" + number(GATE4).hex() + "00"),
        Way("a loose source route through an allowed host", SHAPE, (NO_POWER, NO_ANSWER),
            "source_route 1", "option", PUBLIC4, 80, 0, 4, "830704" + number(GATE4).hex() + "00"),
        Way("a record-route option", RULE, UDP4_REFUSED, f"refused udp {GATE4} 90", "option", GATE4,
            90, 0, 4, "07070400000000" + "00"),
        Way("an IPv6 routing header, type 2 (IPV6_RTHDR)", SHAPE,
            (NO_ANSWER, "EINVAL", "EPERM", "EACCES"), "source_route 1", "option", GATE6, 80, 41,
            rthdr, moved),
        Way("an IPv6 segment routing header", SHAPE, (NO_ANSWER, "EINVAL", "EPERM"), NOTHING,
            "option", GATE6, 80, 41, rthdr, segments),
        Way("an IPv6 routing header, type 0", KERNEL, ("EINVAL", "EPERM"), NOTHING, "option", GATE6,
            80, 41, rthdr, "0002000100000000" + number(PUBLIC6).hex()),
        Way("IPv6 hop-by-hop options", POWER, NO_POWER, NOTHING, "option", GATE6, 80, 41, 54,
            "0000010400000000"),
        Way("IPv6 destination options", POWER, NO_POWER, NOTHING, "option", GATE6, 80, 41, 59,
            "0000010400000000"),
        Link("a loose source route", SHAPE, NO_ANSWER, "source_route 1",
             route4(131, GATE4, PUBLIC4, 7001)),
        Link("a strict source route", SHAPE, NO_ANSWER, "source_route 1",
             route4(137, GATE4, PUBLIC4, 7001)),
        Link("an IPv4 option longer than the header", SHAPE, NO_ANSWER, "bad_option 1",
             options4(GATE4, 7001, b"\x07\xff\4\0")),
        Link("an IPv6 routing header, type 0 (RFC 5095)", SHAPE, NO_ANSWER, "source_route 1",
             routing6(0, 1, GATE6, PUBLIC6, 7000)),
        Link("an IPv6 routing header, type 0, used up", SHAPE, NO_ANSWER, "source_route 1",
             routing6(0, 0, GATE6, PUBLIC6, 7000)),
        Link("an IPv6 segment routing header", SHAPE, NO_ANSWER, "source_route 1",
             routing6(4, 1, GATE6, PUBLIC6, 7000)),
        Link("an IPv6 routing header of an unknown type, used up", RULE, "RST",
             f"refused tcp {GATE6} 91", routing6(200, 0, GATE6, PUBLIC6, 91)[:0]
             + [ip6(GATE6, ROUTING, header6(TCP, b"\xc8\0\0\0\0\0") + tcp(GATE6, 91))]),
        Link("TCP behind eight extension headers", RULE, "RST", f"refused tcp {GATE6} 80",
             chain6(GATE6, (HOP, b"\1\4\0\0\0\0"), *[pad] * 7)),
        Link("TCP behind nine extension headers", SHAPE, NO_ANSWER, "bad_option 1",
             chain6(GATE6, *[pad] * 9)),
        Link("hop-by-hop options not in front", SHAPE, NO_ANSWER, "bad_option 1",
             chain6(GATE6, pad, (HOP, b"\1\4\0\0\0\0"))),
        Link("an option that must be understood", SHAPE, NO_ANSWER, "bad_option 1",
             chain6(GATE6, (DESTINATION, b"\xc9\4\0\0\0\0"))),
        Link("a jumbo payload option", SHAPE, NO_ANSWER, "bad_option 1",
             chain6(GATE6, (HOP, b"\xc2\4\0\1\0\0"))),
        Link("an extension header past the packet's end", SHAPE, NO_ANSWER, "bad_header_length 1",
             [ip6(GATE6, DESTINATION, bytes([TCP, 200]) + b"\0" * 6 + tcp(GATE6, 7000))]),
        Link("TCP behind an authentication header", RELAY, "ICMP 3/2", "unknown_protocol 1",
             authenticated4(GATE4)),
        Link("TCP behind an authentication header, IPv6", RELAY, "ICMPv6 4/1",
             "unknown_protocol 1", authenticated6(GATE6)),
        Link("no next header, and bytes behind it", RELAY, ("ICMPv6 4/1", NO_ANSWER),
             "unknown_protocol 1", whole(GATE6, NONE, tcp(GATE6, 7000))),
        Link("extension headers that berth does not know (mobility, HIP, shim6)", RELAY,
             "ICMPv6 4/1", "unknown_protocol 3",
             [packet for each in (135, 139, 140)
              for packet in [ip6(GATE6, each, header6(TCP) + tcp(GATE6, 7000))]]),
    ]


def neighbours():
    rows = []
    for address, name in ((HOST4, "the host's own address"),
                          (HOST6, "the host's own address, IPv6"), (GATE4, "the gateway"),
                          (GATE6, "the gateway, IPv6"),
                          ("169.254.169.254", "link-local (cloud metadata)"),
                          ("64:ff9b::7f00:1", "the host's loopback by NAT64"),
                          ("64:ff9b::cb00:7101", "the host's own address by NAT64"),
                          ("64:ff9b::a9fe:a9fe", "link-local by NAT64"),
                          ("64:ff9b::a00:202", "the gateway by NAT64"),
                          ("2002:7f00:1::1", "the host's loopback by 6to4"),
                          ("2002:cb00:7101::1", "the host's own address by 6to4")):
        rows += reach(address, stop=NEIGHBOUR, name=name)
    for address in (NAMES4, NAMES6):
        rows.append(Way(f"the resolver's other ports, {address}", NEIGHBOUR, TCP_REFUSED,
                        f"refused tcp {address} 80", "tcp", address, 80))
    rows += [
        Way("the host's own address, mapped", NEIGHBOUR, TCP_REFUSED, f"refused tcp {HOST4} 81",
            "tcp", f"::ffff:{HOST4}", 81),
        Way("link-local, mapped", NEIGHBOUR, TCP_REFUSED, "refused tcp 169.254.169.254 81", "tcp",
            "::ffff:169.254.169.254", 81),
        Way("the host's network's broadcast address", NEIGHBOUR, UDP4_REFUSED,
            "refused udp 203.0.113.255 80", "udp", "203.0.113.255", 80),
        Way("link-local, IPv6", NEIGHBOUR, (TCP_REFUSED, "EADDRNOTAVAIL", "EINVAL"), NOTHING, "tcp",
            "fe80::1%berth0", 80),
    ]
    for address in ("0.0.0.0", "127.0.0.1", "127.0.0.2", "::1", "::", "::ffff:127.0.0.1",
                    "::ffff:0.0.0.0"):
        rows.append(Way(f"{address}: the host's loopback", SPACE,
                        (TCP_REFUSED, "ENETUNREACH", "EADDRNOTAVAIL"), NOTHING, "tcp", address, 80))
    return rows + [
        Way("the program's own address: a server of the host's there", SPACE, TCP_REFUSED, NOTHING,
            "tcp", PROGRAM4, 80),
        Link("0.0.0.0", SHAPE, NO_ANSWER, "martian_destination 1", syn("0.0.0.0", 80)),
        Link("127.0.0.2", SHAPE, NO_ANSWER, "martian_destination 1", syn("127.0.0.2", 80)),
        Link("240.0.0.1", SHAPE, NO_ANSWER, "martian_destination 1", syn("240.0.0.1", 80)),
        Link("::1", SHAPE, NO_ANSWER, "martian_destination 1", syn("::1", 80)),
        Link("::", SHAPE, NO_ANSWER, "martian_destination 1", syn("::", 80)),
        Link("::ffff:127.0.0.1", SHAPE, NO_ANSWER, "martian_destination 1",
             syn("::ffff:127.0.0.1", 80)),
        Link(f"::ffff:{PUBLIC4}, mapped on the link", SHAPE, NO_ANSWER, "martian_destination 1",
             syn(f"::ffff:{PUBLIC4}", 80)),
        Link("::127.0.0.1, IPv4-compatible", SHAPE, NO_ANSWER, "martian_destination 1",
             syn("::127.0.0.1", 80)),
        Link("the program's own address, by way of the gateway", STACK, NO_ANSWER, "not_ours 1",
             syn(PROGRAM4, 80, source_port=40001)),
        Link("fe80::1", STACK, NO_ANSWER, "not_ours 1", syn("fe80::1", 80)),
    ]


def many():
    rows = [Way(f"broadcast to {address}", stop, sees, logged, "udp", address, 80)
            for address, stop, sees, logged in (
                ("255.255.255.255", STACK, NO_ANSWER, "multicast 1"),
                ("10.0.2.255", STACK, NO_ANSWER, "multicast 1"),
                ("203.0.113.255", "the host's kernel: the relay asks for no broadcast",
                 UDP4_REFUSED, "failed udp 203.0.113.255 80"))]
    rows += [Way(f"multicast to {address}", STACK, NO_ANSWER, "multicast 1", "multicast", address,
                 port)
             for address, port in (("224.0.0.1", 80), ("224.0.0.251", 5353),
                                   ("239.255.255.250", 1900), ("ff02::1", 80), ("ff02::fb", 5353),
                                   ("ff05::2", 80), ("ff0e::101", 123))]
    return rows + [
        Link("TCP to a multicast address", STACK, NO_ANSWER, "multicast 1", syn("224.0.0.1", 80)),
        Link("echo to all nodes", STACK, NO_ANSWER, "multicast 1", echo("ff02::1")),
        Link("multicast by NAT64", NEIGHBOUR, "ICMPv6 1/1", "refused udp 64:ff9b::e000:1 80",
             datagram("64:ff9b::e000:1", 80)),
    ]


def protocols_rows():
    refused = ("EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "ECONNREFUSED", "ENOPROTOOPT")
    rows = [Way(f"a raw socket, {name}", POWER, NO_POWER, NOTHING, "socket", family, 3, each)
            for name, family, each in (
                ("any header (IPPROTO_RAW)", 2, 255), ("ICMP", 2, 1), ("TCP", 2, 6), ("GRE", 2, 47),
                ("IP in IP", 2, 4), ("unknown number 253", 2, 253), ("IPv6, any header", 10, 255),
                ("ICMPv6", 10, 58), ("IPv6 in IPv6", 10, 41))]
    rows += [
        Way("SCTP", KERNEL, refused, NOTHING, "socket", 2, 1, 132),
        Way("DCCP", KERNEL, refused, NOTHING, "socket", 2, 6, 33),
        Way("L2TP over IP", KERNEL, refused, NOTHING, "socket", 2, 2, 115),
        Way("an ICMP message that is no echo, by a ping socket", KERNEL, "EINVAL", NOTHING, "ping",
            PUBLIC4, "escape", 13),
        Way("a packet socket (AF_PACKET)", POWER, NO_POWER, NOTHING, "socket", 17, 3, 0x300),
        Way("vsock, Bluetooth, CAN, TIPC, RDS, XDP and all other families", FILTER, "EAFNOSUPPORT",
            NOTHING, "families", 1, 2, 10, 16, 17, 38),
    ]
    for to in (PUBLIC4, PUBLIC6):
        word = "ICMPv6 4/1" if ":" in to else "ICMP 3/2"
        end = ", IPv6" if ":" in to else ""
        rows += [Link(f"{name}{end}", RELAY, word, f"unknown_protocol {len(each)}",
                      protocols(to, *each))
                 for name, each in (("SCTP", [132]), ("GRE", [47]), ("ESP", [50]), ("DCCP", [33]),
                                    ("OSPF, VRRP, L2TP, UDP-Lite", [89, 112, 115, 136]),
                                    ("numbers that mean nothing: 143, 200, 253, 254, 255",
                                     [143 if ":" not in to else 150, 200, 252, 253, 254]))]
    rows += [
        Link("IPv4 in IPv4 and in GRE, to the host's loopback", RELAY, "ICMP 3/2",
             "unknown_protocol 2", tunnelled(PUBLIC4, "127.0.0.1", 80)),
        Link("IPv6 in IPv4 (6in4) and in GRE", RELAY, "ICMP 3/2", "unknown_protocol 2",
             tunnelled(PUBLIC4, PUBLIC6, 80)),
        Link("IPv4 in IPv6 and in GRE", RELAY, "ICMPv6 4/1", "unknown_protocol 2",
             tunnelled(PUBLIC6, PUBLIC4, 80)),
        Link("IPv6 in IPv6 and in GRE", RELAY, "ICMPv6 4/1", "unknown_protocol 2",
             tunnelled(PUBLIC6, GATE6, 80)),
        Link("SCTP to the gateway", RELAY, "ICMP 3/2", "unknown_protocol 1", protocols(GATE4, 132)),
        Link("ICMPv6 in IPv4, ICMP in IPv6", SHAPE, NO_ANSWER, "bad_icmp 2",
             whole(PUBLIC4, ICMP6, icmp(PUBLIC4, 128)) + whole(PUBLIC6, ICMP, icmp(PUBLIC4, 8))),
    ]
    quote = syn(PROGRAM4, 80, source=PUBLIC4)[0]
    for name, kinds in (("ICMP that is no echo: timestamp, mask, information, router solicitation",
                         (13, 17, 15, 10)),
                        ("echo replies that nobody asked for, with payload", (0,)),
                        ("ICMP redirects and quenches", (5, 4))):
        rows.append(Link(name, STACK, NO_ANSWER, f"no_echo {len(kinds)}",
                         [p for kind in kinds for p in message(PUBLIC4, kind, payload=quote)]))
    return rows + [
        Link("ICMPv6 that is no echo: neighbour and router messages, node information", STACK,
             NO_ANSWER, "no_echo 4",
             [p for kind in (133, 135, 137, 139)
              for p in message(PUBLIC6, kind, payload=b"x" * 24)]),
        Link("ICMP errors about conversations that are none", STACK, NO_ANSWER,
             "no_connection 2",
             [p for kind, code in ((3, 4), (11, 0))
              for p in message(PUBLIC4, kind, code, payload=quote)]),
    ]


def spoofed():
    rows = []
    for address, name, reason in (
            (GATE4, "the gateway", "spoofed_source"), (NAMES4, "the resolver", "spoofed_source"),
            ("10.0.2.77", "a neighbour's", "spoofed_source"),
            (HOST4, "the host's own", "spoofed_source"),
            ("198.51.100.7", "a stranger's", "spoofed_source"),
            ("127.0.0.1", "loopback", "martian_source"), ("0.0.0.0", "none", "martian_source"),
            ("224.0.0.1", "multicast", "martian_source"),
            ("255.255.255.255", "broadcast", "martian_source"),
            (GATE6, "the gateway", "spoofed_source"), (HOST6, "the host's own", "spoofed_source"),
            ("2001:db8:9::7", "a stranger's", "spoofed_source"),
            ("::1", "loopback", "martian_source"), ("::", "none", "martian_source"),
            (f"::ffff:{PROGRAM4}", "mapped", "martian_source"),
            ("ff02::1", "multicast", "martian_source")):
        to = PUBLIC6 if ":" in address else PUBLIC4
        rows.append(Link(f"from {address} ({name}): TCP, UDP, echo",
                         GUARD if reason == "spoofed_source" else SHAPE, NO_ANSWER, f"{reason} 3",
                         syn(to, 80, source=address) + datagram(to, 80, source=address)
                         + echo(to, source=address)))
    return rows + [
        Way("bound to the host's own address", KERNEL, "EADDRNOTAVAIL", NOTHING, "from", HOST4,
            PUBLIC4, 80),
        Way("the same, free to bind (IP_FREEBIND)", KERNEL, ("ENETUNREACH", "EINVAL"), NOTHING,
            "from", HOST4, PUBLIC4, 80, 15),
        Way("the same, transparent (IP_TRANSPARENT)", POWER, NO_POWER, NOTHING, "from", HOST4,
            PUBLIC4, 80, 19),
        Way("another's address with the datagram (IP_PKTINFO)", KERNEL, ("ENETUNREACH", "EINVAL"),
            NOTHING, "from_said", HOST4, PUBLIC4, 80),
        Way("bound to loopback, out by the link", KERNEL, "EINVAL", NOTHING, "from", "127.0.0.1",
            PUBLIC4, 80),
    ]


def only4():
    away = ("ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH")
    return [Way(f"{kind.upper()} to {to}", KERNEL, away, NOTHING, kind, to, *port)
            for to in (PUBLIC6, GATE6, "64:ff9b::cb00:7109")
            for kind, port in (("tcp", [80]), ("udp", [80]), ("ping", []))] + [
        Link("IPv6 packets on the link", GUARD, NO_ANSWER, "spoofed_source 3",
             syn(PUBLIC6, 80) + datagram(GATE6, 80) + echo(PUBLIC6)),
        Link("a mapped destination", SHAPE, NO_ANSWER, "martian_destination 1",
             syn(f"::ffff:{PUBLIC4}", 80)),
    ]


def only6():
    away = ("ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH")
    return [Way(f"{kind.upper()} to {to}", KERNEL, away, NOTHING, kind, to, *port)
            for to in (PUBLIC4, GATE4)
            for kind, port in (("tcp", [80]), ("udp", [80]), ("ping", []))] + [
        Way("TCP to a mapped address", KERNEL, away, NOTHING, "tcp", f"::ffff:{PUBLIC4}", 80),
        Way("UDP to a mapped address", KERNEL, away, NOTHING, "udp", f"::ffff:{PUBLIC4}", 80),
        Link("IPv4 packets on the link", GUARD, NO_ANSWER, "spoofed_source 3",
             syn(PUBLIC4, 80) + datagram(GATE4, 80) + echo(PUBLIC4)),
    ]


def by_rule(to, gate):
    return reach(to, name="the network") + reach(gate, name="the gateway")


def rules4():
    return by_rule(PUBLIC6, GATE6) + reach("64:ff9b::cb00:7109", name="an IPv4 host by NAT64")


def rules6():
    return by_rule(PUBLIC4, GATE4) + [
        Way("TCP to a mapped address", RULE, TCP_REFUSED, f"refused tcp {PUBLIC4} 81", "tcp",
            f"::ffff:{PUBLIC4}", 81),
        Way("UDP to a mapped address", RULE, UDP4_REFUSED, f"refused udp {PUBLIC4} 81", "udp",
            f"::ffff:{PUBLIC4}", 81)]
