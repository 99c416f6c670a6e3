/* SPDX-License-Identifier: MIT */

/* Files that arguments come from, standard input among them.
 *
 * Where a command goes to several servers, each of them gets all that standard input holds: it is read once, by the
 * first that wants it, and kept. It knows nothing of what is in a file. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "input.h"

/* The most that is taken: what QEMU takes for a message. */
#define INPUT_MAX QMP_MESSAGE_MAX
#define INPUT_FIRST ((size_t)4096)

/* What came of reading a file. */
struct content {
    char *text;
    size_t size;
    int error; /* negative */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct content standard; /* after `once` */

static struct content descriptor_read(int fd)
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
    } while (content.size <= INPUT_MAX && (n > 0 || (n < 0 && errno == EINTR)));
    content.error = content.size > INPUT_MAX ? -EFBIG : n < 0 ? -errno : 0;
    content.text[content.size] = '\0';
    return content;
}

static void standard_read(void)
{
    standard = descriptor_read(STDIN_FILENO);
}

static struct content path_read(const char *path)
{
    struct content content = {NULL, 0, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        content.error = -errno;
        return content;
    }
    content = descriptor_read(fd);
    close(fd);
    return content;
}

static struct content standard_copy(void)
{
    struct content content;

    pthread_once(&once, standard_read);
    content = standard;
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

enum outcome input_read(const char *path, char **ret, size_t *ret_size)
{
    struct content content = strcmp(path, "-") == 0 ? standard_copy() : path_read(path);

    if (content.error == 0) {
        *ret = content.text;
        *ret_size = content.size;
        return OUTCOME_DONE;
    }
    free(content.text);
    if (content.error == -EFBIG) {
        complain("%s: more than %zu MiB", input_name(path), INPUT_MAX >> 20);
        return OUTCOME_USAGE;
    }
    complain("cannot read %s: %s", input_name(path), strerror(-content.error));
    return OUTCOME_LOCAL;
}
