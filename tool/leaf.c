/* SPDX-License-Identifier: MIT */

/* A text of the command line becomes the JSON value that it should be, or is refused.
 *
 * The invariant: what is written is of the type that is wanted, and stands for the text exactly. Space around it, such
 * as the end of the line in a file, counts in strings alone. Where anything may stand, the looks decide: JSON is what
 * it is, unless it is a string of JSON's; anything else is a string, as it stands.
 *
 * It knows nothing of objects and their members. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "leaf.h"
#include "scalar.h"

#define SPACES " \t\r\n"

static enum outcome type_write(const struct place *p, const char *text, qmp_value type);

/* Says that a text is not what it should be. */
static enum outcome text_refuse(const struct place *p, const char *text, qmp_value type)
{
    char kind[KIND_TEXT_MAX];

    judge_fault(p->judge, "'%s': '%.80s' is not %s", p->path, text, kind_text(p->judge->schema, type, kind));
    return OUTCOME_USAGE;
}

/* Writes a text as JSON if it is, of a type that the caller wants: QMP_ABSENT: any but a string. */
static enum outcome json_write(const struct place *p, const char *text, enum qmp_type wanted)
{
    __attribute__((cleanup(qmp_freep))) char *description = NULL;
    bool quoted = text[strspn(text, SPACES)] == '"';
    qmp_value v = {NULL, 0};
    int r = wanted == QMP_ABSENT && quoted ? -EBADMSG : qmp_json_check(text, strlen(text), &v, &description);

    if (r == -EBADMSG && wanted == QMP_ABSENT) {
        qmp_writer_string(p->writer, p->key, text);
    } else if (r >= 0 && (wanted == QMP_ABSENT || qmp_value_type(v) == wanted)) {
        qmp_writer_json(p->writer, p->key, text);
    } else if (r == -ENOMEM) {
        return outcome_of_error("arguments", r);
    } else {
        judge_fault(p->judge, "'%s': %s", p->path, r < 0 ? description : "JSON, but of another type");
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

static enum outcome whole_write(const struct place *p, const char *text, qmp_value type)
{
    struct whole whole;

    switch (scalar_whole(text, &whole)) {
    case SCALAR_NONE:
        return text_refuse(p, text, type);
    case SCALAR_RANGE:
        judge_fault(p->judge, "'%s': '%.80s' is too large for 64 bits", p->path, text);
        return OUTCOME_USAGE;
    case SCALAR_GOOD:
    default:
        if (whole.negative)
            qmp_writer_int64(p->writer, p->key, (int64_t)(0 - whole.magnitude));
        else
            qmp_writer_uint64(p->writer, p->key, whole.magnitude);
        return OUTCOME_DONE;
    }
}

static bool is_number(const char *text)
{
    qmp_value v;

    return qmp_json_check(text, strlen(text), &v, /* reterr_description= */ NULL) >= 0 &&
           qmp_value_type(v) == QMP_NUMBER;
}

static enum outcome number_write(const struct place *p, const char *text, qmp_value type)
{
    if (!is_number(text))
        return whole_write(p, text, type);
    qmp_writer_json(p->writer, p->key, text);
    return OUTCOME_DONE;
}

static enum outcome bool_write(const struct place *p, const char *text, qmp_value type)
{
    bool value;

    if (scalar_bool(text, &value) != SCALAR_GOOD)
        return text_refuse(p, text, type);
    qmp_writer_bool(p->writer, p->key, value);
    return OUTCOME_DONE;
}

static enum outcome enum_write(const struct place *p, const char *text, qmp_value type)
{
    if (!kind_has_value(type, text)) {
        judge_no_value(p->judge, p->path, text, type);
        return OUTCOME_USAGE;
    }
    qmp_writer_string(p->writer, p->key, text);
    return OUTCOME_DONE;
}

/* A list of JSON's, or of texts with commas between them. */
static enum outcome array_write(const struct place *p, const char *text, qmp_value type)
{
    qmp_value element = schema_named(p->judge->schema, qmp_value_member(type, "element-type"));
    __attribute__((cleanup(qmp_freep))) char *copy = NULL;
    struct place item = {p->judge, p->writer, /* key= */ NULL, p->path};
    enum outcome outcome = OUTCOME_DONE;

    if (text[strspn(text, SPACES)] == '[')
        return json_write(p, text, QMP_ARRAY);
    if (kind_of(element) == KIND_OBJECT || kind_of(element) == KIND_ARRAY) {
        judge_fault(
            p->judge, "'%s': '%.80s' is not a list; write %s.0.KEY=VALUE, or JSON in [ ]", p->path, text, p->path);
        return OUTCOME_USAGE;
    }
    copy = strdup(text);
    if (copy == NULL)
        return outcome_of_error("arguments", -ENOMEM);
    qmp_writer_begin_array(p->writer, p->key);
    for (char *rest = *copy != '\0' ? copy : NULL; outcome == OUTCOME_DONE && rest != NULL;)
        outcome = type_write(&item, strsep(&rest, ","), element);
    qmp_writer_end(p->writer);
    return outcome;
}

static enum outcome object_write(const struct place *p, const char *text)
{
    if (text[strspn(text, SPACES)] == '{')
        return json_write(p, text, QMP_OBJECT);
    judge_fault(p->judge, "'%s': '%.80s' is not an object; write %s.KEY=VALUE, or JSON in { }", p->path, text, p->path);
    return OUTCOME_USAGE;
}

/* Whether a text looks like a kind, other than a string, which everything does. */
static bool text_fits(const char *text, qmp_value type)
{
    struct whole whole;
    bool value;

    switch (kind_of(type)) {
    case KIND_INT:
        return scalar_whole(text, &whole) != SCALAR_NONE;
    case KIND_NUMBER:
        return is_number(text) || scalar_whole(text, &whole) != SCALAR_NONE;
    case KIND_BOOL:
        return scalar_bool(text, &value) == SCALAR_GOOD;
    case KIND_NULL:
        return strcmp(text, "null") == 0;
    case KIND_ENUM:
        return kind_has_value(type, text);
    case KIND_ARRAY:
        return text[strspn(text, SPACES)] == '[';
    case KIND_OBJECT:
        return text[strspn(text, SPACES)] == '{';
    default:
        return false;
    }
}

/* The first branch of an alternate that a text looks like, else the one that is a string. */
static enum outcome alternate_write(const struct place *p, const char *text, qmp_value type)
{
    qmp_value members = qmp_value_member(type, "members"), member = {NULL, 0}, string = {NULL, 0};

    while (qmp_value_next(members, /* key= */ NULL, &member)) {
        qmp_value branch = schema_named(p->judge->schema, qmp_value_member(member, "type"));
        if (text_fits(text, branch))
            return type_write(p, text, branch);
        if (kind_of(branch) == KIND_STRING)
            string = branch;
    }
    return qmp_value_type(string) != QMP_ABSENT ? type_write(p, text, string) : text_refuse(p, text, type);
}

static enum outcome kind_write(const struct place *p, const char *text, enum kind kind, qmp_value type)
{
    switch (kind) {
    case KIND_STRING:
        qmp_writer_string(p->writer, p->key, text);
        return OUTCOME_DONE;
    case KIND_INT:
        return whole_write(p, text, type);
    case KIND_NUMBER:
        return number_write(p, text, type);
    case KIND_BOOL:
        return bool_write(p, text, type);
    case KIND_NULL:
        return strcmp(text, "null") == 0 ? json_write(p, text, QMP_NULL) : text_refuse(p, text, type);
    case KIND_ENUM:
        return enum_write(p, text, type);
    case KIND_ARRAY:
        return array_write(p, text, type);
    case KIND_OBJECT:
        return object_write(p, text);
    case KIND_ALTERNATE:
        return alternate_write(p, text, type);
    case KIND_ANY:
    default:
        return json_write(p, text, QMP_ABSENT);
    }
}

enum outcome leaf_write(const struct place *p, const char *text, enum kind kind, qmp_value type)
{
    size_t size = strlen(text);
    __attribute__((cleanup(qmp_freep))) char *line = NULL;

    while (size > 0 && strchr(SPACES, text[size - 1]) != NULL)
        size--;
    if (kind == KIND_STRING || kind == KIND_ANY || kind == KIND_ALTERNATE || text[size] == '\0')
        return kind_write(p, text, kind, type);
    line = strndup(text, size);
    return line != NULL ? kind_write(p, line, kind, type) : outcome_of_error("arguments", -ENOMEM);
}

static enum outcome type_write(const struct place *p, const char *text, qmp_value type)
{
    return leaf_write(p, text, kind_of(type), type);
}
