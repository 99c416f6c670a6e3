/* SPDX-License-Identifier: MIT */
/* qmp_json(): every conversion, every way to write a string, and everything that must come to nothing. */

#include "json/test-json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sys/types.h>

#include <qmp/writer.h>

#include "util/util.h"
#include "json/validate.h"

/* Without the format attribute: for templates that a compiler would refuse. */
static char *(*const unchecked)(const char *format, ...) = qmp_json;

static void check(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(qmp_json_check(text, strlen(text), NULL, NULL), 0);
    free(text);
}

#define CHECK_REFUSED(...)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        assert_null(unchecked(__VA_ARGS__));                                                                           \
        assert_int_equal(errno, EINVAL);                                                                               \
    } while (0)

static void test_conversions(void **state)
{
    const char *volatile none = NULL;

    (void)state;
    check(qmp_json("{'job-id': %s, 'speed': %d}", "job1", 42), "{\"job-id\":\"job1\",\"speed\":42}");
    check(qmp_json("%s", "a\"b\\\n\x01é"), "\"a\\\"b\\\\\\n\\u0001é\"");
    check(qmp_json("%s", none), "null");
    check(qmp_json("[%d,%d,%d]", 0, INT32_MAX, INT32_MIN), "[0,2147483647,-2147483648]");
    check(qmp_json("%ld", -1L), "-1");
    check(qmp_json("%lld", (long long)INT64_MIN), "-9223372036854775808");
    check(qmp_json("%zd", (ssize_t)-7), "-7");
    check(qmp_json("%jd", INTMAX_MAX), "9223372036854775807");
    check(qmp_json("%u", UINT32_MAX), "4294967295");
    check(qmp_json("%lu", 8UL), "8");
    check(qmp_json("%llu", (unsigned long long)UINT64_MAX), "18446744073709551615");
    check(qmp_json("%zu", (size_t)9), "9");
    check(qmp_json("%ju", UINTMAX_MAX), "18446744073709551615");
    check(qmp_json("{'a': %" PRId64 ", 'b': %" PRIu64 "}", INT64_MIN, UINT64_MAX),
        "{\"a\":-9223372036854775808,\"b\":18446744073709551615}");
    check(qmp_json("[%i,%i,%i]", 0, 1, 5), "[false,true,true]");
    check(qmp_json("[%f, %f]", 0.1, -1e300), "[0.1,-1e+300]");
    check(qmp_json("%p", (const void *)" {\"a\": [1]} "), "{\"a\": [1]}");
    check(qmp_json("[%s,%d,%s,%f,%p,%i,%" PRIu64 ",%s]", "a", 1, "b", 2.5, (const void *)"null", 1, UINT64_MAX, "c"),
        "[\"a\",1,\"b\",2.5,null,true,18446744073709551615,\"c\"]");
}

static void test_templates(void **state)
{
    (void)state;
    check(qmp_json("{}"), "{}");
    check(qmp_json(" [ ] "), "[]");
    check(qmp_json("\r\n{\t}\n"), "{}");
    check(qmp_json("{'a':1}"), "{\"a\":1}");
    check(qmp_json("{\"a\" : [ true , false,null,-0,1.5e3,1E+2,18446744073709551615 ] }"),
        "{\"a\":[true,false,null,-0,1.5e3,1E+2,18446744073709551615]}");
    check(qmp_json("[[[]],{'a':{'b':{}}}]"), "[[[]],{\"a\":{\"b\":{}}}]");
    check(qmp_json("'x'"), "\"x\"");
    check(qmp_json("'say \"hi\"'"), "\"say \\\"hi\\\"\"");
    check(qmp_json("\"it's\""), "\"it's\"");
    check(qmp_json("'it\\'s'"), "\"it's\"");
    check(qmp_json("\"it\\'s \\\"\""), "\"it's \\\"\"");
    check(qmp_json("'\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00'"), "\"\\\"\\\\/\\b\\f\\n\\r\\té😀\"");
    check(qmp_json("['', \"\"]"), "[\"\",\"\"]");
    check(qmp_json("'100%%'"), "\"100%\"");
    check(qmp_json("{'%%': \"%%%%\"}"), "{\"%\":\"%%\"}");
    check(qmp_json("{'a\\u0000b': '\\u0000'}"), "{\"a\\u0000b\":\"\\u0000\"}");
    check(qmp_json("{'': 'é'}"), "{\"\":\"é\"}");
}

static void test_bad_templates(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "{1:2}",
        "{'a'}",
        "{'a':}",
        "{'a' 1}",
        "{'a':1",
        "{'a':1,",
        "{'a':1,}",
        "{,}",
        "{'a':1 'b':2}",
        "{a:1}",
        "{null:1}",
        "1 2",
        "{}{}",
        "{} x",
        "'",
        "\"",
        "'a",
        "'a\"",
        "\"a'",
        "'a\\",
        "'\\x'",
        "'\\u12'",
        "'\\ud800'",
        "'\n'",
        "'\x01'",
        "'\xff'",
        "'\\uffff'",
        "{'\xff':1}",
        "nul",
        "True",
        "nan",
        "inf",
        "Infinity",
        "+1",
        "01",
        "1.",
        ".5",
        "0x10",
        "1e400",
        "1e",
        "-",
        "--1",
        "a",
        "'a'b",
        "'a''b'",
        "//",
        "[1]]",
        "\xef\xbb\xbf{}",
        "'%'",
        "'%s'",
        "{'%s': 1}",
        "'\\%%'",
        "%",
        "%%",
        "[%%]",
        "\x01",
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        errno = 0;
        char *text = unchecked(bad[i]);
        if (text || errno != EINVAL)
            fail_msg("%s is taken for a template: %s", bad[i], text ? text : "another errno");
    }
}

static void test_bad_conversions(void **state)
{
    (void)state;
    CHECK_REFUSED("{%s: 1}", "a");
    CHECK_REFUSED("{'a': 1, %s: 2}", "b");
    CHECK_REFUSED("1%d", 2);
    CHECK_REFUSED("%d2", 1);
    CHECK_REFUSED("%d%d", 1, 2);
    CHECK_REFUSED("-%d", 1);
    CHECK_REFUSED("%s'a'", "b");
    CHECK_REFUSED("'a'%s", "b");
    CHECK_REFUSED("%c", 'a');
    CHECK_REFUSED("%x", 1);
    CHECK_REFUSED("%5d", 1);
    CHECK_REFUSED("%.2f", 1.0);
    CHECK_REFUSED("%-d", 1);
    CHECK_REFUSED("%hd", 1);
    CHECK_REFUSED("%hhu", 1);
    CHECK_REFUSED("%l", 1);
    CHECK_REFUSED("%ls", "a");
    CHECK_REFUSED("%Lf", 1.0L);
    CHECK_REFUSED("%e", 1.0);
    CHECK_REFUSED("%n", (int *)NULL);
    CHECK_REFUSED("% d", 1);
    CHECK_REFUSED("{'a': %d", 1);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    CHECK_REFUSED("%s", "\xff");
    CHECK_REFUSED("%s", "\xed\xa0\x80");
    CHECK_REFUSED("%s", "\xef\xbf\xbe");
    CHECK_REFUSED("%f", HUGE_VAL);
    CHECK_REFUSED("%f", (double)NAN);
    CHECK_REFUSED("%p", (const void *)NULL);
    CHECK_REFUSED("%p", (const void *)"");
    CHECK_REFUSED("%p", (const void *)"{");
    CHECK_REFUSED("%p", (const void *)"1 2");
    CHECK_REFUSED("[%p]", (const void *)"1],[2");
    CHECK_REFUSED("{'a':%p}", (const void *)"1,\"b\":2");
    CHECK_REFUSED("%p", (const void *)"1e400");
    CHECK_REFUSED("%p", (const void *)"\"\\uffff\"");
}

static void test_depth(void **state)
{
    char format[2 * JSON_DEPTH_MAX + 3];

    (void)state;
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(format, '[', depth);
        memset(format + depth, ']', depth);
        format[2 * depth] = '\0';
        if (depth <= JSON_DEPTH_MAX)
            check(unchecked(format), format);
        else
            CHECK_REFUSED(format);
    }
}

/* A template cut anywhere is refused, and nothing is read behind it. */
static void test_truncated(void **state)
{
    static const char format[] = "{\"a\\u00e9\": ['it\\'s', -1.5e+3, %d, {'%%': null}], 'b': %s}";

    (void)state;
    check(unchecked(guarded(0, format, sizeof(format)), 7, "x"),
        "{\"aé\":[\"it's\",-1.5e+3,7,{\"%\":null}],\"b\":\"x\"}");
    for (size_t size = 0; size < sizeof(format) - 1; size++) {
        char text[sizeof(format)];
        memcpy(text, format, size);
        text[size] = '\0';
        CHECK_REFUSED(guarded(0, text, size + 1), 7, "x");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_bad_templates),
        cmocka_unit_test(test_bad_conversions),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
