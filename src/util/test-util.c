/* SPDX-License-Identifier: MIT */
/* The small things under everything: buffer, list and table against plain models, times at their ends, references,
 * sleep that others change, and the words for errors. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <qmp/error.h>
#include <qmp/types.h>

#include "util/buffer.h"
#include "util/list.h"
#include "util/process.h"
#include "util/table.h"
#include "util/util.h"
#include "util/vigil.h"

static uint64_t random_state = 88172645463325252u;

static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 16) % n);
}

/* ---- buffer ---- */

static void test_buffer_grows(void **state)
{
    struct buffer b = {0};
    unsigned reallocations = 0;

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        size_t allocated = b.allocated;
        char byte = (char)i;

        assert_int_equal(buffer_append(&b, &byte, 1, SIZE_MAX), 0);
        assert_int_equal(b.size, i + 1);
        assert_true(b.allocated >= b.size);
        reallocations += b.allocated != allocated;
    }
    assert_in_range(reallocations, 1, 12);
    assert_true(b.allocated <= 2 * b.size);
    for (size_t i = 0; i < b.size; i++)
        assert_int_equal(b.data[i], (char)i);
    buffer_done(&b);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
    assert_int_equal(b.allocated, 0);
    assert_int_equal(buffer_append(&b, "x", 1, 1), 0);
    buffer_done(&b);
    buffer_done(&b);
}

/* The bound is exact, in every step, and nothing is allocated beyond it. */
static void test_buffer_bounds(void **state)
{
    static const size_t bounds[] = {0, 1, 2, 10, 255, 256, 257, 511, 512, 513, 1000, 5000};
    static const size_t steps[] = {1, 3, 255, 256, 700};
    static const char bytes[1024];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bounds) * ELEMENTS(steps); i++) {
        size_t max = bounds[i / ELEMENTS(steps)], step = steps[i % ELEMENTS(steps)];
        struct buffer b = {0};

        while (max - b.size >= step) {
            assert_int_equal(buffer_append(&b, bytes, step, max), 0);
            assert_true(b.allocated <= max);
        }
        if (max - b.size > 0)
            assert_int_equal(buffer_append(&b, bytes, max - b.size, max), 0);
        assert_int_equal(b.size, max);
        assert_int_equal(buffer_append(&b, bytes, 0, max), 0);
        assert_int_equal(buffer_append(&b, bytes, 1, max), -EMSGSIZE);
        assert_int_equal(buffer_reserve(&b, SIZE_MAX, max), -EMSGSIZE);
        assert_int_equal(buffer_reserve(&b, SIZE_MAX - max, max), -EMSGSIZE);
        assert_int_equal(b.size, max);
        buffer_done(&b);
    }
}

/* A lower maximum than what is there already refuses, and leaves it alone. */
static void test_buffer_with_a_lower_maximum(void **state)
{
    struct buffer b = {0};

    (void)state;
    assert_int_equal(buffer_append(&b, "0123456789", 10, 10), 0);
    assert_int_equal(buffer_append(&b, "x", 1, 5), -EMSGSIZE);
    assert_int_equal(buffer_reserve(&b, 0, 5), -EMSGSIZE);
    assert_int_equal(buffer_reserve(&b, 0, 10), 0);
    assert_int_equal(b.size, 10);
    assert_memory_equal(b.data, "0123456789", 10);
    assert_int_equal(buffer_append(&b, "x", 1, 11), 0);
    assert_memory_equal(b.data, "0123456789x", 11);
    buffer_done(&b);
}

static void test_buffer_reserve(void **state)
{
    struct buffer b = {0};
    char *data;

    (void)state;
    assert_int_equal(buffer_reserve(&b, 0, 0), 0);
    assert_int_equal(buffer_reserve(&b, 1000, 2000), 0);
    assert_true(b.allocated >= 1000);
    assert_int_equal(b.size, 0);
    memset(b.data, 'x', 1000);
    data = b.data;
    b.size = 400;
    assert_int_equal(buffer_reserve(&b, 600, 2000), 0);
    assert_ptr_equal(b.data, data);
    assert_int_equal(buffer_append(&b, NULL, 0, 2000), 0);
    buffer_done(&b);
}

/* Bytes that were read into the buffer, behind its contents, are moved to them, also when they overlap. */
static void test_buffer_overlap(void **state)
{
    static const char expected[] = "0123456789";

    (void)state;
    for (size_t gap = 0; gap < 20; gap++) {
        struct buffer b = {0};

        assert_int_equal(buffer_append(&b, "abc", 3, 100), 0);
        assert_int_equal(buffer_reserve(&b, 40, 100), 0);
        memcpy(b.data + b.size + gap, expected, 10);
        assert_int_equal(buffer_append(&b, b.data + b.size + gap, 10, 100), 0);
        assert_int_equal(b.size, 13);
        assert_memory_equal(b.data, "abc0123456789", 13);
        buffer_done(&b);
    }
}

/* ---- list ---- */

struct item {
    int before;
    struct list link;
    unsigned number;
};

static void check_list(const struct list *head, const unsigned *numbers, size_t n)
{
    const struct list *back = head;
    struct list *i, *next;
    size_t at = 0;

    assert_int_equal(list_empty(head), n == 0);
    LIST_FOREACH (i, next, head) {
        assert_true(at < n);
        assert_ptr_equal(i->prev, back);
        assert_int_equal(LIST_ENTRY(i, struct item, link)->number, numbers[at++]);
        back = i;
    }
    assert_int_equal(at, n);
    assert_ptr_equal(head->prev, back);
}

static void test_list(void **state)
{
    struct item items[32];
    unsigned numbers[32];
    struct list head;
    size_t n = 0;

    (void)state;
    list_init(&head);
    for (unsigned i = 0; i < ELEMENTS(items); i++) {
        items[i].number = i;
        list_init(&items[i].link);
    }
    for (unsigned step = 0; step < 5000; step++) {
        unsigned which = below(ELEMENTS(items));
        size_t at = 0;

        while (at < n && numbers[at] != which)
            at++;
        list_remove(&items[which].link);
        list_remove(&items[which].link); /* harmless */
        if (at < n) {
            memmove(&numbers[at], &numbers[at + 1], (n - at - 1) * sizeof(*numbers));
            n--;
        } else {
            list_append(&head, &items[which].link);
            numbers[n++] = which;
        }
        check_list(&head, numbers, n);
    }
}

static void test_list_removing_while_walking(void **state)
{
    static const unsigned odd[] = {1, 3, 5, 7, 9};
    struct item items[10];
    struct list head, *i, *next;
    unsigned visited = 0;

    (void)state;
    list_init(&head);
    LIST_FOREACH (i, next, &head)
        visited++;
    assert_int_equal(visited, 0);
    for (unsigned n = 0; n < ELEMENTS(items); n++) {
        items[n].number = n;
        list_append(&head, &items[n].link);
    }
    LIST_FOREACH (i, next, &head) {
        if (visited++ % 2 == 0)
            list_remove(i);
    }
    assert_int_equal(visited, 10);
    check_list(&head, odd, ELEMENTS(odd));
}

/* ---- table ---- */

#define N_NODES 500u

struct entry {
    struct table_node node;
    bool in;
    unsigned seen;
};

static void check_table(const struct table *t, struct entry *entries, uint64_t hash)
{
    struct table_node *node;

    for (unsigned i = 0; i < N_NODES; i++)
        entries[i].seen = 0;
    for (node = table_first(t, hash); node; node = table_next(node))
        CONTAINER_OF(node, struct entry, node)->seen++;
    for (unsigned i = 0; i < N_NODES; i++)
        assert_int_equal(entries[i].seen, entries[i].in && entries[i].node.hash == hash);
}

static size_t count_chains(const struct table *t)
{
    size_t n = 0;

    for (size_t b = 0; b < t->n_buckets; b++) {
        for (struct table_node *node = t->buckets[b]; node; node = node->next)
            n++;
    }
    return n;
}

/* Few hashes with many nodes each, hashes that differ in their high bits alone, and 0 and the largest. */
static uint64_t some_hash(void)
{
    static const uint64_t special[] = {0, UINT64_MAX, 1, UINT64_C(1) << 63, UINT64_C(1) << 32, 8, 16};

    switch (below(4)) {
    case 0:
        return special[below(ELEMENTS(special))];
    case 1:
        return (uint64_t)below(50) << 56 | 5;
    default:
        return (uint64_t)below(3000) * UINT64_C(0x9E3779B97F4A7C15);
    }
}

static void test_table(void **state)
{
    static struct entry entries[N_NODES];
    struct table t = {0};
    size_t n = 0;

    (void)state;
    assert_null(table_first(&t, 0));
    for (unsigned step = 0; step < 20000; step++) {
        struct entry *e = &entries[below(step < 15000 ? N_NODES : N_NODES / 10)];

        if (e->in) {
            table_remove(&t, &e->node);
            n--;
        } else {
            assert_int_equal(table_insert(&t, &e->node, some_hash()), 0);
            n++;
        }
        e->in = !e->in;
        assert_int_equal(t.n, n);
        if (step % 16 == 0) {
            check_table(&t, entries, e->node.hash);
            check_table(&t, entries, some_hash());
            assert_int_equal(count_chains(&t), n);
            assert_true(t.n <= t.n_buckets);
        }
    }
    for (unsigned i = 0; i < N_NODES; i++) {
        if (entries[i].in)
            table_remove(&t, &entries[i].node);
        entries[i].in = false;
    }
    assert_int_equal(t.n, 0);
    assert_null(t.buckets); /* no memory is left behind */
    assert_null(table_first(&t, 0));
    assert_int_equal(table_insert(&t, &entries[0].node, 7), 0);
    assert_ptr_equal(table_first(&t, 7), &entries[0].node);
    assert_null(table_next(&entries[0].node));
    table_done(&t);
    table_done(&t);
}

/* ---- time ---- */

static void test_time(void **state)
{
    uint64_t before = time_now(), deadline;

    (void)state;
    assert_true(time_now() >= before);
    deadline = time_deadline(0);
    assert_true(deadline >= before && deadline <= time_now());
    deadline = time_deadline(USEC_PER_SEC);
    assert_true(deadline >= before + USEC_PER_SEC && deadline <= time_now() + USEC_PER_SEC);
    assert_true(time_deadline(QMP_FOREVER) == QMP_FOREVER);
    assert_true(time_deadline(QMP_FOREVER - 1) == QMP_FOREVER - 1); /* long, but not for ever */
    assert_true(time_deadline(QMP_FOREVER - 2) == QMP_FOREVER - 1);
    assert_true(time_deadline(QMP_FOREVER / 2) > QMP_FOREVER / 2);
}

static void test_poll_timeout(void **state)
{
    uint64_t now = time_now();
    int left;

    (void)state;
    assert_int_equal(time_poll_timeout(QMP_FOREVER), -1);
    assert_int_equal(time_poll_timeout(0), 0);
    assert_int_equal(time_poll_timeout(1), 0);
    assert_int_equal(time_poll_timeout(now), 0);
    assert_int_equal(time_poll_timeout(QMP_FOREVER - 1), INT_MAX);
    assert_int_equal(time_poll_timeout(now + UINT64_C(1000) * UINT32_MAX), INT_MAX);
    /* Rounded up: never woken before the deadline. */
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t deadline = time_now() + 100000 + i;

        left = time_poll_timeout(deadline);
        assert_true((uint64_t)left * 1000 + time_now() >= deadline);
        assert_in_range(left, 0, 103);
    }
}

static void test_timespec(void **state)
{
    struct timespec t = time_timespec(12345678901);

    (void)state;
    assert_int_equal(t.tv_sec, 12345);
    assert_int_equal(t.tv_nsec, 678901000);
    t = time_timespec(0);
    assert_int_equal(t.tv_sec, 0);
    assert_int_equal(t.tv_nsec, 0);
    t = time_timespec(QMP_FOREVER - 1);
    assert_in_range(t.tv_nsec, 0, 999999999);
}

/* ---- references, macros ---- */

static void *take_and_drop(void *userdata)
{
    unsigned *refs = userdata;

    for (unsigned i = 0; i < 20000; i++) {
        refs_take(refs);
        if (refs_drop(refs))
            return userdata; /* never the last one: the test holds one */
    }
    return NULL;
}

static void test_references(void **state)
{
    pthread_t threads[4];
    unsigned refs = 2;

    (void)state;
    assert_false(refs_drop(&refs));
    for (size_t i = 0; i < ELEMENTS(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_drop, &refs), 0);
    for (size_t i = 0; i < ELEMENTS(threads); i++) {
        void *last;

        assert_int_equal(pthread_join(threads[i], &last), 0);
        assert_null(last);
    }
    assert_int_equal(refs, 1);
    assert_true(refs_drop(&refs));
}

/* Of several holders, exactly one is the last. */
static void *drop_one(void *userdata)
{
    return refs_drop(userdata) ? userdata : NULL;
}

static void test_one_is_the_last(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        pthread_t threads[3];
        unsigned refs = ELEMENTS(threads), n_last = 0;

        for (size_t i = 0; i < ELEMENTS(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, drop_one, &refs), 0);
        for (size_t i = 0; i < ELEMENTS(threads); i++) {
            void *last;

            assert_int_equal(pthread_join(threads[i], &last), 0);
            n_last += last != NULL;
        }
        assert_int_equal(n_last, 1);
    }
}

/* In a child that ends at once: whether it, and a child of its own, know who they are. */
static bool children_know(unsigned generations)
{
    pid_t parent = process_id(), child = fork();
    int status = 0;

    if (child == 0) {
        bool fine = process_id() == getpid() && process_id() != parent;

        _exit(fine && (generations == 1 || children_know(generations - 1)) ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 && process_id() == parent;
}

static void test_process_id(void **state)
{
    (void)state;
    assert_int_equal(process_id(), getpid());
    assert_int_equal(process_id(), getpid());
    assert_true(children_know(3));
}

static void test_macros(void **state)
{
    char text[] = "x", *p = text, *taken = TAKE(p);
    struct item item;

    (void)state;
    assert_ptr_equal(taken, text);
    assert_null(p);
    assert_ptr_equal(CONTAINER_OF(&item.link, struct item, link), &item);
    assert_int_equal(MIN(2, 3), 2);
    assert_int_equal(MIN(3, 2), 2);
    assert_int_equal(ELEMENTS(text), 2);
}

/* ---- sleeping ---- */

#define SHORT UINT64_C(20000)

/* With epoll, where there is one, or with poll(2). */
static void open_vigil(struct vigil *v, bool polls)
{
    vigil_init(v);
    assert_int_equal(vigil_open(v), 0);
    if (polls && v->epoll_fd >= 0)
        close(v->epoll_fd);
    if (polls) {
        v->epoll_fd = -1;
        v->polls = true;
    }
}

/* Sleeps, and is not woken before the time. */
static void assert_sleeps(struct vigil *v)
{
    uint64_t deadline = time_now() + SHORT;

    vigil_sleep(v, deadline);
    assert_true(time_now() >= deadline);
}

static void test_vigil(void **state)
{
    for (unsigned polls = 0; polls < 2; polls++) {
        struct vigil v;
        int fds[2];

        (void)state;
        open_vigil(&v, polls);
        assert_int_equal(pipe(fds), 0);
        assert_sleeps(&v);
        vigil_wake(&v);
        vigil_wake(&v);
        vigil_sleep(&v, UINT64_MAX);
        assert_sleeps(&v);
        vigil_watch(&v, fds[1], POLLOUT);
        vigil_sleep(&v, UINT64_MAX);
        vigil_watch(&v, fds[0], POLLIN);
        if (polls)
            vigil_sleep(&v, UINT64_MAX); /* was woken for the change */
        assert_sleeps(&v);
        assert_int_equal(write(fds[1], "x", 1), 1);
        vigil_sleep(&v, UINT64_MAX);
        vigil_sleep(&v, UINT64_MAX);
        vigil_watch(&v, fds[0], 0);
        assert_sleeps(&v);
        close(fds[1]);
        vigil_sleep(&v, time_now() + SHORT); /* may tell the end, once */
        assert_sleeps(&v);
        vigil_watch(&v, fds[0], POLLIN);
        vigil_sleep(&v, UINT64_MAX);
        vigil_watch(&v, -1, 0);
        close(fds[0]);
        assert_sleeps(&v);
        vigil_close(&v);
    }
}

static void *sleep_for_ever(void *vigil)
{
    vigil_sleep(vigil, UINT64_MAX);
    return NULL;
}

/* Whether the sleeper sleeps already or not: it returns for what is watched since. */
static void test_vigil_is_changed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct vigil v;
        pthread_t sleeper;
        int fds[2];

        open_vigil(&v, i % 2);
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], "x", 1), 1);
        if (i % 4 < 2)
            vigil_watch(&v, fds[0], 0);
        assert_int_equal(pthread_create(&sleeper, NULL, sleep_for_ever, &v), 0);
        vigil_watch(&v, fds[0], POLLIN);
        assert_int_equal(pthread_join(sleeper, NULL), 0);
        vigil_close(&v);
        close(fds[0]);
        close(fds[1]);
    }
}

/* A descriptor that epoll does not take, a plain file, is always ready, as poll(2) has it. */
static void test_vigil_of_a_file(void **state)
{
    struct vigil v;
    int fd = open("/proc/self/exe", O_RDONLY);

    (void)state;
    if (fd < 0)
        skip();
    open_vigil(&v, false);
    vigil_watch(&v, fd, POLLIN);
    vigil_sleep(&v, UINT64_MAX);
    vigil_sleep(&v, UINT64_MAX);
    vigil_watch(&v, -1, 0);
    assert_sleeps(&v);
    vigil_close(&v);
    close(fd);
}

/* ---- errors ---- */

/* Every error that a comment of a public header names. */
static const int returned[] = {EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EBADMSG, EBUSY,
    ECANCELED, ECHILD, ECONNREFUSED, ECONNRESET, EEXIST, EHOSTUNREACH, EINTR, EINVAL, EISCONN, ELOOP, EMFILE, EMSGSIZE,
    ENAMETOOLONG, ENETUNREACH, ENFILE, ENOBUFS, ENOENT, ENOMEM, ENOTCONN, ENOTDIR, ENOTSOCK, EOPNOTSUPP, EPERM, EPROTO,
    EPROTOTYPE, ERANGE, EREMOTEIO, EROFS, ESTALE, ETIMEDOUT, ETOOMANYREFS};

static void test_strerror(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(returned); i++) {
        const char *text = qmp_strerror(-returned[i]);

        if (strcmp(text, "unknown error") == 0)
            fail_msg("no words for %s", strerror(returned[i]));
        assert_ptr_equal(qmp_strerror(returned[i]), text);
    }
    assert_string_equal(qmp_strerror(-ETIMEDOUT), "the deadline passed");
    assert_string_equal(qmp_strerror(0), "success");
    assert_string_equal(qmp_strerror(-99999), "unknown error");
    assert_string_equal(qmp_strerror(INT_MAX), "unknown error");
    assert_string_equal(qmp_strerror(INT_MIN), "unknown error");
}

static void test_version(void **state)
{
    (void)state;
    assert_string_equal(qmp_version(), QMP_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer_grows),
        cmocka_unit_test(test_buffer_bounds),
        cmocka_unit_test(test_buffer_with_a_lower_maximum),
        cmocka_unit_test(test_buffer_reserve),
        cmocka_unit_test(test_buffer_overlap),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_removing_while_walking),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_poll_timeout),
        cmocka_unit_test(test_timespec),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_one_is_the_last),
        cmocka_unit_test(test_process_id),
        cmocka_unit_test(test_macros),
        cmocka_unit_test(test_vigil),
        cmocka_unit_test(test_vigil_is_changed),
        cmocka_unit_test(test_vigil_of_a_file),
        cmocka_unit_test(test_strerror),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
