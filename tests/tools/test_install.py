# SPDX-License-Identifier: MIT
"""What `meson install` installs is enough for a program of somebody else's: the examples, built with pkg-config alone."""

import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap

EXAMPLES = os.path.join(tap.BERTH_SOURCE, "examples")


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False, **options)
    return done.returncode == 0, done.stdout


def flags_of(root, *words):
    """What pkg-config says of the tree below ROOT."""
    places = glob.glob(os.path.join(root, "**", "pkgconfig"), recursive=True)
    environment = {**os.environ, "PKG_CONFIG_PATH": ":".join(places), "PKG_CONFIG_SYSROOT_DIR": root}
    _, told = run(["pkg-config", *words], env=environment)
    return told.split()


def check_example(root, name, folder):
    program = os.path.join(folder, name)
    built, told = run(["cc", "-std=gnu17", "-Wall", "-Wextra", "-Werror",
                       *flags_of(root, "--cflags", "libberth-link"), os.path.join(EXAMPLES, name + ".c"),
                       "-o", program, *flags_of(root, "--libs", "libberth-link")])
    tap.check(f"{name} builds from what is installed", built, told)
    return program


def check_headers(root, headers):
    """Are there any, and does each do by itself, in C99? Else why not."""
    wrong = []
    for header in headers:
        name = header.split("/include/")[1].removeprefix("berth-link/")
        fine, told = run(["cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                          *flags_of(root, "--cflags", "libberth-link"), "-x", "c", "-"],
                         input=f"#include <{name}>\nint none;\n")
        wrong += [] if fine else [f"{name}:\n{told}"]
    return len(headers) > 1 and not wrong, "\n".join(wrong)


def main():
    if os.environ.get("BERTH_SANITIZE", "none") != "none":
        tap.skip("the examples build from what is installed", "a sanitizer's libraries want its compiler flags")
        return
    with tap.temp_dir() as root:
        installed, told = run(["meson", "install", "-C", os.environ["BERTH_BUILD"], "--no-rebuild",
                               "--destdir", root])
        tap.check("it installs", installed, told)
        echo = check_example(root, "echo", root)
        check_example(root, "web", root)
        libraries = glob.glob(os.path.join(root, "**", "libberth.so.0"), recursive=True)
        worked, told = run([echo], env={"LD_LIBRARY_PATH": os.path.dirname(libraries[0])})
        tap.check("echo works", worked and "got \"What is your port?\"" in told, told)
        headers = sorted(glob.glob(os.path.join(root, "**", "include", "**", "*.h"), recursive=True))
        tap.check("each header does by itself", *check_headers(root, headers))


main()
tap.done()
