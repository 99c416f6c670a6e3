# SPDX-License-Identifier: MIT
# The verb shell: scripts, and a person at a real terminal, whose screen is compared.

vm sh -name vm7 -blockdev null-co,node-name=src,size=16777216,read-zeroes=on -blockdev null-co,node-name=dst,size=16777216

# script LINE...: the shell with these lines on standard input.
script() { printf '%s\n' "$@" >"$dir/script"; run shell -s "$dir/sh" <"$dir/script"; }

absent='cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
shell_hint="qmp: 'qmp shell --help' says more"

# --- scripts -----------------------------------------------------------------------------------------------------------

it 'its help'; run shell --help; expect_file 0 help/shell.txt
it 'a word too many'; run shell "$dir/sh" </dev/null; expect 2 '' \
    "qmp: 'DIR/sh' is one too many; an address goes after -s, lines come from standard input
$shell_hint"
it 'an option that it does not take'; run shell --count 2 </dev/null; expect 2 '' "qmp: 'shell' takes no --count
$shell_hint"
it 'two servers'; run shell -s "$dir/sh" -s "$dir/sh-2" </dev/null; expect 2 '' "qmp: 'shell' takes one address
$shell_hint"
it 'no server'; run shell -s "$dir/none" </dev/null; expect 4 '' \
    "qmp: $absent"
it 'no lines'; run shell -s "$dir/sh" </dev/null; expect 0 '' ''
it 'standard input closed'; run shell -s "$dir/sh" <&-; expect 10 '' \
    'qmp: line 1: cannot read standard input: Bad file descriptor'

it 'commands, comments and empty lines'; script query-name '' '   ' '# a comment' '  query-name # another'
expect 0 '{"name": "vm7"}
{"name": "vm7"}' ''
it 'no line end at the end'; printf query-name >"$dir/script"; run shell -s "$dir/sh" <"$dir/script"
expect 0 '{"name": "vm7"}' ''
it 'carriage returns'; printf 'query-name\r\nquery-name\r\n' >"$dir/script"; run shell -s "$dir/sh" <"$dir/script"
expect 0 '{"name": "vm7"}
{"name": "vm7"}' ''
it 'arguments typed by the schema'
script 'blockdev-add driver=null-co node-name=n0 size=1M read-zeroes=on' 'blockdev-del node-name=n0'; expect 0 '{}
{}' ''
it 'quotes'; script 'blockdev-add driver="null-co" node-name='"'n0'"' size=\1024' 'blockdev-del "node-name=n0"'; expect 0 '{}
{}' ''
it 'arguments in JSON'; script 'blockdev-add {"driver": "null-co", "node-name": "n0"}' 'blockdev-del {"node-name": "n0"}'
expect 0 '{}
{}' ''
it 'arguments in JSON over several rows'; script 'blockdev-add {' ' "driver": "null-co",' '"node-name": "n0" }' \
    'blockdev-del node-name=n0'; expect 0 '{}
{}' ''
it 'a value in JSON without quotes'
script 'blockdev-add driver=raw node-name=n1 file={"driver": "null-co", "read-zeroes": true}' 'blockdev-del node-name=n1'
expect 0 '{}
{}' ''
it 'a row that goes on'; script 'blockdev-add driver=null-co \' '  node-name=n0' 'blockdev-del node-name=n0'; expect 0 '{}
{}' ''
it 'a command as it goes over the wire'; script '{"execute": "query-name"}' '{"execute":' '  "query-name", "id": 7}'
expect 0 '{"name": "vm7"}
{"name": "vm7"}' ''
it 'braces and quotes in strings'; script '{"execute": "query-name", "id": "}{\"}"}' 'query-name'; expect 0 '{"name": "vm7"}
{"name": "vm7"}' ''
it 'the human monitor'; script '!info status' '! info name'; expect 0 'VM status: running
vm7' ''
it 'quotes of the human monitor'; script '!"a\"|b" | cat' '!"a|b"'; expect 0 \
    "unknown command: '\"a\\\"|b\"'
unknown command: '\"a|b\"'" ''
it 'a program'; script 'query-name | tr a-z A-Z' '{"execute": "query-name"} | cat' '!info status | wc -l | tr -d " "' \
    'query-name|cat'; expect 0 '{
  "NAME": "VM7"
}
{
  "name": "vm7"
}
1
{
  "name": "vm7"
}' ''
it 'a program, the format given'; printf 'query-name | cat\n' >"$dir/script"
run shell -s "$dir/sh" -o short <"$dir/script"; expect 0 '{"name": "vm7"}' ''
it 'a program that reads nothing'; script 'query-qmp-schema | true' query-name; expect 0 '{"name": "vm7"}' ''
it 'a program that fails'; script 'query-name | sh -c "cat >/dev/null; exit 3"' query-name; expect 1 '{"name": "vm7"}' \
    "qmp: line 1: 'sh -c \"cat >/dev/null; exit 3\"' ended with status 3"
it 'a program that is killed'; script 'query-name | kill -KILL $$'; expect 1 '' \
    "qmp: line 1: 'kill -KILL \$\$' was ended by signal 9"
it 'out of band'; script '.oob query-yank' '.oob query-name' .oob; sed -i 's/compat_monitor./CHARDEV/g' "$out"
expect 2 '[{"type": "chardev", "id": "CHARDEV"}, {"type": "chardev", "id": "CHARDEV"}]' \
    "qmp: line 2: query-name: GenericError: The command query-name does not support OOB
qmp: line 3: '.oob' wants a command of QEMU
$shell_hint"
it 'help of a command'; script 'help query-name'; sed -n 1,4p "$out" >"$out.first"; mv "$out.first" "$out"
expect 0 'command query-name {}
returns {
    name?: str
}' ''
it 'help of the shell itself'; script help 'help .events'; expect_file 0 help/shell-help.txt
it 'help of nothing'; script 'help query-nam'; expect 8 '' \
    "qmp: line 1: there is no command or event 'query-nam'; did you mean 'query-name'?"
it 'leaving'; script exit query-name; expect 0 '' ''
it 'leaving, the other word'; script .quit query-name; expect 0 '' ''
it 'the end of the VM is an answer'; vm dies; printf 'quit\n' >"$dir/script"; run shell -s "$dir/dies" <"$dir/script"
expect 0 '{}' ''
it 'a line after the end of the VM'; vm dies; printf 'quit\nquery-name\nquery-name\n' >"$dir/script"
run shell -s "$dir/dies" <"$dir/script"; sed -i 's/reset the/closed the/' "$err"
expect 6 '{}' 'qmp: line 2: DIR/dies: the server closed the connection'

it 'a transaction'
script 'transaction(' 'block-dirty-bitmap-add node=src name=b0' 'block-dirty-bitmap-add {"node": "src", "name": "b1"}' ')' \
    'transaction( block-dirty-bitmap-remove node=src name=b0' 'block-dirty-bitmap-remove node=src name=b1 )' \
    'transaction( block-dirty-bitmap-add node=src name=b0 )' 'block-dirty-bitmap-remove node=src name=b0'; expect 0 '{}
{}
{}
{}' ''
it 'an empty transaction'; script 'transaction(' ')'; expect 0 '{}' ''
it 'a transaction that is refused does nothing'
script 'transaction(' 'block-dirty-bitmap-add node=src name=b0' 'block-dirty-bitmap-add node=none name=b1' ')' \
    'block-dirty-bitmap-remove node=src name=b0'; expect 1 '' \
    "qmp: line 4: transaction: GenericError: Cannot find device='none' nor node-name='none'
qmp: line 5: block-dirty-bitmap-remove: GenericError: Dirty bitmap 'b0' not found"
it 'a transaction with a line that is wrong is not sent'
script 'transaction(' 'block-dirty-bitmap-add node=src name=b0' 'block-dirty-bitmap-add node' ')' \
    'block-dirty-bitmap-remove node=src name=b0'; expect 1 '' \
    "qmp: line 3: 'actions.0.data.node' is neither KEY=VALUE nor a JSON object in { }
qmp: line 4: the transaction is not sent: something in it is wrong
qmp: line 5: block-dirty-bitmap-remove: GenericError: Dirty bitmap 'b0' not found"
it 'other lines in a transaction'; script 'transaction(' '!info status' '{"execute": "query-name"}' 'transaction(' ')'
expect 2 '' "qmp: line 2: a transaction is open: write COMMAND KEY=VALUE..., or ')'
qmp: line 3: a transaction is open: write COMMAND KEY=VALUE..., or ')'
qmp: line 4: a transaction is open already; ')' runs it
qmp: line 5: the transaction is not sent: something in it is wrong
$shell_hint"
it 'a transaction without an end'; script 'transaction(' 'block-dirty-bitmap-add node=src name=b0'; expect 2 '' \
    "qmp: line 3: the transaction has no ')', and is not sent
$shell_hint"
it 'an end without a transaction'; script ')'; expect 2 '' \
    "qmp: line 1: no transaction is open; 'transaction(' begins one
$shell_hint"

it 'a line that fails does not keep the next from running'; script query-nam query-name 'blockdev-del node-name=none'
expect 1 '{"name": "vm7"}' "qmp: line 1: query-nam: CommandNotFound: The command query-nam has not been found
qmp: line 1: did you mean 'query-name'?
qmp: line 3: blockdev-del: GenericError: Failed to find node with node-name='none'"
it 'unless that is wished'; script '.errors continue' 'blockdev-del node-name=none' '.errors stop' query-nam query-name
expect 8 '' "qmp: line 2: blockdev-del: GenericError: Failed to find node with node-name='none'
qmp: line 4: query-nam: CommandNotFound: The command query-nam has not been found
qmp: line 4: did you mean 'query-name'?"
it 'a wish that is none'; script '.errors perhaps' .errors '.errors stop now'; expect 2 '' \
    "qmp: line 1: write '.errors stop' or '.errors continue'
qmp: line 2: write '.errors stop' or '.errors continue'
qmp: line 3: 'now' is one too many after '.errors'
$shell_hint"
it 'wrong lines'; script "query-name 'x" 'query-name "' '{"execute": "query-name"} more' 'query-name |' '| cat' '!' \
    '.quti' '.x' 'exit now' '.quit | cat' 'query-name -' 'query-name x' '[1]'; expect 8 '' \
    "qmp: line 1: a ' is not closed
qmp: line 2: a \" is not closed
qmp: line 3: there is more behind the JSON object
qmp: line 4: a program is missing after '|'
qmp: line 5: a command is missing before '|'
qmp: line 6: a command is missing after '!', as in !info block
qmp: line 7: '.quti' is no command of the shell; did you mean '.quit'?
qmp: line 8: '.x' is no command of the shell; 'help' lists them
qmp: line 9: 'now' is one too many after 'exit'
qmp: line 10: '.quit' gives no answer to a program
qmp: line 11: '-' is for 'qmp call': standard input is where these lines come from
qmp: line 12: 'x' is neither KEY=VALUE nor a JSON object in { }
qmp: line 13: [1]: CommandNotFound: The command [1] has not been found"
it 'nothing of a script is an argument'; script 'query-name x=@-' 'transaction( blockdev-snapshot-sync node:=@- )' \
    query-name; expect 2 '{"name": "vm7"}' "qmp: line 1: 'x=@-' is for 'qmp call': standard input is where these lines come from
qmp: line 2: 'node:=@-' is for 'qmp call': standard input is where these lines come from
$shell_hint"
it 'JSON that is none'; script '{"execute": query-name}' '{"execute": "a}' '"}' "{'execute': 'query-name'}" \
    '{"exec": "query-name"}'; expect 1 '' \
    'qmp: line 1: a character that does not belong here at byte 12: "query-name}" after "{\"execute\": "
qmp: line 2: a " is not closed
qmp: line 3: a " is not closed
qmp: line 4: a character that does not belong here at byte 1: "'"'execute': 'query-name'}"'" after "{"
qmp: line 5: the command: GenericError: QMP input member '"'exec'"' is unexpected'
it 'braces that stay open'; script query-name '{"execute":' '"query-name"'; expect 2 '{"name": "vm7"}' \
    "qmp: line 2: the input ends inside of braces
$shell_hint"
it 'bytes that are no text'; printf 'query-name\0\nquery-name\n' >"$dir/script"; run shell -s "$dir/sh" <"$dir/script"
expect 2 '{"name": "vm7"}' "qmp: line 1: a NUL byte: that is no text
$shell_hint"
it 'a hostile command'; script "$(printf 'query-\033[31mname')"; expect 8 '' \
    'qmp: line 1: query-\x1b[31mname: CommandNotFound: The command query-\x1b[31mname has not been found
qmp: line 1: did you mean '"'query-name'?"

it 'events are not shown'; script stop cont; expect 0 '{}
{}' ''
it 'but can be, before the answer that they precede'; script stop cont '.events on' stop '.events R*' stop cont .events \
    '.events off' stop cont .events; expect 0 '{}
{}
{"timestamp": {"seconds": S, "microseconds": U}, "event": "STOP"}
{}
{}
{"timestamp": {"seconds": S, "microseconds": U}, "event": "RESUME"}
{}
events are on: R*
{}
{}
events are off' ''
it 'events that there are not'; script '.events stop' '.events STPO' '.events ""' '.events a=b'
expect 2 '' "qmp: line 1: warning: no event 'stop' is known; did you mean 'STOP'?
qmp: line 2: warning: no event 'STPO' is known; did you mean 'STOP'?
qmp: line 3: '' is not the name of an event
qmp: line 4: 'a=b' is not the name of an event; did you mean '--where a=b'?
$shell_hint"
it 'another server'; vm other -name vm8; script query-name ".connect $dir/other" query-name .connect query-name
expect 0 '{"name": "vm7"}
{"name": "vm8"}
{"name": "vm8"}' ''
it 'a server that is not there'; script ".connect $dir/none" query-name; expect 4 '' \
    "qmp: line 1: $absent"
it 'the wire'; printf 'query-name\n' >"$dir/script"; run shell -v -s "$dir/sh" <"$dir/script"
grep -c query-name "$err" >"$err.count"; mv "$err.count" "$err"; expect 0 '{"name": "vm7"}' 1
it 'an answer that does not come'; printf 'query-name\nquery-name\n' >"$dir/script"
for time in 300ms 3s 20s; do # to connect takes a part of it
    serve greet recv hold; run shell -s "$dir/peer" --timeout $time <"$dir/script"
    [ "$code" = 5 ] || break
done
sed -i 's/within [0-9]* m*s/within T/' "$err"; expect 3 '' 'qmp: line 1: query-name: no answer within T'
it 'input that does not come'; mkfifo "$dir/silent"; exec 4<>"$dir/silent"
run shell -s "$dir/sh" --timeout 300ms <&4; exec 4<&-; expect 3 '' 'qmp: line 1: --timeout has passed'
it 'the monitor is held by another'; exec 4<>"$dir/silent"; rm -f "$dir/fifo"; mkfifo "$dir/fifo"; exec 3<>"$dir/fifo"
timeout "$limit" "$qmp" shell -s "$dir/sh" <&4 >"$dir/fifo" 2>&1 3<&- &
job=$!; echo query-name >&4; line
"$qmp" shell -s "$dir/sh" --connect-timeout 300ms </dev/null >"$dir/held" 2>&1; held=$?; echo exit >&4; end; exec 4<&-
cp "$dir/held" "$err"; : >"$out"; code=$held; expect 5 '' \
    "qmp: connected to DIR/sh, but no greeting within 300 ms: another client (pid PID, qmp) holds this monitor"
it 'standard output closed early'; script query-name >"$dir/null"; printf 'query-qmp-schema\nquery-name\n' >"$dir/script"
{ "$qmp" shell -s "$dir/sh" <"$dir/script" 2>"$err"; echo $? >"$dir/code"; } | :; code=$(cat "$dir/code"); : >"$out"
expect 141 '' ''

# --- a terminal --------------------------------------------------------------------------------------------------------

if ! command -v tmux >/dev/null; then
    echo 'no tmux: the screens of the shell are skipped'
    return
fi

tm() { env -u TMUX tmux -u -S "$dir/tmux" -f /dev/null "$@"; }
tm new-session -d -s keep cat || exit 1
pids="$pids $(tm display -p '#{pid}')"
tm set -g status off
tm set -g default-shell /bin/sh
qmp_folder=$(cd "$(dirname "$qmp")" && pwd)

# screen SIZE COMMAND: a terminal of this size in the folder of the test, in which the shell command runs.
screen() {
    tm kill-session -t it 2>"$dir/null"
    tm new-session -d -s it -x "${1%x*}" -y "${1#*x}" -c "$dir" "trap : INT; TERM=screen PATH=$qmp_folder:\$PATH; export TERM PATH; $2; echo \"status \$?\"; cat"
}

# What the terminal shows, and where its cursor is.
captured() {
    tm capture-pane -t it -p "$@" | sed -e 's/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/HH:MM:SS/' \
        -e 's/QEMU [0-9.]*[0-9]/QEMU VERSION/' -e 's/ *$//' \
        -e '/Stopped/d' -e '/Terminated/d' -e 's/server reset the/server closed the/' |
        awk '{ line[NR] = $0; if ($0 != "") last = NR } END { for (i = 1; i <= last; i++) print line[i] }'
    tm display -t it -p 'cursor #{cursor_x},#{cursor_y}'
}

# Polls until a command succeeds; says whether it did before the limit.
poll() {
    until=$(($(date +%s) + limit))
    until "$@"; do
        [ "$(date +%s)" -lt "$until" ] || return 1
        sleep 0.03
    done
}

# shellcheck disable=SC2086 # $look is an option or none
looks_like() { captured $look >"$out"; cmp -s "$out" "$dir/wanted"; }
has_text() { tm capture-pane -t it -p | grep -qF -- "$1"; }
has_end() { tm capture-pane -t it -p | sed '/^$/d' | tail -n 1 | grep -qE -- "$1\$"; }

# shows FILE [OPTION]: waits until the terminal shows what is in screens/FILE.txt; ends a case. With `write_screens` in
# the environment the file is written instead, from what the terminal shows when nothing has changed for a while.
shows() {
    look=${2:-}
    if [ -n "${write_screens:-}" ]; then sleep 3; captured ${look:+"$look"} >"$here/screens/$1.txt"; fi
    cp "$here/screens/$1.txt" "$dir/wanted"
    poll looks_like
    cp "$dir/wanted" "$dir/out.expected"; : >"$dir/err.expected"; : >"$err"; code=0; compare 0
}

# until_text TEXT: waits until the terminal shows a text.
until_text() { poll has_text "$1" || echo "never shown: $1"; }
# ready: waits for the next prompt.
ready() { poll has_end '(>|\.\.\.|N\])' || echo 'no prompt'; }

press() { tm send-keys -t it "$@"; }
# type TEXT: types it, and waits until it is there; send TEXT does not wait.
send() { tm send-keys -t it -l -- "$1"; }
type() { send "$1"; poll has_text "$(printf '%s' "$1" | sed 's/ *$//' | tail -c 8)" || echo "cannot type: $1"; }
at_end() { case $(tm capture-pane -t it -p | sed '/^ *$/d' | tail -n 1) in *"$1") ;; *) return 1 ;; esac; }
# enter TEXT: a line, up to the next prompt. It is there when the last row ends like it, not when something like it is
# somewhere: what is typed between two prompts is echoed by the terminal, too.
enter() {
    send "$1"
    poll at_end "$(printf '%s' "$1" | sed 's/ *$//' | tail -c 3)" || echo "cannot type: $1"
    press Enter
    ready
}
# What is typed while the terminal changes its mode is lost, as everywhere: typed again until it is heard. What comes in
# late makes a prompt more.
gives_up() {
    press C-c
    for _ in 1 2 3 4 5 6 7 8; do has_text 'query-name: given up; QEMU may execute it all the same' && return; sleep 0.03; done
    return 1
}
# clear: an empty terminal with a prompt.
clear() { press C-u; press C-l; poll has_end "^[^ ]*( \\[[a-z]*\\])?>"; }

other() { "$qmp" call -s "$dir/sh-2" "$@" >"$dir/null"; }

it 'the start'; screen 80x24 "qmp shell -s sh"; shows start
it 'a command'; enter query-name; shows command
it 'a line that is being typed'; type 'query-nam'; press Left Left; shows half-typed
it 'an event above it'; other stop; shows event
it 'and the line is as it was'; type 'x'; press BSpace; press End; type e; press Enter; shows event-after
it 'an event above an empty line'; other cont; shows event-empty
it 'an event above a line of several rows'; clear
type 'blockdev-add driver=null-co node-name=abcdefghijklmnopqrstuvwxyz0123456789 read-zeroes=on size=65536'
press Home; press Right; other stop; other cont; shows event-rows
it 'an event above a line that fills its rows'; press C-e; press C-u; type "$(printf '%065d' 0)"; other stop; shows event-full
it 'an event above wide characters'; press C-u; send "$(printf 'x=\344\270\255\346\226\207\303\244')"; press Left; other cont
shows event-wide
it 'an event above wide characters that do not fit'; press C-u
send "$(printf 'xyz'; for i in 1 2 3 4 5 6 7 8; do printf '\344\270\255\346\226\207\344\270\255\346\226\207\344\270\255'; done)"
press Left; other stop; poll has_text paused; other cont; shows event-wide-rows
it 'an event while the history is searched'; clear; press C-r; send 'nam'; until_text 'bck:nam'; other stop
shows event-search
it 'the line that was found'; press Enter; until_text '"name": "vm7"'; other cont; shows found
it 'a line that is given up'; type 'query-'; press C-c; shows given-up

it 'JSON over several rows'; screen 80x24 "qmp shell -s sh"; until_text '[running]>'
enter '{"execute":'; enter '  "blockdev-add", "arguments": {'; other stop; until_text STOP
type '"driver": "null-co", "node-name": "n5"'; shows json-open
it 'and run'; enter '}}'; poll has_end 'paused\]>'; enter 'blockdev-del node-name=n5'; other cont; until_text RESUME; shows json-done
it 'and given up'; clear; enter 'blockdev-add {'; press C-c; shows json-given-up
it 'a transaction'; clear; enter 'transaction('; enter 'block-dirty-bitmap-add node=src name=b7'
enter 'block-dirty-bitmap-add node=src'; enter 'block-dirty-bitmap-remove node=src name=b7'; enter ')'; shows transaction
it 'a transaction that is given up'; enter 'transaction('; until_text 'transaction>'; press C-c; poll has_end ']>'; enter ')'
shows transaction-given-up
it 'the human monitor'; clear; enter '!info name'; enter '!info version | cut -c 1-2'; shows monitor
it 'a program'; clear; enter 'query-version | grep -v package'; enter 'query-name | false'; shows program
it 'a program that reads the terminal'; clear; type "query-name | (cat; read x </dev/tty; echo got \$x)"; press Enter
until_text '}'; other stop; type 'this'; press Enter; until_text 'got this'; until_text STOP; other cont; shows program-terminal
it 'Ctrl-C is for the program'; clear; type "query-name | (cat >null; echo o''n; sleep 60)"; press Enter; poll has_end on; press C-c; ready
type "query-name | (trap '' INT; cat; read x </dev/tty; echo got \$x)"; press Enter; until_text '}'; press C-c
send 'more'; press Enter; shows program-interrupt
it 'mistakes'; clear; enter 'query-nam'; enter 'blockdev-add drivr=raw'; enter '.evants'; enter "query-name 'x"; shows mistakes
it 'help'; clear; enter 'help query-name | x'; enter 'help'; shows help
it 'which events'; clear; enter '.events'; enter '.events R*'; other stop; poll has_end 'paused\]>'; other cont
until_text RESUME; poll has_end 'running\]>'; enter '.events'; enter '.events off'; other stop; poll has_end 'paused\]>'; other cont
poll has_end 'running\]>'; enter '.events on'; enter '.events'; shows events
it 'the end'; press C-d; shows end

it 'completion of a command'; screen 80x24 "qmp shell -s sh"; until_text '[running]>'
type 'query-named'; press Tab; shows tab-command
it 'what there is'; press C-u; type 'block-dirty-bitmap-'; press Tab Tab; shows tab-list
it 'completion of an argument'; clear; type 'block-dirty-bitmap-add pers'; press Tab; shows tab-argument
it 'which arguments there are'; clear; type 'block-dirty-bitmap-add '; press Tab Tab; shows tab-arguments
it 'which values there are'; clear; type 'watchdog-set-action action='; press Tab Tab; shows tab-values
it 'completion of what is there now'; clear; type 'blockdev-del node-name=s'; press Tab; shows tab-live
it 'what is there now'; clear; type 'block-dirty-bitmap-add node='; press Tab Tab; shows tab-lives
it 'a path, level by level'; clear; type 'qom-list path='; press Tab; type mach; press Tab; type /; press Tab
press Tab; shows tab-path
it 'a path and its properties'; clear; type 'qom-get path=/machine property=ty'; press Tab; shows tab-property
it 'very many'; clear; press Tab Tab; until_text 'show all'; press n; shows tab-many
it 'nothing'; type 'zzz'; press Tab Tab; shows tab-nothing
it 'help and the own commands'; clear; type 'help query-named'; press Tab; press C-u; type '.'; press Tab Tab
shows tab-own
it 'in a transaction'; clear; enter 'transaction('; type 'blockdev-snapshot-int'; press Tab
type 'de'; press Tab; press Tab; shows tab-transaction
it 'nothing to complete in JSON'; press C-c; clear; type '{"exec'; press Tab; type '!inf'; press Tab; shows tab-json
it 'a VM that hangs'; clear; kill -STOP "$(cat "$dir/sh.pid")"; type 'blockdev-del node-name='; press Tab; type x
shows tab-hang
it 'a command that is given up'; press C-u; type query-name; press Enter; poll gives_up || echo 'not given up'
kill -CONT "$(cat "$dir/sh.pid")"; clear; enter query-name; until_text '"vm7"'; shows hang

it 'a narrow terminal'; screen 10x12 "qmp shell -s sh"; ready; clear; send 'query-names'; until_text mes; press Left
other stop; shows narrow
it 'a narrow list'; clear; send query-na; press Tab Tab; shows narrow-list
it 'a terminal that becomes narrow'; screen 60x12 "qmp shell -s sh"; until_text '[paused]>'; clear
type 'blockdev-add driver=null-co node-name=n6'; press Left; until_text n6; tm resize-window -t it -x 30 -y 12; other cont
shows narrowed
it 'and goes on being edited'; press Home; type X; press End; press BSpace; type 7; press Home; press Right Right; shows narrowed-edit
it 'a terminal that shows nothing but text'; screen 60x12 "TERM=dumb qmp shell -s sh"; until_text '[running]>'
type 'query-na'; other stop; until_text STOP; type 'me'; press Enter; shows dumb
it 'a build without libedit, or a system'; other cont; mkdir "$dir/lib"
for name in libedit.so.2 libedit.so.0 libedit.so; do echo no >"$dir/lib/$name"; done
screen 80x12 "LD_LIBRARY_PATH=lib qmp shell -s sh"; until_text '[running]>'; enter 'query-name'; press C-d; shows plain
it 'colours'; screen 80x12 "qmp shell -s sh"; until_text '[running]>'; other stop; until_text paused; enter query-name
other cont; shows colours -e
it 'no colours'; screen 80x12 "NO_COLOR=1 qmp shell -s sh"; until_text '[running]>'; enter query-name; shows no-colours -e

it 'stopped and continued'; screen 80x12 "set -m; qmp shell -s sh; stty -a | grep -ow icanon; fg"; until_text '[running]>'
type 'query-na'; press C-z; until_text icanon; until_text 'query-na'; type me; press Enter; until_text '"vm7"'; shows stopped
it 'ended by a signal'; screen 80x12 "qmp shell -s sh; stty -a | grep -ow icanon"; until_text '[running]>'; type query
until_text query; kill "$(pgrep -P "$(tm display -t it -p '#{pane_pid}')" -x qmp)"; shows ended

it 'a QEMU that goes away'; vm mortal -name vm9; screen 80x24 "qmp shell -s mortal"; until_text '[running]>'; type query-
kill -KILL "$vm_pid"; until_text '[gone]>'; enter name; shows gone
it 'and is there again'; type query-; vm mortal -name vm10; until_text '[running]> query-'; enter name; shows back
it 'quit is asked for'; clear; enter quit; enter ''; enter query-name; until_text '"vm10"'; enter quit; until_text 'End the'
enter y; until_text 'gone'; shows quit

# A server that tells its name and its state, and has no schema.
told() {
    serve greet recv "send={\"return\": {\"name\": \"$1\"}, \"id\": @ID@}" \
        recv 'send={"return": {"status": "running"}, "id": @ID@}' \
        recv 'send={"error": {"class": "CommandNotFound", "desc": "no"}, "id": @ID@}' "$2" hold
}

it 'a hostile server'
told 'a\u001b[31mb' "send=$(event 'A\u001b[31mB' '{"x\u001b[2J": "\u001b]0;x\u0007", "y": "\u009b1m", "z": "\n"}')"
screen 80x12 "qmp shell -s peer"; until_text u009b; ready; shows hostile
it 'an answer, and the end at once'
serve greet recv 'send={"return": {"name": "pv"}, "id": @ID@}' recv 'send={"return": {"status": "running"}, "id": @ID@}' \
    recv 'send={"error": {"class": "CommandNotFound", "desc": "no"}, "id": @ID@}' recv 'send={"return": 1, "id": @ID@}'
screen 80x12 "qmp shell -s peer"; until_text 'running]>'; type bye; press Enter; until_text '[gone]>'; shows bye
press C-d; until_text status # else it would connect to the next server, again and again, and take it from its own client
# How many seconds the shell gets for a flood is the machine's affair, and with it, how many lines it shows. But every
# event is told, in order: by a line, or in the number of those that had none.
flood_told() {
    tm capture-pane -t it -p -S - | awk -v lines="$dir/flood.lines" '
        / FLOOD n=[0-9]+ *$/ { sub(/.* n=/, ""); if ($0 + 0 != ++told) print "n=" $0 " is told as number " told; shown++ }
        /^\.\.\. [0-9]+ more events? *$/ { told += $2 }
        END { print told + 0; print shown + 0 >lines }' >"$out"
    [ "$(tail -n 1 "$out")" = 1000 ] && has_end '\[running\]>'
}
it 'a flood of events'; began=$(date +%s); told pv flood=1000; screen 80x30 "qmp shell -s peer"; poll flood_told
seconds=$(($(date +%s) - began + 2)) lines=$(cat "$dir/flood.lines")
if [ "$lines" -lt 20 ] || [ "$lines" -gt $((20 * seconds)) ]; then echo "$lines lines in $seconds seconds" >>"$out"; fi
: >"$err"; code=0; expect 0 1000 ''

it 'the history'; rm -rf "$XDG_STATE_HOME"; screen 80x12 "qmp shell -s sh"; until_text '[running]>'; enter query-name
enter query-status; enter query-name; press Up Up Up Up; shows history-once
it 'the history on disk'; press C-u; enter 'set_password protocol=vnc password=x'; enter 'object-add qom-type=secret id=s'
press C-d; until_text status; cp "$XDG_STATE_HOME/qmp/history" "$out"; stat -c %a "$XDG_STATE_HOME/qmp/history" >>"$out"
: >"$err"; code=0; expect 0 'query-name
query-status
query-name
600' ''
it 'the history is there again'; screen 80x12 "qmp shell -s sh"; until_text '[running]>'; press Up; press Up; until_text query-status
press Up; type '#'; shows history
it 'a history that cannot be written'; rm -rf "$XDG_STATE_HOME"; echo >"$XDG_STATE_HOME"; screen 80x12 "qmp shell -s sh"
until_text '[running]>'; enter query-name; shows no-history; rm "$XDG_STATE_HOME"
it 'a history that others could have put there'; mkdir -p "$XDG_STATE_HOME/qmp"; echo untouched >"$dir/precious"
ln -s "$dir/precious" "$XDG_STATE_HOME/qmp/history"; screen 80x12 "qmp shell -s sh"; until_text '[running]>'
enter query-name; press Up Up; shows history-alien; press C-u C-d; until_text status; cp "$dir/precious" "$out"
: >"$err"; code=0; expect 0 untouched ''
it 'a history that never ends'; rm "$XDG_STATE_HOME/qmp/history"; mkfifo "$XDG_STATE_HOME/qmp/history"
screen 80x12 "qmp shell -s sh"; until_text '[running]>'; enter query-name; press Up Up; shows history-alien; press C-u C-d
until_text status
it 'a history in a folder that others can write to'; rm "$XDG_STATE_HOME/qmp/history"; chmod 777 "$XDG_STATE_HOME/qmp"
echo query-status >"$XDG_STATE_HOME/qmp/history"; screen 80x12 "qmp shell -s sh"; until_text '[running]>'
enter query-name; press Up Up; shows history-alien; press C-u C-d; until_text status
cp "$XDG_STATE_HOME/qmp/history" "$out"; : >"$err"; code=0; expect 0 query-status ''; rm -r "$XDG_STATE_HOME"
it 'the time is over'; screen 80x12 "qmp shell -s sh --timeout 1s"; until_text status; shows time-over
tm kill-server 2>"$dir/null"
