/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_H
#define TOOL_SHELL_H

#include "options.h"
#include "schema.h"
#include "shell-feed.h"
#include "shell-link.h"
#include "shell-reader.h"

struct transaction;

/* Room for where a complaint is about. */
#define SHELL_WHERE_MAX 32

/* A shell at work. What its files share, and nothing that one of them could keep for itself. */
struct shell {
    struct options options; /* the address may become another */
    char *address;          /* that .connect gave; NULL: none */
    bool interactive;
    size_t row;                  /* of the input */
    char where[SHELL_WHERE_MAX]; /* "line 3" */
    struct link link;
    struct feed feed;
    struct reader *reader;
    struct schema *schema;           /* NULL: not there, or not asked for yet */
    struct transaction *transaction; /* that is being written; NULL: none */
    const char *question;            /* the prompt, instead of the usual one; NULL: none */
    size_t losses, returns;          /* of the connection, that the user was told of */
    char *completed;                 /* the line as Tab has left it; NULL: not yet */
    bool held;                       /* nothing may be written above the line now */
    bool leaving;                    /* the last line said so */
    bool stops;                      /* at the first line that fails */
    enum outcome end;                /* why the shell had to end; OUTCOME_DONE: it did not */
};

enum wake {
    WAKE_INPUT,       /* standard input can be read */
    WAKE_DONE,        /* what was waited for has come */
    WAKE_INTERRUPTED, /* Ctrl-C */
    WAKE_TIMEOUT,     /* the time that was given for this has passed */
    WAKE_ENDED        /* the shell has to end: `end` says why */
};

/* What is waited for. */
typedef bool (*done_fn)(void *userdata);

/* Waits until done() says so, NULL: standard input can be read; until the deadline (µs, absolute). Meanwhile
 * everything else goes on: the connection, events, signals. */
enum wake shell_wait(struct shell *s, done_fn done, void *userdata, uint64_t deadline);

/* Reads a line, the caller's to free(), with this prompt; NULL: the usual one. */
enum reader_end shell_read(struct shell *s, const char *question, char **ret);

/* Makes the schema known, if that can be had soon. */
void shell_schema(struct shell *s);

/* The options for what the shell wants to know itself: it must not take long. */
struct options shell_hurry(const struct shell *s);

/* Whether a command can be sent; complains where it cannot. `name` is for complaints. */
bool shell_is_connected(struct shell *s, const char *name);

/* Sends a command and waits for its answer, the caller's, or for Ctrl-C. */
enum outcome shell_ask(struct shell *s, const char *name, const struct qmp_request *request, qmp_message **ret_reply);

/* Does what a line says. */
struct line;
enum outcome shell_command(struct shell *s, const struct line *l);

/* Writes an answer, to a program if that is not NULL. */
enum outcome shell_answer(struct shell *s, const qmp_message *reply, const char *program);
/* The same for an answer of the human monitor. */
enum outcome shell_text(struct shell *s, const qmp_message *reply, const char *program);

/* Tab: what may stand at the cursor. */
void shell_complete(struct editor *e, void *userdata);

#endif
