# SPDX-License-Identifier: MIT

"""QEMU as a judge of JSON: what the library would send, QEMU's parser takes; what it would not, though it is JSON, QEMU
refuses; and all that QEMU writes, the library reads as Python does, and as what was meant.

    qemu.py --ours PROGRAM [--count N] [--seed N] [--pretty] CORPUS...

Documents go there and back as the id of a command, which may be any value. Then QEMU answers all its queries that need
no arguments, its schema among them. An error without an id is QEMU's parser refusing."""

import argparse
import json
import socket
import struct
import subprocess
import sys
import tempfile

import documents
import judges
from differential import corpus_of
from judges import Refused, show

REFUSED_OF_EACH = 50
ANYTHING = b'{"execute":"query-version","id":'
# They are JSON, and it takes QEMU to know that they will not do.
QEMU_REFUSES = ("a Unicode noncharacter, which QEMU refuses", "a number that no double holds, which QEMU refuses",
                "a key for the second time in one object, which QEMU refuses")


class Monitor:
    def __init__(self, folder, pretty):
        path = f"{folder}/qmp"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "none", "-S", "-nodefaults", "-display", "none", "-chardev",
             f"socket,id=qmp,path={path}", "-mon", f"chardev=qmp,mode=control,pretty={'on' if pretty else 'off'}"])
        self.socket = listener.accept()[0]
        self.buffer = b""
        self.messages = []
        self.read()
        self.send(b'{"execute":"qmp_capabilities"}')
        self.read()

    def send(self, text):
        self.socket.sendall(text + b"\n")

    def read(self):
        """The next message, as Python reads it; its bytes are kept."""
        while True:
            if self.buffer.endswith(b"\r\n"):
                try:
                    text = self.buffer.decode()
                    value, end = json.JSONDecoder().raw_decode(text)
                    self.messages.append(text[:end].encode())
                    self.buffer = text[end:].lstrip().encode()
                    return value
                except json.JSONDecodeError:
                    pass
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError("QEMU has gone")
            self.buffer += more

    def close(self):
        self.process.kill()
        self.process.wait()


def as_qemu_keeps_it(v):
    """Objects without an order, integers beyond 64 bits as doubles, and doubles as printf() has them: whole ones come
    back as integers."""
    if isinstance(v, tuple) and v[0] == "{":
        return ("{", sorted(((name, as_qemu_keeps_it(item)) for name, item in v[1]), key=lambda member: member[0]))
    if isinstance(v, tuple) and v[0] == "[":
        return ("[", [as_qemu_keeps_it(item) for item in v[1]])
    if isinstance(v, tuple) and v[0] == "b":
        v = judges.double(float(v[1]))
    if isinstance(v, tuple) and v[0] == "d":
        text = f"{struct.unpack('>d', bytes.fromhex(v[1]))[0]:.17g}"
        return v if "." in text or "e" in text else judges.integer(int(text))
    return v


def member(v, name):
    return next(item for key, item in v[1] if key == name)


def check_accepted(monitor, ours, made):
    """What would be sent: each command is answered with its id. Returns how many, and how many were not."""
    said = ours.ask([ANYTHING + d + b"}" for d in made], verdicts=2)
    sent = [(d, command) for d, (command, verdict) in zip(made, said) if not isinstance(verdict, Refused)]
    first = len(monitor.messages)
    for d, _ in sent:
        monitor.send(ANYTHING + d + b"}")
        reply = monitor.read()
        if "id" not in reply:
            print(f"QEMU refuses what would be sent: {show(d)}: {reply}")
            return len(sent), 1
    wrong = 0
    for (d, command), (reply, _) in zip(sent, ours.ask(monitor.messages[first:], verdicts=2)):
        if isinstance(reply, Refused) or as_qemu_keeps_it(member(reply, b"id")) != \
                as_qemu_keeps_it(member(command, b"id")):
            print(f"the id {show(d)} came back as {show(reply)}")
            wrong += 1
    return len(sent), wrong


def check_refused(monitor, ours, made):
    """What would not be sent, though it is JSON: QEMU would say an error without an id. Returns as above."""
    seen = {}
    n = wrong = 0
    for d, (_, verdict) in zip(made, ours.ask([ANYTHING + d + b"}" for d in made], verdicts=2)):
        if not isinstance(verdict, Refused) or verdict.why not in QEMU_REFUSES:
            continue
        seen[verdict.why] = seen.get(verdict.why, 0) + 1
        if seen[verdict.why] > REFUSED_OF_EACH:
            continue
        print(d,verdict.why,file=sys.stderr); monitor.send(ANYTHING + d + b"}\n" + ANYTHING + b'"next"}')
        reply, replies = None, []
        while reply is None or reply.get("id") != "next":
            reply = monitor.read()
            replies.append(reply)
        n += 1
        if "error" not in replies[0] or "id" in replies[0]:
            print(f"QEMU takes what would not be sent ({verdict.why}): {show(d)}")
            wrong += 1
    for why in QEMU_REFUSES:
        if why not in seen:
            print(f"nothing here is {why}")
            wrong += 1
    return n, wrong


def ask_everything(monitor):
    monitor.send(b'{"execute":"query-commands","id":0}')
    for command in monitor.read()["return"]:
        if command["name"].startswith("query-"):
            monitor.send(json.dumps({"execute": command["name"], "id": command["name"]}).encode())
            while "id" not in monitor.read():
                pass  # an event


def check_read(monitor, ours):
    """All that QEMU has said: read here as in Python."""
    wrong = 0
    for message, (value, _) in zip(monitor.messages, ours.ask(monitor.messages, verdicts=2)):
        if value != judges.python_verdict(message):
            print(f"read differently: {show(message)}")
            wrong += 1
    return len(monitor.messages), wrong


def main():
    import faulthandler; faulthandler.dump_traceback_later(25,exit=True)
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pretty", action="store_true")
    parser.add_argument("corpus", nargs="+")
    arguments = parser.parse_args()
    ours = judges.Judge(arguments.ours)
    made = documents.by_hand() + list(documents.generated(arguments.seed, arguments.count, corpus_of(arguments.corpus)))
    with tempfile.TemporaryDirectory() as folder:
        monitor = Monitor(folder, arguments.pretty)
        try:
            accepted, wrong_accepted = check_accepted(monitor, ours, made)
            refused, wrong_refused = check_refused(monitor, ours, made)
            ask_everything(monitor)
            read, wrong_read = check_read(monitor, ours)
        finally:
            monitor.close()
    print(f"{accepted} ids there and back, {refused} refused by QEMU too, {read} messages read as Python reads them; "
          f"{wrong_accepted + wrong_refused + wrong_read} wrong; seed {arguments.seed}")
    return 0 if wrong_accepted + wrong_refused + wrong_read == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
