/* SPDX-License-Identifier: MIT */
#ifndef TOOL_RECORDER_H
#define TOOL_RECORDER_H

#include "outcome.h"
#include "record.h"

/* A file that records are written to. */
struct recorder;

/* Opens what --write names: FILE, or "-" for standard output. A name that ends in ".pcap" or starts with "pcap:" makes
 * a pcap of it, anything else JSON lines, as does "json:" in front. A file is made with mode 0600, and must not be
 * there; a FIFO or a device may. */
enum outcome recorder_open(const char *name, struct recorder **ret);

/* Writes a record, now. When it cannot be written, what is in the file are the whole records before it. */
enum outcome recorder_add(struct recorder *r, const struct record *record);

/* The descriptor to watch for POLLERR: its reader has gone. */
int recorder_fd(const struct recorder *r);

/* How many records have been written. */
size_t recorder_count(const struct recorder *r);

/* Whether the reader has gone; nothing was said of that. */
bool recorder_abandoned(const struct recorder *r);

/* Closes it. A file that this made is removed when nothing was written. */
struct recorder *recorder_close(struct recorder *r);

static inline void recorder_closep(struct recorder **r)
{
    recorder_close(*r);
}

#endif
