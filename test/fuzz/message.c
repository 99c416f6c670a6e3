/* SPDX-License-Identifier: MIT */
/* Messages: every reader of a text agrees with every other one, and with the plain reference.
 *
 * The text goes through the validator, the validator of what is sent, the fast one, the maker of messages, and the
 * stream, whole and cut. What one of them accepts, the others accept or refuse for a named reason; offsets and slices
 * are the same; the start of a text is never blamed for what its end may still mend; and of whatever became a message,
 * every accessor tells what the text says.
 *
 * The input: the depth allowed (1 byte, 0 is all), where to cut the text short (1 byte, in 256ths), the cuts, the text.
 */

#include "reference.h"

#include <errno.h>

#include "message/message.h"
#include "message/stream.h"
#include "json/fast.h"
#include "json/validate.h"
#include "json/value.h"

#define STREAM_SIZE_MAX ((size_t)1 << 16)

static qmp_value slice(const char *text, size_t at, size_t size)
{
    return (qmp_value){text + at, size};
}

static bool same(qmp_value a, qmp_value b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.text, b.text, a.size) == 0);
}

static void require_same_scan(const struct json_scan *a, const struct json_scan *b)
{
    REQUIRE(a->flaw == b->flaw && a->value == b->value && a->value_size == b->value_size);
    REQUIRE(a->n_members == b->n_members);
    for (size_t i = 0; i < a->n_members && i < JSON_MEMBERS_MAX; i++) {
        REQUIRE(a->members[i].key == b->members[i].key && a->members[i].key_size == b->members[i].key_size);
        REQUIRE(a->members[i].value == b->members[i].value && a->members[i].value_size == b->members[i].value_size);
    }
}

/* The members that the scan located are those that an iteration finds. */
static void check_members(const char *text, const struct json_scan *scan)
{
    qmp_value root = slice(text, scan->value, scan->value_size), key = {NULL, 0}, item = {NULL, 0};
    size_t n = 0;

    if (qmp_value_type(root) != QMP_OBJECT) {
        REQUIRE(scan->n_members == 0);
        return;
    }
    for (; qmp_value_next(root, &key, &item); n++) {
        const struct json_member *m = n < JSON_MEMBERS_MAX ? &scan->members[n] : NULL;

        REQUIRE(!m || (key.text == text + m->key && key.size == m->key_size));
        REQUIRE(!m || (item.text == text + m->value && item.size == m->value_size));
    }
    REQUIRE(n == scan->n_members);
}

/* The two validators, the one of what is sent, and the reference. */
static int check_validators(const char *text, size_t size, unsigned depth_max, struct json_scan *scan)
{
    struct dump dump = {0};
    struct reference reference = {text, text + size, depth_max, false, false, &dump};
    struct json_scan other;
    bool fine = reference_document(&reference);
    int r = json_validate(text, size, depth_max, 0, scan), q;

    REQUIRE(r == 0 || r == -EBADMSG || r == -ELOOP);
    REQUIRE((r == 0) == fine);
    REQUIRE((r == -ELOOP) == reference.too_deep);
    REQUIRE((scan->flaw == JSON_SURROGATE) == reference.lone_surrogate);
    REQUIRE((r == 0) == (scan->flaw == JSON_FINE) && scan->at <= size);
    if (r == 0)
        check_members(text, scan);

    q = json_validate(text, size, depth_max, JSON_FOR_QEMU, &other);
    if (q == 0 || q == -EBADMSG || q == -ELOOP) {
        REQUIRE(q == r && other.at == scan->at);
        require_same_scan(scan, &other);
    } else {
        REQUIRE(q == -EINVAL);
        REQUIRE(other.flaw == JSON_SURROGATE
                    ? scan->flaw == JSON_SURROGATE && other.at == scan->at
                    : other.flaw == JSON_NONCHARACTER || other.flaw == JSON_RANGE || other.flaw == JSON_ZERO);
    }
    if (json_validate_fast(text, size, depth_max, &other)) {
        REQUIRE(r == 0 || scan->flaw == JSON_TRAILING);
        REQUIRE(other.value + other.value_size <= size);
        if (r == 0)
            require_same_scan(scan, &other);
    }
    q = json_validate_for_qemu(text, size, depth_max, &other);
    REQUIRE(r == 0 ? q == 0 || q == -EINVAL : q == r || q == -EINVAL);
    dump_done(&dump);
    return r;
}

/* The start of an object is truncated, or as flawed as the whole. */
static void check_start(const char *text, size_t size, size_t start, unsigned depth_max, const struct json_scan *whole)
{
    char *copy = input_copy(text, start);
    struct json_scan scan;

    if (json_validate(copy, start, depth_max, 0, &scan) < 0 && scan.flaw != JSON_TRUNCATED && scan.flaw != JSON_EMPTY) {
        REQUIRE(scan.flaw == whole->flaw);
        REQUIRE(scan.at == whole->at);
    }
    if (whole->flaw == JSON_FINE && start < whole->value + whole->value_size)
        REQUIRE(scan.flaw == JSON_TRUNCATED || scan.flaw == JSON_EMPTY);
    REQUIRE(start <= size);
    free(copy);
}

/* A C string that an accessor handed out: the decoded value, as far as a NUL. */
static void check_string(const char *actual, qmp_value v)
{
    char *decoded = NULL;
    size_t size = 0;

    REQUIRE(qmp_value_string(v, &decoded, &size) == 0);
    REQUIRE(strlen(decoded) <= size);
    REQUIRE(actual && strcmp(actual, decoded) == 0);
    free(decoded);
}

static void check_timestamp(const qmp_message *m, qmp_value timestamp)
{
    int64_t seconds = 0, microseconds = 0, usec = 0;
    int r = qmp_event_timestamp(m, &usec);
    bool fits = qmp_value_int64(qmp_value_member(timestamp, "seconds"), &seconds) == 0 &&
                qmp_value_int64(qmp_value_member(timestamp, "microseconds"), &microseconds) == 0;

    REQUIRE(r == 0 || r == -ENOENT || r == -EPROTO);
    if (r == 0)
        REQUIRE(fits && seconds >= 0 && microseconds >= 0 && microseconds < 1000000 && usec / 1000000 == seconds &&
                usec % 1000000 == microseconds);
}

static void check_message(const qmp_message *m, qmp_value text)
{
    static const char *const members[] = {
        [QMP_GREETING] = "QMP", [QMP_RETURN] = "return", [QMP_ERROR] = "error", [QMP_EVENT] = "event"};
    qmp_value root = qmp_message_root(m);
    enum qmp_kind kind = qmp_message_kind(m);

    REQUIRE(same(root, text));
    for (unsigned i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        REQUIRE((qmp_value_type(qmp_value_member(root, members[i])) != QMP_ABSENT) == (i == kind));
    REQUIRE(same(message_id(m), qmp_value_member(root, "id")));
    REQUIRE(qmp_message_sequence(m) == 0);
    REQUIRE(same(qmp_reply_value(m), qmp_value_member(root, "return")));
    REQUIRE((qmp_event_name(m) != NULL) == (kind == QMP_EVENT));
    REQUIRE((qmp_reply_error_class(m) != NULL) == (kind == QMP_ERROR));
    REQUIRE((qmp_reply_error_desc(m) != NULL) == (kind == QMP_ERROR));
    if (kind == QMP_EVENT) {
        check_string(qmp_event_name(m), qmp_value_member(root, "event"));
        REQUIRE(*qmp_event_name(m) != '\0');
        REQUIRE(same(qmp_event_data(m), qmp_value_member(root, "data")));
        REQUIRE(same(message_path(m, "data.id"), qmp_value_path(root, "data.id")));
        check_timestamp(m, qmp_value_member(root, "timestamp"));
    } else {
        REQUIRE(!qmp_event_data(m).text);
        REQUIRE(qmp_event_timestamp(m, &(int64_t){0}) == -ENOENT);
    }
    if (kind == QMP_ERROR) {
        check_string(qmp_reply_error_class(m), qmp_value_path(root, "error.class"));
        check_string(qmp_reply_error_desc(m), qmp_value_path(root, "error.desc"));
    }
}

static int check_parse(const char *text, size_t size, unsigned depth_max, int verdict, const struct json_scan *scan)
{
    qmp_message *m = NULL, *first = NULL;
    struct message_flaw flaw, first_flaw;
    size_t used = 0;
    int r = message_new(&m, text, size, depth_max, &flaw);
    int q = message_new_first(&first, text, size, depth_max, &used, &first_flaw);

    REQUIRE(verdict < 0 ? r == verdict : r == 0 || r == -EPROTO);
    REQUIRE(r == q || (verdict == -EBADMSG && scan->flaw == JSON_TRAILING && (q == 0 || q == -EPROTO)));
    if (r == 0) {
        REQUIRE(used == scan->value + scan->value_size);
        check_message(m, slice(text, scan->value, scan->value_size));
        REQUIRE(same(qmp_message_root(m), qmp_message_root(first)));
    } else {
        REQUIRE(flaw.what && flaw.at <= size);
        REQUIRE(flaw.truncated == (scan->flaw == JSON_TRUNCATED));
    }
    qmp_message_unref(m);
    qmp_message_unref(first);
    return r;
}

/* The messages of a stream, one after the other, and how it ended. */
static int read_stream(struct dump *d, struct cuts cuts, const char *text, size_t size, unsigned depth_max)
{
    struct frame f;
    int r = 0;

    frame_init(&f, STREAM_SIZE_MAX, depth_max);
    while (r >= 0 && size > 0) {
        size_t piece = cuts_next(&cuts, size), left = piece;
        char *copy = input_copy(text, piece);
        const char *p = copy;
        struct stream_flaw flaw = {NULL, NULL, 0};
        qmp_message *m = NULL;

        while ((r = stream_next(&f, &p, &left, &m, &flaw)) > 0) {
            dump_string(d, qmp_message_root(m).text, qmp_message_root(m).size);
            check_message(m, qmp_message_root(m));
            m = qmp_message_unref(m);
        }
        REQUIRE(r == 0 ? left == 0 : flaw.what != NULL);
        free(copy);
        text += piece;
        size -= piece;
    }
    frame_done(&f);
    return r;
}

/* Whether a message is validated where it lies or collected first makes no difference, but to when an error is seen:
 * what lies there whole is refused at its flaw, what is collected at its end. */
static void check_stream(struct cuts cuts, const char *text, size_t size, unsigned depth_max)
{
    struct dump whole = {0}, cut = {0};
    int r = read_stream(&whole, (struct cuts){{NULL, 0}, 0}, text, size, depth_max);
    int q = read_stream(&cut, cuts, text, size, depth_max);

    REQUIRE(dump_equal(&whole, &cut));
    REQUIRE(r == 0 ? q == 0 : q <= 0);
    dump_done(&whole);
    dump_done(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned depth_max = input_byte(&in);
    size_t start = input_byte(&in);
    struct cuts cuts = cuts_take(&in);
    char *text = input_copy(in.data, in.size);
    struct json_scan scan;
    int verdict;

    if (depth_max == 0)
        depth_max = JSON_DEPTH_MAX;
    verdict = check_validators(text, in.size, depth_max, &scan);
    if (in.size > 0 && text[0] == '{')
        check_start(text, in.size, in.size * start / 256, depth_max, &scan);
    check_parse(text, in.size, depth_max, verdict, &scan);
    check_stream(cuts, text, in.size, depth_max);
    free(text);
    return 0;
}
