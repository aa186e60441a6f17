# SPDX-License-Identifier: MIT
#
# Tables: for a terminal and for docs/benchmarks.md alike (Markdown, aligned).

import os


def table(head, rows):
    """The first column to the left, figures to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    def line(cells):
        return "| " + " | ".join(
            cell.rjust(width) if i > 0 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths))) + " |"
    rule = "|" + "|".join(("-" * (width + 2)) if i == 0 else "-" * (width + 1) + ":"
                          for i, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    system = ""
    if os.path.exists("/etc/os-release"):
        with open("/etc/os-release") as file:
            names = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
        system = names.get("PRETTY_NAME", "").strip('"')
    return {"processor": model, "cpus": os.cpu_count(), "kernel": os.uname().release,
            "system": system, "load": os.getloadavg()[0],
            "niceness": f", niceness {os.nice(0)}" if os.nice(0) else ""}
