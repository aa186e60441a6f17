# SPDX-License-Identifier: MIT
"""./dev bench still measures: a short run of each area gives figures. How high is nobody's test."""

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap

BENCH = os.path.join(os.environ["BERTH_SOURCE"], "bench", "bench")
SEGMENTS = ["receive", "receive -c 100", "send", "connect"]
SEGMENTS_BERTH = ["receive -t", "send -t", "receive -k", "send -k -p", "receive -g", "send -g -p",
                  "connect -t"]
SHORT = ["--build", os.environ["BERTH_BUILD"], "--seconds", "0.2", "--runs", "1"]


def bench(*words, before=None):
    return subprocess.run([BENCH, *words, *SHORT], stdin=subprocess.DEVNULL, timeout=240,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=before)


def document(*words, before=None):
    done = bench(*words, "--json", before=before)
    if not tap.is_equal(f"{words[0]}: its status", done.returncode, 0):
        tap.diag(done.stderr)
        return {}
    return json.loads(done.stdout)


def has_namespaces():
    done = subprocess.run(["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "-r"]),
                           "true"], stderr=subprocess.PIPE)
    return done.returncode == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


def test_run():
    if not has_namespaces():
        tap.skip("run", "namespaces or /dev/net/tun are not permitted here")
        return
    got = document("run", "--peers", "berth,veth", "--mtu", "1500", "--streams", "2", "--ipv6",
                   "--at-once", "1,8", "--cores", "one")
    rows = got.get("run", {}).get("rows", [])
    tap.is_equal("run: all measurements are there", len(rows), 18)
    empty = [f"{row['test']} IPv{row['ip']} {name}: {figures.get('trouble', figures)}"
             for row in rows for name, figures in row["peers"].items()
             if figures.get("gbps", figures.get("per_second", 0)) <= 0 or "trouble" in figures
             or len(row["peers"]) != 2]
    tap.check("run: each has a figure for both peers", not empty, "\n".join(empty))
    used = [row["peers"]["berth"].get("cpu_s_per_gb", 1) for row in rows if "berth" in row["peers"]]
    tap.check("run: berth's processor time was found", used and min(used) > 0, used)


def test_loss():
    if not has_namespaces():
        tap.skip("loss", "namespaces or /dev/net/tun are not permitted here")
        return
    got = document("loss", "--loss", "0,1", "--delay", "1", "--directions", "out,in")
    rows = got.get("loss", {}).get("rows", [])
    tap.is_equal("loss: all cells are there", len(rows), 4)
    tap.check("loss: each has a figure for both", rows and all(
        row["linux"] > 0 and row["berth"] > 0 for row in rows), rows)


def test_stack():
    if not has_namespaces():
        tap.skip("stack", "namespaces or /dev/net/tun are not permitted here")
        return
    got = document("stack", "--mtu", "1500,65520").get("stack", {})
    tap.check("stack: berth and lwIP are measured", {"berth", "lwip"} <= set(got.get("versions", {})),
              got.get("missing"))
    tap.check("stack: gVisor too, or it says why", {"gvisor"} <= set(got.get("versions", {}))
              | set(got.get("missing", {})), got)
    tap.is_equal("stack: no cell went wrong", got.get("trouble"), {})
    rows = got.get("rows", [])
    tap.is_equal("stack: all cells are there", [(row["mtu"], row["test"]) for row in rows],
                 [(1500, "receive"), (1500, "send"), (1500, "rr"), (65520, "receive"),
                  (65520, "send")])
    figures = [run.get("gbps", run.get("per_second", 0)) for row in rows
               for runs in row["stacks"].values() for run in runs]
    tap.check("stack: each has a figure", figures and min(figures) > 0, rows)


def test_core():
    rates = document("core").get("core", {}).get("rates", {})
    tap.check("core: six rates", len(rates) == 6 and all(r["median"] > 0 for r in rates.values()),
              rates)


def test_registry():
    runs = document("registry").get("registry", {}).get("runs", {})
    tap.check("registry: four figures of berth and of libc", all(
        len(got) == 5 and min(got.values()) > 0 for way in ("berth", "libc")
        for got in runs.get(way, [{}])), runs)


def forbid_io_uring():
    """What containers do: io_uring_setup (425 on every processor) is EPERM from here on."""
    code = b"".join(struct.pack("=HBBI", *line) for line in (
        (0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)))
    memory = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def device_ways(got):
    """The ways that have a figure for each size in both directions."""
    rows = got.get("rows", {})
    return {way for way in rows.get("read", {})
            if all(len(rows[direction][way]) == 3 and min(map(min, rows[direction][way].values())) > 0
                   for direction in ("read", "write"))}


def test_device():
    if not has_namespaces():
        tap.skip("device", "namespaces or /dev/net/tun are not permitted here")
        return
    rings = {"ring", "registered", "deferred"}
    got = document("device").get("device", {})
    tap.is_equal("device: each way is measured, or an io_uring is refused and it says why",
                 device_ways(got) | (rings & set(got.get("refused", {}))),
                 {"whole", "parts"} | rings)
    got = document("device", before=forbid_io_uring).get("device", {})
    tap.is_equal("device: where io_uring is forbidden the others are measured", device_ways(got),
                 {"whole", "parts"})
    tap.is_equal("device: and it says so", got.get("refused"),
                 dict.fromkeys(rings, "io_uring_setup: Operation not permitted"))


def test_segments():
    """Both stacks get and acknowledge all that is sent, by whatever way."""
    for program, cases in (("bench-segments", SEGMENTS + SEGMENTS_BERTH),
                           ("bench-segments-lwip", SEGMENTS)):
        path = os.path.join(os.environ["BERTH_BUILD"], "bench", program)
        if not os.access(path, os.X_OK):
            tap.skip(program, "not built: no liblwip-dev")
            continue
        for case in cases:
            done = subprocess.run([path, *case.split(), "-n", "500"], timeout=60, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            got = json.loads(done.stdout or "{}")
            tap.check(f"{program} {case}: all in order", done.returncode == 0
                      and got["segments"] >= 500 and got["in_order"]
                      and (case.startswith("connect") or got["bytes"] > 1200 * 500), f"{got} {done.stderr}")


def test_counts():
    if not shutil.which("valgrind"):
        tap.skip("core: instructions", "valgrind is not installed")
        return
    counts = document("core", "--instructions").get("core", {}).get("counts", {})
    tap.check("core: berth's instructions are counted", counts and all(
        got["berth"]["each"] > 100 for got in counts.values()), counts)


def test_options():
    done = bench("nonsense")
    tap.is_equal("an unknown area: status 2", done.returncode, 2)
    tap.check("it is named", "nonsense" in done.stderr, done.stderr)
    before = set(os.listdir("/sys/class/net"))
    tap.check("nothing is left on the host", not {"host0", "server0"} & before, before)


test_run()
test_loss()
test_stack()
test_core()
test_registry()
test_device()
test_segments()
test_counts()
test_options()
tap.done()
