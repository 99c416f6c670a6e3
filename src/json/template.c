/* SPDX-License-Identifier: MIT */
/* JSON from a template and printf-like conversions.
 *
 * The template is parsed, never pasted: a conversion stands where a value does and becomes exactly one value, so no
 * argument can change the shape of the document. What comes out is written by a writer and is valid JSON, or nothing.
 *
 * A string of the template is first rewritten as JSON (its quotes, its `%%`), checked, then decoded, all in one scratch
 * buffer: it is used up before the next one is read.
 *
 * It refuses to know formats beyond the ones in its table: a width or a precision means nothing in JSON. */

#include "json/template.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "util/util.h"
#include "json/value.h"
#include "json/writer.h"

struct template
{
    const char *p;
    va_list arguments;
    qmp_writer writer;
    char *scratch; /* as large as any string of the template, rewritten */
};

enum conversion { STRING, INT, LONG, LLONG, SSIZE, INTMAX, UINT, ULONG, ULLONG, SIZE, UINTMAX, BOOL, DOUBLE, JSON };

static const struct {
    const char *spelling;
    enum conversion conversion;
} conversions[] = {
    {"s", STRING},
    {"d", INT},
    {"ld", LONG},
    {"lld", LLONG},
    {"zd", SSIZE},
    {"jd", INTMAX},
    {"u", UINT},
    {"lu", ULONG},
    {"llu", ULLONG},
    {"zu", SIZE},
    {"ju", UINTMAX},
    {"i", BOOL},
    {"f", DOUBLE},
    {"p", JSON},
};

static bool value(struct template *t);

static bool fail(struct template *t)
{
    writer_fail(&t->writer, -EINVAL);
    return false;
}

static char skip_space(struct template *t)
{
    t->p += strspn(t->p, " \n\r\t");
    return *t->p;
}

/* Takes the next argument and writes it. */
static void convert(struct template *t, enum conversion conversion)
{
    qmp_writer *w = &t->writer;
    const char *string;

    switch (conversion) {
    case STRING:
        string = va_arg(t->arguments, const char *);
        if (string)
            qmp_writer_string(w, NULL, string);
        else
            qmp_writer_null(w, NULL);
        break;
    case INT:
        qmp_writer_int64(w, NULL, va_arg(t->arguments, int));
        break;
    case LONG:
        qmp_writer_int64(w, NULL, va_arg(t->arguments, long));
        break;
    case LLONG:
        qmp_writer_int64(w, NULL, va_arg(t->arguments, long long));
        break;
    case SSIZE:
        qmp_writer_int64(w, NULL, va_arg(t->arguments, ssize_t));
        break;
    case INTMAX:
        qmp_writer_int64(w, NULL, va_arg(t->arguments, intmax_t));
        break;
    case UINT:
        qmp_writer_uint64(w, NULL, va_arg(t->arguments, unsigned));
        break;
    case ULONG:
        qmp_writer_uint64(w, NULL, va_arg(t->arguments, unsigned long));
        break;
    case ULLONG:
        qmp_writer_uint64(w, NULL, va_arg(t->arguments, unsigned long long));
        break;
    case SIZE:
        qmp_writer_uint64(w, NULL, va_arg(t->arguments, size_t));
        break;
    case UINTMAX:
        qmp_writer_uint64(w, NULL, va_arg(t->arguments, uintmax_t));
        break;
    case BOOL:
        qmp_writer_bool(w, NULL, va_arg(t->arguments, int));
        break;
    case DOUBLE:
        qmp_writer_double(w, NULL, va_arg(t->arguments, double));
        break;
    case JSON:
        qmp_writer_json(w, NULL, va_arg(t->arguments, const void *));
        break;
    }
}

static bool conversion(struct template *t)
{
    for (size_t i = 0; i < ELEMENTS(conversions); i++) {
        size_t size = strlen(conversions[i].spelling);
        if (strncmp(t->p + 1, conversions[i].spelling, size) == 0) {
            t->p += 1 + size;
            convert(t, conversions[i].conversion);
            return t->writer.error == 0;
        }
    }
    return fail(t);
}

/* Rewrites the string at t->p as a JSON string in the scratch buffer. Returns its size; 0 when it is none. */
static size_t rewrite_string(struct template *t)
{
    char quote = *t->p++, *out = t->scratch;

    *out++ = '"';
    for (; *t->p != quote; t->p++) {
        char next = *t->p == '\0' ? '\0' : t->p[1];
        if (*t->p == '\0' || (*t->p == '%' && next != '%') || (*t->p == '\\' && next == '\0'))
            return 0;
        if (*t->p == '"' || (*t->p == '\\' && next != '\''))
            *out++ = '\\';
        if (*t->p == '%' || *t->p == '\\')
            t->p++;
        *out++ = *t->p;
    }
    t->p++;
    *out++ = '"';
    return (size_t)(out - t->scratch);
}

/* Leaves the decoded bytes in the scratch buffer. */
static bool string(struct template *t, size_t *ret_size)
{
    size_t size = rewrite_string(t);
    qmp_value string;

    if (size == 0 || qmp_json_check(t->scratch, size, &string, /* reterr_description= */ NULL) < 0)
        return fail(t);
    *ret_size = json_decode(string, t->scratch);
    return true;
}

static bool string_value(struct template *t)
{
    size_t size;

    if (!string(t, &size))
        return false;
    qmp_writer_string_sized(&t->writer, NULL, t->scratch, size);
    return t->writer.error == 0;
}

/* A number or a literal. */
static bool token(struct template *t)
{
    size_t size = strspn(t->p, "abcdefghijklmnopqrstuvwxyzE0123456789+-.");

    if (size == 0)
        return fail(t);
    writer_json_sized(&t->writer, NULL, t->p, size);
    t->p += size;
    return t->writer.error == 0;
}

static bool key(struct template *t)
{
    char quote = skip_space(t);
    size_t size;

    if ((quote != '\'' && quote != '"') || !string(t, &size))
        return fail(t);
    writer_key(&t->writer, t->scratch, size);
    if (skip_space(t) != ':')
        return fail(t);
    t->p++;
    return true;
}

/* The inside of a container and its closing bracket. */
static bool container(struct template *t, bool object)
{
    char close = object ? '}' : ']';

    t->p++;
    if (object)
        qmp_writer_begin_object(&t->writer, NULL);
    else
        qmp_writer_begin_array(&t->writer, NULL);
    if (t->writer.error)
        return false;
    if (skip_space(t) != close) {
        for (;;) {
            if ((object && !key(t)) || !value(t))
                return false;
            if (skip_space(t) == close)
                break;
            if (*t->p != ',')
                return fail(t);
            t->p++;
        }
    }
    t->p++;
    qmp_writer_end(&t->writer);
    return t->writer.error == 0;
}

/* Recursion ends where the writer refuses to nest deeper. */
static bool value(struct template *t)
{
    switch (skip_space(t)) {
    case '{':
        return container(t, /* object= */ true);
    case '[':
        return container(t, /* object= */ false);
    case '\'':
    case '"':
        return string_value(t);
    case '%':
        return conversion(t);
    default:
        return token(t);
    }
}

int json_template(char **ret, const char *format, va_list arguments)
{
    struct template t = {.p = format};
    const char *text;
    int r;

    t.scratch = malloc(2 * strlen(format) + 2);
    if (!t.scratch)
        return -ENOMEM;
    va_copy(t.arguments, arguments);
    if (value(&t) && skip_space(&t) != '\0')
        fail(&t);
    va_end(t.arguments);

    r = qmp_writer_finish(&t.writer, &text);
    if (r == 0)
        *ret = TAKE(t.writer.text.data);
    writer_done(&t.writer);
    free(t.scratch);
    return r == 0 || r == -ENOMEM ? r : -EINVAL;
}

char *qmp_json(const char *format, ...)
{
    va_list arguments;
    char *ret = NULL;
    int r;

    va_start(arguments, format);
    r = json_template(&ret, format, arguments);
    va_end(arguments);
    if (r < 0)
        errno = -r;
    return ret;
}
