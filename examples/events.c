/* SPDX-License-Identifier: MIT */
/* Prints the events of a QEMU, one a line, until the connection ends, and then says why it ended.
 *
 * The loop over a listener is the heart of most programs that watch a QEMU: each event once, in order, and an end of
 * its own. This one connects step by step, so that it can say in words what went wrong when that fails.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off \
 *         -pidfile /tmp/vm.pid &
 *     cc events.c -o events $(pkg-config --cflags --libs libqmpclient)
 *     ./events /tmp/vm.qmp                  every event
 *     ./events /tmp/vm.qmp STOP RESUME      only these
 *
 * From another terminal, `kill $(cat /tmp/vm.pid)` ends the QEMU, and with it this program. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <qmp/qmp.h>

static void print_event(const qmp_message *event)
{
    int64_t usec;
    if (qmp_event_timestamp(event, &usec) == 0)
        printf("%" PRId64 ".%06d ", usec / 1000000, (int)(usec % 1000000));

    qmp_value data = qmp_event_data(event);
    printf("%s%s%.*s\n", qmp_event_name(event), data.text ? " " : "", (int)data.size, data.text ? data.text : "");
    fflush(stdout);
}

/* [watch] */
/* Until the connection ends. */
static int watch(qmp_listener *listener)
{
    for (;;) {
        qmp_message *event;
        int r = qmp_listener_get(listener, QMP_FOREVER, &event);
        if (r == -ENOBUFS) { /* we were too slow: the oldest ones are lost, the rest follows */
            fprintf(stderr, "events: %" PRIu64 " lost so far\n", qmp_listener_dropped(listener));
            continue;
        }
        if (r < 0)
            return r;
        print_event(event);
        qmp_message_unref(event);
    }
}
/* [watch] end */

static int run(qmp_client *client, const char *address, const char *const *names)
{
    qmp_listener *listener;
    qmp_scope *scope;
    int r = qmp_client_listener(client, names, &listener, &scope);
    if (r < 0)
        return r;

    r = qmp_client_connect(client, address);
    if (r >= 0)
        r = qmp_client_wait_running(client, 5 * QMP_SECOND);
    if (r >= 0)
        r = watch(listener);

    qmp_scope_end(scope);
    qmp_listener_unref(listener);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: events SOCKET [NAME...]\n");
        return 2;
    }

    qmp_client *client;
    int r = qmp_client_new(&client);
    if (r < 0) {
        fprintf(stderr, "events: %s\n", qmp_strerror(r));
        return 1;
    }

    r = run(client, argv[1], (const char *const *)(argv + 2));
    const char *why = qmp_client_failure(client);
    fprintf(stderr, "events: %s\n", *why ? why : qmp_strerror(r));
    qmp_client_unref(client);
    return r == -ENOTCONN ? 0 : 1; /* a connection that was there and ended is what this program waits for */
}
