/* SPDX-License-Identifier: MIT */

/* "Did you mean": which of many names is nearest to what was written.
 *
 * The distance is that of edits (a character put in, left out or exchanged, or two neighbours swapped), with capitals
 * and small letters the same, and '_' the same as '-'. A name is near when a third of what was written is right at
 * most wrong; a name that starts with all that was written is near, too. The first of equals wins.
 *
 * It knows nothing of what the names are. */

#include <string.h>

#include "guess.h"

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment, row by row: two rows before the present one are all it looks at. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][GUESS_NAME_MAX + 1];

    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3];
        const size_t *twice = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            char x = fold(a[i - 1]), y = fold(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold(b[j - 2]) && y == fold(a[i - 2]))
                row[j] = least(row[j], twice[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

struct guess guess_start(const char *written)
{
    return (struct guess){written, GUESS_NAME_MAX, ""};
}

void guess_add_sized(struct guess *guess, const char *name, size_t size)
{
    size_t written = strlen(guess->written), d;

    if (written == 0 || written >= GUESS_NAME_MAX || size >= GUESS_NAME_MAX || size == 0)
        return;
    d = distance(guess->written, written, name, size);
    if (d > (written + 2) / 3) {
        size_t i = 0;
        while (i < written && i < size && fold(guess->written[i]) == fold(name[i]))
            i++;
        if (i < written || written < 3)
            return;
    }
    if (d >= guess->distance)
        return;
    guess->distance = d;
    memcpy(guess->best, name, size);
    guess->best[size] = '\0';
}

void guess_add(struct guess *guess, const char *name)
{
    guess_add_sized(guess, name, strlen(name));
}
