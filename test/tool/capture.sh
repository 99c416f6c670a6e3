# SPDX-License-Identifier: MIT
# capture: byte for byte through the middle, and what is written down of it.


capture_hint="qmp: 'qmp capture --help' says more"

# spy FILE ARGUMENT...: a capture in the background, between clients at $dir/spy and what the arguments say.
spy() {
    spy_file=$1; shift
    timeout --foreground "$limit" "$qmp" capture -w "$spy_file" --listen "$dir/spy" "$@" >"$dir/spy.out" 2>"$dir/spy.err" & job=$!
}

# spy_end: ends it, or waits for its end where it comes by itself; its output is that of the case.
spy_end() {
    [ $# = 0 ] || kill "-$1" "$job"
    { wait "$job"; code=$?; } 2>/dev/null
    cp "$dir/spy.out" "$out"; cp "$dir/spy.err" "$err"
}

# via_spy WORD...: the command, by way of it.
via_spy() { timeout "$limit" "$qmp" -s "$dir/spy" --wait-for-socket 20s "$@"; }

# end_with SIGNAL: ends a started command.
end_with() { kill "-$1" "$job"; end; }

# said FILE: what is in a capture of JSON lines, without times and the ids of the command.
said() {
    sed -e 's/"time": "20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]\{6\}Z"/T/' \
        -e 's/"connection": \([0-9]*\), "from": /\1 /' -e 's/"[0-9a-f]\{12\}-[0-9]*"/ID/' \
        -e 's/"seconds": [0-9]*, "microseconds": [0-9]*/S/' -e 's/{"QMP": .*/GREETING/' \
        -e 's/"arguments":{"enable":\["oob"\]},//' "$1"
}

rm -f "$dir/f"
it 'help'; run capture --help; expect_file 0 help/capture.txt
it 'no file'; run capture -s "$dir/none"; expect 2 '' "qmp: where to? Say -w FILE, or -w - for standard output
$capture_hint"
it 'an empty file'; run capture -w '' -s "$dir/none"; expect 2 '' "qmp: --write: '' is not a file
$capture_hint"
it 'a word'; run capture bug.pcap -w "$dir/f" -s "$dir/none"
expect 2 '' "qmp: 'capture' takes no words; the file goes behind -w
$capture_hint"
it 'an empty address to listen on'; run capture -w "$dir/f" --listen '' -s "$dir/none"
expect 2 '' "qmp: --listen: '' is not an address
$capture_hint"
it 'no address'; run capture -w "$dir/f" --listen "$dir/spy"
expect 2 '' "qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET
$capture_hint"
it 'several addresses'; run capture -w "$dir/f" -s "$dir/a" -s "$dir/b"; expect 2 '' "qmp: 'capture' takes one address
$capture_hint"
it 'TLS in the middle'; run capture -w "$dir/f" --listen "$dir/spy" -s "$dir/none" --tls-x509 "$dir"
expect 2 '' "qmp: --listen and TLS exclude each other: what is encrypted cannot be recorded on its way
$capture_hint"
it 'listening on what cannot be listened on'; run capture -w "$dir/f" --listen exec:x -s "$dir/none"
expect 2 '' "qmp: cannot listen on exec:x: a command dials nobody: it cannot be listened on
$capture_hint"
it 'listening on a file'; : >"$dir/file"; run capture -w "$dir/f" --listen "$dir/file" -s "$dir/none"
expect 10 '' 'qmp: cannot listen on DIR/file: the path is there already and no socket; it is left alone'
it 'a folder that is not there'; run capture -w "$dir/no/f" -s "$dir/none"
expect 10 '' 'qmp: cannot write to DIR/no/f: No such file or directory'
it 'a file that is there'; run capture -w "$dir/file" -s "$dir/none"
expect 10 '' 'qmp: DIR/file is there already, and a capture overwrites nothing: remove it, or write to another file'
it 'no server'; run capture -w "$dir/f" -s "$dir/none"
expect 4 '' 'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'and none of these left a file behind'; code=0; : >"$err"; ls "$dir/f" "$dir/spy" >"$out" 2>/dev/null; expect 0 '' ''

# --- as the client ---------------------------------------------------------------------------------------------------

vm held

it 'events, until there are enough'; rm -f "$dir/f"
timeout --foreground "$limit" "$qmp" capture -w "$dir/f" -s "$dir/held" --count 2 >"$out" 2>"$err" & job=$!
until_lines "$dir/f" 3
"$qmp" call -s "$dir/held-2" stop >/dev/null; "$qmp" call -s "$dir/held-2" cont >/dev/null
wait "$job"; code=$?; said "$dir/f" >"$out"
expect 0 '{T, 1 "server", "message": GREETING
{T, 1 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 1 "server", "message": {"return": {}, "id": ID}}
{T, 1 "server", "message": {"timestamp": {S}, "event": "STOP"}}
{T, 1 "server", "message": {"timestamp": {S}, "event": "RESUME"}}' 'qmp: 5 records captured'

it 'no events in time'; rm -f "$dir/f"; run capture -w "$dir/f" -s "$dir/held" --count 2 --timeout 300ms
expect 3 '' 'qmp: 3 records captured
qmp: 0 of 2 events within 300 ms'
it 'as long as --timeout says'; rm -f "$dir/f"; run capture -w "$dir/f" -s "$dir/held" --timeout 300ms
expect 0 '' 'qmp: 3 records captured'
it 'the owner alone may read it'; stat -c %A "$dir/f" >"$out"; : >"$err"; code=$?; expect 0 '-rw-------' ''
it 'QEMU goes'; vm going; rm -f "$dir/f"
timeout --foreground "$limit" "$qmp" capture -w "$dir/f" -s "$dir/going" >"$out" 2>"$err" & job=$!
until_lines "$dir/f" 3; "$qmp" call -s "$dir/going-2" quit >/dev/null; { wait "$job"; code=$?; } 2>/dev/null
expect 6 '' 'qmp: DIR/going: the server closed the connection'
it 'and what it said is there'; said "$dir/f" | tail -n 1 >"$out"; : >"$err"; code=0
expect 0 '{T, 1 "server", "message": {"timestamp": {S}, "event": "SHUTDOWN", "data": {"guest": false, "reason": "host-qmp-quit"}}}' ''
it 'Ctrl-C'; rm -f "$dir/f"; timeout --foreground "$limit" "$qmp" capture -w "$dir/f" -s "$dir/held" >"$out" 2>"$err" & job=$!
until_lines "$dir/f" 3; kill -TERM "$job"; wait "$job"; code=$?; expect 0 '' 'qmp: 3 records captured'
it 'a full disk'; run capture -w /dev/full -s "$dir/held"; expect 10 '' \
    'qmp: cannot write to /dev/full: No space left on device'
it 'a full disk, from the start'; run capture -w pcap:/dev/full -s "$dir/held"; expect 10 '' \
    'qmp: cannot write to /dev/full: No space left on device'
# The third record does not fit; the first two stay, whole.
it 'a file that may not grow'; rm -f "$dir/f"
(trap '' XFSZ; ulimit -f 1; timeout "$limit" "$qmp" capture -w "$dir/f" -s "$dir/held" 2>&1 | cat >"$out"); : >"$err"; code=0
said "$dir/f" >>"$out"
expect 0 'qmp: cannot write to DIR/f: File too large
{T, 1 "server", "message": GREETING
{T, 1 "client", "message": {"execute":"qmp_capabilities","id":ID}}' ''
it 'standard output'; start capture -w - -s "$dir/held"; : >"$out"; line; line; line; end_with TERM; said "$out" >"$out.said"
mv "$out.said" "$out"; expect 0 '{T, 1 "server", "message": GREETING
{T, 1 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 1 "server", "message": {"return": {}, "id": ID}}' 'qmp: 3 records captured'
it 'a reader that goes away'; timeout "$limit" "$qmp" capture -w json:- -s "$dir/held" 2>"$err" | head -n 1 >"$out.1"
code=0; said "$out.1" >"$out"; expect 0 '{T, 1 "server", "message": GREETING' ''
it 'a reader that has enough, while nothing happens'
{ timeout "$limit" "$qmp" capture -w - -s "$dir/held" 2>"$err"; echo $? >"$dir/a"; } | head -n 3 >/dev/null
code=0; cp "$dir/a" "$out"; expect 0 141 ''
it 'and while there is no client'
{ timeout "$limit" "$qmp" capture -w pcap:- --listen "$dir/spy" -s "$dir/held" 2>"$err"; echo $? >"$dir/a"; } |
    head -c 24 >/dev/null
code=0; cp "$dir/a" "$out"; expect 0 141 'qmp: listening on unix:DIR/spy'
it 'a FIFO'; rm -f "$dir/cap.fifo"; mkfifo "$dir/cap.fifo"
timeout --foreground "$limit" "$qmp" capture -w "$dir/cap.fifo" -s "$dir/held" --timeout 500ms 2>"$err" & job=$!
timeout "$limit" cat "$dir/cap.fifo" >"$out.1"; said "$out.1" >"$out"; wait "$job"; code=$?
expect 0 '{T, 1 "server", "message": GREETING
{T, 1 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 1 "server", "message": {"return": {}, "id": ID}}' 'qmp: 3 records captured'

# --- in the middle ---------------------------------------------------------------------------------------------------

it 'clients, one after the other'; rm -f "$dir/f"; spy "$dir/f" -s "$dir/held"
via_spy call stop >"$dir/a" 2>&1; via_spy call query-status >>"$dir/a" 2>&1; via_spy call system_wakeup >>"$dir/a" 2>&1
until_lines "$dir/f" 19; spy_end TERM; cat "$dir/a" >"$out"; said "$dir/f" >>"$out"
expect 0 '{}
{"status": "paused", "singlestep": false, "running": false}
qmp: system_wakeup: GenericError: wake-up from suspend is not supported by this guest
{T, 1 "server", "message": GREETING
{T, 1 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 1 "server", "message": {"return": {}, "id": ID}}
{T, 1 "client", "message": {"execute":"stop","id":ID}}
{T, 1 "server", "message": {"timestamp": {S}, "event": "STOP"}}
{T, 1 "server", "message": {"return": {}, "id": ID}}
{T, 1 "client", "end": true}
{T, 2 "server", "message": GREETING
{T, 2 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 2 "server", "message": {"return": {}, "id": ID}}
{T, 2 "client", "message": {"execute":"query-status","id":ID}}
{T, 2 "server", "message": {"return": {"status": "paused", "singlestep": false, "running": false}, "id": ID}}
{T, 2 "client", "end": true}
{T, 3 "server", "message": GREETING
{T, 3 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 3 "server", "message": {"return": {}, "id": ID}}
{T, 3 "client", "message": {"execute":"system_wakeup","id":ID}}
{T, 3 "server", "message": {"id": ID, "error": {"class": "GenericError", "desc": "wake-up from suspend is not supported by this guest"}}}
{T, 3 "client", "end": true}' 'qmp: listening on unix:DIR/spy
qmp: 19 records captured'
it 'its socket has gone'; code=0; : >"$err"; ls "$dir/spy" >"$out" 2>/dev/null; expect 0 '' ''

# What both sides send may be anything, and goes through as it is. The server is a command.
through() {
    rm -f "$dir/f" "$dir/up"
    spy "$dir/f" --count 1 -s "exec:$1"
    timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$dir/spy,retry=2000,interval=0.01" >"$dir/down"
    spy_end
}

printf ' ' >"$dir/space"
mkfifo "$dir/never"

it 'a client that stops sending first'; printf '{"a": 1}' >"$dir/in"
through "cat >$dir/up; printf '{\"b\": 2}'" <"$dir/in"; { cat "$dir/up"; echo; cat "$dir/down"; echo; said "$dir/f"; } >"$out"
expect 0 '{"a": 1}
{"b": 2}
{T, 1 "client", "message": {"a": 1}}
{T, 1 "client", "end": true}
{T, 1 "server", "message": {"b": 2}}' 'qmp: listening on unix:DIR/spy
qmp: 3 records captured'

it 'white space, line breaks, several on a line, cut anywhere'
through "cat >$dir/up; printf ' {\"a\":\\r\\n  [1,\\t2]}\\r\\n\\r\\n[]{\"b\": \"}\\\\\\\\\"}'; printf '{\"c\": '; printf '\"\\\\\\\\\\\\\"]\"}'" <"$dir/space"
{ cat "$dir/down"; echo; said "$dir/f"; } >"$out"
expect 0 ' {"a":'"$(printf '\r')"'
  [1,'"$(printf '\t')"'2]}'"$(printf '\r')"'
'"$(printf '\r')"'
[]{"b": "}\\"}{"c": "\\\"]"}
{T, 1 "client", "end": true}
{T, 1 "server", "message": {"a":    [1,'"$(printf '\t')"'2]}}
{T, 1 "server", "message": []}
{T, 1 "server", "message": {"b": "}\\"}}
{T, 1 "server", "message": {"c": "\\\"]"}}' 'qmp: listening on unix:DIR/spy
qmp: 5 records captured'

it 'what is no JSON'; printf '\377{"x"\033{"\377 12 {"\303\244": 1}{'"'a':'}'"'}{"a": nan}{"a":"\\' >"$dir/in"
through "cat >$dir/up" <"$dir/in"; cmp "$dir/in" "$dir/up" >"$out"; said "$dir/f" >>"$out"
expect 0 '{T, 1 "client", "bytes": "\u00ff"}
{T, 1 "client", "bytes": "{\u0022x\u0022\u001b"}
{T, 1 "client", "bytes": "{\u0022\u00ff"}
{T, 1 "client", "bytes": "12"}
{T, 1 "client", "message": {"ä": 1}}
{T, 1 "client", "bytes": "{'"'a':'}'"'}"}
{T, 1 "client", "bytes": "{\u0022a\u0022: nan}"}
{T, 1 "client", "bytes": "{\u0022a\u0022:\u0022\u005c"}
{T, 1 "client", "end": true}' 'qmp: listening on unix:DIR/spy
qmp: 9 records captured'

it 'a message that is too long for one piece'
through "cat >$dir/up; printf '{\"a\": \"'; head -c 70000000 /dev/zero | tr '\\0' x; printf '{\"}{}'" <"$dir/space"
{ wc -c <"$dir/down"; sed -e 's/x\{9\}x*/xxx/' "$dir/f" >"$dir/short"; said "$dir/short"; } >"$out"
expect 0 '70000012
{T, 1 "client", "end": true}
{T, 1 "server", "bytes": "{\u0022a\u0022: \u0022xxx"}
{T, 1 "server", "bytes": "xxx{\u0022}"}
{T, 1 "server", "message": {}}' 'qmp: listening on unix:DIR/spy
qmp: 4 records captured'

it 'a server that goes in the middle of a message'; serve greet recv 'send={"return": {' drop; rm -f "$dir/f"
spy "$dir/f" --count 1 -s "$dir/peer"; via_spy call x >"$dir/a" 2>&1; spy_end; cat "$dir/a" >"$out"; said "$dir/f" >>"$out"
expect 0 'qmp: DIR/spy: the server closed the connection in the middle of a message, after 12 bytes of it
{T, 1 "server", "message": GREETING
{T, 1 "client", "message": {"execute":"qmp_capabilities","id":ID}}
{T, 1 "server", "message": {"return": {}, "id": ID}}
{T, 1 "client", "message": {"execute":"x","id":ID}}
{T, 1 "server", "bytes": "{\u0022return\u0022: {"}
{T, 1 "server", "end": true}' 'qmp: listening on unix:DIR/spy
qmp: 6 records captured'
it 'a server that is not there'; rm -f "$dir/f"; spy "$dir/f" -s "$dir/none"; via_spy call x >"$dir/a" 2>&1; spy_end
cat "$dir/a" >"$out"; ls "$dir/f" >>"$out" 2>/dev/null
expect 4 'qmp: DIR/spy: the server closed the connection before its greeting' 'qmp: listening on unix:DIR/spy
qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'a server that comes later'; rm -f "$dir/f"; spy "$dir/f" -s "$dir/late" --wait-for-socket 20s --count 1
via_spy call query-status -g status >"$dir/a" 2>&1 & client=$!
timeout "$limit" sh -c 'until [ -e "$0" ]; do sleep 0.01; done' "$dir/spy"; vm late; wait "$client"; spy_end; cp "$dir/a" "$out"
expect 0 running 'qmp: listening on unix:DIR/spy
qmp: 6 records captured'
it 'Ctrl-C while it waits for one'; spy "$dir/f.none" -s "$dir/none" --wait-for-socket 20s; via_spy call x >"$dir/a" 2>&1 & client=$!
timeout "$limit" sh -c 'until [ -e "$0" ]; do sleep 0.01; done' "$dir/spy"; spy_end TERM; wait "$client"
expect 0 '' 'qmp: listening on unix:DIR/spy
qmp: 0 records captured'

it 'Ctrl-C in the middle of a message'; rm -f "$dir/f"; spy "$dir/f" -s "exec:head -c 5 >/dev/null; : >$dir/half; exec cat >/dev/null"
{ printf '{"a": '; timeout "$limit" cat "$dir/never"; } |
    timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$dir/spy,retry=2000,interval=0.01" >/dev/null 2>&1 & client=$!
timeout "$limit" sh -c 'until [ -e "$0" ]; do sleep 0.01; done' "$dir/half"; spy_end TERM; : >"$dir/never"; wait "$client"
said "$dir/f" >"$out"
expect 0 '{T, 1 "client", "bytes": "{\u0022a\u0022: "}' 'qmp: listening on unix:DIR/spy
qmp: 1 record captured'

it 'clients that do not come in time'; rm -f "$dir/f"; run capture -w "$dir/f" --listen "$dir/spy" -s "$dir/held" --count 2 --timeout 200ms
expect 3 '' 'qmp: listening on unix:DIR/spy
qmp: 0 records captured
qmp: 0 of 2 clients within 200 ms'
it 'a client that is there when the time is over'; spy "$dir/f" -s "$dir/held" --timeout 1s
via_spy events >"$dir/a" 2>&1; spy_end; cp "$dir/a" "$out"
expect 0 'qmp: DIR/spy: the server closed the connection' 'qmp: listening on unix:DIR/spy
qmp: 3 records captured'
it 'the wire, with -v'; rm -f "$dir/f"; spy "$dir/f" -v --count 1 -s "exec:cat >/dev/null; printf '{\"b\": 2}'"
printf '{"a": "\033[31m"}' | timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$dir/spy,retry=2000,interval=0.01" >/dev/null
spy_end
expect 0 '' 'qmp: listening on unix:DIR/spy
qmp: > {"a": "\x1b
qmp: > [31m"}
qmp: the client ends the connection
qmp: < {"b": 2}
qmp: 4 records captured'

# --- descriptors -----------------------------------------------------------------------------------------------------

# A client that passes one along: getfd takes it, or says that there is none.
pass_descriptor() {
    timeout "$limit" python3 - "$dir/spy" <<'EOF'
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
while s.connect_ex(sys.argv[1]) != 0:
    time.sleep(0.01)
f = s.makefile()
f.readline()
s.sendall(b'{"execute": "qmp_capabilities"}')
f.readline()
socket.send_fds(s, [b'{"execute": "getfd", "arguments": {"fdname": "f"}}'], [0])
print(f.readline(), end='')
s.sendall(b'{"execute": "closefd", "arguments": {"fdname": "f"}}')
print(f.readline(), end='')
s.sendall(b'{"execute": "getfd", "arguments": {"fdname": "g"}}')
print(f.readline(), end='')
EOF
}

it 'a descriptor goes through'; rm -f "$dir/f"; spy "$dir/f" --count 1 -s "$dir/held"
pass_descriptor >"$dir/a"; spy_end; cp "$dir/a" "$out"; tr -d '\r' <"$dir/a" >"$out"
expect 0 '{"return": {}}
{"return": {}}
{"error": {"class": "GenericError", "desc": "No file descriptor supplied via SCM_RIGHTS"}}' 'qmp: listening on unix:DIR/spy
qmp: 10 records captured'
it 'but not over TCP'; vm tcp -chardev socket,id=net,host=127.0.0.1,port=0,server=on,wait=off -mon chardev=net,mode=control
rm -f "$dir/f"; spy "$dir/f" --count 1 -s "tcp:127.0.0.1:$(port_of tcp)"
pass_descriptor >"$dir/a"; spy_end; tr -d '\r' <"$dir/a" >"$out"
expect 0 '{"error": {"class": "GenericError", "desc": "No file descriptor supplied via SCM_RIGHTS"}}
{"error": {"class": "GenericError", "desc": "File descriptor named '"'f'"' not found"}}
{"error": {"class": "GenericError", "desc": "No file descriptor supplied via SCM_RIGHTS"}}' 'qmp: listening on unix:DIR/spy
qmp: a descriptor came along that cannot be passed on: the way to the server is no UNIX socket
qmp: 10 records captured'

# --- pcap ------------------------------------------------------------------------------------------------------------

# frames FIELD...: what Wireshark makes of the capture.
frames() {
    fields=''; for field; do fields="$fields -e $field"; done
    # shellcheck disable=SC2086
    timeout "$limit" tshark -r "$dir/f.pcap" -T fields -E occurrence=a $fields 2>"$err"; code=$?
    sed -i '/^Running as user/d; /^$/d' "$err"
}

if command -v tshark >/dev/null; then
    rm -f "$dir/f.pcap"
    vm pretty -chardev "socket,id=p,path=$dir/indented,server=on,wait=off" -mon chardev=p,mode=control,pretty=on
    it 'Wireshark knows who says what'; spy "$dir/f.pcap" -s "$dir/indented"
    via_spy call query-status >/dev/null; via_spy call stop >/dev/null
    # shellcheck disable=SC2016
    timeout "$limit" sh -c 'until [ "$(grep -a -o "QMP end" "$0" | wc -l)" -ge 2 ]; do sleep 0.01; done' "$dir/f.pcap"
    spy_end TERM
    frames exported_pdu.p2p_dir exported_pdu.src_port exported_pdu.dst_port frame.protocols exported_pdu.col_proto_str json.member >"$out"
    expect 0 '1	0	1	exported_pdu:json	QMP	QMP,version,qemu,micro,minor,major,package,capabilities
0	1	0	exported_pdu:json	QMP	execute,arguments,enable,id
1	0	1	exported_pdu:json	QMP	return,id
0	1	0	exported_pdu:json	QMP	execute,id
1	0	1	exported_pdu:json	QMP	return,status,singlestep,running,id
0	1	0	exported_pdu	QMP end	
1	0	2	exported_pdu:json	QMP	QMP,version,qemu,micro,minor,major,package,capabilities
0	2	0	exported_pdu:json	QMP	execute,arguments,enable,id
1	0	2	exported_pdu:json	QMP	return,id
0	2	0	exported_pdu:json	QMP	execute,id
1	0	2	exported_pdu:json	QMP	timestamp,seconds,microseconds,event
1	0	2	exported_pdu:json	QMP	return,id
0	2	0	exported_pdu	QMP end	' ''
    it 'and when'; now=$(date +%s)
    frames frame.time_epoch | awk -v now="$now" '{ if ($1 > now + 1 || $1 < now - 60) print "not now: " $1 }' >"$out"; expect 0 '' ''
    it 'a large one'; rm -f "$dir/f.pcap"; spy "$dir/f.pcap" --count 1 -s "$dir/held"
    via_spy call query-qmp-schema >"$dir/a"; spy_end; "$qmp" call -s "$dir/held" query-qmp-schema >"$dir/b"; cmp "$dir/a" "$dir/b"
    frames frame.protocols json.value.string 2>&1 | sed -n '5{s/,.*//;p}' >"$out"
    expect 0 'exported_pdu:json	query-status' ''
    it 'one that is larger than what Wireshark takes'; rm -f "$dir/f.pcap"; spy "$dir/f.pcap" --count 1 \
        -s "exec:cat >$dir/up; printf '{\"a\": \"'; head -c 600000 /dev/zero | tr '\\0' x; printf '\"}{}'"
    timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$dir/spy,retry=2000,interval=0.01" <"$dir/space" >"$dir/down"; spy_end
    frames frame.len frame.cap_len exported_pdu.col_proto_str >"$out"
    expect 0 '72	72	QMP end
600077	262144	QMP
262144	262144	QMP more
75933	75933	QMP more
70	70	QMP' ''
    it 'bytes'; rm -f "$dir/f.pcap"; spy "pcap:$dir/f.pcap" --count 1 -s "exec:cat >$dir/up"
    printf '{"a": nan} what {"b' | timeout "$limit" socat -t "$limit" - "UNIX-CONNECT:$dir/spy,retry=2000,interval=0.01"; spy_end
    frames exported_pdu.col_proto_str data.data json.path_with_value >"$out"
    expect 0 'QMP		
QMP bytes	77686174	
QMP bytes	7b2262	
QMP end		' ''
fi
it 'a pcap into a pipe'; "$qmp" capture -w pcap:- -s "$dir/held" --timeout 200ms 2>"$err" | od -An -tx1 -N 24 >"$out"; code=0
expect 0 ' d4 c3 b2 a1 02 00 04 00 00 00 00 00 00 00 00 00
 00 00 04 00 fc 00 00 00' ''
it 'but not on a terminal'
timeout "$limit" script -qec "'$qmp' capture -w pcap:- -s '$dir/held'" /dev/null </dev/null >"$out" 2>"$err"; code=$?
tr -d '\r' <"$out" | sed 's/\x1b\[[0-9;]*m//g' >"$out.1"; mv "$out.1" "$out"
expect 2 "qmp: a pcap is not for a terminal: write it to a file, or into a pipe
$capture_hint" ''
