/* SPDX-License-Identifier: MIT */
/* The guarantee that makes listeners usable without races: an event that precedes a reply on the wire is queued before
 * that reply completes. So what a command caused before it was answered can be taken, without waiting, as soon as the
 * command has returned; and it is already there when the command's callback runs.
 *
 * QEMU sends STOP and RESUME before the replies to `stop` and `cont`, and the first two states of an image-creation job
 * before the reply to `blockdev-create`. */

#include <string.h>

#include "fixture.h"

#define ROUNDS 200

static void queued_when_execute_returns(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP", "RESUME"), &l, &scope));
    for (unsigned i = 0; i < ROUNDS; i++) {
        tell(f->client, "stop", NULL);
        assert_queued(l, "STOP");
        assert_no_event(l);
        tell(f->client, "cont", NULL);
        assert_queued(l, "RESUME");
        assert_no_event(l);
    }
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

struct observation {
    qmp_listener *listener;
    const char *expected;
    unsigned right, wrong;
};

static void observe(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct observation *o = userdata;
    qmp_message *event = NULL;
    char label[64] = "";

    (void)p;
    (void)reply;
    if (error == 0 && qmp_listener_get(o->listener, 0, &event) == 0)
        event_label(event, label, sizeof(label));
    qmp_message_unref(event);
    *(strcmp(label, o->expected) == 0 ? &o->right : &o->wrong) += 1;
}

static void queued_when_the_callback_runs(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    struct observation stop = {.expected = "STOP"}, cont = {.expected = "RESUME"};

    begin(f);
    assert_ok(qmp_client_listener(f->client, NAMES("STOP", "RESUME"), &l, &scope));
    stop.listener = cont.listener = l;
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_ok(qmp_client_execute_async(f->client, "stop", NULL, observe, &stop, NULL));
        assert_ok(qmp_client_execute_async(f->client, "cont", NULL, observe, &cont, NULL));
    }
    synchronize(f->client);
    assert_int_equal(stop.wrong + cont.wrong, 0);
    assert_int_equal(stop.right, ROUNDS);
    assert_int_equal(cont.right, ROUNDS);
    assert_no_event(l);
    qmp_scope_end(scope);
    qmp_listener_unref(l);
}

static void job_states_before_the_reply(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;
    char *path = NULL;

    begin(f);
    path = machine_path(f->machine, "image");
    assert_ok(qmp_client_listener(f->client, NAMES("JOB_STATUS_CHANGE"), &l, &scope));
    tell_json(f->client, "blockdev-create",
        qmp_json("{'job-id': 'job', 'options': {'driver': 'file', 'filename': %s, 'size': 65536}}", path));
    assert_queued(l, "created", "running");
    assert_sequence(l, "waiting", "pending", "concluded");
    tell(f->client, "job-dismiss", "{\"id\": \"job\"}");
    assert_queued(l, "null");
    qmp_scope_end(scope);
    qmp_listener_unref(l);
    free(path);
}

static const struct scenario scenarios[] = {
    {"queued when execute returns", queued_when_execute_returns, EVERY_WAY},
    {"queued when the callback runs", queued_when_the_callback_runs, EVERY_WAY},
    {"job states before the reply", job_states_before_the_reply, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
