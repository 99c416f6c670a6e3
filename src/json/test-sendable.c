/* SPDX-License-Identifier: MIT */
/* What QEMU refuses though it is JSON: the same key twice, and too many tokens. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/validate.h"

static int check(const char *text, struct json_scan *scan)
{
    return json_validate_for_qemu(text, strlen(text), JSON_DEPTH_MAX, scan);
}

static void test_twice(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } twice[] = {
        {"{\"a\":1,\"a\":2}", 7},
        {" {\"a\":1, \"b\":2, \"\\u0061\":3}", 16},
        {"[{\"x\":1},{\"y\":{\"z\":1,\"z\":1}}]", 21},
        {"{\"\":1,\"\":1}", 6},
        {"{\"s\":\"{\\\"a\\\":1\",\"t\":{\"k\":0,\"l\":0,\"k\":0}}", 33},
    };
    struct json_scan scan;

    (void)state;
    for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        assert_int_equal(check(twice[i].text, &scan), -EINVAL);
        assert_int_equal(scan.flaw, JSON_DUPLICATE);
        assert_int_equal(scan.at, twice[i].at);
    }
}

static void test_once(void **state)
{
    static const char *const once[] = {
        "{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]},\"A\":1}",
        "[\"a\",\"a\",{\"a\":\"a\"}]",
        "{\"a\":\"\\\"a\\\":1,\\\"a\\\":2\"}",
        "{}",
        "\"{\\\"a\\\":1,\\\"a\\\":1}\"",
        "12",
    };
    struct json_scan scan;

    (void)state;
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        assert_int_equal(check(once[i], &scan), 0);
}

/* n different keys, then the last one again `again` places from the end; 0: never. */
static char *object_of(unsigned n, unsigned again)
{
    char *text = malloc(32 * (size_t)n + 64), *p = text;

    assert_non_null(text);
    *p++ = '{';
    for (unsigned i = 0; i < n; i++)
        p += sprintf(p, "%s\"key%u\":%u", i == 0 ? "" : ",", again > 0 && i == n - 1 ? n - 1 - again : i, i);
    memcpy(p, "}", 2);
    return text;
}

/* Few keys are compared in pairs, many are sorted: both sides of the border, and the second one is named. */
static void test_many_keys(void **state)
{
    (void)state;
    for (unsigned n = 2; n < 60; n++) {
        for (unsigned again = 0; again < n; again++) {
            char *text = object_of(n, again);
            struct json_scan scan;
            int r = check(text, &scan);

            assert_int_equal(r, again == 0 ? 0 : -EINVAL);
            if (again > 0)
                assert_ptr_equal(text + scan.at, strrchr(text, ',') + 1);
            free(text);
        }
    }
}

/* QEMU 7.2 counts 2 Mi tokens; commas are some. */
static void test_tokens(void **state)
{
    const size_t fits = ((size_t)1 << 20) - 100, n = (size_t)1 << 20;
    char *text = malloc(2 * n + 2);
    struct json_scan scan;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 2 * i, ",1", 2);
    text[0] = '[';
    memcpy(text + 2 * fits, "]", 2);
    assert_int_equal(check(text, &scan), 0);
    memcpy(text + 2 * fits, ",1", 2);
    memcpy(text + 2 * n, "]", 2);
    assert_int_equal(check(text, &scan), -EMSGSIZE);
    assert_int_equal(scan.flaw, JSON_TOKENS);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
