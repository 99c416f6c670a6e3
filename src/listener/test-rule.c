/* SPDX-License-Identifier: MIT */
/* Rules: names, matches by value, copies that share nothing, failures that change nothing. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "listener/rule.h"
#include "util/util.h"

static struct rule *new_rule(const char *const *names)
{
    struct rule *r = NULL;

    assert_int_equal(rule_new(&r, names), 0);
    return r;
}

static qmp_message *new_event(const char *text)
{
    qmp_message *m = NULL;

    assert_int_equal(qmp_message_parse(&m, text, strlen(text)), 0);
    return m;
}

static void test_names(void **state)
{
    static const char *const names[] = {"STOP", "RESUME", "STOP", NULL}, *const none[] = {NULL};
    struct rule *r = new_rule(names);

    (void)state;
    assert_int_equal(r->n_names, 2);
    assert_true(rule_hears_name(r, "STOP"));
    assert_true(rule_hears_name(r, "RESUME"));
    assert_false(rule_hears_name(r, "RESUM"));
    assert_false(rule_hears_name(r, "STOPPED"));
    assert_false(rule_hears_name(r, "stop"));
    assert_false(rule_hears_name(r, ""));
    assert_int_equal(rule_set_names(r, none), 0);
    assert_true(rule_hears_name(r, "ANY"));
    assert_int_equal(rule_set_names(r, names), 0);
    assert_false(rule_hears_name(r, "ANY"));
    assert_int_equal(rule_set_names(r, NULL), 0);
    assert_int_equal(r->n_names, 0);
    assert_true(rule_hears_name(r, "ANY"));
    assert_null(rule_unref(r));
    assert_null(rule_unref(NULL));
}

static void test_empty_names(void **state)
{
    static const char *const first[] = {"", "STOP", NULL}, *const last[] = {"STOP", "", NULL};
    static const char *const good[] = {"RESUME", NULL};
    struct rule *r = (void *)1;

    (void)state;
    assert_int_equal(rule_new(&r, first), -EINVAL);
    assert_int_equal(rule_new(&r, last), -EINVAL);
    assert_ptr_equal(r, (void *)1);
    r = new_rule(good);
    assert_int_equal(rule_set_names(r, last), -EINVAL);
    assert_int_equal(r->n_names, 1);
    assert_true(rule_hears_name(r, "RESUME"));
    rule_unref(r);
}

/* The names are copied: what the caller does with its own is its business. */
static void test_names_are_copied(void **state)
{
    char name[] = "STOP", path[] = "event", value[] = "STOP";
    const char *names[] = {name, NULL};
    struct rule *r = new_rule(names);
    qmp_message *event = new_event("{\"event\": \"STOP\"}");

    (void)state;
    assert_int_equal(rule_add_match(r, path, value), 0);
    name[0] = path[0] = value[0] = 'X';
    assert_true(rule_hears_name(r, "STOP"));
    assert_true(rule_matches(r, 0, event));
    qmp_message_unref(event);
    rule_unref(r);
}

static void test_match(void **state)
{
    static const struct {
        const char *event, *path, *value;
        bool matches;
    } cases[] = {
        {"{\"event\":\"E\",\"data\":{\"id\":\"job1\"}}", "data.id", "job1", true},
        {"{\"event\":\"E\",\"data\":{\"id\":\"job1\"}}", "data.id", "job", false},
        {"{\"event\":\"E\",\"data\":{\"id\":\"job1\"}}", "data.id", "job10", false},
        {"{\"event\":\"E\",\"data\":{\"id\":\"job1\"}}", "data", "job1", false},
        {"{\"event\":\"E\",\"data\":{\"id\":\"job1\"}}", "id", "job1", false},
        {"{\"event\":\"E\",\"data\":{\"\\u0069d\":\"\\u006Aob1\"}}", "data.id", "job1", true},
        {"{\"event\":\"E\",\"data\":{\"id\":\"\\u00E9\\ud83d\\ude00\"}}", "data.id", "\xC3\xA9\xF0\x9F\x98\x80", true},
        {"{\"event\":\"E\",\"data\":{\"id\":\"a\\u0000\"}}", "data.id", "a", false},
        {"{\"event\":\"E\",\"data\":{\"id\":\"\"}}", "data.id", "", true},
        {"{\"event\":\"E\",\"data\":{\"id\":null}}", "data.id", "", false},
        {"{\"event\":\"E\",\"data\":{\"id\":null}}", "data.id", "null", true},
        {"{\"event\":\"E\",\"data\":{\"id\":true}}", "data.id", "true", true},
        {"{\"event\":\"E\",\"data\":{\"id\":true}}", "data.id", "false", false},
        {"{\"event\":\"E\",\"data\":{\"id\":\"true\"}}", "data.id", "true", true},
        {"{\"event\":\"E\",\"data\":{\"id\":42}}", "data.id", "42", true},
        {"{\"event\":\"E\",\"data\":{\"id\":42}}", "data.id", "42.0", false},
        {"{\"event\":\"E\",\"data\":{\"id\":-0}}", "data.id", "0", false},
        {"{\"event\":\"E\",\"data\":{\"id\":18446744073709551615}}", "data.id", "18446744073709551615", true},
        {"{\"event\":\"E\",\"data\":{\"id\":[\"a\",[7]]}}", "data.id.1.0", "7", true},
        {"{\"event\":\"E\",\"data\":{\"id\":[]}}", "data.id", "[]", false},
        {"{\"event\":\"E\",\"data\":{\"id\":{}}}", "data.id", "{}", false},
        {"{\"event\":\"E\",\"data\":{\"a.b\":1}}", "data.a\\.b", "1", true},
        {"{\"event\":\"E\",\"data\":{\"a.b\":1}}", "data.a.b", "1", false},
        {"{\"event\":\"E\"}", "data.id", "", false},
        {"{\"event\":\"E\"}", "event", "E", true},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct rule *r = new_rule(NULL);
        qmp_message *event = new_event(cases[i].event);

        assert_true(rule_matches(r, 0, event));
        assert_int_equal(rule_add_match(r, cases[i].path, cases[i].value), 0);
        if (rule_matches(r, 0, event) != cases[i].matches)
            fail_msg("%s: %s = %s", cases[i].event, cases[i].path, cases[i].value);
        assert_true(rule_matches(r, 1, event));
        qmp_message_unref(event);
        rule_unref(r);
    }
}

static void test_all_matches_must_hold(void **state)
{
    struct rule *r = new_rule(NULL);
    qmp_message *event = new_event("{\"event\":\"E\",\"data\":{\"a\":1,\"b\":2}}");

    (void)state;
    assert_int_equal(rule_add_match(r, "data.a", "1"), 0);
    assert_int_equal(rule_add_match(r, "data.b", "2"), 0);
    assert_true(rule_matches(r, 0, event));
    assert_int_equal(rule_add_match(r, "data.b", "3"), 0);
    assert_false(rule_matches(r, 0, event));
    assert_false(rule_matches(r, 2, event));
    assert_true(rule_matches(r, 3, event));
    assert_int_equal(rule_add_match(r, "", "3"), -EINVAL);
    assert_int_equal(r->n_matches, 3);
    qmp_message_unref(event);
    rule_unref(r);
}

static bool filter(const qmp_message *event, void *userdata)
{
    (void)event;
    (void)userdata;
    return true;
}

static bool accept_none(qmp_listener *l, const qmp_message *event, void *userdata)
{
    (void)l;
    (void)event;
    (void)userdata;
    return false;
}

static void test_copy(void **state)
{
    static const char *const names[] = {"STOP", "RESUME", NULL};
    struct rule *r = new_rule(names), *copy = NULL;
    int a, b;

    (void)state;
    assert_int_equal(rule_add_match(r, "data.a", "1"), 0);
    assert_int_equal(rule_add_match(r, "data.b", "2"), 0);
    r->filter = filter;
    r->filter_userdata = &a;
    r->accept = accept_none;
    r->accept_userdata = &b;
    assert_int_equal(rule_copy(&copy, r), 0);
    assert_ptr_equal(rule_ref(r), r);
    rule_unref(r);
    assert_int_equal(rule_set_names(r, NULL), 0);
    rule_unref(r);
    assert_int_equal(copy->n_names, 2);
    assert_true(rule_hears_name(copy, "RESUME"));
    assert_false(rule_hears_name(copy, "RESET"));
    assert_int_equal(copy->n_matches, 2);
    assert_string_equal(copy->matches[1].path, "data.b");
    assert_string_equal(copy->matches[1].value, "2");
    assert_int_equal(copy->matches[1].value_size, 1);
    assert_ptr_equal(copy->filter, filter);
    assert_ptr_equal(copy->filter_userdata, &a);
    assert_ptr_equal(copy->accept, accept_none);
    assert_ptr_equal(copy->accept_userdata, &b);
    rule_unref(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_empty_names),
        cmocka_unit_test(test_names_are_copied),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_all_matches_must_hold),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
