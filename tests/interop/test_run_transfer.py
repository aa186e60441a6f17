#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: large files with curl and nginx, down, up and through a published port, over IPv4 and
IPv6, at MTU 1500 and 65520: the same SHA-256 at both ends; and once over a bad network.

1 GiB one way each; the rest of the matrix with 256 MiB, or all of it with BERTH_TEST_FULL=1.
"""

import hashlib
import os
import subprocess
import time

import host
import tap

MIB = 1 << 20
MTUS = (1500, 65520)
GATEWAYS = ("10.0.2.2", "[fd00::2]")

NGINX = """
daemon off; master_process off; pid {dir}/{name}.pid; error_log {dir}/{name}.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  server {{ {listen} root {dir}/www; }}
}}
"""


def make_file(path, mebibytes):
    """Every MiB is different, and random in itself."""
    block = bytearray(os.urandom(MIB))
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(mebibytes):
            block[:8] = number.to_bytes(8, "big")
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def nginx_config(directory, name, listen):
    path = os.path.join(directory, name + ".conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(NGINX.format(dir=directory, name=name, listen=listen))
    return path


def start_nginx(directory, port):
    config = nginx_config(directory, "outside", f"listen 127.0.0.1:{port}; listen [::1]:{port};")
    process = subprocess.Popen(["nginx", "-c", config], stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    tap.check("nginx on the host", host.wait_for_port(port))
    return process


def rate(mebibytes, begin):
    return f"{mebibytes * MIB * 8 / 1e9 / (time.monotonic() - begin):.1f} Gb/s, set-up included"


def check_download(name, url, wanted, options, mebibytes):
    begin = time.monotonic()
    done = host.run(*options, "--quiet", "--allow", "out 8001/tcp to host", "--", "sh", "-c",
                    f"curl -sS --max-time 200 '{url}' | sha256sum", timeout_s=250)
    tap.check(name, done.stdout.split()[:1] == [wanted], (done.stdout, done.stderr))
    tap.diag(rate(mebibytes, begin))


class Sink:
    """What was uploaded: curl's PUT, answered when all of it has come."""

    def __init__(self):
        self.digests = []
        self.server = host.Server(self.serve)

    def serve(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        head, rest = head.split(b"\r\n\r\n", 1)
        left = [int(line.split(b":")[1]) for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")][0] - len(rest)
        if b"100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest = hashlib.sha256(rest)
        buffer = bytearray(MIB)
        while left > 0:
            count = connection.recv_into(buffer)
            if count == 0:
                break
            digest.update(memoryview(buffer)[:count])
            left -= count
        self.digests.append(digest.hexdigest())
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")


def check_upload(name, sink, path, options, mebibytes):
    port = sink.server.port
    sink.digests.clear()
    begin = time.monotonic()
    done = host.run(*options[:-1], "--quiet", "--allow", f"out {port}/tcp to host", "--", "curl",
                    "-sS", "--max-time", "200", "-T", path, f"http://{options[-1]}:{port}/",
                    timeout_s=250)
    with open(path, "rb") as file:
        wanted = hashlib.file_digest(file, "sha256").hexdigest()
    tap.check(name, done.returncode == 0 and sink.digests == [wanted],
              (sink.digests, done.returncode, done.stderr))
    tap.diag(rate(mebibytes, begin))


def check_published(directory, mtu, sizes, digests):
    config = nginx_config(directory, "inside", "listen 80; listen [::]:80;")
    process = host.start("--mtu", mtu, "--quiet", "-p", "8080:80", "--", "nginx", "-c", config)
    for address, mebibytes in zip(("127.0.0.1", "[::1]"), sizes):
        tap.check(f"nginx inside, {address}", host.wait_for_port(8080, address.strip("[]")))
        begin = time.monotonic()
        done = subprocess.run(["sh", "-c", f"curl -sS --retry 5 --retry-all-errors --max-time 200 "
                               f"http://{address}:8080/{mebibytes} | sha256sum"],
                              stdout=subprocess.PIPE, text=True, timeout=250, check=False)
        tap.check(f"published, MTU {mtu}, {address}, {mebibytes} MiB",
                  done.stdout.split()[:1] == [digests[mebibytes]], done.stdout)
        tap.diag(rate(mebibytes, begin))
    host.stop(process)


def main():
    host.need("curl", "nginx", "sha256sum")
    small = 1024 if host.FULL else 256
    with tap.temp_dir() as directory:
        www = os.path.join(directory, "www")
        os.mkdir(www)
        os.chmod(directory, 0o755)
        digests = {size: make_file(os.path.join(www, str(size)), size)
                   for size in {1024, small, 100}}
        server = start_nginx(directory, 8001)
        sink = Sink()
        for mtu in MTUS:
            for gateway in GATEWAYS:
                size = 1024 if (mtu, gateway) == (1500, "10.0.2.2") else small
                name = f"MTU {mtu}, {gateway}"
                check_download(f"downloaded, {name}, {size} MiB", f"http://{gateway}:8001/{size}",
                               digests[size], ["--mtu", mtu], size)
                size = 1024 if (mtu, gateway) == (1500, "[fd00::2]") else small
                check_upload(f"uploaded, {name}, {size} MiB", sink, os.path.join(www, str(size)),
                             ["--mtu", mtu, gateway], size)
            sizes = (1024 if mtu == 65520 else small, small)
            check_published(directory, mtu, sizes, digests)
        bad = ["--mtu", "65520", "--impair", "loss 1% delay 10ms reorder 2% seed 1"]
        check_download("downloaded over a bad network, 100 MiB", "http://10.0.2.2:8001/100",
                       digests[100], bad, 100)
        check_upload("uploaded over a bad network, 100 MiB", sink, os.path.join(www, "100"),
                     [*bad, "[fd00::2]"], 100)
        server.terminate()
        server.wait(timeout=10)
    tap.done()


main()
