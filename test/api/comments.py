# SPDX-License-Identifier: MIT

"""Each public function has a comment that says what it returns, whether it blocks, and where it comes from, each on a
line of its own."""

import re
import sys

from prototypes import prototypes

WANTED = ["Returns:", "Blocks:", "From:"]


def main(folder):
    failures = functions = 0

    for header, line, function, comment in prototypes(folder):
        functions += 1
        missing = [word for word in WANTED if not re.search(rf"^[\s*/]*{word} ", comment or "", re.MULTILINE)]
        if missing:
            failures += 1
            print(f"{header.name}:{line}: {function}: " + ("no comment" if not comment else "no " + " ".join(missing)))

    print(f"{functions} functions, {failures} failures")
    return 1 if failures or not functions else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
