/* SPDX-License-Identifier: MIT */

/* Waiting for a server without forgetting who reads standard output.
 *
 * A program that waits for days in a pipeline whose end has gone would wait for nobody, and hold the monitor. So every
 * wait looks at standard output too. It knows nothing of what is waited for. */

#include <poll.h>
#include <unistd.h>

#include "duration.h"
#include "output.h"
#include "pump.h"

void pump_sleep(int fd, short events, uint64_t deadline)
{
    struct pollfd fds[] = {{fd, events, 0}, {STDOUT_FILENO, 0, 0}};

    if (poll(fds, sizeof(fds) / sizeof(fds[0]), duration_poll_timeout(deadline)) > 0 &&
        (fds[1].revents & (POLLERR | POLLHUP)))
        output_abandon();
}

void pump(qmp_client *c, uint64_t deadline)
{
    uint64_t own = QMP_FOREVER;
    int events;

    if (qmp_client_process(c) != 0)
        return;
    events = qmp_client_get_events(c);
    qmp_client_get_deadline(c, &own);
    pump_sleep(qmp_client_get_fd(c), (short)(events < 0 ? 0 : events), own < deadline ? own : deadline);
}
