/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_TABLE_H
#define SRC_UTIL_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* An intrusive hash table: chains of nodes that are part of what they find. Keys are the owner's business: look through
 * the nodes of a hash with table_first() and table_next(). All zero is an empty table. */
struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **buckets;
    size_t n_buckets, n;
};

/* Returns 0; -ENOMEM only for the first node of a table. */
int table_insert(struct table *t, struct table_node *node, uint64_t hash);
void table_remove(struct table *t, struct table_node *node);
void table_done(struct table *t);

static inline struct table_node *table_match(struct table_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

static inline struct table_node *table_first(const struct table *t, uint64_t hash)
{
    return t->n == 0 ? NULL : table_match(t->buckets[hash & (t->n_buckets - 1)], hash);
}

static inline struct table_node *table_next(const struct table_node *node)
{
    return table_match(node->next, node->hash);
}

#endif
