/* SPDX-License-Identifier: MIT */

/* An order of JSON values, by what they mean.
 *
 * Whoever looks for equal ones among many sorts them first, and what is in a value may be hostile: so the members of
 * objects are sorted, too, and no comparison takes more than the sizes of the two, times a logarithm, at each level.
 * Numbers are ordered by their one shortest spelling, not by their size; integers never become doubles, which would not
 * tell large ones apart.
 *
 * Both have been checked, so they are nested no deeper than the library's limit, and no object has a member twice. It
 * knows nothing of what they stand for. */

#include <qmp/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "order.h"

/* Room for a double as an integer, digit by digit. */
#define NUMBER_MAX 400
#define MEMBERS_FIRST ((size_t)16)

struct member {
    qmp_value key, item;
};

struct members {
    struct member *items;
    size_t n, allocated;
};

static int sizes_order(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int texts_order(const char *a, size_t size_a, const char *b, size_t size_b)
{
    int r = memcmp(a, b, size_a < size_b ? size_a : size_b);

    return r != 0 ? r : sizes_order(size_a, size_b);
}

static int strings_order(qmp_value a, qmp_value b, bool *ret_failed)
{
    __attribute__((cleanup(qmp_freep))) char *text_a = NULL, *text_b = NULL;
    size_t size_a, size_b;

    if (memchr(a.text, '\\', a.size) == NULL && memchr(b.text, '\\', b.size) == NULL)
        return texts_order(a.text + 1, a.size - 2, b.text + 1, b.size - 2);
    if (qmp_value_string(a, &text_a, &size_a) >= 0 && qmp_value_string(b, &text_b, &size_b) >= 0)
        return texts_order(text_a, size_a, text_b, size_b);
    *ret_failed = true;
    return 0;
}

/* Whether a number has no fraction; a large one has no room for any. */
static bool is_whole(double number)
{
    double whole;

    if (number >= 0x1p53 || number <= -0x1p53)
        return true;
    whole = (double)(int64_t)number;
    return whole <= number && whole >= number;
}

/* The one spelling of a number. */
static qmp_value number_spell(qmp_value v, char text[NUMBER_MAX])
{
    bool is_integer = memchr(v.text, '.', v.size) == NULL && memchr(v.text, 'e', v.size) == NULL &&
                      memchr(v.text, 'E', v.size) == NULL;
    double number;

    if (is_integer)
        return v.size == 2 && memcmp(v.text, "-0", 2) == 0 ? (qmp_value){"0", 1} : v;
    if (qmp_value_double(v, &number) < 0)
        return v;
    snprintf(text, NUMBER_MAX, is_whole(number) ? "%.0f" : "%.17g", number);
    return strcmp(text, "-0") == 0 ? (qmp_value){"0", 1} : (qmp_value){text, strlen(text)};
}

static int numbers_order(qmp_value a, qmp_value b)
{
    char text_a[NUMBER_MAX], text_b[NUMBER_MAX];
    qmp_value spelt_a = number_spell(a, text_a), spelt_b = number_spell(b, text_b);

    return texts_order(spelt_a.text, spelt_a.size, spelt_b.text, spelt_b.size);
}

static int arrays_order(qmp_value a, qmp_value b, bool *ret_failed)
{
    qmp_value item_a = {NULL, 0}, item_b = {NULL, 0};
    bool more_a, more_b;
    int r = 0;

    do {
        more_a = qmp_value_next(a, /* key= */ NULL, &item_a);
        more_b = qmp_value_next(b, /* key= */ NULL, &item_b);
        if (more_a && more_b)
            r = order_values(item_a, item_b, ret_failed);
    } while (more_a && more_b && r == 0);
    return r != 0 ? r : more_a - more_b;
}

static int keys_order(const void *a, const void *b, void *ret_failed)
{
    return strings_order(((const struct member *)a)->key, ((const struct member *)b)->key, ret_failed);
}

/* The members of an object, sorted. False: no memory. */
static bool members_take(struct members *members, qmp_value v)
{
    struct member member = {{NULL, 0}, {NULL, 0}};
    bool failed = false;

    while (qmp_value_next(v, &member.key, &member.item)) {
        if (members->n == members->allocated) {
            size_t allocated = members->allocated == 0 ? MEMBERS_FIRST : members->allocated * 2;
            struct member *grown = reallocarray(members->items, allocated, sizeof(*grown));
            if (grown == NULL)
                return false;
            members->items = grown;
            members->allocated = allocated;
        }
        members->items[members->n++] = member;
    }
    if (members->n > 1)
        qsort_r(members->items, members->n, sizeof(*members->items), keys_order, &failed);
    return !failed;
}

static void members_done(struct members *members)
{
    free(members->items);
}

static int objects_order(qmp_value a, qmp_value b, bool *ret_failed)
{
    __attribute__((cleanup(members_done))) struct members of_a = {NULL, 0, 0}, of_b = {NULL, 0, 0};
    int r = 0;

    if (!members_take(&of_a, a) || !members_take(&of_b, b)) {
        *ret_failed = true;
        return 0;
    }
    for (size_t i = 0; r == 0 && i < of_a.n && i < of_b.n; i++) {
        r = strings_order(of_a.items[i].key, of_b.items[i].key, ret_failed);
        if (r == 0)
            r = order_values(of_a.items[i].item, of_b.items[i].item, ret_failed);
    }
    return r != 0 ? r : sizes_order(of_a.n, of_b.n);
}

int order_values(qmp_value a, qmp_value b, bool *ret_failed)
{
    enum qmp_type type = qmp_value_type(a), other = qmp_value_type(b);

    if (type != other)
        return type < other ? -1 : 1;
    if (type == QMP_ABSENT || (a.size == b.size && memcmp(a.text, b.text, a.size) == 0))
        return 0;
    switch (type) {
    case QMP_OBJECT:
        return objects_order(a, b, ret_failed);
    case QMP_ARRAY:
        return arrays_order(a, b, ret_failed);
    case QMP_STRING:
        return strings_order(a, b, ret_failed);
    case QMP_NUMBER:
        return numbers_order(a, b);
    default: /* true and false */
        return texts_order(a.text, a.size, b.text, b.size);
    }
}

bool order_equal(qmp_value a, qmp_value b)
{
    bool failed = false;

    return order_values(a, b, &failed) == 0 && !failed;
}
