/* SPDX-License-Identifier: MIT */
/* Failures: the first one counts, the server's bytes are kept up to a bound and get into words escaped. */

#include "session/failure.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "util/util.h"
#include "json/value.h"

static void test_first_counts(void)
{
    struct failure f = {0};

    assert_int_equal(failure_set(&f, QMP_FAILURE_LIMIT, -ELOOP, "%s %u", "too deep:", 7u), -ELOOP);
    assert_int_equal(failure_set(&f, QMP_FAILURE_CLOSED, -ECONNRESET, "closed"), -ELOOP);
    assert_int_equal(failure_set_bytes(&f, QMP_FAILURE_SERVER_PARSE, -EPROTO, "x", 1, "parse"), -ELOOP);
    assert_int_equal(f.kind, QMP_FAILURE_LIMIT);
    assert_int_equal(f.error, -ELOOP);
    assert_string_equal(f.text, "too deep: 7");
    assert_null(f.bytes);
    assert_int_equal(f.n_bytes, 0);

    failure_done(&f);
    assert_int_equal(f.kind, QMP_FAILURE_NONE);
    assert_int_equal(f.error, 0);
    assert_null(f.text);
    assert_int_equal(failure_set_bytes(&f, QMP_FAILURE_SERVER_PARSE, -EPROTO, "{}", 2, "again"), -EPROTO);
    assert_string_equal(f.text, "again: {}");
    assert_int_equal(failure_set(&f, QMP_FAILURE_CLOSED, -ECONNRESET, "closed"), -EPROTO);
    assert_int_equal(f.n_bytes, 2);
    failure_done(&f);
    failure_done(&f);
}

/* A percent sign of the server's is no conversion. */
static void test_percent(void)
{
    struct failure f = {0};

    failure_set_bytes(&f, QMP_FAILURE_DESERIALIZATION, -EBADMSG, "%s%n%d", 6, "not JSON (%s)", "100%s");
    assert_string_equal(f.text, "not JSON (100%s): %s%n%d");
    failure_done(&f);
}

static void test_every_byte(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        struct failure f = {0};
        char bytes[3] = {'<', (char)byte, '>'};

        failure_set_bytes(&f, QMP_FAILURE_DESERIALIZATION, -EBADMSG, bytes, sizeof(bytes), "bytes");
        assert_non_null(f.text);
        assert_memory_equal(f.text, "bytes: <", 8);
        assert_int_equal(f.text[strlen(f.text) - 1], '>');
        for (const char *c = f.text; *c; c++)
            assert_in_range((unsigned char)*c, ' ', '~');
        assert_int_equal(f.n_bytes, 3);
        assert_memory_equal(f.bytes, bytes, 3);
        failure_done(&f);
    }
}

static void test_bounds(void)
{
    char *bytes = malloc(70000);

    assert_non_null(bytes);
    for (unsigned fill = 0; fill < 3; fill++) {
        memset(bytes, fill == 0 ? 'x' : fill == 1 ? '\x1b' : '\xff', 70000);
        for (size_t size = 1; size < 70000; size = size * 9 / 8 + 1) {
            struct failure f = {0};

            failure_set_bytes(&f, QMP_FAILURE_LIMIT, -EMSGSIZE, bytes, size, "large");
            assert_int_equal(f.n_bytes, MIN(size, FAILURE_BYTES_MAX));
            assert_memory_equal(f.bytes, bytes, f.n_bytes);
            assert_in_range(strlen(f.text), 8, 130);
            assert_true(json_utf8_valid(f.text, strlen(f.text), true));
            /* What was left out is marked. */
            if (size > 119)
                assert_string_equal(f.text + strlen(f.text) - 3, "…");
            failure_done(&f);
        }
    }
    free(bytes);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_first_counts),
    CHECK_TEST(test_percent),
    CHECK_TEST(test_every_byte),
    CHECK_TEST(test_bounds),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
