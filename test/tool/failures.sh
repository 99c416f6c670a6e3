# SPDX-License-Identifier: MIT
# Connections that fail, at every point.


vm held
vm hung
kill -STOP "$vm_pid"

it 'no such socket'; run call -s "$dir/none" x
expect 4 '' \
    'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'nobody listens'; : >"$dir/file"; run call -s "$dir/file" x
expect 4 '' \
    'qmp: cannot connect to DIR/file: it is a file, but no socket'
it 'no abstract name'; run wait -s "unix:@$dir/none" X
expect 4 '' \
    'qmp: cannot connect to unix:@DIR/none: nobody listens there: its QEMU has gone, or waits for nobody (server=off)'
it 'an address without a path'; run events -s unix:
expect 2 '' "qmp: unix: is an empty path; $grammar
$events_hint"
it 'an address that is too long'; long_path=$(awk 'BEGIN { for (i = 0; i < 108; i++) printf "x" }')
run call x -s "$long_path"
expect 2 '' "qmp: $long_path is a path too long for a socket (107 bytes on Linux); $grammar
$call_hint"
it 'the environment names nothing'; export QMP_SOCKET="$dir/none"; run call x; unset QMP_SOCKET
expect 4 '' \
    'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'

rm -f "$dir/greeting"; mkfifo "$dir/greeting"
timeout "$limit" socat -u "UNIX-CONNECT:$dir/held" - >"$dir/greeting" & holder=$!
exec 4<"$dir/greeting"; timeout "$limit" head -n 1 <&4 >/dev/null
it 'another client holds the monitor'; run call -s "$dir/held" query-status --connect-timeout 1s
expect 5 '' 'qmp: connected to DIR/held, but no greeting within 1 s: another client (pid PID, socat) holds this monitor'
it 'and --timeout bounds connecting too'; run wait STOP -s "$dir/held" --timeout 1s
expect 5 '' 'qmp: connected to DIR/held, but no greeting within 1 s: another client (pid PID, socat) holds this monitor'
{ kill "$holder"; wait "$holder"; } 2>/dev/null; exec 4<&-
it 'free again'; run call -s "$dir/held" stop; expect 0 '{}' ''

it 'a QEMU that hangs'; run call -s "$dir/hung" query-status --connect-timeout 2s
expect 5 '' \
    'qmp: connected to DIR/hung, but no greeting within 2 s: the server (pid PID) is stopped, by a signal or a debugger'
it 'a server that never answers the negotiation'; serve greeting recv hold
run call -s "$dir/peer" x --connect-timeout 2s
expect 5 '' \
    'qmp: DIR/peer greeted, but did not answer the negotiation within 2 s: the server is hung, or serves another client, or is no QMP server'
it 'a command that is never answered'; serve greet recv hold; run call -s "$dir/peer" x --timeout 2s; expect 3 '' \
    'qmp: x: no answer within 2 s'

it 'the connection ends before the greeting'; serve; run call -s "$dir/peer" x
expect 6 '' 'qmp: DIR/peer: the server closed the connection before its greeting'
it 'the connection ends in the negotiation'; serve greeting recv; run call -s "$dir/peer" x
expect 6 '' 'qmp: DIR/peer: the server closed the connection during the negotiation'
it 'the connection is reset before the answer'; serve greet drop; run call -s "$dir/peer" x
expect 6 '' 'qmp: DIR/peer: the server reset the connection'
it 'the connection ends before the answer'; serve greet recv; run call -s "$dir/peer" x
expect 6 '' 'qmp: DIR/peer: the server closed the connection'
it 'the connection ends in the answer'; serve greet recv 'send={"return": {'; run call -s "$dir/peer" x
expect 6 '' 'qmp: DIR/peer: the server closed the connection in the middle of a message, after 12 bytes of it'
it 'the connection ends during wait'; serve greet; run wait -s "$dir/peer" X
expect 6 '' 'qmp: DIR/peer: the server closed the connection'
it 'QEMU is killed during events'; vm dying; : >"$out"; start events -s "$dir/dying" RESET
(while [ -e "$dir/dying.pid" ]; do "$qmp" call -s "$dir/dying-2" system_reset; done >/dev/null 2>&1) & loop=$!
line; rm "$dir/dying.pid"; wait "$loop"; kill -KILL "$vm_pid"; end; expect 6 "$reset_event" 'qmp: DIR/dying: the server closed the connection'

it 'no QMP: text'; serve 'send=SSH-2.0-OpenSSH_9.2
' hold; run call -s "$dir/peer" x; expect 7 '' 'qmp: DIR/peer: the server sent what is not JSON (no message starts like this): SSH-2.0-OpenSSH_9.2\n
qmp: this is an SSH server'
it 'no QMP: text with escapes'; serve "send=$(printf '\033[31mhello\r\n')
" hold; run call -s "$dir/peer" x; expect 7 '' 'qmp: DIR/peer: the server sent what is not JSON (no message starts like this): \x1b[31mhello\r\n'
it 'no QMP: other JSON'; serve 'send={"jsonrpc": "2.0"}' hold; run call -s "$dir/peer" x
expect 7 '' \
    'qmp: DIR/peer: the server sent JSON that is no QMP message (none of the members QMP, return, error and event): {\"jsonrpc\": \"2.0\"}'
it 'the negotiation is refused'; serve greeting recv \
    'send={"id": @ID@, "error": {"class": "GenericError", "desc": "not \u001b[31mtoday"}}' hold
run call -s "$dir/peer" x
expect 7 '' \
    'qmp: DIR/peer: the server refused the negotiation: GenericError: not \x1b[31mtoday'
it 'a second greeting'; serve greet greeting hold; run wait -s "$dir/peer" X
expect 7 '' \
    'qmp: DIR/peer: the server greeted again: {\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, \"capabilities\":…'
it 'garbage for an answer'; serve greet recv 'send={"return": nope}' hold; run call -s "$dir/peer" x
expect 7 '' 'qmp: DIR/peer: the server sent what is not JSON (a character that does not belong here): nope}'
it 'an error without an id'; serve greet recv 'send={"error": {"class": "GenericError", "desc": "what?"}}' hold
run call -s "$dir/peer" x
expect 7 '' \
    'qmp: DIR/peer: the server could not parse what it was sent: GenericError: what?'
it 'garbage after events'; serve greet "send=$(event A 1)$(event A 2){]" hold; run events -s "$dir/peer"
expect 7 "$(shown A 1)
$(shown A 2)" 'qmp: DIR/peer: the server sent what is not JSON (a character that does not belong here): ]'
it 'an answer that is too deep'; serve greet recv \
    "send=$(awk 'BEGIN { printf "{\"return\": "; for (i = 0; i < 1024; i++) printf "[" }')" hold
run call -s "$dir/peer" x
expect 7 '' \
    'qmp: DIR/peer: the server sent a message that is nested deeper than 1024, the limit: {\"return\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…'
it 'an error that a terminal would obey'; serve greet recv \
    'send={"id": @ID@, "error": {"class": "Generic\u0007Error", "desc": "\u001b]0;x\u0007\nnew \u202eline\u0085"}}' hold
run call -s "$dir/peer" x; expect 1 '' 'qmp: x: Generic\x07Error: \x1b]0;x\x07\nnew \u202eline\u0085'
it 'answers to nobody are passed over'; serve greet recv 'send={"return": 1, "id": "other"}' 'send={"return": 2, "id": @ID@}' hold
run call -s "$dir/peer" x; expect 0 2 ''
it 'no descriptors left'; serve greet hold
timeout "$limit" sh -c 'ulimit -n 5; exec "$@"' sh "$qmp" hook X -s "$dir/peer" -- true >"$out" 2>"$err" \
    3<&- 4<&- 5<&- 6<&- 7<&-
code=$?; expect 10 '' 'qmp: starting a thread: too many open files in this process'
