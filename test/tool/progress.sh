# SPDX-License-Identifier: MIT
# What job, migrate and ping show on a terminal: a real one, whose screen is compared.

command -v tmux >/dev/null || { echo 'no tmux: skipped'; exit 77; }

disks="-blockdev null-co,node-name=src,size=2097152,read-zeroes=on -blockdev null-co,node-name=dst,size=2097152,read-zeroes=on"
# shellcheck disable=SC2086
vm screen $disks
export TMUX_TMPDIR="$dir"
screens=0

# terminal COLUMNS COMMAND: runs a shell command in a terminal, which stays when it has ended.
terminal() {
    screens=$((screens + 1))
    tmux -f /dev/null -L "qmp$screens" new-session -d -x "$1" -y 12 "env ${locale:-LC_ALL=C.UTF-8} TERM=screen QMP_SOCKET=$dir/screen sh -c 'trap : INT; $2; echo status \$?; exec cat'"
    tmux -L "qmp$screens" set-option status off
}
# shows REGEXP: waits until the screen shows that, and takes the screen.
shows() {
    code=0
    export shows_until="$1"
    timeout "$limit" sh -c 'until tmux -L "$2" capture-pane -p | tee "$1" | grep -q -- "$shows_until"; do sleep 0.02; done' \
        sh "$out" "qmp$screens" 2>"$err" || code=3
    sed -i -e 's/ *$//' -e '/^$/d' "$out"
    : >"$err"
}
close_terminal() { tmux -L "qmp$screens" kill-server 2>/dev/null; }
trap 'close_terminal; finish' EXIT
other() { timeout "$limit" "$qmp" "$@" -s "$dir/screen-2" >"$dir/other" 2>&1; }
# stuck ID: a job that is half done, and stays so.
stuck() {
    other call blockdev-backup device=src target=dst sync=full speed=1 job-id="$1"
    timeout "$limit" sh -c 'until [ "$("$1" job ls -s "$2" -g current-progress)" = 1048576 ]; do sleep 0.01; done' sh "$qmp" "$dir/screen-2"
}

it 'a bar'; stuck j1; terminal 80 "$qmp job wait j1"; shows '50%'
expect 0 'j1 running  [███████████████████░░░░░░░░░░░░░░░░░░░░]   50%  1.0 MiB of 2.0 MiB' ''
it 'a narrower one'; tmux -L "qmp$screens" resize-window -x 50; shows '░\]  *50%$'
expect 0 'j1 running  [██████████████░░░░░░░░░░░░░░░]   50%' ''
it 'a very narrow one'; tmux -L "qmp$screens" resize-window -x 20; shows '^\[█████░'
expect 0 '[█████░░░░░░]   50%' ''
it 'nothing but the percentage'; tmux -L "qmp$screens" resize-window -x 10; shows '^ *50%$'
expect 0 ' 50%' ''
it 'wide again'; tmux -L "qmp$screens" resize-window -x 80; shows 'MiB'
expect 0 'j1 running  [███████████████████░░░░░░░░░░░░░░░░░░░░]   50%  1.0 MiB of 2.0 MiB' ''
it 'what is said stands above it'; other call job-pause id=j1; shows 'j1 paused '
shows 'waits'; shows 'j1 paused '
expect 0 "qmp: job 'j1' is paused; it waits for: qmp call job-resume id=j1
j1 paused  [████████████████████░░░░░░░░░░░░░░░░░░░░]   50%  1.0 MiB of 2.0 MiB" ''
it 'nothing of it is left in the end'; other job cancel j1; shows 'status'
expect 0 "qmp: job 'j1' is paused; it waits for: qmp call job-resume id=j1
{
  \"id\": \"j1\",
  \"status\": \"concluded\",
  \"type\": \"backup\",
  \"current-progress\": 1048576,
  \"total-progress\": 2097152,
  \"error\": \"Operation canceled\"
}
qmp: job 'j1' failed: Operation canceled
status 1" ''
close_terminal

it 'a bar in ASCII'; stuck j2; locale='LC_ALL= LC_CTYPE=C LANG=de_DE.UTF-8' terminal 50 "$qmp job wait j2"; shows '50%'
expect 0 'j2 running  [##############---------------]   50%' ''
close_terminal
it 'the language says UTF-8'; locale='LC_ALL= LC_CTYPE= LANG=de_DE.utf8' terminal 50 "$qmp job wait j2"; shows '50%'
expect 0 'j2 running  [██████████████░░░░░░░░░░░░░░░]   50%' ''
close_terminal
it 'no bar on a terminal that cannot draw'
TERM=dumb script -qec "$qmp job wait j2 -s $dir/screen --timeout 1s" /dev/null </dev/null >"$out"; sed -i 's/\r$//' "$out"; : >"$err"
expect 0 "qmp: job 'j2' is not over after 1 s; it goes on" ''
it 'no bar when none is wanted'; terminal 50 "$qmp job wait j2 --timeout 1s --progress=none"; shows status
expect 0 "qmp: job 'j2' is not over after 1 s; it goes on
status 3" ''
close_terminal
it 'a bar, then a timeout'; terminal 60 "$qmp job wait j2 --timeout 1s"; shows status
expect 0 "qmp: job 'j2' is not over after 1 s; it goes on
status 3" ''
close_terminal
it 'a table of jobs'; other call blockdev-create job-id=a-long-name options.driver=file options.size=1 options.filename="$dir/none/x"
other call blockdev-backup device=src target=dst sync=none job-id=j3 auto-finalize=false
terminal 130 "$qmp job ls"; shows status
expect 0 "ID           TYPE    STATUS     DONE  ERROR
a-long-name  create  concluded  100%  Could not create 'DIR/none/x': No such file or directory
j2           backup  running     50%
status 0" ''
close_terminal
it 'in colours'; TERM=xterm script -qec "stty cols 200; $qmp job ls -s $dir/screen" /dev/null </dev/null | sed -e 's/\r$//' -e 's/\x1b/E/g' >"$out"; : >"$err"
expect 0 "E[1mID         E[0m  E[1mTYPE  E[0m  E[1mSTATUS   E[0m  E[1mDONEE[0m  E[1mERRORE[0m
a-long-name  create  E[31mconcludedE[0m  100%  E[31mCould not create 'DIR/none/x': No such file or directoryE[0m
j2           backup  running     50%  " ''
it 'JSON on a terminal'; terminal 130 "$qmp job ls -o short -g id"; shows status
expect 0 "a-long-name
j2
status 0" ''
close_terminal
other job dismiss a-long-name
it 'SIGINT'; other job cancel j2 --wait; terminal 130 "$qmp job run blockdev-backup device=src target=dst sync=full speed=1 job-id=j4"; shows '50%'
tmux -L "qmp$screens" send-keys C-c; shows status; sed -i '1s/\[.*\^C$/BAR^C/' "$out"
expect 0 "j4 running  BAR^C
qmp: job 'j4' goes on: 'qmp job wait j4' waits for it
status 130" ''
close_terminal
other job cancel j4 --wait

it 'no jobs'; terminal 50 "$qmp job ls"; shows status; expect 0 'qmp: no jobs
status 0' ''
close_terminal

it 'ping'; terminal 80 "$qmp ping -c 2"; shows status
sed -i 's/[0-9.]* [mu]s/T/g' "$out"
expect 0 '1: in-band T, out-of-band T
2: in-band T, out-of-band T
in-band: 2 of 2 answered; least T, mean T, most T
out-of-band: 2 of 2 answered; least T, mean T, most T
status 0' ''
close_terminal

it 'a migration'
serve greet recv 'send={"id": @ID@, "return": {"status": "active", "ram": {"total": 1073741824, "remaining": 524288000, "page-size": 4096, "dirty-sync-count": 3, "pages-per-second": 28160, "dirty-pages-rate": 230400, "mbps": 922.7}}}' \
    recv 'send={"id": @ID@, "return": {"max-bandwidth": 0, "downtime-limit": 300}}' recv hold
terminal 130 "$qmp migrate --wait -s $dir/peer"; shows '51%'
expect 0 'pass 3, the guest changes 900 MiB/s  [█████████████████░░░░░░░░░░░░░░░░░]   51%  524 MiB of 1.0 GiB  110 MiB/s  does not converge' ''
close_terminal
it 'a first pass'
serve greet recv 'send={"id": @ID@, "return": {"status": "active", "ram": {"total": 1073741824, "remaining": 524288000, "page-size": 4096, "dirty-sync-count": 1, "pages-per-second": 28160, "dirty-pages-rate": 0, "mbps": 922.7}}}' \
    recv 'send={"id": @ID@, "return": {}}' recv hold
terminal 60 "$qmp migrate --wait -s $dir/peer"; shows '51%'
expect 0 'active  [██████░░░░░░]   51%  first pass: too early to tell' ''
close_terminal
it 'a pass that is nearly the last'
serve greet recv 'send={"id": @ID@, "return": {"status": "active", "ram": {"total": 1073741824, "remaining": 524288000, "page-size": 4096, "dirty-sync-count": 2, "pages-per-second": 28160, "dirty-pages-rate": 2560, "mbps": 922.7}}}' \
    recv 'send={"id": @ID@, "return": {"max-bandwidth": 0, "downtime-limit": 300}}' recv hold
terminal 60 "$qmp migrate --wait -s $dir/peer"; shows '51%'
expect 0 '[████████████░░░░░░░░░░░░]   51%  converges: about 5 s left' ''
close_terminal
