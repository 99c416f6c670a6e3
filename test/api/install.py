# SPDX-License-Identifier: MIT

"""What `meson install` puts into a DESTDIR is enough to build a program with pkg-config, shared and static, and to run
it; and there is a man page for each function."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from prototypes import prototypes


def run(command, **more):
    done = subprocess.run(command, text=True, capture_output=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def only(folder, name):
    found = list(folder.rglob(name))
    if len(found) != 1:
        sys.exit(f"{name} is there {len(found)} times")
    return found[0]


def build(destdir, cc, sanitize, consumer, program, static):
    environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(destdir),
        PKG_CONFIG_PATH=str(only(destdir, "libqmpclient.pc").parent))
    # Without the system's folders pkg-config would leave out what it takes for the compiler's own.
    environment.update(PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PKG_CONFIG_ALLOW_SYSTEM_LIBS="1")
    form = ["--static"] if static else []
    flags = run(["pkg-config", *form, "--cflags", "--libs", "libqmpclient"], env=environment).split() + ["-pthread"]
    if sanitize != "none":
        cc = [*cc, f"-fsanitize={sanitize}"]
    run([*cc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", program, consumer, *flags])


def check(program, version, environment):
    said = run([program], env=environment).strip()
    if said != version:
        sys.exit(f"the program says it is version {said}, not {version}")


def check_pages(destdir, headers):
    folder = only(destdir, "libqmpclient.3").parent
    for _header, _line, function, _comment in prototypes(headers):
        page = folder / f"{function}.3"
        if not page.exists():
            sys.exit(f"{page.name} is not installed")
        alias = re.fullmatch(r"\.so (man3/\S+)\n", page.read_text())
        if alias and not (folder.parent / alias.group(1)).exists():
            sys.exit(f"{page.name} leads to {alias.group(1)}, which is not installed")


def main(build_root, consumer, cc, sanitize, version, headers):
    with tempfile.TemporaryDirectory() as folder:
        destdir, program = pathlib.Path(folder, "destdir"), pathlib.Path(folder, "consumer")
        run(["meson", "install", "-C", build_root, "--no-rebuild", "--destdir", destdir])
        check_pages(destdir, headers)
        soname = only(destdir, "libqmpclient.so.0")

        build(destdir, cc.split(";"), sanitize, consumer, program, static=False)
        needed = run(["readelf", "-d", program])
        if "libqmpclient.so.0" not in needed:
            sys.exit("the program does not need libqmpclient.so.0")
        check(program, version, dict(os.environ, LD_LIBRARY_PATH=str(soname.parent)))

        # With the shared library out of the way, the linker has only the static one.
        for shared in soname.parent.glob("libqmpclient.so*"):
            shared.unlink()
        build(destdir, cc.split(";"), sanitize, consumer, program, static=True)
        check(program, version, os.environ)
    print("shared and static: built and run")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
