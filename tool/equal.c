/* SPDX-License-Identifier: MIT */

/* Equality of JSON values.
 *
 * Both have been checked, so they are nested no deeper than the library's limit, and no object has a member twice. It
 * knows nothing of what they stand for. */

#include <qmp/types.h>
#include <string.h>

#include "equal.h"

static bool texts_equal(qmp_value a, qmp_value b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

static bool strings_equal(qmp_value a, qmp_value b)
{
    __attribute__((cleanup(qmp_freep))) char *text_a = NULL, *text_b = NULL;
    size_t size_a, size_b;

    return qmp_value_string(a, &text_a, &size_a) >= 0 && qmp_value_string(b, &text_b, &size_b) >= 0 &&
           size_a == size_b && memcmp(text_a, text_b, size_a) == 0;
}

static bool is_integer(qmp_value v)
{
    return memchr(v.text, '.', v.size) == NULL && memchr(v.text, 'e', v.size) == NULL &&
           memchr(v.text, 'E', v.size) == NULL;
}

/* Integers are never compared as doubles, which would not tell large ones apart. */
static bool numbers_equal(qmp_value a, qmp_value b)
{
    double number_a, number_b;

    return !(is_integer(a) && is_integer(b)) && qmp_value_double(a, &number_a) >= 0 &&
           qmp_value_double(b, &number_b) >= 0 && number_a <= number_b && number_a >= number_b;
}

static bool arrays_equal(qmp_value a, qmp_value b)
{
    qmp_value item_a = {NULL, 0}, item_b = {NULL, 0};
    bool more_a, more_b;

    do {
        more_a = qmp_value_next(a, /* key= */ NULL, &item_a);
        more_b = qmp_value_next(b, /* key= */ NULL, &item_b);
    } while (more_a && more_b && equal_values(item_a, item_b));
    return !more_a && !more_b;
}

static bool objects_equal(qmp_value a, qmp_value b)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};
    size_t n_a = 0, n_b = 0;

    while (qmp_value_next(b, &key, &item))
        n_b++;
    for (; qmp_value_next(a, &key, &item); n_a++) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL;
        if (n_a == n_b || qmp_value_string(key, &name, /* ret_size= */ NULL) < 0 ||
            !equal_values(item, qmp_value_member(b, name)))
            return false;
    }
    return n_a == n_b;
}

bool equal_values(qmp_value a, qmp_value b)
{
    enum qmp_type type = qmp_value_type(a);

    if (type != qmp_value_type(b))
        return false;
    if (type == QMP_ABSENT || texts_equal(a, b))
        return true;
    switch (type) {
    case QMP_OBJECT:
        return objects_equal(a, b);
    case QMP_ARRAY:
        return arrays_equal(a, b);
    case QMP_STRING:
        return strings_equal(a, b);
    case QMP_NUMBER:
        return numbers_equal(a, b);
    default:
        return false; /* true and false */
    }
}
