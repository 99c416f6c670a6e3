/* SPDX-License-Identifier: MIT */

/* The file of a capture, while it is written.
 *
 * Each record is composed in memory and goes out at once, so that nothing is lost when the command is killed, and who
 * reads along sees it. The invariant: a file holds whole records only; one that could not be written to its end, on a
 * full disk, is cut off again. Messages hold passwords, so a file is made for its owner alone, and none is overwritten,
 * which might be open to others. When the reader of a pipe goes away, that ends the capture, not the process: there may
 * be something to undo first.
 *
 * It knows the formats by their names alone. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complain.h"
#include "ending.h"
#include "lines.h"
#include "output.h"
#include "pcap.h"
#include "recorder.h"

struct capture_format {
    const char *prefix, *suffix;
    bool binary;
    bool (*begin)(struct buffer *b);                                /* NULL: with nothing */
    bool (*compose)(struct buffer *b, const struct record *record); /* false: no memory */
};

static const struct capture_format formats[] = {
    {"pcap:", ".pcap", true, pcap_begin, pcap_compose},
    {"json:", "", false, NULL, lines_compose},
};

#define FORMATS_END (formats + sizeof(formats) / sizeof(formats[0]))

struct recorder {
    const struct capture_format *format;
    const char *name;
    int fd;
    bool own;       /* we made the file */
    bool abandoned; /* its reader has gone */
    off_t whole;    /* bytes of whole records */
    size_t count;
    struct buffer composed;
};

/* The format that a name stands for, and the name without a prefix. */
static const struct capture_format *format_find(const char **name)
{
    size_t size = strlen(*name);

    for (const struct capture_format *format = formats; format < FORMATS_END; format++) {
        size_t n = strlen(format->prefix);
        if (strncmp(*name, format->prefix, n) != 0)
            continue;
        *name += n;
        return format;
    }
    for (const struct capture_format *format = formats;; format++) {
        size_t n = strlen(format->suffix);
        if (n <= size && strcmp(*name + size - n, format->suffix) == 0)
            return format;
    }
}

static enum outcome failed(const char *name, int error)
{
    complain("cannot write to %s: %s", name, strerror(error));
    return OUTCOME_LOCAL;
}

/* Opens what is there already, unless that would overwrite something. */
static enum outcome existing_open(struct recorder *r)
{
    struct stat st;

    if (stat(r->name, &st) < 0)
        return failed(r->name, errno);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)) {
        complain("%s is there already, and a capture overwrites nothing: remove it, or write to another file", r->name);
        return OUTCOME_LOCAL;
    }
    r->fd = open(r->name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return r->fd >= 0 ? OUTCOME_DONE : failed(r->name, errno);
}

static enum outcome file_open(struct recorder *r)
{
    r->fd = open(r->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
    r->own = r->fd >= 0;
    if (!r->own && errno == EEXIST)
        return existing_open(r);
    return r->own ? OUTCOME_DONE : failed(r->name, errno);
}

static enum outcome standard_output_open(struct recorder *r)
{
    r->name = "standard output";
    if (output_is_terminal() && r->format->binary) {
        complain("a pcap is not for a terminal: write it to a file, or into a pipe");
        return OUTCOME_USAGE;
    }
    r->fd = STDOUT_FILENO;
    return OUTCOME_DONE;
}

/* Writes what was composed. Returns 0 or the errno; -EINTR when the end was asked for before it was all out. */
static int composed_write(struct recorder *r)
{
    while (r->composed.size > 0) {
        ssize_t n = write(r->fd, buffer_data(&r->composed), r->composed.size);
        if (n >= 0) {
            buffer_consume(&r->composed, (size_t)n);
        } else if (errno == EAGAIN) {
            struct pollfd fd = {r->fd, POLLOUT, 0};
            poll(&fd, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
        if (n < 0 && ending_noted() != 0)
            return -EINTR;
    }
    return 0;
}

/* Writes what was composed, or nothing of it where that can be taken back. */
static enum outcome composed_out(struct recorder *r)
{
    off_t size = (off_t)r->composed.size;
    int error = composed_write(r);

    if (error == 0) {
        r->whole += size;
        return OUTCOME_DONE;
    }
    buffer_clear(&r->composed);
    if (r->own && ftruncate(r->fd, r->whole) < 0)
        complain("%s ends in the middle of a record: %s", r->name, strerror(errno));
    r->abandoned = error == -EPIPE;
    if (r->abandoned || error == -EINTR)
        return OUTCOME_LOCAL;
    return failed(r->name, -error);
}

enum outcome recorder_open(const char *name, struct recorder **ret)
{
    __attribute__((cleanup(recorder_closep))) struct recorder *r = calloc(1, sizeof(*r));
    enum outcome outcome;

    if (r == NULL)
        return outcome_of_error("the capture", -ENOMEM);
    r->fd = -1;
    r->name = name;
    r->format = format_find(&r->name);
    outcome = strcmp(r->name, "-") == 0 ? standard_output_open(r) : file_open(r);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (r->format->begin != NULL && !r->format->begin(&r->composed))
        return outcome_of_error("the capture", -ENOMEM);
    outcome = composed_out(r);
    if (outcome != OUTCOME_DONE)
        return outcome;
    *ret = r;
    r = NULL;
    return OUTCOME_DONE;
}

enum outcome recorder_add(struct recorder *r, const struct record *record)
{
    enum outcome outcome;

    if (!r->format->compose(&r->composed, record))
        return outcome_of_error("the capture", -ENOMEM);
    if (r->fd == STDOUT_FILENO && output_is_terminal()) {
        outcome = output_json((qmp_value){buffer_data(&r->composed), r->composed.size - 1});
        buffer_clear(&r->composed);
        if (outcome == OUTCOME_DONE)
            outcome = output_flush();
    } else {
        outcome = composed_out(r);
    }
    if (outcome == OUTCOME_DONE)
        r->count++;
    return outcome;
}

int recorder_fd(const struct recorder *r)
{
    return r->fd;
}

size_t recorder_count(const struct recorder *r)
{
    return r->count;
}

bool recorder_abandoned(const struct recorder *r)
{
    struct pollfd fd = {r->fd, 0, 0};

    return r->abandoned || (poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR));
}

struct recorder *recorder_close(struct recorder *r)
{
    if (r == NULL)
        return NULL;
    if (r->own && r->count == 0)
        unlink(r->name);
    if (r->fd > STDERR_FILENO)
        close(r->fd);
    buffer_done(&r->composed);
    free(r);
    return NULL;
}
