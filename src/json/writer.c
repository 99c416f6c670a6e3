/* SPDX-License-Identifier: MIT */
/* Writing JSON, with one sticky error.
 *
 * The invariant: as long as there is no error, the text is the beginning of a document that QEMU's parser would accept.
 * Whatever would break that is remembered as the error instead, and from then on nothing is written. The text itself is
 * most of the state: a container that was just opened is a text that ends in its bracket, a member that waits for its
 * value one that ends in a colon. No complete value ends in either.
 *
 * It refuses to know what the document says: duplicate keys are the caller's business. */

#include "json/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json/value.h"

/* Enough for any integer, and for a double of 17 digits with sign, point and exponent. */
#define NUMBER_MAX 64

void writer_fail(qmp_writer *w, int error)
{
    if (w->error == 0)
        w->error = error;
}

/* Adds `size` bytes to the text, for the caller to fill in; NULL after a failure. */
static char *extend(qmp_writer *w, size_t size)
{
    int r = w->error ? w->error : buffer_reserve(&w->text, size, WRITER_SIZE_MAX);

    if (r < 0) {
        writer_fail(w, r);
        return NULL;
    }
    w->text.size += size;
    return w->text.data + w->text.size - size;
}

static void append(qmp_writer *w, const char *bytes, size_t size)
{
    char *to = extend(w, size);

    if (to)
        memcpy(to, bytes, size);
}

static void append_quoted(qmp_writer *w, const char *text, size_t size)
{
    if (!json_utf8_valid(text, size, /* refuse_noncharacters= */ true)) {
        writer_fail(w, -EINVAL);
        return;
    }
    char *to = extend(w, json_quoted_size(text, size));
    if (to)
        json_quote(to, text, size);
}

static char last_byte(const qmp_writer *w)
{
    return w->text.size > 0 ? w->text.data[w->text.size - 1] : '\0';
}

static bool in_object(const qmp_writer *w)
{
    return w->depth > 0 && (w->objects[(w->depth - 1) / 64] >> ((w->depth - 1) % 64) & 1);
}

void writer_key(qmp_writer *w, const char *key, size_t size)
{
    if (w->error)
        return;
    if (!in_object(w) || last_byte(w) == ':') {
        writer_fail(w, -EINVAL);
        return;
    }
    if (last_byte(w) != '{')
        append(w, ",", 1);
    append_quoted(w, key, size);
    append(w, ":", 1);
}

/* What comes before a value: a comma, a key. False when no value may be written now. */
static bool begin_value(qmp_writer *w, const char *key)
{
    if (w->error)
        return false;
    if (key)
        writer_key(w, key, strlen(key));
    else if (w->depth == 0 ? w->text.size > 0 : in_object(w) && last_byte(w) != ':')
        writer_fail(w, -EINVAL);
    else if (w->depth > 0 && !in_object(w) && last_byte(w) != '[')
        append(w, ",", 1);
    return w->error == 0;
}

static void begin_container(qmp_writer *w, const char *key, bool object)
{
    if (!begin_value(w, key))
        return;
    if (w->depth == JSON_DEPTH_MAX) {
        writer_fail(w, -ELOOP);
        return;
    }
    uint64_t bit = UINT64_C(1) << (w->depth % 64), *word = &w->objects[w->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    w->depth++;
    append(w, object ? "{" : "[", 1);
}

int qmp_writer_new(qmp_writer **ret)
{
    qmp_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    *ret = w;
    return 0;
}

void writer_done(qmp_writer *w)
{
    buffer_done(&w->text);
}

qmp_writer *qmp_writer_free(qmp_writer *w)
{
    if (w)
        writer_done(w);
    free(w);
    return NULL;
}

void qmp_writer_begin_object(qmp_writer *w, const char *key)
{
    begin_container(w, key, /* object= */ true);
}

void qmp_writer_begin_array(qmp_writer *w, const char *key)
{
    begin_container(w, key, /* object= */ false);
}

void qmp_writer_end(qmp_writer *w)
{
    if (w->error)
        return;
    if (w->depth == 0 || last_byte(w) == ':') {
        writer_fail(w, -EINVAL);
        return;
    }
    append(w, in_object(w) ? "}" : "]", 1);
    w->depth--;
}

void qmp_writer_int64(qmp_writer *w, const char *key, int64_t value)
{
    char text[NUMBER_MAX];

    if (begin_value(w, key))
        append(w, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void qmp_writer_uint64(qmp_writer *w, const char *key, uint64_t value)
{
    char text[NUMBER_MAX];

    if (begin_value(w, key))
        append(w, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void qmp_writer_bool(qmp_writer *w, const char *key, bool value)
{
    if (begin_value(w, key))
        append(w, value ? "true" : "false", value ? 4 : 5);
}

void qmp_writer_null(qmp_writer *w, const char *key)
{
    if (begin_value(w, key))
        append(w, "null", 4);
}

/* Whatever the locale puts between the digits becomes a point; it may be several bytes. Returns the new length. */
static size_t delocalise(char *text)
{
    char *to = text;

    for (const char *from = text; *from;) {
        size_t n = strspn(from, "+-0123456789e");
        memmove(to, from, n);
        to += n;
        from += n;
        n = strcspn(from, "+-0123456789e");
        if (n > 0)
            *to++ = '.';
        from += n;
    }
    *to = '\0';
    return (size_t)(to - text);
}

void qmp_writer_double(qmp_writer *w, const char *key, double value)
{
    char text[NUMBER_MAX];
    size_t size = 0;

    if (!begin_value(w, key))
        return;
    if (!isfinite(value)) {
        writer_fail(w, -EINVAL);
        return;
    }
    /* 15 digits are shortest for most, 17 are enough for all. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        size = delocalise(text);
        double back = json_strtod(text);
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): it is about bits: -0.0 is not 0.0 */
        if (memcmp(&back, &value, sizeof(value)) == 0)
            break;
    }
    append(w, text, size);
}

void qmp_writer_string(qmp_writer *w, const char *key, const char *value)
{
    qmp_writer_string_sized(w, key, value, value ? strlen(value) : 0);
}

void qmp_writer_string_sized(qmp_writer *w, const char *key, const char *value, size_t size)
{
    if (!begin_value(w, key))
        return;
    if (value)
        append_quoted(w, value, size);
    else
        writer_fail(w, -EINVAL);
}

void writer_json_sized(qmp_writer *w, const char *key, const char *json, size_t size)
{
    struct json_scan scan;

    if (!begin_value(w, key))
        return;
    int r = json_validate_for_qemu(json, size, JSON_DEPTH_MAX - w->depth, &scan);
    if (r < 0)
        writer_fail(w, r);
    else
        append(w, json + scan.value, scan.value_size);
}

void qmp_writer_json(qmp_writer *w, const char *key, const char *json)
{
    if (json)
        writer_json_sized(w, key, json, strlen(json));
    else
        writer_fail(w, -EINVAL);
}

int qmp_writer_finish(qmp_writer *w, const char **ret)
{
    if (w->depth > 0 || w->text.size == 0)
        writer_fail(w, -EINVAL);
    if (w->error)
        return w->error;

    int r = buffer_reserve(&w->text, 1, WRITER_SIZE_MAX + 1);
    if (r < 0) {
        writer_fail(w, r);
        return r;
    }
    w->text.data[w->text.size] = '\0';
    *ret = w->text.data;
    return 0;
}
