# SPDX-License-Identifier: MIT
# Addresses of every kind, and the mistakes that are made with them.

vm net -chardev socket,id=net,host=127.0.0.1,port=0,server=on,wait=off -mon chardev=net,mode=control
port=$(port_of net)

it 'TCP by number'; run call -s "tcp:127.0.0.1:$port" stop; expect 0 '{}' ''
it 'TCP by name'; run call -s "tcp:localhost:$port" stop; expect 0 '{}' ''
it 'a command'; run call -s "exec:socat - UNIX-CONNECT:$dir/net" stop; expect 0 '{}' ''
it 'a descriptor'
timeout "$limit" socat "UNIX-CONNECT:$dir/net" "EXEC:$qmp call -s fd\\:5 stop,fdin=5,fdout=5" >"$out" 2>"$err"; code=$?
expect 0 '{}' ''
it 'events over TCP'; start events -s "tcp:127.0.0.1:$port" RESET --count 1 --timeout 30s; : >"$out"
(while [ -e "$dir/net.pid" ]; do "$qmp" call -s "$dir/net-2" system_reset; done >/dev/null 2>&1) & loop=$!
line; end; rm "$dir/net.pid"; wait "$loop"; expect 0 "$reset_event" ''
it 'QEMU has gone'; kill -KILL "$vm_pid"
# Its sockets are closed a moment later; until then it is the connection that is lost.
for _ in 1 2 3 4 5 6 7 8 9 10; do run call -s "tcp:127.0.0.1:$port" stop; [ "$code" = 6 ] || break; done
sed "s/:$port:/:PORT:/" "$err" >"$err.same"; mv "$err.same" "$err"; expect 4 '' \
    'qmp: cannot connect to tcp:127.0.0.1:PORT: nobody listens there: its QEMU has gone, or waits for nobody (server=off)'

# wrong_address ADDRESS FLAW
wrong_address() {
    it "address $1"; run call x -s "$1"
    expect 2 '' "qmp: $1 is $2; $grammar
$call_hint"
}

options="an address with QEMU's options behind it, which are no part of it (leave out everything from the comma on)"
url='written like a URL, which it is not (leave out the //)'
wrong_address tcp: 'an address without a host and a port'
wrong_address tcp:localhost 'an address without a port'
wrong_address tcp:localhost: 'an address without a port'
wrong_address tcp:4444 'an address without a port'
wrong_address tcp::4444 'an address without a host (to listen everywhere write 0.0.0.0 or [::])'
wrong_address tcp:localhost:qmp 'an address with a port that is not a number'
wrong_address tcp:localhost:-1 'an address with a port that is not a number'
wrong_address tcp:localhost:65536 'an address with a port above 65535'
wrong_address tcp:::1:4444 'an address with too many colons (an IPv6 address goes in brackets: tcp:[::1]:4444)'
wrong_address tcp:fe80::1:4444 'an address with too many colons (an IPv6 address goes in brackets: tcp:[::1]:4444)'
wrong_address 'tcp:[::1]4444' 'an address without a port (it follows a colon behind the bracket)'
wrong_address 'tcp:[::1]' 'an address without a port (it follows a colon behind the bracket)'
wrong_address 'tcp:[::1:4444' 'an IPv6 address without its closing bracket'
wrong_address 'tcp:[vm7]:4444' 'an address with something in brackets that is no IPv6 address'
wrong_address tcp:127.0.0.256:4444 'an address with a host in digits that is no IPv4 address'
wrong_address 'tcp:vm 7:4444' 'an address with a character that no host name has'
wrong_address tcp://localhost:4444 "$url"
wrong_address unix:///tmp/vm "$url"
wrong_address tcp:localhost:4444,server=on,wait=off "$options"
wrong_address unix:/tmp/vm,server=on,wait=off "$options"
wrong_address /tmp/vm,server,nowait "$options"
wrong_address localhost:4444 'an unknown kind of address (a host and a port have tcp: in front, a path ./)'
wrong_address http:vm7 'an unknown kind of address (a path with a colon is written ./PATH)'
wrong_address unix:@ 'an empty abstract name'
wrong_address vsock:3 'an address without a port'
wrong_address vsock:guest:4444 'an address whose CID is neither a number nor host, local or any'
wrong_address fd: 'an address without the number of a descriptor'
wrong_address fd:-1 'a negative descriptor'
wrong_address fd:x 'a descriptor that is not a number'
wrong_address fd:99999999999 'a descriptor too large for one'
wrong_address exec: 'an empty command'

it 'port 0'; run call -s tcp:localhost:0 x; expect 2 '' \
    "qmp: cannot connect to tcp:localhost:0: port 0 is for listening; to connect, it must be one
$call_hint"
it 'any CID'; run call -s vsock:any:4444 x; expect 2 '' \
    "qmp: cannot connect to vsock:any:4444: any CID is for listening; to connect, it must be one
$call_hint"
it 'a descriptor that is not open'; run call -s fd:987 x; expect 4 '' \
    'qmp: cannot connect to fd:987: this process has no such descriptor open'
it 'a descriptor that is no socket'; run call -s fd:0 x </dev/null; expect 4 '' \
    'qmp: cannot connect to fd:0: the descriptor is no socket'
it 'a command that does not exist'; run call -s "exec:$dir/no-such-command 2>/dev/null" x; expect 4 '' \
    'qmp: exec:DIR/no-such-command 2>/dev/null: the server closed the connection before its greeting; the command ended with status 127'
it 'a command that ends at once'; run call -s exec:true x; expect 4 '' \
    'qmp: exec:true: the server closed the connection before its greeting; the command ended with status 0'
it 'a command that says why'; run call -s 'exec:echo no way >&2; exit 3' x; expect 4 '' \
    'no way
qmp: exec:echo no way >&2; exit 3: the server closed the connection before its greeting; the command ended with status 3'
it 'a command that is silent'; run call -s 'exec:cat' x --connect-timeout 1s; expect 5 '' \
    'qmp: connected to exec:cat, but no greeting within 1 s: the server is hung, or serves another client, or is no QMP server'
