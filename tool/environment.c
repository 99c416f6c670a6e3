/* SPDX-License-Identifier: MIT */

/* An event as environment variables.
 *
 *     QMP_EVENT        its name
 *     QMP_TIMESTAMP    when QEMU emitted it, in seconds since 1970, with six decimals
 *     QMP_SOCKET       where the server is
 *     QMP_DATA         its data, as JSON; {} when it has none
 *     QMP_DATA_NAME    each string, number, bool and null in its data, with the names of the objects it is in in front
 *
 * The server, and through it a guest, decides about values and never about which variables there are: each name starts
 * with QMP_DATA_, and has capitals, digits and '_' only. A string with a U+0000 cannot be in an environment and is left
 * out, and so is what is too long. A variable of these names that we inherited, from a hook that started us, is not
 * passed on. It knows nothing of programs. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"

#define PREFIX "QMP_DATA"

/* What a server may fill an environment with; Linux takes 128 kB a variable. */
#define VARIABLES_MAX 256
#define NAME_MAX_BYTES 256
#define VALUE_MAX ((size_t)32768)
#define VALUES_MAX ((size_t)262144)
#define DEPTH_MAX 16

struct environment {
    char **list; /* first what we inherited, borrowed, then what we made */
    size_t n_inherited, n;
    size_t used; /* bytes of what we made */
};

extern char **environ;

/* Whether a variable is one of an event's. */
static bool is_own(const char *variable)
{
    static const char *const names[] = {"QMP_EVENT", "QMP_TIMESTAMP", "QMP_SOCKET", PREFIX};
    size_t size = strcspn(variable, "=");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == size && strncmp(variable, names[i], size) == 0)
            return true;
    return strncmp(variable, PREFIX "_", sizeof(PREFIX)) == 0;
}

static int inherit(struct environment *e)
{
    size_t n = 0;

    while (environ != NULL && environ[n] != NULL)
        n++;
    e->list = calloc(n + VARIABLES_MAX + 1, sizeof(*e->list));
    if (e->list == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!is_own(environ[i]))
            e->list[e->n_inherited++] = environ[i];
    e->n = e->n_inherited;
    return 0;
}

static bool has(const struct environment *e, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = e->n_inherited; i < e->n; i++)
        if (strncmp(e->list[i], name, size) == 0 && e->list[i][size] == '=')
            return true;
    return false;
}

/* Adds a variable, if there is room, and none of this name. */
static int add(struct environment *e, const char *name, const char *value, size_t size)
{
    char *text;

    if (size > VALUE_MAX || e->used + size > VALUES_MAX || e->n - e->n_inherited == VARIABLES_MAX ||
        memchr(value, '\0', size) != NULL || has(e, name))
        return 0;
    if (asprintf(&text, "%s=%.*s", name, (int)size, value) < 0)
        return -ENOMEM;
    e->list[e->n++] = text;
    e->used += size;
    return 0;
}

static int add_value(struct environment *e, const char *name, qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;
    int r;

    if (qmp_value_type(v) != QMP_STRING)
        return add(e, name, v.text, v.size);
    r = qmp_value_string(v, &text, &size);
    return r < 0 ? r : add(e, name, text, size);
}

/* "QMP_DATA" and "node-name" is "QMP_DATA_NODE_NAME". False when that is too long. */
static bool name_make(char ret[NAME_MAX_BYTES], const char *prefix, qmp_value key)
{
    size_t used = (size_t)snprintf(ret, NAME_MAX_BYTES, "%s_", prefix);

    if (used + key.size >= NAME_MAX_BYTES)
        return false;
    for (size_t i = 1; i < key.size - 1; i++) {
        char c = key.text[i];
        bool lower = c >= 'a' && c <= 'z', other = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        ret[used++] = lower ? (char)(c - 'a' + 'A') : other ? c : '_';
    }
    ret[used] = '\0';
    return true;
}

static int add_object(struct environment *e, const char *prefix, qmp_value object, unsigned depth)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};
    int r = 0;

    while (r >= 0 && qmp_value_next(object, &key, &item)) {
        char name[NAME_MAX_BYTES];
        if (!name_make(name, prefix, key))
            continue;
        if (qmp_value_type(item) == QMP_OBJECT && depth < DEPTH_MAX)
            r = add_object(e, name, item, depth + 1);
        else if (qmp_value_type(item) != QMP_OBJECT && qmp_value_type(item) != QMP_ARRAY)
            r = add_value(e, name, item);
    }
    return r;
}

static int add_event(struct environment *e, const char *socket, const qmp_message *event)
{
    const char *name = qmp_event_name(event);
    qmp_value data = qmp_event_data(event);
    int64_t t;
    int r = add(e, "QMP_SOCKET", socket, strlen(socket));

    if (r >= 0)
        r = add(e, "QMP_EVENT", name, strlen(name));
    if (r >= 0 && qmp_event_timestamp(event, &t) >= 0) {
        char text[64];
        snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, t / (int64_t)QMP_SECOND, t % (int64_t)QMP_SECOND);
        r = add(e, "QMP_TIMESTAMP", text, strlen(text));
    }
    if (r >= 0)
        r = data.text != NULL ? add(e, PREFIX, data.text, data.size) : add(e, PREFIX, "{}", 2);
    return r < 0 ? r : add_object(e, PREFIX, data, /* depth= */ 1);
}

int environment_new(struct environment **ret, const char *socket, const qmp_message *event)
{
    __attribute__((cleanup(environment_freep))) struct environment *e = calloc(1, sizeof(*e));
    int r = e != NULL ? inherit(e) : -ENOMEM;

    if (r >= 0)
        r = add_event(e, socket, event);
    if (r < 0)
        return r;
    *ret = e;
    e = NULL;
    return 0;
}

struct environment *environment_free(struct environment *e)
{
    if (e == NULL)
        return NULL;
    for (size_t i = e->n_inherited; i < e->n; i++)
        free(e->list[i]);
    free(e->list);
    free(e);
    return NULL;
}

char **environment_list(const struct environment *e)
{
    return e->list;
}
