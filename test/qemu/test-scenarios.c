/* SPDX-License-Identifier: MIT */
/* The scenarios A1 … A18: the stories that the reference's documentation of its EventListener tells, each on a real
 * QEMU, in both modes and with both styles of output. The label of a test is the scenario's.
 *
 * Scenario A5 is the same story as A4, told with a `while` loop around get() instead of an iteration; in C they are one
 * loop, so A4 stands for both.
 *
 * Where a story has a concurrent consumer, it is a thread in thread-driven mode. In caller-driven mode only one thread
 * uses the client at a time; what runs beside the commands there is a handler.
 *
 * Invariant: nothing here depends on timing. What must come is waited for; what must not come is listened for in
 * vain for a moment, or ruled out by the order of the wire. */

#include <string.h>

#include "fixture.h"
#include "worker.h"

#define BACKUP_JOB "created", "running", "paused", "running", "waiting", "pending"
#define CREATE_JOB "created", "running", "waiting", "pending", "concluded"

/* A1 */
static void one_name(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP"), &l, &scope));
    tell(f->client, "stop", NULL);
    qmp_message *event = check_event(l, "STOP");
    assert_int_equal(qmp_value_type(qmp_event_data(event)), QMP_ABSENT);
    qmp_message_unref(event);
    qmp_scope_end(scope);

    tell(f->client, "cont", NULL);
    tell(f->client, "stop", NULL);
    assert_true(qmp_listener_empty(l));
    assert_get_error(l, CHECK_WAIT, -ENOTCONN);
    assert_past(l, "STOP");
    qmp_listener_unref(l);
}

/* A1b: QEMU sends no STOP for a machine that never ran. */
static void no_event_ends_in_time(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin_prelaunch(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP"), &l, &scope));
    tell(f->client, "stop", NULL);
    uint64_t before = check_now();
    assert_get_error(l, MOMENT, -ETIMEDOUT);
    assert_true(check_now() - before >= MOMENT);
    assert_no_event(l);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* A2 */
static void two_names(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP", "RESUME"), &l, &scope));
    tell(f->client, "stop", NULL);
    assert_sequence(l, "STOP");
    tell(f->client, "cont", NULL);
    assert_sequence(l, "RESUME");
    assert_no_event(l);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* A3 */
static void no_names(struct fixture *f)
{
    qmp_listener *null = NULL, *empty = NULL;
    qmp_scope *outer = NULL, *inner = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &null, &outer));
    assert_ok(qmp_client_listener(f->client, (const char *const[]){NULL}, &empty, &inner));
    tell(f->client, "stop", NULL);
    assert_sequence(null, "STOP");
    assert_sequence(empty, "STOP");
    qmp_scope_end(inner);
    qmp_scope_end(outer);
    qmp_listener_unref(null);
    qmp_listener_unref(empty);
}

/* A4, with a thread that iterates. */
static void iterating_beside(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    size_t n;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &l, &scope));
    struct consumer *consumer = consumer_start(l);
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    consumer_await(consumer, 2);
    assert_error(qmp_listeners_wait(&l, 1, MOMENT), -ETIMEDOUT);
    consumer_await_waiting(consumer, 2);
    qmp_scope_end(scope);
    assert_error(consumer_join(consumer), -ECANCELED);
    qmp_message *const *events = consumer_events(consumer, &n);
    assert_messages(events, n, "STOP", "RESUME");
    consumer_free(consumer);
    qmp_listener_unref(l);
}

struct notes {
    size_t n;
    qmp_message *events[16];
};

static void note(qmp_listener *l, qmp_message *event, void *userdata)
{
    struct notes *notes = userdata;

    (void)l;
    if (notes->n < ELEMENTS(notes->events))
        notes->events[notes->n++] = qmp_message_ref(event);
}

static void notes_done(struct notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        qmp_message_unref(notes->events[i]);
}

/* A4, with a handler that runs between the commands, then a loop that waits in vain. */
static void iterating_between(struct fixture *f)
{
    struct notes notes = {.n = 0};
    qmp_listener *handled = NULL, *iterated = NULL;
    qmp_scope *first = NULL, *second = NULL;
    qmp_message *event = NULL;
    size_t n = 0;
    int r;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &handled, &first));
    assert_ok(qmp_client_listener(f->client, NULL, &iterated, &second));
    assert_ok(qmp_listener_set_handler(handled, note, &notes));
    tell(f->client, "stop", NULL);
    assert_int_equal(notes.n, 1);
    tell(f->client, "cont", NULL);
    for (; (r = qmp_listener_get(iterated, MOMENT, &event)) >= 0; n++)
        qmp_message_unref(event);
    assert_error(r, -ETIMEDOUT);
    assert_int_equal(n, 2);
    assert_messages(notes.events, notes.n, "STOP", "RESUME");
    notes_done(&notes);
    qmp_scope_end(second);
    qmp_scope_end(first);
    qmp_listener_unref(handled);
    qmp_listener_unref(iterated);
}

/* A6, in its stronger form: once a command has returned, its events are queued. */
static void queued_before_return(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP", "RESUME"), &l, &scope));
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    assert_queued(l, "STOP", "RESUME");
    assert_no_event(l);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* A6: a consumer that is cancelled at once has seen the start of the story, and nothing is wrong. */
static void consumer_cancelled_at_once(struct fixture *f)
{
    static const char *const story[] = {"STOP", "RESUME"};
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    size_t n;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP", "RESUME"), &l, &scope));
    struct consumer *consumer = consumer_start(l);
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    assert_past(l, "STOP", "RESUME");
    qmp_scope_end(scope);
    int r = consumer_join(consumer);
    assert_true(r == -ECANCELED || r == -ENOTCONN);
    qmp_message *const *events = consumer_events(consumer, &n);
    assert_true(n <= ELEMENTS(story));
    for (size_t i = 0; i < n; i++)
        assert_string_equal(qmp_event_name(events[i]), story[i]);
    consumer_free(consumer);
    qmp_listener_unref(l);
}

static void assert_removed_and_again(struct fixture *f, qmp_listener *l)
{
    tell(f->client, "stop", NULL);
    assert_true(qmp_listener_empty(l));
    assert_past(l, "STOP", "RESUME");
    assert_ok(qmp_client_register_listener(f->client, l));
    tell(f->client, "cont", NULL);
    assert_queued(l, "RESUME");
    assert_no_event(l);
    assert_past(l, "STOP", "RESUME", "RESUME");
    assert_ok(qmp_client_remove_listener(f->client, l));
}

/* A7, with a thread as consumer. */
static void register_and_remove_beside(struct fixture *f)
{
    qmp_listener *l = NULL;
    size_t n;

    begin(f);
    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_client_register_listener(f->client, l));
    struct consumer *consumer = consumer_start(l);
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    consumer_await_waiting(consumer, 2);
    assert_ok(qmp_client_remove_listener(f->client, l));
    assert_error(consumer_join(consumer), -ECANCELED);
    qmp_message *const *events = consumer_events(consumer, &n);
    assert_messages(events, n, "STOP", "RESUME");
    consumer_free(consumer);
    assert_removed_and_again(f, l);
    qmp_listener_unref(l);
}

/* A7 */
static void register_and_remove(struct fixture *f)
{
    qmp_listener *l = NULL;

    begin(f);
    assert_ok(qmp_listener_new(&l, NULL));
    assert_ok(qmp_client_register_listener(f->client, l));
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    assert_sequence(l, "STOP", "RESUME");
    assert_ok(qmp_client_remove_listener(f->client, l));
    assert_removed_and_again(f, l);
    qmp_listener_unref(l);
}

/* A8 */
static void built_in(struct fixture *f)
{
    begin(f);
    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    assert_sequence(qmp_client_events(f->client), "STOP", "RESUME");
    assert_no_event(qmp_client_events(f->client));
}

/* A9 */
static void get_then_iterate(struct fixture *f)
{
    static const char *const rest[] = {"RESUME", "STOP"};
    qmp_listener *l = qmp_client_events((begin(f), f->client));
    qmp_message *event = NULL;

    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    tell(f->client, "stop", NULL);
    assert_event(l, "STOP");
    for (size_t i = 0; i < ELEMENTS(rest) && qmp_listener_get(l, CHECK_WAIT, &event) >= 0; i++) {
        assert_string_equal(qmp_event_name(event), rest[i]);
        qmp_message_unref(event);
    }
    assert_true(qmp_listener_empty(l));
}

/* Order: a consumer's sequence numbers rise. Completeness: each of 1 … n is marked once. */
static void mark_events(struct consumer *consumer, bool *marks, size_t n_marks)
{
    size_t n;
    qmp_message *const *events = consumer_events(consumer, &n);
    uint64_t last = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t sequence = qmp_message_sequence(events[i]);
        assert_true(sequence > last && sequence <= n_marks);
        assert_false(marks[sequence - 1]);
        marks[sequence - 1] = true;
        last = sequence;
    }
}

/* A9b, with threads. */
static void two_consumers_beside(struct fixture *f)
{
    bool marks[10] = {false};
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &l, &scope));
    struct consumer *a = consumer_start(l), *b = consumer_start(l);
    for (unsigned i = 0; i < ELEMENTS(marks) / 2; i++) {
        tell(f->client, "stop", NULL);
        tell(f->client, "cont", NULL);
    }
    assert_ok(qmp_client_disconnect(f->client));
    assert_error(consumer_join(a), -ENOTCONN);
    assert_error(consumer_join(b), -ENOTCONN);
    mark_events(a, marks, ELEMENTS(marks));
    mark_events(b, marks, ELEMENTS(marks));
    for (unsigned i = 0; i < ELEMENTS(marks); i++)
        assert_true(marks[i]);
    consumer_free(a);
    consumer_free(b);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* A9b, taking turns. */
static void two_consumers_in_turn(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NULL, &l, &scope));
    for (unsigned i = 0; i < 5; i++) {
        tell(f->client, "stop", NULL);
        tell(f->client, "cont", NULL);
    }
    for (uint64_t i = 1; i <= 10; i++) {
        qmp_message *event = check_event(l, i % 2 ? "STOP" : "RESUME");
        assert_int_equal(qmp_message_sequence(event), i);
        qmp_message_unref(event);
    }
    assert_no_event(l);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

/* A10: the copies are independent: taking one, and freeing it, leaves the other. */
static void several_listeners(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP"), &l, &scope));
    tell(f->client, "stop", NULL);
    qmp_message *own = check_event(l, "STOP");
    qmp_value root = qmp_message_root(own);
    char *text = strndup(root.text, root.size);
    assert_non_null(text);
    qmp_message_unref(own);
    qmp_scope_end(scope);
    qmp_listener_unref(l);

    qmp_message *other = check_event(qmp_client_events(f->client), "STOP");
    assert_value(qmp_message_root(other), text);
    assert_int_equal(qmp_message_sequence(other), 1);
    qmp_message_unref(other);
    free(text);
}

/* A11 */
static void clear(struct fixture *f)
{
    qmp_listener *l = qmp_client_events((begin(f), f->client));
    qmp_message **cleared = NULL;
    size_t n = 0;

    tell(f->client, "stop", NULL);
    assert_ok(qmp_listener_clear(l, &cleared, &n));
    assert_messages(cleared, n, "STOP");
    qmp_message_unref_many(cleared, n);
    tell(f->client, "cont", NULL);
    assert_sequence(l, "RESUME");
    assert_ok(qmp_listener_clear(l, &cleared, &n));
    assert_null(cleared);
    assert_int_equal(n, 0);
}

/* A12 */
static void history(struct fixture *f)
{
    qmp_listener *l = qmp_client_events((begin(f), f->client));
    size_t n = 0;

    tell(f->client, "stop", NULL);
    tell(f->client, "cont", NULL);
    assert_ok(qmp_listener_clear(l, NULL, &n));
    assert_int_equal(n, 2);
    assert_true(qmp_listener_empty(l));
    assert_past(l, "STOP", "RESUME");
}

static bool is_job(const qmp_message *event, void *userdata)
{
    return qmp_value_equals(qmp_value_path(qmp_event_data(event), "id"), userdata);
}

static void create_image(struct fixture *f, const char *job)
{
    char *path = machine_path(f->machine, job);

    tell_json(f->client, "blockdev-create",
        qmp_json("{'job-id': %s, 'options': {'driver': 'file', 'filename': %s, 'size': 65536}}", job, path));
    free(path);
}

static void follow_filtered_job(struct fixture *f, char *job, int target)
{
    qmp_listener *l = NULL, *matched = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_listener_new(&l, NAMES("JOB_STATUS_CHANGE")));
    assert_ok(qmp_listener_set_filter(l, is_job, job));
    assert_ok(qmp_listener_new(&matched, NAMES("JOB_STATUS_CHANGE")));
    assert_ok(qmp_listener_add_match(matched, "data.id", job));
    assert_ok(qmp_client_listen(f->client, (qmp_listener *[]){l, matched}, 2, &scope));
    create_image(f, "another");
    backup(f->client, job, target);
    assert_sequence(l, BACKUP_JOB, "concluded");
    assert_sequence(matched, BACKUP_JOB, "concluded");
    assert_sequence(l, "null");
    qmp_scope_end(scope);
    qmp_listener_unref(l);
    qmp_listener_unref(matched);
}

/* A13 */
static void filter(struct fixture *f)
{
    char job[] = "job1";

    follow_filtered_job(f, job, 1);
}

/* A14 */
static void filter_with_parameter(struct fixture *f)
{
    char job[] = "job2";

    follow_filtered_job(f, job, 2);
}

#define JOB_EVENTS                                                                                                     \
    NAMES("BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED", "BLOCK_JOB_ERROR", "BLOCK_JOB_READY", "BLOCK_JOB_PENDING",     \
        "JOB_STATUS_CHANGE")

/* A second listener tells when the job's last event has come, so that the first is left with something unread. */
static void follow_scoped_job(struct fixture *f, qmp_listener *l, const char *job, int target)
{
    qmp_listener *last = NULL;
    qmp_scope *scope = NULL, *inner = NULL;

    assert_ok(qmp_client_listener(f->client, NAMES("JOB_STATUS_CHANGE"), &last, &scope));
    assert_ok(qmp_listener_add_match(last, "data.id", job));
    assert_ok(qmp_listener_add_match(last, "data.status", "null"));
    assert_ok(qmp_client_listen(f->client, &l, 1, &inner));
    backup(f->client, job, target);
    assert_sequence(l, BACKUP_JOB, "BLOCK_JOB_COMPLETED");
    assert_sequence(last, "null");
    synchronize(f->client);
    assert_false(qmp_listener_empty(l));
    qmp_scope_end(inner);
    assert_true(qmp_listener_empty(l));
    assert_get_error(l, 0, -ENOTCONN);
    assert_past(l, BACKUP_JOB, "BLOCK_JOB_COMPLETED", "concluded", "null");
    qmp_scope_end(scope);
    qmp_listener_unref(last);
}

/* A15 */
static void listen_existing(struct fixture *f)
{
    qmp_listener *l = NULL;

    begin(f);
    assert_ok(qmp_listener_new(&l, JOB_EVENTS));
    follow_scoped_job(f, l, "job3", 3);
    qmp_listener_unref(l);
}

static qmp_listener *job_listener(char *job)
{
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_new(&l, NAMES("JOB_STATUS_CHANGE")));
    assert_ok(qmp_listener_set_filter(l, is_job, job));
    return l;
}

/* A16 */
static void listen_two(struct fixture *f)
{
    char a[] = "jobA", b[] = "jobB";
    qmp_scope *scope = NULL;

    begin(f);
    qmp_listener *listeners[] = {job_listener(a), job_listener(b)};
    assert_ok(qmp_client_listen(f->client, listeners, 2, &scope));
    create_image(f, a);
    create_image(f, b);
    assert_sequence(listeners[0], CREATE_JOB);
    assert_sequence(listeners[1], CREATE_JOB);
    tell(f->client, "job-dismiss", "{\"id\": \"jobA\"}");
    tell(f->client, "job-dismiss", "{\"id\": \"jobB\"}");
    assert_queued(listeners[0], "null");
    assert_queued(listeners[1], "null");
    qmp_scope_end(scope);
    assert_past(listeners[0], CREATE_JOB, "null");
    assert_past(listeners[1], CREATE_JOB, "null");
    qmp_listener_unref(listeners[0]);
    qmp_listener_unref(listeners[1]);
}

/* The specialised listener of A17 and A18: block jobs carry their name as `device`, other jobs as `id`. */
static bool accept_job(qmp_listener *l, const qmp_message *event, void *userdata)
{
    const char *name = qmp_event_name(event);
    bool by_id = strcmp(name, "JOB_STATUS_CHANGE") == 0 || strcmp(name, "BLOCK_JOB_PENDING") == 0;

    return qmp_listener_accepts(l, event) &&
           qmp_value_equals(qmp_value_member(qmp_event_data(event), by_id ? "id" : "device"), userdata);
}

static qmp_listener *specialised_listener(char *job)
{
    qmp_listener *l = NULL;

    assert_ok(qmp_listener_new(&l, JOB_EVENTS));
    assert_ok(qmp_listener_set_accept(l, accept_job, job));
    return l;
}

/* Jobs on the same node pause each other now and then, so only the ends of the story are certain. */
static void assert_only_job(qmp_listener *l, const char *job)
{
    qmp_message **events = NULL;
    size_t n = 0;

    assert_ok(qmp_listener_history(l, &events, &n));
    assert_true(n >= 9);
    assert_messages(events, 1, "created");
    assert_messages(events + n - 2, 2, "concluded", "null");
    for (size_t i = 0; i < n; i++) {
        qmp_value data = qmp_event_data(events[i]);
        assert_true(qmp_value_equals(qmp_value_member(data, "id"), job) ||
                    qmp_value_equals(qmp_value_member(data, "device"), job));
    }
    qmp_message_unref_many(events, n);
}

static void take_until_null(qmp_listener *l)
{
    qmp_message *event = NULL;
    bool last = false;

    while (!last) {
        assert_ok(qmp_listener_get(l, CHECK_WAIT, &event));
        last = qmp_value_equals(qmp_value_path(qmp_event_data(event), "status"), "null");
        qmp_message_unref(event);
    }
}

/* A17 */
static void specialised(struct fixture *f)
{
    char four[] = "job4", five[] = "job5";
    qmp_scope *scope = NULL;

    begin(f);
    qmp_listener *listeners[] = {specialised_listener(four), specialised_listener(five)};
    assert_ok(qmp_client_listen(f->client, listeners, 2, &scope));
    backup(f->client, four, 4);
    backup(f->client, five, 5);
    take_until_null(listeners[0]);
    take_until_null(listeners[1]);
    qmp_scope_end(scope);
    assert_only_job(listeners[0], four);
    assert_only_job(listeners[1], five);
    qmp_listener_unref(listeners[0]);
    qmp_listener_unref(listeners[1]);
}

/* A18 */
static void specialised_for_a_scope(struct fixture *f)
{
    char four[] = "job4";

    begin(f);
    qmp_listener *l = specialised_listener(four);
    follow_scoped_job(f, l, four, 4);
    qmp_listener_unref(l);
}

static const struct scenario scenarios[] = {
    {"A1 one name", one_name, EVERY_WAY},
    {"A1b no event ends in time", no_event_ends_in_time, EVERY_WAY},
    {"A2 two names", two_names, EVERY_WAY},
    {"A3 no names", no_names, EVERY_WAY},
    {"A4 iterating beside the commands", iterating_beside, THREAD_DRIVEN_ONLY},
    {"A4 iterating between the commands", iterating_between, CALLER_DRIVEN_ONLY},
    {"A6 queued before the command returns", queued_before_return, EVERY_WAY},
    {"A6 consumer cancelled at once", consumer_cancelled_at_once, THREAD_DRIVEN_ONLY},
    {"A7 register and remove", register_and_remove, EVERY_WAY},
    {"A7 register and remove beside a consumer", register_and_remove_beside, THREAD_DRIVEN_ONLY},
    {"A8 built-in listener", built_in, EVERY_WAY},
    {"A9 get, then iterate", get_then_iterate, EVERY_WAY},
    {"A9b two consumers beside the commands", two_consumers_beside, THREAD_DRIVEN_ONLY},
    {"A9b two consumers in turn", two_consumers_in_turn, EVERY_WAY},
    {"A10 several listeners", several_listeners, EVERY_WAY},
    {"A11 clear", clear, EVERY_WAY},
    {"A12 history", history, EVERY_WAY},
    {"A13 filter", filter, EVERY_WAY},
    {"A14 filter with a parameter", filter_with_parameter, EVERY_WAY},
    {"A15 existing listener for a scope", listen_existing, EVERY_WAY},
    {"A16 two existing listeners for a scope", listen_two, EVERY_WAY},
    {"A17 specialised listeners", specialised, EVERY_WAY},
    {"A18 specialised listener for a scope", specialised_for_a_scope, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
