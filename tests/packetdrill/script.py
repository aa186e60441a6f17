# SPDX-License-Identifier: MIT
"""Reads packetdrill scripts: text to a list of events.

    options, events = script.parse(text)

What is read is the language as packetdrill's users know it: options at the top, times (absolute,
+relative, ranges with ~, * for any, ... for the end of a blocking call), system calls with their
result, TCP segments, UDP datagrams and ICMP messages, in (<) and out (>), commands in backquotes.
Code (%{ ... }%) is passed over: with a shared object packetdrill cannot run it.
"""

import re
from dataclasses import dataclass, field


class ScriptError(Exception):
    pass


TOKEN = re.compile(r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/|(?:[+]?[\d.]+\s+)?%\{.*?\}%)
  | (?P<option>--[A-Za-z0-9_]+)
  | (?P<string>"(?:\\.|[^"\\])*")
  | (?P<command>`[^`]*`)
  | (?P<dots>\.\.\.)
  | (?P<address>\d+\.\d+\.\d+\.\d+)
  | (?P<number>0x[0-9a-fA-F]+|\d*\.\d+|\d+\.(?=[\s~])|\d+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>[-+*~=,|:;.<>()\[\]{}&!])
""", re.VERBOSE | re.DOTALL)


@dataclass
class Token:
    kind: str
    text: str
    line: int
    begin: int
    end: int


@dataclass
class When:
    kind: str            # "absolute", "relative", "any", "range", "relative range"
    begin: float = 0.0   # seconds
    end: float = 0.0     # of a range
    until: float = None  # a blocking call's end


@dataclass
class Call:
    name: str
    arguments: list
    result: object        # int or the word "..."
    error: str = None


@dataclass
class Option:
    name: str
    values: list = field(default_factory=list)


@dataclass
class Segment:
    inbound: bool
    kind: str = "tcp"     # "tcp", "udp", "icmp"
    ecn: str = None
    tos: int = None
    ttl: int = None
    flags: str = ""
    seq: int = 0
    bytes: int = 0
    ack: int = None
    window: int = None
    urgent: int = None
    options: list = None  # None: "<...>", not looked at
    icmp: str = None      # its type, "unreachable"
    icmp_code: str = None
    icmp_mtu: int = 0
    quoted: tuple = None  # (seq, end, bytes) of the segment that the ICMP message quotes


@dataclass
class Event:
    line: int
    when: When
    what: object          # Call, Segment, or the text of a command


FLAGS = re.compile(r"[FSRPEWCAU.01-]+\Z")
ECN = {"noecn", "ect0", "ect1", "ect01", "ce"}


def number(text):
    return int(text, 16) if text.startswith("0x") else int(text)


class Parser:
    def __init__(self, text):
        self.text = text
        self.tokens = []
        at, line = 0, 1
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                raise ScriptError(f"line {line}: what is {text[at:at + 20]!r}?")
            if match.lastgroup != "space":
                self.tokens.append(Token(match.lastgroup, match.group(), line, at, match.end()))
            line += match.group().count("\n")
            at = match.end()
        self.tokens.append(Token("end", "end of script", line, at, at))
        self.at = 0

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self):
        token = self.peek()
        self.at += 1
        return token

    def fail(self, expected):
        token = self.peek()
        raise ScriptError(f"line {token.line}: {token.text!r}: expected {expected}")

    def is_next(self, text):
        return self.peek().text == text and self.peek().kind not in ("string", "command")

    def take(self, text):
        if self.is_next(text):
            self.at += 1
            return True
        return False

    def need(self, text):
        if not self.take(text):
            self.fail(repr(text))

    def integer(self):
        minus = self.take("-")
        token = self.next()
        if token.kind != "number" or "." in token.text:
            self.at -= 1
            self.fail("a whole number")
        return -number(token.text) if minus else number(token.text)

    def seconds(self):
        token = self.next()
        if token.kind != "number":
            self.at -= 1
            self.fail("a time in seconds")
        return float(token.text)

    # ---- the whole ----------------------------------------------------------------------------

    def script(self):
        options, events = {}, []
        while self.peek().kind == "option":
            name = self.next().text[2:]
            value = ""
            if self.take("="):
                token = self.next()
                value = token.text.strip('"')
                while self.peek().begin == self.peek(-1).end and self.peek().kind != "end":
                    value += self.next().text
            options[name] = value
        while self.peek().kind != "end":
            events.append(self.event())
        return options, events

    def event(self):
        line = self.peek().line
        if self.peek().kind == "command":
            return Event(line, When("relative"), self.next().text.strip("`"))
        when = self.when()
        if self.peek().kind == "command":
            return Event(line, when, self.next().text.strip("`"))
        if self.is_next("<") or self.is_next(">"):
            return Event(line, when, self.packet())
        return Event(line, when, self.call())

    def when(self):
        if self.take("*"):
            return When("any")
        relative = self.take("+")
        when = When("relative" if relative else "absolute", self.seconds())
        if self.take("~"):
            if self.take("+") != relative:
                self.fail("both ends relative, or none")
            when.kind = "relative range" if relative else "range"
            when.end = self.seconds()
        if self.take("..."):
            when.until = self.seconds()
        return when

    # ---- system calls -------------------------------------------------------------------------

    def call(self):
        if self.peek().kind != "word":
            self.fail("a system call, < or >")
        call = Call(self.next().text, self.arguments("(", ")"), None)
        self.need("=")
        if self.take("..."):
            call.result = "..."
        else:
            call.result = self.integer()
        if self.peek().kind == "word":
            call.error = self.next().text
        if self.take("("):          # what it means, for the reader
            while not self.take(")"):
                self.next()
        return call

    def arguments(self, opening, closing):
        self.need(opening)
        values = []
        while not self.take(closing):
            values.append(self.value())
            if not self.is_next(closing):
                self.need(",")
        return values

    def value(self):
        token = self.peek()
        if self.take("..."):
            return "..."
        if token.kind == "string":
            self.at += 1
            return ("text", token.text[1:-1])
        if self.is_next("["):
            return self.arguments("[", "]")
        if self.is_next("{"):
            return self.members()
        if token.kind == "word" and self.peek(1).text == "(":
            name = self.next().text
            return (name, self.arguments("(", ")"))
        return self.flags()

    def flags(self):
        value = [self.term()]
        while self.take("|"):
            value.append(self.term())
        return value[0] if len(value) == 1 else ("or", value)

    def term(self):
        if self.peek().kind == "word":
            return self.next().text
        return self.integer()

    def members(self):
        self.need("{")
        found = {}
        while not self.take("}"):
            token = self.peek()
            if token.kind == "word" and self.peek(1).text in ("=", "("):
                name = self.next().text
                if self.take("("):      # msg_iov(2)=..., msg_name(...)=...
                    self.value()
                    self.need(")")
                self.need("=")
                found[name] = self.value()
            else:
                found[len(found)] = self.value()
            if not self.is_next("}"):
                self.need(",")
        return found

    # ---- packets ------------------------------------------------------------------------------

    def packet(self):
        segment = Segment(self.next().text == "<")
        while self.is_next("[") or self.is_next("("):
            if self.peek(1).kind == "number":   # what an ICMP message quotes may stand before it
                self.need("[")
                segment.quoted = self.range()
                self.need("]")
            else:
                self.ip_info(segment)
        if self.take("udp"):
            segment.kind = "udp"
            self.need("(")
            segment.bytes = self.integer()
            self.need(")")
        elif self.take("icmp"):
            self.icmp(segment)
        else:
            self.tcp(segment)
        return segment

    def ip_info(self, segment):
        closing = "]" if self.next().text == "[" else ")"
        while not self.take(closing):
            word = self.next().text
            if word in ECN:
                segment.ecn = word
            elif word == "tos":
                segment.tos = self.integer()
            elif word == "ttl":
                segment.ttl = self.integer()
            else:
                self.at -= 1
                self.fail("ect0, ect1, ce, noecn, tos N or ttl N")
            self.take(",")

    def icmp(self, segment):
        segment.kind = "icmp"
        segment.icmp = self.next().text
        if self.peek().kind == "word" and self.peek().text != "mtu":
            segment.icmp_code = self.next().text
        if self.take("mtu"):
            segment.icmp_mtu = self.integer()
        if self.take("["):
            segment.quoted = self.range()
            self.need("]")

    def range(self):
        first = self.integer()
        self.need(":")
        end = self.integer()
        self.need("(")
        size = self.integer()
        self.need(")")
        if (end - first) % 2**32 != size:
            self.fail(f"{first}:{end} to be of {size} bytes")
        return first, end, size

    def flag_text(self):
        first = self.peek()
        text = ""
        while self.peek().kind in ("word", "sign", "number", "dots") and (
                not text or self.peek().begin == self.peek(-1).end):
            text += self.next().text
        if not FLAGS.match(text):
            self.at = self.tokens.index(first)
            self.fail("TCP flags")
        return text

    def tcp(self, segment):
        segment.flags = self.flag_text()
        segment.seq, _, segment.bytes = self.range()
        segment.options = []
        while True:
            if self.take("ack"):
                segment.ack = self.integer()
            elif self.take("win"):
                segment.window = self.integer()
            elif self.take("urg"):
                segment.urgent = self.integer()
            else:
                break
        if self.take("<"):
            self.tcp_options(segment)

    def tcp_options(self, segment):
        if self.take("..."):
            segment.options = None
            self.need(">")
            return
        while not self.take(">"):
            option = Option(self.next().text)
            while not self.is_next(",") and not self.is_next(">"):
                option.values.append(self.next().text)
            segment.options.append(option)
            self.take(",")


def parse(text):
    return Parser(text).script()
