/* SPDX-License-Identifier: MIT */
#ifndef QMP_ERROR_H
#define QMP_ERROR_H

/* The library's errors are negative errno values; here is what they mean in this library. */

#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* This library's meaning of a negative errno that one of its functions returned (a positive one is taken as its
 * negative): "the deadline passed" for -ETIMEDOUT, where strerror() would say "Connection timed out".
 *
 * Returns: a static string in English, never NULL; "unknown error" for a number the library never returns.
 * Blocks: never.
 * From: strerror(3), without its locale. */
QMP_API const char *qmp_strerror(int error);

/* The version of the library in use, "0.1.0".
 *
 * Returns: a static string.
 * Blocks: never.
 * From: semantic versioning. */
QMP_API const char *qmp_version(void);

#ifdef __cplusplus
}
#endif

#endif
