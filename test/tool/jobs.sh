# SPDX-License-Identifier: MIT
# The verb job: on a real QEMU and a storage daemon, and from a peer what those do not do on request.

disks="-blockdev null-co,node-name=src,size=2097152,read-zeroes=on -blockdev null-co,node-name=dst,size=2097152,read-zeroes=on"
# A source that cannot be read.
broken='{"driver": "blkdebug", "node-name": "bad", "inject-error": [{"event": "none", "iotype": "read", "errno": 5, "once": false}], "image": {"driver": "raw", "file": {"driver": "file", "filename": "'$dir/data'"}}}'
head -c 2097152 /dev/zero | tr '\0' x >"$dir/data"
# shellcheck disable=SC2086
vm jobs $disks
timeout "$limit" "$qmp" call -s "$dir/jobs" blockdev-add "$broken" >"$out"

backup() { run job run -s "$dir/jobs" blockdev-backup device=src target=dst sync=full "$@"; }
# A job that is half done, and stays so; QEMU is told through its other monitor.
stuck() {
    timeout "$limit" "$qmp" call -s "$dir/jobs-2" blockdev-backup device=src target=dst sync=full speed=1 "$@" >"$dir/begun" &&
        timeout "$limit" sh -c 'until [ "$("$1" job ls -s "$2" -g current-progress)" = 1048576 ]; do sleep 0.01; done' sh "$qmp" "$dir/jobs-2"
}
other() { timeout "$limit" "$qmp" "$@" -s "$dir/jobs-2" >"$dir/other" 2>&1; }
# begin WORD...: as start, and what was said before is forgotten. said TEXT: waits until that is said.
begin() { : >"$out"; : >"$err"; start "$@"; }
said() { timeout "$limit" sh -c 'until grep -q "$2" "$1"; do sleep 0.01; done' sh "$err" "$1"; }
# ids: what job run called the job, made the same.
ids() { sed -i 's/qmp-[0-9]*-[0-9a-f]\{6\}/qmp-ID/g' "$out" "$err"; }
done_json() { printf '{"id": "%s", "status": "concluded", "type": "backup", "current-progress": 2097152, "total-progress": 2097152}' "$1"; }
listed_json() { printf '{"current-progress": 2097152, "status": "concluded", "total-progress": 2097152, "type": "backup", "id": "%s"}' "$1"; }
running_json() { printf '{"current-progress": 1048576, "status": "running", "total-progress": 2097152, "type": "backup", "id": "%s"}' "$1"; }
cancelled_json() { printf '{"id": "%s", "status": "concluded", "type": "backup", "current-progress": 1048576, "total-progress": 2097152, "error": "Operation canceled"}' "$1"; }
running_line() { printf '{"id": "%s", "status": "running", "current": 1048576, "total": 2097152, "percent": 50.0}' "$1"; }

for verb in '' ' ls' ' wait' ' run' ' cancel' ' dismiss'; do
    # shellcheck disable=SC2086
    it "help of job$verb"; run job$verb --help; expect_file 0 "help/job$(echo "$verb" | tr ' ' -).txt"
done

# --- what is wrong with a command line -------------------------------------------------------------------------------

it 'a family without a word'; run job; expect 2 '' "qmp: 'job' wants one more word; it is one of:
qmp:   job ls
qmp:   job wait ID
qmp:   job run COMMAND [KEY=VALUE... | JSON | -]
qmp:   job cancel ID
qmp:   job dismiss ID
qmp: 'qmp job --help' says more"
it 'words that ls does not take'; run job ls job1; expect 2 '' "qmp: 'job1' is one word too many
qmp: 'qmp job ls --help' says more"
for verb in wait cancel dismiss; do
    it "$verb without an id"; run job "$verb"; expect 2 '' "qmp: 'job $verb' wants more: qmp job $verb ID
qmp: 'qmp job $verb --help' says more"
    it "$verb with two"; run job "$verb" a b; expect 2 '' "qmp: 'b' is one word too many
qmp: 'qmp job $verb --help' says more"
    it "$verb of a job that is not there"; run job "$verb" -s "$dir/jobs" none
    expect 8 '' "qmp: there is no job 'none', nor any other"
    it "$verb of a name that none can have"; run job "$verb" -s "$dir/jobs" "$(printf 'x\033[31m')"
    expect 8 '' "qmp: there is no job 'x\\x1b[31m', nor any other"
    it "$verb of a name that is not UTF-8"; run job "$verb" -s "$dir/jobs" "$(printf 'x\377')"
    expect 2 '' "qmp: 'x\\xff' is not the id of a job
qmp: 'qmp job $verb --help' says more"
done
it 'run without a command'; run job run; expect 2 '' "qmp: 'job run' wants more: qmp job run COMMAND [KEY=VALUE... | JSON | -]
qmp: 'qmp job run --help' says more"
it '--cancel-on-timeout alone'; run job run blockdev-backup --cancel-on-timeout
expect 2 '' "qmp: --cancel-on-timeout wants --timeout
qmp: 'qmp job run --help' says more"
it 'run on several servers'; run job run -s "$dir/jobs" -s "$dir/jobs-2" blockdev-backup
expect 2 '' "qmp: 'job run' takes one address
qmp: 'qmp job run --help' says more"
it 'a job-id that is no string'; run job run -s "$dir/jobs" blockdev-backup job-id:=5
expect 2 '' "qmp: job-id: 5 is no string
qmp: 'qmp job run --help' says more"
it 'a command that starts no job'; run job run -s "$dir/jobs" query-status
expect 2 '' "qmp: query-status starts no job: it takes no job-id; use 'qmp call query-status'
qmp: 'qmp job run --help' says more"
it 'a job-id that QEMU refuses'; backup job-id=5x
expect 1 '' "qmp: blockdev-backup: GenericError: Invalid job ID '5x'"
it 'a command that is refused'; run job run -s "$dir/jobs" blockdev-backup device=none target=dst sync=full
expect 1 '' "qmp: blockdev-backup: GenericError: Cannot find device='none' nor node-name='none'"

it 'a command that is nearly one'; run job run -s "$dir/jobs" blockdev-bakcup
expect 8 '' "qmp: blockdev-bakcup: CommandNotFound: The command blockdev-bakcup has not been found
qmp: did you mean 'blockdev-backup'?"
it 'no arguments but the name'; run job run -s "$dir/jobs" blockdev-backup '{ }'
expect 1 '' "qmp: blockdev-backup: GenericError: Parameter 'device' is missing"

# --- run ------------------------------------------------------------------------------------------------------------

it 'a job that dismisses itself'; backup job-id=j1; expect 0 "$(done_json j1)" ''
it 'a job without a name'; backup; ids; expect 0 "$(done_json qmp-ID)" ''
it 'arguments as JSON, without a name'
run job run -s "$dir/jobs" blockdev-backup '  {"device": "src", "target": "dst", "sync": "full"}'; ids
expect 0 "$(done_json qmp-ID)" ''
it 'arguments from standard input'
echo '{"job-id": "j2", "device": "src", "target": "dst", "sync": "full"}' |
    timeout "$limit" "$qmp" job run -s "$dir/jobs" blockdev-backup - >"$out" 2>"$err"; code=$?
expect 0 "$(done_json j2)" ''
it 'a value of it'; backup job-id=j3 -g status; expect 0 concluded ''
it 'the user dismisses it'; backup job-id=j4 auto-dismiss=false; expect 0 "$(listed_json j4)" ''
it 'so it is still there'; run job ls -s "$dir/jobs"; expect 0 "$(listed_json j4)" ''
it 'wait for a job that is over'; run job wait -s "$dir/jobs" j4; expect 0 "$(listed_json j4)" ''
it 'a name that is in use'; backup job-id=j4; expect 1 '' "qmp: blockdev-backup: GenericError: Job ID 'j4' already in use"
it 'cancel a job that is over'; run job cancel -s "$dir/jobs" j4
expect 1 '' "qmp: job-cancel: GenericError: Job 'j4' in state 'concluded' cannot accept command verb 'cancel'
qmp: it is over: 'qmp job wait j4' says how it ended, 'qmp job dismiss j4' forgets it"
it 'did you mean'; run job wait -s "$dir/jobs" jj4; expect 8 '' "qmp: there is no job 'jj4'; did you mean 'j4'?"
it 'no guess'; run job dismiss -s "$dir/jobs" something
expect 8 '' "qmp: there is no job 'something'; 'qmp job ls' shows those there are"
it 'dismiss'; run job dismiss -s "$dir/jobs" j4; expect 0 '' ''
it 'it has gone'; run job ls -s "$dir/jobs"; expect 0 '' ''

it 'a job that never dismisses itself'
run job run -s "$dir/jobs" blockdev-create job-id=c1 options:='{"driver": "file", "filename": "'"$dir/none/image"'", "size": 65536}'
expect 1 '{"current-progress": 1, "status": "concluded", "total-progress": 1, "type": "create", "id": "c1", "error": "Could not create '"'DIR/none/image'"': No such file or directory"}' \
    "qmp: job 'c1' failed: Could not create 'DIR/none/image': No such file or directory"
it 'and is dismissed, though it failed'; run job ls -s "$dir/jobs"; expect 0 '' ''
: >"$dir/image"
it 'the same, when it is fine'
run job run -s "$dir/jobs" blockdev-create job-id=c1 options:='{"driver": "file", "filename": "'"$dir/image"'", "size": 65536}'
expect 0 '{"current-progress": 1, "status": "concluded", "total-progress": 1, "type": "create", "id": "c1"}' ''
it 'dismissed as well'; run job ls -s "$dir/jobs"; expect 0 '' ''

it 'a job that fails and goes'
run job run -s "$dir/jobs" blockdev-backup job-id=b1 device=bad target=dst sync=full
sed -i 's/"current-progress": [0-9]*/"current-progress": N/' "$out"
expect 1 '{"id": "b1", "status": "concluded", "type": "backup", "current-progress": N, "total-progress": 2097152, "error": "Input/output error"}' \
    "qmp: job 'b1': a read failed; the job fails with it
qmp: job 'b1' failed: Input/output error"
it 'a job that stops at an error'
run job run -s "$dir/jobs" blockdev-backup job-id=b2 device=bad target=dst sync=full on-source-error=stop --timeout 1s --cancel-on-timeout
expect 3 '' "qmp: job 'b2': a read failed; the job stops there
qmp: it waits for: qmp call block-job-resume device=b2
qmp: job 'b2' is not over after 1 s; it is cancelled"
it 'none is left'; run job ls -s "$dir/jobs"; expect 0 '' ''

it 'a timeout'; backup job-id=t1 speed=1 --timeout 1s
expect 3 '' "qmp: job 't1' is not over after 1 s; it goes on: 'qmp job wait t1' waits for it"
it 'it went on'; run job ls -s "$dir/jobs"; expect 0 "$(running_json t1)" ''
it 'a timeout of wait'; run job wait -s "$dir/jobs" t1 --timeout 500ms
expect 3 '' "qmp: job 't1' is not over after 500 ms; it goes on"
it 'dismiss a job that is not over'; run job dismiss -s "$dir/jobs" t1
expect 1 '' "qmp: job-dismiss: GenericError: Job 't1' in state 'running' cannot accept command verb 'dismiss'"
it 'cancel and wait'; run job cancel -s "$dir/jobs" t1 --wait; expect 0 "$(cancelled_json t1)" ''
it 'a timeout that cancels'; backup job-id=t2 speed=1 --timeout 1s --cancel-on-timeout
expect 3 '' "qmp: job 't2' is not over after 1 s; it is cancelled"
it 'a timeout that cancels and dismisses'
run job run -s "$dir/jobs" blockdev-backup job-id=t3 device=src target=dst sync=full speed=1 auto-dismiss=true auto-finalize=false \
    --timeout 1s --cancel-on-timeout
expect 3 '' "qmp: job 't3' is not over after 1 s; it is cancelled"
it 'none is left of these'; run job ls -s "$dir/jobs"; expect 0 '' ''

it 'SIGINT'; begin job run -s "$dir/jobs" blockdev-backup job-id=i1 device=src target=dst sync=full speed=1
timeout "$limit" sh -c 'until [ "$("$1" job ls -s "$2" -g id)" = i1 ]; do sleep 0.01; done' sh "$qmp" "$dir/jobs-2"
kill -INT "$job"; end
expect 130 '' "qmp: job 'i1' goes on: 'qmp job wait i1' waits for it"
it 'cancel'; run job cancel -s "$dir/jobs" i1; expect 0 '' ''
it 'SIGINT that is ignored'; : >"$err"
timeout "$limit" sh -c 'trap "" INT; exec "$@"' sh "$qmp" job run -s "$dir/jobs" blockdev-backup job-id=i2 device=src target=dst \
    sync=full speed=1 --progress=json >"$out" 2>"$err" & job=$!
said 1048576; kill -INT "$job"; other job cancel i2; { wait "$job"; code=$?; } 2>/dev/null
sed -i '/"current": 0,/d' "$err"
expect 1 "$(cancelled_json i2)" "$(running_line i2)
qmp: job 'i2' failed: Operation canceled"

# --- what a job waits for --------------------------------------------------------------------------------------------

it 'a mirror that is ready'; run job run -s "$dir/jobs" blockdev-mirror job-id=m1 device=src target=dst sync=full --timeout 2s
expect 3 '' "qmp: job 'm1' is ready; it waits for: qmp call job-complete id=m1
qmp: job 'm1' is not over after 2 s; it goes on: 'qmp job wait m1' waits for it"
it 'and is completed'; begin job wait -s "$dir/jobs" m1
said ready
other call job-complete id=m1; line; end
expect 0 '{"id": "m1", "status": "concluded", "type": "mirror", "current-progress": 2097152, "total-progress": 2097152}' \
    "qmp: job 'm1' is ready; it waits for: qmp call job-complete id=m1"
it 'a job that is pending'
begin job run -s "$dir/jobs" blockdev-backup job-id=p1 device=src target=dst sync=full auto-finalize=false
said pending
other call job-finalize id=p1; line; end
expect 0 "$(done_json p1)" "qmp: job 'p1' is pending; it waits for: qmp call job-finalize id=p1"
it 'a job that is paused'; stuck job-id=p2; other call job-pause id=p2; begin job wait -s "$dir/jobs" p2
said paused
other job cancel p2; line; end
expect 1 "$(cancelled_json p2)" "qmp: job 'p2' is paused; it waits for: qmp call job-resume id=p2
qmp: job 'p2' failed: Operation canceled"

it 'what it waits for is said once'; stuck job-id=p3; other call job-pause id=p3
run job wait -s "$dir/jobs" p3 --progress=json --timeout 2s; sed -i '/percent/d' "$err"
expect 3 '' "qmp: job 'p3' is paused; it waits for: qmp call job-resume id=p3
qmp: job 'p3' is not over after 2 s; it goes on"
other job cancel p3 --wait

# --- progress, and several ------------------------------------------------------------------------------------------

it 'progress as JSON'; stuck job-id=g1; begin job wait -s "$dir/jobs" g1 --progress=json
said percent
other job cancel g1; line; end
expect 1 "$(cancelled_json g1)" "$(running_line g1)
qmp: job 'g1' failed: Operation canceled"
it 'none by default when it is no terminal'; stuck job-id=g2; run job wait -s "$dir/jobs" g2 --timeout 1s
expect 3 '' "qmp: job 'g2' is not over after 1 s; it goes on"
it 'a list of several servers'; run job ls -s "$dir/jobs" -s "$dir/jobs-2"; sort "$out" -o "$out"
expect 0 "{\"target\": \"DIR/jobs\", \"value\": $(running_json g2)}
{\"target\": \"DIR/jobs-2\", \"value\": $(running_json g2)}" ''
it 'a wait for several servers'; run job wait -s "$dir/jobs" -s "$dir/jobs-2" g2 --timeout 1s --progress=json; sort "$err" -o "$err"
running=$(running_line g2)
expect 3 '' "qmp: DIR/jobs-2: job 'g2' is not over after 1 s; it goes on
qmp: DIR/jobs: job 'g2' is not over after 1 s; it goes on
{\"target\": \"DIR/jobs\", ${running#?}
{\"target\": \"DIR/jobs-2\", ${running#?}"
it 'a wait for several servers draws no bars'; run job wait -s "$dir/jobs" -s "$dir/jobs-2" g2 --timeout 1s --progress=bar
sort "$err" -o "$err"
expect 3 '' "qmp: DIR/jobs-2: job 'g2' is not over after 1 s; it goes on
qmp: DIR/jobs: job 'g2' is not over after 1 s; it goes on"
it 'a value of each job'; run job ls -s "$dir/jobs" -g id; expect 0 g2 ''
it 'an indented list'; run job ls -s "$dir/jobs" -o pretty; expect 0 '{
  "current-progress": 1048576,
  "status": "running",
  "total-progress": 2097152,
  "type": "backup",
  "id": "g2"
}' ''
it 'QEMU ends'; begin job wait -s "$dir/jobs" g2 --progress=json
said percent
kill -KILL "$vm_pid"; end
expect 6 '' "$(running_line g2)
qmp: DIR/jobs: the server closed the connection"

# --- others ---------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086
timeout "$limit" qemu-storage-daemon $(printf '%s' "$disks" | sed 's/-blockdev/--blockdev/g') \
    --chardev "socket,id=c,path=$dir/storage,server=on,wait=off" --monitor chardev=c --daemonize --pidfile "$dir/storage.pid" || exit 1
pids="$pids $(cat "$dir/storage.pid")"
it 'a storage daemon'; run job run -s "$dir/storage" blockdev-backup job-id=s1 device=src target=dst sync=full
expect 0 "$(done_json s1)" ''

# From a peer: query-jobs first, then what is given.
from_peer() { serve greet recv "$@" hold; run job wait -s "$dir/peer" x --timeout 5s; }
jobs_reply() { printf 'send={"return": [%s], "id": @ID@}' "$1"; }
status() { event JOB_STATUS_CHANGE '{"id": "x", "status": "'"$1"'"}'; }
one='{"id": "x", "type": "create", "status": "running", "current-progress": 1, "total-progress": 4}'

it 'a job that is over before the first look'
from_peer "send=$(status concluded)$(event BLOCK_JOB_COMPLETED '{"type": "stream", "device": "x", "len": 8, "offset": 7, "speed": 0, "error": "no \"luck\""}')" "$(jobs_reply '')"
expect 1 '{"id": "x", "status": "concluded", "type": "stream", "current-progress": 7, "total-progress": 8, "error": "no \"luck\""}' \
    "qmp: job 'x' failed: no \"luck\""
it 'a job of which nothing is known but that it is over'
from_peer "send=$(status concluded)$(status null)" "$(jobs_reply '')"; expect 0 '{"id": "x", "status": "concluded"}' ''
it 'a job that somebody else dismissed, and was fine'
from_peer "$(jobs_reply "$one")" "send=$(status concluded)$(status null)" recv "$(jobs_reply '')"
expect 0 '{"id": "x", "status": "concluded", "type": "create", "current-progress": 1, "total-progress": 4}' ''
it 'a job that somebody else dismissed, and was not'
from_peer "$(jobs_reply "$one")" "send=$(status aborting)$(status concluded)" recv "$(jobs_reply '')"
expect 1 '{"id": "x", "status": "concluded", "type": "create", "current-progress": 1, "total-progress": 4, "error": "it failed; why, it did not say"}' \
    "qmp: job 'x' failed: it failed; why, it did not say"
it 'events of other jobs'
from_peer "$(jobs_reply "$one")" \
    "send=$(event BLOCK_JOB_CANCELLED '{"type": "backup", "device": "y", "len": 1, "offset": 1, "speed": 0}')$(event BLOCK_JOB_ERROR '{"device": "y", "operation": "read", "action": "stop"}')$(status waiting)" recv \
    "$(jobs_reply '{"id": "y", "status": "concluded"}, {"id": "x", "status": "concluded", "error": "its own"}')"
expect 1 '{"id": "x", "status": "concluded", "error": "its own"}' "qmp: job 'x' failed: its own"
it 'a job that ignores errors: the first is said'
ignored=$(event BLOCK_JOB_ERROR '{"device": "x", "operation": "write", "action": "ignore"}')
from_peer "$(jobs_reply "$one")" "send=$ignored$ignored$(status waiting)" recv "$(jobs_reply '{"id": "x", "status": "concluded"}')"
expect 0 '{"id": "x", "status": "concluded"}' "qmp: job 'x': a write failed; the job goes on"
it 'an error that a terminal would obey'
from_peer "$(jobs_reply '{"id": "x", "status": "concluded", "error": "\u001b[31mred\n"}')"
expect 1 '{"id": "x", "status": "concluded", "error": "\u001b[31mred\n"}' "qmp: job 'x' failed: \\x1b[31mred\\n"
it 'a job that is over before it can be cancelled'
serve greet recv 'send={"return": {}, "id": @ID@}' recv "$(jobs_reply '{"id": "x", "status": "concluded"}')" hold
run job cancel x --wait -s "$dir/peer"
expect 0 '{"id": "x", "status": "concluded"}' "qmp: job 'x' had reached its end before it could be cancelled"
it 'a timeout that cancels, and dismisses in vain'
no='send={"id": @ID@, "error": {"class": "CommandNotFound", "desc": "no"}}'
serve greet recv "$no" recv 'send={"return": {}, "id": @ID@}' recv "$(jobs_reply "$one")" recv 'send={"return": {}, "id": @ID@}' \
    recv "$(jobs_reply '{"id": "x", "status": "concluded", "error": "gone"}')" recv "$no" recv "$(jobs_reply '')" hold
run job run -s "$dir/peer" make-something '{"job-id": "x"}' --timeout 1s --cancel-on-timeout
expect 3 '' "qmp: job 'x' is not over after 1 s; it is cancelled
qmp: there is no job 'x', nor any other"
it 'a server that has no jobs'
serve greet recv 'send={"id": @ID@, "error": {"class": "CommandNotFound", "desc": "The command query-jobs has not been found"}}' hold
run job ls -s "$dir/peer"; expect 8 '' 'qmp: query-jobs: CommandNotFound: The command query-jobs has not been found'
it 'a server that does not answer'; serve greet recv hold; run job wait x -s "$dir/peer" --timeout 1s
expect 3 '' 'qmp: query-jobs: no answer within 1 s'
it 'standard output that is closed: nothing is started'; serve greet recv "$no" hold
timeout "$limit" "$qmp" job run -s "$dir/peer" make-something >&- 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: Bad file descriptor'
it 'standard output that is full'; serve greet recv "$(jobs_reply '{"id": "x", "status": "concluded"}')" hold
timeout "$limit" "$qmp" job wait x -s "$dir/peer" >/dev/full 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: No space left on device'
