/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SCALAR_H
#define TOOL_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

/* A whole number between -2^63 and 2^64-1. */
struct whole {
    bool negative;
    uint64_t magnitude;
};

enum scalar {
    SCALAR_NONE,  /* not of this kind */
    SCALAR_RANGE, /* of this kind, but too large or too small */
    SCALAR_GOOD
};

/* The whole number that a text stands for: digits, 0x and hexadecimal digits, or digits with a suffix K, M, G, T, P or
 * E for a power of 1024 ("K", "k", "Ki" and "KiB" are the same) and maybe a fraction, as in 1.5G. */
enum scalar scalar_whole(const char *text, struct whole *ret);

/* The bool that a text stands for: true, on, yes, false, off, no. */
enum scalar scalar_bool(const char *text, bool *ret);

#endif
