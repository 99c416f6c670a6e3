# SPDX-License-Identifier: MIT
# The verb call, on a real QEMU.

vm call -name 'vm-ä"\'
vm pretty -chardev "socket,id=c,path=$dir/pretty-3,server=on,wait=off" -mon chardev=c,mode=control,pretty=on
status='{"status": "running", "singlestep": false, "running": true}'
export QMP_SOCKET="$dir/call"

it 'the value alone'; run call query-status; expect 0 "$status" ''
it 'the address by option'; run call -s "$dir/call-2" query-status; expect 0 "$status" ''
it 'the address before the verb'; run -s "$dir/call-2" call query-status; expect 0 "$status" ''
it 'the address attached'; run call "-s$dir/call-2" query-status; expect 0 "$status" ''
it 'the address, long'; run call --socket "$dir/call-2" query-status; expect 0 "$status" ''
it 'the address, long and attached'; run "--socket=$dir/call-2" call query-status; expect 0 "$status" ''
it 'the address with unix:'; run call -s "unix:$dir/call-2" query-status; expect 0 "$status" ''
it 'the end of the options'; run -s "$dir/call" -- call query-status; expect 0 "$status" ''
it 'timeouts that do not pass'; run call --timeout 1h --connect-timeout=1.5m query-status; expect 0 "$status" ''
it 'a bare duration'; run call --timeout 30 query-status; expect 0 "$status" ''
it 'an empty return'; run call stop; expect 0 '{}' ''
it 'an empty list'; run call query-block; expect 0 '[]' ''
it 'one line from a pretty monitor'; run call -s "$dir/pretty-3" query-status; expect 0 "$status" ''
it 'nesting from a pretty monitor'; run call -s "$dir/pretty-3" query-memory-size-summary
expect 0 '{"base-memory": 0, "plugged-memory": 0}' ''
it 'an empty object from a pretty monitor'; run call -s "$dir/pretty-3" stop; expect 0 '{}' ''
it 'empty containers from a pretty monitor'; run call -s "$dir/pretty-3" qom-list-properties typename=container
cp "$out" "$dir/out.pretty"; run call qom-list-properties typename=container; expect 0 "$(cat "$dir/out.pretty")" ''
it 'a large return'; run call -s "$dir/pretty-3" query-qmp-schema; cp "$out" "$dir/out.pretty"
run call query-qmp-schema; expect 0 "$(cat "$dir/out.pretty")" ''
it 'a name with a quotation mark'; run call query-name; expect 0 '{"name": "vm-\u00E4\"\\"}' ''

it 'a command that is none'; run call query-nope; expect 8 '' \
    'qmp: query-nope: CommandNotFound: The command query-nope has not been found'
it 'a device that is none'; run call qom-get path=/nope property=x; expect 1 '' \
    "qmp: qom-get: DeviceNotFound: Device '/nope' not found"
it 'an unwanted argument'; run call query-status x=1
expect 1 '' "qmp: query-status: GenericError: Parameter 'x' is unexpected"
it 'an error that a terminal would obey'; run call "$(printf 'x\033[31m')"; expect 8 '' \
    'qmp: x\x1b[31m: CommandNotFound: The command x\x1b[31m has not been found'

it 'a string argument'; run call human-monitor-command command-line='info name'; expect 0 '"vm-\u00E4\"\\\r\n"' ''
it 'an object'; run call qom-list '{"path": "/machine/peripheral"}'; expect 0 '[{"name": "type", "type": "string"}]' ''
it 'an object from standard input'
echo '{"path": "/machine/peripheral"}' | timeout "$limit" "$qmp" call qom-list - >"$out" 2>"$err"; code=$?
expect 0 '[{"name": "type", "type": "string"}]' ''
it 'nested arguments'; run call blockdev-add driver=raw node-name=n0 file.driver=null-co file.size=65536 \
    file.read-zeroes=true; expect 0 '{}' ''
it 'they arrived'; run call query-named-block-nodes flat=true; grep -o '"node-name": "n0"' "$out" >"$out.n0"; mv "$out.n0" "$out"
expect 0 '"node-name": "n0"' ''

it 'an answer that cannot be written'; "$qmp" call query-status >/dev/full 2>"$err"; code=$?; : >"$out"; expect 10 '' \
    'qmp: cannot write to standard output: No space left on device
qmp: query-status was executed all the same; only its answer is lost'
it 'standard output closed, a connection open'; "$qmp" call query-status >&- 2>"$err"; code=$?; : >"$out"; expect 10 '' \
    'qmp: cannot write to standard output: Bad file descriptor
qmp: query-status was executed all the same; only its answer is lost'
it 'all standard descriptors closed'; "$qmp" call query-status <&- >&- 2>&-; code=$?; : >"$out"; : >"$err"
expect 10 '' ''
it 'a reader that has gone'; { "$qmp" call query-status; echo $? >"$dir/code"; } 2>"$err" | :; code=$(cat "$dir/code")
: >"$out"; expect 141 '' ''
it 'a reader that has gone, SIGPIPE ignored'
{ (trap '' PIPE; exec "$qmp" call query-status); echo $? >"$dir/code"; } 2>"$err" | :; code=$(cat "$dir/code")
: >"$out"; expect 141 '' ''
it 'the end of QEMU is an answer'; run call quit; expect 0 '{}' ''
unset QMP_SOCKET
