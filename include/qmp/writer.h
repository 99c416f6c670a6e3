/* SPDX-License-Identifier: MIT */
#ifndef QMP_WRITER_H
#define QMP_WRITER_H

/* Writing JSON. Arguments of commands are JSON text: make it with qmp_json() (one line), with a writer (in a loop),
 * with your own library, or as a literal.
 *
 * A writer remembers its first failure and ignores everything after it, so a document is written without a check at
 * every step: qmp_writer_finish() tells. A writer is used by one thread at a time. */

#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A new, empty writer. It writes one document of at most 64 MiB, nested at most 1024 deep.
 *
 * Returns: 0 and the writer, the caller's: qmp_writer_free() it; -ENOMEM.
 * Blocks: never.
 * From: sd_bus_message_append's containers. */
QMP_API int qmp_writer_new(qmp_writer **ret);

/* Frees a writer and its text.
 *
 * Returns: NULL.
 * Blocks: never.
 * From: free(3). */
QMP_API qmp_writer *qmp_writer_free(qmp_writer *w);

/* Each of these writes one value: the next item of the innermost open array (`key` is NULL), the member `key` of the
 * innermost open object (UTF-8, not NULL), or the document itself (`key` is NULL). The begin functions open a container
 * that qmp_writer_end() closes.
 *
 * Returns: nothing; a failure is remembered (see qmp_writer_finish()).
 * Blocks: never.
 * From: RFC 8259 sections 4 and 5. */
QMP_API void qmp_writer_begin_object(qmp_writer *w, const char *key);
QMP_API void qmp_writer_begin_array(qmp_writer *w, const char *key);
QMP_API void qmp_writer_end(qmp_writer *w);
QMP_API void qmp_writer_int64(qmp_writer *w, const char *key, int64_t value);
QMP_API void qmp_writer_uint64(qmp_writer *w, const char *key, uint64_t value);
QMP_API void qmp_writer_bool(qmp_writer *w, const char *key, bool value);
QMP_API void qmp_writer_null(qmp_writer *w, const char *key);

/* Writes a double, with as many digits as it takes to read back the same one, whatever the locale. JSON has no
 * infinities and no NaN: those are -EINVAL.
 *
 * Returns: nothing; a failure is remembered.
 * Blocks: never.
 * From: RFC 8259 section 6. */
QMP_API void qmp_writer_double(qmp_writer *w, const char *key, double value);

/* Writes a string of UTF-8 bytes up to its NUL, or of `size` bytes that may include NULs. Invalid UTF-8 and what QEMU's
 * parser refuses (noncharacters) is -EINVAL.
 *
 * Returns: nothing; a failure is remembered.
 * Blocks: never.
 * From: RFC 8259 section 7. */
QMP_API void qmp_writer_string(qmp_writer *w, const char *key, const char *value);
QMP_API void qmp_writer_string_sized(qmp_writer *w, const char *key, const char *value, size_t size);

/* Writes a value that is JSON text already. It is checked as qmp_json_check() does; a failure there is remembered.
 *
 * Returns: nothing; a failure is remembered.
 * Blocks: never.
 * From: the %p of QEMU's qobject_from_jsonf. */
QMP_API void qmp_writer_json(qmp_writer *w, const char *key, const char *json);

/* Ends the document.
 *
 * Returns: 0, and in `*ret` the text, NUL-terminated, borrowed from the writer until it is freed; or the first failure
 * of all the calls before: -EINVAL (misuse: a key where none belongs or the other way round, an end without a begin, a
 * second document, an open container; invalid UTF-8; a number that is not finite; JSON that QEMU refuses), -EBADMSG
 * (qmp_writer_json() with what is not JSON), -ELOOP (too deep), -EMSGSIZE (too large), -ENOMEM.
 * Blocks: never.
 * From: the sticky error of c-util's writers and stdio's ferror(3). */
QMP_API int qmp_writer_finish(qmp_writer *w, const char **ret);

/* JSON from a template, checked by the compiler like printf. In the template, strings may be written in single quotes;
 * the conversions stand where a value does, never inside a string:
 *
 *     %s                    a string (const char *, UTF-8), quoted and escaped; NULL is null
 *     %d %ld %lld %zd %jd   a signed integer (PRId64 works); %u %lu %llu %zu %ju an unsigned one (PRIu64 works)
 *     %i                    a bool (int): true or false
 *     %f                    a double
 *     %p                    a value that is JSON text already (const void *)
 *     %%                    a percent sign, inside a string of the template only
 *
 * `qmp_json("{'job-id': %s, 'speed': %d}", id, speed)`
 *
 * Returns: the text, NUL-terminated, the caller's: free() it; NULL with errno set to ENOMEM, or to EINVAL when the
 * template or an argument is wrong (then nothing is half written).
 * Blocks: never.
 * From: QEMU's qobject_from_jsonf, %i and %p included. */
QMP_API char *qmp_json(const char *format, ...) QMP_PRINTF(1, 2) QMP_MUST_USE;

static inline void qmp_writer_freep(qmp_writer **w)
{
    qmp_writer_free(*w);
}

#ifdef __cplusplus
}
#endif

#endif
