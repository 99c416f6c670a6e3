/* SPDX-License-Identifier: MIT */
#ifndef TOOL_GA_FILE_H
#define TOOL_GA_FILE_H

#include "options.h"

/* The most that is read or written at once: small enough for the oldest agent and the slowest serial port. It is a
 * multiple of 3, so base64 pads nothing. */
#define GA_FILE_CHUNK_MAX ((size_t)48 * 1024)

/* A file that is open in the guest. */
struct ga_file {
    const struct options *options;
    qmp_client *client;
    const char *path;
    int64_t handle;
    bool open;
};

/* Refuses a path that cannot be sent. */
enum outcome ga_file_path_check(const char *path);

/* Opens a file; `mode` is that of fopen(3). */
enum outcome ga_file_open(
    struct ga_file *f, const struct options *o, qmp_client *c, const char *path, const char *mode);

/* Runs a command on the file, whose arguments are its handle and `more`: JSON text of more members, such as
 * ",\"count\":1", or "". */
enum outcome ga_file_ask(const struct ga_file *f, const char *command, const char *more, qmp_message **ret);

/* Closes it. After a failure, `quietly`: the agent is told while it listens, and nothing more is complained of. */
enum outcome ga_file_close(struct ga_file *f, bool quietly);

#endif
