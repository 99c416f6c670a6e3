# SPDX-License-Identifier: MIT

"""The man pages say what the headers say: each function stands in the NAME of exactly one page, whose SYNOPSIS has the
header's prototype and whose ERRORS has each errno value that the header lists; so are the types of callbacks, and the
constants and the members of structs are explained somewhere. The symbol map has the same functions. References to our
own pages lead somewhere, and all pages are installed."""

import pathlib
import re
import sys

from pages import pages
from prototypes import declarations
from symbols import mapped

# What is no subject of a page: attributes.
NO_SUBJECT = {"QMP_API", "QMP_PRINTF", "QMP_MUST_USE"}

failures = 0


def complain(where, what):
    global failures
    failures += 1
    print(f"{where}: {what}")


def normal(text):
    """A declaration without attributes, and with white space only where C needs it."""
    text = re.sub(r"\b(QMP_API|QMP_MUST_USE|QMP_PRINTF\([^)]*\))|;", "", text)
    return re.sub(r"\s*([^\w\s])\s*", r"\1", " ".join(text.split()))


def returns(comment):
    """What the part "Returns:" of a comment says, as one line."""
    text = re.sub(r"\n[ \t]*\*[ \t]?", "\n", comment or "")
    found = re.search(r"^Returns:(.*?)^(?:Blocks|From):", text, re.M | re.S)
    return " ".join(found.group(1).split()) if found else ""


def constants(text):
    """The names of the enumerations and macros of a header."""
    names = set(re.findall(r"^#define (QMP_\w+)[ (]", text, re.M))
    for body in re.findall(r"^enum \w+ \{(.*?)\}", text, re.M | re.S):
        names |= set(re.findall(r"\bQMP_\w+", re.sub(r"/\*.*?\*/", "", body, flags=re.S)))
    return names - NO_SUBJECT


def members(text):
    """The declarations of the members of the structs that programs fill in or read."""
    for body in re.findall(r"^(?:typedef )?struct \w+ \{(.*?)^\}", text, re.M | re.S):
        declarations_only = re.sub(r"/\*.*?\*/", "", body, flags=re.S).split(";")
        yield from (declaration for declaration in declarations_only if declaration.strip())


def check_functions(functions, by_function):
    """NAME and SYNOPSIS; which page a function is on."""
    for name in sorted(set(by_function) - set(functions)):
        complain(by_function[name].path, f"{name} is not declared")
    for name, (header, _comment, declaration) in sorted(functions.items()):
        page = by_function.get(name)
        if not page:
            complain(header, f"{name} has no page")
            continue
        synopsis = dict(page.prototypes())
        if normal(synopsis.get(name, "")) != normal(declaration):
            complain(page.path, f"the prototype of {name} is not that of {header.name}")
        if f"qmp/{header.name}" not in page.headers():
            complain(page.path, f"{name} is in qmp/{header.name}, which the SYNOPSIS does not include")


def check_errors(functions, by_function):
    """Each errno value of "Returns:", and for "the errors of qmp_…()" those of that function or where to find them."""
    for name, (_header, comment, _declaration) in sorted(functions.items()):
        page, text = by_function.get(name), returns(comment)
        if not page:
            continue
        # What is named as the result of another function is on that one's page.
        for errno in sorted(set(re.findall(r"-(E[A-Z0-9]+)\b", text)) - page.errors()):
            complain(page.path, f"{name} may return {errno}, which is not in ERRORS")
        for other in re.findall(r"(?:the errors of|as|and)\s+(qmp_\w+)\(\)", text):
            there = by_function.get(other)
            if there and there is not page:
                pointed = {by_function.get(target) for target, _section in page.references("ERRORS")}
                missing = set(re.findall(r"-(E[A-Z0-9]+)\b", returns(functions[other][1]))) - page.errors()
                if there not in pointed and missing:
                    complain(page.path, f"ERRORS neither refers to {other} nor lists {' '.join(sorted(missing))}")


def check_subjects(headers, all_pages):
    """Types of callbacks in a SYNOPSIS; constants and members anywhere."""
    text = "\n".join("\n".join(page.lines) for page in all_pages)
    words = set(re.findall(r"\w+", text))
    items = {normal(item) for item in re.findall(r"^\.It Va (.*)", text, re.M)}
    synopses = normal(" ".join(block for page in all_pages for block in page.literals("SYNOPSIS")))

    for header in headers:
        source = header.read_text()
        for typedef in re.findall(r"^typedef [^;{]*\(\*\w+\)\([^;]*;", source, re.M):
            if normal(typedef) not in synopses:
                complain(header, f"no SYNOPSIS has {' '.join(typedef.split())}")
        for name in sorted(constants(source) - words):
            complain(header, f"no page has {name}")
        for member in members(source):
            if normal(member) not in items and normal(member) not in synopses:
                complain(header, f"no page has the member {' '.join(member.split())}")


def check_references(all_pages):
    ours = {(name, page.path.suffix[1:]) for page in all_pages for name in [*page.names(), page.path.stem]}
    for page in all_pages:
        for name, section in sorted(page.references()):
            if re.match(r"(lib)?qmp", name) and (name, section) not in ours:
                complain(page.path, f"there is no {name}({section})")
        if page.path.stem not in page.names():
            complain(page.path, "does not have its own name in NAME")


def main(man, include, symbol_map):
    all_pages, section_3 = pages(man), pages(man, "3")
    functions = {name: (header, comment, declaration)
        for header, _line, name, comment, declaration in declarations(include)}
    by_function = {}
    for page in section_3:
        for name in page.names():
            if name in by_function:
                complain(page.path, f"{name} is on {by_function[name].path.name} too")
            if name != "libqmpclient":
                by_function[name] = page

    check_functions(functions, by_function)
    check_errors(functions, by_function)
    check_subjects(sorted(pathlib.Path(include, "qmp").glob("*.h")), section_3)
    check_references(all_pages)
    for name in sorted(set(functions) ^ mapped(symbol_map)):
        complain(symbol_map, f"{name} is {'missing' if name in functions else 'not declared'}")
    build = pathlib.Path(man, "meson.build").read_text()
    for page in all_pages:
        if not {f"'{page.path.name}'", f"'{page.path.stem}'"} & set(re.findall(r"'[\w.-]+'", build)):
            complain(page.path, "is not installed")

    print(f"{len(all_pages)} pages, {len(functions)} functions, {failures} failures")
    return 1 if failures or not functions or not section_3 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
