/* SPDX-License-Identifier: MIT */
/* JSON numbers as C numbers.
 *
 * QEMU uses the whole of int64 and uint64, so integers are read digit by digit and never pass through a double. A
 * number with a fraction or an exponent is a double and nothing else. Doubles are the C library's own correctly rounded
 * conversion, in the "C" locale whatever the process's is.
 *
 * The C library wants NUL-terminated text, and a JSON number may be megabytes long. No double needs more than its first
 * DIGITS_MAX significant digits plus the knowledge whether something follows them, so a longer number is condensed into
 * a buffer on the stack, without loss: nothing here allocates. */

#include "json/value.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Halfway between two doubles there are numbers of up to 767 significant digits. */
#define DIGITS_MAX 800
/* Above any exponent that matters, below any that overflows when digits are counted onto it. */
#define EXPONENT_MAX INT64_C(1000000000000000)
/* Digits, sign, exponent. */
#define CONDENSED_MAX (DIGITS_MAX + 32)

/* A number taken apart by RFC 8259's grammar. */
struct number {
    bool negative;
    bool real;          /* it has a fraction or an exponent */
    qmp_value whole;    /* digits before the point */
    qmp_value fraction; /* digits after it */
    int64_t exponent;   /* bounded by EXPONENT_MAX */
};

static qmp_value take_digits(const char **p, const char *end)
{
    const char *start = *p;

    while (*p < end && **p >= '0' && **p <= '9')
        ++*p;
    return (qmp_value){start, (size_t)(*p - start)};
}

static bool take_exponent(const char **p, const char *end, int64_t *ret)
{
    bool negative = *p < end && **p == '-';
    int64_t exponent = 0;

    if (*p < end && (**p == '-' || **p == '+'))
        ++*p;
    qmp_value digits = take_digits(p, end);
    for (size_t i = 0; i < digits.size && exponent < EXPONENT_MAX; i++)
        exponent = exponent * 10 + (digits.text[i] - '0');
    *ret = negative ? -exponent : exponent;
    return digits.size > 0;
}

static bool take_apart(qmp_value v, struct number *ret)
{
    const char *p = v.text, *end = v.text + v.size;
    struct number n = {.negative = p < end && *p == '-'};

    if (n.negative)
        p++;
    n.whole = take_digits(&p, end);
    if (n.whole.size == 0 || (n.whole.size > 1 && n.whole.text[0] == '0'))
        return false;
    if (p < end && *p == '.') {
        n.real = true;
        p++;
        n.fraction = take_digits(&p, end);
        if (n.fraction.size == 0)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        n.real = true;
        p++;
        if (!take_exponent(&p, end, &n.exponent))
            return false;
    }
    *ret = n;
    return p == end;
}

/* The digits of an integer; false when they are more than 64 bits. */
static bool magnitude_of(const struct number *n, uint64_t *ret)
{
    uint64_t magnitude = 0;

    for (size_t i = 0; i < n->whole.size; i++) {
        uint64_t digit = (uint64_t)(n->whole.text[i] - '0');
        if (magnitude > (UINT64_MAX - digit) / 10)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    *ret = magnitude;
    return true;
}

/* Sign and magnitude of an integer. */
static int take_integer(qmp_value v, bool *ret_negative, uint64_t *ret_magnitude)
{
    struct number n;

    if (!v.text)
        return -ENOENT;
    if (!take_apart(v, &n) || n.real)
        return -EINVAL;
    if (!magnitude_of(&n, ret_magnitude))
        return -ERANGE;
    *ret_negative = n.negative && *ret_magnitude > 0;
    return 0;
}

int qmp_value_int64(qmp_value v, int64_t *ret)
{
    uint64_t magnitude;
    bool negative;
    int r = take_integer(v, &negative, &magnitude);

    if (r < 0)
        return r;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return 0;
}

int qmp_value_uint64(qmp_value v, uint64_t *ret)
{
    uint64_t magnitude;
    bool negative;
    int r = take_integer(v, &negative, &magnitude);

    if (r < 0)
        return r;
    if (negative)
        return -ERANGE;
    *ret = magnitude;
    return 0;
}

double json_strtod(const char *text)
{
    /* A constant in glibc and musl. The BSDs may fail here, but take a null locale for the "C" one. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = strtod_l(text, NULL, c);

    if (c)
        freelocale(c);
    return value;
}

/* Appends digits to the `n` significant ones in `out`. Returns how many did not fit; *rest is set when one of those was
 * not 0. */
static size_t condense_digits(char *out, size_t *n, qmp_value digits, bool *rest)
{
    size_t i = 0;

    if (*n == 0)
        while (i < digits.size && digits.text[i] == '0')
            i++;
    for (; i < digits.size && *n < DIGITS_MAX; i++)
        out[(*n)++] = digits.text[i];

    size_t left = digits.size - i;
    for (; i < digits.size && !*rest; i++)
        *rest = digits.text[i] != '0';
    return left;
}

/* The same number in CONDENSED_MAX bytes at most, rounded to the same double. */
static void condense(const struct number *n, char out[CONDENSED_MAX])
{
    int64_t exponent = n->exponent;
    bool rest = false;
    size_t size = 0;

    *out++ = n->negative ? '-' : '+';
    exponent += (int64_t)condense_digits(out, &size, n->whole, &rest);
    exponent -= (int64_t)n->fraction.size;
    exponent += (int64_t)condense_digits(out, &size, n->fraction, &rest);
    if (size == 0)
        out[size++] = '0';
    if (rest) {
        out[size++] = '1';
        exponent--;
    }
    snprintf(out + size, CONDENSED_MAX - DIGITS_MAX - 2, "e%lld", (long long)exponent);
}

int qmp_value_double(qmp_value v, double *ret)
{
    char text[CONDENSED_MAX];
    uint64_t magnitude;
    struct number n;

    if (!v.text)
        return -ENOENT;
    if (!take_apart(v, &n))
        return -EINVAL;
    if (!n.real && magnitude_of(&n, &magnitude)) {
        *ret = n.negative ? -(double)magnitude : (double)magnitude;
        return 0;
    }
    if (v.size < sizeof(text)) {
        memcpy(text, v.text, v.size);
        text[v.size] = '\0';
    } else {
        condense(&n, text);
    }

    int saved_errno = errno;
    double value = json_strtod(text);
    errno = saved_errno;
    if (isinf(value))
        return -ERANGE;
    *ret = value;
    return 0;
}

bool json_number_equal(qmp_value a, qmp_value b)
{
    uint64_t magnitude_a, magnitude_b;
    bool negative_a, negative_b;
    double double_a, double_b;

    if (take_integer(a, &negative_a, &magnitude_a) == 0 && take_integer(b, &negative_b, &magnitude_b) == 0)
        return negative_a == negative_b && magnitude_a == magnitude_b;
    if (qmp_value_double(a, &double_a) < 0 || qmp_value_double(b, &double_b) < 0)
        return false;
    return !(double_a < double_b) && !(double_a > double_b);
}
