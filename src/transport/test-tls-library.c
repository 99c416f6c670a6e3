/* SPDX-License-Identifier: MIT */
/* GnuTLS at run time: not there before it is needed, missing, incomplete, loaded once.
 *
 * This program's dlopen() takes the place of the one in libc: it counts, and on request does not find GnuTLS. The tests
 * stand in the order in which they are possible, as nothing takes GnuTLS away again. */

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"

#include "transport/tls-library.h"
#include "util/util.h"

#define NOWHERE "libnowhere.so.30"
#define THREADS 8

static atomic_int n_opened;
static bool missing;

void *dlopen(const char *name, int flags)
{
    void *(*real)(const char *, int), *found = dlsym(RTLD_NEXT, "dlopen");

    memcpy(&real, &found, sizeof(real));
    n_opened++;
    return real(missing ? NOWHERE : name, flags);
}

static bool is_loaded(void)
{
    return dlopen(TLS_LIBRARY, RTLD_NOW | RTLD_NOLOAD) != NULL;
}

static void test_missing(void)
{
    char why[256] = "";

    assert_error(tls_library_load(NOWHERE, why, sizeof(why)), -EOPNOTSUPP);
    assert_contains(why, "TLS needs the library " NOWHERE);
    assert_contains(why, "cannot open"); /* the words of the loader */
    assert_null(sym_gnutls_init);
    assert_false(is_loaded());
}

/* A library, but not this one. */
static void test_incomplete(void)
{
    char why[256] = "";

    assert_error(tls_library_load("libc.so.6", why, sizeof(why)), -EOPNOTSUPP);
    assert_contains(why, "undefined symbol: gnutls_");
    assert_null(sym_gnutls_init);
    assert_false(is_loaded());
}

static void test_credentials_when_missing(void)
{
    qmp_tls *t = NULL;
    char *why = NULL;

    missing = true;
    assert_error(qmp_tls_new_x509(&t, "/", &why), -EOPNOTSUPP);
    assert_contains(why, "TLS needs the library libgnutls.so.30");
    assert_contains(why, NOWHERE);
    free(why);
    why = NULL;
    assert_error(qmp_tls_new_psk(&t, "/", NULL, &why), -EOPNOTSUPP);
    assert_contains(why, "TLS needs the library libgnutls.so.30");
    free(why);
    assert_error(qmp_tls_new_psk(&t, "/", NULL, NULL), -EOPNOTSUPP);
    assert_null(t);
    missing = false;
}

/* Returns NULL when it went as it should: credentials are looked for, and GnuTLS is there. */
static void *make_credentials(void *argument)
{
    qmp_tls *t = NULL;
    bool good = qmp_tls_new_x509(&t, "/", NULL) == -ENOENT && sym_gnutls_strerror(GNUTLS_E_SUCCESS) != NULL;

    return good ? NULL : argument;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    int before;

    assert_false(is_loaded());
    before = n_opened;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_credentials, threads), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(n_opened, before + 1);
    assert_true(is_loaded());
}

static void test_variables(void)
{
    char why[256] = "";
    void *p;

    assert_ok(tls_library_load(TLS_LIBRARY, why, sizeof(why)));
    assert_string_equal(why, "");
    p = (*sym_gnutls_malloc)(16);
    assert_non_null(p);
    (*sym_gnutls_free)(p);
}

/* What is loaded stays, whatever comes later. */
static void test_again(void)
{
    char why[256] = "";

    assert_ok(tls_library_load(TLS_LIBRARY, why, sizeof(why)));
    assert_ok(tls_library_load(NOWHERE, why, sizeof(why)));
    assert_string_equal(why, "");
    assert_non_null(sym_gnutls_init);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_missing),
        CHECK_TEST(test_incomplete),
        CHECK_TEST(test_credentials_when_missing),
        CHECK_TEST(test_threads),
        CHECK_TEST(test_variables),
        CHECK_TEST(test_again),
    };

    return check_main(argc, argv, tests, ELEMENTS(tests));
}
