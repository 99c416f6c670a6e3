# SPDX-License-Identifier: MIT
# What people do wrong, row by row, and the same in every verb: the other parts look at one verb each, this one at
# whether they agree.

# each SOCKET VERB...: runs them all, with $options, and makes one text of how each ended and what it said.
options=
each() {
    socket=$1; shift
    for words; do
        # shellcheck disable=SC2086
        timeout "$limit" "$qmp" -s "$socket" $options $words </dev/null >"$out" 2>"$err"
        echo "$words: $?" && cat "$out" "$err"
    done >"$dir/each"
    mv "$dir/each" "$out"; : >"$err"; code=0
}

# said STATUS TEXT VERB...: what `each` prints when all of them end with that status and say that.
said() {
    status=$1 text=$2; shift 2
    for words; do printf '%s: %s\n%s\n' "$words" "$status" "$text"; done
}

# A verb of each kind that talks to a monitor.
set -- 'call stop' 'run stop --until STOP' 'events' 'wait STOP' 'hook STOP -- true' 'job ls' 'job wait x' \
    'job run x y=1' 'job cancel x' 'job dismiss x' 'migrate tcp:127.0.0.1:1' 'ping' 'shell' "capture -w $dir/taken"

it 'wrong socket'; each "$dir/none" "$@" 'schema ls' 'schema show stop' 'ga ping' 'ga exec true'
expect 0 "$(said 4 'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?' \
    "$@" 'schema ls' 'schema show stop' 'ga ping' 'ga exec true' | sed "s|$dir|DIR|")" ''
it 'no socket'; : >"$dir/file"; each "$dir/file" "$@"
expect 0 "$(said 4 'qmp: cannot connect to DIR/file: it is a file, but no socket' "$@" | sed "s|$dir|DIR|")" ''
it 'no such machine'; each "nobody-$$" "$@" 'doctor' 'ga ping'; sed -i "s/nobody-$$/NAME/" "$out"
expect 0 "$(said 8 "qmp: no VM is called 'NAME', and no file here; 'qmp ls' shows the VMs" "$@" 'doctor' 'ga ping' |
    sed "s|$dir|DIR|")" ''
it 'nothing was taken'; [ ! -e "$dir/taken" ]; code=$?; : >"$out"; expect 0 '' ''

vm one
rm -f "$dir/greeting"; mkfifo "$dir/greeting"
timeout "$limit" socat -u "UNIX-CONNECT:$dir/one" - >"$dir/greeting" & holder=$!
exec 4<"$dir/greeting"; timeout "$limit" head -n 1 <&4 >/dev/null
# The first of them waits for a greeting; the others find it waiting.
it 'busy monitor'; options='--connect-timeout 100ms' each "$dir/one" "$@"; sed -i 's/^qmp: .*: another/qmp: another/' "$out"
expect 0 "$(said 5 'qmp: another client (pid PID, socat) holds this monitor' "$@" | sed "s|$dir|DIR|")" ''
{ kill "$holder"; wait "$holder"; } 2>/dev/null; exec 4<&-

it 'QEMU is killed in the middle'
for words in 'call stop' 'run stop --until STOP' 'job ls' 'job wait x' 'job cancel x' 'migrate tcp:127.0.0.1:1' \
    'schema ls'; do
    serve greet recv drop; each "$dir/peer" "$words"; sed -n 's/: 6$//p; /reset the connection$/p' "$out" >>"$dir/lost"
done
mv "$dir/lost" "$out"; for words in 'call stop' 'run stop --until STOP' 'job ls' 'job wait x' 'job cancel x' \
    'migrate tcp:127.0.0.1:1' 'schema ls'; do
    echo "$words"; echo 'qmp: DIR/peer: the server reset the connection'; done >"$dir/lost"
expect 0 "$(cat "$dir/lost")" ''

it 'broken JSON'; each "$dir/none" 'call stop {"a":}' 'run stop {"a":} --until STOP' 'job run block-commit {"a":}'
expect 0 "call stop {\"a\":}: 2
qmp: arguments: a character that does not belong here at byte 5: \"}\" after \"{\\\"a\\\":\"
qmp: 'qmp call --help' says more
run stop {\"a\":} --until STOP: 2
qmp: arguments: a character that does not belong here at byte 5: \"}\" after \"{\\\"a\\\":\"
qmp: 'qmp run --help' says more
job run block-commit {\"a\":}: 2
qmp: arguments: a character that does not belong here at byte 5: \"}\" after \"{\\\"a\\\":\"
qmp: 'qmp job run --help' says more" ''

it 'wrong type'; each "$dir/one" 'call block_resize size=x' 'run block_resize size=x --until STOP' \
    'job run block-commit device=d0 speed=x'
expect 0 "call block_resize size=x: 2
qmp: block_resize: 'size': 'x' is not an integer
qmp: 'qmp call --help' says more
run block_resize size=x --until STOP: 2
qmp: block_resize: 'size': 'x' is not an integer
qmp: 'qmp run --help' says more
job run block-commit device=d0 speed=x: 2
qmp: block-commit: 'speed': 'x' is not an integer
qmp: 'qmp job run --help' says more" ''

it 'unknown command'; each "$dir/one" 'call query-statu' 'run query-statu --until STOP' 'job run query-statu'
expect 0 "$(said 8 "qmp: query-statu: CommandNotFound: The command query-statu has not been found
qmp: did you mean 'query-status'?" 'call query-statu' 'run query-statu --until STOP' 'job run query-statu')" ''
it 'unknown command, explained'; each "$dir/one" 'help query-statu' 'schema show query-statu'
expect 0 "$(said 8 "qmp: there is no command or event 'query-statu'; did you mean 'query-status'?" 'help query-statu' \
    'schema show query-statu')" ''

it 'unknown argument'; each "$dir/one" 'call system_reset now=1' 'run system_reset now=1 --until RESET'
expect 0 "$(said 1 "qmp: warning: system_reset: there is no 'now'; it takes nothing
qmp: system_reset: GenericError: Parameter 'now' is unexpected" 'call system_reset now=1' \
    'run system_reset now=1 --until RESET')" ''

it 'timeout'
for words in 'call stop' 'run stop --until STOP' 'job ls' 'job wait x' 'job dismiss x' 'schema ls' 'ping -c 2'; do
    serve greet recv hold; options='--timeout 300ms' each "$dir/peer" "$words"; head -n 1 "$out" >>"$dir/late"; done
mv "$dir/late" "$out"; expect 0 'call stop: 3
run stop --until STOP: 3
job ls: 3
job wait x: 3
job dismiss x: 3
schema ls: 3
ping -c 2: 3' ''

# root may do everything, so it becomes somebody else.
as_nobody=
[ "$(id -u)" != 0 ] || as_nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
vm closed; chmod 0 "$dir/closed"; chmod 711 "$dir"
# shellcheck disable=SC2086
if $as_nobody "$qmp" version >"$out" 2>&1; then
    it 'no permission'
    for words in 'call stop' 'wait ready' 'ping' 'job ls' 'shell'; do
        $as_nobody "$qmp" -s "$dir/closed" $words </dev/null >"$out" 2>"$err"; echo "$words: $?"; cat "$err"
    done >"$dir/each"
    mv "$dir/each" "$out"; : >"$err"; code=0
    expect 0 "$(said 4 'qmp: cannot connect to DIR/closed: no permission: it takes write permission on the socket, and search permission on the folders above it' \
        'call stop' 'wait ready' 'ping' 'job ls' 'shell')" ''
fi

it 'full disk'; for words in 'call query-status' 'wait state=running' 'wait ready' 'run stop --until STOP' 'ping -c 1' \
    'schema ls' 'schema show stop' 'doctor' 'help' 'version' 'capture -c 1 -w -'; do
    # shellcheck disable=SC2086
    case $words in help | version) unset QMP_SOCKET ;; *) export QMP_SOCKET="$dir/one" ;; esac
    # shellcheck disable=SC2086
    timeout "$limit" "$qmp" $words </dev/null >/dev/full 2>"$err"; echo "$words: $?"; grep -v executed "$err"
done >"$out"; unset QMP_SOCKET; : >"$err"; code=0
expect 0 "$(said 10 'qmp: cannot write to standard output: No space left on device' 'call query-status' \
    'wait state=running' 'wait ready' 'run stop --until STOP' 'ping -c 1' 'schema ls' 'schema show stop' 'doctor' 'help' \
    'version' 'capture -c 1 -w -')" ''

it 'output closed early'; for words in 'call query-qmp-schema' 'schema ls' 'doctor' 'help'; do
    case $words in help) unset QMP_SOCKET ;; *) export QMP_SOCKET="$dir/one" ;; esac
    rm -f "$dir/fifo"; mkfifo "$dir/fifo"
    # Its reader has gone before anything is written.
    # shellcheck disable=SC2094
    { exec 5<>"$dir/fifo" 6>"$dir/fifo" 5<&-; } 2>/dev/null
    # shellcheck disable=SC2086
    timeout "$limit" "$qmp" $words </dev/null >&6 2>"$err"; echo "$words: $?" >>"$dir/early"; cat "$err" >>"$dir/early"
    exec 6>&-
done; unset QMP_SOCKET
mv "$dir/early" "$out"; : >"$err"; code=0; expect 0 'call query-qmp-schema: 141
schema ls: 141
doctor: 141
help: 141' ''

it 'terminal too narrow'; for words in 'doctor' 'ping -c 1' 'schema ls stop' 'job ls' 'help stop'; do
    NO_COLOR=1 timeout "$limit" script -qec "stty cols 1; exec '$qmp' -s '$dir/one' $words" /dev/null </dev/null \
        >"$err" 2>&1
    echo "$words: $?"
done >"$out"; : >"$err"; code=0; expect 0 'doctor: 0
ping -c 1: 0
schema ls stop: 0
job ls: 0
help stop: 0' ''
