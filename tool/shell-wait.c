/* SPDX-License-Identifier: MIT */

/* The one place where the shell sleeps.
 *
 * Whatever the shell waits for, a key, an answer, a program's end, the rest goes on: the connection is read, events are
 * shown, the terminal's signals are heard. Work on the connection is bounded each time round, and the keyboard is
 * looked at each time, so no flood takes it away. What is written while a line is being typed goes above it.
 *
 * It knows nothing of what is waited for. */

#include <errno.h>

#include "complain.h"
#include "duration.h"
#include "output.h"
#include "shell-signals.h"
#include "shell.h"

static void hide(void *userdata)
{
    struct shell *s = userdata;

    reader_hide(s->reader);
}

static void hear(const char *event, void *userdata)
{
    struct shell *s = userdata;

    link_hear(&s->link, event);
}

/* Tells of connections that ended and came back. */
static void link_tell(struct shell *s)
{
    char version[LINK_NAME_MAX];

    if (!s->interactive || (s->losses == s->link.losses && s->returns == s->link.returns))
        return;
    reader_hide(s->reader);
    if (s->losses != s->link.losses)
        complain("%s%s", qmp_client_failure(s->link.client),
            qmp_client_runstate(s->link.client) == QMP_CONNECTING ? "; connecting again" : "");
    if (s->returns != s->link.returns) {
        link_version(&s->link, version);
        complain("connected again: %s, %s", version,
            qmp_client_same_server(s->link.client) == QMP_SERVER_SAME ? "the same process" : "another process");
        s->schema = schema_free(s->schema);
    }
    s->losses = s->link.losses;
    s->returns = s->link.returns;
    reader_show(s->reader);
}

/* Shows what there is to show. What came before an answer is shown before it, and the end of a connection after the
 * last answer that it brought. */
static void news_show(struct shell *s, bool answered)
{
    static const struct feed_hooks hooks = {hear, hide};
    bool written;

    if (s->held)
        return;
    written = feed_show(&s->feed, &hooks, s);
    if (!written && s->link.changed && s->question == NULL && reader_editor(s->reader) != NULL) {
        reader_hide(s->reader);
        written = true;
    }
    if (written)
        reader_show(s->reader);
    if (!answered)
        link_tell(s);
}

static void stop(struct shell *s)
{
    struct editor *e = reader_editor(s->reader);

    if (e != NULL)
        editor_release(e);
    signals_stop();
    if (e != NULL)
        editor_retake(e);
}

/* What signals ask for; true: the wait is over. */
static bool signals_serve(struct shell *s, enum wake *ret)
{
    struct editor *e = reader_editor(s->reader);

    if (signals_wish(SIGNAL_STOP))
        stop(s);
    if (signals_wish(SIGNAL_RESIZE) && e != NULL)
        editor_resized(e);
    if (signals_wish(SIGNAL_END)) {
        s->end = OUTCOME_LOCAL;
        *ret = WAKE_ENDED;
        return true;
    }
    *ret = WAKE_INTERRUPTED;
    return signals_wish(SIGNAL_INTERRUPT);
}

static bool deadlines_check(struct shell *s, uint64_t deadline, enum wake *ret)
{
    if (duration_until(s->options.deadline) == 0) {
        s->end = OUTCOME_TIMEOUT;
        *ret = WAKE_ENDED;
        return true;
    }
    *ret = WAKE_TIMEOUT;
    return duration_until(deadline) == 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sleeps until something happens; says whether standard input can be read. */
static bool sleep_until(struct shell *s, bool input, uint64_t deadline)
{
    int fd = qmp_client_get_fd(s->link.client), events = qmp_client_get_events(s->link.client);
    struct pollfd fds[] = {{input ? 0 : -1, POLLIN, 0}, {fd, (short)(events > 0 ? events : 0), 0}};
    int n;

    deadline = least(deadline, least(s->options.deadline, link_deadline(&s->link)));
    if (!s->held)
        deadline = least(deadline, feed_deadline(&s->feed));
    n = signals_poll(fds, sizeof(fds) / sizeof(fds[0]), duration_until(deadline));
    return n > 0 && fds[0].revents != 0;
}

enum wake shell_wait(struct shell *s, done_fn done, void *userdata, uint64_t deadline)
{
    enum wake ret;

    for (;;) {
        bool more = link_drive(&s->link), finished = done != NULL && done(userdata);
        news_show(s, finished);
        if (finished)
            return WAKE_DONE;
        if (signals_serve(s, &ret) || deadlines_check(s, deadline, &ret))
            return ret;
        if (sleep_until(s, done == NULL, more ? 0 : deadline))
            return WAKE_INPUT;
    }
}
