# SPDX-License-Identifier: MIT
# The verb ping: on QEMUs that answer, that are busy, that are stopped; and on servers without out-of-band commands.

vm ping
# A QEMU whose main loop hangs, as with a disk that does not answer, for as long as descriptor 5 is open.
gates=0
gate_close() {
    gates=$((gates + 1))
    mkfifo "$dir/gate$gates"
    timeout "$limit" "$qmp" call -s "$dir/ping-2" blockdev-add driver=blkdebug node-name="g$gates" config="$dir/gate$gates" \
        image.driver=null-co image.read-zeroes:=true >"$dir/gate.out" 2>&1 &
    gate=$!
    exec 5>"$dir/gate$gates"
}
gate_open() { exec 5>&-; wait "$gate"; }
# same_times: every time the same: T, and LATE for one that took longer than half a round.
same_times() {
    sed -i -E -e 's/-band": ([5-9][0-9]{5}|[0-9]{7})([^0-9])/-band": LATE\2/g' -e 's/-band": [0-9]{1,6}([^0-9])/-band": T\1/g' "$out"
}
one() { printf '{"round": %s, "in-band": T, "out-of-band": T}' "$1"; }

it 'help of ping'; run ping --help; expect_file 0 help/ping.txt
it 'a word'; run ping x; expect 2 '' "qmp: 'x' is one word too many
qmp: 'qmp ping --help' says more"
it 'no rounds'; run ping -c 0; expect 2 '' "qmp: --count: '0' is not a number; write 1 or more
qmp: 'qmp ping --help' says more"
it 'nobody there'; run ping -s "$dir/none" -c 1
expect 4 '' \
    'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'

it 'one round'; run ping -s "$dir/ping" -c 1; same_times; expect 0 "$(one 1)" ''
it 'four rounds'; run ping -s "$dir/ping"; same_times; expect 0 "$(one 1)
$(one 2)
$(one 3)
$(one 4)" ''
it 'a value'; run ping -s "$dir/ping" -c 1 -g round; expect 0 1 ''
it 'two servers'; run ping -s "$dir/ping" -s "$dir/ping-2" -c 1; same_times; sort "$out" -o "$out"
expect 0 "{\"target\": \"DIR/ping\", \"value\": $(one 1)}
{\"target\": \"DIR/ping-2\", \"value\": $(one 1)}" ''
it 'less time than rounds'; run ping -s "$dir/ping" -c 9 --timeout 1.5s; same_times
expect 3 "$(one 1)
$(one 2)" 'qmp: 2 of 9 rounds within 1.5 s'

it 'busy from the beginning'; gate_close; run ping -s "$dir/ping" -c 2; same_times; gate_open
expect 3 '{"round": 1, "in-band": null, "out-of-band": T}
{"round": 2, "in-band": null, "out-of-band": null}' \
    'qmp: QEMU lives, but its main loop is busy: it answers out-of-band, and not in-band'
it 'it becomes busy'; : >"$out"; start ping -s "$dir/ping" -c 2; line; gate_close; line; end; gate_open; same_times
expect 3 "$(one 1)
{\"round\": 2, \"in-band\": null, \"out-of-band\": T}" \
    'qmp: QEMU lives, but its main loop is busy: it answers out-of-band, and not in-band'
it 'and recovers'; : >"$out"; start ping -s "$dir/ping" -c 3; line; gate_close; line; gate_open; line; end; same_times
expect 3 "$(one 1)
{\"round\": 2, \"in-band\": null, \"out-of-band\": T}
{\"round\": 3, \"in-band\": LATE, \"out-of-band\": T}" 'qmp: QEMU answers again; its main loop was busy'
it 'many rounds while it is busy'; : >"$out"; start ping -s "$dir/ping" -c 11; line; gate_close
for i in 2 3 4 5 6 7 8 9 10 11; do line; done; end; gate_open; same_times; sed -i '3,10d' "$out"
expect 3 "$(one 1)
{\"round\": 2, \"in-band\": null, \"out-of-band\": T}
{\"round\": 11, \"in-band\": null, \"out-of-band\": T}" \
    'qmp: QEMU lives, but its main loop is busy: it answers out-of-band, and not in-band'

it 'it is stopped'; : >"$out"; start ping -s "$dir/ping" -c 2; line; kill -STOP "$vm_pid"; line; end; same_times
expect 3 "$(one 1)
{\"round\": 2, \"in-band\": null, \"out-of-band\": null}" \
    'qmp: QEMU does not answer at all: it is stopped (SIGSTOP, a debugger), or the host is'
kill -CONT "$vm_pid"
it 'it is stopped for a while'; : >"$out"; start ping -s "$dir/ping" -c 3; line; kill -STOP "$vm_pid"; line; kill -CONT "$vm_pid"
line; end; same_times
expect 3 "$(one 1)
{\"round\": 2, \"in-band\": null, \"out-of-band\": null}
{\"round\": 3, \"in-band\": LATE, \"out-of-band\": LATE}" 'qmp: QEMU answers again; it was stopped, or busy'
kill -STOP "$vm_pid"
it 'stopped from the beginning'; run ping -s "$dir/ping" -c 1 --connect-timeout 1s
expect 5 '' \
    'qmp: connected to DIR/ping, but no greeting within 1 s: the server (pid PID) is stopped, by a signal or a debugger'
kill -CONT "$vm_pid"
it 'it goes on'; run ping -s "$dir/ping" -c 1; same_times; expect 0 "$(one 1)" ''
it 'it ends'; : >"$out"; start ping -s "$dir/ping"; line; kill -KILL "$vm_pid"; end; same_times; sed -i 's/reset the/closed the/' "$err"
expect 6 "$(one 1)" 'qmp: DIR/ping: the server closed the connection'

timeout "$limit" qemu-storage-daemon --chardev "socket,id=c,path=$dir/storage,server=on,wait=off" --monitor chardev=c \
    --daemonize --pidfile "$dir/storage.pid" || exit 1
pids="$pids $(cat "$dir/storage.pid")"
it 'a storage daemon: it has no such command, and refuses it out-of-band'; run ping -s "$dir/storage" -c 2; same_times
expect 0 "$(one 1)
$(one 2)" ''

answer='send={"return": {}, "id": @ID@}'
it 'a server without out-of-band commands'; serve greeting recv "$answer" recv "$answer" hold; run ping -s "$dir/peer" -c 2; same_times
expect 0 '{"round": 1, "in-band": T, "out-of-band": null}
{"round": 2, "in-band": T, "out-of-band": null}' ''
it 'and without answers'; serve greeting recv "$answer" recv hold; run ping -s "$dir/peer" -c 2; same_times
expect 3 '{"round": 1, "in-band": T, "out-of-band": null}
{"round": 2, "in-band": null, "out-of-band": null}' \
    'qmp: QEMU does not answer: its main loop is busy, or it is stopped; it takes no out-of-band commands to tell'
it 'a connection that ends'; serve greeting recv; run ping -s "$dir/peer" -c 1
expect 6 '' 'qmp: DIR/peer: the server closed the connection'
it 'garbage'; serve greeting recv 'send=nope'; run ping -s "$dir/peer" -c 1
expect 7 '' 'qmp: DIR/peer: the server sent what is not JSON (no message starts like this): nope'
it 'standard output that is full'; serve greeting recv "$answer" hold
timeout "$limit" "$qmp" ping -s "$dir/peer" >/dev/full 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: No space left on device'
