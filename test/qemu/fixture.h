/* SPDX-License-Identifier: MIT */
#ifndef TEST_QEMU_FIXTURE_H
#define TEST_QEMU_FIXTURE_H

#include <qmp/qmp.h>

#include "check.h"
#include "machine.h"

/* How long to listen before saying that nothing comes. */
#define MOMENT (200 * QMP_MILLISECOND)

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* In which ways a scenario runs: all combinations of a mode and an output style that are given. */
enum { CALLER_DRIVEN = 1, THREAD_DRIVEN = 2, PLAIN = 4, PRETTY = 8 };
#define EVERY_WAY (CALLER_DRIVEN | THREAD_DRIVEN | PLAIN | PRETTY)
#define CALLER_DRIVEN_ONLY (CALLER_DRIVEN | PLAIN | PRETTY)
#define BOTH_MODES (CALLER_DRIVEN | THREAD_DRIVEN | PLAIN)
#define THREAD_DRIVEN_ONLY (THREAD_DRIVEN | PLAIN | PRETTY)

struct fixture {
    bool threaded;
    bool pretty;
    struct machine *machine;
    qmp_client *client;
};

struct scenario {
    const char *name;
    void (*run)(struct fixture *f);
    unsigned ways;
};

/* Runs every scenario in each of its ways, each on a machine of its own that is stopped afterwards with the fixture's
 * client. Returns the exit status. */
int scenarios_main(int argc, char **argv, const struct scenario *scenarios, size_t n);

/* A machine as wanted, and a client on its first monitor. */
void begin_with(struct fixture *f, enum machine_kind kind);
/* A machine that never ran (prelaunch), with two monitors, and a client on the first. */
void begin_prelaunch(struct fixture *f);
/* The same machine running, and a client that has heard nothing yet. */
void begin(struct fixture *f);
/* One more client in the fixture's mode, connected to a monitor; the caller's. */
qmp_client *connect_client(const struct fixture *f, unsigned monitor);
/* A client in the fixture's mode, not connected. */
qmp_client *new_client(const struct fixture *f);

/* Connects a client and waits until it is RUNNING; failing that fails the test with the client's words. */
void connect_to(qmp_client *c, const char *address);
/* An attempt that must fail: with this error, of this kind, with these words in its explanation (all that are not
 * NULL). */
#define assert_refused(c, address, error, kind, ...)                                                                   \
    check_refused((c), (address), (error), (kind), NAMES(__VA_ARGS__), __FILE__, __LINE__)
/* The address that machine_options.monitor listens on, "tcp:127.0.0.1:4444"; the caller frees it. */
char *tcp_address(const struct fixture *f, const char *host);

/* Executes a command that must succeed; ask() returns its reply, the caller's. */
void tell(qmp_client *c, const char *command, const char *arguments);
qmp_message *ask(qmp_client *c, const char *command, const char *arguments);
/* The same with arguments from malloc(), which it frees. */
void tell_json(qmp_client *c, const char *command, char *arguments);
/* Starts a backup between null-co nodes, from src to dst<target>. */
void backup(qmp_client *c, const char *job, int target);
/* What the server has sent until now has been heard when this returns. */
void synchronize(qmp_client *c);

/* What an event is called in the sequences below: its name; a JOB_STATUS_CHANGE its status. Written to `label`. */
void event_label(const qmp_message *event, char *label, size_t size);
/* Takes events and asserts that they are these, in order. */
#define assert_sequence(listener, ...) check_sequence((listener), CHECK_WAIT, NAMES(__VA_ARGS__), __FILE__, __LINE__)
/* The same without waiting: they are queued already. */
#define assert_queued(listener, ...) check_sequence((listener), 0, NAMES(__VA_ARGS__), __FILE__, __LINE__)
/* The history is exactly this. */
#define assert_past(listener, ...) check_past((listener), NAMES(__VA_ARGS__), __FILE__, __LINE__)
/* The messages are exactly these. */
#define assert_messages(messages, n, ...) check_messages((messages), (n), NAMES(__VA_ARGS__), __FILE__, __LINE__)

void check_sequence(qmp_listener *l, uint64_t timeout, const char *const *labels, const char *file, int line);
void check_refused(qmp_client *c, const char *address, int error, enum qmp_failure kind, const char *const *words,
    const char *file, int line);
void check_past(qmp_listener *l, const char *const *labels, const char *file, int line);
void check_messages(qmp_message *const *messages, size_t n, const char *const *labels, const char *file, int line);

/* qmp_listener_get() refuses with this error. */
#define assert_get_error(listener, timeout, error)                                                                     \
    assert_error(qmp_listener_get((listener), (timeout), &(qmp_message *){NULL}), (error))
size_t history_length(qmp_listener *l);

#endif
