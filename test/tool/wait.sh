# SPDX-License-Identifier: MIT
# The verb wait: states, jobs, and whether a QEMU is there. Events are in events.sh.

disk() { printf 'driver=null-co,node-name=%s,size=1048576,read-zeroes=on' "$1"; }

vm wait -S -blockdev "$(disk src)" -blockdev "$(disk dst)" -blockdev "$(disk dst2)"
address=$dir/wait
prelaunch='{"status": "prelaunch", "singlestep": false, "running": false}'
running='{"status": "running", "singlestep": false, "running": true}'
paused='{"status": "paused", "singlestep": false, "running": false}'

# do_ WORD...: a command over the other monitor.
do_() { timeout "$limit" "$qmp" call -s "$dir/wait-2" "$@" >/dev/null || echo "cannot $*"; }

# started WORD...: a wait that has asked for the first time, and now blocks. What goes over the wire is on standard error
# until quiet.
started() {
    : >"$out"
    start wait -v -s "$address" "$@"
    timeout "$limit" sh -c 'until grep -q "< .*return.*status" "$1"; do :; done' sh "$err"
}
quiet() { grep -vE '^qmp: ([<>]|connect|the client)' "$err" >"$err.quiet"; mv "$err.quiet" "$err"; }

# The members of a job in an order that is always the same.
job_shown() {
    sed -E 's/"(current-progress|total-progress)": [0-9]+(, )?//g; s/, \}/}/' "$out" |
        tr -d '{} ' | tr ',' '\n' | sort >"$out.sorted"
    mv "$out.sorted" "$out"
}

it 'a state that is'; run wait state=prelaunch -s "$address"; expect 0 "$prelaunch" ''
it 'one of several states'; run wait state=running,prelaunch -s "$address"; expect 0 "$prelaunch" ''
it 'the first of several conditions'; run wait STOP gone state=running state=prelaunch -s "$address"
expect 0 "$prelaunch" ''
it 'a value of it'; run wait state=prelaunch -s "$address" -g status; expect 0 prelaunch ''
it 'a state that never comes'; run wait state=running -s "$address" --timeout 1s
expect 3 '' 'qmp: after 1 s the state is still prelaunch'
it 'nothing of it all comes'; run wait STOP state=running job:nope=null,x gone -s "$address" --timeout 1s; expect 2 '' \
    "qmp: 'job:nope=null,x': this server never is 'x'
$wait_hint"
it 'nothing comes'; run wait STOP state=running gone -s "$address" --timeout 1s
expect 3 '' 'qmp: no event within 1 s
qmp: after 1 s the state is still prelaunch
qmp: after 1 s DIR/wait is still there'
it 'a state that comes'; started state=running; do_ cont; line; end; quiet; expect 0 "$running" ''
it 'another'; started state=paused,io-error STOPX; do_ stop; line; end; quiet
expect 0 "$paused" "qmp: warning: no event 'STOPX' is known; did you mean 'STOP'?"
it 'two servers'; run wait state=paused -s "$address" -s "$dir/wait-2"; sort "$out" >"$out.sorted"; mv "$out.sorted" "$out"
expect 0 "{\"target\": \"DIR/wait\", \"value\": $paused}
{\"target\": \"DIR/wait-2\", \"value\": $paused}" ''

it 'no such state'; run wait state=runing -s "$address"; expect 2 '' \
    "qmp: 'state=runing': this server never is 'runing'; did you mean 'running'?
$wait_hint"
it 'no such status'; run wait job:j=ready,xyz -s "$address"; expect 2 '' \
    "qmp: 'job:j=ready,xyz': this server never is 'xyz'
$wait_hint"
it 'no such job'; run wait job:none=concluded -s "$address"; expect 8 '' "qmp: there is no job 'none'"
it 'a job that is not'; run wait job:none=null -s "$address"; expect 0 '{"id": "none", "status": "null"}' ''

it 'the end of a job that dismisses itself'; 
do_ blockdev-backup job-id=j1 device=src target=dst sync=full auto-finalize=false
started job:j1=concluded; do_ job-finalize id=j1; line; end; quiet
expect 0 '{"id": "j1", "status": "concluded"}' ''
it 'a job that waits'; do_ blockdev-backup job-id=j2 device=src target=dst sync=full auto-finalize=false
run wait job:j2=pending -s "$address"; job_shown; expect 0 '"id":"j2"
"status":"pending"
"type":"backup"' ''
it 'and is not ready'; run wait job:j2=ready,standby -s "$address" --timeout 1s
expect 3 '' "qmp: after 1 s job 'j2' is still pending"
it 'a job that is cancelled'; started job:j2=ready; do_ job-cancel id=j2; end; quiet
expect 1 '' "qmp: job 'j2' failed"
it 'a job that stays'; do_ blockdev-create options.driver=file "options.filename=$dir/none/image" options.size=65536 job-id=j3
run wait job:j3=concluded -s "$address"; job_shown; expect 1 '"error":"Couldnotcreate'"'DIR/none/image'"':Nosuchfileordirectory"
"id":"j3"
"status":"concluded"
"type":"create"' "qmp: job 'j3' failed: Could not create 'DIR/none/image': No such file or directory"
it 'another status of a job that is over'; run wait job:j3=running,pending -s "$address"; expect 1 '' \
    "qmp: job 'j3' failed: Could not create 'DIR/none/image': No such file or directory"
it 'until it is dismissed'; started job:j3=null; do_ job-dismiss id=j3; line; end; quiet
expect 1 '{"id": "j3", "status": "null"}' \
    "qmp: job 'j3' failed: Could not create 'DIR/none/image': No such file or directory"

# What a QEMU does not do on request. Nothing is known of its schema.
no_schema='send={"error": {"class": "CommandNotFound", "desc": "no"}, "id": @ID@}'
answer() { printf 'send={"return": %s, "id": @ID@}' "$1"; }
status() { event JOB_STATUS_CHANGE "{\"id\": \"$1\", \"status\": \"$2\"}"; }
job() { printf '{"id": "j", "status": "%s"}' "$1"; }

rm -rf "$XDG_CACHE_HOME"
it 'an event asks again'
serve greet recv "$no_schema" recv "$(answer '{"status": "a"}')" "send=$(event X 1)" recv "$(answer '{"status": "b"}')" hold
run wait -s "$dir/peer" state=b; expect 0 '{"status": "b"}' ''
it 'without an event, too'
serve greet recv "$no_schema" recv "$(answer '{"status": "a"}')" recv "$(answer '{"status": "b"}')" hold
run wait -s "$dir/peer" state=b; expect 0 '{"status": "b"}' ''
# Both are told by the time that they take: 20 seconds, or none.
rounds() { serve greet recv "$no_schema" "$@"; }
a=$(answer '{"status": "a"}')
it 'soon after an event'
set --; for i in $(seq 20); do set -- "$@" recv "$a" "send=$(event X 1)"; done
rounds "$@" recv "$(answer '{"status": "b"}')" hold; run wait -s "$dir/peer" state=b --timeout 10s; expect 0 '{"status": "b"}' ''
it 'but not at once again'
set --; for i in $(seq 100); do set -- "$@" recv "$a" "send=$(event X 1)"; done
rounds "$@" recv "$(answer '{"status": "b"}')" hold; run wait -s "$dir/peer" state=b --timeout 500ms
expect 3 '' 'qmp: after 500 ms the state is still a'
it 'without an event not soon'
rounds recv "$a" recv "$a" recv "$a" recv "$(answer '{"status": "b"}')" hold; run wait -s "$dir/peer" state=b --timeout 1500ms
expect 3 '' 'qmp: after 1.5 s the state is still a'
it 'a flood of events asks seldom'
serve greet recv "$no_schema" recv "$(answer '{"status": "a"}')" flood=200000 "send=$(event B 1)" hold
run wait -s "$dir/peer" state=b B; expect 0 "$(shown B 1)" ''
it 'a status between two questions'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" "send=$(status j ready)$(status j pending)" recv \
    "$(answer "[$(job pending)]")" hold
run wait -s "$dir/peer" job:j=ready; expect 0 '{"id": "j", "status": "ready"}' ''
it 'two statuses between two questions'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" "send=$(status j ready)$(status j pending)" recv \
    "$(answer "[$(job standby)]")" hold
run wait -s "$dir/peer" job:j=pending,ready; expect 0 '{"id": "j", "status": "ready"}' ''
it 'a job that aborts, as it may'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" "send=$(status j aborting)" recv \
    "$(answer "[$(job aborting)]")" hold
run wait -s "$dir/peer" job:j=aborting; expect 0 '{"id": "j", "status": "aborting"}' ''
it 'a job of another name'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" "send=$(status k ready)" recv \
    "$(answer "[{\"id\": \"k\", \"status\": \"ready\"}, $(job standby)]")" hold
run wait -s "$dir/peer" job:j=ready,standby; expect 0 '{"id": "j", "status": "standby"}' ''
it 'a job that fails and goes'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" "send=$(status j aborting)$(event BLOCK_JOB_COMPLETED \
    '{"device": "j", "error": "disk full"}')$(status j concluded)$(status j null)" recv "$(answer '[]')" hold
run wait -s "$dir/peer" job:j=concluded; expect 1 '{"id": "j", "status": "concluded"}' "qmp: job 'j' failed: disk full"
it 'a job that goes'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" "send=$(status j null)" recv "$(answer '[]')" hold
run wait -s "$dir/peer" job:j=ready; expect 8 '' "qmp: job 'j' is gone, and was not ready before"
it 'a job that is over'
serve greet recv "$no_schema" recv "$(answer "[$(job concluded)]")" hold
run wait -s "$dir/peer" job:j=ready,pending; expect 1 '' "qmp: job 'j' is concluded, and was not ready,pending before"
it 'a failure is forgotten when the name is used again'
serve greet recv "$no_schema" recv "$(answer "[$(job running)]")" \
    "send=$(status j aborting)$(status j null)$(status j created)$(status j ready)" recv "$(answer "[$(job ready)]")" hold
run wait -s "$dir/peer" job:j=ready; expect 0 '{"id": "j", "status": "ready"}' ''
it 'a status that holds counts before one that never can'
serve greet recv "$no_schema" recv "$(answer '[{"id": "k", "status": "pending"}]')" hold
run wait -s "$dir/peer" job:j=ready job:k=pending; expect 0 '{"id": "k", "status": "pending"}' ''
it 'no query-status'; serve greet recv "$no_schema" recv "$no_schema" hold; run wait -s "$dir/peer" state=running
expect 8 '' 'qmp: query-status: CommandNotFound: no'
it 'no answer'; serve greet recv "$no_schema" recv hold; run wait -s "$dir/peer" state=running --timeout 1s
expect 3 '' 'qmp: after 1 s the state is still unknown'
it 'the connection ends'; serve greet recv "$no_schema" recv "$(answer '{"status": "a"}')"
run wait -s "$dir/peer" state=b; expect 6 '' 'qmp: DIR/peer: the server closed the connection'
it 'the connection ends, as it may'; serve greet recv "$no_schema" recv "$(answer '{"status": "a"}')"
run wait -s "$dir/peer" state=b gone; expect 0 null ''
it 'an event comes before the end'; serve greet "send=$(event A 1)"; run wait -s "$dir/peer" gone A
expect 0 "$(shown A 1)" ''
it 'a reader that goes away while nothing happens'; serve greet recv "$no_schema" recv "$(answer '{"status": "a"}')" hold
start wait -s "$dir/peer" state=b; exec 3<&-; end; : >"$out"; expect 141 '' ''

it 'there already'; run wait ready -s "$address"; grep -o '"major": 7' "$out" >"$out.major"; mv "$out.major" "$out"
expect 0 '"major": 7' ''
it 'there in a while'; : >"$out"; start wait ready -s "$dir/late" -g qemu.major; vm late; line; end; expect 0 7 ''
it 'not there in time'; run wait ready -s "$dir/none" --timeout 1s; expect 3 '' \
    'qmp: after 1 s: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'one that goes before it greets'; serve; run wait ready -s "$dir/peer" --timeout 1s; expect 3 '' \
    'qmp: after 1 s: cannot connect to DIR/peer: nobody listens there: its QEMU has gone, or waits for nobody (server=off)'
it 'there, and then something else'; run wait ready STOP -s "$address" -g qemu.minor; expect 0 2 ''
it 'not there'; run wait gone -s "$dir/none"; expect 0 null ''
it 'nobody listens'; run wait gone STOP -s "unix:@$dir/none"; expect 0 null ''
it 'a file, but no socket'; : >"$dir/file"; run wait gone -s "$dir/file"; expect 0 null ''
it 'an address that is none'; run wait gone -s tcp:nowhere; expect 2 '' "qmp: tcp:nowhere is an address without a port; $grammar
$wait_hint"
it 'still there'; run wait gone -s "$address" --timeout 1s; expect 3 '' 'qmp: after 1 s DIR/wait is still there'
it 'it goes'; : >"$out"; start wait gone -s "$dir/late"; kill "$vm_pid"; line; end; expect 0 null ''

# held_vm NAME: a QEMU whose monitor somebody holds.
held_vm() {
    vm "$1"
    rm -f "$dir/greeting"; mkfifo "$dir/greeting"
    timeout "$limit" socat -u "UNIX-CONNECT:$dir/$1" - >"$dir/greeting" & holder=$!
    exec 4<"$dir/greeting"; timeout "$limit" head -n 1 <&4 >/dev/null
    held="qmp: connected to DIR/$1, but no greeting within 1 s: another client (pid PID, socat) holds this monitor"
}
# let_go: by whoever holds it.
let_go() { { kill "$holder"; wait "$holder"; } 2>/dev/null; exec 4<&-; }
# said_so: the started command has said that it waits.
said_so() { timeout "$limit" sh -c 'until grep -q waiting "$1"; do :; done' sh "$err"; }

held_vm busy
it 'held, and it is about something else'; run wait STOP -s "$dir/busy" --connect-timeout 1s; expect 5 '' "$held"
it 'held, and ready when it is not any more'; : >"$out"
start wait ready -s "$dir/busy" -g qemu.major --connect-timeout 1s; said_so; let_go; line; end
expect 0 7 "$held; waiting"
held_vm busy2
it 'held, and still there'; run wait gone -s "$dir/busy2" --connect-timeout 1s --timeout 2s
sed -i 's/within [0-9.]* m*s/within 1 s/' "$err"
expect 3 '' "$held; waiting
qmp: after 2 s: ${held#qmp: }"
let_go; held_vm busy3
it 'held, and gone'; : >"$out"; start wait gone -s "$dir/busy3" --connect-timeout 1s; said_so
kill -KILL "$vm_pid"; line; end
expect 0 null "$held; waiting"; let_go

refused() { it "no condition: $1"; run wait "$1"; expect 2 '' "qmp: '$1' is no condition$2
$wait_hint"; }
refused '' ''
refused stop "; did you mean the event 'STOP'?"
refused block-io-error "; did you mean the event 'BLOCK_IO_ERROR'?"
refused redy "; did you mean 'ready'?"
refused gon "; did you mean 'gone'?"
refused state "; did you mean 'state=running'?"
refused state= "; did you mean 'state=running'?"
refused state=a,,b "; did you mean 'state=running'?"
refused state=a, "; did you mean 'state=running'?"
refused status=running "; did you mean 'state=running'?"
refused job:x "; did you mean 'job:ID=concluded'?"
refused job:=concluded "; did you mean 'job:ID=concluded'?"
refused job:x= "; did you mean 'job:ID=concluded'?"
refused job=x "; did you mean 'job:ID=concluded'?"
refused data.id=x "; did you mean '--where data.id=x'?"
it '--where without an event'; run wait state=running --where data.id=x
expect 2 '' "qmp: --where is about events, and none is waited for
$wait_hint"
