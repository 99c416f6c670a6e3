# SPDX-License-Identifier: MIT
"""SECURITY.md says what the sources say.

Each row of its table of limits has the value that the macro has where the row says it is; no limit or timeout of a
public header is missing; and each test that shows something is there. The test knows nothing of what happens beyond a
limit.
"""

import pathlib
import re
import sys

DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Z][A-Z0-9_]*)[ \t]+(.+?)[ \t]*(?:/\*.*)?$", re.M)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.M)
PUBLIC = re.compile(r"QMP_\w+_(?:MAX|TIMEOUT)")
SHOWN = re.compile(r"`([^`]+/[^`]+)`:\s+((?:`[^`]+`,?\s*)+)")
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": 1000000}

failures = []


def defines(path):
    return dict(DEFINE.findall(path.read_text()))


def value(expression, known):
    """The value of a constant expression of C, of numbers, shifts, products and other constants."""
    expression = re.sub(r"\((?:size_t|uint64_t|unsigned)\)", "", expression)
    expression = re.sub(r"U?INT64_C\((\d+)\)", r"\1", expression)
    expression = re.sub(r"\b(\d+)[uUlL]+\b", r"\1", expression)
    expression = re.sub(r"\b[A-Z]\w+\b", lambda m: "(%d)" % value(known[m.group(0)], known), expression)
    if not re.fullmatch(r"[\d\s()*+<-]+", expression):
        raise ValueError(expression)
    return eval(expression)  # numbers and operators only


def check_limits(root, page, known):
    rows = ROW.findall(page)
    for name, said, where in rows:
        number, unit = re.fullmatch(r"(\d+) ?(\w*)", said).groups()
        here = defines(root / where)
        if name not in here:
            failures.append(f"{name} is not in {where}")
        elif value(here[name], {**known, **here}) != int(number) * UNITS[unit]:
            failures.append(f"{name} is {here[name]} in {where}, and {said} in the page")
    return {(name, where) for name, _, where in rows}


def check_public(root, rows):
    for path in sorted((root / "include").rglob("*.h")):
        where = str(path.relative_to(root))
        for name in defines(path):
            if PUBLIC.fullmatch(name) and (name, where) not in rows:
                failures.append(f"{name} of {where} is not in the page")


def check_tests(root, page):
    n = 0
    for where, names in SHOWN.findall(page):
        text = (root / where).read_text() if (root / where).exists() else ""
        for name in re.findall(r"`([^`]+)`", names):
            n += 1
            if " ".join(name.split()) not in text:
                failures.append(f"{where} has no {name}")
    return n


def main(root):
    root = pathlib.Path(root)
    page = (root / "SECURITY.md").read_text()
    known = {"INT32_MAX": "2147483647"}
    for path in sorted((root / "include").rglob("*.h")):
        known.update(defines(path))
    rows = check_limits(root, page, known)
    check_public(root, rows)
    tests = check_tests(root, page)
    print("\n".join(failures + [f"{len(rows)} limits, {tests} tests, {len(failures)} failures"]))
    return 1 if failures or len(rows) < 40 or tests < 40 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
