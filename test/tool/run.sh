# SPDX-License-Identifier: MIT
# The verb run: a command and its event, on a real QEMU, and in every order from a peer.

run_hint="qmp: 'qmp run --help' says more"
tablet() { printf 'usb-tablet,id=%s' "$1"; }
vm run -machine pc -S -usb -device "$(tablet t1)" -device "$(tablet t2)"
address=$dir/run

# The members of its data are in no order.
data_sorted() {
    sed -E 's/("device": "[^"]*"), ("path": "[^"]*")/\2, \1/' "$out" >"$out.same"; mv "$out.same" "$out"
}
deleted() { shown DEVICE_DELETED "{\"path\": \"/machine/peripheral/$1\", \"device\": \"$1\"}"; }

it 'a device that goes'; run run -s "$address" device_del id=t1 --until DEVICE_DELETED --where data.device=t1
data_sorted; expect 0 "$(deleted t1)" ''
it 'a value of it'; run run -s "$address" device_del id=t2 --until 'DEVICE_*' -g data.device; expect 0 t2 ''
it 'a device that is none'; run run -s "$address" device_del id=none --until DEVICE_DELETED
expect 1 '' "qmp: device_del: DeviceNotFound: Device 'none' not found"
it 'one of two events'; run run -s "$address" system_reset --until STOP --until RESET; expect 0 "$reset_event" ''
it 'an event that fails'; run run -s "$address" system_reset --until STOP --fail-on RESET
expect 1 "$reset_event" 'qmp: system_reset: RESET came'
it 'a condition of the failing event'
run run -s "$address" system_reset --until STOP --fail-on RESET --where data.guest=true --timeout 1s
expect 3 '' 'qmp: system_reset was executed, but STOP did not come within 1 s'
it 'an event that does not come'; run run -s "$address" system_powerdown --until SHUTDOWN --until 'GUEST_*' --timeout 1s
expect 3 '' 'qmp: system_powerdown was executed, but SHUTDOWN or GUEST_* did not come within 1 s'
it 'the same, which is fine'
run run -s "$address" device_del id=none --until DEVICE_DELETED --graceful DeviceNotFound
expect 0 '{"class": "DeviceNotFound", "desc": "Device '"'none'"' not found"}' ''
it 'a command that is none'; run run -s "$address" sotp --until STOP; expect 8 '' \
    'qmp: sotp: CommandNotFound: The command sotp has not been found
qmp: did you mean '"'stop'"'?'
it 'an empty command'; run run -s "$address" '' --until STOP; expect 2 '' "qmp: '' is not the name of a command
$run_hint"
it 'an event that is none'; run run -s "$address" query-status --until SHUTDWN --fail-on stop --timeout 1s
expect 3 '' "qmp: warning: no event 'SHUTDWN' is known; did you mean 'SHUTDOWN'?
qmp: warning: no event 'stop' is known; did you mean 'STOP'?
qmp: query-status was executed, but SHUTDWN did not come within 1 s"
it 'the end of QEMU'; run run -s "$address" quit --until SHUTDOWN
expect 0 "$(shown SHUTDOWN '{"guest": false, "reason": "host-qmp-quit"}')" ''

rm -rf "$XDG_CACHE_HOME"
done_='send={"return": {}, "id": @ID@}'
it 'the event before the answer'; serve greet recv "send=$(event A 1)" "$done_" hold
run run x --until A -s "$dir/peer"; expect 0 "$(shown A 1)" ''
it 'the answer before the event'; serve greet recv "$done_" "send=$(event A 1)" hold
run run x --until A -s "$dir/peer"; expect 0 "$(shown A 1)" ''
it 'the first of many'; serve greet recv "send=$(event A 1)$(event A 2)" "$done_" "send=$(event A 3)" hold
run run x --until A -s "$dir/peer"; expect 0 "$(shown A 1)" ''
it 'the event, no answer, the end'; serve greet recv "send=$(event A 1)"
run run x --until A -s "$dir/peer"; expect 0 "$(shown A 1)" ''
it 'the answer, no event, the end'; serve greet recv "$done_"
run run x --until A -s "$dir/peer"; expect 6 '' 'qmp: DIR/peer: the server closed the connection
qmp: x was executed, but A did not come'
it 'nothing, the end'; serve greet recv; run run x --until A -s "$dir/peer"
expect 6 '' 'qmp: DIR/peer: the server closed the connection
qmp: x was sent, but A did not come'
it 'the event, then a refusal'
serve greet recv "send=$(event A 1)" 'send={"id": @ID@, "error": {"class": "GenericError", "desc": "no"}}' hold
run run x --until A -s "$dir/peer"; expect 1 '' 'qmp: x: GenericError: no'
it 'the event, no answer'; serve greet recv "send=$(event A 1)" hold; run run x --until A -s "$dir/peer" --timeout 1s
expect 3 '' 'qmp: x: A came, but no answer within 1 s'
it 'nothing'; serve greet recv hold; run run x --until A -s "$dir/peer" --timeout 1s
expect 3 '' 'qmp: x was sent, but A did not come within 1 s'
it 'the failing event without an answer'; serve greet recv "send=$(event B 1)" hold
run run x --until A --fail-on B -s "$dir/peer"; expect 1 "$(shown B 1)" 'qmp: x: B came'
it 'the failing event after the other'; serve greet recv "send=$(event A 1)$(event B 1)" "$done_" hold
run run x --until A --fail-on B -s "$dir/peer"; expect 0 "$(shown A 1)" ''
it 'an event that is both'; serve greet recv "send=$(event A 1)" "$done_" hold
run run x --until A --fail-on A -s "$dir/peer"; expect 1 "$(shown A 1)" 'qmp: x: A came'
it 'an event from before the command'; serve "send=$(event A 1)" greet recv "$done_" "send=$(event A 2)" hold
run run x --until A -s "$dir/peer"; expect 0 "$(shown A 2)" ''
it 'a condition'; serve greet recv "$done_" "send=$(event A 1)$(event A 2)" hold
run run x --until A --where data=2 -s "$dir/peer"; expect 0 "$(shown A 2)" ''
it 'arguments'; serve greet recv 'send={"event": "A", "data": @ARGUMENTS@}' 'send={"return": {}, "id": @ID@}' hold
run run x '{"a": [1]}' --until A -s "$dir/peer" -g data; expect 0 '{"a": [1]}' ''
it 'a reader that goes away'; serve greet recv "$done_" hold; start run x --until A -s "$dir/peer"; exec 3<&-; end
: >"$out"; expect 141 '' ''
it 'standard output closed: nothing is sent'; serve greet recv "send=$(event A 1)" hold
timeout "$limit" "$qmp" run x --until A -s "$dir/peer" >&- 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: Bad file descriptor'

it 'no event to wait for'; run run stop -s "$dir/peer"; expect 2 '' \
    "qmp: 'run' wants --until EVENT; without one, 'qmp call' does it
$run_hint"
it 'no command'; run run --until STOP; expect 2 '' \
    "qmp: 'run' wants more: qmp run COMMAND [KEY=VALUE... | JSON | -] --until EVENT
$run_hint"
it 'a condition for an event'; run run x --until data.id=1 -s "$dir/peer"; expect 2 '' \
    "qmp: 'data.id=1' is not the name of an event; did you mean '--where data.id=1'?
$run_hint"
it 'an empty event'; run run x --until '' -s "$dir/peer"; expect 2 '' "qmp: --until: '' is not the name of an event
$run_hint"
it 'arguments that are none'; run run x '{' --until A -s "$dir/peer"; grep -c . "$err" >"$out"; : >"$err"; expect 2 2 ''
