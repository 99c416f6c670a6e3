/* SPDX-License-Identifier: MIT */
/* Strings: decoding, comparing, hashing, quoting, UTF-8, excerpts. Decoding and quoting are checked against each other
 * for every code point. */

#include "json/test-json.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/util.h"
#include "json/value.h"

struct pair {
    const char *json, *text;
    size_t size;
};

#define PAIR(json, text)                                                                                               \
    {                                                                                                                  \
        json, text, sizeof(text) - 1                                                                                   \
    }

static const struct pair pairs[] = {
    PAIR("\"\"", ""),
    PAIR("\"abc\"", "abc"),
    PAIR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"),
    PAIR("\"\\u0000\"", "\0"),
    PAIR("\"a\\u0000b\"", "a\0b"),
    PAIR("\"\\u0041\\u007F\\u007f\"", "A\x7f\x7f"),
    PAIR("\"\\u0080\\u07ff\\u0800\\uFFFD\"", "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbd"),
    PAIR("\"\\ud800\\udc00\\uDBFF\\uDFFD\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbd"),
    PAIR("\"x\\uD83D\\uDE00y\"", "x\xf0\x9f\x98\x80y"),
    PAIR("\"é\"", "é"),
    PAIR("\"\\u00e9\"", "é"),
    PAIR("\"\\\\u0041\"", "\\u0041"),
    PAIR("\"\\\\\\\\\"", "\\\\"),
    PAIR("\"0123456789abcdef0123456789abcdef\\n\"", "0123456789abcdef0123456789abcdef\n"),
};

/* What a validator refuses decodes to something no longer than it is. */
static const struct pair damaged[] = {
    PAIR("\"\\ud800\"", "\xef\xbf\xbd"),
    PAIR("\"\\udc00\"", "\xef\xbf\xbd"),
    PAIR("\"\\ud800\\u0041\"", "\xef\xbf\xbd"
                               "A"),
    PAIR("\"\\ud800x\"", "\xef\xbf\xbdx"),
    PAIR("\"\\x\"", "?"),
    PAIR("\"\\u12\"", "?12"),
    PAIR("\"\\uzzzz\"", "?zzzz"),
    PAIR("\"\\\"", "?"),
    PAIR("\"abc", "abc"),
    PAIR("\"abc\\", "abc?"),
    PAIR("\"", ""),
};

static void check_decode(const struct pair *p)
{
    qmp_value v = V(p->json);
    char out[128], in_place[128];
    size_t size;

    memset(out, 'X', sizeof(out));
    size = json_decode(v, out);
    assert_int_equal(size, p->size);
    assert_memory_equal(out, p->text, p->size);
    assert_int_equal(out[size], 'X');
    assert_true(size <= v.size);

    memcpy(in_place, v.text, v.size);
    assert_int_equal(json_decode((qmp_value){in_place, v.size}, in_place), p->size);
    assert_memory_equal(in_place, p->text, p->size);
}

static void check_compare(const struct pair *p)
{
    qmp_value v = V(p->json);
    const char *text = guarded(1, p->text, p->size);
    assert_true(json_text_equals(v, text, p->size));
    assert_true(json_string_equals(v, text, p->size));
    assert_int_equal(json_text_hash(v), json_hash_bytes(text, p->size));
    if (p->size > 0) {
        assert_false(json_text_equals(v, text, p->size - 1));
        assert_false(json_text_equals(v, text + 1, p->size - 1));
    }
}

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pairs); i++)
        check_decode(&pairs[i]);
    for (size_t i = 0; i < ELEMENTS(damaged); i++)
        check_decode(&damaged[i]);
    assert_int_equal(json_decode(V("12"), NULL), 0);
    assert_int_equal(json_decode((qmp_value){NULL, 0}, NULL), 0);
}

static void test_compare(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pairs); i++)
        check_compare(&pairs[i]);
}

static void test_strings_equal(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pairs); i++)
        for (size_t j = 0; j < ELEMENTS(pairs); j++) {
            bool same = pairs[i].size == pairs[j].size && memcmp(pairs[i].text, pairs[j].text, pairs[i].size) == 0;
            assert_int_equal(json_strings_equal(V(pairs[i].json), W(pairs[j].json)), same);
        }
    assert_false(json_strings_equal(V("1"), W("\"1\"")));
    assert_false(json_strings_equal(V("\"1\""), W("1")));
}

static void test_step(void **state)
{
    static const struct {
        const char *json, *step;
        bool equal;
    } cases[] = {
        {"\"a.b\"", "a\\.b", true},
        {"\"a\\u002eb\"", "a\\.b", true},
        {"\"a\\\\b\"", "a\\\\b", true},
        {"\"ab\"", "a\\b", true},
        {"\"a\\\\\"", "a\\", true},
        {"\"a\"", "a\\", false},
        {"\"a.b\"", "a.b", true},
        {"\"a.\"", "a\\.b", false},
        {"\"a.bc\"", "a\\.b", false},
        {"1", "\\1", false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_int_equal(json_string_equals_step(
                             V(cases[i].json), guarded(1, cases[i].step, strlen(cases[i].step)), strlen(cases[i].step)),
            cases[i].equal);
}

static void test_text_equals(void **state)
{
    static const struct {
        const char *json, *text;
        bool equal;
    } cases[] = {
        {"12", "12", true},
        {"\"12\"", "12", true},
        {"12.0", "12", false},
        {"1e1", "1e1", true},
        {"1e1", "1E1", false},
        {"-0", "0", false},
        {"true", "true", true},
        {"\"true\"", "true", true},
        {"false", "true", false},
        {"null", "null", true},
        {"[]", "[]", false},
        {"{}", "{}", false},
        {"\"\"", "", true},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        size_t size = strlen(cases[i].text);
        qmp_value v = V(cases[i].json);
        assert_int_equal(json_text_equals(v, guarded(1, cases[i].text, size), size), cases[i].equal);
        if (cases[i].equal)
            assert_int_equal(json_text_hash(v), json_hash_bytes(cases[i].text, size));
    }
    assert_false(json_text_equals((qmp_value){NULL, 0}, "", 0));
    assert_int_equal(json_text_hash((qmp_value){NULL, 0}), 0);
    assert_int_equal(json_text_hash(V("[1]")), 0);
    assert_int_equal(json_text_hash(V("{\"a\":1}")), 0);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* No collision among many similar names: chance would allow one in 10^9 runs. */
static void test_hash_spreads(void **state)
{
    enum { N = 100000 };
    uint64_t *hashes = malloc(N * sizeof(*hashes));
    unsigned low_bits[256] = {0};

    (void)state;
    assert_non_null(hashes);
    for (int i = 0; i < N; i++) {
        char name[32];
        int size = snprintf(name, sizeof(name), "%s%d", i % 2 ? "job" : "a-longer-device-name", i);
        hashes[i] = json_hash_bytes(name, (size_t)size);
        low_bits[hashes[i] % ELEMENTS(low_bits)]++;
    }
    qsort(hashes, N, sizeof(*hashes), compare_hashes);
    for (int i = 1; i < N; i++)
        assert_true(hashes[i] != hashes[i - 1]);
    for (size_t i = 0; i < ELEMENTS(low_bits); i++)
        assert_in_range(low_bits[i], N / 256 / 2, N / 256 * 2);
    assert_true(json_hash_bytes("", 0) != json_hash_bytes("\0", 1));
    assert_true(json_hash_bytes("\0", 1) != json_hash_bytes("\0\0", 2));
    free(hashes);
}

/* Any spelling of a string hashes alike, wherever the escape falls in the hash's blocks. */
static void test_hash_spellings(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 40; length++)
        for (size_t at = 0; at < length; at++) {
            char text[64], json[64];
            for (size_t i = 0; i < length; i++)
                text[i] = (char)('a' + i % 26);
            int size = snprintf(json, sizeof(json), "\"%.*s\\u00%02x%.*s\"", (int)at, text, (unsigned)text[at],
                (int)(length - at - 1), text + at + 1);
            qmp_value v = {guarded(0, json, (size_t)size), (size_t)size};
            assert_true(json_text_equals(v, text, length));
            assert_int_equal(json_text_hash(v), json_hash_bytes(text, length));
        }
}

static void check_quote(const char *text, size_t size, const char *expected)
{
    char out[6 * 64 + 2 + 1];
    const char *in = guarded(0, text, size);

    memset(out, 'X', sizeof(out));
    size_t written = json_quote(out, in, size);
    assert_int_equal(written, json_quoted_size(in, size));
    assert_int_equal(out[written], 'X');
    assert_int_equal(written, strlen(expected));
    assert_memory_equal(out, expected, written);
}

static void test_quote(void **state)
{
    (void)state;
    check_quote("", 0, "\"\"");
    check_quote("STOP", 4, "\"STOP\"");
    check_quote("\"\\/\b\f\n\r\t", 8, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check_quote("a\0b\x1f\x7f", 5, "\"a\\u0000b\\u001f\x7f\"");
    check_quote("é😀", 6, "\"é😀\"");
}

static size_t utf8(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* Every code point there is: valid or not, quoted and read back, escaped and read back. */
static void test_every_code_point(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 0x110000; code++) {
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        bool noncharacter = (code & 0xFFFE) == 0xFFFE || (code >= 0xFDD0 && code <= 0xFDEF);
        char text[4], json[16], back[16];
        size_t size = utf8(code, text);

        if (json_utf8_valid(text, size, false) != !surrogate ||
            json_utf8_valid(text, size, true) != !(surrogate || noncharacter))
            fail_msg("U+%04X is judged wrongly", code);
        for (size_t cut = 1; cut < size; cut++)
            if (json_utf8_valid(text, cut, false) || json_utf8_valid(text + cut, size - cut, false))
                fail_msg("U+%04X cut at %zu is taken for valid", code, cut);
        if (surrogate)
            continue;

        qmp_value v = {json, json_quote(json, text, size)};
        if (json_decode(v, back) != size || memcmp(back, text, size) != 0)
            fail_msg("U+%04X is quoted wrongly", code);
        if (code < 0x10000)
            v.size = (size_t)snprintf(json, sizeof(json), "\"\\u%04x\"", code);
        else
            v.size = (size_t)snprintf(
                json, sizeof(json), "\"\\u%04X\\u%04X\"", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
        if (json_decode(v, back) != size || memcmp(back, text, size) != 0)
            fail_msg("the escape of U+%04X is decoded wrongly", code);
    }
}

static void test_utf8_invalid(void **state)
{
    static const char *const invalid[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfc\x84\x80\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xed\xa0\x80\xed\xb0\x80",
        "\xc2",
        "\xc2\x41",
        "\xe1\x80",
        "\xe1\x80\x41",
        "\xf1\x80\x80",
        "\xf1\x80\x80\x41",
        "\xc2\xc2\x80",
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(invalid); i++) {
        char text[32] = "abc";
        size_t size = strlen(invalid[i]);
        assert_false(json_utf8_valid(guarded(0, invalid[i], size), size, false));
        strcat(strcat(text, invalid[i]), "def");
        assert_false(json_utf8_valid(guarded(0, text, strlen(text)), strlen(text), false));
    }
    assert_true(json_utf8_valid(NULL, 0, true));
    assert_true(json_utf8_valid("a\0b", 3, true));
}

static void check_excerpt(const char *bytes, size_t size, size_t out_size, const char *expected)
{
    char out[64];

    memset(out, 'X', sizeof(out));
    json_excerpt(out, out_size, guarded(0, bytes, size), size);
    assert_string_equal(out, expected);
    for (size_t i = out_size; i < sizeof(out); i++)
        assert_int_equal(out[i], 'X');
}

static void test_excerpt(void **state)
{
    char none = 'X';

    (void)state;
    check_excerpt("abc", 3, 64, "abc");
    check_excerpt("", 0, 64, "");
    check_excerpt("{\"a\": \"\\n\"}", 11, 64, "{\\\"a\\\": \\\"\\\\n\\\"}");
    check_excerpt("\x1b[2J\r\n\t\0\x7f\xff\xc3\xa9", 12, 64, "\\x1b[2J\\r\\n\\t\\x00\\x7f\\xff\\xc3\\xa9");
    check_excerpt("abcdefgh", 8, 9, "abcdefgh");
    check_excerpt("abcdefgh", 8, 8, "abcd…");
    check_excerpt("abcdefgh", 8, 5, "a…");
    check_excerpt("abcdefgh", 8, 4, "…");
    check_excerpt("abcdefgh", 8, 3, "");
    check_excerpt("abcdefgh", 8, 1, "");
    check_excerpt("\x01\x02\x03", 3, 12, "\\x01\\x02…");
    check_excerpt("\x01\x02\x03", 3, 13, "\\x01\\x02\\x03");
    check_excerpt("ab\x03", 3, 6, "ab…");
    json_excerpt(&none, 0, "abc", 3);
    assert_int_equal(none, 'X');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_strings_equal),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_text_equals),
        cmocka_unit_test(test_hash_spreads),
        cmocka_unit_test(test_hash_spellings),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_utf8_invalid),
        cmocka_unit_test(test_excerpt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
