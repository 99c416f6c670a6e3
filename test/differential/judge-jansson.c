/* SPDX-License-Identifier: MIT */
/* Jansson as a judge, with what JSON allows and it forbids by default: any value as a document, and U+0000. */

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "judge.h"

static void jansson_value(FILE *out, json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(v)) {
    case JSON_NULL:
        fputc('n', out);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        fputc(json_is_true(v) ? 't' : 'f', out);
        break;
    case JSON_INTEGER:
        fprintf(out, "i%" PRId64 ";", (int64_t)json_integer_value(v));
        break;
    case JSON_REAL:
        put_double(out, json_real_value(v));
        break;
    case JSON_STRING:
        put_string(out, json_string_value(v), json_string_length(v));
        break;
    case JSON_ARRAY:
        fputc('[', out);
        json_array_foreach(v, i, item) jansson_value(out, item);
        fputc(']', out);
        break;
    case JSON_OBJECT:
        fputc('{', out);
        json_object_foreach(v, key, item)
        {
            put_string(out, key, strlen(key));
            jansson_value(out, item);
        }
        fputc('}', out);
        break;
    }
}

static void jansson(FILE *out, const char *text, size_t size)
{
    json_error_t error;
    json_t *v = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (!v) {
        fprintf(out, "no %s", error.text);
        return;
    }
    jansson_value(out, v);
    json_decref(v);
}

void (*const judgements[])(FILE *out, const char *text, size_t size) = {jansson, NULL};
