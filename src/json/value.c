/* SPDX-License-Identifier: MIT */
/* Reading JSON in place.
 *
 * A value is a slice of text, and everything here finds smaller slices inside it: nothing is copied, cached or built.
 * A lookup costs what lies before its answer, so the two functions that step over values are the ones that must be
 * fast: strings are crossed sixteen bytes at a time, containers by counting brackets, never by recursion.
 *
 * The text was validated before anybody got a value of it, and no function here checks the grammar again. The invariant
 * that holds for any bytes whatever is memory safety: no read outside a slice, no slice outside the one it was found
 * in, and every iteration moves forward. What comes of a slice that is no JSON is unspecified but harmless.
 *
 * It refuses to know what the values mean: strings are string.c's, numbers number.c's. */

#include "json/value.h"

#include <errno.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const qmp_value absent = {NULL, 0};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

#ifdef __SSE2__

enum { STEP = sizeof(__m128i) };

static __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* A bit for each of the next 16 bytes that is `"` or `\`. */
static unsigned quote_mask(const char *p)
{
    __m128i bytes = load(p);
    __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(hits);
}

/* A bit for each of the next 16 bytes that is a quote or a bracket. Brackets and braces differ in 0x20 only. */
static unsigned structure_mask(const char *p)
{
    __m128i bytes = load(p), folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')), _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
    hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    return (unsigned)_mm_movemask_epi8(hits);
}

#endif

const char *json_find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= STEP; p += STEP) {
        unsigned hits = quote_mask(p);
        if (hits)
            return p + __builtin_ctz(hits);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

static const char *find_structure(const char *p, const char *end)
{
#ifdef __SSE2__
    for (; end - p >= STEP; p += STEP) {
        unsigned hits = structure_mask(p);
        if (hits)
            return p + __builtin_ctz(hits);
    }
#endif
    while (p < end && *p != '"' && *p != '[' && *p != ']' && *p != '{' && *p != '}')
        p++;
    return p;
}

/* From the opening quote to just after the closing one. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; (p = json_find_quote(p, end)) < end; p += 2) {
        if (*p == '"')
            return p + 1;
        if (end - p < 2)
            break;
    }
    return end;
}

static const char *skip_container(const char *p, const char *end)
{
    size_t depth = 0;

    while ((p = find_structure(p, end)) < end) {
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        default:
            depth--;
        }
        p++;
        if (depth == 0)
            return p;
    }
    return end;
}

static const char *skip_scalar(const char *p, const char *end)
{
    while (p < end && *p != ',' && *p != ']' && *p != '}' && *p != ':' && !is_space(*p))
        p++;
    return p;
}

/* The value that starts at `p`; absent when none does. */
static qmp_value value_at(const char *p, const char *end)
{
    const char *after = p;

    if (p < end) {
        if (*p == '"')
            after = skip_string(p, end);
        else if (*p == '{' || *p == '[')
            after = skip_container(p, end);
        else
            after = skip_scalar(p, end);
    }
    return after > p ? (qmp_value){p, (size_t)(after - p)} : absent;
}

enum qmp_type qmp_value_type(qmp_value v)
{
    if (!v.text || v.size == 0)
        return QMP_ABSENT;
    switch (v.text[0]) {
    case 'n':
        return QMP_NULL;
    case 't':
    case 'f':
        return QMP_BOOL;
    case '"':
        return QMP_STRING;
    case '[':
        return QMP_ARRAY;
    case '{':
        return QMP_OBJECT;
    default:
        return v.text[0] == '-' || (v.text[0] >= '0' && v.text[0] <= '9') ? QMP_NUMBER : QMP_ABSENT;
    }
}

/* One step of an iteration: from `p` over a comma to the next member or item. */
static bool next_at(const char *p, const char *end, bool object, qmp_value *key, qmp_value *item)
{
    p = skip_space(p, end);
    if (p < end && *p == ',')
        p = skip_space(p + 1, end);
    *key = absent;
    if (object) {
        if (p == end || *p != '"')
            return false;
        *key = value_at(p, end);
        p = skip_space(p + key->size, end);
        if (p == end || *p != ':')
            return false;
        p = skip_space(p + 1, end);
    }
    *item = value_at(p, end);
    return item->text;
}

bool qmp_value_next(qmp_value container, qmp_value *key, qmp_value *item)
{
    enum qmp_type type = qmp_value_type(container);
    qmp_value found_key = absent, found = absent;
    bool more = false;

    if (type == QMP_ARRAY || type == QMP_OBJECT) {
        const char *end = container.text + container.size;
        const char *p = item->text ? item->text + item->size : container.text + 1;
        if (p > container.text && p <= end)
            more = next_at(p, end, type == QMP_OBJECT, &found_key, &found);
    }
    if (key)
        *key = more ? found_key : absent;
    *item = more ? found : absent;
    return more;
}

qmp_value qmp_value_member(qmp_value object, const char *key)
{
    qmp_value name = absent, item = absent;

    if (qmp_value_type(object) == QMP_OBJECT) {
        size_t size = strlen(key);
        while (qmp_value_next(object, &name, &item))
            if (json_string_equals(name, key, size))
                return item;
    }
    return absent;
}

qmp_value qmp_value_item(qmp_value array, size_t index)
{
    qmp_value item = absent;

    if (qmp_value_type(array) == QMP_ARRAY)
        while (qmp_value_next(array, NULL, &item))
            if (index-- == 0)
                return item;
    return absent;
}

/* The step of a path that starts at `path`: up to a dot that no backslash precedes, or the end. */
static size_t step_size(const char *path)
{
    size_t n = strcspn(path, ".\\");

    while (path[n] == '\\') {
        n += path[n + 1] ? 2 : 1;
        n += strcspn(path + n, ".\\");
    }
    return n;
}

/* An item by decimal index; a step that is no number, or that no array reaches, is absent. */
static qmp_value item_at_step(qmp_value array, const char *step, size_t size)
{
    size_t index = 0;

    for (size_t i = 0; i < size; i++) {
        size_t digit = (size_t)(unsigned char)step[i] - '0';
        if (digit > 9 || index > (SIZE_MAX - digit) / 10)
            return absent;
        index = index * 10 + digit;
    }
    return size > 0 ? qmp_value_item(array, index) : absent;
}

static qmp_value member_at_step(qmp_value object, const char *step, size_t size)
{
    qmp_value key = absent, item = absent;

    while (qmp_value_next(object, &key, &item))
        if (json_string_equals_step(key, step, size))
            return item;
    return absent;
}

qmp_value qmp_value_path(qmp_value v, const char *path)
{
    if (*path == '\0')
        return v;
    for (;;) {
        size_t size = step_size(path);
        switch (qmp_value_type(v)) {
        case QMP_ARRAY:
            v = item_at_step(v, path, size);
            break;
        case QMP_OBJECT:
            v = member_at_step(v, path, size);
            break;
        default:
            return absent;
        }
        if (path[size] == '\0')
            return v;
        path += size + 1;
    }
}

static bool spelled(qmp_value v, const char *literal)
{
    return v.size == strlen(literal) && memcmp(v.text, literal, v.size) == 0;
}

int qmp_value_bool(qmp_value v, bool *ret)
{
    if (!v.text)
        return -ENOENT;
    if (!spelled(v, "true") && !spelled(v, "false"))
        return -EINVAL;
    *ret = v.text[0] == 't';
    return 0;
}

int qmp_value_string(qmp_value v, char **ret, size_t *ret_size)
{
    if (!v.text)
        return -ENOENT;
    if (qmp_value_type(v) != QMP_STRING)
        return -EINVAL;

    char *text = malloc(v.size + 1);
    if (!text)
        return -ENOMEM;
    size_t size = json_decode(v, text);
    text[size] = '\0';
    *ret = text;
    if (ret_size)
        *ret_size = size;
    return 0;
}

bool qmp_value_equals(qmp_value v, const char *string)
{
    return json_string_equals(v, string, strlen(string));
}
