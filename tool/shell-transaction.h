/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_TRANSACTION_H
#define TOOL_SHELL_TRANSACTION_H

#include "shell.h"

/* What stands between "transaction(" and ")". */
enum outcome transaction_begin(struct shell *s);
enum outcome transaction_add(struct shell *s, const char *const *words, size_t n);
enum outcome transaction_end(struct shell *s, const char *program);

/* Something else that was written in it is wrong. */
void transaction_spoil(struct shell *s);

/* Forgets it, as if it had not begun. */
void transaction_drop(struct shell *s);

#endif
