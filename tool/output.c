/* SPDX-License-Identifier: MIT */

/* Standard output: data for the next program, and nothing else.
 *
 * The invariant: what goes out is whole lines in order, one JSON value a line whatever the server's style; memory is
 * one fixed buffer, however long a line is. Strings in JSON hold no raw line breaks, so only white space between tokens
 * can break a line: a value without any is copied unchanged, another is brought to QEMU's own one-line form, byte for
 * byte what the same server sends with pretty=off.
 *
 * The buffer is flushed by whoever knows that nothing follows at once. A reader that has gone ends the process quietly,
 * by SIGPIPE, even where the parent made it ignored. It knows nothing of what the values mean. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "output.h"

/* The most that is held back. */
#define OUTPUT_MAX 65536

static char buffer[OUTPUT_MAX];
static size_t buffered;

void output_abandon(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE); /* it is blocked */
}

enum outcome output_flush(void)
{
    size_t written = 0;

    while (written < buffered) {
        ssize_t n = write(STDOUT_FILENO, buffer + written, buffered - written);
        if (n >= 0) {
            written += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
            poll(&fd, 1, -1);
        } else if (errno == EPIPE) {
            output_abandon();
        } else if (errno != EINTR) {
            complain("cannot write to standard output: %s", strerror(errno));
            buffered = 0;
            return OUTCOME_LOCAL;
        }
    }
    buffered = 0;
    return OUTCOME_DONE;
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

static enum outcome output_tokens(const char *text, const char *end)
{
    enum outcome outcome = OUTCOME_DONE;

    while (outcome == OUTCOME_DONE && text < end) {
        const char *next = token_end(text, end);
        outcome = output_text(text, (size_t)(next - text));
        if (outcome == OUTCOME_DONE && (*text == ',' || *text == ':'))
            outcome = output_text(" ", 1);
        for (text = next; text < end && is_space(*text);)
            text++;
    }
    return outcome;
}

enum outcome output_line(qmp_value v)
{
    bool one_line = memchr(v.text, '\n', v.size) == NULL && memchr(v.text, '\r', v.size) == NULL;
    enum outcome outcome = one_line ? output_text(v.text, v.size) : output_tokens(v.text, v.text + v.size);

    return outcome == OUTCOME_DONE ? output_text("\n", 1) : outcome;
}
