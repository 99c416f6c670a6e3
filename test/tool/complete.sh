# SPDX-License-Identifier: MIT
# Completion: what qmp answers to a shell, and what bash, zsh and fish make of it.

rm -rf "$XDG_CACHE_HOME"
schemas=$here/schemas completions=$here/../../completions

# tab WORD...: what the last of the words may become.
tab() { run __complete -- "$@"; }

# words: the first fields of the answer, on one line.
words() { [ ! -s "$out" ] || cut -f1 "$out" | paste -sd' ' >"$out.words"; mv "$out.words" "$out" 2>/dev/null; }

# --- without a schema ------------------------------------------------------------------------------------------------

it 'verbs'; tab ''; cut -f1 "$out" | paste -sd, | sed 's/,/, /g' >"$out.words"; mv "$out.words" "$out"
expect 0 "$("$qmp" --help | awk '/^Verbs:/ { listed = 1; next } /^$/ { listed = 0 } listed { printf "%s%s", comma, $1; comma = ", " }')" ''
it 'no word at all'; run __complete --; cut -f1 "$out" | head -1 >"$out.words"; mv "$out.words" "$out"; expect 0 call ''
it 'the start of a verb'; tab sche; expect 0 "schema	what a server has: its commands, events and their types" ''
it 'what is no verb'; tab frob; expect 0 '' ''
it 'words of what is no verb'; tab frob ''; expect 0 '' ''
it 'the hidden verb is not offered'; tab __; expect 0 '' ''
it 'members of a family'; tab schema s; expect 0 'show	show what a command takes and returns, what an event brings' ''
it 'after a member of a family that there is not'; tab schema x ''; expect 0 '' ''
it 'no schema was ever seen'; tab call ''; expect 0 '' ''
it 'no schema was ever seen, an argument'; tab call x y; expect 0 '' ''
it 'options'; tab --ti; expect 0 '--timeout	end after this time in all: 200ms, 5s, 2m, 1h' ''
it 'options of a verb'; tab events --c; words; expect 0 '--count --connect-timeout --color' ''
it 'options before a verb'; tab --o; words; expect 0 '--output' ''
it 'options that a verb does not take'; tab version --o; expect 0 '' ''
it 'options after the end of them'; tab call -- --o; expect 0 '' ''
it 'a dash'; tab -; cut -f1 "$out" | grep -c '^--' >"$out.n"; [ "$(cat "$out.n")" -gt 10 ] && echo many >"$out"; expect 0 many ''
it 'a value'; tab call -o ''; words; expect 0 'auto short pretty seq' ''
it 'a value in the same word'; tab call --output=p; expect 0 '--output=pretty	' ''
it 'a value behind a letter'; tab call -op; expect 0 '-opretty	' ''
it 'a value behind letters'; tab call -vos; words; expect 0 '-voshort -voseq' ''
it 'a letter that there is not'; tab call -Xo; expect 0 '' ''
it 'an option that there is not, with a value'; tab call --frob=x; expect 0 '' ''
it 'a duration'; tab call --timeout ''; expect 0 '' ''
it 'a value is no verb'; tab -o call ev; words; expect 0 'events' ''
it 'colours'; tab --color=; words; expect 0 '--color=auto --color=always --color=never' ''
it 'files'; tab call --tls-psk ''; expect 0 ':files	' ''
it 'files behind an option'; tab call --tls-psk=/x; expect 0 ':files	--tls-psk=' ''
it 'files behind a name'; tab call x --fd 'disk=/x'; expect 0 ':files	disk=' ''
it 'a name before a file'; tab call x --fd 'disk'; expect 0 '' ''
it 'files to compare'; tab schema diff x/y; expect 0 ':files	' ''
it 'kinds'; tab schema ls ev; expect 0 'events	' ''
it 'classes'; tab call x --graceful Dev; words; expect 0 'DeviceNotActive DeviceNotFound' ''
it 'without --'; run __complete --ou; expect 2 '' "qmp: unknown option '--ou'
qmp: 'qmp __complete --help' says more"

# --- with the small schema, while its server is down -----------------------------------------------------------------

serve greet recv "send={\"return\": $(tr -d '\n' <"$schemas/old.json"), \"id\": @ID@}" hold
run schema ls -s "$dir/peer"; kill "$peer_pid"; rm -f "$dir/peer"

it 'commands'; tab call ''; expect 0 'drive-grow	deprecated id size [speed] [tries] [mode] [force]
drive-open	driver [mode] [tags]
drive-set	driver [mode] [tags]
drive-drop	
look	unstable
odd	deep loop loops new x
wait	what way
lost	' ''
it 'events'; tab events D; expect 0 'DRIVE_GONE	id why
DRIVE_FULL	' ''
it 'events of an option'; tab events --exclude DRIVE_F; expect 0 'DRIVE_FULL	' ''
it 'arguments'; tab call drive-grow ''; expect 0 'id=	str, required
size=	int, required
speed=	int
tries=	int
mode=	fast|safe|wild
force=	bool, deprecated, unstable' ''
it 'arguments that are not there yet'; tab call drive-grow id=1 speed:=2 tries= s; expect 0 'size=	int, required' ''
it 'arguments of a command that there is not'; tab call nope ''; expect 0 '' ''
it 'arguments of an event'; tab call DRIVE_GONE ''; expect 0 '' ''
it 'values'; tab call drive-grow mode=; expect 0 'mode=fast	
mode=safe	
mode=wild	unstable' ''
it 'the start of a value'; tab call drive-grow mode=w; expect 0 'mode=wild	unstable' ''
it 'bools'; tab call drive-grow force=; words; expect 0 'force=true force=false' ''
it 'values of a number'; tab call drive-grow size=; expect 0 '' ''
it 'JSON'; tab call drive-grow mode:=; expect 0 '' ''
it 'a value of what there is not'; tab call drive-grow nope=; expect 0 '' ''
it 'the contents of a file'; tab call drive-grow id=@x; expect 0 ':files	id=@' ''
it 'a union before its tag'; tab call drive-open ''; words; expect 0 'driver= mode= tags.' ''
it 'a union after its tag'; tab call drive-open driver=raw ''; words; expect 0 'mode= tags. file= file.' ''
it 'a name that a terminal would obey is not offered'; tab call drive-open driver=raw ''; grep -c "$(printf '\302\233')" "$out" >"$out.n"
mv "$out.n" "$out"; expect 0 0 ''
it 'another tag'; tab call drive-open driver=file ''; words; expect 0 'mode= tags. path= why= again=' ''
it 'a tag that says nothing'; tab call drive-open driver=null ''; words; expect 0 'mode= tags.' ''
it 'a tag whose value is longer'; tab call drive-open driver=rawer ''; words; expect 0 'mode= tags.' ''
it 'old enums'; tab call drive-open driver=q; words; expect 0 'driver=qcow2 driver=quorum' ''
it 'inside an alternate'; tab call drive-open driver=raw file.; words; expect 0 'file.driver= file.mode= file.tags.' ''
it 'inside, as the tag there says'; tab call drive-open driver=raw file.driver=raw file.f; expect 0 'file.file=	str|object|null, required
file.file.	str|object|null, required' ''
it 'deeper'; tab call drive-open driver=raw file.driver=raw file.file.driver=file file.file.p
words; expect 0 'file.file.path=' ''
it 'inside of what no tag leads to yet'; tab call drive-open file.d; words; expect 0 'file.driver=' ''
it 'what is given whole has no inside'; tab call drive-open driver=raw file=x file; expect 0 '' ''
it 'what is given in parts is not given whole'; tab call drive-open driver=raw file.driver=raw file; words; expect 0 'file.' ''
it 'values inside'; tab call drive-open file.mode=f; words; expect 0 'file.mode=fast' ''
it 'the first item'; tab call drive-open tags.; expect 0 'tags.0=	str' ''
it 'the next item'; tab call drive-open tags.0=a tags.; words; expect 0 'tags.1=' ''
it 'items of an alternate'; tab call drive-open driver=quorum children.; words; expect 0 'children.0= children.0.' ''
it 'inside of an item'; tab call drive-open driver=quorum children.0.driver=file children.0.p; words
expect 0 'children.0.path=' ''
it 'items that are there can be gone on with'; tab call drive-open driver=quorum children.0.driver=file children.; words
expect 0 'children.0. children.1= children.1.' ''
it 'items of objects'; tab call drive-open driver=quorum lists.0.; words; expect 0 'lists.0.id= lists.0.size= lists.0.ro= lists.0.backing.' ''
it 'recursion'; tab call drive-open driver=quorum lists.0.backing.backing.backing.ro=t; words
expect 0 'lists.0.backing.backing.backing.ro=true' ''
it 'lists of lists'; tab call odd deep.0.; words; expect 0 'deep.0.0=' ''
it 'a type that holds itself'; tab call odd loop.0.0.0.; words; expect 0 'loop.0.0.0.0= loop.0.0.0.0.' ''
it 'an index that is none'; tab call drive-open tags.x.; expect 0 '' ''
it 'a path that ends'; tab call drive-grow id.x.; expect 0 '' ''
it 'a path too long'; tab call drive-grow "$(printf '%0600d.' 0)"; expect 0 '' ''
it 'a key too long'; tab call drive-grow "$(printf '%0600d=' 0)"; expect 0 '' ''
it 'a long enum'; tab call drive-open driver=file wh
expect 0 'why=	one|two|three|four|five|six|seven|eight|nine|ten|eleven|twel...' ''
it 'options among arguments'; tab call -s "$dir/peer" drive-grow --timeout 1s id=1 si; words; expect 0 'size=' ''
it 'arguments of run'; tab run drive-grow si; words
if "$qmp" run --help >/dev/null 2>&1; then expect 0 'size=' ''; else expect 0 '' ''; fi
it 'a path to get'; tab call look -g 0.b; expect 0 '0.backing	object
0.backing.	object' ''
it 'a path into a list'; tab call look -g ''; expect 0 '0	object
0.	object' ''
it 'a path to get without a command'; tab call -g ''; expect 0 '' ''
it 'a condition'; tab events DRIVE_GONE --where d; expect 0 'data.	what the event says' ''
it 'a condition on an event'; tab events DRIVE_GONE --where data.w; words; expect 0 'data.why=' ''
it 'a condition with a value'; tab events DRIVE_GONE --where=data.why=th; words; expect 0 '--where=data.why=three --where=data.why=thirteen' ''
it 'a condition on a command'; tab events look --where data.; expect 0 '' ''
it 'help'; tab help l; words; expect 0 'ls look lost' ''
it 'help of a family'; tab help schema l; words; expect 0 'ls' ''
it 'help of a verb is all'; tab help call ''; expect 0 '' ''
it 'show'; tab schema show look DRIVE_; words; expect 0 'DRIVE_GONE DRIVE_FULL' ''

# --- with that of a real server --------------------------------------------------------------------------------------

vm tabbed -name complete-vm
run schema ls -s "$dir/tabbed" quit
export QMP_SOCKET="$dir/tabbed"
it 'conditions to wait for'; tab wait ''; head -4 "$out" | cut -f1 | paste -sd' ' >"$out.words"; mv "$out.words" "$out"
expect 0 'ready gone state= job:' ''
it 'states to wait for'; tab wait state=pa; words; expect 0 'state=paused' ''
it 'another state to wait for'; tab wait state=paused,shut; words; expect 0 'state=paused,shutdown' ''
it 'states of a job'; tab wait job:a=con; words; expect 0 'job:a=concluded' ''
it 'a job'; tab wait job:a; expect 0 '' ''
it 'a real command'; tab call blockdev-add driver=qcow2 file.driver=nbd file.server.type=inet file.server.h; words
expect 0 'file.server.host=' ''
it 'a union of unions'; tab call transaction actions.0.type=blockdev-backup actions.0.data.s; words
expect 0 'actions.0.data.sync= actions.0.data.speed=' ''
it 'a path that several types bring is offered once'; tab call query-block -g 0.inserted.image.format-specific.d; words
expect 0 '0.inserted.image.format-specific.data 0.inserted.image.format-specific.data.' ''
it 'the schema of the address that is given'; tab call -s "$dir/peer" drive-gr; words; expect 0 'drive-grow' ''
it 'the same, attached'; tab "-s$dir/peer" call drive-gr; words; expect 0 'drive-grow' ''
it 'VMs'; tab -s complete-v; sed 's/pid .*/PID/' "$out" >"$out.pid"; mv "$out.pid" "$out"; expect 0 'complete-vm	qemu-system-x86_64, PID
:files	' ''
kill "$vm_pid"

# --- bash ------------------------------------------------------------------------------------------------------------

ln -s "$(command -v "$qmp")" "$dir/qmp"
mkdir "$dir/files" "$dir/files/folder"; : >"$dir/files/file one"; : >"$dir/files/other"

# bash_tab WORD...: what bash completes, the words as it splits them.
bash_tab() {
    ( cd "$dir/files" && bash --norc --noprofile -c '
        source "$1/qmp.bash"; shift
        compopt() { echo "compopt $*"; }
        COMP_LINE=$1; COMP_POINT=${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qmp
        [ ${#COMPREPLY[@]} = 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$completions" "$@" ) >"$out" 2>"$err"
    code=$?
}

if command -v bash >/dev/null; then
    q=$dir/qmp
    it 'bash: a verb'; bash_tab "$q sche" "$q" sche; expect 0 schema ''
    it 'bash: several'; bash_tab "$q schema " "$q" schema ''; expect 0 'ls
show
diff' ''
    it 'bash: an argument'; bash_tab "$q call block_resize si" "$q" call block_resize si; expect 0 'compopt -o nospace
size=' ''
    it 'bash: behind ='; bash_tab "$q call block-commit on-error=" "$q" call block-commit on-error =; expect 0 'report
ignore
enospc
stop
auto' ''
    it 'bash: a value'; bash_tab "$q call block-commit on-error=st" "$q" call block-commit on-error = st; expect 0 stop ''
    it 'bash: in quotes'; bash_tab "$q call block-commit 'on-error=st" "$q" call block-commit "'on-error=st"
    expect 0 'on-error=stop' ''
    it 'bash: a value in quotes'; bash_tab "$q call block-commit on-error=\"st" "$q" call block-commit on-error = '"st'
    expect 0 stop ''
    it 'bash: a colon'; bash_tab "$q wait job:a=conc" "$q" wait job : a = conc
    expect 0 concluded ''
    it 'bash: words before with ='; bash_tab "$q call blockdev-add driver=raw fi" "$q" call blockdev-add driver = raw fi; expect 0 'file=
file.' ''
    it 'bash: an empty word after one with ='; bash_tab "$q call block-commit device=x top=y base" "$q" call block-commit device = x top = y base
    expect 0 'base-node=
base=' ''
    it 'bash: files'; bash_tab "$q call x --tls-psk " "$q" call x --tls-psk ''; sort "$out" >"$out.s"; mv "$out.s" "$out"
    expect 0 'compopt -o filenames
file one
folder/
other' ''
    it 'bash: one folder'; bash_tab "$q call x --tls-psk=fo" "$q" call x --tls-psk = fo
    expect 0 'compopt -o filenames
compopt -o nospace
folder/' ''
    it 'bash: a file behind @'; bash_tab "$q call block_resize device=@ot" "$q" call block_resize device =@ ot
    expect 0 'compopt -o filenames
@other' ''
    it 'bash: nothing'; bash_tab "$q frob x" "$q" frob x; expect 0 '' ''
    it 'bash: no such program'; bash_tab "/nonexistent/qmp x" /nonexistent/qmp x; expect 0 '' ''
    it 'bash: where = and : do not break'; ( cd "$dir/files" && bash --norc --noprofile -c '
        source "$1/qmp.bash"; COMP_WORDBREAKS=" "
        COMP_LINE="$2 call block-commit on-error=st"; COMP_POINT=${#COMP_LINE}
        COMP_WORDS=("$2" call block-commit on-error=st); COMP_CWORD=3; _qmp; printf "%s\n" "${COMPREPLY[@]}"' bash "$completions" "$q" ) >"$out" 2>"$err"; code=$?
    expect 0 'on-error=stop' ''
fi

# --- zsh and fish, and all three on a terminal -----------------------------------------------------------------------

if command -v fish >/dev/null; then
    fish_tab() {
        ( cd "$dir/files" && PATH="$dir:$PATH" fish --no-config -c 'source $argv[1]/qmp.fish; complete -C $argv[2]' "$completions" "$1" ) >"$out" 2>"$err"
        code=$?
    }
    it 'fish: a verb'; fish_tab 'qmp sche'; expect 0 'schema	what a server has: its commands, events and their types' ''
    it 'fish: a value'; fish_tab 'qmp call block-commit on-error=st'; expect 0 'on-error=stop' ''
    it 'fish: arguments'; fish_tab 'qmp call block_resize device=x s'; expect 0 'size=	int, required' ''
    it 'fish: files'; fish_tab 'qmp call x --fd a=o'; expect 0 'a=other' ''
    it 'fish: no other files'; fish_tab 'qmp call block_resize o'; expect 0 '' ''
fi

# shell_start WORD...: an interactive shell on a terminal of its own, its prompt "READY> ".
shell_start() {
    tmux -L "qmp-$$" -f /dev/null new-session -d -x 100 -y 30 -c "$dir/files" "env TERM=screen PATH='$dir:$PATH' $*"
}

# screen_has REGEXP: waits until the terminal shows it.
screen_has() {
    i=0; while [ "$i" -lt $((limit * 20)) ]; do
        tmux -L "qmp-$$" capture-pane -p 2>/dev/null | grep -q -e "$1" && return
        i=$((i + 1)); sleep 0.05
    done
    tmux -L "qmp-$$" capture-pane -p; return 1
}
press() { tmux -L "qmp-$$" send-keys "$@"; }

# on_terminal: types one line, Tab by Tab; what each makes of it is waited for. Says what the screen was, if not.
on_terminal() {
    code=0; : >"$out"; : >"$err"
    {
        screen_has 'READY' && press 'qmp cal' Tab && screen_has 'qmp call' && press 'block-comm' Tab &&
            screen_has 'block-commit' && press 'on-e' Tab && screen_has 'on-error=' && press 'st' Tab &&
            screen_has 'on-error=stop' && press 'dev' Tab && screen_has 'device=' && press '@oth' Tab &&
            screen_has '@other'
    } >"$out" 2>&1 || code=1
    tmux -L "qmp-$$" kill-server 2>/dev/null
}

if command -v tmux >/dev/null; then
    if command -v bash >/dev/null; then
        it 'bash on a terminal'
        printf 'source "%s/qmp.bash"\nPS1="READY> "\n' "$completions" >"$dir/bashrc"
        shell_start bash --noprofile --rcfile "$dir/bashrc" -i
        on_terminal; expect 0 '' ''
    fi
    if command -v zsh >/dev/null; then
        it 'zsh on a terminal'
        mkdir "$dir/zsh"; printf 'fpath=("%s" $fpath)\nautoload -U compinit; compinit -u -D\nPS1="READY> "\n' "$completions" >"$dir/zsh/.zshrc"
        shell_start env ZDOTDIR="$dir/zsh" zsh -i
        on_terminal; expect 0 '' ''
    fi
    if command -v fish >/dev/null; then
        it 'fish on a terminal'
        printf 'source "%s/qmp.fish"\nfunction fish_prompt; echo "READY> "; end\n' "$completions" >"$dir/init.fish"
        shell_start fish --no-config -i -C "'source $dir/init.fish'"
        on_terminal; expect 0 '' ''
    fi
fi
unset QMP_SOCKET

# --- with a schema that is nested to be slow -------------------------------------------------------------------------

rm -rf "$XDG_CACHE_HOME"
members=$(yes '{"type": "t"}' | head -n 60 | paste -sd,)
serve greet recv "send={\"return\": [{\"name\": \"go\", \"meta-type\": \"command\", \"arg-type\": \"o\", \"ret-type\": \"o\"}, \
{\"name\": \"o\", \"meta-type\": \"object\", \"members\": [{\"name\": \"a\", \"type\": \"t\"}]}, \
{\"name\": \"t\", \"meta-type\": \"alternate\", \"members\": [$members]}], \"id\": @ID@}" hold
run schema ls -s "$dir/peer"; kill "$peer_pid"; rm -f "$dir/peer"
it 'a type that has no end'; tab call go ''; words; expect 0 'a=' ''
for word in a. a=; do it "what has no end is not looked for: '$word'"; tab call go "$word"; expect 0 '' ''; done
