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
    "qmp: query-nope: CommandNotFound: The command query-nope has not been found
qmp: did you mean 'query-name'?"
it 'a device that is none'; run call qom-get path=/nope property=x; expect 1 '' \
    "qmp: qom-get: DeviceNotFound: Device '/nope' not found"
it 'an unwanted argument'; run call query-status x=1
expect 1 '' "qmp: warning: query-status: there is no 'x'; it takes nothing
qmp: query-status: GenericError: Parameter 'x' is unexpected"
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
# left WORD...: the command when its reader has gone, for certain
left() {
    rm -f "$dir/gone"
    { until [ -e "$dir/gone" ]; do :; done; (exec "$@"); echo $? >"$dir/code"; } 2>"$err" | { exec <&-; : >"$dir/gone"; }
    code=$(cat "$dir/code"); : >"$out"
}
it 'a reader that has gone'; left "$qmp" call query-status; expect 141 '' ''
it 'a reader that has gone, SIGPIPE ignored'; left env --ignore-signal=PIPE "$qmp" call query-status; expect 141 '' ''
it 'the end of QEMU is an answer'; run call quit; expect 0 '{}' ''
unset QMP_SOCKET

# --- what is typed by QEMU's own schema, and arrives ----------------------------------------------------------------------

vm pci -machine pc -S -device virtio-serial -chardev "socket,id=net,host=127.0.0.1,port=0,server=on,wait=off" -mon chardev=net,mode=control
export QMP_SOCKET="$dir/pci"

it 'a device'; run call device_add driver=virtio-rng-pci id=r0 max-bytes=1K period=0x10 addr=5 multifunction=on rombar=0
expect 0 '{}' ''
it 'its properties: a size'; run call -g . qom-get path=/machine/peripheral/r0 property=max-bytes; expect 0 1024 ''
it 'its properties: a slot'; run call -g . qom-get path=/machine/peripheral/r0 property=addr; expect 0 40 ''
it 'its properties: a bool'; run call -g . qom-get path=/machine/peripheral/r0 property=multifunction; expect 0 true ''
it 'a device, shown'; run call --dry-run device_add driver=virtio-blk-pci serial=12345 num-queues=0x4 ats=on \
    disable-legacy=on bootindex=1 drive=5 physical_block_size=4K iothread=5 secs=many addr=6
expect 0 '{"execute": "device_add", "arguments": {"driver":"virtio-blk-pci","serial":"12345","num-queues":4,"ats":true,"disable-legacy":"on","bootindex":1,"drive":"5","physical_block_size":4096,"iothread":"5","secs":"many","addr":"6"}}' ''
it 'a property that it does not have'; run call device_add driver=virtio-rng-pci id=r1 max-byte=1K
expect 1 '' "qmp: warning: device_add: there is no 'max-byte'; did you mean 'max-bytes'?
qmp: device_add: GenericError: Property 'virtio-rng-pci.max-byte' not found"
it 'a property like none'; run call --dry-run device_add driver=virtio-blk-pci x-y.z=1; expect 0 \
    '{"execute": "device_add", "arguments": {"driver":"virtio-blk-pci","x-y":{"z":1}}}' \
    "qmp: warning: device_add: there is no 'x-y'; there are: $(sed "s/.*there are: //" "$err")"
it 'not all properties are listed'; sed 's/.*, //' "$err" >"$out"; : >"$err"; expect 0 ... ''
it 'a device that is none'; run call device_add driver=nope serial=5; expect 1 '' \
    "qmp: device_add: GenericError: 'nope' is not a valid device model name"
it 'a device that is not named'; run call device_add serial=5; expect 1 '' "qmp: device_add: GenericError: Parameter 'driver' is missing"
it 'a property, checked'; run call --check device_add driver=virtio-rng-pci max-byte=1K; expect 2 '' \
    "qmp: device_add: there is no 'max-byte'; did you mean 'max-bytes'?
$call_hint"
it 'properties, checked as JSON'; run call --check device_add '{"driver": "virtio-rng-pci", "id": 5, "max-byte": 5, "max-bytes": 5}'; expect 2 '' \
    "qmp: device_add: 'id': 5 is not a string
qmp: device_add: there is no 'max-byte'; did you mean 'max-bytes'?
$call_hint"
it 'an object of a strange name'; run call object-add qom-type=memory-backend-ram id=null size=1M share=no; expect 0 '{}' ''
it 'it is there'; run call object-del id=null; expect 0 '{}' ''
it 'a wrong type'; run call block_resize node-name=n size=large; expect 2 '' "qmp: block_resize: 'size': 'large' is not an integer
$call_hint"
it 'an alternate'; run call blockdev-add driver=raw node-name=true file.driver=null-co file.size=1M; expect 0 '{}' ''
it 'a reference'; run call blockdev-add driver=raw node-name=top file=true; expect 0 '{}' ''
it 'deep inside'; run call transaction actions.0.type=blockdev-snapshot-sync actions.0.data.node-name=true actions.0.data.snapshot-file=5 \
    actions.0.data.mod=existing; expect 1 '' "qmp: warning: transaction: there is no 'actions.0.data.mod'; did you mean 'mode'?
qmp: transaction: GenericError: Parameter 'actions[0].data.mod' is unexpected"
it 'what is missing says QEMU'; run call block_resize node-name=n; expect 1 '' "qmp: block_resize: GenericError: Parameter 'size' is missing"
it 'HMP, bare'; run call -g . human-monitor-command command-line='info status'
printf 'VM status: paused (prelaunch)\r\n\n' >"$dir/out.expected"; : >"$dir/err.expected"; compare 0
it 'all of an object'; run call query-status -g .; expect 0 '{"status": "prelaunch", "singlestep": false, "running": false}' ''

# --- out of band, descriptors, errors that are fine ----------------------------------------------------------------------

it 'out of band'; run call --oob query-yank -g 0.type; expect 0 chardev ''
it 'out of band, and it does not run so'; run call --oob query-status; expect 1 '' \
    'qmp: query-status: GenericError: The command query-status does not support OOB
qmp: out of band run: migrate-recover, migrate-pause, yank, query-yank'
it 'out of band, and an error'; run call --oob yank instances.0.type=migration; expect 1 '' 'qmp: yank: DeviceNotFound: Instance not found'
it 'out of band, and the monitor runs nothing so'; serve greet hold; run -s "$dir/peer" call --oob yank; expect 2 '' \
    "qmp: --oob: this monitor runs nothing out of band
$call_hint"

it 'a descriptor, under its name'; run call --fd x=/dev/null closefd fdname=x; expect 0 '{}' ''
it 'two descriptors'; run call --fd x=/dev/null --fd=y=/dev/zero closefd fdname=x; expect 0 '{}' ''
it 'the second of two'; run call --fd x=/dev/null --fd=y=/dev/zero closefd fdname=y; expect 0 '{}' ''
it 'another name'; run call --fd x=/dev/null closefd fdname=z; expect 1 '' \
    "qmp: closefd: GenericError: File descriptor named 'z' not found"
it 'a descriptor that can only be read'; run call --fd x="$dir" closefd fdname=x; expect 0 '{}' ''
it 'a descriptor that is open'; run call --fd x=fd:5 closefd fdname=x 5<"$dir"; expect 0 '{}' ''
it 'a descriptor that is not open'; run call --fd x=fd:5 closefd fdname=x; expect 10 '' \
    'qmp: --fd: cannot open fd:5: Bad file descriptor'
it 'a descriptor that is no number'; run call --fd x=fd:5x closefd fdname=x; expect 10 '' \
    'qmp: --fd: cannot open fd:5x: Bad file descriptor'
it '-v does not show secrets'; run -v call object-add qom-type=secret id=s9 data=hunter2; sed -n \
    's/.*"execute":"object-add","arguments":\({[^}]*}\).*/\1/p' "$err" >"$out"; grep hunter2 "$err" >>"$out"; : >"$err"
expect 0 '{"qom-type":"secret","id":"s9","data":"..."}' ''
it 'a file that is not there'; run call --fd x=/dev/null --fd "y=$dir/nope" closefd fdname=x; expect 10 '' \
    'qmp: --fd: cannot open DIR/nope: No such file or directory'
it 'a file for nobody'; run call -s "$dir/none" --fd "y=$dir/nope" closefd fdname=x; expect 10 '' \
    'qmp: --fd: cannot open DIR/nope: No such file or directory'
it 'a name that is not UTF-8'; run call --fd "$(printf '\377')=/dev/null" closefd fdname=x; expect 2 '' \
    "qmp: --fd: '\\xff=/dev/null': a name that is not UTF-8
$call_hint"
it 'a name that QEMU refuses'; run call --fd 5=/dev/null closefd fdname=5; expect 1 '' \
    "qmp: getfd: GenericError: Parameter 'fdname' expects a name not starting with a digit"
it 'a descriptor over TCP'; run call -s "tcp:127.0.0.1:$(port_of pci)" --fd x=/dev/null closefd fdname=x; expect 2 '' \
    "qmp: --fd: descriptors travel over UNIX sockets only
$call_hint"

it 'an error that is fine'; run call --graceful DeviceNotActive block-job-cancel device=x
expect 0 '{"class": "DeviceNotActive", "desc": "Block job '"'x'"' not found"}' ''
it 'one of several'; run call --graceful GenericError --graceful=DeviceNotActive block-job-cancel device=x -g class
expect 0 DeviceNotActive ''
it 'another error'; run call --graceful GenericError block-job-cancel device=x; expect 1 '' \
    "qmp: block-job-cancel: DeviceNotActive: Block job 'x' not found"
it 'no such command is fine'; run call --graceful CommandNotFound nope; expect 0 \
    '{"class": "CommandNotFound", "desc": "The command nope has not been found"}' ''
it 'no error, and it would be fine'; run call --graceful GenericError query-name; expect 0 '{}' ''
unset QMP_SOCKET
