# SPDX-License-Identifier: MIT

"""Each public header compiles alone, and twice, in every dialect that users have, without a warning.

An adapter is tried where its loop is installed. The loop's own headers are the system's, whatever they warn of. What an
adapter needs of POSIX, a clock, a strict dialect of C has only when asked for it.
"""

import pathlib
import subprocess
import sys

C = ["c99", "c11", "c17", "c2x"]
CXX = ["c++11", "c++17", "c++20"]
WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror"]

# The pkg-config module of each adapter; libev has none.
LOOPS = {"glib": "glib-2.0", "libev": None, "libevent": "libevent_core", "libuv": "libuv", "sd-event": "libsystemd"}
LOOP_HEADERS = {"libev": "ev.h"}


def as_system(flags):
    return [f"-isystem{flag[2:]}" if flag.startswith("-I") else flag for flag in flags]


def loop_flags(adapter, cc):
    """What a program that uses an adapter is compiled with; None where its loop is not installed."""
    module = LOOPS[adapter]
    if module is None:
        run = subprocess.run([*cc, "-E", "-x", "c", "-"], input=f"#include <{LOOP_HEADERS[adapter]}>\n", text=True,
            capture_output=True)
        return [] if run.returncode == 0 else None
    run = subprocess.run(["pkg-config", "--cflags", module], text=True, capture_output=True)
    return as_system(run.stdout.split()) if run.returncode == 0 else None


def headers_of(folder, cc):
    """Yields each header, relative to the folder, and its flags."""
    for path in sorted(pathlib.Path(folder, "qmp").glob("**/*.h")):
        flags = ["-D_POSIX_C_SOURCE=200809L"] if path.parent.name == "adapt" else []
        if path.parent.name == "adapt" and path.stem in LOOPS:
            more = loop_flags(path.stem, cc)
            flags = None if more is None else flags + more
        elif path.parent.name == "adapt" and path.stem != "adapter":
            sys.exit(f"{path.name} is the adapter of an unknown loop")
        if flags is None:
            print(f"{path.name} is not tried: its loop is not installed")
        else:
            yield path.relative_to(folder), flags


def main(folder, cc, cxx):
    headers = list(headers_of(folder, cc.split(";")))
    compilers = [(cc.split(";"), "c", dialect) for dialect in C]
    compilers += [([cxx], "c++", dialect) for dialect in CXX] if cxx else []
    failures = 0

    for command, language, dialect in compilers:
        for header, flags in headers:
            source = f"#include <{header}>\n" * 2
            # Optimised, since some warnings come from there.
            run = subprocess.run(
                [*command, f"-std={dialect}", *WARNINGS, f"-I{folder}", *flags, "-O2", "-x", language, "-S", "-o",
                    "/dev/null", "-"],
                input=source, text=True, capture_output=True)
            if run.returncode != 0:
                failures += 1
                print(f"{header} is no {dialect}:\n{run.stderr}")

    print(f"{len(headers)} headers, {len(compilers)} dialects, {failures} failures")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
