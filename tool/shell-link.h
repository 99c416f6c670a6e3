/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_LINK_H
#define TOOL_SHELL_LINK_H

#include "options.h"

/* Room for the name of a VM and its state, escaped. */
#define LINK_NAME_MAX 64
#define LINK_STATE_MAX 32

/* The connection of a shell: who is at the other end, and how they are. */
struct link {
    qmp_client *client;
    bool curious; /* somebody looks at the name and the state, and it shall connect again by itself */
    bool up;
    size_t losses, returns;     /* how often it ended, and came back */
    char name[LINK_NAME_MAX];   /* of the VM, else what its address ends with */
    char state[LINK_STATE_MAX]; /* "running"; "" when the server has none, or did not say yet */
    bool changed;               /* one of the three above, since somebody cleared this */
    bool stale;                 /* the state may be another by now */
    bool asking, naming;        /* it was asked for, the name was */
    uint64_t asked;             /* when, µs */
};

/* Looks after a client. */
void link_start(struct link *link, qmp_client *c, bool curious);

/* Does what can be done on the connection without waiting, bounded in time. Returns whether there may be more. */
bool link_drive(struct link *link);

/* When there is something to do even if nothing comes; µs, absolute. */
uint64_t link_deadline(const struct link *link);

/* The state may have changed: asks for it. */
void link_refresh(struct link *link);
/* The same, if that is so after an event; but not too often. */
void link_hear(struct link *link, const char *event);

/* Whether the name and the state are what was asked for last. */
bool link_settled(const struct link *link);

/* The version of the other end: "QEMU 7.2.22". */
void link_version(const struct link *link, char text[LINK_NAME_MAX]);

#endif
