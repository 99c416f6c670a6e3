/* SPDX-License-Identifier: MIT */
#ifndef SRC_SESSION_FAILURE_H
#define SRC_SESSION_FAILURE_H

#include <stdarg.h>
#include <stddef.h>

#include <qmp/client.h>

/* How many of the server's bytes are kept when it sent something wrong. */
#define FAILURE_BYTES_MAX ((size_t)256)

/* Why a connection ended: once for programs, once for people. All zero is no failure. */
struct failure {
    enum qmp_failure kind;
    int error;   /* what process() returns: negative */
    char *text;  /* NULL: there was no memory for it */
    char *bytes; /* the server's, up to FAILURE_BYTES_MAX; NULL: none */
    size_t n_bytes;
};

/* Records the first failure; later ones are ignored. Returns f->error. */
int failure_set(struct failure *f, enum qmp_failure kind, int error, const char *format, ...) QMP_PRINTF(4, 5);

int failure_set_v(struct failure *f, enum qmp_failure kind, int error, const char *format, va_list args)
    QMP_PRINTF(4, 0);

/* As above, with the server's bytes, of which an excerpt ends up in the text, escaped, behind ": ". */
int failure_set_bytes(struct failure *f, enum qmp_failure kind, int error, const char *bytes, size_t size,
    const char *format, ...) QMP_PRINTF(6, 7);

/* Keeps bytes beside the text that failure_set() has just recorded. */
void failure_keep_bytes(struct failure *f, const char *bytes, size_t size);

void failure_done(struct failure *f);

#endif
