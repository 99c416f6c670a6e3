# SPDX-License-Identifier: MIT

"""The errors that the comment of each public function lists under "Returns:", as a table in C.

    documented.py FOLDER-OF-HEADERS OUTPUT

Where the comment has "the errors of" other functions, begins with "as" another one, or wants one to be seen, theirs
count too. -1 stands where it has "other errnos of" a system call, which is all of them."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "api"))
from prototypes import prototypes

FUNCTION = r"qmp_\w+\(\)"
REFERENCE = re.compile(rf"(?:errors of|^as|see) ({FUNCTION}(?:(?:,| and|, and) {FUNCTION})*)")


def main(folder, output):
    own, others = {}, {}
    for _header, _line, function, comment in prototypes(folder):
        text = re.sub(r"\n[ *]*", " ", comment or "")
        text = re.search(r"Returns: (.*?)(?: Blocks:|$)", text, re.DOTALL)
        text = text.group(1) if text else ""
        own[function] = set(re.findall(r"-(E[A-Z0-9]+)\b", text))
        if "other errnos of" in text:
            own[function].add("-1")
        others[function] = set(re.findall(r"qmp_\w+", " ".join(REFERENCE.findall(text))))
    changed = True
    while changed:
        changed = False
        for function, errors in own.items():
            more = set().union(*(own.get(other, set()) for other in others[function])) - errors
            errors |= more
            changed |= bool(more)

    lines = [f'    {{"{name}", {{{", ".join(sorted(errors) + ["0"])}}}}},' for name, errors in sorted(own.items())]
    pathlib.Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
