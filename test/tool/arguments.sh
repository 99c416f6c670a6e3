# SPDX-License-Identifier: MIT
# What call makes of its arguments, and which ones it refuses before anything is sent.

# refused COMPLAINT WORD...
refused() {
    complaint=$1; shift
    run call -s "$dir/none" x "$@"
    expect 2 '' "qmp: $complaint
$call_hint"
}

it 'no arguments'; sent; expect 0 'null' ''
it 'a word'; sent a=b; expect 0 '{"a":"b"}' ''
it 'an empty string'; sent a=; expect 0 '{"a":""}' ''
it 'numbers'; sent a=1 b=-0 c=1.50 d=1e3 e=18446744073709551615; expect 0 \
    '{"a":1,"b":-0,"c":1.50,"d":1e3,"e":18446744073709551615}' ''
it 'not numbers'; sent a=01 b=+1 c=0x10 d=1. e=.5 f=NaN g=-; expect 0 \
    '{"a":"01","b":"+1","c":"0x10","d":"1.","e":".5","f":"NaN","g":"-"}' ''
it 'literals'; sent a=true b=false c=null d=True e=on; expect 0 '{"a":true,"b":false,"c":null,"d":"True","e":"on"}' ''
it 'containers'; sent 'a={"b": [1]}' 'c=[]'; expect 0 '{"a":{"b": [1]},"c":[]}' ''
it 'broken containers are strings'; sent 'a={"b"' 'c=[1'; expect 0 '{"a":"{\"b\"","c":"[1"}' ''
it 'quotation marks stay'; sent 'a="5"'; expect 0 '{"a":"\"5\""}' ''
it 'an exact string'; sent 'a:="5"'; expect 0 '{"a":"5"}' ''
it 'a text from a file'; printf 'a b\nä\n' >"$dir/text"; sent a=@"$dir/text"; expect 0 '{"a":"a b\nä\n"}' ''
it 'a number from a file'; echo 5 >"$dir/five"; sent a=@"$dir/five"; expect 0 '{"a":5}' ''
it 'an empty file'; : >"$dir/empty"; sent a=@"$dir/empty"; expect 0 '{"a":""}' ''
it 'JSON from a file'; printf '{"b":\n "5"}\n' >"$dir/json"; sent a:=@"$dir/json"; expect 0 '{"a": {"b": "5"}}' ''
it 'a text from standard input'; echo x >"$dir/in"; sent a=@- <"$dir/in"; expect 0 '{"a":"x\n"}' ''
it 'standard input in two places'; echo 5 >"$dir/in"; sent a:=@- b=@- <"$dir/in"; expect 0 '{"a":5,"b":5}' ''
it 'a value that starts with @'; sent a=@@b c=@@@ d=x@y; expect 0 '{"a":"@b","c":"@@","d":"x@y"}' ''
it 'an exact number'; sent a:=5; expect 0 '{"a":5}' ''
it 'an equals sign in the value'; sent a=b=c; expect 0 '{"a":"b=c"}' ''
it 'a colon in the value'; sent a=nbd:x; expect 0 '{"a":"nbd:x"}' ''
it 'white space and escapes'; sent "a= b	c
d\\e"; expect 0 '{"a":" b\tc\nd\\e"}' ''
it 'UTF-8'; sent 'a=ä日😀'; expect 0 '{"a":"ä日😀"}' ''
it 'dotted keys'; sent a.b=1 a.c.d=x e=2 a.c.f=3; expect 0 '{"a":{"b":1,"c":{"d":"x","f":3}},"e":2}' ''
it 'arrays'; sent a.0=x a.1.b=1 a.1.c=2; expect 0 '{"a":["x",{"b":1,"c":2}]}' ''
it 'arrays in any order'; sent a.2=c a.0=a a.1=b; expect 0 '{"a":["a","b","c"]}' ''
it 'arrays of arrays'; sent a.0.1=b a.0.0=a a.1.0=c; expect 0 '{"a":[["a","b"],["c"]]}' ''
it 'many items'; sent a.0=0 a.1=1 a.2=2 a.3=3 a.4=4 a.5=5 a.6=6 a.7=7 a.8=8 a.9=9 a.10=10; expect 0 \
    '{"a":[0,1,2,3,4,5,6,7,8,9,10]}' ''
it 'a number as the first step'; sent 0=x 1.0=y; expect 0 '{"0":"x","1":["y"]}' ''
it 'almost numbers'; sent a.01=x a.-1=y; expect 0 '{"a":{"01":"x","-1":"y"}}' ''
it 'a dot inside a key'; sent 'a\.b=1' 'c.d\\e=2'; expect 0 '{"a.b":1,"c":{"d\\e":2}}' ''
it 'an exact member'; sent 'a.b:={"0": 1}'; expect 0 '{"a":{"b":{"0": 1}}}' ''
it 'words after the end of the options'; sent -- a=-1 -b=--timeout; expect 0 '{"a":-1,"-b":"--timeout"}' ''
it 'an object as it is'; sent '{"b":1,  "a": [ ]}'; expect 0 '{"b":1,  "a": [ ]}' ''

it 'neither key nor object'; refused "'a' is neither KEY=VALUE nor a JSON object in { }" a
it 'an array for an object'; refused "'[1]' is neither KEY=VALUE nor a JSON object in { }" '[1]'
it 'the same key twice'; refused "'a=2' conflicts with 'a=1': 'a' is given twice" a=1 a=2
it 'the same nested key twice'; refused "'a.b=2' conflicts with 'a.b=1': 'a.b' is given twice" a.b=1 a.b=2
it 'a value and an object'; refused "'a.b=2' conflicts with 'a=1': 'a' cannot be both a value and an object" a=1 a.b=2
it 'an object and a value'; refused "'a=1' conflicts with 'a.b=2': 'a' cannot be both an object and a value" a.b=2 a=1
it 'a JSON object and a member'; refused "'a.b=2' conflicts with 'a:={}': 'a' cannot be both a value and an object" 'a:={}' a.b=2
it 'an array and an object'; refused "'x.a.b=2' conflicts with 'x.a.0=1': 'x.a' cannot be both an array and an object" x.a.0=1 x.a.b=2
it 'a missing item'; refused "'a.2=x': item 1 of 'a' is missing; items count from 0" a.2=x a.0=y
it 'an item far away'; refused "'a.999999999=x': item 0 of 'a' is missing; items count from 0" a.999999999=x
it 'an item out of reach'; refused "'a.99999999999999999999=x': item 0 of 'a' is missing; items count from 0" \
    a.99999999999999999999=x
it 'no key'; refused "'=1': an empty step in the key" =1
it 'no key, exact'; refused "':=1': an empty step in the key" :=1
it 'an empty step'; refused "'a..b=1': an empty step in the key" a..b=1
it 'an empty first step'; refused "'.a=1': an empty step in the key" .a=1
it 'an empty last step'; refused "'a.=1': an empty step in the key" a.=1
it 'not UTF-8'; refused "a: not UTF-8, or with a character that QEMU refuses (U+FFFE, U+FFFF and the like)" \
    "$(printf 'a=\377')"
it 'a key that is not UTF-8'; refused \
    "\\xff: not UTF-8, or with a character that QEMU refuses (U+FFFE, U+FFFF and the like)" "$(printf '\377=a')"
it 'a noncharacter'; refused "a: not UTF-8, or with a character that QEMU refuses (U+FFFE, U+FFFF and the like)" \
    "$(printf 'a=\357\277\277')"
it 'broken exact JSON'; refused 'a.b: the text ends too early at byte 3, after "[1,"' 'a.b:=[1,'
it 'exact JSON that is none'; refused 'a: a character that does not belong here at byte 0: "b"' a:=b
it 'no exact JSON'; refused 'a: empty, where JSON is wanted' a:=
it 'no exact JSON but space'; refused 'a: empty, where JSON is wanted' 'a:=  '
it 'a number that QEMU refuses'; sent a=1e400; expect 2 '' \
    "qmp: x: 'a': a number that no double holds, an infinity to QEMU at byte 0: \"1e400\"
$call_hint"
it 'no name of a file'; refused "a: '@' wants the name of a file after it; a value that starts with '@' is written '@@'" a=@
it 'no name of a file of JSON'; refused "a: '@' wants the name of a file after it; a value that starts with '@' is written '@@'" a:=@
it 'a file that is not there'; run call -s "$dir/none" x a=@"$dir/nope"
expect 10 '' 'qmp: cannot read DIR/nope: No such file or directory'
it 'a folder for a file'; run call -s "$dir/none" x a=@"$dir"; expect 10 '' 'qmp: cannot read DIR: Is a directory'
it 'a file that is not UTF-8'; printf '\377' >"$dir/bytes"; refused \
    "a: not UTF-8, or with a character that QEMU refuses (U+FFFE, U+FFFF and the like)" a=@"$dir/bytes"
it 'a file with a NUL'; printf 'a\0b' >"$dir/bytes"; refused 'a: DIR/bytes: a NUL byte: that is not text' a=@"$dir/bytes"
it 'a file of broken JSON'; echo x >"$dir/bytes"
refused 'a: a character that does not belong here at byte 0: "x\n"' a:=@"$dir/bytes"
it 'an empty file of JSON'; refused 'a: empty, where JSON is wanted' a:=@"$dir/empty"
it 'an endless file'; run call -s "$dir/none" x a=@/dev/zero
expect 2 '' "qmp: /dev/zero: more than 64 MiB
$call_hint"
it 'a broken object'; refused 'arguments: a character that does not belong here at byte 5: "}" after "{\"a\":"' '{"a":}'
it 'a broken object from standard input'; echo '{"a":' >"$dir/in"; run call -s "$dir/none" x - <"$dir/in"; expect 2 '' \
    "qmp: standard input: the text ends too early at byte 6, after \"{\\\"a\\\":\\n\"
$call_hint"
it 'words after an object'; refused "'a=1' after a JSON object: that is all the arguments there can be" '{}' a=1
it 'words after standard input'; refused "'a=1' after '-': that is all the arguments there can be" - a=1
it 'nesting at the limit'; sent "$(awk 'BEGIN { printf "a"; for (i = 0; i < 1022; i++) printf ".0"; print "=1" }')"
sed 's/\[\[*/[/; s/\]\]*/]/' "$out" >"$out.short"; mv "$out.short" "$out"; expect 0 '{"a":[1]}' ''
it 'nesting beyond it'; run call -s "$dir/none" x "$(awk 'BEGIN { printf "a"; for (i = 0; i < 1023; i++) printf ".0"; print "=1" }')"
sed 's/a\(\.0\)*=/a=/' "$err" >"$err.short"; mv "$err.short" "$err"; expect 2 '' "qmp: 'a=1': nested too deep
$call_hint"
nested=$(awk 'BEGIN { printf "{\"a\":"; for (i = 0; i < 1023; i++) printf "["; for (i = 0; i < 1023; i++) printf "]"; print "}" }')
it 'an object that is too deep'; refused \
    'arguments: nested too deep at byte 1032: "[]]]]]]]]]]]]]]]]]]]]]]]…" after "…[[[[[[[[[[[[[[[[[[[[[[[["' "{\"b\":$nested}"
it 'an object that is too deep once it is in a command'; serve greet hold; run call -s "$dir/peer" x "$nested"
expect 2 '' "qmp: x cannot be sent: nested too deep
$call_hint"
it 'an empty standard input'; : >"$dir/in"; run call -s "$dir/none" x - <"$dir/in"
expect 2 '' "qmp: standard input: empty, where JSON is wanted
$call_hint"
it 'a standard input of space'; echo >"$dir/in"; run call -s "$dir/none" x - <"$dir/in"
expect 2 '' "qmp: standard input: empty, where JSON is wanted
$call_hint"
it 'a NUL in standard input'; printf '{"a":\0}' >"$dir/in"; run call -s "$dir/none" x - <"$dir/in"; expect 2 '' \
    "qmp: standard input: a character that does not belong here at byte 5: \"\\x00}\" after \"{\\\"a\\\":\"
$call_hint"
it 'an array from standard input'; echo '[1]' >"$dir/in"; run call -s "$dir/none" x - <"$dir/in"; expect 2 '' \
    "qmp: standard input: JSON, but not an object; arguments are written as {\"name\": value}
$call_hint"
it 'an endless standard input'; run call -s "$dir/none" x - </dev/zero
expect 2 '' "qmp: standard input: more than 64 MiB
$call_hint"
it 'no standard input'; run call -s "$dir/none" x - <&-
expect 10 '' 'qmp: cannot read standard input: Bad file descriptor'
