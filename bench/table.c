/* SPDX-License-Identifier: MIT */
/* The table: one row a measure, printed as soon as it is known.
 *
 * For programs that draw and compare the same goes to a file, one line each, with tabs: what the line is, then its
 * cells. Lines are appended whole, since the program that measures frame and validator adds its own.
 *
 * It refuses to judge: a goal that is missed is a word in the last column, never an exit status. */

#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WIDTH_MEASURE 58
#define WIDTH_NUMBER 13
#define WIDTH_TARGET 15

static FILE *data;

struct cell cell_time(double ns)
{
    struct cell c;

    if (ns < 1e3)
        snprintf(c.text, sizeof(c.text), "%.1f ns", ns);
    else if (ns < 1e6)
        snprintf(c.text, sizeof(c.text), "%.2f µs", ns / 1e3);
    else
        snprintf(c.text, sizeof(c.text), "%.2f ms", ns / 1e6);
    return c;
}

struct cell cell_per_byte(double ns)
{
    struct cell c;

    snprintf(c.text, sizeof(c.text), "%.3f ns", ns);
    return c;
}

struct cell cell_bytes(double bytes)
{
    struct cell c;

    if (bytes < 1e6)
        snprintf(c.text, sizeof(c.text), "%.0f B", bytes);
    else
        snprintf(c.text, sizeof(c.text), "%.1f MB", bytes / 1e6);
    return c;
}

struct cell cell_throughput(double bytes, double ns)
{
    struct cell c;

    snprintf(c.text, sizeof(c.text), "%.2f GB/s", bytes / ns);
    return c;
}

struct cell cell_rate(double ns)
{
    struct cell c;

    if (ns < 1e3)
        snprintf(c.text, sizeof(c.text), "%.2f M/s", 1e3 / ns);
    else
        snprintf(c.text, sizeof(c.text), "%.1f k/s", 1e6 / ns);
    return c;
}

struct cell cell_times(double ratio)
{
    struct cell c;

    snprintf(c.text, sizeof(c.text), ratio < 100 ? "%.2f ×" : "%.0f ×", ratio);
    return c;
}

struct cell cell_none(void)
{
    return (struct cell){"-"};
}

static struct goal goal_of(bool met)
{
    struct goal g = {{""}, met ? GOAL_MET : GOAL_MISSED};

    return g;
}

struct goal goal_none(void)
{
    return (struct goal){{""}, GOAL_NONE};
}

struct goal goal_times_at_most(double value, double limit)
{
    struct goal g = goal_of(value <= limit);

    snprintf(g.text.text, sizeof(g.text.text), "≤ %.2f ×", limit);
    return g;
}

struct goal goal_times_at_least(double value, double limit)
{
    struct goal g = goal_of(value >= limit);

    snprintf(g.text.text, sizeof(g.text.text), "≥ %.0f ×", limit);
    return g;
}

struct goal goal_time_at_most(double ns, double limit)
{
    struct goal g = goal_of(ns <= limit);

    snprintf(g.text.text, sizeof(g.text.text), "≤ %.30s", cell_time(limit).text);
    return g;
}

struct goal goal_bytes_at_most(double value, double limit, const char *suffix)
{
    struct goal g = goal_of(value <= limit);

    snprintf(g.text.text, sizeof(g.text.text), "≤ %.0f B%s", limit, suffix);
    return g;
}

struct goal goal_throughput_at_least(double bytes, double ns, double bytes_per_ns)
{
    struct goal g = goal_of(bytes / ns >= bytes_per_ns);

    snprintf(g.text.text, sizeof(g.text.text), "≥ %.2f GB/s", bytes_per_ns);
    return g;
}

/* In columns on a terminal: continuation bytes of UTF-8 take none. */
static int columns(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void left(const char *text, int width)
{
    int n = columns(text);

    printf("%s%*s", text, n < width ? width - n : 0, "");
}

static void right(const char *text, int width)
{
    int n = columns(text);

    printf("%*s%s", n < width ? width - n : 0, "", text);
}

static void line(
    const char *measure, const char *ours, const char *floor, const char *ratio, const char *target, const char *met)
{
    left(measure, WIDTH_MEASURE);
    right(ours, WIDTH_NUMBER);
    right(floor, WIDTH_NUMBER);
    right(ratio, WIDTH_NUMBER);
    right(target, WIDTH_TARGET);
    printf("  %s\n", met);
    fflush(stdout);
}

int table_data(const char *path)
{
    data = fopen(path, "ae");
    if (!data)
        return -errno;
    setvbuf(data, NULL, _IOLBF, BUFSIZ);
    return 0;
}

void table_host(const char *processor, long processors, const char *kernel, const char *date)
{
    if (data)
        fprintf(data, "host\t%s\t%ld\t%s\t%s\n", processor, processors, kernel, date);
}

void table_begin(void)
{
    line("measure", "ours", "floor", "ratio", "target", "met?");
}

void table_title(const char *title)
{
    printf("\n%s\n", title);
    if (data)
        fprintf(data, "title\t%s\n", title);
}

void table_note(const char *note)
{
    printf("  %s\n", note);
    if (data)
        fprintf(data, "note\t%s\n", note);
}

void table_row(const char *measure, struct cell ours, struct cell floor, struct cell ratio, struct goal goal)
{
    static const char *const words[] = {[GOAL_NONE] = "", [GOAL_MET] = "yes", [GOAL_MISSED] = "NO"};
    char indented[128];

    snprintf(indented, sizeof(indented), "  %s", measure);
    line(indented, ours.text, floor.text, ratio.text, goal.text.text, words[goal.state]);
    if (data)
        fprintf(data, "row\t%s\t%s\t%s\t%s\t%s\t%s\n", measure, ours.text, floor.text, ratio.text, goal.text.text,
            words[goal.state]);
}

void table_duel(const char *measure, struct duel d, struct goal goal)
{
    table_row(measure, cell_time(d.ours), cell_time(d.floor), cell_times(d.ratio), goal);
}

void table_skipped(const char *measure, const char *why)
{
    char text[160];

    snprintf(text, sizeof(text), "  %s", measure);
    left(text, WIDTH_MEASURE);
    printf("  not measured: %s\n", why);
    fflush(stdout);
    if (data)
        fprintf(data, "skipped\t%s\t%s\n", measure, why);
}

void table_point(const char *series, double x, struct duel d)
{
    if (data)
        fprintf(data, "point\t%s\t%.0f\t%.6g\t%.6g\t%.6g\n", series, x, d.ours, d.floor, d.ratio);
}
