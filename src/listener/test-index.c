/* SPDX-License-Identifier: MIT */
/* The index against the plain truth: what it finds is what a look at every rule would find, each listener once, after
 * any history of adding, filing anew and removing; and nothing is left of what was removed.
 *
 * What it costs is counted, not timed: the rules it tests are those that hear the event, however many there are. The
 * index is compiled into this file for that, with the test of a rule counted. $TEST_SEED repeats a run. */

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "listener/index.h"
#include "util/util.h"

static bool rule_matches_counted(const struct rule *r, size_t first, const qmp_message *event);

#define rule_matches rule_matches_counted
#include "listener/index.c"
#undef rule_matches

static unsigned n_tested;

static bool rule_matches_counted(const struct rule *r, size_t first, const qmp_message *event)
{
    n_tested++;
    return rule_matches(r, first, event);
}

#define N_LISTENERS 60u
#define ROUNDS 4000u
#define N_DEAF 10000u

/* The index knows listeners as addresses only; here they are these. */
struct fake {
    struct list entries;
    struct rule *rule; /* NULL: not in the index */
    unsigned found;
};

static uint64_t random_state;

static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 16) % n);
}

static bool accept_any(qmp_listener *l, const qmp_message *event, void *userdata)
{
    (void)l;
    (void)event;
    (void)userdata;
    return true;
}

static qmp_listener *listener_of(struct fake *f)
{
    return (qmp_listener *)(void *)f;
}

static void on_found(void *userdata, qmp_listener *l, struct rule *rule)
{
    struct fake *f = (struct fake *)(void *)l;

    f->found++;
    ++*(unsigned *)userdata;
    if (f->rule != rule)
        f->found = 1000; /* found under a rule that is not its own */
}

/* Words with and without escapes, and what is no string. The same value may be written in several ways. */
static const char *const values[] = {"a", "b", "42", "-1", "true", "null", "", "\xC3\xA9", "12345678", "123456789",
    "/machine/peripheral/a \"quoted\" one", "a\tb"};
static const char *const written[] = {"\"a\"", "\"\\u0061\"", "\"b\"", "42", "\"42\"", "42.0", "-1", "true", "\"true\"",
    "null", "\"\"", "\"\xC3\xA9\"", "\"\\u00E9\"", "\"12345678\"", "\"1234567\\u0038\"", "12345678",
    "\"12345678\\u0039\"", "\"123456789\"", "123456789", "\"\\/machine\\/peripheral/a \\\"quoted\\u0022 one\"",
    "\"a\\tb\"", "\"a\\u0009b\"", "\"a\\u0000\"", "[\"a\"]", "{\"a\": \"a\"}", "\"c\""};
static const char *const names[] = {"E0", "E1", "E2", "E3", "A_LONGER_NAME"};
static const char *const paths[] = {"data.a", "data.b", "data.c.d", "data.list.1", "event", "data", "data.x\\.y"};

static struct rule *random_rule(void)
{
    const char *some[4] = {NULL};
    struct rule *r = NULL;
    unsigned n_names = below(4), n_matches = below(4);

    for (unsigned i = 0; i < n_names; i++)
        some[i] = names[below(ELEMENTS(names))];
    assert_int_equal(rule_new(&r, some), 0);
    for (unsigned i = 0; i < n_matches; i++)
        assert_int_equal(rule_add_match(r, paths[below(ELEMENTS(paths))], values[below(ELEMENTS(values))]), 0);
    if (below(12) == 0)
        r->accept = accept_any;
    return r;
}

static const char *random_written(void)
{
    return written[below(ELEMENTS(written))];
}

static qmp_message *random_event(void)
{
    char text[1024];
    qmp_message *m = NULL;
    int n;

    if (below(10) == 0)
        n = snprintf(text, sizeof(text), "{\"event\": \"%s\"}", names[below(ELEMENTS(names))]);
    else
        n = snprintf(text, sizeof(text),
            "{\"event\": \"%s\", \"data\": {\"a\": %s, \"b\": %s, \"c\": {\"d\": %s}, \"list\": [0, %s], \"x.y\": %s}}",
            names[below(ELEMENTS(names))], random_written(), random_written(), random_written(), random_written(),
            random_written());
    assert_int_equal(qmp_message_parse(&m, text, (size_t)n), 0);
    return m;
}

static void add(struct index *x, struct fake *f, struct rule *rule)
{
    list_init(&f->entries);
    f->rule = rule;
    assert_int_equal(index_add(x, &f->entries, listener_of(f), rule), 0);
    assert_false(list_empty(&f->entries));
}

static void drop(struct index *x, struct fake *f)
{
    index_remove(x, &f->entries);
    assert_true(list_empty(&f->entries));
    f->rule = rule_unref(f->rule);
}

/* Under the new rule before it is taken from under the old one, as hosts do. */
static void refile(struct index *x, struct fake *f, struct rule *rule)
{
    struct list entries;

    list_init(&entries);
    assert_int_equal(index_add(x, &entries, listener_of(f), rule), 0);
    index_remove(x, &f->entries);
    while (!list_empty(&entries)) {
        struct list *entry = entries.next;

        list_remove(entry);
        list_append(&f->entries, entry);
    }
    rule_unref(f->rule);
    f->rule = rule;
}

static void check_find(const struct index *x, struct fake *fakes, size_t n, const qmp_message *event)
{
    unsigned found = 0, expected = 0;

    for (size_t i = 0; i < n; i++)
        fakes[i].found = 0;
    index_find(x, event, on_found, &found);
    for (size_t i = 0; i < n; i++) {
        const struct rule *r = fakes[i].rule;
        bool hears = r && (r->accept || (rule_hears_name(r, qmp_event_name(event)) && rule_matches(r, 0, event)));

        assert_int_equal(fakes[i].found, hears);
        expected += hears;
    }
    assert_int_equal(found, expected);
}

static void assert_bare(const struct index *x)
{
    assert_int_equal(x->groups.n, 0);
    assert_null(x->groups.buckets);
    assert_true(list_empty(&x->any.plain));
    assert_true(list_empty(&x->any.paths));
}

static void test_model(void **state)
{
    static struct fake fakes[N_LISTENERS];
    const char *seed = getenv("TEST_SEED");
    unsigned heard = 0;
    struct index x;

    (void)state;
    random_state = (seed ? strtoull(seed, NULL, 0) : time_now()) | 1;
    print_message("TEST_SEED=%" PRIu64 "\n", random_state);
    index_init(&x);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct fake *f = &fakes[below(N_LISTENERS)];
        qmp_message *event;

        if (!f->rule)
            add(&x, f, random_rule());
        else if (below(2))
            refile(&x, f, random_rule());
        else
            drop(&x, f);
        event = random_event();
        check_find(&x, fakes, N_LISTENERS, event);
        for (size_t i = 0; i < N_LISTENERS; i++)
            heard += fakes[i].found;
        qmp_message_unref(event);
        if (round % 1000 == 999) {
            for (size_t i = 0; i < N_LISTENERS; i++) {
                if (fakes[i].rule)
                    drop(&x, &fakes[i]);
            }
            assert_bare(&x);
        }
    }
    assert_true(heard > ROUNDS); /* the events were not all for nobody */
    index_done(&x);
}

static size_t longest_chain(const struct table *t)
{
    size_t longest = 0;

    for (size_t b = 0; b < t->n_buckets; b++) {
        size_t n = 0;

        for (struct table_node *node = t->buckets[b]; node; node = node->next)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* One path in the group, however many listeners are on it, and short chains behind it. */
static void check_paths(const struct group *g)
{
    const struct path *p = LIST_ENTRY(g->paths.next, struct path, link);

    assert_false(list_empty(&g->paths));
    assert_ptr_equal(p->link.next, &g->paths);
    assert_true(p->values.n >= N_DEAF / 4);
    assert_true(longest_chain(&p->values) <= 12);
}

/* A quarter of the deaf hear their own event, a quarter one job of E0, a quarter one job of any event, a quarter theirs
 * by name and job. */
static void add_deaf(struct index *x, struct fake *deaf)
{
    for (unsigned i = 0; i < N_DEAF; i++) {
        char event[32], job[32];
        const char *some[] = {i % 4 == 1 ? "E0" : event, NULL};
        struct rule *r = NULL;

        snprintf(event, sizeof(event), "EVENT_%u", i);
        snprintf(job, sizeof(job), "job%u", i);
        assert_int_equal(rule_new(&r, i % 4 == 2 ? NULL : some), 0);
        if (i % 4 != 0)
            assert_int_equal(rule_add_match(r, "data.id", job), 0);
        add(x, &deaf[i], r);
    }
}

static unsigned find_text(const struct index *x, const char *text)
{
    qmp_message *event = NULL;
    unsigned found = 0;

    assert_int_equal(qmp_message_parse(&event, text, strlen(text)), 0);
    n_tested = 0;
    index_find(x, event, on_found, &found);
    qmp_message_unref(event);
    return found;
}

/* The index holds a rule of its own: the owner may let go of it. */
static void test_rule_is_held(void **state)
{
    static const char *const some[] = {"E0", "E1", NULL};
    struct fake f = {.found = 0};
    struct rule *r = NULL;
    struct index x;

    (void)state;
    index_init(&x);
    assert_int_equal(rule_new(&r, some), 0);
    assert_int_equal(rule_add_match(r, "event", "E1"), 0);
    add(&x, &f, r);
    rule_unref(r);
    assert_int_equal(find_text(&x, "{\"event\":\"E1\"}"), 1);
    index_remove(&x, &f.entries);
    index_remove(&x, &f.entries);
    assert_bare(&x);
    index_done(&x);
}

static void test_cost(void **state)
{
    static struct fake deaf[N_DEAF];
    static const char *const e0[] = {"E0", NULL};
    struct fake hears = {.found = 0};
    struct rule *r = NULL;
    struct index x;

    (void)state;
    index_init(&x);
    add_deaf(&x, deaf);
    assert_int_equal(find_text(&x, "{\"event\":\"E0\",\"data\":{\"id\":\"job\"}}"), 0);
    assert_int_equal(n_tested, 0);
    assert_int_equal(rule_new(&r, e0), 0);
    assert_int_equal(rule_add_match(r, "data.id", "job"), 0);
    add(&x, &hears, r);
    assert_int_equal(find_text(&x, "{\"event\":\"E0\",\"data\":{\"id\":\"job\"}}"), 1);
    assert_int_equal(n_tested, 1);
    assert_int_equal(hears.found, 1);
    assert_int_equal(find_text(&x, "{\"event\":\"E0\",\"data\":{\"id\":\"job2\"}}"), 1);
    assert_int_equal(n_tested, 1);
    assert_int_equal(find_text(&x, "{\"event\":\"E0\",\"data\":{\"id\":\"job1\"}}"), 1);
    assert_int_equal(n_tested, 1);
    assert_int_equal(find_text(&x, "{\"event\":\"EVENT_0\"}"), 1);
    assert_int_equal(n_tested, 0);
    assert_int_equal(find_text(&x, "{\"event\":\"NOBODYS\",\"data\":{\"id\":\"job1\"}}"), 0);
    assert_int_equal(n_tested, 0);
    check_paths(&x.any);
    check_paths(find_group(&x, "E0", json_hash_bytes("E0", 2)));
    assert_int_equal(x.groups.n, N_DEAF / 2 + 1);
    assert_true(longest_chain(&x.groups) <= 12);
    drop(&x, &hears);
    for (unsigned i = 0; i < N_DEAF; i++)
        drop(&x, &deaf[i]);
    assert_bare(&x);
    index_done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_rule_is_held),
        cmocka_unit_test(test_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
