/* SPDX-License-Identifier: MIT */
/* Plays scenarios with one fault after the other: a kind of fault at the first call, at the second one … until there
 * is no such call any more.
 *
 * Whatever failed: each function said what its header lets it say, each command completed exactly once, the client and
 * its listener work, after connecting again where the connection has ended; and then memory, descriptors, threads and
 * children are what they were.
 *
 * It refuses to know what a scenario does. */

#include "world.h"

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Faults that a call may have. Those that end an endless repetition come once, or every second time; those that the
 * system may have for ever come once, and from then on. */
static const struct {
    enum faults_call call;
    int passing[4], lasting[5];
} kinds[] = {
    {FAULTS_ALLOCATION, {0}, {ENOMEM}},
    {FAULTS_RECV, {FAULTS_SHORT, EINTR, EAGAIN}, {ECONNRESET, ENOMEM}},
    {FAULTS_SEND, {FAULTS_SHORT, EINTR, EAGAIN, ENOBUFS}, {EPIPE, ECONNRESET, ENOMEM}},
    {FAULTS_POLL, {EINTR}, {ENOMEM}},
    {FAULTS_EPOLL, {0}, {ENOMEM, EMFILE}},
    {FAULTS_CONNECT, {EINTR, EAGAIN}, {ECONNREFUSED, EACCES}},
    {FAULTS_ACCEPT, {EINTR, EAGAIN, ECONNABORTED}, {EMFILE, ENFILE, ENOMEM}},
    {FAULTS_READ, {FAULTS_SHORT, EINTR}, {EIO}},
    {FAULTS_WRITE, {EINTR}, {0}},
    {FAULTS_SOCKET, {0}, {EMFILE, ENFILE, ENOMEM}},
    {FAULTS_EVENTFD, {0}, {EMFILE, ENFILE, ENOMEM}},
    {FAULTS_DUPLICATE, {0}, {EMFILE}},
    {FAULTS_FCNTL, {0}, {ENOMEM}},
    {FAULTS_OPTION, {0}, {ENOMEM}},
    {FAULTS_NAME, {0}, {ENOMEM}},
    {FAULTS_LISTEN, {0}, {EADDRINUSE, EACCES, ENOMEM}},
    {FAULTS_OPEN, {EINTR}, {EMFILE, EACCES, ENOMEM}},
    {FAULTS_STAT, {0}, {EACCES, ENOMEM}},
    {FAULTS_CHANGE, {0}, {EACCES, ENOMEM}},
    {FAULTS_CLOSE, {EINTR}, {EIO}},
    {FAULTS_THREAD, {0}, {EAGAIN}},
    {FAULTS_SPAWN, {0}, {EAGAIN, ENOMEM}},
    {FAULTS_WAITPID, {EINTR}, {0}},
    {FAULTS_RESOLVE, {0}, {EMFILE, EAI_MEMORY, EAI_AGAIN, EAI_NONAME}},
    {FAULTS_RANDOM, {0}, {EIO}},
    {FAULTS_LOAD, {0}, {ENOENT}},
};

static const struct {
    const char *function;
    int errors[40];
} documented[] = {
#include "documented.inc"
};

/* Every position of everything, not only of allocations. */
static bool thorough;

/* ---- for scenarios ---- */

void wrong(struct world *w, const char *format, ...)
{
    va_list args;

    if (w->wrong[0] != '\0') {
        return;
    }
    va_start(args, format);
    vsnprintf(w->wrong, sizeof(w->wrong), format, args);
    va_end(args);
}

int did(struct world *w, const char *function, int r)
{
    size_t i = 0;

    if (r >= 0) {
        return r;
    }
    while (i < sizeof(documented) / sizeof(documented[0]) && strcmp(documented[i].function, function) != 0) {
        i++;
    }
    if (i == sizeof(documented) / sizeof(documented[0])) {
        wrong(w, "%s() is in no header", function);
        return r;
    }
    for (const int *error = documented[i].errors; *error != 0; error++) {
        if (*error == -r || *error == -1) {
            return r;
        }
    }
    wrong(w, "%s() says %s, which its header does not list", function, strerrorname_np(-r));
    return r;
}

void world_record(qmp_pending *p, int error, qmp_message *reply, void *outcome)
{
    struct outcome *o = outcome;

    (void)p;
    (void)reply;
    o->calls++;
    o->error = error;
}

int world_submit(struct world *w, unsigned i, const char *command, qmp_pending **ret)
{
    struct outcome *o = &w->outcomes[i];

    o->submitted = DID(w, qmp_client_execute_async, w->client, command, NULL, world_record, o, ret);
    return o->submitted;
}

int world_connect(struct world *w)
{
    int r = DID(w, qmp_client_new, &w->client);

    if (r >= 0) {
        r = DID(w, qmp_client_connect, w->client, w->address);
    }
    return r < 0 ? r : DID(w, qmp_client_wait_running, w->client, CHECK_WAIT);
}

/* ---- what is asked afterwards ---- */

static size_t drain(qmp_listener *l)
{
    qmp_message *event = NULL;
    size_t n = 0;
    int r;

    while ((r = qmp_listener_get(l, 0, &event)) != -EAGAIN) {
        n += r >= 0;
        event = qmp_message_unref(event);
        if (r == -ENOTCONN && qmp_listener_get(l, 0, &event) == -ENOTCONN) {
            break; /* not registered, or not connected */
        }
        n += event != NULL;
        event = qmp_message_unref(event);
    }
    return n;
}

/* A round trip, with events. */
static int try(struct world *w, bool agent)
{
    qmp_message *reply = NULL;
    int r;

    drain(qmp_client_events(w->client));
    if (w->listener) {
        drain(w->listener);
    }
    r = qmp_client_execute(w->client, agent ? "guest-ping" : "emit", NULL, CHECK_WAIT, &reply, NULL);
    qmp_message_unref(reply);
    return r;
}

static void check_works(struct world *w, bool agent)
{
    int r;

    if (!w->client) {
        assert_ok(qmp_client_new(&w->client));
        assert_ok(qmp_client_set_dialect(w->client, agent ? QMP_DIALECT_AGENT : QMP_DIALECT_MONITOR));
    }
    r = qmp_client_runstate(w->client) == QMP_IDLE ? -ENOTCONN : qmp_client_wait_running(w->client, CHECK_WAIT);
    if (r == -ETIMEDOUT && qmp_client_runstate(w->client) == QMP_CONNECTING) {
        fail_msg("it is connecting for ever");
    }
    r = r < 0 ? r : try(w, agent);
    if (r < 0) {
        /* The connection had ended; one that waits to connect again is told to leave that. */
        qmp_client_disconnect(w->client);
        assert_int_equal(qmp_client_runstate(w->client), QMP_IDLE);
        qmp_client_set_connect_timeout(w->client, CHECK_WAIT);
        assert_ok(qmp_client_connect(w->client, w->address));
        assert_ok(qmp_client_wait_running(w->client, CHECK_WAIT));
        assert_ok(try(w, agent));
    }
    if (agent) {
        return;
    }
    assert_int_equal(drain(qmp_client_events(w->client)), 3);
    if (w->listener) {
        r = qmp_client_register_listener(w->client, w->listener);
        assert_true(r == 0 || r == -EEXIST);
        if (r == 0) {
            assert_ok(try(w, agent));
        }
        assert_int_equal(drain(w->listener), 3);
    }
}

static void check_outcomes(struct world *w)
{
    for (unsigned i = 0; i < WORLD_OUTCOMES; i++) {
        const struct outcome *o = &w->outcomes[i];

        if (o->calls != (o->submitted >= 0 && o->submitted != 1 ? 1u : 0u)) {
            fail_msg("command %u completed %u times; submitting it said %d", i, o->calls, o->submitted);
        }
    }
}

/* A thread that was told to end, or has ended, may be there for a moment. */
static void check_count(const char *what, size_t (*count)(void), size_t before)
{
    uint64_t deadline = check_deadline(CHECK_WAIT);

    while (count() != before) {
        if (check_now() >= deadline) {
            fail_msg("%zu %s before, %zu afterwards", before, what, count());
        }
        poll(NULL, 0, 1);
    }
}

static size_t count_heap(void)
{
    return (size_t)faults_heap();
}

/* ---- playing ---- */

static struct world world_new(const struct world *like, const struct scenario *s)
{
    struct world w = *like;

    w.address = s->agent ? w.agent_path : w.path;
    for (unsigned i = 0; i < WORLD_OUTCOMES; i++) {
        w.outcomes[i].submitted = 1;
    }
    return w;
}

/* Returns how often a call failed. */
static unsigned long play(const struct world *like, const struct scenario *s, const struct faults_plan *plan)
{
    size_t heap = count_heap(), fds = check_count_fds(), threads = check_count_threads();
    struct world w = world_new(like, s);
    unsigned long failed;

    faults_begin(plan);
    s->run(&w);
    failed = faults_end();
    if (w.wrong[0] != '\0') {
        fail_msg("%s", w.wrong);
    }
    check_works(&w, s->agent);
    qmp_client_unref(w.client);
    qmp_listener_unref(w.listener);
    check_outcomes(&w);
    assert_true(server_settle(w.server) && server_settle(w.agent));
    check_count("threads", check_count_threads, threads);
    check_count("allocations", count_heap, heap);
    check_count("descriptors", check_count_fds, fds);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    unlink(w.free_path);
    return failed;
}

/* What is being played, for whoever reads that it failed. */
static char playing[128];

/* What lasts is not tried again and again: more often than this, it is a loop. */
#define TRIES_MAX 10000ul

/* Positions of which there are many are visited one in so many, but the first ones. */
static unsigned long next_position(enum faults_call call, unsigned long position)
{
    if (thorough || call == FAULTS_ALLOCATION || position < 4) {
        return position + 1;
    }
    return position + 1 + position / 4;
}

static void play_all(
    const struct world *w, const struct scenario *s, enum faults_call call, int error, enum faults_mode mode)
{
    static const char *const modes[] = {"ONCE", "ON", "ALTERNATE"};
    struct faults_plan plan = {call, mode, error, 1};
    unsigned long failed;

    do {
        snprintf(playing, sizeof(playing), "%s:%s:%d:%lu", faults_call_name(call), modes[mode], error, plan.position);
        failed = play(w, s, &plan);
        assert_true(mode != FAULTS_ON || failed < TRIES_MAX);
        plan.position = next_position(call, plan.position);
    } while (failed > 0);
    playing[0] = '\0';
}

static void play_kinds(const struct world *w, const struct scenario *s, size_t kind)
{
    enum faults_call call = kinds[kind].call;

    for (size_t i = 0; i < 4 && kinds[kind].passing[i] != 0; i++) {
        play_all(w, s, call, kinds[kind].passing[i], FAULTS_ONCE);
        play_all(w, s, call, kinds[kind].passing[i], FAULTS_ALTERNATE);
    }
    for (size_t i = 0; i < 5 && kinds[kind].lasting[i] != 0; i++) {
        play_all(w, s, call, kinds[kind].lasting[i], FAULTS_ONCE);
        play_all(w, s, call, kinds[kind].lasting[i], FAULTS_ON);
    }
}

static struct world set_up(void)
{
    struct world w = {.path = check_path("server"), .agent_path = check_path("agent")};
    char keys[200];
    FILE *f;

    w.free_path = check_path("free");
    w.folder = check_path("keys");
    assert_int_equal(mkdir(w.folder, 0700), 0);
    snprintf(keys, sizeof(keys), "%s/keys.psk", w.folder);
    f = fopen(keys, "w");
    assert_non_null(f);
    fputs("# of the scenarios\nqemu:00112233445566778899aabbccddeeff\n", f);
    assert_int_equal(fclose(f), 0);
    w.server = server_new(w.path, /* agent= */ false);
    w.agent = server_new(w.agent_path, /* agent= */ true);
    return w;
}

static void run(void *scenario)
{
    struct world w = set_up();

    /* What the library keeps for the life of the process is there after the first time. */
    assert_int_equal(play(&w, scenario, NULL), 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        play_kinds(&w, scenario, i);
    }
    server_free(w.server);
    server_free(w.agent);
}

static void say_what_failed(void *scenario)
{
    const struct scenario *s = scenario;

    faults_end();
    if (playing[0] != '\0') {
        print_error("%s failed with the fault %s\n", s->name, playing);
    }
    playing[0] = '\0';
}

/* Of the watchdog, when a scenario hangs. */
static void on_abort(int number)
{
    ssize_t n = write(STDERR_FILENO, playing, strlen(playing));

    (void)number;
    (void)n;
}

int world_main(int argc, char **argv, const struct scenario *scenarios, size_t n)
{
    struct check_test *tests = calloc(n, sizeof(*tests));
    int status;

    if (!tests) {
        return EXIT_FAILURE;
    }
    thorough = getenv("FAULTS_ALL") != NULL;
    signal(SIGABRT, on_abort);
    for (size_t i = 0; i < n; i++) {
        tests[i] =
            (struct check_test){scenarios[i].name, NULL, run, NULL, say_what_failed, (void *)(uintptr_t)&scenarios[i]};
    }
    status = check_main(argc, argv, tests, n);
    free(tests);
    return status;
}
