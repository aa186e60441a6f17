#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth sockets, in a network namespace whose sockets are all this test's."""

import contextlib
import ctypes
import json
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests", "interop"))
import tap  # noqa: E402
import host  # noqa: E402: moves into the namespace
import terminal  # noqa: E402

NAME = b"\033[2Jevil\xff"
FIELDS = ["protocol", "state", "local_address", "local_port", "peer_address", "peer_port",
          "interface", "v6_only", "port", "category", "service", "processes", "uid", "user",
          "exposure"]
# Bound sockets are told since Linux 6.8.
HAS_BOUND = tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (6, 8)


def hold(address, port, kind=socket.SOCK_STREAM, listen=True, v6_only=None, device=None):
    held = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v6_only is not None:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
    if device:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    held.bind((address, port))
    if listen and kind == socket.SOCK_STREAM:
        held.listen(16)
    return held


def rows(*arguments, **options):
    done = tap.berth("sockets", "--json", *arguments, **options)
    return json.loads(done.stdout)


def row(port, *arguments):
    """The one socket at that local port."""
    found = [one for one in rows(*arguments) if one["local_port"] == port]
    return found[0] if len(found) == 1 else {"found": found}


@contextlib.contextmanager
def child(code, *words):
    """A process of another program's; it says when it is ready and ends with its input."""
    process = subprocess.Popen([host.PYTHON, "-c", code + "\nprint('ready', flush=True)\ninput()",
                                *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, pass_fds=[int(word) for word in words])
    process.stdout.readline()
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


# ---- What is told ---------------------------------------------------------------------------


def check_none():
    done = tap.berth("sockets")
    tap.is_equal("a host without sockets", (done.returncode, done.stdout, done.stderr),
                 (1, "", "berth: sockets: no socket matches\n"))
    done = tap.berth("sockets", "--json")
    tap.is_equal("the same as JSON", (done.returncode, json.loads(done.stdout)), (1, []))


def check_listener():
    with hold("127.0.0.1", 5432):
        told = row(5432)
        tap.is_equal("the fields, in their order", list(told), FIELDS)
        tap.is_equal("a listener", told,
                     {"protocol": "tcp", "state": "listen", "local_address": "127.0.0.1",
                      "local_port": 5432, "peer_address": None, "peer_port": None,
                      "interface": None, "v6_only": None, "port": 5432, "category": "user",
                      "service": "postgresql",
                      "processes": [{"pid": os.getpid(), "name": told["processes"][0]["name"]}],
                      "uid": os.geteuid(), "user": "root", "exposure": "loopback"})
        done = tap.berth("sockets")
        lines = done.stdout.splitlines()
        tap.check("for people", (done.returncode, done.stderr) == (0, "") and len(lines) == 2
                  and re.split(r"  +", lines[0]) == ["PROTO", "STATE", "LOCAL", "PEER", "SERVICE",
                                                     "CATEGORY", "PROCESS", "USER", "EXPOSURE"]
                  and "127.0.0.1:5432" in lines[1] and f"({os.getpid()})" in lines[1]
                  and lines[1].endswith("loopback"), done.stdout + done.stderr)


def check_connection():
    with hold("::1", 443) as server, socket.create_connection(("::1", 443)) as client:
        accepted, _ = server.accept()
        local = client.getsockname()[1]
        ours, theirs = row(local), [one for one in rows() if one["peer_port"] == local]
        tap.is_equal("an opened connection is of its peer's service",
                     (ours["state"], ours["peer_address"], ours["peer_port"], ours["port"],
                      ours["service"], ours["category"], ours["exposure"]),
                     ("established", "::1", 443, 443, "https", "system", None))
        tap.is_equal("an accepted one of its own port's",
                     [(one["local_port"], one["port"], one["service"]) for one in theirs],
                     [(443, 443, "https")])
        accepted.close()  # the first to close is left in TIME-WAIT
        ours = row(local)
        tap.is_equal("what the peer has closed", ours["state"], "close-wait")
    left = [one for one in rows() if one["state"] == "time-wait"]
    tap.is_equal("TIME-WAIT has neither process nor user",
                 [(one["local_port"], one["service"], one["processes"], one["uid"], one["user"])
                  for one in left], [(443, "https", [], None, None)])
    done = tap.berth("sockets")
    tap.check("and is not counted as unseen", done.stderr == "" and "time-wait" in done.stdout,
              done.stdout + done.stderr)


def check_datagrams():
    with hold("127.0.0.1", 53, socket.SOCK_DGRAM), \
            hold("127.0.0.1", 7777, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", 53))
        server, asks = row(53, "--port", "53/udp", "--listening"), row(7777)
        tap.is_equal("UDP without a peer", (server["state"], server["service"],
                                            server["exposure"]), ("open", "domain", "loopback"))
        tap.is_equal("UDP with a peer", (asks["state"], asks["port"], asks["exposure"]),
                     ("connected", 53, None))


def check_bound():
    with hold("127.0.0.1", 7778, listen=False):
        if HAS_BOUND:
            told = row(7778)
            tap.is_equal("TCP that is bound and does not listen",
                         (told["state"], told["exposure"]), ("bound", None))
            tap.is_equal("does not count as listening", rows("--listening"), [])
        else:
            tap.skip("TCP that is bound and does not listen", "not told before Linux 6.8")


def check_half_open():
    with hold("127.0.0.1", 7779), socket.socket() as client:
        host.ip("link", "set", "lo", "mtu", "1500")
        client.setblocking(False)
        subprocess.run(["nft", "add table inet t; add chain inet t c { type filter hook input "
                        "priority 0; }; add rule inet t c tcp dport 7779 tcp flags & (syn | ack) "
                        "== ack drop"], check=True)
        try:
            client.connect(("127.0.0.1", 7779))
        except BlockingIOError:
            pass
        states = {one["state"] for one in rows("--port", "7779")}
        tap.is_equal("a half-open connection", states, {"listen", "syn-received", "established"})
        subprocess.run(["nft", "delete table inet t"], check=True)


# ---- Who can reach it -----------------------------------------------------------------------


def exposure(address, port=8000, **options):
    with hold(address, port, **options):
        return row(port)["exposure"]


def check_exposure_alone():
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        tap.is_equal(f"{address} is loopback", exposure(address), "loopback")
    for address in ("0.0.0.0", "::"):
        tap.is_equal(f"{address} on a host with loopback alone", exposure(address), "loopback")


def check_exposure_link():
    host.black_hole("link0")
    host.ip("addr", "add", "fe80::7/64", "dev", "link0", "nodad")
    tap.is_equal(":: for IPv6 alone, on a host with link-local addresses",
                 exposure("::", v6_only=1), "this network")
    tap.is_equal("0.0.0.0 there: it has no IPv4 address but loopback's", exposure("0.0.0.0"),
                 "loopback")
    host.ip("addr", "add", "169.254.7.7/16", "dev", "link0")
    tap.is_equal("a link-local IPv4 address", exposure("0.0.0.0"), "this network")
    tap.is_equal("by itself", exposure("169.254.7.7"), "this network")


def check_exposure_network():
    host.black_hole("net0", "192.168.7.1/24", "fd00:7::1/64", "203.0.113.7/24", "2001:db8:7::1/64",
                    "10.7.0.1/8", "172.20.0.1/16", "100.64.7.1/10", "11.0.0.1/8")
    for address, expected in (("192.168.7.1", "this network"), ("10.7.0.1", "this network"),
                              ("172.20.0.1", "this network"), ("100.64.7.1", "this network"),
                              ("fd00:7::1", "this network"), ("203.0.113.7", "anyone"),
                              ("11.0.0.1", "anyone"), ("2001:db8:7::1", "anyone"),
                              ("0.0.0.0", "anyone"), ("::", "anyone"), ("127.0.0.1", "loopback")):
        tap.is_equal(f"{address}: {expected}", exposure(address), expected)
    tap.is_equal("every address, by the loopback alone", exposure("0.0.0.0", device="lo"),
                 "loopback")
    tap.is_equal("UDP the same", exposure("::", kind=socket.SOCK_DGRAM), "anyone")
    with hold("0.0.0.0", 8000, device="net0"):
        told = row(8000)
        tap.is_equal("an interface is named", (told["interface"], told["exposure"]),
                     ("net0", "anyone"))
        shown = tap.berth("sockets").stdout
        tap.check("and shown as ss does", "0.0.0.0%net0:8000" in shown, shown)


def check_versions():
    for v6_only in (0, 1):
        with hold("::", 8000, v6_only=v6_only):
            tap.is_equal(f"IPV6_V6ONLY {v6_only} is told", row(8000)["v6_only"], bool(v6_only))
    host.ip("addr", "del", "2001:db8:7::1/64", "dev", "net0")
    host.ip("addr", "del", "fd00:7::1/64", "dev", "net0")
    tap.is_equal(":: for IPv6 alone does not take IPv4's addresses", exposure("::", v6_only=1),
                 "this network")
    tap.is_equal(":: for both does", exposure("::", v6_only=0), "anyone")
    host.ip("route", "add", "local", "2001:db8:8::/64", "dev", "lo")
    tap.is_equal("what a local route makes the host's own counts", exposure("::", v6_only=1),
                 "anyone")
    for path in ("all", "lo", "link0", "net0"):
        with open(f"/proc/sys/net/ipv6/conf/{path}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    tap.is_equal("a host whose IPv6 is off", exposure("0.0.0.0"), "anyone")


# ---- Whose it is ----------------------------------------------------------------------------


def check_shared():
    with hold("127.0.0.1", 8001) as listener:
        with child("import socket, sys; s = socket.socket(fileno=int(sys.argv[1]))",
                   listener.fileno()) as other:
            pids = [one["pid"] for one in row(8001)["processes"]]
            tap.is_equal("all who have it", pids, sorted([os.getpid(), other.pid]))
            shown = tap.berth("sockets").stdout
            tap.check("for people the first, and how many more", f"({pids[0]}) +1" in shown, shown)
            for pid in pids:
                tap.is_equal("each finds it", len(rows("--process", pid)), 1)


def check_hostile_name():
    code = ("import ctypes, socket; s = socket.socket(); s.bind(('127.0.0.1', 8002)); s.listen(); "
            f"ctypes.CDLL(None).prctl(15, {NAME!r})")
    with child(code):
        shown = tap.berth("sockets").stdout
        tap.check("a name that drives the terminal is made harmless", "\033" not in shown
                  and "\\x1b[2Jevil\\xff" in shown, shown)
        tap.is_equal("as JSON it is a string", row(8002)["processes"][0]["name"],
                     "\033[2Jevil\ufffd")
        tap.is_equal("and it can be asked for", len(rows("--process", os.fsdecode(NAME))), 1)


def check_other_user():
    if not host.IS_ROOT_OUTSIDE:
        tap.skip("what another user sees", "this test is no root")
        return
    words = ["setpriv", "--reuid", str(host.USER), "--regid", str(host.USER), "--clear-groups",
             tap.BERTH, "sockets", "--listening"]
    with hold("127.0.0.1", 8003), hold("127.0.0.1", 8004):
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        lines = done.stdout.splitlines()
        tap.check("another user sees the sockets, and whose they are", done.returncode == 0
                  and len(lines) == 3 and all(" -  " in line and "root" in line
                                              for line in lines[1:]), done.stdout)
        tap.is_equal("and one line says that their processes cannot be seen", done.stderr,
                     "berth: sockets: the process of 2 sockets cannot be seen by this user; root "
                     "(with CAP_SYS_PTRACE) sees all\n")
        done = subprocess.run([*words, "--json"], capture_output=True, text=True, timeout=30,
                              check=False)
        tap.is_equal("as JSON their processes are null",
                     [one["processes"] for one in json.loads(done.stdout)], [None, None])
        done = subprocess.run([*words, "--process", str(os.getpid())], capture_output=True,
                              text=True, timeout=30, check=False)
        tap.check("a process that cannot be seen is not said to have none",
                  done.returncode == 1 and "could not be looked into" in done.stderr, done.stderr)


def check_coming_and_going():
    """Processes that end while they are looked at: a look is whole all the same."""
    code = "import os\nwhile os.fork(): os.wait()"
    makers = [subprocess.Popen([host.PYTHON, "-I", "-S", "-c", code]) for _ in range(2)]
    try:
        with hold("127.0.0.1", 8001):
            done = [tap.berth("sockets", "--listening") for _ in range(150)]
            tap.is_equal("processes may end meanwhile", {(one.returncode, one.stderr)
                                                         for one in done}, {(0, "")})
    finally:
        for maker in makers:
            maker.kill()
            maker.wait()


# ---- Which are chosen -----------------------------------------------------------------------


def check_filters():
    with hold("127.0.0.1", 443) as server, hold("127.0.0.1", 8001), \
            hold("127.0.0.1", 8001, socket.SOCK_DGRAM), \
            socket.create_connection(("127.0.0.1", 443)) as client:
        accepted, _ = server.accept()
        there = client.getsockname()[1]
        for words, expected in (
                (["--port", there], [(443, "tcp"), (there, "tcp")]),
                (["--port", "https", "--listening"], [(443, "tcp")]),
                (["--port", "8000-8010"], [(8001, "tcp"), (8001, "udp")]),
                (["--port", "8001/udp"], [(8001, "udp")]),
                (["--port", "8001/tcp,443", "--listening"], [(443, "tcp"), (8001, "tcp")]),
                (["--port", "8001/tcp", "--port", "443", "--listening"],
                 [(443, "tcp"), (8001, "tcp")]),
                (["--port", "system", "--listening"], [(443, "tcp")]),
                (["--process", os.getpid(), "--listening"],
                 [(443, "tcp"), (8001, "tcp"), (8001, "udp")])):
            tap.is_equal(" ".join(map(str, words)),
                         [(one["local_port"], one["protocol"]) for one in rows(*words)], expected)
        done = tap.berth("sockets", "--port", "9999")
        tap.is_equal("none matches", (done.returncode, done.stdout, done.stderr),
                     (1, "", "berth: sockets: no socket matches\n"))
        tap.is_equal("a process that is none", tap.berth("sockets", "--process",
                                                         "no-such").returncode, 1)
        accepted.close()


def check_refusals():
    for arguments, words in [(["--port", "70000"], ["--port", "'70000'"]),
                             (["--port", "80,"], ["--port"]),
                             (["--port", ""], ["--port"]),
                             (["--port", "80/tpc"], ["'80/tpc'", "after the slash"]),
                             (["--port", "80/sctp"], ["'80/sctp'", "tcp or udp"]),
                             (["--port", "8010-8000"], ["'8010-8000'"]),
                             (["--port", "nosuchservice"], ["'nosuchservice'", "registered"]),
                             (["--port", "9" * 80], ["'" + "9" * 64]),
                             (["--process", ""], ["--process"]),
                             (["443"], ["'443'", "--port"])]:
        done = tap.berth("sockets", *arguments)
        tap.check(f"refused: {' '.join(arguments)[:20]}", done.returncode == 2
                  and done.stdout == "" and len(done.stderr.splitlines()) == 1
                  and all(word in done.stderr for word in words), done.stderr)


# ---- Where the kernel does not answer -------------------------------------------------------


def forbid_netlink(error):
    """A seccomp filter: socket(AF_NETLINK, ...) fails with ERROR."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    steps = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, 16),
             (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, program) != 0:
        os._exit(99)


def check_fallback():
    arguments = {"preexec_fn": lambda: forbid_netlink(1)}
    with hold("127.0.0.1", 443) as server, hold("0.0.0.0", 8001), hold("::1", 8005), hold("127.0.0.1", 53, socket.SOCK_DGRAM), \
            hold("::", 8006, v6_only=1), socket.create_connection(("127.0.0.1", 443)):
        accepted, _ = server.accept()
        whole, told = rows(), rows(**arguments)
        for one in whole:
            one["v6_only"] = None
        tap.is_equal("without netlink /proc/net tells the same", [
            {**one, "exposure": None} for one in told], [{**one, "exposure": None}
                                                         for one in whole])
        widths = [None, "loopback", "this network", "anyone"]
        tap.check("and no exposure is told too narrow", all(
            widths.index(one["exposure"]) <= widths.index(other["exposure"])
            for one, other in zip(whole, told)), (whole, told))
        tap.is_equal("but what listens on every address is open to anyone",
                     {one["local_port"]: one["exposure"] for one in told
                      if one["local_address"] in ("0.0.0.0", "::")},
                     {8001: "anyone", 8006: "anyone"})
        done = tap.berth("sockets", **arguments)
        tap.check("which is said", done.returncode == 0 and len(done.stderr.splitlines()) == 2
                  and "sock_diag is refused (Operation not permitted)" in done.stderr
                  and "addresses cannot be asked for" in done.stderr, done.stderr)
        accepted.close()


def check_same_as_ss():
    """What iproute2's ss sees, the bound ones apart."""
    with hold("127.0.0.1", 443) as server, hold("::", 8001, v6_only=0), \
            hold("127.0.0.1", 53, socket.SOCK_DGRAM), hold("::1", 54, socket.SOCK_DGRAM), \
            socket.create_connection(("127.0.0.1", 443)) as client:
        accepted, _ = server.accept()
        client.shutdown(socket.SHUT_WR)
        done = subprocess.run(["ss", "-H", "-tuan"], capture_output=True, text=True, check=True)
        theirs = []
        for line in done.stdout.splitlines():
            words = line.split()
            theirs.append((words[0], *(int(word.rpartition(":")[2].replace("*", "0"))
                                       for word in words[4:6])))
        ours = [(one["protocol"], one["local_port"], one["peer_port"] or 0) for one in rows()
                if one["state"] != "bound"]
        tap.is_equal("the same as ss", sorted(ours), sorted(theirs))
        accepted.close()


# ---- Again and again ------------------------------------------------------------------------


def start(*words):
    return subprocess.Popen([tap.BERTH, "sockets", "--watch", *words], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_watch_json():
    with hold("127.0.0.1", 8001):
        watch = start("--json", "--port", "8000-8100")
        told = [json.loads(watch.stdout.readline())]
        with hold("127.0.0.1", 8002) as other:
            told.append(json.loads(watch.stdout.readline()))
            client = socket.create_connection(other.getsockname())
            told += [json.loads(watch.stdout.readline()) for _ in range(2)]
            accepted, _ = other.accept()
            told.append(json.loads(watch.stdout.readline()))  # it has a process now
            host.reset(client)
            accepted.close()
            gone = [json.loads(watch.stdout.readline()) for _ in range(2)]
        told.append(json.loads(watch.stdout.readline()))
    tap.is_equal("each look's changes, a JSON object a line",
                 [(one["change"], one["state"], 8002 in (one["local_port"], one["peer_port"]))
                  for one in told],
                 [("there", "listen", False), ("opened", "listen", True),
                  ("opened", "established", True), ("opened", "established", True),
                  ("changed", "established", True), ("closed", "listen", True)])
    tap.is_equal("what is gone", {one["change"] for one in gone}, {"closed"})
    tap.check("with a time and the fields of --json", list(told[0]) == ["time", "change", *FIELDS]
              and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", told[0]["time"]), told[0])
    watch.send_signal(signal.SIGINT)
    watch.communicate(timeout=10)
    tap.is_equal("Ctrl-C ends it as it ends any program", watch.returncode, -signal.SIGINT)


def check_watch_pipe():
    with hold("127.0.0.1", 8001):
        watch = start("--listening")
        first = [watch.stdout.readline() for _ in range(2)]
        with hold("127.0.0.1", 8002):
            second = [watch.stdout.readline() for _ in range(2)]
        third = [watch.stdout.readline() for _ in range(2)]
        tap.check("what changes, as tables", " there " in first[1] and ":8001 " in first[1]
                  and " opened " in second[1] and ":8002 " in second[1]
                  and " closed " in third[1] and ":8002 " in third[1]
                  and first[0].split()[:3] == ["TIME", "CHANGE", "PROTO"], first + second + third)
        tap.check("without escapes", "\033" not in "".join(first + second + third))
        watch.stdout.close()
        tap.is_equal("nobody reads any more, and nothing changes: it ends",
                     watch.wait(timeout=10), -signal.SIGPIPE)
        watch.stderr.close()


def check_watch_terminal():
    os.environ["TERM"] = "xterm"
    with hold("127.0.0.1", 8001):
        screen = terminal.Terminal(tap.BERTH, "sockets", "--watch")
        tap.check("on a terminal it draws", screen.wait_for("\033[H\033[J")
                  and screen.wait_for("127.0.0.1:8001"), screen.text)
        with hold("127.0.0.1", 8002):
            tap.check("and draws again", screen.wait_for("\033[H\033[J")
                      and screen.wait_for("127.0.0.1:8002"), screen.text)
        screen.type("\x03")
        tap.is_equal("until Ctrl-C", screen.end(), -signal.SIGINT)


def main():
    host.need("ss", "nft", "setpriv")
    check_none()
    check_listener()
    check_connection()
    check_datagrams()
    check_bound()
    check_half_open()
    check_exposure_alone()
    check_shared()
    check_hostile_name()
    check_other_user()
    check_coming_and_going()
    check_filters()
    check_refusals()
    check_same_as_ss()
    check_fallback()
    check_watch_json()
    check_watch_pipe()
    check_watch_terminal()
    check_exposure_link()
    check_exposure_network()
    check_versions()
    tap.done()


main()
