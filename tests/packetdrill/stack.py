# SPDX-License-Identifier: MIT
"""The adapter's table of functions by ctypes: what packetdrill does with --so_filename."""

import ctypes
import ctypes as c
import os
import threading
import time



class Iovec(c.Structure):
    _fields_ = [("base", c.c_void_p), ("bytes", c.c_size_t)]


class Message(c.Structure):
    _fields_ = [("name", c.c_void_p), ("name_bytes", c.c_uint32), ("parts", c.POINTER(Iovec)),
                ("count", c.c_size_t), ("control", c.c_void_p), ("control_bytes", c.c_size_t),
                ("flags", c.c_int)]


class PollFd(c.Structure):
    _fields_ = [("fd", c.c_int), ("events", c.c_short), ("revents", c.c_short)]


class EpollEvent(c.Structure):
    _pack_ = 1
    _fields_ = [("events", c.c_uint32), ("data", c.c_uint64)]


class Timeval(c.Structure):
    _fields_ = [("seconds", c.c_long), ("us", c.c_long)]


FD, FLAGS, DATA, SIZE = c.c_int, c.c_int, c.c_void_p, c.c_size_t
LENGTH = c.POINTER(c.c_uint32)

# In the order of the table: name, result, arguments after `userdata`.
MEMBERS = [
    ("free", None, []),
    ("socket", c.c_int, [c.c_int, c.c_int, c.c_int]),
    ("bind", c.c_int, [FD, DATA, c.c_uint32]),
    ("listen", c.c_int, [FD, c.c_int]),
    ("accept", c.c_int, [FD, DATA, LENGTH]),
    ("connect", c.c_int, [FD, DATA, c.c_uint32]),
    ("read", c.c_ssize_t, [FD, DATA, SIZE]),
    ("readv", c.c_ssize_t, [FD, c.POINTER(Iovec), c.c_int]),
    ("recv", c.c_ssize_t, [FD, DATA, SIZE, FLAGS]),
    ("recvfrom", c.c_ssize_t, [FD, DATA, SIZE, FLAGS, DATA, LENGTH]),
    ("recvmsg", c.c_ssize_t, [FD, c.POINTER(Message), FLAGS]),
    ("write", c.c_ssize_t, [FD, DATA, SIZE]),
    ("writev", c.c_ssize_t, [FD, c.POINTER(Iovec), c.c_int]),
    ("send", c.c_ssize_t, [FD, DATA, SIZE, FLAGS]),
    ("sendto", c.c_ssize_t, [FD, DATA, SIZE, FLAGS, DATA, c.c_uint32]),
    ("sendmsg", c.c_ssize_t, [FD, c.POINTER(Message), FLAGS]),
    ("fcntl", c.c_int, [FD, c.c_int, c.c_int]),
    ("ioctl", c.c_int, [FD, c.c_ulong, c.POINTER(c.c_int)]),
    ("close", c.c_int, [FD]),
    ("shutdown", c.c_int, [FD, c.c_int]),
    ("getsockopt", c.c_int, [FD, c.c_int, c.c_int, DATA, LENGTH]),
    ("setsockopt", c.c_int, [FD, c.c_int, c.c_int, DATA, c.c_uint32]),
    ("poll", c.c_int, [c.POINTER(PollFd), c.c_ulong, c.c_int]),
    ("netdev_send", c.c_int, [DATA, SIZE]),
    ("netdev_receive", c.c_int, [DATA, c.POINTER(c.c_size_t), c.POINTER(c.c_longlong)]),
    ("usleep", c.c_int, [c.c_uint]),
    ("gettimeofday", c.c_int, [c.POINTER(Timeval), DATA]),
    ("epoll_create", c.c_int, [c.c_int]),
    ("epoll_ctl", c.c_int, [FD, c.c_int, FD, c.POINTER(EpollEvent)]),
    ("epoll_wait", c.c_int, [FD, c.POINTER(EpollEvent), c.c_int, c.c_int]),
    ("pipe", c.c_int, [c.POINTER(c.c_int)]),
    ("splice", c.c_int, [FD, c.POINTER(c.c_longlong), FD, c.POINTER(c.c_longlong), SIZE,
                         c.c_uint]),
]


class Stack:
    """One stack; calls are methods: stack.socket(2, 1, 6)."""

    def __init__(self, path, flags):
        library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_NODELETE
                              | os.RTLD_DEEPBIND)
        table = (c.c_void_p * (len(MEMBERS) + 1))()
        library.packetdrill_interface_init.restype = None
        library.packetdrill_interface_init(flags.encode() if flags is not None else None, table)
        self.userdata = c.c_void_p(table[0])
        for place, (name, result, arguments) in enumerate(MEMBERS, 1):
            if not table[place]:
                raise RuntimeError(f"the adapter offers no {name}")
            kind = c.CFUNCTYPE(result, c.c_void_p, *arguments, use_errno=True)
            setattr(self, name, self._bound(kind(table[place])))

    def _bound(self, function):
        return lambda *arguments: function(self.userdata, *arguments)

    def now_us(self):
        value = Timeval()
        self.gettimeofday(c.byref(value), None)
        return value.seconds * 1000000 + value.us

    def next_packet(self):
        """The stack's next packet and when it was sent."""
        data = c.create_string_buffer(65536)
        size, sent_us = c.c_size_t(65536), c.c_longlong()
        if self.netdev_receive(data, c.byref(size), c.byref(sent_us)) != 0 or size.value == 0:
            raise RuntimeError("netdev_receive gave no packet")
        return data.raw[:size.value], sent_us.value


class Blocking:
    """The thread of the calls that block."""

    def __init__(self):
        self.job = None
        self.inside = False
        self.done = True
        self.result = None
        self.wake = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            self.wake.acquire()
            self.inside = True
            self.result = self.job()
            self.done = True

    def _sleeps(self):
        path = f"/proc/self/task/{self.thread.native_id}/stat"
        with open(path, encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "S"

    def start(self, job):
        """Starts JOB and returns when it is done or sleeps in its call."""
        self.job, self.inside, self.done = job, False, False
        self.wake.release()
        asleep = 0
        limit = time.monotonic() + 10
        while not self.done and asleep < 3:
            time.sleep(0.001)
            asleep = asleep + 1 if self.inside and self._sleeps() else 0
            if time.monotonic() > limit:
                raise RuntimeError("the blocking call neither sleeps nor returns")

    def finish(self):
        """Its result, or None: it is still waiting after a second."""
        limit = time.monotonic() + 1
        while not self.done:
            if time.monotonic() > limit:
                return None
            time.sleep(0.0005)
        return self.result
