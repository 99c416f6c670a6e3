# SPDX-License-Identifier: MIT

"""Every whole program in the EXAMPLES of a man page compiles, without a warning."""

import re
import subprocess
import sys

from pages import pages

WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def main(folder, headers, cc):
    failures = programs = 0

    for page in pages(folder, "[37]"):
        for text in page.literals("EXAMPLES"):
            if not re.search(r"^int main\(", text, re.M):
                continue
            programs += 1
            run = subprocess.run(
                [*cc.split(";"), "-std=gnu11", *WARNINGS, f"-I{headers}", "-x", "c", "-fsyntax-only", "-"],
                input=text, text=True, capture_output=True)
            if run.returncode != 0:
                failures += 1
                print(f"{page.path}: an example does not compile:\n{run.stderr}")

    print(f"{programs} programs, {failures} failures")
    return 1 if failures or not programs else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
