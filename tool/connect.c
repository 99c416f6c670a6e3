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
    int r;

    if (address == NULL)
        return OUTCOME_USAGE;
    r = qmp_client_new(&c);
    if (r >= 0)
        r = client_prepare(c, l, timeout_of(o));
    if (r < 0)
        return outcome_of_error("making a client", r);
    r = qmp_client_connect(c, address);
    if (r < 0)
        return outcome_of_failure(c, r);
    *ret = c;
    c = NULL;
    return OUTCOME_DONE;
}
