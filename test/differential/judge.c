/* SPDX-License-Identifier: MIT */
/* What every judge of JSON documents shares.
 *
 * A filter: documents come on standard input, each with its size in front (4 bytes, the lowest first); for each, a
 * verdict of every judge goes to standard output, with its size in front in the same way. A verdict is "no" and why, or
 * the value in a notation that says types and exact values:
 *
 *     n t f          null, true, false
 *     i12;           an integer within int64_t or uint64_t
 *     bTEXT;         an integer beyond them          xTEXT;   a number that no double holds
 *     d3ff8...;      a double, by its bits
 *     s5:hello       a string, by its bytes
 *     [ ... ]        an array            { s1:k ... }         an object, each member as it comes
 *
 * It refuses to know who judges, and what is right. */

#include "judge.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Far above any document of the test. */
#define DOCUMENT_MAX ((size_t)16 << 20)

void put_double(FILE *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    fprintf(out, "d%016" PRIx64 ";", bits);
}

void put_string(FILE *out, const char *bytes, size_t size)
{
    fprintf(out, "s%zu:", size);
    fwrite(bytes, 1, size, out);
}

static bool get_size(size_t *ret)
{
    unsigned char bytes[4];

    if (fread(bytes, 1, sizeof(bytes), stdin) < sizeof(bytes))
        return false;
    *ret = bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
    return true;
}

static void judge(void (*say)(FILE *out, const char *text, size_t size), const char *text, size_t size)
{
    char *verdict = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&verdict, &n);

    if (!out)
        abort();
    say(out, text, size);
    if (fclose(out) != 0)
        abort();
    for (unsigned shift = 0; shift < 32; shift += 8)
        putchar((int)(n >> shift & 0xff));
    fwrite(verdict, 1, n, stdout);
    free(verdict);
}

int main(void)
{
    size_t size;

    while (get_size(&size)) {
        char *text = size <= DOCUMENT_MAX ? calloc(1, size + 1) : NULL;

        if (!text || fread(text, 1, size, stdin) < size)
            return EXIT_FAILURE;
        for (unsigned i = 0; judgements[i]; i++)
            judge(judgements[i], text, size);
        free(text);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
