/* SPDX-License-Identifier: MIT */
/* What is asked for, checked and written down as one line for the wire.
 *
 * A request is a name with arguments and an id, or a ready-made text. Both are validated as QEMU's own parser would,
 * because it answers what it cannot parse with errors that name no command, and such an error ends a session. A text
 * stays as it is, but for the white space around it and the id, which it gets as its last member when it has none: a
 * member counts by what its key decodes to, wherever it is. As with QEMU, a text is out-of-band when it has an
 * "exec-oob" and no "execute".
 *
 * Ids of our own never come twice: a part that is random for each session, then a counter. An agent's commands that
 * answer only errors are known here by name, however the name is spelled.
 *
 * It refuses to know when a command may go, and what its arguments mean. */

#include <errno.h>
#include <string.h>

#include "session/session.h"
#include "util/util.h"
#include "json/validate.h"
#include "json/value.h"

/* "7f3a9c21d4e5-18446744073709551615", quoted, with its NUL. */
#define ID_SIZE_MAX ((size_t)40)

#define WHITE_SPACE " \t\r\n"

static const char execute[] = "{\"execute\":", exec_oob[] = "{\"exec-oob\":";
static const char arguments_key[] = ",\"arguments\":", id_key[] = "\"id\":";

/* What the session has to know of a text. */
struct outline {
    qmp_value name, id; /* absent: none */
    bool oob, empty;
};

static struct outline outline_of(qmp_value object)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};
    struct outline o = {.empty = true};
    bool has_exec_oob = false;

    while (qmp_value_next(object, &key, &item)) {
        o.empty = false;
        if (qmp_value_equals(key, "id"))
            o.id = item;
        else if (qmp_value_equals(key, "execute"))
            o.name = item;
        else if (qmp_value_equals(key, "exec-oob"))
            has_exec_oob = true;
    }
    o.oob = has_exec_oob && !o.name.text;
    return o;
}

/* ---- checking ---- */

static int check_json(const char *text, unsigned depth_max, qmp_value *ret)
{
    struct json_scan scan;
    size_t size = strlen(text);
    int r;

    if (size > SESSION_COMMAND_MAX)
        return -EMSGSIZE;
    r = json_validate_for_qemu(text, size, depth_max, &scan);
    if (r < 0)
        return r;
    *ret = (qmp_value){text + scan.value, scan.value_size};
    return 0;
}

static int check_name(const char *command, size_t *size)
{
    size_t n;

    if (!command || command[0] == '\0')
        return -EINVAL;
    n = strlen(command);
    if (n > SESSION_COMMAND_MAX)
        return -EMSGSIZE;
    if (!json_utf8_valid(command, n, /* refuse_noncharacters= */ true))
        return -EINVAL;
    *size += 6 * n + 2;
    return 0;
}

/* Any JSON, or an object; `depth_max` leaves room for what is around it. */
static int check_part(const char *text, unsigned depth_max, bool must_be_object, size_t *size)
{
    qmp_value v;
    int r;

    if (!text)
        return 0;
    r = check_json(text, depth_max, &v);
    if (r < 0)
        return r;
    if (must_be_object && qmp_value_type(v) != QMP_OBJECT)
        return -EINVAL;
    *size += v.size;
    return 0;
}

static int check_parts(const struct session_request *request, size_t *size)
{
    int r = check_name(request->command, size);

    if (r >= 0)
        r = check_part(request->arguments, JSON_DEPTH_MAX - 1, /* must_be_object= */ true, size);
    if (r >= 0)
        r = check_part(request->id, JSON_DEPTH_MAX - 1, /* must_be_object= */ false, size);
    return r;
}

static int check_text(const struct session_request *request, size_t *size)
{
    struct outline o;
    qmp_value v;
    int r;

    r = check_json(request->text, JSON_DEPTH_MAX, &v);
    if (r < 0)
        return r;
    if (qmp_value_type(v) != QMP_OBJECT)
        return -EINVAL;
    o = outline_of(v);
    if ((o.id.text && request->no_id) || (o.oob && request->n_fds > 0))
        return -EINVAL;
    *size += v.size;
    return 0;
}

static bool contradicts_itself(const struct session_request *r)
{
    if (r->text && (r->command || r->arguments || r->id || r->oob))
        return true;
    return (r->no_id && r->id) || (r->oob && r->n_fds > 0);
}

int session_check(const struct session_request *request, size_t *ret_size)
{
    size_t size = sizeof(exec_oob) + sizeof(arguments_key) + sizeof(id_key) + ID_SIZE_MAX + sizeof(",}\n");
    int r;

    if (contradicts_itself(request))
        return -EINVAL;
    r = request->text ? check_text(request, &size) : check_parts(request, &size);
    if (r < 0)
        return r;
    if (size > SESSION_COMMAND_MAX)
        return -EMSGSIZE;
    *ret_size = size;
    return 0;
}

/* ---- composing ---- */

static char *put(char *to, const void *text, size_t size)
{
    memcpy(to, text, size);
    return to + size;
}

/* White space around an argument is the caller's business, not the wire's. */
static char *put_json(char *to, const char *text)
{
    size_t size;

    text += strspn(text, WHITE_SPACE);
    size = strlen(text);
    while (strchr(WHITE_SPACE, text[size - 1]))
        size--;
    return put(to, text, size);
}

static char *put_decimal(char *to, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[sizeof(digits) - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(to, digits + sizeof(digits) - n, n);
}

static char *put_own_id(struct session *s, char *to)
{
    to = put(to, s->id_start, sizeof(s->id_start));
    to = put_decimal(to, ++s->counter);
    *to++ = '"';
    return to;
}

/* The member, with the caller's id or one of our own (`id` is NULL). */
static char *put_id(struct session *s, struct session_command *c, char *to, const char *id)
{
    char *start = to = put(to, id_key, sizeof(id_key) - 1);

    to = id ? put_json(to, id) : put_own_id(s, to);
    c->own_id = !id;
    c->id = (qmp_value){start, (size_t)(to - start)};
    return to;
}

/* Returns the end, behind the closing brace, for this and the next. */
static char *put_parts(
    struct session *s, struct session_command *c, char *to, const struct session_request *r, qmp_value *ret_name)
{
    to = r->oob ? put(to, exec_oob, sizeof(exec_oob) - 1) : put(to, execute, sizeof(execute) - 1);
    *ret_name = (qmp_value){to, json_quote(to, r->command, strlen(r->command))};
    to += ret_name->size;
    if (r->arguments)
        to = put_json(put(to, arguments_key, sizeof(arguments_key) - 1), r->arguments);
    if (!r->no_id) {
        *to++ = ',';
        to = put_id(s, c, to, r->id);
    }
    *to++ = '}';
    c->oob = r->oob;
    return to;
}

static char *put_text(
    struct session *s, struct session_command *c, char *to, const struct session_request *r, qmp_value *ret_name)
{
    char *end = put_json(to, r->text);
    struct outline o = outline_of((qmp_value){to, (size_t)(end - to)});

    *ret_name = o.name;
    c->oob = o.oob;
    c->id = o.id;
    if (o.id.text || r->no_id)
        return end;
    end--; /* the closing brace */
    if (!o.empty)
        *end++ = ',';
    end = put_id(s, c, end, /* id= */ NULL);
    *end++ = '}';
    return end;
}

/* Those of the agent's commands that its schema marks as having no success response. */
static bool answers_only_errors(qmp_value name)
{
    static const char *const names[] = {
        "guest-shutdown",
        "guest-suspend-disk",
        "guest-suspend-hybrid",
        "guest-suspend-ram",
    };

    for (unsigned i = 0; i < ELEMENTS(names); i++) {
        if (qmp_value_equals(name, names[i]))
            return true;
    }
    return false;
}

void session_compose(struct session *s, struct session_command *c, char *buffer, const struct session_request *request)
{
    qmp_value name;
    char *end;

    *c = (struct session_command){.state = COMMAND_NEW, .text = buffer, .fds = request->fds, .n_fds = request->n_fds};
    list_init(&c->link);
    end = request->text ? put_text(s, c, buffer, request, &name) : put_parts(s, c, buffer, request, &name);
    *end++ = '\n';
    c->size = (size_t)(end - buffer);
    c->only_errors = s->agent && (request->only_errors || answers_only_errors(name));
}
