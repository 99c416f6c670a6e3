/* SPDX-License-Identifier: MIT */
/* json-c as a judge. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "judge.h"

/* As deep as the library goes. */
#define DEPTH_MAX 1024

static void json_c_value(FILE *out, struct json_object *v)
{
    switch (json_object_get_type(v)) {
    case json_type_null:
        fputc('n', out);
        break;
    case json_type_boolean:
        fputc(json_object_get_boolean(v) ? 't' : 'f', out);
        break;
    case json_type_int:
        if (json_object_get_int64(v) == INT64_MAX)
            fprintf(out, "i%" PRIu64 ";", json_object_get_uint64(v));
        else
            fprintf(out, "i%" PRId64 ";", json_object_get_int64(v));
        break;
    case json_type_double:
        put_double(out, json_object_get_double(v));
        break;
    case json_type_string:
        put_string(out, json_object_get_string(v), (size_t)json_object_get_string_len(v));
        break;
    case json_type_array:
        fputc('[', out);
        for (size_t i = 0; i < json_object_array_length(v); i++)
            json_c_value(out, json_object_array_get_idx(v, i));
        fputc(']', out);
        break;
    case json_type_object:
        fputc('{', out);
        json_object_object_foreach(v, key, item)
        {
            put_string(out, key, strlen(key));
            json_c_value(out, item);
        }
        fputc('}', out);
        break;
    }
}

/* At its strictest, and as deep as we go. The NUL behind the text tells it that there is no more. */
static void json_c(FILE *out, const char *text, size_t size)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *v;
    enum json_tokener_error error;

    if (!tokener)
        abort();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    v = json_tokener_parse_ex(tokener, text, (int)size + 1);
    error = json_tokener_get_error(tokener);
    if (error != json_tokener_success)
        fprintf(out, "no %s", json_tokener_error_desc(error));
    else if (json_tokener_get_parse_end(tokener) < size)
        fputs("no something behind", out);
    else
        json_c_value(out, v);
    json_object_put(v);
    json_tokener_free(tokener);
}

void (*const judgements[])(FILE *out, const char *text, size_t size) = {json_c, NULL};
