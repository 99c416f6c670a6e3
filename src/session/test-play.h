/* SPDX-License-Identifier: MIT */
#ifndef SRC_SESSION_TEST_PLAY_H
#define SRC_SESSION_TEST_PLAY_H

/* What the session's tests share: scripts, and the player of scripts. A script says what the server says, what the
 * client submits, what then must come out, step by step. It is played three times, the server's words fed whole, byte
 * by byte, and in place; and after every step the session's books must balance.
 *
 * In scripts ' stands for ", and $0 … $9 for the id of the command in that slot, $n for the negotiation's, $m for the
 * second one's, $s for the number of the latest question to the agent, $- for the number before it. */

#include "session/session.h"

#include "check.h"

#define SLOTS 24u
#define ITEMS_MAX 128u
#define MESSAGE_MAX ((size_t)1 << 20)
#define SCRIPT_MESSAGE_MAX ((size_t)1000)
#define SCRIPT_DEPTH_MAX 20u
#define FDS_MAX 3u

enum op {
    OP_END,
    OP_FEED,     /* the server says `text` */
    OP_RUNNING,  /* the next item: negotiated */
    OP_EVENT,    /* the next item: an event of the name `text` */
    OP_REPLY,    /* the next item: the reply to `slot`, whose text holds `text` */
    OP_SILENT,   /* the next item: `slot` succeeded without a reply */
    OP_NOTHING,  /* no item is left */
    OP_SUBMIT,   /* `slot`: the command `text`, `as` is asked for; n: what session_submit() says */
    OP_OUTPUT,   /* all that is to be sent is `text`, with the descriptors of `slot` if it `has_fds` */
    OP_SEND,     /* n bytes of it go out */
    OP_SEND_BUT, /* all but n bytes of it go out */
    OP_SEND_ALL, /* all of it goes out, until nothing is left */
    OP_FORGET,   /* nobody waits for `slot` any more; n: whether the session lets go of it */
    OP_STRAYS,   /* n replies were nobody's */
    OP_PENDING,  /* n bytes of a message are there */
    OP_STATE,    /* n is the state */
    OP_GREETED,  /* the greeting is `text`; NULL: none */
    OP_HANG_UP,  /* the connection ends; n: the error */
    OP_FAILED,   /* it has failed: `kind`, n is the errno, `text` one of the words, `bytes` are in what is kept */
    OP_REST      /* what is left comes out, in the order of the slots in `text`; + behind one: as a success */
};

struct step {
    enum op op;
    const char *text;
    int n;
    unsigned slot;
    struct {
        const char *id;
        bool oob, no_id, ready, only_errors;
        unsigned n_fds;
    } as;
    bool has_fds;
    enum qmp_failure kind;
    const char *bytes;
};

#define STEP(op_, ...)                                                                                                 \
    {                                                                                                                  \
        .op = OP_##op_, __VA_ARGS__                                                                                    \
    }
#define FEED(text_) STEP(FEED, .text = (text_))
#define RUNNING STEP(RUNNING, .n = 0)
#define EVENT(name) STEP(EVENT, .text = (name))
#define REPLY(slot_, text_) STEP(REPLY, .slot = (slot_), .text = (text_))
#define NOTHING STEP(NOTHING, .n = 0)
#define SUBMIT(slot_, command) SUBMIT_AS(slot_, command, 0, .oob = false)
#define SUBMIT_ID(slot_, command, id_) SUBMIT_AS(slot_, command, 0, .id = (id_))
#define SUBMIT_OOB(slot_, command) SUBMIT_AS(slot_, command, 0, .oob = true)
#define REFUSED(slot_, command, id_, error) SUBMIT_AS(slot_, command, error, .id = (id_))
#define REFUSED_OOB(slot_, command, error) SUBMIT_AS(slot_, command, error, .oob = true)
#define OUTPUT(text_) STEP(OUTPUT, .text = (text_))
#define SEND(n_) STEP(SEND, .n = (n_))
#define SEND_BUT(n_) STEP(SEND_BUT, .n = (n_))
#define SEND_ALL STEP(SEND_ALL, .n = 0)
#define FORGET(slot_, gone) STEP(FORGET, .slot = (slot_), .n = (gone))
#define STRAYS(n_) STEP(STRAYS, .n = (n_))
#define PENDING(n_) STEP(PENDING, .n = (n_))
#define HANG_UP(error) STEP(HANG_UP, .n = (error))
#define FAILED(kind_, error, words, bytes_)                                                                            \
    STEP(FAILED, .kind = QMP_FAILURE_##kind_, .n = (error), .text = (words), .bytes = (bytes_))
#define REST(slots) STEP(REST, .text = (slots))

#define SCRIPT(name, ...) static const struct step name[] = {__VA_ARGS__, {.op = OP_END}}

#define GREETING_WITH(capabilities)                                                                                    \
    "{'QMP': {'version': {'qemu': {'micro': 22, 'minor': 2, 'major': 7}}, 'capabilities': [" capabilities "]}}\r\n"
#define GREETING GREETING_WITH("")
#define GREETING_OOB GREETING_WITH("'oob'")
#define NEGOTIATE "{'execute':'qmp_capabilities','id':$n}\n"
#define NEGOTIATE_OOB "{'execute':'qmp_capabilities','arguments':{'enable':['oob']},'id':$n}\n"
#define RETURN(id) "{'return': {}, 'id': " id "}\r\n"
#define ERROR(id) "{'id': " id ", 'error': {'class': 'GenericError', 'desc': 'no such thing'}}\r\n"
#define ERROR_NO_ID(desc) "{'error': {'class': 'GenericError', 'desc': '" desc "'}}\r\n"
#define STOP "{'timestamp': {'seconds': 1, 'microseconds': 2}, 'event': 'STOP'}\r\n"
#define RESUME "{'event': 'RESUME', 'data': {'a': '}'}}\n"
#define COMMAND(name, id) "{'execute':'" name "','id':" id "}\n"
#define COMMAND_OOB(name, id) "{'exec-oob':'" name "','id':" id "}\n"

#define GREETED(text_) STEP(GREETED, .text = (text_))
#define STATE(state_) STEP(STATE, .n = SESSION_##state_)
#define SILENT(slot_) STEP(SILENT, .slot = (slot_))
/* SUBMIT_AS(0, "x", 0, .no_id = true); text is a whole command with .ready. */
#define SUBMIT_AS(slot_, text_, error, ...)                                                                            \
    STEP(SUBMIT, .slot = (slot_), .text = (text_), .n = (error), .as = {__VA_ARGS__})
#define OUTPUT_FDS(slot_, text_) STEP(OUTPUT, .slot = (slot_), .text = (text_), .has_fds = true)

#define CONNECT FEED(GREETING), OUTPUT(NEGOTIATE), SEND_ALL, FEED(RETURN("$n")), RUNNING, NOTHING
#define CONNECT_OOB FEED(GREETING_OOB), OUTPUT(NEGOTIATE_OOB), SEND_ALL, FEED(RETURN("$n")), RUNNING, NOTHING

/* As many as fit without out-of-band. */
#define SUBMIT_8                                                                                                       \
    SUBMIT_ID(0, "a", "0"), SUBMIT_ID(1, "b", "1"), SUBMIT_ID(2, "c", "2"), SUBMIT_ID(3, "d", "3"),                    \
        SUBMIT_ID(4, "e", "4"), SUBMIT_ID(5, "f", "5"), SUBMIT_ID(6, "g", "6"), SUBMIT_ID(7, "h", "7")

enum mode { WHOLE, BYTEWISE, IN_PLACE, MODES };

struct play {
    struct session session;
    enum mode mode;
    struct session_command commands[SLOTS];
    bool carries[SLOTS]; /* descriptors, sent or not */
    int fds[FDS_MAX];
    char *texts[SLOTS];
    uint64_t numbers[2]; /* to the agent: the latest, the one before */
    char *ids[SESSION_NEGOTIATIONS_MAX];
    struct session_item items[ITEMS_MAX];
    unsigned first, n;
};

/* Begins a play by hand; play_done() ends it. */
void play_init(struct play *p, enum mode mode, const struct session_options *options);
void play_done(struct play *p);

/* The options of the scripts: a monitor, of which everything is wanted. */
struct session_options play_options(void);

/* What a script's text stands for; the caller's. */
char *play_expand(const struct play *p, const char *text);
void play_step(struct play *p, const struct step *s);
void play_feed(struct play *p, const char *bytes, size_t size);
/* Of memory that is the slot's. */
void play_compose(struct play *p, unsigned slot, const struct session_request *request);
/* All that is to be sent next, in one string, the caller's. */
char *play_output(struct play *p, size_t *ret_size);
void play_send_all(struct play *p);
/* The numbers, the lists and the states of the commands say the same. */
void play_check_books(struct play *p);

/* Plays a script in the first n_modes modes. */
void play_script(const struct step *script, const struct session_options *options, unsigned n_modes);
/* The teardown of a script: says where it failed. */
void play_say_where(void *script);

/* A test that runs a script. */
#define PLAY(script, runner)                                                                                           \
    {                                                                                                                  \
#script, NULL, (runner), NULL, play_say_where, (void *)(uintptr_t)(script)                                     \
    }

#endif
