/* SPDX-License-Identifier: MIT */
/* A server that dies again and again, and keeps the books.
 *
 * It ends a connection after a number of commands, and as soon as so many of them wait for ever that the rest would,
 * too. It sends no more, then reads until the client has closed: so what it wrote must have been read, unless the
 * client closed by itself. That is known from outside: whoever makes the client do so says it before and after.
 *
 * It refuses to be a scripted peer: what it checks is left to the test. */

#include "server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

#define GREETING                                                                                                       \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, "             \
    "\"capabilities\": []}}\r\n"
#define COMMANDS_MIN 20u
#define COMMANDS_SPREAD 150u
#define MUTES_MAX 4u
#define EVENTS_SPREAD 3u
#define LINE_MAX_SIZE 4096u

struct server {
    pthread_t thread;
    int listener;
    const char *path;
    uint64_t random, events;
    unsigned cuts;  /* atomic: beginnings and ends */
    unsigned count; /* atomic */
    struct server_connection connections[SERVER_CONNECTIONS_MAX];
};

static unsigned below(struct server *s, unsigned n)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (unsigned)((s->random >> 16) % n);
}

/* What follows a key, up to the quote that ends it: a name, or an id. */
static void copy_member(const char *line, const char *key, char *ret, size_t size)
{
    const char *at = strstr(line, key), *begin = at ? strchr(at + strlen(key), '"') : NULL;
    const char *end = begin ? strchr(begin + 1, '"') : NULL;

    ret[0] = '\0';
    if (end && (size_t)(end - begin - 1) < size) {
        memcpy(ret, begin + 1, (size_t)(end - begin - 1));
        ret[end - begin - 1] = '\0';
    }
}

static void answer(struct server *s, FILE *out, uint64_t first, const char *line, bool *ret_mute, bool *ret_quit)
{
    char name[64], id[64];

    copy_member(line, "\"execute\":", name, sizeof(name));
    copy_member(line, "\"id\":", id, sizeof(id));
    *ret_mute = strncmp(name, "mute", 4) == 0;
    *ret_quit = strcmp(name, "quit") == 0;
    if (strcmp(name, "qmp_capabilities") != 0 && s->events + EVENTS_SPREAD < SERVER_EVENTS_MAX) {
        for (unsigned n = below(s, EVENTS_SPREAD); n > 0; n--)
            fprintf(out,
                "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"E\", \"data\": {\"n\": %llu}}\r\n",
                (unsigned long long)++s->events);
    }
    if (!*ret_mute)
        fprintf(out, "{\"return\": {\"name\": \"%s\", \"n\": %llu}, \"id\": \"%s\"}\r\n", name,
            (unsigned long long)(s->events < first ? 0 : s->events), id);
    fflush(out);
}

/* Returns whether there is to be another connection. */
static bool serve(struct server *s, int fd)
{
    unsigned left = COMMANDS_MIN + below(s, COMMANDS_SPREAD), mutes = 0;
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    bool mute = false, quit = false;
    uint64_t first = s->events + 1;
    char line[LINE_MAX_SIZE];

    if (!in || !out)
        abort();
    fputs(GREETING, out);
    fflush(out);
    while (left > 0 && mutes < MUTES_MAX && !quit && fgets(line, sizeof(line), in)) {
        answer(s, out, first, line, &mute, &quit);
        mutes += mute;
        left--;
    }
    fclose(out);
    shutdown(fd, SHUT_WR);
    while (!quit && fgets(line, sizeof(line), in))
        continue;
    fclose(in);
    return !quit;
}

static void *work(void *server)
{
    struct server *s = server;
    bool more = true;
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    while (more) {
        unsigned n = __atomic_load_n(&s->count, __ATOMIC_RELAXED), cuts;
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0 || n == SERVER_CONNECTIONS_MAX)
            abort();
        cuts = __atomic_load_n(&s->cuts, __ATOMIC_SEQ_CST);
        s->connections[n].first = s->events + 1;
        more = serve(s, fd);
        s->connections[n].end = s->events + 1;
        s->connections[n].cut = cuts % 2 != 0 || __atomic_load_n(&s->cuts, __ATOMIC_SEQ_CST) != cuts;
        __atomic_store_n(&s->count, n + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

struct server *server_start(const char *path, uint64_t seed)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct server *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    assert_true(strlen(path) < sizeof(address.sun_path));
    s->path = path;
    strcpy(address.sun_path, path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, work, s), 0);
    return s;
}

void server_cut_begin(struct server *s)
{
    __atomic_fetch_add(&s->cuts, 1, __ATOMIC_SEQ_CST);
}

void server_cut_end(struct server *s)
{
    server_cut_begin(s);
}

unsigned server_count(struct server *s)
{
    return __atomic_load_n(&s->count, __ATOMIC_ACQUIRE);
}

const struct server_connection *server_join(struct server *s, size_t *ret_n)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    unlink(s->path);
    *ret_n = s->count;
    return s->connections;
}

void server_free(struct server *s)
{
    free(s);
}
