/* SPDX-License-Identifier: MIT */

/* Commands, seen from the server's side.
 *
 * It knows nothing of connections, nor of what commands do. */

#include <errno.h>
#include <string.h>

#include "command.h"
#include "order.h"

/* Writes a string in single quotes as one in double quotes, up to its end. Returns where that is. */
static const char *string_requote(const char *text, const char *end, char **to)
{
    *(*to)++ = '"';
    for (text++; text < end && *text != '\''; text++) {
        bool escapes = *text == '\\' && text + 1 < end;
        if (escapes && text[1] != '\'')
            *(*to)++ = *text;
        else if (*text == '"')
            *(*to)++ = '\\';
        if (escapes)
            text++;
        *(*to)++ = *text;
    }
    *(*to)++ = '"';
    return text + 1;
}

/* The text with double quotes around every string, NUL-terminated. It needs up to two bytes for each. */
static char *requote(const char *text, size_t size)
{
    const char *end = text + size;
    char *requoted = malloc(2 * size + 3), *to = requoted;

    while (requoted != NULL && text < end) {
        if (*text == '\'') {
            text = string_requote(text, end, &to);
            continue;
        }
        if (*text == '"') {
            const char *start = text++;
            while (text < end && *text != '"')
                text += *text == '\\' && text + 1 < end ? 2 : 1;
            memcpy(to, start, (size_t)(text - start));
            to += text - start;
        }
        if (text < end)
            *to++ = *text++;
    }
    if (requoted != NULL)
        *to = '\0';
    return requoted;
}

int command_parse(const char *text, size_t size, qmp_value *ret, char **ret_memory)
{
    int r = qmp_json_check(text, size, ret, /* reterr_description= */ NULL);

    *ret_memory = NULL;
    if (r != -EBADMSG || memchr(text, '\'', size) == NULL)
        return r;
    *ret_memory = requote(text, size);
    if (*ret_memory == NULL)
        return -ENOMEM;
    return qmp_json_check(*ret_memory, strlen(*ret_memory), ret, /* reterr_description= */ NULL);
}

qmp_value command_name(qmp_value command)
{
    qmp_value name = qmp_value_member(command, "execute");

    if (qmp_value_type(name) == QMP_ABSENT)
        name = qmp_value_member(command, "exec-oob");
    return qmp_value_type(name) == QMP_STRING ? name : (qmp_value){NULL, 0};
}

static qmp_value command_arguments(qmp_value command)
{
    qmp_value arguments = qmp_value_member(command, "arguments");

    return qmp_value_type(arguments) != QMP_ABSENT ? arguments : (qmp_value){"{}", 2};
}

bool command_is_negotiation(qmp_value command)
{
    return qmp_value_equals(command_name(command), "qmp_capabilities");
}

int command_order(qmp_value a, qmp_value b, bool *ret_failed)
{
    int r = order_values(command_name(a), command_name(b), ret_failed);

    if (r != 0 || command_is_negotiation(a))
        return r;
    return order_values(command_arguments(a), command_arguments(b), ret_failed);
}
