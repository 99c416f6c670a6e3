/* SPDX-License-Identifier: MIT */
/* What the adapters share, on a loop that is none: it watches nothing, and the test plays its part. So what loops do
 * rarely, failing to watch a descriptor, is seen too, and what they are asked for is counted. */

#include <poll.h>

#include <qmp/adapt/adapter.h>

#include "check.h"
#include "duo.h"

/* What the loop was asked for. It outlives the adapter. */
struct record {
    int watch_error; /* what watching says */
    int fd;
    short events;
    uint64_t timer;
    unsigned n_watch, n_timer, n_freed;
};

struct fake {
    struct qmp_adapter adapter;
    struct record *record;
};

static int fake_watch(struct qmp_adapter *a, int fd, short events)
{
    struct record *r = ((struct fake *)a)->record;

    r->n_watch++;
    if (fd >= 0 && r->watch_error < 0)
        return r->watch_error;
    r->fd = fd;
    r->events = events;
    return 0;
}

static void fake_set_timer(struct qmp_adapter *a, uint64_t deadline)
{
    struct record *r = ((struct fake *)a)->record;

    r->n_timer++;
    r->timer = deadline;
}

static void fake_free(struct qmp_adapter *a)
{
    ((struct fake *)a)->record->n_freed++;
    free(a);
}

static struct fake *fake_new(struct record *record)
{
    struct fake *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->adapter.watch = fake_watch;
    f->adapter.set_timer = fake_set_timer;
    f->adapter.free = fake_free;
    f->record = record;
    record->fd = -1;
    record->timer = QMP_FOREVER;
    return f;
}

static void submit_within(struct duo *d, uint64_t timeout, struct outcome *o)
{
    struct qmp_request request = QMP_REQUEST_INIT;

    request.command = "query-name";
    request.timeout = timeout;
    assert_ok(qmp_client_send_full(d->client, &request, outcome_record, o, /* ret= */ NULL));
}

static void test_watches_what_it_is_told(void)
{
    struct record record = {0};
    struct duo d = duo_open();
    int fd = qmp_client_get_fd(d.client);

    assert_ok(qmp_adapter_start(&fake_new(&record)->adapter, d.client));
    assert_int_equal(record.fd, fd);
    assert_int_equal(record.events, POLLIN);
    assert_true(record.timer == QMP_FOREVER);
    assert_ok(qmp_client_disconnect(d.client));
    assert_int_equal(record.fd, -1);
    assert_int_equal(record.n_freed, 0);
    duo_close(&d);
    assert_int_equal(record.n_freed, 1);
}

static void test_refused_in_threaded_mode(void)
{
    struct record record = {0};
    struct duo d = duo_open_threaded();

    assert_error(qmp_adapter_start(&fake_new(&record)->adapter, d.client), -EBUSY);
    assert_int_equal(record.n_freed, 1);
    duo_close(&d);
}

/* Where watching fails at once, attaching fails, and the client is as it was. */
static void test_fails_at_once(void)
{
    struct record record = {.watch_error = -ENOSPC};
    struct duo d = duo_open();

    assert_error(qmp_adapter_start(&fake_new(&record)->adapter, d.client), -ENOSPC);
    assert_int_equal(record.n_freed, 1);
    duo_works(&d, NULL);
    duo_close(&d);
}

/* Where it fails later, the client is driven by the timer, and watched as soon as that works. */
static void test_fails_later(void)
{
    struct record record = {.watch_error = -ENOMEM};
    struct fake *f = fake_new(&record);
    struct duo d = duo_new();

    assert_ok(qmp_adapter_start(&f->adapter, d.client));
    duo_connect(&d);
    assert_int_equal(record.fd, -1);
    assert_true(record.timer <= check_now() + QMP_ADAPTER_RETRY);
    peer_do(d.peer, PEER_SEND(PEER_GREETING_TEXT));
    qmp_adapter_due(&f->adapter);
    assert_int_equal(record.fd, -1);
    assert_true(record.timer <= check_now() + QMP_ADAPTER_RETRY);
    peer_do(d.peer, PEER_EXPECT("qmp_capabilities"), PEER_RETURN);
    qmp_adapter_due(&f->adapter);
    assert_int_equal(qmp_client_runstate(d.client), QMP_RUNNING);

    record.watch_error = 0;
    qmp_adapter_due(&f->adapter);
    assert_int_equal(record.fd, qmp_client_get_fd(d.client));
    assert_int_equal(record.events, POLLIN);
    duo_close(&d);
    assert_int_equal(record.n_freed, 1);
}

/* The timer is set for an earlier deadline, and left alone for a later one. */
static void test_timer_is_lazy(void)
{
    struct outcome late = {0}, later = {0}, soon = {0};
    struct record record = {0};
    struct fake *f = fake_new(&record);
    struct duo d = duo_open();
    uint64_t timer;

    assert_ok(qmp_adapter_start(&f->adapter, d.client));
    submit_within(&d, 500 * QMP_SECOND, &late);
    assert_int_equal(record.n_timer, 1);
    submit_within(&d, 600 * QMP_SECOND, &later);
    assert_int_equal(record.n_timer, 1);
    timer = record.timer;
    submit_within(&d, 1, &soon);
    assert_int_equal(record.n_timer, 2);
    assert_true(record.timer < timer);

    qmp_adapter_due(&f->adapter);
    while (soon.calls == 0) {
        assert_true(record.timer != QMP_FOREVER);
        qmp_adapter_due(&f->adapter);
    }
    assert_outcome(&soon, -ETIMEDOUT);
    assert_true(record.timer == timer);
    assert_int_equal(late.calls + later.calls, 0);

    /* Too early by some other clock: nothing but the timer is done. */
    qmp_adapter_due(&f->adapter);
    assert_true(record.timer == timer);
    assert_int_equal(late.calls, 0);
    assert_ok(qmp_client_disconnect(d.client));
    assert_true(record.timer == QMP_FOREVER);
    duo_close(&d);
}

static void free_client(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct duo *d = userdata;

    (void)p, (void)error, (void)reply;
    d->client = qmp_client_unref(d->client);
}

static void test_client_goes_in_process(void)
{
    struct record record = {0};
    struct fake *f = fake_new(&record);
    struct duo d = duo_open();

    assert_ok(qmp_adapter_start(&f->adapter, d.client));
    assert_ok(qmp_client_execute_async(d.client, "query-name", NULL, free_client, &d, NULL));
    qmp_adapter_ready(&f->adapter);
    peer_do(d.peer, PEER_EXPECT("query-name"), PEER_RETURN);
    qmp_adapter_ready(&f->adapter);
    assert_null(d.client);
    assert_int_equal(record.n_freed, 1);
    assert_int_equal(record.fd, -1);
    duo_close(&d);
}

static void run_loop_inside(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    (void)p, (void)error, (void)reply;
    qmp_adapter_ready(userdata);
}

static void test_loop_inside_a_callback(void)
{
    struct record record = {0};
    struct fake *f = fake_new(&record);
    struct duo d = duo_open();

    assert_ok(qmp_adapter_start(&f->adapter, d.client));
    assert_ok(qmp_client_execute_async(d.client, "query-name", NULL, run_loop_inside, &f->adapter, NULL));
    qmp_adapter_ready(&f->adapter);
    peer_do(d.peer, PEER_EXPECT("query-name"), PEER_RETURN);
    qmp_adapter_ready(&f->adapter);
    assert_ok(qmp_client_set_watch(d.client, NULL, NULL, NULL));
    duo_works(&d, NULL);
    duo_close(&d);
}

int main(int argc, char **argv)
{
    static const struct check_test tests[] = {
        CHECK_TEST(test_watches_what_it_is_told),
        CHECK_TEST(test_refused_in_threaded_mode),
        CHECK_TEST(test_fails_at_once),
        CHECK_TEST(test_fails_later),
        CHECK_TEST(test_timer_is_lazy),
        CHECK_TEST(test_client_goes_in_process),
        CHECK_TEST(test_loop_inside_a_callback),
    };

    return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
