/* SPDX-License-Identifier: MIT */

/* Which events: names, globs, values, and when they happened.
 *
 * What the library can look up in its index (exact names, values at paths) it is told; only what it cannot (globs,
 * --exclude, --since-start) is asked of each event. A name that no event has would mean to wait for ever, so where a
 * schema of the server's was kept, names are held against it. They are warned of, not refused: the schema may be an
 * older QEMU's.
 *
 * It knows nothing of what is done with the events. */

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "cache.h"
#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "filter.h"
#include "guess.h"

/* Nothing in a name of an event is longer. */
#define NAME_MAX_BYTES GUESS_NAME_MAX

#define LOWER "abcdefghijklmnopqrstuvwxyz"

static bool is_glob(const char *name)
{
    return strpbrk(name, "*?[\\") != NULL;
}

bool filter_names(const char *const *names, size_t n_names, const qmp_message *event)
{
    const char *name = qmp_event_name(event);

    for (size_t i = 0; i < n_names; i++)
        if (is_glob(names[i]) ? fnmatch(names[i], name, /* flags= */ 0) == 0 : strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* ---- what is wrong with a name ---- */

static enum outcome names_check(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (*names[i] != '\0' && strchr(names[i], '=') == NULL)
            continue;
        if (*names[i] == '\0')
            complain("'' is not the name of an event");
        else
            complain("'%s' is not the name of an event; did you mean '--where %s'?", names[i], names[i]);
        return OUTCOME_USAGE;
    }
    return OUTCOME_DONE;
}

/* Whether some event of a schema has this name, or one that this glob stands for; what is near is guessed. */
static bool schema_has(const struct schema *s, const char *name, struct guess *guess)
{
    size_t position = 0;
    qmp_value entity;

    while (schema_next(s, &position, &entity)) {
        qmp_value event = qmp_value_member(entity, "name");
        char text[NAME_MAX_BYTES];
        if (!qmp_value_equals(qmp_value_member(entity, "meta-type"), "event") || event.size - 2 >= sizeof(text))
            continue;
        memcpy(text, event.text + 1, event.size - 2);
        text[event.size - 2] = '\0';
        if (is_glob(name) ? fnmatch(name, text, /* flags= */ 0) == 0 : strcmp(name, text) == 0)
            return true;
        guess_add(guess, text);
    }
    return false;
}

/* Without a schema all that is known is that events are in capitals. */
static void capitals_warn(const char *name)
{
    char capitals[NAME_MAX_BYTES];
    size_t size = strlen(name), i;

    if (strpbrk(name, LOWER) == NULL || is_glob(name) || size >= sizeof(capitals))
        return;
    for (i = 0; i < size; i++) {
        const char *lower = strchr(LOWER, name[i]);
        capitals[i] = lower != NULL ? (char)('A' + (lower - LOWER)) : name[i] == '-' ? '_' : name[i];
    }
    capitals[i] = '\0';
    complain("warning: events are in capitals, '%s' is not; did you mean '%s'?", name, capitals);
}

static void names_warn(const struct schema *s, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct guess guess = guess_start(names[i]);
        if (s == NULL)
            capitals_warn(names[i]);
        else if (schema_has(s, names[i], &guess))
            continue;
        else if (guess.best[0] != '\0')
            complain("warning: no event '%s' is known; did you mean '%s'?", names[i], guess.best);
        else
            complain("warning: no event '%s' is known", names[i]);
    }
}

static void where_warn(const struct option_list *where)
{
    static const char *const members[] = {"event", "data", "timestamp"};

    for (size_t i = 0; i < where->n; i++) {
        size_t size = strcspn(where->items[i], ".="), j = 0;
        while (j < sizeof(members) / sizeof(members[0]) &&
               (strlen(members[j]) != size || strncmp(members[j], where->items[i], size) != 0))
            j++;
        if (j == sizeof(members) / sizeof(members[0]))
            complain("warning: --where: no event has a member '%.*s'; did you mean 'data.%s'?", (int)size,
                where->items[i], where->items[i]);
    }
}

enum outcome filter_make(const struct options *o, const char *const *names, size_t n_names, struct filter *ret)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = NULL;
    enum outcome outcome = names_check(names, n_names);
    const char *address;

    if (outcome == OUTCOME_DONE)
        outcome = names_check(o->exclude.items, o->exclude.n);
    if (outcome != OUTCOME_DONE)
        return outcome;
    address = connect_address(o);
    if (address == NULL)
        return OUTCOME_USAGE;
    if (n_names + o->exclude.n > 0)
        s = cache_look(address);
    names_warn(s, names, n_names);
    names_warn(s, o->exclude.items, o->exclude.n);
    where_warn(&o->where);
    *ret = (struct filter){o, names, n_names, o->given & OPTION_SINCE_START ? duration_date() : INT64_MIN};
    return OUTCOME_DONE;
}

/* ---- the listener ---- */

static bool takes(const qmp_message *event, void *userdata)
{
    const struct filter *f = userdata;
    int64_t happened;

    if (f->n_names > 0 && !filter_names(f->names, f->n_names, event))
        return false;
    if (filter_names(f->options->exclude.items, f->options->exclude.n, event))
        return false;
    return f->since == INT64_MIN || qmp_event_timestamp(event, &happened) < 0 || happened >= f->since;
}

static int match_add(qmp_listener *l, const char *where)
{
    const char *equals = strchr(where, '=');
    __attribute__((cleanup(qmp_freep))) char *path = strndup(where, (size_t)(equals - where));

    return path != NULL ? qmp_listener_add_match(l, path, equals + 1) : -ENOMEM;
}

static int listener_make(const struct filter *f, qmp_listener **ret)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    __attribute__((cleanup(qmp_freep))) const char **list = calloc(f->n_names + 1, sizeof(*list));
    bool globs = false;
    int r = list != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; r >= 0 && i < f->n_names; i++) {
        globs |= is_glob(f->names[i]);
        list[i] = f->names[i];
    }
    if (r >= 0)
        r = qmp_listener_new(&l, globs ? NULL : list);
    for (size_t i = 0; r >= 0 && i < f->options->where.n; i++)
        r = match_add(l, f->options->where.items[i]);
    if (r >= 0 && (globs || f->options->exclude.n > 0 || f->since != INT64_MIN))
        r = qmp_listener_set_filter(l, takes, (void *)(uintptr_t)f);
    if (r < 0)
        return r;
    qmp_listener_set_limits(l, QMP_LISTENER_QUEUE_MAX, /* history_max= */ 0);
    *ret = l;
    l = NULL;
    return 0;
}

enum outcome filter_listener(const struct filter *f, qmp_listener **ret)
{
    int r = listener_make(f, ret);

    return r < 0 ? outcome_of_error("making a listener", r) : OUTCOME_DONE;
}
