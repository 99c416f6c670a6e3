/* SPDX-License-Identifier: MIT */
/* Every snippet of doc/TUTORIAL.md, in its order, compiled and run.
 *
 * Each section is a function that gets a fresh connection to one QEMU; the regions marked by a name in square brackets
 * are what the tutorial shows, and a test compares the two. Nothing here is needed twice: a section says all that it
 * uses.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off \
 *         -blockdev null-co,node-name=src,size=16777216,read-zeroes=on \
 *         -blockdev null-co,node-name=dst1,size=16777216,read-zeroes=on \
 *         -blockdev null-co,node-name=dst2,size=16777216,read-zeroes=on &
 *     cc tutorial.c -o tutorial $(pkg-config --cflags --libs libqmpclient) -pthread
 *     ./tutorial /tmp/vm.qmp */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qmp/qmp.h>

/* [helpers] */
#define SOON (10 * QMP_SECOND)

/* Ends the program when a call failed. */
static int must(int r, const char *what)
{
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", what, qmp_strerror(r));
        exit(1);
    }
    return r;
}

static void execute(qmp_client *client, const char *command)
{
    must(qmp_client_execute(client, command, NULL, SOON, NULL, NULL), command);
}
/* [helpers] end */

/* [backup] */
static void backup(qmp_client *client, const char *job, const char *target)
{
    char *arguments = qmp_json("{'job-id': %s, 'device': 'src', 'target': %s, 'sync': 'full'}", job, target);
    must(qmp_client_execute(client, "blockdev-backup", arguments, SOON, NULL, NULL), "blockdev-backup");
    free(arguments);
}
/* [backup] end */

static void one_name(qmp_client *client)
{
    /* [one-name] */
    const char *names[] = {"STOP", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, names, &listener, &scope), "listener");

    execute(client, "stop");

    qmp_message *event;
    must(qmp_listener_get(listener, SOON, &event), "get");
    printf("%s\n", qmp_event_name(event));
    qmp_message_unref(event);

    qmp_scope_end(scope);
    qmp_listener_unref(listener);
    /* [one-name] end */
}

static void several_names(qmp_client *client)
{
    /* [several-names] */
    const char *names[] = {"STOP", "RESUME", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, names, &listener, &scope), "listener");

    execute(client, "stop");
    execute(client, "cont");

    for (int i = 0; i < 2; i++) {
        qmp_message *event;
        must(qmp_listener_get(listener, SOON, &event), "get");
        printf("%s\n", qmp_event_name(event));
        qmp_message_unref(event);
    }
    /* [several-names] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void no_names(qmp_client *client)
{
    /* [no-names] */
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, /* names= */ NULL, &listener, &scope), "listener");

    execute(client, "stop");

    qmp_message *event;
    must(qmp_listener_get(listener, SOON, &event), "get");
    printf("%.*s\n", (int)qmp_message_root(event).size, qmp_message_root(event).text);
    qmp_message_unref(event);
    /* [no-names] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void iterate(qmp_client *client)
{
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, NULL, &listener, &scope), "listener");
    execute(client, "stop");
    execute(client, "cont");

    /* [iterate] */
    qmp_message *event;
    int r;
    while ((r = qmp_listener_get(listener, QMP_FOREVER, &event)) >= 0) {
        bool last = strcmp(qmp_event_name(event), "RESUME") == 0;
        printf("%s\n", qmp_event_name(event));
        qmp_message_unref(event);
        if (last)
            break;
    }
    /* [iterate] end */
    must(r, "iterate");
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void iterate_for_a_while(qmp_client *client)
{
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, NULL, &listener, &scope), "listener");
    execute(client, "stop");
    execute(client, "cont");

    /* [iterate-timeout] */
    qmp_message *event;
    int r;
    while ((r = qmp_listener_get(listener, QMP_SECOND / 5, &event)) >= 0) {
        printf("%s\n", qmp_event_name(event));
        qmp_message_unref(event);
    }
    if (r == -ETIMEDOUT)
        printf("nothing more for a fifth of a second\n");
    else
        printf("stopped: %s\n", qmp_strerror(r));
    /* [iterate-timeout] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

/* [consumer] */
static void *print_events(void *userdata)
{
    qmp_listener *listener = userdata;
    qmp_message *event;

    while (qmp_listener_get(listener, QMP_FOREVER, &event) >= 0) {
        printf("the consumer sees %s\n", qmp_event_name(event));
        qmp_message_unref(event);
    }
    return NULL;
}
/* [consumer] end */

static void concurrent_consumer(qmp_client *client)
{
    /* [concurrent] */
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, NULL, &listener, &scope), "listener");
    must(qmp_client_start_thread(client), "start thread");

    pthread_t consumer;
    must(-pthread_create(&consumer, NULL, print_events, listener), "create consumer");

    execute(client, "stop");
    execute(client, "cont");

    qmp_client_disconnect(client);
    pthread_join(consumer, NULL);
    /* [concurrent] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

/* [handler] */
static void on_event(qmp_listener *listener, qmp_message *event, void *userdata)
{
    unsigned *n_events = userdata;
    (void)listener;

    (*n_events)++;
    printf("the handler sees %s\n", qmp_event_name(event));
}
/* [handler] end */

static void handler(qmp_client *client)
{
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, NULL, &listener, &scope), "listener");

    /* [handler-use] */
    unsigned n_events = 0;
    qmp_listener_set_handler(listener, on_event, &n_events);

    execute(client, "stop");
    execute(client, "cont");
    printf("%u events by now\n", n_events);
    /* [handler-use] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void descriptor(qmp_client *client)
{
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, NULL, &listener, &scope), "listener");
    must(qmp_client_start_thread(client), "start thread");

    execute(client, "stop");

    /* [descriptor] */
    struct pollfd ready = {.fd = must(qmp_listener_get_fd(listener), "descriptor"), .events = POLLIN};
    must(poll(&ready, 1, 10000), "poll");

    qmp_message *event;
    while (qmp_listener_get(listener, /* timeout= */ 0, &event) >= 0) {
        printf("%s\n", qmp_event_name(event));
        qmp_message_unref(event);
    }
    /* [descriptor] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void register_and_remove(qmp_client *client)
{
    /* [register] */
    qmp_listener *listener;
    must(qmp_listener_new(&listener, NULL), "new");

    must(qmp_client_register_listener(client, listener), "register");
    execute(client, "stop");
    qmp_message *event;
    must(qmp_listener_get(listener, SOON, &event), "get");
    printf("%s\n", qmp_event_name(event));
    qmp_message_unref(event);
    must(qmp_client_remove_listener(client, listener), "remove");

    execute(client, "cont");
    printf("%s\n", qmp_listener_empty(listener) ? "nobody listened to RESUME" : "something is queued");

    must(qmp_client_register_listener(client, listener), "register again");
    must(qmp_client_remove_listener(client, listener), "remove again");
    qmp_listener_unref(listener);
    /* [register] end */
}

static void default_listener(qmp_client *client)
{
    /* [default] */
    qmp_listener *events = qmp_client_events(client);

    execute(client, "stop");
    execute(client, "cont");

    qmp_message *event;
    while (qmp_listener_get(events, 0, &event) >= 0) {
        printf("%s\n", qmp_event_name(event));
        qmp_message_unref(event);
    }
    /* [default] end */
}

static void several_listeners(qmp_client *client)
{
    /* [several-listeners] */
    const char *stop_names[] = {"STOP", NULL}, *resume_names[] = {"RESUME", NULL};
    qmp_listener *stops, *resumes;
    qmp_scope *stops_scope, *resumes_scope;
    must(qmp_client_listener(client, stop_names, &stops, &stops_scope), "listener");
    must(qmp_client_listener(client, resume_names, &resumes, &resumes_scope), "listener");

    execute(client, "stop");
    execute(client, "cont");
    execute(client, "stop");

    qmp_listener *either[] = {stops, resumes};
    for (int i = 0; i < 3; i++) {
        int index = must(qmp_listeners_wait(either, 2, SOON), "wait");
        qmp_message *event;
        must(qmp_listener_get(either[index], 0, &event), "get");
        printf("listener %d has %s\n", index, qmp_event_name(event));
        qmp_message_unref(event);
    }
    /* [several-listeners] end */
    qmp_scope_end(stops_scope);
    qmp_scope_end(resumes_scope);
    qmp_listener_unref(stops);
    qmp_listener_unref(resumes);
}

static void clear(qmp_client *client)
{
    /* [clear] */
    qmp_listener *events = qmp_client_events(client);

    execute(client, "stop");

    qmp_message **cleared;
    size_t n_cleared;
    must(qmp_listener_clear(events, &cleared, &n_cleared), "clear");
    for (size_t i = 0; i < n_cleared; i++)
        printf("set aside: %s\n", qmp_event_name(cleared[i]));
    qmp_message_unref_many(cleared, n_cleared);

    execute(client, "cont");

    qmp_message *event;
    must(qmp_listener_get(events, SOON, &event), "get");
    printf("the next one: %s\n", qmp_event_name(event));
    qmp_message_unref(event);
    /* [clear] end */
}

static void history(qmp_client *client)
{
    /* [history] */
    qmp_listener *events = qmp_client_events(client);

    execute(client, "stop");
    execute(client, "cont");
    must(qmp_listener_clear(events, NULL, NULL), "clear"); /* nobody has read them, and now nobody can */

    qmp_message **history;
    size_t n_history;
    must(qmp_listener_history(events, &history, &n_history), "history");
    for (size_t i = 0; i < n_history; i++)
        printf("%s\n", qmp_event_name(history[i]));
    qmp_message_unref_many(history, n_history);
    /* [history] end */
}

/* [filter] */
static bool is_of_job1(const qmp_message *event, void *userdata)
{
    (void)userdata;
    return qmp_value_equals(qmp_value_path(qmp_event_data(event), "id"), "job1");
}
/* [filter] end */

/* [print-job] */
/* Prints the job's statuses until it is concluded. */
static void print_job(qmp_listener *listener)
{
    for (bool concluded = false; !concluded;) {
        qmp_message *event;
        must(qmp_listener_get(listener, SOON, &event), "get");
        qmp_value id = qmp_value_member(qmp_event_data(event), "id");
        qmp_value status = qmp_value_member(qmp_event_data(event), "status");
        printf("%.*s: %.*s\n", (int)id.size, id.text, (int)status.size, status.text);
        concluded = qmp_value_equals(status, "concluded");
        qmp_message_unref(event);
    }
}
/* [print-job] end */

static void filter(qmp_client *client)
{
    /* [filter-use] */
    const char *names[] = {"JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    must(qmp_listener_new(&listener, names), "new");
    qmp_listener_set_filter(listener, is_of_job1, /* userdata= */ NULL);
    must(qmp_client_register_listener(client, listener), "register");

    backup(client, "job1", "dst1");
    print_job(listener);
    /* [filter-use] end */
    must(qmp_client_remove_listener(client, listener), "remove");
    qmp_listener_unref(listener);
}

/* [parameter] */
struct job {
    const char *id;
};

static bool is_of_job(const qmp_message *event, void *userdata)
{
    const struct job *job = userdata;
    return qmp_value_equals(qmp_value_path(qmp_event_data(event), "id"), job->id);
}
/* [parameter] end */

static void filter_with_parameter(qmp_client *client)
{
    const char *names[] = {"JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, names, &listener, &scope), "listener");

    /* [parameter-use] */
    struct job job2 = {"job2"};
    qmp_listener_set_filter(listener, is_of_job, &job2);

    backup(client, "job2", "dst2");
    print_job(listener);
    /* [parameter-use] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void match(qmp_client *client)
{
    const char *names[] = {"JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, names, &listener, &scope), "listener");

    /* [match] */
    must(qmp_listener_add_match(listener, "data.id", "job3"), "add match");

    backup(client, "job3", "dst1");
    print_job(listener);
    /* [match] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void listen_one(qmp_client *client)
{
    /* [listen-one] */
    const char *names[] = {"BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED", "BLOCK_JOB_ERROR", "JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    must(qmp_listener_new(&listener, names), "new");

    qmp_scope *scope;
    must(qmp_client_listen(client, &listener, 1, &scope), "listen");
    backup(client, "job4", "dst1");
    for (bool completed = false; !completed;) {
        qmp_message *event;
        must(qmp_listener_get(listener, SOON, &event), "get");
        printf("%s\n", qmp_event_name(event));
        completed = strcmp(qmp_event_name(event), "BLOCK_JOB_COMPLETED") == 0;
        qmp_message_unref(event);
    }
    qmp_scope_end(scope);
    /* [listen-one] end */
    qmp_listener_unref(listener);
}

static void listen_many(qmp_client *client)
{
    /* [listen-many] */
    const char *names[] = {"JOB_STATUS_CHANGE", NULL};
    qmp_listener *jobs[2];
    must(qmp_listener_new(&jobs[0], names), "new");
    must(qmp_listener_new(&jobs[1], names), "new");
    must(qmp_listener_add_match(jobs[0], "data.id", "jobA"), "add match");
    must(qmp_listener_add_match(jobs[1], "data.id", "jobB"), "add match");

    qmp_scope *scope;
    must(qmp_client_listen(client, jobs, 2, &scope), "listen");
    backup(client, "jobA", "dst1");
    backup(client, "jobB", "dst2");
    print_job(jobs[0]);
    print_job(jobs[1]);
    qmp_scope_end(scope);

    qmp_listener_unref(jobs[0]);
    qmp_listener_unref(jobs[1]);
    /* [listen-many] end */
}

/* [cleanup] */
static int wait_for_stop(qmp_client *client)
{
    const char *names[] = {"STOP", NULL};
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *listener = NULL;
    __attribute__((cleanup(qmp_scope_endp))) qmp_scope *scope = NULL;
    int r = qmp_client_listener(client, names, &listener, &scope);
    if (r < 0)
        return r;

    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *event = NULL;
    r = qmp_client_execute(client, "stop", NULL, SOON, NULL, NULL);
    return r < 0 ? r : qmp_listener_get(listener, SOON, &event);
}
/* [cleanup] end */

static void cleanup(qmp_client *client)
{
    must(wait_for_stop(client), "wait for stop");
    printf("stopped\n");
}

/* [accept] */
/* The older events of block jobs name their job in `device`, the newer ones in `id`. */
static bool accept_job(qmp_listener *listener, const qmp_message *event, void *userdata)
{
    const struct job *job = userdata;
    if (!qmp_listener_accepts(listener, event))
        return false;

    const char *name = qmp_event_name(event);
    bool new_style = strcmp(name, "JOB_STATUS_CHANGE") == 0 || strcmp(name, "BLOCK_JOB_PENDING") == 0;
    return qmp_value_equals(qmp_value_member(qmp_event_data(event), new_style ? "id" : "device"), job->id);
}

/* A listener for everything that QEMU says about one job; `job` must outlive it. */
static int job_listener_new(qmp_listener **ret, struct job *job)
{
    const char *names[] = {"BLOCK_JOB_CANCELLED", "BLOCK_JOB_COMPLETED", "BLOCK_JOB_ERROR", "BLOCK_JOB_PENDING",
        "BLOCK_JOB_READY", "JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    int r = qmp_listener_new(&listener, names);
    if (r < 0)
        return r;
    qmp_listener_set_accept(listener, accept_job, job);
    *ret = listener;
    return 0;
}
/* [accept] end */

static void specialised(qmp_client *client)
{
    /* [accept-use] */
    struct job job5 = {"job5"};
    qmp_listener *listener;
    qmp_scope *scope;
    must(job_listener_new(&listener, &job5), "new");
    must(qmp_client_listen(client, &listener, 1, &scope), "listen");

    backup(client, "job5", "dst1");
    backup(client, "job6", "dst2"); /* side by side, and not heard */

    for (bool completed = false; !completed;) {
        qmp_message *event;
        must(qmp_listener_get(listener, SOON, &event), "get");
        printf("%s\n", qmp_event_name(event));
        completed = strcmp(qmp_event_name(event), "BLOCK_JOB_COMPLETED") == 0;
        qmp_message_unref(event);
    }
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
    /* [accept-use] end */
}

static void limits(qmp_client *client)
{
    qmp_listener *listener;
    qmp_scope *scope;
    must(qmp_client_listener(client, NULL, &listener, &scope), "listener");

    /* [limits] */
    qmp_listener_set_limits(listener, /* queue_max= */ 1, /* history_max= */ 0);

    execute(client, "stop");
    execute(client, "cont");

    qmp_message *event;
    int r = qmp_listener_get(listener, SOON, &event);
    if (r == -ENOBUFS) {
        printf("%" PRIu64 " lost\n", qmp_listener_dropped(listener));
        r = qmp_listener_get(listener, SOON, &event);
    }
    must(r, "get");
    printf("still there: %s\n", qmp_event_name(event));
    qmp_message_unref(event);
    /* [limits] end */
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
}

static void ending(qmp_client *client)
{
    /* [ending] */
    qmp_listener *events = qmp_client_events(client);
    must(qmp_client_execute_async(client, "quit", NULL, NULL, NULL, NULL), "quit");

    qmp_message *event;
    int r;
    while ((r = qmp_listener_get(events, SOON, &event)) >= 0) {
        printf("%s\n", qmp_event_name(event));
        qmp_message_unref(event);
    }
    if (r == -ENOTCONN)
        printf("the end: %s\n", qmp_client_failure(client));
    /* [ending] end */
    if (r != -ENOTCONN)
        must(r, "get");
}

static const struct section {
    const char *name;
    void (*run)(qmp_client *client);
} sections[] = {
    {"one name", one_name},
    {"several names", several_names},
    {"no names", no_names},
    {"iterating", iterate},
    {"iterating for a while", iterate_for_a_while},
    {"a concurrent consumer", concurrent_consumer},
    {"a handler", handler},
    {"a descriptor", descriptor},
    {"register and remove", register_and_remove},
    {"the default listener", default_listener},
    {"several listeners", several_listeners},
    {"clearing", clear},
    {"history", history},
    {"a filter", filter},
    {"a filter with a parameter", filter_with_parameter},
    {"a match", match},
    {"activating one listener", listen_one},
    {"activating many listeners", listen_many},
    {"cleaning up", cleanup},
    {"a specialised listener", specialised},
    {"limits", limits},
    {"the end", ending},
};

static void start_machine(const char *address)
{
    qmp_client *client;
    must(qmp_connect(&client, address, SOON), address);
    execute(client, "cont");
    qmp_client_unref(client);
}

/* Each section starts with a running machine, and on a connection that has not heard how it came to run. */
static void run(const struct section *section, const char *address)
{
    start_machine(address);

    printf("-- %s\n", section->name);
    /* [connect] */
    qmp_client *client;
    must(qmp_connect(&client, address, SOON), address);
    /* [connect] end */
    section->run(client);
    qmp_client_unref(client);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tutorial SOCKET\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        run(&sections[i], argv[1]);
    return 0;
}
