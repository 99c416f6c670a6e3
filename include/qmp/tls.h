/* SPDX-License-Identifier: MIT */
#ifndef QMP_TLS_H
#define QMP_TLS_H

/* Credentials for TLS, as QEMU's objects tls-creds-x509 and tls-creds-psk keep them: files with fixed names in a
 * folder. They are read when the object is made, and do not change afterwards; any number of clients may share them.
 *
 * Verification is on: both sides' certificates must come from the folder's authority (ca-cert.pem) and be valid today,
 * and a server's must carry the name that was dialled.
 *
 * GnuTLS is loaded, for good, when the first credentials are made: a program that wants no TLS does not pay for it, and
 * one that gives up its view of the file system makes them before. Without GnuTLS (libgnutls.so.30) then, or at build
 * time, the functions that make credentials say -EOPNOTSUPP. */

#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Certificates. The folder holds ca-cert.pem, perhaps ca-crl.pem, and for the side that this process is on:
 * client-cert.pem with client-key.pem (both may be missing: then nothing proves who we are), or server-cert.pem with
 * server-key.pem. A set for the side that is not there, or is no good while the other is, is only missed when a
 * connection needs it; so is a server's that may not be read. Our own certificates must be valid today and come from
 * the authority, as QEMU wants it too. Keys with a password are not supported.
 *
 * Returns: 0 and the credentials, the caller's. On failure, in `*reterr_why` (may be NULL) what is wrong and in which
 * file, the caller's to free() (NULL when there is no memory for it): -ENOENT for a file or folder that is not there,
 * -EACCES for one that may not be read, -EINVAL for one that does not hold what it should; -EOPNOTSUPP; -ENOMEM; other
 * errnos of open(2) and read(2).
 * Blocks: to read files, and the first time to load GnuTLS.
 * From: tls-creds-x509 in QEMU's docs/system/tls.rst. */
QMP_API int qmp_tls_new_x509(qmp_tls **ret, const char *folder, char **reterr_why);

/* A shared key. The folder holds keys.psk, whose lines are USERNAME:HEX-KEY (empty ones and those that begin with #
 * mean nothing). A TLS client uses the key of `username` (NULL for "qemu", as in QEMU), a TLS server that of whoever
 * comes. With a shared key there are no names to check.
 *
 * Returns: as qmp_tls_new_x509(); -EINVAL also when there is no such user in the file, for either side.
 * Blocks: to read a file, and the first time to load GnuTLS.
 * From: tls-creds-psk in QEMU's docs/system/tls.rst. */
QMP_API int qmp_tls_new_psk(qmp_tls **ret, const char *folder, const char *username, char **reterr_why);

/* Whether to check the peer (default: yes). Without, a TLS client takes any certificate, and a TLS server wants none.
 * Before the first use.
 *
 * Returns: 0; -EOPNOTSUPP.
 * Blocks: never.
 * From: `verify-peer` of QEMU's tls-creds objects. */
QMP_API int qmp_tls_set_verify_peer(qmp_tls *t, bool enable);

/* The GnuTLS priority string (default: "NORMAL"; for a shared key ":+ECDHE-PSK:+DHE-PSK:+PSK" is always put behind).
 * Before the first use.
 *
 * Returns: 0; -EINVAL for a string that GnuTLS does not take; -EOPNOTSUPP; -ENOMEM.
 * Blocks: never.
 * From: `priority` of QEMU's tls-creds objects. */
QMP_API int qmp_tls_set_priority(qmp_tls *t, const char *priority);

/* Takes one more reference. Thread-safe.
 *
 * Returns: `t`.
 * Blocks: never.
 * From: sd_bus_ref(3). */
QMP_API qmp_tls *qmp_tls_ref(qmp_tls *t);

/* Gives one reference back.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: sd_bus_unref(3). */
QMP_API qmp_tls *qmp_tls_unref(qmp_tls *t);

static inline void qmp_tls_unrefp(qmp_tls **t)
{
    qmp_tls_unref(*t);
}

#ifdef __cplusplus
}
#endif

#endif
