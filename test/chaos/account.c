/* SPDX-License-Identifier: MIT */
/* The books of what goes through a relay: what was passed on to the client on one side, what its listeners and commands
 * say on the other.
 *
 * Invariant: each event that was passed on is handed out once, in order, with its number, to each listener that wants
 * it, or is counted as dropped; between the events of two connections, and behind those that came before the
 * negotiation, there is a gap, and nowhere else; a command completes once, with the reply that was passed on on its
 * connection, or because that ended before it.
 *
 * It refuses to know the library's parser: where an object ends, and what it is, it finds by itself. */

#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 200
#define BOUND 5

/* ---- what was passed on ---- */

struct object {
    const char *text;
    size_t size;
};

/* The next complete object at *at; false when there is none, or something that is none stands before it. */
static bool next_object(const char *text, size_t size, size_t *at, struct object *ret)
{
    size_t i = *at, depth = 0;
    bool quoted = false;

    while (i < size && strchr("\r\n\t ", text[i]) && text[i])
        i++;
    if (i == size || text[i] != '{')
        return false;
    for (size_t start = i; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']') && --depth == 0) {
            *ret = (struct object){text + start, i + 1 - start};
            *at = i + 1;
            return true;
        }
    }
    return false;
}

static bool has(const struct object *o, const char *word)
{
    return memmem(o->text, o->size, word, strlen(word)) != NULL;
}

static bool is_event(const struct object *o)
{
    return has(o, "\"event\":");
}

/* The id of a command, with its quotation marks; NULL when there is none. The caller frees it. */
static char *id_of(const struct object *command)
{
    char *text = strndup(command->text, command->size), *id = strstr(text, "\"id\":\"");

    if (id) {
        id += strlen("\"id\":");
        id[strcspn(id + 1, "\"") + 2] = '\0';
        id = strdup(id);
    }
    free(text);
    return id;
}

/* The ids of the negotiations that went to the server: whether this is the reply to one. */
static bool is_negotiated(const struct relay_record *record, const struct object *reply)
{
    struct object o;
    size_t at = 0;
    bool found = false;

    while (!found && next_object(record->text[1], record->size[1], &at, &o)) {
        char *id = has(&o, "\"qmp_capabilities\"") ? id_of(&o) : NULL;

        found = id && has(reply, "\"return\":") && has(reply, id);
        free(id);
    }
    return found;
}

/* ---- what was heard ---- */

static void hear(struct ear *e, int said, const qmp_message *event)
{
    struct heard *h;

    if (e->n_heard % 256 == 0)
        e->heard = realloc(e->heard, (e->n_heard + 256) * sizeof(*e->heard));
    if (!e->heard)
        abort(); /* no assertion: a handler comes here */
    h = &e->heard[e->n_heard++];
    *h = (struct heard){.said = said};
    if (event) {
        h->sequence = qmp_message_sequence(event);
        h->text = strndup(qmp_message_root(event).text, qmp_message_root(event).size);
    }
}

static void handle(qmp_listener *l, qmp_message *event, void *ear)
{
    (void)l;
    hear(ear, 0, event);
}

void account_listen(struct account *a)
{
    for (size_t i = 0; i < a->n_ears; i++) {
        struct ear *e = &a->ears[i];
        qmp_message *event = NULL;
        int r = 0;

        while (e->kind != EAR_HANDLER && r != -EAGAIN) {
            r = qmp_listener_get(e->listener, 0, &event);
            assert_true(r == 0 || r == -EAGAIN || r == -ESTALE || (r == -ENOBUFS && e->kind == EAR_BOUNDED));
            if (r != -EAGAIN)
                hear(e, r, r == 0 ? event : NULL);
            if (r == 0)
                qmp_message_unref(event);
        }
    }
}

static bool wants_stop(const char *event)
{
    return strstr(event, "\"STOP\"") != NULL;
}

static bool wants_resume(const char *event)
{
    return strstr(event, "\"RESUME\"") != NULL;
}

/* One in three or so, by the text. */
static bool wants_some(const char *event)
{
    unsigned sum = 0;

    while (*event)
        sum += (unsigned char)*event++;
    return sum % 3 == 0;
}

static bool filter_some(const qmp_message *event, void *userdata)
{
    char *text = strndup(qmp_message_root(event).text, qmp_message_root(event).size);
    bool wanted = wants_some(text);

    (void)userdata;
    free(text);
    return wanted;
}

static struct ear *add_ear(
    struct account *a, const char *name, enum ear_kind kind, const char *const *names, bool (*wants)(const char *event))
{
    struct ear *e = &a->ears[a->n_ears++];

    *e = (struct ear){.name = name, .kind = kind, .wants = wants};
    assert_ok(qmp_listener_new(&e->listener, names));
    assert_ok(qmp_listener_set_limits(e->listener, kind == EAR_BOUNDED ? BOUND : SIZE_MAX, 0));
    if (kind == EAR_HANDLER)
        assert_ok(qmp_listener_set_handler(e->listener, handle, e));
    return e;
}

struct account *account_new(qmp_client *c, struct relay *r)
{
    struct account *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    a->client = c;
    a->relay = r;
    add_ear(a, "everything", EAR_WHOLE, NULL, NULL);
    add_ear(a, "STOP", EAR_WHOLE, NAMES("STOP"), wants_stop);
    add_ear(a, "RESUME, with a handler", EAR_HANDLER, NAMES("RESUME"), wants_resume);
    add_ear(a, "everything, with a handler", EAR_HANDLER, NULL, NULL);
    struct ear *some = add_ear(a, "some, by a filter", EAR_WHOLE, NULL, wants_some);
    assert_ok(qmp_listener_set_filter(some->listener, filter_some, NULL));
    add_ear(a, "everything, bounded", EAR_BOUNDED, NULL, NULL);
    add_ear(a, "STOP, bounded", EAR_BOUNDED, NAMES("STOP"), wants_stop);
    for (size_t i = 0; i < a->n_ears; i++)
        assert_ok(qmp_client_register_listener(c, a->ears[i].listener));
    return a;
}

void account_free(struct account *a)
{
    for (size_t i = 0; i < a->n_ears; i++) {
        qmp_listener_unref(a->ears[i].listener);
        for (size_t k = 0; k < a->ears[i].n_heard; k++)
            free(a->ears[i].heard[k].text);
        free(a->ears[i].heard);
    }
    for (unsigned i = 0; i < a->n_commands; i++)
        free(a->commands[i].reply);
    free(a);
}

/* ---- commands ---- */

static void name_command(char name[32], unsigned i)
{
    snprintf(name, 32, "chaos-%u-", i);
}

static void complete(qmp_pending *p, int error, qmp_message *reply, void *command)
{
    struct command *c = command;

    (void)p;
    c->completed++;
    c->error = error;
    if (reply && !c->reply)
        c->reply = strndup(qmp_message_root(reply).text, qmp_message_root(reply).size);
}

void account_command(struct account *a)
{
    char name[32];

    assert_true(a->n_commands < COMMANDS_MAX);
    name_command(name, a->n_commands);
    int r = qmp_client_execute_async(a->client, name, NULL, complete, &a->commands[a->n_commands], NULL);
    assert_true(r == 0 || r == -ENOTCONN || r == -ENOBUFS);
    a->n_commands += r == 0;
}

/* How many replies to it were passed on on its own connection. */
static unsigned count_replies(
    const struct relay_record *records, size_t n, const char *name, const char *reply, bool *ret_same)
{
    unsigned found = 0;

    for (size_t i = 0; i < n; i++) {
        struct object o;
        size_t at = 0;

        if (records[i].size[1] == 0 || !memmem(records[i].text[1], records[i].size[1], name, strlen(name)))
            continue;
        while (next_object(records[i].text[0], records[i].size[0], &at, &o)) {
            if (is_event(&o) || !has(&o, name))
                continue;
            found++;
            *ret_same |= reply && strlen(reply) == o.size && memcmp(reply, o.text, o.size) == 0;
        }
    }
    return found;
}

/* The id that a command had on a connection; NULL when it was not sent on this one. The caller frees it. */
static char *id_on(const struct relay_record *record, const char *name)
{
    char *id = NULL;
    struct object o;
    size_t at = 0;

    while (!id && next_object(record->text[1], record->size[1], &at, &o)) {
        if (has(&o, name))
            id = id_of(&o);
    }
    return id;
}

/* Where bytes were damaged, too, a reply stands in what was passed on, in one piece; and where nothing that went to the
 * server was, on the command's own connection, and with its id. */
static void check_genuine_reply(
    struct account *a, const char *name, const char *reply, const struct relay_record *records, size_t n)
{
    bool genuine = false;

    for (size_t i = 0; i < n && !genuine; i++) {
        char *id = id_on(&records[i], name);

        genuine = records[i].size[0] > 0 && memmem(records[i].text[0], records[i].size[0], reply, strlen(reply)) &&
                  (a->damage == DAMAGE_BOTH_WAYS || (id && strstr(reply, id)));
        free(id);
    }
    if (!genuine)
        fail_msg("%s: a reply that nobody sent, or another's: %s", name, reply);
}

static void check_command(struct account *a, unsigned i, const struct relay_record *records, size_t n)
{
    const struct command *c = &a->commands[i];
    bool same = false, answered = c->error == -EREMOTEIO;
    char name[32];

    name_command(name, i);
    if (c->completed != 1)
        fail_msg("%s completed %u times", name, c->completed);
    /* What damage makes of a refusal may be anything. */
    if (!answered && c->error != -ECONNRESET && !(a->damage && c->reply))
        fail_msg("%s: %s", name, qmp_strerror(c->error));
    a->replies += answered;
    if (a->damage && c->reply)
        check_genuine_reply(a, name, c->reply, records, n);
    if (a->damage)
        return;
    unsigned replies = count_replies(records, n, name, c->reply, &same);
    if (replies != answered || same != answered)
        fail_msg("%s: %s, with %s; %u replies were passed on", name, qmp_strerror(c->error),
            c->reply ? c->reply : "nothing", replies);
}

/* ---- events ---- */

/* Where a listener stands in what it has heard. */
struct reader {
    struct account *account;
    const struct ear *ear;
    size_t at;
    bool gap;    /* one is due: what comes next is behind it */
    size_t kept; /* events handed out */
    size_t wanted;
};

static const struct heard *peek(struct reader *r)
{
    return r->at < r->ear->n_heard ? &r->ear->heard[r->at] : NULL;
}

static void differ(struct reader *r, const char *what, const struct object *o, size_t connection)
{
    const struct heard *h = peek(r);

    fail_msg("%s: %s on connection %zu: passed on: %.*s; heard (%zu): %s", r->ear->name, what, connection,
        (int)(o->size < SHOWN_MAX ? o->size : SHOWN_MAX), o->text, r->at,
        !h        ? "nothing more"
        : h->text ? h->text
                  : qmp_strerror(h->said));
}

/* Skips what stands between two events. Returns whether there was a gap. */
static bool skip_marks(struct reader *r)
{
    bool gap = false;

    for (const struct heard *h; (h = peek(r)) && !h->text; r->at++)
        gap |= h->said == -ESTALE;
    return gap;
}

static bool is_next(struct reader *r, const struct object *o, uint64_t sequence)
{
    const struct heard *h = peek(r);

    return h && h->sequence == sequence && strlen(h->text) == o->size && memcmp(h->text, o->text, o->size) == 0;
}

static void compare_event(struct reader *r, const struct object *o, uint64_t sequence, size_t connection)
{
    size_t before = r->at;
    bool gap = skip_marks(r), by_get = r->ear->kind != EAR_HANDLER;

    if (!is_next(r, o, sequence)) {
        if (r->ear->kind != EAR_BOUNDED)
            differ(r, "lost, twice, or in another place", o, connection);
        r->at = before; /* dropped, or the end will show it */
        return;
    }
    if (by_get && r->gap && !gap)
        differ(r, "a gap is missing", o, connection);
    if (by_get && !r->gap && gap)
        differ(r, "a gap where there is none", o, connection);
    r->account->gaps += by_get && gap;
    r->gap = false;
    r->at++;
    r->kept++;
}

static void check_ear(struct account *a, const struct ear *e, const struct relay_record *records, size_t n)
{
    struct reader r = {.account = a, .ear = e};

    for (size_t i = 0; i < n; i++) {
        uint64_t sequence = 0;
        bool early = true;
        struct object o;
        size_t at = 0;

        r.gap |= i > 0;
        while (next_object(records[i].text[0], records[i].size[0], &at, &o)) {
            char *text = is_event(&o) ? strndup(o.text, o.size) : NULL;

            if (!text) {
                early = early && !is_negotiated(&records[i], &o);
                continue;
            }
            sequence++;
            if (!e->wants || e->wants(text)) {
                r.wanted++;
                compare_event(&r, &o, sequence, i);
                r.gap |= early;
                a->early += early && e == a->ears;
            }
            free(text);
        }
        a->events += e == a->ears ? sequence : 0;
    }
    skip_marks(&r);
    if (r.at != e->n_heard)
        fail_msg("%s: heard what was not passed on (%zu): %s", e->name, r.at, e->heard[r.at].text);
    uint64_t dropped = qmp_listener_dropped(e->listener);
    if (r.kept + dropped != r.wanted || (e->kind != EAR_BOUNDED && dropped != 0))
        fail_msg("%s: of %zu events %zu were heard, and %llu dropped", e->name, r.wanted, r.kept,
            (unsigned long long)dropped);
    a->dropped += dropped;
}

/* Where bytes were damaged nobody but the library can say where an object ends and what it is. But whatever it hands
 * out stands in what was passed on, in order, and in one piece. */
static void check_genuine(const struct ear *e, const struct relay_record *records, size_t n)
{
    size_t connection = 0, at = 0;

    for (size_t i = 0; i < e->n_heard; i++) {
        const char *text = e->heard[i].text, *found = NULL;

        while (text && connection < n && !found) {
            const struct relay_record *record = &records[connection];

            found =
                record->size[0] > at ? memmem(record->text[0] + at, record->size[0] - at, text, strlen(text)) : NULL;
            at = found ? (size_t)(found - record->text[0]) + strlen(text) : 0;
            connection += !found;
        }
        if (text && !found)
            fail_msg("%s: an event that nobody sent, or twice: %s", e->name, text);
    }
}

void account_check(struct account *a)
{
    size_t n;
    const struct relay_record *records = relay_records(a->relay, &n);

    account_listen(a);
    a->connections = n;
    for (size_t i = 0; i < a->n_ears; i++) {
        if (a->damage)
            check_genuine(&a->ears[i], records, n);
        else
            check_ear(a, &a->ears[i], records, n);
    }
    for (unsigned i = 0; i < a->n_commands; i++)
        check_command(a, i, records, n);
}
