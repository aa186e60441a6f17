# SPDX-License-Identifier: MIT
#
# What is measured: berth, the programs that others use for the same, and a plain veth pair, which
# is the limit that the machine sets. All have one face: start, a shell inside, a published port.

import json
import os
import shutil
import socket
import subprocess
import time

import lab as laboratory
from lab import Trouble

PROGRAM_PORT = 5201  # where the program inside listens


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                          capture_output=True, text=True)
    return done.stdout if done.returncode == 0 and done.stdout else "version unknown"


class Peer:
    """One proxy with a program (a sh) behind it."""

    name = ""
    is_proxy = True
    publishes_ipv6 = True
    send_buffer = None  # the host's tcp_wmem while it is measured

    def __init__(self, lab, port):
        self.lab, self.port = lab, port
        self.shell = self.root = None

    @classmethod
    def missing(cls):
        """Why it cannot be measured here, or None."""
        return None if shutil.which(cls.name) else f"{cls.name} is not installed"

    def start(self, mtu):
        raise NotImplementedError

    def published(self, family):
        """Where the server's side reaches the program: address, port."""
        return laboratory.HOST4 if family == 4 else laboratory.HOST6, self.port

    def up(self, mtu):
        self.start(mtu)
        self.received = {}
        self.client_counter = self.lab.counter()
        for family in (4, 6) if self.lab.ipv6 else (4,):
            self.received[family] = self.lab.counter()
            self.shell.serve(self.lab.command(
                "server", "0.0.0.0" if family == 4 else "::", PROGRAM_PORT,
                counter=self.received[family]))
        self.shell.run("ip link set lo up 2>/dev/null; true")

    def pids(self):
        return laboratory.tree(self.root) if self.root else []

    def down(self):
        if self.shell:
            self.shell.start(f"kill $(jobs -p) 2>/dev/null; exit")
            self.shell.close()
        self.shell = self.root = None


class Berth(Peer):
    name = "berth"
    binary = ""
    words = ()

    @classmethod
    def missing(cls):
        if not os.access(cls.binary, os.X_OK):
            return f"{cls.binary} is not built"
        help_text = subprocess.run([cls.binary, "run", "--help"], capture_output=True, timeout=10)
        return None if help_text.returncode == 0 else "this build has no berth run"

    @classmethod
    def version(cls):
        done = subprocess.run([cls.binary, "--version"], capture_output=True, text=True, timeout=10)
        return done.stdout.strip() or "version unknown"

    def start(self, mtu):
        self.shell = laboratory.Shell(
            self.binary, "run", "--quiet", "--default", "allow", "--mtu", str(mtu),
            *self.words, "-p", f"0.0.0.0:{self.port}:{PROGRAM_PORT}", "-p", f"[::]:{self.port}:{PROGRAM_PORT}",
            "--", log=self.lab.log)
        self.root = self.shell.process.pid


class OneThread(Berth):
    """With one thread, whatever there is to do."""

    name = "berth-1"
    words = ("--queues", "1")


class Queues(Berth):
    """With a queue for each of two processors."""
    name = "berth-2"
    words = ("--queues", "2")


class Other(Berth):
    """Another build of berth (--other FILE), for a comparison of two."""

    name = "other"


class Pasta(Peer):
    name = "pasta"

    @classmethod
    def version(cls):
        return f"passt {debian_version('passt')}"

    def start(self, mtu):
        self.shell = laboratory.Shell(
            "pasta", "--foreground", "--quiet", "--config-net", "--runas", "0", "--mtu", str(mtu),
            "-t", f"{self.port}:{PROGRAM_PORT}", "-u", "none", "-T", "none", "-U", "none",
            "--", log=self.lab.log)
        self.root = self.shell.process.pid


class PastaTuned(Pasta):
    """pasta at its best: its sending direction hangs on the send buffers that the host allows."""

    name = "pasta-tuned"
    send_buffer = 32 << 20

    @classmethod
    def missing(cls):
        return Pasta.missing()

    @classmethod
    def version(cls):
        return "pasta with 32 MiB of tcp_wmem on the host"

    def start(self, mtu):
        self.lab.set_send_buffer(self.send_buffer)
        try:
            super().start(mtu)
            time.sleep(0.3)  # it looks at the buffers when it starts
        finally:
            self.lab.set_send_buffer(None)


class Slirp(Peer):
    name = "slirp4netns"
    publishes_ipv6 = False

    @classmethod
    def version(cls):
        return f"slirp4netns {debian_version('slirp4netns')}"

    def start(self, mtu):
        holder = self.lab.namespace()
        control = os.path.join(self.lab.folder, f"slirp{self.port}.sock")
        if os.path.exists(control):
            os.unlink(control)
        ready_read, ready_write = os.pipe()
        self.process = subprocess.Popen(
            ["slirp4netns", "--configure", f"--mtu={mtu}", "--disable-host-loopback",
             "--enable-ipv6", f"--ready-fd={ready_write}", f"--api-socket={control}", str(holder),
             "tap0"],
            stdin=subprocess.DEVNULL, stdout=self.lab.log, stderr=self.lab.log,
            pass_fds=(ready_write,))
        self.root = self.process.pid
        os.close(ready_write)
        with os.fdopen(ready_read, "rb") as ready:
            if ready.read(1) != b"1":
                raise Trouble(f"slirp4netns did not start: {self.lab.log_tail()}")
        self.forward(control)
        self.shell = self.lab.shell(holder)

    def forward(self, control):
        order = {"execute": "add_hostfwd", "arguments": {
            "proto": "tcp", "host_addr": "0.0.0.0", "host_port": self.port,
            "guest_addr": "10.0.2.100", "guest_port": PROGRAM_PORT}}
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            deadline = time.monotonic() + 5
            while client.connect_ex(control) != 0:
                if time.monotonic() > deadline:
                    raise Trouble("slirp4netns has no API socket")
                time.sleep(0.02)
            client.sendall(json.dumps(order).encode())
            client.shutdown(socket.SHUT_WR)
            answer = json.loads(client.recv(65536) or b"{}")
        if "error" in answer:
            raise Trouble(f"slirp4netns: {answer['error']}")

    def down(self):
        super().down()
        self.process.terminate()
        self.process.wait(5)


class Veth(Peer):
    """The program's namespace joined to the server's by a veth pair: no proxy at all."""

    name = "veth"
    is_proxy = False

    @classmethod
    def missing(cls):
        return None

    @classmethod
    def version(cls):
        return f"Linux {os.uname().release}"

    def start(self, mtu):
        self.holder = self.lab.namespace()
        number = self.port % 100
        self.lab.join(f"s{self.port}", self.lab.server_pid, f"10.78.{number}.2/24",
                      f"fd78:{number}::2/64", "program0", self.holder, f"10.78.{number}.1/24",
                      f"fd78:{number}::1/64")
        for pid, link in ((self.lab.server_pid, f"s{self.port}"), (self.holder, "program0")):
            laboratory.run(*self.lab.enter(pid), "ip", "link", "set", link, "mtu", str(mtu))
        enter = self.lab.enter(self.holder)
        laboratory.run(*enter, "ip", "route", "add", "default", "via", f"10.78.{number}.2")
        laboratory.run(*enter, "ip", "-6", "route", "add", "default", "via", f"fd78:{number}::2")
        self.shell = self.lab.shell(self.holder)

    def published(self, family):
        number = self.port % 100
        return f"10.78.{number}.1" if family == 4 else f"fd78:{number}::1", PROGRAM_PORT

    def down(self):
        super().down()
        laboratory.run(*self.lab.enter(self.lab.server_pid), "ip", "link", "del", f"s{self.port}",
                       check=False)


ALL = {peer.name: peer for peer in (Berth, OneThread, Queues, Other, Pasta, PastaTuned, Slirp, Veth)}
