/* SPDX-License-Identifier: MIT */

/* Where a schema is from: a server that runs, what was kept of one that does not, a file.
 *
 * Who wants to read about a command should not have to start a QEMU first, so what was seen last is good enough, but
 * never passed off as something else. Who compares two servers wants these two and no other.
 *
 * It knows nothing of what is in a schema but the names. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cache.h"
#include "complain.h"
#include "connect.h"
#include "guess.h"
#include "input.h"
#include "meta.h"
#include "source.h"

static enum outcome connected_get(const struct options *o, qmp_client *c, struct schema **ret)
{
    enum outcome outcome = cache_get(o, c, /* fresh= */ true, ret);

    if (outcome != OUTCOME_DONE || *ret != NULL)
        return outcome;
    complain("this server does not describe itself: it has no query-qmp-schema");
    return OUTCOME_UNKNOWN;
}

/* What was kept, in place of a server that cannot be reached; the outcome of that when nothing was. */
static enum outcome kept_get(const char *address, enum outcome why, struct schema **ret)
{
    *ret = cache_look(address);
    if (*ret == NULL)
        return why;
    complain("the schema that was last seen is used instead");
    return OUTCOME_DONE;
}

enum outcome source_get(const struct options *o, struct schema **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    const char *address = connect_address(o);
    enum outcome outcome;
    int r;

    if (address == NULL)
        return kept_get(/* address= */ NULL, OUTCOME_USAGE, ret);
    outcome = connect_prepare(o, /* l= */ NULL, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = connect_run(o, c);
    if (r >= 0)
        return connected_get(o, c, ret);
    outcome = outcome_of_failure(c, r);
    return outcome == OUTCOME_USAGE || outcome == OUTCOME_LOCAL ? outcome : kept_get(address, outcome, ret);
}

static enum outcome file_open(const char *path, struct schema **ret)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;
    enum outcome outcome = input_read(path, QMP_MESSAGE_MAX, &text, &size);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = schema_new(ret, text, size);
    if (r == -ENOMEM)
        return outcome_of_error(input_name(path), r);
    if (r < 0) {
        complain("%s: this is not what 'qmp call query-qmp-schema' prints", input_name(path));
        return OUTCOME_USAGE;
    }
    text = NULL;
    return OUTCOME_DONE;
}

enum outcome source_open(const struct options *o, const char *where, struct schema **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    struct options server = *o;
    struct stat status;
    enum outcome outcome;

    if (strcmp(where, "-") == 0 || (stat(where, &status) >= 0 && S_ISREG(status.st_mode)))
        return file_open(where, ret);
    server.address = where;
    outcome = connect_open(&server, /* l= */ NULL, &c);
    return outcome == OUTCOME_DONE ? connected_get(&server, c, ret) : outcome;
}

enum outcome source_entity(const struct schema *s, const char *name, qmp_value *ret)
{
    struct guess guess = guess_start(name);
    size_t position = 0;
    qmp_value entity;

    *ret = schema_find(s, name);
    if (meta_of(*ret) != META_NONE)
        return OUTCOME_DONE;
    while (schema_next(s, &position, &entity)) {
        qmp_value bare = meta_bare(qmp_value_member(entity, "name"));
        if (meta_of(entity) == META_COMMAND || meta_of(entity) == META_EVENT)
            guess_add_sized(&guess, bare.text, bare.size);
    }
    if (guess.best[0] != '\0')
        complain("there is no command or event '%s'; did you mean '%s'?", name, guess.best);
    else
        complain("there is no command or event '%s'; 'qmp schema ls' shows them all", name);
    return OUTCOME_UNKNOWN;
}
