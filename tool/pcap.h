/* SPDX-License-Identifier: MIT */
#ifndef TOOL_PCAP_H
#define TOOL_PCAP_H

#include <stdint.h>

#include "buffer.h"
#include "record.h"

/* The head of a file; a record as packets. False: no memory. */
bool pcap_begin(struct buffer *b);
bool pcap_compose(struct buffer *b, const struct record *record);

/* A file that is read. */
struct pcap {
    char *data;
    size_t size, position;
    size_t packet; /* the number of the last one, from 1 */
    bool swapped;  /* the other byte order */
};

/* Whether a file begins as a pcap does. */
bool pcap_is(const char *data, size_t size);

/* Begins to read. The records' text will lie in the data, which is written to. NULL, or what is wrong. */
const char *pcap_open(struct pcap *p, char *data, size_t size);

/* The next record. Returns 1; 0 at the end; -1 with *reterr: what is wrong with the last packet, or `pcap_cut` where
 * the file ends too early. */
int pcap_next(struct pcap *p, struct record *ret, const char **reterr);
extern const char pcap_cut[];

#endif
