/* SPDX-License-Identifier: MIT */
/* A hash table of nodes that belong to somebody else.
 *
 * It allocates nothing but its buckets, doubles them when there are more nodes than buckets, and goes on with longer
 * chains when there is no memory for that; it shrinks only to nothing. It refuses to know what a key is. */

#include "util/table.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE_BUCKETS_MIN ((size_t)8)

static struct table_node **bucket_of(const struct table *t, uint64_t hash)
{
    return &t->buckets[hash & (t->n_buckets - 1)];
}

static void grow(struct table *t)
{
    struct table bigger = {.n_buckets = t->n_buckets == 0 ? TABLE_BUCKETS_MIN : t->n_buckets * 2};

    bigger.buckets = calloc(bigger.n_buckets, sizeof(*bigger.buckets));
    if (!bigger.buckets)
        return;
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i]) {
            struct table_node *node = t->buckets[i];
            struct table_node **bucket = bucket_of(&bigger, node->hash);

            t->buckets[i] = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(t->buckets);
    t->buckets = bigger.buckets;
    t->n_buckets = bigger.n_buckets;
}

int table_insert(struct table *t, struct table_node *node, uint64_t hash)
{
    struct table_node **bucket;

    if (t->n >= t->n_buckets)
        grow(t);
    if (t->n_buckets == 0)
        return -ENOMEM;
    bucket = bucket_of(t, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    t->n++;
    return 0;
}

void table_remove(struct table *t, struct table_node *node)
{
    struct table_node **link = bucket_of(t, node->hash);

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    t->n--;
    if (t->n == 0)
        table_done(t);
}

void table_done(struct table *t)
{
    free(t->buckets);
    *t = (struct table){0};
}
