/* SPDX-License-Identifier: MIT */

/* One command, one answer, and what becomes of each way to fail.
 *
 * It knows nothing of what commands mean. */

#include <errno.h>
#include <string.h>

#include "ask.h"
#include "complain.h"
#include "duration.h"

enum outcome ask_check(const char *command)
{
    __attribute__((cleanup(qmp_freep))) char *json = qmp_json("%s", command);

    if (*command != '\0' && json != NULL)
        return OUTCOME_DONE;
    complain("'%s' is not the name of a command", command);
    return OUTCOME_USAGE;
}

enum outcome ask_refused(const char *command, const qmp_message *refusal)
{
    complain("%s: %s: %s", command, qmp_reply_error_class(refusal), qmp_reply_error_desc(refusal));
    return strcmp(qmp_reply_error_class(refusal), "CommandNotFound") == 0 ? OUTCOME_UNKNOWN : OUTCOME_REFUSED;
}

enum outcome ask_failed(const struct options *o, qmp_client *c, const char *command, int error)
{
    char text[DURATION_TEXT_MAX];

    switch (error) {
    case -ETIMEDOUT:
        complain("%s: no answer within %s", command, duration_text(o->timeout, text));
        return OUTCOME_TIMEOUT;
    case -EINVAL:
    case -EBADMSG:
    case -ELOOP:
    case -EMSGSIZE:
        complain("%s cannot be sent: %s", command, qmp_strerror(error));
        return OUTCOME_USAGE;
    default:
        return outcome_of_failure(c, error);
    }
}

enum outcome ask(
    const struct options *o, qmp_client *c, const char *command, const char *arguments, qmp_message **ret_reply)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *refusal = NULL;
    int r = qmp_client_execute(c, command, arguments, duration_until(o->deadline), ret_reply, &refusal);

    if (r >= 0)
        return OUTCOME_DONE;
    return r == -EREMOTEIO ? ask_refused(command, refusal) : ask_failed(o, c, command, r);
}
