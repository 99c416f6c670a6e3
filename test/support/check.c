/* SPDX-License-Identifier: MIT */

/* What every test shares: a runner around cmocka's, and assertions that explain themselves.
 *
 * The invariant: a test leaves the process as it found it. The runner takes a census of descriptors and threads before
 * and after each test; whatever came (a leak) or went (somebody closed what was not theirs) fails the test and is
 * named. A test that failed is not held to it, since it left by longjmp in the middle of its work.
 *
 * A hang is a failure with a name too: one watchdog thread, started before the first census, aborts the program when a
 * test outlives its time. Children of a test should therefore ask the kernel to die with it (PR_SET_PDEATHSIG).
 *
 * A crash is left to whoever can tell more about it, a sanitizer or a debugger: cmocka's habit of jumping out of it and
 * going on is undone.
 *
 * It knows the public API only, and nothing of how a test is made. */

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CENSUS_MAX 1024u
#define CENSUS_NAME_MAX 96u
/* A thread that was joined can stay visible in /proc for a moment; so can what the kernel closes asynchronously. */
#define CENSUS_PATIENCE (3 * QMP_SECOND)
#define PATHS_MAX 64u

/* LeakSanitizer's, present in a build with AddressSanitizer only. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

struct census_entry {
    long number;
    char name[CENSUS_NAME_MAX];
};

struct census {
    size_t n;
    struct census_entry entries[CENSUS_MAX];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *test;
    uint64_t deadline;
    uint64_t limit;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER, .deadline = QMP_FOREVER};

static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};

#define N_CRASHES (sizeof(crashes) / sizeof(crashes[0]))

static struct sigaction on_crash[N_CRASHES];

/* The test that is running. cmocka runs one at a time. */
static struct {
    void *state;
    bool passed;
    struct census fds, threads;
    char folder[64];
    char *paths[PATHS_MAX];
    size_t n_paths;
} current;

/* What a failed test left behind, LeakSanitizer finds again after each later one: it is not theirs. */
static bool left_by_failures;

uint64_t check_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * QMP_SECOND + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t check_deadline(uint64_t timeout)
{
    uint64_t now = check_now();

    return timeout > QMP_FOREVER - now ? QMP_FOREVER : now + timeout;
}

int check_poll_timeout(uint64_t deadline)
{
    uint64_t now = check_now();
    uint64_t left = deadline > now ? (deadline - now + 999u) / 1000u : 0;

    return left > 1000000u ? 1000000 : (int)left;
}

short check_poll(int fd, short events, uint64_t timeout)
{
    uint64_t deadline = check_deadline(timeout);

    for (;;) {
        struct pollfd p = {.fd = fd, .events = events, .revents = 0};
        int r = poll(&p, 1, check_poll_timeout(deadline));

        if (r > 0) {
            return p.revents;
        }
        if (r == 0 && check_now() >= deadline) {
            return 0;
        }
    }
}

/* Descriptors are told apart by what they are open on, so one that was closed and opened anew is seen. */
static void describe(const char *folder, struct census_entry *entry)
{
    char path[64];

    if (strcmp(folder, "/proc/self/fd") == 0) {
        snprintf(path, sizeof(path), "%s/%ld", folder, entry->number);
        ssize_t n = readlink(path, entry->name, sizeof(entry->name) - 1);
        entry->name[n > 0 ? n : 0] = '\0';
        return;
    }

    snprintf(path, sizeof(path), "%s/%ld/comm", folder, entry->number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, entry->name, sizeof(entry->name) - 1) : 0;
    entry->name[n > 0 ? n : 0] = '\0';
    entry->name[strcspn(entry->name, "\n")] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

static void take_census(const char *folder, struct census *census)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    census->n = 0;
    while (d && (e = readdir(d))) {
        char *end;
        long number = strtol(e->d_name, &end, 10);

        if (end == e->d_name || (strcmp(folder, "/proc/self/fd") == 0 && number == dirfd(d))) {
            continue;
        }
        if (census->n < CENSUS_MAX) {
            census->entries[census->n++].number = number;
        }
    }
    if (d) {
        closedir(d);
    }
    for (size_t i = 0; i < census->n; i++) {
        describe(folder, &census->entries[i]);
    }
}

static bool census_has(const struct census *census, const struct census_entry *entry)
{
    for (size_t i = 0; i < census->n; i++) {
        if (census->entries[i].number == entry->number && strcmp(census->entries[i].name, entry->name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t census_report(const struct census *have, const struct census *reference, const char *what, bool print)
{
    size_t differences = 0;

    for (size_t i = 0; i < have->n; i++) {
        if (!census_has(reference, &have->entries[i])) {
            differences++;
            if (print) {
                print_error("%s %ld (%s)\n", what, have->entries[i].number, have->entries[i].name);
            }
        }
    }
    return differences;
}

/* Whether the process has the same descriptors or threads as before the test; says which ones differ. */
static bool census_matches(const char *folder, const struct census *before, const char *came, const char *went)
{
    uint64_t deadline = check_deadline(CENSUS_PATIENCE);
    struct census now;

    for (;;) {
        bool print = check_now() >= deadline;

        take_census(folder, &now);
        size_t differences = census_report(&now, before, came, print) + census_report(before, &now, went, print);
        if (differences == 0 || print) {
            return differences == 0;
        }
        poll(NULL, 0, 5);
    }
}

size_t check_count_fds(void)
{
    struct census census;

    take_census("/proc/self/fd", &census);
    return census.n;
}

size_t check_count_threads(void)
{
    struct census census;

    take_census("/proc/self/task", &census);
    return census.n;
}

static void *watch(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&watchdog.lock);
    for (;;) {
        if (watchdog.deadline == QMP_FOREVER) {
            pthread_cond_wait(&watchdog.changed, &watchdog.lock);
        } else if (check_now() >= watchdog.deadline) {
            fprintf(stderr, "test %s hangs: no end after %" PRIu64 " s\n", watchdog.test, watchdog.limit / QMP_SECOND);
            fflush(NULL);
            abort();
        } else {
            struct timespec until = {.tv_sec = (time_t)(watchdog.deadline / QMP_SECOND),
                .tv_nsec = (long)(watchdog.deadline % QMP_SECOND * 1000u)};

            pthread_cond_timedwait(&watchdog.changed, &watchdog.lock, &until);
        }
    }
    return NULL;
}

static void watchdog_set(const char *test, uint64_t deadline)
{
    pthread_mutex_lock(&watchdog.lock);
    watchdog.test = test;
    watchdog.deadline = deadline;
    pthread_cond_signal(&watchdog.changed);
    pthread_mutex_unlock(&watchdog.lock);
}

static void watchdog_start(void)
{
    const char *seconds = getenv("CHECK_SECONDS");
    pthread_condattr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    watchdog.limit = (seconds ? strtoull(seconds, NULL, 10) : CHECK_TEST_SECONDS) * QMP_SECOND;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog.changed, &attributes);
    pthread_condattr_destroy(&attributes);

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, NULL) != 0) {
        fprintf(stderr, "no thread for the watchdog\n");
        abort();
    }
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

const char *check_path(const char *name)
{
    const char *base = getenv("TMPDIR");

    if (current.folder[0] == '\0') {
        /* A socket's address holds 107 bytes: a long $TMPDIR is of no use. */
        snprintf(current.folder, sizeof(current.folder), "%s/qmp-test-XXXXXX",
            base && base[0] == '/' && strlen(base) < 40 ? base : "/tmp");
        assert_non_null(mkdtemp(current.folder));
    }
    assert_true(current.n_paths < PATHS_MAX);
    assert_true(asprintf(&current.paths[current.n_paths], "%s/%s", current.folder, name) > 0);
    return current.paths[current.n_paths++];
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

static void remove_folder(void)
{
    if (current.folder[0] != '\0') {
        nftw(current.folder, remove_entry, /* nopenfd= */ 16, FTW_DEPTH | FTW_PHYS);
        current.folder[0] = '\0';
    }
    while (current.n_paths > 0) {
        free(current.paths[--current.n_paths]);
    }
}

static int set_up(void **state)
{
    const struct check_test *test = *state;

    watchdog_set(test->name, check_now() + watchdog.limit);
    current.passed = false;
    take_census("/proc/self/fd", &current.fds);
    take_census("/proc/self/task", &current.threads);
    current.state = test->setup ? test->setup() : test->argument;
    return 0;
}

static void run(void **state)
{
    const struct check_test *test = *state;

    for (size_t i = 0; i < N_CRASHES; i++) {
        sigaction(crashes[i], &on_crash[i], NULL);
    }
    if (test->run) {
        test->run();
    } else {
        test->run_with(current.state);
    }
    current.passed = true;
}

static int tear_down(void **state)
{
    const struct check_test *test = *state;
    bool clean = true;

    if (test->teardown) {
        test->teardown(current.state);
    }
    remove_folder();
    if (!current.passed) {
        left_by_failures = true;
    } else {
        clean &= census_matches("/proc/self/task", &current.threads, "leaked thread", "ended a foreign thread");
        clean &= census_matches("/proc/self/fd", &current.fds, "leaked descriptor", "closed a foreign descriptor");
        if (!left_by_failures && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0) {
            print_error("leaked memory in %s\n", test->name);
            clean = false;
        }
        left_by_failures |= !clean;
    }
    watchdog_set("none", QMP_FOREVER);
    return clean ? 0 : -1;
}

static void *do_nothing(void *unused)
{
    return unused;
}

/* Whether $CHECK_SKIP names it; names are separated by spaces. */
static bool is_skipped(const char *name)
{
    const char *names = getenv("CHECK_SKIP"), *found = names;
    size_t size = strlen(name);

    while (found && (found = strstr(found, name)) &&
           ((found != names && found[-1] != ' ') || (found[size] != ' ' && found[size] != '\0'))) {
        found += size;
    }
    return found;
}

int check_main(int argc, char **argv, const struct check_test *tests, size_t n_tests)
{
    const char *slash = strrchr(argv[0], '/');
    struct CMUnitTest *units = calloc(n_tests, sizeof(*units));
    size_t n_units = 0;
    pthread_t thread;

    if (!units) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < n_tests; i++) {
        if (is_skipped(tests[i].name)) {
            continue;
        }
        units[n_units++] = (struct CMUnitTest){tests[i].name, run, set_up, tear_down, (void *)(uintptr_t)&tests[i]};
    }
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }

    /* Sanitizers start a thread of their own with the first one of the program: before the first census. */
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    watchdog_start();
    for (size_t i = 0; i < N_CRASHES; i++) {
        sigaction(crashes[i], NULL, &on_crash[i]);
    }

    int failures = _cmocka_run_group_tests(slash ? slash + 1 : argv[0], units, n_units, NULL, NULL);
    free(units);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int check_ok(int r, const char *expression, const char *file, int line)
{
    if (r < 0) {
        print_error("%s is %d: %s (%s)\n", expression, r, qmp_strerror(r), strerror(-r));
        _fail(file, line);
    }
    return r;
}

int check_error(int r, int expected, const char *expression, const char *file, int line)
{
    if (r != expected) {
        print_error("%s is %d (%s), not %d (%s)\n", expression, r, r < 0 ? strerror(-r) : "success", expected,
            expected < 0 ? strerror(-expected) : "success");
        _fail(file, line);
    }
    return r;
}

void check_contains(const char *text, const char *word, const char *file, int line)
{
    if (!text || !strcasestr(text, word)) {
        print_error("\"%s\" does not speak of \"%s\"\n", text ? text : "(null)", word);
        _fail(file, line);
    }
}

void check_value(qmp_value value, const char *text, const char *file, int line)
{
    if (value.size != strlen(text) || memcmp(value.text, text, value.size) != 0) {
        print_error("the value is %.*s, not %s\n", (int)value.size, value.text ? value.text : "absent", text);
        _fail(file, line);
    }
}

qmp_message *check_event_at(qmp_listener *l, const char *name, const char *file, int line)
{
    qmp_message *event = NULL;
    int r = qmp_listener_get(l, CHECK_WAIT, &event);

    if (r < 0) {
        print_error("no event %s: %d: %s (%s)\n", name, r, qmp_strerror(r), strerror(-r));
        _fail(file, line);
    }
    if (strcmp(qmp_event_name(event), name) != 0) {
        print_error("the next event is %s, not %s\n", qmp_event_name(event), name);
        qmp_message_unref(event);
        _fail(file, line);
    }
    return event;
}

void check_events_at(qmp_listener *l, const char *const *names, const char *file, int line)
{
    for (; *names; names++) {
        qmp_message_unref(check_event_at(l, *names, file, line));
    }
}

void check_history_at(qmp_listener *l, const char *const *names, const char *file, int line)
{
    qmp_message **events = NULL;
    size_t n = 0, i = 0;

    check_ok(qmp_listener_history(l, &events, &n), "qmp_listener_history", file, line);
    while (i < n && names[i] && strcmp(qmp_event_name(events[i]), names[i]) == 0) {
        i++;
    }
    if (i < n || names[i]) {
        print_error("event %zu of the history is %s, not %s\n", i, i < n ? qmp_event_name(events[i]) : "absent",
            names[i] ? names[i] : "absent");
        qmp_message_unref_many(events, n);
        _fail(file, line);
    }
    qmp_message_unref_many(events, n);
}
