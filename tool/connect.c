/* SPDX-License-Identifier: MIT */

/* From an address to a client.
 *
 * The library's default listener is switched off: the tool reads its own listener or none, and a process that waits for
 * days must not keep what nobody reads. --timeout is the time in all, from here on, so it bounds connecting too.
 *
 * It knows nothing of what the connection is for. */

#include <errno.h>

#include "complain.h"
#include "connect.h"

static const char *address_of(const struct options *o)
{
    const char *address = o->address != NULL ? o->address : getenv("QMP_SOCKET");

    if (address != NULL && *address != '\0')
        return address;
    complain("no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET");
    return NULL;
}

static uint64_t timeout_of(const struct options *o)
{
    return o->timeout < o->connect_timeout ? o->timeout : o->connect_timeout;
}

/* Credentials as the options say. Everything that is wrong with them is found before the monitor is taken. */
static enum outcome tls_prepare(const struct options *o, qmp_client *c)
{
    __attribute__((cleanup(qmp_tls_unrefp))) qmp_tls *tls = NULL;
    __attribute__((cleanup(qmp_freep))) char *why = NULL;
    bool psk = o->given & OPTION_TLS_PSK;
    int r;

    if (o->tls_folder == NULL && o->tls_name == NULL)
        return OUTCOME_DONE;
    if ((o->given & (OPTION_TLS_X509 | OPTION_TLS_PSK)) != (psk ? OPTION_TLS_PSK : OPTION_TLS_X509)) {
        complain(o->tls_folder == NULL ? "--tls-name wants --tls-x509 or --tls-psk"
                                       : "--tls-x509 and --tls-psk exclude each other");
        return OUTCOME_USAGE;
    }
    r = psk ? qmp_tls_new_psk(&tls, o->tls_folder, o->tls_name, &why) : qmp_tls_new_x509(&tls, o->tls_folder, &why);
    if (r >= 0)
        r = qmp_client_set_tls(c, tls, psk ? NULL : o->tls_name);
    if (r >= 0)
        return OUTCOME_DONE;
    complain("--tls-%s: %s", psk ? "psk" : "x509", why != NULL ? why : qmp_strerror(r));
    return r == -ENOMEM ? OUTCOME_LOCAL : OUTCOME_USAGE;
}

static int client_prepare(qmp_client *c, qmp_listener *l, uint64_t timeout)
{
    qmp_listener_set_limits(qmp_client_events(c), /* queue_max= */ 0, /* history_max= */ 0);
    qmp_client_set_connect_timeout(c, timeout);
    return l != NULL ? qmp_client_register_listener(c, l) : 0;
}

enum outcome connect_start(const struct options *o, qmp_listener *l, qmp_client **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    const char *address = address_of(o);
    enum outcome outcome;
    int r;

    if (address == NULL)
        return OUTCOME_USAGE;
    r = qmp_client_new(&c);
    if (r >= 0)
        r = client_prepare(c, l, timeout_of(o));
    if (r < 0)
        return outcome_of_error("making a client", r);
    outcome = tls_prepare(o, c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = qmp_client_connect(c, address);
    if (r < 0)
        return outcome_of_failure(c, r);
    *ret = c;
    c = NULL;
    return OUTCOME_DONE;
}
