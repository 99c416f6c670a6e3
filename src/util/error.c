/* SPDX-License-Identifier: MIT */
/* What the library's error numbers mean in the library, and its version. One table, no locale. */

#include <errno.h>

#include <qmp/error.h>

#include "util/util.h"

static const struct {
    int error;
    const char *text;
} errors[] = {
    {0, "success"},
    {E2BIG, "a command too long for the system"},
    {EACCES, "no permission; with TLS, no trust"},
    {EADDRINUSE, "somebody listens there already"},
    {EADDRNOTAVAIL, "an address that this machine does not have"},
    {EAFNOSUPPORT, "only UNIX sockets carry file descriptors; or a kind of address that this system does not have"},
    {EAGAIN, "nothing there yet"},
    {EALREADY, "under way or done already"},
    {EBADF, "not an open file descriptor"},
    {EBADMSG, "not JSON"},
    {EBUSY, "busy: another client holds the monitor, or the call would have to wait inside a callback"},
    {ECANCELED, "cancelled"},
    {ECHILD, "used after fork(), in the child"},
    {ECONNREFUSED, "nobody listens there"},
    {ECONNRESET, "the connection ended"},
    {EEXIST, "something is there already, or the listener or id is in use"},
    {EHOSTUNREACH, "the host cannot be reached, or its name is not known"},
    {EINTR, "interrupted by a signal"},
    {EINVAL, "invalid argument"},
    {EIO, "input/output error"},
    {EISCONN, "connected already"},
    {ELOOP, "nested too deep"},
    {EMFILE, "too many open files in this process"},
    {EMSGSIZE, "too large"},
    {ENAMETOOLONG, "a path too long for a socket"},
    {ENETDOWN, "the network is down"},
    {ENETUNREACH, "no way to that network"},
    {ENFILE, "too many open files on this machine"},
    {ENOBUFS, "a queue is full; events may have been dropped"},
    {ENOENT, "not there"},
    {ENOMEM, "out of memory"},
    {ENOSPC, "no space left for the file"},
    {ENOTCONN, "not connected"},
    {ENOTDIR, "a part of the path is not a folder"},
    {ENOTSOCK, "not a socket"},
    {EOPNOTSUPP, "the server, or this build of the library, does not offer this"},
    {EPERM, "not permitted"},
    {EPIPE, "the connection ended"},
    {EPROTO, "not as the QMP specification says"},
    {EPROTOTYPE, "a socket of the wrong type"},
    {ERANGE, "out of range"},
    {EREMOTEIO, "the server answered with an error"},
    {EROFS, "a file system that is not written to"},
    {ESTALE, "the connection was lost and is made again: what happened in between is not known"},
    {ETIMEDOUT, "the deadline passed"},
    {ETOOMANYREFS, "too many file descriptors are on their way"},
};

const char *qmp_strerror(int error)
{
    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        if (error > 0 ? error == errors[i].error : error == -errors[i].error)
            return errors[i].text;
    }
    return "unknown error";
}

const char *qmp_version(void)
{
    return QMP_VERSION;
}
