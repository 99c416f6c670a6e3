/* SPDX-License-Identifier: MIT */
/* What a client is told for its next connection, and what it tells about the current one, or the last.
 *
 * Settings never touch a connection that is under way, so they may be changed at any time. It refuses to know what any
 * of them is for. */

#include "client/client.h"

#include <errno.h>
#include <string.h>

#include "util/util.h"
#include "json/validate.h"

#define MESSAGE_MAX_MAX ((size_t)INT32_MAX)

/* ---- for the next connection ---- */

int qmp_client_set_connect_timeout(qmp_client *c, uint64_t timeout)
{
    client_lock(c);
    c->connect_timeout = timeout;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

int qmp_client_set_message_limits(qmp_client *c, size_t message_max, unsigned depth_max)
{
    if (message_max == 0 || message_max > MESSAGE_MAX_MAX || depth_max == 0 || depth_max > JSON_DEPTH_MAX)
        return -EINVAL;
    client_lock(c);
    c->message_max = message_max;
    c->depth_max = depth_max;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

int qmp_client_set_oob(qmp_client *c, bool enable)
{
    client_lock(c);
    c->want_oob = enable;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

int qmp_client_set_await_greeting(qmp_client *c, bool enable)
{
    client_lock(c);
    c->skip_greeting = !enable;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

int qmp_client_set_negotiate(qmp_client *c, bool enable)
{
    client_lock(c);
    c->skip_negotiation = !enable;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

int qmp_client_set_dialect(qmp_client *c, enum qmp_dialect dialect)
{
    if (dialect != QMP_DIALECT_MONITOR && dialect != QMP_DIALECT_AGENT)
        return -EINVAL;
    client_lock(c);
    c->dialect = dialect;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

int qmp_client_set_tls(qmp_client *c, qmp_tls *credentials, const char *peer_name)
{
    CLEANUP(qmp_freep) char *name = NULL;
    char *old_name;
    qmp_tls *old;

    if (peer_name) {
        name = strdup(peer_name);
        if (!name)
            return -ENOMEM;
    }
    client_lock(c);
    old = c->tls;
    old_name = c->tls_name;
    c->tls = credentials ? qmp_tls_ref(credentials) : NULL;
    c->tls_name = TAKE(name);
    pthread_mutex_unlock(&c->lock);
    qmp_tls_unref(old);
    free(old_name);
    return 0;
}

/* ---- facts ---- */

int qmp_client_greeting(qmp_client *c, qmp_message **ret)
{
    int r = -ENOENT;

    client_lock(c);
    if (c->session_inited && c->session.greeting) {
        *ret = qmp_message_ref(c->session.greeting);
        r = 0;
    } else if (c->identity.greeting) {
        *ret = qmp_message_ref(c->identity.greeting);
        r = 0;
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

bool qmp_client_has_oob(qmp_client *c)
{
    bool has;

    client_lock(c);
    has = c->state == QMP_RUNNING && c->session.has_oob;
    pthread_mutex_unlock(&c->lock);
    return has;
}

/* With the lock held. */
static const char *failure_text(const qmp_client *c)
{
    if (c->failure.kind == QMP_FAILURE_NONE)
        return "";
    return c->failure.text ? c->failure.text : "out of memory while describing the failure";
}

const char *qmp_client_failure(qmp_client *c)
{
    const char *text;

    client_lock(c);
    text = failure_text(c);
    pthread_mutex_unlock(&c->lock);
    return text;
}

char *qmp_client_failure_copy(qmp_client *c)
{
    char *copy;

    client_lock(c);
    copy = strdup(failure_text(c));
    pthread_mutex_unlock(&c->lock);
    return copy;
}

int qmp_client_get_address(qmp_client *c, char **ret)
{
    char *copy = NULL;
    int r = 0;

    client_lock(c);
    if (!c->address_text) {
        r = -ENOENT;
    } else {
        copy = strdup(c->address_text);
        r = copy ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&c->lock);
    if (r >= 0)
        *ret = copy;
    return r;
}

enum qmp_same_server qmp_client_same_server(qmp_client *c)
{
    enum qmp_same_server same;

    client_lock(c);
    same = c->same_server;
    pthread_mutex_unlock(&c->lock);
    return same;
}

enum qmp_failure qmp_client_failure_kind(qmp_client *c)
{
    enum qmp_failure kind;

    client_lock(c);
    kind = c->failure.kind;
    pthread_mutex_unlock(&c->lock);
    return kind;
}

const char *qmp_client_failure_bytes(qmp_client *c, size_t *ret_size)
{
    const char *bytes;

    client_lock(c);
    bytes = c->failure.bytes;
    *ret_size = c->failure.n_bytes;
    pthread_mutex_unlock(&c->lock);
    return bytes;
}

uint64_t qmp_client_stray_replies(qmp_client *c)
{
    uint64_t n;

    client_lock(c);
    n = c->strays + (c->session_inited ? c->session.strays : 0);
    pthread_mutex_unlock(&c->lock);
    return n;
}

qmp_listener *qmp_client_events(qmp_client *c)
{
    return c->events;
}
