# SPDX-License-Identifier: MIT

"""Each public header compiles alone, and twice, in every dialect that users have, without a warning."""

import pathlib
import subprocess
import sys

C = ["c99", "c11", "c17", "c2x"]
CXX = ["c++11", "c++17", "c++20"]
WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror"]


def main(folder, cc, cxx):
    headers = sorted(pathlib.Path(folder, "qmp").glob("*.h"))
    compilers = [(cc.split(";"), "c", dialect) for dialect in C]
    compilers += [([cxx], "c++", dialect) for dialect in CXX] if cxx else []
    failures = 0

    for command, language, dialect in compilers:
        for header in headers:
            source = f"#include <qmp/{header.name}>\n" * 2
            run = subprocess.run(
                [*command, f"-std={dialect}", *WARNINGS, f"-I{folder}", "-x", language, "-fsyntax-only", "-"],
                input=source, text=True, capture_output=True)
            if run.returncode != 0:
                failures += 1
                print(f"qmp/{header.name} is no {dialect}:\n{run.stderr}")

    print(f"{len(headers)} headers, {len(compilers)} dialects, {failures} failures")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
