# SPDX-License-Identifier: MIT
# Arguments typed and checked by a schema: one with a member of every kind, then QEMU's own.

# --- every kind of type, by a schema that was seen before, without a server ----------------------------------------------

schema='[
{"name": "str", "meta-type": "builtin", "json-type": "string"}, {"name": "int", "meta-type": "builtin", "json-type": "int"},
{"name": "number", "meta-type": "builtin", "json-type": "number"}, {"name": "bool", "meta-type": "builtin", "json-type": "boolean"},
{"name": "null", "meta-type": "builtin", "json-type": "null"}, {"name": "any", "meta-type": "builtin", "json-type": "value"},
{"name": "new", "meta-type": "builtin", "json-type": "hypernumber"},
{"name": "e", "meta-type": "enum", "members": [{"name": "file"}, {"name": "raw", "features": ["deprecated"]}, {"name": "null-co"}], "values": ["file", "raw", "null-co"]},
{"name": "old", "meta-type": "enum", "values": ["up", "down"]},
{"name": "[int]", "meta-type": "array", "element-type": "int"}, {"name": "[str]", "meta-type": "array", "element-type": "str"},
{"name": "[e]", "meta-type": "array", "element-type": "e"}, {"name": "[o]", "meta-type": "array", "element-type": "o"},
{"name": "[[int]]", "meta-type": "array", "element-type": "[int]"}, {"name": "[ref]", "meta-type": "array", "element-type": "ref"},
{"name": "o", "meta-type": "object", "members": [{"name": "id", "type": "str"}, {"name": "size", "type": "int", "default": null}]},
{"name": "ref", "meta-type": "alternate", "members": [{"type": "str"}, {"type": "u"}, {"type": "null"}]},
{"name": "many", "meta-type": "alternate", "members": [{"type": "str"}, {"type": "int"}, {"type": "bool"}, {"type": "[int]"}]},
{"name": "strict", "meta-type": "alternate", "members": [{"type": "old"}, {"type": "number"}, {"type": "o"}]},
{"name": "u", "meta-type": "object", "tag": "driver", "members": [{"name": "driver", "type": "e"}, {"name": "ro", "type": "bool", "default": null}],
 "variants": [{"case": "file", "type": "u-file"}, {"case": "raw", "type": "u-raw"}, {"case": "null-co", "type": "none"}]},
{"name": "u-file", "meta-type": "object", "members": [{"name": "filename", "type": "str"}, {"name": "pr", "type": "str", "default": null}]},
{"name": "u-raw", "meta-type": "object", "tag": "how", "members": [{"name": "file", "type": "ref"}, {"name": "how", "type": "old"}],
 "variants": [{"case": "up", "type": "u-up"}, {"case": "down", "type": "none"}]},
{"name": "u-up", "meta-type": "object", "members": [{"name": "height", "type": "int"}]},
{"name": "none", "meta-type": "object", "members": []},
{"name": "args", "meta-type": "object", "members": [
 {"name": "s", "type": "str", "default": null}, {"name": "i", "type": "int", "default": null}, {"name": "n", "type": "number", "default": null},
 {"name": "b", "type": "bool", "default": null}, {"name": "z", "type": "null", "default": null}, {"name": "a", "type": "any", "default": null},
 {"name": "new", "type": "new", "default": null}, {"name": "lost", "type": "nowhere", "default": null},
 {"name": "e", "type": "e", "default": null}, {"name": "old", "type": "old", "default": null},
 {"name": "li", "type": "[int]", "default": null}, {"name": "ls", "type": "[str]", "default": null}, {"name": "le", "type": "[e]", "default": null},
 {"name": "lo", "type": "[o]", "default": null}, {"name": "ll", "type": "[[int]]", "default": null}, {"name": "lr", "type": "[ref]", "default": null},
 {"name": "o", "type": "o", "default": null}, {"name": "u", "type": "u", "default": null}, {"name": "ref", "type": "ref", "default": null},
 {"name": "many", "type": "many", "default": null}, {"name": "strict", "type": "strict", "default": null},
 {"name": "dep", "type": "int", "default": null, "features": ["deprecated", "unstable"]}]},
{"name": "c", "meta-type": "command", "arg-type": "args", "ret-type": "none"},
{"name": "must", "meta-type": "command", "arg-type": "o", "ret-type": "none", "allow-oob": true},
{"name": "nothing", "meta-type": "command", "arg-type": "none", "ret-type": "none", "features": ["deprecated"]},
{"name": "shaky", "meta-type": "command", "arg-type": "none", "ret-type": "none", "features": ["unstable"]},
{"name": "device_add", "meta-type": "command", "arg-type": "add", "ret-type": "none"},
{"name": "add", "meta-type": "object", "members": [{"name": "driver", "type": "str"}, {"name": "o", "type": "o", "default": null}]},
{"name": "broken", "meta-type": "command", "arg-type": "str", "ret-type": "none"},
{"name": "EVENT", "meta-type": "event", "arg-type": "none"}
]'
serve greet recv "send={\"return\": $schema, \"id\": @ID@}" hold
it 'the schema, from a server'; run -s "$dir/peer" call --check must id=x; expect 0 '' ''

away='qmp: cannot connect to DIR/peer: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?; going by the schema last seen at DIR/peer'
# The peer has gone, its address not.
rm -f "$dir/peer"

# becomes ARGUMENTS WORD...: what is sent
becomes() { json=$1; shift; run -s "$dir/peer" call --dry-run c "$@"; expect 0 "{\"execute\": \"c\", \"arguments\": $json}" "$away"; }
# mistyped COMPLAINT WORD...: words that are refused before anything is sent
mistyped() { complaint=$1; shift; run -s "$dir/peer" call --dry-run c "$@"; expect 2 '' "$away
qmp: c: $complaint
$call_hint"; }
# odd COMPLAINT ARGUMENTS WORD...: words that are sent with a warning
odd() { complaint=$1 json=$2; shift 2; run -s "$dir/peer" call --dry-run c "$@"
    expect 0 "{\"execute\": \"c\", \"arguments\": $json}" "$away
qmp: warning: c: $complaint"; }

it 'strings'; becomes '{"s":"x"}' s=x
it 'strings that look like something else'; for v in 5 true null '{}' '[1]' '"q"' '' ' x ' 0x5 on; do
    escaped=$(printf %s "$v" | sed 's/"/\\"/g'); becomes "{\"s\":\"$escaped\"}" "s=$v"; done
it 'a string that is something else exactly'; becomes '{"s":5}' s:=5

it 'integers'; becomes '{"i":5}' i=5
it 'a negative one'; becomes '{"i":-5}' i=-5
it 'with a plus sign'; becomes '{"i":5}' i=+5
it 'nothing'; becomes '{"i":0}' i=-0
it 'hexadecimal'; becomes '{"i":255}' i=0xfF
it 'hexadecimal, negative'; becomes '{"i":-16}' i=-0X10
it 'the largest'; becomes '{"i":18446744073709551615}' i=18446744073709551615
it 'the largest, hexadecimal'; becomes '{"i":18446744073709551615}' i=0xffffffffffffffff
it 'the smallest'; becomes '{"i":-9223372036854775808}' i=-9223372036854775808
it 'suffixes'; becomes '{"li":[1024,2097152,3221225472,4398046511104,5629499534213120,6917529027641081856]}' li=1K,2M,3G,4T,5P,6E
it 'small suffixes'; becomes '{"li":[1024,2097152,3221225472,4398046511104,5629499534213120,6917529027641081856]}' li=1k,2m,3g,4t,5p,6e
it 'suffixes in full'; becomes '{"li":[1024,1024,2097152]}' li=1Ki,1KiB,2MiB
it 'the largest with a suffix'; becomes '{"li":[17293822569102704640,-9223372036854775808]}' li=15E,-8E
it 'fractions'; becomes '{"li":[1610612736,512,1288490188800,3,1,1]}' li=1.5G,0.5K,1.171875T,3.000,1.0,0.0009765625K
it 'a line end after it'; printf '7\n' >"$dir/seven"; becomes '{"i":7}' i=@"$dir/seven"
for v in fast '' - + 5x 5KB 0x 0xg 0x5K 1e3 1. .5 1..5 1.5 0.1K 010 00 5B 5Kib 5Kx ' 5' -K K nan 1.5.5K 1.23456789012345678901234K 1.18446744073709551616K 1_000; do
    it "no integer: '$v'"; mistyped "'i': '$v' is not an integer" "i=$v"; done
for v in 18446744073709551616 -9223372036854775809 16E -9E 99999999999999999999K 0x10000000000000000 18014398509481984K; do
    it "too large: $v"; mistyped "'i': '$v' is too large for 64 bits" "i=$v"; done

it 'numbers'; becomes '{"n":1.5}' n=1.5
it 'numbers, as they are written'; becomes '{"n":-1.50e+3}' n=-1.50e+3
it 'numbers that are whole'; becomes '{"n":16}' n=0x10
it 'numbers with a suffix'; becomes '{"n":1536}' n=1.5K
it 'no number'; mistyped "'n': 'much' is not a number" n=much
it 'a number that is too large'; mistyped "'n': '1e400' is not a number" n=1e400
it 'a string of JSON for a number'; mistyped "'n': '\"5\"' is not a number" 'n="5"'

for v in on yes true ON True; do it "bool $v"; becomes '{"b":true}' b=$v; done
for v in off no false Off; do it "bool $v"; becomes '{"b":false}' b=$v; done
for v in 1 0 y '' onn; do it "no bool: '$v'"; mistyped "'b': '$v' is not a bool, on or off" b=$v; done

it 'null'; becomes '{"z":null}' z=null
it 'no null'; mistyped "'z': '0' is not null" z=0

it 'a word of a list'; becomes '{"e":"null-co"}' e=null-co
it 'a word of an old list'; becomes '{"old":"up"}' old=up
it 'almost a word'; mistyped "'e': there is no 'fil'; did you mean 'file'?" e=fil
it 'a word in capitals'; mistyped "'e': there is no 'RAW'; did you mean 'raw'?" e=RAW
it 'another word'; mistyped "'e': 'elsewhere' is none of file, raw, null-co" e=elsewhere
it 'another word for an old list'; mistyped "'old': 'elsewhere' is none of up, down" old=elsewhere
it 'no word'; mistyped "'e': '' is none of file, raw, null-co" e=

it 'anything, by looks'; becomes '{"a":5}' a=5
it 'anything, a string'; becomes '{"a":"0x5"}' a=0x5
it 'anything, nested'; becomes '{"a":{"b":[true,"c"]}}' a.b.0=true a.b.1=c
it 'a kind to come'; becomes '{"new":5}' new=5
it 'a type that is not there'; becomes '{"lost":{"x":5}}' lost.x=5

it 'lists with commas'; becomes '{"ls":["a","b c",""]}' ls='a,b c,'
it 'a list of one'; becomes '{"ls":["a"]}' ls=a
it 'an empty list'; becomes '{"ls":[]}' ls=
it 'a list of words'; becomes '{"le":["file","raw"]}' le=file,raw
it 'a list as JSON'; becomes '{"ls":["a,b"]}' 'ls=["a,b"]'
it 'a list by indexes'; becomes '{"ls":["a,b","5"]}' ls.1=5 ls.0=a,b
it 'a list of lists'; becomes '{"ll":[[1,2],[3]]}' ll.0=1,2 ll.1.0=3
it 'a list of objects'; becomes '{"lo":[{"id":"5","size":1024},{"id":"6"}]}' lo.0.id=5 lo.0.size=1K lo.1.id=6
it 'a list of what may be a string'; becomes '{"lr":["a",null,"b"]}' lr=a,null,b
it 'a wrong item'; mistyped "'li': 'x' is not an integer" li=1,x,3
it 'a wrong item by index'; mistyped "'li.1': 'x' is not an integer" li.0=1 li.1=x
it 'a wrong word in a list'; mistyped "'le': there is no 'fil'; did you mean 'file'?" le=raw,fil
it 'a text for a list of objects'; mistyped "'lo': 'x' is not a list; write lo.0.KEY=VALUE, or JSON in [ ]" lo=x
it 'a list of broken JSON'; mistyped "'li': the text ends too early at byte 2, after \"[1\"" 'li=[1'
it 'members of a list'; mistyped "'ls.a=1': 'ls' is a list, and has no members" ls.a=1

it 'objects'; becomes '{"o":{"id":"5","size":5}}' o.id=5 o.size=5
it 'objects as JSON'; becomes '{"o":{"id": "5"}}' 'o={"id": "5"}'
it 'a text for an object'; mistyped "'o': 'x' is not an object; write o.KEY=VALUE, or JSON in { }" o=x
it 'an object of broken JSON'; mistyped "'o': the text ends too early at byte 1, after \"{\"" 'o={'
it 'items of an object'; mistyped "'o.0=1': 'o' is an object, and has no items" o.0=1
it 'members of a string'; mistyped "'s.x.y=1': 's' is a string, and has no members" s.x.y=1
it 'items of an integer'; mistyped "'i.0=1': 'i' is an integer, and has no items" i.0=1
it 'an unknown member'; odd "there is no 'o.siz'; did you mean 'size'?" '{"o":{"id":"5","siz":5}}' o.id=5 o.siz=5
it 'an unknown member like none'; odd "there is no 'o.elsewhere'; there are: id, size" '{"o":{"elsewhere":true}}' o.elsewhere=true
it 'an unknown member of all'; odd "there is no 'mani'; did you mean 'many'?" '{"mani":{"y":1}}' mani.y=1
it 'an unknown member that is nested'; odd "there is no 'hello'; there are: s, i, n, b, z, a, new, lost, e, old, li, ls, le, lo, ll, lr, o, u, ref, many, strict, dep" \
    '{"hello":{"y":1}}' hello.y=1

it 'a union'; becomes '{"u":{"driver":"file","filename":"5"}}' u.driver=file u.filename=5
it 'a union, the tag last'; becomes '{"u":{"filename":"5","ro":true,"driver":"file"}}' u.filename=5 u.ro=on u.driver=file
it 'a union, the tag exact'; becomes '{"u":{"driver":"file","filename":"5"}}' 'u.driver:="file"' u.filename=5
it 'a union in a union'; becomes '{"u":{"driver":"raw","how":"up","height":5,"file":"5"}}' u.driver=raw u.how=up u.height=5 u.file=5
it 'a branch without members'; odd "there is no 'u.filename'; there are: driver, ro" '{"u":{"driver":"null-co","filename":5}}' \
    u.driver=null-co u.filename=5
it 'a member of another branch'; odd "there is no 'u.heigth'; did you mean 'height'?" \
    '{"u":{"driver":"raw","how":"up","heigth":5}}' u.driver=raw u.how=up u.heigth=5
it 'a union without its tag'; becomes '{"u":{"filename":5,"ro":false}}' u.filename=5 u.ro=no
it 'a union without its second tag'; becomes '{"u":{"driver":"raw","height":5,"file":"x"}}' u.driver=raw u.height=5 u.file=x
it 'a wrong tag'; mistyped "'u.driver': there is no 'fil'; did you mean 'file'?" u.filename=x u.driver=fil
it 'a tag that is no string'; becomes '{"u":{"driver":5,"filename":5}}' u.driver:=5 u.filename=5
it 'a tag that is an object'; mistyped "'u.driver.x=1': 'u.driver' is a word of a list, and has no members" u.driver.x=1

it 'an alternate, a string'; becomes '{"ref":"n0"}' ref=n0
it 'an alternate, a string of digits'; becomes '{"ref":"5"}' ref=5
it 'an alternate, null'; becomes '{"ref":null}' ref=null
it 'an alternate, an object'; becomes '{"ref":{"driver":"file","filename":"5"}}' ref.driver=file ref.filename=5
it 'an alternate, JSON'; becomes '{"ref":{"driver": "x"}}' 'ref={"driver": "x"}'
it 'an alternate, no list'; mistyped "'ref.0=1': 'ref' is a string or an object or null, and has no items" ref.0=1
it 'an alternate, the first that fits'; becomes '{"many":5}' many=5
it 'an alternate, the second that fits'; becomes '{"many":true}' many=on
it 'an alternate, a list'; becomes '{"many":[1,2]}' 'many=[1,2]'
it 'an alternate, a list by indexes'; becomes '{"many":[1,1024]}' many.0=1 many.1=1K
it 'an alternate, what is left'; becomes '{"many":"1,2"}' many=1,2
it 'an alternate, too large'; mistyped "'many': '99999999999999999999' is too large for 64 bits" many=99999999999999999999
it 'an alternate without a string'; becomes '{"strict":"up"}' strict=up
it 'an alternate without a string, a number'; becomes '{"strict":1.5}' strict=1.5
it 'nothing that an alternate is'; mistyped "'strict': 'x' is not a word of a list or a number or an object" strict=x
it 'an alternate in an alternate'; becomes '{"ref":{"driver":"raw","how":"down","file":{"driver":"file","filename":"5"}}}' \
    ref.driver=raw ref.how=down ref.file.driver=file ref.file.filename=5

it 'no arguments for what takes none'; run -s "$dir/peer" call --dry-run nothing; expect 0 '{"execute": "nothing"}' ''
it 'JSON needs no schema'; run -s "$dir/peer" call --dry-run c '{"i": "x"}'; expect 0 '{"execute": "c", "arguments": {"i": "x"}}' ''
it 'arguments of a strange type'; run -s "$dir/peer" call --dry-run broken s=5
expect 0 '{"execute": "broken", "arguments": {"s":5}}' "$away"
it 'what no schema knows'; run -s "$dir/peer" call --dry-run device_add driver=5 x=5
expect 0 '{"execute": "device_add", "arguments": {"driver":"5","x":5}}' "$away"
it 'what a schema knows inside it'; run -s "$dir/peer" call --dry-run device_add driver=5 o.id=5 o.siz=5
expect 0 '{"execute": "device_add", "arguments": {"driver":"5","o":{"id":"5","siz":5}}}' "$away
qmp: warning: device_add: there is no 'o.siz'; did you mean 'size'?"
it 'an unknown command'; run -s "$dir/peer" call --dry-run nope s=5; expect 0 '{"execute": "nope", "arguments": {"s":5}}' "$away"
it 'an event is no command'; run -s "$dir/peer" call --dry-run EVENT s=5; expect 0 '{"execute": "EVENT", "arguments": {"s":5}}' "$away"
it 'out of band'; run -s "$dir/peer" call --oob --dry-run nothing; expect 0 '{"exec-oob": "nothing"}' ''
it 'descriptors'; run -s "$dir/peer" call --fd a=/x --fd b.c=/y=z --dry-run nothing; expect 0 \
    '{"execute": "getfd", "arguments": {"fdname":"a"}}
{"execute": "getfd", "arguments": {"fdname":"b.c"}}
{"execute": "nothing"}' ''
it 'indented'; run -s "$dir/peer" call --dry-run -o pretty nothing; expect 0 '{
  "execute": "nothing"
}' ''
it 'a value of it'; run -s "$dir/peer" call --dry-run -g arguments.i c i=1K; expect 0 1024 "$away"

# --- checking -----------------------------------------------------------------------------------------------------------

# fine WORD...; wrong COMPLAINTS WORD...: lines
fine() { run -s "$dir/peer" call --check "$@"; expect 0 '' "$away"; }
wrong() { complaint=$1; shift; run -s "$dir/peer" call --check "$@"; expect 2 '' "$away
$complaint
$call_hint"; }
it 'all is well'; fine c s=x i=5 u.driver=file u.filename=x ref=null lo.0.id=x
it 'all is well, as JSON'; fine c '{"s": "x", "i": -5, "n": 1e3, "b": true, "z": null, "a": [{}], "new": 5, "e": "file", "old": "up", "li": [1, 2], "ll": [[]],
 "lo": [{"id": "x"}], "u": {"filename": "x", "driver": "file"}, "ref": "x", "lr": [null, {"driver": "null-co"}, "x"], "many": false, "strict": {"id": ""}}'
it 'nothing at all'; fine c
it 'nothing, as JSON'; fine c '{}'
it 'nothing is missing'; wrong "qmp: must: 'id' is missing" must
it 'something is missing'; wrong "qmp: must: 'id' is missing" must size=5
it 'something is missing inside'; wrong "qmp: c: 'lo.1.id' is missing" c lo.0.id=x lo.1.size=5
it 'something is missing in a branch'; wrong "qmp: c: 'u.filename' is missing" c u.driver=file
it 'something is missing in a branch of a branch'; wrong "qmp: c: 'u.driver' is deprecated
qmp: c: 'u.file' is missing
qmp: c: 'u.height' is missing" c u.driver=raw u.how=up
it 'a tag is missing'; wrong "qmp: c: 'u.driver' is missing" c u.filename=x
it 'an unknown member, words'; wrong "qmp: c: there is no 'o.siz'; did you mean 'size'?" c o.id=5 o.siz=5
it 'a wrong word'; wrong "qmp: c: 'i': 'x' is not an integer" c i=x
it 'several faults'; wrong "qmp: c: 'i': \"5\" is not an integer
qmp: c: 'o.id' is missing" c '{"i": "5", "o": {}}'
it 'wrong types, as JSON'; wrong "qmp: c: 's': 5 is not a string
qmp: c: 'i': 1.0 is not an integer
qmp: c: 'n': \"5\" is not a number
qmp: c: 'b': \"on\" is not a bool, on or off
qmp: c: 'z': 0 is not null
qmp: c: 'e': true is not a word of a list
qmp: c: 'old': there is no 'u'; did you mean 'up'?
qmp: c: 'li': {} is not a list
qmp: c: 'o': [] is not an object
qmp: c: 'ref': 5 is not a string or an object or null
qmp: c: 'strict': null is not a word of a list or a number or an object" c '{"s": 5, "i": 1.0, "n": "5", "b": "on", "z": 0, "e": true, "old": "u", "li": {}, "o": [], "ref": 5, "strict": null}'
it 'an integer that is too large'; wrong "qmp: c: 'i': 18446744073709551616 is not an integer" c i:=18446744073709551616
it 'a wrong exact word'; wrong "qmp: c: 's': 5 is not a string" c s:=5
it 'inside of lists and branches'; wrong "qmp: c: 'li.1': \"x\" is not an integer
qmp: c: 'lr.0.filename': 5 is not a string" c '{"li": [1, "x"], "lr": [{"driver": "file", "filename": 5}]}'
it 'a wrong tag, as JSON'; wrong "qmp: c: 'u.driver': there is no 'fil'; did you mean 'file'?" c '{"u": {"driver": "fil", "x": 1}}'
it 'what no schema knows, checked'; fine device_add driver=5 x=5 y.z=5
it 'what a schema knows inside it, checked'; wrong "qmp: device_add: there is no 'o.siz'; did you mean 'size'?" device_add driver=5 o.id=5 o.siz=5
it 'what takes nothing'; wrong "qmp: nothing: it is deprecated
qmp: nothing: there is no 'x'; it takes nothing" nothing x=1
it 'a large value is not shown in full'; long=$(printf '%0100d' 0 | tr 0 x)
wrong "qmp: c: 'i': \"$(printf '%079d' 0 | tr 0 x) is not an integer" c "{\"i\": \"$long\"}"
it 'deprecated and unstable'; run -s "$dir/peer" call --check c dep=5 e=raw; expect 0 '' "$away
qmp: c: 'dep' is deprecated
qmp: c: 'dep' is unstable
qmp: c: 'e' is deprecated"
it 'a deprecated command'; run -s "$dir/peer" call --check nothing; expect 0 '' "$away
qmp: nothing: it is deprecated"
it 'an unstable command'; run -s "$dir/peer" call --check shaky; expect 0 '' "$away
qmp: shaky: it is unstable"
it 'an unknown command, checked'; run -s "$dir/peer" call --check mus; expect 8 '' "$away
qmp: mus: there is no such command; did you mean 'must'?"
it 'an unknown command like none'; run -s "$dir/peer" call --check elsewhere; expect 8 '' "$away
qmp: elsewhere: there is no such command"
it 'out of band, checked'; fine --oob must id=x
it 'not out of band, checked'; wrong "qmp: c: it does not run out of band" --oob c
it 'checked, then shown'; run -s "$dir/peer" call --check --dry-run must id=x
expect 0 '{"execute": "must", "arguments": {"id":"x"}}' "$away"
it 'checked, and not shown'; run -s "$dir/peer" call --check --dry-run must; expect 2 '' "$away
qmp: must: 'id' is missing
$call_hint"
