/* SPDX-License-Identifier: MIT */

/* Messages for people, on standard error.
 *
 * The invariant: one call is one line, written at once, and no byte of it makes a terminal do anything but show a
 * character: the whole line is escaped after it was put together, and no caller can forget to. Where several servers
 * are talked to, the line names the one that it is about.
 *
 * It knows nothing of what is said. */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "escape.h"
#include "label.h"
#include "style.h"

static _Thread_local const char *where;
static _Thread_local void (*before)(void *userdata);
static _Thread_local void *before_userdata;

void complain_prepare(void (*prepare)(void *userdata), void *userdata)
{
    before = prepare;
    before_userdata = userdata;
}

/* "qmp: ", the label, the place and the text, escaped; the caller's to free(). NULL: no memory. */
static char *line_make(const char *label, const char *text)
{
    const char *on = style_start(STDERR_FILENO, STYLE_BAD), *off = style_end(STDERR_FILENO);
    size_t size = strlen(text), label_size = strlen(label), where_size = where != NULL ? strlen(where) : 0;
    char *line =
        malloc(strlen(on) + strlen(off) + (size + label_size + where_size) * ESCAPE_MAX + sizeof("qmp: : : \n"));
    char *end = line;

    if (line == NULL)
        return NULL;
    end += sprintf(end, "%sqmp:%s ", on, off);
    if (label_size > 0) {
        end = escape_text(end, label, label_size);
        end += sprintf(end, ": ");
    }
    if (where_size > 0) {
        end = escape_text(end, where, where_size);
        end += sprintf(end, ": ");
    }
    end = escape_text(end, text, size);
    strcpy(end, "\n");
    return line;
}

/* When it fails, there is nobody to tell. A pipe that is nearly full takes a part of a line only. */
static void line_write(const char *line)
{
    size_t size = strlen(line);

    while (size > 0) {
        ssize_t n = write(STDERR_FILENO, line, size);
        struct pollfd fd = {STDERR_FILENO, POLLOUT, 0};
        if (n < 0 && errno == EAGAIN)
            poll(&fd, 1, /* timeout= */ -1);
        else if (n < 0 && errno != EINTR)
            return;
        line += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

void complain(const char *format, ...)
{
    char *text, *line;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0)
        return;
    line = line_make(label_get() != NULL ? label_get() : "", text);
    if (before != NULL)
        before(before_userdata);
    if (line != NULL)
        line_write(line);
    free(line);
    free(text);
}

void complain_where(const char *now)
{
    where = now;
}
