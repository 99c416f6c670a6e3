/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

uint64_t wall_ns(void);
uint64_t cpu_ns(void); /* of this thread: what others do on the machine does not count */

/* Ties this process, and those it starts, to one processor; or to those it had before. */
void one_processor(bool tie);

/* The median; reorders the values. */
double median(double *values, size_t n);

/* Measures two things in turn, so that a machine that is slow for a while is slow for both. A contestant does one round
 * and returns what it took for each unit of work. All results are medians over the rounds; `ratio` is that of the
 * rounds' own ratios, not the ratio of the medians. */
typedef double (*contestant_fn)(void *userdata);
struct contestant {
    contestant_fn run;
    void *userdata;
};
struct duel {
    double ours, floor, ratio;
};
#define DUEL_ROUNDS_MAX 4096u
struct duel duel(unsigned rounds, struct contestant ours, struct contestant floor);

/* A piece of text in a table. */
struct cell {
    char text[40];
};
struct cell cell_time(double ns);
struct cell cell_per_byte(double ns);
struct cell cell_bytes(double bytes);
struct cell cell_throughput(double bytes, double ns);
struct cell cell_rate(double ns);
struct cell cell_times(double ratio);
struct cell cell_none(void);

/* What a measure has to reach, and whether it did. */
struct goal {
    struct cell text;
    enum { GOAL_NONE, GOAL_MET, GOAL_MISSED } state;
};
struct goal goal_none(void);
struct goal goal_times_at_most(double value, double limit);
struct goal goal_times_at_least(double value, double limit);
struct goal goal_time_at_most(double ns, double limit);
struct goal goal_bytes_at_most(double value, double limit, const char *suffix);
struct goal goal_throughput_at_least(double bytes, double ns, double bytes_per_ns);

/* Whatever is printed is written to this file, too, one line a row and tabs between its cells; and each point of a
 * series, in plain numbers. Returns 0, or a negative errno. */
int table_data(const char *path);

void table_host(const char *processor, long processors, const char *kernel, const char *date);

void table_begin(void);
void table_title(const char *title);
void table_note(const char *note);
void table_row(const char *measure, struct cell ours, struct cell floor, struct cell ratio, struct goal goal);
void table_duel(const char *measure, struct duel d, struct goal goal);
void table_skipped(const char *measure, const char *why);
/* Not printed, only for the file: `x` connections, listeners or bytes took this. */
void table_point(const char *series, double x, struct duel d);

#endif
