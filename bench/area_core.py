# SPDX-License-Identifier: MIT
#
# The area "core": stacks in one process, no system call in between.
#
# Two kinds of figures. Processor time of two stacks that talk to each other, and beside it that of
# the one copy which carries the bytes from one to the other (bench-core). And instructions of one
# stack alone, berth's or lwIP's, the other end being made up and the same for both (bench-segments,
# counted by callgrind): these are exact, however busy the machine is.

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

import lab
import peers
from lab import Trouble
from report import table

ABOUT = "the core alone, in one process: processor time, and instructions beside lwIP's"
PROGRAM = "bench/bench-core"
BULK = (
    ("MTU 1500, checksums by berth", ["-m", "1500"]),
    ("MTU 1500, checksums by the link", ["-m", "1500", "-k"]),
    ("MTU 1500, super-segments of 64 KiB", ["-m", "1500", "-g"]),
    ("MTU 65520, checksums by the link", ["-m", "65520", "-k"]),
)
SUPER = BULK[2][0]
COPY, CONNECT = "the copy alone", "connections"
STACKS = {"berth": "bench/bench-segments", "lwip": "bench/bench-segments-lwip"}
FEW = 1000  # segments of the shorter of two counted runs
# What is counted, its words, and which stacks can.
COUNTED = (
    ("receive", "a segment comes in order, and every second is acknowledged", ["receive"],
     ("berth", "lwip")),
    ("send", "a segment goes out, out of the application's buffer, and every second ACK comes",
     ["send"], ("berth", "lwip")),
    ("receive -c", "a segment comes in order, on 100 connections by turns",
     ["receive", "-c", "100"], ("berth", "lwip")),
    ("connect", "a connection: handshake, one byte each way, the peer closes first", ["connect"],
     ("berth", "lwip")),
    ("receive -t", "receive, with timestamps", ["receive", "-t"], ("berth",)),
    ("send -t", "send, with timestamps", ["send", "-t"], ("berth",)),
    ("receive -k", "receive, checksums by the link", ["receive", "-k"], ("berth",)),
    ("send -k -p", "send, checksums by the link, out of the send queue itself",
     ["send", "-k", "-p"], ("berth",)),
    ("receive -g", "receive, a super-segment of 45 × 1448", ["receive", "-g"], ("berth",)),
    ("send -g -p", "send, super-segments, out of the send queue itself", ["send", "-g", "-p"],
     ("berth",)),
)


# Where the instructions are, by the folder of src/ that has them.
PROFILED = {"a segment in": ["receive"], "a segment out": ["send"],
            "a super-segment in": ["receive", "-g"], "a super-segment out": ["send", "-g", "-p"],
            "a connection": ["connect"]}
PARTS = ("checksums", "wire", "ip", "firewall", "stack", "tcp", "cc", "ports", "base",
         "memcpy, memset", "other libraries", "application")


def once(program, words, prefix=()):
    done = subprocess.run([*prefix, lab.built(program), *words], capture_output=True, text=True,
                          timeout=300)
    if done.returncode != 0:
        raise Trouble(f"{program} {' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout), done.stderr


def counted(program, words):
    """Instructions of the stack alone in one run, and the run's own figures."""
    got, told = once(program, words, (
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
        "--toggle-collect=counted_*", "--toggle-collect=paused_*"))
    collected = re.search(r"Collected : (\d+)", told)
    if not collected:
        raise Trouble("callgrind told no count")
    if not got["in_order"]:
        raise Trouble(f"{program} {' '.join(words)}: something was lost or out of order")
    return int(collected.group(1)), got


def each(program, words):
    """Instructions per segment, or connection: between runs of two lengths, so that what is done
    once is not in it; and the bytes of one."""
    (few, got_few), (many, got_many) = (
        counted(program, [*words, "-n", str(count)]) for count in (FEW, 3 * FEW))
    number = got_many["segments"] - got_few["segments"]
    return {"each": (many - few) / number, "bytes": got_many["bytes"] / got_many["segments"]}


def part_of(place):
    """Whose an instruction is, by callgrind_annotate's FILE:FUNCTION."""
    if re.search(r":wire_(sum|finish)\b|wire/checksum\.c:", place):
        return "checksums"
    folder = re.search(r"/src/(\w+)/", place)
    if folder:
        return folder.group(1)
    if "mem" in place:
        return "memcpy, memset"
    return "application" if "/bench/" in place else "other libraries"


def profile(words):
    """Where berth's instructions are, per segment or connection, set-up included."""
    number = 10 * FEW
    with tempfile.TemporaryDirectory(prefix="berth-bench-") as folder:
        file = os.path.join(folder, "callgrind.out")
        once(STACKS["berth"], [*words, "-n", str(number)], (
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={file}",
            "--toggle-collect=counted_*"))
        told = subprocess.run(["callgrind_annotate", "--threshold=100", "--show-percs=no", file],
                              capture_output=True, text=True, timeout=120)
    parts = {}
    for line in told.stdout.splitlines():
        found = re.match(r" *([0-9,]+) +(\S+:\S+)", line)
        if found:
            part = part_of(found.group(2))
            parts[part] = parts.get(part, 0) + int(found.group(1).replace(",", "")) / number
    if told.returncode != 0 or not parts:
        raise Trouble(f"callgrind_annotate: {told.stderr.strip()}")
    return parts


def median_of(rates):
    middle = statistics.median(rates)
    return {"median": middle, "spread": (max(rates) - min(rates)) / middle, "runs": rates}


def count_all():
    """Figures by case and stack; why a stack has none."""
    counts, missing = {}, {}
    for stack, program in STACKS.items():
        why = lab.missing(program)
        if why:
            missing[stack] = why
    for key, _, words, stacks in COUNTED:
        counts[key] = {stack: each(STACKS[stack], words) for stack in stacks
                       if stack not in missing}
        told = ", ".join(f"{stack} {got['each']:.0f}" for stack, got in counts[key].items())
        print(f"bench: core {key}: {told} instructions", file=sys.stderr, flush=True)
    return counts, missing


def profile_all():
    profiles = {}
    for key, words in PROFILED.items():
        profiles[key] = profile(words)
        print(f"bench: core profile {key}", file=sys.stderr, flush=True)
    return profiles


def run(options):
    seconds = ["-t", str(options.seconds)]
    cases = [(name, ["bulk", *words]) for name, words in BULK]
    cases += [(COPY, ["copy"]), (CONNECT, ["connect"])]
    rates = {name: [] for name, _ in cases}
    packets = {}
    for _ in range(options.runs):
        for name, words in cases:
            got, _ = once(PROGRAM, [*words, *seconds])
            if name == CONNECT:
                rates[name].append(got["connections"] / got["seconds"])
            else:
                rates[name].append(got["bytes"] * 8 / got["seconds"] / 1e9)
                packets[name] = got["seconds"] * 1e9 / got["packets"]
            print(f"bench: core {name}: {rates[name][-1]:.1f}", file=sys.stderr, flush=True)
    document = {"rates": {name: median_of(runs) for name, runs in rates.items()},
                "ns_per_packet": packets, "seconds": options.seconds, "runs": options.runs}
    if options.instructions:
        document["counts"], document["missing"] = count_all()
        document["profiles"] = profile_all()
        document["lwip"] = peers.debian_version("liblwip0")
    return document


def ns_per_kib(rate):
    return 8192 / rate["median"]  # Gb/s are bits a nanosecond


def time_table(document):
    rows = []
    for name, got in document["rates"].items():
        connect = name == CONNECT
        rows.append([
            "connect, one byte each way, close" if connect else name,
            f"{got['median']:.0f} per second" if connect else f"{got['median']:.1f} Gb/s",
            f"±{got['spread'] * 50:.0f}%",
            f"{1e9 / got['median']:.0f}" if connect else f"{document['ns_per_packet'][name]:.0f}",
            "-" if connect else f"{ns_per_kib(got):.1f}"])
    return table(["two stacks, one stream", "rate", "spread", "ns each", "ns per KiB"], rows)


def copy_sentence(document):
    both, copy = (ns_per_kib(document["rates"][name]) for name in (SUPER, COPY))
    return (f"A KiB in super-segments costs both stacks and the copy between them {both:.1f} ns; "
            f"the copy alone, out of a send queue's 4 MiB into one buffer, {copy:.1f} ns: "
            f"{both / copy:.2f} times.")


def count_table(document):
    rows = []
    for key, words, _, _ in COUNTED:
        got = document["counts"][key]
        ours, theirs = (got.get(stack, {}).get("each") for stack in STACKS)
        per_kib = ours / got["berth"]["bytes"] * 1024 if "-g" in key else None
        rows.append([words, f"{ours:.0f}", f"{theirs:.0f}" if theirs else "-",
                     f"{ours / theirs:.2f}" if theirs else "-",
                     f"{per_kib:.0f}" if per_kib else "-"])
    plain = [document["counts"][key] for key in ("receive", "send")]
    if all("lwip" in got for got in plain):
        ours, theirs = (sum(got[stack]["each"] for got in plain) for stack in STACKS)
        rows.insert(2, ["both ends of it together", f"{ours:.0f}", f"{theirs:.0f}",
                        f"{ours / theirs:.2f}", "-"])
    return table(["instructions for each", "berth", "lwIP", "berth/lwIP", "per KiB"], rows)


def profile_table(document):
    profiles = document["profiles"]
    rows = [[part, *(f"{got.get(part, 0):.0f}" for got in profiles.values())] for part in PARTS]
    return table(["instructions of berth's, in", *profiles], rows)


def text(document):
    parts = [
        f"Median of {document['runs']}, {document['seconds']:g} s of processor time each, both "
        "stacks and the one copy from one to the other together. A packet is what crosses, ACKs "
        "too; the last row counts connections.", time_table(document), copy_sentence(document)]
    if "counts" in document:
        parts += [
            "Instructions of one stack alone (callgrind), the other end made up, with the same "
            "packets for both: segments of 1448 bytes, IPv4; checksums in software and no options "
            f"unless said. lwIP is Debian's ({document['lwip']}), which checks every sum itself, "
            "has no timestamps, and copies what is written; berth is the build measured above. The "
            "sender's copy is counted.", count_table(document)]
        parts += ["Where they are, by the folder of `src/`; \"application\" is the program that reads and "
                  "writes, \"other libraries\" is keyed hashing, for connections:",
                  profile_table(document)]
        parts += [f"- {stack}: not counted: {why}." for stack, why in document["missing"].items()]
    return "\n\n".join(parts)


def missing():
    return lab.missing(PROGRAM)
