/* SPDX-License-Identifier: MIT */
#ifndef SRC_JSON_WRITER_H
#define SRC_JSON_WRITER_H

#include <qmp/writer.h>

#include "util/buffer.h"
#include "json/validate.h"

/* A document, and what it takes. */
#define WRITER_SIZE_MAX ((size_t)64 << 20)

/* All zero is an empty writer. */
struct qmp_writer {
    struct buffer text;
    int error; /* the first failure, sticky */
    unsigned depth;
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* the open containers, one bit a level: 1 is an object */
};

/* Remembers a failure, unless there was one. */
void writer_fail(qmp_writer *w, int error);

/* Writes the key of a member, which may hold any UTF-8 bytes; its value follows with a NULL key. */
void writer_key(qmp_writer *w, const char *key, size_t size);

/* As qmp_writer_json(). */
void writer_json_sized(qmp_writer *w, const char *key, const char *json, size_t size);

/* Frees the text. */
void writer_done(qmp_writer *w);

#endif
