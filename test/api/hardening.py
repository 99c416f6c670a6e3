# SPDX-License-Identifier: MIT
"""What the option `hardening` promises can be seen in the library and in the command.

A flag that a compiler no longer knows vanishes from the build without a word; here it is missed. The test reads what
was linked, not how. It knows nothing of what the flags cost.
"""

import subprocess
import sys

readelf, library, command, cpu, sanitize, optimization = sys.argv[1:]
failures = []

ENDBR64 = b"\xf3\x0f\x1e\xfa"


def read(option, path):
    return subprocess.run([readelf, "--wide", option, path], check=True, capture_output=True, text=True).stdout


def want(condition, path, words):
    if not condition:
        failures.append(f"{path}: {words}")


for path in library, command:
    header = read("--file-header", path)
    segments = read("--program-headers", path)
    dynamic = read("--dynamic", path)
    symbols = read("--dyn-syms", path)
    stack = [line for line in segments.splitlines() if "GNU_STACK" in line]
    want("DYN" in header, path, "not position-independent")
    want("GNU_RELRO" in segments, path, "no RELRO")
    want("NOW" in dynamic, path, "symbols are bound lazily, so the GOT stays writable")
    want(stack and "E" not in stack[0].split()[-2], path, "the stack can be executed")
    want("TEXTREL" not in dynamic, path, "relocations in code")
    if sanitize == "none":
        want("__stack_chk_fail" in symbols, path, "no stack protector")
        if optimization not in ("plain", "0"):
            want("_chk@" in symbols.replace("__stack_chk", ""), path, "no fortified call")
    if cpu == "x86_64" and sanitize == "none":
        # The linker marks a file only when the C library's own start-up code is marked, so the instructions count.
        with open(path, "rb") as file:
            want(file.read().count(ENDBR64) >= 100, path, "no control-flow protection (endbr64)")
want("PIE" in read("--dynamic", command), command, "no PIE")

if failures:
    sys.exit("\n".join(failures))
