/* SPDX-License-Identifier: MIT */

/* Hostile captures cost little: what replay looks at grows with the size of the capture, times a logarithm.
 *
 * The work is counted, not timed: every byte that the library is asked to look at while a value is taken apart, and
 * every look at a type. The linker puts the functions that count in front of the library's. It knows nothing of what is
 * replayed: the part 'replay' does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check.h"
#include "order.h"
#include "player.h"
#include "script.h"

/* Messages of a capture, members of an object. */
#define MANY ((size_t)4096)
#define LINE_MAX_BYTES 128

static size_t work;

enum qmp_type __real_qmp_value_type(qmp_value v);
enum qmp_type __wrap_qmp_value_type(qmp_value v);
enum qmp_type __wrap_qmp_value_type(qmp_value v)
{
    work++;
    return __real_qmp_value_type(v);
}

qmp_value __real_qmp_value_member(qmp_value v, const char *name);
qmp_value __wrap_qmp_value_member(qmp_value v, const char *name);
qmp_value __wrap_qmp_value_member(qmp_value v, const char *name)
{
    work += v.size;
    return __real_qmp_value_member(v, name);
}

bool __real_qmp_value_next(qmp_value container, qmp_value *key, qmp_value *item);
bool __wrap_qmp_value_next(qmp_value container, qmp_value *key, qmp_value *item);
bool __wrap_qmp_value_next(qmp_value container, qmp_value *key, qmp_value *item)
{
    bool ret = __real_qmp_value_next(container, key, item);

    work += item->size + 1;
    return ret;
}

/* What n log n may be for `n` bytes: a few looks at each of them in every comparison of a sorting. */
static size_t bound(size_t n)
{
    size_t logarithm = 1;

    for (size_t i = n; i > 1; i /= 2)
        logarithm++;
    return 16 * n * logarithm;
}

/* ---- captures ---- */

/* MANY messages of the client, then as many of the server, whose numbers go down. */
struct capture {
    struct recording recording;
    char (*lines)[LINE_MAX_BYTES];
    size_t size;
};

static void capture_add(struct capture *c, bool from_server, const char *format, size_t number)
{
    char *line = c->lines[c->recording.n];
    struct record *record = &c->recording.records[c->recording.n++];

    snprintf(line, LINE_MAX_BYTES, format, number, number);
    *record = (struct record){.kind = RECORD_MESSAGE, .from_server = from_server, .text = line, .size = strlen(line)};
    c->size += record->size;
}

static void capture_make(struct capture *c, const char *commands, const char *replies)
{
    *c = (struct capture){.lines = calloc(2 * MANY, sizeof(*c->lines))};
    c->recording.records = calloc(2 * MANY, sizeof(*c->recording.records));
    assert_non_null(c->lines);
    assert_non_null(c->recording.records);
    for (size_t i = 0; i < MANY; i++)
        capture_add(c, /* from_server= */ false, commands, i);
    for (size_t i = 0; i < MANY; i++)
        capture_add(c, /* from_server= */ true, replies, MANY - 1 - i);
}

static void capture_done(struct capture *c)
{
    free(c->recording.records);
    free(c->lines);
}

static void test_pairs(void)
{
    struct capture c;
    struct script s;

    capture_make(&c, "{\"execute\": \"c%zu\", \"id\": %zu}", "{\"return\": %zu, \"id\": \"%zu\"}");
    work = 0;
    assert_true(script_make(&s, &c.recording));
    assert_true(work < bound(c.size));
    for (size_t i = 0; i < s.n_steps; i++)
        assert_int_equal(s.steps[i].pair, STEP_NONE); /* numbers are no strings */
    script_done(&s);
    capture_done(&c);

    capture_make(&c, "{\"execute\": \"c%zu\", \"id\": %zu}", "{\"return\": %zu, \"id\": %zu}");
    work = 0;
    assert_true(script_make(&s, &c.recording));
    assert_true(work < bound(c.size));
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(s.steps[i].pair, 2 * MANY - 1 - i);
    script_done(&s);
    capture_done(&c);
}

/* Every command of a client, from the last to the first, so that each is to be looked for again; then as many that are
 * nowhere. */
static void test_commands(void)
{
    struct buffer out = {0};
    struct player player;
    struct capture c;
    struct script s;

    capture_make(&c, "{\"execute\": \"c%zu\", \"arguments\": {\"n\": %zu}}", "{\"return\": %zu, \"more\": %zu}");
    assert_true(script_make(&s, &c.recording));
    assert_int_equal(s.n_sessions, 1);
    assert_true(player_begin(&player, &s, 0, &out));
    work = 0;
    for (size_t i = 2 * MANY; i-- > 0;) {
        char line[LINE_MAX_BYTES];
        struct piece piece = {RECORD_MESSAGE, line, 0};
        bool known;
        snprintf(line, sizeof(line), "{\"execute\": \"c%zu\", \"arguments\": {\"n\": %zu}}", i, i);
        piece.size = strlen(line);
        buffer_consume(&out, out.size);
        assert_true(player_hear(&player, &piece, &out, &known));
        assert_int_equal(known, i < MANY);
    }
    assert_true(work < bound(2 * c.size));
    buffer_done(&out);
    script_done(&s);
    capture_done(&c);
}

/* ---- values ---- */

static char *object_make(bool backwards)
{
    char *text = malloc(MANY * LINE_MAX_BYTES), *end = text;

    assert_non_null(text);
    *end++ = '{';
    for (size_t i = 0; i < MANY; i++)
        end += sprintf(end, "%s\"member%zu\": 1", i > 0 ? ", " : "", backwards ? MANY - 1 - i : i);
    strcpy(end, "}");
    return text;
}

static void test_objects(void)
{
    char *forwards = object_make(/* backwards= */ false), *backwards = object_make(/* backwards= */ true);
    qmp_value a = {forwards, strlen(forwards)}, b = {backwards, strlen(backwards)};

    work = 0;
    assert_true(order_equal(a, b));
    assert_true(work < bound(a.size + b.size));
    free(forwards);
    free(backwards);
}

/* Values in their order; those in one row are the same. */
static void test_order(void)
{
    static const char *const rows[][3] = {
        {"{}", "{ }", NULL},
        {"{\"a\": 1, \"b\": 2}", "{\"b\":2,\"\\u0061\":1}", NULL},
        {"{\"a\": 2}", NULL, NULL},
        {"[]", NULL, NULL},
        {"[1]", "[1.0]", NULL},
        {"[1, 1]", NULL, NULL},
        {"\"a\"", "\"\\u0061\"", NULL},
        {"\"ab\"", NULL, NULL},
        {"0", "-0", "0.0"},
        {"0.5", "5e-1", NULL},
        {"100", "1e2", "100.0"},
        {"10000000000000000000", "1e19", NULL},
        {"10000000000000000001", NULL, NULL},
        {"false", NULL, NULL},
        {"true", NULL, NULL},
        {"null", NULL, NULL},
    };
    const size_t n = sizeof(rows) / sizeof(rows[0]);

    for (size_t i = 0; i < n * n * 9; i++) {
        const char *a = rows[i / 9 / n][i / 3 % 3], *b = rows[i / 9 % n][i % 3];
        bool failed = false, failed_back = false;
        int there, back;
        if (a == NULL || b == NULL)
            continue;
        there = order_values((qmp_value){a, strlen(a)}, (qmp_value){b, strlen(b)}, &failed);
        back = order_values((qmp_value){b, strlen(b)}, (qmp_value){a, strlen(a)}, &failed_back);
        assert_false(failed || failed_back);
        assert_int_equal(there == 0, i / 9 / n == i / 9 % n);
        assert_true((there < 0) == (back > 0) && (there > 0) == (back < 0));
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_pairs),
    CHECK_TEST(test_commands),
    CHECK_TEST(test_objects),
    CHECK_TEST(test_order),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
