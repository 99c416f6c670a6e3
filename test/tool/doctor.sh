# SPDX-License-Identifier: MIT
# The doctor: healthy ones, and every illness that can be made.

tag=d$$ started=${started:-0}

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
    sed -i -e "s/$tag/TAG/g" -e 's/QEMU [0-9][0-9.]* ([^()]*)/QEMU VERSION/' -e 's/after [0-9.]* [mu]*s/after TIME/' \
        -e 's/kill -CONT [0-9]*/kill -CONT PID/' -e 's/gdb -p [0-9]*/gdb -p PID/' "$out" "$err"
}

# examined WORD...
examined() { run doctor --connect-timeout "${limit}s" "$@"; shown; }

# What most examinations begin with; what a healthy one ends with.
begun='ok     file          a socket
ok     permission    this user may connect'
listening='ok     listening     qemu-system-x86_64 (pid PID)
ok     process       alive'
talked='ok     connection    made
ok     greeting      QEMU VERSION
ok     negotiation   done, out-of-band execution is on
ok     in-band       a command was answered after TIME
ok     out-of-band   a command was answered after TIME'
two='ok     spare         QEMU has 2 monitors'
where="or see where it is, with gdb -p PID and then 'thread apply all backtrace'"
only="note   spare         this is QEMU's only monitor: while one client uses it, others wait; one more -qmp is one more client"

# --- healthy ---------------------------------------------------------------------------------------------------------

it 'help of doctor'; run doctor --help; expect_file 0 help/doctor.txt
named one -qmp "unix:$dir/one,server=on,wait=off" -qmp "unix:$dir/one-2,server=on,wait=off"
healthy="$begun
$listening
ok     purpose       a QMP monitor
ok     free          it serves nobody now
$talked
ok     state         running: the guest runs
$two

It works."
it 'a healthy one'; examined "$dir/one"; expect 0 "DIR/one, of the VM 'TAG-one'
$healthy" ''
it 'by its name'; examined "$tag-one"; expect 0 "DIR/one, of the VM 'TAG-one'
$healthy" ''
it 'by -s'; examined -s "unix:$dir/one"; expect 0 "unix:DIR/one, of the VM 'TAG-one'
$healthy" ''
it 'by the environment'; export QMP_SOCKET="$dir/one"; examined; unset QMP_SOCKET; expect 0 "DIR/one, of the VM 'TAG-one'
$healthy" ''
it 'no room for the answer'; timeout "$limit" "$qmp" doctor "$dir/one" >/dev/full 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: No space left on device'
it 'for people'; LC_ALL=C.UTF-8 timeout "$limit" "$qmp" doctor "$dir/one" >"$out" 2>"$err"; code=$?; shown
sed -i -n -e 2p -e '$p' "$out"; expect 0 '✓ file          a socket
It works.' ''
it 'in colour'; run doctor "$dir/one" --color always; shown; sed -i -n -e "s/$(printf '\033')\[\([0-9]*\)m/<\1>/g" -e 1,2p "$out"
expect 0 "<1>DIR/one, of the VM 'TAG-one'<0>
<32>ok    <0> file          a socket" ''
it 'for programs'; examined "$dir/one" -o short; sed -i 's/, {"step": "permission.*"state"/ ... {"step": "state"/' "$out"
expect 0 '{"address": "DIR/one", "works": true, "status": 0, "name": "TAG-one", "steps": [{"step": "file", "result": "ok", "text": "a socket"} ... {"step": "state", "result": "ok", "text": "running: the guest runs"}, {"step": "spare", "result": "ok", "text": "QEMU has 2 monitors"}]}' ''
it 'one value'; examined "$dir/one" -g works; expect 0 true ''
it 'one that does not run'; named two -S -qmp "unix:$dir/two,server=on,wait=off"; examined "$tag-two"
expect 0 "DIR/two, of the VM 'TAG-two'
$begun
$listening
ok     purpose       a QMP monitor
ok     free          it serves nobody now
$talked
note   state         prelaunch: QEMU was started with -S: the guest has not run yet
$only

It works.
What to do: 'qmp call cont' lets the guest run" ''
it 'one that is paused'; run call cont -s "$tag-two"; run call stop -s "$tag-two"; examined "$tag-two"
sed -i '1,/^ok     out-of-band/d' "$out"; expect 0 "note   state         paused: somebody stopped the guest
$only

It works.
What to do: 'qmp call cont' lets it run on" ''
it 'a guest that has panicked'
timeout "$limit" qemu-system-x86_64 -M pc -m 16 -nodefaults -display none -daemonize -pidfile "$dir/panic.pid" \
    -name "$tag-panic" -device pvpanic -action panic=pause -qmp "unix:$dir/panic,server=on,wait=off" || exit 1
pids="$pids $(cat "$dir/panic.pid")"
run call human-monitor-command command-line='o/b 0x505 1' -s "$dir/panic"; examined "$tag-panic"
sed -i '1,/^ok     out-of-band/d' "$out"; expect 0 "note   state         guest-panicked: the guest's kernel has crashed
$only

It works.
What to do: 'qmp call system_reset' starts it again" ''
it 'a storage daemon has no state'
timeout "$limit" qemu-storage-daemon --daemonize --pidfile "$dir/doctor-qsd.pid" \
    --chardev "socket,id=m,path=$dir/$tag-qsd,server=on,wait=off" --monitor chardev=m || exit 1
pids="$pids $(cat "$dir/doctor-qsd.pid")"; examined "$dir/$tag-qsd"; sed -i '1,/negotiation /d' "$out"
expect 0 "ok     in-band       a command was answered after TIME
$only

It works." ''
it 'one without out-of-band execution'; serve 'send={"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": 3}, "package": ""}, "capabilities": []}}' recv 'send={"return": {}, "id": @ID@}' recv \
    'send={"return": {}, "id": @ID@}' recv 'send={"return": {"status": "\u001b[2J"}, "id": @ID@}' hold
examined "$dir/peer"; expect 0 "DIR/peer
$begun
ok     listening     tool-peer (pid PID)
ok     process       alive
ok     free          it serves nobody now
ok     connection    made
ok     greeting      QEMU 3.2.1
ok     negotiation   done, out-of-band execution is not offered
ok     in-band       a command was answered after TIME
note   state         \\x1b[2J: a state that is not known here

It works." ''

# --- files -----------------------------------------------------------------------------------------------------------

advice="What to do: start QEMU with -qmp unix:PATH,server=on,wait=off and this PATH; 'qmp ls' shows the monitors that there are"
it 'no such file'; examined "$dir/nothing-like-it"; expect 4 "DIR/nothing-like-it
FAILED file          there is no such file

It does not work: there is no such file
$advice" ''
it 'a name that is nearly right'; examined "$dir/oen"; expect 4 "DIR/oen
FAILED file          there is no such file

It does not work: there is no such file
What to do: did you mean DIR/one?" ''
it 'no such folder'; examined "$dir/a/b/vm.qmp"; expect 4 "DIR/a/b/vm.qmp
FAILED file          there is no folder DIR/a

It does not work: there is no folder DIR/a
$advice" ''
it 'a link to nothing'; ln -s nothing "$dir/link"; examined "$dir/link"; expect 4 "DIR/link
FAILED file          it is a symbolic link to something that is not there

It does not work: it is a symbolic link to something that is not there
$advice" ''
made='What to do: look what made it; QEMU makes a socket when it is started with -qmp unix:PATH,server=on,wait=off'
it 'a file'; : >"$dir/file"; examined "$dir/file"; expect 4 "DIR/file
FAILED file          it is a file, no socket

It does not work: it is a file, no socket
$made" ''
it 'a folder'; examined "$dir"; expect 4 "DIR
FAILED file          it is a folder, no socket

It does not work: it is a folder, no socket
$made" ''
it 'a file in the place of a folder'; examined "$dir/file/vm"; expect 4 "DIR/file/vm
FAILED file          Not a directory

It does not work: Not a directory" ''
it 'a socket that is left over'; named dead -qmp "unix:$dir/dead,server=on,wait=off"; kill -KILL "$vm_pid"
# shellcheck disable=SC2016
timeout "$limit" sh -c 'while kill -0 "$1" 2>/dev/null; do :; done' sh "$vm_pid"
examined "$dir/dead"; expect 4 "DIR/dead
$begun
FAILED connection    nobody listens: the file is left over from a QEMU that has gone

It does not work: nobody listens: the file is left over from a QEMU that has gone
What to do: start QEMU again, which makes the socket anew" ''

it 'a folder that one may not pass'
chmod 711 "$dir"; mkdir -m 700 "$dir/secret"; named secret -qmp "unix:$dir/secret/vm,server=on,wait=off"
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups "$qmp" --version >/dev/null 2>&1; then
    somebody() { timeout "$limit" setpriv --reuid=65534 --regid=65534 --clear-groups "$qmp" "$@" >"$out" 2>"$err"; code=$?; shown; }
    permission='What to do: run qmp as a user who may, or give this one permission; QEMU makes the socket anew at each start, so a group of the folder lasts longer'
    somebody doctor "$tag-secret"; expect 4 "DIR/secret/vm, of the VM 'TAG-secret'
FAILED permission    user nobody may not pass through the folder DIR/secret (rwx------, of root, group root)

It does not work: user nobody may not pass through the folder DIR/secret (rwx------, of root, group root)
$permission" ''
    it 'a socket that one may not write to'; chmod 750 "$dir/one"; somebody doctor "$dir/one"
    expect 4 "DIR/one, of the VM 'TAG-one'
ok     file          a socket
FAILED permission    user nobody may not write to the socket DIR/one (rwxr-x---, of root, group root)

It does not work: user nobody may not write to the socket DIR/one (rwxr-x---, of root, group root)
$permission" ''
    it 'one that may only be written to'; chmod 722 "$dir/one"; somebody doctor "$dir/one"; chmod 755 "$dir/one"
    expect 0 "DIR/one, of the VM 'TAG-one'
$healthy" ''
fi

# --- processes -------------------------------------------------------------------------------------------------------

it 'a process that is stopped'; named stopped -qmp "unix:$dir/stopped,server=on,wait=off"; kill -STOP "$vm_pid"
# shellcheck disable=SC2016
timeout "$limit" sh -c 'until grep -q "^State:.T" "/proc/$1/status"; do :; done' sh "$vm_pid"
examined "$tag-stopped"; kill -KILL "$vm_pid"; expect 5 "DIR/stopped, of the VM 'TAG-stopped'
$begun
ok     listening     qemu-system-x86_64 (pid PID)
FAILED process       pid PID is stopped, by a signal

It does not work: pid PID is stopped, by a signal
What to do: kill -CONT PID lets it run on" ''

holding="$begun
$listening
ok     purpose       a QMP monitor
FAILED free          socat (pid PID) holds this monitor, which serves one client at a time

It does not work: socat (pid PID) holds this monitor, which serves one client at a time"
it 'a monitor that is held'; hold "$dir/two"; examined "$tag-two"; release; expect 5 "DIR/two, of the VM 'TAG-two'
$holding
What to do: end that client, or ask through it; started with one more -qmp, QEMU serves two clients at the same time" ''
it 'one that has a free neighbour'; hold "$dir/one"; examined "$dir/one"; release
expect 5 "DIR/one, of the VM 'TAG-one'
$holding
What to do: use the other monitor of this QEMU, which is free: DIR/one-2" ''
it 'a QEMU that waits for its first client'
qemu-system-x86_64 -machine none -nodefaults -display none -name "$tag-waits" \
    -qmp "unix:$dir/waits,server=on" 2>"$dir/waits.err" & pids="$pids $!"
# shellcheck disable=SC2016
timeout "$limit" sh -c 'until grep -q waiting "$1/waits.err"; do :; done' sh "$dir"
examined "$tag-waits"; expect 0 "DIR/waits, of the VM 'TAG-waits'
$begun
$listening
ok     purpose       a QMP monitor
note   start         QEMU waits here for its first client before it starts (wait=on)

Nothing is wrong so far.
What to do: connect to let it start: any other verb does" ''

it 'the same once one has come'; run call stop -s "$tag-waits"; examined "$tag-waits"; sed -n '/^It works/p' "$out" >"$out.works"; mv "$out.works" "$out"; expect 0 'It works.' ''
it 'what may serve many may serve one more'
timeout "$limit" socat "UNIX-LISTEN:$dir/proxy,fork" "UNIX-CONNECT:$dir/one" 2>/dev/null & proxy=$!
# shellcheck disable=SC2016
timeout "$limit" sh -c 'until [ -S "$1/proxy" ]; do :; done' sh "$dir"
hold "$dir/proxy"; run doctor "$dir/proxy" --connect-timeout 1s; shown; release; kill "$proxy"; wait "$proxy" 2>/dev/null
sed -i '/^$/,$d' "$out"; expect 5 "DIR/proxy
$begun
ok     listening     socat (pid PID)
ok     process       alive
note   free          socat (pid PID) is connected
ok     connection    made
FAILED greeting      no greeting within 1 s: another client (pid PID, socat) holds this monitor" ''

# --- sockets for something else --------------------------------------------------------------------------------------

# other NAME OUTPUT_FROM_PURPOSE: the socket $dir/NAME of a QEMU that has no QMP monitor.
other() { examined "$dir/$1"; expect 7 "DIR/$1
$begun
ok     listening     qemu-system-x86 (pid PID)
ok     process       alive
$2" ''; }
timeout "$limit" qemu-system-x86_64 -M pc -m 16 -S -nodefaults -display none -daemonize -pidfile "$dir/other.pid" \
    -monitor "unix:$dir/hmp,server=on,wait=off" -serial "unix:$dir/serial,server=on,wait=off" -device virtio-serial-pci \
    -chardev "socket,id=a,path=$dir/agent,server=on,wait=off" -chardev "socket,id=v,path=$dir/port,server=on,wait=off" \
    -device virtserialport,chardev=a,name=org.qemu.guest_agent.0 -device virtserialport,chardev=v,name=x || exit 1
pids="$pids $(cat "$dir/other.pid")"
it 'the monitor for people'; other hmp "FAILED purpose       this is QEMU's monitor for people (HMP), which does not speak QMP

It does not work: this is QEMU's monitor for people (HMP), which does not speak QMP
What to do: start QEMU with -qmp unix:PATH,server=on,wait=off, or give this -mon mode=control"
it 'a serial port'; other serial "FAILED purpose       this socket is for 'serial' of QEMU, and no monitor

It does not work: this socket is for 'serial' of QEMU, and no monitor"
it 'a device'; other port "FAILED purpose       this socket is for 'virtserialport' of QEMU, and no monitor

It does not work: this socket is for 'virtserialport' of QEMU, and no monitor"
it 'the way to the guest agent'; other agent "FAILED purpose       this leads to the guest agent in the guest, not to QEMU

It does not work: this leads to the guest agent in the guest, not to QEMU
What to do: qmp ga talks to agents: qmp ga ping -s DIR/agent"
it 'a guest agent'
if command -v qemu-ga >/dev/null; then
    timeout "$limit" qemu-ga -m unix-listen -p "$dir/qga" -t "$dir" -f "$dir/qga.pid" -d; pids="$pids $(cat "$dir/qga.pid")"
    # shellcheck disable=SC2016
    timeout "$limit" sh -c 'until [ -S "$1/qga" ]; do :; done' sh "$dir"
    examined "$dir/qga"; expect 7 "DIR/qga
$begun
ok     listening     qemu-ga (pid PID)
ok     process       alive
FAILED purpose       this is a guest agent, not a monitor

It does not work: this is a guest agent, not a monitor
What to do: qmp ga talks to agents: qmp ga ping -s DIR/qga" ''
fi
# A server that is no QEMU, up to its first words.
met="DIR/peer
$begun
ok     listening     tool-peer (pid PID)
ok     process       alive
ok     free          it serves nobody now
ok     connection    made"
it 'a VNC server'; serve 'send=RFB 003.008
' hold; examined "$dir/peer"; expect 7 "$met
FAILED greeting      this is a VNC server

It does not work: this is a VNC server" ''
it 'HMP behind something'; serve "send=QEMU 7.2.22 monitor - type 'help' for more information
" hold; examined "$dir/peer"; expect 7 "$met
FAILED greeting      this is QEMU's monitor for people (HMP)

It does not work: this is QEMU's monitor for people (HMP)
What to do: for QMP, start QEMU with -qmp unix:PATH,server=on,wait=off, or give this -mon the option mode=control" ''
it 'something else'; serve "send=$(printf '\033[2Jhello')" hold; examined "$dir/peer"; expect 7 "$met
FAILED greeting      the server sent what is not JSON (no message starts like this): \\x1b[2Jhello

It does not work: the server sent what is not JSON (no message starts like this): \\x1b[2Jhello" ''
it 'a server that closes'; serve; examined "$dir/peer"; expect 6 "$met
FAILED greeting      the server closed the connection before its greeting

It does not work: the server closed the connection before its greeting" ''
it 'a server that is silent'; serve hold; run doctor "$dir/peer" --connect-timeout 1s; shown; sed -i 's/pid [0-9]*/pid PID/' "$out"
expect 5 "$met
FAILED greeting      no greeting within 1 s: the server is hung, or serves another client, or is no QMP server

It does not work: no greeting within 1 s: the server is hung, or serves another client, or is no QMP server
What to do: ask what it is, if it is no QEMU; $where" ''
it 'a server that refuses the negotiation'; serve greeting recv 'send={"id": @ID@, "error": {"class": "GenericError", "desc": "no"}}' hold
examined "$dir/peer"; expect 7 "$met
ok     greeting      QEMU 7.2.0
FAILED negotiation   the server refused the negotiation: GenericError: no

It does not work: the server refused the negotiation: GenericError: no" ''
with_oob='send={"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}'
empty='send={"return": {}, "id": @ID@}'
it 'a server that dies of a command'; serve "$with_oob" recv "$empty" recv; examined "$dir/peer"; expect 6 "$met
ok     greeting      QEMU 7.2.0
ok     negotiation   done, out-of-band execution is on
FAILED in-band       the server closed the connection

It does not work: the server closed the connection" ''
it 'a server that does not answer, but out of band'; serve "$with_oob" recv "$empty" recv recv "$empty" hold
run doctor "$dir/peer" --timeout 2s; shown; sed -i -e 's/within [0-9.]* m*s/within TIME/' "$out"; expect 3 "$met
ok     greeting      QEMU 7.2.0
ok     negotiation   done, out-of-band execution is on
FAILED in-band       a command was not answered within TIME
ok     out-of-band   a command was answered after TIME

It does not work: a command was not answered within TIME
What to do: wait: its main loop is busy, or hangs; $where" ''

it 'one that goes meanwhile: the first that is bad counts'; serve "$with_oob" recv "$empty" recv recv
run doctor "$dir/peer" --timeout 2s -g verdict; sed -i -e 's/within [0-9.]* m*s/within TIME/' "$out"
expect 3 'a command was not answered within TIME' ''

it 'a QEMU whose main loop hangs'
mkfifo "$dir/gate" "$dir/opened"
timeout "$limit" sh -c 'exec 5>"$1/gate"; echo >"$1/opened"; read -r _ <"$1/opened"' sh "$dir" & gate=$!
timeout "$limit" "$qmp" call -s "$dir/one" blockdev-add \
    "{\"driver\": \"blkdebug\", \"node-name\": \"n\", \"config\": \"$dir/gate\", \"image\": {\"driver\": \"null-co\"}}" \
    >"$dir/ignored" & adding=$!
timeout "$limit" head -n 1 "$dir/opened" >/dev/null
run doctor "$dir/one-2" --connect-timeout 1s; shown; kill "$gate"; wait "$gate" "$adding" 2>/dev/null
expect 5 "DIR/one-2, of the VM 'TAG-one'
$begun
$listening
ok     purpose       a QMP monitor
ok     free          it serves nobody now
ok     connection    made
ok     greeting      QEMU VERSION
FAILED negotiation   QEMU greets, but takes no commands: its main loop is busy or hangs

It does not work: QEMU greets, but takes no commands: its main loop is busy or hangs
What to do: wait: a slow disk, a dead network file system or a long command holds it up; $where" ''

# --- other kinds of addresses ----------------------------------------------------------------------------------------

it 'TCP'; named net -qmp "unix:$dir/net,server=on,wait=off" \
    -chardev socket,id=net,host=127.0.0.1,port=0,server=on,wait=off -mon chardev=net,mode=control
port=$(timeout "$limit" "$qmp" call -s "$dir/net" query-chardev |
    sed -n 's/.*"filename": *"[^"]*:\([0-9]*\),server=on"[^{}]*"label": *"net".*/\1/p')
examined "tcp:localhost:$port"; sed -i "s/:$port/:PORT/" "$out"; expect 0 "tcp:localhost:PORT
$talked
ok     state         running: the guest runs

It works." ''
it 'a TCP port where nobody listens'; kill -KILL "$vm_pid"
# shellcheck disable=SC2016
timeout "$limit" sh -c 'while kill -0 "$1" 2>/dev/null; do :; done' sh "$vm_pid"
examined "tcp:127.0.0.1:$port"; sed -i "s/:$port/:PORT/" "$out"; expect 4 "tcp:127.0.0.1:PORT
FAILED connection    nobody listens there: its QEMU has gone, or waits for nobody (server=off)

It does not work: nobody listens there: its QEMU has gone, or waits for nobody (server=off)
What to do: start QEMU with this address, and server=on; 'qmp ls' shows the monitors that there are" ''
it 'a host that has no address'; examined tcp:no-such-host.invalid:4444; sed -i 's/address: .*/address: WHY/' "$out"
expect 4 'tcp:no-such-host.invalid:4444
FAILED name          the name no-such-host.invalid has no address: WHY

It does not work: the name no-such-host.invalid has no address: WHY
What to do: look for a typing error, or say the number' ''
it 'name servers that are silent'
# A sanitizer wants to be the first library, and is told not to mind.
silent() {
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD="${peer%/*}/silent-names.so" \
        timeout "$limit" "$qmp" doctor "$@" >"$out" 2>"$err"; code=$?
}
silent tcp:host.invalid:4444 --timeout 100ms; sed -i 's/within [0-9.]* ms/within T/' "$out"; expect 4 'tcp:host.invalid:4444
FAILED name          no answer within T, when the address of host.invalid was asked for

It does not work: no answer within T, when the address of host.invalid was asked for
What to do: say the number, or look why this machine'"'"'s name servers are silent: resolv.conf(5)' ''
it 'name servers that are silent, and the time of a connection'; silent tcp:host.invalid:4444 --connect-timeout 10ms
grep FAILED "$out" >"$out.1"; mv "$out.1" "$out"
expect 4 'FAILED name          no answer within 10 ms, when the address of host.invalid was asked for' ''
it 'a command'; examined "exec:socat - UNIX-CONNECT:$dir/one"; expect 0 "exec:socat - UNIX-CONNECT:DIR/one
$talked
ok     state         running: the guest runs

It works." ''
it 'a command that ends'; examined exec:true; expect 4 'exec:true
ok     connection    made
FAILED greeting      the server closed the connection before its greeting; the command ended with status 0

It does not work: the server closed the connection before its greeting; the command ended with status 0' ''
it 'a descriptor that is not open'; examined fd:987; expect 4 'fd:987
FAILED connection    this process has no such descriptor open

It does not work: this process has no such descriptor open' ''

# --- usage -----------------------------------------------------------------------------------------------------------

doctor_hint="qmp: 'qmp doctor --help' says more"
it 'no address'; run doctor; expect 2 '' "qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET
$doctor_hint"
it 'two addresses'; run doctor a b; expect 2 '' "qmp: 'doctor' takes one address
$doctor_hint"
it 'one twice'; run doctor a -s b; expect 2 '' "qmp: 'doctor' takes one address
$doctor_hint"
it 'a name that nobody has'; run doctor none-such-at-all-here
expect 8 '' "qmp: no VM is called 'none-such-at-all-here', and no file here; 'qmp ls' shows the VMs"
it 'a mistake'; run doctor TCP:a:1; expect 2 '' "qmp: 'TCP:a:1' is no address: small letters: tcp:a:1
$doctor_hint"
it 'no address for the library'; run doctor tcp:a; expect 2 'tcp:a' "qmp: tcp:a is an address without a port; $grammar
$doctor_hint"
it 'a path with options'; run doctor /none/vm,server=on; expect 2 /none/vm,server=on \
    "qmp: /none/vm,server=on is an address with QEMU's options behind it, which are no part of it (leave out everything from the comma on); $grammar
$doctor_hint"
