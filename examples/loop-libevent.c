/* SPDX-License-Identifier: MIT */
/* A client in libevent's loop: prints the status of a QEMU and its events, until it shuts down.
 *
 * Nothing here waits for QEMU but the loop: connecting, the command and the events all go on in callbacks, beside
 * whatever else the program does in that loop.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off \
 *         -pidfile /tmp/vm.pid &
 *     cc loop-libevent.c -o loop-libevent $(pkg-config --cflags --libs libqmpclient libevent_core)
 *     ./loop-libevent /tmp/vm.qmp
 *
 * From another terminal, `kill $(cat /tmp/vm.pid)` ends the QEMU, and with it this program. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <qmp/adapt/libevent.h>
#include <qmp/qmp.h>

static bool connected; /* ever */

static void on_reply(qmp_pending *pending, int error, qmp_message *reply, void *userdata)
{
    (void)pending, (void)userdata;

    if (error < 0) {
        printf("query-status: %s\n", error == -EREMOTEIO ? qmp_reply_error_desc(reply) : qmp_strerror(error));
        return;
    }
    qmp_value status = qmp_value_member(qmp_reply_value(reply), "status");
    printf("status: %.*s\n", (int)status.size, status.text);
    fflush(stdout);
}

static void on_event(qmp_listener *listener, qmp_message *event, void *userdata)
{
    struct event_base *loop = userdata;
    (void)listener;

    printf("event: %s\n", qmp_event_name(event));
    fflush(stdout);
    if (strcmp(qmp_event_name(event), "SHUTDOWN") == 0)
        event_base_loopbreak(loop);
}

static void on_state(qmp_client *client, enum qmp_runstate state, void *userdata)
{
    struct event_base *loop = userdata;

    if (state == QMP_RUNNING) {
        connected = true;
        qmp_client_execute_async(client, "query-status", /* arguments= */ NULL, on_reply, userdata, /* ret= */ NULL);
    } else if (state == QMP_IDLE) { /* the end of the connection, or of the attempt */
        fprintf(stderr, "loop-libevent: %s\n", qmp_client_failure(client));
        event_base_loopbreak(loop);
    }
}

/* Words for this failure are better than the meaning of its number. */
static void complain(qmp_client *client, int error)
{
    const char *why = client ? qmp_client_failure(client) : "";
    fprintf(stderr, "loop-libevent: %s\n", *why ? why : qmp_strerror(error));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: loop-libevent SOCKET\n");
        return 2;
    }

    /* [loop-libevent] */
    struct event_base *loop = event_base_new();
    if (!loop)
        return 1;
    qmp_client *client = NULL;
    int r = qmp_client_new(&client);
    if (r >= 0)
        r = qmp_adapt_libevent(client, loop);
    if (r >= 0) {
        qmp_client_set_runstate_handler(client, on_state, loop);
        qmp_listener_set_handler(qmp_client_events(client), on_event, loop);
        r = qmp_client_connect(client, argv[1]);
    }
    if (r >= 0)
        event_base_dispatch(loop);
    else
        complain(client, r);

    qmp_client_unref(client);
    event_base_free(loop);
    /* [loop-libevent] end */
    return connected ? 0 : 1;
}
