/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qmp/qmp.h>

/* What one run was asked for. */
struct options {
    bool quick;
    const char *qmp;    /* the command to measure */
    const char *reader; /* the program that measures frame and validate alone */
    const char *folder; /* of the programs that are built with this one */
    const char *data;   /* the file that gets what the table says; NULL: none */
};

void bench_round_trips(const struct options *o);
void bench_events(const struct options *o);
void bench_replies(const struct options *o);
void bench_memory(const struct options *o);
void bench_command(const struct options *o);
void bench_flood(const struct options *o);
void bench_adapters(const struct options *o);
void bench_tls(const struct options *o);
void bench_fleet(const struct options *o);
void bench_many(const struct options *o);
void bench_sizes(const struct options *o);
void bench_peers(const struct options *o);
void bench_stages(const struct options *o);
void bench_threads(const struct options *o);

/* The reply to query-qmp-schema of a real QEMU; NULL without one. */
qmp_message *ask_schema(void);

/* Ends the run: `what` failed with a negative errno. */
void die(const char *what, int error) __attribute__((noreturn));

#endif
