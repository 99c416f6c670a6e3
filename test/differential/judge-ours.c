/* SPDX-License-Identifier: MIT */
/* The library as a judge: what it says of a document that it is sent, and ("yes", or "no" and why) of the same one that
 * it would send. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <qmp/value.h>

#include "judge.h"
#include "json/validate.h"

static void ours_number(FILE *out, qmp_value v)
{
    int64_t i;
    uint64_t u;
    double f;

    if (qmp_value_int64(v, &i) == 0)
        fprintf(out, "i%" PRId64 ";", i);
    else if (qmp_value_uint64(v, &u) == 0)
        fprintf(out, "i%" PRIu64 ";", u);
    else if (qmp_value_uint64(v, &u) == -ERANGE)
        fprintf(out, "b%.*s;", (int)v.size, v.text);
    else if (qmp_value_double(v, &f) == 0)
        put_double(out, f);
    else
        fprintf(out, "x%.*s;", (int)v.size, v.text);
}

static void ours_string(FILE *out, qmp_value v)
{
    char *decoded = NULL;
    size_t size = 0;

    if (qmp_value_string(v, &decoded, &size) < 0)
        abort();
    put_string(out, decoded, size);
    free(decoded);
}

static void ours_value(FILE *out, qmp_value v)
{
    enum qmp_type type = qmp_value_type(v);
    qmp_value key = {NULL, 0}, item = {NULL, 0};

    if (type == QMP_NULL || type == QMP_BOOL) {
        fputc(v.text[0], out);
    } else if (type == QMP_NUMBER) {
        ours_number(out, v);
    } else if (type == QMP_STRING) {
        ours_string(out, v);
    } else {
        fputc(type == QMP_OBJECT ? '{' : '[', out);
        while (qmp_value_next(v, &key, &item)) {
            if (type == QMP_OBJECT)
                ours_string(out, key);
            ours_value(out, item);
        }
        fputc(type == QMP_OBJECT ? '}' : ']', out);
    }
}

static void ours(FILE *out, const char *text, size_t size)
{
    struct json_scan scan;

    if (json_validate(text, size, JSON_DEPTH_MAX, 0, &scan) < 0)
        fprintf(out, "no %s", json_flaw_string(scan.flaw));
    else
        ours_value(out, (qmp_value){text + scan.value, scan.value_size});
}

static void ours_to_send(FILE *out, const char *text, size_t size)
{
    struct json_scan scan;

    if (json_validate_for_qemu(text, size, JSON_DEPTH_MAX, &scan) < 0)
        fprintf(out, "no %s", json_flaw_string(scan.flaw));
    else
        fputs("yes", out);
}

void (*const judgements[])(FILE *out, const char *text, size_t size) = {ours, ours_to_send, NULL};
