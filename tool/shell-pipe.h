/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_PIPE_H
#define TOOL_SHELL_PIPE_H

#include "shell.h"

/* Writes something to standard output. */
typedef enum outcome (*pipe_write_fn)(const qmp_message *reply);

/* Runs a program of the user's shell with what `write` writes as its standard input, and waits for its end. */
enum outcome pipe_run(struct shell *s, const char *program, pipe_write_fn write, const qmp_message *reply);

#endif
