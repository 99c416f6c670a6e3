/* SPDX-License-Identifier: MIT */
/* Whether a server is the one that was there before.
 *
 * The protocol has no name for a running QEMU: a restarted one greets like the first. So on a UNIX socket the process
 * that listens is what counts, by its number and the time of its start, which together are never given twice while a
 * system runs. Elsewhere only a version that changed tells something. */

#include "client/client.h"

#include "transport/holder.h"
#include "util/util.h"
#include "json/value.h"

static bool versions_differ(const qmp_message *a, const qmp_message *b)
{
    return a && b &&
           !json_equal(
               qmp_value_path(qmp_message_root(a), "QMP.version"), qmp_value_path(qmp_message_root(b), "QMP.version"));
}

static enum qmp_same_server compare(const struct identity *before, const struct identity *now)
{
    if (versions_differ(before->greeting, now->greeting))
        return QMP_SERVER_OTHER;
    if (before->pid == 0 || now->pid == 0)
        return QMP_SERVER_UNKNOWN;
    return before->pid == now->pid && before->started == now->started ? QMP_SERVER_SAME : QMP_SERVER_OTHER;
}

void identity_learn(qmp_client *c)
{
    struct identity now = {0};
    struct process p;

    if (c->link.carries_fds && holder_server(c->link.fd, &p) && p.started != 0) {
        now.pid = p.pid;
        now.started = p.started;
    }
    if (c->session.greeting)
        now.greeting = qmp_message_ref(c->session.greeting);
    c->same_server = compare(&c->identity, &now);
    identity_done(&c->identity);
    c->identity = now;
}

void identity_done(struct identity *i)
{
    qmp_message_unref(i->greeting);
    *i = (struct identity){0};
}
