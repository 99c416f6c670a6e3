/* SPDX-License-Identifier: MIT */

/* What is typed into the shell, taken apart.
 *
 * Words are those of sh: '...' as it is, "..." with \" and \\, \ before anything. A "#" that begins a word begins a
 * comment, a "|" outside of quotes the program that gets the answer. Where a word, or the value after its "=", begins
 * with a brace, JSON follows up to the brace that closes it, spaces, quotes and line breaks included, so that nothing
 * in it needs quoting. A line that begins with "{" is JSON altogether, one that begins with "!" goes to the human
 * monitor as it stands.
 *
 * No text grows when it is taken apart, so one block holds all of them. It knows nothing of commands. */

#include "shell-line.h"

#include <stdlib.h>
#include <string.h>

#define SPACES " \t\r\n"

struct scan {
    const char *in;
    char *out;
    bool open;     /* the text ended inside of braces, or with a backslash */
    char unclosed; /* the quote that the text ended in; 0: none */
};

static bool is_space(char c)
{
    return c != '\0' && strchr(SPACES, c) != NULL;
}

/* Copies JSON, up to where its braces balance. A string has to end in its row, because QEMU takes no other. */
static void json_scan(struct scan *s)
{
    size_t depth = 0;
    char quote = '\0';

    do {
        char c = *s->in;
        if (c == '\0') {
            s->open = quote == '\0';
            s->unclosed = quote;
            return;
        }
        if (quote != '\0' && c == '\\' && s->in[1] != '\0')
            *s->out++ = *s->in++;
        else if (quote != '\0' && c == quote)
            quote = '\0';
        else if (quote == '\0' && (c == '"' || c == '\''))
            quote = c;
        else if (quote == '\0' && (c == '{' || c == '['))
            depth++;
        else if (quote == '\0' && (c == '}' || c == ']'))
            depth--;
        *s->out++ = *s->in++;
    } while (depth > 0);
}

static void quoted_scan(struct scan *s)
{
    char quote = *s->in++;

    while (*s->in != '\0' && *s->in != quote) {
        if (quote == '"' && *s->in == '\\' && (s->in[1] == '"' || s->in[1] == '\\'))
            s->in++;
        *s->out++ = *s->in++;
    }
    if (*s->in == '\0')
        s->unclosed = quote;
    else
        s->in++;
}

static void backslash_scan(struct scan *s)
{
    s->in++;
    if (*s->in == '\0')
        s->open = true;
    else if (*s->in == '\n')
        s->in++;
    else
        *s->out++ = *s->in++;
}

/* Copies one word and ends it with a NUL. */
static void word_scan(struct scan *s)
{
    bool key = true;
    const char *begin = *s->in == '{' ? "{" : ""; /* what would begin JSON here */

    while (*s->in != '\0' && *s->in != '|' && !is_space(*s->in)) {
        char c = *s->in;
        if (strchr(begin, c) != NULL) {
            json_scan(s);
        } else if (c == '\'' || c == '"') {
            quoted_scan(s);
        } else if (c == '\\') {
            backslash_scan(s);
        } else {
            *s->out++ = *s->in++;
        }
        begin = key && c == '=' ? "{[" : "";
        key = key && c != '=';
    }
    *s->out++ = '\0';
}

/* Skips spaces and comments, rows that were joined by a backslash too. */
static void spaces_skip(struct scan *s)
{
    for (;;) {
        s->in += strspn(s->in, SPACES);
        if (*s->in == '#')
            s->in += strcspn(s->in, "\n");
        else if (s->in[0] == '\\' && s->in[1] == '\n')
            s->in += 2;
        else
            return;
    }
}

/* Copies what is left, without the spaces around it. */
static char *rest_scan(struct scan *s, const char *end)
{
    char *begin = s->out;

    s->in += strspn(s->in, SPACES);
    while (end > s->in && is_space(end[-1]))
        end--;
    memcpy(s->out, s->in, (size_t)(end - s->in));
    s->out += end - s->in;
    *s->out++ = '\0';
    s->in = end;
    return begin;
}

static enum line_end end_scan(struct line *l, struct scan *s, const char **ret_why)
{
    if (s->unclosed != '\0') {
        *ret_why = s->unclosed == '"' ? "a \" is not closed" : "a ' is not closed";
        return LINE_WRONG;
    }
    if (s->open)
        return LINE_OPEN;
    spaces_skip(s);
    if (*s->in == '|') {
        s->in++;
        l->program = rest_scan(s, s->in + strlen(s->in));
        if (*l->program == '\0') {
            *ret_why = "a program is missing after '|'";
            return LINE_WRONG;
        }
    } else if (*s->in != '\0') {
        *ret_why = "there is more behind the JSON object";
        return LINE_WRONG;
    }
    return LINE_WHOLE;
}

/* Where a line of the human monitor ends: with it, or at the "|" outside of its quotes. */
static const char *monitor_end(const char *text)
{
    bool quoted = false;

    for (; *text != '\0' && (quoted || *text != '|'); text++) {
        if (*text == '"')
            quoted = !quoted;
        if (quoted && *text == '\\' && text[1] != '\0')
            text++;
    }
    return text;
}

/* Returns where the last word ended; NULL when there was none. */
static const char *words_scan(struct line *l, struct scan *s)
{
    const char *end = NULL;

    for (spaces_skip(s); *s->in != '\0' && *s->in != '|'; spaces_skip(s)) {
        l->words[l->n_words++] = s->out;
        word_scan(s);
        end = s->in;
    }
    return end;
}

static bool line_start(struct line *l, struct scan *s, const char *text)
{
    size_t size = strlen(text);

    /* Each word and its NUL come out of a character and what follows it; with a word "" for the beginning of one. */
    l->memory = malloc(2 * size + 2);
    l->words = calloc(size + 2, sizeof(*l->words));
    if (l->memory == NULL || l->words == NULL)
        return false;
    *s = (struct scan){.in = text, .out = l->memory};
    spaces_skip(s);
    return true;
}

enum line_end line_parse(struct line *l, const char *text, const char **ret_why)
{
    struct scan s;

    *l = (struct line){0};
    if (!line_start(l, &s, text))
        return LINE_MEMORY;
    if (*s.in == '!') {
        s.in++;
        l->monitor = rest_scan(&s, monitor_end(s.in));
    } else if (*s.in == '{') {
        l->json = s.out;
        json_scan(&s);
        *s.out++ = '\0';
    } else {
        words_scan(l, &s);
    }
    return end_scan(l, &s, ret_why);
}

bool line_parse_beginning(struct line *l, const char *text)
{
    struct scan s;

    *l = (struct line){0};
    if (!line_start(l, &s, text) || *s.in == '!' || *s.in == '{')
        return false;
    const char *end = words_scan(l, &s);
    if (*s.in == '|' || s.open)
        return false;
    if (end != s.in) {
        l->words[l->n_words++] = s.out;
        *s.out = '\0';
    }
    return true;
}

void line_done(struct line *l)
{
    free(l->words);
    free(l->memory);
}
