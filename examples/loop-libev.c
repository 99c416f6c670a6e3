/* SPDX-License-Identifier: MIT */
/* A client in libev's loop: prints the status of a QEMU and its events, until it shuts down.
 *
 * Nothing here waits for QEMU but the loop: connecting, the command and the events all go on in callbacks, beside
 * whatever else the program does in that loop.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off \
 *         -pidfile /tmp/vm.pid &
 *     cc loop-libev.c -o loop-libev $(pkg-config --cflags --libs libqmpclient) -lev
 *     ./loop-libev /tmp/vm.qmp
 *
 * From another terminal, `kill $(cat /tmp/vm.pid)` ends the QEMU, and with it this program. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <qmp/adapt/libev.h>
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
    struct ev_loop *loop = userdata;
    (void)listener;

    printf("event: %s\n", qmp_event_name(event));
    fflush(stdout);
    if (strcmp(qmp_event_name(event), "SHUTDOWN") == 0)
        ev_break(loop, EVBREAK_ALL);
}

static void on_state(qmp_client *client, enum qmp_runstate state, void *userdata)
{
    struct ev_loop *loop = userdata;

    if (state == QMP_RUNNING) {
        connected = true;
        qmp_client_execute_async(client, "query-status", /* arguments= */ NULL, on_reply, userdata, /* ret= */ NULL);
    } else if (state == QMP_IDLE) { /* the end of the connection, or of the attempt */
        fprintf(stderr, "loop-libev: %s\n", qmp_client_failure(client));
        ev_break(loop, EVBREAK_ALL);
    }
}

/* Words for this failure are better than the meaning of its number. */
static void complain(qmp_client *client, int error)
{
    const char *why = client ? qmp_client_failure(client) : "";
    fprintf(stderr, "loop-libev: %s\n", *why ? why : qmp_strerror(error));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: loop-libev SOCKET\n");
        return 2;
    }

    /* [loop-libev] */
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    if (!loop)
        return 1;
    qmp_client *client = NULL;
    int r = qmp_client_new(&client);
    if (r >= 0)
        r = qmp_adapt_libev(client, loop);
    if (r >= 0) {
        qmp_client_set_runstate_handler(client, on_state, loop);
        qmp_listener_set_handler(qmp_client_events(client), on_event, loop);
        r = qmp_client_connect(client, argv[1]);
    }
    if (r >= 0)
        ev_run(loop, /* flags= */ 0);
    else
        complain(client, r);

    qmp_client_unref(client);
    ev_loop_destroy(loop);
    /* [loop-libev] end */
    return connected ? 0 : 1;
}
