/* SPDX-License-Identifier: MIT */
#ifndef SRC_JSON_VALIDATE_H
#define SRC_JSON_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

/* The deepest nesting there is: one bit of validator state each. QEMU's own parser has the same limit. */
#define JSON_DEPTH_MAX 1024u

/* Members of a top-level object that are located in passing. A QMP message has at most four. */
#define JSON_MEMBERS_MAX 16u

/* Where a member of the top-level object is: offsets into the text. A key's slice includes its quotes. */
struct json_member {
    size_t key, key_size;
    size_t value, value_size;
};

enum json_flaw {
    JSON_FINE,
    JSON_EMPTY,        /* nothing but white space */
    JSON_TRUNCATED,    /* the text ends inside a value */
    JSON_SYNTAX,       /* a byte that the grammar does not allow here */
    JSON_TRAILING,     /* something after the value */
    JSON_STRING,       /* an unescaped control character in a string */
    JSON_ESCAPE,       /* an unknown escape, or a \u without four hexadecimal digits */
    JSON_UTF8,         /* invalid UTF-8 */
    JSON_SURROGATE,    /* half a surrogate pair */
    JSON_NUMBER,       /* a malformed number */
    JSON_DEPTH,        /* nested too deep */
    JSON_NONCHARACTER, /* JSON_FOR_QEMU: a noncharacter (U+FDD0 … U+FDEF, U+xxFFFE, U+xxFFFF) */
    JSON_DUPLICATE,    /* json_validate_for_qemu(): a key twice in one object */
    JSON_TOKENS,       /* json_validate_for_qemu(): more tokens than QEMU's parser takes */
    JSON_RANGE,        /* JSON_FOR_QEMU: a number that no double holds */
    JSON_ZERO,         /* JSON_FOR_QEMU: a number like 0e0 */
};

/* What a validation found. */
struct json_scan {
    enum json_flaw flaw;
    bool plain;               /* it is known that no string holds an escape */
    size_t at;                /* the offset of the flaw */
    size_t value, value_size; /* the document without the white space around it */
    size_t n_members;         /* of the top-level object, duplicates included; may exceed JSON_MEMBERS_MAX … */
    struct json_member members[JSON_MEMBERS_MAX]; /* … but only so many are located */
};

enum {
    JSON_FOR_QEMU = 1 << 0, /* also refuse what QEMU's parser refuses, though it is JSON */
};

/* Validates one JSON document (any value, white space around it) in full. Reads text[0 … size-1] only; allocates
 * nothing. Returns 0, or -EBADMSG, -ELOOP (JSON_DEPTH), -EINVAL (JSON_NONCHARACTER, JSON_RANGE, JSON_ZERO, and
 * JSON_SURROGATE with JSON_FOR_QEMU); *scan is filled in either case. */
int json_validate(const char *text, size_t size, unsigned depth_max, unsigned flags, struct json_scan *scan);

/* The same for a document at the start of a text, whatever follows it. */
int json_validate_first(const char *text, size_t size, unsigned depth_max, unsigned flags, struct json_scan *scan);

/* json_validate() with JSON_FOR_QEMU, and JSON_DUPLICATE (-EINVAL) and JSON_TOKENS (-EMSGSIZE)
 * on top; -ENOMEM. */
int json_validate_for_qemu(const char *text, size_t size, unsigned depth_max, struct json_scan *scan);

/* What a flaw is, in words: "invalid UTF-8". */
const char *json_flaw_string(enum json_flaw flaw);

#endif
