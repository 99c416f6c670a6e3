/* SPDX-License-Identifier: MIT */

/* Where the shell's lines come from.
 *
 * Without an editor the terminal edits, and hands out whole lines; the prompt is printed here, and again after anything
 * that was written meanwhile. A script is the same without a prompt. What was read beyond a line's end is kept for the
 * next one, so no line is lost and memory is one line.
 *
 * It knows nothing of what lines mean. */

#include "shell-reader.h"

#include <errno.h>
#include <qmp/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "output.h"

/* The longest line. */
#define LINE_MAX_BYTES ((size_t)16 << 20)
#define READ_FIRST 4096

struct reader {
    enum reader_kind kind;
    const struct editor_hooks *hooks;
    void *userdata;
    struct editor *editor;
    char *text; /* what was read and not handed out */
    size_t size, capacity;
    size_t searched; /* of it; there is no line end */
    bool prompted;
    bool closed;
};

struct reader *reader_new(enum reader_kind kind, const struct editor_hooks *hooks, void *userdata)
{
    struct reader *r = calloc(1, sizeof(*r));
    char why[EDITOR_WHY_MAX];

    if (r == NULL)
        return NULL;
    *r = (struct reader){.kind = kind, .hooks = hooks, .userdata = userdata};
    if (kind == READER_EDITED) {
        r->editor = editor_new(hooks, userdata, why);
        if (r->editor == NULL)
            complain("lines cannot be edited or completed: %s", why);
    }
    return r;
}

struct reader *reader_free(struct reader *r)
{
    if (r == NULL)
        return NULL;
    editor_free(r->editor);
    free(r->text);
    free(r);
    return NULL;
}

struct editor *reader_editor(const struct reader *r)
{
    return r->editor;
}

static void prompt_print(const struct reader *r)
{
    const char *prompt = r->hooks->prompt(r->userdata);

    for (; *prompt != '\0'; prompt++)
        if (*prompt != EDITOR_INVISIBLE)
            output_text(prompt, 1);
    output_flush();
}

static bool room_make(struct reader *r)
{
    size_t capacity = r->capacity == 0 ? READ_FIRST : r->capacity * 2;
    char *grown;

    if (r->capacity - r->size > 1)
        return true;
    grown = realloc(r->text, capacity);
    if (grown == NULL)
        return false;
    r->text = grown;
    r->capacity = capacity;
    return true;
}

/* Reads once more. */
static enum reader_end chunk_read(struct reader *r)
{
    ssize_t n;

    if (!r->hooks->wait(r->userdata))
        return READER_GIVEN_UP;
    if (!room_make(r)) {
        complain("standard input: out of memory");
        return READER_BROKEN;
    }
    n = read(STDIN_FILENO, r->text + r->size, r->capacity - r->size - 1);
    if (n > 0)
        r->size += (size_t)n;
    else if (n == 0 || errno == EIO)
        r->closed = true;
    else if (errno != EINTR && errno != EAGAIN) {
        complain("cannot read standard input: %s", strerror(errno));
        return READER_BROKEN;
    }
    return READER_LINE;
}

/* Takes what is before a line's end out of what was read. */
static enum reader_end line_take(struct reader *r, size_t size, size_t end_size, char **ret)
{
    enum reader_end end = READER_LINE;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a line was found in it */
    char *line = strndup(r->text, size);

    if (memchr(r->text, '\0', size) != NULL) {
        complain("a NUL byte: that is no text");
        end = READER_WRONG;
    } else if (line == NULL) {
        complain("standard input: out of memory");
        end = READER_BROKEN;
    } else {
        *ret = line;
        line = NULL;
    }
    free(line);
    r->size -= size + end_size;
    r->searched = 0;
    memmove(r->text, r->text + size + end_size, r->size);
    return end;
}

static enum reader_end plain_read(struct reader *r, char **ret)
{
    for (;;) {
        char *found = r->text != NULL ? memchr(r->text + r->searched, '\n', r->size - r->searched) : NULL;
        enum reader_end end;
        if (found != NULL)
            return line_take(r, (size_t)(found - r->text), 1, ret);
        r->searched = r->size;
        if (r->closed && r->size > 0)
            return line_take(r, r->size, 0, ret);
        if (r->closed)
            return READER_CLOSED;
        if (r->size > LINE_MAX_BYTES) {
            complain("a line of more than %zu MiB", LINE_MAX_BYTES >> 20);
            return READER_BROKEN;
        }
        end = chunk_read(r);
        if (end != READER_LINE)
            return end;
    }
}

static enum reader_end edited_read(struct reader *r, char **ret)
{
    switch (editor_read(r->editor, ret)) {
    case EDITOR_LINE:
        return READER_LINE;
    case EDITOR_GIVEN_UP:
        return READER_GIVEN_UP;
    default:
        return READER_CLOSED;
    }
}

enum reader_end reader_read(struct reader *r, char **ret)
{
    enum reader_end end;

    if (r->editor != NULL)
        return edited_read(r, ret);
    if (r->kind == READER_SCRIPT)
        return plain_read(r, ret);
    prompt_print(r);
    r->prompted = true;
    end = plain_read(r, ret);
    r->prompted = false;
    if (end != READER_LINE)
        output_print("\n");
    output_flush();
    return end;
}

void reader_hide(struct reader *r)
{
    if (r->editor != NULL)
        editor_hide(r->editor);
    else if (r->prompted)
        output_print("\n");
    output_flush();
}

void reader_show(struct reader *r)
{
    output_flush();
    if (r->editor != NULL)
        editor_show(r->editor);
    else if (r->prompted)
        prompt_print(r);
}
