/* SPDX-License-Identifier: MIT */
/* Asks a QEMU whether its machine runs.
 *
 * The smallest complete program: one blocking call to connect, one to execute, and the reply read in place. It shows
 * the two ways in which a command fails: QEMU answers with an error, or there is no answer.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off &
 *     cc hello.c -o hello $(pkg-config --cflags --libs libqmpclient)
 *     ./hello /tmp/vm.qmp */

#include <stdio.h>

#include <qmp/qmp.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: hello SOCKET\n");
        return 2;
    }

    qmp_client *client;
    int r = qmp_connect(&client, argv[1], 5 * QMP_SECOND);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], qmp_strerror(r));
        return 1;
    }

    qmp_message *reply = NULL, *error = NULL;
    r = qmp_client_execute(client, "query-status", NULL, 5 * QMP_SECOND, &reply, &error);
    if (r == 0) {
        bool running = false;
        qmp_value_bool(qmp_value_member(qmp_reply_value(reply), "running"), &running);
        printf("The machine %s.\n", running ? "runs" : "does not run");
    } else
        fprintf(stderr, "query-status: %s\n", error ? qmp_reply_error_desc(error) : qmp_strerror(r));

    qmp_message_unref(reply);
    qmp_message_unref(error);
    qmp_client_unref(client);
    return r < 0 ? 1 : 0;
}
