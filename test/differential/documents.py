# SPDX-License-Identifier: MIT

"""JSON documents to judge: generated, mutated, and a few by hand. The same seed gives the same documents. Nothing here
knows what any judge says of them."""

import random

INTEGERS = [0, 1, -1, 9, 255, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 2**64 - 1, 2**64, 10**25]
NUMBERS = ["-0", "0.0", "-0.0", "1.5", "0.1", "1e5", "1E+2", "1e-2", "5e-324", "2.2250738585072011e-308",
           "1.7976931348623157e308", "1.7976931348623159e308", "1e308", "1e999", "-1e400", "1e-999",
           "0.30000000000000004", "123456789012345678", "9007199254740993.0", "1" + "0" * 400, "3." + "1" * 800]
WRONG = ["01", "1.", ".5", "+1", "1e", "-", "NaN", "Infinity", "-Infinity", "nul", "True", "'a'", "0x10", "1_0", "//",
         "/**/", "1e5.5", "\\", "\"", "\"\\x\"", "\"\\u12\"", "\"\t\"", "\"\x00\"", "\ufeff", "undefined", "--1",
         "{a:1}",
         "[1,]", "{\"a\":1,}", "[,1]", "[1 2]", "{\"a\" 1}", "\f", "\v", "\x00", "TRUE", "nan", "-nan"]
PIECES = ["{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "false", " ", "\n", "\t", "\r", "\\u0000",
          "\\ud800",
          "\\udc00", "\\ud83d\\ude00", "\\/", "\\b", "\u00e9", "\U0001f600", "\uffff", "\ufdd0", "\x7f", "\x1f", "\x00",
          "e", "E", ".", "-", "+", "0", "1", "\"a\":", "\"\\u0061\":"]
BAD_UTF8 = [b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80",
            b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff", b"\xfe", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"]
CHARACTERS = ["a", "b", "z", " ", "/", "\u00e9", "\u20ac", "\uffff", "\ufdd0", "\U0001f600", "\U0010ffff", "\x7f",
              "\u2028"]
ESCAPES = ["\\n", "\\t", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\u0000", "\\u0041", "\\u00e9", "\\u20AC",
           "\\uffff",
           "\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\u001f"]
NESTINGS = [1, 31, 32, 33, 63, 64, 500, 1022, 1023, 1024, 1025, 1026, 2000, 2047, 2048, 2049, 3000]

BY_HAND = [b"", b" ", b"null", b"\"\"", b"{}", b"[]", b"[[]]", b"{\"a\":{}}", b"\xef\xbb\xbf{}", b"{}\x00", b"{}\n{}",
           b"{} x", b"{\"a\":1,\"a\":2}", b"{\"a\":1,\"\\u0061\":2,\"b\":3}", b"{\"a\\u0000b\":1}", b"\"\\ud800\"",
           b"\"\\udc00\\ud800\"",
           b"[1e999]", b"\"a\x00b\"", b"{\"a\\u0000b\":1,\"a\":2}", b"[NaN,Infinity,-Infinity]", b"\"\\ud800\\u0041\"",
           b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"\"\xff\"", b"\"\x01\"", b"-NaN"]


def number(rng):
    kind = rng.random()
    if kind < 0.3:
        return str(rng.choice(INTEGERS) + rng.choice((0, 0, 0, 1, -1)))
    if kind < 0.5:
        return rng.choice(NUMBERS)
    if kind < 0.7:
        return str(rng.getrandbits(rng.choice((4, 31, 62, 63, 64, 65))) * rng.choice((1, -1)))
    if kind < 0.85:
        return repr(rng.uniform(-1, 1) * 10.0 ** rng.randint(-320, 308))
    return f"{rng.choice(('', '-'))}{rng.randint(0, 999)}.{rng.randint(0, 10**rng.randint(1, 25))}" \
           f"{rng.choice(('', '', 'e', 'E+', 'e-'))}".rstrip("eE+-") + \
        rng.choice(("", "", f"e{rng.randint(-330, 310)}"))


def string(rng):
    text = "".join(rng.choice(ESCAPES) if rng.random() < 0.25 else rng.choice(CHARACTERS)
                   for _ in range(rng.choice((0, 1, 2, 3, 5, 8, 20, 70))))
    return f"\"{text}\""


def space(rng):
    return "" if rng.random() < 0.85 else "".join(rng.choice(" \t\r\n") for _ in range(rng.randint(1, 3)))


def key(rng):
    if rng.random() < 0.5:
        return rng.choice(("\"a\"", "\"b\"", "\"\\u0061\"", "\"id\"", "\"\"", "\"a\\u0000b\""))
    return string(rng)


def value(rng, depth):
    kind = rng.random()
    if depth <= 0 or kind < 0.3:
        scalar = rng.random()
        return number(rng) if scalar < 0.5 else string(rng) if scalar < 0.8 else rng.choice(("null", "true", "false"))
    n = rng.choice((0, 1, 1, 2, 3, 5))
    if kind < 0.6:
        items = [space(rng) + value(rng, depth - 1) + space(rng) for _ in range(n)]
        return f"[{space(rng) if n == 0 else ''}{','.join(items)}]"
    members = [f"{space(rng)}{key(rng)}{space(rng)}:{space(rng)}{value(rng, depth - 1)}{space(rng)}" for _ in range(n)]
    return f"{{{','.join(members)}}}"


def mutate(rng, document):
    b = bytearray(document)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randint(0, len(b))
        end = min(len(b), at + rng.choice((1, 1, 2, 8)))
        kind = rng.randrange(8)
        if kind == 0:
            del b[at:end]
        elif kind == 1:
            b[at:at] = rng.choice(PIECES).encode()
        elif kind == 2:
            b[at:end] = rng.choice(PIECES).encode()
        elif kind == 3:
            b[at:at] = rng.choice(WRONG).encode()
        elif kind == 4:
            b[at:at] = rng.choice(BAD_UTF8)
        elif kind == 5 and at < len(b):
            b[at] ^= 1 << rng.randrange(8)
        elif kind == 6:
            b[at:at] = b[max(0, at - rng.choice((2, 5, 20))):at]
        elif rng.random() < 0.3:
            del b[at:]
    return bytes(b)


def nested(n, rng):
    opening = [rng.choice(("[", "{\"a\":")) for _ in range(n)]
    closing = "".join("]" if o == "[" else "}" for o in reversed(opening))
    return ("".join(opening[:-1]) + ("[" if closing[:1] == "]" else "{") + closing).encode()


def by_hand():
    rng = random.Random(0)
    made = BY_HAND + [w.encode() for w in WRONG] + [f"[{w}]".encode() for w in WRONG + NUMBERS]
    return made + [b"\"" + bad + b"\"" for bad in BAD_UTF8] + [nested(n, rng) for n in NESTINGS]


def generated(seed, count, corpus):
    """`count` documents; mutations begin with what is generated and with those of `corpus`."""
    rng = random.Random(seed)
    for _ in range(count):
        kind = rng.random()
        if kind < 0.01:
            yield nested(rng.choice(NESTINGS), rng)
        elif kind < 0.7:
            document = (space(rng) + value(rng, rng.randint(0, 4)) + space(rng)).encode()
            yield document if kind < 0.35 else mutate(rng, document)
        else:
            yield mutate(rng, rng.choice(corpus))
