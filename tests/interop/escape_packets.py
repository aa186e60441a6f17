# SPDX-License-Identifier: MIT
"""Packets that no ordinary program can send, for test_escape.py's rows on the link itself. Every
function returns a list of whole IP packets; checksums are right unless a row is about them."""

import ipaddress
import struct

PROGRAM4, PROGRAM6 = "10.0.2.100", "fd00::100"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
HOP, ROUTING, FRAGMENT, ESP, AH, NONE, DESTINATION = 0, 43, 44, 50, 51, 59, 60
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58


def number(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(source, to, protocol, length):
    return number(source) + number(to) + struct.pack(">II", length, protocol)


def source_for(to, source):
    return source or (PROGRAM6 if ":" in to else PROGRAM4)


# ---- Transports -------------------------------------------------------------------------------


def tcp(to, port, flags=SYN, payload=b"", source=None, source_port=40000):
    source = source_for(to, source)
    head = struct.pack(">HHIIBBHHH", source_port, port, 1000, 2000 if flags & ACK else 0, 5 << 4,
                       flags, 65535, 0, 0)
    value = checksum(pseudo(source, to, TCP, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack(">H", value) + head[18:] + payload


def udp(to, port, payload=b"escape", source=None, source_port=40000):
    source = source_for(to, source)
    length = 8 + len(payload)
    head = struct.pack(">HHHH", source_port, port, length, 0)
    value = checksum(pseudo(source, to, UDP, length) + head + payload) or 0xffff
    return head[:6] + struct.pack(">H", value) + payload


def icmp(to, kind, code=0, rest=b"\0\1\0\1", payload=b"escape", source=None):
    body = rest + payload
    head = b""
    if ":" in to:
        head = pseudo(source_for(to, source), to, ICMP6, 4 + len(body))
    value = checksum(head + struct.pack(">BBH", kind, code, 0) + body)
    return struct.pack(">BBH", kind, code, value) + body


# ---- Networks ---------------------------------------------------------------------------------


def ip4(to, protocol, payload, source=None, options=b"", flags=0, offset=0, ident=1, ttl=64):
    options += b"\0" * (-len(options) % 4)
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload),
                       ident, flags << 13 | offset // 8, ttl, protocol, 0)
    head += number(source or PROGRAM4) + number(to) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ip6(to, following, payload, source=None):
    return (struct.pack(">IHBB", 6 << 28, len(payload), following, 64)
            + number(source or PROGRAM6) + number(to) + payload)


def whole(to, protocol, payload, source=None):
    make = ip6 if ":" in to else ip4
    return [make(to, protocol, payload, source=source)]


def syn(to, port, source=None, **more):
    return whole(to, TCP, tcp(to, port, source=source, **more), source)


def datagram(to, port, source=None, **more):
    return whole(to, UDP, udp(to, port, source=source, **more), source)


def echo(to, source=None, **more):
    kind, protocol = (128, ICMP6) if ":" in to else (8, ICMP)
    return whole(to, protocol, icmp(to, kind, source=source, **more), source)


def message(to, kind, code=0, **more):
    """An ICMP message of any kind."""
    return whole(to, ICMP6 if ":" in to else ICMP, icmp(to, kind, code, **more))


def protocols(to, *numbers):
    return [packet for each in numbers for packet in whole(to, each, b"escape-escape-escape-")]


def tunnelled(to, inner_to, port):
    """A SYN in a packet: IP in IP, or IPv6 in either, or GRE."""
    inner = syn(inner_to, port)[0]
    following = 41 if ":" in inner_to else 4
    gre = struct.pack(">HH", 0, 0x86dd if ":" in inner_to else 0x0800)
    return whole(to, following, inner) + whole(to, 47, gre + inner)


# ---- Fragments --------------------------------------------------------------------------------


def fragments4(to, protocol, *pieces, ident=7):
    """PIECES: (offset, bytes, more)."""
    return [ip4(to, protocol, data, flags=int(more), offset=offset, ident=ident)
            for offset, data, more in pieces]


def fragment6(following, offset, more, data, ident=7):
    return struct.pack(">BBHI", following, 0, offset | int(more), ident) + data


def fragments6(to, *pieces, ident=7):
    """PIECES: (next header, offset, bytes, more)."""
    return [ip6(to, FRAGMENT, fragment6(following, offset, more, data, ident))
            for following, offset, data, more in pieces]


def in_pieces(to, protocol, payload, size=8):
    """The whole packet, in pieces of SIZE bytes, the last first."""
    pieces = [(at, payload[at:at + size], at + size < len(payload))
              for at in range(0, len(payload), size)][::-1]
    if ":" in to:
        return fragments6(to, *[(protocol, *piece) for piece in pieces])
    return fragments4(to, protocol, *pieces)


# ---- Options and extension headers ------------------------------------------------------------


def options4(to, port, options):
    return [ip4(to, UDP, udp(to, port), options=options)]


def route4(kind, through, to, port):
    return [ip4(through, UDP, udp(through, port), options=bytes([kind, 7, 4]) + number(to))]


def header6(following, body=b"\1\4\0\0\0\0"):
    """An extension header; without a body: padding."""
    return bytes([following, (len(body) + 2) // 8 - 1]) + body


def chain6(to, *headers, last=None):
    """A SYN to port 80, or LAST (protocol, bytes), behind HEADERS: (number, body)."""
    protocol, data = last or (TCP, tcp(to, 80))
    for each, body in reversed(headers):
        data = header6(protocol, body) + data
        protocol = each
    return [ip6(to, protocol, data)]


def routing6(kind, left, through, to, port):
    """A SYN that asks to be sent on from THROUGH to TO."""
    body = bytes([kind, left, 0, 0, 0, 0]) + number(to)
    return [ip6(through, ROUTING, header6(TCP, body) + tcp(to, port))]


def authenticated6(to):
    """A SYN behind an authentication header."""
    return [ip6(to, AH, bytes([TCP, 4]) + b"\0" * 22 + tcp(to, 80))]


def authenticated4(to):
    return [ip4(to, AH, bytes([TCP, 4]) + b"\0" * 22 + tcp(to, 80))]
