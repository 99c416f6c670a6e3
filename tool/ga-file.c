/* SPDX-License-Identifier: MIT */

/* A file in the guest, through a handle that the agent keeps.
 *
 * The agent keeps handles for ever, also those of clients that are gone. The invariant: what was opened is closed,
 * however the transfer ends, as long as there is somebody to tell.
 *
 * It knows nothing of what is in files. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"
#include "duration.h"
#include "ga-file.h"
#include "ga.h"

/* How long closing may take after something else has failed. */
#define CLOSE_TIME (2 * QMP_SECOND)

enum outcome ga_file_path_check(const char *path)
{
    __attribute__((cleanup(qmp_freep))) char *json = qmp_json("%s", path);

    if (*path != '\0' && json != NULL)
        return OUTCOME_DONE;
    complain("'%s' is not the path of a file: empty, or not UTF-8", path);
    return OUTCOME_USAGE;
}

enum outcome ga_file_open(struct ga_file *f, const struct options *o, qmp_client *c, const char *path, const char *mode)
{
    __attribute__((cleanup(qmp_freep))) char *arguments = qmp_json("{'path': %s, 'mode': %s}", path, mode);
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    enum outcome outcome;

    *f = (struct ga_file){.options = o, .client = c, .path = path};
    if (arguments == NULL)
        return outcome_of_error(path, -errno);
    outcome = ga_ask(o, c, "guest-file-open", arguments, &reply);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (qmp_value_int64(qmp_reply_value(reply), &f->handle) < 0)
        return ga_senseless("guest-file-open", "a handle is a whole number");
    f->open = true;
    return OUTCOME_DONE;
}

enum outcome ga_file_ask(const struct ga_file *f, const char *command, const char *more, qmp_message **ret)
{
    __attribute__((cleanup(qmp_freep))) char *arguments = NULL;

    if (asprintf(&arguments, "{\"handle\":%lld%s}", (long long)f->handle, more) < 0)
        return outcome_of_error(f->path, -ENOMEM);
    return ga_ask(f->options, f->client, command, arguments, ret);
}

enum outcome ga_file_close(struct ga_file *f, bool quietly)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *arguments = NULL;

    if (!f->open)
        return OUTCOME_DONE;
    f->open = false;
    if (!quietly)
        return ga_file_ask(f, "guest-file-close", "", &reply);
    arguments = qmp_json("{'handle': %lld}", (long long)f->handle);
    if (arguments != NULL)
        qmp_client_execute(f->client, "guest-file-close", arguments, CLOSE_TIME, &reply, /* reterr_reply= */ NULL);
    return OUTCOME_DONE;
}
