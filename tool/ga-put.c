/* SPDX-License-Identifier: MIT */

/* The verb ga put: a file of ours, or standard input, into a file of the guest.
 *
 * Our side is opened before the guest's, whose file is emptied by opening it. What the agent took less than it was
 * given is given again. It has taken everything only when flushing and closing succeeded too, because it buffers. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "complain.h"
#include "ending.h"
#include "ga-file.h"
#include "ga.h"
#include "program.h"

/* Room for ",\"buf-b64\":\"…\"" and a NUL. */
#define MORE_MAX (BASE64_SIZE(GA_FILE_CHUNK_MAX) + 32)

struct transfer {
    struct ga_file file;
    int fd;
    const char *source;
    unsigned long long written; /* that the agent confirmed */
    char bytes[GA_FILE_CHUNK_MAX];
    char more[MORE_MAX];
};

/* Writes once. `*ret` is how many of the bytes the agent took. */
static enum outcome bytes_offer(struct transfer *t, const char *bytes, size_t size, size_t *ret)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    static const char command[] = "guest-file-write";
    char *end = t->more + sprintf(t->more, ",\"buf-b64\":\"");
    int64_t count = 0;
    enum outcome outcome;

    end += base64_encode(end, bytes, size);
    strcpy(end, "\"");
    outcome = ga_file_ask(&t->file, command, t->more, &reply);
    if (outcome == OUTCOME_DONE)
        outcome = ga_number(command, qmp_reply_value(reply), "count", &count);
    if (outcome == OUTCOME_DONE && (count <= 0 || (uint64_t)count > size))
        outcome = ga_senseless(command, "it wrote nothing, or more than it got");
    if (outcome == OUTCOME_DONE)
        *ret = (size_t)count;
    return outcome;
}

static enum outcome bytes_put(struct transfer *t, size_t size)
{
    enum outcome outcome = OUTCOME_DONE;
    size_t done = 0, n = 0;

    while (outcome == OUTCOME_DONE && done < size) {
        outcome = bytes_offer(t, t->bytes + done, size - done, &n);
        if (outcome == OUTCOME_DONE) {
            done += n;
            t->written += n;
        }
    }
    return outcome;
}

/* Everything up to the end of our file, or until a signal asks for the end. */
static enum outcome file_put(struct transfer *t)
{
    enum outcome outcome = OUTCOME_DONE;

    while (outcome == OUTCOME_DONE && ending_noted() == 0) {
        ssize_t n = read(t->fd, t->bytes, sizeof(t->bytes));
        if (n == 0)
            return OUTCOME_DONE;
        if (n > 0) {
            outcome = bytes_put(t, (size_t)n);
        } else if (errno != EINTR) {
            complain("cannot read %s: %s", t->source, strerror(errno));
            outcome = OUTCOME_LOCAL;
        }
    }
    return outcome;
}

static enum outcome transfer_run(struct transfer *t)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    enum outcome outcome = file_put(t), closed;
    bool failed;

    if (outcome == OUTCOME_DONE && ending_noted() == 0)
        outcome = ga_file_ask(&t->file, "guest-file-flush", "", &reply);
    failed = outcome != OUTCOME_DONE || ending_noted() != 0;
    closed = ga_file_close(&t->file, /* quietly= */ failed);
    if (!failed)
        outcome = closed;
    if (failed || closed != OUTCOME_DONE)
        complain("%s in the guest is not complete: it got %llu bytes", t->file.path, t->written);
    if (ending_noted() != 0)
        program_die(ending_noted());
    return outcome;
}

/* Opens our side; nothing was sent yet. */
static enum outcome source_open(const char *word, struct transfer *t)
{
    struct stat file;

    t->fd = strcmp(word, "-") == 0 ? STDIN_FILENO : open(word, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    t->source = t->fd == STDIN_FILENO ? "standard input" : word;
    if (t->fd >= 0 && fstat(t->fd, &file) == 0 && S_ISDIR(file.st_mode))
        errno = EISDIR;
    else if (t->fd >= 0)
        return OUTCOME_DONE;
    complain("cannot read %s: %s", t->source, strerror(errno));
    return OUTCOME_LOCAL;
}

static void transfer_freep(struct transfer **t)
{
    if (*t != NULL && (*t)->fd > STDERR_FILENO)
        close((*t)->fd);
    free(*t);
}

static enum outcome put_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    __attribute__((cleanup(transfer_freep))) struct transfer *t = calloc(1, sizeof(*t));
    enum outcome outcome = ga_words_check(words, n, 2);

    if (t == NULL)
        return outcome_of_error("a file", -ENOMEM);
    if (outcome == OUTCOME_DONE)
        outcome = ga_file_path_check(words[1]);
    if (outcome == OUTCOME_DONE)
        outcome = source_open(words[0], t);
    if (outcome == OUTCOME_DONE)
        outcome = ga_open(o, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    ending_note();
    outcome = ga_file_open(&t->file, o, c, words[1], "w");
    if (outcome == OUTCOME_DONE)
        outcome = transfer_run(t);
    return outcome;
}

const struct verb verb_ga_put = {
    .name = "put",
    .synopsis = "FILE|- PATH",
    .summary = "write a file of the guest",
    .description = "Writes FILE, or standard input for '-', into the file PATH of the guest, which\n"
                   "is made when it is not there and emptied when it is. When that fails in the\n"
                   "middle, standard error says how much was written.\n",
    .examples = "  qmp ga put authorized_keys /root/.ssh/authorized_keys\n"
                "  tar c site | qmp ga put - /tmp/site.tar\n",
    .options = OPTIONS_CONNECT,
    .words_min = 2,
    .run = put_run,
};
