/* SPDX-License-Identifier: MIT */

/* The verb ga cat: a file of the guest on standard output, piece by piece.
 *
 * It ends early, and closes the file, when the reader has gone or a signal asks for the end. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "complain.h"
#include "ending.h"
#include "ga-file.h"
#include "ga.h"
#include "guest-text.h"
#include "output.h"
#include "program.h"

/* Room for ",\"count\":N". */
#define MORE_MAX 40

/* Reads one piece and passes it on. `*ret_error` is why standard output did not take it. */
static enum outcome piece_pass(const struct ga_file *f, struct guest_text *text, bool *ret_eof, int *ret_error)
{
    __attribute__((cleanup(qmp_message_unrefp))) qmp_message *reply = NULL;
    __attribute__((cleanup(qmp_freep))) char *bytes = NULL;
    static const char command[] = "guest-file-read";
    char more[MORE_MAX];
    size_t size = 0;
    int64_t count = 0;
    enum outcome outcome;
    qmp_value v;

    snprintf(more, sizeof(more), ",\"count\":%zu", GA_FILE_CHUNK_MAX);
    outcome = ga_file_ask(f, command, more, &reply);
    if (outcome != OUTCOME_DONE)
        return outcome;
    v = qmp_reply_value(reply);
    outcome = ga_bytes(command, v, "buf-b64", &bytes, &size);
    if (outcome == OUTCOME_DONE)
        outcome = ga_number(command, v, "count", &count);
    if (outcome == OUTCOME_DONE)
        outcome = ga_truth(command, v, "eof", ret_eof);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (size != (uint64_t)count || size > GA_FILE_CHUNK_MAX)
        return ga_senseless(command, "not as many bytes as it says, or more than were asked for");
    if (size == 0 && !*ret_eof)
        return ga_senseless(command, "neither bytes nor the end of the file");
    *ret_error = guest_text_write(text, bytes, size);
    return OUTCOME_DONE;
}

static enum outcome file_pass(const struct ga_file *f, int *ret_error)
{
    struct guest_text text = guest_text_start(STDOUT_FILENO);
    enum outcome outcome = OUTCOME_DONE;
    bool eof = false;

    while (outcome == OUTCOME_DONE && *ret_error == 0 && !eof) {
        outcome = piece_pass(f, &text, &eof, ret_error);
        if (ending_noted() != 0)
            *ret_error = -EINTR;
    }
    if (outcome == OUTCOME_DONE && *ret_error == 0)
        *ret_error = guest_text_end(&text);
    return outcome;
}

static enum outcome cat(const struct options *o, qmp_client *c, const char *path)
{
    struct ga_file f;
    int error = 0;
    enum outcome outcome = ga_file_open(&f, o, c, path, "r"), closed;

    if (outcome == OUTCOME_DONE)
        outcome = file_pass(&f, &error);
    closed = ga_file_close(&f, outcome != OUTCOME_DONE || error < 0);
    if (ending_noted() != 0)
        program_die(ending_noted());
    if (error == -EPIPE)
        output_abandon();
    if (error < 0) {
        complain("cannot write to standard output: %s", strerror(-error));
        return OUTCOME_LOCAL;
    }
    return outcome == OUTCOME_DONE ? closed : outcome;
}

static enum outcome cat_run(const struct options *o, const char *const *words, size_t n)
{
    __attribute__((cleanup(qmp_client_unrefp))) qmp_client *c = NULL;
    enum outcome outcome = ga_words_check(words, n, 1);

    if (outcome == OUTCOME_DONE)
        outcome = ga_file_path_check(words[0]);
    if (outcome == OUTCOME_DONE)
        outcome = ga_open(o, &c);
    if (outcome != OUTCOME_DONE)
        return outcome;
    ending_note();
    return cat(o, c, words[0]);
}

const struct verb verb_ga_cat = {
    .name = "cat",
    .synopsis = "PATH",
    .summary = "print a file of the guest",
    .description = "Writes a file of the guest to standard output, byte for byte; on a terminal,\n"
                   "with everything escaped that it might obey.\n",
    .examples = "  qmp ga cat /etc/os-release\n"
                "  qmp ga cat /var/log/messages >messages\n",
    .options = OPTIONS_CONNECT,
    .words_min = 1,
    .run = cat_run,
};
