# SPDX-License-Identifier: MIT
"""The launcher with real namespaces, devices, signals and terminals: run/launch.h's invariants.

launch_probe runs a program on a link that leads nowhere. Everything is tried as whoever runs the
test; as root also as an ordinary user, to whom /dev/net/tun is opened in a mount namespace of the
test's own (nothing of the host's is changed).
"""

import ctypes
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap

USER = 65534  # nobody
WAIT_S = 10
IS_ROOT = os.geteuid() == 0


class Kind:
    """Whose program it is, and the words before a command that make it so."""

    def __init__(self, name, prefix):
        self.name = name
        self.prefix = prefix

    def argv(self, *words):
        return [*self.prefix, *map(str, words)]

    def probe(self, *words):
        return self.argv(PROBE, "-c", *words)

    def run(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", "/")
        return subprocess.run(self.probe(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=30, **options)

    def sh(self, script, *options, **more):
        return self.run(*options, "sh", "-c", script, **more)

    def start(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.probe(*words), stdout=subprocess.PIPE, text=True, **options)


def kinds(directory):
    here = [Kind("root" if IS_ROOT else "user", [])]
    if IS_ROOT:
        node = os.path.join(directory, "tun")
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
        os.chmod(node, 0o666)
        here.append(Kind("user", ["unshare", "-m", "sh", "-c",
                                  f'mount --bind {node} /dev/net/tun && exec setpriv --reuid {USER}'
                                  f' --regid {USER} --clear-groups "$@"', "sh"]))
    return here


def wait_until(condition):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


# --- status ---

def test_status(kind):
    tap.is_equal(f"{kind.name}: exit status", kind.sh("exit 7").returncode, 7)
    tap.is_equal(f"{kind.name}: killed by SIGTERM", kind.sh("kill -TERM $$").returncode, 143)
    tap.is_equal(f"{kind.name}: killed by SIGKILL", kind.sh("kill -KILL $$").returncode, 137)
    got = kind.run("no-such-command")
    tap.is_equal(f"{kind.name}: not found", got.returncode, 127)
    tap.is_equal(f"{kind.name}: not found, said", got.stderr,
                 "berth: cannot run no-such-command: No such file or directory\n")
    got = kind.run("/etc/passwd")
    tap.is_equal(f"{kind.name}: cannot execute", got.returncode, 126)
    tap.is_equal(f"{kind.name}: cannot execute, said", got.stderr,
                 "berth: cannot run /etc/passwd: Permission denied\n")
    tap.is_equal(f"{kind.name}: stragglers do not keep it",
                 kind.sh("sleep 5 >/dev/null 2>&1 & exit 3").returncode, 3)


# --- what is kept ---

KEPT = ("pwd; umask; id -u; id -g; id -G; ulimit -n; ulimit -c; echo \"$BERTH_TEST\"; "
        "grep -E '^(SigBlk|SigIgn|NoNewPrivs)' /proc/self/status; cat; nice")


def test_kept(kind, directory):
    options = dict(cwd=directory, env={**os.environ, "BERTH_TEST": "a b\nc"}, text=True,
                   timeout=30, umask=0o027, input="from standard input\n",
                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                   preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN))
    outside = subprocess.run(kind.argv("sh", "-c", KEPT), **options)
    inside = subprocess.run(kind.probe("sh", "-c", KEPT), **options)
    tap.is_equal(f"{kind.name}: directory, user, limits, environment, signals, input kept",
                 inside.stdout, outside.stdout)
    program = kind.start("sh", "-c", "ps -o pgid=,sid= -p $$", start_new_session=True)
    tap.is_equal(f"{kind.name}: process group and session kept",
                 program.communicate(timeout=30)[0].split(), [str(program.pid)] * 2)


def test_descriptors(kind):
    listing = kind.run("python3", "-c", "import os; print(sorted(os.listdir('/proc/self/fd')))")
    tap.is_equal(f"{kind.name}: no descriptor of berth's reaches the program",
                 listing.stdout, "['0', '1', '2', '3']\n")
    listing = subprocess.run(["bash", "-c", '"$@" <&-', "bash", *kind.probe("python3", "-c", """
import os
print([fd for fd in range(9) if os.path.exists(f'/proc/self/fd/{fd}')])""")],
                             stdout=subprocess.PIPE, text=True, timeout=30)
    tap.is_equal(f"{kind.name}: a closed standard stream stays closed", listing.stdout, "[1, 2]\n")
    near, far = socket.socketpair()
    inet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    reader, writer = os.pipe()
    for fd in (near.fileno(), inet.fileno(), writer):
        os.set_inheritable(fd, True)
    script = f"""
import os
for fd in {near.fileno()}, {writer}, {inet.fileno()}:
    try:
        print(os.write(fd, b'x'))
    except OSError as error:
        print(error.strerror)
"""
    got = kind.run("python3", "-c", script, close_fds=False)
    tap.is_equal(f"{kind.name}: pipes and Unix sockets are passed on, sockets of the host are not",
                 got.stdout, "1\n1\nBad file descriptor\n")
    for closing in near, far, inet:
        closing.close()
    os.close(reader)
    os.close(writer)


# --- the network inside ---

def addresses(kind, *options):
    got = kind.run(*options, "ip", "-j", "address", "show", "dev", "berth0")
    link = json.loads(got.stdout)[0]
    return link["mtu"], sorted(f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"])


def test_network(kind):
    tap.is_equal(f"{kind.name}: addresses", addresses(kind),
                 (65520, ["10.0.2.100/24", "fd00::100/64"]))
    tap.is_equal(f"{kind.name}: MTU and IPv4 only", addresses(kind, "-4", "-m", "1400"),
                 (1400, ["10.0.2.100/24"]))
    tap.is_equal(f"{kind.name}: IPv6 only", addresses(kind, "-6"), (65520, ["fd00::100/64"]))
    routes = kind.sh("ip route show default; ip -6 route show default").stdout
    tap.check(f"{kind.name}: default routes",
              re.search(r"^default via 10\.0\.2\.2 dev berth0", routes, re.M)
              and re.search(r"^default via fd00::2 dev berth0", routes, re.M), routes)
    tap.is_equal(f"{kind.name}: loopback is up",
                 kind.run("python3", "-c", """
import socket
for family, address in (socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1'):
    listener = socket.create_server((address, 80), family=family)
    client = socket.create_connection((address, 80))
    print(listener.getsockname()[1])
""").stdout, "80\n80\n")
    tap.is_equal(f"{kind.name}: ping sockets need no privilege", kind.run("python3", "-c", """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, 58)
""").stderr, "")
    tap.check(f"{kind.name}: a small MTU and IPv6 do not go together",
              kind.run("-m", "1000", "true").returncode == 125)


def test_sealed(kind):
    """As in a container: /proc/sys cannot be written."""
    got = subprocess.run(["unshare", "-m", "sh", "-c", "mount --bind /proc/sys /proc/sys && "
                          'mount -o remount,bind,ro /proc/sys && exec "$@"', "sh",
                          *kind.probe("sh", "-c", "ip -o address show dev berth0 | wc -l; exit 6")],
                         capture_output=True, text=True, timeout=30)
    tap.is_equal(f"{kind.name}: it runs behind a read-only /proc/sys",
                 (got.returncode, got.stdout), (6, "2\n"))
    tap.check(f"{kind.name}: and what is lacking is said",
              "net.ipv4.ping_group_range" in got.stderr, got.stderr)


def test_quiet(kind, directory):
    output = os.path.join(directory, "quiet")
    kind.run("-o", output, "sleep", "1.5")
    with open(output) as file:
        lines = file.read().splitlines()
    tap.is_equal(f"{kind.name}: an idle program's kernel sends nothing", lines[1:], [])
    os.unlink(output)


def test_confined(kind):
    outer = os.readlink("/proc/self/ns/net")
    script = f"""
import ctypes, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, call):
    try:
        call()
        print(name, 'WORKED')
    except OSError as error:
        print(name, 'refused')
def run(*words):
    if subprocess.run(words, capture_output=True).returncode != 0:
        raise OSError(1, 'status')
def setns(pid):
    fd = os.open(f'/proc/{{pid}}/ns/net', os.O_RDONLY)
    if libc.setns(fd, 0) < 0:
        raise OSError(ctypes.get_errno(), 'setns')
refused('umount', lambda: run('umount', '/etc/resolv.conf'))
refused('umount below', lambda: run('unshare', '-Urm', 'umount', '/etc/resolv.conf'))
refused('link down', lambda: run('ip', 'link', 'set', 'berth0', 'down'))
refused('address', lambda: run('ip', 'address', 'add', '10.9.9.9/32', 'dev', 'berth0'))
refused('route', lambda: run('ip', 'route', 'add', '10.9.9.9/32', 'dev', 'berth0'))
refused('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 6))
refused('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
refused('setns of berth', lambda: setns(os.getppid()))
refused('setns of init', lambda: setns(1))
refused('memory of berth', lambda: open(f'/proc/{{os.getppid()}}/mem', 'rb'))
refused('files of berth', lambda: open(f'/proc/{{os.getppid()}}/fd/0', 'rb'))
print(os.readlink('/proc/self/ns/net') != '{outer}')
"""
    names = ["umount", "umount below", "link down", "address", "route", "raw", "packet",
             "setns of berth", "setns of init", "memory of berth",
             "files of berth"]
    got = kind.run("-r", "10.0.2.3", "python3", "-c", script)
    tap.is_equal(f"{kind.name}: nothing of its network and mounts can be changed, nothing left",
                 got.stdout.splitlines(), [f"{name} refused" for name in names] + ["True"])


def test_root_changes_user(kind):
    got = kind.run("setpriv", "--reuid", USER, "--regid", USER, "--groups", "100", "sh", "-c",
                   "id -u; id -G; cat /etc/shadow 2>&1 | grep -c denied")
    tap.is_equal(f"{kind.name}: as root the program may become another user, as apt does",
                 got.stdout, f"{USER}\n{USER} 100\n1\n")


def test_filter(kind):
    script = """
import ctypes, errno, fcntl, socket
libc = ctypes.CDLL(None, use_errno=True)
def code(call):
    try:
        call()
        return 'worked'
    except OSError as error:
        return errno.errorcode[error.errno]
def io_uring():
    if libc.syscall(425, 4, ctypes.create_string_buffer(120)) < 0:
        raise OSError(ctypes.get_errno(), '')
def request_key(words):
    if libc.syscall(249, b'user', b'berth-test', words, 0) < 0:
        raise OSError(ctypes.get_errno(), '')
print(code(lambda: request_key(b'')), code(lambda: request_key(None)) == 'EPERM')
print(code(lambda: socket.socket(40, socket.SOCK_STREAM)),
      code(lambda: libc.socket(ctypes.c_long(1 << 32 | 40), 1) < 0 and
           exec('raise OSError(ctypes.get_errno(), "")')),
      code(lambda: socket.socket(socket.AF_UNIX)), code(lambda: socket.socket(socket.AF_NETLINK,
      socket.SOCK_RAW)), code(io_uring), code(lambda: fcntl.ioctl(0, 0x5412, b'x')),
      code(lambda: fcntl.ioctl(0, 0x541c, b'x')))
"""
    got = kind.run("python3", "-c", script)
    tap.is_equal(f"{kind.name}: no vsock, no io_uring, no helper, no typing into the terminal",
                 got.stdout, "EPERM False\nEAFNOSUPPORT EAFNOSUPPORT worked worked ENOSYS EPERM EPERM\n")


# --- files ---

def host_text(path):
    """What the file holds; a bare system may not have it."""
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def test_files(kind):
    got = kind.sh("cat /etc/resolv.conf", "-r", "10.0.2.3", "-r", "fd00::3").stdout
    tap.is_equal(f"{kind.name}: resolv.conf names berth's resolvers alone",
                 re.findall(r"^nameserver (.*)$", got, re.M), ["10.0.2.3", "fd00::3"])
    hosts = host_text("/etc/hosts")
    got = kind.sh("cat /etc/hosts; getent ahosts one | head -n 1", "-H", "one=10.0.2.2",
                  "-H", "two=fd00::2").stdout
    tap.check(f"{kind.name}: names given come before the host's own",
              got.startswith("10.0.2.2\tone\nfd00::2\ttwo\n" + hosts), got)
    tap.check(f"{kind.name}: and are found", re.search(r"^10\.0\.2\.2 +STREAM", got, re.M), got)
    tap.is_equal(f"{kind.name}: no names given, the host's file",
                 kind.sh("cat /etc/hosts 2>/dev/null").stdout, hosts)
    tap.check(f"{kind.name}: umask is no matter to the files",
              kind.sh("umask; stat -c %a /etc/resolv.conf", umask=0o077).stdout == "0077\n644\n")


def made_up_system(kind, directory, script, command, *options):
    """Runs the command where /etc and /run are the test's own, made by a shell script."""
    etc = os.path.join(directory, "etc")
    if not os.path.isdir(etc):
        os.mkdir(etc)
        for name in "passwd", "group", "nsswitch.conf":
            shutil.copy(os.path.join("/etc", name), etc)
        with open(os.path.join(etc, "hosts"), "w") as file:
            file.write("127.0.0.1\tlocalhost\n")
        shutil.copytree("/etc/alternatives", os.path.join(etc, "alternatives"), symlinks=True)
    outer = (f"mount --bind {etc} /etc && mount -t tmpfs none /run && cd / && {{ {script}\n}} && "
             'exec "$@"')
    return subprocess.run(["unshare", "-m", "sh", "-c", outer, "sh",
                           *kind.probe(*options, "sh", "-c", command)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=30)


def test_resolver_files(kind, directory):
    show = "grep ^nameserver /etc/resolv.conf; ls /run/systemd/resolve /run/nscd 2>/dev/null"
    ours = "nameserver 10.0.2.3\n"
    resolve = "mkdir -p /run/systemd/resolve /run/nscd; touch /run/nscd/socket; "
    cases = [
        ("a link into systemd-resolved's directory",
         resolve + "touch /run/systemd/resolve/io.systemd.Resolve; "
         "echo nameserver 127.0.0.53 > /run/systemd/resolve/stub-resolv.conf; "
         "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
         ours + "/run/nscd:\n\n/run/systemd/resolve:\nresolv.conf\nstub-resolv.conf\n"),
        ("a link to elsewhere",
         "mkdir -p /run/x; echo nameserver 192.0.2.1 > /run/x/r; ln -sf /run/x/r /etc/resolv.conf",
         ours),
        ("a link to nothing", "ln -sf /run/nothing/r /etc/resolv.conf", ours),
        ("not there", "rm -f /etc/resolv.conf", ours),
    ]
    for name, script, expected in cases:
        got = made_up_system(kind, directory, script, show, "-r", "10.0.2.3")
        tap.check(f"{kind.name}: resolv.conf that is {name}", got.stdout == expected,
                  got.stdout + got.stderr)
    got = made_up_system(kind, directory,
                         "rm -f /etc/resolv.conf; echo 127.0.0.1 localhost > /etc/hosts",
                         "touch /etc/x 2>&1 | grep -o 'Read-only' ; cat /etc/hosts", "-r", "10.0.2.3")
    tap.check(f"{kind.name}: where it is not there, /etc is read-only, which is said",
              "read-only" in got.stderr and got.stdout == "Read-only\n127.0.0.1 localhost\n",
              got.stdout + got.stderr)
    got = made_up_system(kind, directory,
                         "rm -f /etc/hosts; echo nameserver 192.0.2.1 > /etc/resolv.conf",
                         "grep ^nameserver /etc/resolv.conf; cat /etc/hosts", "-r", "10.0.2.3",
                         "-H", "one=10.0.2.2")
    tap.is_equal(f"{kind.name}: no hosts file: names given have one, and resolv.conf is ours",
                 got.stdout, ours + "10.0.2.2\tone\n")


def test_replaced_files(kind, directory):
    replace = ("( for i in 1 2 3 4 5; do sleep 0.2; echo nameserver 192.0.2.$i > {0}.new; "
               "mv {0}.new {0}; done ) >/dev/null 2>&1 &")
    show = "sleep 1.8; grep ^nameserver /etc/resolv.conf"
    cases = [("a file", "rm -f /etc/resolv.conf; echo x > /etc/resolv.conf; ", "/etc/resolv.conf"),
             ("a link", "mkdir /run/x; echo x > /run/x/r; ln -sf /run/x/r /etc/resolv.conf; ",
              "/run/x/r")]
    for name, script, path in cases:
        got = made_up_system(kind, directory, script + replace.format(path), show, "-r", "10.0.2.3")
        tap.check(f"{kind.name}: resolv.conf replaced on the host stays ours inside: {name}",
                  got.stdout == "nameserver 10.0.2.3\n", got.stdout + got.stderr)


# --- signals ---

COUNTER = """
import os, signal, sys, time
count = 0
def on(number, frame):
    global count
    count += 1
number = getattr(signal, sys.argv[1])
signal.signal(number, on)
print('ready', flush=True)
deadline = time.monotonic() + 10
while count == 0 and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.2)
print(count)
sys.exit(40 + count)
"""


def test_signals(kind):
    for name in "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGALRM":
        program = kind.start("python3", "-c", COUNTER, name)
        program.stdout.readline()
        os.kill(berth_pid(program.pid), getattr(signal, name))
        program.communicate(timeout=30)
        tap.is_equal(f"{kind.name}: {name} sent to berth reaches the program once",
                     program.returncode, 41)
    program = kind.start("sleep", "30")
    wait_until(lambda: comm_of(child_of(program.pid)) == "sleep")
    os.kill(berth_pid(program.pid), signal.SIGTERM)
    tap.is_equal(f"{kind.name}: SIGTERM to berth ends the program, and then berth",
                 program.wait(timeout=30), 143)


def comm_of(pid):
    """"" where it has ended: also if nobody has taken its status (an init that reaps nobody)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            comm, rest = file.read().split("(", 1)[1].rsplit(")", 1)
    except OSError:
        return ""
    return "" if rest.split()[0] == "Z" else comm


def berth_pid(pid):
    """The wrappers before berth exec, so berth is the process that was started."""
    return pid


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def child_of(pid):
    """COMMAND: berth's eldest child."""
    return next(iter(children_of(pid)), 0)


class Terminal:
    """A program on a terminal of its own, as its session's leader."""

    def __init__(self, argv):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "$ "
            os.environ["TERM"] = "dumb"
            os.execvp(argv[0], argv)

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern):
        """Reads until the pattern is there; what was before it is forgotten."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            readable, _, _ = select.select([self.fd], [], [], 0.1)
            try:
                data = os.read(self.fd, 4096) if readable else b""
            except OSError:
                break
            self.text += data.decode(errors="replace")
        return None

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_terminal(kind):
    shell = Terminal(["bash", "--norc", "-i"])
    probe = " ".join(f"'{word}'" for word in kind.probe())
    shell.expect(r"\$ ")

    shell.send(f"{probe} python3 -c \"{COUNTER}\" SIGINT; echo \"status $?\"\n".replace(
        COUNTER, COUNTER.replace("\n", "\n")))
    shell.expect(r"\nready")
    shell.send("\x03")
    tap.check(f"{kind.name}: Ctrl-C reaches the program once", shell.expect("status 41"),
              shell.text)

    shell.send(f"{probe} sleep 30; echo \"status $?\"\n")
    time.sleep(0.5)
    shell.send("\x03")
    tap.check(f"{kind.name}: Ctrl-C ends it, and berth with 130", shell.expect("status 130"),
              shell.text)

    shell.send(f"{probe} cat; echo \"status $?\"\n")
    time.sleep(0.5)
    shell.send("one\n")
    shell.expect("one\r\n.*one\r\n")
    shell.send("\x1a")
    tap.check(f"{kind.name}: Ctrl-Z stops the job", shell.expect(r"Stopped"), shell.text)
    shell.send("fg\n")
    time.sleep(0.3)
    shell.send("two\n")
    tap.check(f"{kind.name}: fg continues it", shell.expect("two\r\n(.*\n)?two\r\n"), shell.text)
    shell.send("\x04")
    shell.expect("status 0|\\$ ")

    shell.send(f"echo piped | {probe} cat | tr a-z A-Z\n")
    tap.check(f"{kind.name}: in a pipeline", shell.expect("PIPED"), shell.text)

    shell.send(f"{probe} bash --norc -i\n")
    time.sleep(0.7)
    shell.send("echo in-$((1+1)); sleep 40\n")
    tap.check(f"{kind.name}: an interactive shell inside", shell.expect(r"in-2\r\n"), shell.text)
    time.sleep(0.3)
    shell.send("\x1a")
    tap.check(f"{kind.name}: stops its own jobs", shell.expect(r"Stopped +sleep 40"), shell.text)
    shell.send("bg; jobs\n")
    tap.check(f"{kind.name}: continues them", shell.expect(r"Running +sleep 40"), shell.text)
    shell.send("kill %1; sleep 41\n")
    time.sleep(0.3)
    shell.send("\x03")
    shell.send("echo still-$((2+2))\n")
    tap.check(f"{kind.name}: interrupts them alone", shell.expect(r"still-4\r\n"), shell.text)
    shell.send("suspend\n")
    tap.check(f"{kind.name}: is suspended, and berth with it", shell.expect(r"Stopped.*"),
              shell.text)
    shell.send("fg\n")
    time.sleep(0.3)
    shell.send("echo again-$((3+3))\n")
    tap.check(f"{kind.name}: and continued", shell.expect(r"again-6\r\n"), shell.text)
    shell.send("exit 9\n")
    shell.send("echo status $?\n")
    tap.check(f"{kind.name}: ends, and the terminal is the outer shell's",
              shell.expect(r"status 9"), shell.text)
    shell.close()


# --- berth killed ---

def host_state():
    with open("/proc/self/mountinfo") as file:
        return sorted(os.listdir("/sys/class/net")), file.read()


def test_killed(kind):
    before = host_state()
    script = ("ip link show berth0 >/dev/null && echo up; read line; "
              "while ip link show berth0 >/dev/null 2>&1; do sleep 0.05; done; echo gone; sleep 30")
    program = subprocess.Popen(kind.probe("sh", "-c", script), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    tap.is_equal(f"{kind.name}: the link is up", program.stdout.readline(), "up\n")
    pid, *others = children_of(program.pid)
    tap.is_equal(f"{kind.name}: berth has one process beside it", len(others), 1)
    tap.is_equal(f"{kind.name}: the host is as it was meanwhile", host_state(), before)
    program.send_signal(signal.SIGKILL)
    program.wait(timeout=30)
    os.write(program.stdin.fileno(), b"\n")
    tap.is_equal(f"{kind.name}: berth killed: the program sees its link go",
                 program.stdout.readline(), "gone\n")
    tap.check(f"{kind.name}: and runs on", comm_of(pid) == "sh", comm_of(pid))
    tap.check(f"{kind.name}: no other process does",
              wait_until(lambda: not any(comm_of(other) for other in others)), others)
    for process in [pid, *children_of(pid)]:  # the shell first: it ends by itself without its child
        os.kill(process, signal.SIGKILL)
    program.stdin.close()
    program.stdout.close()
    tap.is_equal(f"{kind.name}: nothing is left on the host", host_state(), before)


# --- attribution ---

SENDER = """
import socket, subprocess, sys
def tcp(family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setblocking(False)
    try:
        s.connect((address, 80))
    except BlockingIOError:
        pass
    return s
def udp(family, address, is_connected):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if is_connected:
        s.connect((address, 53))
        s.send(b'x')
    else:
        s.sendto(b'x', (address, 54))
    return s
def ping(family, protocol, address, kind):
    s = socket.socket(family, socket.SOCK_DGRAM, protocol)
    s.sendto(bytes([kind, 0, 0, 0, 0, 0, 0, 1]), (address, 0))
    return s
kept = [tcp(socket.AF_INET, '10.0.2.2'), tcp(socket.AF_INET6, 'fd00::2'),
        tcp(socket.AF_INET6, '::ffff:10.0.2.2'),
        udp(socket.AF_INET, '10.0.2.3', True), udp(socket.AF_INET6, 'fd00::3', True),
        udp(socket.AF_INET, '10.0.2.3', False), udp(socket.AF_INET6, 'fd00::3', False),
        udp(socket.AF_INET6, '::ffff:10.0.2.3', False),
        ping(socket.AF_INET, 1, '10.0.2.2', 8), ping(socket.AF_INET6, 58, 'fd00::2', 128)]
more = [tcp(socket.AF_INET, '10.0.2.2') for i in range(300)]
import time
time.sleep(1)
"""


def packets(path):
    with open(path) as file:
        rows = [line.split() for line in file.read().splitlines() if line.startswith("packet ")]
    # The first packet of each: later ones are repeated by the kernel, perhaps when nobody is there.
    return list({tuple(row[1:6]): row for row in reversed(rows)}.values())


def test_attribution(kind, directory):
    output = os.path.join(directory, "packets")
    options = ["-o", output]
    kind.run(*options, "sh", "-c", 'python3 -c "$1" & wait', "sh", SENDER)
    seen = packets(output)
    os.unlink(output)
    wanted = [("6", "10.0.2.2", "80"), ("6", "fd00::2", "80"), ("17", "10.0.2.3", "53"),
              ("17", "fd00::3", "53"), ("17", "10.0.2.3", "54"), ("17", "fd00::3", "54"),
              ("1", "10.0.2.2", "0"), ("58", "fd00::2", "0")]
    for protocol, address, port in wanted:
        rows = [row for row in seen if (row[1], row[4], row[5]) == (protocol, address, port)]
        tap.check(f"{kind.name}: protocol {protocol} to {address} port {port} is python's",
                  rows and all(len(row) > 7 and row[7].startswith("python3") for row in rows),
                  rows[:4])
    known = [row for row in seen if row[1] == "6" and len(row) > 7]
    tap.is_equal(f"{kind.name}: 303 connections of one process", len(known), 303)
    kind.sh("ping -c 1 -W 1 10.0.2.2; true", *options)
    rows = packets(output)
    tap.check(f"{kind.name}: ping is known, capabilities or not",
              rows and len(rows[0]) > 7 and rows[0][7] == "ping", rows)
    os.unlink(output)


# --- what is missing ---

def test_missing(kind, directory):
    def run(script, *words):
        return subprocess.run(["unshare", "-m", "sh", "-c", script + ' exec "$@"', "sh", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    plain = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    got = run("mount -t tmpfs none /dev/net;", PROBE, "true")
    tap.check("no device: said", got.returncode == 125 and "no /dev/net/tun" in got.stderr,
              got.stderr)
    node = os.path.join(directory, "tun")
    os.chmod(node, 0o600)
    got = run(f"mount --bind {node} /dev/net/tun;", *plain, PROBE, "true")
    os.chmod(node, 0o666)
    tap.check("no permission: said", got.returncode == 125
              and "sudo chmod 0666 /dev/net/tun" in got.stderr, got.stderr)
    got = run(f"mount --bind {node} /dev/net/tun;", *plain, "unshare", "-Ur", "sh", "-c",
              'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh", PROBE, "true")
    tap.check("no user namespaces: the setting is named", got.returncode == 125
              and "user.max_user_namespaces is 0" in got.stderr, got.stderr)


with tap.temp_dir() as directory:
    os.chmod(directory, 0o777)
    PROBE = os.path.join(directory, "launch_probe")
    shutil.copy(os.path.join(os.environ["BERTH_BUILD"], "tests", "interop", "launch_probe"), PROBE)
    os.chmod(PROBE, 0o755)
    for each in kinds(directory):
        if each.run("true").returncode != 0:
            tap.skip(f"the launcher as {each.name}", each.run("true").stderr.strip())
            continue
        test_status(each)
        test_kept(each, directory)
        test_descriptors(each)
        test_network(each)
        test_quiet(each, directory)
        test_confined(each)
        test_filter(each)
        test_files(each)
        if each.name == "root":
            test_root_changes_user(each)
        if IS_ROOT:
            test_sealed(each)
            test_resolver_files(each, directory)
            test_replaced_files(each, directory)
        test_signals(each)
        test_terminal(each)
        test_killed(each)
        test_attribution(each, directory)
    if IS_ROOT:
        test_missing(each, directory)
tap.done()
