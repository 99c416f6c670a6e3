# SPDX-License-Identifier: MIT
# Help, version, and what is wrong with a command line.


it 'help'; run --help; expect_file 0 help/qmp.txt
it 'help, short'; run -h; expect_file 0 help/qmp.txt
it 'help of call'; run call --help; expect_file 0 help/call.txt
it 'help of events'; run events -h; expect_file 0 help/events.txt
it 'help of wait, option first'; run --help wait; expect_file 0 help/wait.txt
it 'help of run'; run run -h; expect_file 0 help/run.txt
it 'help of hook'; run hook -h; expect_file 0 help/hook.txt
it 'version'; run --version; expect 0 "qmp $version (libqmpclient $version)" ''
it 'version after a verb'; run call --version; expect 0 "qmp $version (libqmpclient $version)" ''

# As the help lists them, so that a new verb changes nothing here.
verbs=$("$qmp" --help | awk '/^Verbs:/ { listed = 1; next } /^$/ { listed = 0 } listed { printf "%s%s", comma, $1; comma = ", " }')

it 'no verb'; run; expect 2 '' "qmp: what to do? Say a verb: qmp VERB ...
$hint"
it 'unknown verb'; run xyzzy; expect 2 '' "qmp: unknown verb 'xyzzy'; the verbs are: $verbs
$hint"
it 'unknown verb, with help'; run xyzzy --help; expect 2 '' "qmp: unknown verb 'xyzzy'; the verbs are: $verbs
$hint"
it 'a verb that a terminal would obey'; run "$(printf 'fr\033[31mob\n\302\233\342\200\256\377\177')"; expect 2 '' \
    "qmp: unknown verb 'fr\\x1b[31mob\\n\\u009b\\u202e\\xff\\x7f'; the verbs are: $verbs
$hint"
it 'a verb in UTF-8'; run 'añ日😀'; expect 2 '' "qmp: unknown verb 'añ日😀'; the verbs are: $verbs
$hint"
it 'unknown option'; run --frob=1 call x; expect 2 '' "qmp: unknown option '--frob'
$hint"
it 'unknown option after the verb'; run call x --frob; expect 2 '' "qmp: unknown option '--frob'
$call_hint"
it 'unknown short option'; run call x -5
expect 2 '' "qmp: unknown option '-5'; words that start with '-' go after '--'
$call_hint"
it 'a long option with one dash'; run call x -timeout 1s
expect 2 '' "qmp: unknown option '-timeout': long ones have two dashes, '--timeout'
$call_hint"
it 'option without a value'; run call x --timeout; expect 2 '' "qmp: --timeout wants a value: --timeout DUR
$call_hint"
it 'short option without a value'; run call x -s; expect 2 '' "qmp: --socket wants a value: --socket ADDRESS
$call_hint"
it 'value for an option without'; run call x --help=all; expect 2 '' "qmp: --help takes no value, but got 'all'
$call_hint"
it 'option of another verb'; run call x --where a=b; expect 2 '' "qmp: 'call' takes no --where
$call_hint"
it 'option of another verb, before'; run --count 1 wait STOP; expect 2 '' "qmp: 'wait' takes no --count
$wait_hint"
for duration in 5x '' -1s 0 0s . 1. .5s 1e3s '5 s' 99999999999999999999 367h8761h 8785h; do
    it "no duration: $duration"; run call x "--timeout=$duration"; expect 2 '' \
        "qmp: --timeout: '$duration' is not a duration: a number above 0 and a unit, such as 200ms, 5s, 2m or 1h, at most 366 days
$call_hint"
done
it 'no duration to connect'; run wait STOP --connect-timeout soon; expect 2 '' \
    "qmp: --connect-timeout: 'soon' is not a duration: a number above 0 and a unit, such as 200ms, 5s, 2m or 1h, at most 366 days
$wait_hint"
for count in 0 -1 x '' 1.5 9999999999999999999; do
    it "no count: $count"; run events "--count=$count"; expect 2 '' \
        "qmp: --count: '$count' is not a number; write 1 or more
$events_hint"
done
it 'where without a value'; run events --where data.id; expect 2 '' \
    "qmp: --where: 'data.id' is not PATH=VALUE; write it as in data.id=job1
$events_hint"
it 'where without a path'; run events --where =x; expect 2 '' \
    "qmp: --where: '=x' is not PATH=VALUE; write it as in data.id=job1
$events_hint"
it 'call without a command'; run call; expect 2 '' "qmp: 'call' wants more: qmp call COMMAND [KEY=VALUE... | JSON | -]
$call_hint"
it 'an empty command'; run call ''; expect 2 '' "qmp: '' is not the name of a command
$call_hint"
it 'a command that is not UTF-8'; run call "$(printf 'a\377')"; expect 2 '' "qmp: 'a\\xff' is not the name of a command
$call_hint"
it 'wait without an event'; run wait; expect 2 '' "qmp: 'wait' wants more: qmp wait CONDITION...
$wait_hint"
it 'a condition for a name'; run events data.id=job1; expect 2 '' \
    "qmp: 'data.id=job1' is not the name of an event; did you mean '--where data.id=job1'?
$events_hint"
it 'an empty name'; run events STOP ''; expect 2 '' "qmp: '' is not the name of an event
$events_hint"
for verb in call events wait; do
    it "no address: $verb"; run "$verb" STOP; expect 2 '' \
        "qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET
qmp: 'qmp $verb --help' says more"
done
it 'an empty address in the environment'; export QMP_SOCKET=; run call x; unset QMP_SOCKET; expect 2 '' \
    "qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET
$call_hint"
it 'help of what is nearly a verb'; run help evnts; expect 2 '' \
    "qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET
qmp: the verb with nearly that name is 'events': 'qmp help events'
qmp: 'qmp help --help' says more"
it 'help that cannot be written'; "$qmp" --help >/dev/full 2>"$err"; code=$?; : >"$out"; expect 10 '' \
    'qmp: cannot write to standard output: No space left on device'
it 'standard output closed'; "$qmp" --help >&- 2>"$err"; code=$?; : >"$out"; expect 10 '' \
    'qmp: cannot write to standard output: Bad file descriptor'
