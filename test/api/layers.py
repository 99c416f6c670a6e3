# SPDX-License-Identifier: MIT

"""Each layer includes only what lies below it, and programs include nothing but the public headers.

Tests beside the code may reach further. Headers of the system are everybody's.
"""

import pathlib
import re
import sys

# What lies below each layer, itself aside.
BELOW = {
    "util": set(),
    "json": {"util"},
    "frame": {"util"},
    "message": {"json", "frame", "util"},
    "session": {"message", "json", "frame", "util"},
    "transport": {"util"},
    "listener": {"message", "json", "frame", "util"},
    "client": {"session", "listener", "transport", "message", "json", "frame", "util"},
    "monitor": {"json", "util"},
}

# What it uses as a program does, by the public headers only.
USES = {"monitor": {"client", "listener", "message"}}

# The layer that a public header belongs to. The session needs the kinds of failure, which client.h declares.
PUBLIC = {
    "types.h": "util",
    "error.h": "util",
    "value.h": "json",
    "writer.h": "json",
    "message.h": "message",
    "listener.h": "listener",
    "client.h": "client",
    "server.h": "client",
    "tls.h": "transport",
    "monitor.h": "monitor",
}
EXCEPTIONS = {("session", "client.h")}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def sources(folder):
    for path in sorted(folder.rglob("*.[ch]")):
        if not path.name.startswith("test-"):
            yield path, [(m.group(1), m.group(2)) for m in INCLUDE.finditer(path.read_text())]


def layer_may(layer, quote, name):
    folder, _, header = name.rpartition("/")
    if quote == '"':
        return folder == layer or folder in BELOW[layer]
    if folder == "qmp" or folder.startswith("qmp/"):
        owner = PUBLIC.get(header)
        below = BELOW[layer] | USES.get(layer, set())
        return owner == layer or owner in below or (layer, header) in EXCEPTIONS
    return True


def program_may(folder, quote, name):
    # Its own headers stand beside it, and none of them is called as the library's are.
    return (folder / name).exists() if quote == '"' else True


def main(root):
    root = pathlib.Path(root)
    failures = files = 0

    for folder in sorted(p for p in (root / "src").iterdir() if p.is_dir()):
        if folder.name not in BELOW:
            failures += 1
            print(f"src/{folder.name} is no layer")
            continue
        for path, includes in sources(folder):
            files += 1
            for quote, name in includes:
                if not layer_may(folder.name, quote, name):
                    failures += 1
                    print(f"{path.relative_to(root)} must not include {name}")

    for folder in (root / "tool", root / "examples"):
        for path, includes in sources(folder):
            files += 1
            for quote, name in includes:
                if not program_may(path.parent, quote, name):
                    failures += 1
                    print(f"{path.relative_to(root)} must not include {name}")

    print(f"{files} files, {failures} failures")
    return 1 if failures or not files else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
