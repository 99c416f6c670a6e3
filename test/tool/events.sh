# SPDX-License-Identifier: MIT
# The verb events, and events for wait: on a real QEMU, and in exact order from a peer.

vm ev
vm evp -chardev "socket,id=c,path=$dir/evp-3,server=on,wait=off" -mon chardev=c,mode=control,pretty=on

# while_running COMMAND... -- WORD...: runs the words, and the shell command over and over meanwhile, so that it also
# happens after the connection was made.
while_running() {
    : >"$dir/running"
    (while [ -e "$dir/running" ]; do eval "$1"; done >/dev/null 2>&1) &
    loop=$!
    shift
    run "$@"
    rm "$dir/running"
    wait "$loop"
}

toggle="$qmp call -s $dir/ev-2 stop; $qmp call -s $dir/ev-2 cont"
reset="$qmp call -s $dir/ev-2 system_reset"

it 'events of one name'; while_running "$toggle" events -s "$dir/ev" STOP --count 2; expect 0 "$stop_event
$stop_event" ''
it 'events of every name'; while_running "$reset" events -s "$dir/ev" --count=2; expect 0 "$reset_event
$reset_event" ''
it 'an event of one of two names'; while_running "$reset" wait -s "$dir/ev" STOP RESET; expect 0 "$reset_event" ''
it 'wait does not take another'; while_running "$toggle; $reset" wait -s "$dir/ev" RESET; expect 0 "$reset_event" ''
it 'one line from a pretty monitor'
while_running "$qmp call -s $dir/evp-2 system_reset" wait -s "$dir/evp-3" RESET; expect 0 "$reset_event" ''
it 'a condition on a literal'; while_running "$reset" wait -s "$dir/ev" RESET --where data.guest=false
expect 0 "$reset_event" ''
it 'a condition that never holds'; while_running "$reset" wait -s "$dir/ev" RESET --where data.guest=true --timeout 2s
expect 3 '' 'qmp: no event within 2 s'
it 'two conditions'
create="$qmp call -s $dir/ev-2 blockdev-create options.driver=file options.size=65536 options.filename=$dir"
jobs=
for job in job1 job2; do
    jobs="$jobs; $create/$job job-id=$job; $qmp call -s $dir/ev-2 job-dismiss id=$job"
done
: >"$dir/job1"; : >"$dir/job2"
while_running ":$jobs" events JOB_STATUS_CHANGE -s "$dir/ev" --where data.status=concluded --where data.id=job2 --count 2
sed 's/{"status": "concluded", "id": "job2"}/{"id": "job2", "status": "concluded"}/' "$out" >"$out.same"; mv "$out.same" "$out"
expect 0 "$(shown JOB_STATUS_CHANGE '{"id": "job2", "status": "concluded"}')
$(shown JOB_STATUS_CHANGE '{"id": "job2", "status": "concluded"}')" ''

# What a peer sends is in no schema.
rm -rf "$XDG_CACHE_HOME"
it 'a timeout is the end of events'; run events -s "$dir/ev" --timeout 2s; expect 0 '' ''
it 'but not when some are missing'; run events -s "$dir/ev" --timeout 1.5s --count 1
expect 3 '' 'qmp: no event within 1.5 s'
it 'a timeout of wait'; run wait STOP -s "$dir/ev" --timeout 2s; expect 3 '' 'qmp: no event within 2 s'
it 'events together with a timeout'; serve greet "send=$(event A 1)$(event B 2)$(event A 3)" hold
run events A --timeout 2.5s --count 3 -s "$dir/peer"; expect 3 "$(shown A 1)
$(shown A 3)" 'qmp: 2 of 3 events within 2.5 s'

it 'every event, then the end of the connection'; serve greet "send=$(event A 1)$(event B 2)
$(event A 3)"; run events -s "$dir/peer"; expect 6 "$(shown A 1)
$(shown B 2)
$(shown A 3)" "qmp: DIR/peer: the server closed the connection"
it 'a name, then the end of the connection'; serve greet "send=$(event A 1)$(event B 2)$(event AA 3)"
run events -s "$dir/peer" A; expect 6 "$(shown A 1)" "qmp: DIR/peer: the server closed the connection"
it 'an event before the greeting'; serve "send=$(event A 1)" greet hold; run wait -s "$dir/peer" A
expect 0 "$(shown A 1)" ''
it 'no more than was counted'; serve greet "send=$(event A 1)$(event A 2)$(event A 3)" hold
run events --count 2 -s "$dir/peer"; expect 0 "$(shown A 1)
$(shown A 2)" ''
it 'a numeric condition and a path into a list'; serve greet \
    "send=$(event A '{"x": [{"y": 1}, {"y": 10}]}')$(event A '{"x": [{"y": 1}, {"y": "10"}]}')$(event A '{"x": []}')" hold
run events -s "$dir/peer" --where data.x.1.y=10 --count 2; expect 0 "$(shown A '{"x": [{"y": 1}, {"y": 10}]}')
$(shown A '{"x": [{"y": 1}, {"y": "10"}]}')" ''
it 'an indented event with hard strings'; serve greet 'send={
    "event" : "A",
    "data": { "a  b" :[ 1 ,-2.5e3,
 true ], "c": "{ \" :,[\\", "d": { }, "e": [
 ] , "f" : null }
 }' hold
run wait -s "$dir/peer" A
expect 0 '{"event": "A", "data": {"a  b": [1, -2.5e3, true], "c": "{ \" :,[\\", "d": {}, "e": [], "f": null}}' ''
it 'an event on one line is left as it is'; serve greet 'send={"event":"A","data":{ }}' hold
run wait -s "$dir/peer" A; expect 0 '{"event":"A","data":{ }}' ''
it 'an event longer than any buffer'; long=$(awk 'BEGIN { for (i = 0; i < 100000; i++) printf "x" }')
serve greet "send={\"event\": \"A\",
\"data\": \"$long\"}" hold; run wait -s "$dir/peer" A; expect 0 "{\"event\": \"A\", \"data\": \"$long\"}" ''

it 'each event at once, and SIGINT'; serve greet "send=$(event A 1)" hold; : >"$out"
start events -s "$dir/peer"; line; kill -INT "$job"; end; expect 130 "$(shown A 1)" ''
it 'SIGTERM'; serve greet "send=$(event A 1)" hold; : >"$out"
start events -s "$dir/peer"; line; kill -TERM "$job"; end; expect 143 "$(shown A 1)" ''
it 'a reader that goes away while nothing happens'; serve greet "send=$(event A 1)" hold; : >"$out"
start events -s "$dir/peer"; line; exec 3<&-; end; expect 141 "$(shown A 1)" ''
it 'a reader that has gone before the event'; serve greet "send=$(event A 1)" hold
{ "$qmp" wait -s "$dir/peer" A; echo $? >"$dir/code"; } 2>"$err" | :; code=$(cat "$dir/code"); : >"$out"; expect 141 '' ''
it 'events that cannot be written'; serve greet "send=$(event A 1)" hold
timeout "$limit" "$qmp" events -s "$dir/peer" >/dev/full 2>"$err"; code=$?; : >"$out"; expect 10 '' \
    'qmp: cannot write to standard output: No space left on device'

# Nobody reads until the peer has sent everything: it must be able to.
it 'a reader that is too slow'; mkfifo "$dir/told"; serve greet flood=150000 "tell=$dir/told"
start events -s "$dir/peer"; if timeout "$limit" cat "$dir/told"; then stuck=; else stuck='the peer cannot send: '; fi
timeout "$limit" cat "$dir/fifo" >"$dir/flood" 3<&- & reader=$!
end; wait "$reader"
lost=$(awk '$3 == "events" { n += $2 } END { print n + 0 }' "$err")
awk -F '[{}:]' -v stuck="$stuck" -v lost="$lost" '
    { n = $(NF - 2) + 0; if (n <= last) disorder = ", out of order"; last = n; count++ }
    END { print stuck (lost > 0 ? "lost" : "nothing lost") ", printed and lost " count + lost disorder ", last " last }
' "$dir/flood" >"$out"
sed -i 's/^qmp: [0-9]* events/qmp: N events/' "$err"; sort -u "$err" >"$err.once"; mv "$err.once" "$err"
expect 6 'lost, printed and lost 150000, last 150000' "qmp: DIR/peer: the server closed the connection
qmp: N events lost: standard output takes them too slowly"

it 'a flood into a file is complete'; serve greet flood=200000; run events -s "$dir/peer"
awk -F '[{}:]' '$(NF - 2) + 0 != NR { wrong++ } END { print NR " events, " wrong + 0 " of them wrong" }' "$out" >"$out.n"
mv "$out.n" "$out"; expect 6 '200000 events, 0 of them wrong' 'qmp: DIR/peer: the server closed the connection'
it 'a flood into a pipe that is read is complete'; serve greet flood=200000
{ timeout "$limit" "$qmp" events -s "$dir/peer" 2>"$err"; echo $? >"$dir/code"; } | wc -l | tr -d ' ' >"$out"
code=$(cat "$dir/code"); expect 6 '200000' 'qmp: DIR/peer: the server closed the connection'
it 'two floods into a pipe'; serve greet flood=1000; pids="$pids $("$peer" "$dir/peer2" greet flood=1000)"
{ timeout "$limit" "$qmp" events -s "$dir/peer" -s "$dir/peer2" 2>"$err"; echo $? >"$dir/code"; } | sort | uniq | wc -l |
    tr -d ' ' >"$out"
sort "$err" >"$err.sorted"; mv "$err.sorted" "$err"; code=$(cat "$dir/code")
expect 6 '2000' 'qmp: DIR/peer2: DIR/peer2: the server closed the connection
qmp: DIR/peer: DIR/peer: the server closed the connection'
it 'a flood into a terminal'; serve greet flood=1000
timeout "$limit" script -qec "$qmp events -s $dir/peer -o short --color never" /dev/null </dev/null | tr -d '\r' >"$out"
grep -v FLOOD "$out" >"$err"; grep -c FLOOD "$out" >"$out.n"; mv "$out.n" "$out"; code=0
expect 0 1000 'qmp: DIR/peer: the server closed the connection'
it 'standard output closed'; serve greet hold; timeout "$limit" "$qmp" events -s "$dir/peer" >&- 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: Bad file descriptor'
it 'standard output closed, wait'; timeout "$limit" "$qmp" wait A -s "$dir/peer" >&- 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: Bad file descriptor'

three="send=$(event BLOCK_JOB_READY 1)$(event BLOCK_IO_ERROR 2)$(event JOB_STATUS_CHANGE 3)$(event STOP 4)"
it 'a glob'; serve greet "$three"; run events -s "$dir/peer" 'BLOCK_*'; expect 6 "$(shown BLOCK_JOB_READY 1)
$(shown BLOCK_IO_ERROR 2)" 'qmp: DIR/peer: the server closed the connection'
it 'a glob and a name'; serve greet "$three" hold; run events -s "$dir/peer" '*JOB_[RS]*' STOP --count 3
expect 0 "$(shown BLOCK_JOB_READY 1)
$(shown JOB_STATUS_CHANGE 3)
$(shown STOP 4)" ''
it 'without some'; serve greet "$three"; run events -s "$dir/peer" --exclude 'BLOCK_*' --exclude STOP
expect 6 "$(shown JOB_STATUS_CHANGE 3)" 'qmp: DIR/peer: the server closed the connection'
it 'a glob without some'; serve greet "$three" hold; run wait -s "$dir/peer" 'BLOCK*'; expect 0 "$(shown BLOCK_JOB_READY 1)" ''
it 'a glob without one'; serve greet "$three" hold; run events -s "$dir/peer" 'BLOCK*' --exclude BLOCK_JOB_READY -c 1
expect 0 "$(shown BLOCK_IO_ERROR 2)" ''
it 'a glob with a condition'; serve greet "$three" hold; run events -s "$dir/peer" '*' --where data=3 -c 1
expect 0 "$(shown JOB_STATUS_CHANGE 3)" ''
later='{"timestamp": {"seconds": 4000000000, "microseconds": 2}, "event": "A", "data": 2}'
it 'what happened before the start'; serve greet "send=$(event A 1)$later" hold; run events -s "$dir/peer" --since-start -c 1
expect 0 "$(shown A 2)" ''
it 'an event without a time is not older'; serve greet "send=$(event B 1){\"event\": \"A\"}" hold
run events -s "$dir/peer" --since-start -c 1; expect 0 '{"event": "A"}' ''
it 'an event of now'; while_running "$reset" events -s "$dir/ev" --since-start --count 1; expect 0 "$reset_event" ''

it 'small letters, no schema'; serve greet "$three" hold; run events -s "$dir/peer" block-job-ready STOP -c 1
expect 0 "$(shown STOP 4)" \
    "qmp: warning: events are in capitals, 'block-job-ready' is not; did you mean 'BLOCK_JOB_READY'?"
it 'a condition on what no event has'; serve greet "$three" hold; run events -s "$dir/peer" --where id=4 --timeout 1s
expect 0 '' "qmp: warning: --where: no event has a member 'id'; did you mean 'data.id=4'?"
it 'a schema is kept'; run wait state=running -s "$dir/ev-2"; expect 0 \
    '{"status": "running", "singlestep": false, "running": true}' ''
it 'names that this QEMU does not have'
run events -s "$dir/ev-2" stop SOTP NONE 'BLOK*' 'BLOCK*' RESUME --exclude Foo --exclude RESUMEE --timeout 1s
expect 0 '' "qmp: warning: no event 'stop' is known; did you mean 'STOP'?
qmp: warning: no event 'SOTP' is known; did you mean 'STOP'?
qmp: warning: no event 'NONE' is known
qmp: warning: no event 'BLOK*' is known
qmp: warning: no event 'Foo' is known
qmp: warning: no event 'RESUMEE' is known; did you mean 'RESUME'?"
it 'an empty name to leave out'; run events -s "$dir/ev-2" --exclude ''; expect 2 '' \
    "qmp: --exclude: '' is not the name of an event
$events_hint"
