#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth audit, in a network namespace whose listeners are all this test's. Each kind of command
that it gives is run as it stands (sudo and systemctl are this test's), and has to mend what it says."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests", "interop"))
import tap  # noqa: E402
import host  # noqa: E402: moves into the namespace

ANYONE, NETWORK, LOOPBACK = "203.0.113.7", "192.168.7.1", "127.0.0.1"
UDP = socket.SOCK_DGRAM
FIELDS = ["id", "kind", "severity", "title", "meaning", "commands", "protocol", "port", "exposure",
          "sockets"]
# A listener by a process of that name, which ends with its input.
LISTENER = """
import ctypes, os, socket, sys
held = []
for word in sys.argv[2:]:
    address, port, kind = word.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, int(kind))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((address, int(port)))
    if int(kind) == socket.SOCK_STREAM:
        one.listen(16)
    held.append(one)
ctypes.CDLL(None).prctl(15, os.fsencode(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def listener(name, *ends):
    """ENDS: (address, port) or (address, port, kind)."""
    words = [",".join(map(str, (*end, int(socket.SOCK_STREAM))[:3])) for end in ends]
    process = subprocess.Popen([host.PYTHON, "-c", LISTENER, name, *words], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    if process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"{name} does not listen at {ends}")
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def audit(*words):
    done = tap.berth("audit", "--json", *words)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)["findings"]


def ids(*words):
    return [one["id"] for one in audit(*words)]


def finding(name, *words):
    return next((one for one in audit(*words) if one["id"] == name), None)


def setting(name, value=None):
    path = f"/proc/sys/net/ipv4/{name}"
    if value is not None:
        with open(path, "w", encoding="ascii") as file:
            file.write(value + "\n")
    with open(path, encoding="ascii") as file:
        return file.read().split()


# ---- What is found --------------------------------------------------------------------------


def check_nothing():
    done = tap.berth("audit")
    tap.is_equal("nothing is found", (done.returncode, done.stdout, done.stderr),
                 (0, "nothing found\n", ""))
    done = tap.berth("audit", "--json")
    tap.is_equal("as JSON", (done.returncode, json.loads(done.stdout)),
                 (0, {"findings": [], "ignored": 0, "unseen": 0}))


def check_exposed():
    for name, ends, expected in (
            ("redis-server", [(ANYONE, 6379)], [("exposed-service:6379/tcp", "high")]),
            ("redis-server", [(NETWORK, 6379)], [("exposed-service:6379/tcp", "medium")]),
            ("redis-server", [(LOOPBACK, 6379), ("::1", 6379)], []),
            ("redis-server", [(ANYONE, 7001)], [("exposed-service:7001/tcp", "high")]),
            ("some-program", [("0.0.0.0", 6379)], [("exposed-service:6379/tcp", "high")]),
            ("docker-proxy", [("::", 5432)], [("exposed-service:5432/tcp", "high")]),
            ("nginx", [("0.0.0.0", 5432)], []),
            ("dockerd", [("0.0.0.0", 2375)], [("exposed-service:2375/tcp", "high")]),
            ("java", [("0.0.0.0", 9200)], [("exposed-service:9200/tcp", "high")]),
            ("some-program", [("0.0.0.0", 9200)], []),
            ("java", [("0.0.0.0", 8443)], []),
            ("gdbserver", [("0.0.0.0", 2345)], [("exposed-service:2345/tcp", "high")]),
            ("Xorg", [("0.0.0.0", 6000)], [("exposed-service:6000/tcp", "high")]),
            ("snmpd", [(ANYONE, 161, UDP)], [("exposed-service:161/udp", "medium")]),
            ("snmpd", [(NETWORK, 161, UDP)], []),
            ("some-program", [("0.0.0.0", 40161, UDP)], [])):
        with listener(name, *ends):
            tap.is_equal(f"{name} at {ends[0][0]}:{ends[0][1]}",
                         [(one["id"], one["severity"]) for one in audit()], expected)


def check_together():
    with listener("postgres", (NETWORK, 5432), ("0.0.0.0", 5433), (LOOPBACK, 5432),
                  (ANYONE, 5432)) as process:
        one = finding("exposed-service:5432/tcp")
        tap.is_equal("one finding a port, as wide as its widest socket",
                     (list(one), one["severity"], one["exposure"], one["protocol"], one["port"]),
                     (FIELDS, "high", "anyone", "tcp", 5432))
        tap.is_equal("with the sockets that it is about",
                     sorted((end["local_address"], end["exposure"]) for end in one["sockets"]),
                     [(NETWORK, "this network"), (ANYONE, "anyone")])
        tap.is_equal("and whose they are", one["sockets"][0]["processes"],
                     [{"pid": process.pid, "name": "postgres"}])
        done = tap.berth("audit")
        tap.check("for people", done.returncode == 1 and done.stderr == ""
                  and "high   PostgreSQL is open to anyone  (exposed-service:5432/tcp)"
                  in done.stdout and f"postgres ({process.pid})" in done.stdout
                  and "2 findings: 2 high, 0 medium, 0 low" in done.stdout
                  and "No firewall was looked at" in done.stdout, done.stdout)


def check_wrong():
    for name, ends, expected in (
            ("sshd", [("0.0.0.0", 22)], []),
            ("sshd", [("0.0.0.0", 443)], [("wrong-service:443/tcp", "medium")]),
            ("sshd", [(LOOPBACK, 443)], [("wrong-service:443/tcp", "low")]),
            ("sshd", [("0.0.0.0", 2222)], []),
            ("sshd", [("0.0.0.0", 5432)], [("wrong-service:5432/tcp", "low")]),
            ("sshd", [("0.0.0.0", 23)], [("wrong-service:23/tcp", "medium")]),
            ("lighttpd", [("0.0.0.0", 443)], []),
            ("some-program", [("0.0.0.0", 443)], []),
            ("named", [("0.0.0.0", 53), ("0.0.0.0", 53, UDP), ("0.0.0.0", 45000, UDP)], []),
            ("chronyd", [("0.0.0.0", 123, UDP), (LOOPBACK, 323, UDP)], [])):
        with listener(name, *ends):
            tap.is_equal(f"{name} at port {ends[0][1]}",
                         [(one["id"], one["severity"]) for one in audit()], expected)


def check_cleartext():
    for ends, expected, words in (
            ([(ANYONE, 23)], [("cleartext-service:23/tcp", "high")], "ssh (22/tcp), which is not"),
            ([(NETWORK, 23)], [("cleartext-service:23/tcp", "medium")], "ssh (22/tcp)"),
            ([(LOOPBACK, 23)], [], ""),
            ([("::", 80)], [("cleartext-service:80/tcp", "low")], "https (443/tcp), which is not"),
            ([("::", 80), ("::", 443)], [("cleartext-service:80/tcp", "low")],
             "https (443/tcp), which is served here too"),
            ([("::", 21)], [("cleartext-service:21/tcp", "medium")], "ftps (990/tcp)"),
            ([("::", 389)], [("cleartext-service:389/tcp", "medium")], "ldaps (636/tcp)"),
            ([("::", 143)], [("cleartext-service:143/tcp", "medium")], "imaps (993/tcp)"),
            ([("::", 110)], [("cleartext-service:110/tcp", "medium")], "pop3s (995/tcp)"),
            ([("::", 25)], [("cleartext-service:25/tcp", "low")], "submissions (465/tcp)"),
            ([("::", 514, UDP)], [("cleartext-service:514/udp", "low")], "syslog-tls (6514/tcp)")):
        with listener("some-program", *ends):
            found = audit()
            tap.is_equal(f"in the clear: {ends[0][0]}:{ends[0][1]}",
                         [(one["id"], one["severity"]) for one in found], expected)
            tap.check("its twin is named, with its port", words in "".join(
                one["meaning"] for one in found), found)
    with listener("some-program", ("::", 80)), listener("sshd", ("::", 443)):
        tap.check("what is no https is not said to be",
                  "which is not served here" in finding("cleartext-service:80/tcp")["meaning"])


def check_order():
    with listener("some-program", ("0.0.0.0", 80), (NETWORK, 6379), ("0.0.0.0", 23),
                  ("0.0.0.0", 2375), (LOOPBACK, 40000)), listener("sshd", ("0.0.0.0", 443)):
        tap.is_equal("worst first", ids(),
                     ["exposed-service:2375/tcp", "cleartext-service:23/tcp",
                      "exposed-service:6379/tcp", "wrong-service:443/tcp",
                      "cleartext-service:80/tcp", "ephemeral-listener:40000/tcp",
                      "ephemeral-range"])
        tap.is_equal("a kind is left out", ids("--ignore", "cleartext-service", "--ignore",
                                               "exposed-service:6379/tcp"),
                     ["exposed-service:2375/tcp", "wrong-service:443/tcp",
                      "ephemeral-listener:40000/tcp", "ephemeral-range"])
        words = [word for name in ids() for word in ("--ignore", name)]
        done = tap.berth("audit", *words)
        tap.is_equal("all that is known is left out", (done.returncode, done.stdout),
                     (0, "nothing found; 7 ignored\n"))


def check_refusals():
    for arguments, words in [(["--ignore", ""], ["--ignore"]),
                             (["--ignore", "exposed"], ["'exposed'", "exposed-service"]),
                             (["--ignore", "exposed-service:80"], ["'exposed-service:80'"]),
                             (["--ignore", "exposed-service:80/sctp"], ["80/sctp"]),
                             (["--ignore", "exposed-service:70000/tcp"], ["70000"]),
                             (["--ignore", "ephemeral-range:80/tcp"], ["ephemeral-range:80"]),
                             (["80"], ["'80'"])]:
        done = tap.berth("audit", *arguments)
        tap.check(f"refused: {' '.join(arguments)}", done.returncode == 2 and done.stdout == ""
                  and len(done.stderr.splitlines()) == 1
                  and all(word in done.stderr for word in words), done.stderr)


def check_hostile_name():
    with listener("\033[2J;`reboot`", (LOOPBACK, 40000)):
        done = tap.berth("audit")
        tap.check("a name that drives the terminal is made harmless", "\033" not in done.stdout
                  and "\\x1b[2J;`reboot`" in done.stdout, done.stdout)
        tap.check("no command has it in it", not any("reboot" in command for one in audit()
                                                     for command in one["commands"]))


def check_other_user():
    if not host.IS_ROOT_OUTSIDE:
        tap.skip("what another user finds", "this test is no root")
        return
    with listener("sshd", ("0.0.0.0", 443)), listener("redis-server", ("0.0.0.0", 6379)):
        done = subprocess.run(
            ["setpriv", "--reuid", str(host.USER), "--regid", str(host.USER), "--clear-groups",
             tap.BERTH, "audit"], capture_output=True, text=True, timeout=30, check=False)
        tap.check("another user finds what a port tells", done.returncode == 1
                  and "the port of Redis is open to anyone" in done.stdout
                  and "wrong-service" not in done.stdout, done.stdout)
        tap.is_equal("and hears what was not seen", done.stderr,
                     "berth: audit: the process of 2 listeners cannot be seen by this user (root "
                     "sees all); judged by the port alone\n")


# ---- What mends it --------------------------------------------------------------------------


class Mender:
    """Runs commands as they are given; sudo and systemctl are this test's."""

    def __init__(self, directory):
        self.directory = directory
        self.restart = "exit 3"
        self._script("sudo", 'if [ "$1" = -u ]; then shift 2; fi\nexec "$@"\n')

    def _script(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def run(self, command, **environment):
        self._script("systemctl", self.restart + "\n")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **environment, "PATH":
                                   self.directory + ":" + os.environ["PATH"]}, check=False)
        tap.check(f"it runs: {command[:50]}...", done.returncode == 0, done.stdout + done.stderr)


def outgoing_ports(count):
    """The local ports that the kernel gives to COUNT outgoing connections at once."""
    with socket.create_server((LOOPBACK, 9000), backlog=64):
        calls = [socket.create_connection((LOOPBACK, 9000)) for _ in range(count)]
        ports = {call.getsockname()[1] for call in calls}
        for call in calls:
            host.reset(call)
    return ports


def check_mend_reserved(mender):
    setting("ip_local_port_range", "40000 40007")
    setting("ip_local_reserved_ports", "40007,50000-50010")
    with listener("one", (LOOPBACK, 40001)), listener("two", (LOOPBACK, 40002), (LOOPBACK, 40003)):
        found = audit("--ignore", "ephemeral-range")
        tap.is_equal("each in the range that is not kept is found", [one["id"] for one in found],
                     [f"ephemeral-listener:{port}/tcp" for port in (40001, 40002, 40003)])
        commands = {command for one in found for command in one["commands"]}
        tap.is_equal("one command for all, with what is kept already", commands,
                     {"sudo sysctl -w net.ipv4.ip_local_reserved_ports="
                      "40001-40003,40007,50000-50010"})
        mender.run(commands.pop())
        tap.is_equal("nothing is found any more", ids(), [])
        tap.is_equal("what was kept is kept", setting("ip_local_reserved_ports"),
                     ["40001-40003,40007,50000-50010"])
    tap.is_equal("with the services down, their ports are not given to others", outgoing_ports(4),
                 {40000, 40004, 40005, 40006})
    with listener("one", (LOOPBACK, 40001)):
        tap.check("and they can start again", True)


def check_mend_long(mender):
    """More of them than the kernel reads as one list, every second port."""
    setting("ip_local_port_range", "40000 50000")
    setting("ip_local_reserved_ports", "")
    with listener("many", *((LOOPBACK, 40000 + 2 * i) for i in range(900))):
        found = audit("--ignore", "ephemeral-range")
        tap.is_equal("very many are found", len(found), 900)
        command = found[0]["commands"][0]
        tap.check("the command is as long as the kernel takes", len(command) <= 4096, len(command))
        mender.run(command)
        tap.is_equal("and mends all of them", ids(), [])
    setting("ip_local_reserved_ports", "")


def check_mend_range(mender):
    setting("ip_local_port_range", "32768 60999")
    with listener("one", (LOOPBACK, 40000), (LOOPBACK, 40001), (LOOPBACK, 55555)):
        found = finding("ephemeral-range")
        tap.check("registered ports of the range that are served",
                  "40000 (safetynetp)" in found["meaning"] and "55555" not in found["meaning"]
                  and 40000 in [one["local_port"] for one in found["sockets"]], found)
        mender.run(found["commands"][0])
        tap.is_equal("are in it no more", ids(), ["ephemeral-listener:55555/tcp"])
        tap.check("since outgoing connections get none of them",
                  all(port >= 49152 for port in outgoing_ports(30)))
    setting("ip_local_port_range", "32768 60999")


def check_mend_stop(mender):
    with listener("lighttpd", ("0.0.0.0", 22)) as process:
        mender.run(finding("wrong-service:22/tcp")["commands"][0])
        tap.is_equal("what is stopped is gone", (process.wait(timeout=10), ids()),
                     (-signal.SIGTERM, []))


def reaches(neighbour, port, kind="-z"):
    """Can the neighbour connect to this host's address?"""
    return subprocess.run(["nsenter", "-t", str(neighbour.pid), "-n", "nc", kind, "-w", "1",
                           "10.99.0.1", str(port)], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def check_mend_shut(mender):
    neighbour = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    try:
        host.wait_until(lambda: os.readlink(f"/proc/{neighbour.pid}/ns/net")
                        != os.readlink("/proc/self/ns/net"))
        host.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", neighbour.pid)
        host.ip("addr", "add", "10.99.0.1/24", "dev", "v0")
        host.ip("link", "set", "v0", "up")
        for words in (["addr", "add", "10.99.0.2/24", "dev", "v1"], ["link", "set", "v1", "up"]):
            subprocess.run(["nsenter", "-t", str(neighbour.pid), "-n", "ip", *words], check=True)
        with listener("some-program", ("0.0.0.0", 6379), ("0.0.0.0", 23), ("0.0.0.0", 8001)):
            tap.check("what is exposed can be reached", host.wait_until(
                lambda: reaches(neighbour, 6379)) and reaches(neighbour, 23))
            for one in audit():
                mender.run(one["commands"][0])
            tap.is_equal("and then not, each of them", (reaches(neighbour, 6379),
                                                        reaches(neighbour, 23)), (False, False))
            tap.check("but what was not meant can", reaches(neighbour, 8001))
            tap.check("and this host itself", host.wait_for_port(6379, LOOPBACK)
                      and host.wait_for_port(6379, "10.99.0.1"))
    finally:
        subprocess.run(["nft", "delete table inet berth_audit"], check=False)
        neighbour.kill()
        neighbour.wait()


def postgres_folder():
    root = "/usr/lib/postgresql"
    found = [os.path.join(root, version, "bin") for version in
             (sorted(os.listdir(root)) if os.path.isdir(root) else [])]
    found = [path for path in found if os.path.exists(os.path.join(path, "initdb"))]
    return found[-1] if found else None


def check_mend_postgres(mender, directory):
    programs = postgres_folder()
    if programs is None or shutil.which("psql") is None or not host.IS_ROOT_OUTSIDE:
        tap.skip("PostgreSQL is bound to loopback", "no server here, or this test is no root")
        return
    data = os.path.join(directory, "postgres")
    os.mkdir(data)
    os.chown(data, host.USER, host.USER)
    user = ["setpriv", "--reuid", str(host.USER), "--regid", str(host.USER), "--clear-groups"]
    subprocess.run([*user, f"{programs}/initdb", "-D", f"{data}/db", "-A", "trust", "-U",
                    "postgres", "--locale=C", "-N"], check=True, cwd=data,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(f"{data}/db/postgresql.conf", "a", encoding="utf-8") as file:
        file.write(f"listen_addresses = '*'\nport = 389\nunix_socket_directories = '{data}'\n")
    control = " ".join([*user, f"{programs}/pg_ctl", "-D", f"{data}/db", "-l", f"{data}/log", "-w",
                        "-s"])
    mender.restart = f'cd {data} && test "$1 $2" = "restart postgresql" && {control} -m fast restart'
    try:
        subprocess.run(["sh", "-c", f"cd {data} && {control} start"], check=True)
        tap.is_equal("PostgreSQL, exposed, at LDAP's port", ids(),
                     ["exposed-service:389/tcp", "wrong-service:389/tcp"])
        mender.run(finding("wrong-service:389/tcp")["commands"][0], PGHOST=data, PGUSER="postgres")
        tap.is_equal("is moved to its own", ids(), ["exposed-service:5432/tcp"])
        one = finding("exposed-service:5432/tcp")
        tap.check("two ways to mend that", len(one["commands"]) == 2
                  and one["commands"][1].startswith("sudo nft "), one["commands"])
        mender.run(one["commands"][0], PGHOST=data, PGUSER="postgres")
        tap.is_equal("and bound to loopback", (ids(), host.wait_for_port(5432)), ([], True))
    finally:
        subprocess.run(["sh", "-c", f"cd {data} && {control} -m immediate stop"], check=False)


def check_mend_sshd(mender, directory):
    sshd = shutil.which("sshd")
    if sshd is None or not host.IS_ROOT_OUTSIDE:
        tap.skip("sshd is moved", "no server here, or this test is no root")
        return
    folder = os.path.join(directory, "ssh")
    os.makedirs(os.path.join(folder, "sshd_config.d"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key"],
                   check=True)
    subprocess.run(["mount", "--bind", folder, "/etc/ssh"], check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    for name, text in (("sshd_config", f"Include /etc/ssh/sshd_config.d/*.conf\nHostKey /etc/ssh/key"
                        f"\nPidFile {folder}/pid\n"), ("sshd_config.d/port.conf", "Port 443\n")):
        with open(f"/etc/ssh/{name}", "w", encoding="ascii") as file:
            file.write(text)
    stop = f"kill $(cat {folder}/pid) && rm -f {folder}/pid"
    mender.restart = f'test "$1 $2" = "restart ssh" && {stop} && exec {sshd}'
    try:
        subprocess.run([sshd], check=True)
        tap.check("sshd is at https's port", host.wait_until(
            lambda: "wrong-service:443/tcp" in ids()), ids())
        mender.run(finding("wrong-service:443/tcp")["commands"][0])
        tap.check("and then at its own", host.wait_for_port(22)
                  and host.wait_until(lambda: ids() == []), ids())
    finally:
        subprocess.run(["sh", "-c", stop], check=False)
        subprocess.run(["umount", "/etc/ssh"], check=False)


def main():
    host.need("nft", "sysctl", "nc", "nsenter", "setpriv")
    host.black_hole("net0", f"{ANYONE}/24", f"{NETWORK}/24")
    setting("ip_local_port_range", "32768 60999")
    check_nothing()
    check_exposed()
    check_together()
    check_wrong()
    check_cleartext()
    check_order()
    check_refusals()
    check_hostile_name()
    check_other_user()
    with tap.temp_dir() as directory:
        os.chmod(directory, 0o755)
        mender = Mender(directory)
        check_mend_reserved(mender)
        check_mend_long(mender)
        check_mend_range(mender)
        check_mend_stop(mender)
        check_mend_shut(mender)
        check_mend_postgres(mender, directory)
        check_mend_sshd(mender, directory)
    tap.done()


main()
