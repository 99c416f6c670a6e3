/* SPDX-License-Identifier: MIT */
#ifndef TOOL_KIND_H
#define TOOL_KIND_H

#include "schema.h"

/* The kinds of types that a schema has. */
enum kind {
    KIND_ANY, /* also everything that is not known */
    KIND_STRING,
    KIND_INT,
    KIND_NUMBER,
    KIND_BOOL,
    KIND_NULL,
    KIND_ENUM,
    KIND_ARRAY,
    KIND_OBJECT,
    KIND_ALTERNATE
};

enum kind kind_of(qmp_value type);

/* Room for a kind in words. */
#define KIND_TEXT_MAX 128

/* A type in words: "an integer", "a string or an object". Returns `text`. */
const char *kind_text(const struct schema *s, qmp_value type, char text[KIND_TEXT_MAX]);

/* Iterates over the values of an enumeration: `*member` starts absent, `*ret` is a JSON string. */
bool kind_next_value(qmp_value type, qmp_value *member, qmp_value *ret);

/* Whether an enumeration has a value. */
bool kind_has_value(qmp_value type, const char *value);

#endif
