/* SPDX-License-Identifier: MIT */
#ifndef TOOL_CACHE_H
#define TOOL_CACHE_H

#include "options.h"
#include "schema.h"

/* The schema of a connected server: from the cache when the same greeting was seen at this address, else asked for and
 * kept. With `fresh`, always asked for. A cache that cannot be read or written is no failure. The schema is the
 * caller's; servers without query-qmp-schema give OUTCOME_DONE and NULL. */
enum outcome cache_get(const struct options *o, qmp_client *c, bool fresh, struct schema **ret);

/* The same for what is only nice to know: nothing is said, it takes a second at most, and there may be none. */
struct schema *cache_try(const struct options *o, qmp_client *c, bool fresh);

/* The schema that was last seen at an address, without asking anybody; for NULL or an address never seen, the one that
 * was last seen anywhere. NULL when there is none. */
struct schema *cache_look(const char *address);

/* The same, with where it was seen: an address, the caller's to free(). */
struct schema *cache_look_where(const char *address, char **ret_address);

#endif
