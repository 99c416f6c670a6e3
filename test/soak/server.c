/* SPDX-License-Identifier: MIT */
/* A QMP server for the soak test: it writes as fast as its client reads, and hangs up.
 *
 * Invariant: it never closes before all that it owes is written, and reads whatever came before it closes, so that what
 * it wrote is not lost in a reset. It refuses to know the library. */

#include "server.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_SIZE 1024

struct server {
    pthread_t thread;
    int listener;
};

static bool say(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

static bool flood(int fd)
{
    for (unsigned i = 0; i < SERVER_FLOOD; i++) {
        char event[160];
        int n = snprintf(event, sizeof(event),
            "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": %u}, \"event\": \"%s\", \"data\": {\"n\": "
            "%u}}\r\n",
            i, i % 2 ? "ODD" : "EVEN", i);

        if (!say(fd, event, (size_t)n))
            return false;
    }
    return true;
}

/* Returns whether the connection goes on. */
static bool answer(int fd, char *command)
{
    char reply[LINE_MAX_SIZE], *id = strstr(command, "\"id\":\"");
    bool flooding = strstr(command, "\"flood\"") != NULL;

    if (!id)
        return false;
    if (strstr(command, "\"late\""))
        return true;
    id += strlen("\"id\":\"");
    id[strcspn(id, "\"")] = '\0';
    int n = snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": \"%s\"}\r\n", id);
    return (!flooding || flood(fd)) && say(fd, reply, (size_t)n) && !flooding;
}

static void serve(int fd)
{
    static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 1}, "
                                   "\"package\": \"\"}, \"capabilities\": []}}\r\n";
    char line[LINE_MAX_SIZE];
    size_t n = 0;
    bool goes_on = say(fd, greeting, sizeof(greeting) - 1);

    while (goes_on && n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1) {
        if (line[n++] != '\n')
            continue;
        line[n] = '\0';
        goes_on = answer(fd, line);
        n = 0;
    }
    shutdown(fd, SHUT_WR);
    while (recv(fd, line, sizeof(line), 0) > 0)
        continue;
    close(fd);
}

static void *work(void *argument)
{
    const struct server *s = argument;

    for (int fd; (fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        serve(fd);
    return NULL;
}

struct server *server_start(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct server *s = calloc(1, sizeof(*s));

    if (!s || strlen(path) >= sizeof(address.sun_path)) {
        free(s);
        return NULL;
    }
    strcpy(address.sun_path, path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(s->listener, 8) < 0 ||
        pthread_create(&s->thread, NULL, work, s) != 0) {
        close(s->listener);
        free(s);
        return NULL;
    }
    return s;
}

void server_stop(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    free(s);
}
