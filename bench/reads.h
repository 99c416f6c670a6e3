/* SPDX-License-Identifier: MIT */
#ifndef BENCH_READS_H
#define BENCH_READS_H

#include <stddef.h>

/* The sizes of the buffers that somebody's successful reads asked for. */
#define READS_MAX 1024u
struct reads {
    size_t n;
    size_t sizes[READS_MAX];
};

/* Notes every read from `fd` in this process until the end. */
void reads_record(int fd, struct reads *r);
void reads_end(void);

/* Reads `size` bytes from `fd` as those reads did, and does nothing with them. */
void reads_repeat(const struct reads *r, int fd, size_t size);

#endif
