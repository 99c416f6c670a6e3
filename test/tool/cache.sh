# SPDX-License-Identifier: MIT
# Schemas that are kept: when they are asked for, where they are, and what is not believed.

cache="$XDG_CACHE_HOME/qmp"
rm -rf "$cache"
vm one
vm two

# The commands that went over the wire, of a run with -v.
asked() { sed -n 's/.*> {"execute":"\([^"]*\)".*/\1/p' "$err" | grep -v qmp_capabilities >"$out"; : >"$err"; }
# How many files of a kind there are.
files() { find "$1" -name "$2*" | wc -l | tr -d ' '; }
fine() { run -s "$dir/$1" call --check block_resize node-name=5 size=1K; }

it 'without arguments no schema is asked for'; run -v -s "$dir/one" call query-status; asked; expect 0 query-status ''
it 'nothing is kept'; ls "$cache" >"$out" 2>/dev/null; : >"$err"; code=0; expect 0 '' ''
it 'nor with JSON'; run -v -s "$dir/one" call qom-list '{"path": "/"}'; asked; expect 0 qom-list ''
it 'for words it is'; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 'query-qmp-schema
qom-list' ''
it 'once'; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 qom-list ''
it 'and no more with another spelling'; (cd "$dir" && timeout "$limit" "$qmp" -v -s one call qom-list path=/) >"$out" 2>"$err"; code=$?; asked; expect 0 qom-list ''
it 'with a dot'; (cd "$dir" && timeout "$limit" "$qmp" -v -s ././one call qom-list path=/) >"$out" 2>"$err"; code=$?; asked; expect 0 qom-list ''
it 'with unix:'; (cd "$dir" && timeout "$limit" "$qmp" -v -s unix:one call qom-list path=/) >"$out" 2>"$err"; code=$?; asked; expect 0 qom-list ''
it 'nor to check'; run -v -s "$dir/one" call --check qom-list path=/; asked; expect 0 '' ''
it 'another server is asked'; run -v -s "$dir/two" call qom-list path=/; asked; expect 0 'query-qmp-schema
qom-list' ''
it 'and shares the file'; files "$cache" schema- >"$out"; files "$cache" address- >>"$out"; files "$cache" '' >>"$out"; expect 0 '1
2
4' ''
it 'nobody else can read them'; find "$cache" -printf '%m\n' | sort -u >"$out"; expect 0 '600
700' ''
it 'a fault is only believed of the server itself'; run -v -s "$dir/one" call --check qom-list path=/ pth=/; asked; expect 2 query-qmp-schema ''
it 'a schema is asked for once'; rm -rf "$cache"; run -v -s "$dir/one" call --check qom-list path=/ pth=/; asked; expect 2 query-qmp-schema ''

it 'by its name it is asked for, once'; vm three -name "kept-$$"; run -v -s "kept-$$" call qom-list path=/; asked
expect 0 'query-qmp-schema
qom-list' ''
it 'wherever that is written'; (cd / && timeout "$limit" "$qmp" -v -s "kept-$$" call qom-list path=/) >"$out" 2>"$err"; code=$?; asked
expect 0 qom-list ''
kill -KILL "$vm_pid"; while kill -0 "$vm_pid" 2>/dev/null; do :; done; rm -f "$dir/three"
it 'when it has gone, its name tells'; run -s "kept-$$" call --check qom-list path=/
sed "s/kept-$$/NAME/g; s/^qmp: .*;/qmp: GONE;/" "$err" >"$err.same"; mv "$err.same" "$err"; expect 0 '' 'qmp: GONE; going by the schema last seen at NAME'
rm -rf "$cache"; run -s "$dir/one" call --check qom-list path=/

# --- what is not believed -----------------------------------------------------------------------------------------------

address_file=$(ls "$cache"/address-*) schema_file=$(ls "$cache"/schema-*)
cp "$address_file" "$dir/address.good"; cp "$schema_file" "$dir/schema.good"
# again FAULT: with this fault the server is asked afresh, and then no more.
again() {
    it "$1"; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 'query-qmp-schema
qom-list' ''
    it "$1, mended"; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 qom-list ''
    it "$1, as it was"; code=0; : >"$err"; cmp "$address_file" "$dir/address.good" >"$out"; cmp "$schema_file" "$dir/schema.good" >>"$out"; expect 0 '' ''
}
truncate -s -9 "$schema_file"; again 'a schema that is cut short'
: >"$schema_file"; again 'an empty schema'
echo '[]' >"$schema_file"; again 'a schema without entities'
echo '{"a": 1}' >"$schema_file"; again 'a schema that is none'
echo '[{"nme": "x"}]' >"$schema_file"; again 'a schema of nameless entities'
echo '[{"name": "x"}], "x": [1]' >"$schema_file"; again 'a schema that goes on'
echo '["x"]' >"$schema_file"; again 'a schema of strings'
truncate -s 20M "$schema_file"; again 'a schema that is far too large'
rm "$schema_file"; again 'a schema that has gone'
rm "$schema_file"; mkdir "$schema_file.d"; mv "$schema_file.d" "$dir/folder"; mkfifo "$schema_file"; again 'a schema that is a FIFO'
mv "$schema_file" "$dir/elsewhere"; ln -s "$dir/elsewhere" "$schema_file"; again 'a schema that is a link'
chmod g+w "$schema_file"; again 'a schema that others may write'
chmod o+w "$address_file"; again 'an address that others may write'
echo '{' >"$address_file"; again 'an address that is no JSON'
echo '{}' >"$address_file"; again 'an address that says nothing'
truncate -s 100K "$address_file"; again 'an address that is too large'
sed 's/"schema": "[^"]*"/"schema": "..\/..\/..\/x"/' "$dir/address.good" >"$address_file"; again 'a schema that leads elsewhere'
cp "$dir/schema.good" "$cache/schema-0123456789abcdef.jso"
sed 's/"schema": "[^"]*"/"schema": "schema-0123456789abcdef.jso"/' "$dir/address.good" >"$address_file"; again 'a schema of another name'
rm "$cache/schema-0123456789abcdef.jso"
sed 's/"schema": "[^"]*"/"schema": 5/' "$dir/address.good" >"$address_file"; again 'a schema that is a number'
sed 's/"address": "/&\/x/' "$dir/address.good" >"$address_file"; again 'an address of somewhere else'
sed 's/"micro": 22/"micro": 23/' "$dir/address.good" >"$address_file"; again 'a greeting of another version'

if [ "$(id -u)" = 0 ]; then
    chown 12345 "$schema_file"; again 'a schema of somebody else'
    rm "$address_file"; cp "$dir/address.good" "$address_file"; chown 12345 "$address_file"; again 'an address of somebody else'
    chown 12345 "$cache"; it 'a folder of somebody else'; run -v -s "$dir/one" call qom-list path=/; asked
    expect 0 'query-qmp-schema
qom-list' ''
    chown "$(id -u)" "$cache"
fi
chmod g+w "$cache"; it 'a folder that others may write'; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 'query-qmp-schema
qom-list' ''
chmod g-w "$cache"; it 'that is all right again'; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 qom-list ''

# --- where it is --------------------------------------------------------------------------------------------------------

it 'in the home folder'; XDG_CACHE_HOME='' run -s "$dir/one" call qom-list path=/ -g 0.name; expect 0 type ''
it 'it was there'; files "$HOME/.cache/qmp" schema- >"$out"; : >"$err"; expect 0 1 ''
rm -rf "$HOME/.cache"
it 'a relative folder does not count'; (cd "$dir" && XDG_CACHE_HOME=rel timeout "$limit" "$qmp" -s one call qom-list path=/ -g 0.name) >"$out" 2>"$err"; code=$?
expect 0 type ''
it 'the home folder is used'; files "$HOME/.cache/qmp" schema- >"$out"; ls -d "$dir/rel" >>"$out" 2>/dev/null; : >"$err"; expect 0 1 ''
rm -rf "$HOME/.cache"
it 'no folder at all'; (unset XDG_CACHE_HOME HOME; timeout "$limit" "$qmp" -s "$dir/one" call qom-list path=/ -g 0.name) >"$out" 2>"$err"; code=$?
expect 0 type ''
it 'a folder that cannot be'; XDG_CACHE_HOME=/proc/nope run -s "$dir/one" call qom-list path=/ -g 0.name; expect 0 type ''
it 'a file in its place'; XDG_CACHE_HOME="$dir/out.expected" run -s "$dir/one" call qom-list path=/ -g 0.name; expect 0 type ''
it 'a path that is too long'; XDG_CACHE_HOME="/$(printf '%05000d' 0)" run -s "$dir/one" call qom-list path=/ -g 0.name; expect 0 type ''

# --- how many are kept --------------------------------------------------------------------------------------------------

it 'the oldest go'; for i in $(seq 100 399); do : >"$cache/address-x$i"; done; for i in $(seq 10 49); do : >"$cache/schema-x$i"; done
touch -d 2001-01-01 "$cache"/address-x1?? "$cache"/schema-x1?; touch -d 2002-01-01 "$cache"/address-x2?? "$cache"/schema-x2?
touch -d 2003-01-01 "$cache"/address-x3?? "$cache"/schema-x[34]?; rm "$cache/$(basename "$address_file")"
for i in $(seq 1 70); do : >"$cache/new-$i"; done; touch -d 2003-01-01 "$cache"/new-*
run -s "$dir/one" call qom-list path=/ -g 0.name; expect 0 type ''
it 'so many are left'; for kind in address- address-x1 schema- schema-x1 new-; do files "$cache" $kind; done >"$out"; expect 0 '256
55
32
1
64' ''
it 'the newest is among them'; run -v -s "$dir/one" call qom-list path=/; asked; expect 0 qom-list ''
rm "$cache"/new-*; find "$cache" -size 0 -delete

# --- without a server ---------------------------------------------------------------------------------------------------

gone="qmp: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?"
it 'an address never seen'; run -s "$dir/one" call --check qom-list path=/; run -s "$dir/none" call --check qom-list path=/
expect 0 '' "$gone; going by the schema last seen at DIR/one"
it 'the one last seen'; run -s "$dir/two" call --check qom-list path=/; run -s "$dir/none" call --check qom-list path=/
expect 0 '' "$gone; going by the schema last seen at DIR/two"
it 'no address'; run call --check qom-list pth=/; expect 2 '' "qmp: no address; going by the schema last seen at DIR/two
qmp: qom-list: there is no 'pth'; did you mean 'path'?
qmp: qom-list: 'path' is missing
$call_hint"
it 'no address, shown'; run call --dry-run qom-list path=5; expect 0 '{"execute": "qom-list", "arguments": {"path":"5"}}' \
    'qmp: no address; going by the schema last seen at DIR/two'
it 'an address that is none'; run -s tcp:x call --check qom-list path=/; sed 's/: write.*//; s/ is not.*//' "$err" >"$out"; : >"$err"; expect 2 "$(cat "$out")" ''
it 'a busy monitor'; timeout "$limit" "$qmp" -s "$dir/one" events >/dev/null 2>&1 & busy=$!
while timeout "$limit" "$qmp" -s "$dir/one" --connect-timeout 200ms call query-status >/dev/null 2>&1; do :; done
run -s "$dir/one" --connect-timeout 300ms call --check qom-list path=/
sed 's/^qmp: .*;/qmp: BUSY;/' "$err" >"$err.same"; mv "$err.same" "$err"; expect 0 '' 'qmp: BUSY; going by the schema last seen at DIR/one'
kill "$busy"; wait "$busy" 2>/dev/null
mv "$cache" "$dir/kept"
it 'nothing is known'; run -s "$dir/none" call --check qom-list path=/; expect 4 '' "$gone"
it 'nothing is known, shown'; run -s "$dir/none" call --dry-run qom-list path=5; expect 0 '{"execute": "qom-list", "arguments": {"path":5}}' \
    "$gone; no schema is known, so the arguments become what they look like"
it 'nothing is known, no address'; run call --check qom-list path=/; expect 2 '' \
    "qmp: no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET
$call_hint"
mv "$dir/kept" "$cache"

# --- another program behind the same greeting ---------------------------------------------------------------------------

# daemon NAME: a storage daemon whose monitor is at $dir/NAME; it greets as QEMU does.
daemon() {
    timeout "$limit" qemu-storage-daemon --daemonize --pidfile "$dir/$1.pid" \
        --chardev "socket,id=c,path=$dir/$1,server=on,wait=off" --monitor chardev=c || exit 1
    vm_pid=$(cat "$dir/$1.pid"); pids="$pids $vm_pid"
}
# replaced NAME: the last program has ended, and its socket is gone
replaced() { kill -KILL "$vm_pid"; while kill -0 "$vm_pid" 2>/dev/null; do :; done; rm -f "$dir/$1"; }

daemon same
it 'a storage daemon'; run -s "$dir/same" call --check qom-list path=/; expect 0 '' ''
it 'it has no such command'; run -s "$dir/same" call --check query-cpus-fast; expect 8 '' 'qmp: query-cpus-fast: there is no such command'
replaced same; vm same
it 'QEMU in its place has it'; run -s "$dir/same" call --check query-cpus-fast; expect 0 '' ''
it 'and is asked no more'; run -v -s "$dir/same" call --check query-cpus-fast; asked; expect 0 '' ''
replaced same; daemon same
it 'a command that is no more'; run -s "$dir/same" call query-cpus-fast; expect 8 '' \
    'qmp: query-cpus-fast: CommandNotFound: The command query-cpus-fast has not been found'
replaced same; vm same
it 'what is typed is right, too'; run -v -s "$dir/same" call human-monitor-command command-line=5; asked; expect 0 'query-qmp-schema
human-monitor-command' ''
it 'in JSON'; run -s "$dir/same" call --dry-run human-monitor-command command-line=5; expect 0 \
    '{"execute": "human-monitor-command", "arguments": {"command-line":"5"}}' ''

# --- servers that give no schema ----------------------------------------------------------------------------------------

rm -rf "$cache"
ok='{"return": @ARGUMENTS@, "id": @ID@}'
for answer in '[]' '{}' '5' '[{}]' '[5]' '[{"name": 5}]'; do
    it "a schema that is none: $answer"; serve greet recv "send={\"return\": $answer, \"id\": @ID@}" recv "send=$ok" hold
    run -s "$dir/peer" call x a=5; expect 0 '{"a":5}' ''
done
it 'none of them was kept'; files "$cache" address- >"$out"; files "$cache" schema- >>"$out"; : >"$err"; expect 0 '0
0' ''
it 'nothing to check by'; serve greet recv "send=$not_found" hold; run -s "$dir/peer" call --check x a=5; expect 1 '' \
    'qmp: x: cannot be checked: the server has no schema'
it 'no answer'; serve greet recv hold; run -s "$dir/peer" --timeout 200ms call x a=5; expect 3 '' \
    'qmp: query-qmp-schema: no answer within 200 ms'
it 'no answer for the properties of a device'
serve greet recv 'send={"return": [{"name": "device_add", "meta-type": "command", "arg-type": "o"}, {"name": "o", "meta-type": "object", "members": []}], "id": @ID@}' \
    recv hold; run -s "$dir/peer" --timeout 200ms call device_add driver=x; expect 3 '' 'qmp: device-list-properties: no answer within 200 ms'
it 'the server ends'; serve greet recv drop; run -s "$dir/peer" call x a=5; sed 's/: .*//' "$err" >"$err.same"; mv "$err.same" "$err"
expect 6 '' 'qmp'
it 'no answer to what is only nice to know'; serve greet recv "send=$not_found" recv hold; run -s "$dir/peer" call x; expect 8 '' \
    'qmp: x: CommandNotFound: no such command'
it 'a member that goes round in circles'; serve greet recv 'send={"return": [{"name": "x", "meta-type": "command", "arg-type": "o"},
 {"name": "o", "meta-type": "object", "tag": "t", "members": [{"name": "t", "type": "e"}], "variants": [{"case": "a", "type": "o"}]},
 {"name": "e", "meta-type": "enum", "values": ["a"]}, {"name": "o", "meta-type": "object", "members": []}], "id": @ID@}' recv "send=$ok" hold
run -s "$dir/peer" call x t=a; expect 0 '{"t":"a"}' ''
rm -rf "$cache"
it 'an alternate of itself'; serve greet recv 'send={"return": [{"name": "x", "meta-type": "command", "arg-type": "o"},
 {"name": "o", "meta-type": "object", "members": [{"name": "t", "type": "a"}]},
 {"name": "a", "meta-type": "alternate", "members": [{"type": "a"}]}], "id": @ID@}' hold
run -s "$dir/peer" call x t=a; expect 2 '' "qmp: x: 't': 'a' is not anything
$call_hint"

# --- several servers ----------------------------------------------------------------------------------------------------

rm -rf "$cache"
sorted() { sort "$out" >"$out.sorted"; mv "$out.sorted" "$out"; sort "$err" >"$err.sorted"; mv "$err.sorted" "$err"; }
it 'each is asked for its own'; run -s "$dir/one" -s "$dir/two" -s "$dir/same" call qom-list path=/ -g 0.name; sorted
expect 0 'DIR/one	type
DIR/same	type
DIR/two	type' ''
it 'and they are kept'; files "$cache" schema- >"$out"; files "$cache" address- >>"$out"; files "$cache" new- >>"$out"; expect 0 '1
3
0' ''
it 'standard input goes to each'; echo '{"path": "/"}' >"$dir/in"; run -s "$dir/one" -s "$dir/two" call qom-list - -g 0.name <"$dir/in"; sorted
expect 0 'DIR/one	type
DIR/two	type' ''
it 'a fault in it is said for each'; echo '{"path"' >"$dir/in"; run -s "$dir/one" -s "$dir/two" call qom-list - <"$dir/in"; sorted; expect 2 '' \
    "qmp: 'qmp call --help' says more
qmp: DIR/one: standard input: the text ends too early at byte 8, after \"{\\\"path\\\"\\n\"
qmp: DIR/two: standard input: the text ends too early at byte 8, after \"{\\\"path\\\"\\n\""
it 'one is typed, one is not there'; run -s "$dir/one" -s "$dir/none" call qom-list path=/ -g 0.name; expect 9 'DIR/one	type' \
    'qmp: DIR/none: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
