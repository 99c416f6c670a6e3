/* SPDX-License-Identifier: MIT */

/* The connection of the shell.
 *
 * Name and state are asked for beside whatever else goes on, never waited for: a QEMU whose main loop hangs must not
 * hang the shell. There is one question for the state at a time, and not more than ten a second, whatever the events
 * say. All that is kept of the server's words is escaped and short. When a connection ends the library connects again,
 * except where that would run a command anew.
 *
 * It knows nothing of terminals. */

#include "shell-link.h"

#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "escape.h"

/* Between two questions for the state. */
#define ASK_PAUSE (100 * QMP_MILLISECOND)
/* How long to work on the connection before looking at the keyboard again. */
#define DRIVE_MAX (20 * QMP_MILLISECOND)

/* Escapes a text into a room that may be too small for it; then it is cut, at a character. */
static void text_keep(char *out, size_t room, const char *text, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < size;) {
        char escaped[ESCAPE_MAX * sizeof(uint32_t) + 1];
        uint32_t c = 0;
        size_t n = escape_decode(text + i, size - i, &c), escaped_size;
        n = n == 0 ? 1 : n;
        escaped_size = (size_t)(escape_text(escaped, text + i, n) - escaped);
        if (used + escaped_size + 1 > room)
            return;
        memcpy(out + used, escaped, escaped_size);
        used += escaped_size;
        out[used] = '\0';
        i += n;
    }
}

/* Keeps a string of a reply; says whether it is another than before. */
static bool string_keep(char *out, size_t room, qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    char kept[LINK_NAME_MAX];
    size_t size = 0;

    if (qmp_value_string(v, &text, &size) < 0)
        return false;
    text_keep(kept, room < sizeof(kept) ? room : sizeof(kept), text, size);
    if (strcmp(kept, out) == 0)
        return false;
    strcpy(out, kept);
    return true;
}

static void name_come(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct link *link = userdata;

    (void)p;
    link->naming = false;
    if (error == 0 && string_keep(link->name, sizeof(link->name), qmp_value_member(qmp_reply_value(reply), "name")))
        link->changed = true;
}

static void state_come(qmp_pending *p, int error, qmp_message *reply, void *userdata)
{
    struct link *link = userdata;
    qmp_value status = {NULL, 0};

    (void)p;
    link->asking = false;
    if (error == 0)
        status = qmp_value_member(qmp_reply_value(reply), "status");
    if (string_keep(link->state, sizeof(link->state), status))
        link->changed = true;
}

static void state_ask(struct link *link)
{
    link->stale = false;
    link->asked = duration_now();
    link->asking = qmp_client_execute_async(
                       link->client, "query-status", /* arguments= */ NULL, state_come, link, /* ret= */ NULL) >= 0;
}

/* What an address ends with: the file's name, or all of it. */
static void name_guess(struct link *link)
{
    __attribute__((cleanup(qmp_freep))) char *address = NULL;
    const char *name = "qmp", *slash;

    if (qmp_client_get_address(link->client, &address) >= 0)
        name = address;
    slash = strncmp(name, "exec:", strlen("exec:")) != 0 ? strrchr(name, '/') : NULL;
    name = slash != NULL && slash[1] != '\0' ? slash + 1 : name;
    text_keep(link->name, sizeof(link->name), name, strlen(name));
}

static void identity_ask(struct link *link)
{
    link->up = link->changed = true;
    link->state[0] = '\0';
    name_guess(link);
    if (!link->curious)
        return;
    link->naming = qmp_client_execute_async(
                       link->client, "query-name", /* arguments= */ NULL, name_come, link, /* ret= */ NULL) >= 0;
    state_ask(link);
}

void link_start(struct link *link, qmp_client *c, bool curious)
{
    static const struct qmp_reconnect policy = QMP_RECONNECT_INIT;
    __attribute__((cleanup(qmp_freep))) char *address = NULL;

    *link = (struct link){.client = c, .curious = curious, .changed = true};
    if (curious && qmp_client_get_address(c, &address) >= 0 && strncmp(address, "exec:", strlen("exec:")) != 0)
        qmp_client_set_reconnect(c, &policy);
    if (qmp_client_runstate(c) == QMP_RUNNING)
        identity_ask(link);
    else
        name_guess(link);
}

bool link_drive(struct link *link)
{
    uint64_t until = duration_deadline(DRIVE_MAX);
    bool running;
    int r;

    do
        r = qmp_client_process(link->client);
    while (r > 0 && duration_now() < until);
    running = qmp_client_runstate(link->client) == QMP_RUNNING;
    if (link->up && !running) {
        link->up = false;
        link->changed = true;
        link->losses++;
    } else if (!link->up && running) {
        link->returns++;
        identity_ask(link);
        return true;
    } else if (running && link->stale && !link->asking && duration_now() >= link->asked + ASK_PAUSE) {
        state_ask(link);
        return true;
    }
    return r > 0;
}

uint64_t link_deadline(const struct link *link)
{
    uint64_t deadline = QMP_FOREVER;

    qmp_client_get_deadline(link->client, &deadline);
    if (link->up && link->stale && !link->asking && link->asked + ASK_PAUSE < deadline)
        deadline = link->asked + ASK_PAUSE;
    return deadline;
}

void link_refresh(struct link *link)
{
    link->stale = link->curious;
    link->asked = 0;
}

void link_hear(struct link *link, const char *event)
{
    static const char *const events[] = {
        "STOP", "RESUME", "RESET", "SHUTDOWN", "SUSPEND", "WAKEUP", "GUEST_PANICKED", "MIGRATION"};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (strcmp(events[i], event) == 0)
            link->stale = link->curious;
}

bool link_settled(const struct link *link)
{
    return !link->up || (!link->asking && !link->naming && !link->stale);
}

void link_version(const struct link *link, char text[LINK_NAME_MAX])
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    static const char *const parts[] = {"major", "minor", "micro"};
    qmp_value version;
    int64_t numbers[3] = {0};

    snprintf(text, LINK_NAME_MAX, "a QMP server");
    if (qmp_client_greeting(link->client, &greeting) < 0)
        return;
    version = qmp_value_path(qmp_message_root(greeting), "QMP.version.qemu");
    for (size_t i = 0; i < 3; i++)
        if (qmp_value_int64(qmp_value_member(version, parts[i]), &numbers[i]) < 0)
            return;
    snprintf(text, LINK_NAME_MAX, "QEMU %lld.%lld.%lld", (long long)numbers[0], (long long)numbers[1],
        (long long)numbers[2]);
}
