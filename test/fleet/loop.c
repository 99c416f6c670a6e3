/* SPDX-License-Identifier: MIT */
/* An event loop for many clients: epoll for what they read and write, a heap for their deadlines.
 *
 * It is all that an adapter has to be: it watches what each client tells it to watch, and calls process() once when the
 * descriptor is ready or the deadline has come. Once and no more, so that a client with much to do gives way to the
 * others after one step. The kernel puts a descriptor that is still ready at the end of its list. The heap does the
 * same for a client whose deadline stays in the past: after a step it counts as due behind all that are due now.
 *
 * The invariant: whoever frees clients, in whatever callback, leaves no pointer behind. The client lets go of its
 * member by the watch function's `destroy`; from there it is taken out of the heap, of the batch that epoll gave, and
 * of the step that is being made.
 *
 * It refuses to know what the clients do. */

#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX 64
#define MILLISECONDS_MAX 1000000u
#define NOWHERE SIZE_MAX

struct member {
    struct loop *loop;
    qmp_client *client;
    void *userdata;
    int fd;            /* that epoll watches; -1: none */
    uint64_t deadline; /* as told, but not before it was told */
    size_t place;      /* in the heap; NOWHERE: no deadline */
};

struct loop {
    int epoll;
    loop_ended_fn ended;
    struct member **heap; /* room for all members */
    size_t n_heap, n_members, allocated;
    struct epoll_event batch[BATCH_MAX];
    int n_batch;
    struct member *serving; /* NULL: it has gone */
};

uint64_t loop_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * QMP_SECOND + (uint64_t)t.tv_nsec / 1000;
}

/* ---- deadlines: a binary heap, the earliest on top ---- */

static void put(struct loop *l, size_t place, struct member *m)
{
    l->heap[place] = m;
    m->place = place;
}

static void rise(struct loop *l, size_t place)
{
    struct member *m = l->heap[place];

    for (; place > 0 && m->deadline < l->heap[(place - 1) / 2]->deadline; place = (place - 1) / 2)
        put(l, place, l->heap[(place - 1) / 2]);
    put(l, place, m);
}

static void sink(struct loop *l, size_t place)
{
    struct member *m = l->heap[place];
    size_t child;

    while ((child = 2 * place + 1) < l->n_heap) {
        if (child + 1 < l->n_heap && l->heap[child + 1]->deadline < l->heap[child]->deadline)
            child++;
        if (l->heap[child]->deadline >= m->deadline)
            break;
        put(l, place, l->heap[child]);
        place = child;
    }
    put(l, place, m);
}

static void set_deadline(struct member *m, uint64_t deadline)
{
    struct loop *l = m->loop;
    size_t place = m->place;

    m->deadline = deadline;
    if (deadline != QMP_FOREVER && place == NOWHERE) {
        l->heap[l->n_heap] = m;
        rise(l, l->n_heap++);
    } else if (deadline != QMP_FOREVER) {
        rise(l, place);
        sink(l, m->place);
    } else if (place != NOWHERE) {
        struct member *last = l->heap[--l->n_heap];

        m->place = NOWHERE;
        if (last == m)
            return;
        put(l, place, last);
        rise(l, place);
        sink(l, last->place);
    }
}

/* ---- what clients tell ---- */

static void watch(qmp_client *c, int fd, short events, uint64_t deadline, void *member)
{
    struct member *m = member;
    struct epoll_event e = {.data.ptr = m};
    uint64_t now;

    (void)c;
    if (events & POLLIN)
        e.events |= EPOLLIN;
    if (events & POLLOUT)
        e.events |= EPOLLOUT;
    if (m->fd >= 0 && m->fd != fd)
        epoll_ctl(m->loop->epoll, EPOLL_CTL_DEL, m->fd, NULL);
    if (fd >= 0 && epoll_ctl(m->loop->epoll, m->fd == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0)
        abort(); /* nobody would ever hear of this client again */
    m->fd = fd;
    now = loop_now();
    set_deadline(m, deadline < now ? now : deadline);
}

static void gone(void *member)
{
    struct member *m = member;
    struct loop *l = m->loop;

    set_deadline(m, QMP_FOREVER);
    for (int i = 0; i < l->n_batch; i++)
        if (l->batch[i].data.ptr == m)
            l->batch[i].data.ptr = NULL;
    if (l->serving == m)
        l->serving = NULL;
    l->n_members--;
    free(m);
}

static int make_room(struct loop *l)
{
    size_t n = l->allocated > 0 ? 2 * l->allocated : 64;
    struct member **heap;

    if (l->n_members < l->allocated)
        return 0;
    heap = realloc(l->heap, n * sizeof(struct member *));
    if (!heap)
        return -ENOMEM;
    l->heap = heap;
    l->allocated = n;
    return 0;
}

int loop_add(struct loop *l, qmp_client *c, void *userdata)
{
    struct member *m;
    int r = make_room(l);

    if (r < 0)
        return r;
    m = malloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    *m = (struct member){
        .loop = l, .client = c, .userdata = userdata, .fd = -1, .deadline = QMP_FOREVER, .place = NOWHERE};
    l->n_members++;
    r = qmp_client_set_watch(c, watch, gone, m);
    if (r < 0)
        gone(m);
    return r;
}

/* ---- turns ---- */

static void serve(struct loop *l, struct member *m)
{
    qmp_client *c = m->client;
    void *userdata = m->userdata;
    int r;

    l->serving = m;
    r = qmp_client_process(c);
    if (!l->serving)
        return;
    l->serving = NULL;
    if (r < 0 && r != -ENOTCONN && l->ended)
        l->ended(c, r, userdata);
}

/* Each client that is due now, once. */
static int serve_due(struct loop *l)
{
    uint64_t now = loop_now();
    int n = 0;

    while (l->n_heap > 0 && l->heap[0]->deadline <= now) {
        struct member *m = l->heap[0];

        set_deadline(m, now + 1); /* unless it is told another one */
        serve(l, m);
        n++;
    }
    return n;
}

static int timeout_until(const struct loop *l, uint64_t until)
{
    uint64_t now = loop_now(), left;

    if (l->n_heap > 0 && l->heap[0]->deadline < until)
        until = l->heap[0]->deadline;
    left = until > now ? (until - now + 999) / 1000 : 0;
    return left > MILLISECONDS_MAX ? (int)MILLISECONDS_MAX : (int)left;
}

int loop_turn(struct loop *l, uint64_t until)
{
    int served = 0;

    l->n_batch = epoll_wait(l->epoll, l->batch, BATCH_MAX, timeout_until(l, until));
    if (l->n_batch < 0) {
        l->n_batch = 0;
        return errno == EINTR ? 0 : -errno;
    }
    for (int i = 0; i < l->n_batch; i++) {
        struct member *m = l->batch[i].data.ptr;

        if (!m)
            continue; /* freed by one before it */
        serve(l, m);
        served++;
    }
    l->n_batch = 0;
    return served + serve_due(l);
}

int loop_new(struct loop **ret, loop_ended_fn ended)
{
    struct loop *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return -ENOMEM;
    l->ended = ended;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0) {
        r = -errno;
        free(l);
        return r;
    }
    *ret = l;
    return 0;
}

struct loop *loop_free(struct loop *l)
{
    if (!l)
        return NULL;
    close(l->epoll);
    free(l->heap);
    free(l);
    return NULL;
}
