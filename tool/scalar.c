/* SPDX-License-Identifier: MIT */

/* Numbers and bools as people write them.
 *
 * The invariant: what is taken is exact. A fraction of a unit that is no whole number is refused rather than rounded,
 * and so are leading zeros, which C reads as octal and everybody else as decimal. Suffixes are binary, as QEMU's are;
 * "KB" is none, because to some it means 1000.
 *
 * It knows nothing of where the text stands, and is the same in every locale. */

#include <string.h>
#include <strings.h>

#include "scalar.h"

/* More digits of a fraction than this are never a whole number of bytes. */
#define FRACTION_DIGITS_MAX 18

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes digits of a base off a text. False when the number is beyond 64 bits; the digits are taken all the same. */
static bool digits_take(const char **text, unsigned base, uint64_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    bool fits = true;

    *ret = 0;
    for (;; (*text)++) {
        char c = **text >= 'A' && **text <= 'F' ? (char)(**text - 'A' + 'a') : **text;
        const char *digit = c != '\0' ? memchr(digits, c, base) : NULL;
        if (digit == NULL)
            return fits;
        fits = fits && !__builtin_mul_overflow(*ret, base, ret) &&
               !__builtin_add_overflow(*ret, (uint64_t)(digit - digits), ret);
    }
}

/* How many bits a suffix shifts by; -1 when it is none. */
static int suffix_shift(const char *suffix)
{
    static const char letters[] = "KMGTPE";
    const char *letter;
    char first = *suffix >= 'a' && *suffix <= 'z' ? (char)(*suffix - 'a' + 'A') : *suffix;

    if (*suffix == '\0')
        return 0;
    letter = strchr(letters, first);
    if (letter == NULL || (suffix[1] != '\0' && strcmp(suffix + 1, "i") != 0 && strcmp(suffix + 1, "iB") != 0))
        return -1;
    return 10 * (int)(letter - letters + 1);
}

/* What a fraction, the digits behind a point, amounts to when shifted; false when that is not whole. */
static bool fraction_shift(const char *digits, size_t n, int shift, uint64_t *ret)
{
    uint64_t fraction = 0;

    while (n > 0 && digits[n - 1] == '0')
        n--;
    if (n > FRACTION_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        fraction = fraction * 10 + (uint64_t)(digits[i] - '0');
    /* fraction << shift, divided by 10 to the nth: by 5 and by 2, n times each */
    for (size_t i = 0; i < n; i++) {
        if (fraction % 5 != 0)
            return false;
        fraction /= 5;
    }
    for (; n > 0; n--) {
        if (shift == 0 && fraction % 2 != 0)
            return false;
        if (shift > 0)
            shift--;
        else
            fraction /= 2;
    }
    *ret = fraction << shift;
    return true;
}

/* A decimal number with what may follow it. */
static enum scalar decimal_parse(const char *text, uint64_t *ret)
{
    const char *point;
    uint64_t fraction = 0;
    bool fits;
    int shift;

    if (!is_digit(text[0]) || (text[0] == '0' && is_digit(text[1])))
        return SCALAR_NONE;
    fits = digits_take(&text, 10, ret);
    point = text;
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    shift = suffix_shift(text);
    if (shift < 0 || text == point + 1)
        return SCALAR_NONE;
    if (text > point && !fraction_shift(point + 1, (size_t)(text - point) - 1, shift, &fraction))
        return SCALAR_NONE;
    if (!fits || *ret > UINT64_MAX >> shift)
        return SCALAR_RANGE;
    *ret = (*ret << shift) + fraction; /* the fraction is less than 1 << shift */
    return SCALAR_GOOD;
}

static enum scalar hexadecimal_parse(const char *text, uint64_t *ret)
{
    const char *digits = text + 2;
    bool fits;

    text = digits;
    fits = digits_take(&text, 16, ret);
    if (text == digits || *text != '\0')
        return SCALAR_NONE;
    return fits ? SCALAR_GOOD : SCALAR_RANGE;
}

enum scalar scalar_whole(const char *text, struct whole *ret)
{
    enum scalar scalar;

    ret->negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        scalar = hexadecimal_parse(text, &ret->magnitude);
    else
        scalar = decimal_parse(text, &ret->magnitude);
    if (scalar == SCALAR_GOOD && ret->negative && ret->magnitude > (uint64_t)INT64_MAX + 1)
        return SCALAR_RANGE;
    return scalar;
}

enum scalar scalar_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"on", true}, {"yes", true}, {"false", false}, {"off", false}, {"no", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].word) != 0)
            continue;
        *ret = words[i].value;
        return SCALAR_GOOD;
    }
    return SCALAR_NONE;
}
