/* SPDX-License-Identifier: MIT */

/* Standard output: data for the next program, and nothing else.
 *
 * The invariant: what goes out is whole values in order, however many threads write; memory is one fixed buffer a
 * thread, however long a value is. A thread that must write out the beginning of a value keeps the others waiting until
 * its end, so once a value was begun, nothing but the writing can fail: memory is taken before. Strings in JSON hold no
 * raw line breaks, so only white space between tokens can break a line: a value without any is copied unchanged as a
 * line, another is brought to QEMU's own one-line form, byte for byte what the same server sends with pretty=off. On a
 * terminal, strings are written so that it obeys nothing in them; it is the same JSON.
 *
 * The buffer is flushed by whoever knows that nothing follows at once. A reader that has gone ends the process quietly,
 * by SIGPIPE, even where the parent made it ignored. It knows nothing of what the values mean. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "duration.h"
#include "escape.h"
#include "label.h"
#include "output.h"
#include "style.h"

/* The longest text that is formatted at once. */
#define PRINT_MAX 4096
/* Columns of one step of indentation. */
#define INDENT 2

static struct {
    enum format format;
    const char *get;
    bool terminal;
} settings;

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t missing = PTHREAD_MUTEX_INITIALIZER;
static bool missed; /* under `missing` */

static _Thread_local char buffer[OUTPUT_MAX];
static _Thread_local size_t buffered;
static _Thread_local bool inside; /* a value was begun and not ended */
static _Thread_local bool locked; /* its beginning was written: `writing` is ours until its end was */

/* Who is told that standard output is slow. */
static _Thread_local struct {
    uint64_t left; /* µs that it may still keep us waiting */
    void (*slow)(void *userdata);
    void *userdata;
} patience;

void output_setup(const struct options *o)
{
    settings.terminal = isatty(STDOUT_FILENO);
    settings.format = o->format;
    settings.get = o->get;
    if (settings.format == FORMAT_AUTO)
        settings.format = settings.terminal ? FORMAT_PRETTY : FORMAT_SHORT;
}

enum outcome output_check(void)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);

    if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
        return OUTCOME_DONE;
    complain("cannot write to standard output: %s", strerror(EBADF));
    return OUTCOME_LOCAL;
}

bool output_is_terminal(void)
{
    return settings.terminal;
}

bool output_missed(void)
{
    bool ret;

    pthread_mutex_lock(&missing);
    ret = missed;
    pthread_mutex_unlock(&missing);
    return ret;
}

void output_abandon(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE); /* it is blocked */
}

void output_set_patience(uint64_t left, void (*slow)(void *userdata), void *userdata)
{
    patience.left = left;
    patience.slow = slow;
    patience.userdata = userdata;
}

/* How much of `size` bytes to write at once. Where somebody wants to know how long it takes, only what cannot block. */
static size_t chunk_size(size_t size)
{
    struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
    void (*slow)(void *userdata) = patience.slow;

    if (slow == NULL)
        return size;
    if (poll(&fd, 1, /* timeout= */ 0) == 0) {
        uint64_t start = duration_now(), spent;
        int ready = poll(&fd, 1, (int)(patience.left / QMP_MILLISECOND) + 1);
        spent = duration_now() - start;
        patience.left -= spent < patience.left ? spent : patience.left;
        if (ready < 0) /* a signal */
            return 0;
        if (ready == 0 || patience.left == 0) {
            patience.slow = NULL;
            slow(patience.userdata);
            return size;
        }
    }
    return size < PIPE_BUF ? size : PIPE_BUF;
}

static enum outcome buffer_write(void)
{
    size_t written = 0;

    while (written < buffered) {
        ssize_t n = write(STDOUT_FILENO, buffer + written, chunk_size(buffered - written));
        if (n >= 0) {
            written += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
            poll(&fd, 1, -1);
        } else if (errno == EPIPE) {
            output_abandon();
        } else if (errno != EINTR) {
            complain("cannot write to standard output: %s", strerror(errno));
            return OUTCOME_LOCAL;
        }
    }
    return OUTCOME_DONE;
}

enum outcome output_flush(void)
{
    enum outcome outcome;

    if (buffered == 0)
        return OUTCOME_DONE;
    if (!locked)
        pthread_mutex_lock(&writing);
    outcome = buffer_write();
    buffered = 0;
    locked = inside && outcome == OUTCOME_DONE;
    if (!locked)
        pthread_mutex_unlock(&writing);
    return outcome;
}

enum outcome output_text(const char *text, size_t size)
{
    while (size > 0) {
        size_t n = size < sizeof(buffer) - buffered ? size : sizeof(buffer) - buffered;
        memcpy(buffer + buffered, text, n);
        buffered += n;
        text += n;
        size -= n;
        if (buffered == sizeof(buffer)) {
            enum outcome outcome = output_flush();
            if (outcome != OUTCOME_DONE)
                return outcome;
        }
    }
    return OUTCOME_DONE;
}

static enum outcome output_string(const char *text)
{
    return output_text(text, strlen(text));
}

enum outcome output_print(const char *format, ...)
{
    char text[PRINT_MAX];
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return output_text(text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

enum outcome output_escaped(const char *text, size_t size)
{
    enum outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; outcome == OUTCOME_DONE && i < size;) {
        char escaped[ESCAPE_MAX * sizeof(uint32_t) + 1];
        uint32_t c = 0;
        size_t n = escape_decode(text + i, size - i, &c);
        n = n == 0 ? 1 : n;
        outcome = output_text(escaped, (size_t)(escape_text(escaped, text + i, n) - escaped));
        i += n;
    }
    return outcome;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The end of the token at `text`: a string, a run of digits and letters, or one character of punctuation. */
static const char *token_end(const char *text, const char *end)
{
    const char *p = text + 1;

    if (*text == '"') {
        while (p < end && *p != '"')
            p += *p == '\\' ? 2 : 1;
        return p < end ? p + 1 : end;
    }
    if (strchr("{}[]:,", *text) == NULL)
        while (p < end && !is_space(*p) && strchr("{}[]:,\"", *p) == NULL)
            p++;
    return p;
}

/* A string as a token, with "\uNNNN" for what a terminal might obey. */
static enum outcome string_write(const char *text, size_t size)
{
    enum outcome outcome = OUTCOME_DONE;

    for (size_t i = 0; outcome == OUTCOME_DONE && i < size;) {
        uint32_t c = 0;
        size_t n = escape_decode(text + i, size - i, &c);
        n = n == 0 ? 1 : n;
        outcome = escape_is_harmless(c) ? output_text(text + i, n) : output_print("\\u%04x", c);
        i += n;
    }
    return outcome;
}

static enum style token_style(const char *token, bool key)
{
    if (*token == '"')
        return key ? STYLE_KEY : STYLE_STRING;
    if (strchr("{}[]:,", *token) != NULL)
        return STYLE_PLAIN;
    return strchr("tfn", *token) != NULL ? STYLE_LITERAL : STYLE_NUMBER;
}

static enum outcome token_write(const char *token, const char *end, bool key)
{
    const char *on = style_start(STDOUT_FILENO, token_style(token, key));
    enum outcome outcome = output_string(on);

    if (outcome == OUTCOME_DONE && settings.terminal && *token == '"')
        outcome = string_write(token, (size_t)(end - token));
    else if (outcome == OUTCOME_DONE)
        outcome = output_text(token, (size_t)(end - token));
    return outcome == OUTCOME_DONE && *on != '\0' ? output_string(style_end(STDOUT_FILENO)) : outcome;
}

static enum outcome line_break(size_t depth)
{
    enum outcome outcome = output_text("\n", 1);

    for (size_t i = 0; outcome == OUTCOME_DONE && i < depth * INDENT; i++)
        outcome = output_text(" ", 1);
    return outcome;
}

static const char *spaces_skip(const char *text, const char *end)
{
    while (text < end && is_space(*text))
        text++;
    return text;
}

/* Writes a value token by token: on a line, or indented when `depth` is not 0. */
static enum outcome tokens_write(const char *text, const char *end, size_t depth)
{
    bool indented = depth > 0;
    enum outcome outcome = OUTCOME_DONE;

    for (text = spaces_skip(text, end); outcome == OUTCOME_DONE && text < end;) {
        const char *token_stop = token_end(text, end), *next = spaces_skip(token_stop, end);
        bool opens = *text == '{' || *text == '[', closes = next < end && (*next == '}' || *next == ']');
        outcome = token_write(text, token_stop, next < end && *next == ':');
        if (outcome == OUTCOME_DONE && (*text == ':' || (*text == ',' && !indented)))
            outcome = output_text(" ", 1);
        if (opens && closes) {
            outcome = outcome == OUTCOME_DONE ? output_text(next, 1) : outcome;
            next = spaces_skip(next + 1, end);
            closes = next < end && (*next == '}' || *next == ']');
            opens = false;
        }
        depth = opens ? depth + 1 : closes ? depth - 1 : depth;
        if (outcome == OUTCOME_DONE && indented && next < end && (opens || closes || *text == ','))
            outcome = line_break(depth - 1);
        text = next;
    }
    return outcome;
}

static enum outcome value_write(qmp_value v, bool indented)
{
    bool as_it_is = !indented && !settings.terminal && *style_end(STDOUT_FILENO) == '\0' &&
                    memchr(v.text, '\n', v.size) == NULL && memchr(v.text, '\r', v.size) == NULL;

    return as_it_is ? output_text(v.text, v.size) : tokens_write(v.text, v.text + v.size, indented ? 1 : 0);
}

/* Says, once, that there is nothing at the path of --get. */
static void missing_say(void)
{
    pthread_mutex_lock(&missing);
    if (!missed)
        complain("--get: there is no '%s' in the answer", settings.get);
    missed = true;
    pthread_mutex_unlock(&missing);
}

/* Writes what --get found: a string, which is `text` then, bare, anything else as a line. */
static enum outcome found_write(qmp_value found, const char *text, size_t size)
{
    const char *label = label_get();
    enum outcome outcome = OUTCOME_DONE;

    if (label != NULL)
        outcome = output_escaped(label, strlen(label));
    if (outcome == OUTCOME_DONE && label != NULL)
        outcome = output_text("\t", 1);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (text != NULL)
        return settings.terminal ? output_escaped(text, size) : output_text(text, size);
    if (qmp_value_type(found) != QMP_ABSENT)
        return value_write(found, /* indented= */ false);
    missing_say();
    return OUTCOME_DONE;
}

static enum outcome string_make(qmp_value v, char **ret, size_t *ret_size)
{
    int r = qmp_value_type(v) == QMP_STRING ? qmp_value_string(v, ret, ret_size) : 0;

    return r < 0 ? outcome_of_error("--get", r) : OUTCOME_DONE;
}

static enum outcome labelled_make(qmp_value v, char **ret, size_t *ret_size)
{
    __attribute__((cleanup(qmp_freep))) char *label = qmp_json("%s", label_get());
    size_t size;

    if (label == NULL)
        return outcome_of_error("the name of a server", -errno);
    size = strlen(label) + v.size + sizeof("{\"target\": , \"value\": }");
    *ret = malloc(size);
    if (*ret == NULL)
        return outcome_of_error("standard output", -ENOMEM);
    snprintf(*ret, size, "{\"target\": %s, \"value\": %.*s}", label, (int)v.size, v.text);
    *ret_size = strlen(*ret);
    return OUTCOME_DONE;
}

static enum outcome get_write(qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;
    /* A dot alone is all of it */
    qmp_value found = strcmp(settings.get, ".") == 0 ? v : qmp_value_path(v, settings.get);
    enum outcome outcome = string_make(found, &text, &size);

    if (outcome != OUTCOME_DONE)
        return outcome;
    inside = true;
    outcome = found_write(found, text, size);
    inside = false;
    return outcome == OUTCOME_DONE ? output_text("\n", 1) : outcome;
}

static enum outcome whole_write(qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    size_t size = 0;
    enum outcome outcome = label_get() != NULL ? labelled_make(v, &text, &size) : OUTCOME_DONE;

    if (outcome != OUTCOME_DONE)
        return outcome;
    inside = true;
    if (settings.format == FORMAT_SEQ)
        outcome = output_text("\x1e", 1);
    if (outcome == OUTCOME_DONE)
        outcome = value_write(text != NULL ? (qmp_value){text, size} : v, settings.format == FORMAT_PRETTY);
    inside = false;
    return outcome == OUTCOME_DONE ? output_text("\n", 1) : outcome;
}

enum outcome output_json(qmp_value v)
{
    return settings.get != NULL ? get_write(v) : whole_write(v);
}
