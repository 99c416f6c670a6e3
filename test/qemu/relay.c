/* SPDX-License-Identifier: MIT */
/* A relay: a network between a client and a server that a test can break, and that breaks things by itself when it is
 * told to.
 *
 * One thread takes a connection, makes the other half, and moves bytes both ways until one side ends or the test cuts.
 * It blocks for nothing but poll(2); the test wakes it through a pipe. What is under way when it is cut is lost, as in
 * a network that breaks.
 *
 * Invariant: a connection's record is exactly what was handed to the receiver's socket. What it does at random depends
 * on the seed and on how the bytes come, and on nothing else.
 *
 * It refuses to know what the bytes are. */

#include "relay.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* How much goes through at once, and how much more a corrupted byte can make it. */
#define CHUNK_MAX 4096
/* A moment: the delays that are made, and the time for which more is waited for. */
#define MOMENT_MS 2
/* One chunk in so many is cut, corrupted, or reordered. */
#define RARELY 24

struct relay {
    pthread_t thread;
    bool ended;
    int listener;
    int wake[2];
    struct sockaddr_un server;
    unsigned count;
    int ends[2]; /* the client's, the server's; -1: no connection */
    unsigned how;
    uint64_t random;
    struct relay_record *records;
    size_t n_records;
};

enum what { CUT = 'c', DISTURB = 'd', LEAD = 'l', STOP = 's' };

/* What the test says to the thread: less than PIPE_BUF, so in one piece. */
struct order {
    enum what what;
    unsigned how;
    uint64_t seed;
    struct sockaddr_un server;
};

static int connect_to(const struct sockaddr_un *server)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)server, sizeof(*server)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void hang_up(struct relay *r)
{
    for (size_t i = 0; i < 2; i++) {
        if (r->ends[i] >= 0)
            close(r->ends[i]);
        r->ends[i] = -1;
    }
}

static void *grow(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p)
        abort(); /* no assertion: this is not the test's thread */
    return p;
}

static void take(struct relay *r)
{
    r->ends[0] = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
    if (r->ends[0] < 0)
        return;
    r->ends[1] = connect_to(&r->server);
    if (r->ends[1] < 0)
        hang_up(r);
    r->records = grow(r->records, (r->n_records + 1) * sizeof(*r->records));
    r->records[r->n_records++] = (struct relay_record){.size = {0, 0}};
    __atomic_add_fetch(&r->count, 1, __ATOMIC_ACQ_REL);
}

/* ---- chance ---- */

/* xorshift64* */
static uint64_t random_below(struct relay *r, uint64_t limit)
{
    r->random ^= r->random >> 12;
    r->random ^= r->random << 25;
    r->random ^= r->random >> 27;
    return (r->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % limit;
}

static bool chance(struct relay *r, unsigned how, unsigned one_in)
{
    return (r->how & how) && random_below(r, one_in) == 0;
}

/* In a chunk with room for one byte more. Returns its size. */
static size_t corrupt(struct relay *r, char *data, size_t n)
{
    size_t at = random_below(r, n), rest = n - at;

    switch (random_below(r, 3)) {
    case 0:
        data[at] = (char)(data[at] ^ (char)(1 << random_below(r, 8)));
        return n;
    case 1:
        memmove(data + at, data + at + 1, rest - 1);
        return n - 1;
    default:
        memmove(data + at + 1, data + at, rest);
        data[at] = (char)random_below(r, 256);
        return n + 1;
    }
}

/* What is behind a place comes first. */
static void reorder(struct relay *r, char *data, size_t n)
{
    char copy[CHUNK_MAX + 1];
    size_t at = random_below(r, n);

    memcpy(copy, data, n);
    memcpy(data, copy + at, n - at);
    memcpy(data + n - at, copy, at);
}

static void wait_a_moment(struct relay *r)
{
    struct timespec t = {.tv_nsec = (long)random_below(r, MOMENT_MS * 1000 * 1000)};

    nanosleep(&t, NULL);
}

/* ---- moving ---- */

static ssize_t receive(struct relay *r, size_t from, char data[CHUNK_MAX + 1])
{
    ssize_t n = recv(r->ends[from], data, CHUNK_MAX, 0), more = 0;
    struct pollfd p = {.fd = r->ends[from], .events = POLLIN};

    while (n > 0 && n < CHUNK_MAX && chance(r, RELAY_MERGE, 2) && poll(&p, 1, MOMENT_MS) > 0) {
        more = recv(r->ends[from], data + n, (size_t)(CHUNK_MAX - n), 0);
        if (more <= 0)
            break; /* it shows the next time, too */
        n += more;
    }
    return n;
}

static bool pass(struct relay *r, size_t to, const char *data, size_t n)
{
    struct relay_record *record;

    if (chance(r, RELAY_DELAY, 4))
        wait_a_moment(r);
    if (send(r->ends[to], data, n, MSG_NOSIGNAL) != (ssize_t)n)
        return false;
    record = &r->records[r->n_records - 1];
    record->text[to] = grow(record->text[to], record->size[to] + n);
    memcpy(record->text[to] + record->size[to], data, n);
    record->size[to] += n;
    return true;
}

/* What one end has sent goes to the other. */
static void move(struct relay *r, size_t from)
{
    char data[CHUNK_MAX + 1];
    ssize_t received = receive(r, from, data);
    size_t n = received > 0 ? (size_t)received : 0, done = 0;
    bool whole = true, well = received > 0, spared = from == 0 && (r->how & RELAY_SPARE);

    if (n > 0 && !spared && chance(r, RELAY_CORRUPT, RARELY))
        n = corrupt(r, data, n);
    if (n > 0 && !spared && chance(r, RELAY_REORDER, RARELY))
        reorder(r, data, n);
    if (n > 0 && chance(r, RELAY_CUT, RARELY)) {
        n = random_below(r, n);
        whole = false;
    }
    while (well && done < n) {
        size_t piece = (r->how & RELAY_SPLIT) ? 1 + random_below(r, n - done) : n - done;

        well = pass(r, !from, data + done, piece);
        done += piece;
    }
    if (!well || !whole)
        hang_up(r);
}

/* Returns whether that was all. */
static bool obey(struct relay *r)
{
    struct order order;

    if (read(r->wake[0], &order, sizeof(order)) != sizeof(order))
        return false;
    if (order.what == DISTURB) {
        r->how = order.how;
        r->random = order.seed * 2 + 1; /* never 0 */
    } else if (order.what == LEAD) {
        r->server = order.server;
    } else {
        hang_up(r);
    }
    return order.what == STOP;
}

static void *work(void *argument)
{
    struct relay *r = argument;
    bool stopped = false;

    while (!stopped) {
        bool connected = r->ends[0] >= 0;
        struct pollfd p[] = {{.fd = r->wake[0], .events = POLLIN},
            {.fd = connected ? r->ends[0] : r->listener, .events = POLLIN}, {.fd = r->ends[1], .events = POLLIN}};

        if (poll(p, 3, -1) < 0)
            continue;
        if (p[0].revents)
            stopped = obey(r);
        else if (p[1].revents && !connected)
            take(r);
        else if (p[1].revents)
            move(r, 0);
        else if (p[2].revents)
            move(r, 1);
    }
    return NULL;
}

/* ---- for tests ---- */

static void tell(struct relay *r, const struct order *order)
{
    struct order whole;

    memset(&whole, 0, sizeof(whole)); /* what is between the members, too */
    whole.what = order->what;
    whole.how = order->how;
    whole.seed = order->seed;
    whole.server = order->server;
    assert_int_equal(write(r->wake[1], &whole, sizeof(whole)), sizeof(whole));
}

static struct sockaddr_un server_at(const char *path)
{
    struct sockaddr_un server = {.sun_family = AF_UNIX};

    assert_true(strlen(path) < sizeof(server.sun_path));
    strcpy(server.sun_path, path);
    return server;
}

struct relay *relay_start(int listener, const char *path)
{
    struct relay *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->listener = listener;
    r->ends[0] = r->ends[1] = -1;
    r->server = server_at(path);
    assert_int_equal(pipe2(r->wake, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&r->thread, NULL, work, r), 0);
    return r;
}

void relay_disturb(struct relay *r, unsigned how, uint64_t seed)
{
    tell(r, &(struct order){.what = DISTURB, .how = how, .seed = seed});
}

void relay_lead(struct relay *r, const char *path)
{
    tell(r, &(struct order){.what = LEAD, .server = server_at(path)});
}

void relay_cut(struct relay *r)
{
    tell(r, &(struct order){.what = CUT});
}

static void end(struct relay *r)
{
    if (r->ended)
        return;
    r->ended = true;
    tell(r, &(struct order){.what = STOP});
    pthread_join(r->thread, NULL);
}

const struct relay_record *relay_records(struct relay *r, size_t *ret_n)
{
    end(r);
    *ret_n = r->n_records;
    return r->records;
}

unsigned relay_count(struct relay *r)
{
    return __atomic_load_n(&r->count, __ATOMIC_ACQUIRE);
}

void relay_stop(struct relay *r)
{
    end(r);
    close(r->listener);
    close(r->wake[0]);
    close(r->wake[1]);
    for (size_t i = 0; i < r->n_records; i++) {
        free(r->records[i].text[0]);
        free(r->records[i].text[1]);
    }
    free(r->records);
    free(r);
}
