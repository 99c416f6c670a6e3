/* SPDX-License-Identifier: MIT */
/* What QEMU's parser accepts: valid JSON, of not too many tokens, and no object with the same key twice.
 *
 * QEMU says about the others, without an id, that they are wrong, which ends a session. One pass notes every key with
 * the object it belongs to and the hash of what it decodes to; sorted by both, equal keys are neighbours. A few keys,
 * as nearly always, need no memory. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/util.h"
#include "json/validate.h"
#include "json/value.h"

/* Keys on the stack. */
#define KEYS_MIN ((size_t)32)

/* QEMU's parser gives up above 2 Mi tokens in one command; its own, outside of arguments and id, are fewer than these.
 */
#define TOKENS_MAX (((size_t)2 << 20) - 32)

struct noted_key {
    uint64_t hash;
    size_t object; /* where it starts */
    qmp_value key;
};

struct notes {
    struct noted_key few[KEYS_MIN], *keys;
    size_t n, allocated;
};

static int note(struct notes *notes, size_t object, qmp_value key)
{
    if (notes->n == notes->allocated) {
        size_t size = notes->allocated * sizeof(*notes->keys);
        struct noted_key *more = realloc(notes->keys == notes->few ? NULL : notes->keys, 2 * size);

        if (!more)
            return -ENOMEM;
        if (notes->keys == notes->few)
            memcpy(more, notes->few, size);
        notes->keys = more;
        notes->allocated *= 2;
    }
    notes->keys[notes->n++] = (struct noted_key){json_text_hash(key), object, key};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct noted_key *x = a, *y = b;

    if (x->object != y->object)
        return x->object < y->object ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The second one of two equal keys of one object; NULL when there are none. */
static const char *find_duplicate(struct notes *notes)
{
    const struct noted_key *k = notes->keys;

    if (notes->n > 1)
        qsort(notes->keys, notes->n, sizeof(*notes->keys), compare);
    for (size_t i = 0; i < notes->n; i++) {
        for (size_t j = i + 1; j < notes->n && compare(&k[i], &k[j]) == 0; j++) {
            if (json_equal(k[i].key, k[j].key))
                return k[i].key.text > k[j].key.text ? k[i].key.text : k[j].key.text;
        }
    }
    return NULL;
}

/* Past the string, the number or literal, or the one character of structure that is at p. */
static const char *skip_token(const char *p, const char *end)
{
    if (*p == '"') {
        for (p = json_find_quote(p + 1, end); p < end && *p == '\\'; p = json_find_quote(p + 2, end))
            continue;
        return p + 1;
    }
    if (strchr("{}[]:,", *p))
        return p + 1;
    while (p < end && !strchr("{}[]:, \t\r\n", *p))
        p++;
    return p;
}

static int flawed(struct json_scan *scan, enum json_flaw flaw, size_t at, int error)
{
    scan->flaw = flaw;
    scan->at = at;
    return error;
}

/* Notes the keys of a valid text. Returns 0, -EMSGSIZE, -ENOMEM. */
static int walk(const char *text, size_t size, struct notes *notes, struct json_scan *scan)
{
    const char *end = text + size, *next;
    size_t open[JSON_DEPTH_MAX + 1], depth = 0, tokens = 0;
    bool object[JSON_DEPTH_MAX + 1], key = false;

    object[0] = false;
    for (const char *p = text; p < end; p = next) {
        next = p + 1;
        if (strchr(" \t\r\n", *p))
            continue;
        if (++tokens > TOKENS_MAX)
            return flawed(scan, JSON_TOKENS, (size_t)(p - text), -EMSGSIZE);
        next = skip_token(p, end);
        if (*p == '{' || *p == '[') {
            open[++depth] = (size_t)(p - text);
            object[depth] = *p == '{';
        } else if (*p == '}' || *p == ']') {
            depth--;
        } else if (*p == '"' && key && note(notes, open[depth], (qmp_value){p, (size_t)(next - p)}) < 0) {
            return -ENOMEM;
        }
        /* A key stands behind an opening brace, and behind a comma between members. */
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch): what is valid closes what it opened */
        key = object[depth] && (*p == '{' || *p == ',');
    }
    return 0;
}

int json_validate_for_qemu(const char *text, size_t size, unsigned depth_max, struct json_scan *scan)
{
    struct notes notes;
    const char *twice = NULL;
    int r = json_validate(text, size, depth_max, JSON_FOR_QEMU, scan);

    if (r < 0)
        return r;
    notes.keys = notes.few;
    notes.n = 0;
    notes.allocated = KEYS_MIN;
    r = walk(text, size, &notes, scan);
    if (r >= 0)
        twice = find_duplicate(&notes);
    if (notes.keys != notes.few)
        free(notes.keys);
    return twice ? flawed(scan, JSON_DUPLICATE, (size_t)(twice - text), -EINVAL) : r;
}
