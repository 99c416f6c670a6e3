/* SPDX-License-Identifier: MIT */
/* What a listener wants to hear: names, then matches, then a filter, or a function instead of them all.
 *
 * A rule is immutable once it is shared. It refuses to know who uses it, and never calls the functions it carries: who
 * does so must care about locks. */

#include "listener/rule.h"

#include <errno.h>
#include <string.h>

#include "message/message.h"
#include "util/util.h"
#include "json/value.h"

/* Most listeners have it, one of each client among them. */
static const struct rule every;

struct rule *rule_every(void)
{
    return (struct rule *)(uintptr_t)&every;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static bool contains(char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

int rule_set_names(struct rule *r, const char *const *names)
{
    size_t n = 0, copied = 0;
    char **copy = NULL;

    while (names && names[n]) {
        if (names[n++][0] == '\0')
            return -EINVAL;
    }
    if (n > 0) {
        copy = calloc(n, sizeof(*copy));
        if (!copy)
            return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (contains(copy, copied, names[i]))
            continue;
        copy[copied] = strdup(names[i]);
        if (!copy[copied]) {
            free_names(copy, copied);
            return -ENOMEM;
        }
        copied++;
    }
    free_names(r->names, r->n_names);
    r->names = copy;
    r->n_names = copied;
    return 0;
}

int rule_add_match(struct rule *r, const char *path, const char *value)
{
    struct match *matches, m = {NULL, NULL, strlen(value)};

    if (path[0] == '\0')
        return -EINVAL;
    matches = realloc(r->matches, (r->n_matches + 1) * sizeof(*matches));
    if (!matches)
        return -ENOMEM;
    r->matches = matches;
    m.path = strdup(path);
    m.value = strdup(value);
    if (!m.path || !m.value) {
        free(m.path);
        free(m.value);
        return -ENOMEM;
    }
    r->matches[r->n_matches++] = m;
    return 0;
}

int rule_new(struct rule **ret, const char *const *names)
{
    CLEANUP(rule_unrefp) struct rule *r = calloc(1, sizeof(*r));
    int e;

    if (!r)
        return -ENOMEM;
    r->refs = 1;
    e = rule_set_names(r, names);
    if (e < 0)
        return e;
    *ret = TAKE(r);
    return 0;
}

int rule_copy(struct rule **ret, const struct rule *from)
{
    CLEANUP(rule_unrefp) struct rule *r = NULL;
    CLEANUP(qmp_freep) const char **names = calloc(from->n_names + 1, sizeof(*names));
    int e;

    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < from->n_names; i++)
        names[i] = from->names[i];
    e = rule_new(&r, names);
    for (size_t i = 0; e >= 0 && i < from->n_matches; i++)
        e = rule_add_match(r, from->matches[i].path, from->matches[i].value);
    if (e < 0)
        return e;
    r->filter = from->filter;
    r->filter_userdata = from->filter_userdata;
    r->accept = from->accept;
    r->accept_userdata = from->accept_userdata;
    *ret = TAKE(r);
    return 0;
}

struct rule *rule_ref(struct rule *r)
{
    if (r != &every)
        refs_take(&r->refs);
    return r;
}

struct rule *rule_unref(struct rule *r)
{
    if (!r || r == &every || !refs_drop(&r->refs))
        return NULL;
    free_names(r->names, r->n_names);
    for (size_t i = 0; i < r->n_matches; i++) {
        free(r->matches[i].path);
        free(r->matches[i].value);
    }
    free(r->matches);
    free(r);
    return NULL;
}

bool rule_hears_name(const struct rule *r, const char *name)
{
    return r->n_names == 0 || contains(r->names, r->n_names, name);
}

bool rule_matches(const struct rule *r, size_t first, const qmp_message *event)
{
    for (size_t i = first; i < r->n_matches; i++) {
        const struct match *m = &r->matches[i];

        if (!json_text_equals(message_path(event, m->path), m->value, m->value_size))
            return false;
    }
    return true;
}
