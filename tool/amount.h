/* SPDX-License-Identifier: MIT */
#ifndef TOOL_AMOUNT_H
#define TOOL_AMOUNT_H

#include <stdint.h>

/* The room that the text of an amount needs. */
#define AMOUNT_TEXT_MAX 32

/* Bytes for people: "512 B", "1.2 MiB", "110 GiB". Returns `text`. */
const char *amount_bytes(uint64_t bytes, char text[AMOUNT_TEXT_MAX]);

/* About how long something takes: "12 s", "3 min", "2 h", "5 days". Returns `text`. */
const char *amount_time(uint64_t time, char text[AMOUNT_TEXT_MAX]);

#endif
