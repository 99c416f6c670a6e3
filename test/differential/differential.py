# SPDX-License-Identifier: MIT

"""The library's verdicts and values against Python's json module, Jansson and json-c, document by document.

    differential.py --ours PROGRAM [--jansson PROGRAM] [--json-c PROGRAM] [--count N] [--seed N] [--table FILE]
        CORPUS...

Every difference is explained by classes: a class changes what the library says into what the other one is expected to
say, or says which refusal, or which acceptance, is to be expected. What no class explains fails the test. A long run
(FULL documents or more) must meet each class in the generated documents, too, or it has lost its sense. The table is
that of doc/JSON.md, which must say what the judges say; `--table -` prints it.

Nothing here knows how to read JSON."""

import argparse
import json
import math
import pathlib
import re
import struct
import sys

import documents
import judges
from judges import Refused, show

FULL = 200000
BATCH = 5000
MAX_SHOWN = 10

# Name, an example, and why.
CLASSES = [
    ("duplicate keys", b'{"a":1,"a":2}',
     "All members are there, in order; `qmp_value_member()` takes the first. Others keep the last. None is sent: QEMU "
     "refuses them."),
    ("U+0000 in a key", b'{"a\\u0000b":1}',
     "A key is a string like any other, with its length. Jansson and json-c have C strings for keys."),
    ("integers beyond int64", b"18446744073709551615", "QEMU uses all of uint64. Jansson knows int64 only."),
    ("integers beyond 64 bits", b"18446744073709551616",
     "Valid, and a number: `-ERANGE` as an integer, rounded as a double. json-c takes the nearest integer that it "
     "has."),
    ("numbers that no double holds", b"1e999",
     "Valid, and `-ERANGE` when it is read: no infinity comes out of JSON. None is sent: QEMU "
     "makes infinities of them, and writes `inf`."),
    ("half a surrogate pair", b'"\\ud800"',
     "No string of UTF-8 holds it. Python has strings that do, json-c replaces it with U+FFFD."),
    ("NaN and Infinity", b"[NaN]", "JSON has none (RFC 8259, section 6)."),
    ("depth", None, "1024 is the limit, as QEMU's parser has it: 1025 arrays are too many. Jansson's is 2048."),
    ("control characters in strings", b'"\t"', "RFC 8259, section 7, wants them escaped. json-c does not mind."),
    ("invalid UTF-8", b'"\xc0\x80"',
     "Overlong forms, surrogates and what is above U+10FFFF are no UTF-8 (RFC 3629). json-c looks at the form only."),
    ("numbers spelled loosely", b"[1.,00]",
     "RFC 8259, section 6, wants a digit on both sides of a point, and no zero in front. json-c does not mind."),
    ("NUL behind a number or literal", b"[true\x00]", "No byte is passed over. Jansson loses this one."),
]
LOOSE_NUMBER = re.compile(rb"[0-9]\.(?![0-9])|-\.[0-9]|(?<![0-9.eE+])(-|(?<!-))0[0-9]")
EXAMPLE_OF_DEPTH = b"[" * 1025 + b"]" * 1025


def walk(v):
    """The value, and all values and keys in it."""
    stack = [v]
    while stack:
        v = stack.pop()
        yield v
        if isinstance(v, tuple) and v[0] == "[":
            stack.extend(v[1])
        elif isinstance(v, tuple) and v[0] == "{":
            stack.extend(item for _, item in v[1])


def keys(v):
    return (name for part in walk(v) if isinstance(part, tuple) and part[0] == "{" for name, _ in part[1])


def is_not_finite(v):
    return isinstance(v, tuple) and v[0] == "d" and not math.isfinite(struct.unpack(">d", bytes.fromhex(v[1]))[0])


class Model:
    """What another judge is expected to make of a value of ours; `met` are the classes that made a difference."""

    def __init__(self, last_wins=False, c_keys=False, saturates=False, infinities=False):
        self.last_wins, self.c_keys, self.saturates, self.infinities = last_wins, c_keys, saturates, infinities
        self.met = set()

    def members(self, members):
        made = {}
        for name, item in members:
            if self.c_keys and b"\x00" in name:
                self.met.add("U+0000 in a key")
                name = name[:name.index(b"\x00")]
            if name in made:
                self.met.add("duplicate keys")
            made[name] = self.of(item)
        return list(made.items())

    def of(self, v):
        if not isinstance(v, tuple):
            return v
        if v[0] == "[":
            return ("[", [self.of(item) for item in v[1]])
        if v[0] == "{":
            return ("{", self.members(v[1]) if self.last_wins else [(name, self.of(item)) for name, item in v[1]])
        if v[0] == "b" and self.saturates:
            self.met.add("integers beyond 64 bits")
            return ("i", 2**64 - 1 if v[1] > 0 else -2**63)
        if v[0] == "x" and self.infinities:
            self.met.add("numbers that no double holds")
            return judges.double(-math.inf if v[1].startswith("-") else math.inf)
        return v


def explain_values(name, ours, theirs):
    """Both accept: the classes, or None."""
    model = {"python": Model(infinities=True), "jansson": Model(last_wins=True),
             "json-c": Model(last_wins=True, c_keys=True, saturates=True, infinities=True)}[name]
    return model.met if model.of(ours) == theirs else None


def explain_refusal(name, ours):
    """Only the other one refuses."""
    if name != "jansson":
        return None
    met = set()
    for part in walk(ours):
        if isinstance(part, tuple) and part[0] in "ib" and not -2**63 <= part[1] < 2**63:
            met.add("integers beyond int64")
        if isinstance(part, tuple) and part[0] == "x":
            met.add("numbers that no double holds")
    if any(b"\x00" in key for key in keys(ours)):
        met.add("U+0000 in a key")
    return met or None


def explain_acceptance(name, document, ours, theirs):
    """Only the library refuses. It says one flaw, the first; the class must be that one's."""
    if ours.why == "nested too deep":
        return {"depth"}
    if ours.why == "half a surrogate pair" and name in ("python", "json-c"):
        return {"half a surrogate pair"}
    if name in ("python", "json-c") and any(is_not_finite(part) for part in walk(theirs)) and \
            re.search(rb"NaN|Infinity", document):
        return {"NaN and Infinity"}
    if name == "json-c" and ours.why == "a control character in a string":
        return {"control characters in strings"}
    if name == "json-c" and ours.why == "invalid UTF-8":
        return {"invalid UTF-8"}
    if name == "json-c" and LOOSE_NUMBER.search(document):
        return {"numbers spelled loosely"}
    if name == "jansson" and re.search(rb"[0-9a-z]\x00", document):
        return {"NUL behind a number or literal"}
    return None


def explain(name, document, ours, theirs):
    """The classes that make the difference, none if there is none; None when nothing explains it."""
    if isinstance(ours, Refused) and isinstance(theirs, Refused):
        return set()
    if isinstance(ours, Refused):
        return explain_acceptance(name, document, ours, theirs)
    if isinstance(theirs, Refused):
        return explain_refusal(name, ours)
    return set() if ours == theirs else explain_values(name, ours, theirs)


class Court:
    def __init__(self, arguments):
        self.ours = judges.Judge(arguments.ours)
        self.others = {name: judges.Judge(path) for name, path in
                       (("jansson", arguments.jansson), ("json-c", arguments.json_c)) if path}
        self.met, self.unexplained, self.n = {}, 0, 0

    def hear(self, batch):
        """For each document: what we say, whether we would send it, and what the others say, by name."""
        said = {name: judge.ask(batch) for name, judge in self.others.items()}
        for i, (ours, sent) in enumerate(self.ours.ask(batch, verdicts=2)):
            others = {"python": judges.python_verdict(batch[i])}
            others.update((name, verdicts[i]) for name, verdicts in said.items())
            yield batch[i], ours, sent, others

    def complain(self, document, name, ours, theirs):
        self.unexplained += 1
        if self.unexplained <= MAX_SHOWN:
            print(f"no class explains this: {show(document)}\n  ours:   {show(ours)}\n  {name}: {show(theirs)}")

    def judge(self, batch):
        for document, ours, sent, others in self.hear(batch):
            self.n += 1
            if isinstance(ours, Refused) and not isinstance(sent, Refused):
                self.complain(document, "would be sent", ours, sent)
            for name, theirs in others.items():
                classes = explain(name, document, ours, theirs)
                if classes is None:
                    self.complain(document, name, ours, theirs)
                for met in classes or ():
                    self.met[met] = self.met.get(met, 0) + 1


def corpus_of(paths):
    """Whole lines of transcripts, and the texts of fuzzers: whatever is there to begin with."""
    files = sorted(file for path in paths for file in pathlib.Path(path).rglob("*") if file.is_file())
    made = []
    for file in files:
        made.extend(part for part in file.read_bytes().split(b"\r\n") if 0 < len(part) <= 2000)
    return made


def cell(verdict):
    if isinstance(verdict, Refused):
        return "refuses"
    text = words(verdict)
    return f"`{text}`"


def words(v):
    if v is None or isinstance(v, bool):
        return str(v).lower().replace("none", "null")
    if isinstance(v, bytes):
        try:
            return json.dumps(v.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            return json.dumps(v.decode("utf-8", "replace"))
    if v[0] == "[":
        text = "[" + ",".join(words(item) for item in v[1]) + "]"
        return text if len(text) < 40 and "…" not in text else "[[…]]"
    if v[0] == "{":
        return "{" + ",".join(words(name) + ":" + words(item) for name, item in v[1]) + "}"
    if v[0] == "d":
        return str(struct.unpack(">d", bytes.fromhex(v[1]))[0])
    return str(v[1])


def written(document):
    """The bytes of an example for people."""
    return "".join(chr(b) if 0x20 <= b < 0x7f else f"<{b:02x}>" for b in document)


def table(court):
    lines = ["| difference | example | ours | Python | Jansson | json-c | why |", "|---|---|---|---|---|---|---|"]
    examples = [example or EXAMPLE_OF_DEPTH for _, example, _ in CLASSES]
    for (name, example, why), (_, ours, _, others) in zip(CLASSES, court.hear(examples)):
        shown = f"`{written(example)}`" if example else "1025 arrays"
        cells = [cell(verdict) for verdict in (ours, others["python"], others["jansson"], others["json-c"])]
        lines.append(f"| {name} | {shown} | {' | '.join(cells)} | {why} |")
    return lines


def check_table(court, path):
    lines = table(court)
    if path == "-":
        print("\n".join(lines))
        return True
    text = pathlib.Path(path).read_text().splitlines()
    missing = [line for line in lines if line not in text]
    for line in missing:
        print(f"{path} lacks: {line}")
    return not missing


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--jansson")
    parser.add_argument("--json-c")
    parser.add_argument("--count", type=int, default=FULL)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table")
    parser.add_argument("corpus", nargs="+")
    arguments = parser.parse_args()
    court = Court(arguments)

    fine = True
    if arguments.table and len(court.others) == 2:
        fine = check_table(court, arguments.table)
    court.judge(documents.by_hand() + [example or EXAMPLE_OF_DEPTH for _, example, _ in CLASSES])
    expected = {name for name, _, _ in CLASSES} if len(court.others) == 2 else set(court.met)
    for name in expected - court.met.keys():
        fine = False
        print(f"its own example is not in the class '{name}'")
    court.met = {}
    batch = []
    for document in documents.generated(arguments.seed, arguments.count, corpus_of(arguments.corpus)):
        batch.append(document)
        if len(batch) == BATCH:
            court.judge(batch)
            batch = []
    court.judge(batch)
    for name in sorted(expected):
        print(f"{court.met.get(name, 0):8} {name}")
        if court.met.get(name, 0) == 0 and arguments.count >= FULL:
            fine = False
            print("         never, so this run shows nothing of it")
    print(f"{court.n} documents, {court.unexplained} differences without a class; seed {arguments.seed}, "
          f"against {', '.join(['python', *court.others])}")
    return 0 if fine and court.unexplained == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
