/* SPDX-License-Identifier: MIT */

/* libedit behind a narrow door.
 *
 * The library is loaded when the first editor is made, and is linked with nothing: every other verb starts without it.
 * It is all or nothing; a library that lacks a symbol is none. It is never unloaded.
 *
 * libedit owns the line: keys, history, what is drawn. It has no notion of anybody else writing to the terminal, so
 * whoever wants to hides the line first. For that, this file works out in which row of the line libedit has left the
 * cursor, by the rules that libedit draws by (editline-rows.c), goes up so many rows and clears from there; libedit
 * then draws anew, wherever the cursor is. Nothing is asked of the terminal, so nothing can be mistaken for a key.
 *
 * Keys come through a function of ours, because waiting for a key is waiting for everything else as well. It takes one
 * byte at a time, so that what follows a line is there for whoever reads next.
 *
 * It knows nothing of what lines mean. */

#include "editline.h"

#include <dlfcn.h>
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editline-rows.h"
#include "escape.h"

/* How many lines the history keeps. */
#define HISTORY_LINES 1000
/* The longest character in UTF-8. */
#define CHARACTER_MAX 4

#define SYMBOLS(X)                                                                                                     \
    X(el_init)                                                                                                         \
    X(el_end)                                                                                                          \
    X(el_gets)                                                                                                         \
    X(el_set)                                                                                                          \
    X(el_get)                                                                                                          \
    X(el_line)                                                                                                         \
    X(el_wline)                                                                                                        \
    X(el_wset)                                                                                                         \
    X(el_insertstr)                                                                                                    \
    X(el_source)                                                                                                       \
    X(el_resize)                                                                                                       \
    X(el_beep)                                                                                                         \
    X(history)                                                                                                         \
    X(history_init)                                                                                                    \
    X(history_end)

#define DEFINE(name) static __typeof__(name) *sym_##name;
SYMBOLS(DEFINE)

/* The names that systems give the library, the likeliest first. */
static const char *const names[] = {"libedit.so.2", "libedit.so.0", "libedit.so"};

struct editor {
    const struct editor_hooks *hooks;
    void *userdata;
    EditLine *line;
    History *history;
    char *drawn;  /* the prompt that is on the terminal; it may be another by now */
    bool reading; /* a line is on the terminal */
    bool hidden;
    bool given_up;
};

static bool library_load(char why[EDITOR_WHY_MAX])
{
    static const struct {
        const char *name;
        void *pointer;
    } symbols[] = {
#define LIST(name) {#name, &sym_##name},
        SYMBOLS(LIST)};
    void *library = NULL, *found = NULL;

    for (size_t i = 0; library == NULL && i < sizeof(names) / sizeof(names[0]); i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(why, EDITOR_WHY_MAX, "the library %s is not installed", names[0]);
        return false;
    }
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        found = dlsym(library, symbols[i].name);
        if (found == NULL) {
            snprintf(why, EDITOR_WHY_MAX, "the library %s is too old: it has no %s", names[0], symbols[i].name);
            return false;
        }
        /* To C a pointer to a function is not one to an object; to dlsym(3) it is. */
        memcpy(symbols[i].pointer, &found, sizeof(found));
    }
    return true;
}

static struct editor *editor_of(EditLine *line)
{
    void *e = NULL;

    sym_el_get(line, EL_CLIENTDATA, &e);
    return e;
}

static char *prompt_get(EditLine *line)
{
    static char none[] = "> ";
    struct editor *e = editor_of(line);

    free(e->drawn);
    e->drawn = strdup(e->hooks->prompt(e->userdata));
    return e->drawn != NULL ? e->drawn : none;
}

/* Reads one character; what is not UTF-8 is left out. 1: there is one; 0: the end of the input; -1: none. */
static int character_read(wchar_t *ret)
{
    char text[CHARACTER_MAX];
    uint32_t c = 0;

    for (size_t n = 0; n < sizeof(text);) {
        ssize_t r = read(STDIN_FILENO, text + n, 1);
        if (r <= 0)
            return r < 0 && errno != EIO ? -1 : 0;
        n++;
        if (escape_decode(text, n, &c) == n) {
            *ret = (wchar_t)c;
            return 1;
        }
        if ((unsigned char)text[0] < 0xc2 || (n > 1 && ((unsigned char)text[n - 1] & 0xc0) != 0x80))
            break;
    }
    errno = EILSEQ;
    return -1;
}

static int key_read(EditLine *line, wchar_t *ret)
{
    struct editor *e = editor_of(line);
    int r;

    do {
        if (!e->hooks->wait(e->userdata)) {
            e->given_up = true;
            errno = EINTR;
            return -1;
        }
        r = character_read(ret);
    } while (r < 0 && (errno == EILSEQ || errno == EINTR || errno == EAGAIN));
    return r;
}

static unsigned char complete_key(EditLine *line, int key)
{
    struct editor *e = editor_of(line);

    (void)key;
    e->hooks->complete(e, e->userdata);
    return CC_REFRESH;
}

/* Keys that people expect from other shells. The user's ~/.editrc comes after them; only Tab is not to be had, because
 * libedit has nothing better for it. */
static void keys_bind(EditLine *line)
{
    static const char *const keys[][2] = {{"^R", "em-inc-search-prev"}, {"^W", "ed-delete-prev-word"},
        {"\\e[1;5D", "ed-prev-word"}, {"\\e[1;5C", "em-next-word"}, {"\\e[3~", "ed-delete-next-char"}};

    sym_el_set(line, EL_EDITOR, "emacs");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        sym_el_set(line, EL_BIND, keys[i][0], keys[i][1], NULL);
    sym_el_wset(line, EL_ADDFN, L"qmp-complete", L"Complete what stands before the cursor", complete_key);
    sym_el_source(line, NULL);
    sym_el_set(line, EL_BIND, "\t", "qmp-complete", NULL);
}

struct editor *editor_new(const struct editor_hooks *hooks, void *userdata, char why[EDITOR_WHY_MAX])
{
    struct editor *e;
    HistEvent event;

    if (!library_load(why))
        return NULL;
    /* QMP is UTF-8, whatever the user's locale is. */
    setlocale(LC_CTYPE, "C.UTF-8");
    e = calloc(1, sizeof(*e));
    if (e != NULL)
        *e = (struct editor){.hooks = hooks,
            .userdata = userdata,
            .history = sym_history_init(),
            .line = sym_el_init("qmp", stdin, stdout, stderr)};
    if (e == NULL || e->line == NULL || e->history == NULL) {
        snprintf(why, EDITOR_WHY_MAX, "libedit cannot use this terminal, or there is no memory");
        return editor_free(e);
    }
    sym_history(e->history, &event, H_SETSIZE, HISTORY_LINES);
    sym_el_set(e->line, EL_CLIENTDATA, e);
    sym_el_set(e->line, EL_HIST, sym_history, e->history);
    sym_el_set(e->line, EL_PROMPT_ESC, prompt_get, EDITOR_INVISIBLE);
    sym_el_wset(e->line, EL_GETCFN, key_read);
    keys_bind(e->line);
    return e;
}

struct editor *editor_free(struct editor *e)
{
    if (e == NULL)
        return NULL;
    if (e->line != NULL)
        sym_el_end(e->line);
    if (e->history != NULL)
        sym_history_end(e->history);
    free(e->drawn);
    free(e);
    return NULL;
}

enum editor_end editor_read(struct editor *e, char **ret)
{
    const char *line;
    int n = 0;

    e->given_up = false;
    e->reading = true;
    line = sym_el_gets(e->line, &n);
    if (line == NULL)
        editor_leave(e);
    e->reading = false;
    fflush(stdout);
    if (line == NULL)
        return e->given_up ? EDITOR_GIVEN_UP : EDITOR_CLOSED;
    *ret = strndup(line, strcspn(line, "\n"));
    return *ret != NULL ? EDITOR_LINE : EDITOR_CLOSED;
}

void editor_remember(struct editor *e, const char *line)
{
    HistEvent event;
    int r = sym_history(e->history, &event, H_FIRST);

    while (r >= 0) {
        if (strcmp(event.str, line) == 0) {
            if (sym_history(e->history, &event, H_DEL, event.num) >= 0)
                free((void *)(uintptr_t)event.str); /* a copy, and ours */
            break;
        }
        r = sym_history(e->history, &event, H_NEXT);
    }
    sym_history(e->history, &event, H_ENTER, line);
}

/* Where in its rows the line's cursor is. */
static struct rows rows_now(const struct editor *e)
{
    const LineInfoW *line = sym_el_wline(e->line);
    struct rows rows = rows_start(STDOUT_FILENO);

    rows_prompt(&rows, e->drawn != NULL ? e->drawn : "", EDITOR_INVISIBLE);
    rows_text(&rows, line->buffer, (size_t)(line->cursor - line->buffer));
    rows_mark(&rows, line->cursor < line->lastchar ? *line->cursor : L'\0');
    rows_text(&rows, line->cursor, (size_t)(line->lastchar - line->cursor));
    return rows;
}

void editor_hide(struct editor *e)
{
    struct rows rows;

    if (!e->reading || e->hidden)
        return;
    rows = rows_now(e);
    putchar('\r');
    if (rows.marked > 0)
        printf("\033[%zuA", rows.marked);
    printf("\033[J");
    fflush(stdout);
    e->hidden = true;
}

void editor_show(struct editor *e)
{
    if (!e->reading)
        return;
    e->hidden = false;
    sym_el_set(e->line, EL_REFRESH);
    fflush(stdout);
}

void editor_leave(struct editor *e)
{
    struct rows rows;

    if (!e->reading || e->hidden)
        return;
    rows = rows_now(e);
    for (size_t i = rows.marked; i <= rows.row; i++)
        putchar('\n');
    fflush(stdout);
}

void editor_resized(struct editor *e)
{
    sym_el_resize(e->line);
    editor_hide(e);
    editor_show(e);
}

void editor_release(struct editor *e)
{
    if (!e->reading)
        return;
    editor_leave(e);
    sym_el_set(e->line, EL_PREP_TERM, 0);
}

void editor_retake(struct editor *e)
{
    if (!e->reading)
        return;
    sym_el_set(e->line, EL_PREP_TERM, 1);
    sym_el_resize(e->line);
    editor_show(e);
}

char *editor_before(struct editor *e)
{
    const LineInfo *line = sym_el_line(e->line);

    return strndup(line->buffer, (size_t)(line->cursor - line->buffer));
}

void editor_insert(struct editor *e, const char *text)
{
    sym_el_insertstr(e->line, text);
}

char editor_key(struct editor *e)
{
    wchar_t c = 0;

    return key_read(e->line, &c) == 1 && c > 0 && c < 0x80 ? (char)c : '\0';
}

void editor_beep(struct editor *e)
{
    sym_el_beep(e->line);
}
