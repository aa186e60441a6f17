# SPDX-License-Identifier: MIT
"""What test_names.py needs around `berth run`: a name server of its own, a host of the network's in
a namespace of its own, and servers there that keep what they are sent.

    program | berth | host namespace: 203.0.113.1, the name server on 127.0.0.1
                        | veth
                      far namespace: 203.0.113.10, .20, .30, 10.9.8.7, 2001:db8:1::10
"""

import host
import ctypes
import os
import socket
import ssl
import struct
import subprocess
import threading

FAR = "203.0.113.10"
FAR2 = "203.0.113.20"
FAR3 = "203.0.113.30"
FAR6 = "2001:db8:1::10"
INWARD = "10.9.8.7"
TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65}


# ---- A name server --------------------------------------------------------------------------


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) \
        + b"\0"


def record_data(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind in ("CNAME", "PTR"):
        return wire_name(value)
    if kind == "MX":
        return struct.pack(">H", 10) + wire_name(value)
    if kind == "SRV":
        target, port = value.split(":")
        return struct.pack(">HHH", 0, 0, int(port)) + wire_name(target)
    if kind == "HTTPS":  # "TARGET HINT": an address hint beside it
        target, hint = value.split(" ")
        return struct.pack(">H", 1) + wire_name(target) + struct.pack(">HH", 4, 4) + \
            socket.inet_aton(hint)
    return bytes([len(value)]) + value.encode()


class NameServer:
    """RECORDS: {(name, type): (ttl, [values])}. `asked` has the questions, `wires` their bytes."""

    def __init__(self, records):
        self.records = records
        self.asked = []
        self.wires = []
        self.udp = host.UdpServer(lambda data, client: self.answer(data), ("127.0.0.1",))
        self.port = self.udp.port
        self.word = f"127.0.0.1:{self.port}"
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            connection, _ = listener.accept()
            with connection:
                length = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                reply = self.answer(connection.recv(length, socket.MSG_WAITALL))
                connection.sendall(struct.pack(">H", len(reply)) + reply)

    def answer(self, data):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        name, number = ".".join(labels), struct.unpack(">H", data[at + 1:at + 3])[0]
        kind = next((word for word, known in TYPES.items() if known == number), str(number))
        self.asked.append((name, kind))
        self.wires.append(data[2:])
        answers, at_name = [], name.lower()
        for _ in range(40):
            ttl, values = self.records.get((at_name, kind), (0, []))
            alias_ttl, alias = self.records.get((at_name, "CNAME"), (0, []))
            answers += [self.record(at_name, kind, ttl, value) for value in values]
            if values or not alias:
                break
            answers.append(self.record(at_name, "CNAME", alias_ttl, alias[0]))
            at_name = alias[0].lower()
        known = answers or any(key[0] == at_name for key in self.records)
        return data[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(answers), 0,
                                      0) + data[12:at + 5] + b"".join(answers)

    @staticmethod
    def record(name, kind, ttl, value):
        data = record_data(kind, value)
        return wire_name(name) + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(data)) + data


# ---- A host of the network's ----------------------------------------------------------------


class Far:
    """A network namespace behind a veth pair. It ends with `close`."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        host.ip("link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns",
                self.holder.pid)
        host.ip("addr", "add", "203.0.113.1/24", "dev", "near0")
        host.ip("addr", "add", "2001:db8:1::1/64", "dev", "near0", "nodad")
        host.ip("link", "set", "near0", "up")
        host.ip("route", "add", INWARD, "dev", "near0")
        self.within(self.set_up)

    @staticmethod
    def set_up():
        for address in (f"{FAR}/24", f"{FAR2}/24", f"{FAR3}/24", f"{INWARD}/32"):
            host.ip("addr", "add", address, "dev", "far0")
        host.ip("addr", "add", f"{FAR6}/64", "dev", "far0", "nodad")
        host.ip("link", "set", "lo", "up")
        host.ip("link", "set", "far0", "up")

    def within(self, call):
        """CALL's value, called by a thread that is there; sockets that it makes stay there."""
        values = []

        def enter():
            space = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(space, host.CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            os.close(space)
            values.append(call())
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return values[0]

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(timeout=10)


class FarServer:
    """Listens on PORT of every address of the far host; SERVE(connection) for each client."""

    def __init__(self, far, port, serve):
        self.serve = serve
        self.got = []
        listener = far.within(lambda: socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True))
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            try:
                self.serve(self, connection)
            except OSError:
                pass

    def take_got(self):
        got, self.got = self.got, []
        return got


def serve_http(server, connection):
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(4096)
        request += piece
        if not piece:
            break
    server.got.append(request)
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nserved")


def serve_echo(server, connection):
    while piece := connection.recv(4096):
        server.got.append(piece)
        connection.sendall(piece)


def serve_greeting(server, connection):
    """Speaks first, as a mail server does."""
    connection.sendall(b"220 ready\r\n")
    serve_echo(server, connection)


class TlsServer(FarServer):
    """Its `got` has the server names that were asked for; `raw` a byte of each connection that
    brought any."""

    def __init__(self, far, port, directory):
        self.raw = []
        self.certificate = os.path.join(directory, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-keyout", self.certificate + ".key", "-out", self.certificate],
                       check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().__init__(far, port, TlsServer.serve_tls)

    def serve_tls(self, connection):
        first = connection.recv(1, socket.MSG_PEEK)
        if first:
            self.raw.append(first)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.certificate + ".key")
        context.sni_callback = lambda sock, name, _: self.got.append(name)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nserved")
