# SPDX-License-Identifier: MIT
# The verb hook: programs for events.

hook_hint="qmp: 'qmp hook --help' says more"
closed='qmp: DIR/peer: the server closed the connection'
address=$dir/peer

it 'the event on standard input'; serve greet "send=$(event A 1)$(event B 2)$(event A 3)"
run hook A -s "$address" -- sh -c 'cat; echo'; expect 6 "$(shown A 1)
$(shown A 3)" "$closed"
it 'the event in the environment'
data='{"node-name": "d0", "n": -1.5, "no": null, "o": {"deep.er": true, "list": [1]}, "nul": "a\u0000b", "Ü": "ü", "empty": ""}'
serve greet "send=$(event A "$data")" hold
QMP_DATA_OLD=1 run hook A -s "$address" -c 1 -- sh -c 'env | grep ^QMP | sort'
expect 0 "QMP_DATA={\"node-name\": \"d0\", \"n\": -1.5, \"no\": null, \"o\": {\"deep.er\": true, \"list\": [1]}, \"nul\": \"a\u0000b\", \"Ü\": \"ü\", \"empty\": \"\"}
QMP_DATA_EMPTY=
QMP_DATA_N=-1.5
QMP_DATA_NO=null
QMP_DATA_NODE_NAME=d0
QMP_DATA_O_DEEP_ER=true
QMP_DATA___=ü
QMP_EVENT=A
QMP_SOCKET=DIR/peer
QMP_TIMESTAMP=1.000002" ''
it 'an event without data and time'; serve greet 'send={"event": "A"}' hold
run hook A -s "$address" -c 1 -- sh -c 'env | grep ^QMP | sort'; expect 0 'QMP_DATA={}
QMP_EVENT=A
QMP_SOCKET=DIR/peer' ''
it 'names that collide: the first counts'; serve greet "send=$(event A '{"a-b": 1, "a_b": 2, "a": {"b": 3}}')" hold
run hook A -s "$address" -c 1 -- sh -c 'echo $QMP_DATA_A_B'; expect 0 1 ''
it 'what a guest says is not obeyed'; evil='$(touch x); `touch x`
PATH=/nowhere'
serve greet "send=$(event A '{"x=y\\u0000z; PATH": "1", "evil": "$(touch x); `touch x`\nPATH=/nowhere"}')" hold
run hook A -s "$address" -c 1 -- sh -c 'printf "%s\n" "$QMP_DATA_EVIL"; ls x 2>&- | cat'; expect 0 "$evil" ''
it 'too long for an environment, not for standard input'
long=$(awk 'BEGIN { for (i = 0; i < 100000; i++) printf "x" }'); serve greet "send=$(event A "{\"l\": \"$long\", \"s\": 1}")" hold
run hook A -s "$address" -c 1 -- sh -c 'wc -c | tr -d " "; echo ${QMP_DATA_L-none} ${QMP_DATA-none} $QMP_DATA_S'
expect 0 '100089
none none 1' ''
it 'a program that does not read'; serve greet "send=$(event A "\"$long\"")" "send=$(event A "\"$long\"")" hold
run hook A -s "$address" -c 2 -- echo ran; expect 0 'ran
ran' ''
it 'a program that ends while it is given more'; serve greet "send=$(event A "\"$long\"")" hold
run hook A -s "$address" -c 1 -- head -c 10; printf '\n' >>"$out"; expect 0 '{"timestam' ''
it 'in order, one at a time, none lost'; serve greet flood=300
run hook '*' -s "$address" -- sh -c 'echo $QMP_DATA_N'; cmp -s "$out" - <<X && : >"$out"
$(seq 300)
X
expect 6 '' "$closed"
it 'what waits is run when the connection has ended'; mkfifo "$dir/go"; serve greet "send=$(event A 1)$(event A 2)" "tell=$dir/go"
run hook A -s "$address" -- sh -c '[ "$QMP_DATA" = 2 ] || cat "$1"; echo "$QMP_DATA"' sh "$dir/go"; expect 6 '1
2' "$closed"
# The flood begins when the first program runs, and that ends when the flood was sent.
it 'a queue that is too short'; rm "$dir/go"; mkfifo "$dir/go" "$dir/runs"
serve greet "send=$(event A 0)" "tell=$dir/runs" flood=1000 "tell=$dir/go"
run hook '*' -s "$address" --queue 5 -- \
    sh -c '[ "$QMP_EVENT" != A ] || cat "$1" "$2"; echo "${QMP_DATA_N-first}"' sh "$dir/runs" "$dir/go"
lost=$(awk '$3 == "events" { n += $2 } END { print n + 0 }' "$err")
awk -v lost="$lost" '$1 + 0 < last { disorder = ", out of order" } { last = $1 + 0 }
    END { print (lost > 0 ? "lost" : "nothing lost") ", run and lost " NR + lost disorder ", last " $1 }' "$out" >"$out.n"
mv "$out.n" "$out"; sed -i 's/^qmp: [0-9]* events/qmp: N events/' "$err"; sort -u "$err" >"$err.once"; mv "$err.once" "$err"
expect 6 'lost, run and lost 1001, last 1000' "$closed
qmp: N events lost: sh takes too long for a queue of 5"
it 'globs, without some, with a condition'; serve greet "send=$(event AB 1)$(event AC 1)$(event AD 2)$(event AE 1)" hold
run hook 'A*' -s "$address" --exclude '?C' --where data=1 -c 2 -- sh -c 'echo $QMP_EVENT'; expect 0 'AB
AE' ''

it 'programs that fail'; serve greet "send=$(event A 3)$(event A 0)$(event A 4)"
run hook A -s "$address" -- sh -c 'exit $QMP_DATA'; expect 6 '' "qmp: sh for A: exit status 3
qmp: sh for A: exit status 4
$closed"
it 'a program that is killed'; serve greet "send=$(event A 1)" hold
run hook A -s "$address" -c 1 -- sh -c 'kill -KILL $$'; expect 0 '' 'qmp: sh for A: ended by signal 9 (Killed)'
it 'a program that takes too long'; serve greet "send=$(event A 1)$(event A 2)" hold
run hook A -s "$address" -c 2 --kill-after 200ms -- sh -c '[ "$QMP_DATA" = 2 ] || cat /dev/zero >/dev/null; echo "$QMP_DATA"'
expect 0 2 'qmp: sh for A: ended, because time was up'
it 'what it started ends, too'; serve greet "send=$(event A 1)" hold; rm -f "$dir/hung"; mkfifo "$dir/hung"
run hook A -s "$address" -c 1 --kill-after 200ms -- sh -c 'sh -c "trap \"\" TERM; exec cat \"$1\"" "" "$1"; echo no' sh "$dir/hung"
{ timeout 5 sh -c 'echo >"$1"' sh "$dir/hung" 2>&-; echo $? >"$out"; } 2>&-
expect 0 124 'qmp: sh for A: ended, because time was up'
it 'a program that cannot be started any more'; serve greet "send=$(event A 1)$(event A 2)" hold
printf '#!/bin/sh\necho once\nrm "$0"\n' >"$dir/once"; chmod +x "$dir/once"
run hook A -s "$address" -c 2 -- "$dir/once"; expect 0 once \
    'qmp: DIR/once for A: cannot be started: No such file or directory'
it 'a program that is none'; run hook A -s "$address" -- qmp-no-such-program; expect 2 '' \
    "qmp: qmp-no-such-program cannot be run: No such file or directory
$hook_hint"
it 'a program that may not be run'; : >"$dir/file"; run hook A -s "$address" -- "$dir/file"; expect 2 '' \
    "qmp: DIR/file cannot be run: Permission denied
$hook_hint"
it 'a folder for a program'; run hook A -s "$address" -- "$dir"; expect 2 '' "qmp: DIR cannot be run: Permission denied
$hook_hint"
it 'an empty program'; run hook A -s "$address" -- ''; expect 2 '' "qmp:  cannot be run: No such file or directory
$hook_hint"
it 'no program'; run hook A -s "$address"; expect 2 '' \
    "qmp: 'hook' wants a program after '--': qmp hook EVENT... -- PROGRAM [ARGUMENT...]
$hook_hint"
it 'nothing after --'; run hook A -s "$address" --; expect 2 '' \
    "qmp: 'hook' wants a program after '--': qmp hook EVENT... -- PROGRAM [ARGUMENT...]
$hook_hint"
it 'no event'; run hook -s "$address" -- true; expect 2 '' "qmp: 'hook' wants events before '--'; '*' is all of them
$hook_hint"
it 'two servers'; run hook A -s "$address" -s "$address" -- true; expect 2 '' "qmp: 'hook' takes one address
$hook_hint"
it 'no server'; run hook A -s "$dir/none" -- true; expect 4 '' \
    'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'

it 'time is up'; serve greet hold; run hook A -s "$address" --timeout 1s -- true; expect 0 '' ''
it 'time is up, and some are missing'; serve greet "send=$(event A 1)" hold
run hook A -s "$address" --timeout 1s -c 2 -- true; expect 3 '' 'qmp: 1 of 2 events within 1 s'
it 'time is up for a program'; serve greet "send=$(event A 1)" hold
run hook A -s "$address" --timeout 1s -- sh -c 'cat /dev/zero >/dev/null'; expect 0 '' 'qmp: sh for A: ended, because time was up'
for signal in INT TERM HUP; do
    it "SIG$signal while it waits"; serve greet "send=$(event A 1)" hold; : >"$out"
    start hook A -s "$address" -- echo ran; line; kill -"$signal" "$job"; end
    [ "$code" -gt 128 ] && code=signal; [ "$code" = signal ] && code=0; expect 0 ran ''
    it "SIG$signal while a program runs"; serve greet "send=$(event A 1)" hold; : >"$out"; rm -f "$dir/hung"; mkfifo "$dir/hung"
    start hook A -s "$address" -- \
        sh -c 'exec 2>&-; for s in INT TERM HUP; do trap "echo told $s; exit" $s; done; echo up; while :; do sleep 0.01; done'
    line; kill -"$signal" "$job"; line; end; [ "$code" -gt 128 ] && code=0; expect 0 "up
told $signal" ''
done
# glibc's spawning makes its own two signals, 32 and 33, ignored.
it 'a program gets signals as usual'; serve greet "send=$(event A 1)" hold
printf '%s\n' 'grep -E "^Sig(Blk|Ign)" /proc/self/status | sed "s/:.*\(.......\)$/ \1/"' >"$dir/signals"
run hook A -s "$address" -c 1 -- sh -c '. "$1"; yes | head -n 1' sh "$dir/signals"
expect 0 "$(timeout "$limit" sh "$dir/signals")
y" ''

it 'a program gets the mask of signals'; serve greet "send=$(event A 1)" hold
timeout "$limit" env --block-signal=USR1 "$qmp" hook A -s "$address" -c 1 -- sh "$dir/signals" >"$out" 2>"$err"; code=$?
expect 0 "$(timeout "$limit" env --block-signal=USR1 sh "$dir/signals")" ''
it 'SIGCHLD was blocked'; serve greet "send=$(event A 1)" hold
timeout "$limit" env --block-signal=CHLD "$qmp" hook A -s "$address" -c 1 -- sh -c 'read x; echo ran' >"$out" 2>"$err"; code=$?
expect 0 ran ''
it 'signals that were ignored stay so'; serve greet "send=$(event A 1)" hold
timeout "$limit" env --ignore-signal=HUP "$qmp" hook A -s "$address" -c 1 -- sh -c 'kill -HUP $PPID $$; echo on' \
    >"$out" 2>"$err"; code=$?; expect 0 on ''

vm hook
reset_it() { "$qmp" call -s "$dir/hook-2" system_reset >/dev/null 2>&1; }
it 'on a real QEMU'; : >"$out"; start hook RESET -s "$dir/hook" -c 1 -- sh -c 'echo $QMP_EVENT $QMP_DATA_REASON'
(while [ ! -e "$dir/over" ]; do reset_it; done) & loop=$!
line; end; : >"$dir/over"; wait "$loop"; expect 0 'RESET host-qmp-system-reset' ''
