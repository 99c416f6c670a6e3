# SPDX-License-Identifier: MIT
# VMs by name, all of them at once, and addresses that are nearly right.
#
# Other VMs may run on this machine, so the names here have the pid of this run in them. What needs a machine of its own
# gets a process namespace, where that is allowed.

tag=t$$
shown() { sed -i -e "s/$tag/TAG/g" -e 's/qemu-[0-9][0-9]*/qemu-PID/g' "$out" "$err"; }

# named NAME ARGUMENT...: a QEMU with -name, started in $folder, whose monitors the arguments make; ready when this
# returns.
folder=. started=${started:-0}
named() {
    named=$1 started=$((started + 1)); shift
    (cd "$folder" && timeout "$limit" qemu-system-x86_64 -machine none -nodefaults -display none -daemonize \
        -pidfile "$dir/pid$started" -name "$named" "$@") || exit 1
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

named "$tag-one" -qmp "unix:$dir/one.qmp,server=on,wait=off" -qmp "unix:$dir/one-2.qmp,server=on,wait=off"

it 'a name is an address'; run -s "$tag-one" call query-name -g name; shown; expect 0 TAG-one ''
it 'also in the environment'; export QMP_SOCKET="$tag-one"; run call query-name -g name; unset QMP_SOCKET; shown
expect 0 TAG-one ''
it 'a monitor that somebody holds is passed over'; hold "$dir/one.qmp"; run -s "$tag-one" call stop; release
expect 0 '{}' ''
it 'when all are held, it says by whom'; hold "$dir/one.qmp"; exec 5<&4; first=$holder
rm -f "$dir/greeting"; mkfifo "$dir/greeting"
timeout "$limit" socat -u "UNIX-CONNECT:$dir/one-2.qmp" - >"$dir/greeting" & holder=$!
exec 4<"$dir/greeting"; timeout "$limit" head -n 1 <&4 >/dev/null
run -s "$tag-one" call stop --connect-timeout 1s; release; holder=$first; release; exec 5<&-
expect 5 '' 'qmp: connected to DIR/one.qmp, but no greeting within 1 s: another client (pid PID, socat) holds this monitor'
it 'a file of that name goes first'; (cd "$dir" && ln -s one.qmp "$tag-two"); named "$tag-two" -S -qmp "unix:$dir/two.qmp,server=on,wait=off"
(cd "$dir" && run -s "$tag-two" call query-name -g name; echo "$code" >"$dir/code"); code=$(cat "$dir/code"); shown
expect 0 TAG-one ''
it 'elsewhere it is the name'; run -s "$tag-two" call query-name -g name; shown; expect 0 TAG-two ''

it 'nobody has the name'; run -s "$tag-none" call stop; shown
expect 8 '' "qmp: no VM is called 'TAG-none', and no file here; did you mean 'TAG-one'?"
it 'nobody has one like it'; run -s none-such-at-all-here call stop
expect 8 '' "qmp: no VM is called 'none-such-at-all-here', and no file here; 'qmp ls' shows the VMs"
it 'what looks like a file is one'; run -s "$tag-none.qmp" call stop; shown; expect 4 '' \
    'qmp: cannot connect to TAG-none.qmp: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'a name is waited for'; start -s "$tag-late" --wait-for-socket 30s call query-name -g name; : >"$out"
named "$tag-late" -qmp "unix:$dir/late.qmp,server=on,wait=off"; line; end; shown; expect 0 TAG-late ''
it 'two have the name'; named "$tag-late" -qmp "unix:$dir/late-2.qmp,server=on,wait=off"
run -s "$tag-late" call stop; shown; sort "$err" >"$err.sorted"; mv "$err.sorted" "$err"
expect 2 '' "qmp:   DIR/late-2.qmp (pid PID)
qmp:   DIR/late.qmp (pid PID)
qmp: 'qmp call --help' says more
qmp: more than one VM is called 'TAG-late'; say which one by its address:"
it 'which waiting does not mend'; run -s "$tag-late" call stop --wait-for-socket 30s; shown; sort "$err" >"$err.sorted"
mv "$err.sorted" "$err"; expect 2 '' "qmp:   DIR/late-2.qmp (pid PID)
qmp:   DIR/late.qmp (pid PID)
qmp: 'qmp call --help' says more
qmp: more than one VM is called 'TAG-late'; say which one by its address:"
it 'who has no name here is gone'; run wait gone -s none-such-at-all-here; expect 0 null ''
it 'the socket was removed'; named "$tag-bare" -qmp "unix:$dir/bare.qmp,server=on,wait=off"; rm "$dir/bare.qmp"
run -s "$tag-bare" call stop; shown; expect 4 '' \
    "qmp: the monitor of 'TAG-bare' is out of reach: its socket was removed, or it takes more permission to find it"
it 'several by name'; run -s "$tag-one" -s "$tag-two" call query-status -g running; shown
sort "$out" >"$out.sorted"; mv "$out.sorted" "$out"; expect 0 'TAG-one	false
TAG-two	false' ''
it 'a name with control characters'; run -s "$(printf 'a\033b')" call stop
expect 8 '' "qmp: no VM is called 'a\\x1bb', and no file here; 'qmp ls' shows the VMs"

it 'a VM is gone when its name is'; named "$tag-going" -qmp "unix:$dir/going,server=on,wait=off" -qmp "unix:$dir/going-2,server=on,wait=off"
start wait gone -s "$tag-going" --timeout 30s; run call quit -s "$dir/going-2"; : >"$out"; line; end; expect 0 null ''

# --- where monitors are ----------------------------------------------------------------------------------------------

# reached NAME: asks the VM of this name for its own; it has no name when it is a storage daemon.
reached() { run -s "$1" call query-version -g qemu.major; shown; expect 0 7 ''; }

it 'a relative path, and a QEMU that has left its folder'; folder=$dir
named "$tag-rel" -qmp "unix:rel.qmp,server=on,wait=off"; folder=.; reached "$tag-rel"
it 'a path with commas'; named "$tag-comma" -qmp "unix:$dir/a,,b,server=on,wait=off"; reached "$tag-comma"
it 'an abstract name'; named "$tag-abstract" -qmp "unix:$tag,abstract=on,server=on,wait=off"; reached "$tag-abstract"
it 'a character device'
named "$tag-chardev" -mon m,mode=control -chardev "socket,id=m,path=$dir/chardev.qmp,server=on,wait=off"
reached "$tag-chardev"
it 'TCP'; named "$tag-probe" -qmp "unix:$dir/probe.qmp,server=on,wait=off" \
    -chardev socket,id=net,host=127.0.0.1,port=0,server=on,wait=off
port=$(timeout "$limit" "$qmp" call -s "$dir/probe.qmp" query-chardev |
    sed -n 's/.*"filename": *"[^"]*:\([0-9]*\),server=on"[^{}]*"label": *"net".*/\1/p')
kill -KILL "$vm_pid"
for _ in 1 2 3 4 5; do
    timeout "$limit" qemu-system-x86_64 -machine none -nodefaults -display none -daemonize -pidfile "$dir/tcp.pid" \
        -name "$tag-tcp" -qmp "tcp::$port,server=on,wait=off" 2>"$err" && break
done
pids="$pids $(cat "$dir/tcp.pid")"; reached "$tag-tcp"
it 'a descriptor that it was started with'
cat >"$dir/fd.py" <<END
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
os.dup2(s.fileno(), 30)
os.execvp(sys.argv[2], sys.argv[2:])
END
timeout "$limit" python3 "$dir/fd.py" "$dir/fd.qmp" qemu-system-x86_64 -machine none -nodefaults -display none -daemonize \
    -pidfile "$dir/fd.pid" -name "guest=$tag-fd,debug-threads=on" -chardev socket,id=charmonitor,fd=30,server=on,wait=off \
    -mon chardev=charmonitor,id=monitor,mode=control
pids="$pids $(cat "$dir/fd.pid")"; reached "$tag-fd"
it 'a storage daemon, by its socket'
timeout "$limit" qemu-storage-daemon --daemonize --pidfile "$dir/qsd.pid" \
    --chardev "socket,id=m,path=$dir/$tag-qsd.sock,server=on,wait=off" --monitor chardev=m || exit 1
pids="$pids $(cat "$dir/qsd.pid")"; reached "$tag-qsd"
it 'no -name: the name of the socket'; vm "$tag-unnamed"; reached "$tag-unnamed"
it 'two with sockets of the same name have none of it'; mkdir "$dir/more"
timeout "$limit" qemu-system-x86_64 -machine none -nodefaults -display none -daemonize -pidfile "$dir/more.pid" \
    -qmp "unix:$dir/more/$tag-unnamed.qmp,server=on,wait=off"
more=$(cat "$dir/more.pid"); pids="$pids $more"
run -s "$tag-unnamed" call stop; shown; sed -i 's/;.*//' "$err"
expect 8 '' "qmp: no VM is called 'TAG-unnamed', and no file here"
it 'but one of their pids'; reached "qemu-$more"
it 'a socket in a usual folder'; mkdir "$dir/run"; export XDG_RUNTIME_DIR="$dir/run"
serve greet recv 'send={"return": {"qemu": {"major": 7}}, "id": @ID@}' hold; ln -s "$dir/peer" "$dir/run/$tag-peer.qmp"
reached "$tag-peer"
it 'one that is left over there is none'; run -s "$tag-peer" call stop; shown; sed -i 's/;.*//' "$err"
expect 8 '' "qmp: no VM is called 'TAG-peer', and no file here"
unset XDG_RUNTIME_DIR
it 'another mount namespace'
if unshare -m true 2>/dev/null; then
    mkdir "$dir/inside"
    # shellcheck disable=SC2016
    timeout "$limit" unshare -m sh -c 'mount -t tmpfs none "$1/inside" && exec qemu-system-x86_64 -machine none -nodefaults \
        -display none -daemonize -pidfile "$1/inside.pid" -name "$2" -qmp "unix:$1/inside/x.qmp,server=on,wait=off"' \
        sh "$dir" "$tag-inside"
    pids="$pids $(cat "$dir/inside.pid")"; reached "$tag-inside"
fi
it 'a program that only has the arguments of a QEMU'
timeout "$limit" sh -c "exec sleep 30" qemu-system-x86_64 -qmp "unix:$dir/one.qmp,server=on" -name "$tag-fake" & fake=$!
run -s "$tag-fake" call stop; shown; sed -i 's/;.*//' "$err"; { kill "$fake"; wait "$fake"; } 2>/dev/null
expect 8 '' "qmp: no VM is called 'TAG-fake', and no file here"

# --- all of them -----------------------------------------------------------------------------------------------------

it '--all and --socket'; run -a -s "$tag-one" call stop; shown; expect 2 '' "qmp: --all and --socket exclude each other
$call_hint"
it '--all where one is wanted'; run -a doctor; expect 2 '' "qmp: 'doctor' takes one address
qmp: 'qmp doctor --help' says more"
if unshare -pf --mount-proc true 2>/dev/null; then
    # alone COMMAND: in a process namespace where no QEMU runs yet; $1 is the folder, $2 qmp, "$3" starts a QEMU.
    alone() {
        timeout "$limit" unshare -pf --mount-proc sh -c "
            start() { qemu-system-x86_64 -machine none -nodefaults -display none -daemonize \"\$@\"; }
            $1" sh "$dir/more" "$qmp" >"$out" 2>"$err"; code=$?
        sort "$out" >"$out.sorted"; mv "$out.sorted" "$out"
    }
    # shellcheck disable=SC2016
    {
    it 'all there are'; alone 'start -name x -qmp "unix:$1/x,server=on,wait=off" && start -S -name y -qmp "unix:$1/y,server=on,wait=off" &&
        "$2" -a call query-status -g status'; expect 0 'x	running
y	prelaunch' ''
    it 'two of one name'; alone 'start -name x -qmp "unix:$1/x,server=on,wait=off" && start -S -name x -qmp "unix:$1/y,server=on,wait=off" &&
        "$2" -a call query-status -g status'; expect 0 'DIR/more/x	running
DIR/more/y	prelaunch' ''
    it 'some cannot be reached'; alone 'start -name x -qmp "unix:$1/x,server=on,wait=off" && start -S -name y -qmp "unix:$1/y,server=on,wait=off" &&
        rm "$1/y"; "$2" -a call query-status -g status'; expect 9 'x	running' \
        "qmp: y: the monitor of 'y' is out of reach: its socket was removed, or it takes more permission to find it"
    it 'none there'; alone '"$2" -a call query-status'
    expect 8 '' 'qmp: no VM here: no QEMU on this machine has a QMP socket'
    it 'none there to be meant'; alone '"$2" -s nobody call query-status'
    expect 8 '' "qmp: no VM is called 'nobody', and no file here: no QEMU on this machine has a QMP socket"
    it 'none listed'; alone '"$2" ls'; expect 0 '' 'qmp: no VM here: no QEMU on this machine has a QMP socket'
    it 'no /proc'; alone 'start -name x -qmp "unix:$1/x,server=on,wait=off" && mount -t tmpfs none /proc &&
        LD_LIBRARY_PATH="${2%/*}/../src" "$2" ls'
    # Sanitizers cannot look for leaks without it, nor be told not to.
    if grep -q LeakSanitizer "$err"; then code=0; sed -i '/^==/d' "$err"; fi
    sed -i '/^==[0-9]*==WARNING: reading executable name failed/d' "$err"
    expect 0 '' 'qmp: no VM here: no QEMU on this machine has a QMP socket'
    }
fi

# --- nearly right ----------------------------------------------------------------------------------------------------

# mistaken ADDRESS WORDS
mistaken() { it "address $1"; run call x -s "$1"; expect 2 '' "qmp: $2
$call_hint"; }
tilde="the shell takes '~' for your home only where a word starts with it, without quotes"
# shellcheck disable=SC2088
{
mistaken '~/vm.qmp' "'~/vm.qmp' is not there: $tilde; write \"\$HOME/vm.qmp\""
mistaken 'unix:~/vm.qmp' "'unix:~/vm.qmp' is not there: $tilde; write \"\$HOME/vm.qmp\""
}
mistaken TCP:localhost:4444 "'TCP:localhost:4444' is no address: small letters: tcp:localhost:4444"
mistaken Unix:/run/vm "'Unix:/run/vm' is no address: small letters: unix:/run/vm"
mistaken tls:vm7:4444 "'tls:vm7:4444' is no address: to encrypt, write tcp:vm7:4444 with --tls-x509 DIR or --tls-psk DIR"
mistaken telnet:vm7:4444 \
    "'telnet:vm7:4444' is no address: write tcp:vm7:4444, and start QEMU with tcp: instead of telnet: too"
mistaken telnet://vm7:4444 \
    "'telnet://vm7:4444' is no address: write tcp:vm7:4444, and start QEMU with tcp: instead of telnet: too"
mistaken ssh://host/run/vm "'ssh://host/run/vm' is no address: write exec:ssh HOST socat - UNIX-CONNECT:PATH"
mistaken file:///run/vm "'file:///run/vm' is no address: a path is written as it is: /run/vm"
mistaken @vm "'@vm' is no address: an abstract name is written unix:@vm"
it 'a file with a strange name is no mistake'; (cd "$dir" && ln -s one.qmp '~one' && run call stop -s '~one'; echo "$code" >code)
code=$(cat "$dir/code"); expect 0 '{}' ''

it 'the monitor for people'; named "$tag-hmp" -monitor "unix:$dir/hmp,server=on,wait=off"; run call x -s "$dir/hmp"
sed -i -e 's/QEMU [0-9.]* /QEMU VERSION /' -e 's/(qemu) $//' "$err"
expect 7 '' "qmp: DIR/hmp: the server sent what is not JSON (no message starts like this): QEMU VERSION monitor - type 'help' for more information\\r\\n
qmp: this is QEMU's monitor for people (HMP); for QMP, start QEMU with -qmp unix:PATH,server=on,wait=off, or give this -mon the option mode=control"
it 'a VNC server'; serve 'send=RFB 003.008
' hold; run call x -s "$dir/peer"; expect 7 '' 'qmp: DIR/peer: the server sent what is not JSON (no message starts like this): RFB 003.008\n
qmp: this is a VNC server'
