# SPDX-License-Identifier: MIT
"""A script's system calls, made on the adapter's table: words to numbers, arguments to memory."""

import ctypes as c
import errno
import fcntl
import select
import socket
import struct

import stack as table
from script import ScriptError

WORDS = {
    "SOL_TCP": 6, "SOL_IP": 0, "SOL_IPV6": 41, "SOL_UDP": 17,
    "TCP_USER_TIMEOUT": 18, "TCP_FASTOPEN": 23, "TCP_TIMESTAMP": 24, "TCP_NOTSENT_LOWAT": 25,
    "TCP_FASTOPEN_CONNECT": 30, "TCP_INQ": 36, "TCP_CM_INQ": 36, "TCP_FASTOPEN_NO_COOKIE": 34, "TCP_CONGESTION": 13,
    "IP_LOCAL_PORT_RANGE": 51, "IP_RECVERR": 11, "IP_MTU": 14, "IP_MTU_DISCOVER": 10, "IPV6_RECVERR": 25, "IPV6_MTU": 24,
    "IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2, "IP_PMTUDISC_PROBE": 3,
    "IP_FREEBIND": 15, "IP_BIND_ADDRESS_NO_PORT": 24,
    "IPV6_MTU_DISCOVER": 23, "IPV6_TCLASS": 67, "IP_MINTTL": 21,
    "SO_ZEROCOPY": 60, "SO_MAX_PACING_RATE": 47, "SO_PRIORITY": 12, "SO_MARK": 36,
    "SIOCINQ": 0x541b, "FIONREAD": 0x541b, "SIOCOUTQ": 0x5411, "TIOCOUTQ": 0x5411,
    "SIOCOUTQNSD": 0x894b, "SIOCATMARK": 0x8905,
    "MSG_FASTOPEN": 0x20000000, "MSG_ZEROCOPY": 0x4000000, "MSG_MORE": 0x8000,
    "SPLICE_F_MOVE": 1, "SPLICE_F_NONBLOCK": 2, "SPLICE_F_MORE": 4, "NULL": 0,
    "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3, "EPOLLRDHUP": 0x2000,
    "POLLRDHUP": 0x2000,
}


def word(name):
    if name in WORDS:
        return WORDS[name]
    for module in (socket, select, fcntl, __import__("os"), errno):
        if hasattr(module, name):
            return int(getattr(module, name))
    raise ScriptError(f"{name}: no such word is known")


def integer(value):
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return word(value)
    if isinstance(value, tuple) and value[0] == "or":
        total = 0
        for part in value[1]:
            total |= integer(part)
        return total
    if isinstance(value, tuple) and value[0] == "htons":
        return integer(value[1][0])
    if isinstance(value, list) and len(value) == 1:
        return integer(value[0])
    raise ScriptError(f"{value!r}: expected a number")


class Mismatch(Exception):
    """What was got is not what the script says."""


class Syscalls:
    """FDS: the script's numbers to the stack's. WORLD has what "..." stands for: family, the
    addresses to bind to and to connect to."""

    def __init__(self, stack, world):
        self.stack = stack
        self.world = world
        self.fds = {}

    def fd(self, value):
        number = integer(value)
        return self.fds.get(number, number)

    def prepare(self, call):
        """A function that makes the call and returns (result, errno, check of what came out)."""
        method = getattr(self, "do_" + call.name, None)
        if method is None:
            raise ScriptError(f"{call.name}: no such call is known")
        return method(*call.arguments)

    def name_fd(self, call, result):
        if call.name in ("socket", "accept", "epoll_create") and result >= 0:
            self.fds[call.result] = result

    # ---- addresses and memory -----------------------------------------------------------------

    def address(self, value, default):
        """A struct sockaddr, as bytes."""
        if value == "AF_UNSPEC":
            return bytes(16)
        if value == "...":
            host, port = default
            family = self.world.family
        else:
            family = integer(value.get("sa_family", "AF_UNSPEC"))
            port = integer(value.get("sin_port", 0))
            host = value.get("sin_addr", ("inet_addr", [("text", "0.0.0.0")]))[1][-1][1]
        if family == socket.AF_INET:
            return struct.pack("=H", family) + struct.pack("!H", port) \
                + socket.inet_pton(family, host) + bytes(8)
        if family == socket.AF_INET6:
            if ":" not in host:
                host = "::ffff:" + host
            return struct.pack("=H", family) + struct.pack("!HI", port, 0) \
                + socket.inet_pton(family, host) + struct.pack("=I", 0)
        return struct.pack("=H", family) + bytes(14)

    @staticmethod
    def memory(size):
        return c.create_string_buffer(max(size, 1))

    def buffer(self, value, size):
        return None if value == "NULL" else self.memory(integer(size))

    def parts(self, value):
        sizes = [integer(part.get("iov_len", part.get(1)) if isinstance(part, dict) else part)
                 for part in value]
        self.kept = [self.memory(size) for size in sizes]
        array = (table.Iovec * max(len(sizes), 1))()
        for place, (data, size) in enumerate(zip(self.kept, sizes)):
            array[place].base, array[place].bytes = c.addressof(data), size
        return array

    # ---- calls --------------------------------------------------------------------------------

    def do_socket(self, domain, kind, protocol):
        family = self.world.family if domain == "..." else integer(domain)
        return lambda: self.stack.socket(family, integer(kind), integer(protocol)), None

    def do_bind(self, fd, address, _length):
        data = self.address(address, self.world.bind)
        return lambda: self.stack.bind(self.fd(fd), data, len(data)), None

    def do_listen(self, fd, backlog):
        return lambda: self.stack.listen(self.fd(fd), integer(backlog)), None

    def do_accept(self, fd, _address, _length):
        def make():
            room, size = self.memory(28), c.c_uint32(28)
            result = self.stack.accept(self.fd(fd), room, c.byref(size))
            if result >= 0:
                port = struct.unpack("!H", room.raw[2:4])[0]
                if port != self.world.peer_port:
                    raise Mismatch(f"accept gave port {port}, not {self.world.peer_port}")
            return result
        return make, None

    def do_connect(self, fd, address, _length):
        data = self.address(address, self.world.connect)
        return lambda: self.stack.connect(self.fd(fd), data, len(data)), None

    def do_read(self, fd, buffer, size):
        data = self.buffer(buffer, size)
        return lambda: self.stack.read(self.fd(fd), data, integer(size)), None

    def do_readv(self, fd, parts, count):
        array = self.parts(parts)
        return lambda: self.stack.readv(self.fd(fd), array, integer(count)), None

    def do_recv(self, fd, buffer, size, flags):
        data = self.buffer(buffer, size)
        return lambda: self.stack.recv(self.fd(fd), data, integer(size), integer(flags)), None

    def do_recvfrom(self, fd, buffer, size, flags, _address, _length):
        data, room, length = self.buffer(buffer, size), self.memory(28), c.c_uint32(28)
        return lambda: self.stack.recvfrom(self.fd(fd), data, integer(size), integer(flags), room,
                                           c.byref(length)), None

    def message(self, value):
        array = self.parts(value.get("msg_iov", []))
        message = table.Message(parts=array, count=len(value.get("msg_iov", [])))
        name = value.get("msg_name", "...")
        if name != "...":
            self.name = c.create_string_buffer(self.address(name, self.world.connect))
            message.name, message.name_bytes = c.addressof(self.name), len(self.name) - 1
        if "msg_control" in value:
            self.control = self.memory(512)
            message.control, message.control_bytes = c.addressof(self.control), 512
        return message

    def check_control(self, message, wanted):
        """The numbers that came beside the data."""
        got, at = [], 0
        while at < message.control_bytes:
            size, level, kind, number = struct.unpack_from("=Qiii", self.control.raw, at)
            got.append((level, kind, number))
            at += (size + 7) // 8 * 8
        wanted = [tuple(integer(each[name]) for name in ("cmsg_level", "cmsg_type", "cmsg_data"))
                  for each in wanted]
        if got != wanted:
            raise Mismatch(f"msg_control: got {got}, expected {wanted}")

    def do_recvmsg(self, fd, value, flags):
        message = self.message(value)

        def check():
            wanted = integer(value.get("msg_flags", 0))
            if message.flags != wanted:
                raise Mismatch(f"msg_flags: got {message.flags:#x}, expected {wanted:#x}")
            if "msg_control" in value:
                self.check_control(message, value["msg_control"])
        return lambda: self.stack.recvmsg(self.fd(fd), c.byref(message), integer(flags)), check

    def do_write(self, fd, buffer, size):
        data = self.buffer(buffer, size)
        return lambda: self.stack.write(self.fd(fd), data, integer(size)), None

    def do_writev(self, fd, parts, count):
        array = self.parts(parts)
        return lambda: self.stack.writev(self.fd(fd), array, integer(count)), None

    def do_send(self, fd, buffer, size, flags):
        data = self.buffer(buffer, size)
        return lambda: self.stack.send(self.fd(fd), data, integer(size), integer(flags)), None

    def do_sendto(self, fd, buffer, size, flags, address, _length):
        data = self.buffer(buffer, size)
        name = None if address in ("NULL", 0) else self.address(address, self.world.connect)
        return lambda: self.stack.sendto(self.fd(fd), data, integer(size), integer(flags), name,
                                         len(name) if name else 0), None

    def do_sendmsg(self, fd, value, flags):
        message = self.message(value)
        return lambda: self.stack.sendmsg(self.fd(fd), c.byref(message), integer(flags)), None

    def do_fcntl(self, fd, command, value=0):
        return lambda: self.stack.fcntl(self.fd(fd), integer(command), integer(value)), None

    def do_ioctl(self, fd, request, value):
        out = c.c_int(0)

        def check():
            if out.value != integer(value):
                raise Mismatch(f"ioctl gave {out.value}, expected {integer(value)}")
        return lambda: self.stack.ioctl(self.fd(fd), integer(request), c.byref(out)), check

    def do_close(self, fd):
        return lambda: self.stack.close(self.fd(fd)), None

    def do_shutdown(self, fd, how):
        return lambda: self.stack.shutdown(self.fd(fd), integer(how)), None

    @staticmethod
    def option_data(value):
        if isinstance(value, tuple) and value[0] == "text":
            return value[1].encode()
        if isinstance(value, list) and value and isinstance(value[0], tuple) \
                and value[0][0] == "text":
            return value[0][1].encode()
        if isinstance(value, dict) and "onoff" in value:
            return struct.pack("=ii", integer(value["onoff"]), integer(value["linger"]))
        return struct.pack("=I", integer(value) % 2**32)

    def do_setsockopt(self, fd, level, name, value, length):
        data = self.option_data(value)
        size = len(data) if length == "..." else integer(length)
        return lambda: self.stack.setsockopt(self.fd(fd), integer(level), integer(name), data,
                                             size), None

    def do_getsockopt(self, fd, level, name, value, length):
        wanted = self.option_data(value) if value != "..." else None
        room = self.memory(512)
        size = c.c_uint32(integer(length) if length != "..." else 512)

        def check():
            got = room.raw[:size.value]
            if wanted is not None and got.rstrip(b"\0") != wanted.rstrip(b"\0"):
                number = struct.unpack("=i", got)[0] if len(got) == 4 else got
                raise Mismatch(f"getsockopt gave {number}, expected {value}")
        return lambda: self.stack.getsockopt(self.fd(fd), integer(level), integer(name), room,
                                             c.byref(size)), check

    def do_poll(self, value, count, timeout):
        array = (table.PollFd * len(value))()
        for place, entry in enumerate(value):
            array[place].fd = self.fd(entry["fd"])
            array[place].events = integer(entry.get("events", 0))

        def check():
            for place, entry in enumerate(value):
                wanted = integer(entry.get("revents", 0))
                if array[place].revents != wanted:
                    raise Mismatch(f"revents: got {array[place].revents:#x}, "
                                   f"expected {wanted:#x}")
        return lambda: self.stack.poll(array, integer(count), integer(timeout)), check

    def do_epoll_create(self, size):
        return lambda: self.stack.epoll_create(integer(size)), None

    def do_epoll_ctl(self, epoll_fd, operation, fd, event):
        value = table.EpollEvent(integer(event.get("events", 0)),
                                 integer(event.get("fd", event.get("ptr", 0))))
        return lambda: self.stack.epoll_ctl(self.fd(epoll_fd), integer(operation), self.fd(fd),
                                            c.byref(value)), None

    def do_epoll_wait(self, epoll_fd, event, most, timeout):
        array = (table.EpollEvent * max(integer(most), 1))()

        def check():
            wanted = integer(event.get("events", 0))
            if array[0].events != wanted:
                raise Mismatch(f"events: got {array[0].events:#x}, expected {wanted:#x}")
        return lambda: self.stack.epoll_wait(self.fd(epoll_fd), array, integer(most),
                                             integer(timeout)), check

    def do_pipe(self, ends):
        array = (c.c_int * 2)()

        def check():
            for place in range(2):
                self.fds[integer(ends[place])] = array[place]
        return lambda: self.stack.pipe(array), check

    def do_splice(self, source, _from, destination, _to, size, flags):
        zero, other = c.c_longlong(0), c.c_longlong(0)
        return lambda: self.stack.splice(self.fd(source), c.byref(zero), self.fd(destination),
                                         c.byref(other), integer(size), integer(flags)), None
