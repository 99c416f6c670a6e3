/* SPDX-License-Identifier: MIT */
#ifndef TEST_SUPPORT_CHECK_H
#define TEST_SUPPORT_CHECK_H

/* What every test of the library shares, on top of cmocka. Includes cmocka and what cmocka wants before it.
 *
 * Assertions leave a test by longjmp, so they belong to the thread that runs the test, and never to a callback that
 * the library calls (it would stay in the middle of its work): record there, assert afterwards. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <qmp/qmp.h>

/* How long a test waits for what must happen: generous, so that load never fails a test. */
#define CHECK_WAIT (30 * QMP_SECOND)
/* A test that runs longer than this hangs, and the whole program is killed; $CHECK_SECONDS overrides it. */
#define CHECK_TEST_SECONDS 60

/* One test: `run`, or `run_with` called with what `setup` returned (with `argument` when there is no setup). `teardown`
 * gets the same pointer, also when the test failed. */
struct check_test {
    const char *name;
    void (*run)(void);
    void (*run_with)(void *state);
    void *(*setup)(void);
    void (*teardown)(void *state);
    void *argument;
};

/* clang-format off */
#define CHECK_TEST(function) {#function, (function), NULL, NULL, NULL, NULL}
#define CHECK_FIXTURE(function, setup, teardown) {#function, NULL, (function), (setup), (teardown), NULL}
#define CHECK_CASE(name, function, argument) {(name), NULL, (function), NULL, NULL, (argument)}
/* clang-format on */

/* Runs the tests, all or those that match the pattern in argv[1] ("test_timeout*"). After each test that passed,
 * descriptors and threads must be the same as before it, and, in a build with AddressSanitizer, no memory may have
 * leaked. $CHECK_SKIP names tests to leave out. Returns the exit status for main(). */
int check_main(int argc, char **argv, const struct check_test *tests, size_t n_tests);

/* CLOCK_MONOTONIC in µs. */
uint64_t check_now(void);
/* Now + timeout, QMP_FOREVER when that is beyond the end of time. */
uint64_t check_deadline(uint64_t timeout);
/* What is left until a deadline, as poll(2) wants it: milliseconds, rounded up, never -1. */
int check_poll_timeout(uint64_t deadline);
/* Waits until a descriptor is ready: poll(2)'s revents, 0 when the time is over. */
short check_poll(int fd, short events, uint64_t timeout);

/* The path of `name` in a folder that exists while the test runs and is removed with all its contents afterwards. Short
 * enough for a socket. The string lives until the end of the test. */
const char *check_path(const char *name);

/* The number of open descriptors and of threads of this process; 0 where the system does not tell. */
size_t check_count_fds(void);
size_t check_count_threads(void);

/* assert_ok(r): r is not negative; otherwise the failure says what r means. assert_error(r, -EPIPE): r is just that. */
#define assert_ok(expression) check_ok((expression), #expression, __FILE__, __LINE__)
#define assert_error(expression, expected) check_error((expression), (expected), #expression, __FILE__, __LINE__)
/* assert_contains(text, word): text is not NULL and has the word in it, in any case of letters. */
#define assert_contains(text, word) check_contains((text), (word), __FILE__, __LINE__)
/* assert_value(v, "42"): a value is written like this (its exact text). */
#define assert_value(value, text) check_value((value), (text), __FILE__, __LINE__)

/* Takes the next event of a listener (waiting for CHECK_WAIT) and asserts its name; check_event() hands it out, the
 * caller's, and assert_events() takes one after the other: assert_events(l, "STOP", "RESUME"). */
#define check_event(listener, name) check_event_at((listener), (name), __FILE__, __LINE__)
#define assert_event(listener, name) qmp_message_unref(check_event_at((listener), (name), __FILE__, __LINE__))
#define assert_events(listener, ...)                                                                                   \
    check_events_at((listener), (const char *const[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
/* No event is queued, and the connection has not ended. */
#define assert_no_event(listener) assert_error(qmp_listener_get((listener), 0, &(qmp_message *){NULL}), -EAGAIN)
/* The history is exactly these names; assert_no_history(): it is empty. */
#define assert_history(listener, ...)                                                                                  \
    check_history_at((listener), (const char *const[]){__VA_ARGS__, NULL}, __FILE__, __LINE__)
#define assert_no_history(listener) check_history_at((listener), (const char *const[]){NULL}, __FILE__, __LINE__)

int check_ok(int r, const char *expression, const char *file, int line);
int check_error(int r, int expected, const char *expression, const char *file, int line);
void check_contains(const char *text, const char *word, const char *file, int line);
void check_value(qmp_value value, const char *text, const char *file, int line);
qmp_message *check_event_at(qmp_listener *l, const char *name, const char *file, int line);
void check_events_at(qmp_listener *l, const char *const *names, const char *file, int line);
void check_history_at(qmp_listener *l, const char *const *names, const char *file, int line);

#endif
