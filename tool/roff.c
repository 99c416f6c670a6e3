/* SPDX-License-Identifier: MIT */

/* Man pages that Sphinx made, as plain text.
 *
 * QEMU's reference is such a page: paragraphs, lists, tagged paragraphs, examples that stay as they are. What a
 * formatter would make of it is rebuilt for these few requests, so that no formatter has to be installed, and none has
 * to go through a megabyte for one screen of text. Other requests are left out. It knows nothing of what the page is
 * about. */

#include <string.h>
#include <unistd.h>

#include "output.h"
#include "roff.h"
#include "style.h"

/* Columns of a line, of what is before a heading and before text, and of what items add. */
#define WIDTH 80
#define HEADING 2
#define TEXT 4
#define TAGGED 4
#define BULLET 2
#define NUMBERED 3
#define BLOCK 2

/* Special characters, as "\(xx". */
static const struct {
    char name[3];
    const char *text;
} characters[] = {{"aq", "'"}, {"dq", "\""}, {"bu", "*"}, {"en", "-"}, {"em", "--"}, {"ga", "`"}, {"ha", "^"},
    {"ti", "~"}, {"rs", "\\"}, {"lq", "\""}, {"rq", "\""}, {"oq", "'"}, {"cq", "'"}};

/* Copies what "\(xx" stands for; returns where the text goes on. */
static const char *character_copy(const char *name, char **out)
{
    for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
        if (strncmp(name, characters[i].name, 2) != 0)
            continue;
        memcpy(*out, characters[i].text, strlen(characters[i].text));
        *out += strlen(characters[i].text);
        return name + 2;
    }
    return name;
}

/* Copies what an escape stands for; returns where the text goes on. */
static const char *escape_copy(const char *escape, char **out)
{
    char c = escape[1];

    if (c == '\0')
        return escape + 1;
    if (c == 'f')
        return escape + (escape[2] != '\0' ? 3 : 2);
    if (c == '(')
        return character_copy(escape + 2, out);
    if (strchr("%&|/,:", c) == NULL)
        *(*out)++ = c == 'e' ? '\\' : c;
    return escape + 2;
}

char *roff_plain(char *line)
{
    const char *in = line;
    char *out = line;

    while (*in != '\0') {
        if (*in == '\\')
            in = escape_copy(in, &out);
        else
            *out++ = *in++;
    }
    *out = '\0';
    return line;
}

static enum outcome line_end(struct roff *r)
{
    enum outcome outcome = r->column > 0 ? output_text("\n", 1) : OUTCOME_DONE;

    r->column = 0;
    return outcome;
}

/* Starts a line, after an empty one when that is due. */
static enum outcome line_start(struct roff *r, unsigned columns)
{
    enum outcome outcome = output_print("%s%*s", r->gap && r->started ? "\n" : "", (int)columns, "");

    r->gap = r->headed = false;
    r->started = true;
    r->column = columns;
    return outcome;
}

static enum outcome word_put(struct roff *r, const char *word, size_t size)
{
    unsigned left = TEXT + r->left + r->inner;
    bool fits = r->column > 0 && (r->column <= left || r->column + 1 + size <= WIDTH);
    enum outcome outcome = fits ? OUTCOME_DONE : line_end(r);

    if (outcome == OUTCOME_DONE && !fits)
        outcome = line_start(r, left);
    else if (outcome == OUTCOME_DONE)
        outcome = output_print("%*s", (int)(r->column < left ? left - r->column : r->column > left), "");
    r->column = fits ? (r->column < left ? left : r->column + (r->column > left)) : left;
    r->column += (unsigned)size;
    return outcome == OUTCOME_DONE ? output_escaped(word, size) : outcome;
}

static enum outcome text_fill(struct roff *r, const char *text)
{
    enum outcome outcome = OUTCOME_DONE;

    while (outcome == OUTCOME_DONE && *(text += strspn(text, " \t")) != '\0') {
        size_t size = strcspn(text, " \t");
        outcome = word_put(r, text, size);
        text += size;
    }
    return outcome;
}

/* A line that stays as it is, in a style. */
static enum outcome text_keep(struct roff *r, const char *text, unsigned columns, enum style style)
{
    enum outcome outcome = line_end(r);

    if (*text == '\0') {
        r->gap = true;
        return outcome;
    }
    if (outcome == OUTCOME_DONE)
        outcome = line_start(r, columns);
    if (outcome == OUTCOME_DONE)
        outcome = output_print("%s", style_start(STDOUT_FILENO, style));
    if (outcome == OUTCOME_DONE)
        outcome = output_escaped(text, strlen(text));
    if (outcome == OUTCOME_DONE)
        outcome = output_print("%s\n", style == STYLE_PLAIN ? "" : style_end(STDOUT_FILENO));
    r->column = 0;
    return outcome;
}

/* What an item explains, on a line of its own. */
static enum outcome tag_put(struct roff *r, char *text)
{
    enum outcome outcome;

    r->tag = false;
    r->inner = 0;
    outcome = text_keep(r, roff_plain(text), TEXT + r->left, STYLE_KEY);
    r->inner = TAGGED;
    return outcome;
}

/* The mark of an item, such as a bullet, on the line where its text starts. */
static enum outcome mark_put(struct roff *r, char *text)
{
    enum outcome outcome = line_end(r);

    text[strcspn(text, " ")] = '\0';
    roff_plain(text);
    if (outcome == OUTCOME_DONE)
        outcome = line_start(r, TEXT + r->left);
    r->inner = strlen(text) == 1 ? BULLET : NUMBERED;
    r->column += (unsigned)strlen(text);
    return outcome == OUTCOME_DONE ? output_escaped(text, strlen(text)) : outcome;
}

static void list_open(struct roff *r, const char *columns)
{
    if (r->depth < ROFF_DEPTH_MAX) {
        r->outer[r->depth].left = r->left;
        r->outer[r->depth].inner = r->inner;
        r->left += r->inner > 0 ? r->inner : *columns == '0' ? 0 : BLOCK;
    }
    r->inner = 0;
    r->depth++;
}

static void list_close(struct roff *r)
{
    if (r->depth == 0)
        return;
    r->depth--;
    if (r->depth >= ROFF_DEPTH_MAX)
        return;
    r->left = r->outer[r->depth].left;
    r->inner = r->outer[r->depth].inner;
}

/* A heading starts the indentation again. */
static enum outcome heading_put(struct roff *r, char *text)
{
    enum outcome outcome = line_end(r);

    *r = (struct roff){.gap = true, .started = r->started};
    if (outcome == OUTCOME_DONE)
        outcome = text_keep(r, roff_plain(text), HEADING, STYLE_BOLD);
    r->headed = true;
    return outcome;
}

/* Whether a line is a request; then what follows its name. */
static bool is_request(char *line, const char *name, char **ret_text)
{
    size_t size = strlen(name);

    if (strncmp(line, name, size) != 0 || (line[size] != ' ' && line[size] != '\0'))
        return false;
    *ret_text = line + size + strspn(line + size, " ");
    return true;
}

static enum outcome request_run(struct roff *r, char *line)
{
    char *text;

    if (is_request(line, ".SS", &text) || is_request(line, ".SH", &text))
        return heading_put(r, text);
    if (is_request(line, ".IP", &text))
        return mark_put(r, text);
    if (is_request(line, ".B", &text))
        return r->tag ? tag_put(r, text) : text_fill(r, roff_plain(text));
    if (is_request(line, ".TP", &text))
        r->tag = true;
    else if (is_request(line, ".sp", &text) || is_request(line, ".PP", &text))
        r->gap = !r->headed;
    else if (is_request(line, ".nf", &text) || is_request(line, ".EX", &text))
        r->literal = true;
    else if (is_request(line, ".fi", &text) || is_request(line, ".EE", &text))
        r->literal = false;
    else if (is_request(line, ".INDENT", &text))
        list_open(r, text);
    else if (is_request(line, ".UNINDENT", &text))
        list_close(r);
    return line_end(r);
}

enum outcome roff_line(struct roff *r, char *line)
{
    if (*line == '.')
        return request_run(r, line);
    if (r->tag)
        return tag_put(r, line);
    if (r->literal)
        return text_keep(r, roff_plain(line), TEXT + r->left + r->inner, STYLE_PLAIN);
    return text_fill(r, roff_plain(line));
}

enum outcome roff_end(struct roff *r)
{
    return line_end(r);
}
