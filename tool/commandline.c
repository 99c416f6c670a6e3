/* SPDX-License-Identifier: MIT */

/* The command line of a QEMU: its name, its sockets, and what each of them is for.
 *
 * It is read as QEMU reads it (options with commas, two of them for one that is meant; a first key that need not be
 * written; -qmp with an address of its own kind; JSON), but only as far as sockets are concerned: an argument that is
 * none of these options is passed over. Somebody else wrote it, so nothing in it is trusted to be well-formed.
 *
 * It knows nothing of processes and files. */

#include "commandline.h"

#include <limits.h>
#include <qmp/qmp.h>
#include <stdlib.h>
#include <string.h>

#define AGENT_PORT "org.qemu.guest_agent.0"
/* Many times what anybody starts a QEMU with; more are passed over, because each user is looked for among all. */
#define ENDPOINTS_MAX 1024

/* ---- the text of an option ---- */

static char *json_value(const char *text, const char *key)
{
    qmp_value v = {NULL, 0};
    char *ret = NULL;
    bool flag;

    if (qmp_json_check(text, strlen(text), &v, /* reterr_description= */ NULL) < 0)
        return NULL;
    v = qmp_value_path(v, key);
    if (qmp_value_bool(v, &flag) >= 0)
        return strdup(flag ? "on" : "off");
    return qmp_value_string(v, &ret, /* ret_size= */ NULL) >= 0 ? ret : NULL;
}

/* The value at *text, up to a single comma; *text goes behind it. */
static char *value_take(const char **text)
{
    char *value = malloc(strlen(*text) + 1), *out = value;

    while (**text != '\0' && !(**text == ',' && (*text)[1] != ',')) {
        if (**text == ',')
            (*text)++;
        if (out != NULL)
            *out++ = **text;
        (*text)++;
    }
    if (out != NULL)
        *out = '\0';
    *text += **text == ',';
    return value;
}

static bool key_is(const char *text, size_t size, const char *key)
{
    return strlen(key) == size && memcmp(text, key, size) == 0;
}

/* The value of a key in an option's text, "vm7,process=x" or a JSON object, the last one when there are several, the
 * caller's to free(); NULL when it is not there. A first value without a key has the key `implied`. */
static char *option_value(const char *text, const char *implied, const char *key)
{
    char *found = NULL, *value;
    bool first = true;

    if (*text == '{')
        return json_value(text, key);
    for (; *text != '\0'; first = false) {
        const char *name = text;
        size_t size = strcspn(text, "=,");
        bool has_value = text[size] == '=', is_implied = !has_value && first && implied != NULL, wanted, negated;
        wanted = is_implied ? strcmp(implied, key) == 0 : key_is(name, size, key);
        negated =
            !has_value && !is_implied && size > 2 && strncmp(name, "no", 2) == 0 && key_is(name + 2, size - 2, key);
        text += has_value ? size + 1 : 0;
        value = value_take(&text);
        if (wanted || negated) {
            free(found);
            found = has_value || is_implied ? value : strdup(negated ? "off" : "on");
        }
        if (value != found)
            free(value);
    }
    return found;
}

static bool value_is(const char *text, const char *implied, const char *key, const char *expected)
{
    char *value = option_value(text, implied, key);
    bool is = value != NULL && strcmp(value, expected) == 0;

    free(value);
    return is;
}

static bool value_is_on(const char *text, const char *key)
{
    return value_is(text, /* implied= */ NULL, key, "on") || value_is(text, NULL, key, "yes") ||
           value_is(text, NULL, key, "true");
}

/* ---- endpoints ---- */

static void endpoint_done(struct endpoint *e)
{
    free(e->id);
    free(e->use);
    free(e->path);
    free(e->host);
    free(e->port);
}

static bool endpoint_add(struct commandline *c, struct endpoint e)
{
    struct endpoint *larger = c->n < ENDPOINTS_MAX ? realloc(c->endpoints, (c->n + 1) * sizeof(*larger)) : NULL;

    if (larger == NULL) {
        endpoint_done(&e);
        return c->n == ENDPOINTS_MAX;
    }
    c->endpoints = larger;
    c->endpoints[c->n++] = e;
    return true;
}

/* A number that a descriptor can have, or -1: it may be the name of one, or nonsense. */
static int descriptor_parse(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && n < INT_MAX ? (int)n : -1;
}

/* The options of a socket, of which the first may be the value of `implied`. */
static void socket_parse(struct endpoint *e, const char *text, const char *implied)
{
    char *fd = option_value(text, implied, "fd"), *tls = option_value(text, implied, "tls-creds");

    e->path = option_value(text, implied, "path");
    if (e->path == NULL && e->host == NULL)
        e->host = option_value(text, implied, "host");
    if (e->path == NULL && e->port == NULL)
        e->port = option_value(text, implied, "port");
    e->fd = fd != NULL ? descriptor_parse(fd) : -1;
    e->server = value_is_on(text, "server");
    e->wait = e->server && !value_is(text, implied, "wait", "off") && !value_is(text, implied, "wait", "no") &&
              !value_is(text, implied, "wait", "false");
    e->tls = tls != NULL;
    e->abstract = value_is_on(text, "abstract");
    e->strange |= value_is_on(text, "telnet") || value_is_on(text, "tn3270") || value_is_on(text, "websocket") ||
                  (e->abstract && value_is(text, implied, "tight", "off"));
    free(fd);
    free(tls);
}

static bool chardev_add(struct commandline *c, const char *text)
{
    struct endpoint e = {.fd = -1};

    if (!value_is(text, "backend", "backend", "socket"))
        return true;
    e.id = option_value(text, "backend", "id");
    socket_parse(&e, text, "backend");
    return endpoint_add(c, e);
}

/* "HOST:PORT,server=on", "[::1]:PORT" */
static void tcp_parse(struct endpoint *e, const char *text)
{
    size_t bracketed = *text == '[' ? strcspn(text, "]") : 0;
    const char *colon = strchr(text + bracketed, ':'), *comma = strchr(text, ',');

    if (colon != NULL && (comma == NULL || colon < comma)) {
        e->host = strndup(text, (size_t)(colon - text));
        e->port = strndup(colon + 1, strcspn(colon + 1, ","));
    }
    socket_parse(e, comma != NULL ? comma + 1 : "", /* implied= */ NULL);
}

/* An option that brings an address of its own, such as "-qmp unix:/tmp/vm,server=on". */
static bool direct_add(struct commandline *c, enum role role, const char *use, const char *text)
{
    static const struct {
        const char *prefix;
        bool strange;
    } kinds[] = {{"tcp:", false}, {"telnet:", true}, {"tn3270:", true}, {"websocket:", true}};
    struct endpoint e = {.role = role, .fd = -1};

    if (strncmp(text, "unix:", 5) == 0)
        socket_parse(&e, text + 5, "path");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
            continue;
        tcp_parse(&e, text + strlen(kinds[i].prefix));
        e.strange |= kinds[i].strange;
    }
    if (e.path == NULL && e.port == NULL)
        return true;
    e.use = role == ROLE_OTHER ? strdup(use) : NULL;
    return endpoint_add(c, e);
}

/* ---- what they are for ---- */

static void role_set(struct commandline *c, const char *id, enum role role, const char *use)
{
    for (size_t i = 0; id != NULL && i < c->n; i++) {
        struct endpoint *e = &c->endpoints[i];
        if (e->id == NULL || strcmp(e->id, id) != 0 || e->role != ROLE_UNKNOWN)
            continue;
        e->role = role;
        e->use = role == ROLE_OTHER && use != NULL ? strdup(use) : NULL;
    }
}

static void monitor_take(struct commandline *c, const char *text, const char *usual_mode)
{
    char *id = option_value(text, "chardev", "chardev"), *mode = option_value(text, "chardev", "mode");

    role_set(c, id, strcmp(mode != NULL ? mode : usual_mode, "control") == 0 ? ROLE_MONITOR : ROLE_HUMAN, "");
    free(id);
    free(mode);
}

/* A device, or whatever else may have a character device. */
static void user_take(struct commandline *c, const char *implied, const char *text)
{
    char *id = option_value(text, implied, "chardev"), *use = option_value(text, implied, implied);
    bool agent = value_is(text, implied, "name", AGENT_PORT);

    role_set(c, id, agent ? ROLE_AGENT : ROLE_OTHER, use);
    free(id);
    free(use);
}

/* ---- all of it ---- */

enum kind { KIND_NAME, KIND_CHARDEV, KIND_DIRECT, KIND_MONITOR, KIND_USER };

static const struct option {
    const char *name;
    enum kind kind;
    enum role role;      /* of KIND_DIRECT */
    const char *implied; /* of KIND_USER */
} table[] = {
    {"name", KIND_NAME, ROLE_UNKNOWN, NULL},
    {"chardev", KIND_CHARDEV, ROLE_UNKNOWN, NULL},
    {"qmp", KIND_DIRECT, ROLE_MONITOR, NULL},
    {"qmp-pretty", KIND_DIRECT, ROLE_MONITOR, NULL},
    {"monitor", KIND_DIRECT, ROLE_HUMAN, NULL},
    {"serial", KIND_DIRECT, ROLE_OTHER, NULL},
    {"parallel", KIND_DIRECT, ROLE_OTHER, NULL},
    {"debugcon", KIND_DIRECT, ROLE_OTHER, NULL},
    {"qtest", KIND_DIRECT, ROLE_OTHER, NULL},
    {"gdb", KIND_DIRECT, ROLE_OTHER, NULL},
    {"vnc", KIND_DIRECT, ROLE_OTHER, NULL},
    {"mon", KIND_MONITOR, ROLE_UNKNOWN, NULL},
    {"device", KIND_USER, ROLE_UNKNOWN, "driver"},
    {"netdev", KIND_USER, ROLE_UNKNOWN, "type"},
    {"object", KIND_USER, ROLE_UNKNOWN, "qom-type"},
};

/* Takes one option. Sockets are collected first (`roles` false), because what they are for may stand ahead of them. */
static bool option_take(struct commandline *c, const struct option *option, const char *text, bool daemon, bool roles)
{
    static const char reference[] = "chardev:";
    bool direct = option->kind == KIND_DIRECT, referring = strncmp(text, reference, sizeof(reference) - 1) == 0;

    if (option->kind == KIND_NAME && !roles) {
        free(c->name);
        c->name = option_value(text, "guest", "guest");
    }
    if (option->kind == KIND_CHARDEV && !roles)
        return chardev_add(c, text);
    if (direct && daemon && strcmp(option->name, "monitor") == 0) {
        if (roles)
            monitor_take(c, text, "control");
    } else if (direct && !roles && !referring) {
        return direct_add(c, option->role, option->name, text);
    } else if (direct && roles && referring) {
        role_set(c, text + sizeof(reference) - 1, option->role, option->name);
    }
    if (option->kind == KIND_MONITOR && roles)
        monitor_take(c, text, "readline");
    if (option->kind == KIND_USER && roles)
        user_take(c, option->implied, text);
    return true;
}

/* The option that an argument is, "-qmp" or "--chardev=socket,…"; in *ret_value what is behind its '='. */
static const struct option *option_find(const char *argument, const char **ret_value)
{
    size_t size;

    if (*argument++ != '-')
        return NULL;
    argument += *argument == '-';
    size = strcspn(argument, "=");
    *ret_value = argument[size] == '=' ? argument + size + 1 : NULL;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (key_is(argument, size, table[i].name))
            return &table[i];
    return NULL;
}

static bool arguments_walk(struct commandline *c, const char *text, size_t size, bool daemon, bool roles)
{
    const char *end = text + size;
    bool ok = true;

    for (const char *argument = text; ok && argument < end; argument += strlen(argument) + 1) {
        const char *value = NULL;
        const struct option *option = argument > text ? option_find(argument, &value) : NULL;
        if (option == NULL)
            continue;
        if (value == NULL) {
            argument += strlen(argument) + 1;
            value = argument < end ? argument : NULL;
        }
        if (value == NULL)
            break;
        ok = option_take(c, option, value, daemon, roles);
    }
    return ok;
}

bool commandline_parse(struct commandline *ret, const char *text, size_t size, bool storage_daemon)
{
    *ret = (struct commandline){0};
    /* What follows the last NUL is not an argument's whole. */
    while (size > 0 && text[size - 1] != '\0')
        size--;
    return arguments_walk(ret, text, size, storage_daemon, /* roles= */ false) &&
           arguments_walk(ret, text, size, storage_daemon, /* roles= */ true);
}

void commandline_done(struct commandline *c)
{
    for (size_t i = 0; i < c->n; i++)
        endpoint_done(&c->endpoints[i]);
    free(c->endpoints);
    free(c->name);
    *c = (struct commandline){0};
}
