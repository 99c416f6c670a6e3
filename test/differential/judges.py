# SPDX-License-Identifier: MIT

"""What the judges say, as Python values that can be compared exactly: None for null, True and False, ("i", 5) an
integer within 64 bits, ("b", 2**70) one beyond, ("d", bits) a double, ("x", text) a number that no double holds, bytes
for a string, ("[", [...]), and ("{", [(key, value), ...]) with its members in order, duplicates included. A refusal is
a Refused."""

import json
import struct
import subprocess
import sys

sys.setrecursionlimit(20000)
sys.set_int_max_str_digits(0)


class Refused:
    def __init__(self, why):
        self.why = why

    def __eq__(self, other):
        return isinstance(other, Refused)

    def __repr__(self):
        return f"refused ({self.why})"


def integer(i):
    return ("i" if -2**63 <= i < 2**64 else "b", i)


def double(f):
    return ("d", struct.pack(">d", f).hex())


def until(text, at, end):
    stop = text.index(end, at)
    return text[at:stop], stop + 1


def read(text, at):
    """A value in the notation of judge.c, and where it ends."""
    kind = text[at:at + 1]
    at += 1
    if kind in b"ntf":
        return {b"n": None, b"t": True, b"f": False}[kind], at
    if kind == b"s":
        size, at = until(text, at, b":")
        return text[at:at + int(size)], at + int(size)
    if kind == b"[":
        items = []
        while text[at:at + 1] != b"]":
            item, at = read(text, at)
            items.append(item)
        return ("[", items), at + 1
    if kind == b"{":
        members = []
        while text[at:at + 1] != b"}":
            name, at = read(text, at)
            item, at = read(text, at)
            members.append((name, item))
        return ("{", members), at + 1
    word, at = until(text, at, b";")
    word = word.decode()
    return {b"i": lambda: ("i", int(word)), b"b": lambda: ("b", int(word)), b"d": lambda: ("d", word),
            b"x": lambda: ("x", word)}[kind](), at


def verdict(text):
    if text.startswith(b"no "):
        return Refused(text[3:].decode(errors="replace"))
    if text == b"yes":
        return True
    return read(text, 0)[0]


def of_python(v):
    if isinstance(v, str):
        return v.encode("utf-8", "surrogatepass")
    if isinstance(v, list) and v and v[0] is MEMBERS:
        return ("{", [(of_python(k), of_python(item)) for k, item in v[1]])
    if isinstance(v, list):
        return ("[", [of_python(item) for item in v])
    if isinstance(v, float):
        return double(v)
    return v if v is None or isinstance(v, bool) else integer(v)


MEMBERS = object()
DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: [MEMBERS, pairs])


def python_verdict(document):
    """Python's, of the text that UTF-8 makes of the bytes: what json.loads() guesses of other encodings is no JSON."""
    try:
        return of_python(DECODER.decode(document.decode("utf-8")))
    except ValueError as error:
        return Refused(str(error))


class Judge:
    """A program made of judge.c, which is asked in batches."""

    def __init__(self, path):
        self.path = path

    def ask(self, documents, verdicts=1):
        """What it says of each document: so many verdicts."""
        data = b"".join(len(d).to_bytes(4, "little") + d for d in documents)
        done = subprocess.run([self.path], input=data, stdout=subprocess.PIPE, check=True).stdout
        said, at = [], 0
        for _ in range(len(documents) * verdicts):
            size = int.from_bytes(done[at:at + 4], "little")
            said.append(verdict(done[at + 4:at + 4 + size]))
            at += 4 + size
        return [said[i:i + verdicts] for i in range(0, len(said), verdicts)] if verdicts > 1 else said


def show(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
