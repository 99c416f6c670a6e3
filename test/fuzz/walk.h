/* SPDX-License-Identifier: MIT */
#ifndef TEST_FUZZ_WALK_H
#define TEST_FUZZ_WALK_H

/* A value as the library's accessors tell it, in the notation of reference.h. On the way each accessor is asked what it
 * says of a value of another type, and numbers are the C library's. */

#include <errno.h>
#include <math.h>

#include "reference.h"
#include "json/value.h"

static inline void walk(struct dump *d, qmp_value v);

static inline void walk_string(struct dump *d, qmp_value v)
{
    char *decoded = NULL;
    size_t size = 0;

    REQUIRE(qmp_value_string(v, &decoded, &size) == 0);
    REQUIRE(size + 2 <= v.size && decoded[size] == '\0');
    REQUIRE(json_string_equals(v, decoded, size));
    REQUIRE(json_text_hash(v) == json_hash_bytes(decoded, size));
    if (strlen(decoded) == size)
        REQUIRE(qmp_value_equals(v, decoded));
    dump_string(d, decoded, size);
    free(decoded);
}

/* What an accessor of another type says. */
static inline void check_types(qmp_value v)
{
    enum qmp_type type = qmp_value_type(v);
    char *string = NULL;
    int64_t i;
    uint64_t u;
    double f;
    bool b;

    REQUIRE(type != QMP_ABSENT);
    if (type != QMP_BOOL)
        REQUIRE(qmp_value_bool(v, &b) == -EINVAL);
    if (type != QMP_STRING)
        REQUIRE(qmp_value_string(v, &string, NULL) == -EINVAL);
    if (type == QMP_NUMBER)
        return;
    REQUIRE(qmp_value_int64(v, &i) == -EINVAL);
    REQUIRE(qmp_value_uint64(v, &u) == -EINVAL);
    REQUIRE(qmp_value_double(v, &f) == -EINVAL);
}

/* As strtoll(), strtoull() and strtod() have it. */
static inline void check_number(qmp_value v)
{
    char *text = calloc(1, v.size + 1), *end;
    bool whole;
    int64_t i = 0;
    uint64_t u = 0;
    double f = 0;
    int r;

    REQUIRE(text);
    memcpy(text, v.text, v.size);
    whole = strpbrk(text, ".eE") == NULL;
    errno = 0;
    long long expected_i = strtoll(text, NULL, 10);
    r = qmp_value_int64(v, &i);
    REQUIRE(r == (!whole ? -EINVAL : errno == ERANGE ? -ERANGE : 0));
    REQUIRE(r < 0 || i == expected_i);

    errno = 0;
    unsigned long long expected_u = strtoull(text, NULL, 10);
    r = qmp_value_uint64(v, &u);
    REQUIRE(r == (!whole ? -EINVAL : errno == ERANGE || (text[0] == '-' && expected_u != 0) ? -ERANGE : 0));
    REQUIRE(r < 0 || u == expected_u);

    double expected_f = strtod(text, &end);
    REQUIRE(end == text + v.size);
    r = qmp_value_double(v, &f);
    REQUIRE(r == (isinf(expected_f) ? -ERANGE : 0));
    REQUIRE(r < 0 || memcmp(&f, &expected_f, sizeof(f)) == 0);
    free(text);
}

static inline void walk_container(struct dump *d, qmp_value v, bool object)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};
    size_t n = 0;

    dump_add(d, object ? "{" : "[", 1);
    for (; qmp_value_next(v, &key, &item); n++) {
        REQUIRE((key.text != NULL) == object);
        if (object)
            walk_string(d, key);
        else if (n < 16)
            REQUIRE(qmp_value_item(v, n).text == item.text);
        walk(d, item);
    }
    REQUIRE(!key.text && !item.text);
    REQUIRE(object || !qmp_value_item(v, n).text);
    dump_add(d, object ? "}" : "]", 1);
}

static inline void walk(struct dump *d, qmp_value v)
{
    bool b = false;

    check_types(v);
    switch (qmp_value_type(v)) {
    case QMP_NULL:
        dump_add(d, "n", 1);
        break;
    case QMP_BOOL:
        REQUIRE(qmp_value_bool(v, &b) == 0);
        dump_add(d, b ? "t" : "f", 1);
        break;
    case QMP_NUMBER:
        check_number(v);
        dump_number(d, v.text, v.size);
        break;
    case QMP_STRING:
        walk_string(d, v);
        break;
    default:
        walk_container(d, v, qmp_value_type(v) == QMP_OBJECT);
    }
}

#endif
