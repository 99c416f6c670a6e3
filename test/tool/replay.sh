# SPDX-License-Identifier: MIT
# replay: what was captured is said again, and files that are no captures.


replay_hint="qmp: 'qmp replay --help' says more"

# again FILE ARGUMENT...: a replay in the background, at $dir/again; ready when this returns.
again() {
    rm -f "$dir/again.fifo"; mkfifo "$dir/again.fifo"
    timeout --foreground "$limit" "$qmp" replay "$@" --listen "$dir/again" >"$dir/again.fifo" 2>"$dir/again.err" & job=$!
    timeout "$limit" head -n 1 "$dir/again.fifo" >"$dir/again.out"
}

# again_end: ends it, or with a word waits for its end; its standard error is that of the case.
again_end() {
    [ $# = 1 ] || kill "$job"
    { wait "$job"; code=$?; } 2>/dev/null
    cp "$dir/again.err" "$err"
}

# tell TEXT: sends it to the replay, and writes what comes back.
tell() { printf %s "$1" | timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$dir/again" | tr -d '\r'; }

# case_of TEXT: what the replay of $dir/f says to a client that says TEXT.
case_of() { again "$dir/f" --count 1; tell "$1" >"$out"; again_end by-itself; }

it 'help'; run replay --help; expect_file 0 help/replay.txt
it 'no file'; run replay --listen "$dir/again"; expect 2 '' "qmp: 'replay' wants more: qmp replay FILE --listen ADDRESS
$replay_hint"
it 'two files'; run replay a b --listen "$dir/again"; expect 2 '' "qmp: 'replay' takes one file
$replay_hint"
it 'nowhere'; run replay a; expect 2 '' "qmp: where? Say --listen ADDRESS, such as --listen /tmp/replay.qmp
$replay_hint"
it 'no such file'; run replay "$dir/none" --listen "$dir/again"
expect 10 '' 'qmp: cannot read DIR/none: No such file or directory'
it 'a folder'; run replay "$dir" --listen "$dir/again"; expect 10 '' 'qmp: cannot read DIR: Is a directory'
it 'standard input that cannot be read'; run replay - --listen "$dir/again" <"$dir"; expect 10 '' \
    'qmp: cannot read standard input: Is a directory'

cat >"$dir/f" <<'EOF'
{"from": "server", "message": {"QMP": {"version": 1}}}
{"from": "client", "message": {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}, "id": "a"}}
{"from": "server", "message": {"return": {}, "id": "a"}}
{"from": "server", "message": {"event": "E1"}}
{"from": "client", "message": {"execute": "x", "arguments": {"n": 1, "s": "\u00e9", "a": [1, {"b": null}], "d": 1e2}, "id": 1}}
{"from": "server", "message": {"event": "E2"}}
{"from": "server", "message": {"return": [1,  2], "id": 1}}
{"from": "server", "message": {"event": "E3"}}
{"from": "client", "message": {"execute": "y"}}
{"from": "client", "message": {"execute": "y", "arguments": {"z": 1}}}
{"from": "server", "message": {"error": {"class": "C", "desc": "d"}}}
{"from": "server", "message": {"event": "E4"}}
{"from": "server", "message": {"return": "second"}}
{"from": "server", "message": {"event": "E5"}}
{"from": "client", "message": {"exec-oob": "x", "id": 18446744073709551615}}
{"from": "server", "message": {"return": "late", "id": 18446744073709551615}}
EOF
greeting='{"QMP": {"version": 1}}'
it 'nothing is said but what comes before the first command'; case_of ' '; expect 0 "$greeting" ''
it 'in order'
case_of '{"execute": "qmp_capabilities", "id": {"a": 1}}{"id": 18446744073709551615, "execute": "x", "arguments": {"d": 100, "a": [1, {"b": null}], "s": "é", "n": 1}}{"execute": "y"}{"execute": "y", "arguments": {"z": 1}, "id": null}{"execute": "x"}'
expect 0 "$greeting"'
{"return": {}, "id": {"a": 1}}
{"event": "E1"}
{"event": "E2"}
{"return": [1,  2], "id": 18446744073709551615}
{"event": "E3"}
{"error": {"class": "C", "desc": "d"}}
{"event": "E4"}
{"return": "second", "id": null}
{"event": "E5"}
{"return": "late"}' ''
it 'leaving one out'
case_of "{'execute': 'y', 'arguments': {'z': 1}, 'id': 'it\\'s \"'}"
expect 0 "$greeting"'
{"event": "E1"}
{"event": "E2"}
{"event": "E3"}
{"event": "E4"}
{"return": "second", "id": "it'"'"'s \""}
{"event": "E5"}' ''
it 'again, and from before'
case_of '{"execute": "x"}{"execute": "y"}{"exec-oob": "x", "id": 5}{"execute": "qmp_capabilities"}'
expect 0 "$greeting"'
{"event": "E1"}
{"event": "E2"}
{"event": "E3"}
{"event": "E4"}
{"event": "E5"}
{"return": "late"}
{"error": {"class": "C", "desc": "d"}}
{"return": "late", "id": 5}
{"return": {}}' ''
it 'what is not there'
case_of '{"execute": "z", "id": 1}{"execute": "x", "arguments": {"n": 2}, "id": 2}{"execute": "x", "arguments": {"n": 1, "s": "e", "a": [1, {"b": null}], "d": 1e2}}'
expect 0 "$greeting"'
{"error": {"class": "CommandNotFound", "desc": "The capture does not hold z"}, "id": 1}
{"error": {"class": "GenericError", "desc": "The capture does not hold x with these arguments"}, "id": 2}
{"error": {"class": "GenericError", "desc": "The capture does not hold x with these arguments"}}' \
'qmp: client 1 asks what is not in the capture: {"execute": "z", "id": 1}
qmp: client 1 asks what is not in the capture: {"execute": "x", "arguments": {"n": 2}, "id": 2}
qmp: client 1 asks what is not in the capture: {"execute": "x", "arguments": {"n": 1, "s": "e", "a": [1, {"b": null}], "d": 1e2}}'
it 'what is no command'
case_of '{"id": 1}[]{"execute": 5, "id": 2}{"execute": nan}{"a": 1, "a": 2}12 '
expect 0 "$greeting"'
{"error": {"class": "GenericError", "desc": "QMP input lacks member '"'execute'"'"}, "id": 1}
{"error": {"class": "GenericError", "desc": "QMP input must be a JSON object"}}
{"error": {"class": "GenericError", "desc": "QMP input lacks member '"'execute'"'"}, "id": 2}
{"error": {"class": "GenericError", "desc": "JSON parse error"}}
{"error": {"class": "GenericError", "desc": "JSON parse error"}}
{"error": {"class": "GenericError", "desc": "QMP input must be a JSON object"}}' ''

cat >"$dir/f" <<'EOF'
{"from": "server", "message": {"QMP": 1}}
{"from": "client", "message": {"execute": "p"}}
{"from": "server", "message": {"return": 1}}
{"from": "client", "message": {"execute": "p"}}
{"from": "server", "message": {"return": 2}}
{"from": "client", "message": {"execute": "slow", "id": "a"}}
{"from": "client", "message": {"exec-oob": "fast", "id": "b"}}
{"from": "server", "message": {"return": "fast", "id": "b"}}
{"from": "server", "message": {"return": "slow", "id": "a"}}
{"from": "client", "message": {"execute": "e", "arguments": {"a": [1, 2], "s": "ab", "n": 9007199254740993, "b": true}}}
{"from": "server", "message": {"return": "e"}}
EOF
it 'the last reply again, and replies out of turn'
case_of '{"execute": "p"}{"execute": "p"}{"execute": "p"}{"execute": "p"}{"execute": "slow", "id": 1}{"exec-oob": "fast", "id": 2}'
expect 0 '{"QMP": 1}
{"return": 1}
{"return": 2}
{"return": 2}
{"return": 2}
{"return": "slow", "id": 1}
{"return": "fast", "id": 2}' ''
# same_arguments yes|no ARGUMENTS: whether these are the recorded ones.
same_arguments() {
    it "arguments: $2"; again "$dir/f" --count 1
    tell "{\"execute\": \"e\", \"arguments\": $2}" | sed '1d; s/^{"return": "e"}$/yes/; s/^{"error.*/no/' >"$out"; again_end by-itself
    : >"$err"; expect 0 "$1" ''
}
same_arguments yes '{"n": 9007199254740993, "b": true, "s": "\u0061\u0062", "a": [1, 2]}'
same_arguments yes '{"a": [1.0, 2e0], "s": "ab", "n": 9007199254740993, "b": true}'
same_arguments no '{"a": [1, 2], "s": "ab", "n": 9007199254740992, "b": true}'
same_arguments no '{"a": [1, 2], "s": "ab", "n": 9007199254740993, "b": false}'
same_arguments no '{"a": [1, 2], "s": "\u0061", "n": 9007199254740993, "b": true}'
same_arguments no '{"a": [1, 2], "s": "\u0061\u0062c", "n": 9007199254740993, "b": true}'
same_arguments no '{"a": [1, 2, 3], "s": "ab", "n": 9007199254740993, "b": true}'
same_arguments no '{"a": [1], "s": "ab", "n": 9007199254740993, "b": true}'
same_arguments no '{"a": [1, 2.5], "s": "ab", "n": 9007199254740993, "b": true}'
same_arguments no '{"a": [1, 2], "s": "ab", "n": 9007199254740993}'
same_arguments no '{"a": [1, 2], "s": "ab", "n": 9007199254740993, "b": true, "c": null}'
same_arguments no '{"a": [1, 2], "s": "ab", "n": 9007199254740993, "c": true}'
same_arguments no '{"a": "1", "s": "ab", "n": 9007199254740993, "b": true}'
same_arguments no '{}'

cat >"$dir/f" <<'EOF'
{"connection": 7, "from": "server", "message": {"QMP": 1}}
{"connection": 7, "from": "client", "message": {"execute": "x"}}
{"connection": 7, "from": "server", "message": {"return": 1}}
{"connection": 7, "from": "client", "end": true}
{"connection": 8, "from": "client", "message": {"execute": "nobody listens"}}

{"connection": 9, "from": "server", "message": {"QMP": 2}}
{"connection": 9, "from": "client", "bytes": "{'execute': 'x'}"}
{"connection": 9, "from": "server", "message": {"return": 2}}
{"connection": 9, "from": "client", "message": {"execute": "crash"}}
{"connection": 9, "from": "server", "message": {"event": "E"}}
{"connection": 9, "from": "server", "bytes": "{\u0022\u00e9\t\u00ff"}
{"connection": 9, "from": "server", "end": true}
{"connection": 10, "from": "server", "message": {"QMP": 3}}
{"connection": 10, "from": "client", "message": {"execute": "hang"}}
EOF
it 'connections one after the other, and again'; again "$dir/f" --count 4
for text in '{"execute": "x"}' '{"execute": "x"}' '{"execute": "x"}' '{"execute": "x"}'; do tell "$text"; done >"$out"; again_end by-itself
expect 0 '{"QMP": 1}
{"return": 1}
{"QMP": 2}
{"return": 2}
{"QMP": 3}
{"return": 1}
{"QMP": 1}
{"return": 1}' ''
it 'a command that ends it, another one without a reply'; again "$dir/f" --count 3
{ tell '{"execute": "x"}'; tell '{"execute": "crash"}{"execute": "x"}'; echo; tell '{"execute": "hang", "id": 1}'; } >"$out"; again_end by-itself
expect 0 '{"QMP": 1}
{"return": 1}
{"QMP": 2}
{"event": "E"}
{"'"$(printf '\351\t\377')"'
{"QMP": 3}
{"error": {"class": "GenericError", "desc": "the capture holds no reply to this command"}, "id": 1}' ''
greets='{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}'
printf '%s\n' "{\"from\": \"server\", \"message\": $greets}" '{"from": "client", "message": {"execute": "x"}}' \
    '{"from": "server", "message": {"return": 1}}' >"$dir/f"
it 'negotiation is always answered, and the address told'; again "$dir/f" --count 1
timeout "$limit" "$qmp" call -s "$dir/again" x >"$dir/a"; again_end by-itself; cat "$dir/again.out" "$dir/a" >"$out"
expect 0 'unix:DIR/again
1' ''
it 'a free port'; rm -f "$dir/again.fifo"; mkfifo "$dir/again.fifo"
timeout --foreground "$limit" "$qmp" replay "$dir/f" --listen tcp:127.0.0.1:0 --count 1 -v >"$dir/again.fifo" 2>"$dir/again.err" & job=$!
address=$(timeout "$limit" head -n 1 "$dir/again.fifo"); run call -s "$address" x; again_end by-itself; sed -i 's/"[0-9a-f]\{12\}-/"ID-/' "$err"
expect 0 1 'qmp: > '"$greets"'
qmp: < {"execute":"qmp_capabilities","id":"ID-1"}
qmp: > {"return": {}, "id": "ID-1"}
qmp: < {"execute":"x","id":"ID-2"}
qmp: > {"return": 1, "id": "ID-2"}'
it 'from standard input'
timeout "$limit" "$qmp" replay - --listen "$dir/again" --timeout 100ms <"$dir/f" >"$out" 2>"$err"; code=$?
expect 0 'unix:DIR/again' ''
it 'until a time'; run replay "$dir/f" --listen "$dir/again" --timeout 100ms; expect 0 'unix:DIR/again' ''
it 'until Ctrl-C, also with a client'; again "$dir/f"; timeout "$limit" "$qmp" capture -w - -s "$dir/again" >"$dir/a.fifo" 2>&1 & client=$!
until_lines "$dir/a.fifo" 3; again_end; wait "$client"; : >"$out"; expect 0 '' ''

# --- what a real QEMU said, again ------------------------------------------------------------------------------------

# session ADDRESS: a session of a client, event by event.
session() {
    for command in 'query-status' 'stop' 'query-status' 'cont' 'nope' 'query-version' 'qom-list path=/' 'query-qmp-schema'; do
        # shellcheck disable=SC2086
        timeout "$limit" "$qmp" call -s "$1" --wait-for-socket 20s $command 2>&1
    done
    printf '%s' '{"execute": "qmp_capabilities"}{"execute": "stop", "id": 1}{"execute": "cont"}{"execute": "query-name", "id": "é"}' |
        timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$1"
}

vm real -chardev "socket,id=p,path=$dir/indented,server=on,wait=off" -mon chardev=p,mode=control,pretty=on
for format in pcap jsonl; do
    for socket in real indented; do
        it "a session as $format, of $socket"; rm -f "$dir/f.$format"
        timeout --foreground "$limit" "$qmp" capture -w "$dir/f.$format" -s "$dir/$socket" --listen "$dir/spy" --count 9 2>"$dir/a" & job=$!
        session "$dir/spy" >"$dir/then"; wait "$job"
        again "$dir/f.$format" --count 9; session "$dir/again" >"$dir/now"; again_end by-itself
        # A line of JSON lines has no line breaks.
        [ "$format$socket" = jsonlindented ] && for file in then now; do
            tr -d ' \r\n' <"$dir/$file" >"$dir/a"; mv "$dir/a" "$dir/$file"
        done
        { diff "$dir/then" "$dir/now" && wc -l <"$dir/now" | sed 's/^[1-9][0-9]*$/lines/; s/^0$/lines/'; } >"$out"
        expect 0 lines ''
    done
done
it 'a large message, in packets'; rm -f "$dir/f.pcap"
{ echo "{\"from\": \"server\", \"message\": $greets}"; echo '{"from": "client", "message": {"execute": "x"}}'
  printf '{"from": "server", "message": {"return": "'; head -c 3000000 /dev/zero | tr '\0' x; echo '"}}'; } >"$dir/f"
again "$dir/f" --count 1
timeout "$limit" "$qmp" capture -w "$dir/f.pcap" -s "$dir/again" --listen "$dir/spy" --count 1 2>/dev/null & spy=$!
"$qmp" call -s "$dir/spy" --wait-for-socket 20s x >"$dir/then"; wait "$spy"; again_end by-itself
again "$dir/f.pcap" --count 1; "$qmp" call -s "$dir/again" x >"$dir/now"; again_end by-itself
{ cmp "$dir/then" "$dir/now" && wc -c <"$dir/now"; } >"$out"; expect 0 3000003 ''
if command -v editcap >/dev/null; then
    it 'and cut off by a snapshot length'; editcap -F pcap -s 1000 "$dir/f.pcap" "$dir/f" 2>/dev/null
    run replay "$dir/f" --listen "$dir/again"
    expect 2 '' "qmp: DIR/f: packet 6: the packet before it is cut off (by a snapshot length?)
$replay_hint"
fi
it 'events'
printf '%s\n' "{\"from\": \"server\", \"message\": $greets}" '{"from": "client", "message": {"execute": "qmp_capabilities"}}' \
    '{"from": "server", "message": {"return": {}}}' "{\"from\": \"server\", \"message\": $(event A 1)}" \
    "{\"from\": \"server\", \"message\": $(event B 2)}" >"$dir/f"
again "$dir/f" --count 1; run events -s "$dir/again" --count 2; again_end by-itself
expect 0 "$(shown A 1)
$(shown B 2)" ''

# --- what is no capture ----------------------------------------------------------------------------------------------

bad() { run replay "$dir/f" --listen "$dir/again" --timeout 100ms; }
it 'an empty one'; : >"$dir/f"; bad; expect 2 '' "qmp: DIR/f: there is nothing in it
$replay_hint"
it 'without a server'; echo '{"from": "client", "message": {}}' >"$dir/f"; bad
expect 2 '' "qmp: DIR/f: no server says anything in it
$replay_hint"
while IFS='|' read -r text what; do
    it "no record: $text"; printf '{"from": "client", "message": {}}\n\n%s\n' "$text" >"$dir/f"; bad
    expect 2 '' "qmp: DIR/f: line 3: $what
$replay_hint"
done <<'EOF'
hello|it is no JSON, or JSON that QEMU refuses
{"from": "client"|it is no JSON, or JSON that QEMU refuses
[]|it is no JSON object
{}|"from" is neither "client" nor "server"
{"from": "me", "message": {}}|"from" is neither "client" nor "server"
{"from": "client"}|it has no "message", "bytes" or "end"
{"from": "client", "end": false}|it has no "message", "bytes" or "end"
{"from": "client", "bytes": 5}|"bytes" is no string
{"from": "client", "bytes": "\u0100"}|"bytes" has a character above U+00FF
{"from": "client", "message": {}, "connection": "x"}|"connection" is no number of a connection
{"from": "client", "message": {}, "connection": 4294967296}|"connection" is no number of a connection
EOF
it 'lines that end early'; printf '%s\n{"from": "cl' '{"from": "server", "message": {"QMP": {}}}' >"$dir/f"; bad
expect 0 'unix:DIR/again' 'qmp: DIR/f: line 2: the file ends in the middle of it; going on without it'
it 'too large'; rm -f "$dir/f"; truncate -s 257M "$dir/f"; bad; rm -f "$dir/f"
expect 2 '' "qmp: DIR/f: more than 256 MiB
$replay_hint"
it 'a pcapng'; printf '\n\r\r\n' >"$dir/f"; bad
expect 2 '' "qmp: DIR/f: it is a pcapng: make a pcap of it, with 'editcap -F pcap'
$replay_hint"
it 'compressed'; echo x | gzip >"$dir/f"; bad; expect 2 '' "qmp: DIR/f: it is compressed: 'zcat FILE | qmp replay -'
$replay_hint"

"$qmp" capture -w "$dir/good.pcap" -s "$dir/real" --timeout 200ms 2>/dev/null
size=$(wc -c <"$dir/good.pcap")
# put OFFSET OCTAL...: another byte there.
put() { cp "$dir/good.pcap" "$dir/f"; printf "\\$2" | dd of="$dir/f" bs=1 seek="$1" conv=notrunc status=none; }
it 'a pcap of something else'; put 20 001; bad
expect 2 '' "qmp: DIR/f: it is a pcap of something else (its link type is not 252): capture with 'qmp capture'
$replay_hint"
it 'a packet whose tags are broken'; put 43 377; bad; expect 2 '' "qmp: DIR/f: packet 1: its tags are broken
$replay_hint"
it 'a packet that is longer than it says'; put 36 001; bad; expect 2 '' "qmp: DIR/f: packet 1: it is longer than it says
$replay_hint"
it 'a packet that was cut off'; put 37 001; bad
expect 2 '' "qmp: DIR/f: packet 2: the packet before it is cut off (by a snapshot length?)
$replay_hint"
it 'a pcap that ends early'; head -c $((size - 1)) "$dir/good.pcap" >"$dir/f"; bad
expect 0 'unix:DIR/again' 'qmp: DIR/f: packet 3: the file ends in the middle of it; going on without it'
# However it is cut, and whatever byte is wrong: said, or fine, but no crash.
it 'a pcap that ends anywhere'; : >"$out"; : >"$err"
i=0; while [ "$i" -lt "$size" ]; do
    head -c "$i" "$dir/good.pcap" >"$dir/f"
    timeout "$limit" "$qmp" replay "$dir/f" --listen "$dir/again" --timeout 1us >/dev/null 2>&1
    case $? in 0 | 2) ;; *) echo "cut at $i: $?" >>"$out";; esac
    i=$((i + 1))
done; code=0; expect 0 '' ''
it 'a byte that is wrong'; : >"$out"
i=0; while [ "$i" -lt "$size" ]; do
    put "$i" 377
    timeout "$limit" "$qmp" replay "$dir/f" --listen "$dir/again" --timeout 1us >/dev/null 2>&1
    case $? in 0 | 2) ;; *) echo "wrong at $i: $?" >>"$out";; esac
    i=$((i + 1))
done; code=0; expect 0 '' ''
if command -v editcap >/dev/null; then
    it 'a pcap as another program writes it'; editcap -F nsecpcap "$dir/good.pcap" "$dir/f" 2>/dev/null; bad
    expect 0 'unix:DIR/again' ''
fi
it 'a pcap of a machine with the other byte order'
timeout "$limit" python3 - "$dir/good.pcap" "$dir/f" <<'EOF'
import struct, sys
data = open(sys.argv[1], 'rb').read()
out = struct.pack('>IHHIIII', *struct.unpack_from('<IHHIIII', data))
at = 24
while at < len(data):
    head = struct.unpack_from('<IIII', data, at)
    out += struct.pack('>IIII', *head) + data[at + 16:at + 16 + head[2]]
    at += 16 + head[2]
open(sys.argv[2], 'wb').write(out)
EOF
case_of ' '; sed -i 's/{"QMP".*/GREETING/' "$out"; expect 0 GREETING ''
