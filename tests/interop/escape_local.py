# SPDX-License-Identifier: MIT
"""Rows of the escape matrix: by names, by what the system offers a process. See escape_row.py."""

from escape_packets import datagram
from escape_row import *  # noqa: F403


def names():
    rows = [Way(f"a question for {word}, the payload in the name", "no rule reaches the network",
                "REFUSED", f"name {word.lower()}.secret.example.test", "dns", NAMES4,
                f"{word.lower()}.secret.example.test", kind)
            for word, kind in (("A", 1), ("AAAA", 28), ("TXT", 16), ("NULL", 10), ("MX", 15),
                               ("ANY", 255), ("HTTPS", 65))]
    return rows + [
        Way("a question over TCP", "no rule reaches the network", "REFUSED",
            "name tcp.secret.example.test", "dns", NAMES4, "tcp.secret.example.test", 16, True),
        Way("a question to the IPv6 resolver", "no rule reaches the network", "REFUSED",
            "name six.secret.example.test", "dns", NAMES6, "six.secret.example.test", 16),
        Way("a message that is no question (update, notify)", "the resolver",
            ("NOTIMP", "REFUSED", "FORMERR"), NOTHING, "dns", NAMES4, "update.example.test", 6,
            False, 5),
        Way("a question to the host's own name server", RULE, UDP4_REFUSED,
            f"refused udp {GATE4} 53", "dns", GATE4, "direct.example.test"),
        Way("a question to a name server of the network", RULE, UDP4_REFUSED,
            f"refused udp {PUBLIC4} 53", "dns", PUBLIC4, "direct.example.test"),
        Way("the same over TCP", RULE, TCP_REFUSED, f"refused tcp {PUBLIC6} 53", "dns", PUBLIC6,
            "direct.example.test", 1, True),
        Way("DNS over TLS", RULE, TCP_REFUSED, f"refused tcp {PUBLIC4} 853", "tcp", PUBLIC4, 853),
        Way("DNS over QUIC", RULE, UDP4_REFUSED, f"refused udp {PUBLIC4} 853", "udp", PUBLIC4, 853),
        Way("multicast DNS", STACK, NO_ANSWER, "multicast 1", "multicast", "224.0.0.251", 5353),
    ]


def one_name():
    """A rule names one name: nothing but that name goes out."""
    rows = [Way(text, "no rule is for the name", "REFUSED", f"name {name.lower()}", "dns", server,
                name, kind, is_tcp)
            for text, name, kind, server, is_tcp in (
                ("another name", "c2VjcmV0.example.test", 1, NAMES4, False),
                ("another name, over TCP", "c2VjcmV0.example.test", 28, NAMES6, True),
                ("a label under the allowed name", f"c2VjcmV0.{NAMED}", 1, NAMES4, False),
                ("the allowed name with a label behind it", f"{NAMED}.example.test", 1, NAMES4,
                 False),
                ("a service of another name", "_http._tcp.c2VjcmV0.test", 33, NAMES4, False),
                ("a label where a service's would be", f"_c2VjcmV0c2VjcmV0c2VjcmV0._tcp.{NAMED}",
                 33, NAMES4, False),
                ("the reverse name of an address that was not given", "9.113.0.203.in-addr.arpa",
                 12, NAMES4, False))]
    rows += [Way(f"a question for {word}, of the allowed name", "a type that opens no connection",
                 "REFUSED", f"name {NAMED}", "dns", NAMES4, NAMED, kind)
             for word, kind in (("NULL", 10), ("ANY", 255), ("KEY", 25), ("type 65280", 65280))]
    rows += [Way(f"a question for {word} of another name", "a rule must name it", "REFUSED",
                 "name c2vjcmv0.example.test", "dns", NAMES4, "c2VjcmV0.example.test", kind)
             for word, kind in (("TXT", 16), ("MX", 15), ("CAA", 257), ("SSHFP", 44))]
    return rows + reach(PUBLIC4, 443, 443, name="an address that was not given for the name") \
        + reach(HOST4, 443, 443, name="the host's address")


def link_device():
    rows = [Way(text, POWER, (NO_POWER, "ENODEV"), NOTHING, "command", "ip", *words.split())
            for text, words in (
                ("berth0 down", "link set berth0 down"),
                ("berth0 renamed", "link set berth0 name eth0"),
                ("berth0's MTU", "link set berth0 mtu 1400"),
                ("berth0 deleted", "link delete berth0"),
                ("berth0 into the first process's namespace", "link set berth0 netns 1"),
                ("another address", "address add 203.0.113.1/32 dev berth0"),
                ("another route", "route add 198.51.100.0/24 dev lo"),
                ("a policy route", "rule add from all lookup 7"),
                ("a veth pair", "link add v0 type veth peer name v1"),
                ("a veth pair, its other end with the first process",
                 "link add v0 type veth peer name v1 netns 1"),
                ("a tunnel (IP in IP)", "tunnel add t0 mode ipip remote 203.0.113.9"),
                ("a VLAN on berth0", "link add link berth0 name v0 type vlan id 7"))]
    rows += [
        Way("forwarding turned on", POWER, ("EACCES", NO_POWER), NOTHING, "with_setting",
            "ipv4/conf/all/forwarding", "udp", PUBLIC4, 80),
        Way("the host's own address as source, where root has allowed it (ip_nonlocal_bind)", GUARD,
            ("EACCES", "EROFS", "ENETUNREACH", NO_ANSWER), "spoofed_source 1", "with_setting",
            "ipv4/ip_nonlocal_bind", "from", HOST4, PUBLIC4, 80),
        Way("loopback as source, where root has allowed it (route_localnet)", SHAPE,
            ("EACCES", "EROFS", NO_ANSWER), "martian_source 1", "with_setting",
            "ipv4/conf/all/route_localnet", "from", "127.0.0.1", PUBLIC4, 80),
        Way("berth0 down by ioctl", POWER, NO_POWER, NOTHING, "flags_down"),
        Way("a TUN device of its own", POWER, (NO_POWER, "EACCES"), NOTHING, "tun", "own0"),
        Way("berth's TUN device by name", POWER, (NO_POWER, "EACCES", "EBUSY", "EINVAL"), NOTHING,
            "tun", "berth0"),
        Way("one more queue of berth's TUN device", POWER, (NO_POWER, "EACCES", "EINVAL"), NOTHING,
            "tun", "berth0", 0x5101),
        Way("marks on packets (SO_MARK)", POWER, NO_POWER, NOTHING, "sockopt", 1, 36, 7),
        Way("TCP's state by hand (TCP_REPAIR)", POWER, NO_POWER, NOTHING, "sockopt", 6, 19),
        Way("transparent sockets (IP_TRANSPARENT)", POWER, NO_POWER, NOTHING, "sockopt", 0, 19),
        Way("bound to the loopback device, to the network", KERNEL,
            (NO_ANSWER, "ENETUNREACH", "EINVAL", "EHOSTUNREACH", "EACCES"), NOTHING, "bound_to",
            "lo", PUBLIC4, 80),
    ]
    for way, name in (("as_own_root", "as root of a user namespace of its own"),):
        rows += [Way(f"{text}, {name}", POWER, (NO_POWER, "EACCES"), NOTHING, way, *call)
                 for text, call in (
                     ("berth0 down", ("command", "ip", "link", "set", "berth0", "down")),
                     ("a raw socket", ("socket", 2, 3, 255)),
                     ("a packet socket", ("socket", 17, 3, 0x300)),
                     ("a TUN device", ("tun", "own0")),
                     ("marks on packets", ("sockopt", 1, 36, 7)),
                     ("berth's namespace", ("enter", "berth")))]
    return rows


def spaces():
    away = ("EACCES", "EPERM")
    rows = []
    for who, name in (("berth", "berth's"), ("other", "berth's other process's"),
                      ("init", "the first process's")):
        rows += [Way(f"{name} network namespace (setns)", SPACE, away, NOTHING, "enter", who),
                 Way(f"{name} user namespace (setns)", SPACE, (*away, "EINVAL"), NOTHING, "enter",
                     who, "user"),
                 Way(f"{name} namespaces by a pidfd", SPACE, away, NOTHING, "enter_by_pid", who),
                 Way(f"{name} descriptors, by /proc", SPACE, away, NOTHING, "read_descriptors",
                     who),
                 Way(f"{name} root directory, by /proc", SPACE, away, NOTHING, "read", who,
                     "root/"),
                 Way(f"{name} memory, by /proc", SPACE, away, NOTHING, "read", who, "mem"),
                 Way(f"{name} memory (process_vm_readv)", SPACE, (*away, "ENOSYS"), NOTHING,
                     "read_memory", who),
                 Way(f"{name} descriptors (pidfd_getfd)", SPACE, away, NOTHING, "take_descriptors",
                     who),
                 Way(f"{name} thread, traced (ptrace attach)", SPACE, away, NOTHING, "trace", who,
                     16),
                 Way(f"{name} thread, traced (ptrace seize)", SPACE, away, NOTHING, "trace", who,
                     0x4206)]
    own = ("ENETUNREACH", "EADDRNOTAVAIL")
    return rows + [
        Way("a network namespace of its own: nothing is in it", SPACE, own, NOTHING,
            "in_own_network", "tcp", PUBLIC4, 80),
        Way("the same, IPv6", SPACE, own, NOTHING, "in_own_network", "tcp", GATE6, 80),
        Way("from there, berth0 pulled in", SPACE, (*away, "ENODEV"), NOTHING, "in_own_network",
            "pull_link"),
        Way("from there, a TUN device pushed to berth's namespace", SPACE, away, NOTHING,
            "in_own_network", "tun_then", "own0", "ip", "link", "set", "own0", "netns", "PARENT"),
        Way("from there, a veth pair to berth's namespace", SPACE, away, NOTHING, "in_own_network",
            "command", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns",
            "1"),
        Way("an abstract Unix socket of the host's", SPACE, TCP_REFUSED, NOTHING, "unix",
            "berth-escape"),
        Way("the same from a network namespace of its own", SPACE, TCP_REFUSED, NOTHING,
            "in_own_network", "unix", "berth-escape"),
    ]


def calls():
    return [
        Way("io_uring", FILTER, "ENOSYS", NOTHING, "io_uring"),
        Way("io_uring, as root of a user namespace of its own", FILTER, "ENOSYS", NOTHING,
            "as_own_root", "io_uring"),
        Way("an io_uring that was left open", FILTER, "ENOSYS", NOTHING, "syscall", 426,
            100, 1, 0, 0),
        Way("vsock", FILTER, "EAFNOSUPPORT", NOTHING, "socket", 40, 1),
        Way("vsock, the family with bits that the kernel passes over", FILTER, "EAFNOSUPPORT",
            NOTHING, "syscall", 41, (1 << 32) | 40, 1, 0),
        Way("vsock by an x32 system call", FILTER, ("EAFNOSUPPORT", "ENOSYS"), NOTHING, "syscall",
            0x40000000 | 41, 40, 1, 0),
        Way("vsock by a 32-bit system call", FILTER, ("EAFNOSUPPORT", "ENOSYS", "SIGSEGV"), NOTHING,
            "call32", 359, 40, 1, 0),
        Way("vsock by the 32-bit socketcall", FILTER, ("EAFNOSUPPORT", "ENOSYS", "SIGSEGV"),
            NOTHING, "call32", 102, 40, 1, 0),
        Way("io_uring by a 32-bit system call", FILTER, ("ENOSYS", "SIGSEGV"), NOTHING, "call32",
            425, 4, 0, 0),
        Way("a name that the host's kernel asks for (request_key)", FILTER, "EPERM", NOTHING,
            "request_key"),
        Way("the same by a 32-bit system call", FILTER, ("EPERM", "ENOSYS", "SIGSEGV"), NOTHING,
            "call32", 287, 1, 1, 1, 0),
        Way("a BPF program", POWER, NO_POWER, NOTHING, "bpf"),
        Way("a line typed into the terminal (TIOCSTI)", FILTER, "EPERM", NOTHING,
            "type_into_terminal"),
    ]


def descriptors():
    """LEFT: names of descriptors that the caller of berth left open (see test_escape.py)."""
    data = datagram("203.0.113.1", 80)[0].hex()
    away = "EBADF"
    text = "sockets and TUN devices are not passed on"
    rows = [Way(f"{name}, left open by whoever called berth", text, away, NOTHING, "descriptor",
                f"${word}", data)
            for name, word in (("a connected UDP socket", "udp"), ("a TCP connection", "tcp"),
                               ("a packet socket", "packet"), ("a netlink socket", "netlink"),
                               ("a TUN device of the host's", "tun"))]
    return rows + [
        Way("the host's network namespace, left open by whoever called berth", SPACE, "EPERM",
            NOTHING, "enter_descriptor", "$namespace"),
        Way("the same, as root of a user namespace of its own", SPACE, "EPERM", NOTHING,
            "as_own_root", "enter_descriptor", "$namespace"),
    ]


def killed():
    return [Way("berth killed: its link goes, and nothing takes its place",
                SPACE, ("ENETUNREACH", "EADDRNOTAVAIL"), NOTHING, "kill_berth", PUBLIC4, 80),
            Way("by a process that outlives the program, and so berth", SPACE,
                ("ENETUNREACH", "EADDRNOTAVAIL"), NOTHING, "left_behind", PUBLIC4, 80)]
