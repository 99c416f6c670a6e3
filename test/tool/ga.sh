# SPDX-License-Identifier: MIT
# The guest agent. What is harmless is done with a real qemu-ga, which here runs on this host and is told nothing that
# changes anything outside of the test's folder. Freezing and shutting down, and an agent that fails, are a fake's.

real=/usr/sbin/qemu-ga
[ -x "$real" ] || { echo 'no qemu-ga: skipped'; exit 77; }
command -v script >/dev/null || { echo 'no script: skipped'; exit 77; }
fake=$(dirname "$peer")/fake-agent
unset QMP_AGENT_SOCKET

ga_hint="qmp: 'qmp ga --help' says more"
hint_of() { printf "qmp: 'qmp ga %s --help' says more" "$1"; }

# real_agent NAME: a qemu-ga at $dir/NAME, its pid in $agent_pid; it answers when this returns.
real_agent() {
    timeout 120 "$real" -m unix-listen -p "$dir/$1" -t "$dir" >/dev/null 2>&1 3<&- &
    pids="$pids $!"
    timeout "$limit" "$qmp" ga ping -s "$dir/$1" --wait-for-socket "${limit}s" >/dev/null || exit 1
    agent_pid=$(pgrep -P $!)
    pids="$pids $agent_pid"
}

# fake_agent RULE...: a fake at $dir/fake that has executed nothing yet; again_agent: one that goes on from there.
again_agent() {
    rm -f "$dir/ready"; mkfifo "$dir/ready"
    "$fake" "$dir/fake" "$dir/log" "$@" >"$dir/ready" 3<&- &
    agent_pid=$!
    pids="$pids $agent_pid"
    timeout "$limit" cat "$dir/ready" >/dev/null
}
fake_agent() {
    for pid in $agent_pid; do { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null; done
    : >"$dir/log"
    again_agent "$@"
}

# log: what the fake executed, behind what the command wrote; without the questions about the state.
log() { sed '/fsfreeze-status/d' "$dir/log" >>"$out"; }

# last WORD...: as run, but until also whatever the command left behind has closed standard error.
last() {
    { timeout "$limit" "$qmp" "$@" 2>&1 >"$out" 3>&-; echo $? >"$dir/code"; } |
        { timeout "$limit" cat || echo 'something is left behind'; } >"$err"
    code=$(cat "$dir/code"); shell_hush
}

# alive: starts to wait until nobody has the FIFO of this name open any more; dead: the end of that.
alive() { rm -f "$dir/alive"; mkfifo "$dir/alive"; timeout "$limit" cat "$dir/alive" & reader=$!; }
dead() { wait "$reader" || echo 'it is alive' >>"$out"; }

# What the shell says of a process that a signal has killed is not what qmp says.
shell_hush() { sed -i -E '/^(Terminated|Killed|Hangup|Quit)( \(core dumped\))?$/d' "$err"; }

# screen WORD...: as run, on a terminal, which shows both streams.
screen() {
    for word; do printf "'%s' " "$(printf '%s' "$word" | sed "s/'/'\\\\\\\\''/g")"; done >"$dir/words"
    timeout "$limit" script -qec "'$qmp' $(cat "$dir/words")" /dev/null </dev/null 2>&1 | tr -d '\r' >"$out"
    code=0; : >"$err"
}

# --- the command line ------------------------------------------------------------------------------------------------

for verb in ping info exec cat put freeze thaw shutdown call; do
    it "help of $verb"; run ga "$verb" --help; expect_file 0 "help/ga-$verb.txt"
done
it 'help of the family'; run ga --help; expect_file 0 help/ga.txt
it 'no verb'; run ga; sed -i 's/ *$//' "$err"; expect 2 '' "qmp: 'ga' wants one more word; it is one of:
qmp:   ga ping
qmp:   ga info
qmp:   ga exec [--] PROGRAM [ARGUMENT...]
qmp:   ga cat PATH
qmp:   ga put FILE|- PATH
qmp:   ga freeze [--run COMMAND]
qmp:   ga thaw
qmp:   ga shutdown [powerdown | halt | reboot]
qmp:   ga call COMMAND [KEY=VALUE... | JSON | -]
$ga_hint"
it 'a verb that is none'; run ga pong; expect 2 '' "qmp: unknown verb 'ga pong'; did you mean 'ga ping'?
$ga_hint"
no_address='qmp: no address: say where the guest agent'"'"'s socket is with -s ADDRESS, or set QMP_AGENT_SOCKET'
for words in ping info 'exec true' 'cat x' 'put /dev/null x' freeze thaw shutdown 'call x'; do
    # shellcheck disable=SC2086
    it "no address: $words"; export QMP_SOCKET="$dir/none"; run ga $words; unset QMP_SOCKET; expect 2 '' "$no_address
$(hint_of "${words%% *}")"
done
for words in 'ping x' 'info x' 'cat a x' 'put a b x' 'freeze x' 'thaw x' 'shutdown halt x'; do
    # shellcheck disable=SC2086
    it "a word too many: $words"; run ga $words -s "$dir/none"; expect 2 '' "qmp: 'x' is a word too many
$(hint_of "${words%% *}")"
done
it 'no program'; run ga exec; expect 2 '' "qmp: 'ga exec' wants more: qmp ga exec [--] PROGRAM [ARGUMENT...]
$(hint_of exec)"
it 'an option of the program'; run ga exec ls -l; expect 2 '' "qmp: unknown option '-l'; words that start with '-' go after '--'
$(hint_of exec)"
it 'a program that cannot be sent'; run ga exec -s "$dir/none" "$(printf 'a\377')"; expect 2 '' \
    "qmp: the program or its arguments cannot be sent: not UTF-8, or too long
$(hint_of exec)"
it 'no path'; run ga cat -s "$dir/none" ''; expect 2 '' "qmp: '' is not the path of a file: empty, or not UTF-8
$(hint_of cat)"
it 'a path that cannot be sent'; run ga put -s "$dir/none" - "$(printf 'a\377')"; expect 2 '' \
    "qmp: 'a\\xff' is not the path of a file: empty, or not UTF-8
$(hint_of put)"
it 'no target'; run ga put x; expect 2 '' "qmp: 'ga put' wants more: qmp ga put FILE|- PATH
$(hint_of put)"
it 'no source'; run ga put -s "$dir/none" "$dir/nothing" x; expect 10 '' \
    'qmp: cannot read DIR/nothing: No such file or directory'
it 'a folder for a source'; run ga put -s "$dir/none" "$dir" x; expect 10 '' 'qmp: cannot read DIR: Is a directory'
it 'a mode that is none'; run ga shutdown -s "$dir/none" restart; expect 2 '' "qmp: 'restart' is none of powerdown, halt, reboot
$(hint_of shutdown)"
it 'no command to run'; run ga freeze --run ''; expect 2 '' "qmp: --run: '' is not a command
$(hint_of freeze)"
it 'two agents for one program'; run ga exec true -s a -s b; expect 2 '' "qmp: 'ga exec' takes one address
$(hint_of exec)"
it 'nobody there'; run ga ping -s "$dir/none"; expect 4 '' \
    'qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'a monitor'; vm monitor; run ga ping -s "$dir/monitor" --connect-timeout 1s; expect 7 '' \
    'qmp: DIR/monitor is a QMP monitor, not a guest agent: the agent has a socket of its own'
it 'a monitor, and no time left to find out'; run ga ping -s "$dir/monitor" --timeout 300ms; expect 3 '' \
    'qmp: no guest agent answers at DIR/monitor within 300 ms: does qemu-guest-agent run in the guest? It could also hang, or serve another client'

named="qmp: the name of a VM leads to its monitor, not to its guest agent: say where that one's socket is
$(hint_of ping)"
it 'the name of a VM'; vm called -name "called-$$"; run ga ping -s "called-$$"; expect 2 '' "$named"
it 'all VMs'; run ga ping --all; grep -o "the name of a VM.*" "$err" | sort -u >"$err.few"; mv "$err.few" "$err"; expect 2 '' \
    "the name of a VM leads to its monitor, not to its guest agent: say where that one's socket is"

# --- a real agent ----------------------------------------------------------------------------------------------------

real_agent agent
export QMP_AGENT_SOCKET="$dir/agent"

it 'ping'; run ga ping; sed -i 's/[0-9]*}/T}/' "$out"; expect 0 '{"microseconds": T}' ''
it 'ping on a terminal'; screen ga ping; sed -i 's/in [0-9.]* .*s$/in T/' "$out"; expect 0 'the guest agent answered in T' ''
it 'an agent that is silent'; kill -STOP "$agent_pid"; run ga ping --connect-timeout 1s; kill -CONT "$agent_pid"; expect 3 '' \
    'qmp: no guest agent answers at DIR/agent within 1 s: does qemu-guest-agent run in the guest? It could also hang, or serve another client'
real_agent agent
it 'several agents'; real_agent other; run ga ping -s "$dir/agent" -s "$dir/other" -g microseconds
sort "$out" | sed 's/[0-9]*$/T/' >"$out.sorted"; mv "$out.sorted" "$out"; expect 0 "$(printf 'DIR/agent\tT\nDIR/other\tT')" ''
it 'info'; timeout "$limit" "$qmp" ga call guest-info >"$dir/info"; run ga info; expect 0 "$(cat "$dir/info")" ''
it 'info, the version'; run ga info -g version; expect 0 "$("$real" --version | sed 's/.* //')" ''
it 'info on a terminal'; screen ga info --color never; sed -n -e 1p -e '/guest-info/p' -e '/guest-shutdown/p' "$out" >"$out.few"
mv "$out.few" "$out"; expect 0 "$("$real" --version | sed 's/Guest Agent/guest agent/')
  guest-info
  guest-shutdown  (answers only errors)" ''

it 'call'; run ga call guest-file-open path="$dir/call" mode=w; expect 0 1000 ''
it 'call, with a number'; run ga call guest-file-close handle=1000; expect 0 '{}' ''
it 'call, refused'; run ga call guest-file-close handle=7; expect 1 '' \
    "qmp: guest-file-close: GenericError: handle '7' has not been found"
it 'call, unknown'; run ga call guest-frob; expect 8 '' \
    'qmp: guest-frob: CommandNotFound: The command guest-frob has not been found'

it 'a program'; run ga exec echo 'a  b' "'" ''; expect 0 "a  b ' " ''
it 'a program with options'; run ga exec -- printf '%s\n' -s --timeout - --; expect 0 '-s
--timeout
-
--' ''
it 'a program that writes to both'; run ga exec sh -- -c 'echo out; echo err >&2'; expect 0 out err
it 'a program that fails'; run ga exec -- sh -c 'echo out; exit 3'; expect 1 out 'qmp: sh exited with 3'
it 'a program that is killed'; run ga exec -- sh -c 'echo out; kill -KILL $$'; expect 1 out 'qmp: sh was killed by signal 9'
it 'a program that is not there'; run ga exec "$dir/nothing"; expect 1 '' \
    "qmp: guest-exec: GenericError: Guest agent command failed, error was 'Failed to execute child process “DIR/nothing” (No such file or directory)'"
it 'standard input stays here'; echo hello >"$dir/hello"; run ga exec cat <"$dir/hello"; expect 0 '' ''
it 'standard input goes along'; run ga exec --stdin cat <"$dir/hello"; expect 0 hello ''
it 'standard input, all that fits'; head -c 1048576 /dev/urandom >"$dir/random"; run ga exec --stdin cat <"$dir/random"
cmp "$out" "$dir/random" && : >"$out"; expect 0 '' ''
it 'standard input that does not fit'
head -c 1048577 /dev/zero >"$dir/zeros"; run ga exec --stdin cat <"$dir/zeros"; expect 2 '' \
    "qmp: standard input: more than 1 MiB
qmp: 'qmp ga put' brings files of any size
$(hint_of exec)"
it 'standard input that cannot be read'; run ga exec --stdin cat <"$dir"; expect 10 '' \
    'qmp: cannot read standard input: Is a directory'
it 'more output than a message may usually hold'; run ga exec -- head -c 10000000 /dev/zero
[ "$(wc -c <"$out")" = 10000000 ] && : >"$out"; expect 0 '' ''
it 'more output than the agent keeps'; run ga exec -- head -c 17000000 /dev/zero
[ "$(wc -c <"$out")" = 16777216 ] && : >"$out"; expect 7 '' \
    'qmp: head wrote more to standard output than the guest agent keeps: the rest is lost'
it 'a terminal obeys nothing'
screen ga exec -- printf '\033[31mred\nline\ttab\r\n\302\233\342\200\256\377\rx ñ 日\n'; expect 0 '\x1b[31mred
line	tab
\u009b\u202e\xff\x0dx ñ 日' ''
it 'a program that takes too long'; run ga exec --timeout 2s -- sleep 10; sed -i 's/process [0-9]*/process N/' "$err"; expect 3 '' \
    'qmp: sleep did not end within 2 s
qmp: sleep may go on in the guest, as process N'
it 'a program that ends just in time'; run ga exec --timeout 5s -- sh -c 'sleep 0.7; echo done'; expect 0 done ''
it 'nobody reads the output'; mkfifo "$dir/gone"
{ timeout "$limit" "$qmp" ga exec -- head -c 1000000 /dev/zero 2>"$err" >"$dir/gone"; echo $? >"$dir/code"; } &
head -c 1 "$dir/gone" >/dev/null; wait $!; code=$(cat "$dir/code"); : >"$out"; expect 141 '' ''
it 'nobody reads the output, and SIGPIPE is ignored'
(trap '' PIPE; timeout "$limit" "$qmp" ga exec -- head -c 1000000 /dev/zero 2>"$err" >"$dir/gone"; echo $? >"$dir/code") &
head -c 1 "$dir/gone" >/dev/null; wait $!; code=$(cat "$dir/code"); : >"$out"; expect 141 '' ''
it 'no room for the output'; timeout "$limit" "$qmp" ga exec echo x >/dev/full 2>"$err"; code=$?; : >"$out"; expect 10 '' \
    'qmp: cannot write to standard output: No space left on device'

it 'a file'; run ga cat "$dir/hello"; expect 0 hello ''
it 'an empty file'; run ga cat /dev/null; expect 0 '' ''
it 'a large file'; run ga cat "$dir/random"; cmp "$out" "$dir/random" && : >"$out"; expect 0 '' ''
it 'a file that is not there'; run ga cat "$dir/nothing"; expect 1 '' \
    "qmp: guest-file-open: GenericError: failed to open file 'DIR/nothing' (mode: 'r'): No such file or directory"
it 'a folder'; run ga cat "$dir"; expect 1 '' 'qmp: guest-file-read: GenericError: failed to read file: Is a directory'
it 'a file on a terminal, cut in the middle of characters'
awk 'BEGIN { printf "\033c"; for (i = 0; i < 30000; i++) printf "日"; printf "\r\n\342\202" }' >"$dir/cut"
screen ga cat "$dir/cut"; awk 'BEGIN { printf "\\x1bc"; for (i = 0; i < 30000; i++) printf "日"; printf "\n\\xe2\\x82" }' >"$dir/cut.shown"
cmp "$out" "$dir/cut.shown" && : >"$out"; expect 0 '' ''
it 'a line end cut in two on a terminal'; awk 'BEGIN { for (i = 0; i < 4095; i++) printf "x"; printf "\r\n" }' >"$dir/cut"
screen ga cat "$dir/cut"; tr -d '\r' <"$dir/cut" | cmp - "$out" && : >"$out"; expect 0 '' ''
it 'put'; run ga put "$dir/hello" "$dir/put"; cat "$dir/put" >>"$out"; expect 0 hello ''
it 'put standard input, large, over what is there'; run ga put - "$dir/put" <"$dir/random"; cmp "$dir/put" "$dir/random"; expect 0 '' ''
it 'put nothing'; run ga put /dev/null "$dir/put"; [ -s "$dir/put" ] && echo rest >>"$out"; expect 0 '' ''
it 'put where there is no room'; run ga put "$dir/hello" /dev/full; expect 1 '' \
    'qmp: guest-file-flush: GenericError: failed to flush file: No space left on device
qmp: /dev/full in the guest is not complete: it got 6 bytes'
it 'put where it may not'; run ga put "$dir/hello" "$dir/nothing/x"; expect 1 '' \
    "qmp: guest-file-open: GenericError: failed to open file 'DIR/nothing/x' (mode: 'w'): No such file or directory"

# --- an agent that fails ---------------------------------------------------------------------------------------------

export QMP_AGENT_SOCKET="$dir/fake"
agent_pid=''

it 'no answer to ping'; fake_agent guest-ping:mute; run ga ping --timeout 2s; expect 3 '' \
    'qmp: guest-ping: no answer within 2 s'
it 'the connection ends at ping'; fake_agent guest-ping:drop; run ga ping; expect 6 '' \
    'qmp: DIR/fake: the server closed the connection'
it 'an agent without a version'; fake_agent 'guest-info:return={"version": 7}'; screen ga info --color never; expect 0 \
    "qmp: guest-info: the guest agent's answer makes no sense: a name is no string" ''
it 'a list of commands'
fake_agent 'guest-info:return={"version": "1\u001b[0m", "supported_commands": [{"name": "b", "enabled": false}, {"name": "a\u202e", "enabled": true, "success-response": false}]}'
screen ga info --color never; expect 0 'QEMU guest agent 1\x1b[0m
Commands:
  a\u202e  (answers only errors)
  b  (disabled in the guest)' ''

started='guest-exec:+return={"pid": 7}'
status() { fake_agent "$started" "guest-exec-status:return=$1"; run ga exec x; }
senseless="qmp: guest-exec-status: the guest agent's answer makes no sense:"
it 'no pid'; fake_agent 'guest-exec:return={}'; run ga exec x; expect 7 '' \
    "qmp: guest-exec: the guest agent's answer makes no sense: 'pid' is no whole number"
it 'no base64'; status '{"exited": true, "exitcode": 0, "out-data": "Zg="}'; expect 7 '' "$senseless 'out-data' is not base64"
it 'no string'; status '{"exited": true, "exitcode": 0, "err-data": 5}'; expect 7 '' "$senseless 'err-data' is not base64"
it 'no truth'; status '{"exited": 1}'; expect 7 '' "$senseless 'exited' is neither true nor false
qmp: x may go on in the guest, as process 7"
it 'no end'; status '{"exited": true}'; expect 7 '' \
    "$senseless neither 'exitcode' nor 'signal' of a program that has ended"
it 'an exit status of another system'; status '{"exited": true, "exitcode": -1073741819}'; expect 1 '' \
    'qmp: x exited with -1073741819'
it 'base64 with escapes in JSON'; status '{"exited": true, "exitcode": 0, "out-data": "\u002f\/\u0038K"}'
printf '\377\377\012' | cmp - "$out" && : >"$out"; expect 0 '' ''
it 'the connection ends while the program runs'; fake_agent "$started" guest-exec-status:drop; run ga exec x; expect 6 '' \
    'qmp: DIR/fake: the server closed the connection
qmp: x may go on in the guest, as process 7'
it 'it is asked until it has ended'; fake_agent "$started" 'guest-exec-status:return={"exited": false}' \
    'guest-exec-status:return={"exited": false}' 'guest-exec-status:return={"exited": true, "exitcode": 0, "out-data": "aGkK"}'
run ga exec x y; log; expect 0 'hi
guest-exec {"path":"x","arg":["y"],"capture-output":true}
guest-exec-status {"pid":7}
guest-exec-status {"pid":7}
guest-exec-status {"pid":7}' ''

open='guest-file-open:+return=9'
read_some() { fake_agent "$open" "guest-file-read:return=$1"; run ga cat x; }
senseless="qmp: guest-file-read: the guest agent's answer makes no sense:"
it 'a handle that is none'; fake_agent 'guest-file-open:return="9"'; run ga cat x; expect 7 '' \
    "qmp: guest-file-open: the guest agent's answer makes no sense: a handle is a whole number"
it 'a count that is wrong, and the file is closed'; read_some '{"count": 4, "buf-b64": "Zm9v", "eof": true}'; log; expect 7 \
    'guest-file-open {"path":"x","mode":"r"}
guest-file-read {"handle":9,"count":49152}
guest-file-close {"handle":9}' "$senseless not as many bytes as it says, or more than were asked for"
it 'more than was asked for'; read_some '{"count": 49155, "buf-b64": "'"$(head -c 49155 /dev/zero | base64 -w 0)"'", "eof": true}'
expect 7 '' "$senseless not as many bytes as it says, or more than were asked for"
it 'neither bytes nor the end'; read_some '{"count": 0, "buf-b64": "", "eof": false}'; expect 7 '' \
    "$senseless neither bytes nor the end of the file"
it 'bytes that are no base64'; read_some '{"count": 3, "buf-b64": "Zm9\n", "eof": true}'; expect 7 '' \
    "$senseless 'buf-b64' is not base64"
it 'the connection ends in the middle'
fake_agent "$open" 'guest-file-read:return={"count": 4, "buf-b64": "Zm9vCg==", "eof": false}' guest-file-read:drop; run ga cat x
expect 6 foo 'qmp: DIR/fake: the server closed the connection'
more='guest-file-read:+return={"count": 4, "buf-b64": "Zm9vCg==", "eof": false}'
it 'the reader goes, and the file is closed'; fake_agent "$open" "$more"
timeout "$limit" "$qmp" ga cat x 2>"$err" | head -n 1 >/dev/null; tail -n 1 "$dir/log" >"$out"; code=0
expect 0 'guest-file-close {"handle":9}' ''
it 'a signal ends it, and the file is closed'; fake_agent "$open" "$more"; rm -f "$dir/fifo"; mkfifo "$dir/fifo"; exec 3<>"$dir/fifo"
"$qmp" ga cat x >"$dir/fifo" 2>"$err" 3<&- & job=$!
: >"$out"; line; kill -INT "$job"; kill -TERM "$job"; end; tail -n 1 "$dir/log" >>"$out"; expect 143 'foo
guest-file-close {"handle":9}' ''

it 'what was not taken is sent again'; printf abcdef >"$dir/six"
fake_agent "$open" 'guest-file-write:return={"count": 4, "eof": false}' 'guest-file-write:return={"count": 2, "eof": false}'
run ga put "$dir/six" x; log; expect 0 'guest-file-open {"path":"x","mode":"w"}
guest-file-write {"handle":9,"buf-b64":"YWJjZGVm"}
guest-file-write {"handle":9,"buf-b64":"ZWY="}
guest-file-flush {"handle":9}
guest-file-close {"handle":9}' ''
wrote() { fake_agent "$open" "guest-file-write:return={\"count\": $1, \"eof\": false}"; run ga put "$dir/six" x; tail -n 1 "$dir/log" >>"$out"; }
for count in 0 7 -1; do
    it "$count bytes were taken"; wrote "$count"; expect 7 'guest-file-close {"handle":9}' \
        "qmp: guest-file-write: the guest agent's answer makes no sense: it wrote nothing, or more than it got
qmp: x in the guest is not complete: it got 0 bytes"
done
it 'the connection ends after a part'
fake_agent "$open" 'guest-file-write:return={"count": 4, "eof": false}' guest-file-write:drop; run ga put "$dir/six" x; expect 6 '' \
    'qmp: DIR/fake: the server closed the connection
qmp: x in the guest is not complete: it got 4 bytes'
it 'closing fails'; fake_agent "$open" 'guest-file-write:return={"count": 6, "eof": false}' 'guest-file-close:error=full'
run ga put "$dir/six" x; expect 1 '' 'qmp: guest-file-close: GenericError: full
qmp: x in the guest is not complete: it got 6 bytes'
it 'a signal ends it in the middle'; fake_agent "$open" 'guest-file-write:return={"count": 6, "eof": false}'
rm -f "$dir/fifo"; mkfifo "$dir/fifo"; exec 4<>"$dir/fifo"
"$qmp" ga put - x <"$dir/fifo" >"$out" 2>"$err" 4<&- & job=$!
cat "$dir/six" >&4
timeout "$limit" sh -c 'until grep -q guest-file-write "$1"; do :; done' sh "$dir/log"
kill -TERM "$job"; wait "$job" 2>/dev/null; code=$?; exec 4<&-; tail -n 1 "$dir/log" >>"$out"; expect 143 \
    'guest-file-close {"handle":9}' 'qmp: x in the guest is not complete: it got 6 bytes'

it 'shutdown'; fake_agent; run ga shutdown; log; expect 0 'guest-shutdown {"mode":"powerdown"}' ''
it 'reboot'; fake_agent; run ga shutdown reboot; log; expect 0 'guest-shutdown {"mode":"reboot"}' ''
it 'halt, and the agent is gone at once'; fake_agent guest-shutdown:mute-vanish; run ga shutdown halt; log
expect 0 'guest-shutdown {"mode":"halt"}' ''
it 'shutdown is refused'; fake_agent 'guest-shutdown:error=not now'; run ga shutdown; log
expect 1 '' 'qmp: guest-shutdown: GenericError: not now'

# --- frozen ----------------------------------------------------------------------------------------------------------

both='guest-fsfreeze-freeze
guest-fsfreeze-thaw'
yet="qmp: the guest's file systems are frozen, and cannot be thawed yet:"
thawed="qmp: the guest's file systems are thawed"
still="qmp: THE GUEST'S FILE SYSTEMS ARE STILL FROZEN: run 'qmp ga thaw -s DIR/fake' until it succeeds"
killed="qmp: 'qmp ga freeze' was killed: thawing the guest's file systems in its place"

it 'freeze'; fake_agent; run ga freeze; log; expect 0 '3
guest-fsfreeze-freeze' ''
it 'frozen already'; run ga freeze; expect 1 '' "qmp: the guest's file systems are frozen already; 'qmp ga thaw' thaws them"
it 'frozen already, with a command'; run ga freeze --run 'echo ran'; expect 1 '' \
    "qmp: the guest's file systems are frozen already; 'qmp ga thaw' thaws them"
it 'thaw'; run ga thaw; expect 0 3 ''
it 'thawed already'; run ga thaw; expect 0 0 ''
it 'a state that is none'; fake_agent 'guest-fsfreeze-status:return="melting"'; run ga freeze; log; expect 7 '' \
    "qmp: guest-fsfreeze-status: the guest agent's answer makes no sense: it is neither 'frozen' nor 'thawed'"
it 'an agent that cannot'; fake_agent 'guest-fsfreeze-status:error=unsupported'; run ga freeze; log; expect 1 '' \
    'qmp: guest-fsfreeze-status: GenericError: unsupported'

it 'a command'; fake_agent; run ga freeze --run "echo ran; tail -n 1 '$dir/log'"; log; expect 0 "ran
guest-fsfreeze-freeze
$both" ''
it 'a command has nothing to read'; fake_agent; run ga freeze --run 'cat; echo ran' <"$dir/hello"; log; expect 0 "ran
$both" ''
it 'a command that fails'; fake_agent; run ga freeze --run 'echo oops >&2; exit 3'; log; expect 1 "$both" "oops
qmp: 'echo oops >&2; exit 3' exited with 3"
it 'a command that is not there'; fake_agent; run ga freeze --run "$dir/nothing"; log; sed -i '/not found/d' "$err"; expect 1 "$both" \
    "qmp: 'DIR/nothing' exited with 127"
it 'a command that is killed'; fake_agent; run ga freeze --run 'kill -KILL $$'; log; expect 1 "$both" \
    "qmp: 'kill -KILL \$\$' was killed by signal 9"
it 'a command that takes too long'; fake_agent; run ga freeze --timeout 2s --run 'sleep 90'; log; expect 3 "$both" \
    "qmp: 'sleep 90' did not end within 2 s, and was killed"
it 'a command that does not want to end, nor do its children'; fake_agent; alive
run ga freeze --timeout 2s --run "exec 7>'$dir/alive'; trap '' TERM; sleep 90; sleep 90"; dead; log; expect 3 "$both" \
    "qmp: 'exec 7>'DIR/alive'; trap '' TERM; sleep 90; sleep 90' did not end within 2 s, and was killed"
it 'nothing to freeze'; fake_agent guest-fsfreeze-freeze:return=0 guest-fsfreeze-thaw:return=0; run ga freeze --run 'echo ran'
log; expect 0 "ran
$both" 'qmp: the guest agent found no file system to freeze'
it 'thawed by somebody else'; fake_agent guest-fsfreeze-thaw:return=0; run ga freeze --run true; log; expect 1 "$both" \
    "qmp: the file systems were thawed before 'true' ended: what it saw may not fit together"
it 'thawed by itself'; fake_agent 'guest-fsfreeze-status:+return="thawed"' 'guest-fsfreeze-thaw:error=too late'
run ga freeze --run true; log; expect 1 guest-fsfreeze-freeze \
    "qmp: the file systems were thawed before 'true' ended: what it saw may not fit together"

for pair in INT:130 TERM:143 HUP:129 QUIT:131; do
    signal=${pair%:*}
    it "a signal: $signal"; fake_agent; run ga freeze --run "kill -$signal \$PPID; sleep 90"; shell_hush; log
    expect "${pair#*:}" "$both" "qmp: 'kill -$signal \$PPID; sleep 90' was killed"
done
it 'a signal that was ignored stays so'; fake_agent; trap '' HUP; "$qmp" ga freeze --run 'kill -HUP $PPID; echo ran' >"$out" 2>"$err"; code=$?; trap 'exit 1' HUP
log; expect 0 "ran
$both" ''
it 'killed'; fake_agent; last ga freeze --run 'echo ran; kill -KILL $PPID; sleep 90'; log; expect 137 "ran
$both" "$killed
$thawed"
it 'killed, and the command with it'; fake_agent; alive
last ga freeze --run "exec 7>'$dir/alive'; kill -KILL \$PPID; trap '' TERM; sleep 90; sleep 90"; dead; log
expect 137 "$both" "$killed
$thawed"
it 'killed with its whole process group'; fake_agent
{ timeout "$limit" setsid "$qmp" ga freeze --run 'kill -KILL -$PPID; sleep 90' 2>&1 >"$out"; echo $? >"$dir/code"; } |
    { timeout "$limit" cat || echo 'something is left behind'; } >"$err"
code=$(cat "$dir/code"); shell_hush; log; expect 137 "$both" "$killed
$thawed"
it 'killed, and the agent refuses at first'; fake_agent 'guest-fsfreeze-thaw:error=busy' guest-fsfreeze-thaw:drop
last ga freeze --run 'kill -KILL $PPID; sleep 90'; log; expect 137 "$both" "$killed
$yet the guest agent refuses: busy; trying for 1 min
$thawed"
it 'killed, and the agent too'; fake_agent; last ga freeze --wait-for-socket 1s --run "kill -KILL $agent_pid
    while socat -u /dev/null 'UNIX-CONNECT:$dir/fake' 2>/dev/null; do :; done; kill -KILL \$PPID; sleep 90"; log
expect 137 guest-fsfreeze-freeze "$killed
$yet cannot connect to DIR/fake: nobody listens there: its QEMU has gone, or waits for nobody (server=off); trying for 1 s
$still"

it 'the connection ends when thawing'; fake_agent guest-fsfreeze-thaw:drop; run ga freeze --run 'echo ran'; log; expect 0 "ran
$both" "$yet the connection ended; trying for 1 min
$thawed"
it 'the connection ends with thawing'; fake_agent guest-fsfreeze-thaw:mute-drop; run ga freeze --run 'echo ran'; log; expect 0 "ran
$both
guest-fsfreeze-thaw" "$yet the connection ended; trying for 1 min
$thawed"
it 'the agent goes while the command runs, and another comes'; fake_agent; rm -f "$dir/ready"; mkfifo "$dir/ready"
run ga freeze --run "kill -KILL $agent_pid; '$fake' '$dir/fake' '$dir/log' >'$dir/ready' 2>/dev/null & echo \$! >'$dir/pid'
    cat '$dir/ready'"
agent_pid=$(cat "$dir/pid"); pids="$pids $agent_pid"; log; expect 0 "ready
$both" "$yet the connection ended; trying for 1 min
$thawed"
it 'the agent goes, and comes back when thawing has failed already'; fake_agent; rm -f "$dir/said"; mkfifo "$dir/said"
"$qmp" ga freeze --run "echo ran; kill -KILL $agent_pid" >"$out" 2>"$dir/said" & job=$!
exec 4<"$dir/said"; timeout "$limit" head -n 1 <&4 >"$err"; again_agent; timeout "$limit" cat <&4 >>"$err"; exec 4<&-
wait "$job"; code=$?; log; expect 0 "ran
$both" "$yet the connection ended; trying for 1 min
$thawed"
it 'the agent goes for good'; fake_agent; run ga freeze --wait-for-socket 500ms --run "kill -KILL $agent_pid"; log
expect 6 guest-fsfreeze-freeze "$yet the connection ended; trying for 500 ms
$still"
it 'the agent does not answer when thawing'; fake_agent guest-fsfreeze-thaw:+mute
run ga freeze --wait-for-socket 500ms --run true; log; expect 6 "$both" "$yet the deadline passed; trying for 500 ms
$still"
it 'thawing is refused'; fake_agent 'guest-fsfreeze-thaw:+error=no'; run ga freeze --wait-for-socket 500ms --run true; log
expect 6 guest-fsfreeze-freeze "$yet the guest agent refuses: no; trying for 500 ms
$still"
it 'thawing is refused, and the command failed as well'; fake_agent 'guest-fsfreeze-thaw:+error=\u001b[0m'
run ga freeze --wait-for-socket 500ms --run false; log
expect 6 guest-fsfreeze-freeze "qmp: 'false' exited with 1
$yet the guest agent refuses: \\x1b[0m; trying for 500 ms
$still"

it 'freezing is refused'; fake_agent 'guest-fsfreeze-freeze:error=busy'; run ga freeze --run 'echo ran'; log
expect 1 guest-fsfreeze-thaw 'qmp: guest-fsfreeze-freeze: GenericError: busy'
it 'the connection ends before freezing'; fake_agent guest-fsfreeze-freeze:drop; run ga freeze --run 'echo ran'; log
expect 6 guest-fsfreeze-thaw 'qmp: DIR/fake: the server closed the connection'
it 'the connection ends with freezing'; fake_agent guest-fsfreeze-freeze:mute-drop; run ga freeze; log; expect 6 "$both" \
    'qmp: DIR/fake: the server closed the connection'
it 'freezing is not answered'; fake_agent guest-fsfreeze-freeze:mute; run ga freeze --timeout 2s; log; expect 3 "$both" \
    'qmp: guest-fsfreeze-freeze: no answer within 2 s'
it 'freezing is answered with nonsense'; fake_agent 'guest-fsfreeze-freeze:return="all"'; run ga freeze --run 'echo ran'; log
expect 7 "$both" "qmp: guest-fsfreeze-freeze: the guest agent's answer makes no sense: it is not the number of file systems"
it 'freezing takes longer than --timeout, and is undone when it is done'; fake_agent guest-fsfreeze-freeze:wait="$dir/go"
rm -f "$dir/go"; mkfifo "$dir/go" "$dir/went"
"$qmp" ga freeze --timeout 2s --run 'echo ran' >"$out" 2>"$dir/went" & job=$!
exec 4<"$dir/went"; timeout "$limit" head -n 1 <&4 >"$err"; echo >"$dir/go"; cat <&4 >>"$err"; exec 4<&-
wait "$job"; code=$?; log; expect 3 "$both" 'qmp: guest-fsfreeze-freeze: no answer within 2 s'

# Opening for writing what the fake opens for reading waits until it has the command, and closing lets it go on.
it 'a signal while freezing: the command is not run'; fake_agent guest-fsfreeze-freeze:wait="$dir/go"
"$qmp" ga freeze --run 'echo ran' >"$out" 2>"$err" & job=$!
exec 4>"$dir/go"; kill -TERM "$job"; exec 4>&-; wait "$job" 2>/dev/null; code=$?; log; expect 143 "$both" ''
it 'killed while freezing'; fake_agent guest-fsfreeze-freeze:wait="$dir/go"
{ "$qmp" ga freeze --run 'echo ran' 2>&1 >"$out" & echo $! >"$dir/job"; } | cat >"$err" & job=$!
exec 4>"$dir/go"; kill -KILL "$(cat "$dir/job")"; exec 4>&-; wait "$job"; code=0; log; expect 0 "$both" "$killed
$thawed"
it 'killed while freezing, without a command'; fake_agent guest-fsfreeze-freeze:wait="$dir/go"
{ "$qmp" ga freeze 2>&1 >"$out" & echo $! >"$dir/job"; } | cat >"$err" & job=$!
exec 4>"$dir/go"; kill -KILL "$(cat "$dir/job")"; exec 4>&-; wait "$job"; code=0; log; expect 0 "$both" "$killed
$thawed"
it 'the number cannot be printed'; fake_agent; timeout "$limit" "$qmp" ga freeze >/dev/full 2>"$err"; code=$?; : >"$out"; log
expect 10 "$both" 'qmp: cannot write to standard output: No space left on device'
it 'nobody reads the number'; fake_agent; rm -f "$dir/gone"; mkfifo "$dir/gone"
{ exec 5<>"$dir/gone" 6>"$dir/gone" 5>&-; timeout "$limit" "$qmp" ga freeze 2>&1 >&6 6>&-; } | cat >"$err"; code=0; : >"$out"; log
expect 0 "$both" "$killed
$thawed"
it 'Ctrl-Z does not leave the guest frozen'; fake_agent; run ga freeze --run 'kill -TSTP $PPID; echo ran'; log; expect 0 "ran
$both" ''
