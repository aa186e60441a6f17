# SPDX-License-Identifier: MIT
"""What the tests of berth run --queues have in common: programs that talk over many connections at
once, inside and outside."""

import host

QUEUES = 3

# What both sides do; for COUNT threads at once, each with its number.
TALK = """
import errno, os, random, socket, sys, threading, time

def exchange(connection, data):
    '''Sends DATA while it reads what comes back. Whether that is the same.'''
    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    got = bytearray()
    while piece := connection.recv(1 << 16):
        got += piece
    sender.join()
    connection.close()
    return bytes(got) == data

def echo(connection):
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)
    connection.close()

def together(count, one):
    results = [None] * count
    def call(i):
        try:
            results[i] = one(i)
        except OSError as error:
            results[i] = errno.errorcode.get(error.errno, type(error).__name__)
    threads = [threading.Thread(target=call, args=(i,)) for i in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return results

def tell(*words):
    print(*words, flush=True)

def counted(results):
    return ' '.join(f'{word}:{results.count(word)}' for word in sorted(set(results), key=str))
"""
exec(TALK)  # pylint: disable=exec-used


def inside(script, *words):
    return ["--", *host.python(TALK + script, *words)]


def queued(*words, queues=QUEUES):
    return ["--queues", queues, *words]
