/* SPDX-License-Identifier: MIT */
/* keys.psk: lines of USER:HEX-KEY.
 *
 * GnuTLS would read the file again for each handshake of a server; here it is read once, as everything else of the
 * folder, and a line that is wrong is said with its number. Empty lines and lines that begin with # mean nothing; white
 * space at the end of a line, which editors and other systems leave, does not belong to the key.
 *
 * A server answers a user that it does not know as it answers a wrong key, so that nobody can try out names. */

#include "transport/credentials.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "transport/tls-library.h"
#include "util/util.h"

/* What GnuTLS takes. */
#define USER_MAX ((size_t)65535)
#define KEY_MAX ((size_t)512)
#define KEYS_MAX ((size_t)65536)

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

    return at ? (int)(at - digits) : -1;
}

/* Returns what is wrong with the key, or NULL. */
static const char *parse_key(struct credentials_key *k, const char *text, size_t size)
{
    if (size == 0)
        return "the key is empty";
    if (size % 2 != 0)
        return "the key has an odd number of hexadecimal digits";
    if (size / 2 > KEY_MAX)
        return "the key is too long";
    k->size = size / 2;
    k->key = calloc(1, k->size);
    for (size_t i = 0; k->key && i < k->size; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return "the key is not hexadecimal";
        k->key[i] = (unsigned char)(high << 4 | low);
    }
    return NULL;
}

static const char *parse_line(struct credentials_key *k, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);

    if (!colon)
        return "there is no colon between a user and a key";
    k->user_size = (size_t)(colon - line);
    if (k->user_size == 0)
        return "the user is empty";
    if (k->user_size > USER_MAX)
        return "the user is too long";
    k->user = strndup(line, k->user_size);
    return parse_key(k, colon + 1, size - k->user_size - 1);
}

static int grow_keys(qmp_tls *t)
{
    struct credentials_key *keys;

    /* Doubled at each power of two. */
    if (t->n_keys & (t->n_keys - 1))
        return 0;
    keys = realloc(t->keys, (t->n_keys == 0 ? 1 : 2 * t->n_keys) * sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    t->keys = keys;
    return 0;
}

static int add_line(
    qmp_tls *t, const char *line, size_t size, size_t number, const char *path, struct credentials_flaw *flaw)
{
    struct credentials_key *k;
    const char *wrong;

    while (size > 0 && isspace((unsigned char)line[size - 1]))
        size--;
    if (size == 0 || line[0] == '#')
        return 0;
    if (t->n_keys == KEYS_MAX)
        return credentials_fail(flaw, -EINVAL, "%s has more than %zu keys", path, KEYS_MAX);
    if (grow_keys(t) < 0)
        return credentials_fail(flaw, -ENOMEM, "no memory for the keys of %s", path);
    k = &t->keys[t->n_keys++];
    *k = (struct credentials_key){0};
    wrong = parse_line(k, line, size);
    if (wrong)
        return credentials_fail(flaw, -EINVAL, "%s, line %zu: %s", path, number, wrong);
    if (!k->user || !k->key)
        return credentials_fail(flaw, -ENOMEM, "no memory for the keys of %s", path);
    return 0;
}

static int parse_file(qmp_tls *t, const gnutls_datum_t *file, const char *path, struct credentials_flaw *flaw)
{
    const char *p = (const char *)file->data, *end = p + file->size;
    int r = 0;

    for (size_t number = 1; p < end && r == 0; number++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;

        r = add_line(t, p, (size_t)(stop - p), number, path, flaw);
        p = stop + 1;
    }
    return r;
}

static const struct credentials_key *find_key(const qmp_tls *t, const char *user, size_t size)
{
    for (size_t i = 0; i < t->n_keys; i++) {
        if (t->keys[i].user_size == size && memcmp(t->keys[i].user, user, size) == 0)
            return &t->keys[i];
    }
    return NULL;
}

/* Called by GnuTLS in a server's handshake: 0 and the key; 1 for nobody, who then fails as with a wrong key. */
static int answer_guest(gnutls_session_t session, const gnutls_datum_t *user, gnutls_datum_t *ret)
{
    struct credentials_guest *guest = sym_gnutls_session_get_ptr(session);
    const struct credentials_key *k = find_key(guest->credentials, (const char *)user->data, user->size);

    guest->unknown = !k;
    if (!k)
        return 1;
    ret->data = (*sym_gnutls_malloc)(k->size);
    if (!ret->data)
        return -1;
    memcpy(ret->data, k->key, k->size);
    ret->size = (unsigned)k->size;
    return 0;
}

static int make_credentials(qmp_tls *t, const struct credentials_key *own)
{
    const gnutls_datum_t key = {own->key, (unsigned)own->size};
    int r = sym_gnutls_psk_allocate_client_credentials(&t->client);

    if (r == 0)
        r = sym_gnutls_psk_set_client_credentials(t->client, t->user, &key, GNUTLS_PSK_KEY_RAW);
    if (r == 0)
        r = sym_gnutls_psk_allocate_server_credentials(&t->server);
    if (r == 0)
        r = sym_gnutls_psk_set_server_known_dh_params(t->server, GNUTLS_SEC_PARAM_MEDIUM);
    if (r == 0)
        sym_gnutls_psk_set_server_credentials_function2(t->server, answer_guest);
    return r;
}

int credentials_load_psk(qmp_tls *t, struct credentials_flaw *flaw)
{
    char path[CREDENTIALS_PATH_MAX];
    const struct credentials_key *own;
    gnutls_datum_t file;
    int r = credentials_read(t, CREDENTIALS_KEYS, path, &file, flaw);

    if (r < 0)
        return r;
    r = parse_file(t, &file, path, flaw);
    credentials_wipe(&file);
    if (r < 0)
        return r;
    if (t->n_keys == 0)
        return credentials_fail(flaw, -EINVAL, "%s has no line with a key", path);
    own = find_key(t, t->user, strlen(t->user));
    if (!own)
        return credentials_fail(flaw, -EINVAL, "%s has no key for the user \"%s\"", path, t->user);
    r = make_credentials(t, own);
    return r < 0 ? credentials_fail_gnutls(flaw, r, "has a key that GnuTLS does not take", path) : 0;
}
