/* SPDX-License-Identifier: MIT */
#ifndef SRC_JSON_VALUE_H
#define SRC_JSON_VALUE_H

#include <qmp/value.h>

/* Walking (value.c). */

/* The first byte at or after `p` that closes a string or starts an escape: `"` or `\`; `end` when there is none. */
const char *json_find_quote(const char *p, const char *end);

/* Strings (string.c). A "string" is a JSON string with its quotes. */

/* What is between the quotes, still escaped; absent when `v` is no string. */
qmp_value json_string_body(qmp_value v);

/* Decodes a string into `out`, which has room for at least string.size bytes and may be string.text itself. Returns the
 * length; adds no NUL. */
size_t json_decode(qmp_value string, char *out);

/* A string equal to these bytes once decoded. */
bool json_string_equals(qmp_value v, const char *text, size_t size);

/* Two strings that decode to the same bytes. */
bool json_strings_equal(qmp_value a, qmp_value b);

/* A string equal to the step of a path, in which a backslash makes the next byte literal. */
bool json_string_equals_step(qmp_value v, const char *step, size_t size);

/* A string equal to `text` once decoded, or a number or literal spelled exactly like it. */
bool json_text_equals(qmp_value v, const char *text, size_t size);

/* Equal for whatever json_text_equals() calls equal. Containers and absent values hash to 0. */
uint64_t json_text_hash(qmp_value v);
uint64_t json_hash_bytes(const char *text, size_t size);

/* Writes valid UTF-8 as a JSON string with its quotes. Returns the number of bytes written, which is
 * json_quoted_size(text, size) and at most 6 * size + 2. */
size_t json_quote(char *out, const char *text, size_t size);
size_t json_quoted_size(const char *text, size_t size);

bool json_utf8_valid(const char *text, size_t size, bool refuse_noncharacters);

/* A printable, NUL-terminated picture of arbitrary bytes for error messages and terminals: all but printable ASCII is
 * escaped; "…" at the end when it was cut to fit. */
void json_excerpt(char *out, size_t out_size, const char *bytes, size_t size);

/* Numbers (number.c). */

/* strtod() in the "C" locale. */
double json_strtod(const char *text);

/* Equality of two numbers: exact for integers within int64_t and uint64_t, as doubles otherwise. */
bool json_number_equal(qmp_value a, qmp_value b);

/* Equality by value (equal.c): strings decoded, numbers as above, arrays in order, objects in any order. Values nested
 * deeper than JSON_DEPTH_MAX equal only themselves, byte for byte. Allocates nothing. */
bool json_equal(qmp_value a, qmp_value b);

#endif
