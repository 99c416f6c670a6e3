/* SPDX-License-Identifier: MIT */
/* The protocol with a guest agent that may be old, confused or hostile: how it is synchronised with, what is taken for
 * an answer and what is not, commands one at a time, what is given up, and success that is silent. Scripts; every cut
 * of hostile bytes in two; noise; floods; and a random walk with an agent that is honest. */

#include "test-play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame/frame.h"
#include "util/util.h"

static struct session_options agent_options(void)
{
    struct session_options o = play_options();

    o.agent = true;
    return o;
}

static void test_script(void *script)
{
    struct session_options o = agent_options();

    play_script(script, &o, MODES);
}

/* Behind a command, and to start with. */
#define QUESTION "{'execute':'guest-sync-delimited','arguments':{'id':$s}}\n"
#define RESET_QUESTION "\xff" QUESTION
#define ANSWER "\xff{'return': $s}\n"
/* What the agent thinks of the first byte. */
#define COMPLAINT ERROR_NO_ID("JSON parse error, stray \\uFFFD")
#define SYNC OUTPUT(RESET_QUESTION), SEND_ALL, FEED(COMPLAINT ANSWER), RUNNING, NOTHING, STATE(RUNNING)
#define SYNC_AGAIN STATE(SYNCING), OUTPUT(RESET_QUESTION), SEND_ALL, FEED(COMPLAINT ANSWER), NOTHING, STATE(RUNNING)

/* ---- the first synchronisation ---- */

SCRIPT(sync, NOTHING, STATE(SYNCING), SYNC, OUTPUT(""), STRAYS(0), GREETED(NULL));
SCRIPT(sync_in_pieces, SEND(1), OUTPUT(QUESTION), SEND(20), FEED(COMPLAINT), NOTHING, SEND_BUT(1), FEED("\xff"),
    NOTHING, FEED("{'return'"), PENDING(9), FEED(": $s}"), RUNNING, OUTPUT("\n"), SUBMIT_ID(0, "a", "0"),
    OUTPUT("\n" COMMAND("a", "0")), SEND(1), OUTPUT(COMMAND("a", "0")));
SCRIPT(sync_answered_before_it_is_asked, FEED(ANSWER), NOTHING, SEND(1), FEED(ANSWER), NOTHING, SEND_BUT(2),
    FEED(ANSWER), NOTHING, SEND_ALL, FEED(ANSWER), RUNNING);
SCRIPT(sync_spelled_otherwise, SEND_ALL, FEED("\xff\r\n \t{ 'id' : null,\r\n 'return':$s\n }"), RUNNING);
SCRIPT(sync_predecessor, SEND_ALL,
    FEED("ng': 'b', '\\\\\xc3'}]}, 'id': 1}\n" RETURN("'other'") "\xff{'return': 17}\n" RETURN("8")
            COMPLAINT ANSWER RETURN("9")),
    RUNNING, NOTHING, STRAYS(1));

/* What is no answer, however near it comes; behind it the answer still is one. */
#define NO_ANSWER(name, bytes)                                                                                         \
    SCRIPT(name, SEND_ALL, FEED(bytes), NOTHING, STATE(SYNCING), FEED("\n" COMPLAINT ANSWER), RUNNING, NOTHING,        \
        STRAYS(0))

NO_ANSWER(search_no_reset, "{'return': $s}\n");
NO_ANSWER(search_string, "\xff{'return': '$s'}\n");
NO_ANSWER(search_fraction, "\xff{'return': $s.0}\n");
NO_ANSWER(search_exponent, "\xff{'return': $se0}\n");
NO_ANSWER(search_negative, "\xff{'return': -$s}\n");
NO_ANSWER(search_one_off, "\xff{'return': $+}\n");
NO_ANSWER(search_a_thousand, "\xff{'return': 1e3}\n");
NO_ANSWER(search_ten_times, "\xff{'return': $s0}\n");
NO_ANSWER(search_zero_before, "\xff{'return': 0$s}\n");
NO_ANSWER(search_large, "\xff{'return': 99999999999999999999999999999999999999999999}\n");
NO_ANSWER(search_array, "\xff{'return': [$s]}\n");
NO_ANSWER(search_object, "\xff{'return': {'return': $s}}\n");
NO_ANSWER(search_null, "\xff{'return': null}\n");
NO_ANSWER(search_error, "\xff" ERROR_NO_ID("$s"));
NO_ANSWER(search_error_with_it, "\xff{'error': $s}\n");
NO_ANSWER(search_event, "\xff{'event': '$s', 'data': $s}\n");
NO_ANSWER(search_event_of_monitor, "\xff" STOP);
NO_ANSWER(search_greeting, "\xff" GREETING);
NO_ANSWER(search_both, "\xff{'return': $s, 'error': {'class': 'a', 'desc': 'b'}}\n");
NO_ANSWER(search_twice_in_one, "\xff{'return': $s, 'return': $s}\n");
NO_ANSWER(search_no_message, "\xff[{'return': $s}]\n");
NO_ANSWER(search_scalar, "\xff$s\n");
NO_ANSWER(search_second_behind, "\xff{'return': 1}{'return': $s}\n");
NO_ANSWER(search_garbage_behind, "\xffx{'return': $s}\n");
NO_ANSWER(search_comma_behind, "\xff,{'return': $s}\n");
NO_ANSWER(search_in_string, "\xff{'return': '\xff{\\'return\\': $s}'}\n");
NO_ANSWER(search_in_outer, "\xff{'a': {'return': $s}}\n");
NO_ANSWER(search_unended, "\xff{'return': $s");
NO_ANSWER(search_unended_string, "\xff{'return");
NO_ANSWER(search_unended_escape, "\xff{'return\\");
NO_ANSWER(search_unended_brackets, "\xff[[[[[{{{{{");
NO_ANSWER(search_cut_number, "\xff{'return': $s\xff}\n");
NO_ANSWER(search_brackets, "\xff}}}}]]]]{{[[");
NO_ANSWER(search_mismatch, "\xff{'return': [$s}\n");
NO_ANSWER(search_utf8, "\xff\xfe{'return': $s}\n");
NO_ANSWER(search_nul, "\xff{'return': '\xc0\x80'}\n");
NO_ANSWER(search_storm, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
NO_ANSWER(search_storm_of_starts, "\xff{\xff[\xff'\xff{'\xff{'a':\xff\\");
NO_ANSWER(search_reply_inside, "\xff" RETURN("'a'") "\xff{'return': 1}\n");
NO_ANSWER(search_too_deep, "\xff{'return': [[[[[[[[[[[[[[[[[[[[$s]]]]]]]]]]]]]]]]]]]]}\n");
NO_ANSWER(search_too_deep_unended, "\xff[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
#define HUNDRED "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define THOUSAND HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
NO_ANSWER(search_too_large, "\xff{'a': '" THOUSAND "', 'return': $s}\n");
NO_ANSWER(search_too_large_unended, "\xff{'return': '" THOUSAND THOUSAND);
NO_ANSWER(search_nothing, " \r\n\xff \r\n");

/* As large as the limit allows, and the answer all the same. */
SCRIPT(sync_deep_and_long, SEND_ALL, FEED("\xff{'a': [[[[[[[[[[1]]]]]]]]]], 'b': '" HUNDRED HUNDRED "', 'return': $s}"),
    RUNNING);

/* Nobody answers a second time. */
SCRIPT(sync_two_answers, SEND_ALL, FEED(ANSWER ANSWER), RUNNING, NOTHING, STATE(RUNNING), STRAYS(1));

SCRIPT(sync_hang_up, HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "the server closed the connection during the synchronisation", NULL));
SCRIPT(sync_hang_up_searching, SEND_ALL, FEED("{'return': "), PENDING(0), HANG_UP(-ECONNRESET),
    FAILED(CLOSED, -ECONNRESET, "reset the connection during the synchronisation", NULL));
SCRIPT(sync_hang_up_answering, SEND_ALL, FEED("\xff{'return"), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "during the synchronisation in the middle of a message, after 8 bytes", NULL));

/* ---- commands ---- */

#define RETURN_NO_ID "{'return': {}}\n"

SCRIPT(one_at_a_time, SYNC, SUBMIT(0, "a"), SUBMIT(1, "b"), SUBMIT_ID(2, "c", "2"), OUTPUT(COMMAND("a", "$0")),
    SEND_ALL, OUTPUT(""), FEED(RETURN("$0")), REPLY(0, "$0"), OUTPUT(COMMAND("b", "$1")), SEND_ALL, OUTPUT(""),
    FEED(ERROR("$1") RETURN("2")), REPLY(1, "no such"), NOTHING, STRAYS(1), OUTPUT(COMMAND("c", "2")), SEND_ALL,
    FEED(RETURN("2")), REPLY(2, ""), STRAYS(1));
SCRIPT(wait_for_sync, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), OUTPUT(RESET_QUESTION), SEND_ALL, OUTPUT(""),
    FORGET(0, true), FEED(RETURN("1") COMPLAINT ANSWER), RUNNING, NOTHING, OUTPUT(COMMAND("b", "1")));
SCRIPT(ids_are_not_repeated, SYNC, SUBMIT(0, "a"), SUBMIT_ID(1, "b", "1"), SEND_ALL, FEED(RETURN_NO_ID), REPLY(0, ""),
    SEND_ALL, FEED(ERROR_NO_ID("odd")), REPLY(1, "odd"), STRAYS(0), STATE(RUNNING));
SCRIPT(no_ids_at_all, SYNC, SUBMIT_AS(0, "a", 0, .no_id = true), SUBMIT_AS(1, "b", 0, .no_id = true),
    OUTPUT("{'execute':'a'}\n"), SEND_ALL, FEED(RETURN_NO_ID), REPLY(0, ""), OUTPUT("{'execute':'b'}\n"), SEND_ALL,
    FEED(RETURN("1")), NOTHING, STRAYS(1), FEED(ERROR_NO_ID("x")), REPLY(1, "x"));
SCRIPT(other_ids, SYNC, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND_ALL, FEED(RETURN("1") ERROR("'0'")),
    NOTHING, STRAYS(2), FEED(RETURN("0")), REPLY(0, ""), OUTPUT(COMMAND("b", "1")), REFUSED(2, "c", "1", -EEXIST));
SCRIPT(strays, SYNC, FEED(RETURN_NO_ID COMPLAINT RETURN("1") ERROR("2")), NOTHING, STRAYS(4), STATE(RUNNING),
    OUTPUT(""), SUBMIT_ID(0, "a", "0"), SEND(3), FEED(RETURN_NO_ID), NOTHING, STRAYS(5), SEND_ALL, FEED(RETURN_NO_ID),
    REPLY(0, ""));
SCRIPT(no_oob, SYNC, REFUSED_OOB(0, "a", -EOPNOTSUPP), SUBMIT_AS(0, "{'exec-oob':'a'}", -EOPNOTSUPP, .ready = true),
    OUTPUT(""));
SCRIPT(event, SYNC, FEED(STOP), NOTHING, FAILED(UNEXPECTED_TYPE, -EPROTO, "agent sent an event", "{'timestamp'"));
SCRIPT(greeting, SYNC, SUBMIT(0, "a"), SEND_ALL, FEED(GREETING), NOTHING,
    FAILED(UNEXPECTED_TYPE, -EPROTO, "agent sent a greeting", "{'QMP'"), REST("0"));
SCRIPT(garbage, SYNC, FEED("x"), FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"));
SCRIPT(too_deep, SYNC, FEED("{'return': [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}"),
    FAILED(LIMIT, -ELOOP, "deeper than 20", "{'retur"));
SCRIPT(too_large, SYNC, FEED("{'return': '" THOUSAND), FAILED(LIMIT, -EMSGSIZE, "1000 bytes", NULL));
SCRIPT(descriptors, SYNC, SUBMIT_AS(0, "a", 0, .id = "0", .n_fds = 2), SUBMIT_AS(1, "b", 0, .id = "1", .n_fds = 1),
    OUTPUT_FDS(0, COMMAND("a", "0")), SEND_ALL, FEED(RETURN("0")), REPLY(0, ""), OUTPUT_FDS(1, COMMAND("b", "1")));

/* A 0xFF that is not ours: what follows starts afresh. */
SCRIPT(resets, SYNC, FEED("\xff\xff \xff"), NOTHING, STATE(RUNNING), SUBMIT_ID(0, "guest-sync-delimited", "0"),
    SEND_ALL, FEED("\xff{'return': 5, 'id': 0}\n"), REPLY(0, "5"), STRAYS(0), OUTPUT(""), STATE(RUNNING));
SCRIPT(resets_in_a_message, SYNC, SUBMIT_ID(0, "a", "0"), SEND_ALL, FEED("{'return': {}, 'id\xff"), NOTHING, PENDING(0),
    FEED("{'re\xff" RETURN("0")), REPLY(0, ""));

/* ---- giving up ---- */

SCRIPT(give_up_in_flight, SYNC, SUBMIT(0, "a"), SUBMIT_ID(1, "b", "1"), SEND_ALL, FORGET(0, true), SYNC_AGAIN,
    STRAYS(0), OUTPUT(COMMAND("b", "1")), SEND_ALL, FEED(RETURN("1")), REPLY(1, ""));
SCRIPT(give_up_late_reply, SYNC, SUBMIT(0, "a"), SUBMIT_AS(1, "b", 0, .no_id = true), SEND_ALL, FORGET(0, true),
    FEED(RETURN("7")), NOTHING, SEND(30), FEED(RETURN_NO_ID ERROR_NO_ID("late")), SEND_ALL,
    FEED(RETURN_NO_ID COMPLAINT), NOTHING, OUTPUT(""), FEED("\xff{'return': $-}" ANSWER), NOTHING,
    OUTPUT("{'execute':'b'}\n"), SEND_ALL, NOTHING, STRAYS(0), FEED(RETURN_NO_ID), REPLY(1, ""));
SCRIPT(give_up_half_sent, SYNC, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(5), FORGET(0, true), SYNC_AGAIN,
    OUTPUT(COMMAND("b", "1")));
SCRIPT(give_up_before_the_line_end, SYNC, SUBMIT_ID(0, "a", "0"), SEND_BUT(1), FORGET(0, true), SYNC_AGAIN, OUTPUT(""));
SCRIPT(give_up_unsent, SYNC, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), FORGET(0, true), STATE(RUNNING),
    OUTPUT(COMMAND("b", "1")));
SCRIPT(give_up_queued, SYNC, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND_ALL, FORGET(1, true), STATE(RUNNING),
    OUTPUT(""), FEED(RETURN("0")), REPLY(0, ""), OUTPUT(""));
SCRIPT(give_up_in_its_reply, SYNC, SUBMIT_ID(0, "a", "0"), SEND_ALL, FEED("{'return': [{'a': '"), PENDING(19),
    FORGET(0, true), PENDING(0), FEED("b'}], 'id': 0}"), PENDING(0), SYNC_AGAIN, STRAYS(0));
SCRIPT(give_up_twice, SYNC, SUBMIT_ID(0, "a", "0"), SEND_ALL, FORGET(0, true), SEND_ALL, SUBMIT_ID(0, "a", "0"),
    FEED(ANSWER), NOTHING, SEND(3), FORGET(0, true), FEED("\xff{'return': $-}\n"), NOTHING, SYNC_AGAIN);
SCRIPT(give_up_and_reuse_the_id, SYNC, SUBMIT_ID(0, "a", "0"), SEND_ALL, FORGET(0, true), SUBMIT_ID(1, "b", "0"),
    SEND_ALL, FEED(RETURN("0") ANSWER), NOTHING, OUTPUT(COMMAND("b", "0")), SEND_ALL, FEED(RETURN("0")), REPLY(1, ""));
SCRIPT(give_up_and_hang_up, SYNC, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND_ALL, FORGET(0, true), HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "during the synchronisation", NULL), REST("1"));
SCRIPT(give_up_after_the_end, SYNC, SUBMIT_ID(0, "a", "0"), SEND_ALL, HANG_UP(0), FORGET(0, true),
    FAILED(CLOSED, -ECONNRESET, "closed", NULL), REST(""));

/* ---- commands that answer only errors ---- */

#define SHUTDOWN "{'execute':'guest-shutdown','id':0}\n"
#define SUBMIT_SHUTDOWN SUBMIT_ID(0, "guest-shutdown", "0")

SCRIPT(silent, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), OUTPUT(SHUTDOWN QUESTION), SEND_ALL, OUTPUT(""),
    FEED(ANSWER), SILENT(0), NOTHING, STATE(RUNNING), STRAYS(0), OUTPUT(COMMAND("b", "1")), SEND_ALL, FEED(RETURN("1")),
    REPLY(1, ""));
SCRIPT(silent_by_request, SYNC, SUBMIT_AS(0, "{'execute':'x'}", 0, .ready = true, .no_id = true, .only_errors = true),
    OUTPUT("{'execute':'x'}\n" QUESTION), SEND_ALL, FEED(ANSWER), SILENT(0));
SCRIPT(silent_twice, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "guest-suspend-ram", "1"), SEND_ALL, FEED(ANSWER), SILENT(0),
    OUTPUT("{'execute':'guest-suspend-ram','id':1}\n" QUESTION), SEND_ALL, FEED("\xff{'return': $-}"), NOTHING,
    FEED(ANSWER), SILENT(1), NOTHING);
SCRIPT(silent_in_pieces, SYNC, SUBMIT_SHUTDOWN, SEND(sizeof(SHUTDOWN) - 2), OUTPUT("\n" QUESTION), FEED("\xff"),
    NOTHING, STATE(RUNNING), SEND(10), SEND_BUT(1), FEED(ANSWER), SILENT(0), NOTHING, OUTPUT("\n"), STRAYS(0));
SCRIPT(complained, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), SEND_ALL, FEED(ERROR("0")), REPLY(0, "no such"),
    STATE(RUNNING), OUTPUT(""), FEED(ANSWER), NOTHING, STATE(RUNNING), OUTPUT(COMMAND("b", "1")), STRAYS(0));
SCRIPT(complained_without_id, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), SEND_ALL, FEED(ERROR_NO_ID("odd") ANSWER),
    REPLY(0, "odd"), NOTHING, OUTPUT(COMMAND("b", "1")), STRAYS(0));
SCRIPT(complained_before_the_question_is_out, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), SEND(sizeof(SHUTDOWN) + 3),
    FEED(ERROR("0")), REPLY(0, "no such"), SEND_ALL, OUTPUT(""), FEED(ANSWER), NOTHING, OUTPUT(COMMAND("b", "1")));
SCRIPT(complained_twice, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), SEND_ALL, FEED(ERROR("0")), REPLY(0, "no such"),
    FEED(ERROR_NO_ID("no such command as guest-sync-delimited")), NOTHING, STRAYS(1), SYNC_AGAIN,
    OUTPUT(COMMAND("b", "1")));
SCRIPT(answered_after_all, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED(RETURN("0")), REPLY(0, "return"), FEED(ANSWER),
    NOTHING, STATE(RUNNING), STRAYS(0));
SCRIPT(silent_and_strays, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED(RETURN("7") ERROR("'0'")), NOTHING, STRAYS(2),
    FEED(ANSWER), SILENT(0));
/* Behind the 0xFF the search is on, and the command's own error can come no more. */
SCRIPT(silent_search, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED("\xff{'return': '$s'}"), NOTHING, STATE(SYNCING),
    FEED(ERROR("0") "\xff" ERROR("0") "\xff{'return': $+}"), NOTHING, FEED(ANSWER), SILENT(0), STATE(RUNNING));
SCRIPT(silent_cut_complaint, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED("{'error': {'cla" ANSWER), SILENT(0), PENDING(0));
SCRIPT(silent_event, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED(STOP), NOTHING,
    FAILED(UNEXPECTED_TYPE, -EPROTO, "event", NULL), REST("0"));
SCRIPT(silent_forgotten, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), SEND_ALL, FORGET(0, true),
    FEED("\xff{'return': $-}"), NOTHING, SYNC_AGAIN, OUTPUT(COMMAND("b", "1")));
SCRIPT(silent_forgotten_unsent, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), FORGET(0, true), STATE(RUNNING),
    OUTPUT(COMMAND("b", "1")));
SCRIPT(
    silent_forgotten_queued, SYNC, SUBMIT_ID(1, "b", "1"), SUBMIT_SHUTDOWN, FORGET(0, true), OUTPUT(COMMAND("b", "1")));
SCRIPT(silent_forgotten_half_sent, SYNC, SUBMIT_SHUTDOWN, SEND(4), FORGET(0, true), SYNC_AGAIN, OUTPUT(""));
SCRIPT(silent_forgotten_in_the_question, SYNC, SUBMIT_SHUTDOWN, SEND_BUT(9), FORGET(0, true), SYNC_AGAIN, OUTPUT(""));
SCRIPT(silent_forgotten_searching, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED("\xff{'return': 1}"), STATE(SYNCING),
    FORGET(0, true), FEED("\xff{'return': $-}"), NOTHING, SYNC_AGAIN);

/* It went, as told. */
SCRIPT(silent_end, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "b", "1"), SEND_ALL, HANG_UP(0),
    FAILED(CLOSED, -ECONNRESET, "closed", NULL), REST("0+1"));
SCRIPT(silent_end_before_the_question, SYNC, SUBMIT_SHUTDOWN, SEND(sizeof(SHUTDOWN) - 2), HANG_UP(-EPIPE), REST("0+"));
SCRIPT(silent_end_answering, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED("\xff{'ret"), HANG_UP(-ECONNRESET), REST("0+"));
SCRIPT(silent_end_half_sent, SYNC, SUBMIT_SHUTDOWN, SEND(sizeof(SHUTDOWN) - 3), HANG_UP(0), REST("0"));
SCRIPT(silent_end_unsent, SYNC, SUBMIT_SHUTDOWN, SUBMIT_ID(1, "guest-shutdown", "1"), HANG_UP(0), REST("01"));
SCRIPT(silent_end_complaining, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED("{'err"), HANG_UP(0), REST("0"));
SCRIPT(silent_end_complained, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED(ERROR("0")), REPLY(0, ""), HANG_UP(0), REST(""));
SCRIPT(silent_end_of_another, SYNC, SUBMIT_ID(0, "a", "0"), SEND_ALL, HANG_UP(0), REST("0"));
SCRIPT(silent_end_by_violation, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, FEED("x"), HANG_UP(0),
    FAILED(DESERIALIZATION, -EBADMSG, "JSON", "x"), REST("0"));
SCRIPT(silent_end_by_us, SYNC, SUBMIT_SHUTDOWN, SEND_ALL, REST("0"));

/* ---- every cut ---- */

static void feed_text(struct play *p, const char *text)
{
    char *bytes = play_expand(p, text);

    play_feed(p, bytes, strlen(bytes));
    free(bytes);
}

/* A session that has just asked. */
static void begin(struct play *p, size_t message_max)
{
    struct session_options o = agent_options();

    o.message_max = message_max;
    play_init(p, WHOLE, &o);
    play_send_all(p);
}

static void check_runs(struct play *p)
{
    assert_int_equal(p->session.state, SESSION_RUNNING);
    assert_int_equal(p->n, 1);
    assert_int_equal(p->items[0].kind, ITEM_RUNNING);
    play_check_books(p);
}

/* The answer is found wherever the input is cut in three. */
static void test_every_cut(void)
{
    static const char text[] =
        "}\xff\xff{'a'\xff" RETURN("1") "\xff[\xff {'return': 1}\n\xff\n{'return':$s}\n" RETURN("1");
    struct play p;
    size_t size;
    char *bytes;

    for (size_t i = 0;; i++) {
        for (size_t j = i;; j++) {
            begin(&p, SCRIPT_MESSAGE_MAX);
            bytes = play_expand(&p, text);
            size = strlen(bytes);
            play_feed(&p, bytes, MIN(i, size));
            play_check_books(&p);
            play_feed(&p, bytes + MIN(i, size), MIN(j, size) - MIN(i, size));
            play_check_books(&p);
            play_feed(&p, bytes + MIN(j, size), size - MIN(j, size));
            check_runs(&p);
            assert_int_equal(p.session.strays, 1);
            free(bytes);
            play_done(&p);
            if (j >= size)
                break;
        }
        if (i >= size)
            break;
    }
}

/* ---- noise ---- */

#define NOISES 3000u

/* Whatever comes while we search, the answer ends the search. */
static void test_noise(void)
{
    static const char *const pieces[] = {"\xff", "\xff", "{", "}", "[", "]", "'", "\\", "{'return': ", "$s", "$+",
        "}\n", "{'return': '$s'}", "\xff{'return': $s", "\xff{'return': $+}", ANSWER "x",
        "{'error': {'class': 'a', 'desc': 'b'}}", STOP, GREETING, " ", "\n", ",", "\x80", "\xc3", "0", "null", HUNDRED,
        "'a': "};
    const char *seed_text = getenv("NOISE_SEED");
    unsigned seed = seed_text ? (unsigned)atoi(seed_text) : (unsigned)check_now();

    print_message("NOISE_SEED=%u\n", seed);
    for (unsigned i = 0; i < NOISES; i++) {
        unsigned n = 1 + (unsigned)rand_r(&seed) % 40;
        struct play p;

        begin(&p, /* message_max= */ 200);
        p.mode = (unsigned)rand_r(&seed) % MODES;
        while (n-- > 0 && p.session.state == SESSION_SYNCING) {
            feed_text(&p, pieces[(unsigned)rand_r(&seed) % (ELEMENTS(pieces))]);
            play_check_books(&p);
            assert_in_range(p.session.frame.pending.size, 0, 200);
        }
        if (p.session.state == SESSION_SYNCING)
            feed_text(&p, ANSWER);
        /* Behind the answer anything may have come. */
        assert_int_not_equal(p.session.state, SESSION_SYNCING);
        assert_int_equal(p.n, 1);
        assert_int_equal(p.items[0].kind, ITEM_RUNNING);
        play_done(&p);
    }
}

/* ---- floods ---- */

#define FLOOD_SIZE ((size_t)4 << 20)
#define FLOOD_PIECE ((size_t)1 << 16)

/* The same for ever, and no more memory than for one message. */
static void flood(const char *pattern, const char *before)
{
    size_t n = strlen(pattern);
    char *bytes = malloc(FLOOD_PIECE);
    struct play p;

    assert_non_null(bytes);
    begin(&p, MESSAGE_MAX);
    feed_text(&p, before);
    for (size_t i = 0; i < FLOOD_PIECE; i++)
        bytes[i] = pattern[i % n];
    for (size_t fed = 0; fed < FLOOD_SIZE; fed += FLOOD_PIECE) {
        play_feed(&p, bytes, FLOOD_PIECE);
        assert_int_equal(p.session.state, SESSION_SYNCING);
        assert_in_range(p.session.frame.pending.allocated, 0, 2 * MESSAGE_MAX);
    }
    feed_text(&p, ANSWER);
    check_runs(&p);
    free(bytes);
    play_done(&p);
}

static void test_floods(void)
{
    flood("x", "");
    flood("{\"return\": 1}\n", "");
    flood("{\"return\": 1}\n", "\xff");
    flood("\xff", "");
    flood("\xff{", "");
    flood("\xff{\"return\": 1}\n", "");
    flood("[", "\xff");
    flood("x", "\xff{'return': '");
    flood(" ", "\xff");
    flood("\\", "\xff{'");
}

/* ---- numbers ---- */

/* 63 bits, and none comes twice. */
static void test_numbers(void)
{
    static uint64_t numbers[400];
    struct session_options o = agent_options();
    uint64_t all = 0;

    for (unsigned i = 0; i < ELEMENTS(numbers); i++) {
        struct play p;

        if (i % 2 == 0) {
            play_init(&p, WHOLE, &o);
            play_send_all(&p);
            numbers[i] = p.session.own->sync_number;
        } else {
            begin(&p, SCRIPT_MESSAGE_MAX);
            feed_text(&p, ANSWER);
            play_compose(&p, 0, &(struct session_request){.command = "x"});
            assert_ok(session_submit(&p.session, &p.commands[0]));
            session_sent(&p.session, 1);
            assert_true(session_forget(&p.session, &p.commands[0]));
            assert_true(p.session.own->sync_number != p.numbers[0]);
            numbers[i] = p.session.own->sync_number;
        }
        for (unsigned j = 0; j < i; j++)
            assert_true(numbers[j] != numbers[i]);
        assert_true(numbers[i] <= INT64_MAX);
        all |= numbers[i];
        play_done(&p);
    }
    assert_true(all == INT64_MAX);
}

/* Nothing goes before the question, not even what was submitted before there was a way out. */
static void test_submitted_early(void)
{
    struct session_options o = agent_options();
    struct play p = {.mode = WHOLE};
    size_t size;
    char *bytes;

    assert_ok(session_init(&p.session, &o));
    play_compose(&p, 0, &(struct session_request){.command = "x"});
    assert_ok(session_submit(&p.session, &p.commands[0]));
    assert_false(session_wants_output(&p.session));
    session_start(&p.session);
    bytes = play_output(&p, &size);
    assert_string_equal(bytes + size - p.session.own->sync.size, p.session.own->sync_text);
    assert_int_equal(size, p.session.own->sync.size);
    assert_int_equal((unsigned char)bytes[0], 0xff);
    free(bytes);
    play_done(&p);
}

/* ---- a recorded agent ---- */

static void take_reply(struct play *p, const char *text)
{
    struct session_item item = p->items[p->first++];

    assert_int_equal(p->first, p->n);
    assert_int_equal(item.kind, ITEM_REPLY);
    assert_non_null(strstr(qmp_message_root(item.message).text, text));
    qmp_message_unref(item.message);
}

static void test_transcript(void)
{
    static const struct {
        const char *id, *reply;
    } commands[] = {
        {"1", "{}"}, {"\"s\"", "9007199254740993"}, {"2", "CommandNotFound"}, {NULL, "1795357398093722000"}};
    struct play p;
    char line[200];

    for (unsigned mode = 0; mode < MODES; mode++) {
        FILE *f = fopen(TRANSCRIPTS "/plain-agent.qmp", "r");

        assert_non_null(f);
        begin(&p, MESSAGE_MAX);
        p.mode = mode;
        feed_text(&p, COMPLAINT ANSWER);
        assert_int_equal(p.items[p.first++].kind, ITEM_RUNNING);
        for (unsigned i = 0; i < ELEMENTS(commands); i++) {
            play_compose(&p, i, &(struct session_request){.command = "x", .id = commands[i].id});
            assert_ok(session_submit(&p.session, &p.commands[i]));
            play_send_all(&p);
            assert_non_null(fgets(line, sizeof(line), f));
            play_feed(&p, line, strlen(line));
            take_reply(&p, commands[i].reply);
        }
        assert_int_equal(p.session.strays, 0);
        fclose(f);
        play_done(&p);
    }
}

/* ---- a random walk ---- */

#define WALK_STEPS 20000u
#define WALK_SLOTS 8u

/* An honest agent: executes what it gets, one by one, and forgets a half at a 0xFF. */
struct walk {
    struct play play;
    unsigned seed;
    struct frame frame;
    char said[1 << 16]; /* by the agent, not yet heard */
    size_t n_said;
    bool used[WALK_SLOTS], executed[WALK_SLOTS], complains[WALK_SLOTS];
    uint64_t ticket[WALK_SLOTS], counter;
    unsigned n_replies, n_silent, n_given_up;
};

static unsigned below(struct walk *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static void say(struct walk *w, const char *format, ...) QMP_PRINTF(2, 3);

static void say(struct walk *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    w->n_said += (size_t)vsnprintf(w->said + w->n_said, sizeof(w->said) - w->n_said, format, args);
    va_end(args);
    assert_true(w->n_said < sizeof(w->said));
}

static void walk_execute(struct walk *w, const char *text, size_t size)
{
    qmp_value command = {text, size}, id = qmp_value_member(command, "id");
    uint64_t number;

    assert_ok(qmp_value_uint64(qmp_value_path(command, "arguments.id"), &number));
    if (qmp_value_equals(qmp_value_member(command, "execute"), "guest-sync-delimited")) {
        say(w, "\xff{\"return\": %" PRIu64 "}\n", number);
        return;
    }
    for (unsigned slot = 0; slot < WALK_SLOTS; slot++) {
        if (!w->used[slot] || w->ticket[slot] != number)
            continue;
        assert_false(w->executed[slot]);
        w->executed[slot] = true;
        if (w->complains[slot])
            say(w, "{\"error\": {\"class\": \"x\", \"desc\": \"<%" PRIu64 ">\"}", number);
        else if (!w->play.commands[slot].only_errors)
            say(w, "{\"return\": \"<%" PRIu64 ">\"", number);
        else
            return;
        if (id.text && below(w, 2))
            say(w, ", \"id\": %.*s", (int)id.size, id.text);
        say(w, "}\n");
        return;
    }
    /* Given up, but the agent does not know. */
    say(w, "{\"return\": \"<%" PRIu64 ">\"}\n", number);
}

static void walk_hear(struct walk *w, const char *data, size_t size)
{
    const char *text;
    size_t text_size;
    int r;

    while ((r = frame_next(&w->frame, &data, &size, &text, &text_size)) > 0)
        walk_execute(w, text, text_size);
    assert_int_equal(r, 0);
}

/* To the agent, of which the framer is a part: its parser forgets what it has at a 0xFF. */
static void walk_send(struct walk *w)
{
    size_t size, part;
    char *bytes = play_output(&w->play, &size), *p = bytes, *reset;

    if (size > 0) {
        part = below(w, 3) == 0 ? size : 1 + below(w, (unsigned)size);
        session_sent(&w->play.session, part);
        while ((reset = memchr(p, 0xff, part)) != NULL) {
            walk_hear(w, p, (size_t)(reset - p));
            frame_reset(&w->frame);
            say(w, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"stray\"}}\n");
            part -= (size_t)(reset + 1 - p);
            p = reset + 1;
        }
        walk_hear(w, p, part);
    }
    free(bytes);
}

static void walk_submit(struct walk *w)
{
    unsigned slot = below(w, WALK_SLOTS);
    struct session_request request = {.no_id = below(w, 3) == 0};
    char arguments[64];

    if (w->used[slot])
        return;
    snprintf(arguments, sizeof(arguments), "{\"id\":%" PRIu64 "}", ++w->counter);
    request.command = below(w, 3) ? "x" : "guest-shutdown";
    request.arguments = arguments;
    play_compose(&w->play, slot, &request);
    assert_ok(session_submit(&w->play.session, &w->play.commands[slot]));
    w->used[slot] = true;
    w->executed[slot] = false;
    w->complains[slot] = below(w, 3) == 0;
    w->ticket[slot] = w->counter;
}

static void walk_forget(struct walk *w)
{
    unsigned slot = below(w, WALK_SLOTS);

    if (!w->used[slot] || below(w, 2) > 0)
        return;
    w->n_given_up += w->play.commands[slot].sent > 0;
    assert_true(session_forget(&w->play.session, &w->play.commands[slot]));
    w->used[slot] = false;
}

static void walk_item(struct walk *w, const struct session_item *item)
{
    long slot = item->command - w->play.commands;
    char ticket[32];

    if (item->kind == ITEM_RUNNING)
        return;
    assert_int_equal(item->kind, ITEM_REPLY);
    assert_true(slot >= 0 && slot < (long)WALK_SLOTS && w->used[slot] && w->executed[slot]);
    w->used[slot] = false;
    if (!item->message) {
        assert_true(item->command->only_errors && !w->complains[slot]);
        w->n_silent++;
        return;
    }
    snprintf(ticket, sizeof(ticket), "<%" PRIu64 ">", w->ticket[slot]);
    assert_non_null(strstr(qmp_message_root(item->message).text, ticket));
    assert_int_equal(qmp_message_kind(item->message) == QMP_ERROR, w->complains[slot]);
    qmp_message_unref(item->message);
    w->n_replies++;
}

static void walk_receive(struct walk *w)
{
    size_t part;

    if (w->n_said == 0)
        return;
    part = 1 + below(w, (unsigned)w->n_said);
    w->play.mode = below(w, MODES);
    play_feed(&w->play, w->said, part);
    w->n_said -= part;
    memmove(w->said, w->said + part, w->n_said);
    for (; w->play.first < w->play.n; w->play.first++)
        walk_item(w, &w->play.items[w->play.first]);
    w->play.first = w->play.n = 0;
}

static void test_random_walk(void)
{
    static void (*const moves[])(struct walk *) = {
        walk_submit, walk_send, walk_send, walk_receive, walk_receive, walk_forget};
    struct session_options o = agent_options();
    const char *seed = getenv("WALK_SEED");
    static struct walk w;

    w = (struct walk){.seed = seed ? (unsigned)atoi(seed) : (unsigned)check_now()};
    print_message("WALK_SEED=%u\n", w.seed);
    frame_init(&w.frame, MESSAGE_MAX, /* depth_max= */ 10);
    play_init(&w.play, WHOLE, &o);
    for (unsigned i = 0; i < WALK_STEPS; i++) {
        moves[below(&w, ELEMENTS(moves))](&w);
        play_check_books(&w.play);
        assert_int_not_equal(w.play.session.state, SESSION_FAILED);
    }
    while (session_wants_output(&w.play.session) || w.n_said > 0) {
        walk_send(&w);
        walk_receive(&w);
        play_check_books(&w.play);
    }
    assert_int_equal(w.play.session.state, SESSION_RUNNING);
    for (unsigned i = 0; i < WALK_SLOTS; i++)
        assert_false(w.used[i]);
    assert_int_equal(w.play.session.strays, 0);
    assert_true(w.n_replies > 200 && w.n_silent > 50 && w.n_given_up > 50);
    frame_done(&w.frame);
    play_done(&w.play);
}

static const struct check_test tests[] = {
    PLAY(sync, test_script),
    PLAY(sync_in_pieces, test_script),
    PLAY(sync_answered_before_it_is_asked, test_script),
    PLAY(sync_spelled_otherwise, test_script),
    PLAY(sync_predecessor, test_script),
    PLAY(search_no_reset, test_script),
    PLAY(search_string, test_script),
    PLAY(search_fraction, test_script),
    PLAY(search_exponent, test_script),
    PLAY(search_negative, test_script),
    PLAY(search_one_off, test_script),
    PLAY(search_a_thousand, test_script),
    PLAY(search_ten_times, test_script),
    PLAY(search_zero_before, test_script),
    PLAY(search_large, test_script),
    PLAY(search_array, test_script),
    PLAY(search_object, test_script),
    PLAY(search_null, test_script),
    PLAY(search_error, test_script),
    PLAY(search_error_with_it, test_script),
    PLAY(search_event, test_script),
    PLAY(search_event_of_monitor, test_script),
    PLAY(search_greeting, test_script),
    PLAY(search_both, test_script),
    PLAY(search_twice_in_one, test_script),
    PLAY(search_no_message, test_script),
    PLAY(search_scalar, test_script),
    PLAY(search_second_behind, test_script),
    PLAY(search_garbage_behind, test_script),
    PLAY(search_comma_behind, test_script),
    PLAY(search_in_string, test_script),
    PLAY(search_in_outer, test_script),
    PLAY(search_unended, test_script),
    PLAY(search_unended_string, test_script),
    PLAY(search_unended_escape, test_script),
    PLAY(search_unended_brackets, test_script),
    PLAY(search_cut_number, test_script),
    PLAY(search_brackets, test_script),
    PLAY(search_mismatch, test_script),
    PLAY(search_utf8, test_script),
    PLAY(search_nul, test_script),
    PLAY(search_storm, test_script),
    PLAY(search_storm_of_starts, test_script),
    PLAY(search_reply_inside, test_script),
    PLAY(search_too_deep, test_script),
    PLAY(search_too_deep_unended, test_script),
    PLAY(search_too_large, test_script),
    PLAY(search_too_large_unended, test_script),
    PLAY(search_nothing, test_script),
    PLAY(sync_deep_and_long, test_script),
    PLAY(sync_two_answers, test_script),
    PLAY(sync_hang_up, test_script),
    PLAY(sync_hang_up_searching, test_script),
    PLAY(sync_hang_up_answering, test_script),
    PLAY(one_at_a_time, test_script),
    PLAY(wait_for_sync, test_script),
    PLAY(ids_are_not_repeated, test_script),
    PLAY(no_ids_at_all, test_script),
    PLAY(other_ids, test_script),
    PLAY(strays, test_script),
    PLAY(no_oob, test_script),
    PLAY(event, test_script),
    PLAY(greeting, test_script),
    PLAY(garbage, test_script),
    PLAY(too_deep, test_script),
    PLAY(too_large, test_script),
    PLAY(descriptors, test_script),
    PLAY(resets, test_script),
    PLAY(resets_in_a_message, test_script),
    PLAY(give_up_in_flight, test_script),
    PLAY(give_up_late_reply, test_script),
    PLAY(give_up_half_sent, test_script),
    PLAY(give_up_before_the_line_end, test_script),
    PLAY(give_up_unsent, test_script),
    PLAY(give_up_queued, test_script),
    PLAY(give_up_in_its_reply, test_script),
    PLAY(give_up_twice, test_script),
    PLAY(give_up_and_reuse_the_id, test_script),
    PLAY(give_up_and_hang_up, test_script),
    PLAY(give_up_after_the_end, test_script),
    PLAY(silent, test_script),
    PLAY(silent_by_request, test_script),
    PLAY(silent_twice, test_script),
    PLAY(silent_in_pieces, test_script),
    PLAY(complained, test_script),
    PLAY(complained_without_id, test_script),
    PLAY(complained_before_the_question_is_out, test_script),
    PLAY(complained_twice, test_script),
    PLAY(answered_after_all, test_script),
    PLAY(silent_and_strays, test_script),
    PLAY(silent_search, test_script),
    PLAY(silent_cut_complaint, test_script),
    PLAY(silent_event, test_script),
    PLAY(silent_forgotten, test_script),
    PLAY(silent_forgotten_unsent, test_script),
    PLAY(silent_forgotten_queued, test_script),
    PLAY(silent_forgotten_half_sent, test_script),
    PLAY(silent_forgotten_in_the_question, test_script),
    PLAY(silent_forgotten_searching, test_script),
    PLAY(silent_end, test_script),
    PLAY(silent_end_before_the_question, test_script),
    PLAY(silent_end_answering, test_script),
    PLAY(silent_end_half_sent, test_script),
    PLAY(silent_end_unsent, test_script),
    PLAY(silent_end_complaining, test_script),
    PLAY(silent_end_complained, test_script),
    PLAY(silent_end_of_another, test_script),
    PLAY(silent_end_by_violation, test_script),
    PLAY(silent_end_by_us, test_script),
    CHECK_TEST(test_every_cut),
    CHECK_TEST(test_noise),
    CHECK_TEST(test_floods),
    CHECK_TEST(test_numbers),
    CHECK_TEST(test_submitted_early),
    CHECK_TEST(test_transcript),
    CHECK_TEST(test_random_walk),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
