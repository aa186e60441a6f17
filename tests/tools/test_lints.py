# SPDX-License-Identifier: MIT
"""The lints find what they are for, and let right code pass."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["BERTH_SOURCE"], "tests"))
import tap


def lint(script, files, arguments=()):
    """Runs a lint in a tree of these files; returns its status and output."""
    with tap.temp_dir() as path:
        subprocess.run(["git", "init", "-q", path], check=True)
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
            with open(os.path.join(path, name), "w", encoding="utf-8") as file:
                file.write(text)
        result = subprocess.run(
            ["/usr/bin/python3", os.path.join(tap.BERTH_SOURCE, "tools", script), *arguments],
            cwd=path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    return result.returncode, result.stdout


def passes(name, script, files):
    status, text = lint(script, files)
    tap.check(name, status == 0, text)


def finds(name, script, files, words):
    status, text = lint(script, files)
    tap.check(name, status == 1 and words in text, f"expected {words!r}; status {status}:\n{text}")


def function(body_lines, head="int f(int a)"):
    return head + "\n{\n" + "    g();\n" * body_lines + "}\n"


HEADER = {"src/base/ring.h": "", "src/tcp/conn.h": ""}
passes("lower ranks may be included", "lint_layers.py",
       {**HEADER, "src/tcp/conn.c": '#include <string.h>\n#include "tcp/conn.h"\n#include "base/ring.h"\n'})
finds("a higher rank may not", "lint_layers.py",
      {**HEADER, "src/base/ring.c": '#include "tcp/conn.h"\n'}, "src/base/ring.c:1: base/ has rank 0")
finds("nor the same rank", "lint_layers.py",
      {**HEADER, "src/udp/socket.c": '\n#include "tcp/conn.h"\n'}, "src/udp/socket.c:2:")
finds("an include names its folder", "lint_layers.py",
      {**HEADER, "src/tcp/conn.c": '#include "conn.h"\n'}, "names its folder")
finds("the core includes no system calls", "lint_layers.py",
      {"src/base/a.c": "#include <unistd.h>\n"}, "<unistd.h> is not for the core")
passes("links may", "lint_layers.py", {"link/tun.c": "#include <unistd.h>\n"})
finds("a unit test keeps to its rank", "lint_layers.py",
      {**HEADER, "tests/unit/base/test_ring.c": '#include "tcp/conn.h"\n'}, "test_ring.c:1:")

passes("a function of 60 lines is right", "lint_sizes.py", {"src/a.c": function(58)})
finds("one of 61 is not", "lint_sizes.py", {"src/a.c": function(59)}, "src/a.c:2: f: 61 lines")
finds("comments and strings do not fool it", "lint_sizes.py",
      {"src/a.c": '/* } */\nstatic const char *s = "}{";\n' + function(59)}, "f: 61 lines")
finds("a file of 601 lines is too long", "lint_sizes.py", {"src/a.c": "int a;\n" * 601}, "601 lines")
finds("a line of 101 columns is too long", "lint_sizes.py",
      {"src/a.c": "\n/* " + "x" * 95 + " */\n"}, "src/a.c:2: 101 columns")


def wrap(text):
    with tap.temp_dir() as path:
        name = os.path.join(path, "a.c")
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run(["/usr/bin/python3", os.path.join(tap.BERTH_SOURCE, "tools",
                                                         "wrap_comments.py"), name], check=True)
        with open(name, encoding="utf-8") as file:
            return file.read()


X = "x" * 60
tap.is_equal("./dev format wraps a comment, its end not alone", wrap(f"/* {X} {X} */\n"),
             f"/* {X}\n * {X} */\n")
tap.is_equal("words go to the front of the next line", wrap(f"/*\n * {X} {X} a\n * b\n */\n"),
             f"/*\n * {X}\n * {X} a b\n */\n")
tap.is_equal("tables and code are left alone", wrap(f"/*\n * {X}  {X}\n */\nint {X}{X};\n"),
             f"/*\n * {X}  {X}\n */\nint {X}{X};\n")
finds("six parameters are too many", "lint_sizes.py",
      {"src/a.c": function(1, "int f(int a, int b, int (*c)(int, int), int d, int e, int f)")},
      "f: 6 parameters")
DEEP = "if (a) {\nfor (;;) {\nwhile (b) {\n%s}\n}\n}\n"
passes("a nesting of three is right, an initialiser is not a block", "lint_sizes.py",
       {"src/a.c": "void f(void)\n{\n" + DEEP % "struct p x = {.q = {1}};\nh((struct p){1});\n" + "}\n"})
finds("a nesting of four is not", "lint_sizes.py",
      {"src/a.c": "void f(void)\n{\n" + DEEP % "if (c) {\ng();\n}\n" + "}\n"}, "f: nesting 4")


def lint_object(text):
    """Compiles one file as if it were src/base/a.c of a build, and lints it."""
    with tap.temp_dir() as path:
        os.mkdir(os.path.join(path, "libberth.so.0.p"))
        subprocess.run(["cc", "-c", "-O1", "-fPIC", "-fno-builtin", "-x", "c", "-", "-o",
                        os.path.join(path, "libberth.so.0.p", "src_base_a.c.o")],
                       input=text, text=True, check=True)
        result = subprocess.run(
            ["/usr/bin/python3", os.path.join(tap.BERTH_SOURCE, "tools", "lint_objects.py"), path],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    return result.returncode, result.stdout


def finds_in_object(name, text, words):
    status, output = lint_object(text)
    tap.check(name, status == 1 and words in output, f"status {status}:\n{output}")


status, output = lint_object(
    "static const char *const names[] = {\"a\", \"b\"};\n"
    "const char *name(int i) { return names[i]; }\n"
    "void *memcpy(void *, const void *, unsigned long);\n"
    "void copy(void *a, void *b) { memcpy(a, b, 8); }\n")
tap.check("constant tables and memcpy are for the core", status == 0, output)
finds_in_object("a static counter is not", "int next(void) { static int n; return ++n; }\n",
                "is a writable variable")
finds_in_object("nor is a table that can be written",
                "int table[2] = {1, 2};\n", "src/base/a.c: table is a writable variable")
finds_in_object("nor a clock", "long time(long *); long now(void) { return time(0); }\n",
                "src/base/a.c: calls time")
tap.done()
