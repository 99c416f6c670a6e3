/* SPDX-License-Identifier: MIT */
/* Sends many commands at once, then collects the replies.
 *
 * Each command costs one trip to QEMU and back when it waits for its reply before the next one leaves. Sent together
 * they share that trip. The replies are found by their ids, so they may be collected in any order; here in the order
 * of the commands.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off &
 *     cc pipeline.c -o pipeline $(pkg-config --cflags --libs libqmpclient)
 *     ./pipeline /tmp/vm.qmp */

#include <errno.h>
#include <stdio.h>

#include <qmp/qmp.h>

#define N_COMMANDS 6

static const char *const commands[N_COMMANDS] = {
    "query-version", "query-name", "query-status", "query-jobs", "query-no-such-thing", "query-kvm"};

static void print_reply(const char *command, int r, const qmp_message *reply, const qmp_message *error)
{
    if (r == -EREMOTEIO)
        printf("%-20s error: %s\n", command, qmp_reply_error_desc(error));
    else if (r < 0)
        printf("%-20s failed: %s\n", command, qmp_strerror(r));
    else
        printf("%-20s %.*s\n", command, (int)qmp_reply_value(reply).size, qmp_reply_value(reply).text);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: pipeline SOCKET\n");
        return 2;
    }

    qmp_client *client;
    int r = qmp_connect(&client, argv[1], 5 * QMP_SECOND);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], qmp_strerror(r));
        return 1;
    }

    qmp_pending *pending[N_COMMANDS] = {NULL};
    for (size_t i = 0; i < N_COMMANDS && r >= 0; i++)
        r = qmp_client_execute_async(
            client, commands[i], NULL, /* callback= */ NULL, /* userdata= */ NULL, &pending[i]);

    for (size_t i = 0; i < N_COMMANDS && pending[i]; i++) {
        qmp_message *reply = NULL, *error = NULL;
        int answer = qmp_pending_wait(pending[i], 5 * QMP_SECOND, &reply, &error);
        print_reply(commands[i], answer, reply, error);
        qmp_message_unref(reply);
        qmp_message_unref(error);
        qmp_pending_unref(pending[i]);
    }

    qmp_client_unref(client);
    return r < 0 ? 1 : 0;
}
