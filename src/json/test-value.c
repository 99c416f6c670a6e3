/* SPDX-License-Identifier: MIT */
/* Reading JSON in place: walking, lookups, numbers, equality. Every text ends where memory ends, so an overread is a
 * crash, and damaged texts are walked too: what comes out is unspecified, where it lies is not. */

#include "json/test-json.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "util/util.h"
#include "json/validate.h"
#include "json/value.h"

static const qmp_value absent = {NULL, 0};

static const char event[] = "{\"timestamp\": {\"seconds\": 1795334434, \"microseconds\": 3458},\r\n \"event\" : "
                            "\"JOB_STATUS_CHANGE\", \"data\": "
                            "{ \"status\": \"created\", \"\\u0069d\": \"job1\", \"a.b\": {\"\\\\\": [10, [20, 21], "
                            "{\"0\": 30}]}, \"\": 5, \"0\": "
                            "\"zero\", \"esc\": \"\\\"]}\\\\\" , \"empty\": [ ], \"none\": {}}}";

static void test_type(void **state)
{
    static const struct {
        const char *text;
        enum qmp_type type;
    } cases[] = {
        {"null", QMP_NULL},
        {"true", QMP_BOOL},
        {"false", QMP_BOOL},
        {"0", QMP_NUMBER},
        {"-1", QMP_NUMBER},
        {"9e9", QMP_NUMBER},
        {"\"\"", QMP_STRING},
        {"[]", QMP_ARRAY},
        {"{}", QMP_OBJECT},
        {"", QMP_ABSENT},
        {"\xff", QMP_ABSENT},
        {"+1", QMP_ABSENT},
        {"]", QMP_ABSENT},
        {" 1", QMP_ABSENT},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_int_equal(qmp_value_type(V(cases[i].text)), cases[i].type);
    assert_int_equal(qmp_value_type(absent), QMP_ABSENT);
}

static void test_member(void **state)
{
    qmp_value root = V(event), data = qmp_value_member(root, "data");

    (void)state;
    assert_value(qmp_value_member(root, "event"), "\"JOB_STATUS_CHANGE\"");
    assert_value(qmp_value_member(root, "Event"), NULL);
    assert_value(qmp_value_member(root, "even"), NULL);
    assert_value(qmp_value_member(root, "status"), NULL);
    assert_value(qmp_value_member(data, "id"), "\"job1\"");
    assert_value(qmp_value_member(data, "\\u0069d"), NULL);
    assert_value(qmp_value_member(data, ""), "5");
    assert_value(qmp_value_member(data, "a.b"), "{\"\\\\\": [10, [20, 21], {\"0\": 30}]}");
    assert_value(qmp_value_member(data, "empty"), "[ ]");
    assert_value(qmp_value_member(data, "none"), "{}");
    assert_value(qmp_value_member(qmp_value_member(root, "nope"), "id"), NULL);
    assert_value(qmp_value_member(qmp_value_member(root, "event"), "id"), NULL);
    assert_value(qmp_value_member(V("[\"id\", 1]"), "id"), NULL);
    assert_value(qmp_value_member(V("{\"a\":1,\"a\":2}"), "a"), "1");
    assert_value(qmp_value_member(V("{\"\\u00E9\\ud83d\\ude00\":1}"), "é😀"), "1");
    assert_value(qmp_value_member(V("{\"\\u00E9\":1}"), "é😀"), NULL);
    assert_value(qmp_value_member(V("{\"\\u00E9\\ud83d\\ude00\":1}"), "é"), NULL);
    assert_value(qmp_value_member(V("{\"a\\u0000\":1,\"a\":2}"), "a"), "2");
}

static void test_item(void **state)
{
    qmp_value array = V(" [1 , [2,3],\"]\" ,{\"a\":[]} , null ]");

    (void)state;
    array.text++;
    array.size--;
    assert_value(qmp_value_item(array, 0), "1");
    assert_value(qmp_value_item(array, 1), "[2,3]");
    assert_value(qmp_value_item(array, 2), "\"]\"");
    assert_value(qmp_value_item(array, 3), "{\"a\":[]}");
    assert_value(qmp_value_item(array, 4), "null");
    assert_value(qmp_value_item(array, 5), NULL);
    assert_value(qmp_value_item(array, SIZE_MAX), NULL);
    assert_value(qmp_value_item(V("[]"), 0), NULL);
    assert_value(qmp_value_item(V("{\"0\":1}"), 0), NULL);
    assert_value(qmp_value_item(absent, 0), NULL);
}

static void test_path(void **state)
{
    static const struct {
        const char *path, *expected;
    } cases[] = {
        {"data.id", "\"job1\""},
        {"event", "\"JOB_STATUS_CHANGE\""},
        {"timestamp.seconds", "1795334434"},
        {"timestamp.nope", NULL},
        {"timestamp.seconds.x", NULL},
        {"data.a.b", NULL},
        {"data.a\\.b.\\\\", "[10, [20, 21], {\"0\": 30}]"},
        {"data.a\\.b.\\\\.0", "10"},
        {"data.a\\.b.\\\\.1.1", "21"},
        {"data.a\\.b.\\\\.01.1", "21"},
        {"data.a\\.b.\\\\.2.0", "30"},
        {"data.a\\.b.\\\\.3", NULL},
        {"data.a\\.b.\\\\.-1", NULL},
        {"data.a\\.b.\\\\.1x", NULL},
        {"data.a\\.b.\\\\.", NULL},
        {"data.a\\.b.\\\\.18446744073709551616", NULL},
        {"data.a\\.b.\\\\.18446744073709551615", NULL},
        {"data.a\\.b.\\", "[10, [20, 21], {\"0\": 30}]"},
        {"data.0", "\"zero\""},
        {"data.", "5"},
        {"data..x", NULL},
        {".data", NULL},
        {"d\\ata.id", "\"job1\""},
        {"data\\.id", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_value(qmp_value_path(V(event), cases[i].path), cases[i].expected);
    assert_value(qmp_value_path(V(event), ""), event);
    assert_value(qmp_value_path(absent, ""), NULL);
    assert_value(qmp_value_path(absent, "a"), NULL);
    assert_value(qmp_value_path(V("[[1,[7]]]"), "0.1.0"), "7");
    assert_value(qmp_value_path(V("{\"\":{\"\":3}}"), "."), "3");
}

static void test_next(void **state)
{
    qmp_value key = absent, item = absent, container = V("{\"a\" : 1 , \"b\":[2,{}],\"c\":\"\\\\\" }");

    (void)state;
    assert_true(qmp_value_next(container, &key, &item));
    assert_value(key, "\"a\"");
    assert_value(item, "1");
    assert_true(qmp_value_next(container, &key, &item));
    assert_value(key, "\"b\"");
    assert_value(item, "[2,{}]");
    assert_true(qmp_value_next(container, NULL, &item));
    assert_value(item, "\"\\\\\"");
    assert_false(qmp_value_next(container, &key, &item));
    assert_value(key, NULL);
    assert_value(item, NULL);

    container = V("[[],true]");
    assert_true(qmp_value_next(container, &key, &item));
    assert_value(key, NULL);
    assert_value(item, "[]");
    assert_true(qmp_value_next(container, &key, &item));
    assert_value(item, "true");
    assert_false(qmp_value_next(container, &key, &item));

    assert_false(qmp_value_next(V("{ }"), &key, &item));
    assert_false(qmp_value_next(V("[ ]"), &key, &item));
    assert_false(qmp_value_next(V("\"abc\""), &key, &item));
    assert_false(qmp_value_next(absent, &key, &item));
}

/* Strings and containers of every length, so that each way through the sixteen-byte steps is taken. */
static void test_skip_lengths(void **state)
{
    char text[256];

    (void)state;
    for (int length = 0; length <= 70; length++)
        for (int special = -1; special < length; special++) {
            static const char *const specials[] = {"\\\"", "\\\\", "]", "}", "[", "{", ",", ":"};
            for (size_t i = 0; i < ELEMENTS(specials); i++) {
                char body[96] = "";
                for (int n = 0; n < length; n++)
                    strcat(body, n == special ? specials[i] : "x");
                snprintf(text, sizeof(text), "[\"%s\",[\"%s\"],7]", body, body);
                qmp_value v = V(text);
                assert_value(qmp_value_item(v, 2), "7");
                assert_int_equal(qmp_value_item(v, 0).size, strlen(body) + 2);
                assert_int_equal(qmp_value_item(v, 1).size, strlen(body) + 4);
            }
        }
}

static void test_deep(void **state)
{
    size_t depth = GUARDED_MAX / 2;
    char *text = malloc(GUARDED_MAX);

    (void)state;
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    qmp_value v = {guarded(0, text, GUARDED_MAX), GUARDED_MAX};
    assert_int_equal(qmp_value_item(v, 0).size, GUARDED_MAX - 2);
    assert_value(qmp_value_item(v, 1), NULL);
    free(text);
}

static void test_bool(void **state)
{
    bool b = false;

    (void)state;
    assert_int_equal(qmp_value_bool(V("true"), &b), 0);
    assert_true(b);
    assert_int_equal(qmp_value_bool(V("false"), &b), 0);
    assert_false(b);
    b = true;
    assert_int_equal(qmp_value_bool(absent, &b), -ENOENT);
    assert_int_equal(qmp_value_bool(V("null"), &b), -EINVAL);
    assert_int_equal(qmp_value_bool(V("1"), &b), -EINVAL);
    assert_int_equal(qmp_value_bool(V("\"true\""), &b), -EINVAL);
    assert_true(b);
}

static void test_int64(void **state)
{
    static const struct {
        const char *text;
        int r;
        int64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"1", 0, 1},
        {"-1", 0, -1},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775808", 0, INT64_MIN},
        {"-9223372036854775809", -ERANGE, 0},
        {"18446744073709551615", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"99999999999999999999999999", -ERANGE, 0},
        {"1795334434003458000", 0, 1795334434003458000},
        {"1.0", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"1E3", -EINVAL, 0},
        {"\"1\"", -EINVAL, 0},
        {"true", -EINVAL, 0},
        {"[1]", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"1x", -EINVAL, 0},
        {"01", -EINVAL, 0},
    };
    int64_t value;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        value = 42;
        assert_int_equal(qmp_value_int64(V(cases[i].text), &value), cases[i].r);
        assert_true(value == (cases[i].r == 0 ? cases[i].value : 42));
    }
    assert_int_equal(qmp_value_int64(absent, &value), -ENOENT);
}

static void test_uint64(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"-1", -ERANGE, 0},
        {"9223372036854775808", 0, UINT64_C(9223372036854775808)},
        {"18446744073709551552", 0, UINT64_C(18446744073709551552)},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -ERANGE, 0},
        {"184467440737095516150", -ERANGE, 0},
        {"1.0", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"null", -EINVAL, 0},
    };
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        value = 42;
        assert_int_equal(qmp_value_uint64(V(cases[i].text), &value), cases[i].r);
        assert_true(value == (cases[i].r == 0 ? cases[i].value : 42));
    }
    assert_int_equal(qmp_value_uint64(absent, &value), -ENOENT);
}

static void check_doubles(void)
{
    static const struct {
        const char *text;
        int r;
        double value;
    } cases[] = {
        {"0", 0, 0.0},
        {"-0", 0, -0.0},
        {"-0.0", 0, -0.0},
        {"1", 0, 1.0},
        {"1.5", 0, 1.5},
        {"-2.5e-3", 0, -2.5e-3},
        {"1E+2", 0, 100.0},
        {"0.1", 0, 0.1},
        {"0.10000000000000001", 0, 0.1},
        {"18446744073709551615", 0, 18446744073709551616.0},
        {"9007199254740993", 0, 9007199254740992.0},
        {"1.7976931348623157e308", 0, DBL_MAX},
        {"1.7976931348623159e308", -ERANGE, 0},
        {"1e400", -ERANGE, 0},
        {"-1e400", -ERANGE, 0},
        {"1e99999999999999999999999999", -ERANGE, 0},
        {"0e99999999999999999999999999", 0, 0.0},
        {"5e-324", 0, 5e-324},
        {"1e-400", 0, 0.0},
        {"1e-99999999999999999999999999", 0, 0.0},
        {"1.", -EINVAL, 0},
        {".5", -EINVAL, 0},
        {"1e", -EINVAL, 0},
        {"1e+", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"-inf", -EINVAL, 0},
        {"1,5", -EINVAL, 0},
        {"\"1\"", -EINVAL, 0},
        {"null", -EINVAL, 0},
    };
    double value;

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        value = 42;
        errno = 0;
        assert_int_equal(qmp_value_double(V(cases[i].text), &value), cases[i].r);
        assert_int_equal(errno, 0);
        assert_true(value == (cases[i].r == 0 ? cases[i].value : 42));
        if (cases[i].r == 0)
            assert_int_equal(!!signbit(value), !!signbit(cases[i].value));
    }
    assert_int_equal(qmp_value_double(absent, &value), -ENOENT);
}

static void test_double(void **state)
{
    (void)state;
    check_doubles();
}

static void test_double_comma_locale(void **state)
{
    char shown[16];

    (void)state;
    if (!enter_comma_locale()) {
        print_message("no locale with a decimal comma, and none could be made\n");
        skip();
    }
    snprintf(shown, sizeof(shown), "%g", 1.5);
    assert_string_equal(shown, "1,5");
    check_doubles();
    leave_comma_locale();
}

/* Numbers longer than any buffer round to the same double. */
static void test_double_long(void **state)
{
    static const struct {
        const char *head, *tail; /* around a run of zeros or nines */
        char run;
        double value;
    } cases[] = {
        {"0.", "", '0', 0.0},
        {"-0.", "0e5", '0', -0.0},
        {"1.5", "", '0', 1.5},
        {"1.5", "e2", '0', 150},
        {"0.", "1", '0', 0.0},
        {"-0.", "1e5000", '0', -1.0},
        {"1", "e-5000", '0', 1.0},
        {"1", "e-5000", '9', 2.0},
        {"0.", "", '9', 1.0},
        {"-0.", "e1", '9', -10.0},
        /* Exactly halfway between 1 and the next double: ties to even; one digit far behind breaks the tie. */
        {"1.00000000000000011102230246251565404236316680908203125", "", '0', 1.0},
        {"1.00000000000000011102230246251565404236316680908203125", "1", '0', 1.0000000000000002},
        {"100000000000000011102230246251565404236316680908203125", "1e-5054", '0', 1.0000000000000002},
    };
    char text[8192];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        size_t head = strlen(cases[i].head), run = 5000;
        double value;
        memcpy(text, cases[i].head, head);
        if (strcmp(cases[i].tail, "1e5000") == 0)
            run = 4999;
        memset(text + head, cases[i].run, run);
        strcpy(text + head + run, cases[i].tail);
        assert_int_equal(qmp_value_double(V(text), &value), 0);
        assert_true(value == cases[i].value);
        assert_int_equal(!!signbit(value), !!signbit(cases[i].value));
        assert_true(strtod(text, NULL) == value);
    }
    memset(text, '9', 5000);
    text[5000] = '\0';
    double value = 42;
    assert_int_equal(qmp_value_double(V(text), &value), -ERANGE);
    assert_true(value == 42);
}

/* Around the size where a number is condensed, and around the number of digits kept. */
static void test_double_condensed(void **state)
{
    char text[2048];

    (void)state;
    for (size_t digits = 760; digits < 860; digits++)
        for (size_t point = 0; point <= digits; point += 97) {
            size_t n = 0;
            text[n++] = '-';
            for (size_t i = 0; i < digits; i++) {
                if (i == point)
                    n += (size_t)sprintf(text + n, i == 0 ? "0." : ".");
                text[n++] = (char)('1' + (i * 7 + digits) % 9);
            }
            sprintf(text + n, "e%d", -(int)point);
            double value, expected = strtod(text, NULL);
            assert_int_equal(qmp_value_double(V(text), &value), 0);
            assert_true(value == expected);
        }
}

static void test_string(void **state)
{
    char *string = NULL;
    size_t size = 0;

    (void)state;
    assert_int_equal(qmp_value_string(V("\"a\\u0000\\u00e9\\ud83d\\ude00\\n\""), &string, &size), 0);
    assert_int_equal(size, 9);
    assert_memory_equal(string, "a\0\xc3\xa9\xf0\x9f\x98\x80\n", 10);
    free(string);
    assert_int_equal(qmp_value_string(V("\"\""), &string, NULL), 0);
    assert_string_equal(string, "");
    free(string);
    string = NULL;
    assert_int_equal(qmp_value_string(absent, &string, &size), -ENOENT);
    assert_int_equal(qmp_value_string(V("1"), &string, &size), -EINVAL);
    assert_null(string);
    assert_int_equal(size, 9);
}

static void test_equals(void **state)
{
    (void)state;
    assert_true(qmp_value_equals(V("\"STOP\""), "STOP"));
    assert_true(qmp_value_equals(V("\"\\u0053TOP\""), "STOP"));
    assert_true(qmp_value_equals(V("\"\""), ""));
    assert_false(qmp_value_equals(V("\"STO\""), "STOP"));
    assert_false(qmp_value_equals(V("\"STOPP\""), "STOP"));
    assert_false(qmp_value_equals(V("\"STOP\\u0000\""), "STOP"));
    assert_false(qmp_value_equals(V("1"), "1"));
    assert_false(qmp_value_equals(V("null"), "null"));
    assert_false(qmp_value_equals(absent, ""));
}

static void test_json_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1", true},
        {"1", "2", false},
        {"0", "-0", true},
        {"1.0", "1.0", true},
        {"1.0", "1.00", true},
        {"1e3", "1000.0", true},
        {"1e3", "1000", true},
        {"0.1", "0.10000000000000001", true},
        {"-0.0", "-0", true},
        {"18446744073709551615", "18446744073709551615", true},
        {"18446744073709551615", "18446744073709551614", false},
        {"9223372036854775807", "9223372036854775808", false},
        {"9007199254740993", "9007199254740992", false},
        {"-9007199254740993", "-9007199254740992", false},
        {"-1", "1", false},
        {"18446744073709551616", "1.8446744073709552e+19", true},
        {"1e400", "1e400", true},
        {"1e400", "1e401", false},
        {"\"é\"", "\"\\u00E9\"", true},
        {"\"\\u00e9\"", "\"\\u00E9\"", true},
        {"\"\\u00e9x\"", "\"\\u00E9\"", false},
        {"\"/\"", "\"\\/\"", true},
        {"\"1\"", "1", false},
        {"null", "null", true},
        {"null", "false", false},
        {"true", "false", false},
        {"[]", "[ ]", true},
        {"[]", "{}", false},
        {"[1,2]", "[1, 2]", true},
        {"[1,2]", "[2, 1]", false},
        {"[1,2]", "[1, 2, 3]", false},
        {"[1,2,3]", "[1, 2]", false},
        {"{}", "{ }", true},
        {"{\"a\":1,\"b\":[2]}", "{\"b\": [2.0], \"\\u0061\": 1}", true},
        {"{\"a\":1,\"b\":2}", "{\"a\": 1, \"b\": 3}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\": 1, \"c\": 2}", false},
        {"{\"a\":1}", "{\"a\": 1, \"b\": 2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\": 1}", false},
        {"{\"a\":{\"b\":{\"c\":[]}}}", "{\"a\":{\"b\":{\"c\":[ ]}}}", true},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        assert_int_equal(json_equal(V(cases[i].a), W(cases[i].b)), cases[i].equal);
        assert_int_equal(json_equal(V(cases[i].b), W(cases[i].a)), cases[i].equal);
        assert_true(json_equal(V(cases[i].a), W(cases[i].a)));
    }
    assert_false(json_equal(absent, absent));
    assert_false(json_equal(absent, V("1")));
    assert_false(json_equal(V("1"), absent));
}

static void test_json_equal_deep(void **state)
{
    enum { DEEPER = JSON_DEPTH_MAX + 1 };
    char a[2 * DEEPER + 2], b[2 * DEEPER + 3];

    (void)state;
    for (int depth = JSON_DEPTH_MAX; depth <= DEEPER; depth++) {
        memset(a, '[', (size_t)depth);
        memset(a + depth, ']', (size_t)depth);
        a[2 * depth] = '\0';
        snprintf(b, sizeof(b), "%.*s %s", depth, a, a + depth);
        assert_int_equal(json_equal(V(a), W(b)), depth == JSON_DEPTH_MAX);
        assert_true(json_equal(V(a), W(a)));
    }
}

static void assert_inside(qmp_value outer, qmp_value inner)
{
    if (inner.text) {
        assert_true(inner.size > 0);
        assert_true(inner.text > outer.text && inner.text + inner.size <= outer.text + outer.size);
    }
}

/* Reads whatever there is to read. */
static void walk(qmp_value v, unsigned depth)
{
    qmp_value key = absent, item = absent;
    char out[512], *string;
    const char *last = v.text;
    uint64_t u;
    int64_t i;
    double d;
    bool b;

    qmp_value_bool(v, &b);
    qmp_value_int64(v, &i);
    qmp_value_uint64(v, &u);
    qmp_value_double(v, &d);
    if (qmp_value_string(v, &string, NULL) == 0)
        free(string);
    assert_true(v.size <= sizeof(out) && json_decode(v, out) <= v.size);
    qmp_value_equals(v, "x\"y");
    json_text_hash(v);
    assert_inside(v, qmp_value_path(v, "data.a\\.b.\\\\.2.0"));
    assert_inside(v, qmp_value_member(v, "id"));
    assert_inside(v, qmp_value_item(v, 1));
    while (qmp_value_next(v, &key, &item)) {
        assert_inside(v, key);
        assert_inside(v, item);
        assert_true(item.text > last);
        last = item.text;
        if (depth < 64)
            walk(item, depth + 1);
    }
}

static void test_damaged(void **state)
{
    static const char damages[] = "\"\\[]{}:, u0-e.\n\x7f\xff";
    size_t size = sizeof(event) - 1;
    char text[sizeof(event)];

    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        walk((qmp_value){guarded(0, event, cut), cut}, 0);
        walk((qmp_value){guarded(0, event + cut, size - cut), size - cut}, 0);
    }
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; i < sizeof(damages); i++) {
            memcpy(text, event, size);
            text[at] = damages[i];
            qmp_value v = {guarded(0, text, size), size};
            walk(v, 0);
            json_equal(v, (qmp_value){guarded(1, event, size), size});
        }
}

static void test_damaged_equal(void **state)
{
    static const char *const texts[] = {"\"", "\"\\", "\"\\u", "\"\\u00", "\"\\ud800", "\"\\ud800\\", "\"\\ud800\\u",
        "\"\\x\"", "[", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "[1", "[,", "[,,", "[[", "-", "1e", "t",
        "n", "}", ":", ",", "{:", "{\"a\" 1}", "{\"a\":}", "{\"a\":,\"b\":1}"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        for (size_t j = 0; j < ELEMENTS(texts); j++) {
            walk(V(texts[i]), 0);
            json_equal(V(texts[i]), W(texts[j]));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_item),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_skip_lengths),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_int64),
        cmocka_unit_test(test_uint64),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_double_comma_locale),
        cmocka_unit_test(test_double_long),
        cmocka_unit_test(test_double_condensed),
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_equals),
        cmocka_unit_test(test_json_equal),
        cmocka_unit_test(test_json_equal_deep),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_damaged_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
