/* SPDX-License-Identifier: MIT */
/* A build without GnuTLS: whoever wants TLS is told, and whoever does not is none the worse. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/tls.h"

static void test_credentials(void **state)
{
    char *why = NULL;
    qmp_tls *t = NULL;

    (void)state;
    assert_int_equal(qmp_tls_new_x509(&t, "/", &why), -EOPNOTSUPP);
    assert_string_equal(why, "this libqmpclient was built without TLS");
    free(why);
    assert_int_equal(qmp_tls_new_psk(&t, "/", NULL, NULL), -EOPNOTSUPP);
    assert_null(t);
    assert_null(qmp_tls_ref(NULL));
    assert_null(qmp_tls_unref(NULL));
    assert_int_equal(qmp_tls_set_verify_peer(NULL, false), -EOPNOTSUPP);
    assert_int_equal(qmp_tls_set_priority(NULL, "NORMAL"), -EOPNOTSUPP);
}

static void test_stream(void **state)
{
    struct tls *t = NULL;
    char why[80] = "";

    (void)state;
    assert_int_equal(tls_new(&t, NULL, -1, false, "localhost", why, sizeof(why)), -EOPNOTSUPP);
    assert_string_equal(why, "this libqmpclient was built without TLS");
    assert_null(t);
    assert_false(tls_wants_output(NULL));
    assert_false(tls_has_input(NULL));
    tls_bye(NULL);
    tls_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_credentials), cmocka_unit_test(test_stream)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
