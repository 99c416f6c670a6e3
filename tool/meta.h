/* SPDX-License-Identifier: MIT */
#ifndef TOOL_META_H
#define TOOL_META_H

#include "schema.h"

/* What kind of entity of a schema something is. */
enum meta {
    META_NONE, /* absent, or of a kind that is not known */
    META_COMMAND,
    META_EVENT,
    META_BUILTIN,
    META_ENUM,
    META_ARRAY,
    META_OBJECT,
    META_ALTERNATE,
};

enum meta meta_of(qmp_value entity);

/* The word for it: "command". */
const char *meta_word(enum meta meta);

/* What stands between the quotation marks of a string; empty for anything else. Names in a schema hold nothing that
 * JSON escapes. */
qmp_value meta_bare(qmp_value string);

/* Whether two values are the same text. */
bool meta_same(qmp_value a, qmp_value b);

/* The member of an object of this bare name, leaving those of its variants aside; absent when there is none. */
qmp_value meta_member(qmp_value object, qmp_value name);

/* The name of the type that an object has more of where its tag is `value` (bare); absent when there is none. */
qmp_value meta_variant(qmp_value object, qmp_value value);

/* The room that meta_brief() needs. */
#define META_BRIEF_MAX 64

/* A type in a few words, as "str", "on|off|auto", "[object]"; a long one ends in "...". Returns `text`. Whatever in it
 * a terminal might obey is the caller's to escape. */
const char *meta_brief(const struct schema *s, qmp_value type_name, char text[META_BRIEF_MAX]);

#endif
