/* SPDX-License-Identifier: MIT */
#ifndef TEST_CHAOS_ACCOUNT_H
#define TEST_CHAOS_ACCOUNT_H

#include "fixture.h"
#include "relay.h"

#define EARS_MAX 8
#define COMMANDS_MAX 4096

/* How a listener hears: everything by qmp_listener_get(), in a queue that drops, or by a handler. */
enum ear_kind { EAR_WHOLE, EAR_BOUNDED, EAR_HANDLER };

/* What a listener has handed out: the text of an event and its number, or what qmp_listener_get() said instead. */
struct heard {
    int said;
    uint64_t sequence;
    char *text;
};

struct ear {
    const char *name;
    enum ear_kind kind;
    bool (*wants)(const char *event); /* the text of an event; NULL: everything */
    qmp_listener *listener;
    struct heard *heard;
    size_t n_heard;
};

/* A command whose name is its own, so that the server's refusal says which one it was. */
struct command {
    unsigned completed;
    int error;
    char *reply;
};

/* Where bytes may be others than those that were sent, so that what stands in the record may be refused. */
enum damage { DAMAGE_NONE, DAMAGE_TO_CLIENT, DAMAGE_BOTH_WAYS };

struct account {
    qmp_client *client;
    struct relay *relay;
    struct ear ears[EARS_MAX];
    size_t n_ears;
    struct command commands[COMMANDS_MAX];
    unsigned n_commands;
    enum damage damage;
    /* What the checks found, for those who want to know that something happened. */
    size_t connections, events, early, gaps, dropped, replies;
};

/* Ears on a client that is not connected, and the books of what comes through a relay. */
struct account *account_new(qmp_client *c, struct relay *r);
/* Sends one more command, if the client is connected. */
void account_command(struct account *a);
/* Takes what the listeners have. */
void account_listen(struct account *a);
/* Everything has come through and nothing goes on: compares what was passed on with what was heard. Fails the test
 * where they differ, with both. */
void account_check(struct account *a);
void account_free(struct account *a);

#endif
