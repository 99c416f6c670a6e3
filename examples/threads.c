/* SPDX-License-Identifier: MIT */
/* Two threads share the events of one listener while a third executes commands.
 *
 * After qmp_client_start_thread() the library does the input and output on a thread of its own, and everything may be
 * called from anywhere. A listener is a queue: however many threads take from it, each event goes to exactly one of
 * them. (Threads that each want all events use a listener each.)
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off &
 *     cc threads.c -o threads $(pkg-config --cflags --libs libqmpclient) -pthread
 *     ./threads /tmp/vm.qmp */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <qmp/qmp.h>

#define N_WORKERS 2
#define N_ROUNDS 50

struct worker {
    qmp_listener *listener;
    unsigned n_stop, n_resume;
};

/* Takes events until the connection has ended and the queue is drained. */
static void *work(void *userdata)
{
    struct worker *worker = userdata;
    qmp_message *event;

    while (qmp_listener_get(worker->listener, QMP_FOREVER, &event) >= 0) {
        if (strcmp(qmp_event_name(event), "STOP") == 0)
            worker->n_stop++;
        else
            worker->n_resume++;
        qmp_message_unref(event);
    }
    return NULL;
}

static int stop_and_continue(qmp_client *client)
{
    int r = 0;
    for (int i = 0; i < N_ROUNDS && r >= 0; i++) {
        r = qmp_client_execute(client, "stop", NULL, 5 * QMP_SECOND, NULL, NULL);
        if (r >= 0)
            r = qmp_client_execute(client, "cont", NULL, 5 * QMP_SECOND, NULL, NULL);
    }
    return r;
}

static int run(qmp_client *client, qmp_listener *listener)
{
    struct worker workers[N_WORKERS] = {{listener, 0, 0}, {listener, 0, 0}};
    pthread_t threads[N_WORKERS];
    size_t n_started = 0;

    int r = qmp_client_start_thread(client);
    while (r >= 0 && n_started < N_WORKERS) {
        r = -pthread_create(&threads[n_started], NULL, work, &workers[n_started]);
        if (r >= 0)
            n_started++;
    }
    if (r >= 0)
        r = stop_and_continue(client);

    /* Every event came before the reply to its command, so all of them are queued by now. The workers take what is
     * left, then hear that the connection has ended. */
    qmp_client_disconnect(client);
    unsigned n_stop = 0, n_resume = 0;
    for (size_t i = 0; i < n_started; i++) {
        pthread_join(threads[i], NULL);
        n_stop += workers[i].n_stop;
        n_resume += workers[i].n_resume;
    }
    printf("%d workers took %u STOP and %u RESUME\n", N_WORKERS, n_stop, n_resume);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: threads SOCKET\n");
        return 2;
    }

    qmp_client *client;
    int r = qmp_connect(&client, argv[1], 5 * QMP_SECOND);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], qmp_strerror(r));
        return 1;
    }

    const char *names[] = {"STOP", "RESUME", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    r = qmp_client_listener(client, names, &listener, &scope);
    if (r >= 0) {
        r = run(client, listener);
        qmp_scope_end(scope);
        qmp_listener_unref(listener);
    }
    if (r < 0)
        fprintf(stderr, "threads: %s\n", qmp_strerror(r));
    qmp_client_unref(client);
    return r < 0 ? 1 : 0;
}
