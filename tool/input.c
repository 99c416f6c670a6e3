/* SPDX-License-Identifier: MIT */

/* Files that are read whole, standard input among them.
 *
 * What cannot be read is trouble on this side, whoever wants it; what is larger than the limit is wrong usage. Where a
 * command goes to several servers, each of them gets all that standard input holds: it is read once, by the first that
 * wants it, and kept. It knows nothing of what is in a file. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "input.h"

#define INPUT_FIRST ((size_t)4096)

/* What came of reading a file. */
struct content {
    char *text;
    size_t size;
    int error; /* negative */
};

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;
static bool was_read;           /* under `reading` */
static struct content standard; /* under `reading`; once it was read, it stays as it is */

static struct content descriptor_read(int fd, size_t max)
{
    struct content content = {NULL, 0, 0};
    size_t capacity = 0;
    ssize_t n;

    do {
        if (capacity - content.size < 2) {
            char *grown = realloc(content.text, capacity = capacity == 0 ? INPUT_FIRST : capacity * 2);
            content.error = grown == NULL ? -ENOMEM : 0;
            if (grown == NULL)
                return content;
            content.text = grown;
        }
        n = read(fd, content.text + content.size, capacity - content.size - 1);
        content.size += n > 0 ? (size_t)n : 0;
    } while (content.size <= max && (n > 0 || (n < 0 && errno == EINTR)));
    content.error = content.size > max ? -EFBIG : n < 0 ? -errno : 0;
    content.text[content.size] = '\0';
    return content;
}

static struct content path_read(const char *path, size_t max)
{
    struct content content = {NULL, 0, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        content.error = -errno;
        return content;
    }
    content = descriptor_read(fd, max);
    close(fd);
    return content;
}

static struct content standard_copy(size_t max)
{
    struct content content;

    pthread_mutex_lock(&reading);
    if (!was_read)
        standard = descriptor_read(STDIN_FILENO, max);
    was_read = true;
    content = standard;
    pthread_mutex_unlock(&reading);
    if (content.error == 0 && (content.text = malloc(content.size + 1)) == NULL)
        content.error = -ENOMEM;
    if (content.error == 0)
        memcpy(content.text, standard.text, content.size + 1);
    else
        content.text = NULL;
    return content;
}

const char *input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

enum outcome input_read(const char *path, size_t max, char **ret, size_t *ret_size)
{
    struct content content = strcmp(path, "-") == 0 ? standard_copy(max) : path_read(path, max);

    if (content.error == 0) {
        *ret = content.text;
        *ret_size = content.size;
        return OUTCOME_DONE;
    }
    free(content.text);
    if (content.error == -EFBIG) {
        complain("%s: more than %zu MiB", input_name(path), max >> 20);
        return OUTCOME_USAGE;
    }
    complain("cannot read %s: %s", input_name(path), strerror(-content.error));
    return OUTCOME_LOCAL;
}
