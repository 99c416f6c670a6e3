/* SPDX-License-Identifier: MIT */

/* The properties of a device that is to be added: no schema knows them, device-list-properties does.
 *
 * Its types are names of QOM's, of which those count that a JSON value other than a string stands for. It knows nothing
 * of the device. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "duration.h"
#include "properties.h"

struct properties {
    qmp_message *reply;
};

enum outcome properties_ask(const struct options *o, qmp_client *c, const char *driver, struct properties **ret)
{
    static const char command[] = "device-list-properties";
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = qmp_json("{'typename': %s}", driver);
    int r = arguments != NULL ? 0 : -ENOMEM;

    *ret = NULL;
    if (r >= 0)
        r = qmp_client_execute(c, command, arguments, duration_until(o->deadline), &reply, /* reterr_reply= */ NULL);
    if (r == -EREMOTEIO)
        return OUTCOME_DONE;
    if (r < 0)
        return ask_failed(o, c, command, r);
    *ret = malloc(sizeof(**ret));
    if (*ret == NULL)
        return outcome_of_error("the properties of a device", -ENOMEM);
    (*ret)->reply = reply;
    reply = NULL;
    return OUTCOME_DONE;
}

struct properties *properties_free(struct properties *p)
{
    if (p != NULL)
        qmp_message_unref(p->reply);
    free(p);
    return NULL;
}

bool properties_next(const struct properties *p, qmp_value *property)
{
    return p != NULL && qmp_value_next(qmp_reply_value(p->reply), /* key= */ NULL, property);
}

/* "uint32" and the like. */
static bool is_integer(const char *type)
{
    const char *bits = strncmp(type, "uint", 4) == 0 ? type + 4 : strncmp(type, "int", 3) == 0 ? type + 3 : type;

    return strcmp(type, "size") == 0 || (bits > type && strspn(bits, "0123456789") == strlen(bits));
}

/* A list of QAPI's. */
static bool is_list(const char *type)
{
    size_t size = strlen(type);

    return size >= 4 && strcmp(type + size - 4, "List") == 0;
}

static enum kind property_kind(qmp_value property)
{
    __attribute__((cleanup(qmp_freep))) char *type = NULL;

    /* On a PCI bus: a string is slot and function, as people count them, a number both in one. */
    if (qmp_value_equals(qmp_value_member(property, "name"), "addr") ||
        qmp_value_string(qmp_value_member(property, "type"), &type, /* ret_size= */ NULL) < 0)
        return KIND_STRING;
    if (strcmp(type, "bool") == 0)
        return KIND_BOOL;
    return is_integer(type) ? KIND_INT : is_list(type) ? KIND_ANY : KIND_STRING;
}

bool properties_find(const struct properties *p, const char *name, enum kind *ret)
{
    qmp_value property = {NULL, 0};

    while (properties_next(p, &property)) {
        if (!qmp_value_equals(qmp_value_member(property, "name"), name))
            continue;
        *ret = property_kind(property);
        return true;
    }
    return false;
}
