/* SPDX-License-Identifier: MIT */
/* What may be sent, and what it looks like on the wire: tables of requests, good and bad. */

#include "test-play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

/* ---- commands ---- */

static int check(const char *command, const char *arguments, const char *id, size_t *ret_size)
{
    struct session_request request = {.command = command, .arguments = arguments, .id = id};

    return session_check(&request, ret_size);
}

static void test_check_command(void)
{
    static const struct {
        const char *command, *arguments, *id;
        int error;
    } table[] = {
        {"query-status", NULL, NULL, 0},
        {"x", "{}", "null", 0},
        {"x", " {\"a\": [1, null, \"\\u0000\"]} \n", " \t18446744073709551616\r\n", 0},
        {"\xc3\xa9\"\\\n\x01", "{}", "{\"a\": [\"\xef\xbf\xbd\"]}", 0},
        {"x", "{\"a\": 1e308, \"b\": -0.0, \"c\": 1e-400}", "[]", 0},

        {NULL, NULL, NULL, -EINVAL},
        {"", NULL, NULL, -EINVAL},
        {"\xff", NULL, NULL, -EINVAL},
        {"x\xc0\x80", NULL, NULL, -EINVAL},
        {"\xed\xa0\x80", NULL, NULL, -EINVAL},
        {"\xef\xbf\xbf", NULL, NULL, -EINVAL},
        {"\xef\xb7\x90", NULL, NULL, -EINVAL},

        {"x", "", NULL, -EBADMSG},
        {"x", " ", NULL, -EBADMSG},
        {"x", "[]", NULL, -EINVAL},
        {"x", "null", NULL, -EINVAL},
        {"x", "1", NULL, -EINVAL},
        {"x", "\"{}\"", NULL, -EINVAL},
        {"x", "{", NULL, -EBADMSG},
        {"x", "{} x", NULL, -EBADMSG},
        {"x", "{}}", NULL, -EBADMSG},
        {"x", "{},\"execute\":\"quit\"", NULL, -EBADMSG},
        {"x", "{'a': 1}", NULL, -EBADMSG},
        {"x", "{\"a\": NaN}", NULL, -EBADMSG},
        {"x", "{\"a\": Infinity}", NULL, -EBADMSG},
        {"x", "{\"a\": 01}", NULL, -EBADMSG},
        {"x", "{\"a\": \"\n\"}", NULL, -EBADMSG},
        {"x", "{\"a\": \"\xff\"}", NULL, -EBADMSG},
        {"x", "{\"a\": \"\\ud800\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\udc00\\ud800\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\uffff\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\ufdd0\"}", NULL, -EINVAL},
        {"x", "{\"a\": \"\\ud83f\\udfff\"}", NULL, -EINVAL},
        {"x", "{\"\xef\xbf\xbe\": 1}", NULL, -EINVAL},
        {"x", "{\"a\": 1e400}", NULL, -EINVAL},
        {"x", "{\"a\": [-1e400]}", NULL, -EINVAL},

        {"x", NULL, "", -EBADMSG},
        {"x", NULL, "x", -EBADMSG},
        {"x", NULL, "1 2", -EBADMSG},
        {"x", NULL, "1}", -EBADMSG},
        {"x", NULL, "\"a", -EBADMSG},
        {"x", NULL, "1e400", -EINVAL},
        {"x", NULL, "\"\xef\xbf\xbf\"", -EINVAL},
        {"x", NULL, "\"\\udfff\"", -EINVAL},
        {"x", "[]", "x", -EINVAL},
    };

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        size_t size = SIZE_MAX;
        struct session_request request = {
            .command = table[i].command, .arguments = table[i].arguments, .id = table[i].id};
        int r = session_check(&request, &size);

        if (r != table[i].error)
            fail_msg("row %u (%s, %s, %s): %d", i, table[i].command, table[i].arguments, table[i].id, r);
        assert_true(r == 0 ? size < 1000 : size == SIZE_MAX);
    }
}

/* QEMU takes a key twice, however it is written and wherever it is, for a syntax error. */
static void test_check_duplicate_keys(void)
{
    static const char *const twice[] = {
        "{\"a\": 1, \"a\": 1}",
        "{\"a\": 1, \"b\": {\"a\": 1}, \"\\u0061\": 2}",
        "{\"a\": [{\"b\": {\"c\": 1, \"d\": 2, \"c\": 3}}]}",
        "{\"\": 1, \"\": 1}",
    };
    size_t size;

    for (unsigned i = 0; i < ELEMENTS(twice); i++) {
        assert_error(check("x", twice[i], NULL, &size), -EINVAL);
        assert_error(check("x", NULL, twice[i], &size), -EINVAL);
    }
    assert_ok(check("x", "{\"a\": {\"a\": [{\"a\": 1}, {\"a\": 1}]}, \"A\": 1}", NULL, &size));
}

/* QEMU counts the command's own object. */
static void test_check_depth(void)
{
    char text[2100];
    size_t size;

    for (unsigned depth = 1022; depth <= 1025; depth++) {
        memset(text, '[', sizeof(text));
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_error(check("x", NULL, text, &size), depth <= 1023 ? 0 : -ELOOP);
        memcpy(text, "{\"\":", 4);
        memset(text + 4, '[', depth - 1);
        memset(text + 4 + depth - 1, ']', depth - 1);
        strcpy(text + 4 + 2 * (depth - 1), "}");
        assert_error(check("x", text, NULL, &size), depth <= 1023 ? 0 : -ELOOP);
    }
}

/* As large as QEMU takes, and one byte more than the session does. */
static void test_check_size(void)
{
    char *text = malloc(SESSION_COMMAND_MAX + 16);
    size_t size;

    assert_non_null(text);
    memset(text, 'x', SESSION_COMMAND_MAX + 8);
    text[SESSION_COMMAND_MAX + 8] = '\0';
    assert_error(check(text, NULL, NULL, &size), -EMSGSIZE);
    text[0] = '"';
    strcpy(text + SESSION_COMMAND_MAX - 2, "\"");
    assert_error(check("x", NULL, text, &size), -EMSGSIZE);
    strcpy(text + SESSION_COMMAND_MAX - 1000, "\"");
    assert_error(check("x", NULL, text, &size), 0);
    assert_in_range(size, SESSION_COMMAND_MAX - 1000, SESSION_COMMAND_MAX);
    memset(text, 'x', SESSION_COMMAND_MAX);
    memcpy(text, "{\"a\":\"", 6);
    strcpy(text + SESSION_COMMAND_MAX - 3, "\"}");
    assert_error(check("x", text, NULL, &size), -EMSGSIZE);
    /* Each fits, both do not. */
    strcpy(text + SESSION_COMMAND_MAX / 2, "\"}");
    assert_error(check("x", text, NULL, &size), 0);
    assert_error(check("x", text, text, &size), -EMSGSIZE);
    free(text);
}

static void compose(struct play *p, bool agent, const struct session_request *request)
{
    struct session_options o = play_options();

    o.agent = agent;
    play_init(p, WHOLE, &o);
    play_compose(p, 0, request);
}

static void check_composed(const char *command, const char *arguments, const char *id, bool oob, const char *want)
{
    struct session_request request = {.command = command, .arguments = arguments, .id = id, .oob = oob};
    struct play p;

    compose(&p, /* agent= */ false, &request);
    assert_value(((qmp_value){p.commands[0].text, p.commands[0].size}), want);
    assert_int_equal(p.commands[0].state, COMMAND_NEW);
    assert_int_equal(p.commands[0].own_id, id == NULL);
    play_done(&p);
}

static void test_compose(void)
{
    check_composed("a", NULL, "1", false, "{\"execute\":\"a\",\"id\":1}\n");
    check_composed("a", "{}", "\"i\"", true, "{\"exec-oob\":\"a\",\"arguments\":{},\"id\":\"i\"}\n");
    check_composed("a", "\n\t {\"a\" : [ 1 ] }\r ", " [ ] ", false,
        "{\"execute\":\"a\",\"arguments\":{\"a\" : [ 1 ] },\"id\":[ ]}\n");
    check_composed("\"\\\n\x01\xc3\xa9", NULL, "{\"a\":\"}\"}", false,
        "{\"execute\":\"\\\"\\\\\\n\\u0001\xc3\xa9\",\"id\":{\"a\":\"}\"}}\n");
}

/* No id comes twice, neither in one session nor in two, the negotiation's included. */
static void test_own_ids(void)
{
    static char ids[2][500][40];
    struct session_options o = play_options();
    struct session_request request = {.command = "x"};
    struct play p[2];

    for (unsigned i = 0; i < 2; i++) {
        play_init(&p[i], WHOLE, &o);
        for (unsigned j = 0; j < 500; j++) {
            if (j == 100) {
                char *greeting = play_expand(&p[i], GREETING_OOB);

                play_feed(&p[i], greeting, strlen(greeting));
                free(greeting);
            } else {
                play_compose(&p[i], 0, &request);
            }
            qmp_value id = j == 100 ? p[i].session.own->negotiations[0].id : p[i].commands[0].id;
            assert_in_range(id.size, 3, sizeof(ids[i][j]) - 1);
            memcpy(ids[i][j], id.text, id.size);
        }
        play_done(&p[i]);
    }
    qsort(ids, 1000, sizeof(ids[0][0]), (int (*)(const void *, const void *))strcmp);
    for (unsigned i = 1; i < 1000; i++)
        assert_string_not_equal(((char(*)[40])ids)[i - 1], ((char(*)[40])ids)[i]);
}

/* ---- ready-made texts ---- */

/* In the tables ' stands for ", and $ for the id. */
static char *unquote(const char *text, qmp_value id)
{
    char *out = calloc(1, 2 * strlen(text) + id.size + 1), *p = out;

    assert_non_null(out);
    for (; *text; text++) {
        if (*text == '$') {
            memcpy(p, id.text, id.size);
            p += id.size;
        } else {
            *p++ = (char)(*text == '\'' ? '"' : *text);
        }
    }
    return out;
}

static void test_compose_text(void)
{
    static const struct {
        const char *text, *want;
        const char *id; /* NULL: the library's, $ */
        bool oob;
    } table[] = {
        {"{}", "{'id':$}\n", NULL, false},
        {"{ }", "{ 'id':$}\n", NULL, false},
        {" \r\n\t{\n}\t ", "{\n'id':$}\n", NULL, false},
        {"{'execute':'a'}", "{'execute':'a','id':$}\n", NULL, false},
        {"\n{ 'execute' : 'a'\r\n \t}\r\n", "{ 'execute' : 'a'\r\n \t,'id':$}\n", NULL, false},
        {"{'execute':'a'}\n\n", "{'execute':'a','id':$}\n", NULL, false},
        {"{'execute':'a','id':7}", "{'execute':'a','id':7}\n", "7", false},
        {"{ 'id' : [ 1, {'id': 2} ] , 'execute':'a' } ", "{ 'id' : [ 1, {'id': 2} ] , 'execute':'a' }\n",
            "[ 1, {'id': 2} ]", false},
        {"{'id':null}", "{'id':null}\n", "null", false},
        {"{'\\u0069d':'x'}", "{'\\u0069d':'x'}\n", "'x'", false},
        {"{'i\\u0064':{}}", "{'i\\u0064':{}}\n", "{}", false},
        {"{'ID':1,'id ':2,'i':3,'arguments':{'id':4}}", "{'ID':1,'id ':2,'i':3,'arguments':{'id':4},'id':$}\n", NULL,
            false},
        {"{'execute':'id'}", "{'execute':'id','id':$}\n", NULL, false},
        {"{'exec-oob':'a'}", "{'exec-oob':'a','id':$}\n", NULL, true},
        {"{'exec\\u002doob':1,'id':'}'}", "{'exec\\u002doob':1,'id':'}'}\n", "'}'", true},
        /* As QEMU sees it. */
        {"{'execute':'a','exec-oob':'a','id':1}", "{'execute':'a','exec-oob':'a','id':1}\n", "1", false},
        {"{'arguments':{'exec-oob':1}}", "{'arguments':{'exec-oob':1},'id':$}\n", NULL, false},
        {"{'0':0,'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7,'8':8,'9':9,'a':0,'b':1,'c':2,'d':3,'e':4,'f':5,'id':6}",
            "{'0':0,'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7,'8':8,'9':9,'a':0,'b':1,'c':2,'d':3,'e':4,'f':5,'id':6}"
            "\n",
            "6", false},
        {"{'0':0,'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7,'8':8,'9':9,'a':0,'b':1,'c':2,'d':3,'e':4,'f':5,"
         "'exec-oob':6}",
            "{'0':0,'1':1,'2':2,'3':3,'4':4,'5':5,'6':6,'7':7,'8':8,'9':9,'a':0,'b':1,'c':2,'d':3,'e':4,'f':5,"
            "'exec-oob':6,'id':$}\n",
            NULL, true},
        {"{'a':'\xc3\xa9\\n'}", "{'a':'\xc3\xa9\\n','id':$}\n", NULL, false},
    };

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        char *text = unquote(table[i].text, (qmp_value){NULL, 0}), *want, *id;
        struct session_request request = {.text = text};
        const struct session_command *c;
        struct play p;

        compose(&p, /* agent= */ false, &request);
        c = &p.commands[0];
        want = unquote(table[i].want, c->id);
        assert_value(((qmp_value){c->text, c->size}), want);
        assert_int_equal(c->own_id, !table[i].id);
        assert_int_equal(c->oob, table[i].oob);
        assert_true(c->id.text > c->text && c->id.text + c->id.size < c->text + c->size);
        if (table[i].id) {
            id = unquote(table[i].id, (qmp_value){NULL, 0});
            assert_value(c->id, id);
            free(id);
        }
        free(want);
        free(text);
        play_done(&p);
    }
}

static void test_compose_without_id(void)
{
    static const struct {
        struct session_request request;
        const char *want;
    } table[] = {
        {{.command = "a"}, "{\"execute\":\"a\"}\n"},
        {{.command = "a", .arguments = " {} "}, "{\"execute\":\"a\",\"arguments\":{}}\n"},
        {{.command = "a", .oob = true}, "{\"exec-oob\":\"a\"}\n"},
        {{.text = " {} "}, "{}\n"},
        {{.text = "{\"a\": 1 }\n"}, "{\"a\": 1 }\n"},
        {{.text = "{\"exec-oob\":\"a\"}"}, "{\"exec-oob\":\"a\"}\n"},
    };

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        struct session_request request = table[i].request;
        struct play p;

        request.no_id = true;
        compose(&p, /* agent= */ false, &request);
        assert_value(((qmp_value){p.commands[0].text, p.commands[0].size}), table[i].want);
        assert_null(p.commands[0].id.text);
        assert_int_equal(p.commands[0].oob, strstr(table[i].want, "oob") != NULL);
        play_done(&p);
    }
}

static void test_check_request(void)
{
    static int fds[1];
    static const struct {
        struct session_request request;
        int error;
    } table[] = {
        {{.text = "{}", .command = "a"}, -EINVAL},
        {{.text = "{}", .arguments = "{}"}, -EINVAL},
        {{.text = "{}", .id = "1"}, -EINVAL},
        {{.text = "{}", .oob = true}, -EINVAL},
        {{.command = "a", .id = "1", .no_id = true}, -EINVAL},
        {{.text = "{\"id\":1}", .no_id = true}, -EINVAL},
        {{.text = "{\"\\u0069\\u0064\":1}", .no_id = true}, -EINVAL},
        {{.text = "{\"ID\":1,\"a\":{\"id\":2}}", .no_id = true}, 0},
        {{.command = "a", .oob = true, .fds = fds, .n_fds = 1}, -EINVAL},
        {{.text = "{\"exec-oob\":1}", .fds = fds, .n_fds = 1}, -EINVAL},
        {{.text = "{\"execute\":1}", .fds = fds, .n_fds = 1}, 0},
        {{.command = "a", .fds = fds, .n_fds = 1, .no_id = true, .only_errors = true}, 0},
        {{.command = "a", .oob = true, .no_id = true, .only_errors = true}, 0},
        {{.text = "{}", .only_errors = true}, 0},
        {{.text = "{}", .no_id = true}, 0},
        {{.text = ""}, -EBADMSG},
        {{.text = " "}, -EBADMSG},
        {{.text = "[]"}, -EINVAL},
        {{.text = "\"{}\""}, -EINVAL},
        {{.text = "null"}, -EINVAL},
        {{.text = "{} {}"}, -EBADMSG},
        {{.text = "{}{"}, -EBADMSG},
        {{.text = "{"}, -EBADMSG},
        {{.text = "{'a': 1}"}, -EBADMSG},
        {{.text = "{\"a\": NaN}"}, -EBADMSG},
        {{.text = "{\"a\": 1e400}"}, -EINVAL},
        {{.text = "{\"a\": \"\\ud800\"}"}, -EINVAL},
        {{.text = "{\"id\":1,\"id\":1}"}, -EINVAL},
        {{.text = "{\"id\":1,\"\\u0069d\":1}"}, -EINVAL},
        {{.text = "\xff{}"}, -EBADMSG},
    };

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        size_t size = SIZE_MAX;
        int r = session_check(&table[i].request, &size);

        if (r != table[i].error)
            fail_msg("row %u (%s): %d", i, table[i].request.text ? table[i].request.text : "no text", r);
        assert_true(r == 0 ? size < 1000 : size == SIZE_MAX);
    }
}

/* The text is the whole command: it may be as deep as QEMU goes, and nearly as large. */
static void test_check_text_limits(void)
{
    char *text = malloc(SESSION_COMMAND_MAX + 16);
    struct session_request request = {.text = text};
    size_t size;

    assert_non_null(text);
    for (unsigned depth = 1023; depth <= 1025; depth++) {
        memcpy(text, "{\"\":", 4);
        memset(text + 4, '[', depth - 1);
        memset(text + 4 + depth - 1, ']', depth - 1);
        strcpy(text + 4 + 2 * (depth - 1), "}");
        assert_error(session_check(&request, &size), depth <= 1024 ? 0 : -ELOOP);
    }
    memset(text, 'x', SESSION_COMMAND_MAX + 8);
    memcpy(text, "{\"\":\"", 5);
    strcpy(text + SESSION_COMMAND_MAX + 8, "\"}");
    assert_error(session_check(&request, &size), -EMSGSIZE);
    text[SESSION_COMMAND_MAX + 8] = 'x';
    strcpy(text + SESSION_COMMAND_MAX - 2, "\"}"); /* no room for the id */
    assert_error(session_check(&request, &size), -EMSGSIZE);
    text[SESSION_COMMAND_MAX - 2] = 'x';
    strcpy(text + SESSION_COMMAND_MAX - 1000, "\"}");
    assert_error(session_check(&request, &size), 0);
    assert_in_range(size, SESSION_COMMAND_MAX - 1000, SESSION_COMMAND_MAX);
    free(text);
}

/* By name with an agent, however it is spelled; never with a monitor. */
static void test_only_errors(void)
{
    static const struct {
        struct session_request request;
        bool only_errors;
    } table[] = {
        {{.command = "guest-shutdown"}, true},
        {{.command = "guest-suspend-disk", .arguments = "{}"}, true},
        {{.command = "guest-suspend-ram", .id = "1"}, true},
        {{.command = "guest-suspend-hybrid", .no_id = true}, true},
        {{.text = "{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"reboot\"}}"}, true},
        {{.text = "{\"id\":1,\"\\u0065xecute\":\"guest\\u002dshutdown\"}"}, true},
        {{.command = "guest-ping", .only_errors = true}, true},
        {{.text = "{}", .only_errors = true}, true},
        {{.command = "guest-ping"}, false},
        {{.command = "guest-shutdown2"}, false},
        {{.command = "guest-suspend"}, false},
        {{.text = "{\"execute\":\"guest-ping\",\"arguments\":{\"execute\":\"guest-shutdown\"}}"}, false},
        {{.text = "{\"command\":\"guest-shutdown\"}"}, false},
        {{.text = "{\"execute\":[\"guest-shutdown\"]}"}, false},
    };

    for (unsigned i = 0; i < ELEMENTS(table); i++) {
        struct play p;

        compose(&p, /* agent= */ true, &table[i].request);
        assert_int_equal(p.commands[0].only_errors, table[i].only_errors);
        play_done(&p);
        compose(&p, /* agent= */ false, &table[i].request);
        assert_false(p.commands[0].only_errors);
        play_done(&p);
    }
}

static const struct check_test tests[] = {
    CHECK_TEST(test_check_command),
    CHECK_TEST(test_check_duplicate_keys),
    CHECK_TEST(test_check_depth),
    CHECK_TEST(test_check_size),
    CHECK_TEST(test_compose),
    CHECK_TEST(test_own_ids),
    CHECK_TEST(test_compose_text),
    CHECK_TEST(test_compose_without_id),
    CHECK_TEST(test_check_request),
    CHECK_TEST(test_check_text_limits),
    CHECK_TEST(test_only_errors),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
