#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run: many connections at once, and few descriptors."""

import asyncio
import os
import resource
import subprocess
import threading
import time

import host
import tap

ECHO_CLIENT = """
import asyncio, hashlib, os, resource, sys
port, count, size, address = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
data = os.urandom(min(size, 1 << 18))

async def send(writer):
    left = size
    while left > 0:
        piece = data[:left]
        writer.write(piece)
        await writer.drain()
        left -= len(piece)
    writer.write_eof()

async def receive(reader):
    got = 0
    while True:
        piece = await reader.read(1 << 18)
        if not piece:
            return got
        at = got % len(data)
        assert piece == (data[at:] + data * (len(piece) // len(data) + 1))[:len(piece)]
        got += len(piece)

async def one(all_open, state):
    reader, writer = await asyncio.open_connection(address, port)
    state.append(1)
    if len(state) == count:
        all_open.set()
    await all_open.wait()
    _, got = await asyncio.gather(send(writer), receive(reader))
    writer.close()
    return got == size

async def main():
    all_open, state = asyncio.Event(), []
    results = await asyncio.gather(*[one(all_open, state) for _ in range(count)],
                                   return_exceptions=True)
    print(sum(result is True for result in results), [r for r in results if r is not True][:2])
asyncio.run(main())
"""


def start_echo():
    """An echo server on its own thread; its port."""
    ready = threading.Event()
    port = []

    async def echo(reader, writer):
        try:
            while True:
                data = await reader.read(1 << 18)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve():
        server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=4096)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    ready.wait(10)
    return port[0]


def check_many(port, count, size):
    begin = time.monotonic()
    done = host.run("--summary", "--allow", f"out {port}/tcp to host", "--",
                    *host.python(ECHO_CLIENT, port, count, size, "10.0.2.2"), timeout_s=120)
    tap.is_equal(f"{count} connections at once, {size} bytes each way: all right",
                 (done.returncode, done.stdout), (0, f"{count} []\n"))
    tap.diag(f"{time.monotonic() - begin:.1f} s\n{done.stderr}")
    tap.check(f"{count} connections in the table", f" {count} " in done.stderr, done.stderr)


def check_published_many():
    """As many the other way, through a published port, to a program that echoes."""
    port = 7001  # none that an earlier connection may have had for its own
    program = ("import asyncio\n"
               "async def echo(r, w):\n"
               "    while True:\n"
               "        d = await r.read(65536)\n"
               "        if not d: break\n"
               "        w.write(d); await w.drain()\n"
               "    w.close()\n"
               "async def main():\n"
               "    s = await asyncio.start_server(echo, '10.0.2.100', 7000, backlog=4096)\n"
               "    print('ready', flush=True)\n"
               "    await s.serve_forever()\n"
               "asyncio.run(main())\n")
    process = host.start("--quiet", "-p", f"{port}:7000", "--", *host.python(program))
    process.stdout.readline()

    done = subprocess.run(host.python(ECHO_CLIENT, port, 1000, 1000, "127.0.0.1"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    error = host.stop(process)
    tap.check("1000 clients at once through a published port", done.stdout == "1000 []\n",
              (done.stdout, error))


# Three processes that hold 20 connections each, as many as they get; then one more.
MANY_FROM_FEW = """
import os, socket, sys, time
at = ('10.0.2.2', int(sys.argv[1]))
told, tell = os.pipe()
wait, go = os.pipe()
for child in range(3):
    if os.fork() == 0:
        os.close(go)
        opened, refused = [], 0
        for i in range(20):
            try: opened.append(socket.create_connection(at, timeout=10))
            except ConnectionRefusedError: refused += 1
        os.write(tell, b'%d %d\\n' % (len(opened), refused))
        os.read(wait, 1)
        os._exit(0)
os.close(tell)
os.close(wait)
text = b''
while text.count(b'\\n') < 3: text += os.read(told, 100)
numbers = [[int(n) for n in line.split()] for line in text.splitlines()]
opened, refused = sum(n[0] for n in numbers), sum(n[1] for n in numbers)
os.close(go)
for child in range(3): os.wait()
time.sleep(0.3)
last = socket.create_connection(at, timeout=10)
last.sendall(b'x')
print(opened > 5, refused > 5, opened + refused, last.recv(1))
"""


def check_descriptors(port):
    """berth may open only 40 files: what is beyond is refused, and said; it neither spins nor
    dies."""
    with tap.temp_dir() as directory:
        log = os.path.join(directory, "log")
        done = host.run("--quiet", "--log", log, "--allow", f"out {port}/tcp to host", "--",
                        *host.python(MANY_FROM_FEW, port),
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
        tap.is_equal("few descriptors: some open, the others refused, then open again",
                     done.stdout, "True True 60 b'x'\n")
        tap.check("that is said once",
                  done.stderr.count("berth: no more files may be opened") == 1, done.stderr)
        ends = [line.get("end") for line in host.read_log(log)]
        tap.check("and logged by name", "no descriptors" in ends, ends)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8192:
        host.skip_all(f"only {hard} files may be opened here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    del soft
    port = start_echo()
    check_many(port, 2000, 1000)
    check_many(port, 64, 10 << 20)
    check_published_many()
    check_descriptors(port)
    tap.done()


main()
