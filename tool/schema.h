/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SCHEMA_H
#define TOOL_SCHEMA_H

#include <qmp/qmp.h>

/* A server's schema: what query-qmp-schema returned (QEMU's docs/devel/qapi-code-gen, "Client JSON Protocol
 * introspection"), its entities findable by name. It does not change once made, so any thread may read it. */
struct schema;

/* A schema out of JSON text, which it takes over (free()). Returns 0; -EBADMSG when it is no schema, -ENOMEM: the text
 * is the caller's still. */
int schema_new(struct schema **ret, char *text, size_t size);
/* The same out of the answer to query-qmp-schema, to which it holds a reference. */
int schema_of_reply(struct schema **ret, qmp_message *reply);
struct schema *schema_free(struct schema *s);

static inline void schema_freep(struct schema **s)
{
    schema_free(*s);
}

/* The entity of a name: a command, an event, or a type by the name that the schema gives it. Absent when there is
 * none. `schema_named` takes the JSON string that another entity holds. */
qmp_value schema_find(const struct schema *s, const char *name);
qmp_value schema_named(const struct schema *s, qmp_value name);

/* Iterates over all entities: start at 0, until it returns false. */
bool schema_next(const struct schema *s, size_t *position, qmp_value *ret_entity);

/* The JSON text of it all, borrowed. */
qmp_value schema_text(const struct schema *s);

/* Whether a server gave it just now, rather than a file. */
bool schema_is_live(const struct schema *s);

/* Whether an entity, or a member or value of one, has a feature such as "deprecated" or "unstable". */
bool schema_has_feature(qmp_value v, const char *feature);

#endif
