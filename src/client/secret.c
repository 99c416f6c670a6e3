/* SPDX-License-Identifier: MIT */
/* Which values in a message are secrets.
 *
 * A secret is what stands under a name that QEMU and the guest agent use for nothing else, at any depth, in either
 * direction; and what a command's other arguments say is one: the data of a secret object, the value of such a
 * property, a line for the human monitor that has a word for one in it. Names of objects that hold secrets
 * ("password-secret") are none. The text is scanned once, whatever its depth.
 *
 * It knows nothing of what is done with them, and does not know what it takes a schema or the earlier command to know:
 * a reply that is a bare string is none. */

#include "client/secret.h"

#include <string.h>
#include <strings.h>

#include "util/util.h"

/* Members that hold a secret wherever they stand. */
static const char *const names[] = {"password", "passwd", "secret", "cookie"};
/* What makes a line for the human monitor one. */
static const char *const words[] = {"passw", "secret"};

static bool is_name(qmp_value key)
{
    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (qmp_value_equals(key, names[i]))
            return true;
    return false;
}

static bool has_word(qmp_value text)
{
    for (size_t k = 0; k < ELEMENTS(words); k++)
        for (size_t i = 0, n = strlen(words[k]); i + n <= text.size; i++)
            if (strncasecmp(text.text + i, words[k], n) == 0)
                return true;
    return memchr(text.text, '\\', text.size) != NULL; /* an escape may hide it */
}

/* Whether a type of object is one of QEMU's for secrets. */
static bool is_secret_type(qmp_value type)
{
    return qmp_value_equals(type, "secret") || qmp_value_equals(type, "secret_keyring");
}

static qmp_value own_find(qmp_value message)
{
    static const qmp_value none = {NULL, 0};
    qmp_value command = qmp_value_member(message, "execute");
    qmp_value arguments = qmp_value_member(message, "arguments");

    if (qmp_value_equals(command, "object-add") && is_secret_type(qmp_value_member(arguments, "qom-type"))) {
        qmp_value data = qmp_value_member(arguments, "data");
        return data.text ? data : qmp_value_path(arguments, "props.data"); /* before QEMU 6.0 */
    }
    if (qmp_value_equals(command, "qom-set")) {
        qmp_value property = qmp_value_member(arguments, "property");
        return is_name(property) || qmp_value_equals(property, "data") ? qmp_value_member(arguments, "value") : none;
    }
    if (qmp_value_equals(command, "human-monitor-command")) {
        qmp_value line = qmp_value_member(arguments, "command-line");
        return line.text && has_word(line) ? line : none;
    }
    return none;
}

struct secrets secrets_of(qmp_value message)
{
    struct secrets s = {message.text, message.text + message.size, {NULL, 0}};

    if (qmp_value_type(message) == QMP_OBJECT)
        s.own = own_find(message);
    return s;
}

static bool is_space(char x)
{
    return x == ' ' || x == '\t' || x == '\r' || x == '\n';
}

static const char *space_skip(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Behind the string that starts here. */
static const char *string_skip(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : end;
}

/* Behind the value that starts here. */
static const char *value_skip(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        char x = *at;

        if (depth == 0 && (x == ',' || x == '}' || x == ']' || is_space(x)))
            return at;
        if (x == '"') {
            at = string_skip(at, end);
        } else {
            depth += x == '{' || x == '[';
            depth -= x == '}' || x == ']';
            at++;
        }
        if (depth == 0 && (x == '"' || x == '}' || x == ']'))
            return at;
    }
    return end;
}

bool secrets_next(struct secrets *s, qmp_value *ret)
{
    while (s->at < s->end) {
        const char *start = s->at, *value;

        if (*start != '"') {
            s->at++;
            continue;
        }
        s->at = string_skip(start, s->end);
        value = space_skip(s->at, s->end);
        if (value == s->end || *value != ':')
            continue;
        value = space_skip(value + 1, s->end);
        if (value != s->own.text && !is_name((qmp_value){start, (size_t)(s->at - start)})) {
            s->at = value;
            continue;
        }
        s->at = value_skip(value, s->end);
        *ret = (qmp_value){value, (size_t)(s->at - value)};
        return true;
    }
    return false;
}
