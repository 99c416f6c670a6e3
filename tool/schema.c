/* SPDX-License-Identifier: MIT */

/* A schema, its entities findable by name.
 *
 * QEMU's is an array of a thousand entities in no order, 200 kB of text, and to complete a word three of them are
 * wanted. So it is read once from start to end: the text is validated as a message is, which is the fastest way, and a
 * hash table of the names points into it. The invariant: every entity is an object whose name is a string. Everything
 * else about it may be missing or of a wrong type, because the server may be anybody.
 *
 * Names are compared as they stand in the text: QAPI's have no characters that JSON escapes, so one with an escape is
 * never found. It knows nothing of what entities mean. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

/* More entities are not QEMU's, which has about a thousand. */
#define ENTITIES_MAX ((size_t)16384)
#define ENTITIES_FIRST ((size_t)2048)

/* What makes a reply of a schema's text. */
#define REPLY_START "{\"return\":"
#define REPLY_END "}"

#define SPACES " \t\r\n"

struct entity {
    qmp_value name; /* what stands between the quotation marks */
    qmp_value value;
    uint32_t hash;
};

struct schema {
    qmp_message *reply; /* holds the text */
    bool live;
    struct entity *entities; /* in the order of the text */
    size_t n;
    uint16_t *table; /* hash to index into `entities`, + 1; 0: nothing there */
    size_t mask;     /* of its size, a power of two */
};

/* FNV-1a: names are short. */
static uint32_t name_hash(qmp_value name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.text[i]) * 16777619u;
    return hash;
}

/* Where an entity of this name is in the table, or would be. */
static uint16_t *table_slot(const struct schema *s, qmp_value name, uint32_t hash)
{
    for (size_t i = hash & s->mask;; i = (i + 1) & s->mask) {
        const struct entity *e;
        if (s->table[i] == 0)
            return &s->table[i];
        e = &s->entities[s->table[i] - 1];
        if (e->hash == hash && e->name.size == name.size && memcmp(e->name.text, name.text, name.size) == 0)
            return &s->table[i];
    }
}

static int entity_add(struct schema *s, size_t *capacity, qmp_value value)
{
    qmp_value name = qmp_value_member(value, "name");

    if (qmp_value_type(name) != QMP_STRING || s->n == ENTITIES_MAX)
        return -EBADMSG;
    if (s->n == *capacity) {
        size_t grown = *capacity == 0 ? ENTITIES_FIRST : *capacity * 2;
        struct entity *entities = realloc(s->entities, grown * sizeof(*entities));
        if (entities == NULL)
            return -ENOMEM;
        s->entities = entities;
        *capacity = grown;
    }
    name = (qmp_value){name.text + 1, name.size - 2};
    s->entities[s->n++] = (struct entity){name, value, name_hash(name)};
    return 0;
}

/* At most half full. Of entities with the same name the first counts. */
static int table_make(struct schema *s)
{
    size_t size = 1;

    while (size < 2 * s->n)
        size *= 2;
    s->table = calloc(size, sizeof(*s->table));
    if (s->table == NULL)
        return -ENOMEM;
    s->mask = size - 1;
    for (size_t i = 0; i < s->n; i++) {
        uint16_t *slot = table_slot(s, s->entities[i].name, s->entities[i].hash);
        if (*slot == 0)
            *slot = (uint16_t)(i + 1);
    }
    return 0;
}

static int schema_index(struct schema *s)
{
    qmp_value item = {NULL, 0};
    size_t capacity = 0;
    int r = qmp_value_type(schema_text(s)) == QMP_ARRAY ? 0 : -EBADMSG;

    while (r >= 0 && qmp_value_next(schema_text(s), /* key= */ NULL, &item))
        r = entity_add(s, &capacity, item);
    if (r >= 0 && s->n == 0)
        r = -EBADMSG;
    return r < 0 ? r : table_make(s);
}

static int schema_make(struct schema **ret, qmp_message *reply, bool live)
{
    __attribute__((cleanup(schema_freep))) struct schema *s = calloc(1, sizeof(*s));
    int r;

    if (s == NULL)
        return -ENOMEM;
    s->reply = qmp_message_ref(reply);
    s->live = live;
    r = schema_index(s);
    if (r < 0)
        return r;
    *ret = s;
    s = NULL;
    return 0;
}

int schema_of_reply(struct schema **ret, qmp_message *reply)
{
    return schema_make(ret, reply, /* live= */ true);
}

int schema_new(struct schema **ret, char *text, size_t size)
{
    const size_t start = sizeof(REPLY_START) - 1, end = sizeof(REPLY_END) - 1;
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *message = malloc(start + size + end);
    int r;

    if (message == NULL)
        return -ENOMEM;
    memcpy(message, REPLY_START, start);
    memcpy(message + start, text, size);
    memcpy(message + start + size, REPLY_END, end);
    r = qmp_message_parse(&reply, message, start + size + end);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    /* The text must not have ended the value itself, and gone on with members of its own. */
    while (size > 0 && strchr(SPACES, text[size - 1]) != NULL)
        size--;
    if (size == 0 || qmp_reply_value(reply).size != size - strspn(text, SPACES))
        return -EBADMSG;
    r = schema_make(ret, reply, /* live= */ false);
    if (r >= 0)
        free(text);
    return r;
}

struct schema *schema_free(struct schema *s)
{
    if (s == NULL)
        return NULL;
    qmp_message_unref(s->reply);
    free(s->entities);
    free(s->table);
    free(s);
    return NULL;
}

static qmp_value name_find(const struct schema *s, qmp_value name)
{
    uint16_t index = *table_slot(s, name, name_hash(name));

    return index > 0 ? s->entities[index - 1].value : (qmp_value){NULL, 0};
}

qmp_value schema_find(const struct schema *s, const char *name)
{
    return name_find(s, (qmp_value){name, strlen(name)});
}

qmp_value schema_named(const struct schema *s, qmp_value name)
{
    if (qmp_value_type(name) != QMP_STRING)
        return (qmp_value){NULL, 0};
    return name_find(s, (qmp_value){name.text + 1, name.size - 2});
}

bool schema_next(const struct schema *s, size_t *position, qmp_value *ret_entity)
{
    if (*position >= s->n)
        return false;
    *ret_entity = s->entities[(*position)++].value;
    return true;
}

qmp_value schema_text(const struct schema *s)
{
    return qmp_reply_value(s->reply);
}

bool schema_is_live(const struct schema *s)
{
    return s->live;
}

bool schema_has_feature(qmp_value v, const char *feature)
{
    qmp_value features = qmp_value_member(v, "features"), item = {NULL, 0};

    while (qmp_value_next(features, /* key= */ NULL, &item))
        if (qmp_value_equals(item, feature))
            return true;
    return false;
}
