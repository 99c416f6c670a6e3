/* SPDX-License-Identifier: MIT */

/* Exit codes: the one place that knows which number a script sees for which trouble.
 *
 * Two tables. The first gives each status its meaning, for the help. The second maps what the library knows about the
 * end of a connection (its kind of failure and its errno) to a status; the first row that fits counts. A script can so
 * tell "start QEMU first" (4) from "somebody else holds the monitor" (5), "QEMU went away" (6) and "that is no QMP"
 * (7).
 *
 * It knows nothing of verbs. */

#include <errno.h>
#include <string.h>

#include "banner.h"
#include "complain.h"
#include "names.h"
#include "outcome.h"

static const char *const meanings[] = {
    [OUTCOME_DONE] = "done",
    [OUTCOME_REFUSED] = "QEMU answered the command with an error, or the job failed",
    [OUTCOME_USAGE] = "wrong usage; nothing was sent",
    [OUTCOME_TIMEOUT] = "--timeout passed first",
    [OUTCOME_CONNECT] = "cannot connect",
    [OUTCOME_GREETING] = "connected, but no greeting: another client holds the monitor, or QEMU hangs",
    [OUTCOME_LOST] = "the connection was lost",
    [OUTCOME_PROTOCOL] = "the server does not speak QMP, or sent more than the limits allow",
    [OUTCOME_UNKNOWN] = "no such VM, job or command",
    [OUTCOME_SOME] = "of several VMs, some failed and some did not, or in different ways",
    [OUTCOME_LOCAL] = "trouble on this side: with standard output, memory or descriptors",
};

#define ANY_ERROR 0

static const struct {
    enum qmp_failure kind;
    int error;
    enum outcome outcome;
} failures[] = {
    {QMP_FAILURE_CONNECT, -EINVAL, OUTCOME_USAGE},
    {QMP_FAILURE_CONNECT, -ENAMETOOLONG, OUTCOME_USAGE},
    {QMP_FAILURE_CONNECT, -EMFILE, OUTCOME_LOCAL},
    {QMP_FAILURE_CONNECT, -ENFILE, OUTCOME_LOCAL},
    {QMP_FAILURE_CONNECT, ANY_ERROR, OUTCOME_CONNECT},
    {QMP_FAILURE_TLS, ANY_ERROR, OUTCOME_CONNECT},
    {QMP_FAILURE_GREETING, ANY_ERROR, OUTCOME_GREETING},
    {QMP_FAILURE_NEGOTIATION, -ETIMEDOUT, OUTCOME_GREETING},
    {QMP_FAILURE_NEGOTIATION, ANY_ERROR, OUTCOME_PROTOCOL},
    {QMP_FAILURE_DESERIALIZATION, ANY_ERROR, OUTCOME_PROTOCOL},
    {QMP_FAILURE_UNEXPECTED_TYPE, ANY_ERROR, OUTCOME_PROTOCOL},
    {QMP_FAILURE_BAD_GREETING, ANY_ERROR, OUTCOME_PROTOCOL},
    {QMP_FAILURE_SERVER_PARSE, ANY_ERROR, OUTCOME_PROTOCOL},
    {QMP_FAILURE_LIMIT, ANY_ERROR, OUTCOME_PROTOCOL},
    {QMP_FAILURE_MEMORY, ANY_ERROR, OUTCOME_LOCAL},
    {QMP_FAILURE_CLOSED, ANY_ERROR, OUTCOME_LOST},
    {QMP_FAILURE_DISCONNECT, ANY_ERROR, OUTCOME_LOST},
};

const char *outcome_meaning(int status)
{
    if (status < 0 || (size_t)status >= sizeof(meanings) / sizeof(meanings[0]))
        return NULL;
    return meanings[status];
}

/* Whether all that was reached is a command that ended without a word: ssh to a host that is down. */
static bool is_silent_command(qmp_client *c)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    __attribute__((cleanup(qmp_freep))) char *address = NULL;

    return qmp_client_failure_kind(c) == QMP_FAILURE_CLOSED && qmp_client_greeting(c, &greeting) < 0 &&
           qmp_client_get_address(c, &address) >= 0 && strncmp(address, "exec:", 5) == 0;
}

/* Says what a server is that is no QMP server, where its first words show that. */
static void banner_complain(qmp_client *c)
{
    size_t size = 0;
    const char *bytes = qmp_client_failure_bytes(c, &size);
    const struct banner *banner = bytes != NULL ? banner_find(bytes, size) : NULL;

    if (banner != NULL)
        complain("this is %s%s%s", banner->what, *banner->advice != '\0' ? "; " : "", banner->advice);
}

enum outcome outcome_judge(qmp_client *c, int error)
{
    enum qmp_failure kind = qmp_client_failure_kind(c);

    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].kind == kind && (failures[i].error == ANY_ERROR || failures[i].error == error))
            return is_silent_command(c) ? OUTCOME_CONNECT : failures[i].outcome;
    return OUTCOME_LOCAL;
}

enum outcome outcome_of_failure(qmp_client *c, int error)
{
    __attribute__((cleanup(qmp_freep))) char *address = NULL;
    enum qmp_failure kind = qmp_client_failure_kind(c);

    if (kind == QMP_FAILURE_NONE)
        return outcome_of_error("the connection failed", error);
    if (kind == QMP_FAILURE_CONNECT && error == -ENOENT && qmp_client_get_address(c, &address) >= 0 &&
        names_is_name(address))
        return names_complain(address);
    complain("%s", qmp_client_failure(c));
    banner_complain(c);
    return outcome_judge(c, error);
}

enum outcome outcome_of_error(const char *what, int error)
{
    complain("%s: %s", what, qmp_strerror(error));
    return OUTCOME_LOCAL;
}
