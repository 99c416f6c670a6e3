/* SPDX-License-Identifier: MIT */
#ifndef SRC_LISTENER_RULE_H
#define SRC_LISTENER_RULE_H

#include <qmp/listener.h>

struct match {
    char *path, *value;
    size_t value_size;
};

/* What a listener wants to hear. Immutable and counted: a change makes a new one, so that dispatch needs no lock for
 * it. */
struct rule {
    unsigned refs;
    size_t n_names, n_matches;
    char **names; /* none: every event */
    struct match *matches;
    qmp_filter_fn filter;
    void *filter_userdata;
    qmp_accept_fn accept; /* instead of all of the above */
    void *accept_userdata;
};

/* Returns 0, -EINVAL (an empty name), -ENOMEM. */
int rule_new(struct rule **ret, const char *const *names);
/* The rule that hears everything: one for all, which nobody counts. */
struct rule *rule_every(void);
/* A copy to change before it is shared. */
int rule_copy(struct rule **ret, const struct rule *r);
/* Replace the names, add a match. Errors as rule_new(); the rule is then as it was. */
int rule_set_names(struct rule *r, const char *const *names);
int rule_add_match(struct rule *r, const char *path, const char *value);

struct rule *rule_ref(struct rule *r);
struct rule *rule_unref(struct rule *r);

/* The parts of the default rule that call nobody. */
bool rule_hears_name(const struct rule *r, const char *name);
/* The matches from the given one on. */
bool rule_matches(const struct rule *r, size_t first, const qmp_message *event);

static inline void rule_unrefp(struct rule **r)
{
    rule_unref(*r);
}

#endif
