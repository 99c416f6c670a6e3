/* SPDX-License-Identifier: MIT */
#ifndef SRC_LISTENER_INDEX_H
#define SRC_LISTENER_INDEX_H

#include "listener/rule.h"
#include "util/list.h"
#include "util/table.h"

/* Who hears an event. */

/* The listeners of one name, or of any. */
struct group {
    struct table_node node; /* by name */
    char *name;             /* NULL: any */
    struct list plain;      /* entries without a match */
    struct list paths;      /* of the entries with matches: one for each distinct first path */
};

struct index {
    struct table groups;
    struct group any;
};

void index_init(struct index *x);
/* Every listener must have been removed before. */
void index_done(struct index *x);

/* Adds a listener under its rule; `entries` is the listener's, for index_remove(). Returns 0, -ENOMEM. */
int index_add(struct index *x, struct list *entries, qmp_listener *l, struct rule *rule);
void index_remove(struct index *x, struct list *entries);

/* Calls `found` for each listener whose names and matches hold for the event, or which has an accept function; in no
 * particular order, each one once. `found` must not change the index. */
typedef void (*index_found_fn)(void *userdata, qmp_listener *l, struct rule *rule);
void index_find(const struct index *x, const qmp_message *event, index_found_fn found, void *userdata);

#endif
