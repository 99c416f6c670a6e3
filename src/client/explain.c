/* SPDX-License-Identifier: MIT */
/* Why a connection could not be made, in words for whoever has to mend it at night: what was tried, what came of it,
 * and, where it can be guessed, what to do.
 *
 * Text of the server, of names and of addresses is escaped, because it goes to terminals and logs. It refuses to decide
 * anything: the attempt has failed already. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <qmp/error.h>

#include "client/client.h"
#include "transport/holder.h"
#include "util/util.h"
#include "json/value.h"

/* Room for one explanation. */
#define WHY_MAX ((size_t)LINK_WHY_MAX)

int explain_address(qmp_client *c, int error, const char *text, const char *flaw)
{
    char excerpt[200];

    json_excerpt(excerpt, sizeof(excerpt), text, strlen(text));
    return connection_fail(c, QMP_FAILURE_CONNECT, error, "%s is %s; " ADDRESS_GRAMMAR, excerpt, flaw);
}

/* What refuses a connection on a path may not even be a socket. */
static const char *file_type(const qmp_client *c)
{
    struct stat file;
    struct address a;
    const char *flaw;

    if (address_parse(&a, c->address_text, &flaw) < 0 || a.kind != ADDRESS_UNIX || a.unix_.un.sun_path[0] == '\0' ||
        stat(a.unix_.un.sun_path, &file) < 0 || S_ISSOCK(file.st_mode))
        return NULL;
    return S_ISDIR(file.st_mode) ? "it is a folder; the socket is a file in it" : "it is a file, but no socket";
}

/* Where there is more to say than what the error means. */
static const char *words_for(const qmp_client *c, int error)
{
    static const struct {
        int error;
        const char *words;
    } dialling[] = {
        {-ENOENT, "not there: is QEMU running, with -qmp unix:PATH,server=on,wait=off and this PATH?"},
        {-ECONNREFUSED, "nobody listens there: its QEMU has gone, or waits for nobody (server=off)"},
        {-EACCES,
            "no permission: it takes write permission on the socket, and search permission on the folders above it"},
        {-EPROTOTYPE, "a socket of the wrong type: QMP wants a stream socket"},
    };
    const char *type = error == -ECONNREFUSED && c->way == WAY_DIAL ? file_type(c) : NULL;

    if (type)
        return type;
    for (unsigned i = 0; c->way == WAY_DIAL && i < ELEMENTS(dialling); i++) {
        if (dialling[i].error == error)
            return dialling[i].words;
    }
    return qmp_strerror(error);
}

int explain_connect(qmp_client *c, int error, const struct link_flaw *flaw)
{
    const char *verb = c->way == WAY_LISTEN && c->link.state == LINK_DOWN ? "listen on" : "connect to";

    if (flaw->tls)
        return connection_fail(c, QMP_FAILURE_TLS, error, "%s: %s", c->address_text, flaw->why);
    if (flaw->why[0] != '\0')
        return connection_fail(c, QMP_FAILURE_CONNECT, error, "cannot %s %s: %s", verb, c->address_text, flaw->why);
    return connection_fail(
        c, QMP_FAILURE_CONNECT, error, "cannot %s %s: %s", verb, c->address_text, words_for(c, error));
}

/* ---- the connect timeout has passed ---- */

static void duration_string(char out[32], uint64_t usec)
{
    if (usec == QMP_FOREVER)
        snprintf(out, 32, "all eternity");
    else if (usec % USEC_PER_SEC == 0)
        snprintf(out, 32, "%llu s", (unsigned long long)(usec / USEC_PER_SEC));
    else
        snprintf(out, 32, "%llu ms", (unsigned long long)(usec / 1000));
}

/* The UNIX socket that the client wants to reach. Returns its size, 0 when it is none. */
static socklen_t unix_peer(const qmp_client *c, struct sockaddr_un *ret)
{
    socklen_t size = sizeof(*ret);
    struct address a;
    const char *flaw;

    if (c->link.fd >= 0 && getpeername(c->link.fd, (struct sockaddr *)(void *)ret, &size) == 0)
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the kernel filled it */
        return ret->sun_family == AF_UNIX ? size : 0;
    if (c->way != WAY_DIAL || address_parse(&a, c->address_text, &flaw) < 0 || a.kind != ADDRESS_UNIX)
        return 0;
    *ret = a.unix_.un;
    return a.unix_.size;
}

/* "another client (pid 4242, virtqemud) holds this monitor" */
static bool explain_holder(const qmp_client *c, char *out, size_t size)
{
    char name[2 * PROCESS_NAME_MAX];
    struct sockaddr_un peer;
    socklen_t peer_size = unix_peer(c, &peer);
    struct process p;

    if (peer_size == 0 || !holder_find(&peer, peer_size, c->link.fd, &p))
        return false;
    json_excerpt(name, sizeof(name), p.name, strlen(p.name));
    if (p.pid != 0)
        snprintf(out, size, "another client (pid %ld, %s) holds this monitor", (long)p.pid, name);
    else
        snprintf(out, size, "another client (of another user) holds this monitor");
    return true;
}

/* In clear, over a network. */
static bool may_want_tls(const qmp_client *c)
{
    return !c->tls && !c->link.carries_fds && c->link.status_fd < 0;
}

/* Why a server could be silent. */
static void explain_silence(const qmp_client *c, char *out, size_t size)
{
    struct process p;

    if (c->link.fd >= 0 && holder_server(c->link.fd, &p) && (p.state == 'T' || p.state == 't'))
        snprintf(out, size, "the server (pid %ld) is stopped, by a signal or a debugger", (long)p.pid);
    else
        snprintf(out, size, "the server is hung, or serves another client, or is no QMP server%s",
            may_want_tls(c) ? ", or wants TLS" : "");
}

/* Nobody has greeted: -EBUSY when it is certain that somebody else is served. */
static int no_greeting(qmp_client *c, const char *what, const char *within)
{
    char why[WHY_MAX];
    int error = -EBUSY;

    if (!explain_holder(c, why, sizeof(why))) {
        explain_silence(c, why, sizeof(why));
        error = -ETIMEDOUT;
    }
    return connection_fail(c, QMP_FAILURE_GREETING, error, what, c->address_text, within, why);
}

/* Before there was a stream to talk on. */
static int on_the_way(qmp_client *c, const char *within)
{
    struct sockaddr_un peer;
    char why[WHY_MAX];

    if (c->link.state == LINK_LISTENING)
        return connection_fail(c, QMP_FAILURE_CONNECT, -ETIMEDOUT,
            "nobody dialled %s within %s: is QEMU running, with -chardev socket,…,server=off and this address?",
            c->address_text, within);
    if (c->link.state == LINK_DIALLING && unix_peer(c, &peer) > 0)
        return no_greeting(c, "%s did not take the connection within %s, and others are waiting too: %s", within);
    link_explain_wait(&c->link, why, sizeof(why));
    return connection_fail(c, c->link.state == LINK_HANDSHAKING ? QMP_FAILURE_TLS : QMP_FAILURE_CONNECT, -ETIMEDOUT,
        "cannot connect to %s within %s: %s", c->address_text, within, why);
}

int explain_timeout(qmp_client *c)
{
    char within[32], why[WHY_MAX];

    duration_string(within, c->connect_timeout);
    if (c->link.state != LINK_UP)
        return on_the_way(c, within);
    if (c->session.state == SESSION_GREETING)
        return no_greeting(c, "connected to %s, but no greeting within %s: %s", within);
    if (c->session.state == SESSION_SYNCING)
        return connection_fail(c, QMP_FAILURE_AGENT, -ETIMEDOUT,
            "connected to %s, but the guest agent did not synchronise within %s: it does not run in the guest, hangs, "
            "serves another client, or is no guest agent",
            c->address_text, within);
    explain_silence(c, why, sizeof(why));
    return connection_fail(c, QMP_FAILURE_NEGOTIATION, -ETIMEDOUT,
        "%s greeted, but did not answer the negotiation within %s: %s", c->address_text, within, why);
}
