/* SPDX-License-Identifier: MIT */
#ifndef TOOL_GUEST_TEXT_H
#define TOOL_GUEST_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* What is held back at most: a character that is not complete yet. */
#define GUEST_TEXT_HELD_MAX 3

/* Bytes of a guest on their way to a descriptor. */
struct guest_text {
    int fd;
    bool terminal;
    char held[GUEST_TEXT_HELD_MAX];
    size_t n_held;
};

struct guest_text guest_text_start(int fd);

/* Writes bytes as they are; to a terminal, with everything escaped that it might obey but line ends and tabs. Returns
 * 0, or the negative errno of write(2): -EINTR once a signal was noted (ending.h). */
int guest_text_write(struct guest_text *t, const char *bytes, size_t size);

/* Writes what was held back. Returns as guest_text_write(). */
int guest_text_end(struct guest_text *t);

#endif
