/* SPDX-License-Identifier: MIT */
/* A client and a real QEMU with a relay in between that disturbs what goes through, while events flood it and commands
 * are on their way.
 *
 * Invariant: bytes in other pieces or later change nothing that can be seen; a cut is announced to everybody, once; of
 * damaged bytes nothing comes that did not stand in them, and the client is there again afterwards. The books balance
 * each time.
 *
 * It refuses to know what QEMU makes of rubbish: where that is sent, the client must be there again on another QEMU. */

#include <poll.h>
#include <sched.h>
#include <stdio.h>

#include "account.h"
#include "rounds.h"

/* How often the machine stops and resumes in a step, and how many steps there are. */
enum { TURNS = 5, STEPS = 30 };

static const struct qmp_reconnect soon = {
    sizeof(struct qmp_reconnect), 1, 2 * QMP_MILLISECOND, /* attempts_max= */ 0, /* initially= */ true};

struct round {
    struct account *account;
    qmp_client *client; /* the fixture's, so that it goes when the test fails, too */
    qmp_client *other;  /* straight on the machine: makes the events, by itself */
    struct relay *relay;
    bool threaded;
};

static void start(struct round *r, struct fixture *f)
{
    const char *path = check_path("relay");

    *r = (struct round){.threaded = f->threaded, .client = new_client(f)};
    r->other = connect_client(&(struct fixture){.threaded = true, .machine = f->machine}, 1);
    r->relay = relay_start(listen_at(path), machine_address(f->machine, 0));
    r->account = account_new(r->client, r->relay);
    f->client = r->client;
    assert_ok(qmp_client_set_reconnect(r->client, &soon));
    assert_ok(qmp_client_connect(r->client, path));
    assert_ok(qmp_client_wait_running(r->client, CHECK_WAIT));
}

static void done(struct round *r, struct fixture *f)
{
    f->client = r->client = qmp_client_unref(f->client);
    qmp_client_unref(r->other);
    relay_stop(r->relay);
    account_free(r->account);
}

/* What is there is read, and what goes on of itself goes on a little. */
static void drive(struct round *r)
{
    if (r->threaded)
        sched_yield();
    for (unsigned i = 0; i < 4 && !r->threaded; i++) {
        assert_true(qmp_client_wait(r->client, QMP_MILLISECOND / 4) >= 0);
        assert_true(qmp_client_process(r->client) >= 0);
    }
}

/* Makes two events; but rubbish may have ended QEMU. */
static void emit(struct round *r)
{
    for (unsigned i = 0; i < 2; i++) {
        int e = qmp_client_execute_async(r->other, i ? "cont" : "stop", NULL, NULL, NULL, NULL);
        assert_true(e == 0 || (r->account->damage == DAMAGE_BOTH_WAYS && e == -ENOTCONN));
    }
}

static void flood(struct round *r)
{
    for (unsigned i = 0; i < TURNS; i++) {
        emit(r);
        account_command(r->account);
        drive(r);
    }
}

/* Until it has a connection that holds. */
static void reach(qmp_client *c)
{
    int r;

    do {
        assert_ok(qmp_client_wait_running(c, CHECK_WAIT));
        r = qmp_client_execute(c, "query-name", NULL, CHECK_WAIT, NULL, NULL);
        assert_true(r == 0 || r == -ECONNRESET || r == -ENOTCONN);
    } while (r < 0);
}

/* Everything that was under way has arrived; also at handlers, which follow the reply. */
static void settle(struct round *r)
{
    synchronize(r->other);
    reach(r->client);
    synchronize(r->client);
    synchronize(r->client);
}

static void settle_and_check(struct round *r)
{
    relay_disturb(r->relay, 0, 0);
    settle(r);
    account_check(r->account);
}

static void say(struct round *r)
{
    print_message("%zu connections, %zu events, %zu early, %zu gaps, %zu dropped, %u commands, %zu answered\n",
        r->account->connections, r->account->events, r->account->early, r->account->gaps, r->account->dropped,
        r->account->n_commands, r->account->replies);
}

/* ---- in pieces, together, late ---- */

static void disturb(struct fixture *f, uint64_t seed)
{
    struct round r;

    start(&r, f);
    relay_disturb(r.relay, RELAY_SPLIT | RELAY_MERGE | RELAY_DELAY, seed);
    for (unsigned i = 0; i < STEPS / 3; i++) {
        flood(&r);
        account_listen(r.account);
    }
    settle_and_check(&r);
    assert_int_equal(relay_count(r.relay), 1);
    assert_int_equal(r.account->replies, r.account->n_commands);
    assert_true(r.account->events >= STEPS / 3);
    assert_int_equal(r.account->gaps, 0);
    done(&r, f);
}

static void disturbed(struct fixture *f)
{
    begin(f);
    f->client = qmp_client_unref(f->client);
    each_seed(2, disturb, f);
}

/* ---- cut ---- */

static void cut(struct fixture *f, uint64_t seed)
{
    struct round r;

    start(&r, f);
    for (unsigned i = 0; i < STEPS; i++) {
        /* A calm connection now and then: there must be events behind the negotiation, too. */
        relay_disturb(r.relay, i % 3 == 0 ? 0 : RELAY_SPLIT | RELAY_MERGE | RELAY_CUT, seed * STEPS + i);
        flood(&r);
        if (i % 5 == 4) {
            relay_cut(r.relay);
            reach(r.client); /* on a busy machine too, each of these cuts is one connection more */
        }
        if (i % 4 == 3)
            account_listen(r.account);
    }
    settle_and_check(&r);
    say(&r);
    assert_true(r.account->connections > 1 && r.account->gaps > 0 && r.account->events > 0);
    done(&r, f);
}

static void cut_again_and_again(struct fixture *f)
{
    begin(f);
    f->client = qmp_client_unref(f->client);
    each_seed(3, cut, f);
}

/* Cut as soon as it is there again, while events never cease: some then come before the greeting. */
static void storm(struct fixture *f, uint64_t seed)
{
    struct round r;

    start(&r, f);
    for (unsigned i = 0; i < STEPS; i++) {
        relay_disturb(r.relay, i % 2 ? RELAY_SPLIT : 0, seed * STEPS + i);
        for (unsigned k = 0; k < 4 * TURNS; k++)
            emit(&r);
        relay_cut(r.relay);
        account_command(r.account);
        reach(r.client);
        account_command(r.account);
        account_listen(r.account);
    }
    settle_and_check(&r);
    say(&r);
    assert_true(r.account->connections > STEPS && r.account->gaps > 0);
    done(&r, f);
}

static void reconnect_storm(struct fixture *f)
{
    begin(f);
    f->client = qmp_client_unref(f->client);
    each_seed(1, storm, f);
}

/* ---- damaged ---- */

/* The failures that damaged bytes may end in. Written and read on the driving thread, and after it has calmed down. */
struct failures {
    unsigned n;
    unsigned undocumented;
    enum qmp_failure kind;
};

static void note_failure(qmp_client *c, enum qmp_runstate state, void *userdata)
{
    struct failures *failures = userdata;

    if (state != QMP_DISCONNECTING)
        return;
    failures->n++;
    switch (qmp_client_failure_kind(c)) {
    case QMP_FAILURE_GREETING:
    case QMP_FAILURE_CLOSED:
    case QMP_FAILURE_DESERIALIZATION:
    case QMP_FAILURE_UNEXPECTED_TYPE:
    case QMP_FAILURE_SERVER_PARSE:
    case QMP_FAILURE_BAD_GREETING:
    case QMP_FAILURE_NEGOTIATION:
    case QMP_FAILURE_LIMIT:
        break;
    default:
        failures->undocumented++;
        failures->kind = qmp_client_failure_kind(c);
    }
}

/* Rubbish can leave a monitor of QEMU 7.2 deaf for ever: it greets whoever comes and reads nothing. (What comes before
 * the negotiation suspends it once for each command or error; when the connection ends while two of them wait, it is
 * resumed once.) So can a program of its own that takes its place. */
static void replace_server(struct round *r, struct fixture *f)
{
    struct fixture fresh = {.threaded = true, .pretty = f->pretty};

    begin(&fresh);
    qmp_client_unref(fresh.client);
    relay_lead(r->relay, machine_address(fresh.machine, 0));
    qmp_client_unref(r->other);
    r->other = connect_client(&fresh, 1);
    machine_stop(f->machine);
    f->machine = fresh.machine;
}

/* The client is of use: it is answered, and it hears. */
static void check_back(struct round *r)
{
    unsigned before = r->account->n_commands;
    size_t heard;

    account_listen(r->account);
    heard = r->account->ears[0].n_heard;
    flood(r);
    settle(r);
    account_check(r->account);
    assert_int_equal(r->account->n_commands, before + TURNS);
    for (unsigned i = before; i < r->account->n_commands; i++)
        assert_int_equal(r->account->commands[i].error, -EREMOTEIO);
    assert_true(r->account->ears[0].n_heard >= heard + 2 * TURNS);
}

static void damage(struct fixture *f, uint64_t seed, enum damage where)
{
    static struct failures failures; /* it may be written to after the test has failed */
    unsigned spare = where == DAMAGE_TO_CLIENT ? RELAY_SPARE : 0;
    struct round r;

    failures = (struct failures){0};
    start(&r, f);
    r.account->damage = where;
    assert_ok(qmp_client_set_runstate_handler(r.client, note_failure, &failures));
    for (unsigned i = 0; i < STEPS; i++) {
        relay_disturb(r.relay, (i % 2 ? RELAY_CORRUPT : RELAY_REORDER) | RELAY_SPLIT | spare, seed * STEPS + i);
        flood(&r);
        /* A quotation mark that is missing can make either side wait for ever. */
        if (i % 5 == 4)
            relay_cut(r.relay);
        account_listen(r.account);
    }
    relay_disturb(r.relay, 0, 0);
    if (where == DAMAGE_BOTH_WAYS)
        replace_server(&r, f);
    relay_cut(r.relay);
    settle(&r);
    assert_ok(qmp_client_set_runstate_handler(r.client, NULL, NULL));
    if (failures.undocumented > 0)
        fail_msg("%u failures of kind %d or so", failures.undocumented, (int)failures.kind);
    assert_true(failures.n > 0);
    check_back(&r);
    done(&r, f);
}

static void damage_to_client(struct fixture *f, uint64_t seed)
{
    damage(f, seed, DAMAGE_TO_CLIENT);
}

static void damaged(struct fixture *f)
{
    begin(f);
    f->client = qmp_client_unref(f->client);
    each_seed(2, damage_to_client, f);
}

static void damage_both_ways(struct fixture *f, uint64_t seed)
{
    damage(f, seed, DAMAGE_BOTH_WAYS);
}

static void damaged_both_ways(struct fixture *f)
{
    begin(f);
    f->client = qmp_client_unref(f->client);
    each_seed(1, damage_both_ways, f);
}

static const struct scenario scenarios[] = {
    {"disturbed", disturbed, EVERY_WAY},
    {"cut again and again", cut_again_and_again, EVERY_WAY},
    {"reconnect storm", reconnect_storm, EVERY_WAY},
    {"damaged", damaged, EVERY_WAY},
    {"damaged both ways", damaged_both_ways, EVERY_WAY},
};

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, scenarios, ELEMENTS(scenarios));
}
