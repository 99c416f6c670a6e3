# SPDX-License-Identifier: MIT

"""The man pages, as far as the tests look into them. The pages are plain mdoc, a macro a line, so reading them takes no
more than this."""

import pathlib
import re


class Page:
    def __init__(self, path):
        self.path = path
        self.lines = path.read_text().splitlines()
        self.sections = {}
        section = None
        for line in self.lines:
            if line.startswith(".Sh "):
                section = line[4:]
            self.sections.setdefault(section, []).append(line)

    def section(self, name):
        return self.sections.get(name, [])

    def names(self):
        return [line.split()[1] for line in self.section("NAME") if line.startswith(".Nm ")]

    def prototypes(self):
        """Yields (function, prototype) of the SYNOPSIS."""
        result = function = None
        for line in self.section("SYNOPSIS"):
            macro, _, rest = line.partition(" ")
            rest = rest.strip('"')
            if macro == ".Ft":
                result = rest
            elif macro == ".Fo":
                function, arguments = rest, []
            elif macro == ".Fa":
                arguments.append(rest)
            elif macro == ".Fc":
                yield function, f"{result} {function}({', '.join(arguments)})"

    def headers(self):
        return [line.split()[1] for line in self.section("SYNOPSIS") if line.startswith(".In ")]

    def errors(self):
        """The errno values that ERRORS explains."""
        words = re.findall(r"^\.(?:It .*|Er .*)", "\n".join(self.section("ERRORS")), re.M)
        return set(re.findall(r"\bE[A-Z0-9]+\b", " ".join(words)))

    def references(self, section=None):
        """The pages that are referred to, as (name, section of the manual)."""
        lines = self.lines if section is None else self.section(section)
        return {tuple(line.split()[1:3]) for line in lines if line.startswith(".Xr ")}

    def literals(self, section):
        """The literal blocks of a section, as C, unescaped."""
        block = None
        for line in self.section(section):
            if line.startswith(".Bd -literal"):
                block = []
            elif line == ".Ed" and block is not None:
                yield "\n".join(block) + "\n"
                block = None
            elif block is not None:
                block.append(line.removeprefix("\\&").replace("\\e", "\\"))


def pages(folder, section="[137]"):
    return [Page(path) for path in sorted(pathlib.Path(folder).glob(f"*.{section}"))]
