/* SPDX-License-Identifier: MIT */
/* qemu-storage-daemon: another program that speaks QMP, with its own schema: no machine, so no STOP and no `stop`;
 * block nodes and jobs, and no event when it quits. The library must not notice the difference. */

#include "fixture.h"

#define BACKUP_JOB "created", "running", "paused", "running", "waiting", "pending", "concluded", "null"

static void greeting(struct fixture *f)
{
    qmp_message *reply = NULL;
    int64_t major = 0;

    begin_with(f, MACHINE_STORAGE);
    assert_ok(qmp_client_greeting(f->client, &reply));
    assert_ok(qmp_value_int64(qmp_value_path(qmp_message_root(reply), "QMP.version.qemu.major"), &major));
    assert_true(major >= 5);
    qmp_message_unref(reply);
    assert_error(qmp_client_execute(f->client, "query-status", NULL, CHECK_WAIT, NULL, &reply), -EREMOTEIO);
    assert_string_equal(qmp_reply_error_class(reply), "CommandNotFound");
    qmp_message_unref(reply);
    synchronize(f->client);
}

static void schema(struct fixture *f)
{
    begin_with(f, MACHINE_STORAGE);
    qmp_message *reply = ask(f->client, "query-qmp-schema", NULL);
    assert_true(qmp_message_root(reply).size > 50000);
    assert_int_equal(qmp_value_type(qmp_value_path(qmp_reply_value(reply), "100.name")), QMP_STRING);
    qmp_message_unref(reply);
}

/* Two backups one after the other, each heard by its own listener only. */
static void backups(struct fixture *f)
{
    qmp_listener *l[2] = {NULL};
    qmp_scope *scope = NULL;

    begin_with(f, MACHINE_STORAGE);
    for (size_t i = 0; i < ELEMENTS(l); i++) {
        assert_ok(qmp_listener_new(&l[i], NAMES("JOB_STATUS_CHANGE")));
        assert_ok(qmp_listener_add_match(l[i], "data.id", i ? "job2" : "job1"));
    }
    assert_ok(qmp_client_listen(f->client, l, ELEMENTS(l), &scope));
    backup(f->client, "job1", 1);
    assert_sequence(l[0], BACKUP_JOB);
    backup(f->client, "job2", 2);
    assert_sequence(l[1], BACKUP_JOB);
    qmp_scope_end(scope);
    for (size_t i = 0; i < ELEMENTS(l); i++) {
        assert_past(l[i], BACKUP_JOB);
        qmp_listener_unref(l[i]);
    }
}

static void image_creation(struct fixture *f)
{
    qmp_listener *l = NULL;
    qmp_scope *scope = NULL;

    begin_with(f, MACHINE_STORAGE);
    char *path = machine_path(f->machine, "image");
    assert_ok(qmp_client_listener(f->client, NAMES("JOB_STATUS_CHANGE"), &l, &scope));
    tell_json(f->client, "blockdev-create",
        qmp_json("{'job-id': 'job', 'options': {'driver': 'file', 'filename': %s, 'size': 65536}}", path));
    assert_sequence(l, "created", "running", "waiting", "pending", "concluded");
    tell(f->client, "job-dismiss", "{\"id\": \"job\"}");
    assert_queued(l, "null");
    qmp_scope_end(scope);
    qmp_listener_unref(l);
    free(path);
}

/* `quit` is answered, and then the connection is over: no event announces it, and none is made up. */
static void quit(struct fixture *f)
{
    begin_with(f, MACHINE_STORAGE);
    tell(f->client, "quit", NULL);
    assert_get_error(qmp_client_events(f->client), CHECK_WAIT, -ENOTCONN);
    assert_int_equal(history_length(qmp_client_events(f->client)), 0);
    assert_int_equal(machine_wait_exit(f->machine), 0);
}

static const struct scenario scenarios[] = {
    {"greeting", greeting, EVERY_WAY},
    {"schema", schema, EVERY_WAY},
    {"backups", backups, EVERY_WAY},
    {"image creation", image_creation, EVERY_WAY},
    {"quit", quit, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
