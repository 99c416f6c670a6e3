/* SPDX-License-Identifier: MIT */

/* Whether a server is there.
 *
 * A connection is the only witness that cannot be wrong: a socket file outlives its QEMU, and a process is not always
 * of this machine. It tells even while another client holds the monitor: QEMU then lets us connect and says nothing,
 * and when it ends, so does the connection. So this waits for the greeting as long as it takes, and only mentions who
 * is in the way.
 *
 * It knows nothing of what is wanted from the server. */

#include <errno.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "presence.h"

/* Between two attempts, where a server went in the middle of one. */
#define PAUSE (100 * QMP_MILLISECOND)

static enum outcome timed_out(const struct options *o, qmp_client *c)
{
    char text[DURATION_TEXT_MAX];

    complain("after %s: %s", duration_text(o->timeout, text), qmp_client_failure(c));
    return OUTCOME_TIMEOUT;
}

/* Whether a server may be there, and busy with somebody else. */
static bool is_busy(enum qmp_failure kind, int error)
{
    return kind == QMP_FAILURE_GREETING || (kind == QMP_FAILURE_CONNECT && error == -ETIMEDOUT);
}

enum presence presence_find(const struct options *o, qmp_client *c, bool ready, bool gone, enum outcome *ret_outcome)
{
    struct options own = *o;
    int r;

    if (ready)
        own.wait_for_socket = QMP_FOREVER;
    while ((r = connect_run(&own, c)) < 0) {
        enum qmp_failure kind = qmp_client_failure_kind(c);
        bool busy = is_busy(kind, r);
        own.timeout = duration_until(o->deadline);
        if (gone && (kind == QMP_FAILURE_CLOSED || connect_is_absent(c, r)))
            return PRESENCE_GONE;
        if ((gone || ready) && own.timeout == 0)
            *ret_outcome = timed_out(o, c);
        else if (!(busy && (gone || ready)) && !(kind == QMP_FAILURE_CLOSED && ready))
            *ret_outcome = outcome_of_failure(c, r);
        if (*ret_outcome != OUTCOME_DONE)
            return PRESENCE_FAILED;
        if (busy && own.connect_timeout != QMP_FOREVER)
            complain("%s; waiting", qmp_client_failure(c));
        else
            duration_sleep(own.timeout < PAUSE ? own.timeout : PAUSE);
        if (busy)
            own.connect_timeout = QMP_FOREVER;
    }
    return PRESENCE_THERE;
}
