# SPDX-License-Identifier: MIT

"""The shared library exports exactly what the headers declare, and so does the symbol map. It needs no library but
libc's: GnuTLS is loaded when it is first needed."""

import pathlib
import re
import subprocess
import sys

from prototypes import prototypes


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], text=True, capture_output=True, check=True).stdout
    symbols = set()
    for line in lines.splitlines():
        _address, kind, name = line.split()
        # The version node itself is an absolute symbol.
        if kind != "A":
            symbols.add(name.split("@")[0])
    return symbols


def needed(library):
    dynamic = subprocess.run(["readelf", "-d", library], text=True, capture_output=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)


def mapped(path):
    text = re.sub(r"/\*.*?\*/", "", pathlib.Path(path).read_text(), flags=re.S)
    text = re.sub(r"local:.*?\}", "}", text, flags=re.S)
    return set(re.findall(r"([\w*?]+)\s*;", text))


def main(folder, symbol_map, library):
    declared = {function for _header, _line, function, _comment in prototypes(folder)}
    failures = 0

    for what, found in (("the symbol map", mapped(symbol_map)), ("the library", exported(library))):
        for name in sorted(declared - found):
            failures += 1
            print(f"{name} is declared, but missing in {what}")
        for name in sorted(found - declared):
            failures += 1
            print(f"{name} is in {what}, but not declared")

    for name in needed(library):
        # Of libc, or of a sanitizer.
        if not re.match(r"(lib(c|m|rt|dl|pthread|atomic|gcc_s|[alt]san|ubsan)|ld-.*)\.", name):
            failures += 1
            print(f"the library needs {name}, and would load it into every program")

    print(f"{len(declared)} functions, {failures} failures")
    return 1 if failures or not declared else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
