# SPDX-License-Identifier: MIT
# The verb migrate: between real QEMUs, and from a peer how it goes where a guest is too fast.

pc='-machine pc -m 64 -S'
# shellcheck disable=SC2086
vm from $pc
# shellcheck disable=SC2086
vm quoted $pc
# shellcheck disable=SC2086
vm slow $pc
# shellcheck disable=SC2086
vm to $pc -incoming "unix:$dir/incoming"
timeout "$limit" "$qmp" call -s "$dir/slow" migrate-set-parameters max-bandwidth=10000 >"$out"
to_nowhere='exec:cat >/dev/null'
goes_on="it goes on: 'qmp migrate --wait' waits for it, 'qmp call migrate_cancel' ends it"
migrate_hint="qmp: 'qmp migrate --help' says more"
# begin WORD...: as start, and what was said before is forgotten. said TEXT: waits until that is said.
begin() { : >"$out"; : >"$err"; start "$@"; }
said() { timeout "$limit" sh -c 'until grep -q "$2" "$1"; do sleep 0.01; done' sh "$err" "$1"; }
# The answer of query-migrate, but for its numbers.
numbers() { sed -i 's/\([a-z]": \|": -\)[0-9][0-9.e+]*/\1N/g' "$out"; }

it 'help of migrate'; run migrate --help; expect_file 0 help/migrate.txt

it 'nothing to do'; run migrate -s "$dir/from"
expect 2 '' "qmp: 'migrate' wants a URI; only with --wait, which then waits for a migration that goes on, it needs none
$migrate_hint"
it 'cancel without waiting'; run migrate x -s "$dir/from" --cancel-on-timeout --timeout 1s
expect 2 '' "qmp: --cancel-on-timeout wants --wait and --timeout
$migrate_hint"
it 'cancel on no timeout'; run migrate x -s "$dir/from" --cancel-on-timeout --wait
expect 2 '' "qmp: --cancel-on-timeout wants --wait and --timeout
$migrate_hint"
it 'progress without waiting'; run migrate x -s "$dir/from" --progress=json
expect 2 '' "qmp: without --wait there is nothing to show or to print
$migrate_hint"
it 'a URI that is no UTF-8'; run migrate "$(printf 'x\377')" -s "$dir/from"
expect 2 '' "qmp: the URI is not UTF-8
$migrate_hint"
it 'a word that is no argument'; run migrate x y -s "$dir/from"
expect 2 '' "qmp: 'y' is neither KEY=VALUE nor a JSON object in { }
$migrate_hint"
it 'several servers'; run migrate x -s a -s b; expect 2 '' "qmp: 'migrate' takes one address
$migrate_hint"
it 'standard output that is closed: nothing is started'
timeout "$limit" "$qmp" migrate --wait "$to_nowhere" -s "$dir/from" >&- 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: Bad file descriptor'
it 'none that could be waited for'; run migrate --wait -s "$dir/from"; expect 8 '' 'qmp: there is no migration, and was none'
it 'a URI that QEMU does not know'; run migrate foo:bar --wait -s "$dir/from"
expect 1 '' "qmp: migrate: GenericError: Parameter 'uri' expects a valid migration protocol"
it 'an argument that QEMU does not know'; run migrate foo:bar foo=bar -s "$dir/from"
expect 1 '' "qmp: warning: migrate: there is no 'foo'; there are: uri, blk, inc, detach, resume
qmp: migrate: GenericError: Parameter 'foo' is unexpected"
it 'a URI with quotes'; run migrate "exec:echo '\"\\' >&2; cat >/dev/null" --wait -s "$dir/quoted" -g status; expect 0 completed ''

it 'one that fails'; run migrate "unix:$dir/nobody" --wait -s "$dir/from"
expect 1 '{"status": "failed", "error-desc": "Failed to connect to '"'DIR/nobody'"': No such file or directory"}' \
    "qmp: the migration failed: Failed to connect to 'DIR/nobody': No such file or directory"
it 'and is told of again'; run migrate --wait -s "$dir/from" -g status
expect 1 failed "qmp: the migration failed: Failed to connect to 'DIR/nobody': No such file or directory"
it 'one that fails on its way'; run migrate exec:false --wait -s "$dir/from"
expect 1 '{"status": "failed", "error-desc": "Unable to write to command: Broken pipe"}' \
    "qmp: the migration failed: Unable to write to command: Broken pipe"

it 'from one QEMU to another'; run migrate "unix:$dir/incoming" --wait -s "$dir/from" --timeout 20s; numbers
sed -i 's/"ram": {.*}}/"ram": R}/' "$out"
expect 0 '{"status": "completed", "setup-time": N, "downtime": N, "total-time": N, "ram": R}' ''
it 'and it is there'; run call query-status -s "$dir/to" -g status; expect 0 prelaunch ''
it 'its end, once more'; run migrate --wait -s "$dir/from" -g status; expect 0 completed ''
it 'a VM that has gone to another host'; run migrate "$to_nowhere" --wait -s "$dir/from"
expect 1 '' "qmp: migrate: GenericError: Can't migrate the vm that was paused due to previous migration"

it 'start only'; run migrate "$to_nowhere" -s "$dir/slow"; expect 0 '' ''
it 'a second one'; run migrate "$to_nowhere" -s "$dir/slow"
expect 1 '' "qmp: migrate: GenericError: There's a migration process in progress
qmp: another migration is active; $goes_on"
it 'a timeout'; run migrate --wait -s "$dir/slow" --timeout 1s
expect 3 '' "qmp: the migration is not over after 1 s; $goes_on"
it 'SIGINT'; begin migrate --wait -s "$dir/slow" --progress=json
said percent
kill -INT "$job"; end; sed -i '/percent/d' "$err"
expect 130 '' "qmp: the migration is not over; $goes_on"
it 'progress as JSON'; run migrate --wait -s "$dir/slow" --timeout 1s --progress=json
sed -n 's/\([a-z]": \)[0-9][0-9.]*/\1N/g; s/"verdict": "too-early", "seconds-left": [^,]*,/V,/; 1p; $p' "$err" >"$err.2"; mv "$err.2" "$err"
expect 3 '' "{\"status\": \"active\", \"pass\": N, \"rate\": N, \"dirty-rate\": N, V, \"current\": N, \"total\": N, \"percent\": N}
qmp: the migration is not over after 1 s; $goes_on"
it 'a timeout that cancels'; run migrate --wait -s "$dir/slow" --timeout 1s --cancel-on-timeout
expect 3 '' 'qmp: the migration is not over after 1 s; it is cancelled'
it 'it was cancelled'; run migrate --wait -s "$dir/slow"
expect 1 '{"status": "cancelled"}' 'qmp: the migration was cancelled'
it 'one that somebody else cancels'; begin migrate "$to_nowhere" --wait -s "$dir/slow" --progress=json
said percent
timeout "$limit" "$qmp" call migrate_cancel -s "$dir/slow-2" >"$dir/other"; line; end; sed -i '/percent/d' "$err"
expect 1 '{"status": "cancelled"}' 'qmp: the migration was cancelled'
it 'QEMU ends'; begin migrate "$to_nowhere" --wait -s "$dir/slow" --progress=json
said percent
kill -KILL "$(cat "$dir/slow.pid")"; end; sed -i '/percent/d' "$err"
expect 6 '' 'qmp: DIR/slow: the server closed the connection'

# --- from a peer ----------------------------------------------------------------------------------------------------

# look STATUS PASS REMAINING PAGES DIRTY MBPS: what query-migrate and query-migrate-parameters are answered.
look() {
    printf '%s\n' recv 'send={"id": @ID@, "return": {"status": "'"$1"'", '"${more:-}"'"ram": {"total": 1073741824, "remaining": '"$3"', "page-size": 4096, "dirty-sync-count": '"$2"', "pages-per-second": '"$4"', "dirty-pages-rate": '"$5"', "mbps": '"$6"'}}}' \
        recv 'send={"id": @ID@, "return": {"max-bandwidth": '"${limit_link:-0}"', "downtime-limit": 300}}'
}
# looks N ...: N of them.
looks() { n=$1; shift; while [ "$n" -gt 0 ]; do look "$@"; n=$((n - 1)); done; }
over() { printf '%s\n' recv 'send={"id": @ID@, "return": {"status": "completed"}}' hold; }
# followed WORD...: migrate --wait through a peer that takes the steps in $dir/steps, one a line.
followed() { tr '\n' '\0' <"$dir/steps" | xargs -0 "$peer" "$dir/peer" greet >"$dir/peer.pid" && pids="$pids $(cat "$dir/peer.pid")" && run migrate --wait -s "$dir/peer" "$@"; }

it 'a guest that is too fast'
{ look active 1 1073741824 26000 0 880; looks 12 active 3 524288000 28160 230400 922.7; over; } >"$dir/steps"; followed
expect 0 '{"status": "completed"}' 'qmp: does not converge: the guest changes 900 MiB/s, 110 MiB/s are moved; what helps is one of
qmp:   a guest that stands still for longer in the end: qmp call migrate-set-parameters downtime-limit=4546
qmp:   a slower guest: qmp call migrate_cancel, qmp call migrate-set-capabilities capabilities.0.capability=auto-converge capabilities.0.state=true, and again'
it 'a link that is limited, and a guest that is slowed down'
limit_link=115343360 more='"cpu-throttle-percentage": 40, '
{ looks 12 active 3 10737418240 28160 230400 922.7; over; } >"$dir/steps"; followed
limit_link='' more=''
expect 0 '{"status": "completed"}' 'qmp: does not converge: the guest changes 900 MiB/s, 110 MiB/s are moved; what helps is one of
qmp:   a faster link (its limit is 110 MiB/s now): qmp call migrate-set-parameters max-bandwidth=1887436800
qmp:   patience: auto-converge slows the guest down, by 40 % now'
it 'a guest that becomes slower'
{ looks 12 active 3 524288000 28160 230400 922.7; looks 12 active 4 524288000 28160 2560 922.7; over; } >"$dir/steps"; followed
expect 0 '{"status": "completed"}' 'qmp: does not converge: the guest changes 900 MiB/s, 110 MiB/s are moved; what helps is one of
qmp:   a guest that stands still for longer in the end: qmp call migrate-set-parameters downtime-limit=4546
qmp:   a slower guest: qmp call migrate_cancel, qmp call migrate-set-capabilities capabilities.0.capability=auto-converge capabilities.0.state=true, and again
qmp: converges: about 5 s left'
it 'a verdict that does not hold is not said'
{ looks 3 active 3 524288000 28160 230400 922.7; looks 3 active 3 524288000 28160 2560 922.7; looks 3 active 3 524288000 28160 230400 922.7; over; } >"$dir/steps"; followed
expect 0 '{"status": "completed"}' ''
it 'a link that is dead'; { looks 12 active 3 524288000 0 100 0; over; } >"$dir/steps"; followed
expect 0 '{"status": "completed"}' 'qmp: nothing moves'
it 'verdicts as JSON'
{ look setup 0 0 0 0 0; look active 1 536870912 25600 0 838.8; look active 2 524288000 28160 2560 922.7; look active 3 524288000 28160 230400 922.7
look postcopy-active 4 104857600 25600 230400 838.8; over; } >"$dir/steps"; followed --progress=json
expect 0 '{"status": "completed"}' '{"status": "setup", "pass": 0, "rate": 0, "dirty-rate": 0, "verdict": "too-early", "seconds-left": null, "current": 0, "total": 1073741824, "percent": 0.0}
{"status": "active", "pass": 1, "rate": 104857600, "dirty-rate": 0, "verdict": "too-early", "seconds-left": 5, "current": 536870912, "total": 1073741824, "percent": 50.0}
{"status": "active", "pass": 2, "rate": 115343360, "dirty-rate": 10485760, "verdict": "converges", "seconds-left": 4, "current": 549453824, "total": 1073741824, "percent": 51.1}
{"status": "active", "pass": 3, "rate": 115343360, "dirty-rate": 943718400, "verdict": "does-not-converge", "seconds-left": null, "current": 549453824, "total": 1073741824, "percent": 51.1}
{"status": "postcopy-active", "pass": 4, "rate": 104857600, "dirty-rate": 943718400, "verdict": "postcopy", "seconds-left": 1, "current": 968884224, "total": 1073741824, "percent": 90.2}'
it 'a verdict as JSON is not said'; { looks 12 active 3 524288000 28160 230400 922.7; over; } >"$dir/steps"; followed --progress=json
expect 0 '{"status": "completed"}' '{"status": "active", "pass": 3, "rate": 115343360, "dirty-rate": 943718400, "verdict": "does-not-converge", "seconds-left": null, "current": 549453824, "total": 1073741824, "percent": 51.1}'
it 'what it waits for'
{ looks 2 pre-switchover 3 1 25600 0 838.8; looks 2 postcopy-paused 3 1 25600 0 838.8; look wait-unplug 0 0 0 0 0; over; } >"$dir/steps"; followed
expect 0 '{"status": "completed"}' 'qmp: pre-switchover: it waits for qmp call migrate-continue state=pre-switchover
qmp: postcopy-paused: it waits for migrate-recover on the other side, then qmp migrate URI resume=true
qmp: wait-unplug: it waits for the guest, to let go its network card'
it 'a server that tells no limits'
printf '%s\n' recv 'send={"id": @ID@, "return": {"status": "active"}}' \
    recv 'send={"id": @ID@, "error": {"class": "CommandNotFound", "desc": "no"}}' \
    recv 'send={"id": @ID@, "return": {"status": "failed", "error-desc": "\u001b[1mno\n"}}' hold >"$dir/steps"; followed
expect 1 '{"status": "failed", "error-desc": "\u001b[1mno\n"}' 'qmp: the migration failed: \x1b[1mno\n'
it 'a failure without a word'; printf '%s\n' recv 'send={"id": @ID@, "return": {"status": "failed"}}' hold >"$dir/steps"; followed
expect 1 '{"status": "failed"}' 'qmp: the migration failed: why, QEMU does not say'
it 'completed before it could be cancelled'
{ looks 3 active 1 1073741824 26000 0 880; printf '%s\n' recv 'send={"id": @ID@, "return": {}}'; over; } >"$dir/steps"; followed --timeout 600ms --cancel-on-timeout
expect 0 '{"status": "completed"}' 'qmp: the migration is not over after 600 ms; it is cancelled'
it 'an event wakes'
{ look active 1 1073741824 26000 0 880; printf 'send=%s\n' "$(event MIGRATION '{"status": "completed"}')"; over; } >"$dir/steps"; followed
expect 0 '{"status": "completed"}' ''
