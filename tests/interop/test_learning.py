#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth run --learn: what a program did becomes a policy, and the program runs under that policy
with nothing refused: curl, git over http, apt-get, a PostgreSQL client and server, ssh.
"""

import host
import functools
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import names_world
import tap


def rules_in(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file
                if not line.startswith("#") and line.strip() != ""]


def refused(log):
    return [line for line in host.read_log(log) if line["event"] in ("refused", "name_refused")]


def check_again(name, directory, policy, options, command, expect):
    """COMMAND under POLICY alone does as well as before, and nothing is refused."""
    log = os.path.join(directory, f"{name}.log")
    done = host.run("--log", log, "--policy", policy, *options, "--", *command)
    tap.check(f"{name}: under the policy it does the same", expect(done), done)
    tap.is_equal(f"{name}: and nothing is refused", refused(log), [])


def check_program(name, directory, rules, command, expect, options=()):
    """Learns from COMMAND, expects the RULES, and runs it under them."""
    policy = os.path.join(directory, f"{name}.rules")
    done = host.run("--learn", policy, *options, "--", *command)
    tap.check(f"{name}: runs while learning", expect(done), done)
    tap.is_equal(f"{name}: the rules that it needs", rules_in(policy), rules)
    check_again(name, directory, policy, options, command, expect)
    return policy


# ---- Servers --------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def serve_files(directory):
    handler = functools.partial(Quiet, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def command(*words, **options):
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, **options)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# ---- Programs -------------------------------------------------------------------------------


def check_curl(directory):
    write(os.path.join(directory, "hello"), "hello\n")
    port = serve_files(directory)
    check_program("curl", directory, [f"allow out {port}/tcp to host"],
                  ["curl", "-sS", "--max-time", "20", f"http://10.0.2.2:{port}/hello"],
                  lambda done: done.stdout == "hello\n")


def check_git(directory):
    source = os.path.join(directory, "source")
    environment = {**os.environ, "HOME": directory, "GIT_CONFIG_NOSYSTEM": "1"}
    command("git", "init", "-q", "-b", "main", source, env=environment)
    write(os.path.join(source, "file"), "contents\n")
    command("git", "-C", source, "add", "file", env=environment)
    command("git", "-C", source, "-c", "user.name=t", "-c", "user.email=t@invalid", "commit", "-q",
            "-m", "one", env=environment)
    command("git", "clone", "-q", "--bare", source, os.path.join(directory, "served.git"),
            env=environment)
    command("git", "-C", os.path.join(directory, "served.git"), "update-server-info",
            env=environment)
    port = serve_files(directory)
    target = os.path.join(directory, "clone")
    check_program("git", directory, [f"allow out {port}/tcp to host"],
                  ["sh", "-c", f"rm -rf {target}; git clone -q http://10.0.2.2:{port}/served.git "
                               f"{target} && cat {target}/file"],
                  lambda done: done.stdout == "contents\n")


def check_apt(directory):
    if shutil.which("apt-get") is None:
        tap.skip("apt", "no apt-get here")
        return
    mirror = os.path.join(directory, "mirror")
    os.makedirs(os.path.join(mirror, "debian"))
    write(os.path.join(mirror, "debian", "Packages"),
          "Package: berth-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@invalid>\n"
          "Filename: ./berth-test.deb\nSize: 1\nDescription: a test\n\n")
    state = os.path.join(directory, "apt")
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        os.makedirs(os.path.join(state, folder))
    write(os.path.join(state, "status"), "")
    port = serve_files(mirror)
    write(os.path.join(state, "sources.list"),
          f"deb [trusted=yes] http://10.0.2.2:{port}/debian ./\n")
    options = [f"Dir::State={state}", f"Dir::State::status={state}/status",
               f"Dir::Cache={state}/cache", f"Dir::Etc::sourcelist={state}/sources.list",
               "Dir::Etc::sourceparts=-", f"Dir::State::lists={state}/lists", "Dir::Etc::parts=-",
               "Acquire::Retries=0", "APT::Sandbox::User=root", "Dir::Etc::main=-"]
    words = [word for option in options for word in ("-o", option)]
    check_program("apt", directory, [f"allow out {port}/tcp to host"],
                  ["sh", "-c", f"rm -rf {state}/lists/*; mkdir -p {state}/lists/partial; "
                               'apt-get "$@" -q update && apt-cache "$@" show berth-test',
                   "sh", *words],
                  lambda done: done.returncode == 0 and "Package: berth-test" in done.stdout)


def postgres_folder():
    """Where PostgreSQL's own programs are; None: not here."""
    root = "/usr/lib/postgresql"
    versions = sorted(os.listdir(root)) if os.path.isdir(root) else []
    found = [os.path.join(root, version, "bin") for version in versions
             if os.path.exists(os.path.join(root, version, "bin", "initdb"))]
    return found[-1] if found else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_nobody(directory):
    """Words that make a command nobody's, since PostgreSQL's server refuses to be root's."""
    if os.geteuid() != 0 or not host.IS_ROOT_OUTSIDE:
        return []
    os.chown(directory, host.USER, host.USER)
    return ["setpriv", "--reuid", str(host.USER), "--regid", str(host.USER), "--clear-groups"]


def check_postgres(directory):
    programs = postgres_folder()
    if programs is None or shutil.which("psql") is None:
        tap.skip("postgres", "no PostgreSQL server here")
        return
    if os.geteuid() == 0 and not host.IS_ROOT_OUTSIDE:
        tap.skip("postgres", "its server does not run as the one user of this namespace")
        return
    data = os.path.join(directory, "postgres")
    os.mkdir(data)
    user = as_nobody(data)
    command(*user, f"{programs}/initdb", "-D", f"{data}/db", "-A", "trust", "-U", "nobody",
            "-E", "UTF8", "--locale=C", "-N", cwd=data)
    write(f"{data}/db/pg_hba.conf", "host all all all trust\nlocal all all trust\n")
    port = free_port()
    server = [*user, f"{programs}/postgres", "-D", f"{data}/db", "-k", data, "-c", f"port={port}",
              "-c", "listen_addresses=*", "-c", "logging_collector=off"]
    process = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=data)
    query = ["-U", "nobody", "-X", "-A", "-t", "-c", "select 6 * 7", "postgres"]
    try:
        host.wait_for_port(port)
        check_program("psql", directory, [f"allow out {port}/tcp to host"],
                      ["psql", "-h", "10.0.2.2", "-p", str(port), *query],
                      lambda done: done.stdout == "42\n")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    check_postgres_server(directory, server, port, query)


def check_postgres_server(directory, server, port, query):
    """The server inside, its client on the host: by a rule of its own, not by --publish."""
    policy = os.path.join(directory, "postgres.rules")
    log = os.path.join(directory, "postgres.log")

    def ask(*options):
        process = host.start(*options, "-p", str(port), "--quiet", "--", *server)
        for _ in range(100):
            done = subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(port), *query],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=20)
            if done.returncode == 0 or process.poll() is not None:
                break
            time.sleep(0.1)
        host.stop(process, signal.SIGINT)
        return done
    done = ask("--learn", policy)
    tap.check("postgres: runs while learning", done.stdout == "42\n", done)
    tap.is_equal("postgres: what --publish allows is not written", rules_in(policy), [])
    done = ask("--log", log, "--policy", policy)
    tap.check("postgres: under the policy it does the same", done.stdout == "42\n", done)
    tap.is_equal("postgres: and nothing is refused", refused(log), [])


def check_ssh(directory):
    if shutil.which("sshd") is None or shutil.which("ssh") is None:
        tap.skip("ssh", "no ssh and sshd here")
        return
    if os.geteuid() == 0 and not host.IS_ROOT_OUTSIDE:
        tap.skip("ssh", "sshd wants the users of the system, and here is one")
        return
    folder = os.path.join(directory, "ssh")
    os.mkdir(folder, 0o700)
    for name in ("host_key", "user_key"):
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}")
    shutil.copy(f"{folder}/user_key.pub", f"{folder}/authorized_keys")
    port = free_port()
    write(f"{folder}/sshd_config",
          f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
          f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
          "PermitRootLogin yes\nPasswordAuthentication no\n")
    os.makedirs("/run/sshd", exist_ok=True)
    process = subprocess.Popen([shutil.which("sshd"), "-D", "-e", "-f", f"{folder}/sshd_config"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        host.wait_for_port(port)
        check_program("ssh", directory, [f"allow out {port}/tcp to host"],
                      ["ssh", "-F", "none", "-p", str(port), "-i", f"{folder}/user_key",
                       "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                       "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "10.0.2.2", "echo hello"],
                      lambda done: done.stdout == "hello\n")
    finally:
        process.terminate()
        process.wait(20)


# ---- Names ----------------------------------------------------------------------------------


def check_names(directory):
    """Names before addresses: each that led to an address that was used; an address only where a
    name alone would not do."""
    far = names_world.Far()
    names = names_world.NameServer({
        ("one.example", "A"): (300, [names_world.FAR]),
        ("one.example", "AAAA"): (300, [names_world.FAR6]),
        ("two.example", "A"): (300, [names_world.FAR]),
        ("www.three.example", "CNAME"): (300, ["edge.example"]),
        ("edge.example", "A"): (300, [names_world.FAR2]),
        ("inward.example", "A"): (300, [names_world.INWARD]),
        ("unused.example", "A"): (300, [names_world.FAR3]),
        ("any", "A"): (300, [names_world.FAR]),
        ("host", "A"): (300, [names_world.FAR]),
    })
    names_world.FarServer(far, 80, names_world.serve_http)
    script = ("curl -sS --max-time 20 http://one.example/ http://two.example/ "
              "http://www.three.example/; {}")
    options = ["--dns", names.word]

    def served(count):
        return lambda done: done.stdout == "served" * count
    policy = check_program("names", directory,
                           ["allow out http/tcp to one.example, two.example, www.three.example"],
                           ["sh", "-c", script.format("")], served(3), options)
    log = os.path.join(directory, "more.log")
    done = host.run("--policy", policy, "--log", log, *options, "--", "sh", "-c",
                    script.format("curl -sS http://inward.example/; getent hosts unused.example"))
    tap.check("names: what was not learned is refused", done.stdout == "served" * 3 and
              sorted({line["host_name"] for line in refused(log)}) ==
              ["inward.example", "unused.example"], (done, refused(log)))
    check_program("inward", directory,
                  [f"allow out http/tcp to {names_world.INWARD}, inward.example"],
                  ["curl", "-sS", "--max-time", "20", "http://inward.example/"], served(1), options)
    policy = check_program("names that are words", directory,
                           ["allow out http/tcp to any., host."],
                           ["curl", "-sS", "--max-time", "20", "http://any./", "http://host./"],
                           served(2), options)
    done = host.run("--policy", policy, "--", "curl", "-sS", f"http://{names_world.FAR2}/")
    tap.is_equal("names that are words: they open nothing else", done.returncode, 7)
    path = os.path.join(directory, "unused.rules")
    host.run("--learn", path, *options, "--", "getent", "hosts", "unused.example")
    with open(path, encoding="utf-8") as file:
        tap.check("names: one that was resolved and not connected to is a comment",
                  "# resolved, and not connected to: unused.example\n" in file.read())
    tap.is_equal("names: and no rule", rules_in(path), [])
    far.close()


# ---- The file -------------------------------------------------------------------------------


def connect(*ports):
    """A program that opens and closes a connection to each of PORTS of the host's."""
    return host.python("import socket, sys\n"
                       "for port in sys.argv[1:]:\n"
                       "    try: socket.create_connection(('10.0.2.2', int(port)), 10).close()\n"
                       "    except OSError as error: print(error.strerror)\n", *ports)


def check_merging(directory):
    """What is in the file stays, what it allows is not written again, what it denies is denied."""
    policy = os.path.join(directory, "merged.rules")
    servers = [host.Server(lambda connection: None) for _ in range(3)]
    one, two, three = (server.port for server in servers)
    write(policy, f"# mine\nallow out {one}/tcp to host   # by hand\ndeny out {two}/tcp to host")
    done = host.run("--learn", policy, "--", *connect(one, two, three))
    tap.is_equal("merging: what the file denies is refused", done.stdout, "Connection refused\n")
    with open(policy, encoding="utf-8") as file:
        text = file.read()
    tap.check("merging: what was there stays as it was",
              text.startswith(f"# mine\nallow out {one}/tcp to host   # by hand\n"
                              f"deny out {two}/tcp to host\n"), text)
    tap.is_equal("merging: one rule is new", rules_in(policy)[2:],
                 [f"allow out {three}/tcp to host"])
    done = host.run("--learn", policy, "--", *connect(one, three))
    tap.is_equal("merging: a second time there is nothing to add", done.stdout, "")
    with open(policy, encoding="utf-8") as file:
        tap.is_equal("merging: and nothing is added", file.read(), text)


def check_many(directory):
    """Several kinds at once: few rules, and each is needed."""
    servers = [host.Server(lambda connection: None) for _ in range(2)]
    echo = host.UdpServer(lambda data, client: data)
    policy = os.path.join(directory, "many.rules")
    inside = ["sh", "-c", 'ping -c 1 -W 5 10.0.2.2 >/dev/null; "$@"', "sh", *host.python(
        "import socket, sys\n"
        "for port in sys.argv[2:]: socket.create_connection(('10.0.2.2', int(port)), 10).close()\n"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(10)\n"
        "u.sendto(b'x', ('10.0.2.2', int(sys.argv[1]))); print(u.recv(10))\n",
        echo.port, *(server.port for server in servers))]
    ports = sorted(server.port for server in servers)
    check_program("many", directory,
                  [f"allow out {ports[0]},{ports[1]}/tcp,{echo.port}/udp to host",
                   "allow out icmp to host"], inside, lambda done: done.stdout == "b'x'\n")


def check_errors(directory):
    program = ["true"]
    bad = os.path.join(directory, "bad.rules")
    write(bad, "allow sideways\n")
    done = host.run("--learn", bad, "--", *program)
    tap.check("errors: a file that is no policy", done.returncode == 2 and
              f"{bad}:1:7: 'sideways'" in done.stderr, done)
    done = host.run("--learn", directory, "--", *program)
    tap.check("errors: a directory", done.returncode == 2 and "--learn" in done.stderr, done)
    done = host.run("--learn", "/nowhere/x", "--", *program)
    tap.check("errors: no such folder", done.returncode == 2 and
              "No such file or directory" in done.stderr, done)
    done = host.run("--learn", os.path.join(directory, "x"), "--default", "allow", "--", *program)
    tap.check("errors: not with --default allow", done.returncode == 2 and
              "'--default'" in done.stderr, done)
    tap.check("errors: and no file is made", not os.path.exists(os.path.join(directory, "x")))


def check_full(directory):
    """A full disk: the file stays as it was, and what was learned is not lost."""
    disk = os.path.join(directory, "disk")
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", disk],
                      stderr=subprocess.DEVNULL).returncode != 0:
        tap.skip("full", "no small disk can be mounted here")
        return
    server = host.Server(lambda connection: None)
    policy = os.path.join(disk, "full.rules")
    text = "# full\n" + "#" * (4096 - 8) + "\n"
    write(policy, text)
    done = host.run("--learn", policy, "--", *connect(server.port))
    with open(policy, encoding="utf-8") as file:
        tap.check("full: the file is as it was", file.read() == text)
    tap.check("full: what was learned is on standard error", done.returncode == 125 and
              f"allow out {server.port}/tcp to host" in done.stderr and
              "No space left on device" in done.stderr, done)
    subprocess.run(["umount", disk], check=False)


def main():
    host.need("curl", "git", "ping")
    with tap.temp_dir() as directory:
        os.chmod(directory, 0o755)
        check_curl(directory)
        check_git(directory)
        check_apt(directory)
        check_postgres(directory)
        check_ssh(directory)
        check_names(directory)
        check_merging(directory)
        check_many(directory)
        check_errors(directory)
        check_full(directory)
    tap.done()


main()
