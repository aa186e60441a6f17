#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""berth rules export: what a NetworkPolicy and a CiliumNetworkPolicy let through is what berth lets
through, by their own rules, read here with Python's ipaddress and by no code of berth's; what a
target cannot say is listed; the policies that are shipped are right and can be exported.

How the kernel takes the ruleset of nftables is tests/interop/test_rules_export.py.
"""

import ipaddress
import json
import os
import random
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

TARGETS = ["nftables", "kubernetes", "cilium"]
POLICIES = 6
PORTS = [22, 53, 80, 443, 1023, 1024, 5432, 8080, 49151, 65535]
HOSTS = ["198.51.100.200", "2001:db8:5::200"]  # --host

WHATS = ["", "any", "tcp", "udp", "icmp", "system", "user/tcp", "ephemeral", "80,443", "https",
         "53/udp", "22,53,8000-50000/tcp,53/udp", "80-90,85-100,100-443", "domain"]
ADDRESSES = ["198.51.100.7", "198.51.100.99", "203.0.113.5", "10.1.2.3", "10.9.9.9", "8.8.8.8",
             "2001:db8:5::7", "2001:db8:5:1::9", "2a00::1", "169.254.169.254", "169.254.1.1",
             "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "2002:a9fe:a9fe::1", "224.0.0.5",
             "ff02::5", *HOSTS]
PEERS = ["any", "host", "0.0.0.0/0", "::/0", "198.51.100.0/24", "198.51.100.0/26", "10.0.0.0/8",
         "10.1.0.0/16", "2001:db8:5::/48", "2001:db8:5:1::/64", "169.254.0.0/16", "64:ff9b::/96",
         "64:ff9b::a9fe:0/112", "2002::/16", "128.0.0.0/1", "224.0.0.0/8", "ff02::/16",
         *ADDRESSES]


def export(target, path, *words):
    return tap.berth("rules", "export", "--to", target, *words, path)


def write(folder, text, name="policy.rules"):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


# ---- What the YAML means ------------------------------------------------------------------------

def in_blocks(blocks, address):
    address = ipaddress.ip_address(address)

    def has(prefix):
        network = ipaddress.ip_network(prefix)  # stray bits raise
        return network.version == address.version and address in network
    for block in blocks:
        for hole in block.get("except", []):
            assert (ipaddress.ip_network(hole).subnet_of(ipaddress.ip_network(block["cidr"]))
                    and hole != block["cidr"]), f"{hole} is not inside {block['cidr']}"
    return any(has(block["cidr"]) and not any(map(has, block.get("except", [])))
               for block in blocks)


def has_port(ports, protocol, port):
    return any(one["protocol"].lower() == protocol
               and int(one["port"]) <= port <= one.get("endPort", int(one["port"]))
               for one in ports)


def kubernetes_allows(policy, direction, protocol, peer, port):
    key, word = ("egress", "to") if direction == "out" else ("ingress", "from")
    return any(in_blocks([one["ipBlock"] for one in rule[word]], peer)
               and has_port(rule["ports"], protocol, port) for rule in policy["spec"][key])


def cilium_allows(policy, direction, protocol, peer, port):
    key, word = ("egress", "to") if direction == "out" else ("ingress", "from")
    for rule in policy["spec"][key]:
        if not in_blocks(rule.get(word + "CIDRSet", []), peer):
            continue
        if protocol == "icmp":
            family, number = ("IPv6", 128) if ":" in peer else ("IPv4", 8)
            if {"family": family, "type": number} in [
                    field for icmp in rule.get("icmps", []) for field in icmp["fields"]]:
                return True
        elif any(has_port(ports["ports"], protocol, port) for ports in rule.get("toPorts", [])):
            assert all(len(ports["ports"]) <= 40 for ports in rule["toPorts"])
            return True
    return False


# ---- Against berth's own verdicts ---------------------------------------------------------------

def make_policy(chance):
    lines = []
    for _ in range(chance.randint(10, 30)):
        direction = chance.choice(["out", "out", "in"])
        peers = sorted(set(chance.choices(PEERS, k=chance.choice([0, 1, 1, 2, 4]))))
        word = "to" if direction == "out" else "from"
        lines.append(" ".join([chance.choice(["allow", "allow", "deny", "drop"]), direction,
                               chance.choice(WHATS)] + ([word, ",".join(peers)] if peers else [])))
    return "\n".join(lines) + "\n"


def verdicts(path, direction, peer):
    """What berth says of every port and protocol towards PEER."""
    word = "to" if direction == "out" else "from"
    answers = {}
    questions = [f"{direction} {ports}/tcp,{ports}/udp {word} {peer}" for ports in
                 (",".join(map(str, half)) for half in (PORTS[::2], PORTS[1::2]))]
    hosts = [word for one in HOSTS for word in ("--host", one)]
    for question in (*questions, f"{direction} icmp {word} {peer}"):
        done = tap.berth("rules", "explain", "--json", *hosts, "--policy", path, question)
        for row in json.loads(done.stdout):
            answers[row["protocol"], row["port"]] = row["verdict"] == "allow"
    return answers


def check_policy(folder, number, chance):
    path = write(folder, make_policy(chance))
    hosts = [word for one in HOSTS for word in ("--host", one)]
    kubernetes = yaml.safe_load(export("kubernetes", path, *hosts).stdout)
    cilium = yaml.safe_load(export("cilium", path, *hosts).stdout)
    wrong = []
    allowed = 0
    for direction in ("out", "in"):
        for peer in chance.sample(ADDRESSES, 8):
            for (protocol, port), expected in verdicts(path, direction, peer).items():
                allowed += expected
                what = f"{direction} {protocol} {peer} {port}: berth: {expected}"
                if cilium_allows(cilium, direction, protocol, peer, port) != expected:
                    wrong.append("cilium " + what)
                if protocol != "icmp" and kubernetes_allows(kubernetes, direction, protocol, peer,
                                                            port) != expected:
                    wrong.append("kubernetes " + what)
    with open(path, encoding="utf-8") as file:
        tap.check(f"policy {number}: both YAMLs let through what berth does", not wrong,
                  "\n".join(wrong[:20]) + "\n" + file.read())
    return allowed


def check_meaning(folder):
    if yaml is None:
        tap.skip("what the YAML means", "no python3-yaml")
        return
    seed = int(os.environ.get("BERTH_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    tap.diag(f"BERTH_TEST_SEED={seed}")
    chance = random.Random(seed)
    allowed = sum(check_policy(folder, number, chance) for number in range(POLICIES))
    tap.check("something was allowed", allowed > 50, allowed)
    path = write(folder, "allow out 53/udp\ndeny out 22 to host\nallow out 20-30 to host\n"
                 "allow out icmp to host\n", "My Policy (2).rules")
    cilium = yaml.safe_load(export("cilium", path).stdout)
    hosts = [rule for rule in cilium["spec"]["egress"] if "toEntities" in rule]
    tap.is_equal("cilium: the host, after what is denied", hosts,
                 [{"toEntities": ["host"], "toPorts": [{"ports": [
                     {"port": "20", "endPort": 21, "protocol": "TCP"},
                     {"port": "23", "endPort": 30, "protocol": "TCP"}]}]},
                  {"toEntities": ["host"], "icmps": [{"fields": [
                      {"family": "IPv4", "type": 8}, {"family": "IPv6", "type": 128}]}]}])
    tap.is_equal("its name", (cilium["metadata"]["name"],
                              cilium["spec"]["endpointSelector"]["matchLabels"]),
                 ("my-policy-2", {"berth-policy": "my-policy-2"}))
    tap.is_equal("cilium: nothing is let in", cilium["spec"]["ingress"], [{}])
    many = write(folder, "allow out " + ",".join(str(port) for port in range(1, 200, 2)) + "\n")
    ports = yaml.safe_load(export("cilium", many).stdout)["spec"]["egress"][0]["toPorts"]
    tap.is_equal("cilium: at most 40 ports in a list", [len(one["ports"]) for one in ports],
                 [40, 40, 20])
    empty = yaml.safe_load(export("kubernetes", write(folder, "# nothing\n")).stdout)
    tap.is_equal("no rules: nothing passes",
                 (empty["kind"], empty["spec"]["egress"], empty["spec"]["ingress"],
                  sorted(empty["spec"]["policyTypes"])),
                 ("NetworkPolicy", [], [], ["Egress", "Ingress"]))


# ---- What is lost -------------------------------------------------------------------------------

# (target, rule, what is said of it; "" for nothing)
LOST = [
    ("nftables", "allow out https to host log", ""),
    ("nftables", "allow out icmp", ""),
    ("nftables", "allow out https to 10.0.2.2", "inside berth run only"),
    ("kubernetes", "allow out https/tcp", ""),
    ("kubernetes", "deny out https/tcp to 10.0.0.0/8", ""),
    ("kubernetes", "allow out https/tcp log", "log cannot be said"),
    ("kubernetes", "allow out https/tcp to host", "host cannot be said"),
    ("kubernetes", "allow out icmp", "ICMP cannot be said"),
    ("kubernetes", "deny in any from 10.0.0.0/8", "ICMP cannot be said"),
    ("cilium", "allow out https/tcp to host", ""),
    ("cilium", "allow out icmp", ""),
    ("cilium", "drop in 80 log", "log cannot be said"),
    ("cilium", "allow out https to fd00::2", "inside berth run only"),
    ("nftables", "allow out https to registry.example", "host names cannot be said"),
    ("kubernetes", "allow out https/tcp to registry.example", "host names cannot be said"),
    ("cilium", "allow out https to registry.example", ""),
    ("cilium", "allow out to registry.example", "ICMP by a host name cannot be said"),
    ("cilium", "deny out https to registry.example", "later rules may open"),
    ("cilium", "allow in https from registry.example", "host names cannot be said"),
    ("nftables", "allow out https limit 20/second", ""),
    ("kubernetes", "allow out https/tcp limit 20/second", "limit cannot be said"),
    ("cilium", "allow out https limit 20/second", "limit cannot be said"),
    ("nftables", "allow out https by curl", "the rule is left out"),
    ("kubernetes", "deny out https/tcp by curl", "it goes for every process"),
    ("cilium", "allow out https to registry.example by npm", "the rule is left out"),
    ("nftables", "ask out https", "nobody is asked: it refuses"),
    ("kubernetes", "allow out https/tcp to let-it-be", "host names cannot be said"),
]

# What a rule by host name loses to those before it: (policy, ports of TCP that are left)
NAMED = [
    ("allow out https/tcp,80 to registry.example", ["80", "443"]),
    ("deny out 80\nallow out https/tcp,80 to registry.example", ["443"]),
    ("allow out 80\nallow out https/tcp,80 to registry.example", ["80", "443"]),
    ("deny out 80 to host,169.254.0.0/16\nallow out 80 to registry.example", ["80"]),
    ("deny out 80 to *.example\nallow out 80,443 to registry.example", ["443"]),
    ("deny out 80 to other.example\nallow out 80,443 to registry.example", ["80", "443"]),
    ("deny in 80\ndeny out 80/udp\nallow out 80 to registry.example", ["80"]),
    ("ask out 80\nallow out 80,443 to registry.example", ["443"]),
    ("deny out 80 by curl\nallow out 80,443 to registry.example", ["443"]),
]
# ... and where more is lost than the policy says, that is told.
CUT = [
    ("deny out 80 to 10.0.0.0/8\nallow out 80,443 to registry.example", ["443"]),
    ("deny out 80 to a.example\nallow out 80,443 to *.example", ["443"]),
    ("drop out to 10.0.0.0/8\nallow out 80 to registry.example", []),
]


def named_ports(text):
    policy = yaml.safe_load(text)
    return [port["port"] for rule in policy["spec"]["egress"] if "toFQDNs" in rule
            for ports in rule["toPorts"] for port in ports["ports"]]


def check_names(folder):
    """Rules by host name for Cilium."""
    path = write(folder, "let hosts = {registry.example, *.CDN.example}\n"
                 "allow out https/tcp,8000-8010 to hosts,192.0.2.0/24\n"
                 "allow out 53/udp to registry.example\n")
    done = export("cilium", path)
    egress = yaml.safe_load(done.stdout)["spec"]["egress"]
    names = [{"matchName": "registry.example"}, {"matchPattern": "**.cdn.example"}]
    tap.is_equal("names are said", [rule["toFQDNs"] for rule in egress if "toFQDNs" in rule],
                 [names, names[:1]])
    tap.is_equal("with their ports", [rule["toPorts"] for rule in egress if "toFQDNs" in rule],
                 [[{"ports": [{"port": "443", "protocol": "TCP"},
                              {"port": "8000", "endPort": 8010, "protocol": "TCP"}]}],
                  [{"ports": [{"port": "53", "protocol": "UDP"}]}]])
    servers = [rule for rule in egress if "toEndpoints" in rule]
    tap.is_equal("and name servers may be asked for them, and nothing else",
                 [rule["toPorts"] for rule in servers],
                 [[{"ports": [{"port": "53", "protocol": "ANY"}],
                    "rules": {"dns": names + names[:1]}}]])
    tap.is_equal("addresses beside them, too",
                 [rule["toCIDRSet"] for rule in egress if "toCIDRSet" in rule],
                 [[{"cidr": "192.0.2.0/24"}]])
    tap.is_equal("a policy without names asks no name server", "kube-dns" in export(
        "cilium", write(folder, "allow out https\n")).stdout.split("apiVersion")[1], False)
    for policy, ports in NAMED + CUT:
        done = export("cilium", write(folder, policy + "\n"))
        name = policy.replace("\n", "; ")
        tap.is_equal(f"{name}: the ports left", named_ports(done.stdout), ports)
        tap.is_equal(f"{name}: what is cut is said",
                     "of some of these names' addresses" in done.stderr, (policy, ports) in CUT)


def check_scan(folder):
    path = write(folder, "on scan out deny 10 minutes\nallow out 80\n")
    for target in TARGETS:
        done = export(target, path)
        tap.is_equal(f"{target}: on scan is listed", (done.returncode, done.stderr), (
            1, "berth: on scan cannot be said: nothing looks out for scans\n"))


def check_left_out(folder):
    """An allow by a process opens nothing for all; a denial by one goes for all."""
    for target in TARGETS:
        for policy, is_there in [("allow out 8443 by curl\nallow out 80\n", False),
                                 ("allow out 8443\nallow out 80\n", True),
                                 ("deny out 8443 by curl\nallow out 8443,80\n", False)]:
            done = export(target, write(folder, policy))
            lines = [line for line in done.stdout.splitlines()
                     if not line.lstrip().startswith("#") and "8443" in line]
            if target == "nftables" and policy.startswith("deny"):
                tap.check(f"{target}: {policy!r}: refused before it is allowed",
                          "refused" in lines[0] and "accept" in lines[1], lines)
            else:
                tap.is_equal(f"{target}: {policy!r}: 8443 is let through", lines != [], is_there)


def check_lost(folder):
    for target, rule, said in LOST:
        path = write(folder, f"# one rule\n{rule}\n")
        done = export(target, path)
        name = f"{target}: {rule}"
        tap.is_equal(f"{name}: status", done.returncode, 1 if said else 0)
        lines = done.stderr.splitlines()
        tap.check(f"{name}: what is lost is said", len(lines) == (1 if said else 0) and all(
            line.startswith(f"berth: {path}:2: '") and said in line for line in lines), lines)
        comments = [line for line in done.stdout.splitlines() if line.startswith("#   ")]
        tap.is_equal(f"{name}: and stands in a comment", [line[4:] for line in comments],
                     [line[len("berth: "):] for line in lines])
    path = write(folder, "allow out https/tcp to host\n")
    tap.is_equal("kubernetes: host is said where its addresses are given",
                 export("kubernetes", path, "--host", "198.51.100.1").returncode, 0)
    odd = write(folder, "allow out 80\n", "odd\nname: x.rules")
    tap.check("a file's name cannot leave its comment",
              all(re.match(r"^(#|$|apiVersion|kind|metadata|spec|  )", line)
                  for line in export("kubernetes", odd).stdout.splitlines()))


def check_examples():
    folder = os.path.join(tap.BERTH_SOURCE, "examples", "policies")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".rules"))
    tap.is_equal("the policies that are shipped", [name[:-len(".rules")] for name in names],
                 ["apt", "cargo", "coding-agent", "git-ssh", "npm", "pip", "postgresql-client",
                  "web-server"])
    with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
        listed = file.read()
    for name in names:
        path = os.path.join(folder, name)
        done = tap.berth("rules", "check", path)
        tap.is_equal(f"{name} is right", (done.returncode, done.stderr), (0, ""))
        tap.check(f"{name} is listed", f"`{name}`" in listed)
        for target in TARGETS:
            done = export(target, path)
            tap.check(f"{name} can be exported to {target}", done.returncode in (0, 1)
                      and (done.returncode == 1) == (done.stderr != ""), done.stderr)
    for name, question, status in [
            ("npm", "out tcp registry.example:443", 0), ("npm", "out tcp registry.example:80", 1),
            ("npm", "out tcp other.example:443", 1), ("npm", "out tcp 203.0.113.7:443", 1),
            ("npm", "out tcp 169.254.169.254:443", 1), ("npm", "out tcp host:443", 1),
            ("pip", "out tcp index.example:443", 0), ("pip", "out tcp a.files.example:443", 0),
            ("cargo", "out tcp static.registry.example:443", 0),
            ("cargo", "out tcp registry.example:443", 1),
            ("apt", "out tcp deb.mirror.example:80", 0), ("apt", "out tcp host:3142", 0),
            ("apt", "out tcp 203.0.113.7:80", 1),
            ("git-ssh", "out tcp git.example:22 by ssh", 0),
            ("git-ssh", "out tcp git.example:22 by nc", 1),
            ("git-ssh", "out tcp 192.168.1.1:22 by ssh", 1),
            ("coding-agent", "out tcp api.model.example:443", 0),
            ("coding-agent", "out tcp other.example:443", 1),
            ("coding-agent", "out tcp git.example:22 by ssh", 0),
            ("coding-agent", "out tcp 172.17.0.1:443", 1),
            ("coding-agent", "out tcp 203.0.113.7:25", 1),
            ("web-server", "in tcp 203.0.113.7:443", 0), ("web-server", "in tcp 203.0.113.7:22", 1),
            ("web-server", "out tcp 203.0.113.7:443", 1),
            ("postgresql-client", "out tcp 10.2.0.5:5432", 0),
            ("postgresql-client", "out tcp 203.0.113.7:5432", 1)]:
        done = tap.berth("rules", "explain", "--policy", os.path.join(folder, name + ".rules"),
                         question)
        tap.is_equal(f"{name}: {question}", done.returncode, status)


def check_refusals(folder):
    good = write(folder, "allow out https\n")
    bad = write(folder, "alow out https\n", "bad.rules")
    for words, said in [(["export", good], "--to"),
                        (["export", "--to", "iptables", good], "nftables, kubernetes or cilium"),
                        (["export", "--to", "nftables"], "a file"),
                        (["export", "--to", "nftables", good, good], "one file"),
                        (["export", "--to", "nftables", "--json", good], "no option but"),
                        (["export", "--to", "nftables", "-a", "out", good], "no option but"),
                        (["export", "--to", "nftables", bad], "did you mean allow?"),
                        (["export", "--to", "nftables", "/no/such/file"], "No such file"),
                        (["check", "--to", "nftables", good], "no option but --json"),
                        (["explain", "--to", "nftables", "out tcp 8.8.8.8:80"], "--to"),
                        (["exprot", good], "did you mean export?")]:
        done = tap.berth("rules", *words)
        tap.check(f"refused: {' '.join(words[:3])}", done.returncode == 2 and done.stdout == ""
                  and len(done.stderr.splitlines()) == 1 and said in done.stderr, done.stderr)
    done = subprocess.run([tap.BERTH, "rules", "export", "--to", "nftables", "-"],
                          input="allow out 80\n", stdout=subprocess.PIPE, text=True, timeout=30,
                          check=False)
    tap.check("a policy from standard input", done.returncode == 0 and "tcp dport { 80 } accept"
              in done.stdout, done.stdout)


def main():
    with tap.temp_dir() as folder:
        check_meaning(folder)
        check_lost(folder)
        check_left_out(folder)
        check_scan(folder)
        if yaml is not None:
            check_names(folder)
        check_refusals(folder)
    check_examples()
    tap.done()


main()
