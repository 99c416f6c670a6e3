/* SPDX-License-Identifier: MIT */
#ifndef TOOL_SHELL_BUILTIN_H
#define TOOL_SHELL_BUILTIN_H

#include "shell.h"

/* A command of the shell's own. */
struct builtin {
    const char *name;
    const char *synopsis; /* the words after it */
    const char *summary;
    size_t words_max; /* after it */
    enum outcome (*run)(struct shell *s, const char *const *words, size_t n);
};

/* All of them, up to one without a name. */
extern const struct builtin builtins[];

/* The one of this name; NULL: it is none. Complains where a word looks like one, and is none: *ret_wrong. */
const struct builtin *builtin_find(const char *name, bool *ret_wrong);

#endif
