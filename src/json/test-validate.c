/* SPDX-License-Identifier: MIT */
/* The validator, against RFC 8259: what is JSON, what is not and where it stops being it, the bounds, the members
 * located in passing; and qmp_json_check(), which puts a flaw into words. Every text ends where memory ends. */

#include "json/test-json.h"

#include <errno.h>
#include <stdlib.h>

#include "util/util.h"
#include "json/validate.h"

struct text {
    const char *text;
    size_t size;
};

struct flawed {
    struct text text;
    enum json_flaw flaw;
    size_t at;
};

#define T(literal)                                                                                                     \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static int flaw_errno(enum json_flaw flaw, unsigned flags)
{
    switch (flaw) {
    case JSON_SURROGATE:
        return flags & JSON_FOR_QEMU ? -EINVAL : -EBADMSG;
    case JSON_FINE:
        return 0;
    case JSON_DEPTH:
        return -ELOOP;
    case JSON_NONCHARACTER:
    case JSON_RANGE:
    case JSON_ZERO:
        return -EINVAL;
    default:
        return -EBADMSG;
    }
}

static struct json_scan scan_text(struct text t, unsigned flags)
{
    struct json_scan scan;
    int r;

    memset(&scan, 0x55, sizeof(scan));
    r = json_validate(guarded(0, t.text, t.size), t.size, JSON_DEPTH_MAX, flags, &scan);
    assert_int_equal(r, flaw_errno(scan.flaw, flags));
    return scan;
}

static void check_fine(struct text t, unsigned flags)
{
    struct json_scan scan = scan_text(t, flags);

    if (scan.flaw != JSON_FINE)
        fail_msg("%s is refused: %s at byte %zu", t.text, json_flaw_string(scan.flaw), scan.at);
}

static void check_flaw(const struct flawed *f, unsigned flags)
{
    struct json_scan scan = scan_text(f->text, flags);

    if (scan.flaw != f->flaw || scan.at != f->at)
        fail_msg("%s: expected %s at byte %zu, found %s at byte %zu", f->text.text, json_flaw_string(f->flaw), f->at,
            json_flaw_string(scan.flaw), scan.at);
}

/* Fine everywhere, for QEMU too. */
static const struct text fine[] = {
    T("null"),
    T("true"),
    T("false"),
    T("0"),
    T("-0"),
    T("1"),
    T("-1"),
    T("10"),
    T("123456789"),
    T("0.5"),
    T("-0.5"),
    T("0.0"),
    T("1.25"),
    T("1e3"),
    T("1E3"),
    T("1e+3"),
    T("1e-3"),
    T("0.0e0"),
    T("0.0E+00"),
    T("1.5e007"),
    T("-1.5E-300"),
    T("18446744073709551615"),
    T("18446744073709551616"),
    T("-9223372036854775808"),
    T("-9223372036854775809"),
    T("100000000000000000000000000000000000000000"),
    T("1e308"),
    T("1e-400"),
    T("0.0e999999"),
    T("0.00000000000000000000000000000000000000000000000001"),
    T("\"\""),
    T("\"a\""),
    T("\" \""),
    T("\"/\""),
    T("\"'\""),
    T("\"\\\"\""),
    T("\"\\\\\""),
    T("\"\\/\""),
    T("\"\\b\\f\\n\\r\\t\""),
    T("\"\\u0000\""),
    T("\"\\u001f\""),
    T("\"\\u00e9\\u00E9\""),
    T("\"\\uABCD\\uabcd\\uAbCd\""),
    T("\"\\ud7ff\\ue000\""),
    T("\"\\ud800\\udc00\""),
    T("\"\\uD83D\\uDE00\""),
    T("\"\\udbff\\udffd\""),
    T("\"\x7f\""),
    T("\"\xc2\x80\xdf\xbf\""),
    T("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd\""),
    T("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbd\""),
    T("\"é😀\""),
    T("\"[{,:}]\""),
    T("[]"),
    T("[ ]"),
    T("[1]"),
    T("[ 1 ]"),
    T("[1,2]"),
    T("[ 1 , 2 ]"),
    T("[[]]"),
    T("[[],[[]]]"),
    T("[null,true,false,0,\"\",[],{}]"),
    T("{}"),
    T("{ }"),
    T("{\"a\":1}"),
    T("{ \"a\" : 1 }"),
    T("{\"a\":1,\"b\":2}"),
    T("{\"\":{}}"),
    T("{\"a\":{\"a\":[{\"a\":{}}]}}"),
    T("{\"a\":1,\"a\":2}"),
    T(" \t\r\n1 \t\r\n"),
    T("\r\n{\r\n    \"a\":\r\n [\r\n 1 ,\t2 ]\r\n}\r\n"),
    T("[-1,-0.1,-1e1]"),
    T("[1e1,2E2]"),
};

static void test_fine(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(fine); i++) {
        check_fine(fine[i], 0);
        check_fine(fine[i], JSON_FOR_QEMU);
    }
}

/* Refused everywhere. */
static const struct flawed bad[] = {
    /* Nothing there. */
    {T(""), JSON_EMPTY, 0},
    {T(" \r\n\t"), JSON_EMPTY, 4},
    /* Structure. */
    {T("]"), JSON_SYNTAX, 0},
    {T("}"), JSON_SYNTAX, 0},
    {T(","), JSON_SYNTAX, 0},
    {T(":"), JSON_SYNTAX, 0},
    {T(" ,"), JSON_SYNTAX, 1},
    {T("[}"), JSON_SYNTAX, 1},
    {T("{]"), JSON_SYNTAX, 1},
    {T("[1}"), JSON_SYNTAX, 2},
    {T("{\"a\":1]"), JSON_SYNTAX, 6},
    {T("[,]"), JSON_SYNTAX, 1},
    {T("[1,]"), JSON_SYNTAX, 3},
    {T("[,1]"), JSON_SYNTAX, 1},
    {T("[1,,2]"), JSON_SYNTAX, 3},
    {T("[1 2]"), JSON_SYNTAX, 3},
    {T("[1:2]"), JSON_SYNTAX, 2},
    {T("[\"a\" \"b\"]"), JSON_SYNTAX, 5},
    {T("[\"a\":1]"), JSON_SYNTAX, 4},
    {T("[[]1]"), JSON_SYNTAX, 3},
    {T("{,}"), JSON_SYNTAX, 1},
    {T("{1:2}"), JSON_SYNTAX, 1},
    {T("{a:1}"), JSON_SYNTAX, 1},
    {T("{'a':1}"), JSON_SYNTAX, 1},
    {T("{null:1}"), JSON_SYNTAX, 1},
    {T("{[]:1}"), JSON_SYNTAX, 1},
    {T("{\"a\"}"), JSON_SYNTAX, 4},
    {T("{\"a\" 1}"), JSON_SYNTAX, 5},
    {T("{\"a\",1}"), JSON_SYNTAX, 4},
    {T("{\"a\"::1}"), JSON_SYNTAX, 5},
    {T("{\"a\":}"), JSON_SYNTAX, 5},
    {T("{\"a\":,}"), JSON_SYNTAX, 5},
    {T("{\"a\":1,}"), JSON_SYNTAX, 7},
    {T("{\"a\":1 \"b\":2}"), JSON_SYNTAX, 7},
    {T("{\"a\":1;\"b\":2}"), JSON_SYNTAX, 6},
    {T("{\"a\":1,,\"b\":2}"), JSON_SYNTAX, 7},
    {T("{\"a\":1:2}"), JSON_SYNTAX, 6},
    /* Literals. */
    {T("nul"), JSON_TRUNCATED, 3},
    {T("nil"), JSON_SYNTAX, 0},
    {T("[tru]"), JSON_SYNTAX, 1},
    {T("True"), JSON_SYNTAX, 0},
    {T("TRUE"), JSON_SYNTAX, 0},
    {T("falsy"), JSON_SYNTAX, 0},
    {T("nan"), JSON_SYNTAX, 0},
    {T("NaN"), JSON_SYNTAX, 0},
    {T("inf"), JSON_SYNTAX, 0},
    {T("{\"id\": inf}"), JSON_SYNTAX, 7},
    {T("Infinity"), JSON_SYNTAX, 0},
    {T("undefined"), JSON_SYNTAX, 0},
    {T("'a'"), JSON_SYNTAX, 0},
    {T("a"), JSON_SYNTAX, 0},
    {T("*"), JSON_SYNTAX, 0},
    {T("%s"), JSON_SYNTAX, 0},
    {T("/* a */ 1"), JSON_SYNTAX, 0},
    {T("[1 // a\n]"), JSON_SYNTAX, 3},
    {T("# a\n1"), JSON_SYNTAX, 0},
    /* Bytes that are no white space. */
    {T("\0"), JSON_SYNTAX, 0},
    {T("\f1"), JSON_SYNTAX, 0},
    {T("\v1"), JSON_SYNTAX, 0},
    {T("[\0]"), JSON_SYNTAX, 1},
    {T("[1\0]"), JSON_SYNTAX, 2},
    {T("\xef\xbb\xbf{}"), JSON_SYNTAX, 0},
    {T("\xff{}"), JSON_SYNTAX, 0},
    {T("\xc2\xa0"
       "1"),
        JSON_SYNTAX, 0},
    {T("\xe2\x81\xa0"), JSON_SYNTAX, 0},
    {T("[\x1b[0m]"), JSON_SYNTAX, 1},
    /* Something behind the value. */
    {T("1 2"), JSON_TRAILING, 2},
    {T("{}{}"), JSON_TRAILING, 2},
    {T("[] ]"), JSON_TRAILING, 3},
    {T("{}}"), JSON_TRAILING, 2},
    {T("null,"), JSON_TRAILING, 4},
    {T("truex"), JSON_TRAILING, 4},
    {T("\"a\"b"), JSON_TRAILING, 3},
    {T("\"\"\"\""), JSON_TRAILING, 2},
    {T("1 \0"), JSON_TRAILING, 2},
    {T("{}\0"), JSON_TRAILING, 2},
    {T("{} // a"), JSON_TRAILING, 3},
    {T("1x"), JSON_TRAILING, 1},
    {T("1,5"), JSON_TRAILING, 1},
    {T("0x10"), JSON_TRAILING, 1},
    {T("0b1"), JSON_TRAILING, 1},
    {T("1_000"), JSON_TRAILING, 1},
    {T("1.5.5"), JSON_TRAILING, 3},
    {T("1e5.5"), JSON_TRAILING, 3},
    {T("1e5e5"), JSON_TRAILING, 3},
    {T("1-2"), JSON_TRAILING, 1},
    {T("1+2"), JSON_TRAILING, 1},
    /* Numbers. */
    {T("-"), JSON_TRUNCATED, 1},
    {T("[-]"), JSON_NUMBER, 2},
    {T("-a"), JSON_NUMBER, 1},
    {T("--1"), JSON_NUMBER, 1},
    {T("-.5"), JSON_NUMBER, 1},
    {T("- 1"), JSON_NUMBER, 1},
    {T("-Infinity"), JSON_NUMBER, 1},
    {T("+1"), JSON_SYNTAX, 0},
    {T(".5"), JSON_SYNTAX, 0},
    {T("01"), JSON_NUMBER, 1},
    {T("00"), JSON_NUMBER, 1},
    {T("-01"), JSON_NUMBER, 2},
    {T("012.5"), JSON_NUMBER, 1},
    {T("1."), JSON_TRUNCATED, 2},
    {T("[1.]"), JSON_NUMBER, 3},
    {T("1.e5"), JSON_NUMBER, 2},
    {T("1.-5"), JSON_NUMBER, 2},
    {T("1..5"), JSON_NUMBER, 2},
    {T("1e"), JSON_TRUNCATED, 2},
    {T("1e+"), JSON_TRUNCATED, 3},
    {T("[1e]"), JSON_NUMBER, 3},
    {T("[1e+]"), JSON_NUMBER, 4},
    {T("[1e-,2]"), JSON_NUMBER, 4},
    {T("1e+-1"), JSON_NUMBER, 3},
    {T("1ee1"), JSON_NUMBER, 2},
    {T("1e.5"), JSON_NUMBER, 2},
    {T("\xef\xbc\x91"), JSON_SYNTAX, 0},
    /* Strings. */
    {T("\""), JSON_TRUNCATED, 1},
    {T("\"a"), JSON_TRUNCATED, 2},
    {T("\"\\"), JSON_TRUNCATED, 2},
    {T("\"\\\""), JSON_TRUNCATED, 3},
    {T("\"\\u"), JSON_TRUNCATED, 3},
    {T("\"\\u00e"), JSON_TRUNCATED, 6},
    {T("\"\\ud800"), JSON_TRUNCATED, 7},
    {T("\"\\ud800\\"), JSON_TRUNCATED, 8},
    {T("\"\\ud800\\u"), JSON_TRUNCATED, 9},
    {T("\"\\ud800\\udc0"), JSON_TRUNCATED, 12},
    {T("\"\0\""), JSON_STRING, 1},
    {T("\"a\nb\""), JSON_STRING, 2},
    {T("\"\t\""), JSON_STRING, 1},
    {T("\"\x1f\""), JSON_STRING, 1},
    {T("{\"a\n\":1}"), JSON_STRING, 3},
    {T("\"\\a\""), JSON_ESCAPE, 1},
    {T("\"\\'\""), JSON_ESCAPE, 1},
    {T("\"\\0\""), JSON_ESCAPE, 1},
    {T("\"\\x41\""), JSON_ESCAPE, 1},
    {T("\"\\U0041\""), JSON_ESCAPE, 1},
    {T("\"\\N\""), JSON_ESCAPE, 1},
    {T("\"\\ \""), JSON_ESCAPE, 1},
    {T("\"\\\n\""), JSON_ESCAPE, 1},
    {T("\"\\\0\""), JSON_ESCAPE, 1},
    {T("\"\\é\""), JSON_ESCAPE, 1},
    {T("\"ab\\u\""), JSON_ESCAPE, 3},
    {T("\"\\u00\""), JSON_ESCAPE, 1},
    {T("\"\\u00g0\""), JSON_ESCAPE, 1},
    {T("\"\\u00/0\""), JSON_ESCAPE, 1},
    {T("\"\\u00:0\""), JSON_ESCAPE, 1},
    {T("\"\\u00@0\""), JSON_ESCAPE, 1},
    {T("\"\\u00`0\""), JSON_ESCAPE, 1},
    {T("\"\\u-123\""), JSON_ESCAPE, 1},
    {T("\"\\u 123\""), JSON_ESCAPE, 1},
    {T("\"\\ud800\\u12zz\""), JSON_ESCAPE, 7},
    /* Surrogates. */
    {T("\"\\ud800\""), JSON_SURROGATE, 1},
    {T("\"\\udbff\""), JSON_SURROGATE, 1},
    {T("\"\\udc00\""), JSON_SURROGATE, 1},
    {T("\"\\udfff\""), JSON_SURROGATE, 1},
    {T("\"ab\\uD800 \""), JSON_SURROGATE, 3},
    {T("\"\\ud800x\""), JSON_SURROGATE, 1},
    {T("\"\\ud800\\n\""), JSON_SURROGATE, 1},
    {T("\"\\ud800\\u0041\""), JSON_SURROGATE, 1},
    {T("\"\\ud800\\ud800\""), JSON_SURROGATE, 1},
    {T("\"\\ud800\\udbff\""), JSON_SURROGATE, 1},
    {T("\"\\ud800\\ue000\""), JSON_SURROGATE, 1},
    {T("\"\\udc00\\ud800\""), JSON_SURROGATE, 1},
    {T("{\"\\ud800\":1}"), JSON_SURROGATE, 2},
    /* UTF-8: stray, overlong, surrogates, too high, cut off. */
    {T("\"\x80\""), JSON_UTF8, 1},
    {T("\"\xbf\""), JSON_UTF8, 1},
    {T("\"abc\xff\""), JSON_UTF8, 4},
    {T("\"\xfe\""), JSON_UTF8, 1},
    {T("\"\xc0\x80\""), JSON_UTF8, 1},
    {T("\"\xc1\xbf\""), JSON_UTF8, 1},
    {T("\"\xe0\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xe0\x9f\xbf\""), JSON_UTF8, 1},
    {T("\"\xf0\x80\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xf0\x8f\xbf\xbf\""), JSON_UTF8, 1},
    {T("\"\xed\xa0\x80\""), JSON_UTF8, 1},
    {T("\"\xed\xbf\xbf\""), JSON_UTF8, 1},
    {T("\"\xed\xa0\x80\xed\xb0\x80\""), JSON_UTF8, 1},
    {T("\"\xf4\x90\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xf5\x80\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xf8\x88\x80\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xfc\x84\x80\x80\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xc2\""), JSON_UTF8, 1},
    {T("\"\xc2\xc2\x80\""), JSON_UTF8, 1},
    {T("\"\xe1\x80\""), JSON_UTF8, 1},
    {T("\"\xe1\x80"
       "a\""),
        JSON_UTF8, 1},
    {T("\"\xe1\xff\x80\""), JSON_UTF8, 1},
    {T("\"\xf1\x80\x80\""), JSON_UTF8, 1},
    {T("\"\xf1\x80\x80\xc0\""), JSON_UTF8, 1},
    {T("\"é\xe9\""), JSON_UTF8, 3},
    {T("{\"\xff\":1}"), JSON_UTF8, 2},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        check_flaw(&bad[i], 0);
        check_flaw(&bad[i], JSON_FOR_QEMU);
    }
}

/* JSON, but not for QEMU. */
static const struct flawed refused[] = {
    {T("\"\\ufffe\""), JSON_NONCHARACTER, 1},
    {T("\"ab\\uFFFF\""), JSON_NONCHARACTER, 3},
    {T("\"\\ufdd0\""), JSON_NONCHARACTER, 1},
    {T("\"\\ufdef\""), JSON_NONCHARACTER, 1},
    {T("\"\\ud83f\\udffe\""), JSON_NONCHARACTER, 1},
    {T("\"\\udbff\\udfff\""), JSON_NONCHARACTER, 1},
    {T("\"\xef\xbf\xbe\""), JSON_NONCHARACTER, 1},
    {T("\"\xef\xbf\xbf\""), JSON_NONCHARACTER, 1},
    {T("\"a\xef\xb7\x90\""), JSON_NONCHARACTER, 2},
    {T("\"\xef\xb7\xaf\""), JSON_NONCHARACTER, 1},
    {T("\"\xf0\x9f\xbf\xbe\""), JSON_NONCHARACTER, 1},
    {T("\"\xf4\x8f\xbf\xbf\""), JSON_NONCHARACTER, 1},
    {T("{\"\xef\xbf\xbf\":1}"), JSON_NONCHARACTER, 2},
    {T("1e400"), JSON_RANGE, 0},
    {T("[1, -1e309]"), JSON_RANGE, 4},
    {T("1.7976931348623159e308"), JSON_RANGE, 0},
    {T("1e99999999999999999999"), JSON_RANGE, 0},
    {T("0e0"), JSON_ZERO, 0},
    {T("0E+00"), JSON_ZERO, 0},
    {T("0e999999"), JSON_ZERO, 0},
    {T("[1, -0E+400]"), JSON_ZERO, 4},
};

static void test_for_qemu(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(refused); i++) {
        check_fine(refused[i].text, 0);
        check_flaw(&refused[i], JSON_FOR_QEMU);
    }
    check_fine((struct text)T("\"\\ufdcf\\ufdf0\\ufffd\xef\xb7\x8f\xef\xb7\xb0\xef\xbf\xbd\""), JSON_FOR_QEMU);
    check_fine((struct text)T("1.7976931348623157e308"), JSON_FOR_QEMU);
    check_fine((struct text)T("[0,-0,-0.0E1,10e0]"), JSON_FOR_QEMU);
}

/* No integer is too long for JSON, nor for QEMU as long as a double holds it. */
static void test_long_number(void **state)
{
    char digits[400];

    (void)state;
    memset(digits, '9', sizeof(digits));
    check_fine((struct text){digits, 308}, JSON_FOR_QEMU);
    check_fine((struct text){digits, sizeof(digits)}, 0);
    check_flaw(&(struct flawed){{digits, sizeof(digits)}, JSON_RANGE, 0}, JSON_FOR_QEMU);
}

static void check_depth(unsigned depth, const char *open, const char *close, unsigned depth_max, bool accepted)
{
    size_t size = depth * (strlen(open) + strlen(close)) + 1, n = 0;
    char *text = malloc(size);
    struct json_scan scan;
    int r;

    assert_non_null(text);
    for (unsigned i = 0; i < depth; i++, n += strlen(open))
        memcpy(text + n, open, strlen(open));
    text[n++] = '1';
    for (unsigned i = 0; i < depth; i++, n += strlen(close))
        memcpy(text + n, close, strlen(close));
    r = json_validate(guarded(0, text, size), size, depth_max, 0, &scan);
    assert_int_equal(r, accepted ? 0 : -ELOOP);
    if (!accepted) {
        assert_int_equal(scan.flaw, JSON_DEPTH);
        /* The bracket that is one too many. */
        assert_int_equal(scan.at, depth_max * strlen(open) + (open[0] == ' '));
    }
    free(text);
}

static void test_depth(void **state)
{
    static const unsigned limits[] = {0, 1, 2, 63, 64, 65, 128, JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(limits); i++) {
        check_depth(limits[i], "[", "]", limits[i], true);
        check_depth(limits[i] + 1, "[", "]", limits[i], false);
        check_depth(limits[i], "{\"a\":", "}", limits[i], true);
        check_depth(limits[i] + 1, "{\"a\":", "}", limits[i], false);
        check_depth(limits[i], " [0,", "]", limits[i], true);
        check_depth(limits[i] + 1, " [0,", "]", limits[i], false);
        if (limits[i] % 2 == 0)
            check_depth(limits[i] / 2, "[{\"a\":", "}]", limits[i], true);
    }
    check_depth(100000, "[", "]", JSON_DEPTH_MAX, false);
}

/* Depth is what is open now, not what was opened. */
static void test_depth_of_siblings(void **state)
{
    static const char text[] = "{\"a\":[],\"b\":[{},[],{\"c\":1}],\"d\":[[[]]]}";
    struct json_scan scan;

    (void)state;
    assert_int_equal(json_validate(text, strlen(text), 4, 0, &scan), 0);
    assert_int_equal(json_validate(text, strlen(text), 3, 0, &scan), -ELOOP);
    assert_int_equal(scan.at, strstr(text, "[[[") + 2 - text);
    assert_int_equal(json_validate(text, strlen(text), 2, 0, &scan), -ELOOP);
    assert_int_equal(scan.at, strstr(text, "[{}") + 1 - text);
    assert_int_equal(json_validate(text, strlen(text), 1, 0, &scan), -ELOOP);
    assert_int_equal(scan.at, strstr(text, "[]") - text);
    assert_int_equal(json_validate(text, strlen(text), 0, 0, &scan), -ELOOP);
    assert_int_equal(scan.at, 0);
}

/* Brackets must close what they opened, at every level of the nesting's bits. */
static void test_nesting_kinds(void **state)
{
    char text[4096];

    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        unsigned depth = 1 + seed % 150, kinds = seed * 2654435761u, n = 0;
        bool object[150];
        for (unsigned i = 0; i < depth; i++) {
            kinds = kinds * 1664525u + 1013904223u;
            object[i] = kinds >> 31;
            n += (unsigned)sprintf(text + n, object[i] ? "{\"\":" : "[");
        }
        text[n++] = '0';
        unsigned inner = n;
        for (unsigned i = depth; i-- > 0;)
            text[n++] = object[i] ? '}' : ']';
        check_fine((struct text){text, n}, 0);
        for (unsigned i = inner; i < n; i++) {
            text[i] ^= '}' ^ ']';
            check_flaw(&(struct flawed){{text, n}, JSON_SYNTAX, i}, 0);
            text[i] ^= '}' ^ ']';
        }
    }
}

static void check_slice(const char *text, size_t at, size_t size, const char *expected)
{
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text + at, expected, size);
}

static void test_members(void **state)
{
    static const struct {
        const char *text, *value;
        size_t n_members;
        const char *members[4][2];
    } cases[] = {
        {"{}", "{}", 0, {{NULL}}},
        {" \r\n{ }\r\n", "{ }", 0, {{NULL}}},
        {"{\"a\":1}", "{\"a\":1}", 1, {{"\"a\"", "1"}}},
        {" {\r\n \"a\" : [ 1, {\"x\" : 2} ] ,\"\\u0069d\":\"b\\\"}\" , \"a\":null\t} ",
            "{\r\n \"a\" : [ 1, {\"x\" : 2} ] ,\"\\u0069d\":\"b\\\"}\" , \"a\":null\t}", 3,
            {{"\"a\"", "[ 1, {\"x\" : 2} ]"}, {"\"\\u0069d\"", "\"b\\\"}\""}, {"\"a\"", "null"}}},
        {"{\"\":{},\"o\":{\"p\":{\"q\":1},\"r\":2},\"s\":-1.5e3,\"t\":\"\"}",
            "{\"\":{},\"o\":{\"p\":{\"q\":1},\"r\":2},\"s\":-1.5e3,\"t\":\"\"}", 4,
            {{"\"\"", "{}"}, {"\"o\"", "{\"p\":{\"q\":1},\"r\":2}"}, {"\"s\"", "-1.5e3"}, {"\"t\"", "\"\""}}},
        {"[{\"a\":1}]", "[{\"a\":1}]", 0, {{NULL}}},
        {" \"a\" ", "\"a\"", 0, {{NULL}}},
        {" 12 ", "12", 0, {{NULL}}},
        {"12", "12", 0, {{NULL}}},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const char *text = cases[i].text;
        struct json_scan scan = scan_text((struct text){text, strlen(text)}, 0);
        assert_int_equal(scan.flaw, JSON_FINE);
        check_slice(text, scan.value, scan.value_size, cases[i].value);
        assert_int_equal(scan.n_members, cases[i].n_members);
        for (size_t n = 0; n < scan.n_members; n++) {
            check_slice(text, scan.members[n].key, scan.members[n].key_size, cases[i].members[n][0]);
            check_slice(text, scan.members[n].value, scan.members[n].value_size, cases[i].members[n][1]);
        }
    }
}

/* More members than are located are counted all the same. */
static void test_many_members(void **state)
{
    char text[4096], expected[16];

    (void)state;
    for (unsigned n = JSON_MEMBERS_MAX - 1; n < JSON_MEMBERS_MAX + 100; n++) {
        size_t size = 0;
        for (unsigned i = 0; i < n; i++)
            size += (size_t)sprintf(text + size, "%c\"k%u\": [%u]", i == 0 ? '{' : ',', i, i);
        text[size++] = '}';
        struct json_scan scan = scan_text((struct text){text, size}, 0);
        assert_int_equal(scan.flaw, JSON_FINE);
        assert_int_equal(scan.n_members, n);
        for (unsigned i = 0; i < n && i < JSON_MEMBERS_MAX; i++) {
            sprintf(expected, "\"k%u\"", i);
            check_slice(text, scan.members[i].key, scan.members[i].key_size, expected);
            sprintf(expected, "[%u]", i);
            check_slice(text, scan.members[i].value, scan.members[i].value_size, expected);
        }
    }
}

/* Documents that are no document before their last byte. */
static void test_truncated(void **state)
{
    static const struct text documents[] = {
        T("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": "
          "\"Debian 1:7.2+dfsg-7\"}, \"capabilities\": [\"oob\"]}}"),
        T("{\r\n    \"timestamp\": {\r\n        \"seconds\": 1795334434,\r\n        \"microseconds\": -3.5e+8\r\n    },"
          "\r\n    \"event\": \"STOP\"\r\n}"),
        T("{\"return\": [null, true, false, {}, [], 0.5, \"\\u00e9\\ud83d\\ude00\\n\"], \"id\": "
          "\"\xc3\xa9\xf0\x9f\x98\x80"
          "\xe2\x82\xac\"}"),
        T("[[[\"0123456789abcdef0123456789abcdef\\\\\"]]]"),
        T("\"a string\""),
        T("null"),
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(documents); i++) {
        check_fine(documents[i], JSON_FOR_QEMU);
        check_flaw(&(struct flawed){{documents[i].text, 0}, JSON_EMPTY, 0}, 0);
        for (size_t size = 1; size < documents[i].size; size++)
            check_flaw(&(struct flawed){{documents[i].text, size}, JSON_TRUNCATED, size}, 0);
    }
}

/* A string with `special` at each place of each length. */
static void check_everywhere(struct text special, enum json_flaw flaw)
{
    char text[128];

    for (size_t length = 0; length <= 70; length++)
        for (size_t at = 0; at <= length; at++) {
            size_t n = 0;
            text[n++] = '"';
            memset(text + n, 'x', at);
            n += at;
            struct flawed f = {{text, 0}, flaw, n};
            memcpy(text + n, special.text, special.size);
            n += special.size;
            memset(text + n, '~', length - at);
            n += length - at;
            text[n++] = '"';
            f.text.size = n;
            if (flaw == JSON_FINE)
                check_fine(f.text, 0);
            else
                check_flaw(&f, 0);
        }
}

static void test_strings_everywhere(void **state)
{
    (void)state;
    check_everywhere((struct text)T(""), JSON_FINE);
    check_everywhere((struct text)T(" "), JSON_FINE);
    check_everywhere((struct text)T("!"), JSON_FINE);
    check_everywhere((struct text)T("#["), JSON_FINE);
    check_everywhere((struct text)T("]\x7f"), JSON_FINE);
    check_everywhere((struct text)T("\\\""), JSON_FINE);
    check_everywhere((struct text)T("\\\\"), JSON_FINE);
    check_everywhere((struct text)T("\\u00e9"), JSON_FINE);
    check_everywhere((struct text)T("\\ud83d\\ude00"), JSON_FINE);
    check_everywhere((struct text)T("\xc3\xa9"), JSON_FINE);
    check_everywhere((struct text)T("\xe2\x82\xac"), JSON_FINE);
    check_everywhere((struct text)T("\xf0\x9f\x98\x80"), JSON_FINE);
    check_everywhere((struct text)T("\x1f"), JSON_STRING);
    check_everywhere((struct text)T("\n"), JSON_STRING);
    check_everywhere((struct text)T("\0"), JSON_STRING);
    check_everywhere((struct text)T("\\x"), JSON_ESCAPE);
    check_everywhere((struct text)T("\\udc00"), JSON_SURROGATE);
    check_everywhere((struct text)T("\x80"), JSON_UTF8);
    check_everywhere((struct text)T("\xff"), JSON_UTF8);
    check_everywhere((struct text)T("\xc0\x80"), JSON_UTF8);
    check_everywhere((struct text)T("\xed\xa0\x80"), JSON_UTF8);
}

/* Every byte there is, alone in a string, after a backslash, and outside of one. */
static void test_every_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte, string[] = {'"', c, '"'}, escape[] = {'"', '\\', c, '"'}, bare[] = {'[', c, ']'};
        struct json_scan scan = scan_text((struct text){string, 3}, 0);
        assert_int_equal(scan.flaw, byte < 0x20   ? JSON_STRING
                                    : byte > 0x7f ? JSON_UTF8
                                    : c == '"'    ? JSON_TRAILING
                                    : c == '\\'   ? JSON_TRUNCATED
                                                  : JSON_FINE);

        scan = scan_text((struct text){escape, 4}, 0);
        assert_int_equal(scan.flaw, byte && strchr("\"\\/bfnrt", c) ? JSON_FINE : JSON_ESCAPE);

        scan = scan_text((struct text){bare, 3}, 0);
        if (byte && strchr(" \t\r\n0123456789", c))
            assert_int_equal(scan.flaw, JSON_FINE);
        else
            assert_int_not_equal(scan.flaw, JSON_FINE);
    }
}

/* Every pair of bytes at the start of a UTF-8 sequence, completed where it can be. */
static void test_every_lead(void **state)
{
    (void)state;
    for (unsigned lead = 0x80; lead < 0x100; lead++)
        for (unsigned second = 0; second < 0x100; second++) {
            char text[] = {'"', (char)lead, (char)second, '\x80', '\x80', '"'};
            size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
            unsigned low = lead == 0xe0   ? 0xa0
                           : lead == 0xf0 ? 0x90
                                          : 0x80,
                     high = lead == 0xed   ? 0x9f
                            : lead == 0xf4 ? 0x8f
                                           : 0xbf;
            bool valid = lead >= 0xc2 && lead <= 0xf4 && second >= low && second <= high;
            text[1 + length] = '"';
            struct json_scan scan = scan_text((struct text){text, length + 2}, 0);
            assert_int_equal(scan.flaw, valid ? JSON_FINE : JSON_UTF8);
            assert_int_equal(scan.at, valid ? 0 : 1);
        }
}

static void test_flaw_strings(void **state)
{
    (void)state;
    for (int flaw = JSON_FINE; flaw <= JSON_ZERO; flaw++) {
        const char *string = json_flaw_string((enum json_flaw)flaw);
        assert_non_null(string);
        assert_true(strlen(string) > 0);
    }
}

static void check_description(struct text t, int r, const char *expected)
{
    char *description = NULL;
    qmp_value v = {"untouched", 9};

    assert_int_equal(qmp_json_check(guarded(0, t.text, t.size), t.size, &v, &description), r);
    assert_value(v, "untouched");
    assert_non_null(description);
    assert_string_equal(description, expected);
    free(description);
    assert_int_equal(qmp_json_check(t.text, t.size, NULL, NULL), r);
}

static void test_check(void **state)
{
    char expected[256], *description = NULL;
    qmp_value v = {NULL, 0};

    (void)state;
    assert_int_equal(qmp_json_check(" {\"a\": 1}\n", 10, &v, &description), 0);
    assert_value(v, "{\"a\": 1}");
    assert_null(description);

    snprintf(expected, sizeof(expected), "%s at byte 1: \"]\" after \"{\"", json_flaw_string(JSON_SYNTAX));
    check_description((struct text)T("{]"), -EBADMSG, expected);
    snprintf(expected, sizeof(expected), "%s at byte 0: \"nope\"", json_flaw_string(JSON_SYNTAX));
    check_description((struct text)T("nope"), -EBADMSG, expected);
    snprintf(expected, sizeof(expected), "%s at byte 7, after \"{\\\"a\\\": 1\"", json_flaw_string(JSON_TRUNCATED));
    check_description((struct text)T("{\"a\": 1"), -EBADMSG, expected);
    snprintf(
        expected, sizeof(expected), "%s at byte 2: \"\\x1b[2J\\\"]\" after \"[\\\"\"", json_flaw_string(JSON_STRING));
    check_description((struct text)T("[\"\x1b[2J\"]"), -EBADMSG, expected);
    snprintf(expected, sizeof(expected), "%s at byte 0: \"1e400\"", json_flaw_string(JSON_RANGE));
    check_description((struct text)T("1e400"), -EINVAL, expected);
    /* What does not fit is cut on either side. */
    snprintf(expected, sizeof(expected),
        "%s at byte 32: \"x56789012345678901234567…\" after \"…890123456789012345678901\"",
        json_flaw_string(JSON_SYNTAX));
    check_description((struct text)T("[1234567890123456789012345678901x567890123456789012345678"), -EBADMSG, expected);
}

static void test_check_empty(void **state)
{
    char expected[256];

    (void)state;
    snprintf(expected, sizeof(expected), "%s at byte 0", json_flaw_string(JSON_EMPTY));
    check_description((struct text)T(""), -EBADMSG, expected);
    assert_int_equal(qmp_json_check(NULL, 0, NULL, NULL), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fine),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_for_qemu),
        cmocka_unit_test(test_long_number),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_of_siblings),
        cmocka_unit_test(test_nesting_kinds),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_strings_everywhere),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_every_lead),
        cmocka_unit_test(test_flaw_strings),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
