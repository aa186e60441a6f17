# SPDX-License-Identifier: MIT
"""The program that tries to get out, for test_escape.py. It runs inside `berth run`, takes one way
a line, [seconds that silence lasts, "NAME", argument...] in JSON, and answers each with what it saw:
the name of an errno, "no answer", or what the way brought. Standard library only."""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
silence_s = 0.0
libc = ctypes.CDLL(None, use_errno=True)


def done(result):
    """A call of the C library's: an error is an exception."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def want_errors(sock, family):
    """A datagram socket that is told of every ICMP error."""
    sock.settimeout(silence_s)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
        sock.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR, for mapped addresses
    else:
        sock.setsockopt(socket.IPPROTO_IP, 11, 1)


def answer_of(sock):
    try:
        sock.recv(2000)
        return "answered"
    except socket.timeout:
        return "no answer"


def socket_to(address, kind, protocol=0):
    family = family_of(address)
    sock = socket.socket(family, kind, protocol)
    want_errors(sock, family)
    return sock


# ---- The network ------------------------------------------------------------------------------


def way_tcp(address, port, protocol=0):
    with socket.socket(family_of(address), socket.SOCK_STREAM, protocol) as sock:
        sock.settimeout(silence_s)
        try:
            sock.connect((address, port))
        except socket.timeout:
            return "no answer"
        return "connected"


def way_fast_open(address, port):
    """Payload in the very first segment."""
    with socket.socket(family_of(address)) as sock:
        sock.settimeout(silence_s)
        sock.setsockopt(socket.IPPROTO_TCP, 34, 1)  # TCP_FASTOPEN_NO_COOKIE
        sock.sendto(b"escape", socket.MSG_FASTOPEN, (address, port))
        return answer_of(sock)


def way_udp(address, port, protocol=0):
    with socket_to(address, socket.SOCK_DGRAM, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.connect((address, port))
        sock.send(b"escape")
        return answer_of(sock)


def way_udp_after(address, allowed, port):
    """A socket that talks to an allowed port, and then to another."""
    with socket_to(address, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"allowed", (address, allowed))
        sock.sendto(b"escape", (address, port))
        return answer_of(sock)


def way_multicast(address, port):
    with socket_to(address, socket.SOCK_DGRAM) as sock:
        index = socket.if_nametoindex("berth0")
        if ":" in address:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si",
                            b"\0" * 4, b"\0" * 4, index))
        sock.sendto(b"escape", (address, port))
        return answer_of(sock)


def way_ping(address, payload="escape", kind=None):
    family = family_of(address)
    protocol, echo = (58, 128) if family == socket.AF_INET6 else (1, 8)
    with socket_to(address, socket.SOCK_DGRAM, protocol) as sock:
        head = struct.pack(">BBHHH", echo if kind is None else kind, 0, 0, 0, 1)
        sock.sendto(head + payload.encode(), (address, 0))
        return answer_of(sock)


def way_option(address, port, level, option, value):
    """UDP with an option of the socket: source routes and the like."""
    with socket_to(address, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(level, option, bytes.fromhex(value))
        sock.connect((address, port))
        sock.send(b"escape")
        return answer_of(sock)


def way_from(source, address, port, option=0):
    """UDP from another's address; OPTION: IP_FREEBIND or IP_TRANSPARENT."""
    with socket_to(address, socket.SOCK_DGRAM) as sock:
        if option:
            sock.setsockopt(socket.IPPROTO_IP, option, 1)
        sock.bind((source, 0))
        sock.sendto(b"escape", (address, port))
        return answer_of(sock)


def way_from_said(source, address, port):
    """UDP from another's address, said with the datagram (IP_PKTINFO)."""
    with socket_to(address, socket.SOCK_DGRAM) as sock:
        level, kind, data = socket.IPPROTO_IP, 8, struct.pack("i4s4s", 0, socket.inet_aton(source),
                                                              b"\0" * 4)
        sock.sendmsg([b"escape"], [(level, kind, data)], 0, (address, port))
        return answer_of(sock)


def way_socket(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()
    return "worked"


def way_families(*allowed):
    """Every family of sockets but those ALLOWED: the errors seen."""
    seen = set()
    for family in range(1, 64):
        for kind in (1, 2, 3, 5):
            if family in allowed:
                continue
            try:
                way_socket(family, kind)
                seen.add(f"family {family} worked")
            except OSError as error:
                seen.add(errno.errorcode[error.errno])
    return ", ".join(sorted(seen))


def way_sockopt(level, option, value=1):
    with socket.socket() as sock:
        sock.setsockopt(level, option, value)
    return "worked"


def way_bound_to(device, address, port):
    with socket_to(address, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, 25, device.encode())  # SO_BINDTODEVICE
        sock.connect((address, port))
        sock.send(b"escape")
        return answer_of(sock)


# ---- Names ------------------------------------------------------------------------------------

RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def way_dns(server, name, kind=1, is_tcp=False, opcode=0, port=53):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">HHHHHH", 77, opcode << 11 | 0x100, 1, 0, 0, 0) + labels + b"\0"
    query += struct.pack(">HH", kind, 1)
    with socket_to(server, socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM) as sock:
        sock.connect((server, port))
        sock.send(struct.pack(">H", len(query)) + query if is_tcp else query)
        try:
            reply = sock.recv(2000)[2 if is_tcp else 0:]
        except socket.timeout:
            return "no answer"
        return RCODES.get(reply[3] & 15, "?") if len(reply) > 3 else "closed"


# ---- The link and the namespaces --------------------------------------------------------------

WORDS = {"Operation not permitted": "EPERM", "Permission denied": "EACCES",
         "Read-only file system": "EROFS", "No such device": "ENODEV"}


def way_command(*words):
    """A command of the system's: its error."""
    got = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10)
    if got.returncode == 0:
        return "worked"
    return next((word for text, word in WORDS.items() if text in got.stderr), got.stderr)


def in_child(work):
    """WORK() in a process of its own: what it returned, or its error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, tried(work).encode())
        os._exit(0)
    os.close(writer)
    text = os.read(reader, 4000).decode()
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    return text or signal.Signals(os.WTERMSIG(status)).name


def with_new(flags, way, arguments):
    """WAY as a root of namespaces of its own."""
    def work():
        uid, gid = os.geteuid(), os.getegid()
        done(libc.unshare(CLONE_NEWUSER | flags))
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"),
                           ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        return WAYS[way](*arguments)
    return in_child(work)


def way_as_own_root(way, *arguments):
    return with_new(0, way, arguments)


def way_in_own_network(way, *arguments):
    return with_new(CLONE_NEWNET, way, arguments)


def pid_of(who):
    """berth's own process, its other one, or the system's first."""
    berth = os.getppid()
    if who == "berth":
        return berth
    with open(f"/proc/{berth}/task/{berth}/children", encoding="ascii") as file:
        others = [int(word) for word in file.read().split() if int(word) != os.getpid()]
    return 1 if who == "init" else others[0]


def way_enter(who, kind="net"):
    fd = os.open(f"/proc/{pid_of(who)}/ns/{kind}", os.O_RDONLY)
    done(libc.setns(fd, 0))
    return "worked"


def way_enter_by_pid(who):
    fd = os.pidfd_open(pid_of(who))
    done(libc.setns(fd, CLONE_NEWNET))
    return "worked"


def way_read(who, path):
    """Something of another process's in /proc."""
    path = f"/proc/{pid_of(who)}/{path}"
    if os.path.isdir(path):
        return "worked " + str(os.listdir(path))
    os.close(os.open(path, os.O_RDWR if path.endswith("mem") else os.O_RDONLY))
    return "worked"


def way_read_descriptors(who):
    """Each of its open files, opened anew."""
    seen = set()
    for number in range(200):
        try:
            os.close(os.open(f"/proc/{pid_of(who)}/fd/{number}", os.O_RDWR))
            return f"worked, {number}"
        except OSError as error:
            if error.errno != errno.ENOENT:
                seen.add(errno.errorcode[error.errno])
    return ", ".join(sorted(seen))


def way_trace(who, request):
    done(libc.ptrace(request, pid_of(who), None, None))
    return "worked"


def way_read_memory(who):
    data = ctypes.create_string_buffer(8)
    local = struct.pack("PN", ctypes.addressof(data), 8)
    remote = struct.pack("PN", 0x400000, 8)
    done(libc.process_vm_readv(pid_of(who), local, 1, remote, 1, 0))
    return "worked"


def way_take_descriptors(who):
    """pidfd_getfd of everything that may be there."""
    pidfd = os.pidfd_open(pid_of(who))
    seen = set()
    for number in range(32):
        if libc.syscall(438, pidfd, number, 0) >= 0:
            return f"worked, {number}"
        seen.add(errno.errorcode[ctypes.get_errno()])
    return ", ".join(sorted(seen))


def set_network(name, value):
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
        file.write(value)


def way_with_setting(name, way, *arguments):
    """WAY with a setting of its network namespace turned on."""
    set_network(name, "1")
    try:
        return WAYS[way](*arguments)
    finally:
        set_network(name, "0")


def way_tun(name, flags=0x1001):
    """A device of one's own, or berth's by its name."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), int(flags)))
    return "worked"


def way_tun_then(name, *words):
    """A device of one's own that is then moved."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))
    return way_command(*[str(os.getppid()) if word == "PARENT" else word for word in words])


def way_pull_link():
    """berth0 into a network namespace of one's own, asked for from there."""
    libc.setns(os.open(f"/proc/{os.getppid()}/ns/net", os.O_RDONLY), 0)
    return way_command("ip", "link", "set", "berth0", "netns", str(os.getpid()))


def way_descriptor(number, data):
    return f"wrote {os.write(number, bytes.fromhex(data))}"


def way_enter_descriptor(number):
    done(libc.setns(number, CLONE_NEWNET))
    return "worked"


def way_flags_down():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"berth0", 0))  # SIOCSIFFLAGS
    return "worked"


# ---- System calls -----------------------------------------------------------------------------


def way_syscall(number, *arguments):
    done(libc.syscall(*[ctypes.c_long(value) for value in (number, *arguments)]))
    return "worked"


def way_io_uring():
    done(libc.syscall(425, 4, ctypes.create_string_buffer(120)))
    return "worked"


def way_request_key():
    done(libc.syscall(249, b"dns_resolver", b"berth-escape.example", b"", 0))
    return "worked"


def way_bpf():
    load = ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1), 128)
    done(libc.syscall(321, 0, load, 128))  # an array map
    return "worked"


def way_call32(number, *arguments):
    """A system call as 32-bit programs make them (int 0x80). socketcall has its words in memory."""
    def work():
        page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40,  # MAP_32BIT
                         mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        words = arguments
        if number == 102:
            page[256:256 + 4 * len(arguments)] = struct.pack(f"{len(arguments)}I", *arguments)
            words = (1, at + 256, 0)
        code = (b"\x53\xb8" + struct.pack("I", number) + b"\xbb" + struct.pack("I", words[0])
                + b"\xb9" + struct.pack("I", words[1]) + b"\xba" + struct.pack("I", words[2])
                + b"\xcd\x80\x5b\xc3")
        page[:len(code)] = code
        result = ctypes.CFUNCTYPE(ctypes.c_int)(at)()
        if result < 0:
            raise OSError(-result, "")
        return "worked"
    return in_child(work)


def way_type_into_terminal():
    fcntl.ioctl(0, 0x5412, b"x")
    return "worked"


def way_unix(name):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + name)
    return "connected"


def way_kill_berth(address, port):
    os.kill(os.getppid(), signal.SIGKILL)
    return without_link(address, port)


def way_left_behind(address, port):
    """By a process that the program leaves when it ends."""
    if os.fork() > 0:
        os._exit(0)
    return without_link(address, port)


def without_link(address, port):
    for _ in range(500):  # the device goes when its last descriptor is closed
        if "berth0" not in [name for _, name in socket.if_nameindex()]:
            return way_tcp(address, port)
        libc.usleep(10000)
    return "berth0 is still there"


# ---- One way a line ---------------------------------------------------------------------------

WAYS = {name[4:]: function for name, function in globals().items() if name.startswith("way_")}


def tried(work):
    try:
        return work()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def main():
    print(os.getpid(), flush=True)
    for line in sys.stdin:
        global silence_s
        silence_s, name, *arguments = json.loads(line)
        print(json.dumps(tried(lambda: WAYS[name](*arguments))), flush=True)


main()
