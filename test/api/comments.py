# SPDX-License-Identifier: MIT

"""Each public function, and each adapter, has a comment that says what it returns, whether it blocks, and where it comes
from, each on a line of its own."""

import itertools
import re
import sys

from prototypes import ADAPTER, prototypes

WANTED = ["Returns:", "Blocks:", "From:"]


def is_public(header, function):
    """In an adapter's header, the one function that is called like the header."""
    return function in (f"qmp_adapt_{header.stem.replace('-', '_')}", "qmp_adapter_start")


def main(folder):
    failures = functions = 0

    adapters = (found for found in prototypes(folder, ADAPTER) if is_public(found[0], found[2]))
    for header, line, function, comment in itertools.chain(prototypes(folder), adapters):
        functions += 1
        missing = [word for word in WANTED if not re.search(rf"^[\s*/]*{word} ", comment or "", re.MULTILINE)]
        if missing:
            failures += 1
            print(f"{header.name}:{line}: {function}: " + ("no comment" if not comment else "no " + " ".join(missing)))

    print(f"{functions} functions, {failures} failures")
    return 1 if failures or not functions else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
