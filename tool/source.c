/* SPDX-License-Identifier: MIT */

/* Where a schema is from: a server that runs, what was kept of one that does not, a file.
 *
 * Who wants to read about a command should not have to start a QEMU first, so what was seen last is good enough, but
 * never passed off as something else. Who compares two servers wants these two and no other.
 *
 * It knows nothing of what is in a schema but the names. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "closing.h"
#include "complain.h"
#include "connect.h"
#include "guess.h"
#include "meta.h"
#include "source.h"

/* The largest file that is read: what a message may have. */
#define FILE_MAX QMP_MESSAGE_MAX

static enum outcome connected_get(const struct options *o, qmp_client *c, struct schema **ret)
{
    enum outcome outcome = cache_get(o, c, /* fresh= */ true, ret);

    if (outcome != OUTCOME_DONE || *ret != NULL)
        return outcome;
    complain("this server does not describe itself: it has no query-qmp-schema");
    return OUTCOME_UNKNOWN;
}

/* What was kept, in place of a server that cannot be reached; the outcome of that when nothing was. */
static enum outcome kept_get(const char *address, enum outcome why, struct schema **ret)
{
    *ret = cache_look(address);
    if (*ret == NULL)
        return why;
    complain("the schema that was last seen is used instead");
    return OUTCOME_DONE;
}

enum outcome source_get(const struct options *o, struct schema **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    const char *address = connect_address(o);
    enum outcome outcome;
    int r;

    if (address == NULL)
        return kept_get(/* address= */ NULL, OUTCOME_USAGE, ret);
    outcome = connect_prepare(o, /* l= */ NULL, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    r = connect_run(o, c);
    if (r >= 0)
        return connected_get(o, c, ret);
    outcome = outcome_of_failure(c, r);
    return outcome == OUTCOME_USAGE || outcome == OUTCOME_LOCAL ? outcome : kept_get(address, outcome, ret);
}

static enum outcome file_complain(const char *path, int error)
{
    complain("%s: %s", path, strerror(error));
    return error == ENOMEM || error == EMFILE || error == ENFILE ? OUTCOME_LOCAL : OUTCOME_USAGE;
}

/* Everything that is in an open file. */
static enum outcome file_read(const char *path, int fd, size_t size, char **ret, size_t *ret_size)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;

    if (size > FILE_MAX)
        return file_complain(path, EFBIG);
    text = malloc(size + 1);
    if (text == NULL)
        return file_complain(path, ENOMEM);
    *ret_size = 0;
    while (*ret_size < size) {
        ssize_t n = read(fd, text + *ret_size, size - *ret_size);
        if (n < 0 && errno != EINTR)
            return file_complain(path, errno);
        if (n == 0)
            break;
        *ret_size += n > 0 ? (size_t)n : 0;
    }
    text[*ret_size] = '\0';
    *ret = text;
    text = NULL;
    return OUTCOME_DONE;
}

static enum outcome file_open(const char *path, int fd, size_t size, struct schema **ret)
{
    __attribute__((cleanup(qmp_freep))) char *text = NULL;
    enum outcome outcome = file_read(path, fd, size, &text, &size);
    int r;

    if (outcome != OUTCOME_DONE)
        return outcome;
    r = schema_new(ret, text, size);
    if (r == -ENOMEM)
        return outcome_of_error(path, r);
    if (r < 0) {
        complain("%s: this is not what 'qmp call query-qmp-schema' prints", path);
        return OUTCOME_USAGE;
    }
    text = NULL;
    return OUTCOME_DONE;
}

enum outcome source_open(const struct options *o, const char *where, struct schema **ret)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(closep))) int fd = -1;
    struct options server = *o;
    struct stat status;
    enum outcome outcome;

    if (stat(where, &status) >= 0 && S_ISREG(status.st_mode)) {
        fd = open(where, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? file_complain(where, errno) : file_open(where, fd, (size_t)status.st_size, ret);
    }
    server.address = where;
    outcome = connect_open(&server, /* l= */ NULL, &c);
    return outcome == OUTCOME_DONE ? connected_get(&server, c, ret) : outcome;
}

enum outcome source_entity(const struct schema *s, const char *name, qmp_value *ret)
{
    struct guess guess = guess_start(name);
    size_t position = 0;
    qmp_value entity;

    *ret = schema_find(s, name);
    if (meta_of(*ret) != META_NONE)
        return OUTCOME_DONE;
    while (schema_next(s, &position, &entity)) {
        qmp_value bare = meta_bare(qmp_value_member(entity, "name"));
        if (meta_of(entity) == META_COMMAND || meta_of(entity) == META_EVENT)
            guess_add_sized(&guess, bare.text, bare.size);
    }
    if (guess.best[0] != '\0')
        complain("there is no command or event '%s'; did you mean '%s'?", name, guess.best);
    else
        complain("there is no command or event '%s'; 'qmp schema ls' shows them all", name);
    return OUTCOME_UNKNOWN;
}
