# SPDX-License-Identifier: MIT
# Encrypted connections, and the mistakes that are made with credentials.

run call x -s tcp:localhost:1 --tls-x509 "$dir"
if grep -q 'without TLS' "$err" || ! command -v certtool >/dev/null; then
    echo 'no TLS, or no certtool: its cases are skipped'
    return 0
fi

"$here/../support/make-credentials" "$dir/tls" || exit 1
# tls_vm NAME OPTIONS FOLDER: a QEMU that listens with credentials; sets port.
tls_vm() {
    vm "$1" -object "tls-creds-$2,id=tls,dir=$dir/tls/$3,endpoint=server" \
        -chardev socket,id=net,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=tls -mon chardev=net,mode=control
    port=$(port_of "$1")
}
# call WORD...: to it.
call() {
    run call stop -s "tcp:localhost:$port" "$@"
    sed "s/:$port/:PORT/" "$err" >"$err.same"; mv "$err.same" "$err"
}

tls_vm trust x509 both
it 'certificates'; call --tls-x509 "$dir/tls/client"; expect 0 '{}' ''
it 'options in front'; run --tls-x509 "$dir/tls/client" -s "tcp:127.0.0.1:$port" call stop; expect 0 '{}' ''
it 'a large answer'; run call -s "tcp:localhost:$port" --tls-x509 "$dir/tls/client" query-qmp-schema
[ "$(wc -c <"$out")" -gt 100000 ] && : >"$out"; expect 0 '' ''
it 'another name'; call --tls-x509 "$dir/tls/client" --tls-name vm7.example; expect 4 '' \
    "qmp: tcp:localhost:PORT: the server's certificate is not for vm7.example: it is for localhost, 127.0.0.1, ::1"
it 'another authority'; call --tls-x509 "$dir/tls/other"; expect 4 '' \
    "qmp: tcp:localhost:PORT: the server's certificate is not signed by the authority in DIR/tls/other/ca-cert.pem"
it 'no certificate of ours'; call --tls-x509 "$dir/tls/anonymous"; expect 4 '' \
    'qmp: tcp:localhost:PORT: the server wants a certificate of ours, and there is no client-cert.pem in DIR/tls/anonymous'
it 'a key for a certificate'; call --tls-psk "$dir/tls/psk"; expect 4 '' \
    'qmp: tcp:localhost:PORT: TLS with the server failed: it wants another kind of credentials'
it 'no TLS'; call --connect-timeout 1s; expect 5 '' \
    'qmp: connected to tcp:localhost:PORT, but no greeting within 1 s: the server is hung, or serves another client, or is no QMP server, or wants TLS'

tls_vm keys psk psk
it 'a shared key'; call --tls-psk "$dir/tls/psk"; expect 0 '{}' ''
it 'a shared key of somebody'; call --tls-psk "$dir/tls/psk-fred" --tls-name fred; expect 0 '{}' ''
it 'another key'; call --tls-psk "$dir/tls/psk-wrong"; expect 4 '' \
    'qmp: tcp:localhost:PORT: the server hung up in the TLS handshake: it may have another key for the user "qemu" than DIR/tls/psk-wrong/keys.psk, or none, or not speak TLS'
it 'a user whom QEMU does not know'; call --tls-psk "$dir/tls/psk-nobody" --tls-name nobody; expect 4 '' \
    'qmp: tcp:localhost:PORT: the server hung up in the TLS handshake: it may have another key for the user "nobody" than DIR/tls/psk-nobody/keys.psk, or none, or not speak TLS'
it 'a certificate for a key'; call --tls-x509 "$dir/tls/client"; expect 4 '' \
    'qmp: tcp:localhost:PORT: the server hung up in the TLS handshake: it may want another kind of credentials'

vm clear -chardev socket,id=net,host=127.0.0.1,port=0,server=on,wait=off -mon chardev=net,mode=control
port=$(port_of clear)
it 'TLS to a server without'; call --tls-x509 "$dir/tls/client"
sed 's/\(it sent {"QMP"\).*/\1/' "$err" >"$err.same"; mv "$err.same" "$err"; expect 4 '' \
    'qmp: tcp:localhost:PORT: the server does not speak TLS: it sent {"QMP"'

# wrong_tls COMPLAINT WORD...: before anybody is asked for anything
wrong_tls() {
    complaint=$1; shift
    run call stop -s "tcp:localhost:$port" "$@"
    expect 2 '' "qmp: $complaint
$call_hint"
}
ours=$dir/ours
mkdir "$ours"
cp "$dir"/tls/client/* "$ours"
it 'a name alone'; wrong_tls '--tls-name wants --tls-x509 or --tls-psk' --tls-name vm7
it 'both kinds'; wrong_tls '--tls-x509 and --tls-psk exclude each other' --tls-x509 "$ours" --tls-psk "$dir/tls/psk"
it 'no folder'; wrong_tls '--tls-x509 wants a value: --tls-x509 DIR' --tls-x509
it 'an empty folder name'; wrong_tls '--tls-x509: no folder of credentials was named' \
    --tls-x509 ''
it 'a folder that is not there'; wrong_tls '--tls-x509: the folder DIR/none is not there' \
    --tls-x509 "$dir/none"
it 'a file for a folder'; wrong_tls '--tls-x509: DIR/ours/ca-cert.pem is not a folder' \
    --tls-x509 "$ours/ca-cert.pem"
it 'a folder of keys for certificates'; wrong_tls '--tls-x509: DIR/tls/psk/ca-cert.pem is not there' \
    --tls-x509 "$dir/tls/psk"
it 'a folder of certificates for keys'; wrong_tls '--tls-psk: DIR/ours/keys.psk is not there' \
    --tls-psk "$ours"
it 'a user without a key'; wrong_tls '--tls-psk: DIR/tls/psk/keys.psk has no key for the user "nobody"' \
    --tls-psk "$dir/tls/psk" --tls-name nobody
it "another one's key"; wrong_tls '--tls-x509: the key in DIR/tls/crossed/client-key.pem does not belong to the certificate in DIR/tls/crossed/client-cert.pem' \
    --tls-x509 "$dir/tls/crossed"
it 'an expired certificate'; wrong_tls '--tls-x509: the certificate in DIR/tls/expired/client-cert.pem expired on 2020-01-01 00:00 UTC' \
    --tls-x509 "$dir/tls/expired"
rm "$ours/client-key.pem"
it 'a certificate without its key'; wrong_tls '--tls-x509: DIR/ours/client-key.pem is not there, but DIR/ours/client-cert.pem is' \
    --tls-x509 "$ours"
cp "$ours/client-cert.pem" "$ours/client-key.pem"
it 'a certificate for its key'; wrong_tls '--tls-x509: DIR/ours/client-key.pem holds no private key in PEM form' \
    --tls-x509 "$ours"
rm "$ours"/*; cp "$dir"/tls/client/* "$ours"; rm "$ours/client-cert.pem"
it 'a key without its certificate'; wrong_tls '--tls-x509: DIR/ours/client-cert.pem is not there, but DIR/ours/client-key.pem is' \
    --tls-x509 "$ours"
rm "$ours"/*; cp "$dir"/tls/client/client-* "$ours"
it 'no authority'; wrong_tls '--tls-x509: DIR/ours/ca-cert.pem is not there' \
    --tls-x509 "$ours"
echo nonsense >"$ours/ca-cert.pem"
it 'an authority that is none'; wrong_tls '--tls-x509: DIR/ours/ca-cert.pem holds no certificate in PEM form' \
    --tls-x509 "$ours"
: >"$ours/ca-cert.pem"
it 'an authority that is empty'; wrong_tls '--tls-x509: DIR/ours/ca-cert.pem holds no certificate in PEM form' \
    --tls-x509 "$ours"
# wrong_line LINE COMPLAINT: in a keys.psk
wrong_line() {
    printf '# keys\n%s\n' "$1" >"$ours/keys.psk"
    it "a line of keys.psk: $1"; wrong_tls "--tls-psk: DIR/ours/keys.psk$2" --tls-psk "$ours"
}
wrong_line qemu ', line 2: there is no colon between a user and a key'
wrong_line :00 ', line 2: the user is empty'
wrong_line qemu: ', line 2: the key is empty'
wrong_line qemu:0 ', line 2: the key has an odd number of hexadecimal digits'
wrong_line qemu:xy ', line 2: the key is not hexadecimal'
wrong_line '' ' has no line with a key'
it 'TLS over a UNIX socket without a name'; run call stop -s "$dir/clear" --tls-x509 "$dir/tls/client"; expect 4 '' \
    "qmp: DIR/clear: there is no name to check the server's certificate against: say how it is called (peer_name; qmp: --tls-name)"
