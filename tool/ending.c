/* SPDX-License-Identifier: MIT */

/* Signals that ask the process to end, for verbs that have a little to tidy up and are done with it in a moment.
 *
 * The invariant: the first one is remembered and interrupts what waits, and nothing else; a later one is the user's who
 * does not want to wait for the tidying. One that comes at the same time, as timeout(1) sends them, is the same wish. A
 * pipe that every wait polls ends also the wait that was about to begin. It knows nothing of what is tidied up. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <qmp/types.h>

#include "duration.h"
#include "ending.h"

/* How much later it is a wish of its own. */
#define AGAIN_MIN QMP_SECOND

static volatile sig_atomic_t noted;
static uint64_t noted_at;
static int wake[2] = {-1, -1};

static void note(int signal_number)
{
    int error = errno;
    ssize_t n;

    if (!noted) {
        noted = signal_number;
        noted_at = duration_now();
        n = write(wake[1], "", 1);
        (void)n; /* it cannot be full */
    } else if (duration_now() - noted_at > AGAIN_MIN) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    errno = error;
}

void ending_note(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction noting = {.sa_handler = note};

    if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
        wake[0] = wake[1] = -1; /* waits are interrupted all the same, but for the moment before they begin */
    sigfillset(&noting.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction before;
        if (sigaction(signals[i], /* act= */ NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &noting, /* oldact= */ NULL);
    }
    signal(SIGPIPE, SIG_IGN);
}

int ending_noted(void)
{
    return noted;
}

int ending_poll(struct pollfd *fds, size_t n, uint64_t deadline)
{
    struct pollfd all[ENDING_FDS_MAX + 1] = {{wake[0], POLLIN, 0}};
    int r = -1;

    memcpy(all + 1, fds, n * sizeof(*fds));
    while (r < 0 && !noted) {
        r = poll(all, n + 1, duration_poll_timeout(deadline));
        if (r < 0 && errno != EINTR)
            return -errno;
    }
    if (noted)
        return -EINTR;
    memcpy(fds, all + 1, n * sizeof(*fds));
    return r;
}
