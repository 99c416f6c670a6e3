/* SPDX-License-Identifier: MIT */
#ifndef SRC_UTIL_LIST_H
#define SRC_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "util/util.h"

/* An intrusive, circular, doubly linked list: the head and the members are `struct list`. */
struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* Leaves `l` initialised, so that removing it twice is harmless. */
static inline void list_remove(struct list *l)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): whoever frees an entry has taken it out of its list */
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}

#define LIST_ENTRY(l, type, member) CONTAINER_OF(l, type, member)

/* Removing `i` inside the loop is fine: `n` is its successor. */
#define LIST_FOREACH(i, n, head) for (i = (head)->next, n = i->next; i != (head); i = n, n = i->next)

#endif
