/* SPDX-License-Identifier: MIT */
/* Messages: what is one and what is not and why, what each accessor says for each kind, where memory goes; and the
 * stream, which must make the same messages of the same bytes however they are cut.
 *
 * Every text ends where memory ends. The values inside of messages are the business of the JSON tests. */

#include "message/message.h"

#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "message/stream.h"
#include "util/util.h"
#include "json/validate.h"

#define TEXT_MAX ((size_t)1 << 20)
#define HEADER_MAX ((size_t)160)

/* A copy that ends where memory ends. */
static const char *guarded(const char *bytes, size_t size)
{
    static char *end;

    if (!end) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *map = mmap(NULL, TEXT_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(mprotect(map + TEXT_MAX, page, PROT_NONE), 0);
        end = map + TEXT_MAX;
    }
    assert_true(size <= TEXT_MAX);
    return memcpy(end - size, bytes, size);
}

static qmp_message *parse_sized(const char *text, size_t size)
{
    qmp_message *m = NULL;

    assert_ok(qmp_message_parse(&m, guarded(text, size), size));
    return m;
}

static qmp_message *parse(const char *text)
{
    return parse_sized(text, strlen(text));
}

/* What is no message, why, and at which byte. */
struct refused {
    const char *text;
    int error;
    const char *what;
    size_t at;
};

static const struct refused refused[] = {
    /* no JSON */
    {"", -EBADMSG, "", 0},
    {"  ", -EBADMSG, "", 2},
    {"{", -EBADMSG, "", 1},
    {"{\"return\": }", -EBADMSG, "", 11},
    {"{\"return\": 01}", -EBADMSG, "number", 12},
    {"{\"return\": inf, \"id\": 1}", -EBADMSG, "", 11},
    {"{\"return\": NaN}", -EBADMSG, "", 11},
    {"{\"return\": {}", -EBADMSG, "", 13},
    {"{\"return\": {}}}", -EBADMSG, "after", 14},
    {"{\"return\": {}} {\"return\": {}}", -EBADMSG, "after", 15},
    {" {\"event\": \"A\nB\"}", -EBADMSG, "control", 13},
    {"{\"event\": \"\xff\"}", -EBADMSG, "UTF-8", 11},
    {"{\"event\": \"\\ud800\"}", -EBADMSG, "surrogate", 11},
    {"{'return': {}}", -EBADMSG, "", 1},
    {"{\"return\": {}]", -EBADMSG, "", 13},

    /* no object */
    {"[]", -EPROTO, "object", 0},
    {" [{\"return\": {}}]", -EPROTO, "object", 1},
    {"null", -EPROTO, "object", 0},
    {"\r\n\"return\"", -EPROTO, "object", 2},
    {"17", -EPROTO, "object", 0},

    /* not exactly one of the four */
    {"{}", -EPROTO, "none", 0},
    {"  {\"id\": 1}", -EPROTO, "none", 2},
    {"{\"Return\": {}}", -EPROTO, "none", 0},
    {"{\"return \": {}}", -EPROTO, "none", 0},
    {"{\"retur\": {}}", -EPROTO, "none", 0},
    {"{\"qmp\": {}}", -EPROTO, "none", 0},
    {"{\"x\": {\"return\": {}}}", -EPROTO, "none", 0},
    {"{\"execute\": \"quit\"}", -EPROTO, "none", 0},
    {"{\"data\": {}, \"timestamp\": {}}", -EPROTO, "none", 0},
    {"{\"return\": {}, \"event\": \"STOP\"}", -EPROTO, "more than one", 0},
    {"{\"return\": {}, \"error\": {\"class\": \"C\", \"desc\": \"D\"}}", -EPROTO, "more than one", 0},
    {"{\"QMP\": {}, \"return\": {}}", -EPROTO, "more than one", 0},
    {"{\"QMP\": {}, \"event\": \"STOP\"}", -EPROTO, "more than one", 0},
    {"{\"event\": \"STOP\", \"error\": null}", -EPROTO, "more than one", 0},

    /* a member twice, known or not, however it is written */
    {"{\"return\": 1, \"return\": 1}", -EPROTO, "twice", 14},
    {" {\"return\": 1, \"r\\u0065turn\": 1}", -EPROTO, "twice", 15},
    {"{\"event\": \"A\", \"event\": \"B\"}", -EPROTO, "twice", 15},
    {"{\"\\u0065vent\": \"A\", \"ev\\u0065nt\": \"B\"}", -EPROTO, "twice", 20},
    {"{\"event\": \"A\", \"data\": 1, \"data\": 1}", -EPROTO, "twice", 26},
    {"{\"event\": \"A\", \"timestamp\": 1, \"timestamp\": 1}", -EPROTO, "twice", 31},
    {"{\"return\": 1, \"id\": 1, \"id\": 2}", -EPROTO, "twice", 23},
    {"{\"return\": 1, \"x\": 1, \"y\": 1, \"x\": 1}", -EPROTO, "twice", 30},
    {"{\"x\": 1, \"\\u0078\": 1, \"return\": 1}", -EPROTO, "twice", 9},
    {"{\"\\/\": 1, \"return\": 1, \"/\": 1}", -EPROTO, "twice", 23},
    {"{\"\": 1, \"return\": 1, \"\": 1}", -EPROTO, "twice", 21},
    {"{\"\\ud83d\\ude00\": 1, \"return\": 1, \"😀\": 1}", -EPROTO, "twice", 33},

    /* a name that is none */
    {"{\"event\": 1}", -EPROTO, "name", 10},
    {"{\"event\": null}", -EPROTO, "name", 10},
    {"{\"event\": {}}", -EPROTO, "name", 10},
    {"{\"event\": [\"STOP\"]}", -EPROTO, "name", 10},
    {"{\"data\": {}, \"event\": true}", -EPROTO, "name", 22},
    {"{\"event\": \"\"}", -EPROTO, "empty", 10},
    {"{\"event\": \"\\u0000\"}", -EPROTO, "U+0000", 10},
    {"{\"event\": \"STOP\\u0000\"}", -EPROTO, "U+0000", 10},
    {"{\"event\": \"\\\\\\u00001\\\\\"}", -EPROTO, "U+0000", 10},

    /* an error that is none */
    {"{\"error\": \"GenericError\"}", -EPROTO, "class and desc", 10},
    {"{\"error\": null}", -EPROTO, "class and desc", 10},
    {"{\"error\": {}}", -EPROTO, "class and desc", 10},
    {"{\"error\": [\"class\", \"desc\"]}", -EPROTO, "class and desc", 10},
    {"{\"error\": {\"class\": \"C\"}}", -EPROTO, "class and desc", 10},
    {"{\"error\": {\"desc\": \"D\"}}", -EPROTO, "class and desc", 10},
    {"{\"error\": {\"class\": 1, \"desc\": \"D\"}}", -EPROTO, "class and desc", 10},
    {"{\"id\": 1, \"error\": {\"class\": \"C\", \"desc\": null}}", -EPROTO, "class and desc", 19},
};

static void test_refused(void)
{
    for (unsigned i = 0; i < ELEMENTS(refused); i++) {
        const struct refused *e = &refused[i];
        size_t size = strlen(e->text);
        struct message_flaw flaw = {0};
        qmp_message *m = (qmp_message *)-1;
        int r = message_new(&m, guarded(e->text, size), size, JSON_DEPTH_MAX, &flaw);

        if (r != e->error || !flaw.what || !strstr(flaw.what, e->what) || flaw.at != e->at)
            fail_msg("%s: %d, %s at byte %zu", e->text, r, flaw.what ? flaw.what : "-", flaw.at);
        assert_ptr_equal(m, (qmp_message *)-1);
        assert_error(qmp_message_parse(&m, guarded(e->text, size), size), e->error);
        assert_ptr_equal(m, (qmp_message *)-1);
    }
}

/* A NUL is no end of the text, and no white space. */
static void test_nul_in_text(void)
{
    qmp_message *m = NULL;

    assert_error(qmp_message_parse(&m, guarded("{\"return\": 1}\0", 14), 14), -EBADMSG);
    assert_error(qmp_message_parse(&m, guarded("\0{\"return\": 1}", 14), 14), -EBADMSG);
    assert_error(qmp_message_parse(&m, guarded("{\"event\": \"A\0\"}", 15), 15), -EBADMSG);
}

/* The first message of a text, whatever follows; what was used ends with it. */
static void test_first(void)
{
    static const char *const texts[] = {"{\"return\": 1}", "{\"return\": 1} ", " \r\n{\"return\": 1}{\"event\": \"E\"}",
        "\t{\"return\": 1}x", "{\"return\": 1}}"};

    for (unsigned i = 0; i < ELEMENTS(texts); i++) {
        size_t size = strlen(texts[i]), space = strspn(texts[i], " \t\r\n"), used = SIZE_MAX;
        struct message_flaw flaw;
        qmp_message *m = NULL;

        for (size_t n = 0; n < space + 13; n++) {
            assert_error(message_new_first(&m, guarded(texts[i], n), n, 10, &used, &flaw), -EBADMSG);
            assert_null(m);
            assert_int_equal(used, SIZE_MAX);
            assert_int_equal(flaw.truncated, n > space);
        }
        assert_ok(message_new_first(&m, guarded(texts[i], size), size, 10, &used, &flaw));
        assert_int_equal(used, space + 13);
        assert_value(qmp_message_root(m), "{\"return\": 1}");
        qmp_message_unref(m);
    }
}

/* Everything that an accessor says; NULL is absent. */
static void check_message(const qmp_message *m, enum qmp_kind kind, const char *name, const char *data,
    const char *value, const char *class, const char *desc, const char *id)
{
    const char *const want[] = {name, class, desc};
    const char *const have[] = {qmp_event_name(m), qmp_reply_error_class(m), qmp_reply_error_desc(m)};
    const qmp_value values[] = {qmp_event_data(m), qmp_reply_value(m), message_id(m)};
    const char *const texts[] = {data, value, id};

    assert_int_equal(qmp_message_kind(m), kind);
    assert_int_equal(qmp_message_sequence(m), 0);
    for (unsigned i = 0; i < 3; i++) {
        if (want[i])
            assert_string_equal(have[i], want[i]);
        else
            assert_null(have[i]);
        if (texts[i]) {
            assert_value(values[i], texts[i]);
        } else {
            assert_null(values[i].text);
            assert_int_equal(values[i].size, 0);
            assert_int_equal(qmp_value_type(values[i]), QMP_ABSENT);
        }
    }
}

struct accepted {
    const char *text;
    enum qmp_kind kind;
    const char *name, *data, *value, *class, *desc, *id;
};

static const struct accepted accepted[] = {
    {"{\"QMP\": {\"version\": {}, \"capabilities\": []}}", QMP_GREETING, NULL, NULL, NULL, NULL, NULL, NULL},
    {"{\"QMP\": null}", QMP_GREETING, NULL, NULL, NULL, NULL, NULL, NULL},
    {"{\"QMP\": 1, \"id\": 7, \"data\": 8}", QMP_GREETING, NULL, NULL, NULL, NULL, NULL, "7"},
    {"{\"return\": {}}", QMP_RETURN, NULL, NULL, "{}", NULL, NULL, NULL},
    {"{\"return\" : null , \"id\" : null }", QMP_RETURN, NULL, NULL, "null", NULL, NULL, "null"},
    {"{\"id\": \"a\\\"}\", \"return\": [1, {\"return\": 2}]}", QMP_RETURN, NULL, NULL, "[1, {\"return\": 2}]", NULL,
        NULL, "\"a\\\"}\""},
    {"{\"return\": \"\", \"id\": 18446744073709551615}", QMP_RETURN, NULL, NULL, "\"\"", NULL, NULL,
        "18446744073709551615"},
    {"{\"return\": -0, \"id\": {\"a\": [1,2], \"b\": {}}}", QMP_RETURN, NULL, NULL, "-0", NULL, NULL,
        "{\"a\": [1,2], \"b\": {}}"},
    {"{\"return\": false, \"id\": []}", QMP_RETURN, NULL, NULL, "false", NULL, NULL, "[]"},
    {"{\"return\": 1.5e3, \"id\": true}", QMP_RETURN, NULL, NULL, "1.5e3", NULL, NULL, "true"},
    {"{\"r\\u0065turn\": 1, \"\\u0069d\": -1.5}", QMP_RETURN, NULL, NULL, "1", NULL, NULL, "-1.5"},
    {"{\"return\": 1, \"data\": 2, \"timestamp\": 3, \"unknown\": 4}", QMP_RETURN, NULL, NULL, "1", NULL, NULL, NULL},
    {"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}", QMP_ERROR, NULL, NULL, NULL, "GenericError", "no",
        NULL},
    {"{\"id\": 0, \"error\": {\"desc\": \"\", \"class\": \"\"}}", QMP_ERROR, NULL, NULL, NULL, "", "", "0"},
    {"{\"error\": {\"desc\": \"a\\tb\\u00e9\\ud83d\\ude00\\\"\\/\", \"x\": 1, \"cl\\u0061ss\": \"\\u0043\"}}",
        QMP_ERROR, NULL, NULL, NULL, "C", "a\tb\xc3\xa9\xf0\x9f\x98\x80\"/", NULL},
    {"{\"error\": {\"class\": \"C\\u0000D\", \"desc\": \"up to\\u0000here\"}}", QMP_ERROR, NULL, NULL, NULL, "C",
        "up to", NULL},
    {"{\"event\": \"STOP\"}", QMP_EVENT, "STOP", NULL, NULL, NULL, NULL, NULL},
    {"{\"event\": \"STOP\", \"data\": {}}", QMP_EVENT, "STOP", "{}", NULL, NULL, NULL, NULL},
    {"{\"data\": null, \"event\": \"A\", \"return \": 2}", QMP_EVENT, "A", "null", NULL, NULL, NULL, NULL},
    {"{\"ev\\u0065nt\": \"\\u0041\\\\u0000\", \"d\\u0061ta\": [ 1 ]}", QMP_EVENT, "A\\u0000", "[ 1 ]", NULL, NULL, NULL,
        NULL},
    {"{\"event\": \"é\\u00e9\", \"id\": \"x\", \"data\": \"d\"}", QMP_EVENT, "éé", "\"d\"", NULL, NULL, NULL, "\"x\""},
    {"{\"event\": \"\\u0001\\\\u00001\"}", QMP_EVENT, "\x01\\u00001", NULL, NULL, NULL, NULL, NULL},
};

static void test_accepted(void)
{
    for (unsigned i = 0; i < ELEMENTS(accepted); i++) {
        const struct accepted *e = &accepted[i];
        qmp_message *m = parse(e->text);

        assert_value(qmp_message_root(m), e->text);
        check_message(m, e->kind, e->name, e->data, e->value, e->class, e->desc, e->id);
        assert_null(qmp_message_unref(m));
    }
}

/* The root is the bytes received, without the white space around them, and the message's own. */
static void test_root(void)
{
    static const char bare[] = "{\r\n    \"return\":\t{ \"a\": \"\\u00e9\\/\" }\r\n}";
    char *text;
    qmp_message *m;

    assert_true(asprintf(&text, " \t\r\n%s\n\r\t ", bare) > 0);
    assert_ok(qmp_message_parse(&m, text, strlen(text)));
    memset(text, 'x', strlen(text));
    free(text);
    assert_value(qmp_message_root(m), bare);
    assert_value(qmp_reply_value(m), "{ \"a\": \"\\u00e9\\/\" }");
    qmp_message_unref(m);
}

/* As many members as are located, and one more. */
static void test_members(void)
{
    for (unsigned n = 1; n <= JSON_MEMBERS_MAX + 2; n++) {
        for (unsigned place = 0; place < n; place++) {
            char text[512];
            size_t size = 0;
            qmp_message *m = NULL;
            int r;

            for (unsigned i = 0; i < n; i++)
                size +=
                    (size_t)sprintf(text + size, i == place ? "%c\"return\": %u" : "%c\"m%u\": 0", i ? ',' : '{', i);
            text[size++] = '}';
            r = qmp_message_parse(&m, guarded(text, size), size);
            assert_error(r, n <= JSON_MEMBERS_MAX ? 0 : -EPROTO);
            if (r == 0)
                assert_int_equal(qmp_value_type(qmp_reply_value(m)), QMP_NUMBER);
            qmp_message_unref(m);
        }
    }
}

/* A name that is another in one letter, one shorter or one longer, is another name. */
static void test_names(void)
{
    static const char *const names[] = {"QMP", "return", "error", "event", "data", "timestamp", "id"};

    for (unsigned i = 0; i < ELEMENTS(names); i++) {
        size_t size = strlen(names[i]);

        for (size_t at = 0; at <= size; at++) {
            char near[16], text[128];
            qmp_message *m;

            strcpy(near, names[i]);
            near[at] = at == size ? 'x' : (char)(near[at] ^ 1);
            near[size + 1] = '\0';
            sprintf(text, "{\"%s\": {}, \"%.*s\": [], \"event\": \"E\"}", near, (int)(size - 1), names[i]);
            m = parse(text);
            assert_null(qmp_event_data(m).text);
            assert_null(message_id(m).text);
            assert_error(qmp_event_timestamp(m, &(int64_t){0}), -ENOENT);
            qmp_message_unref(m);
        }
    }
}

static void test_depth(void)
{
    char text[3 * JSON_DEPTH_MAX];

    for (unsigned limit = 2; limit <= JSON_DEPTH_MAX; limit *= 2) {
        for (unsigned above = 0; above < 2; above++) {
            unsigned inner = limit - 1 + above;
            struct message_flaw flaw;
            qmp_message *m = NULL;
            size_t size = (size_t)sprintf(text, "{\"return\":");

            memset(text + size, '[', inner);
            memset(text + size + inner, ']', inner);
            size += (size_t)2 * inner;
            text[size++] = '}';
            assert_error(message_new(&m, guarded(text, size), size, limit, &flaw), above ? -ELOOP : 0);
            m = qmp_message_unref(m);
            if (limit == JSON_DEPTH_MAX)
                assert_error(qmp_message_parse(&m, guarded(text, size), size), above ? -ELOOP : 0);
            qmp_message_unref(m);
        }
    }
}

static void test_timestamps(void)
{
    static const int64_t untouched = -77;
    static const struct {
        const char *timestamp;
        int error;
        int64_t usec;
    } table[] = {
        {"{\"seconds\": 1267020223, \"microseconds\": 435656}", 0, INT64_C(1267020223435656)},
        {"{\"microseconds\": 999999, \"seconds\": 0, \"more\": []}", 0, 999999},
        {"{\"seconds\": 0, \"microseconds\": 0}", 0, 0},
        {"{\"s\\u0065conds\": 4294967296, \"microseconds\": 1}", 0, INT64_C(4294967296000001)},
        {"{\"seconds\": 9000000000000, \"microseconds\": 7}", 0, INT64_C(9000000000000000007)},
        {"{\"seconds\": 9223372036853, \"microseconds\": 999999}", 0, INT64_C(9223372036853999999)},
        {"{\"seconds\": 9223372036855, \"microseconds\": 0}", -EPROTO, 0},
        {"{\"seconds\": 9223372036854775807, \"microseconds\": 0}", -EPROTO, 0},
        {"{\"seconds\": 9223372036854775808, \"microseconds\": 0}", -EPROTO, 0},
        {"{\"seconds\": 18446744073709551615, \"microseconds\": 0}", -EPROTO, 0},
        {"{\"seconds\": -1, \"microseconds\": -1}", -ENOENT, 0},
        {"{\"seconds\": -1, \"microseconds\": 0}", -ENOENT, 0},
        {"{\"seconds\": 0, \"microseconds\": -1}", -ENOENT, 0},
        {"{\"seconds\": -2, \"microseconds\": 0}", -EPROTO, 0},
        {"{\"seconds\": 1, \"microseconds\": -2}", -EPROTO, 0},
        {"{\"seconds\": 1, \"microseconds\": 1000000}", -EPROTO, 0},
        {"{\"seconds\": 1, \"microseconds\": 9223372036854775807}", -EPROTO, 0},
        {"{\"seconds\": \"1\", \"microseconds\": 1}", -EPROTO, 0},
        {"{\"seconds\": 1, \"microseconds\": null}", -EPROTO, 0},
        {"{\"seconds\": 1.5, \"microseconds\": 1}", -EPROTO, 0},
        {"{\"seconds\": 1e3, \"microseconds\": 1}", -EPROTO, 0},
        {"{\"seconds\": 1}", -EPROTO, 0},
        {"{\"microseconds\": 1}", -EPROTO, 0},
        {"{}", -EPROTO, 0},
        {"[]", -EPROTO, 0},
        {"null", -EPROTO, 0},
        {"1267020223", -EPROTO, 0},
        {"\"now\"", -EPROTO, 0},
    };
    int64_t usec = untouched;
    qmp_message *m;

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        char text[256];

        sprintf(text, "{\"timestamp\": %s, \"event\": \"E\"}", table[i].timestamp);
        m = parse(text);
        usec = untouched;
        if (qmp_event_timestamp(m, &usec) != table[i].error)
            fail_msg("%s: %d", text, qmp_event_timestamp(m, &usec));
        assert_int_equal(usec, table[i].error == 0 ? table[i].usec : untouched);
        qmp_message_unref(m);
    }

    usec = untouched;
    m = parse("{\"event\": \"E\"}");
    assert_error(qmp_event_timestamp(m, &usec), -ENOENT);
    qmp_message_unref(m);
    m = parse("{\"return\": 1, \"timestamp\": {\"seconds\": 1, \"microseconds\": 1}}");
    assert_error(qmp_event_timestamp(m, &usec), -ENOENT);
    qmp_message_unref(m);
    assert_int_equal(usec, untouched);
}

static void test_sequence(void)
{
    qmp_message *m = parse("{\"event\": \"E\"}");

    assert_int_equal(qmp_message_sequence(m), 0);
    message_set_sequence(m, UINT64_MAX);
    assert_true(qmp_message_sequence(m) == UINT64_MAX);
    assert_string_equal(qmp_event_name(m), "E");
    qmp_message_unref(m);
}

/* ---- references and memory ---- */

#define THREADS 4u
#define ROUNDS 50000u

static void *take_and_give(void *argument)
{
    qmp_message *m = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (qmp_message_ref(m) != m || strcmp(qmp_event_name(m), "SHARED") != 0)
            return m;
        qmp_message_unref(m);
    }
    return qmp_message_unref(m);
}

static void test_threads(void)
{
    for (unsigned round = 0; round < 4; round++) {
        qmp_message *m = parse("{\"event\": \"SHARED\", \"data\": {\"a\": [1, 2, 3]}}");
        pthread_t threads[THREADS];
        void *result;

        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, qmp_message_ref(m)), 0);
        /* Whoever is last frees. */
        assert_null(qmp_message_unref(m));
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], &result), 0);
            assert_null(result);
        }
    }
}

static void test_unref(void)
{
    qmp_message **array = calloc(3, sizeof(qmp_message *));
    qmp_message *m = parse("{\"return\": {}}");

    assert_non_null(array);
    assert_null(qmp_message_unref(NULL));
    qmp_message_unref_many(NULL, 0);
    assert_ptr_equal(qmp_message_ref(m), m);
    array[0] = m;
    array[1] = qmp_message_ref(m);
    array[2] = parse("{\"event\": \"E\"}");
    qmp_message_unref_many(array, 3);
    assert_value(qmp_message_root(m), "{\"return\": {}}");
    qmp_message_unref(m);
    qmp_message_unref_many(calloc(1, 1), 0);
}

/* A message is one allocation: its text and a header. */
static void test_memory(void)
{
    static const char *const forms[] = {
        "{\"event\": \"BLOCK_IMAGE_CORRUPTED_AND_LONGER_THAN_ANY_NAME\", \"data\": \"%s\"}",
        "{\"return\": \"%s\", \"id\": 1}",
        "{\"QMP\": \"%s\"}",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"what went wrong, in words\"}, \"x\": \"%s\"}",
    };
    static char text[70000], filling[66000];

    for (unsigned i = 0; i < ELEMENTS(forms); i++) {
        for (size_t n = 0; n < sizeof(filling); n = n * 5 / 4 + 1) {
            qmp_message *m;
            size_t size;

            memset(filling, 'x', n);
            filling[n] = '\0';
            size = (size_t)snprintf(text, sizeof(text), forms[i], filling);
            m = parse_sized(text, size);
            assert_in_range(malloc_usable_size(m), size, size + HEADER_MAX);
            qmp_message_unref(m);
        }
    }
}

/* ---- the stream ---- */

struct outcome {
    char *messages; /* their texts and kinds, one a line */
    size_t size;
    int error;
    char what[128];
    size_t pending;
};

/* Feeds the text in pieces; in place where the frame says, or out of memory that is gone afterwards. */
static void stream_all(
    struct outcome *o, const char *text, size_t size, size_t piece, bool in_place, size_t size_max, unsigned depth_max)
{
    FILE *log = open_memstream(&o->messages, &o->size);
    char scratch[512];
    struct frame f;

    assert_non_null(log);
    frame_init(&f, size_max, depth_max);
    o->error = 0;
    o->what[0] = '\0';
    for (size_t at = 0, n; at < size && o->error == 0; at += n) {
        struct stream_flaw flaw = {0};
        const char *data;
        qmp_message *m = NULL;
        size_t left, room = piece;
        char *space = NULL;

        if (in_place) {
            assert_ok(frame_space(&f, scratch, sizeof(scratch), &space, &room));
            assert_true(room > 0);
            room = MIN(room, piece);
        }
        n = left = MIN(room, size - at);
        data = in_place ? memcpy(space, text + at, n) : guarded(text + at, n);
        while ((o->error = stream_next(&f, &data, &left, &m, &flaw)) > 0) {
            qmp_value root = qmp_message_root(m);

            fprintf(log, "%d %.*s\n", (int)qmp_message_kind(m), (int)root.size, root.text);
            m = qmp_message_unref(m);
        }
        assert_null(m);
        if (o->error < 0) {
            if (o->error == -EBADMSG || o->error == -EPROTO)
                assert_non_null(flaw.what);
            assert_true(flaw.text && flaw.size > 0 && flaw.size <= size);
            snprintf(o->what, sizeof(o->what), "%s", flaw.what ? flaw.what : "");
            /* The bytes of the flaw are bytes of the stream. */
            assert_non_null(memmem(text, size, flaw.text, flaw.size));
        } else {
            assert_int_equal(left, 0);
        }
    }
    o->pending = frame_pending(&f);
    frame_done(&f);
    assert_int_equal(fclose(log), 0);
}

/* What comes out is the same however the text is cut, but for the moment: what is wrong inside of a message may be seen
 * before its end, or only there. */
static void check_stream(const char *text, size_t size, size_t piece, size_t size_max, unsigned depth_max)
{
    struct outcome whole, cut;

    stream_all(&whole, text, size, SIZE_MAX, false, size_max, depth_max);
    for (unsigned in_place = 0; in_place < 2; in_place++) {
        stream_all(&cut, text, size, piece, in_place, size_max, depth_max);
        if (whole.size != cut.size || memcmp(whole.messages, cut.messages, cut.size) != 0 ||
            (cut.error != whole.error && !(whole.error < 0 && cut.error == 0 && cut.pending > 0)))
            fail_msg("pieces of %zu, in place %u: %d and %d, \"%s\" and \"%s\", of\n%.*s\n%s---\n%s", piece, in_place,
                whole.error, cut.error, whole.what, cut.what, (int)size, text, whole.messages, cut.messages);
        if (whole.error == 0)
            assert_int_equal(whole.pending, cut.pending);
        free(cut.messages);
    }
    free(whole.messages);
}

static void test_stream(void)
{
    static const char *const texts[] = {
        "{\"return\": {}}{\"event\": \"A\"}\r\n{\"QMP\": 1}  ",
        "{\"event\": \"A\\\"}\", \"data\": \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\ud83d\\ude00\"}",
        "{\"event\": \"A\"} {\"return\": [-0.5e+10, true, false, null]}",
        "{\"return\": {}}x",
        "{\"return\": {}}]",
        "[{\"return\": {}}]",
        "{\"return\": {}} 12",
        "{\"return\": {}}{\"id\": 1}{\"event\": \"A\"}",
        "{\"return\": tru}{\"event\": \"A\"}",
        "{\"return\": 01}{\"event\": \"A\"}",
        "{\"return\": -}{\"event\": \"A\"}",
        "{\"return\": \"\\ud83d\"}{\"event\": \"A\"}",
        "{\"return\": \"\xe2\x82\"}{\"event\": \"A\"}",
        "{\"return\": \"\\u00\"}{\"event\": \"A\"}",
        "{\"return\": 1, \"return\": 2}{\"event\": \"A\"}",
        "{\"return\": }{\"event\": \"A\"}",
        "{\\\"}{\"event\": \"A\"}",
        "{]{\"event\": \"A\"}",
        "{\"return\": {\"half\": [1, 2",
    };

    for (unsigned i = 0; i < ELEMENTS(texts); i++)
        for (size_t piece = 1; piece <= strlen(texts[i]); piece++)
            check_stream(texts[i], strlen(texts[i]), piece, 1000, 20);
}

static void test_stream_limits(void)
{
    static const char text[] = "{\"return\": 1}{\"return\": [[[[1]]]], \"id\": 17}{\"return\": 2}";

    for (size_t size_max = 1; size_max < sizeof(text); size_max++)
        for (size_t piece = 1; piece < sizeof(text); piece++)
            check_stream(text, sizeof(text) - 1, piece, size_max, 10);
    for (unsigned depth_max = 1; depth_max < 8; depth_max++)
        for (size_t piece = 1; piece < sizeof(text); piece++)
            check_stream(text, sizeof(text) - 1, piece, 1000, depth_max);
}

/* Recorded transcripts, as they are and with one byte changed. */
static void test_stream_transcripts(void)
{
    static char text[TEXT_MAX];
    DIR *folder = opendir(TRANSCRIPTS);
    unsigned seed = getenv("STREAM_SEED") ? (unsigned)atoi(getenv("STREAM_SEED")) : (unsigned)check_now();
    struct dirent *entry;
    unsigned n = 0;

    print_message("STREAM_SEED=%u\n", seed);
    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        char *path;
        FILE *file;
        size_t size;

        if (!strstr(entry->d_name, ".qmp"))
            continue;
        assert_true(asprintf(&path, "%s/%s", TRANSCRIPTS, entry->d_name) > 0);
        file = fopen(path, "rb");
        assert_non_null(file);
        size = fread(text, 1, sizeof(text), file);
        fclose(file);
        free(path);
        for (size_t piece = 1; piece < 2000; piece = piece * 5 / 4 + 1)
            check_stream(text, size, piece, TEXT_MAX, JSON_DEPTH_MAX);
        for (unsigned i = 0; i < 1000 && size < 10000; i++) {
            static const char bytes[] = "{}[]\"\\,: x0\xff\x01";
            size_t at = (size_t)rand_r(&seed) % size;
            char before = text[at];

            text[at] = bytes[(size_t)rand_r(&seed) % sizeof(bytes)];
            check_stream(text, size, 1 + (size_t)rand_r(&seed) % 300, TEXT_MAX, JSON_DEPTH_MAX);
            text[at] = before;
        }
        n++;
    }
    closedir(folder);
    assert_true(n >= 10);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_refused),
    CHECK_TEST(test_nul_in_text),
    CHECK_TEST(test_first),
    CHECK_TEST(test_accepted),
    CHECK_TEST(test_root),
    CHECK_TEST(test_members),
    CHECK_TEST(test_names),
    CHECK_TEST(test_depth),
    CHECK_TEST(test_timestamps),
    CHECK_TEST(test_sequence),
    CHECK_TEST(test_threads),
    CHECK_TEST(test_unref),
    CHECK_TEST(test_memory),
    CHECK_TEST(test_stream),
    CHECK_TEST(test_stream_limits),
    CHECK_TEST(test_stream_transcripts),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
