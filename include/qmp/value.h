/* SPDX-License-Identifier: MIT */
#ifndef QMP_VALUE_H
#define QMP_VALUE_H

/* Reading JSON in place.
 *
 * A qmp_value is a borrowed slice of a message's text: one JSON value, with no white space around it. It costs nothing
 * to copy and nothing to free; it lives as long as the message it was taken from. The text was validated in full before
 * anybody saw it, so reading fails only on type, range or absence. Absence is a value too: members of absent values are
 * absent, so lookups chain without checks.
 *
 * No function here allocates, except qmp_value_string(); none takes a lock; all may be called from any thread. */

#include <qmp/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qmp_value {
    const char *text; /* NULL: absent. Not NUL-terminated. */
    size_t size;
} qmp_value;

enum qmp_type { QMP_ABSENT, QMP_NULL, QMP_BOOL, QMP_NUMBER, QMP_STRING, QMP_ARRAY, QMP_OBJECT };

/* The type of a value, by its first byte.
 *
 * Returns: the type; QMP_ABSENT for an absent value.
 * Blocks: never.
 * From: RFC 8259 section 3. */
QMP_API enum qmp_type qmp_value_type(qmp_value v);

/* The member `key` of an object. Keys are compared as decoded strings: "\u0069d" is "id". With duplicate keys, which
 * QEMU never writes, the first one counts.
 *
 * Returns: the member's value, absent when it is missing or `object` is no object. Borrowed from the message.
 * Blocks: never; time grows with the object's size.
 * From: RFC 8259 section 4. */
QMP_API qmp_value qmp_value_member(qmp_value object, const char *key);

/* The value at the end of a path of members and array indexes, separated by dots: "data.id", "devices.0.qdev".
 * `\.` is a dot inside a key, `\\` a backslash. The empty path is the value itself.
 *
 * Returns: the value, absent when any step is missing. Borrowed from the message.
 * Blocks: never; time grows with the value's size.
 * From: the dotted keys of QEMU's -blockdev command line, as a reader. */
QMP_API qmp_value qmp_value_path(qmp_value v, const char *path);

/* The item of an array at an index, from 0.
 *
 * Returns: the item, absent when `array` is no array or is shorter. Borrowed from the message.
 * Blocks: never; time grows with the array's size: iterate with qmp_value_next() instead of counting up.
 * From: RFC 8259 section 5. */
QMP_API qmp_value qmp_value_item(qmp_value array, size_t index);

/* Iterates over an array or an object. Start with an absent `*item` and call until it returns false:
 *
 *     qmp_value key = { NULL, 0 }, item = { NULL, 0 };
 *     while (qmp_value_next(container, &key, &item))
 *         …
 *
 * `key` is the member's name as a JSON string (read it with qmp_value_string() or qmp_value_equals()), absent for array
 * items; it may be NULL.
 *
 * Returns: true with the next member or item, false at the end (`*key` and `*item` are then absent) and for scalars.
 * Blocks: never; a whole iteration is linear.
 * From: sd_bus_message_read's containers, as an iterator. */
QMP_API bool qmp_value_next(qmp_value container, qmp_value *key, qmp_value *item);

/* The value as a bool.
 *
 * Returns: 0; -ENOENT when absent; -EINVAL when it is of another type.
 * Blocks: never.
 * From: RFC 8259 section 3. */
QMP_API int qmp_value_bool(qmp_value v, bool *ret);

/* The value as an int64_t, exactly. A number with a fraction or an exponent is a double, even when it is whole.
 *
 * Returns: 0; -ENOENT when absent; -EINVAL when it is no integer; -ERANGE when it does not fit.
 * Blocks: never.
 * From: QAPI's int (qapi-code-gen, "Built-in Types"). */
QMP_API int qmp_value_int64(qmp_value v, int64_t *ret);

/* The value as a uint64_t, exactly: QEMU uses the whole range.
 *
 * Returns: 0; -ENOENT when absent; -EINVAL when it is no integer; -ERANGE when it does not fit (negative, above
 * 2^64-1).
 * Blocks: never.
 * From: QAPI's uint64 (qapi-code-gen, "Built-in Types"). */
QMP_API int qmp_value_uint64(qmp_value v, uint64_t *ret);

/* The value as a double, correctly rounded whatever the process's locale. Integers are converted too (inexactly above
 * 2^53).
 *
 * Returns: 0; -ENOENT when absent; -EINVAL when it is no number; -ERANGE when it is too large for a double.
 * Blocks: never.
 * From: QAPI's number (qapi-code-gen, "Built-in Types"). */
QMP_API int qmp_value_double(qmp_value v, double *ret);

/* The value as a string: escapes and surrogate pairs decoded to UTF-8, NUL-terminated. A QMP string may hold U+0000, so
 * the length matters.
 *
 * Returns: 0, and in `*ret` the string (the caller's: free() it) with its length in bytes, without the terminating NUL,
 * in `*ret_size` (may be NULL); -ENOENT when absent; -EINVAL when it is no string; -ENOMEM.
 * Blocks: never.
 * From: RFC 8259 section 7. */
QMP_API int qmp_value_string(qmp_value v, char **ret, size_t *ret_size);

/* Whether the value is a JSON string equal to `string` once decoded. Allocates nothing.
 *
 * Returns: true or false; false for every other type and for absent values.
 * Blocks: never.
 * From: RFC 8259 section 8.3. */
QMP_API bool qmp_value_equals(qmp_value v, const char *string);

/* Checks a text as the library checks what it sends: one JSON value in RFC 8259's grammar and valid UTF-8, with nothing
 * but white space around it, nested no deeper than 1024, and without what QEMU's own parser refuses (lone surrogates,
 * noncharacters such as U+FFFF, a zero with an exponent such as 0e0, a key twice in one object, more than two million
 * tokens) or changes beyond recognition (numbers that no double holds).
 *
 * Returns: 0, and in `*ret` (may be NULL) the value, borrowed from `text`; -EBADMSG when it is not JSON; -ELOOP when it
 * is nested too deep; -EINVAL when it is JSON that QEMU refuses; -EMSGSIZE when it has too many tokens; -ENOMEM. On
 * failure `*reterr_description` (may be NULL) says what is wrong and at which byte (the caller's: free() it); it is
 * NULL when there was no memory for it.
 * Blocks: never.
 * From: qmp-spec section 2.1 and QEMU's json-lexer. */
QMP_API int qmp_json_check(const char *text, size_t size, qmp_value *ret, char **reterr_description);

#ifdef __cplusplus
}
#endif

#endif
