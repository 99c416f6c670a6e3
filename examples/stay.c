/* SPDX-License-Identifier: MIT */
/* Stays with a virtual machine across restarts of its QEMU, and says what it heard and what it may have missed.
 *
 * A client with a reconnect policy connects again by itself. Nothing is forged meanwhile: commands under way fail,
 * once, and the listener says -ESTALE where a connection ended, because what happened in between is not known. That is
 * the moment to ask for the state.
 *
 *     while :; do qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off; done &
 *     cc stay.c -o stay $(pkg-config --cflags --libs libqmpclient)
 *     ./stay /tmp/vm.qmp 2 */

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <qmp/qmp.h>

#define PATIENCE (60 * QMP_SECOND)

/* After each connection: what is it that we are connected to? */
static void look(qmp_client *client)
{
    static const char *const servers[] = {"a QEMU", "the same QEMU", "another QEMU"};
    qmp_message *reply = NULL;
    int r = qmp_client_wait_running(client, PATIENCE);

    if (r >= 0)
        r = qmp_client_execute(client, "query-status", NULL, PATIENCE, &reply, NULL);
    if (r == -ECONNRESET)
        return; /* gone again: the next gap says so */
    if (r < 0)
        errx(1, "%s: %s", qmp_strerror(r), qmp_client_failure(client));
    qmp_value status = qmp_value_member(qmp_reply_value(reply), "status");
    printf("connected to %s: %.*s\n", servers[qmp_client_same_server(client)], (int)status.size, status.text);
    qmp_message_unref(reply);
}

/* [stay] */
/* Until so many connections have ended. */
static void watch(qmp_client *client, int ends)
{
    look(client);
    while (ends > 0) {
        qmp_message *event;
        int r = qmp_listener_get(qmp_client_events(client), PATIENCE, &event);
        if (r == -ESTALE) {
            printf("a gap: %s\n", qmp_client_failure(client));
            if (--ends > 0)
                look(client);
        } else if (r < 0) {
            errx(1, "%s", qmp_strerror(r));
        } else {
            printf("%s\n", qmp_event_name(event));
            qmp_message_unref(event);
        }
    }
}
/* [stay] end */

int main(int argc, char **argv)
{
    struct qmp_reconnect policy = QMP_RECONNECT_INIT;
    qmp_client *client = NULL;

    if (argc != 3)
        errx(2, "usage: stay ADDRESS HOW-MANY-ENDS");
    fprintf(stderr, "waiting for %s\n", argv[1]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    policy.initially = true; /* also when there is no QEMU yet */
    if (qmp_client_new(&client) < 0 || qmp_client_set_reconnect(client, &policy) < 0)
        errx(1, "out of memory");
    if (qmp_client_connect(client, argv[1]) < 0)
        errx(1, "%s", qmp_client_failure(client));
    watch(client, (int)strtol(argv[2], NULL, 10));
    qmp_client_unref(client);
}
