#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run --publish: clients reach the program, which sees who they are; what it does not accept
is told them.

    host namespace: lo, and  out0 192.0.2.1/24, 2001:db8::1/64
                                |
    client namespace:         in0  192.0.2.9/24, 2001:db8::9/64
"""

import json
import os
import signal
import socket
import subprocess

import host
import tap

SERVER = """
import socket, sys, threading
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
if sys.argv[3] == 'udp':
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((sys.argv[1], int(sys.argv[2])))
    print('ready', flush=True)
    while True:
        data, who = s.recvfrom(70000)
        print(who[0], who[1], flush=True)
        s.sendto(data[::-1], who)
def serve(port):
    s = socket.create_server((sys.argv[1], int(port)), family=family, backlog=100)
    print('ready', flush=True)
    while True:
        c, who = s.accept()
        print(who[0], who[1], flush=True)
        c.sendall(c.recv(100)[::-1])
        c.close()
threads = [threading.Thread(target=serve, args=(port,)) for port in sys.argv[2].split(',')]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

# Connects from the client namespace, says "abc", prints its own port and the answer.
CLIENT = """
import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
kind = socket.SOCK_DGRAM if sys.argv[3] == 'udp' else socket.SOCK_STREAM
c = socket.socket(family, kind)
c.settimeout(10)
c.connect((sys.argv[1], int(sys.argv[2])))
c.send(b'abc')
print(c.getsockname()[1], c.recv(100).decode(), c.getpeername()[0])
"""


class Namespace:
    """A second host, reached by a veth pair."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "1000"],
                                        stdin=subprocess.DEVNULL)
        host.wait_until(lambda: os.readlink(f"/proc/{self.process.pid}/ns/net") !=
                        os.readlink("/proc/self/ns/net"))
        host.ip("link", "add", "out0", "type", "veth", "peer", "name", "in0", "netns",
                self.process.pid)
        for words in (("addr", "add", "192.0.2.1/24", "dev", "out0"),
                      ("addr", "add", "2001:db8::1/64", "dev", "out0", "nodad"),
                      ("link", "set", "out0", "up")):
            host.ip(*words)
        for words in (("addr", "add", "192.0.2.9/24", "dev", "in0"),
                      ("addr", "add", "2001:db8::9/64", "dev", "in0", "nodad"),
                      ("addr", "add", "10.0.2.100/32", "dev", "in0"),
                      ("addr", "add", "10.0.2.2/32", "dev", "in0"),
                      ("link", "set", "lo", "up"), ("link", "set", "in0", "up")):
            self.run("ip", *words)

    def run(self, *words):
        return subprocess.run(["nsenter", f"--net=/proc/{self.process.pid}/ns/net",
                               *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=30, check=False, stdin=subprocess.DEVNULL).stdout

    def close(self):
        self.process.kill()
        self.process.wait()


def check_true_address(clients, protocol):
    for address, target, published, program in (
            ("192.0.2.9", "192.0.2.1", "0.0.0.0:8080:80", "0.0.0.0"),
            ("2001:db8::9", "2001:db8::1", "[::]:8080:80", "::")):
        process = host.start("--quiet", "-p", f"{published}/{protocol}", "--",
                             *host.python(SERVER, program, 80, protocol))
        process.stdout.readline()
        text = clients.run(*host.python(CLIENT, target, 8080, protocol)).split()
        seen = process.stdout.readline().split()
        name = f"{protocol}, a client in another namespace, {address}"
        tap.check(f"{name}: the program sees its address and port",
                  len(text) == 3 and seen == [address, text[0]], (seen, text))
        tap.check(f"{name}: the answer comes from where it asked",
                  text[1:] == ["cba", target], text)
        if address == "192.0.2.9":
            text = subprocess.run(host.python(CLIENT, "127.0.0.1", 8080, protocol), text=True,
                                  stdout=subprocess.PIPE, timeout=30, check=False).stdout.split()
            seen = process.stdout.readline().split()
            tap.check(f"{protocol}, a client on the host's loopback: the gateway, its own port",
                      len(text) == 3 and text[1] == "cba" and seen == ["10.0.2.2", text[0]],
                      (seen, text))
            text = subprocess.run(host.python(CLIENT, "192.0.2.1", 8080, protocol), text=True,
                                  stdout=subprocess.PIPE, timeout=30, check=False).stdout.split()
            seen = process.stdout.readline().split()
            tap.check(f"{protocol}, a client at the host's own address: that address",
                      len(text) == 3 and text[1] == "cba" and seen == ["192.0.2.1", text[0]],
                      (seen, text))
        host.stop(process)


def check_nginx(clients):
    """As the issue has it: the server inside logs the client's address and port."""
    with tap.temp_dir() as directory:
        log = os.path.join(directory, "log")
        with open(os.path.join(directory, "conf"), "w", encoding="utf-8") as file:
            file.write(f"daemon off; master_process off; pid {directory}/pid;\n"
                       f"error_log {directory}/error;\n"
                       "events { worker_connections 100; }\n"
                       "http { log_format who '$remote_addr $remote_port';\n"
                       f"access_log {log} who; client_body_temp_path {directory}/a;\n"
                       f"proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;\n"
                       f"uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;\n"
                       "server { listen 80; return 204; } }\n")
        process = host.start("--quiet", "-p", "0.0.0.0:8080:80", "--", "nginx", "-c",
                             f"{directory}/conf")
        host.wait_until(lambda: "204" in clients.run(
            "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://192.0.2.1:8080/"))
        port = clients.run("curl", "-sS", "-o", "/dev/null", "-w", "%{local_port}",
                           "http://192.0.2.1:8080/")
        host.stop(process, signal.SIGQUIT)
        with open(log, encoding="utf-8") as file:
            lines = file.read().splitlines()
        tap.is_equal("nginx inside logs the client's address and port", lines[-1],
                     f"192.0.2.9 {port}")


def check_clashes(clients):
    """Clients that look alike, or like the program itself."""
    process = host.start("--quiet", "-p", "0.0.0.0:8080-8081:80", "--",
                         *host.python(SERVER, "0.0.0.0", "80,81", "tcp"))
    process.stdout.readline()
    process.stdout.readline()
    one = socket.create_connection(("127.0.0.1", 8080), source_address=("127.0.0.2", 5555))
    other = socket.create_connection(("127.0.0.1", 8080), source_address=("127.0.0.3", 5555))
    for connection in (one, other):
        connection.sendall(b"abc")
    seen = [process.stdout.readline().split() for _ in range(2)]
    answers = [connection.recv(100) for connection in (one, other)]
    tap.check("two clients of the loopback with one port: both served, apart",
              answers == [b"cba", b"cba"] and ["10.0.2.2", "5555"] in seen
              and seen[0][1] != seen[1][1], (seen, answers))
    last = socket.create_connection(("127.0.0.1", 8081), timeout=10)
    last.sendall(b"xyz")
    tap.is_equal("a range: its second port", last.recv(10), b"zyx")
    process.stdout.readline()
    host.ip("route", "add", "10.0.2.100/32", "dev", "out0")
    text = clients.run(*host.python(
        CLIENT.replace("c.connect", "c.bind(('10.0.2.100', 0)); c.connect"), "192.0.2.1", 8080,
        "tcp")).split()
    tap.check("a client with the program's own address is seen as the gateway",
              len(text) == 3 and text[1] == "cba"
              and process.stdout.readline().split()[:1] == ["10.0.2.2"], text)
    host.stop(process)
    process = host.start("--quiet", "--allow", "in 8080-8081 from host", "--deny", "in any", "-p",
                         "0.0.0.0:8080", "-p", "0.0.0.0:8081/udp", "--", *host.python(BOTH))
    process.stdout.readline()
    with socket.create_connection(("127.0.0.1", 8080), timeout=10) as local:
        tap.is_equal("'from host': a client of the loopback", local.recv(10), b"served")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as local:
        local.settimeout(10)
        local.sendto(b"x", ("127.0.0.1", 8081))
        tap.is_equal("and its datagram", local.recv(10), b"x")
    host.ip("route", "add", "10.0.2.2/32", "dev", "out0")
    for address in ("10.0.2.2", "10.0.2.100"):
        text = clients.run(*host.python(STRANGER, address))
        tap.is_equal(f"'from host': a client elsewhere whose address is {address}, and its datagram",
                     text.split(), ["reset", "nothing"])
    host.ip("route", "del", "10.0.2.2/32")
    host.ip("route", "del", "10.0.2.100/32")
    host.stop(process)


# Serves TCP on 8080 and echoes UDP on 8081.
BOTH = """
import socket, threading
tcp = socket.create_server(('0.0.0.0', 8080))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('0.0.0.0', 8081))
def echo():
    while True:
        data, client = udp.recvfrom(100)
        udp.sendto(data, client)
threading.Thread(target=echo, daemon=True).start()
print('ready', flush=True)
while True:
    with tcp.accept()[0] as connection: connection.sendall(b'served')
"""

# A client with the address that is given.
STRANGER = """
import socket, sys
tcp = socket.socket()
tcp.bind((sys.argv[1], 0))
tcp.settimeout(10)
try:
    tcp.connect(('192.0.2.1', 8080))
    print(tcp.recv(10))
except ConnectionResetError: print('reset')
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 0))
udp.settimeout(1)
udp.sendto(b'x', ('192.0.2.1', 8081))
try: print(udp.recv(10))
except TimeoutError: print('nothing')
"""


def check_refused(clients):
    """Nobody listens inside: the client is reset. A rule denies it: the same, and it is told."""
    process = host.start("--quiet", "-p", "0.0.0.0:8080:80", "--", "sleep", "20")
    host.wait_for_port(8080)
    script = ("import socket\n"
              "try: print(socket.create_connection(('192.0.2.1', 8080), timeout=10).recv(1))\n"
              "except OSError as e: print(e.errno)\n")
    tap.is_equal("nobody listens inside: reset", clients.run(*host.python(script)), "104\n")
    host.stop(process)
    process = host.start("-p", "0.0.0.0:8080:80", "--deny", "in 80 from 192.0.2.0/24", "--",
                         *host.python(SERVER, "0.0.0.0", 80, "tcp"))
    process.stdout.readline()
    tap.is_equal("a rule denies the client: reset", clients.run(*host.python(script)), "104\n")
    text = subprocess.run(host.python(CLIENT, "127.0.0.1", 8080, "tcp"), text=True,
                          stdout=subprocess.PIPE, timeout=30, check=False).stdout
    tap.check("others are let in", " cba " in text, text)
    error = host.stop(process)
    tap.check("and the table says so", "refused 1 connection by the rule "
              "'deny in 80/tcp from 192.0.2.0/24' (--deny 'in 80 from 192.0.2.0/24')" in error
              and host.hints(error) == [], error)


def check_unpublished():
    """What is not published is not there."""
    process = host.start("--quiet", "--", *host.python(SERVER, "0.0.0.0", 8080, "tcp"))
    process.stdout.readline()
    with socket.socket() as probe:
        tap.check("a listening program opens nothing on the host",
                  probe.connect_ex(("127.0.0.1", 8080)) != 0)
    host.stop(process)


def check_log(clients):
    with tap.temp_dir() as directory:
        log = os.path.join(directory, "log")
        process = host.start("--quiet", "--log", log, "-p", "0.0.0.0:8080:80", "--",
                             *host.python(SERVER, "0.0.0.0", 80, "tcp"))
        process.stdout.readline()
        port = clients.run(*host.python(CLIENT, "192.0.2.1", 8080, "tcp")).split()[0]
        host.wait_until(lambda: any(line["event"] == "close" for line in host.read_log(log)))
        host.stop(process)
        closed = [line for line in host.read_log(log) if line["event"] == "close"]
        wanted = {"direction": "in", "protocol": "tcp", "local_address": "10.0.2.100",
                  "local_port": 80, "remote_address": "192.0.2.9", "remote_port": int(port),
                  "service": "http", "category": "system", "bytes_in": 3, "bytes_out": 3,
                  "end": "closed"}
        tap.check("the log has the client, and who served it",
                  len(closed) == 1 and {k: closed[0][k] for k in wanted} == wanted
                  and closed[0]["process"]["name"].startswith("python"), json.dumps(closed))


def main():
    host.need("ip", "nsenter", "nginx", "curl")
    clients = Namespace()
    try:
        for protocol in ("tcp", "udp"):
            check_true_address(clients, protocol)
        check_nginx(clients)
        check_clashes(clients)
        check_refused(clients)
        check_unpublished()
        check_log(clients)
    finally:
        clients.close()
    tap.done()


main()
