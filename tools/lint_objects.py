#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks the core's object files in a build folder: tools/lint_objects.py BUILD

1. No writable variable at file scope: nothing in .data, .bss, .tdata, .tbss or common, so that any
   number of stacks live in one process. (.data.rel.ro is read-only after relocation.)
2. No system call, clock, entropy, file, locale or lock: what the core does not define itself is on
   the list below. malloc and free are for making and freeing a stack only.
"""

import glob
import re
import subprocess
import sys

ALLOWED = set("""
    memcpy memmove memset memcmp memchr memrchr memmem
    __memcpy_chk __memmove_chk __memset_chk
    strlen strnlen strcmp strncmp strncpy strchr strrchr strstr strspn strcspn
    snprintf vsnprintf __snprintf_chk __vsnprintf_chk
    __stack_chk_fail _GLOBAL_OFFSET_TABLE_ __udivti3 __umodti3 __divti3 __popcountdi2
    crypto_shorthash crypto_shorthash_siphashx24 crypto_generichash crypto_auth_hmacsha256
    crypto_stream_chacha20 crypto_stream_chacha20_xor_ic crypto_stream_chacha20_ietf
    crypto_stream_chacha20_ietf_xor_ic crypto_core_hchacha20 crypto_kdf_derive_from_key
    crypto_generichash_init crypto_generichash_update crypto_generichash_final
    crypto_kdf_blake2b_derive_from_key sodium_memzero sodium_memcmp
""".split())

# (folder/file.c, symbol): reason. An exception is a line here, never a silent one.
EXCEPTIONS = {
    ("base/check.c", "abort"): "BERTH_CHECK ends the process on a bug of ours",
    ("base/check.c", "fprintf"): "BERTH_CHECK says where",
    ("base/check.c", "__fprintf_chk"): "BERTH_CHECK says where",
    ("base/check.c", "stderr"): "BERTH_CHECK says where",
}

WRITABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)")


def source_of(path):
    """libberth.so.0.p/src_base_pool.c.o -> base/pool.c"""
    name = path.rsplit("/", 1)[1].removesuffix(".o")
    return name.removeprefix("src_").replace("_", "/", 1)


def symbols(path):
    """(name, section, size) of every symbol of an object file."""
    text = subprocess.run(["objdump", "-t", path], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    for line in text.splitlines():
        fields = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if fields:
            yield fields.group(4), fields.group(2), int(fields.group(3), 16), fields.group(1)


def main():
    objects = sorted(glob.glob(sys.argv[1] + "/libberth.so.0.p/*.o"))
    if not objects:
        print("no core object in", sys.argv[1])
        return 1
    defined, used, problems = set(), [], []
    for path in objects:
        source = source_of(path)
        for name, section, size, flags in symbols(path):
            if section == "*UND*":
                used.append((source, name))
                continue
            if flags[0] in "gu!" or flags[1] == "w":
                defined.add(name)
            if WRITABLE.match(section) and size > 0 and (source, name) not in EXCEPTIONS:
                problems.append(f"src/{source}: {name} is a writable variable at file scope")
    for source, name in used:
        if name not in defined and name not in ALLOWED and (source, name) not in EXCEPTIONS:
            problems.append(f"src/{source}: calls {name}, which is not for the core")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
