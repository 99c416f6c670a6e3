/* SPDX-License-Identifier: MIT */
/* A message: one validated document, whole and immutable.
 *
 * It is one allocation: a header of fixed size, the exact bytes received, and then the few strings that callers want as
 * C strings (an event's name, an error's class and description), decoded. The header says where the top-level members
 * that QMP knows are, so nobody looks for them again. Nothing in it points outside of it; its only mutable part is the
 * counter.
 *
 * What makes a message one is decided here: an object with exactly one of the members QMP, return, error and event,
 * none twice. Who may send which one when is the session's question. */

#include "message/message.h"

#include <errno.h>
#include <string.h>

#include "util/util.h"
#include "json/validate.h"
#include "json/value.h"

/* Offsets are 32 bits wide, and reach over the strings behind the text. */
#define MESSAGE_SIZE_MAX ((size_t)INT32_MAX)

struct slice {
    uint32_t at, size;
};

struct qmp_message {
    unsigned refs;
    uint32_t size;
    uint64_t sequence;
    struct slice body; /* the value of QMP, return, error or data */
    struct slice id;   /* size 0: absent, for this and the next */
    struct slice timestamp;
    uint32_t second; /* where the second of the strings behind the text starts */
    uint8_t kind;
    char text[];
};

/* The top-level members that QMP knows. */
enum name { NAME_QMP, NAME_RETURN, NAME_ERROR, NAME_EVENT, NAME_DATA, NAME_TIMESTAMP, NAME_ID, NAMES };

static const char *const names[NAMES] = {
    [NAME_QMP] = "QMP",
    [NAME_RETURN] = "return",
    [NAME_ERROR] = "error",
    [NAME_EVENT] = "event",
    [NAME_DATA] = "data",
    [NAME_TIMESTAMP] = "timestamp",
    [NAME_ID] = "id",
};

/* What is known of a text before there is a message. */
struct draft {
    const char *text;
    size_t size;
    bool plain; /* no string holds an escape */
    enum qmp_kind kind;
    struct slice known[NAMES]; /* size 0: absent */
    qmp_value strings[2];
    const char *flaw;
    size_t flaw_at;
};

static int flawed(struct draft *d, const char *flaw, const char *at)
{
    d->flaw = flaw;
    d->flaw_at = at ? (size_t)(at - d->text) : 0;
    return -EPROTO;
}

/* By size first: this runs for every member of every message. */
static enum name name_of_plain(const char *key, size_t size)
{
    switch (size) {
    case 2:
        return memcmp(key, "id", 2) == 0 ? NAME_ID : NAMES;
    case 3:
        return memcmp(key, "QMP", 3) == 0 ? NAME_QMP : NAMES;
    case 4:
        return memcmp(key, "data", 4) == 0 ? NAME_DATA : NAMES;
    case 5:
        return memcmp(key, "event", 5) == 0 ? NAME_EVENT : memcmp(key, "error", 5) == 0 ? NAME_ERROR : NAMES;
    case 6:
        return memcmp(key, "return", 6) == 0 ? NAME_RETURN : NAMES;
    case 9:
        return memcmp(key, "timestamp", 9) == 0 ? NAME_TIMESTAMP : NAMES;
    default:
        return NAMES;
    }
}

static enum name name_of(qmp_value key)
{
    enum name name = name_of_plain(key.text + 1, key.size - 2);

    if (name < NAMES || !memchr(key.text, '\\', key.size))
        return name;
    for (name = 0; name < NAMES; name++) {
        if (qmp_value_equals(key, names[name]))
            break;
    }
    return name;
}

static int locate(struct draft *d, const struct json_scan *scan)
{
    qmp_value unknown[JSON_MEMBERS_MAX];
    size_t n_unknown = 0;

    if (d->text[0] != '{')
        return flawed(d, "not an object", d->text);
    if (scan->n_members > JSON_MEMBERS_MAX)
        return flawed(d, "more members than any QMP message has", NULL);
    for (size_t i = 0; i < scan->n_members; i++) {
        const struct json_member *m = &scan->members[i];
        qmp_value key = {d->text + m->key, m->key_size};
        enum name name = name_of(key);

        if (name < NAMES) {
            if (d->known[name].size > 0)
                return flawed(d, "a member twice", key.text);
            d->known[name] = (struct slice){(uint32_t)m->value, (uint32_t)m->value_size};
            continue;
        }
        for (size_t j = 0; j < n_unknown; j++) {
            if (json_equal(key, unknown[j]))
                return flawed(d, "a member twice", key.text);
        }
        unknown[n_unknown++] = key;
    }
    return 0;
}

/* In JSON that is valid, U+0000 is always written as an escape. */
static bool holds_nul(qmp_value v)
{
    for (const char *p = v.text; (p = memchr(p, '\\', (size_t)(v.text + v.size - p))) != NULL; p += 2) {
        if (memcmp(p, "\\u0000", MIN((size_t)(v.text + v.size - p), 6)) == 0)
            return true;
    }
    return false;
}

static qmp_value known(const struct draft *d, enum name name)
{
    return (qmp_value){d->text + d->known[name].at, d->known[name].size};
}

static int classify(struct draft *d)
{
    static const enum qmp_kind kinds[] = {
        [NAME_QMP] = QMP_GREETING,
        [NAME_RETURN] = QMP_RETURN,
        [NAME_ERROR] = QMP_ERROR,
        [NAME_EVENT] = QMP_EVENT,
    };
    unsigned n = 0;
    qmp_value v;

    for (unsigned i = 0; i < ELEMENTS(kinds); i++) {
        if (d->known[i].size > 0) {
            d->kind = kinds[i];
            n++;
        }
    }
    if (n == 0)
        return flawed(d, "none of the members QMP, return, error and event", NULL);
    if (n > 1)
        return flawed(d, "more than one of the members QMP, return, error and event", NULL);

    if (d->kind == QMP_EVENT) {
        v = d->strings[0] = known(d, NAME_EVENT);
        if (qmp_value_type(v) != QMP_STRING)
            return flawed(d, "an event whose name is no string", v.text);
        if (v.size == 2 || (!d->plain && holds_nul(v)))
            return flawed(d, "an event whose name is empty or holds U+0000", v.text);
    } else if (d->kind == QMP_ERROR) {
        v = known(d, NAME_ERROR);
        d->strings[0] = qmp_value_member(v, "class");
        d->strings[1] = qmp_value_member(v, "desc");
        if (qmp_value_type(d->strings[0]) != QMP_STRING || qmp_value_type(d->strings[1]) != QMP_STRING)
            return flawed(d, "an error without the strings class and desc", v.text);
    }
    return 0;
}

static qmp_value value_of(const qmp_message *m, struct slice s)
{
    return s.size > 0 ? (qmp_value){m->text + s.at, s.size} : (qmp_value){NULL, 0};
}

/* A string without its quotes and escapes, and a NUL. Returns where that ends. */
static char *decode(const struct draft *d, qmp_value string, char *out)
{
    size_t size = string.size - 2;

    if (d->plain)
        memcpy(out, string.text + 1, size);
    else
        size = json_decode(string, out);
    out[size] = '\0';
    return out + size + 1;
}

static int build(qmp_message **ret, const struct draft *d)
{
    /* A decoded string is never longer than its text without the quotes, which leave room for the NUL. */
    size_t size = sizeof(qmp_message) + d->size + d->strings[0].size + d->strings[1].size;
    qmp_message *m = malloc(size);
    char *end;

    if (!m)
        return -ENOMEM;
    m->refs = 1;
    m->size = (uint32_t)d->size;
    m->sequence = 0;
    m->kind = (uint8_t)d->kind;
    m->body = d->known[d->kind == QMP_EVENT      ? NAME_DATA
                       : d->kind == QMP_GREETING ? NAME_QMP
                       : d->kind == QMP_RETURN   ? NAME_RETURN
                                                 : NAME_ERROR];
    m->id = d->known[NAME_ID];
    m->timestamp = d->known[NAME_TIMESTAMP];
    m->second = 0;
    memcpy(m->text, d->text, d->size);
    end = m->text + d->size;
    for (unsigned i = 0; i < ELEMENTS(d->strings) && d->strings[i].text; i++) {
        if (i == 1)
            m->second = (uint32_t)(end - m->text);
        end = decode(d, d->strings[i], end);
    }
    *ret = m;
    return 0;
}

static int from_scan(qmp_message **ret, const char *text, struct json_scan *scan, struct message_flaw *reterr_flaw)
{
    struct draft d;
    int r;

    d.text = text + scan->value;
    d.size = scan->value_size;
    d.plain = scan->plain;
    memset(d.known, 0, sizeof(d.known));
    d.strings[0].text = d.strings[1].text = NULL;
    d.strings[0].size = d.strings[1].size = 0;

    if (d.size > MESSAGE_SIZE_MAX) {
        *reterr_flaw = (struct message_flaw){"too large", scan->value, false};
        return -EMSGSIZE;
    }
    for (unsigned i = 0; i < scan->n_members && i < JSON_MEMBERS_MAX; i++) {
        scan->members[i].key -= scan->value;
        scan->members[i].value -= scan->value;
    }
    r = locate(&d, scan);
    if (r >= 0)
        r = classify(&d);
    if (r >= 0)
        return build(ret, &d);
    *reterr_flaw = (struct message_flaw){d.flaw, scan->value + d.flaw_at, false};
    return r;
}

static int not_json(const struct json_scan *scan, int error, struct message_flaw *reterr_flaw)
{
    *reterr_flaw = (struct message_flaw){json_flaw_string(scan->flaw), scan->at, scan->flaw == JSON_TRUNCATED};
    return error;
}

int message_new(qmp_message **ret, const char *text, size_t size, unsigned depth_max, struct message_flaw *reterr_flaw)
{
    struct json_scan scan;
    int r = json_validate(text, size, depth_max, 0, &scan);

    return r < 0 ? not_json(&scan, r, reterr_flaw) : from_scan(ret, text, &scan, reterr_flaw);
}

int message_new_first(qmp_message **ret, const char *text, size_t size, unsigned depth_max, size_t *ret_used,
    struct message_flaw *reterr_flaw)
{
    struct json_scan scan;
    int r = json_validate_first(text, size, depth_max, 0, &scan);

    if (r < 0)
        return not_json(&scan, r, reterr_flaw);
    r = from_scan(ret, text, &scan, reterr_flaw);
    if (r >= 0)
        *ret_used = scan.value + scan.value_size;
    return r;
}

void message_set_sequence(qmp_message *m, uint64_t sequence)
{
    m->sequence = sequence;
}

qmp_value message_path(const qmp_message *m, const char *path)
{
    static const char data[] = "data.";

    if (m->kind == QMP_EVENT && m->body.size > 0 && strncmp(path, data, sizeof(data) - 1) == 0)
        return qmp_value_path(value_of(m, m->body), path + sizeof(data) - 1);
    return qmp_value_path(qmp_message_root(m), path);
}

void message_ref_many(qmp_message *m, unsigned n)
{
    if (n > 0)
        refs_take_many(&m->refs, n);
}

qmp_value message_id(const qmp_message *m)
{
    return value_of(m, m->id);
}

int qmp_message_parse(qmp_message **ret, const char *text, size_t size)
{
    struct message_flaw flaw;

    return message_new(ret, text, size, JSON_DEPTH_MAX, &flaw);
}

qmp_message *qmp_message_ref(qmp_message *m)
{
    refs_take(&m->refs);
    return m;
}

qmp_message *qmp_message_unref(qmp_message *m)
{
    if (m && refs_drop(&m->refs))
        free(m);
    return NULL;
}

void qmp_message_unref_many(qmp_message **messages, size_t n)
{
    for (size_t i = 0; i < n; i++)
        qmp_message_unref(messages[i]);
    free(messages);
}

enum qmp_kind qmp_message_kind(const qmp_message *m)
{
    return (enum qmp_kind)m->kind;
}

qmp_value qmp_message_root(const qmp_message *m)
{
    return (qmp_value){m->text, m->size};
}

uint64_t qmp_message_sequence(const qmp_message *m)
{
    return m->sequence;
}

const char *qmp_event_name(const qmp_message *m)
{
    return m->kind == QMP_EVENT ? m->text + m->size : NULL;
}

static qmp_value body_if(const qmp_message *m, enum qmp_kind kind)
{
    return m->kind == kind ? value_of(m, m->body) : (qmp_value){NULL, 0};
}

qmp_value qmp_event_data(const qmp_message *m)
{
    return body_if(m, QMP_EVENT);
}

int qmp_event_timestamp(const qmp_message *m, int64_t *ret_usec)
{
    qmp_value v = value_of(m, m->timestamp);
    int64_t seconds, microseconds;

    if (m->kind != QMP_EVENT || !v.text)
        return -ENOENT;
    if (qmp_value_int64(qmp_value_member(v, "seconds"), &seconds) < 0 ||
        qmp_value_int64(qmp_value_member(v, "microseconds"), &microseconds) < 0)
        return -EPROTO;
    if (seconds == -1 || microseconds == -1)
        return -ENOENT;
    if (seconds < 0 || seconds > INT64_MAX / 1000000 - 1 || microseconds < 0 || microseconds >= 1000000)
        return -EPROTO;
    *ret_usec = seconds * 1000000 + microseconds;
    return 0;
}

qmp_value qmp_reply_value(const qmp_message *m)
{
    return body_if(m, QMP_RETURN);
}

const char *qmp_reply_error_class(const qmp_message *m)
{
    return m->kind == QMP_ERROR ? m->text + m->size : NULL;
}

const char *qmp_reply_error_desc(const qmp_message *m)
{
    return m->kind == QMP_ERROR ? m->text + m->second : NULL;
}
