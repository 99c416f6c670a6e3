# SPDX-License-Identifier: MIT

"""The exported functions of the public headers, with the comments above them.

A prototype is what starts with QMP_API at the beginning of a line and ends with a semicolon. Prototypes that follow
each other without a blank line share the comment above the first. It knows no more C than that, which is why the
headers are written so plainly. An adapter is what starts with ADAPTER and ends with a line that is a brace.
"""

import pathlib
import re

ADAPTER = "static inline int qmp_adapt"


def prototypes(folder, start="QMP_API"):
    """Yields (header, line, function, comment); the comment is None where there is none directly above."""
    for header, line, function, comment, _declaration in declarations(folder, start):
        yield header, line, function, comment


def declarations(folder, start="QMP_API"):
    """The same with the whole declaration, in one line, as it stands."""
    for header in sorted(pathlib.Path(folder, "qmp").glob("**/*.h")):
        comment, collecting, declaration = None, None, None
        for number, line in enumerate(header.read_text().splitlines(), 1):
            if collecting is None and line.startswith("/*"):
                collecting = ""
            if collecting is not None:
                collecting += line + "\n"
                if "*/" in line:
                    comment, collecting = collecting, None
                continue
            if not line.strip():
                comment = None
            if line.startswith(start):
                declaration = ""
            if declaration is not None:
                declaration += line + " "
                if ";" in line or line == "{":
                    name = re.search(r"\b(qmp_\w+)\s*\(", declaration)
                    yield header, number, name.group(1) if name else declaration, comment, declaration
                    declaration = None
