/* SPDX-License-Identifier: MIT */
/* What TLS is in a build without GnuTLS: credentials cannot be made, and so nothing that would need them can be
 * reached. The functions are all there, that callers need not know how the library was built. */

#include "transport/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHY "this libqmpclient was built without TLS"

static int not_built_in(char **reterr_why)
{
    if (reterr_why)
        *reterr_why = strdup(WHY);
    return -EOPNOTSUPP;
}

int qmp_tls_new_x509(qmp_tls **ret, const char *folder, char **reterr_why)
{
    (void)ret;
    (void)folder;
    return not_built_in(reterr_why);
}

int qmp_tls_new_psk(qmp_tls **ret, const char *folder, const char *username, char **reterr_why)
{
    (void)ret;
    (void)folder;
    (void)username;
    return not_built_in(reterr_why);
}

int qmp_tls_set_verify_peer(qmp_tls *t, bool enable)
{
    (void)t;
    (void)enable;
    return -EOPNOTSUPP;
}

int qmp_tls_set_priority(qmp_tls *t, const char *priority)
{
    (void)t;
    (void)priority;
    return -EOPNOTSUPP;
}

qmp_tls *qmp_tls_ref(qmp_tls *t)
{
    return t;
}

qmp_tls *qmp_tls_unref(qmp_tls *t)
{
    (void)t;
    return NULL;
}

int tls_check(qmp_tls *credentials, bool is_server, const char *peer_name, char *why, size_t why_size)
{
    (void)credentials;
    (void)is_server;
    (void)peer_name;
    snprintf(why, why_size, WHY);
    return -EOPNOTSUPP;
}

int tls_new(
    struct tls **ret, qmp_tls *credentials, int fd, bool is_server, const char *peer_name, char *why, size_t why_size)
{
    (void)ret;
    (void)fd;
    return tls_check(credentials, is_server, peer_name, why, why_size);
}

void tls_free(struct tls *t)
{
    (void)t;
}

int tls_handshake(struct tls *t, char *why, size_t why_size)
{
    (void)t;
    snprintf(why, why_size, WHY);
    return -EOPNOTSUPP;
}

short tls_poll_events(const struct tls *t)
{
    (void)t;
    return 0;
}

ssize_t tls_receive(struct tls *t, void *data, size_t size)
{
    (void)t;
    (void)data;
    (void)size;
    return -EOPNOTSUPP;
}

bool tls_has_input(const struct tls *t)
{
    (void)t;
    return false;
}

ssize_t tls_send(struct tls *t, const struct iovec *iov, size_t n)
{
    (void)t;
    (void)iov;
    (void)n;
    return -EOPNOTSUPP;
}

bool tls_wants_output(const struct tls *t)
{
    (void)t;
    return false;
}

int tls_flush(struct tls *t)
{
    (void)t;
    return -EOPNOTSUPP;
}

void tls_bye(struct tls *t)
{
    (void)t;
}

const char *tls_words(const struct tls *t)
{
    (void)t;
    return WHY;
}
