/* SPDX-License-Identifier: MIT */
#ifndef TOOL_RECORD_H
#define TOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a capture is made of. */
enum record_kind {
    RECORD_MESSAGE, /* from its { to its }, or [ and ] */
    RECORD_BYTES,   /* anything else: no JSON, or a part of a message */
    RECORD_END      /* this side ended the connection */
};

struct record {
    int64_t time;        /* when it had come, in µs since 1970 */
    uint32_t connection; /* from 1 */
    bool from_server;
    enum record_kind kind;
    const char *text;
    size_t size;
};

#endif
