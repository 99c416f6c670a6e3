/* SPDX-License-Identifier: MIT */
#ifndef SRC_SESSION_SESSION_H
#define SRC_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <qmp/message.h>

#include "frame/frame.h"
#include "session/failure.h"
#include "util/list.h"

/* In-band commands in flight. QEMU's monitor stops reading once eight wait in its queue, and with it stops hearing
 * out-of-band ones; the one that is being executed does not count, but it may not have been taken from the queue yet.
 * So seven always leave the way free, and eight serve a connection that has no out-of-band. */
#define SESSION_IN_BAND_MAX 8u
#define SESSION_IN_BAND_MAX_WITH_OOB 7u

/* A QEMU that has just been started can greet twice on one connection, and then wants to negotiate again. */
#define SESSION_NEGOTIATIONS_MAX 2u

/* The largest command, as QEMU's own parser. */
#define SESSION_COMMAND_MAX ((size_t)64 << 20)

/* The library's own commands, as sent: qmp_capabilities with everything and the longest id, and the agent's
 * synchronisation. */
#define SESSION_NEGOTIATION_TEXT_MAX 112u
#define SESSION_SYNC_TEXT_MAX 128u

/* SYNCING is an agent's: before it is running, and whenever a command was given up that the agent has. Commands wait.
 */
enum session_state { SESSION_GREETING, SESSION_NEGOTIATING, SESSION_SYNCING, SESSION_RUNNING, SESSION_FAILED };

/* For one connection. */
struct session_options {
    bool agent;          /* the guest agent's dialect; what follows up to the limits is a monitor's */
    bool want_oob;       /* negotiate it where it is offered */
    bool await_greeting; /* else the session is running at once */
    bool negotiate;      /* else it is running once greeted, and out-of-band is the caller's business */
    size_t message_max;
    unsigned depth_max;
};

/* What is asked for: a name with arguments and an id, or a ready-made text. A text excludes the other three and `oob`,
 * no_id excludes an id, out-of-band excludes descriptors. */
struct session_request {
    const char *command, *arguments, *id;
    const char *text; /* any object; it gets an id when it has none, and is out-of-band with an "exec-oob" */
    bool oob, no_id;
    bool only_errors; /* success is silent; without a meaning but for an agent, some of whose commands always are so */
    int *fds;         /* go with the command's first byte; the caller's memory and descriptors */
    unsigned n_fds;
};

enum session_command_state { COMMAND_NEW, COMMAND_QUEUED, COMMAND_OUTGOING, COMMAND_IN_FLIGHT, COMMAND_DONE };

/* A command; the caller's memory, until session_next() gives it back, session_forget() or session_take_command(). */
struct session_command {
    struct list link;
    enum session_command_state state;
    bool oob, own_id, only_errors;
    bool silent_success; /* from session_take_command(): the agent had it, and went without complaining */
    const char *text;
    size_t size, sent;
    qmp_value id; /* in the text; absent: none */
    int *fds;
    unsigned n_fds; /* 0 once they are sent */
};

/* Is shown whatever goes over the wire, while the session is at work: it may look and take notes, and call nothing. */
struct session_tap {
    void (*received)(void *userdata, const qmp_message *m);
    void (*sent)(void *userdata, const struct session_command *c);
    void (*stray)(void *userdata, const qmp_message *m); /* a reply that nobody waits for */
    void *userdata;
};

/* The session's own commands. */
union session_own {
    struct { /* a monitor's, until they are answered */
        struct session_command negotiations[SESSION_NEGOTIATIONS_MAX];
        char negotiation_texts[SESSION_NEGOTIATIONS_MAX][SESSION_NEGOTIATION_TEXT_MAX];
        unsigned n_negotiations, n_negotiations_answered;
        bool negotiated, in_doubt; /* accepted; the first may have been lost */
    };
    struct {                         /* an agent's */
        struct session_command sync; /* the question; done when there is none */
        char sync_text[SESSION_SYNC_TEXT_MAX];
        uint64_t sync_number;
    };
};

#define SESSION_ID_START 14u

struct session {
    enum session_state state;
    const struct session_tap *tap; /* NULL: nobody is curious */
    bool agent, want_oob, await_greeting, negotiates;
    bool has_oob;   /* negotiated by us */
    bool announced; /* ITEM_RUNNING was handed out */
    bool skipping;  /* SYNCING: nothing counts up to the next 0xFF */
    struct frame frame;
    const char *input;
    size_t input_size, beyond_size; /* an agent's: input_size goes up to a 0xFF, beyond_size from there on */
    qmp_message *greeting;          /* the latest */

    char id_start[SESSION_ID_START]; /* "7f3a9c21d4e5- with its quote, no NUL: each id's, random for each session */
    uint64_t counter;                /* and what follows in it */
    struct list queued;              /* held back; out-of-band ones are here only without an id, and in front */
    struct list outgoing;            /* being sent, the first one perhaps in part */
    struct list in_flight;           /* sent, not answered */
    bool owes_line_end;              /* of the last command that is in flight */
    unsigned n_in_band;              /* outgoing and in flight */
    struct session_command *id_less, *with_fds; /* outgoing or in flight; NULL: none. The agent's question aside */
    union session_own *own;                     /* NULL: there is nothing to say of our own, any more */

    uint64_t events, strays;
    struct failure failure;
};

/* Returns 0, or -ENOMEM: then there is nothing to be undone. */
int session_init(struct session *s, const struct session_options *o);
/* The commands must have been taken out before. */
void session_done(struct session *s);
/* The transport is up: there may be output, and an item, without any input. */
void session_start(struct session *s);

/* Commands. Checking returns 0 and the size that session_compose() needs at most; -EINVAL, -EBADMSG, -ELOOP, -EMSGSIZE,
 * -ENOMEM. */
int session_check(const struct session_request *request, size_t *ret_size);
void session_compose(struct session *s, struct session_command *c, char *buffer, const struct session_request *request);
/* Returns 0; -EOPNOTSUPP when it is out-of-band and that was not negotiated though we negotiate, or never is; -EEXIST
 * when its id is in use. Of commands without an id, of those with descriptors, and of an agent's, one is under way at a
 * time; others wait, in order. */
int session_submit(struct session *s, struct session_command *c);
/* Nobody waits for the reply any more. Returns true when the session has let go of the command: it was not sent yet, or
 * it was an agent's, with which the session then synchronises again. Returns false when the session still needs the
 * command to know its late reply. */
bool session_forget(struct session *s, struct session_command *c);
/* Takes any one command out, for the end of the connection; NULL when there is none left. With silent_success it has
 * succeeded without a reply, else it was interrupted. */
struct session_command *session_take_command(struct session *s);

/* Input: session_space() says where to receive, session_feed() takes what came, then session_next() until it returns 0;
 * that also after session_start(). */
int session_space(struct session *s, char *scratch, size_t scratch_size, char **ret, size_t *ret_size);
void session_feed(struct session *s, const char *data, size_t size);

enum session_item_kind {
    ITEM_RUNNING, /* negotiated, or whatever else there was to wait for; once */
    ITEM_EVENT,   /* `message`, the caller's */
    ITEM_REPLY,   /* `message`, the caller's, to `command`, which is the caller's again; NULL: silent success */
};

struct session_item {
    enum session_item_kind kind;
    qmp_message *message;
    struct session_command *command;
};

/* Returns 1 and an item; 0 when the input is used up; negative when the connection has failed: s->failure. */
int session_next(struct session *s, struct session_item *ret);

/* The server closed the connection, or it broke (`error`, negative; 0 for end of file): records the failure. Returns
 * its errno. */
int session_hang_up(struct session *s, int error);

/* Output: what is to be sent next. Returns how many of the n vectors are filled, and the descriptors that go with the
 * first byte (none: NULL, 0): whoever sends them closes them, once anything of it is sent. session_sent() then sets the
 * command's n_fds to 0. */
size_t session_output(struct session *s, struct iovec *iov, size_t n, const int **ret_fds, size_t *ret_n_fds);
void session_sent(struct session *s, size_t size);

/* Whether a command is the session's own, not the caller's. */
static inline bool session_owns(const struct session *s, const struct session_command *c)
{
    return s->own &&
           ((c >= s->own->negotiations && c < s->own->negotiations + SESSION_NEGOTIATIONS_MAX) || c == &s->own->sync);
}

static inline bool session_wants_output(const struct session *s)
{
    return s->owes_line_end || !list_empty(&s->outgoing);
}

#endif
