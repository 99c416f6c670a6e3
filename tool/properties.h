/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PROPERTIES_H
#define TOOL_PROPERTIES_H

#include "kind.h"
#include "options.h"

/* The properties of a kind of device, as the server names them. */
struct properties;

/* Asks for them. NULL when the server knows no such device, or cannot tell. */
enum outcome properties_ask(const struct options *o, qmp_client *c, const char *driver, struct properties **ret);
struct properties *properties_free(struct properties *p);

static inline void properties_freep(struct properties **p)
{
    properties_free(*p);
}

/* Whether there is a property of a name, and its kind. */
bool properties_find(const struct properties *p, const char *name, enum kind *ret);

/* Iterates over them: `*property` starts absent. NULL has none. */
bool properties_next(const struct properties *p, qmp_value *property);

#endif
