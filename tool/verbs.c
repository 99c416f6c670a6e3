/* SPDX-License-Identifier: MIT */

/* The table of verbs: to add one, write its file and name its entry here.
 *
 * The order is that of the help. It knows nothing of what a verb does. */

#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "verb.h"

static const struct verb *const verbs[] = {&verb_call, &verb_events, &verb_wait};

/* Enough for the names of all verbs, in a complaint. */
#define NAMES_MAX 512

const struct verb *verb_at(size_t position)
{
    return position < sizeof(verbs) / sizeof(verbs[0]) ? verbs[position] : NULL;
}

const struct verb *verb_find(const char *name)
{
    char names[NAMES_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; verb_at(i) != NULL; i++) {
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
        if (used < sizeof(names))
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i == 0 ? "" : ", ", verbs[i]->name);
    }
    complain("unknown verb '%s'; the verbs are: %s", name, names);
    return NULL;
}
