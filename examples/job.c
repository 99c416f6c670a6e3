/* SPDX-License-Identifier: MIT */
/* Copies a block node to another with `blockdev-backup`, and waits for the end of that job.
 *
 * How to run any of QEMU's jobs without missing its end: the listener is registered before the command is sent, it
 * hears this job alone, and the job is told not to dismiss itself, so that its outcome can still be asked for when the
 * event says that it is over.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off \
 *         -blockdev null-co,node-name=src,size=16777216,read-zeroes=on \
 *         -blockdev null-co,node-name=dst,size=16777216,read-zeroes=on &
 *     cc job.c -o job $(pkg-config --cflags --libs libqmpclient)
 *     ./job /tmp/vm.qmp src dst */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <qmp/qmp.h>

#define JOB "job-example"
#define ANSWER (5 * QMP_SECOND) /* how long a command may take */
#define STEP (60 * QMP_SECOND)  /* how long a job may be silent */

/* Executes a command whose arguments qmp_json() made, frees them, and explains a failure. */
static int execute(qmp_client *client, const char *command, char *arguments, qmp_message **ret_reply)
{
    qmp_message *error = NULL;
    int r = arguments ? qmp_client_execute(client, command, arguments, ANSWER, ret_reply, &error) : -errno;
    if (r < 0)
        fprintf(stderr, "%s: %s\n", command, error ? qmp_reply_error_desc(error) : qmp_strerror(r));
    qmp_message_unref(error);
    free(arguments);
    return r;
}

/* Until the job is concluded. */
static int follow(qmp_listener *listener)
{
    for (;;) {
        qmp_message *event;
        int r = qmp_listener_get(listener, STEP, &event);
        if (r < 0) {
            fprintf(stderr, "waiting for the job: %s\n", qmp_strerror(r));
            return r;
        }
        qmp_value status = qmp_value_member(qmp_event_data(event), "status");
        printf("%.*s\n", (int)status.size, status.text);
        bool concluded = qmp_value_equals(status, "concluded");
        qmp_message_unref(event);
        if (concluded)
            return 0;
    }
}

/* What became of the concluded job: 0, or -EIO with the reason on stderr. */
static int outcome(qmp_client *client)
{
    qmp_message *reply = NULL;
    int r = execute(client, "query-jobs", qmp_json("{}"), &reply);
    if (r < 0)
        return r;

    qmp_value job = {NULL, 0};
    while (qmp_value_next(qmp_reply_value(reply), /* key= */ NULL, &job)) {
        char *error;
        if (!qmp_value_equals(qmp_value_member(job, "id"), JOB) ||
            qmp_value_string(qmp_value_member(job, "error"), &error, NULL) < 0)
            continue;
        fprintf(stderr, "the job failed: %s\n", error);
        free(error);
        r = -EIO;
    }
    qmp_message_unref(reply);
    return r;
}

static int backup(qmp_client *client, const char *source, const char *target)
{
    const char *names[] = {"JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    int r = qmp_client_listener(client, names, &listener, &scope);
    if (r < 0)
        return r;

    r = qmp_listener_add_match(listener, "data.id", JOB);
    if (r >= 0)
        r = execute(client, "blockdev-backup",
            qmp_json("{'job-id': %s, 'device': %s, 'target': %s, 'sync': 'full', 'auto-dismiss': false}", JOB, source,
                target),
            NULL);
    if (r >= 0)
        r = follow(listener);
    if (r >= 0) {
        r = outcome(client);
        execute(client, "job-dismiss", qmp_json("{'id': %s}", JOB), NULL);
    }

    qmp_scope_end(scope);
    qmp_listener_unref(listener);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: job SOCKET SOURCE-NODE TARGET-NODE\n");
        return 2;
    }

    qmp_client *client;
    int r = qmp_connect(&client, argv[1], ANSWER);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], qmp_strerror(r));
        return 1;
    }
    r = backup(client, argv[2], argv[3]);
    qmp_client_unref(client);
    if (r >= 0)
        printf("copied %s to %s\n", argv[2], argv[3]);
    return r < 0 ? 1 : 0;
}
