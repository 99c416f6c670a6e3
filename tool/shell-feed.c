/* SPDX-License-Identifier: MIT */

/* Events, as the shell shows them.
 *
 * A person gets one line for each: when, which, and the data in short. A flood must not take the terminal away, so only
 * so many lines are shown in a second; of the rest, their number, when the second is over. A program gets every event
 * that passes the filter, whole.
 *
 * All text of the server is escaped here. It knows nothing of what stands on the terminal meanwhile. */

#include "shell-feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "complain.h"
#include "duration.h"
#include "escape.h"
#include "filter.h"
#include "output.h"
#include "style.h"

/* Lines in a second. */
#define SHOWN_MAX 20
/* Bytes of a value, and members, that are shown of the data. */
#define VALUE_MAX 160
#define MEMBERS_MAX 16

static bool is_wanted(const struct feed *feed, const qmp_message *event)
{
    return feed->on && (feed->n_globs == 0 || filter_names(feed->globs, feed->n_globs, event));
}

/* Writes a text as far as it is not too long. */
static void text_show(const char *text, size_t size)
{
    size_t shown = 0;

    while (shown < size) {
        uint32_t c = 0;
        size_t n = escape_decode(text + shown, size - shown, &c);
        n = n == 0 ? 1 : n;
        if (shown + n > VALUE_MAX)
            break;
        shown += n;
    }
    output_escaped(text, shown);
    if (shown < size)
        output_print("...");
}

/* Writes a value: a string that is one word without quotes, anything else as JSON. */
static void value_show(qmp_value v)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+%#[]";
    bool bare = qmp_value_type(v) == QMP_STRING && v.size > 2;

    for (size_t i = 1; bare && i + 1 < v.size; i++)
        bare = strchr(plain, v.text[i]) != NULL;
    if (bare)
        text_show(v.text + 1, v.size - 2);
    else
        text_show(v.text, v.size);
}

static void data_show(qmp_value data)
{
    qmp_value key = {NULL, 0}, item = {NULL, 0};
    size_t n = 0;

    if (qmp_value_type(data) != QMP_OBJECT && qmp_value_type(data) != QMP_ABSENT) {
        output_print(" ");
        value_show(data);
    }
    while (qmp_value_next(data, &key, &item)) {
        if (n++ == MEMBERS_MAX) {
            output_print(" ...");
            return;
        }
        output_print(" ");
        output_print("%s", style_start(STDOUT_FILENO, STYLE_FAINT));
        text_show(key.text + 1, key.size - 2);
        output_print("=%s", style_end(STDOUT_FILENO));
        value_show(item);
    }
}

static void event_show(const qmp_message *event)
{
    const char *name = qmp_event_name(event);
    int64_t usec = 0;
    struct tm tm = {0};
    time_t seconds;

    if (qmp_event_timestamp(event, &usec) < 0)
        usec = (int64_t)time(NULL) * (int64_t)QMP_SECOND;
    seconds = (time_t)(usec / (int64_t)QMP_SECOND);
    localtime_r(&seconds, &tm);
    output_print("%s%02d:%02d:%02d%s %s", style_start(STDOUT_FILENO, STYLE_FAINT), tm.tm_hour, tm.tm_min, tm.tm_sec,
        style_end(STDOUT_FILENO), style_start(STDOUT_FILENO, STYLE_WARNING));
    text_show(name, strlen(name));
    output_print("%s", style_end(STDOUT_FILENO));
    data_show(qmp_event_data(event));
    output_print("\n");
}

static void hidden_show(struct feed *feed)
{
    output_print("%s... %llu more event%s%s\n", style_start(STDOUT_FILENO, STYLE_FAINT),
        (unsigned long long)feed->hidden, feed->hidden == 1 ? "" : "s", style_end(STDOUT_FILENO));
    feed->hidden = 0;
}

/* Whether the second that is counted is over. */
static bool second_passed(const struct feed *feed)
{
    return duration_now() >= feed->since + QMP_SECOND;
}

/* Takes one more of the lines that may be shown in a second, which begins with the first of them. */
static bool room_take(struct feed *feed)
{
    if (feed->json)
        return true;
    if (feed->hidden == 0 && second_passed(feed)) {
        feed->since = duration_now();
        feed->shown = 0;
    }
    if (feed->shown == SHOWN_MAX)
        return false;
    feed->shown++;
    return true;
}

static void losses_count(struct feed *feed)
{
    uint64_t dropped = qmp_listener_dropped(feed->listener);

    if (feed->on)
        feed->hidden += dropped - feed->dropped;
    feed->dropped = dropped;
}

bool feed_show(struct feed *feed, const struct feed_hooks *hooks, void *userdata)
{
    bool written = false;
    qmp_message *event;
    int r;

    if (feed->hidden > 0 && second_passed(feed)) {
        hooks->before(userdata);
        hidden_show(feed);
        written = true;
    }
    while ((r = qmp_listener_get(feed->listener, /* timeout= */ 0, &event)) >= 0 || r == -ESTALE || r == -ENOBUFS) {
        __attribute__((cleanup(qmp_message_unrefp))) qmp_message *taken = r >= 0 ? event : NULL;
        if (r == -ENOBUFS)
            losses_count(feed);
        if (taken == NULL)
            continue;
        hooks->heard(qmp_event_name(taken), userdata);
        if (!is_wanted(feed, taken))
            continue;
        if (!room_take(feed)) {
            feed->hidden++;
            continue;
        }
        if (!written)
            hooks->before(userdata);
        written = true;
        if (feed->json)
            output_json(qmp_message_root(taken));
        else
            event_show(taken);
    }
    return written;
}

uint64_t feed_deadline(const struct feed *feed)
{
    return feed->hidden > 0 ? feed->since + QMP_SECOND : QMP_FOREVER;
}

static enum outcome globs_set(struct feed *feed, const char *const *words, size_t n)
{
    char text[FEED_TEXT_MAX];
    size_t used = 0, positions[FEED_GLOBS_MAX];

    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(words[i]) + 1;
        if (i == FEED_GLOBS_MAX || size > sizeof(text) - used) {
            complain("that is more than %d names, or %d bytes", FEED_GLOBS_MAX, FEED_TEXT_MAX);
            return OUTCOME_USAGE;
        }
        memcpy(text + used, words[i], size);
        positions[i] = used;
        used += size;
    }
    memcpy(feed->text, text, used);
    for (size_t i = 0; i < n; i++)
        feed->globs[i] = feed->text + positions[i];
    feed->n_globs = n;
    feed->on = true;
    return OUTCOME_DONE;
}

enum outcome feed_set(struct feed *feed, const struct options *o, const char *const *words, size_t n)
{
    struct filter checked;
    enum outcome outcome;

    if (n == 1 && strcmp(words[0], "off") == 0) {
        feed->on = false;
        return OUTCOME_DONE;
    }
    if (n == 1 && strcmp(words[0], "on") == 0)
        return globs_set(feed, words, 0);
    if (n > 0) {
        outcome = filter_make(o, words, n, &checked);
        return outcome == OUTCOME_DONE ? globs_set(feed, words, n) : outcome;
    }
    output_print("events are %s", !feed->on ? "off" : feed->n_globs == 0 ? "on" : "on:");
    for (size_t i = 0; feed->on && i < feed->n_globs; i++)
        output_print(" %s", feed->globs[i]);
    return output_print("\n");
}
