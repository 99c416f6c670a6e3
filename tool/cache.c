/* SPDX-License-Identifier: MIT */

/* Schemas, kept from one run to the next.
 *
 * A schema takes a server milliseconds and 200 kB, and hardly ever changes. Two kinds of files: "address-HASH.json"
 * says for an address which greeting was seen there last and which schema belongs to it; "schema-HASH.json" is a
 * schema, named after its content, so a hundred VMs of one QEMU share one. A greeting names the version and the
 * package, but QEMU and its storage daemon greet alike: who misses something in a kept schema asks afresh (cache_get()
 * with `fresh`) before complaining.
 *
 * Nothing that is read is believed: a file that does not hold what it should is as good as absent. It knows nothing of
 * what is in a schema. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cache.h"
#include "closing.h"
#include "connect.h"
#include "duration.h"
#include "names.h"
#include "store.h"

#define COMMAND "query-qmp-schema"
/* How long asking may take where the answer is only nice to have. */
#define TRY_TIMEOUT QMP_SECOND

#define ADDRESS_PREFIX "address-"
#define SCHEMA_PREFIX "schema-"
#define ADDRESS_FILES_MAX 256
#define SCHEMA_FILES_MAX 32
#define ADDRESS_SIZE_MAX ((size_t)65536)
#define SCHEMA_SIZE_MAX ((size_t)16 << 20)

/* FNV-1a, 64 bits. */
static uint64_t text_hash(const char *text, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return hash;
}

static void file_name(char ret[STORE_NAME_MAX], const char *prefix, const char *text, size_t size)
{
    snprintf(ret, STORE_NAME_MAX, "%s%016" PRIx64 ".json", prefix, text_hash(text, size));
}

/* Whether an address is a path, rather than one of another kind. */
static bool is_path(const char *address)
{
    static const char *const others[] = {"@", "tcp:", "vsock:", "fd:", "exec:"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strncmp(address, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

/* One spelling for an address, wherever it is written: the caller's to free(), NULL without memory. A name is one
 * already. */
static char *address_canonical(const char *address, bool name)
{
    char folder[PATH_MAX], *ret;

    if (strncmp(address, "unix:", 5) == 0)
        address += 5;
    if (name || !is_path(address) || address[0] == '/' || getcwd(folder, sizeof(folder)) == NULL)
        return strdup(address);
    while (strncmp(address, "./", 2) == 0)
        address += 2;
    return asprintf(&ret, "%s/%s", folder, address) >= 0 ? ret : NULL;
}

/* What is known of an address: what its file holds. */
struct place {
    char file[STORE_NAME_MAX];
    char *address; /* as JSON */
    char *text;
    qmp_value content;
};

static void place_done(struct place *p)
{
    free(p->address);
    free(p->text);
}

/* Reads the file of a place. */
static bool place_load(int folder, struct place *p)
{
    size_t size = 0;

    return store_read(folder, p->file, ADDRESS_SIZE_MAX, &p->text, &size) &&
           qmp_json_check(p->text, size, &p->content, /* reterr_description= */ NULL) >= 0;
}

/* Finds the file of an address. False when there is no such, or it is about another address. */
static bool place_read(int folder, const char *address, bool name, struct place *p)
{
    __attribute__((cleanup(qmp_freep))) char *canonical = address_canonical(address, name);
    qmp_value kept;

    p->address = canonical != NULL ? qmp_json("%s", canonical) : NULL;
    if (p->address == NULL)
        return false;
    file_name(p->file, ADDRESS_PREFIX, p->address, strlen(p->address));
    if (!place_load(folder, p))
        return false;
    kept = qmp_value_member(p->content, "address");
    return kept.size == strlen(p->address) && memcmp(kept.text, p->address, kept.size) == 0;
}

/* Whether a text is the name of a schema's file; anything else could lead out of the folder. */
static bool is_schema_file(const char *name)
{
    const size_t start = sizeof(SCHEMA_PREFIX) - 1, digits = 16;

    return strncmp(name, SCHEMA_PREFIX, start) == 0 && strspn(name + start, "0123456789abcdef") == digits &&
           strcmp(name + start + digits, ".json") == 0;
}

static struct schema *schema_read(int folder, const char *file)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    struct schema *s = NULL;
    size_t size = 0;

    if (!is_schema_file(file) || !store_read(folder, file, SCHEMA_SIZE_MAX, &text, &size))
        return NULL;
    if (schema_new(&s, text, size) < 0)
        return NULL;
    text = NULL;
    return s;
}

/* The schema that the file of an address names. */
static struct schema *place_schema(int folder, const struct place *p, char ret_file[STORE_NAME_MAX])
{
    __attribute__((cleanup(qmp_freep))) char *file = NULL;

    if (qmp_value_string(qmp_value_member(p->content, "schema"), &file, /* ret_size= */ NULL) < 0)
        return NULL;
    snprintf(ret_file, STORE_NAME_MAX, "%s", file);
    return schema_read(folder, file);
}

/* The schema kept for a connected server, where the same greeting was seen. */
static struct schema *kept_find(int folder, const char *address, qmp_value greeting)
{
    __attribute__((cleanup(place_done))) struct place p = {0};
    char file[STORE_NAME_MAX];
    struct schema *s;
    qmp_value seen;

    if (!place_read(folder, address, names_is_name(address), &p))
        return NULL;
    seen = qmp_value_member(p.content, "greeting");
    if (seen.size != greeting.size || memcmp(seen.text, greeting.text, seen.size) != 0)
        return NULL;
    s = place_schema(folder, &p, file);
    if (s != NULL) {
        store_touch(folder, p.file);
        store_touch(folder, file);
    }
    return s;
}

static void schema_keep(int folder, const char *address, qmp_value greeting, const struct schema *s)
{
    __attribute__((cleanup(place_done))) struct place p = {0};
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    qmp_value schema = schema_text(s);
    char file[STORE_NAME_MAX];
    int n;

    (void)place_read(folder, address, names_is_name(address), &p); /* for its name: what it holds is replaced */
    if (p.address == NULL || schema.size > SCHEMA_SIZE_MAX || greeting.size > ADDRESS_SIZE_MAX / 2)
        return;
    file_name(file, SCHEMA_PREFIX, schema.text, schema.size);
    n = asprintf(&text, "{\"address\": %s, \"greeting\": %.*s, \"schema\": \"%s\"}\n", p.address, (int)greeting.size,
        greeting.text, file);
    if (n < 0) {
        text = NULL;
        return;
    }
    if (!store_write(folder, file, schema.text, schema.size) || !store_write(folder, p.file, text, (size_t)n))
        return;
    store_prune(folder, SCHEMA_PREFIX, SCHEMA_FILES_MAX);
    store_prune(folder, ADDRESS_PREFIX, ADDRESS_FILES_MAX);
}

/* Asks a server for its schema. -EREMOTEIO when it has none to give. */
static int schema_ask(qmp_client *c, uint64_t deadline, struct schema **ret)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    int r = qmp_client_execute(
        c, COMMAND, /* arguments= */ NULL, duration_until(deadline), &reply, /* reterr_reply= */ NULL);

    return r < 0 ? r : schema_of_reply(ret, reply);
}

static int schema_get(const char *address, qmp_client *c, bool fresh, uint64_t deadline, struct schema **ret)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *greeting = NULL;
    __attribute__((cleanup(closep))) int folder = -1;
    qmp_value greeted;
    int r;

    *ret = NULL;
    if (qmp_client_greeting(c, &greeting) < 0) /* a guest agent */
        return -EREMOTEIO;
    greeted = qmp_value_member(qmp_message_root(greeting), "QMP");
    folder = store_open(/* make= */ true);
    if (folder >= 0 && !fresh)
        *ret = kept_find(folder, address, greeted);
    if (*ret != NULL)
        return 0;
    r = schema_ask(c, deadline, ret);
    if (r >= 0 && folder >= 0)
        schema_keep(folder, address, greeted, *ret);
    return r;
}

enum outcome cache_get(const struct options *o, qmp_client *c, bool fresh, struct schema **ret)
{
    int r = schema_get(connect_address(o), c, fresh, o->deadline, ret);

    if (r >= 0 || r == -EREMOTEIO || r == -EBADMSG)
        return OUTCOME_DONE;
    return r == -ENOMEM ? outcome_of_error("the schema", r) : ask_failed(o, c, COMMAND, r);
}

struct schema *cache_try(const struct options *o, qmp_client *c, bool fresh)
{
    uint64_t deadline = duration_deadline(TRY_TIMEOUT);
    struct schema *s = NULL;

    (void)schema_get(connect_address(o), c, fresh, deadline < o->deadline ? deadline : o->deadline, &s);
    return s;
}

/* The schema of an address, and that in *ret_address; of the place that was seen last when it is NULL. */
static struct schema *place_look(int folder, const char *address, bool name, char **ret_address)
{
    __attribute__((cleanup(place_done))) struct place p = {.address = NULL};
    char file[STORE_NAME_MAX];
    struct schema *s;
    bool found;

    if (address != NULL)
        found = place_read(folder, address, name, &p);
    else
        found = store_newest(folder, ADDRESS_PREFIX, p.file) && place_load(folder, &p);
    s = found ? place_schema(folder, &p, file) : NULL;
    if (s != NULL && qmp_value_string(qmp_value_member(p.content, "address"), ret_address, /* ret_size= */ NULL) < 0)
        s = schema_free(s);
    return s;
}

struct schema *cache_look_where(const char *address, char **ret_address)
{
    __attribute__((cleanup(closep))) int folder = store_open(/* make= */ false);
    struct schema *s = NULL;

    *ret_address = NULL;
    if (folder < 0)
        return NULL;
    /* A word that is no file may be the path of one that is not there now */
    if (address != NULL)
        s = place_look(folder, address, /* name= */ false, ret_address);
    if (s == NULL && address != NULL)
        s = place_look(folder, address, /* name= */ true, ret_address);
    return s != NULL ? s : place_look(folder, /* address= */ NULL, /* name= */ false, ret_address);
}

struct schema *cache_look(const char *address)
{
    __attribute__((cleanup(qmp_freep))) char *where = NULL;

    return cache_look_where(address, &where);
}
