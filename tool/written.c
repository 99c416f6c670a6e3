/* SPDX-License-Identifier: MIT */

/* JSON that this program made, on standard output. It knows nothing of what it means. */

#include "written.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* Puts a space behind each ':' and ',' that is not inside a string. */
static size_t text_space(char *out, const char *text)
{
    char *start = out;
    bool inside = false;

    for (; *text != '\0'; text++) {
        *out++ = *text;
        if (inside && *text == '\\')
            *out++ = *++text;
        else if (*text == '"')
            inside = !inside;
        else if (!inside && (*text == ':' || *text == ','))
            *out++ = ' ';
    }
    return (size_t)(out - start);
}

enum outcome written_print(qmp_writer *w)
{
    __attribute__((cleanup(qmp_freep))) char *spaced = NULL;
    const char *text;
    int r = qmp_writer_finish(w, &text);

    if (r >= 0)
        spaced = malloc(2 * strlen(text) + 1);
    if (spaced == NULL)
        return outcome_of_error("writing JSON", r < 0 ? r : -ENOMEM);
    return output_json((qmp_value){spaced, text_space(spaced, text)});
}
