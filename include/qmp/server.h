/* SPDX-License-Identifier: MIT */
#ifndef QMP_SERVER_H
#define QMP_SERVER_H

/* A listening address that a whole fleet of QEMUs dials (`-chardev socket,…,server=off,reconnect=1`): each connection
 * that is accepted becomes the connection of a client of its own.
 *
 * One thread at a time uses a server. In an event loop: poll qmp_server_get_fd() for POLLIN, then call
 * qmp_server_accept() with timeout 0 until it says -EAGAIN. */

#include <qmp/client.h>
#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Listens on an address: see qmp_client_listen_on(), for the rules about socket files too.
 *
 * Returns: 0 and the server, the caller's. On failure, in `*reterr_why` (may be NULL) what is wrong, the caller's to
 * free(), and the errors of qmp_client_listen_on().
 * Blocks: never.
 * From: AsyncProtocol.start_server(). */
QMP_API int qmp_server_new(qmp_server **ret, const char *address, char **reterr_why);

/* Takes the next connection, and starts `c` on it, which must be IDLE: `c` is CONNECTING afterwards, and goes on as
 * after qmp_client_connect(), with the settings and listeners that it has. When this fails, `c` is IDLE still, and
 * qmp_client_failure() explains -EINVAL.
 *
 * Returns: 0; -EAGAIN when nobody has dialled (`timeout` 0); -ETIMEDOUT; -EINTR; -EMFILE, -ENFILE when the connection
 * cannot be taken (it stays in the queue); -EINVAL when the client's TLS credentials do not do for a server, and
 * -ENOMEM (the connection is closed); -EALREADY, -EISCONN, -ECHILD as qmp_client_connect().
 * Blocks: up to `timeout` µs.
 * From: AsyncProtocol.accept(). */
QMP_API int qmp_server_accept(qmp_server *s, uint64_t timeout, qmp_client *c);

/* The descriptor to poll for POLLIN: somebody has dialled. It is the server's.
 *
 * Returns: the descriptor.
 * Blocks: never.
 * From: sd_bus_get_fd(3). */
QMP_API int qmp_server_get_fd(qmp_server *s);

/* The address that it listens on, with the port that the system chose for port 0.
 *
 * Returns: a string borrowed from the server.
 * Blocks: never.
 * From: getsockname(2); in the reference the bound port cannot be learnt. */
QMP_API const char *qmp_server_get_address(qmp_server *s);

/* Stops listening, removes its socket file if it still is its own, and frees. Clients that were accepted live on.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: asyncio.Server.close(). */
QMP_API qmp_server *qmp_server_free(qmp_server *s);

static inline void qmp_server_freep(qmp_server **s)
{
    qmp_server_free(*s);
}

#ifdef __cplusplus
}
#endif

#endif
