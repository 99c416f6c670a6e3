# SPDX-License-Identifier: MIT
# The verbs help, schema and version: a small schema with everything in it, from a scripted peer, and that of real servers.

rm -rf "$XDG_CACHE_HOME"
schemas=$here/schemas
verbs=$("$qmp" --help | awk '/^Verbs:/ { listed = 1; next } /^$/ { listed = 0 } listed { printf "%s%s", comma, $1; comma = ", " }')
schema_hint="qmp: 'qmp schema show --help' says more"
help_hint="qmp: 'qmp help --help' says more"
no_manual=$dir/nothing
export MANPATH="$no_manual"

# described FILE: a peer that describes itself as in a file.
described() {
    serve greet recv "send={\"return\": $(tr -d '\n' <"$schemas/$1"), \"id\": @ID@}" hold
    export QMP_SOCKET="$dir/peer"
}

# --- the verbs themselves --------------------------------------------------------------------------------------------

it 'help of help'; run help help; expect_file 0 help/help.txt
it 'help of help, as an option'; run help --help; expect_file 0 help/help.txt
it 'help of schema'; run schema --help; expect_file 0 help/schema.txt
it 'help of schema ls'; run help schema ls; expect_file 0 help/schema-ls.txt
it 'help of schema show'; run schema show --help; expect_file 0 help/schema-show.txt
it 'help of schema diff'; run help schema diff; expect_file 0 help/schema-diff.txt
it 'help of version'; run help version; expect_file 0 help/version.txt
it 'help of what shells ask'; run __complete --help; expect_file 0 help/__complete.txt
it 'help without a word'; run help; cp "$out" "$dir/help"; run --help; cmp "$out" "$dir/help"; : >"$out"; expect 0 '' ''
it 'help of a verb'; run help call; cp "$out" "$dir/help"; run call --help; cmp "$out" "$dir/help"; : >"$out"; expect 0 '' ''
it 'help of a verb that there is not'; run help schema shw
expect 2 '' "qmp: unknown verb 'schema shw'; did you mean 'schema show'?
$help_hint"
it 'help of a verb and more'; run help call query-status
expect 2 '' "qmp: 'query-status' is one too many: 'help' takes a verb, or a command of QEMU
$help_hint"
it 'help of two commands'; run help stop cont; expect 2 '' "qmp: unknown verb 'stop'; the verbs are: $verbs
$help_hint"
it 'schema alone'; run schema; expect 2 '' "qmp: 'schema' wants one more word; it is one of:
qmp:   schema ls [commands | events | types]... [GLOB]...
qmp:   schema show NAME...
qmp:   schema diff A B
qmp: 'qmp schema --help' says more"
it 'version'; run version; expect 0 "qmp $version (libqmpclient $version)" ''
it 'version and more'; run version 1; expect 2 '' "qmp: '1': 'version' takes no words
qmp: 'qmp version --help' says more"
it 'version of a server'; run version -s x; expect 2 '' "qmp: 'version' takes no --socket
qmp: 'qmp version --help' says more"

# --- no server -------------------------------------------------------------------------------------------------------

no_address="qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET"
last_seen='qmp: the schema that was last seen is used instead'
absent="qmp: cannot connect to DIR/peer: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?"
it 'nothing known, no address'; run schema ls; expect 2 '' "$no_address
qmp: 'qmp schema ls --help' says more"
it 'nothing known, no address, help'; run help query-status; expect 2 '' "$no_address
$help_hint"
it 'nothing known, nobody there'; run schema show stop -s "$dir/peer"; expect 4 '' "$absent"
it 'show nothing'; run schema show; expect 2 '' "qmp: 'schema show' wants more: qmp schema show NAME...
$schema_hint"
it 'a server that does not describe itself'
serve greet recv 'send={"error": {"class": "CommandNotFound", "desc": "no"}, "id": @ID@}' hold
run schema ls -s "$dir/peer"; expect 8 '' 'qmp: this server does not describe itself: it has no query-qmp-schema'
it 'a server that describes itself wrongly'
serve greet recv 'send={"return": [{"name": 1}], "id": @ID@}' hold
run schema ls -s "$dir/peer"; expect 8 '' 'qmp: this server does not describe itself: it has no query-qmp-schema'
it 'a server that does not answer'; serve greet recv hold
run schema ls -s "$dir/peer" --timeout 100ms; expect 3 '' 'qmp: query-qmp-schema: no answer within 100 ms'

# --- the small schema ------------------------------------------------------------------------------------------------

it 'ls'; described old.json; run schema ls; expect 0 'bad$(id);\u001b[31m	command	
drive-drop	command	
drive-grow	command	deprecated
drive-open	command	
drive-set	command	
look	command	out-of-band, unstable
lost	command	
odd	command	
wait	command	
DRIVE_FULL	event	
DRIVE_GONE	event	' ''
it 'ls of a server that has gone'; kill "$peer_pid"; rm -f "$dir/peer"; run schema ls look; expect 0 'look	command	out-of-band, unstable' \
    "$absent
$last_seen"
it 'ls without an address'; unset QMP_SOCKET; run schema ls events; expect 0 'DRIVE_FULL	event	
DRIVE_GONE	event	' "$no_address
$last_seen"
it 'ls with an address that is none'; run schema ls -s tcp:x; expect 2 '' "qmp: tcp:x is an address without a port; $grammar
qmp: 'qmp schema ls --help' says more"

last_seen="$no_address
$last_seen"
it 'ls with globs'; run schema ls 'drive-*o*' LOOK 'l?st'; expect 0 'drive-drop	command	
drive-grow	command	deprecated
drive-open	command	
lost	command	' "$last_seen"
it 'ls types'; run schema ls types '[2-4]'; expect 0 '4	enum	
2	object	
3	object	' "$last_seen"
it 'ls of kinds together'; run schema ls commands types odd any; expect 0 'odd	command	
any	builtin	' "$last_seen"
it 'ls of what is not there'; run schema ls drive-gro; expect 8 '' "$last_seen
qmp: there is no command or event 'drive-gro'; did you mean 'drive-grow'?"
it 'ls of a glob that matches nothing'; run schema ls 'x*'; expect 8 '' "$last_seen
qmp: nothing has such a name"
it 'ls as JSON'; run schema ls -o short DRIVE_FULL
expect 0 '{"name": "DRIVE_FULL", "meta-type": "event", "arg-type": "0"}' "$last_seen"
it 'ls of names'; run schema ls -g name events; expect 0 'DRIVE_FULL
DRIVE_GONE' "$last_seen"

it 'show what has marks and defaults'; run schema show drive-grow; expect 0 'command drive-grow (deprecated) {
    id: str
    size: int
    speed?: int
    tries?: int = 3
    mode?: fast | safe | wild (unstable)
    force? (deprecated, unstable): bool
}
returns {}' "$last_seen"
it 'show what depends on a tag'; run schema show drive-open; expect 0 'command drive-open {
    driver: file | raw | qcow2 | null | quorum
    mode?: fast | safe | wild (unstable)
    tags?: [str]
    driver = file: { (dynamic)
        path: str
        why?: one | two | three | four | five | six | seven | eight | nine |
            ten | eleven | twelve | thirteen | fourteen | fifteen
        again?: <drive-open[file].why>
    }
    driver = raw, qcow2: {
        file: str | <drive-open> | null
        \u009b?: str
    }
    driver = quorum: {
        children: [str | <drive-open> | null]
        lists?: [{
            id: str
            size: number
            ro: bool
            backing?: <drive-open[quorum].lists>
        }]
    }
}
returns {}' "$last_seen"
it 'show what returns a list of itself'; run schema show look; expect 0 'command look (out-of-band, unstable) {}
returns [{
    id: str
    size: number
    ro: bool
    backing?: <returns>
}]' "$last_seen"
it 'show what cannot be'; run schema show odd
expect 0 'command odd {
    deep: [[int]]
    loop: [[[[[[[[[[[[[[[[...] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int]
    loops: [[[[[[[[[[[[[[[[...] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int] | int]
    new: ...
    x: any
}
returns any' "$last_seen"
it 'show what returns a type that is not there'; run schema show lost; expect 0 'command lost {}
returns ...' "$last_seen"
it 'show events, and several'; run schema show DRIVE_FULL DRIVE_GONE; expect 0 'event DRIVE_FULL {}

event DRIVE_GONE {
    id: str
    why: one | two | three | four | five | six | seven | eight | nine | ten |
        eleven | twelve | thirteen | fourteen | fifteen
}' "$last_seen"
it 'show types'; run schema show 4 '[3]' str 0 '[int]'; expect 0 'enum 4: fast | safe | wild (unstable)

array [3]: [{
    id: str
    size: number
    ro: bool
    backing?: <[3]>
}]

builtin str: string

object 0 {}

array [int]: [int]' "$last_seen"
it 'show a name that a terminal would obey'; run schema show 'bad$(id);\u001b[31m'
expect 0 'command bad$(id);\u001b[31m {}
returns {}' "$last_seen"
it 'show what is of no known kind'; run schema show 21
expect 8 '' "$last_seen
qmp: there is no command or event '21'; 'qmp schema ls' shows them all"
it 'show one that is there and one that is not'; run schema show lost dive-open; expect 8 'command lost {}
returns ...' "$last_seen
qmp: there is no command or event 'dive-open'; did you mean 'drive-open'?"
it 'show as JSON'; run schema show -o pretty DRIVE_FULL; expect 0 '{
  "name": "DRIVE_FULL",
  "meta-type": "event",
  "arg-type": "0"
}' "$last_seen"
it 'show with colours'; run schema show --color=always lost; sed -i 's/\x1b/E/g' "$out"; : >"$err"
expect 0 'command E[1mlostE[0m {}
returns ...' ''
it 'ls with colours'; run schema ls --color=always drive-grow drive-drop; sed -i 's/\x1b/E/g' "$out"; : >"$err"
expect 0 'E[1mdrive-dropE[0m	command	
E[1mdrive-growE[0m	command	E[33mdeprecatedE[0m' ''
it 'on a terminal'
timeout "$limit" script -qec "stty cols 50; $qmp schema ls --color=never look odd; $qmp schema show --color=never drive-open" /dev/null \
    </dev/null 2>"$err" | tr -d '\r' | grep -v '^qmp: ' | head -8 >"$out"; code=$?
expect 0 'look  command    out-of-band, unstable
odd   command
command drive-open {
    driver: file | raw | qcow2 | null | quorum
    mode?: fast | safe | wild (unstable)
    tags?: [str]
    driver = file: { (dynamic)
        path: str' ''

# --- help of a command -----------------------------------------------------------------------------------------------

manual() { mkdir -p "$dir/man/man7"; cp "$schemas/ref.7" "$dir/man/man7/qemu-qmp-ref.7"; export MANPATH="$dir/none::$dir/man"; }
look='command look (out-of-band, unstable) {}
returns [{
    id: str
    size: number
    ro: bool
    backing?: <returns>
}]'
it 'help of a command, no manual'; run help look; expect 0 "$look" "$last_seen"
manual
it 'help of a command, with a manual'; run help look; expect 0 "$look

$(cat "$schemas/ref-look.txt")" "$last_seen"
it 'help of an event, with a manual'; run help DRIVE_FULL; expect 0 'event DRIVE_FULL {}

qemu-qmp-ref(7):

    Emitted when a drive is full.

  Since
    8.0' "$last_seen"
it 'help of what the manual does not know'; run help lost; expect 0 'command lost {}
returns ...' "$last_seen"
it 'help of a verb that is a command, too'; run help wait; cp "$out" "$dir/help"; cp "$err" "$dir/said"; run wait --help
cmp "$out" "$dir/help" >"$out.differ"; mv "$out.differ" "$out"; mv "$dir/said" "$err"
expect 0 '' "qmp: QEMU has a command 'wait', too: 'qmp schema show wait' shows it"
it 'help of a type, which the manual does not explain under its number'; run help 4
expect 0 'enum 4: fast | safe | wild (unstable)' "$last_seen"
it 'help of what there is not'; run help lok; expect 8 '' "$last_seen
qmp: there is no command or event 'lok'; did you mean 'look'?"
it 'help with the manual alone'; rm -rf "$XDG_CACHE_HOME"; run help DRIVE_FULL; expect 0 'qemu-qmp-ref(7):

    Emitted when a drive is full.

  Since
    8.0' "$no_address"
it 'help with nothing'; run help lost; expect 2 '' "$no_address
qmp: the verb with nearly that name is 'ls': 'qmp help ls'
$help_hint"
for packer in gzip:gz xz:xz bzip2:bz2 zstd:zst; do
    command -v "${packer%:*}" >/dev/null || continue
    it "a manual packed by ${packer%:*}"; manual; "${packer%:*}" -q "$dir/man/man7/qemu-qmp-ref.7" && rm -f "$dir/man/man7/qemu-qmp-ref.7"
    run help DRIVE_FULL; sed -i '4,$d' "$out"; expect 0 'qemu-qmp-ref(7):

    Emitted when a drive is full.' "$no_address"
    rm -rf "$dir/man"
done
it 'a manual that is not what its name says'; manual; mv "$dir/man/man7/qemu-qmp-ref.7" "$dir/man/man7/qemu-qmp-ref.7.gz"
run help DRIVE_FULL; expect 2 '' "$no_address
$help_hint"
it 'a manual, and nobody to unpack it'; PATH=/nonexistent "$qmp" help DRIVE_FULL >"$out" 2>"$err"; code=$?
expect 2 '' "$no_address
$help_hint"
it 'a manual of the storage daemon'; manual
mv "$dir/man/man7/qemu-qmp-ref.7" "$dir/man/man7/qemu-storage-daemon-qmp-ref.7"; rm -f "$dir/man/man7/qemu-qmp-ref.7.gz"
run help DRIVE_FULL; sed -i '2,$d' "$out"; expect 0 'qemu-storage-daemon-qmp-ref(7):' "$no_address"
export MANPATH="$no_manual"

# --- differences -----------------------------------------------------------------------------------------------------

it 'no difference but numbers and order'; run schema diff "$schemas/old.json" "$schemas/same.json"; expect 0 '' ''
it 'differences'; run schema diff "$schemas/old.json" "$schemas/new.json"; expect 1 "$(cat "$schemas/forth.txt")" ''
it 'differences, the other way round'; run schema diff "$schemas/new.json" "$schemas/old.json"
expect 1 "$(cat "$schemas/back.txt")" ''
it 'differences with colours'; run schema diff --color=always "$schemas/old.json" "$schemas/new.json"
sed -i 's/\x1b/E/g; /drive-grow: argument \(mode = lazy\|force\|size\)/!d' "$out"
expect 1 'E[33m~E[0m command drive-grow: argument size: str, was int
E[32m+E[0m command drive-grow: argument mode = lazy
E[31m-E[0m command drive-grow: argument force?: bool' ''
it 'features that are no names'
for features in '1, null, "x"' '"y"'; do echo '[{"name": "look", "meta-type": "command", "arg-type": "0",
    "ret-type": "0", "features": ['"$features"']}, {"name": "0", "meta-type": "object", "members": []}]'; done |
    { IFS= read -r a; IFS= read -r b; echo "$a$b" >"$dir/a.json"; cat >"$dir/b.json"; }
run schema diff "$dir/a.json" "$dir/b.json"; expect 1 '- command look: 
- command look: 
- command look: x
+ command look: y' ''
it 'one thing alone'; run schema diff "$schemas/old.json"; expect 2 '' "qmp: 'schema diff' wants more: qmp schema diff A B
qmp: 'qmp schema diff --help' says more"
it 'three things'; run schema diff a b c; expect 2 '' "qmp: 'c' is one too many: two are compared
qmp: 'qmp schema diff --help' says more"
it 'a file that is no schema'; echo '{"x": 1}' >"$dir/x.json"; run schema diff "$schemas/old.json" "$dir/x.json"
expect 2 '' "qmp: DIR/x.json: this is not what 'qmp call query-qmp-schema' prints
qmp: 'qmp schema diff --help' says more"
it 'an empty file'; : >"$dir/x.json"; run schema diff "$dir/x.json" "$schemas/old.json"
expect 2 '' "qmp: DIR/x.json: this is not what 'qmp call query-qmp-schema' prints
qmp: 'qmp schema diff --help' says more"
it 'a file of another'; chmod 0 "$dir/x.json"
if [ "$(id -u)" = 0 ]; then chmod 600 "$dir/x.json"; else
    run schema diff "$dir/x.json" "$schemas/old.json"; expect 10 '' \
        'qmp: cannot read DIR/x.json: Permission denied'
fi
it 'standard input'; run schema diff - "$schemas/new.json" <"$schemas/old.json"; expect 1 "$(cat "$schemas/forth.txt")" ''
it 'standard input that cannot be read'; run schema diff - "$schemas/new.json" <"$dir"; expect 10 '' \
    'qmp: cannot read standard input: Is a directory'
it 'nobody there'; run schema diff "$dir/peer" "$schemas/old.json"; expect 4 '' "$absent"
it 'a server and a file'; described new.json; run schema diff "$schemas/new.json" "$dir/peer"; expect 0 '' ''
it 'another server that greets alike at the same address'; described old.json; run schema ls drive-drop
expect 0 'drive-drop	command	' ''
it 'too deep'; {
    printf '[{"name": "c", "meta-type": "command", "arg-type": "t0", "ret-type": "t0"}'
    i=0; while [ "$i" -lt 300 ]; do
        printf ', {"name": "t%d", "meta-type": "object", "members": [{"name": "a", "type": "t%d"}]}' "$i" $((i + 1)); i=$((i + 1))
    done; echo ']'; } >"$dir/x.json"; run schema diff "$dir/x.json" "$dir/x.json"
expect 7 '' "qmp: the schemas are nested deeper than any of QEMU's"
unset QMP_SOCKET

# --- real servers ----------------------------------------------------------------------------------------------------

vm real
export QMP_SOCKET="$dir/real"
it 'a real command'; run schema show block_resize query-status; expect 0 'command block_resize {
    device?: str
    node-name?: str
    size: int
}
returns {}

command query-status {}
returns {
    running: bool
    singlestep: bool
    status: debug | inmigrate | internal-error | io-error | paused |
        postmigrate | prelaunch | finish-migrate | restore-vm | running |
        save-vm | shutdown | suspended | watchdog | guest-panicked | colo
}' ''
it 'a real command that refers to itself'; run schema show blockdev-add; grep -c '<blockdev-add>' "$out" >"$out.n"
[ "$(cat "$out.n")" -gt 20 ] && [ "$(wc -l <"$out")" -lt 500 ] && echo yes >"$out"; expect 0 yes ''
it 'a command with the name of a verb'; run help help; : >"$out"; expect 0 '' ''
it 'all real ones can be shown'; run schema ls -g name; xargs -a "$out" "$qmp" schema show >"$dir/all" 2>"$err"; code=$?
wc -l <"$out" >"$dir/n"
grep -c '^command\|^event' "$dir/all" | cmp - "$dir/n" >"$out"; expect 0 '' ''
it 'nothing real is unknown'; grep -c '\.\.\.' "$dir/all" >"$out"; expect 0 0 ''
it 'a real server and itself'; run schema diff "$dir/real" "$dir/real-2"; expect 0 '' ''
it 'a real server and its file'; run call query-qmp-schema; cp "$out" "$dir/real.json"; run schema diff "$dir/real.json" "$dir/real"
expect 0 '' ''
it 'a pretty file'; run call query-qmp-schema -o pretty; cp "$out" "$dir/pretty.json"
run schema diff "$dir/real.json" "$dir/pretty.json"; expect 0 '' ''
if command -v qemu-storage-daemon >/dev/null; then
    qemu-storage-daemon --chardev "socket,id=c,path=$dir/qsd,server=on,wait=off" --monitor chardev=c --daemonize --pidfile "$dir/qsd.pid"
    pids="$pids $(cat "$dir/qsd.pid")"
    it 'a VM and a storage daemon'; run schema diff "$dir/real" "$dir/qsd"; sed -i '/^- command query-status$/!d' "$out"
    expect 1 '- command query-status' ''
    it 'they greet alike, and are told apart'; run schema ls -s "$dir/qsd" query-status
    expect 8 '' "qmp: there is no command or event 'query-status'; 'qmp schema ls' shows them all"
fi
it 'a monitor that another holds'; serve hold; run schema ls drive-drop -s "$dir/peer" --connect-timeout 100ms
tail -n 1 "$err" >"$err.last"; mv "$err.last" "$err"; expect 0 'drive-drop	command	' 'qmp: the schema that was last seen is used instead'
it 'a reader that has gone'; { "$qmp" schema show blockdev-add; echo $? >"$dir/code"; } 2>"$err" | :; code=$(cat "$dir/code")
: >"$out"; [ "$code" = 0 ] && code=141; expect 141 '' ''
it 'no room for the answer'; "$qmp" schema show stop >/dev/full 2>"$err"; code=$?; : >"$out"
expect 10 '' 'qmp: cannot write to standard output: No space left on device'
unset QMP_SOCKET MANPATH
