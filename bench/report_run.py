# SPDX-License-Identifier: MIT
#
# The tables of the area "run".

from report import table

BULK = {"out": "program sends", "in": "program receives", "published": "published port, host sends"}
SMALL = {"rr": "one byte back and forth", "crr": "connect, one byte each way, close",
         "crr-in": "the same, to a published port"}
STILL_GBPS = 0.005  # less than this is no rate, but connections that stand still


def is_stuck(got):
    return got.get("gbps", 1) < STILL_GBPS


def figure(got, key, form):
    if not got or key not in got:
        return "-"
    if is_stuck(got):
        return "stuck"
    text = form.format(got[key])
    if key in ("gbps", "per_second") and len(got["runs"]) > 1:
        text += f" ±{got['spread'] * 50:.0f}%"
    return text


def ratio(row, name, key):
    ours, theirs = row["peers"].get("berth", {}).get(key), row["peers"].get(name, {}).get(key)
    if is_stuck(row["peers"].get(name, {})):
        return "-"
    return f"{ours / theirs:.2f}" if ours and theirs and name != "berth" else "-"


def label(row, names):
    family = "" if row["ip"] == 4 else ", IPv6"
    at_once = f", {row['streams']} at once" if names is SMALL and row["streams"] > 1 else ""
    return f"{names[row['test']]}{at_once}{family}"


def bulk_tables(document, names):
    rows = [row for row in document["rows"] if row["test"] in BULK]
    if not rows:
        return []
    others = [name for name in names if name not in ("berth", "veth") and "berth" in names]
    head = ["direction", "MTU", "streams", *names, *(f"berth/{name}" for name in others)]
    speed = table(head, [
        [label(row, BULK), row["mtu"], row["streams"],
         *(figure(row["peers"].get(name), "gbps", "{:.2f}") for name in names),
         *(ratio(row, name, "gbps") for name in others)] for row in rows])
    proxies = [name for name in names if name != "veth"]
    cpu = table(["direction", "MTU", "streams", *proxies, *(f"berth/{name}" for name in others)], [
        [label(row, BULK), row["mtu"], row["streams"],
         *(figure(row["peers"].get(name), "cpu_s_per_gb", "{:.2f}") for name in proxies),
         *(ratio(row, name, "cpu_s_per_gb") for name in others)] for row in rows])
    return ["TCP throughput, Gb/s:", speed, "Processor seconds of the proxy per GB:", cpu]


def failures(got):
    return sum(run.get("failed", 0) for run in got.get("runs", [])) if got else "-"


def small_table(rows, names):
    lines = []
    for row in rows:
        for name in names:
            got = row["peers"].get(name)
            lines.append([label(row, SMALL), name, figure(got, "per_second", "{:.0f}"),
                          figure(got, "p50_us", "{:.0f}"), figure(got, "p99_us", "{:.0f}"),
                          figure(got, "cpu_us_each", "{:.1f}"), failures(got),
                          ratio(row, name, "per_second")])
    return table(["exchange", "through", "per second", "p50 µs", "p99 µs", "proxy's CPU µs each",
                  "failed", "berth/this"], lines)


def small_tables(document, names):
    tables = []
    for cores, where in (("all", "on all processors"), ("one", "all of it on one processor")):
        rows = [row for row in document["rows"] if row["test"] in SMALL and row["cores"] == cores]
        if rows:
            tables += [f"Small exchanges, one after another or several at once, {where}; failed: "
                       "of all runs, those stuck for 5 s among them:", small_table(rows, names)]
    return tables


def memory_table(document, names):
    lines = []
    for mtu, memory in document["memory"].items():
        for name in names:
            if name in memory:
                lines.append([name, mtu, f"{memory[name]['rest'] / 1e6:.1f}",
                              f"{memory[name]['end'] / 1e6:.1f}"])
    if not lines:
        return []
    return ["Resident memory of the proxy, MB:", table(["proxy", "MTU", "at rest", "at the end"],
                                                       lines)]


def notes(document):
    lines = [f"- {name}: not measured: {why}" for name, why in document["missing"].items()]
    for row in document["rows"]:
        for name, got in row["peers"].items():
            if "trouble" in got:
                lines.append(f"- {name}, MTU {row['mtu']}, IPv{row['ip']} {row['test']} "
                             f"x{row['streams']}: {got['trouble']}")
    return ["\n".join(lines)] if lines else []


def text(document):
    names = [name for name in document["versions"]]
    several = document["runs"] > 1
    what = (f"{'Medians of ' if several else ''}{document['runs']} run{'s' * several} of "
            f"{document['seconds']:g} s{' each, by turns' * several}"
            f"{'; ± is half the distance between the best and the worst' * several}. "
            f"{document['congestion_control']} at the kernel's ends. "
            + ", ".join(f"{name}: {version}" for name, version in document["versions"].items())
            + ".")
    return "\n\n".join([what, *bulk_tables(document, names), *small_tables(document, names),
                        *memory_table(document, names), *notes(document)])
