/* SPDX-License-Identifier: MIT */
/* The one record of why a connection ended.
 *
 * The first cause counts: what follows from it is not news. Bytes of the server are bounded here, and escaped before
 * they get into a text, because texts go to terminals and logs. It refuses to know what any of the kinds mean. */

#include "session/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"
#include "json/value.h"

/* Bytes of the server that are worth reading in one line. */
#define EXCERPT_MAX ((size_t)120)

int failure_set_v(struct failure *f, enum qmp_failure kind, int error, const char *format, va_list args)
{
    if (f->kind != QMP_FAILURE_NONE)
        return f->error;
    f->kind = kind;
    f->error = error;
    if (vasprintf(&f->text, format, args) < 0)
        f->text = NULL;
    return error;
}

int failure_set(struct failure *f, enum qmp_failure kind, int error, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = failure_set_v(f, kind, error, format, args);
    va_end(args);
    return r;
}

void failure_keep_bytes(struct failure *f, const char *bytes, size_t size)
{
    size = MIN(size, FAILURE_BYTES_MAX);
    f->bytes = malloc(size);
    if (f->bytes) {
        memcpy(f->bytes, bytes, size);
        f->n_bytes = size;
    }
}

int failure_set_bytes(
    struct failure *f, enum qmp_failure kind, int error, const char *bytes, size_t size, const char *format, ...)
{
    char excerpt[EXCERPT_MAX], *what;
    va_list args;

    if (f->kind != QMP_FAILURE_NONE)
        return f->error;
    va_start(args, format);
    failure_set_v(f, kind, error, format, args);
    va_end(args);

    what = f->text;
    json_excerpt(excerpt, sizeof(excerpt), bytes, size);
    if (what && asprintf(&f->text, "%s: %s", what, excerpt) < 0)
        f->text = NULL;
    free(what);
    failure_keep_bytes(f, bytes, size);
    return error;
}

void failure_done(struct failure *f)
{
    free(f->text);
    free(f->bytes);
    *f = (struct failure){0};
}
