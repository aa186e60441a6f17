#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: the log, the capture, full disks, and berth killed: what is written, what is said, and
that nothing is left behind."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import time

import host
import tap

FIELDS = ["time", "event", "direction", "protocol", "local_address", "local_port",
          "remote_address", "remote_port", "host_name", "service", "category", "process", "rule",
          "answer", "rule_origin"]
END_FIELDS = FIELDS + ["bytes_out", "bytes_in", "duration_ms", "end"]


def hello(connection):
    connection.recv(3)
    connection.sendall(b"hello")
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)


TALK = ("import socket, sys\n"
        "c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)\n"
        "c.sendall(b'abc')\n"
        "while c.recv(100): pass\n"
        "c.close()\n")


def check_log(directory, server):
    log = os.path.join(directory, "log")
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    shut = closed.getsockname()[1]
    script = (TALK.replace("c.close()\n", "c.close()\nme = c.getsockname\n") +
              "for port in (int(sys.argv[3]), 22):\n"
              "    try: socket.create_connection(('10.0.2.2', port), timeout=10)\n"
              "    except OSError: pass\n"
              "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "u.connect(('192.0.2.1', 443))\n"
              "u.send(b'x')\n"
              "try: u.settimeout(5); u.recv(1)\n"
              "except OSError: pass\n")
    begin = datetime.datetime.now(datetime.timezone.utc)
    for _ in range(2):
        done = host.run("--quiet", "--log", log, "--allow", f"out {server.port},{shut} to host",
                        "--", *host.python(script, "10.0.2.2", server.port, shut))
    tap.is_equal("a run with a log", (done.returncode, done.stderr), (0, ""))
    lines = host.read_log(log)
    tap.is_equal("one line for each event, added to the file",
                 [line["event"] for line in lines],
                 ["open", "close", "failed", "refused", "refused"] * 2)
    lines = lines[:5]
    tap.is_equal("the fields of an open", list(lines[0]), FIELDS)
    for line in lines[1:]:
        tap.is_equal(f"the fields of {line['event']}", list(line), END_FIELDS)
    stamp = datetime.datetime.strptime(lines[0]["time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    tap.check("the time is the time", abs((stamp - begin).total_seconds()) < 60
              and lines[0]["time"].endswith("Z"), lines[0]["time"])
    close = lines[1]
    wanted = {"direction": "out", "protocol": "tcp", "local_address": "10.0.2.100",
              "remote_address": "10.0.2.2", "remote_port": server.port, "host_name": None,
              "bytes_out": 3, "bytes_in": 5, "end": "closed"}
    tap.is_equal("a connection that was let through", {key: close[key] for key in wanted}, wanted)
    tap.check("and the rule that did", close["rule"].startswith("allow out ")
              and str(server.port) in close["rule"], close["rule"])
    tap.check("its duration, its process", 0 <= close["duration_ms"] < 60000
              and close["process"]["name"].startswith("python")
              and isinstance(close["process"]["pid"], int), close)
    tap.check("one that the host refused: failed, refused",
              lines[2]["end"] == "refused" and lines[2]["remote_port"] == shut, lines[2])
    wanted = {"remote_port": 22, "service": "ssh", "category": "system", "rule": None,
              "end": "denied", "bytes_out": 0, "bytes_in": 0}
    tap.is_equal("one that no rule allows: refused, denied",
                 {key: lines[3][key] for key in wanted}, wanted)
    wanted = {"protocol": "udp", "remote_address": "192.0.2.1", "remote_port": 443,
              "service": "https", "end": "denied"}
    tap.is_equal("a datagram", {key: lines[4][key] for key in wanted}, wanted)
    tap.check("who asked", all(line["process"] and line["process"]["name"].startswith("python")
                               for line in lines), [line["process"] for line in lines])
    closed.close()


def check_host_name(directory, server):
    """A log line has the name that the program asked for."""
    log = os.path.join(directory, "names")
    done = host.run("--quiet", "--log", log, "--hosts", "named.test=10.0.2.2", "--allow",
                    f"out {server.port} to host", "--", "sh", "-c",
                    'dig +short named.test >/dev/null; exec "$@"', "sh",
                    *host.python(TALK, "10.0.2.2", server.port))
    lines = host.read_log(log)
    tap.check("the host's name is in the log", done.returncode == 0
              and lines[-1]["host_name"] == "named.test", lines)


def tcpdump(path, *words):
    return subprocess.run(["tcpdump", "-n", "-r", path, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30, check=False)


def check_pcap(directory, server):
    pcap = os.path.join(directory, "pcap")
    for gateway in ("10.0.2.2", "fd00::2"):
        begin = time.time()
        done = host.run("--quiet", "--pcap", pcap, "--allow", f"out {server.port} to host", "--",
                        *host.python(TALK, gateway, server.port))
        text = tcpdump(pcap, "-tt", "-v", "tcp").stdout
        tap.check(f"tcpdump reads the capture, {gateway}: handshake, data, both ends",
                  done.returncode == 0 and "Flags [S]" in text and "Flags [S.]" in text
                  and "length 5" in text and text.count("Flags [F") == 2, text)
        tap.check(f"with right checksums, {gateway}", "incorrect" not in text
                  and ("(correct)" in text or "correct" in text), text)
        stamp = float(re.search(r"^(\d+\.\d+) IP", text, re.MULTILINE).group(1))
        tap.check(f"and the wall clock's time, {gateway}", abs(stamp - begin) < 60,
                  (stamp, begin))


def check_full_disk(directory, server):
    rule = ["--quiet", "--allow", f"out {server.port} to host"]
    talk = host.python(TALK, "10.0.2.2", server.port)
    both = ["sh", "-c", '"$@" && "$@" && echo done', "sh", *talk]
    done = host.run(*rule, "--log", "/dev/full", "--", *both)
    tap.check("a full disk under the log: said once, the program goes on",
              done.stdout == "done\n" and done.stderr.count("\n") == 1
              and done.stderr.startswith("berth: cannot write to the log '/dev/full': "
                                         "No space left on device"), done.stderr)
    small = os.path.join(directory, "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], check=True)
    try:
        path = os.path.join(small, "pcap")
        flood = host.UdpServer(lambda data, client: data)
        done = host.run("--quiet", "--allow", f"out {flood.port}/udp to host", "--pcap", path, "--",
                        *host.python("import socket\n"
                                     "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                     "s.settimeout(10)\n"
                                     f"s.connect(('10.0.2.2', {flood.port}))\n"
                                     "for i in range(100): s.send(b'x' * 1000); s.recv(2000)\n"
                                     "print('done')\n"))
        tap.check("a full disk under the capture: said once, the program goes on",
                  done.stdout == "done\n" and done.stderr.count("\n") == 1
                  and "cannot write to the capture" in done.stderr, (done.stdout, done.stderr))
        os.unlink(path)
        path = os.path.join(small, "log")
        done = host.run("--quiet", "--allow", f"out {flood.port}/udp to host", "--log", path, "--",
                        *host.python("import socket\n"
                                     "for i in range(100):\n"
                                     "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                     "    s.settimeout(10)\n"
                                     f"    s.connect(('10.0.2.2', {flood.port}))\n"
                                     "    s.send(b'x'); s.recv(10)\n"
                                     "print('done')\n"))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        tap.check("a disk that fills up under the log: said once, its lines are whole",
                  done.stdout == "done\n" and done.stderr.count("\n") == 1
                  and text.endswith("}\n") and len(text.splitlines()) > 10
                  and all(json.loads(line) for line in text.splitlines()), done.stderr)
    finally:
        subprocess.run(["umount", small], check=False)


def devices():
    with open("/proc/net/dev", encoding="ascii") as file:
        return sorted(line.split(":")[0].strip() for line in file if ":" in line)


def mounts():
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return file.read()


def check_killed(server):
    """kill -9: the program is told by its link going down, and nothing is left on the host."""
    before = (devices(), mounts())
    process = host.start("--quiet", "-p", "8080:80", "--allow", f"out {server.port} to host", "--",
                         *host.python(
                             "import socket, sys, time, errno, os\n"
                             f"c = socket.create_connection(('10.0.2.2', {server.port}))\n"
                             "print('ready', flush=True)\n"
                             "os.read(0, 1)\n"
                             "try: socket.create_connection(('10.0.2.2', 9), timeout=10)\n"
                             "except OSError as e: print(errno.errorcode[e.errno], flush=True)\n"),
                         stdin=subprocess.PIPE)
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    process.stdin.write("\n")
    process.stdin.flush()
    tap.check("killed: the program's network is gone",
              process.stdout.readline().strip() in ("ENETUNREACH", "ENETDOWN", "EHOSTUNREACH"))
    process.communicate(timeout=10)
    with socket.socket() as probe:
        tap.check("killed: the published port is free",
                  probe.connect_ex(("127.0.0.1", 8080)) != 0)
    tap.is_equal("killed: no device, no mount is left", (devices(), mounts()), before)


def main():
    host.need("tcpdump", "dig", "mount", "umount")
    server = host.Server(hello)
    with tap.temp_dir() as directory:
        os.chmod(directory, 0o755)
        check_log(directory, server)
        check_host_name(directory, server)
        check_pcap(directory, server)
        check_full_disk(directory, server)
    check_killed(server)
    tap.done()


main()
