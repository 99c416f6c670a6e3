/* SPDX-License-Identifier: MIT */

/* Progress on standard error: a bar that is drawn over and over on one line of a terminal, or a line of JSON for each
 * change.
 *
 * The invariant: a line that this thread says while the bar is there (complain.h) finds an empty line to stand on, and
 * the bar comes back below it; when all is done, nothing of the bar remains. It is drawn a few times a second at most,
 * for the terminal's width of that moment. Where several servers are talked to, or the wire is shown, there is none.
 *
 * It knows nothing of what makes progress. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "amount.h"
#include "bar.h"
#include "charset.h"
#include "complain.h"
#include "duration.h"
#include "label.h"
#include "progress.h"
#include "terminal.h"

/* Between two drawings. */
#define DRAW_PAUSE (100 * QMP_MILLISECOND)
/* How long the speed is measured. */
#define RATE_SPAN (QMP_SECOND / 2)
#define CLEAR_LINE "\r\033[K"

static void write_error(const char *text, size_t size)
{
    ssize_t n = write(STDERR_FILENO, text, size);
    (void)n; /* when it fails, there is nobody to tell */
}

static void bar_clear(void *userdata)
{
    struct progress_view *p = userdata;

    if (p->shown)
        write_error(CLEAR_LINE, strlen(CLEAR_LINE));
    p->shown = false;
}

void progress_start(struct progress_view *p, const struct options *o)
{
    bool bar_fits = label_get() == NULL && (o->given & OPTION_VERBOSE) == 0;

    *p = (struct progress_view){.kind = o->progress, .utf8 = charset_is_utf8()};
    if (p->kind == PROGRESS_AUTO)
        p->kind = isatty(STDERR_FILENO) && terminal_draws() ? PROGRESS_BAR : PROGRESS_NONE;
    if (p->kind == PROGRESS_BAR && !bar_fits)
        p->kind = PROGRESS_NONE;
    if (p->kind == PROGRESS_BAR)
        complain_prepare(bar_clear, p);
}

bool progress_wanted(const struct progress_view *p)
{
    return p->kind != PROGRESS_NONE;
}

static void rate_measure(struct progress_view *p, uint64_t current)
{
    uint64_t now = duration_now(), span = now - p->at;

    if (p->at != 0 && current >= p->current && span < RATE_SPAN)
        return;
    if (p->at != 0 && current >= p->current) {
        uint64_t rate = (uint64_t)((double)(current - p->current) * QMP_SECOND / (double)span);
        p->rate = p->rate == 0 ? rate : (p->rate + rate) / 2;
    }
    p->at = now;
    p->current = current;
}

static void bar_show(struct progress_view *p, const struct progress_state *state)
{
    char line[BAR_MAX], text[BAR_MAX + sizeof(CLEAR_LINE)], a[AMOUNT_TEXT_MAX], b[AMOUNT_TEXT_MAX];
    char amount[2 * AMOUNT_TEXT_MAX + 8], rate[AMOUNT_TEXT_MAX + 8], left[AMOUNT_TEXT_MAX + 8];
    struct bar bar = {.label = state->label, .current = state->current, .total = state->total, .left = state->left};
    uint64_t speed = state->rate != 0 ? state->rate : p->rate, columns = terminal_columns(STDERR_FILENO);

    if (p->shown && duration_now() - p->drawn < DRAW_PAUSE)
        return;
    if (state->bytes && state->total > 0) {
        snprintf(amount, sizeof(amount), "%s of %s", amount_bytes(state->current, a), amount_bytes(state->total, b));
        bar.amount = amount;
    }
    if (state->bytes && speed > 0) {
        snprintf(rate, sizeof(rate), "%s/s", amount_bytes(speed, a));
        bar.rate = rate;
    }
    if (bar.left == NULL && speed > 0 && state->total > state->current) {
        double seconds = (double)(state->total - state->current) / (double)speed;
        snprintf(left, sizeof(left), "%s left", amount_time((uint64_t)(seconds * QMP_SECOND), a));
        bar.left = left;
    }
    columns = columns != 0 ? columns : TERMINAL_COLUMNS_USUAL;
    /* the last column stays free: writing there moves the cursor on in some terminals */
    bar_draw(&bar, (unsigned)columns - 1, p->utf8, line);
    snprintf(text, sizeof(text), "%s%s", CLEAR_LINE, line);
    write_error(text, strlen(text));
    p->shown = true;
    p->drawn = duration_now();
}

static void json_show(struct progress_view *p, const struct progress_state *state)
{
    __attribute__((cleanup(qmp_freep))) char *target = label_get() != NULL ? qmp_json("%s", label_get()) : NULL;
    unsigned permille = bar_permille(state->current, state->total);
    char *line;
    int n = asprintf(&line, "{%s%s%s%s, \"current\": %llu, \"total\": %llu, \"percent\": %u.%u}\n",
        target != NULL ? "\"target\": " : "", target != NULL ? target : "", target != NULL ? ", " : "", state->json,
        (unsigned long long)state->current, (unsigned long long)state->total, permille / 10, permille % 10);

    if (n < 0)
        return;
    if (p->last == NULL || strcmp(p->last, line) != 0)
        write_error(line, (size_t)n);
    free(p->last);
    p->last = line;
}

void progress_show(struct progress_view *p, const struct progress_state *state)
{
    rate_measure(p, state->current);
    if (p->kind == PROGRESS_BAR)
        bar_show(p, state);
    else if (p->kind == PROGRESS_JSON)
        json_show(p, state);
}

void progress_done(struct progress_view *p)
{
    if (p->kind == PROGRESS_BAR) {
        bar_clear(p);
        complain_prepare(/* prepare= */ NULL, /* userdata= */ NULL);
    }
    free(p->last);
    p->last = NULL;
}
