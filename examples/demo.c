/* SPDX-License-Identifier: MIT */
/* The main story in four scenes: connect; hear a machine stop and go on; follow a backup job from its creation to its
 * end, with a progress bar; read the history of it all.
 *
 * `make demo` runs this through scripts/demo, which starts a QEMU with a disk for it (the block nodes `disk` and
 * `copy`). Before each step it prints the call that does it, and then what came over the wire, byte for byte. It is
 * plain text in a pipe; on a terminal it has colours (unless $NO_COLOR is set) and a bar that moves.
 *
 *     cc demo.c -o demo $(pkg-config --cflags --libs libqmpclient)
 *     ./demo SOCKET [BYTES-PER-SECOND] */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qmp/qmp.h>

#define SOON (10 * QMP_SECOND)
#define JOB "nightly"
#define BAR_WIDTH 40
#define MEBIBYTE 1048576.0

struct demo {
    qmp_client *client;
    const char *speed; /* of the backup, bytes a second */
    bool terminal;
    const char *bold, *blue, *green, *plain; /* escape sequences, or "" */
    int64_t total;                           /* the length of the job, once it is known */
    int quarter;                             /* how far the progress has been printed, where no bar moves */
};

static void scene(const struct demo *demo, const char *title)
{
    printf("\n%s%s%s\n\n", demo->bold, title, demo->plain);
}

/* The C that does the next step. */
static void show_call(const struct demo *demo, const char *call)
{
    printf("    %s%s%s\n", demo->blue, call, demo->plain);
}

/* A message as it came. */
static void show_message(const struct demo *demo, const qmp_message *message)
{
    qmp_value root = qmp_message_root(message);
    printf("  < %s%.*s%s\n", demo->green, (int)root.size, root.text, demo->plain);
}

static int fail(const struct demo *demo, const char *what, int r)
{
    const char *why = demo->client ? qmp_client_failure(demo->client) : "";
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", what, *why ? why : qmp_strerror(r));
    return r;
}

/* Executes a command, shows it and what QEMU answers. */
static int execute(const struct demo *demo, const char *command, const char *arguments)
{
    qmp_message *reply = NULL, *error = NULL;
    int r = qmp_client_execute(demo->client, command, arguments, SOON, &reply, &error);
    if (r == 0)
        show_message(demo, reply);
    else if (r == -EREMOTEIO)
        show_message(demo, error);
    qmp_message_unref(reply);
    qmp_message_unref(error);
    return r < 0 ? fail(demo, command, r) : 0;
}

static int get_and_show(const struct demo *demo, qmp_listener *listener)
{
    qmp_message *event;
    int r = qmp_listener_get(listener, SOON, &event);
    if (r < 0)
        return fail(demo, "waiting for an event", r);
    show_message(demo, event);
    qmp_message_unref(event);
    return 0;
}

static int connect_to_qemu(struct demo *demo, const char *socket)
{
    scene(demo, "1. Connect: greeting and negotiation in one call");
    show_call(demo, "qmp_connect(&client, socket, 10 * QMP_SECOND);");
    int r = qmp_connect(&demo->client, socket, SOON);
    if (r < 0)
        return fail(demo, socket, r);

    qmp_message *greeting;
    r = qmp_client_greeting(demo->client, &greeting);
    if (r < 0)
        return fail(demo, "greeting", r);
    show_message(demo, greeting);
    qmp_message_unref(greeting);
    return 0;
}

static int stop_and_continue(const struct demo *demo, qmp_listener *listener)
{
    static const char *const commands[] = {"stop", "cont"};
    for (size_t i = 0; i < 2; i++) {
        char call[80];
        snprintf(call, sizeof call, "qmp_client_execute(client, \"%s\", NULL, SOON, NULL, NULL);", commands[i]);
        show_call(demo, call);
        int r = execute(demo, commands[i], NULL);
        if (r < 0)
            return r;
        show_call(demo, "qmp_listener_get(listener, SOON, &event);");
        r = get_and_show(demo, listener);
        if (r < 0)
            return r;
    }
    return 0;
}

static int hear_stop_and_resume(const struct demo *demo)
{
    scene(demo, "2. A listener: hear the machine stop and go on");
    show_call(demo, "const char *names[] = {\"STOP\", \"RESUME\", NULL};");
    show_call(demo, "qmp_client_listener(client, names, &listener, &scope);");

    const char *names[] = {"STOP", "RESUME", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    int r = qmp_client_listener(demo->client, names, &listener, &scope);
    if (r < 0)
        return fail(demo, "listener", r);

    r = stop_and_continue(demo, listener);
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
    return r;
}

static void draw_progress(struct demo *demo, int64_t done)
{
    if (demo->total <= 0)
        return;
    double part = (double)done / (double)demo->total;
    if (demo->terminal) {
        int filled = (int)(part * BAR_WIDTH);
        printf("\r    [%s", demo->green);
        for (int i = 0; i < BAR_WIDTH; i++)
            putchar(i < filled ? '#' : '.');
        printf("%s] %3.0f %%  %.0f of %.0f MiB ", demo->plain, 100 * part, (double)done / MEBIBYTE,
            (double)demo->total / MEBIBYTE);
    } else if ((int)(part * 4) > demo->quarter) {
        demo->quarter = (int)(part * 4);
        printf("    %d %%\n", 25 * demo->quarter);
    }
    fflush(stdout);
}

/* An event is printed over the bar, which is drawn anew below it. */
static void clear_progress(const struct demo *demo)
{
    if (demo->terminal)
        printf("\r\033[K");
}

/* Asks QEMU how far its jobs are. */
static int poll_progress(struct demo *demo)
{
    qmp_message *reply;
    int r = qmp_client_execute(demo->client, "query-jobs", NULL, SOON, &reply, /* reterr_reply= */ NULL);
    if (r < 0)
        return fail(demo, "query-jobs", r);

    qmp_value job = {NULL, 0};
    while (qmp_value_next(qmp_reply_value(reply), /* key= */ NULL, &job)) {
        int64_t done;
        if (qmp_value_equals(qmp_value_member(job, "id"), JOB) &&
            qmp_value_int64(qmp_value_member(job, "current-progress"), &done) == 0 &&
            qmp_value_int64(qmp_value_member(job, "total-progress"), &demo->total) == 0)
            draw_progress(demo, done);
    }
    qmp_message_unref(reply);
    return 0;
}

/* Until the job is concluded; between its events, how far it is. */
static int follow_job(struct demo *demo, qmp_listener *listener)
{
    for (;;) {
        qmp_message *event;
        int r = qmp_listener_get(listener, QMP_SECOND / 20, &event);
        if (r == -ETIMEDOUT)
            r = poll_progress(demo);
        else if (r < 0)
            return fail(demo, "waiting for the job", r);
        else {
            clear_progress(demo);
            show_message(demo, event);
            bool concluded = qmp_value_equals(qmp_value_member(qmp_event_data(event), "status"), "concluded");
            qmp_message_unref(event);
            if (concluded)
                return 0;
        }
        if (r < 0)
            return r;
    }
}

static int run_backup(struct demo *demo, qmp_listener *listener)
{
    int r = qmp_listener_add_match(listener, "data.id", JOB);
    if (r < 0)
        return fail(demo, "match", r);

    char *arguments = qmp_json("{'job-id': %s, 'device': 'disk', 'target': 'copy', 'sync': 'full', 'speed': %lld}", JOB,
        strtoll(demo->speed, NULL, 10));
    if (!arguments)
        return fail(demo, "arguments", -errno);
    printf("  > blockdev-backup %s\n", arguments);
    r = execute(demo, "blockdev-backup", arguments);
    free(arguments);
    if (r < 0)
        return r;

    show_call(demo, "while ((r = qmp_listener_get(listener, SOON, &event)) >= 0) ...");
    r = follow_job(demo, listener);
    if (r < 0)
        return r;
    draw_progress(demo, demo->total);
    if (demo->terminal)
        putchar('\n');
    return 0;
}

static int back_up(struct demo *demo)
{
    scene(demo, "3. A job: copy the disk, and follow the job to its end");
    show_call(demo, "const char *names[] = {\"JOB_STATUS_CHANGE\", NULL};");
    show_call(demo, "qmp_client_listener(client, names, &listener, &scope);");
    show_call(demo, "qmp_listener_add_match(listener, \"data.id\", \"" JOB "\");");
    show_call(demo, "qmp_client_execute(client, \"blockdev-backup\", arguments, SOON, NULL, NULL);");

    const char *names[] = {"JOB_STATUS_CHANGE", NULL};
    qmp_listener *listener;
    qmp_scope *scope;
    int r = qmp_client_listener(demo->client, names, &listener, &scope);
    if (r < 0)
        return fail(demo, "listener", r);

    r = run_backup(demo, listener);
    qmp_scope_end(scope);
    qmp_listener_unref(listener);
    return r;
}

static void print_history(qmp_message *const *history, size_t n)
{
    int64_t first = 0, usec;
    for (size_t i = 0; i < n; i++) {
        if (qmp_event_timestamp(history[i], &usec) < 0)
            continue;
        if (first == 0)
            first = usec;
        qmp_value status = qmp_value_member(qmp_event_data(history[i]), "status");
        printf("    %8.3f s  %s", (double)(usec - first) / 1e6, qmp_event_name(history[i]));
        if (status.text)
            printf(" %.*s", (int)status.size, status.text);
        putchar('\n');
    }
}

static int tell_history(const struct demo *demo)
{
    scene(demo, "4. The history: the default listener heard it all, though nobody read it");
    show_call(demo, "qmp_listener_history(qmp_client_events(client), &history, &n);");

    qmp_message **history;
    size_t n;
    int r = qmp_listener_history(qmp_client_events(demo->client), &history, &n);
    if (r < 0)
        return fail(demo, "history", r);
    print_history(history, n);
    qmp_message_unref_many(history, n);
    return 0;
}

/* Tells QEMU to quit, and reads to the end of the connection. */
static int quit(const struct demo *demo)
{
    qmp_listener *events = qmp_client_events(demo->client);
    int r = qmp_client_execute_async(demo->client, "quit", NULL, /* callback= */ NULL, /* userdata= */ NULL, NULL);
    if (r < 0)
        return fail(demo, "quit", r);

    qmp_message *event;
    while ((r = qmp_listener_get(events, SOON, &event)) >= 0)
        qmp_message_unref(event);
    return r == -ENOTCONN ? 0 : fail(demo, "quit", r);
}

static int run(struct demo *demo, const char *socket)
{
    int r = connect_to_qemu(demo, socket);
    if (r >= 0)
        r = hear_stop_and_resume(demo);
    if (r >= 0)
        r = back_up(demo);
    if (r >= 0)
        r = tell_history(demo);
    if (r >= 0)
        r = quit(demo);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: demo SOCKET [BYTES-PER-SECOND]\n");
        return 2;
    }

    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(STDOUT_FILENO) && (!term || strcmp(term, "dumb") != 0);
    bool colours = terminal && (!no_color || !*no_color);
    struct demo demo = {
        .speed = argc == 3 ? argv[2] : "16777216",
        .terminal = terminal,
        .bold = colours ? "\033[1m" : "",
        .blue = colours ? "\033[34m" : "",
        .green = colours ? "\033[32m" : "",
        .plain = colours ? "\033[0m" : "",
    };
    int r = run(&demo, argv[1]);
    qmp_client_unref(demo.client);
    return r < 0 ? 1 : 0;
}
