/* SPDX-License-Identifier: MIT */

/* Names of what is there: which query tells what an argument may be.
 *
 * A schema says of an id that it is a string, and no more; which ones there are is known to the server alone. What an
 * argument of a name stands for is in a table. Somebody is waiting with a finger on a key, so all the questions
 * together have one short deadline, and one that is refused offers nothing.
 *
 * It knows nothing of who asks. */

#include "live.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"

/* For all questions of one completion. */
#define PATIENCE (300 * QMP_MILLISECOND)
/* The longest word that is offered, and the longest folder of a path. */
#define WORD_MAX 512

struct live {
    qmp_client *client;
    uint64_t deadline;
    const char *const *words;
    size_t n_words;
    const char *key; /* what is written before the value, "=" included */
    size_t key_size;
    const char *written; /* of the value */
    complete_fn candidate;
    void *userdata;
};

/* The answer to a question; NULL when there is none in time. */
static qmp_message *ask(struct live *live, const char *command, const char *arguments)
{
    qmp_message *reply = NULL;

    qmp_client_execute(
        live->client, command, arguments, duration_until(live->deadline), &reply, /* reterr_reply= */ NULL);
    return reply;
}

/* Offers a value if it starts with what is written. */
static void offer(struct live *live, const char *value, const char *meaning, bool finished)
{
    char word[WORD_MAX];
    int n = snprintf(word, sizeof(word), "%.*s%s", (int)live->key_size, live->key, value);

    if (*value != '\0' && n < (int)sizeof(word) && strncmp(value, live->written, strlen(live->written)) == 0)
        live->candidate(word, meaning, finished, live->userdata);
}

static void offer_string(struct live *live, qmp_value v)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;

    if (qmp_value_string(v, &text, /* ret_size= */ NULL) >= 0)
        offer(live, text, "", /* finished= */ true);
}

/* Offers a member of each item that a query returns. */
static void items_offer(struct live *live, const char *command, const char *path)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = ask(live, command, /* arguments= */ NULL);
    qmp_value item = {NULL, 0};

    while (reply != NULL && qmp_value_next(qmp_reply_value(reply), /* key= */ NULL, &item))
        offer_string(live, qmp_value_path(item, path));
}

static void jobs_offer(struct live *live)
{
    items_offer(live, "query-jobs", "id");
}

static void block_jobs_offer(struct live *live)
{
    items_offer(live, "query-block-jobs", "device");
}

static void nodes_offer(struct live *live)
{
    items_offer(live, "query-named-block-nodes", "node-name");
}

static void drives_offer(struct live *live)
{
    items_offer(live, "query-block", "device");
    nodes_offer(live);
}

static void exports_offer(struct live *live)
{
    items_offer(live, "query-block-exports", "id");
}

static void chardevs_offer(struct live *live)
{
    items_offer(live, "query-chardev", "label");
}

static void iothreads_offer(struct live *live)
{
    items_offer(live, "query-iothreads", "id");
}

static void memdevs_offer(struct live *live)
{
    items_offer(live, "query-memdev", "id");
}

/* What a folder of the object tree holds; NULL when that cannot be known. */
static qmp_message *folder_list(struct live *live, const char *folder)
{
    __attribute__((cleanup(qmp_freep))) char *arguments = qmp_json("{'path': %s}", folder);

    return arguments != NULL ? ask(live, "qom-list", arguments) : NULL;
}

/* Offers what a folder has, or has not, as children. */
static void folder_offer(struct live *live, const char *folder, bool children)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = folder_list(live, folder);
    qmp_value item = {NULL, 0};

    while (reply != NULL && qmp_value_next(qmp_reply_value(reply), /* key= */ NULL, &item)) {
        __attribute__((cleanup(qmp_freep))) char *type = NULL;
        if (qmp_value_string(qmp_value_member(item, "type"), &type, /* ret_size= */ NULL) >= 0 &&
            (strncmp(type, "child<", strlen("child<")) == 0) == children)
            offer_string(live, qmp_value_member(item, "name"));
    }
}

static void devices_offer(struct live *live)
{
    folder_offer(live, "/machine/peripheral", /* children= */ true);
}

static void objects_offer(struct live *live)
{
    folder_offer(live, "/objects", /* children= */ true);
}

/* No query tells of netdevs but the human monitor's: "net0: index=0,type=user,...", below a device with " \ " before
 * it. */
static void netdevs_offer(struct live *live)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply =
        ask(live, "human-monitor-command", "{\"command-line\": \"info network\"}");
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    char *rest = NULL;

    if (reply == NULL || qmp_value_string(qmp_reply_value(reply), &text, /* ret_size= */ NULL) < 0)
        return;
    for (char *row = strtok_r(text, "\r\n", &rest); row != NULL; row = strtok_r(NULL, "\r\n", &rest)) {
        char *colon = strstr(row, ": index="), *name = row + strspn(row, " \\");
        if (colon == NULL || strstr(colon, "type=nic") != NULL)
            continue;
        *colon = '\0';
        offer(live, name, "", /* finished= */ true);
    }
}

/* The value of another argument, "" when it is not there. */
static const char *argument_get(const struct live *live, const char *key)
{
    size_t size = strlen(key);

    for (size_t i = 1; i + 1 < live->n_words; i++)
        if (strncmp(live->words[i], key, size) == 0 && live->words[i][size] == '=')
            return live->words[i] + size + 1;
    return "";
}

static void properties_offer(struct live *live)
{
    folder_offer(live, argument_get(live, "path"), /* children= */ false);
}

static void bitmaps_offer(struct live *live)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply =
        ask(live, "query-named-block-nodes", /* arguments= */ NULL);
    const char *node = argument_get(live, "node");
    qmp_value item = {NULL, 0};

    while (reply != NULL && qmp_value_next(qmp_reply_value(reply), /* key= */ NULL, &item)) {
        qmp_value bitmap = {NULL, 0};
        if (qmp_value_equals(qmp_value_member(item, "node-name"), node))
            while (qmp_value_next(qmp_value_member(item, "dirty-bitmaps"), /* key= */ NULL, &bitmap))
                offer_string(live, qmp_value_member(bitmap, "name"));
    }
}

/* A path in the object tree, one level at a time. */
static void path_offer(struct live *live)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    const char *slash = strrchr(live->written, '/');
    size_t size = slash != NULL ? (size_t)(slash - live->written) : 0;
    char folder[WORD_MAX], path[WORD_MAX];
    qmp_value item = {NULL, 0};

    if (live->written[0] != '/') {
        offer(live, "/", "", /* finished= */ false);
        return;
    }
    if (size + 1 >= sizeof(folder))
        return;
    snprintf(folder, sizeof(folder), "%.*s", (int)(size > 0 ? size : 1), live->written);
    reply = folder_list(live, folder);
    while (reply != NULL && qmp_value_next(qmp_reply_value(reply), /* key= */ NULL, &item)) {
        __attribute__((cleanup(qmp_freep))) char *name = NULL, *type = NULL;
        if (qmp_value_string(qmp_value_member(item, "name"), &name, /* ret_size= */ NULL) < 0 ||
            qmp_value_string(qmp_value_member(item, "type"), &type, /* ret_size= */ NULL) < 0 ||
            strncmp(type, "child<", strlen("child<")) != 0)
            continue;
        snprintf(path, sizeof(path), "%.*s/%s%s", (int)size, live->written, name,
            strcmp(type, "child<container>") == 0 ? "/" : "");
        offer(live, path, type, /* finished= */ false);
    }
}

/* Which arguments of which commands are what; the first row that fits counts. */
static const struct {
    const char *command, *key; /* globs; the key without what is before its last dot */
    void (*offer)(struct live *live);
} table[] = {
    {"qom-*", "path", path_offer},
    {"qom-[gs]et", "property", properties_offer},
    {"block-job-*", "device", block_jobs_offer},
    {"block-job-*", "id", block_jobs_offer},
    {"job-*", "id", jobs_offer},
    {"device_del", "id", devices_offer},
    {"object-del", "id", objects_offer},
    {"netdev_del", "id", netdevs_offer},
    {"chardev-*", "id", chardevs_offer},
    {"block-export-del", "id", exports_offer},
    {"block-dirty-bitmap-add", "name", NULL},
    {"block-dirty-bitmap-*", "name", bitmaps_offer},
    {"block-dirty-bitmap-*", "target", bitmaps_offer},
    {"blockdev-*-tray", "id", devices_offer},
    {"blockdev-*-medium", "id", devices_offer},
    {"eject", "id", devices_offer},
    {"block_set_io_throttle", "id", devices_offer},
    {"blockdev-add", "node-name", NULL},
    {"*", "node-name", nodes_offer},
    {"*block*", "node", nodes_offer},
    {"*block*", "file", nodes_offer},
    {"*block*", "backing", nodes_offer},
    {"*block*", "source", nodes_offer},
    {"*block*", "target", nodes_offer},
    {"*block*", "*-node", nodes_offer},
    {"*block*", "parent", drives_offer},
    {"*block*", "device", drives_offer},
    {"drive-*", "device", drives_offer},
    {"change-backing-file", "device", drives_offer},
    {"device_add", "drive", drives_offer},
    {"*", "chardev", chardevs_offer},
    {"*", "netdev", netdevs_offer},
    {"*", "iothread", iothreads_offer},
    {"*", "memdev", memdevs_offer},
};

void live_complete(qmp_client *c, const char *const *words, size_t n_words, complete_fn candidate, void *userdata)
{
    const char *word = words[n_words - 1], *equals = strchr(word, '=');
    char key[WORD_MAX];
    const char *dot;
    struct live live;

    if (n_words < 2 || equals == NULL || (size_t)(equals - word) >= sizeof(key))
        return;
    snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
    dot = strrchr(key, '.');
    live = (struct live){.client = c,
        .deadline = duration_deadline(PATIENCE),
        .words = words,
        .n_words = n_words,
        .key = word,
        .key_size = (size_t)(equals + 1 - word),
        .written = equals + 1,
        .candidate = candidate,
        .userdata = userdata};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (fnmatch(table[i].command, words[0], /* flags= */ 0) != 0 ||
            fnmatch(table[i].key, dot != NULL ? dot + 1 : key, /* flags= */ 0) != 0)
            continue;
        if (table[i].offer != NULL)
            table[i].offer(&live);
        return;
    }
}
