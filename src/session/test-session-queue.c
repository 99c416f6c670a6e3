/* SPDX-License-Identifier: MIT */
/* What goes when: the limit on commands in flight, out-of-band ones that overtake, commands without an id and with
 * descriptors that go one at a time, what is given up, and output in pieces. Scripts, every way to cut two commands in
 * two, and a random walk that knows what must be on the wire. */

#include "test-play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

static void test_script(void *script)
{
    struct session_options o = play_options();

    play_script(script, &o, MODES);
}

/* ---- the limit ---- */

#define SEVEN                                                                                                          \
    COMMAND("a", "0")                                                                                                  \
    COMMAND("b", "1") COMMAND("c", "2") COMMAND("d", "3") COMMAND("e", "4") COMMAND("f", "5") COMMAND("g", "6")

SCRIPT(limit_without_oob, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SUBMIT_ID(9, "j", "9"),
    OUTPUT(SEVEN COMMAND("h", "7")), SEND_ALL, OUTPUT(""), REFUSED(10, "x", "8", -EEXIST), FEED(STOP), EVENT("STOP"),
    OUTPUT(""), FEED(RETURN("77")), OUTPUT(""), FEED(RETURN("5")), REPLY(5, "5"), OUTPUT(COMMAND("i", "8")), SEND_ALL,
    OUTPUT(""), FEED(RETURN("8") ERROR("0")), REPLY(8, "8"), REPLY(0, "no such"), OUTPUT(COMMAND("j", "9")), SEND_ALL,
    SUBMIT_ID(10, "k", "10"), OUTPUT(COMMAND("k", "10")));

SCRIPT(limit_with_oob, CONNECT_OOB, SUBMIT_8, SUBMIT_ID(8, "i", "8"), OUTPUT(SEVEN), SEND_ALL, OUTPUT(""),
    SUBMIT_OOB(9, "o"), OUTPUT(COMMAND_OOB("o", "$9")), SEND_ALL, FEED(RETURN("$9")), REPLY(9, "$9"), OUTPUT(""),
    FEED(RETURN("6")), REPLY(6, "6"), OUTPUT(COMMAND("h", "7")), FEED(RETURN("5")), REPLY(5, "5"),
    OUTPUT(COMMAND("h", "7") COMMAND("i", "8")));

/* The negotiation is a command in flight too, and gives its place back. */
SCRIPT(limit_after_negotiation, CONNECT_OOB, SUBMIT_8, OUTPUT(SEVEN), SEND_ALL, FEED(RETURN("0") RETURN("1")),
    REPLY(0, "0"), REPLY(1, "1"), OUTPUT(COMMAND("h", "7")));

SCRIPT(limit_with_negotiation, FEED(GREETING_OOB), SUBMIT_8, SEND_ALL, OUTPUT(""), FEED(RETURN("$n")), RUNNING,
    OUTPUT(COMMAND("g", "6")), SEND_ALL, FEED(RETURN("2")), REPLY(2, "2"), OUTPUT(COMMAND("h", "7")));

/* An abandoned command keeps its place until its reply comes. */
SCRIPT(limit_with_forgotten, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SEND_ALL, FORGET(0, false), OUTPUT(""),
    FEED(RETURN("0")), REPLY(0, "0"), OUTPUT(COMMAND("i", "8")));

SCRIPT(limit_many_oob, CONNECT_OOB, SUBMIT_8, SEND_ALL, SUBMIT_OOB(8, "o"), SUBMIT_OOB(9, "p"), SUBMIT_OOB(10, "q"),
    SEND_ALL, FEED(RETURN("$9")), REPLY(9, ""), OUTPUT(""), FEED(RETURN("$8")), REPLY(8, ""), OUTPUT(""),
    FEED(RETURN("3")), REPLY(3, ""), OUTPUT(COMMAND("h", "7")), REST("012456:7"));

/* ---- out-of-band ---- */

SCRIPT(oob_overtakes_unsent, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SUBMIT_OOB(2, "o"),
    OUTPUT(COMMAND_OOB("o", "$2") COMMAND("a", "0") COMMAND("b", "1")), SUBMIT_OOB(3, "p"),
    OUTPUT(COMMAND_OOB("o", "$2") COMMAND_OOB("p", "$3") COMMAND("a", "0") COMMAND("b", "1")), SEND_ALL,
    FEED(RETURN("0") RETURN("$3") RETURN("1") RETURN("$2")), REPLY(0, ""), REPLY(3, ""), REPLY(1, ""), REPLY(2, ""));

SCRIPT(oob_splits_nothing, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(3), SUBMIT_OOB(2, "o"),
    OUTPUT("xecute':'a','id':0}\n" COMMAND_OOB("o", "$2") COMMAND("b", "1")), SEND(20), SUBMIT_OOB(3, "p"), SEND_ALL,
    FEED(RETURN("$3") RETURN("0")), REPLY(3, ""), REPLY(0, ""));

SCRIPT(oob_splits_no_oob, CONNECT_OOB, SUBMIT_OOB(0, "o"), SUBMIT_ID(1, "b", "1"), SEND(1), SUBMIT_OOB(2, "p"),
    OUTPUT("'exec-oob':'o','id':$0}\n" COMMAND_OOB("p", "$2") COMMAND("b", "1")));

SCRIPT(oob_overtakes_queue, CONNECT_OOB, SUBMIT_8, SUBMIT_OOB(8, "o"), OUTPUT(COMMAND_OOB("o", "$8") SEVEN));

/* ---- giving up ---- */

SCRIPT(forget_unsent, CONNECT, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), FORGET(0, true),
    OUTPUT(COMMAND("b", "1")), SUBMIT_ID(2, "c", "0"), SEND_ALL, FEED(RETURN("0") RETURN("1")), REPLY(2, ""),
    REPLY(1, ""), REST(""));
SCRIPT(forget_partly_sent, CONNECT, SUBMIT_ID(0, "a", "0"), SEND(1), FORGET(0, false),
    OUTPUT("'execute':'a','id':0}\n"), SEND_ALL, REFUSED(1, "b", "0", -EEXIST), FEED(RETURN("0")), REPLY(0, ""),
    NOTHING, STRAYS(0));
SCRIPT(forget_in_flight, CONNECT, SUBMIT_ID(0, "a", "0"), SEND_ALL, FORGET(0, false), REFUSED(1, "b", "0", -EEXIST),
    FEED(RETURN("0")), REPLY(0, ""), STRAYS(0));
SCRIPT(forget_queued, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SUBMIT_ID(9, "j", "9"), SEND_ALL, FORGET(8, true),
    FEED(RETURN("8")), NOTHING, STRAYS(1), FEED(RETURN("0")), REPLY(0, ""), OUTPUT(COMMAND("j", "9")),
    REST("12345679"));
/* Its place goes to the next one. */
SCRIPT(forget_releases, CONNECT, SUBMIT_8, SUBMIT_ID(8, "i", "8"), SUBMIT_ID(9, "j", "9"), FORGET(2, true),
    OUTPUT(COMMAND("a", "0") COMMAND("b", "1") COMMAND("d", "3") COMMAND("e", "4") COMMAND("f", "5") COMMAND("g", "6")
            COMMAND("h", "7") COMMAND("i", "8")),
    REST("013456789"));
SCRIPT(forget_oob, CONNECT_OOB, SUBMIT_8, SUBMIT_OOB(8, "o"), FORGET(8, true), OUTPUT(SEVEN), SUBMIT_OOB(9, "p"),
    SEND(1), FORGET(9, false), SEND_ALL, OUTPUT(""), FEED(RETURN("$9")), REPLY(9, ""), OUTPUT(""));
SCRIPT(forget_first_of_two, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(1), FORGET(1, true),
    OUTPUT("'execute':'a','id':0}\n"), SUBMIT_OOB(2, "o"), OUTPUT("'execute':'a','id':0}\n" COMMAND_OOB("o", "$2")),
    REST("02"));

/* ---- output ---- */

SCRIPT(partial_output, CONNECT, SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SEND(4),
    OUTPUT("ecute':'a','id':0}\n" COMMAND("b", "1")), SEND_BUT(4), OUTPUT(":1}\n"), SUBMIT_ID(2, "c", "2"),
    OUTPUT(":1}\n" COMMAND("c", "2")), FEED(RETURN("0")), REPLY(0, ""), SEND(4), OUTPUT(COMMAND("c", "2")),
    FEED(RETURN("1")), REPLY(1, ""), SEND(1), SEND_ALL, OUTPUT(""));

/* ---- without an id ---- */

#define NO_ID(name) "{'execute':'" name "'}\n"
#define NO_ID_OOB(name) "{'exec-oob':'" name "'}\n"
#define SUBMIT_NO_ID(slot_, command) SUBMIT_AS(slot_, command, 0, .no_id = true)
#define SUBMIT_NO_ID_OOB(slot_, command) SUBMIT_AS(slot_, command, 0, .no_id = true, .oob = true)
#define RETURN_NO_ID(value) "{'return': " value "}\r\n"

SCRIPT(no_id, CONNECT, SUBMIT_NO_ID(0, "a"), OUTPUT(NO_ID("a")), SEND_ALL, FEED(RETURN_NO_ID("7")), REPLY(0, "7"),
    NOTHING, FEED(RETURN_NO_ID("8")), NOTHING, STRAYS(1), FEED(ERROR_NO_ID("late")),
    FAILED(SERVER_PARSE, -EPROTO, "late", NULL));
SCRIPT(no_id_error, CONNECT, SUBMIT_NO_ID(0, "a"), SEND_ALL, FEED(ERROR_NO_ID("parse error")), REPLY(0, "parse error"),
    STATE(RUNNING), SUBMIT_NO_ID(1, "b"), SEND_ALL, FEED(RETURN_NO_ID("1")), REPLY(1, "1"));
SCRIPT(no_id_beside_ids, CONNECT, SUBMIT_ID(0, "a", "0"), SUBMIT_NO_ID(1, "b"), SUBMIT_ID(2, "c", "2"),
    OUTPUT(COMMAND("a", "0") NO_ID("b") COMMAND("c", "2")), SEND_ALL, FEED(RETURN("2") RETURN_NO_ID("1") RETURN("0")),
    REPLY(2, ""), REPLY(1, "1"), REPLY(0, ""), STRAYS(0));
/* One at a time, and what is behind the second one waits with it. */
SCRIPT(no_id_twice, CONNECT, SUBMIT_NO_ID(0, "a"), SUBMIT_NO_ID(1, "b"), SUBMIT_ID(2, "c", "2"), SUBMIT_NO_ID(3, "d"),
    OUTPUT(NO_ID("a")), SEND_ALL, OUTPUT(""), FEED(RETURN_NO_ID("10")), REPLY(0, "10"),
    OUTPUT(NO_ID("b") COMMAND("c", "2")), SEND_ALL, FEED(RETURN("2")), REPLY(2, ""), OUTPUT(""),
    FEED(ERROR_NO_ID("no")), REPLY(1, "no"), OUTPUT(NO_ID("d")), REST("3"));
SCRIPT(no_id_reply_before_it_is_sent, CONNECT, SUBMIT_NO_ID(0, "a"), SEND(2), FEED(RETURN_NO_ID("1")), NOTHING,
    STRAYS(1), FEED(ERROR_NO_ID("odd")), FAILED(SERVER_PARSE, -EPROTO, "odd", NULL), REST("0"));
SCRIPT(no_id_reply_before_line_end_is_sent, CONNECT, SUBMIT_NO_ID(0, "a"), SUBMIT_NO_ID(1, "b"), SEND_BUT(1),
    FEED(RETURN_NO_ID("1")), REPLY(0, "1"), OUTPUT("\n" NO_ID("b")), SEND(1), SUBMIT_ID(2, "c", "2"),
    OUTPUT(NO_ID("b") COMMAND("c", "2")));
/* Its late reply is not the next one's. */
SCRIPT(no_id_forgotten, CONNECT, SUBMIT_NO_ID(0, "a"), SEND_ALL, FORGET(0, false), SUBMIT_NO_ID(1, "b"), OUTPUT(""),
    FEED(RETURN_NO_ID("10")), REPLY(0, "10"), OUTPUT(NO_ID("b")), SEND_ALL, FEED(RETURN_NO_ID("11")), REPLY(1, "11"));
SCRIPT(no_id_forgotten_partly_sent, CONNECT, SUBMIT_NO_ID(0, "a"), SEND(1), FORGET(0, false), SUBMIT_NO_ID(1, "b"),
    OUTPUT("'execute':'a'}\n"), SEND_ALL, FEED(ERROR_NO_ID("10")), REPLY(0, "10"), OUTPUT(NO_ID("b")));
SCRIPT(no_id_forgotten_unsent, CONNECT, SUBMIT_NO_ID(0, "a"), SUBMIT_NO_ID(1, "b"), FORGET(0, true), OUTPUT(NO_ID("b")),
    SEND_ALL, FEED(RETURN_NO_ID("1")), REPLY(1, "1"));
SCRIPT(no_id_forgotten_queued, CONNECT, SUBMIT_NO_ID(0, "a"), SUBMIT_NO_ID(1, "b"), SUBMIT_ID(2, "c", "2"),
    FORGET(1, true), OUTPUT(NO_ID("a") COMMAND("c", "2")));
SCRIPT(no_id_counts, CONNECT, SUBMIT_8, SUBMIT_NO_ID(8, "i"), SEND_ALL, OUTPUT(""), FEED(RETURN("3")), REPLY(3, ""),
    OUTPUT(NO_ID("i")), SEND_ALL, SUBMIT_ID(9, "j", "9"), OUTPUT(""), FEED(RETURN_NO_ID("1")), REPLY(8, ""),
    OUTPUT(COMMAND("j", "9")));
SCRIPT(no_id_rest, CONNECT, SUBMIT_NO_ID(0, "a"), SEND_ALL, SUBMIT_NO_ID(1, "b"), SUBMIT_ID(2, "c", "2"), HANG_UP(0),
    REST("012"));
SCRIPT(no_id_at_negotiation, FEED(GREETING), SEND_ALL, SUBMIT_NO_ID(0, "a"), SEND_ALL,
    FEED(RETURN_NO_ID("1") RETURN("$n")), REPLY(0, "1"), RUNNING);

SCRIPT(no_id_oob, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_NO_ID_OOB(1, "o"),
    OUTPUT(NO_ID_OOB("o") COMMAND("a", "0")), SEND_ALL, FEED(RETURN_NO_ID("1")), REPLY(1, "1"), FEED(RETURN("0")),
    REPLY(0, ""));
/* It waits for the one that is under way, but for no other, and nobody else waits for it. */
SCRIPT(no_id_oob_waits, CONNECT_OOB, SUBMIT_NO_ID(0, "a"), SUBMIT_NO_ID(1, "b"), SUBMIT_ID(2, "c", "2"),
    SUBMIT_NO_ID_OOB(3, "o"), SUBMIT_NO_ID_OOB(4, "p"), SUBMIT_OOB(5, "q"), OUTPUT(COMMAND_OOB("q", "$5") NO_ID("a")),
    SEND_ALL, FEED(RETURN_NO_ID("1")), REPLY(0, "1"), OUTPUT(NO_ID_OOB("o")), SEND_ALL, OUTPUT(""),
    FEED(RETURN("$5") RETURN_NO_ID("3")), REPLY(5, ""), REPLY(3, ""), OUTPUT(NO_ID_OOB("p")), FORGET(4, true),
    OUTPUT(NO_ID("b") COMMAND("c", "2")));
SCRIPT(no_id_oob_alone, CONNECT_OOB, SUBMIT_NO_ID_OOB(0, "o"), SUBMIT_ID(1, "a", "1"), SUBMIT_NO_ID(2, "b"),
    SUBMIT_NO_ID_OOB(3, "p"), OUTPUT(NO_ID_OOB("o") COMMAND("a", "1")), SEND_ALL, FEED(RETURN_NO_ID("0")), REPLY(0, ""),
    OUTPUT(NO_ID_OOB("p")), REST("132"));
SCRIPT(no_id_oob_waits_beside, CONNECT_OOB, SUBMIT_NO_ID_OOB(0, "o"), SUBMIT_NO_ID_OOB(1, "p"), SUBMIT_ID(2, "a", "2"),
    OUTPUT(NO_ID_OOB("o") COMMAND("a", "2")), FORGET(1, true), REST("02"));

/* ---- ready-made texts ---- */

SCRIPT(texts, CONNECT, SUBMIT_AS(0, " {'execute' : 'a'}\n ", 0, .ready = true),
    SUBMIT_AS(1, "{'id':'x','execute':'b'}", 0, .ready = true),
    OUTPUT("{'execute' : 'a','id':$0}\n{'id':'x','execute':'b'}\n"),
    SUBMIT_AS(2, "{'i\\u0064':'\\u0078'}", -EEXIST, .ready = true), REFUSED(2, "c", "'x'", -EEXIST), SEND_ALL,
    FEED(RETURN("'x'") RETURN("$0")), REPLY(1, ""), REPLY(0, ""),
    SUBMIT_AS(2, "{'exec-oob':1}", -EOPNOTSUPP, .ready = true));
SCRIPT(text_oob, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_AS(1, "{'exec-oob':'o'}", 0, .ready = true),
    OUTPUT("{'exec-oob':'o','id':$1}\n" COMMAND("a", "0")));
SCRIPT(text_without_id, CONNECT, SUBMIT_AS(0, "{}", 0, .ready = true, .no_id = true), SUBMIT_NO_ID(1, "b"),
    OUTPUT("{}\n"), SEND_ALL, FEED(ERROR_NO_ID("lacks member")), REPLY(0, "lacks"), OUTPUT(NO_ID("b")));
/* To a monitor it says nothing. */
SCRIPT(text_only_errors, CONNECT, SUBMIT_AS(0, "guest-shutdown", 0, .id = "0", .only_errors = true),
    OUTPUT(COMMAND("guest-shutdown", "0")), SEND_ALL, HANG_UP(0), REST("0"));

/* ---- with descriptors ---- */

#define SUBMIT_FDS(slot_, command, id_) SUBMIT_AS(slot_, command, 0, .id = (id_), .n_fds = 2)

SCRIPT(fds_one, CONNECT, SUBMIT_FDS(0, "a", "0"), OUTPUT_FDS(0, COMMAND("a", "0")), SEND_ALL, OUTPUT(""),
    FEED(RETURN("0")), REPLY(0, ""));
SCRIPT(fds_go_with_the_first_byte, CONNECT, SUBMIT_FDS(0, "a", "0"), OUTPUT_FDS(0, COMMAND("a", "0")), SEND(1),
    OUTPUT("'execute':'a','id':0}\n"), SEND_BUT(1), OUTPUT("\n"), SEND_ALL, OUTPUT(""), FEED(RETURN("0")),
    REPLY(0, ""));
/* Never behind other bytes; others may be behind them. */
SCRIPT(fds_behind, CONNECT, SUBMIT_ID(0, "a", "0"), SUBMIT_FDS(1, "b", "1"), SUBMIT_ID(2, "c", "2"),
    OUTPUT(COMMAND("a", "0")), SEND(4), OUTPUT("ecute':'a','id':0}\n"), SEND_BUT(1), OUTPUT("\n"), SEND(1),
    OUTPUT_FDS(1, COMMAND("b", "1") COMMAND("c", "2")), SEND_ALL, FEED(RETURN("2") RETURN("0") RETURN("1")),
    REPLY(2, ""), REPLY(0, ""), REPLY(1, ""));
SCRIPT(fds_one_at_a_time, CONNECT, SUBMIT_FDS(0, "a", "0"), SUBMIT_FDS(1, "b", "1"), SUBMIT_ID(2, "c", "2"),
    OUTPUT_FDS(0, COMMAND("a", "0")), SEND_ALL, OUTPUT(""), FEED(RETURN("0")), REPLY(0, ""),
    OUTPUT_FDS(1, COMMAND("b", "1") COMMAND("c", "2")), REST("12"));
SCRIPT(fds_oob, CONNECT_OOB, SUBMIT_ID(0, "a", "0"), SUBMIT_FDS(1, "b", "1"), SUBMIT_OOB(2, "o"),
    OUTPUT(COMMAND_OOB("o", "$2") COMMAND("a", "0")), SEND_ALL, FEED(RETURN("0")), REPLY(0, ""), REST("21"));
SCRIPT(fds_oob_before, CONNECT_OOB, SUBMIT_FDS(0, "b", "0"), SUBMIT_OOB(1, "o"), OUTPUT(COMMAND_OOB("o", "$1")),
    SEND_BUT(1), OUTPUT("\n"), SEND(1), OUTPUT_FDS(0, COMMAND("b", "0")), SEND(1), SUBMIT_OOB(2, "p"),
    OUTPUT("'execute':'b','id':0}\n" COMMAND_OOB("p", "$2")));
SCRIPT(fds_forgotten_unsent, CONNECT, SUBMIT_FDS(0, "a", "0"), SUBMIT_FDS(1, "b", "1"), FORGET(0, true),
    OUTPUT_FDS(1, COMMAND("b", "1")));
SCRIPT(fds_forgotten, CONNECT, SUBMIT_FDS(0, "a", "0"), SUBMIT_FDS(1, "b", "1"), SEND(1), FORGET(0, false), SEND_ALL,
    OUTPUT(""), FEED(RETURN("0")), REPLY(0, ""), OUTPUT_FDS(1, COMMAND("b", "1")));
SCRIPT(fds_without_id, CONNECT, SUBMIT_AS(0, "a", 0, .no_id = true, .n_fds = 3), SUBMIT_FDS(1, "b", "1"),
    OUTPUT_FDS(0, NO_ID("a")), SEND_ALL, FEED(RETURN_NO_ID("0")), REPLY(0, ""), OUTPUT_FDS(1, COMMAND("b", "1")));
SCRIPT(fds_and_no_id_behind, CONNECT, SUBMIT_FDS(0, "a", "0"), SUBMIT_NO_ID(1, "b"),
    SUBMIT_AS(2, "c", 0, .no_id = true, .n_fds = 1), OUTPUT_FDS(0, COMMAND("a", "0") NO_ID("b")), SEND_ALL,
    FEED(RETURN("0")), REPLY(0, ""), OUTPUT(""), FEED(RETURN_NO_ID("1")), REPLY(1, ""), OUTPUT_FDS(2, NO_ID("c")));

static size_t vectors(struct play *p, struct iovec *iov, size_t n)
{
    size_t n_fds;
    const int *fds;

    return session_output(&p->session, iov, n, &fds, &n_fds);
}

/* A vector for each command, as many as there is room for. */
static void test_output_vectors(void)
{
    struct session_options o = play_options();
    struct session_request request = {.command = "x"};
    struct play p;
    struct iovec iov[4] = {{NULL, 0}};

    o.await_greeting = false;
    play_init(&p, WHOLE, &o);
    assert_int_equal(vectors(&p, iov, 4), 0);
    for (unsigned i = 0; i < 3; i++) {
        play_compose(&p, i, &request);
        assert_ok(session_submit(&p.session, &p.commands[i]));
    }
    assert_int_equal(vectors(&p, iov, 0), 0);
    assert_int_equal(vectors(&p, iov, 2), 2);
    assert_ptr_equal(iov[1].iov_base, p.commands[1].text);
    assert_int_equal(iov[1].iov_len, p.commands[1].size);
    assert_null(iov[2].iov_base);
    assert_int_equal(vectors(&p, iov, 4), 3);
    session_sent(&p.session, iov[0].iov_len + 1);
    assert_int_equal(vectors(&p, iov, 4), 2);
    assert_ptr_equal(iov[0].iov_base, p.commands[1].text + 1);
    assert_int_equal(p.commands[0].state, COMMAND_IN_FLIGHT);
    play_done(&p);
}

/* Every way to send two commands in two parts. */
static void test_every_split(void)
{
    for (size_t split = 0;; split++) {
        struct session_options o = play_options();
        struct play p;
        char *first, *rest;
        size_t total, size;

        o.await_greeting = false;
        play_init(&p, WHOLE, &o);
        play_compose(&p, 0, &(struct session_request){.command = "a"});
        play_compose(&p, 1, &(struct session_request){.command = "b", .arguments = "{\"a\":1}", .id = "2"});
        assert_ok(session_submit(&p.session, &p.commands[0]));
        assert_ok(session_submit(&p.session, &p.commands[1]));
        first = play_output(&p, &total);
        assert_int_equal(total, p.commands[0].size + p.commands[1].size);
        session_sent(&p.session, MIN(split, total));
        play_check_books(&p);
        rest = play_output(&p, &size);
        assert_int_equal(size, total - MIN(split, total));
        assert_string_equal(rest, first + MIN(split, total));
        play_send_all(&p);
        play_check_books(&p);
        free(rest);
        free(first);
        play_done(&p);
        if (split > total)
            break;
    }
}

/* ---- a random walk ---- */

#define WALK_STEPS 4000u
#define MAX(a, b) ((a) > (b) ? (a) : (b))

struct walk {
    struct play play;
    unsigned seed;
    bool used[SLOTS], abandoned[SLOTS];
    int fds[SLOTS]; /* one each */
    bool got_fd[SLOTS];
    char wire[1 << 16]; /* what went out and was not heard yet */
    size_t n_wire;
    unsigned heard[SLOTS], n_heard; /* by the server, without a reply */
    unsigned submitted, n_replies;
    uint64_t order[SLOTS], counter, last_in_band;
};

static unsigned below(struct walk *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static void walk_submit(struct walk *w)
{
    unsigned slot = below(w, SLOTS);
    struct session_request request = {.command = "x", .no_id = below(w, 6) == 0, .fds = &w->fds[slot]};
    char arguments[64];

    if (w->used[slot])
        return;
    /* Different each time, so that the server can tell them apart. */
    snprintf(arguments, sizeof(arguments), "{\"a\":\"}{%" PRIu64 "\"}", ++w->counter);
    request.arguments = arguments;
    request.oob = below(w, 4) == 0;
    request.n_fds = !request.oob && below(w, 6) == 0;
    play_compose(&w->play, slot, &request);
    assert_ok(session_submit(&w->play.session, &w->play.commands[slot]));
    w->used[slot] = true;
    w->abandoned[slot] = w->got_fd[slot] = false;
    w->order[slot] = w->counter;
    w->submitted++;
}

/* Of those that the server may tell apart only one at a time, there is one. */
static void walk_check_heard(const struct walk *w, unsigned slot)
{
    const struct session_command *commands = w->play.commands;

    assert_int_equal(w->got_fd[slot], w->play.carries[slot]);
    for (unsigned i = 0; i < w->n_heard; i++) {
        assert_true(commands[w->heard[i]].id.text || commands[slot].id.text);
        assert_false(w->play.carries[w->heard[i]] && w->play.carries[slot]);
    }
}

/* The server cuts complete commands off what it got, perhaps before their line ends: each is one that was submitted,
 * whole; in-band ones in order. */
static void walk_hear(struct walk *w)
{
    for (;;) {
        unsigned slot;
        size_t size;

        if (w->n_wire > 0 && w->wire[0] == '\n')
            memmove(w->wire, w->wire + 1, --w->n_wire);
        for (slot = 0; slot < SLOTS; slot++) {
            size = w->play.commands[slot].size - 1;
            if (w->used[slot] && size <= w->n_wire && memcmp(w->play.commands[slot].text, w->wire, size) == 0)
                break;
        }
        if (slot == SLOTS) {
            if (memchr(w->wire, '\n', w->n_wire))
                fail_msg("on the wire: %.*s", (int)w->n_wire, w->wire);
            return;
        }
        if (!w->play.commands[slot].oob) {
            assert_true(w->order[slot] > w->last_in_band);
            w->last_in_band = w->order[slot];
        }
        walk_check_heard(w, slot);
        w->heard[w->n_heard++] = slot;
        w->n_wire -= size;
        memmove(w->wire, w->wire + size, w->n_wire);
    }
}

static void walk_send(struct walk *w)
{
    struct session *s = &w->play.session;
    struct iovec iov[SLOTS];
    const int *fds;
    size_t n_fds, n = session_output(s, iov, ELEMENTS(iov), &fds, &n_fds), size = 0, part, sent;

    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        size += iov[i].iov_len;
    sent = part = below(w, 3) == 0 ? size : below(w, 4) == 0 ? MAX(size - 1, 1) : 1 + below(w, (unsigned)size);
    if (fds) {
        long slot = fds - w->fds;

        assert_true(slot >= 0 && slot < (long)SLOTS && n_fds == 1);
        assert_ptr_equal(iov[0].iov_base, w->play.commands[slot].text);
        assert_false(w->got_fd[slot]);
        w->got_fd[slot] = true;
    }
    for (size_t i = 0; i < n && part > 0; i++) {
        size_t piece = MIN(part, iov[i].iov_len);

        assert_true(w->n_wire + piece < sizeof(w->wire));
        memcpy(w->wire + w->n_wire, iov[i].iov_base, piece);
        w->n_wire += piece;
        part -= piece;
    }
    session_sent(s, sent);
    walk_hear(w);
}

static void walk_reply(struct walk *w)
{
    unsigned i, slot;
    qmp_value id;
    char *text;

    if (w->n_heard == 0)
        return;
    i = below(w, w->n_heard);
    slot = w->heard[i];
    w->heard[i] = w->heard[--w->n_heard];
    id = w->play.commands[slot].id;
    assert_true(asprintf(&text, "%s{\"return\": {}%s%.*s}", below(w, 2) ? "{\"event\": \"E\"}\r\n" : "",
                    id.text ? ", \"id\": " : "", (int)id.size, id.text ? id.text : "") > 0);
    w->play.mode = below(w, MODES);
    play_feed(&w->play, text, strlen(text));
    free(text);
    for (; w->play.first < w->play.n; w->play.first++) {
        struct session_item *item = &w->play.items[w->play.first];

        qmp_message_unref(item->message);
        if (item->kind == ITEM_REPLY)
            assert_ptr_equal(item->command, &w->play.commands[slot]);
    }
    assert_int_equal(w->play.items[w->play.n - 1].kind, ITEM_REPLY);
    w->play.first = w->play.n = 0;
    assert_int_equal(w->play.session.strays, 0);
    w->used[slot] = false;
    w->n_replies++;
}

static void walk_forget(struct walk *w)
{
    unsigned slot = below(w, SLOTS);
    struct session_command *c = &w->play.commands[slot];
    bool unsent = c->sent == 0;

    if (!w->used[slot] || w->abandoned[slot])
        return;
    assert_int_equal(session_forget(&w->play.session, c), unsent);
    if (unsent) {
        w->used[slot] = false;
        w->submitted--;
    } else {
        w->abandoned[slot] = true;
    }
}

SCRIPT(connect_oob, CONNECT_OOB);

static void test_random_walk(void)
{
    static void (*const moves[])(struct walk *) = {
        walk_submit, walk_submit, walk_submit, walk_send, walk_send, walk_reply, walk_forget};
    struct session_options o = play_options();
    static struct walk w;
    const char *seed = getenv("WALK_SEED");

    w = (struct walk){.seed = seed ? (unsigned)atoi(seed) : (unsigned)check_now()};
    print_message("WALK_SEED=%u\n", w.seed);
    play_init(&w.play, WHOLE, &o);
    for (const struct step *s = connect_oob; s->op != OP_END; s++)
        play_step(&w.play, s);
    for (unsigned i = 0; i < WALK_STEPS; i++) {
        moves[below(&w, ELEMENTS(moves))](&w);
        play_check_books(&w.play);
    }
    /* Everything that was submitted and not forgotten comes to its end. */
    while (session_wants_output(&w.play.session) || w.n_heard > 0) {
        walk_send(&w);
        walk_reply(&w);
        play_check_books(&w.play);
    }
    assert_int_equal(w.submitted, w.n_replies);
    assert_true(w.n_replies > WALK_STEPS / 20);
    for (unsigned i = 0; i < SLOTS; i++)
        assert_false(w.used[i]);
    assert_null(session_take_command(&w.play.session));
    play_done(&w.play);
}

static const struct check_test tests[] = {
    PLAY(limit_without_oob, test_script),
    PLAY(limit_with_oob, test_script),
    PLAY(limit_after_negotiation, test_script),
    PLAY(limit_with_negotiation, test_script),
    PLAY(limit_with_forgotten, test_script),
    PLAY(limit_many_oob, test_script),
    PLAY(oob_overtakes_unsent, test_script),
    PLAY(oob_splits_nothing, test_script),
    PLAY(oob_splits_no_oob, test_script),
    PLAY(oob_overtakes_queue, test_script),
    PLAY(forget_unsent, test_script),
    PLAY(forget_partly_sent, test_script),
    PLAY(forget_in_flight, test_script),
    PLAY(forget_queued, test_script),
    PLAY(forget_releases, test_script),
    PLAY(forget_oob, test_script),
    PLAY(forget_first_of_two, test_script),
    PLAY(partial_output, test_script),
    PLAY(no_id, test_script),
    PLAY(no_id_error, test_script),
    PLAY(no_id_beside_ids, test_script),
    PLAY(no_id_twice, test_script),
    PLAY(no_id_reply_before_it_is_sent, test_script),
    PLAY(no_id_reply_before_line_end_is_sent, test_script),
    PLAY(no_id_forgotten, test_script),
    PLAY(no_id_forgotten_partly_sent, test_script),
    PLAY(no_id_forgotten_unsent, test_script),
    PLAY(no_id_forgotten_queued, test_script),
    PLAY(no_id_counts, test_script),
    PLAY(no_id_rest, test_script),
    PLAY(no_id_at_negotiation, test_script),
    PLAY(no_id_oob, test_script),
    PLAY(no_id_oob_waits, test_script),
    PLAY(no_id_oob_alone, test_script),
    PLAY(no_id_oob_waits_beside, test_script),
    PLAY(texts, test_script),
    PLAY(text_oob, test_script),
    PLAY(text_without_id, test_script),
    PLAY(text_only_errors, test_script),
    PLAY(fds_one, test_script),
    PLAY(fds_go_with_the_first_byte, test_script),
    PLAY(fds_behind, test_script),
    PLAY(fds_one_at_a_time, test_script),
    PLAY(fds_oob, test_script),
    PLAY(fds_oob_before, test_script),
    PLAY(fds_forgotten_unsent, test_script),
    PLAY(fds_forgotten, test_script),
    PLAY(fds_without_id, test_script),
    PLAY(fds_and_no_id_behind, test_script),
    CHECK_TEST(test_output_vectors),
    CHECK_TEST(test_every_split),
    CHECK_TEST(test_random_walk),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, tests, ELEMENTS(tests));
}
