/* SPDX-License-Identifier: MIT */
#ifndef TOOL_STORE_H
#define TOOL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Room for the name of a file in the folder. */
#define STORE_NAME_MAX 64

/* Whether a file is the user's own, and nobody else can change it. */
bool store_is_own(const struct stat *st);

/* The folder, $XDG_CACHE_HOME/qmp or ~/.cache/qmp, as a descriptor, the caller's; made when `make` says so and it is
 * not there. -1 when there is none that can be trusted. */
int store_open(bool make);

/* The content of a file, the caller's to free(); false when it is not there, is larger than `max`, or others could have
 * written it. */
bool store_read(int folder, const char *name, size_t max, char **ret, size_t *ret_size);

/* Writes a file: all of it, or nothing at all is seen of it. */
bool store_write(int folder, const char *name, const char *text, size_t size);

/* Makes a file the newest. */
void store_touch(int folder, const char *name);

/* The newest of the files whose names start so; false when there is none. */
bool store_newest(int folder, const char *prefix, char ret_name[STORE_NAME_MAX]);

/* Removes the oldest of the files whose names start so, until there are `max` of them at most. */
void store_prune(int folder, const char *prefix, size_t max);

#endif
