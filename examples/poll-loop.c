/* SPDX-License-Identifier: MIT */
/* A poll(2) loop over standard input and a QEMU: a small monitor that blocks on nothing.
 *
 * Each line of input is a command with optional arguments; events and replies are printed as they come. It shows all
 * that an event loop needs from a client: a descriptor, what to poll it for, until when, and process(). Any other loop
 * is driven the same way.
 *
 *     qemu-system-x86_64 -machine none -display none -qmp unix:/tmp/vm.qmp,server=on,wait=off &
 *     cc poll-loop.c -o poll-loop $(pkg-config --cflags --libs libqmpclient)
 *     ./poll-loop /tmp/vm.qmp
 *     stop
 *     query-status
 *     qom-list {"path": "/"}
 *     ^D */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <qmp/qmp.h>

struct monitor {
    qmp_client *client;
    char line[4096];
    size_t line_size;
    bool input_ended;
    unsigned n_pending; /* commands that wait for their replies */
};

static void on_event(qmp_listener *listener, qmp_message *event, void *userdata)
{
    (void)listener, (void)userdata;
    printf("event: %s\n", qmp_event_name(event));
}

static void on_reply(qmp_pending *pending, int error, qmp_message *reply, void *userdata)
{
    struct monitor *monitor = userdata;
    (void)pending;

    if (error == -EREMOTEIO)
        printf("error: %s\n", qmp_reply_error_desc(reply));
    else if (error < 0)
        printf("failed: %s\n", qmp_strerror(error));
    else
        printf("reply: %.*s\n", (int)qmp_reply_value(reply).size, qmp_reply_value(reply).text);
    monitor->n_pending--;
}

/* "command" or "command {arguments}" */
static void execute_line(struct monitor *monitor, char *line)
{
    char *arguments = strchr(line, ' ');
    if (arguments)
        *arguments++ = '\0';
    if (!*line)
        return;

    int r = qmp_client_execute_async(monitor->client, line, arguments, on_reply, monitor, /* ret= */ NULL);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", line, qmp_strerror(r));
    else
        monitor->n_pending++;
}

static void read_input(struct monitor *monitor)
{
    size_t room = sizeof monitor->line - 1 - monitor->line_size;
    ssize_t n = room > 0 ? read(STDIN_FILENO, monitor->line + monitor->line_size, room) : -1;
    if (n <= 0) { /* the end, perhaps of a last line; else an error, or a line that is too long */
        monitor->line[monitor->line_size] = '\0';
        if (n == 0)
            execute_line(monitor, monitor->line);
        monitor->input_ended = true;
        return;
    }
    monitor->line_size += (size_t)n;

    char *end, *line = monitor->line;
    while ((end = memchr(line, '\n', monitor->line_size))) {
        *end++ = '\0';
        monitor->line_size -= (size_t)(end - line);
        execute_line(monitor, line);
        line = end;
    }
    memmove(monitor->line, line, monitor->line_size);
}

/* A deadline of CLOCK_MONOTONIC as poll(2) wants it: milliseconds from now, rounded up, -1 for ever. */
static int milliseconds_until(uint64_t deadline)
{
    if (deadline == QMP_FOREVER)
        return -1;

    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t usec = (uint64_t)now.tv_sec * QMP_SECOND + (uint64_t)now.tv_nsec / 1000;
    if (deadline <= usec)
        return 0;
    uint64_t msec = (deadline - usec + QMP_MILLISECOND - 1) / QMP_MILLISECOND;
    return msec < INT_MAX ? (int)msec : INT_MAX;
}

static int loop(struct monitor *monitor)
{
    while (!monitor->input_ended || monitor->n_pending > 0) {
        int r;
        while ((r = qmp_client_process(monitor->client)) > 0)
            ; /* until there is nothing left to do */
        fflush(stdout);
        if (monitor->input_ended && monitor->n_pending == 0)
            return 0;
        if (r < 0)
            return r;

        uint64_t deadline;
        r = qmp_client_get_deadline(monitor->client, &deadline);
        if (r < 0)
            return r;
        struct pollfd fds[] = {
            {.fd = qmp_client_get_fd(monitor->client), .events = (short)qmp_client_get_events(monitor->client)},
            {.fd = monitor->input_ended ? -1 : STDIN_FILENO, .events = POLLIN},
        };
        if (poll(fds, 2, milliseconds_until(deadline)) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents)
            read_input(monitor);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: poll-loop SOCKET\n");
        return 2;
    }

    struct monitor monitor = {.client = NULL};
    int r = qmp_client_new(&monitor.client);
    if (r < 0) {
        fprintf(stderr, "poll-loop: %s\n", qmp_strerror(r));
        return 1;
    }
    qmp_listener_set_handler(qmp_client_events(monitor.client), on_event, /* userdata= */ NULL);

    r = qmp_client_connect(monitor.client, argv[1]);
    if (r >= 0)
        r = qmp_client_wait_running(monitor.client, 5 * QMP_SECOND);
    if (r >= 0)
        r = loop(&monitor);
    if (r < 0)
        fprintf(stderr, "poll-loop: %s\n", qmp_client_failure(monitor.client));
    qmp_client_unref(monitor.client);
    return r < 0 ? 1 : 0;
}
