# SPDX-License-Identifier: MIT
# Several servers in one run, and how answers are printed.

vm one -name one
vm two -S
running='{"status": "running", "singlestep": false, "running": true}'
halted='{"status": "prelaunch", "singlestep": false, "running": false}'

# Servers answer in any order.
sorted() { sort "$out" >"$out.sorted"; mv "$out.sorted" "$out"; sort "$err" >"$err.sorted"; mv "$err.sorted" "$err"; }

it 'each answer has a label'; run -s "$dir/one" -s "$dir/two" call query-status; sorted
expect 0 "{\"target\": \"DIR/one\", \"value\": $running}
{\"target\": \"DIR/two\", \"value\": $halted}" ''
it 'a value of each'; run -s "$dir/one" -s "$dir/two" call query-status -g status; sorted
expect 0 "DIR/one	running
DIR/two	prelaunch" ''
it 'some fail'; run -s "$dir/one" -s "$dir/none" call query-status; expect 9 \
    "{\"target\": \"DIR/one\", \"value\": $running}" \
    'qmp: DIR/none: cannot connect to DIR/none: not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?'
it 'all fail alike'; run -s "$dir/one" -s "$dir/two" call nope; sorted; expect 8 '' \
    'qmp: DIR/one: nope: CommandNotFound: The command nope has not been found
qmp: DIR/two: nope: CommandNotFound: The command nope has not been found'

it 'a value'; run -s "$dir/one" call query-name -g name; expect 0 'one' ''
it 'a value deep inside'; run -s "$dir/one" call query-version -g qemu.major; expect 0 7 ''
it 'a value that is no string'; run -s "$dir/one" call query-version -g qemu
expect 0 '{"micro": 22, "minor": 2, "major": 7}' ''
it 'a value that is not there'; run -s "$dir/one" call query-name -g nope
expect_empty_line() { echo >"$dir/out.expected"; text "$2" >"$dir/err.expected"; compare "$1"; }
expect_empty_line 1 "qmp: --get: there is no 'nope' in the answer"
it 'indented'; run -s "$dir/one" call query-status -o pretty; expect 0 '{
  "status": "running",
  "singlestep": false,
  "running": true
}' ''
it 'indented, nested'; serve greet recv 'send={"return":[[],{ },{"a":[1,{"b":[]}]}],"id":@ID@}' hold
run -s "$dir/peer" call x -o pretty; expect 0 '[
  [],
  {},
  {
    "a": [
      1,
      {
        "b": []
      }
    ]
  }
]' ''
it 'a record'; run -s "$dir/one" call query-name -o seq; expect 0 "$(printf '\036{"name": "one"}')" ''
it 'in colour'; run -s "$dir/one" call query-name --color always; esc=$(printf '\033')
expect 0 "{$esc[34m\"name\"$esc[0m: $esc[32m\"one\"$esc[0m}" ''
it 'an output that is none'; run call x -o xml; expect 2 '' "qmp: --output: 'xml' is none of auto, short, pretty, seq
qmp: 'qmp call --help' says more"
