/* SPDX-License-Identifier: MIT */
/* Scopes: several registrations that begin together, all or none, and end together.
 *
 * A scope remembers which registrations it made, by number, not only which listeners: one that was removed by hand
 * meanwhile, and perhaps registered again elsewhere, is none of its business any more. It holds its listeners and
 * refuses to know the client afterwards, which may be gone when the scope ends. */

#include <errno.h>

#include "client/client.h"
#include "util/util.h"

struct qmp_scope {
    size_t n;
    struct {
        qmp_listener *listener;
        uint64_t registration;
    } items[];
};

int qmp_client_listen(qmp_client *c, qmp_listener *const *listeners, size_t n, qmp_scope **ret)
{
    CLEANUP(qmp_scope_endp) qmp_scope *s = NULL;

    if (n > (SIZE_MAX - sizeof(*s)) / sizeof(s->items[0]))
        return -ENOMEM;
    s = malloc(sizeof(*s) + n * sizeof(s->items[0]));
    if (!s)
        return -ENOMEM;
    s->n = 0;
    for (size_t i = 0; i < n; i++) {
        int r = qmp_client_register_listener(c, listeners[i]);

        if (r < 0)
            return r;
        s->items[s->n].listener = qmp_listener_ref(listeners[i]);
        s->items[s->n].registration = listener_registration(listeners[i]);
        s->n++;
    }
    *ret = TAKE(s);
    return 0;
}

int qmp_client_listener(qmp_client *c, const char *const *names, qmp_listener **ret, qmp_scope **ret_scope)
{
    CLEANUP(qmp_listener_unrefp) qmp_listener *l = NULL;
    int r = qmp_listener_new(&l, names);

    if (r >= 0)
        r = qmp_client_listen(c, &l, 1, ret_scope);
    if (r < 0)
        return r;
    *ret = TAKE(l);
    return 0;
}

qmp_scope *qmp_scope_end(qmp_scope *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n; i++) {
        listener_end_registration(s->items[i].listener, s->items[i].registration);
        qmp_listener_unref(s->items[i].listener);
    }
    free(s);
    return NULL;
}
