/* SPDX-License-Identifier: MIT */

/* From an address to a client.
 *
 * The library's default listener is switched off: the tool reads its own listener or none, and a process that waits for
 * days must not keep what nobody reads. --timeout is the time in all, so it bounds connecting too. A server that is not
 * there yet is tried again, less and less often, for as long as --wait-for-socket says; any other failure is one. What
 * the user wrote may be the name of a VM: whose address that is is looked up for each attempt anew.
 *
 * It knows nothing of what the connection is for. */

#include <errno.h>
#include <stdlib.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "ending.h"
#include "mistake.h"
#include "names.h"

/* Between two attempts. */
#define PAUSE_MIN (10 * QMP_MILLISECOND)
#define PAUSE_MAX (200 * QMP_MILLISECOND)

const char *connect_address(const struct options *o)
{
    const char *address = o->address != NULL ? o->address : getenv("QMP_SOCKET");

    if (address != NULL && *address != '\0')
        return address;
    complain("no address: say where QEMU's monitor is with -s ADDRESS, or set QMP_SOCKET");
    return NULL;
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

static void wire_show(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *userdata)
{
    (void)c;
    (void)size;
    (void)userdata;
    if (level != QMP_LOG_DEBUG)
        complain("%s", text);
}

static int client_prepare(const struct options *o, qmp_client *c, qmp_listener *l)
{
    qmp_listener_set_limits(qmp_client_events(c), /* queue_max= */ 0, /* history_max= */ 0);
    if (o->given & OPTION_VERBOSE)
        qmp_client_set_log(c, QMP_LOG_FULL, wire_show, /* userdata= */ NULL);
    return l != NULL ? qmp_client_register_listener(c, l) : 0;
}

enum outcome connect_prepare(const struct options *o, qmp_listener *l, qmp_client **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome;
    int r;

    if (connect_address(o) == NULL || mistake_check(connect_address(o)) != OUTCOME_DONE)
        return OUTCOME_USAGE;
    r = qmp_client_new(&c);
    if (r >= 0)
        r = client_prepare(o, c, l);
    if (r < 0)
        return outcome_of_error("making a client", r);
    outcome = tls_prepare(o, c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    *ret = c;
    c = NULL;
    return OUTCOME_DONE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int attempt(const struct options *o, qmp_client *c, uint64_t left)
{
    __attribute__((cleanup(qmp_freep))) char *found = NULL;
    const char *address = connect_address(o);
    int r;

    /* A name that nobody has stays as it is, and fails as the path of a file that is not there. */
    if (names_is_name(address))
        found = names_resolve(address);
    qmp_client_set_connect_timeout(c, least(left, o->connect_timeout));
    r = qmp_client_connect(c, found != NULL ? found : address);
    return r < 0 ? r : qmp_client_wait_running(c, QMP_FOREVER);
}

bool connect_is_absent(qmp_client *c, int error)
{
    static const int errors[] = {-ENOENT, -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ENODEV};
    __attribute__((cleanup(qmp_freep))) char *address = NULL;
    bool absent = false;

    /* A name that two VMs have leads nowhere, but is not absent. */
    if (error == -ENOENT && qmp_client_get_address(c, &address) >= 0 && names_is_name(address))
        return !names_is_ambiguous(address);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        absent |= errors[i] == error;
    return absent && qmp_client_failure_kind(c) == QMP_FAILURE_CONNECT;
}

int connect_run(const struct options *o, qmp_client *c)
{
    uint64_t until = duration_deadline(o->wait_for_socket), pause = PAUSE_MIN;

    if (until > o->deadline)
        until = o->deadline;
    for (uint64_t left = o->timeout;; left = duration_until(o->deadline)) {
        int r = attempt(o, c, left);
        left = duration_until(until);
        if (r >= 0 || o->wait_for_socket == 0 || left == 0 || ending_noted() != 0 || !connect_is_absent(c, r))
            return r;
        pause = least(pause, left);
        duration_sleep(pause);
        pause = least(pause * 2, PAUSE_MAX);
    }
}

enum outcome connect_open(const struct options *o, qmp_listener *l, qmp_client **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = connect_prepare(o, l, &c);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = connect_run(o, c);
    if (r < 0)
        return outcome_of_failure(c, r);
    *ret = c;
    c = NULL;
    return OUTCOME_DONE;
}
