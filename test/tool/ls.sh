# SPDX-License-Identifier: MIT
# The list of VMs, and what stands in it where one cannot be asked.
#
# Other VMs may run on this machine: every case asks for those whose names have the pid of this run in them.

tag=l$$ started=${started:-0}

# named NAME ARGUMENT...: a QEMU with -name, whose monitors the arguments make; ready when this returns.
named() {
    named=$1 started=$((started + 1)); shift
    timeout "$limit" qemu-system-x86_64 -machine none -nodefaults -display none -daemonize -pidfile "$dir/pid$started" \
        -name "$tag-$named" "$@" || exit 1
    vm_pid=$(cat "$dir/pid$started")
    pids="$pids $vm_pid"
}

# hold PATH: a client that holds a monitor; it does when this returns. 'release' ends it.
hold() {
    rm -f "$dir/greeting"; mkfifo "$dir/greeting"
    timeout "$limit" socat -u "UNIX-CONNECT:$1" - >"$dir/greeting" & holder=$!
    exec 4<"$dir/greeting"; timeout "$limit" head -n 1 <&4 >/dev/null
}
release() { { kill "$holder"; wait "$holder"; } 2>/dev/null; exec 4<&-; }

shown() {
    sed -i -e "s/$tag/TAG/g" -e 's/"pid": [0-9][0-9]*/"pid": PID/g' -e 's/"7\.[0-9.]*"/"7.N.N"/' "$out" "$err"
}

# listed NAME...: asks with all the time that it takes; what hangs is asked for a moment in cases of their own.
listed() { run ls --timeout "${limit}s" "$@"; shown; }

# object NAME VERSION STATE HOLDER ADDRESSES
object() {
    printf '{"name": "TAG-%s", "pid": PID, "program": "qemu-system-x86_64", "version": %s, "state": %s, "holder": %s, "addresses": [%s]}' "$@"
}
# socat runs below timeout(1), and both have the connection open.
held='{"pid": PID, "name": "socat"}'

named one -qmp "unix:$dir/one,server=on,wait=off"
named two -S -qmp "unix:$dir/two,server=on,wait=off" -qmp "unix:$dir/two-2,server=on,wait=off"

it 'help of ls'; run ls --help; expect_file 0 help/ls.txt
it 'a VM'; listed "$tag-one"; expect 0 "$(object one '"7.N.N"' '"running"' null '"DIR/one"')" ''
it 'two monitors'; listed "$tag-two"
expect 0 "$(object two '"7.N.N"' '"prelaunch"' null '"DIR/two", "DIR/two-2"')" ''
it 'a pattern, in order'; named 'n10' -qmp "unix:$dir/n10,server=on,wait=off"; named 'n9' -qmp "unix:$dir/n9,server=on,wait=off"
listed "$tag-n*" -g name; expect 0 'TAG-n9
TAG-n10' ''
it 'several patterns'; listed "$tag-n9" "*$tag-o?e" -g name; expect 0 'TAG-n9
TAG-one' ''
it 'a value'; listed "$tag-one" -g addresses.0; expect 0 'DIR/one' ''
it 'indented'; listed "$tag-one" -o pretty; expect 0 '{
  "name": "TAG-one",
  "pid": PID,
  "program": "qemu-system-x86_64",
  "version": "7.N.N",
  "state": "running",
  "holder": null,
  "addresses": [
    "DIR/one"
  ]
}' ''
it 'a name that nobody has'; listed "$tag-oen"; expect 8 '' "qmp: no VM is called 'TAG-oen'; did you mean 'TAG-one'?"
it 'one that nobody has anything like'; listed none-such-at-all-here
expect 8 '' "qmp: no VM is called 'none-such-at-all-here'"
it 'a pattern that matches none'; listed 'none-such-*'; expect 8 '' "qmp: no VM's name matches 'none-such-*'"
it 'one of two names'; listed "$tag-one" "none-such-at-all-here" -g name
expect 8 TAG-one "qmp: no VM is called 'none-such-at-all-here'"
it 'an option that is not taken'; run ls -s x; expect 2 '' "qmp: 'ls' takes no --socket
qmp: 'qmp ls --help' says more"

it 'a monitor that is held'; hold "$dir/one"; listed "$tag-one"; release
expect 0 "$(object one null '"held"' "$held" '"DIR/one"')" ''
it 'one of two that is held'; hold "$dir/two"; listed "$tag-two"; release
expect 0 "$(object two '"7.N.N"' '"prelaunch"' "$held" '"DIR/two", "DIR/two-2"')" ''
it 'who holds which'; hold "$dir/one"; exec 5<&4; first=$holder; hold "$dir/two"
listed "$tag-one" "$tag-two" -g holder.pid; release; holder=$first; release; exec 5<&-
sort -u "$out" | wc -l >"$out.n"; mv "$out.n" "$out"; expect 0 2 ''
it 'abstract names are told apart'; named abstract -qmp "unix:$tag-a,abstract=on,server=on,wait=off"
named other -qmp "unix:$tag-b,abstract=on,server=on,wait=off"
rm -f "$dir/greeting"; mkfifo "$dir/greeting"
timeout "$limit" socat -u "ABSTRACT-CONNECT:$tag-a" - >"$dir/greeting" & holder=$!
exec 4<"$dir/greeting"; timeout "$limit" head -n 1 <&4 >/dev/null
listed "$tag-abstract" "$tag-other" -g state; release; expect 0 'held
running' ''
it 'nothing is left of it'; listed "$tag-two"
expect 0 "$(object two '"7.N.N"' '"prelaunch"' null '"DIR/two", "DIR/two-2"')" ''
it 'a process that is stopped'; named stopped -qmp "unix:$dir/stopped,server=on,wait=off"; kill -STOP "$vm_pid"
# shellcheck disable=SC2016
timeout "$limit" sh -c 'until grep -q "^State:.T" "/proc/$1/status"; do :; done' sh "$vm_pid"
listed "$tag-stopped"; kill -KILL "$vm_pid"; expect 0 "$(object stopped null '"stopped"' null '"DIR/stopped"')" ''
it 'a QEMU that waits for its first client, and goes on waiting'
qemu-system-x86_64 -machine none -nodefaults -display none -name "$tag-waits" \
    -qmp "unix:$dir/waits,server=on" 2>"$dir/waits.err" & waits=$!; pids="$pids $waits"
# shellcheck disable=SC2016
timeout "$limit" sh -c 'until grep -q waiting "$1/waits.err"; do :; done' sh "$dir"
listed "$tag-waits"; expect 0 "$(object waits null '"waiting"' null '"DIR/waits"')" ''
it 'as one sees'; listed "$tag-waits"; expect 0 "$(object waits null '"waiting"' null '"DIR/waits"')" ''
it 'until one comes'; run call -s "$tag-waits" query-status -g status; expect 0 running ''
it 'and then it runs'; listed "$tag-waits"; expect 0 "$(object waits '"7.N.N"' '"running"' null '"DIR/waits"')" ''
it 'a socket that was removed'; named gone -qmp "unix:$dir/gone,server=on,wait=off"; rm "$dir/gone"; listed "$tag-gone"
expect 0 "$(object gone null '"gone"' null '"DIR/gone"')" ''
it 'one that wants TLS'; mkdir "$dir/psk"; echo 'qemu:00112233' >"$dir/psk/keys.psk"
if qemu-system-x86_64 -machine none -nodefaults -display none -name "$tag-tls" -daemonize -pidfile "$dir/tls.pid" \
    -object "tls-creds-psk,id=t,dir=$dir/psk,endpoint=server" \
    -chardev "socket,id=c,host=127.0.0.1,port=45678,server=on,wait=off,tls-creds=t" -mon c,mode=control 2>"$err"; then
    pids="$pids $(cat "$dir/tls.pid")"
    listed "$tag-tls" -g state; expect 0 'wants TLS' ''
fi
it 'a storage daemon has no state'
timeout "$limit" qemu-storage-daemon --daemonize --pidfile "$dir/ls-qsd.pid" \
    --chardev "socket,id=m,path=$dir/$tag-qsd.sock,server=on,wait=off" --monitor chardev=m || exit 1
pids="$pids $(cat "$dir/ls-qsd.pid")"; listed "$tag-qsd"
expect 0 '{"name": "TAG-qsd", "pid": PID, "program": "qemu-storage-daemon", "version": "7.N.N", "state": null, "holder": null, "addresses": ["DIR/TAG-qsd.sock"]}' ''

# A main loop that hangs in a command, until somebody writes to the FIFO that it reads.
it 'a QEMU that hangs is asked for half a second'
named hangs -qmp "unix:$dir/hangs,server=on,wait=off" -qmp "unix:$dir/hangs-2,server=on,wait=off"
mkfifo "$dir/gate" "$dir/opened"
timeout "$limit" sh -c 'exec 5>"$1/gate"; echo >"$1/opened"; read -r _ <"$1/opened"' sh "$dir" & gate=$!
timeout "$limit" "$qmp" call -s "$dir/hangs" blockdev-add \
    "{\"driver\": \"blkdebug\", \"node-name\": \"n\", \"config\": \"$dir/gate\", \"image\": {\"driver\": \"null-co\"}}" \
    >"$dir/ignored" & adding=$!
timeout "$limit" head -n 1 "$dir/opened" >/dev/null
run ls "$tag-hangs" "$tag-one" -g state; expect 0 'silent
running' ''
it 'it has greeted all the same'; run ls "$tag-hangs" -g version; shown; sed -i 's/7\.[0-9.]*/7.N.N/' "$out"; expect 0 7.N.N ''
kill "$gate"; wait "$gate" "$adding" 2>/dev/null

it 'many that hang take no longer than one'; mkdir "$dir/run"; export XDG_RUNTIME_DIR="$dir/run"
for i in 1 2 3 4 5 6; do serve hold; mv "$dir/peer" "$dir/run/$tag-silent$i.qmp"; done
before=$(date +%s); run ls --timeout 2s "$tag-silent*" -g state; after=$(date +%s); unset XDG_RUNTIME_DIR
[ $((after - before)) -lt 10 ] || echo "it took $((after - before)) s" >>"$out"
expect 0 'silent
silent
silent
silent
silent
silent' ''

# Somebody else's. The program has to be in a place where everybody may go.
it 'no permission'
chmod 711 "$dir"; mkdir -m 700 "$dir/secret"
named secret -qmp "unix:$dir/secret/vm,server=on,wait=off"
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups "$qmp" --version >/dev/null 2>&1; then
    somebody() { timeout "$limit" setpriv --reuid=65534 --regid=65534 --clear-groups "$qmp" "$@" >"$out" 2>"$err"; code=$?; shown; }
    somebody ls "$tag-one" "$tag-secret"
    expect 0 "$(object one null '"no permission"' null '"DIR/one"')
$(object secret null '"no permission"' null '"DIR/secret/vm"')" ''
    it 'a holder that one may not see'; hold "$dir/one"; somebody ls "$tag-one"; release
    expect 0 "$(object one null '"held"' '{"pid": null, "name": null}' '"DIR/one"')" ''
    it 'a name leads to the reason'; somebody call stop -s "$tag-secret"
    expect 4 '' 'qmp: cannot connect to DIR/secret/vm: no permission: it takes write permission on the socket, and search permission on the folders above it'
fi

# --- on a terminal ---------------------------------------------------------------------------------------------------

# screen COLUMNS WORD...: what a terminal of this width shows, each run of spaces as one; a line that is too wide is
# marked.
screen() {
    columns=$1; shift
    timeout "$limit" script -qec "stty cols $columns; '$qmp' $*" /dev/null </dev/null >"$out" 2>"$err"; code=$?
    sed -i -e 's/\r$//' -e '/^\^D/d' "$out"
    awk -v n="$columns" 'length > n { $0 = "TOO WIDE: " $0 } { print }' "$out" >"$out.marked"; mv "$out.marked" "$out"
    shown; sed -i -e 's/  */ /g' -e 's/ [0-9][0-9]* / PID /' -e 's/ 7\.[0-9.]* / 7.N.N /' "$out"
}
if command -v script >/dev/null; then
    export TERM=dumb
    it 'a table'; screen 200 ls --timeout 30s "$tag-one" "$tag-two"; expect 0 'NAME PID PROGRAM VERSION STATE MONITOR
TAG-one PID qemu-system-x86_64 7.N.N running DIR/one
TAG-two PID qemu-system-x86_64 7.N.N prelaunch DIR/two +1' ''
    it 'who holds it'; hold "$dir/one"; screen 200 ls --timeout 30s "$tag-one"; release
    sed -i 's/by [0-9]*/by PID/' "$out"; expect 0 'NAME PID PROGRAM VERSION STATE MONITOR
TAG-one PID qemu-system-x86_64 - held by PID (socat) DIR/one' ''
    it 'a narrow terminal: the ends of addresses'; named box -S -qmp "unix:$dir/a-socket-with-a-rather-long-name,server=on,wait=off"
    screen 80 ls --timeout 30s "$tag-box"; sed -i 's/~.*$/~END/' "$out"; expect 0 'NAME PID PROGRAM VERSION STATE MONITOR
TAG-box PID qemu-system-x86_64 7.N.N prelaunch ~END' ''
    it 'narrower: no programs'; screen 65 ls --timeout 30s "$tag-box"; sed -i 's/~.*$/~END/' "$out"
    expect 0 'NAME PID VERSION STATE MONITOR
TAG-box PID 7.N.N prelaunch ~END' ''
    it 'narrower: no versions'; screen 51 ls --timeout 30s "$tag-box"; sed -i 's/~.*$/~END/' "$out"
    expect 0 'NAME PID STATE MONITOR
TAG-box PID prelaunch ~END' ''
    it 'narrower: no addresses'; screen 42 ls --timeout 30s "$tag-box"; expect 0 'NAME PID STATE
TAG-box PID prelaunch' ''
    it 'narrower: no pids'; screen 24 ls --timeout 30s "$tag-box"; expect 0 'NAME STATE
TAG-box prelaunch' ''
    it 'as narrow as that'; screen 8 ls --timeout 30s "$tag-box"; sed -i 's/^[^~]*~.*/CUT/' "$out"; expect 0 'CUT
CUT' ''
    it 'objects all the same'; screen 200 ls --timeout 30s "$tag-one" -g state; expect 0 running ''
    it 'in colour'; esc=$(printf '\033'); TERM=xterm; screen 200 ls --timeout 30s "$tag-two"
    sed -i -e "s/$esc\[\([0-9]*\)m/<\1>/g" -e 's/<1> PID/<1>PID/' "$out"; expect 0 '<1>NAME <0> <1>PID<0> <1>PROGRAM <0> <1>VERSION<0> <1>STATE <0> <1>MONITOR<0>
<1>TAG-two<0> PID <2>qemu-system-x86_64<0> 7.N.N <33>prelaunch<0> DIR/two +1' ''
    it 'a name that a terminal would obey'; TERM=dumb; named "$(printf 'evil\033[2J')" -qmp "unix:$dir/evil,server=on,wait=off"
    screen 200 ls --timeout 30s "$tag-evil*"; sed -i 's/ PID.*//' "$out"; expect 0 'NAME
TAG-evil\x1b[2J' ''
fi
