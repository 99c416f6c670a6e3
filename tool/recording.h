/* SPDX-License-Identifier: MIT */
#ifndef TOOL_RECORDING_H
#define TOOL_RECORDING_H

#include "outcome.h"
#include "record.h"

/* A capture that was read. */
struct recording {
    char *data; /* where the texts of the records are */
    size_t size;
    struct record *records;
    size_t n, allocated;
};

/* Reads a capture, pcap or JSON lines, from a file, or from standard input for "-". Where it ends in the middle of a
 * record, that is said, and the record left out; anything else that is wrong is named with its place, and fails. Then
 * recording_done(), whatever the outcome. */
enum outcome recording_read(struct recording *ret, const char *name);
void recording_done(struct recording *r);

#endif
