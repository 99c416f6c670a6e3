/* SPDX-License-Identifier: MIT */
#ifndef QMP_TYPES_H
#define QMP_TYPES_H

/* What every other header of libqmpclient needs: export and format attributes, the types that the API hands around, and
 * the one unit of time.
 *
 * Conventions, for the whole library:
 *  - A function returns 0 or a positive number, or a negative errno out of the set that its comment lists.
 *  - `ret_…` parameters (and the first parameter of a `…_new`) are written only on success, `reterr_…` only on failure.
 *  - Times are microseconds of CLOCK_MONOTONIC in a uint64_t. A *timeout* is relative, a *deadline* absolute.
 *  - `…_new` gives one reference; `…_unref(NULL)` is fine and returns NULL.
 *  - `…p` helpers serve `__attribute__((cleanup(…)))`.
 *  - Each comment ends with "Returns:", "Blocks:" and "From:" (the qmp-spec section, the method of the reference
 *    (QEMU's Python package qemu.qmp) or the POSIX idiom that the behaviour comes from).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__GNUC__) || defined(__clang__)
#define QMP_API __attribute__((visibility("default")))
#define QMP_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#define QMP_MUST_USE __attribute__((warn_unused_result))
#else
#define QMP_API
#define QMP_PRINTF(format_index, first_index)
#define QMP_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A timeout or a deadline that never comes. */
#define QMP_FOREVER UINT64_MAX

/* Microseconds, for timeouts: 5 * QMP_SECOND. */
#define QMP_MILLISECOND UINT64_C(1000)
#define QMP_SECOND UINT64_C(1000000)

typedef struct qmp_client qmp_client;
typedef struct qmp_listener qmp_listener;
typedef struct qmp_message qmp_message;
typedef struct qmp_monitor qmp_monitor;
typedef struct qmp_pending qmp_pending;
typedef struct qmp_scope qmp_scope;
typedef struct qmp_server qmp_server;
typedef struct qmp_tls qmp_tls;
typedef struct qmp_writer qmp_writer;

/* For any memory that the library hands out to be free()d: `__attribute__((cleanup(qmp_freep))) char *s = NULL;` */
static inline void qmp_freep(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

#ifdef __cplusplus
}
#endif

#endif
