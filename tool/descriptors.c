/* SPDX-License-Identifier: MIT */

/* Open files for the server: --fd NAME=PATH.
 *
 * Every file is opened before the monitor is taken, so a name that is wrong costs nobody anything. "fd:N" is one that
 * is open already, such as a socket, which cannot be opened again. The server keeps a descriptor under its name until a
 * command uses it, or the connection ends: that is why they and the command go over the same one.
 *
 * It knows nothing of the command. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "complain.h"
#include "descriptors.h"
#include "duration.h"

#define COMMAND "getfd"

static const char *path_of(const char *item)
{
    return strchr(item, '=') + 1;
}

/* The descriptor that "fd:N" names, as one more of it; -1 with errno. */
static int number_open(const char *number)
{
    char *end;
    long fd;

    errno = 0;
    fd = strtol(number, &end, 10);
    if (end == number || *end != '\0' || fd < 0 || fd > INT_MAX || errno != 0) {
        errno = EBADF;
        return -1;
    }
    return fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
}

/* Opens a path to read and write, or to read where no more is allowed. */
static int path_open(const char *path)
{
    static const int refusals[] = {EACCES, EROFS, EISDIR, EPERM, ETXTBSY};
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

    for (size_t i = 0; fd < 0 && i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (errno == refusals[i])
            return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd;
}

enum outcome descriptors_open(const struct options *o, struct descriptors *ret)
{
    *ret = (struct descriptors){NULL, 0};
    if (o->fds.n == 0)
        return OUTCOME_DONE;
    ret->fds = calloc(o->fds.n, sizeof(*ret->fds));
    if (ret->fds == NULL)
        return outcome_of_error("--fd", -ENOMEM);
    for (; ret->n < o->fds.n; ret->n++) {
        const char *item = o->fds.items[ret->n], *path = path_of(item);
        __attribute__((cleanup(qmp_freep))) char *arguments = descriptors_arguments(item);
        int fd = strncmp(path, "fd:", 3) == 0 ? number_open(path + 3) : path_open(path);
        if (fd >= 0)
            ret->fds[ret->n] = fd;
        if (fd >= 0 && arguments != NULL)
            continue;
        if (fd < 0)
            complain("--fd: cannot open %s: %s", path, strerror(errno));
        else
            complain("--fd: '%s': a name that is not UTF-8", item);
        ret->n += fd >= 0;
        return fd < 0 ? OUTCOME_LOCAL : OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

void descriptors_done(struct descriptors *d)
{
    for (size_t i = 0; i < d->n; i++)
        close(d->fds[i]);
    free(d->fds);
}

char *descriptors_arguments(const char *item)
{
    __attribute__((cleanup(qmp_freep))) char *name = strndup(item, (size_t)(path_of(item) - item) - 1);

    return name != NULL ? qmp_json("{'fdname': %s}", name) : NULL;
}

static enum outcome descriptor_send(const struct options *o, qmp_client *c, const char *item, int fd)
{
    __attribute__((cleanup(qmp_pending_unrefp))) qmp_pending *pending = NULL;
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = descriptors_arguments(item);
    struct qmp_request request = QMP_REQUEST_INIT;
    int r;

    request.command = COMMAND;
    request.arguments = arguments;
    request.fds = &fd;
    request.n_fds = 1;
    r = arguments != NULL ? qmp_client_send_full(c, &request, /* callback= */ NULL, /* userdata= */ NULL, &pending)
                          : -ENOMEM;
    if (r >= 0)
        r = qmp_pending_wait(pending, duration_until(o->deadline), /* ret_reply= */ NULL, &refusal);
    if (r == -EREMOTEIO)
        return ask_refused(COMMAND, refusal);
    if (r == -EAFNOSUPPORT) {
        complain("--fd: descriptors travel over UNIX sockets only");
        return OUTCOME_USAGE;
    }
    return r < 0 ? ask_failed(o, c, COMMAND, r) : OUTCOME_DONE;
}

enum outcome descriptors_send(const struct options *o, qmp_client *c, const struct descriptors *d)
{
    enum outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; outcome == OUTCOME_DONE && i < d->n; i++)
        outcome = descriptor_send(o, c, o->fds.items[i], d->fds[i]);
    return outcome;
}
