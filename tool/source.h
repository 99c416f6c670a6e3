/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SOURCE_H
#define TOOL_SOURCE_H

#include "options.h"
#include "schema.h"

/* The schema of the server that the options or the environment name; when it cannot be reached, or none is named, the
 * one that was last seen, which is then said. The schema is the caller's. */
enum outcome source_get(const struct options *o, struct schema **ret);

/* The schema in a file, as "call query-qmp-schema" prints it, "-" being standard input; or of a server that is reached
 * now. */
enum outcome source_open(const struct options *o, const char *where, struct schema **ret);

/* The entity of a name; when there is none, that is said, with what was perhaps meant: OUTCOME_UNKNOWN. */
enum outcome source_entity(const struct schema *s, const char *name, qmp_value *ret);

#endif
