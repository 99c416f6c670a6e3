/* SPDX-License-Identifier: MIT */
/* Messages of 100 B to 64 MiB: what a byte costs, and how much memory one message takes while it comes.
 *
 * A process of its own sends; counted is the reader's processor time. What fits into the socket's buffer lies there
 * before the clock starts. Small events come as many at once as fit, so that a byte's share of the reads is that of a
 * busy connection; a reply comes alone, as replies do. The floor reads the same bytes, asking for as much at a time as
 * the library did. The text is an array of small objects, as QEMU's large replies are.
 *
 * The peak is what the kernel says this process occupied at most while one message came in and was held, against
 * before: the kernel counts in pages, so there is no row below 100 kB.
 *
 * It refuses to read the messages. */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "reads.h"
#include "wire.h"

/* Bytes that one write puts into a socket's buffer without waiting. */
#define FITS ((size_t)100000)
#define LARGEST QMP_MESSAGE_MAX
/* Of all messages of one size, about. */
#define VOLUME ((size_t)200 << 20)

enum kind { EVENTS, REPLY };
enum { FLOOR, OURS };

struct order {
    enum kind kind;
    unsigned connection;
    size_t size, n;
};

struct sender {
    pid_t pid;
    int control;
    int fds[2]; /* FLOOR, OURS */
};

struct task {
    struct order order;
    const struct sender *sender;
    qmp_client *c; /* NULL: the floor */
    const struct reads *reads;
};

static void check(const char *what, int r)
{
    if (r < 0)
        die(what, r);
}

/* ---- the texts ---- */

#define EVENT_HEAD "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"E\", \"data\": {\"a\": "
#define EVENT_TAIL "}}\r\n"
#define ELEMENT "{\"name\": \"drive-0001\", \"type\": \"str\", \"size\": 1073741824, \"ro\": false}, "

/* An array of exactly so many bytes. */
static char *array(char *p, size_t size)
{
    char *end = p + size - 1;

    *p++ = '[';
    while (end - p >= (ptrdiff_t)(sizeof(ELEMENT) - 1) + 2)
        p = mempcpy(p, ELEMENT, sizeof(ELEMENT) - 1);
    *p++ = '"';
    while (p < end - 1)
        *p++ = 'x';
    *p++ = '"';
    *p++ = ']';
    return p;
}

/* An event of exactly so many bytes, line end and all. */
static void event_text(char *text, size_t size)
{
    char *p = mempcpy(text, EVENT_HEAD, sizeof(EVENT_HEAD) - 1);

    p = array(p, size - (sizeof(EVENT_HEAD) - 1) - (sizeof(EVENT_TAIL) - 1));
    memcpy(p, EVENT_TAIL, sizeof(EVENT_TAIL) - 1);
}

#define TAIL_SIZE ((size_t)3)

/* A reply's value: what wire_answer() puts around it takes less than 64 bytes. */
static size_t value_size(size_t size)
{
    return size - 64;
}

/* ---- the sender ---- */

static void go_on(int fd, char *text, size_t size, size_t *ret_size)
{
    ssize_t n = recv(fd, text, size, 0);

    if (n <= 0)
        _exit(0);
    *ret_size = (size_t)n;
}

/* Makes the text when it is ordered, waits until it is wanted, and sends it. */
static void fulfil(int control, int fd, const struct order *o, char *value, char *text)
{
    char request[512], go;
    size_t size = o->size, n;

    if (o->kind == REPLY) {
        array(value, value_size(o->size));
        wire_write(control, "", 1);
        go_on(fd, request, sizeof(request), &n);
        n = wire_answer(request, n, value, value_size(o->size), text);
        /* Blanks before the last brace make the rest. */
        memset(text + n - TAIL_SIZE, ' ', size - n);
        memcpy(text + size - TAIL_SIZE, "}\r\n", TAIL_SIZE);
    } else {
        for (size_t i = 0; i < o->n; i++)
            event_text(text + i * o->size, o->size);
        wire_write(control, "", 1);
    }
    go_on(control, &go, 1, &n);
    wire_write(fd, text, o->n * size);
    wire_write(control, "", 1);
}

static _Noreturn void serve(int control, const int *fds)
{
    char *text = malloc(LARGEST + WIRE_ANSWER_EXTRA), *value = malloc(LARGEST);
    char negotiation[512];
    struct order o;
    ssize_t n;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!text || !value)
        die("malloc", -ENOMEM);
    wire_write(fds[OURS], GREETING, strlen(GREETING));
    n = recv(fds[OURS], negotiation, sizeof(negotiation), 0);
    if (n > 0)
        wire_write(fds[OURS], text, wire_answer(negotiation, (size_t)n, "{}", 2, text));
    while (recv(control, &o, sizeof(o), 0) == (ssize_t)sizeof(o))
        fulfil(control, fds[o.connection], &o, value, text);
    _exit(0);
}

static void sender_start(struct sender *s)
{
    int control[2], fds[2][2];

    wire_pair(control);
    wire_pair(fds[FLOOR]);
    wire_pair(fds[OURS]);
    s->pid = fork();
    check("fork", s->pid < 0 ? -errno : 0);
    if (s->pid == 0) {
        close(control[0]);
        serve(control[1], (const int[]){fds[FLOOR][1], fds[OURS][1]});
    }
    close(control[1]);
    close(fds[FLOOR][1]);
    close(fds[OURS][1]);
    s->control = control[0];
    s->fds[FLOOR] = fds[FLOOR][0];
    s->fds[OURS] = fds[OURS][0];
}

static void await(const struct sender *s)
{
    char c;

    if (recv(s->control, &c, 1, 0) != 1)
        die("the sender", -ECONNRESET);
}

/* ---- a round ---- */

static void request(struct task *t, qmp_pending **ret)
{
    if (t->order.kind != REPLY)
        return;
    if (!t->c) {
        wire_write(t->sender->fds[FLOOR], "{\"id\": 1}", 9);
        return;
    }
    check("qmp_client_execute_async", qmp_client_execute_async(t->c, "query-x", NULL, NULL, NULL, ret));
    while (qmp_client_process(t->c) > 0)
        continue;
}

static void take_events(struct task *t)
{
    for (size_t i = 0; i < t->order.n; i++) {
        qmp_message *event = NULL;

        check("qmp_listener_get", qmp_listener_get(qmp_client_events(t->c), QMP_FOREVER, &event));
        qmp_message_unref(event);
    }
}

static void take_reply(qmp_pending *p)
{
    qmp_message *message = NULL;

    check("qmp_pending_wait", qmp_pending_wait(p, QMP_FOREVER, &message, NULL));
    qmp_message_unref(message);
}

static double run(void *task)
{
    struct task *t = task;
    size_t total = t->order.size * t->order.n;
    bool fits = total <= FITS;
    qmp_pending *p = NULL;
    uint64_t taken;

    if (send(t->sender->control, &t->order, sizeof(t->order), MSG_NOSIGNAL) != (ssize_t)sizeof(t->order))
        die("send", -errno);
    await(t->sender);
    request(t, &p);
    wire_write(t->sender->control, "", 1);
    if (fits)
        await(t->sender);
    taken = cpu_ns();
    if (!t->c)
        reads_repeat(t->reads, t->sender->fds[FLOOR], total);
    else if (p)
        take_reply(p);
    else
        take_events(t);
    taken = cpu_ns() - taken;
    if (!fits)
        await(t->sender);
    qmp_pending_unref(p);
    return (double)taken / (double)total;
}

/* ---- memory ---- */

/* A line of what the kernel says about this process, in bytes. */
static double status(const char *name)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    double kib = 0;

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    if (f)
        fclose(f);
    return kib * 1024;
}

/* From now on the peak is that of what comes. */
static bool forget_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "5", 1) == 1;

    if (fd >= 0)
        close(fd);
    return done;
}

static double peak(struct task *t)
{
    double before;

    malloc_trim(0);
    before = status("VmRSS:");
    if (!forget_peak())
        return 0;
    run(t);
    return status("VmHWM:") - before;
}

/* ---- rows ---- */

static const struct {
    const char *name, *series, *memory;
} kinds[] = {
    [EVENTS] = {"an event", "sizes-event", "sizes-event-peak"},
    [REPLY] = {"a reply", "sizes-reply", "sizes-reply-peak"},
};

static void size_name(char *text, size_t text_size, size_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB"};
    size_t unit = 0;

    if (bytes == LARGEST) {
        snprintf(text, text_size, "64 MiB");
        return;
    }
    for (; bytes >= 1000; bytes /= 1000)
        unit++;
    snprintf(text, text_size, "%zu %s", bytes, units[unit]);
}

static void measure(const struct options *o, const struct sender *s, qmp_client *c, enum kind kind, size_t size)
{
    static struct reads reads;
    size_t n = kind == EVENTS && size < FITS ? FITS / size : 1, rounds = VOLUME / (size * n);
    struct task ours = {{kind, OURS, size, n}, s, c, &reads}, floor = {{kind, FLOOR, size, n}, s, NULL, &reads};
    char text[80], bytes[32];
    struct duel d;

    rounds = rounds < 5 ? 5 : rounds > 300 ? 300 : rounds;
    rounds = o->quick ? 1 + rounds / 10 : rounds;
    reads_record(s->fds[OURS], &reads);
    run(&ours);
    reads_end();
    d = duel((unsigned)rounds, (struct contestant){run, &ours}, (struct contestant){run, &floor});
    size_name(bytes, sizeof(bytes), size);
    snprintf(text, sizeof(text), "%s of %s, for each byte", kinds[kind].name, bytes);
    table_row(text, cell_per_byte(d.ours), cell_per_byte(d.floor), cell_times(d.ratio), goal_none());
    table_point(kinds[kind].series, (double)size, d);
    if (size < 100000)
        return;
    ours.order.n = 1;
    d = (struct duel){.ours = peak(&ours), .floor = (double)size};
    d.ratio = d.ours / d.floor;
    if (d.ours <= 0)
        return;
    snprintf(text, sizeof(text), "  its peak of memory (floor: its text)");
    table_row(text, cell_bytes(d.ours), cell_bytes(d.floor), cell_times(d.ratio), goal_none());
    table_point(kinds[kind].memory, (double)size, d);
}

void bench_sizes(const struct options *o)
{
    static const size_t sizes[] = {100, 1000, 10000, 100000, 1000000, 10000000, LARGEST};
    struct sender s;
    qmp_client *c = NULL;

    sender_start(&s);
    check("qmp_client_new", qmp_client_new(&c));
    check("qmp_client_connect_fd", qmp_client_connect_fd(c, s.fds[OURS]));
    check("qmp_client_wait_running", qmp_client_wait_running(c, 10 * QMP_SECOND));
    table_title("messages by size, processor time of the reader (floor: the same reads)");
    for (enum kind kind = EVENTS; kind <= REPLY; kind++)
        for (size_t i = 0; i < ELEMENTS(sizes); i++)
            measure(o, &s, c, kind, sizes[i]);
    qmp_client_unref(c);
    close(s.fds[FLOOR]);
    close(s.control);
    kill(s.pid, SIGKILL);
    waitpid(s.pid, NULL, 0);
}
