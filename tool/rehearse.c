/* SPDX-License-Identifier: MIT */

/* A call that is not made: --check and --dry-run.
 *
 * The server is asked for nothing but its schema. Where it is not there, the schema that was last seen at its address
 * serves, or the one last seen anywhere; which one that is gets said, because the verdict is only as good.
 *
 * It knows nothing of types. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "complain.h"
#include "connect.h"
#include "descriptors.h"
#include "output.h"
#include "rehearse.h"
#include "typing.h"

static enum outcome command_print(const char *execute, const char *command, const char *arguments)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL, *name = qmp_json("%s", command);
    int n = name != NULL ? asprintf(&text, "{\"%s\": %s%s%s}", execute, name,
                               arguments != NULL ? ", \"arguments\": " : "", arguments != NULL ? arguments : "")
                         : -1;

    if (n < 0) {
        text = NULL;
        return outcome_of_error("the command", -ENOMEM);
    }
    return output_json((qmp_value){text, (size_t)n});
}

/* Prints what would be sent. */
static enum outcome wire_print(const struct options *o, const char *command, const char *arguments)
{
    enum outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; outcome == OUTCOME_DONE && i < o->fds.n; i++) {
        __attribute__((cleanup(qmp_freep))) char *getfd = descriptors_arguments(o->fds.items[i]);
        outcome = getfd != NULL ? command_print("execute", "getfd", getfd) : outcome_of_error("--fd", -ENOMEM);
    }
    if (outcome == OUTCOME_DONE)
        outcome = command_print(o->given & OPTION_OOB ? "exec-oob" : "execute", command, arguments);
    return outcome;
}

static enum outcome connected_rehearse(
    const struct options *o, qmp_client *c, const char *command, const struct arguments *a)
{
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    enum outcome outcome = OUTCOME_DONE;

    if (o->given & OPTION_CHECK)
        outcome = typing_check(o, c, command, a, o->given & OPTION_OOB);
    if (outcome == OUTCOME_DONE && (o->given & OPTION_DRY_RUN))
        outcome = typing_make(o, c, command, a, &json);
    if (outcome == OUTCOME_DONE && (o->given & OPTION_DRY_RUN))
        outcome = wire_print(o, command, json);
    return outcome;
}

static enum outcome offline_rehearse(
    const struct options *o, const struct schema *s, const char *command, const struct arguments *a)
{
    __attribute__((cleanup(qmp_freep))) char *json = NULL;
    enum outcome outcome = OUTCOME_DONE;

    if (o->given & OPTION_CHECK)
        outcome = typing_check_offline(s, command, a, o->given & OPTION_OOB);
    if (outcome == OUTCOME_DONE && (o->given & OPTION_DRY_RUN))
        outcome = typing_make_offline(s, command, a, &json);
    if (outcome == OUTCOME_DONE && (o->given & OPTION_DRY_RUN))
        outcome = wire_print(o, command, json);
    return outcome;
}

/* Without the server; `why` says what is the matter with it. False when that does not help: there is no schema. */
static bool kept_rehearse(const struct options *o, const char *address, const char *why, const char *command,
    const struct arguments *a, enum outcome *ret)
{
    __attribute__((cleanup(qmp_freep))) char *where = NULL;
    __attribute__((cleanup(schema_freep))) struct schema *s = cache_look_where(address, &where);

    if (s == NULL && (o->given & OPTION_CHECK))
        return false;
    if (s != NULL)
        complain("%s; going by the schema last seen at %s", why, where);
    else
        complain("%s; no schema is known, so the arguments become what they look like", why);
    *ret = offline_rehearse(o, s, command, a);
    return true;
}

/* Whether connecting failed because the server is not there, or has no time. */
static bool is_away(qmp_client *c, int error)
{
    enum qmp_failure kind = qmp_client_failure_kind(c);

    return kind == QMP_FAILURE_GREETING || (kind == QMP_FAILURE_CONNECT && error != -EINVAL && error != -ENAMETOOLONG);
}

enum outcome rehearse(const struct options *o, const char *command, const struct arguments *a)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    const char *address = o->address != NULL ? o->address : getenv("QMP_SOCKET");
    enum outcome outcome = OUTCOME_DONE;
    int r;

    if ((o->given & OPTION_CHECK) == 0 && a->tree == NULL)
        return wire_print(o, command, a->json);
    if ((address == NULL || *address == '\0') && kept_rehearse(o, NULL, "no address", command, a, &outcome))
        return outcome;
    outcome = connect_prepare(o, /* l= */ NULL, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = connect_run(o, c);
    if (r >= 0)
        return connected_rehearse(o, c, command, a);
    if (is_away(c, r) && kept_rehearse(o, address, qmp_client_failure(c), command, a, &outcome))
        return outcome;
    return outcome_of_failure(c, r);
}
