/* SPDX-License-Identifier: MIT */
/* Values and the writer: what is read is written, and read again as the same.
 *
 * A text that is JSON is walked, and must be what the plain reference reads. Written anew from what was walked, it is
 * equal to what it was, by the library's own notion and by the reference's; numbers are the C library's. Then the same
 * bytes are a string, a double, and the steps of somebody who uses the writer as it comes: whatever happens, what is
 * finished is JSON that QEMU takes, and what is refused is refused for good.
 *
 * The input: what to do (1 byte), and then the text, the bytes, or the steps. */

#include "walk.h"

#include <errno.h>

#include "json/validate.h"
#include "json/value.h"
#include "json/writer.h"

/* Writes a value anew, by what its accessors say. */
static void rewrite(qmp_writer *w, qmp_value v);

static void rewrite_number(qmp_writer *w, qmp_value v)
{
    int64_t i;
    uint64_t u;
    double f;

    if (qmp_value_int64(v, &i) == 0) {
        qmp_writer_int64(w, NULL, i);
    } else if (qmp_value_uint64(v, &u) == 0) {
        qmp_writer_uint64(w, NULL, u);
    } else {
        REQUIRE(qmp_value_double(v, &f) == 0);
        qmp_writer_double(w, NULL, f);
    }
}

static void rewrite_container(qmp_writer *w, qmp_value v, bool object)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};

    if (object)
        qmp_writer_begin_object(w, NULL);
    else
        qmp_writer_begin_array(w, NULL);
    while (qmp_value_next(v, &key, &item)) {
        char *decoded = NULL;
        size_t size;

        if (object) {
            REQUIRE(qmp_value_string(key, &decoded, &size) == 0);
            writer_key(w, decoded, size);
            free(decoded);
        }
        rewrite(w, item);
    }
    qmp_writer_end(w);
}

static void rewrite(qmp_writer *w, qmp_value v)
{
    char *decoded = NULL;
    size_t size;

    switch (qmp_value_type(v)) {
    case QMP_NULL:
        qmp_writer_null(w, NULL);
        break;
    case QMP_BOOL:
        qmp_writer_bool(w, NULL, v.text[0] == 't');
        break;
    case QMP_NUMBER:
        rewrite_number(w, v);
        break;
    case QMP_STRING:
        REQUIRE(qmp_value_string(v, &decoded, &size) == 0);
        qmp_writer_string_sized(w, NULL, decoded, size);
        free(decoded);
        break;
    default:
        rewrite_container(w, v, qmp_value_type(v) == QMP_OBJECT);
    }
}

/* Finishes a document that must be fine, and checks it as QEMU would. */
static qmp_value finish(qmp_writer *w)
{
    const char *text = NULL;
    qmp_value v = {NULL, 0};

    REQUIRE(qmp_writer_finish(w, &text) == 0);
    REQUIRE(qmp_json_check(text, strlen(text), &v, NULL) == 0);
    REQUIRE(v.text == text && v.size == strlen(text));
    return v;
}

static void check_rewritten(qmp_value v)
{
    qmp_writer *w = NULL, *again = NULL;
    qmp_value written;

    REQUIRE(qmp_writer_new(&w) == 0 && qmp_writer_new(&again) == 0);
    rewrite(w, v);
    written = finish(w);
    REQUIRE(json_equal(v, written) && json_equal(written, v));
    writer_json_sized(again, NULL, v.text, v.size);
    REQUIRE(json_equal(finish(again), written));
    qmp_writer_free(w);
    qmp_writer_free(again);
}

static void check_text(const char *text, size_t size)
{
    struct dump expected = {0}, actual = {0};
    struct reference reference = {text, text + size, JSON_DEPTH_MAX, false, false, &expected};
    struct json_scan scan;
    qmp_value v;

    if (json_validate(text, size, JSON_DEPTH_MAX, 0, &scan) == 0) {
        REQUIRE(reference_document(&reference));
        walk(&actual, (qmp_value){text + scan.value, scan.value_size});
        REQUIRE(dump_equal(&actual, &expected));
    }
    if (qmp_json_check(text, size, &v, NULL) == 0)
        check_rewritten(v);
    dump_done(&actual);
    dump_done(&expected);
}

static bool has_noncharacter(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t i = 0; i + 2 < size; i++) {
        if (p[i] == 0xEF && p[i + 1] == 0xBF && p[i + 2] >= 0xBE)
            return true;
        if (p[i] == 0xEF && p[i + 1] == 0xB7 && p[i + 2] >= 0x90 && p[i + 2] <= 0xAF)
            return true;
        if (i > 0 && p[i - 1] >= 0xF0 && (p[i] & 0xF) == 0xF && p[i + 1] == 0xBF && p[i + 2] >= 0xBE)
            return true;
    }
    return false;
}

/* Bytes that are UTF-8, and no others, become a string, and the string becomes the bytes. */
static void check_bytes(const char *bytes, size_t size)
{
    bool valid = true;
    qmp_writer *w = NULL;
    const char *text = NULL;
    char picture[64];

    for (const char *p = bytes; p < bytes + size && valid;) {
        size_t n = reference_utf8(p, bytes + size);

        valid = n > 0;
        p += n;
    }
    REQUIRE(json_utf8_valid(bytes, size, false) == valid);
    valid &= !has_noncharacter(bytes, size);
    REQUIRE(json_utf8_valid(bytes, size, true) == valid);
    REQUIRE(qmp_writer_new(&w) == 0);
    qmp_writer_begin_object(w, NULL);
    writer_key(w, bytes, size);
    qmp_writer_string_sized(w, NULL, bytes, size);
    qmp_writer_end(w);
    if (valid) {
        struct dump d = {0}, expected = {0};

        walk(&d, finish(w));
        dump_add(&expected, "{", 1);
        dump_string(&expected, bytes, size);
        dump_string(&expected, bytes, size);
        dump_add(&expected, "}", 1);
        REQUIRE(dump_equal(&d, &expected));
        dump_done(&d);
        dump_done(&expected);
    } else {
        REQUIRE(qmp_writer_finish(w, &text) == -EINVAL && !text);
    }
    qmp_writer_free(w);
    json_excerpt(picture, sizeof(picture), bytes, size);
    REQUIRE(strlen(picture) < sizeof(picture) && json_utf8_valid(picture, strlen(picture), true));
}

/* Any eight bytes are a double, which comes back bit for bit, or no number. */
static void check_doubles(struct input in)
{
    while (in.size >= sizeof(double)) {
        struct input bytes = input_take(&in, sizeof(double));
        qmp_writer *w = NULL;
        const char *text = NULL;
        double f, back;

        memcpy(&f, bytes.data, sizeof(f));
        REQUIRE(qmp_writer_new(&w) == 0);
        qmp_writer_double(w, NULL, f);
        if (isfinite(f)) {
            REQUIRE(qmp_value_double(finish(w), &back) == 0);
            REQUIRE(memcmp(&f, &back, sizeof(f)) == 0);
        } else {
            REQUIRE(qmp_writer_finish(w, &text) == -EINVAL);
        }
        qmp_writer_free(w);
    }
}

/* Each step is a byte, and a key perhaps; keys never repeat, for the writer leaves that to its caller. */
static void step(qmp_writer *w, struct input *in, unsigned n)
{
    uint8_t byte = input_byte(in);
    char name[16], json[256];
    const char *key = byte & 0x10 ? name : NULL;
    struct input bytes;

    snprintf(name, sizeof(name), "%u", n);
    switch (byte & 15) {
    case 0:
    case 1:
        qmp_writer_begin_object(w, key);
        break;
    case 2:
    case 3:
        qmp_writer_begin_array(w, key);
        break;
    case 4:
    case 5:
    case 6:
        qmp_writer_end(w);
        break;
    case 7:
        qmp_writer_int64(w, key, (int8_t)input_byte(in));
        break;
    case 8:
        qmp_writer_uint64(w, key, UINT64_MAX - input_byte(in));
        break;
    case 9:
        qmp_writer_bool(w, key, byte & 0x20);
        break;
    case 10:
        qmp_writer_null(w, key);
        break;
    case 11:
        qmp_writer_double(w, key, input_byte(in) / 7.0);
        break;
    case 12:
        bytes = input_take(in, input_byte(in));
        qmp_writer_string_sized(w, key, (const char *)bytes.data, bytes.size);
        break;
    case 13:
        bytes = input_take(in, input_byte(in));
        memcpy(json, bytes.data, bytes.size);
        json[bytes.size] = '\0';
        qmp_writer_json(w, key, json);
        break;
    case 14:
        writer_key(w, name, strlen(name));
        break;
    default:
        qmp_writer_string(w, key, byte & 0x20 ? name : NULL);
    }
}

static void check_steps(struct input in)
{
    qmp_writer *w = NULL;
    const char *text = NULL;
    int error = 0, r;

    REQUIRE(qmp_writer_new(&w) == 0);
    for (unsigned n = 0; in.size > 0; n++) {
        size_t size = w->text.size;

        step(w, &in, n);
        REQUIRE(error == 0 || (w->error == error && w->text.size == size));
        error = w->error;
    }
    r = qmp_writer_finish(w, &text);
    REQUIRE(error == 0 || r == error);
    REQUIRE(r == 0 || r == -EINVAL || r == -EBADMSG || r == -ELOOP);
    if (r == 0)
        finish(w);
    else
        REQUIRE(qmp_writer_finish(w, &text) == r && !text);
    qmp_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t what = input_byte(&in) & 3;
    char *text = input_copy(in.data, in.size);

    if (what == 0)
        check_text(text, in.size);
    else if (what == 1)
        check_bytes(text, in.size);
    else if (what == 2)
        check_doubles(in);
    else
        check_steps(in);
    free(text);
    return 0;
}
