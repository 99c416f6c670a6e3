/* SPDX-License-Identifier: MIT */
/* A place that QEMUs dial: each one that comes becomes a client of its own, and says its name.
 *
 * With server=off it is QEMU that connects, and with reconnect=1 it tries again every second. That is handy where
 * machines come and go: they need to know one address, and nobody has to look for their sockets. Here the clients are
 * driven by threads of the library, so that the loop below has nothing to do but to accept.
 *
 *     cc dial-in.c -o dial-in $(pkg-config --cflags --libs libqmpclient)
 *     ./dial-in tcp:127.0.0.1:4444 2 &
 *     for name in vm1 vm2; do qemu-system-x86_64 -name $name -machine none -display none \
 *         -chardev socket,id=q,host=127.0.0.1,port=4444,server=off,reconnect=1 -mon chardev=q,mode=control & done */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <qmp/qmp.h>

#define PATIENCE (60 * QMP_SECOND)

/* [dial-in] */
/* Takes the next QEMU that dials. */
static qmp_client *take(qmp_server *server)
{
    qmp_client *client = NULL;
    int r = qmp_client_new(&client);
    if (r >= 0)
        r = qmp_client_start_thread(client);
    if (r >= 0)
        r = qmp_server_accept(server, PATIENCE, client);
    if (r >= 0)
        r = qmp_client_wait_running(client, PATIENCE);
    if (r < 0)
        errx(1, "nobody came: %s", qmp_strerror(r));
    return client;
}
/* [dial-in] end */

static void greet(qmp_client *client)
{
    qmp_message *reply = NULL;
    int r = qmp_client_execute(client, "query-name", NULL, PATIENCE, &reply, NULL);
    if (r < 0)
        errx(1, "query-name: %s", qmp_strerror(r));
    qmp_value name = qmp_value_member(qmp_reply_value(reply), "name");
    printf("hello, %.*s\n", (int)name.size, name.text);
    qmp_message_unref(reply);
}

int main(int argc, char **argv)
{
    char *why = NULL;
    qmp_server *server = NULL;

    if (argc != 3)
        errx(2, "usage: dial-in ADDRESS HOW-MANY");
    if (qmp_server_new(&server, argv[1], &why) < 0)
        errx(1, "%s", why ? why : "out of memory");
    fprintf(stderr, "listening on %s\n", qmp_server_get_address(server));

    for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
        qmp_client *client = take(server);
        greet(client);
        qmp_client_unref(client);
    }
    qmp_server_free(server);
}
