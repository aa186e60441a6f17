# SPDX-License-Identifier: MIT
"""A host of the test's own for `berth run`: a network namespace with a loopback, so that no port or
address of the machine matters and nothing of it is changed.

    import host                 # must be the first use of the network: it moves into the namespace
    server = host.Server(lambda connection: connection.sendall(b"hello"))
    done = host.run("--allow", f"out {server.port}/tcp to host", "--", "curl", ...)
"""

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
PYTHON = sys.executable or "/usr/bin/python3"
IS_ROOT_OUTSIDE = os.environ.get("BERTH_TEST_OUTSIDE", str(os.geteuid())) == "0"
FULL = os.environ.get("BERTH_TEST_FULL") == "1"
USER = 65534  # nobody


def skip_all(reason):
    tap.skip(os.path.basename(sys.argv[0]), reason)
    tap.done()


def enter():
    """Moves this process into a network (and mount) namespace of its own."""
    if os.geteuid() != 0 and "BERTH_TEST_OUTSIDE" not in os.environ:
        os.environ["BERTH_TEST_OUTSIDE"] = str(os.geteuid())
        try:
            os.execvp("unshare", ["unshare", "-r", "-n", "-m", PYTHON, *sys.argv])
        except OSError as error:
            skip_all(f"no namespaces here: {error}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        skip_all(f"no namespaces here: {os.strerror(ctypes.get_errno())}")
    if libc.mount(None, b"/", None, 0x4000 | 0x40000, None) != 0:  # MS_REC | MS_PRIVATE
        skip_all("no mount namespace here")
    ip("link", "set", "lo", "up")
    for setting, value in (("net/ipv4/ping_group_range", "0 2147483647"),
                           ("net/ipv4/ip_unprivileged_port_start", "0")):
        try:
            with open(f"/proc/sys/{setting}", "w", encoding="ascii") as file:
                file.write(value)
        except OSError:
            pass


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, stdin=subprocess.DEVNULL)


def black_hole(name, *addresses):
    """A device with ADDRESSES that takes packets and answers none: a TUN that nobody reads. It is
    there until the test ends."""
    hole = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(hole, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # TUN, no PI
    for address in addresses:
        ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    ip("link", "set", name, "up")


def need(*programs):
    """Ends the test, skipped, where a program is missing. /usr/sbin is looked at too."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in programs:
        if shutil.which(program) is None:
            skip_all(f"no {program} on this machine")


# ---- berth run ------------------------------------------------------------------------------


def argv(*words):
    return [tap.BERTH, "run", *map(str, words)]


def run(*words, timeout_s=60, **options):
    """berth run WORDS; a CompletedProcess with text."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("text", True)
    return subprocess.run(argv(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout_s, **options)


def start(*words, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    options.setdefault("text", True)
    return subprocess.Popen(argv(*words), **options)


def python(script, *words):
    """The words of a Python program to run inside."""
    return [PYTHON, "-c", script, *map(str, words)]


def hints(stderr):
    """The words after --allow in the closing table."""
    return [line.strip()[len("--allow '"):-1] for line in stderr.splitlines()
            if line.startswith("  --allow '")]


def read_log(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def wait_for_port(port, address="127.0.0.1", seconds=10):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def is_open():
        with socket.socket(family) as probe:
            return probe.connect_ex((address, port)) == 0
    return wait_until(is_open, seconds)


def stop(process, signal_number=signal.SIGTERM):
    """Ends a berth started by `start`; its standard error."""
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        return process.communicate(timeout=20)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


# ---- Servers on the host --------------------------------------------------------------------


class Server:
    """Calls SERVE(connection) in a thread for each client, on 127.0.0.1 and ::1, one port."""

    def __init__(self, serve, addresses=("127.0.0.1", "::1"), backlog=4096, receive_bytes=0):
        self.serve = serve
        self.clients = []
        self.sockets = []
        self.port = 0
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if receive_bytes:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            listener.bind((address, self.port))
            listener.listen(backlog)
            self.port = listener.getsockname()[1]
            self.sockets.append(listener)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                connection, client = listener.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        for listener in self.sockets:
            listener.close()


class UdpServer:
    """Answers each datagram with ANSWER(data, client), on 127.0.0.1 and ::1, one port."""

    def __init__(self, answer, addresses=("127.0.0.1", "::1"), port=0):
        self.answer = answer
        self.sockets = []
        self.port = port
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_DGRAM)
            listener.bind((address, self.port))
            self.port = listener.getsockname()[1]
            self.sockets.append(listener)
            threading.Thread(target=self._receive, args=(listener,), daemon=True).start()

    def _receive(self, listener):
        while True:
            try:
                data, client = listener.recvfrom(65536)
                reply = self.answer(data, client)
                if reply is not None:
                    listener.sendto(reply, client)
            except OSError:
                return


def reset(connection):
    """Closes CONNECTION with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    connection.close()


# ---- Another user ---------------------------------------------------------------------------


def as_user(directory):
    """Words before a command that make it nobody's, with a /dev/net/tun that nobody may open; None
    where the test itself is no root."""
    if not IS_ROOT_OUTSIDE:
        return None
    node = os.path.join(directory, "tun")
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    os.chmod(node, 0o666)
    os.chmod(directory, 0o755)
    return ["unshare", "-m", "sh", "-c", f'mount --bind {node} /dev/net/tun && exec setpriv '
            f'--reuid {USER} --regid {USER} --clear-groups "$@"', "sh"]


enter()
