/* SPDX-License-Identifier: MIT */
/* What a client tells its log function.
 *
 * Lines are made where things happen, with locks held and in the middle of parsing, and said later, on the driving
 * thread, with no lock held: so they wait in a queue, in order. Nothing is made that is not wanted: without a log
 * function all this costs one look at a pointer.
 *
 * A line is printable ASCII. What the server sent is JSON, so other characters have an escape there and its line ends
 * mean nothing. Arguments of commands are left out below QMP_LOG_FULL, because they may hold passwords, and below
 * QMP_LOG_RAW what secret.h takes for one, in whatever is sent or received. */

#include "client/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/secret.h"
#include "util/util.h"
#include "json/value.h"

/* What stands for a value that is left out. */
#define LEFT_OUT "\"...\""

struct log {
    struct session_tap tap;
    enum qmp_log_level level;
    qmp_log_fn say;
    void *userdata;
    struct list lines;
    bool saying;
};

/* How much of a stray reply is worth a line. */
#define STRAY_SHOWN_MAX ((size_t)120)

struct line {
    struct list link;
    enum qmp_log_level level;
    size_t size;
    char text[];
};

bool log_wants(const qmp_client *c, enum qmp_log_level level)
{
    return c->log && level <= c->log->level;
}

bool log_has_lines(const struct log *log)
{
    return !list_empty(&log->lines);
}

static struct line *line_new(enum qmp_log_level level, size_t size_max)
{
    struct line *line = malloc(sizeof(*line) + size_max + 1);

    /* Without memory for it, a line is lost: a log must not end what it reports. */
    if (line)
        *line = (struct line){.level = level};
    return line;
}

static void queue(qmp_client *c, struct line *line)
{
    line->text[line->size] = '\0';
    list_init(&line->link);
    list_append(&c->log->lines, &line->link);
}

/* Words of the library: what the server and the user brought into them may not be ASCII. Needs up to 4 bytes for each.
 * Returns the size. */
static size_t put_ascii(char *to, const char *text, size_t size)
{
    static const char ellipsis[] = "…";
    char *end = to;

    for (size_t i = 0; i < size; i++) {
        if (size - i >= sizeof(ellipsis) - 1 && memcmp(text + i, ellipsis, sizeof(ellipsis) - 1) == 0) {
            end = stpcpy(end, "...");
            i += sizeof(ellipsis) - 2;
        } else if (text[i] >= ' ' && text[i] <= '~') {
            *end++ = text[i];
        } else {
            end += sprintf(end, "\\x%02x", (unsigned)(unsigned char)text[i]);
        }
    }
    return (size_t)(end - to);
}

void log_line(qmp_client *c, enum qmp_log_level level, const char *format, ...)
{
    CLEANUP(qmp_freep) char *text = NULL;
    struct line *line;
    va_list args;
    int n;

    if (!log_wants(c, level))
        return;
    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        text = NULL;
        return;
    }
    line = line_new(level, 4 * (size_t)n);
    if (!line)
        return;
    line->size = put_ascii(line->text, text, (size_t)n);
    queue(c, line);
}

/* ---- traffic ---- */

/* One character of UTF-8, as JSON escapes it. Returns how many bytes it has. */
static size_t put_character(char **to, const char *from, size_t size)
{
    unsigned char first = (unsigned char)*from;
    size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = n == 1 ? first : first & (0x7fu >> n);

    if (n > size)
        n = size; /* not in a message that was validated */
    for (size_t i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)from[i] & 0x3fu);
    if (code >= 0x10000)
        *to += sprintf(
            *to, "\\u%04X\\u%04X", (unsigned)(0xd800 + ((code - 0x10000) >> 10)), (unsigned)(0xdc00 + (code & 0x3ff)));
    else
        *to += sprintf(*to, "\\u%04X", (unsigned)code);
    return n;
}

/* JSON text as printable ASCII. Line ends and what indents the next line are left out. Needs up to 6 bytes for each. */
static char *put_json(char *to, const char *text, size_t size)
{
    bool indented = false;

    for (size_t i = 0; i < size;) {
        char x = text[i];

        if (x == '\r' || x == '\n' || x == '\t' || (x == ' ' && indented)) {
            indented |= x == '\n';
            i++;
            continue;
        }
        indented = false;
        if (x >= ' ' && x <= '~') {
            *to++ = x;
            i++;
        } else {
            i += put_character(&to, text + i, size - i);
        }
    }
    return to;
}

/* "> " or "< ", then a text in which `left_out`, if there is such a value, or else secrets are left out. */
static void log_traffic(qmp_client *c, const char *mark, qmp_value text, qmp_value left_out)
{
    struct line *line = line_new(c->log->level, 2 + 6 * text.size);
    const char *from = text.text, *end = text.text + text.size;
    struct secrets secrets;
    char *to;

    if (!line)
        return;
    to = line->text + 2;
    memcpy(line->text, mark, 2);
    if (c->log->level < QMP_LOG_RAW) {
        secrets = secrets_of(text);
        while (left_out.text || secrets_next(&secrets, &left_out)) {
            to = put_json(to, from, (size_t)(left_out.text - from));
            to = stpcpy(to, LEFT_OUT); /* no more than escapes of a single byte need */
            from = secrets.at = left_out.text + left_out.size;
            left_out = (qmp_value){NULL, 0};
        }
    }
    to = put_json(to, from, (size_t)(end - from));
    line->size = (size_t)(to - line->text);
    queue(c, line);
}

static void on_received(void *client, const qmp_message *m)
{
    qmp_client *c = client;

    if (log_wants(c, QMP_LOG_TRAFFIC))
        log_traffic(c, "< ", qmp_message_root(m), (qmp_value){NULL, 0});
}

static void on_sent(void *client, const struct session_command *command)
{
    qmp_value text = {command->text, command->size}, arguments = {NULL, 0};
    qmp_client *c = client;

    if (!log_wants(c, QMP_LOG_TRAFFIC))
        return;
    if (text.text[0] != '{') { /* the 0xFF in front of a synchronisation */
        text.text++;
        text.size--;
    }
    if (c->log->level < QMP_LOG_FULL)
        arguments = qmp_value_member(text, "arguments");
    log_traffic(c, "> ", text, arguments);
}

static void on_stray(void *client, const qmp_message *m)
{
    char excerpt[STRAY_SHOWN_MAX];
    qmp_value root = qmp_message_root(m);

    if (!log_wants(client, QMP_LOG_DEBUG))
        return;
    json_excerpt(excerpt, sizeof(excerpt), root.text, root.size);
    log_line(client, QMP_LOG_DEBUG, "a reply that nobody waits for: %s", excerpt);
}

const struct session_tap *log_tap(const qmp_client *c)
{
    return c->log && c->log->level >= QMP_LOG_DEBUG ? &c->log->tap : NULL;
}

/* ---- saying ---- */

void log_say(qmp_client *c)
{
    struct log *log = c->log;

    if (log->saying)
        return;
    log->saying = true;
    while (c->log == log && !list_empty(&log->lines)) {
        struct line *line = LIST_ENTRY(log->lines.next, struct line, link);

        list_remove(&line->link);
        client_call_begin(c, CALLING_OTHER, log);
        log->say(c, line->level, line->text, line->size, log->userdata);
        client_call_end(c);
        free(line);
    }
    log->saying = false;
    if (c->log != log)
        log_free(log); /* replaced from inside */
}

void log_free(struct log *log)
{
    if (!log)
        return;
    while (!list_empty(&log->lines)) {
        struct line *line = LIST_ENTRY(log->lines.next, struct line, link);

        list_remove(&line->link);
        free(line);
    }
    free(log);
}

int qmp_client_set_log(qmp_client *c, enum qmp_log_level level, qmp_log_fn say, void *userdata)
{
    struct log *log = NULL, *old;
    bool saying;

    if ((unsigned)level > QMP_LOG_RAW)
        return -EINVAL;
    if (say && level != QMP_LOG_NONE) {
        log = calloc(1, sizeof(*log));
        if (!log)
            return -ENOMEM;
        log->tap = (struct session_tap){on_received, on_sent, on_stray, c};
        log->level = level;
        log->say = say;
        log->userdata = userdata;
        list_init(&log->lines);
    }
    client_lock(c);
    old = c->log;
    c->log = log;
    c->session.tap = log_tap(c);
    saying = old && old->saying; /* then log_emit() frees it */
    if (old)
        client_settle(c, old);
    if (!saying)
        log_free(old);
    pthread_mutex_unlock(&c->lock);
    return 0;
}
