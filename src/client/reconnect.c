/* SPDX-License-Identifier: MIT */
/* When a client connects again by itself, and when it gives up.
 *
 *     attempt ──fails──▸ delay (doubles, with a cap, less a random part) ──▸ attempt … ──too many──▸ given up
 *     RUNNING ──for delay_max──▸ the next delay is delay_min again
 *
 * A server that takes connections only to drop them must not be hammered, so delays start again only after a
 * connection that held for a while. It refuses to know how connections are made: it only says whether and when. */

#include "client/client.h"

#include <errno.h>
#include <unistd.h>

#include "util/util.h"

struct reconnect {
    struct qmp_reconnect policy;
    bool ran;          /* since the user connected */
    uint64_t running;  /* since when; 0: not */
    uint64_t delay;    /* the next one, before the random part; 0: the first */
    unsigned failures; /* in a row */
};

static uint64_t random_below(uint64_t limit)
{
    uint64_t x;

    if (limit == 0)
        return 0;
    if (getentropy(&x, sizeof(x)) < 0)
        x = time_now() * UINT64_C(0x9e3779b97f4a7c15);
    return x % limit;
}

int qmp_client_set_reconnect(qmp_client *c, const struct qmp_reconnect *reconnect)
{
    struct reconnect *r = NULL, *old;

    if (reconnect && (reconnect->size != sizeof(*reconnect) || reconnect->delay_min == 0 ||
                         reconnect->delay_min > reconnect->delay_max || reconnect->delay_max == QMP_FOREVER))
        return -EINVAL;
    if (reconnect) {
        r = calloc(1, sizeof(*r));
        if (!r)
            return -ENOMEM;
        r->policy = *reconnect;
    }
    client_lock(c);
    old = c->reconnect;
    if (r && old) {
        r->ran = old->ran;
        r->running = old->running;
    } else if (r && c->state == QMP_RUNNING) {
        r->ran = true;
        r->running = time_now();
    }
    c->reconnect = r;
    pthread_mutex_unlock(&c->lock);
    free(old);
    return 0;
}

void reconnect_reset(qmp_client *c)
{
    if (c->reconnect)
        *c->reconnect = (struct reconnect){.policy = c->reconnect->policy};
}

void reconnect_on_running(qmp_client *c)
{
    if (!c->reconnect)
        return;
    c->reconnect->ran = true;
    c->reconnect->running = time_now();
    c->reconnect->failures = 0;
}

/* Nobody wants it, or connecting cannot help: nobody else can dial a descriptor again, and wrong addresses and
 * credentials stay wrong. */
static bool is_final(const qmp_client *c)
{
    return c->way == WAY_GIVEN || c->dying || c->disconnect_wanted || c->failure.kind == QMP_FAILURE_DISCONNECT ||
           ((c->failure.kind == QMP_FAILURE_CONNECT || c->failure.kind == QMP_FAILURE_TLS) &&
               (c->failure.error == -EINVAL || c->failure.error == -ENAMETOOLONG));
}

bool reconnect_wanted(qmp_client *c, uint64_t *ret_at)
{
    struct reconnect *r = c->reconnect;
    uint64_t now, delay;

    if (!r || is_final(c) || (!r->ran && !r->policy.initially))
        return false;
    now = time_now();
    if (r->running != 0) {
        if (now - r->running >= r->policy.delay_max)
            r->delay = 0;
        r->running = 0;
    } else if (++r->failures >= r->policy.attempts_max && r->policy.attempts_max != 0) {
        return false;
    }
    delay = r->delay == 0 ? r->policy.delay_min : r->delay;
    r->delay = delay > r->policy.delay_max / 2 ? r->policy.delay_max : delay * 2;
    *ret_at = now + delay - random_below(delay / 2 + 1);
    return true;
}
