/* SPDX-License-Identifier: MIT */
/* The protocol with a monitor, without a socket: scripts for greeting and negotiation, or their absence, for what is no
 * QMP, for replies in every order, and for the end of the connection. */

#include "test-play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

static void play_with(void *script, bool want_oob, bool await_greeting, bool negotiate, unsigned n_modes)
{
    struct session_options o = play_options();

    o.want_oob = want_oob;
    o.await_greeting = await_greeting;
    o.negotiate = negotiate;
    play_script(script, &o, n_modes);
}

static void test_script(void *script)
{
    play_with(script, /* want_oob= */ true, /* await_greeting= */ true, /* negotiate= */ true, MODES);
}

static void test_script_without_oob(void *script)
{
    play_with(script, /* want_oob= */ false, /* await_greeting= */ true, /* negotiate= */ true, MODES);
}

static void test_script_whole(void *script)
{
    play_with(script, /* want_oob= */ true, /* await_greeting= */ true, /* negotiate= */ true, WHOLE + 1);
}

/* ---- greeting and negotiation ---- */

SCRIPT(negotiation, NOTHING, FEED(GREETING), NOTHING, OUTPUT(NEGOTIATE), SEND_ALL, OUTPUT(""), NOTHING,
    FEED(RETURN("$n")), RUNNING, NOTHING, OUTPUT(""), STRAYS(0));

SCRIPT(negotiation_oob, FEED(GREETING_OOB), OUTPUT(NEGOTIATE_OOB), SEND_ALL, FEED("{'id': $n, 'return': {}}"), RUNNING,
    SUBMIT_OOB(0, "x"), OUTPUT(COMMAND_OOB("x", "$0")));

SCRIPT(negotiation_many_capabilities, FEED(GREETING_WITH("1, null, 'OOB', {'oob': 'oob'}, ['oob'], '\\u006fob'")),
    OUTPUT(NEGOTIATE_OOB));

SCRIPT(negotiation_no_oob_offered, FEED(GREETING_WITH("'OOB', 'oobx', ['oob']")), OUTPUT(NEGOTIATE), SEND_ALL,
    FEED(RETURN("$n")), RUNNING, REFUSED_OOB(0, "x", -EOPNOTSUPP), OUTPUT(""));

SCRIPT(negotiation_no_oob_wanted, FEED(GREETING_OOB), OUTPUT(NEGOTIATE), SEND_ALL, FEED(RETURN("$n")), RUNNING,
    REFUSED_OOB(0, "x", -EOPNOTSUPP), OUTPUT(""));

SCRIPT(negotiation_in_one_piece_with_events, FEED(STOP GREETING RESUME), EVENT("STOP"), EVENT("RESUME"), NOTHING,
    OUTPUT(NEGOTIATE), SEND_ALL, FEED(STOP RETURN("$n") RESUME), EVENT("STOP"), RUNNING, EVENT("RESUME"), NOTHING);

SCRIPT(negotiation_refused, FEED(GREETING_OOB), SEND_ALL, FEED(STOP ERROR("$n") STOP), EVENT("STOP"), NOTHING,
    FAILED(NEGOTIATION, -EPROTO, "no such thing", "{'id': $n, 'error'"));

SCRIPT(negotiation_reply_before_sent, FEED(GREETING), FEED(RETURN("$n")), NOTHING, STRAYS(1), SEND_ALL,
    FEED(RETURN("$n")), RUNNING);

SCRIPT(negotiation_sent_in_pieces, FEED(GREETING), SEND(1), SEND(10), FEED(STOP), EVENT("STOP"), SEND(20), SEND_ALL,
    OUTPUT(""), FEED(RETURN("$n")), RUNNING);

SCRIPT(foreign_replies, FEED(RETURN("'other-1'") ERROR("7")), STRAYS(2), FEED(GREETING RETURN("'other-2'")), STRAYS(3),
    SEND_ALL, FEED(ERROR("'other-3'") "{'return': {}}" STOP), EVENT("STOP"), NOTHING, STRAYS(5), FEED(RETURN("$n")),
    RUNNING, NOTHING);

#define NEGOTIATE_AGAIN "{'execute':'qmp_capabilities','id':$m}\n"

/* A QEMU that is just starting greets twice and forgets what was negotiated before, whenever that was. */
SCRIPT(greeting_twice, FEED(GREETING GREETING), NOTHING, OUTPUT(NEGOTIATE NEGOTIATE_AGAIN), SEND_ALL,
    FEED(RETURN("$n")), NOTHING, FEED(STOP ERROR("$m")), EVENT("STOP"), RUNNING, NOTHING, STRAYS(0));
SCRIPT(greeting_twice_apart, FEED(GREETING), SEND_ALL, FEED(GREETING), NOTHING, OUTPUT(NEGOTIATE_AGAIN), SEND_ALL,
    FEED(ERROR("$n")), NOTHING, FEED(RETURN("$m")), RUNNING);
SCRIPT(greeting_twice_answered_backwards, FEED(GREETING GREETING), SEND_ALL, FEED(RETURN("$m") RETURN("$n")), RUNNING,
    NOTHING);
SCRIPT(greeting_twice_refused, FEED(GREETING GREETING), SEND_ALL, FEED(ERROR("$n")), NOTHING, FEED(ERROR("$m")),
    NOTHING, FAILED(NEGOTIATION, -EPROTO, "no such thing", "{'id': $m, 'error'"));
SCRIPT(greeting_thrice, FEED(GREETING GREETING GREETING), NOTHING, FAILED(BAD_GREETING, -EPROTO, "again", "{'QMP'"));
SCRIPT(greeting_twice_running, CONNECT, FEED(STOP GREETING), EVENT("STOP"), NOTHING,
    FAILED(BAD_GREETING, -EPROTO, "again", "{'QMP'"));

SCRIPT(greeting_empty, FEED("{'QMP': {}}"), FAILED(BAD_GREETING, -EPROTO, "greeting", "{'QMP': {}}"));
SCRIPT(greeting_null, FEED("{'QMP': null}"), FAILED(BAD_GREETING, -EPROTO, "greeting", NULL));
SCRIPT(greeting_array, FEED("{'QMP': [{'version': {}, 'capabilities': []}]}"),
    FAILED(BAD_GREETING, -EPROTO, "greeting", NULL));
SCRIPT(greeting_no_version, FEED("{'QMP': {'capabilities': []}}"), FAILED(BAD_GREETING, -EPROTO, "version", NULL));
SCRIPT(greeting_version_string, FEED("{'QMP': {'version': '7', 'capabilities': []}}"),
    FAILED(BAD_GREETING, -EPROTO, "version", NULL));
SCRIPT(greeting_no_capabilities, FEED("{'QMP': {'version': {}}}"), FAILED(BAD_GREETING, -EPROTO, "capabilities", NULL));
SCRIPT(greeting_capabilities_object, FEED("{'QMP': {'version': {}, 'capabilities': {'oob': true}}}"),
    FAILED(BAD_GREETING, -EPROTO, "capabilities", NULL));
SCRIPT(greeting_least, FEED("{'QMP':{'capabilities':[],'version':{}},'more':1}"), OUTPUT(NEGOTIATE));

/* ---- what is no QMP ---- */

SCRIPT(garbage_first, FEED("HTTP/1.1 400\r\n"), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "H"));
SCRIPT(garbage_between, CONNECT, FEED(STOP "x" STOP), EVENT("STOP"), NOTHING,
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"));
SCRIPT(garbage_ff, CONNECT, FEED("\xff" STOP), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "\xff"));
SCRIPT(garbage_inside, CONNECT, FEED(STOP "{'return': inf, 'id': 1}"), EVENT("STOP"),
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "inf, 'id': 1}"));
SCRIPT(no_object, CONNECT, FEED(" [1]"), FAILED(UNEXPECTED_TYPE, -EPROTO, "object", "[1]"));
SCRIPT(no_kind, CONNECT, FEED("{'jsonrpc': 2}"), FAILED(UNEXPECTED_TYPE, -EPROTO, "QMP", "{'jsonrpc': 2}"));
SCRIPT(event_without_name, CONNECT, FEED("{'event': null}"), FAILED(UNEXPECTED_TYPE, -EPROTO, "name", NULL));
SCRIPT(member_twice, CONNECT, FEED("{'return': 1, 'id': 1, 'id': 1}"), FAILED(UNEXPECTED_TYPE, -EPROTO, "twice", NULL));

#define HUNDRED "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define THOUSAND HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
SCRIPT(
    too_large, CONNECT, FEED("{'event': '" THOUSAND "'}"), NOTHING, FAILED(LIMIT, -EMSGSIZE, "1000 bytes", "{'event"));
SCRIPT(too_large_unended, CONNECT, FEED("{'event': '" THOUSAND), FAILED(LIMIT, -EMSGSIZE, "1000 bytes", NULL));
SCRIPT(too_deep, CONNECT, FEED("{'return': [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}"),
    FAILED(LIMIT, -ELOOP, "deeper than 20", "{'retur"));
SCRIPT(just_deep_enough, CONNECT, FEED("{'return': [[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}"), NOTHING, STRAYS(1));

/* ---- errors without an id ---- */

SCRIPT(id_less_error, CONNECT, SUBMIT(0, "a"), SEND_ALL, FEED(STOP ERROR_NO_ID("JSON parse error, stray x")),
    EVENT("STOP"), NOTHING, FAILED(SERVER_PARSE, -EPROTO, "JSON parse error", "{'error'"), REST("0"));

/* Before the greeting it is about what the previous client sent. Later it may be, or a QEMU that is just starting has
 * lost the beginning of the negotiation: it is sent once more, and one acceptance is enough, whichever comes. */
SCRIPT(id_less_error_first, FEED(ERROR_NO_ID("old") ERROR_NO_ID("older")), NOTHING, STRAYS(2), FEED(GREETING),
    OUTPUT(NEGOTIATE), SEND_ALL, FEED(RETURN("$n")), RUNNING);
SCRIPT(id_less_error_foreign, FEED(GREETING), SEND_ALL, FEED(ERROR_NO_ID("old")), NOTHING, STRAYS(1),
    OUTPUT(NEGOTIATE_AGAIN), SEND_ALL, FEED(RETURN("$n")), RUNNING, SUBMIT_8, SEND_ALL, FEED(STOP ERROR("$m")),
    EVENT("STOP"), NOTHING, STRAYS(1), FEED(RETURN("0")), REPLY(0, ""));
SCRIPT(id_less_error_of_a_lost_beginning, FEED(GREETING), SEND_ALL, FEED(ERROR_NO_ID("stray")), NOTHING, SEND_ALL,
    FEED(RETURN("$m")), RUNNING, NOTHING);
SCRIPT(id_less_error_refused, FEED(GREETING), SEND_ALL, FEED(ERROR_NO_ID("old")), SEND_ALL, FEED(ERROR("$n")), NOTHING,
    FEED(ERROR("$m")), NOTHING, FAILED(NEGOTIATION, -EPROTO, "no such thing", NULL));
SCRIPT(id_less_error_negotiating, FEED(GREETING), SEND_ALL, FEED(ERROR_NO_ID("old") ERROR_NO_ID("odd")),
    FAILED(SERVER_PARSE, -EPROTO, "odd", "{'error'"));
SCRIPT(id_less_error_greeted_twice, FEED(GREETING GREETING), SEND_ALL, FEED(ERROR_NO_ID("odd")),
    FAILED(SERVER_PARSE, -EPROTO, "odd", "{'error'"));
SCRIPT(id_less_return, CONNECT, SUBMIT(0, "a"), SEND_ALL, FEED("{'return': {}}"), NOTHING, STRAYS(1),
    FEED(RETURN("$0")), REPLY(0, "$0"));

/* ---- replies ---- */

SCRIPT(replies_in_any_order, CONNECT, SUBMIT(0, "a"), SUBMIT(1, "b"), SUBMIT(2, "c"),
    OUTPUT(COMMAND("a", "$0") COMMAND("b", "$1") COMMAND("c", "$2")), SEND_ALL,
    FEED(RETURN("$2") STOP ERROR("$0") RETURN("$1")), REPLY(2, "return"), EVENT("STOP"), REPLY(0, "no such"),
    REPLY(1, "$1"), NOTHING, STRAYS(0));

SCRIPT(two_replies_to_one, CONNECT, SUBMIT(0, "a"), SUBMIT(1, "b"), SEND_ALL,
    FEED(RETURN("$0") RETURN("$0") ERROR("$0")), REPLY(0, "return"), NOTHING, STRAYS(2),
    FEED(RETURN("$1") RETURN("$n")), REPLY(1, "$1"), NOTHING, STRAYS(3));

SCRIPT(reply_before_command_is_sent, CONNECT, SUBMIT_ID(0, "a", "1"), FEED(RETURN("1")), NOTHING, STRAYS(1), SEND(1),
    FEED(RETURN("1")), NOTHING, STRAYS(2), SEND_ALL, FEED(RETURN("1")), REPLY(0, "1"), STRAYS(2));

/* A server acts on a command at its last brace, and may answer before the line end is out. */
SCRIPT(reply_before_line_end_is_sent, CONNECT, SUBMIT_ID(0, "a", "1"), SUBMIT_ID(1, "b", "2"),
    OUTPUT(COMMAND("a", "1") COMMAND("b", "2")), SEND((int)sizeof(COMMAND("a", "1")) - 2), FEED(RETURN("1")),
    REPLY(0, "1"), STRAYS(0), OUTPUT("\n" COMMAND("b", "2")), SEND_ALL, FEED(RETURN("2")), REPLY(1, "2"), STRAYS(0),
    OUTPUT(""), REST(""));
SCRIPT(reply_before_last_line_end_is_sent, CONNECT, SUBMIT_ID(0, "a", "1"), SEND_BUT(1), FORGET(0, false),
    REFUSED(1, "b", "1", -EEXIST), OUTPUT("\n"), FEED(RETURN("1")), REPLY(0, "1"), OUTPUT("\n"), SUBMIT_ID(1, "b", "1"),
    SEND(2), OUTPUT("'execute':'b','id':1}\n"), SEND_ALL, OUTPUT(""), FEED(RETURN("1")), REPLY(1, "1"));
SCRIPT(negotiated_before_line_end_is_sent, FEED(GREETING), SEND_BUT(1), FEED(RETURN("$n")), RUNNING, OUTPUT("\n"),
    SUBMIT_ID(0, "a", "0"), OUTPUT("\n" COMMAND("a", "0")), SEND(1), OUTPUT(COMMAND("a", "0")));
SCRIPT(oob_after_line_end, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SEND_BUT(1), SUBMIT_ID(1, "b", "1"), SUBMIT_OOB(2, "o"),
    OUTPUT("\n" COMMAND_OOB("o", "$2") COMMAND("b", "1")), SEND(1), OUTPUT(COMMAND_OOB("o", "$2") COMMAND("b", "1")));

SCRIPT(ids_by_value, CONNECT, SUBMIT_ID(0, "a", "'\xc3\xa9\xf0\x9f\x98\x80/'"),
    SUBMIT_ID(1, "b", "18446744073709551615"), SUBMIT_ID(2, "c", "{'x': [1, 2], 'y': {'z': null}}"),
    SUBMIT_ID(3, "d", "9007199254740993"), SUBMIT_ID(4, "e", "null"), SUBMIT_ID(5, "f", "-9223372036854775808"),
    SUBMIT_ID(6, "g", "''"), SUBMIT_ID(7, "h", " [ 0.1 ] "), SEND_ALL,
    FEED(RETURN("{'y':{'z':null},'\\u0078':[1,2]}") RETURN("9007199254740992") RETURN("9007199254740993")),
    REPLY(2, "'y'"), REPLY(3, "9007199254740993"), NOTHING, STRAYS(1),
    FEED(RETURN("18446744073709551614") RETURN("18446744073709551615") RETURN("'\\u00E9\\uD83D\\uDE00\\/'")),
    REPLY(1, "18446744073709551615"), REPLY(0, "u00E9"), STRAYS(2),
    FEED(RETURN("false") RETURN("null") RETURN("'\\u0000'") RETURN("''") RETURN("[0.10000000000000001]")),
    REPLY(4, "null"), REPLY(6, "''"), REPLY(7, "[0.1"), STRAYS(4),
    FEED(RETURN("-9223372036854775807") RETURN("-9223372036854775808")), REPLY(5, "-9223372036854775808"), STRAYS(5),
    NOTHING);

SCRIPT(ids_of_other_types, CONNECT, SUBMIT_ID(0, "a", "1"), SUBMIT_ID(1, "b", "'1'"), SUBMIT_ID(2, "c", "[1]"),
    SUBMIT_ID(3, "d", "{'1': 1}"), SUBMIT_ID(4, "e", "true"), SEND_ALL,
    FEED(RETURN("true") RETURN("{'1': 1}") RETURN("[1]") RETURN("'1'") RETURN("1")), REPLY(4, ""), REPLY(3, ""),
    REPLY(2, ""), REPLY(1, ""), REPLY(0, ""), STRAYS(0));

SCRIPT(duplicate_ids, CONNECT, SUBMIT_ID(0, "a", "'i\\u0064'"), REFUSED(1, "b", "'id'", -EEXIST), SEND(5),
    REFUSED(1, "b", " 'id' ", -EEXIST), SEND_ALL, REFUSED(1, "b", "'\\u0069d'", -EEXIST),
    REFUSED(1, "b", "$0", -EEXIST), OUTPUT(""), FEED(RETURN("'id'")), REPLY(0, "'id'"), SUBMIT_ID(1, "b", "'id'"),
    OUTPUT(COMMAND("b", "'id'")), SEND_ALL, FEED(RETURN("'id'")), REPLY(1, "'id'"), NOTHING);

SCRIPT(duplicate_of_own_id, CONNECT, SUBMIT(0, "a"), REFUSED(1, "b", "$0", -EEXIST), SEND_ALL,
    REFUSED(1, "b", "$0", -EEXIST), FEED(RETURN("$0")), REPLY(0, "$0"));

/* ---- without waiting for a greeting, or without negotiating ---- */

static void test_script_at_once(void *script)
{
    play_with(script, /* want_oob= */ true, /* await_greeting= */ false, /* negotiate= */ true, MODES);
}

static void test_script_greeted(void *script)
{
    play_with(script, /* want_oob= */ true, /* await_greeting= */ true, /* negotiate= */ false, MODES);
}

#define OTHER_GREETING "{'QMP': {'version': {}, 'capabilities': []}}"

SCRIPT(at_once, RUNNING, NOTHING, STATE(RUNNING), OUTPUT(""), GREETED(NULL), SUBMIT_ID(0, "a", "0"),
    OUTPUT(COMMAND("a", "0")), SEND_ALL, FEED(RETURN("0")), REPLY(0, ""), NOTHING);
SCRIPT(at_once_greeted_later, RUNNING, FEED(GREETING_OOB), NOTHING, OUTPUT(""), GREETED(GREETING_OOB),
    FEED(STOP OTHER_GREETING GREETING), EVENT("STOP"), NOTHING, GREETED(GREETING), FEED(OTHER_GREETING), NOTHING,
    GREETED(OTHER_GREETING), STATE(RUNNING), STRAYS(0));
SCRIPT(at_once_bad_greeting, RUNNING, FEED("{'QMP': {}}"), NOTHING,
    FAILED(BAD_GREETING, -EPROTO, "greeting", "{'QMP': {}}"));
/* The caller may have negotiated, or not: we cannot know. */
SCRIPT(at_once_oob, RUNNING, SUBMIT_ID(0, "a", "0"), SUBMIT_OOB(1, "o"),
    OUTPUT(COMMAND_OOB("o", "$1") COMMAND("a", "0")), SEND_ALL, FEED(ERROR("$1") RETURN("0")), REPLY(1, "no such"),
    REPLY(0, ""));
SCRIPT(at_once_error_without_id, RUNNING, FEED(ERROR_NO_ID("odd")), FAILED(SERVER_PARSE, -EPROTO, "odd", NULL));
SCRIPT(at_once_garbage, RUNNING, FEED("\xff"), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "\xff"));
SCRIPT(at_once_hang_up, RUNNING, HANG_UP(0), FAILED(CLOSED, -ECONNRESET, "server closed the connection", NULL));
SCRIPT(at_once_limit, RUNNING, SUBMIT_8, SEND_ALL, FEED(RETURN("0")), REPLY(0, ""), OUTPUT(COMMAND("h", "7")));

SCRIPT(greeted, NOTHING, STATE(GREETING), OUTPUT(""), FEED(STOP GREETING_OOB RESUME), EVENT("STOP"), RUNNING,
    EVENT("RESUME"), NOTHING, OUTPUT(""), GREETED(GREETING_OOB));
SCRIPT(greeted_by_the_caller, FEED(GREETING_OOB), RUNNING, SUBMIT_ID(0, "qmp_capabilities", "0"), SUBMIT_OOB(1, "o"),
    SEND_ALL, FEED(RETURN("0") RETURN("$1")), REPLY(0, ""), REPLY(1, ""), NOTHING, STRAYS(0));
SCRIPT(greeted_twice, FEED(GREETING OTHER_GREETING), RUNNING, NOTHING, GREETED(OTHER_GREETING), STATE(RUNNING));
SCRIPT(greeted_badly, FEED("{'QMP': {}}"), NOTHING, FAILED(BAD_GREETING, -EPROTO, "greeting", NULL));
SCRIPT(greeted_never, HANG_UP(0), NOTHING, FAILED(CLOSED, -ECONNRESET, "before its greeting", NULL));
SCRIPT(greeted_limit, FEED(GREETING), RUNNING, SUBMIT_8, SEND_ALL, FEED(RETURN("0")), REPLY(0, ""),
    OUTPUT(COMMAND("h", "7")));

static void test_has_oob(void)
{
    struct session_options o = play_options();
    struct play p;
    char *greeting;

    o.negotiate = false;
    play_init(&p, WHOLE, &o);
    greeting = play_expand(&p, GREETING_OOB);
    play_feed(&p, greeting, strlen(greeting));
    assert_false(p.session.has_oob);
    play_done(&p);

    o.negotiate = true;
    play_init(&p, WHOLE, &o);
    play_feed(&p, greeting, strlen(greeting));
    assert_true(p.session.has_oob);
    free(greeting);
    play_done(&p);
}

/* ---- hanging up ---- */

SCRIPT(hang_up_at_once, HANG_UP(0), FAILED(CLOSED, -ECONNRESET, "closed the connection before its greeting", NULL));
SCRIPT(hang_up_reset, HANG_UP(-ECONNRESET), FAILED(CLOSED, -ECONNRESET, "reset the connection before", NULL));
SCRIPT(hang_up_pipe, CONNECT, HANG_UP(-EPIPE), FAILED(CLOSED, -ECONNRESET, "reset the connection", NULL));
SCRIPT(hang_up_other, CONNECT, SUBMIT(0, "a"), HANG_UP(-EIO), FAILED(CLOSED, -EIO, "broke", NULL), REST("0"));
SCRIPT(hang_up_in_greeting, FEED("  {'QMP': "), PENDING(8), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "before its greeting in the middle of a message, after 8 bytes", NULL));
SCRIPT(hang_up_negotiating, FEED(GREETING), HANG_UP(0), FAILED(CLOSED, -ECONNRESET, "during the negotiation", NULL),
    REST(""));
SCRIPT(hang_up_negotiation_sent, FEED(GREETING), SEND_ALL, FEED("\r\n"), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "during the negotiation", NULL), REST(""));
SCRIPT(hang_up_running, CONNECT, FEED("\r\n  "), PENDING(0), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "closed the connection", NULL));
SCRIPT(hang_up_mid_reply, CONNECT, SUBMIT_ID(0, "a", "0"), SEND_ALL, FEED(STOP "{'return': {}"), EVENT("STOP"), NOTHING,
    PENDING(13), HANG_UP(-ECONNRESET), FAILED(CLOSED, -ECONNRESET, "in the middle of a message, after 13 bytes", NULL),
    REST("0"));
SCRIPT(hang_up_partly_sent, CONNECT_OOB, SUBMIT_8, SEND(3), SUBMIT_OOB(8, "o"), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "closed", NULL), REST("081234567"));
SCRIPT(hang_up_later, CONNECT, FEED("x"), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"), HANG_UP(0),
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"));

/* The bytes of the server go to a terminal only as words. */
SCRIPT(failure_escaped, CONNECT, FEED("\x1b]0;title\a\x7f\x80\xff\n" HUNDRED HUNDRED HUNDRED),
    FAILED(DESERIALIZATION, -EBADMSG, "title", "\x1b]0;title\a\x7f\x80\xff\n"));
SCRIPT(failure_escaped_desc, CONNECT, FEED(ERROR_NO_ID("\\u001b[2J \xc2\x9b \xe2\x80\xae" HUNDRED HUNDRED)),
    FAILED(SERVER_PARSE, -EPROTO, "parse", "{'error': {'class': 'GenericError', 'desc': '\\u001b[2J \xc2\x9b"));

SCRIPT(failure_escaped_class, CONNECT,
    FEED("{'error': {'class': '\\u001b" HUNDRED HUNDRED "', 'desc': '\\u0007\\u0000" HUNDRED HUNDRED HUNDRED "'}}"),
    FAILED(SERVER_PARSE, -EPROTO, "parse", "{'error': {'class': '\\u001b"));

static void test_greeting_is_kept(void)
{
    struct session_options o = play_options();
    struct play p;
    char *greeting;

    play_init(&p, BYTEWISE, &o);
    greeting = play_expand(&p, GREETING_OOB);
    assert_null(p.session.greeting);
    play_feed(&p, greeting, strlen(greeting));
    greeting[strlen(greeting) - 2] = '\0';
    assert_value(qmp_message_root(p.session.greeting), greeting);
    assert_int_equal(qmp_message_kind(p.session.greeting), QMP_GREETING);
    free(greeting);
    play_done(&p);
}

static void test_events_are_numbered(void)
{
    struct session_options o = play_options();
    struct play p;
    char *bytes;

    play_init(&p, WHOLE, &o);
    bytes = play_expand(&p, STOP GREETING RESUME RETURN("1") STOP);
    play_feed(&p, bytes, strlen(bytes));
    assert_int_equal(p.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(qmp_message_sequence(p.items[i].message), i + 1);
    free(bytes);
    play_done(&p);
}

static const struct check_test tests[] = {
    PLAY(negotiation, test_script),
    PLAY(negotiation_oob, test_script),
    PLAY(negotiation_many_capabilities, test_script),
    PLAY(negotiation_no_oob_offered, test_script),
    PLAY(negotiation_no_oob_wanted, test_script_without_oob),
    PLAY(negotiation_in_one_piece_with_events, test_script),
    PLAY(negotiation_refused, test_script),
    PLAY(negotiation_reply_before_sent, test_script),
    PLAY(negotiation_sent_in_pieces, test_script),
    PLAY(foreign_replies, test_script),
    PLAY(greeting_twice, test_script),
    PLAY(greeting_twice_apart, test_script),
    PLAY(greeting_twice_answered_backwards, test_script),
    PLAY(greeting_twice_refused, test_script),
    PLAY(greeting_thrice, test_script),
    PLAY(greeting_twice_running, test_script),
    PLAY(greeting_empty, test_script),
    PLAY(greeting_null, test_script),
    PLAY(greeting_array, test_script),
    PLAY(greeting_no_version, test_script),
    PLAY(greeting_version_string, test_script),
    PLAY(greeting_no_capabilities, test_script),
    PLAY(greeting_capabilities_object, test_script),
    PLAY(greeting_least, test_script),
    PLAY(garbage_first, test_script),
    PLAY(garbage_between, test_script),
    PLAY(garbage_ff, test_script),
    PLAY(garbage_inside, test_script),
    PLAY(no_object, test_script),
    PLAY(no_kind, test_script),
    PLAY(event_without_name, test_script),
    PLAY(member_twice, test_script),
    PLAY(too_large, test_script),
    PLAY(too_large_unended, test_script),
    PLAY(too_deep, test_script),
    PLAY(just_deep_enough, test_script),
    PLAY(id_less_error, test_script),
    PLAY(id_less_error_first, test_script),
    PLAY(id_less_error_foreign, test_script),
    PLAY(id_less_error_of_a_lost_beginning, test_script),
    PLAY(id_less_error_refused, test_script),
    PLAY(id_less_error_negotiating, test_script),
    PLAY(id_less_error_greeted_twice, test_script),
    PLAY(id_less_return, test_script),
    PLAY(replies_in_any_order, test_script),
    PLAY(two_replies_to_one, test_script),
    PLAY(reply_before_command_is_sent, test_script),
    PLAY(reply_before_line_end_is_sent, test_script),
    PLAY(oob_after_line_end, test_script),
    PLAY(negotiated_before_line_end_is_sent, test_script),
    PLAY(reply_before_last_line_end_is_sent, test_script),
    PLAY(ids_by_value, test_script),
    PLAY(ids_of_other_types, test_script),
    PLAY(duplicate_ids, test_script),
    PLAY(duplicate_of_own_id, test_script),
    PLAY(hang_up_at_once, test_script),
    PLAY(hang_up_reset, test_script),
    PLAY(hang_up_pipe, test_script),
    PLAY(hang_up_other, test_script),
    PLAY(hang_up_in_greeting, test_script),
    PLAY(hang_up_negotiating, test_script),
    PLAY(hang_up_negotiation_sent, test_script),
    PLAY(hang_up_running, test_script),
    PLAY(hang_up_mid_reply, test_script),
    PLAY(hang_up_partly_sent, test_script),
    PLAY(hang_up_later, test_script),
    PLAY(failure_escaped, test_script_whole),
    PLAY(failure_escaped_desc, test_script),
    PLAY(failure_escaped_class, test_script),
    PLAY(at_once, test_script_at_once),
    PLAY(at_once_greeted_later, test_script_at_once),
    PLAY(at_once_bad_greeting, test_script_at_once),
    PLAY(at_once_oob, test_script_at_once),
    PLAY(at_once_error_without_id, test_script_at_once),
    PLAY(at_once_garbage, test_script_at_once),
    PLAY(at_once_hang_up, test_script_at_once),
    PLAY(at_once_limit, test_script_at_once),
    PLAY(greeted, test_script_greeted),
    PLAY(greeted_by_the_caller, test_script_greeted),
    PLAY(greeted_twice, test_script_greeted),
    PLAY(greeted_badly, test_script_greeted),
    PLAY(greeted_never, test_script_greeted),
    PLAY(greeted_limit, test_script_greeted),
    CHECK_TEST(test_has_oob),
    CHECK_TEST(test_greeting_is_kept),
    CHECK_TEST(test_events_are_numbered),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
