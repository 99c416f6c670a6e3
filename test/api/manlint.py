# SPDX-License-Identifier: MIT

"""mandoc has nothing to say about any man page, and no heading begins with a word that is a macro."""

import re
import subprocess
import sys

from pages import pages

# What another manual is called is a question for the installed system; those of our own are looked up in manpages.py.
NOT_OURS = ["STYLE: referenced manual not found"]


def main(folder):
    failures, all_pages = 0, pages(folder)

    for page in all_pages:
        said = subprocess.run(["mandoc", "-T", "lint", "-W", "style", page.path], text=True, capture_output=True).stdout
        for line in said.splitlines():
            if not any(words in line for words in NOT_OURS):
                failures += 1
                print(line)
        for line in page.lines:
            if re.match(r"\.S[hs] [A-Z][a-z] ", line):
                failures += 1
                print(f"{page.path}: {line.split()[1]} is a macro in {line}")
        if page.lines[0] != '.\\" SPDX-License-Identifier: MIT':
            failures += 1
            print(f"{page.path}: no licence in the first line")

    print(f"{len(all_pages)} pages, {failures} failures")
    return 1 if failures or not all_pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
