/* SPDX-License-Identifier: MIT */

/* The verb shell: lines, one after the other.
 *
 * On a terminal it is for a person, who sees events as they come; else it runs a script, whose lines are like those of
 * sh: one that fails does not keep the next from running, and the exit status tells of it. One thread does it all, and
 * sleeps in one place (shell-wait.c). It knows nothing of what lines mean. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "connect.h"
#include "duration.h"
#include "output.h"
#include "shell-history.h"
#include "shell-line.h"
#include "shell-signals.h"
#include "shell-transaction.h"
#include "shell.h"
#include "style.h"
#include "terminal.h"
#include "verb.h"

/* How long the prompt waits for the state that it shows. */
#define SETTLE_MAX (200 * QMP_MILLISECOND)
/* The longest prompt, colours included. */
#define PROMPT_MAX 256

static enum style state_style(const struct link *link)
{
    if (!link->up)
        return STYLE_BAD;
    return strcmp(link->state, "running") == 0 ? STYLE_GOOD : STYLE_WARNING;
}

/* "vm7 [running]> ", with colours that take no room; "> " where it would leave little of a row. */
static const char *prompt_make(void *userdata)
{
    static char text[PROMPT_MAX]; /* there is one terminal */
    struct shell *s = userdata;
    const struct link *link = &s->link;
    const char *state = link->up ? link->state : "gone", *on = style_start(STDOUT_FILENO, state_style(link));
    size_t width = strlen(link->name) + strlen(state) + sizeof(" []> ") - 1, columns = terminal_columns(STDOUT_FILENO);

    s->link.changed = false;
    if (s->question != NULL)
        return s->question;
    if ((columns != 0 ? columns : TERMINAL_COLUMNS_USUAL) < width * 3 / 2)
        return "> ";
    if (s->transaction != NULL)
        return "transaction> ";
    if (*state == '\0')
        snprintf(text, sizeof(text), "%s> ", link->name);
    else if (*on == '\0')
        snprintf(text, sizeof(text), "%s [%s]> ", link->name, state);
    else
        snprintf(text, sizeof(text), "%s [%c%s%c%s%c%s%c]> ", link->name, EDITOR_INVISIBLE, on, EDITOR_INVISIBLE, state,
            EDITOR_INVISIBLE, style_end(STDOUT_FILENO), EDITOR_INVISIBLE);
    return text;
}

static bool key_wait(void *userdata)
{
    return shell_wait(userdata, /* done= */ NULL, /* userdata= */ NULL, QMP_FOREVER) == WAKE_INPUT;
}

static bool is_settled(void *userdata)
{
    return link_settled(userdata);
}

enum reader_end shell_read(struct shell *s, const char *question, char **ret)
{
    const char *before = s->question;
    enum reader_end end;

    s->question = question;
    end = reader_read(s->reader, ret);
    s->question = before;
    return end;
}

/* Appends a row to a text, of which it takes over the memory; NULL without memory. */
static char *row_append(char *text, const char *row)
{
    char *both = NULL;

    if (text == NULL)
        return strdup(row);
    if (asprintf(&both, "%s\n%s", text, row) < 0)
        both = NULL;
    free(text);
    return both;
}

/* Reads a line, with all rows that belong to it. Then line_done(). */
static enum reader_end line_read(struct shell *s, char **ret_text, struct line *ret)
{
    const char *why = NULL;

    *ret = (struct line){0};
    for (const char *question = NULL;; question = "... ") {
        __attribute__((cleanup(qmp_freep))) char *row = NULL;
        enum reader_end end = shell_read(s, question, &row);
        s->row++;
        if (end == READER_CLOSED && *ret_text != NULL && !s->interactive)
            complain("the input ends inside of braces");
        if (end != READER_LINE)
            return end == READER_CLOSED && *ret_text != NULL ? READER_WRONG : end;
        *ret_text = row_append(*ret_text, row);
        line_done(ret);
        switch (*ret_text != NULL ? line_parse(ret, *ret_text, &why) : LINE_MEMORY) {
        case LINE_WHOLE:
            return READER_LINE;
        case LINE_OPEN:
            continue;
        case LINE_WRONG:
            complain("%s", why);
            return READER_WRONG;
        default:
            complain("out of memory");
            return READER_BROKEN;
        }
    }
}

static void line_remember(struct shell *s, const char *text)
{
    struct editor *e = reader_editor(s->reader);

    if (e != NULL && text != NULL)
        history_add(e, text);
}

/* In a script, complaints name the line. */
static void where_set(struct shell *s)
{
    if (s->interactive)
        return;
    snprintf(s->where, sizeof(s->where), "line %zu", s->row + 1);
    complain_where(s->where);
}

/* One line from being read to being done. Returns whether there may be another. */
static bool line_do(struct shell *s, enum outcome *ret)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    __attribute__((cleanup(line_done))) struct line l;
    enum reader_end end;

    where_set(s);
    if (s->interactive)
        shell_wait(s, is_settled, &s->link, duration_deadline(SETTLE_MAX));
    end = line_read(s, &text, &l);
    *ret = OUTCOME_DONE;
    if (end == READER_LINE || end == READER_WRONG)
        line_remember(s, text);
    if (end == READER_LINE)
        *ret = shell_command(s, &l);
    else if (end == READER_WRONG)
        *ret = OUTCOME_USAGE;
    else if (end == READER_BROKEN)
        *ret = OUTCOME_LOCAL;
    else if (end == READER_GIVEN_UP)
        transaction_drop(s);
    if (*ret != OUTCOME_DONE)
        transaction_spoil(s);
    output_flush();
    return end != READER_CLOSED && end != READER_BROKEN && !s->leaving && s->end == OUTCOME_DONE;
}

/* What the end of the input, or of the shell, leaves undone. */
static enum outcome rest_refuse(struct shell *s, enum outcome last)
{
    if (s->end == OUTCOME_TIMEOUT && last != OUTCOME_TIMEOUT)
        complain("--timeout has passed");
    if (s->end != OUTCOME_DONE)
        return s->end;
    if (s->transaction == NULL || s->interactive)
        return last;
    complain("the transaction has no ')', and is not sent");
    return OUTCOME_USAGE;
}

static enum outcome lines_do(struct shell *s)
{
    enum outcome last = OUTCOME_DONE, outcome;
    bool more;

    do {
        more = line_do(s, &outcome);
        if (outcome != OUTCOME_DONE)
            last = outcome;
        if (outcome != OUTCOME_DONE && !s->interactive && (s->stops || !s->link.up))
            more = false;
    } while (more);
    if (s->interactive)
        last = OUTCOME_DONE;
    last = rest_refuse(s, last);
    complain_where(NULL);
    return last;
}

/* --verbose: the wire. It goes above the line as everything does. */
static void wire_show(qmp_client *c, enum qmp_log_level level, const char *text, size_t size, void *userdata)
{
    struct shell *s = userdata;

    (void)c;
    (void)size;
    if (level == QMP_LOG_DEBUG)
        return;
    reader_hide(s->reader);
    complain("%s", text);
    reader_show(s->reader);
}

static void welcome(struct shell *s)
{
    __attribute__((cleanup(qmp_freep))) char *address = NULL;
    char version[LINK_NAME_MAX];

    link_version(&s->link, version);
    output_escaped(version, strlen(version));
    if (qmp_client_get_address(s->link.client, &address) >= 0) {
        output_print(" at ");
        output_escaped(address, strlen(address));
    }
    output_print("%s\n'help' explains, %s'exit' or Ctrl-D leaves.\n",
        qmp_client_has_oob(s->link.client) ? ", takes commands out of band" : "",
        reader_editor(s->reader) != NULL ? "Tab completes, " : "");
    output_flush();
}

static enum outcome shell_start(struct shell *s, qmp_client *c)
{
    static const struct editor_hooks hooks = {prompt_make, key_wait, shell_complete};

    if (s->interactive && (s->options.given & OPTION_VERBOSE))
        qmp_client_set_log(c, QMP_LOG_FULL, wire_show, s);
    signals_take(s->interactive);
    link_start(&s->link, c, s->interactive);
    s->reader = reader_new(!s->interactive    ? READER_SCRIPT
                           : terminal_draws() ? READER_EDITED
                                              : READER_PLAIN,
        &hooks, s);
    if (s->reader == NULL)
        return outcome_of_error("the shell", -ENOMEM);
    if (s->interactive) {
        welcome(s);
        shell_schema(s);
    }
    if (reader_editor(s->reader) != NULL)
        history_load(reader_editor(s->reader));
    return OUTCOME_DONE;
}

static enum outcome shell_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_listener_unrefp))) qmp_listener *l = NULL;
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    struct shell s = {.options = *o, .interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    enum outcome outcome;
    int r;

    if (n > 0) {
        complain("'%s' is one too many; an address goes after -s, lines come from standard input", words[0]);
        return OUTCOME_USAGE;
    }
    r = qmp_listener_new(&l, /* names= */ NULL);
    if (r < 0)
        return outcome_of_error("making a listener", r);
    qmp_listener_set_limits(l, QMP_LISTENER_QUEUE_MAX, /* history_max= */ 0);
    outcome = connect_open(o, l, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    s.feed = (struct feed){.listener = l, .json = !s.interactive, .on = s.interactive};
    outcome = shell_start(&s, c);
    if (outcome == OUTCOME_DONE)
        outcome = lines_do(&s);
    transaction_drop(&s);
    reader_free(s.reader);
    schema_free(s.schema);
    free(s.completed);
    free(s.address);
    signals_end();
    return outcome;
}

const struct verb verb_shell = {
    .name = "shell",
    .synopsis = "",
    .summary = "commands, events and answers in one place",
    .description = "Reads commands and runs them, one a line, on one connection:\n\n"
                   "  COMMAND KEY=VALUE...   as 'call' takes them; JSON values need no quotes\n"
                   "  COMMAND {...}          the arguments as JSON, over several rows if need be\n"
                   "  {\"execute\": ...}       a command as it goes over the wire\n"
                   "  !COMMAND               a command of the human monitor: !info block\n"
                   "  ... | PROGRAM          the answer goes to a program: query-block | jq length\n"
                   "  transaction( ... )     the commands between, one a line, all or none of them\n"
                   "  help [COMMAND]         what there is, what it takes\n\n"
                   "On a terminal, lines can be edited and completed (Tab), events are shown above\n"
                   "the line as they come, and Ctrl-C gives up waiting for an answer.\n"
                   "Else it runs the lines as a script: answers go to standard output, complaints with\n"
                   "the number of the line to standard error. A line that fails does not keep the next\n"
                   "from running, unless '.errors stop' comes first; the exit status is that of the\n"
                   "last one that failed.\n",
    .examples = "  qmp shell -s vm7\n"
                "  qmp shell <script\n"
                "  echo '!info network' | qmp shell\n",
    .options = OPTIONS_CONNECT | OPTION_OUTPUT,
    .words_min = 0,
    .several = false,
    .run = shell_run,
};
