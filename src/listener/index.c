/* SPDX-License-Identifier: MIT */
/* Who hears an event, at a cost that depends on how many do, not on how many there are.
 *
 * Listeners are grouped by name (and one group for those that hear every name). Within a group, those with matches are
 * found by the value at the path of their first match: for each distinct path in the group, one lookup by value. So ten
 * thousand listeners on "data.id" are one path and one bucket. What the index finds holds by construction; only the
 * matches beyond the first are still tested.
 *
 * A listener has one entry for each of its names, and an event one name, so a listener is found at most once. The index
 * refuses to know queues, clients and callbacks. */

#include "listener/index.h"

#include <errno.h>
#include <string.h>

#include "message/message.h"
#include "util/util.h"
#include "json/value.h"

/* The entries of a group whose first match is on one path. */
struct path {
    struct list link;
    char *path;
    struct table values; /* entries by value */
};

struct entry {
    struct list of_listener;
    union {
        struct list plain;      /* in its group, if it has no path */
        struct table_node node; /* in its path */
    };
    struct group *group;
    struct path *path; /* NULL: it has no match */
    qmp_listener *listener;
    struct rule *rule;
};

static void group_init(struct group *g)
{
    list_init(&g->plain);
    list_init(&g->paths);
}

void index_init(struct index *x)
{
    *x = (struct index){0};
    group_init(&x->any);
}

void index_done(struct index *x)
{
    table_done(&x->groups);
}

static struct group *find_group(const struct index *x, const char *name, uint64_t hash)
{
    struct table_node *node;

    for (node = table_first(&x->groups, hash); node; node = table_next(node)) {
        struct group *g = CONTAINER_OF(node, struct group, node);

        if (strcmp(g->name, name) == 0)
            return g;
    }
    return NULL;
}

static int get_group(struct index *x, const char *name, struct group **ret)
{
    uint64_t hash;
    struct group *g;

    if (!name) {
        *ret = &x->any;
        return 0;
    }
    hash = json_hash_bytes(name, strlen(name));
    g = find_group(x, name, hash);
    if (!g) {
        g = calloc(1, sizeof(*g));
        if (!g)
            return -ENOMEM;
        group_init(g);
        g->name = strdup(name);
        if (!g->name || table_insert(&x->groups, &g->node, hash) < 0) {
            free(g->name);
            free(g);
            return -ENOMEM;
        }
    }
    *ret = g;
    return 0;
}

static void put_group(struct index *x, struct group *g)
{
    if (g == &x->any || !list_empty(&g->plain) || !list_empty(&g->paths))
        return;
    table_remove(&x->groups, &g->node);
    free(g->name);
    free(g);
}

static int get_path(struct group *g, const char *path, struct path **ret)
{
    struct list *i, *n;
    struct path *p;

    LIST_FOREACH (i, n, &g->paths) {
        p = LIST_ENTRY(i, struct path, link);
        if (strcmp(p->path, path) == 0) {
            *ret = p;
            return 0;
        }
    }
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->path = strdup(path);
    if (!p->path) {
        free(p);
        return -ENOMEM;
    }
    list_append(&g->paths, &p->link);
    *ret = p;
    return 0;
}

static void put_path(struct path *p)
{
    if (p->values.n > 0)
        return;
    list_remove(&p->link);
    table_done(&p->values);
    free(p->path);
    free(p);
}

static void entry_free(struct index *x, struct entry *e)
{
    list_remove(&e->of_listener);
    if (!e->path)
        list_remove(&e->plain);
    else if (e->node.hash != 0)
        table_remove(&e->path->values, &e->node);
    if (e->path)
        put_path(e->path);
    if (e->group)
        put_group(x, e->group);
    rule_unref(e->rule);
    free(e);
}

/* The hash of a value in its path's table; never 0, which says that an entry is in no table. */
static uint64_t value_hash(uint64_t hash)
{
    return hash | UINT64_C(1) << 63;
}

static int add_entry(struct index *x, struct list *entries, qmp_listener *l, struct rule *rule, const char *name,
    const struct match *match)
{
    struct entry *e = calloc(1, sizeof(*e));
    int r;

    if (!e)
        return -ENOMEM;
    list_append(entries, &e->of_listener);
    list_init(&e->plain);
    e->listener = l;
    e->rule = rule_ref(rule);
    r = get_group(x, name, &e->group);
    if (r >= 0 && !match)
        list_append(&e->group->plain, &e->plain);
    if (r >= 0 && match)
        r = get_path(e->group, match->path, &e->path);
    if (r >= 0 && match) {
        r = table_insert(&e->path->values, &e->node, value_hash(json_hash_bytes(match->value, match->value_size)));
        if (r < 0)
            e->node.hash = 0;
    }
    return r;
}

int index_add(struct index *x, struct list *entries, qmp_listener *l, struct rule *rule)
{
    const struct match *match = rule->accept || rule->n_matches == 0 ? NULL : &rule->matches[0];
    size_t n = rule->accept ? 0 : rule->n_names;
    int r = 0;

    if (n == 0)
        r = add_entry(x, entries, l, rule, /* name= */ NULL, match);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = add_entry(x, entries, l, rule, rule->names[i], match);
    if (r < 0)
        index_remove(x, entries);
    return r;
}

void index_remove(struct index *x, struct list *entries)
{
    while (!list_empty(entries))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): entry_free() takes it out of the list */
        entry_free(x, LIST_ENTRY(entries->next, struct entry, of_listener));
}

static void find_in_path(const struct path *p, const qmp_message *event, index_found_fn found, void *userdata)
{
    qmp_value v = message_path(event, p->path);
    struct table_node *node;

    if (!v.text)
        return;
    for (node = table_first(&p->values, value_hash(json_text_hash(v))); node; node = table_next(node)) {
        struct entry *e = CONTAINER_OF(node, struct entry, node);

        if (rule_matches(e->rule, 0, event))
            found(userdata, e->listener, e->rule);
    }
}

static void find_in_group(const struct group *g, const qmp_message *event, index_found_fn found, void *userdata)
{
    struct list *i, *n;

    LIST_FOREACH (i, n, &g->plain) {
        struct entry *e = LIST_ENTRY(i, struct entry, plain);

        found(userdata, e->listener, e->rule);
    }
    LIST_FOREACH (i, n, &g->paths)
        find_in_path(LIST_ENTRY(i, struct path, link), event, found, userdata);
}

void index_find(const struct index *x, const qmp_message *event, index_found_fn found, void *userdata)
{
    find_in_group(&x->any, event, found, userdata);
    if (x->groups.n > 0) {
        const char *name = qmp_event_name(event);
        const struct group *g = find_group(x, name, json_hash_bytes(name, strlen(name)));

        if (g)
            find_in_group(g, event, found, userdata);
    }
}
