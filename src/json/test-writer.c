/* SPDX-License-Identifier: MIT */
/* The writer: what it writes, what it refuses, that the first failure sticks, and that doubles come back. */

#include "json/test-json.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "util/util.h"
#include "json/writer.h"

static qmp_writer *new_writer(void)
{
    qmp_writer *w = NULL;

    assert_int_equal(qmp_writer_new(&w), 0);
    assert_non_null(w);
    return w;
}

static void check_finish(qmp_writer *w, int r, const char *expected)
{
    const char *text = "untouched";

    assert_int_equal(qmp_writer_finish(w, &text), r);
    assert_string_equal(text, r < 0 ? "untouched" : expected);
    assert_int_equal(qmp_writer_finish(w, &text), r);
    assert_null(qmp_writer_free(w));
}

static void test_document(void **state)
{
    qmp_writer *w;

    (void)state;
    w = new_writer();
    qmp_writer_begin_object(w, NULL);
    qmp_writer_string(w, "job-id", "job \"1\"\n");
    qmp_writer_int64(w, "low", INT64_MIN);
    qmp_writer_uint64(w, "high", UINT64_MAX);
    qmp_writer_bool(w, "yes", true);
    qmp_writer_bool(w, "no", false);
    qmp_writer_null(w, "nothing");
    qmp_writer_begin_array(w, "items");
    qmp_writer_int64(w, NULL, -1);
    qmp_writer_string_sized(w, NULL, "a\0b", 3);
    qmp_writer_string_sized(w, NULL, "", 0);
    qmp_writer_begin_object(w, NULL);
    qmp_writer_end(w);
    qmp_writer_begin_array(w, NULL);
    qmp_writer_end(w);
    qmp_writer_end(w);
    qmp_writer_json(w, "raw", " {\"x\" : [1, 2]}\r\n");
    qmp_writer_double(w, "é\t", 0.5);
    qmp_writer_end(w);
    check_finish(w, 0,
        "{\"job-id\":\"job \\\"1\\\"\\n\",\"low\":-9223372036854775808,\"high\":18446744073709551615,"
        "\"yes\":true,\"no\":false,\"nothing\":null,\"items\":[-1,\"a\\u0000b\",\"\",{},[]],"
        "\"raw\":{\"x\" : [1, 2]},\"é\\t\":0.5}");
}

static void test_scalars(void **state)
{
    qmp_writer *w;

    (void)state;
    w = new_writer();
    qmp_writer_null(w, NULL);
    check_finish(w, 0, "null");
    w = new_writer();
    qmp_writer_string(w, NULL, "[");
    check_finish(w, 0, "\"[\"");
    w = new_writer();
    qmp_writer_begin_array(w, NULL);
    qmp_writer_string(w, NULL, "[");
    qmp_writer_string(w, NULL, ":");
    qmp_writer_end(w);
    check_finish(w, 0, "[\"[\",\":\"]");
    w = new_writer();
    qmp_writer_begin_object(w, NULL);
    qmp_writer_string(w, "", "");
    qmp_writer_end(w);
    check_finish(w, 0, "{\"\":\"\"}");
    assert_null(qmp_writer_free(NULL));
}

static void nothing(qmp_writer *w)
{
    (void)w;
}

static void key_at_top(qmp_writer *w)
{
    qmp_writer_int64(w, "a", 1);
}

static void key_in_array(qmp_writer *w)
{
    qmp_writer_begin_array(w, NULL);
    qmp_writer_int64(w, "a", 1);
    qmp_writer_end(w);
}

static void no_key(qmp_writer *w)
{
    qmp_writer_begin_object(w, NULL);
    qmp_writer_int64(w, NULL, 1);
    qmp_writer_end(w);
}

static void no_key_container(qmp_writer *w)
{
    qmp_writer_begin_object(w, NULL);
    qmp_writer_begin_array(w, NULL);
    qmp_writer_end(w);
    qmp_writer_end(w);
}

static void end_at_top(qmp_writer *w)
{
    qmp_writer_end(w);
    qmp_writer_null(w, NULL);
}

static void end_twice(qmp_writer *w)
{
    qmp_writer_begin_array(w, NULL);
    qmp_writer_end(w);
    qmp_writer_end(w);
}

static void second_document(qmp_writer *w)
{
    qmp_writer_null(w, NULL);
    qmp_writer_null(w, NULL);
}

static void second_container(qmp_writer *w)
{
    qmp_writer_begin_array(w, NULL);
    qmp_writer_end(w);
    qmp_writer_begin_array(w, NULL);
    qmp_writer_end(w);
}

static void open_container(qmp_writer *w)
{
    qmp_writer_begin_array(w, NULL);
}

static void bad_string(qmp_writer *w)
{
    qmp_writer_string(w, NULL, "a\xff");
}

static void bad_noncharacter(qmp_writer *w)
{
    qmp_writer_string(w, NULL, "\xef\xbf\xbf");
}

static void null_string(qmp_writer *w)
{
    qmp_writer_string(w, NULL, NULL);
}

static void bad_key(qmp_writer *w)
{
    qmp_writer_begin_object(w, NULL);
    qmp_writer_null(w, "\xed\xa0\x80");
    qmp_writer_end(w);
}

static void infinite(qmp_writer *w)
{
    qmp_writer_double(w, NULL, -HUGE_VAL);
}

static void not_a_number(qmp_writer *w)
{
    qmp_writer_double(w, NULL, (double)NAN);
}

static void json_none(qmp_writer *w)
{
    qmp_writer_json(w, NULL, NULL);
}

static void json_empty(qmp_writer *w)
{
    qmp_writer_json(w, NULL, " ");
}

static void json_two(qmp_writer *w)
{
    qmp_writer_begin_array(w, NULL);
    qmp_writer_json(w, NULL, "1],[2");
    qmp_writer_end(w);
}

static void json_refused(qmp_writer *w)
{
    qmp_writer_json(w, NULL, "1e400");
}

static void json_key_missing(qmp_writer *w)
{
    qmp_writer_begin_object(w, NULL);
    qmp_writer_json(w, NULL, "\"a\":1");
    qmp_writer_end(w);
}

static void key_key(qmp_writer *w)
{
    qmp_writer_begin_object(w, NULL);
    writer_key(w, "a", 1);
    qmp_writer_null(w, "b");
    qmp_writer_end(w);
}

static void key_end(qmp_writer *w)
{
    qmp_writer_begin_object(w, NULL);
    writer_key(w, "a", 1);
    qmp_writer_end(w);
}

static void first_counts(qmp_writer *w)
{
    qmp_writer_json(w, NULL, "nope");
    qmp_writer_end(w);
    writer_key(w, "a", 1);
    qmp_writer_string(w, NULL, "\xff");
}

static void test_misuse(void **state)
{
    static const struct {
        void (*write)(qmp_writer *w);
        int error;
    } cases[] = {
        {nothing, -EINVAL},
        {key_at_top, -EINVAL},
        {key_in_array, -EINVAL},
        {no_key, -EINVAL},
        {no_key_container, -EINVAL},
        {end_at_top, -EINVAL},
        {end_twice, -EINVAL},
        {second_document, -EINVAL},
        {second_container, -EINVAL},
        {open_container, -EINVAL},
        {bad_string, -EINVAL},
        {bad_noncharacter, -EINVAL},
        {null_string, -EINVAL},
        {bad_key, -EINVAL},
        {infinite, -EINVAL},
        {not_a_number, -EINVAL},
        {json_none, -EINVAL},
        {json_empty, -EBADMSG},
        {json_two, -EBADMSG},
        {json_refused, -EINVAL},
        {json_key_missing, -EINVAL},
        {key_key, -EINVAL},
        {key_end, -EINVAL},
        {first_counts, -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        qmp_writer *w = new_writer();
        cases[i].write(w);
        check_finish(w, cases[i].error, NULL);
    }
}

/* A failure after the end leaves the finished text where it is. */
static void test_text_stays(void **state)
{
    qmp_writer *w = new_writer();
    const char *text, *again;

    (void)state;
    qmp_writer_null(w, NULL);
    assert_int_equal(qmp_writer_finish(w, &text), 0);
    for (int i = 0; i < 1000; i++)
        qmp_writer_string(w, NULL, "more and more and more and more");
    assert_string_equal(text, "null");
    assert_int_equal(qmp_writer_finish(w, &again), -EINVAL);
    qmp_writer_free(w);
}

static void nest(qmp_writer *w, unsigned depth, const char *inner)
{
    for (unsigned i = 0; i < depth; i++)
        if (i % 2)
            qmp_writer_begin_object(w, NULL);
        else
            qmp_writer_begin_array(w, i > 0 ? "a" : NULL);
    if (inner)
        qmp_writer_json(w, depth % 2 ? NULL : "a", inner);
    for (unsigned i = 0; i < depth; i++)
        qmp_writer_end(w);
}

static void test_depth(void **state)
{
    qmp_writer *w = new_writer();
    const char *text;

    (void)state;
    nest(w, JSON_DEPTH_MAX, NULL);
    assert_int_equal(qmp_writer_finish(w, &text), 0);
    assert_int_equal(qmp_json_check(text, strlen(text), NULL, NULL), 0);
    qmp_writer_free(w);

    w = new_writer();
    nest(w, JSON_DEPTH_MAX + 1, NULL);
    check_finish(w, -ELOOP, NULL);

    w = new_writer();
    nest(w, JSON_DEPTH_MAX - 1, "[]");
    assert_int_equal(qmp_writer_finish(w, &text), 0);
    qmp_writer_free(w);

    w = new_writer();
    nest(w, JSON_DEPTH_MAX - 1, "[[]]");
    check_finish(w, -ELOOP, NULL);

    w = new_writer();
    nest(w, JSON_DEPTH_MAX, "1");
    assert_int_equal(qmp_writer_finish(w, &text), 0);
    qmp_writer_free(w);
}

static void test_size(void **state)
{
    size_t size = WRITER_SIZE_MAX - 2;
    char *big = malloc(size + 2);
    const char *text;

    (void)state;
    assert_non_null(big);
    memset(big, 'x', size + 1);
    big[size] = '\0';
    qmp_writer *w = new_writer();
    qmp_writer_string(w, NULL, big);
    assert_int_equal(qmp_writer_finish(w, &text), 0);
    assert_int_equal(strlen(text), WRITER_SIZE_MAX);
    qmp_writer_free(w);

    big[size] = 'x';
    big[size + 1] = '\0';
    w = new_writer();
    qmp_writer_string(w, NULL, big);
    check_finish(w, -EMSGSIZE, NULL);

    big[0] = '\n';
    big[size] = '\0';
    w = new_writer();
    qmp_writer_string(w, NULL, big);
    check_finish(w, -EMSGSIZE, NULL);
    free(big);
}

/* Strings around every size at which the buffer grows. */
static void test_growth(void **state)
{
    char value[1200], expected[1210];

    (void)state;
    for (size_t size = 0; size < sizeof(value) - 1; size++) {
        memset(value, 'v', size);
        value[size] = '\0';
        snprintf(expected, sizeof(expected), "[\"%s\",1]", value);
        qmp_writer *w = new_writer();
        qmp_writer_begin_array(w, NULL);
        qmp_writer_string(w, NULL, value);
        qmp_writer_int64(w, NULL, 1);
        qmp_writer_end(w);
        check_finish(w, 0, expected);
    }
}

static void check_double(double value, const char *expected)
{
    qmp_writer *w = new_writer();
    const char *text;
    qmp_value v;
    double back;

    qmp_writer_double(w, NULL, value);
    assert_int_equal(qmp_writer_finish(w, &text), 0);
    if (expected)
        assert_string_equal(text, expected);
    assert_int_equal(qmp_json_check(text, strlen(text), &v, NULL), 0);
    assert_int_equal(qmp_value_double(v, &back), 0);
    if (memcmp(&back, &value, sizeof(back)) != 0)
        fail_msg("%a comes back as %a from %s", value, back, text);
    qmp_writer_free(w);
}

static void check_doubles(void)
{
    uint64_t random = 88172645463325252;
    double value;

    check_double(0.0, "0");
    check_double(-0.0, "-0");
    check_double(1.0, "1");
    check_double(-1000.0, "-1000");
    check_double(0.1, "0.1");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1.5, "1.5");
    check_double(1e22, "1e+22");
    check_double(9007199254740993.0, NULL);
    check_double(18446744073709551616.0, NULL);
    check_double(DBL_MAX, "1.7976931348623157e+308");
    check_double(DBL_MIN, NULL);
    check_double(5e-324, NULL);
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        memcpy(&value, &random, sizeof(value));
        if (isfinite(value))
            check_double(value, NULL);
    }
}

static void test_doubles(void **state)
{
    (void)state;
    check_doubles();
}

static void test_doubles_comma_locale(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_text_stays),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_doubles_comma_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
