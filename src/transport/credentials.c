/* SPDX-License-Identifier: MIT */
/* Credentials: what one side of a TLS connection shows, and what it wants to see.
 *
 * The files of the folder are read once, and everything that can be known to be wrong is said then, in words that name
 * the file: a connection that is refused an hour later says much less. What is made here never changes afterwards, so
 * that any number of connections, on any threads, use the same structures of GnuTLS without a lock.
 *
 * A folder may serve both ends, and often only one of them is this process's business. A set of certificates that is
 * not there, or that belongs to somebody else and may not be read, is a flaw of that end alone; it comes out when a
 * connection needs it.
 *
 * It refuses to know connections, and the names that a peer must have. */

#include "transport/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "transport/tls-library.h"
#include "util/util.h"

#define PRIORITY "NORMAL"
/* Shared keys are off in every named set of GnuTLS. */
#define PRIORITY_PSK ":+ECDHE-PSK:+DHE-PSK:+PSK"
#define USER "qemu"

int credentials_fail(struct credentials_flaw *flaw, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(flaw->why, sizeof(flaw->why), format, arguments);
    va_end(arguments);
    return error;
}

int credentials_fail_gnutls(struct credentials_flaw *flaw, int gnutls_error, const char *what, const char *path)
{
    return credentials_fail(flaw, gnutls_error == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL, "%s %s: %s", path, what,
        sym_gnutls_strerror(gnutls_error));
}

/* ---- files ---- */

static int fail_to_read(struct credentials_flaw *flaw, int error, const char *path)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return credentials_fail(flaw, -ENOENT, "%s is not there", path);
    case EACCES:
    case EPERM:
        return credentials_fail(flaw, -EACCES, "%s may not be read by this user", path);
    default:
        return credentials_fail(flaw, -error, "%s cannot be read (errno %d)", path, error);
    }
}

/* Reads at most `size` bytes. Returns how many, or negative. */
static ssize_t read_all(int fd, unsigned char *data, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = read(fd, data + have, size - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int read_open_file(int fd, const char *path, gnutls_datum_t *ret, struct credentials_flaw *flaw)
{
    struct stat s;
    ssize_t n;

    if (fstat(fd, &s) < 0)
        return fail_to_read(flaw, errno, path);
    if (!S_ISREG(s.st_mode))
        return credentials_fail(flaw, -EINVAL, "%s is not a regular file", path);
    if (s.st_size > (off_t)CREDENTIALS_FILE_MAX)
        return credentials_fail(flaw, -EINVAL, "%s is larger than %zu bytes", path, CREDENTIALS_FILE_MAX);
    ret->data = (*sym_gnutls_malloc)((size_t)s.st_size + 1);
    if (!ret->data)
        return credentials_fail(flaw, -ENOMEM, "no memory to read %s", path);
    n = read_all(fd, ret->data, (size_t)s.st_size);
    ret->size = n < 0 ? (unsigned)s.st_size : (unsigned)n;
    if (n < 0) {
        credentials_wipe(ret);
        return fail_to_read(flaw, (int)-n, path);
    }
    ret->data[n] = '\0';
    return 0;
}

int credentials_read(const qmp_tls *t, const char *name, char path[CREDENTIALS_PATH_MAX], gnutls_datum_t *ret,
    struct credentials_flaw *flaw)
{
    int fd, r;

    if (snprintf(path, CREDENTIALS_PATH_MAX, "%s/%s", t->folder, name) >= (int)CREDENTIALS_PATH_MAX)
        return credentials_fail(flaw, -EINVAL, "the path of the folder is too long");
    /* Whatever it is, opening it must not block. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_to_read(flaw, errno, path);
    r = read_open_file(fd, path, ret, flaw);
    close(fd);
    return r;
}

void credentials_wipe(gnutls_datum_t *d)
{
    if (d->data)
        sym_gnutls_memset(d->data, 0, d->size);
    (*sym_gnutls_free)(d->data);
    *d = (gnutls_datum_t){NULL, 0};
}

void credentials_date(char out[CREDENTIALS_DATE_MAX], time_t date)
{
    struct tm parts;

    if (!gmtime_r(&date, &parts) || strftime(out, CREDENTIALS_DATE_MAX, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        snprintf(out, CREDENTIALS_DATE_MAX, "a date out of range");
}

/* ---- the object ---- */

static void free_key(struct credentials_key *k)
{
    if (k->key)
        sym_gnutls_memset(k->key, 0, k->size);
    free(k->key);
    free(k->user);
}

static void credentials_free(qmp_tls *t)
{
    for (size_t i = 0; i < CREDENTIALS_ENDS; i++) {
        if (t->sets[i].certificates)
            sym_gnutls_certificate_free_credentials(t->sets[i].certificates);
    }
    if (t->client)
        sym_gnutls_psk_free_client_credentials(t->client);
    if (t->server)
        sym_gnutls_psk_free_server_credentials(t->server);
    for (size_t i = 0; i < t->n_keys; i++)
        free_key(&t->keys[i]);
    if (t->priority)
        sym_gnutls_priority_deinit(t->priority);
    free(t->keys);
    free(t->user);
    free(t->folder);
    free(t);
}

qmp_tls *qmp_tls_ref(qmp_tls *t)
{
    refs_take(&t->refs);
    return t;
}

qmp_tls *qmp_tls_unref(qmp_tls *t)
{
    if (t && refs_drop(&t->refs))
        credentials_free(t);
    return NULL;
}

int qmp_tls_set_verify_peer(qmp_tls *t, bool enable)
{
    t->verify_peer = enable;
    return 0;
}

int qmp_tls_set_priority(qmp_tls *t, const char *priority)
{
    const char *more = t->type == GNUTLS_CRD_PSK ? PRIORITY_PSK : "";
    size_t size = strlen(priority) + strlen(more) + 1;
    CLEANUP(qmp_freep) char *text = malloc(size);
    gnutls_priority_t p;
    int r;

    if (!text)
        return -ENOMEM;
    snprintf(text, size, "%s%s", priority, more);
    r = sym_gnutls_priority_init(&p, text, NULL);
    if (r < 0)
        return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
    if (t->priority)
        sym_gnutls_priority_deinit(t->priority);
    t->priority = p;
    return 0;
}

static int check_folder(const char *folder, struct credentials_flaw *flaw)
{
    struct stat s;

    if (!folder || folder[0] == '\0')
        return credentials_fail(flaw, -EINVAL, "no folder of credentials was named");
    if (stat(folder, &s) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return credentials_fail(flaw, -ENOENT, "the folder %s is not there", folder);
        return fail_to_read(flaw, errno, folder);
    }
    if (!S_ISDIR(s.st_mode))
        return credentials_fail(flaw, -EINVAL, "%s is not a folder", folder);
    return 0;
}

static int credentials_allocate(qmp_tls **ret, gnutls_credentials_type_t type, struct credentials_flaw *flaw)
{
    qmp_tls *t = calloc(1, sizeof(*t));

    if (!t)
        return credentials_fail(flaw, -ENOMEM, "no memory for the credentials");
    t->refs = 1;
    t->type = type;
    t->verify_peer = true;
    *ret = t;
    return 0;
}

static int credentials_init(qmp_tls *t, const char *folder, const char *user, struct credentials_flaw *flaw)
{
    int r = check_folder(folder, flaw);

    if (r < 0)
        return r;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): both callers have checked it */
    t->folder = strdup(folder);
    t->user = user ? strdup(user) : NULL;
    if (!t->folder || (user && !t->user))
        return credentials_fail(flaw, -ENOMEM, "no memory for the credentials");
    r = qmp_tls_set_priority(t, PRIORITY);
    if (r < 0)
        return credentials_fail(flaw, r, "GnuTLS does not take the priority " PRIORITY);
    return t->type == GNUTLS_CRD_PSK ? credentials_load_psk(t, flaw) : credentials_load_x509(t, flaw);
}

static int credentials_new(
    qmp_tls **ret, gnutls_credentials_type_t type, const char *folder, const char *user, char **reterr_why)
{
    CLEANUP(qmp_tls_unrefp) qmp_tls *t = NULL;
    struct credentials_flaw flaw;
    int r = tls_library_load(TLS_LIBRARY, flaw.why, sizeof(flaw.why));

    if (r == 0)
        r = credentials_allocate(&t, type, &flaw);
    if (r == 0)
        r = credentials_init(t, folder, user, &flaw);
    if (r < 0) {
        if (reterr_why)
            *reterr_why = strdup(flaw.why);
        return r;
    }
    *ret = TAKE(t);
    return 0;
}

int qmp_tls_new_x509(qmp_tls **ret, const char *folder, char **reterr_why)
{
    return credentials_new(ret, GNUTLS_CRD_CERTIFICATE, folder, NULL, reterr_why);
}

int qmp_tls_new_psk(qmp_tls **ret, const char *folder, const char *username, char **reterr_why)
{
    return credentials_new(ret, GNUTLS_CRD_PSK, folder, username ? username : USER, reterr_why);
}
