# SPDX-License-Identifier: MIT
"""IPv4 and IPv6 packets with TCP, UDP and ICMP inside: bytes from fields and fields from bytes."""

import ipaddress
import struct
from dataclasses import dataclass, field

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FLAG_BITS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, ".": 0x10, "U": 0x20, "E": 0x40,
             "W": 0x80, "A": 0x100}
ECN = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
EXPERIMENT = 254
FAST_OPEN_MAGIC = 0xf989

ICMP4_UNREACHABLE = {"net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2,
                     "port_unreachable": 3, "frag_needed": 4, "source_route_failed": 5,
                     "net_unknown": 6, "host_unknown": 7, "net_prohibited": 9,
                     "host_prohibited": 10, "packet_filtered": 13}
ICMP6_UNREACHABLE = {"no_route": 0, "admin_prohibited": 1, "not_neighbour": 2,
                     "addr_unreachable": 3, "port_unreachable": 4, "net_unreachable": 0,
                     "host_unreachable": 3}


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


@dataclass
class Packet:
    source: str = ""
    destination: str = ""
    protocol: int = TCP
    tos: int = 0
    ttl: int = 64
    source_port: int = 0
    destination_port: int = 0
    seq: int = 0
    ack: int = 0
    flags: int = 0
    reserved: int = 0
    window: int = 0
    urgent: int = 0
    options: list = field(default_factory=list)   # [(name, values)]
    payload: bytes = b""

    @property
    def flag_text(self):
        return "".join(name for name, bit in FLAG_BITS.items() if self.flags & bit)

    def __str__(self):
        if self.protocol != TCP:
            return f"protocol {self.protocol} ({len(self.payload)})"
        options = ",".join(" ".join([name, *map(str, values)]) for name, values in self.options)
        return (f"{self.flag_text} {self.seq}:{self.seq + len(self.payload)}({len(self.payload)})"
                f" ack {self.ack} win {self.window} urg {self.urgent} <{options}>"
                f" tos 0x{self.tos:02x}")


# ---- TCP options ------------------------------------------------------------------------------

def emit_option(name, values):
    if name == "eol":
        return b"\0"
    if name == "nop":
        return b"\1"
    if name == "mss":
        return struct.pack("!BBH", 2, 4, values[0])
    if name == "wscale":
        return struct.pack("!BBB", 3, 3, values[0])
    if name == "sackOK":
        return struct.pack("!BB", 4, 2)
    if name == "sack":
        return struct.pack("!BB", 5, 2 + 8 * len(values)) + b"".join(
            struct.pack("!II", left % 2**32, right % 2**32) for left, right in values)
    if name == "TS":
        return struct.pack("!BBII", 8, 10, values[0] % 2**32, values[1] % 2**32)
    if name == "FO":
        return struct.pack("!BB", 34, 2 + len(values[0])) + values[0]
    if name == "FOEXP":
        return struct.pack("!BBH", EXPERIMENT, 4 + len(values[0]), FAST_OPEN_MAGIC) + values[0]
    raise ValueError(f"TCP option {name}")


def parse_options(data):
    found, at = [], 0
    while at < len(data):
        kind = data[at]
        if kind < 2:
            found.append(("nop" if kind else "eol", []))
            at += 1
            continue
        size = data[at + 1]
        body = data[at + 2:at + size]
        if kind == 2:
            found.append(("mss", [struct.unpack("!H", body)[0]]))
        elif kind == 3:
            found.append(("wscale", [body[0]]))
        elif kind == 4:
            found.append(("sackOK", []))
        elif kind == 5:
            found.append(("sack", [struct.unpack_from("!II", body, i)
                                   for i in range(0, len(body), 8)]))
        elif kind == 8:
            found.append(("TS", list(struct.unpack("!II", body))))
        elif kind == 34:
            found.append(("FO", [body]))
        elif kind == EXPERIMENT and body[:2] == struct.pack("!H", FAST_OPEN_MAGIC):
            found.append(("FOEXP", [body[2:]]))
        else:
            found.append((f"kind{kind}", [body]))
        at += size
    return found


# ---- Bytes from fields ------------------------------------------------------------------------

def pseudo(packet, size):
    addresses = (ipaddress.ip_address(packet.source).packed
                 + ipaddress.ip_address(packet.destination).packed)
    return addresses + struct.pack("!II", size, packet.protocol)


def emit_ip(packet, body):
    source = ipaddress.ip_address(packet.source)
    destination = ipaddress.ip_address(packet.destination)
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28 | packet.tos << 20, len(body), packet.protocol,
                           packet.ttl) + source.packed + destination.packed + body
    header = struct.pack("!BBHHHBBH4s4s", 0x45, packet.tos, 20 + len(body), 0, 0x4000, packet.ttl,
                         packet.protocol, 0, source.packed, destination.packed)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def tcp_header(packet, total=0):
    options = b"".join(emit_option(name, values) for name, values in packet.options)
    options += b"\0" * (-len(options) % 4)
    word = (20 + len(options)) // 4 << 12 | packet.reserved << 9 | packet.flags
    return struct.pack("!HHIIHHHH", packet.source_port, packet.destination_port,
                       packet.seq % 2**32, packet.ack % 2**32, word, packet.window, total,
                       packet.urgent) + options


def emit(packet):
    if packet.protocol == TCP:
        header = tcp_header(packet)
        total = checksum(pseudo(packet, len(header) + len(packet.payload)) + header
                         + packet.payload)
        return emit_ip(packet, tcp_header(packet, total) + packet.payload)
    if packet.protocol == UDP:
        size = 8 + len(packet.payload)
        header = struct.pack("!HHHH", packet.source_port, packet.destination_port, size, 0)
        total = checksum(pseudo(packet, size) + header + packet.payload) or 0xffff
        return emit_ip(packet, header[:6] + struct.pack("!H", total) + packet.payload)
    body = packet.payload       # ICMP: type, code, 0, 0, rest
    before = pseudo(packet, len(body)) if packet.protocol == ICMPV6 else b""
    return emit_ip(packet, body[:2] + struct.pack("!H", checksum(before + body)) + body[4:])


def emit_icmp(packet, segment, quoted):
    """PACKET's addresses; SEGMENT's type, code and MTU; QUOTED: the packet it complains about."""
    v6 = ipaddress.ip_address(packet.source).version == 6
    if v6:
        packet.protocol = ICMPV6
        if segment.icmp == "packet_too_big":
            kind, code = 2, 0
        else:
            kind, code = 1, ICMP6_UNREACHABLE[segment.icmp_code or "no_route"]
        head = struct.pack("!BBHI", kind, code, 0, segment.icmp_mtu)
        packet.payload = head + quoted[:1232]
    else:
        packet.protocol = ICMP
        kind, code = 3, ICMP4_UNREACHABLE[segment.icmp_code or "net_unreachable"]
        head = struct.pack("!BBHHH", kind, code, 0, 0, segment.icmp_mtu)
        packet.payload = head + quoted[:28]
    return emit(packet)


# ---- Fields from bytes ------------------------------------------------------------------------

def parse(data):
    packet = Packet()
    if data[0] >> 4 == 4:
        header = (data[0] & 15) * 4
        if checksum(data[:header]) != 0:
            raise ValueError("IPv4 header checksum")
        packet.tos, packet.ttl, packet.protocol = data[1], data[8], data[9]
        packet.source = str(ipaddress.IPv4Address(data[12:16]))
        packet.destination = str(ipaddress.IPv4Address(data[16:20]))
        body = data[header:struct.unpack("!H", data[2:4])[0]]
    else:
        packet.tos = struct.unpack("!I", data[:4])[0] >> 20 & 0xff
        packet.protocol, packet.ttl = data[6], data[7]
        packet.source = str(ipaddress.IPv6Address(data[8:24]))
        packet.destination = str(ipaddress.IPv6Address(data[24:40]))
        body = data[40:40 + struct.unpack("!H", data[4:6])[0]]
    if packet.protocol in (TCP, UDP):
        packet.source_port, packet.destination_port = struct.unpack("!HH", body[:4])
    if packet.protocol == UDP:
        packet.payload = body[8:]
    elif packet.protocol == TCP:
        (packet.seq, packet.ack, word, packet.window, _,
         packet.urgent) = struct.unpack("!IIHHHH", body[4:20])
        header = (word >> 12) * 4
        packet.flags, packet.reserved = word & 0x1ff, word >> 9 & 7
        packet.options = parse_options(body[20:header])
        packet.payload = body[header:]
    else:
        packet.payload = body
    return packet
