/* SPDX-License-Identifier: MIT */
#ifndef TOOL_NAMES_H
#define TOOL_NAMES_H

#include "locate.h"

/* Gives each machine that has no name of its own one that no other has. False without memory. */
bool names_make(struct machine *machines, size_t n);

/* Whether what the user wrote for a server is a name: it is no address, no file here is called that, and it does not
 * look like one that will be ("vm7.qmp"). */
bool names_is_name(const char *word);

/* The address of the only machine that has a name, the caller's to free(); NULL when there is none such. */
char *names_resolve(const char *name);

/* Whether more than one machine has a name. */
bool names_is_ambiguous(const char *name);

/* Says why a name cannot be resolved, and which outcome that is. */
enum outcome names_complain(const char *name);

#endif
